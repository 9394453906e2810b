//! Hash, HMAC and the pseudorandom function of TLS 1.2: RFC 2104, RFC 5246 section 5.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A hash function with an output of at most 48 bytes, and HMAC over it.
pub trait HashAlgorithm: Send + Sync {
    /// What it is called, "SHA-256" say.
    fn name(&self) -> &'static str;

    /// Bytes in the output: at most [`Digest::MAX_LEN`].
    fn output_len(&self) -> usize;

    /// Starts hashing something that comes in pieces.
    fn start(&self) -> Box<dyn HashContext>;

    /// The hash of `data`.
    fn hash(&self, data: &[u8]) -> Digest;

    /// The HMAC under `key`, which may have any length, of the pieces of `message` one behind the other.
    fn hmac(&self, key: &[u8], message: &[&[u8]]) -> Digest;
}

impl fmt::Debug for dyn HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A hash under way, such as that of a handshake's transcript.
pub trait HashContext: Send + Sync {
    /// Adds `data`.
    fn update(&mut self, data: &[u8]);

    /// The hash of everything added so far. More can be added afterwards.
    fn fork_finish(&self) -> Digest;
}

/// The output of a hash or an HMAC.
///
/// Treated as a secret, since the output of an HMAC may be one: erased when dropped, neither cloned nor printed.
pub struct Digest {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Digest {
    /// The longest output there is room for: that of SHA-384.
    pub const MAX_LEN: usize = 48;

    /// Copies what a library computed. For providers.
    ///
    /// Bytes behind the first [`MAX_LEN`](Self::MAX_LEN) are dropped; `CryptoProvider::check` finds a hash that gives
    /// as many.
    #[must_use]
    pub fn copy_from(output: &[u8]) -> Self {
        let mut digest = Self { bytes: [0; Self::MAX_LEN], len: 0 };
        for (to, from) in digest.bytes.iter_mut().zip(output) {
            *to = *from;
            digest.len = digest.len.saturating_add(1);
        }
        digest
    }

    /// Whether this is `other`, in a time that depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.as_ref().ct_eq(other).into()
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest([redacted])")
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// The pseudorandom function of TLS 1.2 (RFC 5246 section 5): fills `out` from `secret`, `label` and the pieces of
/// `seed` one behind the other.
///
/// Does not allocate for up to six pieces of seed.
pub fn prf(hash: &dyn HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let mut last: Option<Digest> = None;
    for chunk in out.chunks_mut(hash.output_len().max(1)) {
        // A(1) is the HMAC over label and seed, A(i) the one over A(i - 1).
        let a = match &last {
            None => hmac_over(hash, secret, &[], label, seed),
            Some(last) => hash.hmac(secret, &[last.as_ref()]),
        };
        let output = hmac_over(hash, secret, a.as_ref(), label, seed);
        for (to, from) in chunk.iter_mut().zip(output.as_ref()) {
            *to = *from;
        }
        last = Some(a);
    }
}

/// The HMAC over `front`, `label` and `seed`, one behind the other.
fn hmac_over(hash: &dyn HashAlgorithm, secret: &[u8], front: &[u8], label: &[u8], seed: &[&[u8]]) -> Digest {
    let parts = [front, label].into_iter().chain(seed.iter().copied());
    let mut room: [&[u8]; 8] = [&[]; 8];
    if seed.len() > room.len() - 2 {
        return hash.hmac(secret, &parts.collect::<Vec<_>>());
    }
    // Places that stay empty add nothing to the message.
    for (place, part) in room.iter_mut().zip(parts) {
        *place = part;
    }
    hash.hmac(secret, &room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{hash, providers, unhex};
    use alloc::format;

    #[test]
    fn hmac_gives_the_answers_of_rfc_4231() {
        // RFC 4231 sections 4.2, 4.3 and 4.7 (a key longer than a block).
        let cases: [(&[u8], &[u8], &str, &str); 3] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
            ),
        ];
        for provider in providers() {
            for (key, message, sha_256, sha_384) in cases {
                assert!(hash(&provider, "SHA-256").hmac(key, &[message]).matches(&unhex(sha_256)));
                let (front, back) = message.split_at(3);
                assert!(hash(&provider, "SHA-384").hmac(key, &[front, &[], back]).matches(&unhex(sha_384)));
            }
        }
    }

