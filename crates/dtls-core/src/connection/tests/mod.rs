//! A connection as its owner sees it: two ends in one process, and what is done to one of them.

mod connection_ids;
mod credentials;
mod decisions;
mod events;
mod exporters;
mod forged;
mod limits;
mod mtu;
mod path_checks;
mod peer;
mod psk;
mod resumption;
mod saving;

use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::established::Linger;
use super::*;
use crate::config::{ClientAuthentication, ExtendedMasterSecret, ServerNames};
use crate::crypto::{CryptoProvider, Fingerprint, Fingerprints, Identity, PeerVerifier, testing};
use crate::discard::Discard;
use crate::error::CertificateError;
use crate::wire::codec::Decode as _;
use crate::wire::enums::{ContentType, HandshakeType, MaxFragmentLength, ProtocolVersion, SrtpProfile};
use crate::wire::fragment::{FragmentHeader, Fragments, MessageSeq};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::record::{Epoch, RecordHeader, Records};

const START: Instant = Instant::ORIGIN;

/// Both configurations of a pair; each test changes what it needs.
struct Pair {
    provider: Arc<CryptoProvider>,
    client_settings: fn(&mut Settings),
    server_settings: fn(&mut Settings),
    /// Whom the client trusts, by fingerprint; the server's own unless a test says otherwise.
    trusted: Option<Fingerprint>,
    client_authentication: ClientAuthentication,
    client_has_identity: bool,
    /// How often the server shows its certificate, to be long-winded.
    certificates: usize,
}

impl Pair {
    fn new() -> Self {
        Self {
            provider: Arc::new(testing::providers().swap_remove(0)),
            client_settings: |_| {},
            server_settings: |_| {},
            trusted: None,
            client_authentication: ClientAuthentication::None,
            client_has_identity: false,
            certificates: 1,
        }
    }

    fn verifier(&self, fingerprint: Fingerprint) -> Arc<dyn PeerVerifier> {
        Arc::new(Fingerprints::new(&self.provider, [fingerprint]).unwrap())
    }

    /// A client that has not sent anything yet and a server that waits for it.
    fn build(&self) -> (Connection, Connection) {
        let (certificate, key) = testing::self_signed();
        let fingerprint = self.trusted.unwrap_or_else(|| Fingerprint::of(&self.provider, &certificate));
        let identity = Identity::new(&self.provider, vec![certificate; self.certificates], key).unwrap();
        let server = ServerConfig::builder(Arc::clone(&self.provider))
            .identity(identity)
            .client_authentication(self.client_authentication.clone())
            .configure(self.server_settings)
            .build()
            .unwrap();
        let client = ClientConfig::builder(Arc::clone(&self.provider)).trust(self.verifier(fingerprint));
        let client = if self.client_has_identity {
            let (certificate, key) = testing::self_signed();
            client.identity(Identity::new(&self.provider, vec![certificate], key).unwrap())
        } else {
            client.without_identity()
        };
        let client = client.configure(self.client_settings).build().unwrap();
        (
            Connection::connect(Arc::new(client), None, START).unwrap(),
            Connection::accept_on_trusted_path(Arc::new(server), START),
        )
    }

    /// Both ends, connected.
    fn connect(&self) -> (Connection, Connection) {
        let (mut client, mut server) = self.build();
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert_eq!(server.poll_event(), Some(Event::Connected));
        (client, server)
    }
}

/// Everything that leaves `from` now.
fn drain(from: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let mut datagrams = vec![];
    let mut datagram = vec![];
    while from.poll_transmit(now, &mut datagram) {
        datagrams.push(core::mem::take(&mut datagram));
    }
    datagrams
}

/// Gives datagrams to `to` and returns the application data in them.
fn deliver(datagrams: Vec<Vec<u8>>, to: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let mut received = vec![];
    for mut datagram in datagrams {
        received.extend(to.receive(now, &mut datagram).map(|payload| payload.to_vec()));
    }
    received
}

/// Carries datagrams both ways until nothing moves.
fn exchange(client: &mut Connection, server: &mut Connection, now: Instant) {
    loop {
        let (from_client, from_server) = (drain(client, now), drain(server, now));
        if from_client.is_empty() && from_server.is_empty() {
            break;
        }
        deliver(from_client, server, now);
        deliver(from_server, client, now);
    }
}

fn plaintext_record(content_type: ContentType, body: &[u8]) -> Vec<u8> {
    let header = RecordHeader {
        content_type,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ZERO,
        number: RecordNumber::new(77).unwrap(),
        length: u16::try_from(body.len()).unwrap(),
    };
    [&header.to_bytes(), body].concat()
}

/// A record that `from` seals with its own key: what only the honest peer could have sent.
fn sealed_record(from: &mut Connection, content_type: ContentType, body: &[u8]) -> Vec<u8> {
    let mut record = vec![];
    from.outbound.write(Epoch::ONE, content_type, &[body], body.len(), &mut record).unwrap();
    record
}

fn ping(from: &mut Connection, to: &mut Connection) -> Vec<Vec<u8>> {
    let mut datagram = vec![];
    from.send(b"ping", &mut datagram).unwrap();
    deliver(vec![datagram], to, START)
}
