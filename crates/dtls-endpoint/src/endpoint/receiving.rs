//! Whose a datagram is: RFC 6347 sections 4.2.1 and 4.2.8.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dtls_core::wire::connection_id::ConnectionId;
use dtls_core::wire::enums::{AlertDescription, ContentType, HandshakeType, ProtocolVersion};
use dtls_core::wire::hello::Random;
use dtls_core::wire::record::{Epoch, RecordHeader, split_record};
use dtls_core::wire::small::Alert;
use dtls_core::{Connection, HelloVerdict, Instant, Role, ServerConfig, VerifiedHello};

use super::{Endpoint, Lent, NoConnectionId, Partner, Presence, Room, Server, Session};
use crate::address::Address;
use crate::event::Reason;
use crate::incoming::Incoming;
use crate::limits::{Admission, CookiePolicy, Replacement};
use crate::sessions::Handle;
use crate::stats::count;

impl<A: Address> Endpoint<A> {
    /// Takes a datagram that came from `from`. The iterator lends the application data in it, one item a record,
    /// decrypted in place, with the session it belongs to; whatever is not application data is handled on the way.
    /// Dropping the iterator handles the rest.
    ///
    /// A datagram that begins with a connection ID is for the session with that ID, wherever it comes from, and for no
    /// other; see [`set_address_change`](Self::set_address_change).
    ///
    /// An address without a session can only begin one, and only by a ClientHello; everything else from there is
    /// counted and has no other effect. Nothing is held for an address until a hello with a good cookie has come from
    /// it, unless the policy is [`CookiePolicy::TrustedPath`].
    ///
    /// A client that has lost its state and begins anew at its old address is answered as if it were a stranger; its
    /// old session goes on beside the new one until [`Replacement`] says otherwise.
    #[inline]
    #[must_use = "application data is lent by the iterator"]
    pub fn receive<'e, 'd>(&'e mut self, now: Instant, from: A, datagram: &'d mut [u8]) -> Received<'e, 'd> {
        self.settle(now);
        self.stats.count_received(datagram.len());
        let Some(handle) = self.recipient(now, from, datagram) else { return Received { lender: None } };
        let was_at_rest = self.is_at_rest(handle);
        if was_at_rest {
            self.wake_at_rest(handle);
        }
        let session = self.sessions.get_mut(handle).filter(|session| session.connection().is_some());
        let Some(Session { presence: Presence::Awake(connection), active, was_connected, .. }) = session else {
            // Where it came from says nothing of the next session.
            self.came_from = None;
            return Received { lender: None };
        };
        let was_connected = *was_connected;
        let woken_at = was_at_rest.then(|| connection.stats().application_records_received);
        self.lent = Some(Lent { handle, was_connected, woken_at });
        let payloads = connection.receive(now, datagram);
        Received { lender: Some(Lender { handle, payloads, active, now: self.now }) }
    }

    /// The session that a datagram is for, if it is not used up already.
    #[inline]
    fn recipient(&mut self, now: Instant, from: A, datagram: &[u8]) -> Option<Handle> {
        if datagram.first() == Some(&ContentType::TLS12_CID.0) {
            return self.recipient_by_cid(from, datagram);
        }
        let Some(handle) = self.by_address.get(&from).copied() else {
            self.on_hello(now, from, datagram);
            return None;
        };
        let session = self.sessions.get(handle)?;
        // Application data for a session that is alone with its address, which is nearly everything there is.
        let is_handshake = datagram.first() == Some(&ContentType::HANDSHAKE.0);
        if !is_handshake && session.partner.is_none() {
            return Some(handle);
        }
        self.recipient_of_handshake(now, from, handle, datagram)
    }

    /// The session that a datagram is for where the address alone does not say.
    #[inline(never)]
    fn recipient_of_handshake(&mut self, now: Instant, from: A, handle: Handle, datagram: &[u8]) -> Option<Handle> {
        if !begins_with_client_hello(datagram) {
            return Some(self.of_two(handle, datagram));
        }
        if self.native_at(&from).is_none() {
            self.on_hello(now, from, datagram);
            return None;
        }
        match self.sessions.get(handle)?.role {
            Role::Server => self.on_known_hello(now, from, handle, datagram),
            Role::Client => Some(self.of_two(handle, datagram)),
        }
    }

    /// Of a session and its successor the one that a datagram is for: whatever belongs to a handshake is for the
    /// successor, and application data for the one that has completed its own.
    fn of_two(&self, handle: Handle, datagram: &[u8]) -> Handle {
        let Some(session) = self.sessions.get(handle) else { return handle };
        let Some(Partner::Successor(successor)) = session.partner else { return handle };
        let for_handshake = split_record(datagram)
            .is_ok_and(|(header, ..)| header.epoch == Epoch::ZERO || header.content_type == ContentType::HANDSHAKE);
        if for_handshake || session.is_over() { successor } else { handle }
    }

