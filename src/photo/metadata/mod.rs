//! The metadata that may leave: orientation, and a colour profile rebuilt from its numbers. Everything else stays
//! behind because nothing else is ever written.

mod icc;
mod icc_numbers;

pub(super) use self::icc::rebuild as rebuild_icc;
use super::Orientation;

/// The orientation in a TIFF block (the content of EXIF), upright if it names none.
pub(super) fn orientation_of(tiff: &[u8]) -> Orientation {
    image::metadata::Orientation::from_exif_chunk(tiff)
        .map_or(Orientation::Upright, |found| Orientation::from_exif(u16::from(found.to_exif())))
}

/// A TIFF block that holds the orientation and nothing else; none for an upright photo.
///
/// TIFF 6.0: byte order, 42, offset of the only directory, one entry (tag 0x0112, SHORT, one value), no next directory.
pub(super) fn orientation_block(orientation: Orientation) -> Option<Vec<u8>> {
    if orientation == Orientation::Upright {
        return None;
    }
    let mut block = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    block.extend(orientation.to_exif().to_be_bytes());
    block.extend([0; 6]);
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_block_reads_back() {
        for orientation in Orientation::ALL {
            let read = orientation_block(orientation).map_or(Orientation::Upright, |block| orientation_of(&block));
            assert_eq!(read, orientation);
        }
    }
}
