//! What a client keeps of a session, and when it may offer to resume it.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use rustls_pki_types::{IpAddr, ServerName};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::peer::KnownPeer;
use super::{SESSION_ID_LEN, SessionChecked};
use crate::config::{ClientConfig, ConfigError, ExtendedMasterSecret};
use crate::crypto::secrets::MasterSecret;
use crate::crypto::suite::CipherSuite;
use crate::crypto::verify::PeerRole;
use crate::wire::codec::{Decode, DecodeError, Encode as _, Reader, put_option, put_vector};
use crate::wire::enums::{CipherSuiteId, MaxFragmentLength};

/// A session that a client may resume, from [`Connection::take_resumption_state`].
///
/// Holds the session's master secret: whoever has it can be the client, and can read what is resumed from it. Erased when
/// dropped. It can be used more than once, for as long as the server remembers; a session that ended with a fatal alert
/// leaves none behind (RFC 5246 section 7.2.2).
///
/// [`Connection::take_resumption_state`]: crate::Connection::take_resumption_state
pub struct ResumptionState {
    suite: CipherSuiteId,
    master: MasterSecret,
    given: Given,
    /// The name that the server was connected by.
    server_name: Option<Vec<u8>>,
    sides: Sides,
    /// What we asked for by max_fragment_length, and whether the server agreed: RFC 6066 section 4 has that hold for the
    /// whole session.
    fragment_length: Option<MaxFragmentLength>,
    is_granted: bool,
}

/// Who the two sides of a session are.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    pub(crate) server: KnownPeer,
    /// The hash of the credential that we showed.
    pub(crate) shown: Option<[u8; 32]>,
}

/// What a server gives to resume a session by; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    SessionId(Vec<u8>),
    Ticket {
        /// In seconds; 0 for no hint.
        lifetime_hint: u32,
        ticket: Vec<u8>,
    },
}

impl ResumptionState {
    /// Changes with every change of the form.
    const VERSION: u8 = 1;

    /// The longest ticket that is kept: the extensions of a hello have room for 65535 bytes in all, and a ticket is sent
    /// with both hellos of a handshake.
    pub(crate) const TICKET_MAX: usize = 1 << 14;

    pub(crate) fn new(
        given: Given,
        suite: CipherSuiteId,
        master: &MasterSecret,
        server_name: Option<&ServerName<'_>>,
        sides: Sides,
    ) -> Self {
        Self {
            suite,
            master: MasterSecret::new(master.as_bytes()),
            given,
            server_name: server_name.map(name_bytes),
            sides,
            fragment_length: None,
            is_granted: false,
        }
    }

    /// The same of a session in which this was asked for by max_fragment_length.
    pub(crate) fn with_fragment_length(self, asked: Option<MaxFragmentLength>, is_granted: bool) -> Self {
        Self { fragment_length: asked, is_granted: is_granted && asked.is_some(), ..self }
    }

