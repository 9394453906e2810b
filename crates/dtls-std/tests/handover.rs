//! A server that is replaced by another process under load: its sessions go on, and nothing that was under way is lost.
//!
//! The socket goes with them, as the standard input of the next process, so what has come for it waits there. Each process is
//! this program again, told by its environment what it is.
#![cfg(unix)]

use core::error::Error;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Write as _};
use std::net::UdpSocket;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::{env, fs, thread};

use dtls_std::dtls_core::crypto::{PskIdentity, Psks, ring};
use dtls_std::dtls_core::{Discard, SavedConnection, SavingKey};
use dtls_std::{ClientConfig, Driver, Event, Handle, Options, ServerConfig, Unread, connect};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Longer than anything takes here; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(60);
const CLIENTS: usize = 8;
const MESSAGES: usize = 600;
/// As many messages of a client may be under way: together fewer than the socket keeps while nobody reads.
const WINDOW: usize = 10;
/// Where the first client has the server replaced.
const HANDOVERS: [usize; 3] = [100, 300, 500];

/// What the first client says for it, and at last.
const REPLACE: &[u8] = b"make room for another";
const STOP: &[u8] = b"stop";

const STATES: &str = "DTLS_TEST_HANDOVER_STATES";
const KEY: [u8; 32] = [0x5e; 32];

fn psk() -> Outcome<PskIdentity> {
    Ok(PskIdentity::new(b"device".to_vec(), vec![7; 16])?)
}

#[test]
fn a_server_under_load_is_replaced_by_another_process_and_nothing_is_lost() -> Outcome {
    match env::var_os(STATES) {
        Some(states) => serve(Path::new(&states)),
        None => replace_under_load(),
    }
}

// --- the process that starts the others, and has the clients ---

fn replace_under_load() -> Outcome {
    let states = env::temp_dir().join(format!("dtls-handover-{}", std::process::id()));
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut server = start(&socket, &states)?;
    let address = socket.local_addr()?;
    let config = ClientConfig::builder(Arc::new(ring::provider())).preshared_key(Arc::new(psk()?)).build()?;
    let config = Arc::new(config);
    let together = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (config, together) = (Arc::clone(&config), Arc::clone(&together));
            thread::spawn(move || talk(number, address, config, &together))
        })
        .collect();
    for _ in HANDOVERS {
        assert!(server.wait()?.success());
        server = start(&socket, &states)?;
    }
    for client in clients {
        client.join().map_err(|_| "a client has panicked")??;
    }
    assert!(server.wait()?.success());
    Ok(fs::remove_file(states)?)
}

fn start(socket: &UdpSocket, states: &PathBuf) -> Outcome<Child> {
    let arguments =
        ["--exact", "a_server_under_load_is_replaced_by_another_process_and_nothing_is_lost", "--nocapture"];
    let mut command = Command::new(env::current_exe()?);
    let child = command.args(arguments).env(STATES, states).stdin(Stdio::from(OwnedFd::from(socket.try_clone()?)));
    Ok(child.stdout(Stdio::null()).spawn()?)
}

/// Says numbers and hears each again, in their order.
fn talk(number: usize, server: SocketAddr, config: Arc<ClientConfig>, together: &Barrier) -> Outcome {
    let session = connect(server, None, config)?;
    together.wait();
    for sent in 0..MESSAGES + WINDOW {
        if sent < MESSAGES {
            session.send(&sent.to_be_bytes())?;
        }
        if number == 0 && HANDOVERS.contains(&sent) {
            session.send(REPLACE)?;
        }
        if let Some(expected) = sent.checked_sub(WINDOW) {
            let heard = session.recv_vec_timeout(LONG)?.ok_or(format!("client {number} has not heard {expected}"))?;
            assert_eq!(heard, expected.to_be_bytes(), "client {number}");
        }
    }
    // Any number that was used twice would have been taken for a replay.
    let stats = session.stats();
    assert_eq!((stats.discarded(Discard::Replayed), stats.discarded_in_all()), (0, 0), "client {number}: {stats:?}");
    together.wait();
    if number == 0 {
        session.send(STOP)?;
    }
    // The server says goodbye to all.
    assert!(session.recv_vec_timeout(LONG).is_err(), "client {number}");
    Ok(())
}

// --- the process that serves ---

fn serve(states: &Path) -> Outcome {
    let config = ServerConfig::builder(Arc::new(ring::provider())).preshared_keys(Arc::new(Psks::new().with(psk()?)));
    let config = Arc::new(config.build()?);
    let socket = UdpSocket::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut driver = Driver::new(socket, Some(Arc::clone(&config)), Options::default())?;
    for (address, sealed) in read_states(states)? {
        let saved = SavedConnection::open(&sealed, &SavingKey::from_bytes(&KEY), Arc::clone(&config))?;
        driver.change(|endpoint, now| endpoint.take_in(now, address, saved))?;
    }
    // Each state is used once.
    fs::write(states, [])?;

    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&driver.as_raw_fd()), Token(0), Interest::READABLE)?;
    let mut events = Events::with_capacity(1);
    loop {
        let mut heard: Vec<(Handle, Vec<u8>)> = Vec::new();
        let unread = driver.on_readable(|session, _, payload| heard.push((session, payload.to_vec())));
        let wish = heard.iter().find(|(_, payload)| [REPLACE, STOP].contains(&&payload[..])).cloned();
        for (session, payload) in heard.iter().filter(|(_, payload)| payload.len() == size_of::<usize>()) {
            driver.send(*session, payload)?;
        }
        while let Some((_, peer, event)) = driver.poll_event() {
            assert_eq!(event, Event::Connected, "{peer}");
        }
        match wish {
            Some((_, wish)) if wish == REPLACE => return hand_over(&mut driver, states),
            Some(_) => {
                driver.close_all();
                return Ok(());
            }
            None => {}
        }
        driver.on_timeout();
        if unread == Unread::Nothing {
            poll.poll(&mut events, driver.time_left())?;
        }
    }
}

/// ```text
///   { length(1) address  length(4) sealed state } ...
/// ```
fn hand_over(driver: &mut Driver, states: &Path) -> Outcome {
    let mut file = fs::File::create(states)?;
    let sessions: Vec<Handle> = driver.endpoint().sessions().collect();
    assert_eq!(sessions.len(), CLIENTS);
    for session in sessions {
        let (address, saved) = driver.change(|endpoint, _| endpoint.take_out(session))?;
        let (address, sealed) = (address.to_string(), saved.seal(&SavingKey::from_bytes(&KEY))?);
        file.write_all(&[u8::try_from(address.len())?])?;
        file.write_all(address.as_bytes())?;
        file.write_all(&u32::try_from(sealed.len())?.to_be_bytes())?;
        file.write_all(&sealed)?;
    }
    Ok(())
}

fn read_states(states: &Path) -> Outcome<Vec<(SocketAddr, Vec<u8>)>> {
    let mut sessions = Vec::new();
    let bytes = fs::read(states).unwrap_or_default();
    let mut rest = bytes.as_slice();
    while let Some((address_len, behind)) = rest.split_first() {
        let (address, behind) = behind.split_at_checked(usize::from(*address_len)).ok_or("cut short")?;
        let (len, behind) = behind.split_first_chunk().ok_or("cut short")?;
        let (sealed, behind) =
            behind.split_at_checked(usize::try_from(u32::from_be_bytes(*len))?).ok_or("cut short")?;
        sessions.push((core::str::from_utf8(address)?.parse()?, sealed.to_vec()));
        rest = behind;
    }
    Ok(sessions)
}
