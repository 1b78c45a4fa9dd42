//! The directory of a TIFF file, checked before any pixel is decoded.

use std::io::Cursor;

use tiff::{
    ColorType, TiffError,
    decoder::{Decoder, Limits as DecoderLimits},
    tags::{CompressionMethod, ExtraSamples, PlanarConfiguration, SampleFormat, Tag},
};

use crate::{
    error::{PhotoError, PhotoResult},
    geometry::Size,
    photo::{
        Limits, Orientation, corrupt, library::DECODER_EXTRA_BYTES, several_frames, sniff::CAMERA_RAW_HINT, unsupported,
    },
};

/// Tags of TIFF/EP, DNG 1.7 and cameras that no finished photo carries.
const DNG_VERSION: u16 = 50706;
const COLOUR_FILTER_ARRAY: u16 = 33422;
/// Canon's second signature, behind the header.
const CR2_MARK: &[u8] = b"CR";
/// Bit of NewSubfileType, and value of the older SubfileType: a smaller version of another picture of the file.
const IS_REDUCED: u64 = 1;
const IS_REDUCED_OLD: u64 = 2;
/// No coding of TIFF 6.0 packs more tightly; LZW does best, with 4096 entries of 12 bits.
const MAX_RATIO: u64 = 4096;
/// A tile is not wider than this without good reason, and the decoder takes memory for a row of one.
const MAX_TILE_PX: u32 = 1 << 16;

/// A decoder that has read the only directory of its file, and what that directory says.
pub(super) struct Directory<'a> {
    pub decoder: Decoder<Cursor<&'a [u8]>>,
    pub size: Size,
    pub colour: ColorType,
    /// Samples of a pixel in the file, alpha and unused ones included.
    pub samples_a_pixel: u16,
    pub extra: Vec<ExtraSamples>,
    /// Samples lie plane by plane.
    pub planar: bool,
    pub orientation: Orientation,
}

impl<'a> Directory<'a> {
    /// # Errors
    /// `unsupported_format` for camera raw and for samples or codings that are not read, `multi_frame_unsupported` for
    /// several pages, `dimensions_too_large`, `corrupt_image`.
    pub(super) fn read(bytes: &'a [u8], limits: &Limits) -> PhotoResult<Self> {
        if bytes.get(8..10) == Some(CR2_MARK) {
            return Err(camera_raw());
        }
        let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(refused)?;
        refuse_raw(&mut decoder)?;
        if decoder.more_images() {
            return Err(several_frames("several pages"));
        }
        let (width, height) = decoder.dimensions().map_err(refused)?;
        let size = Size::new(width, height);
        limits.check_size(size)?;
        let colour = decoder.colortype().map_err(refused)?;
        let format: Vec<u16> = tag_list(&mut decoder, Tag::SampleFormat)?;
        if format.iter().any(|&format| SampleFormat::from_u16(format) != Some(SampleFormat::Uint)) {
            return Err(unsupported("expected TIFF samples that are unsigned integers, found other numbers"));
        }
        let extra: Vec<u16> = tag_list(&mut decoder, Tag::ExtraSamples)?;
        let mut directory = Self {
            size,
            colour,
            samples_a_pixel: tag(&mut decoder, Tag::SamplesPerPixel)?.unwrap_or(1),
            extra: extra
                .into_iter()
                .map(|kind| ExtraSamples::from_u16(kind).unwrap_or(ExtraSamples::Unspecified))
                .collect(),
            planar: tag(&mut decoder, Tag::PlanarConfiguration)? == Some(PlanarConfiguration::Planar.to_u16()),
            orientation: Orientation::from_exif(tag(&mut decoder, Tag::Orientation)?.unwrap_or(1)),
            decoder,
        };
        directory.check_data(bytes.len() as u64)?;
        let mut decoder_limits = DecoderLimits::default();
        decoder_limits.decoding_buffer_size = usize::try_from(directory.sample_bytes()).unwrap_or(usize::MAX);
        decoder_limits.intermediate_buffer_size = bytes.len();
        decoder_limits.ifd_value_size = DECODER_EXTRA_BYTES as usize;
        directory.decoder = directory.decoder.with_limits(decoder_limits);
        Ok(directory)
    }

    /// Samples of the whole picture.
    pub(super) fn samples(&self) -> u64 {
        self.size.pixels() * u64::from(self.samples_a_pixel)
    }

