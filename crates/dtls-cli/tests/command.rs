//! The command as machines use it: options in, lines and exit codes out.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its run went wrong")]

#[allow(dead_code, reason = "each file of tests uses its part")]
mod process;

use std::collections::BTreeSet;
use std::fs;

use process::{
    Cert, Input, Running, Server, brief_server, command, directory, dtls, dtls_with_input, peculiar_server, silent,
    talkative_server,
};
use serde_json::Value;

// --- the demo ---

#[test]
fn the_demo_shows_six_flights_an_echo_and_what_was_negotiated() {
    let run = dtls(&["demo"]).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let flights: Vec<_> = run.lines("FLIGHT").iter().map(|line| line[7..8].to_owned()).collect();
    assert_eq!(flights, ["1", "2", "3", "4", "5", "6"]);
    run.line("RECEIVED 5 hello");
    run.line("CIPHER       TLS_ECDHE_ECDSA_WITH_");
    assert!(run.line("EXPORTER").contains("the same 60 bytes on both sides"));
    run.line("CLIENT       sent 5 datagrams");
    run.line("SERVER       sent 4 datagrams");
    for line in run.stdout.lines() {
        let word = line.split(' ').next().unwrap();
        assert!(word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase()), "{line}");
    }
}

#[test]
fn the_demo_in_json_is_one_object_a_line() {
    let run = dtls(&["demo", "--json"]).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let events = run.events();
    let names: BTreeSet<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = ["alert", "connected", "data", "exporter", "flight", "listening", "received", "sent", "stats"];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(run.event("exporter")["equal"], true);
    assert_eq!(run.event("connected")["version"], "DTLSv1.2");
}

#[test]
fn the_demo_survives_loss() {
    let run = dtls(&["demo", "--loss", "0.3", "--duplicate", "0.3", "--seed", "3"]).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("(lost on its way)") && run.stdout.contains("once more"), "{}", run.stdout);
}

// --- an echo ---

#[test]
fn a_client_that_trusts_the_servers_certificate_gets_its_echo() {
    let cert = Cert::make("trusted", &[]);
    let server = Server::start(&[&cert.identity()[..], &["--count", "1"]].concat());
    let client = dtls(
        &[
            &["client", &server.address, "--ca", &cert.cert, "--name", "localhost"][..],
            &["--send", "hello", "--send-size", "30", "--send-hex", "00ff", "--send", "-x", "--expect-echo"],
        ]
        .concat(),
    )
    .finish();
    let echoes = ["5 hello", "30 abcdefghijklmnopqrstuvwxyzabcd", "2 hex:00ff", "2 -x"];
    let connected = client.line("CONNECTED");
    assert!(connected.starts_with(&format!("CONNECTED peer={} version=DTLSv1.2 cipher=TLS_", server.address)));
    assert!(connected.contains(" ems=1 resumed=0 alpn=- srtp=- mki=- sni=localhost cid=-/- psk=- "));
    let fingerprint = cert.fingerprint.replace(' ', ":");
    assert!(connected.ends_with(&format!(" certificate={fingerprint} subject=\"CN=localhost\" verified=yes")));
    let expected: Vec<_> =
        echoes.iter().flat_map(|echo| [format!("SENT {echo}"), format!("RECEIVED {echo}")]).collect();
    assert_eq!(client.lines("SENT|RECEIVED"), expected);
    client.line(&format!("CLOSED peer={} reason=close_notify", server.address));
    client.line("STATS sent=");
    assert_eq!((client.code, client.stderr.as_str()), (0, ""));

    let server = server.finish();
    assert_eq!((server.code, server.stderr.as_str()), (0, ""));
    assert!(server.line("CONNECTED").ends_with(" sni=localhost cid=-/- psk=- certificate=- subject=- verified=none"));
    let expected: Vec<_> =
        echoes.iter().flat_map(|echo| [format!("RECEIVED {echo}"), format!("SENT {echo}")]).collect();
    assert_eq!(server.lines("SENT|RECEIVED"), expected);
    assert!(server.line("CLOSED").ends_with(" reason=close_notify"));
    server.line("STATS sent=");
}

