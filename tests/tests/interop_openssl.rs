//! Our command and the openssl command line, both roles, over loopback.
//!
//! Each test says in one line on standard error what it has run; `--nocapture` shows the tables. Where there is no
//! openssl the tests say so and skip; with `DTLS_REQUIRE_PEERS=1` that is a failure. So it is with tshark, where that is
//! needed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::fs;

use dtls_core::Role;
use dtls_core::wire::enums::HandshakeType;
use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::encounter::{Asks, Chat, Encounter, PING, Party};
use dtls_tests::interop::openssl::{self, SUITES, Suite};
use dtls_tests::interop::process::Process;
use dtls_tests::interop::relay::{Direction, Losses};
use dtls_tests::interop::{Trouble, announce, capture, dtls, has_peer, same};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

// --- the matrix ---

#[test]
fn our_client_and_openssl_servers_agree_on_everything_in_every_cell() {
    run_matrix("our client, openssl's server", Role::Client);
}

#[test]
fn our_server_and_openssl_clients_agree_on_everything_in_every_cell() {
    run_matrix("our server, openssl's client", Role::Server);
}

/// Every suite with every kind of key it takes, with and without client authentication, at three MTUs.
fn run_matrix(title: &str, role: Role) {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for suite in SUITES {
        for key in suite.keys {
            // With every server key, each kind of client key is used once.
            for (mtu, client_key) in [256, 512, 1400].into_iter().zip(KeyKind::ALL) {
                cells.push(Cell { role, suite, key: *key, client_key: None, mtu });
                cells.push(Cell { role, suite, key: *key, client_key: Some(client_key), mtu });
            }
        }
    }
    assert_eq!(cells.len(), (2 * 3 + 3) * 3 * 2);
    let all = cells.len();
    cells.retain(|cell| can_be_met(cell.role, cell.key));
    if cells.len() < all {
        let left_out = all - cells.len();
        announce(&format!("{title}: {left_out} of {all} left out: this openssl cannot serve DTLS with an Ed25519 key"));
    }
    run_all(title, &["suite", "certificate", "auth", "mtu", "role"], &cells, Cell::words, Cell::run);
}

/// One place in the matrix.
struct Cell {
    role: Role,
    suite: Suite,
    key: KeyKind,
    client_key: Option<KeyKind>,
    mtu: usize,
}

impl Cell {
    fn words(&self) -> Vec<String> {
        let auth = self.client_key.map_or("-", KeyKind::name);
        let words = [self.suite.name, self.key.name(), auth, &self.mtu.to_string(), &role_word(self.role)];
        words.map(str::to_owned).to_vec()
    }

    fn run(&self) -> Result<(), Trouble> {
        let mut encounter = Encounter::new(self.role, Leaf::Server(self.key));
        encounter.suite = Some(self.suite);
        encounter.mtu = Some(self.mtu);
        if let Some(kind) = self.client_key {
            encounter = encounter.mutual(Leaf::Client(kind));
        }
        let talk = encounter.talk()?;
        // A certificate of more than 400 bytes does not fit into 256, so that MTU must show.
        let shows_certificate = self.role == Role::Server || self.client_key.is_some();
        let is_cut = talk.passed.has_fragmented(encounter.outgoing(), HandshakeType::CERTIFICATE);
        same("our certificate goes out in pieces", is_cut || self.mtu > 256 || !shows_certificate, true)
    }
}

// --- cookies ---

#[test]
fn a_cookie_goes_there_and_back_in_both_roles() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        for key in KeyKind::ALL {
            cells.extend([256, 512, 1400].map(|mtu| (role, key, mtu)));
        }
    }
    cells.retain(|(role, key, _)| can_be_met(*role, *key));
    run_all(
        "cookies",
        &["certificate", "mtu", "role"],
        &cells,
        |(role, key, mtu)| vec![key.name().to_owned(), mtu.to_string(), role_word(*role)],
        |(role, key, mtu)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(*key)).mutual(Leaf::Client(*key));
            encounter.mtu = Some(*mtu);
            if *role == Role::Client {
                encounter = encounter.theirs(&["-listen"]);
            }
            let talk = encounter.talk()?;
            let asked = talk.passed.has_message(Direction::ToClient, HandshakeType::HELLO_VERIFY_REQUEST);
            same("a HelloVerifyRequest was sent", asked, true)
        },
    );
}

