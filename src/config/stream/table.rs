//! Reading one table of a list: every mistake is named by the table's own name.

use crate::{
    config::{Field, check::Checker, detectors::polygons, raw::Table},
    detect::Polygon,
};

/// Takes values of one table.
pub(in crate::config) struct TableReader<'a> {
    /// Such as `stores[0]`.
    path: String,
    check: &'a mut Checker,
}

impl<'a> TableReader<'a> {
    /// The table's raw form, with unknown keys told.
    pub(in crate::config) fn open<T: Table>(
        list: &str,
        index: usize,
        table: &toml::Table,
        check: &'a mut Checker,
    ) -> (T, Self) {
        let path = format!("{list}[{index}]");
        // Keys are optional and read on their own; this cannot fail for a table.
        let raw = T::deserialize(toml::Value::Table(table.clone())).unwrap_or_default();
        let (unknown, known) = raw.unknown_keys();
        for key in unknown {
            check.unknown(&format!("{path}.{key}"), known);
        }
        (raw, Self { path, check })
    }

    pub(in crate::config) fn problem(&mut self, key: &str, message: &str, hint: &str) {
        self.check.problem(format!("`{}.{key}`: {message}", self.path), hint);
    }

    pub(in crate::config) fn optional<V>(&mut self, key: &str, field: &Field<V>) -> Option<V>
    where
        V: Clone,
    {
        self.check.optional(&format!("{}.{key}", self.path), field.clone())
    }

    pub(in crate::config) fn value<V: Clone + Default>(&mut self, key: &str, field: &Field<V>) -> V {
        self.optional(key, field).unwrap_or_default()
    }

    pub(in crate::config) fn required(&mut self, key: &str, field: &Field<String>, hint: &str) -> String {
        let value = self.value(key, field);
        if value.is_empty() && !matches!(field, Field::Wrong { .. }) {
            self.problem(key, "expected a value, found none", hint);
        }
        value
    }

    pub(in crate::config) fn ranged<V>(&mut self, key: &str, field: &Field<V>, default: V, low: V, high: V) -> V
    where
        V: Clone + Default + PartialOrd + std::fmt::Display,
    {
        self.check.ranged(&format!("{}.{key}", self.path), field.clone(), Field::Value(default), low, high)
    }

    /// None if the key is not set.
    pub(in crate::config) fn polygons(&mut self, key: &str, field: &Field<Vec<Polygon>>) -> Option<Vec<Polygon>> {
        let is_set = !matches!(field, Field::Missing);
        let path = format!("{}.{key}", self.path);
        is_set.then(|| polygons(&path, field.clone(), self.check))
    }

    pub(in crate::config) fn optional_score(&mut self, key: &str, field: &Field<f32>) -> Option<f32> {
        self.check.optional_score(&format!("{}.{key}", self.path), field.clone())
    }
}
