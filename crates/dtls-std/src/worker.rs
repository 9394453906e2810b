//! The thread of one socket: waits for a datagram, for the next deadline, or to be woken.

use std::io;

use mio::{Events, Interest, Poll, Token, Waker};

use crate::shared::{Shared, Wait};
use crate::socket::Intake;

pub(crate) struct Worker {
    poll: Poll,
    socket: mio::net::UdpSocket,
    intake: Intake,
    is_watching_room: bool,
}

impl Worker {
    const SOCKET: Token = Token(0);
    const WAKER: Token = Token(1);
    /// Errors of the socket in a row after which to wait for it again. They tell of earlier datagrams (ICMP), and
    /// behind them may stand datagrams of which nothing else would tell.
    const ERRORS_MAX: usize = 64;
    /// Datagrams, or trains of datagrams, in one call of the system.
    pub(crate) const BATCH: usize = 32;

    /// The socket must not block. What is given back wakes the thread.
    pub(crate) fn new(intake: Intake) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Self::WAKER)?;
        let mut socket = mio::net::UdpSocket::from_std(intake.udp().try_clone()?);
        poll.registry().register(&mut socket, Self::SOCKET, Interest::READABLE)?;
        Ok((Self { poll, socket, intake, is_watching_room: false }, waker))
    }

    pub(crate) fn run(mut self, shared: &Shared) {
        // However this ends, nobody is left waiting.
        let mut retirement = Retirement { shared, fault: Some(io::Error::other(CALLBACK_PANICKED)) };
        retirement.fault = self.serve(shared).err();
        // The socket before the word that it is closed.
        drop(self);
    }

    fn serve(&mut self, shared: &Shared) -> io::Result<()> {
        let mut events = Events::with_capacity(4);
        loop {
            let Some(wait) = shared.proceed() else { return Ok(()) };
            if let Some(intake) = shared.take_new_intake() {
                self.move_to(intake, shared)?;
                continue;
            }
            self.watch(wait)?;
            match self.poll.poll(&mut events, wait.until.map(|until| until - shared.now())) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            if events.iter().any(|event| event.token() == Self::SOCKET) {
                self.receive_all(shared);
            }
        }
    }

    /// Reads from another socket, once all that has come to the old one is taken.
    fn move_to(&mut self, intake: Intake, shared: &Shared) -> io::Result<()> {
        self.receive_all(shared);
        let mut socket = mio::net::UdpSocket::from_std(intake.udp().try_clone()?);
        self.poll.registry().deregister(&mut self.socket)?;
        self.poll.registry().register(&mut socket, Self::SOCKET, Interest::READABLE)?;
        (self.socket, self.intake, self.is_watching_room) = (socket, intake, false);
        Ok(())
    }

    /// Room is asked for only when it is missed: otherwise every datagram that leaves would wake the thread.
    fn watch(&mut self, wait: Wait) -> io::Result<()> {
        if !wait.for_room && !self.is_watching_room {
            return Ok(());
        }
        self.is_watching_room = wait.for_room;
        let interest = if wait.for_room { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        // Each time anew: this way it is said once more if there is room already.
        self.poll.registry().reregister(&mut self.socket, Self::SOCKET, interest)
    }

    /// Takes what has come, until there is no more: only then does the system say again that something has.
    fn receive_all(&mut self, shared: &Shared) {
        let mut errors = 0;
        while errors < Self::ERRORS_MAX {
            match self.socket.try_io(|| self.intake.fill()) {
                Ok(()) => {
                    errors = 0;
                    let mut state = shared.lock();
                    state.receive(shared.now(), &mut self.intake);
                    if state.is_done() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    errors += 1;
                    shared.lock().on_socket_error(&error);
                }
            }
        }
    }
}

struct Retirement<'a> {
    shared: &'a Shared,
    /// Why the thread can go on no longer.
    fault: Option<io::Error>,
}

impl Drop for Retirement<'_> {
    fn drop(&mut self) {
        self.shared.retire(self.fault.take());
    }
}

const CALLBACK_PANICKED: &str = "a callback has panicked in the socket's thread";
