//! The files of the kinds of handshake that came last, read byte by byte: by a reader of a few lines that knows nothing of
//! `dtls_core::wire`, against what the RFCs draw, written down here.

use std::collections::BTreeMap;
use std::fs;

use dtls_tests::certificates::{self, Leaf};
use dtls_tests::scenario::PSK_IDENTITY;

use crate::flights::folder;

/// RFC 5246 section 7.4, RFC 6347 section 4.2.2 and RFC 6066 section 8.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const CERTIFICATE_STATUS: u8 = 22;

/// A record: type, epoch, body.
type Record = (u8, u16, Vec<u8>);

/// What a file says, in the order of sending.
struct Session {
    /// The records of both sides.
    records: Vec<Record>,
    /// The messages in the clear, put together: type and body.
    messages: Vec<(u8, Vec<u8>)>,
}

impl Session {
    fn read(name: &str) -> Self {
        let text = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
        let mut records = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut rest = &hex::decode(&line[2..]).unwrap()[..];
            while !rest.is_empty() {
                // RFC 6347 section 4.1.
                assert!([0xfeff, 0xfefd].contains(&number(&rest[1..3])), "the version of a record");
                let len = number(&rest[11..13]);
                records.push((rest[0], number(&rest[3..5]) as u16, rest[13..13 + len].to_vec()));
                rest = &rest[13 + len..];
            }
        }
        let mut messages: Vec<(u8, Vec<u8>)> = Vec::new();
        for (_, _, body) in records.iter().filter(|(typ, epoch, _)| (*typ, *epoch) == (22, 0)) {
            // RFC 6347 section 4.2.2: type, length, message_seq, fragment_offset, fragment_length.
            let (total, offset, len) = (number(&body[1..4]), number(&body[6..9]), number(&body[9..12]));
            assert_eq!(body.len(), 12 + len, "one fragment a record");
            if offset == 0 {
                messages.push((body[0], Vec::new()));
            }
            let (typ, whole) = messages.last_mut().unwrap();
            assert_eq!((*typ, whole.len()), (body[0], offset), "fragments follow each other");
            whole.extend_from_slice(&body[12..]);
            assert!(whole.len() <= total);
        }
        Self { records, messages }
    }

    fn types(&self) -> Vec<u8> {
        self.messages.iter().map(|(typ, _)| *typ).collect()
    }

    /// The messages of this type.
    fn all(&self, wanted: u8) -> Vec<&[u8]> {
        self.messages.iter().filter(|(typ, _)| *typ == wanted).map(|(_, body)| &body[..]).collect()
    }

    fn only(&self, wanted: u8) -> &[u8] {
        let [body] = self.all(wanted)[..] else { panic!("{} messages of the type {wanted}", self.all(wanted).len()) };
        body
    }

    /// The suites and the extensions of the ClientHello with the cookie.
    fn offer(&self) -> (Vec<usize>, BTreeMap<usize, Vec<u8>>) {
        let hello = self.all(CLIENT_HELLO)[1];
        // Version, random, session_id, cookie, suites, compression methods.
        let mut rest = &hello[34..];
        let (session_id, cookie) = (vector(&mut rest, 1), vector(&mut rest, 1));
        assert_eq!((session_id.len(), cookie.is_empty()), (0, false));
        let suites = vector(&mut rest, 2).chunks(2).map(number).collect();
        assert_eq!(vector(&mut rest, 1), [0]);
        (suites, extensions(rest))
    }

    /// The suite and the extensions of the ServerHello.
    fn choice(&self) -> (usize, BTreeMap<usize, Vec<u8>>) {
        let hello = self.only(SERVER_HELLO);
        assert_eq!((number(&hello[..2]), hello[34], hello[37]), (0xfefd, 0, 0));
        (number(&hello[35..37]), extensions(&hello[38..]))
    }

    /// The lengths of the protected records.
    fn protected(&self) -> Vec<usize> {
        self.records.iter().filter(|(_, epoch, _)| *epoch == 1).map(|(_, _, body)| body.len()).collect()
    }

    /// The lengths of the records in the clear.
    fn in_the_clear(&self) -> Vec<usize> {
        self.records.iter().filter(|(_, epoch, _)| *epoch == 0).map(|(_, _, body)| body.len()).collect()
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Takes a vector off the front, whose length has so many bytes.
fn vector<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (head, tail) = rest.split_at(len);
    let (body, tail) = tail.split_at(number(head));
    *rest = tail;
    body
}

