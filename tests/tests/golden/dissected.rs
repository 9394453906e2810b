//! The same sessions as tshark sees them. It opens plain pre-shared key exchanges with that key alone, so that premaster
//! secret, master secret, keys and records are those of another implementation; where there are shares it is told the
//! master secret, and keys and records are.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use dtls_core::config::KeyLog;
use dtls_tests::interop::capture;
use dtls_tests::interop::relay::{Direction, Passed, Recording};
use dtls_tests::interop::{Trouble, has_peer, process};
use dtls_tests::scenario::{CLIENT_END, PSK};

use crate::flights::{Flight, HELLO, HELLO_BACK};

/// Lines as tshark reads them.
#[derive(Debug, Default)]
struct Lines(Mutex<String>);

impl KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(lines, "{label} {} {}", hex::encode(client_random), hex::encode(secret)).unwrap();
    }
}

#[test]
fn tshark_reads_every_new_kind_of_session_and_opens_it_with_the_key() {
    if !has_peer("tshark", "--version") {
        return;
    }
    let flights = Flight::of_other_kinds();
    let folder = std::env::temp_dir().join(format!("dtls-golden-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
    let lines = Arc::new(Lines::default());
    // One capture of all, each with a port of its own.
    let mut capture = Vec::new();
    let mut expected = BTreeMap::new();
    for (flight, port) in flights.iter().zip(FIRST_PORT..) {
        let log = Arc::clone(&lines);
        let is_opened_by_key = flight.name.starts_with("psk");
        let world = flight
            .clone()
            .configure(move |settings| {
                settings.key_log = (!is_opened_by_key).then(|| Arc::clone(&log) as Arc<dyn KeyLog>);
            })
            .run();
        assert_eq!(flight.text(&world), fs::read_to_string(crate::folder().join(&flight.name)).unwrap());
        let way = |is_client| if is_client { Direction::ToServer } else { Direction::ToClient };
        let passed =
            world.datagrams().map(|(by, bytes)| Passed { direction: way(by == CLIENT_END), bytes: bytes.to_vec() });
        capture::write(&file("one.pcap"), &Recording(passed.collect()), port)
            .unwrap_or_else(|trouble| panic!("{trouble}"));
        let one = fs::read(file("one.pcap")).unwrap();
        capture.extend_from_slice(if capture.is_empty() { &one } else { &one[PCAP_HEADER_LEN..] });
        expected.insert(port, flight.name.clone());
    }
    fs::write(file("all.pcap"), capture).unwrap();
    fs::write(file("keys.txt"), &*lines.0.lock().unwrap()).unwrap();
    let seen =
        dissect(&file("all.pcap"), &file("keys.txt"), expected.keys()).unwrap_or_else(|trouble| panic!("{trouble}"));
    fs::remove_dir_all(&folder).unwrap();
    for (port, name) in expected {
        let seen = &seen[&port];
        // It sees for itself which handshakes go on with an earlier session.
        let remarks = if name.starts_with("resumed-") { &[RESUMED][..] } else { &[] };
        assert_eq!(seen.complaints, remarks, "{name}");
        if name == NOT_OPENED {
            assert!(seen.messages.ends_with(&[12, 14, 16]), "{:?}", seen.messages);
            continue;
        }
        // The Finished of both sides are read as messages of the type 20, so they have been opened.
        assert_eq!(seen.messages.iter().filter(|typ| **typ == 20).count(), 2, "{name}: {:?}", seen.messages);
        let [hello, back, longest] = &seen.data[..] else { panic!("{name}: {:?}", seen.data) };
        assert_eq!((&hello[..], &back[..]), (HELLO, HELLO_BACK), "{name}");
        assert!(!longest.is_empty() && longest.iter().all(|byte| *byte == b'x'), "{name}: {longest:?}");
    }
}

/// What tshark sees at a port.
#[derive(Debug, Default)]
struct Seen {
    messages: Vec<u8>,
    data: Vec<Vec<u8>>,
    complaints: Vec<String>,
}

fn dissect<'a>(
    capture: &str,
    key_log: &str,
    ports: impl Iterator<Item = &'a u16>,
) -> Result<BTreeMap<u16, Seen>, Trouble> {
    let mut command = Command::new("tshark");
    command.args(["-r", capture, "-o", &format!("tls.keylog_file:{key_log}")]);
    command.args(["-o", &format!("dtls.psk:{}", hex::encode(PSK))]);
    for port in ports {
        command.args(["-d", &format!("udp.port=={port},dtls")]);
    }
    command.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    for field in ["udp.port", "dtls.handshake.type", "data.data", "_ws.malformed", "_ws.expert.message"] {
        command.args(["-e", field]);
    }
    let finished = process::Process::start("tshark", command)?.finish()?;
    finished.expect_code(0)?;
    let mut seen: BTreeMap<u16, Seen> = BTreeMap::new();
    for line in finished.stdout.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [ports, types, data, malformed, expert] = fields[..] else {
            return Err(Trouble::new(format!("tshark says: {line}")));
        };
        let port = ports.split(',').filter_map(|port| port.parse().ok()).find(|port| *port < 50_000).unwrap_or(0);
        let seen = seen.entry(port).or_default();
        seen.messages.extend(types.split(',').filter_map(|typ| typ.parse::<u8>().ok()));
        seen.data.extend(data.split(',').filter(|data| !data.is_empty()).map(|data| hex::decode(data).unwrap()));
        seen.complaints.extend([malformed, expert].into_iter().filter(|words| !words.is_empty()).map(str::to_owned));
    }
    Ok(seen)
}

/// tshark 4.0 reads the suites of RFC 8442 and opens none of them. That a premaster secret of shares and a key is laid out as
/// others do it, `hostile/psk.rs` shows by hand and `interop_openssl/keys.rs` with openssl.
const NOT_OPENED: &str = "ecdhe-psk-aes-128-gcm.txt";
/// What tshark remarks on a handshake without a key exchange.
const RESUMED: &str = "This session reuses previously negotiated keys (Session resumption)";
/// Below the client's.
const FIRST_PORT: u16 = 40_000;
const PCAP_HEADER_LEN: usize = 24;
