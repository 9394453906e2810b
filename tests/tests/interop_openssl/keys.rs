//! Keys that were there before, keys that are exported, and keys that open a capture.

use std::fs;

use dtls_core::Role;
use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::encounter::{Encounter, PING};
use dtls_tests::interop::openssl::{self, SUITES};
use dtls_tests::interop::{Trouble, announce, capture, dtls, has_peer, same};

use crate::{ROLES, can_be_met, has_openssl, role_word, role_words};

// --- pre-shared keys ---

#[test]
fn pre_shared_keys_and_aes_ccm_work_in_both_roles() {
    if !has_openssl() {
        return;
    }
    let suites = [
        ("TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256"),
        ("TLS_PSK_WITH_AES_256_GCM_SHA384", "PSK-AES256-GCM-SHA384"),
        ("TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "PSK-CHACHA20-POLY1305"),
        ("TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305"),
        ("TLS_PSK_WITH_AES_128_CCM", "PSK-AES128-CCM"),
        ("TLS_PSK_WITH_AES_256_CCM", "PSK-AES256-CCM"),
        ("TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8"),
        ("TLS_PSK_WITH_AES_256_CCM_8", "PSK-AES256-CCM8"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ECDHE-ECDSA-AES256-CCM"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ECDHE-ECDSA-AES256-CCM8"),
    ];
    let cells: Vec<_> = ROLES.into_iter().flat_map(|role| suites.map(|(ours, theirs)| (role, ours, theirs))).collect();
    run_all(
        "pre-shared keys and AES-CCM",
        &["suite", "role"],
        &cells,
        |(role, suite, _)| vec![(*suite).to_owned(), role_word(*role)],
        |(role, ours, theirs)| {
            let key = "000102030405060708090a0b0c0d0e0f";
            let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
            let encounter = encounter.ours(&["--suites", ours, "--psk", &format!("sensor 1:{key}")]);
            // Tags of eight bytes are below openssl's usual level of security.
            let theirs = format!("{theirs}:@SECLEVEL=0");
            let talk = encounter.theirs(&["-cipher", &theirs, "-psk_identity", "sensor 1", "-psk", key]).talk()?;
            let connected = talk.connected()?;
            same("cipher", dtls::value(connected, "cipher")?, ours)?;
            let identity = if ours.contains("PSK") { "hex:73656e736f722031" } else { "-" };
            same("psk", dtls::value(connected, "psk")?, identity)
        },
    );
}

// --- keys without certificates ---

/// Whether there is an openssl that does; if not, says so.
fn knows_bare_keys() -> bool {
    if !has_openssl() {
        return false;
    }
    let knows = openssl::knows_bare_keys();
    if !knows {
        announce(&format!(
            "bare keys: SKIPPED: the first to know of them is OpenSSL 3.2, this is {}",
            openssl::version()
        ));
    }
    knows
}

#[test]
fn bare_keys_of_every_kind_are_shown_and_read_in_both_roles() {
    if !knows_bare_keys() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        for server in KeyKind::ALL.into_iter().filter(|kind| can_be_met(role, *kind)) {
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
            match client {
                None => encounter.talk().map(drop),
                Some(client) => encounter.mutual(Leaf::Client(*client)).talk().map(drop),
            }
        },
    );
}

#[test]
fn the_bare_key_of_somebody_else_is_refused_by_either_side() {
    if !knows_bare_keys() {
        return;
    }
    run_all("bare keys of somebody else", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).bare();
        if *role == Role::Client {
            encounter.client_trusts = Leaf::StrangeClient.public_key();
        } else {
            // The last that is given is the one that is shown.
            let [cert, key] = Leaf::StrangeClient.files();
            encounter = encounter.mutual(Leaf::Client(KeyKind::Ecdsa)).theirs(&["-cert", &cert, "-key", &key]);
        }
        encounter.fall_out()?.expect("bad_certificate", "-", "alert bad certificate")
    });
}

// --- exporters ---

#[test]
fn both_sides_export_the_same_bytes_however_many() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        // One with SHA-256 behind the PRF, one with SHA-384.
        for suite in [SUITES[0], SUITES[1]] {
            cells.extend([1, 32, 33, 48, 49, 1000].map(|len| (role, suite, len)));
        }
    }
    run_all(
        "exporters",
        &["suite", "bytes", "role"],
        &cells,
        |(role, suite, len)| vec![suite.name.to_owned(), len.to_string(), role_word(*role)],
        |(role, suite, len)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
            encounter.suite = Some(*suite);
            encounter.export_len = *len;
            // talk compares them byte for byte.
            encounter.talk().map(drop)
        },
    );
}

// --- captures ---

#[test]
fn a_captured_session_opens_in_tshark_with_our_key_log() {
    let (openssl, tshark) = (has_openssl(), has_peer("tshark", "--version"));
    if !openssl || !tshark {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        // tshark 4.0 does not open ChaCha20-Poly1305 in DTLS, not even between two openssl.
        let suites = SUITES.iter().filter(|suite| !suite.name.contains("CHACHA20"));
        cells.extend(suites.map(|suite| (role, *suite)));
    }
    run_all(
        "captures",
        &["suite", "role"],
        &cells,
        |(role, suite)| vec![suite.name.to_owned(), role_word(*role)],
        |(role, suite)| {
            let name = format!("{}-{}", role_word(*role), suite.openssl_name);
            let [key_log, no_keys, file] =
                ["keys", "no-keys", "pcap"].map(|ending| Authority::of_this_run().file(&format!("{name}.{ending}")));
            let mut encounter = Encounter::new(*role, Leaf::Server(suite.keys[0])).ours(&["--keylog", &key_log]);
            encounter.suite = Some(*suite);
            let talk = encounter.talk()?;
            capture::write(&file, &talk.passed, talk.port)?;
            let opened = capture::open(&file, &key_log, talk.port)?;
            let payload = hex::encode(PING);
            let times = opened.stdout.matches(payload.as_str()).count();
            if times != 2 {
                return Err(opened.trouble(&format!("finds the payload {times} times, not there and back")));
            }
            // And only with it.
            fs::write(&no_keys, "").map_err(Trouble::new)?;
            let closed = capture::open(&file, &no_keys, talk.port)?;
            same("opens without keys", closed.stdout.contains(&payload), false)
        },
    );
}
