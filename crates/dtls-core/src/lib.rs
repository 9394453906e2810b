//! A DTLS 1.2 protocol engine that does no I/O.
#![no_std]

extern crate alloc;

pub mod config;
mod connection;
mod cookie;
pub mod crypto;
mod discard;
mod error;
mod event;
mod exporter;
mod handshake;
mod record;
mod time;
pub mod wire;

pub use config::{ClientConfig, ConfigError, ServerConfig, Settings};
pub use connection::{Connection, Received, SendError};
pub use cookie::{CookieJar, HelloVerdict, VerifiedHello};
pub use discard::Discard;
pub use error::{CertificateError, Error};
pub use event::{Event, NegotiatedSrtp, Role, SessionInfo, Stats};
pub use exporter::{ExportError, SrtpKeys};
pub use time::Instant;
