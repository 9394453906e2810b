//! What a client says, and the echo that it waits for.

use serde_json::Value;

use crate::process::{Cert, Server, brief_server, dtls, dtls_with_input, peculiar_server, talkative_server};

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
    assert!(
        connected
            .ends_with(&format!(" certificate={fingerprint} raw_public_key=- subject=\"CN=localhost\" verified=yes"))
    );
    let expected: Vec<_> =
        echoes.iter().flat_map(|echo| [format!("SENT {echo}"), format!("RECEIVED {echo}")]).collect();
    assert_eq!(client.lines("SENT|RECEIVED"), expected);
    client.line(&format!("CLOSED peer={} reason=close_notify", server.address));
    client.line("STATS sent=");
    assert_eq!((client.code, client.stderr.as_str()), (0, ""));

    let server = server.finish();
    assert_eq!((server.code, server.stderr.as_str()), (0, ""));
    assert!(
        server
            .line("CONNECTED")
            .ends_with(" sni=localhost cid=-/- psk=- certificate=- raw_public_key=- subject=- verified=none")
    );
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
