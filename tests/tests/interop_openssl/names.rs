//! Certificates by the name that is asked for, and by the address.

use std::fs;

use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::process::Process;
use dtls_tests::interop::{Trouble, dtls, openssl, same};

use crate::has_openssl;

// --- names ---

#[test]
fn the_name_that_openssl_asks_for_picks_the_certificate_of_our_server() {
    if !has_openssl() {
        return;
    }
    let sni = |name: &str, leaf: Leaf| {
        let [cert, key] = leaf.files();
        ["--sni".to_owned(), format!("{name}={cert},{key}")]
    };
    let strict = [
        sni("localhost", Leaf::Server(KeyKind::Rsa)),
        sni("localhost", Leaf::Server(KeyKind::Ecdsa)),
        sni("elsewhere.example", Leaf::ServerElsewhere),
    ]
    .concat();
    let lenient = [&strict[..], &sni("*", Leaf::ServerByName)].concat();
    let (rsa, ecdsa) = (Some("ECDHE-RSA-AES128-GCM-SHA256"), Some("ECDHE-ECDSA-AES128-GCM-SHA256"));
    let cells = [
        (&strict, Some("localhost"), rsa, Some(Leaf::Server(KeyKind::Rsa))),
        (&strict, Some("LOCALHOST"), ecdsa, Some(Leaf::Server(KeyKind::Ecdsa))),
        (&strict, Some("elsewhere.example"), None, Some(Leaf::ServerElsewhere)),
        (&strict, Some("nobody.example"), None, None),
        (&strict, None, None, None),
        (&lenient, Some("elsewhere.example"), None, Some(Leaf::ServerElsewhere)),
        (&lenient, Some("nobody.example"), None, Some(Leaf::ServerByName)),
        (&lenient, None, None, Some(Leaf::ServerByName)),
    ];
    run_all(
        "certificates by name",
        &["rest", "asked for", "suite", "shown"],
        &cells,
        |(options, name, suite, leaf)| {
            let rest = if options.len() == strict.len() { "refused" } else { "*" };
            let shown = leaf.map_or("-".to_owned(), |leaf| format!("{leaf:?}"));
            vec![rest.to_owned(), name.unwrap_or("-").to_owned(), suite.unwrap_or("-").to_owned(), shown]
        },
        |(options, name, suite, leaf)| {
            let server = ["server", "--listen", "127.0.0.1:0", "--count", "1"].map(str::to_owned);
            let ours = Process::start("dtls server", dtls::command(server.iter().chain(options.iter())))?;
            let address = ours.await_line("LISTENING ")?;
            let mut client = vec!["s_client", "-dtls1_2", "-connect", &address];
            match name {
                Some(name) => client.extend(["-servername", name]),
                None => client.push("-noservername"),
            }
            client.extend(suite.iter().flat_map(|suite| ["-cipher", suite]));
            let mut theirs = Process::start("openssl s_client", openssl::command(client))?;
            if leaf.is_some() {
                theirs.await_text("Verify return code")?;
                theirs.say("Q\n")?;
            }
            let (theirs, ours) = (theirs.finish()?, ours.finish()?);
            let Some(leaf) = leaf else {
                ours.expect_code(1)?;
                let (alert, their_words) = match name {
                    Some(_) => ("unrecognized_name", "unrecognized name"),
                    None => ("handshake_failure", "alert handshake failure"),
                };
                same("alert", dtls::value(ours.line("FAILED ")?, "alert_sent")?, alert)?;
                return theirs.expect_text(their_words);
            };
            ours.expect_code(0)?;
            same("asked for", dtls::value(ours.line("CONNECTED ")?, "sni")?, name.unwrap_or("-"))?;
            // s_client prints the certificate that it was shown.
            let [cert, _] = leaf.files();
            theirs.expect_text(fs::read_to_string(cert).map_err(Trouble::new)?.trim_end())
        },
    );
}

// --- by address ---

#[test]
fn an_address_is_verified_as_one_and_the_exported_bytes_are_the_same() {
    if !has_openssl() {
        return;
    }
    // The same command line for both: whom it reaches decides.
    let cells = [Leaf::Server(KeyKind::Ecdsa), Leaf::ServerByName];
    run_all(
        "by address",
        &["certificate"],
        &cells,
        |leaf| vec![format!("{leaf:?}")],
        |leaf| {
            let [cert, key] = leaf.files();
            let label = "EXTRACTOR-dtls_srtp";
            let server =
                ["s_server", "-dtls1_2", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert", &cert, "-key", &key];
            let server = server.into_iter().chain(["-keymatexport", label, "-keymatexportlen", "60"]);
            let mut theirs = Process::start("openssl s_server", openssl::command(server))?;
            let address = theirs.await_line("ACCEPT ")?;
            let (ca, export) = (Authority::of_this_run().ca(), format!("{label}:60"));
            let client = ["client", &address, "--ca", &ca, "--send", "hello", "--expect-echo", "--export", &export];
            let ours = Process::start("dtls client", dtls::command(client))?;
            if *leaf == Leaf::ServerByName {
                let ours = ours.finish()?;
                ours.expect_code(1)?;
                same("alert", dtls::value(ours.line("FAILED ")?, "alert_sent")?, "bad_certificate")?;
                return ours.expect_text("the server's certificate is not for 127.0.0.1; give --name");
            }
            // s_server refuses -rev with DTLS, so it echoes by hand.
            theirs.await_text("hello").map_err(|trouble| trouble.and(ours.trouble("said:")))?;
            theirs.say("hello")?;
            let ours = ours.finish()?;
            ours.expect_code(0)?;
            ours.line("RECEIVED 5 hello")?;
            same("verified", dtls::value(ours.line("CONNECTED ")?, "verified")?, "yes")?;
            let theirs = theirs.finish()?;
            same("exported bytes", dtls::exported(&ours, label)?, openssl::exported(&theirs)?)
        },
    );
}
