//! Keys without certificates (RFC 7250).

use dtls_core::crypto::{Fingerprint, ring};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

use crate::process::{Cert, Finished, Server, dtls};

impl Cert {
    /// The options that show its key and nothing else of it.
    fn bare(&self) -> [&str; 3] {
        ["--raw-public-key", "--key", &self.key]
    }

    /// The options that trust its key, beside `--raw-public-key`.
    fn pinned(&self) -> [&str; 2] {
        ["--pin", &self.public_key]
    }

    /// What is printed of a peer that shows the bare key.
    fn as_bare_peer(&self, verified: &str) -> String {
        let key = SubjectPublicKeyInfoDer::from_pem_file(&self.public_key).unwrap();
        let hash = Fingerprint::of(&ring::provider(), &key).to_string().replace(' ', ":");
        format!(" certificate=- raw_public_key={hash} subject=- verified={verified}")
    }
}

const RAW: &[&str] = &["--raw-public-key"];

fn serve_one(options: &[&[&str]]) -> Server {
    Server::start(&[&options.concat()[..], &["--count", "1"]].concat())
}

fn client(server: &Server, options: &[&[&str]]) -> Finished {
    let (options, hello) = (options.concat(), ["--send", "hello", "--expect-echo"]);
    dtls(&[&["client", &server.address][..], &options, &hello].concat()).finish()
}

#[test]
fn a_server_s_bare_key_is_pinned_and_told() {
    for key_type in ["p256", "p384", "ed25519"] {
        let cert = Cert::make(&format!("bare-{key_type}"), &["--key-type", key_type]);
        let server = serve_one(&[&cert.bare()]);
        let client = client(&server, &[RAW, &cert.pinned()]);
        assert_eq!(client.code, 0, "{}{}", client.stdout, client.stderr);
        let connected = client.line("CONNECTED");
        assert!(connected.ends_with(&cert.as_bare_peer("yes")), "{connected}");
        let server = server.finish();
        let nobody = " certificate=- raw_public_key=- subject=- verified=none";
        assert!(server.line("CONNECTED").ends_with(nobody), "{}", server.stdout);
    }
}

#[test]
fn both_sides_show_bare_keys_and_each_is_told_of_the_other() {
    let (ours, theirs) = (Cert::make("bare-client", &[]), Cert::make("bare-server", &["--key-type", "ed25519"]));
    for policy in ["request", "require"] {
        let server = serve_one(&[&theirs.bare(), &ours.pinned(), &["--client-auth", policy]]);
        let client = client(&server, &[&ours.bare(), &theirs.pinned()]);
        assert_eq!(client.code, 0, "{}{}", client.stdout, client.stderr);
        let (at_client, server) = (client.line("CONNECTED"), server.finish());
        assert!(at_client.ends_with(&theirs.as_bare_peer("yes")), "{at_client}");
        let at_server = server.line("CONNECTED");
        assert!(at_server.ends_with(&ours.as_bare_peer("yes")), "{at_server}");
    }
}

#[test]
fn the_wrong_key_is_refused_with_an_alert_in_both_roles() {
    let (right, wrong) = (Cert::make("bare-right", &[]), Cert::make("bare-wrong", &[]));
    let trusting = serve_one(&[&right.bare()]);
    let refused = client(&trusting, &[RAW, &wrong.pinned()]);
    let (refusing, refused_client) = {
        let server = serve_one(&[&right.bare(), &wrong.pinned(), &["--client-auth", "require"]]);
        let client = client(&server, &[&right.bare(), &right.pinned()]);
        (server.finish(), client)
    };
    for (at_fault, told) in [(refused, trusting.finish()), (refusing, refused_client)] {
        assert_eq!((at_fault.code, told.code), (1, 1), "{}{}", at_fault.stdout, told.stdout);
        let alert = "bad_certificate";
        assert!(at_fault.line("FAILED").ends_with(&format!("alert_sent={alert} alert_received=-")));
        assert!(told.line("FAILED").ends_with(&format!("alert_sent=- alert_received={alert}")));
    }
}

