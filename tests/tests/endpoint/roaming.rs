//! Peers with connection IDs whose addresses change: RFC 9146 section 6 in all orders, and whoever would like them to be
//! somewhere else.
//!
//! What is said of an endpoint here is said by a model of a few lines: the newest record tells where its peer is, and
//! nothing else tells anything.

use core::time::Duration;
use std::collections::BTreeSet;

use dtls_core::Settings;
use dtls_core::config::{ConnectionIdUse, RandomConnectionId};
use dtls_core::wire::enums::ContentType;
use dtls_core::wire::record::{RecordHeader, RecordNumber};
use dtls_endpoint::{AddressChange, Event, Handle};
use dtls_tests::dice::Dice;
use dtls_tests::raw;
use dtls_tests::sim::network::{Clean, Storm};
use dtls_tests::sockets::{Session, Sockets};

use super::*;

/// Where the client is at first, and where it goes.
const HOME: Address = Address(100);
const AWAY: Address = Address(200);
/// Where somebody is who has nothing to do with it.
const ATTACKER: Address = Address(300);

/// Configurations of both sides, each of which wants IDs of so many bytes.
fn configs_with_ids(seed: u64, client: u8, server: u8) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let with = |len: u8| {
        let provider = CryptoProvider { random: Arc::new(SeededRandom::new(seed)), ..quick::provider() };
        let certificate = certificates::chain(Leaf::EcdsaP256).remove(0);
        quick::configs(provider, certificate, move |settings: &mut Settings| {
            settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(len)));
        })
    };
    (with(server).0, with(client).1)
}

/// A server, a client at [`HOME`] that has connected to it, and what either calls the session.
struct Pair {
    sockets: Sockets,
    client: Handle,
    server: Handle,
    /// How many events have been looked at.
    seen: usize,
}

impl Pair {
    fn new(address_change: AddressChange, client: u8, server: u8) -> Self {
        let (config, client_config) = configs_with_ids(1, client, server);
        let mut sockets = served(Clean, &config, Limits::default());
        sockets.endpoint(SERVER).set_address_change(address_change);
        sockets.add(HOME, super::client(Instant::ORIGIN), Limits::default());
        let (_, client) = sockets.connect(HOME, SERVER, &client_config);
        sockets.drain();
        let server = sockets.endpoint(SERVER).session_at(&HOME).unwrap();
        assert!(sockets.is_connected((HOME, client)) && sockets.is_connected((SERVER, server)));
        let seen = sockets.told.len();
        Self { sockets, client, server, seen }
    }

    /// A datagram of the client's, which is on no network.
    fn sealed(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.sockets.endpoint(HOME).send(self.client, payload, &mut datagram).unwrap();
        datagram
    }

    /// A datagram reaches the server from somewhere; what it lent.
    fn arrives(&mut self, from: Address, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.sockets.inject(from, SERVER, datagram);
        let lent = core::mem::take(&mut self.sockets.payloads);
        assert!(lent.iter().all(|(at, handle, _)| (*at, *handle) == (SERVER, self.server)));
        lent.into_iter().map(|(.., payload)| payload).collect()
    }

    /// What the server has told since this was last asked.
    fn news(&mut self) -> Vec<(Address, Event)> {
        let told = &self.sockets.told[self.seen..];
        let news = told.iter().filter(|told| told.by == SERVER).map(|told| (told.peer, told.event.clone())).collect();
        self.seen = self.sockets.told.len();
        news
    }

    /// Where the server sends what it has for the client.
    fn way(&mut self) -> Address {
        self.sockets.endpoint(SERVER).send(self.server, b"?", &mut Vec::new()).unwrap()
    }
}

/// Every order of some of `count` things, none twice.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![vec![]];
    let mut from = 0;
    while from < orders.len() {
        for next in 0..count {
            if !orders[from].contains(&next) {
                let order = [&orders[from][..], &[next]].concat();
                orders.push(order);
            }
        }
        from += 1;
    }
    orders
}

