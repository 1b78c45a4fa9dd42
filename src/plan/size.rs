//! What a region needs: workers, partitions, machines, network, and what grows with the photos.

use serde::Serialize;

use super::{
    day::{Day, Demand, Rule, simulate},
    profile::Profile,
};

const DAY_S: f64 = 86_400.0;
/// Workers are not planned to be busier than this at the peak, so that one that goes does not stop the rest.
const BUSY_AT_PEAK: f64 = 0.8;
/// A broker's usual comfort; more partitions than this in a topic are hard on it.
pub const MANY_PARTITIONS: u64 = 4000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Sizing {
    pub photos_per_day: f64,
    pub megapixels: f64,
    pub peak_factor: f64,
    /// Of a worker.
    pub cores: usize,
    /// How long an upload may wait.
    pub objective_s: f64,
    pub fewest_workers: u64,
}

/// What one region takes.
#[derive(Clone, Debug, Serialize)]
pub struct Region {
    pub name: String,
    pub photos_per_day: f64,
    pub peak_photos_per_second: f64,
    /// What one worker does.
    pub photos_per_second_a_worker: f64,
    /// At the peak, with room.
    pub workers: u64,
    pub partitions: u64,
    pub cores: u64,
    pub accelerators: u64,
    pub memory_gib: f64,
    /// At the peak.
    pub read_megabytes_per_second: f64,
    pub written_megabytes_per_second: f64,
    pub stored_terabytes_per_day: f64,
    /// GET and HEAD of the original; PUT of receipt and photo. A day.
    pub store_requests_per_day: f64,
    /// Upload, outcome. A day.
    pub messages_per_day: f64,
    pub core_hours_per_day: f64,
    pub rule: Rule,
    pub day: Day,
}

impl Sizing {
    /// A region that gets `share` of all photos. `worker_memory_gib`: the limit of a worker's container.
    #[must_use]
    pub fn region(&self, name: &str, share: f64, profile: &Profile, worker_memory_gib: f64) -> Region {
        let photos_per_day = self.photos_per_day * share;
        let demand = Demand::new(photos_per_day, self.peak_factor);
        let pace = profile.photos_per_second(self.megapixels, self.cores);
        let workers = ((demand.peak() / (pace * BUSY_AT_PEAK)).ceil() as u64).max(self.fewest_workers.max(1));
        let rule = Rule::shipped(pace, self.fewest_workers, workers);
        let day = simulate(demand, pace, rule, self.objective_s);
        let (bytes_in, bytes_out) = profile.bytes(self.megapixels);
        let cores = if profile.is_accelerated() { profile.cores } else { self.cores };
        Region {
            name: name.to_owned(),
            photos_per_day,
            peak_photos_per_second: demand.peak(),
            photos_per_second_a_worker: pace,
            workers,
            // Twice as many, so that shares are even and workers can still be added.
            partitions: (2 * workers).next_multiple_of(12),
            cores: workers * cores as u64,
            accelerators: if profile.is_accelerated() { workers } else { 0 },
            memory_gib: workers as f64 * worker_memory_gib,
            read_megabytes_per_second: demand.peak() * bytes_in / 1e6,
            written_megabytes_per_second: demand.peak() * bytes_out / 1e6,
            stored_terabytes_per_day: photos_per_day * bytes_out / 1e12,
            store_requests_per_day: photos_per_day * 4.0,
            messages_per_day: photos_per_day * 2.0,
            core_hours_per_day: day.worker_hours * cores as f64,
            rule,
            day,
        }
    }
}

impl Region {
    /// What the mean hour of a day is of the peak hour: what scaling saves.
    #[must_use]
    pub fn mean_share_of_peak(&self) -> f64 {
        self.photos_per_day / DAY_S / self.peak_photos_per_second
    }

    /// What gives way first, as far as it follows from numbers.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.partitions > MANY_PARTITIONS {
            found.push(format!(
                "{} partitions are many for one topic: take workers with more cores, or several topics",
                self.partitions
            ));
        }
        if self.day.seconds_above_objective > 0.0 {
            found.push(format!(
                "uploads wait longer than the objective for {:.0} minutes a day, {:.0} s at worst: keep more workers",
                self.day.seconds_above_objective / 60.0,
                self.day.longest_delay_s
            ));
        }
        // 3,500 puts a second for each prefix of a bucket is what Amazon S3 promises; others promise less.
        let puts_per_second = self.peak_photos_per_second * 2.0;
        if puts_per_second > 3500.0 {
            found.push(format!(
                "{puts_per_second:.0} puts a second are more than one prefix of a bucket takes: spread routes over prefixes"
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{super::profile::tests::profile, *};

    fn sizing(photos_per_day: f64) -> Sizing {
        Sizing { photos_per_day, megapixels: 12.0, peak_factor: 2.5, cores: 4, objective_s: 900.0, fewest_workers: 2 }
    }

    #[test]
    fn a_region_is_as_large_as_its_peak() {
        let region = sizing(1e6).region("eu", 1.0, &profile(), 3.0);
        // 28.9 a second at the peak, 8 a worker, 0.8 of it used.
        assert_eq!((region.workers, region.partitions, region.cores), (5, 12, 20));
        assert!((region.peak_photos_per_second - 28.94).abs() < 0.1, "{}", region.peak_photos_per_second);
        assert!((region.mean_share_of_peak() - 0.4).abs() < 0.01);
        assert!((region.stored_terabytes_per_day - 2.9).abs() < 0.01);
        assert!((region.read_megabytes_per_second - 86.8).abs() < 1.0);
        assert!(region.warnings().is_empty(), "{:?}", region.warnings());
    }

    #[test]
    fn shares_add_up() {
        let whole = sizing(3e8).region("all", 1.0, &profile(), 3.0);
        let parts: Vec<Region> = [0.5, 0.3, 0.2].map(|share| sizing(3e8).region("part", share, &profile(), 3.0)).into();
        let sum: u64 = parts.iter().map(|part| part.workers).sum();
        assert!(sum >= whole.workers && sum <= whole.workers + 3);
        let photos: f64 = parts.iter().map(|part| part.photos_per_day).sum();
        assert!((photos - 3e8).abs() < 1.0);
    }

    #[test]
    fn what_breaks_at_billions_is_said() {
        let region = sizing(2e9).region("eu", 1.0, &profile(), 3.0);
        let warnings = region.warnings().join("\n");
        assert!(warnings.contains("partitions are many") && warnings.contains("puts a second"), "{warnings}");
    }
}
