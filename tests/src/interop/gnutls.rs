//! GnuTLS in the place of openssl: how `gnutls-serv` and `gnutls-cli` call things, and what their lines mean.
//!
//! What gnutls-serv tells of a DTLS session it tells only as debugging messages, and nothing of exported bytes. So both sides
//! write their master secrets to a file, and those are compared, in both roles.

use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::fs;
use std::process::Command;

use dtls_core::Role;

use super::authority::{Authority, Leaf};
use super::encounter::{
    A_WHILE, Asks, Chat, EXPORT_LABEL, Encounter, FallingOut, Form, PING, Party, Talk, address, words,
};
use super::process::{Finished, Process};
use super::relay::{Losses, Relay};
use super::{Trouble, dtls, has_peer, is_at_hand, ports, same};

/// Whether this machine has both commands, and openssl, which makes the certificates. If not, says so where it is seen.
///
/// # Panics
/// If one is missing and `DTLS_REQUIRE_PEERS=1` demands it.
#[must_use]
pub fn is_installed() -> bool {
    let found = |name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let all = ["gnutls-cli", "gnutls-serv"].into_iter().all(|name| is_at_hand(found(name), name, "gnutls-bin"));
    all && has_peer("openssl", "version")
}

/// What `gnutls-cli --version` says.
#[must_use]
pub fn version() -> String {
    let output = Command::new("gnutls-cli").arg("--version").output();
    let said = output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).into());
    said.lines().next().unwrap_or_default().to_owned()
}

/// Connects them, lets them talk, ends the session, and checks that both saw the same.
///
/// # Errors
/// If anything was otherwise than it should be.
pub fn talk(encounter: &Encounter) -> Result<Talk, Trouble> {
    let told = |trouble: Trouble| trouble.and(format!("    in {encounter:?}"));
    let meeting = Meeting::begin(encounter).map_err(told)?;
    let keys = meeting.keys.clone();
    let talk = meeting.talk(encounter).map_err(told)?;
    let both = |trouble| told(trouble).and(talk.ours.trouble("said:")).and(talk.theirs.trouble("said:"));
    check(encounter, &talk, &keys).map_err(both)?;
    Ok(talk)
}

/// Lets them meet where it cannot end well: our side must exit with 1 over these alerts, and theirs say `theirs`.
///
/// # Errors
/// If they do not.
pub fn fall_out(
    encounter: &Encounter,
    alert_sent: &str,
    alert_received: &str,
    theirs: &str,
) -> Result<FallingOut, Trouble> {
    let met = Meeting::begin(encounter).and_then(|meeting| meeting.part(encounter, FAILED, theirs));
    let met = met.and_then(|met| met.expect(alert_sent, alert_received, theirs).map(|()| met));
    met.map_err(|trouble| trouble.and(format!("    in {encounter:?}")))
}

/// Lets them meet where one of them does not answer any more: our side must exit with 3 when its time is over, without an
/// alert in either direction, and theirs say `theirs`.
///
/// # Errors
/// If they do not.
pub fn fall_silent(encounter: &Encounter, theirs: &str) -> Result<FallingOut, Trouble> {
    // Time for a flight, and once again.
    let encounter = encounter.clone().ours(&["--first-timeout", "400", "--handshake-timeout", "1"]);
    let met = Meeting::begin(&encounter).and_then(|meeting| meeting.part(&encounter, TIMED_OUT, theirs));
    let met = met.and_then(|met| met.expect("-", "-", theirs).map(|()| met));
    met.map_err(|trouble| trouble.and(format!("    in {encounter:?}")))
}

/// Both processes, and what is between them: for what [`talk`] does not say.
#[derive(Debug)]
pub struct Meeting {
    /// `dtls`.
    pub ours: Process,
    /// `gnutls-serv` or `gnutls-cli`.
    pub theirs: Process,
    /// What is between them.
    pub relay: Relay,
    keys: KeyLogs,
}

