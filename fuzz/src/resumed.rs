//! What outlives a connection and comes back from wherever it was kept: a client's state, a server's ticket, the session in a
//! ticket or a cache, and a connection that was put aside.
//!
//! | input | what must hold |
//! |---|---|
//! | a client's state | what is read is written as the same bytes; the hello offers a session exactly if the state fits; whatever was offered, an honest server that remembers nothing is connected to |
//! | a ticket | it opens to what was sealed in it or to nothing, and what is sealed opens again |
//! | a session, in a ticket or in a cache | a server answers the hello that names it, by going on or by a full handshake |
//! | a connection that was put aside | what is restored and put aside again is the same; it bears whatever is then done with it |

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dtls_core::config::{ClientAuthentication, ConnectionIdUse, RoleConfig, Settings};
use dtls_core::crypto::{CryptoProvider, PskIdentity, Psks, SuiteAuthentication, WallClock};
use dtls_core::resumption::{
    OpenedTicket, SESSION_ID_LEN, SealTickets, ServerResumption, SessionCache, TicketKey, Tickets,
};
use dtls_core::wire::codec::{Decode, Encode};
use dtls_core::wire::enums::{
    CertificateType, CompressionMethod, ContentType, EcPointFormat, HandshakeType, NamedGroup, ProtocolVersion,
};
use dtls_core::wire::extensions::ClientExtensions;
use dtls_core::wire::fragment::{FragmentHeader, Fragments, MessageSeq};
use dtls_core::wire::hello::{ClientHello, Random};
use dtls_core::wire::record::{Epoch, RecordHeader, RecordNumber, Records};
use dtls_core::{
    CannotSave, ClientConfig, Connection, Event, Instant, ResumptionState, Role, SavedConnection, SendError,
    ServerConfig,
};
use rustls_pki_types::{ServerName, UnixTime};
use zeroize::Zeroizing;

use crate::null_provider::{
    Hashing, ID_LEN, ID_OF_CLIENT, ID_OF_SERVER, NullId, NullTrust, bare_identity, identity, provider,
};
use crate::script::Proof;

// --- the laws ---

/// A client's state.
///
/// # Panics
/// If something does not hold.
pub fn state(bytes: &[u8]) {
    let Ok(state) = ResumptionState::from_bytes(bytes) else { return };
    assert_eq!(state.to_bytes()[..], *bytes, "a state is not the bytes it was read from");
    let provider = provider(Hashing::Folding);
    let config = client(&provider);
    for name in [None, Some(server_name())] {
        let fits = state.fits(&config, name.as_ref());
        let begun = Connection::connect_resuming(Arc::clone(&config), name, &state, NOW);
        let mut client = begun.expect("a handshake begins whatever was kept");
        let flight = take(&mut client);
        let hello: Vec<u8> = flight.iter().flat_map(|datagram| bodies(datagram)).collect();
        let read = ClientHello::decode_all(&hello).expect("our own hello");
        assert_eq!(!read.session_id.is_empty(), fits.is_ok(), "{fits:?}");
        let mut server = Connection::accept_on_trusted_path(server(&provider, Proof::Certificates, None), NOW);
        give(&mut server, flight);
        exchange(&mut client, &mut server);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert!(!client.info().expect("connected").resumed, "by a server that remembers nothing");
    }
}

/// A ticket.
///
/// # Panics
/// If something does not hold.
pub fn ticket(bytes: &[u8]) {
    let tickets = tickets();
    if let Some(OpenedTicket { session, is_due, .. }) = tickets.open(bytes) {
        assert_eq!(bytes.get(HEAD_LEN..bytes.len() - TAG_LEN), Some(&session[..]));
        assert!(bytes.starts_with(&KEY[..16]) && !is_due);
    }
    let sealed = tickets.seal(&[5; 32], bytes).expect("anything can be sealed");
    assert_eq!(*tickets.open(&sealed).expect("a ticket of ours").session, bytes);
}

