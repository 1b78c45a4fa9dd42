//! Envelope encryption, for stores that encrypt nothing themselves: AES-256-GCM (NIST SP 800-38D) over the whole object with a
//! data key of its own, and the data key wrapped (AES key wrap, RFC 3394) by the project's key. The wrapped key lies beside
//! the object, so that another project key takes over without a photo being written again. Whoever destroys a project's
//! key destroys all photos of that project. The format: docs/envelope.md.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    key_wrap::{AES_256, AesKek, KeyWrap},
    rand,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::{canonical, pseudonym::read_key, read_strictly};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    event::Owner,
    redact::sha256_hex,
};

/// The object beside: `{key}.key.json`
pub const ENVELOPE_SUFFIX: &str = ".key.json";
const KIND: &str = "obscura.envelope";
const ALGORITHM: &str = "AES-256-GCM";
const WRAPPING: &str = "AES-256-KW";
/// Start of every sealed object, before the nonce.
const MAGIC: [u8; 8] = *b"OBSCURA\x01";
const KEY_BYTES: usize = 32;
const WRAPPED_BYTES: usize = KEY_BYTES + 8;
const TAG_BYTES: usize = 16;
/// By how much a sealed object is longer.
pub const ENVELOPE_OVERHEAD_BYTES: usize = MAGIC.len() + NONCE_LEN + TAG_BYTES;

/// Why an object cannot be sealed or opened. Tells nothing of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeProblem {
    #[error("expected 32 bytes of key in base64, found something else")]
    UnfitKey,
    #[error("expected an object that Obscura sealed, found something else")]
    NotSealed,
    #[error("expected an envelope with a wrapped key, found something else")]
    NoEnvelope,
    #[error("expected the project key `{expected}`, found others")]
    OtherKey { expected: String },
    #[error("the object, its envelope and the key do not belong together, or one of them was changed")]
    Broken,
    #[error("the system gives no random numbers")]
    NoRandom,
}

impl EnvelopeProblem {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnfitKey => "make one with `openssl rand -base64 32`",
            Self::NotSealed => "check that it is the object as it lies in the store; it may not be encrypted at all",
            Self::NoEnvelope => "give the object beside it, whose name ends in `.key.json`, with `--envelope`",
            Self::OtherKey { .. } => "name the project's key, or the older one that it replaced, with `--project-key`",
            Self::Broken => "fetch both objects again; if that does not help, the photo was damaged or exchanged",
            Self::NoRandom => "try again later",
        }
    }
}

impl From<Unspecified> for EnvelopeProblem {
    fn from(_: Unspecified) -> Self {
        Self::Broken
    }
}

/// A project's key, which wraps the keys of its objects.
pub struct ProjectKey {
    key: Zeroizing<Vec<u8>>,
    id: String,
}

impl ProjectKey {
    /// None if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no 32 bytes in base64.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let Some(key) = read_key(path)? else { return Ok(None) };
        if key.len() != KEY_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, EnvelopeProblem::UnfitKey.to_string()));
        }
        let named = [&b"obscura project key 1\0"[..], &key].concat();
        let id = sha256_hex(&Zeroizing::new(named))[..32].to_owned();
        Ok(Some(Self { key, id }))
    }

    /// From a hash of the key: names it and tells nothing of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn kek(&self) -> Result<AesKek, EnvelopeProblem> {
        AesKek::new(&AES_256, &self.key).map_err(|_| EnvelopeProblem::UnfitKey)
    }
}

/// The keys of all projects: `{tenant}/{project}.key` in a mounted folder. Read each time, so that one that is destroyed is
/// not used any more.
#[derive(Clone, Debug, Default)]
pub struct ProjectKeys {
    dir: Option<PathBuf>,
}

impl ProjectKeys {
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self { dir }
    }

    /// # Errors
    /// `key_missing` if the project has no key; it may pass if it cannot be read.
    pub fn of(&self, owner: &Owner) -> PhotoResult<ProjectKey> {
        let missing = |detail: String| PhotoError::new(Stage::Publish, ErrorCode::KeyMissing, detail);
        let dir = self.dir.as_deref().ok_or_else(|| missing("expected `encryption.key_dir`, found none".to_owned()))?;
        let path = dir.join(&owner.tenant).join(format!("{}.key", owner.project));
        match ProjectKey::read(&path) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(missing("expected a key of the project, found none".to_owned())),
            Err(error) => Err(missing(format!("the project's key cannot be used: {error}")).retry_if(true)),
        }
    }
}

/// What lies beside a sealed object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    kind: String,
    schema: u32,
    algorithm: String,
    wrapping: String,
    /// Name of the sealed object, without the folders before it.
    object: String,
    /// Id of the key that wraps.
    project_key: String,
    /// Base64.
    wrapped_key: String,
}

