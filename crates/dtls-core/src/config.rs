//! What to offer, whom to trust, who we are.
//!
//! A builder asks in turn for what has no safe default: the cryptography provider, the trust (client) or the identity
//! (server), the client's identity or the word that it has none. Everything else is a documented field of
//! [`Settings`] with its default. `build` refuses what cannot work, so that a handshake never finds out.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::crypto::CryptoProvider;
use crate::crypto::sign::Identity;
use crate::crypto::suite::CipherSuite;
use crate::crypto::verify::PeerVerifier;
use crate::wire::enums::{CipherSuiteId, NamedGroup, SignatureScheme, SrtpProfile};

/// The choices that have a safe default, for either role.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Cipher suites, most wanted first. Default: all of the provider's. Suites that no configured key can serve are
    /// left out when the configuration is built.
    pub cipher_suites: Vec<CipherSuiteId>,
    /// Groups for the key exchange, most wanted first. A client's list holds for servers' ECDSA certificates too: one
    /// that has only x25519 cannot be shown a P-256 certificate (RFC 8422 section 5.3). Default: all of the provider's.
    pub groups: Vec<NamedGroup>,
    /// Signatures of handshakes that we make and accept, most wanted first; those inside a certificate chain are the
    /// verifier's to judge. Default: all of the provider's.
    pub signature_schemes: Vec<SignatureScheme>,
    /// Application protocols, most wanted first; 1 to 255 bytes each (RFC 7301). Default: none, no ALPN.
    pub alpn: Vec<Vec<u8>>,
    /// SRTP protection profiles, most wanted first (RFC 5764). Default: none, no use_srtp.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// The SRTP master key identifier to use, at most 255 bytes (RFC 5764 section 4.1.3). A server uses it only with
    /// clients that ask for the same one. Default: empty, none.
    pub srtp_mki: Vec<u8>,
    /// Whether the master secret must be bound to the handshake (RFC 7627). Default: required.
    pub extended_master_secret: ExtendedMasterSecret,
    /// Whether a server must know secure renegotiation (RFC 5746 section 4.1). No renegotiation ever happens here;
    /// a server that does not know the extension might let an attacker splice one on its side. Default: required.
    pub renegotiation_info: RenegotiationInfo,
    /// The largest UDP payload to send, in bytes, 256 to 65535. Default: 1200. Can be changed while connected.
    pub mtu: usize,
    /// How long to wait for an answer before a flight is sent again for the first time. Default: 1 s, as in RFC 6347
    /// section 4.2.4.1; see [`Settings::for_webrtc`] and the round-trip hint of
    /// [`Connection::set_round_trip_hint`](crate::Connection::set_round_trip_hint).
    pub first_timeout: Duration,
    /// The longest wait between repetitions, which double up to here. Default: 60 s.
    pub longest_timeout: Duration,
    /// When a handshake that is not complete is given up. Default: 60 s.
    pub handshake_timeout: Duration,
    /// How many complete messages that do not parse or do not belong are dropped in one handshake, in the hope that a
    /// retransmission brings better ones: before keys are in use anyone can forge them. 0 fails at the first.
    /// Default: 8.
    pub fault_budget: u8,
    /// Whether keying material is exported from a connection without the extended master secret. Default: refused.
    pub exporters: Exporters,
    /// Where secrets are written for a protocol analyser. Default: nowhere. Whoever reads it reads the traffic.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

impl Settings {
    /// The defaults with this provider.
    #[must_use]
    pub fn new(provider: &CryptoProvider) -> Self {
        Self {
            cipher_suites: provider.cipher_suites.iter().map(|suite| suite.id).collect(),
            groups: provider.groups.iter().map(|group| group.name()).collect(),
            signature_schemes: provider.signature_schemes().collect(),
            alpn: Vec::new(),
            srtp_profiles: Vec::new(),
            srtp_mki: Vec::new(),
            extended_master_secret: ExtendedMasterSecret::Require,
            renegotiation_info: RenegotiationInfo::Require,
            mtu: 1200,
            first_timeout: Duration::from_secs(1),
            longest_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(60),
            fault_budget: 8,
            exporters: Exporters::NeedExtendedMasterSecret,
            key_log: None,
        }
    }

