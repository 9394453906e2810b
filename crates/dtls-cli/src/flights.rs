//! `dtls demo`: what passes, flight by flight, in words (RFC 6347 section 4.2.4, Figure 1).

use core::net::SocketAddr;
use std::collections::BTreeSet;
use std::io;
use std::net::UdpSocket;

use dtls_core::Role;
use dtls_core::wire::codec::Reader;
use dtls_core::wire::enums::{ContentType, HandshakeType};
use dtls_core::wire::fragment::{Fragment, Fragments};
use dtls_core::wire::hello::ClientHelloPrefix;
use dtls_core::wire::record::{Epoch, Record, Records};
use dtls_std::Tap;

use crate::output::{Line, Output};
use crate::weather::{Fate, Weather};

/// Prints what one side sends, once it has left. Until it is printed nobody else prints, and the other side sends
/// nothing: with one of it on either side, lines come in the order in which things happen.
pub(crate) struct Flights {
    output: Output,
    weather: Weather,
    narrator: Narrator,
}

impl Flights {
    pub(crate) fn new(output: Output, from: Role, weather: Weather) -> Self {
        Self { output, weather, narrator: Narrator::new(from) }
    }
}

impl Tap for Flights {
    fn received(&mut self, _from: SocketAddr, _datagram: &[u8]) {}

    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let _order = io::stdout().lock();
        let fate = self.weather.carry(socket, to, datagram)?;
        self.output.print(&Line::Passing(&self.narrator.tell(datagram, fate)));
        Ok(())
    }
}

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passing {
    pub(crate) from: Role,
    pub(crate) kind: Kind,
    pub(crate) bytes: usize,
    /// The messages in it, or pieces of them.
    pub(crate) messages: Vec<String>,
    /// Whether all of it had been sent before.
    pub(crate) again: bool,
    pub(crate) fate: Fate,
}

/// What a datagram is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A flight of the handshake, by its number.
    Flight(u8),
    /// Application data.
    Data,
    /// An alert: the end.
    Alert,
}

impl Passing {
    /// What it is there for.
    pub(crate) const fn meaning(&self) -> &'static str {
        match self.kind {
            Kind::Flight(1) => "what I can do",
            Kind::Flight(2) => "show that you receive at your address: say this cookie",
            Kind::Flight(3) => "the same, with the cookie",
            Kind::Flight(4) => "what I choose, who I am, my half of the key, signed",
            Kind::Flight(5) => "my half of the key; encrypted from here on",
            Kind::Flight(_) => "we saw the same handshake: connected",
            Kind::Data => "encrypted",
            Kind::Alert => "close_notify, encrypted: nothing more to say",
        }
    }
}

/// Knows enough of the handshake to say which flight a datagram belongs to.
struct Narrator {
    from: Role,
    /// Whether the ClientHello under way carries a cookie: only its first fragment tells.
    has_cookie: bool,
    /// The fragments that have been sent, by `message_seq` and offset.
    sent: BTreeSet<(u16, u32)>,
}

impl Narrator {
    const fn new(from: Role) -> Self {
        Self { from, has_cookie: false, sent: BTreeSet::new() }
    }

    fn tell(&mut self, datagram: &[u8], fate: Fate) -> Passing {
        let mut passing = Passing {
            from: self.from,
            kind: Kind::Data,
            bytes: datagram.len(),
            messages: Vec::new(),
            again: true,
            fate,
        };
        for record in Records::new(datagram).filter_map(Result::ok) {
            self.tell_record(&record, &mut passing);
        }
        passing
    }

    fn tell_record(&mut self, record: &Record<'_>, passing: &mut Passing) {
        let Record { header, body, .. } = record;
        let last = if self.from == Role::Client { 5 } else { 6 };
        match (header.content_type, header.epoch) {
            (ContentType::HANDSHAKE, Epoch::ZERO) => {
                for fragment in Fragments::new(body).filter_map(Result::ok) {
                    self.tell_fragment(&fragment, passing);
                }
            }
            (ContentType::HANDSHAKE, _) => {
                passing.kind = Kind::Flight(last);
                passing.messages.push("Finished".to_owned());
                // No message number can be seen, and there is only one of it.
                passing.again &= !self.sent.insert((u16::MAX, 0));
            }
            (ContentType::CHANGE_CIPHER_SPEC, _) => {
                passing.kind = Kind::Flight(last);
                passing.messages.push("ChangeCipherSpec".to_owned());
                passing.again &= !self.sent.insert((u16::MAX, 1));
            }
            (ContentType::ALERT, _) => {
                passing.kind = Kind::Alert;
                passing.messages.push("Alert".to_owned());
                passing.again = false;
            }
            _ => {
                passing.messages.push("application data".to_owned());
                passing.again = false;
            }
        }
    }

