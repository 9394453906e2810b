//! Wrong usage, help, and certificates.

use std::fs;

use crate::process::{Cert, directory, dtls, silent};

#[test]
fn mistakes_are_one_line_that_names_the_option_and_exit_code_2() {
    let cert = Cert::make("mistakes", &[]);
    let other = Cert::make("mistakes-too", &[]);
    let there = "127.0.0.1:1";
    let long = "x".repeat(16_385);
    let mislabelled = format!("{}/mislabelled.pem", cert.directory);
    let private = fs::read_to_string(&cert.key).unwrap();
    fs::write(&mislabelled, private.replace("PRIVATE", "PUBLIC")).unwrap();
    let not_a_directory = format!("{}/below", cert.cert);
    let cases: [(&[&str], &[&str]); 41] = [
        (&[], &["SUBCOMMAND: ", "demo, server, client, tunnel or cert"]),
        (&["bench"], &["bench: not supported yet"]),
        (&["client"], &["HOST:PORT: missing"]),
        (&["client", there], &["--ca", "--pin", "--fingerprint", "--insecure"]),
        (&["client", there, "--insecure", "--suites", "NO_SUCH"], &["--suites: \"NO_SUCH\": unknown; allowed: TLS_"]),
        (&["client", there, "--insecure", "--cid", "256"], &["--cid: ", "\"256\"", "from 0 to 255"]),
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
        (
            &["client", there, "--insecure", "--key", &cert.key],
            &["--key: there is no --cert for it", "--raw-public-key"],
        ),
        (
            &["client", there, "--raw-public-key", "--pin", &cert.cert],
            &["--pin: ", &cert.cert, "it has a certificate and no PUBLIC KEY", "openssl x509 -noout -pubkey"],
        ),
        (
            &["client", there, "--pin", &cert.public_key],
            &["--pin: ", &cert.public_key, "it has a public key and no CERTIFICATE", "--raw-public-key"],
        ),
        (
            &["client", there, "--raw-public-key", "--pin", &cert.key],
            &["--pin: ", "there is no PUBLIC KEY in it; give a file in PEM"],
        ),
        (
            &["client", there, "--ca", &cert.public_key],
            &["--ca: ", "there is no CERTIFICATE in it; give a file in PEM"],
        ),
        (
            &["server", "--raw-public-key", "--key", &cert.cert],
            &["--key: ", &cert.cert, "there is no PRIVATE KEY in it"],
        ),
        (&["server", "--raw-public-key", "--psk", "a:00"], &["--raw-public-key: there is no key to show", "--pin"]),
        (
            &["client", there, "--raw-public-key", "--pin", &mislabelled],
            &["--pin: ", "cannot be read as one; write it"],
        ),
        (&["server"], &["--cert: a server needs a certificate", "--self-signed"]),
        (&["server", "--self-signed", "a", "--client-auth", "require"], &["--client-auth: whom to trust is missing"]),
        (
            &["server", "--self-signed", "a", "--suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
            &["--suites: none of them can be used with the key"],
        ),
        (&["server", "--self-signed", "a", "--ocsp", "/no/such"], &["--ocsp: it is about a --cert"]),
        (
            &["server", "--cert", &cert.cert, "--key", &cert.key, "--ocsp", "/no/such"],
            &["--ocsp: /no/such: ", "give a file that can be read"],
        ),
        (
            &["server", "--cert", &cert.cert, "--key", &cert.key, "--ocsp", &cert.cert],
            &["--ocsp: ", "no OCSP response in DER; give what `openssl ocsp -respout` writes"],
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
fn what_was_written_is_told_as_json_and_nothing_is_overwritten() {
    let directory = directory("cert-json");
    let out = directory.to_str().unwrap();
    let made = dtls(&["cert", "--out", out, "--json"]).finish().event("certificate");
    let files = ["cert", "key", "public_key"];
    for name in files {
        assert_eq!(made[name], *format!("{out}/{name}.pem"));
    }
    assert!(made["fingerprint"].as_str().unwrap().starts_with("sha-256 "));
    for left in files {
        let other = directory.join(left);
        fs::create_dir(&other).unwrap();
        let file = other.join(format!("{left}.pem"));
        fs::write(&file, "mine").unwrap();
        let run = dtls(&["cert", "--out", other.to_str().unwrap()]).finish();
        assert_eq!(run.code, 2, "{left}");
        assert!(run.stderr.contains("there is one already"), "{}", run.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1, "nothing is written beside it");
    }
}

#[test]
fn certificates_are_written_with_a_key_for_its_owner_only() {
    for key_type in ["p256", "p384", "ed25519"] {
        let cert = Cert::make(key_type, &["--key-type", key_type]);
        assert!(fs::read_to_string(&cert.cert).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(fs::read_to_string(&cert.key).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(fs::read_to_string(&cert.public_key).unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
        assert!(cert.fingerprint.starts_with("sha-256 ") && cert.fingerprint.len() == 8 + 32 * 3 - 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&cert.key).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
