//! Clients that the host decides on.

use dtls_core::wire::enums::AlertDescription;

use super::*;

fn asking() -> Network {
    let mut network = Network::new();
    network.server().set_admission(Admission::Ask);
    network
}

/// Delivers until a client stands at the door.
fn knock(network: &mut Network, from: Host) -> (Handle, crate::Incoming<Host>) {
    let client = network.connect(from);
    network.drain();
    while let Some((from, to, datagram)) = network.under_way.pop_front() {
        network.deliver(from, to, datagram);
        if let Some(incoming) = network.server().poll_incoming() {
            return (client, incoming);
        }
        network.drain();
    }
    panic!("nobody came");
}

#[test]
fn nothing_is_held_of_a_client_until_it_is_accepted() {
    let mut network = asking();
    let (client, incoming) = knock(&mut network, Host(1));
    assert!(network.server().is_bare());
    assert_eq!(*incoming.address(), Host(1));
    let hello = incoming.hello().unwrap();
    let mut suites = network.configs.client.settings().cipher_suites.clone();
    suites.retain(|suite| !suite.name().unwrap().contains("PSK"));
    assert_eq!(hello.cipher_suites, suites);
    let (now, config) = (network.now, Arc::clone(&network.configs.server));
    let server = network.server().accept(now, incoming, config).unwrap();
    network.run();
    assert!(network.events.contains(&(SERVER, server, Host(1), Event::Connected)));
    network.send(Host(1), client, b"in");
    network.run();
    assert_eq!(network.payloads, [(SERVER, server, b"in".to_vec())]);
}

#[test]
fn a_client_that_is_refused_is_told_once_and_nothing_is_held() {
    let mut network = asking();
    let (_, incoming) = knock(&mut network, Host(1));
    network.server().refuse(incoming, AlertDescription::ACCESS_DENIED);
    network.run();
    assert!(network.server().is_bare());
    assert_eq!(network.stats().refused, 1);
    // An alert in the clear is believed when nothing contradicts it for a while.
    assert!(network.jump());
    network.drain();
    let failed = Event::Failed(Error::AlertReceived(AlertDescription::ACCESS_DENIED));
    assert_eq!(network.events_at(Host(1)), [failed]);
}

#[test]
fn a_client_that_is_dropped_or_not_asked_for_comes_again() {
    let mut network = asking();
    let (_, incoming) = knock(&mut network, Host(1));
    drop(incoming);
    assert!(network.jump());
    network.run();
    // It has said hello again, and nobody has asked.
    assert!(!network.server().is_bare());
    assert!(network.jump());
    network.run();
    assert_eq!(network.stats().unanswered, 1);
    let incoming = network.server().poll_incoming().unwrap();
    let (now, config) = (network.now, Arc::clone(&network.configs.server));
    network.server().accept(now, incoming, config).unwrap();
    network.run();
    assert_eq!(network.events_at(Host(1)), [Event::Connected]);
}

#[test]
fn a_new_configuration_is_for_new_clients() {
    let mut network = Network::new();
    let (_, first) = network.pair(Host(1));
    let other = Configs::new(|_| ());
    network.server().set_server_config(Arc::clone(&other.server));
    network.configs = other;
    let (_, second) = network.pair(Host(2));
    assert!([first, second].iter().all(|session| network.server().info(*session).is_some()));
}

#[test]
fn a_hello_that_came_twice_is_accepted_once() {
    let mut network = asking();
    let (_, first) = knock(&mut network, Host(1));
    assert!(network.jump());
    network.run();
    let second = network.server().poll_incoming().unwrap();
    let (now, config) = (network.now, Arc::clone(&network.configs.server));
    let server = network.server().accept(now, first, Arc::clone(&config)).unwrap();
    assert_eq!(network.server().accept(now, second, config), None);
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Connected]);
    assert_eq!((network.sessions(), network.server().session_at(&Host(1))), (1, Some(server)));
}

#[test]
fn a_client_is_not_accepted_where_we_have_become_the_client_ourselves() {
    let mut network = asking();
    let (_, incoming) = knock(&mut network, Host(1));
    let (now, configs) = (network.now, Arc::clone(&network.configs.client));
    let session = network.server().connect(now, Host(1), configs, None).unwrap();
    let config = Arc::clone(&network.configs.server);
    assert_eq!(network.server().accept(now, incoming, config), None);
    assert_eq!((network.sessions(), network.server().session_at(&Host(1))), (1, Some(session)));
}
