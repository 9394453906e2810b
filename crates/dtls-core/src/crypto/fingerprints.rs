//! Trust in certificates by their fingerprint, as WebRTC has it: RFC 8122 section 5, RFC 8827 section 6.5.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use subtle::{Choice, ConstantTimeEq};

use super::hash::HashAlgorithm;
use super::verify::{CertificateError, PeerAuthenticated, PeerVerifier, PresentedPeer};
use super::x509::fingerprint_text;
use super::{CryptoProvider, Digest};

/// Accepts a peer whose leaf certificate has one of a set of fingerprints, in either role.
///
/// Neither names nor dates nor issuers are looked at: whoever gave us the fingerprint vouches for the certificate.
/// The rest of the chain does not count.
pub struct Fingerprints {
    fingerprints: Vec<Fingerprint>,
    hash: &'static dyn HashAlgorithm,
}

impl Fingerprints {
    /// Accepts the certificates with these fingerprints, one of which must match.
    ///
    /// # Errors
    ///
    /// [`FingerprintError::Empty`] if there are none: nobody could connect.
    pub fn new(
        provider: &CryptoProvider,
        fingerprints: impl IntoIterator<Item = Fingerprint>,
    ) -> Result<Self, FingerprintError> {
        let fingerprints: Vec<_> = fingerprints.into_iter().collect();
        if fingerprints.is_empty() {
            return Err(FingerprintError::Empty);
        }
        Ok(Self { fingerprints, hash: provider.sha256 })
    }
}

impl PeerVerifier for Fingerprints {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        let leaf = peer.chain()?.first().ok_or(CertificateError::Unreadable)?;
        let digest = self.hash.hash(leaf);
        // All are compared, so that the time does not tell which one matched.
        let mut matches = Choice::from(0);
        for fingerprint in &self.fingerprints {
            matches |= fingerprint.0.ct_eq(digest.as_ref());
        }
        if matches.into() { Ok(PeerAuthenticated::checked()) } else { Err(CertificateError::NotPinned) }
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fingerprints").field(&self.fingerprints).finish()
    }
}

/// The SHA-256 hash of a certificate in DER.
///
/// Parsed from and printed in the form of SDP (RFC 8122 section 5), `sha-256 AB:CD:..`; a colon may stand in the place
/// of the space, and letters may be of either case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with these bytes.
    #[must_use]
    pub const fn new(sha_256: [u8; 32]) -> Self {
        Self(sha_256)
    }

    /// The fingerprint of the certificate `cert` in DER.
    #[must_use]
    pub fn of(provider: &CryptoProvider, cert: &[u8]) -> Self {
        Self::from_digest(&provider.sha256.hash(cert))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn from_digest(digest: &Digest) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (hash, digest) = text.trim().split_once([' ', ':']).ok_or(FingerprintError::Malformed)?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return Err(FingerprintError::UnsupportedHash);
        }
        let mut bytes = [0; 32];
        let mut pairs = digest.trim_start().split(':');
        for byte in &mut bytes {
            let pair = pairs.next().ok_or(FingerprintError::Malformed)?;
            // Digits only: the parser of the language would also take a sign.
            if pair.len() != 2 || !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(FingerprintError::Malformed);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| FingerprintError::Malformed)?;
        }
        if pairs.next().is_some() { Err(FingerprintError::Malformed) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha-256 {}", fingerprint_text(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why there is no fingerprint to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FingerprintError {
    /// The set of fingerprints is empty.
    Empty,
    /// The text is not a hash's name and pairs of hexadecimal digits with colons between them.
    Malformed,
    /// The hash is not SHA-256.
    UnsupportedHash,
}

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no fingerprint was given; give at least one, or nobody can connect",
            Self::Malformed => "not a fingerprint; write \"sha-256\", a space or colon, and 32 pairs like \"AB:CD:..\"",
            Self::UnsupportedHash => "a fingerprint by another hash than sha-256; ask for one by sha-256",
        })
    }
}

