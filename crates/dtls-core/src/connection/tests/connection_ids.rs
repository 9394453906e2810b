//! Connection IDs: RFC 9146, but for the endpoint's part of it.

use core::num::NonZeroU16;

use super::*;
use crate::config::{ChoosePadding, ConnectionIdUse, MakeConnectionId, Padding, RandomConnectionId};
use crate::crypto::{CryptoError, SecureRandom};
use crate::wire::connection_id::ConnectionId;
use crate::wire::record::{split_cid_record, split_record};

/// Asks for IDs of that length.
fn ids<const LEN: u8>(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(LEN)));
}

fn peers_only(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::PeersOnly;
}

fn pair(client_settings: fn(&mut Settings), server_settings: fn(&mut Settings)) -> Pair {
    Pair { client_settings, server_settings, ..Pair::new() }
}

fn ids_of(connection: &Connection) -> Option<(Vec<u8>, Vec<u8>)> {
    let ids = connection.info().unwrap().connection_ids.as_ref()?;
    Some((ids.local.as_bytes().to_vec(), ids.remote.as_bytes().to_vec()))
}

/// Type, epoch, connection ID and whole length of each record, for a receiver whose IDs have `cid_len` bytes.
fn records_of(mut datagram: &[u8], cid_len: usize) -> Vec<(ContentType, Epoch, Vec<u8>, usize)> {
    let mut records = vec![];
    while !datagram.is_empty() {
        let (header, cid, rest) = if datagram[0] == ContentType::TLS12_CID.0 {
            let split = split_cid_record(datagram, cid_len).unwrap();
            (split.header, split.cid, split.rest)
        } else {
            let (header, _, rest) = split_record(datagram).unwrap();
            (header, &[][..], rest)
        };
        records.push((header.content_type, header.epoch, cid.to_vec(), datagram.len() - rest.len()));
        datagram = rest;
    }
    records
}

fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

const OFF: fn(&mut Settings) = |_| {};

#[test]
fn every_pair_of_lengths_is_agreed_on_and_every_protected_record_carries_what_its_receiver_wants() {
    let settings: [fn(&mut Settings); 7] = [OFF, peers_only, ids::<0>, ids::<1>, ids::<8>, ids::<20>, ids::<255>];
    let wishes = [None, Some(0), Some(0), Some(1), Some(8), Some(20), Some(255)].into_iter().zip(settings);
    for (client_len, client_settings) in wishes.clone() {
        for (server_len, server_settings) in wishes.clone() {
            let (mut client, mut server) = pair(client_settings, server_settings).build();
            let agreed = client_len.zip(server_len);
            let (to_client, to_server) = agreed.unwrap_or_default();
            let mut protected = vec![];
            loop {
                let (from_client, from_server) = (drain(&mut client, START), drain(&mut server, START));
                if from_client.is_empty() && from_server.is_empty() {
                    break;
                }
                for (datagrams, cid_len) in [(&from_client, to_server), (&from_server, to_client)] {
                    let records = datagrams.iter().flat_map(|datagram| records_of(datagram, cid_len));
                    protected.extend(records.filter(|(_, epoch, ..)| *epoch == Epoch::ONE).map(|(_, _, cid, _)| cid));
                }
                deliver(from_client, &mut server, START);
                deliver(from_server, &mut client, START);
            }
            assert_eq!(ids_of(&client).map(|(local, remote)| (local.len(), remote.len())), agreed);
            assert_eq!(ids_of(&server), ids_of(&client).map(|(local, remote)| (remote, local)));
            let (client_id, server_id) = ids_of(&client).unwrap_or_default();
            assert_eq!(protected, [server_id, client_id], "both Finished");
            assert_eq!(ping(&mut client, &mut server), [b"ping"]);
            assert_eq!(ping(&mut server, &mut client), [b"ping"]);
            assert_eq!(client.stats().discarded_in_all() + server.stats().discarded_in_all(), 0);
        }
    }
}

