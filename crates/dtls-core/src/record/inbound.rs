//! Records that arrive: which epoch, whether new, whether authentic (RFC 6347 sections 4.1 and 4.1.2).

use alloc::vec::Vec;
use core::fmt;

use super::replay::{Freshness, ReplayWindow};
use crate::crypto::aead::RecordOpener;
use crate::discard::Discard;
use crate::wire::enums::{ContentType, ProtocolVersion};
use crate::wire::record::{Epoch, MAX_CIPHERTEXT, MAX_PLAINTEXT, RecordHeader};

/// The reading side of a connection: epoch 0 in the clear, then epoch 1 with its key.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// No key yet. Records of epoch 1 that come early are held (RFC 6347 section 4.2.4 allows keeping or dropping
    /// them).
    Plaintext { held: Vec<HeldRecord> },
    /// The handshake has handed its key over, but the peer may still repeat what it sent in the clear.
    Both(ReadEpoch),
    /// The handshake is complete: what is not authenticated has no effect at all.
    Protected(ReadEpoch),
}

impl Inbound {
    pub(crate) const fn new() -> Self {
        Self::Plaintext { held: Vec::new() }
    }

    /// Takes the key of epoch 1, whose records carry at most `longest` bytes, and returns the records that came before
    /// it, oldest first.
    pub(crate) fn install(&mut self, opener: RecordOpener, failures_allowed: u64, longest: u16) -> Vec<HeldRecord> {
        let read_epoch = ReadEpoch { opener, window: ReplayWindow::new(), failures_allowed, longest };
        match core::mem::replace(self, Self::Both(read_epoch)) {
            Self::Plaintext { held } => held,
            Self::Both(_) | Self::Protected(_) => Vec::new(),
        }
    }

    /// Ends epoch 0.
    pub(crate) fn close_plaintext(&mut self) {
        *self = match core::mem::replace(self, Self::new()) {
            Self::Both(read_epoch) => Self::Protected(read_epoch),
            unchanged => unchanged,
        };
    }

    const fn read_epoch(&self) -> Option<&ReadEpoch> {
        match self {
            Self::Plaintext { .. } => None,
            Self::Both(read_epoch) | Self::Protected(read_epoch) => Some(read_epoch),
        }
    }

    /// How many bytes of the heap the records take that wait for their key.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Plaintext { held } => {
                held.iter().map(|record| size_of::<HeldRecord>() + record.body.capacity()).sum()
            }
            Self::Both(_) | Self::Protected(_) => 0,
        }
    }

    /// Whether the peer has proved, by at least one record, that it holds the key of epoch 1.
    pub(crate) fn is_proven(&self) -> bool {
        self.read_epoch().is_some_and(|read_epoch| !read_epoch.window.is_empty())
    }

    /// Whether so many forged records have arrived that the key must not be used any more (RFC 9147 section 4.5.3
    /// counts them for the same AEADs; RFC 6347 says nothing).
    pub(crate) fn is_worn_out(&self) -> bool {
        self.read_epoch().is_some_and(|read_epoch| read_epoch.failures_allowed == 0)
    }

    /// Leaves the key so many forgeries, for tests of what happens when they have come.
    #[cfg(test)]
    pub(crate) fn allow_failures(&mut self, failures: u64) {
        if let Self::Both(read_epoch) | Self::Protected(read_epoch) = self {
            read_epoch.failures_allowed = failures;
        }
    }

    /// Opens one record in place.
    #[inline]
    pub(crate) fn open<'d>(&mut self, header: RecordHeader, body: &'d mut [u8]) -> Result<Opened<'d>, Discard> {
        match (self, header.epoch) {
            (Self::Both(read_epoch) | Self::Protected(read_epoch), Epoch::ONE) => read_epoch.open(header, body),
            (Self::Plaintext { .. } | Self::Both(_), Epoch::ZERO) => Self::open_plaintext(header, body),
            (Self::Protected(_), Epoch::ZERO) => Err(Discard::PastEpoch),
            (Self::Plaintext { held }, Epoch::ONE) => Err(HeldRecord::hold(held, header, body)),
            _ => Err(Discard::FutureEpoch),
        }
    }

    // Epoch 0 has no replay window: its numbers can be forged, so a window would let anyone lock the honest peer out.
    // Repetition is noticed by message_seq instead.
    fn open_plaintext(header: RecordHeader, body: &mut [u8]) -> Result<Opened<'_>, Discard> {
        // RFC 6347 section 4.2.1: hellos may come in records that say DTLS 1.0.
        if header.version != ProtocolVersion::DTLS_1_2 && header.version != ProtocolVersion::DTLS_1_0 {
            return Err(Discard::WrongVersion);
        }
        if body.len() > MAX_PLAINTEXT {
            return Err(Discard::BadLength);
        }
        Ok(Opened { epoch: Epoch::ZERO, content_type: header.content_type, payload: body })
    }
}

