//! **NO CRYPTOGRAPHY. MUST NEVER LEAVE `fuzz/`.**
//!
//! A [`CryptoProvider`] that protects nothing at all: records are sent in the clear behind a tag that nobody checks,
//! every signature is valid, every key exchange gives the same secret, randomness is a counter. Whoever uses it
//! outside a fuzzer has no security of any kind. It lives in a package that is not published and that nothing else
//! depends on, and it should stay there.
//!
//! What it is for: a fuzzer cannot guess a tag or a signature, so with real cryptography it would never see what lies
//! behind them. Here arbitrary bytes in a record of epoch 1 authenticate.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dtls_core::config::MakeConnectionId;
use dtls_core::crypto::{
    AeadAlgorithm, AeadKey, AeadLimits, CertificateError, CipherSuite, CryptoError, CryptoProvider, Digest,
    HashAlgorithm, HashContext, Identity, KeyExchange, KeyExchangeAlgorithm, KeyLoader, KxGroup, NonceConstruction,
    PeerAuthenticated, PeerCredential, PeerVerifier, PreMasterSecret, PresentedPeer, SecureRandom,
    SignatureVerification, SigningKey, SuiteAuthentication,
};
use dtls_core::wire::enums::{CertificateType, CipherSuiteId, NamedGroup, SignatureScheme};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, alg_id,
};

/// How much a hash of this provider tells messages apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// FNV: equal transcripts agree and others do not, so a Finished is only right after an honest handshake.
    Folding,
    /// Every hash is the same: every cookie and every Finished that repeats the constant is right, whatever was said
    /// before. Lets forged handshakes run to their end.
    Constant,
}

/// The provider. Each has a counter of its own, so that a script gives the same bytes every time.
///
/// Of its suites the first six are for certificates, the last six for pre-shared keys; in each half the second three are of
/// another kind than the first, and every third is of the same AEAD.
///
/// Keys of its AES-256 suites wear out after some dozens of records, so that a script gets there.
#[must_use]
pub fn provider(hashing: Hashing) -> Arc<CryptoProvider> {
    let (hash_32, hash_48): (&'static dyn HashAlgorithm, &'static dyn HashAlgorithm) = match hashing {
        Hashing::Folding => {
            (&NullHash { len: 32, hashing: Hashing::Folding }, &NullHash { len: 48, hashing: Hashing::Folding })
        }
        Hashing::Constant => {
            (&NullHash { len: 32, hashing: Hashing::Constant }, &NullHash { len: 48, hashing: Hashing::Constant })
        }
    };
    let suite =
        |id, key_exchange, hash, aead, nonce, limits| CipherSuite { id, key_exchange, hash, aead, nonce, limits };
    let (aes_128, aes_256, chacha) = (&NullAead { key_len: 16 }, &NullAead { key_len: 32 }, &NullAead { key_len: 32 });
    let (explicit, implicit) = (NonceConstruction::Explicit, NonceConstruction::Implicit);
    let (ecdsa, rsa) = (KeyExchangeAlgorithm::ECDHE_ECDSA, KeyExchangeAlgorithm::ECDHE_RSA);
    let (psk, ecdhe_psk) = (KeyExchangeAlgorithm::Psk, KeyExchangeAlgorithm::EcdhePsk);
    let (few, many) = (FEW_RECORDS, AeadLimits::CHACHA20_POLY1305);
    Arc::new(CryptoProvider {
        name: "null (no cryptography, for fuzzing only)",
        cipher_suites: vec![
            suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ecdsa, hash_32, aes_128, explicit, many),
            suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ecdsa, hash_48, aes_256, explicit, few),
            suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, ecdsa, hash_32, chacha, implicit, many),
            suite(CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, rsa, hash_32, aes_128, explicit, many),
            suite(CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, rsa, hash_48, aes_256, explicit, few),
            suite(CipherSuiteId::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, rsa, hash_32, chacha, implicit, many),
            suite(CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256, psk, hash_32, aes_128, explicit, many),
            suite(CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384, psk, hash_48, aes_256, explicit, few),
            suite(CipherSuiteId::TLS_PSK_WITH_CHACHA20_POLY1305_SHA256, psk, hash_32, chacha, implicit, many),
            suite(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, ecdhe_psk, hash_32, aes_128, explicit, many),
            suite(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, ecdhe_psk, hash_48, aes_256, explicit, few),
            suite(
                CipherSuiteId::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
                ecdhe_psk,
                hash_32,
                chacha,
                implicit,
                many,
            ),
        ],
        groups: vec![
            &NullGroup { name: NamedGroup::X25519, len: 32 },
            &NullGroup { name: NamedGroup::SECP256R1, len: 65 },
            &NullGroup { name: NamedGroup::SECP384R1, len: 97 },
        ],
        signatures: ECDSA_SCHEMES
            .iter()
            .map(|scheme| SignatureVerification { scheme: *scheme, algorithms: vec![&NullVerification::Ecdsa] })
            .chain(
                RSA_SCHEMES
                    .iter()
                    .map(|scheme| SignatureVerification { scheme: *scheme, algorithms: vec![&NullVerification::Rsa] }),
            )
            .collect(),
        random: Arc::new(Counter(AtomicU64::new(1))),
        key_loader: &NullLoader,
        sha256: hash_32,
    })
}