    /// How long the server means to honour its ticket; `None` if it did not say (RFC 5077 section 3.3).
    #[must_use]
    pub fn lifetime_hint(&self) -> Option<Duration> {
        match self.given {
            Given::Ticket { lifetime_hint, .. } if lifetime_hint != 0 => {
                Some(Duration::from_secs(u64::from(lifetime_hint)))
            }
            _ => None,
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn held(&self) -> usize {
        let (Given::SessionId(given) | Given::Ticket { ticket: given, .. }) = &self.given;
        size_of::<Self>() + MasterSecret::LEN + given.len() + self.sides.server.held()
    }

    /// The state as bytes, to be kept where keys are kept.
    ///
    /// ```text
    ///   version(1) suite(2) master_secret(48) how(1) lifetime_hint(4) length(2) given
    ///   name?(1) [length(2) name] server shown?(1) [length(2) hash] max_fragment_length(1) granted(1)
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it, so that no copy is left behind by growing.
        let room = 512 + 2 * self.held() + self.server_name.as_ref().map_or(0, Vec::len);
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        out.push(Self::VERSION);
        out.extend_from_slice(&self.suite.0.to_be_bytes());
        out.extend_from_slice(self.master.as_bytes());
        let (how, lifetime_hint, given): (u8, u32, &[u8]) = match &self.given {
            Given::SessionId(id) => (0, 0, id),
            Given::Ticket { lifetime_hint, ticket } => (1, *lifetime_hint, ticket),
        };
        out.push(how);
        out.extend_from_slice(&lifetime_hint.to_be_bytes());
        put_vector::<2>(&mut out, |out| out.extend_from_slice(given));
        put_option(&mut out, self.server_name.as_deref());
        self.sides.server.encode(&mut out);
        put_option(&mut out, self.sides.shown.as_ref().map(|hash| &hash[..]));
        out.push(self.fragment_length.map_or(0, |length| length.0));
        out.push(u8::from(self.is_granted));
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Bytes that somebody else could have changed must be authenticated
    /// first: who can write a state can say who the server was.
    ///
    /// # Errors
    /// If they are not a state of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        Self::decode_all(bytes).map_err(|_| StateError)
    }

    /// Whether a client of this configuration may offer the session to the server of this name. Its verifier is asked about
    /// what the server showed when the session was made.
    ///
    /// # Errors
    /// Why not; a connection begun with it makes a full handshake then.
    pub fn fits(&self, config: &ClientConfig, server_name: Option<&ServerName<'_>>) -> Result<(), Misfit> {
        self.check(config, server_name).map(|_| ())
    }

    fn check(
        &self,
        config: &ClientConfig,
        server_name: Option<&ServerName<'_>>,
    ) -> Result<(CipherSuite, SessionChecked), Misfit> {
        if !config.resumable || config.settings.extended_master_secret == ExtendedMasterSecret::Off {
            return Err(Misfit::NotResumable);
        }
        if self.server_name != server_name.map(name_bytes) {
            return Err(Misfit::OtherServer);
        }
        let suite = config.suites.iter().find(|suite| suite.id == self.suite).ok_or(Misfit::CipherSuite)?;
        if config.settings.max_fragment_length != self.fragment_length {
            return Err(Misfit::FragmentLength);
        }
        let is_shown = |hash| config.identities.iter().any(|ours| ours.fingerprint(&config.provider) == Some(hash));
        if self.sides.shown.is_some_and(|hash| !is_shown(hash)) {
            return Err(Misfit::OtherIdentity);
        }
        match &self.sides.server {
            KnownPeer::PresharedKey { identity, mark } => {
                let psk = config.psk.as_ref().filter(|psk| !psk.defers(None)).and_then(|psk| psk.identity(None));
                let psk = psk.filter(|psk| psk.identity() == identity).ok_or(Misfit::OtherIdentity)?;
                if !bool::from(psk.key().mark(config.provider.sha256, &self.master).ct_eq(mark)) {
                    return Err(Misfit::OtherIdentity);
                }
            }
            server => {
                let verifier = config.verifier.as_deref().ok_or(Misfit::NotTrusted)?;
                if !server.is_trusted(verifier, PeerRole::Server { name: server_name }) {
                    return Err(Misfit::NotTrusted);
                }
            }
        }
        Ok((*suite, SessionChecked(())))
    }
}

impl Decode<'_> for ResumptionState {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != Self::VERSION {
            return Err(DecodeError::ForbiddenValue);
        }
        let suite = CipherSuiteId(reader.u16()?);
        let master = MasterSecret::new(reader.array()?);
        let (how, lifetime_hint) = (reader.u8()?, reader.u32()?);
        let given = match (how, lifetime_hint, reader.vector_u16()?) {
            (0, 0, id) if (1..=SESSION_ID_LEN).contains(&id.len()) => Given::SessionId(id.to_vec()),
            (1, _, ticket) if (1..=Self::TICKET_MAX).contains(&ticket.len()) => {
                Given::Ticket { lifetime_hint, ticket: ticket.to_vec() }
            }
            _ => return Err(DecodeError::ForbiddenValue),
        };
        let server_name = reader.option()?.map(<[u8]>::to_vec);
        let server = KnownPeer::decode(reader)?;
        let shown = reader.option()?.map(<[u8; 32]>::try_from).transpose().map_err(|_| DecodeError::VectorLength)?;
        let (fragment_length, is_granted) = match (MaxFragmentLength(reader.u8()?), reader.u8()?) {
            (MaxFragmentLength(0), 0) => (None, false),
            (length, granted @ (0 | 1)) if length.bytes().is_some() => (Some(length), granted == 1),
            _ => return Err(DecodeError::ForbiddenValue),
        };
        let sides = Sides { server, shown };
        Ok(Self { suite, master, given, server_name, sides, fragment_length, is_granted })
    }
}

