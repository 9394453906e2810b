//! RFC 6347 section 4.2.8 in all orders: an old session, a client that begins anew at its address, and a network that
//! brings what both have said in any order, twice, again later, or not at all.

use core::time::Duration;
use std::collections::BTreeSet;

use dtls_core::wire::enums::HandshakeType;
use dtls_endpoint::{Event, Handle, Reason, Replacement};
use dtls_tests::dice::Dice;
use dtls_tests::raw;
use dtls_tests::sim::network::Clean;
use dtls_tests::sockets::Told;

use super::*;

const CLIENT: Address = Address(7);
const SEEDS: u64 = 300;

/// The server, and both lives of a client at one address, with what they have said so far.
struct Reboot {
    now: Instant,
    server: Endpoint<Address>,
    old: Endpoint<Address>,
    old_at_client: Handle,
    old_at_server: Option<Handle>,
    new: Endpoint<Address>,
    /// Everything that each of them has said.
    of_old: Vec<Vec<u8>>,
    of_new: Vec<Vec<u8>>,
    /// What the server has said and neither has heard.
    answers: Vec<Vec<u8>>,
    told: Vec<(Handle, Event)>,
    lent: BTreeSet<(Handle, Vec<u8>)>,
    sent: u8,
}

impl Reboot {
    /// `steps` of the old handshake take place before the client begins anew: all of them make an established session.
    fn new(seed: u64, steps: usize) -> Self {
        let (config, client_config) = configs(seed);
        let mut reboot = Self {
            now: Instant::ORIGIN,
            server: server(&config, Limits::default()),
            old: client(Instant::ORIGIN),
            old_at_client: {
                let mut any = client(Instant::ORIGIN);
                any.connect(Instant::ORIGIN, SERVER, Arc::clone(&client_config), None).unwrap()
            },
            old_at_server: None,
            new: client(Instant::ORIGIN),
            of_old: Vec::new(),
            of_new: Vec::new(),
            answers: Vec::new(),
            told: Vec::new(),
            lent: BTreeSet::new(),
            sent: 0,
        };
        reboot.old_at_client = reboot.old.connect(Instant::ORIGIN, SERVER, Arc::clone(&client_config), None).unwrap();
        for _ in 0..steps {
            let Some(datagram) = said(&mut reboot.old, reboot.now) else { break };
            reboot.of_old.push(datagram.clone());
            reboot.deliver(datagram);
            for mut answer in core::mem::take(&mut reboot.answers) {
                drop(reboot.old.receive(reboot.now, SERVER, &mut answer));
            }
        }
        reboot.old_at_server = reboot.server.session_at(&CLIENT);
        reboot.new.connect(Instant::ORIGIN, SERVER, client_config, None).unwrap();
        reboot
    }

    /// Something from the client's address reaches the server.
    fn deliver(&mut self, mut datagram: Vec<u8>) {
        for (handle, payload) in self.server.receive(self.now, CLIENT, &mut datagram) {
            assert!(self.lent.insert((handle, payload.to_vec())), "lent twice");
        }
        self.listen();
    }

    fn listen(&mut self) {
        while let Some(answer) = said(&mut self.server, self.now) {
            // Before it is known that the client has begun anew, what is for its old handshake would mislead the new one.
            // No endpoint can know that, so let it be lost.
            let is_for_old = self.old_at_server.is_some_and(|old| self.server.session_at(&CLIENT) == Some(old))
                && self.old_at_server.is_some_and(|old| self.server.info(old).is_none());
            let is_cookie = raw::pieces(&answer).iter().any(|piece| {
                piece.fragments().iter().any(|(header, _)| header.typ == HandshakeType::HELLO_VERIFY_REQUEST)
            });
            if is_cookie || !is_for_old {
                self.answers.push(answer);
            }
        }
        while let Some((handle, peer, event)) = self.server.poll_event() {
            assert_eq!(peer, CLIENT);
            if event != Event::Connected {
                self.server.release(handle);
            }
            self.told.push((handle, event));
        }
        // One session and one that may take its place; never more.
        assert!(self.server.len() <= 2);
        assert!(self.server.half_open() <= self.server.len());
        assert_eq!(self.server.sessions().count(), self.server.len());
        assert_eq!(self.server.session_at(&CLIENT).is_none(), self.server.is_empty());
    }

