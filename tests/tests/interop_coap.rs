//! Our command and libcoap's programs, both roles, over loopback: CoAP over DTLS as RFC 7252 section 9 has it.
//!
//! Each test says in one line on standard error what it has run; `--nocapture` shows the tables. Where there is no libcoap the
//! tests say so and skip; with `DTLS_REQUIRE_PEERS=1` that is a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use dtls_core::Role;
use dtls_core::crypto::x509::fingerprint_text;
use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::cells::run_all_against;
use dtls_tests::interop::coap::{Message, Service};
use dtls_tests::interop::libcoap::{self, Build};
use dtls_tests::interop::process::{Finished, Process};
use dtls_tests::interop::{Trouble, dtls, same};

// --- a GET and its answer ---

#[test]
fn a_get_is_answered_in_both_roles_whichever_library_and_suite() {
    let with_certificates = |kind| Proof::Certificates(Leaf::Server(kind), Leaf::Client(kind));
    let suites = [
        // The one that RFC 7252 asks for with pre-shared keys, and the one with certificates.
        ("TLS_PSK_WITH_AES_128_CCM_8", Proof::Psk),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", with_certificates(KeyKind::Ecdsa)),
        ("TLS_PSK_WITH_AES_128_GCM_SHA256", Proof::Psk),
        ("TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", Proof::Psk),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", with_certificates(KeyKind::Ecdsa)),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", with_certificates(KeyKind::Rsa)),
    ];
    let mut cells = Vec::new();
    for role in [Role::Client, Role::Server] {
        for build in Build::WITH_TLS {
            cells.extend(suites.map(|(suite, proof)| Cell { role, build, suite, proof }));
        }
        // Over OpenSSL it has none, and a client over GnuTLS shows none of Ed25519.
        for (suite, kind) in BARE_KEYS.into_iter().filter(|(_, kind)| role == Role::Client || *kind != KeyKind::Ed25519)
        {
            let proof = Proof::BareKeys(Leaf::Server(kind), Leaf::Client(kind));
            cells.push(Cell { role, build: Build::GnuTls, suite, proof });
        }
    }
    run_all("CoAP", &["suite", "proof", "built over", "role"], &cells, Cell::words, |cell| match cell.role {
        Role::Client => cell.run_client(),
        Role::Server => cell.run_server(),
    });
}

#[test]
fn a_bare_key_that_was_not_pinned_is_refused_in_both_roles() {
    let kind = KeyKind::Ecdsa;
    let (ours, theirs, other) = (Leaf::Server(kind), Leaf::Client(kind), Leaf::StrangeClient);
    run_all(
        "another bare key",
        &["role"],
        &[Role::Client, Role::Server],
        |role| vec![if *role == Role::Client { "client" } else { "server" }.to_owned()],
        |role| {
            // What they show is not what we have pinned.
            let [our_end, their_key] = match role {
                Role::Client => [Proof::BareKeys(other, ours).our_client(), libcoap::bare_key_options(theirs)],
                Role::Server => [Proof::BareKeys(ours, other).our_server(), libcoap::bare_key_options(theirs)],
            };
            let (ours, theirs) = match role {
                Role::Client => {
                    let (theirs, server) = Build::GnuTls.start_server(&refs(&their_key))?;
                    let args = [words(&["client", &server.to_string()]), our_end].concat();
                    (Process::start("dtls client", dtls::command(args))?.finish()?, theirs.halt())
                }
                Role::Server => {
                    let args = [words(&["server", "--listen", "127.0.0.1:0", "--count", "1"]), our_end].concat();
                    let ours = Process::start("dtls server", dtls::command(args))?;
                    let uri = format!("coaps://{}/", ours.await_line("LISTENING ")?);
                    let theirs = Build::GnuTls.client(&[&refs(&their_key)[..], &[&uri]].concat());
                    let theirs = Process::start("coap-client", theirs)?.finish()?;
                    (ours.finish()?, theirs)
                }
            };
            let check = || {
                ours.expect_code(1)?;
                same("alert", dtls::value(ours.line("FAILED ")?, "alert_sent")?, "bad_certificate")
            };
            check().map_err(|trouble| trouble.and(ours.trouble("said:")).and(theirs.trouble("said:")))
        },
    );
}

/// One place in the table.
#[derive(Clone, Copy, Debug)]
struct Cell {
    role: Role,
    build: Build,
    suite: &'static str,
    proof: Proof,
}

impl Cell {
    fn words(&self) -> Vec<String> {
        let role = if self.role == Role::Client { "client" } else { "server" };
        let proof = match self.proof {
            Proof::Psk => "a pre-shared key".to_owned(),
            Proof::Certificates(..) => "certificates".to_owned(),
            Proof::BareKeys(server, _) => format!("bare keys, {}", server.kind().name()),
        };
        vec![self.suite.to_owned(), proof, self.build.name().to_owned(), role.to_owned()]
    }

