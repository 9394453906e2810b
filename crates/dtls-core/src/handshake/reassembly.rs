//! Fragments to messages, in order: RFC 6347 sections 4.2.2 and 4.2.3.
//!
//! ```text
//!   message_seq   next     next+1   next+2 ...         a ring of slots, WINDOW long
//!               ┌────────┬────────┬────────┐
//!               │ whole  │ pages  │ (none) │
//!               └────────┴────────┴────────┘
//!   pages         ████░░██│░░░░████│(none)             512 bytes each, a bit for every byte seen
//! ```
//!
//! Overlaps, duplicates, any order and any cutting are legal, so bytes are counted and not fragments. Memory grows
//! with the bytes that arrive and never with the length a fragment claims. The first byte that arrives for a place
//! stays: what has been counted is never altered.
//!
//! Fragments of one message agree on its type and length (RFC 6347 section 4.2.3). Those that do not may be forged, as
//! may those that came before them, so a slot keeps two candidates; a third takes the place of the poorer one. One
//! forgery therefore costs nothing, and no forgery lasts; a forger who goes on, and has shown more of a message than its
//! sender, keeps the sender's from becoming whole for as long as that.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use crate::discard::Discard;
use crate::wire::codec::Abridged;
use crate::wire::enums::HandshakeType;
use crate::wire::fragment::{Fragment, FragmentHeader, MessageSeq};
use crate::wire::record::Epoch;

/// The messages that have not been handled yet, whole or in part.
#[derive(Debug)]
pub(crate) struct Reassembly {
    next: MessageSeq,
    /// The slot of message `next + i` at index `i`.
    slots: VecDeque<Slot>,
}

impl Reassembly {
    /// How far ahead of the next message another may lie. A flight has at most five messages before its Finished, and a
    /// ServerHello may answer a hello that was followed by some more.
    const WINDOW: u16 = 10;

    /// How many bytes the messages behind the next one may hold together, beyond the share of each.
    const AHEAD_BUDGET: usize = 64 * 1024;

    /// How many bytes each candidate may hold whatever the others do: what is ahead of `next` may yet be the message that
    /// is waited for, a ServerHello that answers one of several hellos, and no forger may take its room.
    const SHARE: usize = 4 * 1024;

    pub(crate) const fn new(next: MessageSeq) -> Self {
        Self { next, slots: VecDeque::new() }
    }

    /// The number of the message that is handled next.
    pub(crate) const fn next_seq(&self) -> MessageSeq {
        self.next
    }

    /// The number of the first complete message of this type among those numbers.
    pub(crate) fn first_complete(&self, typ: HandshakeType, among: &RangeInclusive<MessageSeq>) -> Option<MessageSeq> {
        let is_wanted = |slot: &Slot| slot.complete().any(|candidate| candidate.typ == typ);
        let numbered = (self.next.0..=u16::MAX).map(MessageSeq).zip(&self.slots);
        numbered.filter(|(seq, _)| among.contains(seq)).find(|(_, slot)| is_wanted(slot)).map(|(seq, _)| seq)
    }

    /// Puts a fragment where it belongs.
    pub(crate) fn place(&mut self, epoch: Epoch, fragment: &Fragment<'_>) -> Result<(), Discard> {
        let header = &fragment.header;
        if header.length > longest_message(header.typ) {
            return Err(Discard::MessageOutOfBounds);
        }
        let Some(ahead) = header.message_seq.0.checked_sub(self.next.0) else {
            return Err(Discard::RepeatedMessage);
        };
        if ahead >= Self::WINDOW {
            return Err(Discard::MessageOutOfBounds);
        }
        let room = if ahead == 0 { usize::MAX } else { Self::AHEAD_BUDGET.saturating_sub(self.bytes_ahead()) };
        let index = usize::from(ahead);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        self.slots.get_mut(index).ok_or(Discard::MessageOutOfBounds)?.place(epoch, fragment, room)
    }