#[test]
fn the_same_in_json() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1", "--json", "--alpn", "coap"]);
    let options = ["--insecure", "--alpn", "h3,coap", "--srtp", "SRTP_AEAD_AES_128_GCM", "--json", "--send", "hello"];
    let client = dtls(&[&["client", &server.address, "--name", "localhost"][..], &options].concat()).finish();
    assert_eq!(client.code, 0);
    assert!(client.stderr.contains("--insecure verifies nothing"));
    let connected = client.event("connected");
    assert_eq!(connected["peer"], server.address);
    assert_eq!((&connected["alpn"], &connected["srtp"]), (&Value::from("coap"), &Value::Null));
    assert_eq!((&connected["subject"], &connected["verified"]), (&"CN=localhost".into(), &"no".into()));
    assert_eq!(client.event("sent")["text"], "hello");
    assert_eq!(client.event("received")["text"], "hello");
    assert_eq!(client.event("closed")["reason"], "close_notify");
    let server = server.finish();
    assert_eq!(server.code, 0);
    let connected = server.event("connected");
    assert_eq!((&connected["sni"], &connected["verified"]), (&"localhost".into(), &"none".into()));
    assert_eq!(connected["certificate"], Value::Null);
    assert!(server.event("stats")["received"].as_u64().unwrap() > 0);
}

#[test]
fn several_clients_are_served_at_once() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "3", "--quiet-data"]);
    let mut clients: Vec<_> = (0..3).map(|_| dtls_with_input(&["client", &server.address, "--insecure"])).collect();
    for client in &clients {
        client.wait_for("CONNECTED");
    }
    for round in ["first", "second"] {
        for (number, client) in clients.iter_mut().enumerate() {
            client.tell(&format!("{round} {number}"));
        }
        for (number, client) in clients.iter().enumerate() {
            let text = format!("{round} {number}");
            client.wait_for(&format!("RECEIVED {} {text}", text.len()));
        }
    }
    for client in clients {
        let client = client.finish();
        assert_eq!(client.code, 0);
        assert_eq!(client.lines("CLOSED").len(), 1);
    }
    let server = server.finish();
    assert_eq!(server.code, 0);
    assert_eq!(server.lines("CONNECTED").len(), 3);
    assert_eq!(server.lines("SENT|RECEIVED"), Vec::<String>::new());
}

#[test]
fn an_echo_that_does_not_come_or_is_another_is_exit_code_4() {
    for answer in [None, Some(&b"other"[..])] {
        let address = peculiar_server(answer);
        let options = ["--insecure", "--send", "hello", "--expect-echo", "--wait", "200"];
        let client = dtls(&[&["client", &address][..], &options].concat()).finish();
        assert_eq!(client.code, 4, "{}", client.stdout);
        assert_eq!(client.lines("RECEIVED").len(), usize::from(answer.is_some()));
        assert_eq!(client.lines("CLOSED").len(), 1);
        // Whoever does not insist on an echo is content with either.
        let address = peculiar_server(answer);
        let client = dtls(&["client", &address, "--insecure", "--send", "hello", "--wait", "200"]).finish();
        assert_eq!(client.code, 0, "{}", client.stdout);
    }
}

#[test]
fn what_comes_unasked_does_not_make_the_wait_for_an_echo_longer() {
    let times = 250;
    let address = talkative_server(times);
    let options = ["--insecure", "--send", "hello", "--expect-echo", "--wait", "300"];
    let client = dtls(&[&["client", &address][..], &options].concat()).finish();
    assert_eq!(client.code, 4, "{}", client.stdout);
    let received = client.lines("RECEIVED").len();
    assert!((1..times / 2).contains(&received), "{received} in 300 ms, one every 20 ms");
}

#[test]
fn a_client_tells_what_came_before_the_end_though_it_still_has_much_to_say() {
    let address = brief_server([b"one", b"two", b"six"]);
    let client = dtls(&[&["client", &address, "--insecure"][..], &["--send", "x"].repeat(2000)].concat()).finish();
    assert_eq!(client.code, 0);
    assert_eq!(client.lines("RECEIVED"), ["RECEIVED 3 one", "RECEIVED 3 two", "RECEIVED 3 six"]);
    client.line("CLOSED");
}