    /// Timers and profiles as WebRTC stacks use them: a first repetition after 50 ms (a media path has just been
    /// checked and is short), at most 1 s between repetitions, and the SRTP profiles of RFC 8827 section 6.5.
    pub fn for_webrtc(&mut self) {
        self.first_timeout = Duration::from_millis(50);
        self.longest_timeout = Duration::from_secs(1);
        self.handshake_timeout = Duration::from_secs(30);
        self.srtp_profiles = alloc::vec![
            SrtpProfile::AEAD_AES_128_GCM,
            SrtpProfile::AEAD_AES_256_GCM,
            SrtpProfile::AES128_CM_HMAC_SHA1_80,
        ];
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_list("cipher_suites", &self.cipher_suites)?;
        check_list("groups", &self.groups)?;
        check_list("signature_schemes", &self.signature_schemes)?;
        if self.alpn.iter().any(|name| name.is_empty() || name.len() > 255) {
            return Err(ConfigError::ApplicationProtocolLength);
        }
        if self.alpn.iter().map(|name| 1 + name.len()).sum::<usize>() > ALPN_MAX {
            return Err(ConfigError::TooLong { field: "alpn" });
        }
        if self.srtp_mki.len() > 255 {
            return Err(ConfigError::TooLong { field: "srtp_mki" });
        }
        if !self.srtp_mki.is_empty() && self.srtp_profiles.is_empty() {
            return Err(ConfigError::Empty { field: "srtp_profiles" });
        }
        if let Some(unknown) = self.srtp_profiles.iter().find(|profile| profile.name().is_none()) {
            return Err(ConfigError::UnknownSrtpProfile(*unknown));
        }
        if has_duplicate(&self.srtp_profiles) {
            return Err(ConfigError::Duplicate { field: "srtp_profiles" });
        }
        if !(MTU_MIN..=MTU_MAX).contains(&self.mtu) {
            return Err(ConfigError::Mtu);
        }
        if self.first_timeout.is_zero() || self.first_timeout > self.longest_timeout {
            return Err(ConfigError::Timeouts { field: "first_timeout" });
        }
        if self.handshake_timeout.is_zero() {
            return Err(ConfigError::Timeouts { field: "handshake_timeout" });
        }
        Ok(())
    }
}

// All extensions of a hello share 65535 bytes; this leaves room enough for the others.
const ALPN_MAX: usize = 1 << 15;
// RFC 6347 section 4.1.1.1 sets no lower bound. Below this, a ClientHello of usual size no longer fits with its cookie in a datagram or two.
pub(crate) const MTU_MIN: usize = 256;
// The room for names in a CertificateRequest (RFC 5246 section 7.4.4).
const AUTHORITIES_MAX: usize = 65_535;
// The longest UDP payload there is room for in the length field.
pub(crate) const MTU_MAX: usize = 65_535;

/// Whether the extended master secret of RFC 7627 is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedMasterSecret {
    /// Offer it, and fail without it.
    Require,
    /// Offer it, and go on without it with peers that do not know it. Exporters then refuse (RFC 7627 section 5.4).
    Prefer,
    /// Neither offer nor accept it.
    Off,
}

/// What a client does about a server that does not know RFC 5746.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenegotiationInfo {
    /// Fail.
    Require,
    /// Go on.
    Tolerate,
}

/// Whether keying material is exported from connections whose master secret is not bound to the handshake (RFC 7627
/// section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exporters {
    /// Refuse.
    NeedExtendedMasterSecret,
    /// Export all the same, for old peers: an attacker who shares the master secret of two connections can make both
    /// export the same.
    Allowed,
}

/// Receives secrets for a protocol analyser.
pub trait KeyLog: Send + Sync + fmt::Debug {
    /// One line of the NSS key log: `label`, client random and secret (RFC 9850 section 2). DTLS 1.2 has one line a
    /// handshake, `CLIENT_RANDOM` with the master secret of 48 bytes.
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]);
}

// --- client ---

