//! Handshakes byte for byte: what every suite, certificate and set of extensions looks like on the wire.
//!
//! All randomness comes from a seed, so a change of one byte anywhere in a handshake is a change of a file in
//! `vectors/flights/`, to be looked at and understood. `DTLS_BLESS=1` writes the files anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use core::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use dtls_core::wire::enums::{CipherSuiteId, NamedGroup};
use dtls_tests::certificates::Leaf;
use dtls_tests::scenario::{CLIENT_END, SERVER_END, Scenario, assert_agreement, run_handshake};
use dtls_tests::sim::World;
use dtls_tests::sim::network::Clean;

/// One file.
struct Flight {
    suite: CipherSuiteId,
    group: NamedGroup,
    leaf: Leaf,
    is_mutual: bool,
    has_extensions: bool,
}

impl Flight {
    fn all() -> Vec<Self> {
        let ecdsa = &[("ecdsa", Leaf::EcdsaP256), ("ed25519", Leaf::Ed25519)][..];
        let rsa = &[("rsa", Leaf::Rsa2048)][..];
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
            for (_, leaf) in leaves {
                for is_mutual in [false, true] {
                    for has_extensions in [false, true] {
                        flights.push(Self { suite, group, leaf: *leaf, is_mutual, has_extensions });
                    }
                }
            }
        }
        flights
    }

    fn name(&self) -> String {
        let cipher = match self.suite {
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "aes-128-gcm",
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "aes-256-gcm",
            _ => "chacha20-poly1305",
        };
        let leaf = match self.leaf {
            Leaf::Ed25519 => "ed25519",
            Leaf::Rsa2048 => "rsa",
            _ => "ecdsa",
        };
        let client = if self.is_mutual { "client-auth" } else { "no-client-auth" };
        let extensions = if self.has_extensions { "alpn-srtp" } else { "plain" };
        format!("{cipher}-{leaf}-{client}-{extensions}.txt")
    }

    fn run(&self) -> World {
        let mut scenario = Scenario::new(2026).server_leaf(self.leaf).suite(self.suite).group(self.group);
        if self.is_mutual {
            scenario.client_leaf = Some(self.leaf);
        }
        if self.has_extensions {
            scenario = scenario.with_extensions();
        }
        let mut world = scenario.start(Clean);
        run_handshake(&mut world);
        world.drain();
        assert_agreement(&world, CLIENT_END);
        world.send(CLIENT_END, b"hello").unwrap();
        world.drain();
        world.send(SERVER_END, b"hello to you").unwrap();
        world.drain();
        world.end_mut(CLIENT_END).connection.close();
        world.pump(CLIENT_END);
        world.drain();
        world
    }

    /// The file: what it is, then one datagram a line.
    fn text(&self, world: &World) -> String {
        let mut text = String::new();
        let (client, server) = match self.leaf {
            Leaf::Ed25519 => ("ed25519", "ed25519"),
            Leaf::Rsa2048 => ("rsa-2048", "rsa-2048"),
            _ => ("ecdsa-p256", "ecdsa-p256"),
        };
        writeln!(text, "# {} with {}", self.suite, self.group).unwrap();
        writeln!(text, "# server certificate: {server}").unwrap();
        writeln!(text, "# client certificate: {}", if self.is_mutual { client } else { "none" }).unwrap();
        for (by, bytes) in world.datagrams() {
            let arrow = if by == CLIENT_END { ">" } else { "<" };
            writeln!(text, "{arrow} {}", hex::encode(bytes)).unwrap();
        }
        text
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/flights")
}

#[test]
fn every_handshake_is_what_it_was_byte_for_byte() {
    let bless = std::env::var("DTLS_BLESS").is_ok_and(|value| value == "1");
    let mut changed = Vec::new();
    for flight in Flight::all() {
        let text = flight.text(&flight.run());
        let path = folder().join(flight.name());
        if bless {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, &text).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected != text {
            changed.push(format!("{}: {}", flight.name(), first_difference(&expected, &text)));
        }
    }
    assert!(
        changed.is_empty(),
        "these flights are not what they were; if they should be so, write them anew with DTLS_BLESS=1 and commit \
         what changed:\n{}",
        changed.join("\n")
    );
}

fn first_difference(expected: &str, got: &str) -> String {
    if expected.is_empty() {
        return "there is no file".to_owned();
    }
    for (number, (old, new)) in expected.lines().zip(got.lines()).enumerate() {
        if old != new {
            let at = old.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count();
            // Behind the arrow and a space, two digits a byte.
            return format!("line {}, byte {} of the datagram", number + 1, at.saturating_sub(2) / 2);
        }
    }
    format!("{} lines instead of {}", got.lines().count(), expected.lines().count())
}

#[test]
fn there_is_no_file_that_no_test_reads() {
    let mut expected: Vec<String> = Flight::all().iter().map(Flight::name).collect();
    expected.sort();
    let mut found: Vec<String> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_handshake_takes_as_few_datagrams_and_bytes_as_it_did() {
    // Not a golden file, but a number that a person can read: certificates of 445 to 795 bytes included.
    let flight = Flight {
        suite: CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        group: NamedGroup::X25519,
        leaf: Leaf::EcdsaP256,
        is_mutual: true,
        has_extensions: false,
    };
    let mut world = Scenario::new(2026).mutual().suite(flight.suite).start(Clean);
    run_handshake(&mut world);
    world.drain();
    let datagrams: Vec<usize> = world.datagrams().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(datagrams.len(), 6);
    assert!(datagrams.iter().sum::<usize>() < 1950, "{datagrams:?}");
}
