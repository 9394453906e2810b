//! What a peer shows of itself: certificates and keys in the wrong form, and what OCSP says in the wrong place.

use dtls_core::config::Settings;
use dtls_core::wire::certificate::{CertificateStatus, RawPublicKey};
use dtls_core::wire::codec::{DecodeError, Encode as _};
use dtls_core::wire::enums::{CertificateType, ExtensionType, HandshakeType, NamedGroup, SignatureScheme};
use dtls_core::wire::hello::ServerHello;
use dtls_core::{CertificateError, Error, Event};
use dtls_tests::certificates::{self, Leaf};
use dtls_tests::peer::Peer;
use dtls_tests::raw;
use dtls_tests::scenario::Scenario;

use crate::play::{
    CLIENT_LEAF, Heard, SERVER_LEAF, SUITE, assert_refused, certificate, key_exchange, server, strict, told,
};

/// What a played server says behind its hello.
type Say = fn(&mut Peer) -> Vec<Vec<u8>>;
/// How a played peer shows who it is.
type Show<'a> = &'a dyn Fn(&mut Peer) -> Vec<u8>;

const RAW: CertificateType = CertificateType::RAW_PUBLIC_KEY;
const X509: CertificateType = CertificateType::X509;

fn malformed(typ: HandshakeType, fault: DecodeError) -> Error {
    Error::Malformed(typ, fault)
}

// --- what OCSP says ---

/// A client that insists on what OCSP says, and forgives nothing.
fn stapled() -> Scenario {
    Scenario::new(1).stapled(b"good").suite(SUITE).configure(|settings: &mut Settings| settings.fault_budget = 0)
}

fn announced(hello: &mut ServerHello<'static>) {
    hello.extensions.status_request = true;
}

#[test]
fn a_status_counts_where_it_was_announced_and_nowhere_else() {
    let flight = |peer: &mut Peer| {
        vec![certificate(peer), peer.certificate_status(b"good"), key_exchange(peer), peer.server_hello_done()]
    };
    Heard::new(&stapled(), announced, flight).assert_connects();
    let unexpected = Error::UnexpectedMessage(HandshakeType::CERTIFICATE_STATUS);
    Heard::new(&stapled(), |_| {}, flight).assert_refused(&unexpected);
    // Nobody asked.
    let unasked = Error::ServerHelloSentUnofferedExtension(ExtensionType::STATUS_REQUEST);
    Heard::new(&strict(), announced, |_| vec![]).assert_refused(&unasked);
    // Announced and left out, which a server may; the client insists.
    let refused = Error::Certificate(CertificateError::BadStatusResponse);
    let without = |peer: &mut Peer| vec![certificate(peer), key_exchange(peer), peer.server_hello_done()];
    Heard::new(&stapled(), announced, without).assert_refused(&refused);
    let another = |peer: &mut Peer| {
        vec![certificate(peer), peer.certificate_status(b"bad"), key_exchange(peer), peer.server_hello_done()]
    };
    Heard::new(&stapled(), announced, another).assert_refused(&refused);
}

#[test]
fn a_status_that_comes_twice_or_in_another_place_is_refused() {
    let unexpected = Error::UnexpectedMessage(HandshakeType::CERTIFICATE_STATUS);
    let places: [Say; 4] = [
        |peer| vec![peer.certificate_status(b"good"), certificate(peer)],
        |peer| vec![certificate(peer), peer.certificate_status(b"good"), peer.certificate_status(b"good")],
        |peer| vec![certificate(peer), key_exchange(peer), peer.certificate_status(b"good")],
        |peer| {
            vec![certificate(peer), key_exchange(peer), peer.certificate_request(), peer.certificate_status(b"good")]
        },
    ];
    for say in places {
        Heard::new(&stapled(), announced, say).assert_refused(&unexpected);
    }
    // Behind the end of the flight the client has said all it has to say; what comes then waits for Finished in vain.
    let heard = Heard::new(&stapled(), announced, |peer| {
        vec![
            certificate(peer),
            peer.certificate_status(b"good"),
            key_exchange(peer),
            peer.server_hello_done(),
            peer.certificate_status(b"good"),
        ]
    });
    assert_eq!(heard.under_test.events, [Event::Failed(unexpected.clone())]);
    // A server awaits none at all.
    let (under_test, answers) =
        told(server(&strict()), &[X509], |peer| vec![peer.certificate_status(b"good"), peer.client_key_exchange()]);
    assert_refused(&under_test, &answers, &unexpected);
}

