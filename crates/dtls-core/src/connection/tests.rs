//! A connection as its owner sees it: two ends in one process, and what is done to one of them.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::established::Linger;
use super::*;
use crate::config::{ClientAuthentication, ExtendedMasterSecret};
use crate::crypto::{CryptoProvider, Fingerprint, Fingerprints, Identity, PeerVerifier, testing};
use crate::discard::Discard;
use crate::error::CertificateError;
use crate::wire::codec::Decode as _;
use crate::wire::enums::{ContentType, HandshakeType, ProtocolVersion, SrtpProfile};
use crate::wire::fragment::FragmentHeader;
use crate::wire::hello::ClientHello;
use crate::wire::record::{Epoch, RecordHeader, Records};

const START: Instant = Instant::ORIGIN;

/// Both configurations of a pair; each test changes what it needs.
struct Pair {
    provider: Arc<CryptoProvider>,
    client_settings: fn(&mut Settings),
    server_settings: fn(&mut Settings),
    /// Whom the client trusts, by fingerprint; the server's own unless a test says otherwise.
    trusted: Option<Fingerprint>,
    client_authentication: ClientAuthentication,
    client_has_identity: bool,
}

impl Pair {
    fn new() -> Self {
        Self {
            provider: Arc::new(testing::providers().swap_remove(0)),
            client_settings: |_| {},
            server_settings: |_| {},
            trusted: None,
            client_authentication: ClientAuthentication::None,
            client_has_identity: false,
        }
    }

    fn verifier(&self, fingerprint: Fingerprint) -> Arc<dyn PeerVerifier> {
        Arc::new(Fingerprints::new(&self.provider, [fingerprint]).unwrap())
    }

    /// A client that has not sent anything yet and a server that waits for it.
    fn build(&self) -> (Connection, Connection) {
        let (certificate, key) = testing::self_signed();
        let fingerprint = self.trusted.unwrap_or_else(|| Fingerprint::of(&self.provider, &certificate));
        let identity = Identity::new(&self.provider, vec![certificate], key).unwrap();
        let server = ServerConfig::builder(Arc::clone(&self.provider))
            .identity(identity)
            .client_authentication(self.client_authentication.clone())
            .configure(self.server_settings)
            .build()
            .unwrap();
        let client = ClientConfig::builder(Arc::clone(&self.provider)).trust(self.verifier(fingerprint));
        let client = if self.client_has_identity {
            let (certificate, key) = testing::self_signed();
            client.identity(Identity::new(&self.provider, vec![certificate], key).unwrap())
        } else {
            client.without_identity()
        };
        let client = client.configure(self.client_settings).build().unwrap();
        (
            Connection::connect(Arc::new(client), None, START).unwrap(),
            Connection::accept_on_trusted_path(Arc::new(server), START),
        )
    }

    /// Both ends, connected.
    fn connect(&self) -> (Connection, Connection) {
        let (mut client, mut server) = self.build();
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert_eq!(server.poll_event(), Some(Event::Connected));
        (client, server)
    }
}

/// Everything that leaves `from` now.
fn drain(from: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let mut datagrams = vec![];
    let mut datagram = vec![];
    while from.poll_transmit(now, &mut datagram) {
        datagrams.push(core::mem::take(&mut datagram));
    }
    datagrams
}

/// Gives datagrams to `to` and returns the application data in them.
fn deliver(datagrams: Vec<Vec<u8>>, to: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let mut received = vec![];
    for mut datagram in datagrams {
        received.extend(to.receive(now, &mut datagram).map(|payload| payload.to_vec()));
    }
    received
}

/// Carries datagrams both ways until nothing moves.
fn exchange(client: &mut Connection, server: &mut Connection, now: Instant) {
    loop {
        let (from_client, from_server) = (drain(client, now), drain(server, now));
        if from_client.is_empty() && from_server.is_empty() {
            break;
        }
        deliver(from_client, server, now);
        deliver(from_server, client, now);
    }
}

fn plaintext_record(content_type: ContentType, body: &[u8]) -> Vec<u8> {
    let header = RecordHeader {
        content_type,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ZERO,
        number: RecordNumber::new(77).unwrap(),
        length: u16::try_from(body.len()).unwrap(),
    };
    [&header.to_bytes(), body].concat()
}

