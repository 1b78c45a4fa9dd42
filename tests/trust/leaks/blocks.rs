//! Blocks of metadata that several formats carry, full of secrets.

use base64::{Engine, prelude::BASE64_STANDARD};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::secrets::Planter;

/// A JPEG of these pixels.
pub fn jpeg(rgb: &[u8], width: u32, height: u32, sampling: SamplingFactor) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 92);
    encoder.set_sampling_factor(sampling);
    encoder.encode(rgb, width as u16, height as u16, ColorType::Rgb).unwrap();
    bytes
}

/// A small JPEG of its own with a comment, as thumbnails, previews and gain maps are.
pub fn small_jpeg(comment: &str) -> Vec<u8> {
    let pixels: Vec<u8> = (0..32 * 32).flat_map(|at| [(at % 251) as u8, (at % 83) as u8, 90]).collect();
    with_segments(&jpeg(&pixels, 32, 32, SamplingFactor::F_2_2), &[(0xFE, comment.as_bytes().to_vec())])
}

/// Segments behind the start of the image (T.81 B.1.1.4).
pub fn with_segments(jpeg: &[u8], segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    for (marker, content) in segments {
        out.extend([0xFF, *marker]);
        out.extend(u16::try_from(content.len() + 2).unwrap().to_be_bytes());
        out.extend(content);
    }
    out.extend(&jpeg[2..]);
    out
}

/// Tag, type (TIFF 6.0, section 2), and the value's bytes.
type Entry = (u16, u16, Vec<u8>);

