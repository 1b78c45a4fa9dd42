//! Which photo goes where. Without a matching route nothing is processed.

use crate::{detect::Class, redact::RedactionPolicy};

#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// For messages about the configuration.
    pub name: String,
    pub matches: RouteMatch,
    /// The region that the photos belong to.
    pub region: String,
    /// Whose photos they are, where the event does not say; an event that matches and says otherwise goes to no route.
    pub tenant: Option<String>,
    pub project: Option<String>,
    /// Name of the store that they are published in.
    pub destination: String,
    /// Put before the output's name, without slashes at its ends; may be empty.
    pub prefix: String,
    pub originals: Originals,
    pub redaction: RedactionPolicy,
    pub detection: DetectionPolicy,
}

/// What a route asks of an event: all that is set has to agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// Name of the source store; none is any configured one, and signed URLs.
    pub store: Option<String>,
    /// Start of the key.
    pub prefix: Option<String>,
    pub tenant: Option<String>,
    pub project: Option<String>,
}

/// What happens to the original once its redacted photo is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Originals {
    Keep,
    Delete,
    /// Into a store of the same region, then deleted.
    Move {
        vault: String,
        prefix: String,
    },
}

/// What is looked for on a route.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionPolicy {
    pub classes: Vec<Class>,
    /// None: as for all photos.
    pub face_min_score: Option<f32>,
    pub plate_min_score: Option<f32>,
}
