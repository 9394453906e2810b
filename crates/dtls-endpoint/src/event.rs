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
    /// The peer has closed the session in good order. Nothing follows.
    Closed,
    /// The session is over for a reason that its connection gives. Nothing follows.
    Failed(Error),
    /// The endpoint has ended the session. Nothing follows.
    Ended(Reason),
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
