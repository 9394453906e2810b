//! A connection that is put aside, to go on later or in another process.
//!
//! ```text
//!   Connection ─ save ─▶ SavedConnection ─ restore ─▶ Connection                      at rest: it never left the process
//!                             │    ▲
//!             to_bytes, seal  ▼    │  from_bytes, open: its record numbers leap
//!                            bytes                                                    in another process
//! ```
//!
//! The danger is a number that is used twice under one key (RFC 5288 section 3): it gives away what both records say. So a
//! connection that is saved is over, what is restored is used up, and bytes, which can be copied, never lead back to
//! numbers near those that were used.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::established::{Established, Linger};
use super::paths::Paths;
use super::snapshot::{SavedResumption, Snapshot};
use super::{Connection, Events, Once, Phase};
use crate::config::RoleConfig;
use crate::crypto::sealing::Sealing;
use crate::crypto::{CryptoError, CryptoProvider};
use crate::event::Role;
use crate::handshake::{Resumption, key_schedule};
use crate::record::{Inbound, Outbound, Wrapping};
use crate::time::Instant;
use crate::wire::codec::Decode as _;
use crate::wire::record::RecordNumber;

/// A connected connection that has been put aside by [`Connection::save`]: its keys, and what it must not forget.
///
/// It takes some 250 bytes, where the connection takes some 1,800: what can be computed anew is dropped. There are two uses
/// for it:
///
/// - **at rest**, in memory, while nothing is sent or received: [`restore`](Self::restore) when there is;
/// - **in another process**, after a restart or on another machine: [`seal`](Self::seal) here and [`open`](Self::open)
///   there.
///
/// A process that has crashed leaves nothing to go on from: states that were saved before do not know what it has used and
/// received since. What survives a crash is a [`ResumptionState`](crate::ResumptionState).
///
/// It leads to one connection. This does not compile:
///
/// ```compile_fail,E0382
/// # use dtls_core::{Instant, SavedConnection};
/// fn twice(saved: SavedConnection, now: Instant) {
///     let one = saved.restore(now);
///     let other = saved.restore(now);
/// }
/// ```
pub struct SavedConnection {
    config: RoleConfig,
    snapshot: Zeroizing<Box<[u8]>>,
}

impl Connection {
    /// Puts the connection aside and ends it here: it is [over](Self::is_over) then, without a word to the peer, without an
    /// event and without its keys.
    ///
    /// # Errors
    /// The connection goes on unchanged; see [`CannotSave`].
    pub fn save(&mut self, now: Instant) -> Result<SavedConnection, CannotSave> {
        if !matches!(self.phase, Phase::Established(_)) {
            return Err(CannotSave::NotConnected);
        }
        if !self.is_drained() {
            return Err(CannotSave::NotDrained);
        }
        let progress = self.outbound.progress().zip(self.inbound.progress());
        let (written, read) = progress.ok_or(CannotSave::NotConnected)?;
        if [written.next, written.next_plaintext, read.next()].iter().any(|next| RecordNumber::new(*next).is_none()) {
            return Err(CannotSave::NumbersExhausted);
        }
        let Phase::Established(established) = core::mem::replace(&mut self.phase, Phase::Over) else {
            return Err(CannotSave::NotConnected);
        };
        let Established { config, info, secrets, linger, refused_renegotiation, resumption, paths: _ } = *established;
        let resumption = match resumption.map(|resumption| *resumption) {
            None => SavedResumption::Nothing,
            Some(Resumption::State(state)) => SavedResumption::State(Box::new(state)),
            Some(Resumption::Cached(_, id)) => SavedResumption::Cached(id),
        };
        let (mtu, warnings, stats) = (self.mtu, self.warnings, self.stats.clone());
        let linger = linger.map(|linger| Box::new(linger.since(now)));
        let snapshot =
            Snapshot { info, secrets, refused_renegotiation, written, read, mtu, warnings, stats, linger, resumption };
        self.end();
        Ok(SavedConnection::new(config, &snapshot))
    }
}

impl SavedConnection {
    /// Bytes that a connection which was saved in another process leaves unused at least.
    const LEAP_LEAST: u64 = 1 << 16;
    /// It leaves at most as many more unused, by chance, so that two that were made of copies of the same bytes, which
    /// should not be, hardly meet. A session can be moved five hundred times and more before its numbers run out.
    const LEAP_BITS: u32 = 38;

    fn new(config: RoleConfig, snapshot: &Snapshot) -> Self {
        // Copied once, to its exact length; what it is copied from is erased.
        let snapshot = Zeroizing::new(Box::from(snapshot.to_bytes().as_slice()));
        Self { config, snapshot }
    }

