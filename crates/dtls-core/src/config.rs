//! What to offer, whom to trust, who we are.
//!
//! A builder asks in turn for what has no safe default: the cryptography provider, the trust (client) or the identity
//! (server), the client's identity or the word that it has none. Everything else is a documented field of
//! [`Settings`] with its default. `build` refuses what cannot work, so that a handshake never finds out.

mod client;
mod connection_id;
mod role;
mod server;
mod settings;

use alloc::vec::Vec;
use core::fmt;

use crate::crypto::CryptoProvider;
use crate::crypto::sign::Identity;
use crate::crypto::suite::CipherSuite;
pub use crate::record::{ChoosePadding, Padding};
use crate::wire::enums::{CipherSuiteId, NamedGroup, SignatureScheme, SrtpProfile};
pub use client::{ChooseIdentity, ClientConfig, ClientConfigBuilder, ReadyClient, WantsIdentity, WantsTrust};
pub use connection_id::{ConnectionIdUse, MakeConnectionId, RandomConnectionId};
pub use role::RoleConfig;
pub use server::{
    ClientAuthentication, ReadyServer, SelectConfig, Selected, ServerConfig, ServerConfigBuilder, ServerNames,
    WantsServerIdentity,
};
pub use settings::{
    Exporters, ExtendedMasterSecret, KeyLog, PathChecks, PskMismatch, RenegotiationInfo, Settings, UnknownPsk,
};
pub(crate) use settings::{MTU_MAX, MTU_MIN};

fn check_identities(settings: &Settings, identities: &[Identity]) -> Result<(), ConfigError> {
    let can_sign =
        |identity: &Identity| identity.key().schemes().iter().any(|scheme| settings.signature_schemes.contains(scheme));
    if identities.iter().all(can_sign) {
        Ok(())
    } else {
        Err(ConfigError::IdentityCannotSign { field: "signature_schemes" })
    }
}

/// The suites of the settings that the provider has and a key can serve, in the order of the settings.
fn resolve(
    provider: &CryptoProvider,
    settings: &Settings,
    servable: impl Fn(&CipherSuite) -> bool,
) -> Result<Vec<CipherSuite>, ConfigError> {
    let mut suites = Vec::new();
    for id in &settings.cipher_suites {
        let suite = provider.cipher_suite(*id).ok_or(ConfigError::UnknownCipherSuite(*id))?;
        if servable(suite) {
            suites.push(*suite);
        }
    }
    for group in &settings.groups {
        provider.group(*group).ok_or(ConfigError::UnknownGroup(*group))?;
    }
    for scheme in &settings.signature_schemes {
        if !provider.signature_schemes().any(|known| known == *scheme) {
            return Err(ConfigError::UnknownSignatureScheme(*scheme));
        }
    }
    if suites.is_empty() { Err(ConfigError::NoUsableCipherSuite) } else { Ok(suites) }
}

