//! A JPEG that is changed in its coded form: what is not obscured keeps every bit.
//!
//! Opening walks the coded data once, which checks it and indexes every MCU. A view decodes the MCUs that it shows and no
//! others; many may do so at once. Painting codes the touched MCUs anew, and those that show something beyond the photo's edge,
//! and copies the rest.

mod edit;
mod headers;
mod hidden;
mod paint;
mod recode;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use self::{
    edit::{NotSpliced, splice},
    headers::Keepsakes,
    paint::Painter,
    view::Reduced,
};
use super::{
    block::Damage,
    colour::to_rgb,
    frame::{Frame, Tables},
    scan::Scan,
    segments::{Segments, walk as walk_segments},
    walk::{INDEX_BYTES, Index, walk},
};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::{BoxF, Rect, Size},
    photo::{Photo, RgbView, corrupt, orientation::align_to_blocks},
    redact::{Obscured, Style},
};

/// Once for codes that are missing, and once for those that are missing in tables made to measure. There is no third
/// time: what had a code or was missing has one then.
const ATTEMPTS: usize = 3;

/// Bytes that opening takes at most beside the file: coded data, index, reduced picture (the whole, if everything is to be
/// looked for in the finest detail), and the coded data once more when it
/// is changed. Tables come to less than 100 kB.
pub(super) fn memory_bytes(frame: &Frame, segments: &Segments) -> u64 {
    let scan = 2 * segments.kept_bytes();
    let index = 2 * frame.mcus() * INDEX_BYTES;
    let reduced = frame.mcus() * frame.blocks_per_mcu() * 64;
    (scan + index + reduced) as u64
}

/// A JPEG in its coded form.
pub(super) struct SplicePhoto {
    frame: Frame,
    tables: Tables,
    keepsakes: Keepsakes,
    scan: Arc<Scan>,
    index: Arc<Index>,
    /// What the coarsest views are taken from; none once something was painted.
    reduced: Option<Reduced>,
}

impl SplicePhoto {
    /// # Errors
    /// `corrupt_image` if the coded data does not hold what the headers promise.
    pub fn open(bytes: &[u8], segments: &Segments, frame: Frame, scale: f32) -> PhotoResult<Self> {
        Self::open_at(bytes, segments, frame, view::scale_of_blocks(scale))
    }

    /// The same, with a reduced picture of so many pixels for the side of a block, or none.
    pub(super) fn open_at(bytes: &[u8], segments: &Segments, frame: Frame, scale: usize) -> PhotoResult<Self> {
        let tables = Tables::of(segments, &frame)?;
        let mut scan = unstuffed(bytes, segments, &frame)?;
        let (index, planes) = walk(&mut scan, &frame, &tables, scale)?;
        let reduced = (scale > 0).then_some(Reduced { scale, planes });
        let keepsakes = Keepsakes::of(segments);
        Ok(Self { frame, tables, keepsakes, scan: Arc::new(scan), index: Arc::new(index), reduced })
    }

    fn painter<'a>(&'a self, regions: &'a [Obscured]) -> PhotoResult<Painter<'a>> {
        let upright = self.upright_size();
        if let Some(region) = regions.iter().find(|region| !upright.rect().contains(region.rect)) {
            return Err(internal(format!("region {:?} of a photo of {upright:?}", region.rect)));
        }
        Ok(Painter::new(&self.frame, self.keepsakes.orientation, regions))
    }
}

impl Photo for SplicePhoto {
    fn upright_size(&self) -> Size {
        self.keepsakes.orientation.turn_size(self.frame.size)
    }

    fn renditions(&self) -> usize {
        1
    }

    fn view(&self, crop: BoxF, out: Size, _rendition: usize) -> PhotoResult<RgbView> {
        self.show(crop, out)
    }

    fn align(&self, rect: Rect) -> Rect {
        align_to_blocks(self.keepsakes.orientation, self.frame.size, self.frame.mcu_size(), rect)
    }

    fn cell_step(&self) -> u32 {
        self.frame.mcu_size().long_side()
    }

