//! What a person or a program sees while photos are redacted.

use std::{
    fmt::Display,
    io::{IsTerminal, Write, stderr, stdout},
    path::Path,
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use obscura::{
    error::PhotoError,
    pipeline::{InputPhoto, Inputs, Outcome, Published},
};
use serde_json::json;

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
}

impl Reporter {
    pub fn new(inputs: &Inputs, json: bool) -> Self {
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
        }
    }

    pub fn outcome(&mut self, photos: &[InputPhoto], outcome: Outcome) {
        self.done += 1;
        let name = photos.get(outcome.index).map_or_else(String::new, |photo| printable(&photo.relative));
        if self.json {
            say(json_line(&name, &outcome));
        } else if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(format!("{} quarantined", self.quarantined.len()));
        } else {
            eprintln!("[{}/{}] {}", self.done, self.total, text_line(&name, &outcome));
        }
        match outcome.result {
            Ok(published) => {
                self.faces += published.faces;
                self.plates += published.plates;
                self.megapixels += published.megapixels;
                self.warnings.extend(outcome.record_problem.map(|problem| format!("{name}: {problem}")));
            }
            Err(error) => self.quarantined.push((name, error, outcome.record_problem)),
        }
    }

    /// Print the summary. Returns whether any photo was quarantined.
    pub fn finish(mut self, elapsed: Duration, output_dir: &Path, quarantine_dir: &Path) -> bool {
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
        say(format_args!("redacted photos: {}", output_dir.display()));
        if !self.quarantined.is_empty() {
            say(format_args!("records of the others: {}", quarantine_dir.display()));
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
        Ok(published) => {
            let Published { faces, plates, .. } = published;
            format!("redacted {name}: {} and {}, {seconds:.2} s", counted(*faces, "face"), counted(*plates, "plate"))
        }
        Err(error) => format!("quarantined {name}: {}", error.code),
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn json_line(name: &str, outcome: &Outcome) -> serde_json::Value {
    let seconds = rounded(outcome.elapsed.as_secs_f64());
    match &outcome.result {
        Ok(published) => json!({
            "path": name, "status": "redacted", "seconds": seconds, "faces": published.faces,
            "plates": published.plates, "receipt": published.receipt, "warning": outcome.record_problem,
        }),
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
fn printable(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => path.as_os_str().as_encoded_bytes().escape_ascii().to_string(),
    }
}