    fn run_client(&self) -> Result<(), Trouble> {
        let (theirs, server) = self.build.start_server(&refs(&self.proof.their_server()))?;
        let get = Message::get(0x7d34, b"token");
        let server = server.to_string();
        let mut args = vec!["client", &server, "--send-hex"];
        let bytes = hex::encode(get.encode());
        args.push(&bytes);
        let ours = [self.proof.our_client(), self.our_suite()].concat();
        args.extend(ours.iter().map(String::as_str));
        let ours = Process::start("dtls client", dtls::command(args))?.finish()?;
        let check = || {
            ours.expect_code(0)?;
            self.check(&ours)?;
            if let Proof::Certificates(..) = self.proof {
                theirs.await_text("presented by client (Certificate)")?;
            }
            let answer = received(&ours)?;
            let payload = String::from_utf8_lossy(&answer.payload).into_owned();
            same("the answer", &answer, &get.content(&payload))?;
            same("it is libcoap's", payload.starts_with("This is a test server made with libcoap"), true)
        };
        check().map_err(|trouble| trouble.and(ours.trouble("said:")).and(theirs.trouble("said:")))
    }

    fn run_server(&self) -> Result<(), Trouble> {
        let service = Service::start(PAYLOAD)?;
        let forward = service.address().to_string();
        let mut args = vec!["server", "--listen", "127.0.0.1:0", "--count", "1", "--forward", &forward];
        let ours = [self.proof.our_server(), self.our_suite()].concat();
        args.extend(ours.iter().map(String::as_str));
        let ours = Process::start("dtls server", dtls::command(args))?;
        let server = ours.await_line("LISTENING ")?;
        let uri = format!("coaps://{server}/");
        let their_options = self.proof.their_client();
        let theirs = self.build.client(&[&refs(&their_options)[..], &[&uri]].concat());
        let theirs = Process::start("coap-client", theirs)?.finish()?;
        let ours = ours.finish().map_err(|trouble| trouble.and(theirs.trouble("said:")))?;
        let check = || {
            theirs.expect_code(0)?;
            same("what coap-client prints", theirs.stdout.lines().any(|line| line == PAYLOAD), true)?;
            ours.expect_code(0)?;
            self.check(&ours)?;
            let requests = service.requests();
            let expected: Vec<_> =
                requests.first().map(|first| Message::get(first.id, &first.token)).into_iter().collect();
            same("the requests", &requests, &expected)?;
            same("there was one", requests.len(), 1)
        };
        check().map_err(|trouble| trouble.and(ours.trouble("said:")).and(theirs.trouble("said:")))
    }

    fn our_suite(&self) -> Vec<String> {
        vec!["--suites".to_owned(), self.suite.to_owned()]
    }

    /// What our side must have said, whatever its role.
    fn check(&self, ours: &Finished) -> Result<(), Trouble> {
        let connected = ours.line("CONNECTED ")?;
        let item = |key| dtls::value(connected, key);
        same("cipher", item("cipher")?, self.suite)?;
        same("extended master secret", item("ems")?, "1")?;
        same("verified", item("verified")?, "yes")?;
        same("psk", item("psk")?, if self.proof == Proof::Psk { PSK_WORD } else { "-" })?;
        let bare = match (self.proof, self.role) {
            (Proof::BareKeys(server, _), Role::Client) => Some(server),
            (Proof::BareKeys(_, client), Role::Server) => Some(client),
            _ => None,
        };
        let expected = bare
            .map_or_else(|| "-".to_owned(), |leaf| format!("sha-256:{}", fingerprint_text(&leaf.public_key_hash())));
        same("raw public key", item("raw_public_key")?, &expected)?;
        same("end", dtls::value(ours.line("CLOSED ")?, "reason")?, "close_notify")
    }
}

/// What both sides prove who they are with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// A key that both have.
    Psk,
    /// The server's certificate, and the client's.
    Certificates(Leaf, Leaf),
    /// The server's key, and the client's.
    BareKeys(Leaf, Leaf),
}

impl Proof {
    fn our_client(self) -> Vec<String> {
        let ca = Authority::of_this_run().ca();
        match self {
            Self::Psk => our_psk(),
            Self::Certificates(_, client) => {
                let [cert, key] = client.files();
                words(&["--cert", &cert, "--key", &key, "--ca", &ca, "--name", "localhost"])
            }
            Self::BareKeys(server, client) => {
                let [_, key] = client.files();
                words(&["--raw-public-key", "--key", &key, "--pin", &server.public_key()])
            }
        }
    }