/// A session as a server keeps it.
///
/// # Panics
/// If something does not hold.
pub fn session(bytes: &[u8]) {
    let provider = provider(Hashing::Folding);
    let memory = Arc::new(Memory(Mutex::new(bytes.to_vec())));
    let keeps = ServerResumption::new(Arc::new(NullClock));
    // What has room in one record.
    let shown = &bytes[..bytes.len().min(1 << 13)];
    for (keeps, ticket) in
        [(keeps.clone().with_tickets(Arc::new(Verbatim)), Some(shown)), (keeps.with_cache(memory), None)]
    {
        let mut server = Connection::accept_on_trusted_path(server(&provider, Proof::Certificates, Some(keeps)), NOW);
        give(&mut server, vec![hello(&provider, ticket)]);
        assert_eq!(server.poll_event(), None, "a session that is none ends the handshake");
        assert!(!take(&mut server).is_empty(), "a hello without an answer");
    }
}

/// A connection that was put aside.
///
/// # Panics
/// If something does not hold.
pub fn connection(bytes: &[u8]) {
    restores(bytes);
}

/// The same; returns whether it was one.
///
/// # Panics
/// If something does not hold.
pub fn restores(bytes: &[u8]) -> bool {
    let mut is_one = false;
    for role in [Role::Client, Role::Server] {
        // Record numbers leap by chance, and each provider has the same.
        let read = || {
            let provider = provider(Hashing::Folding);
            SavedConnection::from_bytes(
                bytes,
                match role {
                    Role::Client => RoleConfig::from(client(&provider)),
                    Role::Server => RoleConfig::from(server(&provider, Proof::PresharedKeyBesideCertificates, None)),
                },
            )
        };
        let Ok(saved) = read() else { continue };
        is_one = true;
        let written = saved.into_bytes();
        let restore = || read().expect("read before").restore(NOW).expect("what can be read can be restored");
        let mut restored = restore();
        assert_eq!(restored.info().map(|info| info.role), Some(role));
        match restored.save(NOW) {
            Ok(saved) => assert!(saved.into_bytes() == written, "putting it aside has changed it"),
            Err(refused) => assert_eq!(refused, CannotSave::NotDrained),
        }
        use_up(restore(), bytes);
    }
    is_one
}

/// Does with a connection all that its owner and its peer may do.
fn use_up(mut connection: Connection, datagram: &[u8]) {
    let len = connection.max_payload().min(20);
    match connection.send(&vec![1; len], &mut Vec::new()) {
        Ok(()) | Err(SendError::Exhausted) => {}
        Err(refused) => panic!("{refused}"),
    }
    give(&mut connection, vec![datagram.to_vec()]);
    if let Some(deadline) = connection.poll_timeout() {
        connection.handle_timeout(deadline);
        assert!(connection.poll_timeout().is_none_or(|next| next > deadline), "the deadline has not moved");
    }
    let _ = connection.export(b"EXPORTER-fuzz", None, &mut [0; 4]);
    drop(connection.take_resumption_state());
    connection.close();
    assert!(take(&mut connection).len() < 200, "poll_transmit does not come to an end");
}

// --- seeds ---

/// What a session that proved itself so leaves with the client and with the server, by ticket or by session ID.
///
/// # Panics
/// If two ends of ours do not get along: a bug.
#[must_use]
pub fn left_by(proof: Proof, by_ticket: bool) -> (Vec<u8>, Vec<u8>) {
    let provider = provider(Hashing::Folding);
    let memory = Arc::new(Memory(Mutex::default()));
    let keeps = ServerResumption::new(Arc::new(NullClock));
    let keeps =
        if by_ticket { keeps.with_tickets(Arc::new(Verbatim)) } else { keeps.with_cache(Arc::clone(&memory) as _) };
    let mut server = Connection::accept_on_trusted_path(server(&provider, proof, Some(keeps)), NOW);
    let mut client = Connection::connect(client(&provider), Some(server_name()), NOW).expect("a name is given");
    exchange(&mut client, &mut server);
    let state = client.take_resumption_state().expect("it is resumable").to_bytes();
    // Nothing is sealed in a ticket of these: it is the session.
    let kept = memory.0.lock().expect("nobody panics with it").clone();
    let session = if by_ticket { ticket_in(&state) } else { kept };
    (state.to_vec(), session)
}