    fn tell_fragment(&mut self, fragment: &Fragment<'_>, passing: &mut Passing) {
        let Fragment { header, body } = fragment;
        if header.typ == HandshakeType::CLIENT_HELLO && header.fragment_offset == 0 {
            let prefix = ClientHelloPrefix::decode(&mut Reader::new(body));
            self.has_cookie = prefix.is_ok_and(|prefix| !prefix.cookie.is_empty());
        }
        passing.kind = Kind::Flight(match (self.from, header.typ) {
            (_, HandshakeType::CLIENT_HELLO) => 1 + 2 * u8::from(self.has_cookie),
            (_, HandshakeType::HELLO_VERIFY_REQUEST) => 2,
            (Role::Server, _) => 4,
            (Role::Client, _) => 5,
        });
        let is_whole = header.fragment_length == header.length;
        passing.messages.push(if is_whole { header.typ.to_string() } else { format!("part of {}", header.typ) });
        passing.again &= !self.sent.insert((header.message_seq.0, header.fragment_offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtls_core::wire::enums::ProtocolVersion;
    use dtls_core::wire::fragment::{FragmentHeader, MessageSeq};
    use dtls_core::wire::record::{RecordHeader, RecordNumber};

    fn record(content_type: ContentType, epoch: u16, body: &[u8]) -> Vec<u8> {
        let header = RecordHeader {
            content_type,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch(epoch),
            number: RecordNumber::ZERO,
            length: u16::try_from(body.len()).unwrap(),
        };
        [&header.to_bytes()[..], body].concat()
    }

    fn message(typ: HandshakeType, seq: u16, body: &[u8]) -> Vec<u8> {
        let header = FragmentHeader::whole(typ, MessageSeq(seq), u32::try_from(body.len()).unwrap());
        [&header.to_bytes()[..], body].concat()
    }

    fn hello(cookie: &[u8]) -> Vec<u8> {
        let cookie = [&[u8::try_from(cookie.len()).unwrap()], cookie].concat();
        [&[0xfe, 0xfd][..], &[7; 32], &[0], &cookie, &[0, 2, 0xc0, 0x2b, 1, 0]].concat()
    }

    fn tell(narrator: &mut Narrator, datagram: &[u8]) -> (Kind, String, bool) {
        let Passing { kind, messages, again, bytes, .. } = narrator.tell(datagram, Fate::Sent);
        assert_eq!(bytes, datagram.len());
        (kind, messages.join(" "), again)
    }

    #[test]
    fn flights_have_the_numbers_of_the_figure() {
        let handshake = |messages: &[Vec<u8>]| record(ContentType::HANDSHAKE, 0, &messages.concat());
        let change = record(ContentType::CHANGE_CIPHER_SPEC, 0, &[1]);
        let finished = record(ContentType::HANDSHAKE, 1, &[0; 40]);
        let mut client = Narrator::new(Role::Client);
        let mut server = Narrator::new(Role::Server);
        let first = handshake(&[message(HandshakeType::CLIENT_HELLO, 0, &hello(b""))]);
        assert_eq!(tell(&mut client, &first), (Kind::Flight(1), "ClientHello".to_owned(), false));
        let verify = handshake(&[message(HandshakeType::HELLO_VERIFY_REQUEST, 0, &[0xfe, 0xff, 0])]);
        assert_eq!(tell(&mut server, &verify), (Kind::Flight(2), "HelloVerifyRequest".to_owned(), false));
        let third = handshake(&[message(HandshakeType::CLIENT_HELLO, 1, &hello(b"cookie"))]);
        assert_eq!(tell(&mut client, &third), (Kind::Flight(3), "ClientHello".to_owned(), false));
        let fourth = handshake(&[
            message(HandshakeType::SERVER_HELLO, 1, &[1]),
            message(HandshakeType::SERVER_HELLO_DONE, 2, &[]),
        ]);
        assert_eq!(tell(&mut server, &fourth), (Kind::Flight(4), "ServerHello ServerHelloDone".to_owned(), false));
        let exchange = handshake(&[message(HandshakeType::CLIENT_KEY_EXCHANGE, 2, &[1])]);
        let fifth = [exchange, change.clone(), finished.clone()].concat();
        let messages = "ClientKeyExchange ChangeCipherSpec Finished".to_owned();
        assert_eq!(tell(&mut client, &fifth), (Kind::Flight(5), messages, false));
        let sixth = [change, finished].concat();
        assert_eq!(tell(&mut server, &sixth), (Kind::Flight(6), "ChangeCipherSpec Finished".to_owned(), false));
        assert!(tell(&mut server, &sixth).2, "the same once more");
        assert!(tell(&mut client, &fifth).2, "the same once more");
        let data = record(ContentType::APPLICATION_DATA, 1, &[0; 30]);
        assert_eq!(tell(&mut client, &data), (Kind::Data, "application data".to_owned(), false));
        let alert = record(ContentType::ALERT, 1, &[0; 26]);
        assert_eq!(tell(&mut client, &alert), (Kind::Alert, "Alert".to_owned(), false));
    }
}
