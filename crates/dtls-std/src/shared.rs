//! What the handles of one socket and its thread share: the sessions, the socket and who waits for what.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Instant as SystemInstant;

use dtls_core::{Answer, ClientConfig, Error, Instant, ResumptionState, Role, ServerConfig, Stats};
use dtls_endpoint::{Admission, Event, Handle};
use rustls_pki_types::ServerName;

use crate::addresses::{AddressNews, WatchAddresses};
use crate::clock::Clock;
use crate::deciders::{Asker, Deciders};
use crate::endpoint::as_peer;
use crate::error::{AcceptError, ConnectError, SessionError};
use crate::hub::Hub;
use crate::options::Options;
use crate::session::{End, Peer, told_again};
use crate::socket::Intake;
use crate::worker::Worker;

/// One socket, its sessions and its thread.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Signalled when there is somebody to accept, or nobody will come any more.
    arrived: Arc<Condvar>,
    /// Signalled when something has left, or never will.
    room: Arc<Condvar>,
    /// Interrupts the thread's wait.
    waker: mio::Waker,
    clock: Clock,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// Takes a bound socket and starts its thread.
    pub(crate) fn start(
        socket: UdpSocket,
        server: Option<Arc<ServerConfig>>,
        mut options: Options,
    ) -> io::Result<Arc<Self>> {
        let backlog_max = options.backlog.max(1);
        let (deciders, address_watcher) = (options.deciders.take(), options.address_watcher.take());
        let hub = Hub::new(socket, server, options)?;
        let (local_addr, clock) = (hub.local_addr(), hub.clock());
        let (worker, waker) = Worker::new(hub.intake(Worker::BATCH)?)?;
        let (arrived, room) = (Arc::new(Condvar::new()), Arc::new(Condvar::new()));
        let state = |this: &Weak<Self>| State {
            this: Weak::clone(this),
            hub,
            new_intake: None,
            deciders,
            address_watcher,
            door: Door::Open,
            is_busy: false,
            ended: None,
            fault: None,
            peers: BTreeMap::new(),
            early: None,
            backlog: VecDeque::new(),
            backlog_max,
            arrived: Arc::clone(&arrived),
            room: Arc::clone(&room),
            waiting: 0,
            wait: Wait::default(),
        };
        let shared = Arc::new_cyclic(|this| Self {
            state: Mutex::new(state(this)),
            arrived: Arc::clone(&arrived),
            room: Arc::clone(&room),
            waker,
            clock,
            thread: Mutex::new(None),
        });
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

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.lock().hub.local_addr()
    }

    /// The system's name for a moment.
    pub(crate) fn at(&self, moment: Instant) -> SystemInstant {
        self.clock.at(moment)
    }

    /// Lets `change` happen, sends what comes of it, and interrupts the thread's wait if it must not last as long as
    /// it would.
    pub(crate) fn act<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        // Dropped behind the lock.
        let _relief = Relief { shared: self };
        let mut state = self.lock();
        let now = self.now();
        let result = change(&mut state, now);
        state.flush(now);
        self.interrupt_if_needed(&mut state);
        result
    }

    /// Waits as long as the state is such, or until the time is up, for what a flush may change.
    fn wait_while(&self, timeout: Option<Duration>, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.waiting += 1;
        let is_so = |state: &mut State| is_so(state);
        let mut state = match timeout {
            None => self.room.wait_while(state, is_so).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.room.wait_timeout_while(state, timeout, is_so).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.waiting -= 1;
        state
    }

    fn interrupt_if_needed(&self, state: &mut State) {
        let wait = state.next_wait();
        let is_earlier = wait.until.is_some_and(|until| state.wait.until.is_none_or(|before| until < before));
        let is_for_more = wait.for_room && !state.wait.for_room;
        if is_earlier || is_for_more || state.is_done() {
            state.wait = wait;
            // A thread that has ended need not be woken, and nothing else can be wrong with it.
            let _ = self.waker.wake();
        }
    }

    // --- sessions ---

    /// Begins a handshake; its first flight has left when this returns, unless the socket is full.
    pub(crate) fn begin(
        &self,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
        resume: Option<&ResumptionState>,
    ) -> Result<Arc<Peer>, ConnectError> {
        self.act(|state, now| state.begin(now, to, server_name, (config, resume)))
    }

    /// Seals and sends datagrams of a user; waits while the socket has no room. Says how many were sent, or why the first
    /// was not.
    pub(crate) fn send<'p>(
        &self,
        handle: Handle,
        payloads: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<usize, SessionError> {
        let mut state = self.lock();
        if state.hub.wants_room() {
            drop(state);
            state = self.wait_while(Some(Hub::PATIENCE), |state| state.hub.wants_room());
        }
        let sent = state.hub.send(handle, payloads);
        if state.hub.wants_room() {
            self.interrupt_if_needed(&mut state);
        }
        sent
    }

    pub(crate) fn end_session(&self, handle: Handle, ending: Ending) {
        self.act(|state, now| state.end(&[handle], ending, now));
    }

    /// Waits until all that an ended session has to say has left.
    pub(crate) fn wait_left(&self, handle: Handle) {
        drop(self.wait_while(None, |state| state.is_leaving(handle)));
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
        state.update_admission();
        arrival.or_else(|| match &state.fault {
            Some(error) => Some(Arrival::Failed(AcceptError::Socket(told_again(error)))),
            None if state.door == Door::Shut => Some(Arrival::Failed(AcceptError::Closed)),
            None => None,
        })
    }

    /// Nobody is accepted any more; sessions that somebody holds go on, all others end.
    pub(crate) fn shut(&self, whom: Whom, ending: Ending) {
        self.act(|state, now| state.shut(whom, ending, now));
    }

    /// Goes on at another local address; the thread follows.
    pub(crate) fn rebind(&self, local: Option<SocketAddr>) -> io::Result<SocketAddr> {
        let rebound = self.act(|state, _| {
            let local_addr = state.hub.rebind(local)?;
            state.new_intake = Some(state.hub.intake(Worker::BATCH)?);
            Ok(local_addr)
        });
        if rebound.is_ok() {
            self.waker.wake()?;
        }
        rebound
    }

    // --- the thread ---

    /// What the thread is to read from, if that is not what it was.
    pub(crate) fn take_new_intake(&self) -> Option<Intake> {
        self.lock().new_intake.take()
    }

    /// Does what is due, and says what the thread is to wait for; `None` when nothing is left to do.
    pub(crate) fn proceed(&self) -> Option<Wait> {
        let mut state = self.lock();
        let now = self.now();
        state.hub.endpoint_mut().handle_timeout(now);
        state.flush(now);
        state.wait = state.next_wait();
        if state.is_done() { None } else { Some(state.wait) }
    }

    /// After all sessions were ended: waits until all is sent, the thread has ended and the socket is closed.
    pub(crate) fn join(&self) {
        drop(self.wait_while(None, |state| !state.is_done()));
        self.join_if_done();
    }

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

    /// The thread is about to end, because nothing is left to do or because of a fault.
    pub(crate) fn retire(&self, fault: Option<io::Error>) {
        let mut state = self.lock();
        let now = self.now();
        state.retire(fault, now);
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// If a callback panics in a caller's thread, has the socket's thread do what the call has left undone.
struct Relief<'a> {
    shared: &'a Shared,
}

impl Drop for Relief<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // A thread that has ended has left nothing undone.
            let _ = self.shared.waker.wake();
        }
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
    /// What it is the state of.
    this: Weak<Shared>,
    pub(crate) hub: Hub,
    /// There from when the socket has become another until the thread knows.
    new_intake: Option<Intake>,
    /// Who answers what sessions ask.
    deciders: Option<Deciders>,
    /// Who is told of peers whose address changes.
    address_watcher: Option<Arc<dyn WatchAddresses>>,
    door: Door,
    /// Whether the user wants no new clients.
    is_busy: bool,
    /// When the thread ended.
    pub(crate) ended: Option<Instant>,
    /// Why the thread has ended before its time.
    fault: Option<Arc<io::Error>>,
    /// Sessions that somebody has an interest in, handshakes that we began and all that were established, until they
    /// are released.
    peers: BTreeMap<Handle, Arc<Peer>>,
    /// A client whose payload has come with the end of its handshake, before the event that says so.
    early: Option<Arc<Peer>>,
    /// Who has arrived and was not accepted.
    backlog: VecDeque<Arrival>,
    /// How many of them can be sessions before new clients are not welcome.
    backlog_max: usize,
    arrived: Arc<Condvar>,
    room: Arc<Condvar>,
    /// How many threads wait for `room`.
    pub(crate) waiting: usize,
    /// What the thread waits for.
    wait: Wait,
}