fn ascii(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// A directory at `at`, its values behind it.
fn directory(entries: &[Entry], at: usize, next: usize) -> Vec<u8> {
    let mut out = (entries.len() as u16).to_le_bytes().to_vec();
    let mut values = Vec::new();
    let behind = at + 2 + entries.len() * 12 + 4;
    for (tag, kind, value) in entries {
        let unit = match kind {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => 1,
        };
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(((value.len() / unit) as u32).to_le_bytes());
        if value.len() <= 4 {
            out.extend(value);
            out.resize(out.len() + 4 - value.len(), 0);
        } else {
            out.extend(((behind + values.len()) as u32).to_le_bytes());
            values.extend(value);
            values.resize(values.len().next_multiple_of(2), 0);
        }
    }
    out.extend((next as u32).to_le_bytes());
    out.extend(values);
    out
}

/// A TIFF block as cameras write it: owner, serial numbers, position, maker's note, thumbnail.
pub fn exif(planter: &mut Planter) -> Vec<u8> {
    let utf16 = |text: String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let long = |value: usize| (value as u32).to_le_bytes().to_vec();
    let position = |planter: &mut Planter, what: &str| {
        [
            &48u32.to_le_bytes()[..],
            &1u32.to_le_bytes(),
            &51u32.to_le_bytes(),
            &1u32.to_le_bytes(),
            &planter.fraction(what),
        ]
        .concat()
    };
    let thumbnail = small_jpeg(&planter.text("EXIF thumbnail"));
    let main = |exif: usize, gps: usize, planter: &mut Planter| -> Vec<Entry> {
        vec![
            (0x010F, 2, ascii(&planter.text("EXIF make"))),
            (0x013B, 2, ascii(&planter.text("EXIF artist"))),
            (0x8298, 2, ascii(&planter.text("EXIF copyright"))),
            (0x8769, 4, long(exif)),
            (0x8825, 4, long(gps)),
            (0x9C9C, 1, utf16(planter.text("EXIF comment in UTF-16"))),
        ]
    };
    let camera: Vec<Entry> = vec![
        (0x927C, 7, planter.bytes("EXIF maker's note")),
        (0x9286, 7, [b"ASCII\0\0\0", planter.text("EXIF user comment").as_bytes()].concat()),
        (0xA430, 2, ascii(&planter.text("EXIF owner"))),
        (0xA431, 2, ascii(&planter.text("EXIF body serial number"))),
        (0xA435, 2, ascii(&planter.text("EXIF lens serial number"))),
    ];
    let gps: Vec<Entry> = vec![
        (1, 2, ascii("N")),
        (2, 5, position(planter, "EXIF latitude")),
        (3, 2, ascii("E")),
        (4, 5, position(planter, "EXIF longitude")),
        (0x1B, 7, planter.bytes("EXIF method of positioning")),
    ];
    let length = |entries: &[Entry]| directory(entries, 0, 0).len();
    let exif_at = 8 + length(&main(0, 0, &mut Planter::new("")));
    let gps_at = exif_at + length(&camera);
    let small_at = gps_at + length(&gps);
    let small = |data: usize| {
        vec![(0x0103, 3, 6u16.to_le_bytes().to_vec()), (0x0201, 4, long(data)), (0x0202, 4, long(thumbnail.len()))]
    };
    let thumbnail_at = small_at + length(&small(0));
    [
        b"II\x2a\0\x08\0\0\0".to_vec(),
        directory(&main(exif_at, gps_at, planter), 8, small_at),
        directory(&camera, exif_at, 0),
        directory(&gps, gps_at, 0),
        directory(&small(thumbnail_at), small_at, 0),
        thumbnail.clone(),
    ]
    .concat()
}

/// XMP with named faces, a keyword, and a picture in base64.
pub fn xmp(planter: &mut Planter) -> Vec<u8> {
    format!(
        r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:GImage="http://ns.google.com/photos/1.0/image/"><rdf:Description GImage:Data="{}"><dc:creator>{}</dc:creator>
<mwg-rs:Regions><mwg-rs:RegionList><rdf:Bag><rdf:li mwg-rs:Name="{}" mwg-rs:Type="Face"/></rdf:Bag></mwg-rs:RegionList>
</mwg-rs:Regions></rdf:Description></rdf:RDF></x:xmpmeta>"#,
        BASE64_STANDARD.encode(planter.text("XMP picture in base64")),
        planter.text("XMP creator"),
        planter.text("XMP face tag"),
    )
    .into_bytes()
}

/// A colour profile that is used, with words wherever there is room for some.
pub fn icc(planter: &mut Planter) -> Vec<u8> {
    let mut number = |what: &str, tag: &[u8]| [tag, planter.text(what).as_bytes()].concat();
    let xyz = |x: u32| [b"XYZ \0\0\0\0", &x.to_be_bytes()[..], &[0, 0, 0x80, 0, 0, 0, 0x10, 0]].concat();
    let curve = b"curv\0\0\0\0\0\0\0\x01\x02\x33".to_vec();
    let table_16 = {
        // mft2Type (ICC.1:2022, 10.10): 3 channels in and out, 2 grid points, 2 entries a curve.
        let mut table = b"mft2\0\0\0\0\x03\x03\x02\0".to_vec();
        table.extend([0; 36]);
        table.extend([0, 2, 0, 2]);
        table.extend([0x40; 2 * (2 * 3 + 8 * 3 + 2 * 3)]);
        number("ICC table of 16 bits", &table)
    };
    let table_8 = {
        // mft1Type (10.11).
        let mut table = b"mft1\0\0\0\0\x03\x03\x02\0".to_vec();
        table.extend([0; 36]);
        table.extend(vec![0x40; 256 * 3 + 8 * 3 + 256 * 3]);
        number("ICC table of 8 bits", &table)
    };
    let curves = {
        // lutAToBType (10.12) with B curves alone, behind a gap.
        let mut table = b"mAB \0\0\0\0\x03\x03\0\0".to_vec();
        table.extend([32 + 24u32, 0, 0, 0, 0].iter().flat_map(|offset| offset.to_be_bytes()));
        table.extend([&number("ICC gap in a table", b"")[..], &[0, 0]].concat());
        table.extend([&curve[..], &[0, 0], &curve, &[0, 0], &curve, &[0, 0]].concat());
        number("ICC end of a table", &table)
    };
    let red = number("ICC end of a tag", &xyz(0x6FA2));
    let words = |text: String| {
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        [
            &b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS"[..],
            &(utf16.len() as u32).to_be_bytes(),
            &28u32.to_be_bytes(),
            &utf16,
        ]
        .concat()
    };
    let tags: Vec<([u8; 4], Vec<u8>)> = vec![
        (*b"desc", words(planter.text("ICC description in UTF-16"))),
        (*b"cprt", [b"text\0\0\0\0", planter.text("ICC copyright").as_bytes(), &[0]].concat()),
        (*b"Own1", [b"data\0\0\0\0", planter.text("ICC private tag").as_bytes()].concat()),
        (*b"rXYZ", red),
        (*b"gXYZ", xyz(0x6299)),
        (*b"bXYZ", xyz(0x24A0)),
        (*b"wtpt", xyz(0xF6D6)),
        (*b"rTRC", curve.clone()),
        (*b"gTRC", curve.clone()),
        (*b"bTRC", curve),
        (*b"A2B0", table_16),
        (*b"A2B1", table_8),
        (*b"A2B2", curves),
    ];
    let mut header = vec![0; 128];
    header[8] = 4;
    header[12..24].copy_from_slice(b"mntrRGB XYZ ");
    header[36..40].copy_from_slice(b"acsp");
    // Maker, model and attributes; illuminant; identifier (7.2).
    header[48..64].copy_from_slice(&planter.short("ICC maker and model", 16));
    header[68..80].copy_from_slice(&planter.short("ICC illuminant", 12));
    header[84..100].copy_from_slice(&planter.short("ICC identifier", 16));
    finish_icc(header, &tags)
}

fn finish_icc(mut profile: Vec<u8>, tags: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    profile.extend((tags.len() as u32).to_be_bytes());
    let mut data = Vec::new();
    for (name, content) in tags {
        profile.extend(name);
        profile.extend(((132 + tags.len() * 12 + data.len()) as u32).to_be_bytes());
        profile.extend((content.len() as u32).to_be_bytes());
        data.extend(content);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    profile.extend(data);
    let length = (profile.len() as u32).to_be_bytes();
    profile[..4].copy_from_slice(&length);
    profile
}
