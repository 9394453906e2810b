//! What holds for every input: the twelve promises, as properties over generated cases.
//!
//! | promise | here | elsewhere |
//! |---|---|---|
//! | every input returns, with work in proportion | `any_bytes_..`, `mutated_datagrams_..` | `memory.rs` |
//! | who is not authenticated has no power | `junk_..` | `hostile/` |
//! | nothing before proof | at every step of every simulation (`sim::End`) | `hostile/states.rs` |
//! | one nonce, once | `nonces.rs` | |
//! | no state before the cookie | `a_stranger_costs_..` | `memory.rs`, `hostile/cookies.rs` |
//! | a bounded echo | `a_stranger_costs_..`, `what_a_server_says_..` | `hostile/timers.rs` |
//! | bounded memory | | `memory.rs` |
//! | loss only costs time, and so does thought | `any_finite_pattern_..`, `a_decision_..` | `fault_grid.rs`, `storm.rs` |
//! | every delivered byte is unique | `every_payload_..` | `hostile/records.rs` |
//! | the same answer twice | `the_same_inputs_..` | `golden/` |
//! | isolation | `a_hostile_client_..` | |
//! | transcripts agree | `whoever_connects_agrees_..` | every run of every simulation |
//!
//! A failing case is printed with its inputs, and every world follows from them alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

mod nonces;

use core::time::Duration;
use std::collections::BTreeMap;

use dtls_core::config::ExtendedMasterSecret;
use dtls_core::wire::enums::{CipherSuiteId, ContentType, HandshakeType, NamedGroup, SrtpProfile};
use dtls_core::{Connection, Event, Instant, Role};
use dtls_tests::certificates::Leaf;
use dtls_tests::dice::Dice;
use dtls_tests::observe::WorkCounter;
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::raw;
use dtls_tests::remembered::By;
use dtls_tests::scenario::{
    CLIENT, CLIENT_END, SERVER, SERVER_END, Scenario, assert_agreement, assert_data_flows, run_handshake,
};
use dtls_tests::seeded;
use dtls_tests::sim::network::{Clean, Datagram, Fault, Faults, Network, Storm};
use dtls_tests::sim::{Address, EndId, Entry, World};
use proptest::prelude::*;

/// So many cases, or `DTLS_CASES` times as many.
fn cases(count: u32) -> ProptestConfig {
    let times: u32 = std::env::var("DTLS_CASES").map_or(1, |times| times.parse().expect("DTLS_CASES is a number"));
    ProptestConfig { cases: count * times, failure_persistence: None, ..ProptestConfig::default() }
}

/// Any kind of handshake, by its place among all: those of clients that come for the first time, then some of those that
/// come again.
fn kinds() -> core::ops::Range<usize> {
    0..Scenario::kinds(0).len() + PASTS.len()
}

const PASTS: [fn(Scenario) -> Scenario; 4] = [
    |scenario| scenario.resuming(By::Ticket),
    |scenario| scenario.resuming(By::SessionId),
    |scenario| scenario.resuming(By::Ticket).half_a_life_later(),
    |scenario| scenario.forgetting(By::Ticket),
];

fn of_kind(kind: usize, seed: u64) -> Scenario {
    let kinds = Scenario::kinds(seed);
    match kind.checked_sub(kinds.len()) {
        None => kinds[kind].1.clone(),
        Some(past) => PASTS[past](Scenario::new(seed).mutual()),
    }
}

// --- every input returns ---

