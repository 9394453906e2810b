//! How sessions end, and how handshakes do.

use dtls_core::Role;
use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::encounter::{Asks, Chat, Encounter, PING, Party};
use dtls_tests::interop::gnutls::Meeting;
use dtls_tests::interop::openssl::SUITES;
use dtls_tests::interop::relay::Direction;
use dtls_tests::interop::{Trouble, gnutls, same};

use crate::{ROLES, role_word, role_words, run_all};

// --- the end of a session ---

#[test]
fn whoever_closes_the_other_side_sees_close_notify_and_ends_in_good_order() {
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
            let talk = gnutls::talk(&encounter)?;
            let alerts = |direction| talk.passed.protected_alerts(direction);
            let answered = [alerts(Direction::ToServer), alerts(Direction::ToClient)];
            // We answer a close_notify with ours, GnuTLS's commands do not.
            let expected = match (role, ends) {
                (Role::Client, _) => [1, 0],
                (Role::Server, Party::Ours) => [0, 1],
                (Role::Server, Party::Theirs) => [1, 1],
            };
            same("alerts to the server and to the client", answered, expected)
        },
    );
}

#[test]
fn gnutls_serv_goes_on_where_our_client_refuses_to_renegotiate() {
    run_all("renegotiation", &["role"], &[Role::Client], role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.chat = Chat::Silence;
        let encounter = encounter.ours(&["--wait", "100"]);
        let Meeting { mut ours, theirs, relay, .. } = Meeting::begin(&encounter)?;
        let story = |trouble: Trouble| trouble.and(theirs.trouble("said:"));
        // gnutls-serv takes it for a command; our client sends what it reads, line by line.
        ours.say("**REHANDSHAKE**\n")?;
        theirs.await_text("Alert[1|100] - No renegotiation is allowed - was received")?;
        ours.say(PING)?;
        let received = ours.await_line("RECEIVED ").map_err(story)?;
        same("received", received, format!("{} {}", PING.trim_end().len(), PING.trim_end())).map_err(story)?;
        ours.hang_up();
        ours.finish()?.expect_code(0)?;
        theirs.await_text(gnutls::CLOSE_NOTIFY)?;
        // no_renegotiation and close_notify.
        same("our alerts", relay.finish().protected_alerts(Direction::ToServer), 2)
    });
}

// --- refused: gnutls-serv falls silent over DTLS where it gives up, but for certificates that it does not trust ---

#[test]
fn a_server_certificate_of_an_unknown_ca_is_refused_in_both_roles() {
    run_all("unknown CA of a server", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.client_trusts = Authority::of_this_run().strange_ca();
        match role {
            Role::Client => {
                gnutls::fall_out(&encounter, "unknown_ca", "-", "Alert[2|48] - CA is unknown - was received")
            }
            Role::Server => gnutls::fall_out(&encounter, "-", "bad_certificate", "The certificate issuer is unknown."),
        }
        .map(drop)
    });
}

#[test]
fn a_server_certificate_for_another_name_is_refused_in_both_roles() {
    run_all("wrong name of a server", &["role"], &ROLES, role_words, |role| {
        let encounter = Encounter::new(*role, Leaf::ServerElsewhere);
        match role {
            Role::Client => gnutls::fall_out(&encounter, "bad_certificate", "-", "Alert[2|42] - Certificate is bad"),
            Role::Server => {
                gnutls::fall_out(&encounter, "-", "bad_certificate", "The name in the certificate does not")
            }
        }
        .map(drop)
    });
}

#[test]
fn a_client_certificate_of_an_unknown_ca_is_refused_in_both_roles() {
    run_all("unknown CA of a client", &["role"], &ROLES, role_words, |role| {
        let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).mutual(Leaf::StrangeClient);
        match role {
            Role::Client => gnutls::fall_out(&encounter, "-", "access_denied", "Sending Alert[2|49]"),
            Role::Server => {
                gnutls::fall_out(&encounter, "unknown_ca", "-", "Alert[2|48] - CA is unknown - was received")
            }
        }
        .map(drop)
    });
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required_in_both_roles() {
    run_all("no certificate where one is required", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.server_asks = Asks::Insistently;
        match role {
            Role::Client => gnutls::fall_silent(&encounter, "No certificate was found."),
            Role::Server => gnutls::fall_out(&encounter, "handshake_failure", "-", "Alert[2|40] - Handshake failed"),
        }
        .map(drop)
    });
}

#[test]
fn a_client_without_a_certificate_is_welcome_where_one_is_only_requested_in_both_roles() {
    run_all("no certificate where one is requested", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.server_asks = Asks::Politely;
        gnutls::talk(&encounter).map(drop)
    });
}

#[test]
fn no_suite_in_common_ends_the_handshake_in_both_roles() {
    run_all("no suite in common", &["role"], &ROLES, role_words, |role| {
        let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
        encounter.suite = Some(SUITES[0]);
        let encounter = encounter.theirs(&["--priority", &format!("{}:-AES-128-GCM", gnutls::PRIORITY)]);
        match role {
            Role::Client => gnutls::fall_silent(&encounter, "No supported cipher suites have been found."),
            Role::Server => gnutls::fall_out(&encounter, "handshake_failure", "-", "Alert[2|40] - Handshake failed"),
        }
        .map(drop)
    });
}
