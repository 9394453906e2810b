//! What we read out of certificates ourselves: RFC 5280 section 4.1.
//!
//! ```text
//!   Certificate        SEQUENCE { TBSCertificate, signature algorithm, signature }
//!   TBSCertificate     SEQUENCE { [0] version?, serial number, signature algorithm, issuer, validity, subject,
//!                                 SubjectPublicKeyInfo, [1] issuer id?, [2] subject id?, [3] extensions? }
//! ```
//!
//! The outline is walked here, value by value, and only what is asked for is looked into, with `x509-cert`. So X.509
//! v1, negative or long serial numbers and oddities in fields nobody asked about, all of which real devices have, do
//! not stand in the way of a fingerprint or a pinned certificate. None of this decides trust.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::{Ipv4Addr, Ipv6Addr};

use rustls_pki_types::{SubjectPublicKeyInfoDer, alg_id};
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode, Encode as _, Reader, SliceReader, Tag};
use x509_cert::name::Name;
use x509_cert::time::Time;

use crate::wire::enums::NamedGroup;

/// A public key as it stands in a certificate (RFC 5280 section 4.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectPublicKey<'a> {
    /// The content of the `AlgorithmIdentifier`: comparable with `rustls_pki_types::alg_id`.
    pub algorithm_id: &'a [u8],
    /// The content of the bit string: a point, an `RSAPublicKey` or 32 bytes of Ed25519.
    pub key: &'a [u8],
}

impl<'a> SubjectPublicKey<'a> {
    /// Reads a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn read(info: &'a [u8]) -> Result<Self, UnreadableCertificate> {
        let mut file = SliceReader::new(info)?;
        let key = Outline::read_public_key(content(&mut file, SEQUENCE)?)?;
        file.finish()?;
        Ok(key)
    }

    /// Writes it as a `SubjectPublicKeyInfo` in DER; `None` if it is longer than DER can say.
    pub(super) fn write(&self) -> Option<SubjectPublicKeyInfoDer<'static>> {
        let value = |tag, content: &[u8]| AnyRef::new(tag, content).and_then(|value| value.to_der()).ok();
        let algorithm = value(Tag::Sequence, self.algorithm_id)?;
        let key = value(Tag::BitString, &[&[0], self.key].concat())?;
        value(Tag::Sequence, &[algorithm, key].concat()).map(SubjectPublicKeyInfoDer::from)
    }

    /// The curve of an ECDSA key, which the peer must support (RFC 8422 section 5.3); `None` for all other kinds, whose
    /// use the signature algorithms settle alone.
    #[must_use]
    pub fn curve(&self) -> Option<NamedGroup> {
        let curves = [
            (alg_id::ECDSA_P256, NamedGroup::SECP256R1),
            (alg_id::ECDSA_P384, NamedGroup::SECP384R1),
            (alg_id::ECDSA_P521, NamedGroup::SECP521R1),
        ];
        curves.into_iter().find(|(id, _)| id.as_ref() == self.algorithm_id).map(|(_, curve)| curve)
    }
}

/// Reads the public key of the certificate `cert`, any version of X.509, in DER.
///
/// # Errors
///
/// If `cert` is not a certificate as far as its public key.
pub fn subject_public_key(cert: &[u8]) -> Result<SubjectPublicKey<'_>, UnreadableCertificate> {
    Outline::read(cert).map(|outline| outline.public_key)
}

/// Who issued the certificate `cert`: a complete DER `Name`.
pub(crate) fn issuer(cert: &[u8]) -> Option<&[u8]> {
    Outline::read(cert).ok().map(|outline| outline.issuer)
}

/// What a person wants to know about a certificate. None of it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateSummary {
    /// Whose certificate it is, in the form of RFC 4514, `CN=localhost` say.
    pub subject: String,
    /// Who made it, in the same form.
    pub issuer: String,
    /// The serial number: big-endian, two's complement, as long as the issuer liked.
    pub serial: Vec<u8>,
    /// The alternative names, in their order: `DNS:localhost`, `IP:192.0.2.1`, `email:..`, `URI:..`; other kinds are
    /// left out.
    pub subject_alt_names: Vec<String>,
    /// The first second it is valid, since 1970; 0 for any moment before.
    pub not_before: u64,
    /// The last second it is valid, since 1970; 0 for any moment before.
    pub not_after: u64,
    /// What kind of key it holds.
    pub key: PublicKeyKind,
}

