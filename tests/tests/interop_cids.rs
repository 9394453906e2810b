//! Connection IDs with Mbed TLS and wolfSSL, both roles, over loopback: lengths, and clients whose ports change in the
//! midst of a session.
//!
//! Each peer is a small program around the library, built by `tests/peers/build`. Where it is not built the tests say so and
//! skip; with `DTLS_REQUIRE_PEERS=1` that is a failure. Ours is an endpoint and a socket, here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use dtls_core::config::{ConnectionIdUse, RandomConnectionId};
use dtls_core::crypto::{CryptoProvider, PskIdentity, Psks, ring};
use dtls_core::wire::enums::CipherSuiteId;
use dtls_core::{ClientConfig, Instant, Role, ServerConfig, Settings};
use dtls_endpoint::{AddressChange, CookiePolicy, Endpoint, Event, Handle, Limits};
use dtls_tests::interop::process::Process;
use dtls_tests::interop::{Trouble, announce, dtls, is_at_hand, same};

/// As they stand in `tests/peers/`.
const IDENTITY: &[u8] = b"roamer";
const KEY: &[u8] = b"0123456789abcdef";

/// Our end: an endpoint, its socket, and the one session.
struct Ours {
    socket: UdpSocket,
    endpoint: Endpoint<SocketAddr>,
    began: std::time::Instant,
    session: Option<Handle>,
    events: Vec<Event>,
    payloads: Vec<Vec<u8>>,
}

impl Ours {
    fn new(role: Role, ids: &ConnectionIdUse) -> Self {
        let mut endpoint =
            Endpoint::new(Instant::ORIGIN, server_config(role, ids), CookiePolicy::Required, Limits::default())
                .unwrap();
        endpoint.set_address_change(AddressChange::Follow);
        Self { socket: socket(), endpoint, began: clock(), session: None, events: vec![], payloads: vec![] }
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.began.elapsed())
    }

    /// Carries what comes and goes until `done`.
    fn run_until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) -> Result<(), Trouble> {
        let mut buffer = vec![0; 65_536];
        let patience = clock() + PATIENCE;
        while !done(self) {
            if clock() > patience {
                return Err(Trouble::new(format!(
                    "ours did not come to {what}: {:?}, {:?}",
                    self.events, self.payloads
                )));
            }
            let now = self.now();
            self.endpoint.handle_timeout(now);
            let mut out = Vec::new();
            while let Some(to) = self.endpoint.poll_transmit(now, &mut out) {
                self.socket.send_to(&out, to).map_err(Trouble::new)?;
                out.clear();
            }
            while let Some((handle, _, event)) = self.endpoint.poll_event() {
                self.session.get_or_insert(handle);
                self.events.push(event);
            }
            match self.socket.recv_from(&mut buffer) {
                Ok((len, from)) => {
                    let now = self.now();
                    let payloads = &mut self.payloads;
                    let datagram = buffer.get_mut(..len).unwrap_or_default();
                    payloads.extend(self.endpoint.receive(now, from, datagram).map(|(_, payload)| payload.to_vec()));
                }
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
                // Word that nobody listened to the datagram before.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(Trouble::new(error)),
            }
        }
        Ok(())
    }

    fn session(&self) -> Result<Handle, Trouble> {
        self.session.ok_or_else(|| Trouble::new("there is no session"))
    }

    fn send(&mut self, payload: &str) -> Result<(), Trouble> {
        let (mut datagram, handle) = (Vec::new(), self.session()?);
        let to = self.endpoint.send(handle, payload.as_bytes(), &mut datagram).map_err(Trouble::new)?;
        self.socket.send_to(&datagram, to).map(drop).map_err(Trouble::new)
    }

    fn await_payload(&mut self, payload: &str) -> Result<(), Trouble> {
        let count = self.payloads.len();
        self.run_until(payload, |ours| ours.payloads.len() > count)?;
        same("what ours read", self.payloads.last().map(Vec::as_slice), Some(payload.as_bytes()))
    }

    /// What the session has agreed on, as the peer prints it: theirs is our other one.
    fn ids_as_they_see_them(&self) -> Result<String, Trouble> {
        let info = self.endpoint.info(self.session()?).ok_or_else(|| Trouble::new("ours is not connected"))?;
        let word = |bytes: &[u8]| if bytes.is_empty() { "-".to_owned() } else { hex::encode(bytes) };
        Ok(info.connection_ids.as_ref().map_or_else(
            || " own=off peer=off".to_owned(),
            |ids| format!(" own={} peer={}", word(ids.remote.as_bytes()), word(ids.local.as_bytes())),
        ))
    }
}

