//! Peers that are asked whether they receive where they were seen: RFC 9853.
//!
//! The client's endpoint never learns that its address has changed, as behind an address translator. A test says where
//! its datagrams come from, which of those to its old and its new address it gets, and what somebody else does with them.

mod weather;

use dtls_core::config::{ConnectionIdUse, PathChecks, RandomConnectionId};

use super::*;
use crate::{AddressChange, Kept, PathCheck, Stats};

fn ids<const LEN: u8>(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(LEN)));
}

/// Where the client was, where it is now, another address at that host, and one elsewhere.
const HOME: Host = Host(11);
const AWAY: Host = Host(21);
const BESIDE: Host = Host(22);
const FAR: Host = Host(31);
/// The server by another of the client's networks.
const SERVER_BY_OTHER: Host = Host(1);

const SECOND: Duration = Duration::from_secs(1);
const BOTH: [PathCheck; 2] = [PathCheck::Basic, PathCheck::Enhanced];

/// A client that was connected at `HOME`, and its session at the server.
struct Scene {
    network: Network,
    client: Handle,
    session: Handle,
}

impl Scene {
    fn new(check: PathCheck) -> Self {
        Self::with(check, Limits::default(), ids::<8>)
    }

    fn with(check: PathCheck, limits: Limits, change: impl Fn(&mut Settings)) -> Self {
        let mut network = Network::with(CookiePolicy::Required, limits, change);
        network.server().set_address_change(AddressChange::Check(check));
        let (client, session) = network.pair(HOME);
        network.events.clear();
        Self { network, client, session }
    }

    fn sealed(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.network.host(HOME).send(self.client, payload, &mut datagram).unwrap();
        datagram
    }

    /// What an endpoint has to send, and where to.
    fn drained(&mut self, host: Host) -> Vec<(Host, Vec<u8>)> {
        let now = self.network.now;
        let mut datagrams = Vec::new();
        let mut datagram = Vec::new();
        while let Some(to) = self.network.host(host).poll_transmit(now, &mut datagram) {
            datagrams.push((to, core::mem::take(&mut datagram)));
        }
        datagrams
    }

    /// The server gets a datagram from somewhere; what it has to send then.
    fn server_gets(&mut self, from: Host, datagram: &[u8]) -> Vec<(Host, Vec<u8>)> {
        self.network.deliver(from, SERVER, datagram.to_vec());
        self.drained(SERVER)
    }

    /// The client gets a datagram; its one answer, which it sends to where the datagram came from.
    fn client_answers(&mut self, from: Host, datagram: &[u8]) -> Vec<u8> {
        self.network.deliver(from, HOME, datagram.to_vec());
        let mut answers = self.drained(HOME);
        assert_eq!(answers.len(), 1);
        let (to, answer) = answers.remove(0);
        assert_eq!(to, from);
        answer
    }

    /// The client is seen somewhere; the one datagram that the server sends because of that, to `asked`.
    fn moves(&mut self, to: Host, asked: Host) -> Vec<u8> {
        let datagram = self.sealed(b"has moved");
        let mut sent = self.server_gets(to, &datagram);
        assert_eq!(self.network.payloads.pop(), Some((SERVER, self.session, b"has moved".to_vec())));
        assert_eq!(sent.len(), 1, "{sent:?}");
        let (asks, challenge) = sent.remove(0);
        assert_eq!(asks, asked);
        challenge
    }

    /// The next deadline of the server comes; what it has to send then.
    fn time_comes(&mut self) -> Vec<(Host, Vec<u8>)> {
        let due = self.network.server().poll_timeout().unwrap();
        assert!(due > self.network.now);
        self.network.now = due;
        self.network.server().handle_timeout(due);
        self.drained(SERVER)
    }

    /// Events of the session at the server since this was last asked.
    fn news(&mut self) -> Vec<(Host, Event)> {
        let mut news = Vec::new();
        while let Some((handle, address, event)) = self.network.server().poll_event() {
            assert_eq!(handle, self.session);
            news.push((address, event));
        }
        news
    }

