//! All that a connected connection is, without what can be computed anew from it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use zeroize::Zeroizing;

use super::Connection;
use super::established::Linger;
use super::sending::Mtu;
use crate::crypto::secrets::MasterSecret;
use crate::event::{ConnectionIds, NegotiatedSrtp, Role, SessionInfo, Stats};
use crate::handshake::flight::Flight;
use crate::handshake::key_schedule::{Randoms, SessionSecrets};
use crate::record::{ReadLimits, ReadProgress, ReplayWindow, WriteProgress};
use crate::resumption::{ResumptionState, SESSION_ID_LEN};
use crate::time::Instant;
use crate::wire::certificate::Certificate;
use crate::wire::codec::{Decode, DecodeError, Encode, Reader, put_option, put_u48, put_vector};
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::{CipherSuiteId, NamedGroup, ProtocolVersion, SignatureScheme, SrtpProfile};
use crate::wire::fragment::MessageSeq;
use crate::wire::hello::Random;

/// All that a connected connection is, without its expanded keys and its configuration.
pub(super) struct Snapshot {
    pub(super) info: SessionInfo,
    pub(super) secrets: SessionSecrets,
    pub(super) refused_renegotiation: bool,
    pub(super) written: WriteProgress,
    pub(super) read: ReadProgress,
    pub(super) mtu: Mtu,
    pub(super) warnings: u8,
    pub(super) stats: Stats,
    /// With times from the moment at which it was saved.
    pub(super) linger: Option<Box<Linger>>,
    pub(super) resumption: SavedResumption,
}

/// What is left for another connection to resume the session by.
pub(super) enum SavedResumption {
    Nothing,
    State(Box<ResumptionState>),
    /// It stands in the cache that the configuration has.
    Cached([u8; SESSION_ID_LEN]),
}

impl Snapshot {
    /// Changes with every change of the form.
    const VERSION: u8 = 1;

    /// ```text
    ///   version(1) flags(2) suite(2) master_secret(48) client_random(32) server_random(32)
    ///   group(2) signature_scheme(2) psk_identity? raw_public_key? alpn? server_name?
    ///   [srtp profile(2) mki?] [local CID, remote CID] [certificate_list]
    ///   written: next(6) blocks_allowed(8) longest(2)      read: window(38) failures_allowed(8) limits(4)
    ///   mtu(4) warnings(1) stats [resumption state | session ID(32)]
    ///   [linger: next_plaintext(6) longest_plaintext(2) asked_by(2) until(8) quiet_until(8) answers_left(1) flight]
    /// ```
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let Self { info, secrets, written, read, mtu, .. } = self;
        // Room for all of it, so that no copy is left behind by growing.
        let certificates: usize = info.peer_certificates.iter().map(|certificate| 3 + certificate.len()).sum();
        let resumption = match &self.resumption {
            SavedResumption::State(state) => state.to_bytes(),
            _ => Zeroizing::default(),
        };
        let linger = self.linger.as_ref().map_or(0, |linger| 2 * linger.flight.held());
        let room = 1024 + info.held() + certificates + resumption.len() + linger;
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        out.push(Self::VERSION);
        put_u16(&mut out, Flags::of(self).0);
        put_u16(&mut out, info.cipher_suite.0);
        out.extend_from_slice(secrets.master.as_bytes());
        out.extend_from_slice(&secrets.randoms.client.0);
        out.extend_from_slice(&secrets.randoms.server.0);
        put_u16(&mut out, info.group.map_or(0, |group| group.0));
        put_u16(&mut out, info.signature_scheme.map_or(0, |scheme| scheme.0));
        put_option(&mut out, info.psk_identity.as_deref());
        put_option(&mut out, info.peer_raw_public_key.as_deref());
        put_option(&mut out, info.alpn.as_deref());
        put_option(&mut out, info.server_name.as_deref());
        if let Some(NegotiatedSrtp { profile, mki }) = &info.srtp {
            put_u16(&mut out, profile.0);
            put_vector::<1>(&mut out, |out| out.extend_from_slice(mki));
        }
        if let Some(ids) = &info.connection_ids {
            put_vector::<1>(&mut out, |out| out.extend_from_slice(ids.local.as_bytes()));
            put_vector::<1>(&mut out, |out| out.extend_from_slice(ids.remote.as_bytes()));
        }
        if !info.peer_certificates.is_empty() {
            Certificate { chain: info.peer_certificates.iter().map(|der| &**der).collect() }.encode(&mut out);
        }
        put_u48(&mut out, written.next);
        put_u64s(&mut out, &[written.blocks_allowed]);
        put_u16(&mut out, written.longest);
        let [end, seen @ ..] = read.window.to_words();
        put_u48(&mut out, end);
        put_u64s(&mut out, &seen);
        put_u64s(&mut out, &[read.failures_allowed]);
        put_u16(&mut out, read.limits.content);
        put_u16(&mut out, read.limits.inner);
        put_u16(&mut out, mtu.configured);
        put_u16(&mut out, mtu.effective);
        out.push(self.warnings);
        self.stats.encode(&mut out);
        match &self.resumption {
            SavedResumption::Nothing => {}
            SavedResumption::State(_) => put_vector::<3>(&mut out, |out| out.extend_from_slice(&resumption)),
            SavedResumption::Cached(id) => out.extend_from_slice(id),
        }
        if let Some(linger) = &self.linger {
            put_u48(&mut out, written.next_plaintext);
            put_u16(&mut out, written.longest_plaintext);
            put_u16(&mut out, linger.asked_by.0);
            put_u64s(&mut out, &[linger.until, linger.quiet_until].map(nanos));
            out.push(linger.answers_left);
            linger.flight.encode(&mut out);
        }
        out
    }
}

