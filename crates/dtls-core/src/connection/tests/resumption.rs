//! Sessions that go on in another connection.

extern crate std;

mod connection_ids;

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
        let types: Vec<_> = flight_4
            .iter()
            .flat_map(|datagram| Records::new(datagram))
            .map(Result::unwrap)
            .filter(|record| record.header.epoch == Epoch::ZERO && record.header.content_type == ContentType::HANDSHAKE)
            .flat_map(|record| Fragments::new(record.body).map(|fragment| fragment.unwrap().header.typ))
            .collect();
        assert_eq!(types, [HandshakeType::SERVER_HELLO]);
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

// --- who may resume ---

#[test]
fn a_client_that_would_not_be_let_in_today_is_not_let_in_by_its_session() {
    for by in BOTH {
        let world = World::mutual(by);
        let state = world.session();
        assert!(world.resumes(&state));
        world.trust_in_client.withdraw();
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        exchange(&mut client, &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Failed(Error::Certificate(CertificateError::Rejected))), "{by:?}");
    }
}

#[test]
fn a_server_that_would_not_be_trusted_today_is_not_offered_its_session() {
    for by in BOTH {
        let world = World::new(by);
        let state = world.session();
        world.trust_in_server.withdraw();
        assert_eq!(state.fits(&world.client_config(), world.name().as_ref()), Err(Misfit::NotTrusted));
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Failed(Error::Certificate(CertificateError::Rejected))));
    }
}

#[test]
fn what_a_server_asks_of_clients_holds_for_sessions_too() {
    // (asked then, shown then), (asked now, required now), whether the session goes on
    let cases = [
        ((false, false), (true, true), false),
        ((false, false), (true, false), true),
        ((true, false), (true, true), false),
        ((true, true), (true, true), true),
        ((true, true), (true, false), true),
        ((true, true), (false, false), false),
    ];
    for by in BOTH {
        for ((asked, shown), (asks, requires), goes_on) in cases {
            let mut world = World { asks: asked, client_shows: shown, ..World::new(by) };
            let state = world.session();
            (world.asks, world.requires, world.client_shows) = (asks, requires, true);
            assert_eq!(world.resumes(&state), goes_on, "{by:?} {asked} {shown} {asks} {requires}");
        }
    }
}

#[test]
fn a_session_is_not_offered_to_another_server_or_under_another_identity() {
    for by in BOTH {
        let mut world = World::mutual(by);
        let state = world.session();
        let fits = |world: &World| state.fits(&world.client_config(), world.name().as_ref());
        assert_eq!(fits(&world), Ok(()));
        world.name = Some("LOCALHOST");
        assert_eq!(fits(&world), Ok(()), "names have no case");
        for other in [Some("example.com"), Some("127.0.0.1"), None] {
            world.name = other;
            assert_eq!(fits(&world), Err(Misfit::OtherServer), "{other:?}");
        }
        world.name = Some("localhost");
        let (certificate, key) = testing::self_signed();
        world.client_identity = Identity::new(&world.provider, vec![certificate.clone()], key).unwrap();
        world.trust_in_client = Trust::of(&certificate);
        assert_eq!(fits(&world), Err(Misfit::OtherIdentity));
        assert!(!world.resumes(&state));
        world.client_shows = false;
        assert_eq!(fits(&world), Err(Misfit::OtherIdentity), "no identity at all");
        let config = ClientConfig::builder(Arc::clone(&world.provider)).trust(Arc::new(Trust::default()));
        let config = config.without_identity().build().unwrap();
        assert_eq!(state.fits(&config, None), Err(Misfit::NotResumable));
    }
}

#[test]
fn a_server_resumes_a_session_only_under_the_name_it_was_made_for() {
    for by in BOTH {
        let mut world = World::new(by);
        let bytes = world.session().to_bytes();
        // A client that lies to itself.
        let at = bytes.windows(9).position(|window| window == b"localhost").unwrap();
        let mut changed = bytes.to_vec();
        changed[at..at + 9].copy_from_slice(b"lokalhost");
        let changed = ResumptionState::from_bytes(&changed).unwrap();
        assert!(world.resumes(&ResumptionState::from_bytes(&bytes).unwrap()));
        world.name = Some("lokalhost");
        assert_eq!(changed.fits(&world.client_config(), world.name().as_ref()), Ok(()));
        assert!(!world.resumes(&changed), "{by:?}");
    }
}

