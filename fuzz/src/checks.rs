//! One end of an association, with everything that must hold of it checked around every call.
//!
//! | invariant | where |
//! |---|---|
//! | a server answers an address that has not shown itself with no more bytes than it got | [`End::receive`] |
//! | application data only after `Connected`, no record's twice, none once it is over | [`End::receive`] |
//! | a datagram without a whole record changes nothing | [`End::receive`] |
//! | `poll_transmit` comes to an end; a datagram is whole records and no longer than the MTU | [`End::poll`] |
//! | no epoch and number leaves twice; two copies of a message say the same | [`End::check_output`] |
//! | after `handle_timeout` the next deadline lies later; too early a call changes nothing | [`End::handle_timeout`] |
//! | `Connected` once, one end, nothing behind it; a question is told once, keys that differ at most once | [`End::drain_events`] |
//! | while its owner is asked nothing leaves; an answer counts only if it was asked for | [`End::poll_one`], [`End::answer`] |
//! | `send` succeeds exactly when it may, and otherwise appends nothing | [`End::send`] |
//! | deadlines, `info` and `max_payload` agree with the state | [`End::check_state`] |
//! | heap bounded by what was received; all of it given back | [`End::count`], [`End::finish`] |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dtls_core::wire::enums::{ContentType, HandshakeType};
use dtls_core::wire::fragment::Fragments;
use dtls_core::wire::record::{Epoch, RecordHeader, Records, split_cid_record, split_record};
use dtls_core::{
    Answer, Connection, CookieJar, Event, HelloVerdict, Instant, NotAsked, Question, Role, SendError, ServerConfig,
    SessionInfo,
};

use crate::null_provider::ID_LEN;

/// One end, checked.
#[derive(Debug)]
pub struct End {
    role: Role,
    /// `None` while a server has not seen a verified hello, and after [`End::finish`].
    connection: Option<Connection>,
    /// A server that has not seen a verified hello.
    door: Option<Door>,
    /// The same afterwards, so that what it shares with the connection is not dropped with that.
    kept: Option<Door>,
    /// Datagrams that have been taken and not been delivered yet.
    pub outbox: Vec<Vec<u8>>,
    /// What both ends must agree on, taken when this end said `Connected`.
    pub agreed: Option<Agreed>,
    mtu: usize,
    connected: bool,
    /// Whether it has told of the question that it has.
    has_asked: bool,
    /// Whether it has told that keys probably differ.
    keys_differ: bool,
    ended: Option<Event>,
    /// Whether it was closed or aborted on this side.
    closed: bool,
    aborted: bool,
    /// Epoch and number of every record that left. Not always in order: an alert gets its number when it is queued.
    numbers: BTreeSet<(u16, u64)>,
    /// The messages that left in epoch 0, by their number.
    messages: BTreeMap<u16, SentMessage>,
    /// The numbers of the records whose payload was lent.
    lent: BTreeSet<u64>,
    /// What was sent and can be told apart.
    pub payloads: BTreeMap<u64, Vec<u8>>,
    heap: i64,
    bytes_received: i64,
    /// How long this end's certificate is.
    own_bytes: i64,
    scratch: Vec<u8>,
    /// How often the state may still be put in words.
    words_left: u8,
}

/// The stateless front of a server.
#[derive(Debug)]
struct Door {
    cookies: CookieJar,
    config: Arc<ServerConfig>,
}

/// What both ends must agree on.
#[derive(Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What was negotiated.
    pub info: SessionInfo,
    /// Exported keying material; `None` if the configuration does not let it out.
    pub exported: Option<[u8; 32]>,
}

impl Agreed {
    /// How long the connection ID is in what this end sends; 0 if there is none.
    fn peers_id_len(&self) -> usize {
        self.info.connection_ids.as_ref().map_or(0, |ids| ids.remote.len())
    }

    /// How long the connection ID is in what this end receives; 0 if there is none.
    fn own_id_len(&self) -> usize {
        self.info.connection_ids.as_ref().map_or(0, |ids| ids.local.len())
    }
}