    /// Type and epoch of a message, if it is complete.
    pub(crate) fn peek(&self, seq: MessageSeq) -> Option<(HandshakeType, Epoch)> {
        let candidate = self.slots.get(self.index(seq)?)?.complete().next()?;
        Some((candidate.typ, candidate.epoch))
    }

    /// Takes a message, if it is complete. Its place stays open, so that a retransmission can bring a better one, until
    /// [`Reassembly::advance_past`] says that it was of use.
    pub(crate) fn take(&mut self, seq: MessageSeq) -> Option<Message> {
        let index = self.index(seq)?;
        let candidate = self.slots.get_mut(index)?.take_complete()?;
        Some(Message { typ: candidate.typ, seq, bytes: candidate.into_bytes(seq) })
    }

    /// A copy of a message, if it is complete.
    pub(crate) fn copy(&self, seq: MessageSeq) -> Option<Message> {
        let candidate = self.slots.get(self.index(seq)?)?.complete().next()?;
        Some(Message { typ: candidate.typ, seq, bytes: candidate.to_bytes(seq) })
    }

    /// Goes on with the message behind this one. `None` when the numbers are used up, which no handshake of honest
    /// length reaches.
    pub(crate) fn advance_past(&mut self, seq: MessageSeq) -> Option<()> {
        self.advance_to(seq.next()?);
        Some(())
    }

    /// Goes on with this message, if it lies ahead.
    pub(crate) fn advance_to(&mut self, seq: MessageSeq) {
        while self.next < seq {
            self.slots.pop_front();
            self.next.0 += 1;
        }
    }

    fn index(&self, seq: MessageSeq) -> Option<usize> {
        seq.0.checked_sub(self.next.0).map(usize::from)
    }

    /// How many bytes of the heap it takes.
    pub(crate) fn held(&self) -> usize {
        let bytes: usize = self.slots.iter().flat_map(Slot::candidates).map(Candidate::held).sum();
        bytes + self.slots.capacity() * size_of::<Slot>()
    }

    /// What the messages behind the next one hold beyond their shares.
    fn bytes_ahead(&self) -> usize {
        let ahead = self.slots.iter().skip(1).flat_map(Slot::candidates);
        ahead.map(|candidate| candidate.held().saturating_sub(Self::SHARE)).sum()
    }
}

/// A complete handshake message as the transcript hashes it: the 12-byte header of an unfragmented message, then the
/// body (RFC 6347 section 4.2.6).
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) typ: HandshakeType,
    pub(crate) seq: MessageSeq,
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(FragmentHeader::LEN..).unwrap_or_default()
    }
}

/// What has come for one place in the order of messages.
#[derive(Debug, Default)]
struct Slot([Option<Candidate>; 2]);

impl Slot {
    fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter().flatten()
    }

    fn complete(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates().filter(|candidate| candidate.is_complete())
    }

    fn take_complete(&mut self) -> Option<Candidate> {
        self.0.iter_mut().find(|place| place.as_ref().is_some_and(Candidate::is_complete))?.take()
    }

    /// Puts a fragment where it belongs, if that takes no more than `room` beyond the candidate's share.
    fn place(&mut self, epoch: Epoch, fragment: &Fragment<'_>, room: usize) -> Result<(), Discard> {
        if self.candidates().any(|candidate| candidate.epoch > epoch) {
            return Err(Discard::BadFragment);
        }
        // What is authenticated takes the place of what anyone can forge.
        for place in &mut self.0 {
            place.take_if(|candidate| candidate.epoch < epoch);
        }
        let belongs = |place: &Option<Candidate>| place.as_ref().is_some_and(|c| c.owns(&fragment.header));
        let index = self.0.iter().position(belongs).unwrap_or_else(|| self.poorest());
        let place = self.0.get_mut(index).ok_or(Discard::MessageOutOfBounds)?;
        place.take_if(|candidate| !candidate.owns(&fragment.header));
        let candidate = place.get_or_insert_with(|| Candidate::new(epoch, &fragment.header));
        if fragment.body.len() > room && candidate.held() + fragment.body.len() > Reassembly::SHARE {
            return Err(Discard::MessageOutOfBounds);
        }
        candidate.fill(fragment)
    }

    /// The place of the candidate of which least has come.
    fn poorest(&self) -> usize {
        let [first, second] = self.0.each_ref().map(|place| place.as_ref().map(|c| (c.is_complete(), c.seen())));
        usize::from(second < first)
    }
}