#[test]
fn sessions_with_a_pre_shared_key_go_on_for_as_long_as_the_key_does() {
    let provider = Arc::new(testing::providers().swap_remove(0));
    let psk = |name: &[u8]| PskIdentity::new(name.to_vec(), vec![7; 16]).unwrap();
    let world = World::new(By::Ticket);
    let connect = |known: &[u8], ours: &[u8], state: Option<&ResumptionState>| {
        let server =
            ServerConfig::builder(Arc::clone(&provider)).preshared_keys(Arc::new(Psks::new().with(psk(known))));
        let server = server.resumption(world.resumption()).build().unwrap();
        let client = ClientConfig::builder(Arc::clone(&provider)).preshared_key(Arc::new(psk(ours))).resumable();
        let client = Arc::new(client.build().unwrap());
        let mut client = match state {
            None => Connection::connect(client, None, START).unwrap(),
            Some(state) => Connection::connect_resuming(client, None, state, START).unwrap(),
        };
        let mut server = Connection::accept_on_trusted_path(Arc::new(server), START);
        exchange(&mut client, &mut server, START);
        (client, server)
    };
    let (mut client, _) = connect(b"sensor", b"sensor", None);
    let state = client.take_resumption_state().unwrap();
    let (client, server) = connect(b"sensor", b"sensor", Some(&state));
    assert!(client.info().unwrap().resumed && server.info().unwrap().resumed);
    assert_eq!(server.info().unwrap().psk_identity.as_deref(), Some(&b"sensor"[..]));
    // The key is withdrawn: what follows is a full handshake with a key that the server does not know.
    let (client, _) = connect(b"other", b"sensor", Some(&state));
    assert!(client.info().is_none());
    let (client, _) = connect(b"other", b"other", Some(&state));
    assert!(!client.info().unwrap().resumed, "under another identity the session is not offered");
}

#[test]
fn who_does_not_ask_leaves_nothing_behind() {
    for by in BOTH {
        let world = World::new(by);
        let config = ClientConfig::builder(Arc::clone(&world.provider));
        let config = config.trust(Arc::<Trust>::clone(&world.trust_in_server)).without_identity().build().unwrap();
        let mut client = Connection::connect(Arc::new(config), world.name(), START).unwrap();
        let mut server = world.server();
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert!(client.take_resumption_state().is_none());
        assert!(server.take_resumption_state().is_none());
    }
}

#[test]
fn a_session_without_the_extended_master_secret_is_not_kept() {
    for by in BOTH {
        let mut world = World::new(by);
        world.client_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Off;
        world.server_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
        let (mut client, _) = world.connect(None);
        assert!(client.take_resumption_state().is_none(), "{by:?}");
        assert_eq!(world.cache.len(), 0);
    }
}

// --- what is changed on the way ---

/// The first message in `flight`, changed and made whole again.
fn changed(flight: &[u8], typ: HandshakeType, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let record = Records::new(flight).next().unwrap().unwrap();
    let fragment = Fragments::new(record.body).next().unwrap().unwrap();
    assert_eq!(fragment.header.typ, typ);
    let body = change(fragment.body);
    let header = FragmentHeader::whole(typ, fragment.header.message_seq, u32::try_from(body.len()).unwrap());
    plaintext_record(ContentType::HANDSHAKE, &[&header.to_bytes()[..], &body].concat())
}

#[test]
fn a_hello_that_lost_the_extended_master_secret_does_not_resume_a_session_that_has_it() {
    for by in BOTH {
        let mut world = World::new(by);
        world.server_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
        let state = world.session();
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        let hello = changed(&drain(&mut client, START).concat(), HandshakeType::CLIENT_HELLO, |body| {
            let mut hello = ClientHello::decode_all(body).unwrap();
            hello.extensions.extended_master_secret = false;
            hello.to_vec()
        });
        deliver(vec![hello], &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Failed(Error::ExtendedMasterSecretMissing)), "{by:?}");
    }
}