#[test]
fn lines_of_standard_input_wait_for_their_echo_too() {
    let server = Server::start(&["--self-signed", "localhost"]);
    let mut client = dtls_with_input(&["client", &server.address, "--insecure", "--expect-echo"]);
    client.tell("a\nb\nc");
    let client = client.finish();
    assert_eq!(client.code, 0);
    let expected = ["a", "b", "c"].map(|line| [format!("SENT 1 {line}"), format!("RECEIVED 1 {line}")]);
    assert_eq!(client.lines("SENT|RECEIVED"), expected.concat());
    let mut client =
        dtls_with_input(&["client", &peculiar_server(None), "--insecure", "--expect-echo", "--wait", "50"]);
    client.tell("a\nb");
    let client = client.finish();
    assert_eq!((client.code, client.lines("SENT|RECEIVED")), (4, vec!["SENT 1 a".to_owned(), "SENT 1 b".to_owned()]));
}

#[test]
fn a_datagram_that_does_not_fit_is_wrong_usage() {
    let (text, bytes) = ("x".repeat(301), "00".repeat(301));
    for (option, value) in [("--send", &text[..]), ("--send-hex", &bytes), ("--send-size", "301")] {
        let server = Server::start(&["--self-signed", "localhost", "--count", "1"]);
        let options = ["--insecure", "--mtu", "300", option, value];
        let client = dtls(&[&["client", &server.address][..], &options].concat()).finish();
        assert_eq!(client.code, 2);
        let last = client.stderr.lines().last().unwrap();
        assert!(last.starts_with(&format!("dtls: {option}: 301 bytes do not fit, ")), "{last}");
        assert!(last.ends_with("; send less, or raise --mtu"), "{last}");
        assert_eq!(server.finish().code, 0);
    }
    let server = Server::start(&["--self-signed", "localhost"]);
    let mut client = dtls_with_input(&["client", &server.address, "--insecure", "--mtu", "65535"]);
    client.tell(&"x".repeat(16_385));
    let client = client.finish();
    assert_eq!(client.code, 2);
    let last = client.stderr.lines().last().unwrap();
    assert_eq!(last, "dtls: standard input: 16385 bytes do not fit, 16384 do; send less");
}

// --- trust ---

#[test]
fn the_wrong_certificate_is_refused_with_an_alert() {
    let (right, wrong) = (Cert::make("right", &[]), Cert::make("wrong", &["--name", "wrong.example"]));
    let fingerprint = wrong.fingerprint.replace(' ', ":");
    for (trust, alert) in [
        (["--pin", &wrong.cert], "bad_certificate"),
        (["--fingerprint", &fingerprint], "bad_certificate"),
        (["--ca", &wrong.cert], "unknown_ca"),
    ] {
        let server = Server::start(&[&right.identity()[..], &["--count", "1"]].concat());
        let client = dtls(&[&["client", &server.address][..], &trust].concat()).finish();
        assert_eq!(client.code, 1);
        let last = client.stdout.lines().last().unwrap();
        assert!(
            last.starts_with(&format!("FAILED peer={} reason=\"the peer's certificate ", server.address)),
            "{last}"
        );
        assert!(last.ends_with(&format!("alert_sent={alert} alert_received=-")), "{last}");
        let server = server.finish();
        assert_eq!(server.code, 1);
        assert!(server.line("FAILED").ends_with(&format!("alert_sent=- alert_received={alert}")));
    }
}

