//! What has a safe default and can be chosen, for either role.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::{ConfigError, ConnectionIdUse};
use crate::crypto::CryptoProvider;
use crate::record::Padding;
use crate::wire::enums::{CipherSuiteId, MaxFragmentLength, NamedGroup, SignatureScheme, SrtpProfile};
use crate::wire::extensions::RECORD_SIZE_LIMIT_MIN;
use crate::wire::record::MAX_PLAINTEXT_U16;

/// The choices that have a safe default, for either role.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Cipher suites, most wanted first. Default: all of the provider's. Suites that no configured key can serve are
    /// left out when the configuration is built.
    pub cipher_suites: Vec<CipherSuiteId>,
    /// Groups for the key exchange, most wanted first. A client's list holds for servers' ECDSA certificates too: one
    /// that has only x25519 cannot be shown a P-256 certificate (RFC 8422 section 5.3). Default: all of the provider's.
    pub groups: Vec<NamedGroup>,
    /// Signatures of handshakes that we make and accept, most wanted first; those inside a certificate chain are the
    /// verifier's to judge. Default: all of the provider's.
    pub signature_schemes: Vec<SignatureScheme>,
    /// Application protocols, most wanted first; 1 to 255 bytes each (RFC 7301). Default: none, no ALPN.
    pub alpn: Vec<Vec<u8>>,
    /// SRTP protection profiles, most wanted first (RFC 5764). Default: none, no use_srtp.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// The SRTP master key identifier to use, at most 255 bytes (RFC 5764 section 4.1.3). A server uses it only with
    /// clients that ask for the same one. Default: empty, none.
    pub srtp_mki: Vec<u8>,
    /// Whether the master secret must be bound to the handshake (RFC 7627). Default: required.
    pub extended_master_secret: ExtendedMasterSecret,
    /// Whether a server must know secure renegotiation (RFC 5746 section 4.1). No renegotiation ever happens here;
    /// a server that does not know the extension might let an attacker splice one on its side. Default: required.
    pub renegotiation_info: RenegotiationInfo,
    /// The longest plaintext that we take in a protected record, in bytes, 64 to 16384 (RFC 8449): for devices whose
    /// buffers hold no more. A client offers it, a server answers it; a peer that does not know the extension is not
    /// held to it. What the peer says of itself is kept to either way. Default: none; a client does not offer it, a
    /// server answers 16384.
    pub record_size_limit: Option<u16>,
    /// For clients: asks that no record of either side carries more plaintext than this (RFC 6066 section 4), of servers
    /// that do not know [`record_size_limit`](Self::record_size_limit). A server keeps to what it is asked, whatever
    /// stands here. Default: none.
    pub max_fragment_length: Option<MaxFragmentLength>,
    /// Connection IDs (RFC 9146), by which a peer is known whatever its address becomes. A server of several
    /// configurations has the IDs of the one that a connection is begun with, where the one that serves the client does
    /// not turn them off. Default: not negotiated.
    pub connection_id: ConnectionIdUse,
    /// Whether a peer with connection IDs may check that we receive where we send from, and we the same of it (RFC 9853).
    /// Default: with every connection that has IDs, in either direction.
    pub path_checks: PathChecks,
    /// How records are padded for peers that have given us a connection ID; others are not. Nor are those that check a
    /// path, which must not be longer than what an address may be sent that has shown nothing. Default: not at all.
    pub padding: Padding,
    /// For servers with pre-shared keys: what tells clients which of their keys to use, at most 65535 bytes (RFC 4279
    /// section 2). Default: empty, none.
    pub psk_hint: Vec<u8>,
    /// For servers with pre-shared keys: what a client hears whose identity is unknown. Default: what it would hear with
    /// a wrong key.
    pub unknown_psk: UnknownPsk,
    /// For servers with pre-shared keys: what to do when a client's Finished does not decrypt. Default: wait.
    pub psk_mismatch: PskMismatch,
    /// The largest UDP payload to send, in bytes, 256 to 65535. Default: 1200. Can be changed while connected. A peer whose
    /// connection ID has more than 64 bytes gets payloads of 128 bytes and two IDs where that is more.
    pub mtu: usize,
    /// How long to wait for an answer before a flight is sent again for the first time. Default: 1 s, as in RFC 6347
    /// section 4.2.4.1; see [`Settings::for_webrtc`] and the round-trip hint of
    /// [`Connection::set_round_trip_hint`](crate::Connection::set_round_trip_hint).
    pub first_timeout: Duration,
    /// The longest wait between repetitions, which double up to here. Default: 60 s.
    pub longest_timeout: Duration,
    /// When a handshake that is not complete is given up. Default: 60 s.
    pub handshake_timeout: Duration,
    /// How many complete messages that do not parse or do not belong are dropped in one handshake, in the hope that a
    /// retransmission brings better ones: before keys are in use anyone can forge them. 0 fails at the first.
    /// Default: 8.
    pub fault_budget: u8,
    /// Whether keying material is exported from a connection without the extended master secret. Default: refused.
    pub exporters: Exporters,
    /// Where secrets are written for a protocol analyser. Default: nowhere. Whoever reads it reads the traffic.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

