//! `dtls tunnel`: plain UDP in, one DTLS session for each local sender out; the other half of `dtls server --forward`.
//!
//! ```text
//!   sender ─▶ ┌────────┐ ─▶ thread of all: recv_from ─▶ whose is it? ─▶ session.send ─▶ ┌─────────┐ ─▶
//!             │ socket │                                                               │ session │     dtls server
//!   sender ◀─ └────────┘ ◀─ thread of the sender: send_to ◀─ recv_vec ◀─ connect, then ◀└─────────┘ ◀─
//! ```
//!
//! A server tells clients apart by their address, so each session has a socket of its own; in dtls-std a socket has a
//! thread, and connecting and receiving block. A sender therefore costs two threads, of which one is not ours, until its
//! session has been quiet for long enough; `--max-sessions` says how many there are. The plain socket has one for all.
//!
//! What a sender sends before its handshake is complete waits, within bounds. If the handshake fails that is lost and
//! said; the sender may try again by its next datagram, but not at once: whoever sends a thousand datagrams a second to a
//! server that refuses it must not begin as many handshakes.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use dtls_core::{ClientConfig, SendError};
use dtls_std::{ConnectError, Limits, Options, ServerName, Session, SessionError, connect_with};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::args::{TargetArgs, TunnelArgs};
use crate::both_roles::WeatherArgs;
use crate::config::{Afterlife, ClientSetup, warn_of_insecurity};
use crate::losses::{Losses, does_not_fit};
use crate::output::{Failed, Goodbye, Line, Output, note};
use crate::report::{End, Outcome, Report};
use crate::signals::{Interrupts, StatisticsSignal};
use crate::totals::{Counter, Totals};
use crate::trace::Peers;
use crate::usage::UsageError;
use crate::weather;