#[test]
fn the_longest_payload_with_an_id_fills_the_mtu_exactly() {
    let settings: [fn(&mut Settings); 3] = [ids::<1>, ids::<8>, ids::<255>];
    for (settings, cid_len) in settings.into_iter().zip([1, 8, 255]) {
        for mtu in [256, 548, 1200, 16_500, 65_535] {
            let (mut client, mut server) = pair(peers_only, settings).connect();
            client.set_mtu(mtu);
            // Below this, the last messages of a handshake would have no room beside the longest ID.
            let mtu = mtu.max(128 + 2 * cid_len);
            let max = client.max_payload();
            assert_eq!(max, (mtu - 13 - cid_len - 24 - 1).min((1 << 14) - 1));
            let mut datagram = vec![];
            client.send(&vec![7; max], &mut datagram).unwrap();
            assert_eq!(datagram.len(), 13 + cid_len + 24 + 1 + max);
            assert_eq!(client.send(&vec![7; max + 1], &mut vec![]), Err(SendError::TooLong { max }));
            assert_eq!(deliver(vec![datagram], &mut server, START), [vec![7; max]]);

            let (headroom, tailroom) = (client.headroom(), client.tailroom());
            assert_eq!(headroom + tailroom, 13 + cid_len + 24 + 1);
            let mut buffer = vec![7; headroom + max + tailroom];
            let datagram = client.seal_in_place(&mut buffer, max).unwrap();
            assert_eq!(datagram.len(), buffer.len());
            assert_eq!(deliver(vec![buffer], &mut server, START), [vec![7; max]]);
        }
    }
}

#[test]
fn a_handshake_with_the_longest_ids_completes_at_the_smallest_mtu_and_says_goodbye() {
    fn small(settings: &mut Settings) {
        ids::<255>(settings);
        settings.mtu = 256;
        settings.padding = Padding::ToMultipleOf(NonZeroU16::new(1000).unwrap());
    }
    let (mut client, mut server) = pair(small, small).build();
    // Flight 6 waits to be taken while the server already says goodbye.
    for _ in 0..3 {
        deliver(drain(&mut client, START), &mut server, START);
        if server.info().is_some() {
            break;
        }
        deliver(drain(&mut server, START), &mut client, START);
    }
    assert_eq!(server.poll_event(), Some(Event::Connected));
    server.close();
    let datagrams = drain(&mut server, START);
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 128 + 2 * 255));
    deliver(datagrams, &mut client, START);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(client.poll_event(), Some(Event::Closed));
}

#[test]
fn a_hello_that_is_fragmented_brings_its_id() {
    fn long(settings: &mut Settings) {
        ids::<200>(settings);
        settings.mtu = 256;
    }
    let (mut client, mut server) = pair(long, ids::<3>).build();
    let hello = drain(&mut client, START);
    assert!(hello.len() > 1);
    deliver(hello, &mut server, START);
    exchange(&mut client, &mut server, START);
    assert_eq!(ids_of(&server).unwrap().1.len(), 200);
    assert_eq!(ping(&mut server, &mut client), [b"ping"]);
}

#[test]
fn what_is_sent_again_and_every_alert_carry_the_id() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let lost = drain(&mut client, START).concat();
    let now = client.poll_timeout().unwrap();
    client.handle_timeout(now);
    let again = drain(&mut client, now).concat();
    let (first, second) = (records_of(&lost, 6), records_of(&again, 6));
    assert_eq!((first.len(), &first), (3, &second));
    assert_eq!((second[2].0, second[2].2.len()), (ContentType::TLS12_CID, 6));
    deliver(vec![again], &mut server, now);
    // Flight 6 is lost, and comes again for a Finished that does.
    let flight_6 = drain(&mut server, now).concat();
    assert_eq!(records_of(&flight_6, 4)[1].2.len(), 4);
    let now = client.poll_timeout().unwrap();
    client.handle_timeout(now);
    deliver(drain(&mut client, now), &mut server, now);
    let flight_6 = drain(&mut server, now);
    assert_eq!(records_of(&flight_6.concat(), 4)[1].2.len(), 4);
    deliver(flight_6, &mut client, now);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    client.close();
    let goodbye = drain(&mut client, now);
    let (_, server_id) = ids_of(&client).unwrap();
    assert_eq!(
        records_of(&goodbye.concat(), 6),
        [(ContentType::TLS12_CID, Epoch::ONE, server_id, 13 + 6 + 24 + 2 + 1)]
    );
    deliver(goodbye, &mut server, now);
    assert_eq!(server.poll_event(), Some(Event::Connected));
    assert_eq!(server.poll_event(), Some(Event::Closed));
}