#[test]
fn our_server_shakes_hands_without_a_cookie_if_it_is_told_to() {
    if !has_openssl() {
        return;
    }
    run_all("no cookies", &["role"], &[Role::Server], role_words, |role| {
        let talk = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--no-cookie"]).talk()?;
        let asked = talk.passed.has_message(Direction::ToClient, HandshakeType::HELLO_VERIFY_REQUEST);
        same("a HelloVerifyRequest was sent", asked, false)
    });
}

// --- extensions ---

#[test]
fn both_sides_agree_on_the_same_application_protocol() {
    if !has_openssl() {
        return;
    }
    run_all("application protocols", &["role"], &ROLES, role_words, |role| {
        // The server decides, and both openssl and we take what the server likes best.
        let (ours, theirs, chosen) = match role {
            Role::Client => ("h2,coap", "webrtc,coap,h2", "coap"),
            Role::Server => ("webrtc,coap,h2", "h2,coap", "coap"),
        };
        let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        let talk = encounter.ours(&["--alpn", ours]).theirs(&["-alpn", theirs]).talk()?;
        same("ours", dtls::value(talk.connected()?, "alpn")?, chosen)?;
        talk.theirs.expect_text(match role {
            Role::Client => "ALPN protocols selected: coap\n",
            Role::Server => "ALPN protocol: coap\n",
        })
    });
}

#[test]
fn no_application_protocol_in_common_ends_the_handshake_with_its_alert() {
    if !has_openssl() {
        return;
    }
    run_all("no application protocol in common", &["role"], &ROLES, role_words, |role| {
        let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        let met = encounter.ours(&["--alpn", "coap"]).theirs(&["-alpn", "h2"]).fall_out()?;
        match role {
            Role::Client => met.expect("-", "no_application_protocol", "no application protocol"),
            Role::Server => met.expect("no_application_protocol", "-", "alert no application protocol"),
        }
    });
}

#[test]
fn an_application_protocol_that_only_one_side_knows_of_is_none() {
    if !has_openssl() {
        return;
    }
    run_all("application protocols of one side alone", &["role"], &ROLES, role_words, |role| {
        for (ours, theirs) in [(vec!["--alpn", "coap"], vec![]), (vec![], vec!["-alpn", "coap"])] {
            let talk = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&ours).theirs(&theirs).talk()?;
            same("ours", dtls::value(talk.connected()?, "alpn")?, "-")?;
        }
        Ok(())
    });
}

#[test]
fn both_sides_agree_on_every_srtp_profile_and_on_none() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend(SRTP_PROFILES.map(|(ours, theirs)| (role, ours, Some(theirs), Some((ours, theirs)))));
        // Only one side knows of SRTP.
        cells.push((role, SRTP_PROFILES[0].0, None, None));
        // Nothing in common.
        cells.push((role, SRTP_PROFILES[0].0, Some(SRTP_PROFILES[1].1), None));
    }
    run_all(
        "SRTP profiles",
        &["ours", "theirs", "agreed", "role"],
        &cells,
        |(role, ours, theirs, agreed)| {
            let agreed = agreed.map_or("-", |(ours, _)| ours);
            [*ours, theirs.unwrap_or("-"), agreed, &role_word(*role)].map(str::to_owned).to_vec()
        },
        |(role, ours, theirs, agreed)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--srtp", ours]);
            if let Some(theirs) = theirs {
                encounter = encounter.theirs(&["-use_srtp", theirs]);
            }
            let talk = encounter.talk()?;
            let connected = talk.connected()?;
            same("ours", dtls::value(connected, "srtp")?, agreed.map_or("-", |(ours, _)| ours))?;
            same("mki", dtls::value(connected, "mki")?, "-")?;
            match agreed {
                Some((_, theirs)) => talk.theirs.expect_text(&format!("SRTP Extension negotiated, profile={theirs}\n")),
                None => same("they have a profile", talk.theirs.stdout.contains("SRTP Extension"), false),
            }
        },
    );
}

