//! Ed25519 keys in files, as OpenSSL writes them: PKCS#8 and SubjectPublicKeyInfo (RFC 8410) in PEM (RFC 7468).

use std::{fmt, fs, io, path::Path, sync::Arc};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};
use secrecy::zeroize::Zeroizing;

use crate::redact::sha256_hex;

/// SubjectPublicKeyInfo of an Ed25519 key, up to the key itself (RFC 8410, section 4).
const PUBLIC_KEY_START: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PUBLIC_KEY_BYTES: usize = 32;
const KEY_ID_DIGITS: usize = 32;

/// Why a key file is of no use. Tells the file, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("cannot read the key `{file}`: {error}")]
    Unreadable { file: String, error: io::Error },
    #[error("`{file}`: expected {expected}, found {found}")]
    Unfit { file: String, expected: &'static str, found: &'static str },
}

impl KeyFileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check that the file is mounted and that this user may read it",
            Self::Unfit { .. } => "`obscura receipt keygen` makes a pair; so does `openssl genpkey -algorithm ed25519`",
        }
    }
}

/// A key that signs. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    id: String,
}

impl SigningKey {
    /// # Errors
    /// If the file cannot be read or holds no Ed25519 private key in PEM.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let unfit = |found| KeyFileError::Unfit { file: named(path), expected: "an Ed25519 private key in PEM", found };
        let pem = fs::read(path).map_err(|error| KeyFileError::Unreadable { file: named(path), error })?;
        let pem = Zeroizing::new(pem);
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| unfit("no `PRIVATE KEY` in PEM"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        Ok(Self::of(pair.map_err(|_| unfit("a key of another kind"))?))
    }

    fn of(pair: Ed25519KeyPair) -> Self {
        let id = key_id(pair.public_key().as_ref());
        Self { pair: Arc::new(pair), id }
    }

    /// First half of the SHA-256 of the public key, in hexadecimal.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// The public half, for those who check.
    #[must_use]
    pub fn public(&self) -> PublicKeys {
        PublicKeys { keys: vec![(self.id.clone(), self.pair.public_key().as_ref().to_vec())] }
    }

    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        Self::of(Ed25519KeyPair::generate().unwrap())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Keys of which any may have signed: while keys are changed there are several.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys {
    /// By key id.
    keys: Vec<(String, Vec<u8>)>,
}

impl PublicKeys {
    /// Every public key of these files; a file may hold several.
    ///
    /// # Errors
    /// If a file cannot be read, or holds something other than Ed25519 public keys in PEM.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self, KeyFileError> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let unfit =
                |found| KeyFileError::Unfit { file: named(path), expected: "Ed25519 public keys in PEM", found };
            let pem = fs::read(path).map_err(|error| KeyFileError::Unreadable { file: named(path), error })?;
            let before = all.keys.len();
            for der in SubjectPublicKeyInfoDer::pem_slice_iter(&pem) {
                let der = der.map_err(|_| unfit("damaged PEM"))?;
                let key = der.as_ref().strip_prefix(&PUBLIC_KEY_START).filter(|key| key.len() == PUBLIC_KEY_BYTES);
                let key = key.ok_or_else(|| unfit("a key of another kind"))?;
                all.keys.push((key_id(key), key.to_vec()));
            }
            if all.keys.len() == before {
                return Err(unfit("no `PUBLIC KEY` in PEM"));
            }
        }
        Ok(all)
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// None if there is no key of this id.
    pub(super) fn verifies(&self, id: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        let (_, key) = self.keys.iter().find(|(known, _)| known == id)?;
        Some(UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok())
    }
}

/// A new pair as PEM: private key, public key, and the key's id.
///
/// # Errors
/// If the system gives no random numbers.
pub fn new_key_pair() -> Result<(String, String, String), aws_lc_rs::error::Unspecified> {
    let pair = Ed25519KeyPair::generate()?;
    let private = pair.to_pkcs8v1()?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    let id = key_id(pair.public_key().as_ref());
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()), id))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    lines.extend(text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()));
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}

fn key_id(public: &[u8]) -> String {
    sha256_hex(public)[..KEY_ID_DIGITS].to_owned()
}

fn named(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::{super::hex, *};

    /// RFC 8032, section 7.1, test 2, as OpenSSL writes it.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC KEY-----\n";
    const SIGNATURE_OF_R: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_vector_of_the_standard() {
        let (private, public) = (file(PRIVATE), file(PUBLIC));
        let key = SigningKey::read(private.path()).unwrap();
        let signature = key.sign(&[0x72]);
        assert_eq!(hex(&signature), SIGNATURE_OF_R);
        let keys = PublicKeys::read(&[public.path()]).unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), [key.id()]);
        assert_eq!(keys.verifies(key.id(), &[0x72], &signature), Some(true));
        assert_eq!(keys.verifies(key.id(), &[0x73], &signature), Some(false));
        assert_eq!(keys.verifies("another", &[0x72], &signature), None);
    }

    #[test]
    fn a_new_pair_fits_together_and_several_keys_fit_one_file() {
        let (private, public, id) = new_key_pair().unwrap();
        let key = SigningKey::read(file(&private).path()).unwrap();
        assert_eq!(key.id(), id);
        let keys = PublicKeys::read(&[file(&format!("{PUBLIC}{public}")).path()]).unwrap();
        assert_eq!(keys.ids().count(), 2);
        assert_eq!(keys.verifies(&id, b"m", &key.sign(b"m")), Some(true));
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        let (private, public, _) = new_key_pair().unwrap();
        for text in ["", "secret words", &public, &private.replace("MC4CAQ", "MC4CAA")] {
            let error = SigningKey::read(file(text).path()).unwrap_err().to_string();
            assert!(error.contains("Ed25519") && !error.contains("secret") && !error.contains("MC"), "{error}");
        }
        for text in ["", &private, &public.replace("MCow", "MCox")] {
            assert!(PublicKeys::read(&[file(text).path()]).is_err(), "{text}");
        }
    }
}