impl Settings {
    /// The defaults with this provider.
    #[must_use]
    pub fn new(provider: &CryptoProvider) -> Self {
        Self {
            cipher_suites: provider.cipher_suites.iter().map(|suite| suite.id).collect(),
            groups: provider.groups.iter().map(|group| group.name()).collect(),
            signature_schemes: provider.signature_schemes().collect(),
            alpn: Vec::new(),
            srtp_profiles: Vec::new(),
            srtp_mki: Vec::new(),
            extended_master_secret: ExtendedMasterSecret::Require,
            renegotiation_info: RenegotiationInfo::Require,
            record_size_limit: None,
            max_fragment_length: None,
            connection_id: ConnectionIdUse::Off,
            path_checks: PathChecks::WithConnectionIds,
            padding: Padding::None,
            psk_hint: Vec::new(),
            unknown_psk: UnknownPsk::LikeWrongKey,
            psk_mismatch: PskMismatch::Wait,
            mtu: 1200,
            first_timeout: Duration::from_secs(1),
            longest_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(60),
            fault_budget: 8,
            exporters: Exporters::NeedExtendedMasterSecret,
            key_log: None,
        }
    }

    /// Timers and profiles as WebRTC stacks use them: a first repetition after 50 ms (a media path has just been
    /// checked and is short), at most 1 s between repetitions, and the SRTP profiles of RFC 8827 section 6.5.
    pub fn for_webrtc(&mut self) {
        self.first_timeout = Duration::from_millis(50);
        self.longest_timeout = Duration::from_secs(1);
        self.handshake_timeout = Duration::from_secs(30);
        self.srtp_profiles = alloc::vec![
            SrtpProfile::AEAD_AES_128_GCM,
            SrtpProfile::AEAD_AES_256_GCM,
            SrtpProfile::AES128_CM_HMAC_SHA1_80,
        ];
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_list("cipher_suites", &self.cipher_suites)?;
        check_list("groups", &self.groups)?;
        check_list("signature_schemes", &self.signature_schemes)?;
        if self.alpn.iter().any(|name| name.is_empty() || name.len() > 255) {
            return Err(ConfigError::ApplicationProtocolLength);
        }
        if self.alpn.iter().map(|name| 1 + name.len()).sum::<usize>() > ALPN_MAX {
            return Err(ConfigError::TooLong { field: "alpn" });
        }
        if self.srtp_mki.len() > 255 {
            return Err(ConfigError::TooLong { field: "srtp_mki" });
        }
        if !self.srtp_mki.is_empty() && self.srtp_profiles.is_empty() {
            return Err(ConfigError::Empty { field: "srtp_profiles" });
        }
        if let Some(unknown) = self.srtp_profiles.iter().find(|profile| profile.name().is_none()) {
            return Err(ConfigError::UnknownSrtpProfile(*unknown));
        }
        if has_duplicate(&self.srtp_profiles) {
            return Err(ConfigError::Duplicate { field: "srtp_profiles" });
        }
        if !(MTU_MIN..=MTU_MAX).contains(&self.mtu) {
            return Err(ConfigError::Mtu);
        }
        if self.psk_hint.len() > 65_535 {
            return Err(ConfigError::TooLong { field: "psk_hint" });
        }
        if self.record_size_limit.is_some_and(|limit| !(RECORD_SIZE_LIMIT_MIN..=MAX_PLAINTEXT_U16).contains(&limit)) {
            return Err(ConfigError::RecordSizeLimit);
        }
        if self.max_fragment_length.is_some_and(|length| length.bytes().is_none()) {
            return Err(ConfigError::MaxFragmentLength);
        }
        if self.first_timeout.is_zero() || self.first_timeout > self.longest_timeout {
            return Err(ConfigError::Timeouts { field: "first_timeout" });
        }
        if self.handshake_timeout.is_zero() {
            return Err(ConfigError::Timeouts { field: "handshake_timeout" });
        }
        Ok(())
    }
}

