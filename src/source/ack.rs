//! Acknowledgements that cannot be forgotten: a guard travels with each delivery, and whatever happens to it is told.

use tokio::sync::mpsc;

use super::DeliveryId;

/// What became of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub enum Ack<T> {
    /// It ended, with this outcome.
    Resolved(DeliveryId, T),
    /// Its guard was dropped on the way: nobody works on it any more.
    Dropped(DeliveryId),
}

/// Where guards report. The channel needs no bound: each guard sends once, and deliveries in flight are bounded.
pub type Acks<T> = mpsc::UnboundedReceiver<Ack<T>>;

/// Makes guards.
#[derive(Debug)]
pub struct AckSender<T>(mpsc::UnboundedSender<Ack<T>>);

/// A channel for acknowledgements.
#[must_use]
pub fn acks<T>() -> (AckSender<T>, Acks<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (AckSender(sender), receiver)
}

impl<T> AckSender<T> {
    pub fn guard(&self, id: DeliveryId) -> AckGuard<T> {
        AckGuard { id, sender: Some(self.0.clone()) }
    }
}

/// Owes an answer for one delivery. Dropped without one, it says so.
#[derive(Debug)]
#[must_use = "a dropped guard re-queues its delivery"]
pub struct AckGuard<T> {
    id: DeliveryId,
    sender: Option<mpsc::UnboundedSender<Ack<T>>>,
}

impl<T> AckGuard<T> {
    /// The delivery ended.
    pub fn resolve(mut self, outcome: T) {
        if let Some(sender) = self.sender.take() {
            // The receiver is gone only after the pipeline has ended.
            let _ = sender.send(Ack::Resolved(self.id, outcome));
        }
    }
}

impl<T> Drop for AckGuard<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(Ack::Dropped(self.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{OffsetTracker, Partition};

    #[test]
    fn every_guard_answers_exactly_once() {
        let mut tracker = OffsetTracker::default();
        tracker.assign(Partition::ONLY);
        let now = std::time::Instant::now();
        let (first, second) = (tracker.deliver(Partition::ONLY, 0, now), tracker.deliver(Partition::ONLY, 1, now));
        let (first, second) = (first.unwrap(), second.unwrap());
        let (sender, mut receiver) = acks();
        sender.guard(first).resolve("done");
        drop(sender.guard(second));
        assert_eq!(receiver.try_recv().unwrap(), Ack::Resolved(first, "done"));
        assert_eq!(receiver.try_recv().unwrap(), Ack::Dropped(second));
        assert!(receiver.try_recv().is_err());
    }
}