/// A message as far as it has left.
#[derive(Debug)]
struct SentMessage {
    typ: u8,
    length: u32,
    /// `None` for what has not left yet.
    bytes: Vec<Option<u8>>,
}

impl End {
    /// A client, or a server that something else has let in. `begin` makes the connection.
    pub fn new(role: Role, mtu: usize, own_bytes: usize, begin: impl FnOnce() -> Connection) -> Self {
        let mut end = Self::empty(role, mtu, own_bytes);
        end.begin(begin);
        end
    }

    /// A server behind a cookie jar.
    pub fn behind_cookies(mtu: usize, own_bytes: usize, cookies: CookieJar, config: Arc<ServerConfig>) -> Self {
        Self { door: Some(Door { cookies, config }), ..Self::empty(Role::Server, mtu, own_bytes) }
    }

    fn empty(role: Role, mtu: usize, own_bytes: usize) -> Self {
        Self {
            role,
            connection: None,
            door: None,
            kept: None,
            outbox: Vec::new(),
            agreed: None,
            mtu,
            connected: false,
            has_asked: false,
            keys_differ: false,
            ended: None,
            closed: false,
            aborted: false,
            numbers: BTreeSet::new(),
            messages: BTreeMap::new(),
            lent: BTreeSet::new(),
            payloads: BTreeMap::new(),
            heap: 0,
            bytes_received: 0,
            own_bytes: i64::try_from(own_bytes).unwrap(),
            scratch: Vec::with_capacity(MARK.len() + 70_000),
            words_left: 8,
        }
    }

    fn begin(&mut self, begin: impl FnOnce() -> Connection) {
        let mut connection = None;
        let counted = allocation_counter::measure(|| connection = Some(begin()));
        self.heap += counted.bytes_current;
        self.connection = connection;
    }

    /// Whether the handshake was completed at some time.
    #[must_use]
    pub const fn was_connected(&self) -> bool {
        self.connected
    }

    /// Whether it is connected now.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected && !self.is_over()
    }

    /// Whether it has ended, by whichever side.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.ended.is_some() || self.closed
    }

    /// Whether it waits for its owner.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.question().is_some())
    }

    /// When it wants to be told the time.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.connection.as_ref()?.poll_timeout()
    }

    /// Calls into the connection and counts the bytes that it takes from the heap or gives back.
    fn count<R>(&mut self, call: impl FnOnce(&mut Connection) -> R) -> Option<R> {
        let connection = self.connection.as_mut()?;
        let mut result = None;
        let counted = allocation_counter::measure(|| result = Some(call(connection)));
        let peak = self.heap + i64::try_from(counted.bytes_max).unwrap();
        self.heap += counted.bytes_current;
        // A fragment of one byte takes a page of half a kilobyte and a place in a list of pages: some hundred bytes
        // for each that was received, and never more than all slots full.
        let bound = 64 * 1024 + 8 * self.own_bytes + (160 * self.bytes_received).min(2 << 20);
        assert!(peak <= bound, "{peak} bytes of heap after {} bytes received", self.bytes_received);
        result
    }
}

// --- receiving ---

