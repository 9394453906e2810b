//! The client's handshake: RFC 6347 Figure 1, left side.
//!
//! ```text
//!   ClientHello             -------->                            flight 1
//!                           <--------   HelloVerifyRequest       flight 2
//!   ClientHello (cookie)    -------->                            flight 3
//!                                              ServerHello
//!                                              Certificate
//!                                        ServerKeyExchange
//!                                       CertificateRequest*
//!                           <--------      ServerHelloDone       flight 4
//!   Certificate*
//!   ClientKeyExchange
//!   CertificateVerify*
//!   [ChangeCipherSpec]
//!   Finished                -------->                            flight 5
//!                                       [ChangeCipherSpec]
//!                           <--------             Finished       flight 6
//! ```

mod flight_5;
mod resumed;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use rustls_pki_types::ServerName;

use super::client_psk::{AwaitPskIdentity, AwaitPskServerFlight};
use super::credentials::{self, Shown};
use super::exchange::Exchange;
use super::key_schedule::Randoms;
use super::negotiate::{self, ClientChoice, RecordLimits};
use super::parsed::{Dialect, Parsed};
use super::reassembly::Message;
use super::retransmit::Expect;
use super::{State, Step};
use crate::config::{ClientConfig, ConfigError, ExtendedMasterSecret};
use crate::crypto::verify::{HandshakeSignatureValid, SignatureFault, verify_handshake_signature};
use crate::decision::{Answer, Question};
use crate::error::Error;
use crate::event::{Role, SessionInfo};
use crate::resumption::{Offered, ResumptionState};
use crate::wire::certificate::CertificateStatus;
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::{
    CompressionMethod, EcPointFormat, HandshakeType, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::wire::extensions::{ClientExtensions, UseSrtp};
use crate::wire::fragment::MessageSeq;
use crate::wire::hello::{ClientHello, HelloVerifyRequest, Random, ServerHello};
use crate::wire::key_exchange::EcdheServerKeyExchange;
pub(super) use flight_5::AwaitFinished;
use flight_5::{AwaitIdentity, AwaitSignature, AwaitVerdict};
use resumed::AwaitResumedFinished;

/// Where a client is in its handshake.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "a state is named for what it waits for")]
pub(crate) enum ClientState {
    AwaitServerHello(AwaitServerHello),
    AwaitCertificate(AwaitCertificate),
    AwaitServerKeyExchange(AwaitServerKeyExchange),
    AwaitServerHelloDone(AwaitServerHelloDone),
    AwaitVerdict(AwaitVerdict),
    AwaitIdentity(AwaitIdentity),
    AwaitSignature(AwaitSignature),
    AwaitPskServerFlight(AwaitPskServerFlight),
    AwaitPskIdentity(AwaitPskIdentity),
    AwaitFinished(AwaitFinished),
    AwaitResumedFinished(AwaitResumedFinished),
}

impl ClientState {
    /// Whether this state can use a message of this type.
    pub(crate) const fn awaits(&self, typ: HandshakeType) -> bool {
        match self {
            Self::AwaitServerHello(_) => matches!(typ, HandshakeType::SERVER_HELLO),
            Self::AwaitCertificate(_) => matches!(typ, HandshakeType::CERTIFICATE),
            Self::AwaitServerKeyExchange(state) => match typ {
                HandshakeType::CERTIFICATE_STATUS => state.awaits_status(),
                HandshakeType::SERVER_KEY_EXCHANGE => true,
                _ => false,
            },
            Self::AwaitServerHelloDone(state) => match typ {
                HandshakeType::CERTIFICATE_REQUEST => state.request.is_none(),
                HandshakeType::SERVER_HELLO_DONE => true,
                _ => false,
            },
            Self::AwaitPskServerFlight(state) => state.awaits(typ),
            Self::AwaitFinished(state) => state.awaits(typ),
            Self::AwaitResumedFinished(state) => state.awaits(typ),
            Self::AwaitVerdict(_) | Self::AwaitIdentity(_) | Self::AwaitSignature(_) | Self::AwaitPskIdentity(_) => {
                false
            }
        }
    }

    /// Whether it waits for the owner, and for no message.
    pub(crate) const fn asks(&self) -> bool {
        matches!(
            self,
            Self::AwaitVerdict(_) | Self::AwaitIdentity(_) | Self::AwaitSignature(_) | Self::AwaitPskIdentity(_)
        )
    }

    /// What the state waits for the owner to decide.
    pub(crate) fn question<'a>(&'a self, x: &'a Exchange) -> Option<Question<'a>> {
        match self {
            Self::AwaitVerdict(state) => Some(Question::Peer(state.presented())),
            Self::AwaitIdentity(state) => state.question(),
            Self::AwaitSignature(state) => Some(state.question(x)),
            Self::AwaitPskIdentity(state) => Some(state.question()),
            _ => None,
        }
    }

    /// How the next messages are to be read.
    pub(crate) const fn dialect(&self) -> Dialect {
        match self {
            Self::AwaitCertificate(state) => state.session.dialect(),
            Self::AwaitServerKeyExchange(state) => state.session.dialect(),
            Self::AwaitPskServerFlight(state) => state.dialect(),
            _ => Dialect::USUAL,
        }
    }

    /// How many bytes of the heap what the server has said of itself takes.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::AwaitServerHello(state) => state.offer.resume.as_ref().map_or(0, |offered| offered.held()),
            Self::AwaitCertificate(_) => 0,
            Self::AwaitServerKeyExchange(state) => state.peer.held(),
            Self::AwaitServerHelloDone(state) => state.held(),
            Self::AwaitVerdict(state) => state.held(),
            Self::AwaitIdentity(state) => state.held(),
            Self::AwaitSignature(state) => state.held(),
            Self::AwaitPskServerFlight(state) => state.held(),
            Self::AwaitPskIdentity(state) => state.held(),
            Self::AwaitFinished(state) => state.held(),
            Self::AwaitResumedFinished(state) => state.held(),
        }
    }

    /// Whether what the server's Finished says counts this ticket in.
    pub(crate) fn is_counted_in(&self, ticket: &Message, finished: [u8; 12], x: &Exchange) -> bool {
        match self {
            Self::AwaitFinished(state) => state.is_counted_in(ticket, finished, x),
            Self::AwaitResumedFinished(state) => state.is_counted_in(ticket, finished, x),
            _ => false,
        }
    }

    /// Uses a message that the state awaits.
    pub(crate) fn on_message(self, parsed: Parsed<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        match (self, parsed) {
            (Self::AwaitServerHello(state), Parsed::ServerHello(hello)) => state.on_server_hello(&hello, message, x),
            (Self::AwaitCertificate(state), Parsed::Certificate(certificate)) => {
                state.on_certificate(Shown::chain(&certificate)?, message, x)
            }
            (Self::AwaitCertificate(state), Parsed::RawPublicKey(key)) => {
                state.on_certificate(Shown::raw_public_key(key), message, x)
            }
            (Self::AwaitServerKeyExchange(state), Parsed::CertificateStatus(status)) => {
                Ok(state.on_certificate_status(status, message, x))
            }
            (Self::AwaitServerKeyExchange(state), Parsed::ServerKeyExchange(key_exchange)) => {
                state.on_server_key_exchange(&key_exchange, message, x)
            }
            (Self::AwaitServerHelloDone(state), Parsed::CertificateRequest) => {
                Ok(state.on_certificate_request(message, x))
            }
            (Self::AwaitServerHelloDone(state), Parsed::ServerHelloDone) => state.on_server_hello_done(message, x),
            (Self::AwaitPskServerFlight(state), Parsed::ServerHelloDone) => state.on_server_hello_done(message, x),
            (Self::AwaitPskServerFlight(state), Parsed::PskServerKeyExchange(exchange)) => {
                Ok(state.on_server_key_exchange(&exchange, message, x))
            }
            (Self::AwaitPskServerFlight(state), Parsed::EcdhePskServerKeyExchange(exchange)) => {
                state.on_ecdhe_server_key_exchange(&exchange, message, x)
            }
            (Self::AwaitFinished(state), Parsed::NewSessionTicket(ticket)) => {
                Ok(state.on_new_session_ticket(ticket, message, x))
            }
            (Self::AwaitFinished(state), Parsed::Finished(finished)) => state.on_finished(finished, x),
            (Self::AwaitResumedFinished(state), Parsed::NewSessionTicket(ticket)) => {
                Ok(state.on_new_session_ticket(ticket, message, x))
            }
            (Self::AwaitResumedFinished(state), Parsed::Finished(finished)) => state.on_finished(finished, message, x),
            _ => Err(Error::UnexpectedMessage(message.typ)),
        }
    }

    /// Uses an answer to the question of the state.
    pub(crate) fn on_answer(self, answer: Answer, x: &mut Exchange) -> Result<Step, Error> {
        match (self, answer) {
            (Self::AwaitVerdict(state), Answer::Peer(verdict)) => state.on_verdict(verdict, x),
            (Self::AwaitIdentity(state), Answer::Identity(chosen)) => state.on_choice(chosen, x),
            (Self::AwaitSignature(state), Answer::Signature(signature)) => state.on_late_signature(&signature, x),
            (Self::AwaitPskIdentity(state), Answer::PskIdentity(psk)) => state.on_identity(psk, x),
            _ => Err(Error::DecisionFailed),
        }
    }
}