/// Our names, which are those of RFC 5764 and RFC 7714, and OpenSSL's.
const SRTP_PROFILES: [(&str, &str); 4] = [
    ("SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_128_GCM"),
    ("SRTP_AEAD_AES_256_GCM", "SRTP_AEAD_AES_256_GCM"),
    ("SRTP_AES128_CM_HMAC_SHA1_80", "SRTP_AES128_CM_SHA1_80"),
    ("SRTP_AES128_CM_HMAC_SHA1_32", "SRTP_AES128_CM_SHA1_32"),
];

#[test]
fn a_master_key_identifier_that_openssl_drops_is_dropped() {
    if !has_openssl() {
        return;
    }
    run_all("master key identifiers", &["role"], &ROLES, role_words, |role| {
        let (ours, theirs) = SRTP_PROFILES[0];
        let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        let talk = encounter.ours(&["--srtp", ours, "--mki", "0102"]).theirs(&["-use_srtp", theirs]).talk()?;
        same("profile", dtls::value(talk.connected()?, "srtp")?, ours)?;
        same("mki", dtls::value(talk.connected()?, "mki")?, "-")
    });
}

#[test]
fn both_sides_agree_on_every_group() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        for (group, their_words) in
            [("x25519", "X25519, 253 bits"), ("secp256r1", "ECDH, prime256v1"), ("secp384r1", "ECDH, secp384r1")]
        {
            cells.push((role, group, their_words));
        }
    }
    run_all(
        "groups",
        &["group", "role"],
        &cells,
        |(role, group, _)| vec![(*group).to_owned(), role_word(*role)],
        |(role, group, their_words)| {
            // RSA, since openssl wants the curve of an ECDSA certificate to be among the client's groups.
            let talk = Encounter::new(*role, Leaf::Server(KeyKind::Rsa)).ours(&["--groups", group]).talk()?;
            same("ours", dtls::value(talk.connected()?, "group")?, group)?;
            // Only s_client tells which group it was.
            if *role == Role::Server { talk.theirs.expect_text(their_words) } else { Ok(()) }
        },
    );
}

#[test]
fn an_ecdsa_certificate_on_a_curve_the_client_does_not_know_is_not_shown() {
    if !has_openssl() {
        return;
    }
    let fallout = Encounter::new(Role::Server, Leaf::Server(KeyKind::Ecdsa)).theirs(&["-groups", "X25519"]).fall_out();
    fallout.and_then(|fallout| fallout.expect("handshake_failure", "-", "alert handshake failure")).unwrap();
}

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

// --- the end of a session ---

#[test]
fn whoever_closes_the_other_side_sees_close_notify_and_ends_in_good_order() {
    if !has_openssl() {
        return;
    }
    // s_server sends close_notify over DTLS only in answer to one.
    let cells = [(Role::Client, Party::Ours), (Role::Server, Party::Ours), (Role::Server, Party::Theirs)];
    run_all(
        "close_notify",
        &["who closes", "role"],
        &cells,
        |(role, ends)| vec![format!("{ends:?}"), role_word(*role)],
        |(role, ends)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
            encounter.ends = *ends;
            // talk checks that both sides ended as they do after close_notify.
            let talk = encounter.talk()?;
            for direction in [Direction::ToServer, Direction::ToClient] {
                let alerts = talk.passed.protected_alerts(direction);
                same(&format!("alerts {direction:?}"), alerts, 1)?;
            }
            Ok(())
        },
    );
}

#[test]
fn renegotiation_is_refused_in_both_roles_and_openssl_ends_the_session_over_it() {
    if !has_openssl() {
        return;
    }
    run_all("renegotiation", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.chat = Chat::Silence;
        let letter = match role {
            Role::Client => "r",
            Role::Server => "R",
        };
        // We send the warning no_renegotiation and would go on; openssl takes it for the end.
        encounter.fall_out_over(letter)?.expect("-", "handshake_failure", "no renegotiation")
    });
}

// --- refused ---