/// What a key of the AES-256 suites is good for here.
const FEW_RECORDS: AeadLimits = AeadLimits { seal_blocks: 200, open_failures: 4 };

/// Bytes in a tag, and what every tag is made of.
pub const TAG_LEN: usize = 16;
const TAG_BYTE: u8 = 0x7a;

const ECDSA_SCHEMES: &[SignatureScheme] =
    &[SignatureScheme::ECDSA_SECP256R1_SHA256, SignatureScheme::ECDSA_SECP384R1_SHA384];
const RSA_SCHEMES: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_RSAE_SHA256, SignatureScheme::RSA_PKCS1_SHA256];

// --- records ---

/// Leaves the plaintext as it is.
struct NullAead {
    key_len: usize,
}

impl AeadAlgorithm for NullAead {
    fn key_len(&self) -> usize {
        self.key_len
    }

    fn tag_len(&self) -> usize {
        TAG_LEN
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        if key.len() == self.key_len { Ok(Box::new(NullKey)) } else { Err(CryptoError) }
    }
}

struct NullKey;

impl AeadKey for NullKey {
    fn seal(&self, _nonce: &[u8; 12], _aad: &[u8], _in_out: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        if tag.len() != TAG_LEN {
            return Err(CryptoError);
        }
        tag.fill(TAG_BYTE);
        Ok(())
    }

    /// Does not look at the tag, except that one of zeros alone counts as wrong: so scripts can send both.
    fn open(&self, _nonce: &[u8; 12], _aad: &[u8], in_out: &mut [u8]) -> Result<usize, CryptoError> {
        let (plaintext, tag) = in_out.split_last_chunk_mut::<TAG_LEN>().ok_or(CryptoError)?;
        if *tag == [0; TAG_LEN] {
            plaintext.fill(0);
            return Err(CryptoError);
        }
        Ok(plaintext.len())
    }
}

// --- hashes ---

struct NullHash {
    len: usize,
    hashing: Hashing,
}

impl NullHash {
    const START: u64 = 0xcbf2_9ce4_8422_2325;

    fn digest(&self, state: u64) -> Digest {
        let mut state = match self.hashing {
            Hashing::Folding => state,
            Hashing::Constant => 0,
        };
        let mut output = [0; Digest::MAX_LEN];
        for chunk in output.chunks_exact_mut(8) {
            // SplitMix64, so that every byte of the output depends on all of the state.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
        }
        Digest::copy_from(&output[..self.len])
    }
}

fn fnv(state: u64, data: &[u8]) -> u64 {
    data.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl HashAlgorithm for NullHash {
    fn name(&self) -> &'static str {
        "null"
    }

    fn output_len(&self) -> usize {
        self.len
    }

    fn start(&self) -> Box<dyn HashContext> {
        Box::new(NullContext { hash: Self { ..*self }, state: Self::START })
    }

    fn hash(&self, data: &[u8]) -> Digest {
        self.digest(fnv(Self::START, data))
    }

    fn hmac(&self, key: &[u8], message: &[&[u8]]) -> Digest {
        let keyed = fnv(fnv(!Self::START, key), &[0x5c]);
        self.digest(message.iter().fold(keyed, |state, part| fnv(state, part)))
    }
}

