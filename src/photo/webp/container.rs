//! The chunks of a WebP file (RFC 9649, section 2), walked and written without decoding anything.
//!
//! As for JPEG, the decoder gets a cleaned file: the picture and its transparency, no metadata, nothing behind the end.

use crate::{
    error::{PhotoError, PhotoResult},
    geometry::Size,
    photo::{Orientation, corrupt, metadata, several_frames, unsupported},
};

/// RIFF, length, WEBP.
const FILE_HEADER_LEN: usize = 12;
/// Flags of the VP8X chunk (2.7.1).
const HAS_ICC: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const HAS_EXIF: u8 = 0x08;
const IS_ANIMATED: u8 = 0x02;

/// The two ways to code the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bitstream {
    Lossy,
    Lossless,
}

impl Bitstream {
    fn name(self) -> [u8; 4] {
        match self {
            Self::Lossy => *b"VP8 ",
            Self::Lossless => *b"VP8L",
        }
    }
}

/// What a file is made of.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    pub size: Size,
    pub has_alpha: bool,
    pub bitstream: Bitstream,
    pub picture: &'a [u8],
    /// Transparency of a lossy picture; a lossless one holds its own.
    pub alpha: Option<&'a [u8]>,
    pub icc: Option<&'a [u8]>,
    pub orientation: Orientation,
}

/// Walk the whole file.
///
/// # Errors
/// `multi_frame_unsupported` for an animation; `corrupt_image` for a file that is cut off, has no picture or several.
pub(super) fn walk(bytes: &[u8]) -> PhotoResult<Parts<'_>> {
    let length = le32(bytes, 4).ok_or_else(cut_off)?;
    // What stands behind the declared end is not part of the file.
    let file = bytes.get(..length.checked_add(8).ok_or_else(cut_off)?).ok_or_else(cut_off)?;
    let (mut canvas, mut picture, mut alpha, mut icc, mut exif) = (None, None, None, None, None);
    let mut at = FILE_HEADER_LEN;
    while at < file.len() {
        let name = file.get(at..at + 4).ok_or_else(cut_off)?;
        let length = le32(file, at + 4).ok_or_else(cut_off)?;
        let body = file.get(at + 8..).and_then(|rest| rest.get(..length)).ok_or_else(cut_off)?;
        match name {
            b"VP8X" if at == FILE_HEADER_LEN => canvas = Some(read_canvas(body)?),
            b"ANIM" | b"ANMF" => return Err(several_frames("an animation")),
            b"VP8 " | b"VP8L" if picture.is_some() => return Err(corrupt("found two pictures in one WebP file")),
            b"VP8 " => picture = Some((Bitstream::Lossy, body)),
            b"VP8L" => picture = Some((Bitstream::Lossless, body)),
            b"ALPH" if picture.is_none() => alpha = Some(body),
            b"ICCP" => icc = icc.or(Some(body)),
            b"EXIF" => exif = exif.or(Some(body)),
            _ => {}
        }
        at += 8 + length.next_multiple_of(2);
    }
    let Some((bitstream, picture)) = picture else { return Err(corrupt("found no picture in the WebP file")) };
    let (size, lossless_alpha) = match bitstream {
        Bitstream::Lossy => (lossy_size(picture)?, false),
        Bitstream::Lossless => lossless_header(picture)?,
    };
    if canvas.is_some_and(|canvas| canvas != size) {
        return Err(corrupt("canvas and picture differ in size"));
    }
    // As libwebp takes it: chunks of the extended layout count in it alone, whatever its flags say.
    let alpha = alpha.filter(|_| bitstream == Bitstream::Lossy && canvas.is_some());
    Ok(Parts {
        size,
        has_alpha: lossless_alpha || alpha.is_some(),
        bitstream,
        picture,
        alpha,
        icc: icc.filter(|_| canvas.is_some()),
        orientation: exif.filter(|_| canvas.is_some()).map_or(Orientation::Upright, exif_orientation),
    })
}

fn read_canvas(body: &[u8]) -> PhotoResult<Size> {
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = body else { return Err(cut_off()) };
    if flags & IS_ANIMATED != 0 {
        return Err(several_frames("an animation"));
    }
    let side = |bytes: [&u8; 3]| 1 + u32::from_le_bytes([*bytes[0], *bytes[1], *bytes[2], 0]);
    Ok(Size::new(side([w0, w1, w2]), side([h0, h1, h2])))
}

/// RFC 6386, 9.1: frame tag, start code, 14 bits a side.
fn lossy_size(picture: &[u8]) -> PhotoResult<Size> {
    let [tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] = picture else {
        return Err(corrupt("the lossy picture has no header"));
    };
    if tag & 1 != 0 {
        return Err(corrupt("the lossy picture is not a key frame"));
    }
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    Ok(Size::new(side(*w0, *w1), side(*h0, *h1)))
}