impl End {
    /// Gives it a datagram; returns the application data that it lent.
    pub fn receive(&mut self, now: Instant, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.bytes_received += i64::try_from(datagram.len()).unwrap();
        if self.door.is_some() {
            self.knock(now, datagram);
            return Vec::new();
        }
        let has_records = [0, ID_LEN].into_iter().any(|id_len| !spans(datagram, id_len).is_empty());
        let before = if !has_records { self.state_in_words() } else { None };
        let was_over = self.is_over();
        let mut buffer = datagram.to_vec();
        let mut from = 0;
        let mut payloads = Vec::new();
        loop {
            let found = self.receive_rest(now, &mut buffer[from..]);
            self.drain_events();
            let spans = spans(datagram, self.agreed.as_ref().map_or(ID_LEN, Agreed::own_id_len));
            for (place, len) in &found {
                let span = spans.iter().find(|span| span.start <= from + place && from + place <= span.end);
                let span = span.expect("application data lies in a record of the datagram");
                assert!(self.connected, "application data before Connected");
                assert!(!was_over, "application data although it is over");
                assert_eq!(span.epoch, Epoch::ONE, "application data that was not protected");
                assert!(self.lent.insert(span.number), "the payload of record {} was lent twice", span.number);
                payloads.push(buffer[from + place..from + place + len].to_vec());
            }
            // Before it was known to be connected, reading stopped behind the first payload.
            match found.last() {
                Some((place, _)) if payloads.len() == 1 => {
                    let span = spans.iter().find(|span| span.start <= from + place && from + place <= span.end);
                    from = span.map_or(buffer.len(), |span| span.end).max(from + place);
                }
                _ => break,
            }
            if found.len() != 1 || from == buffer.len() {
                break;
            }
        }
        if let Some(before) = before {
            assert_eq!(before, format!("{:?}", self.connection), "a datagram without a record changed the state");
        }
        self.check_state();
        payloads
    }

    /// Gives it what is left of a datagram; returns where in it payloads lie. Stops behind the first payload if it
    /// has not said that it is connected, so that what it has said by then can be asked.
    fn receive_rest(&mut self, now: Instant, rest: &mut [u8]) -> Vec<(usize, usize)> {
        let start = rest.as_ptr().addr();
        let stop_at_first = !self.connected;
        let mut found = Vec::with_capacity(rest.len() / 13 + 1);
        self.count(|connection| {
            let mut received = connection.receive(now, rest);
            while let Some(payload) = received.next() {
                found.push((payload.as_ptr().addr() - start, payload.len()));
                if stop_at_first {
                    // Not dropped: that would handle the rest.
                    std::mem::forget(received);
                    break;
                }
            }
        });
        found
    }

    /// Shows a datagram to the cookie jar.
    fn knock(&mut self, now: Instant, datagram: &[u8]) {
        let Some(door) = &mut self.door else { return };
        let mut reply = Vec::new();
        match door.cookies.check(now, b"192.0.2.1:5684", datagram, &mut reply) {
            HelloVerdict::Reply => {
                assert!(!reply.is_empty());
                assert!(reply.len() <= datagram.len(), "{} bytes for {}", reply.len(), datagram.len());
                assert_eq!(Records::new(&reply).filter(Result::is_ok).count(), 1);
                self.outbox.push(reply);
            }
            HelloVerdict::Dropped(_) => assert!(reply.is_empty(), "a datagram was dropped and answered"),
            HelloVerdict::Verified(hello) => {
                assert!(reply.is_empty(), "a hello was accepted and answered");
                let config = Arc::clone(&door.config);
                self.kept = self.door.take();
                // The copy of the datagram in the hello was made outside and is dropped inside.
                self.heap += i64::try_from(datagram.len()).unwrap();
                self.begin(|| Connection::accept(config, hello, now));
                self.drain_events();
                self.check_state();
            }
        }
    }
}

/// Where a record lies in its datagram, and which it is.
struct Span {
    start: usize,
    end: usize,
    epoch: Epoch,
    number: u64,
}

/// The records of a datagram for an end whose connection ID has `id_len` bytes.
fn spans(datagram: &[u8], id_len: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = datagram;
    while let Some((header, body, behind)) = split(rest, id_len) {
        let end = datagram.len() - behind.len();
        spans.push(Span { start: end - body.len(), end, epoch: header.epoch, number: header.number.get() });
        rest = behind;
    }
    spans
}

/// The first record of a datagram, its body, and what follows.
fn split(datagram: &[u8], id_len: usize) -> Option<(RecordHeader, &[u8], &[u8])> {
    if datagram.first() != Some(&ContentType::TLS12_CID.0) {
        return split_record(datagram).ok();
    }
    // Without an ID of its own an end has no use for such a record, and cannot tell where it ends.
    let record = split_cid_record(datagram, id_len).ok().filter(|_| id_len > 0)?;
    Some((record.header, record.body, record.rest))
}