    /// Where the server sends data.
    fn way(&mut self) -> Host {
        let session = self.session;
        self.network.server().send(session, b"?", &mut Vec::new()).unwrap()
    }

    fn stats(&mut self) -> Stats {
        self.network.stats()
    }

    /// When the server has nothing to do any more but what it does without checks.
    fn assert_quiet(&mut self) {
        assert_eq!(self.drained(SERVER), []);
        let due = self.network.server().poll_timeout().unwrap();
        assert!(due >= Instant::ORIGIN + Duration::from_secs(240), "the last flight lingers: {due:?}");
    }

    fn end_all(mut self) {
        let session = self.session;
        let server = self.network.server();
        server.close(session);
        server.release(session);
        self.network.drain();
        assert!(self.network.server().is_bare(), "{:?}", self.network.server());
    }
}

// --- basic ---

#[test]
fn a_peer_that_answers_from_its_new_address_is_followed_and_nothing_else_is_sent_there_before() {
    let mut scene = Scene::new(PathCheck::Basic);
    let challenge = scene.moves(AWAY, AWAY);
    assert_eq!((scene.way(), scene.news()), (HOME, vec![]));
    assert_eq!(scene.network.server().seen_at(scene.session), Some(&AWAY));
    let answer = scene.client_answers(SERVER, &challenge);
    assert_eq!(scene.server_gets(AWAY, &answer), []);
    assert_eq!(scene.way(), AWAY);
    assert_eq!(scene.news(), [(AWAY, Event::AddressChanged)]);
    assert_eq!(scene.network.server().previous_address(scene.session), Some(&HOME));
    let stats = scene.stats();
    assert_eq!((stats.path_checks, stats.path_checks_failed, stats.address_changes), (1, 0, 1));
    scene.assert_quiet();
    scene.end_all();
}

#[test]
fn a_path_that_stays_silent_is_asked_three_times_in_a_second_and_then_the_address_is_kept() {
    let mut scene = Scene::new(PathCheck::Basic);
    let began = scene.network.now;
    let first = scene.moves(AWAY, AWAY);
    let mut challenges = vec![first];
    for third in [1, 2] {
        let sent = scene.time_comes();
        assert_eq!(scene.network.now, began + SECOND / 3 * third);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].0, AWAY);
        assert!(!challenges.contains(&sent[0].1));
        challenges.push(sent[0].1.clone());
    }
    assert_eq!(scene.news(), []);
    assert_eq!(scene.time_comes(), []);
    assert_eq!(scene.network.now, began + SECOND);
    assert_eq!(scene.news(), [(HOME, Event::AddressKept(Kept::NoAnswer))]);
    assert_eq!((scene.way(), scene.network.server().seen_at(scene.session)), (HOME, Some(&AWAY)));
    let stats = scene.stats();
    assert_eq!((stats.path_checks, stats.path_checks_failed, stats.address_changes), (1, 1, 0));
    scene.assert_quiet();

    // What answers late answers nothing, but it was sent from there: the next check begins.
    let late = scene.client_answers(SERVER, &challenges[0]);
    let again = scene.server_gets(AWAY, &late);
    assert_eq!((again.len(), again[0].0, scene.way()), (1, AWAY, HOME));
    // Nor does the answer to an earlier check count for the present one.
    let late = scene.client_answers(SERVER, &challenges[1]);
    assert_eq!((scene.server_gets(AWAY, &late), scene.way()), (vec![], HOME));
    let discards = scene.network.server().session_stats(scene.session).unwrap();
    assert_eq!(discards.discarded(dtls_core::Discard::UnusablePathMessage), 2);
    let answer = scene.client_answers(SERVER, &again[0].1);
    scene.server_gets(AWAY, &answer);
    assert_eq!((scene.way(), scene.stats().path_checks), (AWAY, 2));
    scene.end_all();
}

