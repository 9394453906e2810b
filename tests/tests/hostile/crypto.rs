//! Cryptography that fails, repeats itself, is not wanted here, or could tell what it must not.

use core::fmt;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use dtls_core::config::KeyLog;
use dtls_core::crypto::{ccm, ring};
use dtls_core::wire::codec::Decode as _;
use dtls_core::wire::enums::{CipherSuiteId, HandshakeType};
use dtls_core::wire::hello::{ClientHello, ServerHello};
use dtls_core::{ConfigError, Connection, Error, Instant, Role};
use dtls_tests::observe::FailsOnce;
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::raw;
use dtls_tests::scenario::{
    CLIENT, CLIENT_END, PSK, SERVER_END, Scenario, assert_agreement, assert_data_flows, run_handshake,
};
use dtls_tests::sim::network::Clean;
use dtls_tests::sim::{Fate, World};

use crate::play::{SUITE, assert_refused, server};

// --- randomness ---

/// The randoms of both hellos of a handshake.
fn randoms(scenario: &Scenario) -> [[u8; 32]; 2] {
    let mut client =
        UnderTest::new(Connection::connect(scenario.client_config(CLIENT), None, Instant::ORIGIN).unwrap());
    let mut server = server(scenario);
    let hello = client.take().concat();
    let body = |datagram: &[u8]| raw::pieces(datagram)[0].fragments().remove(0).1;
    let answer = server.give(&hello).concat();
    let client = ClientHello::decode_all(&body(&hello)).unwrap().random.0;
    [client, ServerHello::decode_all(&body(&answer)).unwrap().random.0]
}

#[test]
fn no_two_hellos_have_one_random() {
    let scenario = Scenario::new(1).provider(|_| ring::provider()).preshared_key();
    let mut seen = BTreeSet::new();
    for _ in 0..500 {
        for random in randoms(&scenario) {
            assert!(random.iter().filter(|byte| **byte != 0).count() > 16, "{random:?}");
            // Not even in part: some stacks have put the time or zeros into one of them.
            assert!(seen.insert(random[..8].to_vec()) && seen.insert(random[24..].to_vec()), "{random:?}");
        }
    }
}

#[test]
fn without_randomness_nothing_is_said() {
    let failing = |role| Scenario::new(1).suite(SUITE).watched(Some(role), |provider| FailsOnce::at(0).watch(provider));
    let refused = Connection::connect(failing(Role::Client).client_config(CLIENT), None, Instant::ORIGIN);
    assert_eq!(refused.err(), Some(ConfigError::CryptoFailed));
    let mut under_test = server(&failing(Role::Server));
    let mut peer = Peer::client(SUITE, 2);
    let hello = peer.client_hello();
    let hello = peer.say(HandshakeType::CLIENT_HELLO, &hello);
    let answers = under_test.give(&raw::handshake(0, &hello));
    assert_refused(&under_test, &answers, &Error::CryptoFailed);
    assert_eq!(answers.concat().len(), 13 + 2, "an alert and no more");
}

// --- operations that fail ---

/// A handshake in which one operation of one side fails; the world when all is over, and how many operations there were.
fn with_failure(scenario: &Scenario, role: Role, failure: &FailsOnce) -> World {
    let watch = failure.clone();
    let mut world = World::new(Clean);
    let scenario = scenario.clone().watched(Some(role), move |provider| watch.watch(provider));
    let (client, server) = (scenario.client_config(CLIENT), scenario.server_config(CLIENT));
    world.add(SERVER_END, Connection::accept_on_trusted_path(server, Instant::ORIGIN), 1200);
    if let Ok(client) = Connection::connect(client, None, Instant::ORIGIN) {
        world.add(CLIENT_END, client, 1200);
        run_handshake(&mut world);
        world.drain();
    }
    world
}

#[test]
fn whatever_operation_fails_the_handshake_fails_closed_or_the_network_repairs_it() {
    let (mut runs, mut repaired) = (0, 0);
    for (name, scenario) in Scenario::kinds(5) {
        for role in [Role::Client, Role::Server] {
            let none = FailsOnce::default();
            let world = with_failure(&scenario, role, &none);
            assert_agreement(&world, CLIENT_END);
            assert!(none.calls() >= 5, "{name}: {}", none.calls());
            for call in 0..none.calls() {
                let mut world = with_failure(&scenario, role, &FailsOnce::at(call));
                runs += 1;
                let what = || format!("{name}, call {call} of {} at a {role:?}: {:#?}", none.calls(), world.log);
                let Some(client) = world.find(CLIENT_END) else { continue };
                match (client.fate(), world.end(SERVER_END).fate()) {
                    // What did not open counts as forged, and comes again.
                    (Fate::Connected(_), Fate::Connected(_)) => {
                        repaired += 1;
                        assert_agreement(&world, CLIENT_END);
                        assert_data_flows(&mut world, CLIENT_END);
                    }
                    (client_fate, server_fate) => {
                        let (failed, other) = match role {
                            Role::Client => (client_fate, server_fate),
                            Role::Server => (server_fate, client_fate),
                        };
                        let is_closed = |fate: &Fate| matches!(fate, Fate::Failed(_) | Fate::Pending);
                        assert!(matches!(failed, Fate::Failed(_)), "{failed:?} and {other:?}: {}", what());
                        assert!(is_closed(&other), "{other:?}: {}", what());
                        assert_eq!(client.data.len() + world.end(SERVER_END).data.len(), 0);
                    }
                }
            }
        }
    }
    println!("{runs} failures, {repaired} repaired");
    assert!(runs > 90 && repaired > 0 && repaired * 3 < runs, "{runs} failures, {repaired} repaired");
}

