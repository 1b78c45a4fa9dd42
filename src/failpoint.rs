//! Places where tests make a photo fail, one on each edge of each stage. Compiled in with the feature `failpoints`
//! only; otherwise [`hit`] is nothing.

use crate::{
    detect::Class,
    error::{PhotoResult, Stage},
    source::Upload,
};

/// Before a stage's work, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Enter,
    Leave,
}

/// All places, in the order in which a photo passes them.
pub const ALL: [(Stage, Edge); 14] = [
    (Stage::Fetch, Edge::Enter),
    (Stage::Fetch, Edge::Leave),
    (Stage::Open, Edge::Enter),
    (Stage::Open, Edge::Leave),
    (Stage::Detect, Edge::Enter),
    (Stage::Detect, Edge::Leave),
    (Stage::Redact, Edge::Enter),
    (Stage::Redact, Edge::Leave),
    (Stage::Encode, Edge::Enter),
    (Stage::Encode, Edge::Leave),
    (Stage::Verify, Edge::Enter),
    (Stage::Verify, Edge::Leave),
    (Stage::Publish, Edge::Enter),
    (Stage::Publish, Edge::Leave),
];

/// The name by which a test asks for a place: `detect:enter`.
#[must_use]
pub fn name(stage: Stage, edge: Edge) -> String {
    let edge = if edge == Edge::Enter { "enter" } else { "leave" };
    format!("{stage}:{edge}")
}

/// Fail or panic here if the environment asks for it: `OBSCURA_FAIL_POINT=detect:enter=error` or `=panic`.
///
/// # Errors
/// The planted one.
#[cfg(feature = "failpoints")]
pub fn hit(stage: Stage, edge: Edge) -> PhotoResult<()> {
    use crate::error::{ErrorCode, PhotoError};
    let Ok(wanted) = std::env::var("OBSCURA_FAIL_POINT") else { return Ok(()) };
    match wanted.split_once('=') {
        Some((place, "error")) if place == name(stage, edge) => {
            Err(PhotoError::new(stage, ErrorCode::InternalError, format!("planted failure at {place}")))
        }
        Some((place, "panic")) if place == name(stage, edge) => {
            std::panic::panic_any(format!("planted panic at {place}"))
        }
        _ => Ok(()),
    }
}

/// Nothing, in ordinary builds.
///
/// # Errors
/// Never.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_stage: Stage, _edge: Edge) -> PhotoResult<()> {
    Ok(())
}

/// Kill the process while the photo named by `OBSCURA_CRASH_ON`, or by its hash in `OBSCURA_CRASH_ON_SHA256`, is in
/// work, as a fault in a native library would.
#[cfg(feature = "failpoints")]
pub fn crash_on(upload: &Upload, sha256: &str) {
    let is_named = std::env::var_os("OBSCURA_CRASH_ON").is_some_and(|name| upload.relative.as_os_str() == name);
    if is_named || std::env::var("OBSCURA_CRASH_ON_SHA256").is_ok_and(|named| named == sha256) {
        std::process::abort();
    }
}

/// Kill the process between two steps of publishing: `OBSCURA_KILL_AT=publish:receipt` after the receipt.
#[cfg(feature = "failpoints")]
pub fn kill_at(place: &str) {
    if std::env::var("OBSCURA_KILL_AT").is_ok_and(|wanted| wanted == place) {
        std::process::abort();
    }
}

/// Drop the photo named by `OBSCURA_ABANDON` on its way, as a defect in a task would.
#[cfg(feature = "failpoints")]
pub fn abandon(upload: &Upload) {
    if std::env::var_os("OBSCURA_ABANDON").is_some_and(|name| upload.relative.as_os_str() == name) {
        std::panic::panic_any("planted panic of a task");
    }
}

/// Whether the detector of this class shall fail its check: while the file `OBSCURA_SICK` is there and names the class.
#[cfg(feature = "failpoints")]
#[must_use]
pub fn is_sick(class: Class) -> bool {
    let file = std::env::var_os("OBSCURA_SICK").and_then(|path| std::fs::read_to_string(path).ok());
    file.is_some_and(|named| named.trim() == class.to_string())
}

/// Whether detectors shall cost nothing, so that a bench sees everything else: `OBSCURA_STUB_DETECTORS=1`.
#[cfg(feature = "failpoints")]
#[must_use]
pub fn wants_stubs() -> bool {
    std::env::var_os("OBSCURA_STUB_DETECTORS").is_some()
}

/// Nothing, in ordinary builds.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn crash_on(_upload: &Upload, _sha256: &str) {}

/// Nothing, in ordinary builds.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn kill_at(_place: &str) {}

/// Nothing, in ordinary builds.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn abandon(_upload: &Upload) {}

/// Never, in ordinary builds.
#[cfg(not(feature = "failpoints"))]
#[inline]
#[must_use]
pub fn is_sick(_class: Class) -> bool {
    false
}
