//! Paths that swallow what is too long for them and say nothing: RFC 8899, over a network in memory.

use dtls_core::config::{ConnectionIdUse, RandomConnectionId};
use dtls_core::{MtuSearch, MtuStep};

use super::*;
use crate::{AddressChange, Kept, PathCheck};

const HOME: Host = Host(11);
const AWAY: Host = Host(21);
const BASE: usize = 1200;
const MOST: usize = 9000;

fn ids(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(8)));
}

/// A server that finds out how long its datagrams to a client may be.
struct Scene {
    network: Network,
    client: Handle,
    session: Handle,
    search: MtuSearch,
    /// Where the client is.
    at: Host,
    /// The longest datagrams that pass to either of its addresses.
    limits: BTreeMap<Host, usize>,
    /// Every so many datagrams to the client one is lost, whatever its length; 0 for none.
    loses_one_in: usize,
    sent: usize,
}

impl Scene {
    fn new(limit: usize) -> Self {
        let mut network = Network::with(CookiePolicy::Required, Limits::default(), ids);
        network.server().set_address_change(AddressChange::Check(PathCheck::Enhanced));
        let (client, session) = network.pair(HOME);
        network.events.clear();
        let search = MtuSearch::new(BASE, MOST, network.now).with_patience(Duration::from_secs(1));
        let limits = BTreeMap::from([(HOME, limit)]);
        Self { network, client, session, search, at: HOME, limits, loses_one_in: 0, sent: 0 }
    }

    /// A datagram of the server's on its way; what the client answers arrives at once.
    fn carry(&mut self, to: Host, datagram: Vec<u8>) {
        self.sent += 1;
        let is_lost = self.loses_one_in != 0 && self.sent % self.loses_one_in == 0;
        if to != self.at || is_lost || datagram.len() > self.limits[&to] {
            return;
        }
        self.network.deliver(SERVER, HOME, datagram);
        let (now, at) = (self.network.now, self.at);
        let mut answer = Vec::new();
        while self.network.host(HOME).poll_transmit(now, &mut answer).is_some() {
            self.network.deliver(at, SERVER, core::mem::take(&mut answer));
        }
    }

