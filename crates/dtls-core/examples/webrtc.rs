//! Two ends of a WebRTC call in one process, without a socket: certificates known by fingerprint, SRTP keys as the result.
//!
//! `cargo run -p dtls-core --example webrtc`
//!
//! ```text
//!   offerer   a=setup:actpass, a=fingerprint ─────▶                     "be whichever you like"
//!             ◀───────────── a=setup:active, a=fingerprint  answerer    "then I begin"
//!
//!   passive: DTLS server ◀──── the path that ICE has checked ────▶ active: DTLS client
//!                         STUN, DTLS, RTP and RTCP share its ports
//! ```

use core::error::Error;
use core::time::Duration;
use std::sync::Arc;

use dtls_core::config::ClientAuthentication;
use dtls_core::crypto::{CryptoProvider, Fingerprint, Fingerprints, Identity, ring};
use dtls_core::{ClientConfig, Connection, Event, Instant, Role, ServerConfig, Settings};
use rustls_pki_types::PrivateKeyDer;

fn main() -> Result<(), Box<dyn Error>> {
    let provider = Arc::new(ring::provider());
    let offerer = Party::new(&provider)?;
    let answerer = Party::new(&provider)?;

    // Signalling carries both descriptions. Whoever can change them there can be anybody: DTLS is as trustworthy as
    // the way the fingerprints came (RFC 8122 section 7).
    let offer = offerer.describe("actpass");
    let answer = answerer.describe("active");
    println!("offer\n{offer}\nanswer\n{answer}\n");

    // RFC 8842 section 5: the answer decides. Active sends the ClientHello, passive waits for it; who offered the call
    // says nothing about who is the client.
    if role(&answer) != Some(Role::Client) {
        return Err("the answerer of this example is active".into());
    }
    let server_config = offerer.passive(&provider, &answer)?;
    let client_config = answerer.active(&provider, &offer)?;

    // A clock that stands still is enough where nothing is lost.
    let now = Instant::ORIGIN;
    // ICE has exchanged checks both ways, so each end is known to receive where it sends from, and no cookie is
    // needed. On a path without such consent use `CookieJar` and `Connection::accept`.
    let mut server = Connection::accept_on_trusted_path(server_config, now);
    // Nobody's name is checked, only fingerprints, so there is no server to name.
    let mut client = Connection::connect(client_config, None, now)?;
    // The checks have also measured the path: a flight that is lost is repeated after three round trips.
    for end in [&mut client, &mut server] {
        end.set_round_trip_hint(Duration::from_millis(10));
    }

    // What else arrives on the same port: a consent check of ICE, and media whose keys are still to come.
    deliver("client -> server", &mut server, now, &mut [0x00, 0x01, 0x00, 0x00]);
    deliver("client -> server", &mut server, now, &mut [0x80, 0x60, 0x00, 0x01]);
    let mut datagram = Vec::new();
    loop {
        datagram.clear();
        if client.poll_transmit(now, &mut datagram) {
            deliver("client -> server", &mut server, now, &mut datagram);
        } else if server.poll_transmit(now, &mut datagram) {
            deliver("server -> client", &mut client, now, &mut datagram);
        } else {
            break;
        }
    }

    for end in [&mut client, &mut server] {
        match end.poll_event() {
            Some(Event::Connected) => {}
            // A certificate whose fingerprint was not in the description ends here, as Failed(Certificate(NotPinned)).
            other => return Err(format!("the handshake did not complete: {other:?}").into()),
        }
    }

    // An error if the two have no SRTP profile in common: then there is no call, only an encrypted channel.
    let ours = client.srtp_keys()?;
    let theirs = server.srtp_keys()?;
    println!("{}", ours.profile());
    println!("master keys of {} bytes, master salts of {} bytes", ours.local_key().len(), ours.local_salt().len());
    // Each end protects with its local keys and opens with its remote ones. Only here are both ends at hand to compare.
    let to_server = ours.local_key() == theirs.remote_key() && ours.local_salt() == theirs.remote_salt();
    let to_client = theirs.local_key() == ours.remote_key() && theirs.local_salt() == ours.remote_salt();
    println!("client -> server: both ends have the same keys: {to_server}");
    println!("server -> client: both ends have the same keys: {to_client}");
    println!("one pair for each direction: {}", ours.local_key() != ours.remote_key());
    if !(to_server && to_client) {
        return Err("the ends have different keys".into());
    }

    // Media is now protected by SRTP and never passes through DTLS again. Data channels do: SCTP is application data.
    datagram.clear();
    client.send(b"SCTP speaks here", &mut datagram)?;
    deliver("client -> server", &mut server, now, &mut datagram);
    Ok(())
}

