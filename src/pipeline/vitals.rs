//! Whether the pipeline is alive and ready, for those who ask from outside.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Without a beat for this long, the intake is taken for dead.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Told by the pipeline, read by the admin port.
#[derive(Debug)]
pub struct Vitals {
    last_beat: Mutex<Instant>,
    stalled: AtomicBool,
    warm: AtomicBool,
    stopping: AtomicBool,
    joined: AtomicBool,
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            last_beat: Mutex::new(Instant::now()),
            stalled: AtomicBool::new(false),
            warm: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            joined: AtomicBool::new(true),
        }
    }
}

impl Vitals {
    /// Models are checked and the source is open.
    pub fn warm(&self) {
        self.warm.store(true, Ordering::Release);
    }

    /// Whether it is known which partitions are this worker's, be it none.
    pub fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Release);
    }

    pub fn stop_intake(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// The intake is alive, and whether its work has stalled.
    pub fn beat(&self, stalled: bool) {
        *self.last_beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.stalled.store(stalled, Ordering::Release);
    }

    /// # Errors
    /// Why the process should be started anew.
    pub fn live(&self) -> Result<(), &'static str> {
        let silence = self.last_beat.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if self.warm.load(Ordering::Acquire) && silence > MAX_SILENCE {
            Err("the intake does not answer")
        } else if self.stalled.load(Ordering::Acquire) {
            Err("work is in flight and nothing ends")
        } else {
            Ok(())
        }
    }

    /// # Errors
    /// Why no work is taken in.
    pub fn ready(&self) -> Result<(), &'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Err("stopping")
        } else if !self.joined.load(Ordering::Acquire) {
            Err("joining the consumer group")
        } else if self.warm.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err("starting")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_from_warm_up_to_the_stop() {
        let vitals = Vitals::default();
        assert_eq!((vitals.ready(), vitals.live()), (Err("starting"), Ok(())));
        vitals.warm();
        assert_eq!(vitals.ready(), Ok(()));
        vitals.stop_intake();
        assert_eq!((vitals.ready(), vitals.live()), (Err("stopping"), Ok(())), "who drains is alive");
    }

    #[test]
    fn dead_when_stalled_or_silent_and_alive_again_when_not() {
        let vitals = Vitals::default();
        vitals.warm();
        vitals.beat(true);
        assert!(vitals.live().unwrap_err().contains("nothing ends"));
        vitals.beat(false);
        assert_eq!(vitals.live(), Ok(()));
        let long_ago = Instant::now().checked_sub(MAX_SILENCE * 2).expect("the machine runs for longer than that");
        *vitals.last_beat.lock().unwrap() = long_ago;
        assert!(vitals.live().unwrap_err().contains("does not answer"));
    }
}