// --- sending ---

impl End {
    /// Takes one datagram of the handshake into the outbox; returns whether there was one.
    pub fn poll_one(&mut self, now: Instant) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(MARK);
        let asks = self.asks();
        let there_was_one = self.count(|connection| connection.poll_transmit(now, &mut scratch)).unwrap_or(false);
        assert!(!asks || !there_was_one, "something leaves while the owner thinks");
        let datagram = scratch.strip_prefix(MARK).expect("what stood in the buffer stands there still").to_vec();
        self.scratch = scratch;
        assert_eq!(there_was_one, !datagram.is_empty(), "whether there was a datagram");
        self.drain_events();
        self.check_state();
        if there_was_one {
            self.check_output(&datagram);
            self.outbox.push(datagram);
        }
        there_was_one
    }

    /// Takes all that it wants to send into the outbox.
    pub fn poll(&mut self, now: Instant) {
        let mut datagrams = 0;
        while self.poll_one(now) {
            datagrams += 1;
            assert!(datagrams <= MOST_DATAGRAMS, "poll_transmit does not come to an end");
        }
        assert!(!self.poll_one(now), "a datagram behind the last");
    }

    /// Sends application data, if it may; returns the datagram.
    pub fn send(&mut self, len: usize, in_place: bool) -> Option<Vec<u8>> {
        let number = u64::try_from(self.payloads.len()).unwrap();
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(len, 0xda);
        let connection = self.connection.as_ref()?;
        let max = connection.max_payload();
        let headroom = connection.headroom();
        // Room for what is sent, so that it counts as nobody's.
        let mut out = Vec::with_capacity(len + 256);
        let sent = if in_place {
            out.resize(headroom, 0);
            out.extend_from_slice(&payload);
            out.resize(headroom + len + connection.tailroom(), 0);
            let sealed = self.count(|connection| connection.seal_in_place(&mut out, len))?;
            sealed.map(|range| assert_eq!(range, 0..out.len()))
        } else {
            self.count(|connection| connection.send(&payload, &mut out))?
        };
        let was_over = self.is_over();
        self.drain_events();
        self.check_state();
        match sent {
            Ok(()) => {
                assert!(self.is_connected(), "sent although it is not connected");
                assert!(len <= max && max > 0, "sent {len} bytes where {max} are the most");
                assert_eq!(out.get(headroom..headroom + len), Some(&payload[..]));
                self.check_output(&out);
                assert_eq!(self.records(&out).len(), 1);
                if len >= 8 {
                    self.payloads.insert(number, payload);
                }
                return Some(out);
            }
            Err(SendError::NotConnected) => assert!(!self.connected && !was_over),
            Err(SendError::Closed) => assert!(was_over),
            Err(SendError::TooLong { max: said }) => assert!(self.is_connected() && len > max && said == max),
            Err(SendError::Exhausted) => assert!(!was_over && self.is_over(), "exhausted and not over"),
            Err(error) => panic!("{error}"),
        }
        assert!(in_place || out.is_empty(), "refused to send and appended something");
        None
    }

    /// What may leave.
    fn check_output(&mut self, datagram: &[u8]) {
        assert!(datagram.len() <= self.mtu, "{} bytes where the MTU is {}", datagram.len(), self.mtu);
        for (header, body) in self.records(datagram) {
            let (epoch, number) = (header.epoch, header.number.get());
            assert!(epoch <= Epoch::ONE, "an epoch that does not exist");
            assert!(self.numbers.insert((epoch.0, number)), "number {number} of {epoch:?} left again");
            match header.content_type {
                ContentType::HANDSHAKE if epoch == Epoch::ZERO => self.check_fragments(body),
                ContentType::CHANGE_CIPHER_SPEC => assert_eq!((epoch, body), (Epoch::ZERO, &[1][..])),
                ContentType::ALERT if epoch == Epoch::ZERO => assert_eq!(body.len(), 2),
                ContentType::TLS12_CID => assert_eq!(epoch, Epoch::ONE),
                ContentType::APPLICATION_DATA => assert_eq!(epoch, Epoch::ONE),
                ContentType::HANDSHAKE | ContentType::ALERT => {}
                other => panic!("sent a record of type {other}"),
            }
        }
    }

    /// The records of a datagram that leaves. One with the peer's connection ID is the last: whatever is protected leaves
    /// alone or behind all that is not.
    fn records<'d>(&self, mut datagram: &'d [u8]) -> Vec<(RecordHeader, &'d [u8])> {
        let mut records = Vec::new();
        while !datagram.is_empty() {
            let (header, body, rest) = match &self.agreed {
                Some(agreed) => split(datagram, agreed.peers_id_len()),
                // It may be the ID of a forged hello, of any length.
                None => {
                    (0..=255).find_map(|len| split(datagram, len).filter(|(_, _, rest)| len == 0 || rest.is_empty()))
                }
            }
            .expect("a datagram is whole records");
            records.push((header, body));
            datagram = rest;
        }
        records
    }

    fn check_fragments(&mut self, body: &[u8]) {
        for fragment in Fragments::new(body) {
            let fragment = fragment.expect("what is sent is well-formed");
            let header = fragment.header;
            let fresh = || SentMessage {
                typ: header.typ.0,
                length: header.length,
                bytes: vec![None; usize::try_from(header.length).unwrap()],
            };
            let message = self.messages.entry(header.message_seq.0).or_insert_with(fresh);
            // A client that has sent several hellos goes on numbering from the one that the server answered, so what
            // follows takes the place of the others.
            if message.typ == HandshakeType::CLIENT_HELLO.0 && header.typ != HandshakeType::CLIENT_HELLO {
                assert_eq!(self.role, Role::Client);
                *message = fresh();
            }
            assert_eq!((message.typ, message.length), (header.typ.0, header.length), "a message that changes");
            let offset = usize::try_from(header.fragment_offset).unwrap();
            for (place, byte) in message.bytes[offset..].iter_mut().zip(fragment.body) {
                assert_eq!(*place.get_or_insert(*byte), *byte, "a message that changes");
            }
        }
    }
}

