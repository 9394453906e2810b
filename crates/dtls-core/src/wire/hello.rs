//! The hellos: RFC 6347 section 4.2.1 for ClientHello and HelloVerifyRequest, RFC 5246 section 7.4.1.3 for
//! ServerHello.
//!
//! ```text
//!   ClientHello         version  random  session_id  cookie  cipher_suites        compression_methods  [extensions]
//!   HelloVerifyRequest  version                      cookie
//!   ServerHello         version  random  session_id          cipher_suite         compression_method   [extensions]
//! ```
//!
//! All of them are message bodies, without the fragment header.

use alloc::vec::Vec;
use core::fmt;

use super::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use super::enums::{CipherSuiteId, CompressionMethod, ProtocolVersion};
use super::extensions::{ClientExtensions, ServerExtensions, check_number_list, number_list, put_number_list};

/// What a client says first, and again with a cookie (RFC 6347 section 4.2.1).
///
/// Encoding expects what the decoder accepts: a session identifier of at most 32 bytes, a cookie of at most 255, and
/// at least one suite and one compression method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The highest version the client speaks: `client_version`.
    pub version: ProtocolVersion,
    /// The client's part of the randomness.
    pub random: Random,
    /// The session the client would like to resume, up to 32 bytes; empty for none.
    pub session_id: &'a [u8],
    /// The cookie of a HelloVerifyRequest, up to 255 bytes; empty in the first hello.
    pub cookie: &'a [u8],
    /// The suites the client can use, its favourite first, and signals among them. Never empty.
    pub cipher_suites: Vec<CipherSuiteId>,
    /// The compression methods the client can use. Never empty; that it contains the null one is not checked here.
    pub compression_methods: Vec<CompressionMethod>,
    /// What the client says beyond that.
    pub extensions: ClientExtensions<'a>,
}

impl Encode for ClientHello<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.0.to_be_bytes());
        out.extend_from_slice(&self.random.0);
        put_vector::<1>(out, |out| out.extend_from_slice(self.session_id));
        put_vector::<1>(out, |out| out.extend_from_slice(self.cookie));
        put_number_list(out, self.cipher_suites.iter().map(|suite| suite.0));
        put_vector::<1>(out, |out| out.extend(self.compression_methods.iter().map(|method| method.0)));
        self.extensions.encode(out);
    }
}

impl<'a> Decode<'a> for ClientHello<'a> {
    /// Reads a hello that ends where the reader does: only that tells whether there are extensions.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let prefix = ClientHelloPrefix::decode(reader)?;
        Ok(Self {
            version: prefix.version,
            random: Random(*prefix.random),
            session_id: prefix.session_id,
            cookie: prefix.cookie,
            cipher_suites: number_list(prefix.cipher_suites, CipherSuiteId)?,
            compression_methods: prefix.compression_methods.iter().copied().map(CompressionMethod).collect(),
            extensions: ClientExtensions::decode(reader)?,
        })
    }
}

/// The fields of a ClientHello in front of its extensions, borrowed as they stand on the wire.
///
/// This is what a cookie is made of. It can be read from the first fragment of a hello whose extensions come later,
/// and reading it allocates nothing, so that a source that has not yet shown its address costs no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHelloPrefix<'a> {
    /// See [`ClientHello::version`].
    pub version: ProtocolVersion,
    /// See [`ClientHello::random`].
    pub random: &'a [u8; 32],
    /// See [`ClientHello::session_id`].
    pub session_id: &'a [u8],
    /// See [`ClientHello::cookie`].
    pub cookie: &'a [u8],
    /// The content of the list: two bytes for each suite, at least one suite.
    pub cipher_suites: &'a [u8],
    /// The content of the list: one byte for each method, at least one method.
    pub compression_methods: &'a [u8],
}

impl<'a> ClientHelloPrefix<'a> {
    /// Reads the fields and leaves the reader in front of the extensions.
    ///
    /// Fails with [`DecodeError::Truncated`] if the reader ends before the last compression method.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let version = ProtocolVersion(reader.u16()?);
        let random = reader.array()?;
        let session_id = session_id(reader)?;
        let cookie = reader.vector_u8()?;
        let cipher_suites = reader.vector_u16()?;
        check_number_list(cipher_suites)?;
        let compression_methods = reader.vector_u8()?;
        if compression_methods.is_empty() {
            return Err(DecodeError::VectorLength);
        }
        Ok(Self { version, random, session_id, cookie, cipher_suites, compression_methods })
    }
}

/// What a server asks of a client that has not yet shown its address (RFC 6347 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloVerifyRequest<'a> {
    /// A version that decides nothing: servers put DTLS 1.0 here whatever they go on to speak.
    pub server_version: ProtocolVersion,
    /// What the client has to repeat, up to 255 bytes.
    pub cookie: &'a [u8],
}