    fn is_over_at_server(&self, handle: Handle) -> bool {
        self.told.iter().any(|(of, event)| *of == handle && *event != Event::Connected)
    }

    /// The established old session goes on unless a new one has connected.
    fn check_old(&mut self) {
        let Some(old) = self.old_at_server else { return };
        let others_connected = self.told.iter().any(|(handle, event)| *handle != old && *event == Event::Connected);
        assert_eq!(self.is_over_at_server(old), others_connected, "{:?}", self.told);
        if !others_connected && self.server.info(old).is_some() {
            self.sent += 1;
            let mut datagram = Vec::new();
            self.old.send(self.old_at_client, &[self.sent], &mut datagram).unwrap();
            self.deliver(datagram);
            assert!(self.lent.contains(&(old, vec![self.sent])), "the old session is deaf: {:?}", self.told);
        }
    }

    /// What the new client says goes to the server, and the answers go back, as it should be, until nobody says anything.
    fn exchange(&mut self) {
        loop {
            for mut answer in core::mem::take(&mut self.answers) {
                drop(self.new.receive(self.now, SERVER, &mut answer));
            }
            let Some(datagram) = said(&mut self.new, self.now) else { break };
            self.of_new.push(datagram.clone());
            self.deliver(datagram);
        }
    }

    /// One throw of the dice. With `forging`, also the old client's later flight comes again, as only an attacker who sees
    /// the path would have it.
    fn step(&mut self, dice: &mut Dice, forging: bool) {
        match dice.below(8) {
            // The new client's next datagram arrives, twice, or not.
            0..=2 => {
                if let Some(datagram) = said(&mut self.new, self.now) {
                    self.of_new.push(datagram.clone());
                    for _ in 0..dice.below(3) {
                        self.deliver(datagram.clone());
                    }
                }
            }
            // Some of the answers arrive, in any order.
            3 => {
                dice.shuffle(&mut self.answers);
                for mut answer in core::mem::take(&mut self.answers) {
                    if !dice.percent(30) {
                        drop(self.new.receive(self.now, SERVER, &mut answer));
                    }
                }
            }
            // Something that the new client has said comes again.
            4 if !self.of_new.is_empty() => {
                let datagram = dice.pick(&self.of_new).clone();
                self.deliver(datagram);
            }
            // Something that the old one has said comes again: its hellos, or what is protected.
            5 | 6 => {
                let is_harmless = |datagram: &&Vec<u8>| {
                    let pieces = raw::pieces(datagram);
                    let Some(piece) = pieces.first() else { return true };
                    piece.header.epoch.0 > 0
                        || piece.fragments().iter().any(|(header, _)| header.typ == HandshakeType::CLIENT_HELLO)
                };
                let choices: Vec<Vec<u8>> =
                    self.of_old.iter().filter(|datagram| forging || is_harmless(datagram)).cloned().collect();
                if !choices.is_empty() {
                    let datagram = dice.pick(&choices).clone();
                    self.deliver(datagram);
                }
            }
            // Time goes on to the next deadline of anyone.
            _ => {
                let deadlines = [self.server.poll_timeout(), self.new.poll_timeout()];
                // Not to the end of the handshake, nor of the old session's last flight.
                let limit = Instant::from_origin(Duration::from_secs(30));
                if let Some(next) = deadlines.into_iter().flatten().min().filter(|next| *next < limit) {
                    self.wait(next);
                }
            }
        }
    }

    fn wait(&mut self, until: Instant) {
        self.now = self.now.max(until);
        self.server.handle_timeout(self.now);
        self.new.handle_timeout(self.now);
        self.listen();
    }
}

fn said(endpoint: &mut Endpoint<Address>, now: Instant) -> Option<Vec<u8>> {
    let mut datagram = Vec::new();
    endpoint.poll_transmit(now, &mut datagram).map(|_| datagram)
}

/// Plays the scene of a seed; returns the server's part of it.
fn play(seed: u64, old_steps: usize, forging: bool) -> Reboot {
    let mut dice = Dice::new(seed);
    let mut reboot = Reboot::new(seed, old_steps);
    let is_established = reboot.old_at_server.is_some_and(|old| reboot.server.info(old).is_some());
    for _ in 0..dice.below(40) {
        reboot.step(&mut dice, forging);
        if is_established {
            reboot.check_old();
        }
    }
    reboot
}

