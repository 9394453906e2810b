//! Deadlines.

use super::*;

#[test]
fn the_deadline_is_that_of_the_session_that_is_due_first_and_no_other_acts() {
    let mut network = Network::new();
    let at = |millis| Instant::from_origin(Duration::from_millis(millis));
    let hosts = [Host(10), Host(11), Host(12)];
    for (host, millis) in hosts.into_iter().zip([0, 300, 600]) {
        network.now = at(millis);
        let (now, config) = (network.now, Arc::clone(&network.configs.client));
        network.server().connect(now, host, config, None).unwrap();
        network.drain();
    }
    network.under_way.clear();
    // First repetitions 1 s after the first flights, second ones 2 s later.
    let expected = [1000, 1300, 1600, 3000, 3300, 3600].map(at).into_iter().zip(hosts.into_iter().cycle());
    for (deadline, host) in expected {
        assert_eq!(network.server().poll_timeout(), Some(deadline));
        network.now = Instant::from_origin(deadline.since_origin() - Duration::from_nanos(1));
        let now = network.now;
        network.server().handle_timeout(now);
        network.drain();
        assert!(network.under_way.is_empty());
        network.now = deadline;
        network.server().handle_timeout(deadline);
        network.drain();
        let sent_to: Vec<Host> = network.under_way.drain(..).map(|(_, to, _)| to).collect();
        assert_eq!(sent_to, [host]);
    }
}

#[test]
fn a_lost_flight_is_repeated_by_the_returned_deadlines_alone() {
    let mut network = Network::new();
    for host in (1..=5).map(Host) {
        network.connect(host);
    }
    // All hellos are lost.
    network.drain();
    network.under_way.clear();
    assert!(network.jump());
    network.run();
    assert_eq!(network.now, Instant::from_origin(Duration::from_secs(1)));
    assert_eq!(network.sessions(), 5);
    assert_eq!(network.events.len(), 10);
}

#[test]
fn when_all_is_said_there_is_no_deadline() {
    let mut network = Network::new();
    network.pair(Host(1));
    network.pair(Host(2));
    // The server keeps its last flight for a while.
    let mut jumps = 0;
    while network.jump() {
        network.run();
        jumps += 1;
    }
    assert!((1..=2).contains(&jumps));
    assert_eq!(network.sessions(), 2);
}