impl Decode<'_> for Snapshot {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != Self::VERSION {
            return Err(DecodeError::ForbiddenValue);
        }
        let flags = Flags(reader.u16()?);
        let cipher_suite = CipherSuiteId(reader.u16()?);
        let master = MasterSecret::new(reader.array()?);
        let randoms = Randoms { client: Random(*reader.array()?), server: Random(*reader.array()?) };
        let info = SessionInfo {
            role: if flags.has(Flags::SERVER) { Role::Server } else { Role::Client },
            version: ProtocolVersion::DTLS_1_2,
            cipher_suite,
            group: Some(NamedGroup(reader.u16()?)).filter(|group| group.0 != 0),
            signature_scheme: Some(SignatureScheme(reader.u16()?)).filter(|scheme| scheme.0 != 0),
            psk_identity: reader.option()?.map(<[u8]>::to_vec),
            resumed: flags.has(Flags::RESUMED),
            extended_master_secret: flags.has(Flags::EXTENDED_MASTER_SECRET),
            peer_raw_public_key: reader.option()?.map(|key| SubjectPublicKeyInfoDer::from(key.to_vec())),
            alpn: reader.option()?.map(<[u8]>::to_vec),
            server_name: reader.option()?.map(<[u8]>::to_vec),
            srtp: if flags.has(Flags::SRTP) {
                Some(NegotiatedSrtp { profile: SrtpProfile(reader.u16()?), mki: reader.vector_u8()?.to_vec() })
            } else {
                None
            },
            connection_ids: if flags.has(Flags::CONNECTION_IDS) {
                Some(Box::new(ConnectionIds { local: connection_id(reader)?, remote: connection_id(reader)? }))
            } else {
                None
            },
            peer_certificates: if flags.has(Flags::CERTIFICATES) {
                let chain = Certificate::decode(reader)?.chain;
                chain.into_iter().map(|der| CertificateDer::from(der.to_vec())).collect()
            } else {
                Vec::new()
            },
            path_checks: flags.has(Flags::PATH_CHECKS),
        };
        let (next, blocks_allowed, longest) = (reader.u48()?, reader.u64()?, reader.u16()?);
        let words = [reader.u48()?, reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
        let read = ReadProgress {
            window: ReplayWindow::from_words(words),
            failures_allowed: reader.u64()?,
            limits: ReadLimits { content: reader.u16()?, inner: reader.u16()? },
        };
        let mtu = Mtu::restored(reader.u16()?, reader.u16()?, flags.has(Flags::PEER_LACKED_FLIGHT));
        let warnings = reader.u8()?;
        if warnings > Connection::WARNINGS_MAX {
            return Err(DecodeError::ForbiddenValue);
        }
        let stats = Stats::decode(reader)?;
        let resumption = if flags.has(Flags::STATE) {
            let state = ResumptionState::from_bytes(reader.vector_u24()?).map_err(|_| DecodeError::ForbiddenValue)?;
            SavedResumption::State(Box::new(state))
        } else if flags.has(Flags::CACHED) {
            SavedResumption::Cached(*reader.array()?)
        } else {
            SavedResumption::Nothing
        };
        let mut written = WriteProgress { next_plaintext: 0, longest_plaintext: 0, next, blocks_allowed, longest };
        let linger = if flags.has(Flags::LINGER) {
            written.next_plaintext = reader.u48()?;
            written.longest_plaintext = reader.u16()?;
            Some(Box::new(Linger {
                asked_by: MessageSeq(reader.u16()?),
                until: moment(reader)?,
                quiet_until: moment(reader)?,
                answers_left: reader.u8()?,
                flight: Flight::decode(reader)?,
            }))
        } else {
            None
        };
        Ok(Self {
            info,
            secrets: SessionSecrets { master, randoms },
            refused_renegotiation: flags.has(Flags::REFUSED_RENEGOTIATION),
            written,
            read,
            mtu,
            warnings,
            stats,
            linger,
            resumption,
        })
    }
}

