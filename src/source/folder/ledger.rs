//! The checkpoint of a folder: which version of which file is done.
//!
//! A folder has no offsets that survive a restart, so what is done is remembered file by file: a line for each, appended
//! and flushed. Names are hashed. A line that was cut off by a crash
//! is dropped at the next start, and its file is done again; a line is never wrong.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    source::{FileVersion, PhotoKey},
    store::write_atomically,
};

const HEADER: &str = "obscura-ledger 1\n";
const FILE_NAME: &str = "ledger";
/// Lines that count for nothing before the file is written anew.
const MAX_STALE_LINES: usize = 1000;

/// Files by the hash of their name.
pub(super) type Done = HashMap<PhotoKey, FileVersion>;

#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    /// Whole lines reach to here; what lies behind is the rest of a failed write.
    length: u64,
}

impl Ledger {
    /// Open or begin the ledger in `dir`, and tell what is done.
    ///
    /// # Errors
    /// If it cannot be read or written, or is of another version.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Done)> {
        let path = dir.join(FILE_NAME);
        let text = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let (done, lines) = parse(&text)?;
        let is_whole = text.ends_with(b"\n");
        if !is_whole || lines > done.len() + MAX_STALE_LINES.max(done.len()) {
            write_atomically(&path, &print(done.iter()), 0o600)?;
        }
        let file = OpenOptions::new().append(true).mode(0o600).open(&path)?;
        let length = file.metadata()?.len();
        Ok((Self { path, file, length }, done))
    }

    /// Add what is done now, on disk when this returns.
    ///
    /// # Errors
    /// If it could not be written; nothing is added then.
    pub(super) fn append(&mut self, done: &[(PhotoKey, FileVersion)]) -> io::Result<()> {
        let mut text = String::new();
        for &(key, version) in done {
            push_line(&mut text, key, version);
        }
        if text.is_empty() {
            return Ok(());
        }
        self.file.set_len(self.length)?;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Write the ledger anew without the files in `gone`.
    ///
    /// # Errors
    /// If it cannot be read or written; the old one stays.
    pub(super) fn forget(&mut self, gone: &HashSet<PhotoKey>) -> io::Result<()> {
        let (done, _) = parse(&std::fs::read(&self.path)?)?;
        let kept = done.iter().filter(|(key, _)| !gone.contains(key));
        write_atomically(&self.path, &print(kept), 0o600)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.length = self.file.metadata()?.len();
        Ok(())
    }
}

fn push_line(text: &mut String, key: PhotoKey, version: FileVersion) {
    let FileVersion { bytes, modified_ns, inode } = version;
    let _ = writeln!(text, "{key} {bytes} {modified_ns} {inode}");
}

fn print<'a>(done: impl Iterator<Item = (&'a PhotoKey, &'a FileVersion)>) -> Vec<u8> {
    let mut text = HEADER.to_owned();
    for (key, version) in done {
        push_line(&mut text, *key, *version);
    }
    text.into_bytes()
}

/// What is done, and how many lines said so. A later line replaces an earlier one; one without its end is none.
fn parse(bytes: &[u8]) -> io::Result<(Done, usize)> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut done = Done::new();
    let mut lines = 0;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| wrong("expected text, found other bytes".into()))?;
    let Some(rest) = text.strip_prefix(HEADER) else {
        return if text.is_empty() {
            Ok((done, 0))
        } else {
            Err(wrong(format!("expected the line `{}` first", HEADER.trim())))
        };
    };
    for line in rest.lines() {
        let (key, version) = parse_line(line).ok_or_else(|| wrong(format!("line {} is damaged", lines + 2)))?;
        done.insert(key, version);
        lines += 1;
    }
    Ok((done, lines))
}

fn parse_line(line: &str) -> Option<(PhotoKey, FileVersion)> {
    let mut fields = line.split(' ');
    let key = PhotoKey::parse(fields.next()?)?;
    let version = FileVersion {
        bytes: fields.next()?.parse().ok()?,
        modified_ns: fields.next()?.parse().ok()?,
        inode: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some((key, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, bytes: u64) -> (PhotoKey, FileVersion) {
        (PhotoKey::of(Path::new(name), None), FileVersion { bytes, modified_ns: -5, inode: 7 })
    }

    fn append(ledger: &mut Ledger, entries: &[(PhotoKey, FileVersion)]) {
        ledger.append(entries).unwrap();
    }

    #[test]
    fn remembers_over_restarts_and_the_last_version_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, done) = Ledger::open(dir.path()).unwrap();
        assert!(done.is_empty());
        append(&mut ledger, &[entry("a", 1), entry("b", 2)]);
        append(&mut ledger, &[entry("a", 3)]);
        let (mut ledger, done) = Ledger::open(dir.path()).unwrap();
        assert_eq!(done, Done::from([entry("a", 3), entry("b", 2)]));
        ledger.forget(&HashSet::from([entry("b", 0).0])).unwrap();
        append(&mut ledger, &[entry("c", 4)]);
        assert_eq!(Ledger::open(dir.path()).unwrap().1, Done::from([entry("a", 3), entry("c", 4)]));
    }

    #[test]
    fn a_line_cut_off_anywhere_is_dropped_and_never_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
        append(&mut ledger, &[entry("a", 1), entry("b", 123_456)]);
        let path = dir.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut ledger, done) = Ledger::open(dir.path()).unwrap();
            for (key, version) in &done {
                assert!([entry("a", 1), entry("b", 123_456)].contains(&(*key, *version)), "cut at {cut}");
            }
            append(&mut ledger, &[entry("c", 5)]);
            let again = Ledger::open(dir.path()).unwrap().1;
            assert_eq!(again.len(), done.len() + 1, "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_ledger_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for damaged in ["something else\n", "obscura-ledger 1\nnonsense\n", "obscura-ledger 2\n"] {
            std::fs::write(&path, damaged).unwrap();
            assert!(Ledger::open(dir.path()).is_err(), "{damaged}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
        }
    }
}