impl State {
    /// Failed handshakes that wait to be reported at most. Only a client whose address was verified can make one.
    const FAILURES_MAX: usize = 64;

    pub(crate) const fn endpoint(&self) -> &dtls_endpoint::Endpoint<SocketAddr> {
        self.hub.endpoint()
    }

    /// The endpoint, to be asked about a session that may rest.
    pub(crate) fn awake(&mut self, session: Handle) -> &dtls_endpoint::Endpoint<SocketAddr> {
        self.endpoint_mut().wake(session);
        self.endpoint()
    }

    pub(crate) const fn endpoint_mut(&mut self) -> &mut dtls_endpoint::Endpoint<SocketAddr> {
        self.hub.endpoint_mut()
    }

    /// Whether the thread has nothing left to do, ever.
    pub(crate) fn is_done(&self) -> bool {
        self.ended.is_some() || self.door == Door::Shut && self.endpoint().is_empty()
    }

    /// What the thread should wait for.
    fn next_wait(&mut self) -> Wait {
        let retry_at = self.hub.retry_at();
        let until = self.hub.next_deadline().into_iter().chain(retry_at).min();
        Wait { until, for_room: self.hub.wants_room() && retry_at.is_none() }
    }

    // --- datagrams ---

    /// Takes the datagrams of one call of the system.
    pub(crate) fn receive(&mut self, now: Instant, intake: &mut Intake) {
        for (from, datagram) in intake.datagrams() {
            let from = as_peer(from);
            self.early = None;
            let (peers, early) = (&self.peers, &mut self.early);
            self.hub.receive(now, from, datagram, |handle, payload| {
                let known = peers.get(&handle);
                let peer = known.unwrap_or_else(|| early.get_or_insert_with(|| Arc::new(Peer::new(handle, from))));
                peer.change(|inbox| inbox.push(payload));
            });
            self.flush(now);
        }
    }

