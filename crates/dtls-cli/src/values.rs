//! What options take: each kind of value, its bounds, and what is said of a value that is none.

use core::fmt::{self, Display};
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
use core::time::Duration;
use std::net::ToSocketAddrs as _;
use std::path::PathBuf;

use dtls_core::crypto::{PskIdentity, ccm, ring};
use dtls_core::wire::enums::{CipherSuiteId, MaxFragmentLength, NamedGroup, SignatureScheme, SrtpProfile};
use dtls_core::wire::record::MAX_PLAINTEXT;
use rustls_pki_types::ServerName;

use crate::usage::UsageError;

/// A value that an option does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadValue {
    value: String,
    problem: String,
}

impl BadValue {
    fn new(value: &str, problem: impl Into<String>) -> Self {
        Self { value: value.to_owned(), problem: problem.into() }
    }

    fn unknown<'a>(value: &str, allowed: impl Iterator<Item = &'a str>) -> Self {
        let allowed: Vec<_> = allowed.collect();
        Self::new(value, format!("unknown; allowed: {}", allowed.join(", ")))
    }
}

impl Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}", self.value, self.problem)
    }
}

impl core::error::Error for BadValue {}

// --- kinds of values ---

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl HostPort {
    /// The addresses to try, in turn; at least one.
    pub(crate) fn resolve(&self) -> Result<Vec<SocketAddr>, UsageError> {
        let problem =
            |problem: &dyn Display| UsageError::new("HOST:PORT", format!("{self}: {problem}; check the name"));
        let addresses = (self.host.as_str(), self.port).to_socket_addrs().map_err(|error| problem(&error))?;
        let addresses: Vec<_> = addresses.collect();
        if addresses.is_empty() { Err(problem(&"it has no address")) } else { Ok(addresses) }
    }
}

impl Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HostPort {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad =
            || BadValue::new(text, "not a host and a port; write host:4433, 192.0.2.1:4433 or [2001:db8::1]:4433");
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        if port == 0 {
            return Err(BadValue::new(text, "nothing listens at port 0; give the server's port, from 1 to 65535"));
        }
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()).then_some(address),
            None => (!host.is_empty() && !host.contains(':')).then_some(host),
        };
        Ok(Self { host: host.ok_or_else(bad)?.to_owned(), port })
    }
}

/// Bytes written in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HexBytes(pub(crate) Vec<u8>);

impl FromStr for HexBytes {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = |_| BadValue::new(text, "not hexadecimal; write two digits for each byte, without spaces");
        hex::decode(text).map(Self).map_err(bad)
    }
}

/// An identity and its pre-shared key.
#[derive(Clone, Debug)]
pub(crate) struct Psk(pub(crate) PskIdentity);

impl FromStr for Psk {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        // The value is not repeated: it is a secret.
        let bad = |problem: &str| BadValue::new("..", problem);
        let (identity, key) = text.rsplit_once(':').ok_or_else(|| bad("write IDENTITY:HEX"))?;
        let key = hex::decode(key).map_err(|_| bad("the key behind the last colon is not hexadecimal"))?;
        PskIdentity::new(identity.into(), key).map(Self).map_err(|error| bad(&error.to_string()))
    }
}

/// One of the four lengths of RFC 6066 section 4.
pub(crate) fn max_fragment_length(text: &str) -> Result<MaxFragmentLength, BadValue> {
    let all = [1, 2, 3, 4].map(MaxFragmentLength);
    let found = all.into_iter().find(|length| length.name() == Some(text));
    found.ok_or_else(|| BadValue::unknown(text, all.iter().filter_map(|length| length.name())))
}

/// A certificate for clients that ask for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedCertificate {
    /// `None` for all names that have none of their own.
    pub(crate) name: Option<String>,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl FromStr for NamedCertificate {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = || BadValue::new(text, "write NAME=CERT,KEY with a name and two files, or '*=CERT,KEY' for the rest");
        let (name, files) = text.split_once('=').ok_or_else(bad)?;
        let (cert, key) =
            files.split_once(',').filter(|(cert, key)| !cert.is_empty() && !key.is_empty()).ok_or_else(bad)?;
        let name = match name {
            "*" => None,
            // RFC 6066 section 3: nobody asks for an address by name, nor with the dot at the end.
            name => match ServerName::try_from(name.strip_suffix('.').unwrap_or(name)) {
                Ok(ServerName::DnsName(name)) => Some(name.as_ref().to_ascii_lowercase()),
                _ => {
                    return Err(BadValue::new(
                        text,
                        format!("\"{name}\" is no DNS name; give one, or '*' for the rest"),
                    ));
                }
            },
        };
        Ok(Self { name, cert: cert.into(), key: key.into() })
    }
}

