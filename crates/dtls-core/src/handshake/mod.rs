//! The handshake: RFC 6347 section 4.2.
//!
//! ```text
//!   fragments ─▶ Reassembly ─▶ Message ─▶ state.on_message ─▶ next state | Completed | Error
//!                                               │
//!                                               ▼
//!                              Exchange: transcript, Flight, keys ─▶ Retransmit ─▶ pieces of records
//! ```
//!
//! The states are in [`client`] and [`server`], in the order of RFC 6347 Figure 1. Each owns what it needs and is
//! consumed by the message it waits for, so a message that was skipped or comes twice has no state to meet.
//! The handshake never sees a datagram: it hands keys over and takes fragments.

pub(crate) mod client;
pub(crate) mod exchange;
pub(crate) mod flight;
pub(crate) mod key_schedule;
pub(crate) mod negotiate;
pub(crate) mod parsed;
pub(crate) mod reassembly;
pub(crate) mod retransmit;
pub(crate) mod server;
pub(crate) mod transcript;

use crate::crypto::hash::HashAlgorithm;
use crate::crypto::secrets::MasterSecret;
use crate::crypto::verify::{HandshakeSignatureValid, PeerAuthenticated};
use crate::discard::Discard;
use crate::error::Error;
use crate::event::SessionInfo;
use crate::wire::codec::Decode as _;
use crate::wire::enums::{AlertDescription, HandshakeType};
use crate::wire::fragment::{Fragment, MessageSeq};
use crate::wire::hello::HelloVerifyRequest;
use crate::wire::record::Epoch;
use client::ClientState;
use exchange::Exchange;
use key_schedule::{FinishedVerified, Randoms};
use parsed::Parsed;
use reassembly::{Message, Reassembly};
use server::ServerState;

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Handshake {
    state: State,
    pub(crate) exchange: Exchange,
    reassembly: Reassembly,
    /// Required before the peer's Finished counts, but no more than that: epochs say which keys apply.
    change_cipher_spec_seen: bool,
    faults_left: u8,
    /// An alert that anyone could have forged. It comes true if nothing contradicts it before the timer expires.
    suspected: Option<AlertDescription>,
}

impl Handshake {
    /// A handshake in `state` that receives the peer's messages from `first_seq` on.
    pub(crate) const fn new(state: State, exchange: Exchange, first_seq: MessageSeq, fault_budget: u8) -> Self {
        Self {
            state,
            exchange,
            reassembly: Reassembly::new(first_seq),
            change_cipher_spec_seen: false,
            faults_left: fault_budget,
            suspected: None,
        }
    }

    /// Takes a fragment. Complete messages are then used by [`Handshake::advance`].
    pub(crate) fn on_fragment(&mut self, epoch: Epoch, fragment: &Fragment<'_>) -> Result<Received, Error> {
        if epoch == Epoch::ZERO && fragment.header.typ == HandshakeType::HELLO_VERIFY_REQUEST {
            return self.on_hello_verify_request(fragment);
        }
        match self.reassembly.place(epoch, fragment) {
            Ok(()) => Ok(Received::Kept),
            Err(Discard::RepeatedMessage) => Ok(self.on_repetition(fragment)),
            Err(cause) => Ok(Received::Dropped(cause)),
        }
    }

    /// RFC 6347 section 4.2.4: when the peer repeats the flight that ours answers, ours was lost. The last message of
    /// a flight stands for it.
    fn on_repetition(&mut self, fragment: &Fragment<'_>) -> Received {
        let is_last_used = fragment.header.message_seq.next() == Some(self.reassembly.next_seq());
        if is_last_used && self.exchange.retransmit.peer_repeats() {
            self.exchange.flight.rewind();
            return Received::Repeat;
        }
        Received::Dropped(Discard::RepeatedMessage)
    }

    /// A HelloVerifyRequest stands outside the order of messages: its sender keeps no state, so a second one may come
    /// with any number (RFC 6347 section 4.2.1).
    fn on_hello_verify_request(&mut self, fragment: &Fragment<'_>) -> Result<Received, Error> {
        let State::Client(ClientState::AwaitServerHello(state)) = &mut self.state else {
            return Ok(Received::Dropped(Discard::UnusableMessage));
        };
        let is_whole = fragment.header.fragment_length == fragment.header.length;
        let (true, Ok(request)) = (is_whole, HelloVerifyRequest::decode_all(fragment.body)) else {
            return Ok(Received::Dropped(Discard::UnusableMessage));
        };
        let seq = fragment.header.message_seq;
        if state.on_hello_verify_request(&request, seq, &mut self.exchange)? == client::CookieAnswer::Ignored {
            return Ok(Received::Dropped(Discard::RepeatedMessage));
        }
        self.suspected = None;
        Ok(Received::Kept)
    }

    /// Notes a ChangeCipherSpec. It is never authenticated, so all it can do is to let a Finished through that proves
    /// itself.
    pub(crate) fn on_change_cipher_spec(&mut self) {
        self.change_cipher_spec_seen = true;
    }

    /// Notes an alert that may be forged: it ends the handshake when the timer expires and nothing has contradicted
    /// it, or at once if no faults are forgiven.
    pub(crate) fn on_unproven_alert(&mut self, description: AlertDescription) -> Result<(), Error> {
        if self.faults_left == 0 {
            return Err(Error::AlertReceived(description));
        }
        self.suspected = Some(description);
        Ok(())
    }