#[test]
fn the_name_is_the_host_or_the_one_given_and_must_be_in_the_certificate() {
    let cert = Cert::make("named", &["--name", "server.example", "--name", "127.0.0.1"]);
    for (name, code, sni) in [
        (None, 0, "-"),
        (Some("server.example"), 0, "server.example"),
        (Some("server.example."), 0, "server.example"),
        (Some("other.example"), 1, ""),
        (Some("127.0.0.2"), 1, ""),
    ] {
        let server = Server::start(&cert.identity());
        let mut args = vec!["client", &server.address, "--ca", &cert.cert];
        args.extend(name.iter().flat_map(|name| ["--name", name]));
        let client = dtls(&args).finish();
        assert_eq!(client.code, code, "{name:?}: {}", client.stdout);
        if code == 0 {
            assert!(client.line("CONNECTED").contains(&format!(" sni={sni} ")), "{name:?}");
        } else {
            assert!(client.line("FAILED").contains("alert_sent=bad_certificate"), "{name:?}");
        }
    }
    let server = Server::start(&cert.identity());
    let client = dtls(&["client", &server.address, "--pin", &cert.cert, "--name", ""]).finish();
    assert_eq!(client.code, 0);
    assert!(client.line("CONNECTED").contains(" sni=- "));
}

#[test]
fn no_name_is_sent_and_yet_the_host_is_verified() {
    let (here, elsewhere) =
        (Cert::make("here", &["--name", "127.0.0.1"]), Cert::make("elsewhere", &["--name", "a.example"]));
    for (cert, code) in [(&here, 0), (&elsewhere, 1)] {
        let server = Server::start(&cert.identity());
        let client = dtls(&["client", &server.address, "--ca", &cert.cert, "--name", ""]).finish();
        assert_eq!(client.code, code, "{}", client.stdout);
        if code == 0 {
            let connected = client.line("CONNECTED");
            assert!(connected.contains(" sni=- ") && connected.ends_with(" verified=yes"), "{connected}");
        } else {
            assert!(client.line("FAILED").contains("alert_sent=bad_certificate"));
            assert!(client.stderr.contains("is not for 127.0.0.1; give --name"), "{}", client.stderr);
        }
    }
}

#[test]
fn clients_are_verified_as_the_policy_says() {
    let (server_cert, client_cert) = (Cert::make("s", &[]), Cert::make("c", &["--name", "client.example"]));
    let known = client_cert.identity();
    let stranger = server_cert.identity();
    let anonymous: [&str; 0] = [];
    for (policy, identity, verified, alert) in [
        (&["--client-auth", "none"][..], &known[..], Some("none"), None),
        (&["--client-auth", "request", "--ca", &client_cert.cert], &known, Some("yes"), None),
        (&["--client-auth", "request", "--ca", &client_cert.cert], &anonymous, Some("none"), None),
        (&["--ca", &client_cert.cert], &anonymous, Some("none"), None),
        (&["--ca", &client_cert.cert], &known, Some("yes"), None),
        (&["--client-auth", "require", "--pin", &client_cert.cert], &known, Some("yes"), None),
        (&["--client-auth", "require", "--insecure"], &stranger, Some("no"), None),
        (&["--client-auth", "require", "--pin", &client_cert.cert], &stranger, None, Some("bad_certificate")),
        (&["--client-auth", "require", "--pin", &client_cert.cert], &anonymous, None, Some("handshake_failure")),
    ] {
        let server = Server::start(&[&server_cert.identity()[..], policy, &["--count", "1"]].concat());
        let client = dtls(&[&["client", &server.address, "--pin", &server_cert.cert][..], identity].concat()).finish();
        let server = server.finish();
        match (verified, alert) {
            (Some(verified), _) => {
                assert_eq!((client.code, server.code), (0, 0), "{policy:?} {identity:?}");
                let connected = server.line("CONNECTED");
                assert!(connected.ends_with(&format!(" verified={verified}")), "{policy:?} {identity:?} {connected}");
                assert_eq!(connected.contains("subject=\"CN=client.example\""), verified == "yes", "{connected}");
            }
            (None, alert) => {
                let alert = alert.unwrap();
                assert_eq!((client.code, server.code), (1, 1), "{policy:?} {identity:?}");
                assert!(server.line("FAILED").ends_with(&format!("alert_sent={alert} alert_received=-")));
                assert!(client.line("FAILED").ends_with(&format!("alert_sent=- alert_received={alert}")));
            }
        }
    }
}