    /// Does all that can be done at this moment.
    fn settle(&mut self) {
        let (now, session) = (self.network.now, self.session);
        loop {
            let mut datagram = Vec::new();
            let to = self.network.server().poll_transmit(now, &mut datagram);
            if let Some(to) = to {
                self.carry(to, datagram);
                continue;
            }
            if let Some((_, _, event)) = self.network.server().poll_event() {
                match event {
                    Event::ProbeAnswered(len) => self.search.on_arrived(now, usize::from(len)),
                    // Another path: what was known of the old one counts for nothing.
                    Event::AddressChanged => {
                        self.search = MtuSearch::new(BASE, MOST, now).with_patience(Duration::from_secs(1));
                        self.network.server().set_mtu(session, BASE);
                    }
                    event => self.network.events.push((SERVER, session, self.at, event)),
                }
                continue;
            }
            match self.search.poll(now) {
                Some(MtuStep::Probe(len)) => {
                    let to = self.network.server().probe_mtu(session, len, &mut datagram).unwrap();
                    assert_eq!(datagram.len(), len);
                    self.carry(to, datagram);
                }
                Some(MtuStep::SetMtu(len)) => self.network.server().set_mtu(session, len),
                None => return,
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.network.now + time;
        loop {
            self.settle();
            let next =
                self.network.server().poll_timeout().into_iter().chain([self.search.poll_timeout()]).min().unwrap();
            if next > end {
                break;
            }
            assert!(next > self.network.now);
            self.network.now = next;
            self.network.server().handle_timeout(next);
        }
        self.network.now = end;
    }

    /// Sends as much as a datagram may have; whether it arrives, and how long the datagram was.
    fn full_datagram(&mut self) -> (bool, usize) {
        let session = self.session;
        let payload = vec![7; self.network.server().max_payload(session)];
        let mut datagram = Vec::new();
        let to = self.network.server().send(session, &payload, &mut datagram).unwrap();
        let len = datagram.len();
        self.network.payloads.clear();
        self.carry(to, datagram);
        (self.network.payloads.pop().is_some_and(|(.., arrived)| arrived == payload), len)
    }
}

#[test]
fn the_longest_datagram_that_passes_is_found_and_everything_sent_passes_all_the_while() {
    for limit in [1200, 1201, 1452, 4000, 8999, 9000] {
        let mut scene = Scene::new(limit);
        for _ in 0..60 {
            assert!(scene.full_datagram().0, "{limit}");
            scene.run(Duration::from_secs(1));
        }
        let (arrives, len) = scene.full_datagram();
        assert!(arrives && len <= limit && limit < len + 16, "{len} of {limit}");
    }
}

#[test]
fn a_path_that_becomes_a_black_hole_is_noticed_and_data_flows_again() {
    for with_hint in [false, true] {
        let mut scene = Scene::new(9000);
        scene.run(Duration::from_secs(5));
        assert_eq!(scene.full_datagram(), (true, 9000));
        scene.limits.insert(HOME, 1300);
        assert_eq!(scene.full_datagram(), (false, 9000));
        // Nothing else tells: a minute until the next look, or at once where the application misses answers.
        let notices = if with_hint { 4 } else { 64 };
        if with_hint {
            scene.search.on_loss(scene.network.now);
        }
        scene.run(Duration::from_secs(notices));
        assert!(scene.full_datagram().0, "{with_hint}");
        scene.run(Duration::from_secs(60));
        let (arrives, len) = scene.full_datagram();
        assert!(arrives && (1285..=1300).contains(&len), "{len}");
        // And when it is wide again, that is found out in time.
        scene.limits.insert(HOME, 9000);
        scene.run(Duration::from_secs(660));
        assert_eq!(scene.full_datagram(), (true, 9000));
    }
}

#[test]
fn loss_for_other_reasons_makes_datagrams_no_shorter_than_the_base_and_not_for_ever() {
    let mut scene = Scene::new(4000);
    scene.loses_one_in = 3;
    let mut longest = 0;
    for _ in 0..200 {
        scene.run(Duration::from_secs(10));
        let (_, len) = scene.full_datagram();
        assert!((BASE..=4000).contains(&len));
        longest = longest.max(len);
    }
    assert!(longest > 4000 - 16, "{longest}");
}

#[test]
fn a_peer_that_moves_to_a_narrower_path_is_followed_there_and_hears_again() {
    let mut scene = Scene::new(9000);
    scene.run(Duration::from_secs(5));
    assert_eq!(scene.full_datagram(), (true, 9000));
    scene.limits.insert(AWAY, 1250);
    scene.at = AWAY;
    // Challenges are short and get through, where a full datagram would not.
    let mut moved = Vec::new();
    scene.network.host(HOME).send(scene.client, b"has moved", &mut moved).unwrap();
    scene.network.deliver(AWAY, SERVER, moved);
    scene.run(Duration::from_secs(2));
    assert_eq!(scene.network.server().remote_address(scene.session), Some(&AWAY));
    let (arrives, len) = scene.full_datagram();
    assert!(arrives && len <= 1250, "{len}");
    scene.run(Duration::from_secs(60));
    let (arrives, len) = scene.full_datagram();
    assert!(arrives && (1235..=1250).contains(&len), "{len}");
    assert_eq!(scene.network.events, []);
}

#[test]
fn a_path_that_swallows_even_challenges_is_not_taken() {
    let mut scene = Scene::new(9000);
    scene.limits.insert(AWAY, 40);
    scene.at = AWAY;
    let mut moved = Vec::new();
    scene.network.host(HOME).send(scene.client, b"has moved", &mut moved).unwrap();
    scene.network.deliver(AWAY, SERVER, moved);
    scene.run(Duration::from_secs(3));
    assert_eq!(scene.network.server().remote_address(scene.session), Some(&HOME));
    assert_eq!(scene.network.events_at(SERVER), [Event::AddressKept(Kept::NoAnswer)]);
}
