//! Is a provider what it says? Known answers and consistency, the same for every provider.
//!
//! Each answer names its origin. What has no short known answer (RSA) is tested in this crate's tests only.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm, alg_id};

use super::aead::{RecordOpener, RecordSealer};
use super::hash::HashAlgorithm;
use super::kx::KxGroup;
use super::suite::{CipherSuite, KeyExchangeAlgorithm, NonceConstruction};
use super::{CryptoProvider, SecureRandom};
use crate::wire::enums::{CipherSuiteId, ContentType, NamedGroup, ProtocolVersion, SignatureScheme};
use crate::wire::record::{Epoch, RecordHeader, RecordNumber};

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderFault {
    /// It has no cipher suite.
    NoCipherSuite,
    /// It has no group.
    NoGroup,
    /// It has no signature scheme.
    NoSignature,
    /// It has a cipher suite twice.
    CipherSuiteTwice(CipherSuiteId),
    /// It has a group twice.
    GroupTwice(NamedGroup),
    /// It has a signature scheme twice.
    SchemeTwice(SignatureScheme),
    /// A suite's hash, key exchange or nonce is not what the suite's number stands for.
    SuiteMisdefined(CipherSuiteId),
    /// A suite does not take keys of the length it states, or takes keys of another.
    SuiteKeyLength(CipherSuiteId),
    /// A suite cannot seal, or not open what it sealed.
    SuiteRoundTrip(CipherSuiteId),
    /// A suite seals to something else than it should.
    SuiteKnownAnswer(CipherSuiteId),
    /// A suite opens what has been tampered with.
    SuiteOpensForgery(CipherSuiteId),
    /// A suite leaves plaintext in the buffer of what it did not open.
    SuiteLeavesPlaintext(CipherSuiteId),
    /// A hash gives something else than it should, in one piece or in several.
    HashKnownAnswer(&'static str),
    /// HMAC over a hash gives something else than it should.
    HmacKnownAnswer(&'static str),
    /// The hash for cookies and fingerprints is not SHA-256.
    Sha256IsAnotherHash,
    /// A group cannot make a share, or makes one of another length than it states.
    GroupShare(NamedGroup),
    /// Two shares of a group do not lead to one secret.
    GroupDisagrees(NamedGroup),
    /// A group takes a share that is malformed, off the curve or of small order.
    GroupTakesBadShare(NamedGroup),
    /// A signature scheme has nothing to verify with.
    SchemeWithoutAlgorithm(SignatureScheme),
    /// A signature scheme does not verify a valid signature.
    SchemeKnownAnswer(SignatureScheme),
    /// A signature scheme verifies what nobody signed.
    SchemeTakesForgery(SignatureScheme),
    /// There is no randomness.
    RandomFails,
    /// Randomness repeats itself.
    RandomRepeats,
}

impl fmt::Display for ProviderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCipherSuite => f.write_str("the provider has no cipher suite"),
            Self::NoGroup => f.write_str("the provider has no group"),
            Self::NoSignature => f.write_str("the provider has no signature scheme"),
            Self::CipherSuiteTwice(id) => write!(f, "the provider has {id} twice"),
            Self::GroupTwice(name) => write!(f, "the provider has {name} twice"),
            Self::SchemeTwice(scheme) => write!(f, "the provider has {scheme} twice"),
            Self::SuiteMisdefined(id) => write!(f, "{id} has another hash, key exchange or nonce than it should"),
            Self::SuiteKeyLength(id) => write!(f, "{id} does not take exactly the keys it says it takes"),
            Self::SuiteRoundTrip(id) => write!(f, "{id} does not open what it sealed"),
            Self::SuiteKnownAnswer(id) => write!(f, "{id} seals to something else than it should"),
            Self::SuiteOpensForgery(id) => write!(f, "{id} opens what has been tampered with"),
            Self::SuiteLeavesPlaintext(id) => write!(f, "{id} leaves plaintext behind where it did not open"),
            Self::HashKnownAnswer(name) => write!(f, "{name} gives something else than it should"),
            Self::HmacKnownAnswer(name) => write!(f, "HMAC over {name} gives something else than it should"),
            Self::Sha256IsAnotherHash => f.write_str("the provider's sha256 is another hash"),
            Self::GroupShare(name) => write!(f, "{name} makes no share of the length it says"),
            Self::GroupDisagrees(name) => write!(f, "two shares of {name} do not lead to one secret"),
            Self::GroupTakesBadShare(name) => write!(f, "{name} takes a share that is not one"),
            Self::SchemeWithoutAlgorithm(scheme) => write!(f, "{scheme} has nothing to verify with"),
            Self::SchemeKnownAnswer(scheme) => write!(f, "{scheme} does not verify a valid signature"),
            Self::SchemeTakesForgery(scheme) => write!(f, "{scheme} verifies what nobody signed"),
            Self::RandomFails => f.write_str("the provider has no randomness"),
            Self::RandomRepeats => f.write_str("the provider's randomness repeats itself"),
        }
    }
}

