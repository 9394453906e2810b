//! `dtls client`: connects, sends, prints what comes back.
//!
//! ```text
//!   thread of the session   connect, then receive ──┐
//!   thread of the input     lines ──────────────────┼─▶ Happening ─▶ run, one after the other
//!   thread of the signals   Ctrl-C, SIGTERM ────────┘      it closes the session, if there is one
//! ```

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, BufRead as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use dtls_core::{CertificateError, Error, ResumptionState, SendError};
use dtls_std::{ConnectError, Limits, Options, Session, SessionError, connect_resuming, connect_with};

use crate::args::{ClientArgs, Datagram, TargetArgs};
use crate::clock::now;
use crate::config::{Afterlife, ClientSetup, warn_of_insecurity};
use crate::losses::does_not_fit;
use crate::output::{Failed, Line, Output, note};
use crate::report::{End, Outcome, Report};
use crate::session_file;
use crate::signals::Interrupts;
use crate::trace::Peers;
use crate::usage::UsageError;
use crate::weather;

/// Does what `dtls client` is asked to do.
pub(crate) fn run(args: &ClientArgs) -> Result<Outcome, UsageError> {
    let keeps_sessions = args.session_in.is_some() || args.session_out.is_some();
    let afterlife = if keeps_sessions { Afterlife::Resumable } else { Afterlife::None };
    let setup = ClientSetup::new(&args.target, &args.common, afterlife)?;
    let resume = match &args.session_in {
        Some(file) => session_file::read(file, &setup.config, setup.server_name.as_ref())?,
        None => None,
    };
    let offered = args.session_in.as_deref().filter(|_| resume.is_some());
    let addresses = args.target.server.resolve()?;
    warn_of_insecurity(&args.common);
    let report = Report {
        output: Output::new(args.common.json),
        provider: Arc::clone(&setup.provider),
        checks: setup.checks,
        exports: args.common.export.clone(),
        quiet_data: false,
        sender: None,
    };
    let (sender, happenings) = mpsc::sync_channel(HAPPENINGS_MAX);
    let begun = Begun::default();
    let (interrupted, to_close) = (sender.clone(), begun.clone());
    let interrupts = Interrupts::handle(move || match to_close.interrupt() {
        // The session's thread then says that it has ended.
        Some(session) => session.close(),
        // When nobody listens, the end has come already.
        None => drop(interrupted.send(Happening::Interrupted)),
    })?;
    let tap = weather::tap(&args.common.weather, args.common.trace.then_some(Peers::One));
    let limits = Limits { idle: args.idle_timeout, ..Limits::default() };
    let options = Options { tap, limits, ..Options::default() };
    let target = Target { setup, addresses: addresses.clone(), resume };
    let thread = spawn_session(target, options, sender.clone(), begun)?;
    let outcome = match first(&happenings) {
        First::Connected(session) => {
            if let Some(file) = offered {
                session_file::tell_outcome(file, &session);
            }
            Client::new(args, report, session, happenings).run(sender)
        }
        // The session's thread may be done before the interruption is told.
        First::NotConnected(ConnectError::Closed) if interrupts.came() => Ok(Outcome::Done),
        First::NotConnected(error) => {
            args.target.hint(&error);
            let end = End::of_connecting(&error, &addresses);
            report.ended(&end);
            Ok(end.outcome)
        }
        // A handshake that takes longer is left to itself: nothing has been said that would have to be taken back.
        First::Interrupted if !is_over_soon(&happenings) => return Ok(Outcome::Done),
        First::Interrupted => Ok(Outcome::Done),
    };
    // Only when the session's thread is gone has everything left that is held back by --delay.
    let _ = thread.join();
    let is_interrupted = interrupts.finish();
    match outcome {
        // Whoever interrupts does not wait for every echo.
        Ok(Outcome::CheckFailed) if is_interrupted => Ok(Outcome::Done),
        outcome => outcome,
    }
}

/// What comes first, the session or the interruption: it is the other that closes the session.
#[derive(Clone, Debug, Default)]
struct Begun(Arc<OnceLock<Weak<Session>>>);

