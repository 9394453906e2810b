//! What options choose: what is negotiated, exported, logged and traced.

use std::fs;

use crate::process::{Input, Running, Server, command, directory, dtls, silent};

#[test]
fn what_is_asked_for_is_what_is_negotiated() {
    for group in ["x25519", "secp256r1", "secp384r1"] {
        // On the server: a client's list would have to name the curve of the certificate as well.
        let server = Server::start(
            &[
                &["--self-signed", "localhost", "--alpn", "coap,echo", "--mki", "0a0b", "--ems", "prefer"][..],
                &["--srtp", "SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_HMAC_SHA1_80", "--no-cookie", "--max-sessions", "2"],
                &["--groups", group],
            ]
            .concat(),
        );
        for suite in [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ] {
            let client = dtls(
                &[
                    &["client", &server.address, "--insecure", "--suites", suite, "--mtu", "256"][..],
                    &["--alpn", "echo", "--srtp", "SRTP_AES128_CM_HMAC_SHA1_80", "--mki", "0a0b", "--ems", "off"],
                    &["--send", "hello", "--expect-echo"],
                ]
                .concat(),
            )
            .finish();
            assert_eq!(client.code, 0, "{suite} {group}: {}", client.stdout);
            let connected = client.line("CONNECTED");
            let expected = format!(
                " cipher={suite} group={group} signature=ecdsa_secp256r1_sha256 ems=0 resumed=0 alpn=echo \
                 srtp=SRTP_AES128_CM_HMAC_SHA1_80 mki=0a0b "
            );
            assert!(connected.contains(&expected), "{connected}");
        }
    }
}

#[test]
fn a_pre_shared_key_stands_for_certificates_and_records_keep_to_their_limits() {
    let server = Server::start(&[
        "--psk",
        "sensor 1:00112233",
        "--psk",
        "other:445566",
        "--psk-hint",
        "plant",
        "--record-size-limit",
        "100",
    ]);
    let with = |options: &[&str]| {
        dtls(&[&["client", &server.address, "--psk", "other:445566"][..], options].concat()).finish()
    };
    for (limit, longest) in [(&[][..], "100"), (&["--record-size-limit", "80"], "80")] {
        let client = with(&[&["--send-size", longest, "--expect-echo"][..], limit].concat());
        if limit.is_empty() {
            // A client that says nothing of limits is told none.
            assert!(
                client.line("CONNECTED").contains("psk=other certificate=- raw_public_key=- subject=- verified=yes")
            );
        }
        assert_eq!(client.code, 0, "{}", client.stdout);
    }
    for (limit, longest, too_long) in
        [(["--record-size-limit", "80"], 100, "101"), (["--max-fragment-length", "512"], 512, "513")]
    {
        let cut = with(&[&limit[..], &["--send-size", too_long]].concat());
        assert_eq!(cut.code, 2, "{}", cut.stdout);
        let problem = format!(
            "--send-size: {too_long} bytes do not fit, {longest} do; send less: the peer takes no longer records"
        );
        assert!(cut.stderr.contains(&problem), "{}", cut.stderr);
    }
    // The server may be told more than it may say.
    let unheard = with(&["--record-size-limit", "80", "--send-size", "81", "--expect-echo", "--wait", "200"]);
    assert_eq!(unheard.code, 4, "{}", unheard.stdout);
    // Without an ephemeral exchange there is this message only for the sake of a hint.
    let hinted = with(&["--suites", "TLS_PSK_WITH_AES_128_GCM_SHA256", "--trace"]);
    assert!(hinted.stderr.contains("<   ServerKeyExchange "), "{}", hinted.stderr);
    let wrong = dtls(&["client", &server.address, "--psk", "other:00", "--handshake-timeout", "2"]).finish();
    assert_eq!(wrong.code, 3, "{}", wrong.stdout);
}

