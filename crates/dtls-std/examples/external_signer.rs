//! A server whose private key is elsewhere: in a thread that stands for a hardware module, and does not let go of it.
//!
//! `cargo run --example external_signer`. It ends by itself when the client has its echo.

use core::error::Error;
use core::time::Duration;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use dtls_std::dtls_core::crypto::{
    CryptoError, CryptoProvider, Identity, PinnedCertificates, SigningKey, SuiteAuthentication, ring,
};
use dtls_std::dtls_core::wire::enums::SignatureScheme;
use dtls_std::{Answer, ClientConfig, Deciders, Options, Question, ServerConfig, connect, listen_with};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

// --- the module ---

/// What the module is asked to do.
struct Job {
    scheme: SignatureScheme,
    message: Vec<u8>,
    reply: Sender<Vec<u8>>,
}

/// Starts a module that has made a key: gives its certificate, and where to send jobs to. It ends when nobody can send it
/// any more.
fn start_module(provider: &CryptoProvider) -> Result<(CertificateDer<'static>, Sender<Job>), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = provider.key_loader.load(&PrivateKeyDer::try_from(made.signing_key.serialize_der())?)?;
    let (jobs, to_do) = mpsc::channel();
    thread::spawn(move || {
        for Job { scheme, message, reply } in to_do {
            let mut signature = Vec::new();
            if key.sign(scheme, &message, &mut signature).is_ok() {
                let _ = writeln!(io::stdout(), "the module has signed {} bytes under {scheme}", message.len());
                let _ = reply.send(signature);
            }
        }
    });
    Ok((made.cert.der().clone(), jobs))
}

// --- the server ---

/// The key as the server knows it: what it is good for, and that somebody else signs.
#[derive(Debug)]
struct KeyInModule;

impl SigningKey for KeyInModule {
    fn schemes(&self) -> &[SignatureScheme] {
        &[SignatureScheme::ECDSA_SECP256R1_SHA256]
    }

    fn kind(&self) -> SuiteAuthentication {
        SuiteAuthentication::Ecdsa
    }

    /// It stands in the certificate.
    fn public_key(&self) -> Option<&[u8]> {
        None
    }

    /// Never called: [`defers`](Self::defers) says so.
    fn sign(&self, _: SignatureScheme, _: &[u8], _: &mut Vec<u8>) -> Result<(), CryptoError> {
        Err(CryptoError)
    }

    fn defers(&self) -> bool {
        true
    }
}

/// Has the module sign. One at a time, since it does no more at once; handshakes wait in line, and nothing else does.
fn deciders(jobs: Sender<Job>) -> Deciders {
    const PATIENCE: Duration = Duration::from_secs(5);
    Deciders::new(1, move |_, question| {
        let Question::Signature { scheme, message, .. } = question else { return Answer::Failed };
        let (reply, signature) = mpsc::channel();
        let sent = jobs.send(Job { scheme, message: message.to_vec(), reply });
        let signature = sent.ok().and_then(|()| signature.recv_timeout(PATIENCE).ok());
        // A signature is verified before it is sent: a module that has gone wrong ends the handshake and no more.
        signature.map_or(Answer::Failed, Answer::Signature)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let provider = Arc::new(ring::provider());
    let (certificate, jobs) = start_module(&provider)?;
    let trust = Arc::new(PinnedCertificates::new([certificate.clone()])?);

    let identity = Identity::with_signer(vec![certificate], Arc::new(KeyInModule))?;
    let config = ServerConfig::builder(Arc::clone(&provider)).identity(identity).build()?;
    let options = Options { deciders: Some(deciders(jobs)), ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", Arc::new(config), options)?;
    let address = endpoint.local_addr();
    let serving = thread::spawn(move || {
        let Ok(session) = endpoint.accept() else { return };
        while let Ok(datagram) = session.recv_vec() {
            let _ = session.send(&datagram);
        }
    });

    let config = ClientConfig::builder(provider).trust(trust).without_identity().build()?;
    let session = connect(address, None, Arc::new(config))?;
    session.send(b"hello")?;
    writeln!(io::stdout(), "{}", String::from_utf8_lossy(&session.recv_vec()?))?;
    session.close();
    serving.join().map_err(|_| "the server has panicked")?;
    Ok(())
}
