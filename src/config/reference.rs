//! All keys as tables in Markdown, made from the embedded defaults and the types of the keys, for docs/configuration.md.

use std::fmt::Write as _;

use super::{
    DEFAULTS,
    raw::{RawConfig, RawRoute, RawStore, RawUserModel},
};

/// Headings and tables: one for each section, one each for `stores`, `routes` and `user_models`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    let documented = documented();
    for (section, keys) in RawConfig::types() {
        let about = documented.iter().find(|entry| entry.section == section && entry.key.is_empty());
        let about = about.map_or("", |entry| &entry.meaning);
        let _ = writeln!(text, "### `[{section}]`\n");
        if !about.is_empty() {
            let _ = writeln!(text, "{about}\n");
        }
        let _ = writeln!(text, "| key | type | default | meaning |\n|---|---|---|---|");
        for (key, kind, _) in keys {
            let entry = documented.iter().find(|entry| entry.section == section && entry.key == *key);
            let (default, meaning) = entry.map_or(("", ""), |entry| (&entry.default, &entry.meaning));
            let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
            let _ = writeln!(text, "| `{section}.{key}` | {} | {default} | {meaning} |", plain(kind));
        }
        text.push('\n');
    }
    for (list, keys) in [("stores", RawStore::HELP), ("routes", RawRoute::HELP), ("user_models", RawUserModel::HELP)] {
        let _ = writeln!(text, "### `[[{list}]]`\n\n| key | type | meaning |\n|---|---|---|");
        for (key, kind, meaning) in keys {
            let _ = writeln!(text, "| `{key}` | {} | {} |", plain(kind), meaning.trim());
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

/// A type as people say it.
fn plain(kind: &str) -> &'static str {
    match kind {
        "bool" => "true or false",
        "u8" | "u32" | "u64" | "usize" => "whole number",
        "f32" | "f64" => "number",
        "PathBuf" => "path",
        "BTreeMap<String, String>" => "table of texts",
        "Vec<Polygon>" => "list of polygons",
        kind if kind.starts_with('[') => "list of numbers",
        kind if kind.starts_with("Vec<") => "list of texts",
        _ => "text",
    }
}

struct Entry {
    section: String,
    /// Empty for the section itself.
    key: String,
    default: String,
    meaning: String,
}

/// What the embedded defaults say of sections and keys.
fn documented() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut section = String::new();
    for line in DEFAULTS.lines() {
        if let Some((name, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            name.clone_into(&mut section);
            let meaning = rest.trim().trim_start_matches('#').trim().to_owned();
            entries.push(Entry { section: section.clone(), key: String::new(), default: String::new(), meaning });
            continue;
        }
        let (is_set, line) = line.strip_prefix("# ").map_or((true, line), |line| (false, line));
        let Some((key, rest)) = line.split_once(" = ") else { continue };
        let (value, meaning) = rest.split_once('#').unwrap_or((rest, ""));
        let (value, meaning) = (value.trim(), meaning.trim());
        let meaning = match (is_set, meaning) {
            (true, meaning) => meaning.to_owned(),
            (false, "") => format!("such as `{value}`"),
            (false, meaning) => format!("such as `{value}`; {meaning}"),
        };
        let default = if is_set { value.to_owned() } else { String::new() };
        entries.push(Entry { section: section.clone(), key: key.to_owned(), default, meaning });
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_told_with_its_meaning() {
        let text = reference();
        assert!(text.contains("| `kafka.group` | text | `\"obscura\"` |"), "{text}");
        assert!(text.contains("| `originals` | text | after publishing:"), "{text}");
        for (section, keys) in RawConfig::types() {
            assert!(keys.iter().all(|(key, ..)| documented().iter().any(|e| e.section == section && e.key == *key)));
        }
    }
}