    pub(crate) fn on_socket_error(&mut self, error: &io::Error) {
        self.hub.on_socket_error(error);
        self.tell_refused();
    }

    fn tell_refused(&mut self) {
        if let Some(peer) = self.hub.poll_refused().and_then(|handle| self.peers.get(&handle)) {
            peer.change(|inbox| inbox.is_refused = true);
        }
    }

    /// Sends what there is to send, and tells who waits for what has happened.
    fn flush(&mut self, now: Instant) {
        self.hub.flush(now);
        while self.tell(now) == Told::MoreToSend {
            self.hub.flush(now);
        }
        // Whatever they wait for, room or that the last word of a session has left or was lost, comes about here.
        if self.waiting > 0 {
            self.room.notify_all();
        }
    }

    /// Tells who waits for what has happened.
    fn tell(&mut self, now: Instant) -> Told {
        self.tell_refused();
        let mut told = Told::All;
        while let Some((handle, address, event)) = self.hub.poll_event() {
            match event {
                Event::Asked if !self.is_taken(handle, address) => {
                    // Nobody will ever answer: the peer need not wait for that.
                    let _ = self.endpoint_mut().answer(now, handle, Answer::Failed);
                    told = Told::MoreToSend;
                }
                event => self.on_event(handle, address, event),
            }
        }
        told
    }

    // --- sessions ---

    fn begin(
        &mut self,
        now: Instant,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        (config, resume): (Arc<ClientConfig>, Option<&ResumptionState>),
    ) -> Result<Arc<Peer>, ConnectError> {
        if let Some(error) = &self.fault {
            return Err(ConnectError::Socket(told_again(error)));
        }
        if self.door == Door::Shut {
            return Err(ConnectError::Closed);
        }
        let handle = self.hub.connect(to, server_name, config, resume)?;
        let peer = Arc::new(Peer::new(handle, to));
        self.peers.insert(handle, Arc::clone(&peer));
        self.flush(now);
        Ok(peer)
    }

    fn on_event(&mut self, handle: Handle, address: SocketAddr, event: Event) {
        match event {
            Event::Connected => self.on_connected(handle, address),
            Event::Closed => self.over(handle, End::Closed),
            Event::Failed(error) if self.peers.contains_key(&handle) => self.over(handle, End::Failed(error)),
            Event::Failed(error) => self.on_failed_client(handle, address, error),
            Event::Ended(reason) if self.peers.contains_key(&handle) => self.over(handle, End::Ended(reason)),
            // A client that nobody has been told of.
            Event::Ended(_) => drop(self.release(handle)),
            Event::SeenElsewhere => {
                let seen_at = self.endpoint().seen_at(handle).copied();
                self.on_address_news(handle, Some(address), seen_at, false);
            }
            Event::AddressChanged => {
                let previous = self.endpoint().previous_address(handle).copied();
                self.on_address_news(handle, previous, Some(address), true);
            }
            _ => {}
        }
    }

    fn on_address_news(&self, session: Handle, from: Option<SocketAddr>, to: Option<SocketAddr>, is_followed: bool) {
        if let (Some(watcher), Some(from), Some(to)) = (&self.address_watcher, from, to) {
            watcher.on_news(&AddressNews { session, from, to, is_followed });
        }
    }

    /// Whether somebody is going to answer what a session asks.
    fn is_taken(&self, handle: Handle, address: SocketAddr) -> bool {
        let asker = Asker::new(Weak::clone(&self.this), handle, address, self.hub.local_addr());
        self.deciders.as_ref().is_some_and(|deciders| deciders.take(asker))
    }

