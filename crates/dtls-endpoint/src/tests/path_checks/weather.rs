//! Clients that move at any time over paths that lose datagrams, while somebody sends copies of what they say from the
//! address of a victim.

use super::*;
use alloc::collections::BTreeSet;

const VICTIM: Host = Host(41);

/// Xorshift: the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

struct Weather {
    scene: Scene,
    dice: Dice,
    /// Where the client is, and has ever been.
    at: Host,
    been_at: BTreeSet<Host>,
    /// What the client has said, for who wants to say it again.
    said: Vec<Vec<u8>>,
    /// Whether there are losses, moves and copies.
    is_bad: bool,
    received_from_victim: usize,
    sent_to_victim: usize,
}

impl Weather {
    fn new(seed: u64, check: PathCheck) -> Self {
        Self {
            scene: Scene::new(check),
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            at: HOME,
            been_at: BTreeSet::from([HOME]),
            said: Vec::new(),
            is_bad: true,
            received_from_victim: 0,
            sent_to_victim: 0,
        }
    }

    fn is_lost(&mut self) -> bool {
        self.is_bad && self.dice.one_in(4)
    }

    /// A datagram of the client's is under way; copies may be faster than it, or slower.
    fn client_says(&mut self, datagram: Vec<u8>) {
        self.said.push(datagram.clone());
        let copy_at = if self.is_bad { self.dice.below(4) } else { 3 };
        if copy_at == 0 {
            self.server_gets(VICTIM, &datagram);
        }
        if !self.is_lost() {
            let at = self.at;
            self.server_gets(at, &datagram);
        }
        if copy_at == 1 {
            self.server_gets(VICTIM, &datagram);
        }
    }

    fn server_gets(&mut self, from: Host, datagram: &[u8]) {
        let session = self.scene.session;
        let discards = |network: &mut Network| network.server().session_stats(session).unwrap().discarded_in_all();
        let before = discards(&mut self.scene.network);
        self.scene.network.deliver(from, SERVER, datagram.to_vec());
        if from == VICTIM && discards(&mut self.scene.network) == before {
            self.received_from_victim += datagram.len();
        }
        self.server_speaks();
    }

    fn server_speaks(&mut self) {
        for (to, datagram) in self.scene.drained(SERVER) {
            if to == VICTIM {
                self.sent_to_victim += datagram.len();
                assert!(self.sent_to_victim <= 3 * self.received_from_victim);
            } else if to == self.at && !self.is_lost() {
                self.scene.network.deliver(SERVER, HOME, datagram);
                for (_, answer) in self.scene.drained(HOME) {
                    self.client_says(answer);
                }
            }
        }
        let way = self.scene.way();
        assert!(self.been_at.contains(&way), "{way:?}");
        assert!(self.scene.stats().path_checks_failed <= self.scene.stats().path_checks);
    }

    fn step(&mut self) {
        match self.dice.below(8) {
            0 => {
                self.at = [HOME, AWAY, BESIDE, FAR][self.dice.below(4)];
                self.been_at.insert(self.at);
            }
            1 if !self.said.is_empty() => {
                let again = self.said[self.dice.below(self.said.len())].clone();
                self.server_gets(VICTIM, &again);
            }
            2..=4 => {
                let datagram = self.scene.sealed(b"data");
                self.client_says(datagram);
            }
            _ => {
                let millis = u64::try_from(self.dice.below(400)).unwrap();
                self.wait(Duration::from_millis(millis));
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.scene.network.now + time;
        while let Some(due) = self.scene.network.server().poll_timeout().filter(|due| *due <= end) {
            self.scene.network.now = due;
            self.scene.network.server().handle_timeout(due);
            self.server_speaks();
        }
        self.scene.network.now = end;
    }
}

#[test]
fn in_bad_weather_nobody_moves_to_where_he_never_was_and_in_good_weather_everybody_is_found() {
    for check in BOTH {
        let (mut moves, mut kept) = (0, 0);
        for seed in 1..=150 {
            std::println!("{check:?}, seed {seed}");
            let mut weather = Weather::new(seed, check);
            for _ in 0..150 {
                weather.step();
            }
            weather.is_bad = false;
            // A check of somewhere else may be under way, and another may not begin at once.
            for _ in 0..4 {
                weather.wait(Duration::from_millis(2100));
                let datagram = weather.scene.sealed(b"data");
                weather.client_says(datagram);
            }
            weather.wait(Duration::from_millis(2100));
            assert_eq!(weather.scene.way(), weather.at);
            let stats = weather.scene.stats();
            moves += stats.address_changes;
            kept += stats.path_checks_failed;
            weather.scene.network.payloads.clear();
            weather.scene.end_all();
        }
        std::println!("{check:?}: {moves} moves, {kept} checks in vain");
        assert!(moves > 150 && kept > 150);
    }
}
