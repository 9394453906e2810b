//! Our engine on a socket, without the command: for what the command does not say.
//!
//! One socket, one connection at a time, and no thread: whoever calls waits, and meanwhile the engine is driven.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;

use dtls_core::config::ClientAuthentication;
use dtls_core::crypto::{CryptoProvider, Identity, PinnedCertificates, PskIdentity, Psks, ring};
use dtls_core::{
    ClientConfig, Connection, CookieJar, Event, HelloVerdict, Instant, ResumptionState, ServerConfig, SessionInfo,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::Trouble;
use super::authority::{KeyKind, Leaf};
use super::cells::Stopwatch;
use super::process::PATIENCE;
use crate::remembered::Memory;

/// A connection, its socket and its time.
#[derive(Debug)]
pub struct Engine {
    socket: UdpSocket,
    peer: SocketAddr,
    connection: Connection,
    began: Stopwatch,
    heard: Vec<u8>,
    is_connected: bool,
    end: Option<Event>,
}

impl Engine {
    /// A client that is connected to `server`.
    ///
    /// # Errors
    /// If it does not come to be connected.
    pub fn connect(
        server: SocketAddr,
        config: Arc<ClientConfig>,
        name: &str,
        state: Option<&ResumptionState>,
    ) -> Result<Self, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Trouble::new)?;
        let name = ServerName::try_from(name.to_owned()).map_err(Trouble::new)?;
        let connection = match state {
            None => Connection::connect(config, Some(name), Instant::ORIGIN),
            Some(state) => Connection::connect_resuming(config, Some(name), state, Instant::ORIGIN),
        };
        let mut engine = Self {
            socket,
            peer: server,
            connection: connection.map_err(Trouble::new)?,
            began: Stopwatch::start(),
            heard: Vec::new(),
            is_connected: false,
            end: None,
        };
        engine.drive("is not connected", |engine| engine.is_connected)?;
        Ok(engine)
    }

    /// What was negotiated.
    ///
    /// # Errors
    /// If it has failed meanwhile.
    pub fn info(&self) -> Result<&SessionInfo, Trouble> {
        self.connection.info().ok_or_else(|| Trouble::new(format!("our engine has ended: {:?}", self.end)))
    }

    /// What is needed to resume the session.
    ///
    /// # Errors
    /// If the server keeps none.
    pub fn take_state(&mut self) -> Result<ResumptionState, Trouble> {
        self.connection.take_resumption_state().ok_or_else(|| Trouble::new("our engine has got no session to keep"))
    }

    /// Says something.
    ///
    /// # Errors
    /// If it cannot.
    pub fn say(&mut self, text: &str) -> Result<(), Trouble> {
        let mut datagram = Vec::new();
        self.connection.send(text.as_bytes(), &mut datagram).map_err(Trouble::new)?;
        self.send(&datagram)
    }

    /// Waits until it has heard `text`.
    ///
    /// # Errors
    /// If it does not.
    pub fn await_text(&mut self, text: &str) -> Result<(), Trouble> {
        let has = |engine: &Self| engine.heard.windows(text.len()).any(|window| window == text.as_bytes());
        self.drive(&format!("does not hear {text:?}"), has)
    }

    /// Waits until the peer has ended the session in good order.
    ///
    /// # Errors
    /// If it does not.
    pub fn await_close(&mut self) -> Result<(), Trouble> {
        self.drive("is not closed", |engine| engine.end == Some(Event::Closed))
    }

    /// Ends the session in good order.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn close(mut self) -> Result<(), Trouble> {
        self.connection.close();
        self.flush()
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.began.elapsed())
    }

    fn send(&self, datagram: &[u8]) -> Result<(), Trouble> {
        self.socket.send_to(datagram, self.peer).map(drop).map_err(Trouble::new)
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        let mut datagram = Vec::new();
        while self.connection.poll_transmit(self.now(), &mut datagram) {
            self.send(&datagram)?;
            datagram.clear();
        }
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Connected => self.is_connected = true,
                event => self.end = Some(event),
            }
        }
        Ok(())
    }

    fn drive(&mut self, otherwise: &str, done: impl Fn(&Self) -> bool) -> Result<(), Trouble> {
        let mut buffer = vec![0; 65_536];
        loop {
            self.flush()?;
            if done(self) {
                return Ok(());
            }
            if self.end.is_some() || self.began.elapsed() > PATIENCE {
                return Err(Trouble::new(format!("our engine {otherwise}: {:?}", self.end)));
            }
            if let Some((len, from)) = receive(&self.socket, &mut buffer)? {
                if from == self.peer {
                    let now = self.now();
                    let payloads = self.connection.receive(now, &mut buffer[..len]);
                    payloads.for_each(|payload| self.heard.extend_from_slice(payload));
                }
            }
            let now = self.now();
            if self.connection.poll_timeout().is_some_and(|due| due <= now) {
                self.connection.handle_timeout(now);
            }
        }
    }
}

/// A server that lets in one client after the other, each after a cookie.
#[derive(Debug)]
pub struct Host {
    socket: UdpSocket,
    config: Arc<ServerConfig>,
    jar: CookieJar,
    began: Stopwatch,
}

