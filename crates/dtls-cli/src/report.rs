//! What client and server say of a session alike: what was agreed on, what was exported, how it ended.

use core::fmt::Display;
use core::net::SocketAddr;
use std::sync::Arc;

use dtls_core::crypto::CryptoProvider;
use dtls_core::{Error, ExportError, Stats};
use dtls_std::{ConnectError, Reason, Session, SessionError};

use crate::connected::{Checks, Connected};
use crate::output::{Failed, Goodbye, Line, Output};
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
    /// In a tunnel: whose session it is about.
    pub(crate) sender: Option<SocketAddr>,
}

impl Report {
    /// Says what was agreed on, and prints the keying material that was asked for.
    ///
    /// # Errors
    /// If some cannot be exported: then the session is not what was asked for, and [`End::of`] says so.
    pub(crate) fn connected(&self, session: &Session) -> Result<(), Failed> {
        let connected = Connected::new(&self.provider, session.initial_remote_addr(), &session.info(), self.checks);
        self.print(&[Line::Connected(&connected)]);
        for ExportRequest { label, context, len } in &self.exports {
            let material = session.export_keying_material(label.as_bytes(), context.as_deref(), *len);
            let material = material.map_err(|error| {
                let problem = match error {
                    ExportError::NotConnected => "the session failed before it could be exported".to_owned(),
                    other => other.to_string(),
                };
                Failed::because(session.remote_addr(), format!("--export {label}: {problem}"))
            })?;
            self.print(&[Line::Export { label, material: &material }]);
        }
        Ok(())
    }

    /// Says if the peer is no longer `at` the same address.
    pub(crate) fn moved(&self, session: &Session, at: &mut SocketAddr) {
        let peer = session.remote_addr();
        if peer != *at {
            self.print(&[Line::Moved { peer, from: core::mem::replace(at, peer) }]);
        }
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
            Ok((peer, goodbye)) => [Some(Line::Closed(*peer, *goodbye)), stats],
            Err(failed) => [stats, failed.as_ref().map(Line::Failed)],
        };
        self.print(&lines.into_iter().flatten().collect::<Vec<_>>());
    }

    fn print(&self, lines: &[Line<'_>]) {
        match self.sender {
            None => self.output.print_together(lines),
            Some(sender) => {
                let lines: Vec<_> = lines.iter().map(|line| Line::OfSender(line, sender)).collect();
                self.output.print_together(&lines);
            }
        }
    }
}

/// How a session, or its handshake, ended.
#[derive(Debug)]
pub(crate) struct End {
    /// A failure is `None` once it has been taken to be told elsewhere.
    pub(crate) how: Result<(SocketAddr, Goodbye), Option<Failed>>,
    /// What was counted, if there was a session.
    pub(crate) stats: Option<Stats>,
    pub(crate) outcome: Outcome,
}

impl End {
    /// Of a session that ended so, in good order only if all was `exported` that was asked for.
    pub(crate) fn of(session: &Session, end: &SessionError, exported: Result<(), Failed>) -> Self {
        let peer = session.remote_addr();
        let (how, outcome) = match (end, goodbye(end), exported) {
            (_, Some(goodbye), Ok(())) => (Ok((peer, goodbye)), Outcome::Done),
            (_, Some(_), Err(failed)) => (Err(failed), Outcome::Failed),
            (SessionError::Failed(error), ..) => (Err(Failed::of(peer, error)), Outcome::of(error)),
            (other, ..) => (Err(Failed::because(peer, other)), Outcome::Failed),
        };
        Self { how: how.map_err(Some), stats: Some(session.stats()), outcome }
    }

    /// Of a handshake.
    pub(crate) fn of_handshake(peer: SocketAddr, error: &Error) -> Self {
        Self { how: Err(Some(Failed::of(peer, error))), stats: None, outcome: Outcome::of(error) }
    }

    /// Of a session with which nothing could be begun.
    pub(crate) fn not_served(session: &Session, reason: impl Display) -> Self {
        let peer = session.remote_addr();
        Self { stats: Some(session.stats()), ..Self::because(peer, reason) }
    }

    /// Of something that has not become a session, for a reason that is not the engine's.
    pub(crate) fn because(peer: impl Into<Option<SocketAddr>>, reason: impl Display) -> Self {
        Self { how: Err(Some(Failed::because(peer, reason))), stats: None, outcome: Outcome::Failed }
    }

    /// Of an attempt to connect to one of these addresses.
    pub(crate) fn of_connecting(error: &ConnectError, tried: &[SocketAddr]) -> Self {
        match error {
            ConnectError::Handshake { peer, error, .. } => Self::of_handshake(*peer, error),
            ConnectError::Refused { peer } => Self { outcome: Outcome::NoAnswer, ..Self::because(*peer, error) },
            _ => Self::because(only(tried), error),
        }
    }

    /// Why it failed, to be told later and by somebody else.
    pub(crate) fn take_last_words(&mut self) -> Option<Failed> {
        self.how.as_mut().err().and_then(Option::take)
    }
}

/// The address that was tried, if there was no other: of several it is not told which one failed.
const fn only(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    match addresses {
        [one] => Some(*one),
        _ => None,
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
    fn nobody_is_blamed_where_it_may_have_been_another() {
        let [one, other] = ["127.0.0.1:1", "[::1]:1"].map(|address| address.parse().unwrap());
        assert_eq!((only(&[one]), only(&[one, other]), only(&[])), (Some(one), None, None));
    }

    #[test]
    fn keying_material_that_was_asked_for_and_missed_is_no_good_end() {
        let Pair { client, server, provider, .. } = Pair::new(None);
        let exports = vec!["EXTRACTOR-dtls_srtp:60".parse().unwrap()];
        let report = Report {
            output: Output::Text,
            provider,
            checks: Checks::Nothing,
            exports,
            quiet_data: false,
            sender: None,
        };
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