impl core::error::Error for ProviderFault {}

pub(super) fn check(provider: &CryptoProvider) -> Result<(), ProviderFault> {
    check_lists(provider)?;
    check_random(provider.random.as_ref())?;
    for suite in &provider.cipher_suites {
        check_hash(suite.hash)?;
        check_suite(suite)?;
    }
    check_hash(provider.sha256)?;
    if provider.sha256.output_len() != SHA256_ABC.len() {
        return Err(ProviderFault::Sha256IsAnotherHash);
    }
    for group in &provider.groups {
        check_group(*group, provider.random.as_ref())?;
    }
    for signature in &provider.signatures {
        for algorithm in &signature.algorithms {
            check_signature(signature.scheme, *algorithm)?;
        }
    }
    Ok(())
}

fn check_lists(provider: &CryptoProvider) -> Result<(), ProviderFault> {
    let suites: Vec<_> = provider.cipher_suites.iter().map(|suite| suite.id).collect();
    let groups: Vec<_> = provider.groups.iter().map(|group| group.name()).collect();
    let schemes: Vec<_> = provider.signature_schemes().collect();
    ok_or(!suites.is_empty(), ProviderFault::NoCipherSuite)?;
    ok_or(!groups.is_empty(), ProviderFault::NoGroup)?;
    ok_or(!schemes.is_empty(), ProviderFault::NoSignature)?;
    if let Some(id) = repeated(&suites) {
        return Err(ProviderFault::CipherSuiteTwice(id));
    }
    if let Some(name) = repeated(&groups) {
        return Err(ProviderFault::GroupTwice(name));
    }
    if let Some(scheme) = repeated(&schemes) {
        return Err(ProviderFault::SchemeTwice(scheme));
    }
    match provider.signatures.iter().find(|signature| signature.algorithms.is_empty()) {
        Some(signature) => Err(ProviderFault::SchemeWithoutAlgorithm(signature.scheme)),
        None => Ok(()),
    }
}

fn check_random(random: &dyn SecureRandom) -> Result<(), ProviderFault> {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    random.fill(&mut first).map_err(|_| ProviderFault::RandomFails)?;
    random.fill(&mut second).map_err(|_| ProviderFault::RandomFails)?;
    let constant = |bytes: &[u8; 32]| bytes.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    ok_or(first != second && !constant(&first) && !constant(&second), ProviderFault::RandomRepeats)
}

fn check_hash(hash: &dyn HashAlgorithm) -> Result<(), ProviderFault> {
    let wrong_hash = ProviderFault::HashKnownAnswer(hash.name());
    let (abc, jefe): (&[u8], &[u8]) = match hash.output_len() {
        32 => (&SHA256_ABC, &HMAC_SHA256_JEFE),
        48 => (&SHA384_ABC, &HMAC_SHA384_JEFE),
        _ => return Err(wrong_hash),
    };
    ok_or(hash.hash(b"abc").as_ref() == abc, wrong_hash)?;
    let mut context = hash.start();
    context.update(b"a");
    let a = context.fork_finish();
    context.update(b"bc");
    ok_or(context.fork_finish().as_ref() == abc && a.as_ref() == hash.hash(b"a").as_ref(), wrong_hash)?;
    let parts: [&[u8]; 3] = [b"what do ya want ", b"", b"for nothing?"];
    ok_or(hash.hmac(b"Jefe", &parts).as_ref() == jefe, ProviderFault::HmacKnownAnswer(hash.name()))
}

fn check_suite(suite: &CipherSuite) -> Result<(), ProviderFault> {
    let key: Vec<u8> = (0..=u8::MAX).take(suite.key_len()).collect();
    let iv: Vec<u8> = (0xf0..=u8::MAX).take(suite.fixed_iv_len()).collect();
    let wrong_length = ProviderFault::SuiteKeyLength(suite.id);
    let sealer = RecordSealer::new(suite, &key, &iv).map_err(|_| wrong_length)?;
    let opener = RecordOpener::new(suite, &key, &iv).map_err(|_| wrong_length)?;
    let longer: Vec<u8> = key.iter().copied().chain([0]).collect();
    let shorter = key.get(1..).ok_or(wrong_length)?;
    ok_or(suite.aead.key(&longer).is_err() && suite.aead.key(shorter).is_err(), wrong_length)?;

    if let Some(known) = KNOWN_SUITES.iter().find(|known| known.id == suite.id) {
        let as_defined = known.key_exchange == suite.key_exchange
            && known.nonce == suite.nonce
            && known.hash_len == suite.hash.output_len();
        ok_or(as_defined, ProviderFault::SuiteMisdefined(suite.id))?;
        let sealed = seal(suite, &sealer, b"The quick brown fox")?;
        ok_or(sealed == known.record, ProviderFault::SuiteKnownAnswer(suite.id))?;
    }
    check_open(suite, &sealer, &opener)
}