impl CertificateSummary {
    /// Reads the certificate `cert`, any version of X.509, in DER.
    ///
    /// Text in it comes from whoever made it: control characters are escaped, so that it can be printed.
    ///
    /// # Errors
    ///
    /// If `cert` is not a certificate.
    pub fn read(cert: &[u8]) -> Result<Self, UnreadableCertificate> {
        let outline = Outline::read(cert)?;
        let (not_before, not_after) = outline.validity()?;
        Ok(Self {
            subject: name_text(outline.subject),
            issuer: name_text(outline.issuer),
            serial: outline.serial.to_vec(),
            subject_alt_names: outline.extension(SUBJECT_ALT_NAME)?.map(alt_names).unwrap_or_default(),
            not_before,
            not_after,
            key: PublicKeyKind::of(outline.public_key),
        })
    }
}

/// What kind of key a certificate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// A point on P-256.
    EcdsaP256,
    /// A point on P-384.
    EcdsaP384,
    /// A point on P-521. No provider here verifies with it.
    EcdsaP521,
    /// RFC 8410.
    Ed25519,
    /// `rsaEncryption` with a modulus of so many bits.
    Rsa(usize),
    /// Anything else: the algorithm's object identifier in dotted form.
    Other(String),
}

impl PublicKeyKind {
    fn of(public_key: SubjectPublicKey<'_>) -> Self {
        let known = [
            (alg_id::ECDSA_P256, Self::EcdsaP256),
            (alg_id::ECDSA_P384, Self::EcdsaP384),
            (alg_id::ECDSA_P521, Self::EcdsaP521),
            (alg_id::ED25519, Self::Ed25519),
        ];
        if let Some((_, kind)) = known.into_iter().find(|(id, _)| id.as_ref() == public_key.algorithm_id) {
            return kind;
        }
        if alg_id::RSA_ENCRYPTION.as_ref() == public_key.algorithm_id {
            return Self::Rsa(modulus_bits(public_key.key).unwrap_or(0));
        }
        match first_oid(public_key.algorithm_id) {
            Ok(oid) => Self::Other(oid.to_string()),
            Err(UnreadableCertificate) => Self::Other(String::from("unreadable")),
        }
    }
}

impl fmt::Display for PublicKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::EcdsaP521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Other(oid) => f.write_str(oid),
        }
    }
}

/// A digest as SDP writes it (RFC 8122 section 5): upper-case hexadecimal with colons, without the hash's name.
#[must_use]
pub fn fingerprint_text(digest: &[u8]) -> String {
    let mut text = String::with_capacity(digest.len().saturating_mul(3));
    for (i, byte) in digest.iter().enumerate() {
        let colon = if i == 0 { "" } else { ":" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

/// Bytes that should be a certificate, or a public key, are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableCertificate;

impl fmt::Display for UnreadableCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an X.509 certificate in DER; if it begins with \"-----BEGIN\", decode the PEM first")
    }
}

impl core::error::Error for UnreadableCertificate {}

impl From<x509_cert::der::Error> for UnreadableCertificate {
    fn from(_: x509_cert::der::Error) -> Self {
        Self
    }
}

/// The fields of a certificate, found and not looked into.
pub(super) struct Outline<'a> {
    serial: &'a [u8],
    /// A complete SEQUENCE.
    issuer: &'a [u8],
    /// The two times.
    validity: &'a [u8],
    /// A complete SEQUENCE.
    subject: &'a [u8],
    public_key: SubjectPublicKey<'a>,
    /// The extensions one behind the other.
    extensions: &'a [u8],
}

impl<'a> Outline<'a> {
    pub(super) fn read(cert: &'a [u8]) -> Result<Self, UnreadableCertificate> {
        let mut file = SliceReader::new(cert)?;
        let mut certificate = SliceReader::new(content(&mut file, SEQUENCE)?)?;
        file.finish()?;

        let mut tbs = SliceReader::new(content(&mut certificate, SEQUENCE)?)?;
        content(&mut certificate, SEQUENCE)?;
        content(&mut certificate, BIT_STRING)?;
        certificate.finish()?;

        // The version is left out in v1.
        optional(&mut tbs, CONTEXT_0)?;
        let serial = content(&mut tbs, INTEGER)?;
        content(&mut tbs, SEQUENCE)?;
        let issuer = whole(&mut tbs, SEQUENCE)?;
        let validity = content(&mut tbs, SEQUENCE)?;
        let subject = whole(&mut tbs, SEQUENCE)?;
        let public_key = Self::read_public_key(content(&mut tbs, SEQUENCE)?)?;
        optional(&mut tbs, CONTEXT_1)?;
        optional(&mut tbs, CONTEXT_2)?;
        let extensions = match optional(&mut tbs, CONTEXT_3)? {
            Some(wrapped) => content(&mut SliceReader::new(wrapped)?, SEQUENCE)?,
            None => &[],
        };
        tbs.finish()?;
        Ok(Self { serial, issuer, validity, subject, public_key, extensions })
    }