    // --- hellos ---

    /// A datagram from an address where no session began: the only place where somebody else's datagram makes one.
    #[inline(never)]
    fn on_hello(&mut self, now: Instant, from: A, datagram: &[u8]) {
        match self.judge(now, &from, datagram) {
            Verdict::Rejected => count(&mut self.stats.rejected),
            Verdict::Reply(reply) => {
                if self.has_room_for(&from, now) {
                    self.reply(from, reply);
                }
            }
            Verdict::Verified(hello) => self.on_verified(now, from, hello),
        }
    }

    /// A hello from the address of a session in which we are the server: it may belong to that session, to its
    /// successor, or be a client that has lost its state (RFC 6347 section 4.2.8). Returns the session that the datagram
    /// is still to be given to.
    fn on_known_hello(&mut self, now: Instant, from: A, handle: Handle, datagram: &[u8]) -> Option<Handle> {
        match self.judge(now, &from, datagram) {
            // A later fragment, or nothing: the handshake under way knows.
            Verdict::Rejected => Some(self.of_two(handle, datagram)),
            Verdict::Reply(reply) => {
                self.reply(from, reply);
                None
            }
            Verdict::Verified(hello) => {
                let begun = self.begun_by(handle, hello.random());
                if begun.is_none() {
                    self.on_verified(now, from, hello);
                }
                begun
            }
        }
    }

    /// Of a session and its successor the one that began with this hello. A late copy of the hello of a session that has
    /// been replaced belongs to the one that has its place: nobody begins anew with it.
    fn begun_by(&self, handle: Handle, random: &Random) -> Option<Handle> {
        let session = self.sessions.get(handle)?;
        if [&session.opening, &session.replaced].contains(&&Some(*random)) {
            return Some(handle);
        }
        let Some(Partner::Successor(successor)) = session.partner else { return None };
        (self.sessions.get(successor)?.opening.as_ref() == Some(random)).then_some(successor)
    }

    /// Judges a hello by its cookie, or by itself where the path is trusted.
    fn judge(&mut self, now: Instant, from: &A, datagram: &[u8]) -> Verdict {
        let Some(Server { policy, cookies, .. }) = &mut self.server else { return Verdict::Rejected };
        if *policy == CookiePolicy::TrustedPath {
            return VerifiedHello::on_trusted_path(datagram).map_or(Verdict::Rejected, Verdict::Verified);
        }
        let mut reply = Vec::new();
        match cookies.check(now, from.cookie_bytes().as_ref(), datagram, &mut reply) {
            HelloVerdict::Dropped(_) => Verdict::Rejected,
            HelloVerdict::Reply => Verdict::Reply(reply),
            HelloVerdict::Verified(hello) => Verdict::Verified(hello),
        }
    }

    fn on_verified(&mut self, now: Instant, from: A, hello: VerifiedHello) {
        if !self.has_room_for(&from, now) {
            return;
        }
        let incoming = Incoming { address: from, hello };
        if self.admission == Admission::Ask {
            if self.incoming.replace(incoming).is_some() {
                count(&mut self.stats.unanswered);
            }
        } else if let Some(config) = self.server.as_ref().map(|server| Arc::clone(&server.config)) {
            self.begin(now, incoming, config);
        }
    }

    /// Whether a new client at this address may be answered; counts it if not.
    fn has_room_for(&mut self, address: &A, now: Instant) -> bool {
        if self.admission == Admission::Busy {
            count(&mut self.stats.busy);
            return false;
        }
        let has_room = self.half_open < self.limits.half_open && self.may_find_room(address, now);
        if !has_room {
            count(&mut self.stats.refused);
        }
        has_room
    }

    pub(super) fn reply(&mut self, to: A, reply: Vec<u8>) {
        if self.replies.len() >= Self::REPLIES_MAX {
            count(&mut self.stats.unanswered);
        } else {
            self.replies.push_back((to, reply));
        }
    }

    /// How many answers wait at most. A host that drains after every datagram never has more than one.
    pub(crate) const REPLIES_MAX: usize = 64;

    // --- the door ---

    /// The client that has come with the last datagram, under [`Admission::Ask`]. Ask after every
    /// [`receive`](Self::receive): one that is not taken gives way to the next and is counted as unanswered.
    pub fn poll_incoming(&mut self) -> Option<Incoming<A>> {
        self.incoming.take()
    }

    /// Begins a session with a client. `None` if the limits have been reached meanwhile, and the client then repeats its
    /// hello; or if its address has meanwhile a session that began with the same hello, or one in which we are the client.
    pub fn accept(&mut self, now: Instant, incoming: Incoming<A>, config: Arc<ServerConfig>) -> Option<Handle> {
        self.settle(now);
        if self.has_room_for(&incoming.address, now) { self.begin(now, incoming, config) } else { None }
    }

