//! An endpoint and its socket: what leaves, what waits for room, and what comes in.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use dtls_core::{ClientConfig, Instant, ResumptionState, SendError, ServerConfig};
use dtls_endpoint::{Endpoint, Event, Handle, Incoming};
use rustls_pki_types::ServerName;
use socket2::SockRef;

use crate::clock::Clock;
use crate::endpoint::as_peer;
use crate::error::{ConnectError, SessionError};
use crate::options::{Batching, Options, SocketOptions};
use crate::socket::{Intake, Socket, is_too_long};
use crate::tap::{self, Tap};

/// The sessions of one socket, whoever drives them: a [`Driver`](crate::Driver)'s loop or a thread of ours.
pub(crate) struct Hub {
    endpoint: Endpoint<SocketAddr>,
    /// `None` once it is closed.
    socket: Option<Socket>,
    /// For the socket that takes its place.
    socket_options: SocketOptions,
    batching: Batching,
    tap: Option<Box<dyn Tap>>,
    clock: Clock,
    local_addr: SocketAddr,
    /// An IPv6 socket that has IPv4 peers, too.
    is_dual_stack: bool,
    incoming: VecDeque<Incoming<SocketAddr>>,
    /// What the socket had no room for. Nothing else is taken from the sessions before it has left.
    blocked: Option<Blocked>,
    /// There while the socket has taken nothing since it was full.
    full: Option<Full>,
    /// The last datagram that the socket did not take, and why.
    send_fault: Option<(SocketAddr, io::Error)>,
    /// A session whose peer's host has said that nothing listens there.
    refused: Option<Handle>,
    /// Kept for its capacity.
    out: Vec<u8>,
}

/// Datagrams that wait for room.
struct Blocked {
    to: SocketAddr,
    datagrams: Vec<u8>,
    datagram_len: usize,
    /// There once they were tried again in vain.
    retry_at: Option<Instant>,
}

/// A socket that takes nothing.
struct Full {
    since: Instant,
    /// When that was last seen.
    seen: Instant,
}