impl core::error::Error for FingerprintError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{providers, self_signed};
    use crate::crypto::verify::PeerRole;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;
    use core::slice::from_ref;
    use rustls_pki_types::CertificateDer;

    fn verify(verifier: &Fingerprints, chain: &[CertificateDer<'_>]) -> Result<(), CertificateError> {
        let as_server = verifier.verify(&PresentedPeer::with_chain(chain, PeerRole::Server { name: None })).map(|_| ());
        let as_client = verifier.verify(&PresentedPeer::with_chain(chain, PeerRole::Client)).map(|_| ());
        assert_eq!(as_server, as_client);
        as_server
    }

    #[test]
    fn any_of_the_fingerprints_lets_its_certificate_in() {
        let [ours, other, stranger] = [(), (), ()].map(|()| self_signed().0);
        for provider in providers() {
            let set = [&other, &ours].map(|cert| Fingerprint::of(&provider, cert));
            let verifier = Fingerprints::new(&provider, set).unwrap();
            assert_eq!(verify(&verifier, from_ref(&ours)), Ok(()));
            assert_eq!(verify(&verifier, from_ref(&other)), Ok(()));
            assert_eq!(verify(&verifier, from_ref(&stranger)), Err(CertificateError::NotPinned));
        }
    }

    #[test]
    fn only_the_leaf_counts() {
        let [ours, stranger] = [(), ()].map(|()| self_signed().0);
        for provider in providers() {
            let verifier = Fingerprints::new(&provider, [Fingerprint::of(&provider, &ours)]).unwrap();
            assert_eq!(verify(&verifier, &[stranger.clone(), ours.clone()]), Err(CertificateError::NotPinned));
            assert_eq!(verify(&verifier, &[]), Err(CertificateError::Unreadable));
        }
    }

    #[test]
    fn a_fingerprint_with_one_wrong_bit_does_not_match() {
        let ours = self_signed().0;
        for provider in providers() {
            for at in [0, 15, 31] {
                let mut bytes = *Fingerprint::of(&provider, &ours).as_bytes();
                bytes[at] ^= 1;
                let verifier = Fingerprints::new(&provider, [Fingerprint::new(bytes)]).unwrap();
                assert_eq!(verify(&verifier, from_ref(&ours)), Err(CertificateError::NotPinned));
            }
        }
    }

    #[test]
    fn an_empty_set_is_refused() {
        for provider in providers() {
            assert_eq!(Fingerprints::new(&provider, vec![]).map(|_| ()), Err(FingerprintError::Empty));
        }
    }

    #[test]
    fn both_forms_and_both_cases_are_read_and_one_is_written() {
        let bytes: [u8; 32] = core::array::from_fn(|i| u8::try_from(i * 8).unwrap());
        let pairs = fingerprint_text(&bytes);
        for text in [
            format!("sha-256:{pairs}"),
            format!("sha-256 {pairs}"),
            format!("SHA-256 {}", pairs.to_lowercase()),
            format!("  sha-256  {pairs}\r\n"),
        ] {
            assert_eq!(text.parse(), Ok(Fingerprint::new(bytes)), "{text}");
        }
        assert_eq!(Fingerprint::new(bytes).to_string(), format!("sha-256 {pairs}"));
        assert!(pairs.starts_with("00:08:10:18") && pairs.ends_with("F0:F8"));
    }

    #[test]
    fn text_that_is_not_a_fingerprint_is_refused() {
        let pairs = fingerprint_text(&[0xab; 32]);
        for (text, error) in [
            (format!("sha-1 {pairs}"), FingerprintError::UnsupportedHash),
            (format!("sha-512 {pairs}"), FingerprintError::UnsupportedHash),
            (pairs.clone(), FingerprintError::UnsupportedHash),
            (format!("sha-256 {pairs}:AB"), FingerprintError::Malformed),
            (format!("sha-256 {}", &pairs[3..]), FingerprintError::Malformed),
            (format!("sha-256 +A{}", &pairs[2..]), FingerprintError::Malformed),
            (format!("sha-256 {}", pairs.replace(':', "")), FingerprintError::Malformed),
            (format!("sha-256 {}", pairs.replace('A', "G")), FingerprintError::Malformed),
            ("sha-256".to_string(), FingerprintError::Malformed),
            ("sha-256 ".to_string(), FingerprintError::Malformed),
            ("".to_string(), FingerprintError::Malformed),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }
}
