//! What an endpoint costs beyond its connections: for a datagram of one of many sessions, for a hello without a cookie,
//! for junk, and in memory.
//!
//! The sessions are real but for their key exchange and signatures (see `quick`), without which 100,000 handshakes take
//! seconds; their records are AES-128-GCM by ring. Datagrams come from clients at random, are sealed outside of what is
//! measured, and lie in the cache as they do when a kernel has just copied them. Each number is the median of many short
//! measurements. Beside it stand the same connections without an endpoint, each found by its index in a list; and sessions
//! that are found by connection IDs beside those that are found by their addresses.
//!
//! `cargo bench -p dtls-endpoint --bench sessions`; with `-- 1000` it stops at a thousand sessions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::as_conversions,
    reason = "a benchmark may stop, looks at the clock and prints averages"
)]

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant as Clock;

use allocation_counter::measure;
use dtls_core::config::{ConnectionIdUse, RandomConnectionId};
use dtls_core::{ClientConfig, Connection, Instant, ServerConfig};
use dtls_endpoint::{CookiePolicy, Endpoint, Limits};

mod quick;

fn main() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let configs = |ids: &ConnectionIdUse| {
        quick::configs(quick::provider(), made.cert.der().clone(), |settings| settings.connection_id = ids.clone())
    };
    let by_address = configs(&ConnectionIdUse::Off);
    // Clients put it into what they send, and want none themselves.
    let by_id = (
        configs(&ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(8)))).0,
        configs(&ConnectionIdUse::PeersOnly).1,
    );
    let most = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    println!("a datagram of one of many sessions: open it, then ask what there is to send and to tell\n");
    println!(
        "{:>9} {:>6} {:>8} {:>12} {:>10} {:>8}   aim",
        "sessions", "bytes", "found by", "connection", "endpoint", "more"
    );
    for sessions in [10, 1_000, 10_000, 100_000].into_iter().filter(|sessions| *sessions <= most) {
        let of_addresses = of_many(sessions, "address", &by_address);
        let of_ids = of_many(sessions, "ID", &by_id);
        for ((len, address), id) in LENGTHS.into_iter().zip(of_addresses).zip(of_ids) {
            println!("{sessions:>9} {len:>6} by ID {:.2} of what it takes by address", id / address);
        }
    }
    println!();
    strangers(&by_address);
}

/// Measures so many sessions without an endpoint and in one; returns the nanoseconds of a datagram in the endpoint.
fn of_many(sessions: usize, found_by: &str, configs: &Configs) -> [f64; LENGTHS.len()] {
    let mut alone = Crowd::new(sessions, configs, Alone(Vec::new()));
    let of_connections = LENGTHS.map(|len| alone.measure(len));
    let bytes_alone = alone.bytes / sessions as i64;
    drop(alone);
    let mut crowd = Crowd::new(sessions, configs, endpoint(configs, sessions));
    let of_endpoint = LENGTHS.map(|len| crowd.measure(len));
    for ((len, one), other) in LENGTHS.into_iter().zip(of_connections).zip(of_endpoint) {
        let more = other - one;
        println!(
            "{sessions:>9} {len:>6} {found_by:>8} {one:>9.0} ns {other:>7.0} ns {more:>5.0} ns   250 ns, batches of {BATCH}"
        );
    }
    let bytes = crowd.bytes / sessions as i64;
    let handles: Vec<_> = crowd.server.sessions().collect();
    let given_back = measure(|| assert!(handles.iter().all(|handle| crowd.server.rest(*handle)))).bytes_current;
    let at_rest = bytes + given_back / sessions as i64;
    println!(
        "{sessions:>9} bytes of heap a session: {bytes_alone} connection, {bytes} endpoint, {at_rest} at rest   1536 idle"
    );
    of_endpoint
}

type Configs = (Arc<ServerConfig>, Arc<ClientConfig>);

const LENGTHS: [usize; 2] = [64, 200];
/// As many datagrams as a host may take from its socket at once.
const BATCH: usize = 64;
const ROUNDS: usize = 1501;

// --- established sessions ---