/// Keying material to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportRequest {
    /// The label, without a colon.
    pub(crate) label: String,
    /// How many bytes.
    pub(crate) len: usize,
    /// The context; none is not the same as an empty one.
    pub(crate) context: Option<Vec<u8>>,
}

impl FromStr for ExportRequest {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = || BadValue::new(text, "write LABEL:LEN or LABEL:LEN:HEXCONTEXT, with LEN from 1 to 65535");
        let (label, rest) = text.split_once(':').ok_or_else(bad)?;
        let (len, context) = rest.split_once(':').map_or((rest, None), |(len, context)| (len, Some(context)));
        let len: u16 = len.parse().map_err(|_| bad())?;
        let context = context.map(hex::decode).transpose().map_err(|_| bad())?;
        if label.is_empty() || len == 0 || context.as_ref().is_some_and(|context| context.len() > 65_535) {
            return Err(bad());
        }
        if RESERVED_LABELS.contains(&label) {
            return Err(BadValue::new(text, format!("\"{label}\" is a label of the handshake itself; choose another")));
        }
        Ok(Self { label: label.to_owned(), len: usize::from(len), context })
    }
}

/// What the handshake derives from these labels must not be told (RFC 5705 section 4).
const RESERVED_LABELS: [&str; 5] =
    ["client finished", "server finished", "master secret", "extended master secret", "key expansion"];

// --- values of lists ---

/// The value among `all` with this name.
fn named<T: Copy>(text: &str, all: &[T], name: fn(T) -> Option<&'static str>) -> Result<T, BadValue> {
    let found = all.iter().find(|value| name(**value) == Some(text));
    found.copied().ok_or_else(|| BadValue::unknown(text, all.iter().filter_map(|value| name(*value))))
}

pub(crate) fn cipher_suite(text: &str) -> Result<CipherSuiteId, BadValue> {
    let provider = ccm::with_ccm_8(ccm::with_ccm(ring::provider()));
    let all: Vec<_> = provider.cipher_suites.iter().map(|suite| suite.id).collect();
    named(text, &all, CipherSuiteId::name)
}

pub(crate) fn named_group(text: &str) -> Result<NamedGroup, BadValue> {
    let all: Vec<_> = ring::provider().groups.iter().map(|group| group.name()).collect();
    named(text, &all, NamedGroup::name)
}

pub(crate) fn signature_scheme(text: &str) -> Result<SignatureScheme, BadValue> {
    let all: Vec<_> = ring::provider().signature_schemes().collect();
    named(text, &all, SignatureScheme::name)
}

pub(crate) fn srtp_profile(text: &str) -> Result<SrtpProfile, BadValue> {
    let all = [
        SrtpProfile::AEAD_AES_128_GCM,
        SrtpProfile::AEAD_AES_256_GCM,
        SrtpProfile::AES128_CM_HMAC_SHA1_80,
        SrtpProfile::AES128_CM_HMAC_SHA1_32,
    ];
    named(text, &all, SrtpProfile::name)
}

pub(crate) fn protocol_name(text: &str) -> Result<String, BadValue> {
    match text.len() {
        1..=255 => Ok(text.to_owned()),
        _ => Err(BadValue::new(text, "a protocol's name has 1 to 255 bytes")),
    }
}

// --- addresses and numbers ---

pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, BadValue> {
    let bad = || BadValue::new(text, "not an address and a port; write 127.0.0.1:4433, [::]:4433 or localhost:0");
    text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(bad)
}

pub(crate) fn service_address(text: &str) -> Result<SocketAddr, BadValue> {
    let bad = || BadValue::new(text, "not an address and a port; write 127.0.0.1:5683, [::1]:5683 or localhost:5683");
    let address = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(bad)?;
    if address.port() == 0 {
        return Err(BadValue::new(text, "nothing listens at port 0; give the service's port, from 1 to 65535"));
    }
    Ok(address)
}

