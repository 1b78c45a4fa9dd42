//! Which photos are in work, on disk, so that after a crash it is known who may have caused it.
//!
//! After a crash every photo that was in work is a suspect and runs alone. One that was alone in work at
//! [`MAX_CRASHES_ALONE`] crashes is given up; its innocent neighbours never are. A line is appended for each step and not
//! flushed: what the kernel has been given survives the death of the process, and no photo brings down the kernel.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::{source::PhotoKey, store::write_atomically};

const FILE_NAME: &str = "in_work";
/// So many crashes while it was alone in work condemn a photo.
pub const MAX_CRASHES_ALONE: u32 = 3;

/// Crashes while the photo was alone, for each photo that was in work at the last one.
pub type Suspects = HashMap<PhotoKey, u32>;

/// The journal of one process.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
}

#[derive(Clone, Copy)]
enum Step {
    Started,
    StartedAlone,
    Ended,
}

impl Step {
    fn letter(self) -> char {
        match self {
            Self::Started => 'S',
            Self::StartedAlone => 'A',
            Self::Ended => 'E',
        }
    }
}

impl Journal {
    /// Read what the last process left in `dir`, and begin anew with it.
    ///
    /// # Errors
    /// If the journal cannot be read or written.
    pub fn open(dir: &Path) -> io::Result<(Self, Suspects)> {
        let path = dir.join(FILE_NAME);
        let left = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let suspects = suspects_of(&String::from_utf8_lossy(&left));
        let mut text = String::new();
        for (key, &crashes) in &suspects {
            push(&mut text, Step::Started, *key);
            (0..crashes).for_each(|_| push(&mut text, Step::StartedAlone, *key));
        }
        write_atomically(&path, text.as_bytes(), 0o600)?;
        let file = Mutex::new(OpenOptions::new().append(true).mode(0o600).open(&path)?);
        Ok((Self { file }, suspects))
    }

    /// # Errors
    /// If the journal cannot be written.
    pub fn started(&self, key: PhotoKey, alone: bool) -> io::Result<()> {
        self.append(if alone { Step::StartedAlone } else { Step::Started }, key)
    }

    /// # Errors
    /// If the journal cannot be written.
    pub fn ended(&self, key: PhotoKey) -> io::Result<()> {
        self.append(Step::Ended, key)
    }

    /// The process ends as it should: nobody is to blame for anything.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn close(&self) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).set_len(0)
    }

    fn append(&self, step: Step, key: PhotoKey) -> io::Result<()> {
        let mut line = String::new();
        push(&mut line, step, key);
        // One write a line, so that lines of several threads do not mix.
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }
}

fn push(text: &mut String, step: Step, key: PhotoKey) {
    let _ = writeln!(text, "{} {key}", step.letter());
}

/// Lines that are cut off or not understood count for nothing: at worst a photo is not suspected.
fn suspects_of(text: &str) -> Suspects {
    let mut suspects = Suspects::new();
    for line in text.lines() {
        let Some((step, key)) = line.split_once(' ').and_then(|(step, key)| Some((step, PhotoKey::parse(key)?))) else {
            continue;
        };
        match step {
            "S" => _ = suspects.entry(key).or_default(),
            "A" => *suspects.entry(key).or_default() += 1,
            "E" => _ = suspects.remove(&key),
            _ => {}
        }
    }
    suspects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> PhotoKey {
        PhotoKey::parse(&format!("{number:032x}")).unwrap()
    }

    #[test]
    fn after_a_crash_those_in_work_are_suspects_and_lonely_crashes_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let crash = |steps: &dyn Fn(&Journal)| {
            let (journal, _) = Journal::open(dir.path()).unwrap();
            steps(&journal);
            drop(journal);
            Journal::open(dir.path()).unwrap().1
        };
        let suspects = crash(&|journal| {
            (1..=3).for_each(|number| journal.started(key(number), false).unwrap());
            journal.ended(key(2)).unwrap();
        });
        assert_eq!(suspects, Suspects::from([(key(1), 0), (key(3), 0)]));
        // The first suspect passes alone, the other one crashes the process, three times.
        for crashes in 1..=MAX_CRASHES_ALONE {
            let suspects = crash(&|journal| {
                if crashes == 1 {
                    journal.started(key(1), true).unwrap();
                    journal.ended(key(1)).unwrap();
                }
                journal.started(key(3), true).unwrap();
            });
            assert_eq!(suspects, Suspects::from([(key(3), crashes)]));
        }
    }

    #[test]
    fn an_orderly_end_leaves_no_suspects_and_damage_is_survived() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(dir.path()).unwrap();
        journal.started(key(1), false).unwrap();
        journal.close().unwrap();
        journal.started(key(2), false).unwrap();
        drop(journal);
        assert_eq!(Journal::open(dir.path()).unwrap().1, Suspects::from([(key(2), 0)]));
        std::fs::write(dir.path().join(FILE_NAME), format!("S {}\nS 12\nX\n\u{0}\nA {}", key(1), key(4))).unwrap();
        assert_eq!(Journal::open(dir.path()).unwrap().1, Suspects::from([(key(1), 0), (key(4), 1)]));
    }
}
