//! Thousands of sessions side by side, driven by arrivals and returned deadlines alone.

use core::time::Duration;
use std::collections::BTreeMap;

use dtls_endpoint::{Event, Handle};
use dtls_tests::dice::Dice;
use dtls_tests::raw;
use dtls_tests::sim::network::{Clean, Storm};
use dtls_tests::sockets::{Session, Sockets};

use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(millis))
}

/// What the server says to and hears of everybody but one.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    sent: Vec<(Instant, Address, Vec<u8>)>,
    told: Vec<(Instant, Address, Event)>,
    payloads: Vec<Vec<u8>>,
}

/// Where the faulty client is, in the midst of a thousand.
const FAULTY: Address = Address(500);
const NEIGHBOURS: u16 = 1_000;

/// A thousand clients that connect, send and close; `fault` is asked what the one at [`FAULTY`] does besides.
fn neighbourhood(mut fault: impl FnMut(&mut Sockets, usize)) -> Trace {
    let (config, _) = configs(0);
    let mut sockets = served(Clean, &config, Limits::default());
    sockets.accept_with(SERVER, |client| configs(u64::from(client.0)).0);
    let mut sessions: BTreeMap<Address, Session> = BTreeMap::new();
    for number in 1..=NEIGHBOURS {
        sockets.run_to(at(u64::from(number)));
        sockets.add(Address(number), client(sockets.now()), Limits::default());
        let (_, config) = configs(100_000 + u64::from(number));
        sessions.insert(Address(number), sockets.connect(Address(number), SERVER, &config));
        if number >= FAULTY.0 {
            fault(&mut sockets, usize::from(number));
        }
    }
    sockets.drain();
    for round in 0..3_u64 {
        for (number, session) in &sessions {
            sockets.run_to(at(2_000 + 1_000 * round + u64::from(number.0) / 2));
            fault(&mut sockets, usize::from(number.0));
            if *number != FAULTY {
                sockets.send(*session, &[&number.0.to_be_bytes()[..], b" says hello"].concat()).unwrap();
                if round == 2 {
                    sockets.close(*session);
                }
            }
        }
        sockets.drain();
    }
    let others = |address: &Address| *address != FAULTY;
    Trace {
        sent: (sockets.sent.iter())
            .filter(|(_, datagram)| datagram.from == SERVER && others(&datagram.to))
            .map(|(at, datagram)| (*at, datagram.to, datagram.bytes.clone()))
            .collect(),
        told: (sockets.told.iter())
            .filter(|told| told.by == SERVER && others(&told.peer))
            .map(|told| (told.at, told.peer, told.event.clone()))
            .collect(),
        payloads: sockets.payloads.iter().map(|(.., payload)| payload.clone()).collect(),
    }
}

#[test]
fn one_faulty_session_of_a_thousand_changes_no_datagram_event_or_payload_of_the_others() {
    let quiet = neighbourhood(|_, _| ());
    let mut dice = Dice::new(1);
    let mut recorded: Vec<Vec<u8>> = Vec::new();
    let mut seen = 0;
    let loud = neighbourhood(|sockets, _| {
        recorded.extend(
            sockets.sent[seen..].iter().filter(|(_, sent)| sent.from == FAULTY).map(|(_, sent)| sent.bytes.clone()),
        );
        seen = sockets.sent.len();
        for _ in 0..3 {
            let mut datagram = match dice.below(3) {
                0 if !recorded.is_empty() => dice.pick(&recorded).clone(),
                1 => {
                    let typ = dtls_core::wire::enums::ContentType(20 + dice.below(5) as u8);
                    let len = dice.below(200);
                    raw::record(typ, dice.below(3) as u16, dice.below(1 << 20) as u64, &dice.bytes(len))
                }
                _ => {
                    let (typ, len) = (dice.below(25) as u8, dice.below(300));
                    let typ = dtls_core::wire::enums::HandshakeType(typ);
                    raw::handshake(dice.below(50) as u64, &raw::message(typ, dice.below(6) as u16, &dice.bytes(len)))
                }
            };
            if dice.percent(30) {
                let place = dice.below(datagram.len());
                datagram[place] ^= 1 << dice.below(8);
            }
            sockets.inject(FAULTY, SERVER, &datagram);
        }
    });
    assert_eq!(quiet.told.len(), 2 * usize::from(NEIGHBOURS - 1));
    assert_eq!(quiet.payloads.len(), 3 * usize::from(NEIGHBOURS - 1));
    assert!(quiet == loud, "somebody else was disturbed");
}