/// What a client offers, whom it trusts, who it is. Immutable; share it between connections in an [`Arc`].
#[derive(Debug)]
pub struct ClientConfig {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) settings: Settings,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) verifier: Arc<dyn PeerVerifier>,
    pub(crate) identity: Option<Identity>,
}

impl ClientConfig {
    /// Begins with the cryptography; the next question is whom to trust.
    pub fn builder(provider: Arc<CryptoProvider>) -> ClientConfigBuilder<WantsTrust> {
        ClientConfigBuilder { provider, stage: WantsTrust(()) }
    }

    /// The choices that had defaults.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Asks in turn for what a [`ClientConfig`] must have.
#[derive(Debug)]
#[must_use]
pub struct ClientConfigBuilder<Stage> {
    provider: Arc<CryptoProvider>,
    stage: Stage,
}

/// The builder's question: whom to trust?
#[derive(Debug)]
pub struct WantsTrust(());

/// The builder's question: who are we?
#[derive(Debug)]
pub struct WantsIdentity {
    verifier: Arc<dyn PeerVerifier>,
}

/// The builder has all it must have.
#[derive(Debug)]
pub struct ReadyClient {
    verifier: Arc<dyn PeerVerifier>,
    identity: Option<Identity>,
    settings: Settings,
}

impl ClientConfigBuilder<WantsTrust> {
    /// Trusts the servers that `verifier` accepts.
    pub fn trust(self, verifier: Arc<dyn PeerVerifier>) -> ClientConfigBuilder<WantsIdentity> {
        ClientConfigBuilder { provider: self.provider, stage: WantsIdentity { verifier } }
    }
}

impl ClientConfigBuilder<WantsIdentity> {
    /// Shows this certificate to servers that ask for one.
    pub fn identity(self, identity: Identity) -> ClientConfigBuilder<ReadyClient> {
        self.ready(Some(identity))
    }

    /// Shows no certificate to anyone.
    pub fn without_identity(self) -> ClientConfigBuilder<ReadyClient> {
        self.ready(None)
    }

    fn ready(self, identity: Option<Identity>) -> ClientConfigBuilder<ReadyClient> {
        let settings = Settings::new(&self.provider);
        let stage = ReadyClient { verifier: self.stage.verifier, identity, settings };
        ClientConfigBuilder { provider: self.provider, stage }
    }
}

impl ClientConfigBuilder<ReadyClient> {
    /// Changes settings from their defaults.
    pub fn configure(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.stage.settings);
        self
    }

    /// The configuration, if it can work.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn build(self) -> Result<ClientConfig, ConfigError> {
        let ReadyClient { verifier, identity, settings } = self.stage;
        settings.check()?;
        check_identities(&settings, identity.as_slice())?;
        let suites = resolve(&self.provider, &settings, |_| true)?;
        Ok(ClientConfig { provider: self.provider, settings, suites, verifier, identity })
    }
}

// --- server ---

/// What a server accepts, who it is, whom it trusts. Immutable; share it between connections in an [`Arc`].
#[derive(Debug)]
pub struct ServerConfig {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) settings: Settings,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) client_authentication: ClientAuthentication,
}

impl ServerConfig {
    /// Begins with the cryptography; the next question is who the server is.
    pub fn builder(provider: Arc<CryptoProvider>) -> ServerConfigBuilder<WantsServerIdentity> {
        ServerConfigBuilder { provider, stage: WantsServerIdentity(()) }
    }

    /// The choices that had defaults.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The provider it was built with.
    #[must_use]
    pub const fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }
}

/// Whether clients show who they are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// They are not asked.
    None,
    /// They are asked; one that shows a certificate must be accepted, one that shows none is anonymous.
    Request(Arc<dyn PeerVerifier>),
    /// They are asked and must be accepted.
    Require(Arc<dyn PeerVerifier>),
}

impl ClientAuthentication {
    pub(crate) fn verifier(&self) -> Option<&dyn PeerVerifier> {
        match self {
            Self::None => None,
            Self::Request(verifier) | Self::Require(verifier) => Some(&**verifier),
        }
    }
}

