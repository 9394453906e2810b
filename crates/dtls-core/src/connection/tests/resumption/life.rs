//! What ends a session, what renews it, and how a client keeps it: RFC 5246 section 7.2.2, RFC 5077 section 3.3.

use super::*;

#[test]
fn a_session_that_ends_with_a_fatal_alert_is_forgotten_on_both_sides() {
    for resumed in [false, true] {
        let world = World::new(By::SessionId);
        let first = world.session();
        assert_eq!(world.cache.len(), 1);
        let (mut client, mut server) = world.connect(resumed.then_some(&first));
        let fatal = Alert::fatal(AlertDescription::INTERNAL_ERROR).to_bytes();
        let (to_server, to_client) = (
            sealed_record(&mut client, ContentType::ALERT, &fatal),
            sealed_record(&mut server, ContentType::ALERT, &fatal),
        );
        deliver(vec![to_server], &mut server, START);
        assert_eq!(world.cache.len(), usize::from(!resumed), "the session of this connection, and no other");
        assert_eq!(world.resumes(&first), !resumed);
        deliver(vec![to_client], &mut client, START);
        assert!(client.take_resumption_state().is_none());
    }
}

#[test]
fn a_session_that_is_too_long_for_a_ticket_leaves_none_and_the_connection_goes_on() {
    for (kilobytes, leaves) in [(2, true), (8, false)] {
        let mut world = World::mutual(By::Ticket);
        world.client_settings = |settings| settings.mtu = 256;
        world.server_settings = |settings| settings.mtu = 256;
        let (certificate, key) = testing::self_signed();
        world.trust_in_client = Trust::of(&certificate);
        let chain = vec![certificate.clone(); 1 + kilobytes * 1024 / certificate.len()];
        world.client_identity = Identity::new(&world.provider, chain, key).unwrap();
        let (mut client, _server) = world.connect(None);
        let state = client.take_resumption_state();
        assert_eq!(state.is_some(), leaves, "{kilobytes} KiB of certificates");
        assert!(state.is_none_or(|state| world.resumes(&state)));
    }
}

#[test]
fn a_ticket_cannot_be_called_back_but_no_client_of_ours_keeps_it_and_its_time_ends() {
    let world = World::new(By::Ticket);
    let (mut client, mut server) = world.connect(None);
    let kept = client.take_resumption_state().unwrap();
    let fatal = sealed_record(&mut server, ContentType::ALERT, &[2, 80]);
    deliver(vec![fatal], &mut client, START);
    assert!(matches!(client.poll_event(), Some(Event::Failed(Error::AlertReceived(_)))));
    assert!(client.take_resumption_state().is_none());
    // Whoever has taken it before, and with it the secret, has what the server cannot know to be over.
    assert!(world.resumes(&kept));
    world.clock.0.fetch_add(1000, Ordering::Relaxed);
    assert!(!world.resumes(&kept));
}

/// A server that has answered a hello with the session of `state`, and a client that has its keys and has not said so yet.
fn half_resumed(world: &World, state: &ResumptionState) -> (Connection, Connection) {
    let (mut client, mut server) = (world.client(Some(state)), world.server());
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert!(server.info().is_none());
    (client, server)
}

