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

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use rustls_pki_types::ServerName;

use super::client_psk::{AwaitPskIdentity, AwaitPskServerFlight};
use super::credentials::{self, Shown};
use super::exchange::{Exchange, ReadKey, WriteKey};
use super::key_schedule::{self, ExporterSecret, Randoms};
use super::negotiate::{self, ClientChoice};
use super::parsed::{Dialect, Parsed};
use super::reassembly::Message;
use super::retransmit::Expect;
use super::{Completed, PeerProof, State, Step};
use crate::config::{ClientConfig, ConfigError, ExtendedMasterSecret};
use crate::crypto::secrets::{MasterSecret, PreMasterSecret};
use crate::crypto::sign::Identity;
use crate::crypto::verify::{
    HandshakeSignatureValid, PeerAuthenticated, PeerRole, PresentedPeer, SignatureFault, verify_signature_by,
};
use crate::decision::{Answer, Question};
use crate::error::{CertificateError, Error};
use crate::event::{Role, SessionInfo};
use crate::wire::certificate::{CertificateRequest, CertificateStatus, CertificateVerify};
use crate::wire::codec::Decode as _;
use crate::wire::enums::{
    CompressionMethod, EcPointFormat, HandshakeType, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::wire::extensions::{ClientExtensions, UseSrtp};
use crate::wire::fragment::MessageSeq;
use crate::wire::hello::{ClientHello, HelloVerifyRequest, Random, ServerHello};
use crate::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange};
use crate::wire::small::Finished;

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
            Self::AwaitFinished(_) => matches!(typ, HandshakeType::FINISHED),
            Self::AwaitVerdict(_) | Self::AwaitIdentity(_) | Self::AwaitSignature(_) | Self::AwaitPskIdentity(_) => {
                false
            }
        }
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
            Self::AwaitServerHello(_) | Self::AwaitCertificate(_) => 0,
            Self::AwaitServerKeyExchange(state) => state.peer.held(),
            Self::AwaitServerHelloDone(state) | Self::AwaitVerdict(AwaitVerdict(state)) => state.held(),
            Self::AwaitIdentity(state) => state.flight.info.held() + state.request.capacity(),
            Self::AwaitSignature(state) => state.finish.info.held(),
            Self::AwaitPskServerFlight(state) => state.held(),
            Self::AwaitPskIdentity(state) => state.held(),
            Self::AwaitFinished(state) => state.info.held(),
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
            (Self::AwaitFinished(state), Parsed::Finished(finished)) => state.on_finished(finished, x),
            _ => Err(Error::UnexpectedMessage(message.typ)),
        }
    }

    /// Uses an answer to the question of the state.
    pub(crate) fn on_answer(self, answer: Answer, x: &mut Exchange) -> Result<Step, Error> {
        match (self, answer) {
            (Self::AwaitVerdict(state), Answer::Peer(verdict)) => state.on_verdict(verdict, x),
            (Self::AwaitIdentity(state), Answer::Identity(chosen)) => state.on_choice(chosen.as_slice(), x),
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
}

/// Begins a handshake: sends the first ClientHello.
pub(crate) fn start(
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    x: &mut Exchange,
) -> Result<State, ConfigError> {
    let needs_name = config.verifier.as_ref().is_some_and(|verifier| verifier.needs_server_name());
    if needs_name && server_name.is_none() {
        return Err(ConfigError::ServerNameRequired);
    }
    let mut random = Random([0; 32]);
    config.provider.random.fill(&mut random.0).map_err(|_| ConfigError::CryptoFailed)?;
    let offer = Offer { config, server_name, random };
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
            session_id: &[],
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
                session_ticket: None,
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
        let choice = negotiate::check_choice(hello, &offer.config, offer.host_name().is_some())?;
        // RFC 6347 section 4.2.6: only the hello that the server accepted counts, and we go on numbering from it.
        x.restart_after(
            HandshakeType::CLIENT_HELLO,
            answered.seq,
            &offer.client_hello(answered.cookie.as_deref().unwrap_or_default()),
        );
        x.transcript.add(&message.bytes);
        x.transcript.start_hash(choice.suite.hash);
        x.records = choice.records;
        let randoms = Randoms { client: offer.random, server: hello.random };
        let session = Session { offer, choice, randoms };
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
            verify_signature_by(&config.provider, key, key_exchange.scheme, &signed, key_exchange.signature)
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
        SignatureFault::CertificateUnreadable => Error::Certificate(CertificateError::Unreadable),
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
        let state = AwaitVerdict(self);
        let verifier = state.0.session.offer.config.verifier.as_ref().ok_or(Error::CertificateMissing)?;
        if verifier.defers(&state.presented()) {
            return Ok(Step::Await(state.into()));
        }
        let verdict = verifier.verify(&state.presented());
        state.on_verdict(verdict, x)
    }
}