/// Both ends of such a session, put aside.
///
/// # Panics
/// If two ends of ours do not get along: a bug.
#[must_use]
pub fn put_aside(proof: Proof) -> [Vec<u8>; 2] {
    let provider = provider(Hashing::Folding);
    let keeps = ServerResumption::new(Arc::new(NullClock)).with_tickets(Arc::new(Verbatim));
    let mut server = Connection::accept_on_trusted_path(server(&provider, proof, Some(keeps)), NOW);
    let mut client = Connection::connect(client(&provider), Some(server_name()), NOW).expect("a name is given");
    exchange(&mut client, &mut server);
    [client, server].map(|mut end| {
        while end.poll_event().is_some() {}
        end.save(NOW).expect("all is said").into_bytes().to_vec()
    })
}

/// Whether what such a session leaves is enough for both ends to go on with it.
///
/// # Panics
/// If two ends of ours do not get along: a bug.
#[must_use]
pub fn goes_on(proof: Proof, by_ticket: bool) -> bool {
    let (state, session) = left_by(proof, by_ticket);
    let provider = provider(Hashing::Folding);
    let keeps = ServerResumption::new(Arc::new(NullClock));
    let memory = Arc::new(Memory(Mutex::new(session)));
    let keeps = if by_ticket { keeps.with_tickets(Arc::new(Verbatim)) } else { keeps.with_cache(memory) };
    let state = ResumptionState::from_bytes(&state).expect("a state of ours");
    let begun = Connection::connect_resuming(client(&provider), Some(server_name()), &state, NOW);
    let mut client = begun.expect("a name is given");
    let mut server = Connection::accept_on_trusted_path(server(&provider, proof, Some(keeps)), NOW);
    exchange(&mut client, &mut server);
    [client, server].iter().all(|end| end.info().is_some_and(|info| info.resumed))
}

/// A state begins with version, suite, secret, kind and lifetime: 56 bytes.
fn ticket_in(state: &[u8]) -> Vec<u8> {
    let len = usize::from(u16::from_be_bytes([state[56], state[57]]));
    state[58..58 + len].to_vec()
}

/// A ticket of the key that [`ticket`] has.
///
/// # Panics
/// If it cannot be sealed: a bug.
#[must_use]
pub fn sealed(session: &[u8]) -> Vec<u8> {
    tickets().seal(&[5; 32], session).expect("anything can be sealed")
}

// --- both ends ---

const NOW: Instant = Instant::ORIGIN;
const KEY: [u8; TicketKey::LEN] = [3; TicketKey::LEN];
/// The name of a ticket's key, and what makes the key of this one.
const HEAD_LEN: usize = 16 + 32;
const TAG_LEN: usize = 16;

fn tickets() -> Tickets {
    Tickets::new(&provider(Hashing::Folding), vec![TicketKey::from_bytes(&KEY)]).expect("a key")
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from("fuzz.example").expect("a name")
}

fn trust(forms: &'static [CertificateType]) -> Arc<NullTrust> {
    Arc::new(NullTrust { accepts: true, forms, defers: false, wants_status: false })
}

fn psk() -> PskIdentity {
    PskIdentity::new(b"sensor".to_vec(), vec![7; 16]).expect("a key")
}

/// A client that can prove itself, and believe, in every way.
fn client(provider: &Arc<CryptoProvider>) -> Arc<ClientConfig> {
    let config = ClientConfig::builder(Arc::clone(provider))
        .trust(trust(&[CertificateType::X509, CertificateType::RAW_PUBLIC_KEY]))
        .identity(identity(SuiteAuthentication::Ecdsa, 0, false))
        .identity(bare_identity(SuiteAuthentication::Ecdsa, false))
        .preshared_key(Arc::new(psk()))
        .resumable()
        .configure(|settings| configure(settings, ID_OF_CLIENT));
    Arc::new(config.build().expect("a configuration"))
}

/// A server that proves itself in this way alone.
fn server(provider: &Arc<CryptoProvider>, proof: Proof, keeps: Option<ServerResumption>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder(Arc::clone(provider));
    let ecdsa = SuiteAuthentication::Ecdsa;
    let asked = |forms| ClientAuthentication::Request(trust(forms));
    let mut builder = match proof {
        Proof::Certificates => {
            builder.identity(identity(ecdsa, 0, false)).client_authentication(asked(&[CertificateType::X509]))
        }
        Proof::RawPublicKeys => builder
            .identity(bare_identity(ecdsa, false))
            .client_authentication(asked(&[CertificateType::RAW_PUBLIC_KEY])),
        Proof::PresharedKey => builder.preshared_keys(Arc::new(Psks::new().with(psk()))),
        Proof::PresharedKeyBesideCertificates => {
            builder.identity(identity(ecdsa, 0, false)).preshared_keys(Arc::new(Psks::new().with(psk())))
        }
    };
    if let Some(keeps) = keeps {
        builder = builder.resumption(keeps);
    }
    Arc::new(builder.configure(|settings| configure(settings, ID_OF_SERVER)).build().expect("a configuration"))
}