#[expect(clippy::disallowed_methods, reason = "other people's processes run in real time")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(GLANCE)).expect("a timeout");
    socket
}

fn configure(ids: &ConnectionIdUse) -> impl Fn(&mut Settings) {
    let ids = ids.clone();
    move |settings| {
        settings.cipher_suites = vec![CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256];
        settings.connection_id = ids.clone();
    }
}

fn psk() -> PskIdentity {
    PskIdentity::new(IDENTITY.to_vec(), KEY.to_vec()).expect("an identity and its key")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::provider())
}

fn server_config(role: Role, ids: &ConnectionIdUse) -> Option<Arc<ServerConfig>> {
    let builder = ServerConfig::builder(provider()).preshared_keys(Arc::new(Psks::new().with(psk())));
    (role == Role::Server).then(|| Arc::new(builder.configure(configure(ids)).build().expect("settings that work")))
}

fn client_config(ids: &ConnectionIdUse) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder(provider()).preshared_key(Arc::new(psk()));
    Arc::new(builder.configure(configure(ids)).build().expect("settings that work"))
}

/// What we want, and what the peer is told to want: bytes in hexadecimal, `-` for an ID without bytes, `off`.
struct Case {
    ours: Option<u8>,
    theirs: &'static str,
}

/// A session from its first datagram to its last; the client changes its port twice where the server can know it.
fn meet(peer: &'static str, our_role: Role, case: &Case) -> Result<(), Trouble> {
    let theirs = if case.theirs == "long" { "5a".repeat(255) } else { case.theirs.to_owned() };
    let ids =
        case.ours.map_or(ConnectionIdUse::Off, |len| ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(len))));
    let mut ours = Ours::new(our_role, &ids);
    let mut peer = match our_role {
        Role::Server => {
            let port = ours.socket.local_addr().map_err(Trouble::new)?.port();
            start(peer, &["client", &port.to_string(), &theirs])?
        }
        Role::Client => {
            let peer = start(peer, &["server", "0", &theirs])?;
            let port: u16 = peer.await_line("PORT ")?.parse().map_err(Trouble::new)?;
            let (now, to) = (ours.now(), SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            let begun = ours.endpoint.connect(now, to, client_config(&ids), None);
            ours.session = Some(begun.map_err(|error| Trouble::new(format!("{error:?}")))?);
            peer
        }
    };
    ours.run_until("a session", |ours| ours.events.contains(&Event::Connected))?;
    // A last flight that is lost on its way would be repeated by whoever runs.
    ours.run_until("being heard", |_| peer.says("CONNECTED", GLANCE))?;
    // For Mbed TLS, IDs without bytes in both directions are none.
    let [theirs, of_ours] =
        [peer_words(&peer)?, ours.ids_as_they_see_them()?].map(|words| words.replace(EMPTY, " own=off peer=off"));
    same("the IDs", theirs, of_ours)?;
    let speak = |ours: &mut Ours, peer: &mut Process, words: &str| {
        peer.say(&format!("send {words} of theirs\n"))?;
        ours.await_payload(&format!("{words} of theirs"))?;
        ours.send(&format!("{words} of ours"))?;
        peer.await_line(&format!("READ {words} of ours")).map(drop)
    };
    speak(&mut ours, &mut peer, "a word")?;
    // The ID that a client needs to be known elsewhere is the one that the server wants.
    let server_has_id = case.ours.is_some()
        && match our_role {
            Role::Server => case.ours != Some(0) && case.theirs != "off",
            Role::Client => !["off", "-"].contains(&case.theirs),
        };
    if server_has_id {
        for words in ["moved once", "moved twice"] {
            if our_role == Role::Server {
                peer.say("rebind\n")?;
                speak(&mut ours, &mut peer, words)?;
                ours.run_until("the move", |ours| ours.events.last() == Some(&Event::AddressChanged))?;
                ours.events.pop();
            } else {
                ours.socket = socket();
                ours.send(&format!("{words} of ours"))?;
                peer.await_line(&format!("READ {words} of ours"))?;
                peer.say(&format!("send {words} of theirs\n"))?;
                ours.await_payload(&format!("{words} of theirs"))?;
            }
        }
    }
    let session = ours.session()?;
    let stats = ours.endpoint.session_stats(session).ok_or_else(|| Trouble::new("no session"))?;
    same("what ours discarded", stats.discarded_in_all(), 0)?;
    if our_role == Role::Server {
        peer.say("close\n")?;
        ours.run_until("the end", |ours| ours.events.last() == Some(&Event::Closed))?;
    } else {
        ours.endpoint.close(session);
        ours.run_until("the peer's end", |_| peer.says("CLOSED", GLANCE))?;
    }
    peer.finish()?.expect_code(0)
}

