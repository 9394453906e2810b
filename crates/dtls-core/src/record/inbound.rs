//! Records that arrive: which epoch, whether new, whether authentic (RFC 6347 sections 4.1 and 4.1.2), and whether they
//! carry the connection ID that they must (RFC 9146 sections 3 and 4).

use alloc::vec::Vec;
use core::fmt;

use super::replay::{Freshness, ReplayWindow};
use crate::crypto::aead::RecordOpener;
use crate::discard::Discard;
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::{ContentType, ProtocolVersion};
use crate::wire::record::{Epoch, MAX_CIPHERTEXT, MAX_PLAINTEXT, RecordHeader};

/// The reading side of a connection.
#[derive(Debug)]
pub(crate) struct Inbound {
    reading: Reading,
    /// The ID of ours that records of epoch 1 must carry; before there is a key, the one that they may carry. Never
    /// empty.
    cid: Option<ConnectionId>,
}

/// Epoch 0 in the clear, then epoch 1 with its key.
#[derive(Debug)]
enum Reading {
    /// No key yet. Records of epoch 1 that come early are held (RFC 6347 section 4.2.4 allows keeping or dropping
    /// them).
    Plaintext { held: Vec<HeldRecord> },
    /// The handshake has handed its key over, but the peer may still repeat what it sent in the clear.
    Both(ReadEpoch),
    /// The handshake is complete: what is not authenticated has no effect at all.
    Protected(ReadEpoch),
}

impl Inbound {
    /// Begins epoch 0. If there is a `cid`, the peer may be going to put it into records of epoch 1.
    pub(crate) fn new(cid: Option<ConnectionId>) -> Self {
        let cid = cid.filter(|cid| !cid.is_empty());
        Self { reading: Reading::Plaintext { held: Vec::new() }, cid }
    }

    /// Takes the key of epoch 1, whose records carry at most as much as `limits` say and, if there is a `cid`, carry
    /// that. Returns the records that came before the key, oldest first.
    pub(crate) fn install(
        &mut self,
        opener: RecordOpener,
        failures_allowed: u64,
        limits: ReadLimits,
        cid: Option<ConnectionId>,
    ) -> Vec<HeldRecord> {
        self.cid = cid.filter(|cid| !cid.is_empty());
        let read_epoch = ReadEpoch { opener, window: ReplayWindow::new(), failures_allowed, limits };
        match core::mem::replace(&mut self.reading, Reading::Both(read_epoch)) {
            Reading::Plaintext { held } => held,
            Reading::Both(_) | Reading::Protected(_) => Vec::new(),
        }
    }

    /// Goes on in epoch 1 from where another reader stopped.
    pub(crate) fn restored(opener: RecordOpener, progress: ReadProgress, cid: Option<ConnectionId>) -> Self {
        let ReadProgress { window, failures_allowed, limits } = progress;
        let read_epoch = ReadEpoch { opener, window, failures_allowed, limits };
        Self { reading: Reading::Protected(read_epoch), cid: cid.filter(|cid| !cid.is_empty()) }
    }

    /// What has been received in epoch 1 so far.
    pub(crate) fn progress(&self) -> Option<ReadProgress> {
        self.read_epoch().map(|read_epoch| ReadProgress {
            window: read_epoch.window,
            failures_allowed: read_epoch.failures_allowed,
            limits: read_epoch.limits,
        })
    }

    /// Ends epoch 0.
    pub(crate) fn close_plaintext(&mut self) {
        let nothing = Reading::Plaintext { held: Vec::new() };
        self.reading = match core::mem::replace(&mut self.reading, nothing) {
            Reading::Both(read_epoch) => Reading::Protected(read_epoch),
            unchanged => unchanged,
        };
    }

    const fn read_epoch(&self) -> Option<&ReadEpoch> {
        match &self.reading {
            Reading::Plaintext { .. } => None,
            Reading::Both(read_epoch) | Reading::Protected(read_epoch) => Some(read_epoch),
        }
    }

