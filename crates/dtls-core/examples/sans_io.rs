//! A client and a server in one process, without a socket: the loop that every embedder writes.
//!
//! `cargo run -p dtls-core --example sans_io`

use core::error::Error;
use std::sync::Arc;

use dtls_core::crypto::{Fingerprint, Fingerprints, Identity, ring};
use dtls_core::{ClientConfig, Connection, CookieJar, Event, HelloVerdict, Instant, ServerConfig};
use rustls_pki_types::PrivateKeyDer;

fn main() -> Result<(), Box<dyn Error>> {
    let provider = Arc::new(ring::provider());

    // Who the server is, and how the client knows it: by the fingerprint of its certificate.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let chain = vec![made.cert.der().clone()];
    let trust = Fingerprints::new(&provider, [Fingerprint::of(&provider, &made.cert.der()[..])])?;
    let identity = Identity::new(&provider, chain, key)?;
    let server_config = Arc::new(ServerConfig::builder(Arc::clone(&provider)).identity(identity).build()?);
    let client_config = ClientConfig::builder(Arc::clone(&provider)).trust(Arc::new(trust)).without_identity();
    let client_config = Arc::new(client_config.configure(|settings| settings.alpn = vec![b"echo".to_vec()]).build()?);

    // A clock that stands still is enough where nothing is lost.
    let now = Instant::ORIGIN;
    let mut cookies = CookieJar::new(provider, now)?;
    let mut client = Connection::connect(client_config, None, now)?;
    let mut server: Option<Connection> = None;

    let mut datagram = Vec::new();
    let mut reply = Vec::new();
    loop {
        datagram.clear();
        reply.clear();
        if client.poll_transmit(now, &mut datagram) {
            println!("client -> server {:4} bytes", datagram.len());
            match &mut server {
                Some(server) => {
                    for payload in server.receive(now, &mut datagram) {
                        println!("server got {:?}", String::from_utf8_lossy(payload));
                    }
                }
                None => match cookies.check(now, b"127.0.0.1:50000", &datagram, &mut reply) {
                    HelloVerdict::Reply => {
                        println!("server -> client {:4} bytes (the cookie)", reply.len());
                        client.receive(now, &mut reply).for_each(drop);
                    }
                    HelloVerdict::Verified(hello) => {
                        server = Some(Connection::accept(Arc::clone(&server_config), hello, now));
                    }
                    HelloVerdict::Dropped(cause) => println!("dropped: {}", cause.name()),
                },
            }
        } else if server.as_mut().is_some_and(|server| server.poll_transmit(now, &mut reply)) {
            println!("server -> client {:4} bytes", reply.len());
            client.receive(now, &mut reply).for_each(drop);
        } else {
            break;
        }
    }

    let server = server.as_mut().ok_or("the server saw no verified hello")?;
    while let Some(event) = client.poll_event() {
        println!("client: {event:?}");
        if event == Event::Connected {
            datagram.clear();
            client.send(b"hello", &mut datagram)?;
            for payload in server.receive(now, &mut datagram) {
                println!("server got {:?}", String::from_utf8_lossy(payload));
            }
        }
    }
    while let Some(event) = server.poll_event() {
        println!("server: {event:?}");
    }
    println!("{:#?}", client.info());
    Ok(())
}
