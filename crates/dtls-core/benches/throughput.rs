//! Times of single operations, followed over the project's life by criterion: sealing, opening, whole handshakes.
//! What these cost beside the bare cryptography is measured by `ratios`.
//!
//! `cargo bench -p dtls-core --bench throughput`

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark may stop, and criterion's macros make functions")]

use core::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dtls_core::Instant;
use dtls_core::wire::enums::{CipherSuiteId, NamedGroup};

mod pair;

use pair::Configs;

const SUITES: [CipherSuiteId; 3] = [
    CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];

fn records(c: &mut Criterion) {
    for suite in SUITES {
        let name = suite.name().expect("a suite with a name");
        let mut group = c.benchmark_group(name);
        for len in [64_u16, 256, 1200, 16_384] {
            group.throughput(Throughput::Bytes(u64::from(len)));
            let payload = vec![0x5a; usize::from(len)];
            let (mut client, mut server) = Configs::new(suite, NamedGroup::X25519).connect();
            let mut datagram = Vec::with_capacity(payload.len() + 64);
            group.bench_with_input(BenchmarkId::new("seal", len), &payload, |b, payload| {
                b.iter(|| {
                    datagram.clear();
                    client.send(payload, &mut datagram).expect("sealed");
                    black_box(&datagram);
                });
            });
            group.bench_with_input(BenchmarkId::new("open", len), &payload, |b, payload| {
                let sealed = || {
                    let mut datagram = Vec::with_capacity(payload.len() + 64);
                    client.send(payload, &mut datagram).expect("sealed");
                    datagram
                };
                let open = |mut datagram: Vec<u8>| {
                    assert_eq!(server.receive(Instant::ORIGIN, &mut datagram).count(), 1);
                    datagram
                };
                b.iter_batched(sealed, open, BatchSize::SmallInput);
            });
        }
        group.finish();
    }
}

fn handshakes(c: &mut Criterion) {
    let mut group = c.benchmark_group("full handshake, both sides");
    for named_group in [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1] {
        let configs = Configs::new(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, named_group);
        group.bench_function(named_group.to_string(), |b| b.iter(|| black_box(configs.connect())));
    }
    group.finish();
}

criterion_group!(benches, records, handshakes);
criterion_main!(benches);
