//! What can go wrong with one photo, and how it is told to people and programs.
//!
//! A [`PhotoError`] never stops the run: the photo goes to quarantine under its [`ErrorCode`]. Codes are stable: they
//! are part of the quarantine record, of `--json` output and, later, of dead letters and metrics.

use std::fmt;

use serde::Serialize;

/// The step of a photo's path at which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Fetch,
    Open,
    Detect,
    Redact,
    Encode,
    Verify,
    Publish,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch => "fetch",
            Self::Open => "open",
            Self::Detect => "detect",
            Self::Redact => "redact",
            Self::Encode => "encode",
            Self::Verify => "verify",
            Self::Publish => "publish",
        })
    }
}

/// Stable names of the reasons for which a photo is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The file or folder could not be read.
    Unreadable,
    /// A symbolic link leads out of the folder that was named.
    LinkOutsideInput,
    /// No bytes at all.
    EmptyFile,
    /// The encoded file exceeds `limits.max_encoded_mib`.
    EncodedTooLarge,
    /// Not a format that Obscura reads.
    UnsupportedFormat,
    /// A JPEG process that Obscura does not read: arithmetic, 12-bit, lossless, hierarchical.
    UnsupportedJpeg,
    /// Several frames in one file.
    MultiFrameUnsupported,
    /// Width, height or their product exceed the limits.
    DimensionsTooLarge,
    /// The file is damaged or cut off.
    CorruptImage,
    /// A detector failed, or answered with something that is not an answer.
    DetectorFailed,
    /// A detector reported as many candidates as it may: some may be missing.
    DetectorOverflow,
    /// The result could not be encoded.
    EncodeFailed,
    /// The encoded result does not show what was intended.
    VerifyFailed,
    /// The output could not be written.
    StoreFailed,
    /// A defect in Obscura.
    InternalError,
}

impl ErrorCode {
    /// The code as it is written in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::LinkOutsideInput => "link_outside_input",
            Self::EmptyFile => "empty_file",
            Self::EncodedTooLarge => "encoded_too_large",
            Self::UnsupportedFormat => "unsupported_format",
            Self::UnsupportedJpeg => "unsupported_jpeg",
            Self::MultiFrameUnsupported => "multi_frame_unsupported",
            Self::DimensionsTooLarge => "dimensions_too_large",
            Self::CorruptImage => "corrupt_image",
            Self::DetectorFailed => "detector_failed",
            Self::DetectorOverflow => "detector_overflow",
            Self::EncodeFailed => "encode_failed",
            Self::VerifyFailed => "verify_failed",
            Self::StoreFailed => "store_failed",
            Self::InternalError => "internal_error",
        }
    }

    /// What a person can do about it, where the error itself carries no better advice.
    #[must_use]
    pub fn default_hint(self) -> &'static str {
        match self {
            Self::Unreadable => "check that the file exists and that this user may read it",
            Self::LinkOutsideInput => "name the link's target itself as an input if it should be redacted",
            Self::EmptyFile => "the upload was probably interrupted; upload it again",
            Self::EncodedTooLarge => "raise `limits.max_encoded_mib` if such files are expected",
            Self::UnsupportedFormat => "convert it to JPEG or PNG first, with 8 bits a sample",
            Self::UnsupportedJpeg => "convert it to a baseline or progressive 8-bit JPEG first, e.g. with `jpegtran`",
            Self::MultiFrameUnsupported => "export the frames as single pictures",
            Self::DimensionsTooLarge => {
                "raise `limits.max_megapixels` or `limits.max_side_px` if such sizes are expected"
            }
            Self::CorruptImage => "the file is damaged or cut off; upload it again",
            Self::DetectorFailed => {
                "run `obscura models verify`; if it passes, report the photo's sha256 and this record"
            }
            Self::DetectorOverflow => "raise the detector's threshold, or handle this photo by hand",
            Self::EncodeFailed | Self::VerifyFailed | Self::InternalError => {
                "this is a defect in Obscura; report the photo's sha256 and this record"
            }
            Self::StoreFailed => "check free space and permissions of the output folder, then run again",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one photo was not published. Holds nothing of the photo's content.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code} at {stage}: {detail}")]
pub struct PhotoError {
    pub code: ErrorCode,
    pub stage: Stage,
    /// What was expected and what came.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
}

impl PhotoError {
    #[must_use]
    pub fn new(stage: Stage, code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, stage, detail: detail.into(), hint: code.default_hint().to_owned() }
    }

    /// A file or folder that cannot be read.
    #[must_use]
    pub fn unreadable(error: &std::io::Error) -> Self {
        Self::new(Stage::Fetch, ErrorCode::Unreadable, error.to_string())
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

pub type PhotoResult<T> = Result<T, PhotoError>;

/// A reason not to start, or to stop: bad configuration, a missing model, a missing execution provider.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FatalError {
    pub message: String,
    pub hint: String,
}

impl FatalError {
    #[must_use]
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}
