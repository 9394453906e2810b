//! The cookie exchange: a jar that strangers talk to, and a client that strangers answer.

use core::time::Duration;
use std::sync::Arc;

use dtls_core::wire::codec::{Decode as _, Encode as _};
use dtls_core::wire::enums::{CipherSuiteId, CompressionMethod, ContentType, HandshakeType, ProtocolVersion};
use dtls_core::wire::hello::{ClientHello, HelloVerifyRequest, Random};
use dtls_core::{Connection, CookieJar, HelloVerdict, Instant};
use dtls_tests::dice::Dice;
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::scenario::{CLIENT, Scenario};
use dtls_tests::{raw, seeded};

use crate::play::{SUITE, client};

fn jar(seed: u64) -> CookieJar {
    CookieJar::new(Arc::new(seeded::provider(seed)), Instant::ORIGIN).unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(millis))
}

/// A jar that is asked about one hello after the other.
struct Asked {
    jar: CookieJar,
    now: Instant,
    address: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Cookie(Vec<u8>),
    Verified,
    Nothing,
}

impl Asked {
    fn new() -> Self {
        Self { jar: jar(1), now: at(0), address: b"192.0.2.7:5000".to_vec() }
    }

    fn datagram(&mut self, datagram: &[u8]) -> Answer {
        let mut out = b"before".to_vec();
        let verdict = self.jar.check(self.now, &self.address, datagram, &mut out);
        let out = out.split_off(6);
        assert!(out.len() <= datagram.len(), "{} bytes for {}", out.len(), datagram.len());
        match verdict {
            HelloVerdict::Reply => {
                let piece = raw::pieces(&out).remove(0);
                let (_, body) = piece.fragments().remove(0);
                Answer::Cookie(HelloVerifyRequest::decode_all(&body).unwrap().cookie.to_vec())
            }
            verdict => {
                assert_eq!(out, [], "an answer nobody was told of");
                if matches!(verdict, HelloVerdict::Verified(_)) { Answer::Verified } else { Answer::Nothing }
            }
        }
    }

    fn hello(&mut self, hello: &ClientHello<'_>) -> Answer {
        self.datagram(&raw::handshake(0, &raw::message(HandshakeType::CLIENT_HELLO, 0, &hello.to_vec())))
    }

    fn cookie(&mut self, hello: &ClientHello<'_>) -> Vec<u8> {
        match self.hello(hello) {
            Answer::Cookie(cookie) => cookie,
            other => panic!("{other:?}"),
        }
    }
}

fn hello() -> ClientHello<'static> {
    Peer::client(SUITE, 3).client_hello()
}

#[test]
fn a_cookie_is_good_for_the_hello_that_it_was_made_for() {
    let mut asked = Asked::new();
    let cookie = asked.cookie(&hello());
    assert_eq!(asked.hello(&ClientHello { cookie: &cookie, ..hello() }), Answer::Verified);
}

#[test]
fn a_wrong_cookie_is_answered_like_none() {
    let mut asked = Asked::new();
    let cookie = asked.cookie(&hello());
    for byte in 0..cookie.len() {
        for bit in 0..8 {
            let mut wrong = cookie.clone();
            wrong[byte] ^= 1 << bit;
            let answer = asked.hello(&ClientHello { cookie: &wrong, ..hello() });
            assert!(matches!(answer, Answer::Cookie(_)), "{byte}.{bit}: {answer:?}");
        }
    }
    for wrong in [&cookie[1..], &cookie[..cookie.len() - 1], &[&cookie[..], &[0]].concat(), &[0; 255], &[]] {
        assert!(matches!(asked.hello(&ClientHello { cookie: wrong, ..hello() }), Answer::Cookie(_)));
    }
}

#[test]
fn a_cookie_is_worth_nothing_at_another_address() {
    let mut asked = Asked::new();
    let cookie = asked.cookie(&hello());
    for other in [&b"192.0.2.7:5001"[..], b"192.0.2.8:5000", b"192.0.2.7:500", b"", b"192.0.2.7:5000\0"] {
        asked.address = other.to_vec();
        assert!(matches!(asked.hello(&ClientHello { cookie: &cookie, ..hello() }), Answer::Cookie(_)));
    }
}

