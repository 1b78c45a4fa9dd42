//! The consumer against a broker inside the process (librdkafka's mock cluster).

mod delivery;
mod groups;
mod replay;
