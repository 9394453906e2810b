//! How long the connection IDs in passing records are: the hellos have said it (RFC 9146 section 3).

use core::net::SocketAddr;
use std::collections::BTreeMap;

use dtls_core::wire::connection_id::ConnectionId;
use dtls_core::wire::enums::ContentType;
use dtls_core::wire::onlooker::WantedCid;
use dtls_core::wire::record::{RecordHeader, Records};

/// What has been learned of the IDs of every peer of a socket.
#[derive(Debug, Default)]
pub(super) struct Ids {
    by_address: BTreeMap<SocketAddr, Both>,
    /// Where the peers are that have been told these IDs of ours.
    by_ours: BTreeMap<ConnectionId, SocketAddr>,
    /// How many bytes ours have: all of a socket as many.
    ours_len: usize,
}

/// What either end wants to find in what it receives.
#[derive(Clone, Debug, Default)]
struct Both {
    ours: WantedCid,
    theirs: WantedCid,
}

impl Ids {
    /// The records of a datagram that came from here.
    pub(super) fn received<'d>(&mut self, from: SocketAddr, datagram: &'d [u8]) -> Records<'d> {
        match datagram.first().copied().map(ContentType) {
            Some(ContentType::HANDSHAKE) => {
                let both = self.of(from);
                both.theirs.learn(datagram);
                both.ours.records(datagram)
            }
            Some(ContentType::TLS12_CID) => {
                self.follow(from, datagram);
                Records::with_cid_len(datagram, self.ours_len)
            }
            _ => self.by_address.get(&from).map_or_else(|| Records::new(datagram), |both| both.ours.records(datagram)),
        }
    }

    /// The records of a datagram that went there.
    pub(super) fn sent<'d>(&mut self, to: SocketAddr, datagram: &'d [u8]) -> Records<'d> {
        if datagram.first() == Some(&ContentType::HANDSHAKE.0) {
            let both = self.of(to);
            both.ours.learn(datagram);
            if let Some(ours) = both.ours.cid().filter(|cid| !cid.is_empty()).cloned() {
                self.ours_len = ours.len();
                // Who begins anew at one address has another ID each time.
                if self.by_ours.len() >= PEERS_MAX {
                    self.by_ours.clear();
                }
                self.by_ours.insert(ours, to);
            }
        }
        self.by_address.get(&to).map_or_else(|| Records::new(datagram), |both| both.theirs.records(datagram))
    }

    /// A record with an ID of ours comes from wherever its peer is now.
    fn follow(&mut self, from: SocketAddr, datagram: &[u8]) {
        let cid = datagram.get(RecordHeader::CID_AT..).and_then(|behind| behind.get(..self.ours_len));
        let Some(was_at) = cid.and_then(|cid| self.by_ours.get_mut(cid)) else { return };
        let was_at = core::mem::replace(was_at, from);
        if let Some(both) = self.by_address.get(&was_at).filter(|_| was_at != from).cloned() {
            *self.of(from) = both;
        }
    }

    fn of(&mut self, peer: SocketAddr) -> &mut Both {
        // Hellos can come from everywhere. Of who is forgotten no IDs are told until there are hellos again.
        if self.by_address.len() >= PEERS_MAX && !self.by_address.contains_key(&peer) {
            self.by_address.clear();
        }
        self.by_address.entry(peer).or_default()
    }
}

