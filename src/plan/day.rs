//! A day of uploads, met by as many workers as the scaler starts.

use std::{collections::VecDeque, f64::consts::TAU};

use serde::Serialize;

const DAY_S: f64 = 86_400.0;
/// The hour of most uploads.
const PEAK_HOUR: f64 = 15.0;

/// Uploads over a day: one smooth peak, as people in one region wake and sleep.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    mean_per_second: f64,
    /// How pointed the peak is; 0 is even.
    concentration: f64,
    scale: f64,
}

impl Demand {
    /// `peak_factor`: the highest rate over the mean one, at least 1.
    #[must_use]
    pub fn new(photos_per_day: f64, peak_factor: f64) -> Self {
        // exp(k) / mean(exp(k cos)) grows with k from 1 on.
        let factor = |k: f64| k.exp() / mean_exp_cos(k);
        let (mut low, mut high) = (0.0, 200.0);
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if factor(middle) < peak_factor { low = middle } else { high = middle }
        }
        let concentration = if peak_factor <= 1.0 { 0.0 } else { low };
        Self { mean_per_second: photos_per_day / DAY_S, concentration, scale: 1.0 / mean_exp_cos(concentration) }
    }

    /// Uploads a second, `second` after midnight.
    #[must_use]
    pub fn rate(&self, second: f64) -> f64 {
        let angle = TAU * (second / DAY_S - PEAK_HOUR / 24.0);
        self.mean_per_second * self.scale * (self.concentration * angle.cos()).exp()
    }

    #[must_use]
    pub fn peak(&self) -> f64 {
        self.rate(PEAK_HOUR * 3600.0)
    }
}

/// Mean of exp(k cos x) over a turn.
fn mean_exp_cos(k: f64) -> f64 {
    const STEPS: u32 = 2000;
    let sum: f64 = (0..STEPS).map(|step| (k * (TAU * f64::from(step) / f64::from(STEPS)).cos()).exp()).sum();
    sum / f64::from(STEPS)
}

/// How workers are added and taken away: the ScaledObject of `k8s/components/keda`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Uploads that wait for each worker (`lagThreshold`).
    pub lag_per_worker: f64,
    pub fewest: u64,
    pub most: u64,
    /// Between two looks at the lag.
    pub polling_s: f64,
    /// At most twice as many within this time.
    pub doubling_s: f64,
    /// Fewer only if fewer have been enough for this long.
    pub stabilization_s: f64,
    /// Then at most this share of them a minute.
    pub shrink_a_minute: f64,
    /// From the decision to the first photo: scheduling, image, models, joining the group.
    pub start_s: f64,
}

impl Rule {
    /// As shipped, for workers that do `photos_per_second` each.
    #[must_use]
    pub fn shipped(photos_per_second: f64, fewest: u64, most: u64) -> Self {
        Self {
            // What a worker does in a minute.
            lag_per_worker: (photos_per_second * 60.0).max(1.0).round(),
            fewest,
            most: most.max(fewest),
            polling_s: 15.0,
            doubling_s: 30.0,
            stabilization_s: 300.0,
            shrink_a_minute: 0.2,
            start_s: 45.0,
        }
    }
}

/// What a look at the lag found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moment {
    pub second: f64,
    pub uploads_per_second: f64,
    pub lag: f64,
    /// That work; others are starting.
    pub workers: u64,
    /// How long an upload of this moment will wait.
    pub delay_s: f64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Day {
    #[serde(skip)]
    pub moments: Vec<Moment>,
    pub most_workers: u64,
    pub worker_hours: f64,
    pub most_lag: f64,
    pub longest_delay_s: f64,
    /// With delays above the objective.
    pub seconds_above_objective: f64,
    /// Waits at midnight.
    pub left: f64,
}

