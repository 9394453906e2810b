//! One nonce, once: under no key is a nonce used twice, neither within a connection nor by connections that share a session,
//! nor in tickets.

use core::time::Duration;

use dtls_core::wire::enums::CipherSuiteId;
use dtls_tests::dice::Dice;
use dtls_tests::observe::NonceLedger;
use dtls_tests::scenario::{CLIENT, CLIENT_END, SERVER, SERVER_END, Scenario, run_handshake};
use dtls_tests::sim::network::Storm;
use dtls_tests::sim::{Address, EndId, World};
use proptest::prelude::*;

use crate::{PASTS, cases, kinds, of_kind};

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn no_nonce_is_used_twice_under_a_key(
        seed in any::<u64>(),
        kind in kinds(),
        suite in prop::sample::select(vec![
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ]),
    ) {
        let ledger = NonceLedger::default();
        let watch = ledger.clone();
        let scenario = of_kind(kind, seed);
        let scenario = if kind == 0 { scenario.suite(suite) } else { scenario };
        let scenario = scenario
            .mtu(256)
            .configure(|settings| settings.handshake_timeout = Duration::from_secs(500))
            .watched(None, move |provider| watch.watch(provider));
        let mut storm = Storm::new(seed);
        storm.loss = 40;
        let mut world = scenario.start(storm);
        run_handshake(&mut world);
        let after_handshake = ledger.len();
        prop_assert!(after_handshake >= 2);
        let mut dice = Dice::new(seed);
        for round in 0..100_u32 {
            let id = if dice.percent(50) { CLIENT_END } else { SERVER_END };
            if round == 95 {
                // The last record of all is an alert.
                world.end_mut(id).connection.close();
                world.pump(id);
            }
            if dice.percent(10) {
                let mut buffer = vec![7; 400];
                let _ = world.end_mut(id).connection.seal_in_place(&mut buffer, 300);
                let _ = world.end_mut(id).connection.send(&[0; 60_000], &mut Vec::new());
            }
            let _ = world.send(id, &round.to_be_bytes());
        }
        world.drain();
        prop_assert!(ledger.len() > after_handshake + 50, "{}", ledger.len());
    }
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn no_nonce_is_used_twice_by_connections_that_share_a_session(seed in any::<u64>(), past in 0..PASTS.len()) {
        let ledger = NonceLedger::default();
        let watch = ledger.clone();
        // The ledger sees the first connection, those that follow it, and the tickets.
        let scenario = Scenario::new(seed).mutual().watched(None, move |provider| watch.watch(provider));
        let scenario = PASTS[past](scenario).configure(|settings| settings.handshake_timeout = Duration::from_secs(500));
        let after_first = ledger.len();
        prop_assert!(after_first >= 2);
        let mut storm = Storm::new(seed);
        storm.loss = 30;
        let mut world = scenario.start(storm);
        let clients = [CLIENT, Address(1001), Address(1002)].map(|address| EndId::new(address, SERVER));
        for client in &clients[1..] {
            scenario.connect(&mut world, client.local);
        }
        let is_connected = |world: &World, id: EndId| world.find(id).is_some_and(|end| end.is_connected());
        world.run_until(|world| clients.iter().all(|id| is_connected(world, *id) && is_connected(world, id.other())));
        world.drain();
        for (round, client) in clients.iter().cycle().take(30).enumerate() {
            let id = if round % 2 == 0 { *client } else { client.other() };
            world.send(id, &round.to_be_bytes()).unwrap();
        }
        world.drain();
        prop_assert!(ledger.len() >= after_first + 36, "{}", ledger.len());
    }
}
