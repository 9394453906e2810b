//! What strangers can make an endpoint hold and send: heap bytes by a counting allocator.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use allocation_counter::measure;
use dtls_core::Connection;
use dtls_core::wire::enums::ContentType;
use dtls_endpoint::{Event, Handle, Reason};
use dtls_tests::dice::Dice;
use dtls_tests::raw;
use dtls_tests::sim::network::Clean;

use super::*;

const STRANGERS: u32 = 100_000;

fn stranger(number: u32) -> SocketAddr {
    let [port_1, port_0, rest @ ..] = number.wrapping_mul(0x9e37_79b1).to_be_bytes();
    let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, u16::from_be_bytes(rest), 0, 0, 0, u16::from_be_bytes([port_1, port_0]));
    SocketAddr::new(IpAddr::V6(ip), u16::from_be_bytes([port_0, port_1]))
}

fn first_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut hello = Vec::new();
    let mut client = Connection::connect(Arc::clone(config), None, Instant::ORIGIN).unwrap();
    assert!(client.poll_transmit(Instant::ORIGIN, &mut hello));
    hello
}

/// Anything but a hello: noise, records of every type and epoch, hellos that are broken.
fn junk(hello: &[u8], dice: &mut Dice) -> Vec<u8> {
    let len = dice.below(120);
    match dice.below(4) {
        0 => dice.bytes(len),
        1 => {
            let (typ, epoch) = (ContentType(20 + dice.below(6) as u8), dice.below(3) as u16);
            raw::record(typ, epoch, dice.below(1000) as u64, &dice.bytes(len))
        }
        2 => hello[..dice.below(hello.len() - 1)].to_vec(),
        _ => {
            // Another record type, version or epoch, or another message.
            let mut broken = hello.to_vec();
            broken[*dice.pick(&[0, 1, 3, 13])] ^= 0x40;
            broken
        }
    }
}

#[test]
fn junk_from_a_hundred_thousand_addresses_takes_no_heap_and_gets_no_answer() {
    let (config, client) = configs(1);
    let mut endpoint: Endpoint<SocketAddr> = server(&config, Limits::default());
    let hello = first_hello(&client);
    let mut dice = Dice::new(1);
    let mut out = Vec::with_capacity(2048);
    let (mut lengths, mut with_id) = (0, 0);
    let mut flood = |endpoint: &mut Endpoint<SocketAddr>, number| {
        let mut datagram = junk(&hello, &mut dice);
        lengths += datagram.len() as u64;
        with_id += u64::from(datagram.first() == Some(&ContentType::TLS12_CID.0));
        let held = measure(|| {
            drop(endpoint.receive(Instant::ORIGIN, stranger(number), &mut datagram));
            assert_eq!(endpoint.poll_transmit(Instant::ORIGIN, &mut out), None, "{datagram:02x?}");
            assert_eq!(endpoint.poll_event(), None);
        });
        assert_eq!((held.bytes_current, held.count_current), (0, 0), "{datagram:02x?}");
    };
    (0..STRANGERS).for_each(|number| flood(&mut endpoint, number));
    let stats = *endpoint.stats();
    assert!(with_id > 1000, "{with_id}");
    assert_eq!((stats.rejected, stats.unknown_cids), (u64::from(STRANGERS) - with_id, with_id));
    assert_eq!(stats.datagrams_received, STRANGERS.into());
    assert_eq!((stats.bytes_received, stats.bytes_sent), (lengths, 0));
    assert!(is_bare(&mut endpoint));
}

#[test]
fn spoofed_hellos_from_a_hundred_thousand_addresses_take_no_heap_and_get_no_more_than_they_bring() {
    let (config, client) = configs(1);
    let mut endpoint: Endpoint<SocketAddr> = server(&config, Limits::default());
    let hello = first_hello(&client);
    let mut datagram = hello.clone();
    let mut out = Vec::with_capacity(2048);
    let mut flood = |endpoint: &mut Endpoint<SocketAddr>, number| {
        datagram.copy_from_slice(&hello);
        // Some of them with a cookie that is not one.
        out.clear();
        drop(endpoint.receive(Instant::ORIGIN, stranger(number), &mut datagram));
        assert_eq!(endpoint.poll_transmit(Instant::ORIGIN, &mut out), Some(stranger(number)));
        assert!(out.len() <= hello.len(), "{} bytes for {}", out.len(), hello.len());
        assert_eq!(endpoint.poll_transmit(Instant::ORIGIN, &mut out), None);
    };
    // The queue of answers takes its place once.
    flood(&mut endpoint, 0);
    let held = measure(|| (1..STRANGERS).for_each(|number| flood(&mut endpoint, number)));
    assert_eq!((held.bytes_current, held.count_current), (0, 0), "{held:?}");
    assert!(held.bytes_max < 4096, "{held:?}");
    let stats = endpoint.stats();
    assert_eq!(stats.datagrams_sent, STRANGERS.into());
    assert!(stats.bytes_sent <= stats.bytes_received);
    assert!(is_bare(&mut endpoint));

    // A host that takes no answers: they are not piled up.
    let held = measure(|| {
        for number in 0..10_000 {
            drop(endpoint.receive(Instant::ORIGIN, stranger(number), &mut hello.clone()));
        }
    });
    assert!(held.bytes_current < 16 * 1024, "{held:?}");
    assert!(endpoint.stats().unanswered > 9_000);
}

