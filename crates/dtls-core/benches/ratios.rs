//! What the engine costs beyond the cryptography it must do, as ratios measured in one run.
//!
//! Absolute times differ from machine to machine and from minute to minute; a ratio of two things measured in turn
//! does not. Each line is the median over many short, alternating measurements.
//!
//! `cargo bench -p dtls-core --bench ratios`, and with AES-CCM `--features ccm`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark may stop and looks at the clock"
)]

use core::hint::black_box;
use core::time::Duration;
use std::time::Instant as Clock;

use dtls_core::Instant;
use dtls_core::wire::enums::{CipherSuiteId, NamedGroup};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

mod pair;
mod resumed;

use pair::Configs;

fn main() {
    println!("seal + open, one record, beside the same AEAD called directly\n");
    println!("{:<48} {:>6} {:>9} {:>9} {:>8}   aim", "suite", "bytes", "direct", "engine", "ratio");
    for (suite, algorithm) in [
        (CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, &AES_128_GCM),
        (CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, &AES_256_GCM),
        (CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, &CHACHA20_POLY1305),
    ] {
        for len in LENGTHS {
            records(suite, len, &mut by_ring(algorithm, len));
        }
    }
    #[cfg(feature = "ccm")]
    by_ccm::all();
    println!("\nfull handshake, both sides, beside the sum of its primitives\n");
    handshake(NamedGroup::X25519, &X25519);
    handshake(NamedGroup::SECP256R1, &ECDH_P256);
    println!(
        "\nhandshake that resumes a session by a ticket, both sides, beside the sum of its primitives and beside a full one\n"
    );
    resumed::report();
}

const LENGTHS: [usize; 4] = [64, 256, 1200, 16_384];

/// Seals and opens a record's worth by calling ring.
fn by_ring(algorithm: &'static Algorithm, len: usize) -> impl FnMut() {
    let key = || LessSafeKey::new(UnboundKey::new(algorithm, &vec![7; algorithm.key_len()]).expect("a key"));
    let (sealer, opener) = (key(), key());
    let mut counter = 0_u64;
    let mut bare = vec![0x5a; len + 16];
    move || {
        counter += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&counter.to_be_bytes());
        let aad = [0; 13];
        let (text, tag) = bare.split_at_mut(len);
        let made = sealer
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
            .expect("sealed");
        tag.copy_from_slice(made.as_ref());
        let opened = opener.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut bare);
        black_box(opened.expect("opened"));
    }
}

/// The suites whose cryptography is the crate `ccm`, beside that crate.
#[cfg(feature = "ccm")]
mod by_ccm {
    use core::hint::black_box;

    use aes::{Aes128, Aes256};
    use ccm::aead::inout::InOutBuf;
    use ccm::aead::{AeadInOut, KeyInit};
    use ccm::consts::{U8, U12, U16};
    use dtls_core::wire::enums::CipherSuiteId;

    use super::{LENGTHS, records};

    pub(super) fn all() {
        for len in LENGTHS {
            let suite = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM;
            records(suite, len, &mut directly::<ccm::Ccm<Aes128, U16, U12>>(16, 16, len));
        }
        for len in LENGTHS {
            let suite = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_CCM;
            records(suite, len, &mut directly::<ccm::Ccm<Aes256, U16, U12>>(32, 16, len));
        }
        for len in LENGTHS {
            let suite = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
            records(suite, len, &mut directly::<ccm::Ccm<Aes128, U8, U12>>(16, 8, len));
        }
    }

    /// Seals and opens a record's worth.
    fn directly<K: KeyInit + AeadInOut<NonceSize = U12>>(key_len: usize, tag_len: usize, len: usize) -> impl FnMut() {
        let key = || K::new_from_slice(&vec![7; key_len]).expect("a key");
        let (sealer, opener) = (key(), key());
        let mut counter = 0_u64;
        let mut bare = vec![0x5a; len + tag_len];
        move || {
            counter += 1;
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&counter.to_be_bytes());
            let aad = [0; 13];
            let (text, tag) = bare.split_at_mut(len);
            seal(&sealer, &nonce, &aad, text, tag);
            open(&opener, &nonce, &aad, text, tag);
            black_box(&bare);
        }
    }

    // Functions of their own, as they are in the engine.
    #[inline(never)]
    fn seal<K: AeadInOut<NonceSize = U12>>(key: &K, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], tag: &mut [u8]) {
        let made = key.encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(text)).expect("sealed");
        tag.copy_from_slice(&made);
    }

    #[inline(never)]
    fn open<K: AeadInOut<NonceSize = U12>>(key: &K, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], tag: &[u8]) {
        let tag = tag.try_into().expect("a tag");
        key.decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(text), tag).expect("opened");
    }
}