impl Host {
    /// Listens somewhere on loopback.
    ///
    /// # Errors
    /// If the system has no socket left, or no randomness.
    pub fn listen(config: Arc<ServerConfig>) -> Result<Self, Trouble> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Trouble::new)?;
        let jar = CookieJar::new(Arc::clone(config.provider()), Instant::ORIGIN).map_err(Trouble::new)?;
        Ok(Self { socket, config, jar, began: Stopwatch::start() })
    }

    /// Where it is.
    ///
    /// # Errors
    /// If the system does not know.
    pub fn address(&self) -> Result<SocketAddr, Trouble> {
        self.socket.local_addr().map_err(Trouble::new)
    }

    /// Serves those who come from now on by another configuration.
    pub fn change(&mut self, config: Arc<ServerConfig>) {
        self.config = config;
    }

    /// Waits for the next client, until it is connected.
    ///
    /// # Errors
    /// If none comes, or it does not get in.
    pub fn accept(&mut self) -> Result<Engine, Trouble> {
        let waits = Stopwatch::start();
        let mut buffer = vec![0; 65_536];
        while waits.elapsed() < PATIENCE {
            let Some((len, from)) = receive(&self.socket, &mut buffer)? else { continue };
            let (now, mut reply) = (Instant::from_origin(self.began.elapsed()), Vec::new());
            match self.jar.check(now, from.to_string().as_bytes(), &buffer[..len], &mut reply) {
                HelloVerdict::Dropped(_) => {}
                HelloVerdict::Reply => drop(self.socket.send_to(&reply, from).map_err(Trouble::new)?),
                HelloVerdict::Verified(hello) => {
                    let mut engine = Engine {
                        socket: self.socket.try_clone().map_err(Trouble::new)?,
                        peer: from,
                        connection: Connection::accept(Arc::clone(&self.config), hello, now),
                        began: self.began,
                        heard: Vec::new(),
                        is_connected: false,
                        end: None,
                    };
                    engine.drive("has let nobody in", |engine| engine.is_connected)?;
                    return Ok(engine);
                }
            }
        }
        Err(Trouble::new("nobody comes to our engine"))
    }
}

/// The next datagram; `None` if none has come for a moment, or somebody has not listened to ours.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr)>, Trouble> {
    socket.set_read_timeout(Some(MOMENT)).map_err(Trouble::new)?;
    match socket.recv_from(buffer) {
        Ok(received) => Ok(Some(received)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(Trouble::new(error)),
    }
}

const MOMENT: Duration = Duration::from_millis(10);

// --- who our engine is ---

/// How both sides prove themselves in an encounter of our engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By certificates of the CA of this run.
    Certificates,
    /// By [`PSK`].
    PresharedKey,
}

impl Proof {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Certificates, Self::PresharedKey];

    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Certificates => "certificates",
            Self::PresharedKey => "PSK",
        }
    }

    /// A client that asks for tickets and resumes sessions.
    ///
    /// # Panics
    /// If the files of this run cannot be read.
    #[must_use]
    pub fn client_config(self) -> Arc<ClientConfig> {
        let provider = Arc::new(ring::provider());
        let builder = ClientConfig::builder(Arc::clone(&provider));
        let builder = match self {
            Self::Certificates => builder.trust(pinned(SERVER)).identity(identity(&provider, CLIENT)),
            Self::PresharedKey => builder.preshared_key(Arc::new(psk())),
        };
        Arc::new(builder.resumable().build().expect("a configuration that works"))
    }

    /// A server with this memory.
    ///
    /// # Panics
    /// If the files of this run cannot be read.
    #[must_use]
    pub fn server_config(self, memory: &Memory) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::provider());
        let builder = ServerConfig::builder(Arc::clone(&provider));
        let builder = match self {
            Self::Certificates => builder
                .identity(identity(&provider, SERVER))
                .client_authentication(ClientAuthentication::Require(pinned(CLIENT))),
            Self::PresharedKey => builder.preshared_keys(Arc::new(Psks::new().with(psk()))),
        };
        let resumption = memory.of_server(&provider);
        Arc::new(builder.resumption(resumption).build().expect("a configuration that works"))
    }
}

fn identity(provider: &CryptoProvider, leaf: Leaf) -> Identity {
    let [_, key] = leaf.files();
    let key = PrivateKeyDer::from_pem_slice(&read(&key)).expect("a key in PEM");
    Identity::new(provider, chain(leaf), key).expect("a key and its certificate")
}

fn pinned(leaf: Leaf) -> Arc<PinnedCertificates> {
    Arc::new(PinnedCertificates::new(chain(leaf)).expect("one certificate"))
}

fn chain(leaf: Leaf) -> Vec<CertificateDer<'static>> {
    let [cert, _] = leaf.files();
    vec![CertificateDer::from_pem_slice(&read(&cert)).expect("a certificate in PEM")]
}

fn read(file: &str) -> Vec<u8> {
    fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn psk() -> PskIdentity {
    let (identity, key) = PSK;
    PskIdentity::new(identity.into(), hex::decode(key).expect("hexadecimal")).expect("an identity and its key")
}

/// Who the server is.
pub const SERVER: Leaf = Leaf::Server(KeyKind::Ecdsa);
/// Who the client is.
pub const CLIENT: Leaf = Leaf::Client(KeyKind::Ecdsa);
/// An identity, and the key in hexadecimal.
pub const PSK: (&str, &str) = ("sensor 1", "000102030405060708090a0b0c0d0e0f");
