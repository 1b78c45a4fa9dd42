//! What can go wrong with one photo, and how it is told to people and programs.
//!
//! A [`PhotoError`] never stops the run: the photo goes to quarantine under its [`ErrorCode`]. Codes are stable: they
//! are part of the quarantine record, of `--json` output and, later, of dead letters and metrics.

use std::{fmt, io};

use serde::Serialize;

/// The step of a photo's path at which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before anything of the photo is read.
    Intake,
    Fetch,
    Open,
    Detect,
    Redact,
    Encode,
    Verify,
    Publish,
}

impl Stage {
    pub const ALL: [Self; 8] =
        [Self::Intake, Self::Fetch, Self::Open, Self::Detect, Self::Redact, Self::Encode, Self::Verify, Self::Publish];

    /// The name as it is written in records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Fetch => "fetch",
            Self::Open => "open",
            Self::Detect => "detect",
            Self::Redact => "redact",
            Self::Encode => "encode",
            Self::Verify => "verify",
            Self::Publish => "publish",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    /// The photo asks for more views than `detect.max_view_megapixels` allows.
    DetectionOverBudget,
    /// The result could not be encoded.
    EncodeFailed,
    /// The encoded result does not show what was intended.
    VerifyFailed,
    /// The output could not be written.
    StoreFailed,
    /// The file was still being written whenever it was read.
    SourceChanged,
    /// A stage took longer than it may.
    TimedOut,
    /// The photo was dropped on its way three times.
    Abandoned,
    /// The worker crashed three times while this photo alone was in work.
    CrashLoop,
    /// A message that is no upload event of a known kind.
    UnknownEvent,
    /// No route of the configuration is for this photo.
    NoRoute,
    /// The photo belongs to another region, and no topic of that region is configured.
    RegionMismatch,
    /// The event names what this worker must not fetch: a strange key, a host that is not allowed, a private address.
    SourceRefused,
    /// The original is not there, or the store refuses this worker.
    SourceMissing,
    /// Under the output's name lies something else.
    OutputConflict,
    /// The photo is published, but its original could not be removed as the route asks.
    OriginalNotRemoved,
    /// The photo's project has no key, and is published only sealed.
    KeyMissing,
    /// The photo's project was wiped.
    ProjectWiped,
    /// A defect in Obscura.
    InternalError,
}

impl ErrorCode {
    pub const ALL: [Self; 29] = [
        Self::Unreadable,
        Self::LinkOutsideInput,
        Self::EmptyFile,
        Self::EncodedTooLarge,
        Self::UnsupportedFormat,
        Self::UnsupportedJpeg,
        Self::MultiFrameUnsupported,
        Self::DimensionsTooLarge,
        Self::CorruptImage,
        Self::DetectorFailed,
        Self::DetectorOverflow,
        Self::DetectionOverBudget,
        Self::EncodeFailed,
        Self::VerifyFailed,
        Self::StoreFailed,
        Self::SourceChanged,
        Self::TimedOut,
        Self::Abandoned,
        Self::CrashLoop,
        Self::UnknownEvent,
        Self::NoRoute,
        Self::RegionMismatch,
        Self::SourceRefused,
        Self::SourceMissing,
        Self::OutputConflict,
        Self::OriginalNotRemoved,
        Self::KeyMissing,
        Self::ProjectWiped,
        Self::InternalError,
    ];

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
            Self::DetectionOverBudget => "detection_over_budget",
            Self::EncodeFailed => "encode_failed",
            Self::VerifyFailed => "verify_failed",
            Self::StoreFailed => "store_failed",
            Self::SourceChanged => "source_changed",
            Self::TimedOut => "timed_out",
            Self::Abandoned => "abandoned",
            Self::CrashLoop => "crash_loop",
            Self::UnknownEvent => "unknown_event",
            Self::NoRoute => "no_route",
            Self::RegionMismatch => "region_mismatch",
            Self::SourceRefused => "source_refused",
            Self::SourceMissing => "source_missing",
            Self::OutputConflict => "output_conflict",
            Self::OriginalNotRemoved => "original_not_removed",
            Self::KeyMissing => "key_missing",
            Self::ProjectWiped => "project_wiped",
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
            Self::DetectionOverBudget => "raise `detect.max_view_megapixels`, or handle this photo by hand",
            Self::SourceChanged => "wait until the file is complete; it is taken up again when it changes",
            Self::TimedOut => "raise the stage's time-out if the machine is slow; otherwise report the photo's sha256",
            Self::CrashLoop => {
                "handle this photo by hand; report its sha256, and check the memory limit if the worker was killed"
            }
            Self::UnknownEvent => "see docs/events.md for the kinds of events; send others to another topic",
            Self::NoRoute => "add a route for such photos, then replay the dead letter",
            Self::RegionMismatch => "send it to a topic of its region, or name that topic in `region.forward`",
            Self::SourceRefused => "add the store, or the host to `url_sources.hosts`, if such events are expected",
            Self::SourceMissing => {
                "check that the object still exists and that this worker may read it, then replay the dead letter"
            }
            Self::OutputConflict => {
                "somebody else wrote there, or another version of Obscura did; compare, remove it, then replay the dead letter"
            }
            Self::OriginalNotRemoved => {
                "the redacted photo is published; check the rights on the source store, then replay the dead letter"
            }
            Self::KeyMissing => {
                "mount the project's key in `encryption.key_dir`, then replay the dead letter; a key that was destroyed is meant to be missing"
            }
            Self::ProjectWiped => "nothing is published of it until `obscura wipe --lift`",
            Self::EncodeFailed | Self::VerifyFailed | Self::Abandoned | Self::InternalError => {
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
    /// Whether trying again may help.
    transient: bool,
}

impl PhotoError {
    #[must_use]
    pub fn new(stage: Stage, code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, stage, detail: detail.into(), hint: code.default_hint().to_owned(), transient: false }
    }

    /// A file or folder that cannot be read.
    #[must_use]
    pub fn unreadable(error: &io::Error) -> Self {
        Self::new(Stage::Fetch, ErrorCode::Unreadable, error.to_string()).retry_if(is_transient(error))
    }

    /// The same failure, told otherwise.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same failure, found at another stage.
    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    /// Say whether trying again may help.
    #[must_use]
    pub fn retry_if(mut self, transient: bool) -> Self {
        self.transient = transient;
        self
    }

    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Whether an input or output error may pass by itself or once an operator has acted: a full or unreachable store is
/// no reason to give up the photos that arrive meanwhile.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    /// `EIO`, `ENFILE` and `EMFILE`, which have no kind of their own.
    const OTHER_CODES: [i32; 3] = [5, 23, 24];
    let passing = [
        K::StorageFull,
        K::QuotaExceeded,
        K::ReadOnlyFilesystem,
        K::StaleNetworkFileHandle,
        K::NetworkDown,
        K::NetworkUnreachable,
        K::HostUnreachable,
        K::NotConnected,
        K::ResourceBusy,
        K::ExecutableFileBusy,
        K::TimedOut,
        K::WouldBlock,
        K::Interrupted,
        K::OutOfMemory,
    ];
    passing.contains(&error.kind()) || error.raw_os_error().is_some_and(|code| OTHER_CODES.contains(&code))
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
