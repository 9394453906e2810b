//! Sessions that are resumed: servers that promise tickets and do not keep their word, tickets out of all proportion, and
//! tickets and IDs in the hands of others.

use std::sync::Arc;

use dtls_core::crypto::MasterSecret;
use dtls_core::resumption::StateError;
use dtls_core::wire::enums::{ContentType, HandshakeType, NamedGroup};
use dtls_core::{Connection, CookieJar, Error, Event, HelloVerdict, Instant, ResumptionState};
use dtls_tests::certificates;
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::raw;
use dtls_tests::remembered::{By, Memory};
use dtls_tests::scenario::{CLIENT, SERVER, Scenario};

use crate::play::{SERVER_LEAF, SUITE, assert_refused, client};

/// A client that asks for tickets.
fn resumable() -> Scenario {
    Scenario::new(1).suite(SUITE).resumable(Memory::new(By::Ticket))
}

/// A client that has heard a ServerHello with the promise of a ticket and sent its Finished, and the server so far.
fn promised() -> (UnderTest, Peer) {
    let mut under_test = client(&resumable());
    let mut peer = Peer::server(SUITE, 3);
    peer.meet(&mut under_test);
    let mut hello = peer.server_hello();
    hello.extensions.session_ticket = true;
    let messages = [
        peer.say(HandshakeType::SERVER_HELLO, &hello),
        peer.certificate(&certificates::chain(SERVER_LEAF)),
        peer.server_key_exchange(NamedGroup::X25519, SERVER_LEAF),
        peer.server_hello_done(),
    ];
    let flight_4: Vec<u8> = messages.iter().flat_map(|message| peer.plain(message)).collect();
    let flight_5 = under_test.give(&flight_4);
    peer.hear(&flight_5);
    peer.hear_pending();
    (under_test, peer)
}

/// Says a message in fragments that fit in a datagram.
fn say_in_pieces(peer: &mut Peer, under_test: &mut UnderTest, message: &[u8]) {
    const LEN: usize = 8000;
    let (header, body) = message.split_at(12);
    let (typ, total) = (HandshakeType(header[0]), u32::try_from(body.len()).unwrap());
    let seq = u16::from_be_bytes([header[4], header[5]]);
    for (index, piece) in body.chunks(LEN).enumerate() {
        let offset = u32::try_from(index * LEN).unwrap();
        let record = peer.plain(&raw::fragment(typ, total, seq, offset, piece));
        assert_eq!(under_test.give(&record), Vec::<Vec<u8>>::new());
    }
}

/// What a client keeps of a session whose server gave it this ticket.
fn kept(lifetime_hint: u32, ticket: &[u8]) -> Option<(ResumptionState, MasterSecret)> {
    let (mut under_test, mut peer) = promised();
    let message = peer.new_session_ticket(lifetime_hint, ticket);
    say_in_pieces(&mut peer, &mut under_test, &message);
    let flight_6 = peer.flight_6();
    under_test.give(&flight_6);
    assert_eq!(under_test.events, [Event::Connected], "{} bytes", ticket.len());
    under_test.connection.take_resumption_state().map(|state| (state, peer.master()))
}

fn begin(state: &ResumptionState) -> UnderTest {
    let config = resumable().client_config(CLIENT);
    UnderTest::new(Connection::connect_resuming(config, None, state, Instant::ORIGIN).unwrap())
}

// --- promises ---

#[test]
fn a_ticket_that_was_promised_and_does_not_come_before_finished_is_fatal() {
    let (mut under_test, mut peer) = promised();
    let answers = peer.flight_6();
    let answers = under_test.give(&answers);
    assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::FINISHED));

    // The same in a resumed handshake.
    let (state, master) = kept(0, b"a ticket").unwrap();
    let mut under_test = begin(&state);
    let mut peer = Peer::server(SUITE, 4);
    resume(&mut peer, &mut under_test, master, true);
    let answers = peer.flight_6();
    let answers = under_test.give(&answers);
    assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::FINISHED));
}

/// Plays a server that goes on with the session, up to its ServerHello.
fn resume(peer: &mut Peer, under_test: &mut UnderTest, master: MasterSecret, promises: bool) {
    use dtls_core::wire::codec::Decode as _;
    use dtls_core::wire::hello::ClientHello;
    peer.meet(under_test);
    let offered = peer.heard[0].1.clone();
    let mut hello = peer.server_hello();
    hello.extensions.session_ticket = promises;
    let session_id = ClientHello::decode_all(&offered).unwrap().session_id.to_vec();
    let hello = dtls_core::wire::hello::ServerHello { session_id: &session_id, ..hello };
    let message = peer.say(HandshakeType::SERVER_HELLO, &hello);
    let record = peer.plain(&message);
    assert_eq!(under_test.give(&record), Vec::<Vec<u8>>::new());
    peer.go_on_with(master);
}