pub(crate) fn positive(text: &str) -> Result<usize, BadValue> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| BadValue::new(text, "write a number from 1 on"))
}

pub(crate) fn cid_len(text: &str) -> Result<u8, BadValue> {
    // RFC 9146 section 3: its length is one byte.
    text.parse().map_err(|_| BadValue::new(text, "write a number of bytes from 0 to 255"))
}

pub(crate) fn payload_size(text: &str) -> Result<usize, BadValue> {
    // RFC 6347 section 4.1: a datagram of the application is one record, which holds no more.
    let fits = |size: &usize| *size <= MAX_PLAINTEXT;
    let problem = format!("write a number of bytes from 0 to {MAX_PLAINTEXT}");
    text.parse().ok().filter(fits).ok_or_else(|| BadValue::new(text, problem))
}

pub(crate) fn mtu(text: &str) -> Result<usize, BadValue> {
    let fits = |mtu: &usize| (256..=65_535).contains(mtu);
    text.parse().ok().filter(fits).ok_or_else(|| BadValue::new(text, "write a number of bytes from 256 to 65535"))
}

pub(crate) fn first_timeout(text: &str) -> Result<Duration, BadValue> {
    let fits = |millis: &u64| (1..=60_000).contains(millis);
    let millis = text.parse().ok().filter(fits);
    millis.map(Duration::from_millis).ok_or_else(|| BadValue::new(text, "write milliseconds from 1 to 60000"))
}

pub(crate) fn milliseconds_or_none(text: &str) -> Result<Duration, BadValue> {
    let fits = |millis: &u64| *millis <= 86_400_000;
    let millis = text.parse().ok().filter(fits);
    millis.map(Duration::from_millis).ok_or_else(|| BadValue::new(text, "write milliseconds from 0 to 86400000"))
}

pub(crate) fn seconds(text: &str) -> Result<Duration, BadValue> {
    let fits = |seconds: &f64| (0.001..=86_400.0).contains(seconds);
    let seconds = text.parse().ok().filter(fits);
    seconds.map(Duration::from_secs_f64).ok_or_else(|| BadValue::new(text, "write seconds from 0.001 to 86400"))
}

pub(crate) fn probability(text: &str) -> Result<f64, BadValue> {
    let fits = |probability: &f64| (0.0..=1.0).contains(probability);
    text.parse().ok().filter(fits).ok_or_else(|| BadValue::new(text, "write a probability from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use dtls_core::ExportError;

    use super::*;
    use crate::pair::Pair;

    #[test]
    fn hosts_are_names_or_addresses_with_a_port() {
        for (text, host) in [("h:1", "h"), ("127.0.0.1:1", "127.0.0.1"), ("[::1]:1", "::1")] {
            let parsed: HostPort = text.parse().unwrap();
            assert_eq!((parsed.host.as_str(), parsed.port), (host, 1));
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["", "h", ":1", "h:", "h:65536", "h:0", "::1:1", "[::1]", "[h]:1", "[127.0.0.1]:1"] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_certificate_has_a_name_or_stands_for_the_rest() {
        let parse = |text: &str| text.parse::<NamedCertificate>();
        let of = |name: Option<&str>| {
            Ok(NamedCertificate { name: name.map(str::to_owned), cert: "c=1".into(), key: "k,2".into() })
        };
        assert_eq!(parse("One.Example.=c=1,k,2"), of(Some("one.example")));
        assert_eq!(parse("*=c=1,k,2"), of(None));
        for text in ["", "a", "a=", "a=c", "a=c,", "a=,k", "=c,k", "a b=c,k", "*.a=c,k", "127.0.0.1=c,k", "::1=c,k"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_context_is_a_context() {
        let export = |text: &str| text.parse::<ExportRequest>().unwrap().context;
        assert_eq!((export("a:5"), export("a:5:"), export("a:5:00ff")), (None, Some(vec![]), Some(vec![0, 255])));
    }

    #[test]
    fn labels_that_the_engine_refuses_are_refused_before_there_is_a_session() {
        let pair = Pair::new(None);
        for label in RESERVED_LABELS {
            let exported = pair.client.export_keying_material(label.as_bytes(), None, 8);
            assert_eq!(exported, Err(ExportError::ReservedLabel), "{label}");
            assert!(format!("{label}:8").parse::<ExportRequest>().is_err(), "{label}");
        }
    }
}
