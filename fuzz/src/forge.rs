//! The attacker's workshop: datagrams from the parts that a script names.

use dtls_core::Instant;
use dtls_core::crypto::{CryptoProvider, prf};
use dtls_core::wire::certificate::{
    Certificate, CertificateRequest, CertificateStatus, CertificateVerify, RawPublicKey,
};
use dtls_core::wire::codec::Encode;
use dtls_core::wire::enums::{
    CertificateType, CipherSuiteId, ClientCertificateType, CompressionMethod, ContentType, EcPointFormat,
    HandshakeType, MaxFragmentLength, NamedGroup, ProtocolVersion, SignatureScheme, SrtpProfile,
};
use dtls_core::wire::extensions::{ClientExtensions, ServerExtensions, UseSrtp};
use dtls_core::wire::fragment::{FragmentHeader, MessageSeq};
use dtls_core::wire::hello::{ClientHello, HelloVerifyRequest, Random, ServerHello};
use dtls_core::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange, encode_ecdhe_params};
use dtls_core::wire::psk::{
    EcdhePskClientKeyExchange, EcdhePskServerKeyExchange, PskClientKeyExchange, PskServerKeyExchange,
};
use dtls_core::wire::record::{Epoch, RecordHeader, RecordNumber};
use dtls_core::wire::small::{Alert, Finished, NewSessionTicket};

use dtls_core::crypto::SuiteAuthentication;

use crate::null_provider::{ID_OF_CLIENT, ID_OF_SERVER, TAG_LEN, certificate, public_key};
use crate::script::{ForgedFragment, ForgedMessage, ForgedRecord, Mangle, Setup, Subject};

/// A record as the script says.
#[must_use]
pub fn record(setup: Setup, parts: &ForgedRecord) -> Vec<u8> {
    let content_type = match parts.typ {
        0 => ContentType::APPLICATION_DATA,
        1 => ContentType::HANDSHAKE,
        2 => ContentType::ALERT,
        3 => ContentType::CHANGE_CIPHER_SPEC,
        other => ContentType(other),
    };
    let version = match parts.version % 4 {
        0 | 1 => ProtocolVersion::DTLS_1_2,
        2 => ProtocolVersion::DTLS_1_0,
        _ => ProtocolVersion(0xfefc),
    };
    wrap(setup, content_type, version, parts.epoch, parts.number, &parts.body)
}

/// A handshake fragment in a record of its own.
#[must_use]
pub fn fragment(setup: Setup, parts: &ForgedFragment) -> Vec<u8> {
    let fragment_length = u32::try_from(parts.body.len()).unwrap();
    let header = FragmentHeader {
        typ: HandshakeType(parts.typ),
        length: u32::from(parts.offset) + fragment_length + u32::from(parts.beyond),
        message_seq: MessageSeq(u16::from(parts.seq)),
        fragment_offset: u32::from(parts.offset),
        fragment_length,
    };
    let payload = [&header.to_bytes()[..], &parts.body].concat();
    wrap(setup, ContentType::HANDSHAKE, ProtocolVersion::DTLS_1_2, parts.epoch, parts.number, &payload)
}

fn wrap(
    setup: Setup,
    content_type: ContentType,
    version: ProtocolVersion,
    epoch: u8,
    number: u16,
    payload: &[u8],
) -> Vec<u8> {
    let has_id = epoch & 4 != 0;
    let (epoch, tag) = match epoch % 4 {
        0 => (Epoch::ZERO, None),
        1 => (Epoch::ONE, Some([1; TAG_LEN])),
        2 => (Epoch::ONE, Some([0; TAG_LEN])),
        _ => (Epoch(2), Some([1; TAG_LEN])),
    };
    let number = match number {
        0..0xff00 => u64::from(number),
        _ => RecordNumber::MAX.get() - u64::from(u16::MAX - number),
    };
    let mut body = Vec::new();
    if let Some(tag) = tag {
        // Every third suite of the null provider has no nonce in its records.
        let explicit_nonce = if setup.suite_in_use() % 3 == 2 { 0 } else { 8 };
        body.extend_from_slice(&[0; 8][..explicit_nonce]);
        body.extend_from_slice(payload);
        if has_id {
            body.extend([content_type.0, 0, 0]);
        }
        body.extend_from_slice(&tag);
    } else {
        body.extend_from_slice(payload);
    }
    body.truncate(usize::from(u16::MAX));
    let length = u16::try_from(body.len()).unwrap();
    let number = RecordNumber::new(number).unwrap();
    let content_type = if has_id { ContentType::TLS12_CID } else { content_type };
    let header = RecordHeader { content_type, version, epoch, number, length }.to_bytes();
    let (start, length) = header.split_at(RecordHeader::CID_AT);
    let id = if setup.subject() == Subject::Client { ID_OF_CLIENT } else { ID_OF_SERVER };
    [start, if has_id { &id } else { &[] }, length, &body].concat()
}

