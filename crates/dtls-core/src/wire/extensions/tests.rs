//! Extensions as bytes.

use super::*;
use crate::wire::laws;
use alloc::vec;
use proptest::collection::vec as vec_of;
use proptest::option;
use proptest::prelude::*;

/// A block of extensions given by type and data.
fn block(extensions: &[(ExtensionType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    put_vector::<2>(&mut out, |out| {
        for (typ, data) in extensions {
            put_extension(out, *typ, |out| out.extend_from_slice(data));
        }
    });
    out
}

fn client_fault(typ: ExtensionType, data: &[u8]) -> Option<DecodeError> {
    ClientExtensions::decode_all(&block(&[(typ, data)])).err()
}

fn server_fault(typ: ExtensionType, data: &[u8]) -> Option<DecodeError> {
    ServerExtensions::decode_all(&block(&[(typ, data)])).err()
}

fn full_client() -> ClientExtensions<'static> {
    ClientExtensions {
        server_name: Some(b"example.com"),
        max_fragment_length: Some(MaxFragmentLength::BYTES_1024),
        status_request: true,
        supported_groups: Some(vec![NamedGroup::X25519, NamedGroup(0x0a0a)]),
        ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED, EcPointFormat(1)]),
        signature_schemes: Some(vec![SignatureScheme::ECDSA_SECP256R1_SHA256, SignatureScheme(0xfefe)]),
        use_srtp: Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM, SrtpProfile(9)], mki: &[1, 2] }),
        alpn: Some(vec![b"coap", b"h2"]),
        client_certificate_types: Some(vec![CertificateType::RAW_PUBLIC_KEY]),
        server_certificate_types: Some(vec![CertificateType::RAW_PUBLIC_KEY, CertificateType::X509]),
        extended_master_secret: true,
        record_size_limit: Some(500),
        session_ticket: Some(&[3, 4, 5]),
        connection_id: Some(&[6, 7]),
        rrc: true,
        renegotiation_info: Some(&[]),
    }
}

fn full_server() -> ServerExtensions<'static> {
    ServerExtensions {
        server_name: true,
        max_fragment_length: Some(MaxFragmentLength::BYTES_4096),
        status_request: true,
        ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED]),
        use_srtp: Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM], mki: &[] }),
        alpn: Some(b"coap"),
        client_certificate_type: Some(CertificateType::X509),
        server_certificate_type: Some(CertificateType::RAW_PUBLIC_KEY),
        extended_master_secret: true,
        record_size_limit: Some(64),
        session_ticket: true,
        connection_id: Some(&[]),
        rrc: true,
        renegotiation_info: Some(&[]),
        unmodelled: None,
    }
}

#[test]
fn no_extension_is_no_block_at_all() {
    assert!(ClientExtensions::default().to_vec().is_empty());
    assert!(ServerExtensions::default().to_vec().is_empty());
    for bytes in [&[][..], &[0, 0]] {
        assert_eq!(ClientExtensions::decode_all(bytes), Ok(ClientExtensions::default()));
        assert_eq!(ServerExtensions::decode_all(bytes), Ok(ServerExtensions::default()));
    }
}

#[test]
fn client_extensions_are_written_in_the_order_of_their_types() {
    let expected = block(&[
        (ExtensionType(0), b"\0\x0e\0\0\x0bexample.com"),
        (ExtensionType(1), &[2]),
        (ExtensionType(5), &[1, 0, 0, 0, 0]),
        (ExtensionType(10), &[0, 4, 0, 29, 0x0a, 0x0a]),
        (ExtensionType(11), &[2, 0, 1]),
        (ExtensionType(13), &[0, 4, 4, 3, 0xfe, 0xfe]),
        (ExtensionType(14), &[0, 4, 0, 7, 0, 9, 2, 1, 2]),
        (ExtensionType(16), b"\0\x08\x04coap\x02h2"),
        (ExtensionType(19), &[1, 2]),
        (ExtensionType(20), &[2, 2, 0]),
        (ExtensionType(23), &[]),
        (ExtensionType(28), &[1, 244]),
        (ExtensionType(35), &[3, 4, 5]),
        (ExtensionType(54), &[2, 6, 7]),
        (ExtensionType(61), &[]),
        (ExtensionType(0xff01), &[0]),
    ]);
    assert_eq!(full_client().to_vec(), expected);
    assert_eq!(ClientExtensions::decode_all(&expected), Ok(full_client()));
}

