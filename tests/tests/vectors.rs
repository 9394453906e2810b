//! Known answers for what keys are made of: the PRF, the extended master secret, the exporter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use core::fmt;
use std::sync::{Arc, Mutex};

use dtls_core::config::KeyLog;
use dtls_core::crypto::{HashAlgorithm, MasterSecret, PreMasterSecret, prf, ring};
use dtls_core::wire::codec::Decode as _;
use dtls_core::wire::enums::HandshakeType;
use dtls_core::wire::enums::{CipherSuiteId, SrtpProfile};
use dtls_core::wire::hello::{ClientHello, ServerHello};
use dtls_tests::raw;
use dtls_tests::scenario::{CLIENT_END, SERVER_END, Scenario, run_handshake};
use dtls_tests::sim::network::Clean;

fn hash(name: &str) -> &'static dyn HashAlgorithm {
    ring::provider().cipher_suites.iter().map(|suite| suite.hash).find(|hash| hash.name() == name).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

struct Case {
    hash: &'static str,
    pre_master_secret: &'static str,
    session_hash: &'static str,
    client_random: &'static str,
    server_random: &'static str,
    master_secret: &'static str,
    key_block: &'static str,
}

// ACVP "TLS-v1.2" KDF of revision RFC7627, as distributed with BoringSSL (TLS12.vectors.json and TLS12.expected.json): one
// case of each hash, tcId 11 and 31.
const CASES: [Case; 2] = [
    Case {
        hash: "SHA-256",
        pre_master_secret: "23c9d8d88575378f5f8009bb596be6815f5d96a3b633467712e1a22405a73482192ec19f5b1273832cb9663e7e66cb28",
        session_hash: "9f395b2cec7548b4785dd555b9d9b315ec880233f70654e986366248fd766cc4",
        client_random: "8d5a49ecff49fd0fefce10fe246f88ae8c2b8802666fe5af1f175f2036f10f7c",
        server_random: "66321715222702416ca015eca33ee91c2b76f6667009ba9bb6cc5211237b671a",
        master_secret: "3a43bb93200224518942279b01cbe0c04398c6da15232bfb4790b52f15fa563048360312c9958e788c74a19a2f16465e",
        key_block: "12562ee7021c315e0b23ccd6daac537b47741a2fb61717c83c76ee203b27ccd4cb7864044cdd22c4a77bd2dc163cb2ed0823\
                    51a11cb9c1af1893f833058382f5e0e1e16ec79f7f04cd670fb1f38259561f0d2cfd2525f51a1cc1bcf065022493b35565cb\
                    a3e216466a3b85f7f5785a99d1d964a5a1c414e6ccc14ca68d80a319",
    },
    Case {
        hash: "SHA-384",
        pre_master_secret: "86d4c4505eb4b275bddbd62f7a368638427bf2cd4341b575ae00a7f34e06088e3af6dd916898e28078bf4656a204c2cd",
        session_hash: "fab73aa9d9b80f3d7acaceff0eb2bae0b15ea2f240d9492db70b7ba70b3055678eaa7b05a02c56c22648bd77acf2be91",
        client_random: "f20e31c397cdb58b988e9cc84ac07bf8203307e42e7f3ab315dfc994faf62607",
        server_random: "825247fbde6e5d986b316d7a2ee198dc36969b4fc45b9dda171d63abcb38df91",
        master_secret: "0020134a8a8a830082674842e91bd090e695f06685298ff2fe4fc6598fd0ce2f2920faf1127b6f6745f33527a9c6a131",
        key_block: "0e4f3d3a50bf595aa110edfebce1ee84b8cf95787e0a57f1bc66d25c0ac2c723fb8af0ca1a1a934a1209cfaba51b022bca27\
                    d4d56b875f516157b28e0fda285a097358bc56ca8ae5966fc9dad0241dd9c77b6d2ac55706350eade2c5fc139cb704412665\
                    c3595fa4104746858427054869d50eeaa212e0732cce09904f8badf0",
    },
];

#[test]
fn the_extended_master_secret_is_that_of_acvp() {
    for case in &CASES {
        let secret = PreMasterSecret::new(unhex(case.pre_master_secret));
        let label = b"extended master secret";
        let master = MasterSecret::derive(hash(case.hash), &secret, label, &[&unhex(case.session_hash)]);
        assert_eq!(hex::encode(master.as_bytes()), case.master_secret);
    }
}

