//! One UDP socket with any number of sessions, as its user holds it.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Instant as SystemInstant;

use dtls_core::{ClientConfig, Error, ResumptionState, ServerConfig};
use dtls_endpoint::{Limits, Stats};
use rustls_pki_types::ServerName;

use crate::error::{AcceptError, ConnectError};
use crate::options::{Options, SocketOptions};
use crate::session::{End, Peer, Session, told_again};
use crate::shared::{Arrival, Ending, Shared, Whom};

/// Binds a socket to `addr` and accepts clients there. What the configuration calls back has to keep to
/// [a few rules](crate#callbacks).
///
/// # Errors
/// If the socket cannot be bound, the thread not be started, or the provider has no random bytes.
pub fn listen(addr: impl ToSocketAddrs, config: Arc<ServerConfig>) -> io::Result<Endpoint> {
    listen_with(addr, config, Options::default())
}

/// As [`listen`], with options.
///
/// # Errors
/// As [`listen`].
pub fn listen_with(addr: impl ToSocketAddrs, config: Arc<ServerConfig>, options: Options) -> io::Result<Endpoint> {
    let shared = Shared::start(options.socket.bind(addr)?, Some(config), options)?;
    Ok(Endpoint { door: Arc::new(Doorkeeper { shared }) })
}

/// Connects to the server at `addr` from a socket of the session's own, and returns when the handshake is complete.
/// `server_name` is what the server's certificate is checked for and, if it is a DNS name, what the server is told. What
/// the configuration calls back has to keep to [a few rules](crate#callbacks).
///
/// Where a name has several addresses they are tried in turn: the next one when the host of one says that nothing
/// listens there, where the system passes that on, or when the handshake is not answered in its time. The unspecified
/// address, `0.0.0.0` or `[::]`, means this host.
///
/// # Errors
/// See [`ConnectError`].
pub fn connect(
    addr: impl ToSocketAddrs,
    server_name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
) -> Result<Session, ConnectError> {
    connect_with(addr, server_name, config, Options::default())
}

/// As [`connect`], with options.
///
/// # Errors
/// As [`connect`].
pub fn connect_with(
    addr: impl ToSocketAddrs,
    server_name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
    options: Options,
) -> Result<Session, ConnectError> {
    connect_one_of(addr, server_name, config, None, options)
}

/// As [`connect_with`], and offers to go on with the session that `state` was [taken](Session::take_resumption_state) from.
/// Where the state does not [fit](ResumptionState::fits), or the server does not remember the session, it becomes a full
/// handshake: [`Session::resumed`] tells.
///
/// # Errors
/// As [`connect`].
pub fn connect_resuming(
    addr: impl ToSocketAddrs,
    server_name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
    state: &ResumptionState,
    options: Options,
) -> Result<Session, ConnectError> {
    connect_one_of(addr, server_name, config, Some(state), options)
}

fn connect_one_of(
    addr: impl ToSocketAddrs,
    server_name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
    resume: Option<&ResumptionState>,
    mut options: Options,
) -> Result<Session, ConnectError> {
    let mut addresses = addr.to_socket_addrs()?.peekable();
    let mut fault = ConnectError::Socket(io::ErrorKind::AddrNotAvailable.into());
    while let Some(address) = addresses.next().map(as_peer) {
        let patience = if addresses.peek().is_some() { Patience::UntilRefused } else { Patience::UntilTimeout };
        let socket = match own_socket(address, &options.socket) {
            Ok(socket) => socket,
            Err(error) => {
                fault = error.into();
                continue;
            }
        };
        let (tap, deciders) = (options.tap.take(), options.deciders.clone());
        let address_watcher = options.address_watcher.clone();
        let shared = Shared::start(socket, None, Options { tap, deciders, address_watcher, ..options })?;
        // Dropped on return: from then on the session alone keeps the socket.
        let endpoint = Endpoint { door: Arc::new(Doorkeeper { shared: Arc::clone(&shared) }) };
        match endpoint.connect_patiently(address, server_name.clone(), Arc::clone(&config), resume, patience) {
            Err(error) if is_no_answer(&error) => fault = error,
            outcome => return outcome,
        }
        endpoint.destroy();
        options.tap = shared.lock().hub.take_tap();
    }
    Err(fault)
}

/// The address that the peer's datagrams come from. What is sent to the unspecified address, where the system sends it at
/// all, goes to the loopback address and is answered from there; a flow label may differ from one datagram to the next.
pub(crate) fn as_peer(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let mut peer = address;
    peer.set_ip(ip);
    if let SocketAddr::V6(v6) = &mut peer {
        v6.set_flowinfo(0);
    }
    peer
}