#[test]
fn across_a_move_records_may_come_in_any_order_twice_or_not_at_all() {
    // Five records: two sent before the move, three behind it. Each of the 326 orders of some of them; in half of them each
    // comes again at once, from where nobody is.
    let count = 5;
    for (number, order) in orders(count).into_iter().enumerate() {
        for address_change in [AddressChange::Follow, AddressChange::Ask] {
            let mut pair = Pair::new(address_change, 3, 8);
            let sealed: Vec<_> = (0..count).map(|index| pair.sealed(&[index as u8])).collect();
            let (mut newest, mut is_at, mut seen_at) = (None, HOME, None);
            for index in &order {
                let from = if *index < 2 { HOME } else { AWAY };
                assert_eq!(pair.arrives(from, &sealed[*index]), [[*index as u8]], "{order:?}");
                let mut expected = vec![];
                if newest.is_none_or(|newest| newest < *index) {
                    newest = Some(*index);
                    match address_change {
                        AddressChange::Follow if from != is_at => {
                            is_at = from;
                            expected.push((from, Event::AddressChanged));
                        }
                        AddressChange::Ask => {
                            let elsewhere = (from != HOME).then_some(from);
                            if elsewhere.is_some() && seen_at != elsewhere {
                                expected.push((HOME, Event::SeenElsewhere));
                            }
                            seen_at = elsewhere;
                        }
                        _ => {}
                    }
                }
                if number % 2 == 0 {
                    assert_eq!(pair.arrives(ATTACKER, &sealed[*index]), Vec::<Vec<u8>>::new(), "{order:?}");
                }
                assert_eq!(pair.news(), expected, "{order:?}");
                assert_eq!((pair.way(), pair.sockets.endpoint(SERVER).seen_at(pair.server).copied()), (is_at, seen_at));
            }
        }
    }
}

#[test]
fn sessions_with_ids_of_every_length_outlive_the_client_s_address() {
    for (client, server) in [(0, 1), (0, 8), (8, 8), (8, 20), (255, 255), (0, 255)] {
        let mut pair = Pair::new(AddressChange::Follow, client, server);
        for (number, to) in [AWAY, HOME, Address(201), AWAY].into_iter().enumerate() {
            let from = if number == 0 { HOME } else { pair.way() };
            pair.sockets.rebind(from, to);
            // What the server says before it has heard of the move is lost; what comes behind it is not.
            pair.sockets.send((SERVER, pair.server), b"lost").unwrap();
            pair.sockets.drain();
            pair.sockets.send((to, pair.client), b"I have moved").unwrap();
            pair.sockets.drain();
            pair.sockets.send((SERVER, pair.server), b"I see").unwrap();
            pair.sockets.drain();
            let payloads: Vec<_> =
                core::mem::take(&mut pair.sockets.payloads).into_iter().map(|(at, _, payload)| (at, payload)).collect();
            assert_eq!(payloads, [(SERVER, b"I have moved".to_vec()), (to, b"I see".to_vec())], "{client}, {server}");
            assert_eq!(pair.news(), [(to, Event::AddressChanged)]);
        }
        let at = pair.way();
        pair.sockets.close((at, pair.client));
        pair.sockets.drain();
        assert_eq!(pair.news(), [(at, Event::Closed)]);
        assert!(is_bare(pair.sockets.endpoint(SERVER)) && is_bare(pair.sockets.endpoint(at)));
    }
}

#[test]
fn a_server_without_ids_of_its_own_does_not_know_a_client_at_another_address() {
    for client in [0, 8] {
        let mut pair = Pair::new(AddressChange::Follow, client, 0);
        pair.sockets.rebind(HOME, AWAY);
        pair.sockets.send((AWAY, pair.client), b"I have moved").unwrap();
        pair.sockets.drain();
        assert_eq!((pair.sockets.payloads.len(), pair.news(), pair.way()), (0, vec![], HOME));
        assert_eq!(pair.sockets.endpoint(SERVER).stats().rejected, 1);
        pair.sockets.rebind(AWAY, HOME);
        pair.sockets.send((HOME, pair.client), b"I am back").unwrap();
        pair.sockets.drain();
        assert_eq!(pair.sockets.payloads.pop(), Some((SERVER, pair.server, b"I am back".to_vec())));
    }
}