    fn our_server(self) -> Vec<String> {
        let ca = Authority::of_this_run().ca();
        match self {
            Self::Psk => our_psk(),
            Self::Certificates(server, _) => {
                let [cert, key] = server.files();
                words(&["--cert", &cert, "--key", &key, "--ca", &ca, "--client-auth", "require"])
            }
            Self::BareKeys(server, client) => {
                let [_, key] = server.files();
                let pin = client.public_key();
                words(&["--raw-public-key", "--key", &key, "--pin", &pin, "--client-auth", "require"])
            }
        }
    }

    fn their_client(self) -> Vec<String> {
        match self {
            Self::Psk => words(&["-k", KEY, "-u", IDENTITY]),
            Self::Certificates(_, client) => {
                libcoap::certificate_options(&client.files(), &Authority::of_this_run().ca())
            }
            Self::BareKeys(_, client) => libcoap::bare_key_options(client),
        }
    }

    fn their_server(self) -> Vec<String> {
        match self {
            Self::Psk => words(&["-k", KEY]),
            Self::Certificates(server, _) => {
                libcoap::certificate_options(&server.files(), &Authority::of_this_run().ca())
            }
            Self::BareKeys(server, _) => libcoap::bare_key_options(server),
        }
    }
}

// --- in front of programs that speak plain CoAP ---

#[test]
fn plain_coap_programs_reach_coaps_ones_through_our_tunnel_and_our_server() {
    let roles = [Role::Client, Role::Server];
    let cells: Vec<_> = roles.into_iter().flat_map(|role| Build::WITH_TLS.map(|build| (role, build))).collect();
    run_all(
        "plain CoAP in front and behind",
        &["built over", "ours"],
        &cells,
        |(role, build)| {
            let ours = if *role == Role::Client { "dtls tunnel" } else { "dtls server" };
            [build.name(), ours].map(str::to_owned).to_vec()
        },
        |(role, build)| {
            let psk = Proof::Psk;
            // Theirs behind ours, and what our side is told.
            let (behind, mut args) = match role {
                Role::Client => {
                    let (behind, address) = build.start_server(&refs(&psk.their_server()))?;
                    (behind, words(&["tunnel", &address.to_string()]))
                }
                Role::Server => {
                    let (behind, address) = Build::NoTls.start_server(&[])?;
                    (behind, words(&["server", "--forward", &address.to_string()]))
                }
            };
            args.extend(words(&["--listen", "127.0.0.1:0"]));
            args.extend(our_psk());
            let ours = Process::start("dtls", dtls::command(&args))?;
            let front = ours.await_line("LISTENING ")?;
            let theirs = match role {
                Role::Client => Build::NoTls.client(&[&format!("coap://{front}/")]),
                Role::Server => {
                    build.client(&[&refs(&psk.their_client())[..], &[&format!("coaps://{front}/")]].concat())
                }
            };
            let theirs = Process::start("coap-client", theirs)?.finish()?;
            let check = || {
                theirs.expect_code(0)?;
                theirs.expect_text("This is a test server made with libcoap")?;
                // And not in the clear.
                let connected = ours.await_line("CONNECTED ")?;
                same("psk", dtls::value(&connected, "psk")?, PSK_WORD)
            };
            check().map_err(|trouble| {
                trouble.and(theirs.trouble("said:")).and(ours.trouble("said:")).and(behind.trouble("said:"))
            })
        },
    );
}

// --- words ---

fn run_all<C: Sync>(
    title: &str,
    columns: &[&str],
    cells: &[C],
    words: impl Fn(&C) -> Vec<String>,
    run: impl Fn(&C) -> Result<(), Trouble> + Sync,
) {
    if libcoap::is_installed() {
        run_all_against(&libcoap::version(), title, columns, cells, words, run);
    }
}

/// The message in the first datagram that our client has received: bytes that are no text, with a payload in them.
fn received(ours: &Finished) -> Result<Message, Trouble> {
    let line = ours.line("RECEIVED ")?;
    let bytes = line.split_once(" hex:").and_then(|(_, bytes)| hex::decode(bytes).ok());
    let message = bytes.and_then(|bytes| Message::decode(&bytes));
    message.ok_or_else(|| Trouble::new(format!("RECEIVED {line} is no CoAP")))
}

fn our_psk() -> Vec<String> {
    words(&["--psk", &format!("{IDENTITY}:{}", hex::encode(KEY))])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The suite that RFC 7252 section 9.1.3.2 asks for with bare keys, and each kind of key.
const BARE_KEYS: [(&str, KeyKind); 4] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", KeyKind::Ecdsa),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", KeyKind::Ecdsa),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", KeyKind::Ed25519),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", KeyKind::Rsa),
];
const IDENTITY: &str = "sensor 1";
/// The identity as our lines have it: there is a blank in it.
const PSK_WORD: &str = "hex:73656e736f722031";
/// libcoap takes its bytes as they are.
const KEY: &str = "0123456789abcdef";
const PAYLOAD: &str = "an answer from behind the DTLS server";
