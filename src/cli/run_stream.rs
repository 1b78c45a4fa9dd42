//! `obscura run` as a member of a Kafka consumer group.

use std::{process::ExitCode, sync::Arc};

use obscura::{
    config::{Config, StreamConfig},
    error::FatalError,
    event::{Router, interpret},
    kafka::KafkaSource,
    pipeline::{Engine, Journal, Mode, Places, StreamPlaces},
    store::StateDir,
};

use super::{Stop, run::{Worker, open_journal}, signals::Signals};

pub async fn work(config: &Config, stream: &StreamConfig) -> Result<ExitCode, Stop> {
    let signals = Signals::listen()?;
    let state_dir = config.worker.state_dir.clone().ok_or_else(|| {
        FatalError::new(
            "expected a folder for the journal, found none",
            "name one of this worker's own that outlives a restart, with `--state-dir` or `state.dir`",
        )
    })?;
    let state = StateDir::open(&state_dir)?;
    let (journal, suspects) = open_journal(&state)?;
    let engine = Engine::start(config)?;
    let places = StreamPlaces::open(config, stream, &engine).await?;
    let worker = Worker::start(config, &engine, Places::Stream(Arc::new(places)), Mode::Worker { journal, suspects }).await?;
    let router = Router::new(stream);
    let source = KafkaSource::start(&stream.kafka, config.worker.drain, Box::new(move |message| interpret(&router, message)))?;
    worker.run(config, source, signals, false).await
}