// --- flight 1 ---

/// What the client says in every ClientHello of a handshake (RFC 6347 section 4.2.1: they differ only in the cookie).
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    random: Random,
    resume: Option<Box<Offered>>,
    connection_id: Option<ConnectionId>,
}

/// Begins a handshake: sends the first ClientHello.
pub(crate) fn start(
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    resume: Option<&ResumptionState>,
    x: &mut Exchange,
) -> Result<State, ConfigError> {
    let needs_name = config.verifier.as_ref().is_some_and(|verifier| verifier.needs_server_name());
    if needs_name && server_name.is_none() {
        return Err(ConfigError::ServerNameRequired);
    }
    let mut random = Random([0; 32]);
    config.provider.random.fill(&mut random.0).map_err(|_| ConfigError::CryptoFailed)?;
    let resume = match resume {
        Some(state) => Offered::of(state, &config, server_name.as_ref())?.map(Box::new),
        None => None,
    };
    let offer = Offer { config, server_name, random, resume, connection_id: x.own_cid.clone() };
    offer.send_flight_1_or_3(&[], x).map_err(|_| ConfigError::CryptoFailed)?;
    let first = SentHello { seq: MessageSeq::ZERO, cookie: None };
    Ok(AwaitServerHello { offer, sent: alloc::vec![first], cookies_followed: 0 }.into())
}

