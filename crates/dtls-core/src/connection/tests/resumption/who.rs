//! Who may resume a session: RFC 5246 section 7.3, RFC 6066 section 3, RFC 7627 section 5.3.

use super::*;

#[test]
fn a_client_that_would_not_be_let_in_today_is_not_let_in_by_its_session() {
    for by in BOTH {
        let world = World::mutual(by);
        let state = world.session();
        assert!(world.resumes(&state));
        world.trust_in_client.withdraw();
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        exchange(&mut client, &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Failed(Error::Certificate(CertificateError::Rejected))), "{by:?}");
    }
}

#[test]
fn a_server_that_would_not_be_trusted_today_is_not_offered_its_session() {
    for by in BOTH {
        let world = World::new(by);
        let state = world.session();
        world.trust_in_server.withdraw();
        assert_eq!(state.fits(&world.client_config(), world.name().as_ref()), Err(Misfit::NotTrusted));
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Failed(Error::Certificate(CertificateError::Rejected))));
    }
}

#[test]
fn what_a_server_asks_of_clients_holds_for_sessions_too() {
    // (asked then, shown then), (asked now, required now), whether the session goes on
    let cases = [
        ((false, false), (true, true), false),
        ((false, false), (true, false), true),
        ((true, false), (true, true), false),
        ((true, true), (true, true), true),
        ((true, true), (true, false), true),
        ((true, true), (false, false), false),
    ];
    for by in BOTH {
        for ((asked, shown), (asks, requires), goes_on) in cases {
            let mut world = World { asks: asked, client_shows: shown, ..World::new(by) };
            let state = world.session();
            (world.asks, world.requires, world.client_shows) = (asks, requires, true);
            assert_eq!(world.resumes(&state), goes_on, "{by:?} {asked} {shown} {asks} {requires}");
        }
    }
}

#[test]
fn a_session_is_not_offered_to_another_server_or_under_another_identity() {
    for by in BOTH {
        let mut world = World::mutual(by);
        let state = world.session();
        let fits = |world: &World| state.fits(&world.client_config(), world.name().as_ref());
        assert_eq!(fits(&world), Ok(()));
        world.name = Some("LOCALHOST");
        assert_eq!(fits(&world), Ok(()), "names have no case");
        for other in [Some("example.com"), Some("127.0.0.1"), None] {
            world.name = other;
            assert_eq!(fits(&world), Err(Misfit::OtherServer), "{other:?}");
        }
        world.name = Some("localhost");
        let (certificate, key) = testing::self_signed();
        world.client_identity = Identity::new(&world.provider, vec![certificate.clone()], key).unwrap();
        world.trust_in_client = Trust::of(&certificate);
        assert_eq!(fits(&world), Err(Misfit::OtherIdentity));
        assert!(!world.resumes(&state));
        world.client_shows = false;
        assert_eq!(fits(&world), Err(Misfit::OtherIdentity), "no identity at all");
        let config = ClientConfig::builder(Arc::clone(&world.provider)).trust(Arc::new(Trust::default()));
        let config = config.without_identity().build().unwrap();
        assert_eq!(state.fits(&config, None), Err(Misfit::NotResumable));
    }
}

#[test]
fn a_server_resumes_a_session_only_under_the_name_it_was_made_for() {
    for by in BOTH {
        let mut world = World::new(by);
        let bytes = world.session().to_bytes();
        // A client that lies to itself.
        let at = bytes.windows(9).position(|window| window == b"localhost").unwrap();
        let mut changed = bytes.to_vec();
        changed[at..at + 9].copy_from_slice(b"lokalhost");
        let changed = ResumptionState::from_bytes(&changed).unwrap();
        assert!(world.resumes(&ResumptionState::from_bytes(&bytes).unwrap()));
        world.name = Some("lokalhost");
        assert_eq!(changed.fits(&world.client_config(), world.name().as_ref()), Ok(()));
        assert!(!world.resumes(&changed), "{by:?}");
    }
}

