//! What is told of a datagram: a line for each record, and for each fragment in it.

use core::fmt::Write as _;

use dtls_core::wire::certificate::{
    Certificate, CertificateRequest, CertificateStatus, CertificateVerify, RawPublicKey,
};
use dtls_core::wire::codec::{Decode, DecodeError, Reader};
use dtls_core::wire::enums::{ContentType, ExtensionType, HandshakeType, ProtocolVersion};
use dtls_core::wire::fragment::{Fragment, Fragments};
use dtls_core::wire::hello::{ClientHello, ClientHelloPrefix, HelloVerifyRequest, ServerHello};
use dtls_core::wire::record::{Epoch, Record, RecordFault, RecordHeader, Records};
use dtls_core::wire::small::{Alert, ChangeCipherSpec};

use super::key_exchange;
use crate::escape;
/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From us.
    Sent,
    /// To us.
    Received,
}

impl Direction {
    const fn mark(self) -> char {
        match self {
            Self::Sent => '>',
            Self::Received => '<',
        }
    }
}

/// The lines for the records of one datagram: at most [`LINES_MAX`], and one that says how many more there are.
pub(super) fn lines(direction: Direction, records: Records<'_>) -> Vec<String> {
    let mark = direction.mark();
    let mut lines = Lines::default();
    for record in records {
        match record {
            Ok(record) => describe_record(mark, &record, &mut lines),
            Err(RecordFault::CidOfUnknownLength) => {
                lines.push(|| format!("{mark} record {} cid=? protected", ContentType::TLS12_CID));
            }
            Err(fault) => lines.push(|| format!("{mark} junk: {fault}")),
        }
    }
    let Lines { mut told, more } = lines;
    if told.is_empty() {
        told.push(format!("{mark} an empty datagram"));
    }
    if more > 0 {
        told.push(format!("{mark} … and {more} more"));
    }
    told
}

/// How many lines a datagram has at most. Those of a peer in good faith have a few dozen; 64 KB of empty records would
/// have thousands.
const LINES_MAX: usize = 64;

/// Lines as far as they are told.
#[derive(Default)]
struct Lines {
    told: Vec<String>,
    /// How many are only counted.
    more: usize,
}

impl Lines {
    /// What is only counted is not made: the sessions of the socket wait meanwhile.
    fn push(&mut self, line: impl FnOnce() -> String) {
        if self.told.len() < LINES_MAX {
            self.told.push(line());
        } else {
            self.more += 1;
        }
    }
}

fn describe_record(mark: char, record: &Record<'_>, lines: &mut Lines) {
    let Record { header, cid, body } = record;
    lines.push(|| describe_header(mark, header, cid));
    if header.epoch != Epoch::ZERO {
        return;
    }
    match header.content_type {
        ContentType::HANDSHAKE => {
            for fragment in Fragments::new(body) {
                lines.push(|| match fragment {
                    Ok(fragment) => format!("{mark}   {}", describe_fragment(&fragment)),
                    Err(fault) => format!("{mark}   junk: {fault}"),
                });
            }
        }
        ContentType::ALERT => lines.push(|| match Alert::decode_all(body) {
            Ok(alert) => format!("{mark}   {} {}", alert.level, alert.description),
            Err(fault) => format!("{mark}   junk: {fault}"),
        }),
        ContentType::CHANGE_CIPHER_SPEC => {
            if let Err(fault) = ChangeCipherSpec::decode_all(body) {
                lines.push(|| format!("{mark}   junk: {fault}"));
            }
        }
        _ => {}
    }
}

fn describe_header(mark: char, header: &RecordHeader, cid: &[u8]) -> String {
    let (content_type, epoch, seq, len) = (header.content_type, header.epoch.0, header.number.get(), header.length);
    let mut line = format!("{mark} record {content_type} epoch={epoch} seq={seq}");
    if !cid.is_empty() {
        let _ = write!(line, " cid={}", hex::encode(cid));
    }
    let _ = write!(line, " len={len}");
    if ![ProtocolVersion::DTLS_1_2, ProtocolVersion::DTLS_1_0].contains(&header.version) {
        let _ = write!(line, " version={}", header.version);
    }
    if header.epoch != Epoch::ZERO {
        line.push_str(" protected");
    }
    line
}

