//! Whose turn it is to send.

use alloc::vec::Vec;
use core::ops::Range;

use dtls_core::{Instant, SendError};

use super::Endpoint;
use crate::address::Address;
use crate::sessions::Handle;

impl<A: Address> Endpoint<A> {
    /// Appends one record with `payload` to `out`: a datagram to send to the address returned.
    ///
    /// # Errors
    /// As [`Connection::send`](dtls_core::Connection::send); [`SendError::Closed`] also if the handle has no session any
    /// more.
    #[inline]
    pub fn send(&mut self, handle: Handle, payload: &[u8], out: &mut Vec<u8>) -> Result<A, SendError> {
        let start = out.len();
        self.settle_address();
        self.wake(handle);
        let session = self.sessions.get_mut(handle).ok_or(SendError::Closed)?;
        match session.connection_mut().ok_or(SendError::Closed)?.send(payload, out) {
            Ok(()) => {
                session.active = self.now;
                self.stats.count_sent(out.len() - start);
                Ok(session.address.clone())
            }
            Err(error) => Err(self.not_sent(handle, error)),
        }
    }

    /// Seals the `payload_len` bytes that stand in `buffer` behind [`headroom`](Self::headroom) bytes of room, in
    /// place; returns where to send the datagram and where in `buffer` it stands. There must be
    /// [`tailroom`](Self::tailroom) bytes of room behind the payload.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::BufferTooSmall`]; also for a session that was at rest, of which
    /// [`headroom`](Self::headroom) knew nothing. It is awake then.
    #[inline]
    pub fn seal_in_place(
        &mut self,
        handle: Handle,
        buffer: &mut [u8],
        payload_len: usize,
    ) -> Result<(A, Range<usize>), SendError> {
        self.settle_address();
        if self.is_at_rest(handle) {
            self.wake_at_rest(handle);
            // Nobody could know how much room it needs.
            return Err(SendError::BufferTooSmall);
        }
        let session = self.sessions.get_mut(handle).ok_or(SendError::Closed)?;
        match session.connection_mut().ok_or(SendError::Closed)?.seal_in_place(buffer, payload_len) {
            Ok(datagram) => {
                session.active = self.now;
                self.stats.count_sent(datagram.len());
                Ok((session.address.clone(), datagram))
            }
            Err(error) => Err(self.not_sent(handle, error)),
        }
    }

    /// Numbers that are used up end the session.
    #[cold]
    pub(super) fn not_sent(&mut self, handle: Handle, error: SendError) -> SendError {
        self.touch(handle);
        error
    }

    /// Appends the next datagram to `out`, exactly one, and returns where to send it; `None` when there is nothing to
    /// send. Call it until then after every call that takes the time, and after [`close`](Self::close).
    ///
    /// Sessions take turns, a datagram each. Only those are looked at that may have something to send.
    #[inline]
    #[must_use = "where to send what has been written"]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<A> {
        self.settle(now);
        if self.ready.is_empty() && self.replies.is_empty() && self.held_back.is_none() {
            return None;
        }
        let start = out.len();
        let to = self.next_datagram(now, out)?;
        self.stats.count_sent(out.len() - start);
        Some(to)
    }

    /// Appends the next datagrams for one peer to `out`, at most `datagrams_max`: all of one size but the last, which may
    /// be shorter, as generic segmentation offload wants them. `None` when there is nothing to send.
    #[must_use = "where to send what has been written"]
    pub fn poll_transmit_batch(
        &mut self,
        now: Instant,
        datagrams_max: usize,
        out: &mut Vec<u8>,
    ) -> Option<Transmit<A>> {
        self.settle(now);
        let start = out.len();
        let to = self.next_datagram(now, out)?;
        let datagram_len = out.len() - start;
        self.stats.count_sent(datagram_len);
        let mut datagrams = 1;
        let handle = self.by_address.get(&to).copied();
        while datagrams < datagrams_max.max(1) {
            let at = out.len();
            let Some(session) = handle.and_then(|handle| self.sessions.get_mut(handle)) else { break };
            if !session.connection_mut().is_some_and(|connection| connection.poll_transmit(now, out)) {
                break;
            }
            let len = out.len() - at;
            if len > datagram_len {
                self.held_back = Some((to.clone(), out.split_off(at)));
                break;
            }
            self.stats.count_sent(len);
            datagrams += 1;
            if len < datagram_len {
                break;
            }
        }
        if let Some(handle) = handle {
            self.touch(handle);
        }
        Some(Transmit { to, datagram_len, datagrams })
    }

    fn next_datagram(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<A> {
        if let Some((address, datagram)) = self.held_back.take().or_else(|| self.replies.pop_front()) {
            out.extend_from_slice(&datagram);
            return Some(address);
        }
        while let Some(handle) = self.ready.pop_front() {
            let Some(session) = self.sessions.get_mut(handle) else { continue };
            session.is_ready = false;
            if session.connection_mut().is_some_and(|connection| connection.poll_transmit(now, out)) {
                let address = session.address.clone();
                self.touch(handle);
                return Some(address);
            }
            self.refresh(handle);
            self.finish_if_drained(handle);
        }
        None
    }
}

/// Datagrams that were written one behind the other, from [`Endpoint::poll_transmit_batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<A> {
    /// Where to send them.
    pub to: A,
    /// Bytes in each of them but the last, which may be shorter.
    pub datagram_len: usize,
    /// How many they are.
    pub datagrams: usize,
}