/// Does what `dtls tunnel` is asked to do.
pub(crate) fn run(args: &TunnelArgs) -> Result<Outcome, UsageError> {
    let statistics = StatisticsSignal::keep()?;
    let setup = ClientSetup::new(&args.target, &args.common, Afterlife::None)?;
    let addresses = args.target.server.resolve()?;
    let plain = Plain::bind(args.listen).map_err(|error| {
        UsageError::new("--listen", format!("{}: {error}; choose another address, or port 0", args.listen))
    })?;
    warn_of_insecurity(&args.common);
    let output = Output::new(args.common.json);
    let tunnel = Arc::new(Tunnel {
        report: Report {
            output,
            provider: setup.provider,
            checks: setup.checks,
            exports: args.common.export.clone(),
            quiet_data: args.quiet_data,
            sender: None,
        },
        addresses,
        target: args.target.clone(),
        server_name: setup.server_name,
        config: setup.config,
        trace: args.common.trace,
        weather: WeatherArgs { seed: Some(args.common.weather.seed()), ..args.common.weather.clone() },
        idle: args.idle_timeout,
        max_sessions: args.max_sessions,
        is_full: AtomicBool::new(false),
        refused: Counter::default(),
        dropped: Arc::default(),
        plain: plain.socket,
        waker: plain.waker,
        senders: Mutex::default(),
        books: Mutex::default(),
        changed: Condvar::new(),
    });
    let to_close = Arc::clone(&tunnel);
    let interrupts = Interrupts::handle(move || to_close.close())?;
    let to_ask = Arc::downgrade(&tunnel);
    statistics.handle(move || {
        if let Some(tunnel) = to_ask.upgrade() {
            output.print(&Line::Endpoint(&tunnel.totals()));
        }
    })?;
    output.print(&Line::Listening(plain.address));
    let fault = tunnel.carry(plain.poll).err();
    tunnel.close();
    tunnel.wait_until_all_is_closed();
    interrupts.finish();
    output.print(&Line::Endpoint(&tunnel.totals()));
    if let Some(error) = fault {
        output.print(&Line::Failed(&Failed::because(None, format!("nobody can be heard any more: {error}"))));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}

/// The plain socket, and how to wait for it.
struct Plain {
    poll: Poll,
    waker: Waker,
    socket: UdpSocket,
    address: SocketAddr,
}

impl Plain {
    fn bind(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut socket = UdpSocket::bind(address)?;
        let address = socket.local_addr()?;
        poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
        Ok(Self { poll, waker, socket, address })
    }
}

/// A tunnel at work.
struct Tunnel {
    report: Report,
    addresses: Vec<SocketAddr>,
    target: TargetArgs,
    server_name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
    trace: bool,
    /// With a seed, that is the first sender's; each gets the next.
    weather: WeatherArgs,
    idle: Duration,
    max_sessions: usize,
    /// Whether it has been said that there is no room.
    is_full: AtomicBool,
    refused: Counter,
    dropped: Arc<Counter>,
    plain: UdpSocket,
    waker: Waker,
    senders: Mutex<BTreeMap<SocketAddr, Arc<Sender>>>,
    books: Mutex<Books>,
    /// Signalled when a session is closed, or all are to be.
    changed: Condvar,
}

#[derive(Default)]
struct Books {
    is_closing: bool,
    /// How many sessions are connected, until all is said of them and they are dropped.
    open: u64,
    /// Of sessions that have ended, and how many have begun.
    totals: Totals,
}

// --- from senders to the server ---

impl Tunnel {
    /// Takes what comes from local senders, until the tunnel is closed.
    fn carry(self: &Arc<Self>, mut poll: Poll) -> io::Result<()> {
        let mut events = Events::with_capacity(4);
        // Longer than any UDP payload.
        let mut buffer = vec![0; 1 << 16];
        loop {
            match poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut errors = 0;
            while errors < ERRORS_MAX {
                if self.books().is_closing {
                    return Ok(());
                }
                match self.plain.recv_from(&mut buffer) {
                    Ok((len, from)) => self.take(from, buffer.get(..len).unwrap_or_default()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // It tells of a datagram to a sender who is gone, where the system passes that on.
                    Err(_) => errors += 1,
                }
            }
        }
    }

    fn take(self: &Arc<Self>, from: SocketAddr, payload: &[u8]) {
        let known = self.senders().get(&from).cloned();
        let is_passed = known.is_some_and(|sender| self.pass(&sender, payload) == Passed::AsFarAsPossible);
        if !is_passed {
            self.welcome(from, payload);
        }
    }

    fn pass(&self, sender: &Sender, payload: &[u8]) -> Passed {
        let mut way = sender.way();
        let session = match &mut *way {
            Way::Open(session) => Arc::clone(session),
            Way::Waiting(waiting) => {
                if waiting.push(payload).is_err() {
                    let from = sender.address;
                    sender.losses.count(|| format!("{from} sends too much before its handshake is complete"));
                }
                return Passed::AsFarAsPossible;
            }
            Way::Failed => {
                // FAILED has been said.
                self.dropped.count();
                return Passed::AsFarAsPossible;
            }
            Way::Over => return Passed::NotAtAll,
        };
        // Sending may have to wait for room in the session's socket.
        drop(way);
        self.send(sender, &session, payload)
    }

    fn send(&self, sender: &Sender, session: &Session, payload: &[u8]) -> Passed {
        let from = sender.address;
        match session.send(payload) {
            Ok(()) => self.report.data(&Line::Sent(payload)),
            Err(
                SessionError::Closed
                | SessionError::Failed(_)
                | SessionError::Ended(_)
                | SessionError::EndpointEnded(_),
            ) => return Passed::NotAtAll,
            Err(SessionError::NotSent(SendError::TooLong { max })) => {
                let problem = does_not_fit(session, payload.len(), max);
                sender.losses.count(|| format!("a datagram of {from} did not get through: {problem}"));
            }
            Err(error) => sender.losses.count(|| format!("a datagram of {from} did not get through: {error}")),
        }
        Passed::AsFarAsPossible
    }

    /// Begins a session for a sender without one.
    fn welcome(self: &Arc<Self>, from: SocketAddr, payload: &[u8]) {
        let mut senders = self.senders();
        if senders.len() >= self.max_sessions && !senders.contains_key(&from) {
            self.refused.count();
            if !self.is_full.swap(true, Ordering::Relaxed) {
                note(&format!(
                    "--max-sessions: there is no room for {from}, {} senders have a session; raise it, or lower \
                     --idle-timeout (said once until there is room; ENDPOINT counts all that are refused)",
                    senders.len()
                ));
            }
            return;
        }
        self.is_full.store(false, Ordering::Relaxed);
        let mut waiting = Waiting::default();
        let fits = waiting.push(payload);
        let losses = Losses::new(Arc::clone(&self.dropped));
        let sender = Arc::new(Sender { address: from, way: Mutex::new(Way::Waiting(waiting)), losses });
        if fits.is_err() {
            // Longer than anything that could be sent.
            sender.losses.count(|| format!("a datagram of {from} is too long to wait for the handshake"));
        }
        senders.insert(from, Arc::clone(&sender));
        drop(senders);
        let mut books = self.books();
        let number = books.totals.sessions;
        books.totals.sessions += 1;
        drop(books);
        let (tunnel, served) = (Arc::clone(self), Arc::clone(&sender));
        let thread = thread::Builder::new().name("dtls-sender".to_owned());
        if let Err(error) = thread.spawn(move || tunnel.serve(&served, number)) {
            let reason = format!("no thread can be started for it: {error}; lower --max-sessions");
            self.report_of(&sender).ended(&End::because(None, reason));
            self.forget(&sender);
        }
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// It was sent, or waits, or is lost and counted.
    AsFarAsPossible,
    /// The session is over: it can go through another.
    NotAtAll,
}

// --- one sender ---

/// A local sender.
struct Sender {
    address: SocketAddr,
    way: Mutex<Way>,
    losses: Losses,
}

/// How far a sender's session is.
enum Way {
    Waiting(Waiting),
    Open(Arc<Session>),
    /// The handshake has failed, a moment ago.
    Failed,
    Over,
}

impl Sender {
    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tunnel {
    /// Connects, sends what has waited, and passes back what comes, until the session ends.
    fn serve(&self, sender: &Arc<Sender>, number: u64) {
        let report = self.report_of(sender);
        match self.connect(number) {
            Ok(session) => self.serve_session(sender, &report, Arc::new(session)),
            Err(error) => self.not_connected(sender, &report, &error),
        }
    }

    fn connect(&self, number: u64) -> Result<Session, ConnectError> {
        let seed = self.weather.seed.map(|seed| seed.wrapping_add(number));
        let weather = WeatherArgs { seed, ..self.weather.clone() };
        let tap = weather::tap(&weather, self.trace.then_some(Peers::Named));
        let limits = Limits { idle: Some(self.idle), ..Limits::default() };
        let options = Options { tap, limits, ..Options::default() };
        connect_with(self.addresses.as_slice(), self.server_name.clone(), Arc::clone(&self.config), options)
    }

    fn not_connected(&self, sender: &Arc<Sender>, report: &Report, error: &ConnectError) {
        let waiting = core::mem::replace(&mut *sender.way(), Way::Failed);
        if let Way::Waiting(waiting) = waiting {
            waiting.datagrams.iter().for_each(|_| self.dropped.count());
        }
        self.target.hint(error);
        report.ended(&End::of_connecting(error, &self.addresses));
        let mut books = self.books();
        if let ConnectError::Handshake { stats, .. } = error {
            books.totals.add(stats);
        }
        let paused = self.changed.wait_timeout_while(books, PAUSE, |books| !books.is_closing);
        drop(paused);
        self.forget(sender);
    }

    fn serve_session(&self, sender: &Arc<Sender>, report: &Report, session: Arc<Session>) {
        self.books().open += 1;
        let exported = report.connected(&session);
        if exported.is_err() {
            session.close();
        }
        self.send_what_has_waited(sender, &session);
        // Whoever closes the tunnel closes those that are open; this one may have been too late for that.
        if self.books().is_closing {
            session.close();
        }
        let end = loop {
            match session.recv_vec() {
                Ok(payload) => self.pass_back(sender, &payload),
                Err(end) => break end,
            }
        };
        let end = End::of(&session, &end, exported);
        self.forget(sender);
        report.ended(&end);
        drop(session);
        let mut books = self.books();
        books.open -= 1;
        if let Some(stats) = &end.stats {
            books.totals.add(stats);
        }
        if let Ok((_, Goodbye::IdleTimeout)) = end.how {
            books.totals.idle += 1;
        }
        drop(books);
        self.changed.notify_all();
    }

    /// In their order: whatever comes meanwhile waits for the lock.
    fn send_what_has_waited(&self, sender: &Sender, session: &Arc<Session>) {
        let mut way = sender.way();
        if let Way::Waiting(waiting) = &mut *way {
            for payload in core::mem::take(&mut waiting.datagrams) {
                self.send(sender, session, &payload);
            }
        }
        *way = Way::Open(Arc::clone(session));
    }

    fn pass_back(&self, sender: &Sender, payload: &[u8]) {
        self.report.data(&Line::Received(payload));
        if let Err(error) = self.plain.send_to(payload, sender.address) {
            let to = sender.address;
            sender.losses.count(|| format!("a datagram did not get to {to}: {error}"));
        }
    }

    /// The next datagram of the sender begins another session.
    fn forget(&self, sender: &Arc<Sender>) {
        *sender.way() = Way::Over;
        let mut senders = self.senders();
        // It may have begun another already.
        if senders.get(&sender.address).is_some_and(|known| Arc::ptr_eq(known, sender)) {
            senders.remove(&sender.address);
        }
    }

    fn report_of(&self, sender: &Sender) -> Report {
        Report { sender: Some(sender.address), ..self.report.clone() }
    }
}

/// Datagrams that wait for a handshake, as many as there is room for.
#[derive(Debug, Default)]
struct Waiting {
    datagrams: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Waiting {
    const DATAGRAMS_MAX: usize = 64;
    const BYTES_MAX: usize = 1 << 16;

    /// The newest is lost, if any: what was said first is what a protocol begins with.
    fn push(&mut self, payload: &[u8]) -> Result<(), ()> {
        if self.datagrams.len() >= Self::DATAGRAMS_MAX || self.bytes + payload.len() > Self::BYTES_MAX {
            return Err(());
        }
        self.bytes += payload.len();
        self.datagrams.push_back(payload.to_vec());
        Ok(())
    }
}

// --- all of them ---

impl Tunnel {
    /// Closes every session in good order. Handshakes are left to themselves: nothing has been said that would have to
    /// be taken back.
    fn close(&self) {
        self.books().is_closing = true;
        self.changed.notify_all();
        // It can fail only where nobody is there to be woken.
        let _ = self.waker.wake();
        for sender in self.senders().values().cloned().collect::<Vec<_>>() {
            let session = match &*sender.way() {
                Way::Open(session) => Some(Arc::clone(session)),
                Way::Waiting(_) | Way::Failed | Way::Over => None,
            };
            if let Some(session) = session {
                session.close();
            }
        }
    }

    fn wait_until_all_is_closed(&self) {
        drop(self.changed.wait_while(self.books(), |books| books.open > 0));
    }

    fn totals(&self) -> Totals {
        let books = self.books();
        let mut totals =
            Totals { open: books.open, refused: self.refused.so_far(), dropped: self.dropped.so_far(), ..books.totals };
        drop(books);
        for sender in self.senders().values() {
            if let Way::Open(session) = &*sender.way() {
                totals.add(&session.stats());
            }
        }
        totals
    }

    fn senders(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Arc<Sender>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
/// Errors of the plain socket in a row after which it is waited for again.
const ERRORS_MAX: usize = 64;
/// How long a sender whose handshake has failed waits until it may try again.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_waits_and_no_more() {
        let mut many = Waiting::default();
        assert!((0..Waiting::DATAGRAMS_MAX).all(|_| many.push(b"x").is_ok()));
        assert_eq!(many.push(b"x"), Err(()));
        let mut long = Waiting::default();
        assert_eq!(long.push(&vec![0; Waiting::BYTES_MAX - 1]), Ok(()));
        assert_eq!((long.push(b"xy"), long.push(b"x"), long.push(b"")), (Err(()), Ok(()), Ok(())));
    }
}
