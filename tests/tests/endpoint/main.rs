//! Many sessions on one socket: what strangers can do to it, clients that begin anew, and thousands side by side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

mod anew;
mod crowds;
mod floods;
mod roaming;

use std::sync::Arc;

use dtls_core::crypto::CryptoProvider;
use dtls_core::{ClientConfig, Instant, ServerConfig};
use dtls_endpoint::{CookiePolicy, Endpoint, Limits};
use dtls_tests::certificates::{self, Leaf};
use dtls_tests::quick;
use dtls_tests::seeded::SeededRandom;
use dtls_tests::sim::Address;
use dtls_tests::sim::network::Network;
use dtls_tests::sockets::Sockets;

const SERVER: Address = Address(0);

/// Configurations whose handshakes cost next to nothing, and whose every choice follows from the seed.
fn configs(seed: u64) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let provider = CryptoProvider { random: Arc::new(SeededRandom::new(seed)), ..quick::provider() };
    quick::configs(provider, certificates::chain(Leaf::EcdsaP256).remove(0), |_| ())
}

fn server<A: dtls_endpoint::Address>(config: &Arc<ServerConfig>, limits: Limits) -> Endpoint<A> {
    Endpoint::new(Instant::ORIGIN, Some(Arc::clone(config)), CookiePolicy::Required, limits).unwrap()
}

fn client(now: Instant) -> Endpoint<Address> {
    Endpoint::new(now, None, CookiePolicy::default(), Limits::default()).unwrap()
}

/// A network with a server.
fn served(network: impl Network + 'static, config: &Arc<ServerConfig>, limits: Limits) -> Sockets {
    let mut sockets = Sockets::new(network);
    sockets.add(SERVER, server(config, limits), limits);
    sockets
}

/// Whether an endpoint holds nothing of anybody.
fn is_bare<A: dtls_endpoint::Address>(endpoint: &mut Endpoint<A>) -> bool {
    let now = endpoint.stats().created;
    endpoint.is_empty()
        && endpoint.sessions().next().is_none()
        && (endpoint.half_open(), endpoint.memory()) == (0, 0)
        && endpoint.poll_transmit(now, &mut Vec::new()).is_none()
        && endpoint.poll_event().is_none()
        && endpoint.poll_incoming().is_none()
        && endpoint.poll_timeout().is_none()
}