#[test]
fn a_handshake_that_its_client_ends_with_a_fatal_alert_ends_the_session_too_and_a_stranger_ends_none() {
    type Say = fn(&mut Connection) -> Vec<u8>;
    let says: [(&str, Say, bool); 5] = [
        ("a fatal alert under the keys", |client| sealed_record(client, ContentType::ALERT, &[2, 80]), true),
        (
            "a Finished that is wrong",
            |client| {
                let header = FragmentHeader::whole(HandshakeType::FINISHED, MessageSeq(1), 12).to_bytes();
                sealed_record(client, ContentType::HANDSHAKE, &[&header[..], &[0; 12]].concat())
            },
            true,
        ),
        ("close_notify before Finished", |client| sealed_record(client, ContentType::ALERT, &[1, 0]), false),
        ("a fatal alert in the clear", |_| plaintext_record(ContentType::ALERT, &[2, 80]), false),
        ("a warning", |client| sealed_record(client, ContentType::ALERT, &[1, 90]), false),
    ];
    for (what, say, ends) in says {
        let world = World::new(By::SessionId);
        let state = world.session();
        let (mut client, mut server) = half_resumed(&world, &state);
        let said = say(&mut client);
        let change = plaintext_record(ContentType::CHANGE_CIPHER_SPEC, &[1]);
        deliver(vec![change, said], &mut server, START);
        while let Some(due) = server.poll_timeout() {
            server.handle_timeout(due);
            drop(drain(&mut server, due));
        }
        assert!(matches!(server.poll_event(), Some(Event::Failed(_))), "{what}");
        assert_eq!(world.cache.len(), usize::from(!ends), "{what}");
        assert_eq!(world.resumes(&state), !ends, "{what}");
    }
}

#[test]
fn a_session_that_was_closed_in_good_order_is_resumed() {
    for by in BOTH {
        let world = World::new(by);
        let (mut client, mut server) = world.connect(None);
        client.close();
        exchange(&mut client, &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Closed));
        let state = client.take_resumption_state().unwrap();
        assert!(client.take_resumption_state().is_none(), "taken once");
        assert!(world.resumes(&state));
    }
}

#[test]
fn a_ticket_is_renewed_when_half_its_time_is_over_or_its_key_is_going_and_lives_no_longer_for_that() {
    let mut world = World::new(By::Ticket);
    let given = |world: &World, state: &ResumptionState| {
        let (mut client, _) = world.connect(Some(state));
        assert!(client.info().unwrap().resumed);
        client.take_resumption_state().unwrap()
    };
    let hello_of = |world: &World, state: &ResumptionState| {
        let hello = drain(&mut world.client(Some(state)), START).concat();
        let body = &Records::new(&hello).next().unwrap().unwrap().body[FragmentHeader::LEN..];
        ClientHello::decode_all(body).unwrap().extensions.session_ticket.unwrap().to_vec()
    };
    let first = world.session();
    assert_eq!(first.lifetime_hint(), Some(Duration::from_secs(1000)));
    world.clock.0.fetch_add(499, Ordering::Relaxed);
    assert_eq!(hello_of(&world, &given(&world, &first)), hello_of(&world, &first), "it is still good");
    world.clock.0.fetch_add(1, Ordering::Relaxed);
    let second = given(&world, &first);
    assert_eq!(second.lifetime_hint(), Some(Duration::from_secs(500)), "what is left of its time");
    assert_ne!(hello_of(&world, &second), hello_of(&world, &first));
    world.clock.0.fetch_add(499, Ordering::Relaxed);
    assert!(world.resumes(&second));
    world.clock.0.fetch_add(1, Ordering::Relaxed);
    assert!(!world.resumes(&second), "a thousand seconds after the full handshake it is over");

    let third = world.session();
    let keys = [9, 7].map(|n| TicketKey::from_bytes(&[n; TicketKey::LEN]));
    world.tickets = Some(Arc::new(Tickets::new(&world.provider, keys.into()).unwrap()));
    let fourth = given(&world, &third);
    assert_ne!(hello_of(&world, &fourth)[..16], hello_of(&world, &third)[..16], "under the name of the new key");
    world.tickets = Some(ticket_key(&world.provider, 9));
    assert!(world.resumes(&fourth));
    assert!(!world.resumes(&third));
}

// --- the state as bytes ---