    fn read_public_key(info: &'a [u8]) -> Result<SubjectPublicKey<'a>, UnreadableCertificate> {
        let mut info = SliceReader::new(info)?;
        let algorithm_id = content(&mut info, SEQUENCE)?;
        // The first byte of a bit string says how many bits of the last one do not count.
        let Some((0, key)) = content(&mut info, BIT_STRING)?.split_first() else { return Err(UnreadableCertificate) };
        info.finish()?;
        Ok(SubjectPublicKey { algorithm_id, key })
    }

    /// The first and the last second it is valid, since 1970.
    pub(super) fn validity(&self) -> Result<(u64, u64), UnreadableCertificate> {
        let mut times = SliceReader::new(self.validity)?;
        let (not_before, not_after) = (seconds(&mut times)?, seconds(&mut times)?);
        times.finish()?;
        Ok((not_before, not_after))
    }

    /// The content of the extension with this object identifier.
    ///
    /// An extension that stands twice is an error: one reader would take the first and another the second (RFC 5280
    /// section 4.2).
    pub(super) fn extension(&self, oid: ObjectIdentifier) -> Result<Option<&'a [u8]>, UnreadableCertificate> {
        let mut found = None;
        let mut extensions = SliceReader::new(self.extensions)?;
        while !extensions.is_finished() {
            let mut extension = SliceReader::new(content(&mut extensions, SEQUENCE)?)?;
            let id = content(&mut extension, OBJECT_IDENTIFIER)?;
            optional(&mut extension, BOOLEAN)?;
            let value = content(&mut extension, OCTET_STRING)?;
            extension.finish()?;
            if id == oid.as_bytes() && found.replace(value).is_some() {
                return Err(UnreadableCertificate);
            }
        }
        Ok(found)
    }
}

/// Whether `key` has the form of an `RSAPublicKey` (RFC 8017 appendix A.1.1): a SEQUENCE whose first part is an INTEGER.
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
pub(super) fn is_rsa_public_key(key: &[u8]) -> bool {
    modulus_bits(key).is_ok()
}

/// A DER value that is `parts` one behind the other.
///
/// For values whose length needs at most 24 bits; the length of a longer one is cut, which no reader accepts.
#[cfg(any(feature = "ring", feature = "aws-lc-rs", feature = "webpki"))]
pub(super) fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(len.saturating_add(5));
    let [.., l2, l1, l0] = len.to_be_bytes();
    out.push(tag);
    match (l2, l1) {
        (0, 0) if l0 < 0x80 => out.push(l0),
        (0, 0) => out.extend_from_slice(&[0x81, l0]),
        (0, _) => out.extend_from_slice(&[0x82, l1, l0]),
        _ => out.extend_from_slice(&[0x83, l2, l1, l0]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Takes the next value, which must have the tag `tag`, and returns it with tag and length.
fn whole<'a>(reader: &mut SliceReader<'a>, tag: u8) -> Result<&'a [u8], UnreadableCertificate> {
    if reader.peek_byte() != Some(tag) {
        return Err(UnreadableCertificate);
    }
    Ok(reader.tlv_bytes()?)
}

/// Takes the next value, which must have the tag `tag`, and returns what is in it.
fn content<'a>(reader: &mut SliceReader<'a>, tag: u8) -> Result<&'a [u8], UnreadableCertificate> {
    Ok(AnyRef::from_der(whole(reader, tag)?)?.value())
}

/// Takes the next value if it has the tag `tag`, and returns what is in it.
fn optional<'a>(reader: &mut SliceReader<'a>, tag: u8) -> Result<Option<&'a [u8]>, UnreadableCertificate> {
    if reader.peek_byte() == Some(tag) { content(reader, tag).map(Some) } else { Ok(None) }
}

/// Reads a time (RFC 5280 section 4.1.2.5) as seconds since 1970.
fn seconds(reader: &mut SliceReader<'_>) -> Result<u64, UnreadableCertificate> {
    let time = reader.tlv_bytes()?;
    match Time::from_der(time) {
        Ok(time) => Ok(time.to_unix_duration().as_secs()),
        // The library has no moments before 1970. UTCTime says 1950 to 1969 as 50 to 69.
        Err(_) => match time {
            [UTC_TIME, _, b'5' | b'6', ..] | [GENERALIZED_TIME, _, b'1', b'9', b'0'..=b'6', ..] => Ok(0),
            _ => Err(UnreadableCertificate),
        },
    }
}

