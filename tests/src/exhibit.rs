//! What the snippets of `docs/identities.md` and `docs/sessions.md` leave out, and the place where they are compiled and run.

use core::time::Duration;
use std::sync::Arc;

use dtls_core::crypto::WallClock;
use dtls_core::{ClientConfig, Connection, Event, Instant, ServerConfig};
use rustls_pki_types::{ServerName, UnixTime};

/// The page itself.
#[cfg(doctest)]
#[doc = include_str!("../../docs/identities.md")]
pub struct Identities;

/// The page itself.
#[cfg(doctest)]
#[doc = include_str!("../../docs/sessions.md")]
pub struct Sessions;

/// A clock that stands in a year in which the certificates of `vectors/` are valid.
#[derive(Debug)]
pub struct Clock;

impl WallClock for Clock {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)))
    }
}

/// Connects two ends that must be able to.
///
/// # Panics
/// If they are not.
#[must_use]
pub fn connect(client: ClientConfig, server: ServerConfig, name: Option<&str>) -> (Connection, Connection) {
    let name = name.map(|name| ServerName::try_from(name.to_owned()).expect("a name"));
    let mut client = Connection::connect(Arc::new(client), name, Instant::ORIGIN).expect("a client");
    let mut server = Connection::accept_on_trusted_path(Arc::new(server), Instant::ORIGIN);
    exchange(&mut client, &mut server);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(server.poll_event(), Some(Event::Connected));
    (client, server)
}

/// Carries datagrams both ways until nothing moves.
pub fn exchange(client: &mut Connection, server: &mut Connection) {
    let mut datagram = Vec::new();
    let mut carry = |from: &mut Connection, to: &mut Connection| {
        let mut moved = false;
        while from.poll_transmit(Instant::ORIGIN, &mut datagram) {
            drop(to.receive(Instant::ORIGIN, &mut datagram));
            datagram.clear();
            moved = true;
        }
        moved
    };
    while carry(client, server) | carry(server, client) {}
}
