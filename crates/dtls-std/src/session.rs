//! One session, as its user holds it.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use dtls_core::wire::enums::{CipherSuiteId, ProtocolVersion, SrtpProfile};
use dtls_core::{Error, ExportError, ResumptionState, SessionInfo, SrtpKeys, Stats};
use dtls_endpoint::{Handle, Reason};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use crate::error::SessionError;
use crate::shared::{Ending, Shared};

/// An established DTLS session. Any number of threads may use it at once; dropping it closes it in good order.
pub struct Session {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    info: Arc<SessionInfo>,
}

impl Session {
    /// `None` unless the handshake is complete.
    pub(crate) fn new(shared: Arc<Shared>, peer: Arc<Peer>) -> Option<Self> {
        let info = peer.inbox().info.clone()?;
        Some(Self { shared, peer, info })
    }

    // --- data ---

    /// Sends one datagram. It arrives whole or not at all, and not always in the order sent: DTLS repeats only
    /// handshakes.
    ///
    /// `Ok` means that the socket has taken it, or will as soon as it has room: one datagram is kept for a full socket,
    /// and while it waits, so does whoever sends the next. What a socket has not taken for five seconds is lost.
    ///
    /// # Errors
    /// See [`SessionError`]. [`SendError::TooLong`](dtls_core::SendError::TooLong) names what fits; see also
    /// [`max_payload`](Self::max_payload). Where the socket finds a datagram too long for the way it would have to take
    /// (EMSGSIZE), the session's MTU becomes smaller, and the error says what fits now.
    pub fn send(&self, payload: &[u8]) -> Result<(), SessionError> {
        self.sent(self.shared.send(self.peer.handle, [payload])).map(|_| ())
    }

    /// Sends several datagrams, in one call of the system where [`Batching`](crate::Batching) can do it: worth it where
    /// they are of one length. Returns how many were sent; all of them, unless the session ends or the socket fails
    /// meanwhile.
    ///
    /// # Errors
    /// As [`send`](Self::send), if not even the first was sent.
    pub fn send_batch(&self, payloads: &[impl AsRef<[u8]>]) -> Result<usize, SessionError> {
        let mut done = 0;
        while let Some(rest) = payloads.get(done..).filter(|rest| !rest.is_empty()) {
            match self.sent(self.shared.send(self.peer.handle, rest.iter().map(AsRef::as_ref))) {
                Ok(sent) => done += sent,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn sent(&self, sent: Result<usize, SessionError>) -> Result<usize, SessionError> {
        match sent {
            Err(SessionError::Closed) => Err(self.peer.inbox().ending()),
            Err(SessionError::NotSent(error)) => {
                // Record numbers that are used up end the session; this says so to whoever waits.
                self.shared.act(|_, _| ());
                Err(SessionError::NotSent(error))
            }
            sent => sent,
        }
    }

    /// The next datagram from the peer, as soon as there is one; returns how long it is. Those that had come before
    /// the session ended can still be received.
    ///
    /// At most 1,024 datagrams wait to be received, of 1 MiB in all. What comes beyond that is dropped and counted in
    /// [`undelivered`](Self::undelivered).
    ///
    /// # Errors
    /// See [`SessionError`]; a buffer that is too short leaves the datagram for the next call.
    pub fn recv(&self, buffer: &mut [u8]) -> Result<usize, SessionError> {
        self.peer.wait(None).take(|datagram| copy(datagram, buffer))
    }

    /// As [`recv`](Self::recv), but `None` when nothing has come within `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&self, buffer: &mut [u8], timeout: Duration) -> Result<Option<usize>, SessionError> {
        let mut inbox = self.peer.wait(Some(timeout));
        if inbox.is_idle() {
            return Ok(None);
        }
        inbox.take(|datagram| copy(datagram, buffer)).map(Some)
    }

    /// As [`recv`](Self::recv), but hands over the datagram itself, however long it is.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn recv_vec(&self) -> Result<Vec<u8>, SessionError> {
        self.peer.wait(None).take(|datagram| Ok(core::mem::take(datagram)))
    }

    /// As [`recv_vec`](Self::recv_vec), but `None` when nothing has come within `timeout`.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn recv_vec_timeout(&self, timeout: Duration) -> Result<Option<Vec<u8>>, SessionError> {
        let mut inbox = self.peer.wait(Some(timeout));
        if inbox.is_idle() {
            return Ok(None);
        }
        inbox.take(|datagram| Ok(core::mem::take(datagram))).map(Some)
    }

