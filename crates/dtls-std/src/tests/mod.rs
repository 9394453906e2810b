//! Sessions over real sockets on the loopback interface.

mod admission;
mod connecting;
mod deciding;
mod drivers;
mod ending;
mod failing;
mod full_sockets;
mod identities;
mod key_logs;
mod receiving;
mod resting;
mod resuming;
mod roaming;
mod sessions;
mod sockets;
mod taps;

use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;

use dtls_core::config::KeyLog;
use dtls_core::crypto::{CryptoProvider, Identity, PinnedCertificates, WallClock as _, ring};
use dtls_core::wire::enums::{AlertDescription, SrtpProfile};
use dtls_core::{CertificateError, Error, ExportError, Role, SendError};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::{
    AcceptError, Batching, ClientConfig, ConnectError, CookiePolicy, Endpoint, KeyLogFile, Limits, Options,
    ServerConfig, Session, SessionError, Settings, SystemClock, Tap, connect, connect_with, listen, listen_with,
};

/// Longer than anything takes here; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

/// One server's certificate, and configurations of both sides that go with it.
struct Party {
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Party {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der();
        Self { provider: Arc::new(ring::provider()), certificate: made.cert.der().clone(), key }
    }

    fn identity(&self) -> Identity {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        Identity::new(&self.provider, vec![self.certificate.clone()], key).unwrap()
    }

    fn server_with(&self, change: impl FnOnce(&mut Settings)) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder(Arc::clone(&self.provider)).identity(self.identity());
        Arc::new(builder.configure(change).build().unwrap())
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.server_with(|_| ())
    }

    /// A client that trusts this party's certificate and no other.
    fn client_with(&self, change: impl FnOnce(&mut Settings)) -> Arc<ClientConfig> {
        let trust = Arc::new(PinnedCertificates::new([self.certificate.clone()]).unwrap());
        let builder = ClientConfig::builder(Arc::clone(&self.provider)).trust(trust).without_identity();
        Arc::new(builder.configure(change).build().unwrap())
    }

    fn client(&self) -> Arc<ClientConfig> {
        self.client_with(|settings| settings.handshake_timeout = LONG)
    }

    fn listen(&self) -> Endpoint {
        listen(("127.0.0.1", 0), self.server()).unwrap()
    }

    /// A client's session and the server's.
    fn pair(&self, endpoint: &Endpoint) -> (Session, Session) {
        let client = connect(endpoint.local_addr(), None, self.client()).unwrap();
        (client, accept(endpoint))
    }
}

fn accept(endpoint: &Endpoint) -> Session {
    endpoint.accept_timeout(LONG).unwrap().expect("a client in time")
}

fn receive(session: &Session) -> Vec<u8> {
    session.recv_vec_timeout(LONG).unwrap().expect("a datagram in time")
}

/// How the session ends.
fn ending(session: &Session) -> SessionError {
    session.recv_vec_timeout(LONG).expect_err("an end in time")
}

/// Echoes until each session ends; returns when the endpoint is closed.
fn echo(endpoint: &Endpoint) {
    thread::scope(|scope| {
        for session in endpoint.incoming().map_while(Result::ok) {
            scope.spawn(move || {
                while let Ok(datagram) = session.recv_vec() {
                    session.send(&datagram).unwrap();
                }
            });
        }
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Tells of every datagram, and lets the first ones that leave come to grief.
struct TestTap {
    seen: Sender<(Way, SocketAddr, usize)>,
    losses: usize,
    /// Errors of the socket that tell of earlier datagrams.
    faults: Vec<io::ErrorKind>,
    /// Panics at the next datagram, once, either way.
    panics: Arc<AtomicBool>,
    /// The socket has no room: for this many attempts, once `is_full` is set.
    fulls: usize,
    is_full: Arc<AtomicBool>,
}

impl TestTap {
    fn new() -> (Self, Receiver<(Way, SocketAddr, usize)>) {
        let (seen, receiver) = channel();
        (
            Self { seen, losses: 0, faults: Vec::new(), panics: Arc::default(), fulls: 0, is_full: Arc::default() },
            receiver,
        )
    }

    fn panic_if_asked_to(&self) {
        if self.panics.swap(false, Ordering::SeqCst) {
            // A panic without a message.
            std::panic::resume_unwind(Box::new(()));
        }
    }
}

impl Tap for TestTap {
    fn received(&mut self, from: SocketAddr, datagram: &[u8]) {
        let _ = self.seen.send((Way::In, from, datagram.len()));
        self.panic_if_asked_to();
    }

    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let _ = self.seen.send((Way::Out, to, datagram.len()));
        self.panic_if_asked_to();
        if self.fulls > 0 && self.is_full.load(Ordering::SeqCst) {
            self.fulls -= 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.losses > 0 {
            self.losses -= 1;
            return Ok(());
        }
        if let Some(fault) = self.faults.pop() {
            return Err(fault.into());
        }
        crate::tap::send(socket, to, datagram)
    }
}