/// Clients that show their addresses and then say no more: what the server answers to their second hello is lost.
#[test]
fn half_open_storms_stay_below_every_ceiling_and_pass() {
    let (config, client_config) = configs(1);
    let limits = Limits {
        sessions: 60,
        half_open: 40,
        per_host: 10,
        session_memory: 32 << 10,
        memory: 200_000,
        ..Limits::default()
    };
    let mut sockets = served(Clean, &config, limits);
    let mut dice = Dice::new(1);
    let honest = Address(60_001);
    sockets.add(honest, client(Instant::ORIGIN), Limits::default());
    let ours = sockets.connect(honest, SERVER, &client_config);
    assert!(sockets.run_until(|sockets| sockets.is_connected(ours)));

    let (mut held_max, mut half_open_max) = (0, 0);
    for number in 1..=2_000_u16 {
        let from = Address(number);
        let mut stranger = client(sockets.now());
        stranger.connect(sockets.now(), SERVER, Arc::clone(&client_config), None).unwrap();
        let now = sockets.now();
        for _ in 0..2 {
            let mut hello = Vec::new();
            if stranger.poll_transmit(now, &mut hello).is_none() {
                // It has got no answer.
                break;
            }
            let begun = sockets.sent.len();
            sockets.inject(from, SERVER, &hello);
            let answers = sockets.sent.split_off(begun);
            let (bytes_in, bytes_out) = (hello.len(), answers.first().map_or(0, |(_, answer)| answer.bytes.len()));
            if sockets.endpoint(SERVER).session_at(&from).is_none() {
                assert!(bytes_out <= bytes_in, "{bytes_out} bytes for {bytes_in}");
            }
            for (_, mut answer) in answers {
                drop(stranger.receive(now, SERVER, &mut answer.bytes));
            }
        }
        let endpoint = sockets.endpoint(SERVER);
        half_open_max = half_open_max.max(endpoint.half_open());
        held_max = held_max.max(endpoint.memory());
        if dice.percent(2) {
            let until = sockets.now() + Duration::from_millis(dice.below(3_000) as u64);
            sockets.run_to(until);
        }
    }
    // The storm did what it could: a ceiling was reached, and refused clients were counted.
    assert!(half_open_max >= 25, "{half_open_max}");
    assert!(held_max > 150_000, "{held_max}");
    assert!(sockets.endpoint(SERVER).stats().refused > 1_000);
    // The session that was there before goes on.
    sockets.send(ours, b"still here").unwrap();
    assert!(sockets.run_until(|sockets| sockets.payloads.last().is_some_and(|(.., payload)| payload == b"still here")));
    // They are given up one by one, by the returned deadlines alone.
    assert!(sockets.run_until(|sockets| {
        sockets.told.iter().filter(|told| matches!(told.event, Event::Failed(_))).count() >= 25
            && sockets.now() > Instant::ORIGIN
    }));
    let last = sockets.now() + Duration::from_secs(300);
    sockets.run_to(last);
    assert_eq!((sockets.endpoint(SERVER).half_open(), sockets.endpoint(SERVER).len()), (0, 1));
    let late = Address(60_100);
    sockets.add(late, client(last), Limits::default());
    let late = sockets.connect(late, SERVER, &client_config);
    assert!(sockets.run_until(|sockets| sockets.is_connected(late)));
    for session in [ours, late] {
        sockets.close(session);
    }
    sockets.drain();
    assert!(is_bare(sockets.endpoint(SERVER)));
    let reasons: Vec<&Event> = sockets.told.iter().map(|told| &told.event).collect();
    assert!(!reasons.contains(&&Event::Ended(Reason::Memory)), "nobody had to go for want of memory");
}

/// All that a session took of the heap comes back with its release, except the room in the endpoint's own lists.
#[test]
fn released_sessions_leave_no_heap_behind() {
    let (config, client_config) = configs(1);
    let limits = Limits::default();
    let mut endpoint: Endpoint<SocketAddr> = server(&config, limits);
    let round = |endpoint: &mut Endpoint<SocketAddr>| {
        let handles: Vec<Handle> =
            (0..100).map(|number| handshake(endpoint, stranger(number), &client_config)).collect();
        assert_eq!(endpoint.len(), 100);
        for handle in handles {
            endpoint.close(handle);
            endpoint.release(handle);
        }
        let mut out = Vec::new();
        while endpoint.poll_transmit(Instant::ORIGIN, &mut out).is_some() {}
        while endpoint.poll_event().is_some() {}
        assert!(is_bare(endpoint));
    };
    round(&mut endpoint);
    let held = measure(|| round(&mut endpoint));
    assert_eq!(held.bytes_current, 0, "{held:?}");
}

fn handshake(endpoint: &mut Endpoint<SocketAddr>, from: SocketAddr, config: &Arc<ClientConfig>) -> Handle {
    let mut client = Connection::connect(Arc::clone(config), None, Instant::ORIGIN).unwrap();
    let mut out = Vec::new();
    while client.info().is_none() {
        while client.poll_transmit(Instant::ORIGIN, &mut out) {
            drop(endpoint.receive(Instant::ORIGIN, from, &mut out));
            out.clear();
        }
        while endpoint.poll_transmit(Instant::ORIGIN, &mut out).is_some() {
            drop(client.receive(Instant::ORIGIN, &mut out));
            out.clear();
        }
    }
    endpoint.session_at(&from).unwrap()
}