#[test]
fn server_extensions_are_written_in_the_order_of_their_types() {
    let expected = block(&[
        (ExtensionType(0), &[]),
        (ExtensionType(1), &[4]),
        (ExtensionType(5), &[]),
        (ExtensionType(11), &[1, 0]),
        (ExtensionType(14), &[0, 2, 0, 7, 0]),
        (ExtensionType(16), b"\0\x05\x04coap"),
        (ExtensionType(19), &[0]),
        (ExtensionType(20), &[2]),
        (ExtensionType(23), &[]),
        (ExtensionType(28), &[0, 64]),
        (ExtensionType(35), &[]),
        (ExtensionType(54), &[0]),
        (ExtensionType(61), &[]),
        (ExtensionType(0xff01), &[0]),
    ]);
    assert_eq!(full_server().to_vec(), expected);
    assert_eq!(ServerExtensions::decode_all(&expected), Ok(full_server()));
}

#[test]
fn a_block_cut_anywhere_or_followed_by_bytes_is_refused() {
    laws::cut_or_prolonged_bytes_are_refused(&full_client().to_vec(), &[0], |bytes| {
        ClientExtensions::decode_all(bytes).map(drop)
    });
    laws::cut_or_prolonged_bytes_are_refused(&full_server().to_vec(), &[0], |bytes| {
        ServerExtensions::decode_all(bytes).map(drop)
    });
}

#[test]
fn a_block_whose_length_is_wrong_by_one_is_refused() {
    for change in [-1, 1] {
        let mut bytes = full_client().to_vec();
        bytes[1] = bytes[1].wrapping_add_signed(change);
        assert_eq!(ClientExtensions::decode_all(&bytes), Err(DecodeError::Truncated));
    }
}

#[test]
fn leftover_bytes_within_the_block_are_refused() {
    for leftover in 1..4 {
        let mut bytes = full_client().to_vec();
        bytes.resize(bytes.len() + leftover, 0);
        bytes[1] += u8::try_from(leftover).unwrap();
        assert_eq!(ClientExtensions::decode_all(&bytes), Err(DecodeError::Truncated));
    }
}

#[test]
fn an_extension_past_the_block_is_refused() {
    assert_eq!(ClientExtensions::decode_all(&[0, 4, 0xab, 0xcd, 0, 1]), Err(DecodeError::Truncated));
    assert_eq!(ClientExtensions::decode_all(&[0, 4, 0xab, 0xcd, 0xff, 0xff, 1]), Err(DecodeError::Truncated));
}

#[test]
fn unknown_extensions_of_a_client_are_skipped() {
    let bytes = block(&[
        (ExtensionType(0x0a0a), &[]),
        (ExtensionType::EXTENDED_MASTER_SECRET, &[]),
        (ExtensionType(0xabcd), &[1, 2, 3]),
        // What RFC 9146 section 10.2 gave up for connection_id.
        (ExtensionType(53), &[1, 9]),
    ]);
    let expected = ClientExtensions { extended_master_secret: true, ..Default::default() };
    assert_eq!(ClientExtensions::decode_all(&bytes), Ok(expected));
}

#[test]
fn the_first_unmodelled_extension_of_a_server_is_reported_and_never_written() {
    let bytes = block(&[
        (ExtensionType::SUPPORTED_GROUPS, &[9]),
        (ExtensionType(0xabcd), &[1]),
        (ExtensionType::ENCRYPT_THEN_MAC, &[]),
    ]);
    let extensions = ServerExtensions::decode_all(&bytes).unwrap();
    assert_eq!(extensions, ServerExtensions { unmodelled: Some(ExtensionType(0xabcd)), ..ServerExtensions::default() });
    assert!(extensions.to_vec().is_empty());
}

#[test]
fn supported_groups_of_a_server_is_ignored() {
    let bytes = block(&[(ExtensionType::SUPPORTED_GROUPS, &[0, 2, 0, 29])]);
    assert_eq!(ServerExtensions::decode_all(&bytes), Ok(ServerExtensions::default()));
}