impl Offer {
    fn send_flight_1_or_3(&self, cookie: &[u8], x: &mut Exchange) -> Result<(), Error> {
        x.begin_flight();
        x.message(HandshakeType::CLIENT_HELLO, &self.client_hello(cookie))?;
        x.send(Expect::Answer);
        Ok(())
    }

    fn client_hello<'a>(&'a self, cookie: &'a [u8]) -> ClientHello<'a> {
        let settings = &self.config.settings;
        let uses_curves = self.config.suites.iter().any(|suite| suite.key_exchange.is_ephemeral());
        let uses_signatures = self.config.verifier.is_some();
        ClientHello {
            version: ProtocolVersion::DTLS_1_2,
            random: self.random,
            session_id: self.resume.as_ref().map_or(&[], |offered| &offered.session_id),
            cookie,
            cipher_suites: self.config.suites.iter().map(|suite| suite.id).collect(),
            compression_methods: alloc::vec![CompressionMethod::NULL],
            extensions: ClientExtensions {
                server_name: self.host_name().map(str::as_bytes),
                max_fragment_length: settings.max_fragment_length,
                status_request: self.config.wants_ocsp_response(),
                supported_groups: uses_curves.then(|| settings.groups.clone()),
                ec_point_formats: uses_curves.then(|| alloc::vec![EcPointFormat::UNCOMPRESSED]),
                signature_schemes: uses_signatures.then(|| settings.signature_schemes.clone()),
                use_srtp: (!settings.srtp_profiles.is_empty())
                    .then(|| UseSrtp { profiles: settings.srtp_profiles.clone(), mki: &settings.srtp_mki }),
                alpn: (!settings.alpn.is_empty()).then(|| settings.alpn.iter().map(Vec::as_slice).collect()),
                client_certificate_types: credentials::offered_by_client(&self.config),
                server_certificate_types: credentials::read_by_client(&self.config),
                extended_master_secret: settings.extended_master_secret != ExtendedMasterSecret::Off,
                record_size_limit: settings.record_size_limit,
                session_ticket: self
                    .config
                    .resumable
                    .then(|| self.resume.as_ref().map_or(&[][..], |offered| &offered.ticket)),
                connection_id: self.connection_id.as_ref().map(ConnectionId::as_bytes),
                rrc: negotiate::checks_paths(settings, self.connection_id.is_some()),
                renegotiation_info: Some(&[]),
            },
        }
    }

