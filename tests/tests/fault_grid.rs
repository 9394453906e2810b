//! Every fault on every datagram of a clean handshake of every kind, and every pair of losses.
//!
//! What must come out of it:
//!
//! - **Complete**: both sides connect, agree on everything, export the same keys, and data flows. It takes no longer than
//!   the timeouts that the fault forces, and a round trip.
//! - **Complete or refused** is allowed only where the fault changed the inside of a handshake message in the clear, or
//!   put another in its place: what is hashed cannot be repaired, since no retransmission follows a message that parses.
//!   Then either both sides connect and agree, or neither connects. That one side alone connects, or that both do and
//!   disagree, is never allowed.
//!
//! Messages before the cookie is right are in no transcript; faults on them never excuse a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use core::time::Duration;

use dtls_core::wire::enums::HandshakeType;
use dtls_core::wire::fragment::FragmentHeader;
use dtls_core::wire::record::Epoch;
use dtls_core::{Event, Role};
use dtls_tests::dice::Dice;
use dtls_tests::raw;
use dtls_tests::remembered::By;
use dtls_tests::scenario::{CLIENT_END, SERVER_END, Scenario, assert_agreement, assert_data_flows, run_handshake};
use dtls_tests::sim::network::{Clean, Fault, Faults};
use dtls_tests::sim::{EndId, Entry, ROUND_TRIP, World};

/// A handshake, and the datagrams of its clean run.
struct Grid {
    name: &'static str,
    scenario: Scenario,
    datagrams: Vec<Passed>,
    time: Duration,
    /// Whether it goes on with a session of an earlier connection.
    resumes: bool,
}

/// A datagram of a clean run, as it was and taken apart.
struct Passed {
    bytes: Vec<u8>,
    pieces: Vec<raw::Piece>,
}

impl Grid {
    /// Every kind of handshake.
    fn all() -> Vec<Self> {
        let base = Scenario::new(1).mutual();
        // Names enough for a hello that does not fit in a datagram.
        let long_hello = |settings: &mut dtls_core::Settings| {
            settings.alpn = (0..12).map(|index| format!("protocol-number-{index}").into_bytes()).collect();
        };
        let mut grids = vec![
            Self::of("MTU 1200", base.clone().mtu(1200)),
            Self::of("MTU 256", base.clone().mtu(256)),
            Self::of("MTU 256, long hello", base.mtu(256).configure(long_hello)),
        ];
        let others = Scenario::kinds(1).into_iter().skip(1);
        grids.extend(others.map(|(name, scenario)| Self::of(name, scenario.mtu(400))));
        grids.extend(Self::with_a_past());
        // What either side wants in what it receives: nothing, a few bytes, as many as there can be.
        let psk = || Scenario::new(1).preshared_key().hint(b"which one?");
        grids.push(Self::with_ids("IDs of 0 and 8 bytes", psk().mtu(400), [0, 8]));
        grids.push(Self::with_ids("IDs of 8 and 0 bytes", psk().mtu(400), [8, 0]));
        grids.push(Self::with_ids("IDs of no bytes", psk().mtu(400), [0, 0]));
        grids.push(Self::with_ids("IDs of 20 and 3 bytes", Scenario::new(1).mutual().mtu(256), [20, 3]));
        let with_a_past = psk().connection_ids(Some(4), Some(4)).resuming(By::Ticket).mtu(256);
        grids.push(Self::with_ids("by ticket, IDs of 20 and 3 bytes after others", with_a_past, [20, 3]));
        assert!(grids.last().is_some_and(|grid| grid.resumes));
        grids.push(Self::with_ids("IDs of 255 bytes", Scenario::new(1).mutual().mtu(1200), [255, 255]));
        grids
    }