impl Envelope {
    /// # Errors
    /// If it is none.
    pub fn read(json: &[u8]) -> Result<Self, EnvelopeProblem> {
        let value = read_strictly(json).map_err(|_| EnvelopeProblem::NoEnvelope)?;
        let envelope: Self = serde_json::from_value(value).map_err(|_| EnvelopeProblem::NoEnvelope)?;
        let is_known = envelope.kind == KIND
            && envelope.schema == 1
            && envelope.algorithm == ALGORITHM
            && envelope.wrapping == WRAPPING;
        if is_known { Ok(envelope) } else { Err(EnvelopeProblem::NoEnvelope) }
    }

    /// Canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        canonical(self).unwrap_or_default()
    }

    #[must_use]
    pub fn project_key(&self) -> &str {
        &self.project_key
    }

    /// The same key of the same object, wrapped by another project key.
    ///
    /// # Errors
    /// If none of the `old` keys wraps it now.
    pub fn rewrapped(&self, old: &[ProjectKey], new: &ProjectKey) -> Result<Self, EnvelopeProblem> {
        self.unwrap_key(old)?.envelope(new)
    }

    /// # Errors
    /// If none of the keys wraps it, or it was changed.
    pub fn unwrap_key(&self, keys: &[ProjectKey]) -> Result<ObjectKey, EnvelopeProblem> {
        let key = keys.iter().find(|key| key.id == self.project_key);
        let key = key.ok_or_else(|| EnvelopeProblem::OtherKey { expected: self.project_key.clone() })?;
        let wrapped = BASE64_STANDARD.decode(&self.wrapped_key).map_err(|_| EnvelopeProblem::NoEnvelope)?;
        let mut output = Zeroizing::new([0; WRAPPED_BYTES]);
        let unwrapped = key.kek()?.unwrap(&wrapped, &mut output[..])?;
        let data_key: [u8; KEY_BYTES] = (&*unwrapped).try_into().map_err(|_| EnvelopeProblem::Broken)?;
        Ok(ObjectKey { key: Zeroizing::new(data_key), object: self.object.clone() })
    }
}

/// The key of one object.
pub struct ObjectKey {
    key: Zeroizing<[u8; KEY_BYTES]>,
    object: String,
}

impl ObjectKey {
    /// A new one for the object of this key in its store.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn new(object_key: &str) -> Result<Self, EnvelopeProblem> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut key[..]).map_err(|_| EnvelopeProblem::NoRandom)?;
        let object = object_key.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { key, object })
    }

    /// # Errors
    /// If the project's key is of no use.
    pub fn envelope(&self, key: &ProjectKey) -> Result<Envelope, EnvelopeProblem> {
        let mut output = [0; WRAPPED_BYTES];
        let wrapped = key.kek()?.wrap(&self.key[..], &mut output)?;
        Ok(Envelope {
            kind: KIND.to_owned(),
            schema: 1,
            algorithm: ALGORITHM.to_owned(),
            wrapping: WRAPPING.to_owned(),
            object: self.object.clone(),
            project_key: key.id.clone(),
            wrapped_key: BASE64_STANDARD.encode(wrapped),
        })
    }

    /// # Errors
    /// If the system gives no random numbers.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, EnvelopeProblem> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| EnvelopeProblem::NoRandom)?;
        self.seal_with(nonce, plain)
    }

    /// A nonce is never used twice with one key: they are random, and a key seals one object a few times at most.
    fn seal_with(&self, nonce: [u8; NONCE_LEN], plain: &[u8]) -> Result<Vec<u8>, EnvelopeProblem> {
        let mut sealed = Vec::with_capacity(plain.len() + ENVELOPE_OVERHEAD_BYTES);
        sealed.extend_from_slice(&MAGIC);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(plain);
        let tag = self.aead()?.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            self.named(),
            &mut sealed[start..],
        )?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// # Errors
    /// If it was not sealed with this key, or changed since.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, EnvelopeProblem> {
        let rest = sealed.strip_prefix(&MAGIC).ok_or(EnvelopeProblem::NotSealed)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(EnvelopeProblem::NotSealed)?;
        let mut plain = rest.to_vec();
        let length = self.aead()?.open_in_place(Nonce::assume_unique_for_key(*nonce), self.named(), &mut plain)?.len();
        plain.truncate(length);
        Ok(plain)
    }

    fn aead(&self) -> Result<LessSafeKey, EnvelopeProblem> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.key[..])?))
    }

    /// Bound to the object's name: what was sealed as one object does not open as another.
    fn named(&self) -> Aad<Vec<u8>> {
        Aad::from([b"obscura envelope 1\0", self.object.as_bytes()].concat())
    }
}

