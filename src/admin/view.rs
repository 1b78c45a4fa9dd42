//! A reading as words and lines: what the page is drawn from, and what is sent when it changes.

use std::{fmt::Write, time::Duration};

use serde::Serialize;

use super::{
    about::About,
    history::{History, Rate, SPAN},
};
use crate::telemetry::Reading;

/// Size of a plot, in its own units.
pub const PLOT_WIDTH: f64 = 600.0;
pub const PLOT_HEIGHT: f64 = 120.0;

/// Everything that changes. Each value has a key, by which the page finds where it stands.
#[derive(Debug, Serialize)]
pub struct View {
    pub values: Vec<Value>,
    pub plots: Vec<Plot>,
    pub failures: Vec<FailureRow>,
}

#[derive(Debug, Serialize)]
pub struct Value {
    pub key: String,
    pub text: String,
}

/// One line over the last quarter of an hour.
#[derive(Debug, Serialize)]
pub struct Plot {
    pub key: &'static str,
    /// Of an SVG polyline.
    pub points: String,
    /// The highest value, which touches the upper edge.
    pub most: String,
    /// For those who do not see it.
    pub told: String,
}

#[derive(Debug, Serialize)]
pub struct FailureRow {
    pub code: &'static str,
    pub stage: &'static str,
    pub count: u64,
    pub ago: String,
    pub hint: &'static str,
}

impl View {
    pub fn new(about: &About, reading: &Reading, history: &History, state: &str, uptime: Duration) -> Self {
        let mut values = Vec::new();
        let mut value = |key: &str, text: String| values.push(Value { key: key.to_owned(), text });
        let now = history.now();
        value("state", state.to_owned());
        value("uptime", duration(uptime));
        value("photos", now.map_or_else(none, |now| decimals(now.photos_per_second)));
        value("megapixels", now.map_or_else(none, |now| decimals(now.megapixels_per_second)));
        value("published", reading.published.to_string());
        value("given_up", reading.given_up.to_string());
        value("busy", history.busy_ratio(reading.cores).map_or_else(none, |busy| format!("{:.0} %", busy * 100.0)));
        value("lag", reading.lag.to_string());
        value("in_flight", reading.in_flight.to_string());
        value("mark_age", duration(Duration::from_secs_f64(reading.mark_age_seconds.max(0.0))));
        value("partitions", if about.group.is_some() { reading.partitions.to_string() } else { none() });
        value("stores", if reading.store_down { "out of reach: work waits" } else { "within reach" }.to_owned());
        value("budget.encoded", share(reading.encoded_bytes, about.encoded_budget_bytes));
        value("budget.decoded", share(reading.decoded_bytes, about.decoded_budget_bytes));
        for (stage, depth) in &reading.waiting {
            value(&format!("queue.{stage}"), depth.to_string());
        }
        let rates = history.stages();
        for (index, stage) in reading.stages.iter().enumerate() {
            let rate = rates.get(index);
            value(&format!("stage.{}.photos", stage.stage), rate.map_or_else(none, |rate| rate.photos.to_string()));
            let mean = rate.and_then(|rate| rate.mean_seconds);
            value(&format!("stage.{}.mean", stage.stage), mean.map_or_else(none, milliseconds));
        }
        let rates = history.rates();
        let failures = reading.failures.iter().map(|failure| FailureRow {
            code: failure.code.as_str(),
            stage: failure.stage.as_str(),
            count: failure.count,
            ago: format!("{} ago", duration(failure.ago())),
            hint: failure.code.default_hint(),
        });
        Self {
            plots: vec![
                Plot::new("photos", "photos a second", &rates, |rate| rate.photos_per_second),
                Plot::new("megapixels", "megapixels a second", &rates, |rate| rate.megapixels_per_second),
            ],
            failures: failures.collect(),
            values,
        }
    }

    /// The text of a key; nothing for a key that is none.
    pub fn text(&self, key: impl AsRef<str>) -> &str {
        self.values.iter().find(|value| value.key == key.as_ref()).map_or("", |value| &value.text)
    }
}

impl Plot {
    fn new(key: &'static str, what: &str, rates: &[Rate], of: impl Fn(&Rate) -> f64) -> Self {
        let most = rates.iter().map(&of).fold(0.0, f64::max);
        let mut points = String::new();
        for rate in rates {
            let x = PLOT_WIDTH * (1.0 - rate.ago.as_secs_f64() / SPAN.as_secs_f64());
            let y = if most > 0.0 { PLOT_HEIGHT * (1.0 - of(rate) / most) } else { PLOT_HEIGHT };
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        points.truncate(points.trim_end().len());
        let last = rates.last().map_or(0.0, &of);
        let told = format!("{what}, last 15 minutes: now {}, at most {}", decimals(last), decimals(most));
        Self { key, points, most: decimals(most), told }
    }
}

fn none() -> String {
    "–".to_owned()
}

/// Two digits that matter.
fn decimals(value: f64) -> String {
    match value {
        _ if value >= 99.5 => format!("{value:.0}"),
        _ if value >= 9.95 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn milliseconds(seconds: f64) -> String {
    format!("{} ms", decimals(seconds * 1000.0))
}

fn share(used_bytes: u64, of_bytes: u64) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    format!("{} of {} MiB", mib(used_bytes), mib(of_bytes))
}

/// In the largest unit that leaves a number above one.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_ends_at_its_right_edge_and_its_highest_value_touches_the_top() {
        let rate = |ago: u64, photos_per_second| Rate {
            ago: Duration::from_secs(ago),
            photos_per_second,
            megapixels_per_second: 0.0,
        };
        let rates = [rate(900, 1.0), rate(450, 4.0), rate(0, 2.0)];
        let plot = Plot::new("photos", "photos a second", &rates, |rate| rate.photos_per_second);
        assert_eq!(plot.points, "0.0,90.0 300.0,0.0 600.0,60.0");
        assert_eq!(plot.told, "photos a second, last 15 minutes: now 2.00, at most 4.00");
        let idle = Plot::new("megapixels", "", &rates, |rate| rate.megapixels_per_second);
        assert_eq!(idle.points, "0.0,120.0 300.0,120.0 600.0,120.0", "nothing lies at the bottom");
        assert_eq!(Plot::new("photos", "", &[], |rate| rate.photos_per_second).points, "");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (99.96, "100"), (1234.5, "1234")] {
            assert_eq!(decimals(value), text);
        }
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(share(1, 64 << 20), "1 of 64 MiB");
    }
}
