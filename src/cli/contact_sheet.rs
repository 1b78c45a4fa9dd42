//! One HTML page that shows what became of every photo, for people to look through.
//!
//! The page is self-contained: no script, and nothing is loaded. Names come from whoever made the photos, and pictures
//! of quarantined files are never shown.

use std::{
    fs::Permissions,
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use askama::Template;
use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use obscura::{
    error::{ErrorCode, PhotoError, Stage},
    geometry::Size,
    store::TEMPORARY_PREFIX,
};

use super::folders::folder_of;

/// Long side of the thumbnails in pixels: sharp at the width of a card, about 10 kB each.
pub const THUMBNAIL_PX: u32 = 320;

/// Collects photos in any order; they are shown by name. Holds the thumbnails in memory.
#[derive(Default)]
pub struct ContactSheet {
    redacted: Vec<RedactedEntry>,
    quarantined: Vec<QuarantinedEntry>,
}

/// A published photo.
pub struct RedactedEntry {
    pub name: String,
    /// A JPEG made from the published bytes by `obscura::redact::thumbnail`; `None` if that failed.
    pub thumbnail: Option<Vec<u8>>,
    /// Of the photo itself.
    pub size: Size,
    pub faces: usize,
    pub plates: usize,
    pub elapsed: Duration,
}

struct QuarantinedEntry {
    name: String,
    code: ErrorCode,
    stage: Stage,
    detail: String,
    hint: String,
}

impl ContactSheet {
    pub fn add_redacted(&mut self, entry: RedactedEntry) {
        self.redacted.push(RedactedEntry { name: visible(&entry.name), ..entry });
    }

    pub fn add_quarantined(&mut self, name: &str, error: &PhotoError) {
        self.quarantined.push(QuarantinedEntry {
            name: visible(name),
            code: error.code,
            stage: error.stage,
            detail: visible(&error.detail),
            hint: visible(&error.hint),
        });
    }

    /// Write the page to `path`, whole or not at all. `elapsed` is the time of the whole run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(self, path: &Path, elapsed: Duration) -> io::Result<()> {
        let folder = folder_of(path);
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        let mut buffered = BufWriter::new(&mut file);
        self.write_html(&mut buffered, elapsed)?;
        buffered.flush()?;
        drop(buffered);
        file.persist(path)?;
        Ok(())
    }

    /// Write the page as it is made, so that thousands of photos are not held twice.
    ///
    /// # Errors
    /// If writing fails.
    pub fn write_html(mut self, out: &mut impl Write, elapsed: Duration) -> io::Result<()> {
        self.redacted.sort_by(|a, b| a.name.cmp(&b.name));
        self.quarantined.sort_by(|a, b| a.name.cmp(&b.name));
        let seconds = elapsed.as_secs_f64();
        let photos = self.redacted.len() + self.quarantined.len();
        let page = Page {
            faces: self.redacted.iter().map(|entry| entry.faces).sum(),
            plates: self.redacted.iter().map(|entry| entry.plates).sum(),
            redacted: &self.redacted,
            quarantined: &self.quarantined,
            seconds: format!("{seconds:.1}"),
            rate: format!("{:.2}", if seconds > 0.0 { photos as f64 / seconds } else { 0.0 }),
            version: env!("CARGO_PKG_VERSION"),
        };
        page.write_into(out)
    }
}

/// The template escapes everything that is put into it.
#[derive(Template)]
#[template(path = "contact_sheet.html")]
struct Page<'a> {
    redacted: &'a [RedactedEntry],
    quarantined: &'a [QuarantinedEntry],
    faces: usize,
    plates: usize,
    seconds: String,
    rate: String,
    version: &'static str,
}

impl RedactedEntry {
    fn data_uri(&self) -> Option<String> {
        let jpeg = self.thumbnail.as_deref()?;
        Some(format!("data:image/jpeg;base64,{}", Base64Display::new(jpeg, &STANDARD)))
    }

    /// What was found, as the kind and text of badges.
    fn badges(&self) -> Vec<(&'static str, String)> {
        let found = [("face", self.faces), ("plate", self.plates)];
        let badges: Vec<_> = found
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(noun, count)| (noun, format!("{count} {noun}{}", if count == 1 { "" } else { "s" })))
            .collect();
        if badges.is_empty() { vec![("none", "nothing found".to_owned())] } else { badges }
    }

    fn summary(&self) -> String {
        let texts: Vec<String> = self.badges().into_iter().map(|(_, text)| text).collect();
        texts.join(", ")
    }

    fn seconds(&self) -> String {
        format!("{:.2}", self.elapsed.as_secs_f64())
    }
}

