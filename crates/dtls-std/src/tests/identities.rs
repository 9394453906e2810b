//! Certificates from files, and certificates that change.

use std::fs;
use std::path::PathBuf;

use dtls_core::config::ClientAuthentication;
use dtls_core::crypto::{IdentityError, PinnedPublicKeys};
use rustls_pki_types::pem;

use super::*;
use crate::{Content, LoadError, load_bare_identity, load_certificates, load_identity, load_public_keys};

/// A folder of its own for one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dtls-std-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, content).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_stands_in_files_serves() {
    let folder = Folder::new("identity");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = folder.file("cert.pem", &made.cert.pem());
    let key = folder.file("key.pem", &made.signing_key.serialize_pem());
    let provider = Arc::new(ring::provider());
    let identity = load_identity(&provider, &cert, &key).unwrap();
    let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).build().unwrap();
    let endpoint = listen("127.0.0.1:0", Arc::new(server)).unwrap();
    let trust = Arc::new(PinnedCertificates::new(load_certificates(&cert).unwrap()).unwrap());
    let client = ClientConfig::builder(provider).trust(trust).without_identity().build().unwrap();
    let client = connect(endpoint.local_addr(), None, Arc::new(client)).unwrap();
    assert_eq!(client.peer_certificate(), Some(made.cert.der()));
}

#[test]
fn bare_keys_that_stand_in_files_serve_both_sides() {
    let folder = Folder::new("bare");
    let provider = Arc::new(ring::provider());
    let party = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = folder.file(&format!("{name}-key.pem"), &made.signing_key.serialize_pem());
        // Behind another, to be found.
        let other = rcgen::KeyPair::generate().unwrap().public_key_pem();
        let public = other + &made.signing_key.public_key_pem();
        let public = load_public_keys(folder.file(&format!("{name}.pem"), &public)).unwrap();
        assert_eq!(public.len(), 2);
        (load_bare_identity(&provider, key).unwrap(), public)
    };
    let ((alice, alices), (bob, bobs)) = (party("alice"), party("bob"));
    let pinned = |keys: &Vec<_>| Arc::new(PinnedPublicKeys::new(keys.clone()).unwrap());
    let server = ServerConfig::builder(Arc::clone(&provider)).identity(bob);
    let server = server.client_authentication(ClientAuthentication::Request(pinned(&alices))).build().unwrap();
    let endpoint = listen("127.0.0.1:0", Arc::new(server)).unwrap();
    let client = ClientConfig::builder(Arc::clone(&provider)).trust(pinned(&bobs)).identity(alice).build().unwrap();
    let client = connect(endpoint.local_addr(), None, Arc::new(client)).unwrap();
    let server = accept(&endpoint);
    assert_eq!(client.peer_raw_public_key(), bobs.get(1));
    assert_eq!(server.peer_raw_public_key(), alices.get(1));
    assert!(client.authorized() && server.authorized());
    assert!(client.peer_certificate().is_none() && server.peer_certificate().is_none());
    let anonymous = ClientConfig::builder(provider).trust(pinned(&bobs)).without_identity().build().unwrap();
    let _anonymous = connect(endpoint.local_addr(), None, Arc::new(anonymous)).unwrap();
    assert!(!accept(&endpoint).authorized());
}

#[test]
fn what_is_wrong_with_a_public_key_is_said_with_the_name_of_its_file() {
    let folder = Folder::new("wrong-public");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = folder.file("cert.pem", &made.cert.pem());
    let body = |pem: &str| pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let [public, private] = [made.signing_key.public_key_pem(), made.signing_key.serialize_pem()].map(|pem| body(&pem));
    let mislabelled =
        folder.file("no-key.pem", &format!("-----BEGIN PUBLIC KEY-----\n{private}\n-----END PUBLIC KEY-----\n"));
    let one_is_cut = made.signing_key.public_key_pem()
        + &format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", &public[..100]);
    let cut = folder.file("cut.pem", &one_is_cut);
    let said = |error: &LoadError, file: &PathBuf, cure: &str| {
        let text = error.to_string();
        assert!(text.contains(file.to_str().unwrap()) && text.contains(cure), "{text}");
    };
    let error = load_public_keys(&cert).unwrap_err();
    assert!(matches!(error, LoadError::Missing { content: Content::PublicKey, .. }), "{error:?}");
    said(&error, &cert, "openssl x509 -noout -pubkey");
    for file in [mislabelled, cut] {
        let error = load_public_keys(&file).unwrap_err();
        assert!(matches!(error, LoadError::NotAPublicKey { .. }), "{error:?}");
        said(&error, &file, "write it anew");
    }
    let provider = ring::provider();
    let error = load_bare_identity(&provider, &cert).unwrap_err();
    assert!(matches!(error, LoadError::Missing { content: Content::PrivateKey, .. }), "{error:?}");
    let wrong =
        folder.file("wrong.pem", &format!("-----BEGIN PRIVATE KEY-----\n{public}\n-----END PRIVATE KEY-----\n"));
    let error = load_bare_identity(&provider, &wrong).unwrap_err();
    assert!(matches!(error, LoadError::NotABareIdentity { error: IdentityError::KeyUnusable, .. }), "{error:?}");
    said(&error, &wrong, "give an unencrypted");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let folder = Folder::new("wrong");
    let [one, two] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let cert = folder.file("cert.pem", &one.cert.pem());
    let key = folder.file("key.pem", &two.signing_key.serialize_pem());
    let broken = folder.file("broken.pem", "-----BEGIN CERTIFICATE-----\nAA!A\n-----END CERTIFICATE-----\n");
    let absent = folder.0.join("absent.pem");
    let provider = ring::provider();
    let load = |cert: &PathBuf, key: &PathBuf| load_identity(&provider, cert, key).unwrap_err();
    let named = |error: &LoadError, file: &PathBuf| error.to_string().contains(file.to_str().unwrap());

    let error = load(&cert, &key);
    assert!(matches!(error, LoadError::NotAnIdentity { error: IdentityError::KeyIsNotTheLeafs, .. }));
    assert!(named(&error, &cert) && named(&error, &key));
    let error = load(&key, &key);
    assert!(matches!(error, LoadError::Missing { content: Content::Certificate, .. }) && named(&error, &key));
    let error = load(&cert, &cert);
    assert!(matches!(error, LoadError::Missing { content: Content::PrivateKey, .. }) && named(&error, &cert));
    let error = load(&absent, &key);
    assert!(matches!(error, LoadError::Unreadable { .. }) && named(&error, &absent));
    let error = load(&broken, &key);
    assert!(matches!(error, LoadError::Malformed { error: pem::Error::Base64Decode(_), .. }), "{error:?}");
    assert!(named(&error, &broken));
}

#[test]
fn renewed_certificates_are_shown_to_whoever_comes_and_nobody_is_dropped() {
    let (old, new) = (Party::new(), Party::new());
    let endpoint = old.listen();
    let (client, server) = old.pair(&endpoint);
    endpoint.set_server_config(new.server());
    let (later, _later) = new.pair(&endpoint);
    assert_eq!(later.peer_certificate(), Some(&new.certificate));
    assert!(connect(endpoint.local_addr(), None, old.client()).is_err());
    client.send(b"still there?").unwrap();
    assert_eq!(receive(&server), b"still there?");
    assert_eq!(client.peer_certificate(), Some(&old.certificate));
}
