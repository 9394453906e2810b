//! How sessions end, and why some never begin.

use dtls_core::Role;
use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::encounter::{Asks, Chat, Encounter, Party};
use dtls_tests::interop::openssl::SUITES;
use dtls_tests::interop::relay::Direction;
use dtls_tests::interop::same;

use crate::{ROLES, can_be_met, has_openssl, role_word, role_words};

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
