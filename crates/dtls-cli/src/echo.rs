//! The echo: whatever comes is sent back to its sender.

use dtls_std::{Session, SessionError};

/// Sends everything back until the session ends, and tells what happens; returns how it ended.
///
/// Only receiving knows the end. Sending fails earlier: at once when the peer has closed, though datagrams that came
/// before its close_notify are still to be received; and in passing, when the socket does not take one.
pub(crate) fn echo(session: &Session, mut tell: impl FnMut(Echo<'_>)) -> SessionError {
    loop {
        let payload = match session.recv_vec() {
            Ok(payload) => payload,
            Err(end) => return end,
        };
        tell(Echo::Received(&payload));
        match session.send(&payload) {
            Ok(()) => tell(Echo::Sent(&payload)),
            // The next call that receives nothing says so.
            Err(
                SessionError::Closed
                | SessionError::Failed(_)
                | SessionError::Ended(_)
                | SessionError::EndpointEnded(_),
            ) => {}
            Err(error) => tell(Echo::NotSent(&payload, &error)),
        }
    }
}

/// What becomes of a datagram.
#[derive(Debug)]
pub(crate) enum Echo<'a> {
    /// It came.
    Received(&'a [u8]),
    /// It went back.
    Sent(&'a [u8]),
    /// It did not; the session goes on.
    NotSent(&'a [u8], &'a SessionError),
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::io::{self, ErrorKind};
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::thread;

    use dtls_std::Tap;

    use super::*;
    use crate::pair::Pair;

    fn told(session: &Session) -> Vec<String> {
        let mut told = Vec::new();
        let end = echo(session, |echo| {
            told.push(match echo {
                Echo::Received(payload) => format!("received {}", payload.escape_ascii()),
                Echo::Sent(payload) => format!("sent {}", payload.escape_ascii()),
                Echo::NotSent(_, error) => format!("not sent: {error:?}"),
            });
        });
        assert!(matches!(end, SessionError::Closed), "{end:?}");
        told
    }

    #[test]
    fn what_came_before_the_end_is_received_though_nothing_can_be_sent_any_more() {
        let Pair { client, server, .. } = Pair::new(None);
        for payload in [b"one", b"two", b"six"] {
            client.send(payload).unwrap();
        }
        client.close();
        // Over, once there is no room for anything.
        while server.max_payload() > 0 {
            thread::yield_now();
        }
        assert_eq!(told(&server), ["received one", "received two", "received six"]);
    }

    /// Refuses to send so many datagrams.
    struct Refusing(Arc<AtomicUsize>);

    impl Tap for Refusing {
        fn received(&mut self, _from: SocketAddr, _datagram: &[u8]) {}

        fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
            if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Err(ErrorKind::ConnectionRefused.into());
            }
            socket.send_to(datagram, to).map(drop)
        }
    }

    #[test]
    fn a_socket_that_does_not_take_one_datagram_does_not_end_the_session() {
        let refusals = Arc::new(AtomicUsize::new(0));
        let Pair { client, server, .. } = Pair::new(Some(Box::new(Refusing(Arc::clone(&refusals)))));
        // The first refusal is forgiven: it may have been meant for an earlier datagram.
        refusals.store(2, Ordering::SeqCst);
        client.send(b"one").unwrap();
        client.send(b"two").unwrap();
        let echoing = thread::spawn(move || told(&server));
        assert_eq!(client.recv_vec().unwrap(), b"two");
        client.close();
        let told = echoing.join().unwrap();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[1].starts_with("not sent: Socket("), "{told:?}");
        assert_eq!(
            (told[0].as_str(), &told[2..]),
            ("received one", &["received two", "sent two"].map(str::to_owned)[..])
        );
    }
}