#[test]
fn a_challenge_or_an_answer_that_is_lost_is_made_up_for_by_the_next() {
    for answer_is_lost in [false, true] {
        let mut scene = Scene::new(PathCheck::Basic);
        let lost = scene.moves(AWAY, AWAY);
        if answer_is_lost {
            scene.client_answers(SERVER, &lost);
        }
        let sent = scene.time_comes();
        let answer = scene.client_answers(SERVER, &sent[0].1);
        scene.server_gets(AWAY, &answer);
        assert_eq!((scene.way(), scene.news()), (AWAY, vec![(AWAY, Event::AddressChanged)]));
        scene.assert_quiet();
    }
}

#[test]
fn any_of_the_challenges_may_be_answered_while_there_is_time() {
    let mut scene = Scene::new(PathCheck::Basic);
    let slow = scene.moves(AWAY, AWAY);
    scene.time_comes();
    scene.time_comes();
    let answer = scene.client_answers(SERVER, &slow);
    scene.server_gets(AWAY, &answer);
    assert_eq!(scene.way(), AWAY);
}

#[test]
fn an_answer_from_another_address_than_the_one_that_was_asked_does_not_count() {
    for from in [HOME, BESIDE, FAR] {
        let mut scene = Scene::new(PathCheck::Basic);
        let challenge = scene.moves(AWAY, AWAY);
        let answer = scene.client_answers(SERVER, &challenge);
        assert_eq!(scene.server_gets(from, &answer), []);
        assert_eq!((scene.way(), scene.news(), scene.stats().stray_path_answers), (HOME, vec![], 1));
        // Nor does it count when it comes again from the right one.
        assert_eq!(scene.server_gets(AWAY, &answer), []);
        assert_eq!((scene.way(), scene.news()), (HOME, vec![]));
        // The check goes on.
        let sent = scene.time_comes();
        let answer = scene.client_answers(SERVER, &sent[0].1);
        scene.server_gets(AWAY, &answer);
        assert_eq!(scene.way(), AWAY);
    }
}

#[test]
fn a_newer_record_from_the_old_address_ends_a_check() {
    for check in BOTH {
        let mut scene = Scene::new(check);
        let challenge = scene.moves(AWAY, if check == PathCheck::Basic { AWAY } else { HOME });
        let back = scene.sealed(b"back");
        assert_eq!(scene.server_gets(HOME, &back), []);
        assert_eq!(scene.news(), [(HOME, Event::AddressKept(Kept::CameBack))]);
        assert_eq!(scene.network.server().seen_at(scene.session), None);
        scene.assert_quiet();
        // Its challenge is forgotten, and within its time there is no other.
        let answer = scene.client_answers(SERVER, &challenge);
        assert_eq!((scene.server_gets(AWAY, &answer), scene.way(), scene.news()), (vec![], HOME, vec![]));
        scene.end_all();
    }
}

#[test]
fn what_is_late_or_replayed_neither_begins_a_check_nor_ends_one() {
    for check in BOTH {
        let mut scene = Scene::new(check);
        let (late, newest) = (scene.sealed(b"late"), scene.sealed(b"newest"));
        assert_eq!(scene.server_gets(HOME, &newest), []);
        let mut forged = scene.sealed(b"forged");
        *forged.last_mut().unwrap() ^= 1;
        for datagram in [&late, &newest, &forged] {
            assert_eq!(scene.server_gets(AWAY, datagram), []);
        }
        assert_eq!((scene.stats().path_checks, scene.news()), (0, vec![]));
        let late = scene.sealed(b"late");
        scene.network.payloads.clear();
        scene.moves(AWAY, if check == PathCheck::Basic { AWAY } else { HOME });
        for datagram in [&late, &newest, &forged] {
            scene.server_gets(HOME, datagram);
        }
        assert_eq!((scene.stats().path_checks_failed, scene.news()), (0, vec![]));
    }
}

