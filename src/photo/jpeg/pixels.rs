//! JPEG by way of pixels, for what cannot be spliced: decoded whole, encoded again with the tables and sampling it came
//! with.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, QuantizationTableType, SamplingFactor};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{ZIGZAG, segments::Segments};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::Size,
    photo::{
        Limits, corrupt, metadata,
        pixel::{Coding, Layout, PixelPhoto, Raster},
    },
};

/// Quality where a file names no usable tables (IJG scale).
const DEFAULT_QUALITY: u8 = 90;
/// The coarsest steps that the output is coded with, by place in zigzag order: about IJG quality 75. With coarser ones
/// ringing inside a region would drown what verification looks for. A coarser source costs some bytes more.
fn max_step(zigzag_index: usize) -> u16 {
    8 + zigzag_index as u16
}

/// How the output is coded: as the input was, as far as that is possible.
#[derive(Clone, Debug)]
pub(in crate::photo) struct JpegCoding {
    pub luma_table: Option<[u16; 64]>,
    pub chroma_table: Option<[u16; 64]>,
    /// Luma samples for each chroma sample, across and down.
    pub sampling: (u8, u8),
    pub progressive: bool,
}

/// Bytes that decoding takes for each pixel. Progressive files keep all coefficients (2 bytes a sample) until the last
/// scan.
pub(super) fn bytes_per_pixel(segments: &Segments) -> u64 {
    if segments.progressive { 9 } else { 3 }
}

pub(super) fn open(bytes: &[u8], segments: &Segments, stored: Size, limits: &Limits) -> PhotoResult<PixelPhoto> {
    let raster = decode(bytes, segments, stored, limits)?;
    let coding = coding_of(segments);
    let (across, down) = coding.sampling;
    Ok(PixelPhoto {
        raster,
        orientation: segments.orientation,
        // A CMYK profile says nothing about the RGB picture that is written.
        icc: metadata::rebuild_icc(&segments.icc, segments.components.len() == 1),
        block: Size::new(8 * u32::from(across), 8 * u32::from(down)),
        coding: Coding::Jpeg(coding),
    })
}

fn decode(bytes: &[u8], segments: &Segments, stored: Size, limits: &Limits) -> PhotoResult<Raster> {
    let (wanted, layout) = match segments.components.len() {
        1 => (ColorSpace::Luma, Layout::Grey),
        // Adobe's transform 2 is YCCK, which the decoder turns into RGB itself; plain CMYK comes out as it is stored,
        // since only the file's Adobe marker tells whether its values are inverted.
        4 if segments.adobe_transform != Some(2) => (ColorSpace::CMYK, Layout::Rgb),
        _ => (ColorSpace::RGB, Layout::Rgb),
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(limits.max_side_px as usize)
        .set_max_height(limits.max_side_px as usize)
        .jpeg_set_out_colorspace(wanted);
    let clean = segments.clean(bytes);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&clean), options);
    let mut samples = decoder.decode().map_err(|error| corrupt(format!("the decoder says: {error:?}")))?;
    if wanted == ColorSpace::CMYK {
        samples = cmyk_to_rgb(&samples, segments.adobe_transform.is_some());
    }
    Raster::new(stored, layout, samples).ok_or_else(|| corrupt("the decoder returned another size than the header's"))
}

/// Naive conversion, as browsers do without a colour profile. Adobe stores CMYK inverted: 255 is no ink.
fn cmyk_to_rgb(cmyk: &[u8], inverted: bool) -> Vec<u8> {
    let ink_free = |value: u8| u16::from(if inverted { value } else { 255 - value });
    let mut rgb = Vec::with_capacity(cmyk.len() / 4 * 3);
    for pixel in cmyk.chunks_exact(4) {
        let black = ink_free(pixel[3]);
        rgb.extend(pixel[..3].iter().map(|&ink| ((ink_free(ink) * black + 127) / 255) as u8));
    }
    rgb
}

