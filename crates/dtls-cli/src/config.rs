//! From options to the engine's configurations.

use core::fmt::Display;
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use dtls_core::config::{
    ClientAuthentication, ConnectionIdUse, ExtendedMasterSecret, RandomConnectionId, SelectConfig, Selected,
    ServerNames,
};
use dtls_core::crypto::x509::SubjectPublicKey;
use dtls_core::crypto::{
    CertificateError, CryptoProvider, Fingerprints, Identity, PeerAuthenticated, PeerRole, PeerVerifier,
    PinnedCertificates, PinnedPublicKeys, PresentedPeer, PskClient, Psks, WebPki, ccm, ring,
};
use dtls_core::resumption::{SealTickets, ServerResumption, Tickets};
use dtls_core::wire::enums::{CertificateType, CipherSuiteId};
use dtls_core::wire::hello::ClientHello;
use dtls_core::{ClientConfig, ConfigError, ServerConfig, Settings};
use dtls_std::{KeyLogFile, MemorySessionCache, RotatingTickets, SystemClock, load_ticket_key};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, DnsName, IpAddr, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer};

use crate::args::{ClientAuth, KeyType, ServerArgs, TargetArgs};
use crate::both_roles::{CommonArgs, Ems, TrustSource};
use crate::cert::SelfSigned;
use crate::connected::Checks;
use crate::output::note;
use crate::usage::UsageError;
use crate::values::NamedCertificate;

/// What a client needs to connect.
pub(crate) struct ClientSetup {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) checks: Checks,
}

/// Whether a client can resume its session later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterlife {
    None,
    Resumable,
}

impl ClientSetup {
    pub(crate) fn new(target: &TargetArgs, common: &CommonArgs, afterlife: Afterlife) -> Result<Self, UsageError> {
        let provider = Arc::new(provider(common));
        let server_name = server_name(target)?;
        let psk = common.psk.first().map(|psk| -> Arc<dyn PskClient> { Arc::new(psk.0.clone()) });
        let change = settings(common)?;
        let Some(trust) = common.trust.source() else {
            let psk = psk.ok_or_else(|| UsageError::new("--ca", "whom to trust is missing"))?;
            let builder = ClientConfig::builder(Arc::clone(&provider)).preshared_key(psk).configure(change);
            let builder = if afterlife == Afterlife::Resumable { builder.resumable() } else { builder };
            let config = builder.build().map_err(|error| blame(&error))?;
            return Ok(Self { provider, config: Arc::new(config), server_name, checks: Checks::Credential });
        };
        let verifier: Arc<dyn PeerVerifier> = match (trust, &server_name) {
            (TrustSource::Roots(file), None) => Arc::new(ForHost {
                chains: roots(&provider, trust, file)?,
                host: name("HOST:PORT", &target.server.host)?,
            }),
            _ => verifier(&provider, common, trust)?,
        };
        let builder = ClientConfig::builder(Arc::clone(&provider)).trust(verifier);
        let mut identities = identities(common, &provider)?.into_iter();
        let builder = match identities.next() {
            Some(identity) => builder.identity(identity),
            None => builder.without_identity(),
        };
        let builder = identities.fold(builder, |builder, identity| builder.identity(identity));
        let builder = match psk {
            Some(psk) => builder.preshared_key(psk),
            None => builder,
        };
        let builder = if afterlife == Afterlife::Resumable { builder.resumable() } else { builder };
        let config = builder.configure(change).build().map_err(|error| blame(&error))?;
        Ok(Self { provider, config: Arc::new(config), server_name, checks: checks(trust) })
    }
}

/// What a server needs to listen.
pub(crate) struct ServerSetup {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) checks: Checks,
}

