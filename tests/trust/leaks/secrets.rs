//! Secrets, and the files that carry them. A secret is bytes that occur nowhere but where they were planted.

use obscura::redact::sha256_hex;

/// What must not be found anywhere.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Where it was planted.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What has to become of a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Published,
    Refused,
}

/// A file with secrets.
pub struct Carrier {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub secrets: Vec<Secret>,
    /// Pixels of [`HIDDEN`] are in it, where no viewer shows them.
    pub has_hidden_pixels: bool,
    pub end: End,
}

/// A colour that stands in no photo of the tests.
pub const HIDDEN: [u8; 3] = [250, 5, 250];

/// Plants the secrets of one file.
pub struct Planter {
    file: &'static str,
    secrets: Vec<Secret>,
}

impl Planter {
    pub fn new(file: &'static str) -> Self {
        Self { file, secrets: Vec::new() }
    }

    /// A text of 22 letters and digits.
    pub fn text(&mut self, what: &str) -> String {
        let name = format!("{} of {}", what, self.file);
        let text = marker(&name);
        self.secrets.push(Secret { name, bytes: text.clone().into() });
        text
    }

    pub fn bytes(&mut self, what: &str) -> Vec<u8> {
        self.text(what).into_bytes()
    }

    /// So many of these letters and digits.
    pub fn short(&mut self, what: &str, length: usize) -> Vec<u8> {
        self.text(what);
        let secret = self.secrets.last_mut().unwrap();
        secret.bytes.truncate(length);
        secret.bytes.clone()
    }

    /// Eight bytes that are no text: a fraction, as positions are told.
    pub fn fraction(&mut self, what: &str) -> [u8; 8] {
        let name = format!("{} of {}", what, self.file);
        let digits = u32::from_str_radix(&sha256_hex(name.as_bytes())[..6], 16).unwrap() + 0x1000_0000;
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&digits.to_le_bytes());
        bytes[4..].copy_from_slice(&9_999_991u32.to_le_bytes());
        self.secrets.push(Secret { name, bytes: bytes.to_vec() });
        bytes
    }

    pub fn published(self, bytes: Vec<u8>) -> Carrier {
        self.carrier(bytes, End::Published)
    }

    pub fn refused(self, bytes: Vec<u8>) -> Carrier {
        self.carrier(bytes, End::Refused)
    }

    fn carrier(self, bytes: Vec<u8>, end: End) -> Carrier {
        Carrier { name: self.file, bytes, secrets: self.secrets, has_hidden_pixels: false, end }
    }
}

impl Carrier {
    pub fn with_hidden_pixels(self) -> Self {
        Self { has_hidden_pixels: true, ..self }
    }
}

pub fn marker(name: &str) -> String {
    format!("Q{}Z", &sha256_hex(name.as_bytes())[..20])
}
