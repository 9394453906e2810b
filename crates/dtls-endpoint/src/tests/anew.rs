//! A client that begins anew at its old address: RFC 6347 section 4.2.8.

use dtls_core::Role;
use dtls_core::wire::record::{Record, Records};

use super::*;
use crate::{Reason, Replacement};

/// A client at `Host(1)` that is connected and then loses all it knows.
fn restarted(replacement: Replacement) -> (Network, Handle) {
    let mut network = Network::new();
    network.server().set_replacement(replacement);
    let (_, server) = network.pair(Host(1));
    network.hosts.remove(&Host(1));
    network.events.clear();
    (network, server)
}

#[test]
fn a_client_that_has_lost_its_state_gets_a_new_session_and_the_old_one_ends() {
    for replacement in [Replacement::AfterHandshake, Replacement::AfterCookie] {
        let (mut network, old) = restarted(replacement);
        let (client, new) = network.pair(Host(1));
        assert_ne!(old, new);
        let mut events = network.events.clone();
        events.retain(|(at, ..)| *at == SERVER);
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events.contains(&(SERVER, old, Host(1), Event::Ended(Reason::Replaced))), "{events:?}");
        assert!(events.contains(&(SERVER, new, Host(1), Event::Connected)), "{events:?}");
        network.send(Host(1), client, b"anew");
        network.run();
        assert_eq!(network.payloads, [(SERVER, new, b"anew".to_vec())]);
        assert_eq!((network.sessions(), network.stats().replaced), (1, 1));
        for handle in [old, new] {
            network.server().close(handle);
            network.server().release(handle);
        }
        network.host(Host(1)).release(client);
        network.run();
        assert!(network.server().is_bare(), "{:?}", network.server());
    }
}

#[test]
fn until_the_new_handshake_is_complete_the_old_session_goes_on() {
    let mut network = Network::new();
    let (client, old) = network.pair(Host(1));
    let mut rebooted = network.reboot();
    // Step by step, with data of the old session in between.
    for step in 0.. {
        network.send(Host(1), client, &[step]);
        network.run();
        assert_eq!(network.payloads.pop(), Some((SERVER, old, vec![step])));
        if !network.let_speak(Host(1), &mut rebooted) {
            break;
        }
        if network.server().session_at(&Host(1)) != Some(old) {
            assert!(step >= 2, "hello, hello with cookie, flight 5");
            assert!(network.events.contains(&(SERVER, old, Host(1), Event::Ended(Reason::Replaced))));
            return;
        }
    }
    panic!("the new session never took over");
}

#[test]
fn spoofed_and_repeated_hellos_change_nothing() {
    let mut network = Network::new();
    let now = network.now;
    let mut recorded = Vec::new();
    let client = network.connect(Host(1));
    network.drain();
    while let Some((from, to, datagram)) = network.under_way.pop_front() {
        if to == SERVER {
            recorded.push(datagram.clone());
        }
        network.deliver(from, to, datagram);
        network.drain();
    }
    let server = network.server().session_at(&Host(1)).unwrap();
    network.events.clear();
    // Everything that the client said comes again, in any order, with a stranger's hello.
    recorded.push(network.hello());
    for datagram in recorded.iter().chain(recorded.iter().rev()) {
        network.deliver(Host(1), SERVER, datagram.clone());
        let mut out = Vec::new();
        while network.server().poll_transmit(now, &mut out).is_some() {
            // The answer to a hello without a cookie, or flight 6 for a client that may have missed it.
            assert!(out.len() <= datagram.len());
            out.clear();
        }
    }
    network.drain();
    assert_eq!(network.events, []);
    assert_eq!((network.sessions(), network.server().half_open()), (1, 0));
    network.send(Host(1), client, b"still here");
    network.run();
    assert_eq!(network.payloads, [(SERVER, server, b"still here".to_vec())]);
}