/// Characters that control, break lines or turn the direction of writing are written out, so that no name passes for
/// another: `gpj.exe` must not read `exe.jpg`.
pub fn visible(text: &str) -> String {
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let hidden = |c: char| c.is_control() || turns(c);
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, faces: usize, plates: usize) -> RedactedEntry {
        let size = Size::new(4032, 3024);
        let thumbnail = Some(vec![0xff, 0xd8, 0xff]);
        RedactedEntry { name: name.into(), thumbnail, size, faces, plates, elapsed: Duration::from_millis(1234) }
    }

    fn html(sheet: ContactSheet) -> String {
        let mut page = Vec::new();
        sheet.write_html(&mut page, Duration::from_secs(4)).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn shows_totals_photos_by_name_and_quarantined_files_without_a_picture() {
        let mut sheet = ContactSheet::default();
        sheet.add_redacted(entry("b.jpg", 0, 0));
        sheet.add_redacted(entry("a.jpg", 2, 1));
        sheet.add_redacted(RedactedEntry { thumbnail: None, ..entry("c.jpg", 1, 0) });
        let error = PhotoError::new(Stage::Open, ErrorCode::CorruptImage, "the file ends early");
        sheet.add_quarantined("z.jpg", &error);
        let page = html(sheet);
        let total = |name: &str, value: &str| {
            let (_, after) = page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap();
            assert_eq!(after.split(['<', ' ']).next(), Some(value), "{name}");
        };
        total("Photos", "4");
        total("Redacted", "3");
        total("Quarantined", "1");
        total("Faces", "3");
        total("Plates", "1");
        total("Seconds", "4.0");
        assert!(page.contains("1.00 photos/s"));
        let places: Vec<usize> = ["a.jpg", "b.jpg", "c.jpg", "z.jpg"].map(|name| page.find(name).unwrap()).into();
        assert!(places.is_sorted());
        assert_eq!(page.matches("<img").count(), 2);
        assert!(page.contains(r#"src="data:image/jpeg;base64,/9j/""#));
        assert!(page.contains(r#"alt="a.jpg, redacted: 2 faces, 1 plate""#));
        for shown in ["2 faces</span>", "1 plate</span>", "nothing found</span>", "no preview", "4032 × 3024 · 1.23 s"]
        {
            assert!(page.contains(shown), "{shown} is missing");
        }
        for shown in ["corrupt_image", "the file ends early (at", error.hint.as_str()] {
            assert!(page.replace(r#"<span class="soft">"#, "").contains(shown), "{shown} is missing");
        }
        assert!(page.contains(concat!("Obscura ", env!("CARGO_PKG_VERSION"))));
    }

    #[test]
    fn hostile_names_and_details_stay_text() {
        let hostile = "\"><script>alert('1')</script>&amp;\n\u{202e}gpj.\u{0}x";
        let error = PhotoError::new(Stage::Fetch, ErrorCode::Unreadable, hostile).with_hint(hostile);
        let mut sheet = ContactSheet::default();
        sheet.add_redacted(entry(hostile, 1, 1));
        sheet.add_quarantined(hostile, &error);
        let page = html(sheet);
        let escaped =
            "&#34;&#62;&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;&#38;amp;\\u{a}\\u{202e}gpj.\\u{0}x";
        // Alternative text and name, then name, detail and hint.
        assert_eq!(page.matches(escaped).count(), 5);
        assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains('\0'));
    }

    #[test]
    fn the_page_loads_and_runs_nothing() {
        let mut sheet = ContactSheet::default();
        sheet.add_redacted(entry("a.jpg", 1, 0));
        sheet.add_quarantined("b.jpg", &PhotoError::new(Stage::Open, ErrorCode::EmptyFile, "no bytes"));
        let page = html(sheet);
        assert!(page.contains(r#"http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;"#));
        for forbidden in ["<script", "<link", "http://", "https://", "url(", "@import", "onerror", "onload"] {
            assert!(!page.contains(forbidden), "the page contains {forbidden}");
        }
        assert_eq!(page.matches("href=").count(), page.matches(r##"href="#quarantined""##).count());
    }

    #[test]
    fn an_empty_run_says_so() {
        assert!(html(ContactSheet::default()).contains("There were no photos."));
    }

    #[test]
    fn a_page_is_saved_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.html");
        ContactSheet::default().save(&path, Duration::ZERO).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("</html>"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(ContactSheet::default().save(&folder.path().join("missing/sheet.html"), Duration::ZERO).is_err());
    }
}
