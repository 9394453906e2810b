//! `dtls server --forward`: what comes out of a session goes to a plain UDP service, from a socket of the session's own,
//! by which the service tells sessions apart; what the service answers there goes back into the session.
//!
//! ```text
//!                 ┌─ thread of the session: recv_vec ─▶ send ─▶ ┌────────┐ ─▶
//!   dtls session ─┤                                             │ socket │      service
//!                 └─ thread of all answers: send ◀─ recv ◀───── └────────┘ ◀─
//! ```
//!
//! Threads: a session of dtls-std is waited for by a call that blocks, which takes a thread for each; plain sockets can be
//! waited for all at once, which takes one thread for all. So hundreds of sessions have one thread each, and not two. A
//! service that answers one session without end does not keep the answers of the others: sessions take turns. All of
//! them leave by one socket, and when that is full all have to wait, here as everywhere.
//!
//! A service that does not answer, or is not there, ends nothing: datagrams to it are lost as they would be on their
//! way, and it is told once until it answers again.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use dtls_core::SendError;
use dtls_std::{Session, SessionError};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use crate::losses::{Losses, does_not_fit};
use crate::output::{Line, note};
use crate::report::Report;
use crate::totals::Counter;

/// The way to a service, and the thread that brings its answers.
pub(crate) struct Forward {
    registry: Registry,
    waker: Waker,
    /// Tokens are not used again, so that a late event never means another session.
    next: AtomicUsize,
    ways: Arc<Ways>,
    thread: Option<JoinHandle<()>>,
}

impl Forward {
    const WAKER: Token = Token(0);

    /// `dropped` counts what cannot be passed on.
    pub(crate) fn start(service: SocketAddr, report: Report, dropped: Arc<Counter>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Self::WAKER)?;
        let registry = poll.registry().try_clone()?;
        let ways = Arc::new(Ways {
            service,
            report,
            dropped,
            is_missing: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let for_thread = Arc::clone(&ways);
        let run = move || {
            if let Err(error) = carry_answers(poll, &for_thread) {
                note(&format!("--forward: answers are lost from now on, since they cannot be waited for: {error}"));
            }
        };
        let thread = thread::Builder::new().name("dtls-answers".to_owned()).spawn(run)?;
        Ok(Self { registry, waker, next: AtomicUsize::new(Self::WAKER.0 + 1), ways, thread: Some(thread) })
    }

    /// Carries datagrams there and back until the session ends; returns how it ended.
    ///
    /// # Errors
    /// If there is no socket for it.
    pub(crate) fn serve(&self, session: &Arc<Session>) -> io::Result<SessionError> {
        let way = self.open(session)?;
        let mut at = session.initial_remote_addr();
        loop {
            match session.recv_vec() {
                Ok(payload) => {
                    self.ways.report.moved(session, &mut at);
                    self.ways.report.data(&Line::Received(&payload));
                    self.ways.ask(&way.way, &payload);
                }
                Err(end) => return Ok(end),
            }
        }
    }

    fn open(&self, session: &Arc<Session>) -> io::Result<OpenWay<'_>> {
        let mut socket = own_socket(self.ways.service)?;
        let token = Token(self.next.fetch_add(1, Ordering::Relaxed));
        self.registry.register(&mut socket, token, Interest::READABLE)?;
        let losses = Losses::new(Arc::clone(&self.ways.dropped));
        let way = Arc::new(Way { session: Arc::clone(session), socket, losses });
        self.ways.open().insert(token, Arc::clone(&way));
        Ok(OpenWay { ways: &self.ways, token, way })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.ways.is_closing.store(true, Ordering::SeqCst);
        // It can fail only where the thread is not there to be woken.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed there.
            let _ = thread.join();
        }
    }
}

/// What the threads share.
struct Ways {
    service: SocketAddr,
    report: Report,
    dropped: Arc<Counter>,
    /// Whether the service's host has said that nothing listens there, and nobody has answered since.
    is_missing: AtomicBool,
    is_closing: AtomicBool,
    open: Mutex<BTreeMap<Token, Arc<Way>>>,
}

