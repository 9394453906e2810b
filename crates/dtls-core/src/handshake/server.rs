//! The server's handshake: RFC 6347 Figure 1, right side, from the ClientHello whose cookie has been checked.
//!
//! ```text
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

mod resumed;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::client::signature_error;
use super::credentials::{self, Shown};
use super::exchange::{Exchange, ReadKey, WriteKey};
use super::key_schedule::{self, Randoms, SessionSecrets};
use super::negotiate::{self, ServerChoice, ServerProof};
use super::parsed::{Dialect, Parsed};
use super::reassembly::Message;
use super::retransmit::Expect;
use super::server_psk::{self, AwaitPresharedKey, AwaitPskClientKeyExchange};
use super::{Completed, PeerProof, Resumption, State, Step};
use crate::config::{ClientAuthentication, PskMismatch, Selected, ServerConfig};
use crate::crypto::kx::KeyExchange;
use crate::crypto::secrets::{MasterSecret, PreMasterSecret};
use crate::crypto::sign::Identity;
use crate::crypto::suite::CipherSuite;
use crate::crypto::verify::{
    HandshakeSignatureValid, PeerAuthenticated, PeerRole, PeerVerifier, PresentedPeer, verify_handshake_signature,
};
use crate::decision::{Answer, Question};
use crate::error::{CertificateError, Error};
use crate::event::{ConnectionIds, Role, SessionInfo};
use crate::wire::certificate::{CertificateRequest, CertificateStatus, CertificateVerify};
use crate::wire::codec::Decode as _;
use crate::wire::enums::{
    CertificateType, ClientCertificateType, CompressionMethod, EcPointFormat, HandshakeType, NamedGroup,
    ProtocolVersion, SignatureScheme,
};
use crate::wire::extensions::{ClientExtensions, ServerExtensions, UseSrtp};
use crate::wire::fragment::MessageSeq;
use crate::wire::hello::{ClientHello, Random, ServerHello};
use crate::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange, encode_ecdhe_params};
use crate::wire::small::{Finished, ServerHelloDone};
use resumed::{AwaitResumedFinished, Leaves};

/// Where a server is in its handshake.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "a state is named for what it waits for")]
pub(crate) enum ServerState {
    AwaitClientHello(AwaitClientHello),
    AwaitConfig(AwaitConfig),
    AwaitSignature(AwaitSignature),
    AwaitCertificate(AwaitCertificate),
    AwaitClientKeyExchange(AwaitClientKeyExchange),
    AwaitCertificateVerify(AwaitCertificateVerify),
    AwaitVerdict(AwaitVerdict),
    AwaitPskClientKeyExchange(AwaitPskClientKeyExchange),
    AwaitPresharedKey(AwaitPresharedKey),
    AwaitFinished(AwaitFinished),
    AwaitResumedFinished(AwaitResumedFinished),
}

impl ServerState {
    /// Whether this state can use a message of this type.
    pub(crate) const fn awaits(&self, typ: HandshakeType) -> bool {
        match self {
            Self::AwaitClientHello(_) => matches!(typ, HandshakeType::CLIENT_HELLO),
            Self::AwaitCertificate(_) => matches!(typ, HandshakeType::CERTIFICATE),
            Self::AwaitClientKeyExchange(_) | Self::AwaitPskClientKeyExchange(_) => {
                matches!(typ, HandshakeType::CLIENT_KEY_EXCHANGE)
            }
            Self::AwaitCertificateVerify(_) => matches!(typ, HandshakeType::CERTIFICATE_VERIFY),
            Self::AwaitFinished(_) | Self::AwaitResumedFinished(_) => matches!(typ, HandshakeType::FINISHED),
            Self::AwaitConfig(_) | Self::AwaitSignature(_) | Self::AwaitVerdict(_) | Self::AwaitPresharedKey(_) => {
                false
            }
        }
    }

    /// Whether it waits for the owner, and for no message.
    pub(crate) const fn asks(&self) -> bool {
        matches!(
            self,
            Self::AwaitConfig(_) | Self::AwaitSignature(_) | Self::AwaitVerdict(_) | Self::AwaitPresharedKey(_)
        )
    }

