//! For tests: a client and a server of this process that have shaken hands.

use std::sync::Arc;

use dtls_core::crypto::{CryptoProvider, PinnedCertificates, ring};
use dtls_core::{ClientConfig, ServerConfig};
use dtls_std::{Endpoint, Options, Session, Tap, connect, listen_with};

use crate::args::KeyType;
use crate::cert::SelfSigned;

/// Both ends of a session on loopback.
pub(crate) struct Pair {
    pub(crate) client: Session,
    pub(crate) server: Session,
    pub(crate) endpoint: Endpoint,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl Pair {
    /// `tap` sees what the server's socket sends and receives.
    pub(crate) fn new(tap: Option<Box<dyn Tap>>) -> Self {
        let provider = Arc::new(ring::provider());
        let made = SelfSigned::make("--self-signed", vec!["localhost".to_owned()], KeyType::P256).unwrap();
        let identity = made.identity("--self-signed", &provider).unwrap();
        let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).build().unwrap();
        let options = Options { tap, ..Options::default() };
        let endpoint = listen_with("127.0.0.1:0", Arc::new(server), options).unwrap();
        let trust = Arc::new(PinnedCertificates::new([made.cert.clone()]).unwrap());
        let client = ClientConfig::builder(Arc::clone(&provider)).trust(trust).without_identity().build().unwrap();
        let client = connect(endpoint.local_addr(), None, Arc::new(client)).unwrap();
        let server = endpoint.accept().unwrap();
        Self { client, server, endpoint, provider }
    }
}