impl Encode for HelloVerifyRequest<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.server_version.0.to_be_bytes());
        put_vector::<1>(out, |out| out.extend_from_slice(self.cookie));
    }
}

impl<'a> Decode<'a> for HelloVerifyRequest<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { server_version: ProtocolVersion(reader.u16()?), cookie: reader.vector_u8()? })
    }
}

/// What a server has chosen (RFC 5246 section 7.4.1.3).
///
/// Encoding expects what the decoder accepts: a session identifier of at most 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// The version both are going to speak: `server_version`.
    pub version: ProtocolVersion,
    /// The server's part of the randomness.
    pub random: Random,
    /// The session that begins or is resumed, up to 32 bytes; empty if it cannot be resumed.
    pub session_id: &'a [u8],
    /// The suite the server has chosen.
    pub cipher_suite: CipherSuiteId,
    /// The compression method the server has chosen.
    pub compression_method: CompressionMethod,
    /// What the server says beyond that.
    pub extensions: ServerExtensions<'a>,
}

impl Encode for ServerHello<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.0.to_be_bytes());
        out.extend_from_slice(&self.random.0);
        put_vector::<1>(out, |out| out.extend_from_slice(self.session_id));
        out.extend_from_slice(&self.cipher_suite.0.to_be_bytes());
        out.push(self.compression_method.0);
        self.extensions.encode(out);
    }
}

impl<'a> Decode<'a> for ServerHello<'a> {
    /// Reads a hello that ends where the reader does: only that tells whether there are extensions.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: ProtocolVersion(reader.u16()?),
            random: Random(*reader.array()?),
            session_id: session_id(reader)?,
            cipher_suite: CipherSuiteId(reader.u16()?),
            compression_method: CompressionMethod(reader.u8()?),
            extensions: ServerExtensions::decode(reader)?,
        })
    }
}

/// The 32 bytes that one side adds to the randomness of a handshake (RFC 5246 section 7.4.1.2). Not secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Random(pub [u8; 32]);

/// In hexadecimal.
impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads a `SessionID`.
fn session_id<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let session_id = reader.vector_u8()?;
    if session_id.len() > MAX_SESSION_ID { Err(DecodeError::VectorLength) } else { Ok(session_id) }
}