    /// What the state waits for the owner to decide.
    pub(crate) fn question(&self) -> Option<Question<'_>> {
        match self {
            Self::AwaitConfig(state) => state.question(),
            Self::AwaitSignature(state) => Some(state.question()),
            Self::AwaitVerdict(state) => state.presented().map(Question::Peer),
            Self::AwaitPresharedKey(state) => Some(state.question()),
            _ => None,
        }
    }

    /// How the next messages are to be read.
    pub(crate) const fn dialect(&self) -> Dialect {
        match self {
            Self::AwaitCertificate(state) => state.session.dialect(),
            Self::AwaitClientKeyExchange(state) => state.session.dialect(),
            Self::AwaitPskClientKeyExchange(state) => state.dialect(),
            _ => Dialect::USUAL,
        }
    }

    /// How many bytes of the heap what the client has said of itself takes.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::AwaitClientHello(_) => 0,
            Self::AwaitConfig(state) => state.message.bytes.capacity(),
            Self::AwaitSignature(state) => state.session.held() + state.signed.capacity(),
            Self::AwaitVerdict(state) => state.session.held(),
            Self::AwaitPresharedKey(state) => state.held(),
            Self::AwaitCertificate(state) => state.session.held(),
            Self::AwaitClientKeyExchange(state) => state.session.held(),
            Self::AwaitCertificateVerify(state) => state.session.held(),
            Self::AwaitPskClientKeyExchange(state) => state.held(),
            Self::AwaitFinished(state) => state.session.held(),
            Self::AwaitResumedFinished(state) => state.held(),
        }
    }

    /// Uses a message that the state awaits.
    pub(crate) fn on_message(self, parsed: Parsed<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        match (self, parsed) {
            (Self::AwaitClientHello(state), Parsed::ClientHello(hello)) => state.on_client_hello(&hello, message, x),
            (Self::AwaitCertificate(state), Parsed::Certificate(certificate)) => {
                state.on_certificate(Shown::chain(&certificate)?, message, x)
            }
            (Self::AwaitCertificate(state), Parsed::RawPublicKey(key)) => {
                state.on_certificate(Shown::raw_public_key(key), message, x)
            }
            (Self::AwaitClientKeyExchange(state), Parsed::ClientKeyExchange(key_exchange)) => {
                state.on_client_key_exchange(&key_exchange, message, x)
            }
            (Self::AwaitCertificateVerify(state), Parsed::CertificateVerify(verify)) => {
                state.on_certificate_verify(&verify, message, x)
            }
            (Self::AwaitPskClientKeyExchange(state), Parsed::PskClientKeyExchange(exchange)) => {
                state.on_client_key_exchange(exchange.identity, None, message, x)
            }
            (Self::AwaitPskClientKeyExchange(state), Parsed::EcdhePskClientKeyExchange(exchange)) => {
                state.on_client_key_exchange(exchange.identity, Some(exchange.public_key), message, x)
            }
            (Self::AwaitFinished(state), Parsed::Finished(finished)) => state.on_finished(finished, message, x),
            (Self::AwaitResumedFinished(state), Parsed::Finished(finished)) => state.on_finished(finished, x),
            _ => Err(Error::UnexpectedMessage(message.typ)),
        }
    }

    /// Uses an answer to the question of the state.
    pub(crate) fn on_answer(self, answer: Answer, x: &mut Exchange) -> Result<Step, Error> {
        match (self, answer) {
            (Self::AwaitConfig(state), Answer::Config(selected)) => state.on_config(selected, x),
            (Self::AwaitSignature(state), Answer::Signature(signature)) => state.on_late_signature(&signature, x),
            (Self::AwaitVerdict(state), Answer::Peer(verdict)) => state.on_verdict(verdict, x),
            (Self::AwaitPresharedKey(state), Answer::PresharedKey(key)) => state.on_key(key, x),
            _ => Err(Error::DecisionFailed),
        }
    }
}

// --- flight 3 ---