fn check_open(suite: &CipherSuite, sealer: &RecordSealer, opener: &RecordOpener) -> Result<(), ProviderFault> {
    for len in [0, 1, 15, 16, 17, 300] {
        let plaintext = vec![0x5a; len];
        let sealed = seal(suite, sealer, &plaintext)?;
        let mut body = sealed.clone();
        let opened = opener.open(&HEADER, &mut body).map_err(|_| ProviderFault::SuiteRoundTrip(suite.id))?;
        ok_or(opened == plaintext.as_slice(), ProviderFault::SuiteRoundTrip(suite.id))?;

        // Each byte in turn, and after the last one a wrong record number.
        for at in 0..=sealed.len() {
            let mut body = sealed.clone();
            let mut header = HEADER;
            match body.get_mut(at) {
                Some(byte) => *byte ^= 0x80,
                None => header.number = RecordNumber::ZERO,
            }
            ok_or(opener.open(&header, &mut body).is_err(), ProviderFault::SuiteOpensForgery(suite.id))?;
            let plaintext_left = body.windows(8).any(|window| window == [0x5a; 8]);
            ok_or(!plaintext_left, ProviderFault::SuiteLeavesPlaintext(suite.id))?;
        }
    }
    Ok(())
}

fn seal(suite: &CipherSuite, sealer: &RecordSealer, plaintext: &[u8]) -> Result<Vec<u8>, ProviderFault> {
    let mut body = vec![0; sealer.explicit_nonce_len()];
    body.extend_from_slice(plaintext);
    body.resize(body.len().saturating_add(sealer.tag_len()), 0);
    sealer.seal(&HEADER, &mut body).map_err(|_| ProviderFault::SuiteRoundTrip(suite.id))?;
    Ok(body)
}

fn check_group(group: &dyn KxGroup, random: &dyn SecureRandom) -> Result<(), ProviderFault> {
    let name = group.name();
    let start = || group.start(random).map_err(|_| ProviderFault::GroupShare(name));
    let (ours, theirs) = (start()?, start()?);
    let (our_share, their_share) = (ours.public_key().to_vec(), theirs.public_key().to_vec());
    ok_or(our_share.len() == group.public_key_len(), ProviderFault::GroupShare(name))?;
    ok_or(our_share != their_share, ProviderFault::GroupShare(name))?;
    let our_secret = ours.complete(&their_share).map_err(|_| ProviderFault::GroupDisagrees(name))?;
    let their_secret = theirs.complete(&our_share).map_err(|_| ProviderFault::GroupDisagrees(name))?;
    ok_or(our_secret.as_bytes() == their_secret.as_bytes(), ProviderFault::GroupDisagrees(name))?;

    let zeros = vec![0; our_share.len()];
    let mut bad_shares = vec![zeros.clone(), our_share.iter().copied().skip(1).collect(), Vec::new()];
    // A point begins with 4; x = 0, y = 0 is on none of the curves.
    if our_share.first() == Some(&4) && our_share.len() % 2 == 1 {
        bad_shares.push([4].into_iter().chain(zeros.into_iter().skip(1)).collect());
    }
    for share in bad_shares {
        ok_or(start()?.complete(&share).is_err(), ProviderFault::GroupTakesBadShare(name))?;
    }
    Ok(())
}

fn check_signature(
    scheme: SignatureScheme,
    algorithm: &dyn SignatureVerificationAlgorithm,
) -> Result<(), ProviderFault> {
    let known = KNOWN_SIGNATURES
        .iter()
        .find(|known| known.scheme == scheme && known.public_key_id == algorithm.public_key_alg_id());
    let Some(known) = known else { return Ok(()) };
    let verifies = |message, signature| algorithm.verify_signature(known.public_key, message, signature).is_ok();
    ok_or(verifies(known.message, known.signature), ProviderFault::SchemeKnownAnswer(scheme))?;
    let mut changed = known.signature.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    let forgery = verifies(b"another message", known.signature)
        || verifies(known.message, &changed)
        || verifies(known.message, &[]);
    ok_or(!forgery, ProviderFault::SchemeTakesForgery(scheme))
}

fn ok_or(condition: bool, fault: ProviderFault) -> Result<(), ProviderFault> {
    if condition { Ok(()) } else { Err(fault) }
}

/// A value that stands twice in `values`.
fn repeated<T: PartialEq + Copy>(values: &[T]) -> Option<T> {
    values.iter().enumerate().find(|(i, value)| values.iter().take(*i).any(|other| other == *value)).map(|(_, v)| *v)
}

/// The header of every record that is sealed here.
const HEADER: RecordHeader = RecordHeader {
    content_type: ContentType::APPLICATION_DATA,
    version: ProtocolVersion::DTLS_1_2,
    epoch: Epoch::ONE,
    number: match RecordNumber::new(5) {
        Some(five) => five,
        None => RecordNumber::ZERO,
    },
    length: 0,
};

/// What a suite is by its definition, and the record it makes of "The quick brown fox" under [`HEADER`] with the key 00
/// 01 02 .. and the fixed iv f0 f1 f2 ..
struct KnownSuite {
    id: CipherSuiteId,
    key_exchange: KeyExchangeAlgorithm,
    nonce: NonceConstruction,
    hash_len: usize,
    record: &'static [u8],
}

