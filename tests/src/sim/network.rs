//! What can become of a datagram on its way.

use core::time::Duration;
use std::collections::BTreeMap;

use dtls_core::Instant;

use super::{Address, LATENCY};
use crate::dice::Dice;
use crate::raw::{self, Onlooker, Piece};

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// How many were sent before it, by anyone.
    pub number: usize,
    /// Who sent it, or seems to have.
    pub from: Address,
    /// Where it goes.
    pub to: Address,
    /// What it says.
    pub bytes: Vec<u8>,
}

impl Datagram {
    fn saying(&self, bytes: Vec<u8>) -> Self {
        Self { bytes, ..self.clone() }
    }
}

/// Decides what arrives for a datagram that was sent, and after what time.
pub trait Network {
    /// What becomes of `datagram`.
    fn carry(&mut self, now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)>;
}

/// What is under way, by time of arrival, then by order of sending.
pub struct Wire {
    network: Box<dyn Network>,
    under_way: BTreeMap<(Instant, u64), Datagram>,
    order: u64,
}

impl Wire {
    /// Nothing is under way, and `network` decides what becomes of what will be.
    #[must_use]
    pub fn new(network: impl Network + 'static) -> Self {
        Self { network: Box::new(network), under_way: BTreeMap::new(), order: 0 }
    }

    /// A datagram leaves.
    pub fn carry(&mut self, now: Instant, datagram: Datagram) {
        for (delay, datagram) in self.network.carry(now, datagram) {
            self.order += 1;
            self.under_way.insert((now + delay, self.order), datagram);
        }
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// When the next datagram arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// The datagram that arrives next.
    pub fn arrive(&mut self) -> Option<Datagram> {
        self.under_way.pop_first().map(|(_, datagram)| datagram)
    }
}

/// Everything arrives, in order.
#[derive(Clone, Copy, Debug)]
pub struct Clean;

impl Network for Clean {
    fn carry(&mut self, _now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)> {
        vec![(LATENCY, datagram)]
    }
}

/// One thing that goes wrong with one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is lost.
    Drop,
    /// It arrives twice, the copy a little later.
    Duplicate,
    /// The next datagram in its direction overtakes it.
    Swap,
    /// It is late by so much.
    Delay(Duration),
    /// Only so many bytes of it arrive.
    Truncate(usize),
    /// One bit of it is wrong.
    Flip {
        /// Which byte.
        byte: usize,
        /// Which bit.
        bit: u8,
    },
    /// Someone cuts its messages anew.
    Refragment {
        /// The length of a piece.
        len: usize,
        /// How many bytes of the piece before are repeated.
        overlap: usize,
    },
    /// It comes right after something else.
    After(Vec<u8>),
    /// It comes right before something else.
    Before(Vec<u8>),
    /// Something else comes in its place.
    Instead(Vec<u8>),
}

/// A clean network but for the faults it is told.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    faults: BTreeMap<usize, Fault>,
    onlooker: Onlooker,
    /// What waits for another datagram in the same direction to overtake it.
    held: Vec<Datagram>,
}

impl Faults {
    /// Faults by the number of the datagram.
    #[must_use]
    pub fn new(faults: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        Self { faults: faults.into_iter().collect(), onlooker: Onlooker::default(), held: Vec::new() }
    }
}

