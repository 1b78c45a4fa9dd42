//! What operators see: metrics with fixed names and labels, and logs. Neither ever holds a file name at info level, and
//! metrics never at all.

mod log;
mod metrics;
mod reading;

pub use self::{
    log::{LogFormat, LogLevel, start_logs},
    metrics::{Direction, Ended, Levels, Metrics},
    reading::{Failure, Reading, StageReading},
};
