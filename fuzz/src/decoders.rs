//! The target `decoders`: the first byte selects a decoder, the rest is what it reads.
//!
//! Nothing may panic, and whatever decodes must encode to bytes that decode to the same value. Where `wire` says that
//! nothing is lost on the way, the bytes themselves must come back.

use std::fmt::Debug;

use dtls_core::crypto::{CertificateSummary, subject_public_key};
use dtls_core::wire::certificate::{
    Certificate, CertificateRequest, CertificateStatus, CertificateVerify, RawPublicKey,
};
use dtls_core::wire::codec::{Decode, Encode, Reader};
use dtls_core::wire::enums::ContentType;
use dtls_core::wire::extensions::{ClientExtensions, ServerExtensions, UseSrtp};
use dtls_core::wire::fragment::{FragmentFault, FragmentHeader, Fragments};
use dtls_core::wire::hello::{ClientHello, ClientHelloPrefix, HelloVerifyRequest, ServerHello};
use dtls_core::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange, encode_ecdhe_params};
use dtls_core::wire::psk::{
    EcdhePskClientKeyExchange, EcdhePskServerKeyExchange, PskClientKeyExchange, PskServerKeyExchange,
};
use dtls_core::wire::record::{RecordFault, RecordHeader, Records, split_record, split_record_mut};
use dtls_core::wire::small::{Alert, ChangeCipherSpec, Finished, HelloRequest, NewSessionTicket, ServerHelloDone};

use crate::resumed;

