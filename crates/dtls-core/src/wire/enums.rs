//! The numbers of the IANA registries that this engine reads or writes.
//!
//! Each is a newtype with named constants and not an `enum`: a peer may send any value, and one that has no name
//! here must survive decoding, comparison and printing.

use core::fmt;

/// Declares a newtype over an unsigned number with named constants, the names being those of the registry.
macro_rules! registry {
    ($(#[$doc:meta])* $name:ident($number:ty) { $($(#[$constant_doc:meta])* $constant:ident = $value:literal $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $number);

        impl $name {
            $($(#[$constant_doc])* pub const $constant: Self = Self($value);)+

            /// The registry's name of this value, if this engine knows it.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($text),)+
                    _ => None,
                }
            }

            /// The value with this name in the registry, if this engine knows it.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$constant),)+
                    _ => None,
                }
            }
        }

        /// The registry's name, or `unknown(0x..)`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "unknown({:#x})", self.0),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

registry! {
    /// What a record carries (RFC 5246 section 6.2.1).
    ContentType(u8) {
        /// RFC 5246 section 7.1.
        CHANGE_CIPHER_SPEC = 20 "change_cipher_spec",
        /// RFC 5246 section 7.2.
        ALERT = 21 "alert",
        /// RFC 5246 section 7.4.
        HANDSHAKE = 22 "handshake",
        /// RFC 5246 section 10.
        APPLICATION_DATA = 23 "application_data",
        /// RFC 9146 section 4: what it carries is said inside.
        TLS12_CID = 25 "tls12_cid",
        /// RFC 9853 section 4.
        RETURN_ROUTABILITY_CHECK = 27 "return_routability_check",
    }
}

registry! {
    /// What a message of a return routability check says (RFC 9853 section 4).
    RrcMessageType(u8) {
        /// Whoever receives this is to send its cookie back.
        PATH_CHALLENGE = 0 "path_challenge",
        /// It was received where it was expected.
        PATH_RESPONSE = 1 "path_response",
        /// It was received on a path that the sender has left.
        PATH_DROP = 2 "path_drop",
    }
}

registry! {
    /// A protocol version as it stands on the wire: the one's complement of the number of the TLS version that it follows
    /// (RFC 6347 section 4.1 with erratum 4642).
    ProtocolVersion(u16) {
        /// DTLS 1.0: seen in records of hellos, never negotiated.
        DTLS_1_0 = 0xfeff "DTLSv1.0",
        /// DTLS 1.2.
        DTLS_1_2 = 0xfefd "DTLSv1.2",
    }
}

registry! {
    /// Which handshake message it is (RFC 5246 section 7.4, RFC 6347 section 4.3.2).
    HandshakeType(u8) {
        /// RFC 5246 section 7.4.1.1.
        HELLO_REQUEST = 0 "HelloRequest",
        /// RFC 6347 section 4.2.1.
        CLIENT_HELLO = 1 "ClientHello",
        /// RFC 5246 section 7.4.1.3.
        SERVER_HELLO = 2 "ServerHello",
        /// RFC 6347 section 4.2.1.
        HELLO_VERIFY_REQUEST = 3 "HelloVerifyRequest",
        /// RFC 5077 section 3.3.
        NEW_SESSION_TICKET = 4 "NewSessionTicket",
        /// RFC 5246 sections 7.4.2 and 7.4.6.
        CERTIFICATE = 11 "Certificate",
        /// RFC 5246 section 7.4.3.
        SERVER_KEY_EXCHANGE = 12 "ServerKeyExchange",
        /// RFC 5246 section 7.4.4.
        CERTIFICATE_REQUEST = 13 "CertificateRequest",
        /// RFC 5246 section 7.4.5.
        SERVER_HELLO_DONE = 14 "ServerHelloDone",
        /// RFC 5246 section 7.4.8.
        CERTIFICATE_VERIFY = 15 "CertificateVerify",
        /// RFC 5246 section 7.4.7.
        CLIENT_KEY_EXCHANGE = 16 "ClientKeyExchange",
        /// RFC 5246 section 7.4.9.
        FINISHED = 20 "Finished",
        /// RFC 6066 section 8.
        CERTIFICATE_STATUS = 22 "CertificateStatus",
    }
}

registry! {
    /// How bad an alert is (RFC 5246 section 7.2).
    AlertLevel(u8) {
        /// The connection may go on.
        WARNING = 1 "warning",
        /// The connection is over.
        FATAL = 2 "fatal",
    }
}

registry! {
    /// What an alert says (RFC 5246 section 7.2 and the IANA registry "TLS Alerts").
    AlertDescription(u8) {
        /// RFC 5246 section 7.2.1.
        CLOSE_NOTIFY = 0 "close_notify",
        /// RFC 5246 section 7.2.2.
        UNEXPECTED_MESSAGE = 10 "unexpected_message",
        /// RFC 5246 section 7.2.2.
        BAD_RECORD_MAC = 20 "bad_record_mac",
        /// RFC 5246 section 7.2.2.
        RECORD_OVERFLOW = 22 "record_overflow",
        /// RFC 5246 section 7.2.2.
        HANDSHAKE_FAILURE = 40 "handshake_failure",
        /// RFC 5246 section 7.2.2.
        BAD_CERTIFICATE = 42 "bad_certificate",
        /// RFC 5246 section 7.2.2.
        UNSUPPORTED_CERTIFICATE = 43 "unsupported_certificate",
        /// RFC 5246 section 7.2.2.
        CERTIFICATE_REVOKED = 44 "certificate_revoked",
        /// RFC 5246 section 7.2.2.
        CERTIFICATE_EXPIRED = 45 "certificate_expired",
        /// RFC 5246 section 7.2.2.
        CERTIFICATE_UNKNOWN = 46 "certificate_unknown",
        /// RFC 5246 section 7.2.2.
        ILLEGAL_PARAMETER = 47 "illegal_parameter",
        /// RFC 5246 section 7.2.2.
        UNKNOWN_CA = 48 "unknown_ca",
        /// RFC 5246 section 7.2.2.
        ACCESS_DENIED = 49 "access_denied",
        /// RFC 5246 section 7.2.2.
        DECODE_ERROR = 50 "decode_error",
        /// RFC 5246 section 7.2.2.
        DECRYPT_ERROR = 51 "decrypt_error",
        /// RFC 5246 section 7.2.2.
        PROTOCOL_VERSION = 70 "protocol_version",
        /// RFC 5246 section 7.2.2.
        INSUFFICIENT_SECURITY = 71 "insufficient_security",
        /// RFC 5246 section 7.2.2.
        INTERNAL_ERROR = 80 "internal_error",
        /// RFC 7507.
        INAPPROPRIATE_FALLBACK = 86 "inappropriate_fallback",
        /// RFC 5246 section 7.2.2.
        USER_CANCELED = 90 "user_canceled",
        /// RFC 5246 section 7.2.2.
        NO_RENEGOTIATION = 100 "no_renegotiation",
        /// RFC 5246 section 7.2.2.
        UNSUPPORTED_EXTENSION = 110 "unsupported_extension",
        /// RFC 6066 section 3.
        UNRECOGNIZED_NAME = 112 "unrecognized_name",
        /// RFC 6066 section 8.
        BAD_CERTIFICATE_STATUS_RESPONSE = 113 "bad_certificate_status_response",
        /// RFC 4279 section 6.
        UNKNOWN_PSK_IDENTITY = 115 "unknown_psk_identity",
        /// RFC 7301 section 3.2.
        NO_APPLICATION_PROTOCOL = 120 "no_application_protocol",
    }
}

registry! {
    /// A cipher suite, or a signal that stands in its place (RFC 5246 appendix A.5).
    CipherSuiteId(u16) {
        /// RFC 5746 section 3.3: not a suite, says "I know secure renegotiation".
        TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00ff "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
        /// RFC 7507: not a suite, says "I would have offered a higher version".
        TLS_FALLBACK_SCSV = 0x5600 "TLS_FALLBACK_SCSV",
        /// RFC 5487.
        TLS_PSK_WITH_AES_128_GCM_SHA256 = 0x00a8 "TLS_PSK_WITH_AES_128_GCM_SHA256",
        /// RFC 5487.
        TLS_PSK_WITH_AES_256_GCM_SHA384 = 0x00a9 "TLS_PSK_WITH_AES_256_GCM_SHA384",
        /// RFC 6655.
        TLS_PSK_WITH_AES_128_CCM = 0xc0a4 "TLS_PSK_WITH_AES_128_CCM",
        /// RFC 6655.
        TLS_PSK_WITH_AES_256_CCM = 0xc0a5 "TLS_PSK_WITH_AES_256_CCM",
        /// RFC 6655.
        TLS_PSK_WITH_AES_128_CCM_8 = 0xc0a8 "TLS_PSK_WITH_AES_128_CCM_8",
        /// RFC 6655.
        TLS_PSK_WITH_AES_256_CCM_8 = 0xc0a9 "TLS_PSK_WITH_AES_256_CCM_8",
        /// RFC 7905.
        TLS_PSK_WITH_CHACHA20_POLY1305_SHA256 = 0xccab "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
        /// RFC 7905.
        TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 = 0xccac "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
        /// RFC 8442.
        TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 = 0xd001 "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
        /// RFC 8442.
        TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384 = 0xd002 "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384",
        /// RFC 8442.
        TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256 = 0xd003 "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256",
        /// RFC 8442.
        TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256 = 0xd005 "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256",
        /// RFC 5289.
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xc02b "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        /// RFC 5289.
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xc02c "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        /// RFC 5289.
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xc02f "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        /// RFC 5289.
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xc030 "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        /// RFC 7251.
        TLS_ECDHE_ECDSA_WITH_AES_128_CCM = 0xc0ac "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
        /// RFC 7251.
        TLS_ECDHE_ECDSA_WITH_AES_256_CCM = 0xc0ad "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
        /// RFC 7251.
        TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 = 0xc0ae "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        /// RFC 7251.
        TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8 = 0xc0af "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
        /// RFC 7905.
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xcca8 "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        /// RFC 7905.
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xcca9 "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    }
}

registry! {
    /// In which form a public key is shown (IANA registry "TLS Certificate Types").
    CertificateType(u8) {
        /// RFC 5246 section 7.4.2: a chain of certificates.
        X509 = 0 "X.509",
        /// RFC 7250: the key alone.
        RAW_PUBLIC_KEY = 2 "RawPublicKey",
    }
}

registry! {
    /// A compression method (RFC 5246 section 7.4.1.2). Only the null one is ever used.
    CompressionMethod(u8) {
        /// No compression.
        NULL = 0 "null",
    }
}

registry! {
    /// An extension of a hello (IANA registry "TLS ExtensionType Values").
    ExtensionType(u16) {
        /// RFC 6066 section 3.
        SERVER_NAME = 0 "server_name",
        /// RFC 6066 section 4.
        MAX_FRAGMENT_LENGTH = 1 "max_fragment_length",
        /// RFC 6066 section 8.
        STATUS_REQUEST = 5 "status_request",
        /// RFC 8422 section 5.1.1.
        SUPPORTED_GROUPS = 10 "supported_groups",
        /// RFC 8422 section 5.1.2.
        EC_POINT_FORMATS = 11 "ec_point_formats",
        /// RFC 5246 section 7.4.1.4.1.
        SIGNATURE_ALGORITHMS = 13 "signature_algorithms",
        /// RFC 5764 section 4.1.
        USE_SRTP = 14 "use_srtp",
        /// RFC 7301 section 3.1.
        ALPN = 16 "application_layer_protocol_negotiation",
        /// RFC 7250 section 3.
        CLIENT_CERTIFICATE_TYPE = 19 "client_certificate_type",
        /// RFC 7250 section 3.
        SERVER_CERTIFICATE_TYPE = 20 "server_certificate_type",
        /// RFC 7366: known only to be refused, no suite here has a MAC of its own.
        ENCRYPT_THEN_MAC = 22 "encrypt_then_mac",
        /// RFC 7627 section 5.1.
        EXTENDED_MASTER_SECRET = 23 "extended_master_secret",
        /// RFC 8449 section 4.
        RECORD_SIZE_LIMIT = 28 "record_size_limit",
        /// RFC 5077 section 3.2.
        SESSION_TICKET = 35 "session_ticket",
        /// RFC 9146 section 3.
        CONNECTION_ID = 54 "connection_id",
        /// RFC 9853 section 3.
        RRC = 61 "rrc",
        /// RFC 5746 section 3.2.
        RENEGOTIATION_INFO = 0xff01 "renegotiation_info",
    }
}

registry! {
    /// The longest plaintext of a record that a client asks for (RFC 6066 section 4).
    MaxFragmentLength(u8) {
        /// 512 bytes.
        BYTES_512 = 1 "512",
        /// 1024 bytes.
        BYTES_1024 = 2 "1024",
        /// 2048 bytes.
        BYTES_2048 = 3 "2048",
        /// 4096 bytes.
        BYTES_4096 = 4 "4096",
    }
}

impl MaxFragmentLength {
    /// How many bytes it stands for; `None` if it is not one of the four.
    #[must_use]
    pub const fn bytes(self) -> Option<u16> {
        match self {
            Self::BYTES_512 | Self::BYTES_1024 | Self::BYTES_2048 | Self::BYTES_4096 => Some(256 << self.0),
            _ => None,
        }
    }
}

registry! {
    /// A group for ephemeral key exchange (RFC 8422 section 5.1.1).
    NamedGroup(u16) {
        /// NIST P-256.
        SECP256R1 = 23 "secp256r1",
        /// NIST P-384.
        SECP384R1 = 24 "secp384r1",
        /// NIST P-521. No provider here computes with it.
        SECP521R1 = 25 "secp521r1",
        /// RFC 7748.
        X25519 = 29 "x25519",
    }
}

registry! {
    /// How an elliptic curve point is written (RFC 8422 section 5.1.2).
    EcPointFormat(u8) {
        /// The only one that is still allowed.
        UNCOMPRESSED = 0 "uncompressed",
    }
}

registry! {
    /// How the group of a ServerKeyExchange is given (RFC 8422 section 5.4).
    EcCurveType(u8) {
        /// By its number. The only one that is still allowed.
        NAMED_CURVE = 3 "named_curve",
    }
}

registry! {
    /// A signature with its hash: the pair of RFC 5246 section 7.4.1.4.1 read as one number, named as in the IANA
    /// registry "TLS SignatureScheme". In DTLS 1.2 the curve in a name says nothing, only the hash counts
    /// (RFC 8422 section 5.10).
    SignatureScheme(u16) {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        RSA_PKCS1_SHA256 = 0x0401 "rsa_pkcs1_sha256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        RSA_PKCS1_SHA384 = 0x0501 "rsa_pkcs1_sha384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        RSA_PKCS1_SHA512 = 0x0601 "rsa_pkcs1_sha512",
        /// ECDSA with SHA-256.
        ECDSA_SECP256R1_SHA256 = 0x0403 "ecdsa_secp256r1_sha256",
        /// ECDSA with SHA-384.
        ECDSA_SECP384R1_SHA384 = 0x0503 "ecdsa_secp384r1_sha384",
        /// RSASSA-PSS with SHA-256 and a key that says rsaEncryption.
        RSA_PSS_RSAE_SHA256 = 0x0804 "rsa_pss_rsae_sha256",
        /// RSASSA-PSS with SHA-384 and a key that says rsaEncryption.
        RSA_PSS_RSAE_SHA384 = 0x0805 "rsa_pss_rsae_sha384",
        /// RSASSA-PSS with SHA-512 and a key that says rsaEncryption.
        RSA_PSS_RSAE_SHA512 = 0x0806 "rsa_pss_rsae_sha512",
        /// Ed25519.
        ED25519 = 0x0807 "ed25519",
    }
}

registry! {
    /// What kind of key a client certificate may hold (RFC 5246 section 7.4.4, RFC 8422 section 5.5).
    ClientCertificateType(u8) {
        /// An RSA key that signs.
        RSA_SIGN = 1 "rsa_sign",
        /// An ECDSA or EdDSA key.
        ECDSA_SIGN = 64 "ecdsa_sign",
    }
}

registry! {
    /// A protection profile of SRTP (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
    SrtpProfile(u16) {
        /// RFC 5764.
        AES128_CM_HMAC_SHA1_80 = 0x0001 "SRTP_AES128_CM_HMAC_SHA1_80",
        /// RFC 5764.
        AES128_CM_HMAC_SHA1_32 = 0x0002 "SRTP_AES128_CM_HMAC_SHA1_32",
        /// RFC 7714.
        AEAD_AES_128_GCM = 0x0007 "SRTP_AEAD_AES_128_GCM",
        /// RFC 7714.
        AEAD_AES_256_GCM = 0x0008 "SRTP_AEAD_AES_256_GCM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn unknown_values_keep_their_number() {
        assert_eq!(CipherSuiteId(0x0a0a).to_string(), "unknown(0xa0a)");
        assert_eq!(CipherSuiteId(0x0a0a).name(), None);
        assert_eq!(CipherSuiteId::from_name("TLS_RSA_WITH_NULL_MD5"), None);
    }

    #[test]
    fn names_lead_back_to_their_values() {
        assert_eq!(NamedGroup::from_name("x25519"), Some(NamedGroup::X25519));
        assert_eq!(NamedGroup::X25519.to_string(), "x25519");
        assert_eq!(AlertDescription::from_name("unknown_ca"), Some(AlertDescription::UNKNOWN_CA));
    }
}
