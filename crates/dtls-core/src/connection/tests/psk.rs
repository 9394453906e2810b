//! Pre-shared keys in the place of certificates.

mod forged;

use super::*;
use crate::config::{ConnectionIdUse, PskMismatch, RandomConnectionId, UnknownPsk};
use crate::crypto::{PresharedKey, PskClient, PskIdentity, PskServer, Psks};
use crate::wire::enums::CipherSuiteId;
use crate::wire::fragment::Fragments;

/// Suites with an ephemeral exchange and without, of either hash.
const SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
    CipherSuiteId::TLS_PSK_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384,
];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(testing::providers().swap_remove(0))
}

fn identity(name: &[u8], key: u8) -> PskIdentity {
    PskIdentity::new(name.to_vec(), vec![key; 16]).unwrap()
}

fn client(psk: impl PskClient + 'static, change: impl FnOnce(&mut Settings)) -> Connection {
    let config = ClientConfig::builder(provider()).preshared_key(Arc::new(psk)).configure(change);
    Connection::connect(Arc::new(config.build().unwrap()), None, START).unwrap()
}

fn server(psks: impl PskServer + 'static, change: impl FnOnce(&mut Settings)) -> Connection {
    let config = ServerConfig::builder(provider()).preshared_keys(Arc::new(psks)).configure(change);
    Connection::accept_on_trusted_path(Arc::new(config.build().unwrap()), START)
}

fn known() -> Psks {
    Psks::new().with(identity(b"sensor \xff\0", 7)).with(identity(b"other", 8))
}

/// Lets all deadlines come until both ends are over, and returns how many datagrams moved.
fn run_out(client: &mut Connection, server: &mut Connection) -> usize {
    let (mut now, mut moved) = (START, 0);
    loop {
        loop {
            let (from_client, from_server) = (drain(client, now), drain(server, now));
            if from_client.is_empty() && from_server.is_empty() {
                break;
            }
            moved += from_client.len() + from_server.len();
            assert!(moved < 1000, "a storm");
            deliver(from_client, server, now);
            deliver(from_server, client, now);
        }
        let Some(next) = [client.poll_timeout(), server.poll_timeout()].into_iter().flatten().min() else {
            return moved;
        };
        now = now.max(next);
        client.handle_timeout(now);
        server.handle_timeout(now);
    }
}

/// The types of the messages in the clear.
fn types(flight: &[Vec<u8>]) -> Vec<HandshakeType> {
    messages(flight).into_iter().map(|(typ, _)| typ).collect()
}

/// The messages in the clear, none of which is cut.
fn messages(flight: &[Vec<u8>]) -> Vec<(HandshakeType, Vec<u8>)> {
    let records = flight.iter().flat_map(|datagram| Records::new(datagram)).map(Result::unwrap);
    let handshake = records.filter(|record| record.header.content_type == ContentType::HANDSHAKE);
    let fragments = handshake.filter(|record| record.header.epoch == Epoch::ZERO).flat_map(|r| Fragments::new(r.body));
    fragments.map(|fragment| fragment.unwrap()).map(|whole| (whole.header.typ, whole.body.to_vec())).collect()
}

#[test]
fn who_holds_the_key_is_connected_and_both_sides_agree() {
    for suite in SUITES {
        let mut client = client(identity(b"sensor \xff\0", 7), |settings| settings.cipher_suites = vec![suite]);
        let mut server = server(known(), |_| {});
        exchange(&mut client, &mut server, START);
        assert_eq!((client.poll_event(), server.poll_event()), (Some(Event::Connected), Some(Event::Connected)));
        let (ours, theirs) = (client.info().unwrap(), server.info().unwrap());
        let is_ephemeral = suite.name().unwrap().contains("ECDHE");
        for info in [ours, theirs] {
            assert_eq!((info.cipher_suite, info.signature_scheme), (suite, None));
            assert_eq!(info.group.is_some(), is_ephemeral);
            assert_eq!(info.psk_identity.as_deref(), Some(&b"sensor \xff\0"[..]));
            assert!(info.peer_certificates.is_empty() && info.extended_master_secret);
        }
        let export = |end: &Connection| {
            let mut out = [0; 16];
            end.export(b"EXPERIMENTAL", None, &mut out).unwrap();
            out
        };
        assert_eq!(export(&client), export(&server));
        assert_eq!(ping(&mut client, &mut server), [b"ping"]);
        assert_eq!(ping(&mut server, &mut client), [b"ping"]);
    }
}

