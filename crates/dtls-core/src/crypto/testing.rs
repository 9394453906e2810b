//! What the tests of this module share: the providers that are compiled in, and certificates.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{CryptoProvider, HashAlgorithm};

/// Every provider that is compiled in.
pub(crate) fn providers() -> Vec<CryptoProvider> {
    vec![
        #[cfg(feature = "ring")]
        super::ring::provider(),
        #[cfg(feature = "aws-lc-rs")]
        super::aws_lc::provider(),
    ]
}

/// The hash of that name, out of the provider's suites.
pub(crate) fn hash(provider: &CryptoProvider, name: &str) -> &'static dyn HashAlgorithm {
    provider.cipher_suites.iter().map(|suite| suite.hash).find(|hash| hash.name() == name).unwrap()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// A fresh self-signed P-256 certificate for `localhost`, and its key.
pub(crate) fn self_signed() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    self_signed_by(&rcgen::PKCS_ECDSA_P256_SHA256)
}

/// A fresh self-signed certificate for `localhost` with a key of any kind that rcgen makes.
pub(crate) fn self_signed_by(
    algorithm: &'static rcgen::SignatureAlgorithm,
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let cert = CertificateParams::new([String::from("localhost")]).unwrap().self_signed(&key).unwrap();
    (cert.into(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

/// A fresh self-signed P-256 certificate whose subject and issuer has this common name, and its key.
pub(crate) fn self_signed_as(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new([String::from("localhost")]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let cert = params.self_signed(&key).unwrap();
    (cert.into(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

/// A fresh self-signed certificate with parameters changed by `change`.
pub(crate) fn certificate_with(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = CertificateParams::new([String::from("localhost")]).unwrap();
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
}

// See testdata/README.md.
pub(crate) const ED25519_PKCS8: &[u8] = include_bytes!("testdata/ed25519_pkcs8.der");
pub(crate) const LONG_SERIAL_CERTIFICATE: &[u8] = include_bytes!("testdata/long_serial_cert.der");
pub(crate) const NEGATIVE_SERIAL_CERTIFICATE: &[u8] = include_bytes!("testdata/negative_serial_cert.der");
pub(crate) const P256_PKCS8: &[u8] = include_bytes!("testdata/p256_pkcs8.der");
pub(crate) const P256_SEC1: &[u8] = include_bytes!("testdata/p256_sec1.der");
pub(crate) const P384_PKCS8: &[u8] = include_bytes!("testdata/p384_pkcs8.der");
pub(crate) const P384_SEC1: &[u8] = include_bytes!("testdata/p384_sec1.der");
pub(crate) const RSA_1024_PKCS8: &[u8] = include_bytes!("testdata/rsa_1024_pkcs8.der");
pub(crate) const RSA_CERTIFICATE: &[u8] = include_bytes!("testdata/rsa_2048_cert.der");
pub(crate) const RSA_EXPONENT_3: &str = include_str!("testdata/rsa_exponent_3.txt");
pub(crate) const RSA_PKCS1: &[u8] = include_bytes!("testdata/rsa_2048_pkcs1.der");
pub(crate) const RSA_PKCS8: &[u8] = include_bytes!("testdata/rsa_2048_pkcs8.der");
pub(crate) const RSA_PSS_OID_CERTIFICATE: &[u8] = include_bytes!("testdata/rsa_pss_oid_cert.der");
pub(crate) const V1_CERTIFICATE: &[u8] = include_bytes!("testdata/v1_cert.der");
#[cfg(feature = "webpki")]
pub(crate) const WEAK_ROOT: &[u8] = include_bytes!("testdata/weak_root_cert.der");
#[cfg(feature = "webpki")]
pub(crate) const WEAKLY_ISSUED: &[u8] = include_bytes!("testdata/weakly_issued_cert.der");
