//! What a connection holds, whatever is thrown at it: heap bytes by a counting allocator, thread by thread.
//!
//! The ceilings are numbers to be kept, not goals. Work is counted as heap bytes asked for in all, which every copy and
//! every list of this engine shows in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use core::time::Duration;
use std::sync::Arc;

use allocation_counter::measure;
use dtls_core::wire::enums::{CipherSuiteId, ContentType, HandshakeType};
use dtls_core::{Connection, CookieJar, HelloVerdict, Instant, Question, Role};
use dtls_tests::dice::Dice;
use dtls_tests::owner::Owner as _;
use dtls_tests::peer::Peer;
use dtls_tests::scenario::{CLIENT, CLIENT_END, SERVER_END, Scenario, run_handshake};
use dtls_tests::sim::World;
use dtls_tests::sim::network::Clean;
use dtls_tests::{raw, seeded};

const SUITE: CipherSuiteId = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;

/// The most a handshake under way may hold: one message of the largest size, and the budget for those behind it, with what
/// keeping them costs.
const HANDSHAKE_MAX: i64 = 256 * 1024;
/// The most an established connection may hold on the heap, the peer's certificate and our last flight included.
const ESTABLISHED_MAX: i64 = 3 * 1024;

/// Lets datagrams arrive one by one; nothing that is answered is taken, as by an owner who is slow.
fn give(connection: &mut Connection, datagrams: &mut [Vec<u8>]) {
    for datagram in datagrams {
        drop(connection.receive(Instant::ORIGIN, datagram));
    }
}

/// What a connection says of its memory is not less than it holds on the heap, and not much more.
fn assert_told(connection: &Connection, held: i64, what: &str) {
    let told = connection.memory() as i64 - size_of::<Connection>() as i64;
    assert!((held..held + held / 4 + 3072).contains(&told), "{what}: {told} bytes told, {held} held");
}

fn fresh(role: Role) -> Connection {
    fresh_and_held(role).0
}

/// A connection, and what it takes of the heap without its configuration.
fn fresh_and_held(role: Role) -> (Connection, i64) {
    let scenario = Scenario::new(1).mutual().suite(SUITE);
    let (client, server) = (scenario.client_config(CLIENT), scenario.server_config(CLIENT));
    let mut connection = None;
    let used = measure(|| {
        connection = Some(match role {
            Role::Server => Connection::accept_on_trusted_path(Arc::clone(&server), Instant::ORIGIN),
            Role::Client => Connection::connect(Arc::clone(&client), None, Instant::ORIGIN).unwrap(),
        });
    });
    (connection.unwrap(), used.bytes_current)
}

/// What a hostile peer or a stranger may send into a handshake to make the other side hold as much as it can.
fn greedy(kind: usize, dice: &mut Dice) -> Vec<Vec<u8>> {
    let fragment = |typ: u8, total: u32, seq: u16, offset: u32, body: &[u8]| {
        raw::handshake(1, &raw::fragment(HandshakeType(typ), total, seq, offset, body))
    };
    match kind {
        // For each of the next messages all but one byte of the longest there may be.
        0 => (0..40_u16)
            .flat_map(|seq| (0..130_000_u32).step_by(1200).map(move |offset| (seq, offset)))
            .map(|(seq, offset)| fragment(11, 1 << 17, seq, offset, &[1; 1200]))
            .collect(),
        // One byte here and there: as much bookkeeping for as few bytes as can be.
        1 => (0..20_u16)
            .flat_map(|seq| (0..(1 << 17)).step_by(512).map(move |offset| (seq, offset)))
            .map(|(seq, offset)| fragment(11, 1 << 17, seq, offset, &[1]))
            .collect(),
        // Whole messages from the future.
        2 => (0..400_u16).map(|round| fragment(11, 16_000, round % 20, 0, &vec![1; 16_000])).collect(),
        // Claims.
        3 => (0..5000_u32).map(|round| fragment(11, (1 << 17) - round, (round % 30) as u16, 1 << 16, &[1])).collect(),
        // Records ahead of their key.
        4 => (0..5000).map(|number| raw::record(ContentType::HANDSHAKE, 1, number, &[1; 250])).collect(),
        // Cookies.
        5 => (0..5000_u32)
            .map(|round| {
                let body = [&[0xfe, 0xff, 255][..], &round.to_be_bytes(), &[7; 251]].concat();
                raw::handshake(1, &raw::message(HandshakeType::HELLO_VERIFY_REQUEST, (round % 9) as u16, &body))
            })
            .collect(),
        // Contradictions: every fragment says another length, and so begins anew.
        6 => (0..5000_u32).map(|round| fragment(11, 100_000 + round, (round % 8) as u16, 0, &[1; 600])).collect(),
        // Anything.
        _ => (0..5000)
            .map(|_| {
                let body = dice.bytes(1 + dice.clone().below(1200));
                let total = body.len() as u32 + dice.below(100_000) as u32;
                let offset = dice.below(total as usize - body.len() + 1) as u32;
                fragment(*dice.pick(&[1, 2, 11, 12, 13, 16]), total, dice.below(12) as u16, offset, &body)
            })
            .collect(),
    }
}

