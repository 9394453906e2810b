//! Who has to go for whom where there is no room.

use super::*;
use crate::Reason;

#[test]
fn a_full_endpoint_lets_the_idlest_go_if_it_may_and_has_been_idle_long_enough() {
    let limits = Limits { sessions: 2, evict: Some(Duration::from_secs(10)), ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let (first, _) = network.pair(Host(1));
    let (_, second) = network.pair(Host(2));
    network.connect(Host(3));
    network.run();
    assert_eq!((network.stats().refused, network.stats().evicted), (1, 0), "nobody has been idle for long");
    network.now = network.now + Duration::from_secs(20);
    network.send(Host(1), first, b"busy");
    network.run();
    network.server().release(second);
    let now = network.now;
    network.host(Host(3)).handle_timeout(now);
    network.run();
    assert!(network.events.contains(&(SERVER, second, Host(2), Event::Ended(Reason::Evicted))));
    assert_eq!(network.events_at(Host(3)), [Event::Connected]);
    assert_eq!((network.sessions(), network.stats().evicted), (2, 1));
}

#[test]
fn the_old_session_of_a_client_that_begins_anew_makes_no_room_for_others() {
    let limits = Limits { sessions: 2, evict: Some(Duration::from_secs(10)), ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let (_, first) = network.pair(Host(1));
    let (_, second) = network.pair(Host(2));
    network.now = network.now + Duration::from_secs(20);
    network.hosts.remove(&Host(1));
    drop(network.reboot_and_say_hello(Host(1)));
    // The first has been idle longest, and would leave its place to its successor.
    network.connect(Host(3));
    network.run();
    assert_eq!(network.server().session_at(&Host(1)), Some(first));
    assert!(network.events.contains(&(SERVER, second, Host(2), Event::Ended(Reason::Evicted))));
    assert_eq!(network.events_at(Host(3)), [Event::Connected]);
    network.server().release(second);
    network.connect(Host(4));
    network.run();
    assert_eq!((network.server().held(), network.stats().evicted), (3, 1));
}

#[test]
fn a_host_that_releases_nothing_is_not_piled_up_with_evicted_sessions() {
    let limits = Limits { sessions: 3, evict: Some(Duration::from_secs(10)), ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let sessions: Vec<Handle> = (1..=3).map(|host| network.pair(Host(host)).1).collect();
    network.now = network.now + Duration::from_secs(20);
    for host in 4..=6 {
        network.connect(Host(host));
    }
    network.run();
    assert_eq!((network.stats().evicted, network.stats().refused), (1, 2));
    // Nobody is asked for a cookie for nothing.
    let hello = network.hello();
    network.deliver(Host(7), SERVER, hello);
    network.drain();
    assert_eq!((network.under_way.len(), network.stats().refused), (0, 3));
    for session in sessions {
        network.server().release(session);
    }
    assert!(network.jump());
    network.run();
    assert_eq!((network.stats().evicted, network.sessions()), (3, 3));
}

#[test]
fn beside_one_that_had_to_go_and_is_not_released_every_place_can_be_taken() {
    let limits = Limits { sessions: 2, evict: Some(Duration::from_secs(10)), ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let (_, gone) = network.pair(Host(1));
    let (_, second) = network.pair(Host(2));
    network.now = network.now + Duration::from_secs(20);
    network.pair(Host(3));
    assert!(network.events.contains(&(SERVER, gone, Host(1), Event::Ended(Reason::Evicted))));
    network.server().close(second);
    network.server().release(second);
    network.run();
    network.pair(Host(4));
    assert_eq!((network.server().held(), network.sessions(), network.stats().evicted), (3, 2, 1));
    network.server().release(gone);
    let hello = network.hello();
    network.deliver(Host(5), SERVER, hello);
    assert_eq!((network.server().held(), network.stats().refused), (2, 1));
}

fn with_eviction(memory: usize) -> Limits {
    Limits { memory, session_memory: 12_000, evict: Some(Duration::from_secs(10)), ..Limits::default() }
}

/// A server with this much memory, full of sessions that have been idle for a minute, the first of them for longest; with
/// their handles, and what a handshake takes that has just begun.
fn full_by_memory(memory: usize) -> (Network, VecDeque<Handle>, usize) {
    let limits = with_eviction(memory);
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    drop(network.reboot_and_say_hello(Host(1)));
    let of_handshake = network.server().memory();
    let begun = network.server().session_at(&Host(1)).unwrap();
    network.server().abort(begun);
    network.server().release(begun);
    network.drain();
    assert!(network.server().is_bare());
    let mut idle = VecDeque::new();
    for host in 1.. {
        network.connect(Host(host));
        network.run();
        let Some(session) = network.server().session_at(&Host(host)) else { break };
        idle.push_back(session);
        network.now = network.now + Duration::from_secs(1);
    }
    // Those who were refused, and what is left to say, are of no interest any more.
    network.hosts.retain(|host, _| *host == SERVER);
    network.now = network.now + Duration::from_secs(60);
    network.events.clear();
    assert!(network.server().memory() + of_handshake > memory && network.stats().evicted == 0);
    (network, idle, of_handshake)
}

#[test]
fn an_endpoint_that_is_full_by_memory_goes_on_admitting_at_the_price_of_the_longest_idle() {
    for memory in [20_000, 20_900, 21_700, 22_500] {
        let (mut network, mut idle, of_handshake) = full_by_memory(memory);
        let before = idle.len();
        for host in 101..121 {
            let (held, evicted) = (network.server().memory(), network.stats().evicted);
            let of_idle: usize = held / idle.len();
            let (_, new) = network.pair(Host(host));
            assert_eq!(network.events_at(Host(host)), [Event::Connected]);
            // Those that had to go are the longest idle, and with one less there would not have been room.
            let gone = usize::try_from(network.stats().evicted - evicted).unwrap();
            let needed = (held + of_handshake).saturating_sub(memory);
            assert_eq!(gone, needed.div_ceil(of_idle), "{needed} needed, of {of_idle} each");
            for handle in idle.drain(..gone) {
                assert!(
                    network
                        .events
                        .iter()
                        .any(|(_, ended, _, event)| { *ended == handle && *event == Event::Ended(Reason::Evicted) })
                );
                network.server().release(handle);
            }
            assert!(network.server().memory() <= memory, "{}", network.server().memory());
            idle.push_back(new);
            network.now = network.now + Duration::from_secs(15);
        }
        assert!(idle.len() + 1 >= before, "{} of {before}", idle.len());
        assert!(network.stats().evicted >= 15, "{}", network.stats().evicted);
    }
}

#[test]
fn a_handshake_that_grows_makes_room_for_itself_while_it_may_grow_and_there_are_idle_sessions() {
    // What a client with a certificate and so much behind it comes to in an endpoint that is full, and at which price.
    let come = |filler: usize, limits: Limits| {
        let (mut network, idle, _) = full_by_memory(20_000);
        network.configs = Configs::mutual(vec![7; filler], |_| ());
        let (config, of_idle) = (Arc::clone(&network.configs.server), network.server().memory() / idle.len());
        network.server().set_server_config(config);
        network.server().set_limits(limits);
        network.connect(Host(101));
        network.drain();
        while let Some((from, to, datagram)) = network.under_way.pop_front() {
            network.deliver(from, to, datagram);
            network.drain();
            for (_, handle, _, event) in network.events.clone() {
                if event == Event::Ended(Reason::Evicted) {
                    network.server().release(handle);
                }
            }
            assert!(network.server().memory() <= 20_000);
        }
        let (gone, others): (Vec<Event>, Vec<Event>) =
            network.events_at(SERVER).into_iter().partition(|event| *event == Event::Ended(Reason::Evicted));
        (others, gone.len() * of_idle)
    };
    let limits = with_eviction(20_000);
    let (events, taken) = come(3_000, limits);
    assert_eq!(events, [Event::Connected]);
    assert!((5_000..12_000).contains(&taken), "{taken}");
    let (events, taken) = come(40_000, limits);
    assert_eq!(events, [Event::Ended(Reason::Memory)]);
    assert!((5_000..15_000).contains(&taken), "{taken}");
    // Nobody has been idle for long enough.
    let (events, taken) = come(3_000, Limits { evict: Some(Duration::from_secs(1000)), ..limits });
    assert_eq!((events.as_slice(), taken), ([].as_slice(), 0));
}

#[test]
fn nobody_has_to_go_where_that_would_not_be_enough() {
    let (mut network, idle, of_handshake) = full_by_memory(20_000);
    let held = network.server().memory();
    assert!(of_handshake > 500 + held / idle.len(), "one that goes is not enough");
    network.server().set_limits(with_eviction(held + 500));
    let now = network.now;
    network.server().handle_timeout(now);
    for session in idle.iter().skip(1) {
        let mut datagram = Vec::new();
        network.server().send(*session, b"not idle", &mut datagram).unwrap();
    }
    network.connect(Host(101));
    network.run();
    assert_eq!((network.server().session_at(&Host(101)), network.stats().evicted), (None, 0));
    // Ten seconds later they are idle, too.
    network.now = network.now + Duration::from_secs(10);
    let now = network.now;
    network.host(Host(101)).handle_timeout(now);
    network.run();
    assert_eq!((network.events_at(Host(101)), network.stats().evicted), (vec![Event::Connected], 2));
}

#[test]
fn nobody_else_has_to_go_for_memory_until_those_that_had_to_are_released() {
    let (mut network, idle, of_handshake) = full_by_memory(20_000);
    let held = network.server().memory();
    let of_idle = held / idle.len();
    for host in 101..=105 {
        network.connect(Host(host));
        network.run();
    }
    let connected = (101..=105).filter(|host| network.events_at(Host(*host)) == [Event::Connected]).count();
    assert_eq!((connected, network.stats().refused), (1, 5));
    // Beyond the limit is no more than the new session, until what had to go is released.
    let gone = usize::try_from(network.stats().evicted).unwrap();
    assert_eq!(gone, (held + of_handshake - 20_000).div_ceil(of_idle));
    assert!(network.server().memory() <= 20_000 + of_handshake);
    for handle in idle.iter().take(gone) {
        network.server().release(*handle);
    }
    assert!(network.server().memory() <= 20_000);
    // The others repeat their hellos, and one gets in.
    assert!(network.jump());
    network.run();
    let connected = (101..=105).filter(|host| network.events_at(Host(*host)) == [Event::Connected]).count();
    assert_eq!(connected, 2);
}

#[test]
fn nobody_has_to_go_for_a_client_that_has_shown_nothing_or_has_failed_already() {
    let (mut network, idle, _) = full_by_memory(20_000);
    let hello = network.hello();
    network.deliver(Host(101), SERVER, hello);
    let mut reply = Vec::new();
    let now = network.now;
    assert_eq!(network.server().poll_transmit(now, &mut reply), Some(Host(101)), "somebody may go for it");
    let of_suite = |suite| Configs::new(move |settings| settings.cipher_suites = vec![suite]);
    network.server().set_server_config(of_suite(AES).server);
    network.configs = of_suite(CHACHA);
    network.server().set_limits(Limits { sessions: idle.len(), ..with_eviction(20_000) });
    drop(network.reboot_and_say_hello(Host(102)));
    assert_eq!((network.stats().evicted, network.stats().refused, network.events.len()), (0, 2, 0));
    // It was not for want of anybody.
    network.server().set_server_config(of_suite(CHACHA).server);
    drop(network.reboot_and_say_hello(Host(103)));
    assert_eq!(network.server().half_open(), 1);
}

#[test]
fn the_old_session_of_a_client_does_not_have_to_go_for_the_clients_own_new_handshake() {
    let (mut network, idle, _) = full_by_memory(20_000);
    drop(network.reboot_and_say_hello(Host(1)));
    assert_eq!(network.server().session_at(&Host(1)), Some(idle[0]));
    let gone: Vec<Handle> = network.events.iter().map(|(_, handle, ..)| *handle).collect();
    assert_eq!(gone, idle.iter().copied().skip(1).take(gone.len()).collect::<Vec<_>>());
    assert!(!gone.is_empty() && network.server().half_open() == 1);
}

#[test]
fn nobody_has_to_go_when_limits_become_lower() {
    for limits in [with_eviction(10_000), Limits { sessions: 3, ..with_eviction(20_000) }] {
        let (mut network, idle, _) = full_by_memory(20_000);
        network.server().set_limits(limits);
        network.connect(Host(101));
        network.run();
        assert_eq!((network.sessions(), network.stats().evicted), (idle.len(), 0));
    }
    // Nor for a handshake that was under way.
    let (mut network, idle, of_handshake) = full_by_memory(20_000);
    network.server().set_limits(with_eviction(20_000 + of_handshake));
    let mut client = network.reboot_and_say_hello(Host(101));
    let begun = network.server().session_at(&Host(101)).unwrap();
    network.server().set_limits(with_eviction(10_000));
    assert!(network.let_speak(Host(101), &mut client));
    assert_eq!(network.events, [(SERVER, begun, Host(101), Event::Ended(Reason::Memory))]);
    assert_eq!(network.sessions(), idle.len());
}