impl fmt::Debug for ResumptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumptionState").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// What tells one name from another. An address stands behind a zero, which no DNS name has.
fn name_bytes(name: &ServerName<'_>) -> Vec<u8> {
    match name {
        ServerName::DnsName(name) => name.as_ref().to_ascii_lowercase().into_bytes(),
        ServerName::IpAddress(IpAddr::V4(address)) => [&[0], &address.as_ref()[..]].concat(),
        ServerName::IpAddress(IpAddr::V6(address)) => [&[0], &address.as_ref()[..]].concat(),
        // The type may grow.
        other => alloc::format!("{other:?}").into_bytes(),
    }
}

// --- in a handshake ---

/// A session that a client offers to resume.
#[derive(Debug)]
pub(crate) struct Offered {
    /// What the server repeats if it resumes: the session's own ID, or with a ticket one that is made up for this
    /// (RFC 5077 section 3.4).
    pub(crate) session_id: Vec<u8>,
    /// Empty without one.
    pub(crate) ticket: Vec<u8>,
    pub(crate) suite: CipherSuite,
    pub(crate) master: MasterSecret,
    pub(crate) sides: Sides,
    pub(crate) given: Given,
    /// What the session's limit for fragments is, if the server agreed to one.
    pub(crate) fragment_length: Option<MaxFragmentLength>,
    pub(crate) checked: SessionChecked,
}

impl Offered {
    /// What to offer of `state`; nothing if it does not [fit](ResumptionState::fits).
    pub(crate) fn of(
        state: &ResumptionState,
        config: &ClientConfig,
        server_name: Option<&ServerName<'_>>,
    ) -> Result<Option<Self>, ConfigError> {
        let Ok((suite, checked)) = state.check(config, server_name) else { return Ok(None) };
        let (session_id, ticket) = match &state.given {
            Given::SessionId(id) => (id.clone(), Vec::new()),
            Given::Ticket { ticket, .. } => {
                let mut id = alloc::vec![0; SESSION_ID_LEN];
                config.provider.random.fill(&mut id).map_err(|_| ConfigError::CryptoFailed)?;
                (id, ticket.clone())
            }
        };
        Ok(Some(Self {
            session_id,
            ticket,
            suite,
            master: MasterSecret::new(state.master.as_bytes()),
            sides: state.sides.clone(),
            given: state.given.clone(),
            fragment_length: state.fragment_length.filter(|_| state.is_granted),
            checked,
        }))
    }

    /// How many bytes of the heap it takes.
    pub(crate) fn held(&self) -> usize {
        self.session_id.len() + 2 * self.ticket.len() + MasterSecret::LEN + self.sides.server.held()
    }
}

// --- what can be wrong ---

/// Why a session cannot be offered with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misfit {
    /// The configuration does not resume sessions, or has the extended master secret switched off.
    NotResumable,
    /// The session is with a server of another name.
    OtherServer,
    /// The session's suite is not offered any more.
    CipherSuite,
    /// The configuration asks for another max_fragment_length than was asked for when the session was made.
    FragmentLength,
    /// The session was made under an identity, or with a pre-shared key, that the configuration does not have.
    OtherIdentity,
    /// The configuration's verifier does not trust what the server showed, or leaves that to the owner.
    NotTrusted,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotResumable => "the configuration does not resume sessions; build it with `resumable`",
            Self::OtherServer => "the session is with a server of another name",
            Self::CipherSuite => "the session's cipher suite is not offered any more",
            Self::FragmentLength => "the session was made with another `max_fragment_length`",
            Self::OtherIdentity => "the session was made under another identity than the configuration has",
            Self::NotTrusted => "the server of the session is not, or no longer, trusted",
        })
    }
}

impl core::error::Error for Misfit {}

/// Bytes that should be a [`ResumptionState`] are none, or of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateError;

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not the state of a session, or of another version; connect without")
    }
}

impl core::error::Error for StateError {}