/// One message on its way to completeness.
#[derive(Debug)]
struct Candidate {
    typ: HandshakeType,
    epoch: Epoch,
    length: u32,
    content: Content,
}

#[expect(clippy::vec_box, reason = "pages come in any order, and a box is moved more easily than a page")]
enum Content {
    /// Header and body of a message that came in one fragment.
    Whole(Vec<u8>),
    /// The pages of which something has come, in order; `missing` counts the bytes not seen yet.
    Pages { pages: Vec<Box<Page>>, missing: u32 },
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => Abridged(bytes).fmt(f),
            Self::Pages { pages, missing } => write!(f, "{missing} bytes missing of {pages:?}"),
        }
    }
}

impl Candidate {
    fn new(epoch: Epoch, header: &FragmentHeader) -> Self {
        let content = Content::Pages { pages: Vec::new(), missing: header.length };
        Self { typ: header.typ, epoch, length: header.length, content }
    }

    /// Whether a fragment of the same epoch is part of this message.
    fn owns(&self, header: &FragmentHeader) -> bool {
        (self.typ, self.length) == (header.typ, header.length)
    }

    fn is_complete(&self) -> bool {
        match &self.content {
            Content::Whole(_) => true,
            Content::Pages { missing, .. } => *missing == 0 && self.length > 0,
        }
    }

    /// How many bytes of the heap it takes.
    fn held(&self) -> usize {
        match &self.content {
            Content::Whole(bytes) => bytes.capacity(),
            Content::Pages { pages, .. } => pages.len() * size_of::<Page>() + pages.capacity() * size_of::<Box<Page>>(),
        }
    }

    /// How many bytes of the body have come.
    fn seen(&self) -> u32 {
        match &self.content {
            Content::Whole(_) => self.length,
            Content::Pages { missing, .. } => self.length - missing,
        }
    }

    fn fill(&mut self, fragment: &Fragment<'_>) -> Result<(), Discard> {
        if self.is_complete() {
            return Err(Discard::RepeatedMessage);
        }
        let (held, seen) = (self.held(), usize::try_from(self.seen()).unwrap_or(usize::MAX));
        let Content::Pages { pages, missing } = &mut self.content else { return Err(Discard::RepeatedMessage) };
        if fragment.header.fragment_length == self.length && pages.is_empty() {
            let mut bytes = Vec::with_capacity(FragmentHeader::LEN + fragment.body.len());
            bytes.extend_from_slice(&fragment.header.to_bytes());
            bytes.extend_from_slice(fragment.body);
            self.content = Content::Whole(bytes);
            return Ok(());
        }
        // Bytes here and there would take a page each.
        if held > SPARSE_FACTOR * seen + SPARSE_START {
            return Err(Discard::MessageOutOfBounds);
        }
        let mut at = usize::try_from(fragment.header.fragment_offset).map_err(|_| Discard::BadFragment)?;
        let mut rest = fragment.body;
        let mut new_bytes = 0;
        while !rest.is_empty() {
            let (index, offset) = (at / Page::LEN, at % Page::LEN);
            let (now, later) = rest.split_at(rest.len().min(Page::LEN - offset));
            let place = pages.binary_search_by_key(&index, |page| page.index).unwrap_or_else(|place| {
                pages.insert(place, Page::new(index));
                place
            });
            new_bytes += pages.get_mut(place).map_or(0, |page| page.fill(offset, now));
            at += now.len();
            rest = later;
        }
        *missing = missing.saturating_sub(new_bytes);
        if new_bytes == 0 { Err(Discard::RepeatedMessage) } else { Ok(()) }
    }