fn records(suite: CipherSuiteId, len: usize, direct: &mut dyn FnMut()) {
    let (mut client, mut server) = Configs::new(suite, NamedGroup::X25519).connect();
    let now = Instant::ORIGIN;
    let payload = vec![0x5a; len];

    let headroom = client.headroom();
    let mut buffer = vec![0; headroom + len + client.tailroom()];
    buffer[headroom..headroom + len].copy_from_slice(&payload);
    let mut in_place = || {
        let datagram = client.seal_in_place(&mut buffer, len).expect("sealed");
        for payload in server.receive(now, &mut buffer[datagram]) {
            black_box(payload);
        }
    };
    report(suite.name().unwrap_or("?"), "in place", len, compare(direct, &mut in_place), aim(len, 1.03));

    let (mut client, mut server) = Configs::new(suite, NamedGroup::X25519).connect();
    let mut out = Vec::with_capacity(len + 64);
    let mut copied = || {
        out.clear();
        client.send(&payload, &mut out).expect("sealed");
        for payload in server.receive(now, &mut out) {
            black_box(payload);
        }
    };
    report("", "copied", len, compare(direct, &mut copied), aim(len, 1.06));
}

const fn aim(len: usize, at_1200: f64) -> f64 {
    if len < 1200 { 1.08 } else { at_1200 }
}

fn report(suite: &str, how: &str, len: usize, (direct, engine, ratio): (Duration, Duration, f64), aim: f64) {
    let label = format!("{suite:<38} {how}");
    println!("{label:<48} {len:>6} {direct:>9.0?} {engine:>9.0?} {ratio:>7.3}x   {aim:.2}x");
}

fn handshake(group: NamedGroup, algorithm: &'static ring::agreement::Algorithm) {
    let configs = Configs::new(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, group);
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
    let signer =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).expect("a key pair");
    let mut primitives = || {
        let client = EphemeralPrivateKey::generate(algorithm, &random).expect("a share");
        let server = EphemeralPrivateKey::generate(algorithm, &random).expect("a share");
        let (client_public, server_public) =
            (client.compute_public_key().expect("public"), server.compute_public_key().expect("public"));
        let signature = signer.sign(&random, &[7; 133]).expect("a signature");
        ring::signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, signer.public_key())
            .verify(&[7; 133], signature.as_ref())
            .expect("verified");
        let agree = |mine, theirs: &ring::agreement::PublicKey| {
            agree_ephemeral(mine, &UnparsedPublicKey::new(algorithm, theirs), |secret| black_box(secret)[0])
                .expect("agreed")
        };
        black_box((agree(client, &server_public), agree(server, &client_public)));
    };
    let mut full = || {
        black_box(configs.connect());
    };
    let (direct, engine, ratio) = compare(&mut primitives, &mut full);
    println!("{:<48} {direct:>16.1?} {engine:>9.1?} {ratio:>7.3}x   1.05x", group.name().unwrap_or("?"));
}

/// Measures both in turn and returns the median time of each and the median of the ratios of neighbours.
fn compare(first: &mut dyn FnMut(), second: &mut dyn FnMut()) -> (Duration, Duration, f64) {
    const ROUNDS: usize = 61;
    let batch = batch_size(first);
    let time = |work: &mut dyn FnMut()| {
        let start = Clock::now();
        for _ in 0..batch {
            work();
        }
        start.elapsed() / batch
    };
    let (mut firsts, mut seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (a, b) = (time(first), time(second));
        firsts.push(a);
        seconds.push(b);
        ratios.push(b.as_secs_f64() / a.as_secs_f64());
    }
    firsts.sort_unstable();
    seconds.sort_unstable();
    ratios.sort_unstable_by(f64::total_cmp);
    (firsts[ROUNDS / 2], seconds[ROUNDS / 2], ratios[ROUNDS / 2])
}

/// How many runs take about two milliseconds.
fn batch_size(work: &mut dyn FnMut()) -> u32 {
    let start = Clock::now();
    let mut runs = 0;
    while start.elapsed() < Duration::from_millis(2) {
        work();
        runs += 1;
    }
    runs
}