#[test]
fn an_extension_of_any_type_that_stands_twice_is_refused() {
    let cases: [(ExtensionType, &[u8]); 5] = [
        (ExtensionType::SERVER_NAME, b"\0\x04\0\0\x01a"),
        (ExtensionType::ALPN, b"\0\x02\x01a"),
        (ExtensionType::CONNECTION_ID, &[0]),
        (ExtensionType::EXTENDED_MASTER_SECRET, &[]),
        (ExtensionType(0xabcd), &[]),
    ];
    for (typ, data) in cases {
        let bytes = block(&[(typ, data), (ExtensionType(0x1234), &[]), (typ, data)]);
        let fault = DecodeError::DuplicateExtension(typ);
        assert_eq!(ClientExtensions::decode_all(&bytes), Err(fault), "{typ} of a client");
        assert_eq!(ServerExtensions::decode_all(&bytes), Err(fault), "{typ} of a server");
    }
}

#[test]
fn a_block_full_of_empty_unknown_extensions_is_read_and_one_duplicate_in_it_found() {
    let mut types: Vec<u16> = (0..16_383).map(|number| 0x4000 + number).rev().collect();
    let many = |types: &[u16]| {
        let list: Vec<_> = types.iter().map(|typ| (ExtensionType(*typ), &[][..])).collect();
        block(&list)
    };
    assert_eq!(ClientExtensions::decode_all(&many(&types)), Ok(ClientExtensions::default()));
    types[16_382] = types[0];
    let fault = DecodeError::DuplicateExtension(ExtensionType(types[0]));
    assert_eq!(ClientExtensions::decode_all(&many(&types)), Err(fault));
}

#[test]
fn flag_extensions_with_a_body_are_refused() {
    let trailing = Some(DecodeError::TrailingBytes);
    assert_eq!(client_fault(ExtensionType::EXTENDED_MASTER_SECRET, &[0]), trailing);
    assert_eq!(server_fault(ExtensionType::EXTENDED_MASTER_SECRET, &[0]), trailing);
    assert_eq!(server_fault(ExtensionType::SERVER_NAME, &[0]), trailing);
    assert_eq!(server_fault(ExtensionType::SERVER_NAME, b"\0\x04\0\0\x01a"), trailing);
    assert_eq!(server_fault(ExtensionType::SESSION_TICKET, &[0]), trailing);
    assert_eq!(server_fault(ExtensionType::STATUS_REQUEST, &[1, 0, 0, 0, 0]), trailing);
}

#[test]
fn requests_for_a_status_are_read_to_their_end_and_only_those_about_ocsp_count() {
    let asks = |data: &[u8]| {
        ClientExtensions::decode_all(&block(&[(ExtensionType::STATUS_REQUEST, data)])).map(|read| read.status_request)
    };
    assert_eq!(asks(&[1, 0, 3, 0, 1, 9, 0, 2, 5, 0]), Ok(true), "a responder and an extension");
    assert_eq!(asks(&[2]), Ok(false));
    assert_eq!(asks(&[2, 7, 7]), Ok(false));
    for (data, fault) in [
        (&[][..], DecodeError::Truncated),
        (&[1], DecodeError::Truncated),
        (&[1, 0, 0, 0], DecodeError::Truncated),
        (&[1, 0, 1, 0, 0, 0], DecodeError::Truncated),
        (&[1, 0, 2, 0, 0, 0, 0], DecodeError::VectorLength),
        (&[1, 0, 0, 0, 0, 0], DecodeError::TrailingBytes),
    ] {
        assert_eq!(asks(data), Err(fault), "{data:?}");
    }
}

#[test]
fn malformed_lists_of_certificate_types_are_refused() {
    for typ in [ExtensionType::CLIENT_CERTIFICATE_TYPE, ExtensionType::SERVER_CERTIFICATE_TYPE] {
        for (data, fault) in [
            (&[][..], DecodeError::Truncated),
            (&[0], DecodeError::VectorLength),
            (&[2, 0], DecodeError::Truncated),
            (&[1, 0, 0], DecodeError::TrailingBytes),
        ] {
            assert_eq!(client_fault(typ, data), Some(fault), "{data:?}");
        }
        assert_eq!(server_fault(typ, &[]), Some(DecodeError::Truncated));
        assert_eq!(server_fault(typ, &[1, 2]), Some(DecodeError::TrailingBytes), "a server chooses one");
    }
}

