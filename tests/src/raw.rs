//! Records and fragments by hand, right or wrong: what no honest encoder writes.

use std::collections::BTreeMap;

use dtls_core::wire::enums::{ContentType, HandshakeType, ProtocolVersion};
use dtls_core::wire::fragment::{FragmentHeader, Fragments, MessageSeq};
use dtls_core::wire::onlooker::WantedCid;
use dtls_core::wire::record::{Epoch, Record, RecordHeader, RecordNumber, Records};

use crate::sim::Address;

/// A record of DTLS 1.2 whose length is right.
#[must_use]
pub fn record(content_type: ContentType, epoch: u16, number: u64, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a body of 16 bits");
    record_with(content_type, ProtocolVersion::DTLS_1_2, epoch, number, length, body)
}

/// A record that says what it is told to say.
#[must_use]
pub fn record_with(
    content_type: ContentType,
    version: ProtocolVersion,
    epoch: u16,
    number: u64,
    length: u16,
    body: &[u8],
) -> Vec<u8> {
    let number = RecordNumber::new(number).expect("a number of 48 bits");
    let header = RecordHeader { content_type, version, epoch: Epoch(epoch), number, length };
    [&header.to_bytes()[..], body].concat()
}

/// A fragment whose fragment_length is right and whose other claims are the caller's.
#[must_use]
pub fn fragment(typ: HandshakeType, total: u32, seq: u16, offset: u32, body: &[u8]) -> Vec<u8> {
    fragment_with(typ, total, seq, offset, u32::try_from(body.len()).expect("24 bits"), body)
}

/// A fragment that says what it is told to say.
#[must_use]
pub fn fragment_with(typ: HandshakeType, total: u32, seq: u16, offset: u32, claimed: u32, body: &[u8]) -> Vec<u8> {
    let header = FragmentHeader {
        typ,
        length: total,
        message_seq: MessageSeq(seq),
        fragment_offset: offset,
        fragment_length: claimed,
    };
    [&header.to_bytes()[..], body].concat()
}

/// A message in one fragment, as the transcript hashes it too.
#[must_use]
pub fn message(typ: HandshakeType, seq: u16, body: &[u8]) -> Vec<u8> {
    fragment(typ, u32::try_from(body.len()).expect("24 bits"), seq, 0, body)
}

/// A handshake record of epoch 0.
#[must_use]
pub fn handshake(number: u64, fragments: &[u8]) -> Vec<u8> {
    record(ContentType::HANDSHAKE, 0, number, fragments)
}

/// An alert in the clear.
#[must_use]
pub fn alert(number: u64, level: u8, description: u8) -> Vec<u8> {
    record(ContentType::ALERT, 0, number, &[level, description])
}

/// A ChangeCipherSpec in the clear.
#[must_use]
pub fn change_cipher_spec(number: u64) -> Vec<u8> {
    record(ContentType::CHANGE_CIPHER_SPEC, 0, number, &[1])
}

/// One record of a datagram, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its header, but for the ID.
    pub header: RecordHeader,
    /// The connection ID in its header, if there is one.
    pub cid: Vec<u8>,
    /// Where it begins in the datagram.
    pub start: usize,
    /// What stands behind the header.
    pub body: Vec<u8>,
}

impl Piece {
    /// Whether it is a handshake record in the clear.
    #[must_use]
    pub fn is_plain_handshake(&self) -> bool {
        self.header.epoch == Epoch::ZERO && self.header.content_type == ContentType::HANDSHAKE
    }

    /// Where its body begins in the datagram.
    #[must_use]
    pub fn body_start(&self) -> usize {
        self.start + RecordHeader::LEN + self.cid.len()
    }

    /// The record as it stood in the datagram.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = self.header.to_bytes();
        [&header[..RecordHeader::CID_AT], &self.cid, &header[RecordHeader::CID_AT..], &self.body].concat()
    }

    /// The fragments in it, if it is a handshake record in the clear: header and body.
    #[must_use]
    pub fn fragments(&self) -> Vec<(FragmentHeader, Vec<u8>)> {
        if !self.is_plain_handshake() {
            return Vec::new();
        }
        Fragments::new(&self.body).flatten().map(|fragment| (fragment.header, fragment.body.to_vec())).collect()
    }
}

/// The records of a datagram for a receiver without a connection ID; what is no record ends the list.
#[must_use]
pub fn pieces(datagram: &[u8]) -> Vec<Piece> {
    pieces_of(Records::new(datagram))
}

/// The same for any receiver.
#[must_use]
pub fn pieces_of(records: Records<'_>) -> Vec<Piece> {
    let mut start = 0;
    let mut pieces = Vec::new();
    for Record { header, cid, body } in records.flatten() {
        pieces.push(Piece { header, cid: cid.to_vec(), start, body: body.to_vec() });
        start += RecordHeader::LEN + cid.len() + body.len();
    }
    pieces
}

/// Cuts what passes between any number of ends, and knows from their hellos how long the connection IDs are.
#[derive(Clone, Debug, Default)]
pub struct Onlooker(BTreeMap<(Address, Address), WantedCid>);

