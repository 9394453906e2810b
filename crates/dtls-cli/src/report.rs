//! What client and server say of a session alike: what was agreed on, what was exported, how it ended.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Write as _};
use std::sync::Arc;
use std::thread;

use dtls_core::crypto::CryptoProvider;
use dtls_core::{Error, ExportError};
use dtls_std::{Session, SessionError};

use crate::output::{Checks, Connected, Failed, Line, Output};
use crate::values::ExportRequest;

/// How a run came out; the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As asked.
    Done,
    /// The handshake or the session failed.
    Failed,
    /// Nobody answered in time.
    NoAnswer,
    /// An expected echo did not come back.
    CheckFailed,
}

impl Outcome {
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::NoAnswer => 3,
            Self::CheckFailed => 4,
        }
    }

    /// The outcome of a session that ended with this error.
    pub(crate) fn of(error: &Error) -> Self {
        if *error == Error::HandshakeTimeout { Self::NoAnswer } else { Self::Failed }
    }
}

/// Prints what becomes of sessions.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) output: Output,
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) checks: Checks,
    pub(crate) exports: Vec<ExportRequest>,
}

impl Report {
    /// Says what was agreed on, and prints the keying material that was asked for.
    ///
    /// # Errors
    /// If some cannot be exported.
    pub(crate) fn connected(&self, session: &Session) -> Result<(), Failed> {
        let connected = Connected::new(&self.provider, session.remote_addr(), &session.info(), self.checks);
        self.output.print(&Line::Connected(&connected));
        for export in &self.exports {
            let context = export.context.as_deref();
            let label = &export.label;
            let material = match session.export_keying_material(label.as_bytes(), context, export.len) {
                Ok(material) => material,
                // The peer was quicker than we: its farewell took the keys with it. How it ended is told in its place.
                Err(error @ ExportError::NotConnected) => {
                    // Whoever closed standard error does not want to know.
                    let _ = writeln!(io::stderr(), "dtls: --export {label}: {error}");
                    return Ok(());
                }
                Err(error) => {
                    return Err(Failed::because(session.remote_addr(), format!("--export {label}: {error}")));
                }
            };
            self.output.print(&Line::Export { label: &export.label, material: &material });
        }
        Ok(())
    }

    /// Says that a handshake failed.
    pub(crate) fn handshake_failed(&self, peer: SocketAddr, error: &Error) -> Outcome {
        self.output.print(&Line::Failed(&Failed::of(peer, error)));
        Outcome::of(error)
    }

    /// Says that a session ended in good order.
    pub(crate) fn closed(&self, session: &Session) -> Outcome {
        self.output.print(&Line::Closed(session.remote_addr()));
        self.output.print(&Line::Stats(&session.stats()));
        Outcome::Done
    }

    /// Says that a session failed: the reason is on the last line.
    pub(crate) fn failed(&self, session: &Session, failed: &Failed) -> Outcome {
        self.output.print(&Line::Stats(&session.stats()));
        self.output.print(&Line::Failed(failed));
        Outcome::Failed
    }

    /// Says how a session ended.
    pub(crate) fn ended(&self, session: &Session, end: &SessionError) -> Outcome {
        let peer = session.remote_addr();
        match end {
            SessionError::Closed => self.closed(session),
            SessionError::Failed(error) => {
                self.failed(session, &Failed::of(peer, error));
                Outcome::of(error)
            }
            other => self.failed(session, &Failed::because(peer, other)),
        }
    }
}

/// Sends a datagram; waits a little where the system's buffer is full.
pub(crate) fn send(session: &Session, payload: &[u8]) -> Result<(), SessionError> {
    for _ in 0..PATIENCE {
        match session.send(payload) {
            Err(SessionError::Socket(error)) if error.kind() == ErrorKind::WouldBlock => {
                thread::park_timeout(Duration::from_millis(1));
            }
            other => return other,
        }
    }
    Err(SessionError::Socket(io::Error::from(ErrorKind::WouldBlock)))
}

/// How often a full buffer is tried again, a millisecond apart.
const PATIENCE: usize = 1000;