/// Begins a handshake: waits for a ClientHello.
pub(crate) fn start(config: Arc<ServerConfig>) -> State {
    AwaitClientHello { config }.into()
}

/// Waits for the client's hello.
#[derive(Debug)]
pub(crate) struct AwaitClientHello {
    config: Arc<ServerConfig>,
}

impl AwaitClientHello {
    /// The numbers that a ClientHello may have, if `next` is that of the one whose cookie was checked. A client that
    /// follows a second cookie repeats only its newest hello, and one that came in fragments may then never be whole.
    pub(crate) fn answerable(&self, next: MessageSeq) -> RangeInclusive<MessageSeq> {
        next..=MessageSeq(next.0.saturating_add(Self::NEWER_HELLOS_MAX))
    }

    /// As many as a client of ours sends between two expiries of its timer.
    const NEWER_HELLOS_MAX: u16 = 4;

    fn on_client_hello(self, hello: &ClientHello<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        negotiate::check_hello(hello)?;
        match &self.config.selector {
            None => serve(Selected { config: self.config, by_name: false }, hello, message, x),
            Some(selector) if selector.defers(hello) => {
                Ok(Step::Await(AwaitConfig { message: message.clone() }.into()))
            }
            Some(selector) => on_config(selector.select(hello), hello, message, x),
        }
    }
}

/// Waits for the owner to pick a configuration for the client.
#[derive(Debug)]
pub(crate) struct AwaitConfig {
    /// The ClientHello; it has been parsed before.
    message: Message,
}

impl AwaitConfig {
    fn question(&self) -> Option<Question<'_>> {
        ClientHello::decode_all(self.message.body()).ok().map(Question::Config)
    }

    fn on_config(self, selected: Option<Selected>, x: &mut Exchange) -> Result<Step, Error> {
        let malformed = |fault| Error::Malformed(HandshakeType::CLIENT_HELLO, fault);
        let hello = ClientHello::decode_all(self.message.body()).map_err(malformed)?;
        on_config(selected, &hello, &self.message, x)
    }
}

fn on_config(
    selected: Option<Selected>,
    hello: &ClientHello<'_>,
    message: &Message,
    x: &mut Exchange,
) -> Result<Step, Error> {
    let selected = selected.ok_or(match hello.extensions.server_name {
        Some(_) => Error::UnrecognizedName,
        None => Error::ServerNameMissing,
    })?;
    serve(selected, hello, message, x)
}

/// Answers a hello from a configuration.
fn serve(selected: Selected, hello: &ClientHello<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
    let Selected { config, by_name } = selected;
    if let Some(resumable) = resumed::find(hello, &config) {
        return resumed::resume(config, resumable, hello, message, x);
    }
    let (connection_ids, path_checks) = agree_on_ids(hello, &config, x);
    let choice = ServerChoice { by_name, connection_ids, path_checks, ..negotiate::choose(hello, &config)? };
    let mut server = Random([0; 32]);
    config.provider.random.fill(&mut server.0).map_err(|_| Error::CryptoFailed)?;
    let randoms = Randoms { client: hello.random, server };

    // RFC 6347 section 4.2.2: the first message after a stateless HelloVerifyRequest goes on counting from it,
    // and the client's hello says how far that is.
    x.restart_numbering_at(message.seq);
    x.transcript.add(&message.bytes);
    x.transcript.start_hash(choice.suite.hash);
    x.records = choice.records;
    if choice.client_certificate_type.is_none() {
        x.transcript.drop_messages();
    }
    begin_flight_4(config, choice, hello, randoms, x)
}

/// RFC 9146 section 3: afresh in every handshake, also where a session is resumed.
/// RFC 9853 section 3: checks of paths come with IDs and not without.
fn agree_on_ids(
    hello: &ClientHello<'_>,
    config: &ServerConfig,
    x: &mut Exchange,
) -> (Option<Box<ConnectionIds>>, bool) {
    let remote = hello.extensions.connection_id;
    x.connection_ids = negotiate::connection_ids(&config.settings, x.own_cid.as_ref(), remote);
    let path_checks = hello.extensions.rrc && negotiate::checks_paths(&config.settings, x.connection_ids.is_some());
    x.path_checks = path_checks.then(|| Arc::clone(&config.provider));
    x.padding = config.settings.padding.clone();
    (x.connection_ids.clone(), path_checks)
}

