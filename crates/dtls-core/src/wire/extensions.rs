//! The extensions of the two hellos: RFC 5246 section 7.4.1.4 and the RFCs named at each field.
//!
//! ```text
//!   +--------+----------------------------------------+
//!   | length | extension, extension, ...              |   the block; absent if there is no extension
//!   +--------+----------------------------------------+
//!   +----------------+--------+-----------------------+
//!   | extension_type | length | extension_data        |   one extension
//!   +----------------+--------+-----------------------+
//! ```
//!
//! One place cuts the block and refuses what is wrong with any extension, whatever its type: a second one of the same
//! type, and bytes behind the data. Only then does each field read its own data.
//!
//! Extensions are written in ascending order of their type, which is the order of the fields below. What was read is
//! therefore not always written the same way: the order of the peer, extensions that have no field here, server names
//! that are no host names, and a block without any extension are lost. A transcript hashes the bytes that were
//! received.

use alloc::vec::Vec;

use super::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use super::enums::{EcPointFormat, ExtensionType, NamedGroup, SignatureScheme, SrtpProfile};

/// What a ClientHello says beyond its fixed fields. Extensions without a field here are skipped.
///
/// Encoding expects what the decoder accepts: lists that are not empty, names and vectors no longer than their length
/// prefix can say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientExtensions<'a> {
    /// The DNS name of the server the client wants to reach, as bytes that are not checked to be a name
    /// (RFC 6066 section 3). Names of another kind are ignored; `None` if there is no other.
    pub server_name: Option<&'a [u8]>,
    /// The groups the client can use, its favourite first (RFC 8422 section 5.1.1).
    pub supported_groups: Option<Vec<NamedGroup>>,
    /// How the client can read points (RFC 8422 section 5.1.2).
    pub ec_point_formats: Option<Vec<EcPointFormat>>,
    /// The signatures the client can verify, its favourite first: `signature_algorithms` (RFC 5246 section 7.4.1.4.1).
    pub signature_schemes: Option<Vec<SignatureScheme>>,
    /// The SRTP profiles the client can use, its favourite first (RFC 5764 section 4.1.1).
    pub use_srtp: Option<UseSrtp<'a>>,
    /// The application protocols the client can speak, its favourite first; each has 1 to 255 bytes
    /// (RFC 7301 section 3.1).
    pub alpn: Option<Vec<&'a [u8]>>,
    /// Whether the client can bind the master secret to the handshake (RFC 7627 section 5.1).
    pub extended_master_secret: bool,
    /// A ticket, or nothing within `Some` to ask for one (RFC 5077 section 3.2).
    pub session_ticket: Option<&'a [u8]>,
    /// `renegotiated_connection`; nothing within `Some` in a first handshake (RFC 5746 section 3.2).
    pub renegotiation_info: Option<&'a [u8]>,
}

impl Encode for ClientExtensions<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_block(out, |out| {
            if let Some(host_name) = self.server_name {
                put_extension(out, ExtensionType::SERVER_NAME, |out| put_server_name(out, host_name));
            }
            if let Some(groups) = &self.supported_groups {
                let numbers = groups.iter().map(|group| group.0);
                put_extension(out, ExtensionType::SUPPORTED_GROUPS, |out| put_number_list(out, numbers));
            }
            if let Some(formats) = &self.ec_point_formats {
                put_extension(out, ExtensionType::EC_POINT_FORMATS, |out| put_ec_point_formats(out, formats));
            }
            if let Some(schemes) = &self.signature_schemes {
                let numbers = schemes.iter().map(|scheme| scheme.0);
                put_extension(out, ExtensionType::SIGNATURE_ALGORITHMS, |out| put_number_list(out, numbers));
            }
            if let Some(use_srtp) = &self.use_srtp {
                put_extension(out, ExtensionType::USE_SRTP, |out| use_srtp.encode(out));
            }
            if let Some(protocols) = &self.alpn {
                put_extension(out, ExtensionType::ALPN, |out| put_protocol_names(out, protocols));
            }
            if self.extended_master_secret {
                put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| {});
            }
            if let Some(ticket) = self.session_ticket {
                put_extension(out, ExtensionType::SESSION_TICKET, |out| out.extend_from_slice(ticket));
            }
            if let Some(connection) = self.renegotiation_info {
                put_extension(out, ExtensionType::RENEGOTIATION_INFO, |out| put_renegotiation_info(out, connection));
            }
        });
    }
}

