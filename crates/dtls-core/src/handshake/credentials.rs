//! What each side shows of itself: certificates, or a bare public key where both know RFC 7250.
//!
//! ```text
//!   ClientHello   client_certificate_type: what the client can show     server_certificate_type: what it can read
//!   ServerHello   client_certificate_type: what it is asked to show     server_certificate_type: what it is shown
//! ```
//!
//! Without an extension the type is X.509. Who has nothing but X.509 to say does not send it.

use alloc::vec::Vec;

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use super::exchange::Exchange;
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::crypto::sign::Identity;
use crate::crypto::verify::{PeerCredential, PeerVerifier};
use crate::crypto::x509::SubjectPublicKey;
use crate::error::{CertificateError, Error};
use crate::event::SessionInfo;
use crate::wire::certificate::{Certificate, RawPublicKey};
use crate::wire::enums::{CertificateType, HandshakeType};
use crate::wire::extensions::{ClientExtensions, ServerExtensions};

// --- in which form ---

/// The forms that a ServerHello settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateTypes {
    pub(crate) client: CertificateType,
    pub(crate) server: CertificateType,
}

/// What a client says that it can show.
pub(crate) fn offered_by_client(config: &ClientConfig) -> Option<Vec<CertificateType>> {
    match &config.chooser {
        Some(chooser) => extension(chooser.certificate_types().iter().copied()),
        None => extension(config.identities.iter().map(Identity::certificate_type)),
    }
}

/// What a client says that it can read.
pub(crate) fn read_by_client(config: &ClientConfig) -> Option<Vec<CertificateType>> {
    config.verifier.as_ref().and_then(|verifier| extension(verifier.certificate_types().iter().copied()))
}

/// The content of an extension that names these types; `None` if it says nothing.
fn extension(types: impl Iterator<Item = CertificateType>) -> Option<Vec<CertificateType>> {
    let mut named = Vec::new();
    for typ in types {
        if !named.contains(&typ) {
            named.push(typ);
        }
    }
    (!named.is_empty() && named != [CertificateType::X509]).then_some(named)
}

/// Checks that a server chose from what `config` offered.
pub(crate) fn check_types(
    answer: &ServerExtensions<'_>,
    config: &ClientConfig,
    has_certificates: bool,
) -> Result<CertificateTypes, Error> {
    let offered = |chosen: Option<CertificateType>, offer: Option<Vec<CertificateType>>| match chosen {
        Some(typ) if !offer.unwrap_or_default().contains(&typ) => Err(Error::UnofferedCertificateType(typ)),
        chosen => Ok(chosen.unwrap_or(CertificateType::X509)),
    };
    let client = offered(answer.client_certificate_type, offered_by_client(config))?;
    let server = offered(answer.server_certificate_type, read_by_client(config))?;
    let reads = |verifier: &dyn PeerVerifier| verifier.certificate_types().contains(&server);
    if has_certificates && !config.verifier.as_deref().is_some_and(reads) {
        return Err(Error::NoCommonCertificateType);
    }
    Ok(CertificateTypes { client, server })
}

/// Whether a client can read this type from a server.
pub(crate) fn is_read_by_client(hello: &ClientExtensions<'_>, typ: CertificateType) -> bool {
    hello.server_certificate_types.as_ref().map_or(typ == CertificateType::X509, |types| types.contains(&typ))
}

/// What a server asks a client to show; `None` for nothing.
pub(crate) fn choose_client_type(
    hello: &ClientExtensions<'_>,
    config: &ServerConfig,
) -> Result<Option<CertificateType>, Error> {
    let (verifier, is_required) = match &config.client_authentication {
        ClientAuthentication::None => return Ok(None),
        ClientAuthentication::Request(verifier) => (verifier, false),
        ClientAuthentication::Require(verifier) => (verifier, true),
    };
    let shown = hello.client_certificate_types.as_deref().unwrap_or(&[CertificateType::X509]);
    match verifier.certificate_types().iter().find(|typ| shown.contains(typ)) {
        Some(typ) => Ok(Some(*typ)),
        None if is_required => Err(Error::NoCommonCertificateType),
        None => Ok(None),
    }
}

// --- what we show ---

/// Adds what we show of ourselves to the flight; nothing is what a client may show.
pub(crate) fn send_certificate(identity: Option<&Identity>, x: &mut Exchange) -> Result<(), Error> {
    match identity.map(Identity::credential) {
        Some(PeerCredential::RawPublicKey(key)) => {
            x.message(HandshakeType::CERTIFICATE, &RawPublicKey { key: Some(&**key) })
        }
        Some(PeerCredential::Certificates(chain)) => {
            x.message(HandshakeType::CERTIFICATE, &Certificate { chain: chain.iter().map(|der| &**der).collect() })
        }
        None => x.message(HandshakeType::CERTIFICATE, &Certificate { chain: Vec::new() }),
    }
}