#[test]
fn a_ticket_that_was_not_promised_or_comes_twice_is_dropped_and_fatal_where_nothing_is_forgiven() {
    for promises in [false, true] {
        let strict = resumable().configure(|settings| settings.fault_budget = 0);
        let (state, master) = kept(0, b"a ticket").unwrap();
        let config = strict.client_config(CLIENT);
        let connection = Connection::connect_resuming(config, None, &state, Instant::ORIGIN).unwrap();
        let mut under_test = UnderTest::new(connection);
        let mut peer = Peer::server(SUITE, 4);
        resume(&mut peer, &mut under_test, master, promises);
        let mut answers = Vec::new();
        for _ in 0..=usize::from(promises) {
            let message = peer.new_session_ticket(0, b"another ticket");
            let record = peer.plain(&message);
            answers = under_test.give(&record);
        }
        assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::NEW_SESSION_TICKET));
    }
}

// --- strangers ---

#[test]
fn a_hello_that_offers_a_session_needs_a_cookie_like_any_other_and_gets_no_more_than_it_brings() {
    for by in By::ALL {
        let scenario = Scenario::new(1).mutual().suite(SUITE).resuming(by);
        let hellos = begin_with(&scenario).take();
        let mut jar = CookieJar::new(scenario.provider_at(SERVER, 2), Instant::ORIGIN).unwrap();
        // From anywhere, again and again: an answer without state, and never the session.
        for address in 0..100_u16 {
            for (index, hello) in hellos.iter().enumerate() {
                let mut reply = Vec::new();
                let verdict = jar.check(Instant::ORIGIN, &address.to_be_bytes(), hello, &mut reply);
                assert_eq!(matches!(verdict, HelloVerdict::Reply), index == 0, "{by:?} {verdict:?}");
                assert_eq!(raw::message_types(&reply).len(), usize::from(index == 0));
                assert!(reply.len() <= hello.len());
            }
        }
        // With a cookie of another address it is no better.
        let mut reply = Vec::new();
        let _ = jar.check(Instant::ORIGIN, b"here", &hellos[0], &mut reply);
        let mut client = begin_with(&scenario);
        client.take();
        let with_cookie = client.give(&reply);
        let verdict = jar.check(Instant::ORIGIN, b"elsewhere", &with_cookie[0], &mut Vec::new());
        assert!(matches!(verdict, HelloVerdict::Reply), "{by:?}");
        let verdict = jar.check(Instant::ORIGIN, b"here", &with_cookie[0], &mut Vec::new());
        assert!(matches!(verdict, HelloVerdict::Verified(_)), "{by:?}");
    }
}

fn begin_with(scenario: &Scenario) -> UnderTest {
    let config = scenario.client_config(CLIENT);
    let name = Some("server.test".try_into().unwrap());
    UnderTest::new(Connection::connect_resuming(config, name, scenario.state().unwrap(), Instant::ORIGIN).unwrap())
}

#[test]
fn a_hello_that_is_replayed_a_thousand_times_resumes_nothing_and_its_client_comes_in_all_the_same() {
    for by in By::ALL {
        let scenario = Scenario::new(1).mutual().suite(SUITE).resuming(by);
        let hello = begin_with(&scenario).take().concat();
        let config = scenario.server_config(CLIENT);
        for _ in 0..1000 {
            let mut server = UnderTest::new(Connection::accept_on_trusted_path(Arc::clone(&config), Instant::ORIGIN));
            assert!(!server.give(&hello).is_empty());
            assert!(server.connection.info().is_none());
            // Finished of the first connection is nothing to this one, whose random is another.
            server.give(&raw::change_cipher_spec(9));
            server.give(&raw::record(ContentType::HANDSHAKE, 1, 0, &[7; 48]));
            assert_eq!(server.events, []);
        }
        let mut client = begin_with(&scenario);
        let mut server = UnderTest::new(Connection::accept_on_trusted_path(config, Instant::ORIGIN));
        let answer: Vec<Vec<u8>> = client.take().iter().flat_map(|hello| server.give(hello)).collect();
        let finished: Vec<Vec<u8>> = answer.iter().flat_map(|datagram| client.give(datagram)).collect();
        finished.iter().for_each(|datagram| drop(server.give(datagram)));
        assert!(server.connection.info().unwrap().resumed, "{by:?}");
    }
}

// --- forgeries ---