impl<'a> Decode<'a> for ClientExtensions<'a> {
    /// Reads the block, or nothing at all where no byte is left.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut extensions = Self::default();
        decode_block(reader, |typ, data| {
            match typ {
                ExtensionType::SERVER_NAME => extensions.server_name = server_name(data)?,
                ExtensionType::SUPPORTED_GROUPS => {
                    extensions.supported_groups = Some(number_list(data.vector_u16()?, NamedGroup)?);
                }
                ExtensionType::EC_POINT_FORMATS => extensions.ec_point_formats = Some(ec_point_formats(data)?),
                ExtensionType::SIGNATURE_ALGORITHMS => {
                    extensions.signature_schemes = Some(number_list(data.vector_u16()?, SignatureScheme)?);
                }
                ExtensionType::USE_SRTP => extensions.use_srtp = Some(UseSrtp::decode(data)?),
                ExtensionType::ALPN => {
                    let protocols = protocol_names(data)?;
                    if protocols.is_empty() {
                        return Err(DecodeError::VectorLength);
                    }
                    extensions.alpn = Some(protocols);
                }
                ExtensionType::EXTENDED_MASTER_SECRET => extensions.extended_master_secret = true,
                ExtensionType::SESSION_TICKET => extensions.session_ticket = Some(data.rest()),
                ExtensionType::RENEGOTIATION_INFO => extensions.renegotiation_info = Some(data.vector_u8()?),
                _ => skip(data),
            }
            Ok(())
        })?;
        Ok(extensions)
    }
}

/// What a ServerHello answers to the extensions of the client.
///
/// Encoding expects what the decoder accepts, see [`ClientExtensions`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerExtensions<'a> {
    /// Whether the server has used the name it was given (RFC 6066 section 3).
    pub server_name: bool,
    /// How the server can read points (RFC 8422 section 5.2).
    pub ec_point_formats: Option<Vec<EcPointFormat>>,
    /// The SRTP profile the server has chosen: exactly one (RFC 5764 section 4.1.1).
    pub use_srtp: Option<UseSrtp<'a>>,
    /// The application protocol the server has chosen (RFC 7301 section 3.1).
    pub alpn: Option<&'a [u8]>,
    /// Whether the master secret is bound to the handshake (RFC 7627 section 5.1).
    pub extended_master_secret: bool,
    /// Whether the server is going to send a NewSessionTicket (RFC 5077 section 3.2).
    pub session_ticket: bool,
    /// `renegotiated_connection`; nothing within `Some` in a first handshake (RFC 5746 section 3.2).
    pub renegotiation_info: Option<&'a [u8]>,
    /// The first extension that has no field here, so that a client can refuse what it did not ask for
    /// (RFC 5246 section 7.4.1.4). Never encoded.
    ///
    /// supported_groups is not reported: RFC 8422 section 4 leaves it to the client, but some servers send it back,
    /// and it decides nothing.
    pub unmodelled: Option<ExtensionType>,
}

impl Encode for ServerExtensions<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_block(out, |out| {
            if self.server_name {
                put_extension(out, ExtensionType::SERVER_NAME, |_| {});
            }
            if let Some(formats) = &self.ec_point_formats {
                put_extension(out, ExtensionType::EC_POINT_FORMATS, |out| put_ec_point_formats(out, formats));
            }
            if let Some(use_srtp) = &self.use_srtp {
                put_extension(out, ExtensionType::USE_SRTP, |out| use_srtp.encode(out));
            }
            if let Some(protocol) = self.alpn {
                put_extension(out, ExtensionType::ALPN, |out| put_protocol_names(out, &[protocol]));
            }
            if self.extended_master_secret {
                put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| {});
            }
            if self.session_ticket {
                put_extension(out, ExtensionType::SESSION_TICKET, |_| {});
            }
            if let Some(connection) = self.renegotiation_info {
                put_extension(out, ExtensionType::RENEGOTIATION_INFO, |out| put_renegotiation_info(out, connection));
            }
        });
    }
}