/// A name in the form of RFC 4514; one that cannot be read as its bytes behind a `#`.
fn name_text(name: &[u8]) -> String {
    match Name::from_der(name) {
        Ok(name) => printable(&name.to_string()),
        Err(_) => format!("#{}", fingerprint_text(name)),
    }
}

fn alt_names(extension: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(sequence) = AnyRef::from_der(extension) else { return names };
    let Ok(mut reader) = SliceReader::new(sequence.value()) else { return names };
    while let Some(tag) = reader.peek_byte() {
        let Ok(name) = content(&mut reader, tag) else { return names };
        let text = || printable(&String::from_utf8_lossy(name));
        match tag {
            0x81 => names.push(format!("email:{}", text())),
            0x82 => names.push(format!("DNS:{}", text())),
            0x86 => names.push(format!("URI:{}", text())),
            0x87 => {
                if let Ok(v4) = <[u8; 4]>::try_from(name) {
                    names.push(format!("IP:{}", Ipv4Addr::from(v4)));
                } else if let Ok(v6) = <[u8; 16]>::try_from(name) {
                    names.push(format!("IP:{}", Ipv6Addr::from(v6)));
                }
            }
            _ => {}
        }
    }
    names
}

/// A stranger's text without the power to move a terminal's cursor.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The object identifier that an `AlgorithmIdentifier` begins with.
fn first_oid(algorithm_id: &[u8]) -> Result<ObjectIdentifier, UnreadableCertificate> {
    let mut reader = SliceReader::new(algorithm_id)?;
    Ok(ObjectIdentifier::from_der(whole(&mut reader, OBJECT_IDENTIFIER)?)?)
}

/// Bits in the modulus of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn modulus_bits(key: &[u8]) -> Result<usize, UnreadableCertificate> {
    let mut sequence = SliceReader::new(content(&mut SliceReader::new(key)?, SEQUENCE)?)?;
    let modulus = content(&mut sequence, INTEGER)?;
    let zeros: u32 = match modulus.iter().position(|byte| *byte != 0) {
        Some(at) => modulus.iter().take(at.saturating_add(1)).map(|byte| byte.leading_zeros()).sum(),
        None => return Ok(0),
    };
    Ok(modulus.len().saturating_mul(8).saturating_sub(usize::try_from(zeros).unwrap_or(0)))
}