/// Why a configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A list that must not be empty is.
    Empty {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// A list names something twice.
    Duplicate {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// A value is longer than its place on the wire.
    TooLong {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// An application protocol in `alpn` is empty or longer than 255 bytes.
    ApplicationProtocolLength,
    /// `mtu` is not within 256 to 65535.
    Mtu,
    /// `record_size_limit` is not within 64 to 16384.
    RecordSizeLimit,
    /// A server that has only pre-shared keys cannot ask for certificates.
    ClientAuthenticationNeedsIdentity,
    /// `max_fragment_length` is not one of the four lengths there are.
    MaxFragmentLength,
    /// A timeout is zero, or `first_timeout` is longer than `longest_timeout`.
    Timeouts {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// `cipher_suites` names a suite that the provider does not have.
    UnknownCipherSuite(CipherSuiteId),
    /// `groups` names a group that the provider does not have.
    UnknownGroup(NamedGroup),
    /// `signature_schemes` names a scheme that the provider does not have.
    UnknownSignatureScheme(SignatureScheme),
    /// `srtp_profiles` names a profile whose keys this engine does not know how to cut.
    UnknownSrtpProfile(SrtpProfile),
    /// None of `cipher_suites` can be served by the keys configured.
    NoUsableCipherSuite,
    /// A client has an identity that it would never show: beside `choose_identity`, which says all that is shown, or with
    /// pre-shared keys alone.
    IdentityNeverShown,
    /// An identity's key can make none of the signatures allowed.
    IdentityCannotSign {
        /// The field of [`Settings`].
        field: &'static str,
    },
    /// The verifier checks names, and `Connection::connect` was given none.
    ServerNameRequired,
    /// The provider failed while a connection was set up.
    CryptoFailed,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { field } => write!(f, "`{field}` is empty; name at least one"),
            Self::Duplicate { field } => write!(f, "`{field}` names something twice"),
            Self::TooLong { field } => write!(f, "`{field}` is longer than the protocol allows"),
            Self::ApplicationProtocolLength => f.write_str("`alpn` has a name that is not 1 to 255 bytes long"),
            Self::ClientAuthenticationNeedsIdentity => {
                f.write_str("a server without a certificate cannot ask for one; leave `client_authentication` out")
            }
            Self::RecordSizeLimit => f.write_str("`record_size_limit` is not within 64 to 16384"),
            Self::MaxFragmentLength => f.write_str("`max_fragment_length` is none of 512, 1024, 2048 and 4096"),
            Self::Mtu => f.write_str("`mtu` must lie within 256 and 65535"),
            Self::Timeouts { field } => write!(f, "`{field}` is zero or longer than what it must stay below"),
            Self::UnknownCipherSuite(suite) => write!(f, "`cipher_suites`: the provider does not have {suite}"),
            Self::UnknownGroup(group) => write!(f, "`groups`: the provider does not have {group}"),
            Self::UnknownSignatureScheme(scheme) => {
                write!(f, "`signature_schemes`: the provider does not have {scheme}")
            }
            Self::UnknownSrtpProfile(profile) => write!(f, "`srtp_profiles`: {profile} is not supported here"),
            Self::NoUsableCipherSuite => f.write_str("`cipher_suites`: none can be served by the keys configured"),
            Self::IdentityNeverShown => f.write_str(
                "an identity would never be shown, beside `choose_identity` or without `trust`; leave it or that out",
            ),
            Self::IdentityCannotSign { field } => write!(f, "`{field}`: an identity's key can make none of them"),
            Self::ServerNameRequired => f.write_str("the verifier checks names; say which server to connect to"),
            Self::CryptoFailed => f.write_str("the cryptography provider failed"),
        }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AskOwner;
    use crate::crypto::PeerVerifier;
    use crate::crypto::verify::{PeerAuthenticated, PresentedPeer};
    use crate::crypto::{Fingerprint, Fingerprints, testing};
    use crate::error::CertificateError;
    use crate::wire::enums::MaxFragmentLength;
    use alloc::sync::Arc;
    use alloc::vec;
    use core::time::Duration;

    fn client(change: impl FnOnce(&mut Settings)) -> Result<ClientConfig, ConfigError> {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let trust = Arc::new(Fingerprints::new(&provider, [Fingerprint::new([0; 32])]).unwrap());
        ClientConfig::builder(provider).trust(trust).without_identity().configure(change).build()
    }

    fn server(change: impl FnOnce(&mut Settings)) -> Result<ServerConfig, ConfigError> {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate], key).unwrap();
        ServerConfig::builder(provider).identity(identity).configure(change).build()
    }

    #[test]
    fn the_defaults_are_safe() {
        let settings = client(|_| {}).unwrap().settings;
        assert_eq!(settings.extended_master_secret, ExtendedMasterSecret::Require);
        assert_eq!(settings.renegotiation_info, RenegotiationInfo::Require);
        assert_eq!(settings.exporters, Exporters::NeedExtendedMasterSecret);
        assert!(settings.key_log.is_none());
        assert!(settings.srtp_profiles.is_empty() && settings.alpn.is_empty());
    }

    #[test]
    fn a_field_that_cannot_work_is_named() {
        type Change = fn(&mut Settings);
        let cases: [(Change, ConfigError); 19] = [
            (|s| s.cipher_suites.clear(), ConfigError::Empty { field: "cipher_suites" }),
            (|s| s.groups.clear(), ConfigError::Empty { field: "groups" }),
            (|s| s.signature_schemes.clear(), ConfigError::Empty { field: "signature_schemes" }),
            (|s| s.groups = vec![NamedGroup::X25519; 2], ConfigError::Duplicate { field: "groups" }),
            (|s| s.groups = vec![NamedGroup(1)], ConfigError::UnknownGroup(NamedGroup(1))),
            (|s| s.cipher_suites = vec![CipherSuiteId(1)], ConfigError::UnknownCipherSuite(CipherSuiteId(1))),
            (|s| s.alpn = vec![vec![]], ConfigError::ApplicationProtocolLength),
            (|s| s.alpn = vec![vec![1; 256]], ConfigError::ApplicationProtocolLength),
            (|s| s.alpn = vec![vec![1; 255]; 129], ConfigError::TooLong { field: "alpn" }),
            (|s| s.srtp_mki = vec![1; 256], ConfigError::TooLong { field: "srtp_mki" }),
            (|s| s.srtp_mki = vec![1], ConfigError::Empty { field: "srtp_profiles" }),
            (|s| s.srtp_profiles = vec![SrtpProfile(5)], ConfigError::UnknownSrtpProfile(SrtpProfile(5))),
            (|s| s.mtu = 255, ConfigError::Mtu),
            (|s| s.record_size_limit = Some(63), ConfigError::RecordSizeLimit),
            (|s| s.record_size_limit = Some(16_385), ConfigError::RecordSizeLimit),
            (|s| s.max_fragment_length = Some(MaxFragmentLength(5)), ConfigError::MaxFragmentLength),
            (|s| s.mtu = 65_536, ConfigError::Mtu),
            (|s| s.first_timeout = Duration::ZERO, ConfigError::Timeouts { field: "first_timeout" }),
            (|s| s.handshake_timeout = Duration::ZERO, ConfigError::Timeouts { field: "handshake_timeout" }),
        ];
        for (change, error) in cases {
            assert_eq!(client(change).unwrap_err(), error);
            assert_eq!(server(change).unwrap_err(), error);
        }
    }

    #[test]
    fn an_identity_that_a_client_would_never_show_is_refused() {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate], key).unwrap();
        let trust = || ClientConfig::builder(Arc::clone(&provider)).trust(Arc::new(AskOwner));
        let choosing = trust().choose_identity(Arc::new(AskOwner));
        assert_eq!(choosing.identity(identity.clone()).build().unwrap_err(), ConfigError::IdentityNeverShown);
        let preshared = || ClientConfig::builder(Arc::clone(&provider)).preshared_key(Arc::new(AskOwner));
        assert_eq!(preshared().identity(identity.clone()).build().unwrap_err(), ConfigError::IdentityNeverShown);

        trust().choose_identity(Arc::new(AskOwner)).build().unwrap();
        preshared().build().unwrap();
        trust().identity(identity.clone()).identity(identity).preshared_key(Arc::new(AskOwner)).build().unwrap();
    }

    #[test]
    fn a_server_keeps_only_the_suites_that_its_keys_can_serve() {
        let config = server(|_| {}).unwrap();
        assert!(config.suites.iter().all(|suite| suite.id.name().unwrap().contains("ECDSA")));
        assert_eq!(
            server(|s| {
                s.cipher_suites.retain(|suite| suite.name().unwrap().contains("ECDHE_RSA"));
            })
            .unwrap_err(),
            ConfigError::NoUsableCipherSuite
        );
        assert_eq!(
            server(|s| s.signature_schemes = vec![SignatureScheme::RSA_PKCS1_SHA256]).unwrap_err(),
            ConfigError::IdentityCannotSign { field: "signature_schemes" }
        );
    }
    #[test]
    fn a_client_whose_key_cannot_sign_is_a_mistake() {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let trust = Arc::new(Fingerprints::new(&provider, [Fingerprint::new([0; 32])]).unwrap());
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate], key).unwrap();
        let client = ClientConfig::builder(provider).trust(trust).identity(identity);
        let narrow = client.configure(|settings| settings.signature_schemes = vec![SignatureScheme::ED25519]);
        let error = ConfigError::IdentityCannotSign { field: "signature_schemes" };
        assert_eq!(narrow.build().unwrap_err(), error);
    }

    #[test]
    fn more_names_than_a_certificate_request_holds_are_a_mistake() {
        #[derive(Debug)]
        struct Names(Vec<Vec<u8>>);
        impl PeerVerifier for Names {
            fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
                Err(CertificateError::Rejected)
            }
            fn authorities(&self) -> &[Vec<u8>] {
                &self.0
            }
        }
        let build = |last: usize| {
            let provider = Arc::new(testing::providers().swap_remove(0));
            let (certificate, key) = testing::self_signed();
            let identity = Identity::new(&provider, vec![certificate], key).unwrap();
            let verifier = Arc::new(Names(vec![vec![0; 32_765], vec![0; last]]));
            let server = ServerConfig::builder(provider).identity(identity);
            server.client_authentication(ClientAuthentication::Request(verifier)).build()
        };
        assert!(build(32_766).is_ok());
        assert_eq!(build(32_767).unwrap_err(), ConfigError::TooLong { field: "client_authentication" });
    }
}
