//! GIF (89a) by way of pixels: one frame, published with a palette of its own. It has no orientation, and its colour
//! profile, which hardly anything reads, is left out.

mod palette;

use std::{borrow::Cow, io::Cursor, num::NonZeroU64};

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, Encoder, Frame, MemoryLimit};

use self::palette::Palette;
use super::{
    Format, Limits, Orientation, PhotoHeader, corrupt, encode_failed, library,
    pixel::{Coding, Layout, PixelPhoto, Raster},
    several_frames,
};
use crate::{
    error::{PhotoError, PhotoResult},
    geometry::{Rect, Size},
};

/// Codes of at most 12 bits stand for at most 4096 pixels (appendix F).
const MAX_PIXELS_A_BYTE: u64 = 4096 * 8 / 12;

/// The colours that regions were painted in: they must come out as they are.
#[derive(Clone, Debug, Default)]
pub(super) struct GifCoding {
    kept: Vec<[u8; 3]>,
}

impl GifCoding {
    pub(super) fn keep(&mut self, colours: &[[u8; 3]]) {
        self.kept.extend(colours);
    }
}

/// What stands before the pixels.
struct FrameHeader {
    /// What viewers show: the screen, or more where the frame is larger.
    canvas: Size,
    frame: Rect,
}

pub(super) fn read_header(bytes: &[u8], limits: &Limits) -> PhotoResult<PhotoHeader> {
    let header = checked(bytes, limits)?;
    // Indices of the frame, and the picture.
    let decoded_bytes = header.frame.area() + header.canvas.pixels() * 4 + library::DECODER_EXTRA_BYTES;
    Ok(PhotoHeader { format: Format::Gif, upright: header.canvas, decoded_bytes })
}

pub(super) fn open(bytes: &[u8], limits: &Limits) -> PhotoResult<PixelPhoto> {
    let FrameHeader { canvas, frame: place } = checked(bytes, limits)?;
    let mut decoder = decoder(bytes, false, place.area())?;
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder.read_next_frame().map_err(refused)?.ok_or_else(|| corrupt("the GIF has no frame"))?;
    let colours = frame.palette.as_deref().or(global.as_deref()).unwrap_or_default();
    let covers_all = place == canvas.rect();
    let layout = if frame.transparent.is_some() || !covers_all { Layout::Rgba } else { Layout::Rgb };
    let channels = layout.channels();
    // What the frame does not cover is transparent, as browsers show it.
    let mut data = vec![0; canvas.pixels() as usize * channels];
    let rows = frame.buffer.chunks_exact(place.width as usize);
    for (y, row) in rows.enumerate() {
        let start = ((place.y as usize + y) * canvas.width as usize + place.x as usize) * channels;
        for (pixel, &index) in data[start..].chunks_exact_mut(channels).zip(row) {
            if frame.transparent == Some(index) {
                continue;
            }
            let at = usize::from(index) * 3;
            let colour = colours.get(at..at + 3).ok_or_else(|| corrupt("a pixel has a colour outside the palette"))?;
            pixel[..3].copy_from_slice(colour);
            if layout.has_alpha() {
                pixel[3] = 255;
            }
        }
    }
    let raster = Raster::new(canvas, layout, data).ok_or_else(|| corrupt("the frame does not fit the canvas"))?;
    Ok(PixelPhoto {
        raster,
        orientation: Orientation::Upright,
        icc: None,
        block: Size::new(1, 1),
        coding: Coding::Gif(GifCoding::default()),
    })
}

fn decoder(bytes: &[u8], skip_pixels: bool, pixels: u64) -> PhotoResult<Decoder<Cursor<&[u8]>>> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.skip_frame_decoding(skip_pixels);
    let limit = pixels.saturating_add(library::DECODER_EXTRA_BYTES);
    options.set_memory_limit(NonZeroU64::new(limit).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes));
    options.read_info(Cursor::new(bytes)).map_err(refused)
}

/// Walk all blocks up to the trailer without decoding pixels.
fn checked(bytes: &[u8], limits: &Limits) -> PhotoResult<FrameHeader> {
    let mut decoder = decoder(bytes, true, 0)?;
    let screen = Size::new(u32::from(decoder.width()), u32::from(decoder.height()));
    let frame = decoder.next_frame_info().map_err(refused)?.ok_or_else(|| corrupt("the GIF has no frame"))?;
    let frame = Rect {
        x: u32::from(frame.left),
        y: u32::from(frame.top),
        width: u32::from(frame.width),
        height: u32::from(frame.height),
    };
    let canvas = Size::new(screen.width.max(frame.right()), screen.height.max(frame.bottom()));
    limits.check_size(frame.size())?;
    limits.check_size(canvas)?;
    if frame.area() > (bytes.len() as u64).saturating_mul(MAX_PIXELS_A_BYTE) {
        return Err(corrupt(format!(
            "the header promises {} pixels, the file has {} bytes",
            frame.area(),
            bytes.len()
        )));
    }
    if decoder.next_frame_info().map_err(refused)?.is_some() {
        return Err(several_frames("several frames"));
    }
    Ok(FrameHeader { canvas, frame })
}

fn refused(error: DecodingError) -> PhotoError {
    corrupt(format!("the decoder says: {error}"))
}

pub(super) fn encode(raster: &Raster, coding: &GifCoding) -> PhotoResult<Vec<u8>> {
    let side =
        |pixels: u32| u16::try_from(pixels).map_err(|_| encode_failed(&format!("a GIF side of {pixels} pixels")));
    let (width, height) = (side(raster.size.width)?, side(raster.size.height)?);
    let palette = Palette::new(raster, &coding.kept);
    let mut frame = Frame { width, height, ..Frame::default() };
    frame.transparent = palette.transparent();
    frame.buffer = Cow::Owned(palette.indices(raster));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height, &palette.rgb()).map_err(|error| encode_failed(&error))?;
    encoder.write_frame(&frame).map_err(|error| encode_failed(&error))?;
    // Dropping the encoder writes the trailer and hides errors.
    encoder.into_inner().map_err(|error| encode_failed(&error))?;
    Ok(bytes)
}
