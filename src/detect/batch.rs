//! Forming batches: views wait in a queue, and whoever is idle takes what fits together.
//!
//! While one batch runs, the next one gathers by itself. A batch is taken when it is full, or when its oldest view has
//! waited long enough. Views whose photo was given up are dropped unseen. Everything in the queue holds one of a fixed
//! number of places, taken before the view is cut out, so that views cannot pile up in memory.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Candidate, Detector, collect::Reply};
use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    geometry::Size,
    photo::RgbView,
};

/// What one view is answered with, in view pixels.
pub(super) type Answer = PhotoResult<Vec<Candidate>>;

/// A view that waits for its answer.
pub(super) struct Request {
    pub view: RgbView,
    /// Size of the tensor that the view goes into; only equal ones fit together.
    pub bucket: Size,
    /// What scores less is not asked for; only equal ones fit together.
    pub min_score: f32,
    pub reply: Reply,
    pub queued_at: Instant,
    pub place: OwnedSemaphorePermit,
}

impl Request {
    /// Requests of one kind fit into one batch.
    fn kind(&self) -> (Size, f32) {
        (self.bucket, self.min_score)
    }
}

/// What a detector thread does next.
pub(super) enum Next {
    Batch(Vec<Request>),
    /// Nothing came for as long as it was to be waited.
    Idle,
    Closed,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    closed: bool,
}

/// The views that wait for one model.
pub(super) struct BatchQueue {
    state: Mutex<State>,
    changed: Condvar,
    max_batch: usize,
    max_delay: Duration,
}

