//! A client at the door.

use core::fmt;

use dtls_core::VerifiedHello;
use dtls_core::wire::hello::ClientHello;

/// A client whose address is verified and of which nothing is held yet. Give it to
/// [`Endpoint::accept`](crate::Endpoint::accept) or [`Endpoint::refuse`](crate::Endpoint::refuse), or drop it: the
/// client then gets silence, and repeats its hello.
pub struct Incoming<A> {
    pub(crate) address: A,
    pub(crate) hello: VerifiedHello,
}

impl<A> Incoming<A> {
    /// Where the client is.
    pub const fn address(&self) -> &A {
        &self.address
    }

    /// What the client says, name and protocols asked for among it; `None` if its hello came in fragments, of which
    /// only the first is here. None of it is proven but that it comes from this address.
    #[must_use]
    pub fn hello(&self) -> Option<ClientHello<'_>> {
        self.hello.hello()
    }
}

impl<A: fmt::Debug> fmt::Debug for Incoming<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("address", &self.address).finish_non_exhaustive()
    }
}
