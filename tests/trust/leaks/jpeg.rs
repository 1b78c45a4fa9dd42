//! JPEGs with secrets.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};
use image::RgbImage;
use jpeg_encoder::SamplingFactor::{self, F_1_1, F_2_2};

use super::{
    blocks::{exif, icc, jpeg, small_jpeg, with_segments, xmp},
    decode::frame_at,
    secrets::{Carrier, HIDDEN, Planter},
};

pub fn carriers(face: &RgbImage) -> Vec<Carrier> {
    vec![
        metadata(face),
        preview(face),
        gain_map(face),
        motion(face),
        rows_beyond_the_frame(face, "rows.jpg", F_2_2),
        rows_beyond_the_frame(face, "rows-444.jpg", F_1_1),
        beyond_the_edges(face, "edges-15.jpg", 15, F_2_2),
        beyond_the_edges(face, "edges-9.jpg", 9, F_2_2),
        beyond_the_edges(face, "edges-3.jpg", 3, F_2_2),
        beyond_the_edges(face, "edges-444.jpg", 7, F_1_1),
        behind_the_last_block(face),
        zip(face),
        pdf(face),
        damaged(face),
    ]
}

fn plain(face: &RgbImage) -> Vec<u8> {
    jpeg(face, face.width(), face.height(), F_2_2)
}

fn metadata(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("metadata.jpg");
    let exif = [b"Exif\0\0", &exif(&mut planter)[..]].concat();
    let xmp = [b"http://ns.adobe.com/xap/1.0/\0", &xmp(&mut planter)[..]].concat();
    let more_xmp = [b"http://ns.adobe.com/xmp/extension/\0", planter.text("extended XMP").as_bytes()].concat();
    let icc = [b"ICC_PROFILE\0\x01\x01", &icc(&mut planter)[..]].concat();
    let city = planter.text("IPTC city");
    let iptc = [b"\x1c\x02\x5a\0\x16", city.as_bytes()].concat();
    let photoshop = [b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x1b", &iptc[..]].concat();
    let thumbnail = [b"JFXX\0\x10", &small_jpeg(&planter.text("JFIF thumbnail"))[..]].concat();
    let credentials = [b"JP\0\x01\0\0\0\x01\0\0\0\x1ejumb", planter.text("content credentials").as_bytes()].concat();
    let adobe = [b"Adobe\0\x64\0\0\0\0\x01", planter.text("end of the Adobe segment").as_bytes()].concat();
    let mut segments = vec![
        (0xFE, planter.bytes("comment")),
        (0xE0, thumbnail),
        (0xE1, exif),
        (0xE1, xmp),
        (0xE1, more_xmp),
        (0xE2, icc),
        (0xED, photoshop),
        (0xEB, credentials),
        (0xEE, adobe),
    ];
    segments.extend((0xE3..=0xEF).filter(|marker| ![0xEB, 0xED, 0xEE].contains(marker)).map(|marker| {
        let content = [b"Maker\0", planter.text(&format!("segment {marker:x}")).as_bytes()].concat();
        (marker, content)
    }));
    // Between segments, where no marker is.
    let bytes = with_segments(&plain(face), &segments);
    let frame = frame_at(&bytes).unwrap();
    let bytes = [&bytes[..frame], planter.text("between segments").as_bytes(), &bytes[frame..]].concat();
    planter.published(bytes)
}

/// CIPA DC-007: a second picture behind the end, told of in APP2.
fn preview(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("preview.jpg");
    let second = small_jpeg(&planter.text("MPF preview"));
    let mpf =
        [b"MPF\0II\x2a\0\x08\0\0\0\x01\0\0\xb0\x07\0\x04\0\0\x000100", planter.text("MPF index").as_bytes()].concat();
    planter.published([with_segments(&plain(face), &[(0xE2, mpf)]), second].concat())
}

/// Ultra HDR: a gain map behind the end, described in XMP and by ISO 21496-1.
fn gain_map(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("gain_map.jpg");
    let xmp = format!(
        "http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version=\"1.0\" Item:Semantic=\"GainMap\" note=\"{}\"/>",
        planter.text("XMP of a gain map")
    );
    let iso = [b"urn:iso:std:iso:ts:21496:-1\0", planter.text("ISO 21496").as_bytes()].concat();
    let map = small_jpeg(&planter.text("gain map"));
    planter.published([with_segments(&plain(face), &[(0xE1, xmp.into()), (0xE2, iso)]), map].concat())
}

/// A motion photo: a film behind the end.
fn motion(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("motion.jpg");
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x GCamera:MotionPhoto=\"1\" GCamera:MicroVideoOffset=\"90\"/>".to_vec();
    let boxed = |kind: &[u8], content: &[u8]| [&((content.len() + 8) as u32).to_be_bytes()[..], kind, content].concat();
    let film = [
        boxed(b"ftyp", b"mp42\0\0\0\0"),
        boxed(b"moov", &boxed(b"udta", &planter.bytes("position of a film"))),
        boxed(b"mdat", &planter.bytes("film")),
    ];
    planter.published([with_segments(&plain(face), &[(0xE1, xmp)]), film.concat()].concat())
}

/// Coded data of a taller picture under a header that promises less.
fn rows_beyond_the_frame(face: &RgbImage, name: &'static str, sampling: SamplingFactor) -> Carrier {
    let planter = Planter::new(name);
    let (width, height) = face.dimensions();
    let tall =
        RgbImage::from_fn(
            width,
            height + 48,
            |x, y| {
                if y < height { *face.get_pixel(x, y) } else { image::Rgb(HIDDEN) }
            },
        );
    let mut bytes = jpeg(&tall, width, height + 48, sampling);
    let frame = frame_at(&bytes).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&(height as u16).to_be_bytes());
    planter.published(bytes).with_hidden_pixels()
}

