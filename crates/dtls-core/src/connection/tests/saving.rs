//! Connections that are put aside and go on.

use alloc::collections::BTreeSet;
use alloc::string::String;

use proptest::prelude::*;

use super::*;
use crate::config::{ConnectionIdUse, RandomConnectionId, RoleConfig};
use crate::connection::saving::{CannotSave, RestoreError, SavedConnection, SavingKey};
use crate::crypto::{PeerAuthenticated, PresentedPeer};
use crate::event::Role;
use crate::wire::enums::CipherSuiteId;

const LATER: Instant = Instant::from_origin(Duration::from_secs(1000));

fn config_of(connection: &Connection) -> RoleConfig {
    connection.agreed().unwrap().config.clone()
}

/// The connection after a rest.
fn rested(mut connection: Connection) -> Connection {
    let saved = connection.save(START).unwrap();
    assert!(connection.is_over());
    saved.restore(START).unwrap()
}

/// The connection in another process.
fn moved(mut connection: Connection) -> Connection {
    let config = config_of(&connection);
    let bytes = connection.save(START).unwrap().into_bytes();
    SavedConnection::from_bytes(&bytes, config).unwrap().restore(START).unwrap()
}

fn exported(connection: &Connection) -> [u8; 20] {
    let mut out = [0; 20];
    connection.export(b"label", Some(b"context"), &mut out).unwrap();
    out
}

/// What tells a connection from another, but for what only a handshake needs.
fn told(connection: &Connection) -> (SessionInfo, Stats, String, usize) {
    let established = connection.agreed().unwrap();
    let linger = established.linger.as_ref();
    let mut written = connection.outbound.progress().unwrap();
    if linger.is_none() {
        (written.next_plaintext, written.longest_plaintext) = (0, 0);
    }
    let linger = linger.map(|it| (&it.flight, it.asked_by, it.until, it.quiet_until, it.answers_left));
    let Mtu { configured, effective, peer_lacked_flight, .. } = connection.mtu;
    let mtu = (configured, effective, peer_lacked_flight);
    let rest = (linger, written, connection.inbound.progress().unwrap(), connection.warnings, mtu);
    (established.info.clone(), connection.stats().clone(), format!("{rest:?}"), connection.max_payload())
}

fn number_of(record: &[u8]) -> u64 {
    record[5..11].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn sealed(from: &mut Connection) -> Vec<u8> {
    let mut record = vec![];
    from.send(b"ping", &mut record).unwrap();
    record
}

/// All that an end can have agreed on.
fn everything(settings: &mut Settings) {
    settings.alpn = vec![b"coap".to_vec()];
    settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM];
    settings.srtp_mki = vec![1, 2, 3];
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(8)));
    settings.record_size_limit = Some(500);
}

#[derive(Debug)]
struct Anyone;

impl PeerVerifier for Anyone {
    fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        Ok(PeerAuthenticated::dangerous_assertion())
    }
}

/// Handshakes of every kind that leaves something of its own behind.
fn worlds() -> Vec<Pair> {
    let old: fn(&mut Settings) = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
    let off: fn(&mut Settings) = |settings| settings.extended_master_secret = ExtendedMasterSecret::Off;
    vec![
        Pair::new(),
        Pair { client_settings: everything, server_settings: everything, ..Pair::new() },
        Pair { client_settings: old, server_settings: off, ..Pair::new() },
        Pair {
            client_has_identity: true,
            client_authentication: ClientAuthentication::Require(Arc::new(Anyone)),
            certificates: 2,
            ..Pair::new()
        },
    ]
}

#[test]
fn a_connection_that_has_rested_is_what_it_was() {
    for pair in worlds() {
        let (mut client, mut server) = pair.connect();
        for _ in 0..3 {
            ping(&mut client, &mut server);
        }
        client.warnings = 3;
        client.mtu = Mtu::restored(1300, 1232, true);
        let same = |connection: Connection| {
            let before = told(&connection);
            let connection = rested(connection);
            assert_eq!(told(&connection), before);
            connection
        };
        let (mut client, mut server) = (same(client), same(server));
        assert_eq!(ping(&mut client, &mut server), [b"ping"]);
        assert_eq!(ping(&mut server, &mut client), [b"ping"]);
        if client.info().unwrap().extended_master_secret {
            assert_eq!(exported(&client), exported(&server));
        }
        assert_eq!(client.stats().discarded_in_all() + server.stats().discarded_in_all(), 0);
    }
}

