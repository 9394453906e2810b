//! Pre-shared keys in something slow that is awaited, a database say: a tokio server that looks up the keys of several
//! clients at once, while its socket goes on.
//!
//! `cargo run --example psk_lookup`. It ends by itself when all clients have had their echo.
//!
//! Where there are threads and nothing to await, `dtls_std::Deciders` do the same in fewer lines: see `external_signer`.

use core::error::Error;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::Poll;
use core::time::Duration;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread;

use dtls_std::dtls_core::Instant;
use dtls_std::dtls_core::crypto::{PresharedKey, PskIdentity, ring};
use dtls_std::dtls_endpoint::{CookiePolicy, Endpoint, Event, Handle, Limits};
use dtls_std::{Answer, AskOwner, ClientConfig, OwnedQuestion, Question, ServerConfig, connect};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time;

const CLIENTS: [&str; 3] = ["sensor-1", "sensor-2", "sensor-3"];

/// Such keys are made at random, one for each client, and kept where only the server can read them.
fn key_of(client: &str) -> Vec<u8> {
    client.bytes().cycle().take(32).collect()
}

/// What takes its time.
async fn look_up(identity: &[u8]) -> Option<Arc<PresharedKey>> {
    time::sleep(Duration::from_millis(200)).await;
    let client = CLIENTS.into_iter().find(|client| client.as_bytes() == identity)?;
    PresharedKey::new(key_of(client)).ok().map(Arc::new)
}

async fn decide(question: OwnedQuestion) -> Answer {
    match question.question() {
        Some(Question::PresharedKey { identity }) => Answer::PresharedKey(look_up(identity).await),
        _ => Answer::Failed,
    }
}

/// What a server waits for.
enum Woken {
    Datagram(usize, SocketAddr),
    Answer(Handle, Answer),
}

/// Echoes until so many sessions are over.
async fn serve(socket: UdpSocket, mut endpoint: Endpoint<SocketAddr>, origin: time::Instant) -> io::Result<()> {
    let now = || Instant::from_origin(origin.elapsed());
    let (answer, mut answers) = mpsc::unbounded_channel();
    let (mut datagram, mut out) = (vec![0; 1 << 16], Vec::new());
    let mut over = 0;
    loop {
        while let Some((session, peer, event)) = endpoint.poll_event() {
            writeln!(io::stdout(), "{peer}: {event:?}")?;
            match event {
                Event::Asked => {
                    // The task takes a copy along: the session may be over before there is an answer.
                    let Some(question) = endpoint.question(session).map(Question::into_owned) else { continue };
                    let answer = answer.clone();
                    tokio::spawn(async move { answer.send((session, decide(question).await)) });
                }
                Event::Connected => {}
                _ => {
                    endpoint.release(session);
                    over += 1;
                }
            }
        }
        while let Some(to) = endpoint.poll_transmit(now(), &mut out) {
            socket.send_to(&out, to).await?;
            out.clear();
        }
        if over == CLIENTS.len() {
            return Ok(());
        }
        // An answer, a datagram or the deadline, whichever comes first.
        let woken = poll_fn(|context| {
            if let Poll::Ready(Some((session, answer))) = answers.poll_recv(context) {
                return Poll::Ready(Ok(Woken::Answer(session, answer)));
            }
            let mut buffer = ReadBuf::new(&mut datagram);
            let received = socket.poll_recv_from(context, &mut buffer);
            received.map_ok(|from| Woken::Datagram(buffer.filled().len(), from))
        });
        let far = Duration::from_secs(3600);
        let until = endpoint.poll_timeout().map_or(origin.elapsed() + far, Instant::since_origin);
        match time::timeout_at(origin + until, woken).await {
            Ok(Ok(Woken::Datagram(len, from))) => {
                let datagram = datagram.get_mut(..len).unwrap_or_default();
                let echo: Vec<_> = endpoint
                    .receive(now(), from, datagram)
                    .map(|(session, payload)| (session, payload.to_vec()))
                    .collect();
                for (session, payload) in echo {
                    if let Ok(to) = endpoint.send(session, &payload, &mut out) {
                        socket.send_to(&out, to).await?;
                    }
                    out.clear();
                }
            }
            // Whoever does not ask any more needs no answer.
            Ok(Ok(Woken::Answer(session, answer))) => drop(endpoint.answer(now(), session, answer)),
            Ok(Err(error)) => return Err(error),
            Err(_) => endpoint.handle_timeout(now()),
        }
    }
}

fn say_hello(to: SocketAddr, client: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let psk = PskIdentity::new(client.into(), key_of(client))?;
    let config = ClientConfig::builder(Arc::new(ring::provider())).preshared_key(Arc::new(psk)).build()?;
    let session = connect(to, None, Arc::new(config))?;
    session.send(format!("hello from {client}").as_bytes())?;
    writeln!(io::stdout(), "{}", String::from_utf8_lossy(&session.recv_vec()?))?;
    session.close();
    Ok(())
}

async fn talk() -> Result<(), Box<dyn Error>> {
    let config = ServerConfig::builder(Arc::new(ring::provider())).preshared_keys(Arc::new(AskOwner)).build()?;
    let origin = time::Instant::now();
    let start = Instant::from_origin(Duration::ZERO);
    let endpoint = Endpoint::new(start, Some(Arc::new(config)), CookiePolicy::Required, Limits::default())?;
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let clients = CLIENTS.map(|client| thread::spawn(move || say_hello(address, client)));
    serve(socket, endpoint, origin).await?;
    for client in clients {
        client.join().map_err(|_| "a client has panicked")?.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(talk())
}
