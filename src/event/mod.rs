//! Upload events: what stores and applications send when a photo has arrived, told apart by content, never by name.
//!
//! Parsing trusts nothing: sizes, depths and counts are bounded, and what is not wholly understood is
//! [`UnknownEvent`]. No network, no clock: everything here is a pure function of the message.

mod message;
mod request;

pub use self::{
    message::{Ignored, Location, Message, Notice, Service, UnknownEvent, UploadEvent},
    request::{EventUpload, Owner, PhotoRequest, Routed, SourcePhoto},
};
