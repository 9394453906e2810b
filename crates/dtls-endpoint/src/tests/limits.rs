//! What an endpoint does not take on, and what it lets go unasked.

use super::*;

#[test]
fn beyond_its_limits_an_endpoint_is_silent() {
    let limits = Limits { sessions: 3, half_open: 2, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::TrustedPath, limits, |_| ());
    for host in (1..=4).map(Host) {
        let hello = network.hello();
        network.deliver(host, SERVER, hello);
    }
    assert_eq!((network.server().half_open(), network.stats().refused), (2, 2));
    // Those two never go on, and are given up. They are in the way until they are released.
    while network.jump() {
        network.drain();
    }
    assert_eq!(
        network.events_at(SERVER),
        [Event::Failed(Error::HandshakeTimeout), Event::Failed(Error::HandshakeTimeout)]
    );
    assert_eq!((network.server().half_open(), network.sessions()), (0, 0));
    for (_, handle, ..) in core::mem::take(&mut network.events) {
        assert_eq!(network.server().session_stats(handle).unwrap().datagrams_received, 1);
        network.server().release(handle);
        assert_eq!(network.server().session_stats(handle), None);
    }
    network.under_way.clear();
    for host in (5..=7).map(Host) {
        network.pair(host);
    }
    let hello = network.hello();
    network.deliver(Host(8), SERVER, hello);
    assert_eq!((network.sessions(), network.stats().refused), (3, 3));
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    assert_eq!(network.server().connect(now, Host(9), config, None), Err(ConnectError::TooManySessions));
}

#[test]
fn a_busy_endpoint_is_silent_to_new_clients_and_serves_the_others() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.server().set_admission(Admission::Busy);
    let hello = network.hello();
    network.deliver(Host(2), SERVER, hello.clone());
    network.send(Host(1), client, b"served");
    network.run();
    assert_eq!((network.stats().busy, network.sessions()), (1, 1));
    assert_eq!(network.payloads, [(SERVER, server, b"served".to_vec())]);
    network.server().set_admission(Admission::Open);
    network.pair(Host(2));
}