#[test]
fn a_server_hello_may_not_change_what_the_session_has() {
    type Change = fn(&mut ServerHello<'_>);
    let other = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
    let cases: [(Change, Error); 2] = [
        (
            |hello| hello.cipher_suite = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            Error::ServerHelloChangedSuite(other),
        ),
        (|hello| hello.extensions.extended_master_secret = false, Error::ExtendedMasterSecretMissing),
    ];
    for by in BOTH {
        for (change, error) in &cases {
            let mut world = World::new(by);
            world.client_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
            let state = world.session();
            let (mut client, mut server) = (world.client(Some(&state)), world.server());
            deliver(drain(&mut client, START), &mut server, START);
            let answer = changed(&drain(&mut server, START).concat(), HandshakeType::SERVER_HELLO, |body| {
                let mut hello = ServerHello::decode_all(body).unwrap();
                change(&mut hello);
                hello.to_vec()
            });
            deliver(vec![answer], &mut client, START);
            assert_eq!(client.poll_event(), Some(Event::Failed(error.clone())));
        }
    }
}

#[test]
fn a_ticket_that_was_changed_anywhere_is_no_ticket() {
    let world = World::mutual(By::Ticket);
    let state = world.session();
    let bytes = state.to_bytes();
    let ticket = {
        let mut client = world.client(Some(&state));
        let hello = drain(&mut client, START).concat();
        let body = &Records::new(&hello).next().unwrap().unwrap().body[FragmentHeader::LEN..];
        ClientHello::decode_all(body).unwrap().extensions.session_ticket.unwrap().to_vec()
    };
    let at = bytes.windows(ticket.len()).position(|window| window == ticket).unwrap();
    for byte in (0..ticket.len()).step_by(7).chain([0, 15, 16, 47, 48, ticket.len() - 1]) {
        let mut changed = bytes.to_vec();
        changed[at + byte] ^= 1;
        assert!(!world.resumes(&ResumptionState::from_bytes(&changed).unwrap()), "byte {byte}");
    }
    assert!(world.resumes(&ResumptionState::from_bytes(&bytes).unwrap()));
}

#[test]
fn whoever_knows_the_id_or_ticket_but_not_the_secret_gets_nowhere_and_harms_nobody() {
    for by in BOTH {
        let world = World::new(by);
        let state = world.session();
        let mut changed = state.to_bytes().to_vec();
        changed[3] ^= 1; // of the master secret
        let thief = ResumptionState::from_bytes(&changed).unwrap();
        let (mut client, mut server) = (world.client(Some(&thief)), world.server());
        exchange(&mut client, &mut server, START);
        assert!(client.info().is_none() && server.info().is_none());
        assert!(world.resumes(&state), "{by:?}: the session is still there for its owner");
    }
}

#[test]
fn an_id_beside_a_ticket_is_not_looked_up() {
    let world = World::new(By::SessionId);
    let state = world.session();
    let hello = drain(&mut world.client(Some(&state)), START).concat();
    for (ticket, is_resumed) in [(&[][..], true), (b"no ticket of ours", false)] {
        let mut server = world.server();
        let mut offered = vec![];
        let hello = changed(&hello, HandshakeType::CLIENT_HELLO, |body| {
            let mut hello = ClientHello::decode_all(body).unwrap();
            hello.extensions.session_ticket = Some(ticket);
            offered = hello.session_id.to_vec();
            hello.to_vec()
        });
        deliver(vec![hello], &mut server, START);
        let answer = drain(&mut server, START).concat();
        let record = Records::new(&answer).next().unwrap().unwrap();
        let fragment = Fragments::new(record.body).next().unwrap().unwrap();
        let answer = ServerHello::decode_all(fragment.body).unwrap();
        assert_eq!(answer.session_id == offered, is_resumed);
    }
}

// --- what ends a session, and what renews it ---

#[test]
fn a_session_that_ends_with_a_fatal_alert_is_forgotten_on_both_sides() {
    for resumed in [false, true] {
        let world = World::new(By::SessionId);
        let first = world.session();
        assert_eq!(world.cache.len(), 1);
        let (mut client, mut server) = world.connect(resumed.then_some(&first));
        let fatal = Alert::fatal(AlertDescription::INTERNAL_ERROR).to_bytes();
        let (to_server, to_client) = (
            sealed_record(&mut client, ContentType::ALERT, &fatal),
            sealed_record(&mut server, ContentType::ALERT, &fatal),
        );
        deliver(vec![to_server], &mut server, START);
        assert_eq!(world.cache.len(), usize::from(!resumed), "the session of this connection, and no other");
        assert_eq!(world.resumes(&first), !resumed);
        deliver(vec![to_client], &mut client, START);
        assert!(client.take_resumption_state().is_none());
    }
}

#[test]
fn a_session_that_was_closed_in_good_order_is_resumed() {
    for by in BOTH {
        let world = World::new(by);
        let (mut client, mut server) = world.connect(None);
        client.close();
        exchange(&mut client, &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Closed));
        let state = client.take_resumption_state().unwrap();
        assert!(client.take_resumption_state().is_none(), "taken once");
        assert!(world.resumes(&state));
    }
}

