//! Two ends that talk.

use super::*;

#[test]
fn every_one_of_many_concurrent_clients_gets_its_own_echo() {
    const CLIENTS: u8 = 16;
    let party = Party::new();
    let endpoint = party.listen();
    let all_connected = Barrier::new(CLIENTS.into());
    thread::scope(|scope| {
        scope.spawn(|| echo(&endpoint));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (config, all_connected, address) = (party.client(), &all_connected, endpoint.local_addr());
                scope.spawn(move || {
                    let session = connect(address, None, config).unwrap();
                    all_connected.wait();
                    for round in 0..20 {
                        let text = format!("client {number}, round {round}");
                        session.send(text.as_bytes()).unwrap();
                        assert_eq!(receive(&session), text.as_bytes());
                    }
                    session.close();
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(endpoint.stats().server_sessions, CLIENTS.into());
        endpoint.close();
    });
}

#[test]
fn two_threads_may_send_and_receive_on_one_session_at_once() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    thread::scope(|scope| {
        scope.spawn(|| (0..100_u8).for_each(|number| client.send(&[0, number]).unwrap()));
        scope.spawn(|| (0..100_u8).for_each(|number| client.send(&[1, number]).unwrap()));
        let halves = [(); 2].map(|()| scope.spawn(|| (0..100).map(|_| receive(&server)).collect::<Vec<_>>()));
        let mut all = halves.map(|half| half.join().unwrap()).concat();
        all.sort();
        assert!(all.iter().eq(&(0..200_u8).map(|at| vec![at / 100, at % 100]).collect::<Vec<_>>()));
    });
}

/// An endpoint, a client that asks for it by name, and the server's session: with a protocol and a profile to choose.
fn pair_with_extensions(party: &Party) -> (Endpoint, Session, Session) {
    let choose = |settings: &mut Settings| {
        settings.alpn = vec![b"coap".to_vec()];
        settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM];
    };
    let endpoint = listen(("127.0.0.1", 0), party.server_with(choose)).unwrap();
    let name = "localhost".try_into().unwrap();
    let client = connect(endpoint.local_addr(), Some(name), party.client_with(choose)).unwrap();
    let server = accept(&endpoint);
    (endpoint, client, server)
}

#[test]
fn both_sides_agree_on_what_was_negotiated() {
    let party = Party::new();
    let (endpoint, client, server) = pair_with_extensions(&party);

    let (ours, theirs) = (client.info(), server.info());
    assert_eq!((ours.role, theirs.role), (Role::Client, Role::Server));
    assert_eq!(ours.cipher_suite, theirs.cipher_suite);
    assert_eq!(ours.alpn, Some(b"coap".to_vec()));
    assert_eq!(theirs.alpn, Some(b"coap".to_vec()));
    assert_eq!(theirs.server_name, Some(b"localhost".to_vec()));
    assert_eq!(ours.peer_certificates, core::slice::from_ref(&party.certificate));
    assert_eq!(client.remote_addr(), endpoint.local_addr());
    assert_eq!(server.remote_addr(), client.local_addr());
    assert_eq!(server.local_addr(), endpoint.local_addr());

    let (ours, theirs) = (client.srtp_keys().unwrap(), server.srtp_keys().unwrap());
    assert_eq!(ours.local_key(), theirs.remote_key());
    assert_eq!(ours.remote_salt(), theirs.local_salt());
    for context in [None, Some(&b""[..]), Some(&b"context"[..])] {
        let ours = client.export_keying_material(b"EXPERIMENTAL label", context, 40).unwrap();
        assert_eq!(server.export_keying_material(b"EXPERIMENTAL label", context, 40).unwrap(), ours);
        assert_eq!(ours.len(), 40);
    }
    assert_ne!(
        client.export_keying_material(b"EXPERIMENTAL label", None, 40),
        client.export_keying_material(b"EXPERIMENTAL label", Some(b""), 40)
    );
}

#[test]
fn a_session_answers_in_the_words_of_node() {
    let party = Party::new();
    let (_endpoint, client, server) = pair_with_extensions(&party);
    for session in [&client, &server] {
        let info = session.info();
        assert_eq!((session.protocol(), session.cipher()), (info.version, info.cipher_suite));
        assert_eq!(session.alpn_protocol(), Some(&b"coap"[..]));
        assert_eq!(session.srtp_profile(), Some(SrtpProfile::AEAD_AES_128_GCM));
        assert_eq!(session.server_name(), Some(&b"localhost"[..]));
    }
    assert_eq!((client.peer_certificate(), client.authorized()), (Some(&party.certificate), true));
    assert_eq!((server.peer_certificate(), server.authorized()), (None, false));
    let (client, _server) = party.pair(&party.listen());
    assert_eq!((client.alpn_protocol(), client.srtp_profile(), client.server_name()), (None, None, None));
}

#[test]
fn a_batch_of_payloads_arrives_whole_and_in_order() {
    let party = Party::new();
    for batching in [Batching::WherePossible, Batching::Off] {
        let endpoint = party.listen();
        let options = Options { batching, ..Options::default() };
        let client = connect_with(endpoint.local_addr(), None, party.client(), options).unwrap();
        let server = accept(&endpoint);
        let payloads: Vec<Vec<u8>> = (0..100).map(|number: u8| vec![number; 500]).collect();
        assert_eq!(client.send_batch(&payloads).unwrap(), 100);
        assert!(payloads.iter().all(|payload| receive(&server) == *payload), "{batching:?}");
        assert_eq!(client.send_batch(&payloads[..0]).unwrap(), 0);
        client.close();
        let sent = client.send_batch(&payloads);
        assert!(matches!(sent, Err(SessionError::Closed)), "{sent:?}");
    }
}

#[test]
fn the_system_clock_is_past_the_day_this_was_written() {
    assert!(SystemClock.unix_time().unwrap().as_secs() > 1_750_000_000);
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Endpoint>();
    check::<Session>();
    check::<SessionError>();
}
