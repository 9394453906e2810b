//! The fixed certificates and keys of `vectors/certificates`.

use std::sync::Arc;

use dtls_core::crypto::{CryptoProvider, Identity, PeerCredential, PinnedCertificates, PinnedPublicKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};

/// A certificate with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// ECDSA on P-256, self-signed.
    EcdsaP256,
    /// ECDSA on P-384, self-signed.
    EcdsaP384,
    /// Ed25519, self-signed.
    Ed25519,
    /// RSA with 2048 bits, self-signed.
    Rsa2048,
    /// A server's, by the CA.
    Server,
    /// A client's, by the CA.
    Client,
}

impl Leaf {
    /// Every one there is.
    pub const ALL: [Self; 6] =
        [Self::EcdsaP256, Self::EcdsaP384, Self::Ed25519, Self::Rsa2048, Self::Server, Self::Client];

    const fn pem(self) -> (&'static str, &'static str) {
        macro_rules! pair {
            ($name:literal) => {
                (
                    include_str!(concat!("../../vectors/certificates/", $name, ".cert.pem")),
                    include_str!(concat!("../../vectors/certificates/", $name, ".key.pem")),
                )
            };
        }
        match self {
            Self::EcdsaP256 => pair!("ecdsa-p256"),
            Self::EcdsaP384 => pair!("ecdsa-p384"),
            Self::Ed25519 => pair!("ed25519"),
            Self::Rsa2048 => pair!("rsa-2048"),
            Self::Server => pair!("server"),
            Self::Client => pair!("client"),
        }
    }
}

/// The certificate alone: nobody sends the root.
#[must_use]
pub fn chain(leaf: Leaf) -> Vec<CertificateDer<'static>> {
    vec![read(leaf.pem().0)]
}

/// The key that belongs to it.
///
/// # Panics
/// If the file in `vectors/` is damaged.
#[must_use]
pub fn private_key(leaf: Leaf) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(leaf.pem().1.as_bytes()).expect("a key in PEM")
}

/// The root that issued [`Leaf::Server`] and [`Leaf::Client`].
#[must_use]
pub fn ca() -> CertificateDer<'static> {
    read(include_str!("../../vectors/certificates/ca.cert.pem"))
}

/// Certificate and key as a configuration wants them.
///
/// # Panics
/// If the provider cannot use the key.
#[must_use]
pub fn identity(provider: &CryptoProvider, leaf: Leaf) -> Identity {
    Identity::new(provider, chain(leaf), private_key(leaf)).expect("a key and its certificate")
}

/// The public key of the certificate: what is shown without it.
///
/// # Panics
/// If the file in `vectors/` is damaged.
#[must_use]
pub fn public_key(leaf: Leaf) -> SubjectPublicKeyInfoDer<'static> {
    PeerCredential::Certificates(&chain(leaf)).public_key_info().expect("a certificate with a key")
}

/// Trusts exactly this certificate.
///
/// # Panics
/// Never: there is one certificate.
#[must_use]
pub fn pinned(leaf: Leaf) -> Arc<PinnedCertificates> {
    Arc::new(PinnedCertificates::new(chain(leaf)).expect("one certificate"))
}

/// Trusts exactly the key of this certificate, with or without it.
///
/// # Panics
/// Never: there is one key.
#[must_use]
pub fn pinned_key(leaf: Leaf) -> Arc<PinnedPublicKeys> {
    Arc::new(PinnedPublicKeys::new([public_key(leaf)]).expect("one key"))
}

fn read(pem: &'static str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM")
}
