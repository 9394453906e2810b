//! Decisions that take their time: what a connection asks its owner, and the answers.
//!
//! ```text
//!   verifier, key table, signer, selector ── "not now" ─▶ Event::Asked ─▶ Connection::question
//!                                                                               │
//!                             Connection::answer ◀── a thread, a task, a person ◀┘
//! ```
//!
//! Whoever a configuration has decide may decide at once, or say by `defers` that the owner will. Then the handshake
//! stands still: nothing is repeated, what arrives is kept or dropped as ever, and only
//! [`Settings::handshake_timeout`](crate::config::Settings::handshake_timeout) runs on.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer};

use crate::config::{ChooseIdentity, SelectConfig, Selected};
use crate::crypto::psk::{PresharedKey, PskClient, PskIdentity, PskServer};
use crate::crypto::sign::Identity;
use crate::crypto::verify::{PeerAuthenticated, PeerCredential, PeerRole, PeerVerifier, PresentedPeer};
use crate::error::CertificateError;
use crate::wire::certificate::CertificateRequest;
use crate::wire::codec::{Decode as _, Encode as _};
use crate::wire::enums::{CertificateType, SignatureScheme};
use crate::wire::hello::ClientHello;

/// What a connection asks its owner, from [`Connection::question`](crate::Connection::question). A connection asks one
/// thing at a time, and each at most once.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "lent for a moment, never kept")]
pub enum Question<'a> {
    /// Which configuration serves the client that says this hello? To be answered with [`Answer::Config`].
    Config(ClientHello<'a>),
    /// Is the peer one to trust, by the certificates that it shows? It has proved that it holds the key of the first. To
    /// be answered with [`Answer::Peer`].
    Peer(PresentedPeer<'a>),
    /// Which certificate or bare key do we show to the server that asks for one in this way? To be answered with
    /// [`Answer::Identity`].
    Identity {
        /// What the server takes.
        request: CertificateRequest<'a>,
        /// In which form.
        certificate_type: CertificateType,
    },
    /// What is the signature of this message? To be answered with [`Answer::Signature`].
    Signature {
        /// Whose key is to sign.
        identity: &'a Identity,
        /// How.
        scheme: SignatureScheme,
        /// What: not hashed yet.
        message: &'a [u8],
    },
    /// Which pre-shared key does the client have that calls itself so? To be answered with [`Answer::PresharedKey`].
    PresharedKey {
        /// What the client calls itself, in bytes as sent. Not proven.
        identity: &'a [u8],
    },
    /// Which pre-shared key do we use with the server that gives this hint? To be answered with
    /// [`Answer::PskIdentity`].
    PskIdentity {
        /// The hint, in bytes as sent. Not proven.
        hint: Option<&'a [u8]>,
    },
}

/// What an owner answers, by [`Connection::answer`](crate::Connection::answer).
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// As [`SelectConfig::select`](crate::config::SelectConfig::select) answers.
    Config(Option<Selected>),
    /// As [`PeerVerifier::verify`](crate::crypto::PeerVerifier::verify) answers, whose verdict can be handed on.
    ///
    /// A verdict does not say about whom it is: it counts for the peer of the connection that it is handed to, and for what
    /// that asks at this moment. Who asks about several at a time must keep apart which verdict is whose.
    Peer(Result<PeerAuthenticated, CertificateError>),
    /// As [`ChooseIdentity::choose`](crate::config::ChooseIdentity::choose) answers: an identity of another form than was
    /// asked for ends the handshake with [`Error::IdentityOfOtherForm`](crate::Error::IdentityOfOtherForm).
    Identity(Option<Identity>),
    /// The signature, in the encoding that [`SigningKey::sign`](crate::crypto::SigningKey::sign) gives it. It is
    /// verified before it is sent.
    Signature(Vec<u8>),
    /// As [`PskServer::key`](crate::crypto::psk::PskServer::key) answers.
    PresharedKey(Option<Arc<PresharedKey>>),
    /// As [`PskClient::identity`](crate::crypto::psk::PskClient::identity) answers.
    PskIdentity(Option<PskIdentity>),
    /// There will be no answer: the database is down, the signer does not respond. The handshake ends with
    /// [`Error::DecisionFailed`](crate::Error::DecisionFailed), whatever was asked.
    Failed,
}

