//! What both sides agree on in their hellos.

use dtls_core::Role;
use dtls_tests::interop::authority::{KeyKind, Leaf};
use dtls_tests::interop::encounter::{Chat, Encounter};
use dtls_tests::interop::{dtls, gnutls, same};

use crate::{ROLES, role_word, role_words, run_all};

#[test]
fn both_sides_agree_on_the_same_application_protocol() {
    run_all("application protocols", &["role"], &ROLES, role_words, |role| {
        // The server decides: we take what we like best, GnuTLS what the client likes best.
        let (ours, theirs, chosen) = match role {
            Role::Client => ("h2,coap", ["webrtc", "coap", "h2"], "h2"),
            Role::Server => ("webrtc,coap,h2", ["h2", "x", "coap"], "coap"),
        };
        let theirs = theirs.map(|name| ["--alpn", name]).concat();
        let talk =
            gnutls::talk(&Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--alpn", ours]).theirs(&theirs))?;
        same("ours", dtls::value(talk.connected()?, "alpn")?, chosen)?;
        match role {
            Role::Client => Ok(()),
            Role::Server => same("theirs", talk.theirs.line("- Application protocol: ")?, chosen),
        }
    });
}

#[test]
fn no_application_protocol_in_common_ends_the_handshake() {
    run_all("no application protocol in common", &["role"], &ROLES, role_words, |role| {
        let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--alpn", "coap"]);
        let encounter = encounter.theirs(&["--alpn", "h2"]);
        match role {
            Role::Client => gnutls::fall_silent(&encounter.theirs(&["--alpn-fatal"]), "No common application protocol"),
            Role::Server => gnutls::fall_out(&encounter, "no_application_protocol", "-", "Alert[2|120]"),
        }
        .map(drop)
    });
}

#[test]
fn both_sides_agree_on_an_srtp_profile() {
    let mut cells = Vec::new();
    for role in ROLES {
        let [strong, weak] = ["SRTP_AES128_CM_HMAC_SHA1_80", "SRTP_AES128_CM_HMAC_SHA1_32"];
        cells.extend([strong, weak].map(|profile| (role, profile, Some(profile), profile)));
        cells.push((role, strong, None, "-"));
        cells.push((role, strong, Some(weak), "-"));
        cells.push((role, "SRTP_AEAD_AES_128_GCM", Some(strong), "-"));
    }
    run_all(
        "SRTP profiles",
        &["ours", "theirs", "agreed", "role"],
        &cells,
        |(role, ours, theirs, agreed)| {
            [*ours, theirs.unwrap_or("-"), agreed, &role_word(*role)].map(str::to_owned).to_vec()
        },
        |(role, ours, theirs, agreed)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--srtp", ours]);
            if let Some(theirs) = theirs {
                encounter = encounter.theirs(&["--srtp-profiles", theirs]);
            }
            let talk = gnutls::talk(&encounter)?;
            same("ours", dtls::value(talk.connected()?, "srtp")?, agreed)?;
            match (role, *agreed) {
                (Role::Client, _) => Ok(()),
                (Role::Server, "-") => {
                    same("they have a profile", talk.theirs.stdout.contains("- SRTP profile: "), false)
                }
                (Role::Server, agreed) => same("theirs", talk.theirs.line("- SRTP profile: ")?, agreed),
            }
        },
    );
}

#[test]
fn both_sides_agree_on_every_group() {
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend(
            [("x25519", "X25519"), ("secp256r1", "SECP256R1"), ("secp384r1", "SECP384R1")].map(|group| (role, group)),
        );
    }
    run_all(
        "groups",
        &["group", "role"],
        &cells,
        |(role, (group, _))| vec![(*group).to_owned(), role_word(*role)],
        |(role, (group, theirs))| {
            let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Rsa)).ours(&["--groups", group]);
            let talk = gnutls::talk(&encounter)?;
            same("ours", dtls::value(talk.connected()?, "group")?, group)?;
            match role {
                Role::Client => talk.theirs.expect_text(&format!("Selected group {theirs} ")),
                Role::Server => talk.theirs.expect_text(&format!("-(ECDHE-{theirs})-")),
            }
        },
    );
}

#[test]
fn both_sides_tell_how_long_records_may_be() {
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend([(64, None), (64, Some(512)), (512, Some(4096)), (16384, Some(512))].map(|limits| (role, limits)));
    }
    run_all(
        "record_size_limit",
        &["ours", "theirs", "role"],
        &cells,
        |(role, (ours, theirs))| {
            vec![ours.to_string(), theirs.map_or("-".to_owned(), |limit| limit.to_string()), role_word(*role)]
        },
        |(role, (ours, theirs))| {
            let encounter =
                Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--record-size-limit", &ours.to_string()]);
            let mut encounter = encounter.theirs(&["--priority", &small_records()]);
            if let Some(limit) = theirs {
                encounter = encounter.theirs(&["--recordsize", &limit.to_string()]);
            }
            let talk = gnutls::talk(&encounter)?;
            talk.theirs.expect_text(&format!("record_size_limit {ours} negotiated"))
        },
    );
}

#[test]
fn gnutls_serv_sends_no_record_that_is_longer_than_our_limit() {
    run_all(
        "a hundred bytes and our limit",
        &["limit"],
        &[64, 128],
        |limit| vec![limit.to_string()],
        |limit| {
            let mut encounter = Encounter::new(Role::Client, Leaf::Server(KeyKind::Ecdsa));
            encounter.chat = Chat::Silence;
            let encounter = encounter.theirs(&["--priority", &small_records()]);
            let encounter = encounter.ours(&["--record-size-limit", &limit.to_string()]);
            let talk = gnutls::talk(&encounter.ours(&["--send-size", "100", "--wait", "500"]))?;
            if *limit < 100 {
                talk.theirs.expect_text("Error in send(): The transmitted packet is too large")
            } else {
                talk.ours.line("RECEIVED 100 ").map(drop)
            }
        },
    );
}

#[test]
fn gnutls_serv_takes_the_limit_of_rfc_6066_from_our_client() {
    run_all("max_fragment_length", &["role"], &[Role::Client], role_words, |role| {
        let encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--max-fragment-length", "1024"]);
        gnutls::talk(&encounter)?.theirs.expect_text("Sending extension Maximum Record Size/1 (1 bytes)")
    });
}

/// RFC 8449 begins at 64; without a word more GnuTLS wants 512.
fn small_records() -> String {
    format!("{}:%ALLOW_SMALL_RECORDS", gnutls::PRIORITY)
}
