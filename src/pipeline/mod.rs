//! Leading photos along their path: from a [`Source`] through fetch, open, detect, redact, encode and
//! verify to the store, or to quarantine from any of them.
//!
//! Promises: a delivery is acknowledged only when its photo is published or its failure recorded; nothing is dropped
//! silently; memory is bounded by budgets that are taken before the bytes exist; a stop lets work in flight end.

mod breaker;
mod budget;
mod clock;
mod engine;
mod errand;
mod intake;
mod job;
mod journal;
mod shadow;
mod vitals;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

pub use self::{
    breaker::{Breaker, Breakers, RetryPolicy},
    budget::Budget,
    clock::{StageClock, process_cpu},
    engine::{Engine, Policy, models_dir, onnxruntime_library},
    errand::{Destinations, Places, StoredMessage, StreamPlaces, original_message},
    intake::{IntakeOptions, RunEnd},
    job::{Done, Outcome, Published},
    journal::{Journal, Suspects},
    vitals::Vitals,
};
use crate::{
    config::Config,
    cpu::{CoreGate, CpuPool},
    detect::DetectorPool,
    error::FatalError,
    photo::Limits,
    source::{Origin, Source, Upload},
    telemetry::{Levels, Metrics, Reading},
};

/// How long one attempt of a stage may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageLimits {
    pub fetch: Duration,
    pub open: Duration,
    pub detect: Duration,
    /// Redact, encode and verify together.
    pub redact: Duration,
    pub publish: Duration,
}

/// What differs between a run that ends and a worker that goes on.
pub enum Mode {
    /// Somebody waits for the end: try again briefly, publish everything anew.
    OneShot {
        /// Longer side of a thumbnail of each result, if wanted.
        thumbnail_px: Option<u32>,
    },
    /// Nobody waits: outlast outages, skip what is published, suspect whoever was in work at a crash.
    Worker { journal: Journal, suspects: Suspects },
}

/// Attempts of a run that somebody waits for.
const ONE_SHOT_RETRY: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_pause: Duration::from_millis(50),
    longest_pause: Duration::from_millis(500),
    patience: Duration::ZERO,
};
/// Time between probes of a store that is out of reach.
const PROBE_PAUSE: Duration = Duration::from_secs(2);

/// Everything that works on photos, ready and checked.
pub struct Workshop {
    metrics: Arc<Metrics>,
    gate: Arc<CoreGate>,
    cpu: Arc<CpuPool>,
    detectors: DetectorPool,
    shadow: Option<shadow::Shadow>,
    encoded: Budget,
    decoded: Budget,
    /// Photos between open and verify.
    turns: Semaphore,
    places: Places,
    retry: RetryPolicy,
    folder_breaker: Option<Arc<Breaker>>,
    breakers: Breakers,
    journal: Option<Journal>,
    suspects: Suspects,
    limits: Limits,
    limits_of_time: StageLimits,
    /// For photos of no route.
    policy: Arc<Policy>,
    keep_original: bool,
    /// A file that changes while it is read is not taken, and one that is gone is no failure.
    expect_settled: bool,
    skip_published: bool,
    thumbnail_px: Option<u32>,
}

impl Workshop {
    /// Start all threads, warm the models up and check them.
    ///
    /// # Errors
    /// If anything is missing, or a detector does not find what it must.
    pub fn start(engine: &Engine, config: &Config, places: Places, mode: Mode) -> Result<Self, FatalError> {
        let threads = config.worker_count();
        let gate = CoreGate::new(threads);
        let metrics = Arc::new(Metrics::new(&engine.model_names()));
        let detectors = engine.detectors(config, &gate, &metrics)?;
        let shadow = engine.shadow(config, &gate, &metrics)?;
        let is_worker = matches!(mode, Mode::Worker { .. });
        let (journal, suspects, thumbnail_px) = match mode {
            Mode::OneShot { thumbnail_px } => (None, Suspects::new(), thumbnail_px),
            Mode::Worker { journal, suspects } => (Some(journal), suspects, None),
        };
        let (folder_breaker, breakers) = match &places {
            Places::Folder(destinations) => {
                let breaker = is_worker.then(|| Arc::new(folder_breaker(destinations.clone())));
                (breaker.clone(), Breakers::new(breaker.into_iter().collect()))
            }
            Places::Stream(places) => (None, places.breakers()),
        };
        let patience = match &config.stream {
            Some(stream) if matches!(places, Places::Stream(_)) => stream.patience,
            _ => Duration::ZERO,
        };
        Ok(Self {
            cpu: Arc::new(CpuPool::start(&gate)?),
            gate,
            shadow,
            metrics,
            detectors,
            encoded: Budget::new(config.encoded_budget_bytes()),
            decoded: Budget::new(config.decoded_bytes),
            // One more than cores: while one photo ends, the next begins.
            turns: Semaphore::new(threads + 1),
            places,
            retry: if is_worker { RetryPolicy { patience, ..config.worker.retry } } else { ONE_SHOT_RETRY },
            folder_breaker,
            breakers,
            journal,
            suspects,
            limits: config.limits,
            limits_of_time: config.worker.stage_limits,
            policy: Arc::new(engine.policy(config, config.redaction, config.wanted.clone())),
            keep_original: config.keep_original,
            expect_settled: is_worker,
            skip_published: is_worker,
            thumbnail_px,
        })
    }

    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How this photo is looked at and obscured.
    fn policy_for(&self, upload: &Upload) -> &Arc<Policy> {
        let of_route = match (&self.places, &upload.origin) {
            (Places::Stream(places), Origin::Event(event)) => {
                event.route().and_then(|route| places.policy(&route.name))
            }
            _ => None,
        };
        of_route.unwrap_or(&self.policy)
    }

    /// The metrics page, as of now.
    #[must_use]
    pub fn metrics_page(&self) -> String {
        self.metrics.page(self.levels())
    }

    /// What the status page shows, as of now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.metrics.reading(self.levels())
    }

    fn levels(&self) -> Levels {
        Levels {
            encoded_bytes: self.encoded.used_bytes(),
            decoded_bytes: self.decoded.used_bytes(),
            views_waiting: self.detectors.waiting(),
            busy_seconds: self.gate.busy_seconds(),
            cores: self.gate.cores(),
        }
    }
}

fn folder_breaker(destinations: Destinations) -> Breaker {
    let probe = move |bytes| {
        let destinations = destinations.clone();
        let asking = tokio::task::spawn_blocking(move || destinations.can_take(bytes));
        Box::pin(async move { asking.await.unwrap_or(false) }) as BoxFuture<'static, bool>
    };
    Breaker::new("output", Box::new(probe), PROBE_PAUSE)
}

/// Lead everything that `source` delivers along its path, until it ends or `stop` becomes true. Every photo that ends is
/// told to `report`, in any order.
///
/// # Errors
/// What made it impossible to go on. Photos in work are given up without publishing.
pub async fn run<S: Source>(
    shop: Arc<Workshop>,
    source: S,
    options: IntakeOptions,
    vitals: Arc<Vitals>,
    stop: watch::Receiver<bool>,
    report: impl FnMut(Outcome),
) -> Result<RunEnd, FatalError> {
    let suspects = shop.suspects.clone();
    let end = intake::Intake::new(Arc::clone(&shop), source, suspects, options, vitals, report).run(stop).await;
    if let Some(journal) = &shop.journal {
        // Whatever is left was given up on purpose; nobody crashed.
        let _ = journal.close();
    }
    if let Places::Stream(places) = &shop.places {
        places.end().await;
    }
    end
}
