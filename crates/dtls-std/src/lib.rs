//! DTLS sessions over UDP sockets of the standard library: [`listen`], [`connect`], and threads that block.
//!
//! An echo server:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # fn run(config: Arc<dtls_std::ServerConfig>) -> std::io::Result<()> {
//! let endpoint = dtls_std::listen("127.0.0.1:4433", config)?;
//! for accepted in &endpoint {
//!     match accepted {
//!         Ok(session) => drop(std::thread::spawn(move || {
//!             while let Ok(datagram) = session.recv_vec() {
//!                 let _ = session.send(&datagram);
//!             }
//!         })),
//!         Err(error) => eprintln!("{error}"),
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Its client:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use dtls_std::ServerName;
//! # fn run(config: Arc<dtls_std::ClientConfig>) -> Result<(), Box<dyn std::error::Error>> {
//! let session = dtls_std::connect("localhost:4433", Some(ServerName::try_from("localhost")?), config)?;
//! session.send(b"hello")?;
//! println!("{:?}", session.recv_vec()?);
//! session.close();
//! # Ok(()) }
//! ```
//!
//! Configurations are those of [`dtls_core`]. [`Endpoint`] and [`Session`] are handles that any number of threads may
//! use at once; dropping the last one closes in good order. Each socket has one thread in the background, which waits
//! for a datagram, for the next deadline or for a call that concerns it, and for nothing else; it ends with the last
//! session, once no [`Endpoint`] can accept or begin another.
//!
//! ```text
//!   your threads ── send, close, connect ──▶ ┌───────┐ ──▶ socket
//!   your threads ◀── accept, recv ────────── │ State │
//!                                            └───────┘ ◀── the socket's thread ◀── datagrams, deadlines
//! ```
//!
//! Those who have a loop of their own, or an async runtime, take a [`Driver`] instead, or the endpoint without I/O of
//! [`dtls_endpoint`]. The folder `examples` has one of each kind: `echo_server`, `echo_client`, `driver_mio`, `tokio`; and
//! two in which somebody has to be asked: `external_signer`, `psk_lookup`.
//!
//! # Identities
//!
//! A server shows a certificate: [`load_identity`] reads it and its key from PEM files. With several
//! [`ServerNames`](dtls_core::config::ServerNames) it shows each client the one of the name that it asks for:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use dtls_std::{DnsName, ServerConfig, load_identity};
//! # use dtls_std::dtls_core::{config::ServerNames, crypto::ring};
//! # fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = Arc::new(ring::provider());
//! let load = |name: &str| -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
//!     let identity = load_identity(&provider, format!("{name}/cert.pem"), format!("{name}/key.pem"))?;
//!     Ok(Arc::new(ServerConfig::builder(Arc::clone(&provider)).identity(identity).build()?))
//! };
//! let names = ServerNames::new()
//!     .with(&DnsName::try_from("one.example")?, load("one.example")?)
//!     .with(&DnsName::try_from("two.example")?, load("two.example")?);
//! // All others are refused with unrecognized_name, unless .otherwise(..) says what they are shown.
//! let fallback = load_identity(&provider, "one.example/cert.pem", "one.example/key.pem")?;
//! let builder = ServerConfig::builder(Arc::clone(&provider)).identity(fallback);
//! let endpoint = dtls_std::listen("[::]:4433", Arc::new(builder.select(Arc::new(names)).build()?))?;
//! # Ok(()) }
//! ```
//!
//! Renewed certificates are loaded the same way and handed to [`Endpoint::set_server_config`]: who comes then is shown
//! them, and no session is dropped.
//!
//! A key without a certificate will do where both sides know of that (RFC 7250), as small devices do: [`load_bare_identity`]
//! reads a private key, and [`load_public_keys`] the public keys that the other side is to trust.
//!
//! # Trust
//!
//! Nobody is trusted by default, and no list of roots comes with this crate or is taken from the system. A
//! [`ClientConfig`] cannot be built without saying whom to trust: by chain and name
//! ([`WebPki`](dtls_core::crypto::WebPki), with roots from [`load_certificates`] and [`SystemClock`]), by fingerprint
//! ([`Fingerprints`](dtls_core::crypto::Fingerprints)), by the certificate itself
//! ([`PinnedCertificates`](dtls_core::crypto::PinnedCertificates)), by the public key
//! ([`PinnedPublicKeys`](dtls_core::crypto::PinnedPublicKeys)), or by a verifier of one's own. A server asks clients for
//! nothing unless [`ClientAuthentication`](dtls_core::config::ClientAuthentication) says so; one that shows a
//! certificate must then be accepted by the verifier, or the handshake fails. Nobody is let in first and judged later: a
//! decision that needs time is waited for before the handshake is complete, as the next section says.
//! [`Session::authorized`] says whether anything was shown.
//!
//! No secret is written anywhere unless a key log is put into the settings: [`KeyLogFile`].
//!
//! # Sessions that go on
//!
//! A client whose configuration is [resumable](dtls_core::config::ClientConfigBuilder::resumable) takes what it needs out of
//! a session that is over, and gives it to the next: [`Session::take_resumption_state`], [`connect_resuming`]. A server
//! gives tickets under keys of its own ([`RotatingTickets`]) or under those of a file ([`load_ticket_key`]), or keeps
//! sessions in memory ([`MemorySessionCache`]); it says so by a
//! [`ServerResumption`](dtls_core::resumption::ServerResumption). With
//! [connection IDs](dtls_core::Settings::connection_id) a session goes on when its peer's address changes, as
//! [`Options::address_change`] says; [`Session::rebind`] changes our own. The page `docs/sessions.md` says which to take
//! when.
//!
//! # Decisions that take their time
//!
//! Keys of clients in a database, our own key in a hardware module, a verifier that has to ask somebody: whoever a
//! configuration has decide says by its `defers` that the owner will, or is [`AskOwner`], which leaves all to the owner.
//! The session that asks then waits, and no other. Its owner are [`Deciders`], a few threads that may block:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use dtls_std::dtls_core::crypto::{PresharedKey, ring};
//! # use dtls_std::{Answer, AskOwner, Deciders, Options, Question, ServerConfig};
//! # struct Database;
//! # impl Database {
//! #     fn key_of(&self, _: &[u8]) -> Result<Option<Arc<PresharedKey>>, std::io::Error> { Ok(None) }
//! # }
//! # fn run(database: Database) -> Result<(), Box<dyn std::error::Error>> {
//! let deciders = Deciders::new(8, move |asker, question| match question {
//!     Question::PresharedKey { identity } => match database.key_of(identity) {
//!         Ok(key) => Answer::PresharedKey(key),
//!         Err(error) => {
//!             eprintln!("{}: {error}", asker.remote_addr());
//!             Answer::Failed
//!         }
//!     },
//!     _ => Answer::Failed,
//! });
//! let config = ServerConfig::builder(Arc::new(ring::provider())).preshared_keys(Arc::new(AskOwner)).build()?;
//! let options = Options { deciders: Some(deciders), ..Options::default() };
//! let endpoint = dtls_std::listen_with("[::]:4433", Arc::new(config), options)?;
//! # Ok(()) }
//! ```
//!
//! The owner of a [`Driver`] is its loop: [`Event::Asked`], [`Driver::question`], [`Driver::answer`]. What happens when all
//! threads are busy, or one panics, stands at [`Deciders`].
//!
//! # Callbacks
//!
//! What you hand in is called back while the socket's lock is held, by the socket's thread, by one of [`Deciders`] that has
//! answered, or by whichever thread has called us: a [`Tap`], a [`WatchAddresses`], a [`KeyLog`](dtls_core::config::KeyLog), and, where they
//! are one's own, a [`PeerVerifier`](dtls_core::crypto::PeerVerifier), a [`WallClock`](dtls_core::crypto::WallClock), a
//! [`SelectConfig`](dtls_core::config::SelectConfig), a [`ChooseIdentity`](dtls_core::config::ChooseIdentity), a
//! [`PskServer`](dtls_core::crypto::PskServer), a [`PskClient`](dtls_core::crypto::PskClient), a
//! [`SigningKey`](dtls_core::crypto::SigningKey) and a [`CryptoProvider`](dtls_core::crypto::CryptoProvider). Therefore
//! it must
//!
//! - not call the [`Endpoint`] or a [`Session`] of that socket, nor drop one: it would wait for itself;
//! - not block: all sessions of the socket wait meanwhile. What has to is for [`Deciders`], who hold no lock;
//! - not panic. In the socket's thread that ends the endpoint and all its sessions, and everyone is told so
//!   ([`AcceptError::Socket`], [`SessionError::EndpointEnded`]); in another thread it ends the call, and the
//!   handshake in the course of which it came may not complete. Locks are not poisoned: the other sessions go on.

