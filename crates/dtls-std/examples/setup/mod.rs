//! What the examples need to be their own peer: a certificate made on the spot, and both sides' configurations.

use core::error::Error;
use std::sync::Arc;

use dtls_std::dtls_core::crypto::{Identity, PinnedCertificates, ring};
use dtls_std::{ClientConfig, ServerConfig};
use rustls_pki_types::PrivateKeyDer;

/// A server with a new certificate, and a client that trusts this one and no other.
pub(crate) fn pair() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Box<dyn Error>> {
    let provider = Arc::new(ring::provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let identity = Identity::new(&provider, vec![made.cert.der().clone()], key)?;
    let trust = Arc::new(PinnedCertificates::new([made.cert.der().clone()])?);
    let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).build()?;
    let client = ClientConfig::builder(provider).trust(trust).without_identity().build()?;
    Ok((Arc::new(server), Arc::new(client)))
}