#[test]
fn in_bad_weather_all_get_there_by_the_returned_deadlines_alone() {
    let (config, client_config) = configs(1);
    let mut sockets = served(Storm::new(1), &config, Limits::default());
    let sessions: Vec<Session> = (1..=200)
        .map(|number| {
            sockets.add(Address(number), client(Instant::ORIGIN), Limits::default());
            sockets.connect(Address(number), SERVER, &client_config)
        })
        .collect();
    sockets.run_to(at(60_000));
    // The weather was bad, or this says nothing.
    assert!(sockets.deadlines_served > 200, "{}", sockets.deadlines_served);
    let failed: Vec<_> = sockets.told.iter().filter(|told| told.event != Event::Connected).collect();
    assert_eq!(failed, Vec::<&dtls_tests::sockets::Told>::new());
    for session in &sessions {
        assert!(sockets.is_connected(*session), "{session:?}");
    }
    assert_eq!((sockets.endpoint(SERVER).len(), sockets.endpoint(SERVER).half_open()), (200, 0));
}

/// How many clients come in all, how many of them are there at most, and how far apart they come.
const CLIENTS: u16 = 10_000;

#[test]
fn ten_thousand_sessions_come_go_and_begin_anew_and_nothing_is_left_of_them() {
    let (config, client_config) = configs(1);
    let idle = Some(Duration::from_secs(120));
    let mut sockets = served(Clean, &config, Limits { half_open: 500, idle, ..Limits::default() });
    let mut dice = Dice::new(1);
    let mut alive: Vec<Session> = Vec::new();
    let (mut rebooted, mut closed, mut sent) = (0, 0, 0);
    for number in 1..=CLIENTS {
        sockets.run_to(at(u64::from(number) * 2));
        let now = sockets.now();
        sockets.add(Address(number), client(now), Limits::default());
        alive.push(sockets.connect(Address(number), SERVER, &client_config));
        let chosen = dice.below(alive.len());
        let session = alive[chosen];
        if !sockets.is_connected(session) {
            continue;
        }
        match dice.below(10) {
            0 => {
                alive.swap_remove(chosen);
                sockets.close(session);
                closed += 1;
            }
            1 => {
                sockets.add(session.0, client(now), Limits::default());
                alive[chosen] = sockets.connect(session.0, SERVER, &client_config);
                rebooted += 1;
            }
            _ => {
                sockets.send(session, b"hello").unwrap();
                sent += 1;
            }
        }
    }
    sockets.drain();
    assert!(rebooted > 500 && closed > 500 && sent > 5_000, "{rebooted} {closed} {sent}");
    assert_eq!(sockets.payloads.len(), sent);
    let stats = *sockets.endpoint(SERVER).stats();
    assert_eq!(stats.server_sessions, u64::from(CLIENTS) + rebooted);
    assert_eq!((stats.replaced, stats.refused), (rebooted, 0));
    assert_eq!(sockets.endpoint(SERVER).len(), alive.len());
    for session in &alive {
        assert!(sockets.is_connected(*session), "{session:?}");
    }
    // Nobody says anything any more: all end for idleness, each at its time.
    sockets.told.clear();
    assert!(!sockets.run_until(|_| false));
    let idle: Vec<Handle> = sockets.told.iter().filter(|told| told.by == SERVER).map(|told| told.handle).collect();
    assert_eq!(idle.len(), alive.len());
    assert!(sockets.now() <= at(u64::from(CLIENTS) * 2 + 121_000));
    assert!(is_bare(sockets.endpoint(SERVER)));
}