impl Begun {
    /// The handshake is complete. `false` if the client has been interrupted: then the session must be closed.
    fn begin(&self, session: &Arc<Session>) -> bool {
        self.0.set(Arc::downgrade(session)).is_ok()
    }

    /// The client is interrupted. The session that must be closed, if it has begun and is not gone.
    fn interrupt(&self) -> Option<Arc<Session>> {
        // If there is something already, that is what counts.
        let _ = self.0.set(Weak::new());
        self.0.get().and_then(Weak::upgrade)
    }
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

/// Whom to connect to, and how.
struct Target {
    setup: ClientSetup,
    addresses: Vec<SocketAddr>,
    /// The session to go on with.
    resume: Option<ResumptionState>,
}

impl Target {
    fn connect(self, options: Options) -> Result<Session, ConnectError> {
        let Self { setup: ClientSetup { server_name, config, .. }, addresses, resume } = self;
        match &resume {
            None => connect_with(addresses.as_slice(), server_name, config, options),
            Some(state) => connect_resuming(addresses.as_slice(), server_name, config, state, options),
        }
    }
}

/// Connects and receives.
fn spawn_session(
    target: Target,
    options: Options,
    happenings: SyncSender<Happening>,
    begun: Begun,
) -> Result<JoinHandle<()>, UsageError> {
    let run = move || {
        let session = match target.connect(options) {
            Ok(session) => Arc::new(session),
            Err(error) => return drop(happenings.send(Happening::NotConnected(error))),
        };
        if !begun.begin(&session) {
            session.close();
            return drop(happenings.send(Happening::NotConnected(ConnectError::Closed)));
        }
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

/// Whether the session's thread comes to its end within [`GRACE`] of an interruption: the handshake may be complete, and
/// the process must not end before the session is closed.
fn is_over_soon(happenings: &Receiver<Happening>) -> bool {
    matches!(happenings.recv_timeout(GRACE), Ok(Happening::NotConnected(_)))
}

impl TargetArgs {
    /// Says what to do where the name may be the mistake.
    pub(crate) fn hint(&self, error: &ConnectError) {
        let ConnectError::Handshake { error: Error::Certificate(CertificateError::NameMismatch), .. } = error else {
            return;
        };
        let host = self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.server.host);
        note(&format!("the server's certificate is not for {host}; give --name, or trust it by --pin"));
    }
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

impl<'a> Client<'a> {
    fn new(args: &'a ClientArgs, report: Report, session: Arc<Session>, happenings: Receiver<Happening>) -> Self {
        Self { args, report, session, happenings, unanswered: Unanswered::new(args.expect_echo) }
    }

    fn run(mut self, sender: SyncSender<Happening>) -> Result<Outcome, UsageError> {
        let exported = self.report.connected(&self.session).and_then(|()| self.rebind());
        let told = match exported {
            Ok(()) if self.args.datagrams.is_empty() => self.tell_input(sender),
            Ok(()) => self.tell_datagrams(),
            Err(_) => Ok(()),
        };
        self.session.close();
        let (end, mistake) = match told {
            Ok(()) | Err(Stop::Interrupted) => (self.last_words(), None),
            Err(Stop::Ended(end)) => (end, None),
            Err(Stop::Usage(mistake)) => (self.last_words(), Some(mistake)),
        };
        let end = End::of(&self.session, &end, exported);
        let kept = match &self.args.session_out {
            Some(file) if end.outcome == Outcome::Done => session_file::write(file, &self.session),
            _ => Ok(()),
        };
        self.report.ended(&end);
        match mistake.or(kept.err()) {
            Some(mistake) => Err(mistake),
            None if end.outcome == Outcome::Done && self.unanswered.is_echo_missing() => Ok(Outcome::CheckFailed),
            None => Ok(end.outcome),
        }
    }

    /// Goes on at another port, if that is asked for.
    fn rebind(&self) -> Result<(), Failed> {
        if !self.args.rebind {
            return Ok(());
        }
        if self.session.info().connection_ids.is_none_or(|ids| ids.remote.is_empty()) {
            note("--rebind: the server has given us no connection ID, and will not know us again; give it --cid");
        }
        let address = self.session.rebind(None).map_err(|error| {
            Failed::because(self.session.remote_addr(), format!("--rebind: there is no other socket: {error}"))
        })?;
        self.report.output.print(&Line::Rebound(address));
        Ok(())
    }

    /// Sends what the options ask for.
    fn tell_datagrams(&mut self) -> Result<(), Stop> {
        for Datagram { option, payload } in &self.args.datagrams {
            self.send(option, payload)?;
            if self.args.expect_echo {
                self.wait_for_answers()?;
            }
        }
        self.wait_for_answers()
    }

    /// Sends standard input line by line.
    fn tell_input(&mut self, sender: SyncSender<Happening>) -> Result<(), Stop> {
        let (ask, asked) = mpsc::sync_channel(1);
        // The thread is left alone: nothing can wake it but its input.
        let thread = thread::Builder::new().name("dtls-input".to_owned()).spawn(move || read_input(&asked, &sender));
        if let Err(error) = thread {
            return Err(Stop::Usage(UsageError::new(INPUT, format!("no thread can be started to read it: {error}"))));
        }
        while let Some(line) = self.next_input(&ask)? {
            self.send(INPUT, &line)?;
            if self.args.expect_echo {
                self.wait_for_answers()?;
            }
        }
        self.wait_for_answers()
    }

    /// The next line, or `None` at the end. It is read only now, so that no more than one waits to be sent.
    fn next_input(&mut self, ask: &SyncSender<()>) -> Result<Option<Vec<u8>>, Stop> {
        if ask.send(()).is_err() {
            return Ok(None);
        }
        loop {
            match self.happenings.recv() {
                Ok(Happening::Input(line)) => return Ok(Some(line)),
                Ok(Happening::EndOfInput) | Err(_) => return Ok(None),
                Ok(other) => self.handle(other)?,
            }
        }
    }

    /// `source` is blamed if it does not fit.
    fn send(&mut self, source: &str, payload: &[u8]) -> Result<(), Stop> {
        match self.session.send(payload) {
            Ok(()) => {
                self.report.output.print(&Line::Sent(payload));
                self.unanswered.sent(payload, now() + self.args.wait);
                Ok(())
            }
            Err(SessionError::NotSent(SendError::TooLong { max })) => {
                Err(Stop::Usage(UsageError::new(source, does_not_fit(&self.session, payload.len(), max))))
            }
            // What came before the end is still to be told.
            Err(SessionError::Closed | SessionError::Failed(_) | SessionError::Ended(_)) => {
                Err(Stop::Ended(self.last_words()))
            }
            Err(fault) => {
                self.session.close();
                let _ = self.last_words();
                Err(Stop::Ended(fault))
            }
        }
    }

    /// Until everything is answered, or nothing is worth waiting for any more.
    fn wait_for_answers(&mut self) -> Result<(), Stop> {
        while let Some(until) = self.unanswered.until() {
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                break;
            }
            match self.happenings.recv_timeout(left) {
                Ok(happening) => self.handle(happening)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    /// Tells what has come until the session ended; returns how it did. Only for sessions that are over.
    fn last_words(&mut self) -> SessionError {
        loop {
            match self.happenings.recv() {
                Ok(happening) => {
                    if let Err(Stop::Ended(end)) = self.handle(happening) {
                        return end;
                    }
                }
                Err(_) => return SessionError::Closed,
            }
        }
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

/// Reads a line each time it is asked to.
fn read_input(asked: &Receiver<()>, happenings: &SyncSender<Happening>) {
    let mut input = io::stdin().lock();
    for () in asked {
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

/// What has been sent and not been answered, and until when each is waited for.
#[derive(Debug)]
enum Unanswered {
    /// Anything that comes is an answer, to the first that waits for one.
    Anything(VecDeque<Instant>),
    /// Only the same bytes are.
    Echoes(Vec<(Vec<u8>, Instant)>),
}

impl Unanswered {
    const fn new(expect_echo: bool) -> Self {
        if expect_echo { Self::Echoes(Vec::new()) } else { Self::Anything(VecDeque::new()) }
    }

    fn sent(&mut self, payload: &[u8], until: Instant) {
        match self {
            Self::Anything(waiting) => waiting.push_back(until),
            Self::Echoes(waiting) => waiting.push((payload.to_vec(), until)),
        }
    }

    fn received(&mut self, payload: &[u8]) {
        match self {
            Self::Anything(waiting) => drop(waiting.pop_front()),
            Self::Echoes(waiting) => {
                if let Some(place) = waiting.iter().position(|(sent, _)| sent == payload) {
                    waiting.remove(place);
                }
            }
        }
    }

    /// When waiting ends for the last of them: nothing that comes meanwhile makes it longer.
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Anything(waiting) => waiting.back().copied(),
            Self::Echoes(waiting) => waiting.last().map(|(_, until)| *until),
        }
    }

    fn is_echo_missing(&self) -> bool {
        matches!(self, Self::Echoes(waiting) if !waiting.is_empty())
    }
}

/// How many wait to be looked at, at most: a peer that sends faster than we print must not fill the memory.
const HAPPENINGS_MAX: usize = 256;

/// How long whoever interrupts a handshake waits at most: enough for a thread that has its session in hand.
const GRACE: Duration = Duration::from_millis(200);

/// What lines are blamed on that do not fit.
const INPUT: &str = "standard input";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Pair;

    fn is_waiting(unanswered: &Unanswered) -> bool {
        unanswered.until().is_some()
    }

    #[test]
    fn of_a_session_and_an_interruption_the_later_closes() {
        let Pair { client, .. } = Pair::new(None);
        let session = Arc::new(client);
        let begun = Begun::default();
        assert!(begun.begin(&session), "it goes on");
        assert!(begun.interrupt().is_some_and(|to_close| Arc::ptr_eq(&to_close, &session)));
        let begun = Begun::default();
        assert!(begun.interrupt().is_none(), "there is nothing to close yet");
        assert!(!begun.begin(&session), "whoever has it now closes it");
        let begun = Begun::default();
        assert!(begun.begin(&session));
        drop(session);
        assert!(begun.interrupt().is_none(), "it is gone");
    }

    #[test]
    fn an_interrupted_client_ends_with_its_session_if_that_is_soon_over() {
        let (sender, happenings) = mpsc::sync_channel(1);
        sender.send(Happening::NotConnected(ConnectError::Closed)).unwrap();
        assert!(is_over_soon(&happenings));
        assert!(!is_over_soon(&happenings), "nobody waits for a peer that says nothing");
    }

    #[test]
    fn an_echo_is_the_same_bytes_once_for_each_time_they_were_sent() {
        let mut unanswered = Unanswered::new(true);
        for payload in [b"a", b"b", b"a"] {
            unanswered.sent(payload, now());
        }
        unanswered.received(b"c");
        unanswered.received(b"a");
        unanswered.received(b"b");
        assert!(is_waiting(&unanswered));
        unanswered.received(b"b");
        assert!(unanswered.is_echo_missing(), "the second a has not come back");
        unanswered.received(b"a");
        assert!(!is_waiting(&unanswered) && !unanswered.is_echo_missing());
    }

    #[test]
    fn without_echo_anything_is_an_answer() {
        let mut unanswered = Unanswered::new(false);
        unanswered.received(b"unasked");
        unanswered.sent(b"a", now());
        assert!(is_waiting(&unanswered) && !unanswered.is_echo_missing());
        unanswered.received(b"x");
        assert!(!is_waiting(&unanswered));
    }

    #[test]
    fn each_datagram_is_waited_for_until_a_moment_of_its_own() {
        let (first, second) = (now(), now() + Duration::from_secs(1));
        for expect_echo in [true, false] {
            let mut unanswered = Unanswered::new(expect_echo);
            unanswered.sent(b"a", first);
            unanswered.sent(b"b", second);
            unanswered.received(if expect_echo { b"x" } else { b"a" });
            assert_eq!(unanswered.until(), Some(second), "whatever has come");
        }
        let mut unanswered = Unanswered::new(true);
        unanswered.sent(b"a", first);
        unanswered.sent(b"b", second);
        unanswered.received(b"b");
        assert_eq!(unanswered.until(), Some(first), "nobody waits again for what did not come in time");
    }
}