/// Of how many addresses, and of how many IDs, something is known at most.
const PEERS_MAX: usize = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;
    use dtls_core::wire::codec::Encode as _;
    use dtls_core::wire::enums::{CipherSuiteId, CompressionMethod, HandshakeType, ProtocolVersion};
    use dtls_core::wire::extensions::{ClientExtensions, ServerExtensions};
    use dtls_core::wire::fragment::{FragmentHeader, MessageSeq};
    use dtls_core::wire::hello::{ClientHello, Random, ServerHello};
    use dtls_core::wire::record::{Epoch, RecordNumber};

    fn record(content_type: ContentType, epoch: u16, cid: &[u8], body: &[u8]) -> Vec<u8> {
        let header = RecordHeader {
            content_type,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch(epoch),
            number: RecordNumber::ZERO,
            length: u16::try_from(body.len()).unwrap(),
        }
        .to_bytes();
        [&header[..RecordHeader::CID_AT], cid, &header[RecordHeader::CID_AT..], body].concat()
    }

    fn protected(cid: &[u8]) -> Vec<u8> {
        record(ContentType::TLS12_CID, 1, cid, &[9; 40])
    }

    fn hello(typ: HandshakeType, cid: &[u8]) -> Vec<u8> {
        let (version, random, suite) = (ProtocolVersion::DTLS_1_2, Random([7; 32]), CipherSuiteId(0x0a0a));
        let body = if typ == HandshakeType::CLIENT_HELLO {
            let extensions = ClientExtensions { connection_id: Some(cid), ..Default::default() };
            let (cipher_suites, compression_methods) = (vec![suite], vec![CompressionMethod::NULL]);
            ClientHello {
                version,
                random,
                session_id: &[],
                cookie: &[],
                cipher_suites,
                compression_methods,
                extensions,
            }
            .to_vec()
        } else {
            let extensions = ServerExtensions { connection_id: Some(cid), ..Default::default() };
            let compression_method = CompressionMethod::NULL;
            ServerHello { version, random, session_id: &[], cipher_suite: suite, compression_method, extensions }
                .to_vec()
        };
        let header = FragmentHeader::whole(typ, MessageSeq(0), u32::try_from(body.len()).unwrap());
        record(ContentType::HANDSHAKE, 0, &[], &[&header.to_bytes()[..], &body].concat())
    }

    fn cids(records: Records<'_>) -> Vec<Vec<u8>> {
        records.map_while(Result::ok).map(|record| record.cid.to_vec()).collect()
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A server with two clients whose IDs have other lengths than its own.
    fn server() -> Ids {
        let mut ids = Ids::default();
        for (port, theirs, ours) in [(1, &b"one"[..], b"OURS"), (2, b"second", b"ALSO")] {
            let _ = ids.received(at(port), &hello(HandshakeType::CLIENT_HELLO, theirs));
            let _ = ids.sent(at(port), &hello(HandshakeType::SERVER_HELLO, ours));
        }
        ids
    }

    #[test]
    fn each_direction_of_each_peer_has_its_length() {
        let mut ids = server();
        for (port, theirs, ours) in [(1, &b"one"[..], b"OURS"), (2, b"second", b"ALSO")] {
            assert_eq!(cids(ids.sent(at(port), &protected(theirs).repeat(2))), [theirs, theirs]);
            assert_eq!(cids(ids.received(at(port), &protected(ours).repeat(2))), [ours, ours]);
        }
        // Of this one no hello has passed.
        assert_eq!(cids(ids.sent(at(3), &protected(b"one"))), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_flight_with_a_record_with_an_id_behind_others_is_cut() {
        let mut ids = server();
        let finished = [record(ContentType::CHANGE_CIPHER_SPEC, 0, &[], &[1]), protected(b"OURS")].concat();
        assert_eq!(cids(ids.received(at(1), &finished)), [&b""[..], b"OURS"]);
        let key_exchange = record(ContentType::HANDSHAKE, 0, &[], &[0; 12]);
        assert_eq!(cids(ids.received(at(1), &[key_exchange, finished].concat())), [&b""[..], b"", b"OURS"]);
    }

    #[test]
    fn a_peer_that_has_moved_keeps_its_length_and_so_do_those_that_have_not() {
        let mut ids = server();
        for port in [11, 12, 11] {
            assert_eq!(cids(ids.received(at(port), &protected(b"OURS"))), [b"OURS"]);
            assert_eq!(cids(ids.sent(at(port), &protected(b"one"))), [b"one"]);
        }
        assert_eq!(cids(ids.sent(at(2), &protected(b"second"))), [b"second"]);
        // An ID that nobody has moves nobody, and has the length of all.
        assert_eq!(cids(ids.received(at(13), &protected(b"????"))), [b"????"]);
        assert_eq!(cids(ids.sent(at(13), &protected(b"one"))), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn hellos_from_everywhere_do_not_fill_the_memory() {
        let mut ids = server();
        for port in 0..2 * u16::try_from(PEERS_MAX).unwrap() {
            let _ = ids.received(at(port), &hello(HandshakeType::CLIENT_HELLO, b"one"));
            let _ = ids.sent(at(port), &hello(HandshakeType::SERVER_HELLO, &port.to_be_bytes()));
            assert!(ids.by_address.len() <= PEERS_MAX && ids.by_ours.len() <= PEERS_MAX);
        }
        for number in 0..2 * u16::try_from(PEERS_MAX).unwrap() {
            let _ = ids.sent(at(1), &hello(HandshakeType::SERVER_HELLO, &number.to_be_bytes()));
            assert!(ids.by_address.len() <= PEERS_MAX && ids.by_ours.len() <= PEERS_MAX);
        }
    }
}
