//! Drivers: sessions without a thread.
#![cfg(unix)]

use std::os::fd::AsRawFd as _;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::deciding::trusted;
use super::*;
use crate::{Admission, Answer, Deciders, Driver, Event, Handle, NotAsked, Question, Unread};

/// Two drivers and what they have been told.
struct Two {
    server: Driver,
    client: Driver,
    poll: Poll,
    told: [Vec<(Handle, Event)>; 2],
    received: [Vec<(Handle, Vec<u8>)>; 2],
}

impl Two {
    fn new(party: &Party, options: Options) -> Self {
        Self::serving(party.server(), options)
    }

    fn serving(server: Arc<ServerConfig>, options: Options) -> Self {
        let server = Driver::bind("127.0.0.1:0", Some(server), Options::default()).unwrap();
        let client = Driver::bind("127.0.0.1:0", None, options).unwrap();
        let poll = Poll::new().unwrap();
        for (token, driver) in [&server, &client].into_iter().enumerate() {
            let interest = Interest::READABLE;
            poll.registry().register(&mut SourceFd(&driver.as_raw_fd()), Token(token), interest).unwrap();
        }
        Self { server, client, poll, told: Default::default(), received: Default::default() }
    }

    /// With a session that both sides know.
    fn connected(party: &Party, options: Options) -> (Self, Handle, Handle) {
        let mut two = Self::new(party, options);
        let client = two.client.connect(two.server.local_addr(), None, party.client()).unwrap();
        two.until(|two| two.told.iter().all(|told| !told.is_empty()));
        assert_eq!(two.told[1], [(client, Event::Connected)]);
        let server = two.told[0][0].0;
        two.told = Default::default();
        (two, server, client)
    }

    /// Goes on until it is so; fails when nothing comes any more.
    fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let mut events = Events::with_capacity(4);
        for _ in 0..10_000 {
            for (side, driver) in [&mut self.server, &mut self.client].into_iter().enumerate() {
                driver.on_timeout();
                driver.on_writable();
                let received = &mut self.received[side];
                while driver.on_readable(|from, _, payload| received.push((from, payload.to_vec()))) == Unread::Perhaps
                {
                }
                while let Some((session, _, event)) = driver.poll_event() {
                    self.told[side].push((session, event));
                }
            }
            if is_so(self) {
                return;
            }
            let left = [self.server.time_left(), self.client.time_left()].into_iter().flatten().min();
            let left = left.unwrap_or(LONG).min(LONG);
            self.poll.poll(&mut events, Some(left)).unwrap();
            assert!(left < LONG || !events.is_empty(), "nothing comes any more: {:?} {:?}", self.server, self.client);
        }
        panic!("it does not become so: {:?} {:?}", self.server, self.client);
    }
}

#[test]
fn two_drivers_talk_and_part_in_one_thread() {
    let party = Party::new();
    let (mut two, server, client) = Two::connected(&party, Options::default());
    two.client.send(client, b"hello").unwrap();
    two.until(|two| !two.received[0].is_empty());
    assert_eq!(two.received[0], [(server, b"hello".to_vec())]);
    two.server.send(server, b"there").unwrap();
    two.until(|two| !two.received[1].is_empty());
    assert_eq!(two.received[1], [(client, b"there".to_vec())]);

    two.client.close(client);
    two.client.release(client);
    two.until(|two| !two.told[0].is_empty());
    assert_eq!(two.told[0], [(server, Event::Closed)]);
    two.server.release(server);
    assert!(two.server.endpoint().is_empty() && two.client.endpoint().is_empty());
    let sent = two.server.send(server, b"too late");
    assert!(matches!(sent, Err(SessionError::Closed)), "{sent:?}");
    // Nothing is left to wait for.
    assert_eq!(two.client.next_deadline(), None);
}