impl Hub {
    /// How long a full socket is waited for. What it has not taken by then is lost, and so is all that comes after
    /// until it takes something again, or until nothing was tried for as long.
    pub(crate) const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(5) };
    /// How long to wait before what was tried again in vain is tried once more. A tap may have no room while the socket
    /// has, so that the system would say without end that there is some.
    pub(crate) const PAUSE: Duration = Duration::from_millis(2);
    /// Clients at the door who wait at most.
    const INCOMING_MAX: usize = 64;
    /// Bytes in one call of the system.
    const BATCH_BYTES: usize = 65_000;

    /// Takes a bound socket.
    pub(crate) fn new(socket: UdpSocket, server: Option<Arc<ServerConfig>>, options: Options) -> io::Result<Self> {
        let local_addr = socket.local_addr()?;
        let is_dual_stack = is_dual_stack(&socket)?;
        let socket = Socket::new(socket, options.batching, options.socket.fragmentation)?;
        let clock = Clock::new();
        let mut endpoint =
            Endpoint::new(clock.now(), server, options.cookies, options.limits).map_err(io::Error::other)?;
        endpoint.set_replacement(options.replacement);
        endpoint.set_address_change(options.address_change);
        Ok(Self {
            endpoint,
            socket: Some(socket),
            socket_options: options.socket,
            batching: options.batching,
            tap: options.tap,
            clock,
            local_addr,
            is_dual_stack,
            incoming: VecDeque::new(),
            blocked: None,
            full: None,
            send_fault: None,
            refused: None,
            out: Vec::new(),
        })
    }

    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint<SocketAddr> {
        &self.endpoint
    }

    pub(crate) const fn endpoint_mut(&mut self) -> &mut Endpoint<SocketAddr> {
        &mut self.endpoint
    }

    /// Lets `change` happen, and sends what comes of it.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut Endpoint<SocketAddr>, Instant) -> T) -> T {
        let now = self.now();
        let result = change(&mut self.endpoint, now);
        self.flush(now);
        result
    }

    /// When something is due.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let given_up = self.full.as_ref().filter(|_| self.wants_room()).map(|full| full.since + Self::PATIENCE);
        self.endpoint.poll_timeout().into_iter().chain(given_up).min()
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.flush(now);
    }

    /// Whether the socket has not taken something.
    pub(crate) const fn wants_room(&self) -> bool {
        self.blocked.is_some()
    }

    /// When to try again what waits for room, if that has been in vain although there seemed to be some.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.blocked.as_ref().and_then(|blocked| blocked.retry_at)
    }

    pub(crate) fn poll_event(&mut self) -> Option<(Handle, SocketAddr, Event)> {
        self.endpoint.poll_event()
    }

    pub(crate) fn poll_incoming(&mut self) -> Option<Incoming<SocketAddr>> {
        self.incoming.pop_front()
    }

    pub(crate) const fn poll_refused(&mut self) -> Option<Handle> {
        self.refused.take()
    }

    /// An address as the peer's datagrams will have it; `None` if this socket cannot reach it.
    pub(crate) fn peer_at(&self, address: SocketAddr) -> Option<SocketAddr> {
        let mut peer = as_peer(address);
        match peer.ip() {
            IpAddr::V4(v4) if self.is_dual_stack => peer.set_ip(v4.to_ipv6_mapped().into()),
            ip if ip.is_ipv4() != self.local_addr.is_ipv4() => return None,
            _ => {}
        }
        Some(peer)
    }

    pub(crate) fn connect(
        &mut self,
        to: SocketAddr,
        server_name: Option<ServerName<'static>>,
        config: Arc<ClientConfig>,
        resume: Option<&ResumptionState>,
    ) -> Result<Handle, ConnectError> {
        let to = self.peer_at(to).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let now = self.now();
        let handle = match resume {
            None => self.endpoint.connect(now, to, config, server_name)?,
            Some(state) => self.endpoint.connect_resuming(now, to, config, server_name, state)?,
        };
        self.send_fault = None;
        self.flush(now);
        match self.send_fault.take() {
            // No route, say: repeating the flight would not help.
            Some((at, error)) if at == to && !is_passing(&error) => {
                self.endpoint.abort(handle);
                self.endpoint.release(handle);
                Err(ConnectError::Socket(error))
            }
            _ => Ok(handle),
        }
    }

    // --- the socket ---

    /// What takes datagrams from the socket, so many in one call if it can.
    pub(crate) fn intake(&self, batch: usize) -> io::Result<Intake> {
        Ok(self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?.intake(batch))
    }

    pub(crate) fn take_tap(&mut self) -> Option<Box<dyn Tap>> {
        self.tap.take()
    }

    /// Goes on at another local address: the one given, or another port. Nobody reads from the old socket any more, so
    /// whoever does is to take an [`intake`](Self::intake) of the new one.
    pub(crate) fn rebind(&mut self, local: Option<SocketAddr>) -> io::Result<SocketAddr> {
        let peer = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?.udp().peer_addr().ok();
        let ip = match (self.socket_options.bind, peer) {
            (Some(bind), _) => bind.ip(),
            // The address of the interface may be what has changed.
            (None, Some(SocketAddr::V4(_))) => Ipv4Addr::UNSPECIFIED.into(),
            (None, Some(SocketAddr::V6(_))) => Ipv6Addr::UNSPECIFIED.into(),
            (None, None) => self.local_addr.ip(),
        };
        let socket = self.socket_options.bind(local.unwrap_or_else(|| SocketAddr::new(ip, 0)))?;
        if let Some(peer) = peer {
            socket.connect(peer)?;
        }
        let (local_addr, is_dual_stack) = (socket.local_addr()?, is_dual_stack(&socket)?);
        self.socket = Some(Socket::new(socket, self.batching, self.socket_options.fragmentation)?);
        self.full = None;
        (self.local_addr, self.is_dual_stack) = (local_addr, is_dual_stack);
        Ok(local_addr)
    }

    /// Nothing is sent any more.
    pub(crate) fn close_socket(&mut self) {
        self.socket = None;
    }

    /// What waits for room is lost.
    pub(crate) fn forget_blocked(&mut self) {
        self.blocked = None;
    }

    /// Takes one datagram; whatever comes of it is still to be [`flush`](Self::flush)ed.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
        mut on_payload: impl FnMut(Handle, &mut [u8]),
    ) {
        // Deadlines come also while datagrams do.
        if self.endpoint.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.endpoint.handle_timeout(now);
        }
        if let Some(tap) = &mut self.tap {
            tap.received(from, datagram);
        }
        for (handle, payload) in self.endpoint.receive(now, from, datagram) {
            on_payload(handle, payload);
        }
        if let Some(incoming) = self.endpoint.poll_incoming() {
            if self.incoming.len() < Self::INCOMING_MAX {
                self.incoming.push_back(incoming);
            }
        }
    }

    /// The socket tells of an earlier datagram (ICMP). Anyone can forge that, so it ends nothing; all that is noted is
    /// that nothing listens where a connected socket sends to.
    pub(crate) fn on_socket_error(&mut self, error: &io::Error) {
        // Windows has the second for it.
        if !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) {
            return;
        }
        let peer_addr = self.socket.as_ref().and_then(|socket| socket.udp().peer_addr().ok());
        self.refused = peer_addr.and_then(|address| self.endpoint.session_at(&address)).or(self.refused);
    }

    // --- sending ---

    /// Seals and sends payloads, those of one length together where that can be done. Says how many were sent, or why
    /// the first was not.
    pub(crate) fn send<'p>(
        &mut self,
        handle: Handle,
        payloads: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<usize, SessionError> {
        let mut out = core::mem::take(&mut self.out);
        let mut payloads = payloads.into_iter().peekable();
        let mut sent = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() && payloads.peek().is_some() {
            outcome = if self.wants_room() {
                Err(SessionError::Socket(io::ErrorKind::WouldBlock.into()))
            } else {
                self.send_some(handle, &mut payloads, &mut out).map(|count| sent += count)
            };
        }
        self.out = out;
        outcome.map_or_else(|error| if sent > 0 { Ok(sent) } else { Err(error) }, |()| Ok(sent))
    }

    /// Sends as many of the next payloads as go together, and at least one: all of one length but the last, which may
    /// be shorter.
    fn send_some<'p>(
        &mut self,
        handle: Handle,
        payloads: &mut core::iter::Peekable<impl Iterator<Item = &'p [u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<usize, SessionError> {
        let batch_max = self.batch_max();
        out.clear();
        // Every record is longer than its payload by the same number of bytes.
        let Some(first) = payloads.next() else { return Ok(0) };
        let to = self.endpoint.send(handle, first, out)?;
        let datagram_len = out.len();
        let (mut count, mut last) = (1, first.len());
        let mut fault = None;
        while count < batch_max && last == first.len() && out.len() + datagram_len <= Self::BATCH_BYTES {
            let Some(payload) = payloads.next_if(|payload| payload.len() <= first.len()) else { break };
            if let Err(error) = self.endpoint.send(handle, payload, out) {
                fault = Some(error);
                break;
            }
            count += 1;
            last = payload.len();
        }
        let before = self.endpoint.max_payload(handle);
        let transmitted = self.transmit(to, out, datagram_len);
        let max = self.endpoint.max_payload(handle);
        match (transmitted, fault) {
            (Err(error), _) if is_too_long(&error) && max < before => {
                Err(SessionError::NotSent(SendError::TooLong { max }))
            }
            (Err(error), _) => Err(SessionError::Socket(error)),
            // What has left has left; whoever goes on sending is told.
            (Ok(()), _) => Ok(count),
        }
    }

    /// Sends what there is to send.
    pub(crate) fn flush(&mut self, now: Instant) {
        if let Some(Blocked { to, datagrams, datagram_len, .. }) = self.blocked.take() {
            // However long ago it was tried: it has waited all the while.
            if let Some(full) = &mut self.full {
                full.seen = now;
            }
            self.transmit_or_lose(to, &datagrams, datagram_len);
            if let Some(blocked) = self.blocked.as_mut().filter(|blocked| blocked.datagrams.len() == datagrams.len()) {
                blocked.retry_at = Some(now + Self::PAUSE);
            }
        }
        let batch_max = self.batch_max();
        let mut out = core::mem::take(&mut self.out);
        while self.blocked.is_none() {
            out.clear();
            let Some(batch) = self.endpoint.poll_transmit_batch(now, batch_max, &mut out) else { break };
            self.transmit_or_lose(batch.to, &out, batch.datagram_len);
        }
        self.out = out;
    }

    fn batch_max(&self) -> usize {
        self.socket.as_ref().filter(|_| self.tap.is_none()).map_or(1, Socket::batch_max)
    }

    /// An error is as if the datagrams were lost on their way: what matters is sent again.
    fn transmit_or_lose(&mut self, to: SocketAddr, datagrams: &[u8], datagram_len: usize) {
        if let Err(error) = self.transmit(to, datagrams, datagram_len) {
            self.send_fault = Some((to, error));
        }
    }

    /// Sends datagrams, or keeps what the socket has no room for.
    fn transmit(&mut self, to: SocketAddr, datagrams: &[u8], datagram_len: usize) -> io::Result<()> {
        let mut at = 0;
        let outcome = self.try_transmit(to, datagrams, datagram_len, &mut at);
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let now = self.now();
                // After a while in which nothing was tried nobody knows whether it has been full all the time.
                let full = self.full.take().filter(|full| at == 0 && now < full.seen + Self::PATIENCE);
                let since = full.map_or(now, |full| full.since);
                self.full = Some(Full { since, seen: now });
                if now >= since + Self::PATIENCE {
                    return Err(error);
                }
                let datagrams = datagrams.get(at..).unwrap_or_default().to_vec();
                self.blocked = Some(Blocked { to, datagrams, datagram_len, retry_at: None });
                Ok(())
            }
            outcome => {
                self.full = None;
                outcome
            }
        }
    }

    /// Tries one datagram after the other, together if that can be done; says how many bytes of them need not be tried
    /// again. Of several errors the first is told.
    fn try_transmit(
        &mut self,
        to: SocketAddr,
        datagrams: &[u8],
        datagram_len: usize,
        at: &mut usize,
    ) -> io::Result<()> {
        if datagrams.len() > datagram_len && self.batch_max() > 1 {
            let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            match socket.send_batch(to, datagrams, datagram_len) {
                Ok(()) => {
                    *at = datagrams.len();
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // The card cannot do it, or one of them is too long: one by one.
                Err(error) => self.on_socket_error(&error),
            }
        }
        let mut outcome = Ok(());
        for datagram in datagrams.chunks(datagram_len.max(1)) {
            match self.try_transmit_one(to, datagram) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                tried => outcome = outcome.and(tried),
            }
            *at += datagram.len();
        }
        outcome
    }

    fn try_transmit_one(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let tried = match self.transmit_once(to, datagram) {
            // This may be what became of an earlier datagram (ICMP): the present one has not been tried.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock && !is_too_long(&error) => {
                self.on_socket_error(&error);
                self.transmit_once(to, datagram)
            }
            tried => tried,
        };
        if tried.as_ref().is_err_and(is_too_long) {
            self.on_too_long(to, datagram.len());
        }
        tried
    }

    fn transmit_once(&mut self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?.udp();
        match &mut self.tap {
            Some(tap) => tap.send(socket, to, datagram),
            None => tap::send(socket, to, datagram),
        }
    }

    /// RFC 6347 section 4.1.1.1: what the way does not take makes the session's datagrams smaller. A flight is repeated
    /// in smaller ones when its time has come.
    fn on_too_long(&mut self, to: SocketAddr, len: usize) {
        let smaller = MTU_STEPS.into_iter().find(|step| *step < len);
        if let (Some(smaller), Some(handle)) = (smaller, self.endpoint.session_at(&to)) {
            self.endpoint.set_mtu(handle, smaller);
        }
    }
}

/// Whether an IPv6 socket has IPv4 peers, too.
fn is_dual_stack(socket: &UdpSocket) -> io::Result<bool> {
    Ok(socket.local_addr()?.is_ipv6() && !SockRef::from(socket).only_v6()?)
}

/// What may pass where more does not: the plateaus of RFC 1191 section 7 and the smallest MTUs of Ethernet, IPv6 and IPv4,
/// each less the headers of IPv6 and UDP; at last the least that the engine sends.
const MTU_STEPS: [usize; 9] = [31_952, 17_866, 8_952, 4_304, 1_954, 1_452, 1_232, 548, 256];

/// Whether the same datagram may well be taken a little later.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionRefused | ConnectionReset) || is_too_long(error)
}