fn configure(settings: &mut Settings, id: [u8; ID_LEN]) {
    settings.mtu = 65_535;
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(NullId(id)));
}

/// A hello that offers a session by its ID and, if there is one, this ticket.
fn hello(provider: &CryptoProvider, ticket: Option<&[u8]>) -> Vec<u8> {
    let hello = ClientHello {
        version: ProtocolVersion::DTLS_1_2,
        random: Random([9; 32]),
        session_id: &[8; SESSION_ID_LEN],
        cookie: &[],
        cipher_suites: provider.cipher_suites.iter().map(|suite| suite.id).collect(),
        compression_methods: vec![CompressionMethod::NULL],
        extensions: ClientExtensions {
            server_name: Some(b"fuzz.example"),
            supported_groups: Some(vec![NamedGroup::X25519, NamedGroup::SECP256R1]),
            ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED]),
            signature_schemes: Some(provider.signature_schemes().collect()),
            extended_master_secret: true,
            session_ticket: ticket,
            renegotiation_info: Some(&[]),
            ..ClientExtensions::default()
        },
    }
    .to_vec();
    let fragment =
        FragmentHeader::whole(HandshakeType::CLIENT_HELLO, MessageSeq::ZERO, u32::try_from(hello.len()).unwrap());
    let header = RecordHeader {
        content_type: ContentType::HANDSHAKE,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ZERO,
        number: RecordNumber::ZERO,
        length: u16::try_from(FragmentHeader::LEN + hello.len()).unwrap(),
    };
    [&header.to_bytes()[..], &fragment.to_bytes(), &hello].concat()
}

/// What the fragments of a datagram carry.
fn bodies(datagram: &[u8]) -> Vec<u8> {
    let records = Records::new(datagram).map(|record| record.expect("our own record").body);
    records.flat_map(Fragments::new).flat_map(|fragment| fragment.expect("our own fragment").body.to_vec()).collect()
}

fn take(from: &mut Connection) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut datagram = Vec::new();
    while from.poll_transmit(NOW, &mut datagram) {
        datagrams.push(std::mem::take(&mut datagram));
    }
    datagrams
}

fn give(to: &mut Connection, datagrams: Vec<Vec<u8>>) {
    for mut datagram in datagrams {
        drop(to.receive(NOW, &mut datagram));
    }
}

/// As many flights as a handshake has, and some.
fn exchange(client: &mut Connection, server: &mut Connection) {
    for _ in 0..4 {
        give(server, take(client));
        give(client, take(server));
    }
}

// --- what keeps sessions ---

/// It is always the same time.
#[derive(Debug)]
struct NullClock;

impl WallClock for NullClock {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_000_000_000)))
    }
}

/// Tickets that are not sealed.
#[derive(Debug)]
struct Verbatim;

impl SealTickets for Verbatim {
    fn seal(&self, _random: &[u8; 32], session: &[u8]) -> Option<Vec<u8>> {
        Some(session.to_vec())
    }

    fn open(&self, ticket: &[u8]) -> Option<OpenedTicket> {
        Some(OpenedTicket { session: Zeroizing::new(ticket.to_vec()), is_due: false })
    }
}

/// Remembers one session, whatever it is asked for.
#[derive(Debug)]
struct Memory(Mutex<Vec<u8>>);

impl SessionCache for Memory {
    fn put(&self, _id: [u8; SESSION_ID_LEN], session: Zeroizing<Vec<u8>>) {
        *self.0.lock().expect("nobody panics with it") = session.to_vec();
    }

    fn get(&self, _id: &[u8; SESSION_ID_LEN]) -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(self.0.lock().expect("nobody panics with it").clone()))
    }

    fn remove(&self, _id: &[u8; SESSION_ID_LEN]) {}
}