impl Network for Faults {
    fn carry(&mut self, _now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)> {
        let pieces = self.onlooker.pieces(datagram.from, datagram.to, &datagram.bytes);
        let mut arrivals = match self.faults.get(&datagram.number) {
            None => vec![(LATENCY, datagram.clone())],
            Some(Fault::Drop) => Vec::new(),
            Some(Fault::Duplicate) => vec![(LATENCY, datagram.clone()), (LATENCY, datagram.clone())],
            Some(Fault::Swap) => {
                self.held.push(datagram);
                return Vec::new();
            }
            Some(Fault::Delay(late)) => vec![(LATENCY + *late, datagram.clone())],
            Some(Fault::Truncate(len)) => {
                vec![(LATENCY, datagram.saying(datagram.bytes[..datagram.bytes.len().min(*len)].to_vec()))]
            }
            Some(Fault::Flip { byte, bit }) => {
                let mut bytes = datagram.bytes.clone();
                bytes[*byte] ^= 1 << bit;
                vec![(LATENCY, datagram.saying(bytes))]
            }
            Some(Fault::Refragment { len, overlap }) => {
                vec![(LATENCY, datagram.saying(raw::refragment(&pieces, *len, *overlap)))]
            }
            Some(Fault::After(bytes)) => {
                vec![(LATENCY, datagram.saying(bytes.clone())), (LATENCY, datagram.clone())]
            }
            Some(Fault::Before(bytes)) => {
                vec![(LATENCY, datagram.clone()), (LATENCY, datagram.saying(bytes.clone()))]
            }
            Some(Fault::Instead(bytes)) => vec![(LATENCY, datagram.saying(bytes.clone()))],
        };
        let (overtaken, held) = core::mem::take(&mut self.held)
            .into_iter()
            .partition(|held: &Datagram| (held.from, held.to) == (datagram.from, datagram.to));
        self.held = held;
        arrivals.extend(overtaken.into_iter().map(|overtaken: Datagram| (LATENCY, overtaken)));
        arrivals
    }
}

/// Bad weather with a seed, until it clears up.
#[derive(Clone, Debug)]
pub struct Storm {
    dice: Dice,
    onlooker: Onlooker,
    /// From then on everything arrives.
    pub clears_at: Instant,
    /// How many of a hundred datagrams are lost.
    pub loss: usize,
    /// How many of a hundred arrive several times.
    pub duplication: usize,
    /// How much later than others a datagram may arrive.
    pub jitter: Duration,
    /// How many more datagrams may arrive damaged: in a record header, cut off, or, if protected, anywhere. A damaged
    /// message in the clear can end a handshake, as it must (see the fault grid); this storm does not.
    pub damages_left: usize,
}

impl Storm {
    /// 30 % loss, 30 % duplicates, everything out of order, some damage, for 20 seconds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            onlooker: Onlooker::default(),
            clears_at: Instant::from_origin(Duration::from_secs(20)),
            loss: 30,
            duplication: 30,
            jitter: Duration::from_millis(200),
            damages_left: 30,
        }
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, pieces: &[Piece]) {
        self.damages_left -= 1;
        let piece = self.dice.pick(pieces);
        let header_len = piece.body_start() - piece.start;
        match self.dice.below(3) {
            0 => bytes.truncate(self.dice.below(bytes.len())),
            1 => bytes[piece.start + self.dice.below(header_len)] ^= 1 << self.dice.below(8),
            _ if piece.is_plain_handshake() => bytes.truncate(piece.start + self.dice.below(header_len)),
            _ => {
                let at = piece.start + self.dice.below(header_len + piece.body.len());
                bytes[at] ^= 1 << self.dice.below(8);
            }
        }
    }

    fn delay(&mut self) -> Duration {
        let jitter = usize::try_from(self.jitter.as_millis()).expect("a jitter of seconds");
        LATENCY + Duration::from_millis(u64::try_from(self.dice.below(jitter + 1)).expect("64 bits"))
    }
}

impl Network for Storm {
    fn carry(&mut self, now: Instant, datagram: Datagram) -> Vec<(Duration, Datagram)> {
        let pieces = self.onlooker.pieces(datagram.from, datagram.to, &datagram.bytes);
        if now >= self.clears_at {
            return vec![(LATENCY, datagram)];
        }
        let copies = if self.dice.percent(self.duplication) { 2 + self.dice.below(3) } else { 1 };
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            if self.dice.percent(self.loss) {
                continue;
            }
            let mut copy = datagram.clone();
            if self.damages_left > 0 && self.dice.percent(5) {
                self.damage(&mut copy.bytes, &pieces);
            }
            arrivals.push((self.delay(), copy));
        }
        arrivals
    }
}
