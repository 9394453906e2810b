//! Whom a client and a server trust, and by what.

use std::fs;
use std::sync::{Arc, mpsc};

use dtls_core::crypto::{CertificateError, PeerAuthenticated, PeerVerifier, PresentedPeer, ring};
use dtls_core::wire::enums::SignatureScheme;
use dtls_std::{ClientConfig, connect};

use crate::process::{Cert, Server, dtls};

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

/// Wants to see what OCSP says, tells what it was shown, and is content.
#[derive(Debug)]
struct Curious(mpsc::Sender<Option<Vec<u8>>>);

impl PeerVerifier for Curious {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        self.0.send(peer.ocsp_response.map(<[u8]>::to_vec)).unwrap();
        Ok(PeerAuthenticated::dangerous_assertion())
    }

    fn wants_ocsp_response(&self) -> bool {
        true
    }
}

#[test]
fn what_ocsp_says_of_the_first_certificate_is_shown_with_it_and_with_no_other() {
    let (first, second) = (Cert::make("ocsp-first", &[]), Cert::make("ocsp-second", &["--key-type", "ed25519"]));
    let file = format!("{}/ocsp.der", first.directory);
    let response = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
    fs::write(&file, &response).unwrap();
    for (raw, scheme, shown) in [
        (&[][..], SignatureScheme::ECDSA_SECP256R1_SHA256, Some(&response)),
        (&[], SignatureScheme::ED25519, None),
        // A bare key before it is nothing that OCSP speaks of.
        (&["--raw-public-key"], SignatureScheme::ECDSA_SECP256R1_SHA256, Some(&response)),
    ] {
        let identities = [first.identity(), second.identity()].concat();
        let options = ["--ocsp", &file, "--trace", "--count", "1"];
        let server = Server::start(&[&identities[..], &options, raw].concat());
        let (tell, told) = mpsc::channel();
        let config = ClientConfig::builder(Arc::new(ring::provider())).trust(Arc::new(Curious(tell)));
        let config = config.without_identity().configure(|settings| settings.signature_schemes = vec![scheme]);
        let session = connect(&*server.address, None, Arc::new(config.build().unwrap())).unwrap();
        session.close();
        assert_eq!(told.recv().unwrap().as_ref(), shown, "{raw:?} {scheme}");
        let trace = server.finish().stderr;
        assert_eq!(trace.contains(" of 264 ocsp_response=260 "), shown.is_some(), "{trace}");
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
