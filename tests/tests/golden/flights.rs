//! The handshakes that have a file each.

use core::fmt::Write as _;
use core::num::NonZeroU16;
use std::path::PathBuf;

use dtls_core::config::Padding;
use dtls_core::wire::enums::{CipherSuiteId, MaxFragmentLength, NamedGroup};
use dtls_core::{Role, Settings};
use dtls_tests::certificates::Leaf;
use dtls_tests::remembered::{By, Memory};
use dtls_tests::scenario::{CLIENT_END, PSK, PSK_IDENTITY, SERVER_END, Scenario, assert_agreement, run_handshake};
use dtls_tests::sim::World;
use dtls_tests::sim::network::Clean;

/// One file.
#[derive(Clone)]
pub(crate) struct Flight {
    /// What it is called.
    pub(crate) name: String,
    /// What stands at its head.
    about: Vec<String>,
    scenario: Scenario,
    /// Whether the client also sends as much as fits in one record.
    fills_a_record: bool,
}

impl Flight {
    pub(crate) fn all() -> Vec<Self> {
        let mut flights = Self::of_certificates();
        flights.extend(Self::of_other_kinds());
        flights
    }

    /// Every suite with every certificate it goes with, with and without a client's and extensions.
    fn of_certificates() -> Vec<Self> {
        let ecdsa = &[Leaf::EcdsaP256, Leaf::Ed25519][..];
        let rsa = &[Leaf::Rsa2048][..];
        let suites = [
            (CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, NamedGroup::SECP256R1, ecdsa),
            (CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, NamedGroup::SECP384R1, ecdsa),
            (CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, NamedGroup::X25519, ecdsa),
            (CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, NamedGroup::SECP256R1, rsa),
            (CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, NamedGroup::SECP384R1, rsa),
            (CipherSuiteId::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, NamedGroup::X25519, rsa),
        ];
        let mut flights = Vec::new();
        for (suite, group, leaves) in suites {
            for leaf in leaves {
                for is_mutual in [false, true] {
                    for has_extensions in [false, true] {
                        flights.push(Self::of_certificate(suite, group, *leaf, is_mutual, has_extensions));
                    }
                }
            }
        }
        flights
    }

    fn of_certificate(
        suite: CipherSuiteId,
        group: NamedGroup,
        leaf: Leaf,
        is_mutual: bool,
        has_extensions: bool,
    ) -> Self {
        let cipher = match suite {
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "aes-128-gcm",
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "aes-256-gcm",
            _ => "chacha20-poly1305",
        };
        let (short, file) = match leaf {
            Leaf::Ed25519 => ("ed25519", "ed25519"),
            Leaf::Rsa2048 => ("rsa", "rsa-2048"),
            _ => ("ecdsa", "ecdsa-p256"),
        };
        let client = if is_mutual { "client-auth" } else { "no-client-auth" };
        let extensions = if has_extensions { "alpn-srtp" } else { "plain" };
        let mut scenario = Scenario::new(2026).server_leaf(leaf).suite(suite).group(group);
        scenario.client_leaf = is_mutual.then_some(leaf);
        Self {
            name: format!("{cipher}-{short}-{client}-{extensions}.txt"),
            about: vec![
                format!("{suite} with {group}"),
                format!("server certificate: {file}"),
                format!("client certificate: {}", if is_mutual { file } else { "none" }),
            ],
            scenario: if has_extensions { scenario.with_extensions() } else { scenario },
            fills_a_record: false,
        }
    }