#[test]
fn a_new_handshake_that_comes_to_nothing_is_given_up_and_the_old_session_goes_on() {
    let mut network = Network::new();
    let (client, old) = network.pair(Host(1));
    network.events.clear();
    // Two that begin anew; the second shows that the first is over.
    for _ in 0..2 {
        drop(network.reboot_and_say_hello(Host(1)));
        assert_eq!(network.server().half_open(), 1);
    }
    let given_up: Vec<Event> = network.events.drain(..).map(|(.., event)| event).collect();
    assert_eq!(given_up, [Event::Ended(Reason::Replaced)]);
    while network.server().half_open() > 0 {
        assert!(network.jump());
        network.drain();
        network.under_way.clear();
    }
    let failed: Vec<Event> = network.events.drain(..).map(|(.., event)| event).collect();
    assert_eq!(failed, [Event::Failed(Error::HandshakeTimeout)]);
    network.send(Host(1), client, b"still here");
    network.run();
    assert_eq!(network.payloads, [(SERVER, old, b"still here".to_vec())]);
}

#[test]
fn a_client_that_begins_anew_while_its_handshake_is_under_way_is_not_locked_out() {
    let mut network = Network::new();
    drop(network.reboot_and_say_hello(Host(1)));
    assert_eq!(network.server().half_open(), 1);
    let (_, server) = network.pair(Host(1));
    assert_eq!(network.server().info(server).unwrap().role, Role::Server);
    assert_eq!(network.server().half_open(), 0);
}

#[test]
fn a_hello_that_comes_again_while_its_handshake_is_under_way_begins_no_other() {
    let mut network = Network::new();
    network.pair(Host(1));
    network.events.clear();
    let mut rebooted = network.reboot();
    assert!(network.let_speak(Host(1), &mut rebooted));
    let hello = network.next_of(&mut rebooted).unwrap();
    for _ in 0..2 {
        network.deliver(Host(1), SERVER, hello.clone());
        network.drain_server_to(&mut rebooted);
    }
    assert_eq!((network.stats().server_sessions, network.server().half_open(), network.events.len()), (2, 1, 0));
}

#[test]
fn a_finished_that_comes_alone_is_the_newcomers() {
    let mut network = Network::new();
    let (_, old) = network.pair(Host(1));
    let mut rebooted = network.reboot_and_say_hello(Host(1));
    let flight_5 = network.next_of(&mut rebooted).unwrap();
    for record in Records::new(&flight_5) {
        let Record { header, body, .. } = record.unwrap();
        network.deliver(Host(1), SERVER, [&header.to_bytes()[..], body].concat());
    }
    network.drain_server_to(&mut rebooted);
    let new = network.server().session_at(&Host(1)).unwrap();
    assert!(new != old && network.server().info(new).is_some());
}

#[test]
fn once_a_newcomer_is_gone_handshake_messages_are_the_old_sessions_again() {
    let mut network = Network::new();
    let mut client = network.reboot_and_say_hello(Host(1));
    let flight_5 = network.next_of(&mut client).unwrap();
    network.deliver(Host(1), SERVER, flight_5);
    let old = network.server().session_at(&Host(1)).unwrap();
    // Its last flight is lost, and somebody begins anew and comes to nothing.
    drop(network.reboot_and_say_hello(Host(1)));
    let newcomer = network.server().sessions().find(|session| *session != old).unwrap();
    network.server().abort(newcomer);
    network.drain();
    network.under_way.clear();
    network.now = client.poll_timeout().unwrap();
    client.handle_timeout(network.now);
    assert!(network.let_speak(Host(1), &mut client));
    assert!(matches!(client.poll_event(), Some((_, _, Event::Connected))));
}

#[test]
fn when_the_old_session_closes_first_the_address_goes_to_the_new_one() {
    let mut network = Network::new();
    let (_, old) = network.pair(Host(1));
    let mut rebooted = network.reboot_and_say_hello(Host(1));
    network.server().close(old);
    network.server().release(old);
    network.drain_server_to(&mut rebooted);
    let new = network.server().session_at(&Host(1)).unwrap();
    assert_ne!(old, new);
    assert!(network.let_speak(Host(1), &mut rebooted));
    assert!(network.server().info(new).is_some());
}