    /// RFC 6066 section 3: only a DNS name is ever sent, never an address.
    fn host_name(&self) -> Option<&str> {
        match &self.server_name {
            Some(ServerName::DnsName(name)) => Some(name.as_ref()),
            _ => None,
        }
    }
}

// --- flights 2 and 3 ---

/// Waits for the server's hello, or for its wish to see a cookie first.
#[derive(Debug)]
pub(crate) struct AwaitServerHello {
    offer: Offer,
    /// The latest hellos, the newest last: any of them may be the one that the server answers.
    sent: Vec<SentHello>,
    /// How many cookies have been followed since the timer last expired.
    cookies_followed: u8,
}

/// What tells one ClientHello of a handshake from another.
#[derive(Debug)]
struct SentHello {
    seq: MessageSeq,
    /// The cookie it repeats; an empty one is one too.
    cookie: Option<Vec<u8>>,
}

impl AwaitServerHello {
    /// A HelloVerifyRequest can be forged, late, or doubled, and a server may change its secret. So every new cookie
    /// is followed, but no more often than this between two expiries of the timer, and as many hellos are remembered.
    const COOKIES_FOLLOWED_MAX: u8 = 4;

    /// Answers a HelloVerifyRequest with the same hello and its cookie.
    pub(crate) fn on_hello_verify_request(
        &mut self,
        request: &HelloVerifyRequest<'_>,
        seq: MessageSeq,
        x: &mut Exchange,
    ) -> Result<CookieAnswer, Error> {
        let is_answer = self.sent.last().is_some_and(|newest| seq <= newest.seq);
        let is_known = self.sent.iter().any(|hello| hello.cookie.as_deref() == Some(request.cookie));
        if !is_answer || is_known || self.cookies_followed == Self::COOKIES_FOLLOWED_MAX {
            return Ok(CookieAnswer::Ignored);
        }
        self.cookies_followed += 1;
        let seq = x.next_seq()?;
        self.offer.send_flight_1_or_3(request.cookie, x)?;
        if self.sent.len() > usize::from(Self::COOKIES_FOLLOWED_MAX) {
            self.sent.remove(0);
        }
        self.sent.push(SentHello { seq, cookie: Some(request.cookie.to_vec()) });
        Ok(CookieAnswer::Followed)
    }

    /// The numbers that a ServerHello may have: a server's first message takes the number of the hello it answers
    /// (RFC 6347 section 4.2.2).
    pub(crate) fn answerable(&self) -> RangeInclusive<MessageSeq> {
        let oldest = self.sent.first().map_or(MessageSeq::ZERO, |hello| hello.seq);
        let newest = self.sent.last().map_or(MessageSeq::ZERO, |hello| hello.seq);
        oldest..=newest
    }

    /// The timer has expired: cookies are followed again.
    pub(crate) const fn on_timer(&mut self) {
        self.cookies_followed = 0;
    }