/// Waits for the word whether the server is to be trusted.
#[derive(Debug)]
pub(crate) struct AwaitVerdict(AwaitServerHelloDone);

impl AwaitVerdict {
    fn presented(&self) -> PresentedPeer<'_> {
        let name = self.0.session.offer.server_name.as_ref();
        let Peer { shown, ocsp_response } = &self.0.peer;
        PresentedPeer {
            credential: shown.credential(),
            role: PeerRole::Server { name },
            ocsp_response: ocsp_response.as_deref(),
        }
    }

    fn on_verdict(self, verdict: Result<PeerAuthenticated, CertificateError>, x: &mut Exchange) -> Result<Step, Error> {
        let AwaitServerHelloDone { session, peer, share, request } = self.0;
        let authenticated = verdict.map_err(Error::Certificate)?;
        let mut info = SessionInfo { group: Some(share.group), signature_scheme: Some(share.scheme), ..session.info() };
        peer.shown.tell(&mut info);
        let ServerShare { group, public_key, signature, .. } = share;
        let flight =
            Flight5 { session, info, group, public_key, proof: PeerProof::Certificate(authenticated, signature) };
        if let Some(request) = request {
            return AwaitIdentity::begin(AwaitIdentity { flight, request }, x);
        }
        x.begin_flight();
        flight.exchange_keys(None, x)
    }
}

// --- flight 5 ---

/// What flight 5 is made of, whatever we show in it.
#[derive(Debug)]
struct Flight5 {
    session: Session,
    info: SessionInfo,
    group: NamedGroup,
    /// The server's share.
    public_key: Vec<u8>,
    proof: PeerProof,
}

/// Waits for the choice of a certificate for a server that asks for one.
#[derive(Debug)]
pub(crate) struct AwaitIdentity {
    flight: Flight5,
    /// The body of the server's CertificateRequest.
    request: Vec<u8>,
}

impl AwaitIdentity {
    fn begin(self, x: &mut Exchange) -> Result<Step, Error> {
        let config = Arc::clone(&self.flight.session.offer.config);
        let Some(chooser) = &config.chooser else { return self.on_choice(&config.identities, x) };
        let request = self.request()?;
        if chooser.defers(&request) {
            return Ok(Step::Await(self.into()));
        }
        let chosen = chooser.choose(&request);
        self.on_choice(chosen.as_slice(), x)
    }

    fn question(&self) -> Option<Question<'_>> {
        self.request().ok().map(Question::Identity)
    }

    fn request(&self) -> Result<CertificateRequest<'_>, Error> {
        let malformed = |fault| Error::Malformed(HandshakeType::CERTIFICATE_REQUEST, fault);
        CertificateRequest::decode_all(&self.request).map_err(malformed)
    }

    /// Shows the first of these that suits the server, or nothing.
    fn on_choice(self, identities: &[Identity], x: &mut Exchange) -> Result<Step, Error> {
        let Session { offer, choice, .. } = &self.flight.session;
        let typ = choice.certificate_types.client;
        let signer = negotiate::choose_identity(&self.request()?, identities, typ, &offer.config.settings);
        x.begin_flight();
        credentials::send_certificate(signer.as_ref().map(|(identity, _)| identity), x)?;
        self.flight.exchange_keys(signer, x)
    }
}

impl Flight5 {
    fn exchange_keys(self, signer: Option<(Identity, SignatureScheme)>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { session, info, group, public_key, proof } = self;
        let provider = &session.offer.config.provider;
        let group = provider.group(group).ok_or(Error::CryptoFailed)?;
        let key_exchange = group.start(&*provider.random).map_err(|_| Error::CryptoFailed)?;
        let share = EcdheClientKeyExchange { public_key: key_exchange.public_key() };
        x.message(HandshakeType::CLIENT_KEY_EXCHANGE, &share)?;
        let pre_master_secret = key_exchange.complete(&public_key).map_err(|_| Error::BadKeyShare)?;
        let master = session.master_secret(&pre_master_secret, x)?;
        let finish = AwaitFinished { session, master, info, proof };
        match signer {
            Some((identity, scheme)) => AwaitSignature { finish, identity, scheme }.begin(x),
            None => finish.finish_flight_5(x),
        }
    }
}

/// Waits for our signature of the handshake.
#[derive(Debug)]
pub(crate) struct AwaitSignature {
    finish: AwaitFinished,
    identity: Identity,
    scheme: SignatureScheme,
}