impl Meeting {
    /// Starts both.
    ///
    /// # Errors
    /// If one of them cannot be started.
    pub fn begin(encounter: &Encounter) -> Result<Self, Trouble> {
        let keys = KeyLogs::new();
        let ours = |args: Vec<String>| dtls::command(args.iter().map(String::as_str).chain(["--keylog", &keys.ours]));
        let (ours, theirs, relay) = match encounter.role {
            Role::Client => {
                let (theirs, server) = start_server(&server_arguments(encounter), &keys.theirs)?;
                let relay = Relay::start(server, encounter.losses)?;
                let ours = Process::start("dtls client", ours(encounter.our_client(relay.address())))?;
                (ours, theirs, relay)
            }
            Role::Server => {
                let ours = Process::start("dtls server", ours(encounter.our_server()))?;
                let server = address(&ours.await_line("LISTENING ")?)?;
                let relay = Relay::start(server, encounter.losses)?;
                let args = client_arguments(encounter, relay.address());
                let theirs = Process::start("gnutls-cli", command("gnutls-cli", &args, &keys.theirs))?;
                (ours, theirs, relay)
            }
        };
        Ok(Self { ours, theirs, relay, keys })
    }

    fn talk(self, encounter: &Encounter) -> Result<Talk, Trouble> {
        match encounter.role {
            Role::Client => self.talk_as_client(encounter),
            Role::Server => self.talk_as_server(encounter),
        }
    }

    fn talk_as_client(self, encounter: &Encounter) -> Result<Talk, Trouble> {
        let Self { ours, theirs, relay, .. } = self;
        let port = relay.address().port();
        let ours = ours.finish().map_err(|trouble| trouble.and(theirs.trouble("said:")))?;
        if encounter.chat == Chat::Echo {
            theirs.await_text(CLOSE_NOTIFY).map_err(|trouble| trouble.and(ours.trouble("said:")))?;
        }
        // It waits for the next client.
        Ok(Talk { ours, theirs: theirs.halt(), passed: relay.finish(), port })
    }

    fn talk_as_server(self, encounter: &Encounter) -> Result<Talk, Trouble> {
        let Self { ours, mut theirs, relay, .. } = self;
        let port = relay.address().port();
        let blame = |trouble: Trouble| trouble.and(ours.trouble("said:"));
        theirs.await_line("- Handshake was completed").map_err(blame)?;
        for _ in 0..encounter.chat.times() {
            theirs.say(PING)?;
            if theirs.says(PING.trim_end(), A_WHILE) {
                break;
            }
        }
        theirs.await_text(PING.trim_end()).map_err(blame)?;
        match encounter.ends {
            Party::Ours => ours.terminate()?,
            Party::Theirs => theirs.hang_up(),
        }
        if encounter.losses != Losses::None {
            // The close_notify may be lost: it is said once.
            ours.terminate()?;
            return Ok(Talk { ours: ours.finish()?, theirs: theirs.halt(), passed: relay.finish(), port });
        }
        theirs.await_text("- Peer has closed the GnuTLS connection").map_err(blame)?;
        let theirs = theirs.finish()?;
        theirs.expect_code(0)?;
        Ok(Talk { ours: ours.finish()?, theirs, passed: relay.finish(), port })
    }

    fn part(self, encounter: &Encounter, our_code: i32, their_words: &str) -> Result<FallingOut, Trouble> {
        let Self { ours, theirs, relay, .. } = self;
        let (ours, theirs) = if encounter.role == Role::Client && our_code == TIMED_OUT {
            // After an error it would look at our next datagram over and over.
            theirs.await_text(their_words).map_err(|trouble| trouble.and(ours.trouble("said:")))?;
            let theirs = theirs.halt();
            (ours.finish().map_err(|trouble| trouble.and(theirs.trouble("said:")))?, theirs)
        } else {
            let ours = ours.finish().map_err(|trouble| trouble.and(theirs.trouble("said:")))?;
            theirs.await_text(their_words).map_err(|trouble| trouble.and(ours.trouble("said:")))?;
            // gnutls-cli may go on sending its flight for most of a minute, whatever alert it has received.
            (ours, theirs.halt())
        };
        ours.expect_code(our_code).map_err(|trouble| trouble.and(theirs.trouble("said:")))?;
        Ok(FallingOut { ours, theirs, passed: relay.finish() })
    }
}

