//! A provider for those who need very many sessions and care for what comes after their handshakes: records, hashes and
//! cookies are ring's, but every key exchange gives the same secret and every signature is right. **No security of any
//! kind**: never use it for anything but measurements and tests.

use std::sync::Arc;

use dtls_core::crypto::{
    CryptoError, CryptoProvider, Fingerprint, Fingerprints, Identity, KeyExchange, KeyLoader, KxGroup, PreMasterSecret,
    SecureRandom, SignatureVerification, SigningKey, SuiteAuthentication, ring,
};
use dtls_core::wire::enums::{CipherSuiteId, NamedGroup, SignatureScheme};
use dtls_core::{ClientConfig, ServerConfig, Settings};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, PrivateKeyDer, PrivatePkcs8KeyDer,
    SignatureVerificationAlgorithm, alg_id,
};

/// The configurations of servers and clients whose handshakes cost no cryptography to speak of. The certificate must
/// have an ECDSA key on P-256; it is the one that clients trust.
///
/// # Panics
/// If the certificate cannot be read, or the settings cannot work.
#[must_use]
#[allow(unreachable_pub, reason = "in one of its two homes it is public")]
pub fn configs(
    provider: CryptoProvider,
    certificate: CertificateDer<'static>,
    change: impl Fn(&mut Settings),
) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let provider = Arc::new(provider);
    let trust = Fingerprints::new(&provider, [Fingerprint::of(&provider, &certificate)]).expect("a fingerprint");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(&b"no key"[..]));
    let identity = Identity::new(&provider, vec![certificate], key).expect("a certificate");
    let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).configure(&change);
    let client = ClientConfig::builder(provider).trust(Arc::new(trust)).without_identity().configure(&change);
    (Arc::new(server.build().expect("settings that work")), Arc::new(client.build().expect("settings that work")))
}

/// The provider.
#[must_use]
#[allow(unreachable_pub, reason = "in one of its two homes it is public")]
pub fn provider() -> CryptoProvider {
    let ring = ring::provider();
    let suite = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    CryptoProvider {
        name: "quick (no key exchange and no signatures, for tests only)",
        cipher_suites: ring.cipher_suites.into_iter().filter(|known| known.id == suite).collect(),
        // The second is never chosen: it says that the client can use certificates with keys of that curve.
        groups: vec![&NoGroup(NamedGroup::X25519, &[4; 32]), &NoGroup(NamedGroup::SECP256R1, &[4; 65])],
        signatures: vec![SignatureVerification { scheme: SCHEME, algorithms: vec![&NoVerification] }],
        key_loader: &NoKeys,
        ..ring::provider()
    }
}

const SCHEME: SignatureScheme = SignatureScheme::ECDSA_SECP256R1_SHA256;

/// A group and everybody's share in it.
struct NoGroup(NamedGroup, &'static [u8]);

impl KxGroup for NoGroup {
    fn name(&self) -> NamedGroup {
        self.0
    }

    fn public_key_len(&self) -> usize {
        self.1.len()
    }

    fn start(&self, _random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
        Ok(Box::new(NoSecret(self.1)))
    }
}

struct NoSecret(&'static [u8]);

impl KeyExchange for NoSecret {
    fn public_key(&self) -> &[u8] {
        self.0
    }

    fn complete(self: Box<Self>, _peer: &[u8]) -> Result<PreMasterSecret, CryptoError> {
        Ok(PreMasterSecret::new(vec![0x42; 32]))
    }
}

struct NoKeys;

impl KeyLoader for NoKeys {
    fn load(&self, _key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
        Ok(Arc::new(NoKey))
    }
}

#[derive(Debug)]
struct NoKey;

impl SigningKey for NoKey {
    fn schemes(&self) -> &[SignatureScheme] {
        &[SCHEME]
    }

    fn kind(&self) -> SuiteAuthentication {
        SuiteAuthentication::Ecdsa
    }

    fn public_key(&self) -> Option<&[u8]> {
        None
    }

    fn sign(&self, _scheme: SignatureScheme, _message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        out.extend_from_slice(&[0x51; 71]);
        Ok(())
    }
}

#[derive(Debug)]
struct NoVerification;

impl SignatureVerificationAlgorithm for NoVerification {
    fn verify_signature(&self, _key: &[u8], _message: &[u8], _signature: &[u8]) -> Result<(), InvalidSignature> {
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}
