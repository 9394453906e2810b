//! What the handles of one socket and its thread share: the sessions, the socket and who waits for what.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use dtls_core::{ClientConfig, Error, Event, Instant, Role, SendError, ServerConfig, Stats};
use dtls_endpoint::{Admission, Handle};
use rustls_pki_types::ServerName;

use crate::clock::Clock;
use crate::endpoint::Options;
use crate::error::{AcceptError, ConnectError};
use crate::session::{End, Peer};
use crate::tap::{self, Tap};
use crate::worker::Worker;

/// One socket, its sessions and its thread.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Signalled when there is somebody to accept, or nobody will come any more.
    arrived: Arc<Condvar>,
    /// Interrupts the thread's wait.
    waker: mio::Waker,
    clock: Clock,
    local_addr: SocketAddr,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// Takes a bound socket and starts its thread.
    pub(crate) fn start(
        socket: UdpSocket,
        server: Option<Arc<ServerConfig>>,
        options: Options,
    ) -> io::Result<Arc<Self>> {
        socket.set_nonblocking(true)?;
        let local_addr = socket.local_addr()?;
        let clock = Clock::new();
        let endpoint = dtls_endpoint::Endpoint::new(clock.now(), server, options.cookies, options.limits)
            .map_err(io::Error::other)?;
        let (worker, waker) = Worker::new(socket.try_clone()?)?;
        let arrived = Arc::new(Condvar::new());
        let state = State {
            endpoint,
            socket: Some(socket),
            tap: options.tap,
            door: Door::Open,
            peers: BTreeMap::new(),
            early: None,
            backlog: VecDeque::new(),
            arrived: Arc::clone(&arrived),
            send_fault: None,
            wakes_at: None,
            out: Vec::new(),
        };
        let thread = Mutex::new(None);
        let shared = Arc::new(Self { state: Mutex::new(state), arrived, waker, clock, local_addr, thread });
        let for_worker = Arc::clone(&shared);
        // The system shows 15 bytes of it.
        let name = format!("dtls-{}", local_addr.port());
        *shared.thread() = Some(thread::Builder::new().name(name).spawn(move || worker.run(&for_worker))?);
        Ok(shared)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Lets `change` happen, sends what comes of it, and interrupts the thread's wait if it must not last as long as
    /// it would.
    pub(crate) fn act<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        let now = self.now();
        let result = change(&mut state, now);
        state.flush(now);
        let deadline = state.endpoint.poll_timeout();
        let is_earlier = deadline.is_some_and(|deadline| state.wakes_at.is_none_or(|wakes_at| deadline < wakes_at));
        if is_earlier || state.is_done() {
            state.wakes_at = deadline;
            // A thread that has ended need not be woken, and nothing else can be wrong with it.
            let _ = self.waker.wake();
        }
        result
    }

    // --- sessions ---

    /// Begins a handshake; its first flight has left when this returns.
    pub(crate) fn begin(
        &self,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
    ) -> Result<Arc<Peer>, ConnectError> {
        self.act(|state, now| state.begin(now, to, server_name, config))
    }

    pub(crate) fn end_session(&self, handle: Handle, ending: Ending) {
        self.act(|state, now| state.end(&[handle], ending, now));
    }

    /// Ends a session of which nothing more will be asked; gives what it has counted.
    pub(crate) fn release_session(&self, handle: Handle, ending: Ending) -> Stats {
        self.act(|state, now| {
            state.end(&[handle], ending, now);
            state.release(handle)
        })
    }

    /// Waits for the next arrival; `None` when the time is up.
    pub(crate) fn next_arrival(&self, timeout: Option<Duration>) -> Option<Arrival> {
        let nobody_yet = |state: &mut State| state.backlog.is_empty() && state.door == Door::Open;
        let state = self.lock();
        let mut state = match timeout {
            None => self.arrived.wait_while(state, nobody_yet).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.arrived.wait_timeout_while(state, timeout, nobody_yet).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let arrival = state.backlog.pop_front();
        arrival.or(if state.door == Door::Open { None } else { Some(Arrival::Failed(AcceptError::Closed)) })
    }

    /// Nobody is accepted any more; sessions that somebody holds go on, all others end.
    pub(crate) fn shut(&self, whom: Whom, ending: Ending) {
        self.act(|state, now| state.shut(whom, ending, now));
    }

    // --- the thread ---

    /// If nothing is left to do, waits until the thread has ended and the socket is closed.
    pub(crate) fn join_if_done(&self) {
        if !self.lock().is_done() {
            return;
        }
        // The lock is held meanwhile, so that everyone who comes waits for the end.
        let mut thread = self.thread();
        if let Some(thread) = thread.take() {
            // A thread that has panicked has ended, too.
            let _ = thread.join();
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody to accept, or word of somebody who failed.
#[derive(Debug)]
pub(crate) enum Arrival {
    Connected(Arc<Peer>),
    Failed(AcceptError),
}

/// How sessions are ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// With a close_notify.
    Close,
    /// Without a word.
    Abort,
}

/// Whose sessions end when the door is shut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom {
    All,
    /// Those that no [`Session`](crate::Session) stands for.
    Unclaimed,
}

/// Whether sessions can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Shut,
}