#[test]
fn a_round_trip_that_the_host_knows_sets_the_time_of_a_check() {
    for (round_trip, lasts) in [(500, 1500), (100, 300), (1, 100), (0, 100)] {
        let mut scene = Scene::new(PathCheck::Basic);
        let session = scene.session;
        scene.network.server().set_round_trip_hint(session, Duration::from_millis(round_trip));
        let began = scene.network.now;
        scene.moves(AWAY, AWAY);
        for _ in 0..3 {
            scene.time_comes();
        }
        assert_eq!(scene.news(), [(HOME, Event::AddressKept(Kept::NoAnswer))]);
        assert_eq!(scene.network.now, began + Duration::from_millis(lasts));
    }
}

#[test]
fn a_peer_that_knows_of_no_checks_is_left_to_the_host() {
    for check in BOTH {
        let mut scene = Scene::with(check, Limits::default(), |settings| {
            ids::<8>(settings);
            settings.path_checks = PathChecks::Off;
        });
        let datagram = scene.sealed(b"has moved");
        assert_eq!(scene.server_gets(AWAY, &datagram), []);
        assert_eq!((scene.way(), scene.news()), (HOME, vec![(HOME, Event::SeenElsewhere)]));
        assert_eq!(scene.stats().path_checks, 0);
        assert!(scene.network.server().follow(scene.session));
        assert_eq!(scene.way(), AWAY);
        scene.end_all();
    }
}

// --- enhanced ---

#[test]
fn a_peer_whose_old_path_is_dead_is_followed_when_the_time_for_that_is_over() {
    let mut scene = Scene::new(PathCheck::Enhanced);
    let began = scene.network.now;
    scene.moves(AWAY, HOME);
    for _ in 0..2 {
        let sent = scene.time_comes();
        assert_eq!((sent.len(), sent[0].0), (1, HOME));
    }
    let sent = scene.time_comes();
    assert_eq!(scene.network.now, began + SECOND);
    assert_eq!((sent.len(), sent[0].0, scene.news()), (1, AWAY, vec![]));
    let answer = scene.client_answers(SERVER, &sent[0].1);
    scene.server_gets(AWAY, &answer);
    assert_eq!((scene.way(), scene.news()), (AWAY, vec![(AWAY, Event::AddressChanged)]));
    scene.assert_quiet();
    scene.end_all();
}

#[test]
fn where_neither_path_answers_the_address_is_kept() {
    let mut scene = Scene::new(PathCheck::Enhanced);
    let began = scene.network.now;
    let old = scene.moves(AWAY, HOME);
    let to: Vec<_> = (0..5).map(|_| scene.time_comes()[0].0).collect();
    assert_eq!(to, [HOME, HOME, AWAY, AWAY, AWAY]);
    // An answer to what was asked of the old path comes too late to count, from wherever.
    let answer = scene.client_answers(SERVER, &old);
    scene.server_gets(AWAY, &answer);
    assert_eq!((scene.way(), scene.news()), (HOME, vec![]));
    let stats = scene.network.server().session_stats(scene.session).unwrap();
    assert_eq!(stats.discarded(dtls_core::Discard::UnusablePathMessage), 1);
    assert_eq!(scene.time_comes(), []);
    assert_eq!(scene.network.now, began + 2 * SECOND);
    assert_eq!(scene.news(), [(HOME, Event::AddressKept(Kept::NoAnswer))]);
    assert_eq!((scene.way(), scene.stats().path_checks_failed), (HOME, 1));
    scene.end_all();
}

