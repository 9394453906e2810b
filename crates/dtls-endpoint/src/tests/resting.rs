//! Sessions that rest, and sessions that go on at another endpoint.

use dtls_core::config::{ConnectionIdUse, RandomConnectionId};
use dtls_core::{CannotSave, RestoreError, SavedConnection, SavingKey};

use super::*;
use crate::{AddressChange, Reason, TakeInError};

const CLIENT: Host = Host(11);
const AWAY: Host = Host(21);
/// Behind the four minutes in which a server keeps its last flight.
const LATER: Duration = Duration::from_secs(241);

fn ids(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(8)));
}

fn later(network: &mut Network, wait: Duration) {
    network.now = network.now + wait;
    let now = network.now;
    for endpoint in network.hosts.values_mut() {
        endpoint.handle_timeout(now);
    }
    network.drain();
}

/// A client and the server's session with it, long connected.
fn connected(limits: Limits, change: impl Fn(&mut Settings)) -> (Network, Handle, Handle) {
    let mut network = Network::with(CookiePolicy::Required, limits, change);
    let (client, server) = network.pair(CLIENT);
    later(&mut network, LATER);
    network.events.clear();
    (network, client, server)
}

#[test]
fn a_session_at_rest_takes_little_and_wakes_by_what_arrives_and_by_what_is_sent() {
    for change in [|_: &mut Settings| {}, ids] {
        let (mut network, client, server) = connected(Limits::default(), change);
        let awake = network.server().memory();
        for _ in 0..3 {
            assert!(network.server().rest(server) && network.server().is_at_rest(server));
            let at_rest = network.server().session_memory(server).unwrap();
            assert!(at_rest <= 300 && network.server().memory() == at_rest, "{at_rest} bytes of {awake}");
            assert_eq!(network.server().info(server), None);
            network.send(CLIENT, client, b"wake up");
            network.run();
            assert!(!network.server().is_at_rest(server));
            assert_eq!(network.payloads.pop(), Some((SERVER, server, b"wake up".to_vec())));

            assert!(network.server().rest(server) && network.host(CLIENT).rest(client));
            network.send(SERVER, server, b"good morning");
            network.run();
            assert_eq!(network.payloads.pop(), Some((CLIENT, client, b"good morning".to_vec())));
            assert_eq!(network.server().memory(), awake);
            assert!(network.server().info(server).is_some());
        }
        assert_eq!(network.events, []);
        // Whatever needs the connection wakes it.
        assert!(network.host(CLIENT).rest(client));
        assert_eq!(network.host(CLIENT).take_peer_certificates(client).len(), 1);
        assert!(network.host(CLIENT).rest(client));
        network.host(CLIENT).wake(client);
        assert!(network.host(CLIENT).session_stats(client).unwrap().application_records_sent >= 3);
    }
}

#[test]
fn whoever_forges_does_not_keep_a_session_awake() {
    let (mut network, client, server) = connected(Limits::default(), |_| {});
    let mut genuine = Vec::new();
    network.host(CLIENT).send(client, b"genuine", &mut genuine).unwrap();
    network.deliver(CLIENT, SERVER, genuine.clone());
    network.drain();
    assert!(network.server().rest(server));
    let at_rest = network.server().memory();
    let forged = |at: usize| {
        let mut datagram = genuine.clone();
        // Number, payload, type: another record each time.
        datagram[at] ^= 0x11;
        datagram
    };
    let mut junk = vec![forged(10), forged(20), forged(0), genuine.clone(), vec![], vec![23], vec![0xff; 100]];
    junk.push([&forged(10)[..], &forged(10)].concat());
    let count = junk.len();
    for datagram in junk {
        network.payloads.clear();
        network.deliver(CLIENT, SERVER, datagram.clone());
        network.drain();
        assert!(network.server().is_at_rest(server), "{datagram:02x?}");
        // Counters take a byte more when they grow.
        assert!(network.server().memory() <= at_rest + 32);
        assert_eq!(network.payloads, []);
    }
    network.server().wake(server);
    let stats = network.server().session_stats(server).unwrap();
    assert!(stats.discarded_in_all() >= u32::try_from(count - 1).unwrap(), "what was forged is counted all the same");
    assert_eq!(stats.discarded(dtls_core::Discard::Replayed), 3, "those with the number of the genuine one");
}

#[test]
fn a_session_that_has_something_to_do_does_not_rest() {
    let mut network = Network::new();
    let client = network.connect(CLIENT);
    assert!(!network.host(CLIENT).rest(client), "not connected");
    network.run();
    let server = network.server().session_at(&CLIENT).unwrap();
    assert!(!network.server().rest(server), "the client may still want the last flight");
    assert!(network.host(CLIENT).rest(client));
    later(&mut network, LATER);
    // Something to tell and to send.
    network.server().close(server);
    network.run();
    assert!(!network.host(CLIENT).rest(client) && !network.server().rest(server), "both are over");
    let nobody = client;
    network.host(CLIENT).release(nobody);
    network.drain();
    assert!(!network.host(CLIENT).rest(nobody));
}