#[test]
fn limits_of_records_that_no_rfc_knows_are_refused() {
    for value in [0, 5, 255] {
        assert_eq!(client_fault(ExtensionType::MAX_FRAGMENT_LENGTH, &[value]), Some(DecodeError::ForbiddenValue));
        assert_eq!(server_fault(ExtensionType::MAX_FRAGMENT_LENGTH, &[value]), Some(DecodeError::ForbiddenValue));
    }
    for value in [&[0, 0][..], &[0, 63]] {
        assert_eq!(client_fault(ExtensionType::RECORD_SIZE_LIMIT, value), Some(DecodeError::ForbiddenValue));
        assert_eq!(server_fault(ExtensionType::RECORD_SIZE_LIMIT, value), Some(DecodeError::ForbiddenValue));
    }
    for (typ, longer) in
        [(ExtensionType::MAX_FRAGMENT_LENGTH, &[1, 1][..]), (ExtensionType::RECORD_SIZE_LIMIT, &[1, 1, 1])]
    {
        assert_eq!(client_fault(typ, &[]), Some(DecodeError::Truncated));
        assert_eq!(server_fault(typ, longer), Some(DecodeError::TrailingBytes));
    }
    let bytes = [1, 2, 3, 4].map(|value| MaxFragmentLength(value).bytes());
    assert_eq!(bytes, [Some(512), Some(1024), Some(2048), Some(4096)]);
}