/// Read project keys that somebody named.
///
/// # Errors
/// The first that is missing or of no use, by its path.
pub fn read_project_keys<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<ProjectKey>, (PathBuf, io::Error)> {
    let read = |path: &Path| match ProjectKey::read(path) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err((path.to_owned(), fs::metadata(path).err().unwrap_or_else(|| io::ErrorKind::NotFound.into()))),
        Err(error) => Err((path.to_owned(), error)),
    };
    paths.iter().map(|path| read(path.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::hex, *};

    fn project_key(bytes: impl IntoIterator<Item = u8>) -> ProjectKey {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = bytes.into_iter().collect();
        fs::write(file.path(), BASE64_STANDARD.encode(bytes) + "\n").unwrap();
        ProjectKey::read(file.path()).unwrap().unwrap()
    }

    /// The vector of docs/envelope.md, which was made with another library.
    #[test]
    fn the_documented_vector() {
        let key = ObjectKey { key: Zeroizing::new(std::array::from_fn(|n| n as u8)), object: "photo.jpg".into() };
        let sealed = key.seal_with(std::array::from_fn(|n| 0x40 + n as u8), b"a photo without faces").unwrap();
        assert_eq!(
            hex(&sealed),
            "4f42534355524101404142434445464748494a4b8399de4b4948e823baad635ef411677b1fa73139c49192ea082159608e012dda8bac0865b1"
        );
        let envelope = key.envelope(&project_key(0x20..0x40)).unwrap();
        assert_eq!(
            String::from_utf8(envelope.to_json()).unwrap(),
            r#"{"algorithm":"AES-256-GCM","kind":"obscura.envelope","object":"photo.jpg","project_key":"4fa0a4b3522b7dae6b769e7a1e117f48","schema":1,"wrapped_key":"wam7aJrqtAiqUlC1+ieRGjTQnPLDxdsPGlTGvCdzoh3+ZODG176TUg==","wrapping":"AES-256-KW"}"#
        );
        let page = include_str!("../../docs/envelope.md");
        assert!(
            page.contains(&hex(&sealed))
                && page.contains(&envelope.wrapped_key)
                && page.contains(&envelope.project_key)
        );
    }

    #[test]
    fn another_project_key_takes_over_and_the_old_one_is_of_no_use_then() {
        let (old, new) = (project_key([1; 32]), project_key([2; 32]));
        let key = ObjectKey::new("out/acme/street/photo.jpg").unwrap();
        let sealed = key.seal(b"photo").unwrap();
        let before = Envelope::read(&key.envelope(&old).unwrap().to_json()).unwrap();
        let after = before.rewrapped(&[project_key([1; 32])], &new).unwrap();
        assert_eq!(after.unwrap_key(&[new]).unwrap().open(&sealed).unwrap(), b"photo");
        assert!(matches!(after.unwrap_key(&[old]), Err(EnvelopeProblem::OtherKey { .. })));
    }

    #[test]
    fn what_does_not_belong_together_does_not_open() {
        let project = [project_key([1; 32])];
        let (a, b) = (ObjectKey::new("a.jpg").unwrap(), ObjectKey::new("b.jpg").unwrap());
        let sealed = a.seal(b"photo").unwrap();
        assert_eq!(b.open(&sealed).unwrap_err(), EnvelopeProblem::Broken);
        assert_eq!(a.open(b"photo").unwrap_err(), EnvelopeProblem::NotSealed);
        assert_eq!(a.open(&sealed[..MAGIC.len() + 3]).unwrap_err(), EnvelopeProblem::NotSealed);
        // As if it were another object.
        let mut envelope = a.envelope(&project[0]).unwrap();
        envelope.object = "b.jpg".into();
        assert_eq!(envelope.unwrap_key(&project).unwrap().open(&sealed).unwrap_err(), EnvelopeProblem::Broken);
        for json in ["", "{}", "{\"kind\": \"obscura.envelope\"}"] {
            assert_eq!(Envelope::read(json.as_bytes()).unwrap_err(), EnvelopeProblem::NoEnvelope);
        }
        for bytes in [0, 16, 31, 33] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), BASE64_STANDARD.encode(vec![7; bytes])).unwrap();
            assert!(ProjectKey::read(file.path()).is_err(), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn every_changed_bit_is_noticed(plain in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let key = ObjectKey::new("photo.jpg").unwrap();
            let mut sealed = key.seal(&plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + ENVELOPE_OVERHEAD_BYTES);
            prop_assert_eq!(&key.open(&sealed).unwrap(), &plain);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(key.open(&sealed).is_err());
        }
    }
}