// --- flight 4 ---

fn begin_flight_4(
    config: Arc<ServerConfig>,
    choice: ServerChoice,
    hello: &ClientHello<'_>,
    randoms: Randoms,
    x: &mut Exchange,
) -> Result<Step, Error> {
    let start = |group| {
        let group = config.provider.group(group).ok_or(Error::CryptoFailed)?;
        group.start(&*config.provider.random).map_err(|_| Error::CryptoFailed)
    };
    let key_exchange = choice.group.map(start).transpose()?;
    let leaves = Leaves::of(hello, &config, choice.extended_master_secret)?;
    x.begin_flight();
    x.message(HandshakeType::SERVER_HELLO, &server_hello(&choice, hello, randoms.server, &leaves))?;
    let info = SessionInfo {
        role: Role::Server,
        version: ProtocolVersion::DTLS_1_2,
        cipher_suite: choice.suite.id,
        group: choice.group,
        signature_scheme: None,
        psk_identity: None,
        resumed: false,
        extended_master_secret: choice.extended_master_secret,
        alpn: choice.alpn,
        srtp: choice.srtp,
        server_name: hello.extensions.server_name.map(<[u8]>::to_vec),
        peer_certificates: Vec::new(),
        peer_raw_public_key: None,
        connection_ids: None,
        path_checks: false,
    };
    let client_certificate_type = choice.client_certificate_type;
    let suite = choice.suite;
    let session =
        Session { suite, randoms, info, client_certificate_type, client: None, key_mark: None, leaves, config };
    match choice.proof {
        ServerProof::PresharedKey | ServerProof::MasterSecret => server_psk::finish_flight_4(session, key_exchange, x),
        ServerProof::Signature { identity, scheme } => {
            let share = choice.group.zip(key_exchange).ok_or(Error::CryptoFailed)?;
            credentials::send_certificate(Some(&identity), x)?;
            if let Some(ocsp_response) = status_for(hello, &identity) {
                x.message(HandshakeType::CERTIFICATE_STATUS, &CertificateStatus { ocsp_response })?;
            }
            AwaitSignature::begin(session, identity, scheme, share, x)
        }
    }
}

/// Waits for our signature of the key share.
#[derive(Debug)]
pub(crate) struct AwaitSignature {
    session: Session,
    key_exchange: Box<dyn KeyExchange>,
    group: NamedGroup,
    identity: Identity,
    scheme: SignatureScheme,
    /// The randoms and the parameters of the exchange.
    signed: Vec<u8>,
}

impl AwaitSignature {
    /// Where the parameters begin in what is signed: behind two randoms.
    const PARAMS_AT: usize = 64;

    fn begin(
        mut session: Session,
        identity: Identity,
        scheme: SignatureScheme,
        (group, key_exchange): (NamedGroup, Box<dyn KeyExchange>),
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let mut signed = [session.randoms.client.0, session.randoms.server.0].concat();
        encode_ecdhe_params(&mut signed, group, key_exchange.public_key());
        session.info.signature_scheme = Some(scheme);
        let state = Self { session, key_exchange, group, identity, scheme, signed };
        if state.identity.key().defers() {
            return Ok(Step::Await(state.into()));
        }
        let signature = state.identity.sign(scheme, &state.signed)?;
        state.on_signature(&signature, x)
    }