#[test]
fn every_suite_goes_on() {
    for provider in testing::providers() {
        let provider = Arc::new(provider);
        for suite in provider.cipher_suites.iter().filter(|suite| suite.id.name().unwrap().contains("ECDSA")) {
            let suite = suite.id;
            let (certificate, key) = testing::self_signed();
            let trust = Fingerprints::new(&provider, [Fingerprint::of(&provider, &certificate)]).unwrap();
            let identity = Identity::new(&provider, vec![certificate], key).unwrap();
            let only = |settings: &mut Settings| settings.cipher_suites = vec![suite];
            let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).configure(only);
            let client = ClientConfig::builder(Arc::clone(&provider)).trust(Arc::new(trust)).without_identity();
            let client = Arc::new(client.configure(only).build().unwrap());
            let mut client = Connection::connect(client, None, START).unwrap();
            let mut server = Connection::accept_on_trusted_path(Arc::new(server.build().unwrap()), START);
            exchange(&mut client, &mut server, START);
            while client.poll_event().or_else(|| server.poll_event()).is_some() {}
            let (mut client, mut server) = (moved(rested(client)), rested(moved(server)));
            assert_eq!(ping(&mut client, &mut server), [b"ping"], "{suite:?}");
            assert_eq!(ping(&mut server, &mut client), [b"ping"], "{suite:?}");
        }
    }
}

#[test]
fn numbers_go_on_after_a_rest_and_leap_on_the_way_to_another_process() {
    let (mut client, mut server) = Pair::new().connect();
    let last = number_of(&sealed(&mut client));
    client = rested(client);
    assert_eq!(number_of(&sealed(&mut client)), last + 1);

    let config = config_of(&client);
    let bytes = client.save(START).unwrap().into_bytes();
    let mut starts = vec![];
    for _ in 0..20 {
        let copy = SavedConnection::from_bytes(&bytes, config.clone()).unwrap();
        let mut copy = copy.restore(START).unwrap();
        let record = sealed(&mut copy);
        starts.push(number_of(&record));
        assert!(number_of(&record) > last + (1 << 16));
    }
    starts.sort_unstable();
    // By chance, once in 2^14 runs.
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] > 1 << 16), "{starts:?}");

    let copy = SavedConnection::from_bytes(&bytes, config).unwrap();
    assert_eq!(ping(&mut copy.restore(START).unwrap(), &mut server), [b"ping"], "the peer follows");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Rest,
    Move,
    /// The process ends with the state still in a file, which is read once more: a second copy goes on in its place.
    CopyAndMove,
    /// Everything that was ever sent arrives once more.
    Replay,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_put_aside_and_taken_up_no_number_is_used_twice_and_nothing_is_received_twice(
        steps in prop::collection::vec((any::<bool>(), prop_oneof![
            4 => Just(Step::Send), 2 => Just(Step::Rest), 2 => Just(Step::Move), 1 => Just(Step::CopyAndMove),
            1 => Just(Step::Replay),
        ]), 1..60)
    ) {
        let (client, server) = Pair::new().connect();
        let mut ends = [client, server];
        let mut sent: [Vec<Vec<u8>>; 2] = [vec![], vec![]];
        let mut ledger = [BTreeSet::new(), BTreeSet::new()];
        for (of_server, step) in steps {
            let at = usize::from(of_server);
            match step {
                Step::Send => {
                    let record = sealed(&mut ends[at]);
                    sent[at].push(record.clone());
                    prop_assert!(ledger[at].insert(number_of(&record)));
                    prop_assert_eq!(deliver(vec![record], &mut ends[1 - at], START), [b"ping"]);
                }
                Step::Replay => prop_assert!(deliver(sent[1 - at].clone(), &mut ends[at], START).is_empty()),
                Step::Rest => {
                    let saved = ends[at].save(START).unwrap();
                    ends[at] = saved.restore(START).unwrap();
                }
                Step::Move | Step::CopyAndMove => {
                    let config = config_of(&ends[at]);
                    let bytes = ends[at].save(START).unwrap().into_bytes();
                    let read = || SavedConnection::from_bytes(&bytes, config.clone()).unwrap().restore(START).unwrap();
                    if let Step::CopyAndMove = step {
                        // What the first copy says is lost on its way.
                        prop_assert!(ledger[at].insert(number_of(&sealed(&mut read()))));
                    }
                    ends[at] = read();
                }
            }
        }
    }
}

#[test]
fn what_was_received_before_is_not_received_again() {
    for go_on in [rested, moved] {
        let (mut client, mut server) = Pair::new().connect();
        let (first, second) = (sealed(&mut client), sealed(&mut client));
        assert_eq!(deliver(vec![second.clone()], &mut server, START).len(), 1);
        let mut server = go_on(server);
        assert!(deliver(vec![second], &mut server, START).is_empty());
        assert_eq!(server.stats().discarded(Discard::Replayed), 1);
        assert_eq!(deliver(vec![first], &mut server, START).len(), 1, "one that was late");
    }
}