impl ServerSetup {
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, UsageError> {
        let common = &args.common;
        let provider = Arc::new(provider(common));
        let trust = common.trust.source();
        let verifier = || match trust {
            Some(trust) => verifier(&provider, common, trust),
            None => Err(UsageError::new("--client-auth", "whom to trust is missing")),
        };
        let authentication = match args.client_auth() {
            ClientAuth::None => ClientAuthentication::None,
            ClientAuth::Request => ClientAuthentication::Request(verifier()?),
            ClientAuth::Require => ClientAuthentication::Require(verifier()?),
        };
        let change = settings(common)?;
        let resumption = resumption(args, &provider)?;
        let build = |identities: Vec<Identity>, selector: Option<Arc<dyn SelectConfig>>| {
            let mut identities = identities.into_iter();
            let builder = ServerConfig::builder(Arc::clone(&provider));
            let psks = common.psk.iter().fold(Psks::new(), |psks, psk| psks.with(psk.0.clone()));
            let mut builder = match identities.next() {
                None => builder.preshared_keys(Arc::new(psks)),
                Some(first) if common.psk.is_empty() => builder.identity(first),
                Some(first) => builder.identity(first).preshared_keys(Arc::new(psks)),
            };
            for identity in identities {
                builder = builder.identity(identity);
            }
            if let Some(selector) = selector {
                builder = builder.select(selector);
            }
            if let Some(resumption) = &resumption {
                builder = builder.resumption(resumption.clone());
            }
            let builder = builder.client_authentication(authentication.clone()).configure(|settings| {
                change(settings);
                settings.psk_hint = args.psk_hint.clone().into_bytes();
            });
            builder.build().map(Arc::new).map_err(|error| blame(&error))
        };
        let mut plain = identities(common, &provider)?;
        if let Some(file) = &args.ocsp {
            staple(&mut plain, ocsp_response(file)?);
        }
        let config = if args.sni.is_empty() {
            build(plain, None)?
        } else {
            let nameless = if plain.is_empty() { None } else { Some(build(plain, None)?) };
            let mut names = Names { names: ServerNames::new(), nameless };
            for (name, given) in by_name(&args.sni) {
                let identities = given.iter().map(|each| named_identities(common, &provider, each));
                let config = build(identities.collect::<Result<Vec<_>, _>>()?.concat(), None)?;
                names.names = match name {
                    Some(name) => {
                        let name = DnsName::try_from(name).map_err(|_| UsageError::new("--sni", "no DNS name"))?;
                        names.names.with(&name, config)
                    }
                    None => names.names.otherwise(config),
                };
            }
            // Before a client is known somebody has to be there, who is not shown to anyone.
            let first = args.sni.first().map(|each| named_identities(common, &provider, each));
            build(first.transpose()?.unwrap_or_default(), Some(Arc::new(names)))?
        };
        Ok(Self { provider, config, checks: trust.map_or(Checks::Nothing, checks) })
    }
}

/// What clients resume their sessions by, if by anything.
fn resumption(args: &ServerArgs, provider: &Arc<CryptoProvider>) -> Result<Option<ServerResumption>, UsageError> {
    /// For how long a key of our own seals.
    const SEALS_FOR: Duration = Duration::from_secs(6 * 60 * 60);
    if args.no_tickets && args.session_cache.is_none() {
        return Ok(None);
    }
    let mut resumption = ServerResumption::new(Arc::new(SystemClock));
    if !args.no_tickets {
        let problem = |error: &dyn Display| UsageError::new("--ticket-key", error);
        let keys = args.ticket_key.iter().map(load_ticket_key).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| problem(&error))?;
        let tickets: Arc<dyn SealTickets> = if keys.is_empty() {
            Arc::new(RotatingTickets::new(Arc::clone(provider), SEALS_FOR).map_err(|error| problem(&error))?)
        } else {
            Arc::new(Tickets::new(provider, keys).map_err(|error| problem(&error))?)
        };
        resumption = resumption.with_tickets(tickets);
    }
    if let Some(sessions_max) = args.session_cache {
        resumption = resumption.with_cache(Arc::new(MemorySessionCache::new(sessions_max)));
    }
    Ok(Some(resumption))
}

/// What `--sni` says: configurations by name, and another for clients that ask for none.
#[derive(Debug)]
struct Names {
    names: ServerNames,
    /// Of `--cert` or `--self-signed`, if given.
    nameless: Option<Arc<ServerConfig>>,
}

impl SelectConfig for Names {
    fn select(&self, hello: &ClientHello<'_>) -> Option<Selected> {
        match (&self.nameless, hello.extensions.server_name) {
            (Some(config), None) => Some(Selected { config: Arc::clone(config), by_name: false }),
            _ => self.names.select(hello),
        }
    }
}

/// All that is given for each name, in the order of the options.
fn by_name(given: &[NamedCertificate]) -> BTreeMap<Option<&str>, Vec<&NamedCertificate>> {
    let mut by_name = BTreeMap::<_, Vec<_>>::new();
    for each in given {
        by_name.entry(each.name.as_deref()).or_default().push(each);
    }
    by_name
}

// --- names ---

/// What the certificate is verified for and, if it is a DNS name, what the server is told.
fn server_name(target: &TargetArgs) -> Result<Option<ServerName<'static>>, UsageError> {
    match &target.name {
        Some(none) if none.is_empty() => Ok(None),
        Some(given) => name("--name", given).map(Some),
        None => name("HOST:PORT", &target.server.host).map(Some),
    }
}

