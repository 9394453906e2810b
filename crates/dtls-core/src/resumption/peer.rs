//! Who the peer of a session has proved to be, as either side remembers it.

use alloc::vec::Vec;

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use crate::crypto::verify::{PeerCredential, PeerRole, PeerVerifier, PresentedPeer};
use crate::event::SessionInfo;
use crate::wire::certificate::Certificate;
use crate::wire::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use crate::wire::enums::CertificateType;

/// Who the peer has proved to be.
#[derive(Clone, Debug)]
pub(crate) enum KnownPeer {
    /// A client that showed nothing.
    Anonymous,
    /// Never empty.
    Certificates(Vec<CertificateDer<'static>>),
    RawPublicKey(SubjectPublicKeyInfoDer<'static>),
    /// Whoever has the key that goes with the client's identity.
    PresharedKey {
        identity: Vec<u8>,
        /// Which key that was: see [`PresharedKey::mark`](crate::crypto::PresharedKey).
        mark: [u8; 32],
    },
}

impl KnownPeer {
    /// Who it is that the owner has been told of; `mark` is that of the pre-shared key, if there was one.
    pub(crate) fn of(info: &SessionInfo, mark: Option<[u8; 32]>) -> Self {
        match (&info.psk_identity, &info.peer_raw_public_key, info.peer_certificates.as_slice()) {
            (Some(identity), ..) => Self::PresharedKey { identity: identity.clone(), mark: mark.unwrap_or_default() },
            (None, Some(key), _) => Self::RawPublicKey(key.clone()),
            (None, None, []) => Self::Anonymous,
            (None, None, chain) => Self::Certificates(chain.to_vec()),
        }
    }

    /// Tells the owner of the new connection what that of the first was told.
    pub(crate) fn tell(&self, info: &mut SessionInfo) {
        match self {
            Self::Anonymous => {}
            Self::Certificates(chain) => info.peer_certificates.clone_from(chain),
            Self::RawPublicKey(key) => info.peer_raw_public_key = Some(key.clone()),
            Self::PresharedKey { identity, .. } => info.psk_identity = Some(identity.clone()),
        }
    }

    /// Whether `verifier` would let it in today, by the credential that it showed then.
    pub(crate) fn is_trusted(&self, verifier: &dyn PeerVerifier, role: PeerRole<'_>) -> bool {
        let (credential, typ) = match self {
            Self::Certificates(chain) => (PeerCredential::Certificates(chain), CertificateType::X509),
            Self::RawPublicKey(key) => (PeerCredential::RawPublicKey(key), CertificateType::RAW_PUBLIC_KEY),
            Self::Anonymous | Self::PresharedKey { .. } => return false,
        };
        let presented = PresentedPeer { credential, role, ocsp_response: None };
        let is_asked = verifier.certificate_types().contains(&typ) && !verifier.defers(&presented);
        is_asked && verifier.verify(&presented).is_ok()
    }

    /// How many bytes of the heap it takes.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Anonymous => 0,
            Self::Certificates(chain) => chain.iter().map(|certificate| certificate.len()).sum(),
            Self::RawPublicKey(key) => key.len(),
            Self::PresharedKey { identity, .. } => identity.len(),
        }
    }
}

/// ```text
///   kind(1) [length(3) certificate_list | length(3) SubjectPublicKeyInfo | length(3) identity mark(32)]
/// ```
impl Encode for KnownPeer {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Anonymous => out.push(0),
            Self::Certificates(chain) => {
                out.push(1);
                Certificate { chain: chain.iter().map(|der| &**der).collect() }.encode(out);
            }
            Self::RawPublicKey(key) => {
                out.push(2);
                put_vector::<3>(out, |out| out.extend_from_slice(key));
            }
            Self::PresharedKey { identity, mark } => {
                out.push(3);
                put_vector::<3>(out, |out| out.extend_from_slice(identity));
                out.extend_from_slice(mark);
            }
        }
    }
}

impl Decode<'_> for KnownPeer {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Anonymous,
            1 => {
                let chain = Certificate::decode(reader)?.chain;
                if chain.is_empty() {
                    return Err(DecodeError::VectorLength);
                }
                Self::Certificates(chain.into_iter().map(|der| CertificateDer::from(der.to_vec())).collect())
            }
            2 => Self::RawPublicKey(SubjectPublicKeyInfoDer::from(reader.vector_u24()?.to_vec())),
            3 => Self::PresharedKey { identity: reader.vector_u24()?.to_vec(), mark: *reader.array()? },
            _ => return Err(DecodeError::ForbiddenValue),
        })
    }
}
