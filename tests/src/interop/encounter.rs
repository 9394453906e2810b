//! One of ours meets one of theirs: both processes, what they are told, and what they must then say.
//!
//! Theirs is openssl here. [`gnutls`](super::gnutls) lets GnuTLS take its place in the same encounters.

use core::net::SocketAddr;
use core::time::Duration;

use dtls_core::Role;
use dtls_core::crypto::x509::fingerprint_text;

use super::authority::{Authority, Leaf};
use super::openssl::{EXPORTED, Suite};
use super::process::{Finished, Process};
use super::relay::{Direction, Losses, Recording, Relay};
use super::{Trouble, dtls, openssl, same};

/// What both sides are told. Change what matters, and [`talk`](Self::talk) or [`fall_out`](Self::fall_out).
#[derive(Clone, Debug)]
pub struct Encounter {
    /// Ours.
    pub role: Role,
    /// Who the server is.
    pub server_leaf: Leaf,
    /// Who the client is, if it can show it.
    pub client_leaf: Option<Leaf>,
    /// Whether the server asks for it.
    pub server_asks: Asks,
    /// In which form both sides show and trust keys.
    pub form: Form,
    /// The file with the root, or the bare key, that the client trusts.
    pub client_trusts: String,
    /// The name that the client wants the server to have.
    pub client_expects: &'static str,
    /// The one suite that our side knows. All, if there is none.
    pub suite: Option<Suite>,
    /// Of both sides; without it, what each thinks right.
    pub mtu: Option<usize>,
    /// How many bytes both sides export.
    pub export_len: usize,
    /// More arguments for our side.
    pub ours: Vec<String>,
    /// More arguments for theirs.
    pub theirs: Vec<String>,
    /// What the network does.
    pub losses: Losses,
    /// What is said once there is a session.
    pub chat: Chat,
    /// Who ends the session, where our side is the server. `s_server` cannot end one in good order over DTLS, so that
    /// our client always does.
    pub ends: Party,
}

impl Encounter {
    /// Our `role`, and the other one with openssl. The server shows `server_leaf`, the client stays anonymous.
    #[must_use]
    pub fn new(role: Role, server_leaf: Leaf) -> Self {
        Self {
            role,
            server_leaf,
            client_leaf: None,
            server_asks: Asks::Nothing,
            form: Form::Certificates,
            client_trusts: Authority::of_this_run().ca(),
            client_expects: "localhost",
            suite: None,
            mtu: None,
            export_len: 60,
            ours: Vec::new(),
            theirs: Vec::new(),
            losses: Losses::None,
            chat: Chat::Echo,
            ends: Party::Theirs,
        }
    }

    /// The server insists on a certificate, and the client has this one.
    #[must_use]
    pub fn mutual(self, client_leaf: Leaf) -> Self {
        Self { client_leaf: Some(client_leaf), server_asks: Asks::Insistently, ..self }
    }