#[test]
fn a_peer_that_left_on_purpose_says_so_and_is_followed_without_waiting() {
    let mut scene = Scene::new(PathCheck::Enhanced);
    let client = scene.client;
    assert!(scene.network.host(HOME).leave_for(client, SERVER_BY_OTHER));
    let mut datagram = Vec::new();
    let to = scene.network.host(HOME).send(client, b"by the other network", &mut datagram).unwrap();
    assert_eq!(to, SERVER_BY_OTHER);
    let asked = scene.server_gets(AWAY, &datagram);
    assert_eq!((asked.len(), asked[0].0), (1, HOME));
    // Over the old path, which the client still hears.
    let left = scene.client_answers(SERVER, &asked[0].1);
    assert_eq!(scene.network.host(HOME).poll_event(), None, "that is no move of the server's");
    let asked = scene.server_gets(HOME, &left);
    assert_eq!((asked.len(), asked[0].0, scene.news()), (1, AWAY, vec![]));
    let answer = scene.client_answers(SERVER_BY_OTHER, &asked[0].1);
    scene.server_gets(AWAY, &answer);
    assert_eq!((scene.way(), scene.news()), (AWAY, vec![(AWAY, Event::AddressChanged)]));
    // That the server spoke over the old path did not bring the client back there.
    assert_eq!(scene.network.host(HOME).send(client, b"?", &mut Vec::new()), Ok(SERVER_BY_OTHER));
    assert_eq!(scene.network.host(HOME).poll_event(), None);
    scene.end_all();
}

#[test]
fn a_peer_that_returns_to_the_path_it_left_prefers_it_again() {
    let mut scene = Scene::new(PathCheck::Enhanced);
    let client = scene.client;
    assert!(scene.network.host(HOME).leave_for(client, SERVER_BY_OTHER));
    assert!(!scene.network.host(HOME).leave_for(client, SERVER_BY_OTHER), "it is there");
    assert!(scene.network.host(HOME).leave_for(client, SERVER));
    let challenge = scene.moves(AWAY, HOME);
    let answer = scene.client_answers(SERVER, &challenge);
    scene.server_gets(HOME, &answer);
    assert_eq!(scene.news(), [(HOME, Event::AddressKept(Kept::OldPathAnswers))]);
    // Over the other one, which it has left now.
    let (now, mut challenge) = (scene.network.now, Vec::new());
    scene.network.server().probe_mtu(scene.session, 1000, &mut challenge).unwrap();
    drop(scene.network.host(HOME).receive(now, SERVER_BY_OTHER, &mut challenge));
    let answers = scene.drained(HOME);
    assert_eq!((answers.len(), answers[0].0), (1, SERVER_BY_OTHER));
    scene.server_gets(HOME, &answers[0].1);
    assert_eq!(scene.news(), [], "a probe that was dropped is not answered");
}

#[test]
fn a_peer_that_follows_after_it_has_left_a_path_prefers_where_it_is() {
    let mut scene = Scene::new(PathCheck::Enhanced);
    let (now, client, session) = (scene.network.now, scene.client, scene.session);
    assert!(scene.network.host(HOME).leave_for(client, SERVER_BY_OTHER));
    let mut of_server = |payload: &[u8]| {
        let mut datagram = Vec::new();
        scene.network.server().send(session, payload, &mut datagram).unwrap();
        datagram
    };
    let (mut from_third, mut from_left) = (of_server(b"1"), of_server(b"2"));
    // The server seems to move, and after that something comes over the path that was left.
    let third = Host(2);
    drop(scene.network.host(HOME).receive(now, third, &mut from_third));
    drop(scene.network.host(HOME).receive(now, SERVER, &mut from_left));
    assert!(scene.network.host(HOME).follow(client));
    let challenge = scene.moves(AWAY, HOME);
    let answer = scene.client_answers(third, &challenge);
    scene.server_gets(HOME, &answer);
    assert_eq!(scene.news(), [(HOME, Event::AddressKept(Kept::OldPathAnswers))]);
}

#[test]
fn a_path_to_the_new_address_that_the_peer_has_left_is_not_taken() {
    let mut scene = Scene::new(PathCheck::Basic);
    let client = scene.client;
    let datagram = scene.sealed(b"by the first network");
    assert!(scene.network.host(HOME).leave_for(client, SERVER_BY_OTHER));
    let asked = scene.server_gets(AWAY, &datagram);
    let left = scene.client_answers(SERVER, &asked[0].1);
    scene.server_gets(AWAY, &left);
    assert_eq!((scene.way(), scene.news()), (HOME, vec![(HOME, Event::AddressKept(Kept::PathLeft))]));
    scene.assert_quiet();
}