/// What has many sessions.
trait Server {
    fn begin(&mut self, from: SocketAddr, config: &Arc<ServerConfig>, hello: &mut [u8]);
    /// Takes a datagram of a handshake.
    fn hear(&mut self, number: usize, from: SocketAddr, datagram: &mut [u8]);
    /// The whole of what a host does with a datagram; returns how many payloads there were.
    fn take(&mut self, number: usize, from: SocketAddr, datagram: &mut [u8]) -> usize;
    fn poll(&mut self, number: usize, out: &mut Vec<u8>) -> bool;
    fn rest(&mut self, now: Instant);
}

/// Connections in a list, each in a place of its own as in an endpoint.
#[expect(clippy::vec_box, reason = "the growth of the list is not to be counted as theirs")]
struct Alone(Vec<Box<Connection>>);

impl Server for Alone {
    fn begin(&mut self, _from: SocketAddr, config: &Arc<ServerConfig>, hello: &mut [u8]) {
        let mut connection = Box::new(Connection::accept_on_trusted_path(Arc::clone(config), Instant::ORIGIN));
        connection.receive(Instant::ORIGIN, hello).for_each(drop);
        self.0.push(connection);
    }

    fn hear(&mut self, number: usize, _from: SocketAddr, datagram: &mut [u8]) {
        self.0[number].receive(Instant::ORIGIN, datagram).for_each(drop);
    }

    #[inline(never)]
    fn take(&mut self, number: usize, _from: SocketAddr, datagram: &mut [u8]) -> usize {
        self.0[number].receive(Instant::ORIGIN, datagram).map(black_box).count()
    }

    fn poll(&mut self, number: usize, out: &mut Vec<u8>) -> bool {
        self.0[number].poll_transmit(Instant::ORIGIN, out)
    }

    fn rest(&mut self, now: Instant) {
        for connection in &mut self.0 {
            while connection.poll_event().is_some() {}
            connection.handle_timeout(now);
        }
    }
}

impl Server for Endpoint<SocketAddr> {
    fn begin(&mut self, from: SocketAddr, _config: &Arc<ServerConfig>, hello: &mut [u8]) {
        self.receive(Instant::ORIGIN, from, hello).for_each(drop);
    }

    fn hear(&mut self, _number: usize, from: SocketAddr, datagram: &mut [u8]) {
        self.receive(Instant::ORIGIN, from, datagram).for_each(drop);
    }

    #[inline(never)]
    fn take(&mut self, _number: usize, from: SocketAddr, datagram: &mut [u8]) -> usize {
        let payloads = self.receive(Instant::ORIGIN, from, datagram).map(black_box).count();
        assert!(self.poll_transmit(Instant::ORIGIN, &mut Vec::new()).is_none());
        assert!(self.poll_event().is_none());
        payloads
    }

    fn poll(&mut self, _number: usize, out: &mut Vec<u8>) -> bool {
        self.poll_transmit(Instant::ORIGIN, out).is_some()
    }

    fn rest(&mut self, now: Instant) {
        while self.poll_event().is_some() {}
        self.handle_timeout(now);
        assert!(self.poll_transmit(now, &mut Vec::new()).is_none());
        assert!(self.poll_event().is_none());
    }
}

fn endpoint((server, _): &Configs, sessions: usize) -> Endpoint<SocketAddr> {
    let limits = Limits { sessions, half_open: sessions, ..Limits::default() };
    Endpoint::new(Instant::ORIGIN, Some(Arc::clone(server)), CookiePolicy::TrustedPath, limits).expect("random bytes")
}

/// A server with many sessions, and their clients.
struct Crowd<S> {
    server: S,
    clients: Vec<Connection>,
    dice: Dice,
    /// Bytes of the heap that the server has taken for its sessions.
    bytes: i64,
}

impl<S: Server> Crowd<S> {
    fn new(sessions: usize, (config, client): &Configs, mut server: S) -> Self {
        let now = Instant::ORIGIN;
        let mut clients = Vec::with_capacity(sessions);
        let mut bytes = 0;
        let mut out = Vec::with_capacity(4096);
        for number in 0..sessions {
            let from = address(number);
            let mut client = Connection::connect(Arc::clone(client), None, now).expect("a client");
            assert!(client.poll_transmit(now, &mut out), "a hello");
            bytes += measure(|| server.begin(from, config, &mut out)).bytes_current;
            loop {
                out.clear();
                let mut there_is_more = false;
                bytes += measure(|| there_is_more = server.poll(number, &mut out)).bytes_current;
                if there_is_more {
                    client.receive(now, &mut out).for_each(drop);
                } else if client.poll_transmit(now, &mut out) {
                    bytes += measure(|| server.hear(number, from, &mut out)).bytes_current;
                } else {
                    break;
                }
            }
            assert!(client.info().is_some(), "no handshake: {client:?}");
            drop(client.take_peer_certificates());
            clients.push(client);
        }
        // The last flights are kept for a while.
        let later = now + Duration::from_secs(1000);
        bytes += measure(|| server.rest(later)).bytes_current;
        Self { server, clients, dice: Dice(1), bytes }
    }