    /// Both sides show keys without certificates, and each trusts the other's.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { form: Form::BareKeys, client_trusts: self.server_leaf.public_key(), ..self }
    }

    /// With more arguments for our side.
    #[must_use]
    pub fn ours(mut self, args: &[&str]) -> Self {
        self.ours.extend(args.iter().map(ToString::to_string));
        self
    }

    /// With more arguments for theirs.
    #[must_use]
    pub fn theirs(mut self, args: &[&str]) -> Self {
        self.theirs.extend(args.iter().map(ToString::to_string));
        self
    }

    /// Connects them, lets them talk, ends the session, and checks that both saw the same.
    ///
    /// # Errors
    /// If anything was otherwise than it should be.
    pub fn talk(&self) -> Result<Talk, Trouble> {
        let talk = match self.role {
            Role::Client => self.talk_as_client(),
            Role::Server => self.talk_as_server(),
        };
        let talk = talk.map_err(|trouble| trouble.and(format!("    in {self:?}")))?;
        let both = |trouble: Trouble| {
            let said = |finished: &Finished| finished.trouble("said:");
            trouble.and(format!("    in {self:?}")).and(said(&talk.ours)).and(said(&talk.theirs))
        };
        self.check(&talk).map_err(both)?;
        Ok(talk)
    }

    /// Lets them meet where it cannot end well: our side must exit with 1, and both must end.
    ///
    /// # Errors
    /// If they do not.
    pub fn fall_out(&self) -> Result<FallingOut, Trouble> {
        self.part_in_anger(None).map_err(|trouble| trouble.and(format!("    in {self:?}")))
    }

    /// Connects them, lets openssl do what `letter` makes it do, and expects the same as [`fall_out`](Self::fall_out).
    ///
    /// # Errors
    /// If they do not connect, or both go on.
    pub fn fall_out_over(&self, letter: &str) -> Result<FallingOut, Trouble> {
        self.part_in_anger(Some(letter)).map_err(|trouble| trouble.and(format!("    in {self:?}")))
    }

    // --- both ways ---

    fn start(&self) -> Result<(Process, Process, Relay), Trouble> {
        match self.role {
            Role::Client => {
                let theirs = Process::start("openssl s_server", openssl::command(self.openssl_server()))?;
                let server = address(&theirs.await_line("ACCEPT ")?)?;
                let relay = Relay::start(server, self.losses)?;
                let ours = Process::start("dtls client", dtls::command(self.our_client(relay.address())))?;
                Ok((ours, theirs, relay))
            }
            Role::Server => {
                let ours = Process::start("dtls server", dtls::command(self.our_server()))?;
                let server = address(&ours.await_line("LISTENING ")?)?;
                let relay = Relay::start(server, self.losses)?;
                let theirs =
                    Process::start("openssl s_client", openssl::command(self.openssl_client(relay.address())))?;
                Ok((ours, theirs, relay))
            }
        }
    }

    fn talk_as_client(&self) -> Result<Talk, Trouble> {
        let (ours, mut theirs, relay) = self.start()?;
        let port = relay.address().port();
        // s_server refuses -rev with DTLS, so it echoes by hand.
        theirs.await_text(PING.trim_end()).map_err(|trouble| trouble.and(ours.trouble("said:")))?;
        theirs.say(PING)?;
        let ours = ours.finish()?;
        let theirs = match self.chat {
            Chat::Echo => theirs.finish()?,
            // Our close_notify may be lost: it is said once.
            Chat::Insistent | Chat::Silence => theirs.halt(),
        };
        Ok(Talk { ours, theirs, passed: relay.finish(), port })
    }

    fn talk_as_server(&self) -> Result<Talk, Trouble> {
        let (ours, mut theirs, relay) = self.start()?;
        let port = relay.address().port();
        let blame = |trouble: Trouble| trouble.and(ours.trouble("said:"));
        // What is typed before the handshake is complete would wait; what is typed now goes out as it is.
        theirs.await_line(EXPORTED).map_err(blame)?;
        let mut times = self.chat.times();
        loop {
            theirs.say(PING)?;
            times -= 1;
            if times == 0 {
                theirs.await_text(PING.trim_end()).map_err(blame)?;
                break;
            }
            if theirs.says(PING.trim_end(), A_WHILE) {
                break;
            }
        }
        match self.ends {
            Party::Ours => {
                ours.terminate()?;
                theirs.await_text("closed\n").map_err(blame)?;
            }
            Party::Theirs => {
                theirs.say(QUIT)?;
                theirs.await_text("DONE\n").map_err(blame)?;
                if self.losses != Losses::None {
                    // The close_notify may be lost: openssl says it once.
                    ours.terminate()?;
                }
            }
        }
        let ours = ours.finish()?;
        // It has said all, but waits half a second for whatever else may come.
        Ok(Talk { ours, theirs: theirs.halt(), passed: relay.finish(), port })
    }

    fn part_in_anger(&self, letter: Option<&str>) -> Result<FallingOut, Trouble> {
        let (ours, mut theirs, relay) = self.start()?;
        if let Some(letter) = letter {
            theirs.await_line(EXPORTED).map_err(|trouble| trouble.and(ours.trouble("said:")))?;
            ours.await_line("CONNECTED ").map_err(|trouble| trouble.and(theirs.trouble("said:")))?;
            theirs.say(&format!("{letter}\n"))?;
        }
        let ours = ours.finish().map_err(|trouble| trouble.and(theirs.trouble("said:")))?;
        let theirs = theirs.finish().map_err(|trouble| trouble.and(ours.trouble("said:")))?;
        ours.expect_code(1).map_err(|trouble| trouble.and(theirs.trouble("said:")))?;
        Ok(FallingOut { ours, theirs, passed: relay.finish() })
    }

    // --- what they are told ---

    /// The arguments of our client.
    pub(super) fn our_client(&self, server: SocketAddr) -> Vec<String> {
        let mut args = words(&["client", &server.to_string(), "--name", self.client_expects]);
        args.extend(match self.form {
            Form::Certificates => words(&["--ca", &self.client_trusts]),
            Form::BareKeys => words(&["--raw-public-key", "--pin", &self.client_trusts]),
        });
        if let Some(leaf) = self.client_leaf {
            args.extend(self.shown_by_us(leaf));
        }
        for _ in 0..self.chat.times() {
            args.extend(words(&["--send", PING]));
        }
        match self.chat {
            Chat::Echo => args.extend(words(&["--expect-echo", "--wait", "20000"])),
            Chat::Insistent => args.extend(words(&["--wait", "1000"])),
            // It waits for its standard input.
            Chat::Silence => {}
        }
        args.extend(self.our_arguments());
        args
    }

    /// The arguments of our server.
    pub(super) fn our_server(&self) -> Vec<String> {
        let mut args = words(&["server", "--listen", "127.0.0.1:0", "--count", "1"]);
        args.extend(self.shown_by_us(self.server_leaf));
        if self.form == Form::BareKeys {
            args.extend(words(&["--raw-public-key"]));
        }
        if self.server_asks != Asks::Nothing {
            let policy = if self.server_asks == Asks::Insistently { "require" } else { "request" };
            args.extend(words(&["--client-auth", policy]));
            args.extend(match (self.form, self.client_leaf) {
                (Form::BareKeys, Some(leaf)) => words(&["--pin", &leaf.public_key()]),
                _ => words(&["--ca", &Authority::of_this_run().ca()]),
            });
        }
        args.extend(self.our_arguments());
        args
    }

    fn shown_by_us(&self, leaf: Leaf) -> Vec<String> {
        let [cert, key] = leaf.files();
        match self.form {
            Form::Certificates => words(&["--cert", &cert, "--key", &key]),
            Form::BareKeys => words(&["--key", &key]),
        }
    }

    fn our_arguments(&self) -> Vec<String> {
        let mut args = words(&["--export", &format!("{EXPORT_LABEL}:{}", self.export_len)]);
        if let Some(suite) = self.suite {
            args.extend(words(&["--suites", suite.name]));
        }
        if let Some(mtu) = self.mtu {
            args.extend(words(&["--mtu", &mtu.to_string()]));
        }
        args.extend_from_slice(&self.ours);
        args
    }

    fn openssl_server(&self) -> Vec<String> {
        let [cert, key] = self.server_leaf.files();
        let mut args = words(&["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert", &cert, "-key", &key]);
        // Without one openssl reads all roots of the machine.
        args.extend(words(&["-CAfile", &Authority::of_this_run().ca()]));
        if self.server_asks != Asks::Nothing {
            let option = if self.server_asks == Asks::Insistently { "-Verify" } else { "-verify" };
            args.extend(words(&[option, "1"]));
        }
        match self.form {
            Form::Certificates if self.server_asks == Asks::Nothing => {}
            Form::Certificates => args.extend(words(&["-verify_return_error"])),
            // It cannot be told whose bare key to trust, and has only to prove that it knows whose it is.
            Form::BareKeys => args.extend(words(&["-enable_server_rpk", "-enable_client_rpk"])),
        }
        args.extend(self.openssl_arguments());
        args
    }

    fn openssl_client(&self, server: SocketAddr) -> Vec<String> {
        let expects = self.client_expects;
        let mut args = words(&["s_client", "-connect", &server.to_string(), "-servername", expects]);
        args.extend(words(&["-verify_return_error"]));
        args.extend(match self.form {
            Form::Certificates => words(&["-CAfile", &self.client_trusts, "-verify_hostname", expects]),
            Form::BareKeys => {
                // RFC 6698 section 2.1: of the server's own, the key and no more, by SHA-256.
                let tlsa = format!("3 1 1 {}", hex::encode(self.server_leaf.public_key_hash()));
                let dane = ["-dane_tlsa_domain", expects, "-dane_tlsa_rrdata", &tlsa];
                words(&[&["-enable_server_rpk", "-enable_client_rpk"][..], &dane].concat())
            }
        });
        if let Some(leaf) = self.client_leaf {
            let [cert, key] = leaf.files();
            args.extend(words(&["-cert", &cert, "-key", &key]));
        }
        args.extend(self.openssl_arguments());
        args
    }

    fn openssl_arguments(&self) -> Vec<String> {
        let len = self.export_len.to_string();
        let mut args = words(&["-dtls1_2", "-timeout", "-keymatexport", EXPORT_LABEL, "-keymatexportlen", &len]);
        if let Some(mtu) = self.mtu {
            args.extend(words(&["-mtu", &mtu.to_string()]));
        }
        args.extend_from_slice(&self.theirs);
        args
    }

    // --- what they must have said ---

    fn check(&self, talk: &Talk) -> Result<(), Trouble> {
        self.check_ours(talk)?;
        same("exported bytes", dtls::exported(&talk.ours, EXPORT_LABEL)?, openssl::exported(&talk.theirs)?)?;
        if let Some(suite) = self.suite {
            let said = match self.role {
                Role::Client => talk.theirs.line("CIPHER is ")?,
                Role::Server => talk.theirs.line("New, TLSv1.2, Cipher is ")?,
            };
            same("their suite", said, suite.openssl_name)?;
        }
        match (self.role, self.client_leaf) {
            (Role::Client, None) => {}
            (Role::Client, Some(leaf)) => {
                talk.theirs.expect_text(match self.form {
                    Form::Certificates => "Client certificate\n",
                    Form::BareKeys => "Client raw public key\n",
                })?;
                talk.theirs.expect_text("verify return:1")?;
                let signed = talk.theirs.line("Peer signature type: ")?.to_lowercase();
                same("the client's signature", signed.starts_with(leaf.kind().name()), true)?;
            }
            (Role::Server, _) => {
                talk.theirs.expect_text("Verify return code: 0 (ok)")?;
                talk.theirs.expect_text("Extended master secret: yes")?;
            }
        }
        if self.chat == Chat::Echo && self.role == Role::Client {
            // Without our close_notify it would have gone on.
            talk.theirs.expect_code(0)?;
            talk.theirs.expect_text("DONE\n")?;
        }
        Ok(())
    }

    /// Trouble unless our side has said what it must say of such a session, whoever the other one is.
    pub(super) fn check_ours(&self, talk: &Talk) -> Result<(), Trouble> {
        talk.ours.expect_code(0)?;
        let connected = talk.connected()?;
        let item = |key| dtls::value(connected, key);
        same("version", item("version")?, "DTLSv1.2")?;
        same("extended master secret", item("ems")?, "1")?;
        same("server name", item("sni")?, self.client_expects)?;
        same("length of the exported bytes", dtls::exported(&talk.ours, EXPORT_LABEL)?.len(), self.export_len)?;
        let is_psk = item("psk")? != "-";
        let signature = if is_psk { "-" } else { self.server_leaf.kind().scheme_prefix() };
        if !item("signature")?.starts_with(signature) {
            return Err(Trouble::new(format!("{:?} signed with {}", self.server_leaf, item("signature")?)));
        }
        if let Some(suite) = self.suite {
            same("our suite", item("cipher")?, suite.name)?;
        }
        let knows_peer = self.role == Role::Client || is_psk || self.client_leaf.is_some();
        same("verified", item("verified")?, if knows_peer { "yes" } else { "none" })?;
        let theirs = if self.role == Role::Client { Some(self.server_leaf) } else { self.client_leaf };
        let bare = theirs.filter(|_| self.form == Form::BareKeys);
        let hash = bare.map_or("-".to_owned(), |leaf| format!("sha-256:{}", fingerprint_text(&leaf.public_key_hash())));
        same("bare key", item("raw_public_key")?, hash.as_str())?;
        if self.chat == Chat::Echo {
            let said = format!("{} {}", PING.len(), PING.escape_default());
            same("received", talk.ours.line("RECEIVED ")?, said.as_str())?;
            talk.ours.line("CLOSED ").and_then(|line| same("end", dtls::value(line, "reason")?, "close_notify"))?;
        }
        if let Some(mtu) = self.mtu {
            let largest = talk.passed.largest(self.outgoing());
            same("all our datagrams fit the MTU", largest <= mtu, true)
                .map_err(|trouble| trouble.and(format!("    the largest has {largest} bytes, the MTU is {mtu}")))?;
        }
        Ok(())
    }

    /// The direction of our datagrams.
    #[must_use]
    pub const fn outgoing(&self) -> Direction {
        match self.role {
            Role::Client => Direction::ToServer,
            Role::Server => Direction::ToClient,
        }
    }
}