    /// Turns a client away with a fatal alert, in the clear and once, shorter than what it sent. Where that may be
    /// forged all the same, or is not worth a datagram, drop the [`Incoming`].
    pub fn refuse(&mut self, incoming: Incoming<A>, description: AlertDescription) {
        let alert = Alert::fatal(description).to_bytes();
        let header = RecordHeader {
            content_type: ContentType::ALERT,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch::ZERO,
            number: incoming.hello.record_number(),
            length: 2,
        };
        count(&mut self.stats.refused);
        self.reply(incoming.address, [&header.to_bytes()[..], &alert].concat());
    }

    /// Makes a session of a verified hello, beside the one that its address may have.
    fn begin(&mut self, now: Instant, incoming: Incoming<A>, config: Arc<ServerConfig>) -> Option<Handle> {
        let Incoming { address, hello } = incoming;
        let opening = *hello.random();
        let predecessor = self.native_at(&address);
        if let Some(predecessor) = predecessor {
            // Since the host was asked, the client may have been let in, or we may have gone to it.
            let is_ours = self.sessions.get(predecessor)?.role == Role::Client;
            if is_ours || self.begun_by(predecessor, &opening).is_some() {
                return None;
            }
        }
        let beside = self.place_to_share(&address);
        let cid = self.new_cid(&config.settings().connection_id, &*config.provider().random);
        let cid = cid.unwrap_or_else(|NoConnectionId| Some(ConnectionId::default()));
        let connection = match cid.clone() {
            Some(cid) => Connection::accept_with_cid(config, hello, cid, now),
            None => Connection::accept(config, hello, now),
        };
        let need = Room { places: usize::from(beside.is_none()), memory: connection.memory() };
        // A handshake that has failed already is nothing that anybody has to go for.
        let has_room = if connection.is_over() { self.has_room(need) } else { self.make_room(&address, need, now) };
        let inserted = if has_room { self.insert(address.clone(), connection, Role::Server, beside) } else { None };
        let Some(handle) = inserted else {
            count(&mut self.stats.refused);
            return None;
        };
        self.register_cid(handle, cid);
        count(&mut self.stats.server_sessions);
        self.half_open += 1;
        if let Some(predecessor) = predecessor {
            self.give_up_successor_of(predecessor);
        }
        let session = self.sessions.get_mut(handle)?;
        session.is_half_open = true;
        session.opening = Some(opening);
        match predecessor {
            None => drop(self.by_address.insert(address, handle)),
            Some(predecessor) => {
                session.partner = Some(Partner::Predecessor(predecessor));
                self.sessions.get_mut(predecessor)?.partner = Some(Partner::Successor(handle));
            }
        }
        // What belongs to a handshake goes to the newest, so an older one could only mislead the client by what it repeats.
        let is_in_the_way = predecessor
            .and_then(|predecessor| self.sessions.get(predecessor))
            .is_some_and(|predecessor| predecessor.is_half_open || self.replacement == Replacement::AfterCookie);
        if is_in_the_way && self.sessions.get(handle).is_some_and(|session| !session.is_over()) {
            self.take_over(handle);
        }
        self.touch(handle);
        Some(handle)
    }

    /// A client has begun anew once more: of its unfinished attempts the newest counts.
    fn give_up_successor_of(&mut self, predecessor: Handle) {
        if let Some(Partner::Successor(successor)) = self.sessions.get(predecessor).and_then(|session| session.partner)
        {
            self.end(successor, Reason::Replaced);
        }
    }
}

/// What becomes of a datagram that may be a hello.
enum Verdict {
    Rejected,
    Reply(Vec<u8>),
    Verified(VerifiedHello),
}

/// Whether a datagram begins with a ClientHello in the clear, or a fragment of one.
fn begins_with_client_hello(datagram: &[u8]) -> bool {
    split_record(datagram).is_ok_and(|(header, body, _)| {
        header.content_type == ContentType::HANDSHAKE
            && header.epoch == Epoch::ZERO
            && body.first() == Some(&HandshakeType::CLIENT_HELLO.0)
    })
}

/// The application data of one datagram, lent record by record. Made by [`Endpoint::receive`].
#[derive(Debug)]
pub struct Received<'e, 'd> {
    lender: Option<Lender<'e, 'd>>,
}

#[derive(Debug)]
struct Lender<'e, 'd> {
    handle: Handle,
    payloads: dtls_core::Received<'e, 'd>,
    /// When the session last had application data.
    active: &'e mut Instant,
    now: Instant,
}

impl<'d> Iterator for Received<'_, 'd> {
    type Item = (Handle, &'d mut [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let lender = self.lender.as_mut()?;
        let payload = lender.payloads.next()?;
        *lender.active = lender.now;
        Some((lender.handle, payload))
    }
}

impl Drop for Received<'_, '_> {
    /// Data that nobody asked for keeps a session from being idle all the same.
    #[inline]
    fn drop(&mut self) {
        while self.next().is_some() {}
    }
}
