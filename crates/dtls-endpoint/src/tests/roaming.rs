//! Sessions known by connection IDs, and peers whose address changes: RFC 9146.

use dtls_core::config::{ConnectionIdUse, MakeConnectionId, RandomConnectionId};
use dtls_core::crypto::{CryptoError, SecureRandom};
use dtls_core::wire::enums::HandshakeType;
use dtls_core::wire::record::{RecordHeader, split_record};

use super::*;
use crate::{AddressChange, Reason};

fn ids(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(8)));
}

/// Makes the same ID again and again.
#[derive(Debug)]
struct Always(&'static [u8]);

impl MakeConnectionId for Always {
    fn id_len(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap()
    }

    fn make(&self, _: &dyn SecureRandom, id: &mut [u8]) -> Result<(), CryptoError> {
        id.copy_from_slice(self.0);
        Ok(())
    }
}

/// The address of the client at first, another on its host, and one on another host.
const HOME: Host = Host(11);
const NEAR: Host = Host(12);
const AWAY: Host = Host(21);

/// A connected client at `HOME`, and its session at the server.
fn connected(address_change: AddressChange, limits: Limits) -> (Network, Handle, Handle) {
    let mut network = Network::with(CookiePolicy::Required, limits, ids);
    network.server().set_address_change(address_change);
    let (client, server) = network.pair(HOME);
    network.events.clear();
    (network, client, server)
}

impl Network {
    fn sealed(&mut self, client: Handle, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.host(HOME).send(client, payload, &mut datagram).unwrap();
        datagram
    }

    /// Gives the server a datagram from somewhere and lets it speak; returns what it lent.
    fn arrives(&mut self, from: Host, datagram: &[u8]) -> Vec<u8> {
        self.deliver(from, SERVER, datagram.to_vec());
        self.drain();
        let lent = self.payloads.drain(..).map(|(.., payload)| payload);
        lent.collect::<Vec<_>>().concat()
    }

    /// Where the server sends what it has for a session.
    fn way_to(&mut self, session: Handle) -> Host {
        self.server().send(session, b"?", &mut Vec::new()).unwrap()
    }

    /// Events at the server since this was last asked.
    fn news(&mut self) -> Vec<(Handle, Host, Event)> {
        let events = core::mem::take(&mut self.events);
        events
            .into_iter()
            .filter(|(at, ..)| *at == SERVER)
            .map(|(_, handle, peer, event)| (handle, peer, event))
            .collect()
    }

    /// Ends and releases everything at the server, which must then hold nothing.
    fn end_all(&mut self) {
        let server = self.server();
        for handle in server.sessions().collect::<Vec<_>>() {
            server.close(handle);
            server.release(handle);
        }
        self.drain();
        assert!(self.server().is_bare(), "{:?}", self.server());
    }
}

#[test]
fn a_peer_that_moves_is_followed_and_its_old_address_is_free() {
    for to in [NEAR, AWAY] {
        let (mut network, client, server) = connected(AddressChange::Follow, Limits::default());
        let datagram = network.sealed(client, b"moved");
        let now = network.now;
        let mut copy = datagram.clone();
        let lent: Vec<_> = network.server().receive(now, to, &mut copy).map(|(h, p)| (h, p.to_vec())).collect();
        assert_eq!(lent, [(server, b"moved".to_vec())]);
        // Nothing else has been asked of the endpoint yet.
        assert_eq!(network.way_to(server), to);
        network.drain();
        assert_eq!(network.news(), [(server, to, Event::AddressChanged)]);
        assert_eq!(network.server().remote_address(server), Some(&to));
        assert_eq!(network.server().previous_address(server), Some(&HOME));
        assert_eq!(network.server().session_at(&to), Some(server));
        assert_eq!(network.server().session_at(&HOME), None);
        assert_eq!(network.stats().address_changes, 1);

        network.hosts.remove(&HOME);
        let (_, other) = network.pair(HOME);
        assert_ne!(other, server);
        assert_eq!(network.news(), [(other, HOME, Event::Connected)], "a stranger at the old address");
        assert_eq!((network.way_to(server), network.way_to(other)), (to, HOME));
        network.end_all();
    }
}

#[test]
fn what_is_sealed_in_place_goes_to_the_new_address_at_once() {
    let (mut network, client, server) = connected(AddressChange::Follow, Limits::default());
    let mut datagram = network.sealed(client, b"moved");
    let now = network.now;
    drop(network.server().receive(now, AWAY, &mut datagram));
    let endpoint = network.server();
    let (headroom, tailroom) = (endpoint.headroom(server), endpoint.tailroom(server));
    let mut buffer = vec![0; headroom + 1 + tailroom];
    assert_eq!(endpoint.seal_in_place(server, &mut buffer, 1).unwrap().0, AWAY);
}

#[test]
fn by_default_the_host_is_told_and_decides() {
    let (mut network, client, server) = connected(AddressChange::default(), Limits::default());
    let datagram = network.sealed(client, b"1");
    assert_eq!(network.arrives(AWAY, &datagram), b"1");
    assert_eq!(network.news(), [(server, HOME, Event::SeenElsewhere)]);
    assert_eq!(network.server().seen_at(server), Some(&AWAY));
    assert_eq!((network.way_to(server), network.stats().address_changes), (HOME, 0));
    // Told once, and again for another address.
    let datagram = network.sealed(client, b"2");
    assert_eq!(network.arrives(AWAY, &datagram), b"2");
    assert_eq!(network.news(), []);
    let datagram = network.sealed(client, b"3");
    assert_eq!(network.arrives(NEAR, &datagram), b"3");
    assert_eq!(network.news(), [(server, HOME, Event::SeenElsewhere)]);
    assert!(network.server().follow(server));
    network.drain();
    assert_eq!(network.news(), [(server, NEAR, Event::AddressChanged)]);
    assert_eq!((network.way_to(server), network.server().seen_at(server)), (NEAR, None));
    assert!(!network.server().follow(server), "it is there");
    network.end_all();
}

#[test]
fn a_peer_that_comes_back_before_it_is_followed_is_where_it_was() {
    let (mut network, client, server) = connected(AddressChange::Ask, Limits::default());
    let (away, back, late) = (network.sealed(client, b"1"), network.sealed(client, b"2"), network.sealed(client, b"3"));
    let now = network.now;
    // Both before the host asks for events.
    for (from, mut datagram) in [(AWAY, away), (HOME, back)] {
        drop(network.server().receive(now, from, &mut datagram));
    }
    network.drain();
    assert_eq!(network.news(), []);
    assert_eq!(network.server().seen_at(server), None);
    assert!(!network.server().follow(server));
    // Not by what is no newer.
    network.arrives(AWAY, &late);
    network.arrives(HOME, &late);
    assert_eq!(network.server().seen_at(server), Some(&AWAY));
}

#[test]
fn where_changes_are_ignored_data_is_taken_from_anywhere_and_sent_to_the_old_address() {
    let (mut network, client, server) = connected(AddressChange::Ignore, Limits::default());
    let datagram = network.sealed(client, b"1");
    assert_eq!(network.arrives(AWAY, &datagram), b"1");
    assert_eq!((network.news(), network.way_to(server)), (vec![], HOME));
    assert_eq!(network.server().seen_at(server), None);
    assert!(!network.server().follow(server));
}

#[test]
fn spoofed_replayed_and_late_records_move_nobody() {
    for policy in [AddressChange::Ask, AddressChange::Follow] {
        let (mut network, client, server) = connected(policy, Limits::default());
        let (old, late, new) =
            (network.sealed(client, b"1"), network.sealed(client, b"2"), network.sealed(client, b"3"));
        assert_eq!(network.arrives(HOME, &old), b"1");
        assert_eq!(network.arrives(HOME, &new), b"3");
        for at in 0..new.len() {
            let mut forged = network.sealed(client, b"4");
            forged[at] ^= 1;
            assert_eq!(network.arrives(AWAY, &forged), b"", "byte {at}");
        }
        assert_eq!(network.arrives(AWAY, &new), b"", "replayed");
        assert_eq!(network.arrives(AWAY, &late), b"2", "late, but nobody had it");
        assert_eq!(network.arrives(AWAY, &late[..late.len() - 1]), b"");
        assert_eq!((network.news(), network.way_to(server)), (vec![], HOME));
        assert_eq!(network.server().seen_at(server), None);
        assert_eq!(network.stats().address_changes, 0);
        assert_eq!(network.sessions(), 1);
        network.end_all();
    }
}

#[test]
fn after_a_move_nothing_from_the_old_address_reverts_it_but_what_is_newer() {
    let (mut network, client, server) = connected(AddressChange::Follow, Limits::default());
    let sealed = [(); 4].map(|()| network.sealed(client, b"x"));
    assert_eq!(network.arrives(HOME, &sealed[0]), b"x");
    assert_eq!(network.arrives(AWAY, &sealed[2]), b"x");
    assert_eq!(network.way_to(server), AWAY);
    // Sent before the move, overtaken by it.
    assert_eq!(network.arrives(HOME, &sealed[1]), b"x");
    for replayed in &sealed[..3] {
        assert_eq!(network.arrives(HOME, replayed), b"");
    }
    assert_eq!(network.way_to(server), AWAY);
    assert_eq!(network.arrives(HOME, &sealed[3]), b"x");
    assert_eq!(network.way_to(server), HOME, "it has come back");
    assert_eq!(network.server().session_at(&HOME), Some(server));
    assert_eq!(network.server().session_at(&AWAY), None);
    network.end_all();
}

#[test]
fn an_id_that_no_session_has_is_counted_wherever_it_comes_from() {
    let (mut network, client, server) = connected(AddressChange::Follow, Limits::default());
    let honest = network.sealed(client, b"honest");
    let mut unknown = honest.clone();
    unknown[11] ^= 1;
    for (count, from) in [HOME, AWAY].into_iter().enumerate() {
        let discards = network.server().session_stats(server).unwrap().discarded_in_all();
        assert_eq!(network.arrives(from, &unknown), b"");
        assert_eq!(network.arrives(from, &honest[..18]), b"", "no room for an ID");
        assert_eq!(network.server().session_stats(server).unwrap().discarded_in_all(), discards);
        assert_eq!(network.stats().unknown_cids, 2 * u64::try_from(count).unwrap() + 2);
    }
    assert_eq!((network.sessions(), network.stats().rejected, network.news()), (1, 0, vec![]));
    // An endpoint whose sessions have no IDs has no guess either.
    let mut plain = Network::new();
    plain.pair(HOME);
    assert_eq!(plain.arrives(HOME, &honest), b"");
    assert_eq!((plain.stats().unknown_cids, plain.stats().rejected), (1, 0));
}

#[test]
fn the_id_of_another_session_leads_to_that_session_and_proves_nothing_there() {
    let (mut network, client, server) = connected(AddressChange::Follow, Limits::default());
    let (_, other) = network.pair(AWAY);
    network.news();
    // The record of the one with the ID of the other, from either address.
    let id_of = |network: &mut Network, handle| {
        network.server().info(handle).unwrap().connection_ids.as_ref().unwrap().local.as_bytes().to_vec()
    };
    let (own_id, other_id) = (id_of(&mut network, server), id_of(&mut network, other));
    let mut crossed = network.sealed(client, b"crossed");
    assert_eq!(crossed[11..19], own_id);
    crossed[11..19].copy_from_slice(&other_id);
    for from in [HOME, AWAY] {
        assert_eq!(network.arrives(from, &crossed), b"");
    }
    assert_eq!(network.server().session_stats(other).unwrap().discarded_in_all(), 2);
    assert_eq!((network.way_to(server), network.way_to(other), network.news()), (HOME, AWAY, vec![]));
}

#[test]
fn a_session_that_moves_to_the_address_of_another_takes_nothing_from_it() {
    for first_to_end in [0, 1] {
        let (mut network, client, server) = connected(AddressChange::Follow, Limits::default());
        let (other_client, other) = network.pair(AWAY);
        let datagram = network.sealed(client, b"1");
        assert_eq!(network.arrives(AWAY, &datagram), b"1");
        assert_eq!(network.server().session_at(&AWAY), Some(other));
        assert_eq!((network.way_to(server), network.way_to(other)), (AWAY, AWAY));
        let datagram = network.sealed(client, b"2");
        assert_eq!(network.arrives(AWAY, &datagram), b"2");
        network.send(AWAY, other_client, b"3");
        network.run();
        assert_eq!(network.payloads.pop(), Some((SERVER, other, b"3".to_vec())));
        let handle = [server, other][first_to_end];
        network.server().abort(handle);
        network.server().release(handle);
        network.drain();
        assert_eq!(network.server().session_at(&AWAY), (first_to_end == 0).then_some(other));
        network.end_all();
    }
}

#[test]
fn a_full_host_is_not_moved_to_and_moves_are_counted_where_they_lead() {
    let limits = Limits { per_host: 1, ..Limits::default() };
    let (mut network, client, server) = connected(AddressChange::Follow, limits);
    network.pair(AWAY);
    network.news();
    let datagram = network.sealed(client, b"1");
    assert_eq!(network.arrives(Host(22), &datagram), b"1");
    // The host can still decide, when there is a place.
    assert_eq!(network.news(), [(server, HOME, Event::SeenElsewhere)]);
    assert_eq!(network.way_to(server), HOME);
    assert!(!network.server().follow(server));
    // On its own host it may move though that is full: full of itself.
    let datagram = network.sealed(client, b"2");
    assert_eq!(network.arrives(NEAR, &datagram), b"2");
    assert_eq!(network.way_to(server), NEAR);
    // To an empty host, whose place is then taken, while that of the old one is free.
    let datagram = network.sealed(client, b"3");
    assert_eq!(network.arrives(Host(31), &datagram), b"3");
    assert_eq!(network.way_to(server), Host(31));
    network.connect(Host(32));
    network.run();
    assert_eq!(network.server().session_at(&Host(32)), None);
    network.hosts.remove(&HOME);
    network.pair(HOME);
    network.end_all();
}

#[test]
fn when_the_old_session_moves_away_a_client_that_begins_anew_has_its_address_to_itself() {
    for to in [NEAR, AWAY] {
        let (mut network, client, old) = connected(AddressChange::Follow, Limits::default());
        let mut anew = network.reboot_and_say_hello(HOME);
        let datagram = network.sealed(client, b"elsewhere");
        assert_eq!(network.arrives(to, &datagram), b"elsewhere");
        assert_eq!(network.way_to(old), to);
        let new = network.server().session_at(&HOME).unwrap();
        assert_ne!(new, old);
        while network.let_speak(HOME, &mut anew) {}
        let events = network.news();
        assert!(events.contains(&(new, HOME, Event::Connected)), "{events:?}");
        assert!(
            !events.iter().any(|(handle, _, event)| *handle == old && *event != Event::AddressChanged),
            "{events:?}"
        );
        let datagram = network.sealed(client, b"still here");
        assert_eq!(network.arrives(to, &datagram), b"still here");
        network.end_all();
    }
}

#[test]
fn one_of_two_that_count_as_one_moves_to_another_host_only_if_there_is_a_place() {
    for (sessions, to, moves) in [(1, AWAY, false), (1, NEAR, true), (2, AWAY, true)] {
        let limits = Limits { sessions, per_host: 1, ..Limits::default() };
        let (mut network, client, old) = connected(AddressChange::Follow, limits);
        drop(network.reboot_and_say_hello(HOME));
        let datagram = network.sealed(client, b"elsewhere");
        assert_eq!(network.arrives(to, &datagram), b"elsewhere");
        assert_eq!(network.way_to(old), if moves { to } else { HOME });
        network.end_all();
    }
}

#[test]
fn a_session_that_is_replaced_or_unfinished_does_not_move_and_leaves_no_id_behind() {
    let (mut network, client, old) = connected(AddressChange::Follow, Limits::default());
    let datagram = network.sealed(client, b"late");
    let mut anew = network.reboot_and_say_hello(HOME);
    while network.let_speak(HOME, &mut anew) {}
    assert!(network.news().contains(&(old, HOME, Event::Ended(Reason::Replaced))));
    network.server().release(old);
    assert_eq!(network.arrives(AWAY, &datagram), b"");
    assert_eq!(network.stats().unknown_cids, 1);
    network.end_all();
}

#[test]
fn a_session_whose_handshake_is_not_complete_does_not_move_though_its_peer_has_shown_its_key() {
    for address_change in [AddressChange::Ask, AddressChange::Follow] {
        let mut network = Network::with(CookiePolicy::Required, Limits::default(), ids);
        network.server().set_address_change(address_change);
        network.connect(HOME);
        network.drain();
        // Up to the client's last flight: ClientKeyExchange, ChangeCipherSpec, Finished.
        let flight_5 = loop {
            let (from, to, datagram) = network.under_way.pop_front().unwrap();
            if to == SERVER && datagram[RecordHeader::LEN] == HandshakeType::CLIENT_KEY_EXCHANGE.0 {
                break datagram;
            }
            network.deliver(from, to, datagram);
            network.drain();
        };
        let (_, _, rest) = split_record(&flight_5).unwrap();
        let (key_exchange, rest) = flight_5.split_at(flight_5.len() - rest.len());
        let (change_cipher_spec, finished) = rest.split_at(14);
        network.arrives(HOME, key_exchange);
        // Authentic, and of no use before the ChangeCipherSpec.
        network.arrives(AWAY, finished);
        let session = network.server().session_at(&HOME).unwrap();
        assert!(network.server().info(session).is_none());
        assert_eq!((network.news(), network.server().seen_at(session)), (vec![], None));
        network.arrives(HOME, change_cipher_spec);
        assert_eq!(network.news(), [(session, HOME, Event::Connected)]);
        network.end_all();
    }
}

#[test]
fn a_session_that_was_moved_to_an_address_is_not_in_the_way_of_a_client_there_nor_ended_by_it() {
    for sessions in [1, 2] {
        let limits = Limits { sessions, ..Limits::default() };
        let (mut network, client, moved) = connected(AddressChange::Follow, limits);
        // A copy of a record moves the session to where somebody else is, or comes to be.
        let copied = network.sealed(client, b"copied");
        assert_eq!(network.arrives(AWAY, &copied), b"copied");
        assert_eq!(network.way_to(moved), AWAY);
        network.news();
        network.connect(AWAY);
        network.run();
        // That is another client, and needs a place of its own.
        let new = network.server().session_at(&AWAY).unwrap();
        assert_eq!(new != moved, sessions == 2);
        let events = network.news();
        assert_eq!(events, if sessions == 2 { vec![(new, AWAY, Event::Connected)] } else { vec![] });
        assert_eq!(network.sessions(), sessions);
        let datagram = network.sealed(client, b"still here");
        assert_eq!(network.arrives(HOME, &datagram), b"still here");
        assert_eq!(network.way_to(moved), HOME);
        assert_eq!(network.server().session_at(&HOME), Some(moved));
        assert_eq!(network.server().session_at(&AWAY), (sessions == 2).then_some(new));
        network.end_all();
    }
}

#[test]
fn a_session_that_has_come_home_is_replaced_by_its_client_that_begins_anew_as_any() {
    let (mut network, client, old) = connected(AddressChange::Follow, Limits::default());
    for from in [AWAY, HOME] {
        let datagram = network.sealed(client, b"x");
        assert_eq!(network.arrives(from, &datagram), b"x");
    }
    network.news();
    let mut anew = network.reboot_and_say_hello(HOME);
    while network.let_speak(HOME, &mut anew) {}
    assert!(network.news().contains(&(old, HOME, Event::Ended(Reason::Replaced))));
    network.server().release(old);
    network.end_all();
}

#[test]
fn an_address_that_a_session_was_moved_to_can_be_connected_to() {
    let (mut network, client, moved) = connected(AddressChange::Follow, Limits::default());
    let copied = network.sealed(client, b"copied");
    assert_eq!(network.arrives(AWAY, &copied), b"copied");
    assert_eq!(network.way_to(moved), AWAY);
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    let ours = network.server().connect(now, AWAY, config, None).unwrap();
    assert_eq!(network.server().session_at(&AWAY), Some(ours));
    let datagram = network.sealed(client, b"still here");
    assert_eq!(network.arrives(AWAY, &datagram), b"still here");
    // The other way round it is in nobody's way either.
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    let again = network.server().connect(now, AWAY, config, None);
    assert_eq!(again, Err(ConnectError::AddressInUse));
    network.server().release(ours);
    network.end_all();
}

#[test]
fn a_session_of_ours_that_was_moved_to_the_address_of_a_client_does_not_hear_its_hello() {
    let (mut network, ..) = connected(AddressChange::Follow, Limits::default());
    let (now, other_server) = (network.now, Host(51));
    let config = Some(Arc::clone(&network.configs.server));
    let endpoint = Endpoint::new(now, config, CookiePolicy::Required, Limits::default()).unwrap();
    network.hosts.insert(other_server, endpoint);
    let config = Arc::clone(&network.configs.client);
    let ours = network.server().connect(now, other_server, config, None).unwrap();
    network.run();
    let theirs = network.host(other_server).session_at(&SERVER).unwrap();
    let mut copied = Vec::new();
    network.host(other_server).send(theirs, b"copied", &mut copied).unwrap();
    assert_eq!(network.arrives(AWAY, &copied), b"copied");
    assert_eq!(network.way_to(ours), AWAY);
    let (_, new) = network.pair(AWAY);
    assert!(network.news().contains(&(new, AWAY, Event::Connected)));
    network.end_all();
}

#[test]
fn a_flight_that_is_sent_again_after_a_move_finds_its_session() {
    // Flight 6 is lost, and the client's address changes before it sends flight 5 again.
    let mut network = Network::with(CookiePolicy::Required, Limits::default(), ids);
    network.server().set_address_change(AddressChange::Follow);
    let client = network.connect(HOME);
    let mut lost = None;
    while lost.is_none() {
        network.drain();
        let (from, to, datagram) = network.under_way.pop_front().unwrap();
        if from == SERVER && !network.server().is_empty() && network.events_at(SERVER).contains(&Event::Connected) {
            lost = Some(datagram);
        } else {
            network.deliver(from, to, datagram);
        }
    }
    let session = network.server().session_at(&HOME).unwrap();
    network.events.clear();
    network.now = network.now + Duration::from_secs(1);
    let now = network.now;
    network.host(HOME).handle_timeout(now);
    let mut flight_5 = Vec::new();
    assert_eq!(network.host(HOME).poll_transmit(now, &mut flight_5), Some(SERVER));
    // What it says in the clear comes first, so no ID leads to the session: from an address that nobody knows it is lost.
    assert_eq!(network.arrives(AWAY, &flight_5), b"");
    assert_eq!((network.news(), network.stats().rejected), (vec![], 1));
    // From where the session has moved meanwhile it is answered.
    let finished_at = flight_5.len() - (13 + 8 + 24 + 24 + 1);
    assert_eq!(network.arrives(AWAY, &flight_5[finished_at..]), b"");
    assert_eq!(network.news(), [(session, AWAY, Event::AddressChanged)]);
    network.under_way.clear();
    network.now = network.now + Duration::from_secs(2);
    let now = network.now;
    network.host(HOME).handle_timeout(now);
    flight_5.clear();
    assert_eq!(network.host(HOME).poll_transmit(now, &mut flight_5), Some(SERVER));
    assert_eq!(network.arrives(AWAY, &flight_5), b"");
    let answer = network.under_way.pop_back().unwrap();
    assert_eq!((answer.0, answer.1), (SERVER, AWAY));
    network.deliver(SERVER, HOME, answer.2);
    network.drain();
    assert!(network.events_at(HOME).contains(&Event::Connected));
    assert!(network.host(HOME).info(client).is_some());
    network.end_all();
}

#[test]
fn a_change_of_address_is_told_though_the_peer_is_seen_elsewhere_before_anybody_asks() {
    let limits = Limits { per_host: 1, ..Limits::default() };
    let (mut network, client, server) = connected(AddressChange::Follow, limits);
    network.pair(Host(31));
    network.news();
    let (first, second) = (network.sealed(client, b"1"), network.sealed(client, b"2"));
    let now = network.now;
    for (from, mut datagram) in [(AWAY, first), (Host(32), second)] {
        drop(network.server().receive(now, from, &mut datagram));
    }
    network.drain();
    assert_eq!(network.news(), [(server, AWAY, Event::AddressChanged), (server, AWAY, Event::SeenElsewhere)]);
    network.end_all();
}

/// Does not keep to one length.
#[derive(Debug)]
struct Fickle(core::sync::atomic::AtomicU8);

impl MakeConnectionId for Fickle {
    fn id_len(&self) -> u8 {
        8 + self.0.fetch_add(1, core::sync::atomic::Ordering::Relaxed) / 3 % 2
    }

    fn make(&self, random: &dyn SecureRandom, id: &mut [u8]) -> Result<(), CryptoError> {
        random.fill(id)
    }
}

#[test]
fn a_maker_that_does_not_keep_to_one_length_hides_no_session() {
    let mut network = Network::with(CookiePolicy::Required, Limits::default(), |settings| {
        settings.connection_id = ConnectionIdUse::Ours(Arc::new(Fickle(core::sync::atomic::AtomicU8::new(0))));
    });
    let pairs: Vec<_> = (1..20).map(|at| (Host(10 * at), network.pair(Host(10 * at)))).collect();
    for (at, (client, session)) in pairs {
        network.send(at, client, b"found");
        network.run();
        assert_eq!(network.payloads.pop(), Some((SERVER, session, b"found".to_vec())), "{at:?}");
    }
    network.end_all();
}

#[test]
fn an_id_in_use_is_not_given_out_again() {
    let mut network = Network::with(CookiePolicy::Required, Limits::default(), |settings| {
        settings.connection_id = ConnectionIdUse::Ours(Arc::new(Always(b"same")));
    });
    let ids_of = |network: &mut Network, handle| {
        let ids = network.server().info(handle).unwrap().connection_ids.clone().unwrap();
        (ids.local.as_bytes().to_vec(), ids.remote.as_bytes().to_vec())
    };
    let (_, first) = network.pair(HOME);
    assert_eq!(ids_of(&mut network, first), (b"same".to_vec(), b"same".to_vec()));
    // The second goes on without one of the server's; that of the client is the client's business.
    let (second_client, second) = network.pair(AWAY);
    assert_eq!(ids_of(&mut network, second), (vec![], b"same".to_vec()));
    network.send(AWAY, second_client, b"by address");
    network.run();
    assert_eq!(network.payloads.pop(), Some((SERVER, second, b"by address".to_vec())));
    // A client cannot begin without.
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    let failed = network.host(HOME).connect(now, Host(5), config, None);
    assert_eq!(failed, Err(ConnectError::NoConnectionId));
    network.server().abort(first);
    network.server().release(first);
    network.drain();
    let (_, third) = network.pair(Host(31));
    assert_eq!(ids_of(&mut network, third).0, b"same");
    network.end_all();
}

#[test]
fn ids_of_one_endpoint_have_one_length() {
    let (mut network, ..) = connected(AddressChange::Ask, Limits::default());
    let now = network.now;
    let with_len = |len| {
        Configs::new(move |settings| {
            settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(len)));
        })
    };
    for (len, error) in [(7, Some(ConnectError::NoConnectionId)), (8, None), (0, None)] {
        let begun = network.host(HOME).connect(now, Host(30 + u32::from(len)), with_len(len).client, None);
        assert_eq!(begun.err(), error, "{len} bytes");
    }
    // A server goes on without.
    let configs = with_len(7);
    network.server().set_server_config(Arc::clone(&configs.server));
    network.configs.client = configs.client;
    let (_, other) = network.pair(AWAY);
    let info = network.server().info(other).unwrap().connection_ids.clone().unwrap();
    assert_eq!((info.local.len(), info.remote.len()), (0, 7));
    network.end_all();
    // All that had the first length are gone.
    network.hosts.remove(&AWAY);
    let (_, other) = network.pair(AWAY);
    let info = network.server().info(other).unwrap().connection_ids.clone().unwrap();
    assert_eq!((info.local.len(), info.remote.len()), (7, 7));
}