    /// One of everything else that changes what is said. Each has a seed of its own, and so its own randoms.
    pub(crate) fn of_other_kinds() -> Vec<Self> {
        let ecdsa = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        let psk = |seed| Scenario::new(seed).with_ccm().preshared_key();
        let certified = |seed| Scenario::new(seed).suite(ecdsa);
        let known = format!("pre-shared key: {} of the identity {}", hex::encode(PSK), hex::encode(PSK_IDENTITY));
        let shown = "server certificate: ecdsa-p256".to_owned();
        let flight = |name: &str, about: &[&str], scenario| Self {
            name: format!("{name}.txt"),
            about: about.iter().map(|line| (*line).to_owned()).collect(),
            scenario,
            fills_a_record: true,
        };
        vec![
            flight(
                "psk-aes-128-gcm-hint",
                &["TLS_PSK_WITH_AES_128_GCM_SHA256", &known, "hint: which one?"],
                psk(3001).suite(CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256).hint(b"which one?"),
            ),
            flight(
                "psk-aes-128-ccm-8",
                &["TLS_PSK_WITH_AES_128_CCM_8", &known, "no hint, so no ServerKeyExchange"],
                psk(3002).suite(CipherSuiteId::TLS_PSK_WITH_AES_128_CCM_8),
            ),
            flight(
                "ecdhe-psk-aes-128-gcm",
                &["TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 with x25519", &known],
                psk(3003).suite(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256),
            ),
            flight(
                "ecdhe-ecdsa-aes-128-ccm-8",
                &["TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 with x25519", &shown],
                Scenario::new(3004).with_ccm().suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8),
            ),
            flight(
                "raw-public-keys-client-auth",
                &["the keys of certificates, without them", "server: ecdsa-p256", "client: ed25519"],
                certified(3005).mutual().raw_public_keys(),
            ),
            flight(
                "ocsp-response",
                &[&shown, "what OCSP says of it: that the responder is busy"],
                certified(3006).stapled(TRY_LATER),
            ),
            flight(
                "record-size-limit-64",
                &[&shown, "neither side takes more than 64 bytes in a protected record"],
                certified(3007).configure(|settings: &mut Settings| settings.record_size_limit = Some(64)),
            ),
            flight(
                "max-fragment-length-512",
                &["server certificate: rsa-2048", "the client asks for records of at most 512 bytes"],
                Scenario::new(3008)
                    .server_leaf(Leaf::Rsa2048)
                    .suite(CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
                    .configure(|settings: &mut Settings| {
                        settings.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
                    }),
            ),
            flight(
                "ticket-given",
                &[&shown, "the client asks for a ticket, and the server gives one"],
                certified(3009).resumable(Memory::new(By::Ticket)),
            ),
            flight(
                "resumed-by-ticket",
                &[
                    "the server's certificate was ecdsa-p256, in an earlier connection; the ticket is half through its time",
                ],
                certified(3010).mutual().resuming(By::Ticket).half_a_life_later(),
            ),
            flight(
                "resumed-by-session-id",
                &["both sides had one pre-shared key, in an earlier connection", "TLS_PSK_WITH_AES_128_GCM_SHA256"],
                psk(3011).suite(CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256).resuming(By::SessionId),
            ),
            flight(
                "connection-ids-5-8",
                &["what the client receives has an ID of 5 bytes, what the server receives one of 8", &shown],
                certified(3012).connection_ids(Some(5), Some(8)).configure_at(
                    Role::Server,
                    |settings: &mut Settings| {
                        settings.padding = Padding::ToMultipleOf(PADDED_TO);
                    },
                ),
            ),
            flight(
                "psk-connection-ids-0-255",
                &["TLS_PSK_WITH_AES_128_GCM_SHA256", &known, "the client wants no ID, the server one of 255 bytes"],
                psk(3013).suite(CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256).connection_ids(Some(0), Some(255)),
            ),
        ]
    }

    /// The same with other settings, which should change nothing on the wire.
    pub(crate) fn configure(mut self, change: impl Fn(&mut Settings) + 'static) -> Self {
        self.scenario = self.scenario.configure(change);
        self
    }

    /// The whole session: a payload each way, and the end.
    pub(crate) fn run(&self) -> World {
        let mut world = self.scenario.start(Clean);
        run_handshake(&mut world);
        world.drain();
        assert_agreement(&world, CLIENT_END);
        world.send(CLIENT_END, HELLO).unwrap();
        world.drain();
        world.send(SERVER_END, HELLO_BACK).unwrap();
        world.drain();
        if self.fills_a_record {
            let len = world.end(CLIENT_END).connection.max_payload();
            world.send(CLIENT_END, &vec![b'x'; len]).unwrap();
            world.drain();
        }
        world.end_mut(CLIENT_END).connection.close();
        world.pump(CLIENT_END);
        world.drain();
        world
    }

    /// The file: what it is, then one datagram a line.
    pub(crate) fn text(&self, world: &World) -> String {
        let mut text = String::new();
        for line in &self.about {
            writeln!(text, "# {line}").unwrap();
        }
        for (by, bytes) in world.datagrams() {
            let arrow = if by == CLIENT_END { ">" } else { "<" };
            writeln!(text, "{arrow} {}", hex::encode(bytes)).unwrap();
        }
        text
    }
}

/// The shortest `OCSPResponse` there is: tryLater (RFC 6960 section 4.2.1).
pub(crate) const TRY_LATER: &[u8] = &[0x30, 3, 0x0a, 1, 3];
/// So many bytes, or a multiple, are the content of what the server sends with an ID, its type and the padding.
const PADDED_TO: NonZeroU16 = NonZeroU16::new(16).expect("more than nothing");
/// What the client says first.
pub(crate) const HELLO: &[u8] = b"hello";
/// What the server answers.
pub(crate) const HELLO_BACK: &[u8] = b"hello to you";

/// Where the files are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/flights")
}
