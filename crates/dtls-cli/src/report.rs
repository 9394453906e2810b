//! What client and server say of a session alike: what was agreed on, what was exported, how it ended.

use core::fmt::Display;
use core::net::SocketAddr;
use std::sync::Arc;

use dtls_core::crypto::CryptoProvider;
use dtls_core::{Error, ExportError, Stats};
use dtls_std::{Reason, Session, SessionError};

use crate::output::{Checks, Connected, Failed, Goodbye, Line, Output};
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
    /// Whether datagrams are not printed.
    pub(crate) quiet_data: bool,
}

impl Report {
    /// Says what was agreed on, and prints the keying material that was asked for.
    ///
    /// # Errors
    /// If some cannot be exported: then the session is not what was asked for, and [`End::of`] says so.
    pub(crate) fn connected(&self, session: &Session) -> Result<(), Failed> {
        let connected = Connected::new(&self.provider, session.remote_addr(), &session.info(), self.checks);
        self.output.print(&Line::Connected(&connected));
        for ExportRequest { label, context, len } in &self.exports {
            let material = session.export_keying_material(label.as_bytes(), context.as_deref(), *len);
            let material = material.map_err(|error| {
                let problem = match error {
                    ExportError::NotConnected => "the session failed before it could be exported".to_owned(),
                    other => other.to_string(),
                };
                Failed::because(session.remote_addr(), format!("--export {label}: {problem}"))
            })?;
            self.output.print(&Line::Export { label, material: &material });
        }
        Ok(())
    }

    /// Says that a datagram came or went, to whoever wants to know.
    pub(crate) fn data(&self, line: &Line<'_>) {
        if !self.quiet_data {
            self.output.print(line);
        }
    }

    /// Says how a session, or its handshake, ended. The reason of a failure is on the last line.
    pub(crate) fn ended(&self, end: &End) {
        let stats = end.stats.as_ref().map(Line::Stats);
        let lines = match &end.how {
            Ok(goodbye) => [Some(Line::Closed(end.peer, *goodbye)), stats],
            Err(failed) => [stats, failed.as_ref().map(Line::Failed)],
        };
        self.output.print_together(&lines.into_iter().flatten().collect::<Vec<_>>());
    }
}

/// How a session, or its handshake, ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) peer: SocketAddr,
    /// A failure is `None` once it has been taken to be told elsewhere.
    pub(crate) how: Result<Goodbye, Option<Failed>>,
    /// What was counted, if there was a session.
    pub(crate) stats: Option<Stats>,
    pub(crate) outcome: Outcome,
}

impl End {
    /// Of a session that ended so, in good order only if all was `exported` that was asked for.
    pub(crate) fn of(session: &Session, end: &SessionError, exported: Result<(), Failed>) -> Self {
        let peer = session.remote_addr();
        let (how, outcome) = match (end, goodbye(end), exported) {
            (_, Some(goodbye), Ok(())) => (Ok(goodbye), Outcome::Done),
            (_, Some(_), Err(failed)) => (Err(failed), Outcome::Failed),
            (SessionError::Failed(error), ..) => (Err(Failed::of(peer, error)), Outcome::of(error)),
            (other, ..) => (Err(Failed::because(peer, other)), Outcome::Failed),
        };
        Self { peer, how: how.map_err(Some), stats: Some(session.stats()), outcome }
    }

    /// Of a handshake.
    pub(crate) fn of_handshake(peer: SocketAddr, error: &Error) -> Self {
        Self { peer, how: Err(Some(Failed::of(peer, error))), stats: None, outcome: Outcome::of(error) }
    }

    /// Of a session with which nothing could be begun.
    pub(crate) fn not_served(session: &Session, reason: impl Display) -> Self {
        let peer = session.remote_addr();
        let how = Err(Some(Failed::because(peer, reason)));
        Self { peer, how, stats: Some(session.stats()), outcome: Outcome::Failed }
    }

    /// Why it failed, to be told later and by somebody else.
    pub(crate) fn take_last_words(&mut self) -> Option<Failed> {
        self.how.as_mut().err().and_then(Option::take)
    }
}

/// How a session ended, if that was in good order. One that made room for others did not: nobody who took part in it
/// wanted that.
const fn goodbye(end: &SessionError) -> Option<Goodbye> {
    match end {
        SessionError::Closed => Some(Goodbye::CloseNotify),
        SessionError::Ended(Reason::Idle) => Some(Goodbye::IdleTimeout),
        SessionError::Ended(Reason::Replaced) => Some(Goodbye::Replaced),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Pair;

    #[test]
    fn keying_material_that_was_asked_for_and_missed_is_no_good_end() {
        let Pair { client, server, provider, .. } = Pair::new(None);
        let exports = vec!["EXTRACTOR-dtls_srtp:60".parse().unwrap()];
        let report = Report { output: Output::Text, provider, checks: Checks::Nothing, exports, quiet_data: false };
        assert_eq!(report.connected(&client), Ok(()));
        client.close();
        assert!(matches!(server.recv_vec(), Err(SessionError::Closed)));
        assert_eq!(report.connected(&server), Ok(()), "the peer may be quicker");
        client.destroy();
        let reason = report.connected(&client).unwrap_err().reason;
        assert_eq!(reason, "--export EXTRACTOR-dtls_srtp: the session failed before it could be exported");
        let missed = || Err(Failed::because(server.remote_addr(), "missed"));
        let outcome = |end: &SessionError, exported| End::of(&server, end, exported).outcome;
        assert_eq!(outcome(&SessionError::Closed, missed()), Outcome::Failed);
        assert_eq!(outcome(&SessionError::Closed, Ok(())), Outcome::Done);
        for (reason, expected) in [
            (Reason::Idle, Outcome::Done),
            (Reason::Replaced, Outcome::Done),
            (Reason::Evicted, Outcome::Failed),
            (Reason::Memory, Outcome::Failed),
        ] {
            assert_eq!(outcome(&SessionError::Ended(reason), Ok(())), expected, "{reason}");
        }
        // Why a session failed matters more than what was missed for it.
        let end = SessionError::Failed(Error::HandshakeTimeout);
        assert_eq!(outcome(&end, missed()), Outcome::NoAnswer);
    }
}