/// A record that `from` seals with its own key: what only the honest peer could have sent.
fn sealed_record(from: &mut Connection, content_type: ContentType, body: &[u8]) -> Vec<u8> {
    let mut record = vec![];
    from.outbound.write(Epoch::ONE, content_type, &[body], &mut record).unwrap();
    record
}

fn ping(from: &mut Connection, to: &mut Connection) -> Vec<Vec<u8>> {
    let mut datagram = vec![];
    from.send(b"ping", &mut datagram).unwrap();
    deliver(vec![datagram], to, START)
}

// --- events ---

#[test]
fn application_data_is_lent_record_by_record_and_dropping_the_iterator_handles_the_rest() {
    let (mut client, mut server) = Pair::new().connect();
    let mut datagram = vec![];
    client.send(b"one", &mut datagram).unwrap();
    client.send(b"", &mut datagram).unwrap();
    client.send(b"three", &mut datagram).unwrap();
    let payloads: Vec<_> = server.receive(START, &mut datagram.clone()).map(|payload| payload.to_vec()).collect();
    assert_eq!(payloads, [&b"one"[..], b"", b"three"]);

    client.send(b"four", &mut datagram).unwrap();
    client.close();
    datagram.extend(drain(&mut client, START).concat());
    drop(server.receive(START, &mut datagram));
    assert_eq!(server.poll_event(), Some(Event::Closed));
}

#[test]
fn a_wrong_fingerprint_fails_both_ends_with_bad_certificate() {
    let pair = Pair { trusted: Some(Fingerprint::new([1; 32])), ..Pair::new() };
    let (mut client, mut server) = pair.build();
    exchange(&mut client, &mut server, START);
    let error = Error::Certificate(CertificateError::NotPinned);
    assert_eq!(client.poll_event(), Some(Event::Failed(error)));
    assert!(client.info().is_none());
    // The alert is in the clear, so the server believes it when nothing contradicts it.
    assert_eq!(server.poll_event(), None);
    let deadline = server.poll_timeout().unwrap();
    server.handle_timeout(deadline);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::AlertReceived(AlertDescription::BAD_CERTIFICATE))));
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_client_without_the_certificate_that_is_required_is_refused() {
    let pair = Pair::new();
    let verifier = pair.verifier(Fingerprint::new([1; 32]));
    let pair = Pair { client_authentication: ClientAuthentication::Require(verifier), ..pair };
    let (mut client, mut server) = pair.build();
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::CertificateMissing)));
    client.handle_timeout(client.poll_timeout().unwrap());
    let alert = Error::AlertReceived(AlertDescription::HANDSHAKE_FAILURE);
    assert_eq!(client.poll_event(), Some(Event::Failed(alert)));
}

#[test]
fn a_client_may_stay_anonymous_where_a_certificate_is_only_requested() {
    let pair = Pair::new();
    let verifier = pair.verifier(Fingerprint::new([1; 32]));
    let pair = Pair { client_authentication: ClientAuthentication::Request(verifier), ..pair };
    let (_, server) = pair.connect();
    assert!(server.info().unwrap().peer_certificates.is_empty());

    let (mut client, mut server) = Pair { client_has_identity: true, ..pair }.build();
    exchange(&mut client, &mut server, START);
    let error = Error::Certificate(CertificateError::NotPinned);
    assert_eq!(server.poll_event(), Some(Event::Failed(error)), "one that is shown must be trusted");
}

// --- what anyone can forge ---

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