#[test]
fn a_server_with_several_certificates_shows_the_one_that_fits() {
    let (p256, ed25519) = (Cert::make("p256", &[]), Cert::make("ed25519", &["--key-type", "ed25519"]));
    for (scheme, cert) in [("ed25519", &ed25519), ("ecdsa_secp256r1_sha256", &p256)] {
        let server = Server::start(&[p256.identity(), ed25519.identity()].concat());
        let options = ["--insecure", "--signature-schemes", scheme];
        let client = dtls(&[&["client", &server.address][..], &options].concat()).finish();
        let connected = client.line("CONNECTED");
        assert!(connected.contains(&format!(" signature={scheme} ")), "{connected}");
        assert!(connected.contains(&cert.fingerprint.replace(' ', ":")), "{connected}");
    }
}

// --- what can be chosen ---

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
    for (limit, longest) in [(&[][..], "100"), (&["--record-size-limit", "80"], "80")] {
        let client = dtls(
            &[
                &["client", &server.address, "--psk", "other:445566", "--send-size", longest, "--expect-echo"][..],
                limit,
            ]
            .concat(),
        )
        .finish();
        if limit.is_empty() {
            // A client that says nothing of limits is told none.
            assert!(client.line("CONNECTED").contains("psk=other certificate=- subject=- verified=yes"));
        }
        assert_eq!(client.code, 0, "{}", client.stdout);
    }
    let wrong = dtls(&["client", &server.address, "--psk", "other:00", "--handshake-timeout", "2"]).finish();
    assert_eq!(wrong.code, 3, "{}", wrong.stdout);
    let cut =
        ["client", &server.address, "--psk", "other:445566", "--max-fragment-length", "512", "--send-size", "513"];
    let cut = dtls(&cut).finish();
    assert_eq!(cut.code, 2, "{}", cut.stdout);
    assert!(cut.stderr.contains("--send-size: 513 bytes do not fit, 512 do"), "{}", cut.stderr);
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

// --- the end ---

#[test]
fn no_answer_in_time_is_exit_code_3() {
    let (_socket, address) = silent();
    let client = dtls(&["client", &address, "--insecure", "--handshake-timeout", "0.3"]).finish();
    assert_eq!(client.code, 3);
    let expected = format!(
        "FAILED peer={address} reason=\"the handshake did not complete in time\" alert_sent=- alert_received=-"
    );
    assert_eq!(client.stdout.lines().last().unwrap(), expected);
}

#[test]
fn where_nothing_listens_there_is_no_answer_either() {
    let (socket, address) = silent();
    drop(socket);
    let client = dtls(&["client", &address, "--insecure", "--handshake-timeout", "0.3", "--json"]).finish();
    assert_eq!(client.code, 3);
    let failed = client.event("failed");
    assert_eq!((&failed["peer"], &failed["alert_sent"]), (&address.into(), &Value::Null));
}

#[test]
fn input_at_its_end_closes_the_client() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1"]);
    let mut client = dtls_with_input(&["client", &server.address, "--insecure"]);
    client.tell("last words\r");
    let client = client.finish();
    assert_eq!(client.code, 0);
    assert_eq!(client.lines("SENT|RECEIVED"), ["SENT 10 last words", "RECEIVED 10 last words"]);
    assert!(server.finish().line("CLOSED").ends_with(" reason=close_notify"));
}