/// Both ends after so many steps of a clean handshake, and the datagrams that brought them there.
fn stopped_after(steps: usize, kind: usize, mtu: usize) -> (World, Vec<Vec<u8>>) {
    let mut world = of_kind(kind, 1).mtu(mtu).start(Clean);
    world.run_until(|world| world.log.iter().filter(|entry| matches!(entry, Entry::Arrived { .. })).count() >= steps);
    let datagrams = world.datagrams().map(|(_, bytes)| bytes.to_vec()).collect();
    (world, datagrams)
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn any_bytes_in_any_state_return(
        steps in 0_usize..14,
        kind in kinds(),
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..20),
        first in prop::collection::vec(prop::sample::select(vec![20_u8, 21, 22, 23, 24, 25]), 20),
    ) {
        let (mut world, _) = stopped_after(steps, kind, 400);
        for (mut datagram, first) in datagrams.into_iter().zip(first) {
            // Half of them look like records from outside.
            if let Some(head) = datagram.first_chunk_mut::<5>().filter(|head| head[1] % 2 == 0) {
                *head = [first, 0xfe, 0xfd, 0, head[4] % 3];
            }
            world.inject(CLIENT_END, &datagram);
            world.inject(SERVER_END, &datagram);
        }
        run_handshake(&mut world);
    }

    #[test]
    fn mutated_datagrams_in_any_state_return(
        steps in 0_usize..14,
        kind in kinds(),
        mtu in prop::sample::select(vec![400_usize, 1400]),
        seed in any::<u64>(),
    ) {
        let (mut world, datagrams) = stopped_after(steps, kind, mtu);
        let mut dice = Dice::new(seed);
        for _ in 0..20 {
            // What was sent last is still under way: a changed copy of it comes before it.
            let latest = &datagrams[datagrams.len().saturating_sub(3)..];
            let from = if dice.percent(70) { latest } else { &datagrams };
            let mut datagram = dice.pick(from).clone();
            match dice.below(8) {
                0..4 => {
                    for _ in 0..=dice.below(3) {
                        let at = dice.below(datagram.len());
                        datagram[at] = dice.byte();
                    }
                }
                4 => datagram.truncate(dice.below(datagram.len())),
                5 => {
                    let other = dice.pick(&datagrams).clone();
                    let at = dice.below(datagram.len());
                    let from = dice.below(other.len());
                    datagram.splice(at.., other[from..].iter().copied());
                }
                6 => datagram.extend(dice.pick(&datagrams).clone()),
                _ => {
                    // The numbers of a fragment header.
                    let at = (13 + dice.below(12)).min(datagram.len() - 1);
                    datagram[at] = dice.byte();
                }
            }
            world.inject(if dice.percent(50) { CLIENT_END } else { SERVER_END }, &datagram);
        }
        run_handshake(&mut world);
        let both = [CLIENT_END, SERVER_END].map(|id| world.find(id).is_some_and(|end| end.is_connected()));
        if both == [true, true] {
            assert_agreement(&world, CLIENT_END);
        }
    }
}

// --- who is not authenticated has no power ---

/// What somebody off the path can send: anything whose numbers he guesses, and whatever he has seen.
fn junk(dice: &mut Dice, seen: &[Vec<u8>]) -> Vec<u8> {
    let number = dice.below(300) as u64;
    let len = dice.below(200);
    match dice.below(10) {
        0 => dice.bytes(len),
        1 => raw::record(ContentType(20 + dice.below(6) as u8), 0, number, &dice.bytes(len)),
        2 => raw::record(ContentType(20 + dice.below(6) as u8), 1, number, &dice.bytes(len)),
        3 => raw::alert(number, 1 + dice.below(2) as u8, *dice.pick(&[0, 10, 20, 40, 90, 100])),
        4 => raw::change_cipher_spec(number),
        5 => raw::record(ContentType::HANDSHAKE, 2 + dice.below(60_000) as u16, number, &dice.bytes(len)),
        6 => raw::record(ContentType::APPLICATION_DATA, 0, number, b"attack"),
        7 => {
            let mut copy = dice.pick(seen).clone();
            let at = dice.below(copy.len());
            copy[at] ^= 1 << dice.below(8);
            copy
        }
        8 => dice.pick(seen).clone(),
        _ => {
            let typ = HandshakeType(*dice.pick(&[0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20]));
            raw::handshake(number, &raw::message(typ, dice.below(12) as u16, &dice.bytes(len)))
        }
    }
}

