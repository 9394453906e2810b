//! Handshakes byte for byte: what every suite, certificate, key and set of extensions looks like on the wire.
//!
//! All randomness comes from a seed, so a change of one byte anywhere in a handshake is a change of a file in
//! `vectors/flights/`, to be looked at and understood. `DTLS_BLESS=1` writes the files anew.
//!
//! A file that repeats what the code said proves that the code says the same again, and not that it is right. So the
//! kinds of handshake that came last are also read by others: by tshark, which opens them with the key alone
//! (`dissected.rs`), and byte by byte as the RFCs draw them (`structure.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use std::fs;

use dtls_core::wire::enums::CipherSuiteId;
use dtls_tests::scenario::{Scenario, run_handshake};
use dtls_tests::sim::network::Clean;
use flights::{Flight, folder};

mod dissected;
mod flights;
mod structure;

#[test]
fn every_handshake_is_what_it_was_byte_for_byte() {
    let bless = std::env::var("DTLS_BLESS").is_ok_and(|value| value == "1");
    let mut changed = Vec::new();
    for flight in Flight::all() {
        let text = flight.text(&flight.run());
        let path = folder().join(&flight.name);
        if bless {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, &text).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected != text {
            changed.push(format!("{}: {}", flight.name, first_difference(&expected, &text)));
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
    let mut expected: Vec<String> = Flight::all().into_iter().map(|flight| flight.name).collect();
    expected.sort();
    let mut found: Vec<String> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_handshake_takes_as_few_datagrams_and_bytes_as_it_did() {
    // Not a golden file, but a number that a person can read: certificates of 445 to 795 bytes included.
    let mut world =
        Scenario::new(2026).mutual().suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256).start(Clean);
    run_handshake(&mut world);
    world.drain();
    let datagrams: Vec<usize> = world.datagrams().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(datagrams.len(), 6);
    assert!(datagrams.iter().sum::<usize>() < 1950, "{datagrams:?}");
}
