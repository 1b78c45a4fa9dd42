//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends the process at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

use obscura::error::FatalError;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How shells name a process that a signal ended.
const SIGNAL_EXIT: i32 = 128;

/// Asks for a stop once a signal came.
pub struct Signals {
    pub stop: watch::Receiver<bool>,
    came: Arc<AtomicI32>,
}

impl Signals {
    /// Listen from now on. Must be called inside the runtime.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn listen() -> Result<Self, FatalError> {
        Self::install().map_err(|error| FatalError::new(format!("signals: {error}"), "report this"))
    }

    fn install() -> io::Result<Self> {
        let (sender, stop) = watch::channel(false);
        let came = Arc::new(AtomicI32::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM] {
            let armed = Arc::clone(&armed);
            // The exit comes from the handler itself, so that it works whatever the threads do. The flag is set after
            // the first signal's check of it, and so is seen by the second, whichever of the two that is.
            flag::register_conditional_shutdown(number, SIGNAL_EXIT + number, Arc::clone(&armed))?;
            flag::register(number, armed)?;
        }
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let told = Arc::clone(&came);
        tokio::spawn(async move {
            let number = tokio::select! {
                _ = interrupt.recv() => SIGINT,
                _ = terminate.recv() => SIGTERM,
            };
            told.store(number, Ordering::Release);
            sender.send_replace(true);
            // Kept, so that the receiver never sees it gone.
            std::future::pending::<()>().await;
        });
        Ok(Self { stop, came })
    }

    /// The exit code by which a shell knows that a signal ended the process; none if none came.
    pub fn exit_code(&self) -> Option<u8> {
        match self.came.load(Ordering::Acquire) {
            0 => None,
            number => u8::try_from(SIGNAL_EXIT + number).ok(),
        }
    }
}
