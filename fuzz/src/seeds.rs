//! The seeds of all targets: where a fuzzer that knows nothing begins. Written to `seeds/` by
//! `cargo run --example make_seeds`; a test checks that what stands there is what is made here.

use std::time::Duration;

use dtls_core::Instant;
use dtls_core::crypto::SuiteAuthentication;

use crate::decoders::{DECODERS, Decoder};
use crate::forge;
use crate::many::{self, doors};
use crate::null_provider::{Hashing, certificate, provider};
use crate::resumed;
use crate::script::{ForgedFragment, ForgedMessage, ForgedRecord, Mangle, Proof, Script, Setup, Step, flags, offers};

/// A file name and its content.
pub type Seed = (String, Vec<u8>);

// --- decoders ---

/// Well-formed input for every decoder, a few of some.
#[must_use]
pub fn decoders() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |decoder: &str, variant: usize, bytes: &[u8]| {
        let selector = DECODERS.iter().position(|Decoder(name, _)| *name == decoder).expect("a decoder of that name");
        let content = [&[u8::try_from(selector).unwrap()], bytes].concat();
        seeds.push((format!("{decoder}-{variant}"), content));
    };
    let messages = [
        ("client_hello", 0),
        ("server_hello", 1),
        ("hello_verify_request", 2),
        ("certificate", 3),
        ("server_key_exchange", 4),
        ("certificate_request", 5),
        ("empty_messages", 6),
        ("client_key_exchange", 7),
        ("certificate_verify", 8),
        ("finished", 9),
        ("new_session_ticket", 11),
        ("certificate_status", 15),
        ("raw_public_key", 16),
        ("psk_server_key_exchange", 17),
        ("ecdhe_psk_server_key_exchange", 18),
    ];
    for (decoder, kind) in messages {
        for (variant, bits) in [0x0000, 0x0066, 0x03bd].into_iter().enumerate() {
            let record = forged_message(kind, bits, b"h2");
            add(decoder, variant, &record[25..]);
            match decoder {
                "client_hello" => {
                    add("records", variant, &[&record[..], &record].concat());
                    add("fragments", variant, &[&record[13..], &record[13..]].concat());
                    add("client_hello_prefix", variant, &record[25..]);
                    // Behind version, random, empty session_id, cookie, three suites and one compression method.
                    let cookie = usize::from(record[25 + 35]);
                    add("client_extensions", variant, &record[25 + 36 + cookie + 8 + 2..]);
                }
                "server_hello" => add("server_extensions", variant, record.get(25 + 38..).unwrap_or_default()),
                _ => {}
            }
        }
    }
    for (variant, bits) in [0, 1].into_iter().enumerate() {
        add("psk_client_key_exchange", variant, &forged_message(19, bits, b"h2")[25..]);
        add("ecdhe_psk_client_key_exchange", variant, &forged_message(19, bits | 2, b"h2")[25..]);
    }
    let sessions = [Proof::Certificates, Proof::RawPublicKeys, Proof::PresharedKey];
    let sessions =
        sessions.into_iter().flat_map(|proof| [true, false].map(|by_ticket| resumed::left_by(proof, by_ticket)));
    for (variant, (state, session)) in sessions.enumerate() {
        add("resumption_state", variant, &state);
        add("session", variant, &session);
        add("ticket", variant, &resumed::sealed(&session));
    }
    for (variant, saved) in Proof::ALL.into_iter().take(3).flat_map(resumed::put_aside).enumerate() {
        add("saved_connection", variant, &saved);
    }
    add("alert", 0, &[2, 40]);
    add("change_cipher_spec", 0, &[1]);
    add("use_srtp", 0, &[0, 4, 0, 7, 0, 1, 3, 1, 2, 3]);
    add("certificate_summary", 0, &certificate(SuiteAuthentication::Ecdsa, 8));
    add("certificate_summary", 1, &certificate(SuiteAuthentication::Rsa, 300));
    seeds
}

fn forged_message(kind: u8, bits: u16, extra: &[u8]) -> Vec<u8> {
    let now = Instant::from_origin(Duration::from_secs(1000));
    let parts = ForgedMessage { epoch: 0, kind, seq: 1, bits, extra: extra.to_vec() };
    forge::message(Setup::default(), &provider(Hashing::Folding), now, &parts)
}

// --- connection ---

