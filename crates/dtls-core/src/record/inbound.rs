//! Records that arrive: which epoch, whether new, whether authentic (RFC 6347 sections 4.1 and 4.1.2).

use alloc::vec::Vec;
use core::fmt;

use super::replay::{Freshness, ReplayWindow};
use crate::crypto::aead::{RecordOpener, SealedHeader};
use crate::discard::Discard;
use crate::wire::enums::{ContentType, ProtocolVersion};
use crate::wire::record::{Epoch, MAX_CIPHERTEXT, MAX_PLAINTEXT, RecordHeader};

/// The reading side of a connection: epoch 0 in the clear, then one epoch of protected records.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// Epoch 1, once the handshake has handed over its key.
    protected: Option<ReadEpoch>,
    /// Whether epoch 0 is over: set when the handshake is complete.
    plaintext_closed: bool,
    /// Records of epoch 1 that came before its key (RFC 6347 section 4.2.4 allows keeping or dropping them).
    held: Vec<HeldRecord>,
}

impl Inbound {
    pub(crate) const fn new() -> Self {
        Self { protected: None, plaintext_closed: false, held: Vec::new() }
    }

    /// Takes the key of epoch 1. Records held for it are then handed out by [`Inbound::release_held`].
    pub(crate) fn install(&mut self, opener: RecordOpener, failures_allowed: u64) {
        self.protected = Some(ReadEpoch {
            epoch: Epoch::ONE,
            opener,
            window: ReplayWindow::new(),
            accepted_any: false,
            failures_allowed,
        });
    }

    /// Ends epoch 0: from now on, what is not authenticated has no effect at all.
    pub(crate) fn close_plaintext(&mut self) {
        self.plaintext_closed = true;
        self.held = Vec::new();
    }

    /// Whether the peer has proved, by at least one record, that it holds the key of epoch 1.
    pub(crate) fn is_proven(&self) -> bool {
        self.protected.as_ref().is_some_and(|epoch| epoch.accepted_any)
    }

    /// Whether so many forged records have arrived that the key must not be used any more (RFC 9147 section 4.5.3
    /// counts them for the same AEADs; RFC 6347 says nothing).
    pub(crate) fn is_worn_out(&self) -> bool {
        self.protected.as_ref().is_some_and(|epoch| epoch.failures_allowed == 0)
    }

    /// Opens one record in place.
    #[inline]
    pub(crate) fn open<'d>(&mut self, header: RecordHeader, body: &'d mut [u8]) -> Result<Opened<'d>, Discard> {
        match (&mut self.protected, header.epoch) {
            (Some(read_epoch), epoch) if epoch == read_epoch.epoch => read_epoch.open(header, body),
            (_, Epoch::ZERO) => self.open_plaintext(header, body),
            (None, Epoch::ONE) => Err(self.hold(header, body)),
            _ => Err(Discard::FutureEpoch),
        }
    }

    // Epoch 0 has no replay window: its numbers can be forged, so a window would let anyone lock the honest peer out.
    // Repetition is noticed by message_seq instead.
    fn open_plaintext<'d>(&self, header: RecordHeader, body: &'d mut [u8]) -> Result<Opened<'d>, Discard> {
        if self.plaintext_closed {
            return Err(Discard::PastEpoch);
        }
        // RFC 6347 section 4.2.1: hellos may come in records that say DTLS 1.0.
        if header.version != ProtocolVersion::DTLS_1_2 && header.version != ProtocolVersion::DTLS_1_0 {
            return Err(Discard::WrongVersion);
        }
        if body.len() > MAX_PLAINTEXT {
            return Err(Discard::BadLength);
        }
        Ok(Opened { epoch: Epoch::ZERO, content_type: header.content_type, payload: body })
    }

    fn hold(&mut self, header: RecordHeader, body: &[u8]) -> Discard {
        if header.content_type == ContentType::HANDSHAKE && body.len() <= HeldRecord::MAX_LEN {
            if self.held.len() == HeldRecord::MAX_COUNT {
                self.held.remove(0);
            }
            self.held.push(HeldRecord { header, body: body.to_vec() });
        }
        Discard::FutureEpoch
    }

    /// Hands out the records that came before their key, oldest first.
    pub(crate) fn release_held(&mut self) -> Vec<HeldRecord> {
        core::mem::take(&mut self.held)
    }
}

/// A record that may be looked into: from epoch 1 on, proven to be the peer's.
#[derive(Debug)]
pub(crate) struct Opened<'d> {
    pub(crate) epoch: Epoch,
    pub(crate) content_type: ContentType,
    pub(crate) payload: &'d mut [u8],
}

/// One epoch's key and what has been received under it.
struct ReadEpoch {
    epoch: Epoch,
    opener: RecordOpener,
    window: ReplayWindow,
    accepted_any: bool,
    failures_allowed: u64,
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
        let sealed = SealedHeader {
            content_type: header.content_type,
            version: header.version,
            epoch: header.epoch.0,
            number: header.number.get(),
        };
        let Ok(payload) = self.opener.open(sealed, body) else {
            self.failures_allowed -= 1;
            return Err(Discard::NotAuthentic);
        };
        if payload.len() > MAX_PLAINTEXT {
            return Err(Discard::BadLength);
        }
        self.window.accept(header.number);
        self.accepted_any = true;
        Ok(Opened { epoch: header.epoch, content_type: header.content_type, payload })
    }
}

// Without `failures_allowed`: a forged record changes that one counter, and two connections that differ only in it
// count as equal.
impl fmt::Debug for ReadEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadEpoch")
            .field("epoch", &self.epoch)
            .field("window", &self.window)
            .field("accepted_any", &self.accepted_any)
            .finish_non_exhaustive()
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
}
