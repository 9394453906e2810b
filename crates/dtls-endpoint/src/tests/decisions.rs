//! Sessions that ask their owner.

use super::*;
use dtls_core::config::Selected;
use dtls_core::{Answer, AskOwner, NotAsked, Question};

/// A server whose owner picks a configuration for each client; the one to pick is that of the network.
fn asking() -> Network {
    let mut network = Network::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let provider = Arc::new(ring::provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let identity = Identity::new(&provider, vec![made.cert.der().clone()], key).unwrap();
    let config = ServerConfig::builder(provider).identity(identity).select(Arc::new(AskOwner)).build().unwrap();
    network.server().set_server_config(Arc::new(config));
    network
}

fn pick(network: &Network) -> Answer {
    Answer::Config(Some(Selected { config: Arc::clone(&network.configs.server), by_name: false }))
}

#[test]
fn answers_reach_the_sessions_that_asked_in_any_order() {
    let mut network = asking();
    let (first, second) = (network.pair(Host(11)).1, network.pair(Host(12)).1);
    assert_eq!(network.events_at(SERVER), [Event::Asked, Event::Asked]);
    assert!(matches!(network.server().question(first), Some(Question::Config(_))));
    for handle in [second, first] {
        let (now, answer) = (network.now, pick(&network));
        network.server().answer(now, handle, answer).unwrap();
        assert!(network.server().question(handle).is_none());
        network.run();
        assert!(network.server().info(handle).is_some());
    }
    let connected: Vec<_> =
        network.events.iter().filter(|(at, _, _, event)| (*at, event) == (SERVER, &Event::Connected)).collect();
    assert_eq!(connected.iter().map(|(_, handle, _, _)| *handle).collect::<Vec<_>>(), [second, first]);
}

#[test]
fn a_session_that_is_gone_takes_no_answer() {
    let mut network = asking();
    let handle = network.pair(Host(11)).1;
    network.server().abort(handle);
    let (now, answer) = (network.now, pick(&network));
    assert_eq!(network.server().answer(now, handle, answer), Err(NotAsked));
    network.server().release(handle);
    network.run();
    let answer = pick(&network);
    assert_eq!(network.server().answer(now, handle, answer), Err(NotAsked));
    assert!(network.server().question(handle).is_none());
}

#[test]
fn an_answer_that_comes_too_late_ends_its_session_at_once() {
    let mut network = asking();
    let handle = network.pair(Host(11)).1;
    let (late, answer) = (network.server().poll_timeout().unwrap(), pick(&network));
    assert_eq!(network.server().answer(late, handle, answer), Err(NotAsked));
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Asked, Event::Failed(Error::HandshakeTimeout)]);
    assert_eq!(network.server().half_open(), 0);
}

#[test]
fn a_session_that_waits_for_an_answer_ends_at_the_deadline_of_its_handshake() {
    let mut network = asking();
    let handle = network.pair(Host(11)).1;
    assert_eq!(network.server().half_open(), 1);
    while network.jump() {
        network.run();
    }
    assert_eq!(network.events_at(SERVER), [Event::Asked, Event::Failed(Error::HandshakeTimeout)]);
    assert!(network.server().question(handle).is_none());
    assert_eq!(network.server().half_open(), 0);
}
