//! A CA and the certificates of both sides, made by openssl once a run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{fs, process};

use dtls_core::crypto::ring;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

use super::dtls;

/// The files of one run.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
}

impl Authority {
    /// The one of this process, made when it is first asked for.
    ///
    /// # Panics
    /// If the files cannot be made: without them there is nothing to test.
    pub fn of_this_run() -> &'static Self {
        static AUTHORITY: OnceLock<Authority> = OnceLock::new();
        AUTHORITY.get_or_init(Self::establish)
    }

    /// The root that both sides trust.
    #[must_use]
    pub fn ca(&self) -> String {
        self.file("ca.pem")
    }

    /// A root that signed nobody.
    #[must_use]
    pub fn strange_ca(&self) -> String {
        self.file("strange-ca.pem")
    }

    /// A file in the directory of this run; it need not be there yet.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// What openssl is told instead of the machine's own configuration.
    #[must_use]
    pub fn openssl_configuration(&self) -> String {
        self.file("openssl.cnf")
    }

    fn establish() -> Self {
        let runs = dtls::target_directory().join("tmp").join("interop");
        remove_old_runs(&runs);
        let directory = runs.join(process::id().to_string());
        fs::create_dir_all(&directory).expect("a directory for certificates");
        let authority = Self { directory };
        authority.write("openssl.cnf", "[req]\ndistinguished_name = name\n[name]\n");
        authority.root("ca");
        authority.root("strange-ca");
        authority.intermediate();
        for kind in KeyKind::ALL {
            authority.leaf(Leaf::Server(kind), "DNS:localhost, IP:127.0.0.1");
            authority.leaf(Leaf::Client(kind), "DNS:client.example");
        }
        authority.leaf(Leaf::ServerByName, "DNS:localhost");
        authority.leaf(Leaf::ServerElsewhere, "DNS:elsewhere.example, IP:192.0.2.1");
        authority.leaf(Leaf::ServerOfIntermediate, "DNS:localhost, IP:127.0.0.1");
        authority.leaf(Leaf::ClientOfIntermediate, "DNS:client.example");
        authority.leaf(Leaf::StrangeClient, "DNS:client.example");
        authority
    }

    fn root(&self, name: &str) {
        self.key(name, KeyKind::Ecdsa);
        let (key, cert, subject) =
            (self.file(&format!("{name}.key")), self.file(&format!("{name}.pem")), format!("/CN=Test {name}"));
        let extensions =
            ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign", "subjectKeyIdentifier=hash"];
        let mut args = vec!["req", "-x509", "-new", "-key", &key, "-subj", &subject, "-days", "30", "-out", &cert];
        args.extend(extensions.iter().flat_map(|extension| ["-addext", *extension]));
        self.openssl(&args);
    }

    /// Its key is of another kind than that of the root.
    fn intermediate(&self) {
        let extensions = "basicConstraints = critical,CA:true\nkeyUsage = critical,keyCertSign\n\
                          subjectKeyIdentifier = hash\n";
        self.certificate(INTERMEDIATE, KeyKind::Rsa, "ca", extensions);
    }

    fn leaf(&self, leaf: Leaf, alternative_names: &str) {
        let (name, issuer) = (leaf.file_name(), leaf.issuer());
        let extensions = format!(
            "basicConstraints = CA:false\nkeyUsage = digitalSignature\nextendedKeyUsage = {}\n\
             subjectAltName = {alternative_names}\n",
            leaf.usage(),
        );
        self.certificate(&name, leaf.kind(), issuer, &extensions);
        if issuer == INTERMEDIATE {
            // The chain, leaf first.
            let cert = format!("{name}.pem");
            let chain =
                [&cert, "intermediate.pem"].map(|file| fs::read_to_string(self.file(file)).expect("a certificate"));
            self.write(&cert, &chain.concat());
        }
    }

    fn certificate(&self, name: &str, kind: KeyKind, issuer: &str, extensions: &str) {
        self.key(name, kind);
        self.write(&format!("{name}.ext"), extensions);
        let [key, request, extensions, cert] =
            ["key", "csr", "ext", "pem"].map(|ending| self.file(&format!("{name}.{ending}")));
        let [issuer_cert, issuer_key] = ["pem", "key"].map(|ending| self.file(&format!("{issuer}.{ending}")));
        let subject = format!("/CN={name}");
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &issuer_cert,
            "-CAkey",
            &issuer_key,
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            &extensions,
            "-out",
            &cert,
        ]);
    }

    fn key(&self, name: &str, kind: KeyKind) {
        let file = self.file(&format!("{name}.key"));
        let algorithm: &[&str] = match kind {
            KeyKind::Ecdsa => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            KeyKind::Rsa => &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            KeyKind::Ed25519 => &["ED25519"],
        };
        self.openssl(&[&["genpkey", "-out", &file, "-algorithm"], algorithm].concat());
        self.openssl(&["pkey", "-in", &file, "-pubout", "-out", &self.file(&format!("{name}.pub"))]);
    }

    /// What the CA, as its own OCSP responder, says of a certificate: the file of a response in DER.
    ///
    /// # Panics
    /// If openssl does not make one.
    #[must_use]
    pub fn ocsp_response(&self, leaf: Leaf) -> String {
        let name = leaf.file_name();
        let [cert, _] = leaf.files();
        let [ca, ca_key] = ["ca.pem", "ca.key"].map(|name| self.file(name));
        let [index, request, response] =
            ["index", "ocsp-request", "ocsp"].map(|ending| self.file(&format!("{name}.{ending}")));
        let serial = self.openssl(&["x509", "-in", &cert, "-noout", "-serial"]);
        let serial = serial.trim().strip_prefix("serial=").expect("a serial number");
        // Valid, and for longer than this run.
        self.write(&format!("{name}.index"), &format!("V\t491231235959Z\t\t{serial}\tunknown\t/CN={name}\n"));
        self.openssl(&["ocsp", "-issuer", &ca, "-cert", &cert, "-no_nonce", "-reqout", &request]);
        let mut answer = vec!["ocsp", "-index", &index, "-CA", &ca, "-rsigner", &ca, "-rkey", &ca_key];
        answer.extend(["-reqin", &request, "-ndays", "1", "-respout", &response]);
        self.openssl(&answer);
        response
    }

    /// What it has printed.
    fn openssl(&self, args: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.args(args).env("OPENSSL_CONF", self.openssl_configuration()).stdin(Stdio::null());
        let output = command.output().expect("openssl starts");
        assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("a file can be written");
    }
}