#[test]
fn a_cookie_is_bound_to_what_both_hellos_must_have_in_common_and_to_nothing_else() {
    let mut asked = Asked::new();
    let cookie = asked.cookie(&hello());
    let with_cookie = || ClientHello { cookie: &cookie, ..hello() };
    let changed = [
        ClientHello { version: ProtocolVersion::DTLS_1_0, ..with_cookie() },
        ClientHello { random: Random([1; 32]), ..with_cookie() },
        ClientHello { session_id: &[1], ..with_cookie() },
        ClientHello { cipher_suites: vec![SUITE, CipherSuiteId(0xff)], ..with_cookie() },
        ClientHello { compression_methods: vec![CompressionMethod::NULL; 2], ..with_cookie() },
    ];
    for hello in changed {
        assert!(matches!(asked.hello(&hello), Answer::Cookie(_)), "{hello:?}");
    }
    let mut other_extensions = with_cookie();
    other_extensions.extensions.alpn = Some(vec![b"h3"]);
    assert_eq!(asked.hello(&other_extensions), Answer::Verified);
}

#[test]
fn where_one_field_ends_and_the_next_begins_matters() {
    // The same bytes in another division must not give the same cookie.
    let mut asked = Asked::new();
    asked.address = b"1.2.3.4".to_vec();
    let cookie = asked.cookie(&ClientHello { session_id: b"56", ..hello() });
    asked.address = b"1.2.3.45".to_vec();
    let moved = ClientHello { session_id: b"6", cookie: &cookie, ..hello() };
    assert!(matches!(asked.hello(&moved), Answer::Cookie(_)));
}

#[test]
fn cookies_of_two_jars_differ() {
    let (mut one, mut other) = (Asked::new(), Asked::new());
    other.jar = jar(2);
    assert_ne!(one.cookie(&hello()), other.cookie(&hello()));
}

#[test]
fn a_cookie_is_good_for_its_lifetime_whenever_the_key_changes_and_not_longer() {
    let lifetime = CookieJar::DEFAULT_LIFETIME.as_millis() as u64;
    for made in [0, 1, lifetime / 2, lifetime - 1, lifetime, lifetime + 1, 10 * lifetime + 7] {
        // Hellos of others in between change the key at any moment.
        for disturbance in [0, lifetime / 3, lifetime / 2, lifetime] {
            let mut asked = Asked::new();
            asked.now = at(made);
            let cookie = asked.cookie(&hello());
            let with_cookie = ClientHello { cookie: &cookie, ..hello() };
            asked.now = at(made + disturbance);
            asked.cookie(&hello());
            asked.now = at(made + lifetime);
            assert_eq!(asked.hello(&with_cookie), Answer::Verified, "made at {made}, disturbed after {disturbance}");
            asked.now = at(made + lifetime + 1);
            assert!(matches!(asked.hello(&with_cookie), Answer::Cookie(_)), "made at {made}");
            asked.now = at(made + 24 * 3600 * 1000);
            assert!(matches!(asked.hello(&with_cookie), Answer::Cookie(_)), "made at {made}");
        }
    }
}

#[test]
fn a_clock_that_goes_back_makes_no_cookie_good() {
    let mut asked = Asked::new();
    asked.now = at(1_000_000);
    let cookie = asked.cookie(&hello());
    asked.now = at(5);
    assert!(matches!(asked.hello(&ClientHello { cookie: &cookie, ..hello() }), Answer::Cookie(_)));
}

#[test]
fn what_is_no_first_hello_in_the_clear_gets_no_answer() {
    let mut asked = Asked::new();
    let cookie = asked.cookie(&hello());
    for cookie in [&[][..], &cookie] {
        let body = ClientHello { cookie, ..hello() }.to_vec();
        let message = raw::message(HandshakeType::CLIENT_HELLO, 1, &body);
        let whole = raw::handshake(1, &message);
        for epoch in [1, 2, 65_535] {
            assert_eq!(asked.datagram(&raw::record(ContentType::HANDSHAKE, epoch, 1, &message)), Answer::Nothing);
        }
        for typ in [20, 21, 23, 24, 25, 26, 99] {
            assert_eq!(asked.datagram(&raw::record(ContentType(typ), 0, 1, &message)), Answer::Nothing);
        }
        for typ in (0..30).filter(|typ| *typ != 1) {
            assert_eq!(
                asked.datagram(&raw::handshake(1, &raw::message(HandshakeType(typ), 1, &body))),
                Answer::Nothing
            );
        }
        for version in [0x0303, 0x0100, 0xfefc, 0xfefe, 0] {
            let version = ProtocolVersion(version);
            let record = raw::record_with(ContentType::HANDSHAKE, version, 0, 1, message.len() as u16, &message);
            assert_eq!(asked.datagram(&record), Answer::Nothing);
        }
        for len in 0..whole.len() {
            assert_eq!(asked.datagram(&whole[..len]), Answer::Nothing, "{len}");
        }
        // A fragment that is not the first, and one too short to judge by.
        let total = body.len() as u32;
        let fragment = |from: usize, to: usize| {
            raw::handshake(1, &raw::fragment(HandshakeType::CLIENT_HELLO, total, 1, from as u32, &body[from..to]))
        };
        for from in 1..body.len() {
            assert_eq!(asked.datagram(&fragment(from, body.len())), Answer::Nothing);
        }
        for to in 0..38 {
            assert_eq!(asked.datagram(&fragment(0, to)), Answer::Nothing);
        }
    }
}

