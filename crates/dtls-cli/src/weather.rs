//! `--loss`, `--duplicate` and `--delay`: what becomes of our own datagrams on their way out, so that one can watch
//! retransmission at work.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use dtls_std::Tap;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::both_roles::WeatherArgs;
use crate::clock::now;
use crate::output::note;
use crate::trace::{Peers, Trace};

/// The tap that the options ask for; `None` if they ask for none.
pub(crate) fn tap(args: &WeatherArgs, trace: Option<Peers>) -> Option<Box<dyn Tap>> {
    match trace {
        Some(peers) => Some(Box::new(Trace::new(Weather::new(args), peers))),
        None if args.is_calm() => None,
        None => Some(Box::new(Weather::new(args))),
    }
}

impl WeatherArgs {
    fn is_calm(&self) -> bool {
        !self.needs_chance() && self.delay.is_zero()
    }

    fn needs_chance(&self) -> bool {
        self.loss > 0.0 || self.duplicate > 0.0
    }

    /// The seed given, or one of our own that is told, so that a run can be repeated.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let seed = rand::random();
            if self.needs_chance() {
                note(&format!("--seed {seed} repeats this weather"));
            }
            seed
        })
    }
}

/// Loses, duplicates and delays datagrams.
pub(crate) struct Weather {
    crossings: Crossings,
    delay: Duration,
    /// Begun with the first datagram to delay: only then is there a socket.
    queue: Option<Queue>,
}

impl Weather {
    /// The weather of the options, which may be calm.
    pub(crate) fn new(args: &WeatherArgs) -> Self {
        let forecast = Forecast::new(args.seed(), args.loss, args.duplicate);
        Self { crossings: Crossings::new(forecast), delay: args.delay, queue: None }
    }

    /// Lets a datagram out into the weather; says what has become of it.
    ///
    /// # Errors
    /// Those of the socket. The same datagram given again goes on where it was: see [`Tap::send`].
    pub(crate) fn carry(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<Fate> {
        let Self { crossings, delay, queue } = self;
        crossings.carry(to, datagram, || send_one(queue, *delay, socket, to, datagram))
    }
}

/// One copy, now or with the delay; `queue` is there from the first that is delayed.
fn send_one(
    queue: &mut Option<Queue>,
    delay: Duration,
    socket: &UdpSocket,
    to: SocketAddr,
    datagram: &[u8],
) -> io::Result<()> {
    if delay.is_zero() {
        return socket.send_to(datagram, to).map(drop);
    }
    let queue = match queue {
        Some(queue) => queue,
        none => none.insert(Queue::start(socket)?),
    };
    queue.push(socket, (now() + delay, to, datagram.to_vec()))
}

impl Tap for Weather {
    fn received(&mut self, _from: SocketAddr, _datagram: &[u8]) {}

    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        self.carry(socket, to, datagram).map(drop)
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It never leaves.
    Lost,
    /// It leaves.
    Sent,
    /// It leaves, and again.
    SentTwice,
}

impl Fate {
    /// How often it leaves.
    pub(crate) const fn copies(self) -> u8 {
        match self {
            Self::Lost => 0,
            Self::Sent => 1,
            Self::SentTwice => 2,
        }
    }
}

/// Draws one fate for each datagram, however often it has to be tried: a socket that has no room is tried again, and so
/// is one that complains, perhaps of an earlier datagram.
struct Crossings {
    forecast: Forecast,
    /// The datagram that has not gone, or not all of its copies.
    halted: Option<Halted>,
}

struct Halted {
    to: SocketAddr,
    datagram: Vec<u8>,
    fate: Fate,
    copies_left: u8,
}

impl Crossings {
    const fn new(forecast: Forecast) -> Self {
        Self { forecast, halted: None }
    }