#[test]
fn malformed_server_names_are_refused() {
    let cases: [(&[u8], DecodeError); 10] = [
        (&[], DecodeError::Truncated),
        (&[0, 0], DecodeError::VectorLength),
        (&[0, 3, 0, 0, 0], DecodeError::VectorLength),
        (&[0, 1, 0], DecodeError::Truncated),
        (&[0, 4, 0, 0, 2, b'a'], DecodeError::Truncated),
        (&[0, 5, 0, 0, 1, b'a'], DecodeError::Truncated),
        (&[0, 3, 0, 0, 1, b'a'], DecodeError::Truncated),
        (&[0, 4, 0, 0, 1, b'a', 0], DecodeError::TrailingBytes),
        (&[0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b'], DecodeError::ForbiddenValue),
        (&[0, 8, 7, 0, 1, b'a', 7, 0, 1, b'b'], DecodeError::ForbiddenValue),
    ];
    for (data, fault) in cases {
        assert_eq!(client_fault(ExtensionType::SERVER_NAME, data), Some(fault), "{data:?}");
    }
}

#[test]
fn names_of_another_type_are_ignored() {
    let only = block(&[(ExtensionType::SERVER_NAME, &[0, 4, 7, 0, 1, b'a'])]);
    assert_eq!(ClientExtensions::decode_all(&only).unwrap().server_name, None);
    let mixed = block(&[(ExtensionType::SERVER_NAME, &[0, 7, 7, 0, 0, 0, 0, 1, b'a'])]);
    assert_eq!(ClientExtensions::decode_all(&mixed).unwrap().server_name, Some(&b"a"[..]));
}

#[test]
fn empty_odd_and_overlong_lists_of_numbers_are_refused() {
    for typ in [ExtensionType::SUPPORTED_GROUPS, ExtensionType::SIGNATURE_ALGORITHMS] {
        let cases: [(&[u8], DecodeError); 6] = [
            (&[], DecodeError::Truncated),
            (&[0, 0], DecodeError::VectorLength),
            (&[0, 1, 0], DecodeError::VectorLength),
            (&[0, 3, 0, 29, 0], DecodeError::VectorLength),
            (&[0, 4, 0, 29], DecodeError::Truncated),
            (&[0, 2, 0, 29, 0], DecodeError::TrailingBytes),
        ];
        for (data, fault) in cases {
            assert_eq!(client_fault(typ, data), Some(fault), "{typ} {data:?}");
        }
    }
}

#[test]
fn long_lists_of_unknown_numbers_are_read() {
    let data = [&[0x7f, 0xfe][..], &[0x0a; 0x7ffe]].concat();
    let bytes =
        block(&[(ExtensionType::SUPPORTED_GROUPS, &data), (ExtensionType::SIGNATURE_ALGORITHMS, &[0, 2, 9, 9])]);
    let extensions = ClientExtensions::decode_all(&bytes).unwrap();
    assert_eq!(extensions.supported_groups, Some(vec![NamedGroup(0x0a0a); 0x3fff]));
    assert_eq!(extensions.signature_schemes, Some(vec![SignatureScheme(0x0909)]));
}

#[test]
fn malformed_point_formats_are_refused() {
    let cases: [(&[u8], DecodeError); 4] = [
        (&[], DecodeError::Truncated),
        (&[0], DecodeError::VectorLength),
        (&[2, 0], DecodeError::Truncated),
        (&[1, 0, 0], DecodeError::TrailingBytes),
    ];
    for (data, fault) in cases {
        assert_eq!(client_fault(ExtensionType::EC_POINT_FORMATS, data), Some(fault), "{data:?}");
        assert_eq!(server_fault(ExtensionType::EC_POINT_FORMATS, data), Some(fault), "{data:?}");
    }
}

#[test]
fn malformed_application_protocols_are_refused() {
    let both: [(&[u8], DecodeError); 5] = [
        (&[], DecodeError::Truncated),
        (&[0, 1, 0], DecodeError::VectorLength),
        (&[0, 3, 1, b'a', 0], DecodeError::VectorLength),
        (&[0, 2, 2, b'a'], DecodeError::Truncated),
        (&[0, 2, 1, b'a', 0], DecodeError::TrailingBytes),
    ];
    for (data, fault) in both {
        assert_eq!(client_fault(ExtensionType::ALPN, data), Some(fault), "{data:?}");
        assert_eq!(server_fault(ExtensionType::ALPN, data), Some(fault), "{data:?}");
    }
    assert_eq!(client_fault(ExtensionType::ALPN, &[0, 0]), Some(DecodeError::VectorLength));
}

#[test]
fn a_server_that_chooses_no_application_protocol_or_two_is_refused() {
    assert_eq!(server_fault(ExtensionType::ALPN, &[0, 0]), Some(DecodeError::ForbiddenValue));
    assert_eq!(server_fault(ExtensionType::ALPN, b"\0\x04\x01a\x01b"), Some(DecodeError::ForbiddenValue));
}

#[test]
fn malformed_srtp_profiles_are_refused() {
    let cases: [(&[u8], DecodeError); 7] = [
        (&[], DecodeError::Truncated),
        (&[0, 0, 0], DecodeError::VectorLength),
        (&[0, 1, 0, 0], DecodeError::VectorLength),
        (&[0, 4, 0, 1, 0], DecodeError::Truncated),
        (&[0, 2, 0, 1], DecodeError::Truncated),
        (&[0, 2, 0, 1, 255, 1, 2, 3], DecodeError::Truncated),
        (&[0, 2, 0, 1, 0, 0], DecodeError::TrailingBytes),
    ];
    for (data, fault) in cases {
        assert_eq!(client_fault(ExtensionType::USE_SRTP, data), Some(fault), "{data:?}");
        assert_eq!(server_fault(ExtensionType::USE_SRTP, data), Some(fault), "{data:?}");
    }
}

#[test]
fn a_server_that_chooses_two_srtp_profiles_is_refused() {
    let two = [0, 4, 0, 1, 0, 2, 0];
    assert_eq!(client_fault(ExtensionType::USE_SRTP, &two), None);
    assert_eq!(server_fault(ExtensionType::USE_SRTP, &two), Some(DecodeError::ForbiddenValue));
}

#[test]
fn renegotiation_info_whose_inner_length_disagrees_is_refused() {
    let cases: [(&[u8], DecodeError); 3] =
        [(&[], DecodeError::Truncated), (&[1], DecodeError::Truncated), (&[0, 0], DecodeError::TrailingBytes)];
    for (data, fault) in cases {
        assert_eq!(client_fault(ExtensionType::RENEGOTIATION_INFO, data), Some(fault), "{data:?}");
        assert_eq!(server_fault(ExtensionType::RENEGOTIATION_INFO, data), Some(fault), "{data:?}");
    }
}

#[test]
fn an_empty_ticket_is_not_the_same_as_no_ticket() {
    let bytes = block(&[(ExtensionType::SESSION_TICKET, &[])]);
    assert_eq!(ClientExtensions::decode_all(&bytes).unwrap().session_ticket, Some(&[][..]));
    assert_eq!(ClientExtensions::decode_all(&[]).unwrap().session_ticket, None);
}

proptest! {
    #[test]
    fn client_extensions_survive_encoding_and_decoding(
        server_name in option::of(vec_of(any::<u8>(), 1..40)),
        supported_groups in option::of(vec_of(any::<u16>().prop_map(NamedGroup), 1..9)),
        ec_point_formats in option::of(vec_of(any::<u8>().prop_map(EcPointFormat), 1..4)),
        signature_schemes in option::of(vec_of(any::<u16>().prop_map(SignatureScheme), 1..9)),
        srtp in option::of((vec_of(any::<u16>().prop_map(SrtpProfile), 1..5), vec_of(any::<u8>(), 0..=255))),
        alpn in option::of(vec_of(vec_of(any::<u8>(), 1..=255), 1..4)),
        extended_master_secret: bool,
        max_fragment_length in option::of((1_u8..=4).prop_map(MaxFragmentLength)),
        record_size_limit in option::of(64_u16..),
        session_ticket in option::of(vec_of(any::<u8>(), 0..300)),
        connection_id in option::of(vec_of(any::<u8>(), 0..=255)),
        rrc: bool,
        renegotiation_info in option::of(vec_of(any::<u8>(), 0..=255)),
        status_request: bool,
        client_certificate_types in option::of(vec_of(any::<u8>().prop_map(CertificateType), 1..=255)),
        server_certificate_types in option::of(vec_of(any::<u8>().prop_map(CertificateType), 1..4)),
    ) {
        let extensions = ClientExtensions {
            server_name: server_name.as_deref(),
            status_request,
            client_certificate_types,
            server_certificate_types,
            supported_groups,
            ec_point_formats,
            signature_schemes,
            use_srtp: srtp.as_ref().map(|(profiles, mki)| UseSrtp { profiles: profiles.clone(), mki }),
            alpn: alpn.as_ref().map(|names| names.iter().map(Vec::as_slice).collect()),
            extended_master_secret,
            max_fragment_length,
            record_size_limit,
            session_ticket: session_ticket.as_deref(),
            connection_id: connection_id.as_deref(),
            rrc,
            renegotiation_info: renegotiation_info.as_deref(),
        };
        let bytes = extensions.to_vec();
        let decoded = ClientExtensions::decode_all(&bytes).unwrap();
        prop_assert_eq!(decoded.to_vec(), &bytes[..]);
        prop_assert_eq!(decoded, extensions);
    }

    #[test]
    fn server_extensions_survive_encoding_and_decoding(
        server_name: bool,
        ec_point_formats in option::of(vec_of(any::<u8>().prop_map(EcPointFormat), 1..4)),
        srtp in option::of((any::<u16>().prop_map(SrtpProfile), vec_of(any::<u8>(), 0..=255))),
        alpn in option::of(vec_of(any::<u8>(), 1..=255)),
        extended_master_secret: bool,
        max_fragment_length in option::of((1_u8..=4).prop_map(MaxFragmentLength)),
        record_size_limit in option::of(64_u16..),
        session_ticket: bool,
        connection_id in option::of(vec_of(any::<u8>(), 0..=255)),
        rrc: bool,
        renegotiation_info in option::of(vec_of(any::<u8>(), 0..=255)),
        status_request: bool,
        client_certificate_type in option::of(any::<u8>().prop_map(CertificateType)),
        server_certificate_type in option::of(any::<u8>().prop_map(CertificateType)),
    ) {
        let extensions = ServerExtensions {
            server_name,
            status_request,
            client_certificate_type,
            server_certificate_type,
            ec_point_formats,
            use_srtp: srtp.as_ref().map(|(profile, mki)| UseSrtp { profiles: vec![*profile], mki }),
            alpn: alpn.as_deref(),
            extended_master_secret,
            max_fragment_length,
            record_size_limit,
            session_ticket,
            connection_id: connection_id.as_deref(),
            rrc,
            renegotiation_info: renegotiation_info.as_deref(),
            unmodelled: None,
        };
        let bytes = extensions.to_vec();
        let decoded = ServerExtensions::decode_all(&bytes).unwrap();
        prop_assert_eq!(decoded.to_vec(), &bytes[..]);
        prop_assert_eq!(decoded, extensions);
    }

    #[test]
    fn extensions_that_were_read_are_the_same_after_writing_them(
        at in any::<proptest::sample::Index>(), value: u8, at_2 in any::<proptest::sample::Index>(), value_2: u8,
    ) {
        let mut bytes = full_client().to_vec();
        let len = bytes.len();
        bytes[at.index(len)] = value;
        bytes[at_2.index(len)] = value_2;
        if let Ok(extensions) = ClientExtensions::decode_all(&bytes) {
            let again = extensions.to_vec();
            prop_assert_eq!(ClientExtensions::decode_all(&again), Ok(extensions));
        }
    }
}
