//! Trust in certificates and keys one by one.

use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use super::verify::{CertificateError, PeerAuthenticated, PeerVerifier, PresentedPeer};
use super::x509::SubjectPublicKey;
use crate::wire::enums::CertificateType;

/// Accepts a peer whose leaf certificate is one of a set, byte for byte, in either role.
///
/// Neither names nor dates nor issuers are looked at, and X.509 v1 is as good as v3: whoever put the certificate into
/// the set vouches for it. The rest of the chain does not count.
#[derive(Clone)]
pub struct PinnedCertificates(Vec<CertificateDer<'static>>);

impl PinnedCertificates {
    /// Accepts these certificates, in DER.
    ///
    /// # Errors
    ///
    /// If there are none: nobody could connect.
    pub fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, NothingPinned> {
        let certificates: Vec<_> = certificates.into_iter().collect();
        if certificates.is_empty() { Err(NothingPinned) } else { Ok(Self(certificates)) }
    }
}

impl PeerVerifier for PinnedCertificates {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        let leaf = peer.chain()?.first().ok_or(CertificateError::Unreadable)?;
        // Certificates are public: there is nothing that the time of a comparison could tell.
        if self.0.iter().any(|pinned| pinned == leaf) {
            Ok(PeerAuthenticated::checked())
        } else {
            Err(CertificateError::NotPinned)
        }
    }
}

impl fmt::Debug for PinnedCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedCertificates({} certificates)", self.0.len())
    }
}

/// Accepts a peer whose public key is one of a set, in either role: a bare key (RFC 7250), or where the peer does not
/// know that, the key of any certificate.
///
/// Neither names nor dates nor issuers are looked at: whoever put the key into the set vouches for it.
#[derive(Clone)]
pub struct PinnedPublicKeys(Vec<SubjectPublicKeyInfoDer<'static>>);

impl PinnedPublicKeys {
    /// Accepts these keys.
    ///
    /// # Errors
    ///
    /// If there are none, or one is none: nobody could connect by it.
    pub fn new(keys: impl IntoIterator<Item = SubjectPublicKeyInfoDer<'static>>) -> Result<Self, UnusablePins> {
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(UnusablePins::None);
        }
        match keys.iter().position(|key| SubjectPublicKey::read(key).is_err()) {
            Some(index) => Err(UnusablePins::Unreadable { index }),
            None => Ok(Self(keys)),
        }
    }
}

impl PeerVerifier for PinnedPublicKeys {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        let shown = peer.credential.public_key().map_err(|_| CertificateError::Unreadable)?;
        if self.0.iter().any(|pinned| SubjectPublicKey::read(pinned) == Ok(shown)) {
            Ok(PeerAuthenticated::checked())
        } else {
            Err(CertificateError::NotPinned)
        }
    }

    fn certificate_types(&self) -> &[CertificateType] {
        &[CertificateType::RAW_PUBLIC_KEY, CertificateType::X509]
    }
}

impl fmt::Debug for PinnedPublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedPublicKeys({} keys)", self.0.len())
    }
}

/// The set of what is pinned is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NothingPinned;

impl fmt::Display for NothingPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was pinned; pin at least one certificate or key, or nobody can connect")
    }
}

impl core::error::Error for NothingPinned {}

/// Why nobody could connect by the keys that were pinned, or by one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnusablePins {
    /// There are none.
    None,
    /// One is no `SubjectPublicKeyInfo` in DER.
    Unreadable {
        /// Which, counted from 0.
        index: usize,
    },
}

impl fmt::Display for UnusablePins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => NothingPinned.fmt(f),
            Self::Unreadable { index } => {
                write!(f, "key {} of those pinned is no public key in DER (SubjectPublicKeyInfo)", index + 1)
            }
        }
    }
}

impl core::error::Error for UnusablePins {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{V1_CERTIFICATE, self_signed};
    use crate::crypto::verify::{PeerCredential, PeerRole};
    use core::slice::from_ref;
    use rustls_pki_types::alg_id;

    fn verify(verifier: &PinnedCertificates, chain: &[CertificateDer<'_>]) -> Result<(), CertificateError> {
        let as_server = verifier.verify(&PresentedPeer::with_chain(chain, PeerRole::Server { name: None })).map(|_| ());
        let as_client = verifier.verify(&PresentedPeer::with_chain(chain, PeerRole::Client)).map(|_| ());
        assert_eq!(as_server, as_client);
        as_server
    }

    #[test]
    fn only_a_pinned_leaf_is_let_in() {
        let [ours, other, stranger] = [(), (), ()].map(|()| self_signed().0);
        let verifier = PinnedCertificates::new([ours.clone(), other.clone()]).unwrap();
        assert_eq!(verify(&verifier, from_ref(&other)), Ok(()));
        assert_eq!(verify(&verifier, &[ours.clone(), stranger.clone()]), Ok(()));
        assert_eq!(verify(&verifier, from_ref(&stranger)), Err(CertificateError::NotPinned));
        assert_eq!(verify(&verifier, &[stranger, ours]), Err(CertificateError::NotPinned));
        assert_eq!(verify(&verifier, &[]), Err(CertificateError::Unreadable));
    }

    #[test]
    fn a_pinned_certificate_may_be_of_version_1() {
        let v1 = CertificateDer::from(V1_CERTIFICATE);
        let verifier = PinnedCertificates::new([v1.clone()]).unwrap();
        assert_eq!(verify(&verifier, &[v1]), Ok(()));
    }

    #[test]
    fn an_empty_set_is_refused() {
        assert_eq!(PinnedCertificates::new([]).map(|_| ()), Err(NothingPinned));
        assert_eq!(PinnedPublicKeys::new([]).map(|_| ()), Err(UnusablePins::None));
    }

    #[test]
    fn the_same_bits_of_another_kind_of_key_are_another_key() {
        let certificate = self_signed().0;
        let chain = from_ref(&certificate);
        let pinned = PeerCredential::Certificates(chain).public_key().unwrap();
        assert_eq!(pinned.algorithm_id, alg_id::ECDSA_P256.as_ref());
        let other = SubjectPublicKey { algorithm_id: alg_id::ECDSA_P384.as_ref(), ..pinned };
        for (pinned, verdict) in [(pinned, Ok(())), (other, Err(CertificateError::NotPinned))] {
            let verifier = PinnedPublicKeys::new([pinned.write().unwrap()]).unwrap();
            let peer = PresentedPeer::with_chain(chain, PeerRole::Client);
            assert_eq!(verifier.verify(&peer).map(|_| ()), verdict);
        }
    }

    #[test]
    fn a_pin_that_is_no_key_is_refused_and_named() {
        let certificate = self_signed().0;
        let key = PeerCredential::Certificates(from_ref(&certificate)).public_key_info().unwrap();
        let longer = [&key[..], &[0]].concat().into();
        // A certificate is a likely mistake, as is a key without what says of which kind it is.
        for other in [certificate.to_vec().into(), Vec::new().into(), key[1..].to_vec().into(), longer] {
            let refused = PinnedPublicKeys::new([key.clone(), other]).map(|_| ());
            assert_eq!(refused, Err(UnusablePins::Unreadable { index: 1 }));
        }
        PinnedPublicKeys::new([key]).unwrap();
    }
}