/// RFC 5246 section 7.4.1.4, to the end of the message.
fn extensions(mut bytes: &[u8]) -> BTreeMap<usize, Vec<u8>> {
    let mut rest = vector(&mut bytes, 2);
    assert_eq!(bytes, []);
    let mut found = BTreeMap::new();
    while !rest.is_empty() {
        let (typ, tail) = rest.split_at(2);
        rest = tail;
        let body = vector(&mut rest, 2).to_vec();
        assert_eq!(found.insert(number(typ), body), None, "once each");
    }
    found
}

/// The messages before the server's choice, with the cookie.
const COOKIE: [u8; 3] = [CLIENT_HELLO, HELLO_VERIFY_REQUEST, CLIENT_HELLO];

fn behind_cookie(rest: &[u8]) -> Vec<u8> {
    [&COOKIE, rest].concat()
}

/// A length of two bytes and what is so long.
fn opaque16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

#[test]
fn a_plain_key_exchange_is_a_hint_and_an_identity() {
    // RFC 4279 section 2, RFC 5487 section 4 and RFC 6655 section 4.
    let hinted = Session::read("psk-aes-128-gcm-hint");
    assert_eq!(
        hinted.types(),
        behind_cookie(&[SERVER_HELLO, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE, CLIENT_KEY_EXCHANGE])
    );
    assert_eq!(hinted.only(SERVER_KEY_EXCHANGE), b"\0\x0awhich one?");
    let plain = Session::read("psk-aes-128-ccm-8");
    assert_eq!(plain.types(), behind_cookie(&[SERVER_HELLO, SERVER_HELLO_DONE, CLIENT_KEY_EXCHANGE]));
    for (session, suite) in [(&hinted, 0x00a8), (&plain, 0xc0a8)] {
        assert_eq!((session.offer().0, session.choice().0), (vec![suite], suite));
        assert_eq!(session.only(CLIENT_KEY_EXCHANGE), opaque16(PSK_IDENTITY));
        // Neither curves nor signatures are spoken of where there are none (RFC 8422 section 4, RFC 5246 section 7.4.1.4.1).
        assert_eq!(session.offer().1.keys().copied().collect::<Vec<_>>(), [0, 23, 0xff01]);
    }
    // A Finished has 12 + 12 bytes; behind its nonce of 8, GCM adds a tag of 16 and CCM_8 one of 8.
    assert_eq!(hinted.protected()[0], 24 + 8 + 16);
    assert_eq!(plain.protected()[0], 24 + 8 + 8);
}

#[test]
fn an_ephemeral_key_exchange_under_a_key_has_shares_behind_hint_and_identity() {
    // RFC 5489 section 2 and RFC 8442 section 3; no signature, and so no algorithms for one.
    let session = Session::read("ecdhe-psk-aes-128-gcm");
    assert_eq!(
        session.types(),
        behind_cookie(&[SERVER_HELLO, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE, CLIENT_KEY_EXCHANGE])
    );
    assert_eq!((session.offer().0, session.choice().0), (vec![0xd001], 0xd001));
    // An empty hint, a named curve, x25519, a share of 32 bytes.
    let share = session.only(SERVER_KEY_EXCHANGE);
    assert_eq!((&share[..6], share.len()), (&[0, 0, 3, 0, 29, 32][..], 6 + 32));
    let mut rest = session.only(CLIENT_KEY_EXCHANGE);
    assert_eq!(vector(&mut rest, 2), PSK_IDENTITY);
    assert_eq!((vector(&mut rest, 1).len(), rest.len()), (32, 0));
    assert_eq!(session.offer().1.keys().copied().collect::<Vec<_>>(), [0, 10, 11, 23, 0xff01]);
}

#[test]
fn short_tags_have_eight_bytes() {
    // RFC 7251 section 2 and RFC 6655 section 6.1.
    let session = Session::read("ecdhe-ecdsa-aes-128-ccm-8");
    assert_eq!((session.offer().0, session.choice().0), (vec![0xc0ae], 0xc0ae));
    assert_eq!(session.protected()[..2], [24 + 8 + 8, 24 + 8 + 8]);
    // Hello, the answer, as much as fits in 1200 bytes behind a header of 13, and an alert from each side.
    assert_eq!(session.protected()[2..], [5 + 16, 12 + 16, 1200 - 13, 2 + 16, 2 + 16]);
}

