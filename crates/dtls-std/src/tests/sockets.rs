//! Options of sockets, and what a socket refuses.
#![cfg(unix)]

use std::os::fd::AsFd as _;

use socket2::SockRef;

use super::*;
use crate::{Driver, Fragmentation, Ipv6, SocketOptions};

fn with(socket: SocketOptions) -> Options {
    Options { socket, ..Options::default() }
}

#[test]
fn a_socket_has_the_options_that_were_asked_for() {
    let options = SocketOptions {
        receive_buffer: Some(50_000),
        send_buffer: Some(40_000),
        hop_limit: Some(9),
        reuse_port: true,
        fragmentation: Fragmentation::Forbidden,
        ..SocketOptions::default()
    };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // A host may have no IPv6.
        let Ok(plain) = Driver::bind(address, None, Options::default()) else { continue };
        let driver = Driver::bind(address, None, with(options)).unwrap();
        let sizes = |driver: &Driver| {
            let fd = driver.as_fd();
            let socket = SockRef::from(&fd);
            let hops = if driver.local_addr().is_ipv6() { socket.unicast_hops_v6() } else { socket.ttl_v4() };
            (
                socket.recv_buffer_size().unwrap(),
                socket.send_buffer_size().unwrap(),
                hops.unwrap(),
                socket.reuse_port().unwrap(),
            )
        };
        let (receive, send, hops, reuse) = sizes(&driver);
        // Linux doubles them, for its own needs.
        assert!([50_000, 100_000].contains(&receive) && [40_000, 80_000].contains(&send), "{receive} {send}");
        assert_eq!((hops, reuse), (9, true));
        assert!(sizes(&plain) != sizes(&driver) && !sizes(&plain).3);
    }
}