static KNOWN_SUITES: [KnownSuite; 22] = [
    known(
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        KeyExchangeAlgorithm::ECDHE_ECDSA,
        NonceConstruction::Explicit,
        32,
        &AES_128_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        KeyExchangeAlgorithm::ECDHE_ECDSA,
        NonceConstruction::Explicit,
        48,
        &AES_256_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        KeyExchangeAlgorithm::ECDHE_ECDSA,
        NonceConstruction::Implicit,
        32,
        &CHACHA20_POLY1305_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        KeyExchangeAlgorithm::ECDHE_RSA,
        NonceConstruction::Explicit,
        32,
        &AES_128_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        KeyExchangeAlgorithm::ECDHE_RSA,
        NonceConstruction::Explicit,
        48,
        &AES_256_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        KeyExchangeAlgorithm::ECDHE_RSA,
        NonceConstruction::Implicit,
        32,
        &CHACHA20_POLY1305_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
        KeyExchangeAlgorithm::ECDHE_ECDSA,
        NonceConstruction::Explicit,
        32,
        &AES_128_CCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
        KeyExchangeAlgorithm::ECDHE_ECDSA,
        NonceConstruction::Explicit,
        32,
        &AES_128_CCM_8_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_CCM,
        KeyExchangeAlgorithm::ECDHE_ECDSA,
        NonceConstruction::Explicit,
        32,
        &AES_256_CCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8,
        KeyExchangeAlgorithm::ECDHE_ECDSA,
        NonceConstruction::Explicit,
        32,
        &AES_256_CCM_8_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
        KeyExchangeAlgorithm::EcdhePsk,
        NonceConstruction::Explicit,
        32,
        &AES_128_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
        KeyExchangeAlgorithm::EcdhePsk,
        NonceConstruction::Explicit,
        48,
        &AES_256_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
        KeyExchangeAlgorithm::EcdhePsk,
        NonceConstruction::Implicit,
        32,
        &CHACHA20_POLY1305_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256,
        KeyExchangeAlgorithm::EcdhePsk,
        NonceConstruction::Explicit,
        32,
        &AES_128_CCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256,
        KeyExchangeAlgorithm::EcdhePsk,
        NonceConstruction::Explicit,
        32,
        &AES_128_CCM_8_RECORD,
    ),
    known(
        CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256,
        KeyExchangeAlgorithm::Psk,
        NonceConstruction::Explicit,
        32,
        &AES_128_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384,
        KeyExchangeAlgorithm::Psk,
        NonceConstruction::Explicit,
        48,
        &AES_256_GCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_PSK_WITH_CHACHA20_POLY1305_SHA256,
        KeyExchangeAlgorithm::Psk,
        NonceConstruction::Implicit,
        32,
        &CHACHA20_POLY1305_RECORD,
    ),
    known(
        CipherSuiteId::TLS_PSK_WITH_AES_128_CCM,
        KeyExchangeAlgorithm::Psk,
        NonceConstruction::Explicit,
        32,
        &AES_128_CCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_PSK_WITH_AES_256_CCM,
        KeyExchangeAlgorithm::Psk,
        NonceConstruction::Explicit,
        32,
        &AES_256_CCM_RECORD,
    ),
    known(
        CipherSuiteId::TLS_PSK_WITH_AES_128_CCM_8,
        KeyExchangeAlgorithm::Psk,
        NonceConstruction::Explicit,
        32,
        &AES_128_CCM_8_RECORD,
    ),
    known(
        CipherSuiteId::TLS_PSK_WITH_AES_256_CCM_8,
        KeyExchangeAlgorithm::Psk,
        NonceConstruction::Explicit,
        32,
        &AES_256_CCM_8_RECORD,
    ),
];

const fn known(
    id: CipherSuiteId,
    key_exchange: KeyExchangeAlgorithm,
    nonce: NonceConstruction,
    hash_len: usize,
    record: &'static [u8],
) -> KnownSuite {
    KnownSuite { id, key_exchange, nonce, hash_len, record }
}

/// Computed with Python's `cryptography` (OpenSSL), nonce and additional data written out by hand.
const AES_128_GCM_RECORD: [u8; 43] = [
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x62, 0x89, 0xf3, 0xae, 0xbe, 0xf8, 0xad, 0x53, 0xd3, 0x89, 0x18,
    0x29, 0x08, 0xc2, 0x6e, 0x05, 0x86, 0x49, 0x11, 0x3c, 0x09, 0x3f, 0xd1, 0xff, 0x37, 0xcb, 0x31, 0x5a, 0x4a, 0x0c,
    0x00, 0x72, 0xda, 0x16, 0x24,
];

/// Likewise.
const AES_256_GCM_RECORD: [u8; 43] = [
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x2f, 0xa4, 0xd2, 0x34, 0x27, 0x01, 0xa5, 0x7d, 0x07, 0x09, 0x58,
    0x1c, 0xd1, 0x13, 0x20, 0xda, 0x2b, 0x40, 0x17, 0x22, 0x50, 0xa8, 0xc7, 0x75, 0xb0, 0x25, 0x15, 0x58, 0x45, 0x53,
    0x8c, 0xc6, 0xaf, 0x89, 0x3b,
];

