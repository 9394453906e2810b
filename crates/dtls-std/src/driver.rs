//! An endpoint on its socket, without a thread: for those who have a loop of their own.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Instant as SystemInstant;

use dtls_core::wire::enums::AlertDescription;
use dtls_core::{Answer, ClientConfig, Instant, NotAsked, Question, ResumptionState, ServerConfig};
use dtls_endpoint::{Event, Handle, Incoming};
use rustls_pki_types::ServerName;

use crate::endpoint::as_peer;
use crate::error::{ConnectError, SessionError};
use crate::hub::Hub;
use crate::options::Options;
use crate::socket::Intake;

/// Any number of sessions on one socket, for those who have a loop of their own: mio, an async runtime, epoll. It has no
/// thread and never blocks.
///
/// ```text
///   socket is readable ─▶ on_readable ─▶ payloads lent: (Handle, SocketAddr, &mut [u8])
///   socket is writable ─▶ on_writable                   to be asked for only while wants_room
///   deadline has come ──▶ on_timeout
///   after each of them: poll_event, poll_incoming, next_deadline
/// ```
///
/// What there is to send leaves by itself in each of these calls. The socket is had by `AsFd`, on Windows by `AsSocket`.
///
/// A [`Handle`] is a session. When an event says that it is over, or after [`close`](Self::close) and
/// [`abort`](Self::abort), it is to be [`release`](Self::release)d. Dropping the driver closes the socket without a word
/// to anyone: [`close_all`](Self::close_all) comes before, if they are to be told.
///
/// What is called back has to keep to the [rules](crate#callbacks) in so far as it must not block; a panic is the
/// caller's.
pub struct Driver {
    hub: Hub,
    intake: Intake,
}

/// Whether there may be more to read than [`Driver::on_readable`] has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a system that tells only of what is new does not tell again of what was left"]
pub enum Unread {
    /// The socket had no more.
    Nothing,
    /// Others of the loop should have their turn: call again after that. A level-triggered loop is told once more
    /// anyway.
    Perhaps,
}

// --- the loop ---

impl Driver {
    /// Calls of the system in one `on_readable`.
    const READS_MAX: usize = 64;
    /// Datagrams, or trains of datagrams, in one call of the system.
    const BATCH: usize = 32;

    /// Binds a socket to `addr`. Without a configuration for a server it can only [`connect`](Self::connect).
    ///
    /// # Errors
    /// If the socket cannot be bound or does not have one of the options, or if the provider has no random bytes.
    pub fn bind(addr: impl ToSocketAddrs, server: Option<Arc<ServerConfig>>, options: Options) -> io::Result<Self> {
        Self::start(options.socket.bind(addr)?, server, options)
    }