#[test]
fn a_status_that_is_empty_of_another_type_or_of_another_length_is_refused() {
    let cases: [(&[u8], DecodeError); 7] = [
        (&[], DecodeError::Truncated),
        (&[1], DecodeError::Truncated),
        (&[1, 0, 0, 0], DecodeError::VectorLength),
        (&[1, 0, 0, 2, 5], DecodeError::Truncated),
        (&[1, 0, 0, 1, 5, 0], DecodeError::TrailingBytes),
        (&[0, 0, 0, 1, 5], DecodeError::ForbiddenValue),
        // Of several certificates (RFC 6961), which nobody asked for.
        (&[2, 0, 0, 4, 0, 0, 1, 5], DecodeError::ForbiddenValue),
    ];
    for (body, fault) in cases {
        let heard = Heard::new(&stapled(), announced, |peer| {
            vec![certificate(peer), peer.say_bytes(HandshakeType::CERTIFICATE_STATUS, body)]
        });
        heard.assert_refused(&malformed(HandshakeType::CERTIFICATE_STATUS, fault));
    }
}

#[test]
fn forged_statuses_before_the_right_one_are_dropped() {
    let scenario = Scenario::new(1).stapled(b"good").suite(SUITE);
    let heard = Heard::new(&scenario, announced, |peer| {
        let forge = |seq, body: &[u8]| raw::message(HandshakeType::CERTIFICATE_STATUS, seq, body);
        let status = CertificateStatus { ocsp_response: b"good" }.to_vec();
        // In the place of the certificate, empty in its own place, and in the place of the key share.
        let mut said = vec![forge(1, &status), certificate(peer), forge(2, &[1, 0, 0, 0]), forge(2, &[])];
        said.extend([peer.certificate_status(b"good"), forge(3, &status), key_exchange(peer)]);
        said.push(peer.server_hello_done());
        said
    });
    heard.assert_connects();
}

// --- keys without certificates ---

/// Both sides show bare keys, and the first fault ends the handshake.
fn bare() -> Scenario {
    strict().raw_public_keys()
}

fn agreed(hello: &mut ServerHello<'static>) {
    hello.extensions.server_certificate_type = Some(RAW);
    hello.extensions.client_certificate_type = Some(RAW);
}

fn key(leaf: Leaf) -> Vec<u8> {
    certificates::public_key(leaf).to_vec()
}

#[test]
fn played_peers_with_bare_keys_connect() {
    let heard = Heard::new(&bare(), agreed, |peer| {
        let certificate = peer.raw_public_key(Some(&key(SERVER_LEAF)));
        vec![certificate, key_exchange(peer), peer.server_hello_done()]
    });
    heard.assert_connects();
    let mut under_test = server(&bare());
    let mut peer = Peer::client(SUITE, 2);
    let mut hello = peer.client_hello();
    hello.extensions.client_certificate_types = Some(vec![RAW]);
    hello.extensions.server_certificate_types = Some(vec![RAW]);
    peer.greet_with(&mut under_test, &hello);
    let mut datagram = Vec::new();
    let messages = [
        peer.raw_public_key(Some(&key(CLIENT_LEAF))),
        peer.client_key_exchange(),
        peer.certificate_verify(CLIENT_LEAF),
    ];
    for message in messages {
        datagram.extend(peer.plain(&message));
    }
    datagram.extend(peer.change_cipher_spec());
    datagram.extend(peer.finished());
    under_test.give(&datagram);
    assert_eq!(under_test.events, [Event::Connected]);
}