    fn question(&self) -> Question<'_> {
        Question::Signature { identity: &self.identity, scheme: self.scheme, message: &self.signed }
    }

    fn on_late_signature(self, signature: &[u8], x: &mut Exchange) -> Result<Step, Error> {
        self.identity.check_signature(&self.session.config.provider, self.scheme, &self.signed, signature)?;
        self.on_signature(signature, x)
    }

    fn on_signature(self, signature: &[u8], x: &mut Exchange) -> Result<Step, Error> {
        let Self { session, key_exchange, group, scheme, signed, .. } = self;
        let signed_params = signed.get(Self::PARAMS_AT..).unwrap_or_default();
        let public_key = key_exchange.public_key();
        let share = EcdheServerKeyExchange { group, public_key, signed_params, scheme, signature };
        x.message(HandshakeType::SERVER_KEY_EXCHANGE, &share)?;
        let verifier = session.config.client_authentication.verifier();
        if let Some(verifier) = verifier.filter(|_| session.client_certificate_type.is_some()) {
            x.message(HandshakeType::CERTIFICATE_REQUEST, &certificate_request(&session.config, verifier))?;
        }
        x.message(HandshakeType::SERVER_HELLO_DONE, &ServerHelloDone)?;
        x.send(Expect::Answer);
        Ok(Step::Await(match session.client_certificate_type {
            None => AwaitClientKeyExchange { session, key_exchange }.into(),
            Some(_) => AwaitCertificate { session, key_exchange }.into(),
        }))
    }
}

/// What OCSP says of our certificate, for a client that wants to know.
fn status_for<'a>(hello: &ClientHello<'_>, identity: &'a Identity) -> Option<&'a [u8]> {
    let has_certificate = identity.certificate_type() == CertificateType::X509;
    identity.ocsp_response().filter(|_| hello.extensions.status_request && has_certificate)
}

fn server_hello<'a>(
    choice: &'a ServerChoice,
    hello: &ClientHello<'_>,
    random: Random,
    leaves: &'a Leaves,
) -> ServerHello<'a> {
    let limits_records = hello.extensions.record_size_limit.is_some();
    let (status, server_certificate_type) = match &choice.proof {
        ServerProof::Signature { identity, .. } => (status_for(hello, identity), Some(identity.certificate_type())),
        ServerProof::PresharedKey | ServerProof::MasterSecret => (None, None),
    };
    let ClientExtensions { client_certificate_types, server_certificate_types, .. } = &hello.extensions;
    ServerHello {
        version: ProtocolVersion::DTLS_1_2,
        random,
        session_id: leaves.session_id(),
        cipher_suite: choice.suite.id,
        compression_method: CompressionMethod::NULL,
        extensions: ServerExtensions {
            server_name: choice.by_name,
            status_request: status.is_some(),
            client_certificate_type: choice.client_certificate_type.filter(|_| client_certificate_types.is_some()),
            server_certificate_type: server_certificate_type.filter(|_| server_certificate_types.is_some()),
            max_fragment_length: hello.extensions.max_fragment_length.filter(|_| !limits_records),
            ec_point_formats: hello
                .extensions
                .ec_point_formats
                .as_ref()
                .filter(|_| choice.suite.key_exchange.is_ephemeral())
                .is_some()
                .then(|| alloc::vec![EcPointFormat::UNCOMPRESSED]),
            use_srtp: choice.srtp.as_ref().map(|srtp| UseSrtp { profiles: alloc::vec![srtp.profile], mki: &srtp.mki }),
            alpn: choice.alpn.as_deref(),
            extended_master_secret: choice.extended_master_secret,
            record_size_limit: limits_records.then_some(choice.records.received),
            session_ticket: matches!(leaves, Leaves::Ticket),
            connection_id: choice.connection_ids.as_ref().map(|ids| ids.local.as_bytes()),
            rrc: choice.path_checks,
            renegotiation_info: choice.knows_renegotiation_info.then_some(&[]),
            unmodelled: None,
        },
    }
}

fn certificate_request<'a>(config: &ServerConfig, verifier: &'a dyn PeerVerifier) -> CertificateRequest<'a> {
    CertificateRequest {
        certificate_types: alloc::vec![ClientCertificateType::ECDSA_SIGN, ClientCertificateType::RSA_SIGN],
        signature_schemes: config.settings.signature_schemes.clone(),
        authorities: verifier.authorities().iter().map(Vec::as_slice).collect(),
    }
}

// --- flight 5 ---