impl Question<'_> {
    /// Copies what is lent, so that whoever answers can do so in another thread or task while the connection goes on.
    #[must_use]
    pub fn into_owned(self) -> OwnedQuestion {
        OwnedQuestion(match self {
            Self::Config(hello) => Owned::Config(hello.to_vec()),
            Self::Peer(peer) => Owned::Peer(OwnedPeer::of(&peer)),
            Self::Identity { request, certificate_type } => {
                Owned::Identity { request: request.to_vec(), certificate_type }
            }
            Self::Signature { identity, scheme, message } => {
                Owned::Signature { identity: identity.clone(), scheme, message: message.to_vec() }
            }
            Self::PresharedKey { identity } => Owned::PresharedKey(identity.to_vec()),
            Self::PskIdentity { hint } => Owned::PskIdentity(hint.map(<[u8]>::to_vec)),
        })
    }

    /// Whether this is an answer to the question.
    pub(crate) const fn is_answered_by(&self, answer: &Answer) -> bool {
        matches!(
            (self, answer),
            (_, Answer::Failed)
                | (Self::Config(_), Answer::Config(_))
                | (Self::Peer(_), Answer::Peer(_))
                | (Self::Identity { .. }, Answer::Identity(_))
                | (Self::Signature { .. }, Answer::Signature(_))
                | (Self::PresharedKey { .. }, Answer::PresharedKey(_))
                | (Self::PskIdentity { .. }, Answer::PskIdentity(_))
        )
    }
}

/// A [`Question`] that has left its connection, from [`Question::into_owned`].
#[derive(Clone, Debug)]
pub struct OwnedQuestion(Owned);

impl OwnedQuestion {
    /// The question itself. `None` for none that a connection has asked: messages are kept in the form of the wire, and
    /// only what can be read there is asked about.
    #[must_use]
    pub fn question(&self) -> Option<Question<'_>> {
        Some(match &self.0 {
            Owned::Config(hello) => Question::Config(ClientHello::decode_all(hello).ok()?),
            Owned::Peer(peer) => Question::Peer(peer.presented()),
            Owned::Identity { request, certificate_type } => Question::Identity {
                request: CertificateRequest::decode_all(request).ok()?,
                certificate_type: *certificate_type,
            },
            Owned::Signature { identity, scheme, message } => {
                Question::Signature { identity, scheme: *scheme, message }
            }
            Owned::PresharedKey(identity) => Question::PresharedKey { identity },
            Owned::PskIdentity(hint) => Question::PskIdentity { hint: hint.as_deref() },
        })
    }
}

/// [`Question`] without a borrow.
#[derive(Clone, Debug)]
enum Owned {
    Config(Vec<u8>),
    Peer(OwnedPeer),
    Identity { request: Vec<u8>, certificate_type: CertificateType },
    Signature { identity: Identity, scheme: SignatureScheme, message: Vec<u8> },
    PresharedKey(Vec<u8>),
    PskIdentity(Option<Vec<u8>>),
}

/// [`PresentedPeer`] without a borrow.
#[derive(Clone, Debug)]
struct OwnedPeer {
    credential: OwnedCredential,
    role: OwnedRole,
    ocsp_response: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum OwnedCredential {
    Certificates(Vec<CertificateDer<'static>>),
    RawPublicKey(SubjectPublicKeyInfoDer<'static>),
}

#[derive(Clone, Debug)]
enum OwnedRole {
    Server { name: Option<ServerName<'static>> },
    Client,
}

impl OwnedPeer {
    fn of(peer: &PresentedPeer<'_>) -> Self {
        let owned = |der: &[u8]| der.to_vec();
        Self {
            credential: match peer.credential {
                PeerCredential::Certificates(chain) => {
                    OwnedCredential::Certificates(chain.iter().map(|each| owned(each).into()).collect())
                }
                PeerCredential::RawPublicKey(key) => OwnedCredential::RawPublicKey(owned(key).into()),
            },
            role: match peer.role {
                PeerRole::Server { name } => OwnedRole::Server { name: name.map(ServerName::to_owned) },
                PeerRole::Client => OwnedRole::Client,
            },
            ocsp_response: peer.ocsp_response.map(owned),
        }
    }

    fn presented(&self) -> PresentedPeer<'_> {
        PresentedPeer {
            credential: match &self.credential {
                OwnedCredential::Certificates(chain) => PeerCredential::Certificates(chain),
                OwnedCredential::RawPublicKey(key) => PeerCredential::RawPublicKey(key),
            },
            role: match &self.role {
                OwnedRole::Server { name } => PeerRole::Server { name: name.as_ref() },
                OwnedRole::Client => PeerRole::Client,
            },
            ocsp_response: self.ocsp_response.as_deref(),
        }
    }
}

/// The connection asks nothing, or something else: it is over, or the answer came twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAsked;

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection asks nothing that this would answer; it may have ended, or been answered before")
    }
}

impl core::error::Error for NotAsked {}

/// Leaves every decision to the owner of the connection, in the place of a verifier, a table of keys or a selector.
///
/// What is said before anybody is asked is what most owners would say; [`AskOwnerWith`] says something else.
#[derive(Clone, Copy, Debug)]
pub struct AskOwner;

/// Peers may show certificates or bare keys.
impl PeerVerifier for AskOwner {
    fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        Err(CertificateError::Rejected)
    }

