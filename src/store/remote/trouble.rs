//! What went wrong with a store, told without addresses, keys or secrets.

use std::{error::Error, io};

use hyper::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};

use super::{credentials::CredentialTrouble, http::Refusal};
use crate::error::{ErrorCode, PhotoError, Stage, is_transient};

/// Codes of 4xx answers that do not mean the request itself: a clock, a token about to be renewed, bytes damaged on the
/// way, credentials that an operator is changing.
const PASSING_CODES: [&str; 18] = [
    "AuthenticationFailed",
    "BadDigest",
    "ExpiredToken",
    "IncompleteBody",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidDigest",
    "InvalidMd5",
    "InvalidToken",
    "Md5Mismatch",
    "OperationAborted",
    "RequestExpired",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "SlowDown",
    "TokenRefreshRequired",
    "XAmzContentSHA256Mismatch",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No such object, or no such bucket.
    Missing,
    /// A condition of the request does not hold.
    Changed,
    /// Something lies there already.
    Exists,
    /// The store knows this worker and refuses it.
    Forbidden(String),
    /// May pass by itself or once an operator has acted.
    Passing(String),
    Permanent(String),
}

impl Trouble {
    pub fn of(error: &object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            E::NotFound { .. } => Self::Missing,
            E::Precondition { .. } | E::NotModified { .. } => Self::Changed,
            E::AlreadyExists { .. } => Self::Exists,
            E::NotImplemented { .. } | E::NotSupported { .. } | E::InvalidPath { .. } => {
                Self::Permanent("the store cannot do this".to_owned())
            }
            other => Self::of_chain(other),
        }
    }

    pub fn of_http(error: &HttpError) -> Self {
        Self::of_chain(error)
    }

    fn of_chain(error: &(dyn Error + 'static)) -> Self {
        if let Some(refusal) = find::<Refusal>(error) {
            return Self::of_status(refusal.status, refusal.code.as_deref());
        }
        if let Some(trouble) = find::<CredentialTrouble>(error) {
            return Self::Passing(trouble.to_string());
        }
        if let Some(http) = find::<HttpError>(error) {
            let text = match http.kind() {
                HttpErrorKind::Connect => "the store cannot be reached",
                HttpErrorKind::Timeout => "the store did not answer in time",
                HttpErrorKind::Request | HttpErrorKind::Interrupted => "the connection to the store broke off",
                _ => "the exchange with the store failed",
            };
            return Self::Passing(text.to_owned());
        }
        if let Some(error) = find::<io::Error>(error) {
            return Self::of_io(error);
        }
        Self::Passing("the store failed".to_owned())
    }

    pub fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        // The error's own text may hold a path.
        let text = match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code).to_string(),
            None => error.kind().to_string(),
        };
        match error.kind() {
            K::NotFound => Self::Missing,
            K::AlreadyExists => Self::Exists,
            K::PermissionDenied => Self::Forbidden(text),
            K::IsADirectory | K::NotADirectory | K::InvalidFilename | K::FileTooLarge if !is_transient(error) => {
                Self::Permanent(text)
            }
            _ => Self::Passing(text),
        }
    }

    /// What an answer means that is no success.
    pub fn of_status(status: StatusCode, code: Option<&str>) -> Self {
        let text = match code {
            Some(code) => format!("the store answered {} {code}", status.as_u16()),
            None => format!("the store answered {}", status.as_u16()),
        };
        match status {
            StatusCode::NOT_FOUND => Self::Missing,
            StatusCode::PRECONDITION_FAILED | StatusCode::NOT_MODIFIED => Self::Changed,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => Self::Passing(text),
            _ if status.is_server_error() => Self::Passing(text),
            _ if code.is_some_and(|code| PASSING_CODES.contains(&code)) => Self::Passing(text),
            // Without or with a token that is no longer good: the credentials' fault, not the photo's.
            StatusCode::UNAUTHORIZED => Self::Passing(text),
            // Nobody can tell what was wrong, as after a HEAD.
            StatusCode::BAD_REQUEST if code.is_none() => Self::Passing(text),
            StatusCode::FORBIDDEN => Self::Forbidden(text),
            // What a version is that was only a mark of deletion.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => Self::Missing,
            _ => Self::Permanent(text),
        }
    }

    /// As the failure to read a photo.
    pub fn reading(self) -> PhotoError {
        let error = |code, detail: &str| PhotoError::new(Stage::Fetch, code, detail);
        match self {
            Self::Missing => error(ErrorCode::SourceMissing, "expected an object, the store has none"),
            Self::Forbidden(text) => error(ErrorCode::SourceMissing, &text),
            Self::Changed => source_changed(),
            Self::Exists => unreadable("the store answered that something exists").retry_if(true),
            Self::Passing(text) => unreadable(&text).retry_if(true),
            Self::Permanent(text) => unreadable(&text),
        }
    }

    /// As the failure to write. A missing bucket and missing rights are an operator's to mend: photos had better wait.
    pub fn writing(self) -> PhotoError {
        let (text, may_pass) = match self {
            Self::Missing => ("the bucket or folder is not there".to_owned(), true),
            Self::Changed | Self::Exists => ("something else was written there meanwhile".to_owned(), true),
            Self::Forbidden(text) | Self::Passing(text) => (text, true),
            Self::Permanent(text) => (text, false),
        };
        PhotoError::new(Stage::Publish, ErrorCode::StoreFailed, text)
            .with_hint("check that the store can be reached and that this worker may write there")
            .retry_if(may_pass)
    }

    /// As the failure to remove an original.
    pub fn removing(self) -> PhotoError {
        let (text, may_pass) = match self {
            Self::Missing => ("the bucket is not there".to_owned(), true),
            Self::Changed => ("the original changed".to_owned(), false),
            Self::Exists => ("the original is in use".to_owned(), true),
            Self::Forbidden(text) | Self::Permanent(text) => (text, false),
            Self::Passing(text) => (text, true),
        };
        not_removed(&text).retry_if(may_pass)
    }

    /// A few words for messages at the start.
    pub fn text(self) -> String {
        match self {
            Self::Missing => "there is no such bucket, container or folder".to_owned(),
            Self::Changed => "a condition does not hold".to_owned(),
            Self::Exists => "something exists already".to_owned(),
            Self::Forbidden(text) | Self::Passing(text) | Self::Permanent(text) => text,
        }
    }
}