/// One day by the rule. The day before is simulated too, so that the day begins as a day does.
#[must_use]
pub fn simulate(demand: Demand, photos_per_second: f64, rule: Rule, objective_s: f64) -> Day {
    let steps = (DAY_S / rule.polling_s).round() as usize;
    let mut workers = rule.fewest.max(1) as f64;
    let (mut lag, mut idle) = (0.0_f64, rule.fewest == 0);
    // When they will work, and how many.
    let mut starting: VecDeque<(f64, f64)> = VecDeque::new();
    let mut wanted: VecDeque<(f64, f64)> = VecDeque::new();
    let mut last_growth = f64::NEG_INFINITY;
    let mut moments = Vec::with_capacity(steps);
    for step in 0..2 * steps {
        let second = step as f64 * rule.polling_s;
        while starting.front().is_some_and(|&(at, _)| at <= second) {
            workers += starting.pop_front().map_or(0.0, |(_, count)| count);
        }
        let rate = demand.rate(second % DAY_S);
        let done = (workers * photos_per_second * rule.polling_s).min(lag + rate * rule.polling_s);
        lag = (lag + rate * rule.polling_s - done).max(0.0);
        // Workers settle where each upload waits about as long as the threshold says.
        let desired = (lag / rule.lag_per_worker).ceil().clamp(rule.fewest as f64, rule.most as f64);
        wanted.push_back((second, desired));
        while wanted.front().is_some_and(|&(at, _)| second - at > rule.stabilization_s) {
            wanted.pop_front();
        }
        let coming: f64 = starting.iter().map(|(_, count)| count).sum();
        let all = workers + coming;
        if desired > all && second - last_growth >= rule.doubling_s {
            let more = (desired - all).min(all.max(1.0)).round();
            starting.push_back((second + rule.start_s, more));
            last_growth = second;
        } else {
            let enough = wanted.iter().map(|&(_, count)| count).fold(0.0, f64::max);
            if enough < workers && coming == 0.0 {
                let fewer = workers * rule.shrink_a_minute * rule.polling_s / 60.0;
                workers = (workers - fewer).max(enough);
            }
        }
        if rule.fewest == 0 {
            idle = lag < 1.0 && rate * rule.polling_s < 1.0;
        }
        if step >= steps {
            let whole = if idle { 0 } else { workers.round().max(1.0) as u64 };
            let pace = (workers * photos_per_second).max(1e-9);
            moments.push(Moment {
                second: second - DAY_S,
                uploads_per_second: rate,
                lag,
                workers: whole,
                delay_s: lag / pace,
            });
        }
    }
    Day::of(moments, rule.polling_s, objective_s)
}

impl Day {
    fn of(moments: Vec<Moment>, step_s: f64, objective_s: f64) -> Self {
        let most = |of: fn(&Moment) -> f64| moments.iter().map(of).fold(0.0, f64::max);
        Self {
            most_workers: moments.iter().map(|moment| moment.workers).max().unwrap_or(0),
            worker_hours: moments.iter().map(|moment| moment.workers as f64).sum::<f64>() * step_s / 3600.0,
            most_lag: most(|moment| moment.lag),
            longest_delay_s: most(|moment| moment.delay_s),
            seconds_above_objective: moments.iter().filter(|moment| moment.delay_s > objective_s).count() as f64
                * step_s,
            left: moments.last().map_or(0.0, |moment| moment.lag),
            moments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_day_has_its_photos_and_its_peak(photos in 1e3..1e10_f64, peak_factor in 1.0..8.0_f64) {
            let demand = Demand::new(photos, peak_factor);
            let sum: f64 = (0..86_400).step_by(60).map(|second| demand.rate(f64::from(second)) * 60.0).sum();
            prop_assert!((sum / photos - 1.0).abs() < 1e-3, "{sum} of {photos}");
            let factor = demand.peak() * 86_400.0 / photos;
            prop_assert!((factor / peak_factor - 1.0).abs() < 1e-3, "{factor} of {peak_factor}");
        }

        #[test]
        fn nothing_is_lost_or_made_up(photos in 1e4..1e7_f64, peak_factor in 1.0..4.0_f64, pace in 0.5..20.0_f64) {
            let rule = Rule::shipped(pace, 2, 500);
            let day = simulate(Demand::new(photos, peak_factor), pace, rule, 900.0);
            prop_assert!(day.moments.len() == 5760 && day.most_workers <= 500);
            prop_assert!(day.moments.iter().all(|moment| moment.workers >= 2 && moment.lag >= 0.0));
            prop_assert!(day.worker_hours * 3600.0 * pace >= photos * 0.98 - day.most_lag - day.left);
        }
    }

    #[test]
    fn with_too_few_workers_the_lag_grows_and_is_told() {
        let rule = Rule { most: 2, ..Rule::shipped(1.0, 2, 2) };
        let day = simulate(Demand::new(259_200.0, 1.0), 1.0, rule, 900.0);
        assert_eq!(day.most_workers, 2);
        // Three a second come, two are done: a day leaves 86,400, after that of the day before.
        assert!((day.left - 172_800.0).abs() < 200.0, "{}", day.left);
        assert!((day.seconds_above_objective - 86_400.0).abs() < 1.0);
    }

    #[test]
    fn with_enough_the_objective_holds() {
        let rule = Rule::shipped(5.0, 2, 100);
        let day = simulate(Demand::new(10e6, 2.5), 5.0, rule, 900.0);
        assert!(day.seconds_above_objective < 1.0 && day.longest_delay_s < 300.0, "{:?}", day.longest_delay_s);
        assert!(day.most_workers >= 58 && day.most_workers <= 100, "{}", day.most_workers);
        assert!(day.worker_hours < 24.0 * 100.0 * 0.8, "nights take fewer: {}", day.worker_hours);
    }
}
