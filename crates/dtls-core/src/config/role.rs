//! The configuration of an end, whichever end it is.

use alloc::sync::Arc;

use super::{ClientConfig, ServerConfig, Settings};
use crate::crypto::CryptoProvider;
use crate::crypto::suite::CipherSuite;
use crate::event::Role;
use crate::wire::enums::CipherSuiteId;

/// What a connection was begun with, or the configuration that was selected for it.
#[derive(Clone, Debug)]
pub enum RoleConfig {
    /// We are the client.
    Client(Arc<ClientConfig>),
    /// We are the server.
    Server(Arc<ServerConfig>),
}

impl RoleConfig {
    pub(crate) const fn role(&self) -> Role {
        match self {
            Self::Client(_) => Role::Client,
            Self::Server(_) => Role::Server,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Client(config) => &config.settings,
            Self::Server(config) => &config.settings,
        }
    }

    pub(crate) fn provider(&self) -> &Arc<CryptoProvider> {
        match self {
            Self::Client(config) => &config.provider,
            Self::Server(config) => &config.provider,
        }
    }

    /// A suite that it may agree on.
    pub(crate) fn suite(&self, id: CipherSuiteId) -> Option<&CipherSuite> {
        let suites = match self {
            Self::Client(config) => &config.suites,
            Self::Server(config) => &config.suites,
        };
        suites.iter().find(|suite| suite.id == id)
    }
}

impl From<Arc<ClientConfig>> for RoleConfig {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self::Client(config)
    }
}

impl From<Arc<ServerConfig>> for RoleConfig {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::Server(config)
    }
}
