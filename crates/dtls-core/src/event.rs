//! What a connection tells its owner.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use crate::discard::Discard;
use crate::error::Error;
use crate::wire::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::{CipherSuiteId, NamedGroup, ProtocolVersion, SignatureScheme, SrtpProfile};

/// Something that happened to a connection, from [`Connection::poll_event`](crate::Connection::poll_event).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake cannot go on before its owner has decided something:
    /// [`Connection::question`](crate::Connection::question) says what,
    /// [`Connection::answer`](crate::Connection::answer) takes the answer. Comes only where the configuration leaves
    /// decisions to the owner, once for each.
    Asked,
    /// The handshake is complete and the peer is who it must be. From here on
    /// [`Connection::info`](crate::Connection::info), [`Connection::send`](crate::Connection::send) and the exporters
    /// work. Comes once. Application data may be lent before it can be polled, by the datagram that completed the
    /// handshake; it is no less authentic. Drain [`Connection::poll_transmit`](crate::Connection::poll_transmit) before
    /// sending: the flight that completes the handshake on the other side may still wait there.
    Connected,
    /// A client's Finished did not decrypt under its pre-shared key: the keys probably differ, or someone has forged a
    /// record. Comes at most once a handshake, and ends nothing; see
    /// [`PskMismatch`](crate::config::PskMismatch).
    KeysProbablyDiffer,
    /// The peer closed the connection in good order (RFC 5246 section 7.2.1). Comes at most once; nothing follows.
    Closed,
    /// The connection is over for a reason. Comes at most once; nothing follows.
    Failed(Error),
}

/// Which end of the connection someone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that sends the ClientHello.
    Client,
    /// The end that answers it.
    Server,
}

/// What the two ends agreed on. There is one only once the handshake is complete: nothing in it is a mere claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Which end we are.
    pub role: Role,
    /// Always DTLS 1.2.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub cipher_suite: CipherSuiteId,
    /// The group of the ephemeral key exchange; `None` with a pre-shared key alone, or when
    /// the session is resumed.
    pub group: Option<NamedGroup>,
    /// How the server signed its key share; `None` with a pre-shared key, or when the session is
    /// resumed.
    pub signature_scheme: Option<SignatureScheme>,
    /// Whose pre-shared key it was, in bytes as sent; `None` with certificates.
    pub psk_identity: Option<Vec<u8>>,
    /// Whether the session was begun in an earlier connection. Then there was no key exchange in this one, and the peer is
    /// who it was then.
    pub resumed: bool,
    /// Whether the master secret is bound to the handshake (RFC 7627).
    pub extended_master_secret: bool,
    /// The application protocol, if one was negotiated (RFC 7301).
    pub alpn: Option<Vec<u8>>,
    /// The SRTP profile and MKI, if SRTP was negotiated (RFC 5764).
    pub srtp: Option<NegotiatedSrtp>,
    /// The host name that the client asked for (RFC 6066 section 3), in bytes as sent.
    pub server_name: Option<Vec<u8>>,
    /// The peer's certificates, leaf first; empty if the peer is a client that showed none. Empty also after
    /// [`Connection::take_peer_certificates`](crate::Connection::take_peer_certificates).
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// The peer's public key, if it has shown that and no certificate (RFC 7250).
    pub peer_raw_public_key: Option<SubjectPublicKeyInfoDer<'static>>,
    /// What is in the records of either direction, if connection IDs were negotiated (RFC 9146).
    pub connection_ids: Option<Box<ConnectionIds>>,
    /// Whether either end may check that the other receives at an address (RFC 9853). Never without connection IDs.
    pub path_checks: bool,
}

impl SessionInfo {
    /// How many bytes of the heap it takes.
    pub(crate) fn held(&self) -> usize {
        let certificates: usize = self.peer_certificates.iter().map(|certificate| certificate.len()).sum();
        let mki = self.srtp.as_ref().map(|srtp| &srtp.mki);
        let names = [self.alpn.as_ref(), self.server_name.as_ref(), self.psk_identity.as_ref(), mki];
        let ids = self.connection_ids.as_ref().map_or(0, |ids| ids.held());
        let raw_public_key = self.peer_raw_public_key.as_ref().map_or(0, |key| key.len());
        names.into_iter().flatten().map(Vec::capacity).sum::<usize>() + certificates + raw_public_key + ids
    }
}

