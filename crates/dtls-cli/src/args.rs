//! The command line: what can be asked, and every mistake in one line that names the option and the cure.

use core::net::SocketAddr;
use core::time::Duration;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use dtls_core::wire::record::MAX_PLAINTEXT;

use crate::both_roles::{CommonArgs, WeatherArgs};
use crate::usage::{Refusal, UsageError, here, refusal};
use crate::values::{
    HexBytes, HostPort, NamedCertificate, listen_address, milliseconds_or_none, payload_size, positive, seconds,
    service_address,
};

/// DTLS 1.2: see it work, look inside a session, debug a peer.
///
/// Exit codes: 0 done as asked, 1 the handshake or the session failed, 2 wrong usage or an unreadable file, 3 no answer
/// in time, 4 an expected echo did not come back, 130 interrupted twice.
#[derive(Debug, Parser)]
#[command(name = "dtls", version, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a client and a server in this process, over real sockets, and tell what happens. Needs nothing
    ///
    /// Prints a line for each datagram, by its flight (RFC 6347 section 4.2.4, Figure 1), then the echo, what was
    /// negotiated, and what both sides have counted.
    Demo(DemoArgs),
    /// Accept clients and send every datagram back to its sender, or --forward it to a service
    ///
    /// Prints LISTENING once bound, then for each session CONNECTED or FAILED, EXPORT, RECEIVED and SENT for each
    /// datagram, CLOSED and STATS. With --cid, MOVED tells where a client is now, and where it was. A failed session's STATS
    /// come before FAILED. CLOSED says why: close_notify of either
    /// side, idle_timeout, or replaced by a new session of a client that has lost its own. At the end, and on SIGUSR1,
    /// ENDPOINT tells what all have counted, datagrams that belonged to no session among it. Ctrl-C and SIGTERM close
    /// every session with close_notify and exit with 0; the second one exits at once, with 130.
    ///
    /// In front of a CoAP server, or with ports 6514 and 514 of syslog, for what comes through `dtls tunnel`:
    /// dtls server --listen 0.0.0.0:5684 --cert cert.pem --key key.pem --forward 127.0.0.1:5683 --quiet-data
    ///
    /// verified=yes: the client's certificate, or bare key, is one that --ca, --pin or --fingerprint trusts. verified=no:
    /// it was taken unseen, by --insecure. verified=none: the client showed neither.
    Server(Box<ServerArgs>),
    /// Connect, send, and print what comes back
    ///
    /// Prints CONNECTED or FAILED, EXPORT, REBOUND, SENT and RECEIVED for each datagram, CLOSED and STATS. Bytes that are not
    /// text are printed as hex:.. and control characters escaped; text that begins with hex: is printed as hex:.., too.
    /// Without --send, --send-hex or --send-size, standard input is sent line by line until it ends. Ctrl-C and SIGTERM
    /// close with close_notify and exit with 0; the second one exits at once, with 130.
    ///
    /// verified=yes: the server's certificate, or bare key, is one that --ca, --pin or --fingerprint trusts. verified=no:
    /// it was taken unseen, by --insecure.
    Client(Box<ClientArgs>),
    /// Take plain UDP, and pass it on to a server through one DTLS session for each local sender
    ///
    /// The other half of `dtls server --forward`: what a sender sends goes through its session, what comes out of it goes
    /// back to the sender. Prints LISTENING once bound, then for each session the lines of a client, with sender= behind
    /// them. At the end, and on SIGUSR1, ENDPOINT tells what all have counted. A sender whose handshake has failed may try
    /// again after a second. Ctrl-C and SIGTERM close every session with close_notify and exit with 0; the second one
    /// exits at once, with 130.
    ///
    /// For programs that speak plain CoAP, or with ports 514 and 6514 syslog:
    /// dtls tunnel --listen 127.0.0.1:5683 coap.example:5684 --ca ca.pem --quiet-data
    Tunnel(Box<TunnelArgs>),
    /// Make a self-signed certificate and its key
    ///
    /// Writes cert.pem, key.pem (readable by its owner only) and public_key.pem (for the --pin of a peer that takes bare
    /// keys), and prints the fingerprint of the certificate in the form of SDP. It is valid from the beginning of last
    /// year, for ten years. Files that are there are not overwritten.
    Cert(CertArgs),
}