    fn on_connected(&mut self, handle: Handle, address: SocketAddr) {
        let Some(info) = self.endpoint().info(handle).cloned() else { return };
        // One copy is enough.
        drop(self.endpoint_mut().take_peer_certificates(handle));
        let role = info.role;
        let early = self.early.take().filter(|early| early.handle == handle);
        let peer = self.peers.entry(handle);
        let peer = peer.or_insert_with(|| early.unwrap_or_else(|| Arc::new(Peer::new(handle, address))));
        peer.change(|inbox| inbox.info = Some(Arc::new(info)));
        if role == Role::Server {
            self.backlog.push_back(Arrival::Connected(Arc::clone(peer)));
            self.update_admission();
            self.arrived.notify_one();
        }
    }

    /// New clients are welcome while the door is open and they can be accepted in time.
    fn update_admission(&mut self) {
        let waiting = self.backlog.iter().filter(|arrival| matches!(arrival, Arrival::Connected(_))).count();
        let is_welcome = self.door == Door::Open && !self.is_busy && waiting < self.backlog_max;
        self.endpoint_mut().set_admission(if is_welcome { Admission::Open } else { Admission::Busy });
    }

    pub(crate) fn set_busy(&mut self, is_busy: bool) {
        self.is_busy = is_busy;
        self.update_admission();
    }

    pub(crate) const fn is_busy(&self) -> bool {
        self.is_busy
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

    pub(crate) fn session_stats(&mut self, handle: Handle) -> Stats {
        self.awake(handle).session_stats(handle).cloned().unwrap_or_default()
    }

    /// Nothing more will be asked of a session; gives what it has counted.
    fn release(&mut self, handle: Handle) -> Stats {
        let stats = self.session_stats(handle);
        self.endpoint_mut().release(handle);
        self.peers.remove(&handle);
        stats
    }

    /// Whether a session that is over still has something to say.
    fn is_leaving(&self, handle: Handle) -> bool {
        self.ended.is_none() && !self.endpoint().is_drained(handle)
    }

    /// Ends sessions from our side; what they have to say has left when this returns, unless the socket is full.
    fn end(&mut self, handles: &[Handle], ending: Ending, now: Instant) {
        for handle in handles {
            match ending {
                Ending::Close => self.endpoint_mut().close(*handle),
                Ending::Abort => self.endpoint_mut().abort(*handle),
            }
        }
        // Everyone is told before anything is sent: a tap may panic.
        self.tell(now);
        for handle in handles {
            self.over(*handle, End::Closed);
        }
        self.flush(now);
    }

    fn shut(&mut self, whom: Whom, ending: Ending, now: Instant) {
        self.door = Door::Shut;
        let waiting: Vec<Handle> = self.backlog.drain(..).filter_map(Arrival::handle).collect();
        self.update_admission();
        self.arrived.notify_all();
        let is_claimed = |handle: &Handle| self.peers.contains_key(handle) && !waiting.contains(handle);
        let (mut ended, mut unclaimed): (Vec<_>, Vec<_>) = self.endpoint().sessions().partition(is_claimed);
        match (whom, ending) {
            (Whom::All, Ending::Abort) => self.hub.forget_blocked(),
            (Whom::All, Ending::Close) => {}
            (Whom::Unclaimed, _) => ended.clear(),
        }
        // All before anything is sent: a full socket must not get what one of them has to say while another is ended.
        ended.extend(&unclaimed);
        self.end(&ended, ending, now);
        // Those, too, that were over before anyone accepted them.
        unclaimed.extend(waiting);
        for handle in unclaimed {
            self.release(handle);
        }
    }

    fn retire(&mut self, fault: Option<io::Error>, now: Instant) {
        self.door = Door::Shut;
        self.hub.close_socket();
        self.ended = Some(now);
        self.fault = fault.map(Arc::new);
        let end = self.fault.clone().map_or(End::Closed, End::Socket);
        for handle in self.peers.keys() {
            self.over(*handle, end.clone());
        }
        self.arrived.notify_all();
        let handles: Vec<Handle> = self.endpoint().sessions().collect();
        self.end(&handles, Ending::Close, now);
    }
}

/// What is left to do when everyone has been told what has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    All,
    /// A session was answered meanwhile.
    MoreToSend,
}

/// What the socket's thread waits for, besides datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wait {
    /// `None`: for no deadline.
    pub(crate) until: Option<Instant>,
    /// Whether also for room in the socket.
    pub(crate) for_room: bool,
}

impl Arrival {
    fn handle(self) -> Option<Handle> {
        match self {
            Self::Connected(peer) => Some(peer.handle),
            Self::Failed(_) => None,
        }
    }
}
