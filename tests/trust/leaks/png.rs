//! PNGs with secrets (ISO/IEC 15948).

use std::io::{Cursor, Write};

use flate2::{Compression, Crc, write::ZlibEncoder};
use image::{ImageFormat, RgbImage, RgbaImage};

use super::{
    blocks::{exif, icc, xmp},
    jpeg::archive,
    secrets::{Carrier, HIDDEN, Planter},
};

pub fn carriers(face: &RgbImage) -> Vec<Carrier> {
    vec![chunks(face), colour_under_transparency(face), low_bytes(face), damaged(face)]
}

fn plain(face: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    face.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [&kind[..], content].concat();
    let mut crc = Crc::new();
    crc.update(&body);
    [&(content.len() as u32).to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

/// Behind the header, where most chunks may stand.
const BEHIND_HEADER: usize = 33;

fn chunks(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("chunks.png");
    let twice = |text: String| packed(text.repeat(3).as_bytes());
    let xmp = xmp(&mut planter);
    let name = planter.text("name of a profile");
    let before = [
        chunk(*b"iCCP", &[name.as_bytes(), &[0, 0], &packed(&icc(&mut planter))].concat()),
        chunk(*b"tEXt", &[b"Author\0", planter.text("tEXt").as_bytes()].concat()),
        chunk(*b"zTXt", &[&b"Comment\0\0"[..], &twice(planter.text("zTXt"))].concat()),
        chunk(*b"iTXt", &[&b"Title\0\x01\0\0\0"[..], &twice(planter.text("packed iTXt"))].concat()),
        chunk(*b"iTXt", &[&b"XML:com.adobe.xmp\0\0\0\0\0"[..], &xmp].concat()),
        chunk(*b"eXIf", &exif(&mut planter)),
        chunk(*b"prVt", &planter.bytes("private chunk")),
    ];
    let bytes = plain(face);
    let end = bytes.len() - 12;
    let behind = chunk(*b"tEXt", &[b"Late\0", planter.text("tEXt behind the pixels").as_bytes()].concat());
    let archive = archive(&mut planter);
    planter.published(
        [&bytes[..BEHIND_HEADER], &before.concat(), &bytes[BEHIND_HEADER..end], &behind, &bytes[end..], &archive]
            .concat(),
    )
}

fn colour_under_transparency(face: &RgbImage) -> Carrier {
    let planter = Planter::new("alpha.png");
    let mut bytes = Cursor::new(Vec::new());
    transparent(face).write_to(&mut bytes, ImageFormat::Png).unwrap();
    planter.published(bytes.into_inner()).with_hidden_pixels()
}

/// The face, and a corner that nobody sees in the colour of secrets.
pub fn transparent(face: &RgbImage) -> RgbaImage {
    RgbaImage::from_fn(face.width(), face.height(), |x, y| {
        let [r, g, b] = face.get_pixel(x, y).0;
        let [hidden_r, hidden_g, hidden_b] = HIDDEN;
        image::Rgba(if x < 16 && y < 16 { [hidden_r, hidden_g, hidden_b, 0] } else { [r, g, b, 255] })
    })
}

/// The low bytes of samples tell what no screen shows.
pub fn deep(face: &RgbImage, text: &str) -> Vec<u16> {
    let letters = text.bytes().cycle();
    face.as_raw().iter().zip(letters).map(|(&high, low)| u16::from(high) << 8 | u16::from(low)).collect()
}

fn low_bytes(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("deep.png");
    let samples = deep(face, &planter.text("low bytes of samples"));
    let picture = image::ImageBuffer::<image::Rgb<u16>, _>::from_raw(face.width(), face.height(), samples).unwrap();
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::ImageRgb16(picture).write_to(&mut bytes, ImageFormat::Png).unwrap();
    planter.published(bytes.into_inner())
}

fn damaged(face: &RgbImage) -> Carrier {
    let mut planter = Planter::new("damaged.png");
    let text = chunk(*b"tEXt", &[b"Author\0", planter.text("tEXt").as_bytes()].concat());
    // A chunk whose name is told by who complains of it.
    let wrong = chunk(*b"IDAT", &planter.bytes("wrong pixels"));
    let bytes = plain(face);
    planter.refused([&bytes[..BEHIND_HEADER], &text, &wrong, &bytes[bytes.len() - 12..]].concat())
}
