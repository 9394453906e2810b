//! A server and a client as two tasks: tokio's `UdpSocket` with the endpoint of `dtls-endpoint`, which does no I/O.
//!
//! `cargo run --example tokio`. It ends by itself when the client has its echo.

mod setup;

use core::error::Error;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Write as _};

use dtls_std::dtls_core::Instant;
use dtls_std::dtls_endpoint::{CookiePolicy, Endpoint, Event, Handle, Limits};
use tokio::net::UdpSocket;
use tokio::time;

/// What is done with what has come: answers go into the list, or the session is closed.
enum Then {
    Send(Vec<u8>),
    Close,
}

/// An endpoint on a socket until its first session is over.
async fn run(
    socket: UdpSocket,
    mut endpoint: Endpoint<SocketAddr>,
    origin: time::Instant,
    mut on_event: impl FnMut(&Event) -> Option<Then>,
    mut on_payload: impl FnMut(&[u8]) -> Then,
) -> io::Result<()> {
    let now = || Instant::from_origin(origin.elapsed());
    let (mut datagram, mut out) = (vec![0; 1 << 16], Vec::new());
    let mut to_do: Vec<(Handle, Then)> = Vec::new();
    loop {
        // What has happened, and what is to be done about it.
        while let Some((session, peer, event)) = endpoint.poll_event() {
            writeln!(io::stdout(), "{peer}: {event:?}")?;
            to_do.extend(on_event(&event).map(|then| (session, then)));
            if event != Event::Connected {
                endpoint.release(session);
                return Ok(());
            }
        }
        let mut is_over = false;
        for (session, then) in to_do.drain(..) {
            match then {
                Then::Send(payload) => {
                    out.clear();
                    if let Ok(to) = endpoint.send(session, &payload, &mut out) {
                        socket.send_to(&out, to).await?;
                    }
                }
                Then::Close => {
                    endpoint.close(session);
                    is_over = true;
                }
            }
        }
        // What there is to send.
        out.clear();
        while let Some(to) = endpoint.poll_transmit(now(), &mut out) {
            socket.send_to(&out, to).await?;
            out.clear();
        }
        if is_over {
            return Ok(());
        }
        // A datagram or the deadline, whichever comes first.
        let far = Duration::from_secs(3600);
        let until = endpoint.poll_timeout().map_or(origin.elapsed() + far, Instant::since_origin);
        match time::timeout_at(origin + until, socket.recv_from(&mut datagram)).await {
            Ok(received) => {
                let (len, from) = received?;
                for (session, payload) in endpoint.receive(now(), from, datagram.get_mut(..len).unwrap_or_default()) {
                    to_do.push((session, on_payload(payload)));
                }
            }
            Err(_) => endpoint.handle_timeout(now()),
        }
    }
}

async fn talk() -> Result<(), Box<dyn Error>> {
    let (server_config, client_config) = setup::pair()?;
    let origin = time::Instant::now();
    let start = Instant::from_origin(Duration::ZERO);

    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let endpoint = Endpoint::new(start, Some(server_config), CookiePolicy::Required, Limits::default())?;
    let server = tokio::spawn(run(socket, endpoint, origin, |_| None, |payload| Then::Send(payload.to_vec())));

    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let mut endpoint = Endpoint::new(start, None, CookiePolicy::Required, Limits::default())?;
    endpoint.connect(start, address, client_config, None)?;
    let say_hello = |event: &Event| (*event == Event::Connected).then(|| Then::Send(b"hello".to_vec()));
    run(socket, endpoint, origin, say_hello, |payload| {
        let _ = writeln!(io::stdout(), "client: {}", String::from_utf8_lossy(payload));
        Then::Close
    })
    .await?;
    server.await??;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(talk())
}