// --- somebody on the way ---

#[test]
fn somebody_who_sends_copies_from_the_address_of_a_victim_moves_nobody_and_the_victim_gets_next_to_nothing() {
    for check in BOTH {
        let mut scene = Scene::new(check);
        let (mut received, mut sent) = (0, 0);
        let count = |datagrams: &[(Host, Vec<u8>)]| {
            let to_victim = datagrams.iter().filter(|(to, _)| *to == AWAY);
            to_victim.map(|(_, datagram)| datagram.len()).sum::<usize>()
        };
        let end = scene.network.now + 20 * SECOND;
        while scene.network.now < end {
            // The copy is first. What the client hears it answers; the victim does not.
            let datagram = scene.sealed(b"please send me a lot");
            received += datagram.len();
            let answer = scene.server_gets(AWAY, &datagram);
            sent += count(&answer);
            for (to, datagram) in scene.server_gets(HOME, &datagram).into_iter().chain(answer) {
                if to == HOME {
                    let answer = scene.client_answers(SERVER, &datagram);
                    let more = scene.server_gets(HOME, &answer);
                    sent += count(&more);
                }
            }
            assert_eq!(scene.way(), HOME);
            assert!(sent <= 3 * received);
            let next = scene.network.now + SECOND / 50;
            scene.network.now = next;
            scene.network.server().handle_timeout(next);
            let more = scene.drained(SERVER);
            sent += count(&more);
        }
        let stats = scene.stats();
        assert_eq!(stats.address_changes, 0);
        assert!((15..=20).contains(&stats.path_checks), "one in a second: {}", stats.path_checks);
        match check {
            PathCheck::Basic => assert!(sent <= 20 * 3 * 60),
            PathCheck::Enhanced => assert_eq!(sent, 0),
        }
        let news = scene.news();
        let kept = if check == PathCheck::Basic { Kept::NoAnswer } else { Kept::OldPathAnswers };
        assert_eq!(news.last(), Some(&(HOME, Event::AddressKept(kept))));
        scene.end_all();
    }
}

#[test]
fn somebody_who_is_faster_than_the_old_path_gets_between_by_a_basic_check_and_not_by_an_enhanced_one() {
    // Basic: what is asked of the new address is passed on, and so is the answer.
    let mut scene = Scene::new(PathCheck::Basic);
    let challenge = scene.moves(AWAY, AWAY);
    let answer = scene.client_answers(SERVER, &challenge);
    scene.server_gets(AWAY, &answer);
    assert_eq!(scene.way(), AWAY, "as RFC 9853 section 8.1.2 says");
    // Enhanced: the answer on the old path is passed on before it arrives there, too.
    for from in [HOME, AWAY] {
        let mut scene = Scene::new(PathCheck::Enhanced);
        let challenge = scene.moves(AWAY, HOME);
        let answer = scene.client_answers(SERVER, &challenge);
        assert_eq!(scene.server_gets(from, &answer), []);
        assert_eq!(scene.server_gets(HOME, &answer), []);
        assert_eq!((scene.way(), scene.news()), (HOME, vec![(HOME, Event::AddressKept(Kept::OldPathAnswers))]));
        assert_eq!(scene.network.server().seen_at(scene.session), Some(&AWAY), "who it was, for the log");
        scene.assert_quiet();
        scene.end_all();
    }
}

#[test]
fn a_flood_of_moves_makes_one_check_and_leaves_nothing_behind() {
    for check in BOTH {
        let mut scene = Scene::new(check);
        let memory = scene.network.server().memory();
        let mut sent = Vec::new();
        for at in 0..1000 {
            let datagram = scene.sealed(b"x");
            sent.extend(scene.server_gets(Host(100 + at), &datagram));
            scene.network.payloads.clear();
        }
        let asked = if check == PathCheck::Basic { Host(100) } else { HOME };
        assert_eq!((sent.len(), sent[0].0), (1, asked));
        assert_eq!((scene.stats().path_checks, scene.network.sessions()), (1, 1));
        assert_eq!(scene.network.server().memory(), memory);
        assert_eq!(scene.way(), HOME);
        // The check that there is can still be won.
        if check == PathCheck::Basic {
            let answer = scene.client_answers(SERVER, &sent[0].1);
            scene.server_gets(Host(100), &answer);
            assert_eq!(scene.way(), Host(100));
        }
        scene.end_all();
    }
}