    /// Nanoseconds for one datagram with a payload of this length.
    fn measure(&mut self, len: usize) -> f64 {
        let payload = vec![0x5a; len];
        let mut batch: Vec<(usize, SocketAddr, Vec<u8>)> = Vec::new();
        median(ROUNDS, || {
            batch.resize_with(BATCH, || (0, address(0), Vec::with_capacity(len + 64)));
            for (number, from, datagram) in &mut batch {
                *number = self.dice.below(self.clients.len());
                *from = address(*number);
                datagram.clear();
                self.clients[*number].send(&payload, datagram).expect("sealed");
            }
            let server = &mut self.server;
            let batch = &mut batch;
            time(BATCH, || {
                let mut payloads = 0;
                for (number, from, datagram) in &mut *batch {
                    payloads += server.take(*number, *from, datagram);
                }
                assert_eq!(payloads, BATCH);
            })
        })
    }
}

/// One of the addresses of a large network: none is the neighbour of the one before.
fn address(number: usize) -> SocketAddr {
    let mixed = u32::try_from(number).expect("a small number").wrapping_mul(0x9e37_79b1);
    let [.., port_1, port_0] = mixed.rotate_left(13).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(mixed)), u16::from_be_bytes([port_1, port_0]))
}

/// A small generator (xorshift64*): nobody needs better to choose clients.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let thrown = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(thrown).expect("31 bits") % end
    }
}

// --- strangers ---

fn strangers(configs: &Configs) {
    let (server, client) = configs;
    let mut endpoint =
        Endpoint::new(Instant::ORIGIN, Some(Arc::clone(server)), CookiePolicy::Required, Limits::default())
            .expect("random bytes");
    let mut hello = Vec::new();
    let mut client = Connection::connect(Arc::clone(client), None, Instant::ORIGIN).expect("a client");
    assert!(client.poll_transmit(Instant::ORIGIN, &mut hello), "a hello");
    let junk = [&hello[..13], &[0; 187]].concat();
    let mut out = Vec::with_capacity(2048);
    println!("a datagram from an address without a session\n");
    for (what, datagram, is_answered) in [("a hello without a cookie", &hello, true), ("junk", &junk, false)] {
        let mut number = 0;
        let mut copy = datagram.clone();
        let held = measure(|| drop(endpoint.receive(Instant::ORIGIN, address(0), &mut copy)));
        while endpoint.poll_transmit(Instant::ORIGIN, &mut out).is_some() {}
        let nanoseconds = median(ROUNDS, || {
            time(BATCH, || {
                for _ in 0..BATCH {
                    number += 1;
                    copy.copy_from_slice(datagram);
                    drop(endpoint.receive(Instant::ORIGIN, address(number), &mut copy));
                    out.clear();
                    let answer = endpoint.poll_transmit(Instant::ORIGIN, &mut out);
                    assert_eq!((answer.is_some(), endpoint.poll_event().is_none()), (is_answered, true));
                }
            })
        });
        let (bytes, answered, allocations) = (datagram.len(), out.len(), held.count_total);
        println!(
            "{what:<26} {bytes:>4} bytes, {answered:>3} answered {nanoseconds:>6.0} ns {allocations:>3} allocations"
        );
        assert!(endpoint.is_empty(), "a stranger has a session");
    }
}

// --- time ---

/// Nanoseconds for each of `count` things that are done at once.
fn time(count: usize, work: impl FnOnce()) -> f64 {
    let start = Clock::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn median(rounds: usize, mut round: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..rounds).map(|_| round()).collect();
    times.sort_unstable_by(f64::total_cmp);
    times[rounds / 2]
}
