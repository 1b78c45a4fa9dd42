//! Detectors on threads of their own, and the way of one photo through all of them.
//!
//! Every thread proves on a picture that it knows that it can see: before the first photo, and again and again. One that
//! cannot is fatal; what it answered since the last proof was not worth much either.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, watch};

use super::{
    Class, DetectionReport, Detector, Focus, ModelSpec, Wanted,
    batch::{BatchQueue, Next, Request, answer_each},
    collect::{Reply, collect},
    focus::opening_scale,
    known::check_health,
    report::{Question, ReportBuilder},
};
use crate::{
    cpu::{CoreGate, CpuPool},
    error::{FatalError, PhotoResult},
    geometry::Size,
    photo::Photo,
    redact::RedactionPolicy,
    telemetry::Metrics,
};

/// A photo that several threads may look at.
pub type SharedPhoto = Arc<Box<dyn Photo>>;

/// One model: its detectors, each for a thread of its own, and the smallest object it has to find, in photo pixels.
pub struct ModelSet {
    pub detectors: Vec<Box<dyn Detector>>,
    pub min_object_px: f32,
    /// What scores less is not found.
    pub min_score: f32,
    /// Look everywhere in full, rather than where coarse views show signs.
    pub exhaustive: bool,
    /// Whether inference computes on the cores, and so has to take turns with everything else.
    pub on_cores: bool,
}

/// How detectors are fed and watched.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    pub max_batch: usize,
    pub max_delay: Duration,
    pub health_interval: Duration,
    /// Pixels of all views of one photo together; a photo that asks for more is not looked at further.
    pub max_view_pixels: Option<u64>,
}

/// All detectors of the process.
pub struct DetectorPool {
    models: Vec<Arc<Model>>,
    max_view_pixels: Option<u64>,
    sick: watch::Receiver<Option<String>>,
}

struct Model {
    spec: ModelSpec,
    min_object_px: f32,
    min_score: f32,
    focus: Option<Focus>,
    is_blind: bool,
    queue: BatchQueue,
    places: Arc<Semaphore>,
    bucket: Box<dyn Fn(Size) -> Size + Send + Sync>,
}

impl DetectorPool {
    /// Start a thread for every detector. Each is warmed up and checked before this returns.
    ///
    /// # Errors
    /// If a class of [`Class::REQUIRED`] has no detector, a thread cannot be started, or a detector does not find what
    /// it has to.
    pub fn start(
        sets: Vec<ModelSet>,
        options: PoolOptions,
        gate: &Arc<CoreGate>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, FatalError> {
        for class in Class::REQUIRED {
            if !sets.iter().any(|set| set.detectors.iter().any(|detector| detector.spec().classes().contains(&class))) {
                return Err(FatalError::new(format!("no detector for class `{class}`"), "check the model manifest"));
            }
        }
        Self::start_any(sets, options, gate, metrics)
    }

    /// As [`DetectorPool::start`], for whatever classes there are.
    ///
    /// # Errors
    /// If a thread cannot be started, or a detector does not find what it has to.
    pub fn start_any(
        sets: Vec<ModelSet>,
        options: PoolOptions,
        gate: &Arc<CoreGate>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, FatalError> {
        let (sick, sick_watch) = watch::channel(None);
        let mut models = Vec::new();
        let mut started = Vec::new();
        for set in sets {
            let Some(first) = set.detectors.first() else { continue };
            let model = Arc::new(Model {
                spec: first.spec().clone(),
                min_object_px: set.min_object_px,
                min_score: set.min_score,
                is_blind: first.is_blind(),
                focus: first.spec().focus(set.min_score).filter(|_| !set.exhaustive),
                queue: BatchQueue::new(options.max_batch, options.max_delay),
                // One batch that runs and one that gathers, for each thread.
                places: Arc::new(Semaphore::new(2 * options.max_batch * set.detectors.len())),
                bucket: first.bucket(),
            });
            for detector in set.detectors {
                let seat = Seat {
                    detector,
                    model: Arc::clone(&model),
                    gate: set.on_cores.then(|| Arc::clone(gate)),
                    metrics: Arc::clone(metrics),
                    sick: sick.clone(),
                    health_interval: options.health_interval,
                };
                started.push((model.spec.name.clone(), seat.start()?));
            }
            models.push(model);
        }
        let pool = Self { models, max_view_pixels: options.max_view_pixels, sick: sick_watch };
        for (name, ready) in started {
            let outcome: Result<(), String> = ready.recv().unwrap_or_else(|_| Err("its thread ended".into()));
            outcome.map_err(|why| unfit(&name, &why))?;
        }
        Ok(pool)
    }

    /// Wait until a detector fails its check. Why, and what may have been missed.
    pub async fn failed(&self) -> FatalError {
        let mut sick = self.sick.clone();
        match sick.wait_for(Option::is_some).await {
            Ok(why) => FatalError::new(
                why.clone().unwrap_or_default(),
                "photos published since the check before this one should be redacted again: see the runbook",
            ),
            // All threads have ended, and so has the pool.
            Err(_) => std::future::pending().await,
        }
    }

    /// Views that wait for a detector.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.models.iter().map(|model| model.queue.len()).sum()
    }

    /// The scale at which a photo of this size is looked at first: the finest scale of its first views.
    #[must_use]
    pub fn opening_scale(&self, photo: Size) -> f32 {
        let scale = |model: &Arc<Model>| opening_scale(photo, &model.spec.view_needs(model.min_object_px), model.focus);
        self.models.iter().filter(|model| !model.is_blind).map(scale).fold(0.0, f32::max)
    }

    /// Look at every view that the plans of the models of all `wanted` classes ask for. The views are cut out on `cpu`.
    ///
    /// # Errors
    /// `detector_failed`, `detector_overflow` if a view has no complete answer; `detection_over_budget` if the plans ask for
    /// more than `max_view_pixels`.
    pub async fn detect(
        &self,
        photo: &SharedPhoto,
        policy: &RedactionPolicy,
        wanted: &Wanted,
        cpu: &Arc<CpuPool>,
    ) -> PhotoResult<DetectionReport> {
        let mut report = ReportBuilder::new(photo.upright_size(), photo.renditions());
        let mut models = Vec::new();
        for model in self.models.iter().filter(|model| wanted.wants_any(&model.spec.classes())) {
            let needs = model.spec.view_needs(model.min_object_px);
            report.expect(&model.spec, needs, model.focus, model.min_score);
            models.push(model);
        }
        loop {
            report.check_budget(self.max_view_pixels)?;
            let questions = report.questions();
            if questions.is_empty() {
                return report.finish(policy, wanted);
            }
            let (replies, answers) = collect(questions.len());
            let feeding = async {
                for (question, reply) in questions.into_iter().zip(replies) {
                    models[question.model].look(Arc::clone(photo), question, reply, cpu).await;
                }
                std::future::pending().await
            };
            // One failure ends the whole; what has not been looked at then is not looked at any more.
            let answers = tokio::select! {
                answers = answers.all() => answers?,
                never = feeding => never,
            };
            report.take(answers)?;
        }
    }
}

impl Drop for DetectorPool {
    fn drop(&mut self) {
        for model in &self.models {
            model.queue.close();
        }
    }
}

impl Model {
    /// Have a view cut out and put into the queue, once there is a place for it.
    async fn look(self: &Arc<Self>, photo: SharedPhoto, question: Question, reply: Reply, cpu: &CpuPool) {
        if self.is_blind {
            return reply.give(Ok(Vec::new()));
        }
        let Question { view, rendition, min_score, .. } = question;
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        let model = Arc::clone(self);
        cpu.start_work(move || {
            if !reply.is_wanted() {
                return;
            }
            let picture = photo.view(view.crop, view.out, rendition);
            // Whoever is told that all views are seen may take the photo for its own.
            drop(photo);
            match picture {
                Ok(view) => {
                    let bucket = (model.bucket)(view.size);
                    model.queue.push(Request { view, bucket, min_score, reply, queued_at: Instant::now(), place });
                }
                Err(error) => reply.give(Err(error)),
            }
        });
    }
}

/// A detector and what its thread needs.
struct Seat {
    detector: Box<dyn Detector>,
    model: Arc<Model>,
    gate: Option<Arc<CoreGate>>,
    metrics: Arc<Metrics>,
    sick: watch::Sender<Option<String>>,
    health_interval: Duration,
}

impl Seat {
    /// Start the thread. Whether the detector is fit comes over the returned channel.
    fn start(mut self) -> Result<Receiver<Result<(), String>>, FatalError> {
        let (sender, ready) = sync_channel(1);
        let name = format!("detect-{}", self.model.spec.class);
        let started = thread::Builder::new().name(name).spawn(move || self.run(&sender));
        started
            .map(|_| ready)
            .map_err(|error| FatalError::new(format!("cannot start a thread: {error}"), "check the limit of threads"))
    }