#[cfg(unix)]
#[test]
fn signals_close_every_session_and_are_no_failure() {
    for signal in ["INT", "TERM"] {
        // Even what is held back must have left before the process ends.
        let server = Server::start(&["--self-signed", "localhost", "--delay", "50"]);
        let clients = [(); 2].map(|()| dtls_with_input(&["client", &server.address, "--insecure", "--delay", "50"]));
        for client in &clients {
            client.wait_for("CONNECTED");
        }
        let [first, second] = clients;
        first.signal(signal);
        let first = first.finish();
        assert_eq!(first.code, 0, "{signal}: {}", first.stdout);
        first.line("CLOSED peer=");
        server.running.signal(signal);
        let server = server.finish();
        assert_eq!(server.code, 0, "{signal}: {}", server.stdout);
        assert_eq!(server.lines("CLOSED").len(), 2, "{signal}: {}", server.stdout);
        // The server has told it: its input is still open.
        let second = second.finish_with_input_open();
        assert_eq!(second.code, 0, "{signal}: {}", second.stdout);
        second.line("CLOSED peer=");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_closes_sessions_though_nobody_reads_and_the_second_ends_the_process() {
    let args = ["server", "--listen", "127.0.0.1:0", "--self-signed", "localhost", "--mtu", "65535"];
    let server = Server::of(Running::start_unread(command(&args)));
    let witness = dtls_with_input(&["client", &server.address, "--insecure"]);
    witness.wait_for("CONNECTED");
    // Ten lines of 16 kB there and back are more than any pipe holds.
    let flood = ["--send-size", "16000"].repeat(10);
    let flood =
        dtls(&[&["client", &server.address, "--insecure", "--mtu", "65535", "--wait", "0"][..], &flood].concat());
    assert_eq!(flood.finish().code, 0);
    server.running.signal("INT");
    let witness = witness.finish_with_input_open();
    assert_eq!(witness.code, 0);
    witness.line("CLOSED peer=");
    server.running.signal("INT");
    assert_eq!(server.finish().code, 130);
}

#[cfg(target_os = "linux")]
#[test]
fn a_session_without_a_thread_is_refused_and_the_server_goes_on() {
    let args = ["server", "--listen", "127.0.0.1:0", "--self-signed", "localhost"];
    let mut limited = std::process::Command::new("sh");
    // Room for the threads that are always there and a single session; what is not touched is not used.
    limited.args(["-c", "ulimit -v 17000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_dtls")]).args(args);
    limited.env("RUST_MIN_STACK", "3000000000").env_remove("SSLKEYLOGFILE");
    let server = Server::of(Running::start(limited, Input::None));
    let first = dtls_with_input(&["client", &server.address, "--insecure"]);
    first.wait_for("CONNECTED");
    server.running.wait_for("CONNECTED");
    let second = dtls_with_input(&["client", &server.address, "--insecure"]);
    let failed = server.running.wait_for("FAILED");
    assert!(failed.contains("reason=\"no thread can be started for it: "), "{failed}");
    assert!(failed.contains("; lower --max-sessions\""), "{failed}");
    let second = second.finish_with_input_open();
    second.line("CLOSED peer=");
    assert_eq!(first.finish().code, 0);
    server.running.wait_for("CLOSED");
    server.running.signal("INT");
    assert_eq!(server.finish().code, 0);
}

#[cfg(unix)]
#[test]
fn a_signal_during_the_handshake_ends_the_client() {
    let (socket, address) = silent();
    let client = dtls(&["client", &address, "--insecure"]);
    // It is at work once its first datagram is here.
    socket.recv_from(&mut [0; 2048]).unwrap();
    client.signal("TERM");
    assert_eq!(client.finish().code, 0);
}

// --- mistakes ---

#[test]
fn mistakes_are_one_line_that_names_the_option_and_exit_code_2() {
    let cert = Cert::make("mistakes", &[]);
    let other = Cert::make("mistakes-too", &[]);
    let there = "127.0.0.1:1";
    let long = "x".repeat(16_385);
    let not_a_directory = format!("{}/below", cert.cert);
    let cases: [(&[&str], &[&str]); 30] = [
        (&[], &["SUBCOMMAND: ", "demo, server, client, tunnel or cert"]),
        (&["bench"], &["bench: not supported yet"]),
        (&["client"], &["HOST:PORT: missing"]),
        (&["client", there], &["--ca", "--pin", "--fingerprint", "--insecure"]),
        (&["client", there, "--insecure", "--suites", "NO_SUCH"], &["--suites: \"NO_SUCH\": unknown; allowed: TLS_"]),
        (&["client", there, "--insecure", "--cid", "4"], &["--cid: not supported yet"]),
        (&["client", there, "--psk", "secret"], &["--psk: \"..\": write IDENTITY:HEX"]),
        (&["client", there, "--psk", "a:0x12"], &["--psk: \"..\": the key behind the last colon is not hexadecimal"]),
        (&["client", there, "--psk", "a:"], &["--psk: \"..\": the pre-shared key is empty"]),
        (&["client", there, "--psk", "a:00", "--psk", "b:00"], &["--psk: a client has one"]),
        (&["client", there, "--insecure", "--record-size-limit", "63"], &["--record-size-limit: ", "64 to 16384"]),
        (
            &["client", there, "--insecure", "--max-fragment-length", "1000"],
            &["--max-fragment-length: ", "allowed: 512"],
        ),
        (&["server", "--self-signed", "a", "--max-fragment-length", "512"], &["--max-fragment-length: clients ask"]),
        (&["client", there, "--ca", "/no/such"], &["--ca: /no/such: ", "give a file"]),
        (&["client", there, "--ca", &cert.key], &["--ca: ", "no CERTIFICATE in it"]),
        (&["client", there, "--pin", &cert.cert, "--insecure"], &["--pin: cannot go with --insecure"]),
        (&["client", there, "--insecure", "--cert", &cert.cert], &["--cert: there is no --key for it"]),
        (
            &["client", there, "--insecure", "--cert", &cert.cert, "--key", &other.key],
            &["--cert: ", "does not belong to the first certificate"],
        ),
        (&["server"], &["--cert: a server needs a certificate", "--self-signed"]),
        (&["server", "--self-signed", "a", "--client-auth", "require"], &["--client-auth: whom to trust is missing"]),
        (
            &["server", "--self-signed", "a", "--suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
            &["--suites: none of them can be used with the key"],
        ),
        (&["server", "--self-signed", "a b"], &["--self-signed: \"a b\": neither a DNS name nor"]),
        (&["cert", "--out", &cert.directory], &["--out: ", "there is one already"]),
        (&["cert", "--out", &not_a_directory], &["--out: ", "name a directory that can be made and written"]),
        (&["client", "127.0.0.1:0", "--insecure"], &["HOST:PORT: \"127.0.0.1:0\": nothing listens at port 0; give "]),
        (&["client", there, "--insecure", "--export", "client finished:12"], &["--export: ", "choose another"]),
        (&["client", there, "--insecure", "--send", &long], &["--send: 16385 bytes", "send at most 16384"]),
        (&["client", there, "--insecure", "--send-hex", &"00".repeat(16_385)], &["--send-hex: 16385 bytes", "at most"]),
        (&["client", there, "--insecure", "--send-size", "16385"], &["--send-size: \"16385\": ", "0 to 16384"]),
        (
            &["server", "--self-signed", "a", "--listen", "192.0.2.1:0"],
            &["--listen: 192.0.2.1:0: ", "choose another address"],
        ),
    ];
    for (args, expected) in cases {
        let run = dtls(args).finish();
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{args:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{args:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("dtls: "), "{args:?}: {}", run.stderr);
        for part in expected {
            assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
        }
    }
}

#[test]
fn an_address_in_use_is_a_mistake_in_listen() {
    let (_socket, address) = silent();
    let run = dtls(&["server", "--self-signed", "localhost", "--listen", &address]).finish();
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.starts_with(&format!("dtls: --listen: {address}: ")), "{}", run.stderr);
}

#[test]
fn help_and_version_are_no_mistakes() {
    for args in [&["--help"][..], &["--version"], &["client", "--help"], &["server", "-h"]] {
        let run = dtls(args).finish();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
        assert!(!run.stdout.is_empty(), "{args:?}");
    }
    // What a trace cannot show, its help says.
    let help = dtls(&["client", "--help"]).finish().stdout;
    let trace = help.split("--trace").nth(1).unwrap();
    assert!(trace.split("--").next().unwrap().contains("Of what is protected only"), "{trace}");
}

#[test]
fn certificates_are_written_with_a_key_for_its_owner_only() {
    for key_type in ["p256", "p384", "ed25519"] {
        let cert = Cert::make(key_type, &["--key-type", key_type]);
        assert!(fs::read_to_string(&cert.cert).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(fs::read_to_string(&cert.key).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(cert.fingerprint.starts_with("sha-256 ") && cert.fingerprint.len() == 8 + 32 * 3 - 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&cert.key).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
