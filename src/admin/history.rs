//! The last quarter of an hour, as it is shown: rates from counters that were read every few seconds.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::telemetry::{Reading, StageReading};

/// How far back the plots reach.
pub const SPAN: Duration = Duration::from_secs(15 * 60);
/// Rates are means over this long, so that single photos do not make the plot jump.
const SMOOTHED_OVER: Duration = Duration::from_secs(10);
/// What is told as now.
const NOW: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Sample {
    at: Instant,
    published: u64,
    megapixels: f64,
    busy_seconds: f64,
    stages: Vec<StageReading>,
}

/// Readings, the oldest first.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
}

/// A rate that was true `ago`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub ago: Duration,
    pub photos_per_second: f64,
    pub megapixels_per_second: f64,
}

/// What a stage did within the last minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageRate {
    pub photos: u64,
    /// Of one photo, waiting included; none if there was no photo.
    pub mean_seconds: Option<f64>,
}

impl History {
    pub fn add(&mut self, at: Instant, reading: &Reading) {
        while self.samples.front().is_some_and(|oldest| at.duration_since(oldest.at) > SPAN + SMOOTHED_OVER) {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            at,
            published: reading.published,
            megapixels: reading.megapixels,
            busy_seconds: reading.busy_seconds,
            stages: reading.stages.clone(),
        });
    }

    /// Rates of the last quarter of an hour, the oldest first.
    pub fn rates(&self) -> Vec<Rate> {
        let Some(last) = self.samples.back() else { return Vec::new() };
        let mut start = 0;
        let mut rates = Vec::with_capacity(self.samples.len());
        for (index, sample) in self.samples.iter().enumerate().skip(1) {
            while start + 1 < index && sample.at.duration_since(self.samples[start + 1].at) >= SMOOTHED_OVER {
                start += 1;
            }
            if let Some(mut rate) = rate_between(&self.samples[start], sample) {
                rate.ago = last.at.duration_since(sample.at);
                rates.push(rate);
            }
        }
        rates.retain(|rate| rate.ago <= SPAN);
        rates
    }

    /// The rate of the last minute, or of what there is of it.
    pub fn now(&self) -> Option<Rate> {
        let (before, last) = self.last_minute()?;
        rate_between(before, last)
    }

    /// Share of `cores` that computed in the last minute, 0 to 1.
    pub fn busy_ratio(&self, cores: usize) -> Option<f64> {
        let (before, last) = self.last_minute()?;
        let passed = last.at.duration_since(before.at).as_secs_f64() * cores as f64;
        (passed > 0.0).then(|| ((last.busy_seconds - before.busy_seconds) / passed).clamp(0.0, 1.0))
    }

    /// What each stage did in the last minute, in the order of the readings.
    pub fn stages(&self) -> Vec<StageRate> {
        let Some((before, last)) = self.last_minute() else { return Vec::new() };
        let pairs = before.stages.iter().zip(&last.stages);
        pairs
            .map(|(before, last)| {
                let photos = last.photos.saturating_sub(before.photos);
                let mean_seconds = (photos > 0).then(|| (last.seconds - before.seconds) / photos as f64);
                StageRate { photos, mean_seconds }
            })
            .collect()
    }

    fn last_minute(&self) -> Option<(&Sample, &Sample)> {
        let last = self.samples.back()?;
        let before = self.samples.iter().find(|sample| last.at.duration_since(sample.at) <= NOW)?;
        (before.at < last.at).then_some((before, last))
    }
}

fn rate_between(before: &Sample, after: &Sample) -> Option<Rate> {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    (seconds > 0.0).then(|| Rate {
        ago: Duration::ZERO,
        photos_per_second: after.published.saturating_sub(before.published) as f64 / seconds,
        megapixels_per_second: (after.megapixels - before.megapixels).max(0.0) / seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Stage;

    fn reading(published: u64) -> Reading {
        let stages = vec![StageReading { stage: Stage::Open, photos: published, seconds: published as f64 * 0.5 }];
        Reading {
            published,
            megapixels: published as f64 * 12.0,
            busy_seconds: published as f64,
            stages,
            ..Reading::default()
        }
    }

    /// One photo a second for `seconds`, read every two seconds.
    fn history(seconds: u64) -> History {
        let start = Instant::now();
        let mut history = History::default();
        for second in (0..=seconds).step_by(2) {
            history.add(start + Duration::from_secs(second), &reading(second));
        }
        history
    }

    #[test]
    fn nothing_is_told_before_there_are_two_readings() {
        let mut history = History::default();
        assert!(history.rates().is_empty() && history.now().is_none() && history.busy_ratio(2).is_none());
        history.add(Instant::now(), &reading(5));
        assert!(history.rates().is_empty() && history.now().is_none() && history.stages().is_empty());
    }

    #[test]
    fn a_steady_pace_is_told_as_it_is() {
        let history = history(120);
        let rates = history.rates();
        assert_eq!(rates.len(), 60);
        for rate in &rates {
            assert!((rate.photos_per_second - 1.0).abs() < 1e-9 && (rate.megapixels_per_second - 12.0).abs() < 1e-9);
        }
        assert_eq!(rates.last().unwrap().ago, Duration::ZERO);
        assert_eq!(history.busy_ratio(2), Some(0.5));
        assert_eq!(history.stages(), [StageRate { photos: 60, mean_seconds: Some(0.5) }]);
    }

    #[test]
    fn what_is_older_than_a_quarter_of_an_hour_is_forgotten() {
        let history = history(3600);
        assert!(history.samples.len() < 460, "{}", history.samples.len());
        let rates = history.rates();
        assert!(
            rates.iter().all(|rate| rate.ago <= SPAN) && rates.first().unwrap().ago + Duration::from_secs(3) >= SPAN
        );
    }

    #[test]
    fn a_pause_shows_as_none() {
        let mut history = history(60);
        let start = history.samples.back().unwrap().at;
        for second in (2..=80).step_by(2) {
            history.add(start + Duration::from_secs(second), &reading(60));
        }
        assert!(history.now().unwrap().photos_per_second.abs() < 1e-9);
        assert_eq!(history.stages(), [StageRate { photos: 0, mean_seconds: None }]);
    }
}