// --- what the honest peer may do ---

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
    for _ in 1..Established::WARNINGS_MAX {
        warn(&mut client, &mut server);
    }
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    for _ in 1..Established::WARNINGS_MAX {
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

// --- time and size ---

#[test]
fn a_silent_server_is_given_up_at_the_deadline() {
    let (mut client, _) = Pair::new().build();
    let mut sent_at = vec![];
    let mut now = START;
    loop {
        for _ in drain(&mut client, now) {
            sent_at.push((now - START).as_secs());
        }
        let Some(deadline) = client.poll_timeout() else { break };
        assert!(deadline > now);
        now = deadline;
        client.handle_timeout(now);
    }
    assert_eq!(sent_at, [0, 1, 3, 7, 15, 31]);
    assert_eq!(now - START, Duration::from_secs(60));
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
}

#[test]
fn a_round_trip_hint_brings_the_first_repetition_forward() {
    let (mut client, _) = Pair::new().build();
    client.set_round_trip_hint(Duration::from_millis(40));
    drain(&mut client, START);
    assert_eq!(client.poll_timeout(), Some(START + Duration::from_millis(120)));
}

#[test]
fn no_datagram_is_longer_than_the_mtu_and_repeated_loss_lowers_it() {
    let long_hello = |settings: &mut Settings| {
        settings.alpn = (0..8).map(|i| vec![b'a' + i; 200]).collect();
        settings.mtu = 1400;
        settings.handshake_timeout = Duration::from_secs(600);
    };
    let (mut client, _) = Pair { client_settings: long_hello, ..Pair::new() }.build();
    let longest = |datagrams: Vec<Vec<u8>>| datagrams.iter().map(Vec::len).max().unwrap();
    let mut sizes = vec![longest(drain(&mut client, START))];
    for _ in 0..5 {
        let now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
        sizes.push(longest(drain(&mut client, now)));
    }
    for (size, mtu) in sizes.iter().zip([1400, 1400, 1232, 1232, 548, 548]) {
        assert!(*size <= mtu, "{sizes:?}");
    }
    assert!(sizes[0] > 548 && sizes[4] <= 548);
    client.set_mtu(256);
    client.handle_timeout(client.poll_timeout().unwrap());
    assert!(longest(drain(&mut client, START)) <= 256);
}

#[test]
fn the_longest_payload_fills_the_mtu_exactly_and_one_byte_more_is_refused() {
    for mtu in [256, 1200, 1400, 16_500, 65_535] {
        let (mut client, mut server) = Pair::new().connect();
        client.set_mtu(mtu);
        let max = client.max_payload();
        let mut datagram = vec![];
        client.send(&vec![7; max], &mut datagram).unwrap();
        assert_eq!(datagram.len(), mtu.min(max + 13 + 24));
        assert!(max <= 1 << 14 && (max == 1 << 14 || datagram.len() == mtu));
        assert_eq!(client.send(&vec![7; max + 1], &mut vec![]), Err(SendError::TooLong { max }));
        assert_eq!(deliver(vec![datagram], &mut server, START), [vec![7; max]]);
    }
}

#[test]
fn the_last_record_number_ends_the_connection() {
    let (mut client, mut server) = Pair::new().connect();
    client.outbound.skip_to(RecordNumber::MAX);
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    let mut out = vec![1];
    assert_eq!(client.send(b"x", &mut out), Err(SendError::Exhausted));
    assert_eq!(out, [1]);
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::NumbersExhausted)));
    assert_eq!(drain(&mut client, START), Vec::<Vec<u8>>::new(), "not even an alert may be sealed");
}

#[test]
fn a_key_that_too_many_forgeries_were_tried_on_is_given_up_with_bad_record_mac() {
    let (mut client, mut server) = Pair::new().connect();
    server.inbound.allow_failures(2);
    let mut forged = vec![];
    client.send(b"honest", &mut forged).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    deliver(vec![forged.clone()], &mut server, START);
    assert_eq!(server.poll_event(), None);
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    deliver(vec![forged], &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::TooManyForgedRecords)));
    deliver(drain(&mut server, START), &mut client, START);
    let alert = Error::AlertReceived(AlertDescription::BAD_RECORD_MAC);
    assert_eq!(client.poll_event(), Some(Event::Failed(alert)));
}

