//! Peers with connection IDs whose address changes: RFC 9146.

use std::sync::Mutex;

use dtls_core::config::{ConnectionIdUse, RandomConnectionId};

use super::*;
use crate::{AddressChange, AddressNews};

/// Both sides have IDs of eight bytes, or nobody has.
fn ids(settings: &mut Settings, ids: bool) {
    if ids {
        settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(8)));
    }
}

/// An endpoint, and what it has been told of addresses.
fn listen_to_addresses(party: &Party, address_change: AddressChange) -> (Endpoint, Arc<Mutex<Vec<AddressNews>>>) {
    let told = Arc::<Mutex<Vec<AddressNews>>>::default();
    let teller = Arc::clone(&told);
    let address_watcher: Arc<dyn crate::WatchAddresses> =
        Arc::new(move |news: &AddressNews| teller.lock().unwrap().push(*news));
    let options = Options { address_change, address_watcher: Some(address_watcher), ..Options::default() };
    let server = party.server_with(|settings| ids(settings, true));
    (listen_with("127.0.0.1:0", server, options).unwrap(), told)
}

#[test]
fn a_session_goes_on_when_its_client_has_moved_to_another_port() {
    let party = Party::new();
    for batching in [Batching::WherePossible, Batching::Off] {
        let (endpoint, told) = listen_to_addresses(&party, AddressChange::Follow);
        let options = Options { batching, ..Options::default() };
        let config = party.client_with(|settings| ids(settings, true));
        let client = connect_with(endpoint.local_addr(), None, config, options).unwrap();
        let (server, began_at) = (accept(&endpoint), client.local_addr());
        for round in 0..3_u8 {
            let before = client.local_addr();
            let after = client.rebind(None).unwrap();
            assert_ne!(before, after);
            assert_eq!((client.local_addr(), client.remote_addr()), (after, endpoint.local_addr()));
            client.send(&[round]).unwrap();
            assert_eq!(receive(&server), [round]);
            assert_eq!(server.remote_addr(), after);
            server.send(&[round]).unwrap();
            assert_eq!(receive(&client), [round], "it comes to the new socket");
            let expected = (server.handle(), before, after, true);
            let news = told.lock().unwrap().pop().unwrap();
            assert_eq!((news.session, news.from, news.to, news.is_followed), expected);
        }
        assert_eq!(server.initial_remote_addr(), began_at);
        assert_eq!((endpoint.stats().address_changes, endpoint.sessions()), (3, 1));
        client.close();
        assert!(matches!(ending(&server), SessionError::Closed));
    }
}

#[test]
fn a_peer_is_followed_only_when_its_session_says_so() {
    let party = Party::new();
    let (endpoint, told) = listen_to_addresses(&party, AddressChange::Ask);
    let client = connect(endpoint.local_addr(), None, party.client_with(|settings| ids(settings, true))).unwrap();
    let server = accept(&endpoint);
    let (before, after) = (client.local_addr(), client.rebind(None).unwrap());
    assert!(server.seen_at().is_none() && !server.follow());
    client.send(b"here").unwrap();
    assert_eq!(receive(&server), b"here", "it is heard from anywhere");
    assert_eq!((server.remote_addr(), server.seen_at()), (before, Some(after)));
    assert!(server.follow());
    server.send(b"found").unwrap();
    assert_eq!(receive(&client), b"found");
    assert_eq!((server.remote_addr(), server.seen_at()), (after, None));
    let told: Vec<_> = told.lock().unwrap().iter().map(|news| (news.to, news.is_followed)).collect();
    assert_eq!(told, [(after, false), (after, true)]);
}

#[test]
fn without_an_id_a_client_that_has_moved_is_a_stranger() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    client.rebind(None).unwrap();
    client.send(b"who?").unwrap();
    assert!(server.recv_vec_timeout(SHORT * 4).unwrap().is_none());
    assert_eq!(endpoint.stats().rejected, 1);
}

#[test]
fn an_endpoint_moves_with_all_its_sessions_and_to_the_port_that_it_is_told() {
    let party = Party::new();
    let (one, _) = listen_to_addresses(&party, AddressChange::Follow);
    let (other, _) = listen_to_addresses(&party, AddressChange::Follow);
    let config = party.client_with(|settings| ids(settings, true));
    let both_ways = listen("127.0.0.1:0", party.server()).unwrap();
    let clients = [&one, &other].map(|to| both_ways.connect(to.local_addr(), None, Arc::clone(&config)).unwrap());
    let servers = [&one, &other].map(accept);
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(both_ways.rebind(Some(free)).unwrap(), free);
    for (client, server) in clients.iter().zip(&servers) {
        client.send(b"moved").unwrap();
        assert_eq!(receive(server), b"moved");
        assert_eq!(server.remote_addr(), free);
        server.send(b"seen").unwrap();
        assert_eq!(receive(client), b"seen");
    }
    let taken = both_ways.rebind(Some(one.local_addr()));
    assert!(taken.is_err());
    clients[0].send(b"still there").unwrap();
    assert_eq!(receive(&servers[0]), b"still there");
}