#[test]
fn a_finished_with_an_id_that_overtakes_its_key_is_held() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let flight_5 = drain(&mut client, START).concat();
    let finished = flight_5.len() - records_of(&flight_5, 6)[2].3;
    let (before, finished) = flight_5.split_at(finished);
    deliver(vec![finished.to_vec()], &mut server, START);
    assert_eq!(server.stats().discarded(Discard::FutureEpoch), 1);
    assert_eq!(server.poll_event(), None);
    deliver(vec![before.to_vec()], &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Connected));
    assert!(!server.is_newest_datagram(), "the record came before, perhaps from elsewhere");
}

#[test]
fn records_without_the_id_or_with_another_are_dropped_though_they_are_authentic() {
    #[derive(Debug)]
    struct Fixed;
    impl MakeConnectionId for Fixed {
        fn id_len(&self) -> u8 {
            6
        }
        fn make(&self, _: &dyn SecureRandom, id: &mut [u8]) -> Result<(), CryptoError> {
            id.copy_from_slice(b"abcdef");
            Ok(())
        }
    }
    fn fixed(settings: &mut Settings) {
        settings.connection_id = ConnectionIdUse::Ours(Arc::new(Fixed));
    }
    let (mut client, mut server) = pair(ids::<4>, fixed).connect();
    let wrong = [
        (None, Discard::WrongConnectionId),
        (Some(id(b"abcdeg")), Discard::WrongConnectionId),
        (Some(id(b"ABCDEF")), Discard::WrongConnectionId),
        // Where the receiver looks for a length there is none.
        (Some(id(b"abcde")), Discard::Truncated),
        (Some(id(b"abcdef\0")), Discard::BadLength),
    ];
    for (cid, cause) in wrong {
        client.outbound.pretend_cid(cid.clone());
        let before = (format!("{server:?}"), server.stats().discarded(cause));
        let mut datagram = vec![];
        client.send(b"wrong", &mut datagram).unwrap();
        let alerts = [[2, 40], [1, 0]].map(|alert| sealed_record(&mut client, ContentType::ALERT, &alert));
        for datagram in [&[datagram][..], &alerts].concat() {
            assert_eq!(deliver(vec![datagram], &mut server, START), Vec::<Vec<u8>>::new(), "{cid:?}");
            assert!(!server.is_newest_datagram());
        }
        assert_eq!((format!("{server:?}"), server.stats().discarded(cause)), (before.0, before.1 + 3), "{cid:?}");
    }
    client.outbound.pretend_cid(Some(id(b"abcdef")));
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
}

#[test]
fn a_record_with_another_id_does_not_take_the_rest_of_its_datagram_with_it() {
    let (mut client, mut server) = pair(peers_only, ids::<6>).connect();
    let (_, server_id) = ids_of(&client).unwrap();
    client.outbound.pretend_cid(Some(id(&[9; 6])));
    let mut datagram = sealed_record(&mut client, ContentType::APPLICATION_DATA, b"wrong");
    client.outbound.pretend_cid(Some(id(&server_id)));
    datagram.extend(sealed_record(&mut client, ContentType::APPLICATION_DATA, b"right"));
    assert_eq!(deliver(vec![datagram], &mut server, START), [b"right"]);
    assert_eq!(server.stats().discarded(Discard::WrongConnectionId), 1);
}

#[test]
fn records_with_an_id_are_dropped_where_none_was_agreed_on() {
    let cases: [[fn(&mut Settings); 2]; 4] = [[OFF, OFF], [ids::<4>, OFF], [OFF, ids::<6>], [ids::<4>, peers_only]];
    for [client_settings, server_settings] in cases {
        let (mut client, mut server) = pair(client_settings, server_settings).connect();
        client.outbound.pretend_cid(Some(id(&[9; 6])));
        let datagram = sealed_record(&mut client, ContentType::APPLICATION_DATA, b"wrong");
        let before = format!("{server:?}");
        assert_eq!(deliver(vec![datagram], &mut server, START), Vec::<Vec<u8>>::new());
        assert_eq!(format!("{server:?}"), before);
        assert_eq!(server.stats().discarded(Discard::WrongConnectionId), 1);
        assert_eq!(server.stats().discarded_in_all(), 1);
        client.outbound.pretend_cid(None);
        assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    }
}