    /// How many bytes the connection ID has that may be in a record; `None` if none may be in any.
    pub(crate) fn cid_len(&self) -> Option<usize> {
        self.cid.as_ref().map(ConnectionId::len)
    }

    /// How many bytes of the heap the records take that wait for their key, and our connection ID.
    pub(crate) fn held(&self) -> usize {
        let records = match &self.reading {
            Reading::Plaintext { held } => {
                held.iter().map(|record| size_of::<HeldRecord>() + record.body.capacity()).sum()
            }
            Reading::Both(_) | Reading::Protected(_) => 0,
        };
        records + self.cid_len().unwrap_or(0)
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
        if let Reading::Both(read_epoch) | Reading::Protected(read_epoch) = &mut self.reading {
            read_epoch.failures_allowed = failures;
        }
    }

    /// Opens one record in place that has no connection ID.
    #[inline]
    pub(crate) fn open<'d>(&mut self, header: RecordHeader, body: &'d mut [u8]) -> Result<Opened<'d>, Discard> {
        match (&mut self.reading, header.epoch) {
            (Reading::Both(read_epoch) | Reading::Protected(read_epoch), Epoch::ONE) => {
                if self.cid.is_some() {
                    Err(Discard::WrongConnectionId)
                } else {
                    read_epoch.open(header, body)
                }
            }
            (Reading::Plaintext { .. } | Reading::Both(_), Epoch::ZERO) => Self::open_plaintext(header, body),
            (Reading::Protected(_), Epoch::ZERO) => Err(Discard::PastEpoch),
            (Reading::Plaintext { held }, Epoch::ONE) => Err(HeldRecord::hold(held, header, body)),
            _ => Err(Discard::FutureEpoch),
        }
    }

    /// Opens one record in place that has a connection ID (RFC 9146 section 4).
    pub(crate) fn open_with_cid<'d>(
        &mut self,
        header: RecordHeader,
        cid: &[u8],
        body: &'d mut [u8],
    ) -> Result<Identified<'d>, Discard> {
        let is_ours = self.cid.as_ref().is_some_and(|ours| ours.as_bytes() == cid);
        if is_ours { self.open_with_our_cid(header, body) } else { Err(Discard::WrongConnectionId) }
    }

    /// Opens one record in place that was held for its key.
    pub(crate) fn open_held<'d>(&mut self, header: RecordHeader, body: &'d mut [u8]) -> Result<Opened<'d>, Discard> {
        if header.content_type == ContentType::TLS12_CID {
            self.open_with_our_cid(header, body).map(|identified| identified.opened)
        } else {
            self.open(header, body)
        }
    }

    #[inline(never)]
    fn open_with_our_cid<'d>(&mut self, header: RecordHeader, body: &'d mut [u8]) -> Result<Identified<'d>, Discard> {
        // A record can have been held that has the ID which was not agreed on in the end.
        let cid = self.cid.as_ref().ok_or(Discard::WrongConnectionId)?.as_bytes();
        match (&mut self.reading, header.epoch) {
            (Reading::Both(read_epoch) | Reading::Protected(read_epoch), Epoch::ONE) => {
                read_epoch.open_with_cid(header, cid, body)
            }
            (Reading::Plaintext { held }, Epoch::ONE) => Err(HeldRecord::hold(held, header, body)),
            // RFC 9146 section 3: what is in the clear never has this form.
            (_, Epoch::ZERO) => Err(Discard::UnexpectedContentType),
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

/// A record that has our connection ID, and is proven to be the peer's.
#[derive(Debug)]
pub(crate) struct Identified<'d> {
    pub(crate) opened: Opened<'d>,
    /// Whether it has a higher number than all before it.
    pub(crate) is_newest: bool,
}

/// How long what is in a protected record may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// The longest content that was agreed on.
    pub(crate) content: u16,
    /// The longest content with type and zeros, in records with a connection ID.
    pub(crate) inner: u16,
}

/// What has been received under the key of epoch 1, and may be, without the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadProgress {
    pub(crate) window: ReplayWindow,
    pub(crate) failures_allowed: u64,
    pub(crate) limits: ReadLimits,
}

