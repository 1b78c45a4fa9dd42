//! A thousand random changes to each kind: nothing panics, and nothing dangerous comes out.

use obscura::event::{Location, Notice, Routed, Service, is_safe_name};
use proptest::{
    prelude::{ProptestConfig, Strategy, any},
    proptest, sample,
};

use crate::{
    config::open_router,
    examples::{ALL, read},
};

const CHANGES: u32 = 1000;
/// What is put in: pieces that mean something to one of the parsers, the stores, or a reader of logs.
const PIECES: [&str; 36] = [
    "/../",
    "%2F..%2F",
    "%2F%2F",
    "/./",
    "..",
    "../",
    "/",
    "//",
    "\\",
    "\\\\",
    "%2e%2e%2f",
    "%00",
    "%",
    "+",
    "\\u0000",
    "\\u202e",
    "\0",
    "\n",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "-1",
    "1e999",
    "\"key\":\"x\",",
    "https://",
    "@",
    "?",
    "#",
    "169.254.169.254",
    "é",
    "\u{feff}",
];

#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    /// Close behind one of the names under which places and owners are told.
    near: bool,
}

impl Place {
    const NAMES: [&[u8]; 8] =
        [b"\"key\"", b"\"url\"", b"objectId", b"\"name\"", b"subject", b"\"tenant\"", b"key\\\"", b"/blobs/"];
    const REACH_BYTES: usize = 48;

    fn within(self, bytes: &[u8]) -> usize {
        let starts = |at: &usize| Self::NAMES.iter().any(|name| bytes[*at..].starts_with(name));
        let named: Vec<usize> = if self.near { (0..bytes.len()).filter(starts).collect() } else { Vec::new() };
        match named.get(self.at % named.len().max(1)) {
            Some(start) => (start + self.at / named.len() % Self::REACH_BYTES).min(bytes.len()),
            None => self.at % (bytes.len() + 1),
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Flip { at: Place, bit: u8 },
    Drop { at: Place, bytes: usize },
    Insert { at: Place, piece: &'static str },
    Copy { from: Place, bytes: usize, to: Place },
}

fn change() -> impl Strategy<Value = Change> {
    // Half of the changes hit what is used, the others anything.
    let place = || (any::<usize>(), any::<bool>()).prop_map(|(at, near)| Place { at, near });
    proptest::prop_oneof![
        (place(), 0..8_u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        (place(), 1..40_usize).prop_map(|(at, bytes)| Change::Drop { at, bytes }),
        (place(), sample::select(&PIECES[..])).prop_map(|(at, piece)| Change::Insert { at, piece }),
        (place(), 1..60_usize, place()).prop_map(|(from, bytes, to)| Change::Copy { from, bytes, to }),
    ]
}

fn changed(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        match *change {
            Change::Flip { at, bit } => {
                let at = at.within(&bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Change::Drop { at, bytes: count } => {
                let start = at.within(&bytes);
                bytes.drain(start..(start + count).min(bytes.len()));
            }
            Change::Insert { at, piece } => {
                let at = at.within(&bytes);
                bytes.splice(at..at, piece.bytes());
            }
            Change::Copy { from, bytes: count, to } => {
                let start = from.within(&bytes);
                let copy = bytes[start..(start + count).min(bytes.len())].to_vec();
                let to = to.within(&bytes);
                bytes.splice(to..to, copy);
            }
        }
    }
    bytes
}

/// What may be fetched: an object of a configured bucket by a key that leads nowhere else, or a listed host. Answers how
/// many photos would be.
fn check(name: &str, bytes: &[u8]) -> usize {
    let mut fetched = 0;
    let Ok(notices) = read(bytes) else { return fetched };
    assert!(!notices.is_empty());
    for notice in notices {
        let Notice::Upload(upload) = notice else { continue };
        let told = upload.location.clone();
        let Routed::Redact(request) = open_router().route(upload) else { continue };
        let text = String::from_utf8_lossy(bytes);
        assert!(is_safe_name(&request.owner.tenant) && is_safe_name(&request.owner.project), "{name}: {text}");
        match (&request.source.location, told) {
            (Location::Object { service, bucket, key }, Location::Object { key: told, .. }) => {
                assert_eq!(*key, told, "a key is used as it was told");
                let configured = match service {
                    Service::S3 => matches!(bucket.as_str(), "uploads" | "published"),
                    Service::Azure { account } => account == "acmephotos" && bucket == "photos",
                    Service::Gcs => bucket == "pictures",
                    Service::Any => bucket == "folder",
                };
                assert!(configured, "{name}: {text}");
                let root = std::path::Path::new("/root");
                let inside = root.join(key).components().all(|part| !matches!(part, std::path::Component::ParentDir));
                assert!(inside && root.join(key).starts_with(root), "{name}: {text}");
                assert!(!key.contains(|char: char| char.is_control() || char == '\\'), "{name}: {text}");
                assert!(key.split('/').all(|part| !part.is_empty()), "{name}: {text}");
            }
            (Location::Url(url), Location::Url(_)) => {
                assert!(url.starts_with("https://photos.example.com/"), "{name}: {text}");
            }
            _ => panic!("{name}: another kind of place: {text}"),
        }
        fetched += 1;
    }
    fetched
}

/// Otherwise the check below would have nothing to look at.
#[test]
fn unchanged_events_ask_for_photos() {
    let fetched: Vec<&str> =
        ALL.iter().filter(|(name, text)| check(name, text.as_bytes()) == 1).map(|(name, _)| *name).collect();
    assert_eq!(fetched.len(), ALL.len() - 3, "all but two tests and an outcome: {fetched:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CHANGES, ..ProptestConfig::default() })]

    #[test]
    fn changed_events_ask_for_nothing_dangerous(changes in proptest::collection::vec(change(), 1..4)) {
        for (name, text) in ALL {
            check(name, &changed(text, &changes));
        }
    }

    /// Most changes make no JSON; these mostly do.
    #[test]
    fn pieces_in_names_ask_for_nothing_dangerous(
        pieces in proptest::collection::vec((any::<usize>(), sample::select(&PIECES[..])), 1..3),
    ) {
        let insert = |(at, piece)| Change::Insert { at: Place { at, near: true }, piece };
        let changes: Vec<Change> = pieces.into_iter().map(insert).collect();
        for (name, text) in ALL {
            check(name, &changed(text, &changes));
        }
    }
}
