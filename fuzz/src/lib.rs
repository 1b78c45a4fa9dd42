//! What every photo format promises on any bytes, for the fuzz targets; for messages see [`event`], for proofs [`trust`].

pub mod event;
pub mod trust;

use std::panic;

use obscura::{
    error::ErrorCode,
    geometry::{Rect, Size},
    photo::{Format, Limits, Photo, RgbView, open, read_header, sniff},
    redact::{Obscured, Style},
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Small, so that the fuzzer spends its time on many files rather than on large ones.
const LIMITS: Limits = Limits { max_encoded_bytes: 60_000, max_pixels: 1 << 18, max_side_px: 1 << 12 };
/// What opening may take beside what the header announces: tables of the decoders, and copies of the encoded file.
const EXTRA_BYTES: u64 = 8 << 20;
const COPIES_OF_FILE: u64 = 8;

/// A decoder's panic is contained by `open` and no finding, so libFuzzer must not abort on it. A panic of our own code or
/// of a promise here is one.
pub fn contain_panics() {
    let abort = panic::take_hook();
    panic::set_hook(Box::new(move |facts| {
        let file = facts.location().map(panic::Location::file).unwrap_or_default();
        if !file.contains("/registry/") && !file.contains("/rustc/") {
            abort(facts);
        }
    }));
}

/// # Panics
/// Where a promise is broken.
pub fn photo_keeps_its_contract(bytes: &[u8], format: Format) {
    if sniff(bytes).is_ok_and(|found| found != format) {
        return;
    }
    let header = match read_header(bytes, &LIMITS) {
        Ok(header) => header,
        Err(error) => {
            assert_ne!(error.code, ErrorCode::InternalError, "{error}");
            assert!(open(bytes, &LIMITS).is_err(), "opened what its header forbids: {error}");
            return;
        }
    };
    assert_eq!(header.format, format);
    assert!(header.upright.pixels() <= LIMITS.max_pixels && header.upright.long_side() <= LIMITS.max_side_px);
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.peak_usage();
    let opened = open(bytes, &LIMITS);
    let taken = (ALLOCATOR.peak_usage() - before) as u64;
    let announced = header.decoded_bytes + EXTRA_BYTES + COPIES_OF_FILE * bytes.len() as u64;
    assert!(taken <= announced, "opening took {taken} bytes, announced were {announced}");
    let mut photo = match opened {
        Ok(photo) => photo,
        Err(error) => {
            assert_ne!(error.code, ErrorCode::InternalError, "{error}");
            return;
        }
    };
    let size = photo.upright_size();
    assert_eq!(size, header.upright, "header and picture differ in size");
    for rendition in 0..photo.renditions() {
        let out = Size::new(size.width.min(32), size.height.min(32));
        let view = photo.view(size.rect().into(), out, rendition).expect("the whole photo can be seen");
        assert_eq!((view.size, view.rgb.len() as u64), (out, out.pixels() * 3));
    }
    let region = photo.align(Rect { x: size.width / 3, y: size.height / 3, width: 1 + size.width / 5, height: 1 });
    let original = photo.view(region.into(), region.size(), 0).expect("a region can be seen");
    let style = photo.style(Style::Blur);
    photo.obscure(&[Obscured::new(region, style, 4, &original)]).expect("a region can be obscured");
    let encoded = photo.encode().expect("what was opened can be encoded");
    let published = open(&encoded, &Limits { max_encoded_bytes: u64::MAX, ..LIMITS }).expect("and opened again");
    assert_eq!(published.upright_size(), size);
    if is_exact(format, bytes) {
        assert_eq!(whole(published.as_ref()).rgb, whole(photo.as_ref()).rgb, "another picture was written");
    }
}

/// A part of a photo, the size to show it in, and a style, from bytes.
fn part(choice: [u8; PART_BYTES], size: Size) -> (Rect, Size, Style) {
    let [x, y, right, bottom, width, height, style] = choice;
    let side = |from: u8, to: u8, length: u32| {
        let at = |share: u8| u32::from(share) * length / 255;
        let (start, end) = (at(from.min(to)).min(length - 1), at(from.max(to)));
        (start, end.max(start + 1) - start)
    };
    let ((x, across), (y, down)) = (side(x, right, size.width), side(y, bottom, size.height));
    let style = [Style::Blur, Style::Mosaic, Style::Solid][usize::from(style) % 3];
    let out = Size::new(1 + u32::from(width), 1 + u32::from(height));
    (Rect { x, y, width: across, height: down }, out, style)
}

/// Bytes that choose a part of a photo.
const PART_BYTES: usize = 7;

/// Parts of any size at any scale: the first bytes choose, the rest is the file.
///
/// # Panics
/// Where a promise is broken.
pub fn views_keep_their_contract(bytes: &[u8]) {
    let Some((choice, file)) = bytes.split_first_chunk::<PART_BYTES>() else { return };
    let Ok(photo) = open(file, &LIMITS) else { return };
    let size = photo.upright_size();
    let (rect, out, _) = part(*choice, size);
    let scaled = photo.view(rect.into(), out, 0).expect("any part can be seen at any scale");
    assert_eq!((scaled.size, scaled.rgb.len() as u64), (out, out.pixels() * 3));
    let plain = photo.view(rect.into(), rect.size(), 0).expect("any part can be seen as it is");
    assert_eq!((plain.size, plain.rgb.len() as u64), (rect.size(), rect.area() * 3));
    assert!(photo.align(rect).contains(rect) && size.rect().contains(photo.align(rect)));
}

/// Any regions of any style: the first bytes choose, the rest is the file. What a JPEG shows that was changed in its
/// coded form is what it was meant to show, also to one who opens the file anew.
///
/// # Panics
/// Where a promise is broken.
pub fn redaction_keeps_its_contract(bytes: &[u8]) {
    const MOST_REGIONS: usize = 6;
    let Some((&count, rest)) = bytes.split_first() else { return };
    let count = usize::from(count) % MOST_REGIONS;
    let Some(choices) = rest.get(..count * PART_BYTES) else { return };
    let Ok(mut photo) = open(&rest[choices.len()..], &LIMITS) else { return };
    let size = photo.upright_size();
    let regions: Vec<Obscured> = choices
        .as_chunks::<PART_BYTES>()
        .0
        .iter()
        .map(|choice| {
            let (rect, _, style) = part(*choice, size);
            let rect = photo.align(rect);
            let original = photo.view(rect.into(), rect.size(), 0).expect("a region can be seen");
            Obscured::in_steps(rect, style, 4, photo.cell_step(), &original)
        })
        .collect();
    photo.obscure(&regions).expect("regions can be obscured");
    let encoded = photo.encode().expect("what was opened can be encoded");
    let anew = open(&encoded, &Limits { max_encoded_bytes: u64::MAX, ..LIMITS }).expect("and opened again");
    assert_eq!(anew.upright_size(), size);
    let Some(reopened) = photo.reopen(&encoded) else { return };
    let reopened = reopened.expect("what was encoded is what was painted");
    for shrink in [2, 4, 8] {
        let small = Size::new(size.width.div_ceil(shrink), size.height.div_ceil(shrink));
        let view = reopened.view(size.rect().into(), small, 0).expect("the whole can be seen small");
        assert_eq!(view.rgb.len() as u64, small.pixels() * 3);
    }
    for region in &regions {
        let intended = photo.intended(region.rect, &regions).expect("a region can be intended");
        let view = |photo: &dyn Photo| photo.view(region.rect.into(), region.rect.size(), 0).expect("a region can be seen");
        assert!(view(reopened.as_ref()).rgb == intended.rgb, "a region shows something else than its cells");
        // Colour is interpolated across a region's edge by who sees beyond it.
        let (seen, Rect { width, height, .. }) = (view(anew.as_ref()), region.rect);
        for (at, (a, b)) in seen.rgb.chunks_exact(3).zip(intended.rgb.chunks_exact(3)).enumerate() {
            let (x, y) = (at as u32 % width, at as u32 / width);
            let at_edge = x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            assert!(at_edge || a == b, "a region shows something else than its cells to who opens the file anew");
        }
    }
}

/// Formats that are written without loss.
fn is_exact(format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::Png | Format::Bmp | Format::Tiff => true,
        Format::Webp => bytes.get(12..16) == Some(b"VP8L"),
        // A full palette has to give up colours for a region's.
        Format::Gif | Format::Jpeg => false,
    }
}

fn whole(photo: &dyn Photo) -> RgbView {
    let size = photo.upright_size();
    photo.view(size.rect().into(), size, 0).expect("the whole photo can be seen")
}
