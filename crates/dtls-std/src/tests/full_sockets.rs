//! Sockets without room.

use super::*;
use crate::hub::Hub;

/// A session whose socket has no room for so many attempts once the flag is set; its endpoint and its other end.
fn pair_with_full_socket(party: &Party, fulls: usize) -> (Session, Arc<AtomicBool>, Endpoint, Session) {
    let endpoint = party.listen();
    let (mut tap, _) = TestTap::new();
    tap.fulls = fulls;
    let is_full = Arc::clone(&tap.is_full);
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let client = connect_with(endpoint.local_addr(), None, party.client(), options).unwrap();
    let server = accept(&endpoint);
    (client, is_full, endpoint, server)
}

#[test]
fn what_a_full_socket_does_not_take_is_sent_when_it_has_room() {
    let party = Party::new();
    let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, 3);
    is_full.store(true, Ordering::SeqCst);
    client.send(b"first").unwrap();
    client.send(b"second").unwrap();
    assert_eq!((receive(&server), receive(&server)), (b"first".to_vec(), b"second".to_vec()));
    assert_eq!(client.stats().datagrams_sent, server.stats().datagrams_received + 1);
}

#[test]
fn a_goodbye_leaves_also_where_the_socket_was_full() {
    let party = Party::new();
    type Close = fn(Session);
    let close: Close = |session| {
        session.close();
        // It has waited: all is done.
        UdpSocket::bind(session.local_addr()).unwrap();
    };
    let ways: [Close; 2] = [close, drop];
    for close in ways {
        let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, 3);
        is_full.store(true, Ordering::SeqCst);
        close(client);
        assert!(matches!(ending(&server), SessionError::Closed));
    }
}

#[test]
fn an_endpoint_whose_socket_is_full_says_goodbye_to_everyone() {
    let party = Party::new();
    let (mut tap, _) = TestTap::new();
    tap.fulls = 3;
    let is_full = Arc::clone(&tap.is_full);
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let pairs = [(); 3].map(|()| party.pair(&endpoint));
    is_full.store(true, Ordering::SeqCst);
    endpoint.close();
    UdpSocket::bind(endpoint.local_addr()).unwrap();
    for (client, _) in &pairs {
        assert!(matches!(ending(client), SessionError::Closed));
    }
}

#[test]
fn a_socket_that_stays_full_is_given_up() {
    let party = Party::new();
    let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, usize::MAX);
    is_full.store(true, Ordering::SeqCst);
    // The first is kept, for a while; the second waits as long, and says that it was not sent.
    client.send(b"kept").unwrap();
    let sent = client.send(b"not kept");
    assert!(matches!(&sent, Err(SessionError::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock), "{sent:?}");
    client.close();
    UdpSocket::bind(client.local_addr()).unwrap();
    assert!(server.recv_vec_timeout(SHORT).unwrap().is_none());
}

#[test]
fn a_socket_that_was_given_up_long_ago_is_waited_for_again() {
    let party = Party::new();
    let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, usize::MAX);
    is_full.store(true, Ordering::SeqCst);
    client.send(b"lost").unwrap();
    let given_up = client.send(b"lost, too");
    assert!(given_up.is_err(), "{given_up:?}");
    // Nothing is tried for a while.
    assert!(server.recv_vec_timeout(2 * Hub::PATIENCE).unwrap().is_none());
    client.send(b"kept").unwrap();
    is_full.store(false, Ordering::SeqCst);
    assert_eq!(receive(&server), b"kept");
}

#[test]
fn a_tap_that_has_no_room_while_the_socket_has_is_not_asked_without_a_pause() {
    let party = Party::new();
    let endpoint = party.listen();
    let (mut tap, seen) = TestTap::new();
    tap.fulls = usize::MAX;
    let is_full = Arc::clone(&tap.is_full);
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let client = connect_with(endpoint.local_addr(), None, party.client(), options).unwrap();
    is_full.store(true, Ordering::SeqCst);
    seen.try_iter().for_each(drop);
    client.send(b"lost").unwrap();
    client.close();
    let attempts = seen.try_iter().count();
    // Some for the calls themselves, and one after each pause.
    let most = Hub::PATIENCE.as_millis() / Hub::PAUSE.as_millis() + 10;
    assert!((4..most).contains(&u128::try_from(attempts).unwrap()), "{attempts}");
}

#[test]
fn destroying_does_not_wait_for_a_full_socket() {
    let party = Party::new();
    let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, usize::MAX);
    is_full.store(true, Ordering::SeqCst);
    client.send(b"kept").unwrap();
    client.destroy();
    assert!(matches!(ending(&client), SessionError::Closed));
    is_full.store(false, Ordering::SeqCst);
    assert_eq!(receive(&server), b"kept");
}

/// What ends all waiting for a full socket while one thread closes the endpoint.
fn ends_a_close_that_waits(end: impl FnOnce(&Endpoint, &AtomicBool)) {
    let party = Party::new();
    let (mut tap, _) = TestTap::new();
    tap.fulls = usize::MAX;
    let (is_full, panics) = (Arc::clone(&tap.is_full), Arc::clone(&tap.panics));
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let _pair = party.pair(&endpoint);
    is_full.store(true, Ordering::SeqCst);
    let (done, closed) = channel();
    let closing = endpoint.clone();
    // Not joined: a test that fails must not wait for it.
    thread::spawn(move || {
        closing.close();
        done.send(()).unwrap();
    });
    while endpoint.waiting() == 0 && endpoint.destroyed().is_none() {
        thread::yield_now();
    }
    end(&endpoint, &panics);
    closed.recv_timeout(LONG).expect("an end in time");
    assert!(endpoint.destroyed().is_some());
}

#[test]
fn destroying_an_endpoint_ends_a_close_that_waits_for_a_full_socket() {
    ends_a_close_that_waits(|endpoint, _| endpoint.destroy());
}

#[test]
fn a_panic_in_the_socket_s_thread_ends_a_close_that_waits_for_a_full_socket() {
    ends_a_close_that_waits(|_, panics| panics.store(true, Ordering::SeqCst));
}

#[test]
fn a_panic_in_a_caller_s_thread_does_not_keep_waiting_who_closes() {
    ends_a_close_that_waits(|endpoint, panics| {
        panics.store(true, Ordering::SeqCst);
        // Panics, unless the socket's thread has before.
        let _ = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| endpoint.close()));
    });
}

#[test]
fn destroying_an_endpoint_does_not_offer_a_full_socket_what_a_handshake_has_to_say() {
    let party = Party::new();
    let (mut tap, seen) = TestTap::new();
    tap.fulls = usize::MAX;
    let is_full = Arc::clone(&tap.is_full);
    let options = Options { tap: Some(Box::new(tap)), cookies: CookiePolicy::TrustedPath, ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let (_client, server) = party.pair(&endpoint);
    is_full.store(true, Ordering::SeqCst);
    server.send(b"kept").unwrap();
    let caller = party.listen();
    thread::scope(|scope| {
        let calling = scope.spawn(|| caller.connect(endpoint.local_addr(), None, party.client()));
        while endpoint.sessions() < 2 {
            thread::yield_now();
        }
        seen.try_iter().for_each(drop);
        endpoint.destroy();
        caller.destroy();
        assert!(calling.join().unwrap().is_err());
    });
    assert!(!seen.try_iter().any(|(way, peer, _)| (way, peer) == (Way::Out, caller.local_addr())));
}