#[test]
fn junk_gets_no_answer() {
    let mut dice = Dice::new(9);
    let mut asked = Asked::new();
    let whole = raw::handshake(0, &raw::message(HandshakeType::CLIENT_HELLO, 0, &hello().to_vec()));
    for round in 0..20_000 {
        let bytes = if round % 2 == 0 {
            let len = dice.below(300);
            dice.bytes(len)
        } else {
            // A hello with a few bytes changed; whatever is answered, it is with no more bytes than came.
            let mut changed = whole.clone();
            for _ in 0..=dice.below(4) {
                let at = dice.below(changed.len());
                changed[at] = dice.byte();
            }
            changed
        };
        let answer = asked.datagram(&bytes);
        assert_ne!(answer, Answer::Verified);
        assert!(round % 2 == 1 || answer == Answer::Nothing, "{bytes:?}");
    }
}

#[test]
fn the_first_fragment_of_a_hello_is_enough_to_be_answered() {
    let mut long = hello();
    long.extensions.alpn = Some(vec![b"a-rather-long-protocol-name"; 60]);
    let body = long.to_vec();
    assert!(body.len() > 1500);
    let mut asked = Asked::new();
    let first = |body: &[u8]| {
        let fragment = raw::fragment(HandshakeType::CLIENT_HELLO, body.len() as u32, 0, 0, &body[..1100]);
        raw::handshake(0, &fragment)
    };
    let Answer::Cookie(cookie) = asked.datagram(&first(&body)) else { panic!("no cookie") };
    long.cookie = &cookie;
    assert_eq!(asked.datagram(&first(&long.to_vec())), Answer::Verified);
}

#[test]
fn the_answer_repeats_the_numbers_of_the_hello_and_the_server_goes_on_from_them() {
    for (number, seq) in [(7, 0), (0, 1), (5, 3), ((1 << 48) - 2, 65_535)] {
        let mut jar = jar(1);
        let mut out = Vec::new();
        let first = raw::handshake(number, &raw::message(HandshakeType::CLIENT_HELLO, seq, &hello().to_vec()));
        assert!(matches!(jar.check(at(0), b"a", &first, &mut out), HelloVerdict::Reply));
        let piece = raw::pieces(&out).remove(0);
        let (header, body) = piece.fragments().remove(0);
        assert_eq!((piece.header.number.get(), header.message_seq.0), (number, seq));
        let cookie = HelloVerifyRequest::decode_all(&body).unwrap().cookie.to_vec();

        if seq == 65_535 {
            continue;
        }
        let second = ClientHello { cookie: &cookie, ..hello() }.to_vec();
        let second = raw::handshake(number + 2, &raw::message(HandshakeType::CLIENT_HELLO, seq + 1, &second));
        let HelloVerdict::Verified(verified) = jar.check(at(0), b"a", &second, &mut Vec::new()) else { panic!() };
        let config = Scenario::new(1).suite(SUITE).server_config(CLIENT);
        let mut server = UnderTest::new(Connection::accept(config, verified, at(0)));
        let flight_4 = server.take();
        let piece = raw::pieces(&flight_4[0]).remove(0);
        let (header, _) = piece.fragments().remove(0);
        assert_eq!((piece.header.number.get(), header.message_seq.0), (number + 2, seq + 1));
        assert_eq!(header.typ, HandshakeType::SERVER_HELLO);
    }
}

// --- the client ---

fn request(seq: u16, version: u16, cookie: &[u8]) -> Vec<u8> {
    let body = HelloVerifyRequest { server_version: ProtocolVersion(version), cookie }.to_vec();
    raw::handshake(0, &raw::message(HandshakeType::HELLO_VERIFY_REQUEST, seq, &body))
}

fn only_hello(datagrams: &[Vec<u8>]) -> (u16, Vec<u8>) {
    assert_eq!(datagrams.len(), 1);
    let (header, body) = raw::pieces(&datagrams[0])[0].fragments().remove(0);
    assert_eq!(header.typ, HandshakeType::CLIENT_HELLO);
    (header.message_seq.0, body)
}