    /// Handshakes that resume a session, and those that become full ones since the server has lost its memory.
    fn with_a_past() -> Vec<Self> {
        // The ticket holds the client's certificate: the hello with it does not fit in a datagram.
        let small = || Scenario::new(1).mutual().mtu(256);
        let psk = || Scenario::new(1).preshared_key().mtu(256);
        let grids = [
            Self::of("by ticket, MTU 256", small().resuming(By::Ticket)),
            Self::of("by session ID, MTU 256", small().resuming(By::SessionId)),
            Self::of("by a ticket that is renewed, MTU 256", small().resuming(By::Ticket).half_a_life_later()),
            Self::of("PSK by ticket", psk().resuming(By::Ticket)),
            Self::of("raw public keys by session ID", small().raw_public_keys().resuming(By::SessionId)),
            Self::of("by a ticket that nobody can open, MTU 400", small().mtu(400).forgetting(By::Ticket)),
            Self::of("PSK by a session ID that nobody knows", psk().forgetting(By::SessionId)),
        ];
        assert_eq!(grids.each_ref().map(|grid| grid.resumes), [true, true, true, true, true, false, false]);
        grids.into()
    }

    /// Handshakes in which one side or both leave every decision to an owner who thinks for up to three seconds. Timers
    /// do not double, so that a loss costs one period here too, however long the thought before it has taken.
    fn thoughtful() -> Vec<Self> {
        let steady = |settings: &mut dtls_core::Settings| settings.longest_timeout = settings.first_timeout;
        let think = Duration::from_secs(3);
        let mutual = Scenario::new(1).mutual().mtu(400).configure(steady);
        let psk = Scenario::new(1).preshared_key().hint(b"which one?").mtu(256).configure(steady);
        vec![
            Self::of("a client that asks", mutual.clone().asking(&[Role::Client], think)),
            Self::of("a server that asks", mutual.clone().asking(&[Role::Server], think)),
            Self::of(
                "raw public keys, both ask",
                mutual.raw_public_keys().asking(&[Role::Client, Role::Server], think),
            ),
            Self::of("PSK, both ask", psk.asking(&[Role::Client, Role::Server], think)),
        ]
    }

    fn of(name: &'static str, scenario: Scenario) -> Self {
        let mut world = scenario.start(Clean);
        run_handshake(&mut world);
        let time = connected_after(&world);
        let mut onlooker = raw::Onlooker::default();
        let passed = |(by, bytes): (EndId, &[u8])| {
            let pieces = onlooker.pieces(by.local, by.peer, bytes);
            assert_eq!(pieces.iter().flat_map(raw::Piece::to_bytes).collect::<Vec<_>>(), bytes, "{name}");
            Passed { bytes: bytes.to_vec(), pieces }
        };
        let datagrams = world.datagrams().map(passed).collect();
        let resumes = world.end(CLIENT_END).connection.info().expect("connected").resumed;
        Self { name, scenario, datagrams, time, resumes }
    }

    /// A handshake in which client and server want connection IDs of these lengths in what they receive.
    fn with_ids(name: &'static str, scenario: Scenario, [client, server]: [u8; 2]) -> Self {
        let grid = Self::of(name, scenario.connection_ids(Some(client), Some(server)));
        let of_epoch_1 = |piece: &&raw::Piece| piece.header.epoch == Epoch::ONE;
        let pieces = grid.datagrams.iter().flat_map(|datagram| &datagram.pieces).filter(of_epoch_1);
        let ids: Vec<_> = pieces.map(|piece| piece.cid.len()).collect();
        // In a resumed handshake the server's is the first.
        let ids_of_both = if grid.resumes { [client, server] } else { [server, client] };
        assert_eq!(ids, ids_of_both.map(usize::from), "both Finished of {name}");
        grid
    }

    /// Every datagram with its number.
    fn each(&self) -> impl Iterator<Item = (usize, &Passed)> {
        self.datagrams.iter().enumerate()
    }

