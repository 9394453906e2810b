//! Ports for servers that cannot say which one they got: gnutls-serv and coap-server.

use core::net::Ipv4Addr;
use std::net::UdpSocket;
use std::sync::{Mutex, PoisonError};

use super::Trouble;

/// Calls `start` with the first of `count` neighbouring ports that nobody uses on loopback. Somebody may take one before
/// the server does: `start` then returns `None`, and is called with others.
///
/// # Errors
/// What `start` says, or that all ports were taken.
pub fn at_free_ports<T>(count: u16, start: impl Fn(u16) -> Result<Option<T>, Trouble>) -> Result<T, Trouble> {
    // One server after the other, so that no two of ours are told the same port.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..ATTEMPTS {
        let Some(first) = free_ports(count) else { continue };
        if let Some(started) = start(first)? {
            return Ok(started);
        }
    }
    Err(Trouble::new(format!("{ATTEMPTS} times somebody else had the port before the server")))
}

/// The system chooses the first; the others must be free by chance.
fn free_ports(count: u16) -> Option<u16> {
    let first = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let port = first.local_addr().ok()?.port();
    for offset in 1..count {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port.checked_add(offset)?)).ok()?;
    }
    Some(port)
}

static TURN: Mutex<()> = Mutex::new(());
const ATTEMPTS: usize = 20;
