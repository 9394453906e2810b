//! What a handshake costs that resumes a session by a ticket, beside its primitives and beside a full one.

use core::hint::black_box;
use core::time::Duration;
use std::sync::Arc;

use dtls_core::crypto::{Fingerprint, Fingerprints, Identity, WallClock, ring as ring_provider};
use dtls_core::resumption::{ServerResumption, TicketKey, Tickets};
use dtls_core::wire::enums::{CipherSuiteId, NamedGroup};
use dtls_core::{ClientConfig, Connection, Instant, ResumptionState, ServerConfig};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};
use rustls_pki_types::{PrivateKeyDer, UnixTime};

use crate::compare;

/// Prints both comparisons, and what is on the wire of each kind of handshake.
pub(crate) fn report() {
    let ends = Ends::new();
    let (full, state) = ends.connect(None);
    let state = state.expect("the server gives tickets");
    let (resumed, _) = ends.connect(Some(&state));
    assert!(resumed.is_resumed && !full.is_resumed, "one of each kind");
    let mut again = || {
        black_box(ends.connect(Some(&state)));
    };
    let (direct, engine, ratio) = compare(&mut primitives(), &mut again);
    println!("{:<48} {direct:>16.1?} {engine:>9.1?} {ratio:>7.3}x   1.50x", "beside its primitives");
    let mut anew = || {
        black_box(ends.connect(None));
    };
    let (whole, again, ratio) = compare(&mut anew, &mut again);
    println!("{:<48} {whole:>16.1?} {again:>9.1?} {ratio:>7.3}x", "beside a full one");
    for (kind, Handshake { datagrams, bytes, .. }) in [("full", full), ("resumed", resumed)] {
        println!("{kind:<48} {datagrams:>6} datagrams of {bytes} bytes in all, without a cookie");
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct Standing;

impl WallClock for Standing {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)))
    }
}

/// A server that gives tickets, and a client that takes them.
struct Ends {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// What was seen of a handshake.
struct Handshake {
    datagrams: usize,
    bytes: usize,
    is_resumed: bool,
}

impl Ends {
    fn new() -> Self {
        let provider = Arc::new(ring_provider::provider());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let identity = Identity::new(&provider, vec![made.cert.der().clone()], key).expect("an identity");
        let fingerprint = Fingerprint::of(&provider, made.cert.der());
        let trust = Arc::new(Fingerprints::new(&provider, [fingerprint]).expect("a fingerprint"));
        let keys = vec![TicketKey::random(&provider).expect("random bytes")];
        let tickets = Arc::new(Tickets::new(&provider, keys).expect("tickets"));
        let client = ClientConfig::builder(Arc::clone(&provider)).trust(trust).without_identity().resumable();
        let client = client.configure(|settings| {
            settings.cipher_suites = vec![CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
            settings.groups = vec![NamedGroup::X25519, NamedGroup::SECP256R1];
        });
        let server = ServerConfig::builder(provider).identity(identity);
        let server = server.resumption(ServerResumption::new(Arc::new(Standing)).with_tickets(tickets));
        Self {
            client: Arc::new(client.build().expect("a client configuration")),
            server: Arc::new(server.build().expect("a server configuration")),
        }
    }

    /// Runs a handshake without a cookie.
    fn connect(&self, resume: Option<&ResumptionState>) -> (Handshake, Option<ResumptionState>) {
        let (now, config) = (Instant::ORIGIN, Arc::clone(&self.client));
        let client = match resume {
            None => Connection::connect(config, None, now),
            Some(state) => Connection::connect_resuming(config, None, state, now),
        };
        let mut client = client.expect("a client");
        let mut server = Connection::accept_on_trusted_path(Arc::clone(&self.server), now);
        let (mut datagrams, mut bytes) = (0, 0);
        let mut datagram = Vec::with_capacity(2048);
        let mut carry = |from: &mut Connection, to: &mut Connection| {
            let before = datagrams;
            while from.poll_transmit(now, &mut datagram) {
                (datagrams, bytes) = (datagrams + 1, bytes + datagram.len());
                to.receive(now, &mut datagram).for_each(drop);
                datagram.clear();
            }
            datagrams > before
        };
        while carry(&mut client, &mut server) | carry(&mut server, &mut client) {}
        let is_resumed = server.info().expect("the handshake did not complete").resumed;
        (Handshake { datagrams, bytes, is_resumed }, client.take_resumption_state())
    }
}

/// The cryptography of both sides of such a handshake: randoms, a ticket opened, a certificate looked up by its hash, record
/// keys, four times the content of a Finished, each of two sealed and opened, and the hash of what was said.
fn primitives() -> impl FnMut() {
    let random = SystemRandom::new();
    let key = |algorithm: &'static ring::aead::Algorithm| {
        LessSafeKey::new(UnboundKey::new(algorithm, &[7; 32][..algorithm.key_len()]).expect("a key"))
    };
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let mut sealed_ticket = vec![0x5a; 512];
    let tag = key(&AES_256_GCM).seal_in_place_separate_tag(nonce(), Aad::empty(), &mut sealed_ticket).expect("sealed");
    sealed_ticket.extend_from_slice(tag.as_ref());
    // P_hash (RFC 5246 section 5): two HMACs for each output block, with one key.
    let prf = |blocks: usize| {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[7; 48]);
        for _ in 0..2 * blocks {
            black_box(hmac::sign(&secret, &[7; 96]));
        }
    };
    move || {
        let mut bytes = [0; 32];
        for _ in 0..3 {
            random.fill(&mut bytes).expect("random bytes");
        }
        black_box(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), &bytes));
        let mut ticket = sealed_ticket.clone();
        key(&AES_256_GCM).open_in_place(nonce(), Aad::empty(), &mut ticket).expect("opened");
        black_box(digest::digest(&digest::SHA256, &[7; 400]));
        for _ in 0..2 {
            prf(2);
            let (sealer, opener) = (key(&AES_128_GCM), key(&AES_128_GCM));
            prf(1);
            prf(1);
            black_box(digest::digest(&digest::SHA256, &[7; 1200]));
            let mut finished = vec![7; 24];
            sealer.seal_in_place_append_tag(nonce(), Aad::from([7; 13]), &mut finished).expect("sealed");
            opener.open_in_place(nonce(), Aad::from([7; 13]), &mut finished).expect("opened");
        }
    }
}
