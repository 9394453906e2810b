//! Sessions that go on in another: RFC 5246 section 7.3, RFC 5077.

use dtls_core::ResumptionState;
use dtls_core::resumption::{Misfit, ServerResumption, TicketKey, Tickets};

use super::*;
use crate::{Driver, Event, MemorySessionCache, RotatingTickets, connect_resuming};

impl Party {
    fn resuming_server(&self, keep: impl FnOnce(ServerResumption) -> ServerResumption) -> Arc<ServerConfig> {
        let resumption = keep(ServerResumption::new(Arc::new(SystemClock)));
        let builder = ServerConfig::builder(Arc::clone(&self.provider)).identity(self.identity());
        Arc::new(builder.resumption(resumption).build().unwrap())
    }

    fn resumable_client(&self) -> Arc<ClientConfig> {
        let trust = Arc::new(PinnedCertificates::new([self.certificate.clone()]).unwrap());
        let builder = ClientConfig::builder(Arc::clone(&self.provider)).trust(trust).without_identity();
        Arc::new(builder.resumable().build().unwrap())
    }

    fn tickets(&self) -> Arc<RotatingTickets> {
        Arc::new(RotatingTickets::new(Arc::clone(&self.provider), LONG).unwrap())
    }

    /// The state of a session that has been closed, as a file would have it.
    fn state(&self, endpoint: &Endpoint) -> ResumptionState {
        let client = connect(endpoint.local_addr(), None, self.resumable_client()).unwrap();
        let server = accept(endpoint);
        assert_eq!((client.resumed(), server.resumed()), (false, false));
        client.close();
        let state = client.take_resumption_state().expect("a state after the session is closed");
        assert!(client.take_resumption_state().is_none(), "once");
        ResumptionState::from_bytes(&state.to_bytes()).unwrap()
    }

    /// Whether a client that begins with `state` goes on with its session, as both ends see it.
    fn resumes(&self, endpoint: &Endpoint, state: &ResumptionState) -> bool {
        let config = self.resumable_client();
        let client = connect_resuming(endpoint.local_addr(), None, config, state, Options::default()).unwrap();
        let server = accept(endpoint);
        client.send(b"x").unwrap();
        assert_eq!(receive(&server), b"x");
        assert_eq!(client.resumed(), server.resumed());
        assert_eq!(client.peer_certificate(), Some(&self.certificate), "known again, or shown again");
        client.resumed()
    }
}

#[test]
fn a_session_is_resumed_by_a_ticket_and_by_its_id() {
    let party = Party::new();
    let cache = Arc::new(MemorySessionCache::new(10));
    let by_ticket = party.resuming_server(|with| with.with_tickets(party.tickets()));
    let by_id = party.resuming_server(|with| with.with_cache(Arc::<MemorySessionCache>::clone(&cache)));
    for config in [by_ticket, by_id] {
        let endpoint = listen("127.0.0.1:0", config).unwrap();
        let state = party.state(&endpoint);
        assert!(party.resumes(&endpoint, &state));
        assert!(party.resumes(&endpoint, &state), "again");
    }
    assert_eq!(cache.len(), 1, "only clients without a ticket need a place");
}

#[test]
fn what_two_endpoints_share_is_resumed_at_either_and_what_they_do_not_is_not() {
    let party = Party::new();
    let cache = Arc::new(MemorySessionCache::new(10));
    let by_id = || party.resuming_server(|with| with.with_cache(Arc::<MemorySessionCache>::clone(&cache)));
    let key = || vec![TicketKey::from_bytes(&core::array::from_fn(|at| u8::try_from(at).unwrap()))];
    let shared = || Arc::new(Tickets::new(&party.provider, key()).unwrap());
    let by_ticket = || party.resuming_server(|with| with.with_tickets(shared()));
    let alone = || party.resuming_server(|with| with.with_tickets(party.tickets()));
    for (configs, is_resumed) in
        [([by_id(), by_id()], true), ([by_ticket(), by_ticket()], true), ([alone(), alone()], false)]
    {
        let [one, other] = configs.map(|config| listen("127.0.0.1:0", config).unwrap());
        assert_eq!(party.resumes(&other, &party.state(&one)), is_resumed);
    }
}

#[test]
fn a_full_cache_forgets_whom_nobody_has_asked_for_and_that_client_begins_anew() {
    let party = Party::new();
    let cache = Arc::new(MemorySessionCache::new(2));
    let endpoint = listen("127.0.0.1:0", party.resuming_server(|with| with.with_cache(cache))).unwrap();
    let [first, second] = [party.state(&endpoint), party.state(&endpoint)];
    assert!(party.resumes(&endpoint, &first));
    let third = party.state(&endpoint);
    assert!(party.resumes(&endpoint, &first) && party.resumes(&endpoint, &third));
    assert!(!party.resumes(&endpoint, &second));
}

#[test]
fn a_state_is_not_offered_to_a_server_of_another_name() {
    let party = Party::new();
    let endpoint = listen("127.0.0.1:0", party.resuming_server(|with| with.with_tickets(party.tickets()))).unwrap();
    let state = party.state(&endpoint);
    let (name, config) = ("localhost".try_into().unwrap(), party.resumable_client());
    assert_eq!(state.fits(&config, Some(&name)), Err(Misfit::OtherServer));
    let client = connect_resuming(endpoint.local_addr(), Some(name), config, &state, Options::default()).unwrap();
    assert!(!client.resumed() && !accept(&endpoint).resumed());
}

#[test]
fn endpoints_and_drivers_begin_with_the_state_of_another_session_too() {
    let party = Party::new();
    let endpoint = listen("127.0.0.1:0", party.resuming_server(|with| with.with_tickets(party.tickets()))).unwrap();
    let state = party.state(&endpoint);
    let both_ways = party.listen();
    let config = party.resumable_client();
    let client = both_ways.connect_resuming(endpoint.local_addr(), None, Arc::clone(&config), &state).unwrap();
    assert!(client.resumed() && accept(&endpoint).resumed());

    let mut driver = Driver::bind("127.0.0.1:0", None, Options::default()).unwrap();
    let handle = driver.connect_resuming(endpoint.local_addr(), None, config, &state).unwrap();
    let look = |_| {
        let _ = driver.on_readable(|_, _, _| ());
        endpoint.accept_timeout(Duration::from_millis(1)).unwrap()
    };
    let server = (0..20_000).find_map(look).expect("a client in time");
    assert!(matches!(driver.poll_event(), Some((_, _, Event::Connected))));
    assert!(driver.endpoint().info(handle).unwrap().resumed && server.resumed());
    assert!(driver.change(|endpoint, _| endpoint.take_resumption_state(handle)).is_some());
}
