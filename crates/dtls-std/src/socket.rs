//! A socket: datagrams out and in, one by one or several in one call of the system.

use core::net::SocketAddr;
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use crate::options::{Batching, Fragmentation, set};

/// A socket that does not block, and how datagrams leave it.
pub(crate) struct Socket {
    socket: Arc<UdpSocket>,
    batches: Option<Arc<UdpSocketState>>,
}

impl Socket {
    /// Segments in one call: with more, datagrams of an ordinary size would be longer together than a datagram may be.
    const SEGMENTS_MAX: usize = 32;

    pub(crate) fn new(socket: UdpSocket, batching: Batching, fragmentation: Fragmentation) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let forbidden = fragmentation == Fragmentation::Forbidden;
        let batches = if batching == Batching::WherePossible || forbidden {
            let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
            if forbidden && state.may_fragment() {
                set("fragmentation", Err(io::ErrorKind::Unsupported.into()))?;
            }
            // Also where only fragmentation matters: the socket may have learnt to lay datagrams together.
            Some(Arc::new(state))
        } else {
            None
        };
        Ok(Self { socket: Arc::new(socket), batches })
    }

    pub(crate) fn udp(&self) -> &UdpSocket {
        &self.socket
    }

    /// How many datagrams can leave in one call.
    pub(crate) fn batch_max(&self) -> usize {
        self.batches.as_ref().map_or(1, |state| state.max_gso_segments().min(Self::SEGMENTS_MAX))
    }

    /// Sends datagrams of one length, but for the last one, all or none.
    pub(crate) fn send_batch(&self, to: SocketAddr, datagrams: &[u8], datagram_len: usize) -> io::Result<()> {
        let Some(state) = &self.batches else { return Err(io::ErrorKind::Unsupported.into()) };
        let segment_size = Some(datagram_len);
        let transmit = Transmit { destination: to, ecn: None, contents: datagrams, segment_size, src_ip: None };
        state.try_send(UdpSockRef::from(&*self.socket), &transmit)
    }

    /// What takes datagrams from this socket, so many in one call if it can.
    pub(crate) fn intake(&self, calls_max: usize) -> Intake {
        let slots = if self.batches.is_some() { calls_max.clamp(1, BATCH_SIZE) } else { 1 };
        Intake {
            socket: Arc::clone(&self.socket),
            batches: self.batches.clone(),
            buffer: Vec::new(),
            metas: vec![RecvMeta::default(); slots],
            filled: 0,
        }
    }
}

/// Takes datagrams from a socket.
pub(crate) struct Intake {
    socket: Arc<UdpSocket>,
    batches: Option<Arc<UdpSocketState>>,
    /// A slot for each of `metas`; made when first needed.
    buffer: Vec<u8>,
    metas: Vec<RecvMeta>,
    /// How many slots have something in them.
    filled: usize,
}

impl Intake {
    pub(crate) fn udp(&self) -> &UdpSocket {
        &self.socket
    }

    /// Longer than any UDP payload, also of several datagrams that were laid together.
    const SLOT: usize = 1 << 16;

    /// Takes what has come, or as much of it as there is room for.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        self.filled = 0;
        if self.buffer.is_empty() {
            // Zeroes that come from the system cost no memory until they are written to.
            self.buffer = vec![0; self.metas.len() * Self::SLOT];
        }
        let Some(state) = &self.batches else {
            let (len, addr) = self.socket.recv_from(&mut self.buffer)?;
            if let Some(meta) = self.metas.first_mut() {
                *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
            }
            self.filled = 1;
            return Ok(());
        };
        let mut slots = [const { None }; BATCH_SIZE];
        for (slot, bytes) in slots.iter_mut().zip(self.buffer.chunks_mut(Self::SLOT)) {
            *slot = Some(IoSliceMut::new(bytes));
        }
        let mut slots = slots.map(|slot| slot.unwrap_or_else(|| IoSliceMut::new(&mut [])));
        let slots = slots.get_mut(..self.metas.len()).unwrap_or_default();
        self.filled = state.recv(UdpSockRef::from(&*self.socket), slots, &mut self.metas)?;
        Ok(())
    }

    /// What was taken last, and where it is from.
    pub(crate) fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let slots = self.buffer.chunks_mut(Self::SLOT).zip(&self.metas).take(self.filled);
        slots.flat_map(|(slot, meta)| {
            let bytes = slot.get_mut(..meta.len).unwrap_or_default();
            // A datagram can be empty.
            let lone = if bytes.is_empty() { Some((meta.addr, &mut [][..])) } else { None };
            lone.into_iter().chain(bytes.chunks_mut(meta.stride.max(1)).map(|datagram| (meta.addr, datagram)))
        })
    }
}

/// Whether a datagram was refused because it is too long for the way it would have to take.
pub(crate) fn is_too_long(error: &io::Error) -> bool {
    #[cfg(unix)]
    let code = libc::EMSGSIZE;
    // WSAEMSGSIZE; where there is neither, a number that is nobody's.
    #[cfg(not(unix))]
    let code = if cfg!(windows) { 10_040 } else { i32::MIN };
    error.raw_os_error() == Some(code)
}