    // --- ending ---

    /// Closes in good order; returns when the close_notify has left. Whoever waits for a datagram is told. Nothing
    /// happens if the session is over already.
    ///
    /// A socket that is full is waited for until it has taken nothing for five seconds. Dropping waits for nothing:
    /// what the socket has no room for is then left to its thread, and is lost if the process ends first.
    pub fn close(&self) {
        self.shared.end_session(self.peer.handle, Ending::Close);
        self.shared.wait_left(self.peer.handle);
        self.shared.join_if_done();
    }

    /// Ends at once, without a word to the peer.
    pub fn destroy(&self) {
        self.shared.end_session(self.peer.handle, Ending::Abort);
        self.shared.join_if_done();
    }

    // --- asking ---

    /// What was negotiated and with whom. Stays as it is when the session is over.
    #[must_use]
    pub fn info(&self) -> SessionInfo {
        SessionInfo::clone(&self.info)
    }

    /// The protocol version: DTLS 1.2.
    #[must_use]
    pub fn protocol(&self) -> ProtocolVersion {
        self.info.version
    }

    /// The cipher suite.
    #[must_use]
    pub fn cipher(&self) -> CipherSuiteId {
        self.info.cipher_suite
    }

    /// The application protocol, if one was negotiated (RFC 7301).
    #[must_use]
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.info.alpn.as_deref()
    }

    /// The SRTP profile, if one was negotiated (RFC 5764); see [`srtp_keys`](Self::srtp_keys).
    #[must_use]
    pub fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.info.srtp.as_ref().map(|srtp| srtp.profile)
    }

    /// The host name that the client asked for (RFC 6066 section 3), in bytes as sent.
    #[must_use]
    pub fn server_name(&self) -> Option<&[u8]> {
        self.info.server_name.as_deref()
    }

    /// The peer's own certificate; `None` if it showed none: a client may not, and with a bare or a pre-shared key nobody
    /// does. The others of its chain are in [`info`](Self::info).
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.info.peer_certificates.first()
    }

    /// The peer's public key, if it has shown that and no certificate (RFC 7250).
    #[must_use]
    pub fn peer_raw_public_key(&self) -> Option<&SubjectPublicKeyInfoDer<'static>> {
        self.info.peer_raw_public_key.as_ref()
    }

    /// Whether the peer has shown who it is: it has a certificate or a bare key, holds the private one, and was accepted
    /// by the verifier of the configuration. A server always has; a client, where it was asked to. What that is worth is
    /// for the verifier to say: see the [choices of trust](crate#trust). With a pre-shared key nothing is shown.
    #[must_use]
    pub fn authorized(&self) -> bool {
        self.peer_certificate().is_some() || self.peer_raw_public_key().is_some()
    }

    /// Whether the session was begun in an earlier connection; the peer is who it was then.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.info.resumed
    }

    /// What a client needs to resume the session later, from here or from another process: see
    /// [`connect_resuming`](crate::connect_resuming). Once; also after [`close`](Self::close), and best then, since of a
    /// session that fails there must be none. `None` if the configuration is not
    /// [resumable](dtls_core::config::ClientConfigBuilder::resumable), or the server keeps no sessions.
    #[must_use]
    pub fn take_resumption_state(&self) -> Option<ResumptionState> {
        self.shared.lock().endpoint_mut().take_resumption_state(self.peer.handle)
    }

    /// Names the session among all of its socket, also to those who are told of it: see
    /// [`AddressNews`](crate::AddressNews).
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.peer.handle
    }

    /// Where the peer is, and what is sent goes. With connection IDs it may change.
    #[must_use]
    pub fn remote_addr(&self) -> SocketAddr {
        self.shared.lock().endpoint().remote_address(self.peer.handle).copied().unwrap_or(self.peer.address)
    }

    /// Where the peer was when the session began.
    #[must_use]
    pub fn initial_remote_addr(&self) -> SocketAddr {
        self.peer.address
    }

    /// Where the peer has been seen, if that is not [`remote_addr`](Self::remote_addr):
    /// [`AddressChange::Ask`](crate::AddressChange::Ask) leaves it to the session's user to [`follow`](Self::follow).
    #[must_use]
    pub fn seen_at(&self) -> Option<SocketAddr> {
        self.shared.lock().endpoint().seen_at(self.peer.handle).copied()
    }

    /// From now on sends to where the peer has been [seen](Self::seen_at), which the session's user has found to be good:
    /// somebody on the path may have wanted it to look so. `false` if it was seen nowhere else, has come back meanwhile, or
    /// if the limits of the endpoint have no place for it there.
    #[must_use]
    pub fn follow(&self) -> bool {
        self.shared.act(|state, _| state.endpoint_mut().follow(self.peer.handle))
    }

    /// Goes on at another local address, `local` or any port that is free, and returns it: after a change of network say.
    /// All sessions of the socket move; [`connect`](crate::connect) gives each its own. A peer goes on with those to which
    /// it has given a connection ID, once the next datagram has come to it from there. For others this is the end,
    /// sooner or later.
    ///
    /// # Errors
    /// If there is no such socket, or the endpoint has ended: nothing has changed.
    pub fn rebind(&self, local: Option<SocketAddr>) -> io::Result<SocketAddr> {
        self.shared.rebind(local)
    }

    /// Where the socket is bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr()
    }

    /// Keying material of `len` bytes for another protocol (RFC 5705). The same arguments give the same bytes on both
    /// sides. No context and an empty context are different things.
    ///
    /// # Errors
    /// See [`ExportError`]. [`ExportError::NotConnected`]: the session has failed or was destroyed. One that was closed,
    /// by whichever side, can still be asked.
    pub fn export_keying_material(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
        len: usize,
    ) -> Result<Vec<u8>, ExportError> {
        let mut out = vec![0; len];
        self.shared.lock().awake(self.peer.handle).export(self.peer.handle, label, context, &mut out)?;
        Ok(out)
    }

    /// The keys for the SRTP profile that was negotiated (RFC 5764).
    ///
    /// # Errors
    /// As [`export_keying_material`](Self::export_keying_material).
    pub fn srtp_keys(&self) -> Result<SrtpKeys, ExportError> {
        self.shared.lock().awake(self.peer.handle).srtp_keys(self.peer.handle)
    }

    /// What has been counted so far, or until the session was over. What had come for a reader who was too slow is
    /// counted beside it, in [`undelivered`](Self::undelivered).
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.lock().session_stats(self.peer.handle)
    }

    /// How many datagrams have come and were dropped, the newest each time, because too much waited for
    /// [`recv`](Self::recv) already. They are among the
    /// [`application_records_received`](Stats::application_records_received).
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        self.peer.inbox().undelivered
    }

    /// The longest payload that [`send`](Self::send) takes; 0 when the session is over.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.shared.lock().awake(self.peer.handle).max_payload(self.peer.handle)
    }

    /// The longest payload that a record carries, however large the MTU is: 2^14 bytes, or what the peer takes (RFC 8449,
    /// RFC 6066 section 4). 0 when the session is over. Where [`max_payload`](Self::max_payload) is as long, a larger MTU
    /// changes nothing.
    #[must_use]
    pub fn max_record_payload(&self) -> usize {
        self.shared.lock().awake(self.peer.handle).max_record_payload(self.peer.handle)
    }

    /// Puts the session to rest: of its connection some 250 bytes stay, and it wakes by itself with the next datagram or the
    /// next call that needs it. Returns whether it rests; see [`rest`](dtls_endpoint::Endpoint::rest) for when it does not.
    /// For sessions that are silent for minutes: waking takes some microseconds.
    pub fn rest(&self) -> bool {
        self.shared.act(|state, _| state.endpoint_mut().rest(self.peer.handle))
    }

    /// Whether the session rests.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.shared.lock().endpoint().is_at_rest(self.peer.handle)
    }

    /// Changes the largest UDP payload to send, within 256 and 65535 bytes; other values are taken as the nearer
    /// bound.
    pub fn set_mtu(&self, mtu: usize) {
        self.shared.act(|state, _| state.endpoint_mut().set_mtu(self.peer.handle, mtu));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.release_session(self.peer.handle, Ending::Close);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("began_with", &self.peer.address).finish_non_exhaustive()
    }
}

