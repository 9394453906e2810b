//! The part of the command line that all who speak DTLS have in common.

use core::cmp::Ordering;
use core::time::Duration;
use std::env;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dtls_core::crypto::Fingerprint;
use dtls_core::wire::enums::{CipherSuiteId, MaxFragmentLength, NamedGroup, SignatureScheme, SrtpProfile};

use crate::usage::UsageError;
use crate::values::{
    ExportRequest, HexBytes, NamedCertificate, Psk, cid_len, cipher_suite, first_timeout, max_fragment_length,
    milliseconds_or_none, mtu, named_group, probability, protocol_name, seconds, signature_scheme, srtp_profile,
};

/// Options of both roles.
#[derive(Debug, Args)]
#[command(next_help_heading = "Both roles")]
pub(crate) struct CommonArgs {
    /// A certificate chain in PEM, leaf first. Repeatable: at a server the suite decides, at a client what the server asks
    /// for
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Vec<PathBuf>,
    /// The key of the --cert in the same place, in PEM: PKCS#8, SEC 1 or PKCS#1
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// Make a certificate for this name on the spot; with --raw-public-key a key, and no certificate
    #[arg(long, value_name = "NAME", conflicts_with_all = ["cert", "key"])]
    pub(crate) self_signed: Option<String>,
    /// A pre-shared key for peers that hold it too, in hexadecimal behind the name that clients give it. Repeatable on the
    /// server. A client without --ca, --pin, --fingerprint or --insecure then trusts nobody else
    #[arg(long, value_name = "IDENTITY:HEX")]
    pub(crate) psk: Vec<Psk>,
    /// Show keys without a certificate, and take such keys from peers (RFC 7250). --key is then enough, and --pin names a
    /// public key; certificates of --cert are for peers that do not know of bare keys. --ca and --fingerprint still want
    /// certificates
    #[arg(long)]
    pub(crate) raw_public_key: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Cipher suites by their IANA names, most wanted first
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = cipher_suite)]
    pub(crate) suites: Option<Vec<CipherSuiteId>>,
    /// Groups by their IANA names, most wanted first: for the key exchange and, at a client, for the curves of ECDSA
    /// certificates
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = named_group)]
    pub(crate) groups: Option<Vec<NamedGroup>>,
    /// Signature schemes to make and accept by their IANA names, most wanted first
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = signature_scheme)]
    pub(crate) signature_schemes: Option<Vec<SignatureScheme>>,
    /// Application protocols, most wanted first
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = protocol_name)]
    pub(crate) alpn: Vec<String>,
    /// SRTP protection profiles, most wanted first (RFC 5764, RFC 7714)
    #[arg(long, value_name = "A:B", value_delimiter = ':', value_parser = srtp_profile)]
    pub(crate) srtp: Vec<SrtpProfile>,
    /// The SRTP master key identifier
    #[arg(long, value_name = "HEX", requires = "srtp")]
    pub(crate) mki: Option<HexBytes>,
    /// The extended master secret (RFC 7627)
    #[arg(long, value_name = "POLICY", default_value = "require")]
    pub(crate) ems: Ems,
    /// Have peers that can put a connection ID of LEN bytes, 0 to 255, in their records (RFC 9146), so that they are known at
    /// another address, too. 0: take the peer's only. Default: no connection IDs
    #[arg(long, value_name = "LEN", value_parser = cid_len)]
    pub(crate) cid: Option<u8>,
    /// Take no record with more than N bytes, 64 to 16384 (RFC 8449)
    #[arg(long, value_name = "N")]
    pub(crate) record_size_limit: Option<u16>,
    /// For clients: ask that no record carries more than N bytes, 512, 1024, 2048 or 4096 (RFC 6066)
    #[arg(long, value_name = "N", value_parser = max_fragment_length)]
    pub(crate) max_fragment_length: Option<MaxFragmentLength>,
    /// The largest UDP payload to send, 256 to 65535
    #[arg(long, value_name = "N", default_value = "1200", value_parser = mtu)]
    pub(crate) mtu: usize,
    /// Wait so many milliseconds before a flight is sent again for the first time
    #[arg(long, value_name = "MS", default_value = "1000", value_parser = first_timeout)]
    pub(crate) first_timeout: Duration,
    /// Give up a handshake after so many seconds
    #[arg(long, value_name = "S", default_value = "60", value_parser = seconds)]
    pub(crate) handshake_timeout: Duration,
    /// Print exported keying material (RFC 5705): LABEL:LEN or LABEL:LEN:HEXCONTEXT; repeatable
    #[arg(long, value_name = "LABEL:LEN[:HEXCONTEXT]")]
    pub(crate) export: Vec<ExportRequest>,
    /// Append secrets to this file in the NSS key log format. Default: the file in SSLKEYLOGFILE, if set
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Print every record and handshake message, both directions, on standard error. Of what is protected only the
    /// type, epoch, number and length of the record can be seen; for the rest use --keylog and a protocol analyser
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) weather: WeatherArgs,
}

