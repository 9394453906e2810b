//! Hundreds of real sockets at once, in a process of its own: what is left of them afterwards is nothing.
//!
//! One test, since it counts the threads of the whole process.
#![cfg(target_os = "linux")]

use core::error::Error;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::net::UdpSocket;
use std::sync::{Arc, Barrier};
use std::thread;

use dtls_std::dtls_core::crypto::{Identity, PinnedCertificates, ring};
use dtls_std::{ClientConfig, Options, ServerConfig, SessionError, SocketOptions, connect, listen, listen_with};
use rustls_pki_types::PrivateKeyDer;

/// Longer than anything takes here; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(60);
const CLIENTS: usize = 500;

fn pair() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Box<dyn Error>> {
    let provider = Arc::new(ring::provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let identity = Identity::new(&provider, vec![made.cert.der().clone()], key)?;
    let trust = Arc::new(PinnedCertificates::new([made.cert.der().clone()])?);
    let patient = |settings: &mut dtls_std::Settings| settings.handshake_timeout = LONG;
    let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).configure(patient).build()?;
    let client = ClientConfig::builder(provider).trust(trust).without_identity().configure(patient).build()?;
    Ok((Arc::new(server), Arc::new(client)))
}

/// The threads and open files of this process.
fn held() -> std::io::Result<[usize; 2]> {
    Ok([std::fs::read_dir("/proc/self/task")?.count(), std::fs::read_dir("/proc/self/fd")?.count()])
}

#[test]
fn hundreds_of_clients_come_and_go_and_nothing_is_left_behind() -> Result<(), Box<dyn Error>> {
    let (server, client) = pair()?;
    let before = held()?;
    // A socket, its copy for the thread, and what the thread waits with: the system may not allow so many.
    let mut clients = CLIENTS.min(files_allowed()?.saturating_sub(100) / 4);
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // A host may have no IPv6.
        if UdpSocket::bind(address).is_err() {
            continue;
        }
        echo_all(address, clients, &server, &client)?;
        // Once more with fewer, on IPv6.
        clients /= 5;
    }
    races(&server, &client)?;
    abandoned_handshakes(&server, &client)?;
    unlike_neighbours(&server, &client)?;
    // The system lists a thread for a moment after it has been joined.
    let settles = (0..100_000).any(|_| {
        thread::yield_now();
        held().is_ok_and(|now| now == before)
    });
    assert!(settles, "before {before:?}, now {:?}", held()?);
    Ok(())
}

fn files_allowed() -> Result<usize, Box<dyn Error>> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).ok_or("no limit of files")?;
    Ok(line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX))
}

/// Each client has a socket of its own, all are connected at once, and each gets its own echo.
fn echo_all(
    address: &str,
    clients: usize,
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> Result<(), Box<dyn Error>> {
    let socket = SocketOptions { receive_buffer: Some(4 << 20), ..SocketOptions::default() };
    let options = Options { socket, backlog: clients, ..Options::default() };
    let endpoint = listen_with(address, Arc::clone(server), options)?;
    let all_connected = Barrier::new(clients);
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for session in endpoint.incoming().map_while(Result::ok) {
                scope.spawn(move || {
                    while let Ok(datagram) = session.recv_vec() {
                        let _ = session.send(&datagram);
                    }
                });
            }
        });
        let running: Vec<_> = (0..clients)
            .map(|number| {
                let (endpoint, all_connected, done) = (&endpoint, &all_connected, &done);
                scope.spawn(move || {
                    let session = connect(endpoint.local_addr(), None, Arc::clone(client));
                    all_connected.wait();
                    let Ok(session) = session else { return };
                    let text = format!("client {number}");
                    // A datagram can be lost, so it is said again until it is heard.
                    let heard = (0..60).find_map(|_| {
                        session.send(text.as_bytes()).ok()?;
                        session.recv_vec_timeout(Duration::from_secs(1)).ok()?
                    });
                    if heard.is_some_and(|heard| heard == text.as_bytes()) {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    session.close();
                })
            })
            .collect();
        for client in running {
            let _ = client.join();
        }
        endpoint.close();
    });
    assert_eq!(done.load(Ordering::SeqCst), clients, "{address}");
    assert_eq!(endpoint.stats().server_sessions, u64::try_from(clients)?);
    Ok(())
}

