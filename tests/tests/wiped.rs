//! What is left of secrets in the memory of the process when they have served: nothing, neither on the heap nor on stacks.
//!
//! The whole writable memory is looked through, by way of `/proc`, for the pre-shared key and the master secret: while the
//! sessions live, to see that the search finds what is there, and when they and their configurations are gone. It is a
//! binary of its own with one test, so that nobody else writes to that memory meanwhile.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use dtls_core::config::KeyLog;
use dtls_core::crypto::{CryptoProvider, PskIdentity, Psks, ccm, ring};
use dtls_core::wire::enums::CipherSuiteId;
use dtls_core::{ClientConfig, Connection, Event, Instant, ResumptionState, ServerConfig};
use dtls_tests::certificates::{self, Leaf};
use dtls_tests::remembered::{By, Memory};

/// Keeps secrets in such a form that the search does not find them.
#[derive(Debug, Default)]
struct Hidden(Mutex<Vec<u8>>);

impl KeyLog for Hidden {
    fn log(&self, _: &str, _: &[u8; 32], secret: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = secret.iter().map(|byte| !byte).collect();
    }
}

/// The places where a secret stands in the writable memory of this process: the name of each mapping. `hidden` is the
/// secret with all bits turned round. Part of it is enough, and not its beginning, where an allocator writes when it gets
/// the room back.
fn search(hidden: &[u8]) -> Vec<String> {
    const CHUNK: usize = 4096;
    let hidden = &hidden[16..32];
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = Vec::new();
    let mut buffer = vec![0; CHUNK + hidden.len() - 1];
    let zeros = buffer.clone();
    let own = buffer.as_ptr() as u64..buffer.as_ptr() as u64 + buffer.len() as u64;
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let name = fields.get(5).copied().unwrap_or("anonymous");
        if !fields[1].starts_with("rw") || ["[vvar]", "[vsyscall]"].contains(&name) {
            continue;
        }
        let (from, to) = fields[0].split_once('-').unwrap();
        let [mut at, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        while at < to {
            let len = (to - at).min(buffer.len() as u64) as usize;
            let Ok(read) = memory.read_at(&mut buffer[..len], at) else { break };
            // Most of it has never been used, and a comparison of slices is fast.
            if buffer[..read] != zeros[..read] {
                let places = buffer[..read].windows(hidden.len()).enumerate();
                let here =
                    places.filter(|(_, window)| window.iter().zip(hidden).all(|(byte, hidden)| *byte == !hidden));
                // What was read into the buffer is not there a second time.
                found.extend(here.filter(|(offset, _)| !own.contains(&(at + *offset as u64))).map(|_| name.to_owned()));
                buffer.fill(0);
            }
            at += CHUNK as u64;
        }
    }
    found
}

/// Both ends of a handshake that is complete.
fn connect(client: ClientConfig, server: ServerConfig) -> (Connection, Connection) {
    shake_hands(Connection::connect(Arc::new(client), None, Instant::ORIGIN).unwrap(), &Arc::new(server))
}

fn shake_hands(mut client: Connection, server: &Arc<ServerConfig>) -> (Connection, Connection) {
    let now = Instant::ORIGIN;
    let mut server = Connection::accept_on_trusted_path(Arc::clone(server), now);
    for _ in 0..4 {
        let mut datagram = Vec::new();
        for is_client in [true, false] {
            let (from, to) = if is_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
            while from.poll_transmit(now, &mut datagram) {
                drop(to.receive(now, &mut datagram));
                datagram.clear();
            }
        }
    }
    assert_eq!((client.poll_event(), server.poll_event()), (Some(Event::Connected), Some(Event::Connected)));
    (client, server)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ccm::with_ccm(ring::provider()))
}

/// A key that stands nowhere in the program: its bytes turned round.
fn hidden_psk() -> Vec<u8> {
    (0..40_u8).map(|index| index.wrapping_mul(37) ^ 0xa5).collect()
}

fn psk() -> PskIdentity {
    let mut key = Vec::with_capacity(40);
    key.extend(hidden_psk().iter().map(|byte| !byte));
    PskIdentity::new(b"sensor".to_vec(), key).unwrap()
}

