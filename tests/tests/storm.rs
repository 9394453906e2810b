//! Bad weather: losses, copies, disorder and damage all at once, for many seeds.
//!
//! Each seed is a world of its own: which suite, which certificates or keys, which MTU, whose owner thinks, whether clients
//! come for the first time, how bad. The weather clears up after 20 seconds, and every handshake must then complete, with equal keys on both sides.
//! `DTLS_STORM=5000` runs so many seeds, `DTLS_STORM_SEED=17` that one alone and prints what happened in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use core::time::Duration;

use dtls_core::wire::enums::{CipherSuiteId, NamedGroup};
use dtls_core::{Instant, Role};
use dtls_tests::certificates::Leaf;
use dtls_tests::dice::Dice;
use dtls_tests::remembered::By;
use dtls_tests::scenario::{Proof, Scenario, assert_agreement, assert_data_flows};
use dtls_tests::sim::network::Storm;
use dtls_tests::sim::{Address, End, EndId, World};

/// How many seeds run unless `DTLS_STORM` says otherwise.
const SEEDS: u64 = 800;
/// Those that once failed come first.
const ONCE_FAILED: &str = include_str!("../../vectors/seeds/storm.txt");

#[test]
fn every_handshake_survives_bad_weather() {
    if let Ok(seed) = std::env::var("DTLS_STORM_SEED") {
        let world = ride_out(seed.parse().expect("DTLS_STORM_SEED is a number"));
        for entry in &world.log {
            println!("{entry:?}");
        }
        return;
    }
    let seeds = std::env::var("DTLS_STORM").map_or(SEEDS, |count| count.parse().expect("DTLS_STORM is a number"));
    let (mut deadlines, mut resumed) = (0, 0);
    let once_failed = ONCE_FAILED
        .lines()
        .filter_map(|line| line.split('#').next()?.split_whitespace().next())
        .map(|seed| seed.parse().expect("a number in vectors/seeds/storm.txt"));
    for seed in once_failed.chain(0..seeds) {
        let run = std::panic::catch_unwind(|| {
            let world = ride_out(seed);
            let is_resumed = |end: &End| end.connection.info().is_some_and(|info| info.resumed);
            (world.deadlines_served(), world.ends().filter(|(_, end)| is_resumed(end)).count())
        });
        match run {
            Ok((served, ends)) => {
                deadlines += served;
                resumed += ends;
            }
            Err(panic) => {
                eprintln!("seed {seed} failed: run it alone with DTLS_STORM_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // The weather must have been bad, or this says nothing.
    assert!(deadlines as u64 > 2 * seeds, "{deadlines} deadlines in {seeds} worlds");
    assert!(resumed as u64 > seeds / 2, "{resumed} ends went on with a session in {seeds} worlds");
}

/// One world with one to three clients, from the seed alone.
fn ride_out(seed: u64) -> World {
    let mut dice = Dice::new(seed);
    let scenario = scenario(seed, &mut dice);
    let mut storm = Storm::new(seed);
    storm.loss = dice.below(41);
    storm.duplication = dice.below(41);
    storm.jitter = Duration::from_millis(*dice.pick(&[0, 10, 200, 1500]));
    // Half of the worlds have weather without damage: there, what the network does must not look like a fault of the peer.
    // So have those with pre-shared keys: a record that does not decrypt leaves such a handshake ten seconds, not twenty.
    let is_damaging = dice.percent(50) && scenario.proof() != Proof::PresharedKey;
    let scenario = if is_damaging {
        scenario.configure(|settings| settings.fault_budget = u8::MAX)
    } else {
        storm.damages_left = 0;
        scenario.configure(|settings| settings.fault_budget = 0)
    };
    let clears_at = storm.clears_at;
    let mut world = scenario.server_only(storm);
    if dice.percent(30) {
        world.batch();
    }
    let mut clients = Vec::new();
    for index in 0..=dice.below(3) {
        let address = Address(1000 + u16::try_from(index).unwrap());
        clients.push(scenario.connect(&mut world, address));
    }
    // Now and then somebody learns of another MTU.
    for _ in 0..dice.below(4) {
        let until = world.now() + Duration::from_millis(100 * dice.below(20) as u64);
        world.run_to(until);
        let ends: Vec<EndId> = world.ends().map(|(id, _)| id).collect();
        let id = *dice.pick(&ends);
        world.end_mut(id).set_mtu(*dice.pick(&[256, 300, 576, 1200, 1400]));
    }
    let all_connected = |world: &World| {
        clients.iter().all(|id| {
            [*id, id.other()].iter().all(|id| world.find(*id).is_some_and(|end| end.connected_at().is_some()))
        })
    };
    world.run_until(|world| all_connected(world) || world.now() > Instant::from_origin(Duration::from_secs(500)));
    for id in &clients {
        let fates = [*id, id.other()].map(|id| world.find(id).map(|end| end.fate()));
        assert!(
            fates.iter().flatten().filter(|fate| matches!(fate, dtls_tests::sim::Fate::Connected(_))).count() == 2,
            "seed {seed}: {id:?} is {fates:?}: {:#?}",
            world.history(*id).collect::<Vec<_>>(),
        );
    }
    // Let the weather clear up and what is under way arrive; then everything must still be as it was.
    world.run_to(clears_at.max(world.now()) + Duration::from_secs(10));
    for id in clients {
        assert_agreement(&world, id);
        assert_data_flows(&mut world, id);
    }
    world
}

fn scenario(seed: u64, dice: &mut Dice) -> Scenario {
    let scenario =
        if dice.percent(30) { dice.pick(&Scenario::kinds(seed)).1.clone() } else { with_certificates(seed, dice) };
    let mtu = *dice.pick(&[256, 400, 1200, 1400]);
    let mut scenario = scenario.mtu(mtu).configure(|settings| {
        // The weather lasts longer than the default patience.
        settings.handshake_timeout = Duration::from_secs(500);
        settings.longest_timeout = Duration::from_secs(30);
    });
    if dice.percent(20) {
        scenario = scenario.group(NamedGroup::SECP256R1);
    }
    if dice.percent(30) {
        scenario = scenario.with_extensions();
    }
    if dice.percent(15) {
        let who = [&[Role::Client][..], &[Role::Server], &[Role::Client, Role::Server]];
        scenario = scenario.asking(dice.pick::<&[Role]>(&who), Duration::from_secs(5));
    }
    with_a_past(seed, scenario)
}

/// Some clients come again. By dice of its own, so that what a seed has meant before it still means.
fn with_a_past(seed: u64, scenario: Scenario) -> Scenario {
    let mut dice = Dice::new(!seed);
    let by = *dice.pick(&By::ALL);
    match dice.below(10) {
        0..3 => scenario.resuming(by),
        3 => scenario.resuming(by).half_a_life_later(),
        4 => scenario.forgetting(by),
        _ => scenario,
    }
}

fn with_certificates(seed: u64, dice: &mut Dice) -> Scenario {
    let leaf = *dice.pick(&[Leaf::EcdsaP256, Leaf::EcdsaP256, Leaf::Ed25519, Leaf::EcdsaP384, Leaf::Rsa2048]);
    let suite = match leaf {
        Leaf::Rsa2048 => *dice.pick(&[
            CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            CipherSuiteId::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]),
        _ => *dice.pick(&[
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ]),
    };
    let scenario = Scenario::new(seed).server_leaf(leaf).suite(suite);
    if dice.percent(50) { scenario.mutual() } else { scenario }
}

#[test]
fn the_weather_of_a_seed_is_always_the_same() {
    let [first, again] = [7, 7].map(|seed| ride_out(seed).log);
    assert!(first == again);
    assert!(first != ride_out(8).log);
}
