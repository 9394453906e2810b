//! Sessions that go on in another: RFC 5246 section 7.3, RFC 5077.

use dtls_core::config::{ConnectionIdUse, RandomConnectionId};
use dtls_core::crypto::WallClock;
use dtls_core::resumption::{ServerResumption, TicketKey, Tickets};
use rustls_pki_types::UnixTime;

use super::*;

const HERE: Host = Host(11);
const THERE: Host = Host(21);

/// A clock that stands still.
#[derive(Debug)]
struct Standing;

impl WallClock for Standing {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)))
    }
}

/// A server that gives tickets, and clients that take them.
fn network(change: impl Fn(&mut Settings)) -> Network {
    let mut network = Network::new();
    let provider = Arc::clone(network.configs.server.provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let identity = Identity::new(&provider, vec![made.cert.der().clone()], key).unwrap();
    let tickets = Tickets::new(&provider, vec![TicketKey::random(&provider).unwrap()]).unwrap();
    let resumption = ServerResumption::new(Arc::new(Standing)).with_tickets(Arc::new(tickets));
    let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).resumption(resumption);
    let trust = Arc::new(PinnedCertificates::new([made.cert.der().clone()]).unwrap());
    let client = ClientConfig::builder(provider).trust(trust).without_identity().resumable();
    let server = Arc::new(server.configure(&change).build().unwrap());
    network.server().set_server_config(Arc::clone(&server));
    network.configs = Configs { server, client: Arc::new(client.configure(&change).build().unwrap()) };
    network
}

impl Network {
    /// Connects from `at` by the state of another session; says whether it went on at both ends.
    fn resume(&mut self, at: Host, state: &dtls_core::ResumptionState) -> (Handle, [bool; 2]) {
        let (now, config) = (self.now, Arc::clone(&self.configs.client));
        let client = self.host(at).connect_resuming(now, SERVER, config, None, state).unwrap();
        self.run();
        let server = self.server().session_at(&at).unwrap();
        let is_resumed = |endpoint: &mut Endpoint<Host>, handle| endpoint.info(handle).unwrap().resumed;
        (client, [is_resumed(self.host(at), client), is_resumed(self.server(), server)])
    }
}

#[test]
fn a_session_goes_on_in_another_endpoint() {
    let mut network = network(|_| ());
    let (client, server) = network.pair(HERE);
    assert!(network.server().take_resumption_state(server).is_none(), "that is for clients");
    let before = network.host(HERE).memory();
    let state = network.host(HERE).take_resumption_state(client).unwrap();
    assert!(network.host(HERE).memory() < before, "what was taken counts no more");
    assert!(network.host(HERE).take_resumption_state(client).is_none(), "once");
    let (client, resumed) = network.resume(THERE, &state);
    assert_eq!(resumed, [true; 2]);
    network.send(THERE, client, b"again");
    network.run();
    assert_eq!(network.payloads.last().unwrap().2, b"again");
    assert_eq!(network.stats().server_sessions, 2);
}

#[test]
fn a_session_that_was_closed_can_be_resumed_until_it_is_released_and_one_that_was_aborted_cannot() {
    let mut network = network(|_| ());
    let (client, _) = network.pair(HERE);
    network.host(HERE).close(client);
    network.run();
    assert!(network.host(HERE).is_drained(client));
    let state = network.host(HERE).take_resumption_state(client).unwrap();
    assert_eq!(network.resume(THERE, &state).1, [true; 2]);

    network.host(HERE).release(client);
    assert!(network.host(HERE).take_resumption_state(client).is_none());
    let (client, _) = network.pair(Host(31));
    network.host(Host(31)).abort(client);
    assert!(network.host(Host(31)).take_resumption_state(client).is_none());
}

#[test]
fn a_session_that_is_resumed_has_connection_ids_of_its_own() {
    let mut network = network(|settings| {
        settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(8)));
    });
    let (first, _) = network.pair(HERE);
    let state = network.host(HERE).take_resumption_state(first).unwrap();
    let (second, resumed) = network.resume(THERE, &state);
    assert_eq!(resumed, [true; 2]);
    let ids = [(HERE, first), (THERE, second)]
        .map(|(at, handle)| network.host(at).info(handle).unwrap().connection_ids.clone().unwrap());
    assert_ne!(ids[0], ids[1]);
    assert_eq!(network.server().cids(), 2);
}