/// The socket of a session.
struct Way {
    session: Arc<Session>,
    socket: UdpSocket,
    losses: Losses,
}

/// A way that is closed when this is dropped. With the socket go its events.
struct OpenWay<'a> {
    ways: &'a Ways,
    token: Token,
    way: Arc<Way>,
}

impl Drop for OpenWay<'_> {
    fn drop(&mut self) {
        self.ways.open().remove(&self.token);
    }
}

impl Ways {
    fn open(&self) -> MutexGuard<'_, BTreeMap<Token, Arc<Way>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a session's datagram on to the service.
    fn ask(&self, way: &Way, payload: &[u8]) {
        let sent = match way.socket.send(payload) {
            // This is what became of an earlier datagram (ICMP): the present one has not been tried.
            Err(error) if is_refusal(&error) => {
                self.missing();
                way.socket.send(payload)
            }
            sent => sent,
        };
        if let Err(error) = sent {
            let to = self.service;
            let from = way.session.remote_addr();
            way.losses.count(|| format!("--forward: a datagram of {from} did not get to {to}: {error}"));
        }
    }

    /// Passes on what the service has answered to a session, but no more than its turn allows.
    fn answer(&self, way: &Way, buffer: &mut [u8]) -> Turn {
        for _ in 0..TURN_MAX {
            match way.socket.recv(buffer) {
                Ok(len) => {
                    self.is_missing.store(false, Ordering::Relaxed);
                    self.pass_back(way, buffer.get(..len).unwrap_or_default());
                }
                Err(error) if is_refusal(&error) => self.missing(),
                // Nothing more has come. Of other errors it is not known whether they pass; the next datagram tells.
                Err(_) => return Turn::Done,
            }
        }
        Turn::NotDone
    }

    fn pass_back(&self, way: &Way, payload: &[u8]) {
        let to = way.session.remote_addr();
        match way.session.send(payload) {
            Ok(()) => self.report.data(&Line::Sent(payload)),
            Err(SessionError::NotSent(SendError::TooLong { max })) => {
                let problem = does_not_fit(&way.session, payload.len(), max);
                way.losses.count(|| format!("--forward: an answer did not get to {to}: {problem}"));
            }
            // The session's own thread says so.
            Err(
                SessionError::Closed
                | SessionError::Failed(_)
                | SessionError::Ended(_)
                | SessionError::EndpointEnded(_),
            ) => {}
            Err(error) => way.losses.count(|| format!("--forward: an answer did not get to {to}: {error}")),
        }
    }

    fn missing(&self) {
        if !self.is_missing.swap(true, Ordering::Relaxed) {
            note(&format!("--forward: nothing listens at {}; start the service, or check the address", self.service));
        }
    }
}

/// Whether somebody has had enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Done,
    NotDone,
}

fn carry_answers(mut poll: Poll, ways: &Ways) -> io::Result<()> {
    let mut events = Events::with_capacity(1024);
    // Longer than any UDP payload.
    let mut buffer = vec![0; 1 << 16];
    let mut turns = BTreeSet::new();
    while !ways.is_closing.load(Ordering::SeqCst) {
        match poll.poll(&mut events, if turns.is_empty() { None } else { Some(Duration::ZERO) }) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        turns.extend(events.iter().map(|event| event.token()));
        for token in core::mem::take(&mut turns) {
            // Those that are closed have no turn any more, nor has the waker.
            let way = ways.open().get(&token).cloned();
            if way.is_some_and(|way| ways.answer(&way, &mut buffer) == Turn::NotDone) {
                turns.insert(token);
            }
        }
    }
    Ok(())
}

/// A socket that is connected to the service, so that nobody else can answer, and its host can say that nothing
/// listens.
fn own_socket(service: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match service {
        SocketAddr::V4(_) => std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.connect(service)?;
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket))
}

fn is_refusal(error: &io::Error) -> bool {
    // Windows has the second for it.
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

/// How many answers a session gets before the others have theirs.
const TURN_MAX: usize = 32;
