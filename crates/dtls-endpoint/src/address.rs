//! What a host calls an address: anything that can be compared and put into a cookie.

use core::fmt;
use core::hash::Hash;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where a peer is, in the host's own terms: an IP address and a port, or whatever else tells peers apart on its
/// transport.
///
/// Two addresses that compare equal are one peer. Beware of parts that differ between datagrams of one peer, such as
/// the flow label in a [`SocketAddrV6`](core::net::SocketAddrV6): take them out first.
pub trait Address: Clone + Eq + Hash + fmt::Debug {
    /// What several peers may have in common and [`Limits::per_host`](crate::Limits::per_host) counts.
    type Host: Eq + Hash;

    /// The host of this address. For a [`SocketAddr`](core::net::SocketAddr) the IPv4 address, or the first 64 bits of the
    /// IPv6 address, which is what one subscriber has.
    fn host(&self) -> Self::Host;

    /// An encoding of the address that differs between addresses, port included: what a cookie is bound to (RFC 6347
    /// section 4.2.1). It never leaves the endpoint.
    fn cookie_bytes(&self) -> impl AsRef<[u8]>;
}

impl Address for SocketAddr {
    type Host = IpAddr;

    fn host(&self) -> IpAddr {
        match self.ip() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                match v6.to_ipv4_mapped() {
                    Some(v4) => IpAddr::V4(v4),
                    None => IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
                }
            }
            v4 => v4,
        }
    }

    fn cookie_bytes(&self) -> impl AsRef<[u8]> {
        SocketAddrBytes::new(self)
    }
}

/// IP address, port and scope of a socket address as bytes.
#[derive(Clone, Copy, Debug)]
struct SocketAddrBytes {
    bytes: [u8; 16 + 2 + 4],
    len: usize,
}

impl SocketAddrBytes {
    /// The bytes of `address`: 6 for IPv4, 22 for IPv6.
    fn new(address: &SocketAddr) -> Self {
        let port = address.port().to_be_bytes();
        match address {
            SocketAddr::V4(v4) => Self::concat(&[&v4.ip().octets(), &port]),
            SocketAddr::V6(v6) => Self::concat(&[&v6.ip().octets(), &port, &v6.scope_id().to_be_bytes()]),
        }
    }

    fn concat(parts: &[&[u8]]) -> Self {
        let mut bytes = [0; 22];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *to = *from;
            len += 1;
        }
        Self { bytes, len }
    }
}

impl AsRef<[u8]> for SocketAddrBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_differ_in_any_part_have_different_bytes() {
        let texts = [
            "10.0.0.1:1",
            "10.0.0.1:2",
            "10.0.0.2:1",
            "[::ffff:10.0.0.1]:1",
            "[::1]:1",
            "[fe80::1%1]:1",
            "[fe80::1%2]:1",
        ];
        let addresses = texts.map(|text| text.parse::<SocketAddr>().unwrap());
        for (at, one) in addresses.iter().enumerate() {
            for other in &addresses[at + 1..] {
                assert_ne!(one.cookie_bytes().as_ref(), other.cookie_bytes().as_ref(), "{one} and {other}");
            }
        }
    }
}