    /// The connection, as if it had never been put aside: only the repetitions that it may have to answer for four minutes
    /// after its handshake it answers for as long as was left then.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn restore(self, now: Instant) -> Result<Connection, RestoreError> {
        let Self { config, snapshot } = self;
        let snapshot = Snapshot::decode_all(&snapshot).map_err(|_| RestoreError::NotAState)?;
        let suite = config.suite(snapshot.info.cipher_suite).ok_or(RestoreError::CipherSuite)?;
        let Snapshot { info, secrets, refused_renegotiation, written, read, mtu, warnings, stats, linger, resumption } =
            snapshot;
        let (sealer, opener) = key_schedule::record_keys(info.role, suite, &secrets.master, &secrets.randoms)
            .map_err(|_| RestoreError::CryptoFailed)?;
        let ids = info.connection_ids.as_deref();
        let wrapping = ids.map(|ids| &ids.remote).filter(|cid| !cid.is_empty()).map(|cid| {
            let padding = config.settings().padding.clone();
            Box::new(Wrapping { cid: cid.clone(), padding })
        });
        let inbound = Inbound::restored(opener, read, ids.map(|ids| ids.local.clone()));
        let outbound = Outbound::restored(sealer, written, wrapping);
        let paths = info.path_checks.then(|| Box::new(Paths::new(Arc::clone(config.provider()))));
        let resumption = restored_resumption(resumption, &config).map(Box::new);
        let linger = linger.map(|linger| Box::new(linger.from(now)));
        let established = Established { config, info, secrets, linger, refused_renegotiation, resumption, paths };
        Ok(Connection {
            phase: Phase::Established(Box::new(established)),
            inbound,
            outbound,
            mtu,
            alert: None,
            events: Events { keys_differ: Once::Told, ..Events::default() },
            warnings,
            is_newest: false,
            stats,
        })
    }

    /// How many bytes it takes, inline and on the heap.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.snapshot.len()
    }

    // --- to another process ---

    /// The state as bytes in the clear, to be given only to whoever may be this end of the connection, and to be erased
    /// once it has been read. Where others could read or change it on its way, [`seal`](Self::seal) it.
    #[must_use]
    pub fn into_bytes(self) -> Zeroizing<Box<[u8]>> {
        self.snapshot
    }

    /// Reads what [`into_bytes`](Self::into_bytes) gave, and leaps forward with its record numbers. A configuration of the
    /// same role must be the one that the connection was made under, or one with the same suites: who the peer is has been
    /// settled and is not verified again.
    ///
    /// **Each state is read once.** Two connections made of one state would answer for each other, and an old state does not
    /// know what has been received since, which can then be replayed to it. Whoever hands states over on a medium that can
    /// be read twice deletes them before the first connection of them is used.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn from_bytes(bytes: &[u8], config: impl Into<RoleConfig>) -> Result<Self, RestoreError> {
        let config = config.into();
        let mut snapshot = Snapshot::decode_all(bytes).map_err(|_| RestoreError::NotAState)?;
        if snapshot.info.role != config.role() {
            return Err(RestoreError::OtherRole(snapshot.info.role));
        }
        config.suite(snapshot.info.cipher_suite).ok_or(RestoreError::CipherSuite)?;
        let mut random = [0; 8];
        config.provider().random.fill(&mut random).map_err(|_| RestoreError::CryptoFailed)?;
        let leap = Self::LEAP_LEAST + (u64::from_be_bytes(random) >> (64 - Self::LEAP_BITS));
        let next = RecordNumber::new(snapshot.written.next.saturating_add(leap));
        snapshot.written.next = next.ok_or(RestoreError::NumbersExhausted)?.get();
        Ok(Self::new(config, &snapshot))
    }

    /// The state, sealed under a key that both processes have. A key that is made for one handover and forgotten after it
    /// makes every copy of the states useless.
    ///
    /// ```text
    ///   version(1) random(32) ciphertext tag(16)                        AES-256-GCM under a key for this state alone
    /// ```
    ///
    /// # Errors
    /// If the provider fails or does not have AES-256-GCM.
    pub fn seal(self, key: &SavingKey) -> Result<Vec<u8>, CryptoError> {
        let provider = self.config.provider();
        let mut random = [0; Sealing::RANDOM_LEN];
        provider.random.fill(&mut random)?;
        let head = [&[Self::SEALED_VERSION][..], &random].concat();
        let sealing = Sealing::new(provider, Self::PURPOSE).ok_or(CryptoError)?;
        sealing.seal(&key.0, &head, &random, &self.snapshot)
    }

    /// Opens what [`seal`](Self::seal) gave; see [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn open(sealed: &[u8], key: &SavingKey, config: impl Into<RoleConfig>) -> Result<Self, RestoreError> {
        let config = config.into();
        let sealing = Sealing::new(config.provider(), Self::PURPOSE).ok_or(RestoreError::CryptoFailed)?;
        let (head, body) = sealed.split_at_checked(1 + Sealing::RANDOM_LEN).ok_or(RestoreError::NotAState)?;
        let (version, random) = head.split_first().ok_or(RestoreError::NotAState)?;
        if *version != Self::SEALED_VERSION {
            return Err(RestoreError::NotAState);
        }
        let opened = sealing.open(&key.0, head, random, body).map_err(|_| RestoreError::NotAuthentic)?;
        Self::from_bytes(&opened, config)
    }

    const PURPOSE: &'static [u8] = b"saved connection";
    const SEALED_VERSION: u8 = 1;
}