fn describe_fragment(fragment: &Fragment<'_>) -> String {
    let Fragment { header, body } = fragment;
    let (typ, seq, offset) = (header.typ, header.message_seq.0, header.fragment_offset);
    let (length, total) = (header.fragment_length, header.length);
    let place = format!("{typ} seq={seq} offset={offset} length={length} of {total}");
    let facts = if length == total {
        message_facts(typ, body).unwrap_or_else(|fault| format!("junk: {fault}"))
    } else if typ == HandshakeType::CLIENT_HELLO && offset == 0 {
        // The rest of a hello is in other datagrams; what stands in front of it can be told all the same.
        ClientHelloPrefix::decode(&mut Reader::new(body)).map(|prefix| prefix_facts(&prefix)).unwrap_or_default()
    } else {
        String::new()
    };
    if facts.is_empty() { place } else { format!("{place} {facts}") }
}

/// What is worth knowing of a whole message.
fn message_facts(typ: HandshakeType, body: &[u8]) -> Result<String, DecodeError> {
    Ok(match typ {
        HandshakeType::CLIENT_HELLO => client_hello_facts(body)?,
        HandshakeType::HELLO_VERIFY_REQUEST => {
            format!("cookie={}", HelloVerifyRequest::decode_all(body)?.cookie.len())
        }
        HandshakeType::SERVER_HELLO => server_hello_facts(body)?,
        HandshakeType::CERTIFICATE => certificate_facts(body)?,
        HandshakeType::CERTIFICATE_STATUS => {
            format!("ocsp_response={}", CertificateStatus::decode_all(body)?.ocsp_response.len())
        }
        HandshakeType::SERVER_KEY_EXCHANGE => key_exchange::server_facts(body)?,
        HandshakeType::CERTIFICATE_REQUEST => {
            let request = CertificateRequest::decode_all(body)?;
            let (types, schemes) = (list(request.certificate_types.iter()), list(request.signature_schemes.iter()));
            format!("types={types} signatures={schemes} authorities={}", request.authorities.len())
        }
        HandshakeType::CLIENT_KEY_EXCHANGE => key_exchange::client_facts(body)?,
        HandshakeType::CERTIFICATE_VERIFY => format!("signature={}", CertificateVerify::decode_all(body)?.scheme),
        _ => String::new(),
    })
}

/// Which of the two forms it has only the hellos say. The bytes do as well: a bare key begins as every DER sequence does,
/// which in the place of a certificate's length would be more than three million.
fn certificate_facts(body: &[u8]) -> Result<String, DecodeError> {
    let certificates = Certificate::decode_all(body);
    if let (Err(_), Ok(RawPublicKey { key: Some(key) })) = (&certificates, RawPublicKey::decode_all(body)) {
        if key.starts_with(&[DER_SEQUENCE]) {
            return Ok(format!("raw_public_key={}", key.len()));
        }
    }
    let Certificate { chain } = certificates?;
    Ok(format!("certificates={} bytes={}", chain.len(), list(chain.iter().map(|certificate| certificate.len()))))
}

const DER_SEQUENCE: u8 = 0x30;

fn client_hello_facts(body: &[u8]) -> Result<String, DecodeError> {
    let mut reader = Reader::new(body);
    let prefix = ClientHelloPrefix::decode(&mut reader)?;
    let types = extension_types(&mut reader)?;
    let extensions = ClientHello::decode_all(body)?.extensions;
    let mut facts = prefix_facts(&prefix);
    let _ = write!(facts, " extensions={}", list(types.iter()));
    if let Some(name) = extensions.server_name {
        let _ = write!(facts, " server_name={}", escape::word(name));
    }
    if let Some(groups) = extensions.supported_groups {
        let _ = write!(facts, " groups={}", list(groups.iter()));
    }
    if let Some(protocols) = extensions.alpn {
        let _ = write!(facts, " alpn={}", list(protocols.iter().map(|name| escape::item(name))));
    }
    if let Some(use_srtp) = extensions.use_srtp {
        let _ = write!(facts, " srtp={}", list(use_srtp.profiles.iter()));
    }
    if let Some(types) = extensions.client_certificate_types {
        let _ = write!(facts, " client_certificate_types={}", list(types.iter()));
    }
    if let Some(types) = extensions.server_certificate_types {
        let _ = write!(facts, " server_certificate_types={}", list(types.iter()));
    }
    if let Some(cid) = extensions.connection_id {
        let _ = write!(facts, " cid={}", cid_fact(cid));
    }
    Ok(facts)
}

fn prefix_facts(prefix: &ClientHelloPrefix<'_>) -> String {
    let suites = prefix.cipher_suites.len() / 2;
    let (version, session_id, cookie) = (prefix.version, prefix.session_id.len(), prefix.cookie.len());
    format!("version={version} session_id={session_id} cookie={cookie} suites={suites}")
}