#[test]
fn the_flights_have_the_messages_of_the_rfcs_and_no_others() {
    use HandshakeType as T;
    let (hello, key, done) = (T::SERVER_HELLO, T::SERVER_KEY_EXCHANGE, T::SERVER_HELLO_DONE);
    for (suite, hint, expected) in [
        (SUITES[0], &b""[..], vec![hello, key, done]),
        (SUITES[0], b"hint", vec![hello, key, done]),
        (SUITES[2], b"", vec![hello, done]),
        (SUITES[2], b"hint", vec![hello, key, done]),
    ] {
        let mut client = client(identity(b"other", 8), |settings| settings.cipher_suites = vec![suite]);
        let mut server = server(known(), |settings| settings.psk_hint = hint.to_vec());
        deliver(drain(&mut client, START), &mut server, START);
        let flight_4 = drain(&mut server, START);
        assert_eq!(types(&flight_4), expected);
        deliver(flight_4, &mut client, START);
        assert_eq!(types(&drain(&mut client, START)), [T::CLIENT_KEY_EXCHANGE]);
    }
}

#[test]
fn a_client_offers_what_its_keys_can_serve() {
    let offered = |change: fn(&mut Settings)| {
        let mut client = client(identity(b"", 1), change);
        let datagram = drain(&mut client, START).concat();
        let record = Records::new(&datagram).next().unwrap().unwrap();
        let hello = ClientHello::decode_all(&record.body[FragmentHeader::LEN..]).unwrap();
        let names: Vec<&str> = hello.cipher_suites.iter().map(|suite| suite.name().unwrap()).collect();
        let extensions = &hello.extensions;
        (names.join(" "), extensions.supported_groups.is_some(), extensions.signature_schemes.is_some())
    };
    let (names, groups, schemes) = offered(|_| {});
    assert!(names.starts_with("TLS_ECDHE_PSK_") && names.contains(" TLS_PSK_"), "forward secrecy first: {names}");
    assert!(!names.contains("ECDSA") && !names.contains("RSA"), "{names}");
    assert_eq!((groups, schemes), (true, false));
    let (_, groups, schemes) = offered(|settings| settings.cipher_suites = vec![SUITES[2], SUITES[3]]);
    assert_eq!((groups, schemes), (false, false));
}

#[test]
fn a_hint_helps_a_client_to_choose() {
    #[derive(Debug)]
    struct ByHint;
    impl PskClient for ByHint {
        fn identity(&self, hint: Option<&[u8]>) -> Option<PskIdentity> {
            match hint {
                None => Some(identity(b"other", 8)),
                Some(b"plant 1") => Some(identity(b"sensor \xff\0", 7)),
                Some(_) => None,
            }
        }
    }
    for suite in SUITES {
        for (hint, expected) in [(&b""[..], Some(&b"other"[..])), (b"plant 1", Some(b"sensor \xff\0")), (b"?", None)] {
            let mut client = client(ByHint, |settings| settings.cipher_suites = vec![suite]);
            let mut server = server(known(), |settings| settings.psk_hint = hint.to_vec());
            exchange(&mut client, &mut server, START);
            let shown = client.info().and_then(|info| info.psk_identity.as_deref());
            assert_eq!(shown, expected, "{suite}");
            if expected.is_none() {
                assert_eq!(client.poll_event(), Some(Event::Failed(Error::NoPskForHint)));
            }
        }
    }
}

#[test]
fn keys_that_differ_end_in_silence_by_the_deadline_and_never_in_a_storm() {
    for suite in SUITES {
        for wrong in [identity(b"other", 9), identity(b"nobody", 7)] {
            let mut client = client(wrong, |settings| settings.cipher_suites = vec![suite]);
            let mut server = server(known(), |_| {});
            let moved = run_out(&mut client, &mut server);
            // One flight each way for each period of a timer that doubles from 1 s, for 60 s.
            assert!(moved < 40, "{moved} datagrams");
            assert_eq!(server.poll_event(), Some(Event::KeysProbablyDiffer));
            assert_eq!(server.poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
            assert_eq!(server.poll_event(), None);
            assert_eq!(client.poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
        }
    }
}

#[test]
fn a_server_gives_up_ten_seconds_after_the_first_finished_that_does_not_decrypt() {
    let mut client = client(identity(b"other", 9), |_| {});
    let mut server = server(known(), |_| {});
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::KeysProbablyDiffer));
    let mut now = START;
    while !server.is_over() {
        now = [client.poll_timeout(), server.poll_timeout()].into_iter().flatten().min().unwrap();
        client.handle_timeout(now);
        server.handle_timeout(now);
        // What does not decrypt again does not make it longer.
        exchange(&mut client, &mut server, now);
    }
    assert_eq!(now, START + Duration::from_secs(10));
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
}

#[test]
fn keys_that_differ_are_noticed_behind_a_connection_id_too() {
    let ids = |settings: &mut Settings| {
        settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(4)));
    };
    let mut client = client(identity(b"other", 9), ids);
    let mut server = server(known(), ids);
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::KeysProbablyDiffer));
}