/// Likewise.
const CHACHA20_POLY1305_RECORD: [u8; 35] = [
    0x11, 0x58, 0xf7, 0xa1, 0x00, 0x77, 0xc4, 0xfe, 0xcc, 0xf8, 0x5a, 0x0e, 0xf0, 0x51, 0x7d, 0xc9, 0x52, 0x18, 0x51,
    0x34, 0x5c, 0x0a, 0xfb, 0x60, 0xb1, 0xf7, 0x72, 0xef, 0xc2, 0xc1, 0x72, 0x20, 0xac, 0x3a, 0x7a,
];

/// Likewise.
const AES_128_CCM_RECORD: [u8; 43] = [
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x70, 0x04, 0xec, 0x02, 0x4a, 0xc1, 0xa2, 0x71, 0xb6, 0x46, 0xeb,
    0xd3, 0x9f, 0x01, 0xc1, 0xab, 0xa9, 0x4b, 0xd0, 0xf8, 0xb6, 0x71, 0x64, 0x30, 0xbc, 0xad, 0xcb, 0x16, 0xac, 0xc4,
    0xc6, 0x6e, 0x0b, 0x6f, 0x83,
];

/// Likewise.
const AES_128_CCM_8_RECORD: [u8; 35] = [
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x70, 0x04, 0xec, 0x02, 0x4a, 0xc1, 0xa2, 0x71, 0xb6, 0x46, 0xeb,
    0xd3, 0x9f, 0x01, 0xc1, 0xab, 0xa9, 0x4b, 0xd0, 0xb3, 0x8d, 0x58, 0xdb, 0x41, 0xa8, 0x6c, 0x87,
];

/// Likewise.
const AES_256_CCM_RECORD: [u8; 43] = [
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0xad, 0x8f, 0x7c, 0x0a, 0xd6, 0xda, 0x43, 0xbd, 0xda, 0x79, 0xc5,
    0x8a, 0x05, 0xe4, 0x6f, 0x0f, 0x24, 0x14, 0xa7, 0xf7, 0x24, 0xde, 0x55, 0x25, 0x38, 0x97, 0xf3, 0x33, 0x67, 0x7f,
    0x9d, 0x94, 0xcc, 0x64, 0x30,
];

/// Likewise.
const AES_256_CCM_8_RECORD: [u8; 35] = [
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0xad, 0x8f, 0x7c, 0x0a, 0xd6, 0xda, 0x43, 0xbd, 0xda, 0x79, 0xc5,
    0x8a, 0x05, 0xe4, 0x6f, 0x0f, 0x24, 0x14, 0xa7, 0xca, 0x7c, 0x37, 0xb0, 0xb8, 0x58, 0x2a, 0x18,
];

/// FIPS 180-4, example "abc".
const SHA256_ABC: [u8; 32] = [
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61,
    0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
];

/// FIPS 180-4, example "abc".
const SHA384_ABC: [u8; 48] = [
    0xcb, 0x00, 0x75, 0x3f, 0x45, 0xa3, 0x5e, 0x8b, 0xb5, 0xa0, 0x3d, 0x69, 0x9a, 0xc6, 0x50, 0x07, 0x27, 0x2c, 0x32,
    0xab, 0x0e, 0xde, 0xd1, 0x63, 0x1a, 0x8b, 0x60, 0x5a, 0x43, 0xff, 0x5b, 0xed, 0x80, 0x86, 0x07, 0x2b, 0xa1, 0xe7,
    0xcc, 0x23, 0x58, 0xba, 0xec, 0xa1, 0x34, 0xc8, 0x25, 0xa7,
];

/// RFC 4231 section 4.3.
const HMAC_SHA256_JEFE: [u8; 32] = [
    0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f,
    0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
];

/// RFC 4231 section 4.3.
const HMAC_SHA384_JEFE: [u8; 48] = [
    0xaf, 0x45, 0xd2, 0xe3, 0x76, 0x48, 0x40, 0x31, 0x61, 0x7f, 0x78, 0xd2, 0xb5, 0x8a, 0x6b, 0x1b, 0x9c, 0x7e, 0xf4,
    0x64, 0xf5, 0xa0, 0x1b, 0x47, 0xe4, 0x2e, 0xc3, 0x73, 0x63, 0x22, 0x44, 0x5e, 0x8e, 0x22, 0x40, 0xca, 0x5e, 0x69,
    0xe2, 0xc7, 0x8b, 0x32, 0x39, 0xec, 0xfa, 0xb2, 0x16, 0x49,
];

/// A signature that somebody published.
struct KnownSignature {
    scheme: SignatureScheme,
    public_key_id: AlgorithmIdentifier,
    public_key: &'static [u8],
    message: &'static [u8],
    signature: &'static [u8],
}