#[test]
fn a_client_repeats_its_hello_with_the_cookie_and_changes_nothing_else() {
    for version in [0xfeff, 0xfefd] {
        for len in [1, 32, 33, 255] {
            let mut under_test = client(&Scenario::new(1).with_extensions());
            let (first_seq, first) = only_hello(&under_test.take());
            let cookie: Vec<u8> = (0..len).map(|index| index as u8).collect();
            let (second_seq, second) = only_hello(&under_test.give(&request(0, version, &cookie)));
            assert_eq!((first_seq, second_seq), (0, 1));
            let first = ClientHello::decode_all(&first).unwrap();
            let mut second = ClientHello::decode_all(&second).unwrap();
            assert_eq!(second.cookie, cookie);
            second.cookie = &[];
            assert_eq!(first, second);
        }
    }
}

#[test]
fn an_empty_cookie_is_repeated_too() {
    let mut under_test = client(&Scenario::new(1));
    under_test.take();
    let (seq, body) = only_hello(&under_test.give(&request(0, 0xfeff, &[])));
    assert_eq!(seq, 1);
    assert_eq!(ClientHello::decode_all(&body).unwrap().cookie, []);
}

#[test]
fn a_request_that_answers_no_hello_is_dropped() {
    let mut under_test = client(&Scenario::new(1));
    under_test.take();
    for seq in [1, 2, 512, 65_535] {
        assert_eq!(under_test.give(&request(seq, 0xfeff, b"cookie")), Vec::<Vec<u8>>::new());
    }
    assert_eq!(only_hello(&under_test.give(&request(0, 0xfeff, b"cookie"))).0, 1);
    assert_eq!(only_hello(&under_test.give(&request(1, 0xfeff, b"another"))).0, 2);
    assert_eq!(under_test.give(&request(3, 0xfeff, b"a third")), Vec::<Vec<u8>>::new());
}

#[test]
fn a_malformed_hello_verify_request_is_dropped() {
    let mut under_test = client(&Scenario::new(1));
    under_test.take();
    for body in [&[][..], &[0xfe], &[0xfe, 0xff], &[0xfe, 0xff, 4, 1, 2, 3], &[0xfe, 0xff, 1, 1, 1]] {
        let message = raw::message(HandshakeType::HELLO_VERIFY_REQUEST, 0, body);
        assert_eq!(under_test.give(&raw::handshake(0, &message)), Vec::<Vec<u8>>::new());
    }
    assert_eq!(only_hello(&under_test.give(&request(0, 0xfeff, b"cookie"))).0, 1);
}

#[test]
fn the_hello_that_is_sent_again_has_the_cookie() {
    let mut under_test = client(&Scenario::new(1));
    under_test.take();
    let second = only_hello(&under_test.give(&request(0, 0xfeff, b"cookie")));
    for _ in 0..3 {
        assert_eq!(only_hello(&under_test.wait()), second);
    }
}

#[test]
fn ten_thousand_forged_cookies_cost_a_handful_of_hellos_and_the_right_server_still_connects() {
    let mut under_test = client(&Scenario::new(1).suite(SUITE));
    let mut peer = Peer::server(SUITE, 3);
    under_test.take();
    let mut sent = 0;
    for round in 0..10_000_u32 {
        sent += under_test.give(&request((round % 9) as u16, 0xfeff, &round.to_be_bytes())).len();
    }
    assert!((1..=8).contains(&sent), "{sent} hellos");
    // The true server then asks for its cookie, gets it after the timer at the latest, and goes on.
    let repeated = under_test.wait();
    let (seq, _) = only_hello(&repeated);
    let answered = under_test.give(&request(seq, 0xfeff, b"the right one"));
    let (seq, body) = only_hello(&answered);
    assert_eq!(ClientHello::decode_all(&body).unwrap().cookie, b"the right one");
    peer.hear(&answered);
    peer.next_seq = seq;
    let flight_4 = peer.flight_4(crate::play::SERVER_LEAF);
    let flight_5 = under_test.give(&flight_4);
    peer.answer_flight_5(&mut under_test, &flight_5);
    assert!(under_test.was_connected(), "{:?}", under_test.events);
}

#[test]
fn a_forged_cookie_request_between_hello_and_answer_does_no_harm() {
    // The server has accepted the second hello; then a forgery makes the client send a third.
    for forged_seq in [0, 1] {
        let mut under_test = client(&Scenario::new(1).suite(SUITE));
        let mut peer = Peer::server(SUITE, 3);
        under_test.take();
        let second = under_test.give(&request(0, 0xfeff, b"right"));
        peer.hear(&second);
        peer.next_seq = 1;
        under_test.give(&request(forged_seq, 0xfeff, b"forged"));
        let flight_4 = peer.flight_4(crate::play::SERVER_LEAF);
        let flight_5 = under_test.give(&flight_4);
        peer.answer_flight_5(&mut under_test, &flight_5);
        assert!(under_test.was_connected(), "{forged_seq}: {:?}", under_test.connection);
    }
}
