//! What whoever looks on learns of connection IDs: RFC 9146 sections 3 and 4.
//!
//! No record says how long its ID is. The hellos do, in the clear: each says what its sender wants to find in what it
//! receives.
//!
//! ```text
//!   end ── ClientHello or ServerHello: connection_id = 8 bytes ──▶          WantedCid::learn
//!   end ◀── tls12_cid, version, epoch, number, 8 bytes, length, body ──     WantedCid::records
//! ```
//!
//! For tools that show, count or disturb what passes. Nothing of it is proven: who forges a hello misleads them, and no
//! connection asks.

use alloc::vec::Vec;

use super::codec::{Decode as _, DecodeError};
use super::connection_id::ConnectionId;
use super::enums::{ContentType, HandshakeType};
use super::fragment::{Fragment, FragmentHeader, Fragments};
use super::hello::{ClientHello, ServerHello};
use super::record::{Epoch, Records};

/// The connection ID that one end wants in what it receives, as its latest hello says.
#[derive(Clone, Debug, Default)]
pub struct WantedCid {
    cid: Option<ConnectionId>,
    /// The head of a hello that comes in fragments: the header of its first, and what has come in order.
    begun: Option<(FragmentHeader, Vec<u8>)>,
}

impl WantedCid {
    /// A datagram that this end has sent. A hello in fragments counts once they have come in order.
    pub fn learn(&mut self, datagram: &[u8]) {
        for record in Records::new(datagram).map_while(Result::ok) {
            if record.header.content_type == ContentType::HANDSHAKE && record.header.epoch == Epoch::ZERO {
                for fragment in Fragments::new(record.body).map_while(Result::ok) {
                    self.learn_fragment(&fragment);
                }
            }
        }
    }

    fn learn_fragment(&mut self, fragment: &Fragment<'_>) {
        let Fragment { header, body } = fragment;
        let is_hello = matches!(header.typ, HandshakeType::CLIENT_HELLO | HandshakeType::SERVER_HELLO);
        if !is_hello || header.length > LENGTH_MAX {
            return;
        }
        if header.fragment_offset == 0 {
            self.begun = Some((*header, Vec::new()));
        }
        let Some((first, head)) = &mut self.begun else { return };
        let is_of_it = (first.typ, first.message_seq, first.length) == (header.typ, header.message_seq, header.length);
        // RFC 6347 section 4.2.3: pieces may overlap.
        let new = usize::try_from(header.fragment_offset).ok().and_then(|offset| head.len().checked_sub(offset));
        let Some(new) = new.filter(|_| is_of_it).and_then(|seen| body.get(seen..)) else { return };
        head.extend_from_slice(new);
        if u32::try_from(head.len()) == Ok(header.length) {
            // What does not parse says nothing.
            if let Ok(cid) = cid_in(header.typ, head) {
                self.cid = cid;
            }
            self.begun = None;
        }
    }

    /// The records of a datagram for this end.
    #[must_use]
    pub fn records<'d>(&self, datagram: &'d [u8]) -> Records<'d> {
        match &self.cid {
            Some(cid) => Records::with_cid_len(datagram, cid.len()),
            None => Records::new(datagram),
        }
    }

    /// The ID, without bytes if the end wants none; `None` if it does not speak of IDs or no hello of its was seen.
    #[must_use]
    pub const fn cid(&self) -> Option<&ConnectionId> {
        self.cid.as_ref()
    }
}

/// No hello is longer, whatever its lists.
const LENGTH_MAX: u32 = 1 << 18;

/// The ID that a hello speaks of.
fn cid_in(typ: HandshakeType, body: &[u8]) -> Result<Option<ConnectionId>, DecodeError> {
    let cid = match typ {
        HandshakeType::CLIENT_HELLO => ClientHello::decode_all(body)?.extensions.connection_id,
        _ => ServerHello::decode_all(body)?.extensions.connection_id,
    };
    Ok(cid.and_then(ConnectionId::new))
}

#[cfg(test)]
mod tests {
    use super::super::codec::Encode as _;
    use super::super::enums::{CipherSuiteId, CompressionMethod, ProtocolVersion};
    use super::super::extensions::{ClientExtensions, ServerExtensions};
    use super::super::fragment::MessageSeq;
    use super::super::hello::Random;
    use super::super::record::{RecordHeader, RecordNumber};
    use super::*;
    use alloc::vec;

    fn record(content_type: ContentType, epoch: Epoch, cid: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap();
        let (version, number) = (ProtocolVersion::DTLS_1_2, RecordNumber::ZERO);
        let header = RecordHeader { content_type, version, epoch, number, length }.to_bytes();
        [&header[..RecordHeader::CID_AT], cid, &header[RecordHeader::CID_AT..], body].concat()
    }

