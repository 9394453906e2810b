//! Does things whose number of instructions must not tell what it must not tell, for `tests/instructions.rs` to count them.
//!
//! What is counted is one call of [`measured`] for each case; everything around it is preparation. Each case is named on a
//! line of standard output; what is done once, by whoever is first, is done in one that is named `warm-up`. All randomness
//! comes from seeds, so the counts are the same in every run of one binary.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a program for a test, which fails with it")]

use std::sync::Arc;

use dtls_core::crypto::{PresharedKey, PskIdentity, PskServer, Psks};
use dtls_core::wire::enums::CipherSuiteId;
use dtls_core::{ClientConfig, Connection, Event, Instant, ServerConfig};
use dtls_tests::seeded;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("identities") => identities(),
        Some("tags") => tags(),
        other => panic!("what shall be done? {other:?}"),
    }
}

/// What is counted, and what it is called: a connection takes in what has arrived, and says all it has to say.
#[inline(never)]
fn measured(connection: &mut Connection, datagrams: &mut [Vec<u8>]) -> (usize, Vec<Event>) {
    let mut said = Vec::new();
    for datagram in datagrams {
        drop(connection.receive(Instant::ORIGIN, datagram));
    }
    while connection.poll_transmit(Instant::ORIGIN, &mut said) {}
    let events = core::iter::from_fn(|| connection.poll_event()).collect();
    (said.len(), events)
}

// --- identities ---

/// How many clients the server knows.
const KNOWN: usize = 300;

/// The last flight of a client, by turns of one that is known and has another key, and of one that is not known. First with
/// keys that are found by a search that takes as long for either, then with a table.
fn identities() {
    let name = |index: usize| format!("client {index:04}").into_bytes();
    let table =
        (0..KNOWN).fold(Psks::new(), |table, index| table.with(PskIdentity::new(name(index), vec![7; 16]).unwrap()));
    let table: Arc<dyn PskServer> = Arc::new(table);
    let steady: Arc<dyn PskServer> = Arc::new(|identity: &[u8]| {
        let key = Arc::new(PresharedKey::new(vec![7; 16]).unwrap());
        (identity.last() != Some(&b'x')).then_some(key)
    });
    for (way, psks) in [("search", steady), ("table", table)] {
        for suite in
            [CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256, CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256]
        {
            println!("warm-up");
            finish(suite, &psks, name(1));
            for index in [0, KNOWN / 2, KNOWN - 1] {
                // As long as the known one, and next to it in the order of the table.
                let mut unknown = name(index);
                *unknown.last_mut().unwrap() = b'x';
                println!("{suite} {index} {way} known");
                finish(suite, &psks, name(index));
                println!("{suite} {index} {way} unknown");
                finish(suite, &psks, unknown);
            }
        }
    }
}

/// Leads a handshake to the client's last flight, under a key that nobody has, and lets the server have it.
fn finish(suite: CipherSuiteId, psks: &Arc<dyn PskServer>, identity: Vec<u8>) {
    let psk = PskIdentity::new(identity, vec![8; 16]).unwrap();
    let client = ClientConfig::builder(Arc::new(seeded::provider(1)))
        .preshared_key(Arc::new(psk))
        .configure(|settings| settings.cipher_suites = vec![suite])
        .build()
        .unwrap();
    let server = ServerConfig::builder(Arc::new(seeded::provider(2))).preshared_keys(Arc::clone(psks)).build().unwrap();
    let mut client = Connection::connect(Arc::new(client), None, Instant::ORIGIN).unwrap();
    let mut server = Connection::accept_on_trusted_path(Arc::new(server), Instant::ORIGIN);
    for mut datagram in take(&mut client) {
        drop(server.receive(Instant::ORIGIN, &mut datagram));
    }
    for mut datagram in take(&mut server) {
        drop(client.receive(Instant::ORIGIN, &mut datagram));
    }
    let mut flight_5 = take(&mut client);
    let (said, events) = measured(&mut server, &mut flight_5);
    assert_eq!((said, &events[..]), (0, &[Event::KeysProbablyDiffer][..]));
}

fn take(connection: &mut Connection) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut datagram = Vec::new();
    while connection.poll_transmit(Instant::ORIGIN, &mut datagram) {
        datagrams.push(core::mem::take(&mut datagram));
    }
    datagrams
}

// --- tags ---

/// A record whose tag is wrong in its first byte, in its last, and in all of them, for each AEAD.
fn tags() {
    for suite in [
        CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256,
        CipherSuiteId::TLS_PSK_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuiteId::TLS_PSK_WITH_AES_128_CCM,
        CipherSuiteId::TLS_PSK_WITH_AES_128_CCM_8,
    ] {
        let psk = || PskIdentity::new(b"client".to_vec(), vec![7; 16]).unwrap();
        let client = ClientConfig::builder(Arc::new(seeded::provider_with_ccm(1)))
            .preshared_key(Arc::new(psk()))
            .configure(|settings| settings.cipher_suites = vec![suite])
            .build()
            .unwrap();
        let server = ServerConfig::builder(Arc::new(seeded::provider_with_ccm(2)))
            .preshared_keys(Arc::new(Psks::new().with(psk())))
            .build()
            .unwrap();
        let mut client = Connection::connect(Arc::new(client), None, Instant::ORIGIN).unwrap();
        let mut server = Connection::accept_on_trusted_path(Arc::new(server), Instant::ORIGIN);
        for _ in 0..3 {
            for mut datagram in take(&mut client) {
                drop(server.receive(Instant::ORIGIN, &mut datagram));
            }
            for mut datagram in take(&mut server) {
                drop(client.receive(Instant::ORIGIN, &mut datagram));
            }
        }
        assert_eq!((client.poll_event(), server.poll_event()), (Some(Event::Connected), Some(Event::Connected)));
        let mut honest = Vec::new();
        client.send(&[0x5a; 200], &mut honest).unwrap();
        let tag_len = if suite == CipherSuiteId::TLS_PSK_WITH_AES_128_CCM_8 { 8 } else { 16 };
        let tag = honest.len() - tag_len;
        let end = honest.len();
        for (name, wrong) in [("warm-up", tag..end), ("first", tag..tag + 1), ("last", end - 1..end), ("all", tag..end)]
        {
            println!("{}", if name == "warm-up" { name.to_owned() } else { format!("{suite} {name}") });
            let mut forged = honest.clone();
            forged.get_mut(wrong).unwrap().iter_mut().for_each(|byte| *byte ^= 0x80);
            let (said, events) = measured(&mut server, &mut [forged]);
            assert_eq!((said, events.len()), (0, 0));
        }
    }
}