#[test]
fn what_is_saved_is_over_without_a_word_and_without_keys() {
    let (mut client, mut server) = Pair::new().connect();
    let record = sealed(&mut server);
    client.save(START).unwrap();
    assert!(client.is_over() && client.info().is_none());
    assert_eq!(client.memory(), size_of::<Connection>());
    assert_eq!(client.poll_event(), None);
    assert!(drain(&mut client, START).is_empty());
    assert_eq!(client.send(b"ping", &mut vec![]), Err(SendError::Closed));
    assert!(deliver(vec![record], &mut client, START).is_empty());
    assert_eq!(client.save(START).unwrap_err(), CannotSave::NotConnected);
}

#[test]
fn nothing_is_lost_by_saving_too_early() {
    let (mut client, mut server) = Pair::new().build();
    assert_eq!(client.save(START).unwrap_err(), CannotSave::NotConnected);
    // The flight that completes the handshake has not left.
    loop {
        let from_client = drain(&mut client, START);
        deliver(from_client, &mut server, START);
        if server.info().is_some() {
            break;
        }
        let from_server = drain(&mut server, START);
        deliver(from_server, &mut client, START);
    }
    assert_eq!(server.poll_event(), Some(Event::Connected));
    assert_eq!(server.save(START).unwrap_err(), CannotSave::NotDrained);
    let last_flight = drain(&mut server, START);
    deliver(last_flight, &mut client, START);
    // Nobody has been told.
    assert_eq!(client.save(START).unwrap_err(), CannotSave::NotDrained);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    let (mut client, mut server) = (rested(client), rested(server));
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    // An alert has not left.
    let hello_request = FragmentHeader::whole(HandshakeType::HELLO_REQUEST, MessageSeq(9), 0).to_bytes();
    let record = sealed_record(&mut server, ContentType::HANDSHAKE, &hello_request);
    deliver(vec![record], &mut client, START);
    assert_eq!(client.save(START).unwrap_err(), CannotSave::NotDrained);
    assert_eq!(drain(&mut client, START).len(), 1);
    // That it has been sent is not forgotten either.
    let mut client = rested(client);
    let record = sealed_record(&mut server, ContentType::HANDSHAKE, &hello_request);
    deliver(vec![record], &mut client, START);
    assert!(drain(&mut client, START).is_empty());
}

#[test]
fn the_last_flight_is_repeated_by_a_server_that_has_moved() {
    for go_on in [rested, moved] {
        let (mut client, mut server) = Pair::new().build();
        let last_flight = loop {
            let out = drain(&mut client, START);
            deliver(out, &mut server, START);
            let out = drain(&mut server, START);
            if server.info().is_some() {
                break out;
            }
            deliver(out, &mut client, START);
        };
        assert_eq!(server.poll_event(), Some(Event::Connected));
        let mut server = go_on(server);
        let soon = START + Duration::from_secs(1);
        client.handle_timeout(soon);
        let again = drain(&mut client, soon);
        deliver(again, &mut server, soon);
        let repeated = drain(&mut server, soon);
        assert_eq!(repeated.len(), last_flight.len());
        // A ChangeCipherSpec and a Finished, under numbers of their own.
        let numbers = |flight: &[Vec<u8>]| -> Vec<_> {
            let records =
                flight.iter().flat_map(|datagram| Records::new(datagram).map(|record| record.unwrap().header));
            records.map(|header| (header.epoch, header.number)).collect()
        };
        assert!(numbers(&repeated).iter().zip(&numbers(&last_flight)).all(|(again, first)| again > first));
        deliver(repeated, &mut client, soon);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert_eq!(ping(&mut client, &mut server), [b"ping"]);
    }
}

#[test]
fn times_go_on_from_where_they_stood() {
    let (_, mut server) = Pair::new().connect();
    assert_eq!(server.poll_timeout(), Some(START + Linger::DURATION));
    let saved = server.save(START + Duration::from_secs(40)).unwrap();
    let mut server = saved.restore(LATER).unwrap();
    assert_eq!(server.poll_timeout(), Some(LATER + (Linger::DURATION - Duration::from_secs(40))));
    server.handle_timeout(LATER + Linger::DURATION);
    assert_eq!(rested(server).poll_timeout(), None);
}

#[test]
fn numbers_that_are_used_up_are_not_moved() {
    let (mut client, mut server) = Pair::new().connect();
    client.outbound.skip_to(RecordNumber::MAX);
    let config = config_of(&client);
    let mut client = rested(client);
    let bytes = client.save(START).unwrap().into_bytes();
    let leap = SavedConnection::from_bytes(&bytes, config.clone());
    assert_eq!(leap.unwrap_err(), RestoreError::NumbersExhausted);

    let (mut client, mut server2) = Pair::new().connect();
    client.outbound.skip_to(RecordNumber::MAX);
    assert_eq!(ping(&mut client, &mut server2), [b"ping"]);
    assert_eq!(client.save(START).unwrap_err(), CannotSave::NumbersExhausted);
    assert_eq!(server2.save(START).unwrap_err(), CannotSave::NumbersExhausted, "the peer has none left");
    assert_eq!(client.send(b"ping", &mut vec![]), Err(SendError::Exhausted));
    assert_eq!(ping(&mut server, &mut server2).len(), 0);
}