/// What the hellos settled; travels through the states of flight 5.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) config: Arc<ServerConfig>,
    pub(super) suite: CipherSuite,
    pub(super) randoms: Randoms,
    pub(super) info: SessionInfo,
    /// What the client is asked to show; `None` for nothing.
    client_certificate_type: Option<CertificateType>,
    /// What the client has shown. Not proven.
    client: Option<Shown>,
    /// Which pre-shared key it was, if it was one.
    pub(super) key_mark: Option<[u8; 32]>,
    leaves: Leaves,
}

impl Session {
    pub(super) fn held(&self) -> usize {
        self.info.held() + self.client.as_ref().map_or(0, Shown::held)
    }

    pub(super) const fn dialect(&self) -> Dialect {
        let certificate_type = match self.client_certificate_type {
            Some(typ) => typ,
            None => CertificateType::X509,
        };
        Dialect { key_exchange: self.suite.key_exchange, certificate_type }
    }

    /// Computes the master secret, once ClientKeyExchange is part of the transcript.
    pub(super) fn master_secret(&self, secret: &PreMasterSecret, x: &Exchange) -> Result<MasterSecret, Error> {
        let session_hash = if self.info.extended_master_secret { Some(x.digest()?) } else { None };
        let master = key_schedule::master_secret(&self.suite, secret, session_hash.as_ref(), &self.randoms);
        if let Some(key_log) = &self.config.settings.key_log {
            key_log.log("CLIENT_RANDOM", &self.randoms.client.0, master.as_bytes());
        }
        Ok(master)
    }
}

/// Waits for the client's certificate, or its word that it has none.
#[derive(Debug)]
pub(crate) struct AwaitCertificate {
    session: Session,
    key_exchange: Box<dyn KeyExchange>,
}

impl AwaitCertificate {
    fn on_certificate(self, shown: Option<Shown>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        let Self { mut session, key_exchange } = self;
        let required = matches!(session.config.client_authentication, ClientAuthentication::Require(_));
        if shown.is_none() && required {
            return Err(Error::CertificateMissing);
        }
        session.client = shown;
        x.transcript.add(&message.bytes);
        Ok(Step::Await(AwaitClientKeyExchange { session, key_exchange }.into()))
    }
}

/// Waits for the client's key share.
#[derive(Debug)]
pub(crate) struct AwaitClientKeyExchange {
    session: Session,
    key_exchange: Box<dyn KeyExchange>,
}

impl AwaitClientKeyExchange {
    fn on_client_key_exchange(
        self,
        share: &EcdheClientKeyExchange<'_>,
        message: &Message,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let Self { session, key_exchange } = self;
        let pre_master_secret = key_exchange.complete(share.public_key).map_err(|_| Error::BadKeyShare)?;
        x.transcript.add(&message.bytes);
        let master = session.master_secret(&pre_master_secret, x)?;
        match session.client {
            Some(_) => Ok(Step::Await(AwaitCertificateVerify { session, master }.into())),
            None => {
                x.transcript.drop_messages();
                AwaitFinished::begin(session, master, PeerProof::Anonymous, x)
            }
        }
    }
}

/// Waits for the proof that the client holds the key of its certificate.
#[derive(Debug)]
pub(crate) struct AwaitCertificateVerify {
    session: Session,
    master: MasterSecret,
}

impl AwaitCertificateVerify {
    fn on_certificate_verify(
        self,
        verify: &CertificateVerify<'_>,
        message: &Message,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let Self { session, master } = self;
        let config = &session.config;
        negotiate::check_scheme(verify.scheme, &config.settings, None)?;
        let client = session.client.as_ref().ok_or(Error::CertificateMissing)?;
        let signed = x.transcript.messages();
        let signature =
            verify_handshake_signature(&config.provider, client.public_key()?, verify.scheme, signed, verify.signature)
                .map_err(|fault| signature_error(fault, verify.scheme))?;
        x.transcript.add(&message.bytes);
        x.transcript.drop_messages();
        // The chain costs more than the signature, so a client shows first that it holds the key.
        let state = AwaitVerdict { session, master, signature };
        let verifier = state.session.config.client_authentication.verifier().ok_or(Error::CertificateMissing)?;
        let presented = state.presented().ok_or(Error::CertificateMissing)?;
        if verifier.defers(&presented) {
            return Ok(Step::Await(state.into()));
        }
        let verdict = verifier.verify(&presented);
        state.on_verdict(verdict, x)
    }
}

