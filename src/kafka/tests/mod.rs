//! The consumer and its parts, against a broker inside the process (librdkafka's mock cluster).

mod delivery;
mod groups;
mod replay;
mod state;