/// In which form a key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In a certificate of the CA's.
    Certificates,
    /// By itself (RFC 7250).
    BareKeys,
}

/// Whether a server wants to know who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// No.
    Nothing,
    /// Yes, and takes silence for an answer.
    Politely,
    /// Yes, and takes none.
    Insistently,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chat {
    /// Once, and it must come back.
    Echo,
    /// Again and again, where each datagram may be lost; one must come through, and not even the end need.
    Insistent,
    /// Nothing.
    Silence,
}

impl Chat {
    /// How often our client says it.
    pub(super) const fn times(self) -> usize {
        match self {
            Self::Echo => 1,
            Self::Insistent => 8,
            Self::Silence => 0,
        }
    }
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// `dtls`.
    Ours,
    /// The foreign stack.
    Theirs,
}

/// A session that went well.
#[derive(Clone, Debug)]
pub struct Talk {
    /// All that our side said.
    pub ours: Finished,
    /// All that theirs said.
    pub theirs: Finished,
    /// The datagrams between them.
    pub passed: Recording,
    /// The server's port, as the client sees it.
    pub port: u16,
}

impl Talk {
    /// Our CONNECTED line.
    ///
    /// # Errors
    /// If there is none.
    pub fn connected(&self) -> Result<&str, Trouble> {
        self.ours.line("CONNECTED ")
    }
}

