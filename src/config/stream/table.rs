//! Reading one table of a list: every mistake is named by the table's own name.

use crate::config::{Field, check::Checker, raw::Table};

/// Takes values of one table.
pub(super) struct TableReader<'a> {
    /// Such as `stores[0]`.
    path: String,
    check: &'a mut Checker,
}

impl<'a> TableReader<'a> {
    /// The table's raw form, with unknown keys told.
    pub(super) fn open<T: Table>(list: &str, index: usize, table: &toml::Table, check: &'a mut Checker) -> (T, Self) {
        let path = format!("{list}[{index}]");
        // Keys are optional and read on their own; this cannot fail for a table.
        let raw = T::deserialize(toml::Value::Table(table.clone())).unwrap_or_default();
        let (unknown, known) = raw.unknown_keys();
        for key in unknown {
            check.unknown(&format!("{path}.{key}"), known);
        }
        (raw, Self { path, check })
    }

    pub(super) fn problem(&mut self, key: &str, message: &str, hint: &str) {
        self.check.problem(format!("`{}.{key}`: {message}", self.path), hint);
    }

    pub(super) fn optional<V>(&mut self, key: &str, field: &Field<V>) -> Option<V>
    where
        V: Clone,
    {
        self.check.optional(&format!("{}.{key}", self.path), field.clone())
    }

    pub(super) fn value<V: Clone + Default>(&mut self, key: &str, field: &Field<V>) -> V {
        self.optional(key, field).unwrap_or_default()
    }

    pub(super) fn required(&mut self, key: &str, field: &Field<String>, hint: &str) -> String {
        let value = self.value(key, field);
        if value.is_empty() && !matches!(field, Field::Wrong { .. }) {
            self.problem(key, "expected a value, found none", hint);
        }
        value
    }

    pub(super) fn ranged<V>(&mut self, key: &str, field: &Field<V>, default: V, low: V, high: V) -> V
    where
        V: Clone + Default + PartialOrd + std::fmt::Display,
    {
        self.check.ranged(&format!("{}.{key}", self.path), field.clone(), Field::Value(default), low, high)
    }

    pub(super) fn optional_score(&mut self, key: &str, field: &Field<f32>) -> Option<f32> {
        self.check.optional_score(&format!("{}.{key}", self.path), field.clone())
    }
}