/// Everything behind the lock.
pub(crate) struct State {
    endpoint: dtls_endpoint::Endpoint<SocketAddr>,
    /// `None` once the thread has ended.
    socket: Option<UdpSocket>,
    pub(crate) tap: Option<Box<dyn Tap>>,
    door: Door,
    /// Sessions that somebody has an interest in, handshakes that we began and all that were established, until they
    /// are released.
    peers: BTreeMap<Handle, Arc<Peer>>,
    /// A client whose payload has come with the end of its handshake, before the event that says so.
    early: Option<Arc<Peer>>,
    /// Who has arrived and was not accepted.
    backlog: VecDeque<Arrival>,
    arrived: Arc<Condvar>,
    /// The last datagram that the socket did not take, and why.
    send_fault: Option<(SocketAddr, io::Error)>,
    /// Until when the thread would wait.
    pub(crate) wakes_at: Option<Instant>,
    /// Kept for its capacity.
    out: Vec<u8>,
}

impl State {
    /// Failed handshakes that wait to be reported at most. Only a client whose address was verified can make one.
    const FAILURES_MAX: usize = 64;

    pub(crate) const fn endpoint(&self) -> &dtls_endpoint::Endpoint<SocketAddr> {
        &self.endpoint
    }

    pub(crate) const fn endpoint_mut(&mut self) -> &mut dtls_endpoint::Endpoint<SocketAddr> {
        &mut self.endpoint
    }

    /// Whether the thread has nothing left to do, ever.
    pub(crate) fn is_done(&self) -> bool {
        self.door == Door::Shut && self.endpoint.sessions().len() == 0
    }

    // --- datagrams ---

