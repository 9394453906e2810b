//! Certificates and keys from files in PEM (RFC 7468).

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use dtls_core::crypto::{CryptoProvider, Identity, IdentityError};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Who we are, from a file with a chain of certificates, our own first, and one with its private key: PKCS#8, SEC 1 or
/// PKCS#1, not encrypted. They may be one file.
///
/// To change certificates while a server runs, load them again and give a new configuration to
/// [`Endpoint::set_server_config`](crate::Endpoint::set_server_config).
///
/// # Errors
/// See [`LoadError`], which names the file and says what to do.
pub fn load_identity(
    provider: &CryptoProvider,
    chain: impl AsRef<Path>,
    key: impl AsRef<Path>,
) -> Result<Identity, LoadError> {
    let (chain_file, key_file) = (chain.as_ref(), key.as_ref());
    let chain = load_certificates(chain_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| LoadError::in_file(key_file, Content::PrivateKey, error))?;
    Identity::new(provider, chain, key).map_err(|error| LoadError::NotAnIdentity {
        chain: chain_file.to_owned(),
        key: key_file.to_owned(),
        error,
    })
}

/// All certificates in a file, in their order: roots for [`WebPki`](dtls_core::crypto::WebPki), certificates for
/// [`PinnedCertificates`](dtls_core::crypto::PinnedCertificates).
///
/// # Errors
/// See [`LoadError`]. A file without any certificate is an error, too.
pub fn load_certificates(file: impl AsRef<Path>) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let file = file.as_ref();
    let problem = |error| LoadError::in_file(file, Content::Certificate, error);
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(problem)?.collect::<Result<_, _>>().map_err(problem)?;
    if found.is_empty() { Err(problem(pem::Error::NoItemsFound)) } else { Ok(found) }
}

/// Why nothing could be loaded, and from which file.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not well-formed PEM.
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// The file has nothing of what was looked for.
    Missing {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        content: Content,
    },
    /// Both files were read, and do not make an identity.
    NotAnIdentity {
        /// The file with the certificates.
        chain: PathBuf,
        /// The file with the private key.
        key: PathBuf,
        /// What is wrong with them.
        error: IdentityError,
    },
}

/// What is looked for in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `-----BEGIN CERTIFICATE-----`
    Certificate,
    /// `-----BEGIN PRIVATE KEY-----`, `-----BEGIN EC PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`
    PrivateKey,
}

impl LoadError {
    fn in_file(file: &Path, content: Content, error: pem::Error) -> Self {
        let file = file.to_owned();
        match error {
            pem::Error::Io(error) => Self::Unreadable { file, error },
            pem::Error::NoItemsFound => Self::Missing { file, content },
            error => Self::Malformed { file, error },
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, error } => {
                write!(f, "{}: {error}; give a file that can be read", file.display())
            }
            Self::Malformed { file, error } => {
                write!(f, "{}: not well-formed PEM ({error}); write it anew", file.display())
            }
            Self::Missing { file, content: Content::Certificate } => write!(
                f,
                "{}: there is no certificate in it; give a file in PEM, with -----BEGIN CERTIFICATE-----",
                file.display()
            ),
            Self::Missing { file, content: Content::PrivateKey } => write!(
                f,
                "{}: there is no private key in it that can be read; give a file in PEM, with -----BEGIN PRIVATE \
                 KEY-----, and decrypt it first if it says ENCRYPTED",
                file.display()
            ),
            Self::NotAnIdentity { chain, key, error } => {
                write!(f, "{} with {}: {error}", chain.display(), key.display())
            }
        }
    }
}

impl core::error::Error for LoadError {}
