//! Sessions side by side.

use super::*;

#[test]
fn many_clients_of_one_server_each_have_a_session_of_their_own() {
    let mut network = Network::new();
    let clients: Vec<(Host, Handle)> = (1..=50).map(Host).map(|host| (host, network.connect(host))).collect();
    network.run();
    assert_eq!(network.sessions(), 50);
    assert_eq!(network.server().half_open(), 0);
    for (host, client) in &clients {
        network.send(*host, *client, host.cookie_bytes().as_ref());
    }
    network.run();
    let payloads = core::mem::take(&mut network.payloads);
    assert_eq!(payloads.len(), 50);
    for (at, server, payload) in payloads {
        let peer = *network.server().remote_address(server).unwrap();
        assert_eq!((at, &payload[..]), (SERVER, peer.cookie_bytes().as_ref()));
        assert_eq!(network.server().info(server).unwrap().role, Role::Server);
        network.send(SERVER, server, b"answer");
    }
    network.run();
    for (host, client) in clients {
        assert!(network.payloads.contains(&(host, client, b"answer".to_vec())));
        assert_eq!(network.events_at(host), [Event::Connected]);
    }
    let stats = network.stats();
    assert_eq!((stats.server_sessions, stats.client_sessions, stats.rejected, stats.refused), (50, 0, 0, 0));
    // Two hellos, one flight and the data from each; the cookie, two flights and the answer to each.
    assert_eq!((stats.datagrams_received, stats.datagrams_sent), (200, 200));
}

#[test]
fn one_endpoint_is_client_and_server_at_once() {
    let mut network = Network::new();
    let config = Arc::clone(&network.configs.server);
    let other = Endpoint::new(Instant::ORIGIN, Some(config), CookiePolicy::Required, Limits::default()).unwrap();
    network.hosts.insert(Host(1), other);
    let (client, server) = network.pair(Host(1));
    let config = Arc::clone(&network.configs.client);
    let to_other = network.server().connect(Instant::ORIGIN, Host(2), Arc::clone(&config), None).unwrap();
    // An address that has a session, of either role, cannot be connected to.
    for host in [Host(1), Host(2)] {
        let again = network.server().connect(Instant::ORIGIN, host, Arc::clone(&config), None);
        assert_eq!(again, Err(ConnectError::AddressInUse));
    }
    assert_ne!(server, to_other);
    assert_eq!(network.host(Host(1)).info(client).unwrap().role, Role::Client);
    assert_eq!((network.stats().server_sessions, network.stats().client_sessions), (1, 1));
    assert_eq!(network.server().half_open(), 0);
}

#[test]
fn both_ends_export_the_same() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    let (mut ours, mut theirs) = ([0; 20], [0; 20]);
    network.host(Host(1)).export(client, b"EXPERIMENTAL", None, &mut ours).unwrap();
    network.server().export(server, b"EXPERIMENTAL", None, &mut theirs).unwrap();
    assert_eq!(ours, theirs);
    assert_ne!(ours, [0; 20]);
}

#[test]
fn a_payload_sealed_in_place_arrives() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    let endpoint = network.host(Host(1));
    let (headroom, tailroom) = (endpoint.headroom(client), endpoint.tailroom(client));
    let mut buffer = vec![0; headroom + 5 + tailroom];
    buffer[headroom..headroom + 5].copy_from_slice(b"hello");
    let (to, datagram) = endpoint.seal_in_place(client, &mut buffer, 5).unwrap();
    assert_eq!((to, datagram.len()), (SERVER, buffer.len()));
    let sent = endpoint.stats().bytes_sent;
    network.deliver(Host(1), SERVER, buffer[datagram].to_vec());
    assert_eq!(network.payloads, [(SERVER, server, b"hello".to_vec())]);
    assert_eq!(network.stats().bytes_received, sent);
}

#[test]
fn what_a_caller_leaves_of_a_datagram_is_handled_all_the_same() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    let mut datagram = Vec::new();
    for payload in [b"one", b"two"] {
        network.host(Host(1)).send(client, payload, &mut datagram).unwrap();
    }
    network.host(Host(1)).close(client);
    let _ = network.host(Host(1)).poll_transmit(Instant::ORIGIN, &mut datagram);
    let mut received = network.server().receive(Instant::ORIGIN, Host(1), &mut datagram);
    let (handle, payload) = received.next().unwrap();
    assert_eq!((handle, &payload[..]), (server, &b"one"[..]));
    drop(received);
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
}

