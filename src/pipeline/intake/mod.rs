//! Taking deliveries in, starting photos, hearing what became of them, committing how far all is done, and stopping.
//!
//! One task owns the source and the tracker. It takes in only what fits the window, pauses while the store is out of
//! reach, runs suspects of a crash alone, and never has two versions of one photo in work at once.

mod partitions;

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep_until},
};

use self::partitions::PartitionWork;
use super::{
    Workshop,
    job::{Done, Outcome},
    journal::{MAX_CRASHES_ALONE, Suspects},
    vitals::Vitals,
};
use crate::{
    config::Config,
    error::{ErrorCode, FatalError, PhotoError, Stage},
    source::{
        Ack, AckSender, Acks, AfterDrop, Delivered, DeliveryId, OffsetTracker, Partition, Source, SourceEvent, Upload,
        acks,
    },
};

/// How often progress is committed and published.
const TICK: Duration = Duration::from_secs(1);
/// A suspect waits for less suspected ones until nothing came or ended for so long: they may never come again.
const QUIET_HOLD: Duration = Duration::from_secs(3);
/// And at the longest for so long, where something always comes.
const MAX_HOLD: Duration = Duration::from_secs(300);

/// How much is taken in, and how the pipeline ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeOptions {
    /// Deliveries of a partition from its low-water mark on.
    pub window: usize,
    /// How long photos of a revoked partition may take to end before it is let go of.
    pub revoke: Duration,
    /// How long photos in work may take to end after a stop was asked for.
    pub drain: Duration,
    /// How long a low-water mark may stand still while work is in flight.
    pub stall: Duration,
    /// Whether a photo counts as done although its quarantine record could not be written.
    pub end_without_record: bool,
}