    pub(crate) fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        if let Some(tap) = &mut self.tap {
            tap.received(from, datagram);
        }
        self.early = None;
        for (handle, payload) in self.endpoint.receive(now, from, datagram) {
            let early = &mut self.early;
            let known = self.peers.get(&handle);
            let peer = known.unwrap_or_else(|| early.get_or_insert_with(|| Arc::new(Peer::new(handle, from))));
            peer.change(|inbox| inbox.push(payload));
        }
    }

    /// The host of a connected socket's peer says that nothing listens there.
    pub(crate) fn on_refusal(&mut self) {
        let peer_addr = self.socket.as_ref().and_then(|socket| socket.peer_addr().ok());
        let handle = peer_addr.and_then(|address| self.endpoint.session_at(&address));
        if let Some(peer) = handle.and_then(|handle| self.peers.get(&handle)) {
            peer.change(|inbox| inbox.is_refused = true);
        }
    }

    /// Seals and sends one datagram of a user.
    pub(crate) fn send(&mut self, handle: Handle, payload: &[u8]) -> Result<io::Result<()>, SendError> {
        let mut out = core::mem::take(&mut self.out);
        out.clear();
        let sent = self.endpoint.send(handle, payload, &mut out).map(|to| self.transmit(to, &out));
        self.out = out;
        sent
    }

    fn transmit(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        match self.transmit_once(to, datagram) {
            // This is what became of an earlier datagram (ICMP); the present one has not been tried.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.on_refusal();
                self.transmit_once(to, datagram)
            }
            sent => sent,
        }
    }

    fn transmit_once(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        match &mut self.tap {
            Some(tap) => tap.send(socket, to, datagram),
            None => tap::send(socket, to, datagram),
        }
    }

    /// Sends what there is to send, and tells who waits for what has happened.
    pub(crate) fn flush(&mut self, now: Instant) {
        let mut out = core::mem::take(&mut self.out);
        loop {
            out.clear();
            let Some(to) = self.endpoint.poll_transmit(now, &mut out) else { break };
            // As if lost on its way: what matters is sent again.
            if let Err(error) = self.transmit(to, &out) {
                self.send_fault = Some((to, error));
            }
        }
        self.out = out;
        while let Some((handle, address, event)) = self.endpoint.poll_event() {
            self.on_event(handle, address, event);
        }
    }

    // --- sessions ---

    fn begin(
        &mut self,
        now: Instant,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
    ) -> Result<Arc<Peer>, ConnectError> {
        if self.door == Door::Shut {
            return Err(ConnectError::Closed);
        }
        let handle = self.endpoint.connect(now, to, config, server_name)?;
        let peer = Arc::new(Peer::new(handle, to));
        self.peers.insert(handle, Arc::clone(&peer));
        self.send_fault = None;
        self.flush(now);
        match self.send_fault.take() {
            // No route, say: repeating the flight would not help.
            Some((at, error)) if at == to && !is_passing(&error) => {
                self.end(&[handle], Ending::Abort, now);
                self.release(handle);
                Err(ConnectError::Socket(error))
            }
            _ => Ok(peer),
        }
    }

    fn on_event(&mut self, handle: Handle, address: SocketAddr, event: Event) {
        match event {
            Event::Connected => self.on_connected(handle, address),
            Event::Closed => self.over(handle, End::Closed),
            Event::Failed(error) if self.peers.contains_key(&handle) => self.over(handle, End::Failed(error)),
            Event::Failed(error) => self.on_failed_client(handle, address, error),
            _ => {}
        }
    }

    fn on_connected(&mut self, handle: Handle, address: SocketAddr) {
        let Some(info) = self.endpoint.info(handle).cloned() else { return };
        // One copy is enough.
        drop(self.endpoint.take_peer_certificates(handle));
        let role = info.role;
        let early = self.early.take().filter(|early| early.handle == handle);
        let peer = self.peers.entry(handle);
        let peer = peer.or_insert_with(|| early.unwrap_or_else(|| Arc::new(Peer::new(handle, address))));
        peer.change(|inbox| inbox.info = Some(Arc::new(info)));
        if role == Role::Server {
            self.backlog.push_back(Arrival::Connected(Arc::clone(peer)));
            self.arrived.notify_one();
        }
    }

    fn on_failed_client(&mut self, handle: Handle, peer: SocketAddr, error: Error) {
        let stats = Box::new(self.release(handle));
        let failures = self.backlog.iter().filter(|arrival| matches!(arrival, Arrival::Failed(_))).count();
        if failures < Self::FAILURES_MAX {
            self.backlog.push_back(Arrival::Failed(AcceptError::Handshake { peer, error, stats }));
            self.arrived.notify_one();
        }
    }

    /// Tells a session's user that it is over.
    fn over(&self, handle: Handle, end: End) {
        if let Some(peer) = self.peers.get(&handle) {
            peer.change(|inbox| inbox.end = inbox.end.take().or(Some(end)));
        }
    }

    pub(crate) fn session_stats(&self, handle: Handle) -> Stats {
        self.endpoint.session_stats(handle).cloned().unwrap_or_default()
    }

    /// Nothing more will be asked of a session; gives what it has counted.
    fn release(&mut self, handle: Handle) -> Stats {
        let stats = self.session_stats(handle);
        self.endpoint.release(handle);
        self.peers.remove(&handle);
        stats
    }

    /// Ends sessions from our side; what they have to say has left when this returns.
    fn end(&mut self, handles: &[Handle], ending: Ending, now: Instant) {
        for handle in handles {
            match ending {
                Ending::Close => self.endpoint.close(*handle),
                Ending::Abort => self.endpoint.abort(*handle),
            }
        }
        self.flush(now);
        for handle in handles {
            self.over(*handle, End::Closed);
        }
    }

    fn shut(&mut self, whom: Whom, ending: Ending, now: Instant) {
        self.door = Door::Shut;
        self.endpoint.set_admission(Admission::Busy);
        let waiting: Vec<Handle> = self.backlog.drain(..).filter_map(Arrival::handle).collect();
        let is_claimed = |handle: &Handle| self.peers.contains_key(handle) && !waiting.contains(handle);
        let (claimed, mut unclaimed): (Vec<_>, Vec<_>) = self.endpoint.sessions().partition(is_claimed);
        self.end(&unclaimed, ending, now);
        if let Whom::All = whom {
            self.end(&claimed, ending, now);
        }
        // Those, too, that were over before anyone accepted them.
        unclaimed.extend(waiting);
        for handle in unclaimed {
            self.release(handle);
        }
        self.arrived.notify_all();
    }

    /// The thread is about to end, with `end` for whoever still has a session.
    pub(crate) fn retire(&mut self, end: &End) {
        self.door = Door::Shut;
        self.socket = None;
        for handle in self.peers.keys() {
            self.over(*handle, end.clone());
        }
        self.arrived.notify_all();
    }
}

impl Arrival {
    fn handle(self) -> Option<Handle> {
        match self {
            Self::Connected(peer) => Some(peer.handle),
            Self::Failed(_) => None,
        }
    }
}

/// Whether the same datagram may well be taken a little later.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused)
}
