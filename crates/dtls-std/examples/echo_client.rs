//! A client: `echo_client HOST:PORT NAME ROOTS.pem` says hello and prints what comes back.
//!
//! Without arguments it is its own server, and ends: `cargo run --example echo_client`.

mod setup;

use core::error::Error;
use std::io::Write as _;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::thread;

use dtls_std::dtls_core::crypto::{WebPki, ring};
use dtls_std::{ClientConfig, ServerName, SystemClock, connect, listen, load_certificates};

fn say_hello(to: impl ToSocketAddrs, name: &str, config: Arc<ClientConfig>) -> Result<(), Box<dyn Error>> {
    let name = ServerName::try_from(name.to_owned())?;
    let session = connect(to, Some(name), config)?;
    session.send(b"hello")?;
    writeln!(std::io::stdout(), "{}", String::from_utf8_lossy(&session.recv_vec()?))?;
    session.close();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [to, name, roots] = &args[..] {
        let provider = Arc::new(ring::provider());
        let trust = WebPki::new(&provider, load_certificates(roots)?, Arc::new(SystemClock))?;
        let config = ClientConfig::builder(provider).trust(Arc::new(trust)).without_identity().build()?;
        return say_hello(to, name, Arc::new(config));
    }
    let (server, client) = setup::pair()?;
    let endpoint = listen("127.0.0.1:0", server)?;
    let address = endpoint.local_addr();
    let serving = thread::spawn(move || {
        let Ok(session) = endpoint.accept() else { return };
        while let Ok(datagram) = session.recv_vec() {
            let _ = session.send(&datagram);
        }
    });
    say_hello(address, "localhost", client)?;
    serving.join().map_err(|_| "the server has panicked")?;
    Ok(())
}
