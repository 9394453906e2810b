//! How much goes through one socket on the loopback interface: datagrams beside a plain UDP socket, and handshakes.
//!
//! `cargo bench -p dtls-std --bench loopback`. Figures of one machine and one moment: compare those of one run.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use dtls_std::dtls_core::crypto::{Identity, PinnedCertificates, ring};
use dtls_std::{
    Batching, ClientConfig, Endpoint, Options, ServerConfig, Session, SocketOptions, connect, connect_with, listen_with,
};
use rustls_pki_types::PrivateKeyDer;

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(2);
/// Datagrams that are on their way at once when echoes are counted.
const WINDOW: u64 = 32;

fn main() {
    // `cargo test --benches` runs this, too, and wants to know only that it runs.
    let span = if std::env::args().any(|arg| arg == "--bench") { SPAN } else { Duration::from_millis(50) };
    let pair = pair();
    table(&["datagrams/s", "64 B", "1,100 B"]);
    for (name, measure) in rows(span) {
        let figures = [64, 1_100].map(|len| format!("{:.0}", measure(&pair, len)));
        table(&[name, &figures[0], &figures[1]]);
    }
    table(&["full handshakes/s", "", ""]);
    for threads in [1, 2] {
        let name = if threads == 1 { "1 endpoint, 1 client" } else { "2 endpoints on one port, 2 clients" };
        table(&[name, &format!("{:.0}", handshakes(&pair, threads, span)), ""]);
    }
}

type Measure = Box<dyn Fn(&Pair, usize) -> f64>;

fn rows(span: Duration) -> [(&'static str, Measure); 6] {
    [
        ("plain UDP, echoed", Box::new(move |_, len| plain_echo(len, span))),
        ("dtls-std, echoed, one by one", Box::new(move |pair, len| echo(pair, Batching::Off, len, span))),
        ("dtls-std, echoed, batches", Box::new(move |pair, len| echo(pair, Batching::WherePossible, len, span))),
        ("plain UDP, one way", Box::new(move |_, len| plain_one_way(len, span))),
        ("dtls-std, one way, one by one", Box::new(move |pair, len| one_way(pair, Batching::Off, len, span))),
        ("dtls-std, one way, batches", Box::new(move |pair, len| one_way(pair, Batching::WherePossible, len, span))),
    ]
}

fn table(cells: &[&str; 3]) {
    let [name, one, two] = cells;
    println!("{name:<36}{one:>12}{two:>12}");
}

struct Pair {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

fn pair() -> Pair {
    let provider = Arc::new(ring::provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let identity = Identity::new(&provider, vec![made.cert.der().clone()], key).unwrap();
    let trust = Arc::new(PinnedCertificates::new([made.cert.der().clone()]).unwrap());
    let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).build().unwrap();
    let client = ClientConfig::builder(provider).trust(trust).without_identity().build().unwrap();
    Pair { server: Arc::new(server), client: Arc::new(client) }
}

fn options(batching: Batching) -> Options {
    let socket = SocketOptions { receive_buffer: Some(4 << 20), reuse_port: true, ..SocketOptions::default() };
    Options { batching, socket, ..Options::default() }
}

fn sessions(pair: &Pair, batching: Batching) -> (Endpoint, Session, Session) {
    let endpoint = listen_with("127.0.0.1:0", Arc::clone(&pair.server), options(batching)).unwrap();
    let client = connect_with(endpoint.local_addr(), None, Arc::clone(&pair.client), options(batching)).unwrap();
    let server = endpoint.accept().unwrap();
    (endpoint, client, server)
}

/// So many a second.
fn rate(count: u64, since: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / since.elapsed().as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark asks for the time")]
fn start() -> Instant {
    Instant::now()
}

// --- echoes ---

/// As many echoes as come back with [`WINDOW`] datagrams on their way; what is lost is made up for.
fn count_echoes(span: Duration, send: impl Fn(usize), receive: impl Fn() -> bool) -> f64 {
    let since = start();
    let (mut echoed, mut on_their_way) = (0, 0);
    while since.elapsed() < span {
        // Half a window at a time, so that there are batches to be made.
        if on_their_way <= WINDOW / 2 {
            send(usize::try_from(WINDOW - on_their_way).unwrap());
            on_their_way = WINDOW;
        }
        if receive() {
            echoed += 1;
            on_their_way -= 1;
        } else {
            on_their_way = 0;
        }
    }
    rate(echoed, since)
}

fn plain_echo(len: usize, span: Duration) -> f64 {
    let [server, client] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let to: SocketAddr = server.local_addr().unwrap();
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = vec![0; 2_048];
            while !is_over.load(Ordering::Relaxed) {
                if let Ok((len, from)) = server.recv_from(&mut buffer) {
                    server.send_to(buffer.get(..len).unwrap(), from).unwrap();
                }
            }
        });
        let payload = vec![7; len];
        let send = |count| {
            for _ in 0..count {
                client.send_to(&payload, to).unwrap();
            }
        };
        let figure = count_echoes(span, send, || client.recv(&mut [0; 2_048]).is_ok());
        is_over.store(true, Ordering::Relaxed);
        figure
    })
}