fn name(option: &str, text: &str) -> Result<ServerName<'static>, UsageError> {
    // RFC 6066 section 3: on the wire a name stands without the dot at its end.
    let bare = text.strip_suffix('.').unwrap_or(text);
    if let Ok(address) = IpAddr::try_from(bare) {
        return Ok(ServerName::IpAddress(address));
    }
    let name = DnsName::try_from(bare.to_owned()).map_err(|_| {
        UsageError::new(
            option,
            format!("\"{text}\": neither a DNS name nor an IP address; give --name NAME, or '' with --pin"),
        )
    })?;
    Ok(ServerName::DnsName(name))
}

// --- trust ---

const fn checks(trust: TrustSource<'_>) -> Checks {
    match trust {
        TrustSource::Roots(_) | TrustSource::Pinned(_) | TrustSource::Fingerprint(_) => Checks::Credential,
        TrustSource::Anyone => Checks::Nothing,
    }
}

fn verifier(
    provider: &CryptoProvider,
    common: &CommonArgs,
    trust: TrustSource<'_>,
) -> Result<Arc<dyn PeerVerifier>, UsageError> {
    let option = trust.option();
    Ok(match trust {
        TrustSource::Roots(file) => Arc::new(roots(provider, trust, file)?),
        TrustSource::Pinned(file) if common.raw_public_key => {
            let pinned = public_keys(option, file)?;
            Arc::new(PinnedPublicKeys::new(pinned).map_err(|error| file_problem(option, file, &error))?)
        }
        TrustSource::Pinned(file) => {
            let pinned = certificates(option, file)?;
            Arc::new(PinnedCertificates::new(pinned).map_err(|error| file_problem(option, file, &error))?)
        }
        TrustSource::Fingerprint(fingerprint) => {
            Arc::new(Fingerprints::new(provider, [fingerprint]).map_err(|error| UsageError::new(option, error))?)
        }
        TrustSource::Anyone => Arc::new(Anyone { takes_raw_public_keys: common.raw_public_key }),
    })
}

fn roots(provider: &CryptoProvider, trust: TrustSource<'_>, file: &Path) -> Result<WebPki, UsageError> {
    let option = trust.option();
    let roots = certificates(option, file)?;
    WebPki::new(provider, roots, Arc::new(SystemClock)).map_err(|error| file_problem(option, file, &error))
}

/// Verifies the host that we meant to reach, though it is not told by what name: `--name ''`.
#[derive(Debug)]
struct ForHost {
    chains: WebPki,
    host: ServerName<'static>,
}

impl PeerVerifier for ForHost {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        self.chains.verify(&peer.in_role(PeerRole::Server { name: Some(&self.host) }))
    }

    fn authorities(&self) -> &[Vec<u8>] {
        self.chains.authorities()
    }
}

/// Says loudly that nobody is verified, if so.
pub(crate) fn warn_of_insecurity(common: &CommonArgs) {
    if let Some(TrustSource::Anyone) = common.trust.source() {
        note("WARNING: --insecure verifies nothing; whoever is in between reads and changes all");
    }
}

/// Accepts whatever a peer shows: `--insecure`. That it holds the key is checked all the same, by the engine.
#[derive(Debug)]
struct Anyone {
    takes_raw_public_keys: bool,
}

impl PeerVerifier for Anyone {
    fn verify(&self, _peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        Ok(PeerAuthenticated::dangerous_assertion())
    }

    fn certificate_types(&self) -> &[CertificateType] {
        if self.takes_raw_public_keys {
            &[CertificateType::RAW_PUBLIC_KEY, CertificateType::X509]
        } else {
            &[CertificateType::X509]
        }
    }
}

// --- identities ---

/// What `--cert`, `--key` and `--self-signed` ask to be shown, in their order. With `--raw-public-key` keys come before
/// the certificates, which are then for peers that do not know of bare keys.
fn identities(common: &CommonArgs, provider: &CryptoProvider) -> Result<Vec<Identity>, UsageError> {
    if let Some(name) = &common.self_signed {
        let made = SelfSigned::make("--self-signed", vec![name.clone()], KeyType::P256)?;
        return Ok(vec![if common.raw_public_key {
            made.bare_identity("--self-signed", provider)?
        } else {
            made.identity("--self-signed", provider)?
        }]);
    }
    let bare = common.key.iter().filter(|_| common.raw_public_key).map(|key| bare_identity(provider, "--key", key));
    let pairs = common.cert.iter().zip(&common.key);
    bare.chain(pairs.map(|pair| identity(provider, ("--cert", "--key"), pair))).collect()
}

