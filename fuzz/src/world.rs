//! The target `connection`: one end under attack, an honest peer beside it, and a script that plays the network, the
//! clock, the application and the attacker.
//!
//! ```text
//!            script: forged, mangled, replayed
//!                        │
//!                        ▼
//!   honest peer ──▶ end under test ──▶ honest peer       nothing is forged in this direction
//! ```
//!
//! What must hold of one end is checked in [`checks`](crate::checks). What takes both is checked here, at the end of a
//! script: two ends that completed a handshake agree on all of it; and if the network was merely bad, they do complete
//! one, and data passes.

use std::sync::Arc;
use std::time::Duration;

use dtls_core::config::{
    ClientAuthentication, ConnectionIdUse, Exporters, ExtendedMasterSecret, RenegotiationInfo, Selected, Settings,
};
use dtls_core::crypto::{
    CertificateError, CipherSuite, CryptoProvider, Identity, PeerVerifier, PresharedKey, PskClient, PskIdentity,
    PskServer, SuiteAuthentication,
};
use dtls_core::wire::enums::{CertificateType, NamedGroup, SrtpProfile};
use dtls_core::{
    Answer, AskOwner, AskOwnerWith, ClientConfig, Connection, CookieJar, Instant, Question, Role, ServerConfig,
    SessionInfo,
};
use rustls_pki_types::ServerName;

use crate::checks::End;
use crate::forge;
use crate::null_provider::{
    Hashing, ID_OF_CLIENT, ID_OF_SERVER, NullId, NullTrust, SIGNATURE, bare_identity, identity, provider,
};
use crate::script::{AnswerKind, Ids, Mangle, Proof, Script, Setup, Step, Subject, flags, offers};

/// Runs one script.
pub fn run(script: &Script) {
    let mut world = World::new(script.setup);
    for step in &script.steps {
        world.step(step);
    }
    world.settle();
    world.check_agreement();
    world.subject.finish();
    world.peer.finish();
}

/// Whether the end under test is connected after the steps of a script.
#[must_use]
pub fn connects(script: &Script) -> bool {
    let mut world = World::new(script.setup);
    script.steps.iter().for_each(|step| world.step(step));
    world.subject.was_connected()
}

/// Both ends, the clock, and what was on the way.
struct World {
    setup: Setup,
    provider: Arc<CryptoProvider>,
    now: Instant,
    subject: End,
    peer: End,
    /// What the peer has sent so far, oldest first.
    history: Vec<Vec<u8>>,
    /// Whether all that happened is what a bad network and a slow host do.
    honest: bool,
}

impl World {
    fn new(setup: Setup) -> Self {
        let hashing = if setup.has(flags::CONSTANT_HASH) { Hashing::Constant } else { Hashing::Folding };
        let provider = provider(hashing);
        let now = Instant::from_origin(Duration::from_secs(1000));
        let (client_mtu, server_mtu) = match setup.subject() {
            Subject::Client => (setup.subject_mtu(), setup.peer_mtu()),
            _ => (setup.peer_mtu(), setup.subject_mtu()),
        };
        let [server_padding, client_padding] = setup.padding.map(|units| 64 * usize::from(units));
        let client = End::new(Role::Client, client_mtu, client_padding, || {
            let config = client_config(setup, &provider, client_padding, client_mtu);
            let name = setup.has(flags::SERVER_NAME).then(|| ServerName::try_from("fuzz.example").unwrap());
            Connection::connect(Arc::new(config), name, now).expect("no verifier here needs a name")
        });
        let server = if setup.subject() == Subject::ServerOnTrustedPath {
            End::new(Role::Server, server_mtu, server_padding, || {
                let config = server_config(setup, &provider, server_padding, server_mtu);
                Connection::accept_on_trusted_path(Arc::new(config), now)
            })
        } else {
            let config = Arc::new(server_config(setup, &provider, server_padding, server_mtu));
            let cookies = CookieJar::new(Arc::clone(&provider), now).unwrap();
            End::behind_cookies(server_mtu, server_padding, cookies, config)
        };
        let (subject, peer) = match setup.subject() {
            Subject::Client => (client, server),
            _ => (server, client),
        };
        Self { setup, provider, now, subject, peer, history: Vec::new(), honest: true }
    }

