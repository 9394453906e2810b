//! Is a provider what it says? Known answers and consistency, the same for every provider.
//!
//! Each answer names its origin. What has no short known answer (RSA) is tested in this crate's tests only.

mod known;

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::SignatureVerificationAlgorithm;

use super::aead::{RecordOpener, RecordSealer};
use super::hash::HashAlgorithm;
use super::kx::KxGroup;
use super::suite::CipherSuite;
use super::{CryptoProvider, SecureRandom};
use crate::wire::enums::{CipherSuiteId, NamedGroup, SignatureScheme};
use crate::wire::record::RecordNumber;
use known::{HEADER, HMAC_SHA256_JEFE, HMAC_SHA384_JEFE, KNOWN_SIGNATURES, KNOWN_SUITES, SHA256_ABC, SHA384_ABC};

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

#[cfg(test)]
mod tests;