    /// The timer has expired: the flight leaves again, or the alert that nothing has contradicted comes true.
    pub(crate) fn on_timer(&mut self) -> Result<(), Error> {
        if let Some(description) = self.suspected {
            return Err(Error::AlertReceived(description));
        }
        if let State::Client(ClientState::AwaitServerHello(state)) = &mut self.state {
            state.on_timer();
        }
        self.exchange.flight.rewind();
        Ok(())
    }

    /// Uses the next message, if it is complete.
    pub(crate) fn advance(&mut self) -> Result<Advance, Error> {
        match &self.state {
            State::Client(ClientState::AwaitServerHello(state)) => {
                self.reassembly.skip_to_first(HandshakeType::SERVER_HELLO, &state.answerable());
            }
            State::Server(ServerState::AwaitClientHello(state)) => {
                let next = self.reassembly.next_seq();
                self.reassembly.skip_to_first(HandshakeType::CLIENT_HELLO, &state.answerable(next));
            }
            _ => {}
        }
        let Some((typ, epoch)) = self.reassembly.peek() else { return Ok(Advance::Nothing) };
        // RFC 5246 section 7.4.1.1 has a HelloRequest ignored during a handshake. A ClientHello comes late, at no fault of
        // the client's, when it followed two cookies and the first was good.
        let is_late_hello = matches!(typ, HandshakeType::HELLO_REQUEST | HandshakeType::CLIENT_HELLO);
        if is_late_hello && epoch == Epoch::ZERO && !self.state.awaits(typ) {
            self.reassembly.forget_next();
            return Ok(Advance::Dropped(Discard::UnusableMessage));
        }
        // Only Finished is sent in epoch 1, and it is sent nowhere else.
        let right_epoch = (typ == HandshakeType::FINISHED) == (epoch == Epoch::ONE);
        if !right_epoch || !self.state.awaits(typ) {
            self.reassembly.forget_next();
            return self.forgive(epoch, Error::UnexpectedMessage(typ));
        }
        if epoch == Epoch::ONE && !self.change_cipher_spec_seen {
            return Ok(Advance::Nothing);
        }
        let Some(message) = self.reassembly.take() else { return Ok(Advance::Nothing) };
        let parsed = match Parsed::of(&message) {
            Ok(parsed) => parsed,
            Err(fault) => {
                self.reassembly.await_again(&message);
                return self.forgive(epoch, Error::Malformed(typ, fault));
            }
        };
        self.suspected = None;
        let state = core::mem::replace(&mut self.state, State::Over);
        match state.on_message(parsed, &message, &mut self.exchange)? {
            Step::Await(state) => {
                self.state = state;
                Ok(Advance::Used)
            }
            Step::Complete(completed) => Ok(Advance::Complete(completed)),
        }
    }

    /// Before keys are in use anyone can send a message that does not parse or does not belong: drop a few, since an
    /// honest retransmission repairs the damage. What is authenticated is the peer's own fault.
    fn forgive(&mut self, epoch: Epoch, error: Error) -> Result<Advance, Error> {
        match self.faults_left.checked_sub(1) {
            Some(left) if epoch == Epoch::ZERO => {
                self.faults_left = left;
                Ok(Advance::Dropped(Discard::UnusableMessage))
            }
            _ => Err(error),
        }
    }

    /// The number of the peer's last message that was used; a repetition of it asks for our last flight again.
    pub(crate) const fn last_used_seq(&self) -> MessageSeq {
        MessageSeq(self.reassembly.next_seq().0.saturating_sub(1))
    }
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Kept,
    Dropped(Discard),
    /// The peer repeats itself: our flight leaves again.
    Repeat,
}

/// What became of the next message.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "returned, never kept; the large one once a handshake")]
pub(crate) enum Advance {
    /// There is none yet.
    Nothing,
    /// It moved the handshake on.
    Used,
    /// It was of no use.
    Dropped(Discard),
    /// It was the last.
    Complete(Completed),
}

/// Where a handshake is.
#[derive(Debug)]
pub(crate) enum State {
    Client(ClientState),
    Server(ServerState),
    /// The state has been consumed: by the last message, by a failure, or while a message is being used.
    Over,
}

impl State {
    const fn awaits(&self, typ: HandshakeType) -> bool {
        match self {
            Self::Client(state) => state.awaits(typ),
            Self::Server(state) => state.awaits(typ),
            Self::Over => false,
        }
    }

    fn on_message(self, parsed: Parsed<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        match self {
            Self::Client(state) => state.on_message(parsed, message, x),
            Self::Server(state) => state.on_message(parsed, message, x),
            Self::Over => Err(Error::UnexpectedMessage(message.typ)),
        }
    }
}

/// Where a message leads.
#[derive(Debug)]
pub(crate) enum Step {
    Await(State),
    Complete(Completed),
}

/// Who the peer has proved to be.
#[derive(Debug)]
pub(crate) enum PeerProof {
    /// The owner of a certificate that is trusted, whose key signed this handshake.
    Certificate(PeerAuthenticated, HandshakeSignatureValid),
    /// A client that was not asked, or was allowed to stay anonymous.
    Anonymous,
}

/// What a handshake leaves behind. It cannot be made without the proofs.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) info: SessionInfo,
    pub(crate) master: MasterSecret,
    pub(crate) randoms: Randoms,
    pub(crate) hash: &'static dyn HashAlgorithm,
}

impl Completed {
    fn new(
        info: SessionInfo,
        master: MasterSecret,
        randoms: Randoms,
        hash: &'static dyn HashAlgorithm,
        _who: PeerProof,
        _finished: FinishedVerified,
    ) -> Self {
        Self { info, master, randoms, hash }
    }
}