    /// Bytes that the decoded samples take; rows of less than 8 bits a sample are padded.
    pub(super) fn sample_bytes(&self) -> u64 {
        let row_bits =
            u64::from(self.size.width) * u64::from(self.samples_a_pixel) * u64::from(self.colour.bit_depth());
        (row_bits.div_ceil(8) + u64::from(self.samples_a_pixel)) * u64::from(self.size.height)
    }

    pub(super) fn icc(&mut self) -> Option<Vec<u8>> {
        self.decoder.get_tag_u8_vec(Tag::IccProfile).ok()
    }

    /// Every strip or tile lies inside the file, and together they have room for the picture. The decoder does not ask:
    /// where a strip without compression is too short, it reads on in whatever follows.
    fn check_data(&mut self, file_bytes: u64) -> PhotoResult<()> {
        let (width, _) = self.decoder.chunk_dimensions();
        if width > self.size.width.max(MAX_TILE_PX) {
            return Err(corrupt(format!("a tile is {width} pixels wide")));
        }
        let [offsets, lengths] = match self.decoder.get_chunk_type() {
            tiff::decoder::ChunkType::Strip => [Tag::StripOffsets, Tag::StripByteCounts],
            tiff::decoder::ChunkType::Tile => [Tag::TileOffsets, Tag::TileByteCounts],
        };
        let offsets: Vec<u64> = tag_list(&mut self.decoder, offsets)?;
        let lengths: Vec<u64> = tag_list(&mut self.decoder, lengths)?;
        let ends = offsets.iter().zip(&lengths).map(|(offset, length)| offset.saturating_add(*length));
        if ends.max().is_none_or(|end| end > file_bytes) {
            return Err(corrupt("a strip or tile lies behind the end of the file"));
        }
        let method: Option<u16> = tag(&mut self.decoder, Tag::Compression)?;
        let plain = CompressionMethod::None.to_u16();
        let ratio = if method.unwrap_or(plain) == plain { 1 } else { MAX_RATIO };
        let row_bits =
            u64::from(self.size.width) * u64::from(self.samples_a_pixel) * u64::from(self.colour.bit_depth());
        let needed = row_bits / 8 * u64::from(self.size.height);
        let available = lengths.iter().fold(0u64, |sum, length| sum.saturating_add(*length));
        if needed > available.saturating_mul(ratio) {
            return Err(corrupt(format!("the header promises {needed} bytes of samples, the file has {available}")));
        }
        Ok(())
    }
}

fn refuse_raw(decoder: &mut Decoder<Cursor<&[u8]>>) -> PhotoResult<()> {
    let kind: Option<u64> = tag(decoder, Tag::NewSubfileType)?;
    let old_kind: Option<u64> = tag(decoder, Tag::SubfileType)?;
    let has = |decoder: &mut Decoder<_>, number: Tag| matches!(decoder.find_tag(number), Ok(Some(_)) | Err(_));
    if kind.unwrap_or(0) & IS_REDUCED != 0
        || old_kind == Some(IS_REDUCED_OLD)
        || has(decoder, Tag::SubIfd)
        || has(decoder, Tag::Unknown(DNG_VERSION))
        || has(decoder, Tag::Unknown(COLOUR_FILTER_ARRAY))
    {
        return Err(camera_raw());
    }
    Ok(())
}

fn camera_raw() -> PhotoError {
    unsupported("expected a TIFF of one finished picture, found a camera raw file or a preview")
        .with_hint(CAMERA_RAW_HINT)
}

fn tag<T: TryFrom<u64>>(decoder: &mut Decoder<Cursor<&[u8]>>, tag: Tag) -> PhotoResult<Option<T>> {
    decoder.find_tag_unsigned(tag).map_err(refused)
}

fn tag_list<T: TryFrom<u64>>(decoder: &mut Decoder<Cursor<&[u8]>>, tag: Tag) -> PhotoResult<Vec<T>> {
    Ok(decoder.find_tag_unsigned_vec(tag).map_err(refused)?.unwrap_or_default())
}

/// Why the decoder refused a file.
pub(super) fn refused(error: TiffError) -> PhotoError {
    match error {
        TiffError::UnsupportedError(what) => unsupported(format!("the TIFF decoder says: {what}")).with_hint(
            "convert it to 8-bit RGB without JPEG compression first, e.g. `magick photo.tif -compress zip rgb.tif`",
        ),
        other => corrupt(format!("the TIFF decoder says: {other}")),
    }
}