impl CommonArgs {
    /// The key log asked for, by option or environment.
    pub(crate) fn keylog(&self) -> Option<(&'static str, PathBuf)> {
        let by_environment = || env::var_os("SSLKEYLOGFILE").filter(|file| !file.is_empty());
        match &self.keylog {
            Some(file) => Some(("--keylog", file.clone())),
            None => by_environment().map(|file| ("SSLKEYLOGFILE", PathBuf::from(file))),
        }
    }

    /// `sni`: a server's keys beside those of `--key`.
    pub(crate) fn check(&self, sni: &[NamedCertificate]) -> Result<(), UsageError> {
        let problem = |option, problem| Err(UsageError::new(option, problem));
        match self.cert.len().cmp(&self.key.len()) {
            // Keys do for themselves.
            Ordering::Less if self.raw_public_key && self.cert.is_empty() => {}
            Ordering::Less if self.raw_public_key => {
                return problem("--key", "there is no --cert for it; give one --cert for each, or none at all");
            }
            Ordering::Less => {
                let cure = "there is no --cert for it; give one --cert for each, or --raw-public-key to show it bare";
                return problem("--key", cure);
            }
            Ordering::Greater => return problem("--cert", "there is no --key for it; give one --key for each"),
            Ordering::Equal => {}
        }
        if self.ems == Ems::Off && !self.export.is_empty() {
            return problem("--export", "nothing is exported without the extended master secret; drop --ems off");
        }
        let shows_key = !self.key.is_empty() || self.self_signed.is_some() || !sni.is_empty();
        let trusts_keys = matches!(self.trust.source(), Some(TrustSource::Pinned(_) | TrustSource::Anyone));
        if self.raw_public_key && !shows_key && !trusts_keys {
            let cure = "there is no key to show and none to trust; give --key, --self-signed, --pin or --insecure";
            return problem("--raw-public-key", cure);
        }
        Ok(())
    }

    /// What only clients must heed.
    pub(crate) fn check_client(&self) -> Result<(), UsageError> {
        if self.psk.len() > 1 {
            return Err(UsageError::new("--psk", "a client has one; give it once"));
        }
        if self.trust.source().is_none() && self.psk.is_empty() {
            return Err(UsageError::new(
                "--ca",
                "whom to trust is missing; give --ca FILE, --pin FILE, --fingerprint sha-256:.., --psk or --insecure",
            ));
        }
        let identity = if self.self_signed.is_some() { "--self-signed" } else { "--key" };
        let has_identity = self.self_signed.is_some() || !self.key.is_empty();
        if self.trust.source().is_none() && has_identity {
            let cure = "with --psk alone nothing is shown to the server; drop it, or give --ca, --pin, --fingerprint or \
                        --insecure";
            return Err(UsageError::new(identity, cure));
        }
        Ok(())
    }
}

/// Whom to trust: one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct TrustArgs {
    /// Trust peers whose certificate leads to one of these roots, in PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Trust exactly this certificate, in PEM; with --raw-public-key this public key, bare or in a certificate
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
    /// Trust exactly the certificate with this fingerprint, sha-256:AA:BB:..
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<Fingerprint>,
    /// Verify nothing: for tests, never for secrets
    #[arg(long)]
    insecure: bool,
}

impl TrustArgs {
    /// The one that was given.
    pub(crate) fn source(&self) -> Option<TrustSource<'_>> {
        let roots = self.ca.as_ref().map(TrustSource::Roots);
        let pinned = self.pin.as_ref().map(TrustSource::Pinned);
        let fingerprint = self.fingerprint.map(TrustSource::Fingerprint);
        roots.or(pinned).or(fingerprint).or(self.insecure.then_some(TrustSource::Anyone))
    }
}

/// Where trust comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TrustSource<'a> {
    /// Roots in a file.
    Roots(&'a PathBuf),
    /// A certificate, or a public key, in a file.
    Pinned(&'a PathBuf),
    /// A certificate by its hash.
    Fingerprint(Fingerprint),
    /// Nowhere.
    Anyone,
}

impl TrustSource<'_> {
    /// The option that asked for it.
    pub(crate) const fn option(&self) -> &'static str {
        match self {
            Self::Roots(_) => "--ca",
            Self::Pinned(_) => "--pin",
            Self::Fingerprint(_) => "--fingerprint",
            Self::Anyone => "--insecure",
        }
    }
}

/// What becomes of our own datagrams on their way out.
#[derive(Clone, Debug, Args)]
pub(crate) struct WeatherArgs {
    /// Lose each datagram we send with this probability, 0 to 1
    #[arg(long, value_name = "P", default_value = "0", value_parser = probability, allow_negative_numbers = true)]
    pub(crate) loss: f64,
    /// Hold back every datagram we send for so many milliseconds
    #[arg(long, value_name = "MS", default_value = "0", value_parser = milliseconds_or_none, allow_negative_numbers = true)]
    pub(crate) delay: Duration,
    /// Send each datagram twice with this probability, 0 to 1
    #[arg(long, value_name = "P", default_value = "0", value_parser = probability, allow_negative_numbers = true)]
    pub(crate) duplicate: f64,
    /// Lose and duplicate the same datagrams in every run. Default: another seed each time, told on standard error
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
}

/// What becomes of the extended master secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ems {
    /// Fail without it.
    Require,
    /// Go on without it with peers that do not know it.
    Prefer,
    /// Neither offer nor accept it.
    Off,
}