#[test]
fn a_server_that_shows_a_key_in_another_form_than_agreed_is_refused() {
    let unreadable = Error::Certificate(CertificateError::Unreadable);
    let one = key(SERVER_LEAF);
    let two = [&one[..], &one].concat();
    let list = certificates_in_a_list(&[&one, &one]);
    let longer = [&one[..], &[0]].concat();
    let shorter = &one[..one.len() - 1];
    let cases: [(&str, Show<'_>); 6] = [
        ("a chain", &|peer| certificate(peer)),
        ("two keys", &|peer| peer.raw_public_key(Some(&two))),
        ("a list of keys", &|peer| peer.raw_public_key(Some(&list))),
        ("a byte too many in the key", &|peer| peer.raw_public_key(Some(&longer))),
        ("a byte too few", &|peer| peer.raw_public_key(Some(shorter))),
        ("no key at all", &|peer| peer.raw_public_key(Some(b"key"))),
    ];
    for (what, show) in cases {
        let heard = Heard::new(&bare(), agreed, |peer| vec![show(peer), key_exchange(peer)]);
        assert!(heard.under_test.failure().is_some(), "{what}");
        heard.assert_refused(&unreadable);
    }
    let none = Heard::new(&bare(), agreed, |peer| vec![peer.raw_public_key(None)]);
    none.assert_refused(&Error::CertificateMissing);
    // A byte behind the message's own length.
    let heard = Heard::new(&bare(), agreed, |peer| {
        let body = [RawPublicKey { key: Some(&one) }.to_vec(), vec![0]].concat();
        vec![peer.say_bytes(HandshakeType::CERTIFICATE, &body)]
    });
    heard.assert_refused(&malformed(HandshakeType::CERTIFICATE, DecodeError::TrailingBytes));
    // The reverse: certificates were agreed on, by silence.
    let heard = Heard::new(&strict(), |_| {}, |peer| vec![peer.raw_public_key(Some(&one))]);
    heard.assert_refused(&malformed(HandshakeType::CERTIFICATE, DecodeError::Truncated));
}

#[test]
fn a_client_that_shows_a_key_in_another_form_than_agreed_is_refused() {
    let one = key(CLIENT_LEAF);
    let two = [&one[..], &one].concat();
    let proof = |peer: &mut Peer, certificate| {
        vec![certificate, peer.client_key_exchange(), peer.certificate_verify(CLIENT_LEAF)]
    };
    let unreadable = Error::Certificate(CertificateError::Unreadable);
    let chain = |peer: &mut Peer| peer.certificate(&certificates::chain(CLIENT_LEAF));
    let cases: [Show<'_>; 3] =
        [&chain, &|peer| peer.raw_public_key(Some(&two)), &|peer| peer.raw_public_key(Some(&one[1..]))];
    for show in cases {
        let (under_test, answers) = told(server(&bare()), &[RAW], |peer| {
            let certificate = show(peer);
            proof(peer, certificate)
        });
        assert_refused(&under_test, &answers, &unreadable);
    }
    let (under_test, answers) = told(server(&bare()), &[RAW], |peer| vec![peer.raw_public_key(None)]);
    assert_refused(&under_test, &answers, &Error::CertificateMissing);
    let trailing = [RawPublicKey { key: Some(&one) }.to_vec(), vec![0]].concat();
    let (under_test, answers) =
        told(server(&bare()), &[RAW], |peer| vec![peer.say_bytes(HandshakeType::CERTIFICATE, &trailing)]);
    assert_refused(&under_test, &answers, &malformed(HandshakeType::CERTIFICATE, DecodeError::TrailingBytes));
    let (under_test, answers) = told(server(&strict()), &[X509], |peer| vec![peer.raw_public_key(Some(&one))]);
    assert_refused(&under_test, &answers, &malformed(HandshakeType::CERTIFICATE, DecodeError::Truncated));
}

#[test]
fn a_bare_key_of_another_kind_or_of_somebody_else_is_refused() {
    let shown = |key: Vec<u8>, signer| {
        Heard::new(&bare(), agreed, move |peer| {
            let certificate = peer.raw_public_key(Some(&key));
            vec![certificate, peer.server_key_exchange(NamedGroup::X25519, signer), peer.server_hello_done()]
        })
    };
    // Its own, and not the one that was pinned.
    shown(key(Leaf::EcdsaP384), Leaf::EcdsaP384).assert_refused(&Error::Certificate(CertificateError::NotPinned));
    // The one that was pinned, which another signs for.
    shown(key(SERVER_LEAF), Leaf::Server).assert_refused(&Error::BadSignature);
    // An X25519 key signs nothing (RFC 8410).
    let x25519 = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00][..], &[9; 32]].concat();
    let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
    shown(x25519, SERVER_LEAF).assert_refused(&Error::SignatureSchemeDoesNotFitKey(scheme));

    let proven = |key: Vec<u8>, signer: Option<Leaf>| {
        told(server(&bare()), &[RAW], move |peer| {
            let mut said = vec![peer.raw_public_key(Some(&key)), peer.client_key_exchange()];
            said.extend(signer.map(|signer| peer.certificate_verify(signer)));
            said
        })
    };
    let (under_test, answers) = proven(key(Leaf::EcdsaP256), Some(Leaf::EcdsaP256));
    assert_refused(&under_test, &answers, &Error::Certificate(CertificateError::NotPinned));
    let (under_test, answers) = proven(key(Leaf::EcdsaP256), Some(Leaf::Client));
    assert_refused(&under_test, &answers, &Error::BadSignature);
    // The right key, and no proof of it: the handshake never ends.
    let (mut under_test, _) = proven(key(CLIENT_LEAF), None);
    for _ in 0..10 {
        under_test.wait();
    }
    assert_eq!(under_test.events, [Event::Failed(Error::HandshakeTimeout)]);
}