fn copy(datagram: &[u8], buffer: &mut [u8]) -> Result<usize, SessionError> {
    let room = buffer.get_mut(..datagram.len()).ok_or(SessionError::BufferTooShort { needed: datagram.len() })?;
    room.copy_from_slice(datagram);
    Ok(datagram.len())
}

/// What the socket's thread and the session's user share.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) handle: Handle,
    /// Where it was at first.
    pub(crate) address: SocketAddr,
    inbox: Mutex<Inbox>,
    changed: Condvar,
}

impl Peer {
    pub(crate) fn new(handle: Handle, address: SocketAddr) -> Self {
        Self { handle, address, inbox: Mutex::new(Inbox::default()), changed: Condvar::new() }
    }

    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `change` happen, and wakes all who wait.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Inbox)) {
        change(&mut self.inbox());
        self.changed.notify_all();
    }

    /// Waits until there is a datagram or the session is over, or until the time is up.
    fn wait(&self, timeout: Option<Duration>) -> MutexGuard<'_, Inbox> {
        self.wait_while(timeout, |inbox| inbox.is_idle())
    }

    pub(crate) fn wait_while(
        &self,
        timeout: Option<Duration>,
        condition: impl Fn(&mut Inbox) -> bool,
    ) -> MutexGuard<'_, Inbox> {
        match timeout {
            None => self.changed.wait_while(self.inbox(), condition).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.changed
                    .wait_timeout_while(self.inbox(), timeout, condition)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        }
    }
}