struct NullContext {
    hash: NullHash,
    state: u64,
}

impl HashContext for NullContext {
    fn update(&mut self, data: &[u8]) {
        self.state = fnv(self.state, data);
    }

    fn fork_finish(&self) -> Digest {
        self.hash.digest(self.state)
    }
}

// --- key exchange ---

struct NullGroup {
    name: NamedGroup,
    len: usize,
}

impl KxGroup for NullGroup {
    fn name(&self) -> NamedGroup {
        self.name
    }

    fn public_key_len(&self) -> usize {
        self.len
    }

    fn start(&self, _random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
        Ok(Box::new(NullExchange(vec![4; self.len])))
    }
}

struct NullExchange(Vec<u8>);

impl KeyExchange for NullExchange {
    fn public_key(&self) -> &[u8] {
        &self.0
    }

    /// Any share of the right length will do; the secret is always the same.
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<PreMasterSecret, CryptoError> {
        if peer.len() == self.0.len() { Ok(PreMasterSecret::new(vec![0x42; 32])) } else { Err(CryptoError) }
    }
}

// --- signatures ---

/// Whatever was signed, by whomever, is right.
#[derive(Debug)]
enum NullVerification {
    Ecdsa,
    Rsa,
}

impl SignatureVerificationAlgorithm for NullVerification {
    fn verify_signature(&self, _key: &[u8], _message: &[u8], _signature: &[u8]) -> Result<(), InvalidSignature> {
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            Self::Ecdsa => alg_id::ECDSA_P256,
            Self::Rsa => alg_id::RSA_ENCRYPTION,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            Self::Ecdsa => alg_id::ECDSA_SHA256,
            Self::Rsa => alg_id::RSA_PKCS1_SHA256,
        }
    }
}

/// Signs with constant bytes, or has its owner sign.
#[derive(Debug)]
struct NullSigner {
    kind: SuiteAuthentication,
    defers: bool,
}

/// What every signature is.
pub const SIGNATURE: [u8; 64] = [0x51; 64];

impl SigningKey for NullSigner {
    fn schemes(&self) -> &[SignatureScheme] {
        match self.kind {
            SuiteAuthentication::Ecdsa => ECDSA_SCHEMES,
            SuiteAuthentication::Rsa => RSA_SCHEMES,
        }
    }

    fn kind(&self) -> SuiteAuthentication {
        self.kind
    }

    fn public_key(&self) -> Option<&[u8]> {
        None
    }

    fn sign(&self, scheme: SignatureScheme, _message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        if !self.schemes().contains(&scheme) {
            return Err(CryptoError);
        }
        out.extend_from_slice(&SIGNATURE);
        Ok(())
    }

    fn defers(&self) -> bool {
        self.defers
    }
}

struct NullLoader;

impl KeyLoader for NullLoader {
    fn load(&self, key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
        let kind = match key {
            PrivateKeyDer::Pkcs1(_) => SuiteAuthentication::Rsa,
            _ => SuiteAuthentication::Ecdsa,
        };
        Ok(Arc::new(NullSigner { kind, defers: false }))
    }
}

/// An identity whose certificate is `padding` bytes longer than it needs to be, and whose owner may do the signing.
///
/// # Panics
/// If the certificate made here is not one: a bug of this file.
#[must_use]
pub fn identity(kind: SuiteAuthentication, padding: usize, defers: bool) -> Identity {
    let signer = Arc::new(NullSigner { kind, defers });
    Identity::with_signer(vec![certificate(kind, padding)], signer).expect("a readable certificate")
}

/// The key of that certificate without it.
///
/// # Panics
/// If the key made here is not one: a bug of this file.
#[must_use]
pub fn bare_identity(kind: SuiteAuthentication, defers: bool) -> Identity {
    let signer = Arc::new(NullSigner { kind, defers });
    Identity::raw_public_key_with_signer(public_key(kind).into(), signer).expect("a readable key")
}