    fn style(&self, style: Style) -> Style {
        style
    }

    fn obscure(&mut self, regions: &[Obscured]) -> PhotoResult<()> {
        let mut scan = Arc::clone(&self.scan);
        let mut index = Arc::clone(&self.index);
        let mut tables = self.tables.clone();
        let damaged = |Damage(what)| internal(format!("found {what}"));
        let mended = hidden::mended(&scan, &index, &self.frame, &tables).map_err(damaged)?;
        for _ in 0..ATTEMPTS {
            let painter = self.painter(regions)?;
            let missing = match splice(&scan, &index, &self.frame, &tables, &painter, &mended) {
                Ok((scan, index)) => {
                    (self.scan, self.index, self.tables) = (Arc::new(scan), Arc::new(index), tables);
                    self.reduced = None;
                    return Ok(());
                }
                Err(NotSpliced::Damage(damage)) => return Err(damaged(damage)),
                Err(NotSpliced::MissingCodes(missing)) => missing,
            };
            if let Some(longer) = recode::with_more_codes(&tables, &missing)? {
                tables = longer;
            } else {
                let (coded, indexed, measured) =
                    recode::with_new_tables(&scan, &index, &self.frame, &tables, &missing)?;
                (scan, index, tables) = (Arc::new(coded), Arc::new(indexed), measured);
            }
        }
        Err(internal("found no codes for what is to be painted".into()))
    }

    fn intended(&self, region: Rect, painted: &[Obscured]) -> PhotoResult<RgbView> {
        let orientation = self.keepsakes.orientation;
        let painter = self.painter(painted)?;
        let stored = orientation.stored_rect(self.upright_size(), region);
        let mcus = self.frame.mcus_of(stored);
        let picture = to_rgb(&self.frame, &painter.planes(mcus), self.within(mcus, stored));
        Ok(RgbView { size: region.size(), rgb: orientation.upright_rgb(picture.size, picture.rgb) })
    }

    fn encode(&self) -> PhotoResult<Vec<u8>> {
        let mut out = self.keepsakes.write(&self.frame, &self.tables);
        out.reserve(self.scan.bytes.len() + self.scan.bytes.len() / 64);
        self.scan.stuff_into(&mut out);
        out.extend([0xFF, 0xD9]);
        Ok(out)
    }

    /// The headers are read anew, and the coded data is compared with what is held, byte by byte: where it is the same,
    /// the index holds for it, and only what is looked at has to be decoded.
    fn reopen(&self, encoded: &[u8]) -> Option<PhotoResult<Box<dyn Photo>>> {
        Some(self.reopened(encoded).map(|photo| Box::new(photo) as Box<dyn Photo>))
    }
}

impl SplicePhoto {
    fn reopened(&self, encoded: &[u8]) -> PhotoResult<Self> {
        let segments = walk_segments(encoded)?;
        let frame = Frame::to_splice(&segments)?.ok_or_else(|| corrupt("found another kind of JPEG"))?;
        let tables = Tables::of(&segments, &frame)?;
        let keepsakes = Keepsakes::of(&segments);
        let scan = unstuffed(encoded, &segments, &frame)?;
        let is_same = frame == self.frame
            && tables.specs_equal(&self.tables)
            && keepsakes == self.keepsakes
            && scan.holds_the_same_as(&self.scan);
        if !is_same {
            return Err(corrupt("the encoded file is not the one that was painted"));
        }
        let (scan, index) = (Arc::clone(&self.scan), Arc::clone(&self.index));
        Ok(Self { frame, tables, keepsakes, scan, index, reduced: None })
    }
}

fn unstuffed(bytes: &[u8], segments: &Segments, frame: &Frame) -> PhotoResult<Scan> {
    let data = segments.first_scan.as_ref().map(|scan| &bytes[scan.data.clone()]);
    Scan::unstuffed(data.unwrap_or_default(), frame.mcus().div_ceil(frame.interval))
}

fn internal(detail: String) -> PhotoError {
    PhotoError::new(Stage::Redact, ErrorCode::InternalError, detail)
}