    fn on_server_hello(self, hello: &ServerHello<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        let Self { offer, sent, .. } = self;
        let answered = sent.iter().find(|sent| sent.seq == message.seq);
        let answered = answered.ok_or(Error::UnexpectedMessage(HandshakeType::SERVER_HELLO))?;
        let is_resumed = offer.resume.as_ref().is_some_and(|offered| offered.session_id == hello.session_id);
        let mut choice = negotiate::check_choice(hello, &offer.config, offer.host_name().is_some(), is_resumed)?;
        let of_session = offer.resume.as_ref().filter(|_| is_resumed).and_then(|offered| offered.fragment_length);
        if let (RecordLimits::NONE, Some(length)) = (choice.records, of_session) {
            // RFC 6066 section 2: some servers do not say it again.
            choice.records = RecordLimits::by_fragment_length(length);
        }
        // RFC 6347 section 4.2.6: only the hello that the server accepted counts, and we go on numbering from it.
        x.restart_after(
            HandshakeType::CLIENT_HELLO,
            answered.seq,
            &offer.client_hello(answered.cookie.as_deref().unwrap_or_default()),
        );
        x.transcript.add(&message.bytes);
        x.transcript.start_hash(choice.suite.hash);
        x.records = choice.records;
        let (settings, remote) = (&offer.config.settings, hello.extensions.connection_id);
        x.connection_ids = negotiate::connection_ids(settings, offer.connection_id.as_ref(), remote);
        let checks_paths = hello.extensions.rrc && negotiate::checks_paths(settings, x.connection_ids.is_some());
        x.path_checks = checks_paths.then(|| Arc::clone(&offer.config.provider));
        x.padding = settings.padding.clone();
        let randoms = Randoms { client: offer.random, server: hello.random };
        let session_id = hello.session_id.to_vec();
        let expects_ticket = hello.extensions.session_ticket;
        let mut session = Session { offer, choice, randoms, session_id, expects_ticket };
        if let Some(offered) = session.offer.resume.take().filter(|_| is_resumed) {
            return AwaitResumedFinished::begin(session, offered, x);
        }
        Ok(Step::Await(if session.choice.suite.key_exchange.signed_by().is_none() {
            AwaitPskServerFlight::new(session).into()
        } else {
            AwaitCertificate { session }.into()
        }))
    }
}

/// What a client did about a HelloVerifyRequest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CookieAnswer {
    Followed,
    /// It answers nothing we sent, repeats a cookie, or too many have come.
    Ignored,
}

// --- flight 4 ---

/// What the hellos settled; travels through the states of flight 4.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) offer: Offer,
    pub(super) choice: ClientChoice,
    pub(super) randoms: Randoms,
    /// By which the server may remember the session; empty if it will not.
    session_id: Vec<u8>,
    /// Whether the server has announced a NewSessionTicket.
    expects_ticket: bool,
}

impl Session {
    pub(super) const fn dialect(&self) -> Dialect {
        let ClientChoice { suite, certificate_types, .. } = &self.choice;
        Dialect { key_exchange: suite.key_exchange, certificate_type: certificate_types.server }
    }

    /// What the hellos have settled.
    pub(super) fn info(&self) -> SessionInfo {
        SessionInfo {
            role: Role::Client,
            version: ProtocolVersion::DTLS_1_2,
            cipher_suite: self.choice.suite.id,
            group: None,
            signature_scheme: None,
            psk_identity: None,
            resumed: false,
            extended_master_secret: self.choice.extended_master_secret,
            alpn: self.choice.alpn.clone(),
            srtp: self.choice.srtp.clone(),
            server_name: self.offer.host_name().map(|name| name.as_bytes().to_vec()),
            peer_certificates: Vec::new(),
            peer_raw_public_key: None,
            connection_ids: None,
            path_checks: false,
        }
    }
}

/// Waits for the server's certificate.
#[derive(Debug)]
pub(crate) struct AwaitCertificate {
    session: Session,
}

impl AwaitCertificate {
    fn on_certificate(self, shown: Option<Shown>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        let shown = shown.ok_or(Error::CertificateMissing)?;
        x.transcript.add(&message.bytes);
        let peer = Peer { shown, ocsp_response: None };
        Ok(Step::Await(AwaitServerKeyExchange { session: self.session, peer }.into()))
    }
}

/// What the server has shown of itself.
#[derive(Debug)]
struct Peer {
    shown: Shown,
    ocsp_response: Option<Vec<u8>>,
}

impl Peer {
    fn held(&self) -> usize {
        self.shown.held() + self.ocsp_response.as_ref().map_or(0, Vec::capacity)
    }
}

