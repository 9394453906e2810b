//! Retransmission: when, how often, what, and when not.

use core::time::Duration;

use dtls_core::wire::enums::{ContentType, HandshakeType};
use dtls_core::{Error, Event, Instant, Role};
use dtls_tests::raw;
use dtls_tests::scenario::{CLIENT_END, SERVER_END, Scenario, assert_agreement, assert_data_flows, run_handshake};
use dtls_tests::sim::network::{Clean, Datagram, Network};
use dtls_tests::sim::{Entry, World};

use crate::play::{Play, SUITE, client, server};

const BOTH: [Role; 2] = [Role::Server, Role::Client];

#[test]
fn silence_is_answered_by_doubling_waits_until_the_handshake_is_given_up_once() {
    for (role, step) in Play::every_state() {
        let waits_for_the_peer = !(role == Role::Server && step == 0) && step < Play::steps(role);
        if !waits_for_the_peer {
            continue;
        }
        let mut play = Play::at(role, step);
        let under_test = &mut play.under_test;
        let began = under_test.now;
        let mut times = Vec::new();
        while under_test.events.is_empty() {
            let sent = under_test.wait();
            if !sent.is_empty() {
                times.push((under_test.now - began).as_secs());
            }
        }
        assert_eq!(times, [1, 3, 7, 15, 31], "step {step} of a {role:?}");
        assert_eq!(under_test.events, [Event::Failed(Error::HandshakeTimeout)]);
        assert_eq!((under_test.now - Instant::ORIGIN).as_secs(), 60);
        assert_eq!(under_test.connection.poll_timeout(), None);
        assert_eq!(under_test.wait(), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn a_server_that_has_heard_nothing_sends_nothing_and_gives_up() {
    let mut under_test = server(&Scenario::new(1));
    assert_eq!(under_test.take(), Vec::<Vec<u8>>::new());
    while under_test.events.is_empty() {
        assert_eq!(under_test.wait(), Vec::<Vec<u8>>::new());
    }
    assert_eq!(under_test.events, [Event::Failed(Error::HandshakeTimeout)]);
}

#[test]
fn a_timeout_that_comes_early_late_or_many_times_repeats_at_most_once() {
    let mut under_test = client(&Scenario::new(1));
    under_test.take();
    let due = under_test.connection.poll_timeout().unwrap();
    for early in [0, 1, 500, 999] {
        under_test.now = Instant::from_origin(Duration::from_millis(early));
        under_test.connection.handle_timeout(under_test.now);
        assert_eq!(under_test.take(), Vec::<Vec<u8>>::new());
        assert_eq!(under_test.connection.poll_timeout(), Some(due));
    }
    under_test.now = due + Duration::from_secs(10);
    let mut sent = 0;
    for _ in 0..100 {
        under_test.connection.handle_timeout(under_test.now);
        sent += under_test.take().len();
    }
    assert_eq!(sent, 1);
    assert_eq!(under_test.connection.poll_timeout(), Some(under_test.now + Duration::from_secs(2)));
}

#[test]
fn what_is_sent_again_says_the_same_under_new_record_numbers() {
    for (role, step) in [(Role::Server, 1), (Role::Client, 5)] {
        let scenario = Scenario::new(1).mutual().suite(SUITE);
        let mut play = Play::of(&scenario, role, 0);
        let mut first = Vec::new();
        for _ in 0..step {
            let datagram = play.next();
            first = play.under_test.give(&datagram);
            play.peer.hear(&first);
            play.peer.hear_pending_if_possible();
        }
        let mut numbers: Vec<(u16, u64)> = Vec::new();
        let mut collect = |datagrams: &[Vec<u8>]| {
            for piece in datagrams.iter().flat_map(|datagram| raw::pieces(datagram)) {
                numbers.push((piece.header.epoch.0, piece.header.number.get()));
            }
        };
        collect(&first);
        for round in 0..4 {
            let again = play.under_test.wait();
            collect(&again);
            assert_eq!(messages(&first), messages(&again), "round {round}");
        }
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a record number was used twice");
    }
}

/// Every message in the clear, put together again.
fn messages(datagrams: &[Vec<u8>]) -> Vec<(HandshakeType, u16, Vec<u8>)> {
    let mut messages: Vec<(HandshakeType, u16, Vec<u8>)> = Vec::new();
    for piece in datagrams.iter().flat_map(|datagram| raw::pieces(datagram)) {
        for (header, body) in piece.fragments() {
            match messages.iter_mut().find(|(_, seq, _)| *seq == header.message_seq.0) {
                Some((_, _, known)) => {
                    assert_eq!(known.len(), header.fragment_offset as usize);
                    known.extend(body);
                }
                None => messages.push((header.typ, header.message_seq.0, body)),
            }
        }
    }
    messages
}

// --- the last flight ---

#[test]
fn a_server_repeats_its_last_flight_for_a_repeated_finished_within_bounds() {
    let mut play = Play::connected(Role::Server);
    let message = finished_of_the_peer(&play);
    let mut answers = Vec::new();
    // A peer in a hurry: a hundred repetitions at once, and then one every 10 ms.
    for round in 0..1000_u64 {
        if round >= 100 {
            play.under_test.now = play.under_test.now + Duration::from_millis(10);
        }
        let record = play.peer.sealed(ContentType::HANDSHAKE, &message);
        let sent = play.under_test.give(&record);
        answers.extend(sent.into_iter().map(|datagram| (play.under_test.now, datagram)));
    }
    assert!(!answers.is_empty() && answers.len() <= 16, "{} answers", answers.len());
    for pair in answers.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= Duration::from_millis(50));
    }
    play.assert_data_flows();
}

#[test]
fn a_replayed_finished_is_never_answered() {
    let scenario = Scenario::new(1).mutual().suite(SUITE);
    let mut play = Play::of(&scenario, Role::Server, 4);
    let last = play.next();
    let answers = play.under_test.give(&last);
    play.peer.hear(&answers);
    for _ in 0..10_000 {
        play.under_test.now = play.under_test.now + Duration::from_millis(20);
        assert_eq!(play.under_test.give(&last), Vec::<Vec<u8>>::new());
    }
    play.assert_data_flows();
}

#[test]
fn a_server_repeats_its_last_flight_for_240_seconds_and_then_lets_go_of_it() {
    for (after, is_answered) in [(1, true), (100, true), (239, true), (240, false), (300, false)] {
        let mut play = Play::connected(Role::Server);
        let message = finished_of_the_peer(&play);
        play.under_test.now = play.under_test.now + Duration::from_secs(after);
        play.under_test.connection.handle_timeout(play.under_test.now);
        let record = play.peer.sealed(ContentType::HANDSHAKE, &message);
        assert_eq!(!play.under_test.give(&record).is_empty(), is_answered, "after {after} s");
    }
    let mut play = Play::connected(Role::Server);
    assert!(format!("{:?}", play.under_test.connection).contains("last_flight"));
    assert_eq!(play.under_test.wait(), Vec::<Vec<u8>>::new());
    assert!(!format!("{:?}", play.under_test.connection).contains("last_flight"));
    assert_eq!(play.under_test.connection.poll_timeout(), None);
    play.assert_data_flows();
}

#[test]
fn a_connected_client_has_no_deadline() {
    let play = Play::connected(Role::Client);
    assert_eq!(play.under_test.connection.poll_timeout(), None);
}

fn finished_of_the_peer(play: &Play) -> Vec<u8> {
    let transcript = &play.peer.transcript;
    transcript[transcript.len() - 48..transcript.len() - 24].to_vec()
}

#[test]
fn the_last_flight_may_be_lost_five_times_while_data_already_flows() {
    for lost in 1..=5 {
        let scenario = Scenario::new(1).mutual();
        let mut world = scenario.start(LosesFlight6 { left: lost, seen: 0 });
        world.run_until(|world| world.find(SERVER_END).is_some_and(|end| end.is_connected()));
        // The server is connected and talks at once; the client cannot read it yet.
        world.send(SERVER_END, b"first").unwrap();
        run_handshake(&mut world);
        assert!(world.end(CLIENT_END).is_connected(), "{:#?}", world.log);
        world.send(SERVER_END, b"second").unwrap();
        world.send(CLIENT_END, b"third").unwrap();
        world.drain();
        assert_eq!(world.end(CLIENT_END).data, [b"second".to_vec()]);
        assert_eq!(world.end(SERVER_END).data, [b"third".to_vec()]);
        assert_agreement(&world, CLIENT_END);
    }
}

/// Loses the server's last flight so many times.
struct LosesFlight6 {
    left: usize,
    seen: usize,
}

impl Network for LosesFlight6 {
    fn carry(&mut self, now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)> {
        let is_flight_6 = datagram.from == SERVER_END.local
            && raw::pieces(&datagram.bytes)
                .iter()
                .any(|piece| piece.header.content_type == ContentType::CHANGE_CIPHER_SPEC);
        self.seen += usize::from(is_flight_6);
        if is_flight_6 && self.seen <= self.left { Vec::new() } else { Clean.carry(now, datagram) }
    }
}

#[test]
fn final_flights_that_are_doubled_die_out() {
    for role in BOTH {
        let mut world = Scenario::new(1).mutual().connected();
        let (to, from) = match role {
            Role::Server => (SERVER_END, CLIENT_END),
            Role::Client => (CLIENT_END, SERVER_END),
        };
        let copies: Vec<Vec<u8>> = world.sent_by(from).map(<[u8]>::to_vec).collect();
        let before = world.datagrams_sent();
        for _ in 0..20 {
            for copy in &copies {
                world.inject(to, copy);
            }
        }
        world.drain();
        assert_eq!(world.datagrams_sent(), before);
        assert_data_flows(&mut world, CLIENT_END);
    }
}

// --- paths ---

/// Everything takes long, or what is long is lost.
struct Path {
    latency: Duration,
    longest: usize,
}

impl Network for Path {
    fn carry(&mut self, _now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)> {
        if datagram.bytes.len() > self.longest { Vec::new() } else { vec![(self.latency, datagram)] }
    }
}

#[test]
fn a_path_that_loses_long_datagrams_is_found_out() {
    for longest in [1400, 1232, 1000, 600, 548, 300, 256] {
        let scenario = Scenario::new(1)
            .mutual()
            .mtu(1400)
            .configure(|settings| settings.handshake_timeout = Duration::from_secs(400));
        let mut world = scenario.start(Path { latency: Duration::from_millis(10), longest });
        run_handshake(&mut world);
        assert_agreement(&world, CLIENT_END);
        // The flights with certificates are longer than this, at either end: what was too long for the path in the
        // handshake is too long for application data.
        let passes = |end| longest >= 600 || world.end(end).connection.max_payload() < longest;
        assert!(passes(CLIENT_END) && passes(SERVER_END), "{longest}");
        assert_data_flows(&mut world, CLIENT_END);
    }
}

#[test]
fn a_round_trip_of_seconds_only_takes_longer() {
    // A cookie is good for 60 s: what takes longer can never show it.
    for round_trip in [3, 5, 20, 50] {
        let scenario =
            Scenario::new(1).mutual().configure(|settings| settings.handshake_timeout = Duration::from_secs(900));
        let mut world = scenario.start(Path { latency: Duration::from_secs(round_trip) / 2, longest: 65_535 });
        run_handshake(&mut world);
        assert_agreement(&world, CLIENT_END);
        let took = world.end(CLIENT_END).connected_at().unwrap().since_origin();
        assert!(took <= Duration::from_secs(4 * round_trip), "{took:?} with {round_trip} s: {:#?}", world.log);
        world.drain();
        assert_data_flows(&mut world, CLIENT_END);
    }
}

#[test]
fn a_hint_at_the_round_trip_brings_the_first_repetition_forward() {
    let mut under_test = client(&Scenario::new(1));
    under_test.connection.set_round_trip_hint(Duration::from_millis(20));
    under_test.take();
    assert_eq!(under_test.connection.poll_timeout(), Some(Instant::from_origin(Duration::from_millis(60))));
}

#[test]
fn a_clock_that_goes_back_or_stands_at_its_end_does_no_harm() {
    let clocks: [fn(u64) -> Duration; 4] = [
        |step| Duration::from_secs(1_000_000 - step * 1000),
        |step| Duration::from_secs(if step % 2 == 0 { 5 } else { 1 }),
        |_| Duration::ZERO,
        |_| Duration::MAX,
    ];
    for role in BOTH {
        for clock in clocks {
            let mut play = Play::at(role, 0);
            for step in 0..Play::steps(role) as u64 {
                play.under_test.now = Instant::from_origin(clock(step));
                // Not its deadline's time, whatever it says: one that is due at the end of time may be served there.
                if play.under_test.connection.poll_timeout().is_some_and(|at| at > play.under_test.now) {
                    play.under_test.connection.handle_timeout(play.under_test.now);
                }
                play.go_on();
            }
            play.assert_data_flows();
        }
    }
}

#[test]
fn every_wait_for_the_peer_has_a_deadline_no_later_than_its_timer() {
    for (role, step) in Play::every_state() {
        let play = Play::at(role, step);
        let deadline = play.under_test.connection.poll_timeout();
        if step == Play::steps(role) {
            continue;
        }
        let patience = if (role, step) == (Role::Server, 0) { 60 } else { 1 };
        assert!(
            deadline.is_some_and(|at| at <= play.under_test.now + Duration::from_secs(patience)),
            "{step} of {role:?}"
        );
    }
}

#[test]
fn nothing_is_on_the_wire_a_while_after_a_handshake() {
    let mut world: World = Scenario::new(1).mutual().connected();
    let sent = world.datagrams_sent();
    world.run_to(world.now() + Duration::from_secs(1000));
    assert_eq!(world.datagrams_sent(), sent);
    assert!(world.log.iter().filter(|entry| matches!(entry, Entry::Deadline { .. })).count() <= 1);
}