#[test]
fn a_server_certificate_of_an_unknown_ca_is_refused_with_unknown_ca_in_both_roles() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend(KeyKind::ALL.map(|key| (role, key)));
    }
    cells.retain(|(role, key)| can_be_met(*role, *key));
    run_all(
        "unknown CA of a server",
        &["certificate", "role"],
        &cells,
        |(role, key)| vec![key.name().to_owned(), role_word(*role)],
        |(role, key)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(*key));
            encounter.client_trusts = Authority::of_this_run().strange_ca();
            let met = encounter.fall_out()?;
            match role {
                Role::Client => met.expect("unknown_ca", "-", "alert unknown ca"),
                Role::Server => {
                    met.theirs.expect_code(1)?;
                    met.expect("-", "unknown_ca", "certificate verify failed")
                }
            }
        },
    );
}

#[test]
fn a_server_certificate_for_another_name_is_refused_with_bad_certificate_in_both_roles() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        // The certificate is for another server, or the client wants another server.
        cells.push((role, Leaf::ServerElsewhere, "localhost"));
        cells.push((role, Leaf::Server(KeyKind::Rsa), "elsewhere.example"));
    }
    run_all(
        "wrong name of a server",
        &["certificate", "name wanted", "role"],
        &cells,
        |(role, leaf, name)| vec![format!("{leaf:?}"), (*name).to_owned(), role_word(*role)],
        |(role, leaf, name)| {
            let mut encounter = Encounter::new(*role, *leaf);
            encounter.client_expects = name;
            let met = encounter.fall_out()?;
            match role {
                Role::Client => met.expect("bad_certificate", "-", "alert bad certificate"),
                Role::Server => {
                    met.theirs.expect_code(1)?;
                    met.expect("-", "bad_certificate", "certificate verify failed")
                }
            }
        },
    );
}

#[test]
fn a_client_certificate_of_an_unknown_ca_is_refused_with_unknown_ca_in_both_roles() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend([Asks::Politely, Asks::Insistently].map(|asks| (role, asks)));
    }
    run_all(
        "unknown CA of a client",
        &["server asks", "role"],
        &cells,
        |(role, asks)| vec![format!("{asks:?}"), role_word(*role)],
        |(role, asks)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).mutual(Leaf::StrangeClient);
            encounter.server_asks = *asks;
            let met = encounter.fall_out()?;
            match role {
                Role::Client => met.expect("-", "unknown_ca", "certificate verify failed"),
                Role::Server => met.expect("unknown_ca", "-", "alert unknown ca"),
            }
        },
    );
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required_in_both_roles() {
    if !has_openssl() {
        return;
    }
    run_all("no certificate where one is required", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.server_asks = Asks::Insistently;
        let met = encounter.fall_out()?;
        match role {
            Role::Client => met.expect("-", "handshake_failure", "peer did not return a certificate"),
            Role::Server => met.expect("handshake_failure", "-", "alert handshake failure"),
        }
    });
}

#[test]
fn a_client_without_a_certificate_is_welcome_where_one_is_only_requested_in_both_roles() {
    if !has_openssl() {
        return;
    }
    run_all("no certificate where one is requested", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.server_asks = Asks::Politely;
        encounter.talk().map(drop)
    });
}

#[test]
fn no_suite_in_common_ends_the_handshake_with_handshake_failure_in_both_roles() {
    if !has_openssl() {
        return;
    }
    run_all("no suite in common", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.suite = Some(SUITES[0]);
        let met = encounter.theirs(&["-cipher", SUITES[1].openssl_name]).fall_out()?;
        match role {
            Role::Client => met.expect("-", "handshake_failure", "no shared cipher"),
            Role::Server => met.expect("handshake_failure", "-", "alert handshake failure"),
        }
    });
}

// --- losses ---

#[test]
fn handshakes_complete_though_our_side_loses_three_in_ten() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend((1..=6).map(|seed| (role, seed)));
    }
    run_all("we lose three in ten", &["seed", "role"], &cells, seed_words, |(role, seed)| {
        let seed = seed.to_string();
        lossy(*role).ours(&["--loss", "0.3", "--seed", &seed]).talk().map(drop)
    });
}

#[test]
fn handshakes_complete_though_the_network_loses_two_in_ten_both_ways() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend((1..=4).map(|seed| (role, seed)));
    }
    run_all("the network loses two in ten", &["seed", "role"], &cells, seed_words, |(role, seed)| {
        let mut encounter = lossy(*role);
        encounter.losses = Losses::Percent { percent: 20, seed: *seed };
        encounter.talk().map(drop)
    });
}