// All extensions of a hello share 65535 bytes; this leaves room enough for the others.
const ALPN_MAX: usize = 1 << 15;
// RFC 6347 section 4.1.1.1 sets no lower bound. Below this, a ClientHello of usual size no longer fits with its cookie in a datagram or two.
pub(crate) const MTU_MIN: usize = 256;
// The longest UDP payload there is room for in the length field.
pub(crate) const MTU_MAX: usize = 65_535;

/// Whether paths are checked (RFC 9853): one end asks, the other answers. What is done with an answer is up to who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChecks {
    /// Where connection IDs are agreed on and the peer knows of checks.
    WithConnectionIds,
    /// Never.
    Off,
}

/// What a client hears whose identity a server with pre-shared keys does not know (RFC 4279 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownPsk {
    /// The same, byte for byte and step for step, as one whose key is wrong: the handshake goes on with a key that
    /// nobody has. Identities cannot be probed for.
    LikeWrongKey,
    /// The alert `unknown_psk_identity`: helpful to honest clients and to those who guess identities.
    Alert,
}

/// What a server does when a client's Finished does not decrypt, which under a pre-shared key most likely means that
/// the keys differ. Anyone can forge such a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PskMismatch {
    /// Tell the owner by [`Event::KeysProbablyDiffer`](crate::Event::KeysProbablyDiffer), and let the handshake end in ten
    /// seconds, or by its deadline if that is sooner, unless a Finished comes that does decrypt.
    Wait,
    /// End the handshake at once with `bad_record_mac`. So can whoever sends one forged record in time.
    Fail,
}

/// Whether the extended master secret of RFC 7627 is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtendedMasterSecret {
    /// Offer it, and fail without it.
    Require,
    /// Offer it, and go on without it with peers that do not know it. Exporters then refuse (RFC 7627 section 5.4).
    Prefer,
    /// Neither offer nor accept it.
    Off,
}

/// What a client does about a server that does not know RFC 5746.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenegotiationInfo {
    /// Fail.
    Require,
    /// Go on.
    Tolerate,
}

/// Whether keying material is exported from connections whose master secret is not bound to the handshake (RFC 7627
/// section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exporters {
    /// Refuse.
    NeedExtendedMasterSecret,
    /// Export all the same, for old peers: an attacker who shares the master secret of two connections can make both
    /// export the same.
    Allowed,
}

/// Receives secrets for a protocol analyser.
pub trait KeyLog: Send + Sync + fmt::Debug {
    /// One line of the NSS key log: `label`, client random and secret (RFC 9850 section 2). DTLS 1.2 has one line a
    /// handshake, `CLIENT_RANDOM` with the master secret of 48 bytes.
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]);
}

fn check_list<T: PartialEq>(field: &'static str, list: &[T]) -> Result<(), ConfigError> {
    if list.is_empty() {
        Err(ConfigError::Empty { field })
    } else if has_duplicate(list) {
        Err(ConfigError::Duplicate { field })
    } else {
        Ok(())
    }
}

fn has_duplicate<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, item)| list.iter().take(index).any(|earlier| earlier == item))
}