// --- what they are told ---

fn client_arguments(encounter: &Encounter, server: SocketAddr) -> Vec<String> {
    let expects = encounter.client_expects;
    let mut args = words(&[&server.ip().to_string(), "--port", &server.port().to_string()]);
    args.extend(match encounter.form {
        Form::Certificates => words(&["--x509cafile", &encounter.client_trusts, "--verify-hostname", expects]),
        // It cannot be told whose bare key to trust, and has only to know whose it is.
        Form::BareKeys => words(&["--insecure"]),
    });
    args.extend(words(&["--sni-hostname", expects]));
    args.extend(words(&["--keymatexport", EXPORT_LABEL, "--keymatexportsize", &encounter.export_len.to_string()]));
    if let Some(leaf) = encounter.client_leaf {
        args.extend(shown(encounter.form, leaf));
    }
    args.extend(shared_arguments(encounter));
    args
}

fn server_arguments(encounter: &Encounter) -> Vec<String> {
    let mut args = words(&["--echo"]);
    args.extend(shown(encounter.form, encounter.server_leaf));
    args.extend(words(&["--x509cafile", &Authority::of_this_run().ca()]));
    args.extend(words(match (encounter.server_asks, encounter.form) {
        (Asks::Nothing, _) => &["--disable-client-cert"],
        (Asks::Politely, Form::Certificates) => &["--verify-client-cert"],
        (Asks::Insistently, Form::Certificates) => &["--verify-client-cert", "--require-client-cert"],
        // As with a server's.
        (Asks::Politely, Form::BareKeys) => &[],
        (Asks::Insistently, Form::BareKeys) => &["--require-client-cert"],
    }));
    args.extend(shared_arguments(encounter));
    args
}

/// What shows a key.
fn shown(form: Form, leaf: Leaf) -> Vec<String> {
    let [cert, key] = leaf.files();
    match form {
        Form::Certificates => words(&["--x509certfile", &cert, "--x509keyfile", &key]),
        Form::BareKeys => words(&["--rawpkfile", &leaf.public_key(), "--rawpkkeyfile", &key]),
    }
}

fn shared_arguments(encounter: &Encounter) -> Vec<String> {
    // Debugging messages of level 5 tell of suites and alerts.
    let mut args = words(&["--udp", "--debug", "5"]);
    if !encounter.theirs.iter().any(|arg| arg == "--priority") {
        args.extend(words(&["--priority"]));
        args.push(match encounter.form {
            Form::Certificates => PRIORITY.to_owned(),
            Form::BareKeys => format!("{PRIORITY}:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"),
        });
    }
    if let Some(mtu) = encounter.mtu {
        args.extend(words(&["--mtu", &mtu.to_string()]));
    }
    args.extend_from_slice(&encounter.theirs);
    args
}

/// What is good enough for GnuTLS by itself, in DTLS 1.2, with pre-shared keys and AES-CCM.
pub const PRIORITY: &str = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:+PSK:+ECDHE-PSK:\
                            +AES-128-CCM:+AES-256-CCM:+AES-128-CCM-8:+AES-256-CCM-8";

fn start_server(args: &[String], key_log: &str) -> Result<(Process, SocketAddr), Trouble> {
    ports::at_free_ports(1, |port| {
        let args = [args, &words(&["--port", &port.to_string()])].concat();
        let server = Process::start("gnutls-serv", command("gnutls-serv", &args, key_log))?;
        // It listens at every address of the machine, and goes on with IPv6 where it cannot have the port with IPv4.
        let listening = format!("IPv4 0.0.0.0 port {port}...");
        let [done, taken] = [format!("{listening}done"), format!("{listening}bind() failed")];
        let is_there = server.await_one_of(&[&done, &taken])? == done;
        Ok(is_there.then(|| (server, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))))
    })
}