#[test]
fn a_session_at_rest_is_closed_and_evicted_and_ended_for_idleness_like_any() {
    let limits = Limits { idle: Some(Duration::from_secs(1000)), ..Limits::default() };
    for end in 0..3 {
        let (mut network, client, server) = connected(limits, |_| {});
        assert!(network.server().rest(server));
        match end {
            0 => network.server().close(server),
            1 => later(&mut network, Duration::from_secs(1000)),
            _ => network.server().abort(server),
        }
        network.run();
        let heard = [vec![Event::Closed], vec![Event::Closed], vec![]];
        assert_eq!(network.events_at(CLIENT), heard[end]);
        let told = [vec![], vec![Event::Ended(Reason::Idle)], vec![]];
        assert_eq!(network.events_at(SERVER), told[end]);
        network.server().release(server);
        network.drain();
        assert!(network.server().is_bare(), "{:?}", network.server());
        let _ = client;
    }
}

#[test]
fn a_peer_that_moves_finds_its_session_at_rest() {
    let (mut network, client, server) = connected(Limits::default(), ids);
    network.server().set_address_change(AddressChange::Follow);
    assert!(network.server().rest(server));
    let mut datagram = Vec::new();
    network.host(CLIENT).send(client, b"moved", &mut datagram).unwrap();
    let mut forged = datagram.clone();
    forged[30] ^= 1;
    network.deliver(AWAY, SERVER, forged);
    network.drain();
    assert!(network.server().is_at_rest(server));
    network.deliver(AWAY, SERVER, datagram);
    network.drain();
    assert_eq!(network.server().remote_address(server), Some(&AWAY));
    assert_eq!(network.events_at(SERVER), [Event::AddressChanged]);
    assert!(network.server().rest(server));
}

#[test]
fn a_client_that_begins_anew_takes_the_place_of_a_session_at_rest() {
    let (mut network, _, server) = connected(Limits::default(), |_| {});
    assert!(network.server().rest(server));
    let mut client = network.reboot();
    while network.let_speak(CLIENT, &mut client) {}
    let new = network.server().session_at(&CLIENT).unwrap();
    assert_ne!(new, server);
    assert!(network.events_at(SERVER).contains(&Event::Ended(Reason::Replaced)));
}

// --- to another endpoint ---