/// A well-formed message; see the code for what the bits mean.
#[must_use]
pub fn message(setup: Setup, used: &CryptoProvider, now: Instant, parts: &ForgedMessage) -> Vec<u8> {
    let bit = |index: u32| parts.bits >> index & 1 == 1;
    let extra = &parts.extra[..parts.extra.len().min(255)];
    let not_empty: &[u8] = if extra.is_empty() { &[0] } else { extra };
    let suite = setup.suites(used)[usize::from(parts.bits >> 12) % 6];
    let group = [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1, NamedGroup(0x0a0a)]
        [usize::from(parts.bits >> 6) % 4];
    let scheme = [
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        SignatureScheme::RSA_PSS_RSAE_SHA256,
        SignatureScheme::ED25519,
        SignatureScheme(0x0a0a),
    ][usize::from(parts.bits >> 8) % 4];
    let share_len = used.group(group).map_or(7, |group| group.public_key_len());
    let share = vec![4; if bit(10) { not_empty.len() } else { share_len }];
    let random = Random([parts.seq; 32]);
    let version = if bit(11) { ProtocolVersion(0xfeff - u16::from(parts.seq)) } else { ProtocolVersion::DTLS_1_2 };
    let mki = if bit(5) { &[1, 2, 3][..] } else { &[] };

    let (typ, body) = match parts.kind % 20 {
        0 => {
            let cookie = constant_cookie(used, now);
            (
                HandshakeType::CLIENT_HELLO,
                ClientHello {
                    version,
                    random,
                    session_id: &extra[..extra.len().min(usize::from(bit(10)) * 32)],
                    cookie: if bit(0) { &cookie } else { extra },
                    cipher_suites: vec![
                        suite.id,
                        CipherSuiteId(0x0a0a),
                        CipherSuiteId::TLS_EMPTY_RENEGOTIATION_INFO_SCSV,
                    ],
                    compression_methods: vec![CompressionMethod(u8::from(parts.seq == 0xff))],
                    extensions: ClientExtensions {
                        server_name: bit(1).then_some(not_empty),
                        status_request: bit(9),
                        client_certificate_types: bit(11).then(|| vec![CertificateType::RAW_PUBLIC_KEY]),
                        server_certificate_types: bit(12)
                            .then(|| vec![CertificateType(parts.seq), CertificateType::RAW_PUBLIC_KEY]),
                        supported_groups: (!bit(2)).then(|| vec![NamedGroup(0x0a0a), group]),
                        ec_point_formats: (!bit(3)).then(|| vec![EcPointFormat(u8::from(parts.seq == 0xfe))]),
                        signature_schemes: (!bit(4)).then(|| vec![SignatureScheme(0x0a0a), scheme]),
                        use_srtp: bit(5).then(|| UseSrtp { profiles: vec![SrtpProfile::AES128_CM_HMAC_SHA1_80], mki }),
                        alpn: bit(2).then(|| vec![not_empty, b"h2"]),
                        max_fragment_length: bit(6).then_some(MaxFragmentLength(1 + u8::from(bit(7)))),
                        extended_master_secret: !bit(1),
                        record_size_limit: bit(8).then_some(64 + u16::from(parts.seq)),
                        session_ticket: bit(3).then_some(extra),
                        connection_id: bit(13).then_some(extra),
                        rrc: bit(14),
                        renegotiation_info: (!bit(4)).then_some(&[]),
                    },
                }
                .to_vec(),
            )
        }
        1 => (
            HandshakeType::SERVER_HELLO,
            ServerHello {
                version,
                random,
                session_id: &extra[..extra.len().min(usize::from(bit(10)) * 32)],
                cipher_suite: suite.id,
                compression_method: CompressionMethod(u8::from(parts.seq == 0xff)),
                extensions: ServerExtensions {
                    server_name: bit(1),
                    status_request: bit(10),
                    client_certificate_type: bit(14).then_some(CertificateType(parts.seq % 3)),
                    server_certificate_type: bit(15).then_some(CertificateType(parts.seq % 3)),
                    ec_point_formats: bit(2).then(|| vec![EcPointFormat(u8::from(parts.seq == 0xfe))]),
                    use_srtp: bit(5).then(|| UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM], mki }),
                    alpn: bit(6).then_some(if bit(7) { b"coap" } else { not_empty }),
                    max_fragment_length: bit(11).then_some(MaxFragmentLength(1 + u8::from(bit(12)))),
                    extended_master_secret: !bit(3),
                    record_size_limit: bit(13).then_some(64 + u16::from(parts.seq)),
                    session_ticket: bit(8),
                    connection_id: (bit(2) && bit(9)).then_some(extra),
                    rrc: bit(9),
                    renegotiation_info: (!bit(4)).then_some(if bit(9) { extra } else { &[] }),
                    unmodelled: None,
                },
            }
            .to_vec(),
        ),
        2 => (
            HandshakeType::HELLO_VERIFY_REQUEST,
            HelloVerifyRequest { server_version: version, cookie: extra }.to_vec(),
        ),
        3 => {
            let kind = if bit(0) { SuiteAuthentication::Rsa } else { SuiteAuthentication::Ecdsa };
            let good = certificate(kind, usize::from(parts.bits >> 4));
            let chain = match (bit(1), bit(2)) {
                (false, false) => vec![&good[..]],
                (false, true) => vec![&good[..], not_empty],
                (true, false) => vec![],
                (true, true) => vec![not_empty],
            };
            (HandshakeType::CERTIFICATE, Certificate { chain }.to_vec())
        }
        4 => {
            let mut params = Vec::new();
            encode_ecdhe_params(&mut params, group, &share);
            let message =
                EcdheServerKeyExchange { group, public_key: &share, signed_params: &params, scheme, signature: extra };
            (HandshakeType::SERVER_KEY_EXCHANGE, message.to_vec())
        }
        5 => {
            let certificate_types = vec![ClientCertificateType::ECDSA_SIGN, ClientCertificateType(parts.seq)];
            let certificate_types = certificate_types.into_iter().skip(usize::from(bit(0))).collect();
            let authorities = if bit(1) { vec![not_empty; usize::from(parts.seq)] } else { vec![] };
            let request = CertificateRequest { certificate_types, signature_schemes: vec![scheme], authorities };
            (HandshakeType::CERTIFICATE_REQUEST, request.to_vec())
        }
        6 => (HandshakeType::SERVER_HELLO_DONE, vec![]),
        7 => (HandshakeType::CLIENT_KEY_EXCHANGE, EcdheClientKeyExchange { public_key: &share }.to_vec()),
        8 => (HandshakeType::CERTIFICATE_VERIFY, CertificateVerify { scheme, signature: extra }.to_vec()),
        9 => {
            // Right if all hashes are the same.
            let mut verify_data = [0; 12];
            prf(suite.hash, &[], &[], &[], &mut verify_data);
            (HandshakeType::FINISHED, Finished { verify_data: &verify_data }.to_vec())
        }
        10 => (HandshakeType::HELLO_REQUEST, vec![]),
        11 => (
            HandshakeType::NEW_SESSION_TICKET,
            NewSessionTicket { lifetime_hint: u32::from(parts.bits), ticket: extra }.to_vec(),
        ),
        12 => {
            let (typ, version) = (ContentType::CHANGE_CIPHER_SPEC, ProtocolVersion::DTLS_1_2);
            return wrap(setup, typ, version, parts.epoch, parts.bits, &[1]);
        }
        15 => (HandshakeType::CERTIFICATE_STATUS, CertificateStatus { ocsp_response: extra }.to_vec()),
        16 => {
            let kind = if bit(0) { SuiteAuthentication::Rsa } else { SuiteAuthentication::Ecdsa };
            let good = public_key(kind);
            let key = match (bit(1), bit(2)) {
                (false, false) => Some(&good[..]),
                (false, true) => Some(not_empty),
                _ => None,
            };
            (HandshakeType::CERTIFICATE, RawPublicKey { key }.to_vec())
        }
        17 => (HandshakeType::SERVER_KEY_EXCHANGE, PskServerKeyExchange { hint: extra }.to_vec()),
        18 => {
            let message = EcdhePskServerKeyExchange { hint: extra, group, public_key: &share };
            (HandshakeType::SERVER_KEY_EXCHANGE, message.to_vec())
        }
        19 => {
            // The identity of the honest peer, or another.
            let identity = if bit(0) { b"sensor" } else { extra };
            let message = if bit(1) {
                EcdhePskClientKeyExchange { identity, public_key: &share }.to_vec()
            } else {
                PskClientKeyExchange { identity }.to_vec()
            };
            (HandshakeType::CLIENT_KEY_EXCHANGE, message)
        }
        13 => {
            let [description, level] = parts.bits.to_le_bytes();
            let alert = [1 + level % 2, description];
            return wrap(setup, ContentType::ALERT, ProtocolVersion::DTLS_1_2, parts.epoch, parts.bits, &alert);
        }
        _ => {
            let alert = Alert::warning(dtls_core::wire::enums::AlertDescription::CLOSE_NOTIFY).to_bytes();
            return wrap(setup, ContentType::ALERT, ProtocolVersion::DTLS_1_2, parts.epoch, parts.bits, &alert);
        }
    };
    let length = u32::try_from(body.len()).unwrap();
    let header = FragmentHeader::whole(typ, MessageSeq(u16::from(parts.seq)), length);
    let payload = [&header.to_bytes()[..], &body].concat();
    // Numbers of protected records should rarely repeat, or the replay window would drop most.
    let number = parts.bits ^ u16::from(parts.seq) << 8;
    wrap(setup, ContentType::HANDSHAKE, ProtocolVersion::DTLS_1_2, parts.epoch, number, &payload)
}

