//! What a script against an endpoint says: its policies and limits, and what happens at eight addresses. Read like
//! [`script`](crate::script), whose parts it uses: any bytes are a script.
//!
//! ```text
//!   setup: 11 bytes | doors: 1 byte | limits: 5 bytes | step: opcode, fields | step | ...
//! ```

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::script::{ForgedMessage, ForgedRecord, Mangle, Setup, bytes, put_bytes};

/// A script against one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// How both ends of every session are configured.
    pub setup: Setup,
    /// Bits of [`doors`].
    pub doors: u8,
    /// The limits to begin with.
    pub limits: [u8; 5],
    /// What happens.
    pub steps: Vec<Step>,
}

/// The bits of [`Script::doors`].
pub mod doors {
    /// Clients need no cookie.
    pub const TRUSTED_PATH: u8 = 1;
    /// A cookie is enough to replace an old session.
    pub const AFTER_COOKIE: u8 = 2;
    /// The host is asked about every client.
    pub const ASK: u8 = 4;
}

/// Something that happens. `at` is one of the addresses, `nth` one of the sessions that were ever seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields have the names of what they are")]
pub enum Step {
    /// These bytes arrive.
    Datagram { at: u8, bytes: Vec<u8> },
    /// A forged record arrives.
    Record { at: u8, record: ForgedRecord },
    /// A forged message arrives.
    Message { at: u8, message: ForgedMessage },
    /// A client begins, and forgets what it was.
    Begin { at: u8 },
    /// What the one at the address has to say arrives like this, and what the endpoint has to say to anybody.
    Flight { at: u8, mangle: Mangle },
    /// Something that anybody has said arrives again, from this address.
    Replay { at: u8, back: u8, mangle: Mangle },
    /// Time goes on to the deadline of the endpoint, which is told.
    Timeout,
    /// Time goes on to the deadline of the one at the address, who is told.
    PeerTimeout { at: u8 },
    /// Milliseconds go by, and nobody is told.
    Advance(u16),
    /// The endpoint is told the time.
    Tick,
    /// So many datagrams are taken in a batch, and lost.
    Lose(u8),
    /// The host accepts, refuses or drops the client at the door, now or later.
    Decide(u8),
    /// The host closes a session.
    Close(u8),
    /// The host aborts a session.
    Abort(u8),
    /// The host releases a session.
    Release(u8),
    /// The host sends.
    Send { nth: u8, len: u8 },
    /// The one at the address sends.
    PeerSend { at: u8, len: u8 },
    /// The one at the address closes.
    PeerClose { at: u8 },
    /// The limits change.
    Limits([u8; 5]),
    /// The policies change: bits of [`doors`], and 8 for busy.
    Doors(u8),
    /// The endpoint becomes a client itself.
    Connect { at: u8 },
    /// A session's MTU changes and its certificates are taken.
    Change { nth: u8, mtu: u16 },
}

impl Script {
    /// More steps than this are not read.
    pub const MAX_STEPS: usize = 300;

    /// The bytes that are read as this script.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.setup.to_bytes().to_vec();
        out.push(self.doors);
        out.extend(self.limits);
        for step in &self.steps {
            step.encode(&mut out);
        }
        out
    }
}

impl<'a> Arbitrary<'a> for Script {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (setup, doors, limits) = (Setup::read(u)?.of_certificates(), u.arbitrary()?, u.arbitrary()?);
        let mut steps = Vec::new();
        while !u.is_empty() && steps.len() < Self::MAX_STEPS {
            steps.push(Step::read(u)?);
        }
        Ok(Self { setup, doors, limits, steps })
    }
}

impl Step {
    fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? % 26 {
            0 => Self::Datagram { at: u.arbitrary()?, bytes: bytes(u)? },
            1 => Self::Record { at: u.arbitrary()?, record: ForgedRecord::read(u)? },
            2 => Self::Message { at: u.arbitrary()?, message: ForgedMessage::read(u)? },
            3 => Self::Begin { at: u.arbitrary()? },
            // The step that leads deepest gets more than its share.
            4 | 22..=25 => Self::Flight { at: u.arbitrary()?, mangle: Mangle::read(u)? },
            5 => Self::Replay { at: u.arbitrary()?, back: u.arbitrary()?, mangle: Mangle::read(u)? },
            6 => Self::Timeout,
            7 => Self::PeerTimeout { at: u.arbitrary()? },
            8 => Self::Advance(u.arbitrary()?),
            9 => Self::Tick,
            10 => Self::Lose(u.arbitrary()?),
            11 => Self::Decide(u.arbitrary()?),
            12 => Self::Close(u.arbitrary()?),
            13 => Self::Abort(u.arbitrary()?),
            14 => Self::Release(u.arbitrary()?),
            15 => Self::Send { nth: u.arbitrary()?, len: u.arbitrary()? },
            16 => Self::PeerSend { at: u.arbitrary()?, len: u.arbitrary()? },
            17 => Self::PeerClose { at: u.arbitrary()? },
            18 => Self::Limits(u.arbitrary()?),
            19 => Self::Doors(u.arbitrary()?),
            20 => Self::Connect { at: u.arbitrary()? },
            _ => Self::Change { nth: u.arbitrary()?, mtu: u.arbitrary()? },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Datagram { at, bytes } => {
                out.extend([0, *at]);
                put_bytes(out, bytes);
            }
            Self::Record { at, record } => {
                out.extend([1, *at]);
                record.encode(out);
            }
            Self::Message { at, message } => {
                out.extend([2, *at]);
                message.encode(out);
            }
            Self::Begin { at } => out.extend([3, *at]),
            Self::Flight { at, mangle } => {
                out.extend([4, *at]);
                mangle.encode(out);
            }
            Self::Replay { at, back, mangle } => {
                out.extend([5, *at, *back]);
                mangle.encode(out);
            }
            Self::Timeout => out.push(6),
            Self::PeerTimeout { at } => out.extend([7, *at]),
            Self::Advance(millis) => {
                out.push(8);
                out.extend(millis.to_le_bytes());
            }
            Self::Tick => out.push(9),
            Self::Lose(count) => out.extend([10, *count]),
            Self::Decide(how) => out.extend([11, *how]),
            Self::Close(nth) => out.extend([12, *nth]),
            Self::Abort(nth) => out.extend([13, *nth]),
            Self::Release(nth) => out.extend([14, *nth]),
            Self::Send { nth, len } => out.extend([15, *nth, *len]),
            Self::PeerSend { at, len } => out.extend([16, *at, *len]),
            Self::PeerClose { at } => out.extend([17, *at]),
            Self::Limits(limits) => {
                out.push(18);
                out.extend(limits);
            }
            Self::Doors(doors) => out.extend([19, *doors]),
            Self::Connect { at } => out.extend([20, *at]),
            Self::Change { nth, mtu } => {
                out.extend([21, *nth]);
                out.extend(mtu.to_le_bytes());
            }
        }
    }
}
