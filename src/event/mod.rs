//! Upload events: what stores and applications send when a photo has arrived, told apart by content, never by name.
//!
//! Parsing trusts nothing: sizes, depths and counts are bounded, and what is not wholly understood is
//! [`UnknownEvent`]. No network, no clock: everything here is a pure function of the message.

mod address;
mod azure;
mod cloudevents;
mod gcs;
mod interpret;
mod json;
mod key;
pub mod limits;
mod message;
mod output_name;
mod own;
mod parse;
mod redact_people;
mod redact_urls;
mod request;
mod route;
mod s3;
mod url_policy;

pub use self::{
    address::is_public,
    cloudevents::{OUTCOME_TYPE, REPROCESS_TYPE, UPLOAD_TYPE, structured_content_type},
    interpret::interpret,
    key::is_safe_name,
    message::{Ignored, Location, Message, Notice, Replaces, Service, UnknownEvent, UploadEvent},
    output_name::{OutputName, PROBES, Revision, dead_letter_key},
    own::is_own_name,
    parse::{FORWARDED_HEADER, RECORD_HEADER, parse},
    redact_people::redact_people,
    redact_urls::{redact_headers, redact_urls},
    request::{EventUpload, Owner, PhotoRequest, Routed, SourcePhoto},
    route::Router,
    url_policy::{HostRule, UrlPolicy, UrlRefused},
};