#[test]
fn what_a_socket_cannot_have_is_an_error_that_names_the_option() {
    let failed = Driver::bind("127.0.0.1:0", None, with(SocketOptions { hop_limit: Some(0), ..Default::default() }));
    let Err(error) = failed else { panic!("{failed:?}") };
    assert!(error.to_string().contains("`hop_limit`"), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn several_endpoints_share_a_port_only_if_they_say_so() {
    let party = Party::new();
    let shared = || with(SocketOptions { reuse_port: true, ..Default::default() });
    let one = listen_with("127.0.0.1:0", party.server(), shared()).unwrap();
    let refused = listen(one.local_addr(), party.server());
    assert!(matches!(&refused, Err(error) if error.kind() == io::ErrorKind::AddrInUse), "{refused:?}");
    let other = listen_with(one.local_addr(), party.server(), shared()).unwrap();
    let clients: Vec<_> = (0..16).map(|_| connect(one.local_addr(), None, party.client()).unwrap()).collect();
    let shares = [&one, &other].map(|endpoint| endpoint.stats().server_sessions);
    assert_eq!(shares.iter().sum::<u64>(), 16);
    for client in &clients {
        client.send(b"hello").unwrap();
    }
    let heard = [&one, &other].map(|endpoint| {
        let sessions = core::iter::from_fn(|| endpoint.accept_timeout(SHORT).unwrap());
        sessions.filter(|session| receive(session) == b"hello").count()
    });
    assert_eq!(heard.map(|count| u64::try_from(count).unwrap()), shares);
}

#[test]
fn a_client_binds_where_it_is_told_to() {
    let party = Party::new();
    let endpoint = party.listen();
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bound = |address| with(SocketOptions { bind: Some(address), ..Default::default() });
    let client = connect_with(endpoint.local_addr(), None, party.client(), bound(free)).unwrap();
    assert_eq!((client.local_addr(), accept(&endpoint).remote_addr()), (free, free));
    let failed = connect_with(endpoint.local_addr(), None, party.client(), bound("[::1]:0".parse().unwrap()));
    assert!(matches!(failed, Err(ConnectError::Socket(_))), "{failed:?}");
}

#[test]
fn a_dual_stack_endpoint_serves_and_calls_ipv4_and_ipv6() {
    let party = Party::new();
    let dual = || with(SocketOptions { ipv6: Ipv6::DualStack, ..Default::default() });
    // A host may have no IPv6.
    let Ok(endpoint) = listen_with("[::]:0", party.server(), dual()) else { return };
    let port = endpoint.local_addr().port();
    for host in ["127.0.0.1", "::1"] {
        let client = connect((host, port), None, party.client()).unwrap();
        let server = accept(&endpoint);
        server.send(b"hello").unwrap();
        assert_eq!(receive(&client), b"hello");
        assert_eq!(server.remote_addr().port(), client.local_addr().port());
    }
    for here in ["127.0.0.1:0", "[::1]:0"] {
        let other = listen(here, party.server()).unwrap();
        let client = endpoint.connect(other.local_addr(), None, party.client()).unwrap();
        client.send(b"hello").unwrap();
        assert_eq!(receive(&accept(&other)), b"hello");
    }
}

#[test]
fn an_ipv6_only_endpoint_leaves_its_port_to_ipv4() {
    let party = Party::new();
    let only = with(SocketOptions { ipv6: Ipv6::Only, ..Default::default() });
    // A host may have no IPv6.
    let Ok(endpoint) = listen_with("[::]:0", party.server(), only) else { return };
    let port = endpoint.local_addr().port();
    let _ipv4 = listen(("0.0.0.0", port), party.server()).unwrap();
    let client = connect(("::1", port), None, party.client()).unwrap();
    assert_eq!(client.remote_addr().port(), accept(&endpoint).local_addr().port());
    let failed = endpoint.connect("127.0.0.1:9", None, party.client());
    assert!(matches!(&failed, Err(ConnectError::Socket(error)) if error.kind() == io::ErrorKind::AddrNotAvailable));
}

// --- too long for the way ---

/// A way that takes no more than so many bytes.
struct Narrow(usize);

impl Tap for Narrow {
    fn received(&mut self, _: SocketAddr, _: &[u8]) {}

    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        if datagram.len() > self.0 {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        crate::tap::send(socket, to, datagram)
    }
}

#[test]
fn a_payload_that_the_system_finds_too_long_makes_the_mtu_smaller() {
    let party = Party::new();
    let endpoint = party.listen();
    let options = Options { tap: Some(Box::new(Narrow(1_300))), ..Options::default() };
    let client = connect_with(endpoint.local_addr(), None, party.client(), options).unwrap();
    let server = accept(&endpoint);
    client.set_mtu(1_400);
    let max = client.max_payload();
    let refused = client.send(&vec![1; max]);
    let Err(SessionError::NotSent(SendError::TooLong { max: fits })) = refused else { panic!("{refused:?}") };
    // The largest step below: the least that IPv6 takes, without its headers.
    assert_eq!((client.max_payload(), max - fits), (fits, 1_400 - 1_232));
    client.send(&vec![2; fits]).unwrap();
    assert_eq!(receive(&server), vec![2; fits]);
}

#[test]
fn a_flight_that_is_too_long_for_its_way_leaves_in_smaller_datagrams() {
    let party = Party::new();
    let options = Options { tap: Some(Box::new(Narrow(300))), ..Options::default() };
    let hasty = party.server_with(|settings| settings.first_timeout = Duration::from_millis(20));
    let endpoint = listen_with("127.0.0.1:0", hasty, options).unwrap();
    let (client, server) = party.pair(&endpoint);
    assert!(server.max_payload() < 300 && client.max_payload() > 300);
    // Without word of it, two losses would have come before a smaller one was tried.
    assert!(server.stats().retransmits <= 2, "{:?}", server.stats());
    server.send(&vec![3; server.max_payload()]).unwrap();
    assert_eq!(receive(&client), vec![3; server.max_payload()]);
}
