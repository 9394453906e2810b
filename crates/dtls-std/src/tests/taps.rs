//! What a tap sees, and sockets that come to grief.

use super::*;

#[test]
fn a_tap_sees_every_datagram_both_ways() {
    let party = Party::new();
    let (tap, seen) = TestTap::new();
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let (client, server) = party.pair(&endpoint);
    client.send(b"hello").unwrap();
    receive(&server);
    endpoint.close();
    let seen: Vec<_> = seen.try_iter().collect();
    let totals = [Way::In, Way::Out].map(|way| {
        let lengths = seen.iter().filter(|(at, ..)| *at == way).map(|(.., len)| u64::try_from(*len).unwrap());
        lengths.fold((0, 0), |(count, bytes), len| (count + 1, bytes + len))
    });
    let stats = endpoint.stats();
    assert_eq!(totals[0], (stats.datagrams_received, stats.bytes_received));
    assert_eq!(totals[1], (stats.datagrams_sent, stats.bytes_sent));
    assert!(seen.iter().all(|(_, peer, _)| *peer == client.local_addr()));
}

#[test]
fn datagrams_lost_on_their_way_are_sent_again_in_time() {
    let party = Party::new();
    let endpoint = party.listen();
    let (mut tap, _seen) = TestTap::new();
    // The hello twice, then the hello with the cookie gets through at once.
    tap.losses = 2;
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let hasty = party.client_with(|settings| settings.first_timeout = Duration::from_millis(20));
    let client = connect_with(endpoint.local_addr(), None, hasty, options).unwrap();
    let handshake_time = client.stats().handshake_time.unwrap();
    assert!(handshake_time >= Duration::from_millis(20 + 40), "{handshake_time:?}");
    assert!(client.stats().retransmits >= 2);
}

#[test]
fn word_that_an_earlier_datagram_was_refused_does_not_cost_the_next_one() {
    let party = Party::new();
    let endpoint = party.listen();
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable};
    for fault in [ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, Interrupted] {
        let (mut tap, _seen) = TestTap::new();
        tap.faults = vec![fault];
        let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
        let patient = party.client_with(|settings| settings.first_timeout = LONG);
        let client = connect_with(endpoint.local_addr(), None, patient, options).unwrap();
        assert_eq!(client.stats().retransmits, 0);
    }
}

#[test]
fn a_session_survives_word_that_nothing_listens_at_its_peer() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    endpoint.destroy();
    drop(server);
    for _ in 0..3 {
        // Its host says each time that nothing listens there.
        client.send(b"anyone?").unwrap();
        assert!(client.recv_vec_timeout(SHORT).unwrap().is_none());
    }
    let listener = UdpSocket::bind(endpoint.local_addr()).unwrap();
    listener.set_read_timeout(Some(LONG)).unwrap();
    client.send(b"anyone?").unwrap();
    assert!(listener.recv(&mut [0; 100]).unwrap() > 0);
}
