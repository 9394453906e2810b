//! What an endpoint tells its host.

use core::fmt;

use dtls_core::Error;

/// Something that happened to a session, from [`Endpoint::poll_event`](crate::Endpoint::poll_event).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// See [`dtls_core::Event::Asked`], [`Endpoint::question`](crate::Endpoint::question) and
    /// [`Endpoint::answer`](crate::Endpoint::answer).
    Asked,
    /// See [`dtls_core::Event::Connected`].
    Connected,
    /// See [`dtls_core::Event::KeysProbablyDiffer`].
    KeysProbablyDiffer,
    /// The newest authentic record of the peer came from another address,
    /// [`Endpoint::seen_at`](crate::Endpoint::seen_at): its address has changed, or someone on the path wants it to look
    /// so. What is sent goes to the old address until the host, having made sure that the peer receives at the new one,
    /// calls [`Endpoint::follow`](crate::Endpoint::follow). Comes only with connection IDs (RFC 9146 section 6), and again
    /// if the peer is seen at yet another address.
    SeenElsewhere,
    /// The peer has been followed to another address, the one that this event comes with;
    /// [`Endpoint::previous_address`](crate::Endpoint::previous_address) has the one before. Of several changes between two
    /// polls the last is told.
    AddressChanged,
    /// A check of another address, at which the peer was seen, has ended, and the peer was not followed (RFC 9853). Its
    /// address is what it was; [`Endpoint::seen_at`](crate::Endpoint::seen_at) has the other, unless the peer has come back.
    AddressKept(Kept),
    /// A datagram of so many bytes has arrived at the peer: see [`Endpoint::probe_mtu`](crate::Endpoint::probe_mtu).
    ProbeAnswered(u16),
    /// The peer has closed the session in good order. Nothing follows.
    Closed,
    /// The session is over for a reason that its connection gives. Nothing follows.
    Failed(Error),
    /// The endpoint has ended the session. Nothing follows.
    Ended(Reason),
}

/// Why a peer was not followed to another address at which it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// No answer came from the new address in time: it is not the peer's, or datagrams were lost. Another check begins when
    /// the peer is seen there again.
    NoAnswer,
    /// The peer receives at the old address and wants to go on there: somebody else has sent its record on.
    OldPathAnswers,
    /// The peer says that it has left the path to the new address.
    PathLeft,
    /// A newer record has come from the old address.
    CameBack,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAnswer => "no answer came from the new address",
            Self::OldPathAnswers => "the peer wants to stay at its old address",
            Self::PathLeft => "the peer has left the new address",
            Self::CameBack => "the peer has come back",
        })
    }
}

/// Why an endpoint ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No application data came or went for as long as [`Limits::idle`](crate::Limits::idle) says.
    Idle,
    /// It had been idle longest, and made room for a new client, as [`Limits::evict`](crate::Limits::evict) says.
    Evicted,
    /// Its client has begun a new session from the same address (RFC 6347 section 4.2.8).
    Replaced,
    /// It took more memory than [`Limits`](crate::Limits) allow.
    Memory,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "nothing came or went for too long",
            Self::Evicted => "the session made room for a new one",
            Self::Replaced => "the client has begun a new session from its address",
            Self::Memory => "the session took more memory than the limits allow",
        })
    }
}