/// What `--sni` asks to be shown.
fn named_identities(
    common: &CommonArgs,
    provider: &CryptoProvider,
    given: &NamedCertificate,
) -> Result<Vec<Identity>, UsageError> {
    // One option for both files.
    let option = "--sni";
    let bare = common.raw_public_key.then(|| bare_identity(provider, option, &given.key));
    bare.into_iter().chain([identity(provider, (option, option), (&given.cert, &given.key))]).collect()
}

fn bare_identity(provider: &CryptoProvider, option: &str, key: &Path) -> Result<Identity, UsageError> {
    Identity::raw_public_key(provider, private_key(option, key)?).map_err(|error| file_problem(option, key, &error))
}

/// Gives the first that has a certificate what OCSP says of it.
fn staple(identities: &mut [Identity], response: Vec<u8>) {
    if let Some(certified) = identities.iter_mut().find(|each| each.certificate_type() == CertificateType::X509) {
        *certified = certified.clone().with_ocsp_response(response);
    }
}

/// The `options` that gave the two files are blamed for them.
fn identity<P: AsRef<Path>>(
    provider: &CryptoProvider,
    options: (&str, &str),
    (cert, key): (P, P),
) -> Result<Identity, UsageError> {
    let (cert, key) = (cert.as_ref(), key.as_ref());
    let chain = certificates(options.0, cert)?;
    Identity::new(provider, chain, private_key(options.1, key)?).map_err(|error| {
        let with = if options.0 == options.1 { "key" } else { options.1 };
        UsageError::new(options.0, format!("{} with {with} {}: {error}", cert.display(), key.display()))
    })
}

// --- files ---

/// All certificates of a file, at least one.
fn certificates(option: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, UsageError> {
    all_of(option, file, CERTIFICATE)
}

/// All public keys of a file, at least one.
fn public_keys(option: &str, file: &Path) -> Result<Vec<SubjectPublicKeyInfoDer<'static>>, UsageError> {
    let found: Vec<SubjectPublicKeyInfoDer<'_>> = all_of(option, file, PUBLIC_KEY)?;
    if found.iter().any(|key| SubjectPublicKey::read(key).is_err()) {
        return Err(file_problem(option, file, &"what it has for a PUBLIC KEY cannot be read as one; write it anew"));
    }
    Ok(found)
}

fn private_key(option: &str, file: &Path) -> Result<PrivateKeyDer<'static>, UsageError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| pem_problem(option, file, PRIVATE_KEY, error))
}

/// An OCSP response, as far as can be told without looking into it.
fn ocsp_response(file: &Path) -> Result<Vec<u8>, UsageError> {
    /// How every structure in DER begins.
    const SEQUENCE: u8 = 0x30;
    let option = "--ocsp";
    let problem = |error| file_problem(option, file, &format!("{error}; give a file that can be read"));
    let response = fs::read(file).map_err(problem)?;
    if response.first() != Some(&SEQUENCE) {
        return Err(file_problem(option, file, &"no OCSP response in DER; give what `openssl ocsp -respout` writes"));
    }
    Ok(response)
}

fn all_of<T: PemObject>(option: &str, file: &Path, kind: &str) -> Result<Vec<T>, UsageError> {
    let problem = |error| pem_problem(option, file, kind, error);
    let found: Vec<_> = T::pem_file_iter(file).map_err(problem)?.collect::<Result<_, _>>().map_err(problem)?;
    if found.is_empty() { Err(problem(pem::Error::NoItemsFound)) } else { Ok(found) }
}

/// What stands behind `-----BEGIN`.
const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";
const PUBLIC_KEY: &str = "PUBLIC KEY";

fn pem_problem(option: &str, file: &Path, kind: &str, error: pem::Error) -> UsageError {
    match error {
        pem::Error::NoItemsFound => missing(option, file, kind),
        pem::Error::Io(error) => file_problem(option, file, &format!("{error}; give a file that can be read")),
        other => file_problem(option, file, &format!("not well-formed PEM ({other}); write it anew")),
    }
}

/// Says what was looked for and, where it is likely to be a mix-up, what is there instead.
fn missing(option: &str, file: &Path, kind: &str) -> UsageError {
    let has_certificate = || CertificateDer::from_pem_file(file).is_ok();
    let has_public_key = || SubjectPublicKeyInfoDer::from_pem_file(file).is_ok();
    if kind == PUBLIC_KEY && has_certificate() {
        let problem = "it has a certificate and no PUBLIC KEY, which is what --raw-public-key takes; give public_key.pem of \
                       `dtls cert`, or what `openssl x509 -noout -pubkey` writes";
        return file_problem(option, file, &problem);
    }
    if option == "--pin" && has_public_key() {
        let problem =
            "it has a public key and no CERTIFICATE; give --raw-public-key as well, or the peer's certificate";
        return file_problem(option, file, &problem);
    }
    file_problem(option, file, &format!("there is no {kind} in it; give a file in PEM, -----BEGIN {kind}-----"))
}