const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// Strings of bytes, such as the content of an extension.
pub(super) const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Everything that has parts.
pub(super) const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0x81;
const CONTEXT_2: u8 = 0x82;
const CONTEXT_3: u8 = 0xa3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{
        LONG_SERIAL_CERTIFICATE, NEGATIVE_SERIAL_CERTIFICATE, RSA_CERTIFICATE, RSA_PSS_OID_CERTIFICATE, V1_CERTIFICATE,
        certificate_with,
    };

    #[test]
    fn a_certificate_of_version_1_is_read() {
        let summary = CertificateSummary::read(V1_CERTIFICATE).unwrap();
        assert_eq!(summary.subject, "CN=v1.example,O=Example Devices");
        assert_eq!(summary.issuer, summary.subject);
        assert_eq!(summary.subject_alt_names, [""; 0]);
        assert_eq!(summary.key, PublicKeyKind::EcdsaP256);
        assert!(summary.not_before > 1_700_000_000 && summary.not_after - summary.not_before == 36_500 * 86_400);
        let public_key = subject_public_key(V1_CERTIFICATE).unwrap();
        assert_eq!(public_key.algorithm_id, alg_id::ECDSA_P256.as_ref());
        assert_eq!((public_key.key.len(), public_key.key[0]), (65, 4));
    }

    #[test]
    fn serial_numbers_may_be_negative_or_long() {
        let negative = CertificateSummary::read(NEGATIVE_SERIAL_CERTIFICATE).unwrap();
        assert_eq!(negative.serial, (-12345_i16).to_be_bytes());
        let long = CertificateSummary::read(LONG_SERIAL_CERTIFICATE).unwrap();
        assert_eq!(long.serial, [&[0][..], &[0xab; 30]].concat());
        assert_eq!(long.subject_alt_names, ["DNS:long.example"]);
    }

    #[test]
    fn alternative_names_of_every_useful_kind_are_listed() {
        let summary = CertificateSummary::read(RSA_CERTIFICATE).unwrap();
        assert_eq!(
            summary.subject_alt_names,
            ["DNS:rsa.example", "IP:192.0.2.1", "IP:2001:db8::1", "email:a@example", "URI:coap://rsa.example"]
        );
        assert_eq!(summary.key, PublicKeyKind::Rsa(2048));
        assert_eq!(summary.key.to_string(), "RSA 2048");
    }

    #[test]
    fn a_key_of_an_unknown_kind_is_named_by_its_number() {
        let summary = CertificateSummary::read(RSA_PSS_OID_CERTIFICATE).unwrap();
        assert_eq!(summary.key, PublicKeyKind::Other("1.2.840.113549.1.1.10".into()));
    }

    #[test]
    fn what_a_stranger_wrote_cannot_steer_a_terminal() {
        let cert = certificate_with(|params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, "a\u{1b}[2Jb\nc");
            params.subject_alt_names.clear();
            let names = b"\x30\x07\x82\x05a\x1b[2J";
            let extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 17], names.to_vec());
            params.custom_extensions.push(extension);
        });
        let summary = CertificateSummary::read(&cert).unwrap();
        assert!(!summary.subject.chars().any(char::is_control), "{:?}", summary.subject);
        assert!(summary.subject.contains("[2Jb"));
        assert_eq!(summary.subject_alt_names, ["DNS:a\\u{1b}[2J"]);
    }

    #[test]
    fn dates_from_before_1970_to_9999_are_read() {
        for (from, to, not_before, not_after) in [
            ((1950, 1, 1), (9999, 12, 31), 0, 253_402_214_400),
            ((1969, 12, 31), (1970, 1, 2), 0, 86_400),
            ((2049, 12, 31), (2050, 1, 1), 2_524_521_600, 2_524_608_000),
        ] {
            let cert = certificate_with(|params| {
                params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
                params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
            });
            let summary = CertificateSummary::read(&cert).unwrap();
            assert_eq!((summary.not_before, summary.not_after), (not_before, not_after), "{from:?}");
        }
    }

    #[test]
    fn an_extension_that_stands_twice_is_refused() {
        let twice = certificate_with(|params| {
            for name in [b"\x30\x03\x82\x01a", b"\x30\x03\x82\x01b"] {
                let extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 17], name.to_vec());
                params.custom_extensions.push(extension);
            }
            params.subject_alt_names.clear();
        });
        assert_eq!(CertificateSummary::read(&twice), Err(UnreadableCertificate));
        assert!(subject_public_key(&twice).is_ok());
    }

    #[test]
    fn nothing_that_was_cut_or_lengthened_is_a_certificate() {
        for cert in [V1_CERTIFICATE, RSA_CERTIFICATE] {
            for len in 0..cert.len() {
                assert_eq!(subject_public_key(&cert[..len]), Err(UnreadableCertificate));
                assert_eq!(CertificateSummary::read(&cert[..len]), Err(UnreadableCertificate));
            }
            assert_eq!(subject_public_key(&[cert, &[0]].concat()), Err(UnreadableCertificate));
        }
    }

    #[test]
    fn no_change_of_one_byte_makes_reading_panic() {
        for cert in [V1_CERTIFICATE, RSA_CERTIFICATE, NEGATIVE_SERIAL_CERTIFICATE] {
            let mut changed = cert.to_vec();
            for at in 0..cert.len() {
                for value in [0x00, 0x01, 0x30, 0x7f, 0x80, 0x84, 0xff, cert[at] ^ 1] {
                    changed[at] = value;
                    let _ = CertificateSummary::read(&changed);
                }
                changed[at] = cert[at];
            }
        }
    }

    #[test]
    fn a_fingerprint_is_written_as_in_sdp() {
        assert_eq!(fingerprint_text(&[0x0a, 0xbc, 0xff]), "0A:BC:FF");
        assert_eq!(fingerprint_text(&[]), "");
    }

    #[cfg(any(feature = "ring", feature = "aws-lc-rs", feature = "webpki"))]
    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        for (len, head) in [
            (0, &[0x30, 0x00][..]),
            (127, &[0x30, 0x7f]),
            (128, &[0x30, 0x81, 0x80]),
            (256, &[0x30, 0x82, 0x01, 0x00]),
            (65_536, &[0x30, 0x83, 0x01, 0x00, 0x00]),
        ] {
            let wrapped = wrap(SEQUENCE, &[&alloc::vec![7; len]]);
            assert_eq!(wrapped.len(), head.len() + len);
            assert!(wrapped.starts_with(head));
            assert!(AnyRef::from_der(&wrapped).is_ok());
        }
    }
}