#[test]
fn a_server_that_chooses_a_form_that_was_not_offered_is_refused() {
    type Change = fn(&mut ServerHello<'static>);
    let unoffered = |typ| Error::UnofferedCertificateType(CertificateType(typ));
    // A client that can show a key and read both.
    let cases: [(Change, Error); 3] = [
        (|hello| hello.extensions.server_certificate_type = Some(CertificateType(1)), unoffered(1)),
        (|hello| hello.extensions.server_certificate_type = Some(CertificateType(3)), unoffered(3)),
        (|hello| hello.extensions.client_certificate_type = Some(X509), unoffered(0)),
    ];
    for (change, error) in cases {
        Heard::new(&bare(), change, |_| vec![]).assert_refused(&error);
    }
    // One that has nothing but certificates has not said a word about forms.
    let unasked = Error::ServerHelloSentUnofferedExtension;
    let cases: [(Change, Error); 2] = [
        (|hello| hello.extensions.server_certificate_type = Some(RAW), unasked(ExtensionType::SERVER_CERTIFICATE_TYPE)),
        (
            |hello| hello.extensions.client_certificate_type = Some(X509),
            unasked(ExtensionType::CLIENT_CERTIFICATE_TYPE),
        ),
    ];
    for (change, error) in cases {
        Heard::new(&strict(), change, |_| vec![]).assert_refused(&error);
    }
}

/// What a Certificate says of several, without its outermost length.
fn certificates_in_a_list(list: &[&[u8]]) -> Vec<u8> {
    list.iter().flat_map(|der| [&u32::try_from(der.len()).unwrap().to_be_bytes()[1..], der].concat()).collect()
}