/// As a lossless crop leaves it: so many columns and rows in the last MCUs that the header does not promise.
fn beyond_the_edges(face: &RgbImage, name: &'static str, hidden: u32, sampling: SamplingFactor) -> Carrier {
    let planter = Planter::new(name);
    let (width, height) = (face.width() / 16 * 16, face.height() / 16 * 16);
    let seen = (width - hidden, height - hidden);
    let pixel = |x, y| if x < seen.0 && y < seen.1 { *face.get_pixel(x, y) } else { image::Rgb(HIDDEN) };
    let mut bytes = jpeg(&RgbImage::from_fn(width, height, pixel), width, height, sampling);
    let frame = frame_at(&bytes).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&(seen.1 as u16).to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&(seen.0 as u16).to_be_bytes());
    planter.published(bytes).with_hidden_pixels()
}

fn behind_the_last_block(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("scan_tail.jpg");
    let bytes = plain(face);
    let end = bytes.len() - 2;
    let (inside, behind) = (planter.bytes("end of the scan"), planter.bytes("behind the end"));
    planter.published([&bytes[..end], &inside, &bytes[end..], &behind].concat())
}

/// Also a ZIP archive, with an entry that is packed.
fn zip(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("zip.jpg");
    let archive = archive(&mut planter);
    planter.published([plain(face), archive].concat())
}

/// APPNOTE 4.3: a local header, packed data, and the archive's comment.
pub fn archive(planter: &mut Planter) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(planter.text("packed in an archive").repeat(9).as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let name = planter.text("name in an archive");
    let mut archive = b"PK\x03\x04\x14\0\0\0\x08\0".to_vec();
    archive.extend([0; 8]);
    archive.extend((packed.len() as u32).to_le_bytes());
    archive.extend(198u32.to_le_bytes());
    archive.extend((name.len() as u16).to_le_bytes());
    archive.extend([0, 0]);
    archive.extend(name.as_bytes());
    archive.extend(packed);
    let comment = planter.text("comment of an archive");
    archive.extend(b"PK\x05\x06");
    archive.extend([0; 16]);
    archive.extend((comment.len() as u16).to_le_bytes());
    archive.extend(comment.as_bytes());
    archive
}

/// Also a PDF: readers look for its header in the first kilobyte.
fn pdf(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("pdf.jpg");
    let document = format!(
        "%PDF-1.4\n1 0 obj<</Title({})>>endobj\n2 0 obj<</Length 22>>stream\n{}\nendstream endobj\ntrailer<</Info 1 0 R>>",
        planter.text("title of a PDF"),
        planter.text("stream of a PDF")
    );
    planter.published(with_segments(&plain(face), &[(0xFE, document.into())]))
}

/// Cut off: what is told of it says nothing of what is in it.
fn damaged(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("damaged.jpg");
    let segments = [(0xFE, planter.bytes("comment")), (0xE1, [b"Exif\0\0", &exif(&mut planter)[..]].concat())];
    let bytes = with_segments(&plain(face), &segments);
    planter.refused(bytes[..bytes.len() - 900].to_vec())
}