/// Whoever closes and destroys whatever at the same time as everyone else: all calls return.
fn races(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Result<(), Box<dyn Error>> {
    for round in 0..20 {
        let endpoint = listen("127.0.0.1:0", Arc::clone(server))?;
        let ours = connect(endpoint.local_addr(), None, Arc::clone(client))?;
        let theirs = endpoint.accept_timeout(LONG)?.ok_or("nobody came")?;
        let start = Barrier::new(7);
        let act = |act: &(dyn Fn() + Sync)| {
            start.wait();
            act();
        };
        thread::scope(|scope| {
            scope.spawn(|| act(&|| ours.close()));
            scope.spawn(|| act(&|| if round % 2 == 0 { ours.destroy() } else { ours.close() }));
            scope.spawn(|| act(&|| theirs.close()));
            scope.spawn(|| act(&|| if round % 3 == 0 { endpoint.destroy() } else { endpoint.close() }));
            scope.spawn(|| act(&|| while theirs.recv_vec().is_ok() {}));
            scope.spawn(|| act(&|| while ours.send(b"still there?").is_ok() {}));
            scope.spawn(|| act(&|| drop(endpoint.accept())));
        });
        let received = ours.recv_vec_timeout(LONG);
        assert!(matches!(received, Err(SessionError::Closed)), "{received:?}");
    }
    Ok(())
}

/// Endpoints that are dropped, closed or destroyed while handshakes are under way.
fn abandoned_handshakes(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Result<(), Box<dyn Error>> {
    let silent = UdpSocket::bind("127.0.0.1:0")?;
    let nobody = silent.local_addr()?;
    for round in 0..3 {
        let caller = listen("127.0.0.1:0", Arc::clone(server))?;
        thread::scope(|scope| {
            let calling = scope.spawn(|| caller.connect(nobody, None, Arc::clone(client)));
            let mut hello = [0; 1500];
            let _ = silent.recv(&mut hello);
            match round {
                0 => caller.destroy(),
                1 => caller.close(),
                // The call holds it, and returns when a clone of it closes.
                _ => caller.clone().close(),
            }
            assert!(calling.join().is_ok_and(|called| called.is_err()));
        });
        // A server in the midst of a client's handshake.
        let (endpoint, caller) =
            (listen("127.0.0.1:0", Arc::clone(server))?, listen("127.0.0.1:0", Arc::clone(server))?);
        let address = endpoint.local_addr();
        thread::scope(|scope| {
            let calling = scope.spawn(|| caller.connect(address, None, Arc::clone(client)).map(drop));
            while endpoint.stats().datagrams_received < 2 && !calling.is_finished() {
                thread::yield_now();
            }
            match round {
                0 => endpoint.destroy(),
                1 => endpoint.close(),
                _ => drop(endpoint),
            }
            caller.destroy();
            assert!(calling.join().is_ok());
        });
    }
    Ok(())
}

/// One handler panics, one never reads, and a third has its echo all the same.
fn unlike_neighbours(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Result<(), Box<dyn Error>> {
    let endpoint = listen("127.0.0.1:0", Arc::clone(server))?;
    let meet = || -> Result<_, Box<dyn Error>> {
        let ours = connect(endpoint.local_addr(), None, Arc::clone(client))?;
        Ok((ours, endpoint.accept_timeout(LONG)?.ok_or("nobody came")?))
    };
    let (panicked_at, panics) = meet()?;
    let (unheard, never_reads) = meet()?;
    let (heard, echoes) = meet()?;
    let echo = thread::spawn(move || {
        while let Ok(datagram) = echoes.recv_vec() {
            let _ = echoes.send(&datagram);
        }
    });
    let panicked = thread::spawn(move || {
        let _ = panics.recv_vec();
        // A panic without a message.
        std::panic::resume_unwind(Box::new(()));
    });
    panicked_at.send(b"hello")?;
    assert!(panicked.join().is_err());
    // Its session was dropped, and so closed in good order.
    assert!(matches!(panicked_at.recv_vec_timeout(LONG), Err(SessionError::Closed)));
    for round in 0..3_000_u16 {
        unheard.send(&[0; 500])?;
        heard.send(&round.to_be_bytes())?;
        let echoed = heard.recv_vec_timeout(LONG)?.ok_or("no echo in time")?;
        assert_eq!(echoed, round.to_be_bytes());
    }
    assert!(never_reads.undelivered() > 0);
    heard.close();
    assert!(echo.join().is_ok());
    endpoint.close();
    Ok(())
}