    #[test]
    fn a_transcript_can_be_read_and_goes_on() {
        for provider in providers() {
            for name in ["SHA-256", "SHA-384"] {
                let hash = hash(&provider, name);
                let mut transcript = hash.start();
                transcript.update(b"ClientHello");
                assert!(transcript.fork_finish().matches(hash.hash(b"ClientHello").as_ref()));
                transcript.update(b"ServerHello");
                assert!(transcript.fork_finish().matches(hash.hash(b"ClientHelloServerHello").as_ref()));
            }
        }
    }

    #[test]
    fn the_prf_gives_the_answers_of_nist() {
        // NIST CAVP "TLS 1.2 KDF" as distributed in OpenSSL's evpkdf_tls12_prf.txt: master secret, key block.
        let master_secret =
            "202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a043e5d52a65e66125188bf";
        let cases: [(&str, &[u8], &str, &str, &str); 2] = [
            (
                "f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f8d55da062bcadb386b411fd4fe4313a604fce6c17fbc",
                b"master secret",
                "36c129d01a3200894b9179faac589d9835d58775f9b5ea3587cb8fd0364cae8c",
                "f6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaae043abfb50053fce",
                master_secret,
            ),
            (
                master_secret,
                b"key expansion",
                "ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868",
                "62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616",
                "d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f7e1d6590d0f0566b\
                 2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c38445ad9f8c64bf8068bf9a6679485d966f\
                 1ad6f68b43495b10a683755ea2b858d70ccac7ec8b053c6bd41ca299d4e51928",
            ),
        ];
        for provider in providers() {
            for (secret, label, first, second, expected) in cases {
                let expected = unhex(expected);
                let mut out = alloc::vec![0; expected.len()];
                prf(hash(&provider, "SHA-256"), &unhex(secret), label, &[&unhex(first), &unhex(second)], &mut out);
                assert_eq!(out, expected);
            }
        }
    }

    #[test]
    fn the_prf_over_sha_384_gives_the_answer_of_the_ietf_list() {
        // The P_SHA384 vector published on the IETF TLS list, as in Botan's and wolfSSL's test suites.
        let expected = unhex(
            "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0\
             e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425\
             9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f",
        );
        let secret = unhex("b80b733d6ceefcdc71566ea48e5567df");
        let seed = unhex("cd665cf6a8447dd6ff8b27555edb7465");
        for provider in providers() {
            let mut out = alloc::vec![0; expected.len()];
            prf(hash(&provider, "SHA-384"), &secret, b"test label", &[&seed], &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn how_the_seed_is_cut_does_not_matter() {
        let seed: Vec<u8> = (0..60).collect();
        for provider in providers() {
            let hash = hash(&provider, "SHA-256");
            let mut whole = [0; 77];
            prf(hash, b"secret", b"label", &[&seed], &mut whole);
            for size in [1, 7, 10, 12, 30] {
                let mut cut = [0; 77];
                prf(hash, b"secret", b"label", &seed.chunks(size).collect::<Vec<_>>(), &mut cut);
                assert_eq!(cut, whole, "pieces of {size}");
            }
        }
    }

    #[test]
    fn a_digest_does_not_print_itself_and_matches_only_all_of_itself() {
        let digest = Digest::copy_from(&[0xab; 32]);
        assert_eq!(format!("{digest:?}"), "Digest([redacted])");
        assert!(digest.matches(&[0xab; 32]));
        assert!(!digest.matches(&[0xab; 31]));
        assert!(!digest.matches(&[]));
        assert_eq!(Digest::copy_from(&[1; 64]).as_ref().len(), Digest::MAX_LEN);
    }
}