mod addresses;
mod clock;
mod deciders;
mod driver;
mod endpoint;
mod error;
mod hub;
mod identity;
mod key_log;
mod options;
mod session;
mod session_cache;
mod shared;
mod socket;
mod tap;
#[cfg(test)]
mod tests;
mod ticket_keys;
mod worker;

pub use addresses::{AddressNews, WatchAddresses};
pub use clock::SystemClock;
pub use deciders::{Asker, Deciders};
pub use driver::{Driver, Unread};
pub use dtls_core;
pub use dtls_core::{
    Answer, AskOwner, AskOwnerWith, ClientConfig, Error, ExportError, NotAsked, OwnedQuestion, Question,
    ResumptionState, SendError, ServerConfig, SessionInfo, Settings, SrtpKeys, Stats,
};
pub use dtls_endpoint;
pub use dtls_endpoint::{
    AddressChange, Admission, CookiePolicy, Event, Handle, Limits, PathCheck, Reason, Replacement,
    Stats as EndpointStats,
};
pub use endpoint::{Endpoint, Incoming, connect, connect_resuming, connect_with, listen, listen_with};
pub use error::{AcceptError, ConnectError, SessionError};
pub use identity::{Content, LoadError, load_bare_identity, load_certificates, load_identity, load_public_keys};
pub use key_log::KeyLogFile;
pub use options::{Batching, Fragmentation, Ipv6, Options, SocketOptions};
pub use rustls_pki_types::{DnsName, ServerName};
pub use session::Session;
pub use session_cache::MemorySessionCache;
pub use tap::Tap;
pub use ticket_keys::{RotatingTickets, load_ticket_key};