impl IntakeOptions {
    /// As configured.
    #[must_use]
    pub fn new(config: &Config, end_without_record: bool) -> Self {
        Self {
            window: config.worker.window,
            revoke: config.revoke_within(),
            drain: config.worker.drain,
            stall: config.worker.stall,
            end_without_record,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunEnd {
    /// A stop was asked for before the source ended.
    pub stopped: bool,
    /// Photos that were taken in and are not done; the next start begins with them.
    pub left: usize,
}

pub(super) struct Intake<S, R> {
    shop: Arc<Workshop>,
    source: S,
    options: IntakeOptions,
    vitals: Arc<Vitals>,
    report: R,
    tracker: OffsetTracker,
    sender: AckSender<Outcome>,
    acks: Acks<Outcome>,
    tasks: JoinSet<()>,
    partitions: HashMap<Partition, PartitionWork>,
    /// Everything that is tracked and not done.
    uploads: HashMap<DeliveryId, Arc<Upload>>,
    /// Names in work, and the deliveries that wait until theirs is free.
    names: HashMap<PathBuf, VecDeque<DeliveryId>>,
    suspects: Suspects,
    /// Suspects that wait until nothing else is in work, and at how many crashes they were alone.
    lonely: Vec<(DeliveryId, u32)>,
    started_at: Instant,
    /// When a delivery last came or a photo ended.
    quiet_since: Instant,
    running: usize,
    one_runs_alone: bool,
    source_ended: bool,
    stop_at: Option<Instant>,
    /// Something ended since the last commit.
    is_dirty: bool,
}

impl<S: Source, R: FnMut(Outcome)> Intake<S, R> {
    pub(super) fn new(
        shop: Arc<Workshop>,
        source: S,
        suspects: Suspects,
        options: IntakeOptions,
        vitals: Arc<Vitals>,
        report: R,
    ) -> Self {
        let (sender, acks) = acks();
        Self {
            shop,
            source,
            options,
            vitals,
            report,
            tracker: OffsetTracker::default(),
            sender,
            acks,
            tasks: JoinSet::new(),
            partitions: HashMap::new(),
            uploads: HashMap::new(),
            names: HashMap::new(),
            suspects,
            lonely: Vec::new(),
            started_at: Instant::now(),
            quiet_since: Instant::now(),
            running: 0,
            one_runs_alone: false,
            source_ended: false,
            stop_at: None,
            is_dirty: false,
        }
    }

    /// Run until the source ends, `stop` becomes true and everything in work has ended, or something fatal happens.
    ///
    /// # Errors
    /// What was fatal. If it is a detector, photos in work are given up without publishing; they come again. If it is the
    /// source, they end first.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<RunEnd, FatalError> {
        let shop = Arc::clone(&self.shop);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failure = None;
        while !self.is_over() {
            let wants_more = self.wants_more();
            let stop_at = self.stop_at;
            tokio::select! {
                biased;
                error = shop.detectors.failed() => return Err(error),
                Some(ack) = self.acks.recv() => self.take_ack(ack),
                () = stopped(&mut stop), if stop_at.is_none() => self.begin_to_stop(),
                () = until(stop_at) => break,
                _ = tick.tick() => self.tick(),
                event = self.source.next(wants_more) => match event {
                    SourceEvent::Assigned(partition) => self.enter_partition(partition),
                    SourceEvent::Revoked(partition) => self.begin_to_leave(partition),
                    SourceEvent::Lost(partition) => {
                        self.begin_to_leave(partition);
                        self.leave_partition(partition);
                    }
                    SourceEvent::Delivered(delivered) => self.take_in(delivered),
                    SourceEvent::End => {
                        self.source_ended = true;
                        self.start_lonely();
                    }
                    SourceEvent::Failed(error) => {
                        failure = Some(error);
                        self.begin_to_stop();
                    }
                },
            }
        }
        self.tasks.abort_all();
        self.tick();
        self.source.close().await;
        match failure {
            Some(error) => Err(error),
            None => Ok(RunEnd { stopped: !self.source_ended, left: self.uploads.len() }),
        }
    }

    fn is_over(&self) -> bool {
        let idle = self.running == 0;
        idle && (self.stop_at.is_some() || (self.source_ended && self.uploads.is_empty()))
    }

    fn wants_more(&self) -> bool {
        self.stop_at.is_none()
            && !self.source_ended
            && self.next_lonely().is_none()
            && !self.one_runs_alone
            && self.partitions.values().any(|partition| !partition.is_held)
            && !self.shop.breakers.all_open()
    }

    fn take_in(&mut self, Delivered { partition, offset, upload }: Delivered) {
        let Some(id) = self.tracker.deliver(partition, offset, Instant::now()) else { return };
        // Delivered before the source heard that the partition is let go of: it comes again elsewhere.
        if self.partitions.get(&partition).is_none_or(PartitionWork::is_leaving) {
            return;
        }
        self.quiet_since = Instant::now();
        let suspected = self.suspects.remove(&upload.key());
        self.uploads.insert(id, Arc::new(upload));
        match suspected {
            Some(crashes) => {
                self.lonely.push((id, crashes));
                self.start_lonely();
            }
            None => self.start(id),
        }
        self.update_hold(partition);
    }

    /// Start a photo, or let it wait until an older version of it is done.
    fn start(&mut self, id: DeliveryId) {
        let Some(upload) = self.uploads.get(&id).cloned() else { return };
        if let Some(waiting) = self.names.get_mut(&upload.relative) {
            waiting.push_back(id);
            return;
        }
        self.work_on(id, upload, false);
    }

    /// The suspect whose turn it is. The least suspected come first: whoever kills workers for reasons of his own hits
    /// another one each time, while the culprit is soon the only one left.
    fn next_lonely(&self) -> Option<usize> {
        let (at, &(_, crashes)) = self.lonely.iter().enumerate().min_by_key(|(_, (_, crashes))| *crashes)?;
        let is_quiet = self.running == 0 && self.quiet_since.elapsed() >= QUIET_HOLD;
        let others_may_come = !self.source_ended && !is_quiet && self.started_at.elapsed() < MAX_HOLD;
        let is_held = others_may_come && self.suspects.values().any(|&other| other < crashes);
        (!is_held).then_some(at)
    }

    fn start_lonely(&mut self) {
        if self.running > 0 || self.stop_at.is_some() {
            return;
        }
        let Some((id, crashes)) = self.next_lonely().map(|at| self.lonely.remove(at)) else { return };
        let Some(upload) = self.uploads.get(&id).cloned() else { return };
        if crashes >= MAX_CRASHES_ALONE {
            let detail = format!("the worker crashed {crashes} times while this photo alone was in work");
            self.condemn(id, upload, PhotoError::new(Stage::Intake, ErrorCode::CrashLoop, detail));
        } else {
            self.one_runs_alone = true;
            self.work_on(id, upload, true);
        }
    }

    fn work_on(&mut self, id: DeliveryId, upload: Arc<Upload>, alone: bool) {
        let (shop, guard) = (Arc::clone(&self.shop), self.sender.guard(id));
        let end_without_record = self.options.end_without_record;
        let leave = self.enter(id, &upload);
        self.tasks.spawn(async move {
            crate::failpoint::abandon(&upload);
            let outcome = Box::pin(shop.process(upload, alone, &leave)).await;
            let is_recorded = outcome.result.is_ok() || outcome.record_problem.is_none() || end_without_record;
            // Without its record a failed photo would be lost; dropped, it comes again.
            if is_recorded && !matches!(outcome.result, Ok(Done::NotStarted)) {
                guard.resolve(outcome);
            } else if !is_recorded {
                shop.pause().await;
            }
        });
    }

    /// Put a photo in quarantine without working on it.
    fn condemn(&mut self, id: DeliveryId, upload: Arc<Upload>, error: PhotoError) {
        let (shop, guard) = (Arc::clone(&self.shop), self.sender.guard(id));
        let end_without_record = self.options.end_without_record;
        self.enter(id, &upload);
        self.tasks.spawn(async move {
            let record_problem = shop.condemn(&upload, &error).await;
            if record_problem.is_none() || end_without_record {
                let elapsed = Duration::ZERO;
                guard.resolve(Outcome { upload, elapsed, result: Err(error), record_problem });
            } else {
                shop.pause().await;
            }
        });
    }

    fn enter(&mut self, id: DeliveryId, upload: &Upload) -> Arc<AtomicBool> {
        self.names.entry(upload.relative.clone()).or_default();
        self.running += 1;
        let state = self.partitions.entry(id.partition).or_default();
        state.running += 1;
        Arc::clone(&state.leave)
    }

    /// A photo is not in work any more: its name is free for the next version.
    fn leave(&mut self, id: DeliveryId, upload: &Upload) {
        self.running -= 1;
        if let Some(state) = self.partitions.get_mut(&id.partition).filter(|_| self.tracker.is_current(id)) {
            state.running -= 1;
        }
        self.quiet_since = Instant::now();
        self.one_runs_alone = false;
        let mut waiting = self.names.remove(&upload.relative).unwrap_or_default();
        if self.stop_at.is_none()
            && let Some(next) = waiting.pop_front()
        {
            self.start(next);
            if let Some(names) = self.names.get_mut(&upload.relative) {
                names.extend(waiting);
            }
        }
    }

    fn take_ack(&mut self, ack: Ack<Outcome>) {
        while self.tasks.try_join_next().is_some() {}
        let (Ack::Resolved(id, _) | Ack::Dropped(id)) = ack;
        match ack {
            Ack::Resolved(id, outcome) => {
                if self.tracker.is_current(id) {
                    match outcome.result {
                        Ok(Done::Gone) => self.source.gone(id.partition, id.offset),
                        _ => self.source.done(id.partition, id.offset),
                    }
                }
                self.is_dirty = true;
                self.shop.count(&outcome.result);
                self.uploads.remove(&id);
                self.leave(id, &Arc::clone(&outcome.upload));
                self.tracker.complete(id, Instant::now());
                (self.report)(outcome);
            }
            Ack::Dropped(id) => {
                let Some(upload) = self.uploads.get(&id).cloned() else { return };
                self.leave(id, &upload);
                if !self.tracker.is_current(id) || self.is_leaving(id.partition) {
                    self.uploads.remove(&id);
                } else if self.stop_at.is_none() {
                    self.try_again(id, upload);
                }
            }
        }
        self.settle(id);
        if self.running == 0 {
            self.start_lonely();
        }
    }

    fn try_again(&mut self, id: DeliveryId, upload: Arc<Upload>) {
        match self.tracker.dropped(id) {
            AfterDrop::Requeue => self.start(id),
            AfterDrop::Abandon => {
                self.shop.metrics.abandoned();
                let detail = "dropped on its way three times";
                self.condemn(id, upload, PhotoError::new(Stage::Intake, ErrorCode::Abandoned, detail));
            }
            AfterDrop::Ignore => {}
        }
    }

    fn begin_to_stop(&mut self) {
        self.stop_at = Some(Instant::now() + self.options.drain);
        self.vitals.stop_intake();
        // What has not begun ends here.
        self.shop.turns.close();
        tracing::info!(in_work = self.running, drain_s = self.options.drain.as_secs(), "stopping: intake is closed");
    }

    fn tick(&mut self) {
        let marks = self.tracker.uncommitted();
        self.commit(&marks);
        self.start_lonely();
        let now = Instant::now();
        self.leave_in_time(now);
        let store_down = self.shop.breakers.any_open();
        if store_down {
            self.tracker.excuse(now);
        }
        let age = self.tracker.oldest_mark_age(now).unwrap_or_default();
        self.shop.metrics.set_store_down(store_down);
        let membership = self.source.membership();
        let lag = membership.map_or_else(|| self.source.backlog(), |membership| membership.lag);
        self.shop.metrics.set_progress(self.tracker.in_flight(), age, lag);
        if let Some(membership) = membership {
            self.shop.metrics.set_membership(membership.rebalances, membership.partitions);
        }
        self.vitals.set_joined(self.source.has_joined());
        self.vitals.beat(age > self.options.stall);
    }

    fn commit(&mut self, marks: &[crate::source::LowWaterMark]) {
        if !self.is_dirty {
            return;
        }
        match self.source.commit(marks) {
            Ok(()) => {
                self.tracker.committed(marks);
                self.is_dirty = false;
            }
            // Kept and given again; what is done twice because of it gives the same result.
            Err(error) => tracing::warn!(%error, "progress could not be committed; trying again"),
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone never asks for a stop.
    if stop.wait_for(|&stop| stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
