//! How sessions end, and what is left of them.

use super::*;

#[test]
fn a_close_is_heard_and_gives_the_address_back_on_both_sides() {
    let mut network = Network::new();
    let (client, _) = network.pair(Host(1));
    network.host(Host(1)).close(client);
    network.run();
    assert_eq!(network.events_at(Host(1)), [Event::Connected]);
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
    assert_eq!(network.host(Host(1)).len(), 0);
    assert_eq!(network.sessions(), 0);
    assert_eq!(network.server().poll_timeout(), None);
}

#[test]
fn a_session_that_the_peer_has_closed_answers_until_it_is_released() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.send(Host(1), client, b"counted");
    network.run();
    network.host(Host(1)).close(client);
    network.run();
    // The address has another session meanwhile, and time goes by.
    let (_, new_server) = network.pair(Host(1));
    while network.jump() {
        network.run();
    }
    let (mut ours, mut theirs) = ([0; 20], [1; 20]);
    network.host(Host(1)).export(client, b"EXPERIMENTAL", None, &mut ours).unwrap();
    let endpoint = network.server();
    endpoint.export(server, b"EXPERIMENTAL", None, &mut theirs).unwrap();
    assert_eq!(ours, theirs);
    assert_eq!(endpoint.info(server).unwrap().role, Role::Server);
    assert_eq!(endpoint.session_stats(server).unwrap().application_records_received, 1);
    assert_eq!(endpoint.remote_address(server), Some(&Host(1)));
    endpoint.release(server);
    assert!(endpoint.export(server, b"EXPERIMENTAL", None, &mut theirs).is_err());
    assert_eq!(endpoint.session_stats(server), None);
    assert_eq!(endpoint.session_at(&Host(1)), Some(new_server));
}

#[test]
fn sessions_that_are_over_count_towards_the_limit_until_they_are_released() {
    let mut network = Network::with(CookiePolicy::Required, Limits { sessions: 2, ..Limits::default() }, |_| ());
    let mut over = Vec::new();
    for _ in 0..2 {
        let (client, server) = network.pair(Host(1));
        network.host(Host(1)).close(client);
        network.run();
        over.push(server);
    }
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    let refused = network.server().connect(now, Host(9), Arc::clone(&config), None);
    assert_eq!(refused, Err(ConnectError::TooManySessions));
    let hello = network.hello();
    network.deliver(Host(2), SERVER, hello);
    assert_eq!((network.sessions(), network.stats().refused), (0, 1));
    network.server().release(over[0]);
    network.pair(Host(2));
}

#[test]
fn a_session_released_before_its_end_goes_on_and_still_says_goodbye() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.host(Host(1)).release(client);
    network.send(Host(1), client, b"goes on");
    network.run();
    assert_eq!(network.payloads, [(SERVER, server, b"goes on".to_vec())]);
    network.host(Host(1)).close(client);
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
    assert!(network.host(Host(1)).is_bare());
}

#[test]
fn a_session_is_kept_until_its_alert_has_left_and_its_events_are_polled() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.host(Host(1)).close(client);
    let mut goodbye = Vec::new();
    let _ = network.host(Host(1)).poll_transmit(Instant::ORIGIN, &mut goodbye);
    network.deliver(Host(1), SERVER, goodbye);
    let endpoint = network.server();
    let still_there = |endpoint: &mut Endpoint<Host>| {
        endpoint.handle_timeout(Instant::ORIGIN);
        endpoint.session_at(&Host(1)) == Some(server)
    };
    assert!(still_there(endpoint));
    assert_eq!(endpoint.poll_event(), Some((server, Host(1), Event::Closed)));
    assert_eq!(endpoint.poll_event(), None);
    assert!(still_there(endpoint));
    assert_eq!(endpoint.poll_transmit(Instant::ORIGIN, &mut Vec::new()), Some(Host(1)));
    assert!(still_there(endpoint));
    assert_eq!(endpoint.poll_transmit(Instant::ORIGIN, &mut Vec::new()), None);
    assert!(!still_there(endpoint));
}

#[test]
fn an_abort_is_silent_and_frees_the_session() {
    let mut network = Network::new();
    let (client, _) = network.pair(Host(1));
    network.host(Host(1)).abort(client);
    network.drain();
    assert!(network.under_way.is_empty());
    assert_eq!(network.host(Host(1)).len(), 0);
}

#[test]
fn a_handle_is_never_good_for_a_later_session() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.host(Host(1)).close(client);
    network.run();
    network.server().release(server);
    let (_, new_server) = network.pair(Host(1));
    assert_ne!(server, new_server);
    let endpoint = network.server();
    assert_eq!(endpoint.send(server, b"x", &mut Vec::new()), Err(SendError::Closed));
    assert_eq!(endpoint.seal_in_place(server, &mut [0; 100], 1), Err(SendError::Closed));
    assert_eq!((endpoint.info(server), endpoint.remote_address(server)), (None, None));
    assert_eq!((endpoint.max_payload(server), endpoint.headroom(server), endpoint.tailroom(server)), (0, 0, 0));
    assert!(endpoint.export(server, b"EXPERIMENTAL", None, &mut []).is_err());
    assert!(endpoint.srtp_keys(server).is_err());
    endpoint.close(server);
    endpoint.abort(server);
    endpoint.release(server);
    network.run();
    assert_eq!(network.server().session_at(&Host(1)), Some(new_server));
    assert!(network.server().info(new_server).is_some());
}

#[test]
fn sessions_that_come_and_go_leave_nothing_behind() {
    let mut network = Network::new();
    for round in 0..20 {
        let (client, server) = network.pair(Host(1));
        if round % 2 == 0 {
            network.host(Host(1)).close(client)
        } else {
            network.server().close(server)
        }
        network.run();
        network.host(Host(1)).release(client);
        network.server().release(server);
    }
    for endpoint in network.hosts.values_mut() {
        assert_eq!(endpoint.len(), 0);
        assert_eq!(endpoint.poll_timeout(), None);
        assert!(endpoint.is_bare(), "{endpoint:?}");
    }
    assert_eq!(network.stats().server_sessions, 20);
}