/// Asks in turn for what a [`ServerConfig`] must have.
#[derive(Debug)]
#[must_use]
pub struct ServerConfigBuilder<Stage> {
    provider: Arc<CryptoProvider>,
    stage: Stage,
}

/// The builder's question: who is the server?
#[derive(Debug)]
pub struct WantsServerIdentity(());

/// The builder has all it must have.
#[derive(Debug)]
pub struct ReadyServer {
    identities: Vec<Identity>,
    client_authentication: ClientAuthentication,
    settings: Settings,
}

impl ServerConfigBuilder<WantsServerIdentity> {
    /// Shows this certificate.
    pub fn identity(self, identity: Identity) -> ServerConfigBuilder<ReadyServer> {
        let settings = Settings::new(&self.provider);
        let client_authentication = ClientAuthentication::None;
        let stage = ReadyServer { identities: alloc::vec![identity], client_authentication, settings };
        ServerConfigBuilder { provider: self.provider, stage }
    }
}

impl ServerConfigBuilder<ReadyServer> {
    /// Shows this certificate to clients that cannot use those given before: typically one ECDSA and one RSA.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.stage.identities.push(identity);
        self
    }

    /// Asks clients who they are. Default: [`ClientAuthentication::None`].
    pub fn client_authentication(mut self, policy: ClientAuthentication) -> Self {
        self.stage.client_authentication = policy;
        self
    }

    /// Changes settings from their defaults.
    pub fn configure(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.stage.settings);
        self
    }

    /// The configuration, if it can work.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn build(self) -> Result<ServerConfig, ConfigError> {
        let ReadyServer { identities, client_authentication, settings } = self.stage;
        settings.check()?;
        check_identities(&settings, &identities)?;
        let authorities = client_authentication.verifier().map_or(&[][..], PeerVerifier::authorities);
        if authorities.iter().map(|name| 2 + name.len()).sum::<usize>() > AUTHORITIES_MAX {
            return Err(ConfigError::TooLong { field: "client_authentication" });
        }
        let suites = resolve(&self.provider, &settings, |suite| {
            identities.iter().any(|identity| identity.key().kind() == suite.authentication)
        })?;
        Ok(ServerConfig { provider: self.provider, settings, suites, identities, client_authentication })
    }
}

fn check_identities(settings: &Settings, identities: &[Identity]) -> Result<(), ConfigError> {
    let can_sign =
        |identity: &Identity| identity.key().schemes().iter().any(|scheme| settings.signature_schemes.contains(scheme));
    if identities.iter().all(can_sign) {
        Ok(())
    } else {
        Err(ConfigError::IdentityCannotSign { field: "signature_schemes" })
    }
}

/// The suites of the settings that the provider has and a key can serve, in the order of the settings.
fn resolve(
    provider: &CryptoProvider,
    settings: &Settings,
    servable: impl Fn(&CipherSuite) -> bool,
) -> Result<Vec<CipherSuite>, ConfigError> {
    let mut suites = Vec::new();
    for id in &settings.cipher_suites {
        let suite = provider.cipher_suite(*id).ok_or(ConfigError::UnknownCipherSuite(*id))?;
        if servable(suite) {
            suites.push(*suite);
        }
    }
    for group in &settings.groups {
        provider.group(*group).ok_or(ConfigError::UnknownGroup(*group))?;
    }
    for scheme in &settings.signature_schemes {
        if !provider.signature_schemes().any(|known| known == *scheme) {
            return Err(ConfigError::UnknownSignatureScheme(*scheme));
        }
    }
    if suites.is_empty() { Err(ConfigError::NoUsableCipherSuite) } else { Ok(suites) }
}

fn check_list<T: PartialEq>(field: &'static str, list: &[T]) -> Result<(), ConfigError> {
    if list.is_empty() {
        Err(ConfigError::Empty { field })
    } else if has_duplicate(list) {
        Err(ConfigError::Duplicate { field })
    } else {
        Ok(())
    }
}

fn has_duplicate<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, item)| list.iter().take(index).any(|earlier| earlier == item))
}