impl ReadProgress {
    /// One more than the highest number received.
    pub(crate) const fn next(&self) -> u64 {
        let [next, ..] = self.window.to_words();
        next
    }
}

/// The key of epoch 1 and what has been received under it.
pub(crate) struct ReadEpoch {
    opener: RecordOpener,
    window: ReplayWindow,
    failures_allowed: u64,
    limits: ReadLimits,
}

impl ReadEpoch {
    #[inline]
    fn open<'d>(&mut self, header: RecordHeader, body: &'d mut [u8]) -> Result<Opened<'d>, Discard> {
        self.check(&header, body.len())?;
        let Ok(payload) = self.opener.open(&header, body) else {
            self.failures_allowed -= 1;
            return Err(Discard::NotAuthentic);
        };
        // RFC 8449 section 4 lets DTLS choose between this and an alert.
        if payload.len() > usize::from(self.limits.content) {
            return Err(Discard::BadLength);
        }
        self.window.accept(header.number);
        Ok(Opened { epoch: header.epoch, content_type: header.content_type, payload })
    }

    fn open_with_cid<'d>(
        &mut self,
        header: RecordHeader,
        cid: &[u8],
        body: &'d mut [u8],
    ) -> Result<Identified<'d>, Discard> {
        self.check(&header, body.len())?;
        let Ok(inner) = self.opener.open_with_cid(&header, cid, body) else {
            self.failures_allowed -= 1;
            return Err(Discard::NotAuthentic);
        };
        // RFC 8449 section 4 has all of it count, RFC 6066 section 4 the content alone.
        if inner.len() > usize::from(self.limits.inner) {
            return Err(Discard::BadLength);
        }
        // RFC 8446 section 5.4: the last byte that is not zero is the type. TLS fails without one; RFC 9146 section 6 has
        // DTLS drop whatever is invalid.
        let type_at = inner.iter().rposition(|byte| *byte != 0).ok_or(Discard::UnexpectedContentType)?;
        let (payload, rest) = inner.split_at_mut_checked(type_at).ok_or(Discard::UnexpectedContentType)?;
        let content_type = ContentType(*rest.first().ok_or(Discard::UnexpectedContentType)?);
        if payload.len() > usize::from(self.limits.content) {
            return Err(Discard::BadLength);
        }
        let is_newest = self.window.accept(header.number);
        Ok(Identified { opened: Opened { epoch: header.epoch, content_type, payload }, is_newest })
    }

    /// Whether a record with a body of `len` bytes is worth trying the key on.
    #[inline]
    fn check(&self, header: &RecordHeader, len: usize) -> Result<(), Discard> {
        if header.version != ProtocolVersion::DTLS_1_2 {
            return Err(Discard::WrongVersion);
        }
        match self.window.check(header.number) {
            Freshness::New => {}
            Freshness::Seen => return Err(Discard::Replayed),
            Freshness::TooOld => return Err(Discard::TooOld),
        }
        if len > MAX_CIPHERTEXT || len < self.opener.overhead() {
            return Err(Discard::BadLength);
        }
        if self.failures_allowed == 0 { Err(Discard::NotAuthentic) } else { Ok(()) }
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
    /// A protected Finished is 48 bytes, and some more with padding; anything much longer is not one.
    const MAX_LEN: usize = 256;

    /// Keeps a record if it may be a Finished, in the place of the oldest one if there are too many.
    fn hold(held: &mut Vec<Self>, header: RecordHeader, body: &[u8]) -> Discard {
        let may_be_handshake = matches!(header.content_type, ContentType::HANDSHAKE | ContentType::TLS12_CID);
        if may_be_handshake && body.len() <= Self::MAX_LEN {
            if held.len() == Self::MAX_COUNT {
                held.remove(0);
            }
            held.push(Self { header, body: body.to_vec() });
        }
        Discard::FutureEpoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing;
    use crate::wire::record::RecordNumber;
    use alloc::vec;

    fn install(inbound: &mut Inbound, cid: Option<ConnectionId>) -> Vec<HeldRecord> {
        let provider = testing::providers().swap_remove(0);
        let opener = RecordOpener::new(&provider.cipher_suites[0], &[7; 16], &[9; 4]).unwrap();
        inbound.install(opener, 100, ReadLimits { content: 1000, inner: 1000 }, cid)
    }

    const HEADER: RecordHeader = RecordHeader {
        content_type: ContentType::TLS12_CID,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ONE,
        number: RecordNumber::ZERO,
        length: 40,
    };

    #[test]
    fn what_was_held_is_judged_by_what_was_agreed_on_in_the_end() {
        let cid = ConnectionId::new(&[1, 2]).unwrap();
        let plain = RecordHeader { content_type: ContentType::HANDSHAKE, ..HEADER };
        for (agreed, of_plain, of_cid) in [
            (None, Discard::NotAuthentic, Discard::WrongConnectionId),
            (Some(cid.clone()), Discard::WrongConnectionId, Discard::NotAuthentic),
        ] {
            let mut inbound = Inbound::new(Some(cid.clone()));
            assert_eq!(inbound.open(plain, &mut [0; 40]).unwrap_err(), Discard::FutureEpoch);
            assert_eq!(inbound.open_with_cid(HEADER, &[1, 2], &mut [0; 40]).unwrap_err(), Discard::FutureEpoch);
            assert_eq!(inbound.open_with_cid(HEADER, &[1, 3], &mut [0; 40]).unwrap_err(), Discard::WrongConnectionId);
            let held = install(&mut inbound, agreed);
            let causes: Vec<Discard> = held
                .into_iter()
                .map(|mut record| inbound.open_held(record.header, &mut record.body).unwrap_err())
                .collect();
            assert_eq!(causes, [of_plain, of_cid]);
        }
    }

    #[test]
    fn an_id_without_bytes_is_expected_in_no_record() {
        let empty = Some(ConnectionId::default());
        let mut inbound = Inbound::new(empty.clone());
        assert_eq!(inbound.cid_len(), None);
        assert_eq!(inbound.open_with_cid(HEADER, &[], &mut [0; 40]).unwrap_err(), Discard::WrongConnectionId);
        drop(install(&mut inbound, empty));
        assert_eq!(inbound.open_with_cid(HEADER, &[], &mut [0; 40]).unwrap_err(), Discard::WrongConnectionId);
        let plain = RecordHeader { content_type: ContentType::HANDSHAKE, ..HEADER };
        assert_eq!(inbound.open(plain, &mut [0; 40]).unwrap_err(), Discard::NotAuthentic);
    }

    #[test]
    fn a_record_with_an_id_belongs_to_epoch_1_and_is_held_only_if_it_is_short() {
        let cid = ConnectionId::new(&[1, 2]).unwrap();
        let mut inbound = Inbound::new(Some(cid.clone()));
        let mut open = |epoch, len: usize| {
            let header = RecordHeader { epoch, ..HEADER };
            let cause = inbound.open_with_cid(header, &[1, 2], &mut vec![0; len]).unwrap_err();
            (cause, inbound.held() - 2)
        };
        assert_eq!(open(Epoch::ZERO, 40), (Discard::UnexpectedContentType, 0));
        assert_eq!(open(Epoch(2), 40), (Discard::FutureEpoch, 0));
        assert_eq!(open(Epoch::ONE, 257), (Discard::FutureEpoch, 0));
        assert!(open(Epoch::ONE, 256).1 >= 256);
        drop(install(&mut inbound, Some(cid)));
        let clear = RecordHeader { epoch: Epoch::ZERO, ..HEADER };
        assert_eq!(inbound.open_with_cid(clear, &[1, 2], &mut [0; 40]).unwrap_err(), Discard::UnexpectedContentType);
        let mut long = vec![0; MAX_CIPHERTEXT + 1];
        assert_eq!(inbound.open_with_cid(HEADER, &[1, 2], &mut long).unwrap_err(), Discard::BadLength);
    }
}