#[test]
fn a_handshake_holds_no_more_than_its_ceiling_whatever_comes() {
    for role in [Role::Server, Role::Client] {
        for kind in 0..=7 {
            let mut datagrams = greedy(kind, &mut Dice::new(1));
            let (mut connection, held_before) = fresh_and_held(role);
            let used = measure(|| give(&mut connection, &mut datagrams));
            assert!(used.bytes_max < HANDSHAKE_MAX as u64, "kind {kind} at a {role:?}: {used:?}");
            assert!(used.bytes_current < HANDSHAKE_MAX, "kind {kind} at a {role:?}: {used:?}");
            // With its end a connection gives its configuration back, which was not counted.
            if !connection.is_over() {
                assert_told(&connection, held_before + used.bytes_current, &format!("kind {kind} at a {role:?}"));
            }
            let freed = measure(|| drop(connection));
            assert!(used.bytes_current + freed.bytes_current <= 0, "kind {kind} at a {role:?}: {used:?} {freed:?}");
        }
    }
}

#[test]
fn a_certificate_message_of_the_largest_size_is_bounded_too() {
    let mut under_test = dtls_tests::peer::UnderTest::new(fresh(Role::Client));
    let mut peer = Peer::server(SUITE, 4);
    peer.meet(&mut under_test);
    let hello = peer.server_hello();
    let hello = peer.say(HandshakeType::SERVER_HELLO, &hello);
    let filler = rustls_pki_types::CertificateDer::from(vec![7; 13_000]);
    let certificate = peer.certificate(&vec![filler; 10]);
    let body = &certificate[12..];
    let mut datagrams = vec![raw::handshake(0, &hello)];
    for offset in (0..body.len()).step_by(16_000) {
        let part = &body[offset..body.len().min(offset + 16_000)];
        let fragment = raw::fragment(HandshakeType::CERTIFICATE, body.len() as u32, 1, offset as u32, part);
        datagrams.push(raw::handshake(0, &fragment));
    }
    let used = measure(|| give(&mut under_test.connection, &mut datagrams));
    assert_eq!(under_test.connection.stats().discarded_in_all(), 0);
    println!("{used:?}");
    // The message itself, its part in the transcript, and the chain taken out of it.
    assert!(used.bytes_max < 4 * (1 << 17) + 64 * 1024, "{used:?}");
}

#[test]
fn the_next_message_can_always_be_stored() {
    // Whatever fills the room ahead, the honest server's flight is taken.
    for kind in [0, 1, 2, 3, 6, 7] {
        let mut under_test = dtls_tests::peer::UnderTest::new(fresh(Role::Client));
        let mut peer = Peer::server(SUITE, 4);
        peer.meet(&mut under_test);
        for datagram in greedy(kind, &mut Dice::new(2)) {
            // Only what lies ahead: the forger does not hit the message that is next.
            let (header, _) = raw::pieces(&datagram)[0].fragments().remove(0);
            if header.message_seq.0 > 4 {
                under_test.give(&datagram);
            }
        }
        let flight_4 = peer.flight_4(dtls_tests::certificates::Leaf::EcdsaP256);
        let flight_5 = under_test.give(&flight_4);
        peer.answer_flight_5(&mut under_test, &flight_5);
        if !under_test.was_connected() {
            // A forgery stood in the place of Finished; the second copy shows which is right.
            let finished = peer.transcript[peer.transcript.len() - 24..].to_vec();
            let again = peer.sealed(ContentType::HANDSHAKE, &finished);
            under_test.give(&again);
        }
        assert!(under_test.was_connected(), "kind {kind}: {:?}", under_test.events);
    }
}