    fn run(&mut self, ready: &SyncSender<Result<(), String>>) {
        let fit = self.detector.warm_up().map_err(|error| error.detail).and_then(|()| self.check());
        let is_fit = fit.is_ok();
        if ready.send(fit).is_err() || !is_fit {
            return;
        }
        let mut next_check = Instant::now() + self.health_interval;
        loop {
            let mut is_shaken = false;
            match self.model.queue.next(next_check) {
                Next::Batch(batch) => is_shaken = self.answer(batch),
                Next::Idle => {}
                Next::Closed => return,
            }
            // After a failure it is not known what state the session is in.
            if is_shaken || Instant::now() >= next_check {
                if let Err(why) = self.check() {
                    self.sick.send_replace(Some(unfit(&self.model.spec.name, &why).message));
                    return;
                }
                next_check = Instant::now() + self.health_interval;
            }
        }
    }

    fn check(&mut self) -> Result<(), String> {
        let _turn = self.gate.as_ref().map(|gate| gate.enter());
        if crate::failpoint::is_sick(self.model.spec.class) {
            return Err("planted sickness".into());
        }
        check_health(self.detector.as_mut())
    }

    /// Run a batch and answer. Returns whether any view failed.
    fn answer(&mut self, batch: Vec<Request>) -> bool {
        let started = Instant::now();
        let mut views = Vec::with_capacity(batch.len());
        let mut replies = Vec::with_capacity(batch.len());
        // The same for all of a batch.
        let min_score = batch.first().map_or(1.0, |request| request.min_score);
        for Request { view, reply, queued_at, place, .. } in batch {
            self.metrics.batch_queued(started.saturating_duration_since(queued_at));
            views.push(view);
            replies.push((reply, place));
        }
        let turn = self.gate.as_ref().map(|gate| gate.enter());
        let computing = Instant::now();
        let answers = answer_each(self.detector.as_mut(), &views, min_score);
        self.metrics.batch_done(&self.model.spec.name, views.len(), computing.elapsed());
        drop(turn);
        let mut any_failed = false;
        for ((reply, place), answer) in replies.into_iter().zip(answers) {
            any_failed |= answer.is_err();
            reply.give(answer);
            drop(place);
        }
        any_failed
    }
}

fn unfit(name: &str, why: &str) -> FatalError {
    FatalError::new(
        format!("model `{name}` failed its check: {why}"),
        "run `obscura models verify` and `obscura doctor`; check the accelerator and its driver",
    )
}
