//! Providers that are wrong in one way each.

use super::*;
use crate::crypto::suite::{KeyExchangeAlgorithm, NonceConstruction};
use crate::crypto::testing::providers;
use crate::crypto::{AeadAlgorithm, AeadKey, CryptoError, Digest, HashContext, KeyExchange, PreMasterSecret};
use alloc::boxed::Box;
use alloc::sync::Arc;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, alg_id};

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
        if key.len() != 16 && self.0 != Wrongness::TakesAnyKey { Err(CryptoError) } else { Ok(Box::new(Self(self.0))) }
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
