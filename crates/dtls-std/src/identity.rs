//! Certificates and keys, private and public, from files in PEM (RFC 7468).

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use dtls_core::crypto::x509::SubjectPublicKey;
use dtls_core::crypto::{CryptoProvider, Identity, IdentityError};
use dtls_core::resumption::TicketKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};

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
    let key = load_private_key(key_file)?;
    Identity::new(provider, chain, key).map_err(|error| LoadError::NotAnIdentity {
        chain: chain_file.to_owned(),
        key: key_file.to_owned(),
        error,
    })
}

/// Who we are without a certificate, from a file with a private key as [`load_identity`] takes it: its public half is shown
/// bare (RFC 7250).
///
/// # Errors
/// See [`LoadError`].
pub fn load_bare_identity(provider: &CryptoProvider, key: impl AsRef<Path>) -> Result<Identity, LoadError> {
    let file = key.as_ref();
    Identity::raw_public_key(provider, load_private_key(file)?)
        .map_err(|error| LoadError::NotABareIdentity { key: file.to_owned(), error })
}

fn load_private_key(file: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| LoadError::in_file(file, Content::PrivateKey, error))
}

/// All certificates in a file, in their order: roots for [`WebPki`](dtls_core::crypto::WebPki), certificates for
/// [`PinnedCertificates`](dtls_core::crypto::PinnedCertificates).
///
/// # Errors
/// See [`LoadError`]. A file without any certificate is an error, too.
pub fn load_certificates(file: impl AsRef<Path>) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    load_all(file.as_ref(), Content::Certificate)
}

/// All public keys in a file, in their order: for [`PinnedPublicKeys`](dtls_core::crypto::PinnedPublicKeys).
/// `openssl pkey -in key.pem -pubout` writes one, `openssl x509 -in cert.pem -noout -pubkey` that of a certificate.
///
/// # Errors
/// See [`LoadError`]. A file without any public key is an error, too.
pub fn load_public_keys(file: impl AsRef<Path>) -> Result<Vec<SubjectPublicKeyInfoDer<'static>>, LoadError> {
    let file = file.as_ref();
    let found: Vec<SubjectPublicKeyInfoDer<'_>> = load_all(file, Content::PublicKey)?;
    // A key that cannot be read would be the key of nobody, and nobody would say so.
    if found.iter().all(|key| SubjectPublicKey::read(key).is_ok()) {
        Ok(found)
    } else {
        Err(LoadError::NotAPublicKey { file: file.to_owned() })
    }
}

fn load_all<T: PemObject>(file: &Path, content: Content) -> Result<Vec<T>, LoadError> {
    let problem = |error| LoadError::in_file(file, content, error);
    let found: Vec<_> = T::pem_file_iter(file).map_err(problem)?.collect::<Result<_, _>>().map_err(problem)?;
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
    /// What stands in the file as a public key is not a `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    NotAPublicKey {
        /// The file.
        file: PathBuf,
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
    /// The private key was read, and cannot be shown bare.
    NotABareIdentity {
        /// The file with the private key.
        key: PathBuf,
        /// What is wrong with it.
        error: IdentityError,
    },
    /// The file is not a key for tickets: it has another length, or one byte again and again.
    NotATicketKey {
        /// The file.
        file: PathBuf,
        /// How many bytes there are in it.
        len: usize,
    },
}

/// What is looked for in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `-----BEGIN CERTIFICATE-----`
    Certificate,
    /// `-----BEGIN PRIVATE KEY-----`, `-----BEGIN EC PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`
    PrivateKey,
    /// `-----BEGIN PUBLIC KEY-----`
    PublicKey,
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
            Self::Missing { file, content: Content::PublicKey } => write!(
                f,
                "{}: there is no public key in it; give a file in PEM, with -----BEGIN PUBLIC KEY-----, as `openssl pkey \
                 -pubout` writes it of a private key and `openssl x509 -noout -pubkey` of a certificate",
                file.display()
            ),
            Self::NotAPublicKey { file } => {
                write!(f, "{}: what it has for a public key cannot be read as one; write it anew", file.display())
            }
            Self::NotABareIdentity { key, error } => write!(f, "{}: {error}", key.display()),
            Self::NotATicketKey { file, len } => write!(
                f,
                "{}: its {len} bytes are no key for tickets, which has {} at random; make one by `openssl rand -out FILE {1}`",
                file.display(),
                TicketKey::LEN
            ),
            Self::NotAnIdentity { chain, key, error } => {
                write!(f, "{} with {}: {error}", chain.display(), key.display())
            }
        }
    }
}

impl core::error::Error for LoadError {}