/// What the first byte selects, in order; its value is taken modulo their number.
pub const DECODERS: [Decoder; 30] = [
    Decoder("records", records),
    Decoder("fragments", fragments),
    Decoder("client_hello", client_hello),
    Decoder("client_hello_prefix", client_hello_prefix),
    Decoder("server_hello", server_hello),
    Decoder("hello_verify_request", |bytes| keeps_bytes::<HelloVerifyRequest<'_>>(bytes)),
    Decoder("certificate", |bytes| keeps_bytes::<Certificate<'_>>(bytes)),
    Decoder("certificate_request", |bytes| keeps_bytes::<CertificateRequest<'_>>(bytes)),
    Decoder("certificate_verify", |bytes| keeps_bytes::<CertificateVerify<'_>>(bytes)),
    Decoder("server_key_exchange", server_key_exchange),
    Decoder("client_key_exchange", |bytes| keeps_bytes::<EcdheClientKeyExchange<'_>>(bytes)),
    Decoder("finished", |bytes| keeps_bytes::<Finished<'_>>(bytes)),
    Decoder("new_session_ticket", |bytes| keeps_bytes::<NewSessionTicket<'_>>(bytes)),
    Decoder("alert", |bytes| keeps_bytes::<Alert>(bytes)),
    Decoder("change_cipher_spec", |bytes| keeps_bytes::<ChangeCipherSpec>(bytes)),
    Decoder("empty_messages", empty_messages),
    Decoder("client_extensions", client_extensions),
    Decoder("server_extensions", server_extensions),
    Decoder("use_srtp", |bytes| keeps_bytes::<UseSrtp<'_>>(bytes)),
    Decoder("certificate_summary", certificate_summary),
    Decoder("raw_public_key", |bytes| keeps_bytes::<RawPublicKey<'_>>(bytes)),
    Decoder("certificate_status", |bytes| keeps_bytes::<CertificateStatus<'_>>(bytes)),
    Decoder("psk_server_key_exchange", |bytes| keeps_bytes::<PskServerKeyExchange<'_>>(bytes)),
    Decoder("ecdhe_psk_server_key_exchange", |bytes| keeps_bytes::<EcdhePskServerKeyExchange<'_>>(bytes)),
    Decoder("psk_client_key_exchange", |bytes| keeps_bytes::<PskClientKeyExchange<'_>>(bytes)),
    Decoder("ecdhe_psk_client_key_exchange", |bytes| keeps_bytes::<EcdhePskClientKeyExchange<'_>>(bytes)),
    Decoder("resumption_state", resumed::state),
    Decoder("ticket", resumed::ticket),
    Decoder("session", resumed::session),
    Decoder("saved_connection", resumed::connection),
];

/// What it is called, and what it does with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Decoder(pub &'static str, pub fn(&[u8]));

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((selector, bytes)) = data.split_first() else { return };
    let Decoder(_, decoder) = DECODERS[usize::from(*selector) % DECODERS.len()];
    decoder(bytes);
}

// --- the laws ---

/// What decodes encodes to the very same bytes, and from a longer input exactly those bytes are taken.
fn keeps_bytes<'a, T: Decode<'a> + Encode + PartialEq + Debug>(bytes: &'a [u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(value) = T::decode(&mut reader) else {
        assert!(T::decode_all(bytes).is_err(), "all of the bytes decode, but not a part of them");
        return;
    };
    let (taken, rest) = bytes.split_at(bytes.len() - reader.remaining());
    assert_eq!(value.to_vec(), taken, "{value:?} does not encode to what it was read from");
    assert_eq!(T::decode_all(bytes).is_ok(), rest.is_empty());
    assert_eq!(T::decode_all(taken).as_ref(), Ok(&value));
}

// --- datagrams and records ---

fn records(datagram: &[u8]) {
    let mut again = Vec::new();
    let mut end = Ok(());
    for record in Records::new(datagram) {
        assert_eq!(end, Ok(()), "a record behind a fault");
        match record {
            Ok(record) => {
                assert_eq!(usize::from(record.header.length), record.body.len());
                assert_eq!(RecordHeader::decode(&record.header.to_bytes()), record.header);
                again.extend_from_slice(&record.header.to_bytes());
                again.extend_from_slice(record.body);
            }
            Err(fault) => end = Err(fault),
        }
    }
    let rest = &datagram[again.len()..];
    assert!(datagram.starts_with(&again), "records are not the bytes they were read from");
    match end {
        Ok(()) => assert!(rest.is_empty()),
        Err(RecordFault::HeaderTruncated) => assert!(rest.len() < RecordHeader::LEN),
        Err(RecordFault::CidOfUnknownLength) => assert_eq!(rest.first(), Some(&ContentType::TLS12_CID.0)),
        Err(fault) => assert_eq!(fault, RecordFault::BodyTruncated),
    }
    let mut copy = datagram.to_vec();
    match (split_record(datagram), split_record_mut(&mut copy)) {
        (Ok((header, body, rest)), Ok((header_mut, body_mut, rest_mut))) => {
            assert_eq!((header, body, rest), (header_mut, &*body_mut, &*rest_mut));
        }
        (Err(fault), Err(fault_mut)) => assert_eq!(fault, fault_mut),
        _ => panic!("the two ways to split a record differ"),
    }
}

fn fragments(payload: &[u8]) {
    let mut taken = 0;
    let mut cut_short = false;
    for fragment in Fragments::new(payload) {
        assert!(!cut_short, "a fragment behind a fault that leaves open where it begins");
        match fragment {
            Ok(fragment) => {
                let header = fragment.header;
                let again = [&header.to_bytes()[..], fragment.body].concat();
                assert!(payload[taken..].starts_with(&again), "a fragment is not the bytes it was read from");
                assert!(header.fragment_offset + header.fragment_length <= header.length);
                assert!(header.fragment_length > 0 || header.length == 0);
                assert_eq!(FragmentHeader::decode_all(&header.to_bytes()), Ok(header));
                taken += again.len();
            }
            Err(FragmentFault::OutsideMessage | FragmentFault::Empty) => {
                let header = FragmentHeader::decode(&mut Reader::new(&payload[taken..])).unwrap();
                taken += FragmentHeader::LEN + usize::try_from(header.fragment_length).unwrap();
            }
            Err(_) => cut_short = true,
        }
    }
    assert_eq!(taken == payload.len(), !cut_short);
}

// --- hellos ---

fn client_hello(bytes: &[u8]) {
    let Ok(hello) = ClientHello::decode_all(bytes) else { return };
    let again = hello.to_vec();
    assert!(again.len() <= bytes.len() || hello.extensions != ClientExtensions::default());
    assert_eq!(ClientHello::decode_all(&again), Ok(hello.clone()));
    assert_eq!(ClientHello::decode_all(&again).unwrap().to_vec(), again, "encoding is not stable");
    let prefix = ClientHelloPrefix::decode(&mut Reader::new(bytes)).expect("a whole hello has a beginning");
    assert_eq!(
        (prefix.version, prefix.random, prefix.session_id, prefix.cookie),
        (hello.version, &hello.random.0, hello.session_id, hello.cookie)
    );
}

fn client_hello_prefix(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(prefix) = ClientHelloPrefix::decode(&mut reader) else {
        assert!(ClientHello::decode_all(bytes).is_err());
        return;
    };
    // Without what stands behind it, it is a hello without extensions.
    let taken = &bytes[..bytes.len() - reader.remaining()];
    let hello = ClientHello::decode_all(taken).expect("a prefix alone is a hello");
    assert_eq!(hello.to_vec(), taken);
    assert_eq!(hello.cookie, prefix.cookie);
    assert_eq!(hello.cipher_suites.len() * 2, prefix.cipher_suites.len());
    assert_eq!(hello.compression_methods.len(), prefix.compression_methods.len());
}

fn server_hello(bytes: &[u8]) {
    let Ok(mut hello) = ServerHello::decode_all(bytes) else { return };
    let again = hello.to_vec();
    hello.extensions.unmodelled = None;
    assert_eq!(ServerHello::decode_all(&again), Ok(hello));
    assert_eq!(ServerHello::decode_all(&again).unwrap().to_vec(), again, "encoding is not stable");
}

fn client_extensions(bytes: &[u8]) {
    let Ok(extensions) = ClientExtensions::decode_all(bytes) else { return };
    let again = extensions.to_vec();
    assert!(again.len() <= bytes.len(), "encoding a block that was read made it longer");
    assert_eq!(ClientExtensions::decode_all(&again), Ok(extensions));
}

fn server_extensions(bytes: &[u8]) {
    let Ok(mut extensions) = ServerExtensions::decode_all(bytes) else { return };
    let again = extensions.to_vec();
    assert!(again.len() <= bytes.len(), "encoding a block that was read made it longer");
    extensions.unmodelled = None;
    assert_eq!(ServerExtensions::decode_all(&again), Ok(extensions));
}

// --- messages ---

fn server_key_exchange(bytes: &[u8]) {
    keeps_bytes::<EcdheServerKeyExchange<'_>>(bytes);
    if let Ok(message) = EcdheServerKeyExchange::decode_all(bytes) {
        let mut params = Vec::new();
        encode_ecdhe_params(&mut params, message.group, message.public_key);
        assert_eq!(params, message.signed_params, "what was signed does not say what it is read as");
    }
}

fn empty_messages(bytes: &[u8]) {
    assert_eq!(ServerHelloDone::decode_all(bytes).is_ok(), bytes.is_empty());
    assert_eq!(HelloRequest::decode_all(bytes).is_ok(), bytes.is_empty());
    keeps_bytes::<ServerHelloDone>(bytes);
    keeps_bytes::<HelloRequest>(bytes);
}

/// Certificates come from the peer and are read before anybody has verified them.
fn certificate_summary(bytes: &[u8]) {
    let key = subject_public_key(bytes);
    let Ok(summary) = CertificateSummary::read(bytes) else { return };
    assert!(key.is_ok(), "a summary of a certificate whose key cannot be read");
    for text in summary.subject_alt_names.iter().chain([&summary.subject, &summary.issuer]) {
        assert!(!text.chars().any(char::is_control), "{text:?} would reach a terminal");
    }
    let _ = summary.key.to_string();
}
