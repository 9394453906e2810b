//! Sessions that go on in another connection.

extern crate std;

mod connection_ids;
mod forged;
mod life;
mod who;

use core::sync::atomic::{AtomicU64, Ordering};

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::crypto::{PeerAuthenticated, PresentedPeer, PskIdentity, Psks, WallClock};
use crate::resumption::{
    Misfit, ResumptionState, SESSION_ID_LEN, ServerResumption, SessionCache, StateError, TicketKey, Tickets,
};
use crate::wire::codec::Encode as _;
use crate::wire::enums::CipherSuiteId;
use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

/// A clock that stands until it is moved.
#[derive(Debug)]
struct Clock(AtomicU64);

impl WallClock for Clock {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

#[derive(Debug, Default)]
struct Cache(Mutex<BTreeMap<[u8; SESSION_ID_LEN], Zeroizing<Vec<u8>>>>);

impl Cache {
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl SessionCache for Cache {
    fn put(&self, id: [u8; SESSION_ID_LEN], session: Zeroizing<Vec<u8>>) {
        self.0.lock().unwrap().insert(id, session);
    }

    fn get(&self, id: &[u8; SESSION_ID_LEN]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.lock().unwrap().get(id).cloned()
    }

    fn remove(&self, id: &[u8; SESSION_ID_LEN]) {
        self.0.lock().unwrap().remove(id);
    }
}

/// Trusts whoever it is told to, for as long as it is told to.
#[derive(Debug, Default)]
struct Trust(Mutex<Vec<CertificateDer<'static>>>);

impl Trust {
    fn of(certificate: &CertificateDer<'static>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![certificate.clone()])))
    }

    fn withdraw(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl PeerVerifier for Trust {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        let leaf = peer.chain()?.first().ok_or(CertificateError::Unreadable)?;
        let trusted = self.0.lock().unwrap().contains(leaf);
        if trusted { Ok(PeerAuthenticated::dangerous_assertion()) } else { Err(CertificateError::Rejected) }
    }
}

/// How a server remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Ticket,
    SessionId,
}

/// A server that remembers, a client of its, and what may change between two connections.
struct World {
    provider: Arc<CryptoProvider>,
    clock: Arc<Clock>,
    cache: Arc<Cache>,
    tickets: Option<Arc<Tickets>>,
    server_identity: Identity,
    client_identity: Identity,
    trust_in_server: Arc<Trust>,
    trust_in_client: Arc<Trust>,
    asks: bool,
    requires: bool,
    client_shows: bool,
    name: Option<&'static str>,
    client_settings: fn(&mut Settings),
    server_settings: fn(&mut Settings),
    now: Instant,
}

fn ticket_key(provider: &CryptoProvider, n: u8) -> Arc<Tickets> {
    Arc::new(Tickets::new(provider, vec![TicketKey::from_bytes(&[n; TicketKey::LEN])]).unwrap())
}

impl World {
    fn new(by: By) -> Self {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let identity = || {
            let (certificate, key) = testing::self_signed();
            Identity::new(&provider, vec![certificate], key).unwrap()
        };
        let (server_identity, client_identity) = (identity(), identity());
        Self {
            clock: Arc::new(Clock(AtomicU64::new(1_000_000))),
            cache: Arc::default(),
            tickets: (by == By::Ticket).then(|| ticket_key(&provider, 7)),
            trust_in_server: Trust::of(&server_identity.chain()[0]),
            trust_in_client: Trust::of(&client_identity.chain()[0]),
            server_identity,
            client_identity,
            asks: false,
            requires: false,
            client_shows: true,
            name: Some("localhost"),
            client_settings: |_| {},
            server_settings: |_| {},
            now: START,
            provider,
        }
    }

    fn mutual(by: By) -> Self {
        Self { asks: true, requires: true, ..Self::new(by) }
    }

    fn resumption(&self) -> ServerResumption {
        let clock: Arc<Clock> = Arc::clone(&self.clock);
        let resumption = ServerResumption::new(clock).with_lifetime(Duration::from_secs(1000));
        match &self.tickets {
            Some(tickets) => resumption.with_tickets(Arc::<Tickets>::clone(tickets)),
            None => resumption.with_cache(Arc::<Cache>::clone(&self.cache)),
        }
    }

    fn server(&self) -> Connection {
        let trust: Arc<Trust> = Arc::clone(&self.trust_in_client);
        let config = ServerConfig::builder(Arc::clone(&self.provider))
            .identity(self.server_identity.clone())
            .client_authentication(match (self.asks, self.requires) {
                (false, _) => ClientAuthentication::None,
                (true, false) => ClientAuthentication::Request(trust),
                (true, true) => ClientAuthentication::Require(trust),
            })
            .resumption(self.resumption())
            .configure(self.server_settings);
        Connection::accept_on_trusted_path(Arc::new(config.build().unwrap()), self.now)
    }

    fn client_config(&self) -> Arc<ClientConfig> {
        let config =
            ClientConfig::builder(Arc::clone(&self.provider)).trust(Arc::<Trust>::clone(&self.trust_in_server));
        let config = match self.client_shows {
            true => config.identity(self.client_identity.clone()),
            false => config.without_identity(),
        };
        Arc::new(config.resumable().configure(self.client_settings).build().unwrap())
    }

    fn name(&self) -> Option<ServerName<'static>> {
        self.name.map(|name| ServerName::try_from(name).unwrap())
    }

    fn client(&self, state: Option<&ResumptionState>) -> Connection {
        match state {
            None => Connection::connect(self.client_config(), self.name(), self.now),
            Some(state) => Connection::connect_resuming(self.client_config(), self.name(), state, self.now),
        }
        .unwrap()
    }

    /// A connection, begun from `state` if there is one.
    fn connect(&self, state: Option<&ResumptionState>) -> (Connection, Connection) {
        let (mut client, mut server) = (self.client(state), self.server());
        exchange(&mut client, &mut server, self.now);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert_eq!(server.poll_event(), Some(Event::Connected));
        assert_eq!(ping(&mut client, &mut server), [b"ping"]);
        assert_eq!(ping(&mut server, &mut client), [b"ping"]);
        (client, server)
    }

    fn session(&self) -> ResumptionState {
        let (mut client, _server) = self.connect(None);
        assert!(!client.info().unwrap().resumed);
        client.take_resumption_state().unwrap()
    }

    /// Whether a connection begun from `state` goes on with its session; both sides must agree.
    fn resumes(&self, state: &ResumptionState) -> bool {
        let (client, server) = self.connect(Some(state));
        let (ours, theirs) = (client.info().unwrap(), server.info().unwrap());
        assert_eq!(ours.resumed, theirs.resumed);
        if ours.extended_master_secret {
            let (mut a, mut b) = ([0; 20], [1; 20]);
            client.export(b"label", None, &mut a).unwrap();
            server.export(b"label", None, &mut b).unwrap();
            assert_eq!(a, b);
        }
        ours.resumed
    }
}

/// The types of the messages in the clear.
fn types_in(flight: &[Vec<u8>]) -> Vec<HandshakeType> {
    flight
        .iter()
        .flat_map(|datagram| Records::new(datagram))
        .map(Result::unwrap)
        .filter(|record| record.header.epoch == Epoch::ZERO && record.header.content_type == ContentType::HANDSHAKE)
        .flat_map(|record| Fragments::new(record.body).map(|fragment| fragment.unwrap().header.typ))
        .collect()
}

const BOTH: [By; 2] = [By::Ticket, By::SessionId];

#[test]
fn a_session_is_resumed_again_and_again_and_both_sides_know_who_the_other_was() {
    for by in BOTH {
        let world = World::mutual(by);
        let mut state = world.session();
        for _ in 0..3 {
            let (mut client, server) = world.connect(Some(&state));
            let (ours, theirs) = (client.info().unwrap(), server.info().unwrap());
            assert!(ours.resumed && theirs.resumed, "{by:?}");
            assert_eq!(ours.peer_certificates, world.server_identity.chain());
            assert_eq!(theirs.peer_certificates, world.client_identity.chain());
            assert_eq!(theirs.server_name.as_deref(), Some(&b"localhost"[..]));
            assert_eq!((ours.group, ours.signature_scheme), (None, None));
            state = client.take_resumption_state().unwrap();
        }
    }
}

#[test]
fn each_resumption_has_keys_of_its_own() {
    for by in BOTH {
        let world = World::new(by);
        let state = world.session();
        let exports: Vec<_> = (0..2)
            .map(|_| {
                let (client, _) = world.connect(Some(&state));
                let mut out = [0; 32];
                client.export(b"label", None, &mut out).unwrap();
                out
            })
            .collect();
        assert_ne!(exports[0], exports[1]);
    }
}

#[test]
fn a_resumed_handshake_is_two_flights_shorter_and_has_no_key_exchange() {
    for by in BOTH {
        let world = World::mutual(by);
        let state = world.session();
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        deliver(drain(&mut client, START), &mut server, START);
        let flight_4 = drain(&mut server, START);
        assert_eq!(types_in(&flight_4), [HandshakeType::SERVER_HELLO]);
        deliver(flight_4, &mut client, START);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert_eq!(server.poll_event(), None, "not before the client's Finished");
        deliver(drain(&mut client, START), &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Connected));
        assert!(drain(&mut server, START).is_empty());
    }
}

#[test]
fn the_client_repeats_its_last_flight_when_the_server_repeats_its_own() {
    for by in BOTH {
        let world = World::new(by);
        let state = world.session();
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        deliver(drain(&mut client, START), &mut server, START);
        deliver(drain(&mut server, START), &mut client, START);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        let mut now = START;
        for _ in 0..3 {
            assert_eq!(drain(&mut client, now).len(), 1, "lost");
            now = server.poll_timeout().unwrap();
            server.handle_timeout(now);
            deliver(drain(&mut server, now), &mut client, now);
        }
        deliver(drain(&mut client, now), &mut server, now);
        assert_eq!(server.poll_event(), Some(Event::Connected));
        // And lets go of it.
        let until = client.poll_timeout().unwrap();
        client.handle_timeout(until);
        assert_eq!(client.poll_timeout(), None);
    }
}

#[test]
fn every_flight_of_a_resumed_handshake_may_be_lost() {
    for by in BOTH {
        for lost in 0..3 {
            let world = World::new(by);
            let state = world.session();
            let (mut client, mut server) = (world.client(Some(&state)), world.server());
            let (mut now, mut sent) = (START, 0);
            while client.info().is_none() || server.info().is_none() {
                loop {
                    let (from_client, from_server) = (drain(&mut client, now), drain(&mut server, now));
                    if from_client.is_empty() && from_server.is_empty() {
                        break;
                    }
                    for (datagrams, to) in [(from_client, &mut server), (from_server, &mut client)] {
                        for datagram in datagrams {
                            if sent != lost {
                                deliver(vec![datagram], to, now);
                            }
                            sent += 1;
                        }
                    }
                }
                if client.info().is_none() || server.info().is_none() {
                    now = [client.poll_timeout(), server.poll_timeout()].into_iter().flatten().min().unwrap();
                    client.handle_timeout(now);
                    server.handle_timeout(now);
                }
            }
            assert!(client.info().unwrap().resumed, "{by:?} {lost}");
            assert!(now < START + Duration::from_secs(5));
        }
    }
}

#[test]
fn what_the_server_does_not_remember_becomes_a_full_handshake() {
    type Change = fn(&mut World);
    let changes: [(&str, Change); 6] = [
        ("the session is too old", |world| {
            world.clock.0.fetch_add(1000, Ordering::Relaxed);
        }),
        ("the clock went backwards", |world| {
            world.clock.0.fetch_sub(1, Ordering::Relaxed);
        }),
        ("the server has other keys or another cache", |world| {
            world.tickets = world.tickets.as_ref().map(|_| ticket_key(&world.provider, 9));
            world.cache = Arc::default();
        }),
        ("the server's suites have changed", |world| {
            world.server_settings = |settings| {
                settings.cipher_suites.remove(0);
            };
        }),
        ("the client's suites have changed", |world| {
            world.client_settings = |settings| {
                settings.cipher_suites.remove(0);
            };
        }),
        ("the server does not know the extended master secret any more", |world| {
            world.client_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
            world.server_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Off;
        }),
    ];
    for by in BOTH {
        for (what, change) in changes {
            let mut world = World::new(by);
            let state = world.session();
            assert!(world.resumes(&state), "{by:?}");
            change(&mut world);
            assert!(!world.resumes(&state), "{by:?}: {what}");
        }
    }
}
