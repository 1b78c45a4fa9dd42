//! Who this worker is to a store. Secrets are read when they are needed, so that a rotated file counts at once; they are in
//! no text and no `Debug`. The platform's metadata address is asked only where the configuration says `environment`.

mod azure;
mod gcs;
mod s3;
mod sts;

use std::{path::Path, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

pub(super) use self::{azure::azure, gcs::gcs, s3::s3};
use super::http::Transport;
use crate::{
    config::stream::{Secret, StoreConfig},
    error::FatalError,
};

/// No credentials could be had. Holds nothing secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CredentialTrouble(pub String);

impl From<CredentialTrouble> for object_store::Error {
    fn from(trouble: CredentialTrouble) -> Self {
        Self::Generic { store: "credentials", source: Box::new(trouble) }
    }
}

/// What makes providers of credentials.
struct Context<'a> {
    config: &'a StoreConfig,
    transport: &'a Transport,
}

impl Context<'_> {
    fn fatal(&self, message: &str, hint: &str) -> FatalError {
        FatalError::new(format!("store `{}`: {message}", self.config.name), hint)
    }

    fn unfit(&self) -> FatalError {
        self.fatal(
            "expected credentials of this kind of store, found another's",
            "see docs/stores.md for the kinds of credentials",
        )
    }

    fn failed(&self, error: &object_store::Error) -> FatalError {
        let text = super::trouble::Trouble::of(error).text();
        self.fatal(&format!("the credentials cannot be used: {text}"), "check `credentials` of this store")
    }
}

/// The secret as of now. What could not be sent as part of a header is none.
fn read(secret: &Secret) -> Result<SecretString, CredentialTrouble> {
    let value = secret
        .read()
        .map_err(|error| CredentialTrouble(format!("a secret's file cannot be read: {}", error.kind())))?;
    let text = value.expose_secret();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CredentialTrouble("expected a secret of printable characters, found something else".to_owned()));
    }
    Ok(value)
}

/// Several secrets that belong together: read until two readings agree, lest half of them are of an older set.
fn read_together<const N: usize>(
    secrets: [Option<&Secret>; N],
) -> Result<[Option<SecretString>; N], CredentialTrouble> {
    const ATTEMPTS: usize = 4;
    let read_all = || -> Result<[Option<SecretString>; N], CredentialTrouble> {
        let mut values = [const { None }; N];
        for (value, secret) in values.iter_mut().zip(secrets) {
            *value = secret.map(read).transpose()?;
        }
        Ok(values)
    };
    let same = |a: &[Option<SecretString>; N], b: &[Option<SecretString>; N]| {
        a.iter()
            .zip(b)
            .all(|(a, b)| a.as_ref().map(ExposeSecret::expose_secret) == b.as_ref().map(ExposeSecret::expose_secret))
    };
    let mut last = read_all()?;
    if secrets.iter().flatten().filter(|secret| matches!(secret, Secret::File(_))).count() < 2 {
        return Ok(last);
    }
    for _ in 0..ATTEMPTS {
        let next = read_all()?;
        if same(&last, &next) {
            return Ok(next);
        }
        last = next;
    }
    Err(CredentialTrouble("the files of the secrets change all the time".to_owned()))
}

/// A token that something else keeps fresh in a file.
fn read_token(path: &Path) -> Result<SecretString, CredentialTrouble> {
    read(&Secret::File(path.to_owned()))
}

type Shared<T> = Arc<dyn object_store::CredentialProvider<Credential = T>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_anew_and_must_be_printable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secret = Secret::File(file.path().to_owned());
        assert!(read(&secret).is_err(), "empty");
        std::fs::write(file.path(), "one\n").unwrap();
        assert_eq!(read(&secret).unwrap().expose_secret(), "one");
        std::fs::write(file.path(), "two").unwrap();
        assert_eq!(read(&secret).unwrap().expose_secret(), "two");
        std::fs::write(file.path(), "tw\no").unwrap();
        let error = read(&secret).unwrap_err().to_string();
        assert!(!error.contains("tw"), "{error}");
        let [a, b, c] =
            read_together([Some(&Secret::Value("a".into())), None, Some(&Secret::Value("c".into()))]).unwrap();
        assert_eq!((a.unwrap().expose_secret(), b.is_none(), c.unwrap().expose_secret()), ("a", true, "c"));
    }
}
