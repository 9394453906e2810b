//! What sees every datagram, both ways, and may disturb those that leave.

use core::net::SocketAddr;
use std::io;
use std::net::UdpSocket;

/// Sees every datagram of a socket as it is on the wire: to trace, to count, to lose or delay some on purpose.
///
/// Calls come one at a time, from whichever thread sends or receives, and have to keep to the rules of all
/// [callbacks](crate#callbacks): not call the endpoint or a session of the same socket, not block, not panic.
pub trait Tap: Send {
    /// A datagram has come and has not been looked at.
    fn received(&mut self, from: SocketAddr, datagram: &[u8]);

    /// Sends a datagram. The socket does not block; a tap that sends later keeps a
    /// [`try_clone`](UdpSocket::try_clone) of it.
    ///
    /// # Errors
    /// Those of the socket: a payload's sender gets them, and a handshake takes them for a datagram lost on its way. On
    /// [`io::ErrorKind::WouldBlock`] the same datagram is given again when the socket has room; where it has, and the tap
    /// has none of its own, every few milliseconds. The loop around a [`Driver`](crate::Driver) has to make that pause
    /// itself.
    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        send(socket, to, datagram)
    }
}

pub(crate) fn send(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
    socket.send_to(datagram, to).map(|_| ())
}
