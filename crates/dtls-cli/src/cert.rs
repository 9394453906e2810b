//! `dtls cert` and `--self-signed`: certificates made on the spot.

use core::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use dtls_core::crypto::{CryptoProvider, Fingerprint, Identity, WallClock as _, ring};
use dtls_std::SystemClock;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::args::{CertArgs, KeyType};
use crate::output::Object;
use crate::usage::UsageError;

/// Makes a certificate and writes it where it was asked for.
pub(crate) fn run(args: &CertArgs) -> Result<(), UsageError> {
    let names = if args.name.is_empty() { DEFAULT_NAMES.map(str::to_owned).to_vec() } else { args.name.clone() };
    let made = SelfSigned::make("--name", names, args.key_type)?;
    let problem =
        |path: &Path, problem: &dyn Display| UsageError::new("--out", format!("{}: {problem}", path.display()));
    let unwritable = |path: &Path, error: io::Error| {
        problem(path, &format!("{error}; name a directory that can be made and written to"))
    };
    fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, error))?;
    let [cert, key, public_key] = ["cert.pem", "key.pem", "public_key.pem"].map(|name| args.out.join(name));
    if let Some(file) = [&cert, &key, &public_key].into_iter().find(|file| file.exists()) {
        return Err(problem(file, &"there is one already; remove it, or choose another directory"));
    }
    write_new(&key, &made.key.serialize_pem(), Reader::Owner).map_err(|error| unwritable(&key, error))?;
    write_new(&cert, &made.pem, Reader::Anyone).map_err(|error| unwritable(&cert, error))?;
    let public = made.key.public_key_pem();
    write_new(&public_key, &public, Reader::Anyone).map_err(|error| unwritable(&public_key, error))?;
    let fingerprint = Fingerprint::of(&ring::provider(), &made.cert).to_string();
    let line = if args.json {
        let [cert, key, public_key] = [cert, key, public_key].map(|file| file.display().to_string());
        let made = Object::new("certificate").with("cert", cert).with("key", key).with("fingerprint", fingerprint);
        made.with("public_key", public_key).to_string()
    } else {
        fingerprint
    };
    // Nobody listens any more: the files are there.
    let _ = writeln!(io::stdout(), "{line}");
    Ok(())
}

/// A certificate that vouches for itself, and its key.
pub(crate) struct SelfSigned {
    pub(crate) cert: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl SelfSigned {
    /// For these names, DNS names or IP addresses; the first is the subject's common name. `option` is blamed for names
    /// that are none.
    pub(crate) fn make(option: &str, names: Vec<String>, key_type: KeyType) -> Result<Self, UsageError> {
        let problem = |error: rcgen::Error| UsageError::new(option, format!("no certificate can be made: {error}"));
        if let Some(name) = names.iter().find(|name| rustls_pki_types::ServerName::try_from(name.as_str()).is_err()) {
            return Err(UsageError::new(option, format!("\"{name}\": neither a DNS name nor an IP address")));
        }
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, names.first().map_or("", String::as_str));
        let mut params = CertificateParams::new(names).map_err(problem)?;
        params.distinguished_name = subject;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let year = this_year();
        params.not_before = date_time_ymd(year.saturating_sub(1), 1, 1);
        params.not_after = date_time_ymd(year.saturating_add(9), 1, 1);
        let algorithm = match key_type {
            KeyType::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyType::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyType::Ed25519 => &rcgen::PKCS_ED25519,
        };
        let key = KeyPair::generate_for(algorithm).map_err(problem)?;
        let cert = params.self_signed(&key).map_err(problem)?;
        Ok(Self { cert: cert.der().clone(), pem: cert.pem(), key })
    }

    /// As what a side shows and signs with.
    pub(crate) fn identity(&self, option: &str, provider: &CryptoProvider) -> Result<Identity, UsageError> {
        let identity = Identity::new(provider, vec![self.cert.clone()], self.private_key());
        identity.map_err(|error| UsageError::new(option, error))
    }

    /// As a key that is shown without the certificate.
    pub(crate) fn bare_identity(&self, option: &str, provider: &CryptoProvider) -> Result<Identity, UsageError> {
        let identity = Identity::raw_public_key(provider, self.private_key());
        identity.map_err(|error| UsageError::new(option, error))
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// The year, near enough for the dates of a certificate that is valid for years on either side.
fn this_year() -> i32 {
    const SECONDS_A_YEAR: u64 = 31_556_952;
    let years = SystemClock.unix_time().map_or(50, |now| now.as_secs() / SECONDS_A_YEAR);
    // Beyond the year 9999 X.509 cannot say when.
    1970 + i32::try_from(years.min(8000)).unwrap_or_default()
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Owner,
    Anyone,
}

/// Writes a file that must not be there yet.
fn write_new(path: &Path, content: &str, reader: Reader) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(match reader {
            Reader::Owner => 0o600,
            Reader::Anyone => 0o644,
        });
    }
    #[cfg(not(unix))]
    let _ = reader;
    options.open(path)?.write_all(content.as_bytes())
}

/// Where a certificate for a first try is used.
const DEFAULT_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[cfg(test)]
mod tests {
    use super::*;
    use dtls_core::crypto::x509::{CertificateSummary, PublicKeyKind};
    use rustls_pki_types::SubjectPublicKeyInfoDer;
    use rustls_pki_types::pem::PemObject as _;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_and_addresses_stand_in_the_certificate_and_the_first_is_the_subject() {
        let made = SelfSigned::make("--name", names(&["localhost", "192.0.2.1", "::1"]), KeyType::P256).unwrap();
        let summary = CertificateSummary::read(&made.cert).unwrap();
        assert_eq!(summary.subject, "CN=localhost");
        assert_eq!(summary.subject_alt_names, ["DNS:localhost", "IP:192.0.2.1", "IP:::1"]);
        let now = SystemClock.unix_time().unwrap().as_secs();
        assert!((summary.not_before..summary.not_after).contains(&now));
    }

    #[test]
    fn every_kind_of_key_makes_an_identity() {
        for (key_type, kind) in [
            (KeyType::P256, PublicKeyKind::EcdsaP256),
            (KeyType::P384, PublicKeyKind::EcdsaP384),
            (KeyType::Ed25519, PublicKeyKind::Ed25519),
        ] {
            let made = SelfSigned::make("--name", names(&["localhost"]), key_type).unwrap();
            assert_eq!(CertificateSummary::read(&made.cert).unwrap().key, kind);
            made.identity("--self-signed", &ring::provider()).unwrap();
            let bare = made.bare_identity("--self-signed", &ring::provider()).unwrap();
            let shown = bare.credential().public_key_info().unwrap();
            assert_eq!(shown, SubjectPublicKeyInfoDer::from_pem_slice(made.key.public_key_pem().as_bytes()).unwrap());
        }
    }

    #[test]
    fn what_is_no_name_is_refused_by_the_option_that_gave_it() {
        for bad in ["", "a b", "ä", "-"] {
            let error = SelfSigned::make("--self-signed", names(&[bad]), KeyType::P256).map(|_| ()).unwrap_err();
            assert!(error.to_string().starts_with("--self-signed: "), "{error}");
        }
    }
}
