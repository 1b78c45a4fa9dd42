//! WebP, TIFF, GIF, BMP and files that are no photos, with secrets.

use std::{borrow::Cow, io::Cursor};

use image::{ImageFormat, RgbImage};
use tiff::{
    encoder::{TiffEncoder, colortype},
    tags::Tag,
};

use super::{
    blocks::{exif, icc, xmp},
    jpeg::archive,
    png::{deep, transparent},
    secrets::{Carrier, Planter},
};

pub fn carriers(face: &RgbImage) -> Vec<Carrier> {
    vec![
        webp_chunks(face),
        webp_colour_under_transparency(face),
        tiff_tags(face),
        tiff_pages(face),
        tiff_low_bytes(face),
        gif_extensions(face),
        gif_frames(face),
        bmp_gaps(face),
        text(),
    ]
}

/// RFC 9649: extended format, with metadata around the picture and an unknown chunk.
fn webp_chunks(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("chunks.webp");
    let coded = webp::Encoder::from_rgb(face, face.width(), face.height()).encode(90.0).to_vec();
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let padding = &[0][..content.len() % 2];
        [&kind[..], &(content.len() as u32).to_le_bytes(), content, padding].concat()
    };
    let side = |pixels: u32| (pixels - 1).to_le_bytes()[..3].to_vec();
    // Profile, EXIF and XMP are there.
    let extended = [&[0b10_1100, 0, 0, 0][..], &side(face.width()), &side(face.height())].concat();
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &extended),
        chunk(b"ICCP", &icc(&mut planter)),
        coded[12..].to_vec(),
        chunk(b"EXIF", &exif(&mut planter)),
        chunk(b"XMP ", &xmp(&mut planter)),
        chunk(b"OWNR", &planter.bytes("unknown chunk")),
    ]
    .concat();
    let archive = archive(&mut planter);
    planter.published([&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body, &archive].concat())
}

fn webp_colour_under_transparency(face: &RgbImage) -> Carrier {
    let planter = Planter::new("alpha.webp");
    let mut config = webp::WebPConfig::new().unwrap();
    (config.lossless, config.exact) = (1, 1);
    let picture = transparent(face);
    let encoder = webp::Encoder::from_rgba(&picture, face.width(), face.height());
    let bytes = encoder.encode_advanced(&config).unwrap().to_vec();
    planter.published(bytes).with_hidden_pixels()
}

/// Bytes with a type of their own.
struct Undefined<'a>(&'a [u8]);

impl tiff::encoder::TiffValue for Undefined<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: tiff::tags::Type = tiff::tags::Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

fn tiff_tags(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("tags.tif");
    let (exif, xmp, icc) = (exif(&mut planter), xmp(&mut planter), icc(&mut planter));
    let mut bytes = Vec::new();
    let mut encoder = TiffEncoder::new(Cursor::new(&mut bytes)).unwrap();
    let mut picture = encoder.new_image::<colortype::RGB8>(face.width(), face.height()).unwrap();
    let tags = picture.encoder();
    tags.write_tag(Tag::Artist, &planter.text("artist")[..]).unwrap();
    tags.write_tag(Tag::ImageDescription, &planter.text("description")[..]).unwrap();
    tags.write_tag(Tag::Unknown(700), &xmp[..]).unwrap();
    tags.write_tag(Tag::Unknown(33_723), Undefined(&planter.bytes("IPTC"))).unwrap();
    tags.write_tag(Tag::Unknown(34_377), Undefined(&planter.bytes("Photoshop"))).unwrap();
    tags.write_tag(Tag::IccProfile, Undefined(&icc)).unwrap();
    tags.write_tag(Tag::Unknown(65_000), Undefined(&planter.bytes("private tag"))).unwrap();
    tags.write_tag(Tag::Unknown(65_001), Undefined(&exif)).unwrap();
    picture.write_data(face).unwrap();
    bytes.extend(planter.bytes("behind the directory"));
    planter.published(bytes)
}

