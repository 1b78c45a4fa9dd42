//! Many answers for one who waits: who asked is woken once, when all are there or one has failed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::oneshot;

use super::{Candidate, batch::Answer};
use crate::error::{ErrorCode, PhotoError, PhotoResult, Stage};

type AllAnswers = PhotoResult<Vec<Vec<Candidate>>>;

struct Shared {
    answers: Mutex<Vec<Option<Vec<Candidate>>>>,
    missing: AtomicUsize,
    done: Mutex<Option<oneshot::Sender<AllAnswers>>>,
}

/// Owes one answer. Dropped without one, it fails the whole.
pub(super) struct Reply {
    shared: Option<Arc<Shared>>,
    place: usize,
}

/// Waits for all answers, in the order of the replies.
pub(super) struct Answers(oneshot::Receiver<AllAnswers>);

/// Replies for `count` questions, and who waits for them.
pub(super) fn collect(count: usize) -> (Vec<Reply>, Answers) {
    let (sender, receiver) = oneshot::channel();
    let shared = Arc::new(Shared {
        answers: Mutex::new(vec![None; count]),
        missing: AtomicUsize::new(count),
        done: Mutex::new(Some(sender)),
    });
    if count == 0 {
        shared.end(Ok(Vec::new()));
    }
    let replies = (0..count).map(|place| Reply { shared: Some(Arc::clone(&shared)), place }).collect();
    (replies, Answers(receiver))
}

impl Answers {
    /// # Errors
    /// That of the first answer that is one, or `detector_failed` if one was never given.
    pub(super) async fn all(self) -> AllAnswers {
        self.0.await.unwrap_or_else(|_| Err(unanswered()))
    }
}

impl Reply {
    pub(super) fn give(mut self, answer: Answer) {
        if let Some(shared) = self.shared.take() {
            shared.take(self.place, answer);
        }
    }

    /// Whether anybody still waits.
    pub(super) fn is_wanted(&self) -> bool {
        let shared = self.shared.as_ref();
        shared.is_some_and(|shared| {
            let done = shared.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.as_ref().is_some_and(|done| !done.is_closed())
        })
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.take(self.place, Err(unanswered()));
        }
    }
}

impl Shared {
    fn take(&self, place: usize, answer: Answer) {
        match answer {
            Err(error) => self.end(Err(error)),
            Ok(found) => {
                if let Some(answer) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
                    *answer = Some(found);
                }
                if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
                    self.end(answers.into_iter().collect::<Option<_>>().ok_or_else(unanswered));
                }
            }
        }
    }

    fn end(&self, answers: AllAnswers) {
        if let Some(done) = self.done.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Given up meanwhile: nobody listens.
            let _ = done.send(answers);
        }
    }
}

fn unanswered() -> PhotoError {
    PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, "a view was given no answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "an answer is a result")]
    fn some(count: usize) -> Answer {
        let area = crate::geometry::BoxF { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 };
        Ok(vec![Candidate { class: crate::detect::Class::Face, area, score: 0.5 }; count])
    }

    #[tokio::test]
    async fn all_answers_in_order_whatever_order_they_come_in() {
        let (replies, answers) = collect(3);
        for (place, reply) in replies.into_iter().enumerate().rev() {
            assert!(reply.is_wanted());
            reply.give(some(place));
        }
        let counts: Vec<_> = answers.all().await.unwrap().iter().map(Vec::len).collect();
        assert_eq!(counts, [0, 1, 2]);
        assert!(collect(0).1.all().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_failure_or_one_answer_missing_fails_the_whole() {
        for is_dropped in [true, false] {
            let (mut replies, answers) = collect(3);
            let (last, first) = (replies.pop().unwrap(), replies.remove(0));
            first.give(some(1));
            if is_dropped {
                drop(last);
            } else {
                last.give(Err(PhotoError::new(Stage::Detect, ErrorCode::DetectorOverflow, "many")));
            }
            assert!(!replies[0].is_wanted(), "the rest need not be looked at");
            let code = answers.all().await.unwrap_err().code;
            assert_eq!(code, if is_dropped { ErrorCode::DetectorFailed } else { ErrorCode::DetectorOverflow });
        }
    }

    #[test]
    fn who_gave_up_wants_nothing() {
        let (replies, answers) = collect(2);
        drop(answers);
        assert!(replies.iter().all(|reply| !reply.is_wanted()));
    }
}