/// The longest session identifier, in bytes (RFC 5246 section 7.4.1.2).
const MAX_SESSION_ID: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::enums::{NamedGroup, SrtpProfile};
    use crate::wire::extensions::UseSrtp;
    use crate::wire::laws;
    use alloc::format;
    use alloc::vec;
    use proptest::collection::vec as vec_of;
    use proptest::option;
    use proptest::prelude::*;

    const RANDOM: Random = Random([0x5a; 32]);

    fn client_hello() -> ClientHello<'static> {
        ClientHello {
            version: ProtocolVersion::DTLS_1_2,
            random: RANDOM,
            session_id: &[1, 2, 3],
            cookie: &[4, 5],
            cipher_suites: vec![CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, CipherSuiteId(0x0a0a)],
            compression_methods: vec![CompressionMethod::NULL, CompressionMethod(1)],
            extensions: ClientExtensions::default(),
        }
    }

    fn server_hello() -> ServerHello<'static> {
        ServerHello {
            version: ProtocolVersion::DTLS_1_2,
            random: RANDOM,
            session_id: &[1, 2, 3],
            cipher_suite: CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            compression_method: CompressionMethod::NULL,
            extensions: ServerExtensions::default(),
        }
    }

    /// A ClientHello from the pieces behind its random.
    fn client_hello_with(behind_random: &[u8]) -> Vec<u8> {
        [&[0xfe, 0xfd][..], &RANDOM.0, behind_random].concat()
    }

    #[test]
    fn a_client_hello_has_the_layout_of_rfc_6347() {
        let expected = client_hello_with(&[3, 1, 2, 3, 2, 4, 5, 0, 4, 0xc0, 0x2b, 0x0a, 0x0a, 2, 0, 1]);
        assert_eq!(client_hello().to_vec(), expected);
        assert_eq!(ClientHello::decode_all(&expected), Ok(client_hello()));
    }

    #[test]
    fn a_server_hello_has_the_layout_of_rfc_5246() {
        let expected = client_hello_with(&[3, 1, 2, 3, 0xc0, 0x2b, 0]);
        assert_eq!(server_hello().to_vec(), expected);
        assert_eq!(ServerHello::decode_all(&expected), Ok(server_hello()));
    }

    #[test]
    fn hellos_cut_anywhere_or_followed_by_bytes_are_refused() {
        let extensions = ClientExtensions {
            server_name: Some(b"example.com"),
            supported_groups: Some(vec![NamedGroup::X25519]),
            use_srtp: Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM], mki: &[] }),
            ..Default::default()
        };
        // Cut in front of the extensions, a hello is a hello without extensions.
        let without = client_hello().to_vec().len();
        let hello = ClientHello { extensions, ..client_hello() }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&hello, &[without], |bytes| ClientHello::decode_all(bytes).map(drop));

        let extensions = ServerExtensions { alpn: Some(b"coap"), session_ticket: true, ..Default::default() };
        let without = server_hello().to_vec().len();
        let hello = ServerHello { extensions, ..server_hello() }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&hello, &[without], |bytes| ServerHello::decode_all(bytes).map(drop));

        let request = HelloVerifyRequest { server_version: ProtocolVersion::DTLS_1_0, cookie: &[7; 20] }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&request, &[], |bytes| {
            HelloVerifyRequest::decode_all(bytes).map(drop)
        });
    }

    #[test]
    fn hellos_without_extensions_encode_to_the_bytes_they_were_read_from() {
        laws::accepted_bytes_are_kept(&client_hello().to_vec(), |bytes| Ok(ClientHello::decode_all(bytes)?.to_vec()));
        laws::accepted_bytes_are_kept(&server_hello().to_vec(), |bytes| Ok(ServerHello::decode_all(bytes)?.to_vec()));
        let request = HelloVerifyRequest { server_version: ProtocolVersion::DTLS_1_0, cookie: &[7; 3] }.to_vec();
        laws::accepted_bytes_are_kept(&request, |bytes| Ok(HelloVerifyRequest::decode_all(bytes)?.to_vec()));
    }

    #[test]
    fn a_session_id_has_32_bytes_at_most() {
        for len in [0, 32] {
            let session_id = vec![7; len];
            let hello = ClientHello { session_id: &session_id, ..client_hello() };
            assert_eq!(ClientHello::decode_all(&hello.to_vec()), Ok(hello));
            let hello = ServerHello { session_id: &session_id, ..server_hello() };
            assert_eq!(ServerHello::decode_all(&hello.to_vec()), Ok(hello));
        }
        for len in [33, 255] {
            let session_id = vec![7; len];
            let hello = ClientHello { session_id: &session_id, ..client_hello() }.to_vec();
            assert_eq!(ClientHello::decode_all(&hello), Err(DecodeError::VectorLength), "{len} bytes");
            assert_eq!(ClientHelloPrefix::decode(&mut Reader::new(&hello)), Err(DecodeError::VectorLength));
            let hello = ServerHello { session_id: &session_id, ..server_hello() }.to_vec();
            assert_eq!(ServerHello::decode_all(&hello), Err(DecodeError::VectorLength), "{len} bytes");
        }
    }

    #[test]
    fn malformed_fields_of_a_client_hello_are_refused() {
        let cases: [(&str, &[u8], DecodeError); 10] = [
            ("session_id past the message", &[32, 1, 2], DecodeError::Truncated),
            ("cookie past the message", &[0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], DecodeError::Truncated),
            ("no suite", &[0, 0, 0, 0, 1, 0], DecodeError::VectorLength),
            ("half a suite", &[0, 0, 0, 1, 0xc0, 1, 0], DecodeError::VectorLength),
            ("one and a half suites", &[0, 0, 0, 3, 0xc0, 0x2b, 0xc0, 1, 0], DecodeError::VectorLength),
            ("suites past the message", &[0, 0, 0xff, 0xff, 0xc0, 0x2b, 1, 0], DecodeError::Truncated),
            ("no compression method", &[0, 0, 0, 2, 0xc0, 0x2b, 0], DecodeError::VectorLength),
            ("compression methods past the message", &[0, 0, 0, 2, 0xc0, 0x2b, 2, 0], DecodeError::Truncated),
            ("one byte of extensions", &[0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0], DecodeError::Truncated),
            ("bytes behind the extensions", &[0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 0, 0], DecodeError::TrailingBytes),
        ];
        for (name, behind_random, fault) in cases {
            let bytes = client_hello_with(behind_random);
            assert_eq!(ClientHello::decode_all(&bytes), Err(fault), "{name}");
            if !name.contains("extensions") {
                assert_eq!(ClientHelloPrefix::decode(&mut Reader::new(&bytes)), Err(fault), "prefix with {name}");
            }
        }
    }

    #[test]
    fn the_longest_lists_are_read() {
        let hello = ClientHello {
            cipher_suites: vec![CipherSuiteId(0x0a0a); 32_767],
            compression_methods: (0..255).map(CompressionMethod).collect(),
            ..client_hello()
        };
        assert_eq!(ClientHello::decode_all(&hello.to_vec()), Ok(hello));
    }

    #[test]
    fn a_prefix_is_read_from_a_hello_that_ends_within_its_extensions() {
        let extensions = ClientExtensions { server_name: Some(b"example.com"), ..Default::default() };
        let without = client_hello().to_vec().len();
        let hello = ClientHello { extensions, ..client_hello() }.to_vec();
        for len in 0..=hello.len() {
            let mut reader = Reader::new(&hello[..len]);
            let prefix = ClientHelloPrefix::decode(&mut reader);
            if len < without {
                assert_eq!(prefix, Err(DecodeError::Truncated), "{len} bytes");
            } else {
                let expected = ClientHelloPrefix {
                    version: ProtocolVersion::DTLS_1_2,
                    random: &RANDOM.0,
                    session_id: &[1, 2, 3],
                    cookie: &[4, 5],
                    cipher_suites: &[0xc0, 0x2b, 0x0a, 0x0a],
                    compression_methods: &[0, 1],
                };
                assert_eq!(prefix, Ok(expected), "{len} bytes");
                assert_eq!(reader.remaining(), len - without);
            }
        }
    }

    #[test]
    fn a_cookie_of_every_length_is_read() {
        for len in 0..=255 {
            let cookie = vec![7; len];
            for server_version in [ProtocolVersion::DTLS_1_0, ProtocolVersion::DTLS_1_2, ProtocolVersion(0x0303)] {
                let request = HelloVerifyRequest { server_version, cookie: &cookie };
                assert_eq!(HelloVerifyRequest::decode_all(&request.to_vec()), Ok(request));
            }
            let hello = ClientHello { cookie: &cookie, ..client_hello() };
            assert_eq!(ClientHello::decode_all(&hello.to_vec()), Ok(hello));
        }
    }

    #[test]
    fn a_cookie_past_its_hello_verify_request_is_refused() {
        assert_eq!(HelloVerifyRequest::decode_all(&[0xfe, 0xff]), Err(DecodeError::Truncated));
        assert_eq!(HelloVerifyRequest::decode_all(&[0xfe, 0xff, 255, 1, 2]), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_random_is_printed_in_hexadecimal() {
        assert_eq!(format!("{RANDOM:?}"), "5a".repeat(32));
        assert_eq!(format!("{:?}", Random([0x0a; 32])), "0a".repeat(32));
    }

    proptest! {
        #[test]
        fn client_hellos_survive_encoding_and_decoding(
            version: u16,
            random: [u8; 32],
            session_id in vec_of(any::<u8>(), 0..=32),
            cookie in vec_of(any::<u8>(), 0..=255),
            cipher_suites in vec_of(any::<u16>().prop_map(CipherSuiteId), 1..20),
            compression_methods in vec_of(any::<u8>().prop_map(CompressionMethod), 1..4),
            server_name in option::of(vec_of(any::<u8>(), 1..40)),
            extended_master_secret: bool,
        ) {
            let server_name = server_name.as_deref();
            let hello = ClientHello {
                version: ProtocolVersion(version),
                random: Random(random),
                session_id: &session_id,
                cookie: &cookie,
                cipher_suites,
                compression_methods,
                extensions: ClientExtensions { server_name, extended_master_secret, ..Default::default() },
            };
            let bytes = hello.to_vec();
            let decoded = ClientHello::decode_all(&bytes).unwrap();
            prop_assert_eq!(decoded.to_vec(), &bytes[..]);
            prop_assert_eq!(decoded, hello);
        }

        #[test]
        fn server_hellos_survive_encoding_and_decoding(
            version: u16,
            random: [u8; 32],
            session_id in vec_of(any::<u8>(), 0..=32),
            cipher_suite: u16,
            compression_method: u8,
            alpn in option::of(vec_of(any::<u8>(), 1..=255)),
            extended_master_secret: bool,
        ) {
            let alpn = alpn.as_deref();
            let hello = ServerHello {
                version: ProtocolVersion(version),
                random: Random(random),
                session_id: &session_id,
                cipher_suite: CipherSuiteId(cipher_suite),
                compression_method: CompressionMethod(compression_method),
                extensions: ServerExtensions { alpn, extended_master_secret, ..Default::default() },
            };
            let bytes = hello.to_vec();
            let decoded = ServerHello::decode_all(&bytes).unwrap();
            prop_assert_eq!(decoded.to_vec(), &bytes[..]);
            prop_assert_eq!(decoded, hello);
        }

        #[test]
        fn hello_verify_requests_survive_encoding_and_decoding(
            server_version: u16, cookie in vec_of(any::<u8>(), 0..=255),
        ) {
            let request = HelloVerifyRequest { server_version: ProtocolVersion(server_version), cookie: &cookie };
            let bytes = request.to_vec();
            prop_assert_eq!(HelloVerifyRequest::decode_all(&bytes), Ok(request));
        }
    }
}
