//! What extensions agree on: application protocols, SRTP profiles, groups.

use dtls_core::Role;
use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::encounter::Encounter;
use dtls_tests::interop::{dtls, same};

use crate::{ROLES, has_openssl, role_word, role_words};

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

// --- what OCSP says ---

#[test]
fn what_ocsp_says_of_our_certificate_reaches_openssl_if_it_asks() {
    if !has_openssl() {
        return;
    }
    let leaf = Leaf::Server(KeyKind::Ecdsa);
    let response = Authority::of_this_run().ocsp_response(leaf);
    let asks = [(&["-status"][..], "asks"), (&[], "does not ask")];
    run_all(
        "OCSP responses",
        &["openssl"],
        &asks,
        |(_, words)| vec![(*words).to_owned()],
        |(theirs, _)| {
            let talk =
                Encounter::new(Role::Server, leaf).ours(&["--ocsp", &response, "--trace"]).theirs(theirs).talk()?;
            let is_asked = !theirs.is_empty();
            same("sent", talk.ours.stderr.contains("CertificateStatus "), is_asked)?;
            same("received", talk.theirs.stdout.contains("    Cert Status: good\n"), is_asked)
        },
    );
}
