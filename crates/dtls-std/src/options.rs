//! What has a default and can be chosen for a socket.

use core::fmt;
use core::net::SocketAddr;
use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::sync::Arc;

use dtls_endpoint::{AddressChange, CookiePolicy, Limits, Replacement};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::addresses::WatchAddresses;
use crate::deciders::Deciders;
use crate::tap::Tap;

/// What has a default and can be chosen for a socket and its sessions. Write `Options { cookies, ..Options::default() }`.
pub struct Options {
    /// Sees every datagram; one of the [callbacks](crate#callbacks). Default: nobody does.
    pub tap: Option<Box<dyn Tap>>,
    /// Whether clients must show that they receive at their address. Default: they must.
    pub cookies: CookiePolicy,
    /// How much to take on.
    pub limits: Limits,
    /// When a client that begins anew takes the place of its old session. Default: when its new handshake is complete.
    pub replacement: Replacement,
    /// What to do about peers with connection IDs whose address changes. Default: who watches is told and may
    /// [`follow`](crate::Session::follow); nothing is sent to the new address before.
    pub address_change: AddressChange,
    /// Who is told of such peers. Default: nobody. The owner of a [`Driver`](crate::Driver) is told by
    /// [`Event::SeenElsewhere`](crate::Event::SeenElsewhere) and [`Event::AddressChanged`](crate::Event::AddressChanged)
    /// instead.
    pub address_watcher: Option<Arc<dyn WatchAddresses>>,
    /// How many connected clients wait to be accepted, as with listen(2); 0 is taken as 1. Default: 128. A
    /// [`Driver`](crate::Driver) has no such queue.
    ///
    /// While so many wait, new clients get silence and are counted in [`EndpointStats::busy`](crate::EndpointStats::busy):
    /// they repeat their hello, and may find room. Handshakes that are under way by then are completed, so that up to
    /// [`Limits::half_open`] more can wait.
    pub backlog: usize,
    /// Who answers what configurations leave to their owner: see the [choices](crate#decisions-that-take-their-time).
    /// Default: nobody, and handshakes in which something is asked fail at once, with
    /// [`Error::DecisionFailed`](crate::Error::DecisionFailed). A [`Driver`](crate::Driver) has no threads: it tells its
    /// own owner, by [`Event::Asked`](crate::Event::Asked).
    pub deciders: Option<Deciders>,
    /// Whether to move several datagrams in one call of the system. Default: where it can be done.
    pub batching: Batching,
    /// The socket itself.
    pub socket: SocketOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tap: None,
            cookies: CookiePolicy::default(),
            limits: Limits::default(),
            replacement: Replacement::default(),
            address_change: AddressChange::default(),
            address_watcher: None,
            backlog: 128,
            deciders: None,
            batching: Batching::default(),
            socket: SocketOptions::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cookies", &self.cookies)
            .field("limits", &self.limits)
            .field("replacement", &self.replacement)
            .field("address_change", &self.address_change)
            .field("address_watcher", &self.address_watcher)
            .field("backlog", &self.backlog)
            .field("deciders", &self.deciders)
            .field("batching", &self.batching)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// Whether to move several datagrams in one call of the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batching {
    /// Where the system can (recvmmsg, GRO and GSO on Linux, and what others have), and as if
    /// [`Fragmentation::Forbidden`] were asked for: the same call of the library beneath does both. With a
    /// [`Tap`] datagrams leave one by one all the same.
    #[default]
    WherePossible,
    /// One call for each datagram.
    Off,
}

/// Whether the system may cut our datagrams up on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragmentation {
    /// As the system does by itself, unless [`Batching`] says otherwise.
    #[default]
    System,
    /// It may not: IPv4's DF bit and its IPv6 counterpart (RFC 6347 section 4.1.1.1). A datagram that is too long for
    /// the interface is refused, and its session's MTU becomes smaller.
    Forbidden,
}