#[test]
fn forged_records_with_the_right_id_do_nothing() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).connect();
    let mut honest = vec![];
    client.send(b"honest", &mut honest).unwrap();
    for at in 0..honest.len() {
        let mut forged = honest.clone();
        forged[at] ^= 1;
        let before = format!("{server:?}");
        assert_eq!(deliver(vec![forged], &mut server, START), Vec::<Vec<u8>>::new(), "byte {at}");
        assert_eq!(format!("{server:?}"), before);
        assert!(!server.is_newest_datagram());
        assert_eq!((server.poll_event(), drain(&mut server, START)), (None, vec![]));
    }
    for len in 0..honest.len() {
        assert_eq!(deliver(vec![honest[..len].to_vec()], &mut server, START), Vec::<Vec<u8>>::new(), "{len} bytes");
    }
    assert_eq!(deliver(vec![honest], &mut server, START), [b"honest"]);
}

#[test]
fn only_an_authentic_record_that_is_newer_than_all_before_makes_a_datagram_the_newest() {
    let (mut client, mut server) = pair(peers_only, ids::<6>).connect();
    let mut sealed = |payload: &[u8]| {
        let mut datagram = vec![];
        client.send(payload, &mut datagram).unwrap();
        datagram
    };
    let (one, two, three, four) = (sealed(b"1"), sealed(b"2"), sealed(b"3"), sealed(b"4"));
    let mut received = |datagram: &[u8]| {
        let lent = deliver(vec![datagram.to_vec()], &mut server, START).concat();
        (lent, server.is_newest_datagram())
    };
    assert_eq!(received(&two), (b"2".to_vec(), true));
    assert_eq!(received(&one), (b"1".to_vec(), false), "late, and still data");
    assert_eq!(received(&two), (vec![], false), "replayed");
    let mut forged = three.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(received(&forged), (vec![], false));
    assert_eq!(received(&[&two[..], &four, &three].concat()), (b"43".to_vec(), true));
    assert_eq!(received(&[]), (vec![], false));
}

#[test]
fn an_inner_plaintext_without_a_type_or_with_an_unknown_one_is_dropped() {
    let (mut client, mut server) = pair(peers_only, ids::<6>).connect();
    let cases: [(ContentType, &[u8], Discard); 6] = [
        (ContentType(0), &[], Discard::UnexpectedContentType),
        (ContentType(0), &[0; 40], Discard::UnexpectedContentType),
        (ContentType::CHANGE_CIPHER_SPEC, &[1], Discard::UntrustedSignal),
        (ContentType::TLS12_CID, b"again", Discard::UnexpectedContentType),
        (ContentType(26), b"ack", Discard::UnexpectedContentType),
        (ContentType(255), b"?", Discard::UnexpectedContentType),
    ];
    for (content_type, content, cause) in cases {
        let before = server.stats().discarded(cause);
        let record = sealed_record(&mut client, content_type, content);
        assert_eq!(deliver(vec![record], &mut server, START), Vec::<Vec<u8>>::new(), "{content_type}");
        assert_eq!(server.stats().discarded(cause), before + 1, "{content_type}");
        assert_eq!((server.poll_event(), drain(&mut server, START)), (None, vec![]));
    }
    // A type of zero is none: what stands before it is.
    let record = sealed_record(&mut client, ContentType(0), &[b'a', 23, 0]);
    assert_eq!(deliver(vec![record], &mut server, START), [b"a"]);
    // Zeros of the content are the content's own, and no content at all is content too.
    let record = sealed_record(&mut client, ContentType::APPLICATION_DATA, &[0, 7, 0, 0]);
    assert_eq!(deliver(vec![record], &mut server, START), [[0, 7, 0, 0]]);
    let record = sealed_record(&mut client, ContentType::APPLICATION_DATA, &[]);
    assert_eq!(deliver(vec![record], &mut server, START), [[0_u8; 0]]);
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
}