// --- what is not here ---

#[test]
fn key_exchanges_without_forward_secrecy_or_without_a_proof_have_no_suite_here() {
    // By the numbers of IANA: static RSA, static and anonymous Diffie-Hellman, finite fields, NULL, RC4, 3DES, CBC, and the
    // keys that RSA or finite fields carry.
    let unwanted = [
        0x0001, 0x0002, 0x0004, 0x0005, 0x000a, 0x0016, 0x0018, 0x001b, 0x002f, 0x0033, 0x0034, 0x0035, 0x0039, 0x003a,
        0x003b, 0x003c, 0x003d, 0x0067, 0x006b, 0x006c, 0x006d, 0x008a, 0x008c, 0x0090, 0x0094, 0x009c, 0x009d, 0x009e,
        0x009f, 0x00a0, 0x00a4, 0x00a6, 0x00a7, 0x00aa, 0x00ab, 0x00ac, 0x00ad, 0x00ae, 0xc001, 0xc002, 0xc006, 0xc007,
        0xc009, 0xc00a, 0xc010, 0xc013, 0xc014, 0xc015, 0xc018, 0xc019, 0xc023, 0xc027, 0xc02d, 0xc031, 0xc035, 0xc037,
        0xc09c, 0xc09d, 0xc09e, 0xc0a0, 0xc0a6, 0xccaa, 0xccad, 0xccae,
    ]
    .map(CipherSuiteId);
    let provider = ccm::with_ccm_8(ccm::with_ccm(ring::provider()));
    assert!(provider.cipher_suites.iter().all(|suite| !unwanted.contains(&suite.id)));
    let scenario = Scenario::new(1).with_ccm().configure(|settings| settings.fault_budget = 0);
    for scenario in [scenario.clone(), scenario.preshared_key()] {
        let mut under_test = server(&scenario);
        let mut peer = Peer::client(SUITE, 2);
        let mut hello = peer.client_hello();
        hello.cipher_suites = unwanted.to_vec();
        let hello = peer.say(HandshakeType::CLIENT_HELLO, &hello);
        let answers = under_test.give(&raw::handshake(0, &hello));
        assert_refused(&under_test, &answers, &Error::NoCommonCipherSuite);
    }
}

// --- what is printed ---

/// Keeps what is logged, and does not print it: configurations are printed with their log.
#[derive(Default)]
struct Kept(Mutex<Vec<u8>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl KeyLog for Kept {
    fn log(&self, _: &str, _: &[u8; 32], secret: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = secret.to_vec();
    }
}

#[test]
fn nothing_that_can_be_printed_tells_a_secret() {
    for (name, scenario) in Scenario::kinds(1) {
        let kept = Arc::new(Kept::default());
        let log = Arc::clone(&kept);
        let scenario = scenario.configure(move |settings| settings.key_log = Some(Arc::clone(&log) as Arc<dyn KeyLog>));
        let mut world = scenario.start(Clean);
        let mut printed = String::new();
        for moment in 0..8 {
            world.run_to(Instant::from_origin(core::time::Duration::from_millis(25 * moment)));
            for (_, end) in world.ends() {
                printed += &format!("{:?} {:#?} {:?}", end.connection, end.connection, end.events);
                printed += &format!("{:?} {:?}", end.connection.info(), end.connection.srtp_keys());
            }
        }
        assert_agreement(&world, CLIENT_END);
        printed += &format!("{:?} {:?}", scenario.client_config(CLIENT), scenario.server_config(CLIENT));
        let master = kept.0.lock().unwrap().clone();
        assert_eq!(master.len(), 48);
        for secret in [&PSK[..], &master] {
            let part = &secret[4..12];
            let decimal: Vec<String> = part.iter().map(u8::to_string).collect();
            let bytes: Vec<String> = part.iter().map(|byte| format!("{byte:02x}")).collect();
            let hexadecimal: Vec<String> = part.iter().map(|byte| format!("{byte:#04x}")).collect();
            for form in [
                decimal.join(", "),
                bytes.concat(),
                bytes.join(" "),
                bytes.join(", "),
                hexadecimal.join(", "),
                String::from_utf8_lossy(part).into_owned(),
            ] {
                assert!(!printed.contains(&form), "{name} prints {form}");
            }
        }
    }
}