    fn into_bytes(self, seq: MessageSeq) -> Vec<u8> {
        match self.content {
            Content::Whole(bytes) => bytes,
            Content::Pages { .. } => self.to_bytes(seq),
        }
    }

    fn to_bytes(&self, seq: MessageSeq) -> Vec<u8> {
        let pages = match &self.content {
            Content::Whole(bytes) => return bytes.clone(),
            Content::Pages { pages, .. } => pages,
        };
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        let end = length.saturating_add(FragmentHeader::LEN);
        let mut bytes = Vec::with_capacity(end);
        bytes.extend_from_slice(&FragmentHeader::whole(self.typ, seq, self.length).to_bytes());
        for page in pages {
            bytes.extend_from_slice(&page.bytes);
        }
        bytes.truncate(end);
        bytes
    }
}

/// How many bytes a message under way may hold for each of its bytes that has come, beside what it may begin with.
/// Pieces of the size that the smallest MTU leaves, in any order, take three.
const SPARSE_FACTOR: usize = 4;
const SPARSE_START: usize = 8 * 1024;

/// A stretch of a message, from byte `index * Page::LEN` on, and which of its bytes have arrived.
struct Page {
    index: usize,
    bytes: [u8; Self::LEN],
    seen: [u8; Self::LEN / 8],
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bytes, seen] = [&self.bytes[..], &self.seen].map(Abridged);
        f.debug_struct("Page").field("index", &self.index).field("bytes", &bytes).field("seen", &seen).finish()
    }
}

impl Page {
    const LEN: usize = 512;

    fn new(index: usize) -> Box<Self> {
        Box::new(Self { index, bytes: [0; Self::LEN], seen: [0; Self::LEN / 8] })
    }

    /// Writes the bytes not seen before and returns how many they are.
    fn fill(&mut self, offset: usize, source: &[u8]) -> u32 {
        let mut new_bytes = 0;
        for ((index, place), byte) in self.bytes.iter_mut().enumerate().skip(offset).zip(source) {
            let Some(seen) = self.seen.get_mut(index / 8) else { break };
            let bit = 1 << (index % 8);
            if *seen & bit == 0 {
                *seen |= bit;
                *place = *byte;
                new_bytes += 1;
            }
        }
        new_bytes
    }
}