/// Stands in the buffer in front of what `poll_transmit` appends.
const MARK: &[u8] = b"mark";

/// More datagrams than any flight of these configurations has, with the least MTU.
const MOST_DATAGRAMS: usize = 200;

// --- time and settings ---

impl End {
    /// Tells it the time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let early = self.deadline().is_none_or(|deadline| now < deadline);
        let before = if early { self.state_in_words() } else { None };
        self.count(|connection| connection.handle_timeout(now));
        self.drain_events();
        self.check_state();
        if let Some(before) = before {
            assert_eq!(before, format!("{:?}", self.connection), "too early a call changed the state");
        }
        assert!(self.deadline().is_none_or(|deadline| now < deadline), "the deadline has not moved");
    }

    /// Its owner answers what `make` makes of the question, if there is one and it is not too late; returns whether that
    /// was an answer.
    pub fn answer(&mut self, now: Instant, make: impl FnOnce(&Question<'_>) -> Answer) -> Option<bool> {
        let asks = self.asks();
        let was_over = self.is_over();
        // Made inside, so that what the connection keeps of it is counted as the connection's.
        let taken = self.count(|connection| {
            let answer = connection.question().map_or(Answer::Failed, |question| make(&question));
            connection.answer(now, answer) != Err(NotAsked)
        })?;
        self.has_asked &= !taken;
        self.drain_events();
        self.check_state();
        assert!(asks || !taken, "an answer that nobody asked for");
        // The deadline of the handshake has passed, and nobody has told it.
        let was_late = !taken && !was_over && self.is_over();
        (asks && !was_late).then_some(taken)
    }

    /// Changes its MTU.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.mtu =
            if self.count(|connection| connection.set_mtu(mtu)).is_some() { mtu.clamp(256, 65_535) } else { self.mtu };
        self.check_state();
    }

    /// Tells it a round-trip time.
    pub fn set_round_trip_hint(&mut self, hint: std::time::Duration) {
        self.count(|connection| connection.set_round_trip_hint(hint));
        self.check_state();
    }

    /// Closes it.
    pub fn close(&mut self) {
        if self.count(Connection::close).is_some() {
            self.closed = true;
            self.drain_events();
            self.check_state();
        }
    }

    /// Aborts it.
    pub fn abort(&mut self, now: Instant) {
        if self.count(Connection::abort).is_some() {
            self.closed = true;
            self.aborted = true;
            self.drain_events();
            self.check_state();
            assert!(!self.poll_one(now), "an aborted connection has something to say");
        }
    }
}