    fn step(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Datagram(bytes) => self.attack(bytes),
            Step::ForgedRecord(record) => self.attack(&forge::record(self.setup, record)),
            Step::HandshakeFragment(fragment) => self.attack(&forge::fragment(self.setup, fragment)),
            Step::ForgedMessage(message) => self.attack(&forge::message(self.setup, &self.provider, now, message)),
            Step::PeerFlight(mangle) => self.exchange(*mangle),
            Step::Replay { back, mangle } => {
                let index = self.history.len().checked_sub(1 + usize::from(*back));
                if let Some(datagram) = index.and_then(|index| self.history.get(index)).cloned() {
                    self.deliver(vec![datagram], *mangle);
                }
            }
            Step::ToPeer { lost, twice } => {
                self.subject.poll(now);
                self.deliver_to_peer(*lost, *twice);
            }
            Step::Timeout => {
                if let Some(deadline) = self.subject.deadline() {
                    self.now = self.now.max(deadline);
                    self.subject.handle_timeout(self.now);
                }
            }
            Step::Tick => self.subject.handle_timeout(now),
            Step::PeerTimeout => {
                if let Some(deadline) = self.peer.deadline() {
                    self.now = self.now.max(deadline);
                    self.peer.handle_timeout(self.now);
                }
            }
            Step::Advance(millis) => self.now = now + Duration::from_millis(u64::from(*millis)),
            Step::Poll => self.subject.poll(now),
            Step::PollOne => {
                self.subject.poll_one(now);
            }
            Step::Lose => self.subject.outbox.clear(),
            Step::Send { len, in_place } => {
                if let Some(datagram) = self.subject.send(usize::from(*len), *in_place) {
                    self.subject.outbox.push(datagram);
                }
            }
            Step::PeerSend(len) => {
                if let Some(datagram) = self.peer.send(usize::from(*len), false) {
                    self.deliver(vec![datagram], Mangle::Nothing);
                }
            }
            Step::SetMtu(mtu) => self.subject.set_mtu(usize::from(*mtu)),
            Step::RoundTripHint(millis) => {
                // A path so slow that the first repetition comes after the handshake's deadline is not a good network.
                self.subject.set_round_trip_hint(Duration::from_millis(u64::from(millis % 10_000)));
            }
            Step::Close => {
                self.honest = false;
                self.subject.close();
            }
            Step::Abort => {
                self.honest = false;
                self.subject.abort(now);
            }
            Step::PeerClose => {
                self.honest = false;
                self.peer.close();
                self.deliver_from_peer(Mangle::Nothing);
            }
            Step::Answer(kind) => self.answer(AnswerKind::of(*kind)),
        }
    }

    /// The owner of the end under test answers.
    fn answer(&mut self, kind: AnswerKind) {
        let (setup, provider) = (self.setup, Arc::clone(&self.provider));
        let role = if setup.subject() == Subject::Client { Role::Client } else { Role::Server };
        let taken = self.subject.answer(self.now, |question| match kind {
            AnswerKind::Right => right_answer(setup, &provider, role, question),
            AnswerKind::No => no(question),
            AnswerKind::Misplaced => misplaced(question),
            AnswerKind::Failed => Answer::Failed,
        });
        assert!(taken.is_none_or(|taken| taken == (kind != AnswerKind::Misplaced)), "{kind:?} was taken: {taken:?}");
        self.honest &= taken != Some(true) || kind == AnswerKind::Right;
    }

    /// The peer's owner decides at once, and rightly.
    fn answer_peer(&mut self) {
        let (setup, provider) = (self.setup, Arc::clone(&self.provider));
        let role = if setup.subject() == Subject::Client { Role::Server } else { Role::Client };
        let mut asked = 0;
        while self.peer.asks() {
            let right = |question: &Question<'_>| right_answer(setup, &provider, role, question);
            assert_ne!(self.peer.answer(self.now, right), Some(false));
            asked += 1;
            assert!(asked <= 4, "more questions than there are");
        }
    }

    /// Something that the peer did not send.
    fn attack(&mut self, datagram: &[u8]) {
        self.honest = false;
        self.subject.receive(self.now, datagram);
    }

    /// Everything under way reaches the peer, and what it has to say comes back.
    fn exchange(&mut self, mangle: Mangle) {
        self.subject.poll(self.now);
        self.deliver_to_peer(0, false);
        self.deliver_from_peer(mangle);
    }

    fn deliver_to_peer(&mut self, lost: u8, twice: bool) {
        for (index, datagram) in std::mem::take(&mut self.subject.outbox).into_iter().enumerate() {
            if has_bit(lost, index) {
                continue;
            }
            for _ in 0..=usize::from(twice) {
                let payloads = self.peer.receive(self.now, &datagram);
                self.check_payloads(&payloads, &self.subject);
            }
        }
    }

    fn deliver_from_peer(&mut self, mangle: Mangle) {
        self.answer_peer();
        self.peer.poll(self.now);
        let datagrams = std::mem::take(&mut self.peer.outbox);
        self.history.extend(datagrams.iter().cloned());
        self.deliver(datagrams, mangle);
    }

    /// Brings what the peer sent to the end under test, as the network has it.
    fn deliver(&mut self, datagrams: Vec<Vec<u8>>, mangle: Mangle) {
        self.honest &= mangle.is_honest();
        for datagram in forge::mangle(datagrams, mangle) {
            let payloads = self.subject.receive(self.now, &datagram);
            if self.honest {
                self.check_payloads(&payloads, &self.peer);
            }
        }
    }

    /// What arrives is what was sent. That none comes twice is checked where it is lent.
    fn check_payloads(&self, payloads: &[Vec<u8>], sender: &End) {
        // With constant hashes an attacker can make the ends disagree even on where a payload begins.
        if self.setup.has(flags::CONSTANT_HASH) {
            return;
        }
        for payload in payloads {
            if let Some(number) = payload.first_chunk() {
                let sent = sender.payloads.get(&u64::from_be_bytes(*number));
                assert_eq!(Some(payload), sent, "data arrived that was not sent");
            }
        }
    }

    /// A handshake that only a bad network disturbed completes once the network is good.
    fn settle(&mut self) {
        let began = Instant::from_origin(Duration::from_secs(1000));
        let in_time = self.now - began <= Duration::from_secs(4);
        let over = self.subject.is_over() || self.peer.is_over();
        // Cookies that come late make an honest client say hello more than once. The server counts the second hello that
        // reaches it as a fault, which ends the handshake if none is forgiven.
        let forgives = self.setup.subject() != Subject::ServerBehindCookies || !self.setup.has(flags::NO_FAULTS);
        if !self.honest || !in_time || !forgives || !self.setup.is_compatible() {
            return;
        }
        assert!(
            !over || self.setup.has_short_lived_keys(),
            "a bad network ended it: {:?} {:?}",
            self.subject,
            self.peer
        );
        if over {
            return;
        }
        for _ in 0..40 {
            for _ in 0..3 {
                for _ in 0..4 {
                    self.answer(AnswerKind::Right);
                }
                self.exchange(Mangle::Nothing);
            }
            if self.subject.is_connected() && self.peer.is_connected() {
                break;
            }
            let deadline = [self.subject.deadline(), self.peer.deadline()].into_iter().flatten().min();
            let Some(deadline) = deadline else { break };
            self.now = self.now.max(deadline);
            for end in [&mut self.subject, &mut self.peer] {
                if end.deadline().is_some_and(|deadline| deadline <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
        }
        let connected = self.subject.is_connected() && self.peer.is_connected();
        let worn_out = self.setup.has_short_lived_keys() && (self.subject.is_over() || self.peer.is_over());
        assert!(connected || worn_out, "no handshake on a good network: {:?} {:?}", self.subject, self.peer);
        // Sending may be what wears the keys out.
        if let Some(datagram) = self.subject.send(20, false)
            && self.peer.is_connected()
        {
            assert_eq!(self.peer.receive(self.now, &datagram).len(), 1, "data did not arrive");
        }
        if let Some(datagram) = self.peer.send(20, true)
            && self.subject.is_connected()
        {
            assert_eq!(self.subject.receive(self.now, &datagram).len(), 1, "data did not arrive");
        }
    }

    /// Two ends that completed a handshake agree on all of it, whatever an attacker did.
    fn check_agreement(&self) {
        let (Some(subject), Some(peer)) = (&self.subject.agreed, &self.peer.agreed) else { return };
        if self.setup.has(flags::CONSTANT_HASH) {
            return;
        }
        let (ours, theirs) = (&subject.info, &peer.info);
        assert_ne!(ours.role, theirs.role);
        assert_eq!(ours.cipher_suite, theirs.cipher_suite);
        assert_eq!(ours.group, theirs.group);
        assert_eq!(ours.signature_scheme, theirs.signature_scheme);
        assert_eq!(ours.extended_master_secret, theirs.extended_master_secret);
        assert_eq!(ours.alpn, theirs.alpn);
        assert_eq!(ours.srtp, theirs.srtp);
        assert_eq!(ours.server_name, theirs.server_name);
        assert_eq!(ours.psk_identity, theirs.psk_identity);
        assert_eq!(ours.psk_identity.is_some(), self.setup.proof().is_preshared());
        let of = |info: &SessionInfo| info.connection_ids.as_deref().map(|ids| [ids.local.clone(), ids.remote.clone()]);
        assert_eq!(of(ours).map(|[ours, theirs]| [theirs, ours]), of(theirs));
        let (subject_wants, peer_wants) = (self.setup.ids(ours.role), self.setup.ids(theirs.role));
        assert_eq!(of(ours).is_some(), subject_wants != Ids::Off && peer_wants != Ids::Off);
        assert_eq!(subject.exported, peer.exported);
    }
}

fn has_bit(mask: u8, index: usize) -> bool {
    u32::try_from(index).is_ok_and(|index| mask.checked_shr(index).is_some_and(|mask| mask & 1 == 1))
}

// --- configurations ---

impl Setup {
    /// The MTU of the end under test.
    #[must_use]
    pub fn subject_mtu(&self) -> usize {
        if self.mtu == 0 { 1200 } else { usize::from(self.mtu).max(256) }
    }

    /// The MTU of its peer.
    #[must_use]
    pub fn peer_mtu(&self) -> usize {
        if self.peer_mtu == 0 { 1200 } else { (64 * usize::from(self.peer_mtu)).max(256) }
    }

    /// The suites of one half of the null provider, the one that this setup prefers first; then the other half.
    #[must_use]
    pub fn suites(&self, provider: &CryptoProvider) -> Vec<CipherSuite> {
        let mut suites = provider.cipher_suites.clone();
        let half = suites.len() / 2;
        if self.proof().is_preshared() {
            suites.rotate_left(half);
        }
        suites[..half].rotate_left(usize::from(self.suite & 0x7f) % half);
        suites
    }

    /// Where in its half of the null provider's list the suite stands that an honest handshake settles on.
    #[must_use]
    pub const fn suite_in_use(&self) -> usize {
        let preferred = (self.suite & 0x7f) as usize % 6;
        // Behind the suites for RSA keys, which come last, the list begins again.
        let needs_rsa = preferred >= 3 && !self.proof().is_preshared();
        if needs_rsa && !self.has(flags::RSA) { 0 } else { preferred }
    }

    /// Whether a key of that suite wears out within a script: those of AES-256.
    const fn has_short_lived_keys(&self) -> bool {
        self.suite_in_use() % 3 == 1
    }

    /// Whether the two configurations can complete a handshake.
    fn is_compatible(&self) -> bool {
        let [client, server] = [self.extended_master_secret % 3, self.extended_master_secret / 3 % 3];
        let master_secrets_fit = !matches!((client, server), (0, 2) | (2, 0));
        let is_preshared = self.proof().is_preshared();
        let client_is_known = is_preshared || self.client_authentication % 3 != 2 || self.has(flags::CLIENT_IDENTITY);
        let both_name_protocols = self.offers(offers::CLIENT_ALPN) && self.offers(offers::SERVER_ALPN);
        let only_rsa = self.suite & 0x80 != 0 && usize::from(self.suite & 0x7f) % 6 >= 3;
        master_secrets_fit
            && client_is_known
            && !self.has(flags::TRUST_NOBODY)
            && !(both_name_protocols && self.offers(offers::OTHER_ALPN))
            && (!only_rsa || is_preshared || self.has(flags::RSA))
    }

    /// What both ends have in common.
    fn configure(&self, settings: &mut Settings, role: Role, mtu: usize) {
        if self.has(flags::WEBRTC) {
            settings.for_webrtc();
            settings.srtp_profiles.clear();
        }
        let choice = match role {
            Role::Client => self.extended_master_secret % 3,
            Role::Server => self.extended_master_secret / 3 % 3,
        };
        settings.extended_master_secret = match choice {
            0 => ExtendedMasterSecret::Require,
            1 => ExtendedMasterSecret::Prefer,
            _ => ExtendedMasterSecret::Off,
        };
        settings.exporters = match self.suite % 2 {
            0 => Exporters::Allowed,
            _ => Exporters::NeedExtendedMasterSecret,
        };
        settings.mtu = mtu;
        let id = if role == Role::Client { ID_OF_CLIENT } else { ID_OF_SERVER };
        settings.connection_id = match self.ids(role) {
            Ids::Off => ConnectionIdUse::Off,
            Ids::PeersOnly => ConnectionIdUse::PeersOnly,
            Ids::Ours => ConnectionIdUse::Ours(Arc::new(NullId(id))),
        };
        let is_subject = (role == Role::Client) == (self.subject() == Subject::Client);
        if is_subject && self.has(flags::NO_FAULTS) {
            settings.fault_budget = 0;
        }
    }

    /// Whom the end of this role trusts.
    fn trust(&self, role: Role) -> NullTrust {
        let is_subject = (role == Role::Client) == (self.subject() == Subject::Client);
        NullTrust {
            accepts: !(is_subject && self.has(flags::TRUST_NOBODY)),
            forms: self.forms(),
            defers: self.asks(role),
            wants_status: role == Role::Client && self.staples(),
        }
    }

    /// In which forms keys are shown: one.
    const fn forms(&self) -> &'static [CertificateType] {
        match self.proof() {
            Proof::RawPublicKeys => &[CertificateType::RAW_PUBLIC_KEY],
            _ => &[CertificateType::X509],
        }
    }

    fn identity(&self, role: Role, kind: SuiteAuthentication, padding: usize) -> Identity {
        let identity = match self.proof() {
            Proof::RawPublicKeys => bare_identity(kind, self.asks(role)),
            _ => identity(kind, padding, self.asks(role)),
        };
        if self.staples() { identity.with_ocsp_response(b"good".to_vec()) } else { identity }
    }

    /// The end of this role, as one that has a pre-shared key or knows who has.
    fn keys(&self, role: Role) -> Keys {
        Keys { knows: self.trust(role).accepts, defers: self.asks(role) }
    }
}