/// The state of both ends in words, without what is merely counted.
fn digest(world: &World) -> Vec<String> {
    world.ends().map(|(id, end)| format!("{id:?} {:?} {:?}", end.connection, end.connection.poll_timeout())).collect()
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn junk_has_no_effect_on_an_established_connection(
        seed in any::<u64>(), kind in kinds(), with_data in any::<bool>(),
    ) {
        let mut disturbed = of_kind(kind, 3).connected();
        let mut quiet = of_kind(kind, 3).connected();
        let mut seen: Vec<Vec<u8>> = [CLIENT_END, SERVER_END].iter().flat_map(|id| disturbed.sent_by(*id)).map(<[u8]>::to_vec).collect();
        let mut dice = Dice::new(seed);
        for round in 0..40 {
            if with_data {
                for world in [&mut disturbed, &mut quiet] {
                    let from = if round % 2 == 0 { CLIENT_END } else { SERVER_END };
                    world.send(from, &[round; 10]).unwrap();
                    world.drain();
                }
                seen.extend(disturbed.sent_by(CLIENT_END).last().map(<[u8]>::to_vec));
            }
            let before = disturbed.datagrams_sent();
            for _ in 0..5 {
                disturbed.inject(if dice.percent(50) { CLIENT_END } else { SERVER_END }, &junk(&mut dice, &seen));
            }
            prop_assert_eq!(disturbed.datagrams_sent(), before, "something was answered");
            prop_assert_eq!(digest(&disturbed), digest(&quiet));
        }
        for id in [CLIENT_END, SERVER_END] {
            prop_assert_eq!(&disturbed.end(id).data, &quiet.end(id).data);
            prop_assert_eq!(&disturbed.end(id).events, &quiet.end(id).events);
        }
        assert_data_flows(&mut disturbed, CLIENT_END);
    }

    #[test]
    fn junk_and_forged_cookies_do_not_stop_a_handshake(
        seed in any::<u64>(), kind in kinds(), mtu in prop::sample::select(vec![256_usize, 1200]),
    ) {
        let scenario = of_kind(kind, seed).mtu(mtu);
        let mut world = scenario.start(Clean);
        let mut dice = Dice::new(seed);
        // More messages out of place than the budget forgives end a handshake, as they must.
        let mut budget = 8;
        for step in 1..20 {
            world.run_until(|world| world.log.iter().filter(|entry| matches!(entry, Entry::Arrived { .. })).count() >= 4 * step);
            let ends: Vec<EndId> = world.ends().map(|(id, _)| id).collect();
            for id in ends {
                let number = dice.below(300) as u64;
                let len = dice.below(200);
                let bytes = match dice.below(10) {
                    0 => raw::record(ContentType(*dice.pick(&[23, 24, 25, 99])), 0, number, &dice.bytes(len)),
                    1 => raw::record(ContentType(20 + dice.below(6) as u8), 1, number, &dice.bytes(len)),
                    2 => raw::alert(number, 1 + dice.below(2) as u8, *dice.pick(&[0, 10, 20, 40, 90, 100])),
                    3 => raw::change_cipher_spec(number),
                    4 => raw::record(ContentType::HANDSHAKE, 2 + dice.below(60_000) as u16, number, &dice.bytes(len)),
                    5 => raw::handshake(number, &raw::fragment(HandshakeType(11), 0xff_ffff, 2, 0, &dice.bytes(len + 1))),
                    6 => {
                        let sent: Vec<Vec<u8>> = world.sent_by(id.other()).map(<[u8]>::to_vec).collect();
                        if sent.is_empty() { continue }
                        dice.pick(&sent).clone()
                    }
                    7 => raw::handshake(number, &raw::message(HandshakeType::HELLO_REQUEST, dice.below(6) as u16, &[])),
                    8 => {
                        let body = [&[0xfe, 0xff, 8][..], &dice.bytes(8)].concat();
                        let seq = dice.below(4) as u16;
                        raw::handshake(number, &raw::message(HandshakeType::HELLO_VERIFY_REQUEST, seq, &body))
                    }
                    _ if budget > 0 => {
                        budget -= 1;
                        let typ = HandshakeType(*dice.pick(&[1, 2, 4, 11, 12, 13, 15, 16, 20]));
                        raw::handshake(number, &raw::message(typ, dice.below(7) as u16, &[0xff; 10]))
                    }
                    _ => continue,
                };
                world.inject(id, &bytes);
            }
        }
        run_handshake(&mut world);
        let fates = [CLIENT_END, SERVER_END].map(|id| world.find(id).map(|end| end.fate()));
        prop_assert!(
            [CLIENT_END, SERVER_END].iter().all(|id| world.find(*id).is_some_and(|end| end.is_connected())),
            "{:?}: {:#?}", fates, world.log
        );
        assert_agreement(&world, CLIENT_END);
        assert_data_flows(&mut world, CLIENT_END);
    }
}