/// Scripts that lead into every state, and some attacks from there.
#[must_use]
pub fn connection() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (role, subject) in [("client", 0), ("server", 1), ("trusting-server", 2)] {
        let plain = Setup { subject, ..Setup::default() };
        let authenticated =
            Setup { flags: flags::CLIENT_IDENTITY | flags::RSA, client_authentication: 2, suite: 5, ..plain };
        let large = Setup {
            flags: authenticated.flags | flags::NO_FAULTS,
            padding: [60, 60],
            mtu: 300,
            peer_mtu: 5,
            ..authenticated
        };
        let rich = Setup { flags: flags::SERVER_NAME | flags::WEBRTC, offers: 0x7b, suite: 2, ..plain };
        let setups = [("plain", plain), ("authenticated", authenticated), ("large", large), ("rich", rich)];
        for (name, setup) in setups {
            let mut add = |what: &str, steps: Vec<Step>| {
                seeds.push((format!("{role}-{name}-{what}"), Script { setup, steps }.to_bytes()));
            };
            add("clean", [flights(4), vec![send(), Step::PeerSend(100), Step::PeerFlight(Mangle::Nothing)]].concat());
            add("lossy", lossy());
            match name {
                "large" => {
                    add("last-flight-lost", last_flight_lost(subject));
                    add("all-twice", vec![Step::PeerFlight(Mangle::Duplicate(0xff)); 4]);
                }
                "plain" if subject < 2 => every_attack(&mut add),
                "authenticated" => add("mangled", mangled()),
                "rich" => add("closing", [flights(4), vec![send(), Step::PeerClose, Step::Poll, send()]].concat()),
                _ => {}
            }
        }
        for (name, setup) in other_kinds(plain) {
            let asking = Setup { extended_master_secret: setup.extended_master_secret + 9 * 3, ..setup };
            let (mut add, mut clean) = (Vec::new(), Vec::new());
            for _ in 0..6 {
                clean.extend([Step::Answer(0), Step::Answer(0), Step::Answer(0), Step::PeerFlight(Mangle::Nothing)]);
            }
            clean.push(send());
            add.push(("clean", setup, [flights(4), vec![send()]].concat()));
            add.push(("lossy", setup, lossy()));
            add.push(("asked-clean", asking, clean));
            add.push(("asked-lossy", asking, [lossy(), vec![Step::Answer(0), Step::Timeout], lossy()].concat()));
            add.push(("asked-in-vain", asking, thoughtless()));
            add.push(("asked-too-late", asking, too_late()));
            for (what, setup, steps) in add {
                seeds.push((format!("{role}-{name}-{what}"), Script { setup, steps }.to_bytes()));
            }
        }
        let constant = Setup { flags: flags::CONSTANT_HASH | authenticated.flags, ..authenticated };
        seeds.push((format!("{role}-forged-handshake"), forged_handshake(role, constant, false).to_bytes()));
        // What says in a forged hello that there is an ID selects another suite, too: here one for RSA again, with a nonce in records.
        let suite = if role == "client" { constant.suite } else { 1 };
        let with_ids = Setup { client_authentication: 12 * 2 + constant.client_authentication, suite, ..constant };
        let script = forged_handshake(role, with_ids, true);
        seeds.push((format!("{role}-ids-forged-handshake"), script.to_bytes()));
        let short_lived = Setup { suite: 1 | 0x80, offers: offers::ONE_GROUP, ..plain };
        let steps = [flights(4), vec![Step::Send { len: 900, in_place: true }; 6], flights(1)].concat();
        seeds.push((format!("{role}-worn-out"), Script { setup: short_lived, steps }.to_bytes()));
    }
    seeds
}