#[test]
fn exported_keys_are_the_same_on_both_sides() {
    let exports =
        ["--export", "EXTRACTOR-dtls_srtp:60", "--export", "EXPERIMENTAL x:8:00ff", "--export", "EXPERIMENTAL x:8:"];
    let server = Server::start(&[&["--self-signed", "localhost", "--count", "1"][..], &exports].concat());
    // Until the echo is back the server has its session, and has exported.
    let options = ["--insecure", "--send", "hello", "--expect-echo"];
    let client = dtls(&[&["client", &server.address][..], &options, &exports].concat()).finish();
    let (client, server) = (client.lines("EXPORT"), server.finish().lines("EXPORT"));
    assert_eq!(client, server);
    let srtp = client[0].strip_prefix("EXPORT label=EXTRACTOR-dtls_srtp ").unwrap();
    assert_eq!(hex::decode(srtp).unwrap().len(), 60);
    assert!(client[1].starts_with("EXPORT label=\"EXPERIMENTAL x\" "), "{}", client[1]);
    assert_ne!(client[1], client[2], "the context counts");
}

#[test]
fn keying_material_that_cannot_be_exported_fails_the_session() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1", "--ems", "off"]);
    let client =
        dtls(&["client", &server.address, "--insecure", "--ems", "prefer", "--export", "EXPERIMENTAL:8"]).finish();
    assert_eq!(client.code, 1);
    assert!(client.stdout.lines().last().unwrap().contains("reason=\"--export EXPERIMENTAL: "));
    assert_eq!(server.finish().code, 0);
}

#[test]
fn secrets_go_to_the_key_log_by_option_or_environment() {
    let directory = directory("keylog");
    let (by_option, by_environment) = (directory.join("option"), directory.join("environment"));
    let option = by_option.to_str().unwrap();
    let server = Server::start(&["--self-signed", "localhost", "--count", "1", "--keylog", option]);
    let mut client = command(&["client", &server.address, "--insecure"]);
    client.env("SSLKEYLOGFILE", &by_environment);
    assert_eq!(Running::start(client, Input::None).finish().code, 0);
    server.finish();
    let lines = fs::read_to_string(&by_option).unwrap();
    assert_eq!(lines, fs::read_to_string(&by_environment).unwrap(), "both sides know the same secret");
    let words: Vec<_> = lines.strip_suffix('\n').unwrap().split(' ').collect();
    assert_eq!((words.len(), words[0], words[1].len(), words[2].len()), (3, "CLIENT_RANDOM", 64, 96));
    assert!(words[1..].iter().all(|word| word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))));
}

#[test]
fn a_trace_tells_of_both_directions_and_not_of_secrets() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1", "--trace"]);
    let options = ["--insecure", "--trace", "--send", "secret text"];
    let client = dtls(&[&["client", &server.address][..], &options].concat()).finish();
    let server = server.finish();
    let lines: Vec<_> = client.stderr.lines().filter(|line| !line.starts_with("dtls: ")).collect();
    assert!(lines[0].starts_with("> record handshake epoch=0 seq=0 len="), "{}", client.stderr);
    assert!(lines[1].starts_with(">   ClientHello seq=0 offset=0 length="), "{}", client.stderr);
    assert!(lines[2].starts_with("< record handshake epoch=0 "), "{}", client.stderr);
    assert!(
        lines.iter().any(|line| line.starts_with("> record application_data epoch=1 ") && line.ends_with(" protected"))
    );
    assert!(server.stderr.lines().all(|line| line.contains(" peer=127.0.0.1:")), "{}", server.stderr);
    assert!(!client.stderr.contains("secret text") && !server.stderr.contains("secret text"));
}

#[test]
fn handshakes_complete_through_loss_duplication_and_delay_on_both_sides() {
    let weather = ["--loss", "0.3", "--duplicate", "0.2", "--delay", "2", "--first-timeout", "50"];
    for seed in ["1", "2", "3"] {
        let options = [&weather[..], &["--seed", seed]].concat();
        let server = Server::start(&[&["--self-signed", "localhost"][..], &options].concat());
        let client = dtls(&[&["client", &server.address, "--insecure"][..], &options].concat()).finish();
        assert_eq!(client.code, 0, "seed {seed}: {}", client.stdout);
        client.line("CONNECTED");
    }
}

#[test]
fn weather_without_a_seed_tells_the_one_it_took() {
    let client = dtls(&["client", &silent().1, "--insecure", "--loss", "1", "--handshake-timeout", "0.1"]).finish();
    assert_eq!(client.code, 3);
    assert!(client.stderr.contains("dtls: --seed "), "{}", client.stderr);
}