#[test]
fn an_address_that_has_shown_nothing_gets_no_more_than_three_times_what_came_from_it() {
    // The records to the client are long by its connection ID, those from it are short.
    let client_len = core::cell::Cell::new(8);
    let change = |settings: &mut Settings| {
        let len = client_len.replace(255);
        settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(len)));
    };
    let mut scene = Scene::with(PathCheck::Basic, Limits::default(), change);
    let (mut received, mut sent) = (0, 0);
    let short = scene.sealed(b"");
    let challenge_len = 13 + 255 + 24 + 1 + 9;
    assert!(3 * short.len() < challenge_len && challenge_len <= 9 * short.len());
    received += short.len();
    assert_eq!(scene.server_gets(AWAY, &short), [], "it would be too much");
    for challenges in [1, 0] {
        for _ in 0..2 {
            // What has been dropped counts for nothing.
            let mut forged = scene.sealed(b"");
            *forged.last_mut().unwrap() ^= 1;
            assert_eq!(scene.server_gets(AWAY, &forged), []);
        }
        if challenges == 1 {
            for _ in 0..2 {
                let more = scene.sealed(b"");
                received += more.len();
                assert_eq!(scene.server_gets(AWAY, &more), []);
            }
        } else {
            // Nor does what another address has sent.
            for _ in 0..9 {
                let more = scene.sealed(b"");
                assert_eq!(scene.server_gets(FAR, &more), []);
            }
        }
        let datagrams = scene.time_comes();
        assert_eq!(datagrams.len(), challenges);
        sent += datagrams.iter().map(|(_, datagram)| datagram.len()).sum::<usize>();
        assert!(sent <= 3 * received);
    }
    assert_eq!(sent, challenge_len);
    assert_eq!(scene.time_comes(), []);
    assert_eq!(scene.news(), [(HOME, Event::AddressKept(Kept::NoAnswer))]);
}

// --- beside other things ---

#[test]
fn a_session_that_ends_takes_its_check_with_it() {
    for check in BOTH {
        for how in 0..3 {
            let mut scene = Scene::new(check);
            scene.moves(AWAY, if check == PathCheck::Basic { AWAY } else { HOME });
            let session = scene.session;
            match how {
                0 => scene.network.server().close(session),
                1 => scene.network.server().abort(session),
                _ => {
                    let client = scene.client;
                    scene.network.host(HOME).close(client);
                    let goodbye = scene.drained(HOME);
                    scene.server_gets(AWAY, &goodbye[0].1);
                }
            }
            drop(scene.drained(SERVER));
            assert_eq!(scene.network.server().poll_timeout(), None);
            let news = scene.news();
            assert!(!news.iter().any(|(_, event)| matches!(event, Event::AddressKept(_))), "{news:?}");
            scene.end_all();
        }
    }
}

#[test]
fn a_host_that_follows_by_itself_ends_the_check() {
    let mut scene = Scene::new(PathCheck::Enhanced);
    let challenge = scene.moves(AWAY, HOME);
    assert!(scene.network.server().follow(scene.session));
    assert_eq!((scene.way(), scene.news()), (AWAY, vec![(AWAY, Event::AddressChanged)]));
    scene.assert_quiet();
    let answer = scene.client_answers(SERVER, &challenge);
    scene.server_gets(AWAY, &answer);
    assert_eq!((scene.way(), scene.news()), (AWAY, vec![]));
}