/// Whether another address of the same server may do better.
fn is_no_answer(error: &ConnectError) -> bool {
    use ConnectError::{Handshake, Refused, Socket};
    matches!(error, Refused { .. } | Socket(_) | Handshake { error: Error::HandshakeTimeout, .. })
}

/// A socket that is connected to the peer, so that the system chooses our address, passes nobody else's datagrams,
/// and says when nothing listens there. Not where a connected socket refuses to be told an address again, as BSD's do:
/// taps send by address.
fn own_socket(to: SocketAddr, options: &SocketOptions) -> io::Result<UdpSocket> {
    let anywhere = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let from = options.bind.unwrap_or(anywhere);
    if from.is_ipv4() != to.is_ipv4() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    let socket = options.bind(from)?;
    if cfg!(any(target_os = "linux", target_os = "android", windows)) {
        socket.connect(to)?;
    }
    Ok(socket)
}

/// When to give up a handshake that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// When the server's host says that nothing listens: there is another address to try.
    UntilRefused,
    /// Only when the configuration's time is up. What a host says may be forged, or its server about to start.
    UntilTimeout,
}

/// A socket that accepts sessions and begins them. A handle: clones are the same endpoint, and any number of threads
/// may use it at once.
///
/// When the last clone is dropped, nobody is accepted any more; sessions that have been accepted or connected go on,
/// and the socket is closed with the last of them.
#[derive(Clone)]
pub struct Endpoint {
    door: Arc<Doorkeeper>,
}

/// Shuts the door behind the last handle.
struct Doorkeeper {
    shared: Arc<Shared>,
}

impl Drop for Doorkeeper {
    fn drop(&mut self) {
        self.shared.shut(Whom::Unclaimed, Ending::Close);
    }
}

impl Endpoint {
    fn shared(&self) -> &Arc<Shared> {
        &self.door.shared
    }

