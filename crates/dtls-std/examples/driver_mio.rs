//! A server and a client in one thread, on a loop of one's own: two drivers and mio.
//!
//! `cargo run --example driver_mio`. It ends by itself when the client has its echo.

mod setup;

use core::error::Error;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;

use dtls_std::{Driver, Event, Handle, Options, Unread};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

const SERVER: Token = Token(0);
const CLIENT: Token = Token(1);

fn main() -> Result<(), Box<dyn Error>> {
    let (server_config, client_config) = setup::pair()?;
    let mut server = Driver::bind("127.0.0.1:0", Some(server_config), Options::default())?;
    let mut client = Driver::bind("127.0.0.1:0", None, Options::default())?;
    let mut poll = Poll::new()?;
    for (driver, token) in [(&server, SERVER), (&client, CLIENT)] {
        poll.registry().register(&mut SourceFd(&driver.as_raw_fd()), token, Interest::READABLE)?;
    }
    client.connect(server.local_addr(), None, client_config)?;

    let mut events = Events::with_capacity(8);
    let mut is_over = false;
    while !is_over || !server.endpoint().is_empty() {
        let left = [server.time_left(), client.time_left()].into_iter().flatten().min();
        match poll.poll(&mut events, left) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            let driver = if event.token() == SERVER { &mut server } else { &mut client };
            if event.is_writable() {
                driver.on_writable();
            }
        }
        server.on_timeout();
        client.on_timeout();

        for (from, payload) in read(&mut server) {
            server.send(from, &payload)?;
        }
        while let Some((session, peer, event)) = server.poll_event() {
            match event {
                Event::Connected => writeln!(io::stdout(), "server: {peer} is connected")?,
                over => {
                    writeln!(io::stdout(), "server: {peer} is gone: {over:?}")?;
                    server.release(session);
                }
            }
        }

        for (from, payload) in read(&mut client) {
            writeln!(io::stdout(), "client: {}", String::from_utf8_lossy(&payload))?;
            client.close(from);
            client.release(from);
            is_over = true;
        }
        while let Some((session, _, event)) = client.poll_event() {
            match event {
                Event::Connected => client.send(session, b"hello")?,
                over => return Err(format!("client: {over:?}").into()),
            }
        }

        watch(poll.registry(), &server, SERVER)?;
        watch(poll.registry(), &client, CLIENT)?;
    }
    Ok(())
}

/// What has come. mio tells only of what is new, so nothing may be left unread.
fn read(driver: &mut Driver) -> Vec<(Handle, Vec<u8>)> {
    let mut payloads = Vec::new();
    while driver.on_readable(|from, _, payload| payloads.push((from, payload.to_vec()))) == Unread::Perhaps {}
    payloads
}

/// Room is asked for only while it is missing.
fn watch(registry: &Registry, driver: &Driver, token: Token) -> io::Result<()> {
    let interest = if driver.wants_room() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
    registry.reregister(&mut SourceFd(&driver.as_raw_fd()), token, interest)
}