#[test]
fn who_forwards_the_newest_record_gets_what_is_said_until_the_peer_speaks_again_and_no_more() {
    for address_change in [AddressChange::Follow, AddressChange::Ask, AddressChange::Ignore] {
        let mut pair = Pair::new(address_change, 0, 8);
        for _ in 0..10 {
            // His copy overtakes the record itself, which then says nothing new.
            let forwarded = pair.sealed(b"data");
            assert_eq!(pair.arrives(ATTACKER, &forwarded), [b"data"]);
            assert_eq!(pair.arrives(HOME, &forwarded), Vec::<Vec<u8>>::new());
            let (way, news) = match address_change {
                AddressChange::Follow => (ATTACKER, vec![(ATTACKER, Event::AddressChanged)]),
                AddressChange::Ask => (HOME, vec![(HOME, Event::SeenElsewhere)]),
                _ => (HOME, vec![]),
            };
            assert_eq!((pair.way(), pair.news()), (way, news));
            // He cannot stay: whatever the peer says next is newer than all that he has seen.
            let honest = pair.sealed(b"more");
            assert_eq!(pair.arrives(HOME, &honest), [b"more"]);
            assert_eq!(pair.arrives(ATTACKER, &honest), Vec::<Vec<u8>>::new());
            assert_eq!(pair.arrives(ATTACKER, &forwarded), Vec::<Vec<u8>>::new());
            let back =
                if address_change == AddressChange::Follow { vec![(HOME, Event::AddressChanged)] } else { vec![] };
            assert_eq!((pair.way(), pair.news()), (HOME, back));
            let server = pair.sockets.endpoint(SERVER);
            assert_eq!((server.seen_at(pair.server), server.session_at(&ATTACKER)), (None, None));
        }
    }
}

#[test]
fn what_a_server_says_from_another_address_is_nobody_s() {
    let (config, client_config) = configs_with_ids(1, 8, 8);
    let (mut server, mut client) = (server(&config, Limits::default()), client(Instant::ORIGIN));
    let now = Instant::ORIGIN;
    let handle = client.connect(now, SERVER, client_config, None).unwrap();
    let mut rounds = 0;
    loop {
        let (mut hello, mut answers) = (Vec::new(), Vec::new());
        while client.poll_transmit(now, &mut hello).is_some() {
            drop(server.receive(now, HOME, &mut hello));
            hello.clear();
            let mut answer = Vec::new();
            while server.poll_transmit(now, &mut answer).is_some() {
                answers.push(core::mem::take(&mut answer));
            }
        }
        if answers.is_empty() {
            break;
        }
        for answer in &answers {
            drop(client.receive(now, ATTACKER, &mut answer.clone()));
            assert_eq!((client.poll_transmit(now, &mut Vec::new()), client.poll_event()), (None, None));
        }
        for mut answer in answers {
            drop(client.receive(now, SERVER, &mut answer));
        }
        rounds += 1;
    }
    // The cookie, the certificate, and the Finished.
    assert_eq!((rounds, client.poll_event()), (3, Some((handle, SERVER, Event::Connected))));
    assert_eq!(client.stats().rejected, 3);
}

// --- two worlds that should be equal ---

const CLIENTS: u16 = 12;
const ROUNDS: u64 = 40;

/// What there is to see of a world from outside, and of its sessions.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    /// By the server and by the clients.
    sent: Vec<(Instant, Address, Address, Vec<u8>)>,
    told: Vec<(Instant, Address, Handle, Address, Event)>,
    payloads: Vec<(Address, Handle, Vec<u8>)>,
    /// Of each session of the server: where its peer is, was, and may be.
    places: Vec<[Option<Address>; 3]>,
    /// How many records of application data it has sent and lent.
    records: Vec<(u64, u64)>,
    address_changes: u64,
}

