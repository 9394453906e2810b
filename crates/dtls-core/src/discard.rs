//! What is dropped without a word: RFC 6347 section 4.1.2.7.

/// Why a datagram, a record or a fragment was dropped.
///
/// Anyone can send such bytes, so a counter is all that an owner sees of it (RFC 6347 section 4.1.2.7). Inside, three
/// causes leave a trace within fixed bounds: a forgery wears the key ([`NotAuthentic`](Self::NotAuthentic)), a small
/// handshake record may be held for its key ([`FutureEpoch`](Self::FutureEpoch)), and while there are no keys a useless
/// message ([`UnusableMessage`](Self::UnusableMessage)) is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Discard {
    /// The datagram ends inside a record's header or body, or bytes are left behind the last record.
    Truncated,
    /// The record says another version than the connection's.
    WrongVersion,
    /// The record has a content type that is not expected in its epoch, or none.
    UnexpectedContentType,
    /// The record has a connection ID that is not ours, or none where one was agreed on, or one where none was (RFC 9146
    /// section 3). Where no ID of ours can be in it, nobody knows where the record ends, and what follows it in its
    /// datagram is dropped with it.
    WrongConnectionId,
    /// The record belongs to an epoch that is over.
    PastEpoch,
    /// The record belongs to an epoch that has not begun. A few that may be a Finished are held until it has.
    FutureEpoch,
    /// A record with this number has been accepted before.
    Replayed,
    /// The record's number lies before the replay window.
    TooOld,
    /// The record is longer than any record may be, or shorter than its protection.
    BadLength,
    /// The record's authentication tag is wrong.
    NotAuthentic,
    /// A handshake fragment is malformed, or in the clear where an authenticated one has come.
    BadFragment,
    /// A handshake message lies too far ahead, or is longer than its type allows, or would take too much memory.
    MessageOutOfBounds,
    /// A handshake message or fragment has been handled before.
    RepeatedMessage,
    /// A handshake message does not parse or does not belong here; a retransmission may bring a better one.
    UnusableMessage,
    /// An alert or a ChangeCipherSpec that is malformed, or that anyone could have forged at this point.
    UntrustedSignal,
    /// A message of a path check is malformed or of an unknown type, answers no challenge of ours, or answers one again;
    /// or more challenges came than are answered at a time.
    UnusablePathMessage,
    /// Application data before the handshake has proved who sends it.
    EarlyApplicationData,
    /// The connection is closed.
    Closed,
}

impl Discard {
    /// Every cause, in the order in which statistics list them.
    pub const ALL: [Self; 18] = [
        Self::Truncated,
        Self::WrongVersion,
        Self::UnexpectedContentType,
        Self::WrongConnectionId,
        Self::PastEpoch,
        Self::FutureEpoch,
        Self::Replayed,
        Self::TooOld,
        Self::BadLength,
        Self::NotAuthentic,
        Self::BadFragment,
        Self::MessageOutOfBounds,
        Self::RepeatedMessage,
        Self::UnusableMessage,
        Self::UntrustedSignal,
        Self::UnusablePathMessage,
        Self::EarlyApplicationData,
        Self::Closed,
    ];

    /// The cause in words, for a person.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::WrongVersion => "wrong version",
            Self::UnexpectedContentType => "unexpected content type",
            Self::WrongConnectionId => "wrong connection ID",
            Self::PastEpoch => "past epoch",
            Self::FutureEpoch => "future epoch",
            Self::Replayed => "replayed",
            Self::TooOld => "too old",
            Self::BadLength => "bad length",
            Self::NotAuthentic => "not authentic",
            Self::BadFragment => "bad fragment",
            Self::MessageOutOfBounds => "message out of bounds",
            Self::RepeatedMessage => "repeated message",
            Self::UnusableMessage => "unusable message",
            Self::UntrustedSignal => "untrusted signal",
            Self::UnusablePathMessage => "unusable path message",
            Self::EarlyApplicationData => "early application data",
            Self::Closed => "closed",
        }
    }
}