pub(super) fn source_changed() -> PhotoError {
    PhotoError::new(Stage::Fetch, ErrorCode::SourceChanged, "expected the version that the event names, found another")
        .with_hint("it was overwritten after the event; the event of the new version brings that one")
}

pub(super) fn unreadable(detail: &str) -> PhotoError {
    PhotoError::new(Stage::Fetch, ErrorCode::Unreadable, detail)
        .with_hint("check that the store can be reached and answers well, then replay the dead letter")
}

pub(super) fn not_removed(detail: &str) -> PhotoError {
    PhotoError::new(Stage::Publish, ErrorCode::OriginalNotRemoved, detail)
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let of = |status: u16, code| Trouble::of_status(StatusCode::from_u16(status).unwrap(), code);
        for (status, code) in [(500, None), (503, Some("SlowDown")), (429, None), (408, None), (401, None)] {
            assert!(matches!(of(status, code), Trouble::Passing(_)), "{status}");
        }
        assert!(matches!(of(400, Some("ExpiredToken")), Trouble::Passing(_)));
        assert!(matches!(of(403, Some("SignatureDoesNotMatch")), Trouble::Passing(_)));
        assert!(matches!(of(403, Some("AccessDenied")), Trouble::Forbidden(_)));
        assert!(matches!(of(400, Some("InvalidArgument")), Trouble::Permanent(_)));
        assert_eq!(of(404, None), Trouble::Missing);
        assert_eq!(of(412, None), Trouble::Changed);
        assert!(matches!(of(301, None), Trouble::Permanent(_)), "a redirect may lead out of the region");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(!Trouble::Missing.reading().is_transient());
        assert!(!Trouble::Changed.reading().is_transient());
        assert!(!Trouble::Forbidden("x".into()).reading().is_transient());
        assert!(Trouble::Passing("x".into()).reading().is_transient());
        assert!(Trouble::Forbidden("x".into()).writing().is_transient());
        assert!(Trouble::Missing.writing().is_transient());
        assert!(!Trouble::Permanent("x".into()).writing().is_transient());
    }
}