/// A session that did not come to be.
#[derive(Clone, Debug)]
pub struct FallingOut {
    /// All that our side said.
    pub ours: Finished,
    /// All that theirs said.
    pub theirs: Finished,
    /// The datagrams between them.
    pub passed: Recording,
}

impl FallingOut {
    /// Trouble unless our side failed with these alerts, and theirs said `theirs`.
    ///
    /// # Errors
    /// If it was otherwise: with all that both said.
    pub fn expect(&self, alert_sent: &str, alert_received: &str, theirs: &str) -> Result<(), Trouble> {
        let check = || {
            let failed = self.ours.line("FAILED ")?;
            same("alert sent", dtls::value(failed, "alert_sent")?, alert_sent)?;
            same("alert received", dtls::value(failed, "alert_received")?, alert_received)?;
            self.theirs.expect_text(theirs)
        };
        check().map_err(|trouble| trouble.and(self.ours.trouble("said:")).and(self.theirs.trouble("said:")))
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

pub(super) fn address(text: &str) -> Result<SocketAddr, Trouble> {
    text.trim().parse().map_err(|_| Trouble::new(format!("{text:?} is not an address")))
}

/// What is exported: the label of RFC 5764 section 4.2.
pub const EXPORT_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// What is said: a line, since openssl reads lines. It begins with no letter that openssl takes for a command.
pub const PING: &str = "hello over there\n";
/// What makes openssl send close_notify and end.
const QUIT: &str = "Q\n";
/// After so long what was said may be said again.
pub(super) const A_WHILE: Duration = Duration::from_millis(300);