#[test]
fn payloads_of_many_lengths_arrive_as_they_were_sent_in_batches_or_not() {
    let party = Party::new();
    for batching in [Batching::WherePossible, Batching::Off] {
        let (mut two, _, client) = Two::connected(&party, Options { batching, ..Options::default() });
        let lens = (0..40).map(|_| 100).chain([7, 0, 200, 200, 50, 50, 50, 300, 1, 2, 3]).chain((0..200).map(|_| 900));
        let payloads: Vec<Vec<u8>> = (0..).zip(lens).map(|(at, len)| vec![at; len]).collect();
        // So few at a time that the system has room for them.
        for some in payloads.chunks(47) {
            let before = two.received[0].len();
            assert_eq!(two.client.send_batch(client, some.iter().map(Vec::as_slice)).unwrap(), some.len());
            two.until(|two| two.received[0].len() == before + some.len());
        }
        assert!(two.received[0].iter().map(|(_, payload)| payload).eq(&payloads), "{batching:?}");
        let stats = two.client.endpoint().stats();
        assert_eq!(two.server.endpoint().stats().bytes_received, stats.bytes_sent, "{batching:?}");
    }
}

#[test]
fn of_a_batch_that_ends_with_a_payload_too_long_the_others_are_sent() {
    let party = Party::new();
    let (mut two, _, client) = Two::connected(&party, Options::default());
    let max = two.client.endpoint().max_payload(client);
    let long = vec![0; max + 1];
    assert_eq!(two.client.send_batch(client, [&b"one"[..], b"two", &long, b"four"]).unwrap(), 2);
    two.until(|two| two.received[0].len() == 2);
    let sent = two.client.send_batch(client, [&long[..], b"five"]);
    assert!(matches!(sent, Err(SessionError::NotSent(SendError::TooLong { .. }))), "{sent:?}");
}

#[test]
fn a_driver_asks_its_host_who_may_come_in() {
    let party = Party::new();
    let mut two = Two::new(&party, Options::default());
    two.server.change(|endpoint, _| endpoint.set_admission(Admission::Ask));
    let refused = two.client.connect(two.server.local_addr(), None, party.client()).unwrap();
    two.until(|two| two.server.endpoint().stats().datagrams_received >= 2);
    let incoming = two.server.poll_incoming().unwrap();
    assert_eq!(*incoming.address(), two.client.local_addr());
    two.server.refuse(incoming, AlertDescription::ACCESS_DENIED);
    two.until(|two| !two.told[1].is_empty());
    assert_eq!(two.told[1], [(refused, Event::Failed(Error::AlertReceived(AlertDescription::ACCESS_DENIED)))]);
    two.client.release(refused);

    // It has tried once more meanwhile.
    while two.server.poll_incoming().is_some() {}
    let before = two.server.endpoint().stats().datagrams_received;
    two.client.connect(two.server.local_addr(), None, party.client()).unwrap();
    two.until(|two| two.server.endpoint().stats().datagrams_received >= before + 2);
    let incoming = two.server.poll_incoming().unwrap();
    let accepted = two.server.accept(incoming, party.server()).unwrap();
    two.until(|two| !two.told[0].is_empty());
    assert_eq!(two.told[0], [(accepted, Event::Connected)]);
}

#[test]
fn a_driver_s_owner_is_asked_and_answers_by_session() {
    let party = Party::new();
    let mut two = Two::serving(party.asking_server(), Options::default());
    let client = two.client.connect(two.server.local_addr(), None, party.client()).unwrap();
    two.until(|two| !two.told[0].is_empty());
    let (server, _) = two.told[0][0];
    assert_eq!(two.told[0], [(server, Event::Asked)]);
    assert!(matches!(two.server.question(server), Some(Question::Config(_))));
    assert_eq!(two.server.answer(server, Answer::Identity(None)), Err(NotAsked), "that was not the question");
    two.server.answer(server, party.pick()()).unwrap();
    assert!(two.server.question(server).is_none());
    assert_eq!(two.server.answer(server, party.pick()()), Err(NotAsked), "once is enough");
    // What comes of the answer has left with it.
    two.until(|two| two.told.iter().all(|told| told.iter().any(|(_, event)| *event == Event::Connected)));
    two.client.send(client, b"hello").unwrap();
    two.until(|two| !two.received[0].is_empty());

    // Without threads nobody decides in their stead.
    let deciders = Deciders::new(1, |_, _| Answer::Failed);
    let mut alone = Two::new(&party, Options { deciders: Some(deciders), ..Options::default() });
    let asking = alone.client.connect(alone.server.local_addr(), None, party.asking_client(LONG)).unwrap();
    alone.until(|two| !two.told[1].is_empty());
    assert_eq!(alone.told[1], [(asking, Event::Asked)]);
    alone.client.answer(asking, trusted()).unwrap();
    alone.until(|two| !two.told[0].is_empty());
}

