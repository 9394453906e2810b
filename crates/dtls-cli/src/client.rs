//! `dtls client`: connects, sends, prints what comes back.
//!
//! ```text
//!   thread of the session   connect, then receive ──┐
//!   thread of the input     lines ──────────────────┼─▶ Happening ─▶ run, one after the other
//!   thread of the signals   Ctrl-C, SIGTERM ────────┘
//! ```

use core::net::SocketAddr;
use std::io::{self, BufRead as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};

use dtls_core::SendError;
use dtls_std::{ConnectError, Options, Session, SessionError, connect_with};

use crate::args::ClientArgs;
use crate::config::{ClientSetup, warn_of_insecurity};
use crate::output::{Failed, Line, Output};
use crate::report::{Outcome, Report, send};
use crate::trace::Peers;
use crate::usage::UsageError;
use crate::weather;

/// Does what `dtls client` is asked to do.
pub(crate) fn run(args: &ClientArgs) -> Result<Outcome, UsageError> {
    let setup = ClientSetup::new(args)?;
    let addresses = args.server.resolve()?;
    warn_of_insecurity(&args.common);
    let report = Report {
        output: Output::new(args.common.json),
        provider: Arc::clone(&setup.provider),
        checks: setup.checks,
        exports: args.common.export.clone(),
    };
    let (sender, happenings) = mpsc::sync_channel(HAPPENINGS_MAX);
    let interrupts = sender.clone();
    ctrlc::set_handler(move || {
        // When nobody listens, the end has come already.
        let _ = interrupts.send(Happening::Interrupted);
    })
    .map_err(|error| UsageError::new("Ctrl-C", format!("cannot be handled: {error}")))?;
    let tap = weather::tap(&args.common.weather, args.common.trace.then_some(Peers::One));
    let thread = spawn_session(setup, addresses.clone(), tap, sender.clone())?;
    let outcome = match first(&happenings) {
        First::Connected(session) => {
            let mut client =
                Client { args, report, session, happenings, unanswered: Unanswered::new(args.expect_echo) };
            client.run(sender)
        }
        First::NotConnected(error) => Ok(not_connected(&report, &addresses, &error)),
        // The handshake is left to itself: nothing has been said that would have to be taken back.
        First::Interrupted => return Ok(Outcome::Done),
    };
    // Only when the session's thread is gone has everything left that is held back by --delay.
    let _ = thread.join();
    outcome
}

/// Something for the client to react to.
#[derive(Debug)]
enum Happening {
    Connected(Arc<Session>),
    NotConnected(ConnectError),
    Received(Vec<u8>),
    Ended(SessionError),
    Input(Vec<u8>),
    EndOfInput,
    Interrupted,
}

/// Connects and receives.
fn spawn_session(
    setup: ClientSetup,
    addresses: Vec<SocketAddr>,
    tap: Option<Box<dyn dtls_std::Tap>>,
    happenings: SyncSender<Happening>,
) -> Result<JoinHandle<()>, UsageError> {
    let options = Options { tap, ..Options::default() };
    let run = move || {
        let session = match connect_with(addresses.as_slice(), setup.server_name, setup.config, options) {
            Ok(session) => Arc::new(session),
            Err(error) => return drop(happenings.send(Happening::NotConnected(error))),
        };
        let mut listened_to = happenings.send(Happening::Connected(Arc::clone(&session)));
        while listened_to.is_ok() {
            listened_to = match session.recv_vec() {
                Ok(payload) => happenings.send(Happening::Received(payload)),
                Err(end) => return drop(happenings.send(Happening::Ended(end))),
            };
        }
    };
    thread::Builder::new()
        .name("dtls-session".to_owned())
        .spawn(run)
        .map_err(|error| UsageError::new("dtls client", format!("no thread can be started: {error}")))
}

/// What comes of the handshake.
enum First {
    Connected(Arc<Session>),
    NotConnected(ConnectError),
    Interrupted,
}

fn first(happenings: &Receiver<Happening>) -> First {
    for happening in happenings {
        match happening {
            Happening::Connected(session) => return First::Connected(session),
            Happening::NotConnected(error) => return First::NotConnected(error),
            Happening::Interrupted => return First::Interrupted,
            // A session comes before what it brings, and input is read only behind it.
            Happening::Received(_) | Happening::Ended(_) | Happening::Input(_) | Happening::EndOfInput => {}
        }
    }
    First::NotConnected(ConnectError::Closed)
}

fn not_connected(report: &Report, addresses: &[SocketAddr], error: &ConnectError) -> Outcome {
    let (peer, outcome) = match error {
        ConnectError::Handshake { peer, error } => return report.handshake_failed(*peer, error),
        ConnectError::Refused { peer } => (Some(*peer), Outcome::NoAnswer),
        _ => (addresses.first().copied(), Outcome::Failed),
    };
    report.output.print(&Line::Failed(&Failed::because(peer, error)));
    outcome
}

/// A client with a session.
struct Client<'a> {
    args: &'a ClientArgs,
    report: Report,
    session: Arc<Session>,
    happenings: Receiver<Happening>,
    unanswered: Unanswered,
}

/// Why a client stops before it has done all.
enum Stop {
    Interrupted,
    Ended(SessionError),
    /// A datagram that cannot be sent, by mistake of the user.
    Usage(UsageError),
}

