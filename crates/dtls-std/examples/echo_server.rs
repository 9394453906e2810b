//! An echo server on threads: `echo_server ADDRESS CERTIFICATES.pem KEY.pem`.
//!
//! Without arguments it is its own client, and ends: `cargo run --example echo_server`.

mod setup;

use core::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::thread;

use dtls_std::dtls_core::crypto::ring;
use dtls_std::{Endpoint, ServerConfig, connect, listen, load_identity};

fn serve(endpoint: &Endpoint) {
    for accepted in endpoint {
        match accepted {
            Ok(session) => drop(thread::spawn(move || {
                while let Ok(datagram) = session.recv_vec() {
                    let _ = session.send(&datagram);
                }
            })),
            Err(error) => eprintln!("{error}"),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [address, certificates, key] = &args[..] {
        let provider = Arc::new(ring::provider());
        let identity = load_identity(&provider, certificates, key)?;
        serve(&listen(address, Arc::new(ServerConfig::builder(provider).identity(identity).build()?))?);
        return Ok(());
    }
    let (server, client) = setup::pair()?;
    let endpoint = listen("127.0.0.1:0", server)?;
    let address = endpoint.local_addr();
    let serving = thread::spawn({
        let endpoint = endpoint.clone();
        move || serve(&endpoint)
    });
    let session = connect(address, None, client)?;
    session.send(b"hello")?;
    writeln!(std::io::stdout(), "{}", String::from_utf8_lossy(&session.recv_vec()?))?;
    session.close();
    endpoint.close();
    serving.join().map_err(|_| "the server has panicked")?;
    Ok(())
}