fn start(name: &'static str, args: &[&str]) -> Result<Process, Trouble> {
    let mut command = Command::new(path_of(name));
    command.args(args);
    Process::start(name, command)
}

fn path_of(name: &str) -> PathBuf {
    dtls::target_directory().join("peers").join(name)
}

const PATIENCE: Duration = Duration::from_secs(20);
/// How long is waited for a datagram or a line before the other is looked at.
const GLANCE: Duration = Duration::from_millis(20);

fn peer_words(peer: &Process) -> Result<String, Trouble> {
    Ok(format!(" {}", peer.await_line("CONNECTED")?.trim()))
}

const EMPTY: &str = " own=- peer=-";

/// Pairs of lengths with a peer that is called so and has IDs of so many bytes at most, in both roles.
fn meet_all(peer: &'static str, longest: usize) {
    if !is_at_hand(path_of(peer).exists(), peer, "a C compiler and run tests/peers/build") {
        return;
    }
    let cases = [
        (None, "off"),
        (None, "a1a2a3a4"),
        (Some(8), "off"),
        (Some(0), "-"),
        (Some(8), "-"),
        (Some(0), "a1a2a3a4"),
        (Some(8), "a1a2a3a4"),
        (Some(1), "a1a2a3a4a5a6a7a8a9aaabacadaeaf"),
        (Some(255), "-"),
        (Some(8), "long"),
        (Some(255), "long"),
    ];
    let len_of = |theirs: &str| if theirs == "long" { 255 } else { theirs.len() / 2 };
    let is_short = |(ours, theirs): &(Option<u8>, &str)| usize::from(ours.unwrap_or(0)).max(len_of(theirs)) <= longest;
    let cases: Vec<_> = cases.into_iter().filter(is_short).collect();
    for our_role in [Role::Server, Role::Client] {
        for &(ours, theirs) in &cases {
            let met = meet(peer, our_role, &Case { ours, theirs });
            met.unwrap_or_else(|trouble| panic!("as {our_role:?}, ours wants {ours:?} and theirs {theirs}: {trouble}"));
        }
    }
    announce(&format!("{peer}: {} sessions with connection IDs, both roles", 2 * cases.len()));
}

#[test]
fn connection_ids_of_every_length_work_in_both_roles_and_clients_may_change_their_port() {
    meet_all("mbedtls-peer", 255);
}

#[test]
fn connection_ids_work_with_wolfssl_too() {
    meet_all("wolfssl-peer", 10);
}
