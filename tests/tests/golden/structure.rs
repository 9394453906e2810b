//! The files of the kinds of handshake that came last, read byte by byte: by a reader of a few lines that knows nothing of
//! `dtls_core::wire`, against what the RFCs draw, written down here.

use std::collections::BTreeMap;
use std::fs;

use dtls_tests::certificates::{self, Leaf};
use dtls_tests::scenario::PSK_IDENTITY;

use crate::flights::folder;

/// RFC 5246 section 7.4, RFC 6347 section 4.2.2, RFC 5077 section 3.3 and RFC 6066 section 8.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const NEW_SESSION_TICKET: u8 = 4;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const CERTIFICATE_STATUS: u8 = 22;

/// RFC 9146 section 4.
const TLS12_CID: u8 = 25;
/// RFC 9146 section 3.
const CONNECTION_ID: usize = 54;

/// A record: type, epoch, body.
type Record = (u8, u16, Vec<u8>);

/// What a file says, in the order of sending.
struct Session {
    /// The records of both sides.
    records: Vec<Record>,
    /// The messages in the clear, put together: type and body.
    messages: Vec<(u8, Vec<u8>)>,
    /// The IDs in the records that have one, and whether the client sent them.
    ids: Vec<(bool, Vec<u8>)>,
}

impl Session {
    fn read(name: &str) -> Self {
        Self::read_with_ids(name, 0, 0)
    }

