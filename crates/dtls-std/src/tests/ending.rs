//! How sessions and endpoints end.

use super::*;

#[test]
fn a_close_is_seen_on_the_other_side_behind_the_data() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    client.send(b"last words").unwrap();
    let sent = client.stats().datagrams_sent;
    client.close();
    assert_eq!(client.stats().datagrams_sent, sent + 1);
    assert_eq!(receive(&server), b"last words");
    assert!(matches!(ending(&server), SessionError::Closed));
    assert!(matches!(server.send(b"too late"), Err(SessionError::Closed)));
    assert!(matches!(client.send(b"too late"), Err(SessionError::Closed)));
    assert!(matches!(client.recv(&mut []), Err(SessionError::Closed)));
    // What was agreed on can still be asked for, until one side throws it away.
    let exported = client.export_keying_material(b"EXPERIMENTAL label", None, 20).unwrap();
    assert_eq!(server.export_keying_material(b"EXPERIMENTAL label", None, 20).unwrap(), exported);
    // What was counted and negotiated can still be asked for.
    assert_eq!(server.stats().application_records_received, 1);
    assert_eq!(client.stats().application_records_sent, 1);
    assert_eq!(client.info().cipher_suite, server.info().cipher_suite);
}

#[test]
fn dropping_a_session_closes_it_in_good_order() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    drop(server);
    assert!(matches!(ending(&client), SessionError::Closed));
}

#[test]
fn destroying_a_session_says_nothing_to_the_peer() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    let sent = server.stats().datagrams_sent;
    server.destroy();
    assert!(matches!(ending(&server), SessionError::Closed));
    assert_eq!(server.stats().datagrams_sent, sent);
    assert_eq!(server.export_keying_material(b"EXPERIMENTAL label", None, 1), Err(ExportError::NotConnected));
    assert!(client.recv_vec_timeout(SHORT).unwrap().is_none());
}

#[test]
fn a_thread_that_waits_for_a_datagram_is_told_when_another_closes_the_session() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, _server) = party.pair(&endpoint);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.recv_vec());
        client.close();
        assert!(matches!(waiting.join().unwrap(), Err(SessionError::Closed)));
    });
}

#[test]
fn closing_the_endpoint_closes_its_sessions_and_ends_accept() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    // Connected, and never accepted.
    let waiting = connect(endpoint.local_addr(), None, party.client()).unwrap();
    let other = party.listen();
    thread::scope(|scope| {
        let clone = other.clone();
        let accepting = scope.spawn(move || clone.accept());
        other.close();
        assert!(matches!(accepting.join().unwrap(), Err(AcceptError::Closed)));
    });
    endpoint.close();
    assert!(matches!(ending(&client), SessionError::Closed));
    assert!(matches!(ending(&waiting), SessionError::Closed));
    assert!(matches!(ending(&server), SessionError::Closed));
    assert!(matches!(endpoint.accept(), Err(AcceptError::Closed)));
    assert!(matches!(endpoint.connect(client.local_addr(), None, party.client()), Err(ConnectError::Closed)));
    // Both do nothing any more.
    endpoint.close();
    endpoint.destroy();
}

#[test]
fn a_client_that_nobody_has_accepted_is_told_when_the_endpoint_is_dropped() {
    let party = Party::new();
    let endpoint = party.listen();
    let client = connect(endpoint.local_addr(), None, party.client()).unwrap();
    drop(endpoint);
    assert!(matches!(ending(&client), SessionError::Closed));
}

#[test]
fn sessions_outlive_the_last_handle_of_their_endpoint() {
    let party = Party::new();
    let endpoint = party.listen();
    let address = endpoint.local_addr();
    let (client, server) = party.pair(&endpoint);
    drop(endpoint);
    client.send(b"still there?").unwrap();
    assert_eq!(receive(&server), b"still there?");
    // With the last session the socket is closed, too.
    server.close();
    UdpSocket::bind(address).unwrap();
}

#[test]
fn a_closed_endpoint_gives_its_port_back() {
    let party = Party::new();
    let endpoint = party.listen();
    let _pair = party.pair(&endpoint);
    endpoint.close();
    UdpSocket::bind(endpoint.local_addr()).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_behind() {
    fn count(name: &str) -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|comm| comm.trim() == name).count()
    }
    // The system lists a thread for a moment after it has been joined.
    fn settles_at(names: &[String; 2], counts: [usize; 2]) -> bool {
        (0..10_000).any(|_| {
            thread::yield_now();
            names.each_ref().map(|name| count(name)) == counts
        })
    }
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    let names = [client.local_addr(), server.local_addr()].map(|address| format!("dtls-{}", address.port()));
    assert!(settles_at(&names, [1, 1]));
    client.close();
    assert!(matches!(ending(&server), SessionError::Closed));
    assert!(settles_at(&names, [0, 1]));
    endpoint.close();
    assert!(settles_at(&names, [0, 0]));
}

#[test]
fn an_endpoint_knows_when_it_was_made_and_when_it_ended() {
    let party = Party::new();
    let endpoint = party.listen();
    let later = party.listen();
    assert!(endpoint.created() < later.created());
    let _pair = party.pair(&endpoint);
    assert_eq!(endpoint.destroyed(), None);
    endpoint.close();
    assert!(endpoint.destroyed().unwrap() > later.created());
    assert_eq!(later.destroyed(), None);
}