/// Clients that talk with the server while their addresses change; `attack` may do what it likes before each step, with
/// what has arrived so far.
fn travellers(address_change: AddressChange, mut attack: impl FnMut(&mut Sockets, &[(Address, Vec<u8>)])) -> Trace {
    let (config, _) = configs_with_ids(0, 5, 8);
    let mut sockets = served(Clean, &config, Limits::default());
    sockets.endpoint(SERVER).set_address_change(address_change);
    let mut clients: Vec<Session> = (0..CLIENTS)
        .map(|number| {
            let home = Address(1_000 + 20 * number);
            sockets.add(home, client(sockets.now()), Limits::default());
            sockets.connect(home, SERVER, &configs_with_ids(1_000 + u64::from(number), 5, 8).1)
        })
        .collect();
    sockets.drain();
    let servers: Vec<Handle> =
        clients.iter().map(|(home, _)| sockets.endpoint(SERVER).session_at(home).expect("a session")).collect();
    let (mut dice, mut moves) = (Dice::new(7), 0);
    let mut arrived = Vec::new();
    for round in 0..ROUNDS {
        for index in 0..clients.len() {
            sockets.run_to(Instant::from_origin(Duration::from_millis(1_000 + 1_000 * round + 50 * index as u64)));
            arrived.extend(sockets.sent[arrived.len()..].iter().map(|(_, sent)| (sent.from, sent.bytes.clone())));
            attack(&mut sockets, &arrived);
            let (at, handle) = clients[index];
            if dice.percent(20) {
                let to = Address(10_000 + 20 * moves);
                moves += 1;
                sockets.rebind(at, to);
                clients[index].0 = to;
            }
            sockets.send((clients[index].0, handle), &[round as u8; 20]).unwrap();
            sockets.drain();
            sockets.send((SERVER, servers[index]), &[round as u8; 30]).unwrap();
            sockets.drain();
        }
    }
    let (sent, told, payloads) =
        (sockets.sent.clone(), core::mem::take(&mut sockets.told), core::mem::take(&mut sockets.payloads));
    let server = sockets.endpoint(SERVER);
    let place_of = |handle: &Handle| {
        let places = [server.remote_address(*handle), server.previous_address(*handle), server.seen_at(*handle)];
        places.map(Option::<&Address>::copied)
    };
    let records_of = |handle: &Handle| {
        let stats = server.session_stats(*handle).unwrap();
        (stats.application_records_sent, stats.application_records_received)
    };
    Trace {
        places: servers.iter().map(place_of).collect(),
        records: servers.iter().map(records_of).collect(),
        address_changes: server.stats().address_changes,
        sent: sent.into_iter().map(|(at, sent)| (at, sent.from, sent.to, sent.bytes)).collect(),
        told: told.into_iter().map(|told| (told.at, told.by, told.handle, told.peer, told.event)).collect(),
        payloads,
    }
}

/// A record with the ID of one that has passed and what an attacker makes of the rest.
fn forged(passed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let cid = &passed[RecordHeader::CID_AT..RecordHeader::CID_AT + 8];
    let len = dice.below(80);
    let number = RecordNumber::new(dice.below(1 << 20) as u64).unwrap().get();
    let mut junk = raw::record(ContentType::TLS12_CID, dice.below(3) as u16, number, &dice.bytes(len));
    junk.splice(RecordHeader::CID_AT..RecordHeader::CID_AT, cid.iter().copied());
    junk
}