/// The longest body that a message of this type is worth receiving. What has no natural bound may be 128 KiB, which
/// is more than any stack sends and little enough to hold.
const fn longest_message(typ: HandshakeType) -> u32 {
    match typ {
        HandshakeType::HELLO_REQUEST | HandshakeType::SERVER_HELLO_DONE => 0,
        HandshakeType::FINISHED => 12,
        // RFC 6347 section 4.2.1: version, and a cookie of at most 255 bytes behind its length.
        HandshakeType::HELLO_VERIFY_REQUEST => 258,
        // RFC 5077 section 3.3: a lifetime, and a ticket of at most 65535 bytes behind its length.
        HandshakeType::NEW_SESSION_TICKET => 4 + 2 + 65_535,
        // A pre-shared key's identity or hint has up to 65535 bytes, and a key share may stand behind it.
        HandshakeType::CERTIFICATE
        | HandshakeType::CERTIFICATE_REQUEST
        | HandshakeType::CLIENT_HELLO
        | HandshakeType::CLIENT_KEY_EXCHANGE
        | HandshakeType::SERVER_KEY_EXCHANGE => 1 << 17,
        _ => 1 << 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fragment::Fragments;
    use alloc::vec;
    use proptest::prelude::*;

    const SEQ: MessageSeq = MessageSeq(3);

    fn fragment(typ: HandshakeType, seq: u16, total: u32, offset: u32, body: &[u8]) -> Fragment<'_> {
        let header = FragmentHeader {
            typ,
            length: total,
            message_seq: MessageSeq(seq),
            fragment_offset: offset,
            fragment_length: u32::try_from(body.len()).unwrap(),
        };
        Fragment { header, body }
    }

    fn certificate(total: u32, offset: u32, body: &[u8]) -> Fragment<'_> {
        fragment(HandshakeType::CERTIFICATE, SEQ.0, total, offset, body)
    }

    /// The next message, used.
    fn take_next(reassembly: &mut Reassembly) -> Option<Message> {
        let seq = reassembly.next_seq();
        let message = reassembly.take(seq)?;
        reassembly.advance_past(seq)?;
        Some(message)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn dishonest_fragments_leave_what_a_byte_array_would_hold(
            total in prop_oneof![1_u32..20, 505_u32..520, 1000_u32..1100],
            cuts in prop::collection::vec((0_u32..1100, 1_usize..600, any::<u8>()), 1..60),
        ) {
            let mut reassembly = Reassembly::new(SEQ);
            let mut model: Vec<Option<u8>> = vec![None; usize::try_from(total).unwrap()];
            for (offset, len, value) in cuts {
                let offset = offset % total;
                let len = len.min(usize::try_from(total - offset).unwrap());
                let body = vec![value; len];
                if reassembly.peek(SEQ).is_some() { break; }
                let _ = reassembly.place(Epoch::ZERO, &certificate(total, offset, &body));
                let start = usize::try_from(offset).unwrap();
                for place in &mut model[start..start + len] {
                    place.get_or_insert(value);
                }
                prop_assert_eq!(reassembly.peek(SEQ).is_some(), model.iter().all(Option::is_some));
            }
            if let Some(message) = take_next(&mut reassembly) {
                let expected: Vec<u8> = model.into_iter().flatten().collect();
                prop_assert_eq!(message.body(), &expected[..]);
                let whole = FragmentHeader::whole(HandshakeType::CERTIFICATE, SEQ, total).to_bytes();
                prop_assert_eq!(&message.bytes[..12], &whole[..]);
            }
        }

        #[test]
        fn any_cutting_in_any_order_completes(len in 1_usize..2000, piece in 1_usize..700, seed in any::<u64>()) {
            let body = pattern(len);
            let total = u32::try_from(len).unwrap();
            let mut pieces: Vec<(usize, &[u8])> = body.chunks(piece).enumerate().map(|(i, c)| (i * piece, c)).collect();
            let mut state = seed;
            for i in (1..pieces.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pieces.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
            }
            let mut reassembly = Reassembly::new(SEQ);
            for (offset, bytes) in pieces {
                prop_assert_eq!(reassembly.peek(SEQ), None);
                reassembly.place(Epoch::ZERO, &certificate(total, u32::try_from(offset).unwrap(), bytes)).unwrap();
            }
            let message = take_next(&mut reassembly).unwrap();
            prop_assert_eq!(message.body(), &body[..]);
        }
    }

    #[test]
    fn the_first_bytes_to_arrive_stay() {
        let mut reassembly = Reassembly::new(SEQ);
        reassembly.place(Epoch::ZERO, &certificate(100, 0, &[1; 50])).unwrap();
        reassembly.place(Epoch::ZERO, &certificate(100, 25, &[2; 50])).unwrap();
        reassembly.place(Epoch::ZERO, &certificate(100, 75, &[3; 25])).unwrap();
        let message = take_next(&mut reassembly).unwrap();
        assert_eq!(message.body()[..50], [1; 50]);
        assert_eq!(message.body()[50..75], [2; 25]);
        assert_eq!(message.body()[75..], [3; 25]);
    }

    #[test]
    fn a_fragment_of_another_type_or_length_does_not_touch_a_message_under_way() {
        for other in [
            fragment(HandshakeType::CERTIFICATE, SEQ.0, 4096, 1, &[9; 4095]),
            fragment(HandshakeType::SERVER_KEY_EXCHANGE, SEQ.0, 2, 1, &[9]),
        ] {
            let mut reassembly = Reassembly::new(SEQ);
            reassembly.place(Epoch::ZERO, &certificate(2, 0, &[7])).unwrap();
            reassembly.place(Epoch::ZERO, &other).unwrap();
            assert_eq!(reassembly.peek(SEQ), None);
            reassembly.place(Epoch::ZERO, &certificate(2, 1, &[8])).unwrap();
            assert_eq!(take_next(&mut reassembly).unwrap().body(), [7, 8]);
        }
    }

    #[test]
    fn a_forged_message_that_comes_first_stands_beside_the_honest_one() {
        let mut reassembly = Reassembly::new(SEQ);
        reassembly.place(Epoch::ZERO, &certificate(70, 0, &[0xbd; 70])).unwrap();
        let honest = pattern(90);
        reassembly.place(Epoch::ZERO, &certificate(90, 0, &honest)).unwrap();
        assert_eq!(reassembly.take(SEQ).unwrap().body(), [0xbd; 70]);
        assert_eq!(reassembly.take(SEQ).unwrap().body(), &honest[..]);
    }

    #[test]
    fn however_many_forgeries_come_the_richer_candidate_stays() {
        let honest = pattern(900);
        let mut reassembly = Reassembly::new(SEQ);
        for (piece, offset) in honest.chunks(300).zip((0..).step_by(300)) {
            reassembly.place(Epoch::ZERO, &certificate(900, offset, piece)).unwrap();
            for length in 1000..1020 {
                let _ = reassembly.place(Epoch::ZERO, &certificate(length, 0, &[0xbd; 299]));
            }
        }
        assert_eq!(take_next(&mut reassembly).unwrap().body(), &honest[..]);
    }

    #[test]
    fn a_forger_who_goes_on_keeps_a_message_out_only_for_as_long() {
        let honest = pattern(900);
        let piece = |offset: usize| certificate(900, u32::try_from(offset).unwrap(), &honest[offset..offset + 300]);
        let mut reassembly = Reassembly::new(SEQ);
        reassembly.place(Epoch::ZERO, &certificate(70_000, 0, &[0xbd; 16_000])).unwrap();
        for offset in [0, 300, 600] {
            reassembly.place(Epoch::ZERO, &piece(offset)).unwrap();
            reassembly
                .place(Epoch::ZERO, &certificate(5000 + piece(offset).header.fragment_offset, 0, &[0xbd]))
                .unwrap();
        }
        assert_eq!(reassembly.peek(SEQ), None, "what has come was evicted by single bytes");
        for offset in [0, 300, 600] {
            reassembly.place(Epoch::ZERO, &piece(offset)).unwrap();
        }
        assert_eq!(take_next(&mut reassembly).unwrap().body(), &honest[..], "a retransmission repairs it");
    }

    #[test]
    fn whatever_fills_the_room_ahead_a_short_message_there_is_taken() {
        for ahead in 1..Reassembly::WINDOW {
            let mut reassembly = Reassembly::new(SEQ);
            for forged in (1..Reassembly::WINDOW).rev() {
                for offset in (0..130_000).step_by(512) {
                    let part = fragment(HandshakeType::CERTIFICATE, SEQ.0 + forged, 1 << 17, offset, &[1; 400]);
                    let _ = reassembly.place(Epoch::ZERO, &part);
                }
            }
            let full = fragment(HandshakeType::CERTIFICATE, SEQ.0 + 1, 1 << 17, 0, &[1; 5000]);
            assert_eq!(reassembly.place(Epoch::ZERO, &full), Err(Discard::MessageOutOfBounds));
            let hello = pattern(3000);
            for (piece, offset) in hello.chunks(200).zip((0..).step_by(200)) {
                let part = fragment(HandshakeType::SERVER_HELLO, SEQ.0 + ahead, 3000, offset, piece);
                reassembly.place(Epoch::ZERO, &part).unwrap();
            }
            let seq = MessageSeq(SEQ.0 + ahead);
            assert_eq!(reassembly.peek(seq), Some((HandshakeType::SERVER_HELLO, Epoch::ZERO)), "{ahead}");
        }
    }

    #[test]
    fn bytes_here_and_there_take_no_page_each_for_long() {
        let mut reassembly = Reassembly::new(SEQ);
        for offset in (0..1 << 17).step_by(512) {
            let _ = reassembly.place(Epoch::ZERO, &certificate(1 << 17, offset, &[1]));
        }
        assert!(reassembly.held() < 16 * 1024, "{}", reassembly.held());
        // What an honest sender cuts as small as it may, in any order, is taken.
        let body = pattern(20_000);
        let mut pieces: Vec<_> = body.chunks(200).zip((0..).step_by(200)).collect();
        pieces.sort_by_key(|(_, offset)| offset % 1400);
        for (piece, offset) in pieces {
            reassembly.place(Epoch::ZERO, &certificate(20_000, offset, piece)).unwrap();
        }
        assert_eq!(take_next(&mut reassembly).unwrap().body(), &body[..]);
    }

    #[test]
    fn what_is_in_the_clear_does_not_touch_what_is_authenticated() {
        let mut reassembly = Reassembly::new(SEQ);
        let finished = |at: u32, body| fragment(HandshakeType::FINISHED, SEQ.0, 12, at, body);
        reassembly.place(Epoch::ONE, &finished(0, &[7; 6])).unwrap();
        for forged in [finished(6, &[9; 6]), certificate(2, 0, &[9; 2])] {
            assert_eq!(reassembly.place(Epoch::ZERO, &forged), Err(Discard::BadFragment));
        }
        reassembly.place(Epoch::ONE, &finished(6, &[8; 6])).unwrap();
        assert_eq!(take_next(&mut reassembly).unwrap().body(), [[7; 6], [8; 6]].concat());
    }

    #[test]
    fn messages_out_of_the_window_or_out_of_proportion_are_dropped() {
        let mut reassembly = Reassembly::new(SEQ);
        let far = fragment(HandshakeType::CERTIFICATE, SEQ.0 + Reassembly::WINDOW, 1, 0, &[1]);
        assert_eq!(reassembly.place(Epoch::ZERO, &far), Err(Discard::MessageOutOfBounds));
        let past = fragment(HandshakeType::CERTIFICATE, SEQ.0 - 1, 1, 0, &[1]);
        assert_eq!(reassembly.place(Epoch::ZERO, &past), Err(Discard::RepeatedMessage));
        let huge = certificate(0x00ff_ffff, 0, &[1]);
        assert_eq!(reassembly.place(Epoch::ZERO, &huge), Err(Discard::MessageOutOfBounds));
        let finished = fragment(HandshakeType::FINISHED, SEQ.0, 13, 0, &[1; 13]);
        assert_eq!(reassembly.place(Epoch::ONE, &finished), Err(Discard::MessageOutOfBounds));
    }

    #[test]
    fn a_claim_of_128_kib_costs_one_page() {
        let mut reassembly = Reassembly::new(SEQ);
        reassembly.place(Epoch::ZERO, &certificate(1 << 17, (1 << 17) - 1, &[1])).unwrap();
        let held: usize = reassembly.slots[0].candidates().map(Candidate::held).sum();
        assert_eq!(held, size_of::<Page>() + 4 * size_of::<Box<Page>>());
    }

    #[test]
    fn what_lies_ahead_cannot_take_the_room_of_the_next_message() {
        let mut reassembly = Reassembly::new(SEQ);
        let flood = vec![1; 16_000];
        let mut dropped = 0;
        for ahead in 1..Reassembly::WINDOW {
            for offset in (0..120_000).step_by(16_000) {
                let part = fragment(HandshakeType::CERTIFICATE, SEQ.0 + ahead, 1 << 17, offset, &flood);
                dropped += usize::from(reassembly.place(Epoch::ZERO, &part).is_err());
            }
        }
        assert!(dropped > 0);
        assert!(reassembly.bytes_ahead() <= Reassembly::AHEAD_BUDGET + 20_000);
        let body = pattern(100_000);
        for (i, piece) in body.chunks(10_000).enumerate() {
            let offset = u32::try_from(i * 10_000).unwrap();
            reassembly.place(Epoch::ZERO, &certificate(100_000, offset, piece)).unwrap();
        }
        assert_eq!(take_next(&mut reassembly).unwrap().body(), &body[..]);
    }

    #[test]
    fn an_empty_message_is_complete_and_messages_come_out_in_order() {
        let mut reassembly = Reassembly::new(SEQ);
        let mut record = fragment(HandshakeType::SERVER_HELLO_DONE, SEQ.0 + 1, 0, 0, &[]).header.to_bytes().to_vec();
        record.extend_from_slice(&fragment(HandshakeType::SERVER_HELLO, SEQ.0, 2, 0, &[1, 2]).header.to_bytes());
        record.extend_from_slice(&[1, 2]);
        for fragment in Fragments::new(&record) {
            reassembly.place(Epoch::ZERO, &fragment.unwrap()).unwrap();
        }
        assert_eq!(take_next(&mut reassembly).map(|m| m.typ), Some(HandshakeType::SERVER_HELLO));
        assert_eq!(take_next(&mut reassembly).map(|m| m.typ), Some(HandshakeType::SERVER_HELLO_DONE));
        assert!(take_next(&mut reassembly).is_none());
    }

    #[test]
    fn a_message_of_the_wanted_type_is_found_behind_gaps_but_only_where_it_may_be() {
        let hello = |seq| fragment(HandshakeType::SERVER_HELLO, seq, 2, 0, &[1, 2]);
        let mut reassembly = Reassembly::new(MessageSeq(0));
        reassembly.place(Epoch::ZERO, &hello(3)).unwrap();
        let find = |reassembly: &Reassembly, from, to| {
            reassembly.first_complete(HandshakeType::SERVER_HELLO, &(MessageSeq(from)..=MessageSeq(to)))
        };
        assert_eq!(find(&reassembly, 1, 2), None);
        assert_eq!(find(&reassembly, 1, 3), Some(MessageSeq(3)));
        assert!(reassembly.take(MessageSeq(3)).is_some());
        assert_eq!(reassembly.next_seq(), MessageSeq(0), "it has not been of use yet");
        reassembly.place(Epoch::ZERO, &hello(0)).unwrap();
        reassembly.advance_past(MessageSeq(0)).unwrap();
        assert_eq!(reassembly.next_seq(), MessageSeq(1));
    }

    #[test]
    fn an_authenticated_fragment_takes_the_place_of_forged_ones() {
        let finished = |at, body| fragment(HandshakeType::FINISHED, SEQ.0, 12, at, body);
        let mut reassembly = Reassembly::new(SEQ);
        reassembly.place(Epoch::ZERO, &certificate(100, 0, &[1])).unwrap();
        reassembly.place(Epoch::ZERO, &finished(0, &[9; 6])).unwrap();
        reassembly.place(Epoch::ONE, &finished(6, &[7; 6])).unwrap();
        assert_eq!(reassembly.peek(SEQ), None);
        reassembly.place(Epoch::ONE, &finished(0, &[7; 6])).unwrap();
        assert_eq!(reassembly.peek(SEQ), Some((HandshakeType::FINISHED, Epoch::ONE)));
        assert_eq!(take_next(&mut reassembly).unwrap().body(), [7; 12]);
    }

    #[test]
    fn the_last_message_seq_does_not_wrap() {
        let mut reassembly = Reassembly::new(MessageSeq(u16::MAX));
        let last = fragment(HandshakeType::SERVER_HELLO_DONE, u16::MAX, 0, 0, &[]);
        reassembly.place(Epoch::ZERO, &last).unwrap();
        assert!(reassembly.take(MessageSeq(u16::MAX)).is_some());
        assert_eq!(reassembly.advance_past(MessageSeq(u16::MAX)), None);
        assert_eq!(reassembly.next_seq(), MessageSeq(u16::MAX));
    }
}
