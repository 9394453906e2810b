//! `dtls demo`: a client and a server in one process, over real sockets, told flight by flight.

use core::fmt::Display;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::{Arc, mpsc};
use std::thread;

use dtls_core::crypto::{CryptoProvider, PinnedCertificates, ring};
use dtls_core::{ClientConfig, Role, ServerConfig, Stats};
use dtls_std::{ConnectError, Endpoint, Options, ServerName, Session, SessionError, Tap, connect_with, listen_with};

use crate::args::{DemoArgs, KeyType};
use crate::both_roles::WeatherArgs;
use crate::cert::SelfSigned;
use crate::connected::{Checks, Connected};
use crate::echo::echo;
use crate::flights::Flights;
use crate::output::{Failed, Line, Output};
use crate::report::Outcome;
use crate::usage::UsageError;
use crate::weather::Weather;

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs) -> Result<Outcome, UsageError> {
    let demo = Demo::new(args)?;
    let (endpoint, address) = demo.listen()?;
    thread::scope(|scope| {
        let (account, served) = mpsc::channel();
        let serving = || {
            if let Some(served) = serve(&endpoint) {
                // Somebody waits for it, below.
                let _ = account.send(served);
            }
            drop(account);
        };
        thread::Builder::new()
            .name("dtls-session".to_owned())
            .spawn_scoped(scope, serving)
            .map_err(|error| UsageError::new("dtls demo", format!("no thread can be started: {error}")))?;
        let client = demo.connect(address);
        let outcome = match client {
            Ok(client) => demo.talk(&client),
            Err(error) => Err(demo.handshake_failure(address, &error)),
        };
        // The close_notify may have been lost, or there was never a session: then the server must be told to end.
        let served = served.recv_timeout(Duration::from_secs(1)).or_else(|_| {
            endpoint.close();
            served.recv()
        });
        Ok(demo.conclude(outcome, served.ok()))
    })
}

/// Everything that both sides need.
struct Demo {
    output: Output,
    provider: Arc<CryptoProvider>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    weather: WeatherArgs,
}

/// What one side has to tell in the end.
struct Account {
    exported: Vec<u8>,
    stats: Stats,
}

/// What the client has to tell.
struct Conversation {
    connected: Connected,
    account: Account,
    /// Whether what was sent came back.
    has_echo: bool,
}

impl Demo {
    fn new(args: &DemoArgs) -> Result<Self, UsageError> {
        let output = Output::new(args.json);
        let wrong = |error: &dyn Display| UsageError::new("dtls demo", error);
        let provider = Arc::new(ring::provider());
        output.say("DEMO", "a server and a client in this process talk DTLS 1.2 over UDP on 127.0.0.1");
        let made = SelfSigned::make("dtls demo", vec![NAME.to_owned()], KeyType::P256)?;
        output.say(
            "CERTIFICATE",
            format!("made just now, for \"{NAME}\"; the client is told to trust this one and no other"),
        );
        let server = ServerConfig::builder(Arc::clone(&provider))
            .identity(made.identity("dtls demo", &provider)?)
            .configure(|settings| settings.alpn = vec![PROTOCOL.to_vec()])
            .build()
            .map_err(|error| wrong(&error))?;
        let trust = PinnedCertificates::new([made.cert.clone()]).map_err(|error| wrong(&error))?;
        let client = ClientConfig::builder(Arc::clone(&provider))
            .trust(Arc::new(trust))
            .without_identity()
            .configure(|settings| settings.alpn = vec![PROTOCOL.to_vec()])
            .build()
            .map_err(|error| wrong(&error))?;
        // The seed of both sides is told once, here.
        let weather = WeatherArgs { seed: Some(args.weather.seed()), ..args.weather.clone() };
        Ok(Self { output, provider, server: Arc::new(server), client: Arc::new(client), weather })
    }

    /// The options of one side, whose weather is not that of the other.
    fn options(&self, role: Role) -> Options {
        let offset = u64::from(role == Role::Server);
        let seed = self.weather.seed.map(|seed| seed.wrapping_add(offset));
        let weather = Weather::new(&WeatherArgs { seed, ..self.weather.clone() });
        let tap: Box<dyn Tap> = Box::new(Flights::new(self.output, role, weather));
        Options { tap: Some(tap), ..Options::default() }
    }

    fn listen(&self) -> Result<(Endpoint, SocketAddr), UsageError> {
        let here = (Ipv4Addr::LOCALHOST, 0);
        let endpoint = listen_with(here, Arc::clone(&self.server), self.options(Role::Server))
            .map_err(|error| UsageError::new("dtls demo", format!("no socket on 127.0.0.1: {error}")))?;
        let address = endpoint.local_addr();
        self.output.print(&Line::Listening(address));
        Ok((endpoint, address))
    }