// --- strangers ---

#[test]
fn a_stranger_costs_no_signature_no_key_exchange_and_no_byte_more_than_he_sends() {
    let counter = WorkCounter::default();
    let watch = counter.clone();
    let scenario = Scenario::new(1).provider(move |seed| watch.watch(seeded::provider(seed)));
    let config = scenario.server_config(CLIENT);
    let mut jar = dtls_core::CookieJar::new(scenario.provider_at(SERVER, 2), Instant::ORIGIN).unwrap();
    let mut dice = Dice::new(1);
    let mut hello = Vec::new();
    for round in 0..5000_u64 {
        let peer = Peer::client(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, round);
        let mut said = peer.client_hello();
        let cookie = dice.bytes(32);
        said.cookie = if round % 2 == 0 { &[] } else { &cookie };
        use dtls_core::wire::codec::Encode as _;
        hello = raw::handshake(round, &raw::message(HandshakeType::CLIENT_HELLO, (round % 3) as u16, &said.to_vec()));
        let mut reply = Vec::new();
        let address = round.to_be_bytes();
        let verdict = jar.check(Instant::ORIGIN, &address, &hello, &mut reply);
        assert!(matches!(verdict, dtls_core::HelloVerdict::Reply));
        assert!(reply.len() <= hello.len() && reply.len() <= 67, "{} for {}", reply.len(), hello.len());
    }
    assert_eq!((counter.signatures(), counter.key_exchanges()), (0, 0));

    // And once it is let in, a hello that comes a hundred times costs one of each.
    let mut server = UnderTest::new(Connection::accept_on_trusted_path(config, Instant::ORIGIN));
    for _ in 0..100 {
        server.give(&hello);
    }
    for _ in 0..3 {
        server.wait();
    }
    assert_eq!((counter.signatures(), counter.key_exchanges()), (1, 1));
}

#[test]
fn what_a_server_says_to_a_client_that_fell_silent_is_bounded() {
    // The client has shown that it receives at its address, and then vanishes.
    let mut world = Scenario::new(1).mutual().start(Clean);
    world.run_until(|world| world.find(SERVER_END).is_some());
    let heard: usize = world.sent_by(CLIENT_END).map(<[u8]>::len).sum();
    let mut alone = World::new(Faults::new((0..1000).map(|number| (number, Fault::Drop))));
    let hello: Vec<u8> = world.sent_by(CLIENT_END).last().unwrap().to_vec();
    let mut server =
        Connection::accept_on_trusted_path(Scenario::new(1).mutual().server_config(CLIENT), Instant::ORIGIN);
    drop(server.receive(Instant::ORIGIN, &mut hello.clone()));
    alone.add(SERVER_END, server, 1200);
    alone.run_until(|world| world.end(SERVER_END).connection.is_over());
    let said: usize = alone.sent_by(SERVER_END).map(<[u8]>::len).sum();
    let flight = alone.sent_by(SERVER_END).next().unwrap().len();
    // The first time and five repetitions within the 60 seconds of a handshake, later ones in smaller datagrams.
    assert!(said <= 6 * flight + 6 * 200, "{said} bytes for {heard}");
    assert!(alone.end(SERVER_END).failure().is_some());
}

// --- loss only costs time ---

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Drop),
        2 => Just(Fault::Duplicate),
        2 => Just(Fault::Swap),
        2 => (1_u64..4000).prop_map(|late| Fault::Delay(Duration::from_millis(late))),
        1 => (1_usize..60, 0_usize..30).prop_map(|(len, overlap)| Fault::Refragment { len, overlap }),
        1 => (0_usize..40).prop_map(Fault::Truncate),
    ]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_finite_pattern_of_faults_only_costs_time(
        faults in prop::collection::btree_map(0_usize..60, any_fault(), 0..25),
        mtu in prop::sample::select(vec![256_usize, 300, 576, 1200]),
        kind in kinds(),
    ) {
        let scenario = of_kind(kind, 1).mtu(mtu).configure(|settings| {
            settings.handshake_timeout = Duration::from_secs(1000);
            settings.fault_budget = 0;
        });
        let mut world = scenario.start(Faults::new(faults));
        run_handshake(&mut world);
        let both = [CLIENT_END, SERVER_END].map(|id| world.find(id).is_some_and(|end| end.is_connected()));
        prop_assert_eq!(both, [true, true], "{:#?}", world.log);
        world.drain();
        assert_agreement(&world, CLIENT_END);
        assert_data_flows(&mut world, CLIENT_END);
    }
}