#[test]
fn in_any_order_of_delivery_the_old_session_goes_on_until_the_new_one_is_connected_and_then_ends() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut reboot = play(seed, 10, false);
        let old = reboot.old_at_server.unwrap();
        // The network is good from now on: the new client gets there.
        for _ in 0..100 {
            reboot.exchange();
            reboot.check_old();
            let connected = reboot.told.iter().filter(|(_, event)| *event == Event::Connected).count();
            if connected == 2 && reboot.new.sessions().any(|session| reboot.new.info(session).is_some()) {
                break;
            }
            let next = [reboot.server.poll_timeout(), reboot.new.poll_timeout()].into_iter().flatten().min();
            reboot.wait(next.unwrap_or_else(|| panic!("nobody waits for anything: {:?}", reboot.told)));
        }
        let new = reboot.server.session_at(&CLIENT).unwrap();
        assert_ne!(new, old);
        assert!(reboot.told.contains(&(old, Event::Ended(Reason::Replaced))), "{:?}", reboot.told);
        assert!(reboot.told.contains(&(new, Event::Connected)), "{:?}", reboot.told);
        let at_client = reboot.new.sessions().next().unwrap();
        let mut datagram = Vec::new();
        reboot.new.send(at_client, b"anew", &mut datagram).unwrap();
        reboot.deliver(datagram);
        assert!(reboot.lent.contains(&(new, b"anew".to_vec())));
        // And nothing is left of it all.
        assert_eq!((reboot.server.len(), reboot.server.half_open()), (1, 0));
        reboot.server.close(new);
        reboot.server.release(new);
        reboot.listen();
        assert!(is_bare(&mut reboot.server), "{:?}", reboot.server);
    }
}

#[test]
fn whoever_replays_all_that_was_ever_said_does_not_end_the_old_session() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut reboot = play(seed, 10, true);
        // Attempts that come to nothing are given up in time.
        while let Some(next) = reboot.server.poll_timeout() {
            reboot.wait(next);
        }
        reboot.check_old();
        assert_eq!((reboot.server.len(), reboot.server.half_open()), (1, 0));
    }
}

#[test]
fn a_client_that_begins_anew_in_the_midst_of_its_handshake_gets_there() {
    for seed in 0..SEEDS {
        for old_steps in 1..=2 {
            println!("seed {seed}, {old_steps} datagrams before");
            let mut reboot = play(seed, old_steps, false);
            for _ in 0..100 {
                reboot.exchange();
                if reboot.told.iter().any(|(_, event)| *event == Event::Connected) {
                    break;
                }
                let next = [reboot.server.poll_timeout(), reboot.new.poll_timeout()].into_iter().flatten().min();
                reboot.wait(next.unwrap_or_else(|| panic!("nobody waits for anything: {:?}", reboot.told)));
            }
            let new = reboot.server.session_at(&CLIENT).unwrap();
            assert!(reboot.server.info(new).is_some(), "{:?}", reboot.told);
            assert_eq!((reboot.server.len(), reboot.server.half_open()), (1, 0));
        }
    }
}

#[test]
fn where_a_cookie_is_enough_the_old_session_ends_with_the_hello() {
    let (config, client_config) = configs(1);
    let mut sockets = served(Clean, &config, Limits::default());
    sockets.endpoint(SERVER).set_replacement(Replacement::AfterCookie);
    for life in 0..3 {
        let now = sockets.now();
        sockets.add(CLIENT, client(now), Limits::default());
        let ours = sockets.connect(CLIENT, SERVER, &client_config);
        assert!(sockets.run_until(|sockets| sockets.is_connected(ours)));
        let told: Vec<&Told> = sockets.told.iter().filter(|told| told.by == SERVER).collect();
        assert_eq!(told.len(), 1 + 2 * life, "{told:?}");
        if let [.., replaced, connected] = &told[..] {
            assert_eq!((&replaced.event, &connected.event), (&Event::Ended(Reason::Replaced), &Event::Connected));
        }
    }
    assert_eq!(sockets.endpoint(SERVER).len(), 1);
}