impl<'a> Decode<'a> for ServerExtensions<'a> {
    /// Reads the block, or nothing at all where no byte is left.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut extensions = Self::default();
        decode_block(reader, |typ, data| {
            match typ {
                ExtensionType::SERVER_NAME => extensions.server_name = true,
                ExtensionType::EC_POINT_FORMATS => extensions.ec_point_formats = Some(ec_point_formats(data)?),
                ExtensionType::USE_SRTP => {
                    let use_srtp = UseSrtp::decode(data)?;
                    if use_srtp.profiles.len() != 1 {
                        return Err(DecodeError::ForbiddenValue);
                    }
                    extensions.use_srtp = Some(use_srtp);
                }
                ExtensionType::ALPN => match *protocol_names(data)? {
                    [protocol] => extensions.alpn = Some(protocol),
                    _ => return Err(DecodeError::ForbiddenValue),
                },
                ExtensionType::EXTENDED_MASTER_SECRET => extensions.extended_master_secret = true,
                ExtensionType::SESSION_TICKET => extensions.session_ticket = true,
                ExtensionType::RENEGOTIATION_INFO => extensions.renegotiation_info = Some(data.vector_u8()?),
                ExtensionType::SUPPORTED_GROUPS => skip(data),
                _ => {
                    extensions.unmodelled.get_or_insert(typ);
                    skip(data);
                }
            }
            Ok(())
        })?;
        Ok(extensions)
    }
}

/// Which protection the media gets: the `UseSRTPData` of RFC 5764 section 4.1.1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UseSrtp<'a> {
    /// The profiles on offer, or the one that was chosen. Never empty.
    pub profiles: Vec<SrtpProfile>,
    /// The master key identifier that SRTP packets will carry, up to 255 bytes; empty for none.
    pub mki: &'a [u8],
}

impl Encode for UseSrtp<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number_list(out, self.profiles.iter().map(|profile| profile.0));
        put_vector::<1>(out, |out| out.extend_from_slice(self.mki));
    }
}

impl<'a> Decode<'a> for UseSrtp<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { profiles: number_list(reader.vector_u16()?, SrtpProfile)?, mki: reader.vector_u8()? })
    }
}

// --- the block ---

/// Cuts the block and hands the data of each extension to `read_data`, which must read all of it.
fn decode_block<'a>(
    reader: &mut Reader<'a>,
    mut read_data: impl FnMut(ExtensionType, &mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    // RFC 5246 7.4.1.2: only the length of the hello tells whether there is a block.
    if reader.is_empty() {
        return Ok(());
    }
    let mut block = Reader::new(reader.vector_u16()?);
    refuse_duplicates(block.clone())?;
    while !block.is_empty() {
        let (typ, mut data) = split_extension(&mut block)?;
        read_data(typ, &mut data)?;
        data.expect_end()?;
    }
    Ok(())
}

/// Refuses a block in which a type stands twice, even one that nobody here knows.
fn refuse_duplicates(mut block: Reader<'_>) -> Result<(), DecodeError> {
    // Sorted, because a block can hold 16,383 extensions: comparing each with each would be worth an attack.
    let mut types = Vec::new();
    while !block.is_empty() {
        let (typ, _) = split_extension(&mut block)?;
        types.push(typ);
    }
    types.sort_unstable();
    match types.iter().zip(types.iter().skip(1)).find(|(typ, next)| typ == next) {
        Some((typ, _)) => Err(DecodeError::DuplicateExtension(*typ)),
        None => Ok(()),
    }
}

/// Takes one extension off the block.
fn split_extension<'a>(block: &mut Reader<'a>) -> Result<(ExtensionType, Reader<'a>), DecodeError> {
    let typ = ExtensionType(block.u16()?);
    let data = block.vector_u16()?;
    Ok((typ, Reader::new(data)))
}

/// Passes over data whatever it is.
fn skip(data: &mut Reader<'_>) {
    data.rest();
}