fn server_hello_facts(body: &[u8]) -> Result<String, DecodeError> {
    let hello = ServerHello::decode_all(body)?;
    let (version, session_id, suite) = (hello.version, hello.session_id.len(), hello.cipher_suite);
    let extensions = list(server_hello_extension_types(body)?.iter());
    let mut facts = format!("version={version} session_id={session_id} cipher={suite} extensions={extensions}");
    if let Some(protocol) = hello.extensions.alpn {
        let _ = write!(facts, " alpn={}", escape::item(protocol));
    }
    if let Some(use_srtp) = hello.extensions.use_srtp {
        let _ = write!(facts, " srtp={}", list(use_srtp.profiles.iter()));
    }
    if let Some(typ) = hello.extensions.client_certificate_type {
        let _ = write!(facts, " client_certificate_type={typ}");
    }
    if let Some(typ) = hello.extensions.server_certificate_type {
        let _ = write!(facts, " server_certificate_type={typ}");
    }
    if let Some(cid) = hello.extensions.connection_id {
        let _ = write!(facts, " cid={}", cid_fact(cid));
    }
    Ok(facts)
}

/// What its sender wants in what it receives; a dash if nothing.
fn cid_fact(cid: &[u8]) -> String {
    if cid.is_empty() { "-".to_owned() } else { hex::encode(cid) }
}

/// The types of the extensions of a ServerHello, known or not.
fn server_hello_extension_types(body: &[u8]) -> Result<Vec<ExtensionType>, DecodeError> {
    let mut reader = Reader::new(body);
    reader.take(2 + 32)?;
    reader.vector_u8()?;
    reader.take(2 + 1)?;
    extension_types(&mut reader)
}

/// The types of the extensions that are left to read, known or not.
fn extension_types(reader: &mut Reader<'_>) -> Result<Vec<ExtensionType>, DecodeError> {
    let mut types = Vec::new();
    if !reader.is_empty() {
        let mut block = Reader::new(reader.vector_u16()?);
        while !block.is_empty() {
            types.push(ExtensionType(block.u16()?));
            block.vector_u16()?;
        }
    }
    Ok(types)
}