/// The number in the header of a record of epoch 1 without a connection ID.
fn number_of(datagram: &[u8]) -> u64 {
    datagram[5..11].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[test]
fn an_endpoint_under_load_goes_on_at_another_without_a_lost_or_repeated_number() {
    const CLIENTS: u32 = 30;
    let mut network = Network::new();
    let config = Arc::clone(&network.configs.server);
    let key = SavingKey::random(config.provider()).unwrap();
    let mut handles: BTreeMap<Host, (Handle, Handle)> =
        (1..=CLIENTS).map(|n| Host(10 * n)).map(|host| (host, network.pair(host))).collect();
    let mut numbers: BTreeMap<Host, Vec<u64>> = BTreeMap::new();
    for round in 0..4_u8 {
        if round > 0 {
            // What the clients have sent is on its way when the server goes.
            for (host, (client, _)) in &handles {
                network.send(*host, *client, &[round, 1]);
            }
            let mut old = network.hosts.remove(&SERVER).unwrap();
            let sealed: Vec<(Host, Vec<u8>)> = handles
                .values()
                .map(|(_, server)| old.take_out(*server).unwrap())
                .map(|(address, saved)| (address, saved.seal(&key).unwrap()))
                .collect();
            assert!(old.poll_transmit(network.now, &mut Vec::new()).is_none() && old.poll_event().is_none());
            assert!(old.is_bare(), "{old:?}");
            drop(old);
            let policy = CookiePolicy::Required;
            let mut new = Endpoint::new(network.now, Some(Arc::clone(&config)), policy, Limits::default()).unwrap();
            for (address, sealed) in sealed {
                let saved = SavedConnection::open(&sealed, &key, Arc::clone(&config)).unwrap();
                let handle = new.take_in(network.now, address, saved).unwrap();
                handles.get_mut(&address).unwrap().1 = handle;
            }
            network.hosts.insert(SERVER, new);
            network.payloads.clear();
            network.run();
            assert_eq!(network.payloads.len(), handles.len(), "what was on its way has arrived");
        }
        for (host, (_, server)) in &handles {
            for _ in 0..3 {
                let mut datagram = Vec::new();
                let now = network.now;
                assert_eq!(network.server().send(*server, &[round], &mut datagram), Ok(*host), "{now:?}");
                numbers.entry(*host).or_default().push(number_of(&datagram));
                network.under_way.push_back((SERVER, *host, datagram));
            }
        }
        network.payloads.clear();
        network.run();
        assert_eq!(network.payloads.len(), 3 * handles.len(), "round {round}");
    }
    for numbers in numbers.values() {
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
    assert_eq!(network.sessions(), handles.len());
    // They end like any other.
    network.events.clear();
    for (_, server) in handles.values() {
        network.server().close(*server);
        network.server().release(*server);
    }
    network.run();
    assert!(network.server().is_bare());
    assert!(network.events.iter().all(|(at, .., event)| *at != SERVER && *event == Event::Closed));
    assert_eq!(network.events.len(), handles.len());
}

#[test]
fn a_session_at_rest_is_taken_out_with_its_connection_id_and_found_by_it() {
    let (mut network, client, server) = connected(Limits::default(), ids);
    assert!(network.server().rest(server));
    let (address, saved) = network.server().take_out(server).unwrap();
    network.drain();
    assert!(network.server().is_bare());
    let now = network.now;
    let server = network.server().take_in(now, address, saved).unwrap();
    assert_eq!((network.server().cids(), network.server().half_open()), (1, 0));
    let mut datagram = Vec::new();
    network.host(CLIENT).send(client, b"here", &mut datagram).unwrap();
    network.deliver(AWAY, SERVER, datagram);
    assert_eq!(network.payloads.pop(), Some((SERVER, server, b"here".to_vec())));
    network.drain();
    assert_eq!(network.events_at(SERVER), [Event::SeenElsewhere]);
}

#[test]
fn what_cannot_be_taken_out_or_in_is_told() {
    let (mut network, _, server) = connected(Limits { sessions: 2, ..Limits::default() }, ids);
    let now = network.now;
    let copy = |network: &mut Network, server: Handle| {
        let config = Arc::clone(&network.configs.server);
        let (address, saved) = network.server().take_out(server).unwrap();
        let bytes = saved.into_bytes();
        network.drain();
        let read = move || SavedConnection::from_bytes(&bytes, Arc::clone(&config)).unwrap();
        (address, read)
    };
    let (address, read) = copy(&mut network, server);
    assert_eq!(network.server().take_out(server).unwrap_err(), CannotSave::NotConnected);
    network.server().take_in(now, address, read()).unwrap();
    assert_eq!(network.server().take_in(now, address, read()), Err(TakeInError::AddressInUse));
    assert_eq!(network.server().take_in(now, AWAY, read()), Err(TakeInError::ConnectionIdInUse));
    assert_eq!((network.sessions(), network.server().cids()), (1, 1));
    network.pair(Host(31));
    assert_eq!(network.server().take_in(now, AWAY, read()), Err(TakeInError::TooManySessions));
    let words = TakeInError::Restore(RestoreError::CipherSuite).to_string();
    assert_eq!(words, RestoreError::CipherSuite.to_string());
}

#[test]
fn a_session_with_news_is_not_taken_out() {
    let mut network = Network::new();
    let client = network.connect(CLIENT);
    assert_eq!(network.host(CLIENT).take_out(client).unwrap_err(), CannotSave::NotConnected);
    network.run();
    let server = network.server().session_at(&CLIENT).unwrap();
    // The last flight goes with it, and what its owner has not been told stays.
    network.host(CLIENT).close(client);
    let (from, to, goodbye) = {
        network.drain();
        network.under_way.pop_front().unwrap()
    };
    network.deliver(from, to, goodbye);
    assert_eq!(network.server().take_out(server).unwrap_err(), CannotSave::NotConnected);
    network.drain();
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
}

#[test]
fn a_datagram_for_a_session_that_was_taken_out_says_nothing_of_another() {
    let (mut network, client, server) = connected(Limits::default(), ids);
    network.server().set_address_change(AddressChange::Follow);
    let (other, other_server) = network.pair(Host(31));
    network.events.clear();
    let (mut to_first, mut to_other) = (Vec::new(), Vec::new());
    network.host(CLIENT).send(client, b"late", &mut to_first).unwrap();
    network.host(Host(31)).send(other, b"here", &mut to_other).unwrap();
    network.server().take_out(server).unwrap();
    assert_eq!((network.server().cids(), network.server().session_at(&CLIENT)), (1, None), "at once");
    network.deliver(AWAY, SERVER, to_first);
    network.deliver(Host(31), SERVER, to_other);
    network.drain();
    assert_eq!(network.server().remote_address(other_server), Some(&Host(31)));
    assert_eq!(network.events_at(SERVER), []);
}

#[test]
fn who_seals_in_place_for_a_session_at_rest_is_told_to_look_again() {
    let (mut network, client, server) = connected(Limits::default(), ids);
    assert!(network.host(CLIENT).rest(client));
    let endpoint = network.host(CLIENT);
    let mut buffer = vec![7; 200];
    assert_eq!(endpoint.seal_in_place(client, &mut buffer, 4), Err(SendError::BufferTooSmall));
    let headroom = endpoint.headroom(client);
    buffer[headroom..headroom + 4].copy_from_slice(b"well");
    let (to, range) = endpoint.seal_in_place(client, &mut buffer, 4).unwrap();
    network.deliver(CLIENT, to, buffer[range].to_vec());
    assert_eq!(network.payloads.pop(), Some((SERVER, server, b"well".to_vec())));
}

#[test]
fn a_probe_that_was_lost_does_not_keep_a_session_awake() {
    let (mut network, _, server) = connected(Limits::default(), ids);
    network.server().probe_mtu(server, 9000, &mut Vec::new()).unwrap();
    assert!(network.server().rest(server));
}