    /// Where the socket is bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared().local_addr()
    }

    /// How many threads wait for a full socket.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared().lock().waiting
    }

    // --- beginning sessions ---

    /// Waits for the next client whose handshake is complete.
    ///
    /// # Errors
    /// [`AcceptError::Handshake`] reports one client whose handshake has failed: call again.
    /// [`AcceptError::Closed`] and [`AcceptError::Socket`] are the end.
    pub fn accept(&self) -> Result<Session, AcceptError> {
        loop {
            if let Some(session) = self.next_session(None)? {
                return Ok(session);
            }
        }
    }

    /// As [`accept`](Self::accept), but `None` when nobody has come within `timeout`.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_timeout(&self, timeout: Duration) -> Result<Option<Session>, AcceptError> {
        self.next_session(Some(timeout))
    }

    fn next_session(&self, timeout: Option<Duration>) -> Result<Option<Session>, AcceptError> {
        match self.shared().next_arrival(timeout) {
            None => Ok(None),
            Some(Arrival::Connected(peer)) => Ok(Session::new(Arc::clone(self.shared()), peer)),
            Some(Arrival::Failed(error)) => Err(error),
        }
    }

    /// All clients to come, and word of those whose handshake has failed, until the endpoint is closed. An endpoint
    /// that ends by itself says why in its last item.
    #[must_use]
    pub const fn incoming(&self) -> Incoming<'_> {
        Incoming { endpoint: self, is_over: false }
    }

    /// Connects to the server at `addr` from this socket; see the function [`connect`].
    ///
    /// Of several addresses the first is taken that the socket can reach, an IPv4 socket only IPv4.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(
        &self,
        addr: impl ToSocketAddrs,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
    ) -> Result<Session, ConnectError> {
        self.connect_to_one_of(addr, server_name, config, None)
    }

    /// As [`connect`](Self::connect), and offers to go on with another session; see the function [`connect_resuming`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect_resuming(
        &self,
        addr: impl ToSocketAddrs,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
        state: &ResumptionState,
    ) -> Result<Session, ConnectError> {
        self.connect_to_one_of(addr, server_name, config, Some(state))
    }

    fn connect_to_one_of(
        &self,
        addr: impl ToSocketAddrs,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
        resume: Option<&ResumptionState>,
    ) -> Result<Session, ConnectError> {
        let addresses = addr.to_socket_addrs()?;
        let address = {
            let state = self.shared().lock();
            addresses.into_iter().find_map(|address| state.hub.peer_at(address))
        };
        let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        self.connect_patiently(address, server_name, config, resume, Patience::UntilTimeout)
    }

    fn connect_patiently(
        &self,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
        resume: Option<&ResumptionState>,
        patience: Patience,
    ) -> Result<Session, ConnectError> {
        let peer = self.shared().begin(to, server_name, config, resume)?;
        self.wait_connected(&peer, patience)?;
        Session::new(Arc::clone(self.shared()), peer).ok_or(ConnectError::Closed)
    }

    fn wait_connected(&self, peer: &Peer, patience: Patience) -> Result<(), ConnectError> {
        let inbox = peer.wait_while(None, |inbox| {
            let is_given_up = inbox.is_refused && patience == Patience::UntilRefused;
            inbox.info.is_none() && inbox.end.is_none() && !is_given_up
        });
        if inbox.info.is_some() {
            return Ok(());
        }
        let (end, is_refused) = (inbox.end.clone(), inbox.is_refused);
        drop(inbox);
        let stats = Box::new(self.shared().release_session(peer.handle, Ending::Abort));
        let peer = peer.address;
        Err(match end {
            None => ConnectError::Refused { peer },
            Some(End::Failed(Error::HandshakeTimeout)) if is_refused => ConnectError::Refused { peer },
            Some(End::Failed(error)) => ConnectError::Handshake { peer, error, stats },
            Some(End::Closed | End::Ended(_)) => ConnectError::Closed,
            Some(End::Socket(error)) => ConnectError::Socket(told_again(&error)),
        })
    }

    // --- ending ---

    /// Closes all sessions in good order and then the socket; returns when all is sent and the thread has ended.
    /// Whoever waits in a call is told. Nothing happens if the endpoint is closed already.
    ///
    /// A socket that is full is waited for until it has taken nothing for five seconds. Dropping waits for nothing:
    /// what the socket has no room for is then left to the thread, and is lost if the process ends first.
    pub fn close(&self) {
        self.shared().shut(Whom::All, Ending::Close);
        self.shared().join();
    }

    /// Ends all sessions without a word to their peers, and closes the socket.
    pub fn destroy(&self) {
        self.shared().shut(Whom::All, Ending::Abort);
        self.shared().join();
    }

    // --- changing ---

    /// Serves new clients by another configuration, with renewed certificates for example; sessions that exist keep
    /// theirs. Does nothing at an endpoint that was made without one, of [`connect`].
    pub fn set_server_config(&self, config: Arc<ServerConfig>) {
        self.shared().act(|state, _| state.endpoint_mut().set_server_config(config));
    }

    /// Goes on at another local address, `local` or any port that is free, and returns it; see [`Session::rebind`].
    ///
    /// # Errors
    /// As [`Session::rebind`].
    pub fn rebind(&self, local: Option<SocketAddr>) -> io::Result<SocketAddr> {
        self.shared().rebind(local)
    }

    /// Changes the limits. Sessions beyond new ones go on.
    pub fn set_limits(&self, limits: Limits) {
        self.shared().act(|state, _| state.endpoint_mut().set_limits(limits));
    }

    /// While it is `true`, new clients get silence and are counted in [`Stats::busy`]; sessions that exist go on.
    /// They repeat their hello, and may find it `false`.
    pub fn set_busy(&self, is_busy: bool) {
        self.shared().act(|state, _| state.set_busy(is_busy));
    }

    /// What [`set_busy`](Self::set_busy) has been told last.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.shared().lock().is_busy()
    }

    // --- asking ---

    /// How many sessions there are, of either role, finished handshake or not.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared().lock().endpoint().len()
    }

    /// When the endpoint was made.
    #[must_use]
    pub fn created(&self) -> SystemInstant {
        self.shared().at(self.stats().created)
    }

    /// When the endpoint ended: it was closed or destroyed, or had to end, and its last session is over. `None` until
    /// then.
    #[must_use]
    pub fn destroyed(&self) -> Option<SystemInstant> {
        let ended = self.shared().lock().ended;
        ended.map(|ended| self.shared().at(ended))
    }

    /// What has been counted so far, over all sessions.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *self.shared().lock().endpoint().stats()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("local_addr", &self.local_addr()).finish_non_exhaustive()
    }
}

/// The clients of an endpoint, from [`Endpoint::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    endpoint: &'a Endpoint,
    is_over: bool,
}

impl Iterator for Incoming<'_> {
    type Item = Result<Session, AcceptError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let accepted = self.endpoint.accept();
        self.is_over = matches!(accepted, Err(AcceptError::Closed | AcceptError::Socket(_)));
        if matches!(accepted, Err(AcceptError::Closed)) { None } else { Some(accepted) }
    }
}

impl<'a> IntoIterator for &'a Endpoint {
    type Item = Result<Session, AcceptError>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}