#[test]
fn padding_hides_lengths_and_arrives_as_nothing() {
    fn padded(settings: &mut Settings) {
        ids::<6>(settings);
        settings.padding = Padding::ToMultipleOf(NonZeroU16::new(64).unwrap());
    }
    let (mut client, mut server) = pair(padded, padded).build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let flight_5 = drain(&mut client, START);
    assert_eq!(records_of(&flight_5.concat(), 6)[2].3, 13 + 6 + 24 + 64, "Finished, too");
    deliver(flight_5, &mut server, START);
    exchange(&mut client, &mut server, START);
    let overhead = 13 + 6 + 24;
    for (len, inner) in [(0, 64), (1, 64), (63, 64), (64, 128), (1000, 1024)] {
        let payload = vec![7; len];
        let mut datagram = vec![];
        client.send(&payload, &mut datagram).unwrap();
        assert_eq!(datagram.len(), overhead + inner, "{len} bytes");
        assert_eq!(deliver(vec![datagram], &mut server, START), [payload]);
    }
    // Near the MTU there is as much as fits.
    let max = client.max_payload();
    assert_eq!(max, 1200 - overhead - 1);
    for len in [max, max - 1, (1200 - overhead) / 64 * 64] {
        let mut datagram = vec![];
        client.send(&vec![7; len], &mut datagram).unwrap();
        assert_eq!(datagram.len(), 1200, "{len} bytes");
        assert_eq!(deliver(vec![datagram], &mut server, START), [vec![7; len]]);
    }
    let (headroom, tailroom) = (client.headroom(), client.tailroom());
    assert_eq!((headroom, tailroom), (13 + 6 + 8, 1 + 63 + 16));
    let mut buffer = vec![0xee; headroom + 1 + tailroom];
    let datagram = client.seal_in_place(&mut buffer, 1).unwrap();
    assert_eq!(datagram, 0..overhead + 64);
    assert_eq!(deliver(vec![buffer[datagram].to_vec()], &mut server, START), [[0xee]]);
    client.close();
    let goodbye = drain(&mut client, START);
    assert_eq!(goodbye[0].len(), overhead + 64, "an alert looks like everything else");
    deliver(goodbye, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Connected));
    assert_eq!(server.poll_event(), Some(Event::Closed));
}

#[test]
fn padding_by_a_function_fills_a_datagram_at_most() {
    #[derive(Debug)]
    struct Endless;
    impl ChoosePadding for Endless {
        fn zeros(&self, _: ContentType, _: usize) -> usize {
            usize::MAX
        }
    }
    fn endless(settings: &mut Settings) {
        ids::<6>(settings);
        settings.padding = Padding::By(Arc::new(Endless));
    }
    let (mut client, mut server) = pair(endless, endless).build();
    loop {
        let (from_client, from_server) = (drain(&mut client, START), drain(&mut server, START));
        if from_client.is_empty() && from_server.is_empty() {
            break;
        }
        assert!(from_client.iter().chain(&from_server).all(|datagram| datagram.len() <= 1200));
        deliver(from_client, &mut server, START);
        deliver(from_server, &mut client, START);
    }
    let mut datagram = vec![];
    client.send(b"x", &mut datagram).unwrap();
    assert_eq!(datagram.len(), 1200);
    assert_eq!(deliver(vec![datagram], &mut server, START), [b"x"]);
    let mut buffer = vec![7; client.headroom() + 1 + client.tailroom()];
    let datagram = client.seal_in_place(&mut buffer, 1).unwrap();
    assert_eq!(datagram.len(), 1200);
    assert_eq!(deliver(vec![buffer[datagram].to_vec()], &mut server, START), [[7]]);
}