/// A certificate of the least form that has a public key in it.
#[must_use]
pub fn certificate(kind: SuiteAuthentication, padding: usize) -> CertificateDer<'static> {
    let signature_algorithm = der(0x30, &[&alg_id::ECDSA_SHA256]);
    let name = der(0x30, &[&der(0x31, &[&der(0x30, &[&[6, 3, 85, 4, 3], &der(0x0c, &[b"null"])])])]);
    let time = der(0x17, &[b"200101000000Z"]);
    let tbs = der(
        0x30,
        &[&der(2, &[&[1]]), &signature_algorithm, &name, &der(0x30, &[&time, &time]), &name, &public_key(kind)],
    );
    der(0x30, &[&tbs, &signature_algorithm, &der(3, &[&[0], &vec![0x99; padding]])]).into()
}

/// A `SubjectPublicKeyInfo`.
#[must_use]
pub fn public_key(kind: SuiteAuthentication) -> Vec<u8> {
    let (algorithm, key) = match kind {
        SuiteAuthentication::Ecdsa => (alg_id::ECDSA_P256, &[4; 65][..]),
        SuiteAuthentication::Rsa => (alg_id::RSA_ENCRYPTION, &[0x30, 6, 2, 1, 65, 2, 1, 3][..]),
    };
    der(0x30, &[&der(0x30, &[&algorithm]), &der(3, &[&[0], key])])
}

/// One DER value: `parts` behind a tag and their length.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [.., l1, l0] = content.len().to_be_bytes();
    let length = match content.len() {
        0..0x80 => vec![l0],
        0x80..0x100 => vec![0x81, l0],
        _ => vec![0x82, l1, l0],
    };
    [&[tag][..], &length, &content].concat()
}

// --- connection IDs ---

/// How many bytes an ID has.
pub const ID_LEN: usize = 5;
/// The ID that a client wants to see.
pub const ID_OF_CLIENT: [u8; ID_LEN] = *b"cl\0\0\0";
/// The ID that a server wants to see. Its last bytes could be a length.
pub const ID_OF_SERVER: [u8; ID_LEN] = *b"srv\0\0";

/// Makes the same ID every time.
#[derive(Debug)]
pub struct NullId(pub [u8; ID_LEN]);

impl MakeConnectionId for NullId {
    fn id_len(&self) -> u8 {
        u8::try_from(ID_LEN).unwrap()
    }

    fn make(&self, _random: &dyn SecureRandom, id: &mut [u8]) -> Result<(), CryptoError> {
        id.copy_from_slice(&self.0);
        Ok(())
    }
}

// --- trust and chance ---

/// Accepts every peer that shows what it should, or none, or leaves it to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NullTrust {
    /// Whether it accepts anybody.
    pub accepts: bool,
    /// In which forms a peer may show its key.
    pub forms: &'static [CertificateType],
    /// Whether its owner decides.
    pub defers: bool,
    /// Whether servers must show something of OCSP.
    pub wants_status: bool,
}

impl PeerVerifier for NullTrust {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        let form = match peer.credential {
            PeerCredential::Certificates(_) => CertificateType::X509,
            PeerCredential::RawPublicKey(_) => CertificateType::RAW_PUBLIC_KEY,
            _ => panic!("a form that is new: say here which"),
        };
        assert!(self.forms.contains(&form), "a form that is not taken came all the same");
        assert!(self.wants_status || peer.ocsp_response.is_none(), "a response that nobody asked for");
        if self.accepts { Ok(PeerAuthenticated::dangerous_assertion()) } else { Err(CertificateError::UnknownIssuer) }
    }

    fn defers(&self, _peer: &PresentedPeer<'_>) -> bool {
        self.defers
    }

    fn certificate_types(&self) -> &[CertificateType] {
        self.forms
    }

    fn wants_ocsp_response(&self) -> bool {
        self.wants_status
    }
}

/// 1, 2, 3, ...
struct Counter(AtomicU64);

impl SecureRandom for Counter {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        for chunk in out.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counter")
    }
}
