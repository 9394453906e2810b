//! Hellos and tickets that were changed on the way, and those of somebody else: RFC 5077 section 5, RFC 7627 section 5.3.

use super::*;

/// The first message in `flight`, changed and made whole again.
pub(super) fn changed(flight: &[u8], typ: HandshakeType, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let record = Records::new(flight).next().unwrap().unwrap();
    let fragment = Fragments::new(record.body).next().unwrap().unwrap();
    assert_eq!(fragment.header.typ, typ);
    let body = change(fragment.body);
    let header = FragmentHeader::whole(typ, fragment.header.message_seq, u32::try_from(body.len()).unwrap());
    plaintext_record(ContentType::HANDSHAKE, &[&header.to_bytes()[..], &body].concat())
}

#[test]
fn a_hello_that_lost_the_extended_master_secret_does_not_resume_a_session_that_has_it() {
    for by in BOTH {
        let mut world = World::new(by);
        world.server_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
        let state = world.session();
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        let hello = changed(&drain(&mut client, START).concat(), HandshakeType::CLIENT_HELLO, |body| {
            let mut hello = ClientHello::decode_all(body).unwrap();
            hello.extensions.extended_master_secret = false;
            hello.to_vec()
        });
        deliver(vec![hello], &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Failed(Error::ExtendedMasterSecretMissing)), "{by:?}");
    }
}

#[test]
fn a_server_hello_may_not_change_what_the_session_has() {
    type Change = fn(&mut ServerHello<'_>);
    let other = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
    let cases: [(Change, Error); 2] = [
        (
            |hello| hello.cipher_suite = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            Error::ServerHelloChangedSuite(other),
        ),
        (|hello| hello.extensions.extended_master_secret = false, Error::ExtendedMasterSecretMissing),
    ];
    for by in BOTH {
        for (change, error) in &cases {
            let mut world = World::new(by);
            world.client_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
            let state = world.session();
            let (mut client, mut server) = (world.client(Some(&state)), world.server());
            deliver(drain(&mut client, START), &mut server, START);
            let answer = changed(&drain(&mut server, START).concat(), HandshakeType::SERVER_HELLO, |body| {
                let mut hello = ServerHello::decode_all(body).unwrap();
                change(&mut hello);
                hello.to_vec()
            });
            deliver(vec![answer], &mut client, START);
            assert_eq!(client.poll_event(), Some(Event::Failed(error.clone())));
        }
    }
}

#[test]
fn a_ticket_that_was_changed_anywhere_is_no_ticket() {
    let world = World::mutual(By::Ticket);
    let state = world.session();
    let bytes = state.to_bytes();
    let ticket = {
        let mut client = world.client(Some(&state));
        let hello = drain(&mut client, START).concat();
        let body = &Records::new(&hello).next().unwrap().unwrap().body[FragmentHeader::LEN..];
        ClientHello::decode_all(body).unwrap().extensions.session_ticket.unwrap().to_vec()
    };
    let at = bytes.windows(ticket.len()).position(|window| window == ticket).unwrap();
    for byte in 0..ticket.len() {
        let mut changed = bytes.to_vec();
        changed[at + byte] ^= 1 << (byte % 8);
        assert!(!world.resumes(&ResumptionState::from_bytes(&changed).unwrap()), "byte {byte}");
    }
    assert!(world.resumes(&ResumptionState::from_bytes(&bytes).unwrap()));
}

#[test]
fn a_ticket_that_was_cut_short_anywhere_becomes_a_full_handshake() {
    let world = World::mutual(By::Ticket);
    let state = world.session();
    let hello = drain(&mut world.client(Some(&state)), START).concat();
    let answered = |len: usize| {
        let mut offered = vec![];
        let hello = changed(&hello, HandshakeType::CLIENT_HELLO, |body| {
            let mut hello = ClientHello::decode_all(body).unwrap();
            offered = hello.session_id.to_vec();
            hello.extensions.session_ticket = hello.extensions.session_ticket.map(|ticket| &ticket[..len]);
            hello.to_vec()
        });
        let mut server = world.server();
        deliver(vec![hello], &mut server, START);
        let answer = drain(&mut server, START).concat();
        let body = &Records::new(&answer).next().unwrap().unwrap().body[FragmentHeader::LEN..];
        (ServerHello::decode_all(body).unwrap().session_id == offered, server.poll_event())
    };
    let body = &Records::new(&hello).next().unwrap().unwrap().body[FragmentHeader::LEN..];
    let whole = ClientHello::decode_all(body).unwrap().extensions.session_ticket.unwrap().len();
    for len in 0..whole {
        assert_eq!(answered(len), (false, None), "{len} bytes");
    }
    assert_eq!(answered(whole), (true, None));
}

#[test]
fn whoever_knows_the_id_or_ticket_but_not_the_secret_gets_nowhere_and_harms_nobody() {
    for by in BOTH {
        let world = World::new(by);
        let state = world.session();
        let mut changed = state.to_bytes().to_vec();
        changed[3] ^= 1; // of the master secret
        let thief = ResumptionState::from_bytes(&changed).unwrap();
        let (mut client, mut server) = (world.client(Some(&thief)), world.server());
        exchange(&mut client, &mut server, START);
        assert!(client.info().is_none() && server.info().is_none());
        assert!(world.resumes(&state), "{by:?}: the session is still there for its owner");
    }
}

#[test]
fn an_id_beside_a_ticket_is_not_looked_up() {
    let world = World::new(By::SessionId);
    let state = world.session();
    let hello = drain(&mut world.client(Some(&state)), START).concat();
    for (ticket, is_resumed) in [(&[][..], true), (b"no ticket of ours", false)] {
        let mut server = world.server();
        let mut offered = vec![];
        let hello = changed(&hello, HandshakeType::CLIENT_HELLO, |body| {
            let mut hello = ClientHello::decode_all(body).unwrap();
            hello.extensions.session_ticket = Some(ticket);
            offered = hello.session_id.to_vec();
            hello.to_vec()
        });
        deliver(vec![hello], &mut server, START);
        let answer = drain(&mut server, START).concat();
        let record = Records::new(&answer).next().unwrap().unwrap();
        let fragment = Fragments::new(record.body).next().unwrap().unwrap();
        let answer = ServerHello::decode_all(fragment.body).unwrap();
        assert_eq!(answer.session_id == offered, is_resumed);
    }
}
