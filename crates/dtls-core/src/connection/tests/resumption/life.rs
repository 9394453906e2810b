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
