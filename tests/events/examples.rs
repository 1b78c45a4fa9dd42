//! A message of each kind. Headers, if there are some, are lines before an empty one.

use obscura::event::{Message, Notice, UnknownEvent, parse};

macro_rules! examples {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each.
        pub const ALL: &[(&str, &str)] = &[$(($name, include_str!(concat!("examples/", $name)))),*];
    };
}

examples!(
    "azure.json",
    "azure_cloudevent.json",
    "azure_validation.json",
    "ceph.json",
    "cloudevent.json",
    "cloudevent_binary.msg",
    "cloudevent_outcome.json",
    "cloudevent_reprocess.json",
    "eventbridge.json",
    "gcs_attributes.msg",
    "gcs_cloudevent.json",
    "gcs_push.json",
    "minio.json",
    "s3.json",
    "s3_test.json",
    "sns.json",
    "sqs.json",
);

pub fn example(name: &str) -> &'static str {
    ALL.iter().find(|(other, _)| *other == name).expect("an example").1
}

pub fn read(text: &[u8]) -> Result<Vec<Notice>, UnknownEvent> {
    let (headers, payload) = split(text);
    parse(&Message { headers: &headers, payload })
}

pub fn read_with(headers: &[(&str, &str)], payload: &[u8]) -> Result<Vec<Notice>, UnknownEvent> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    parse(&Message { headers: &headers, payload })
}

fn split(text: &[u8]) -> (Vec<(String, Vec<u8>)>, &[u8]) {
    let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") else { return (Vec::new(), text) };
    let header = |line: &[u8]| {
        let at = line.windows(2).position(|pair| pair == b": ")?;
        Some((String::from_utf8_lossy(&line[..at]).into_owned(), line[at + 2..].to_vec()))
    };
    (text[..end].split(|byte| *byte == b'\n').filter_map(header).collect(), &text[end + 2..])
}

/// Every JSON block of the documentation is an event that is understood.
#[test]
fn the_documented_examples_are_understood() {
    let page = include_str!("../../docs/events.md");
    let blocks: Vec<&str> = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 8, "{} examples", blocks.len());
    for block in blocks {
        assert!(read(block.as_bytes()).is_ok(), "{:?}: {block}", read(block.as_bytes()));
    }
}