fn tiff_pages(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("pages.tif");
    let mut bytes = Vec::new();
    let mut encoder = TiffEncoder::new(Cursor::new(&mut bytes)).unwrap();
    encoder.write_image::<colortype::RGB8>(face.width(), face.height(), face).unwrap();
    let mut second = encoder.new_image::<colortype::RGB8>(face.width(), face.height()).unwrap();
    second.encoder().write_tag(Tag::Artist, &planter.text("second page")[..]).unwrap();
    second.write_data(face).unwrap();
    planter.refused(bytes)
}

fn tiff_low_bytes(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("deep.tif");
    let samples = deep(face, &planter.text("low bytes of samples"));
    let mut bytes = Vec::new();
    let mut encoder = TiffEncoder::new(Cursor::new(&mut bytes)).unwrap();
    encoder.write_image::<colortype::RGB16>(face.width(), face.height(), &samples).unwrap();
    planter.published(bytes)
}

/// Indices of grey levels, and a palette of which the upper half is not used.
fn greys(face: &RgbImage) -> Vec<u8> {
    face.pixels().map(|pixel| pixel.0[1] / 2).collect()
}

fn palette(unused: &[u8]) -> Vec<u8> {
    let mut palette: Vec<u8> = (0..=255u8).flat_map(|level| [level.saturating_mul(2); 3]).collect();
    palette[384..384 + unused.len()].copy_from_slice(unused);
    palette
}

/// Comments, application data and a page for browsers, which is also what the file can be taken for.
fn gif_extensions(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("extensions.gif");
    let palette = palette(planter.text("unused colours").as_bytes());
    let (width, height) = (face.width() as u16, face.height() as u16);
    let page = format!("<html><script>/*{}*/</script></html>", planter.text("page for browsers"));
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &palette).unwrap();
    let block = |text: &str| text.as_bytes().to_vec();
    encoder.write_raw_extension(gif::AnyExtension(0xFE), &[&block(&planter.text("comment")), &block(&page)]).unwrap();
    let application = [b"XMP DataXMP".to_vec(), block(&planter.text("application data"))];
    encoder.write_raw_extension(gif::AnyExtension(0xFF), &[&application[0], &application[1]]).unwrap();
    let plain = [vec![0; 12], block(&planter.text("plain text"))];
    encoder.write_raw_extension(gif::AnyExtension(0x01), &[&plain[0], &plain[1]]).unwrap();
    encoder.write_frame(&gif::Frame { width, height, buffer: greys(face).into(), ..gif::Frame::default() }).unwrap();
    drop(encoder);
    bytes.extend(planter.bytes("behind the end"));
    planter.published(bytes)
}

fn gif_frames(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("frames.gif");
    let (width, height) = (face.width() as u16, face.height() as u16);
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &palette(b"")).unwrap();
    for _ in 0..2 {
        encoder
            .write_frame(&gif::Frame { width, height, buffer: greys(face).into(), ..gif::Frame::default() })
            .unwrap();
    }
    let comment = planter.text("comment behind the second frame");
    encoder.write_raw_extension(gif::AnyExtension(0xFE), &[comment.as_bytes()]).unwrap();
    drop(encoder);
    planter.refused(bytes)
}

/// A gap before the pixels, and bytes behind.
fn bmp_gaps(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("gaps.bmp");
    let mut bytes = Cursor::new(Vec::new());
    face.write_to(&mut bytes, ImageFormat::Bmp).unwrap();
    let mut bytes = bytes.into_inner();
    let start = u32::from_le_bytes(*bytes[10..].first_chunk().unwrap()) as usize;
    let gap = planter.bytes("gap before the pixels");
    bytes.splice(start..start, gap.iter().copied());
    bytes[10..14].copy_from_slice(&((start + gap.len()) as u32).to_le_bytes());
    bytes.extend(planter.bytes("behind the pixels"));
    planter.published(bytes)
}

fn text() -> Carrier {
    let mut planter = Planter::new("notes.txt");
    let bytes = planter.text("text that is no photo").into_bytes();
    planter.refused(bytes)
}