impl Client<'_> {
    fn run(&mut self, sender: SyncSender<Happening>) -> Result<Outcome, UsageError> {
        if let Err(failed) = self.report.connected(&self.session) {
            self.session.close();
            return Ok(self.report.failed(&self.session, &failed));
        }
        let told = if self.args.datagrams.is_empty() { self.tell_input(sender) } else { self.tell_datagrams() };
        let interrupted = matches!(told, Err(Stop::Interrupted));
        let ended = match told {
            Ok(()) | Err(Stop::Interrupted) => {
                self.session.close();
                self.report.closed(&self.session)
            }
            Err(Stop::Ended(end)) => self.report.ended(&self.session, &end),
            Err(Stop::Usage(error)) => {
                self.session.close();
                self.report.closed(&self.session);
                return Err(error);
            }
        };
        let is_echo_missing = self.args.expect_echo && self.unanswered.any() && !interrupted;
        Ok(if ended == Outcome::Done && is_echo_missing { Outcome::CheckFailed } else { ended })
    }

    /// Sends what the options ask for.
    fn tell_datagrams(&mut self) -> Result<(), Stop> {
        for payload in &self.args.datagrams {
            self.send(payload)?;
            if self.args.expect_echo {
                self.wait_for_answers()?;
            }
        }
        self.wait_for_answers()
    }

    /// Sends standard input line by line.
    fn tell_input(&mut self, sender: SyncSender<Happening>) -> Result<(), Stop> {
        // The thread is left alone: nothing can wake it but its input.
        thread::spawn(move || read_input(&sender));
        loop {
            match self.happenings.recv() {
                Ok(Happening::Input(line)) => self.send(&line)?,
                Ok(Happening::EndOfInput) | Err(_) => return self.wait_for_answers(),
                Ok(other) => self.handle(other)?,
            }
        }
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), Stop> {
        match send(&self.session, payload) {
            Ok(()) => {
                self.report.output.print(&Line::Sent(payload));
                self.unanswered.sent(payload);
                Ok(())
            }
            Err(SessionError::NotSent(SendError::TooLong { max })) => Err(Stop::Usage(UsageError::new(
                "--send",
                format!("{} bytes do not fit, {max} do; send less, or raise --mtu", payload.len()),
            ))),
            Err(end) => Err(Stop::Ended(end)),
        }
    }

    /// Until there are as many answers as datagrams sent, or none has come for a while.
    fn wait_for_answers(&mut self) -> Result<(), Stop> {
        while self.unanswered.any() {
            match self.happenings.recv_timeout(self.args.wait) {
                Ok(happening) => self.handle(happening)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    fn handle(&mut self, happening: Happening) -> Result<(), Stop> {
        match happening {
            Happening::Received(payload) => {
                self.report.output.print(&Line::Received(&payload));
                self.unanswered.received(&payload);
                Ok(())
            }
            Happening::Ended(end) => Err(Stop::Ended(end)),
            Happening::Interrupted => Err(Stop::Interrupted),
            Happening::Connected(_) | Happening::NotConnected(_) | Happening::Input(_) | Happening::EndOfInput => {
                Ok(())
            }
        }
    }
}

fn read_input(happenings: &SyncSender<Happening>) {
    let mut input = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        // Input that cannot be read is at its end.
        if input.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            break;
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if happenings.send(Happening::Input(line.to_vec())).is_err() {
            return;
        }
    }
    let _ = happenings.send(Happening::EndOfInput);
}

/// What has been sent and not been answered.
#[derive(Debug)]
enum Unanswered {
    /// Anything that comes is an answer.
    Count(usize),
    /// Only the same bytes are.
    Echoes(Vec<Vec<u8>>),
}

impl Unanswered {
    const fn new(expect_echo: bool) -> Self {
        if expect_echo { Self::Echoes(Vec::new()) } else { Self::Count(0) }
    }

    fn sent(&mut self, payload: &[u8]) {
        match self {
            Self::Count(count) => *count += 1,
            Self::Echoes(echoes) => echoes.push(payload.to_vec()),
        }
    }

    fn received(&mut self, payload: &[u8]) {
        match self {
            Self::Count(count) => *count = count.saturating_sub(1),
            Self::Echoes(echoes) => {
                if let Some(place) = echoes.iter().position(|sent| sent == payload) {
                    echoes.remove(place);
                }
            }
        }
    }

    fn any(&self) -> bool {
        match self {
            Self::Count(count) => *count > 0,
            Self::Echoes(echoes) => !echoes.is_empty(),
        }
    }
}

/// How many wait to be looked at, at most: a peer that sends faster than we print must not fill the memory.
const HAPPENINGS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_the_same_bytes_once_for_each_time_they_were_sent() {
        let mut unanswered = Unanswered::new(true);
        for payload in [b"a", b"b", b"a"] {
            unanswered.sent(payload);
        }
        unanswered.received(b"c");
        unanswered.received(b"a");
        unanswered.received(b"b");
        assert!(unanswered.any());
        unanswered.received(b"b");
        assert!(unanswered.any(), "the second a has not come back");
        unanswered.received(b"a");
        assert!(!unanswered.any());
    }

    #[test]
    fn without_echo_anything_is_an_answer() {
        let mut unanswered = Unanswered::new(false);
        unanswered.received(b"unasked");
        unanswered.sent(b"a");
        assert!(unanswered.any());
        unanswered.received(b"x");
        assert!(!unanswered.any());
    }
}