/// A pre-shared key at either end.
#[derive(Clone, Copy, Debug)]
struct Keys {
    knows: bool,
    defers: bool,
}

fn psk() -> PskIdentity {
    PskIdentity::new(b"sensor".to_vec(), vec![7; 16]).expect("a key")
}

impl PskClient for Keys {
    fn identity(&self, _hint: Option<&[u8]>) -> Option<PskIdentity> {
        self.knows.then(psk)
    }

    fn defers(&self, _hint: Option<&[u8]>) -> bool {
        self.defers
    }
}

impl PskServer for Keys {
    fn key(&self, identity: &[u8]) -> Option<Arc<PresharedKey>> {
        (self.knows && identity == b"sensor").then(|| Arc::new(PresharedKey::new(vec![7; 16]).expect("a key")))
    }

    fn defers(&self, _identity: &[u8]) -> bool {
        self.defers
    }
}

// --- answers ---

/// What an owner says that decides as the setup has it.
fn right_answer(setup: Setup, provider: &Arc<CryptoProvider>, role: Role, question: &Question<'_>) -> Answer {
    let (server_padding, client_padding) = (64 * usize::from(setup.padding[0]), 64 * usize::from(setup.padding[1]));
    match question {
        Question::Config(_) => {
            let mtu = if setup.subject() == Subject::Client { setup.peer_mtu() } else { setup.subject_mtu() };
            let config = server_config_that(setup, provider, server_padding, mtu, false);
            Answer::Config(Some(Selected { config: Arc::new(config), by_name: false }))
        }
        Question::Peer(peer) => Answer::Peer(setup.trust(role).verify(peer)),
        Question::Identity { .. } => Answer::Identity(
            setup
                .has(flags::CLIENT_IDENTITY)
                .then(|| setup.identity(Role::Client, SuiteAuthentication::Ecdsa, client_padding)),
        ),
        Question::Signature { .. } => Answer::Signature(SIGNATURE.to_vec()),
        Question::PresharedKey { identity } => Answer::PresharedKey(setup.keys(role).key(identity)),
        Question::PskIdentity { hint } => Answer::PskIdentity(setup.keys(role).identity(*hint)),
        other => panic!("{other:?} is new: answer it"),
    }
}

