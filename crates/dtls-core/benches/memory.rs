//! What a connection costs in memory and in allocations.
//!
//! `cargo bench -p dtls-core --bench memory`

#![allow(clippy::expect_used, reason = "a benchmark may stop")]

use dtls_core::wire::enums::{CipherSuiteId, NamedGroup};
use dtls_core::{Connection, Instant};

mod pair;

use pair::Configs;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let configs = Configs::new(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, NamedGroup::X25519);
    drop(configs.connect());

    let before = dhat::HeapStats::get();
    let (mut client, mut server) = configs.connect();
    let after = dhat::HeapStats::get();
    let blocks = after.total_blocks - before.total_blocks;
    let bytes = after.total_bytes - before.total_bytes;
    println!("full handshake, both sides: {blocks} allocations, {bytes} bytes in all   aim <= 60 a side");

    let (sealing, opening) = record_allocations(&mut client, &mut server);
    println!("allocations a record: {sealing} to seal, {opening} to open   aim 0 + 0");

    let inline = size_of::<Connection>();
    println!("inline bytes of a connection: {inline}");
    // The flight that the server keeps for the client goes after four minutes, the certificates when they are taken.
    if let Some(deadline) = server.poll_timeout() {
        println!("a server, connected just now: {} bytes", inline + heap_of(&configs, |(_, server)| server));
        server.handle_timeout(deadline);
    }
    let idle_server = heap_of(&configs, |(_, mut server)| {
        if let Some(deadline) = server.poll_timeout() {
            server.handle_timeout(deadline);
        }
        while server.poll_event().is_some() {}
        server
    });
    let idle_client = heap_of(&configs, |(mut client, _)| {
        drop(client.take_peer_certificates());
        while client.poll_event().is_some() {}
        client
    });
    println!("an idle server: {} bytes   aim <= 1536", inline + idle_server);
    println!("an idle client: {} bytes   aim <= 1536", inline + idle_client);
    at_rest(&configs);
}

/// A connection that has been put aside, and what putting it aside and taking it up again costs.
fn at_rest(configs: &Configs) {
    let (mut client, _) = configs.connect();
    drop(client.take_peer_certificates());
    while client.poll_event().is_some() {}
    let before = dhat::HeapStats::get();
    let saved = client.save(Instant::ORIGIN).expect("a connection in good order");
    let inline = size_of_val(&saved);
    let heap = before.curr_bytes - dhat::HeapStats::get().curr_bytes;
    let memory = saved.memory();
    println!(
        "a client at rest: {memory} bytes, {inline} of them inline; {heap} of the heap are given back   aim <= 256"
    );
    let restored = saved.restore(Instant::ORIGIN).expect("a connection");
    let blocks = dhat::HeapStats::get().total_blocks - before.total_blocks;
    println!("to rest and back: {blocks} allocations");
    drop(restored);
}

/// The heap that is held by the one connection that `keep` returns.
fn heap_of(configs: &Configs, keep: impl FnOnce((Connection, Connection)) -> Connection) -> usize {
    let before = dhat::HeapStats::get().curr_bytes;
    let kept = keep(configs.connect());
    let held = dhat::HeapStats::get().curr_bytes - before;
    drop(kept);
    held
}

fn record_allocations(client: &mut Connection, server: &mut Connection) -> (u64, u64) {
    const RECORDS: u64 = 1000;
    let mut datagram = Vec::with_capacity(2048);
    let (mut sealing, mut opening) = (0, 0);
    for _ in 0..RECORDS {
        datagram.clear();
        let start = dhat::HeapStats::get().total_blocks;
        client.send(&[0x5a; 1000], &mut datagram).expect("sealed");
        let sealed = dhat::HeapStats::get().total_blocks;
        assert_eq!(server.receive(Instant::ORIGIN, &mut datagram).count(), 1);
        let opened = dhat::HeapStats::get().total_blocks;
        sealing += sealed - start;
        opening += opened - sealed;
    }
    assert_eq!((sealing, opening), (0, 0), "the data path allocates");
    (sealing / RECORDS, opening / RECORDS)
}
