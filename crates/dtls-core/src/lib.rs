//! A DTLS 1.2 protocol engine that does no I/O.
//!
//! Datagrams and the time go in; datagrams, events and decrypted payloads come out. There is no socket, no clock, no
//! thread and no global in here, so the engine runs in front of any transport, and a network of them in one test.
//!
//! # The loop
//!
//! ```
//! use dtls_core::{Connection, Event, Instant};
//!
//! /// What an embedder owns: a way to send, to wait for a datagram, and to tell the time.
//! trait Host {
//!     fn now(&self) -> Instant;
//!     fn send(&mut self, datagram: &[u8]);
//!     /// The next datagram; `None` once `deadline` has come. Without a deadline it waits for ever.
//!     fn wait(&mut self, deadline: Option<Instant>) -> Option<Vec<u8>>;
//!     fn on_event(&mut self, event: &Event);
//!     fn on_data(&mut self, payload: &[u8]);
//! }
//!
//! fn drive(connection: &mut Connection, host: &mut impl Host) {
//!     let mut datagram = Vec::with_capacity(1500);
//!     loop {
//!         while connection.poll_transmit(host.now(), &mut datagram) {
//!             host.send(&datagram);
//!             datagram.clear();
//!         }
//!         while let Some(event) = connection.poll_event() {
//!             host.on_event(&event);
//!         }
//!         if connection.is_over() {
//!             break;
//!         }
//!         match host.wait(connection.poll_timeout()) {
//!             Some(mut arrived) => {
//!                 for payload in connection.receive(host.now(), &mut arrived) {
//!                     host.on_data(payload);
//!                 }
//!             }
//!             None => connection.handle_timeout(host.now()),
//!         }
//!     }
//! }
//! ```
//!
//! Application data is sealed by [`Connection::send`] straight into the caller's buffer. A server that many can reach
//! asks unknown addresses for a cookie first: [`CookieJar`]. Configurations begin with [`ClientConfig::builder`] and
//! [`ServerConfig::builder`]; the cryptography with `crypto::ring::provider`.
//!
//! # What happens to a datagram
//!
//! ```text
//!   datagram ─▶ records ─▶ epoch known? new? authentic? ─▶ application data, lent in place
//!                    │                                   ├▶ handshake fragments ─▶ messages ─▶ states ─▶ events
//!                    ▼                                   └▶ alerts ─▶ events
//!             counted in Stats, no other effect
//! ```
//!
//! Nothing that a peer or an attacker sends makes a call return an error. What they did wrong is an [`Event`] with a
//! reason, or a counter in [`Stats`]; what the caller did wrong is the `Result` of the call that did it.
//!
//! # Features
//!
//! - `ring` (default): cryptography by ring, `crypto::ring::provider()`.
//! - `aws-lc-rs`: cryptography by AWS-LC, `crypto::aws_lc::provider()`.
//! - `webpki` (default): verification of chains and names, `crypto::WebPki`.
//!
//! Features add and never switch: with both libraries compiled in, a configuration says which one it uses. The crate is
//! `no_std` and needs `alloc`.
#![no_std]

extern crate alloc;

pub mod config;
mod connection;
mod cookie;
pub mod crypto;
mod decision;
mod discard;
mod error;
mod event;
mod exporter;
mod handshake;
mod record;
pub mod resumption;
mod time;
pub mod wire;

pub use config::{ClientConfig, ConfigError, ServerConfig, Settings};
pub use connection::{
    CannotSave, Connection, MtuSearch, MtuStep, Path, PathAnswer, Received, RestoreError, SavedConnection, SavingKey,
    SendError,
};
pub use cookie::{CookieJar, HelloVerdict, VerifiedHello};
pub use decision::{Answer, AskOwner, AskOwnerWith, NotAsked, OwnedQuestion, Question};
pub use discard::Discard;
pub use error::{CertificateError, Error};
pub use event::{ConnectionIds, Event, NegotiatedSrtp, Role, SessionInfo, Stats};
pub use exporter::{ExportError, SrtpKeys};
pub use resumption::ResumptionState;
pub use time::Instant;