/// Waits for the word whether the client is to be trusted.
#[derive(Debug)]
pub(crate) struct AwaitVerdict {
    session: Session,
    master: MasterSecret,
    signature: HandshakeSignatureValid,
}

impl AwaitVerdict {
    fn presented(&self) -> Option<PresentedPeer<'_>> {
        let credential = self.session.client.as_ref()?.credential();
        Some(PresentedPeer { credential, role: PeerRole::Client, ocsp_response: None })
    }

    fn on_verdict(self, verdict: Result<PeerAuthenticated, CertificateError>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { mut session, master, signature } = self;
        let authenticated = verdict.map_err(Error::Certificate)?;
        if let Some(client) = session.client.take() {
            client.tell(&mut session.info);
        }
        AwaitFinished::begin(session, master, PeerProof::Certificate(authenticated, signature), x)
    }
}

/// Waits for the proof that the client saw the same handshake.
#[derive(Debug)]
pub(crate) struct AwaitFinished {
    session: Session,
    master: MasterSecret,
    proof: PeerProof,
    /// Kept back until our ChangeCipherSpec, so that an alert before it is one that the client can read.
    write_key: WriteKey,
}

impl AwaitFinished {
    /// What to do about a Finished that does not decrypt, if a pre-shared key that differs is the likely reason.
    pub(super) fn psk_mismatch(&self) -> Option<PskMismatch> {
        if self.session.suite.key_exchange.signed_by().is_none() {
            Some(self.session.config.settings.psk_mismatch)
        } else {
            None
        }
    }

    pub(super) fn begin(
        session: Session,
        master: MasterSecret,
        proof: PeerProof,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let suite = &session.suite;
        let (sealer, opener) = key_schedule::record_keys(Role::Server, suite, &master, &session.randoms)
            .map_err(|_| Error::CryptoFailed)?;
        x.read_key = Some(ReadKey { opener, failures_allowed: suite.limits.open_failures });
        let write_key = WriteKey { sealer, blocks_allowed: suite.limits.seal_blocks };
        Ok(Step::Await(Self { session, master, proof, write_key }.into()))
    }

    fn on_finished(self, finished: Finished<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        let Self { session, master, proof, write_key } = self;
        let expected = key_schedule::verify_data(Role::Client, &session.suite, &master, &x.digest()?);
        let finished = key_schedule::verify_finished(&expected, finished.verify_data)?;
        x.transcript.add(&message.bytes);
        x.write_key = Some(write_key);
        let resumption = send_flight_6(&session, &master, x)?;
        let Session { config, randoms, info, .. } = session;
        let secrets = SessionSecrets { master, randoms };
        Ok(Step::Complete(Completed::new(config.into(), info, secrets, true, resumption, proof, finished)))
    }
}

// --- flight 6 ---

fn send_flight_6(session: &Session, master: &MasterSecret, x: &mut Exchange) -> Result<Option<Box<Resumption>>, Error> {
    x.begin_flight();
    let resumption = resumed::leave(session, master, x)?;
    x.change_cipher_spec();
    let verify_data = key_schedule::verify_data(Role::Server, &session.suite, master, &x.digest()?);
    x.message(HandshakeType::FINISHED, &Finished { verify_data: &verify_data })?;
    x.send(Expect::Nothing);
    Ok(resumption)
}

// --- each state is one of the enum ---

macro_rules! is_a_server_state {
    ($($state:ident)+) => {
        $(impl From<$state> for State {
            fn from(state: $state) -> Self {
                Self::Server(ServerState::$state(state))
            }
        })+
    };
}

is_a_server_state! {
    AwaitClientHello AwaitConfig AwaitSignature AwaitCertificate AwaitClientKeyExchange AwaitCertificateVerify
    AwaitVerdict AwaitPskClientKeyExchange AwaitPresharedKey AwaitFinished AwaitResumedFinished
}