/// Handshakes in which certificates are not all there is.
fn other_kinds(plain: Setup) -> [(&'static str, Setup); 7] {
    let of = |proof: Proof, suite| {
        let number = Proof::ALL.iter().position(|known| *known == proof).expect("one of all");
        let client_authentication = 3 * u8::try_from(number).unwrap();
        Setup { client_authentication, suite, flags: flags::SERVER_NAME, ..plain }
    };
    let mutual = |setup: Setup| Setup {
        client_authentication: setup.client_authentication + 2,
        flags: flags::CLIENT_IDENTITY,
        ..setup
    };
    let raw = mutual(of(Proof::RawPublicKeys, 0));
    let stapled = Setup { extended_master_secret: 9 * 4, ..mutual(of(Proof::Certificates, 0)) };
    [
        ("raw", raw),
        ("stapled", stapled),
        ("psk", of(Proof::PresharedKey, 0)),
        ("ecdhe-psk", of(Proof::PresharedKey, 5)),
        ("psk-beside", of(Proof::PresharedKeyBesideCertificates, 1)),
        ("ids", Setup { client_authentication: 12 * (2 + 3 * 2), ..plain }),
        ("ids-one-way", Setup { client_authentication: 12 * (2 + 3), ..of(Proof::Certificates, 2) }),
    ]
}

/// Answers to nothing, to something else, no, and none at all.
fn thoughtless() -> Vec<Step> {
    let steps = [Step::Answer(0), Step::Answer(6), Step::PeerFlight(Mangle::Nothing), Step::Timeout, Step::Answer(6)];
    [&steps[..], &steps, &[Step::Answer(5), Step::Answer(7)], &steps, &[Step::Answer(7)]].concat()
}

/// An answer, and one to nothing, when the time of the handshake is up.
fn too_late() -> Vec<Step> {
    let minutes = vec![Step::Advance(u16::MAX); 3];
    let asked =
        [Step::Answer(0), Step::PeerFlight(Mangle::Nothing), Step::Answer(0), Step::PeerFlight(Mangle::Nothing)];
    [&asked[..], &minutes, &[Step::Answer(0), Step::Answer(0)], &asked].concat()
}

fn flights(count: usize) -> Vec<Step> {
    vec![Step::PeerFlight(Mangle::Nothing); count]
}

const fn send() -> Step {
    Step::Send { len: 100, in_place: false }
}

/// What a bad network does.
fn lossy() -> Vec<Step> {
    vec![
        Step::PollOne,
        Step::Lose,
        Step::RoundTripHint(20),
        Step::Timeout,
        Step::PeerFlight(Mangle::Drop(1)),
        Step::PeerTimeout,
        Step::PeerFlight(Mangle::Reverse),
        Step::Replay { back: 0, mangle: Mangle::Nothing },
        Step::Tick,
        Step::Advance(500),
        Step::PeerFlight(Mangle::Duplicate(0xff)),
        Step::SetMtu(256),
        Step::Poll,
        Step::ToPeer { lost: 2, twice: true },
        Step::Timeout,
        Step::PeerFlight(Mangle::Join),
    ]
}

/// Flight 6 is lost, from whichever end it comes, and the client repeats flight 5.
fn last_flight_lost(subject: u8) -> Vec<Step> {
    match subject {
        0 => [flights(2), vec![Step::PeerFlight(Mangle::Drop(0xff)), Step::Timeout]].concat(),
        1 => [flights(3), vec![Step::Poll, Step::Lose, Step::PeerTimeout]].concat(),
        _ => [flights(2), vec![Step::Poll, Step::Lose, Step::PeerTimeout]].concat(),
    }
}

/// What an attacker on the path does.
fn mangled() -> Vec<Step> {
    vec![
        Step::PeerFlight(Mangle::Truncate { index: 0, len: 40 }),
        Step::Timeout,
        Step::PeerFlight(Mangle::Flip { index: 0, bit: 400 }),
        Step::Replay { back: 0, mangle: Mangle::Flip { index: 0, bit: 9 } },
        Step::Timeout,
        Step::PeerFlight(Mangle::Flip { index: 1, bit: 20 }),
        Step::PeerTimeout,
        Step::PeerFlight(Mangle::Nothing),
    ]
}

/// Each attack before, within and after the handshake.
fn every_attack(add: &mut impl FnMut(&str, Vec<Step>)) {
    let message =
        |epoch, kind, seq, bits| Step::ForgedMessage(ForgedMessage { epoch, kind, seq, bits, extra: b"h2".to_vec() });
    let record = |typ, epoch, number, body: &[u8]| {
        Step::ForgedRecord(ForgedRecord { typ, version: 0, epoch, number, body: body.to_vec() })
    };
    let fragment = |epoch, typ, seq, offset, beyond, body: &[u8]| {
        let (number, body) = (u16::from(seq), body.to_vec());
        Step::HandshakeFragment(ForgedFragment { epoch, number, typ, beyond, seq, offset, body })
    };
    let attacks = [
        ("junk", vec![Step::Datagram(b"junk".to_vec()), Step::Datagram(vec![22; 64])]),
        ("early-data", vec![record(0, 1, 1, b"early"), record(0, 0, 1, b"plain")]),
        ("alerts", vec![record(2, 0, 1, &[2, 40]), record(2, 1, 1, &[1, 90]), message(1, 14, 0, 7)]),
        ("wrong-tags", vec![record(0, 2, 9, b"forged"); 6]),
        ("renegotiation", vec![message(1, 10, 9, 300), message(1, 0, 9, 301), message(1, 9, 3, 302)]),
        (
            "pieces",
            vec![
                fragment(0, 11, 2, 100, 4000, &[7; 20]),
                fragment(0, 11, 2, 90, 4010, &[8; 20]),
                fragment(0, 11, 7, 60_000, 60_000, &[7; 1]),
                fragment(1, 20, 3, 0, 0, &[0; 12]),
            ],
        ),
        ("cookies", vec![message(0, 2, 0, 0), message(0, 2, 1, 0), message(0, 0, 1, 0)]),
        ("last-numbers", vec![record(0, 1, 0xffff, b"last"), record(0, 1, 0xfff0, b"older"), record(0, 1, 3, b"old")]),
    ];
    for (name, attack) in attacks {
        for before in [1, 4] {
            let steps = [flights(before), attack.clone(), flights(3), vec![send(), Step::Timeout]].concat();
            add(&format!("{name}-after-{before}"), steps);
        }
    }
}

/// The whole handshake without an honest peer, possible because all hashes are the same.
///
/// If `ids`, the end under test learns that its peer knows connection IDs and wants none, and the records have its own.
fn forged_handshake(role: &str, setup: Setup, ids: bool) -> Script {
    let message =
        |epoch, kind, seq, bits| Step::ForgedMessage(ForgedMessage { epoch, kind, seq, bits, extra: Vec::new() });
    let x25519 = 0;
    let rsa_pss = 1 << 8;
    let protected = if ids { 1 | 4 } else { 1 };
    let data = ForgedRecord { typ: 0, version: 0, epoch: protected, number: 77, body: b"forged data".to_vec() };
    let mut steps = match role {
        "client" => vec![
            Step::Poll,
            message(0, 1, 0, if ids { 1 << 2 | 1 << 9 } else { 0 }),
            message(0, 3, 1, 1),
            message(0, 4, 2, x25519 | rsa_pss),
            message(0, 5, 3, 0),
            message(0, 6, 4, 0),
            Step::Poll,
            message(0, 12, 0, 0),
            message(protected, 9, 5, 0),
        ],
        _ => vec![
            message(0, 0, 0, 1 | rsa_pss | if ids { 1 << 13 } else { 0 }),
            Step::Poll,
            message(0, 3, 1, 0),
            message(0, 7, 2, x25519),
            message(0, 8, 3, 0),
            message(0, 12, 0, 0),
            message(protected, 9, 4, 0),
        ],
    };
    steps.extend([Step::Poll, Step::ForgedRecord(data), send(), message(protected, 13, 0, 0x0100)]);
    Script { setup, steps }
}

// --- endpoint ---

/// Scripts that bring sessions about, and much of what may become of them.
#[must_use]
pub fn endpoint() -> Vec<Seed> {
    use many::Step;
    let flight = |at| Step::Flight { at, mangle: Mangle::Nothing };
    let begin = |at| vec![Step::Begin { at }, flight(at), flight(at), flight(at)];
    let roomy = [15, 7, 0, 0, 0];
    let large =
        Setup { padding: [40, 40], flags: flags::CLIENT_IDENTITY, client_authentication: 2, ..Setup::default() };
    let data = |at| vec![Step::PeerSend { at, len: 40 }, Step::Send { nth: at, len: 40 }];
    let hello = |at, seq| {
        let message = ForgedMessage { epoch: 0, kind: 0, seq, bits: 1, extra: Vec::new() };
        Step::Message { at, message }
    };
    let mut seeds = Vec::new();
    let mut add = |name: &str, setup, doors, limits, steps: Vec<Vec<Step>>| {
        let script = many::Script { setup, doors, limits, steps: steps.concat() };
        seeds.push((name.to_owned(), script.to_bytes()));
    };
    let plain = Setup::default();
    for (name, doors) in [("cookies", 0), ("trusted-path", doors::TRUSTED_PATH), ("after-cookie", doors::AFTER_COOKIE)]
    {
        add(
            &format!("{name}-begin-anew"),
            plain,
            doors,
            roomy,
            vec![
                begin(0),
                begin(1),
                data(0),
                begin(0),
                data(0),
                vec![Step::Begin { at: 1 }, flight(1), flight(1)],
                begin(1),
            ],
        );
        let replay = |back| Step::Replay { at: 0, back, mangle: Mangle::Nothing };
        add(
            &format!("{name}-replays"),
            large,
            doors,
            roomy,
            vec![begin(0), begin(0), (0..12).map(replay).collect(), begin(0), vec![Step::Timeout; 8]],
        );
    }
    let asked =
        |how| vec![Step::Begin { at: 2 }, flight(2), flight(2), Step::Decide(how), flight(2), flight(2), flight(2)];
    add("ask", plain, doors::ASK, roomy, vec![asked(0), asked(1), asked(2), data(2), asked(2)]);
    let ending =
        vec![Step::Close(0), flight(0), Step::Abort(1), Step::PeerClose { at: 2 }, flight(2), Step::Release(0)];
    add("ends", plain, 0, roomy, vec![begin(0), begin(1), begin(2), ending, begin(0), vec![Step::Release(1)]]);
    let crowd = (0..8).flat_map(begin).collect::<Vec<_>>();
    add("full", plain, 0, [3, 2, 2, 0, 0], vec![crowd.clone(), vec![Step::Release(0), Step::Close(0), Step::Timeout]]);
    for (name, limits) in
        [("full", [2, 7, 0, 0, 0]), ("full-host", [15, 7, 2, 0, 0]), ("full-and-few", [2, 1, 0, 0, 0])]
    {
        let anew = [begin(0), begin(1), begin(2)].concat();
        let released = vec![Step::Release(0), Step::Release(1)];
        add(
            &format!("{name}-begin-anew"),
            plain,
            0,
            limits,
            vec![anew.clone(), anew.clone(), anew.clone(), released, anew.clone(), anew],
        );
    }
    let evicting = vec![Step::Advance(60_000), Step::Begin { at: 5 }, flight(5), flight(5), flight(5), flight(5)];
    add("evicted", plain, 0, [3, 7, 0, 0, 0b1010], vec![crowd.clone(), evicting]);
    let anew = vec![Step::Advance(20_000), Step::Begin { at: 0 }, flight(0), flight(0)];
    let others = [begin(2), vec![Step::Release(0), Step::Release(1)], begin(3)].concat();
    add("evicted-begin-anew", plain, 0, [2, 7, 0, 0, 0b1010], vec![begin(0), begin(1), anew, others]);
    let patient = |at| [vec![Step::Advance(2_000)], begin(at)].concat();
    let patience = (0..8).flat_map(patient).collect::<Vec<_>>();
    let released = (0..8).map(Step::Release).collect::<Vec<_>>();
    add("evicted-for-memory", plain, 0, [15, 7, 0, 136, 0b1010], vec![patience.clone(), released, patience]);
    // Handshakes that have grown and wait for the first part of a certificate.
    let stalled = |at| {
        let lost = Step::Flight { at, mangle: Mangle::Drop(1) };
        vec![Step::Advance(2_000), Step::Begin { at }, flight(at), flight(at), lost]
    };
    let few = (0..3).flat_map(patient).collect::<Vec<_>>();
    let released = (0..3).map(Step::Release).collect::<Vec<_>>();
    for (name, padding, memory) in [("certificates", 40, 168), ("long-certificates", 250, 200)] {
        let setup = Setup { padding: [40, padding], ..large };
        let growing = vec![few.clone(), released.clone(), stalled(5), stalled(6), stalled(7), few.clone()];
        add(&format!("evicted-for-{name}"), setup, 0, [15, 7, 0, memory, 0b1010], growing);
    }
    add("idle", plain, 0, [15, 7, 0, 0, 0b1001], vec![crowd.clone(), vec![Step::Timeout; 20]]);
    add("memory", large, 0, [15, 7, 0, 200, 0], vec![crowd, vec![Step::Timeout; 20]]);
    let out = vec![
        Step::Connect { at: 3 },
        flight(3),
        flight(3),
        flight(3),
        Step::Send { nth: 0, len: 9 },
        Step::Begin { at: 3 },
    ];
    add("client", plain, doors::TRUSTED_PATH, roomy, vec![out, vec![flight(3), Step::Close(0), flight(3)]]);
    let constant = Setup { flags: flags::CONSTANT_HASH, ..plain };
    let connects = (0..5).map(|at| Step::Connect { at }).collect();
    let fewer = vec![Step::Abort(1), Step::Release(1), Step::Abort(2), Step::Release(2)];
    let limits = [15, 7, 0, 137, 0];
    add("clients-without-memory", plain, doors::TRUSTED_PATH, limits, vec![connects, fewer, vec![flight(0); 3]]);
    let forged = (0..8).map(|seq| hello(seq % 3, seq)).collect();
    let small = Step::Limits([2, 1, 1, 255, 3]);
    add(
        "forged-hellos",
        constant,
        0,
        roomy,
        vec![forged, vec![Step::Lose(3), small, hello(7, 9), Step::Timeout, Step::Tick]],
    );
    seeds
}