// --- what the peer has shown ---

/// What a peer has shown of itself.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Never empty.
    Certificates(Vec<CertificateDer<'static>>),
    RawPublicKey(SubjectPublicKeyInfoDer<'static>),
}

impl Shown {
    /// Copies a chain out of its message, unless it is longer than any that could be verified; `None` if it is empty.
    pub(crate) fn chain(certificate: &Certificate<'_>) -> Result<Option<Self>, Error> {
        /// More than any chain has; 128 KiB hold tens of thousands of empty ones.
        const CERTIFICATES_MAX: usize = 100;
        match certificate.chain.len() {
            0 => Ok(None),
            1..=CERTIFICATES_MAX => {
                let chain = certificate.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
                Ok(Some(Self::Certificates(chain)))
            }
            _ => Err(Error::Certificate(CertificateError::TooMuchWork)),
        }
    }

    /// Copies a key out of its message.
    pub(crate) fn raw_public_key(message: RawPublicKey<'_>) -> Option<Self> {
        message.key.map(|key| Self::RawPublicKey(SubjectPublicKeyInfoDer::from(key.to_vec())))
    }

    pub(crate) fn credential(&self) -> PeerCredential<'_> {
        match self {
            Self::Certificates(chain) => PeerCredential::Certificates(chain),
            Self::RawPublicKey(key) => PeerCredential::RawPublicKey(key),
        }
    }

    pub(crate) fn public_key(&self) -> Result<SubjectPublicKey<'_>, Error> {
        self.credential().public_key().map_err(|_| Error::Certificate(CertificateError::Unreadable))
    }

    /// How many bytes of the heap it takes.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Certificates(chain) => chain.iter().map(|certificate| certificate.len()).sum(),
            Self::RawPublicKey(key) => key.len(),
        }
    }

    /// Becomes part of what the owner can ask for.
    pub(crate) fn tell(self, info: &mut SessionInfo) {
        match self {
            Self::Certificates(chain) => info.peer_certificates = chain,
            Self::RawPublicKey(key) => info.peer_raw_public_key = Some(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AskOwnerWith;
    use crate::crypto::{PinnedPublicKeys, testing};
    use alloc::sync::Arc;
    use alloc::vec;

    const RAW: CertificateType = CertificateType::RAW_PUBLIC_KEY;
    const X509: CertificateType = CertificateType::X509;

    fn answer(client: Option<CertificateType>, server: Option<CertificateType>) -> ServerExtensions<'static> {
        ServerExtensions { client_certificate_type: client, server_certificate_type: server, ..Default::default() }
    }

    #[test]
    fn a_server_may_choose_only_forms_that_were_offered() {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let identity = Identity::raw_public_key(&provider, testing::self_signed().1).unwrap();
        let pinned = PinnedPublicKeys::new([identity.credential().public_key_info().unwrap()]).unwrap();
        let config = ClientConfig::builder(provider).trust(Arc::new(pinned)).identity(identity).build().unwrap();
        assert_eq!((offered_by_client(&config), read_by_client(&config)), (Some(vec![RAW]), Some(vec![RAW, X509])));
        let unoffered = |typ| Err(Error::UnofferedCertificateType(CertificateType(typ)));
        let both = |client, server| Ok(CertificateTypes { client, server });
        for (client, server, expected) in [
            (None, None, both(X509, X509)),
            (Some(RAW), Some(RAW), both(RAW, RAW)),
            (None, Some(X509), both(X509, X509)),
            (Some(X509), None, unoffered(0)),
            (None, Some(CertificateType(1)), unoffered(1)),
            (Some(CertificateType(3)), Some(RAW), unoffered(3)),
        ] {
            assert_eq!(check_types(&answer(client, server), &config, true), expected);
        }
    }

    #[test]
    fn a_server_that_says_nothing_has_certificates_and_these_must_be_readable() {
        let provider = Arc::new(testing::providers().swap_remove(0));
        for (reads, expected) in [
            (&[RAW][..], Err(Error::NoCommonCertificateType)),
            (&[RAW, X509], Ok(CertificateTypes { client: X509, server: X509 })),
        ] {
            let verifier = AskOwnerWith::default().certificate_types(reads);
            let config = ClientConfig::builder(Arc::clone(&provider)).trust(Arc::new(verifier)).without_identity();
            let config = config.build().unwrap();
            assert_eq!(check_types(&answer(None, None), &config, true), expected);
            // Who proves itself by a pre-shared key shows neither.
            assert!(check_types(&answer(None, None), &config, false).is_ok());
        }
    }
}