#[test]
fn who_verifies_nothing_takes_a_bare_key_only_where_that_was_asked_for() {
    let cert = Cert::make("bare-insecure", &[]);
    let server = serve_one(&[&cert.bare()]);
    let taken = client(&server, &[&["--raw-public-key", "--insecure", "--json"]]);
    assert_eq!(taken.code, 0, "{}", taken.stdout);
    let connected = taken.event("connected");
    let expected = cert.as_bare_peer("no");
    let told = format!(
        " certificate=- raw_public_key={} subject=- verified={}",
        connected["raw_public_key"].as_str().unwrap(),
        connected["verified"].as_str().unwrap(),
    );
    assert_eq!((told, connected["certificate"].is_null()), (expected, true));
    server.finish();
    let server = serve_one(&[&cert.bare()]);
    let refused = client(&server, &[&["--insecure"]]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(server.finish().line("FAILED").contains("alert_sent=unsupported_certificate"));
}

#[test]
fn a_key_that_is_pinned_may_come_in_a_certificate_and_a_server_with_both_shows_what_the_client_can_read() {
    let cert = Cert::make("bare-or-not", &[]);
    let fingerprint = cert.fingerprint.replace(' ', ":");
    let certified = format!(" certificate={fingerprint} raw_public_key=- subject=\"CN=localhost\" verified=yes");
    let both: &[&str] = &["--raw-public-key", "--cert", &cert.cert, "--key", &cert.key];
    let certificate_only: &[&str] = &cert.identity();
    let by_name = format!("*={},{}", cert.cert, cert.key);
    let named: &[&str] = &["--raw-public-key", "--sni", &by_name];
    for (shown, trusted, peer) in [
        (certificate_only, &[RAW, &cert.pinned()].concat()[..], certified.clone()),
        (both, &[RAW, &cert.pinned()].concat(), cert.as_bare_peer("yes")),
        (both, &["--pin", &cert.cert], certified.clone()),
        (named, &["--pin", &cert.public_key, "--raw-public-key", "--name", "a.example"], cert.as_bare_peer("yes")),
        (named, &["--pin", &cert.cert, "--name", "a.example"], certified),
    ] {
        let server = serve_one(&[shown]);
        let client = client(&server, &[trusted]);
        assert_eq!(client.code, 0, "{shown:?} {trusted:?}: {}{}", client.stdout, client.stderr);
        assert!(client.line("CONNECTED").ends_with(&peer), "{shown:?} {trusted:?}: {}", client.stdout);
    }
}

#[test]
fn a_key_made_on_the_spot_is_shown_bare() {
    let server = serve_one(&[&["--raw-public-key", "--self-signed", "localhost"]]);
    let client = client(&server, &[&["--raw-public-key", "--insecure", "--self-signed", "localhost"]]);
    assert_eq!(client.code, 0, "{}", client.stdout);
    let connected = client.line("CONNECTED");
    assert!(connected.contains(" certificate=- raw_public_key=sha-256:"), "{connected}");
}

#[test]
fn a_client_with_several_certificates_shows_the_one_that_the_server_asks_for() {
    let (one, other) = (Cert::make("several-one", &["--name", "one.example"]), Cert::make("several-other", &[]));
    let server_cert = Cert::make("several-server", &[]);
    let both = [one.identity(), other.identity()].concat();
    for (trusted, shown) in [(&one, "CN=one.example"), (&other, "CN=localhost")] {
        // Roots are named in the request.
        let server = serve_one(&[&server_cert.identity(), &["--client-auth", "require", "--ca", &trusted.cert]]);
        let client = client(&server, &[&both, &["--pin", &server_cert.cert]]);
        assert_eq!(client.code, 0, "{}", client.stdout);
        let server = server.finish();
        let connected = server.line("CONNECTED");
        assert!(connected.ends_with(&format!(" subject=\"{shown}\" verified=yes")), "{connected}");
    }
    // A bare key before certificates, where the server reads both.
    let server = serve_one(&[&server_cert.bare(), &one.pinned(), &["--client-auth", "require"]]);
    let client = client(&server, &[&["--raw-public-key"], &one.identity(), &server_cert.pinned()]);
    assert_eq!(client.code, 0, "{}", client.stdout);
    assert!(server.finish().line("CONNECTED").ends_with(&one.as_bare_peer("yes")));
}

#[test]
fn a_trace_names_bare_keys_and_how_they_were_settled() {
    let cert = Cert::make("bare-trace", &[]);
    let server = serve_one(&[&cert.bare(), &cert.pinned(), &["--client-auth", "require"]]);
    let client = client(&server, &[&cert.bare(), &cert.pinned(), &["--trace"]]);
    let told = |beginning: &str, facts: &str| {
        let mut lines = client.stderr.lines().filter(|line| line.starts_with(beginning));
        assert!(lines.any(|line| line.contains(facts)), "{beginning} {facts}: {}", client.stderr);
    };
    told(">   ClientHello ", " client_certificate_types=RawPublicKey server_certificate_types=RawPublicKey,X.509");
    told("<   ServerHello ", " client_certificate_type=RawPublicKey server_certificate_type=RawPublicKey");
    let len = SubjectPublicKeyInfoDer::from_pem_file(&cert.public_key).unwrap().len();
    told("<   Certificate ", &format!(" raw_public_key={len}"));
    told(">   Certificate ", &format!(" raw_public_key={len}"));
}
