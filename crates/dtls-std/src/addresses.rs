//! What is told of peers whose address changes (RFC 9146 section 6).

use core::fmt;
use core::net::SocketAddr;

use dtls_endpoint::Handle;

/// Hears of peers with connection IDs whose address changes; a closure will do. One of the
/// [callbacks](crate#callbacks): it may pass the news on, and must not ask the session.
pub trait WatchAddresses: Send + Sync {
    /// The peer of a session has been seen at another address, or was followed there.
    fn on_news(&self, news: &AddressNews);
}

impl<F: Fn(&AddressNews) + Send + Sync> WatchAddresses for F {
    fn on_news(&self, news: &AddressNews) {
        self(news);
    }
}

impl fmt::Debug for dyn WatchAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchAddresses")
    }
}

/// A peer has been seen, by an authentic record newer than all before, at another address than its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressNews {
    /// Whose peer: see [`Session::handle`](crate::Session::handle).
    pub session: Handle,
    /// Where the peer was, or still is.
    pub from: SocketAddr,
    /// Where it was seen.
    pub to: SocketAddr,
    /// Whether what is sent goes there from now on. If not, that is for
    /// [`Session::follow`](crate::Session::follow), once it is known that the peer receives there.
    pub is_followed: bool,
}