/// Waits for the server's key share, signed with its key; before it may come what OCSP says of its certificate.
#[derive(Debug)]
pub(crate) struct AwaitServerKeyExchange {
    session: Session,
    peer: Peer,
}

impl AwaitServerKeyExchange {
    /// RFC 6066 section 8: a server that has announced it may still leave it out.
    const fn awaits_status(&self) -> bool {
        self.session.choice.status_request && self.peer.ocsp_response.is_none()
    }

    fn on_certificate_status(mut self, status: CertificateStatus<'_>, message: &Message, x: &mut Exchange) -> Step {
        self.peer.ocsp_response = Some(status.ocsp_response.to_vec());
        x.transcript.add(&message.bytes);
        Step::Await(self.into())
    }

    fn on_server_key_exchange(
        self,
        key_exchange: &EcdheServerKeyExchange<'_>,
        message: &Message,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let Self { session, peer } = self;
        let config = &session.offer.config;
        if !config.settings.groups.contains(&key_exchange.group) {
            return Err(Error::UnofferedGroup(key_exchange.group));
        }
        negotiate::check_scheme(key_exchange.scheme, &config.settings, session.choice.suite.key_exchange.signed_by())?;
        let randoms = &session.randoms;
        let signed = [&randoms.client.0[..], &randoms.server.0, key_exchange.signed_params].concat();
        let key = peer.shown.public_key()?;
        negotiate::check_curve(&key, &config.settings)?;
        let signature =
            verify_handshake_signature(&config.provider, key, key_exchange.scheme, &signed, key_exchange.signature)
                .map_err(|fault| signature_error(fault, key_exchange.scheme))?;
        x.transcript.add(&message.bytes);
        let share = ServerShare {
            group: key_exchange.group,
            public_key: key_exchange.public_key.to_vec(),
            scheme: key_exchange.scheme,
            signature,
        };
        Ok(Step::Await(AwaitServerHelloDone { session, peer, share, request: None }.into()))
    }
}

/// Says in our words why a signature of the handshake was refused.
pub(super) fn signature_error(fault: SignatureFault, scheme: SignatureScheme) -> Error {
    match fault {
        SignatureFault::SchemeUnknown => Error::UnofferedSignatureScheme(scheme),
        SignatureFault::SchemeDoesNotFitKey => Error::SignatureSchemeDoesNotFitKey(scheme),
        SignatureFault::Invalid => Error::BadSignature,
    }
}

/// The server's half of the key exchange, with the proof that the certificate's key signed it.
#[derive(Debug)]
struct ServerShare {
    group: NamedGroup,
    public_key: Vec<u8>,
    scheme: SignatureScheme,
    signature: HandshakeSignatureValid,
}

/// Waits for the end of the server's flight, and for its request to see a certificate, if it has one.
#[derive(Debug)]
pub(crate) struct AwaitServerHelloDone {
    session: Session,
    peer: Peer,
    share: ServerShare,
    /// The body of the server's CertificateRequest; it has been parsed before.
    request: Option<Vec<u8>>,
}

impl AwaitServerHelloDone {
    fn held(&self) -> usize {
        self.peer.held() + self.request.as_ref().map_or(0, Vec::capacity)
    }

    fn on_certificate_request(mut self, message: &Message, x: &mut Exchange) -> Step {
        self.request = Some(message.body().to_vec());
        x.transcript.add(&message.bytes);
        Step::Await(self.into())
    }

    fn on_server_hello_done(self, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        x.transcript.add(&message.bytes);
        AwaitVerdict::begin(self, x)
    }
}

// --- each state is one of the enum ---

macro_rules! is_a_client_state {
    ($($state:ident)+) => {
        $(impl From<$state> for State {
            fn from(state: $state) -> Self {
                Self::Client(ClientState::$state(state))
            }
        })+
    };
}

is_a_client_state! {
    AwaitServerHello AwaitCertificate AwaitServerKeyExchange AwaitServerHelloDone AwaitVerdict AwaitIdentity
    AwaitSignature AwaitPskServerFlight AwaitPskIdentity AwaitFinished AwaitResumedFinished
}