/// What a network does by itself, and nothing that looks like a fault of the peer's.
fn weather() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Drop),
        Just(Fault::Duplicate),
        Just(Fault::Swap),
        (1_u64..4000).prop_map(|late| Fault::Delay(Duration::from_millis(late))),
    ]
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_decision_may_take_any_time_in_any_weather(
        seed in any::<u64>(),
        kind in kinds(),
        who in prop::sample::select(vec![vec![Role::Client], vec![Role::Server], vec![Role::Client, Role::Server]]),
        longest in 1_u64..60_000,
        faults in prop::collection::btree_map(0_usize..40, weather(), 0..12),
    ) {
        let scenario = of_kind(kind, seed)
            .mtu(400)
            .configure(|settings| {
                settings.handshake_timeout = Duration::from_secs(1000);
                settings.fault_budget = 0;
            })
            .asking(&who, Duration::from_millis(longest));
        let mut world = scenario.start(Faults::new(faults));
        run_handshake(&mut world);
        world.drain();
        for (id, role) in [(CLIENT_END, Role::Client), (SERVER_END, Role::Server)] {
            let end = world.find(id);
            prop_assert!(end.is_some_and(|end| end.is_connected()), "{id:?}: {:#?}", world.log);
            let told = |wanted: &Event| world.end(id).events.iter().filter(|(_, event)| event == wanted).count();
            let answered = world.history(id).filter(|entry| matches!(entry, Entry::Decided { by, .. } if *by == id));
            prop_assert_eq!(told(&Event::Asked), answered.count());
            prop_assert_eq!(told(&Event::Asked) > 0, who.contains(&role));
            prop_assert_eq!(world.end(id).events.len(), told(&Event::Asked) + 1, "{:?}", world.end(id).events);
        }
        assert_agreement(&world, CLIENT_END);
        assert_data_flows(&mut world, CLIENT_END);
    }
}

// --- every payload is delivered once ---

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn every_payload_is_delivered_at_most_once_and_as_it_was_sent(seed in any::<u64>(), count in 1_u32..300) {
        let mut storm = Storm::new(seed);
        storm.clears_at = Instant::from_origin(Duration::from_secs(3600));
        storm.jitter = Duration::from_secs(2);
        storm.damages_left = 1000;
        // The weather begins when the handshake is over.
        let mut world = Scenario::new(seed).mutual().start(After { rest: 3600, storm, began: false });
        run_handshake(&mut world);
        world.drain();
        for number in 0..count {
            world.send(CLIENT_END, &number.to_be_bytes()).unwrap();
            world.send(SERVER_END, &(number + 1_000_000).to_be_bytes()).unwrap();
            let until = world.now() + Duration::from_millis(10);
            world.run_to(until);
        }
        world.drain();
        for (id, base) in [(SERVER_END, 0), (CLIENT_END, 1_000_000)] {
            let mut delivered: Vec<u32> =
                world.end(id).data.iter().map(|payload| u32::from_be_bytes(payload[..].try_into().unwrap())).collect();
            let all = delivered.len();
            delivered.sort_unstable();
            delivered.dedup();
            prop_assert_eq!(delivered.len(), all, "something was delivered twice");
            prop_assert!(delivered.iter().all(|number| (base..base + count).contains(number)));
            prop_assert!(count < 50 || all > 0);
        }
    }
}

/// Clean until the first record of application data, then a storm.
struct After {
    rest: u64,
    storm: Storm,
    began: bool,
}

impl Network for After {
    fn carry(&mut self, now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)> {
        self.began |= datagram.bytes.first() == Some(&ContentType::APPLICATION_DATA.0);
        if self.began && now < Instant::from_origin(Duration::from_secs(self.rest)) {
            self.storm.carry(now, datagram)
        } else {
            Clean.carry(now, datagram)
        }
    }
}