impl Onlooker {
    /// The records of a datagram.
    pub fn pieces(&mut self, from: Address, to: Address, datagram: &[u8]) -> Vec<Piece> {
        self.0.entry((from, to)).or_default().learn(datagram);
        let known = self.0.get(&(to, from)).filter(|wanted| wanted.cid().is_some());
        // Whoever is somewhere else now is known by the ID.
        let begins_with = |wanted: &&WantedCid| {
            let cid = wanted.cid().filter(|cid| !cid.is_empty());
            cid.is_some_and(|cid| {
                datagram.get(RecordHeader::CID_AT..).is_some_and(|cids| cids.starts_with(cid.as_bytes()))
            })
        };
        match known.or_else(|| self.0.values().find(begins_with)) {
            Some(wanted) => pieces_of(wanted.records(datagram)),
            None => pieces(datagram),
        }
    }
}

/// The types of the handshake messages in the clear that a datagram has a part of.
#[must_use]
pub fn message_types(datagram: &[u8]) -> Vec<HandshakeType> {
    pieces(datagram).iter().flat_map(Piece::fragments).map(|(header, _)| header.typ).collect()
}

/// A datagram of these records with every message in the clear cut anew: pieces of `len` bytes, each of which repeats
/// `overlap` bytes of the one before it, the last piece first. Other records stay where they are.
#[must_use]
pub fn refragment(pieces: &[Piece], len: usize, overlap: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        if !piece.is_plain_handshake() {
            out.extend(piece.to_bytes());
            continue;
        }
        for (header, body) in piece.fragments() {
            let mut cut = Vec::new();
            let mut at = 0;
            while at < body.len() {
                let from = at.saturating_sub(overlap);
                let to = body.len().min(at + len);
                let offset = header.fragment_offset + u32::try_from(from).expect("24 bits");
                cut.push(fragment(header.typ, header.length, header.message_seq.0, offset, &body[from..to]));
                at = to;
            }
            if body.is_empty() {
                cut.push(fragment(header.typ, header.length, header.message_seq.0, header.fragment_offset, &[]));
            }
            for fragment in cut.iter().rev() {
                out.extend(handshake(piece.header.number.get(), fragment));
            }
        }
    }
    out
}

/// A forgery of a datagram of these records by someone who has no key: the same record headers, and the same fragment
/// headers where they are in the clear, around bytes of chance.
#[must_use]
pub fn forged_twin(pieces: &[Piece], dice: &mut crate::dice::Dice) -> Vec<u8> {
    let mut twin: Vec<u8> = pieces.iter().flat_map(Piece::to_bytes).collect();
    for piece in pieces {
        let body_start = piece.body_start();
        let mut keep = body_start;
        if piece.is_plain_handshake() {
            for (header, body) in piece.fragments() {
                let from = keep + FragmentHeader::LEN;
                let junk = dice.bytes(body.len());
                twin[from..from + body.len()].copy_from_slice(&junk);
                keep = from + usize::try_from(header.fragment_length).expect("24 bits");
            }
        } else {
            let junk = dice.bytes(piece.body.len());
            twin[body_start..body_start + junk.len()].copy_from_slice(&junk);
        }
    }
    twin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn a_datagram_cut_anew_says_the_same() {
        let body: Vec<u8> = (0..100).collect();
        let datagram = [handshake(7, &message(HandshakeType::CERTIFICATE, 2, &body)), change_cipher_spec(8)].concat();
        let cut = refragment(&pieces(&datagram), 13, 5);
        let mut seen = [None; 100];
        for (header, piece) in pieces(&cut).iter().flat_map(Piece::fragments) {
            for (index, byte) in piece.iter().enumerate() {
                seen[header.fragment_offset as usize + index] = Some(*byte);
            }
        }
        assert_eq!(seen.map(Option::unwrap).to_vec(), body);
        assert!(cut.ends_with(&change_cipher_spec(8)));
        assert_eq!(pieces(&cut).len(), 100_usize.div_ceil(13) + 1);
    }

    #[test]
    fn a_twin_keeps_every_header_and_no_body() {
        let mut with_cid = record(ContentType::TLS12_CID, 1, 1, &[3; 30]);
        with_cid.splice(RecordHeader::CID_AT..RecordHeader::CID_AT, [7; 3]);
        let datagram = [
            handshake(7, &message(HandshakeType::CERTIFICATE, 2, &[1; 50])),
            record(ContentType::HANDSHAKE, 1, 0, &[2; 40]),
            with_cid,
        ]
        .concat();
        let pieces = |datagram| pieces_of(Records::with_cid_len(datagram, 3));
        let twin = forged_twin(&pieces(&datagram), &mut Dice::new(1));
        assert_eq!((twin.len(), pieces(&twin).len()), (datagram.len(), 3));
        for (ours, theirs) in pieces(&datagram).iter().zip(pieces(&twin)) {
            assert_eq!((ours.header, &ours.cid), (theirs.header, &theirs.cid));
            assert_ne!(ours.body, theirs.body);
            assert!(ours.fragments().iter().zip(theirs.fragments()).all(|(a, b)| a.0 == b.0));
        }
    }
}