#[test]
fn an_unknown_identity_looks_like_a_wrong_key_unless_the_server_would_rather_say_so() {
    // What the server sends from the client's flight 5 on, to a client that is known and to one that is not.
    let answers = |policy: UnknownPsk, who: PskIdentity| {
        let mut client = client(who, |_| {});
        let mut server = server(known(), |settings| settings.unknown_psk = policy);
        deliver(drain(&mut client, START), &mut server, START);
        deliver(drain(&mut server, START), &mut client, START);
        deliver(drain(&mut client, START), &mut server, START);
        let lengths: Vec<usize> = drain(&mut server, START).iter().map(Vec::len).collect();
        (lengths, server.poll_timeout(), server.poll_event(), server.poll_event())
    };
    let wrong_key = answers(UnknownPsk::LikeWrongKey, identity(b"other", 9));
    assert_eq!(wrong_key.2, Some(Event::KeysProbablyDiffer));
    assert_eq!(answers(UnknownPsk::LikeWrongKey, identity(b"nobody", 9)), wrong_key);
    let (_, _, event, _) = answers(UnknownPsk::Alert, identity(b"nobody", 9));
    assert_eq!(event, Some(Event::Failed(Error::UnknownPskIdentity)));
    assert_eq!(Error::UnknownPskIdentity.alert(), Some(AlertDescription::UNKNOWN_PSK_IDENTITY));
}

#[test]
fn a_server_that_does_not_wait_ends_the_handshake_with_bad_record_mac() {
    let mut client = client(identity(b"other", 9), |_| {});
    let mut server = server(known(), |settings| settings.psk_mismatch = PskMismatch::Fail);
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::PskMismatch)));
    let until = client.poll_timeout().unwrap();
    client.handle_timeout(until);
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::AlertReceived(AlertDescription::BAD_RECORD_MAC))));
}

#[test]
fn one_server_serves_certificates_and_keys() {
    let provider = provider();
    let (certificate, key) = testing::self_signed();
    let prints = [Fingerprint::of(&provider, &certificate)];
    let trust: Arc<dyn PeerVerifier> = Arc::new(Fingerprints::new(&provider, prints).unwrap());
    let shown = Identity::new(&provider, vec![certificate], key).unwrap();
    let config = ServerConfig::builder(Arc::clone(&provider)).identity(shown).preshared_keys(Arc::new(known()));
    let config = Arc::new(config.build().unwrap());
    let by_certificate = ClientConfig::builder(Arc::clone(&provider)).trust(Arc::clone(&trust)).without_identity();
    let by_key = ClientConfig::builder(Arc::clone(&provider)).preshared_key(Arc::new(identity(b"other", 8)));
    let by_either = ClientConfig::builder(provider).trust(trust).without_identity();
    let by_either = by_either.preshared_key(Arc::new(identity(b"other", 8)));
    for (client, is_psk) in [(by_certificate, false), (by_key, true), (by_either, false)] {
        let mut client = Connection::connect(Arc::new(client.build().unwrap()), None, START).unwrap();
        let mut server = Connection::accept_on_trusted_path(Arc::clone(&config), START);
        exchange(&mut client, &mut server, START);
        assert_eq!(server.info().unwrap().psk_identity.is_some(), is_psk);
    }
}

#[test]
fn a_function_can_find_keys_and_long_identities_arrive() {
    let name = vec![0xab; 65_535];
    let expected = name.clone();
    let find = move |asked: &[u8]| (asked == expected).then(|| Arc::new(PresharedKey::new(vec![3; 65_535]).unwrap()));
    let mut client = client(PskIdentity::new(name.clone(), vec![3; 65_535]).unwrap(), |_| {});
    let mut server = server(find, |_| {});
    exchange(&mut client, &mut server, START);
    assert_eq!(server.info().unwrap().psk_identity, Some(name));
}

#[test]
fn hints_that_are_too_long_are_a_mistake() {
    let config = ServerConfig::builder(provider()).preshared_keys(Arc::new(known()));
    let config = config.configure(|settings| settings.psk_hint = vec![0; 65_536]);
    assert_eq!(config.build().unwrap_err(), ConfigError::TooLong { field: "psk_hint" });
}

#[test]
fn a_forged_record_before_the_right_finished_is_nothing_to_be_told_of() {
    let mut client = client(identity(b"other", 8), |_| {});
    let mut server = server(known(), |_| {});
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let mut flight_5 = drain(&mut client, START).concat();
    let records: Vec<usize> = Records::new(&flight_5).map(|record| 13 + record.unwrap().body.len()).collect();
    let finished = flight_5.len() - records[records.len() - 1];
    let mut forged = flight_5[finished..].to_vec();
    forged[10] ^= 1;
    flight_5.splice(finished..finished, forged);
    deliver(vec![flight_5], &mut server, START);
    assert_eq!((server.poll_event(), server.poll_event()), (Some(Event::Connected), None));
}

#[test]
fn a_server_without_a_certificate_cannot_ask_for_one() {
    let trust = Pair::new().verifier(Fingerprint::new([0; 32]));
    let config = ServerConfig::builder(provider()).preshared_keys(Arc::new(known()));
    let config = config.client_authentication(ClientAuthentication::Require(trust)).build();
    assert_eq!(config.unwrap_err(), ConfigError::ClientAuthenticationNeedsIdentity);
}
