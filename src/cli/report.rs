//! What a person or a program sees while photos are redacted.

use std::{
    fmt::Display,
    io::{IsTerminal, Write, stderr, stdout},
    path::{Path, PathBuf},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use obscura::{
    error::{FatalError, PhotoError},
    geometry::Size,
    pipeline::{Destinations, Done, Outcome, Published},
    source::Inputs,
};
use serde_json::json;

use super::contact_sheet::{ContactSheet, RedactedEntry};

/// Print a reason to stop, and what to do about it.
pub fn print_problem(message: &str, hint: &str) {
    eprintln!("error: {message}\n  hint: {hint}");
}

/// Standard output may be a pipe that nobody reads any more; the photos are redacted all the same.
pub fn say(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}

/// Follows a run and sums it up.
pub struct Reporter {
    json: bool,
    bar: Option<ProgressBar>,
    total: usize,
    done: usize,
    faces: usize,
    plates: usize,
    megapixels: f64,
    quarantined: Vec<(String, PhotoError, Option<String>)>,
    warnings: Vec<String>,
    sheet: Option<(PathBuf, ContactSheet)>,
}

impl Reporter {
    pub fn new(inputs: &Inputs, json: bool, contact_sheet: Option<PathBuf>) -> Self {
        let total = inputs.photos.len();
        if inputs.renamed {
            eprintln!("note: two inputs have the same name; all outputs are named from the folder above the inputs");
        }
        if total == 0 {
            eprintln!("note: found no files");
        }
        Self {
            json,
            bar: (!json && stderr().is_terminal()).then(|| progress_bar(total as u64)),
            total,
            done: 0,
            faces: 0,
            plates: 0,
            megapixels: 0.0,
            quarantined: Vec::new(),
            warnings: Vec::new(),
            sheet: contact_sheet.map(|path| (path, ContactSheet::default())),
        }
    }

    pub fn wants_thumbnails(&self) -> bool {
        self.sheet.is_some()
    }

    pub fn outcome(&mut self, mut outcome: Outcome) {
        self.done += 1;
        let name = printable(&outcome.upload.relative);
        self.add_to_sheet(&name, &mut outcome);
        if self.json {
            say(json_line(&name, &outcome));
        } else if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(format!("{} quarantined", self.quarantined.len()));
        } else {
            eprintln!("[{}/{}] {}", self.done, self.total, text_line(&name, &outcome));
        }
        match outcome.result {
            Ok(done) => {
                if let Done::Published(published) = done {
                    self.faces += published.faces;
                    self.plates += published.plates;
                    self.megapixels += published.megapixels;
                }
                self.warnings.extend(outcome.record_problem.map(|problem| format!("{name}: {problem}")));
            }
            Err(error) => self.quarantined.push((name, error, outcome.record_problem)),
        }
    }

    fn add_to_sheet(&mut self, name: &str, outcome: &mut Outcome) {
        let Some((_, sheet)) = &mut self.sheet else { return };
        match &mut outcome.result {
            Ok(Done::Published(published)) => sheet.add_redacted(RedactedEntry {
                name: name.to_owned(),
                thumbnail: published.thumbnail.take(),
                size: Size::new(published.receipt.source.width, published.receipt.source.height),
                faces: published.faces,
                plates: published.plates,
                elapsed: outcome.elapsed,
            }),
            Ok(_) => {}
            Err(error) => sheet.add_quarantined(name, error),
        }
    }

    /// Print the summary, and write the contact sheet. Returns whether any photo was quarantined.
    ///
    /// # Errors
    /// If the contact sheet cannot be written.
    pub fn finish(mut self, elapsed: Duration, destinations: &Destinations) -> Result<bool, FatalError> {
        let sheet = self.sheet.take();
        let quarantined = self.summarise(elapsed, destinations);
        if let Some((path, sheet)) = sheet {
            sheet.save(&path, elapsed).map_err(|error| {
                FatalError::new(
                    format!(
                        "the photos are done, but the contact sheet `{}` cannot be written: {error}",
                        path.display()
                    ),
                    "check the folder and free space; run again, or do without",
                )
            })?;
            eprintln!("contact sheet: {}", path.display());
        }
        Ok(quarantined)
    }

    fn summarise(mut self, elapsed: Duration, destinations: &Destinations) -> bool {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.quarantined.sort_by(|a, b| a.0.cmp(&b.0));
        let redacted = self.done - self.quarantined.len();
        let seconds = elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { self.done as f64 / seconds } else { 0.0 };
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
        if self.json {
            let summary = json!({"summary": {
                "photos": self.done, "redacted": redacted, "quarantined": self.quarantined.len(),
                "faces": self.faces, "plates": self.plates, "seconds": rounded(seconds),
            }});
            say(summary);
            return !self.quarantined.is_empty();
        }
        if !self.quarantined.is_empty() {
            say("Not published:");
            for (name, error, problem) in &self.quarantined {
                say(format_args!("  {name}\n    {}: {}\n    hint: {}", error.code, error.detail, error.hint));
                if let Some(problem) = problem {
                    say(format_args!("    warning: {problem}"));
                }
            }
            say("");
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["photos", "redacted", "quarantined", "faces", "plates", "megapixels", "seconds", "photos/s"]);
        table.add_row([
            self.done.to_string(),
            redacted.to_string(),
            self.quarantined.len().to_string(),
            self.faces.to_string(),
            self.plates.to_string(),
            format!("{:.1}", self.megapixels),
            format!("{seconds:.1}"),
            format!("{rate:.2}"),
        ]);
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        say(table);
        say(format_args!("redacted photos: {}", destinations.store.root().display()));
        if !self.quarantined.is_empty() {
            say(format_args!("records of the others: {}", destinations.quarantine.root().display()));
        }
        !self.quarantined.is_empty()
    }
}

fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} photos  {per_sec}  {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn text_line(name: &str, outcome: &Outcome) -> String {
    let seconds = outcome.elapsed.as_secs_f64();
    match &outcome.result {
        Ok(Done::Published(published)) => {
            let Published { faces, plates, .. } = **published;
            format!("redacted {name}: {} and {}, {seconds:.2} s", counted(faces, "face"), counted(plates, "plate"))
        }
        Ok(_) => format!("nothing to do for {name}"),
        Err(error) => format!("quarantined {name}: {}", error.code),
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn json_line(name: &str, outcome: &Outcome) -> serde_json::Value {
    let seconds = rounded(outcome.elapsed.as_secs_f64());
    match &outcome.result {
        Ok(Done::Published(published)) => json!({
            "path": name, "status": "redacted", "seconds": seconds, "faces": published.faces,
            "plates": published.plates, "receipt": published.receipt, "warning": outcome.record_problem,
        }),
        Ok(_) => json!({"path": name, "status": "unchanged", "seconds": seconds}),
        Err(error) => json!({
            "path": name, "status": "quarantined", "seconds": seconds, "code": error.code, "stage": error.stage,
            "detail": error.detail, "hint": error.hint, "warning": outcome.record_problem,
        }),
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// The path with anything escaped that could confuse a terminal.
pub fn printable(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => path.as_os_str().as_encoded_bytes().escape_ascii().to_string(),
    }
}