#[test]
fn work_is_in_proportion_to_what_arrives() {
    for role in [Role::Server, Role::Client] {
        for kind in 0..=7 {
            let mut datagrams = greedy(kind, &mut Dice::new(3));
            let received: usize = datagrams.iter().map(Vec::len).sum();
            let mut connection = fresh(role);
            let used = measure(|| give(&mut connection, &mut datagrams));
            let per_byte = used.bytes_total as f64 / received as f64;
            assert!(per_byte < 16.0, "kind {kind} at a {role:?}: {per_byte} heap bytes for each byte received");
        }
    }
    // Five thousand empty records, and as many fragments, in one datagram each.
    let mut connection = fresh(Role::Server);
    let mut empty = [raw::handshake(0, &[]).repeat(5000)];
    assert_eq!(measure(|| give(&mut connection, &mut empty)).count_total, 0);
    let many = raw::fragment(HandshakeType::CERTIFICATE, 100, 3, 0, &[]).repeat(1000);
    let mut many = [raw::handshake(0, &many)];
    assert_eq!(measure(|| give(&mut connection, &mut many)).count_total, 0);
}

/// A side of this role whose owner has been asked for something that has to be read out of a message of the peer's.
fn asking(role: Role) -> Connection {
    let scenario = Scenario::new(1).mutual().suite(SUITE).asking(&[role], Duration::ZERO);
    let mut client = Connection::connect(scenario.client_config(CLIENT), None, Instant::ORIGIN).unwrap();
    let mut server = Connection::accept_on_trusted_path(scenario.server_config(CLIENT), Instant::ORIGIN);
    for turn in 0..8 {
        let (from, to, id) = match turn % 2 {
            0 => (&mut client, &mut server, SERVER_END),
            _ => (&mut server, &mut client, CLIENT_END),
        };
        let mut datagram = Vec::new();
        while from.poll_transmit(Instant::ORIGIN, &mut datagram) {
            drop(to.receive(Instant::ORIGIN, &mut datagram));
            datagram.clear();
        }
        // The verdict comes before the choice, and shows the peer's certificates as they are.
        let answer = match to.question() {
            Some(question @ Question::Peer(_)) => scenario.answer(id, &question),
            _ => continue,
        };
        to.answer(Instant::ORIGIN, answer).unwrap();
    }
    let ours = if role == Role::Server { server } else { client };
    assert!(matches!(ours.question(), Some(Question::Config(_) | Question::Identity { .. })), "{ours:?}");
    ours
}

#[test]
fn what_arrives_while_an_owner_thinks_costs_no_allocation() {
    for role in [Role::Server, Role::Client] {
        let mut connection = asking(role);
        let fragments = |typ: HandshakeType| {
            (0..8_u16).map(move |seq| raw::handshake(2, &raw::fragment(typ, 100, seq, 0, &[1; 50]).repeat(100)))
        };
        let types = [HandshakeType::CLIENT_HELLO, HandshakeType::CERTIFICATE, HandshakeType::FINISHED];
        let mut datagrams: Vec<_> = types.into_iter().flat_map(fragments).collect();
        let used = measure(|| give(&mut connection, &mut datagrams));
        assert_eq!(used.count_total, 0, "{role:?}");
    }
}

