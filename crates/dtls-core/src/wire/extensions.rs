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
use super::enums::{
    CertificateType, EcPointFormat, ExtensionType, MaxFragmentLength, NamedGroup, SignatureScheme, SrtpProfile,
};

/// What a ClientHello says beyond its fixed fields. Extensions without a field here are skipped.
///
/// Encoding expects what the decoder accepts: lists that are not empty, names and vectors no longer than their length
/// prefix can say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientExtensions<'a> {
    /// The DNS name of the server the client wants to reach, as bytes that are not checked to be a name
    /// (RFC 6066 section 3). Names of another kind are ignored; `None` if there is no other.
    pub server_name: Option<&'a [u8]>,
    /// The longest record plaintext that the client asks for (RFC 6066 section 4); one of the four there are.
    pub max_fragment_length: Option<MaxFragmentLength>,
    /// Whether the client wants to see what OCSP says of the server's certificate (RFC 6066 section 8). Whom it would
    /// have asked is ignored, and so are requests of another kind.
    pub status_request: bool,
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
    /// The forms in which the client can show its key, its favourite first (RFC 7250 section 4.1).
    pub client_certificate_types: Option<Vec<CertificateType>>,
    /// The forms in which the client can read the server's key, its favourite first (RFC 7250 section 4.1).
    pub server_certificate_types: Option<Vec<CertificateType>>,
    /// Whether the client can bind the master secret to the handshake (RFC 7627 section 5.1).
    pub extended_master_secret: bool,
    /// The longest record plaintext that the client takes, in bytes, 64 at least (RFC 8449 section 4).
    pub record_size_limit: Option<u16>,
    /// A ticket, or nothing within `Some` to ask for one (RFC 5077 section 3.2).
    pub session_ticket: Option<&'a [u8]>,
    /// The connection ID that the client wants to receive, up to 255 bytes; nothing within `Some` if it wants none and
    /// only writes the server's (RFC 9146 section 3).
    pub connection_id: Option<&'a [u8]>,
    /// Whether the client can check paths (RFC 9853 section 3).
    pub rrc: bool,
    /// `renegotiated_connection`; nothing within `Some` in a first handshake (RFC 5746 section 3.2).
    pub renegotiation_info: Option<&'a [u8]>,
}