fn file_problem(option: &str, file: &Path, problem: &dyn Display) -> UsageError {
    UsageError::new(option, format!("{}: {problem}", file.display()))
}

// --- settings ---

/// The suites with short tags only where they are asked for by name: they bear few forgeries.
fn provider(common: &CommonArgs) -> CryptoProvider {
    let provider = ccm::with_ccm(ring::provider());
    let is_short = |suite: &CipherSuiteId| suite.name().is_some_and(|name| name.contains("_CCM_8"));
    if common.suites.iter().flatten().any(is_short) { ccm::with_ccm_8(provider) } else { provider }
}

/// What the options change.
fn settings(common: &CommonArgs) -> Result<impl Fn(&mut Settings), UsageError> {
    let key_log = match common.keylog() {
        Some((option, file)) => Some(Arc::new(
            KeyLogFile::append(&file)
                .map_err(|error| file_problem(option, &file, &format!("{error}; name a file that can be written")))?,
        )),
        None => None,
    };
    Ok(move |settings: &mut Settings| {
        if let Some(suites) = &common.suites {
            settings.cipher_suites.clone_from(suites);
        }
        if let Some(groups) = &common.groups {
            settings.groups.clone_from(groups);
        }
        if let Some(schemes) = &common.signature_schemes {
            settings.signature_schemes.clone_from(schemes);
        }
        settings.alpn = common.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        settings.srtp_profiles.clone_from(&common.srtp);
        settings.srtp_mki = common.mki.as_ref().map(|mki| mki.0.clone()).unwrap_or_default();
        settings.extended_master_secret = match common.ems {
            Ems::Require => ExtendedMasterSecret::Require,
            Ems::Prefer => ExtendedMasterSecret::Prefer,
            Ems::Off => ExtendedMasterSecret::Off,
        };
        settings.connection_id = match common.cid {
            None => ConnectionIdUse::Off,
            Some(0) => ConnectionIdUse::PeersOnly,
            Some(len) => ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(len))),
        };
        settings.record_size_limit = common.record_size_limit;
        settings.max_fragment_length = common.max_fragment_length;
        settings.mtu = common.mtu;
        settings.first_timeout = common.first_timeout;
        settings.handshake_timeout = common.handshake_timeout;
        if let Some(key_log) = &key_log {
            settings.key_log = Some(Arc::<KeyLogFile>::clone(key_log));
        }
    })
}

/// The engine's complaint with the option that caused it.
fn blame(error: &ConfigError) -> UsageError {
    let option = match error {
        ConfigError::Empty { field } | ConfigError::Duplicate { field } | ConfigError::TooLong { field } => {
            option_of(field)
        }
        ConfigError::IdentityCannotSign { field } | ConfigError::Timeouts { field } => option_of(field),
        ConfigError::ApplicationProtocolLength => "--alpn",
        ConfigError::Mtu => "--mtu",
        ConfigError::ClientAuthenticationNeedsIdentity => "--client-auth",
        ConfigError::RecordSizeLimit => "--record-size-limit",
        ConfigError::UnknownCipherSuite(_) => "--suites",
        ConfigError::NoUsableCipherSuite => {
            return UsageError::new(
                "--suites",
                "none of them can be used with the key of --key or --sni; ECDHE_ECDSA suites take ECDSA and Ed25519 keys, \
                 ECDHE_RSA suites RSA keys",
            );
        }
        ConfigError::UnknownGroup(_) => "--groups",
        ConfigError::UnknownSignatureScheme(_) => "--signature-schemes",
        ConfigError::ServerNameRequired => "--name",
        _ => "OPTIONS",
    };
    UsageError::new(option, error)
}

/// The option that sets a field of [`Settings`].
fn option_of(field: &str) -> &'static str {
    match field {
        "cipher_suites" => "--suites",
        "groups" => "--groups",
        "signature_schemes" => "--signature-schemes",
        "alpn" => "--alpn",
        "srtp_profiles" => "--srtp",
        "srtp_mki" => "--mki",
        "psk_hint" => "--psk-hint",
        "client_authentication" => "--ca",
        "first_timeout" => "--first-timeout",
        "handshake_timeout" => "--handshake-timeout",
        _ => "OPTIONS",
    }
}