/// The cookie that a jar accepts if all hashes are the same.
fn constant_cookie(used: &CryptoProvider, now: Instant) -> Vec<u8> {
    let stamp = u64::try_from(now.since_origin().as_millis()).unwrap().to_be_bytes();
    [&stamp[..], &used.sha256.hmac(&[], &[]).as_ref()[..24]].concat()
}

/// What the network makes of the datagrams of a flight.
#[must_use]
pub fn mangle(mut datagrams: Vec<Vec<u8>>, mangle: Mangle) -> Vec<Vec<u8>> {
    let has_bit = |mask: u8, index: usize| index < 8 && mask >> index & 1 == 1;
    let count = datagrams.len().max(1);
    match mangle {
        Mangle::Nothing => {}
        Mangle::Drop(mask) => {
            let mut index = 0..;
            datagrams.retain(|_| !has_bit(mask, index.next().unwrap()));
        }
        Mangle::Duplicate(mask) => {
            let copies = datagrams.into_iter().enumerate();
            datagrams =
                copies.flat_map(|(index, datagram)| vec![datagram; 1 + usize::from(has_bit(mask, index))]).collect();
        }
        Mangle::Reverse => datagrams.reverse(),
        Mangle::Truncate { index, len } => {
            if let Some(datagram) = datagrams.get_mut(usize::from(index) % count) {
                datagram.truncate(usize::from(len) % datagram.len().max(1));
            }
        }
        Mangle::Flip { index, bit } => {
            if let Some(datagram) = datagrams.get_mut(usize::from(index) % count) {
                let bit = usize::from(bit) % (8 * datagram.len()).max(1);
                if let Some(byte) = datagram.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
        Mangle::Join => datagrams = vec![datagrams.concat()],
    }
    datagrams
}