    /// Takes a socket that is bound, and perhaps connected. Of the options those count that such a socket can still
    /// have.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn new(socket: UdpSocket, server: Option<Arc<ServerConfig>>, options: Options) -> io::Result<Self> {
        options.socket.set_on(&socket)?;
        Self::start(socket, server, options)
    }

    fn start(socket: UdpSocket, server: Option<Arc<ServerConfig>>, options: Options) -> io::Result<Self> {
        let hub = Hub::new(socket, server, options)?;
        Ok(Self { intake: hub.intake(Self::BATCH)?, hub })
    }

    /// Takes what has come, and hands on the application data in it: the session, its peer's address, the payload. What
    /// is handed on for a session of which no event has told yet came right behind its handshake.
    ///
    /// Reads until the socket has no more, or until it is somebody else's turn.
    pub fn on_readable(&mut self, mut on_payload: impl FnMut(Handle, SocketAddr, &mut [u8])) -> Unread {
        for _ in 0..Self::READS_MAX {
            match self.intake.fill() {
                Ok(()) => {
                    let now = self.hub.now();
                    for (from, datagram) in self.intake.datagrams() {
                        let from = as_peer(from);
                        self.hub.receive(now, from, datagram, |handle, payload| on_payload(handle, from, payload));
                        self.hub.flush(now);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Unread::Nothing,
                // It tells of an earlier datagram, and behind it may stand others.
                Err(error) => self.hub.on_socket_error(&error),
            }
        }
        Unread::Perhaps
    }

    /// The socket has room again, and takes what it had none for.
    pub fn on_writable(&mut self) {
        self.hub.flush(self.hub.now());
    }

    /// Whether the socket had no room for something: call [`on_writable`](Self::on_writable) when it has. Not at other
    /// times: a socket nearly always has room.
    #[must_use]
    pub const fn wants_room(&self) -> bool {
        self.hub.wants_room()
    }

    /// Does what is due. Too early it does nothing.
    pub fn on_timeout(&mut self) {
        self.hub.on_timeout(self.hub.now());
    }

    /// Goes on at another local address, `local` or any port that is free, and returns it: for clients whose peers know
    /// them by connection IDs. The socket is another one then, which the loop has to wait for in place of the old one; what
    /// had come to that and was not read is lost.
    ///
    /// # Errors
    /// If there is no such socket: nothing has changed.
    pub fn rebind(&mut self, local: Option<SocketAddr>) -> io::Result<SocketAddr> {
        let local_addr = self.hub.rebind(local)?;
        self.intake = self.hub.intake(Self::BATCH)?;
        Ok(local_addr)
    }

    /// When to call [`on_timeout`](Self::on_timeout) if nothing else happens before: exact, and `None` when there is
    /// nothing to wait for. Any other call may change it.
    #[must_use]
    pub fn next_deadline(&mut self) -> Option<SystemInstant> {
        self.hub.next_deadline().map(|until| self.hub.clock().at(until))
    }

    /// As [`next_deadline`](Self::next_deadline), but how long it is until then: what mio and epoll ask for. Zero if it
    /// is past.
    #[must_use]
    pub fn time_left(&mut self) -> Option<Duration> {
        self.hub.next_deadline().map(|until| until.saturating_since(self.hub.now()))
    }

    /// The next thing that happened to a session; `None` when there is nothing new.
    pub fn poll_event(&mut self) -> Option<(Handle, SocketAddr, Event)> {
        self.hub.poll_event()
    }

    /// The next session whose peer's host has said (ICMP) that nothing listens there, where the socket is connected and
    /// the system passes that on. Anyone can forge it: it ends nothing, but a client that has other addresses to try
    /// need not wait.
    pub const fn poll_refused(&mut self) -> Option<Handle> {
        self.hub.poll_refused()
    }
}

// --- sessions ---

impl Driver {
    /// Begins a session as the client; its first flight has left when this returns, unless the socket
    /// [wants room](Self::wants_room). An event says what becomes of it.
    ///
    /// # Errors
    /// [`ConnectError::NotBegun`]; [`ConnectError::Socket`] if the socket does not take the first datagram.
    pub fn connect(
        &mut self,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
    ) -> Result<Handle, ConnectError> {
        self.hub.connect(to, server_name, config, None)
    }

    /// As [`connect`](Self::connect), and offers to go on with the session that `state` was taken from, by
    /// [`take_resumption_state`](dtls_endpoint::Endpoint::take_resumption_state) say in a [`change`](Self::change). Where
    /// that is not to be, it becomes a full handshake; [`SessionInfo::resumed`](crate::SessionInfo::resumed) tells.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_resuming(
        &mut self,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
        state: &ResumptionState,
    ) -> Result<Handle, ConnectError> {
        self.hub.connect(to, server_name, config, Some(state))
    }

    /// The next client at the door, if [`Admission::Ask`](crate::Admission::Ask) is set: to
    /// [`accept`](Self::accept), to [`refuse`](Self::refuse), or to drop. At most 64 wait; those who come then get
    /// silence, and try again.
    pub fn poll_incoming(&mut self) -> Option<Incoming<SocketAddr>> {
        self.hub.poll_incoming()
    }

    /// Begins a session with a client. `None` if the limits have been reached meanwhile: it will try again.
    pub fn accept(&mut self, incoming: Incoming<SocketAddr>, config: Arc<ServerConfig>) -> Option<Handle> {
        self.change(|endpoint, now| endpoint.accept(now, incoming, config))
    }

    /// Turns a client away with an alert.
    pub fn refuse(&mut self, incoming: Incoming<SocketAddr>, description: AlertDescription) {
        self.change(|endpoint, _| endpoint.refuse(incoming, description));
    }

    /// What a session asks its owner, from [`Event::Asked`] until it is [answered](Self::answer) or over; see
    /// [`Question`]. What is lent here holds the driver: whoever answers elsewhere is given a [copy](Question::into_owned),
    /// and hands the answer back to the loop with the handle.
    #[must_use]
    pub fn question(&self, handle: Handle) -> Option<Question<'_>> {
        self.hub.endpoint().question(handle)
    }

    /// Answers [`question`](Self::question); the handshake goes on, or ends with the reason that the answer gives.
    ///
    /// # Errors
    /// If that is not what the session asks, or it is over: nothing has changed.
    pub fn answer(&mut self, handle: Handle, answer: Answer) -> Result<(), NotAsked> {
        self.change(|endpoint, now| endpoint.answer(now, handle, answer))
    }

    /// Sends one datagram. `Ok` means that the socket has taken it, or will as soon as it has room: what it has no room
    /// for is kept, once.
    ///
    /// # Errors
    /// [`SessionError::NotSent`]: the payload was not sealed, or is too long for the way it would have to take;
    /// [`SendError::TooLong`](dtls_core::SendError::TooLong) names what fits. [`SessionError::Closed`]: the session is over.
    /// [`SessionError::Socket`]: the socket did not take it; [`io::ErrorKind::WouldBlock`] while it
    /// [wants room](Self::wants_room).
    pub fn send(&mut self, handle: Handle, payload: &[u8]) -> Result<(), SessionError> {
        self.send_batch(handle, [payload]).map(|_| ())
    }

    /// Sends several datagrams to one peer, in one call of the system where it can be done: worth it where they are of
    /// one length. Returns how many were sent.
    ///
    /// # Errors
    /// As [`send`](Self::send), if the first was not sent.
    pub fn send_batch<'p>(
        &mut self,
        handle: Handle,
        payloads: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<usize, SessionError> {
        self.hub.send(handle, payloads)
    }

    /// Closes a session in good order. [`release`](Self::release) it when nothing more is to be asked of it.
    pub fn close(&mut self, handle: Handle) {
        self.change(|endpoint, _| endpoint.close(handle));
    }

    /// Ends a session without a word to its peer.
    pub fn abort(&mut self, handle: Handle) {
        self.change(|endpoint, _| endpoint.abort(handle));
    }

    /// Says that nothing more will be asked of a session. Ends nothing.
    pub fn release(&mut self, handle: Handle) {
        self.hub.endpoint_mut().release(handle);
    }

    /// Closes all sessions in good order, and releases them. What the socket has no room for is lost with the driver:
    /// as long as it [wants room](Self::wants_room), not everyone has been told.
    pub fn close_all(&mut self) {
        let handles: Vec<Handle> = self.hub.endpoint().sessions().collect();
        self.change(|endpoint, _| {
            for handle in handles {
                endpoint.close(handle);
                endpoint.release(handle);
            }
        });
    }

    /// Lets `change` happen to the endpoint beneath, and sends what comes of it: for all that has no call of its own
    /// here, such as [`set_mtu`](dtls_endpoint::Endpoint::set_mtu),
    /// [`set_server_config`](dtls_endpoint::Endpoint::set_server_config),
    /// [`set_admission`](dtls_endpoint::Endpoint::set_admission). The time is on the driver's clock.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut dtls_endpoint::Endpoint<SocketAddr>, Instant) -> T) -> T {
        self.hub.change(change)
    }

    // --- asking ---

    /// The endpoint beneath, to ask for [`info`](dtls_endpoint::Endpoint::info),
    /// [`session_stats`](dtls_endpoint::Endpoint::session_stats), [`export`](dtls_endpoint::Endpoint::export) and so on.
    #[must_use]
    pub const fn endpoint(&self) -> &dtls_endpoint::Endpoint<SocketAddr> {
        self.hub.endpoint()
    }

    /// Where the socket is bound.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.hub.local_addr()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("local_addr", &self.local_addr())
            .field("endpoint", self.hub.endpoint())
            .field("wants_room", &self.wants_room())
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Driver {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.intake.udp().as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Driver {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.intake.udp().as_raw_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Driver {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.intake.udp().as_socket()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsRawSocket for Driver {
    fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
        self.intake.udp().as_raw_socket()
    }
}