#[test]
fn sessions_with_something_to_send_take_turns() {
    let mut network = Network::with(CookiePolicy::TrustedPath, Limits::default(), |settings| settings.mtu = 256);
    for host in [Host(1), Host(2)] {
        let hello = {
            network.connect(host);
            let mut hello = Vec::new();
            let _ = network.host(host).poll_transmit(Instant::ORIGIN, &mut hello);
            hello
        };
        network.deliver(host, SERVER, hello);
    }
    // The certificate alone takes more than one datagram.
    let mut turns = Vec::new();
    while let Some(to) = network.server().poll_transmit(Instant::ORIGIN, &mut Vec::new()) {
        turns.push(to);
    }
    assert!(turns.len() >= 6);
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
}

#[test]
fn a_datagram_of_application_data_queues_nothing_and_one_with_more_in_it_is_looked_at() {
    let mut network = Network::new();
    let (client, _) = network.pair(Host(1));
    for _ in 0..3 {
        let mut datagram = Vec::new();
        network.host(Host(1)).send(client, b"data", &mut datagram).unwrap();
        network.deliver(Host(1), SERVER, datagram);
        assert!(network.server().is_settled_without_traces());
    }
    let mut datagram = Vec::new();
    network.host(Host(1)).send(client, b"data", &mut datagram).unwrap();
    network.host(Host(1)).close(client);
    let _ = network.host(Host(1)).poll_transmit(Instant::ORIGIN, &mut datagram);
    network.deliver(Host(1), SERVER, datagram);
    assert!(!network.server().is_settled_without_traces());
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
}

#[test]
fn a_repetition_of_the_last_flight_is_answered_also_behind_application_data_in_one_datagram() {
    for behind_data in [false, true] {
        let mut network = Network::new();
        let mut client = network.reboot_and_say_hello(Host(1));
        let session = client.sessions().next().unwrap();
        // Flight 6 is late.
        let flight_5 = network.next_of(&mut client).unwrap();
        network.deliver(Host(1), SERVER, flight_5);
        let flight_6 = |network: &mut Network| {
            let (now, mut out) = (network.now, Vec::new());
            network.server().poll_transmit(now, &mut out).map(|_| out)
        };
        let mut late = flight_6(&mut network).unwrap();
        assert_eq!(flight_6(&mut network), None);
        network.now = client.poll_timeout().unwrap();
        client.handle_timeout(network.now);
        let repeated = network.next_of(&mut client).unwrap();
        drop(client.receive(network.now, SERVER, &mut late));
        let mut datagram = Vec::new();
        if behind_data {
            client.send(session, b"data", &mut datagram).unwrap();
        }
        datagram.extend(repeated);
        network.deliver(Host(1), SERVER, datagram);
        assert_eq!(network.payloads.len(), usize::from(behind_data));
        assert!(flight_6(&mut network).is_some(), "behind data: {behind_data}");
    }
}

#[test]
fn a_pre_shared_key_that_differs_is_told_and_the_end_of_the_handshake_too() {
    let provider = Arc::new(ring::provider());
    let psk = |key| PskIdentity::new(b"sensor".to_vec(), vec![key; 16]).unwrap();
    let mut network = Network::new();
    let server = ServerConfig::builder(Arc::clone(&provider)).preshared_keys(Arc::new(Psks::new().with(psk(1))));
    network.server().set_server_config(Arc::new(server.build().unwrap()));
    let client = ClientConfig::builder(provider).preshared_key(Arc::new(psk(2)));
    network.configs.client = Arc::new(client.build().unwrap());
    network.connect(Host(1));
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::KeysProbablyDiffer]);
    while network.server().half_open() > 0 {
        assert!(network.jump());
        network.run();
    }
    assert_eq!(network.events_at(SERVER)[1..], [Event::Failed(Error::HandshakeTimeout)]);
    // Long before the deadline of the handshake, though the client has repeated its Finished meanwhile.
    assert_eq!(network.now, Instant::ORIGIN + Duration::from_secs(10));
}
