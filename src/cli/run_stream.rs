//! `obscura run` as a member of a Kafka consumer group.

use std::{process::ExitCode, sync::Arc};

use obscura::{
    config::{Config, StreamConfig},
    error::FatalError,
    event::{Router, interpret},
    kafka::KafkaSource,
    pipeline::{Engine, Mode, Places, StreamPlaces},
    store::StateDir,
};

use super::{
    Stop,
    run::{Worker, open_journal},
    signals::Signals,
};

pub async fn work(config: &Config, stream: &StreamConfig) -> Result<ExitCode, Stop> {
    let signals = Signals::listen()?;
    let state_dir = config.worker.state_dir.clone().ok_or_else(|| {
        FatalError::new(
            "expected a folder for the journal, found none",
            "name one that outlives a restart and is this worker's alone, with `--state-dir` or `state.dir`",
        )
    })?;
    let state = StateDir::open(&state_dir)?;
    let (journal, suspects) = open_journal(&state)?;
    let engine = Engine::start(config)?;
    let places = Arc::new(StreamPlaces::open(config, stream, &engine).await?);
    let mode = Mode::Worker { journal, suspects };
    let worker = Worker::start(config, &engine, Places::Stream(places), mode).await?;
    let router = Router::new(stream);
    let interpreting = Box::new(move |message: &_| interpret(&router, message));
    let source = KafkaSource::start(&stream.kafka, config.worker.drain, interpreting)?;
    worker.run(config, source, &signals, false).await
}