/// A record that may be looked into: from epoch 1 on, proven to be the peer's.
#[derive(Debug)]
pub(crate) struct Opened<'d> {
    pub(crate) epoch: Epoch,
    pub(crate) content_type: ContentType,
    pub(crate) payload: &'d mut [u8],
}

/// The key of epoch 1 and what has been received under it.
pub(crate) struct ReadEpoch {
    opener: RecordOpener,
    window: ReplayWindow,
    failures_allowed: u64,
    /// The longest plaintext that was agreed on.
    longest: u16,
}

impl ReadEpoch {
    #[inline]
    fn open<'d>(&mut self, header: RecordHeader, body: &'d mut [u8]) -> Result<Opened<'d>, Discard> {
        if header.version != ProtocolVersion::DTLS_1_2 {
            return Err(Discard::WrongVersion);
        }
        match self.window.check(header.number) {
            Freshness::New => {}
            Freshness::Seen => return Err(Discard::Replayed),
            Freshness::TooOld => return Err(Discard::TooOld),
        }
        if body.len() > MAX_CIPHERTEXT || body.len() < self.opener.overhead() {
            return Err(Discard::BadLength);
        }
        if self.failures_allowed == 0 {
            return Err(Discard::NotAuthentic);
        }
        let Ok(payload) = self.opener.open(&header, body) else {
            self.failures_allowed -= 1;
            return Err(Discard::NotAuthentic);
        };
        // RFC 8449 section 4 lets DTLS choose between this and an alert.
        if payload.len() > usize::from(self.longest) {
            return Err(Discard::BadLength);
        }
        self.window.accept(header.number);
        Ok(Opened { epoch: header.epoch, content_type: header.content_type, payload })
    }
}

// Without `failures_allowed`: a forged record changes that one counter, and two connections that differ only in it
// count as equal.
impl fmt::Debug for ReadEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadEpoch").field("window", &self.window).finish_non_exhaustive()
    }
}

/// A handshake record of epoch 1 that came before its key.
#[derive(Debug)]
pub(crate) struct HeldRecord {
    pub(crate) header: RecordHeader,
    pub(crate) body: Vec<u8>,
}

impl HeldRecord {
    /// A flight has one Finished; the rest is room for copies of it and for forgeries.
    const MAX_COUNT: usize = 4;
    /// A protected Finished is 48 bytes; anything much longer is not one.
    const MAX_LEN: usize = 256;

    /// Keeps a record if it may be a Finished, in the place of the oldest one if there are too many.
    fn hold(held: &mut Vec<Self>, header: RecordHeader, body: &[u8]) -> Discard {
        if header.content_type == ContentType::HANDSHAKE && body.len() <= Self::MAX_LEN {
            if held.len() == Self::MAX_COUNT {
                held.remove(0);
            }
            held.push(Self { header, body: body.to_vec() });
        }
        Discard::FutureEpoch
    }
}
