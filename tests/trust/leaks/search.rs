//! Looks for secrets as they are, in the encodings that programs use, in what is compressed, and in decoded pixels.

use std::{collections::HashMap, fmt::Write as _, io::Read};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::{
    decode,
    secrets::{HIDDEN, Secret},
};

/// How deep compressed data may lie in compressed data, and how much of it is looked at.
const DEPTH: usize = 3;
const MAX_INFLATED: u64 = 4 << 20;
/// Fewer pixels of a colour are coding noise.
const MIN_PIXELS: usize = 24;
const PREFIX: usize = 4;

pub struct Search {
    needles: Vec<(usize, &'static str, Vec<u8>)>,
    names: Vec<String>,
    by_prefix: HashMap<[u8; PREFIX], Vec<usize>>,
}

impl Search {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let (mut needles, mut names) = (Vec::new(), Vec::new());
        for (number, secret) in secrets.into_iter().enumerate() {
            names.push(secret.name.clone());
            needles.extend(forms(&secret.bytes).into_iter().map(|(form, bytes)| (number, form, bytes)));
        }
        let mut by_prefix: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, (_, _, bytes)) in needles.iter().enumerate() {
            by_prefix.entry(*bytes.first_chunk().unwrap()).or_default().push(index);
        }
        Self { needles, names, by_prefix }
    }

    /// Names of the secrets that are in there, and how.
    pub fn find(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        self.look(bytes, "", 0, &mut found);
        found.sort();
        found.dedup();
        found
    }

    /// The same of a picture: also what it shows, and what it could be made to show.
    pub fn find_in_picture(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = self.find(bytes);
        for plane in decode::planes(bytes) {
            self.look(&plane, " in pixels", DEPTH, &mut found);
        }
        found.sort();
        found.dedup();
        found
    }

    fn look(&self, bytes: &[u8], how: &str, depth: usize, found: &mut Vec<String>) {
        for at in 0..bytes.len().saturating_sub(PREFIX - 1) {
            let candidates = self.by_prefix.get::<[u8; PREFIX]>(bytes[at..].first_chunk().unwrap());
            for &index in candidates.into_iter().flatten() {
                let (number, form, needle) = &self.needles[index];
                if bytes[at..].starts_with(needle) {
                    found.push(format!("{} ({form}{how})", self.names[*number]));
                }
            }
            if depth < DEPTH
                && let Some(inflated) = inflated(&bytes[at..])
            {
                self.look(&inflated, &format!("{how}, compressed"), depth + 1, found);
            }
        }
    }
}

/// Whether the hidden colour is in a picture, or could be made to be.
pub fn shows_hidden_pixels(bytes: &[u8]) -> bool {
    let is_near = |pixel: &[u8; 4]| HIDDEN.iter().zip(pixel).all(|(a, b)| a.abs_diff(*b) < 40);
    let near = |plane: Vec<u8>| plane.as_chunks::<4>().0.iter().filter(|pixel| is_near(pixel)).count();
    decode::pictures(bytes).into_iter().map(near).sum::<usize>() >= MIN_PIXELS
}

/// A secret as programs write it.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut texts = vec![("as it is", secret.to_vec())];
    if secret.is_ascii() {
        texts.push(("UTF-16LE", secret.iter().flat_map(|&byte| [byte, 0]).collect()));
        // The first zero would be the end of what stands before.
        texts.push(("UTF-16BE", secret.iter().flat_map(|&byte| [0, byte]).skip(1).collect()));
    }
    let mut all = texts.clone();
    for (_, bytes) in texts {
        for shift in 0..3 {
            // What stands before shares its first digits, what stands behind its last ones.
            let digits = BASE64_STANDARD_NO_PAD.encode([&vec![0; shift], &bytes[..]].concat());
            let inner = digits[(shift * 8).div_ceil(6)..(shift + bytes.len()) * 8 / 6].to_owned();
            all.push(("base64", inner.replace('+', "-").replace('/', "_").into()));
            all.push(("base64", inner.into()));
        }
        let (mut lower, mut upper, mut percent) = (String::new(), String::new(), String::new());
        for byte in &bytes {
            let _ = (write!(lower, "{byte:02x}"), write!(upper, "{byte:02X}"), write!(percent, "%{byte:02X}"));
        }
        all.extend([("hex", lower.into()), ("hex", upper.into())]);
        all.extend([("percent", percent.to_lowercase().into()), ("percent", percent.into_bytes())]);
    }
    all
}

/// What is compressed here, if anything is: zlib (RFC 1950), gzip (RFC 1952), an entry of a ZIP archive.
fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let mut out = Vec::new();
    // What can be read before an error counts, too.
    let _ = match (first, second) {
        (0x78, _) if (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31) => {
            ZlibDecoder::new(bytes).take(MAX_INFLATED).read_to_end(&mut out)
        }
        (0x1F, 0x8B) => GzDecoder::new(bytes).take(MAX_INFLATED).read_to_end(&mut out),
        (b'P', b'K') if bytes.starts_with(b"PK\x03\x04") && bytes.get(8) == Some(&8) => {
            let length = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
            let data = bytes.get(30..)?.get(length(26) + length(28)..)?;
            DeflateDecoder::new(data).take(MAX_INFLATED).read_to_end(&mut out)
        }
        _ => return None,
    };
    (!out.is_empty()).then_some(out)
}