/// Many small datagrams, so that there is something to lose, and a short first timeout.
fn lossy(role: Role) -> Encounter {
    let mut encounter = Encounter::new(role, Leaf::Server(KeyKind::Rsa)).mutual(Leaf::Client(KeyKind::Ecdsa));
    encounter.mtu = Some(512);
    encounter.chat = Chat::Insistent;
    encounter.ours(&["--first-timeout", "100"])
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

// --- many ---

#[test]
fn a_hundred_openssl_clients_get_their_echo_from_one_server_and_close() {
    if !has_openssl() {
        return;
    }
    let leaf = Leaf::Server(KeyKind::Ecdsa);
    let [cert, key] = leaf.files();
    let count = CLIENTS.to_string();
    let server = ["server", "--listen", "127.0.0.1:0", "--cert", &cert, "--key", &key, "--count", &count];
    let server = Process::start("dtls server", dtls::command(server)).unwrap_or_else(|trouble| panic!("{trouble}"));
    let address = server.await_line("LISTENING ").unwrap_or_else(|trouble| panic!("{trouble}"));
    let clients: Vec<_> = (0..CLIENTS).collect();
    run_all(
        "many clients, one server",
        &["client"],
        &clients,
        |number| vec![number.to_string()],
        |number| echo_with_openssl(&address, *number).map_err(|trouble| trouble.and(server.trouble("said:"))),
    );
    all_have_closed(server).unwrap_or_else(|trouble| panic!("{trouble}"));
}

fn echo_with_openssl(server: &str, number: usize) -> Result<(), Trouble> {
    let ca = Authority::of_this_run().ca();
    let args = ["s_client", "-dtls1_2", "-timeout", "-connect", server, "-servername", "localhost", "-CAfile", &ca];
    // It says the keying material last of all that it has to say of the handshake.
    let verified = ["-verify_return_error", "-verify_hostname", "localhost", "-keymatexport", "many"];
    let mut client = Process::start("openssl s_client", openssl::command(args.into_iter().chain(verified)))?;
    client.await_line(openssl::EXPORTED)?;
    let line = client_line(number);
    client.say(&format!("{line}\n"))?;
    client.await_line(&line)?;
    client.say("Q\n")?;
    client.await_text("DONE\n")?;
    client.finish()?.expect_code(0)
}

/// The server ends by itself once so many sessions have ended.
fn all_have_closed(server: Process) -> Result<(), Trouble> {
    let server = server.finish()?;
    server.expect_code(0)?;
    let lines: Vec<_> = server.stdout.lines().collect();
    let count = |start: &str, end: &str| lines.iter().filter(|l| l.starts_with(start) && l.ends_with(end)).count();
    same("sessions that began", count("CONNECTED ", ""), CLIENTS)?;
    same("sessions that ended with a goodbye", count("CLOSED ", " reason=close_notify"), CLIENTS)?;
    same("sessions that failed", count("FAILED ", ""), 0)?;
    for number in 0..CLIENTS {
        let received = count("RECEIVED ", &format!(" {}\\n", client_line(number)));
        same(&format!("lines of client {number}"), received, 1)?;
    }
    let at_the_end = server.line("ENDPOINT ")?;
    same("open at the end", dtls::value(at_the_end, "open")?, "0")?;
    same("sessions in all", dtls::value(at_the_end, "sessions")?, CLIENTS.to_string().as_str())
}

fn client_line(number: usize) -> String {
    format!("this is client {number:03}")
}

const CLIENTS: usize = 100;

// --- words ---

fn has_openssl() -> bool {
    has_peer("openssl", "version")
}

/// Whether openssl can take the other role, where the server has a key of this kind.
fn can_be_met(role: Role, server_key: KeyKind) -> bool {
    role == Role::Server || openssl::can_serve(server_key)
}

fn role_word(role: Role) -> String {
    match role {
        Role::Client => "client".to_owned(),
        Role::Server => "server".to_owned(),
    }
}

fn role_words(role: &Role) -> Vec<String> {
    vec![role_word(*role)]
}

fn seed_words((role, seed): &(Role, u64)) -> Vec<String> {
    vec![seed.to_string(), role_word(*role)]
}