#[test]
fn a_ticket_is_renewed_when_half_its_time_is_over_or_its_key_is_going_and_lives_no_longer_for_that() {
    let mut world = World::new(By::Ticket);
    let given = |world: &World, state: &ResumptionState| {
        let (mut client, _) = world.connect(Some(state));
        assert!(client.info().unwrap().resumed);
        client.take_resumption_state().unwrap()
    };
    let hello_of = |world: &World, state: &ResumptionState| {
        let hello = drain(&mut world.client(Some(state)), START).concat();
        let body = &Records::new(&hello).next().unwrap().unwrap().body[FragmentHeader::LEN..];
        ClientHello::decode_all(body).unwrap().extensions.session_ticket.unwrap().to_vec()
    };
    let first = world.session();
    assert_eq!(first.lifetime_hint(), Some(Duration::from_secs(1000)));
    world.clock.0.fetch_add(499, Ordering::Relaxed);
    assert_eq!(hello_of(&world, &given(&world, &first)), hello_of(&world, &first), "it is still good");
    world.clock.0.fetch_add(1, Ordering::Relaxed);
    let second = given(&world, &first);
    assert_ne!(hello_of(&world, &second), hello_of(&world, &first));
    world.clock.0.fetch_add(499, Ordering::Relaxed);
    assert!(world.resumes(&second));
    world.clock.0.fetch_add(1, Ordering::Relaxed);
    assert!(!world.resumes(&second), "a thousand seconds after the full handshake it is over");

    let third = world.session();
    let keys = [9, 7].map(|n| TicketKey::from_bytes(&[n; TicketKey::LEN]));
    world.tickets = Some(Arc::new(Tickets::new(&world.provider, keys.into()).unwrap()));
    let fourth = given(&world, &third);
    assert_ne!(hello_of(&world, &fourth)[..16], hello_of(&world, &third)[..16], "under the name of the new key");
    world.tickets = Some(ticket_key(&world.provider, 9));
    assert!(world.resumes(&fourth));
    assert!(!world.resumes(&third));
}

// --- the state as bytes ---

#[test]
fn a_state_survives_as_bytes_and_nothing_shorter_longer_or_of_another_version_is_one() {
    for by in BOTH {
        let world = World::mutual(by);
        let state = world.session();
        let bytes = state.to_bytes();
        let again = ResumptionState::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.lifetime_hint(), state.lifetime_hint());
        assert!(world.resumes(&again));
        for len in 0..bytes.len() {
            assert_eq!(ResumptionState::from_bytes(&bytes[..len]).map(drop), Err(StateError), "{len}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(ResumptionState::from_bytes(&longer).map(drop), Err(StateError));
        let mut newer = bytes.to_vec();
        newer[0] += 1;
        assert_eq!(ResumptionState::from_bytes(&newer).map(drop), Err(StateError));
        assert!(!format!("{state:?}").contains("master"));
    }
}
