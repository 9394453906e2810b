//! Keys that were there before, and keys that are exported.

use std::fs;
use std::sync::OnceLock;

use dtls_core::Role;
use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::encounter::Encounter;
use dtls_tests::interop::openssl::SUITES;
use dtls_tests::interop::{dtls, gnutls, same};

use crate::{ROLES, role_word, role_words, run_all};

// --- pre-shared keys and AES-CCM ---

#[test]
fn pre_shared_keys_and_aes_ccm_work_in_both_roles() {
    let suites = [
        "TLS_PSK_WITH_AES_128_GCM_SHA256",
        "TLS_PSK_WITH_AES_256_GCM_SHA384",
        "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_PSK_WITH_AES_128_CCM",
        "TLS_PSK_WITH_AES_256_CCM",
        "TLS_PSK_WITH_AES_128_CCM_8",
        "TLS_PSK_WITH_AES_256_CCM_8",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    ];
    let mut cells: Vec<_> = ROLES.into_iter().flat_map(|role| suites.map(|suite| (role, suite))).collect();
    // gnutls-cli ends before it has told anything of such a session, with gnutls-serv too. coap-client stands in for it.
    cells.retain(|(role, suite)| *role == Role::Client || !suite.contains("ECDHE_PSK"));
    run_all(
        "pre-shared keys and AES-CCM",
        &["suite", "role"],
        &cells,
        |(role, suite)| vec![(*suite).to_owned(), role_word(*role)],
        |(role, suite)| {
            let talk = gnutls::talk(&with_keys(*role, KNOWN, KNOWN).ours(&["--suites", suite]))?;
            let connected = talk.connected()?;
            same("cipher", dtls::value(connected, "cipher")?, suite)?;
            let identity = if suite.contains("PSK") { "hex:73656e736f722031" } else { "-" };
            same("psk", dtls::value(connected, "psk")?, identity)
        },
    );
}

#[test]
fn keys_that_differ_and_identities_that_are_unknown_end_in_silence_and_never_in_a_storm() {
    let mut cells = Vec::new();
    for role in ROLES {
        cells.push((role, "TLS_PSK_WITH_AES_128_CCM_8", "wrong key", WRONG));
        cells.push((role, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "unknown identity", UNKNOWN));
    }
    run_all(
        "other keys, other identities",
        &["client has", "suite", "role"],
        &cells,
        |(role, suite, what, _)| vec![(*what).to_owned(), (*suite).to_owned(), role_word(*role)],
        |(role, suite, _, key)| {
            let (ours, theirs, their_words) = match role {
                Role::Client => (*key, KNOWN, "due to invalid decryption"),
                Role::Server => (KNOWN, *key, "FINISHED was queued"),
            };
            let encounter = with_keys(*role, ours, theirs).ours(&["--suites", suite]);
            let met = gnutls::fall_silent(&encounter, their_words)?;
            // Two hellos, a flight and the flight again are four; a slow machine may say a hello twice.
            let sent = met.passed.datagrams(encounter.outgoing());
            same(&format!("we sent {sent} datagrams, no storm"), sent <= 6, true)
        },
    );
}

/// An identity, and a key in hexadecimal.
type Key = (&'static str, &'static str);

const KNOWN: Key = ("sensor 1", "000102030405060708090a0b0c0d0e0f");
const WRONG: Key = ("sensor 1", "f00102030405060708090a0b0c0d0e0f");
const UNKNOWN: Key = ("sensor 2", "000102030405060708090a0b0c0d0e0f");

/// Both sides hold a key, the server also a certificate.
fn with_keys(role: Role, ours: Key, theirs: Key) -> Encounter {
    static FILES: OnceLock<()> = OnceLock::new();
    let file = |(identity, key): Key| Authority::of_this_run().file(&format!("{identity} {key}.psk"));
    FILES.get_or_init(|| {
        for (identity, key) in [KNOWN, WRONG, UNKNOWN] {
            fs::write(file((identity, key)), format!("{identity}:{key}\n")).expect("a file can be written");
        }
    });
    let encounter = Encounter::new(role, Leaf::Server(KeyKind::Ecdsa));
    let encounter = encounter.ours(&["--psk", &format!("{}:{}", ours.0, ours.1)]);
    match role {
        Role::Client => encounter.theirs(&["--pskpasswd", &file(theirs)]),
        Role::Server => encounter.theirs(&["--pskusername", theirs.0, "--pskkey", theirs.1]),
    }
}

// --- keys without certificates ---

#[test]
fn bare_keys_of_every_kind_are_shown_and_read_in_both_roles() {
    let mut cells = Vec::new();
    for role in ROLES {
        for server in KeyKind::ALL {
            cells.push((role, server, None));
            cells.extend(KeyKind::ALL.map(|client| (role, server, Some(client))));
        }
    }
    run_all(
        "bare keys",
        &["server", "client", "role"],
        &cells,
        |(role, server, client)| {
            let client = client.map_or("-", KeyKind::name);
            [server.name(), client, &role_word(*role)].map(str::to_owned).to_vec()
        },
        |(role, server, client)| {
            let encounter = Encounter::new(*role, Leaf::Server(*server)).bare();
            let encounter = match client {
                None => encounter,
                Some(client) => encounter.mutual(Leaf::Client(*client)),
            };
            gnutls::talk(&encounter).map(drop)
        },
    );
}

#[test]
fn the_bare_key_of_somebody_else_is_refused_in_both_roles() {
    run_all("bare keys of somebody else", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).bare();
        if *role == Role::Client {
            encounter.client_trusts = Leaf::StrangeClient.public_key();
        } else {
            // The last that is given is the one that is shown.
            let ([_, key], public_key) = (Leaf::StrangeClient.files(), Leaf::StrangeClient.public_key());
            let stranger = ["--rawpkfile", &public_key, "--rawpkkeyfile", &key];
            encounter = encounter.mutual(Leaf::Client(KeyKind::Ecdsa)).theirs(&stranger);
        }
        gnutls::fall_out(&encounter, "bad_certificate", "-", "Alert[2|42] - Certificate is bad").map(drop)
    });
}

// --- exporters ---

#[test]
fn both_sides_export_the_same_bytes_however_many() {
    let mut cells = Vec::new();
    // One with SHA-256 behind the PRF, one with SHA-384.
    for suite in [SUITES[0], SUITES[1]] {
        cells.extend([1, 48, 1000].map(|len| (suite, len)));
    }
    run_all(
        "exporters",
        &["suite", "bytes"],
        &cells,
        |(suite, len)| vec![suite.name.to_owned(), len.to_string()],
        |(suite, len)| {
            // gnutls-serv prints none over DTLS.
            let mut encounter = Encounter::new(Role::Server, Leaf::Server(KeyKind::Ecdsa));
            encounter.suite = Some(*suite);
            encounter.export_len = *len;
            // talk compares them byte for byte.
            gnutls::talk(&encounter).map(drop)
        },
    );
}