    /// `send` sends one copy; its first error is returned, and the copies left are those of the next call for the same
    /// datagram. If another comes first, this one has been given up.
    fn carry(&mut self, to: SocketAddr, datagram: &[u8], mut send: impl FnMut() -> io::Result<()>) -> io::Result<Fate> {
        let (fate, mut copies_left) = match self.halted.take() {
            Some(halted) if halted.to == to && halted.datagram == datagram => (halted.fate, halted.copies_left),
            _ => {
                let fate = self.forecast.next_fate();
                (fate, fate.copies())
            }
        };
        while copies_left > 0 {
            if let Err(error) = send() {
                self.halted = Some(Halted { to, datagram: datagram.to_vec(), fate, copies_left });
                return Err(error);
            }
            copies_left -= 1;
        }
        Ok(fate)
    }
}

/// Says what becomes of each datagram; the same for the same seed.
struct Forecast {
    // A generator whose numbers stay the same in every version and on every machine.
    random: ChaCha8Rng,
    loss: f64,
    duplicate: f64,
}

impl Forecast {
    /// Both probabilities lie within 0 and 1.
    fn new(seed: u64, loss: f64, duplicate: f64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), loss, duplicate }
    }

    fn next_fate(&mut self) -> Fate {
        // Both are drawn each time: another `--duplicate` does not change what is lost.
        let (lost, twice) = (self.random.random_bool(self.loss), self.random.random_bool(self.duplicate));
        match (lost, twice) {
            (true, _) => Fate::Lost,
            (false, true) => Fate::SentTwice,
            (false, false) => Fate::Sent,
        }
    }
}

/// Datagrams that wait for their moment. They leave in order, because all of them wait equally long. Dropping it
/// waits until the last has left.
struct Queue {
    /// The one that they leave by; another after `--rebind`.
    socket: Arc<UdpSocket>,
    bound_to: SocketAddr,
    sender: Option<Sender<Delayed>>,
    thread: Option<JoinHandle<()>>,
}

struct Delayed {
    socket: Arc<UdpSocket>,
    due: Instant,
    to: SocketAddr,
    datagram: Vec<u8>,
}

impl Queue {
    fn start(socket: &UdpSocket) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("dtls-delay".to_owned()).spawn(move || run(&receiver))?;
        let (bound_to, socket) = (socket.local_addr()?, Arc::new(socket.try_clone()?));
        Ok(Self { socket, bound_to, sender: Some(sender), thread: Some(thread) })
    }

    fn push(&mut self, socket: &UdpSocket, (due, to, datagram): (Instant, SocketAddr, Vec<u8>)) -> io::Result<()> {
        let bound_to = socket.local_addr()?;
        if bound_to != self.bound_to {
            (self.socket, self.bound_to) = (Arc::new(socket.try_clone()?), bound_to);
        }
        if let Some(sender) = &self.sender {
            // The thread ends only when the sender is gone.
            let _ = sender.send(Delayed { socket: Arc::clone(&self.socket), due, to, datagram });
        }
        Ok(())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed there.
            let _ = thread.join();
        }
    }
}