/// A certificate with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// Of a server called localhost, at 127.0.0.1.
    Server(KeyKind),
    /// Of a server called localhost, without its address.
    ServerByName,
    /// Of a server called otherwise.
    ServerElsewhere,
    /// Of a server called localhost, by a CA below the root: a chain of two.
    ServerOfIntermediate,
    /// Of a client.
    Client(KeyKind),
    /// Of a client, by a CA below the root: a chain of two.
    ClientOfIntermediate,
    /// Of a client whose CA nobody trusts.
    StrangeClient,
}

impl Leaf {
    /// The PEM file of the certificate and that of its key.
    #[must_use]
    pub fn files(self) -> [String; 2] {
        ["pem", "key"].map(|ending| Authority::of_this_run().file(&format!("{}.{ending}", self.file_name())))
    }

    /// The PEM file of the public key.
    #[must_use]
    pub fn public_key(self) -> String {
        Authority::of_this_run().file(&format!("{}.pub", self.file_name()))
    }

    /// The SHA-256 of the public key's `SubjectPublicKeyInfo` in DER.
    ///
    /// # Panics
    /// If the file cannot be read.
    #[must_use]
    pub fn public_key_hash(self) -> Vec<u8> {
        let pem = fs::read(self.public_key()).expect("the file of a public key");
        let key = SubjectPublicKeyInfoDer::from_pem_slice(&pem).expect("a public key in PEM");
        ring::provider().sha256.hash(&key).as_ref().to_vec()
    }

    /// The kind of its key.
    #[must_use]
    pub const fn kind(self) -> KeyKind {
        match self {
            Self::Server(kind) | Self::Client(kind) => kind,
            Self::ServerByName
            | Self::ServerElsewhere
            | Self::ServerOfIntermediate
            | Self::ClientOfIntermediate
            | Self::StrangeClient => KeyKind::Ecdsa,
        }
    }

    fn file_name(self) -> String {
        match self {
            Self::Server(kind) => format!("server-{}", kind.name()),
            Self::ServerByName => "server-by-name".to_owned(),
            Self::ServerElsewhere => "server-elsewhere".to_owned(),
            Self::ServerOfIntermediate => "server-of-intermediate".to_owned(),
            Self::Client(kind) => format!("client-{}", kind.name()),
            Self::ClientOfIntermediate => "client-of-intermediate".to_owned(),
            Self::StrangeClient => "strange-client".to_owned(),
        }
    }

    const fn issuer(self) -> &'static str {
        match self {
            Self::ServerOfIntermediate | Self::ClientOfIntermediate => INTERMEDIATE,
            Self::StrangeClient => "strange-ca",
            Self::Server(_) | Self::ServerByName | Self::ServerElsewhere | Self::Client(_) => "ca",
        }
    }

    const fn usage(self) -> &'static str {
        match self {
            Self::Server(_) | Self::ServerByName | Self::ServerElsewhere | Self::ServerOfIntermediate => "serverAuth",
            Self::Client(_) | Self::ClientOfIntermediate | Self::StrangeClient => "clientAuth",
        }
    }
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA of 2048 bits.
    Rsa,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ecdsa, Self::Rsa, Self::Ed25519];

    /// A word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// How the names of the signature schemes begin that such a key can make.
    #[must_use]
    pub const fn scheme_prefix(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa_secp256r1_",
            Self::Rsa => "rsa_",
            Self::Ed25519 => "ed25519",
        }
    }
}

const INTERMEDIATE: &str = "intermediate";

/// Runs leave their files behind, to be looked at; those of more than an hour ago nobody will look at.
fn remove_old_runs(runs: &Path) {
    for run in fs::read_dir(runs).into_iter().flatten().flatten() {
        let age = run.metadata().ok().and_then(|data| data.modified().ok()).and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() > 3600) {
            // Another run may be at it.
            let _ = fs::remove_dir_all(run.path());
        }
    }
}