#[test]
fn a_forged_ticket_that_comes_first_is_told_from_the_real_one_by_finished() {
    for is_resumed in [false, true] {
        // Of another length it takes a place of its own; of the same it takes the place, until the server repeats itself.
        for (forged, is_repeated) in [(&b"forged"[..], false), (b"the attacker's", true)] {
            let (mut under_test, mut peer) = if is_resumed {
                let (state, master) = kept(0, b"a ticket").unwrap();
                let (mut under_test, mut peer) = (begin(&state), Peer::server(SUITE, 4));
                resume(&mut peer, &mut under_test, master, true);
                (under_test, peer)
            } else {
                promised()
            };
            let real = peer.new_session_ticket(60, b"by the server!");
            let seq = u16::from_be_bytes([real[4], real[5]]);
            let body = [&[0, 0, 0, 60, 0, u8::try_from(forged.len()).unwrap()], forged].concat();
            let stranger = raw::handshake(99, &raw::message(HandshakeType::NEW_SESSION_TICKET, seq, &body));
            under_test.give(&stranger);
            let record = peer.plain(&real);
            let flight_6 = [record, peer.flight_6()].concat();
            under_test.give(&flight_6);
            assert_eq!(under_test.was_connected(), !is_repeated, "{is_resumed} {:?}", under_test.events);
            // Junk that would stand in the place of Finished, or behind it, does not matter.
            let junk = raw::handshake(98, &raw::message(HandshakeType::NEW_SESSION_TICKET, seq + 1, &body));
            under_test.give(&junk);
            let record = peer.plain(&real);
            under_test.give(&record);
            assert_eq!(under_test.events, [Event::Connected], "{is_resumed}");
            let bytes = under_test.connection.take_resumption_state().unwrap().to_bytes();
            assert!(bytes.windows(14).any(|window| window == b"by the server!"));
        }
    }
}

#[test]
fn tickets_that_no_finished_counts_in_end_the_handshake_when_patience_is_over() {
    for (budget, forgeries) in [(0, 1), (8, 9)] {
        let scenario = resumable().configure(move |settings| settings.fault_budget = budget);
        let (state, master) = kept(0, b"a ticket").unwrap();
        let config = scenario.client_config(CLIENT);
        let connection = Connection::connect_resuming(config, None, &state, Instant::ORIGIN).unwrap();
        let (mut under_test, mut peer) = (UnderTest::new(connection), Peer::server(SUITE, 4));
        resume(&mut peer, &mut under_test, master, true);
        let real = peer.new_session_ticket(60, b"by the server!");
        let flight = peer.flight_6();
        under_test.give(&flight);
        let mut answers = Vec::new();
        for number in 0..forgeries {
            assert_eq!(under_test.events, [], "{number} of {forgeries}");
            let mut forged = real.clone();
            *forged.last_mut().unwrap() ^= 1;
            answers = under_test.give(&raw::handshake(100 + number, &forged));
        }
        assert_refused(&under_test, &answers, &Error::FinishedMismatch);
    }
}

// --- proportions ---

#[test]
fn a_ticket_of_any_length_does_no_harm_and_one_that_would_not_fit_in_a_hello_is_not_kept() {
    const LONGEST: usize = 1 << 14;
    for (len, is_kept) in [(0, false), (1, true), (LONGEST, true), (LONGEST + 1, false), (65_535, false)] {
        let ticket = vec![7; len];
        let state = kept(u32::MAX, &ticket);
        assert_eq!(state.is_some(), is_kept, "{len} bytes");
        let Some((state, master)) = state else { continue };
        assert_eq!(state.lifetime_hint().unwrap().as_secs(), u64::from(u32::MAX));
        // It goes into a hello whole, and the session goes on.
        let mut under_test = begin(&state);
        let hello: Vec<u8> = under_test
            .take()
            .iter()
            .flat_map(|datagram| raw::pieces(datagram))
            .flat_map(|piece| piece.fragments())
            .flat_map(|(_, body)| body)
            .collect();
        assert!(hello.windows(len).any(|window| window == ticket), "{len} bytes");
        if len == 1 {
            let mut under_test = begin(&state);
            let mut peer = Peer::server(SUITE, 4);
            resume(&mut peer, &mut under_test, master, false);
            let flight = peer.flight_6();
            let answer = under_test.give(&flight);
            assert_eq!(under_test.events, [Event::Connected]);
            peer.hear(&answer);
            assert!(peer.has_heard(HandshakeType::FINISHED));
            let record = peer.sealed(ContentType::APPLICATION_DATA, b"go on");
            under_test.give(&record);
            assert_eq!(under_test.data, [b"go on"]);
        }
    }
}

#[test]
fn a_state_with_a_ticket_that_would_not_fit_in_a_hello_is_none() {
    let (state, _) = kept(0, &[7; 100]).unwrap();
    let bytes = state.to_bytes();
    let at = bytes.windows(100).position(|window| window == [7; 100]).unwrap();
    let with = |len: usize| {
        let len_bytes = u16::try_from(len).unwrap().to_be_bytes();
        [&bytes[..at - 2], &len_bytes, &vec![7; len], &bytes[at + 100..]].concat()
    };
    assert_eq!(ResumptionState::from_bytes(&with(1 << 14)).map(drop), Ok(()));
    for len in [(1 << 14) + 1, 65_535] {
        assert_eq!(ResumptionState::from_bytes(&with(len)).map(drop), Err(StateError), "{len}");
    }
}