// --- the state ---

impl End {
    /// The state, to be compared with the state after something that must not change it. `None` where saying it takes
    /// long, or has been done often enough.
    fn state_in_words(&mut self) -> Option<String> {
        self.words_left = self.words_left.checked_sub(1)?;
        (self.own_bytes < 512 && self.bytes_received < 4096).then(|| format!("{:?}", self.connection))
    }

    /// Takes all events.
    fn drain_events(&mut self) {
        self.has_asked &= self.asks();
        while let Some(event) = self.count(Connection::poll_event).flatten() {
            assert!(!self.is_over(), "{event:?} behind the end");
            match event {
                Event::Connected => {
                    assert!(!self.connected, "connected twice");
                    self.connected = true;
                    self.agreed = self.connection.as_ref().and_then(agreed);
                }
                Event::Closed => {
                    assert!(self.connected, "closed in good order before it was connected");
                    self.ended = Some(event);
                }
                Event::Failed(_) => self.ended = Some(event),
                Event::Asked => {
                    assert!(self.asks() && !self.connected, "asked nothing");
                    assert!(!std::mem::replace(&mut self.has_asked, true), "asked twice");
                }
                Event::KeysProbablyDiffer => {
                    assert!(self.role == Role::Server && !self.connected, "keys that cannot differ");
                    assert!(!std::mem::replace(&mut self.keys_differ, true), "told twice that keys differ");
                }
                other => panic!("{other:?} is new: say here what it means"),
            }
        }
        assert!(self.has_asked || !self.asks(), "a question that nobody was told of");
    }

    /// What it says of itself must fit what it has told.
    fn check_state(&self) {
        let Some(connection) = &self.connection else { return };
        assert_eq!(connection.is_over(), self.is_over());
        // What was agreed outlives an orderly close, but neither a failure nor an abort.
        let remains = self.connected && !self.aborted && !matches!(self.ended, Some(Event::Failed(_)));
        assert_eq!(connection.info().is_some(), remains);
        let max = connection.max_payload();
        assert_eq!(max > 0, self.is_connected());
        assert!(max == 0 || max + 13 + 16 <= self.mtu);
        match (connection.poll_timeout(), self.role) {
            (Some(_), _) => assert!(!self.is_over(), "a deadline although it is over"),
            (None, _) if self.is_over() => {}
            (None, _) => assert!(self.connected, "a handshake without a deadline may hang for ever"),
        }
        if !remains {
            assert!(connection.export(b"EXPORTER-fuzz", None, &mut [0; 4]).is_err());
            assert!(connection.srtp_keys().is_err());
        }
    }

    /// Drops the connection: all memory comes back.
    pub fn finish(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.heap += allocation_counter::measure(|| drop(connection)).bytes_current;
        assert_eq!(self.heap, 0, "bytes that did not come back");
    }
}

fn agreed(connection: &Connection) -> Option<Agreed> {
    let info = connection.info()?.clone();
    let mut exported = [0; 32];
    let export = connection.export(b"EXTRACTOR-dtls_srtp", None, &mut exported);
    assert_eq!(connection.srtp_keys().is_ok(), export.is_ok() && info.srtp.is_some());
    Some(Agreed { info, exported: export.is_ok().then_some(exported) })
}