// --- the same answer twice ---

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn the_same_inputs_at_the_same_times_give_the_same_outputs(seed in any::<u64>(), kind in kinds()) {
        let scenario = of_kind(kind, seed).mtu(300).configure(|settings| settings.handshake_timeout = Duration::from_secs(500));
        let mut world = scenario.start(Storm::new(seed));
        run_handshake(&mut world);
        world.drain();
        // The client once more, alone, from what the log says was done to it.
        let (config, name) = (scenario.client_config(CLIENT), rustls_pki_types::ServerName::try_from("server.test").ok());
        let again = match scenario.state() {
            Some(state) => Connection::connect_resuming(config, name, state, Instant::ORIGIN),
            None => Connection::connect(config, name, Instant::ORIGIN),
        };
        let mut again = again.unwrap();
        let mut said: Vec<Vec<u8>> = Vec::new();
        let mut take = |connection: &mut Connection, now| {
            let mut out = Vec::new();
            while connection.poll_transmit(now, &mut out) {
                said.push(core::mem::take(&mut out));
            }
        };
        take(&mut again, Instant::ORIGIN);
        for entry in world.log.iter().filter(|entry| entry.end() == CLIENT_END) {
            match entry {
                Entry::Arrived { at, bytes, .. } => {
                    drop(again.receive(*at, &mut bytes.clone()));
                    take(&mut again, *at);
                }
                Entry::Deadline { at, .. } => {
                    again.handle_timeout(*at);
                    take(&mut again, *at);
                }
                _ => {}
            }
        }
        let before: Vec<Vec<u8>> = world.sent_by(CLIENT_END).map(<[u8]>::to_vec).collect();
        prop_assert!(said == before, "the second run said something else");
        while again.poll_event().is_some() {}
        prop_assert_eq!(format!("{again:?}"), format!("{:?}", world.end(CLIENT_END).connection));
        // And the whole world once more.
        let mut other = scenario.start(Storm::new(seed));
        run_handshake(&mut other);
        other.drain();
        prop_assert!(other.log == world.log);
    }
}

// --- isolation ---

/// Weather that depends on the path alone, so that one path's traffic does not change another's.
struct OwnWeather {
    seed: u64,
    paths: BTreeMap<(Address, Address), Storm>,
}

impl Network for OwnWeather {
    fn carry(&mut self, now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)> {
        let path = (datagram.from, datagram.to);
        let seed = self.seed ^ (u64::from(path.0.0) << 16 | u64::from(path.1.0));
        self.paths.entry(path).or_insert_with(|| Storm::new(seed)).carry(now, datagram)
    }
}

proptest! {
    #![proptest_config(cases(25))]

    #[test]
    fn a_hostile_client_changes_nothing_for_the_others(seed in any::<u64>()) {
        let scenario = Scenario::new(seed).mutual().mtu(500).configure(|settings| settings.handshake_timeout = Duration::from_secs(500));
        let honest = [Address(2000), Address(2001), Address(2002)];
        let run = |is_disturbed: bool| {
            let mut world = scenario.server_only(OwnWeather { seed, paths: BTreeMap::new() });
            for address in honest {
                world.connect(address, SERVER, &scenario.client_config(address), None);
            }
            let evil = Address(2001 + 4000);
            if is_disturbed {
                world.connect(evil, SERVER, &scenario.client_config(evil), None);
            }
            let mut dice = Dice::new(seed);
            for step in 1..60 {
                world.run_to(Instant::from_origin(Duration::from_millis(step * 100)));
                let seen: Vec<Vec<u8>> = honest.iter().flat_map(|from| world.sent_by(EndId::new(*from, SERVER))).map(<[u8]>::to_vec).collect();
                for _ in 0..5 {
                    let bytes = junk(&mut dice, &seen);
                    if is_disturbed {
                        world.inject(EndId::new(SERVER, evil), &bytes);
                    }
                }
            }
            world.run_to(Instant::from_origin(Duration::from_secs(400)));
            world
        };
        let (disturbed, quiet) = (run(true), run(false));
        for address in honest {
            let id = EndId::new(address, SERVER);
            assert_agreement(&disturbed, id);
            prop_assert!(disturbed.history(id).eq(quiet.history(id)));
            for id in [id, id.other()] {
                prop_assert_eq!(
                    format!("{:?}", disturbed.end(id).connection),
                    format!("{:?}", quiet.end(id).connection)
                );
            }
        }
    }
}

