//! How much an endpoint takes on, and what it does at its limits.

use core::time::Duration;

/// How much an endpoint takes on. A client beyond it gets silence and is counted: it repeats its hello, and may find
/// room.
///
/// There will be more limits; write `Limits { sessions: 500, ..Limits::default() }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions of either role, finished handshake or not, and those that are over until they are
    /// [`release`](crate::Endpoint::release)d. Default: 100,000.
    ///
    /// A client that begins anew at its address counts as one with its old session, so that a dead session never keeps its
    /// own client out: two sessions take one place from the new one's first answer until either of the two has been
    /// released. At most [`half_open`](Self::half_open) clients at a time may do so, each once; one that loses its state
    /// again before a session of its has been released needs a place of its own. So there are never more sessions than
    /// this and `half_open` together.
    pub sessions: usize,
    /// Server sessions whose handshake is not complete. Default: 1,000.
    pub half_open: usize,
    /// Sessions with addresses of one [`Address::Host`](crate::Address::Host), counted as for
    /// [`sessions`](Self::sessions). Default: no limit, since thousands of people may stand behind one address translator. A
    /// peer with a connection ID is not followed to a host that has as many.
    pub per_host: usize,
    /// Bytes of memory that one session may take, as [`Connection::memory`](dtls_core::Connection::memory) counts them.
    /// Only a peer that sends long certificates comes near it. Default: 512 KiB.
    pub session_memory: usize,
    /// Bytes of memory that all sessions together may take. A client whose handshake would pass it is refused, and a
    /// handshake that passes it later ends with [`Reason::Memory`](crate::Reason::Memory), unless [`evict`](Self::evict)
    /// makes room. Default: 1 GiB.
    pub memory: usize,
    /// After how long without application data in either direction a session is ended, with a close_notify and
    /// [`Reason::Idle`](crate::Reason::Idle). Default: never.
    pub idle: Option<Duration>,
    /// Whether a new client with a good cookie that finds no room under [`sessions`](Self::sessions) or
    /// [`memory`](Self::memory) takes the place of the session that has been without application data longest, if that is
    /// at least this long. Default: never; the new client waits.
    ///
    /// For memory several may have to go, in the order of their idleness and no more than are needed, since a handshake
    /// takes more than a session that is idle; also while it grows, by a long certificate chain say, so that one client can
    /// cost as many idle sessions as [`session_memory`](Self::session_memory) holds. If all that may go would not be enough,
    /// none has to. Nor has the old session of a client that begins anew, nor any when limits become lower.
    ///
    /// Until all that had to go have been [`release`](crate::Endpoint::release)d nobody else has to, and new clients that
    /// find no room wait. Meanwhile they do not count towards `memory`, which they pass by less than the new session and
    /// one of them take, and one of them does not count towards `sessions`.
    pub evict: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 100_000,
            half_open: 1_000,
            per_host: usize::MAX,
            session_memory: 512 << 10,
            memory: 1 << 30,
            idle: None,
            evict: None,
        }
    }
}

/// Whether a client must show that it receives at its address before a server remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookiePolicy {
    /// By a cookie, as RFC 6347 section 4.2.1 wants it of everyone who can be reached from anywhere.
    #[default]
    Required,
    /// Something else has shown it, such as the consent of ICE or a closed network: the first ClientHello begins a
    /// session. On an open network this lets anyone fill the endpoint and aim its flights at others.
    TrustedPath,
}

/// Whether new clients are welcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// They are, within the [`Limits`].
    #[default]
    Open,
    /// Each is put up as an [`Incoming`](crate::Incoming) for the host to accept, refuse or drop.
    Ask,
    /// They get silence and are counted.
    Busy,
}

/// When a client that begins anew at its address, having lost its state, takes the place of its old session (RFC 6347
/// section 4.2.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replacement {
    /// When its new handshake is complete: until then the old session goes on, so that nobody who cannot complete a
    /// handshake can end it. An old session whose own handshake is not complete gives way at once.
    #[default]
    AfterHandshake,
    /// When its cookie was good: sooner, but someone who sees the path can end the session of another by a hello.
    AfterCookie,
}

/// What to do about a peer that is known by its connection ID and whose address seems to change (RFC 9146 section 6): an
/// authentic record, newer than all before, has come from elsewhere. That is no proof that the peer receives there:
/// somebody on the path may have sent the peer's own record on from an address of somebody else's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressChange {
    /// The host is told by [`Event::SeenElsewhere`](crate::Event::SeenElsewhere) and decides. Nothing is sent to the new
    /// address before.
    #[default]
    Ask,
    /// It is followed at once. Then it is for the application to see that the peer receives there before it sends much:
    /// someone on the path can aim at others what a session sends.
    Follow,
    /// What is sent goes where it always went; what comes is taken from anywhere.
    Ignore,
    /// It is asked whether it receives there, and followed if it does (RFC 9853):
    /// [`Event::AddressChanged`](crate::Event::AddressChanged), or else
    /// [`Event::AddressKept`](crate::Event::AddressKept). Until then what is sent goes where it went, and the new address
    /// gets three small datagrams at most, never more than three times as many bytes as came from it. A peer that knows of
    /// no checks is treated as with [`Ask`](Self::Ask).
    Check(PathCheck),
}

/// What is asked before a peer is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathCheck {
    /// Whether it receives at the new address (RFC 9853 section 5.1). Takes a round trip. Someone on the path who is faster
    /// than the peer's own datagrams can pass its records and its answers on, and so get between the two.
    Basic,
    /// First whether it still receives at the old address and wants to (RFC 9853 section 5.2), and only where it does not,
    /// the same as before. Against that attack; a peer behind an address translator that has forgotten it is followed a
    /// second later, by default, than without.
    Enhanced,
}