#[test]
fn a_record_longer_than_any_may_be_is_dropped_before_it_is_opened() {
    let (_, mut server) = Pair::new().connect();
    let length = (1 << 14) + 2048 + 1;
    let header = RecordHeader {
        content_type: ContentType::APPLICATION_DATA,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ONE,
        number: RecordNumber::new(9).unwrap(),
        length,
    };
    let mut record = header.to_bytes().to_vec();
    record.resize(record.len() + usize::from(length), 0);
    deliver(vec![record], &mut server, START);
    assert_eq!(server.stats().discarded(Discard::BadLength), 1);
    assert_eq!(server.stats().discarded(Discard::NotAuthentic), 0);
}

#[test]
fn a_timer_that_has_doubled_stays_so_for_the_next_flight() {
    let (mut client, mut server) = Pair::new().build();
    drain(&mut client, START);
    let now = client.poll_timeout().unwrap();
    client.handle_timeout(now);
    deliver(drain(&mut client, now), &mut server, now);
    deliver(drain(&mut server, now), &mut client, now);
    drain(&mut client, now);
    assert_eq!(client.poll_timeout(), Some(now + Duration::from_secs(2)));
}

#[test]
fn a_hello_says_what_is_configured_and_names_no_address() {
    for (name, expected) in [("peer.example", Some(&b"peer.example"[..])), ("192.0.2.1", None), ("2001:db8::1", None)] {
        let pair = Pair { client_settings: |settings| settings.alpn = vec![b"coap".to_vec()], ..Pair::new() };
        let trust = pair.verifier(Fingerprint::new([1; 32]));
        let config = ClientConfig::builder(Arc::clone(&pair.provider)).trust(trust).without_identity();
        let config = Arc::new(config.configure(pair.client_settings).build().unwrap());
        let name = ServerName::try_from(name).unwrap().to_owned();
        let mut client = Connection::connect(Arc::clone(&config), Some(name), START).unwrap();
        let datagram = drain(&mut client, START).concat();
        let record = Records::new(&datagram).next().unwrap().unwrap();
        let hello = ClientHello::decode_all(&record.body[FragmentHeader::LEN..]).unwrap();
        assert_eq!(hello.cipher_suites, config.settings().cipher_suites);
        assert_eq!(hello.extensions.server_name, expected);
        assert_eq!(hello.extensions.supported_groups, Some(config.settings().groups.clone()));
        assert_eq!(hello.extensions.signature_schemes, Some(config.settings().signature_schemes.clone()));
        assert_eq!(hello.extensions.alpn, Some(vec![&b"coap"[..]]));
        assert_eq!(hello.extensions.use_srtp, None);
        assert_eq!(hello.extensions.renegotiation_info, Some(&[][..]));
        assert!(hello.extensions.extended_master_secret);
        assert!(hello.session_id.is_empty() && hello.cookie.is_empty());
    }
}

#[test]
fn a_certificate_that_fills_a_datagram_of_any_mtu_arrives_whole() {
    for mtu in [256, 257, 300, 548, 1200, 65_535] {
        let (mut client, mut server) = Pair::new().build();
        server.set_mtu(mtu);
        deliver(drain(&mut client, START), &mut server, START);
        let flight_4 = drain(&mut server, START);
        assert!(flight_4.iter().all(|datagram| datagram.len() <= mtu));
        for datagram in &flight_4 {
            assert!(Records::new(datagram).all(|record| record.is_ok()));
        }
        deliver(flight_4, &mut client, START);
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Connected), "{mtu}");
    }
}

// --- exporters ---

#[test]
fn both_ends_export_the_same_and_context_matters() {
    let (client, server) = Pair::new().connect();
    let export = |connection: &Connection, context: Option<&[u8]>| {
        let mut out = [0; 40];
        connection.export(b"EXPERIMENTAL-test", context, &mut out).unwrap();
        out
    };
    assert_eq!(export(&client, None), export(&server, None));
    assert_eq!(export(&client, Some(b"c")), export(&server, Some(b"c")));
    assert_ne!(export(&client, None), export(&client, Some(b"")));
    assert_ne!(export(&client, Some(b"")), export(&client, Some(b"c")));
    let too_long = vec![0; 65_536];
    assert_eq!(client.export(b"l", Some(&too_long), &mut [0; 4]), Err(ExportError::ContextTooLong));
    assert_eq!(client.export(b"master secret", None, &mut [0; 4]), Err(ExportError::ReservedLabel));
    assert_eq!(client.srtp_keys().unwrap_err(), ExportError::NoSrtp);
}