#[test]
fn nothing_that_is_not_authentic_and_new_changes_anything_for_anyone_on_the_move() {
    for address_change in [AddressChange::Follow, AddressChange::Ask, AddressChange::Ignore] {
        let quiet = travellers(address_change, |_, _| ());
        let mut dice = Dice::new(3);
        let (mut kinds, mut places) = (BTreeSet::new(), BTreeSet::new());
        let loud = travellers(address_change, |sockets, arrived| {
            let with_cid: Vec<_> = arrived
                .iter()
                .filter(|(from, bytes)| *from != SERVER && bytes[0] == ContentType::TLS12_CID.0)
                .collect();
            if with_cid.is_empty() {
                return;
            }
            for _ in 0..4 {
                let (was_at, passed) = *dice.pick(&with_cid);
                let (is_at, newest) = with_cid[with_cid.len() - 1];
                // From where the record came, from where somebody is now, or from somewhere else.
                let from = *dice.pick(&[*was_at, *is_at, ATTACKER]);
                let kind = dice.below(8);
                let mut datagram = match kind {
                    0 => passed.clone(),
                    1 | 2 => forged(passed, &mut dice),
                    // What one has said under the ID of another.
                    3 => {
                        let mut crossed = newest.clone();
                        crossed[RecordHeader::CID_AT..RecordHeader::CID_AT + 8]
                            .copy_from_slice(&passed[RecordHeader::CID_AT..RecordHeader::CID_AT + 8]);
                        crossed
                    }
                    // A number that is yet to come.
                    4 => {
                        let mut ahead = passed.clone();
                        ahead[8] ^= 0x40;
                        ahead
                    }
                    5 => passed[..dice.below(passed.len())].to_vec(),
                    // Without the ID, as if there were none.
                    6 => {
                        let mut plain = passed.clone();
                        plain.drain(RecordHeader::CID_AT..RecordHeader::CID_AT + 8);
                        plain[0] = ContentType::APPLICATION_DATA.0;
                        plain
                    }
                    _ => [forged(passed, &mut dice), passed.clone(), newest.clone()].concat(),
                };
                if datagram.len() > 1 && dice.percent(20) {
                    let at = 1 + dice.below(datagram.len() - 1);
                    datagram[at] ^= 1 << dice.below(8);
                }
                kinds.insert(kind);
                places.insert(from == ATTACKER);
                sockets.inject(from, SERVER, &datagram);
            }
        });
        assert_eq!((kinds.len(), places.len()), (8, 2));
        assert!(quiet.address_changes > 0 || address_change != AddressChange::Follow);
        assert_eq!(quiet.payloads.iter().filter(|(at, ..)| *at == SERVER).count() as u64, ROUNDS * u64::from(CLIENTS));
        assert!(quiet == loud, "{address_change:?}: somebody was disturbed");
    }
}

// --- bad weather ---

#[test]
fn in_bad_weather_too_everybody_is_found_in_the_end_and_no_payload_comes_twice() {
    for seed in 0..20 {
        let (config, client_config) = configs_with_ids(seed, 5, 8);
        let mut sockets = served(Storm::new(seed), &config, Limits::default());
        sockets.endpoint(SERVER).set_address_change(AddressChange::Follow);
        let mut clients: Vec<Session> = (0..10)
            .map(|number| {
                let home = Address(1_000 + 20 * number);
                sockets.add(home, client(Instant::ORIGIN), Limits::default());
                sockets.connect(home, SERVER, &client_config)
            })
            .collect();
        let mut dice = Dice::new(seed);
        for step in 0..400_u64 {
            sockets.run_to(Instant::from_origin(Duration::from_millis(100 * step)));
            let index = dice.below(clients.len());
            let session = clients[index];
            if !sockets.is_connected(session) {
                continue;
            }
            if dice.percent(30) {
                let to = Address(2_000 + 20 * step as u16);
                sockets.rebind(session.0, to);
                clients[index].0 = to;
            }
            sockets.send(clients[index], &step.to_be_bytes()).unwrap();
        }
        // It has cleared up: whoever speaks now is answered where he is.
        sockets.run_to(Instant::from_origin(Duration::from_secs(100)));
        for (index, session) in clients.iter().enumerate() {
            assert!(sockets.is_connected(*session), "seed {seed}, client {index}");
            let before = sockets.payloads.len();
            sockets.send(*session, b"here").unwrap();
            sockets.drain();
            let (at, handle, payload) = sockets.payloads[before].clone();
            assert_eq!((at, &payload[..]), (SERVER, &b"here"[..]), "seed {seed}, client {index}");
            assert_eq!(
                sockets.endpoint(SERVER).remote_address(handle),
                Some(&session.0),
                "seed {seed}, client {index}"
            );
            sockets.send((SERVER, handle), b"there").unwrap();
            sockets.drain();
            assert_eq!(sockets.payloads.pop(), Some((session.0, session.1, b"there".to_vec())), "seed {seed}");
        }
        let steps: Vec<_> = sockets.payloads.iter().map(|(.., payload)| payload).filter(|p| p.len() == 8).collect();
        assert!(steps.len() > 100, "seed {seed}: {} payloads", steps.len());
        assert_eq!(steps.iter().collect::<BTreeSet<_>>().len(), steps.len(), "seed {seed}: a payload came twice");
    }
}