/// The connection IDs of both directions (RFC 9146 section 3). One without bytes is in no record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionIds {
    /// Ours: in every protected record of the peer's.
    pub local: ConnectionId,
    /// The peer's: in every protected record of ours.
    pub remote: ConnectionId,
}

impl ConnectionIds {
    /// How many bytes of the heap they take, boxed.
    fn held(&self) -> usize {
        size_of::<Self>() + self.local.len() + self.remote.len()
    }
}

/// The outcome of use_srtp (RFC 5764 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiatedSrtp {
    /// The profile both ends use.
    pub profile: SrtpProfile,
    /// The master key identifier both ends use; empty for none.
    pub mki: Vec<u8>,
}

/// What a connection has counted. Counters saturate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams written by `poll_transmit` and `send`.
    pub datagrams_sent: u64,
    /// Datagrams given to `receive`.
    pub datagrams_received: u64,
    /// Bytes in the datagrams sent.
    pub bytes_sent: u64,
    /// Bytes in the datagrams received.
    pub bytes_received: u64,
    /// Records of application data sent.
    pub application_records_sent: u64,
    /// Records of application data lent to the caller.
    pub application_records_received: u64,
    /// How often a flight was sent again.
    pub retransmits: u32,
    /// How long the handshake took, once it is complete.
    pub handshake_time: Option<Duration>,
    discards: [u32; Discard::ALL.len()],
}

impl Stats {
    /// How many datagrams, records and fragments were dropped for this cause.
    #[must_use]
    pub fn discarded(&self, cause: Discard) -> u32 {
        Discard::ALL.iter().zip(&self.discards).find(|(known, _)| **known == cause).map_or(0, |(_, count)| *count)
    }

    /// How many datagrams, records and fragments were dropped for any cause.
    #[must_use]
    pub fn discarded_in_all(&self) -> u32 {
        self.discards.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(crate) fn count_discard(&mut self, cause: Discard) {
        let counter = Discard::ALL.iter().zip(&mut self.discards).find(|(known, _)| **known == cause);
        if let Some((_, count)) = counter {
            *count = count.saturating_add(1);
        }
    }
}

/// Counters that are not zero, behind a bit for each that says whether it is there.
///
/// ```text
///   present(4) { length(1) big-endian number } ...
/// ```
impl Encode for Stats {
    fn encode(&self, out: &mut Vec<u8>) {
        let counters = self.counters();
        let present = counters.iter().enumerate().filter(|(_, count)| **count != 0);
        let bits = present.clone().fold(0_u32, |bits, (at, _)| bits | 1 << at);
        out.extend_from_slice(&bits.to_be_bytes());
        for (_, count) in present {
            let zeros = usize::try_from(count.leading_zeros() / 8).unwrap_or_default();
            put_vector::<1>(out, |out| out.extend(count.to_be_bytes().iter().skip(zeros)));
        }
    }
}

impl Decode<'_> for Stats {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bits = reader.u32()?;
        let mut counters = [0; Self::COUNTERS];
        for (at, count) in counters.iter_mut().enumerate() {
            if bits & 1 << at == 0 {
                continue;
            }
            let bytes = reader.vector_u8()?;
            if bytes.len() > 8 {
                return Err(DecodeError::VectorLength);
            }
            *count = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        Ok(Self::from_counters(&counters))
    }
}

impl Stats {
    const COUNTERS: usize = 8 + Discard::ALL.len();

    fn counters(&self) -> [u64; Self::COUNTERS] {
        // A handshake of no time has been one all the same.
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        let first = [
            self.datagrams_sent,
            self.datagrams_received,
            self.bytes_sent,
            self.bytes_received,
            self.application_records_sent,
            self.application_records_received,
            self.retransmits.into(),
            self.handshake_time.map_or(0, nanos),
        ];
        let mut counters = [0; Self::COUNTERS];
        let all = first.into_iter().chain(self.discards.iter().map(|count| u64::from(*count)));
        counters.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        counters
    }

    fn from_counters(counters: &[u64; Self::COUNTERS]) -> Self {
        let [
            datagrams_sent,
            datagrams_received,
            bytes_sent,
            bytes_received,
            application_records_sent,
            application_records_received,
            retransmits,
            nanos,
            rest @ ..,
        ] = *counters;
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            datagrams_sent,
            datagrams_received,
            bytes_sent,
            bytes_received,
            application_records_sent,
            application_records_received,
            retransmits: small(retransmits),
            handshake_time: nanos.checked_sub(1).map(Duration::from_nanos),
            discards: rest.map(small),
        }
    }
}