#[test]
fn a_host_without_a_place_is_not_moved_to_whatever_the_peer_answers() {
    let limits = Limits { per_host: 1, ..Limits::default() };
    let mut scene = Scene::with(PathCheck::Basic, limits, ids::<8>);
    scene.network.pair(BESIDE);
    let session = scene.session;
    while scene.network.server().poll_event().is_some() {}
    let challenge = scene.moves(AWAY, AWAY);
    let answer = scene.client_answers(SERVER, &challenge);
    scene.server_gets(AWAY, &answer);
    assert_eq!((scene.way(), scene.news()), (HOME, vec![(HOME, Event::SeenElsewhere)]));
    assert_eq!(scene.network.server().seen_at(session), Some(&AWAY));
    scene.assert_quiet();
    assert!(!scene.network.server().follow(session));
}

#[test]
fn every_challenge_is_answered_to_where_it_came_from() {
    let mut scene = Scene::new(PathCheck::Basic);
    let (now, session) = (scene.network.now, scene.session);
    let mut challenges = Vec::new();
    for _ in 0..3 {
        let mut challenge = Vec::new();
        scene.network.server().probe_mtu(session, 500, &mut challenge).unwrap();
        challenges.push(challenge);
    }
    // All before the client's host sends anything.
    for (from, challenge) in [SERVER, FAR, SERVER].into_iter().zip(&mut challenges) {
        drop(scene.network.host(HOME).receive(now, from, challenge));
    }
    let to: Vec<_> = scene.drained(HOME).into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [SERVER, FAR, SERVER]);
}

// --- how long a datagram may be ---

#[test]
fn a_probe_that_arrives_is_told_and_makes_datagrams_longer() {
    fn peers_only(settings: &mut Settings) {
        settings.connection_id = ConnectionIdUse::PeersOnly;
    }
    let both: [fn(&mut Settings); 2] = [ids::<8>, peers_only];
    for client_settings in both {
        // The server is configured first.
        let first = core::cell::Cell::new(true);
        let change =
            |settings: &mut Settings| if first.replace(false) { ids::<8>(settings) } else { client_settings(settings) };
        let mut scene = Scene::with(PathCheck::Basic, Limits::default(), change);
        let (now, client) = (scene.network.now, scene.client);
        let before = scene.network.host(HOME).max_payload(client);
        let mut lost = Vec::new();
        assert_eq!(scene.network.host(HOME).probe_mtu(client, 9000, &mut lost), Ok(SERVER));
        let mut probe = Vec::new();
        assert_eq!(scene.network.host(HOME).probe_mtu(client, 1400, &mut probe), Ok(SERVER));
        let mut answers = scene.server_gets(HOME, &probe);
        assert_eq!((probe.len(), answers.len(), answers[0].0), (1400, 1, HOME));
        drop(scene.network.host(HOME).receive(now, SERVER, &mut answers[0].1));
        let event = scene.network.host(HOME).poll_event();
        assert_eq!(event, Some((client, SERVER, Event::ProbeAnswered(1400))));
        assert_eq!(scene.network.host(HOME).max_payload(client), before + 200);
        // The other has given way to it.
        let mut answers = scene.server_gets(HOME, &lost);
        drop(scene.network.host(HOME).receive(now, SERVER, &mut answers[0].1));
        assert_eq!(scene.network.host(HOME).poll_event(), None);
        assert_eq!(scene.network.host(HOME).max_payload(client), before + 200);
    }
}

#[test]
fn a_probe_of_the_old_path_says_nothing_of_the_new_one() {
    let mut scene = Scene::new(PathCheck::Basic);
    let session = scene.session;
    let before = scene.network.server().max_payload(session);
    let mut probe = Vec::new();
    scene.network.server().probe_mtu(session, 1400, &mut probe).unwrap();
    let late = scene.client_answers(SERVER, &probe);
    let challenge = scene.moves(AWAY, AWAY);
    let answer = scene.client_answers(SERVER, &challenge);
    scene.server_gets(AWAY, &answer);
    scene.server_gets(AWAY, &late);
    assert_eq!(scene.news(), [(AWAY, Event::AddressChanged)]);
    assert_eq!(scene.network.server().max_payload(session), before);
}
