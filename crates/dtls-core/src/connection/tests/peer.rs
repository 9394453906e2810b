//! What the peer may do once it has keys: renegotiate, warn, close, repeat itself.

use super::*;

#[test]
fn renegotiation_is_refused_once_and_the_session_goes_on() {
    let (mut client, mut server) = Pair::new().connect();
    let request = FragmentHeader::whole(HandshakeType::HELLO_REQUEST, MessageSeq(5), 0).to_bytes();
    for expected in [1, 0] {
        let record = sealed_record(&mut server, ContentType::HANDSHAKE, &request);
        deliver(vec![record], &mut client, START);
        assert_eq!(drain(&mut client, START).len(), expected);
    }
    let hello = FragmentHeader::whole(HandshakeType::CLIENT_HELLO, MessageSeq(3), 0).to_bytes();
    let record = sealed_record(&mut client, ContentType::HANDSHAKE, &hello);
    deliver(vec![record], &mut server, START);
    let warning = drain(&mut server, START);
    assert_eq!(warning.len(), 1);
    deliver(warning, &mut client, START);
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
}

#[test]
fn warnings_are_borne_up_to_a_limit_that_data_resets() {
    let (mut client, mut server) = Pair::new().connect();
    let warn = |client: &mut Connection, server: &mut Connection| {
        let record = sealed_record(client, ContentType::ALERT, &[1, 90]);
        deliver(vec![record], server, START);
    };
    for _ in 1..Connection::WARNINGS_MAX {
        warn(&mut client, &mut server);
    }
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    for _ in 1..Connection::WARNINGS_MAX {
        warn(&mut client, &mut server);
    }
    assert_eq!(server.poll_event(), None);
    warn(&mut client, &mut server);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::TooManyWarnings)));
}

#[test]
fn a_fatal_alert_ends_the_connection_without_an_answer() {
    let (mut client, mut server) = Pair::new().connect();
    let record = sealed_record(&mut client, ContentType::ALERT, &[2, 80]);
    deliver(vec![record], &mut server, START);
    let alert = Error::AlertReceived(AlertDescription::INTERNAL_ERROR);
    assert_eq!(server.poll_event(), Some(Event::Failed(alert)));
    assert_eq!(drain(&mut server, START), Vec::<Vec<u8>>::new());
    assert!(server.is_over());
    assert_eq!(server.poll_timeout(), None);
    assert_eq!(server.send(b"x", &mut vec![]), Err(SendError::Closed));
    assert_eq!(server.export(b"EXPERIMENTAL", None, &mut [0; 8]), Err(ExportError::NotConnected));
}

#[test]
fn close_notify_is_answered_in_kind_and_nothing_follows() {
    let (mut client, mut server) = Pair::new().connect();
    client.close();
    client.close();
    let closing = drain(&mut client, START);
    assert_eq!(closing.len(), 1);
    deliver(closing, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Closed));
    assert_eq!(server.poll_event(), None);
    let answer = drain(&mut server, START);
    assert_eq!(answer.len(), 1);
    deliver(answer, &mut client, START);
    assert_eq!(client.poll_event(), None);
    assert_eq!(client.stats().discarded(Discard::Closed), 1);
    assert_eq!(server.send(b"x", &mut vec![]), Err(SendError::Closed));
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_server_that_closes_before_its_last_flight_has_left_sends_both() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    deliver(drain(&mut client, START), &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Connected));
    server.close();
    deliver(drain(&mut server, START), &mut client, START);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(client.poll_event(), Some(Event::Closed));
}

#[test]
fn an_alert_that_takes_the_place_of_another_leaves_the_last_flight_aboard() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    deliver(drain(&mut client, START), &mut server, START);
    // A wish to renegotiate behind the Finished is answered by a warning, and then the owner closes.
    let hello = [&FragmentHeader::whole(HandshakeType::CLIENT_HELLO, MessageSeq(7), 0).to_bytes()[..], &[]].concat();
    let wish = sealed_record(&mut client, ContentType::HANDSHAKE, &hello);
    deliver(vec![wish], &mut server, START);
    server.close();
    deliver(drain(&mut server, START), &mut client, START);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(client.poll_event(), Some(Event::Closed));
}

#[test]
fn after_an_orderly_close_both_ends_can_still_be_asked_what_was_agreed_on() {
    let (mut client, mut server) = Pair::new().connect();
    client.close();
    deliver(drain(&mut client, START), &mut server, START);
    let export = |connection: &Connection| {
        let mut out = [0; 8];
        connection.export(b"EXPERIMENTAL", None, &mut out).map(|()| out)
    };
    assert_eq!(export(&client), export(&server));
    assert!(export(&client).is_ok() && client.info().is_some());
    client.abort();
    assert_eq!(export(&client), Err(ExportError::NotConnected));
}

#[test]
fn a_late_finished_of_the_client_is_answered_with_flight_6_again() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    deliver(drain(&mut client, START), &mut server, START);
    let lost = drain(&mut server, START);
    assert_eq!(lost.len(), 1);
    assert_eq!(server.poll_event(), Some(Event::Connected));

    let now = client.poll_timeout().unwrap();
    client.handle_timeout(now);
    let repeated = drain(&mut client, now);
    deliver(repeated.clone(), &mut server, now);
    let answer = drain(&mut server, now);
    assert_eq!(answer.len(), 1);
    assert_ne!(answer, lost, "the same messages under new record numbers");
    deliver(repeated, &mut server, now);
    assert_eq!(drain(&mut server, now), Vec::<Vec<u8>>::new(), "a replay asks for nothing");
    deliver(answer, &mut client, now);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
}

#[test]
fn repetitions_of_finished_are_answered_once_a_pause_and_sixteen_times_in_all() {
    let (mut client, mut server) = Pair::new().connect();
    let Phase::Established(established) = &server.phase else { panic!("not established") };
    let asked_by = established.linger.as_ref().unwrap().asked_by;
    let repeat = |client: &mut Connection, server: &mut Connection, seq, now| {
        let fragment = FragmentHeader::whole(HandshakeType::FINISHED, seq, 12).to_bytes();
        let record = sealed_record(client, ContentType::HANDSHAKE, &[&fragment[..], &[0; 12]].concat());
        deliver(vec![record], server, now);
        drain(server, now).len()
    };
    assert_eq!(repeat(&mut client, &mut server, asked_by, START), 0, "the flight has only just left");
    let mut now = START;
    let mut answers = 0;
    for _ in 0..40 {
        now = now + Linger::PAUSE;
        let other = MessageSeq(asked_by.0 + 1);
        assert_eq!(repeat(&mut client, &mut server, other, now), 0, "another message asks for nothing");
        answers += repeat(&mut client, &mut server, asked_by, now);
        assert_eq!(repeat(&mut client, &mut server, asked_by, now), 0);
    }
    assert_eq!(answers, 16);
}

#[test]
fn the_last_flight_is_let_go_after_four_minutes_and_no_other_deadline_remains() {
    let (client, mut server) = Pair::new().connect();
    assert_eq!(client.poll_timeout(), None);
    let deadline = server.poll_timeout().unwrap();
    assert_eq!(deadline - START, Duration::from_secs(240));
    server.handle_timeout(deadline);
    assert_eq!(server.poll_timeout(), None);
}
