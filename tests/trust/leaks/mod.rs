//! The hunt for leaks: secrets are planted wherever files, events and names have room for them, all goes through the
//! program, and then everything that it wrote or said is searched. Exempt are what was put in, originals in vaults, and
//! what `quarantine.keep_original` keeps, which are clear by what they are for.

mod blocks;
mod decode;
mod jpeg;
mod others;
mod png;
mod search;
mod secrets;
mod stream;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use self::{
    search::{Search, shows_hidden_pixels},
    secrets::{Carrier, End, Secret, marker},
};
use crate::support::{Bench, Run, files_below, fixture, name_of, worker::Worker};

/// In the name of every file.
fn name_secret() -> Secret {
    let text = marker("name of a file");
    Secret { name: "name of a file".to_owned(), bytes: text.into_bytes() }
}

/// Every carrier, by the name of its file.
struct Corpus {
    carriers: BTreeMap<String, Carrier>,
    search: Search,
    names: Search,
}

impl Corpus {
    fn new() -> Self {
        let face = image::open(fixture("mutants/face.png")).unwrap().into_rgb8();
        let all = [jpeg::carriers(&face), png::carriers(&face), others::carriers(&face)].concat_all();
        let mark = marker("name of a file");
        let named = |carrier: Carrier| {
            let (stem, end) = carrier.name.rsplit_once('.').unwrap();
            (format!("{stem}-{mark}.{end}"), carrier)
        };
        let carriers: BTreeMap<_, _> = all.into_iter().map(named).collect();
        let search = Search::new(carriers.values().flat_map(|carrier| &carrier.secrets));
        Self { carriers, search, names: Search::new([&name_secret()]) }
    }

    fn names(&self, end: End) -> Vec<&String> {
        self.carriers.iter().filter(|(_, carrier)| carrier.end == end).map(|(name, _)| name).collect()
    }

    fn put_all(&self, bench: &Bench) {
        for (name, carrier) in &self.carriers {
            bench.put(name, &carrier.bytes);
        }
    }

    /// Secrets of files that are in there.
    fn found(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let mut found = self.search.find_in_picture(bytes);
        if shows_hidden_pixels(bytes) {
            found.push("hidden pixels".to_owned());
        }
        if let [0xFF, 0xD8, rest @ ..] = bytes
            && rest.windows(3).any(|window| window == [0xFF, 0xD8, 0xFF])
        {
            found.push("another JPEG inside".to_owned());
        }
        found.into_iter().map(|what| format!("{place}: {what}")).collect()
    }
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Carrier>;
}

impl<const N: usize> ConcatAll for [Vec<Carrier>; N] {
    fn concat_all(self) -> Vec<Carrier> {
        self.into_iter().flatten().collect()
    }
}

#[track_caller]
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
}

/// The search would prove nothing if it did not see what it looks for.
#[test]
fn every_secret_is_found_where_it_was_planted() {
    let corpus = Corpus::new();
    let mut count = 0;
    for (name, carrier) in &corpus.carriers {
        let found = corpus.search.find_in_picture(&carrier.bytes);
        for secret in &carrier.secrets {
            assert!(
                found.iter().any(|found| found.starts_with(&secret.name)),
                "{name} does not show its {}; only {found:?}",
                secret.name
            );
        }
        let others = found.iter().find(|found| !found.contains(carrier.name));
        assert_eq!(others, None, "{name} shows another one's secret");
        assert_eq!(shows_hidden_pixels(&carrier.bytes), carrier.has_hidden_pixels, "{name}");
        count += carrier.secrets.len() + usize::from(carrier.has_hidden_pixels);
    }
    assert!(count > 100, "only {count} secrets");
    for form in ["UTF-16LE", "UTF-16BE", "base64", "compressed", "in pixels"] {
        let seen = corpus
            .carriers
            .values()
            .any(|carrier| corpus.search.find_in_picture(&carrier.bytes).iter().any(|found| found.contains(form)));
        assert!(seen, "no secret is planted as {form}");
    }
    let text = marker("name of a file");
    let percent = text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let hex = text.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
    for written in [percent, hex, format!("{{\"name\":\"{text}\"}}")] {
        assert_eq!(corpus.names.find(written.as_bytes()).len(), 1, "{written}");
    }
    assert!(corpus.names.find(b"nothing at all, and no name").is_empty());
}