#[test]
fn type_and_padding_count_towards_a_record_size_limit() {
    fn limited(settings: &mut Settings) {
        ids::<6>(settings);
        settings.record_size_limit = Some(100);
        settings.padding = Padding::ToMultipleOf(NonZeroU16::new(256).unwrap());
    }
    let (mut client, mut server) = pair(limited, limited).connect();
    assert_eq!(client.max_payload(), 99);
    for len in [1, 99] {
        let mut datagram = vec![];
        client.send(&vec![7; len], &mut datagram).unwrap();
        assert_eq!(datagram.len(), 13 + 6 + 24 + 100);
        assert_eq!(deliver(vec![datagram], &mut server, START), [vec![7; len]]);
    }
    let too_long = sealed_record(&mut client, ContentType::APPLICATION_DATA, &[7; 100]);
    assert_eq!(deliver(vec![too_long], &mut server, START), Vec::<Vec<u8>>::new());
    assert_eq!(server.stats().discarded(Discard::BadLength), 1);
    assert!(!server.is_newest_datagram());
}

#[test]
fn of_content_as_long_as_max_fragment_length_the_type_does_not_count() {
    fn limited(settings: &mut Settings) {
        ids::<6>(settings);
        settings.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
    }
    let (mut client, mut server) = pair(limited, ids::<6>).connect();
    assert_eq!((client.max_payload(), server.max_payload()), (511, 511));
    let longest = sealed_record(&mut client, ContentType::APPLICATION_DATA, &[7; 512]);
    assert_eq!(deliver(vec![longest], &mut server, START), [[7; 512]]);
    let too_long = sealed_record(&mut client, ContentType::APPLICATION_DATA, &[7; 513]);
    assert_eq!(deliver(vec![too_long], &mut server, START), Vec::<Vec<u8>>::new());
    assert_eq!(server.stats().discarded(Discard::BadLength), 1);
}

#[test]
fn an_id_that_the_client_did_not_offer_is_refused() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).build();
    deliver(drain(&mut client, START), &mut server, START);
    let flight_4 = drain(&mut server, START);
    let (mut other, _) = pair(OFF, OFF).build();
    drain(&mut other, START);
    deliver(flight_4, &mut other, START);
    let error = Error::ServerHelloSentUnofferedExtension(crate::wire::enums::ExtensionType::CONNECTION_ID);
    assert_eq!(other.poll_event(), Some(Event::Failed(error)));
}

#[test]
fn an_owner_may_choose_the_id_and_an_id_is_made_once_for_all_hellos() {
    let (certificate, _) = testing::self_signed();
    let pair = pair(ids::<4>, OFF);
    let trust = pair.verifier(Fingerprint::of(&pair.provider, &certificate));
    let config = |settings: fn(&mut Settings)| {
        let builder = ClientConfig::builder(Arc::clone(&pair.provider)).trust(Arc::clone(&trust));
        Arc::new(builder.without_identity().configure(settings).build().unwrap())
    };
    let hello_of = |datagram: &[u8]| {
        let (_, body, _) = split_record(datagram).unwrap();
        let hello = ClientHello::decode_all(&body[12..]).unwrap();
        hello.extensions.connection_id.map(<[u8]>::to_vec)
    };
    let mut chosen = Connection::connect_with_cid(config(ids::<4>), None, None, id(&[1, 2]), START).unwrap();
    assert_eq!(hello_of(&drain(&mut chosen, START)[0]), Some(vec![1, 2]));
    let mut off = Connection::connect_with_cid(config(OFF), None, None, id(&[1, 2]), START).unwrap();
    assert_eq!(hello_of(&drain(&mut off, START)[0]), None);

    let mut client = Connection::connect(config(ids::<4>), None, START).unwrap();
    let first = drain(&mut client, START);
    let request = crate::wire::hello::HelloVerifyRequest { server_version: ProtocolVersion::DTLS_1_0, cookie: b"c" };
    let body = crate::wire::codec::Encode::to_vec(&request);
    let header = FragmentHeader::whole(HandshakeType::HELLO_VERIFY_REQUEST, MessageSeq::ZERO, 4).to_bytes();
    let request = plaintext_record(ContentType::HANDSHAKE, &[&header[..], &body].concat());
    deliver(vec![request], &mut client, START);
    let second = drain(&mut client, START);
    assert_eq!(hello_of(&first[0]).map(|cid| cid.len()), Some(4));
    assert_eq!(hello_of(&first[0]), hello_of(&second[0]));
}
