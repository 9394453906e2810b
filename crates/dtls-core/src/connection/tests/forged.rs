//! What anyone can forge, and the little that it does.

use super::*;

#[test]
fn forged_records_do_nothing_to_an_established_connection() {
    let (mut client, mut server) = Pair::new().connect();
    // An honest record that was on its way before, to be bent.
    let mut honest = vec![];
    client.send(b"honest", &mut honest).unwrap();
    let mut bent = honest.clone();
    *bent.last_mut().unwrap() ^= 1;
    let finished = FragmentHeader::whole(HandshakeType::FINISHED, MessageSeq(2), 12).to_bytes();
    let forgeries = [
        plaintext_record(ContentType::ALERT, &[2, 40]),
        plaintext_record(ContentType::ALERT, &[1, 0]),
        plaintext_record(ContentType::CHANGE_CIPHER_SPEC, &[1]),
        plaintext_record(ContentType::APPLICATION_DATA, b"attack"),
        plaintext_record(ContentType::HANDSHAKE, &[&finished[..], &[0; 12]].concat()),
        bent,
        vec![22; 12],
        vec![0xff; 100],
    ];
    for forgery in forgeries {
        let before = format!("{server:?}");
        assert_eq!(deliver(vec![forgery], &mut server, START), Vec::<Vec<u8>>::new());
        assert_eq!(format!("{server:?}"), before);
        assert_eq!(drain(&mut server, START), Vec::<Vec<u8>>::new());
        assert_eq!(server.poll_event(), None);
    }
    assert_eq!(server.stats().discarded_in_all(), 8);
    assert_eq!(deliver(vec![honest], &mut server, START), [b"honest"]);
}

#[test]
fn a_forged_alert_during_the_handshake_is_contradicted_by_the_next_honest_message() {
    let (mut client, mut server) = Pair::new().build();
    let hello = drain(&mut client, START);
    deliver(vec![plaintext_record(ContentType::ALERT, &[2, 40])], &mut client, START);
    assert_eq!(client.poll_event(), None);
    deliver(hello, &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    drain(&mut client, START);
    let now = client.poll_timeout().unwrap();
    client.handle_timeout(now);
    assert_eq!(client.poll_event(), None, "the timer finds no suspicion any more");
    exchange(&mut client, &mut server, now);
    assert_eq!(client.poll_event(), Some(Event::Connected));
}

#[test]
fn a_forged_alert_is_not_even_suspected_once_the_peer_has_shown_its_keys() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    deliver(drain(&mut client, START), &mut server, START);
    let flight_6 = drain(&mut server, START).concat();
    // The ChangeCipherSpec is lost, so the client has the server's Finished and cannot use it yet.
    let records: Vec<_> = Records::new(&flight_6).map(Result::unwrap).collect();
    assert_eq!(records.len(), 2);
    let finished = flight_6[RecordHeader::LEN + records[0].body.len()..].to_vec();
    let change_cipher_spec = flight_6[..RecordHeader::LEN + records[0].body.len()].to_vec();
    deliver(vec![finished], &mut client, START);
    assert_eq!(client.poll_event(), None, "no Finished counts before a ChangeCipherSpec");
    deliver(vec![plaintext_record(ContentType::ALERT, &[2, 40])], &mut client, START);
    assert_eq!(client.stats().discarded(Discard::UntrustedSignal), 1);
    deliver(vec![change_cipher_spec], &mut client, START);
    // The ChangeCipherSpec alone lets the Finished through that has been waiting.
    assert_eq!(client.poll_event(), Some(Event::Connected));
}

#[test]
fn a_replayed_record_is_lent_once() {
    let (mut client, mut server) = Pair::new().connect();
    let mut datagram = vec![];
    client.send(b"once", &mut datagram).unwrap();
    assert_eq!(deliver(vec![datagram.clone(), datagram.clone()], &mut server, START), [b"once"]);
    for _ in 0..300 {
        ping(&mut client, &mut server);
    }
    assert_eq!(deliver(vec![datagram], &mut server, START), Vec::<Vec<u8>>::new());
    assert_eq!(server.stats().discarded(Discard::Replayed), 1);
    assert_eq!(server.stats().discarded(Discard::TooOld), 1);
}

#[test]
fn what_an_authenticated_peer_does_wrong_in_the_handshake_is_fatal_at_once() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let seq = MessageSeq(2);
    let stray = FragmentHeader::whole(HandshakeType::CERTIFICATE_VERIFY, seq, 0).to_bytes();
    let record = sealed_record(&mut client, ContentType::HANDSHAKE, &stray);
    // Flight 5 up to its Finished, in whose place the stray message comes.
    let flight_5 = drain(&mut client, START).concat();
    let records: Vec<_> = Records::new(&flight_5).map(Result::unwrap).collect();
    let in_the_clear = records.iter().take(2).map(|record| RecordHeader::LEN + record.body.len()).sum();
    deliver(vec![flight_5[..in_the_clear].to_vec(), record], &mut server, START);
    let error = Error::UnexpectedMessage(HandshakeType::CERTIFICATE_VERIFY);
    assert_eq!(server.poll_event(), Some(Event::Failed(error)));
}