static KNOWN_SIGNATURES: [KnownSignature; 3] = [
    // RFC 6979 appendix A.2.5, SHA-256.
    KnownSignature {
        scheme: SignatureScheme::ECDSA_SECP256R1_SHA256,
        public_key_id: alg_id::ECDSA_P256,
        public_key: &P256_KEY,
        message: b"sample",
        signature: &P256_SIGNATURE,
    },
    // RFC 6979 appendix A.2.6, SHA-384.
    KnownSignature {
        scheme: SignatureScheme::ECDSA_SECP384R1_SHA384,
        public_key_id: alg_id::ECDSA_P384,
        public_key: &P384_KEY,
        message: b"sample",
        signature: &P384_SIGNATURE,
    },
    // RFC 8032 section 7.1, test 2.
    KnownSignature {
        scheme: SignatureScheme::ED25519,
        public_key_id: alg_id::ED25519,
        public_key: &ED25519_KEY,
        message: &[0x72],
        signature: &ED25519_SIGNATURE,
    },
];

const P256_KEY: [u8; 65] = [
    0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68, 0xc0, 0x49,
    0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6, 0x79, 0x03, 0xfe, 0x10, 0x08,
    0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51,
    0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
];

const P256_SIGNATURE: [u8; 72] = [
    0x30, 0x46, 0x02, 0x21, 0x00, 0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd, 0x9c, 0xd4, 0x5e,
    0x81, 0xd6, 0x9d, 0x2c, 0x87, 0x7b, 0x56, 0xaa, 0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16, 0x02,
    0x21, 0x00, 0xf7, 0xcb, 0x1c, 0x94, 0x2d, 0x65, 0x7c, 0x41, 0xd4, 0x36, 0xc7, 0xa1, 0xb6, 0xe2, 0x9f, 0x65, 0xf3,
    0xe9, 0x00, 0xdb, 0xb9, 0xaf, 0xf4, 0x06, 0x4d, 0xc4, 0xab, 0x2f, 0x84, 0x3a, 0xcd, 0xa8,
];

const P384_KEY: [u8; 97] = [
    0x04, 0xec, 0x3a, 0x4e, 0x41, 0x5b, 0x4e, 0x19, 0xa4, 0x56, 0x86, 0x18, 0x02, 0x9f, 0x42, 0x7f, 0xa5, 0xda, 0x9a,
    0x8b, 0xc4, 0xae, 0x92, 0xe0, 0x2e, 0x06, 0xaa, 0xe5, 0x28, 0x6b, 0x30, 0x0c, 0x64, 0xde, 0xf8, 0xf0, 0xea, 0x90,
    0x55, 0x86, 0x60, 0x64, 0xa2, 0x54, 0x51, 0x54, 0x80, 0xbc, 0x13, 0x80, 0x15, 0xd9, 0xb7, 0x2d, 0x7d, 0x57, 0x24,
    0x4e, 0xa8, 0xef, 0x9a, 0xc0, 0xc6, 0x21, 0x89, 0x67, 0x08, 0xa5, 0x93, 0x67, 0xf9, 0xdf, 0xb9, 0xf5, 0x4c, 0xa8,
    0x4b, 0x3f, 0x1c, 0x9d, 0xb1, 0x28, 0x8b, 0x23, 0x1c, 0x3a, 0xe0, 0xd4, 0xfe, 0x73, 0x44, 0xfd, 0x25, 0x33, 0x26,
    0x47, 0x20,
];

const P384_SIGNATURE: [u8; 104] = [
    0x30, 0x66, 0x02, 0x31, 0x00, 0x94, 0xed, 0xbb, 0x92, 0xa5, 0xec, 0xb8, 0xaa, 0xd4, 0x73, 0x6e, 0x56, 0xc6, 0x91,
    0x91, 0x6b, 0x3f, 0x88, 0x14, 0x06, 0x66, 0xce, 0x9f, 0xa7, 0x3d, 0x64, 0xc4, 0xea, 0x95, 0xad, 0x13, 0x3c, 0x81,
    0xa6, 0x48, 0x15, 0x2e, 0x44, 0xac, 0xf9, 0x6e, 0x36, 0xdd, 0x1e, 0x80, 0xfa, 0xbe, 0x46, 0x02, 0x31, 0x00, 0x99,
    0xef, 0x4a, 0xeb, 0x15, 0xf1, 0x78, 0xce, 0xa1, 0xfe, 0x40, 0xdb, 0x26, 0x03, 0x13, 0x8f, 0x13, 0x0e, 0x74, 0x0a,
    0x19, 0x62, 0x45, 0x26, 0x20, 0x3b, 0x63, 0x51, 0xd0, 0xa3, 0xa9, 0x4f, 0xa3, 0x29, 0xc1, 0x45, 0x78, 0x6e, 0x67,
    0x9e, 0x7b, 0x82, 0xc7, 0x1a, 0x38, 0x62, 0x8a, 0xc8,
];

const ED25519_KEY: [u8; 32] = [
    0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c,
    0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
];