    fn connect(&self, address: SocketAddr) -> Result<Session, ConnectError> {
        let name = ServerName::try_from(NAME).ok();
        connect_with(address, name, Arc::clone(&self.client), self.options(Role::Client))
    }

    /// The client's part once it is connected.
    fn talk(&self, session: &Session) -> Result<Conversation, Failed> {
        let (info, peer) = (session.info(), session.remote_addr());
        let time = session.stats().handshake_time.unwrap_or_default();
        self.output.say("HANDSHAKE", format!("done in {time:.1?}: both sides have keys that nobody else has"));
        let failed = |error: &dyn Display| Failed::because(peer, error);
        let has_echo = self.echo(session).map_err(|error| failed(&error))?;
        let exported =
            session.export_keying_material(LABEL.as_bytes(), None, EXPORTED).map_err(|error| failed(&error))?;
        session.close();
        let connected = Connected::new(&self.provider, peer, &info, Checks::Credential);
        Ok(Conversation { connected, account: Account { exported, stats: session.stats() }, has_echo })
    }

    /// Sends until something comes back: DTLS repeats handshakes and never data.
    fn echo(&self, session: &Session) -> Result<bool, SessionError> {
        for _ in 0..PATIENCE {
            self.output.print(&Line::Sent(GREETING));
            session.send(GREETING)?;
            if let Some(payload) = session.recv_vec_timeout(Duration::from_millis(500))? {
                self.output.print(&Line::Received(&payload));
                return Ok(payload == GREETING);
            }
        }
        Ok(false)
    }

    fn handshake_failure(&self, address: SocketAddr, error: &ConnectError) -> Failed {
        match error {
            ConnectError::Handshake { peer, error, .. } => Failed::of(*peer, error),
            other => Failed::because(address, other),
        }
    }

    fn conclude(&self, outcome: Result<Conversation, Failed>, served: Option<Account>) -> Outcome {
        let (Conversation { connected, account, has_echo }, served) = match (outcome, served) {
            (Ok(conversation), Some(served)) => (conversation, served),
            (Ok(conversation), None) => {
                let peer = conversation.connected.peer;
                self.output.print(&Line::Failed(&Failed::because(peer, "the server never had a session")));
                return Outcome::Failed;
            }
            (Err(failed), _) => {
                self.output.print(&Line::Failed(&failed));
                return Outcome::Failed;
            }
        };
        self.tell_parameters(&connected);
        self.output.print(&Line::Exporter { label: LABEL, client: &account.exported, server: &served.exported });
        self.output.print(&Line::SideStats(Role::Client, &account.stats));
        self.output.print(&Line::SideStats(Role::Server, &served.stats));
        let next =
            "dtls server --self-signed localhost, and in another terminal: dtls client localhost:4433 --insecure";
        self.output.say("NEXT", next);
        if has_echo && account.exported == served.exported { Outcome::Done } else { Outcome::CheckFailed }
    }

    /// One line of words for machines, several for people.
    fn tell_parameters(&self, connected: &Connected) {
        if self.output == Output::Json {
            return self.output.print(&Line::Connected(connected));
        }
        let say = |word, value: &dyn Display| self.output.say(word, value);
        say("VERSION", &connected.version);
        say("CIPHER", &connected.cipher);
        if let Some((group, signature)) = connected.group.zip(connected.signature) {
            say("GROUP", &group);
            say("SIGNATURE", &signature);
        }
        say("ALPN", &String::from_utf8_lossy(connected.alpn.as_deref().unwrap_or_default()));
        let bound = if connected.extended_master_secret { "yes" } else { "no" };
        say("EMS", &format!("{bound}: the keys are bound to this handshake (RFC 7627)"));
        if let Some(certificate) = &connected.certificate {
            say("PEER", &certificate.fingerprint);
        }
    }
}

/// The server's part: sends everything back until the client closes.
fn serve(endpoint: &Endpoint) -> Option<Account> {
    let session = loop {
        match endpoint.accept() {
            Ok(session) => break session,
            Err(dtls_std::AcceptError::Handshake { .. }) => {}
            Err(_) => return None,
        }
    };
    let exported = session.export_keying_material(LABEL.as_bytes(), None, EXPORTED).unwrap_or_default();
    // The client tells of both ways, and of the end.
    let _ = echo(&session, |_| ());
    Some(Account { exported, stats: session.stats() })
}

const NAME: &str = "localhost";
const PROTOCOL: &[u8] = b"echo";
const GREETING: &[u8] = b"hello";
/// How often the greeting is sent at most.
const PATIENCE: usize = 20;
/// What a media stack would ask for (RFC 5764 section 4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";
const EXPORTED: usize = 60;