/// How an IPv6 socket treats IPv4. On IPv4 sockets it means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipv6 {
    /// As the system does by itself.
    #[default]
    System,
    /// IPv6 only: IPv4 may have the same port for itself.
    Only,
    /// IPv4 peers, too, at addresses such as `::ffff:192.0.2.1`, if the socket is bound to `[::]`.
    DualStack,
}

/// Options of a socket, most of them as the system has them by default. What the system does not have is an error that
/// names the option when the socket is made, of the kind [`io::ErrorKind::Unsupported`] where the system has never
/// heard of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Where [`connect`](crate::connect) binds its socket, for a port or an interface of one's choice. Default: any
    /// address and port. Servers' addresses of another family are passed over.
    pub bind: Option<SocketAddr>,
    /// How an IPv6 socket treats IPv4.
    pub ipv6: Ipv6,
    /// Whether several sockets may have one port, if they all say so: each gets some of the clients, so that each can
    /// have a core for itself (SO_REUSEPORT, on FreeBSD SO_REUSEPORT_LB).
    pub reuse_port: bool,
    /// Bytes that may wait to be read. The system may grant less, or more.
    pub receive_buffer: Option<usize>,
    /// Bytes that may wait to be sent. The system may grant less, or more.
    pub send_buffer: Option<usize>,
    /// Through how many routers a datagram may go: IPv4's TTL, IPv6's hop limit.
    pub hop_limit: Option<u8>,
    /// Whether the system may cut our datagrams up.
    pub fragmentation: Fragmentation,
}

impl SocketOptions {
    /// A socket at the first of the addresses that can be had.
    pub(crate) fn bind(&self, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let mut fault = io::ErrorKind::AddrNotAvailable.into();
        for address in addr.to_socket_addrs()? {
            match self.bind_one(address) {
                Ok(socket) => return Ok(socket),
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    fn bind_one(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() && self.ipv6 != Ipv6::System {
            set("ipv6", socket.set_only_v6(self.ipv6 == Ipv6::Only))?;
        }
        if self.reuse_port {
            set("reuse_port", reuse_port(&socket))?;
        }
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        self.set_on(&socket)?;
        Ok(socket)
    }

    /// Those that can still be chosen for a socket that is bound, but for the fragmentation.
    pub(crate) fn set_on(&self, socket: &UdpSocket) -> io::Result<()> {
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        let socket = SockRef::from(socket);
        if let Some(size) = self.receive_buffer {
            set("receive_buffer", socket.set_recv_buffer_size(size))?;
        }
        if let Some(size) = self.send_buffer {
            set("send_buffer", socket.set_send_buffer_size(size))?;
        }
        if let Some(hops) = self.hop_limit.map(u32::from) {
            if is_ipv6 {
                set("hop_limit", socket.set_unicast_hops_v6(hops))?;
                if !socket.only_v6()? {
                    // For IPv4 peers of the same socket; not every system has it there.
                    let _ = socket.set_ttl_v4(hops);
                }
            } else {
                set("hop_limit", socket.set_ttl_v4(hops))?;
            }
        }
        Ok(())
    }
}

#[cfg(target_os = "freebsd")]
fn reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port_lb(true)
}

#[cfg(all(
    unix,
    not(any(
        target_os = "freebsd",
        target_os = "solaris",
        target_os = "illumos",
        target_os = "cygwin",
        target_os = "nuttx"
    ))
))]
fn reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(all(
    unix,
    not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin", target_os = "nuttx"))
)))]
fn reuse_port(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Says which option it was.
pub(crate) fn set(option: &'static str, outcome: io::Result<()>) -> io::Result<()> {
    outcome.map_err(|error| io::Error::new(error.kind(), OptionRefused { option, error }))
}

/// The system does not have an option, or not with this value.
#[derive(Debug)]
struct OptionRefused {
    option: &'static str,
    error: io::Error,
}

impl fmt::Display for OptionRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the socket option `{}` cannot be set here: {}", self.option, self.error)
    }
}

impl core::error::Error for OptionRefused {}