/// Appends the block with what `content` appends; nothing at all if that is nothing.
fn put_block(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let before = out.len();
    put_vector::<2>(out, content);
    if out.len() == before + 2 {
        out.truncate(before);
    }
}

/// Appends one extension with the data that `data` appends.
fn put_extension(out: &mut Vec<u8>, typ: ExtensionType, data: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&typ.0.to_be_bytes());
    put_vector::<2>(out, data);
}

// --- what stands in the data ---

/// Reads a `ServerNameList` and returns its `host_name`.
fn server_name<'a>(data: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    let mut list = Reader::new(data.vector_u16()?);
    if list.is_empty() {
        return Err(DecodeError::VectorLength);
    }
    let mut host_name = None;
    let mut seen = [false; 256];
    while !list.is_empty() {
        let name_type = list.u8()?;
        // RFC 6066 3: data of a future name_type begins with a length of two bytes. We take that to be all of it.
        let name = list.vector_u16()?;
        // RFC 6066 3: one name of each type at most.
        if let Some(true) = seen.get_mut(usize::from(name_type)).map(|seen| core::mem::replace(seen, true)) {
            return Err(DecodeError::ForbiddenValue);
        }
        if name_type == NAME_TYPE_HOST_NAME {
            if name.is_empty() {
                return Err(DecodeError::VectorLength);
            }
            host_name = Some(name);
        }
    }
    Ok(host_name)
}

fn put_server_name(out: &mut Vec<u8>, host_name: &[u8]) {
    put_vector::<2>(out, |out| {
        out.push(NAME_TYPE_HOST_NAME);
        put_vector::<2>(out, |out| out.extend_from_slice(host_name));
    });
}

fn ec_point_formats(data: &mut Reader<'_>) -> Result<Vec<EcPointFormat>, DecodeError> {
    let formats = data.vector_u8()?;
    if formats.is_empty() {
        return Err(DecodeError::VectorLength);
    }
    Ok(formats.iter().copied().map(EcPointFormat).collect())
}

fn put_ec_point_formats(out: &mut Vec<u8>, formats: &[EcPointFormat]) {
    put_vector::<1>(out, |out| out.extend(formats.iter().map(|format| format.0)));
}

/// Reads a `ProtocolNameList`, which may turn out to be empty.
fn protocol_names<'a>(data: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, DecodeError> {
    let mut list = Reader::new(data.vector_u16()?);
    let mut names = Vec::new();
    while !list.is_empty() {
        let name = list.vector_u8()?;
        if name.is_empty() {
            return Err(DecodeError::VectorLength);
        }
        names.push(name);
    }
    Ok(names)
}

fn put_protocol_names(out: &mut Vec<u8>, names: &[&[u8]]) {
    put_vector::<2>(out, |out| {
        for name in names {
            put_vector::<1>(out, |out| out.extend_from_slice(name));
        }
    });
}

fn put_renegotiation_info(out: &mut Vec<u8>, connection: &[u8]) {
    put_vector::<1>(out, |out| out.extend_from_slice(connection));
}

/// Refuses the content of a list of two-byte numbers that is empty or ends within a number.
pub(super) const fn check_number_list(content: &[u8]) -> Result<(), DecodeError> {
    if content.is_empty() || content.len() % 2 != 0 { Err(DecodeError::VectorLength) } else { Ok(()) }
}

/// Reads the content of a list of two-byte numbers that must not be empty.
pub(super) fn number_list<T>(content: &[u8], number: impl Fn(u16) -> T) -> Result<Vec<T>, DecodeError> {
    check_number_list(content)?;
    let mut list = Vec::with_capacity(content.len() / 2);
    let mut content = Reader::new(content);
    while !content.is_empty() {
        list.push(number(content.u16()?));
    }
    Ok(list)
}

/// Appends a list of two-byte numbers behind its two-byte length.
pub(super) fn put_number_list(out: &mut Vec<u8>, numbers: impl Iterator<Item = u16>) {
    put_vector::<2>(out, |out| out.extend(numbers.flat_map(u16::to_be_bytes)));
}

/// The only kind of name that has a meaning (RFC 6066 section 3).
const NAME_TYPE_HOST_NAME: u8 = 0;