/// RFC 9649, 3.4: signature, 14 bits a side, one bit that says whether there is transparency, version.
fn lossless_header(picture: &[u8]) -> PhotoResult<(Size, bool)> {
    let [0x2F, b0, b1, b2, b3, ..] = picture else {
        return Err(corrupt("the lossless picture has no header"));
    };
    let bits = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
    if bits >> 29 != 0 {
        return Err(unsupported(format!("expected lossless WebP of version 0, found {}", bits >> 29)));
    }
    Ok((Size::new((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), bits >> 28 & 1 != 0))
}

/// Some writers put JPEG's mark before the block.
fn exif_orientation(block: &[u8]) -> Orientation {
    metadata::orientation_of(block.strip_prefix(b"Exif\0\0").unwrap_or(block))
}

/// A file of these parts and nothing else; `orientation` comes from `parts`.
pub(super) fn write(parts: &Parts<'_>) -> Vec<u8> {
    let exif = metadata::orientation_block(parts.orientation);
    let mut flags = if parts.has_alpha { HAS_ALPHA } else { 0 };
    flags |= if parts.icc.is_some() { HAS_ICC } else { 0 };
    flags |= if exif.is_some() { HAS_EXIF } else { 0 };
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    // The simple layout has no room for any of these; a lossless picture can be transparent in it all the same.
    if flags != 0 {
        let mut canvas = vec![flags, 0, 0, 0];
        canvas.extend(&(parts.size.width - 1).to_le_bytes()[..3]);
        canvas.extend(&(parts.size.height - 1).to_le_bytes()[..3]);
        push_chunk(&mut file, *b"VP8X", &canvas);
    }
    let chunks = [
        (*b"ICCP", parts.icc),
        (*b"ALPH", parts.alpha),
        (parts.bitstream.name(), Some(parts.picture)),
        (*b"EXIF", exif.as_deref()),
    ];
    for (name, body) in chunks {
        if let Some(body) = body {
            push_chunk(&mut file, name, body);
        }
    }
    let length = u32::try_from(file.len() - 8).unwrap_or(u32::MAX);
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}

fn push_chunk(file: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    file.extend(name);
    file.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    file.extend(body);
    if !body.len().is_multiple_of(2) {
        file.push(0);
    }
}

fn le32(bytes: &[u8], at: usize) -> Option<usize> {
    let field: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(field)).ok()
}

fn cut_off() -> PhotoError {
    corrupt("the file ends before the length that it declares")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    /// A lossless header and some bytes: enough for the walk, which decodes nothing.
    fn parts<'a>(picture: &'a [u8], icc: Option<&'a [u8]>, orientation: Orientation) -> Parts<'a> {
        let (size, has_alpha) = lossless_header(picture).unwrap();
        Parts { size, has_alpha, bitstream: Bitstream::Lossless, picture, alpha: None, icc, orientation }
    }

    fn picture(alpha: u32) -> Vec<u8> {
        let mut picture = vec![0x2F];
        picture.extend((0x12B | 0xC7 << 14 | alpha << 28).to_le_bytes());
        picture.extend(b"odd");
        picture.push(7);
        picture
    }

    #[test]
    fn what_is_written_reads_back() {
        for orientation in Orientation::ALL {
            for alpha in [0, 1] {
                for icc in [None, Some(&b"profile"[..])] {
                    let picture = picture(alpha);
                    let written = write(&parts(&picture, icc, orientation));
                    let read = walk(&written).unwrap();
                    assert_eq!((read.size, read.has_alpha), (Size::new(300, 200), alpha == 1));
                    assert_eq!((read.picture, read.icc, read.orientation), (&picture[..], icc, orientation));
                    assert_eq!(walk(&written[..written.len() - 1]).unwrap_err().code, ErrorCode::CorruptImage);
                }
            }
        }
    }

    #[test]
    fn animations_and_second_pictures_are_refused() {
        let picture = picture(1);
        let plain = write(&parts(&picture, None, Orientation::Upright));
        let with = |name: &[u8; 4], body: &[u8]| {
            let mut file = plain.clone();
            push_chunk(&mut file, *name, body);
            let length = file.len() as u32 - 8;
            file[4..8].copy_from_slice(&length.to_le_bytes());
            walk(&file).map(|_| ()).map_err(|error| error.code)
        };
        assert_eq!(with(b"ANMF", b""), Err(ErrorCode::MultiFrameUnsupported));
        assert_eq!(with(b"VP8L", &picture), Err(ErrorCode::CorruptImage));
        assert_eq!(with(b"XMP ", b"ignored"), Ok(()));
        let mut animated = plain;
        animated[20] |= IS_ANIMATED;
        assert_eq!(walk(&animated).unwrap_err().code, ErrorCode::MultiFrameUnsupported);
    }
}
