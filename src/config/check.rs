//! Taking values one by one, collecting every mistake.

use super::{ConfigProblem, Field};

/// Collects problems while values are taken.
#[derive(Default)]
pub(super) struct Checker {
    pub problems: Vec<ConfigProblem>,
}

impl Checker {
    pub(super) fn problem(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(ConfigProblem { message: message.into(), hint: hint.into() });
    }

    pub(super) fn unknown(&mut self, key: &str, known: &[&str]) {
        let name = key.rsplit('.').next().unwrap_or(key);
        let nearest = known.iter().min_by_key(|candidate| edit_distance(name, candidate));
        let hint = match nearest {
            Some(candidate) if edit_distance(name, candidate) <= 3 => format!("did you mean `{candidate}`?"),
            _ => format!("known here: {}", known.join(", ")),
        };
        self.problem(format!("`{key}`: no such key"), hint);
    }

    /// The set value, if it is one.
    pub(super) fn optional<T>(&mut self, key: &str, field: Field<T>) -> Option<T> {
        match field {
            Field::Value(value) => Some(value),
            Field::Missing => None,
            Field::Wrong { found, why } => {
                self.problem(format!("`{key}`: found {found}"), why);
                None
            }
        }
    }

    /// The set value, or the default.
    pub(super) fn value<T: Default>(&mut self, key: &str, field: Field<T>, default: Field<T>) -> T {
        let set = self.optional(key, field);
        set.or_else(|| self.optional(key, default)).unwrap_or_default()
    }

    pub(super) fn ranged<T>(&mut self, key: &str, field: Field<T>, default: Field<T>, low: T, high: T) -> T
    where
        T: Default + PartialOrd + std::fmt::Display,
    {
        let value = self.value(key, field, default);
        // Written so that NaN is out of range too.
        if !(value >= low && value <= high) {
            self.problem(
                format!("`{key}`: expected {low} to {high}, found {value}"),
                format!("choose a value from {low} to {high}, or leave the key out for its default"),
            );
        }
        value
    }

    pub(super) fn optional_score(&mut self, key: &str, field: Field<f32>) -> Option<f32> {
        let score = self.optional(key, field)?;
        if !(score > 0.0 && score < 1.0) {
            self.problem(
                format!("`{key}`: expected more than 0 and less than 1, found {score}"),
                "leave the key out to use the score that the model was measured with",
            );
        }
        Some(score)
    }
}

/// Levenshtein distance, for suggestions.
pub(super) fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let substitute = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_small_for_typing_errors() {
        assert_eq!(edit_distance("max_megapixel", "max_megapixels"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
