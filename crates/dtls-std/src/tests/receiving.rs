//! What waits to be received, and what is too long to be sent.

use super::*;

#[test]
fn waiting_ends_when_the_time_is_up() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, _server) = party.pair(&endpoint);
    assert!(client.recv_vec_timeout(SHORT).unwrap().is_none());
    assert_eq!(client.recv_timeout(&mut [0; 10], SHORT).unwrap(), None);
    assert!(endpoint.accept_timeout(SHORT).unwrap().is_none());
}

#[test]
fn a_short_buffer_is_an_error_that_keeps_the_datagram() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    client.send(b"12345").unwrap();
    client.send(b"").unwrap();
    let mut buffer = [0; 10];
    let short = server.recv(&mut buffer[..4]);
    assert!(matches!(short, Err(SessionError::BufferTooShort { needed: 5 })), "{short:?}");
    assert_eq!(server.recv_timeout(&mut buffer, LONG).unwrap(), Some(5));
    assert_eq!(&buffer[..5], b"12345");
    assert_eq!(server.recv(&mut buffer).unwrap(), 0);
}

#[test]
fn what_nobody_receives_is_dropped_beyond_a_bound_and_counted() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    // The system may lose some, too, so wait for what has arrived and not for what was sent.
    while server.undelivered() < 10 {
        client.send(&[7; 1000]).unwrap();
        thread::yield_now();
    }
    client.close();
    let kept = core::iter::from_fn(|| server.recv_vec_timeout(LONG).ok().flatten()).count();
    // Some may still have been on their way when room was made.
    assert!(kept >= 1024, "{kept}");
    assert_eq!(server.stats().application_records_received, u64::try_from(kept).unwrap() + server.undelivered());
}

#[test]
fn a_payload_that_does_not_fit_is_refused_and_one_that_just_fits_arrives() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    for mtu in [1200, 300, 9000] {
        client.set_mtu(mtu);
        let max = client.max_payload();
        assert!((mtu - 64..mtu).contains(&max));
        let refused = client.send(&vec![0; max + 1]);
        assert!(
            matches!(refused, Err(SessionError::NotSent(SendError::TooLong { max: told })) if told == max),
            "{refused:?}"
        );
        client.send(&vec![0; max]).unwrap();
        assert_eq!(receive(&server).len(), max);
    }
}