/// The same in the negative.
fn no(question: &Question<'_>) -> Answer {
    match question {
        Question::Config(_) => Answer::Config(None),
        Question::Peer(_) => Answer::Peer(Err(CertificateError::Rejected)),
        Question::Identity { .. } => Answer::Identity(None),
        Question::Signature { .. } => Answer::Signature(Vec::new()),
        Question::PresharedKey { .. } => Answer::PresharedKey(None),
        _ => Answer::PskIdentity(None),
    }
}

/// An answer to something else.
fn misplaced(question: &Question<'_>) -> Answer {
    match question {
        Question::Signature { .. } => Answer::Identity(None),
        _ => Answer::Signature(SIGNATURE.to_vec()),
    }
}

// --- both configurations ---

pub(crate) fn client_config(setup: Setup, provider: &Arc<CryptoProvider>, padding: usize, mtu: usize) -> ClientConfig {
    let builder = ClientConfig::builder(Arc::clone(provider));
    let trust = Arc::new(setup.trust(Role::Client));
    let builder = if setup.proof().is_preshared() {
        builder.preshared_key(Arc::new(setup.keys(Role::Client)))
    } else if setup.asks(Role::Client) {
        builder.trust(trust).choose_identity(Arc::new(AskOwnerWith::default().certificate_types(setup.forms())))
    } else if setup.has(flags::CLIENT_IDENTITY) {
        builder.trust(trust).identity(setup.identity(Role::Client, SuiteAuthentication::Ecdsa, padding))
    } else {
        builder.trust(trust).without_identity()
    };
    let configured = builder.configure(|settings| {
        setup.configure(settings, Role::Client, mtu);
        settings.cipher_suites = setup.suites(provider).iter().map(|suite| suite.id).collect();
        if setup.suite & 0x80 != 0 {
            settings.cipher_suites.truncate(1);
        }
        if setup.has(flags::TOLERATE_NO_RENEGOTIATION_INFO) {
            settings.renegotiation_info = RenegotiationInfo::Tolerate;
        }
        if setup.offers(offers::CLIENT_ALPN) {
            settings.alpn = vec![b"coap".to_vec(), b"h2".to_vec()];
        }
        if setup.offers(offers::CLIENT_SRTP) {
            settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM, SrtpProfile::AES128_CM_HMAC_SHA1_80];
            settings.srtp_mki = if setup.offers(offers::CLIENT_MKI) { vec![1, 2, 3] } else { Vec::new() };
        }
    });
    configured.build().expect("a client that can work")
}