#[test]
fn bare_keys_stand_where_certificates_did() {
    // RFC 7250 sections 3 and 4: types 19 and 20, a list from the client and one value from the server; 2 is RawPublicKey.
    let session = Session::read("raw-public-keys-client-auth");
    assert_eq!(
        session.types(),
        behind_cookie(&[
            SERVER_HELLO,
            CERTIFICATE,
            SERVER_KEY_EXCHANGE,
            CERTIFICATE_REQUEST,
            SERVER_HELLO_DONE,
            CERTIFICATE,
            CLIENT_KEY_EXCHANGE,
            CERTIFICATE_VERIFY
        ])
    );
    let (_, offer) = session.offer();
    assert_eq!((&offer[&19][..], &offer[&20][..]), (&[1, 2][..], &[2, 2, 0][..]));
    let (_, choice) = session.choice();
    assert_eq!((&choice[&19][..], &choice[&20][..]), (&[2][..], &[2][..]));
    let [server, client] = session.all(CERTIFICATE)[..] else { panic!("two keys") };
    // id-ecPublicKey with prime256v1 (RFC 5480), and Ed25519 (RFC 8410), as SubjectPublicKeyInfo, behind a length of three
    // bytes and nothing else.
    let p256 = hex::decode("3059301306072a8648ce3d020106082a8648ce3d03010703420004").unwrap();
    let ed25519 = hex::decode("302a300506032b6570032100").unwrap();
    for (shown, head, leaf) in [(server, &p256, Leaf::EcdsaP256), (client, &ed25519, Leaf::Ed25519)] {
        let mut rest = shown;
        let key = vector(&mut rest, 3);
        assert_eq!(rest, []);
        assert!(key.starts_with(head));
        // It is the one that stands in the certificate.
        let certificate = certificates::chain(leaf).remove(0);
        assert!(certificate.windows(key.len()).any(|window| window == key));
    }
}

#[test]
fn what_ocsp_says_stands_behind_the_certificate() {
    // RFC 6066 section 8: asked for with no responders and no extensions, promised by an empty extension.
    let session = Session::read("ocsp-response");
    assert_eq!(
        session.types(),
        behind_cookie(&[
            SERVER_HELLO,
            CERTIFICATE,
            CERTIFICATE_STATUS,
            SERVER_KEY_EXCHANGE,
            SERVER_HELLO_DONE,
            CLIENT_KEY_EXCHANGE
        ])
    );
    assert_eq!((&session.offer().1[&5][..], &session.choice().1[&5][..]), (&[1, 0, 0, 0, 0][..], &[][..]));
    assert_eq!(session.only(CERTIFICATE_STATUS), [1, 0, 0, 5, 0x30, 3, 0x0a, 1, 3]);
}

#[test]
fn a_limit_for_records_is_two_bytes_and_holds_for_what_is_protected() {
    // RFC 8449 section 4.
    let session = Session::read("record-size-limit-64");
    assert_eq!((&session.offer().1[&28][..], &session.choice().1[&28][..]), (&[0, 64][..], &[0, 64][..]));
    // Behind a nonce of 8 and before a tag of 16; the longest of them is as long as it may be.
    assert_eq!(session.protected().into_iter().max(), Some(64 + 8 + 16));
    assert!(session.in_the_clear().into_iter().max().unwrap() > 64 + 12, "what is in the clear is not limited");
}

#[test]
fn a_limit_for_fragments_is_one_byte_and_holds_for_everything() {
    // RFC 6066 section 4: 1 means 512 bytes, and the server says the same.
    let session = Session::read("max-fragment-length-512");
    assert_eq!((&session.offer().1[&1][..], &session.choice().1[&1][..]), (&[1][..], &[1][..]));
    assert_eq!(session.protected().into_iter().max(), Some(512 + 8 + 16));
    assert!(session.in_the_clear().into_iter().max().unwrap() <= 512);
    // The certificate is longer, so it came in pieces, of much the same length.
    assert!(session.only(CERTIFICATE).len() > 512 && session.in_the_clear().into_iter().max().unwrap() > 256);
}