/// A connection in which the server knows one pre-shared key and the client has another, or the same.
fn connect_by_key(
    world: &World,
    known: (&[u8], u8),
    ours: (&[u8], u8),
    state: Option<&ResumptionState>,
) -> (Connection, Connection) {
    let psk = |(name, key): (&[u8], u8)| PskIdentity::new(name.to_vec(), vec![key; 16]).unwrap();
    let server = ServerConfig::builder(Arc::clone(&world.provider));
    let server = server.preshared_keys(Arc::new(Psks::new().with(psk(known)))).resumption(world.resumption());
    let client = ClientConfig::builder(Arc::clone(&world.provider)).preshared_key(Arc::new(psk(ours))).resumable();
    let client = Arc::new(client.build().unwrap());
    let mut client = match state {
        None => Connection::connect(client, None, START).unwrap(),
        Some(state) => Connection::connect_resuming(client, None, state, START).unwrap(),
    };
    let mut server = Connection::accept_on_trusted_path(Arc::new(server.build().unwrap()), START);
    exchange(&mut client, &mut server, START);
    (client, server)
}

#[test]
fn sessions_with_a_pre_shared_key_go_on_for_as_long_as_the_key_does() {
    const SENSOR: (&[u8], u8) = (b"sensor", 7);
    const OTHER: (&[u8], u8) = (b"other", 7);
    for by in BOTH {
        let world = World::new(by);
        let (mut client, _) = connect_by_key(&world, SENSOR, SENSOR, None);
        let state = client.take_resumption_state().unwrap();
        let (client, server) = connect_by_key(&world, SENSOR, SENSOR, Some(&state));
        assert!(client.info().unwrap().resumed && server.info().unwrap().resumed);
        assert_eq!(server.info().unwrap().psk_identity.as_deref(), Some(&b"sensor"[..]));
        // The key is withdrawn: what follows is a full handshake with a key that the server does not know.
        let (client, _) = connect_by_key(&world, OTHER, SENSOR, Some(&state));
        assert!(client.info().is_none());
        let (client, _) = connect_by_key(&world, OTHER, OTHER, Some(&state));
        assert!(!client.info().unwrap().resumed, "under another identity the session is not offered");
    }
}

#[test]
fn a_key_that_was_replaced_under_the_same_identity_ends_its_sessions_on_either_side() {
    const BEFORE: (&[u8], u8) = (b"sensor", 7);
    const AFTER: (&[u8], u8) = (b"sensor", 8);
    for by in BOTH {
        let world = World::new(by);
        let (mut client, _) = connect_by_key(&world, BEFORE, BEFORE, None);
        let state = client.take_resumption_state().unwrap();
        // At the server alone: what follows is a full handshake, in which the keys differ.
        let (client, server) = connect_by_key(&world, AFTER, BEFORE, Some(&state));
        assert!(client.info().is_none() && server.info().is_none(), "{by:?}");
        // At the client alone: it does not offer the session.
        let (client, server) = connect_by_key(&world, BEFORE, AFTER, Some(&state));
        assert!(client.info().is_none() && server.info().is_none(), "{by:?}");
        let (client, server) = connect_by_key(&world, AFTER, AFTER, Some(&state));
        assert!(!client.info().unwrap().resumed && !server.info().unwrap().resumed);
    }
}

#[test]
fn who_does_not_ask_leaves_nothing_behind() {
    for by in BOTH {
        let world = World::new(by);
        let config = ClientConfig::builder(Arc::clone(&world.provider));
        let config = config.trust(Arc::<Trust>::clone(&world.trust_in_server)).without_identity().build().unwrap();
        let mut client = Connection::connect(Arc::new(config), world.name(), START).unwrap();
        let mut server = world.server();
        exchange(&mut client, &mut server, START);
        assert_eq!(client.poll_event(), Some(Event::Connected));
        assert!(client.take_resumption_state().is_none());
        assert!(server.take_resumption_state().is_none());
    }
}

#[test]
fn a_session_without_the_extended_master_secret_is_not_kept() {
    for by in BOTH {
        let mut world = World::new(by);
        world.client_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Off;
        world.server_settings = |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer;
        let (mut client, _) = world.connect(None);
        assert!(client.take_resumption_state().is_none(), "{by:?}");
        assert_eq!(world.cache.len(), 0);
    }
}

// --- what is agreed on anew ---