    /// A session in which the client wants IDs of `to_client` bytes, and the server IDs of `to_server`.
    fn read_with_ids(name: &str, to_client: usize, to_server: usize) -> Self {
        let text = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
        let (mut records, mut ids) = (Vec::new(), Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut rest = &hex::decode(&line[2..]).unwrap()[..];
            while !rest.is_empty() {
                // RFC 6347 section 4.1.
                assert!([0xfeff, 0xfefd].contains(&number(&rest[1..3])), "the version of a record");
                let mut behind = &rest[11..];
                if rest[0] == TLS12_CID {
                    // RFC 9146 section 4: the ID stands in front of the length.
                    let from_client = line.starts_with('>');
                    let (id, behind_id) = behind.split_at(if from_client { to_server } else { to_client });
                    ids.push((from_client, id.to_vec()));
                    behind = behind_id;
                }
                let body = vector(&mut behind, 2).to_vec();
                records.push((rest[0], number(&rest[3..5]) as u16, body));
                rest = behind;
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
        Self { records, messages, ids }
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
        let (session_id, suites, extensions) = self.offer_to_resume();
        assert_eq!(session_id, [0; 0]);
        (suites, extensions)
    }

    /// The same, and the session ID before them.
    fn offer_to_resume(&self) -> (&[u8], Vec<usize>, BTreeMap<usize, Vec<u8>>) {
        let hello = self.all(CLIENT_HELLO)[1];
        // Version, random, session_id, cookie, suites, compression methods.
        let mut rest = &hello[34..];
        let (session_id, cookie) = (vector(&mut rest, 1), vector(&mut rest, 1));
        assert!(!cookie.is_empty());
        let suites = vector(&mut rest, 2).chunks(2).map(number).collect();
        assert_eq!(vector(&mut rest, 1), [0]);
        (session_id, suites, extensions(rest))
    }

    /// The suite and the extensions of the ServerHello.
    fn choice(&self) -> (usize, BTreeMap<usize, Vec<u8>>) {
        let (session_id, suite, extensions) = self.choice_to_resume();
        assert_eq!(session_id, [0; 0]);
        (suite, extensions)
    }

    /// The same, and the session ID before them.
    fn choice_to_resume(&self) -> (&[u8], usize, BTreeMap<usize, Vec<u8>>) {
        let hello = self.only(SERVER_HELLO);
        assert_eq!(number(&hello[..2]), 0xfefd);
        let mut rest = &hello[34..];
        let session_id = vector(&mut rest, 1);
        assert_eq!(rest[2], 0, "no compression");
        (session_id, number(&rest[..2]), extensions(&rest[3..]))
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

/// RFC 5077 section 3.3: a lifetime, and the ticket behind its length.
fn ticket(session: &Session) -> (usize, &[u8]) {
    let body = session.only(NEW_SESSION_TICKET);
    let mut rest = &body[4..];
    let ticket = vector(&mut rest, 2);
    assert_eq!(rest, [0; 0]);
    (number(&body[..4]), ticket)
}

#[test]
fn a_ticket_is_asked_for_announced_and_given_before_the_server_is_done() {
    // RFC 5077 section 3.1: an empty SessionTicket in both hellos, and NewSessionTicket behind the client's Finished.
    let session = Session::read("ticket-given");
    let flights_4_and_5 =
        [SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE, CLIENT_KEY_EXCHANGE, NEW_SESSION_TICKET];
    assert_eq!(session.types(), behind_cookie(&flights_4_and_5));
    assert_eq!([session.offer().1, session.choice().1].map(|extensions| extensions[&35].clone()), [[0; 0], [0; 0]]);
    // Name of the key, random, what is in it, tag: a version, a suite, a time, 48 bytes of secret, a limit, "server.test"
    // behind three bytes, and that nobody has shown himself.
    let (lifetime, ticket) = ticket(&session);
    assert_eq!((lifetime, ticket.len()), (1000, 16 + 32 + (1 + 2 + 8 + 48 + 2 + 3 + 11 + 1) + 16));
}

#[test]
fn a_resumed_handshake_is_two_hellos_and_two_finished() {
    // RFC 5246 section 7.3, RFC 6347 section 4.2 Figure 2, RFC 5077 section 3.4.
    let by_ticket = Session::read("resumed-by-ticket");
    assert_eq!(by_ticket.types(), behind_cookie(&[SERVER_HELLO, NEW_SESSION_TICKET]));
    let by_id = Session::read("resumed-by-session-id");
    assert_eq!(by_id.types(), behind_cookie(&[SERVER_HELLO]));
    for session in [&by_ticket, &by_id] {
        let ((offered, ..), (repeated, ..)) = (session.offer_to_resume(), session.choice_to_resume());
        assert_eq!((offered.len(), offered), (32, repeated));
        // The server's ChangeCipherSpec and Finished before the client's, and each of them once.
        let behind_hello: Vec<(u8, u16)> = session.records.iter().map(|(typ, epoch, _)| (*typ, *epoch)).collect();
        let end = [(20, 0), (22, 1), (20, 0), (22, 1), (23, 1)];
        assert_eq!(behind_hello.windows(end.len()).filter(|window| *window == end).count(), 1, "{behind_hello:?}");
        assert_eq!(session.protected()[..2], [24 + 8 + 16; 2]);
    }
    // A ticket is shown, announced again and renewed for what is left of the session's time.
    let ((_, _, offer), (_, _, choice)) = (by_ticket.offer_to_resume(), by_ticket.choice_to_resume());
    let (lifetime, renewed) = ticket(&by_ticket);
    assert_eq!((lifetime, &choice[&35][..]), (500, &[][..]));
    assert_eq!((offer[&35].len(), offer[&35] == renewed), (renewed.len(), false));
    assert_eq!(offer[&35][..16], renewed[..16], "under one key");
    // Who resumes by an ID takes a ticket, too; this server gives none.
    let ((_, _, offer), (_, _, choice)) = (by_id.offer_to_resume(), by_id.choice_to_resume());
    assert_eq!((&offer[&35][..], choice.get(&35)), (&[][..], None));
}

#[test]
fn an_id_stands_in_every_record_for_whoever_wants_one_and_the_type_inside() {
    // RFC 9146 section 3: an ID behind a length of one byte, from either side what it wants to receive.
    let session = Session::read_with_ids("connection-ids-5-8", 5, 8);
    let ((_, offer), (_, choice)) = (session.offer(), session.choice());
    let wanted = |extensions: &BTreeMap<usize, Vec<u8>>| {
        let mut rest = &extensions[&CONNECTION_ID][..];
        let id = vector(&mut rest, 1).to_vec();
        assert_eq!(rest, []);
        id
    };
    let (by_client, by_server) = (wanted(&offer), wanted(&choice));
    assert_eq!((by_client.len(), by_server.len()), (5, 8));
    // Each Finished, the hello, the answer, as much as fits, and an alert from each side.
    let ids = [true, false, true, false, true, true, false]
        .map(|from_client| (from_client, if from_client { by_server.clone() } else { by_client.clone() }));
    assert_eq!(session.ids, ids);
    assert!(session.records.iter().all(|(typ, epoch, _)| (*typ == TLS12_CID) == (*epoch == 1)));
    // A byte for the type, behind a nonce of 8 and before a tag of 16; what the server sends is padded to 16.
    let of = |content: usize| content + 1 + 24;
    let padded = |content: usize| (content + 1).next_multiple_of(16) + 24;
    let full = 1200 - 13 - 8;
    assert_eq!(session.protected(), [of(24), padded(24), of(5), padded(12), full, of(2), padded(2)]);
}

#[test]
fn where_one_side_wants_no_id_its_records_are_what_they_always_were() {
    let session = Session::read_with_ids("psk-connection-ids-0-255", 0, 255);
    assert_eq!(session.offer().1[&CONNECTION_ID], [0]);
    let by_server = &session.choice().1[&CONNECTION_ID];
    assert_eq!((by_server[0], by_server.len()), (255, 256));
    let (to_server, to_client): (Vec<_>, Vec<_>) =
        session.records.iter().filter(|(_, epoch, _)| *epoch == 1).partition(|(typ, ..)| *typ == TLS12_CID);
    assert_eq!(session.ids, vec![(true, by_server[1..].to_vec()); 4]);
    assert_eq!(to_server.iter().map(|(.., body)| body.len()).collect::<Vec<_>>(), [49, 30, 1200 - 13 - 255, 27]);
    // Finished, application data and an alert.
    assert_eq!(to_client.iter().map(|(typ, ..)| *typ).collect::<Vec<_>>(), [22, 23, 21]);
    assert_eq!(to_client.iter().map(|(.., body)| body.len()).collect::<Vec<_>>(), [48, 36, 26]);
}