/// What was in a cache is forgotten with it where the configuration has none any more.
fn restored_resumption(saved: SavedResumption, config: &RoleConfig) -> Option<Resumption> {
    match (saved, config) {
        (SavedResumption::State(state), _) => Some(Resumption::State(*state)),
        (SavedResumption::Cached(id), RoleConfig::Server(config)) => {
            let cache = config.resumption.as_ref()?.cache.as_ref()?;
            Some(Resumption::Cached(Arc::clone(cache), id))
        }
        (SavedResumption::Cached(_), RoleConfig::Client(_)) | (SavedResumption::Nothing, _) => None,
    }
}

impl Linger {
    /// The same with times from `now`, as it is saved.
    fn since(self, now: Instant) -> Self {
        let left = |moment: Instant| Instant::from_origin(moment - now);
        Self { until: left(self.until), quiet_until: left(self.quiet_until), ..self }
    }

    /// The same with times from the origin.
    fn from(self, now: Instant) -> Self {
        let moment = |left: Instant| now + left.since_origin();
        Self { until: moment(self.until), quiet_until: moment(self.quiet_until), ..self }
    }
}

impl fmt::Debug for SavedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SavedConnection({} bytes, [redacted])", self.snapshot.len())
    }
}

/// A key that saved connections are sealed under. Erased when dropped.
pub struct SavingKey(Zeroizing<[u8; 32]>);

impl SavingKey {
    /// A key that nobody else has yet.
    ///
    /// # Errors
    /// If the provider has no randomness.
    pub fn random(provider: &CryptoProvider) -> Result<Self, CryptoError> {
        let mut key = Self(Zeroizing::new([0; 32]));
        provider.random.fill(&mut *key.0)?;
        Ok(key)
    }

    /// A key that another process has made. All of it must be random.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The key, to be handed to the other process.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SavingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SavingKey([redacted])")
    }
}

/// Why a connection cannot be put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CannotSave {
    /// Its handshake is not complete, or it is over.
    NotConnected,
    /// It has events or datagrams that its owner has not taken.
    NotDrained,
    /// One end has used its last record number.
    NumbersExhausted,
}

impl fmt::Display for CannotSave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "the handshake is not complete, or the connection is over",
            Self::NotDrained => "there are events or datagrams to take: drain `poll_event` and `poll_transmit` first",
            Self::NumbersExhausted => "the record numbers are used up; connect anew",
        })
    }
}

impl core::error::Error for CannotSave {}

/// Why a state does not lead to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes are not the state of a connection, or of another version.
    NotAState,
    /// The state was not sealed under this key, or has been changed.
    NotAuthentic,
    /// The connection is one of this role, and the configuration is not.
    OtherRole(Role),
    /// The configuration does not have the suite of the connection.
    CipherSuite,
    /// The record numbers do not suffice to leap once more.
    NumbersExhausted,
    /// The provider failed, or does not have AES-256-GCM.
    CryptoFailed,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAState => "the bytes are not the state of a connection, or of another version; connect anew",
            Self::NotAuthentic => "the state was not sealed under this key, or has been changed",
            Self::OtherRole(Role::Client) => "the connection is a client's; give it the configuration of a client",
            Self::OtherRole(Role::Server) => "the connection is a server's; give it the configuration of a server",
            Self::CipherSuite => "the configuration does not have the connection's cipher suite",
            Self::NumbersExhausted => "the record numbers are used up; connect anew",
            Self::CryptoFailed => "the cryptography provider failed, or does not have AES-256-GCM",
        })
    }
}

impl core::error::Error for RestoreError {}