#[test]
fn of_several_that_begin_anew_the_last_is_heard_though_the_first_is_over_and_gone() {
    let mut network = Network::new();
    let (_, old) = network.pair(Host(1));
    drop(network.reboot_and_say_hello(Host(1)));
    let mut last = network.reboot();
    while network.let_speak(Host(1), &mut last) {}
    let new = network.server().session_at(&Host(1)).unwrap();
    assert_ne!(new, old);
    assert!(network.server().info(new).is_some());
    assert_eq!((network.sessions(), network.server().half_open()), (1, 0));
}

#[test]
fn a_hello_that_leads_nowhere_replaces_nothing_even_where_a_cookie_is_enough() {
    let (mut network, old) = restarted(Replacement::AfterCookie);
    let of_suite = |suite| Configs::new(move |settings| settings.cipher_suites = vec![suite]);
    network.server().set_server_config(of_suite(AES).server);
    network.configs = of_suite(CHACHA);
    drop(network.reboot_and_say_hello(Host(1)));
    assert_eq!(network.server().session_at(&Host(1)), Some(old));
    assert!(network.server().info(old).is_some());
    let failed = Event::Failed(Error::NoCommonCipherSuite);
    assert_eq!(network.events.iter().map(|(.., event)| event.clone()).collect::<Vec<_>>(), [failed]);
    assert_eq!((network.sessions(), network.stats().replaced), (1, 0));
}

#[test]
fn a_handshake_that_is_not_complete_gives_way_at_once() {
    let mut network = Network::new();
    drop(network.reboot_and_say_hello(Host(1)));
    let given_up = network.server().session_at(&Host(1)).unwrap();
    drop(network.reboot_and_say_hello(Host(1)));
    assert_ne!(network.server().session_at(&Host(1)), Some(given_up));
    assert_eq!(network.events, [(SERVER, given_up, Host(1), Event::Ended(Reason::Replaced))]);
    assert_eq!((network.sessions(), network.server().half_open()), (1, 1));
}

#[test]
fn a_late_copy_of_the_hello_of_a_replaced_session_begins_nothing() {
    let mut network = Network::new();
    let mut old = network.reboot();
    let mut recorded = Vec::new();
    while let Some(datagram) = network.next_of(&mut old) {
        recorded.push(datagram.clone());
        network.deliver(Host(1), SERVER, datagram);
        network.drain_server_to(&mut old);
    }
    let (_, new) = network.pair(Host(1));
    network.events.clear();
    for datagram in recorded {
        network.deliver(Host(1), SERVER, datagram);
        network.run();
    }
    assert_eq!((network.sessions(), network.server().half_open()), (1, 0));
    assert_eq!((network.server().session_at(&Host(1)), network.events.len()), (Some(new), 0));
}

#[test]
fn a_dead_session_does_not_keep_its_client_out_of_a_full_endpoint() {
    for limits in [Limits { per_host: 1, ..Limits::default() }, Limits { sessions: 1, ..Limits::default() }] {
        let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
        let (_, mut old) = network.pair(Host(1));
        for _ in 0..3 {
            network.hosts.remove(&Host(1));
            let (_, new) = network.pair(Host(1));
            assert!(new != old && network.server().info(new).is_some(), "{limits:?}");
            // Nobody else gets in meanwhile.
            network.connect(Host(2));
            network.run();
            assert_eq!(network.server().session_at(&Host(2)), None);
            network.hosts.remove(&Host(2));
            network.server().release(old);
            old = new;
        }
        // An owner who releases nothing has two sessions, and the client waits.
        for waiting in 0..3 {
            network.hosts.remove(&Host(1));
            network.connect(Host(1));
            let refused = network.stats().refused;
            network.run();
            assert_eq!((network.server().held(), network.stats().refused - refused), (2, waiting.min(1)), "{limits:?}");
        }
        network.server().release(old);
        assert!(network.jump());
        network.run();
        assert_eq!((network.server().held(), network.events_at(Host(1)).last()), (2, Some(&Event::Connected)));
    }
}