#[test]
fn a_driver_does_what_is_due_at_its_deadline_and_nothing_before() {
    let party = Party::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut client = Driver::bind("127.0.0.1:0", None, Options::default()).unwrap();
    assert_eq!((client.next_deadline(), client.time_left()), (None, None));
    let first = Duration::from_millis(30);
    let config = party.client_with(|settings| settings.first_timeout = first);
    client.connect(silent.local_addr().unwrap(), None, config).unwrap();
    let deadline = client.next_deadline().unwrap();
    assert!(client.time_left().unwrap() <= first);
    let sent = |client: &Driver| client.endpoint().stats().datagrams_sent;
    while client.time_left() > Some(Duration::ZERO) {
        assert_eq!((sent(&client), client.next_deadline()), (1, Some(deadline)));
        // A wait of its own, on a poll that nothing is registered with.
        let left = client.time_left();
        Poll::new().unwrap().poll(&mut Events::with_capacity(1), left).unwrap();
    }
    client.on_timeout();
    assert_eq!(sent(&client), 2);
    assert!(client.next_deadline() > Some(deadline));
}

#[test]
fn a_driver_says_that_it_wants_room_and_sends_when_there_is_some() {
    let party = Party::new();
    let (mut tap, _seen) = TestTap::new();
    tap.fulls = 2;
    let is_full = Arc::clone(&tap.is_full);
    let (mut two, _, client) = Two::connected(&party, Options { tap: Some(Box::new(tap)), ..Options::default() });
    assert!(!two.client.wants_room());
    is_full.store(true, Ordering::SeqCst);
    two.client.send(client, b"kept").unwrap();
    assert!(two.client.wants_room() && two.client.time_left().is_some());
    let sent = two.client.send(client, b"not kept");
    assert!(matches!(&sent, Err(SessionError::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock), "{sent:?}");
    two.client.on_writable();
    assert!(two.client.wants_room());
    two.client.on_writable();
    assert!(!two.client.wants_room());
    two.until(|two| !two.received[0].is_empty());
    assert_eq!(two.received[0][0].1, b"kept");
}

#[test]
fn closing_all_tells_everyone() {
    let party = Party::new();
    let (mut two, _, client) = Two::connected(&party, Options::default());
    two.server.close_all();
    two.until(|two| !two.told[1].is_empty());
    assert!(two.server.endpoint().is_empty());
    assert_eq!(two.told[1], [(client, Event::Closed)]);
}

#[test]
fn a_driver_tells_whose_host_says_that_nothing_listens() {
    let party = Party::new();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(nobody).unwrap();
    let mut client = Driver::new(socket, None, Options::default()).unwrap();
    let session = client.connect(nobody, None, party.client()).unwrap();
    let poll = &mut Poll::new().unwrap();
    poll.registry().register(&mut SourceFd(&client.as_raw_fd()), Token(0), Interest::READABLE).unwrap();
    poll.poll(&mut Events::with_capacity(1), Some(LONG)).unwrap();
    assert_eq!(client.on_readable(|_, _, _| ()), Unread::Nothing);
    assert_eq!((client.poll_refused(), client.poll_refused()), (Some(session), None));
    assert!(client.poll_event().is_none());
}
