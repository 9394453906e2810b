//! Two connected ends, and what it takes to make them.

use std::sync::Arc;

use dtls_core::config::ClientAuthentication;
#[cfg(feature = "ccm")]
use dtls_core::crypto::ccm;
use dtls_core::crypto::{CryptoProvider, Fingerprint, Fingerprints, Identity, ring};
use dtls_core::wire::enums::{CipherSuiteId, NamedGroup};
use dtls_core::{ClientConfig, Connection, Instant, ServerConfig};
use rustls_pki_types::PrivateKeyDer;

/// Both configurations of a pair that uses one suite and one group.
pub(crate) struct Configs {
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
}

impl Configs {
    /// A server with an ECDSA P-256 certificate, known to the client by its fingerprint.
    pub(crate) fn new(suite: CipherSuiteId, group: NamedGroup) -> Self {
        let provider = ring::provider();
        #[cfg(feature = "ccm")]
        let provider = ccm::with_ccm_8(ccm::with_ccm(provider));
        let provider: Arc<CryptoProvider> = Arc::new(provider);
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let fingerprint = Fingerprint::of(&provider, made.cert.der());
        let trust = Arc::new(Fingerprints::new(&provider, [fingerprint]).expect("a fingerprint"));
        let identity = Identity::new(&provider, vec![made.cert.der().clone()], key).expect("an identity");
        let client =
            ClientConfig::builder(Arc::clone(&provider)).trust(trust).without_identity().configure(|settings| {
                settings.cipher_suites = vec![suite];
                settings.mtu = 65_535;
            });
        let server = ServerConfig::builder(provider)
            .identity(identity)
            .client_authentication(ClientAuthentication::None)
            .configure(|settings| {
                settings.groups = vec![group];
                settings.mtu = 65_535;
            });
        Self {
            client: Arc::new(client.build().expect("a client configuration")),
            server: Arc::new(server.build().expect("a server configuration")),
        }
    }

    /// Runs a handshake without a cookie and returns client and server, both connected.
    pub(crate) fn connect(&self) -> (Connection, Connection) {
        let now = Instant::ORIGIN;
        let mut client = Connection::connect(Arc::clone(&self.client), None, now).expect("a client");
        let mut server = Connection::accept_on_trusted_path(Arc::clone(&self.server), now);
        let mut datagram = Vec::with_capacity(2048);
        loop {
            let mut moved = false;
            while client.poll_transmit(now, &mut datagram) {
                server.receive(now, &mut datagram).for_each(drop);
                datagram.clear();
                moved = true;
            }
            while server.poll_transmit(now, &mut datagram) {
                client.receive(now, &mut datagram).for_each(drop);
                datagram.clear();
                moved = true;
            }
            if !moved {
                break;
            }
        }
        assert!(client.info().is_some() && server.info().is_some(), "the handshake did not complete");
        (client, server)
    }
}