#[test]
fn the_sessions_of_one_host_are_counted() {
    let limits = Limits { per_host: 2, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    for host in [11, 12, 13, 21] {
        network.connect(Host(host));
    }
    network.run();
    assert_eq!((network.sessions(), network.stats().refused), (3, 1));
    let one = network.server().session_at(&Host(11)).unwrap();
    network.server().close(one);
    network.server().release(one);
    network.run();
    // The third repeats its hello, and finds room.
    while network.server().session_at(&Host(13)).is_none() {
        assert!(network.jump());
        network.run();
    }
}

#[test]
fn a_session_without_data_is_ended_after_its_time_and_data_either_way_is_a_reason_to_stay() {
    let limits = Limits { idle: Some(Duration::from_secs(100)), ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let sessions: Vec<(Handle, Handle)> = (1..=3).map(|host| network.pair(Host(host))).collect();
    let began = network.now;
    network.events.clear();
    for seconds in [40, 80, 120, 160] {
        network.now = began + Duration::from_secs(seconds);
        let now = network.now;
        network.server().handle_timeout(now);
        network.send(Host(1), sessions[0].0, b"up");
        network.send(SERVER, sessions[1].1, b"down");
        network.run();
    }
    let ended = (SERVER, sessions[2].1, Host(3), Event::Ended(crate::Reason::Idle));
    assert_eq!(network.events, [ended, (Host(3), sessions[2].0, SERVER, Event::Closed)], "with a close_notify");
    // The other two end 100 s after their last data, by returned deadlines alone.
    while network.sessions() > 0 {
        let next = network.server().poll_timeout().unwrap();
        assert!(next <= began + Duration::from_secs(260));
        network.now = next;
        network.server().handle_timeout(next);
        network.run();
    }
    assert_eq!((network.now, network.stats().idle), (began + Duration::from_secs(260), 3));
}

#[test]
fn memory_has_a_ceiling_for_one_session_and_for_all() {
    let mut network = Network::new();
    network.pair(Host(1));
    let of_one = network.server().memory();
    assert!((1000..20_000).contains(&of_one), "{of_one}");
    network.pair(Host(2));
    assert!(network.server().memory() > of_one + 1000);

    let limits = Limits { session_memory: 1000, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    network.connect(Host(1));
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Ended(crate::Reason::Memory)]);
    assert_eq!(network.server().half_open(), 0);

    let limits = Limits { memory: 4000, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    let of_client = network.server().connect(now, Host(1), Arc::clone(&config), None).unwrap();
    assert!(
        (2001..4000).contains(&network.server().session_memory(of_client).unwrap()),
        "room for one, but not for two"
    );
    assert_eq!(network.server().connect(now, Host(2), config, None), Err(ConnectError::TooManySessions));

    let limits = Limits { memory: of_one, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    for host in 1..=9 {
        network.connect(Host(host));
        network.run();
        assert!(network.server().memory() <= of_one + 8000);
    }
    assert!(network.stats().refused > 0);
}

#[test]
fn datagrams_of_one_size_are_written_as_one_batch() {
    let mut network = Network::with(CookiePolicy::TrustedPath, Limits::default(), |settings| settings.mtu = 256);
    let client = network.connect(Host(1));
    let mut whole = Vec::new();
    let now = network.now;
    let batch = network.host(Host(1)).poll_transmit_batch(now, 10, &mut whole).unwrap();
    assert_eq!(batch.to, SERVER);
    network.deliver(Host(1), SERVER, whole);
    let (mut batches, mut datagrams) = (0, 0);
    let mut out = Vec::new();
    while let Some(batch) = network.server().poll_transmit_batch(now, 10, &mut out) {
        assert_eq!(out.len().div_ceil(batch.datagram_len), batch.datagrams);
        let pieces: Vec<Vec<u8>> = out.chunks(batch.datagram_len).map(<[u8]>::to_vec).collect();
        datagrams += pieces.len();
        batches += 1;
        for piece in pieces {
            network.deliver(SERVER, Host(1), piece);
        }
        out.clear();
    }
    assert!(batches < datagrams, "{batches} batches, {datagrams} datagrams");
    assert_eq!(network.stats().datagrams_sent, u64::try_from(datagrams).unwrap());
    network.run();
    assert!(network.host(Host(1)).info(client).is_some());
}

#[test]
fn no_ceiling_of_memory_is_passed_by_what_one_datagram_brings() {
    // A client whose certificates come in one datagram with all the rest of its flight.
    let with_long_chain = |limits| {
        let mut network = Network::with(CookiePolicy::Required, limits, |settings| settings.mtu = 65_535);
        network.configs = Configs::mutual(vec![7; 50_000], |settings| settings.mtu = 65_535);
        let config = Arc::clone(&network.configs.server);
        network.server().set_server_config(config);
        network.connect(Host(1));
        network.run();
        network
    };
    let mut unlimited = with_long_chain(Limits::default());
    assert_eq!(unlimited.events_at(SERVER), [Event::Connected]);
    assert!(unlimited.server().memory() > 50_000);
    for limits in
        [Limits { session_memory: 40_000, ..Limits::default() }, Limits { memory: 40_000, ..Limits::default() }]
    {
        let mut network = with_long_chain(limits);
        assert_eq!(network.events_at(SERVER), [Event::Ended(crate::Reason::Memory)]);
        assert!(network.server().memory() < 40_000);
    }
}

#[test]
fn new_clients_are_refused_before_they_pass_the_ceiling_of_memory() {
    let limits = Limits { memory: 30_000, ..Limits::default() };
    let mut network = Network::with(CookiePolicy::Required, limits, |_| ());
    for host in 1..=40 {
        network.connect(Host(host));
        network.run();
        assert!(network.server().memory() <= 30_000, "{}", network.server().memory());
    }
    assert!((4..15).contains(&network.sessions()), "{}", network.sessions());
    assert!(network.stats().refused >= 20);
    assert_eq!(network.stats().evicted, 0);
}

#[test]
fn memory_is_known_to_be_less_once_the_last_flight_and_the_certificates_are_gone() {
    let mut network = Network::new();
    network.configs = Configs::mutual(vec![7; 1000], |_| ());
    let config = Arc::clone(&network.configs.server);
    network.server().set_server_config(config);
    let (_, server) = network.pair(Host(1));
    let connected = network.server().memory();
    assert_eq!(network.server().take_peer_certificates(server).len(), 2);
    let without_certificates = network.server().memory();
    assert!(without_certificates + 1000 < connected);
    while network.jump() {
        network.run();
    }
    assert!(network.server().memory() < without_certificates);
}