fn echo(pair: &Pair, batching: Batching, len: usize, span: Duration) -> f64 {
    let (_endpoint, client, server) = sessions(pair, batching);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut waiting = Vec::new();
            while let Ok(datagram) = server.recv_vec() {
                waiting.push(datagram);
                while let Ok(Some(datagram)) = server.recv_vec_timeout(Duration::ZERO) {
                    waiting.push(datagram);
                }
                let _ = server.send_batch(&waiting);
                waiting.clear();
            }
        });
        let payloads = vec![vec![7; len]; usize::try_from(WINDOW).unwrap()];
        let send = |count| {
            client.send_batch(payloads.get(..count).unwrap()).unwrap();
        };
        let receive = || client.recv_timeout(&mut [0; 2_048], Duration::from_millis(100));
        let figure = count_echoes(span, send, || matches!(receive(), Ok(Some(_))));
        client.close();
        figure
    })
}

// --- one way ---

/// What arrives of as much as can be sent.
fn plain_one_way(len: usize, span: Duration) -> f64 {
    let [server, client] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let to = server.local_addr().unwrap();
    server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (is_over, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = vec![0; 2_048];
            while !is_over.load(Ordering::Relaxed) {
                if server.recv(&mut buffer).is_ok() {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let payload = vec![7; len];
        let since = start();
        while since.elapsed() < span {
            for _ in 0..WINDOW {
                client.send_to(&payload, to).unwrap();
            }
        }
        let figure = rate(arrived.load(Ordering::Relaxed), since);
        is_over.store(true, Ordering::Relaxed);
        figure
    })
}

fn one_way(pair: &Pair, batching: Batching, len: usize, span: Duration) -> f64 {
    let (_endpoint, client, server) = sessions(pair, batching);
    let payloads = vec![vec![7; len]; usize::try_from(WINDOW).unwrap()];
    let since = start();
    while since.elapsed() < span {
        let _ = client.send_batch(&payloads);
    }
    // What was opened, received by a user or not: nobody reads here.
    let figure = rate(server.stats().application_records_received, since);
    client.close();
    figure
}

// --- handshakes ---

/// Full handshakes with so many endpoints on one port, by as many clients that do nothing else, each with a new socket.
fn handshakes(pair: &Pair, threads: usize, span: Duration) -> f64 {
    let first = listen_with("127.0.0.1:0", Arc::clone(&pair.server), options(Batching::default())).unwrap();
    let address = first.local_addr();
    let others = (1..threads).map(|_| listen_with(address, Arc::clone(&pair.server), options(Batching::default())));
    let endpoints: Vec<Endpoint> = core::iter::once(Ok(first)).chain(others).collect::<Result<_, _>>().unwrap();
    let done = AtomicU64::new(0);
    let since = start();
    thread::scope(|scope| {
        for endpoint in &endpoints {
            scope.spawn(move || endpoint.incoming().for_each(drop));
        }
        let clients: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    while since.elapsed() < span {
                        drop(connect(address, None, Arc::clone(&pair.client)).unwrap());
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        endpoints.iter().for_each(Endpoint::close);
    });
    rate(done.load(Ordering::Relaxed), since)
}
