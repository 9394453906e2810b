//! Deadlines, MTU, and where numbers and keys end.

use super::*;

#[test]
fn a_silent_server_is_given_up_at_the_deadline() {
    let (mut client, _) = Pair::new().build();
    let mut sent_at = vec![];
    let mut now = START;
    loop {
        for _ in drain(&mut client, now) {
            sent_at.push((now - START).as_secs());
        }
        let Some(deadline) = client.poll_timeout() else { break };
        assert!(deadline > now);
        now = deadline;
        client.handle_timeout(now);
    }
    assert_eq!(sent_at, [0, 1, 3, 7, 15, 31]);
    assert_eq!(now - START, Duration::from_secs(60));
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
}

#[test]
fn a_round_trip_hint_brings_the_first_repetition_forward() {
    let (mut client, _) = Pair::new().build();
    client.set_round_trip_hint(Duration::from_millis(40));
    drain(&mut client, START);
    assert_eq!(client.poll_timeout(), Some(START + Duration::from_millis(120)));
}

#[test]
fn no_datagram_is_longer_than_the_mtu_and_repeated_loss_lowers_it() {
    let long_hello = |settings: &mut Settings| {
        settings.alpn = (0..8).map(|i| vec![b'a' + i; 200]).collect();
        settings.mtu = 1400;
        settings.handshake_timeout = Duration::from_secs(600);
    };
    let (mut client, _) = Pair { client_settings: long_hello, ..Pair::new() }.build();
    let longest = |datagrams: Vec<Vec<u8>>| datagrams.iter().map(Vec::len).max().unwrap();
    let mut sizes = vec![longest(drain(&mut client, START))];
    for _ in 0..5 {
        let now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
        sizes.push(longest(drain(&mut client, now)));
    }
    for (size, mtu) in sizes.iter().zip([1400, 1400, 1232, 1232, 548, 548]) {
        assert!(*size <= mtu, "{sizes:?}");
    }
    assert!(sizes[0] > 548 && sizes[4] <= 548);
    client.set_mtu(256);
    client.handle_timeout(client.poll_timeout().unwrap());
    assert!(longest(drain(&mut client, START)) <= 256);
}

#[test]
fn the_longest_payload_fills_the_mtu_exactly_and_one_byte_more_is_refused() {
    for mtu in [256, 1200, 1400, 16_500, 65_535] {
        let (mut client, mut server) = Pair::new().connect();
        client.set_mtu(mtu);
        let max = client.max_payload();
        assert_eq!(client.max_record_payload(), 1 << 14);
        let mut datagram = vec![];
        client.send(&vec![7; max], &mut datagram).unwrap();
        assert_eq!(datagram.len(), mtu.min(max + 13 + 24));
        assert!(max <= 1 << 14 && (max == 1 << 14 || datagram.len() == mtu));
        assert_eq!(client.send(&vec![7; max + 1], &mut vec![]), Err(SendError::TooLong { max }));
        assert_eq!(deliver(vec![datagram], &mut server, START), [vec![7; max]]);
    }
}

#[test]
fn the_last_record_number_ends_the_connection() {
    let (mut client, mut server) = Pair::new().connect();
    client.outbound.skip_to(RecordNumber::MAX);
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    let mut out = vec![1];
    assert_eq!(client.send(b"x", &mut out), Err(SendError::Exhausted));
    assert_eq!(out, [1]);
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::NumbersExhausted)));
    assert_eq!(drain(&mut client, START), Vec::<Vec<u8>>::new(), "not even an alert may be sealed");
}

#[test]
fn a_key_that_too_many_forgeries_were_tried_on_is_given_up_with_bad_record_mac() {
    let (mut client, mut server) = Pair::new().connect();
    server.inbound.allow_failures(2);
    let mut forged = vec![];
    client.send(b"honest", &mut forged).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    deliver(vec![forged.clone()], &mut server, START);
    assert_eq!(server.poll_event(), None);
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    deliver(vec![forged], &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::TooManyForgedRecords)));
    deliver(drain(&mut server, START), &mut client, START);
    let alert = Error::AlertReceived(AlertDescription::BAD_RECORD_MAC);
    assert_eq!(client.poll_event(), Some(Event::Failed(alert)));
}

#[test]
fn a_record_longer_than_any_may_be_is_dropped_before_it_is_opened() {
    let (_, mut server) = Pair::new().connect();
    let length = (1 << 14) + 2048 + 1;
    let header = RecordHeader {
        content_type: ContentType::APPLICATION_DATA,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ONE,
        number: RecordNumber::new(9).unwrap(),
        length,
    };
    let mut record = header.to_bytes().to_vec();
    record.resize(record.len() + usize::from(length), 0);
    deliver(vec![record], &mut server, START);
    assert_eq!(server.stats().discarded(Discard::BadLength), 1);
    assert_eq!(server.stats().discarded(Discard::NotAuthentic), 0);
}

#[test]
fn a_timer_that_has_doubled_stays_so_for_the_next_flight() {
    let (mut client, mut server) = Pair::new().build();
    drain(&mut client, START);
    let now = client.poll_timeout().unwrap();
    client.handle_timeout(now);
    deliver(drain(&mut client, now), &mut server, now);
    deliver(drain(&mut server, now), &mut client, now);
    drain(&mut client, now);
    assert_eq!(client.poll_timeout(), Some(now + Duration::from_secs(2)));
}