#[test]
fn only_a_state_is_one_and_only_for_its_role_and_suites() {
    let (mut client, mut server) =
        Pair { client_settings: everything, server_settings: everything, ..Pair::new() }.connect();
    let (of_client, of_server) = (config_of(&client), config_of(&server));
    let bytes = client.save(START).unwrap().into_bytes();
    let read = |bytes: &[u8], config: &RoleConfig| SavedConnection::from_bytes(bytes, config.clone());
    assert!(read(&bytes, &of_client).is_ok());
    assert_eq!(read(&bytes, &of_server).unwrap_err(), RestoreError::OtherRole(Role::Client));
    let bytes_of_server = server.save(START).unwrap().into_bytes();
    assert_eq!(read(&bytes_of_server, &of_client).unwrap_err(), RestoreError::OtherRole(Role::Server));
    for len in 0..bytes.len() {
        assert_eq!(read(&bytes[..len], &of_client).unwrap_err(), RestoreError::NotAState, "{len} bytes");
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat(), &of_client).unwrap_err(), RestoreError::NotAState);
    let mut other_version = bytes.to_vec();
    other_version[0] ^= 0x80;
    assert_eq!(read(&other_version, &of_client).unwrap_err(), RestoreError::NotAState);

    let other = |settings: &mut Settings| {
        settings.cipher_suites = vec![CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384];
    };
    let (other_client, _) = Pair { client_settings: other, ..Pair::new() }.connect();
    assert_eq!(read(&bytes, &config_of(&other_client)).unwrap_err(), RestoreError::CipherSuite);
}

#[test]
fn more_warnings_than_a_connection_bears_are_no_state() {
    for (warnings, is_a_state) in [(16, true), (17, false), (255, false)] {
        let (mut client, _) = Pair::new().connect();
        client.warnings = warnings;
        let config = config_of(&client);
        let bytes = client.save(START).unwrap().into_bytes();
        assert_eq!(SavedConnection::from_bytes(&bytes, config).is_ok(), is_a_state, "{warnings}");
    }
}

#[test]
fn whatever_is_wrong_with_a_state_nothing_panics() {
    let (mut client, mut server) =
        Pair { client_settings: everything, server_settings: everything, ..Pair::new() }.connect();
    for connection in [&mut client, &mut server] {
        let config = config_of(connection);
        let bytes = connection.save(START).unwrap().into_bytes();
        for at in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = bytes.to_vec();
                changed[at] ^= change;
                let Ok(saved) = SavedConnection::from_bytes(&changed, config.clone()) else { continue };
                let Ok(mut connection) = saved.restore(LATER) else { continue };
                let _ = connection.send(b"ping", &mut vec![]);
                let mut datagram = [23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 1].to_vec();
                datagram.resize(43, 0);
                drop(connection.receive(LATER, &mut datagram));
                connection.handle_timeout(LATER + Duration::from_secs(1000));
                drain(&mut connection, LATER);
            }
        }
    }
}

#[test]
fn a_sealed_state_opens_whole_and_under_its_key_alone() {
    let (mut client, mut server) = Pair::new().connect();
    let (provider, config) = (Pair::new().provider, config_of(&client));
    let key = SavingKey::random(&provider).unwrap();
    let sealed = client.save(START).unwrap().seal(&key).unwrap();
    let open = |sealed: &[u8], key: &SavingKey| SavedConnection::open(sealed, key, config.clone());
    for len in 0..sealed.len() {
        assert!(open(&sealed[..len], &key).is_err(), "{len} bytes");
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let expected = if at == 0 { RestoreError::NotAState } else { RestoreError::NotAuthentic };
        assert_eq!(open(&changed, &key).unwrap_err(), expected, "byte {at}");
    }
    let other = SavingKey::random(&provider).unwrap();
    assert_eq!(open(&sealed, &other).unwrap_err(), RestoreError::NotAuthentic);
    let handed_over = SavingKey::from_bytes(key.as_bytes());
    let mut client = open(&sealed, &handed_over).unwrap().restore(START).unwrap();
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
}

#[test]
fn a_connection_at_rest_takes_256_bytes() {
    let (mut client, mut server) = Pair::new().connect();
    server.handle_timeout(START + Linger::DURATION);
    drop(client.take_peer_certificates());
    for connection in [&mut client, &mut server] {
        let saved = connection.save(LATER).unwrap();
        assert!(saved.memory() <= 256, "{} bytes", saved.memory());
        assert_eq!(format!("{saved:?}"), format!("SavedConnection({} bytes, [redacted])", saved.memory() - 32));
    }
}