/// One end of the call before the roles are known: a certificate made for this call alone.
struct Party {
    identity: Identity,
    fingerprint: Fingerprint,
}

impl Party {
    fn new(provider: &CryptoProvider) -> Result<Self, Box<dyn Error>> {
        // Nobody looks at the name.
        let made = rcgen::generate_simple_self_signed(["webrtc".to_owned()])?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
        let fingerprint = Fingerprint::of(provider, made.cert.der());
        let identity = Identity::new(provider, vec![made.cert.der().clone()], key)?;
        Ok(Self { identity, fingerprint })
    }

    /// The lines of a session description that concern DTLS (RFC 8122 section 5, RFC 8842 section 5).
    fn describe(&self, setup: &str) -> String {
        format!("a=setup:{setup}\na=fingerprint:{}", self.fingerprint)
    }

    /// The DTLS client: `a=setup:active`.
    fn active(&self, provider: &Arc<CryptoProvider>, theirs: &str) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
        let config = ClientConfig::builder(Arc::clone(provider))
            .trust(Arc::new(trust(provider, theirs)?))
            .identity(self.identity.clone())
            .configure(Settings::for_webrtc);
        Ok(Arc::new(config.build()?))
    }

    /// The DTLS server: `a=setup:passive`. It must ask for the client's certificate, or only one end would know whom it
    /// talks to (RFC 5763 section 5).
    fn passive(&self, provider: &Arc<CryptoProvider>, theirs: &str) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
        let config = ServerConfig::builder(Arc::clone(provider))
            .identity(self.identity.clone())
            .client_authentication(ClientAuthentication::Require(Arc::new(trust(provider, theirs)?)))
            .configure(Settings::for_webrtc);
        Ok(Arc::new(config.build()?))
    }
}

/// Trust in whoever holds a certificate that the description names. There may be several; one has to match.
fn trust(provider: &CryptoProvider, description: &str) -> Result<Fingerprints, Box<dyn Error>> {
    let values = description.lines().filter_map(|line| line.strip_prefix("a=fingerprint:"));
    // Descriptions may also name fingerprints by hashes that are not known here: those are left out.
    let known: Vec<Fingerprint> = values.filter_map(|value| value.parse().ok()).collect();
    Ok(Fingerprints::new(provider, known)?)
}

/// The DTLS role that an answer's `a=setup` takes for its sender.
fn role(description: &str) -> Option<Role> {
    match description.lines().find_map(|line| line.strip_prefix("a=setup:"))? {
        "active" => Some(Role::Client),
        "passive" => Some(Role::Server),
        // "actpass" leaves the choice to the other end, and "holdconn" begins nothing.
        _ => None,
    }
}

/// Tells by the first byte what a datagram is (RFC 7983 section 7), and gives the connection what is its own.
fn deliver(way: &str, to: &mut Connection, now: Instant, datagram: &mut [u8]) {
    let kind = match datagram.first() {
        Some(0..=3) => "STUN",
        Some(16..=19) => "ZRTP",
        Some(20..=63) => "DTLS",
        Some(64..=79) => "TURN channel data",
        Some(128..=191) => "RTP or RTCP",
        _ => "nothing known",
    };
    println!("{way} {:4} bytes: {kind}", datagram.len());
    if kind == "DTLS" {
        for payload in to.receive(now, datagram) {
            println!("got {:?}", String::from_utf8_lossy(payload));
        }
    }
}