fn command(name: &str, args: &[String], key_log: &str) -> Command {
    let mut command = plain_command(name, args);
    command.env("SSLKEYLOGFILE", key_log);
    command
}

/// `gnutls-cli` or `gnutls-serv` without the policies of the machine.
#[must_use]
pub fn plain_command(name: &str, args: &[String]) -> Command {
    let mut command = Command::new(name);
    command.args(args).env("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null");
    command
}

// --- what they must have said ---

fn check(encounter: &Encounter, talk: &Talk, keys: &KeyLogs) -> Result<(), Trouble> {
    encounter.check_ours(talk)?;
    keys.check()?;
    let item = |key| dtls::value(talk.connected()?, key);
    talk.theirs.expect_text(&format!("Selected cipher suite: {}\n", suite_name(item("cipher")?)))?;
    let is_psk = item("psk")? != "-";
    match encounter.role {
        Role::Client => {
            let is_verified = talk.theirs.stderr.contains("verify cert vrfy: using ");
            same("their server verified a signature", is_verified, encounter.client_leaf.is_some())?;
        }
        Role::Server => {
            same("exported bytes", dtls::exported(&talk.ours, EXPORT_LABEL)?, exported(&talk.theirs)?)?;
            same("their options", talk.theirs.line("- Options: ")?, "extended master secret, safe renegotiation,")?;
            if encounter.form == Form::Certificates {
                let is_trusted = talk.theirs.stdout.contains("- Status: The certificate is trusted.");
                same("our certificate is trusted", is_trusted, !is_psk)?;
            } else {
                talk.theirs.expect_text("- Got 1 Raw public-key(s).")?;
            }
        }
    }
    Ok(())
}

/// The bytes that `--keymatexport` has printed.
fn exported(theirs: &Finished) -> Result<Vec<u8>, Trouble> {
    let material = theirs.line("- Key material: ")?;
    hex::decode(material).map_err(|error| Trouble::new(format!("Key material: {material}: {error}")))
}

/// GnuTLS's own name of a suite by IANA's: without WITH, and without the hash behind Poly1305.
fn suite_name(iana: &str) -> String {
    let name = iana.replacen("TLS_", "GNUTLS_", 1).replacen("_WITH_", "_", 1);
    name.replacen("POLY1305_SHA256", "POLY1305", 1)
}

/// The key logs of both sides.
#[derive(Clone, Debug)]
struct KeyLogs {
    ours: String,
    theirs: String,
}

impl KeyLogs {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let [ours, theirs] =
            ["ours", "theirs"].map(|side| Authority::of_this_run().file(&format!("gnutls-{number}-{side}.keys")));
        Self { ours, theirs }
    }

    /// Trouble unless both hold the same master secret.
    fn check(&self) -> Result<(), Trouble> {
        let secrets = |file: &str| -> Result<Vec<String>, Trouble> {
            let text = fs::read_to_string(file).map_err(|error| Trouble::new(format!("{file}: {error}")))?;
            Ok(text.lines().filter(|line| line.starts_with("CLIENT_RANDOM ")).map(str::to_owned).collect())
        };
        let ours = secrets(&self.ours)?;
        same("master secrets", &ours, &secrets(&self.theirs)?)?;
        same("how many master secrets", ours.len(), 1)
    }
}

/// Our exit code after an alert in either direction.
const FAILED: i32 = 1;
/// Our exit code where nobody answers.
const TIMED_OUT: i32 = 3;

/// What a debugging message says of it.
pub const CLOSE_NOTIFY: &str = "Alert[1|0] - Close notify - was received";
