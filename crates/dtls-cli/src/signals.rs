//! Ctrl-C and SIGTERM: the first closes in good order, the second ends the process here and now. SIGUSR1 asks for
//! statistics.

use core::sync::atomic::{AtomicBool, Ordering};
use std::process;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::usage::UsageError;

/// Whether somebody wants us to end, and the thread that sees to it.
///
/// The thread that hears of signals does nothing that could wait: whatever else stands still, a pipe that nobody reads,
/// say, the second signal is heard.
#[derive(Debug)]
pub(crate) struct Interrupts {
    came: Arc<AtomicBool>,
    closer: JoinHandle<()>,
}

impl Interrupts {
    /// `close` is called with the first signal, on a thread of its own. Once in a process.
    pub(crate) fn handle(close: impl FnOnce() + Send + 'static) -> Result<Self, UsageError> {
        let (first, told) = mpsc::sync_channel(1);
        let closer = thread::Builder::new()
            .name("dtls-close".to_owned())
            .spawn(move || {
                if told.recv() == Ok(()) {
                    close();
                }
            })
            .map_err(|error| UsageError::new("Ctrl-C", format!("no thread can be started for it: {error}")))?;
        let came = Arc::new(AtomicBool::new(false));
        let comes = Arc::clone(&came);
        ctrlc::set_handler(move || {
            if comes.swap(true, Ordering::SeqCst) {
                process::exit(INTERRUPTED_TWICE);
            }
            // There is room for one, and it is the first.
            let _ = first.try_send(());
        })
        .map_err(|error| UsageError::new("Ctrl-C", format!("cannot be handled: {error}")))?;
        Ok(Self { came, closer })
    }

    /// Whether a signal has come.
    pub(crate) fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }

    /// Whether a signal has come, once all is closed that it closes: what `--delay` holds back leaves with its last
    /// owner, who must not be a thread that dies with the process.
    pub(crate) fn finish(self) -> bool {
        let came = self.came();
        if came {
            // A panic there has been printed there.
            let _ = self.closer.join();
        }
        came
    }
}

/// SIGUSR1, which asks for statistics, and which without this would end the process.
#[derive(Debug)]
pub(crate) struct StatisticsSignal(());

impl StatisticsSignal {
    /// To be called before any other thread is started: they inherit that the signal is kept for us.
    pub(crate) fn keep() -> Result<Self, UsageError> {
        #[cfg(unix)]
        usr1().thread_block().map_err(|error| UsageError::new("SIGUSR1", format!("cannot be handled: {error}")))?;
        Ok(Self(()))
    }

    /// `tell` is called for each signal, on a thread of its own, which ends with the process. What it holds must not be
    /// needed for the end.
    pub(crate) fn handle(self, tell: impl Fn() + Send + 'static) -> Result<(), UsageError> {
        #[cfg(unix)]
        thread::Builder::new()
            .name("dtls-stats".to_owned())
            .spawn(move || {
                while usr1().wait().is_ok() {
                    tell();
                }
            })
            .map_err(|error| UsageError::new("SIGUSR1", format!("no thread can be started for it: {error}")))?;
        #[cfg(not(unix))]
        drop(tell);
        Ok(())
    }
}

#[cfg(unix)]
fn usr1() -> nix::sys::signal::SigSet {
    nix::sys::signal::Signal::SIGUSR1.into()
}

/// 128 and the number of SIGINT, as shells have it for who was ended by it.
const INTERRUPTED_TWICE: i32 = 130;