const ED25519_SIGNATURE: [u8; 64] = [
    0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40, 0xa2, 0xb2, 0x7b,
    0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda, 0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15,
    0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c, 0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0,
    0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::providers;
    use crate::crypto::{AeadAlgorithm, AeadKey, CryptoError, Digest, HashContext, KeyExchange, PreMasterSecret};
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use rustls_pki_types::InvalidSignature;

    /// What `check` says about each provider after `change`.
    fn fault(change: impl Fn(&mut CryptoProvider)) -> Vec<ProviderFault> {
        let changed = |mut provider: CryptoProvider| {
            change(&mut provider);
            provider.check().unwrap_err()
        };
        providers().into_iter().map(changed).collect()
    }

    /// Asserts that every provider fails with `expected` after `change`.
    #[track_caller]
    fn assert_fault(expected: ProviderFault, change: impl Fn(&mut CryptoProvider)) {
        assert!(fault(change).iter().all(|fault| *fault == expected), "{expected:?}");
    }

    #[test]
    fn the_providers_of_this_crate_pass() {
        for provider in providers() {
            assert_eq!(provider.check(), Ok(()), "{}", provider.name);
        }
    }

    #[test]
    fn the_providers_of_this_crate_have_what_they_should_in_order() {
        use CipherSuiteId as S;
        for provider in providers() {
            let suites: Vec<_> = provider.cipher_suites.iter().map(|suite| suite.id).collect();
            assert_eq!(
                suites,
                [
                    S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                    S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                    S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                    S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                    S::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                    S::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                    S::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
                    S::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
                    S::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
                    S::TLS_PSK_WITH_AES_128_GCM_SHA256,
                    S::TLS_PSK_WITH_AES_256_GCM_SHA384,
                    S::TLS_PSK_WITH_CHACHA20_POLY1305_SHA256,
                ]
            );
            let groups: Vec<_> = provider.groups.iter().map(|group| group.name()).collect();
            assert_eq!(groups, [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1]);
            assert_eq!(provider.signature_schemes().count(), 9);
            assert!(provider.cipher_suite(S::TLS_FALLBACK_SCSV).is_none());
            assert!(provider.group(NamedGroup(0)).is_none());
        }
    }

    #[test]
    fn empty_and_repeating_lists_are_found() {
        assert_fault(ProviderFault::NoCipherSuite, |provider| provider.cipher_suites.clear());
        assert_fault(ProviderFault::NoGroup, |provider| provider.groups.clear());
        assert_fault(ProviderFault::NoSignature, |provider| provider.signatures.clear());
        let first = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        assert_fault(ProviderFault::CipherSuiteTwice(first), |provider| provider.cipher_suites.extend_from_within(..1));
        assert_fault(ProviderFault::GroupTwice(NamedGroup::X25519), |provider| provider.groups.extend_from_within(..1));
        let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
        assert_fault(ProviderFault::SchemeTwice(scheme), |provider| provider.signatures.extend_from_within(..1));
        assert_fault(ProviderFault::SchemeWithoutAlgorithm(scheme), |provider| {
            provider.signatures[0].algorithms.clear();
        });
    }

    #[test]
    fn misdefined_suites_are_found() {
        let second = CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
        assert_fault(ProviderFault::SuiteMisdefined(second), |provider| {
            provider.cipher_suites[1].key_exchange = KeyExchangeAlgorithm::ECDHE_ECDSA;
        });
        assert_fault(ProviderFault::SuiteMisdefined(second), |provider| {
            provider.cipher_suites[1].hash = provider.cipher_suites[2].hash;
        });
        assert_fault(ProviderFault::SuiteMisdefined(second), |provider| {
            provider.cipher_suites[1].nonce = NonceConstruction::Implicit;
        });
        assert_fault(ProviderFault::SuiteKnownAnswer(second), |provider| {
            provider.cipher_suites[1].aead = provider.cipher_suites[2].aead;
        });
    }

    /// An AEAD that is wrong in one way: it passes everything on to an honest one of 16-byte keys, or to none.
    struct Wrong(Wrongness);

    #[derive(Clone, Copy, PartialEq)]
    enum Wrongness {
        NoProtection,
        LeavesPlaintext,
        TakesAnyKey,
    }

    impl AeadAlgorithm for Wrong {
        fn key_len(&self) -> usize {
            16
        }

        fn tag_len(&self) -> usize {
            16
        }

        fn key(&self, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
            if key.len() != 16 && self.0 != Wrongness::TakesAnyKey {
                Err(CryptoError)
            } else {
                Ok(Box::new(Self(self.0)))
            }
        }
    }

    /// No encryption; the "tag" is the sum of everything.
    impl AeadKey for Wrong {
        fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
            let sum = nonce.iter().chain(aad).chain(&*in_out).fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            tag.fill(sum);
            Ok(())
        }

        fn open(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> Result<usize, CryptoError> {
            let (text, tag) = in_out.split_at_mut(in_out.len() - 16);
            let mut expected = [0; 16];
            self.seal(nonce, aad, text, &mut expected)?;
            if self.0 == Wrongness::NoProtection || expected == tag { Ok(text.len()) } else { Err(CryptoError) }
        }
    }

    #[test]
    fn an_aead_that_does_not_protect_is_found() {
        // Under a number without a known answer, so that the other checks are reached.
        let unknown = CipherSuiteId(0x1301);
        let with = |provider: &mut CryptoProvider, aead| {
            provider.cipher_suites[0].id = unknown;
            provider.cipher_suites[0].aead = aead;
        };
        assert_fault(ProviderFault::SuiteOpensForgery(unknown), |p| with(p, &Wrong(Wrongness::NoProtection)));
        assert_fault(ProviderFault::SuiteLeavesPlaintext(unknown), |p| with(p, &Wrong(Wrongness::LeavesPlaintext)));
        assert_fault(ProviderFault::SuiteKeyLength(unknown), |p| with(p, &Wrong(Wrongness::TakesAnyKey)));
    }

    struct WrongHash(&'static dyn HashAlgorithm, usize);

    impl HashAlgorithm for WrongHash {
        fn name(&self) -> &'static str {
            "wrong"
        }

        fn output_len(&self) -> usize {
            self.1
        }

        fn start(&self) -> Box<dyn HashContext> {
            self.0.start()
        }

        fn hash(&self, data: &[u8]) -> Digest {
            self.0.hash(data)
        }

        fn hmac(&self, key: &[u8], _message: &[&[u8]]) -> Digest {
            self.0.hmac(key, &[])
        }
    }

    #[test]
    fn wrong_hashes_are_found() {
        let wrong = |provider: &CryptoProvider, len| -> &'static dyn HashAlgorithm {
            Box::leak(Box::new(WrongHash(provider.sha256, len)))
        };
        assert_fault(ProviderFault::HmacKnownAnswer("wrong"), |p| p.sha256 = wrong(p, 32));
        assert_fault(ProviderFault::HashKnownAnswer("wrong"), |p| p.sha256 = wrong(p, 48));
        assert_fault(ProviderFault::HashKnownAnswer("wrong"), |p| p.cipher_suites[0].hash = wrong(p, 20));
        assert_fault(ProviderFault::Sha256IsAnotherHash, |p| p.sha256 = p.cipher_suites[2].hash);
    }

    /// "Exchanges" by echoing.
    struct WrongGroup(u8);

    impl KxGroup for WrongGroup {
        fn name(&self) -> NamedGroup {
            NamedGroup::X25519
        }

        fn public_key_len(&self) -> usize {
            32
        }

        fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
            let mut share = vec![0; if self.0 == 0 { 31 } else { 32 }];
            random.fill(&mut share)?;
            Ok(Box::new(WrongExchange(share, self.0)))
        }
    }

    struct WrongExchange(Vec<u8>, u8);

    impl KeyExchange for WrongExchange {
        fn public_key(&self) -> &[u8] {
            &self.0
        }

        fn complete(self: Box<Self>, peer: &[u8]) -> Result<PreMasterSecret, CryptoError> {
            Ok(PreMasterSecret::new(if self.1 == 1 { peer.to_vec() } else { vec![7; 32] }))
        }
    }

    #[test]
    fn wrong_groups_are_found() {
        let name = NamedGroup::X25519;
        assert_fault(ProviderFault::GroupShare(name), |p| p.groups[0] = &WrongGroup(0));
        assert_fault(ProviderFault::GroupDisagrees(name), |p| p.groups[0] = &WrongGroup(1));
        assert_fault(ProviderFault::GroupTakesBadShare(name), |p| p.groups[0] = &WrongGroup(2));
    }

    #[derive(Debug)]
    struct WrongSignature(bool);

    impl SignatureVerificationAlgorithm for WrongSignature {
        fn verify_signature(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
            if self.0 { Ok(()) } else { Err(InvalidSignature) }
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ED25519
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ED25519
        }
    }

    #[test]
    fn wrong_signature_algorithms_are_found() {
        let scheme = SignatureScheme::ED25519;
        assert_fault(ProviderFault::SchemeTakesForgery(scheme), |p| {
            p.signatures[2].algorithms[0] = &WrongSignature(true);
        });
        assert_fault(ProviderFault::SchemeKnownAnswer(scheme), |p| {
            p.signatures[2].algorithms[0] = &WrongSignature(false);
        });
    }

    struct WrongRandom(Result<u8, CryptoError>);

    impl SecureRandom for WrongRandom {
        fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
            out.fill(self.0?);
            Ok(())
        }
    }

    #[test]
    fn missing_and_constant_randomness_is_found() {
        assert_fault(ProviderFault::RandomFails, |p| p.random = Arc::new(WrongRandom(Err(CryptoError))));
        assert_fault(ProviderFault::RandomRepeats, |p| p.random = Arc::new(WrongRandom(Ok(0))));
        assert_fault(ProviderFault::RandomRepeats, |p| p.random = Arc::new(WrongRandom(Ok(0x5a))));
    }
}
