//! What a client offers, whom it trusts, who it is.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{ConfigError, Settings, check_identities, resolve};
use crate::crypto::CryptoProvider;
use crate::crypto::psk::PskClient;
use crate::crypto::sign::Identity;
use crate::crypto::suite::CipherSuite;
use crate::crypto::verify::PeerVerifier;
use crate::wire::certificate::CertificateRequest;
use crate::wire::enums::CertificateType;

/// What a client offers, whom it trusts, who it is. Immutable; share it between connections in an [`Arc`].
#[derive(Debug)]
pub struct ClientConfig {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) settings: Settings,
    pub(crate) suites: Vec<CipherSuite>,
    /// `None` where servers prove themselves by a pre-shared key alone.
    pub(crate) verifier: Option<Arc<dyn PeerVerifier>>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) chooser: Option<Arc<dyn ChooseIdentity>>,
    pub(crate) psk: Option<Arc<dyn PskClient>>,
    /// Whether sessions are kept and resumed.
    pub(crate) resumable: bool,
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

    /// The provider it was built with.
    #[must_use]
    pub const fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    pub(crate) fn wants_ocsp_response(&self) -> bool {
        self.verifier.as_ref().is_some_and(|verifier| verifier.wants_ocsp_response())
    }
}

/// Chooses what a client shows to a server that asks for a certificate.
pub trait ChooseIdentity: Send + Sync + fmt::Debug {
    /// The identity for a server that asks in this way, for a key in this form; `None` shows none, as does one whose key
    /// suits the request in nothing. One of another form ends the handshake: [`Error::IdentityOfOtherForm`]. The
    /// server has been verified. Called while a datagram is being handled: it must not block.
    ///
    /// [`Error::IdentityOfOtherForm`]: crate::Error::IdentityOfOtherForm
    fn choose(&self, request: &CertificateRequest<'_>, certificate_type: CertificateType) -> Option<Identity>;

    /// The forms in which it may show a key, the favourite first. Default: certificates.
    fn certificate_types(&self) -> &[CertificateType] {
        &[CertificateType::X509]
    }

    /// Whether the owner of the connection chooses instead: it is then asked
    /// [`Question::Identity`](crate::Question::Identity), and [`choose`](Self::choose) is not called. Default: no.
    fn defers(&self, request: &CertificateRequest<'_>) -> bool {
        let _ = request;
        false
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
    verifier: Option<Arc<dyn PeerVerifier>>,
    identities: Vec<Identity>,
    chooser: Option<Arc<dyn ChooseIdentity>>,
    psk: Option<Arc<dyn PskClient>>,
    resumable: bool,
    settings: Settings,
}

impl ClientConfigBuilder<WantsTrust> {
    /// Trusts the servers that `verifier` accepts.
    pub fn trust(self, verifier: Arc<dyn PeerVerifier>) -> ClientConfigBuilder<WantsIdentity> {
        ClientConfigBuilder { provider: self.provider, stage: WantsIdentity { verifier } }
    }

    /// Trusts the servers that hold the same key, and no certificate: only suites with a pre-shared key are offered.
    pub fn preshared_key(self, psk: Arc<dyn PskClient>) -> ClientConfigBuilder<ReadyClient> {
        let settings = Settings::new(&self.provider);
        let stage = ReadyClient {
            verifier: None,
            identities: Vec::new(),
            chooser: None,
            psk: Some(psk),
            resumable: false,
            settings,
        };
        ClientConfigBuilder { provider: self.provider, stage }
    }
}

impl ClientConfigBuilder<WantsIdentity> {
    /// Shows this certificate to servers that ask for one.
    pub fn identity(self, identity: Identity) -> ClientConfigBuilder<ReadyClient> {
        self.ready(alloc::vec![identity], None)
    }

    /// Shows what `chooser` chooses to servers that ask for a certificate.
    pub fn choose_identity(self, chooser: Arc<dyn ChooseIdentity>) -> ClientConfigBuilder<ReadyClient> {
        self.ready(Vec::new(), Some(chooser))
    }

    /// Shows no certificate to anyone.
    pub fn without_identity(self) -> ClientConfigBuilder<ReadyClient> {
        self.ready(Vec::new(), None)
    }

    fn ready(
        self,
        identities: Vec<Identity>,
        chooser: Option<Arc<dyn ChooseIdentity>>,
    ) -> ClientConfigBuilder<ReadyClient> {
        let settings = Settings::new(&self.provider);
        let verifier = Some(self.stage.verifier);
        let stage = ReadyClient { verifier, identities, chooser, psk: None, resumable: false, settings };
        ClientConfigBuilder { provider: self.provider, stage }
    }
}

impl ClientConfigBuilder<ReadyClient> {
    /// Has this certificate to show as well. A server is shown the first that it can use: of those from an authority
    /// that it names, if it names any. Not beside [`choose_identity`](ClientConfigBuilder::choose_identity), which says
    /// all that is shown, nor with pre-shared keys alone.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.stage.identities.push(identity);
        self
    }

    /// Trusts servers that hold the same key as well.
    pub fn preshared_key(mut self, psk: Arc<dyn PskClient>) -> Self {
        self.stage.psk = Some(psk);
        self
    }

    /// Asks servers for a ticket, and keeps what is needed to resume the session:
    /// [`Connection::take_resumption_state`](crate::Connection::take_resumption_state) and
    /// [`Connection::connect_resuming`](crate::Connection::connect_resuming). Default: no.
    pub fn resumable(mut self) -> Self {
        self.stage.resumable = true;
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
    pub fn build(self) -> Result<ClientConfig, ConfigError> {
        let ReadyClient { verifier, identities, chooser, psk, resumable, settings } = self.stage;
        settings.check()?;
        check_identities(&settings, &identities)?;
        if !identities.is_empty() && (chooser.is_some() || verifier.is_none()) {
            return Err(ConfigError::IdentityNeverShown);
        }
        let suites = resolve(&self.provider, &settings, |suite| {
            if suite.key_exchange.signed_by().is_some() { verifier.is_some() } else { psk.is_some() }
        })?;
        Ok(ClientConfig { provider: self.provider, settings, suites, verifier, identities, chooser, psk, resumable })
    }
}
