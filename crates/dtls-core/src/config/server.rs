//! What a server accepts, who it is, whom it trusts.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::DnsName;

use super::{ConfigError, Settings, check_identities, resolve};
use crate::crypto::CryptoProvider;
use crate::crypto::psk::PskServer;
use crate::crypto::sign::Identity;
use crate::crypto::suite::CipherSuite;
use crate::crypto::verify::PeerVerifier;
use crate::resumption::ServerResumption;
use crate::wire::hello::ClientHello;

/// What a server accepts, who it is, whom it trusts. Immutable; share it between connections in an [`Arc`].
#[derive(Debug)]
pub struct ServerConfig {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) settings: Settings,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) psks: Option<Arc<dyn PskServer>>,
    pub(crate) client_authentication: ClientAuthentication,
    pub(crate) selector: Option<Arc<dyn SelectConfig>>,
    pub(crate) resumption: Option<ServerResumption>,
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

/// Picks a configuration for each client, by the name that it asks for say; see [`ServerNames`].
pub trait SelectConfig: Send + Sync + fmt::Debug {
    /// The configuration for the client that says `hello`; `None` refuses it, with `unrecognized_name` if it asks for a
    /// name. Nothing in the hello is proven. Called while a datagram is being handled: it must not block.
    ///
    /// A selector of the configuration returned is not asked.
    fn select(&self, hello: &ClientHello<'_>) -> Option<Selected>;

    /// Whether the owner of the connection picks instead: it is then asked
    /// [`Question::Config`](crate::Question::Config), and [`select`](Self::select) is not called. Default: no.
    fn defers(&self, hello: &ClientHello<'_>) -> bool {
        let _ = hello;
        false
    }
}

/// What a selector has picked.
#[derive(Clone, Debug)]
pub struct Selected {
    /// The configuration that serves the client.
    pub config: Arc<ServerConfig>,
    /// Whether the name that the client asks for has decided, which it is then told (RFC 6066 section 3).
    pub by_name: bool,
}

/// Configurations by the host name that clients ask for (RFC 6066 section 3), and one for all others.
#[derive(Clone, Debug, Default)]
pub struct ServerNames {
    by_name: BTreeMap<String, Arc<ServerConfig>>,
    otherwise: Option<Arc<ServerConfig>>,
}

impl ServerNames {
    /// No names: every client is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves clients that ask for exactly this name, without regard to case, by `config`. There are no wildcards.
    #[must_use]
    pub fn with(mut self, name: &DnsName<'_>, config: Arc<ServerConfig>) -> Self {
        self.by_name.insert(Self::key(name), config);
        self
    }

    /// Serves clients that ask for no name, or for another one, by `config`. Default: they are refused.
    #[must_use]
    pub fn otherwise(mut self, config: Arc<ServerConfig>) -> Self {
        self.otherwise = Some(config);
        self
    }

    fn key(name: &DnsName<'_>) -> String {
        name.as_ref().to_ascii_lowercase()
    }
}

impl SelectConfig for ServerNames {
    fn select(&self, hello: &ClientHello<'_>) -> Option<Selected> {
        let asked = hello.extensions.server_name.and_then(|name| DnsName::try_from(name).ok());
        let found = asked.and_then(|name| self.by_name.get(&Self::key(&name)));
        match (found, &self.otherwise) {
            (Some(config), _) => Some(Selected { config: Arc::clone(config), by_name: true }),
            (None, Some(config)) => Some(Selected { config: Arc::clone(config), by_name: false }),
            (None, None) => None,
        }
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
    /// They are asked and must be accepted. Not clients with a pre-shared key, which stands for a certificate.
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
    psks: Option<Arc<dyn PskServer>>,
    client_authentication: ClientAuthentication,
    selector: Option<Arc<dyn SelectConfig>>,
    resumption: Option<ServerResumption>,
    settings: Settings,
}

impl ServerConfigBuilder<WantsServerIdentity> {
    /// Shows this certificate.
    pub fn identity(self, identity: Identity) -> ServerConfigBuilder<ReadyServer> {
        self.ready(alloc::vec![identity], None)
    }

    /// Shows no certificate, and trusts clients that hold one of these keys.
    pub fn preshared_keys(self, psks: Arc<dyn PskServer>) -> ServerConfigBuilder<ReadyServer> {
        self.ready(Vec::new(), Some(psks))
    }

    fn ready(self, identities: Vec<Identity>, psks: Option<Arc<dyn PskServer>>) -> ServerConfigBuilder<ReadyServer> {
        let settings = Settings::new(&self.provider);
        let client_authentication = ClientAuthentication::None;
        let stage = ReadyServer { identities, psks, client_authentication, selector: None, resumption: None, settings };
        ServerConfigBuilder { provider: self.provider, stage }
    }
}

impl ServerConfigBuilder<ReadyServer> {
    /// Shows this certificate to clients that cannot use those given before: typically one ECDSA and one RSA.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.stage.identities.push(identity);
        self
    }

    /// Serves clients that hold one of these keys as well. They are asked for no certificate. Clients that offer suites
    /// with certificates are served by those, and are anonymous unless
    /// [`client_authentication`](Self::client_authentication) says otherwise: see who it is in
    /// [`SessionInfo::psk_identity`](crate::SessionInfo::psk_identity).
    pub fn preshared_keys(mut self, psks: Arc<dyn PskServer>) -> Self {
        self.stage.psks = Some(psks);
        self
    }

    /// Asks clients who they are. Default: [`ClientAuthentication::None`].
    pub fn client_authentication(mut self, policy: ClientAuthentication) -> Self {
        self.stage.client_authentication = policy;
        self
    }

    /// Lets `selector` pick another configuration for each client when its hello is there. Of this one only what
    /// matters before remains: MTU, timeouts and fault budget. Default: this configuration serves all.
    pub fn select(mut self, selector: Arc<dyn SelectConfig>) -> Self {
        self.stage.selector = Some(selector);
        self
    }

    /// Lets clients resume their sessions. Default: every handshake is a full one.
    pub fn resumption(mut self, resumption: ServerResumption) -> Self {
        self.stage.resumption = Some(resumption);
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
        let ReadyServer { identities, psks, client_authentication, selector, resumption, settings } = self.stage;
        settings.check()?;
        check_identities(&settings, &identities)?;
        if identities.is_empty() && client_authentication.verifier().is_some() {
            return Err(ConfigError::ClientAuthenticationNeedsIdentity);
        }
        let authorities = client_authentication.verifier().map_or(&[][..], PeerVerifier::authorities);
        if authorities.iter().map(|name| 2 + name.len()).sum::<usize>() > AUTHORITIES_MAX {
            return Err(ConfigError::TooLong { field: "client_authentication" });
        }
        let suites = resolve(&self.provider, &settings, |suite| match suite.key_exchange.signed_by() {
            Some(kind) => identities.iter().any(|identity| identity.key().kind() == kind),
            None => psks.is_some(),
        })?;
        Ok(ServerConfig {
            provider: self.provider,
            settings,
            suites,
            identities,
            psks,
            client_authentication,
            selector,
            resumption,
        })
    }
}

// The room for names in a CertificateRequest (RFC 5246 section 7.4.4).
const AUTHORITIES_MAX: usize = 65_535;
