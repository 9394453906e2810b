//! The datagrams on their way: carried between one client and a server, lost now and then, and kept.

use core::mem;
use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use dtls_core::wire::enums::{ContentType, HandshakeType};
use dtls_core::wire::fragment::{FragmentHeader, Fragments};
use dtls_core::wire::record::{Epoch, Records};

use super::Trouble;
use crate::dice::Dice;

/// Two threads between a client and a server, until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    sockets: [UdpSocket; 2],
    over: Arc<AtomicBool>,
    route: Arc<Route>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// To `server`, from whoever sends to [`address`](Self::address) last.
    ///
    /// # Errors
    /// If the system has no socket left.
    pub fn start(server: SocketAddr, losses: Losses) -> Result<Self, Trouble> {
        Self::try_start(server, losses).map_err(|error| Trouble::new(format!("no relay: {error}")))
    }

    fn try_start(server: SocketAddr, losses: Losses) -> io::Result<Self> {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = front.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let route = Arc::new(Route { client: Mutex::new(None), passed: Mutex::new(Vec::new()) });
        let mut threads = Vec::new();
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (from, to) = match direction {
                Direction::ToServer => (front.try_clone()?, back.try_clone()?),
                Direction::ToClient => (back.try_clone()?, front.try_clone()?),
            };
            from.set_read_timeout(Some(GLANCE))?;
            let (over, route) = (Arc::clone(&over), Arc::clone(&route));
            let mut dice = losses.dice(direction);
            threads.push(thread::spawn(move || {
                let mut buffer = vec![0; 65_536];
                loop {
                    let received = from.recv_from(&mut buffer);
                    // When it is over, an empty datagram stands behind all that is still to be carried.
                    if over.load(Ordering::SeqCst) && !received.as_ref().is_ok_and(|(len, _)| *len > 0) {
                        break;
                    }
                    // A timeout, or word that nobody listened to the datagram before.
                    let Ok((len, source)) = received else { continue };
                    let lost = dice.as_mut().is_some_and(|(dice, percent)| dice.percent(*percent));
                    if let Some(target) = route.pass(direction, source, server, &buffer[..len], lost) {
                        // As on any network, what cannot be delivered is lost.
                        let _ = to.send_to(&buffer[..len], target);
                    }
                }
            }));
        }
        Ok(Self { address, sockets: [front, back], over, route, threads })
    }

    /// Where the client finds the server.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries what is on its way, and returns all datagrams, those that were lost included.
    #[must_use]
    pub fn finish(mut self) -> Recording {
        self.stop();
        Recording(mem::take(&mut *self.route.lock()))
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for socket in &self.sockets {
            // Wakes the thread that waits for a datagram; without it, the thread looks up a moment later by itself.
            let _ = socket.local_addr().and_then(|address| socket.send_to(&[], address));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How often both directions lose a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losses {
    /// Never.
    None,
    /// So many of a hundred, by throws of this seed.
    Percent {
        /// Of a hundred.
        percent: usize,
        /// Where chance comes from.
        seed: u64,
    },
}

impl Losses {
    fn dice(self, direction: Direction) -> Option<(Dice, usize)> {
        match self {
            Self::None => None,
            Self::Percent { percent, seed } => {
                let offset = if direction == Direction::ToServer { 0 } else { 1 };
                Some((Dice::new(2 * seed + offset), percent))
            }
        }
    }
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

/// Who talks, and what was said.
#[derive(Debug)]
struct Route {
    client: Mutex<Option<SocketAddr>>,
    passed: Mutex<Vec<Passed>>,
}

impl Route {
    fn lock(&self) -> MutexGuard<'_, Vec<Passed>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a datagram; returns where it goes, if anywhere.
    fn pass(
        &self,
        direction: Direction,
        source: SocketAddr,
        server: SocketAddr,
        bytes: &[u8],
        lost: bool,
    ) -> Option<SocketAddr> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let target = match direction {
            Direction::ToServer => {
                *client = Some(source);
                Some(server)
            }
            Direction::ToClient => *client,
        };
        drop(client);
        self.lock().push(Passed { direction, bytes: bytes.to_vec() });
        target.filter(|_| !lost)
    }
}

/// A datagram that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Which way.
    pub direction: Direction,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

/// The datagrams of a session in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording(pub Vec<Passed>);

impl Recording {
    /// The size of the largest datagram in this direction.
    #[must_use]
    pub fn largest(&self, direction: Direction) -> usize {
        self.in_direction(direction).map(|passed| passed.bytes.len()).max().unwrap_or(0)
    }

    /// How many datagrams went in this direction.
    #[must_use]
    pub fn datagrams(&self, direction: Direction) -> usize {
        self.in_direction(direction).count()
    }

    /// Whether a handshake message of this type went in this direction, in the clear.
    #[must_use]
    pub fn has_message(&self, direction: Direction, typ: HandshakeType) -> bool {
        self.fragments(direction).iter().any(|header| header.typ == typ)
    }

    /// Whether a message of this type went in this direction in more than one piece.
    #[must_use]
    pub fn has_fragmented(&self, direction: Direction, typ: HandshakeType) -> bool {
        self.fragments(direction).iter().any(|header| header.typ == typ && header.fragment_length < header.length)
    }

    /// How many records with an alert went in this direction once there were keys.
    #[must_use]
    pub fn protected_alerts(&self, direction: Direction) -> usize {
        let mut count = 0;
        for passed in self.in_direction(direction) {
            let headers = Records::new(&passed.bytes).flatten().map(|record| record.header);
            count += headers
                .filter(|header| header.content_type == ContentType::ALERT && header.epoch != Epoch::ZERO)
                .count();
        }
        count
    }

    /// The headers of all fragments in the clear.
    fn fragments(&self, direction: Direction) -> Vec<FragmentHeader> {
        let mut headers = Vec::new();
        for passed in self.in_direction(direction) {
            for record in Records::new(&passed.bytes).flatten() {
                if record.header.content_type == ContentType::HANDSHAKE && record.header.epoch == Epoch::ZERO {
                    headers.extend(Fragments::new(record.body).flatten().map(|fragment| fragment.header));
                }
            }
        }
        headers
    }

    fn in_direction(&self, direction: Direction) -> impl Iterator<Item = &Passed> {
        self.0.iter().filter(move |passed| passed.direction == direction)
    }
}

/// How long a thread waits for a datagram before it looks up.
const GLANCE: Duration = Duration::from_millis(200);