    fn defers(&self, _: &PresentedPeer<'_>) -> bool {
        true
    }

    fn certificate_types(&self) -> &[CertificateType] {
        &[CertificateType::X509, CertificateType::RAW_PUBLIC_KEY]
    }
}

impl PskServer for AskOwner {
    fn key(&self, _: &[u8]) -> Option<Arc<PresharedKey>> {
        None
    }

    fn defers(&self, _: &[u8]) -> bool {
        true
    }
}

impl PskClient for AskOwner {
    fn identity(&self, _: Option<&[u8]>) -> Option<PskIdentity> {
        None
    }

    fn defers(&self, _: Option<&[u8]>) -> bool {
        true
    }
}

impl SelectConfig for AskOwner {
    fn select(&self, _: &ClientHello<'_>) -> Option<Selected> {
        None
    }

    fn defers(&self, _: &ClientHello<'_>) -> bool {
        true
    }
}

impl ChooseIdentity for AskOwner {
    fn choose(&self, _: &CertificateRequest<'_>, _: CertificateType) -> Option<Identity> {
        None
    }

    fn defers(&self, _: &CertificateRequest<'_>) -> bool {
        true
    }
}

/// Like [`AskOwner`], in the place of a verifier, a chooser of identities or a table of keys, where something has to be known
/// of the answers before they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct AskOwnerWith {
    certificate_types: &'static [CertificateType],
    usual_len: usize,
}

impl Default for AskOwnerWith {
    /// Certificates, and keys of 16 bytes.
    fn default() -> Self {
        Self { certificate_types: &[CertificateType::X509], usual_len: 16 }
    }
}

impl AskOwnerWith {
    /// The forms in which a key may be shown, by the peer to a verifier or by the client that its owner chooses for; the
    /// favourite first, at least one.
    #[must_use]
    pub const fn certificate_types(self, certificate_types: &'static [CertificateType]) -> Self {
        Self { certificate_types, ..self }
    }

    /// How long pre-shared keys are: see [`PskServer::usual_len`].
    #[must_use]
    pub const fn usual_len(self, usual_len: usize) -> Self {
        Self { usual_len, ..self }
    }
}

impl PeerVerifier for AskOwnerWith {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        AskOwner.verify(peer)
    }

    fn defers(&self, _: &PresentedPeer<'_>) -> bool {
        true
    }

    fn certificate_types(&self) -> &[CertificateType] {
        self.certificate_types
    }
}

impl ChooseIdentity for AskOwnerWith {
    fn choose(&self, _: &CertificateRequest<'_>, _: CertificateType) -> Option<Identity> {
        None
    }

    fn certificate_types(&self) -> &[CertificateType] {
        self.certificate_types
    }

    fn defers(&self, _: &CertificateRequest<'_>) -> bool {
        true
    }
}

impl PskServer for AskOwnerWith {
    fn key(&self, _: &[u8]) -> Option<Arc<PresharedKey>> {
        None
    }

    fn defers(&self, _: &[u8]) -> bool {
        true
    }

