//! From a message to what is to be done about it: one upload for each of its records.

use std::{path::PathBuf, sync::Arc};

use super::{EventUpload, Ignored, Message, Notice, OutputName, PhotoRequest, Revision, Routed, Router, parse};
use crate::{
    error::{ErrorCode, PhotoError, Stage},
    kafka::KafkaMessage,
    source::Upload,
};

/// At least one upload: a message that asks for nothing has to be acknowledged too.
#[must_use]
pub fn interpret(router: &Router, message: &KafkaMessage) -> Vec<Upload> {
    let routed: Vec<Routed> = match parse(&Message { headers: &message.headers, payload: &message.payload }) {
        Ok(notices) if notices.is_empty() => vec![Routed::Ignore(Ignored::OtherKind)],
        Ok(notices) => notices
            .into_iter()
            .map(|notice| match notice {
                Notice::Upload(event) => router.route(event),
                Notice::Ignored(why) => Routed::Ignore(why),
            })
            .collect(),
        Err(unknown) => {
            let error = PhotoError::new(Stage::Intake, ErrorCode::UnknownEvent, unknown.to_string());
            vec![Routed::Refuse { error, owner: None }]
        }
    };
    let message = Arc::new(message.clone());
    let uploads = routed.into_iter().zip(0..).map(|(routed, record)| {
        let name = name(&message, record, &routed);
        Upload::of_event(EventUpload { message: Arc::clone(&message), record, routed }, name)
    });
    uploads.collect()
}

/// That of the output, so that two events of one photo are never in work at once; that of the record where the output
/// is not known yet, or there is none.
fn name(message: &KafkaMessage, record: u32, routed: &Routed) -> PathBuf {
    if let Routed::Redact(PhotoRequest { replaces: Some(output), .. }) = routed {
        return PathBuf::from(output.key());
    }
    if let Routed::Redact(request) = routed
        && let Some(revision) = Revision::named_in(&request.source)
    {
        return PathBuf::from(OutputName::new(request, &revision).key());
    }
    PathBuf::from(format!("_events/{}/{}/{}-{record}", message.topic, message.partition, message.offset))
}