/// Secrets of files in all files below a folder. With `names`, also the names of photos.
fn found_below(corpus: &Corpus, dir: &Path, names: bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files_below(dir) {
        let bytes = fs::read(&path).unwrap();
        found.extend(corpus.found(&path.display().to_string(), &bytes));
        if names {
            found.extend(corpus.names.find(&bytes).into_iter().map(|what| format!("{}: {what}", path.display())));
        }
    }
    found
}

fn check_ends(corpus: &Corpus, bench: &Bench) {
    for name in corpus.names(End::Published) {
        assert!(bench.output().join(name).exists(), "{name} was not published: {}", quarantined(bench));
    }
    for name in corpus.names(End::Refused) {
        assert!(!bench.output().join(name).exists(), "{name} was published");
        assert!(bench.quarantine().join(format!("{name}.quarantine.json")).exists(), "{name} has no record");
    }
}

fn quarantined(bench: &Bench) -> String {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let paths = files_below(&bench.quarantine()).into_iter();
    paths.map(|path| format!("{}: {}", name_of(&path), text(path))).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_planted_leaves_by_the_command() {
    let (corpus, bench) = (Corpus::new(), Bench::new());
    corpus.put_all(&bench);
    let (temporary, sheet) = (bench.dir.path().join("temporary"), bench.dir.path().join("sheet.html"));
    fs::create_dir(&temporary).unwrap();
    let mut command = bench.command();
    command.arg("--contact-sheet").arg(&sheet).env("TMPDIR", &temporary);
    let output = command.output().unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    assert_eq!(Run::new(output).code, 1, "some were refused");
    check_ends(&corpus, &bench);
    let mut found = corpus.found("terminal", &said);
    found.extend(corpus.found("contact sheet", &fs::read(&sheet).unwrap()));
    found.extend(found_below(&corpus, &bench.output(), true));
    found.extend(found_below(&corpus, &bench.quarantine(), true));
    assert_none(&found);
    assert!(files_below(&temporary).is_empty(), "{:?}", files_below(&temporary));
}

/// The pages of the admin port, and the first words of its stream.
fn pages(address: SocketAddr) -> String {
    let mut text: String = ["/", "/metrics", "/livez", "/readyz"].map(|path| Worker::get(address, path)).concat();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut buffer = [0; 4096];
    while !text.contains("data:") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the stream ended early");
        text += &String::from_utf8_lossy(&buffer[..count]);
    }
    text
}

#[test]
fn nothing_planted_leaves_by_a_worker_on_a_folder() {
    let corpus = Corpus::new();
    for level in ["info", "debug"] {
        let bench = Bench::new();
        corpus.put_all(&bench);
        let temporary = bench.dir.path().join("temporary");
        fs::create_dir(&temporary).unwrap();
        let variables = [("TMPDIR", temporary.to_str().unwrap())];
        let mut worker = Worker::start_with(&bench, &["--log-level", level], &variables);
        let address = worker.address();
        worker.wait_until("the end of all", |worker| {
            let log = worker.log();
            let ends = log.iter().filter(|line| line["message"] == "published" || line["message"] == "quarantined");
            ends.count() == corpus.carriers.len()
        });
        let pages = pages(address);
        let worker = worker.stop();
        check_ends(&corpus, &bench);
        let said = worker.log_text() + &worker.stdout() + &pages;
        let mut found = corpus.found("log or page", said.as_bytes());
        // Names are for level `debug`.
        assert_eq!(corpus.names.find(said.as_bytes()).is_empty(), level == "info", "names at level {level}");
        assert!(corpus.names.find(pages.as_bytes()).is_empty(), "names in {pages}");
        for dir in [bench.output(), bench.quarantine(), bench.dir.path().join("out.state")] {
            assert!(!files_below(&dir).is_empty(), "{} is empty", dir.display());
            found.extend(found_below(&corpus, &dir, true));
        }
        assert_none(&found);
        assert!(files_below(&temporary).is_empty(), "{:?}", files_below(&temporary));
    }
}