/// Why a configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A list that must not be empty is.
    Empty {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// A list names something twice.
    Duplicate {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// A value is longer than its place on the wire.
    TooLong {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// An application protocol in `alpn` is empty or longer than 255 bytes.
    ApplicationProtocolLength,
    /// `mtu` is not within 256 to 65535.
    Mtu,
    /// A timeout is zero, or `first_timeout` is longer than `longest_timeout`.
    Timeouts {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// `cipher_suites` names a suite that the provider does not have.
    UnknownCipherSuite(CipherSuiteId),
    /// `groups` names a group that the provider does not have.
    UnknownGroup(NamedGroup),
    /// `signature_schemes` names a scheme that the provider does not have.
    UnknownSignatureScheme(SignatureScheme),
    /// `srtp_profiles` names a profile whose keys this engine does not know how to cut.
    UnknownSrtpProfile(SrtpProfile),
    /// None of `cipher_suites` can be served by the keys configured.
    NoUsableCipherSuite,
    /// An identity's key can make none of the signatures allowed.
    IdentityCannotSign {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// The verifier checks names, and `Connection::connect` was given none.
    ServerNameRequired,
    /// The provider failed while a connection was set up.
    CryptoFailed,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { field } => write!(f, "`{field}` is empty; name at least one"),
            Self::Duplicate { field } => write!(f, "`{field}` names something twice"),
            Self::TooLong { field } => write!(f, "`{field}` is longer than the protocol allows"),
            Self::ApplicationProtocolLength => f.write_str("`alpn` has a name that is not 1 to 255 bytes long"),
            Self::Mtu => f.write_str("`mtu` must lie within 256 and 65535"),
            Self::Timeouts { field } => write!(f, "`{field}` is zero or longer than what it must stay below"),
            Self::UnknownCipherSuite(suite) => write!(f, "`cipher_suites`: the provider does not have {suite}"),
            Self::UnknownGroup(group) => write!(f, "`groups`: the provider does not have {group}"),
            Self::UnknownSignatureScheme(scheme) => {
                write!(f, "`signature_schemes`: the provider does not have {scheme}")
            }
            Self::UnknownSrtpProfile(profile) => write!(f, "`srtp_profiles`: {profile} is not supported here"),
            Self::NoUsableCipherSuite => f.write_str("`cipher_suites`: none can be served by the keys configured"),
            Self::IdentityCannotSign { field } => write!(f, "`{field}`: an identity's key can make none of them"),
            Self::ServerNameRequired => f.write_str("the verifier checks names; say which server to connect to"),
            Self::CryptoFailed => f.write_str("the cryptography provider failed"),
        }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::verify::{PeerAuthenticated, PresentedPeer};
    use crate::crypto::{Fingerprint, Fingerprints, testing};
    use crate::error::CertificateError;
    use alloc::vec;

    fn client(change: impl FnOnce(&mut Settings)) -> Result<ClientConfig, ConfigError> {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let trust = Arc::new(Fingerprints::new(&provider, [Fingerprint::new([0; 32])]).unwrap());
        ClientConfig::builder(provider).trust(trust).without_identity().configure(change).build()
    }

    fn server(change: impl FnOnce(&mut Settings)) -> Result<ServerConfig, ConfigError> {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate], key).unwrap();
        ServerConfig::builder(provider).identity(identity).configure(change).build()
    }

    #[test]
    fn the_defaults_are_safe() {
        let settings = client(|_| {}).unwrap().settings;
        assert_eq!(settings.extended_master_secret, ExtendedMasterSecret::Require);
        assert_eq!(settings.renegotiation_info, RenegotiationInfo::Require);
        assert_eq!(settings.exporters, Exporters::NeedExtendedMasterSecret);
        assert!(settings.key_log.is_none());
        assert!(settings.srtp_profiles.is_empty() && settings.alpn.is_empty());
    }

    #[test]
    fn a_field_that_cannot_work_is_named() {
        type Change = fn(&mut Settings);
        let cases: [(Change, ConfigError); 16] = [
            (|s| s.cipher_suites.clear(), ConfigError::Empty { field: "cipher_suites" }),
            (|s| s.groups.clear(), ConfigError::Empty { field: "groups" }),
            (|s| s.signature_schemes.clear(), ConfigError::Empty { field: "signature_schemes" }),
            (|s| s.groups = vec![NamedGroup::X25519; 2], ConfigError::Duplicate { field: "groups" }),
            (|s| s.groups = vec![NamedGroup(1)], ConfigError::UnknownGroup(NamedGroup(1))),
            (|s| s.cipher_suites = vec![CipherSuiteId(1)], ConfigError::UnknownCipherSuite(CipherSuiteId(1))),
            (|s| s.alpn = vec![vec![]], ConfigError::ApplicationProtocolLength),
            (|s| s.alpn = vec![vec![1; 256]], ConfigError::ApplicationProtocolLength),
            (|s| s.alpn = vec![vec![1; 255]; 129], ConfigError::TooLong { field: "alpn" }),
            (|s| s.srtp_mki = vec![1; 256], ConfigError::TooLong { field: "srtp_mki" }),
            (|s| s.srtp_mki = vec![1], ConfigError::Empty { field: "srtp_profiles" }),
            (|s| s.srtp_profiles = vec![SrtpProfile(5)], ConfigError::UnknownSrtpProfile(SrtpProfile(5))),
            (|s| s.mtu = 255, ConfigError::Mtu),
            (|s| s.mtu = 65_536, ConfigError::Mtu),
            (|s| s.first_timeout = Duration::ZERO, ConfigError::Timeouts { field: "first_timeout" }),
            (|s| s.handshake_timeout = Duration::ZERO, ConfigError::Timeouts { field: "handshake_timeout" }),
        ];
        for (change, error) in cases {
            assert_eq!(client(change).unwrap_err(), error);
            assert_eq!(server(change).unwrap_err(), error);
        }
    }

    #[test]
    fn a_server_keeps_only_the_suites_that_its_keys_can_serve() {
        let config = server(|_| {}).unwrap();
        assert!(config.suites.iter().all(|suite| suite.id.name().unwrap().contains("ECDSA")));
        assert_eq!(
            server(|s| {
                s.cipher_suites.retain(|suite| suite.name().unwrap().contains("ECDHE_RSA"));
            })
            .unwrap_err(),
            ConfigError::NoUsableCipherSuite
        );
        assert_eq!(
            server(|s| s.signature_schemes = vec![SignatureScheme::RSA_PKCS1_SHA256]).unwrap_err(),
            ConfigError::IdentityCannotSign { field: "signature_schemes" }
        );
    }
    #[test]
    fn a_client_whose_key_cannot_sign_is_a_mistake() {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let trust = Arc::new(Fingerprints::new(&provider, [Fingerprint::new([0; 32])]).unwrap());
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate], key).unwrap();
        let client = ClientConfig::builder(provider).trust(trust).identity(identity);
        let narrow = client.configure(|settings| settings.signature_schemes = vec![SignatureScheme::ED25519]);
        let error = ConfigError::IdentityCannotSign { field: "signature_schemes" };
        assert_eq!(narrow.build().unwrap_err(), error);
    }

    #[test]
    fn more_names_than_a_certificate_request_holds_are_a_mistake() {
        #[derive(Debug)]
        struct Names(Vec<Vec<u8>>);
        impl PeerVerifier for Names {
            fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
                Err(CertificateError::Rejected)
            }
            fn authorities(&self) -> &[Vec<u8>] {
                &self.0
            }
        }
        let build = |last: usize| {
            let provider = Arc::new(testing::providers().swap_remove(0));
            let (certificate, key) = testing::self_signed();
            let identity = Identity::new(&provider, vec![certificate], key).unwrap();
            let verifier = Arc::new(Names(vec![vec![0; 32_765], vec![0; last]]));
            let server = ServerConfig::builder(provider).identity(identity);
            server.client_authentication(ClientAuthentication::Request(verifier)).build()
        };
        assert!(build(32_766).is_ok());
        assert_eq!(build(32_767).unwrap_err(), ConfigError::TooLong { field: "client_authentication" });
    }
}
