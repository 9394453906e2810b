//! Many DTLS connections on one socket, without I/O.
//!
//! An [`Endpoint`] is what stands between one UDP socket and any number of [`Connection`](dtls_core::Connection)s,
//! client and server: it tells datagrams apart by where they come from, holds nothing for an address that has not
//! shown that it receives there (RFC 6347 section 4.2.1), and keeps one ordered set of deadlines for all. Like
//! `dtls-core` it never touches a socket or a clock: time is an argument.
//!
//! ```text
//!   datagram, address ─▶ receive ──┬─ connection ID ───────▶ its session, or a counter
//!                                  ├─ known address ───────▶ its session ─▶ payloads lent: (Handle, &mut [u8])
//!                                  ├─ ClientHello, cookie ─▶ a new session
//!                                  ├─ ClientHello ─────────▶ HelloVerifyRequest, nothing held
//!                                  └─ anything else ───────▶ a counter
//!   poll_timeout ─▶ sleep ─▶ handle_timeout                  only sessions that are due are touched
//!   poll_transmit ─▶ one datagram and where to send it       sessions take turns
//!   poll_event ─▶ (Handle, address, Event)
//! ```
//!
//! The loop of a server, with a socket and a clock that are yours:
//!
//! ```
//! use dtls_core::Instant;
//! use dtls_endpoint::{Endpoint, Event};
//! # use core::net::SocketAddr;
//!
//! /// After a datagram: `endpoint.receive(now, from, datagram)`; after a wait: `endpoint.handle_timeout(now)`; then this.
//! fn drain(endpoint: &mut Endpoint<SocketAddr>, now: Instant, mut send_to: impl FnMut(&[u8], SocketAddr)) {
//!     let mut out = Vec::new();
//!     while let Some(to) = endpoint.poll_transmit(now, &mut out) {
//!         send_to(&out, to);
//!         out.clear();
//!     }
//!     while let Some((session, peer, event)) = endpoint.poll_event() {
//!         match event {
//!             Event::Connected => println!("{session:?} with {peer} is connected"),
//!             Event::Closed => {
//!                 println!("{peer} has closed after {:?}", endpoint.session_stats(session));
//!                 endpoint.release(session);
//!             }
//!             Event::Failed(error) => {
//!                 println!("{peer} has failed: {error}");
//!                 endpoint.release(session);
//!             }
//!             Event::Ended(reason) => {
//!                 println!("{peer} had to go: {reason}");
//!                 endpoint.release(session);
//!             }
//!             _ => {}
//!         }
//!     }
//!     // Sleep until endpoint.poll_timeout(), or until a datagram comes.
//! }
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod demux;
mod endpoint;
mod event;
mod incoming;
mod limits;
mod sessions;
mod stats;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use demux::Protocol;
pub use endpoint::{ConnectError, Endpoint, Received, TakeInError, Transmit};
pub use event::{Event, Kept, Reason};
pub use incoming::Incoming;
pub use limits::{AddressChange, Admission, CookiePolicy, Limits, PathCheck, Replacement};
pub use sessions::Handle;
pub use stats::Stats;
