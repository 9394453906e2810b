//! As much CoAP (RFC 7252) as a GET and its answer need.

use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::Trouble;

/// A message without its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// [`CONFIRMABLE`] or [`ACKNOWLEDGEMENT`] here.
    pub typ: u8,
    /// The class in the upper three bits: [`GET`] or [`CONTENT`] here.
    pub code: u8,
    /// What an acknowledgement repeats.
    pub id: u16,
    /// What a response repeats, up to eight bytes.
    pub token: Vec<u8>,
    /// What is said.
    pub payload: Vec<u8>,
}

impl Message {
    /// Asks for `/`.
    #[must_use]
    pub fn get(id: u16, token: &[u8]) -> Self {
        Self { typ: CONFIRMABLE, code: GET, id, token: token.to_vec(), payload: Vec::new() }
    }

    /// Answers this request at once, with a payload.
    #[must_use]
    pub fn content(&self, payload: &str) -> Self {
        let payload = payload.as_bytes().to_vec();
        Self { typ: ACKNOWLEDGEMENT, code: CONTENT, id: self.id, token: self.token.clone(), payload }
    }

    /// As it goes over the wire.
    ///
    /// # Panics
    /// If the token is longer than eight bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let token_len = u8::try_from(self.token.len()).ok().filter(|len| *len <= 8).expect("a short token");
        let mut bytes = vec![VERSION << 6 | self.typ << 4 | token_len, self.code];
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.token);
        if !self.payload.is_empty() {
            bytes.push(PAYLOAD_MARKER);
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }

    /// From the wire; options are skipped. `None` if it is no such message.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let [first, code, id_high, id_low, rest @ ..] = bytes else { return None };
        let (token, mut rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
        let is_one = first >> 6 == VERSION && token.len() <= 8;
        let payload = loop {
            match rest {
                [] => break &[][..],
                [PAYLOAD_MARKER, payload @ ..] => break payload,
                [option, values @ ..] => {
                    // Section 3.1: 13 and 14 say that one or two more bytes follow, first of the delta, then of the length.
                    let (_, values) = extended(option >> 4, values)?;
                    let (len, values) = extended(option & 0x0f, values)?;
                    rest = values.get(len..)?;
                }
            }
        };
        let (typ, id) = (first >> 4 & 0b11, u16::from_be_bytes([*id_high, *id_low]));
        is_one.then(|| Self { typ, code: *code, id, token: token.to_vec(), payload: payload.to_vec() })
    }
}

fn extended(nibble: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    match (nibble, bytes) {
        (13, [more, rest @ ..]) => Some((usize::from(*more) + 13, rest)),
        (14, [high, low, rest @ ..]) => Some((usize::from(u16::from_be_bytes([*high, *low])) + 269, rest)),
        (13..=15, _) => None,
        (value, rest) => Some((usize::from(value), rest)),
    }
}

/// Answers every GET with one payload, from a thread, until it is dropped. It speaks plain UDP on loopback.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<Message>>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// On a port that is free.
    ///
    /// # Errors
    /// If the system has no socket left.
    pub fn start(payload: &'static str) -> Result<Self, Trouble> {
        Self::try_start(payload).map_err(|error| Trouble::new(format!("no CoAP service: {error}")))
    }

    fn try_start(payload: &'static str) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(GLANCE))?;
        let address = socket.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (is_over, seen) = (Arc::clone(&over), Arc::clone(&requests));
        let thread = thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !is_over.load(Ordering::SeqCst) {
                // A timeout, or word that nobody listened to the answer before.
                let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(request) = Message::decode(&buffer[..len]).filter(|message| message.code == GET) {
                    let answer = request.content(payload).encode();
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Self { address, over, requests, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has been asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Message> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Wants an acknowledgement.
pub const CONFIRMABLE: u8 = 0;
/// Is one.
pub const ACKNOWLEDGEMENT: u8 = 2;
/// 0.01
pub const GET: u8 = 0x01;
/// 2.05
pub const CONTENT: u8 = 0x45;
const VERSION: u8 = 1;
const PAYLOAD_MARKER: u8 = 0xff;
/// How long the thread waits for a request before it looks up.
const GLANCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7252 appendix A, figures 16 and 17.
    #[test]
    fn the_examples_of_the_rfc_are_read_and_answered() {
        let request = [&hex::decode("40017d34bb").unwrap()[..], b"temperature"].concat();
        let request = Message::decode(&request).unwrap();
        assert_eq!(request, Message::get(0x7d34, &[]));
        let answer = [&hex::decode("60457d34ff").unwrap()[..], b"22.3 C"].concat();
        assert_eq!(request.content("22.3 C").encode(), answer);
        let request = [&hex::decode("41017d3520bb").unwrap()[..], b"temperature"].concat();
        assert_eq!(Message::decode(&request).unwrap(), Message::get(0x7d35, &[0x20]));
    }

    #[test]
    fn options_of_all_lengths_are_skipped() {
        // A delta of 14 in a byte of its own; a length of 13; a delta and a length of 269 in two bytes each.
        let long = [&[0xee, 0, 0, 0, 0][..], &[7; 269]].concat();
        for options in [&[0xd3, 1, 2, 0xff, 0xff][..], &[&[0x1d, 0][..], &[7; 13]].concat(), &long] {
            let bytes = [&[0x61, 0x45, 0, 1, 9], options, b"\xffyes"].concat();
            let message = Message::get(1, &[9]).content("yes");
            assert_eq!(Message::decode(&bytes), Some(message), "{options:?}");
            assert_eq!(Message::decode(&[&[0x61, 0x45, 0, 1, 9], &options[..options.len() - 1]].concat()), None);
        }
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_none() {
        for bytes in ["", "4001", "42000001aa", "80010001", "4901000101020304050607080900"] {
            assert_eq!(Message::decode(&hex::decode(bytes).unwrap()), None, "{bytes}");
        }
    }
}