impl Encode for ClientExtensions<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_block(out, |out| {
            if let Some(host_name) = self.server_name {
                put_extension(out, ExtensionType::SERVER_NAME, |out| put_server_name(out, host_name));
            }
            if let Some(length) = self.max_fragment_length {
                put_extension(out, ExtensionType::MAX_FRAGMENT_LENGTH, |out| out.push(length.0));
            }
            if self.status_request {
                put_extension(out, ExtensionType::STATUS_REQUEST, put_status_request);
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
            if let Some(types) = &self.client_certificate_types {
                put_extension(out, ExtensionType::CLIENT_CERTIFICATE_TYPE, |out| put_certificate_types(out, types));
            }
            if let Some(types) = &self.server_certificate_types {
                put_extension(out, ExtensionType::SERVER_CERTIFICATE_TYPE, |out| put_certificate_types(out, types));
            }
            if self.extended_master_secret {
                put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| {});
            }
            if let Some(limit) = self.record_size_limit {
                put_extension(out, ExtensionType::RECORD_SIZE_LIMIT, |out| out.extend_from_slice(&limit.to_be_bytes()));
            }
            if let Some(ticket) = self.session_ticket {
                put_extension(out, ExtensionType::SESSION_TICKET, |out| out.extend_from_slice(ticket));
            }
            if let Some(cid) = self.connection_id {
                put_extension(out, ExtensionType::CONNECTION_ID, |out| put_connection_id(out, cid));
            }
            if self.rrc {
                put_extension(out, ExtensionType::RRC, |_| {});
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
                ExtensionType::MAX_FRAGMENT_LENGTH => extensions.max_fragment_length = Some(max_fragment_length(data)?),
                ExtensionType::STATUS_REQUEST => extensions.status_request = status_request(data)?,
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
                ExtensionType::CLIENT_CERTIFICATE_TYPE => {
                    extensions.client_certificate_types = Some(certificate_types(data)?);
                }
                ExtensionType::SERVER_CERTIFICATE_TYPE => {
                    extensions.server_certificate_types = Some(certificate_types(data)?);
                }
                ExtensionType::EXTENDED_MASTER_SECRET => extensions.extended_master_secret = true,
                ExtensionType::RECORD_SIZE_LIMIT => extensions.record_size_limit = Some(record_size_limit(data)?),
                ExtensionType::SESSION_TICKET => extensions.session_ticket = Some(data.rest()),
                ExtensionType::CONNECTION_ID => extensions.connection_id = Some(data.vector_u8()?),
                ExtensionType::RRC => extensions.rrc = true,
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
    /// The client's own value, if the server keeps to it (RFC 6066 section 4).
    pub max_fragment_length: Option<MaxFragmentLength>,
    /// Whether the server may send a CertificateStatus (RFC 6066 section 8).
    pub status_request: bool,
    /// How the server can read points (RFC 8422 section 5.2).
    pub ec_point_formats: Option<Vec<EcPointFormat>>,
    /// The SRTP profile the server has chosen: exactly one (RFC 5764 section 4.1.1).
    pub use_srtp: Option<UseSrtp<'a>>,
    /// The application protocol the server has chosen (RFC 7301 section 3.1).
    pub alpn: Option<&'a [u8]>,
    /// The form in which the client is to show its key (RFC 7250 section 4.2).
    pub client_certificate_type: Option<CertificateType>,
    /// The form in which the server shows its key (RFC 7250 section 4.2).
    pub server_certificate_type: Option<CertificateType>,
    /// Whether the master secret is bound to the handshake (RFC 7627 section 5.1).
    pub extended_master_secret: bool,
    /// The longest record plaintext that the server takes, in bytes, 64 at least (RFC 8449 section 4).
    pub record_size_limit: Option<u16>,
    /// Whether the server is going to send a NewSessionTicket (RFC 5077 section 3.2).
    pub session_ticket: bool,
    /// The connection ID that the server wants to receive, up to 255 bytes; nothing within `Some` if it wants none
    /// (RFC 9146 section 3).
    pub connection_id: Option<&'a [u8]>,
    /// Whether both ends may check paths (RFC 9853 section 3).
    pub rrc: bool,
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
            if let Some(length) = self.max_fragment_length {
                put_extension(out, ExtensionType::MAX_FRAGMENT_LENGTH, |out| out.push(length.0));
            }
            if self.status_request {
                put_extension(out, ExtensionType::STATUS_REQUEST, |_| {});
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
            if let Some(typ) = self.client_certificate_type {
                put_extension(out, ExtensionType::CLIENT_CERTIFICATE_TYPE, |out| out.push(typ.0));
            }
            if let Some(typ) = self.server_certificate_type {
                put_extension(out, ExtensionType::SERVER_CERTIFICATE_TYPE, |out| out.push(typ.0));
            }
            if self.extended_master_secret {
                put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| {});
            }
            if let Some(limit) = self.record_size_limit {
                put_extension(out, ExtensionType::RECORD_SIZE_LIMIT, |out| out.extend_from_slice(&limit.to_be_bytes()));
            }
            if self.session_ticket {
                put_extension(out, ExtensionType::SESSION_TICKET, |_| {});
            }
            if let Some(cid) = self.connection_id {
                put_extension(out, ExtensionType::CONNECTION_ID, |out| put_connection_id(out, cid));
            }
            if self.rrc {
                put_extension(out, ExtensionType::RRC, |_| {});
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
                ExtensionType::MAX_FRAGMENT_LENGTH => extensions.max_fragment_length = Some(max_fragment_length(data)?),
                ExtensionType::STATUS_REQUEST => extensions.status_request = true,
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
                ExtensionType::CLIENT_CERTIFICATE_TYPE => {
                    extensions.client_certificate_type = Some(CertificateType(data.u8()?));
                }
                ExtensionType::SERVER_CERTIFICATE_TYPE => {
                    extensions.server_certificate_type = Some(CertificateType(data.u8()?));
                }
                ExtensionType::EXTENDED_MASTER_SECRET => extensions.extended_master_secret = true,
                ExtensionType::RECORD_SIZE_LIMIT => extensions.record_size_limit = Some(record_size_limit(data)?),
                ExtensionType::SESSION_TICKET => extensions.session_ticket = true,
                ExtensionType::CONNECTION_ID => extensions.connection_id = Some(data.vector_u8()?),
                ExtensionType::RRC => extensions.rrc = true,
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

/// RFC 6066 section 4 has other values refused.
fn max_fragment_length(data: &mut Reader<'_>) -> Result<MaxFragmentLength, DecodeError> {
    let length = MaxFragmentLength(data.u8()?);
    if length.bytes().is_some() { Ok(length) } else { Err(DecodeError::ForbiddenValue) }
}

/// Reads a `CertificateStatusRequest` and returns whether it is about OCSP.
fn status_request(data: &mut Reader<'_>) -> Result<bool, DecodeError> {
    let is_ocsp = data.u8()? == STATUS_TYPE_OCSP;
    if is_ocsp {
        let mut responders = Reader::new(data.vector_u16()?);
        while !responders.is_empty() {
            if responders.vector_u16()?.is_empty() {
                return Err(DecodeError::VectorLength);
            }
        }
        data.vector_u16()?;
    } else {
        skip(data);
    }
    Ok(is_ocsp)
}

/// No responder is named, and nothing is asked of it.
fn put_status_request(out: &mut Vec<u8>) {
    out.push(STATUS_TYPE_OCSP);
    put_vector::<2>(out, |_| {});
    put_vector::<2>(out, |_| {});
}

fn certificate_types(data: &mut Reader<'_>) -> Result<Vec<CertificateType>, DecodeError> {
    let types = data.vector_u8()?;
    if types.is_empty() {
        return Err(DecodeError::VectorLength);
    }
    Ok(types.iter().copied().map(CertificateType).collect())
}

fn put_certificate_types(out: &mut Vec<u8>, types: &[CertificateType]) {
    put_vector::<1>(out, |out| out.extend(types.iter().map(|typ| typ.0)));
}

/// RFC 8449 section 4 has values below 64 refused.
fn record_size_limit(data: &mut Reader<'_>) -> Result<u16, DecodeError> {
    let limit = data.u16()?;
    if limit >= RECORD_SIZE_LIMIT_MIN { Ok(limit) } else { Err(DecodeError::ForbiddenValue) }
}

/// Less would not hold the shortest messages of a handshake.
pub(crate) const RECORD_SIZE_LIMIT_MIN: u16 = 64;

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

fn put_connection_id(out: &mut Vec<u8>, cid: &[u8]) {
    put_vector::<1>(out, |out| out.extend_from_slice(cid));
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

/// The only kind of certificate status that is used here (RFC 6066 section 8).
pub(super) const STATUS_TYPE_OCSP: u8 = 1;

#[cfg(test)]
mod tests;