#[test]
fn protocols_profiles_and_limits_of_records_are_agreed_on_afresh_when_a_session_is_resumed() {
    let before: fn(&mut Settings) = |settings| {
        settings.alpn = vec![b"one".to_vec(), b"two".to_vec()];
        settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM, SrtpProfile::AES128_CM_HMAC_SHA1_80];
        settings.record_size_limit = Some(100);
    };
    let after: fn(&mut Settings) = |settings| {
        settings.alpn = vec![b"two".to_vec()];
        settings.srtp_profiles = vec![SrtpProfile::AES128_CM_HMAC_SHA1_80];
        settings.record_size_limit = Some(200);
    };
    let (two, less) = (Some(b"two".to_vec()), Some(SrtpProfile::AES128_CM_HMAC_SHA1_80));
    // The client's settings, the server's, and what they agree on: protocol, profile, and the client's longest record.
    let cases = [
        (before, after, two.clone(), less, Some(200)),
        (after, before, two, less, Some(100)),
        (before, |_: &mut Settings| {}, None, None, None),
        (|_: &mut Settings| {}, before, None, None, None),
    ];
    for by in BOTH {
        for (client_settings, server_settings, alpn, srtp, limit) in cases.clone() {
            let mut world = World { client_settings: before, server_settings: before, ..World::new(by) };
            let state = world.session();
            (world.client_settings, world.server_settings) = (client_settings, server_settings);
            let (client, server) = world.connect(Some(&state));
            for info in [client.info().unwrap(), server.info().unwrap()] {
                assert!(info.resumed, "{by:?}");
                assert_eq!(info.alpn, alpn);
                assert_eq!(info.srtp.as_ref().map(|srtp| srtp.profile), srtp);
            }
            assert_eq!(client.max_payload(), limit.unwrap_or(1200 - 13 - 24), "{by:?}");
        }
        // And where there is nothing in common, there is no session either.
        let mut world = World { client_settings: before, server_settings: before, ..World::new(by) };
        let state = world.session();
        world.server_settings = |settings| settings.alpn = vec![b"three".to_vec()];
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        exchange(&mut client, &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Failed(Error::NoCommonApplicationProtocol)), "{by:?}");
    }
}

fn fragments_of_512(settings: &mut Settings) {
    settings.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
}

#[test]
fn max_fragment_length_holds_for_the_session_and_another_one_makes_another_session() {
    for by in BOTH {
        let mut world = World { client_settings: fragments_of_512, ..World::new(by) };
        let state = world.session();
        let state = ResumptionState::from_bytes(&state.to_bytes()).unwrap();
        let (client, server) = world.connect(Some(&state));
        assert!(client.info().unwrap().resumed);
        assert_eq!((client.max_payload(), server.max_payload()), (512, 512), "{by:?}");
        for other in [
            |_: &mut Settings| {},
            |settings: &mut Settings| {
                settings.max_fragment_length = Some(MaxFragmentLength::BYTES_1024);
            },
        ] {
            world.client_settings = other;
            assert_eq!(state.fits(&world.client_config(), world.name().as_ref()), Err(Misfit::FragmentLength));
            assert!(!world.resumes(&state));
        }
        // A client that asks for it only now, and a server that knows of another.
        let world = World::new(by);
        let mut bytes = world.session().to_bytes().to_vec();
        let at = bytes.len() - 2;
        bytes[at] = MaxFragmentLength::BYTES_512.0;
        let world = World { client_settings: fragments_of_512, ..world };
        let liar = ResumptionState::from_bytes(&bytes).unwrap();
        assert_eq!(liar.fits(&world.client_config(), world.name().as_ref()), Ok(()));
        assert!(!world.resumes(&liar), "{by:?}");
    }
}

#[test]
fn a_server_that_does_not_repeat_max_fragment_length_holds_to_it_all_the_same() {
    let world = World { client_settings: fragments_of_512, ..World::new(By::SessionId) };
    let state = world.session();
    let (mut client, mut server) = (world.client(Some(&state)), world.server());
    deliver(drain(&mut client, START), &mut server, START);
    let answer = forged::changed(&drain(&mut server, START).concat(), HandshakeType::SERVER_HELLO, |body| {
        let mut hello = ServerHello::decode_all(body).unwrap();
        assert_eq!(hello.extensions.max_fragment_length.take(), Some(MaxFragmentLength::BYTES_512));
        hello.to_vec()
    });
    deliver(vec![answer], &mut client, START);
    // What the server says next would be another transcript; how long our records are to be is settled.
    let Phase::Handshaking(phase) = &client.phase else { panic!("{client:?}") };
    assert_eq!(phase.handshake.exchange.records.sent, 512);
}