    fn usual_len(&self) -> usize {
        self.usual_len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::enums::{
        CipherSuiteId, ClientCertificateType, CompressionMethod, EcPointFormat, MaxFragmentLength, NamedGroup,
        ProtocolVersion, SrtpProfile,
    };
    use crate::wire::extensions::{ClientExtensions, UseSrtp};
    use crate::wire::hello::Random;
    use alloc::format;
    use alloc::vec;

    fn assert_stays_the_same(question: Question<'_>) {
        let said = format!("{question:?}");
        assert_eq!(format!("{:?}", question.into_owned().question().unwrap()), said);
    }

    #[test]
    fn nothing_of_a_hello_is_lost_when_it_leaves_its_connection() {
        let types = || Some(vec![CertificateType::RAW_PUBLIC_KEY, CertificateType(7)]);
        let full = ClientExtensions {
            server_name: Some(b"localhost"),
            max_fragment_length: Some(MaxFragmentLength(2)),
            status_request: true,
            supported_groups: Some(vec![NamedGroup::X25519, NamedGroup(0x1a1a)]),
            ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED]),
            signature_schemes: Some(vec![SignatureScheme::ED25519]),
            use_srtp: Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM], mki: b"mki" }),
            alpn: Some(vec![b"coap", b"h2"]),
            client_certificate_types: types(),
            server_certificate_types: types(),
            extended_master_secret: true,
            record_size_limit: Some(64),
            session_ticket: Some(b"ticket"),
            connection_id: Some(b"cid"),
            rrc: true,
            renegotiation_info: Some(b""),
        };
        for extensions in [full, ClientExtensions::default()] {
            assert_stays_the_same(Question::Config(ClientHello {
                version: ProtocolVersion::DTLS_1_2,
                random: Random([7; 32]),
                session_id: &[1; 32],
                cookie: &[2; 20],
                cipher_suites: vec![CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, CipherSuiteId(0x0a0a)],
                compression_methods: vec![CompressionMethod::NULL],
                extensions,
            }));
        }
    }

    #[test]
    fn nothing_of_a_peer_is_lost_when_it_leaves_its_connection() {
        let chain = [CertificateDer::from(&b"leaf"[..]), CertificateDer::from(&b"issuer"[..])];
        let key = SubjectPublicKeyInfoDer::from(&b"key"[..]);
        let name = ServerName::try_from("server.example").unwrap();
        for credential in [PeerCredential::Certificates(&chain), PeerCredential::RawPublicKey(&key)] {
            for role in [PeerRole::Server { name: Some(&name) }, PeerRole::Server { name: None }, PeerRole::Client] {
                for ocsp_response in [None, Some(&b"good"[..])] {
                    assert_stays_the_same(Question::Peer(PresentedPeer { credential, role, ocsp_response }));
                }
            }
        }
    }

    #[test]
    fn nothing_of_a_request_is_lost_when_it_leaves_its_connection() {
        for certificate_type in [CertificateType::X509, CertificateType::RAW_PUBLIC_KEY] {
            let request = CertificateRequest {
                certificate_types: vec![ClientCertificateType::ECDSA_SIGN],
                signature_schemes: vec![SignatureScheme::ED25519],
                authorities: vec![b"authority"],
            };
            assert_stays_the_same(Question::Identity { request, certificate_type });
        }
    }

    #[test]
    fn an_owner_can_say_beforehand_what_its_answers_will_be_like() {
        let named = AskOwnerWith::default().usual_len(32).certificate_types(&[CertificateType::RAW_PUBLIC_KEY]);
        assert_eq!((AskOwnerWith::default().usual_len, PskServer::usual_len(&named)), (16, 32));
        assert_eq!(PeerVerifier::certificate_types(&named), [CertificateType::RAW_PUBLIC_KEY]);
        assert_eq!(ChooseIdentity::certificate_types(&named), [CertificateType::RAW_PUBLIC_KEY]);
        assert_eq!(ChooseIdentity::certificate_types(&AskOwnerWith::default()), [CertificateType::X509]);
    }

    #[test]
    fn a_hint_that_is_empty_is_a_hint() {
        for hint in [None, Some(&b""[..]), Some(&b"plant"[..])] {
            assert_stays_the_same(Question::PskIdentity { hint });
        }
    }
}