/// Items with commas between them; a dash if there are none.
fn list(items: impl Iterator<Item = impl ToString>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { "-".to_owned() } else { items.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtls_core::wire::codec::Encode as _;
    use dtls_core::wire::enums::{
        AlertDescription, CertificateType, CipherSuiteId, CompressionMethod, NamedGroup, SignatureScheme,
    };
    use dtls_core::wire::extensions::{ClientExtensions, ServerExtensions};
    use dtls_core::wire::fragment::{FragmentHeader, MessageSeq};
    use dtls_core::wire::hello::Random;
    use dtls_core::wire::record::RecordNumber;

    /// Of a datagram for a receiver without a connection ID.
    fn lines(direction: Direction, datagram: &[u8]) -> Vec<String> {
        super::lines(direction, Records::new(datagram))
    }

    fn record(content_type: ContentType, epoch: u16, number: u64, body: &[u8]) -> Vec<u8> {
        let header = RecordHeader {
            content_type,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch(epoch),
            number: RecordNumber::new(number).unwrap(),
            length: u16::try_from(body.len()).unwrap(),
        };
        [&header.to_bytes()[..], body].concat()
    }

    fn message(typ: HandshakeType, seq: u16, body: &[u8]) -> Vec<u8> {
        let header = FragmentHeader::whole(typ, MessageSeq(seq), u32::try_from(body.len()).unwrap());
        [&header.to_bytes()[..], body].concat()
    }

    fn client_hello() -> Vec<u8> {
        client_hello_naming(b"localhost", vec![b"coap", b"h2"])
    }

    fn client_hello_naming(server_name: &[u8], alpn: Vec<&[u8]>) -> Vec<u8> {
        ClientHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: &[],
            cookie: &[1; 32],
            cipher_suites: vec![CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, CipherSuiteId(0x0a0a)],
            compression_methods: vec![CompressionMethod::NULL],
            extensions: ClientExtensions {
                server_name: Some(server_name),
                supported_groups: Some(vec![NamedGroup::X25519, NamedGroup(0x1a1a)]),
                alpn: Some(alpn),
                extended_master_secret: true,
                ..Default::default()
            },
        }
        .to_vec()
    }

    #[test]
    fn a_datagram_of_thousands_of_records_has_few_lines() {
        let empty = record(ContentType::APPLICATION_DATA, 1, 1, &[]);
        let told = lines(Direction::Received, &empty.repeat(5_000));
        assert_eq!(told.len(), LINES_MAX + 1);
        assert_eq!(told.last().unwrap(), &format!("< … and {} more", 5_000 - LINES_MAX));
        assert_eq!(lines(Direction::Received, &empty.repeat(LINES_MAX)).len(), LINES_MAX);
        let fragments = message(HandshakeType::SERVER_HELLO_DONE, 0, &[]).repeat(1_000);
        let told = lines(Direction::Received, &record(ContentType::HANDSHAKE, 0, 0, &fragments));
        assert_eq!(told.last().unwrap(), &format!("< … and {} more", 1_001 - LINES_MAX));
    }

    #[test]
    fn a_client_hello_is_told_with_its_facts() {
        let message = message(HandshakeType::CLIENT_HELLO, 1, &client_hello());
        let datagram = record(ContentType::HANDSHAKE, 0, 1, &message);
        let (whole, body) = (message.len(), client_hello().len());
        let expected = [
            format!("> record handshake epoch=0 seq=1 len={whole}"),
            format!(
                ">   ClientHello seq=1 offset=0 length={body} of {body} version=DTLSv1.2 session_id=0 cookie=32 suites=2 \
                 extensions=server_name,supported_groups,application_layer_protocol_negotiation,extended_master_secret \
                 server_name=localhost groups=x25519,unknown(0x1a1a) alpn=coap,h2"
            ),
        ];
        assert_eq!(lines(Direction::Sent, &datagram), expected);
    }

    #[test]
    fn names_that_a_peer_made_up_cannot_be_taken_for_facts() {
        let hello = client_hello_naming(b"a groups=x25519 alpn=h2", vec![b"h2,h3", b"b cipher=none", b"-"]);
        let datagram = record(ContentType::HANDSHAKE, 0, 0, &message(HandshakeType::CLIENT_HELLO, 0, &hello));
        let told = &lines(Direction::Received, &datagram)[1];
        let (name, first, second) =
            (hex::encode("a groups=x25519 alpn=h2"), hex::encode("h2,h3"), hex::encode("b cipher=none"));
        let facts =
            format!(" server_name=hex:{name} groups=x25519,unknown(0x1a1a) alpn=hex:{first},hex:{second},hex:2d");
        assert!(told.ends_with(&facts), "{told}");
    }

    #[test]
    fn every_fragment_of_every_record_has_its_line() {
        let hello = ServerHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: &[],
            cipher_suite: CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            compression_method: CompressionMethod::NULL,
            extensions: ServerExtensions { alpn: Some(b"coap"), extended_master_secret: true, ..Default::default() },
        }
        .to_vec();
        let certificate = Certificate { chain: vec![&[1; 20], &[2; 300]] }.to_vec();
        let request = CertificateRequest {
            certificate_types: vec![dtls_core::wire::enums::ClientCertificateType::ECDSA_SIGN],
            signature_schemes: vec![SignatureScheme::ED25519],
            authorities: vec![],
        }
        .to_vec();
        let two =
            [message(HandshakeType::SERVER_HELLO, 1, &hello), message(HandshakeType::CERTIFICATE, 2, &certificate)]
                .concat();
        let more = [
            message(HandshakeType::SERVER_KEY_EXCHANGE, 3, &[3, 0, 29, 1, 7, 8, 7, 0, 0]),
            message(HandshakeType::CERTIFICATE_REQUEST, 4, &request),
            message(HandshakeType::SERVER_HELLO_DONE, 5, &[]),
        ]
        .concat();
        let datagram =
            [record(ContentType::HANDSHAKE, 0, 1, &two), record(ContentType::HANDSHAKE, 0, 2, &more)].concat();
        let (hello, request) = (hello.len(), request.len());
        let expected = [
            format!("< record handshake epoch=0 seq=1 len={}", two.len()),
            format!(
                "<   ServerHello seq=1 offset=0 length={hello} of {hello} version=DTLSv1.2 session_id=0 \
                 cipher=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 \
                 extensions=application_layer_protocol_negotiation,extended_master_secret alpn=coap"
            ),
            "<   Certificate seq=2 offset=0 length=329 of 329 certificates=2 bytes=20,300".to_owned(),
            format!("< record handshake epoch=0 seq=2 len={}", more.len()),
            "<   ServerKeyExchange seq=3 offset=0 length=9 of 9 group=x25519 signature=ed25519".to_owned(),
            format!(
                "<   CertificateRequest seq=4 offset=0 length={request} of {request} types=ecdsa_sign \
                 signatures=ed25519 authorities=0"
            ),
            "<   ServerHelloDone seq=5 offset=0 length=0 of 0".to_owned(),
        ];
        assert_eq!(lines(Direction::Received, &datagram), expected);
    }

    #[test]
    fn bare_keys_and_what_ocsp_says_are_told() {
        let types = || Some(vec![CertificateType::RAW_PUBLIC_KEY, CertificateType::X509]);
        let extensions = ClientExtensions {
            status_request: true,
            client_certificate_types: types(),
            server_certificate_types: types(),
            ..Default::default()
        };
        let client_hello = ClientHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: &[],
            cookie: &[],
            cipher_suites: vec![CipherSuiteId(0x0a0a)],
            compression_methods: vec![CompressionMethod::NULL],
            extensions,
        };
        let server_hello = ServerHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: &[],
            cipher_suite: CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            compression_method: CompressionMethod::NULL,
            extensions: ServerExtensions {
                client_certificate_type: Some(CertificateType::X509),
                server_certificate_type: Some(CertificateType::RAW_PUBLIC_KEY),
                ..Default::default()
            },
        };
        // The head of a P-256 key, and of an RSA key.
        let (short, long) = ([&[0x30, 0x59][..], &[0; 89]].concat(), [&[0x30, 0x82, 1, 0x22][..], &[0; 290]].concat());
        let raw = |key| RawPublicKey { key }.to_vec();
        for (typ, body, facts) in [
            (
                HandshakeType::CLIENT_HELLO,
                client_hello.to_vec(),
                " extensions=status_request,client_certificate_type,server_certificate_type \
                 client_certificate_types=RawPublicKey,X.509 server_certificate_types=RawPublicKey,X.509",
            ),
            (
                HandshakeType::SERVER_HELLO,
                server_hello.to_vec(),
                " extensions=client_certificate_type,server_certificate_type client_certificate_type=X.509 \
                 server_certificate_type=RawPublicKey",
            ),
            (HandshakeType::CERTIFICATE, raw(Some(&short)), " of 94 raw_public_key=91"),
            (HandshakeType::CERTIFICATE, raw(Some(&long)), " of 297 raw_public_key=294"),
            // A certificate as well as a key, were it not for its first byte.
            (HandshakeType::CERTIFICATE, raw(Some(&[0, 0, 1, 0x30])), " of 7 certificates=1 bytes=1"),
            (HandshakeType::CERTIFICATE, raw(None), " of 3 certificates=0 bytes=-"),
            (
                HandshakeType::CERTIFICATE_STATUS,
                CertificateStatus { ocsp_response: &[0; 300] }.to_vec(),
                " of 304 ocsp_response=300",
            ),
        ] {
            let told = &lines(Direction::Sent, &record(ContentType::HANDSHAKE, 0, 0, &message(typ, 0, &body)))[1];
            assert!(told.starts_with(&format!(">   {typ} seq=0 ")) && told.ends_with(facts), "{told}");
        }
        let junk = message(HandshakeType::CERTIFICATE, 0, &raw(Some(&[0x31, 0x59, 0])));
        let told = &lines(Direction::Sent, &record(ContentType::HANDSHAKE, 0, 0, &junk))[1];
        assert!(told.contains(" of 6 junk: "), "{told}");
    }

    #[test]
    fn the_first_fragment_of_a_hello_tells_what_it_has() {
        let hello = client_hello();
        let (first, second) = hello.split_at(90);
        let total = u32::try_from(hello.len()).unwrap();
        let whole = FragmentHeader::whole(HandshakeType::CLIENT_HELLO, MessageSeq(0), total);
        let fragment = |offset: usize, body: &[u8]| {
            let header = FragmentHeader {
                fragment_offset: u32::try_from(offset).unwrap(),
                fragment_length: u32::try_from(body.len()).unwrap(),
                ..whole
            };
            record(ContentType::HANDSHAKE, 0, 0, &[&header.to_bytes()[..], body].concat())
        };
        let told = lines(Direction::Sent, &fragment(0, first));
        let facts = "version=DTLSv1.2 session_id=0 cookie=32 suites=2";
        assert_eq!(told[1], format!(">   ClientHello seq=0 offset=0 length=90 of {total} {facts}"));
        let told = lines(Direction::Sent, &fragment(90, second));
        assert_eq!(told[1], format!(">   ClientHello seq=0 offset=90 length={} of {total}", second.len()));
    }

    #[test]
    fn alerts_in_the_clear_are_told_and_protected_records_are_not_looked_into() {
        let alert = Alert::fatal(AlertDescription::HANDSHAKE_FAILURE).to_vec();
        let datagram = [
            record(ContentType::ALERT, 0, 3, &alert),
            record(ContentType::CHANGE_CIPHER_SPEC, 0, 4, &[1]),
            record(ContentType::HANDSHAKE, 1, 0, &[9; 40]),
            record(ContentType::APPLICATION_DATA, 1, 1, &[9; 29]),
        ]
        .concat();
        let expected = [
            "< record alert epoch=0 seq=3 len=2",
            "<   fatal handshake_failure",
            "< record change_cipher_spec epoch=0 seq=4 len=1",
            "< record handshake epoch=1 seq=0 len=40 protected",
            "< record application_data epoch=1 seq=1 len=29 protected",
        ];
        assert_eq!(lines(Direction::Received, &datagram), expected);
    }

    #[test]
    fn records_with_an_id_are_told_with_it_where_its_length_is_known() {
        let mut with_cid = record(ContentType::TLS12_CID, 1, 7, &[9; 40]);
        with_cid.splice(RecordHeader::CID_AT..RecordHeader::CID_AT, [0xab; 3]);
        let datagram = [record(ContentType::CHANGE_CIPHER_SPEC, 0, 4, &[1]), with_cid.clone(), with_cid].concat();
        let change = "< record change_cipher_spec epoch=0 seq=4 len=1";
        let known = "< record tls12_cid epoch=1 seq=7 cid=ababab len=40 protected";
        let told = super::lines(Direction::Received, Records::with_cid_len(&datagram, 3));
        assert_eq!(told, [change, known, known]);
        let told = lines(Direction::Received, &datagram);
        assert_eq!(told, [change, "< record tls12_cid cid=? protected"], "nobody knows where the next one begins");
    }

    #[test]
    fn hellos_are_told_with_the_id_that_their_sender_wants() {
        for (cid, fact) in
            [(&[1, 0xff][..], " extensions=connection_id cid=01ff"), (&[], " extensions=connection_id cid=-")]
        {
            let hello = ServerHello {
                version: ProtocolVersion::DTLS_1_2,
                random: Random([7; 32]),
                session_id: &[],
                cipher_suite: CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                compression_method: CompressionMethod::NULL,
                extensions: ServerExtensions { connection_id: Some(cid), ..Default::default() },
            };
            let server_hello = message(HandshakeType::SERVER_HELLO, 0, &hello.to_vec());
            let hello = ClientHello {
                version: ProtocolVersion::DTLS_1_2,
                random: Random([7; 32]),
                session_id: &[],
                cookie: &[],
                cipher_suites: vec![CipherSuiteId(0x0a0a)],
                compression_methods: vec![CompressionMethod::NULL],
                extensions: ClientExtensions { connection_id: Some(cid), ..Default::default() },
            };
            let client_hello = message(HandshakeType::CLIENT_HELLO, 0, &hello.to_vec());
            for hello in [client_hello, server_hello] {
                let told = &lines(Direction::Sent, &record(ContentType::HANDSHAKE, 0, 0, &hello))[1];
                assert!(told.ends_with(fact), "{told}");
            }
        }
    }

    #[test]
    fn junk_is_called_junk() {
        assert_eq!(lines(Direction::Received, &[]), ["< an empty datagram"]);
        assert!(lines(Direction::Received, &[22; 5])[0].starts_with("< junk: "));
        let datagram = record(ContentType::HANDSHAKE, 0, 0, &message(HandshakeType::SERVER_HELLO, 0, &[1, 2]));
        assert!(lines(Direction::Received, &datagram)[1].contains(" length=2 of 2 junk: "));
        assert!(lines(Direction::Received, &record(ContentType::ALERT, 0, 0, &[1]))[1].starts_with("<   junk: "));
        assert!(lines(Direction::Received, &record(ContentType::HANDSHAKE, 0, 0, &[1]))[1].starts_with("<   junk: "));
        let odd = record(ContentType(99), 0, 0, &[]);
        assert_eq!(lines(Direction::Received, &odd), ["< record unknown(0x63) epoch=0 seq=0 len=0"]);
    }
}
