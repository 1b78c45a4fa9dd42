//! Colour profiles (ICC.1:2022) rebuilt from the tags that describe colour.
//!
//! A profile carries free text (descriptions, copyright, device makers, even private tags) and identifiers. The
//! rebuilt one keeps only tags whose content is numbers, of types whose layout is known ([`super::icc_numbers`]), and a
//! header without date, maker, model, creator and identifier.

use super::icc_numbers::{Content, be32, numbers};

/// Header length and the place of the tag table (ICC.1:2022, 7.2 and 7.3).
const HEADER_LEN: usize = 128;
/// A profile of a photo is a few kB; tables for printers reach a few MB.
const MAX_PROFILE_LEN: usize = 4 << 20;
const MAX_TAGS: usize = 100;

/// Tags that describe colour, and the types they may have.
const KEPT_TAGS: [&[u8; 4]; 19] = [
    b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"bkpt", b"lumi", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"chad", b"cicp",
    b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"gamt",
];
/// Classes of profiles that a photo may have: input, display, output and colour space (7.2.5).
const CLASSES: [&[u8]; 4] = [b"scnr", b"mntr", b"prtr", b"spac"];
const CONNECTION_SPACES: [&[u8]; 2] = [b"XYZ ", b"Lab "];
/// The only illuminant of the connection space (7.2.16).
const D50: [u8; 12] = [0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D];
/// Text that the specification asks for, the same in every profile that Obscura writes.
const DESCRIPTION: &str = "colour profile";

/// The profile without text, or none if it is damaged, or not for the kind of picture that is written.
pub(in crate::photo) fn rebuild(profile: &[u8], grey: bool) -> Option<Vec<u8>> {
    if profile.len() > MAX_PROFILE_LEN || profile.get(36..40)? != b"acsp" {
        return None;
    }
    let space: &[u8] = if grey { b"GRAY" } else { b"RGB " };
    if profile.get(16..20)? != space
        || !CLASSES.contains(&profile.get(12..16)?)
        || !CONNECTION_SPACES.contains(&profile.get(20..24)?)
    {
        return None;
    }
    let tags = read_tags(profile)?;
    if tags.is_empty() {
        return None;
    }
    Some(write(profile, tags))
}

type Tag = ([u8; 4], Vec<u8>);

fn read_tags(profile: &[u8]) -> Option<Vec<Tag>> {
    let count = be32(profile, HEADER_LEN)?;
    if count > MAX_TAGS {
        return None;
    }
    let mut kept = Vec::new();
    for index in 0..count {
        let entry = HEADER_LEN + 4 + index * 12;
        let signature: [u8; 4] = profile.get(entry..entry + 4)?.try_into().ok()?;
        let start = be32(profile, entry + 4)?;
        let data = profile.get(start..start.checked_add(be32(profile, entry + 8)?)?)?;
        if KEPT_TAGS.contains(&&signature)
            && let Content::Numbers(numbers) = numbers(data)?
        {
            kept.push((signature, numbers));
        }
    }
    Some(kept)
}

fn write(profile: &[u8], tags: Vec<Tag>) -> Vec<u8> {
    let version_4 = profile[8] >= 4;
    let description = if version_4 { unicode_text(DESCRIPTION) } else { plain_description(DESCRIPTION) };
    let copyright = if version_4 { unicode_text("none") } else { b"text\0\0\0\0none\0".to_vec() };
    let all: Vec<Tag> = [(*b"desc", description), (*b"cprt", copyright)].into_iter().chain(tags).collect();

    let mut out = vec![0; HEADER_LEN];
    // Version, class, colour space, connection space; signature; one of four rendering intents (7.2.4 to 7.2.15).
    for field in [8..10, 12..16, 16..20, 20..24, 36..40] {
        out[field.clone()].copy_from_slice(&profile[field]);
    }
    out[67] = if profile[64..67] == [0; 3] && profile[67] < 4 { profile[67] } else { 0 };
    out[68..80].copy_from_slice(&D50);
    out.extend(len32(all.len()));
    let mut data: Vec<u8> = Vec::new();
    let data_start = HEADER_LEN + 4 + all.len() * 12;
    for (signature, content) in &all {
        out.extend(signature);
        out.extend(len32(data_start + data.len()));
        out.extend(len32(content.len()));
        data.extend_from_slice(content);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    out.extend(data);
    let total = len32(out.len());
    out[..4].copy_from_slice(&total);
    out
}

/// multiLocalizedUnicodeType with one English record (10.15).
fn unicode_text(text: &str) -> Vec<u8> {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut out = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS".to_vec();
    out.extend(len32(utf16.len()));
    out.extend(len32(28));
    out.extend(utf16);
    out
}

/// textDescriptionType of version 2 (ICC.1:2001-04, 6.5.17): ASCII, then empty Unicode and ScriptCode parts.
fn plain_description(text: &str) -> Vec<u8> {
    let mut out = b"desc\0\0\0\0".to_vec();
    out.extend(len32(text.len() + 1));
    out.extend(text.as_bytes());
    out.resize(out.len() + 1 + 8 + 3 + 67, 0);
    out
}

fn len32(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn profile(tags: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut header = vec![0u8; HEADER_LEN];
        header[8] = 2;
        header[12..24].copy_from_slice(b"mntrRGB XYZ ");
        header[24..36].copy_from_slice(&[7; 12]);
        header[36..40].copy_from_slice(b"acsp");
        header[48..56].copy_from_slice(b"MAKRMODL");
        let tags: Vec<Tag> = tags.iter().map(|(name, data)| (**name, data.clone())).collect();
        header.extend(len32(tags.len()));
        let mut data = Vec::new();
        for (name, content) in &tags {
            header.extend(name);
            header.extend(len32(HEADER_LEN + 4 + tags.len() * 12 + data.len()));
            header.extend(len32(content.len()));
            data.extend_from_slice(content);
        }
        header.extend(data);
        header
    }

    #[test]
    fn keeps_numbers_and_drops_text() {
        let mut colour = b"XYZ \0\0\0\0".to_vec();
        colour.extend(b"123456789012-trailing secret");
        let input = profile(&[
            (b"rXYZ", colour),
            (b"cprt", b"text\0\0\0\0Jane Doe".to_vec()),
            (b"dmdd", b"desc\0\0\0\0serial 4711".to_vec()),
            (b"wtpt", b"text\0\0\0\0hidden text".to_vec()),
        ]);
        let output = rebuild(&input, false).unwrap();
        let text = String::from_utf8_lossy(&output).into_owned();
        assert!(text.contains("123456789012"));
        for secret in ["trailing", "Jane", "4711", "hidden", "MAKR", "MODL"] {
            assert!(!text.contains(secret), "{secret} survived");
        }
        assert_eq!(output[24..36], [0; 12], "creation date");
        assert_eq!(be32(&output, 0), Some(output.len()));
        assert_eq!(rebuild(&output, false), Some(output), "rebuilding is stable");
    }

    #[test]
    fn refuses_profiles_of_other_pictures() {
        let input = profile(&[(b"rXYZ", b"XYZ \0\0\0\0123456789012".to_vec())]);
        assert!(rebuild(&input, true).is_none());
        assert!(rebuild(b"", false).is_none());
    }

    proptest! {
        #[test]
        fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), valid in any::<bool>()) {
            if valid && bytes.len() >= HEADER_LEN {
                bytes[16..20].copy_from_slice(b"RGB ");
                bytes[36..40].copy_from_slice(b"acsp");
                if bytes.len() > 132 { bytes[128..131].fill(0); }
            }
            let _ = rebuild(&bytes, false);
        }
    }
}