#[test]
fn without_the_extended_master_secret_nothing_is_exported_unless_the_settings_allow_it() {
    let pair = Pair {
        client_settings: |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer,
        server_settings: |settings| {
            settings.extended_master_secret = ExtendedMasterSecret::Off;
            settings.exporters = Exporters::Allowed;
        },
        ..Pair::new()
    };
    let (client, server) = pair.connect();
    assert!(!client.info().unwrap().extended_master_secret);
    assert_eq!(client.export(b"l", None, &mut [0; 4]), Err(ExportError::NoExtendedMasterSecret));
    assert_eq!(server.export(b"l", None, &mut [0; 4]), Ok(()));

    let pair = Pair { client_settings: |_| {}, ..pair };
    let (mut client, mut server) = pair.build();
    exchange(&mut client, &mut server, START);
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::ExtendedMasterSecretMissing)));
}

#[test]
fn srtp_keys_of_one_end_are_the_other_ends_mirrored() {
    let pair = Pair {
        client_settings: |settings| {
            settings.srtp_profiles = vec![SrtpProfile::AES128_CM_HMAC_SHA1_80, SrtpProfile::AEAD_AES_256_GCM];
            settings.srtp_mki = vec![1, 2];
        },
        server_settings: |settings| {
            settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_256_GCM, SrtpProfile::AES128_CM_HMAC_SHA1_80];
            settings.srtp_mki = vec![1, 2];
        },
        ..Pair::new()
    };
    let (client, server) = pair.connect();
    let srtp = client.info().unwrap().srtp.clone().unwrap();
    assert_eq!((srtp.profile, &srtp.mki[..]), (SrtpProfile::AEAD_AES_256_GCM, &[1, 2][..]), "the server's order");
    let (client, server) = (client.srtp_keys().unwrap(), server.srtp_keys().unwrap());
    assert_eq!((client.local_key(), client.local_salt()), (server.remote_key(), server.remote_salt()));
    assert_eq!((client.remote_key(), client.remote_salt()), (server.local_key(), server.local_salt()));
    assert_ne!(client.local_key(), client.remote_key());
}

#[test]
fn an_mki_that_the_server_does_not_share_is_not_used() {
    let pair = Pair {
        client_settings: |settings| {
            settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM];
            settings.srtp_mki = vec![1, 2];
        },
        server_settings: |settings| settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM],
        ..Pair::new()
    };
    let (client, server) = pair.connect();
    assert_eq!(client.info().unwrap().srtp, server.info().unwrap().srtp);
    assert!(client.info().unwrap().srtp.as_ref().unwrap().mki.is_empty());
}

// --- application protocols ---

#[test]
fn the_server_picks_the_protocol_by_its_own_order_or_refuses() {
    let offer = |settings: &mut Settings| settings.alpn = vec![b"a".to_vec(), b"b".to_vec()];
    let pair = Pair { client_settings: offer, ..Pair::new() };
    let (client, _) = pair.connect();
    assert_eq!(client.info().unwrap().alpn, None, "a server that knows none ignores the offer");

    let prefers_b = |settings: &mut Settings| settings.alpn = vec![b"c".to_vec(), b"b".to_vec(), b"a".to_vec()];
    let (client, server) = Pair { client_settings: offer, server_settings: prefers_b, ..Pair::new() }.connect();
    assert_eq!(client.info().unwrap().alpn.as_deref(), Some(&b"b"[..]));
    assert_eq!(server.info().unwrap().alpn, client.info().unwrap().alpn);

    let knows_c = |settings: &mut Settings| settings.alpn = vec![b"c".to_vec()];
    let (mut client, mut server) = Pair { client_settings: offer, server_settings: knows_c, ..Pair::new() }.build();
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::NoCommonApplicationProtocol)));
    client.handle_timeout(client.poll_timeout().unwrap());
    let alert = Error::AlertReceived(AlertDescription::NO_APPLICATION_PROTOCOL);
    assert_eq!(client.poll_event(), Some(Event::Failed(alert)));
}