#[test]
fn a_hello_says_what_is_configured_and_names_no_address() {
    for (name, expected) in [("peer.example", Some(&b"peer.example"[..])), ("192.0.2.1", None), ("2001:db8::1", None)] {
        let pair = Pair { client_settings: |settings| settings.alpn = vec![b"coap".to_vec()], ..Pair::new() };
        let trust = pair.verifier(Fingerprint::new([1; 32]));
        let config = ClientConfig::builder(Arc::clone(&pair.provider)).trust(trust).without_identity();
        let config = Arc::new(config.configure(pair.client_settings).build().unwrap());
        let name = ServerName::try_from(name).unwrap().to_owned();
        let mut client = Connection::connect(Arc::clone(&config), Some(name), START).unwrap();
        let datagram = drain(&mut client, START).concat();
        let record = Records::new(&datagram).next().unwrap().unwrap();
        let hello = ClientHello::decode_all(&record.body[FragmentHeader::LEN..]).unwrap();
        let with_certificates = config.suites.iter().filter(|suite| suite.key_exchange.signed_by().is_some());
        assert_eq!(hello.cipher_suites, with_certificates.map(|suite| suite.id).collect::<Vec<_>>());
        assert_eq!(hello.extensions.server_name, expected);
        assert_eq!(hello.extensions.supported_groups, Some(config.settings().groups.clone()));
        assert_eq!(hello.extensions.signature_schemes, Some(config.settings().signature_schemes.clone()));
        assert_eq!(hello.extensions.alpn, Some(vec![&b"coap"[..]]));
        assert_eq!(hello.extensions.use_srtp, None);
        assert_eq!(hello.extensions.renegotiation_info, Some(&[][..]));
        assert!(hello.extensions.extended_master_secret);
        assert!(hello.session_id.is_empty() && hello.cookie.is_empty());
    }
}

#[test]
fn a_certificate_that_fills_a_datagram_of_any_mtu_arrives_whole() {
    for mtu in [256, 257, 300, 548, 1200, 65_535] {
        let (mut client, mut server) = Pair::new().build();
        server.set_mtu(mtu);
        deliver(drain(&mut client, START), &mut server, START);
        let flight_4 = drain(&mut server, START);
        assert!(flight_4.iter().all(|datagram| datagram.len() <= mtu));
        for datagram in &flight_4 {
            assert!(Records::new(datagram).all(|record| record.is_ok()));
        }
        deliver(flight_4, &mut client, START);
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Connected), "{mtu}");
    }
}

#[test]
fn each_side_keeps_to_the_record_size_limit_of_the_other() {
    let pair = Pair {
        client_settings: |settings| settings.record_size_limit = Some(100),
        server_settings: |settings| settings.record_size_limit = Some(64),
        ..Pair::new()
    };
    let (mut client, mut server) = pair.connect();
    assert_eq!((client.max_payload(), server.max_payload()), (64, 100));
    assert_eq!(client.send(&[0; 65], &mut vec![]), Err(SendError::TooLong { max: 64 }));
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    // What is longer all the same is dropped, and the session goes on.
    for (len, taken) in [(100, 1), (101, 0)] {
        let record = sealed_record(&mut server, ContentType::APPLICATION_DATA, &vec![7; len]);
        assert_eq!(deliver(vec![record], &mut client, START).len(), taken);
    }
    assert_eq!(client.stats().discarded(Discard::BadLength), 1);
    assert_eq!(ping(&mut server, &mut client), [b"ping"]);
}

#[test]
fn a_server_without_a_limit_of_its_own_keeps_to_its_clients() {
    let pair = Pair { client_settings: |settings| settings.record_size_limit = Some(512), ..Pair::new() };
    let (client, server) = pair.connect();
    assert_eq!((client.max_payload(), server.max_payload()), (1200 - 13 - 24, 512));
}

#[test]
fn a_peer_that_was_not_told_of_a_limit_is_not_held_to_it() {
    // A server cannot tell clients that do not ask, nor a client servers that do not answer.
    let pair = Pair { server_settings: |settings| settings.record_size_limit = Some(512), ..Pair::new() };
    let (mut client, mut server) = pair.connect();
    assert_eq!((client.max_payload(), server.max_payload()), (1200 - 13 - 24, 1200 - 13 - 24));
    let mut datagram = vec![];
    client.send(&[7; 513], &mut datagram).unwrap();
    assert_eq!(deliver(vec![datagram], &mut server, START), [[7; 513]]);
}

#[test]
fn max_fragment_length_holds_for_both_sides_and_for_the_handshake() {
    let pair = Pair {
        client_settings: |settings| {
            settings.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
            settings.mtu = 16_000;
        },
        server_settings: |settings| settings.mtu = 16_000,
        certificates: 3,
        ..Pair::new()
    };
    let (mut client, mut server) = pair.build();
    deliver(drain(&mut client, START), &mut server, START);
    let flight = drain(&mut server, START);
    assert_eq!(flight.len(), 1, "several records, one datagram");
    let lengths: Vec<u16> = Records::new(&flight[0]).map(|record| record.unwrap().header.length).collect();
    assert!(lengths.len() > 5 && lengths.iter().all(|length| *length <= 512), "{lengths:?}");
    deliver(flight, &mut client, START);
    exchange(&mut client, &mut server, START);
    assert_eq!((client.max_payload(), server.max_payload()), (512, 512));
}

#[test]
fn of_two_limits_the_server_takes_the_newer_kind() {
    let pair = Pair {
        client_settings: |settings| {
            settings.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
            settings.record_size_limit = Some(1000);
        },
        ..Pair::new()
    };
    let (client, server) = pair.connect();
    assert_eq!((client.max_payload(), server.max_payload()), (1200 - 13 - 24, 1000));
}
