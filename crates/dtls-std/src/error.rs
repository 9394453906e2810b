//! What can go wrong for the caller of an endpoint or a session.

use core::fmt;
use core::net::SocketAddr;
use std::io;

use dtls_core::{Error, SendError, Stats};
use dtls_endpoint::Reason;

/// Why there is no session to accept.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// A client's handshake has failed. The endpoint goes on: call again.
    Handshake {
        /// The client.
        peer: SocketAddr,
        /// What was wrong.
        error: Error,
        /// What was counted until then.
        stats: Box<Stats>,
    },
    /// The endpoint is closed: nothing will come any more.
    Closed,
    /// The socket cannot be waited for, or a [callback](crate#callbacks) has panicked in the socket's thread: nothing
    /// will come any more, and all sessions have ended for the same reason.
    Socket(io::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake { peer, error, .. } => write!(f, "the handshake with {peer} failed: {error}"),
            Self::Closed => f.write_str("the endpoint is closed"),
            Self::Socket(error) => write!(f, "the endpoint has ended: {error}"),
        }
    }
}

impl core::error::Error for AcceptError {}

/// Why there is no session with a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be resolved, the system has no socket or no route for it, or the endpoint has ended as
    /// [`AcceptError::Socket`] says.
    Socket(io::Error),
    /// The session was not begun.
    NotBegun(dtls_endpoint::ConnectError),
    /// The handshake has failed.
    Handshake {
        /// The server.
        peer: SocketAddr,
        /// What was wrong.
        error: Error,
        /// What was counted until then.
        stats: Box<Stats>,
    },
    /// Nothing listens at the server's address, or so its host says: the handshake was not answered in time.
    Refused {
        /// The server.
        peer: SocketAddr,
    },
    /// The endpoint is closed, or was while the handshake was under way.
    Closed,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => write!(f, "{error}"),
            Self::NotBegun(error) => write!(f, "{error}"),
            Self::Handshake { peer, error, .. } => write!(f, "the handshake with {peer} failed: {error}"),
            Self::Refused { peer } => write!(f, "nothing listens at {peer}; start the server, or check the port"),
            Self::Closed => f.write_str("the endpoint is closed"),
        }
    }
}

impl core::error::Error for ConnectError {}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl From<dtls_endpoint::ConnectError> for ConnectError {
    fn from(error: dtls_endpoint::ConnectError) -> Self {
        Self::NotBegun(error)
    }
}

/// Why a session cannot send or has nothing to receive.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The session is over in good order: the peer has closed it, or it was closed here.
    Closed,
    /// The session is over for a reason.
    Failed(Error),
    /// The endpoint has ended the session, by its limits or for a new one of the same client.
    Ended(Reason),
    /// The payload was not sealed; the session goes on.
    NotSent(SendError),
    /// The buffer is too short for the datagram, which is kept for the next call.
    BufferTooShort {
        /// How long it is.
        needed: usize,
    },
    /// From sending: the socket did not take the datagram, and the session goes on. [`io::ErrorKind::WouldBlock`]: it
    /// has had no room for five seconds.
    Socket(io::Error),
    /// The session is over because its endpoint has ended, as [`AcceptError::Socket`] says.
    EndpointEnded(io::Error),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the session is closed"),
            Self::Failed(error) => write!(f, "the session has failed: {error}"),
            Self::Ended(reason) => write!(f, "the session has ended: {reason}"),
            Self::NotSent(error) => write!(f, "the payload was not sent: {error}"),
            Self::BufferTooShort { needed } => write!(f, "the datagram needs a buffer of {needed} bytes"),
            Self::Socket(error) => write!(f, "the socket did not take the datagram: {error}"),
            Self::EndpointEnded(error) => write!(f, "the session's endpoint has ended: {error}"),
        }
    }
}

impl core::error::Error for SessionError {}

impl From<SendError> for SessionError {
    fn from(error: SendError) -> Self {
        if error == SendError::Closed { Self::Closed } else { Self::NotSent(error) }
    }
}