/// What is either so or not.
#[derive(Clone, Copy)]
struct Flags(u16);

impl Flags {
    const SERVER: u16 = 1;
    const RESUMED: u16 = 1 << 1;
    const EXTENDED_MASTER_SECRET: u16 = 1 << 2;
    const SRTP: u16 = 1 << 3;
    const CONNECTION_IDS: u16 = 1 << 4;
    const PATH_CHECKS: u16 = 1 << 5;
    const LINGER: u16 = 1 << 6;
    const PEER_LACKED_FLIGHT: u16 = 1 << 7;
    const REFUSED_RENEGOTIATION: u16 = 1 << 8;
    const CERTIFICATES: u16 = 1 << 9;
    const STATE: u16 = 1 << 10;
    const CACHED: u16 = 1 << 11;

    fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { info, linger, mtu, refused_renegotiation, resumption, .. } = snapshot;
        let flags = [
            (info.role == Role::Server, Self::SERVER),
            (info.resumed, Self::RESUMED),
            (info.extended_master_secret, Self::EXTENDED_MASTER_SECRET),
            (info.srtp.is_some(), Self::SRTP),
            (info.connection_ids.is_some(), Self::CONNECTION_IDS),
            (info.path_checks, Self::PATH_CHECKS),
            (linger.is_some(), Self::LINGER),
            (mtu.peer_lacked_flight, Self::PEER_LACKED_FLIGHT),
            (*refused_renegotiation, Self::REFUSED_RENEGOTIATION),
            (!info.peer_certificates.is_empty(), Self::CERTIFICATES),
            (matches!(resumption, SavedResumption::State(_)), Self::STATE),
            (matches!(resumption, SavedResumption::Cached(_)), Self::CACHED),
        ];
        Self(flags.into_iter().filter(|(is_so, _)| *is_so).fold(0, |flags, (_, flag)| flags | flag))
    }

    const fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }
}

fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u64s(out: &mut Vec<u8>, values: &[u64]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn nanos(moment: Instant) -> u64 {
    u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

fn moment(reader: &mut Reader<'_>) -> Result<Instant, DecodeError> {
    reader.u64().map(|nanos| Instant::from_origin(Duration::from_nanos(nanos)))
}

fn connection_id(reader: &mut Reader<'_>) -> Result<ConnectionId, DecodeError> {
    ConnectionId::new(reader.vector_u8()?).ok_or(DecodeError::VectorLength)
}