#[test]
fn an_established_connection_holds_little_and_junk_makes_it_hold_nothing_more() {
    for role in [Role::Server, Role::Client] {
        let scenario = Scenario::new(1).mutual().suite(SUITE);
        let (client_config, server_config) = (scenario.client_config(CLIENT), scenario.server_config(CLIENT));
        // The other side's part of a handshake without a cookie, played once to be heard and once to be answered.
        let heard = heard_by(role, &scenario);
        let mut out = Vec::with_capacity(4096);
        let mut connection = None;
        let used = measure(|| {
            let mut ours = match role {
                Role::Client => Connection::connect(Arc::clone(&client_config), None, Instant::ORIGIN).unwrap(),
                Role::Server => Connection::accept_on_trusted_path(Arc::clone(&server_config), Instant::ORIGIN),
            };
            for datagram in &heard {
                while ours.poll_transmit(Instant::ORIGIN, &mut out) {
                    out.clear();
                }
                drop(ours.receive(Instant::ORIGIN, &mut datagram.clone()));
            }
            while ours.poll_transmit(Instant::ORIGIN, &mut out) {
                out.clear();
            }
            while ours.poll_event().is_some() {}
            connection = Some(ours);
        });
        let mut connection = connection.unwrap();
        assert!(connection.info().is_some(), "{role:?}: {connection:?}");
        assert!(used.bytes_current < ESTABLISHED_MAX, "{role:?} holds {used:?}");
        assert_told(&connection, used.bytes_current, &format!("{role:?}, established"));

        let mut dice = Dice::new(1);
        let mut junk: Vec<Vec<u8>> = (0..20_000)
            .map(|number| {
                let len = dice.below(100);
                raw::record(ContentType(20 + dice.below(5) as u8), dice.below(3) as u16, number, &dice.bytes(len))
            })
            .collect();
        let more = measure(|| give(&mut connection, &mut junk));
        assert_eq!((more.count_total, more.bytes_current), (0, 0), "{role:?}");
    }
}

/// What a side of this role hears in a clean handshake without a cookie.
fn heard_by(role: Role, scenario: &Scenario) -> Vec<Vec<u8>> {
    let mut world = World::new(Clean);
    let server = Connection::accept_on_trusted_path(scenario.server_config(CLIENT), Instant::ORIGIN);
    world.add(SERVER_END, server, 1200);
    world.connect(CLIENT_END.local, SERVER_END.local, &scenario.client_config(CLIENT), None);
    run_handshake(&mut world);
    let id = if role == Role::Server { CLIENT_END } else { SERVER_END };
    world.sent_by(id).map(<[u8]>::to_vec).collect()
}

#[test]
fn application_data_costs_no_allocation_either_way() {
    let mut world = Scenario::new(1).suite(SUITE).connected();
    let mut out = Vec::with_capacity(4096);
    for (from, to) in [(CLIENT_END, SERVER_END), (SERVER_END, CLIENT_END)] {
        for _ in 0..100 {
            out.clear();
            let sent = measure(|| world.end_mut(from).connection.send(&[7; 1000], &mut out).unwrap());
            let received = measure(|| {
                assert_eq!(world.end_mut(to).connection.receive(Instant::ORIGIN, &mut out).count(), 1);
            });
            assert_eq!((sent.count_total, received.count_total), (0, 0));
        }
    }
}

#[test]
fn a_jar_holds_nothing_about_anybody() {
    let mut jar = CookieJar::new(Arc::new(seeded::provider(1)), Instant::ORIGIN).unwrap();
    let mut dice = Dice::new(1);
    let world = Scenario::new(1).start(Clean);
    let hello = world.sent_by(CLIENT_END).next().unwrap().to_vec();
    let mut out = Vec::with_capacity(1024);
    let held = measure(|| {
        for address in 0..20_000_u32 {
            out.clear();
            let verdict = jar.check(Instant::ORIGIN, &address.to_be_bytes(), &hello, &mut out);
            assert!(matches!(verdict, HelloVerdict::Reply));
        }
    });
    assert_eq!(held.bytes_current, 0, "{held:?}");
    // One hello costs a handful of small allocations, however many came before.
    assert!(held.bytes_max < 4096, "{held:?}");
    let mut junk: Vec<Vec<u8>> = (0..10_000)
        .map(|_| {
            let len = dice.below(300);
            dice.bytes(len)
        })
        .collect();
    junk.push(hello[..60].to_vec());
    let dropped = measure(|| {
        for datagram in &junk {
            out.clear();
            assert!(matches!(jar.check(Instant::ORIGIN, b"x", datagram, &mut out), HelloVerdict::Dropped(_)));
        }
    });
    assert_eq!(dropped.count_total, 0, "{dropped:?}");
}