#[test]
fn a_client_that_begins_anew_counts_as_one_with_its_old_session_until_either_is_released() {
    for limits in [Limits { per_host: 2, ..Limits::default() }, Limits { sessions: 2, ..Limits::default() }] {
        let knock = |network: &mut Network, host| {
            network.connect(Host(host));
            network.run();
            let is_in = network.server().session_at(&Host(host)).is_some();
            network.hosts.remove(&Host(host));
            is_in
        };
        let begin = || {
            let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
            let (_, old) = network.pair(Host(1));
            network.hosts.remove(&Host(1));
            drop(network.reboot_and_say_hello(Host(1)));
            // Together they take one place of two.
            assert!(knock(&mut network, 2), "{limits:?}");
            assert!(!knock(&mut network, 3), "{limits:?}");
            assert_eq!(network.server().held(), 3);
            (network, old)
        };
        // Released is the old one, or the newcomer that has come to nothing.
        let (mut network, old) = begin();
        network.server().close(old);
        network.server().release(old);
        network.run();
        assert_eq!(network.server().held(), 2);
        assert!(!knock(&mut network, 3), "{limits:?}");
        let (mut network, old) = begin();
        while network.server().half_open() > 0 {
            assert!(network.jump());
            network.drain();
        }
        let failed = Event::Failed(Error::HandshakeTimeout);
        let (_, newcomer, ..) = network.events.iter().find(|(.., event)| *event == failed).unwrap().clone();
        network.server().release(newcomer);
        assert_eq!((network.server().held(), network.server().session_at(&Host(1))), (2, Some(old)));
        assert!(!knock(&mut network, 3), "{limits:?}");
        assert!(knock(&mut network, 1) && network.server().held() == 3, "{limits:?}");
    }
}

#[test]
fn beside_a_session_that_is_over_nobody_finds_a_place_in_a_full_endpoint() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let (_, old) = network.pair(Host(1));
    let mut rebooted = network.reboot();
    assert!(network.let_speak(Host(1), &mut rebooted));
    // Over, with a close_notify to send: its address is still its own.
    network.server().close(old);
    assert_eq!(network.server().session_at(&Host(1)), Some(old));
    assert!(network.let_speak(Host(1), &mut rebooted));
    assert_eq!((network.server().held(), network.stats().refused), (1, 1));
}

#[test]
fn every_client_of_a_full_host_may_begin_anew() {
    let limits = Limits { per_host: 2, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let hosts = [11, 12].map(Host);
    let old = hosts.map(|host| network.pair(host).1);
    for host in hosts {
        network.hosts.remove(&host);
    }
    let new = hosts.map(|host| network.pair(host).1);
    assert!(new.iter().all(|new| !old.contains(new) && network.server().info(*new).is_some()));
    assert_eq!(network.server().held(), 4);
}

#[test]
fn no_more_clients_begin_anew_beyond_the_limits_than_may_be_half_open() {
    let limits = Limits { sessions: 3, half_open: 2, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let old = [1, 2, 3].map(|host| network.pair(Host(host)).1);
    for host in [1, 2, 3].map(Host) {
        network.hosts.remove(&host);
        network.connect(host);
        network.run();
    }
    // Two have their new sessions, and nobody has released the old ones.
    assert_eq!((network.server().held(), network.server().session_at(&Host(3))), (5, Some(old[2])));
    network.server().release(old[0]);
    assert!(network.jump());
    network.run();
    assert_ne!(network.server().session_at(&Host(3)), Some(old[2]));
    assert_eq!(network.server().held(), 5);
}