#[test]
fn a_state_survives_as_bytes_and_nothing_shorter_longer_or_of_another_version_is_one() {
    for by in BOTH {
        let world = World::mutual(by);
        let state = world.session();
        let bytes = state.to_bytes();
        let again = ResumptionState::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.lifetime_hint(), state.lifetime_hint());
        assert!(world.resumes(&again));
        for len in 0..bytes.len() {
            assert_eq!(ResumptionState::from_bytes(&bytes[..len]).map(drop), Err(StateError), "{len}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(ResumptionState::from_bytes(&longer).map(drop), Err(StateError));
        let mut newer = bytes.to_vec();
        newer[0] += 1;
        assert_eq!(ResumptionState::from_bytes(&newer).map(drop), Err(StateError));
        assert!(!format!("{state:?}").contains("master"));
    }
}

#[test]
fn a_state_says_nothing_that_does_not_count() {
    let mut bytes = World::mutual(By::SessionId).session().to_bytes();
    // Behind version, suite, secret and kind: how long a ticket lives, where there is none.
    bytes[52] = 1;
    assert_eq!(ResumptionState::from_bytes(&bytes).map(drop), Err(StateError));
}

#[test]
fn a_session_is_resumed_and_forgotten_by_connections_that_have_been_put_aside() {
    let rested = |mut connection: Connection| connection.save(START).unwrap().restore(START).unwrap();
    for by in BOTH {
        let world = World::new(by);
        let (client, server) = world.connect(None);
        let (mut client, mut server) = (rested(client), rested(server));
        let state = client.take_resumption_state().unwrap();
        assert!(world.resumes(&state), "{by:?}");
        // The server hears a fatal alert, and forgets what it can.
        let alert = sealed_record(&mut client, ContentType::ALERT, &[2, 20]);
        deliver(vec![alert], &mut server, START);
        assert_eq!(world.cache.len(), 0);
    }
}

#[test]
fn a_state_that_was_damaged_anywhere_is_none_or_another_and_does_no_harm() {
    for by in BOTH {
        let world = World::mutual(by);
        let state = world.session();
        let bytes = state.to_bytes();
        let (mut readable, mut offered) = (0, 0);
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << (at % 8);
            let Ok(damaged) = ResumptionState::from_bytes(&damaged) else { continue };
            readable += 1;
            if damaged.fits(&world.client_config(), world.name().as_ref()).is_err() {
                continue;
            }
            offered += 1;
            let (mut client, mut server) = (world.client(Some(&damaged)), world.server());
            exchange(&mut client, &mut server, START);
            // Only the hint at its lifetime may be another without consequence.
            let resumed = client.info().is_some_and(|info| info.resumed);
            assert_eq!(resumed, (52..56).contains(&at), "{by:?}: byte {at}");
        }
        assert!(readable > bytes.len() / 2 && offered > 48, "{readable} and {offered} of {}", bytes.len());
    }
}

#[test]
fn what_a_cache_gives_back_damaged_is_no_session() {
    let world = World::mutual(By::SessionId);
    let state = world.session();
    let (id, session) =
        world.cache.0.lock().unwrap().iter().map(|(id, session)| (*id, session.clone())).next().unwrap();
    // Whether the server goes on with it, and whether the client then comes in by it.
    let damaged = |session: &[u8]| {
        world.cache.put(id, Zeroizing::new(session.to_vec()));
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        deliver(drain(&mut client, START), &mut server, START);
        let flight_4 = drain(&mut server, START);
        if types_in(&flight_4) != [HandshakeType::SERVER_HELLO] {
            return (false, false);
        }
        deliver(flight_4, &mut client, START);
        deliver(drain(&mut client, START), &mut server, START);
        (true, server.info().is_some_and(|info| info.resumed))
    };
    for len in 0..session.len() {
        assert_eq!(damaged(&session[..len]), (false, false), "{len} bytes");
    }
    for at in 0..session.len() {
        let mut changed = session.to_vec();
        changed[at] ^= 1 << (at % 8);
        let expected = match at {
            // A session that is said to be 512 seconds older is still alive.
            9 => (true, true),
            11..59 => (true, false),
            _ => (false, false),
        };
        assert_eq!(damaged(&changed), expected, "byte {at}");
    }
    assert_eq!(damaged(&session), (true, true));
}