    fn run(&self, faults: &[(usize, Fault)]) -> World {
        // What a network does by itself must not look like a fault of the peer's: there is nothing to forgive.
        let is_forgery = |fault: &Fault| {
            matches!(fault, Fault::Flip { .. } | Fault::After(_) | Fault::Before(_) | Fault::Instead(_))
        };
        let budget = if faults.iter().any(|(_, fault)| is_forgery(fault)) { 8 } else { 0 };
        let scenario = self.scenario.clone().configure(move |settings| settings.fault_budget = budget);
        let mut world = scenario.start(Faults::new(faults.iter().cloned()));
        run_handshake(&mut world);
        world
    }

    fn assert_completes(&self, faults: &[(usize, Fault)], forced: Duration) {
        let mut world = self.run(faults);
        let what = || format!("{} with {faults:?}", self.name);
        let both = [CLIENT_END, SERVER_END].map(|id| world.find(id).is_some_and(|end| end.is_connected()));
        assert_eq!(both, [true, true], "{}: {:#?}", what(), world.log);
        let time = connected_after(&world);
        assert!(time <= self.time + forced, "{} took {time:?}: {:#?}", what(), world.log);
        // What is still under way must not disturb, and must come to an end.
        world.drain();
        assert_agreement(&world, CLIENT_END);
        assert_eq!(world.end(CLIENT_END).connection.info().unwrap().resumed, self.resumes, "{}", what());
        assert_data_flows(&mut world, CLIENT_END);
    }

    /// Returns whether it was completed.
    fn assert_completes_or_is_refused(&self, faults: &[(usize, Fault)]) -> bool {
        let mut world = self.run(faults);
        world.drain();
        let ever = [CLIENT_END, SERVER_END].map(|id| world.find(id).is_some_and(|end| end.connected_at().is_some()));
        match ever {
            [true, true] => {
                assert_agreement(&world, CLIENT_END);
                assert_data_flows(&mut world, CLIENT_END);
                true
            }
            [false, false] => false,
            _ => panic!("{} with {faults:?}: one side alone connected: {:#?}", self.name, world.log),
        }
    }
}

fn connected_after(world: &World) -> Duration {
    [CLIENT_END, SERVER_END]
        .map(|id| world.find(id).and_then(|end| end.connected_at()).map_or(Duration::ZERO, |at| at.since_origin()))
        .into_iter()
        .max()
        .unwrap_or_default()
}

/// The first timeout, and the first two, and the first three.
const ONE_TIMEOUT: Duration = Duration::from_secs(1);
const TWO_TIMEOUTS: Duration = Duration::from_secs(1 + 2);
const THREE_TIMEOUTS: Duration = Duration::from_secs(1 + 2 + 4);

#[test]
fn a_clean_handshake_takes_three_round_trips_or_two_and_repeats_and_discards_nothing() {
    for grid in Grid::all() {
        let mut world = grid.run(&[]);
        world.drain();
        // Of a resumed handshake it is the client that sends the last flight.
        let client_after = if grid.resumes { 2 * ROUND_TRIP } else { 3 * ROUND_TRIP };
        assert_eq!(world.end(CLIENT_END).connected_at().unwrap().since_origin(), client_after, "{}", grid.name);
        assert_eq!(world.end(SERVER_END).connected_at().unwrap().since_origin(), 5 * ROUND_TRIP / 2, "{}", grid.name);
        for id in [CLIENT_END, SERVER_END] {
            let stats = world.end(id).connection.stats();
            assert_eq!(stats.retransmits, 0, "{}", grid.name);
            assert_eq!(stats.discarded_in_all(), 0, "{}: {stats:?}", grid.name);
        }
        assert_eq!(world.deadlines_served(), 0, "{}", grid.name);
        assert_agreement(&world, CLIENT_END);
        assert_data_flows(&mut world, CLIENT_END);
    }
}