pub(crate) fn server_config(setup: Setup, provider: &Arc<CryptoProvider>, padding: usize, mtu: usize) -> ServerConfig {
    server_config_that(setup, provider, padding, mtu, setup.asks(Role::Server))
}

/// The same; it may leave to its owner which configuration serves a client.
fn server_config_that(
    setup: Setup,
    provider: &Arc<CryptoProvider>,
    padding: usize,
    mtu: usize,
    selects: bool,
) -> ServerConfig {
    let builder = ServerConfig::builder(Arc::clone(provider));
    let identity = |kind| setup.identity(Role::Server, kind, padding);
    let keys = Arc::new(setup.keys(Role::Server));
    let mut builder = match setup.proof() {
        Proof::PresharedKey => builder.preshared_keys(keys),
        Proof::PresharedKeyBesideCertificates => {
            builder.identity(identity(SuiteAuthentication::Ecdsa)).preshared_keys(keys)
        }
        Proof::Certificates | Proof::RawPublicKeys => builder.identity(identity(SuiteAuthentication::Ecdsa)),
    };
    let has_identity = setup.proof() != Proof::PresharedKey;
    if has_identity && setup.has(flags::RSA) {
        builder = builder.identity(identity(SuiteAuthentication::Rsa));
    }
    if selects {
        builder = builder.select(Arc::new(AskOwner));
    }
    let trust = Arc::new(setup.trust(Role::Server));
    let configured = builder
        .client_authentication(match setup.client_authentication % 3 {
            1 if has_identity => ClientAuthentication::Request(trust),
            2 if has_identity => ClientAuthentication::Require(trust),
            _ => ClientAuthentication::None,
        })
        .configure(|settings| {
            setup.configure(settings, Role::Server, mtu);
            settings.cipher_suites = setup.suites(provider).iter().map(|suite| suite.id).collect();
            if setup.offers(offers::SERVER_ALPN) {
                settings.alpn = vec![if setup.offers(offers::OTHER_ALPN) { b"mqtt".to_vec() } else { b"h2".to_vec() }];
            }
            if setup.offers(offers::SERVER_SRTP) {
                settings.srtp_profiles = vec![SrtpProfile::AES128_CM_HMAC_SHA1_80, SrtpProfile::AEAD_AES_256_GCM];
                settings.srtp_mki = if setup.offers(offers::SERVER_MKI) { vec![1, 2, 3] } else { Vec::new() };
            }
            if setup.has(flags::SERVER_NAME) && setup.proof().is_preshared() {
                settings.psk_hint = b"which one?".to_vec();
            }
            if setup.offers(offers::ONE_GROUP) {
                settings.groups = vec![NamedGroup::SECP384R1];
            }
        });
    configured.build().expect("a server that can work")
}