#[test]
fn a_client_without_connection_ids_is_known_by_its_address_and_takes_no_id() {
    // The server is configured first.
    let asked = core::cell::Cell::new(0);
    let mut network = Network::with(CookiePolicy::Required, Limits::default(), |settings| {
        if asked.replace(1) == 0 {
            ids(settings);
        }
    });
    let client = network.connect(HOME);
    for _ in 0..4 {
        network.drain();
        let (from, to, datagram) = network.under_way.pop_front().unwrap();
        network.deliver(from, to, datagram);
    }
    assert_eq!(network.server().cids(), 1, "before the server says it");
    network.run();
    assert_eq!(network.server().cids(), 0, "when the client does not want it");
    let server = network.server().session_at(&HOME).unwrap();
    assert_eq!(network.server().info(server).unwrap().connection_ids, None);
    let datagram = network.sealed(client, b"plain");
    assert_eq!(network.arrives(AWAY, &datagram), b"");
    assert_eq!(network.arrives(HOME, &datagram), b"plain");
    assert_eq!(network.way_to(server), HOME);
    network.end_all();
}

#[test]
fn a_datagram_with_an_id_costs_no_allocation() {
    let (mut network, client, server) = connected(AddressChange::Follow, Limits::default());
    let now = network.now;
    let mut datagrams: Vec<_> = (0..64).map(|_| network.sealed(client, b"data")).collect();
    let mut out = Vec::with_capacity(100);
    let endpoint = network.server();
    let mut pass = |datagram: &mut Vec<u8>| {
        assert_eq!(endpoint.receive(now, HOME, datagram).count(), 1);
        out.clear();
        assert_eq!(endpoint.poll_transmit(now, &mut out), None);
        assert_eq!(endpoint.poll_event(), None);
        assert_eq!(endpoint.send(server, b"data", &mut out), Ok(HOME));
    };
    let (warm_up, measured) = datagrams.split_at_mut(8);
    warm_up.iter_mut().for_each(&mut pass);
    let counted = allocation_counter::measure(|| measured.iter_mut().for_each(&mut pass));
    assert_eq!(counted.count_total, 0);
}