#[test]
fn a_finished_that_does_not_match_is_fatal_with_decrypt_error() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let fragment = FragmentHeader::whole(HandshakeType::FINISHED, MessageSeq(2), 12).to_bytes();
    let record = sealed_record(&mut client, ContentType::HANDSHAKE, &[&fragment[..], &[0; 12]].concat());
    let flight_5 = drain(&mut client, START).concat();
    let records: Vec<_> = Records::new(&flight_5).map(Result::unwrap).collect();
    let in_the_clear = records.iter().take(2).map(|record| RecordHeader::LEN + record.body.len()).sum();
    deliver(vec![flight_5[..in_the_clear].to_vec(), record], &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::FinishedMismatch)));
    assert_eq!(Error::FinishedMismatch.alert(), Some(AlertDescription::DECRYPT_ERROR));
}

#[test]
fn a_connection_that_forgives_nothing_believes_an_alert_at_once() {
    let pair = Pair { client_settings: |settings| settings.fault_budget = 0, ..Pair::new() };
    let (mut client, _) = pair.build();
    deliver(vec![plaintext_record(ContentType::ALERT, &[2, 40])], &mut client, START);
    let alert = Error::AlertReceived(AlertDescription::HANDSHAKE_FAILURE);
    assert_eq!(client.poll_event(), Some(Event::Failed(alert)));
}

#[test]
fn messages_that_do_not_belong_are_forgiven_as_often_as_the_budget_says() {
    let stray = plaintext_record(
        ContentType::HANDSHAKE,
        &FragmentHeader::whole(HandshakeType::SERVER_HELLO_DONE, MessageSeq::ZERO, 0).to_bytes(),
    );
    let (mut client, mut server) = Pair::new().build();
    for _ in 0..8 {
        deliver(vec![stray.clone()], &mut client, START);
        assert_eq!(client.poll_event(), None);
    }
    exchange(&mut client, &mut server, START);
    assert_eq!(client.poll_event(), Some(Event::Connected));

    let (mut client, _) = Pair::new().build();
    for _ in 0..9 {
        deliver(vec![stray.clone()], &mut client, START);
    }
    let error = Error::UnexpectedMessage(HandshakeType::SERVER_HELLO_DONE);
    assert_eq!(client.poll_event(), Some(Event::Failed(error)));
}

#[test]
fn one_datagram_spends_one_fault_however_much_is_wrong_in_it() {
    let stray = FragmentHeader::whole(HandshakeType::SERVER_HELLO_DONE, MessageSeq::ZERO, 0).to_bytes();
    let (mut client, mut server) = Pair::new().build();
    for _ in 0..8 {
        deliver(vec![plaintext_record(ContentType::HANDSHAKE, &stray.repeat(50))], &mut client, START);
    }
    assert_eq!(client.poll_event(), None);
    exchange(&mut client, &mut server, START);
    assert_eq!(client.poll_event(), Some(Event::Connected));
}

#[test]
fn nothing_in_the_clear_takes_the_place_of_a_protected_finished() {
    for typ in [HandshakeType::CERTIFICATE, HandshakeType::SERVER_HELLO_DONE, HandshakeType::FINISHED] {
        let (mut client, mut server) = Pair::new().build();
        deliver(drain(&mut client, START), &mut server, START);
        deliver(drain(&mut server, START), &mut client, START);
        let flight_5 = drain(&mut client, START);
        // More often than the budget forgives.
        for seq in (0..10).cycle().take(120) {
            for length in [0, 12, 100] {
                let header = FragmentHeader {
                    typ,
                    length,
                    message_seq: MessageSeq(seq),
                    fragment_offset: 0,
                    fragment_length: length.min(1),
                };
                let forged = [&header.to_bytes()[..], &[7][..usize::from(length > 0)]].concat();
                deliver(vec![plaintext_record(ContentType::HANDSHAKE, &forged)], &mut client, START);
            }
        }
        assert_eq!(client.poll_event(), None);
        deliver(flight_5, &mut server, START);
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Connected));
    }
}

#[test]
fn a_newer_hello_that_does_not_parse_does_not_lock_the_honest_one_out() {
    let (mut client, mut server) = Pair::new().build();
    let junk = [&FragmentHeader::whole(HandshakeType::CLIENT_HELLO, MessageSeq(3), 5).to_bytes()[..], &[0; 5]].concat();
    deliver(vec![plaintext_record(ContentType::HANDSHAKE, &junk)], &mut server, START);
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Connected));
}

#[test]
fn a_failure_in_the_datagram_that_completes_the_handshake_is_all_that_is_told() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let mut datagram = drain(&mut client, START).concat();
    datagram.extend(sealed_record(&mut client, ContentType::ALERT, &[2, 80]));
    deliver(vec![datagram], &mut server, START);
    let alert = Error::AlertReceived(AlertDescription::INTERNAL_ERROR);
    assert_eq!(server.poll_event(), Some(Event::Failed(alert)));
    assert_eq!(server.poll_event(), None);
}

#[test]
fn application_data_before_finished_is_never_lent() {
    let (mut client, mut server) = Pair::new().build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let flight_5 = drain(&mut client, START);
    // The client has keys but no Finished of the server's.
    assert_eq!(client.send(b"early", &mut vec![]), Err(SendError::NotConnected));
    let early = sealed_record(&mut client, ContentType::APPLICATION_DATA, b"early");
    deliver(vec![plaintext_record(ContentType::APPLICATION_DATA, b"early")], &mut server, START);
    assert_eq!(deliver(vec![early.clone()], &mut server, START), Vec::<Vec<u8>>::new());
    deliver(flight_5, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Connected));
    assert_eq!(deliver(vec![early], &mut server, START), [b"early"], "it was dropped, not noted as received");
}
