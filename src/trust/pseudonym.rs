//! People appear as keyed hashes only: HMAC-SHA-256 (RFC 2104, FIPS 198-1) with a key for each tenant, from a mounted
//! folder. Equal ids of one tenant give equal pseudonyms, those of two tenants never; without the key nobody can tell whose
//! one is, not even by trying all ids. A key that is destroyed unlinks all pseudonyms that it made.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::zeroize::Zeroizing;

use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    event::is_safe_name,
};

const PREFIX: &str = "hmac-";
const HASH_DIGITS: usize = 64;
/// As long as the hash (RFC 2104, section 3).
const MIN_KEY_BYTES: usize = 32;

/// Who or what an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Uploader,
    Device,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploader => "uploader",
            Self::Device => "device",
        }
    }
}

/// Who sent a photo, and with what, as pseudonyms. Empty where nobody was named, or there is no key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub uploader: Option<String>,
    pub device: Option<String>,
}

/// Makes pseudonyms. Keys are read each time, so that one that is destroyed is not used any more.
#[derive(Clone, Debug, Default)]
pub struct Pseudonyms {
    /// Holds `{tenant}.key`: at least 32 random bytes in base64. None: nobody is told of.
    key_dir: Option<PathBuf>,
}

impl Pseudonyms {
    #[must_use]
    pub fn new(key_dir: Option<PathBuf>) -> Self {
        Self { key_dir }
    }

    /// The pseudonym of an id; none where its tenant has no key. What is a pseudonym already, because the event was put
    /// back from a dead letter, stays as it is.
    ///
    /// # Errors
    /// `store_failed` if there is a key and it cannot be used; it may pass.
    pub fn of(&self, tenant: &str, role: Role, id: &str) -> PhotoResult<Option<String>> {
        if is_pseudonym(id) {
            return Ok(Some(id.to_owned()));
        }
        let Some(key) = self.key(tenant)? else { return Ok(None) };
        let mut context = hmac::Context::with_key(&key);
        // The tenant is the key's; the role keeps an uploader and a device of one name apart.
        context.update(b"obscura pseudonym 1\0");
        context.update(role.as_str().as_bytes());
        context.update(b"\0");
        context.update(id.as_bytes());
        let tag = context.sign();
        Ok(Some(tag.as_ref().iter().fold(PREFIX.to_owned(), |text, byte| format!("{text}{byte:02x}"))))
    }

    /// # Errors
    /// As [`Pseudonyms::of`].
    pub fn subject(&self, tenant: &str, uploader: Option<&str>, device: Option<&str>) -> PhotoResult<Subject> {
        let of = |role, id: Option<&str>| id.map_or(Ok(None), |id| self.of(tenant, role, id));
        Ok(Subject { uploader: of(Role::Uploader, uploader)?, device: of(Role::Device, device)? })
    }

    fn key(&self, tenant: &str) -> PhotoResult<Option<hmac::Key>> {
        let Some(dir) = self.key_dir.as_deref().filter(|_| is_safe_name(tenant)) else { return Ok(None) };
        let unfit = |detail: String| {
            PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, detail)
                .with_hint("write at least 32 random bytes in base64 to `{tenant}.key` in `pseudonyms.key_dir`")
                .retry_if(true)
        };
        let bytes = read_key(&dir.join(format!("{tenant}.key")));
        let bytes = bytes.map_err(|error| unfit(format!("a tenant's key of pseudonyms cannot be read: {error}")))?;
        let Some(bytes) = bytes else { return Ok(None) };
        if bytes.len() < MIN_KEY_BYTES {
            return Err(unfit(format!("expected at least {MIN_KEY_BYTES} bytes of key, found {}", bytes.len())));
        }
        Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// `hmac-` and 64 hexadecimal digits.
#[must_use]
pub fn is_pseudonym(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|hash| {
        hash.len() == HASH_DIGITS && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A key as base64 in a file; none if there is no file.
pub(super) fn read_key(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let key = BASE64_STANDARD.decode(text.trim_ascii());
    key.map(|key| Some(Zeroizing::new(key))).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[(&str, &str)]) -> (tempfile::TempDir, Pseudonyms) {
        let dir = tempfile::tempdir().unwrap();
        for (tenant, key) in keys {
            fs::write(dir.path().join(format!("{tenant}.key")), key).unwrap();
        }
        let pseudonyms = Pseudonyms::new(Some(dir.path().to_owned()));
        (dir, pseudonyms)
    }

    /// `printf 'obscura pseudonym 1\0uploader\0driver-17' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001..1f`
    #[test]
    fn a_pseudonym_is_what_the_documentation_says() {
        let key: Vec<u8> = (0..32).collect();
        let (_dir, pseudonyms) = keys(&[("acme", &BASE64_STANDARD.encode(&key))]);
        let pseudonym = pseudonyms.of("acme", Role::Uploader, "driver-17").unwrap().unwrap();
        assert_eq!(pseudonym, "hmac-81c7a49eadfa84e818e86f1b28f1315d866053aa15c307a47e1a8ca2d64ba886");
        assert!(is_pseudonym(&pseudonym));
        assert_eq!(pseudonyms.of("acme", Role::Device, &pseudonym).unwrap().unwrap(), pseudonym);
    }

    #[test]
    fn tenants_and_roles_are_kept_apart_and_a_destroyed_key_unlinks() {
        let key = |byte| BASE64_STANDARD.encode([byte; 32]) + "\n";
        let (dir, pseudonyms) = keys(&[("a", &key(1)), ("b", &key(2))]);
        let of = |tenant, role| pseudonyms.of(tenant, role, "ada").unwrap();
        assert_eq!(of("a", Role::Uploader), of("a", Role::Uploader));
        assert_ne!(of("a", Role::Uploader), of("b", Role::Uploader));
        assert_ne!(of("a", Role::Uploader), of("a", Role::Device));
        fs::remove_file(dir.path().join("a.key")).unwrap();
        assert_eq!(of("a", Role::Uploader), None);
        assert_eq!(Pseudonyms::default().of("a", Role::Uploader, "ada").unwrap(), None);
        assert_eq!(pseudonyms.of("../b", Role::Uploader, "ada").unwrap(), None);
    }

    #[test]
    fn a_weak_key_is_not_used_and_not_told() {
        for key in ["c2hvcnQ=", "no base64 at all, and long enough to be a key"] {
            let (_dir, pseudonyms) = keys(&[("a", key)]);
            let error = pseudonyms.of("a", Role::Uploader, "ada").unwrap_err();
            assert!(error.is_transient() && !format!("{error:?}").contains(key), "{error:?}");
        }
    }
}
