//! A session as a capture file, opened by tshark with our key log.

use std::fs;
use std::process::Command;

use super::Trouble;
use super::process::{Finished, Process};
use super::relay::{Direction, Recording};

/// Writes `recording` as a capture in the classic pcap format: raw IPv4, the server at `port`.
///
/// # Errors
/// If the file cannot be written.
pub fn write(file: &str, recording: &Recording, port: u16) -> Result<(), Trouble> {
    let mut bytes = Vec::new();
    for word in [MAGIC, VERSION, 0, 0, LONGEST, LINKTYPE_RAW] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for (passed, millis) in recording.0.iter().zip(0u32..) {
        let datagram = ip_datagram(passed.direction, port, &passed.bytes);
        let len = u32::try_from(datagram.len()).expect("a datagram is short");
        for word in [1 + millis / 1000, millis % 1000 * 1000, len, len] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&datagram);
    }
    fs::write(file, bytes).map_err(|error| Trouble::new(format!("{file}: {error}")))
}

/// What tshark makes of the capture with the key log: every record, decrypted, as hexadecimal with text beside it.
///
/// # Errors
/// If tshark fails.
pub fn open(file: &str, key_log: &str, port: u16) -> Result<Finished, Trouble> {
    let mut command = Command::new("tshark");
    command.args(["-r", file, "-d", &format!("udp.port=={port},dtls"), "-o", &format!("tls.keylog_file:{key_log}")]);
    command.args(["-Y", "dtls.app_data", "-V", "-x"]);
    let finished = Process::start("tshark", command)?.finish()?;
    finished.expect_code(0)?;
    Ok(finished)
}

/// RFC 791 and RFC 768, between two hosts of TEST-NET-1.
fn ip_datagram(direction: Direction, port: u16, payload: &[u8]) -> Vec<u8> {
    let ((source, source_port), (target, target_port)) = match direction {
        Direction::ToServer => ((CLIENT, CLIENT_PORT), (SERVER, port)),
        Direction::ToClient => ((SERVER, port), (CLIENT, CLIENT_PORT)),
    };
    let len = |headers: usize| u16::try_from(headers + payload.len()).expect("a datagram is short").to_be_bytes();
    let mut datagram = vec![0x45, 0];
    datagram.extend_from_slice(&len(20 + 8));
    // No fragments, 64 hops, UDP, and a checksum that is not there.
    datagram.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
    datagram.extend_from_slice(&source);
    datagram.extend_from_slice(&target);
    datagram.extend_from_slice(&source_port.to_be_bytes());
    datagram.extend_from_slice(&target_port.to_be_bytes());
    datagram.extend_from_slice(&len(8));
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    datagram
}

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [192, 0, 2, 2];
const CLIENT_PORT: u16 = 50_000;

// The file format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
const MAGIC: u32 = 0xa1b2_c3d4;
/// 2.4, the minor number in the upper half.
const VERSION: u32 = 4 << 16 | 2;
const LONGEST: u32 = 65_535;
const LINKTYPE_RAW: u32 = 101;