// --- transcripts agree ---

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn whoever_connects_agrees_with_his_peer_on_everything(
        seed in any::<u64>(),
        leaf in prop::sample::select(vec![Leaf::EcdsaP256, Leaf::EcdsaP384, Leaf::Ed25519, Leaf::Rsa2048]),
        client_leaf in prop::option::of(prop::sample::select(vec![Leaf::EcdsaP256, Leaf::Ed25519, Leaf::Rsa2048])),
        client in wishes(),
        server in wishes(),
    ) {
        let mut base = Scenario::new(seed).server_leaf(leaf);
        base.client_leaf = client_leaf;
        let (ours, theirs) = (base.clone().configure(client.apply()), base.configure(server.apply()));
        let mut world = theirs.server_only(Clean);
        let id = world.connect(CLIENT, SERVER, &ours.client_config(CLIENT), Some("server.test"));
        run_handshake(&mut world);
        // An alert in the clear is believed when the timer expires.
        world.run_to(world.now() + Duration::from_secs(2));
        let both = [id, id.other()].map(|id| world.find(id).is_some_and(|end| end.is_connected()));
        prop_assert!(both[0] == both[1], "{:#?}", world.log);
        if both[0] {
            assert_agreement(&world, id);
            assert_data_flows(&mut world, id);
            let info = world.end(id).connection.info().unwrap();
            prop_assert_eq!(info.role, Role::Client);
            let group = info.group.unwrap();
            prop_assert!(client.groups.contains(&group) && server.groups.contains(&group));
            prop_assert!(info.alpn.iter().all(|name| client.alpn.contains(name) && server.alpn.contains(name)));
            prop_assert!(info.srtp.iter().all(|srtp| client.srtp.contains(&srtp.profile) && server.srtp.contains(&srtp.profile)));
            prop_assert_eq!(&info.peer_certificates, &dtls_tests::certificates::chain(leaf));
            let expected = client_leaf.map(dtls_tests::certificates::chain).unwrap_or_default();
            prop_assert_eq!(&world.end(id.other()).connection.info().unwrap().peer_certificates, &expected);
        } else {
            let why = [id, id.other()].map(|id| world.find(id).and_then(|end| end.failure().cloned()));
            prop_assert!(why.iter().any(Option::is_some), "{:?}", why);
        }
    }
}

/// What one side wants.
#[derive(Clone, Debug)]
struct Wishes {
    groups: Vec<NamedGroup>,
    alpn: Vec<Vec<u8>>,
    srtp: Vec<SrtpProfile>,
    extended_master_secret: ExtendedMasterSecret,
}

impl Wishes {
    fn apply(&self) -> impl Fn(&mut dtls_core::Settings) + 'static {
        let wishes = self.clone();
        move |settings| {
            settings.groups.clone_from(&wishes.groups);
            settings.alpn.clone_from(&wishes.alpn);
            settings.srtp_profiles.clone_from(&wishes.srtp);
            settings.extended_master_secret = wishes.extended_master_secret;
            settings.exporters = dtls_core::config::Exporters::Allowed;
        }
    }
}

fn wishes() -> impl Strategy<Value = Wishes> {
    let groups = vec![NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1];
    let alpn = vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
    let srtp = vec![
        SrtpProfile::AEAD_AES_128_GCM,
        SrtpProfile::AEAD_AES_256_GCM,
        SrtpProfile::AES128_CM_HMAC_SHA1_80,
        SrtpProfile::AES128_CM_HMAC_SHA1_32,
    ];
    let ems = vec![
        ExtendedMasterSecret::Require,
        ExtendedMasterSecret::Require,
        ExtendedMasterSecret::Prefer,
        ExtendedMasterSecret::Off,
    ];
    (
        prop::sample::subsequence(groups, 1..=3).prop_shuffle(),
        prop::sample::subsequence(alpn, 0..=3).prop_shuffle(),
        prop::sample::subsequence(srtp, 0..=4).prop_shuffle(),
        prop::sample::select(ems),
    )
        .prop_map(|(groups, alpn, srtp, extended_master_secret)| Wishes {
            groups,
            alpn,
            srtp,
            extended_master_secret,
        })
}