#[cfg(test)]
mod tests {
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
            supported_groups: Some(vec![NamedGroup::X25519, NamedGroup(0x0a0a)]),
            ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED, EcPointFormat(1)]),
            signature_schemes: Some(vec![SignatureScheme::ECDSA_SECP256R1_SHA256, SignatureScheme(0xfefe)]),
            use_srtp: Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM, SrtpProfile(9)], mki: &[1, 2] }),
            alpn: Some(vec![b"coap", b"h2"]),
            extended_master_secret: true,
            session_ticket: Some(&[3, 4, 5]),
            renegotiation_info: Some(&[]),
        }
    }

    fn full_server() -> ServerExtensions<'static> {
        ServerExtensions {
            server_name: true,
            ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED]),
            use_srtp: Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM], mki: &[] }),
            alpn: Some(b"coap"),
            extended_master_secret: true,
            session_ticket: true,
            renegotiation_info: Some(&[]),
            unmodelled: None,
        }
    }

    #[test]
    fn no_extension_is_no_block_at_all() {
        assert_eq!(ClientExtensions::default().to_vec(), []);
        assert_eq!(ServerExtensions::default().to_vec(), []);
        for bytes in [&[][..], &[0, 0]] {
            assert_eq!(ClientExtensions::decode_all(bytes), Ok(ClientExtensions::default()));
            assert_eq!(ServerExtensions::decode_all(bytes), Ok(ServerExtensions::default()));
        }
    }

    #[test]
    fn client_extensions_are_written_in_the_order_of_their_types() {
        let expected = block(&[
            (ExtensionType(0), b"\0\x0e\0\0\x0bexample.com"),
            (ExtensionType(10), &[0, 4, 0, 29, 0x0a, 0x0a]),
            (ExtensionType(11), &[2, 0, 1]),
            (ExtensionType(13), &[0, 4, 4, 3, 0xfe, 0xfe]),
            (ExtensionType(14), &[0, 4, 0, 7, 0, 9, 2, 1, 2]),
            (ExtensionType(16), b"\0\x08\x04coap\x02h2"),
            (ExtensionType(23), &[]),
            (ExtensionType(35), &[3, 4, 5]),
            (ExtensionType(0xff01), &[0]),
        ]);
        assert_eq!(full_client().to_vec(), expected);
        assert_eq!(ClientExtensions::decode_all(&expected), Ok(full_client()));
    }

    #[test]
    fn server_extensions_are_written_in_the_order_of_their_types() {
        let expected = block(&[
            (ExtensionType(0), &[]),
            (ExtensionType(11), &[1, 0]),
            (ExtensionType(14), &[0, 2, 0, 7, 0]),
            (ExtensionType(16), b"\0\x05\x04coap"),
            (ExtensionType(23), &[]),
            (ExtensionType(35), &[]),
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
            (ExtensionType::CONNECTION_ID, &[9]),
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
        assert_eq!(
            extensions,
            ServerExtensions { unmodelled: Some(ExtensionType(0xabcd)), ..ServerExtensions::default() }
        );
        assert_eq!(extensions.to_vec(), []);
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
            session_ticket in option::of(vec_of(any::<u8>(), 0..300)),
            renegotiation_info in option::of(vec_of(any::<u8>(), 0..=255)),
        ) {
            let extensions = ClientExtensions {
                server_name: server_name.as_deref(),
                supported_groups,
                ec_point_formats,
                signature_schemes,
                use_srtp: srtp.as_ref().map(|(profiles, mki)| UseSrtp { profiles: profiles.clone(), mki }),
                alpn: alpn.as_ref().map(|names| names.iter().map(Vec::as_slice).collect()),
                extended_master_secret,
                session_ticket: session_ticket.as_deref(),
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
            session_ticket: bool,
            renegotiation_info in option::of(vec_of(any::<u8>(), 0..=255)),
        ) {
            let extensions = ServerExtensions {
                server_name,
                ec_point_formats,
                use_srtp: srtp.as_ref().map(|(profile, mki)| UseSrtp { profiles: vec![*profile], mki }),
                alpn: alpn.as_deref(),
                extended_master_secret,
                session_ticket,
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
}