fn run(datagrams: &Receiver<Delayed>) {
    for Delayed { socket, due, to, datagram } in datagrams {
        loop {
            let left = due.saturating_duration_since(now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        // What the network does not take is lost, as it may be later on its way.
        let _ = socket.send_to(&datagram, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64, loss: f64, duplicate: f64) -> Vec<Fate> {
        let mut forecast = Forecast::new(seed, loss, duplicate);
        (0..1000).map(|_| forecast.next_fate()).collect()
    }

    fn count(fates: &[Fate], which: Fate) -> usize {
        fates.iter().filter(|fate| **fate == which).count()
    }

    #[test]
    fn the_same_seed_brings_the_same_weather_and_another_seed_another() {
        assert_eq!(fates(7, 0.3, 0.2), fates(7, 0.3, 0.2));
        assert_ne!(fates(7, 0.3, 0.2), fates(8, 0.3, 0.2));
    }

    #[test]
    fn the_weather_of_a_seed_does_not_change_with_versions() {
        use Fate::{Lost, Sent, SentTwice};
        assert_eq!(fates(1, 0.3, 0.3)[..8], FIRST_OF_SEED_1);
        const FIRST_OF_SEED_1: [Fate; 8] = [SentTwice, SentTwice, Lost, SentTwice, Sent, Sent, Lost, SentTwice];
    }

    #[test]
    fn datagrams_are_lost_and_sent_twice_as_often_as_asked() {
        let fates = fates(1, 0.3, 0.5);
        assert!((250..350).contains(&count(&fates, Fate::Lost)));
        assert!((300..400).contains(&count(&fates, Fate::SentTwice)));
    }

    #[test]
    fn zero_is_never_and_one_is_always() {
        assert_eq!(count(&fates(1, 0.0, 0.0), Fate::Sent), 1000);
        assert_eq!(count(&fates(1, 1.0, 1.0), Fate::Lost), 1000);
        assert_eq!(count(&fates(1, 0.0, 1.0), Fate::SentTwice), 1000);
    }

    #[test]
    fn what_is_lost_does_not_depend_on_what_is_sent_twice() {
        let lost = |duplicate| fates(3, 0.4, duplicate).iter().map(|fate| *fate == Fate::Lost).collect::<Vec<_>>();
        assert_eq!(lost(0.0), lost(0.9));
    }

    const TO: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 9);

    #[test]
    fn a_datagram_that_is_given_again_keeps_its_fate_and_only_the_copies_left_go() {
        for fault in [io::ErrorKind::WouldBlock, io::ErrorKind::ConnectionRefused] {
            // The first of this seed are sent twice, sent twice, and lost.
            let mut crossings = Crossings::new(Forecast::new(1, 0.3, 0.3));
            let mut gone = 0;
            for is_room in [[false, false], [true, false], [false, false]] {
                let mut room = is_room.into_iter();
                let tried = crossings.carry(TO, b"one", || {
                    if !room.next().unwrap() {
                        return Err(fault.into());
                    }
                    gone += 1;
                    Ok(())
                });
                assert_eq!(tried.unwrap_err().kind(), fault);
            }
            assert_eq!(gone, 1);
            let mut carry = |datagram: &[u8]| {
                let sent = crossings.carry(TO, datagram, || {
                    gone += 1;
                    Ok(())
                });
                sent.unwrap()
            };
            assert_eq!([carry(b"one"), carry(b"one"), carry(b"two")], [Fate::SentTwice, Fate::SentTwice, Fate::Lost]);
            assert_eq!(gone, 2 + 2);
        }
    }

    #[test]
    fn a_datagram_that_was_given_up_leaves_its_fate_to_no_other() {
        let mut crossings = Crossings::new(Forecast::new(1, 0.3, 0.3));
        crossings.carry(TO, b"one", || Err(io::ErrorKind::WouldBlock.into())).unwrap_err();
        let mut gone = 0;
        let mut carry = |datagram: &[u8]| {
            let sent = crossings.carry(TO, datagram, || {
                gone += 1;
                Ok(())
            });
            sent.unwrap()
        };
        assert_eq!([carry(b"two"), carry(b"three")], [Fate::SentTwice, Fate::Lost]);
        assert_eq!(gone, 2);
    }

    fn args(loss: f64, delay: u64, duplicate: f64) -> WeatherArgs {
        WeatherArgs { loss, delay: Duration::from_millis(delay), duplicate, seed: Some(1) }
    }

    #[test]
    fn no_tap_where_nothing_is_asked_for() {
        assert!(tap(&args(0.0, 0, 0.0), None).is_none());
        assert!(tap(&args(0.0, 0, 0.0), Some(Peers::One)).is_some());
        for weather in [args(0.1, 0, 0.0), args(0.0, 1, 0.0), args(0.0, 0, 0.1)] {
            assert!(tap(&weather, None).is_some());
        }
    }

    #[test]
    fn datagrams_come_late_in_order_and_as_often_as_they_should() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        let before = now();
        let mut weather = tap(&args(0.0, 30, 1.0), None).unwrap();
        for number in 0..3 {
            weather.send(&sender, to, &[number]).unwrap();
        }
        // What is still held back leaves all the same.
        drop(weather);
        assert!(now() - before >= Duration::from_millis(30));
        let mut buffer = [0; 8];
        for number in [0, 0, 1, 1, 2, 2] {
            let (len, _) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..len], [number]);
        }
    }

    #[test]
    fn lost_datagrams_do_not_arrive() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        let mut weather = tap(&args(1.0, 0, 0.0), None).unwrap();
        weather.send(&receiver, to, b"lost").unwrap();
        receiver.send_to(b"sent", to).unwrap();
        let mut buffer = [0; 8];
        let (len, _) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"sent");
    }
}
