//! From the samples of a TIFF file to a picture of 8 bits a sample.

use tiff::{ColorType, decoder::DecodingResult, tags::ExtraSamples};

use super::directory::Directory;
use crate::{
    error::PhotoResult,
    photo::{
        corrupt,
        pixel::{Layout, Raster},
        unsupported,
    },
};

/// What the samples of a pixel mean, in their order.
#[derive(Clone, Copy)]
enum Meaning {
    Grey,
    Rgb,
    Cmyk,
}

/// # Errors
/// `unsupported_format` for colour models other than grey, RGB and CMYK.
pub(super) fn to_raster(decoded: DecodingResult, directory: &Directory<'_>) -> PhotoResult<Raster> {
    let alpha = directory.extra.first().copied().filter(|extra| *extra != ExtraSamples::Unspecified);
    let (meaning, channels, has_alpha) = match directory.colour {
        ColorType::Gray(1 | 2 | 4 | 8 | 16) => (Meaning::Grey, 1, false),
        // Grey with anything more is reported as several bands.
        ColorType::Multiband { bit_depth: 8 | 16, num_samples: 2 } if alpha.is_some() => (Meaning::Grey, 2, true),
        ColorType::RGB(8 | 16) => (Meaning::Rgb, 3, false),
        ColorType::RGBA(8 | 16) => (Meaning::Rgb, 4, true),
        ColorType::CMYK(8 | 16) => (Meaning::Cmyk, 4, false),
        other => {
            return Err(unsupported(format!("expected a grey, RGB or CMYK TIFF of up to 16 bits, found {other:?}")));
        }
    };
    let samples = match (decoded, directory.colour.bit_depth()) {
        (DecodingResult::U8(samples), 8) => samples,
        (DecodingResult::U8(packed), bits) => unpack(&packed, bits, directory.size.width as usize),
        (DecodingResult::U16(samples), 16) => samples.into_iter().map(to_8_bits).collect(),
        _ => return Err(unsupported("expected TIFF samples of 1, 2, 4, 8 or 16 bits")),
    };
    let samples = if directory.planar { interleave(&samples, channels, directory.size.pixels())? } else { samples };
    let (layout, data) = match (meaning, has_alpha) {
        (Meaning::Grey, false) => (Layout::Grey, samples),
        (Meaning::Grey, true) => (Layout::GreyAlpha, samples),
        (Meaning::Rgb, false) => (Layout::Rgb, samples),
        (Meaning::Rgb, true) => (Layout::Rgba, samples),
        (Meaning::Cmyk, _) => (Layout::Rgb, samples.chunks_exact(4).flat_map(cmyk_to_rgb).collect()),
    };
    let mut raster = Raster::new(directory.size, layout, data)
        .ok_or_else(|| corrupt("the decoder returned another size than the header's"))?;
    if has_alpha && alpha == Some(ExtraSamples::AssociatedAlpha) {
        unassociate(&mut raster);
    }
    Ok(raster)
}

/// Rounded as the `image` crate does for PNG.
fn to_8_bits(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

/// Samples of 1, 2 or 4 bits, the first in the highest bits, every row from a byte of its own.
fn unpack(packed: &[u8], bits: u8, width: usize) -> Vec<u8> {
    let (a_byte, top) = (usize::from(8 / bits), (1u16 << bits) - 1);
    let value = move |byte: u8, place: usize| {
        let shifted = u16::from(byte) >> (8 - usize::from(bits) * (place + 1));
        ((shifted & top) * 255 / top) as u8
    };
    packed
        .chunks_exact(width.div_ceil(a_byte))
        .flat_map(|row| (0..width).map(move |x| value(row[x / a_byte], x % a_byte)))
        .collect()
}

/// From planes to pixels. Planes behind the wanted ones hold samples without a meaning.
fn interleave(planes: &[u8], channels: usize, pixels: u64) -> PhotoResult<Vec<u8>> {
    let pixels = usize::try_from(pixels).unwrap_or(usize::MAX);
    if planes.len() / channels < pixels {
        return Err(corrupt("the decoder returned too few planes"));
    }
    let mut out = vec![0; pixels * channels];
    for (channel, plane) in planes.chunks_exact(pixels).take(channels).enumerate() {
        for (pixel, &sample) in out.chunks_exact_mut(channels).zip(plane) {
            pixel[channel] = sample;
        }
    }
    Ok(out)
}

/// As for JPEG: what browsers do without a colour profile. TIFF stores ink as it is, 255 for full (TIFF 6.0, 16).
fn cmyk_to_rgb(pixel: &[u8]) -> [u8; 3] {
    let free = |ink: u8| u16::from(255 - ink);
    std::array::from_fn(|channel| ((free(pixel[channel]) * free(pixel[3]) + 127) / 255) as u8)
}

/// Colour that was multiplied by alpha is divided by it again, because everything else here works on bare colour.
fn unassociate(raster: &mut Raster) {
    for pixel in raster.data.chunks_exact_mut(raster.layout.channels()) {
        let Some((alpha, colour)) = pixel.split_last_mut() else { continue };
        let alpha = u32::from(*alpha);
        for value in colour.iter_mut().filter(|_| alpha > 0) {
            *value = ((u32::from(*value) * 255 + alpha / 2) / alpha).min(255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn packed_rows_start_at_a_byte() {
        assert_eq!(unpack(&[0b1010_0000, 0b0100_0000], 1, 3), [255, 0, 255, 0, 255, 0]);
        assert_eq!(unpack(&[0b0001_1011, 0b1100_0000], 2, 5), [0, 85, 170, 255, 255]);
        assert_eq!(unpack(&[0xF0, 0x10], 4, 3), [255, 0, 17]);
    }

    #[test]
    fn planes_become_pixels_and_unused_ones_are_dropped() {
        assert_eq!(interleave(&[1, 2, 3, 4, 5, 6, 9, 9], 3, 2).unwrap(), [1, 3, 5, 2, 4, 6]);
        assert!(interleave(&[1, 2, 3], 3, 2).is_err());
    }

    #[test]
    fn multiplied_colour_is_divided_again() {
        let mut raster = Raster::new(Size::new(3, 1), Layout::GreyAlpha, vec![50, 100, 7, 0, 200, 255]).unwrap();
        unassociate(&mut raster);
        assert_eq!(raster.data, [128, 100, 7, 0, 200, 255]);
    }
}