#[test]
fn no_secret_is_left_in_memory_when_it_has_served() {
    let suites = [
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
        CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384,
        CipherSuiteId::TLS_PSK_WITH_AES_128_CCM,
    ];
    assert_eq!(search(&hidden_psk()), Vec::<String>::new(), "before there is a key");
    for suite in suites {
        let log = Arc::new(Hidden::default());
        let keep = Arc::clone(&log);
        let is_psk = !suite.name().unwrap().contains("ECDSA");
        let change = move |settings: &mut dtls_core::Settings| {
            settings.cipher_suites = vec![suite];
            settings.key_log = Some(Arc::clone(&keep) as Arc<dyn KeyLog>);
        };
        let (client, server) = if is_psk {
            (
                ClientConfig::builder(provider()).preshared_key(Arc::new(psk())).configure(change.clone()).build(),
                ServerConfig::builder(provider())
                    .preshared_keys(Arc::new(Psks::new().with(psk())))
                    .configure(change)
                    .build(),
            )
        } else {
            let trust = certificates::pinned(Leaf::EcdsaP256);
            let identity = certificates::identity(&provider(), Leaf::EcdsaP256);
            (
                ClientConfig::builder(provider()).trust(trust).without_identity().configure(change.clone()).build(),
                ServerConfig::builder(provider()).identity(identity).configure(change).build(),
            )
        };
        assert_eq!(!search(&hidden_psk()).is_empty(), is_psk, "{suite}: in the configurations");
        // These go with the handshake.
        let (client, server) = connect(client.unwrap(), server.unwrap());
        let master = log.0.lock().unwrap().clone();
        let alive = search(&master);
        assert_eq!(alive.len(), 2, "{suite}: one for each end: {alive:?}");
        drop((client, server));
        assert_eq!(search(&master), Vec::<String>::new(), "{suite}: the master secret");
        assert_eq!(search(&hidden_psk()), Vec::<String>::new(), "{suite}: the pre-shared key");
    }
    no_secret_of_a_resumed_session_is_left();
}

/// Part of the one test there is here: nobody else may write to the memory meanwhile.
fn no_secret_of_a_resumed_session_is_left() {
    for by in By::ALL {
        let log = Arc::new(Hidden::default());
        let keep = Arc::clone(&log);
        let change = move |settings: &mut dtls_core::Settings| {
            settings.key_log = Some(Arc::clone(&keep) as Arc<dyn KeyLog>);
        };
        let memory = Memory::new(by);
        let (trust, identity) =
            (certificates::pinned(Leaf::EcdsaP256), certificates::identity(&provider(), Leaf::EcdsaP256));
        let client = ClientConfig::builder(provider()).trust(trust).without_identity().resumable();
        let client = Arc::new(client.configure(change.clone()).build().unwrap());
        let server = ServerConfig::builder(provider()).identity(identity).resumption(memory.of_server(&provider()));
        let server = Arc::new(server.configure(change).build().unwrap());
        let first = Connection::connect(Arc::clone(&client), None, Instant::ORIGIN).unwrap();
        let (mut first, other) = shake_hands(first, &server);
        let master = log.0.lock().unwrap().clone();
        let saved = first.take_resumption_state().unwrap().to_bytes();
        drop((first, other));
        let kept = 1 + usize::from(by == By::SessionId);
        assert_eq!(search(&master).len(), kept, "{by:?}: what the client keeps, and a server's cache");
        let state = ResumptionState::from_bytes(&saved).unwrap();
        drop(saved);
        let second = Connection::connect_resuming(Arc::clone(&client), None, &state, Instant::ORIGIN).unwrap();
        let (second, other) = shake_hands(second, &server);
        assert!(second.info().unwrap().resumed && other.info().unwrap().resumed);
        assert_eq!(master, *log.0.lock().unwrap(), "one secret for both");
        drop((second, other, state));
        drop((client, server, memory));
        assert_eq!(search(&master), Vec::<String>::new(), "{by:?}");
    }
}