#[test]
fn without_a_cookie_a_clean_handshake_takes_two_round_trips() {
    let scenario = Scenario::new(1).mutual();
    let mut world = World::new(Clean);
    let server = dtls_core::Connection::accept_on_trusted_path(scenario.server_config(CLIENT_END.local), world.now());
    world.add(SERVER_END, server, 1200);
    world.connect(CLIENT_END.local, SERVER_END.local, &scenario.client_config(CLIENT_END.local), None);
    run_handshake(&mut world);
    assert_eq!(world.end(CLIENT_END).connected_at().unwrap().since_origin(), 2 * ROUND_TRIP);
    assert_agreement(&world, CLIENT_END);
}

#[test]
fn the_loss_of_any_datagram_costs_one_timeout() {
    for grid in Grid::all() {
        for (number, _) in grid.each() {
            grid.assert_completes(&[(number, Fault::Drop)], ONE_TIMEOUT);
        }
    }
}

#[test]
fn the_loss_of_any_two_datagrams_costs_two_timeouts() {
    for grid in Grid::all() {
        // What is sent again counts on behind the last one of a clean run.
        let count = grid.datagrams.len() + 8;
        for first in 0..count {
            for second in first + 1..count {
                grid.assert_completes(&[(first, Fault::Drop), (second, Fault::Drop)], TWO_TIMEOUTS);
            }
        }
    }
}

#[test]
fn the_loss_of_any_three_datagrams_costs_three_timeouts() {
    let grid = &Grid::all()[0];
    let count = grid.datagrams.len() + 6;
    for first in 0..count {
        for second in first + 1..count {
            for third in second + 1..count {
                let faults = [first, second, third].map(|number| (number, Fault::Drop));
                grid.assert_completes(&faults, THREE_TIMEOUTS);
            }
        }
    }
}

#[test]
fn a_duplicate_of_any_datagram_costs_nothing() {
    for grid in Grid::all() {
        for (number, _) in grid.each() {
            grid.assert_completes(&[(number, Fault::Duplicate)], Duration::ZERO);
        }
    }
}

#[test]
fn duplicates_of_any_two_datagrams_cost_nothing() {
    for grid in Grid::all() {
        for (first, _) in grid.each() {
            for second in first + 1..grid.datagrams.len() {
                grid.assert_completes(&[(first, Fault::Duplicate), (second, Fault::Duplicate)], Duration::ZERO);
            }
        }
    }
}

#[test]
fn any_datagram_may_be_overtaken_by_the_next() {
    for grid in Grid::all() {
        for (number, _) in grid.each() {
            grid.assert_completes(&[(number, Fault::Swap)], ONE_TIMEOUT);
        }
    }
}

#[test]
fn any_datagram_may_come_after_its_own_retransmission() {
    for grid in Grid::all() {
        for (number, _) in grid.each() {
            for late in [900, 1000, 1500, 5000] {
                let delay = Fault::Delay(Duration::from_millis(late));
                grid.assert_completes(&[(number, delay)], ONE_TIMEOUT);
            }
        }
    }
}

#[test]
fn a_loss_and_a_datagram_that_comes_late_cost_two_timeouts() {
    for grid in Grid::all() {
        let count = grid.datagrams.len() + 4;
        for lost in 0..count {
            for late in (0..count).filter(|late| *late != lost) {
                for delay in [1000, 2600] {
                    let delay = Fault::Delay(Duration::from_millis(delay));
                    grid.assert_completes(&[(lost, Fault::Drop), (late, delay)], TWO_TIMEOUTS);
                }
            }
        }
    }
}

#[test]
fn the_end_of_any_datagram_may_be_cut_off() {
    for grid in Grid::all() {
        for (number, datagram) in grid.each() {
            let len = datagram.bytes.len();
            for kept in [0, 1, 12, 13, 14, 24, 25, 26, len / 4, len / 2, 3 * len / 4, len - 16, len - 1] {
                grid.assert_completes(&[(number, Fault::Truncate(kept.min(len - 1)))], ONE_TIMEOUT);
            }
        }
    }
}