    fn client_hello(connection_id: Option<&[u8]>) -> Vec<u8> {
        ClientHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: &[],
            cookie: &[1; 32],
            cipher_suites: vec![CipherSuiteId(0x0a0a)],
            compression_methods: vec![CompressionMethod::NULL],
            extensions: ClientExtensions { connection_id, ..Default::default() },
        }
        .to_vec()
    }

    fn server_hello(connection_id: Option<&[u8]>) -> Vec<u8> {
        ServerHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: &[],
            cipher_suite: CipherSuiteId(0x0a0a),
            compression_method: CompressionMethod::NULL,
            extensions: ServerExtensions { connection_id, ..Default::default() },
        }
        .to_vec()
    }

    /// A piece of a message, in a datagram of its own.
    fn piece(typ: HandshakeType, seq: u16, message: &[u8], from: usize, to: usize) -> Vec<u8> {
        let header = FragmentHeader {
            fragment_offset: u32::try_from(from).unwrap(),
            fragment_length: u32::try_from(to - from).unwrap(),
            ..FragmentHeader::whole(typ, MessageSeq(seq), u32::try_from(message.len()).unwrap())
        };
        record(ContentType::HANDSHAKE, Epoch::ZERO, &[], &[&header.to_bytes(), &message[from..to]].concat())
    }

    fn whole(typ: HandshakeType, message: &[u8]) -> Vec<u8> {
        piece(typ, 1, message, 0, message.len())
    }

    fn wanted(end: &WantedCid) -> Option<&[u8]> {
        end.cid().map(ConnectionId::as_bytes)
    }

    #[test]
    fn an_end_wants_what_its_latest_hello_says() {
        for cid in [None, Some(&[][..]), Some(&[1][..]), Some(&[9; 255][..])] {
            for hello in [
                whole(HandshakeType::CLIENT_HELLO, &client_hello(cid)),
                whole(HandshakeType::SERVER_HELLO, &server_hello(cid)),
            ] {
                let mut end = WantedCid::default();
                end.learn(&whole(HandshakeType::CLIENT_HELLO, &client_hello(Some(b"before"))));
                end.learn(&hello);
                assert_eq!(wanted(&end), cid);
            }
        }
    }

    #[test]
    fn what_is_no_hello_in_the_clear_changes_nothing() {
        let hello = whole(HandshakeType::CLIENT_HELLO, &client_hello(Some(b"forged")));
        let mut protected = hello.clone();
        protected[4] = 1;
        let mut of_alert = hello.clone();
        of_alert[0] = ContentType::ALERT.0;
        let broken = client_hello(Some(b"forged"));
        let broken = whole(HandshakeType::CLIENT_HELLO, &broken[..broken.len() - 1]);
        let other = whole(HandshakeType::CERTIFICATE, &client_hello(Some(b"forged")));
        let mut end = WantedCid::default();
        end.learn(&whole(HandshakeType::CLIENT_HELLO, &client_hello(Some(b"real"))));
        for datagram in [&protected, &of_alert, &broken, &other, &hello[..hello.len() - 1].to_vec(), &vec![]] {
            end.learn(datagram);
            assert_eq!(wanted(&end), Some(&b"real"[..]));
        }
    }

    #[test]
    fn a_hello_in_fragments_counts_when_they_have_come_in_order() {
        let hello = client_hello(Some(b"an ID"));
        let len = hello.len();
        let cut = |from, to| piece(HandshakeType::CLIENT_HELLO, 1, &hello, from, to);
        for (pieces, is_known) in [
            (vec![cut(0, 20), cut(20, len)], true),
            (vec![cut(0, 20), cut(0, 40), cut(10, 60), cut(60, len)], true),
            (vec![cut(0, 20), cut(20, 40), cut(20, 40), cut(10, 15), cut(40, len)], true),
            (vec![cut(20, len), cut(0, 20)], false),
            (vec![cut(0, 20), cut(21, len)], false),
            (vec![cut(0, 20), piece(HandshakeType::CLIENT_HELLO, 2, &hello, 20, len)], false),
            (vec![cut(0, 20), piece(HandshakeType::SERVER_HELLO, 1, &hello, 20, len)], false),
            (vec![cut(0, 20)], false),
        ] {
            let mut end = WantedCid::default();
            pieces.iter().for_each(|piece| end.learn(piece));
            assert_eq!(wanted(&end).is_some(), is_known, "{pieces:?}");
        }
    }

    #[test]
    fn records_are_cut_for_the_end_that_they_are_for() {
        let mut end = WantedCid::default();
        let datagram = [
            record(ContentType::CHANGE_CIPHER_SPEC, Epoch::ZERO, &[], &[1]),
            record(ContentType::TLS12_CID, Epoch::ONE, b"four", &[9; 40]),
            record(ContentType::TLS12_CID, Epoch::ONE, b"FOUR", &[9; 30]),
        ]
        .concat();
        let cut = |end: &WantedCid| -> Vec<(Vec<u8>, usize)> {
            end.records(&datagram)
                .map_while(Result::ok)
                .map(|record| (record.cid.to_vec(), record.body.len()))
                .collect()
        };
        assert_eq!(cut(&end), [(vec![], 1)], "nobody knows how long the IDs are");
        end.learn(&whole(HandshakeType::SERVER_HELLO, &server_hello(Some(b"four"))));
        assert_eq!(cut(&end), [(vec![], 1), (b"four".to_vec(), 40), (b"FOUR".to_vec(), 30)]);
    }
}