fn coding_of(segments: &Segments) -> JpegCoding {
    let components = &segments.components;
    let table = |index: usize| {
        let component = components.get(index)?;
        segments.tables.get(usize::from(component.table)).copied().flatten()
    };
    // Tables of CMYK planes do not suit YCbCr, and other samplings than N:1 chroma fall back to no subsampling.
    let is_ycc = components.len() != 4;
    let sampling = match components.as_slice() {
        [luma, blue, red] if (blue.horizontal, blue.vertical, red.horizontal, red.vertical) == (1, 1, 1, 1) => {
            SamplingFactor::from_factors(luma.horizontal, luma.vertical).map(|_| (luma.horizontal, luma.vertical))
        }
        _ => None,
    };
    JpegCoding {
        luma_table: table(0).filter(|_| is_ycc),
        chroma_table: table(1).filter(|_| is_ycc),
        sampling: sampling.unwrap_or((1, 1)),
        progressive: segments.progressive,
    }
}

pub(in crate::photo) fn encode(
    raster: &Raster,
    coding: &JpegCoding,
    exif: Option<Vec<u8>>,
    icc: Option<&[u8]>,
) -> PhotoResult<Vec<u8>> {
    let failed = |error: String| PhotoError::new(Stage::Encode, ErrorCode::EncodeFailed, error);
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| failed(format!("a JPEG side of {pixels} pixels")));
    let mut bytes = Vec::with_capacity(raster.data.len() / 6);
    let mut encoder = Encoder::new(&mut bytes, DEFAULT_QUALITY);
    if let (Some(luma), chroma) = (coding.luma_table, coding.chroma_table) {
        encoder.set_quantization_tables(custom_table(&luma), custom_table(&chroma.unwrap_or(luma)));
    }
    if raster.layout == Layout::Rgb
        && let Some(factor) = SamplingFactor::from_factors(coding.sampling.0, coding.sampling.1)
    {
        encoder.set_sampling_factor(factor);
    }
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_progressive(coding.progressive);
    // Progressive coding buffers all coefficients anyway; without tables of its own it grows by half.
    encoder.set_optimized_huffman_tables(coding.progressive);
    if let Some(exif) = exif {
        encoder.add_exif_metadata(&exif).map_err(|error| failed(error.to_string()))?;
    }
    if let Some(icc) = icc {
        encoder.add_icc_profile(icc).map_err(|error| failed(error.to_string()))?;
    }
    let color = if raster.layout == Layout::Grey { ColorType::Luma } else { ColorType::Rgb };
    encoder
        .encode(&raster.data, side(raster.size.width)?, side(raster.size.height)?, color)
        .map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

/// The encoder wants row order and writes 8-bit tables.
fn custom_table(zigzag: &[u16; 64]) -> QuantizationTableType {
    let mut table = Box::new([1; 64]);
    for (index, &value) in zigzag.iter().enumerate() {
        table[ZIGZAG[index]] = value.clamp(1, max_step(index));
    }
    QuantizationTableType::Custom(table)
}

#[cfg(test)]
mod tests {
    use super::{super::segments::walk, *};
    use crate::photo::Photo;

    #[test]
    fn both_kinds_of_cmyk_mean_the_same_colour() {
        // No ink at all, full cyan, full black.
        let plain = [0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255];
        let inverted: Vec<u8> = plain.iter().map(|value| 255 - value).collect();
        let expected = [255, 255, 255, 0, 255, 255, 0, 0, 0];
        assert_eq!(cmyk_to_rgb(&plain, false), expected);
        assert_eq!(cmyk_to_rgb(&inverted, true), expected);
    }

    #[test]
    fn a_photo_keeps_its_tables_and_sampling() {
        let limits = Limits { max_encoded_bytes: 1 << 20, max_pixels: 1 << 20, max_side_px: 4096 };
        for factor in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2, SamplingFactor::F_1_2] {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, 95);
            encoder.set_sampling_factor(factor);
            encoder.set_progressive(true);
            encoder.encode(&[77; 33 * 19 * 3], 33, 19, ColorType::Rgb).unwrap();
            let before = walk(&bytes).unwrap();
            let photo = open(&bytes, &before, Size::new(33, 19), &limits).unwrap();
            let after = walk(&Photo::encode(&photo).unwrap()).unwrap();
            assert_eq!(before.tables, after.tables);
            assert_eq!(before.components, after.components);
            assert_eq!(after.stored, Some(Size::new(33, 19)));
        }
    }
}