/// What has come for the session's user.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    datagrams: VecDeque<Vec<u8>>,
    bytes: usize,
    undelivered: u64,
    /// There once the handshake is complete.
    pub(crate) info: Option<Arc<SessionInfo>>,
    pub(crate) end: Option<End>,
    /// The peer's host has said that nothing listens there. Anyone can forge that, so it ends nothing.
    pub(crate) is_refused: bool,
}

/// How a session ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Closed,
    Failed(Error),
    Ended(Reason),
    /// The socket's thread can go on no longer.
    Socket(Arc<io::Error>),
}

/// One error for all who have to be told.
pub(crate) fn told_again(error: &Arc<io::Error>) -> io::Error {
    io::Error::new(error.kind(), Arc::clone(error))
}

impl Inbox {
    const DATAGRAMS_MAX: usize = 1024;
    const BYTES_MAX: usize = 1 << 20;

    pub(crate) fn push(&mut self, payload: &[u8]) {
        if self.datagrams.len() >= Self::DATAGRAMS_MAX || self.bytes + payload.len() > Self::BYTES_MAX {
            self.undelivered = self.undelivered.saturating_add(1);
            return;
        }
        self.bytes += payload.len();
        self.datagrams.push_back(payload.to_vec());
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.datagrams.is_empty() && self.end.is_none()
    }

    /// Gives the first datagram to `receive`; it stays where it is if that fails. Without one, says how the session
    /// ended.
    fn take<T>(&mut self, receive: impl FnOnce(&mut Vec<u8>) -> Result<T, SessionError>) -> Result<T, SessionError> {
        let Some(datagram) = self.datagrams.front_mut() else { return Err(self.ending()) };
        let len = datagram.len();
        let received = receive(datagram)?;
        self.datagrams.pop_front();
        self.bytes -= len;
        Ok(received)
    }

    pub(crate) fn ending(&self) -> SessionError {
        match &self.end {
            None | Some(End::Closed) => SessionError::Closed,
            Some(End::Failed(error)) => SessionError::Failed(error.clone()),
            Some(End::Ended(reason)) => SessionError::Ended(*reason),
            Some(End::Socket(error)) => SessionError::EndpointEnded(told_again(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_takes_no_more_than_its_bytes_and_has_room_again_for_what_was_received() {
        let mut inbox = Inbox::default();
        for payload in [&vec![0; Inbox::BYTES_MAX - 1][..], b"", b"1"] {
            inbox.push(payload);
        }
        inbox.push(b"2");
        assert_eq!((inbox.datagrams.len(), inbox.undelivered), (3, 1));
        inbox.take(|_| Ok(())).unwrap();
        inbox.push(b"3");
        assert_eq!((inbox.datagrams.len(), inbox.undelivered), (3, 1));
    }
}