impl Command {
    /// Reads the arguments of the process, the command's own name first.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, Refusal> {
        let args: Vec<OsString> = args.into_iter().collect();
        let here = here(&args);
        let matches = CommandLine::command().try_get_matches_from(args).map_err(|error| refusal(error, &here))?;
        let mut command = CommandLine::from_arg_matches(&matches).map_err(|error| refusal(error, &here))?.command;
        if let (Self::Client(client), Some((_, matches))) = (&mut command, matches.subcommand()) {
            client.datagrams = datagrams_in_order(client, matches);
        }
        command.check().map_err(Refusal::Usage)?;
        Ok(command)
    }

    /// What no single option can tell.
    fn check(&self) -> Result<(), UsageError> {
        match self {
            Self::Server(server) => {
                server.common.check(&server.sni)?;
                server.check()
            }
            Self::Client(client) => {
                client.common.check(&[])?;
                client.check()
            }
            Self::Tunnel(tunnel) => {
                tunnel.common.check(&[])?;
                tunnel.common.check_client()
            }
            Self::Demo(_) | Self::Cert(_) => Ok(()),
        }
    }
}

// --- demo ---

/// Options of `dtls demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) weather: WeatherArgs,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

// --- cert ---

/// Options of `dtls cert`.
#[derive(Debug, Args)]
pub(crate) struct CertArgs {
    /// A DNS name or IP address the certificate is for; repeatable. Default: localhost, 127.0.0.1 and ::1
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// The kind of key
    #[arg(long, value_name = "TYPE", default_value = "p256")]
    pub(crate) key_type: KeyType,
    /// The directory to write to; made if there is none
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// A kind of key that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyType {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

// --- server ---

/// Options of `dtls server`.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4433", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
    /// Pass each session's datagrams on to the plain UDP service at this address, and its answers back, instead of
    /// sending them back: DTLS in front of anything that speaks UDP. Each session has a socket of its own towards it
    #[arg(long, value_name = "ADDR", value_parser = service_address)]
    pub(crate) forward: Option<SocketAddr>,
    /// Whether clients show a certificate or a bare key: `request` verifies one if it is sent, `require` insists. Default: `request`
    /// if it is said whom to trust, else `none`
    #[arg(long, value_name = "POLICY")]
    pub(crate) client_auth: Option<ClientAuth>,
    /// What tells clients which of their pre-shared keys to use
    #[arg(long, value_name = "TEXT", requires = "psk", default_value = "", hide_default_value = true)]
    pub(crate) psk_hint: String,
    /// Show this certificate, with --raw-public-key its key, to clients that ask for this name; '*' stands for all names that are not given. Repeatable,
    /// also for one name: then the suite decides. Without '*', clients that ask for another name are refused with
    /// unrecognized_name. Clients that ask for none are shown --cert or --self-signed, or else what '*' has
    #[arg(long, value_name = "NAME=CERT,KEY")]
    pub(crate) sni: Vec<NamedCertificate>,
    /// Show this of OCSP about the first --cert to clients that ask for it (RFC 6066 section 8): a response in DER, as
    /// `openssl ocsp -respout` writes it. Nobody looks into it here
    #[arg(long, value_name = "FILE")]
    pub(crate) ocsp: Option<PathBuf>,
    /// Answer the first ClientHello without asking the client to prove its address (RFC 6347 section 4.2.1)
    #[arg(long)]
    pub(crate) no_cookie: bool,
    /// Seal tickets under the key in this file, 48 random bytes as `openssl rand -out FILE 48` writes them, so that clients
    /// resume their sessions after a restart, or at another server with the file. Repeatable: the first seals, all open.
    /// Default: a key that nobody else has, another one every six hours
    #[arg(long, value_name = "FILE", conflicts_with = "no_tickets")]
    pub(crate) ticket_key: Vec<PathBuf>,
    /// Give no tickets (RFC 5077)
    #[arg(long)]
    pub(crate) no_tickets: bool,
    /// Keep the sessions of so many clients that take no ticket, to be resumed by their IDs. Default: none
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) session_cache: Option<usize>,
    /// Leave clients beyond so many sessions at a time unanswered; each session has a thread
    #[arg(long, value_name = "N", default_value = "1024", value_parser = positive)]
    pub(crate) max_sessions: usize,
    /// Leave clients of a host that has so many sessions already unanswered: of an IPv4 address, or of an IPv6 /64.
    /// Default: no such limit
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) max_sessions_per_host: Option<usize>,
    /// Close sessions in which nothing has come or gone for so many seconds. Default: never
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Exit after so many sessions have ended; a handshake that fails counts as one. The exit code is that of the last
    /// one that failed, else 0
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) count: Option<usize>,
    /// Do not print datagrams
    #[arg(long)]
    pub(crate) quiet_data: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl ServerArgs {
    /// Whether clients are asked for a certificate, by word or because it is said whom to trust.
    pub(crate) fn client_auth(&self) -> ClientAuth {
        match (self.client_auth, self.common.trust.source()) {
            (Some(policy), _) => policy,
            (None, Some(_)) => ClientAuth::Request,
            (None, None) => ClientAuth::None,
        }
    }

    fn check(&self) -> Result<(), UsageError> {
        let has_identity = !self.common.key.is_empty() || self.common.self_signed.is_some() || !self.sni.is_empty();
        if !has_identity && self.common.psk.is_empty() {
            return Err(UsageError::new(
                "--cert",
                "a server needs a certificate or a key; give --cert and --key, --raw-public-key and --key, \
                 --self-signed, --sni or --psk",
            ));
        }
        if self.ocsp.is_some() && self.common.cert.is_empty() {
            return Err(UsageError::new("--ocsp", "it is about a --cert, and there is none; give --cert and --key"));
        }
        if self.common.max_fragment_length.is_some() {
            return Err(UsageError::new(
                "--max-fragment-length",
                "clients ask for it, and a server keeps to it; drop it, or give --record-size-limit",
            ));
        }
        match (self.client_auth, self.common.trust.source()) {
            (Some(ClientAuth::Request | ClientAuth::Require), None) => Err(UsageError::new(
                "--client-auth",
                "whom to trust is missing; give --ca, --pin, --fingerprint or --insecure",
            )),
            (Some(ClientAuth::None), Some(trust)) => {
                Err(UsageError::new(trust.option(), "nobody is verified with --client-auth none; drop one of the two"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether clients show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientAuth {
    /// They are not asked.
    None,
    /// They are asked, and may stay anonymous.
    Request,
    /// They must.
    Require,
}

// --- client ---

/// Options of `dtls client`.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Send this text in a datagram; repeatable
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    send: Vec<String>,
    /// Send these bytes in a datagram; repeatable
    #[arg(long, value_name = "HEX")]
    send_hex: Vec<HexBytes>,
    /// Send a datagram of so many bytes; repeatable
    #[arg(long, value_name = "N", value_parser = payload_size)]
    send_size: Vec<usize>,
    /// Wait for each datagram, or line of standard input, to come back before the next is sent; exit with 4 if one does
    /// not
    #[arg(long)]
    pub(crate) expect_echo: bool,
    /// How long to wait for the answer to a datagram, in milliseconds from when it was sent. Without --expect-echo
    /// anything that comes is an answer
    #[arg(long, value_name = "MS", default_value = "2000", value_parser = milliseconds_or_none, allow_negative_numbers = true)]
    pub(crate) wait: Duration,
    /// Write to this file, for its owner only, what is needed to resume the session: when it has ended in good order, and if
    /// the server keeps it or gives a ticket
    #[arg(long, value_name = "FILE")]
    pub(crate) session_out: Option<PathBuf>,
    /// Go on with the session in this file, of --session-out. Where name, trust or keys are others now, or the server does
    /// not know it any more, it becomes a full handshake; resumed= tells
    #[arg(long, value_name = "FILE")]
    pub(crate) session_in: Option<PathBuf>,
    /// After the handshake go on at a new local port, and print REBOUND: with --cid at the server the session goes on
    #[arg(long)]
    pub(crate) rebind: bool,
    /// Close the session when nothing has come or gone for so many seconds. Default: never
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) idle_timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// What --send, --send-hex and --send-size ask for, in their order.
    #[arg(skip)]
    pub(crate) datagrams: Vec<Datagram>,
}

/// Whom to connect to.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetArgs {
    /// The server; an IPv6 address in brackets. Several addresses of a name are tried in turn
    #[arg(value_name = "HOST:PORT")]
    pub(crate) server: HostPort,
    /// The name to ask for and to verify. Default: the host; if that is an address it is verified, but not asked for.
    /// '' asks for none, and verifies the host
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// What asked for it.
    pub(crate) option: &'static str,
    pub(crate) payload: Vec<u8>,
}

impl ClientArgs {
    fn check(&self) -> Result<(), UsageError> {
        self.common.check_client()?;
        if let Some(Datagram { option, payload }) =
            self.datagrams.iter().find(|each| each.payload.len() > MAX_PLAINTEXT)
        {
            let (len, max) = (payload.len(), MAX_PLAINTEXT);
            return Err(UsageError::new(option, format!("{len} bytes do not fit in any record; send at most {max}")));
        }
        Ok(())
    }
}

// --- tunnel ---

/// Options of `dtls tunnel`.
#[derive(Debug, Args)]
pub(crate) struct TunnelArgs {
    /// Where to take plain UDP; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Drop what comes from senders beyond so many with a session at a time; each session has two threads
    #[arg(long, value_name = "N", default_value = "1024", value_parser = positive)]
    pub(crate) max_sessions: usize,
    /// Close sessions in which nothing has come or gone for so many seconds. The sender's next datagram begins another
    #[arg(long, value_name = "S", default_value = "300", value_parser = seconds)]
    pub(crate) idle_timeout: Duration,
    /// Do not print datagrams
    #[arg(long)]
    pub(crate) quiet_data: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What the three options ask for in the order in which they were given.
fn datagrams_in_order(client: &ClientArgs, matches: &ArgMatches) -> Vec<Datagram> {
    let places = |id: &str| matches.indices_of(id).into_iter().flatten();
    let texts = client.send.iter().map(|text| text.clone().into_bytes());
    let bytes = client.send_hex.iter().map(|bytes| bytes.0.clone());
    let sized = client.send_size.iter().map(|size| (b'a'..=b'z').cycle().take(*size).collect());
    let of = |option| move |(place, payload)| (place, Datagram { option, payload });
    let mut datagrams: Vec<(usize, Datagram)> = Vec::new();
    datagrams.extend(places("send").zip(texts).map(of("--send")));
    datagrams.extend(places("send_hex").zip(bytes).map(of("--send-hex")));
    datagrams.extend(places("send_size").zip(sized).map(of("--send-size")));
    datagrams.sort_by_key(|(place, _)| *place);
    datagrams.into_iter().map(|(_, datagram)| datagram).collect()
}

#[cfg(test)]
mod tests {
    use dtls_core::wire::enums::{NamedGroup, SrtpProfile};

    use super::*;
    use crate::both_roles::Ems;
    use crate::usage::SUBCOMMANDS_TO_COME;

    fn parse(line: &str) -> Result<Command, String> {
        let args = core::iter::once("dtls").chain(line.split_whitespace()).map(OsString::from);
        Command::parse(args).map_err(|refusal| match refusal {
            Refusal::Help(_) => "help".to_owned(),
            Refusal::Usage(error) => error.to_string(),
        })
    }

    #[track_caller]
    fn client(line: &str) -> Box<ClientArgs> {
        match parse(&format!("client --insecure {line}")) {
            Ok(Command::Client(client)) => client,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn server(line: &str) -> Box<ServerArgs> {
        match parse(&format!("server --self-signed localhost {line}")) {
            Ok(Command::Server(server)) => server,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn mistake(line: &str) -> String {
        let text = parse(line).unwrap_err();
        assert!(!text.contains('\n'), "{text}");
        text
    }

    #[test]
    fn the_parser_has_no_contradictions() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let client = client("h:1");
        assert_eq!(client.wait, Duration::from_secs(2));
        let CommonArgs { mtu, ems, first_timeout, handshake_timeout, .. } = client.common;
        assert_eq!((mtu, ems), (1200, Ems::Require));
        assert_eq!((first_timeout, handshake_timeout), (Duration::from_secs(1), Duration::from_secs(60)));
        let server = server("");
        assert_eq!(server.listen, "127.0.0.1:4433".parse().unwrap());
        assert_eq!(server.client_auth(), ClientAuth::None);
    }

    #[test]
    fn datagrams_keep_the_order_of_their_options() {
        let client = client("h:1 --send-size 3 --send a --send-hex 00 --send b --send-size 0");
        let datagrams: Vec<_> = client.datagrams.iter().map(|each| (each.option, &each.payload[..])).collect();
        let (text, bytes, sized) = ("--send", "--send-hex", "--send-size");
        assert_eq!(datagrams, [(sized, &b"abc"[..]), (text, b"a"), (bytes, b"\0"), (text, b"b"), (sized, b"")]);
    }

    #[test]
    fn lists_keep_their_order_and_refuse_what_they_do_not_know() {
        let args = client("h:1 --groups secp384r1,x25519 --srtp SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM");
        assert_eq!(args.common.groups, Some(vec![NamedGroup::SECP384R1, NamedGroup::X25519]));
        assert_eq!(args.common.srtp, [SrtpProfile::AEAD_AES_256_GCM, SrtpProfile::AEAD_AES_128_GCM]);
        for (option, value, some) in [
            ("--suites", "TLS_FALLBACK_SCSV", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("--suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
            ("--groups", "x25519,p256", "secp256r1"),
            ("--signature-schemes", "rsa_pkcs1_sha1", "ed25519"),
            ("--srtp", "SRTP_AEAD_AES_128_GCM,SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_HMAC_SHA1_32"),
            ("--ems", "maybe", "prefer"),
        ] {
            let text = mistake(&format!("client h:1 --insecure {option} {value}"));
            let unknown = value.rsplit(',').next().filter(|_| option != "--srtp").unwrap_or(value);
            assert!(text.starts_with(&format!("{option}: \"{unknown}\": unknown; allowed: ")), "{text}");
            assert!(text.contains(some), "{text}");
        }
    }

    #[test]
    fn every_subcommand_to_come_is_not_supported_yet() {
        for subcommand in SUBCOMMANDS_TO_COME {
            assert!(mistake(subcommand).starts_with(&format!("{subcommand}: not supported yet; ")));
        }
    }

    #[test]
    fn numbers_out_of_bounds_are_refused_by_their_option() {
        for line in [
            "--mtu 255",
            "--mtu 65536",
            "--mtu x",
            "--loss 1.1",
            "--loss -0.1",
            "--loss NaN",
            "--duplicate 2",
            "--delay -1",
            "--first-timeout 0",
            "--first-timeout 60001",
            "--handshake-timeout 0",
            "--handshake-timeout inf",
            "--handshake-timeout NaN",
            "--wait -1",
            "--send-size 16385",
            "--seed -1",
            "--mki 0",
            "--export a",
            "--export a:0",
            "--export a:65536",
            "--export :5",
            "--export a:5:0",
            "--fingerprint sha-256:00",
        ] {
            let text = mistake(&format!("client h:1 {line}"));
            let option = line.split(' ').next().unwrap();
            assert!(text.starts_with(&format!("{option}: \"")), "{text}");
        }
        for line in [
            "--count 0",
            "--max-sessions 0",
            "--max-sessions-per-host 0",
            "--idle-timeout 0",
            "--listen 4433",
            "--forward 127.0.0.1",
            "--forward 127.0.0.1:0",
            "--client-auth maybe",
        ] {
            let text = mistake(&format!("server --self-signed a {line}"));
            let option = line.split(' ').next().unwrap();
            assert!(text.starts_with(&format!("{option}: \"")), "{text}");
        }
    }

    #[test]
    fn bounds_themselves_are_within() {
        let args =
            client("h:1 --mtu 256 --loss 1 --duplicate 0 --first-timeout 60000 --handshake-timeout 0.001 --wait 0");
        assert_eq!((args.common.mtu, args.common.handshake_timeout), (256, Duration::from_millis(1)));
        assert_eq!(client("h:1 --mtu 65535").common.mtu, 65_535);
    }

    #[test]
    fn a_key_alone_will_do_where_keys_are_bare() {
        for line in [
            "client h:1 --insecure --raw-public-key",
            "client h:1 --pin a --raw-public-key --key b",
            "client h:1 --ca a --raw-public-key --key b",
            "client h:1 --ca a --cert b --key b --cert c --key c",
            "server --raw-public-key --key a",
            "server --raw-public-key --cert a --key a --cert b --key b",
            "server --raw-public-key --self-signed a",
            "server --raw-public-key --sni a=b,c --ca d",
            "tunnel --listen 127.0.0.1:0 h:1 --pin a --raw-public-key --key b",
            "client h:1 --psk a:00 --ca a --cert b --key b",
            "server --psk a:00 --cert b --key b",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
        assert!(mistake("server --key a").contains("--raw-public-key"));
    }

    #[test]
    fn trust_asks_clients_for_certificates() {
        assert_eq!(server("--ca x").client_auth(), ClientAuth::Request);
        assert_eq!(server("--insecure --client-auth require").client_auth(), ClientAuth::Require);
        assert!(mistake("server --self-signed a --client-auth none --pin x").starts_with("--pin: "));
        assert!(mistake("server --self-signed a --client-auth request").starts_with("--client-auth: "));
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for (line, option) in [
            ("client h:1", "--ca"),
            ("client h:1 --ca a --ca b", "--ca"),
            ("client h:1 --insecure --cert a --cert b --key a", "--cert"),
            ("client h:1 --insecure --raw-public-key --cert a --key a --key b", "--key"),
            ("client h:1 --ca a --raw-public-key", "--raw-public-key"),
            ("client h:1 --psk a:00 --raw-public-key", "--raw-public-key"),
            ("server --psk a:00 --raw-public-key", "--raw-public-key"),
            ("client h:1 --psk a:00 --cert a --key a", "--key"),
            ("client h:1 --psk a:00 --self-signed a", "--self-signed"),
            ("tunnel --listen 127.0.0.1:0 h:1 --psk a:00 --cert a --key a", "--key"),
            ("server --raw-public-key --insecure", "--cert"),
            ("server --key a", "--key"),
            ("client h:1 --insecure --key a", "--key"),
            ("client h:1 --insecure --mki 00", "--srtp"),
            ("client h:1 --insecure --ems off --export a:5", "--export"),
            ("server --cert a --key a --self-signed b", "--cert"),
            ("server --cert a --cert b --key a", "--cert"),
            ("client h:1 i:2 --insecure", "i:2"),
            ("client --insecure", "HOST:PORT"),
            ("tunnel h:1 --insecure", "--listen"),
            ("tunnel --listen 127.0.0.1:0 --insecure", "HOST:PORT"),
            ("tunnel --listen 127.0.0.1:0 h:1", "--ca"),
            ("tunnel --listen 127.0.0.1:0 h:1 --insecure --key b", "--key"),
            ("tunnel --listen 127.0.0.1:0 h:1 --insecure --forward 127.0.0.1:1", "--forward"),
            ("tunnel --listen 127.0.0.1:0 h:1 --insecure --count 1", "--count"),
            ("tunnel --listen 127.0.0.1:0 h:1 --insecure --sni a=b,c", "--sni"),
            ("tunnel --listen 127.0.0.1:0 h:1 --insecure --send x", "--send"),
            ("client h:1 --insecure --forward 127.0.0.1:1", "--forward"),
            ("client h:1 --insecure --sni a=b,c", "--sni"),
            ("client h:1 --insecure --max-sessions-per-host 1", "--max-sessions-per-host"),
            ("client h:1 --insecure --quiet-data", "--quiet-data"),
            ("client h:1 --insecure --ticket-key a", "--ticket-key"),
            ("client h:1 --insecure --session-cache 1", "--session-cache"),
            ("server --self-signed a --session-in b", "--session-in"),
            ("server --self-signed a --rebind", "--rebind"),
            ("server --self-signed a --no-tickets --ticket-key b", "--no-tickets"),
            ("server --self-signed a --session-cache 0", "--session-cache"),
            ("server --self-signed a --cid 256", "--cid"),
            ("server --self-signed a --name b", "--name"),
            ("demo --idle-timeout 1", "--idle-timeout"),
            ("cert", "--out"),
        ] {
            let text = mistake(line);
            assert!(text.starts_with(&format!("{option}: ")), "{line}: {text}");
        }
    }

    #[test]
    fn a_message_is_one_line_whatever_it_quotes() {
        let args = ["dtls", "client", "h:1", "--insecure", "--groups", "a\nb\u{1b}"].map(OsString::from);
        let Err(Refusal::Usage(error)) = Command::parse(args) else { panic!("accepted") };
        assert!(error.to_string().starts_with(r#"--groups: "a\nb\u{1b}": unknown"#), "{error}");
        assert_eq!(parse("client --help").unwrap_err(), "help");
    }
}
