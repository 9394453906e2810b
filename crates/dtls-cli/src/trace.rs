//! `--trace`: what is in each datagram, on standard error, a line for each record and for each fragment in it.
//!
//! ```text
//!   > record handshake epoch=0 seq=1 len=141                                       > sent, < received
//!   >   ClientHello seq=1 offset=0 length=129 of 129 version=DTLSv1.2 cookie=32 suites=6 extensions=..
//!   < record handshake epoch=1 seq=0 len=40 protected                              no key here, so no more to say
//!   < record tls12_cid epoch=1 seq=1 cid=5e1f.. len=41 protected                   `?` where no hello said how long
//! ```
//!
//! A tap sees datagrams as they are on the wire. Whoever wants to look inside protected records takes `--keylog` and a
//! protocol analyser.

mod ids;
mod key_exchange;
mod lines;

use core::net::SocketAddr;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::io::{self, Write};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use dtls_std::Tap;

use crate::output::note;
use crate::trace::ids::Ids;
use crate::trace::lines::{Direction, lines};
use crate::weather::{Fate, Weather};

/// Prints every datagram, and what becomes of those we send.
pub(crate) struct Trace {
    weather: Weather,
    peers: Peers,
    ids: Ids,
    printer: Printer,
}

/// Whether lines say which peer a datagram is from or to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peers {
    /// There is one.
    One,
    /// There are several.
    Named,
}

impl Trace {
    /// What is sent goes out into `weather`.
    pub(crate) fn new(weather: Weather, peers: Peers) -> Self {
        Self::to(io::stderr(), weather, peers)
    }

    fn to(out: impl Write + Send + 'static, weather: Weather, peers: Peers) -> Self {
        Self { weather, peers, ids: Ids::default(), printer: Printer::start(out) }
    }

    fn print(&mut self, lines: &[String], peer: SocketAddr) {
        let suffix = match self.peers {
            Peers::One => String::new(),
            Peers::Named => format!(" peer={peer}"),
        };
        self.printer.print(lines.iter().map(|line| format!("{line}{suffix}\n")).collect());
    }
}

impl Tap for Trace {
    fn received(&mut self, from: SocketAddr, datagram: &[u8]) {
        let lines = lines(Direction::Received, self.ids.received(from, datagram));
        self.print(&lines, from);
    }

    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let fate = self.weather.carry(socket, to, datagram)?;
        let mut lines = lines(Direction::Sent, self.ids.sent(to, datagram));
        match fate {
            Fate::Lost => lines.push(format!("> lost: the datagram of {} bytes above", datagram.len())),
            Fate::Sent => {}
            Fate::SentTwice => lines.push(format!("> sent twice: the datagram of {} bytes above", datagram.len())),
        }
        self.print(&lines, to);
        Ok(())
    }
}

/// Prints from a thread of its own: a tap is called while the sessions of its socket wait, and closing them must not
/// wait for whoever reads standard error. Dropping it waits until all is printed.
struct Printer {
    sender: Option<SyncSender<String>>,
    thread: Option<JoinHandle<()>>,
    /// How many bytes wait to be printed.
    waiting: Arc<AtomicUsize>,
    /// Datagrams that nobody will read of.
    missed: u64,
}

impl Printer {
    fn start(mut out: impl Write + Send + 'static) -> Self {
        let (sender, texts) = mpsc::sync_channel::<String>(DATAGRAMS_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left_waiting = Arc::clone(&waiting);
        let print = move || {
            for text in texts {
                // Whoever closed standard error does not want to know.
                let _ = out.write_all(text.as_bytes());
                left_waiting.fetch_sub(text.len(), Ordering::Relaxed);
            }
        };
        let thread = thread::Builder::new().name("dtls-trace".to_owned()).spawn(print);
        if let Err(error) = &thread {
            note(&format!("--trace: no thread can be started to print it, nothing will be shown: {error}"));
        }
        Self { sender: Some(sender), thread: thread.ok(), waiting, missed: 0 }
    }

    fn print(&mut self, text: String) {
        let Some(sender) = &self.sender else { return };
        let text = if self.missed == 0 { text } else { format!("{}{text}", missed(self.missed)) };
        let len = text.len();
        // Nobody else makes it more.
        let has_room = self.waiting.load(Ordering::Relaxed).saturating_add(len) <= BYTES_MAX;
        if has_room {
            self.waiting.fetch_add(len, Ordering::Relaxed);
        }
        if has_room && sender.try_send(text).is_ok() {
            self.missed = 0;
            return;
        }
        if has_room {
            self.waiting.fetch_sub(len, Ordering::Relaxed);
        }
        self.missed = self.missed.saturating_add(1);
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take().filter(|_| self.missed > 0) {
            // Now there is time to wait. Without the thread nobody can be told.
            let _ = sender.send(missed(self.missed));
        }
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed there.
            let _ = thread.join();
        }
    }
}