impl BatchQueue {
    pub(super) fn new(max_batch: usize, max_delay: Duration) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), max_batch: max_batch.max(1), max_delay }
    }

    pub(super) fn push(&self, request: Request) {
        self.lock().waiting.push_back(request);
        // A thread that waits for a batch to fill must not keep the news from one that is idle.
        if self.max_batch == 1 { self.changed.notify_one() } else { self.changed.notify_all() }
    }

    /// Let the threads end when the queue is empty.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Wait for a batch, but not longer than until `deadline`.
    pub(super) fn next(&self, deadline: Instant) -> Next {
        let mut state = self.lock();
        loop {
            state.waiting.retain(|request| request.reply.is_wanted());
            let now = Instant::now();
            let wake_at = match state.waiting.front() {
                Some(oldest) => {
                    let (kind, due) = (oldest.kind(), oldest.queued_at + self.max_delay);
                    let fitting = state.waiting.iter().filter(|request| request.kind() == kind).count();
                    if fitting >= self.max_batch || now >= due || state.closed {
                        return Next::Batch(self.take(&mut state, kind));
                    }
                    due
                }
                None if state.closed => return Next::Closed,
                None if now >= deadline => return Next::Idle,
                None => deadline,
            };
            let wait = wake_at.saturating_duration_since(now);
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take(&self, state: &mut State, kind: (Size, f32)) -> Vec<Request> {
        let mut batch = Vec::new();
        let mut rest = VecDeque::with_capacity(state.waiting.len());
        for request in state.waiting.drain(..) {
            if request.kind() == kind && batch.len() < self.max_batch {
                batch.push(request);
            } else {
                rest.push_back(request);
            }
        }
        state.waiting = rest;
        batch
    }

    // The queue is whole even if a holder panicked: nothing is half done while it is locked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer for each view. A batch that fails is halved until the view is alone that makes it fail; a panic is a
/// failure like any other.
pub(super) fn answer_each(detector: &mut dyn Detector, views: &[RgbView], min_score: f32) -> Vec<Answer> {
    let failed = |detail: String| PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, detail);
    let error = match catch_unwind(AssertUnwindSafe(|| detector.detect(views, min_score))) {
        Ok(Ok(answers)) if answers.len() == views.len() => return answers.into_iter().map(Ok).collect(),
        Ok(Ok(answers)) => failed(format!("expected {} answers, found {}", views.len(), answers.len())),
        Ok(Err(error)) => error,
        Err(_) => failed("the detector panicked".into()),
    };
    match views.len() {
        0 => Vec::new(),
        1 => vec![Err(error)],
        count => {
            let (left, right) = views.split_at(count / 2);
            let mut answers = answer_each(detector, left, min_score);
            answers.extend(answer_each(detector, right, min_score));
            answers
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::sync::Semaphore;

    use super::{super::fake_spec, *};
    use crate::detect::{
        Class, ModelSpec,
        collect::{Answers, collect},
    };

    /// Fails or panics if the batch holds a view whose first byte is 1 or 2; otherwise answers with its first byte.
    struct Picky {
        spec: ModelSpec,
        calls: usize,
    }

    impl Detector for Picky {
        fn spec(&self) -> &ModelSpec {
            &self.spec
        }

        fn detect(&mut self, batch: &[RgbView], _min_score: f32) -> PhotoResult<Vec<Vec<Candidate>>> {
            self.calls += 1;
            if batch.iter().any(|view| view.rgb[0] == 1) {
                return Err(PhotoError::new(Stage::Detect, ErrorCode::DetectorOverflow, "one"));
            }
            assert!(batch.iter().all(|view| view.rgb[0] != 2), "planted");
            Ok(batch.iter().map(|view| vec![candidate(view.rgb[0])]).collect())
        }
    }

    fn candidate(number: u8) -> Candidate {
        let side = f32::from(number);
        Candidate {
            class: crate::detect::Class::Face,
            area: crate::geometry::BoxF { x0: 0.0, y0: 0.0, x1: side, y1: side },
            score: 0.5,
        }
    }

    fn view(first: u8) -> RgbView {
        RgbView { size: Size::new(1, 1), rgb: vec![first, 0, 0] }
    }

    proptest! {
        #[test]
        fn only_the_views_that_fail_alone_fail(firsts in proptest::collection::vec(0u8..12, 0..24)) {
            let mut detector = Picky { spec: fake_spec(Class::Face), calls: 0 };
            let views: Vec<_> = firsts.iter().map(|&first| view(first)).collect();
            let answers = answer_each(&mut detector, &views, 0.5);
            prop_assert_eq!(answers.len(), views.len());
            for (first, answer) in firsts.iter().zip(answers) {
                match first {
                    1 => prop_assert_eq!(answer.unwrap_err().code, ErrorCode::DetectorOverflow),
                    2 => prop_assert_eq!(answer.unwrap_err().code, ErrorCode::DetectorFailed),
                    _ => prop_assert_eq!(answer.unwrap(), vec![candidate(*first)]),
                }
            }
            let bad = firsts.iter().filter(|&&first| first == 1 || first == 2).count();
            prop_assert!(detector.calls <= 1 + bad * 12, "{} calls for {} bad of {}", detector.calls, bad, firsts.len());
        }
    }

    fn request(queue: &BatchQueue, side: u32, first: u8) -> Answers {
        let (mut replies, answers) = collect(1);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (bucket, reply) = (Size::new(side, side), replies.pop().unwrap());
        queue.push(Request { view: view(first), bucket, min_score: 0.5, reply, queued_at: Instant::now(), place });
        answers
    }

    fn firsts(next: Next) -> Vec<u8> {
        match next {
            Next::Batch(batch) => batch.iter().map(|request| request.view.rgb[0]).collect(),
            Next::Idle | Next::Closed => Vec::new(),
        }
    }

    #[test]
    fn batches_hold_one_size_and_are_taken_when_full_or_old() {
        let soon = || Instant::now() + Duration::from_millis(20);
        let queue = BatchQueue::new(2, Duration::from_secs(3600));
        let _kept = [request(&queue, 32, 1), request(&queue, 64, 2), request(&queue, 32, 3), request(&queue, 32, 4)];
        assert_eq!(firsts(queue.next(soon())), [1, 3], "full, and of one size");
        queue.close();
        assert_eq!(firsts(queue.next(soon())), [2], "closed: nothing more will come");
        assert_eq!(firsts(queue.next(soon())), [4]);
        assert!(matches!(queue.next(soon()), Next::Closed));

        let impatient = BatchQueue::new(2, Duration::from_millis(1));
        let _kept = request(&impatient, 32, 5);
        assert_eq!(firsts(impatient.next(soon())), [5], "the oldest waited long enough");
        assert!(matches!(impatient.next(soon()), Next::Idle));
    }

    #[test]
    fn views_that_nobody_waits_for_are_dropped() {
        let queue = BatchQueue::new(1, Duration::ZERO);
        drop(request(&queue, 32, 1));
        let _kept = request(&queue, 32, 2);
        assert_eq!(firsts(queue.next(Instant::now())), [2]);
        assert_eq!(queue.len(), 0);
    }
}