#[test]
fn any_datagram_may_be_cut_anew_with_overlap() {
    for grid in Grid::all() {
        for (number, datagram) in grid.each() {
            for (len, overlap) in [(1, 0), (17, 16), (50, 20), (100, 100), (4000, 0)] {
                // Before there is state nothing is put together: a cookie jar waits for a hello whose first fragment
                // comes first, and a client for a whole HelloVerifyRequest.
                let is_stateless = raw::message_types(&datagram.bytes)
                    .iter()
                    .any(|typ| [HandshakeType::CLIENT_HELLO, HandshakeType::HELLO_VERIFY_REQUEST].contains(typ));
                let forced = if is_stateless { ONE_TIMEOUT } else { Duration::ZERO };
                grid.assert_completes(&[(number, Fault::Refragment { len, overlap })], forced);
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_leaves_the_sides_in_disagreement() {
    let mut refused = 0;
    let mut runs = 0;
    for grid in Grid::all() {
        let mut dice = Dice::new(2);
        for (number, datagram) in grid.each() {
            for (byte, region) in interesting_bytes(datagram, &mut dice) {
                let flip = [(number, Fault::Flip { byte, bit: u8::try_from(dice.below(8)).unwrap() })];
                runs += 1;
                if region == Region::Message && is_hashed(datagram) {
                    refused += usize::from(!grid.assert_completes_or_is_refused(&flip));
                } else if region == Region::Message && is_ticket(datagram) {
                    // Bytes in a wrong place are found out when the ticket is whole, and go with all of it.
                    grid.assert_completes(&flip, TWO_TIMEOUTS);
                } else {
                    grid.assert_completes(&flip, ONE_TIMEOUT);
                }
            }
        }
    }
    // Most flips are repaired. If hardly any were, the first half of "complete or refused" would not be tested.
    println!("{runs} flips, {refused} refused");
    assert!(refused * 4 < runs, "{refused} of {runs}");
}

#[test]
fn a_forged_twin_that_comes_first_never_leaves_the_sides_in_disagreement() {
    let mut refused = 0;
    let mut runs = 0;
    for grid in Grid::all() {
        for (number, datagram) in grid.each() {
            for seed in 0..8 {
                let twin = [(number, Fault::After(raw::forged_twin(&datagram.pieces, &mut Dice::new(seed))))];
                runs += 1;
                if is_hashed(datagram) {
                    refused += usize::from(!grid.assert_completes_or_is_refused(&twin));
                } else {
                    grid.assert_completes(&twin, ONE_TIMEOUT);
                }
            }
        }
    }
    println!("{runs} twins, {refused} refused");
    assert!(refused * 2 < runs, "{refused} of {runs}");
}

#[test]
fn a_forged_twin_that_comes_second_costs_nothing() {
    for grid in Grid::all() {
        for (number, datagram) in grid.each() {
            for seed in 0..8 {
                let twin = raw::forged_twin(&datagram.pieces, &mut Dice::new(seed));
                grid.assert_completes(&[(number, Fault::Before(twin))], Duration::ZERO);
            }
        }
    }
}

// --- decisions that take their time ---

/// How often somebody asks in a handshake in which he asks all he can.
fn questions(of: EndId, log: &[Entry]) -> (usize, usize) {
    let count = |wanted: fn(&Entry) -> bool| log.iter().filter(|entry| entry.end() == of && wanted(entry)).count();
    let asked = count(|entry| matches!(entry, Entry::Event { event: Event::Asked, .. }));
    (asked, count(|entry| matches!(entry, Entry::Decided { .. })))
}

#[test]
fn each_thing_is_asked_once_and_whoever_thinks_repeats_nothing() {
    // What a client is asked: whom to trust, what to show, to sign. What a server is: whom to be, to sign, whom to trust.
    let asked = [(3, 0), (0, 3), (3, 3), (1, 2)];
    let grids = Grid::thoughtful();
    for (grid, (by_client, by_server)) in grids.iter().zip(asked) {
        let mut world = grid.run(&[]);
        world.drain();
        for (id, expected) in [(CLIENT_END, by_client), (SERVER_END, by_server)] {
            assert_eq!(questions(id, &world.log), (expected, expected), "{} at {id:?}", grid.name);
            let end = world.end(id);
            let connected = end.events.iter().filter(|(_, event)| *event == Event::Connected).count();
            assert_eq!((connected, end.events.len()), (1, 1 + expected), "{}: {:?}", grid.name, end.events);
            // Who waits for the other repeats itself, who thinks does not: the world looks after that at every step.
            let other_asks = questions(id.other(), &world.log).0 > 0;
            assert_eq!(end.connection.stats().retransmits > 0, other_asks, "{} at {id:?}", grid.name);
        }
        assert_agreement(&world, CLIENT_END);
        assert_data_flows(&mut world, CLIENT_END);
    }
    assert_eq!(grids.len(), asked.len());
}

#[test]
fn losses_and_late_answers_together_cost_no_more_than_each() {
    for grid in Grid::thoughtful() {
        let count = grid.datagrams.len() + 4;
        for first in 0..count {
            grid.assert_completes(&[(first, Fault::Drop)], ONE_TIMEOUT);
            for second in first + 1..count {
                grid.assert_completes(&[(first, Fault::Drop), (second, Fault::Drop)], 2 * ONE_TIMEOUT);
            }
        }
    }
}

#[test]
fn copies_and_disorder_are_nothing_to_those_who_think() {
    for grid in Grid::thoughtful() {
        for (number, datagram) in grid.each() {
            grid.assert_completes(&[(number, Fault::Duplicate)], ONE_TIMEOUT);
            grid.assert_completes(&[(number, Fault::Swap)], ONE_TIMEOUT);
            for late in [900, 1500, 5000] {
                grid.assert_completes(&[(number, Fault::Delay(Duration::from_millis(late)))], ONE_TIMEOUT);
            }
            let twin = raw::forged_twin(&datagram.pieces, &mut Dice::new(1));
            grid.assert_completes(&[(number, Fault::Before(twin))], ONE_TIMEOUT);
        }
    }
}

/// Whether a message in it is hashed by both sides as soon as it comes: all are, but for those before the cookie is right
/// and tickets.
fn is_hashed(datagram: &Passed) -> bool {
    datagram.pieces.iter().flat_map(raw::Piece::fragments).any(|(header, _)| match header.typ {
        HandshakeType::HELLO_VERIFY_REQUEST => false,
        // That of the honest server is told by its Finished, which waits for it.
        HandshakeType::NEW_SESSION_TICKET => false,
        HandshakeType::CLIENT_HELLO => header.message_seq.0 > 0,
        _ => true,
    })
}

fn is_ticket(datagram: &Passed) -> bool {
    raw::message_types(&datagram.bytes).contains(&HandshakeType::NEW_SESSION_TICKET)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Region {
    /// Record headers, ChangeCipherSpec, everything that is protected.
    Framing,
    /// Fragment headers and bodies in the clear.
    Message,
}

/// Every byte of every header, and a few of each body.
fn interesting_bytes(datagram: &Passed, dice: &mut Dice) -> Vec<(usize, Region)> {
    let mut bytes = Vec::new();
    for piece in &datagram.pieces {
        let body = piece.body_start();
        bytes.extend((piece.start..body).map(|byte| (byte, Region::Framing)));
        if piece.is_plain_handshake() {
            bytes.extend((body..body + FragmentHeader::LEN).map(|byte| (byte, Region::Message)));
            let inner = piece.body.len() - FragmentHeader::LEN;
            let count = if inner == 0 { 0 } else { 6 };
            bytes.extend((0..count).map(|_| (body + FragmentHeader::LEN + dice.below(inner), Region::Message)));
        } else {
            bytes.extend((0..6).map(|_| (body + dice.below(piece.body.len()), Region::Framing)));
        }
    }
    bytes
}