#[test]
fn the_prf_expands_keys_like_acvp() {
    for case in &CASES {
        let mut block = vec![0; 128];
        let seed = [unhex(case.server_random), unhex(case.client_random)].concat();
        prf(hash(case.hash), &unhex(case.master_secret), b"key expansion", &[&seed], &mut block);
        assert_eq!(hex::encode(block), case.key_block);
    }
}

// --- exporters ---

/// Keeps the master secret of a session.
#[derive(Default)]
struct Secrets(Mutex<Vec<Line>>);

/// Label, client random, secret.
type Line = (String, [u8; 32], Vec<u8>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]) {
        self.0.lock().unwrap().push((label.to_owned(), *client_random, secret.to_vec()));
    }
}

#[test]
fn both_sides_log_one_secret_and_export_what_the_rfc_makes_of_it() {
    for suite in
        [CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]
    {
        let secrets = Arc::new(Secrets::default());
        let log = Arc::clone(&secrets);
        let scenario =
            Scenario::new(5).suite(suite).configure(move |settings| settings.key_log = Some(Arc::clone(&log) as _));
        let mut world = scenario.start(Clean);
        run_handshake(&mut world);
        // The randoms as anyone can see them on the wire.
        let mut randoms = [[0; 32]; 2];
        for (header, body) in [CLIENT_END, SERVER_END]
            .iter()
            .flat_map(|id| world.sent_by(*id))
            .flat_map(raw::pieces)
            .flat_map(|piece| piece.fragments())
        {
            match header.typ {
                HandshakeType::CLIENT_HELLO => randoms[0] = ClientHello::decode_all(&body).unwrap().random.0,
                HandshakeType::SERVER_HELLO => randoms[1] = ServerHello::decode_all(&body).unwrap().random.0,
                _ => {}
            }
        }
        let logged = secrets.0.lock().unwrap().clone();
        assert_eq!(logged.len(), 2);
        assert_eq!(logged[0], logged[1]);
        let (label, client_random, master) = &logged[0];
        assert_eq!((label.as_str(), *client_random, master.len()), ("CLIENT_RANDOM", randoms[0], 48));
        let hash = world.end(CLIENT_END).connection.info().unwrap().cipher_suite;
        let hash = *ring::provider().cipher_suite(hash).unwrap();
        for context in [None, Some(&b""[..]), Some(&b"a context"[..]), Some(&[7; 65_535])] {
            let mut seed = randoms.concat();
            if let Some(context) = context {
                seed.extend(u16::try_from(context.len()).unwrap().to_be_bytes());
                seed.extend(context);
            }
            let mut expected = [0; 77];
            prf(hash.hash, master, b"EXPORTER-test", &[&seed], &mut expected);
            for id in [CLIENT_END, SERVER_END] {
                let mut exported = [0; 77];
                world.end(id).connection.export(b"EXPORTER-test", context, &mut exported).unwrap();
                assert_eq!(exported, expected);
            }
        }
    }
}

#[test]
fn srtp_keys_are_the_exporters_bytes_in_the_order_of_the_rfc() {
    for (profile, key, salt) in [
        (SrtpProfile::AES128_CM_HMAC_SHA1_80, 16, 14),
        (SrtpProfile::AES128_CM_HMAC_SHA1_32, 16, 14),
        (SrtpProfile::AEAD_AES_128_GCM, 16, 12),
        (SrtpProfile::AEAD_AES_256_GCM, 32, 12),
    ] {
        let scenario = Scenario::new(6).configure(move |settings| settings.srtp_profiles = vec![profile]);
        let world = scenario.connected();
        let mut bytes = vec![0; 2 * (key + salt)];
        world.end(CLIENT_END).connection.export(b"EXTRACTOR-dtls_srtp", None, &mut bytes).unwrap();
        let (keys, salts) = bytes.split_at(2 * key);
        let client = world.end(CLIENT_END).connection.srtp_keys().unwrap();
        let server = world.end(SERVER_END).connection.srtp_keys().unwrap();
        assert_eq!((client.local_key(), client.local_salt()), (&keys[..key], &salts[..salt]));
        assert_eq!((client.remote_key(), client.remote_salt()), (&keys[key..], &salts[salt..]));
        assert_eq!((server.remote_key(), server.remote_salt()), (&keys[..key], &salts[..salt]));
        assert_eq!((server.local_key(), server.local_salt()), (&keys[key..], &salts[salt..]));
    }
}