impl AwaitSignature {
    fn begin(self, x: &mut Exchange) -> Result<Step, Error> {
        if self.identity.key().defers() {
            return Ok(Step::Await(self.into()));
        }
        let signature = self.identity.sign(self.scheme, x.transcript.messages())?;
        self.on_signature(&signature, x)
    }

    fn question<'a>(&'a self, x: &'a Exchange) -> Question<'a> {
        Question::Signature { identity: &self.identity, scheme: self.scheme, message: x.transcript.messages() }
    }

    fn on_late_signature(self, signature: &[u8], x: &mut Exchange) -> Result<Step, Error> {
        let provider = &self.finish.session.offer.config.provider;
        self.identity.check_signature(provider, self.scheme, x.transcript.messages(), signature)?;
        self.on_signature(signature, x)
    }

    fn on_signature(self, signature: &[u8], x: &mut Exchange) -> Result<Step, Error> {
        x.message(HandshakeType::CERTIFICATE_VERIFY, &CertificateVerify { scheme: self.scheme, signature })?;
        self.finish.finish_flight_5(x)
    }
}

// --- what flight 5 has in common, whoever proves what by which key ---

impl Session {
    pub(super) const fn dialect(&self) -> Dialect {
        let ClientChoice { suite, certificate_types, .. } = &self.choice;
        Dialect { key_exchange: suite.key_exchange, certificate_type: certificate_types.server }
    }

    /// Computes the master secret, once ClientKeyExchange is part of the transcript.
    pub(super) fn master_secret(&self, secret: &PreMasterSecret, x: &Exchange) -> Result<MasterSecret, Error> {
        let session_hash = if self.choice.extended_master_secret { Some(x.digest()?) } else { None };
        Ok(key_schedule::master_secret(&self.choice.suite, secret, session_hash.as_ref(), &self.randoms))
    }

    /// Sends ChangeCipherSpec and Finished, and hands over the keys.
    pub(super) fn finish_flight_5(&self, master: &MasterSecret, x: &mut Exchange) -> Result<(), Error> {
        let suite = &self.choice.suite;
        x.transcript.drop_messages();
        x.change_cipher_spec();
        let verify_data = key_schedule::verify_data(Role::Client, suite, master, &x.digest()?);
        x.message(HandshakeType::FINISHED, &Finished { verify_data: &verify_data })?;
        x.send(Expect::Answer);

        let (sealer, opener) =
            key_schedule::record_keys(Role::Client, suite, master, &self.randoms).map_err(|_| Error::CryptoFailed)?;
        x.write_key = Some(WriteKey { sealer, blocks_allowed: suite.limits.seal_blocks });
        x.read_key = Some(ReadKey { opener, failures_allowed: suite.limits.open_failures });
        if let Some(key_log) = &self.offer.config.settings.key_log {
            key_log.log("CLIENT_RANDOM", &self.randoms.client.0, master.as_bytes());
        }
        Ok(())
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
            extended_master_secret: self.choice.extended_master_secret,
            alpn: self.choice.alpn.clone(),
            srtp: self.choice.srtp.clone(),
            server_name: self.offer.host_name().map(|name| name.as_bytes().to_vec()),
            peer_certificates: Vec::new(),
            peer_raw_public_key: None,
        }
    }
}

// --- flight 6 ---

/// Waits for the proof that the server saw the same handshake.
#[derive(Debug)]
pub(crate) struct AwaitFinished {
    session: Session,
    master: MasterSecret,
    info: SessionInfo,
    proof: PeerProof,
}

impl AwaitFinished {
    pub(super) const fn new(session: Session, master: MasterSecret, info: SessionInfo, proof: PeerProof) -> Self {
        Self { session, master, info, proof }
    }

    fn finish_flight_5(self, x: &mut Exchange) -> Result<Step, Error> {
        self.session.finish_flight_5(&self.master, x)?;
        Ok(Step::Await(self.into()))
    }

    fn on_finished(self, finished: Finished<'_>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { session, master, info, proof } = self;
        let suite = &session.choice.suite;
        let expected = key_schedule::verify_data(Role::Server, suite, &master, &x.digest()?);
        let finished = key_schedule::verify_finished(&expected, finished.verify_data)?;
        let policy = session.offer.config.settings.exporters;
        let exporter = ExporterSecret { master, randoms: session.randoms, hash: suite.hash, policy };
        Ok(Step::Complete(Completed::new(info, exporter, proof, finished)))
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
    AwaitSignature AwaitPskServerFlight AwaitPskIdentity AwaitFinished
}
