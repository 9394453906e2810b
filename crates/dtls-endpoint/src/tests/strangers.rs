//! Datagrams from addresses without a session.

use super::*;

#[test]
fn junk_from_anywhere_is_counted_and_holds_nothing() {
    let mut network = Network::new();
    let hello = network.hello();
    let mut junk: Vec<Vec<u8>> = vec![vec![], vec![0], b"junk".to_vec(), vec![22; 1500], vec![255; 13]];
    // A hello cut short, of another epoch, of another type.
    junk.push(hello[..40].to_vec());
    junk.extend([(4, 1), (0, 23), (13, 2)].map(|(at, byte)| {
        let mut broken = hello.clone();
        broken[at] = byte;
        broken
    }));
    let count = u64::try_from(junk.len()).unwrap();
    for (host, datagram) in (1..).map(Host).zip(junk) {
        network.deliver(host, SERVER, datagram);
    }
    network.drain();
    assert!(network.under_way.is_empty());
    assert_eq!(network.sessions(), 0);
    assert_eq!(network.server().poll_timeout(), None);
    assert_eq!((network.stats().rejected, network.stats().datagrams_sent), (count, 0));
}

#[test]
fn a_hello_without_a_cookie_gets_a_shorter_answer_and_holds_nothing() {
    let mut network = Network::new();
    for host in (1..1000).map(Host) {
        let hello = network.hello();
        let len = hello.len();
        network.deliver(host, SERVER, hello);
        network.drain();
        let (_, to, reply) = network.under_way.pop_front().unwrap();
        assert_eq!(to, host);
        assert!(reply.len() <= len);
        assert!(network.under_way.is_empty());
    }
    assert_eq!(network.sessions(), 0);
    assert_eq!(network.server().poll_timeout(), None);
    assert!(network.stats().bytes_sent <= network.stats().bytes_received);
}

#[test]
fn answers_that_nobody_takes_are_not_piled_up() {
    let mut network = Network::new();
    let hello = network.hello();
    for host in (1..=1000).map(Host) {
        network.deliver(host, SERVER, hello.clone());
    }
    network.drain();
    assert_eq!(network.under_way.len(), 64);
    assert_eq!(network.stats().unanswered, 1000 - 64);
}

#[test]
fn a_cookie_is_good_only_at_the_address_it_was_sent_to() {
    let mut network = Network::new();
    network.connect(Host(1));
    let deliver_next = |network: &mut Network| {
        network.drain();
        let (from, to, datagram) = network.under_way.pop_front().unwrap();
        network.deliver(from, to, datagram);
    };
    deliver_next(&mut network);
    deliver_next(&mut network);
    network.drain();
    let (_, _, with_cookie) = network.under_way.pop_front().unwrap();
    network.deliver(Host(2), SERVER, with_cookie.clone());
    assert_eq!(network.sessions(), 0);
    network.deliver(Host(1), SERVER, with_cookie);
    assert_eq!(network.sessions(), 1);
}

#[test]
fn endpoints_that_share_a_secret_take_each_others_cookies() {
    for shares in [true, false] {
        let mut network = Network::new();
        let provider = Arc::clone(network.configs.server.provider());
        let lifetime = dtls_core::CookieJar::DEFAULT_LIFETIME;
        let jar = |secret| dtls_core::CookieJar::with_shared_secret(Arc::clone(&provider), &[secret; 32], lifetime);
        network.server().set_cookie_jar(jar(1));
        network.connect(Host(1));
        network.drain();
        let (from, to, hello) = network.under_way.pop_front().unwrap();
        network.deliver(from, to, hello);
        network.drain();
        // The next datagram comes to another machine.
        let config = Arc::clone(&network.configs.server);
        let mut other = Endpoint::new(network.now, Some(config), CookiePolicy::Required, Limits::default()).unwrap();
        other.set_cookie_jar(jar(if shares { 1 } else { 2 }));
        network.hosts.insert(SERVER, other);
        let (from, to, answer) = network.under_way.pop_front().unwrap();
        network.deliver(from, to, answer);
        network.drain();
        let (from, to, hello) = network.under_way.pop_front().unwrap();
        network.deliver(from, to, hello);
        assert_eq!(network.sessions(), usize::from(shares));
    }
}

#[test]
fn a_client_only_endpoint_answers_no_hello() {
    let mut network = Network::new();
    let hello = network.hello();
    network.host(Host(1));
    network.deliver(Host(2), Host(1), hello);
    network.drain();
    assert!(network.under_way.is_empty());
    assert_eq!(network.host(Host(1)).stats().rejected, 1);
}

#[test]
fn on_a_trusted_path_a_hello_begins_a_session_and_junk_does_not() {
    let mut network = Network::with(CookiePolicy::TrustedPath, Limits::default(), |_| ());
    network.deliver(Host(1), SERVER, b"junk".to_vec());
    assert_eq!(network.sessions(), 0);
    let (client, _) = network.pair(Host(1));
    assert_eq!(network.host(Host(1)).session_stats(client).unwrap().datagrams_sent, 2);
}