fn missed(datagrams: u64) -> String {
    format!("dtls: --trace: {datagrams} datagrams are not shown, standard error is read too slowly\n")
}

/// How many datagrams wait to be printed at most; each is a few lines of a hundred bytes.
const DATAGRAMS_MAX: usize = 1 << 16;

/// How many bytes wait at most: lines of a peer that wants many of them.
const BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use dtls_core::wire::enums::{ContentType, ProtocolVersion};
    use dtls_core::wire::record::{Epoch, RecordHeader, RecordNumber};

    use crate::both_roles::WeatherArgs;

    /// Writes only when it may, and tells what.
    struct Reluctant {
        may: mpsc::Receiver<()>,
        written: mpsc::Sender<String>,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once nobody holds it back any more, it writes all the rest.
            let _ = self.may.recv();
            self.written.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_does_not_read_the_trace_holds_nobody_up_and_is_told_what_was_missed() {
        let (allow, may) = mpsc::channel();
        let (written, read) = mpsc::channel();
        let mut printer = Printer::start(Reluctant { may, written });
        // One may be in the hands of the thread.
        for number in 0..DATAGRAMS_MAX + 11 {
            printer.print(format!("{number}\n"));
        }
        let missed_so_far = printer.missed;
        assert!([10, 11].contains(&missed_so_far), "{missed_so_far}");
        drop(allow);
        drop(printer);
        let read: Vec<_> = read.iter().collect();
        assert_eq!(read.len(), DATAGRAMS_MAX + 11 - usize::try_from(missed_so_far).unwrap() + 1);
        assert_eq!((read.first(), read.last()), (Some(&"0\n".to_owned()), Some(&missed(missed_so_far))));
    }

    #[test]
    fn long_lines_that_nobody_reads_do_not_fill_the_memory() {
        let (allow, may) = mpsc::channel();
        let (written, read) = mpsc::channel();
        let mut printer = Printer::start(Reluctant { may, written });
        // Dropped before the printer, which waits for its thread: a test that fails must not hang.
        let allow = allow;
        let text = "x".repeat(BYTES_MAX / 4);
        for _ in 0..4 + 3 {
            printer.print(text.clone());
        }
        assert_eq!((printer.missed, printer.waiting.load(Ordering::Relaxed)), (3, BYTES_MAX));
        allow.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), text);
        // The thread counts what it has written before it asks whether it may write on.
        allow.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), text);
        printer.print("short\n".to_owned());
        assert_eq!(printer.missed, 0, "there is room again, and it is told what was missed");
        drop(allow);
        let waiting = Arc::clone(&printer.waiting);
        drop(printer);
        assert_eq!(read.iter().collect::<Vec<_>>(), [text.clone(), text, format!("{}short\n", missed(3))]);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_datagram_is_told_once_it_has_gone_however_often_it_was_tried() {
        let (allow, may) = mpsc::channel();
        let (written, read) = mpsc::channel();
        drop(allow);
        let args = WeatherArgs { loss: 0.0, duplicate: 1.0, delay: Duration::ZERO, seed: Some(1) };
        let mut trace = Trace::to(Reluctant { may, written }, Weather::new(&args), Peers::One);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let header = RecordHeader {
            content_type: ContentType::APPLICATION_DATA,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch::ONE,
            number: RecordNumber::new(1).unwrap(),
            length: 30,
        };
        let datagram = [&header.to_bytes()[..], &[0; 30]].concat();
        // No way leads from here to there.
        let nowhere = "[::1]:9".parse().unwrap();
        for _ in 0..2 {
            trace.send(&socket, nowhere, &datagram).unwrap_err();
        }
        trace.send(&socket, to, &datagram).unwrap();
        drop(trace);
        let twice = "> sent twice: the datagram of 43 bytes above\n";
        let told = format!("> record application_data epoch=1 seq=1 len=30 protected\n{twice}");
        assert_eq!(read.iter().collect::<Vec<_>>(), [told]);
    }
}
