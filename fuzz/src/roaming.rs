//! The target `roaming`: one endpoint whose sessions have connection IDs, six clients that may be anywhere, and a script
//! that plays the network, the host and the attackers.
//!
//! | invariant | where |
//! |---|---|
//! | a datagram with the ID of a session changes no other session, and one with an unknown ID none | [`World::receive`] |
//! | what is lent belongs to the session with the ID, or with the address if there is no ID in front | [`World::receive`] |
//! | a session moves, or is seen elsewhere, only by a record with its ID, not forged, newer than all that was lent | [`World::check_move`] |
//! | an honest record newer than all that has been shown says where its client is, as the policy has it | [`World::check_news`] |
//! | what is sent goes to the address of its session | [`World::step`] |
//! | when all is closed, released and drained, nothing is left, and no ID is known | [`World::finish`] |
//!
//! Under the [null provider](crate::null_provider) any record is authentic whose tag is not all zeros, so scripts can forge
//! either kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use dtls_core::config::{ConnectionIdUse, RandomConnectionId};
use dtls_core::wire::enums::ContentType;
use dtls_core::wire::record::{Epoch, RecordHeader, Records};
use dtls_core::{ClientConfig, Connection, Instant};
use dtls_endpoint::{Address, AddressChange, CookiePolicy, Endpoint, Event, Handle, Limits};

use crate::forge;
use crate::null_provider::{Hashing, NullTrust, TAG_LEN, identity, provider};
use crate::script::{Mangle, bytes, put_bytes};

// --- the script ---

/// A script: a policy, the length of the server's IDs, and what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What the host does about peers that move, modulo 3, and whether clients want IDs too: bit 7.
    pub policy: u8,
    /// The server's IDs have so many bytes, modulo 9. Where they are few, some sessions have none.
    pub id_len: u8,
    /// What happens.
    pub steps: Vec<Step>,
}

/// Something that happens. `client` is one of six, `at` one of eight places, `nth` one of the sessions there ever were, and
/// `back` counts from the last of all datagrams that clients have made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields have the names of what they are")]
pub enum Step {
    /// A client begins anew, from here, and its handshake goes well.
    Begin { client: u8, at: u8 },
    /// A client is here now, and what it sends arrives.
    Send { client: u8, at: u8, len: u8 },
    /// A client sends what does not arrive yet.
    Hold { client: u8, len: u8 },
    /// Something that a client has made arrives from here, perhaps not for the first time.
    Deliver { back: u8, at: u8, mangle: Mangle },
    /// Two of those arrive in one datagram.
    Join { back: u8, other: u8, at: u8 },
    /// A record with the ID of a session arrives.
    Forge { nth: u8, at: u8, number: u16, tag: u8, content: Vec<u8> },
    /// These bytes arrive.
    Datagram { at: u8, bytes: Vec<u8> },
    /// The host follows a peer.
    Follow(u8),
    /// The host sends.
    Answer { nth: u8, len: u8 },
    /// The host closes a session.
    Close(u8),
    /// The host aborts a session.
    Abort(u8),
    /// The host releases a session.
    Release(u8),
    /// Another policy, modulo 3.
    Policy(u8),
    /// Time goes on to the deadline of the endpoint.
    Timeout,
}

impl Script {
    /// More steps than this are not read.
    pub const MAX_STEPS: usize = 200;

    /// The bytes that are read as this script.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![self.policy, self.id_len];
        for step in &self.steps {
            step.encode(&mut out);
        }
        out
    }
}

impl<'a> Arbitrary<'a> for Script {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (policy, id_len) = (u.arbitrary()?, u.arbitrary()?);
        let mut steps = Vec::new();
        while !u.is_empty() && steps.len() < Self::MAX_STEPS {
            steps.push(Step::read(u)?);
        }
        Ok(Self { policy, id_len, steps })
    }
}

impl Step {
    fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? % 14 {
            0 => Self::Begin { client: u.arbitrary()?, at: u.arbitrary()? },
            1 => Self::Send { client: u.arbitrary()?, at: u.arbitrary()?, len: u.arbitrary()? },
            2 => Self::Hold { client: u.arbitrary()?, len: u.arbitrary()? },
            3 => Self::Deliver { back: u.arbitrary()?, at: u.arbitrary()?, mangle: Mangle::read(u)? },
            4 => Self::Join { back: u.arbitrary()?, other: u.arbitrary()?, at: u.arbitrary()? },
            5 => Self::Forge {
                nth: u.arbitrary()?,
                at: u.arbitrary()?,
                number: u.arbitrary()?,
                tag: u.arbitrary()?,
                content: bytes(u)?,
            },
            6 => Self::Datagram { at: u.arbitrary()?, bytes: bytes(u)? },
            7 => Self::Follow(u.arbitrary()?),
            8 => Self::Answer { nth: u.arbitrary()?, len: u.arbitrary()? },
            9 => Self::Close(u.arbitrary()?),
            10 => Self::Abort(u.arbitrary()?),
            11 => Self::Release(u.arbitrary()?),
            12 => Self::Policy(u.arbitrary()?),
            _ => Self::Timeout,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Begin { client, at } => out.extend([0, *client, *at]),
            Self::Send { client, at, len } => out.extend([1, *client, *at, *len]),
            Self::Hold { client, len } => out.extend([2, *client, *len]),
            Self::Deliver { back, at, mangle } => {
                out.extend([3, *back, *at]);
                mangle.encode(out);
            }
            Self::Join { back, other, at } => out.extend([4, *back, *other, *at]),
            Self::Forge { nth, at, number, tag, content } => {
                out.extend([5, *nth, *at]);
                out.extend(number.to_le_bytes());
                out.push(*tag);
                put_bytes(out, content);
            }
            Self::Datagram { at, bytes } => {
                out.extend([6, *at]);
                put_bytes(out, bytes);
            }
            Self::Follow(nth) => out.extend([7, *nth]),
            Self::Answer { nth, len } => out.extend([8, *nth, *len]),
            Self::Close(nth) => out.extend([9, *nth]),
            Self::Abort(nth) => out.extend([10, *nth]),
            Self::Release(nth) => out.extend([11, *nth]),
            Self::Policy(policy) => out.extend([12, *policy]),
            Self::Timeout => out.push(13),
        }
    }
}

// --- the world ---

/// One of the places; each is a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place(u8);

impl Address for Place {
    type Host = u8;

    fn host(&self) -> u8 {
        self.0
    }

    fn cookie_bytes(&self) -> impl AsRef<[u8]> {
        [self.0]
    }
}

const CLIENTS: u8 = 6;
const PLACES: u8 = 8;
/// Where the endpoint is, to its clients nowhere in particular.
const NOW: Duration = Duration::from_secs(1000);

/// Runs one script.
pub fn run(script: &Script) {
    let mut world = World::new(script);
    script.steps.iter().for_each(|step| world.step(step));
    world.finish();
}

/// How often a peer was followed, or seen elsewhere, in the steps of a script.
#[must_use]
pub fn moves(script: &Script) -> usize {
    let mut world = World::new(script);
    script.steps.iter().for_each(|step| world.step(step));
    world.moves
}

struct World {
    now: Instant,
    endpoint: Endpoint<Place>,
    client_config: Arc<ClientConfig>,
    policy: AddressChange,
    id_len: usize,
    clients: BTreeMap<u8, Client>,
    /// What clients have made, and which.
    made: Vec<(u8, Vec<u8>)>,
    known: BTreeMap<Handle, Known>,
    moves: usize,
}

struct Client {
    connection: Connection,
    /// Its session at the endpoint.
    session: Handle,
}

/// What the world knows of a session.
#[derive(Default)]
struct Known {
    /// The ID in what it receives; without bytes if it has none.
    id: Vec<u8>,
    /// The highest number of a record that was certainly opened.
    lent: Option<u64>,
    /// The highest number that any record with its ID had, forged or not.
    shown: Option<u64>,
    ended: bool,
    /// Whether the host has closed, aborted or released it.
    left: bool,
}

/// Where a session is, may be and was, and all that its connection counts.
type State = (Option<Place>, Option<Place>, Option<Place>, String);

fn policy(number: u8) -> AddressChange {
    match number % 128 % 3 {
        0 => AddressChange::Follow,
        1 => AddressChange::Ask,
        _ => AddressChange::Ignore,
    }
}

impl World {
    fn new(script: &Script) -> Self {
        let provider = provider(Hashing::Folding);
        let now = Instant::from_origin(NOW);
        let id_len = script.id_len % 9;
        let ids = |len| ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(len)));
        let of_client = if script.policy & 128 == 0 { ConnectionIdUse::PeersOnly } else { ids(3) };
        let key = identity(dtls_core::crypto::SuiteAuthentication::Ecdsa, 0, false);
        let trust = NullTrust {
            accepts: true,
            forms: &[dtls_core::wire::enums::CertificateType::X509],
            defers: false,
            wants_status: false,
        };
        let server = dtls_core::ServerConfig::builder(Arc::clone(&provider))
            .identity(key)
            .configure(|settings| settings.connection_id = ids(id_len))
            .build()
            .expect("a server that can work");
        let client = ClientConfig::builder(provider)
            .trust(Arc::new(trust))
            .without_identity()
            .configure(|settings| settings.connection_id = of_client.clone())
            .build()
            .expect("a client that can work");
        let mut endpoint = Endpoint::new(now, Some(Arc::new(server)), CookiePolicy::Required, Limits::default())
            .expect("random bytes");
        endpoint.set_address_change(policy(script.policy));
        Self {
            now,
            endpoint,
            client_config: Arc::new(client),
            policy: policy(script.policy),
            id_len: usize::from(id_len),
            clients: BTreeMap::new(),
            made: Vec::new(),
            known: BTreeMap::new(),
            moves: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Begin { client, at } => self.begin(client % CLIENTS, Place(at % PLACES)),
            Step::Send { client, at, len } => {
                if let Some(datagram) = self.seal(client % CLIENTS, *len) {
                    let session = self.clients[&(client % CLIENTS)].session;
                    let is_news = self.is_news(session, &datagram);
                    self.receive(Place(at % PLACES), &datagram);
                    if is_news {
                        self.check_news(session, Place(at % PLACES));
                    }
                }
            }
            Step::Hold { client, len } => drop(self.seal(client % CLIENTS, *len)),
            Step::Deliver { back, at, mangle } => {
                if let Some(datagram) = self.made_before(*back) {
                    for datagram in forge::mangle(vec![datagram], *mangle) {
                        self.receive(Place(at % PLACES), &datagram);
                    }
                }
            }
            Step::Join { back, other, at } => {
                if let Some((one, other)) = self.made_before(*back).zip(self.made_before(*other)) {
                    self.receive(Place(at % PLACES), &[one, other].concat());
                }
            }
            Step::Forge { nth, at, number, tag, content } => {
                if let Some(known) = self.nth(*nth).and_then(|handle| self.known.get(&handle)) {
                    let datagram = forged(&known.id, *number, *tag, content);
                    self.receive(Place(at % PLACES), &datagram);
                }
            }
            Step::Datagram { at, bytes } => self.receive(Place(at % PLACES), bytes),
            Step::Follow(nth) => {
                if let Some(handle) = self.nth(*nth) {
                    let seen_at = self.endpoint.seen_at(handle).copied();
                    assert!(!self.endpoint.follow(handle) || self.endpoint.remote_address(handle) == seen_at.as_ref());
                }
            }
            Step::Answer { nth, len } => {
                let Some(handle) = self.nth(*nth) else { return };
                let mut out = Vec::new();
                if let Ok(to) = self.endpoint.send(handle, &vec![0xda; usize::from(*len)], &mut out) {
                    assert_eq!(Some(&to), self.endpoint.remote_address(handle));
                    if let Some(client) = self.clients.values_mut().find(|client| client.session == handle) {
                        drop(client.connection.receive(self.now, &mut out));
                    }
                }
            }
            Step::Close(nth) => self.leave(*nth, Endpoint::close),
            Step::Abort(nth) => self.leave(*nth, Endpoint::abort),
            Step::Release(nth) => self.leave(*nth, Endpoint::release),
            Step::Policy(number) => {
                self.policy = policy(*number);
                self.endpoint.set_address_change(self.policy);
            }
            Step::Timeout => {
                if let Some(deadline) = self.endpoint.poll_timeout() {
                    self.now = self.now.max(deadline);
                    self.endpoint.handle_timeout(self.now);
                }
            }
        }
        self.listen();
    }

    fn nth(&self, nth: u8) -> Option<Handle> {
        self.known.keys().nth(usize::from(nth) % self.known.len().max(1)).copied()
    }

    fn leave(&mut self, nth: u8, how: impl FnOnce(&mut Endpoint<Place>, Handle)) {
        if let Some(handle) = self.nth(nth) {
            how(&mut self.endpoint, handle);
            self.known.entry(handle).or_default().left = true;
        }
    }

    fn made_before(&self, back: u8) -> Option<Vec<u8>> {
        let index = self.made.len().checked_sub(1 + usize::from(back))?;
        Some(self.made[index].1.clone())
    }

    fn seal(&mut self, client: u8, len: u8) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.clients.get_mut(&client)?.connection.send(&vec![0xad; usize::from(len)], &mut out).ok()?;
        self.made.push((client, out.clone()));
        Some(out)
    }

    /// A whole handshake from one place.
    fn begin(&mut self, client: u8, at: Place) {
        let config = Arc::clone(&self.client_config);
        let mut connection = Connection::connect(config, None, self.now).expect("no name is needed");
        for _ in 0..8 {
            let mut out = Vec::new();
            while connection.poll_transmit(self.now, &mut out) {
                self.receive(at, &out);
                out.clear();
            }
            while let Some(to) = self.endpoint.poll_transmit(self.now, &mut out) {
                if to == at {
                    drop(connection.receive(self.now, &mut out));
                }
                out.clear();
            }
            self.listen();
        }
        let Some(info) = connection.info() else { return };
        let id = info.connection_ids.as_ref().map_or_else(Vec::new, |ids| ids.remote.as_bytes().to_vec());
        let is_it = |handle: &Handle| {
            let ids = self.endpoint.info(*handle).and_then(|info| info.connection_ids.as_ref());
            ids.is_some_and(|ids| ids.local.as_bytes() == id)
        };
        let session = if id.is_empty() { self.endpoint.session_at(&at) } else { self.endpoint.sessions().find(is_it) };
        let Some(session) = session else { return };
        // The Finished has been opened.
        self.known.entry(session).or_default().lent = Some(0);
        self.clients.insert(client, Client { connection, session });
    }

    // --- datagrams ---

    fn states(&self) -> BTreeMap<Handle, State> {
        let endpoint = &self.endpoint;
        let state = |handle: &Handle| {
            let places =
                [endpoint.remote_address(*handle), endpoint.seen_at(*handle), endpoint.previous_address(*handle)];
            let [is, may_be, was] = places.map(Option::<&Place>::copied);
            (is, may_be, was, format!("{:?}", endpoint.session_stats(*handle)))
        };
        self.known.keys().map(|handle| (*handle, state(handle))).collect()
    }

    /// The session whose ID stands at the front of a datagram: `None` if none does, `Some(None)` if nobody has it.
    fn meant(&self, datagram: &[u8]) -> Option<Option<Handle>> {
        if datagram.first() != Some(&ContentType::TLS12_CID.0) {
            return None;
        }
        let id = datagram.get(RecordHeader::CID_AT..).and_then(|behind| behind.get(..self.id_len)).unwrap_or_default();
        let has_it = |handle: &&Handle| !id.is_empty() && self.known[handle].id == id;
        let is_held = |handle: &&Handle| self.endpoint.session_stats(**handle).is_some();
        // An ID may be given out again when its session is over.
        let is_alive = |handle: &&Handle| !self.known[handle].ended && !self.known[handle].left;
        Some(self.known.keys().filter(has_it).filter(is_held).max_by_key(is_alive).copied())
    }

    fn receive(&mut self, from: Place, datagram: &[u8]) {
        let (meant, unknown) = (self.meant(datagram), self.endpoint.stats().unknown_cids);
        let is_half_open = self.endpoint.half_open() > 0;
        let at_address = self.endpoint.session_at(&from);
        let before = self.states();
        let lent: Vec<Handle> =
            self.endpoint.receive(self.now, from, &mut datagram.to_vec()).map(|(handle, _)| handle).collect();
        // What a datagram has led to is settled by the next call.
        let _ = self.endpoint.poll_timeout();
        for handle in &lent {
            match meant {
                Some(meant) => assert_eq!(meant, Some(*handle), "lent by a session with another ID"),
                None => assert!(
                    at_address == Some(*handle) || self.endpoint.remote_address(*handle) == Some(&from),
                    "lent by a session of somebody else"
                ),
            }
            assert!(!self.known.get(handle).is_some_and(|known| known.ended), "data after the end");
        }
        // The ID of a session that is over is forgotten sooner or later, and that of one to come is not told yet.
        let is_over = |handle| self.known.get(&handle).is_none_or(|known| known.ended || known.left);
        if !is_half_open && !meant.flatten().is_some_and(is_over) {
            assert_eq!(self.endpoint.stats().unknown_cids - unknown, u64::from(meant == Some(None)));
        }
        let after = self.states();
        for (handle, state) in &before {
            if meant.is_some_and(|meant| meant != Some(*handle)) {
                assert_eq!(Some(state), after.get(handle), "changed by a datagram with another ID");
            }
            let has_moved = (state.0, state.1) != (after[handle].0, after[handle].1);
            // Whoever is over and drained is nowhere.
            if has_moved && after[handle].0.is_some() {
                self.check_move(*handle, datagram);
            }
        }
        self.remember(datagram, &lent);
    }

    /// Epoch 1, number, whether it is forged: the records with the ID of a session, wherever they stand.
    fn records_of(&self, handle: Handle, datagram: &[u8]) -> Vec<(u64, bool)> {
        let id = &self.known[&handle].id;
        let records = Records::with_cid_len(datagram, self.id_len).map_while(std::result::Result::ok);
        records
            .filter(|record| !id.is_empty() && record.cid == id && record.header.epoch == Epoch::ONE)
            .map(|record| (record.header.number.get(), record.body.ends_with(&[0; TAG_LEN])))
            .collect()
    }

    /// A session is not where it was, or is seen elsewhere or no longer.
    fn check_move(&mut self, handle: Handle, datagram: &[u8]) {
        self.moves += 1;
        assert!(datagram.first() == Some(&ContentType::TLS12_CID.0), "moved by a datagram without an ID");
        let lent = self.known[&handle].lent;
        let may_move = |(number, is_forged): (u64, bool)| !is_forged && lent.is_none_or(|lent| number > lent);
        assert!(self.records_of(handle, datagram).into_iter().any(may_move), "moved by what is forged or old");
        assert!(self.policy != AddressChange::Ignore || self.endpoint.seen_at(handle).is_none(), "seen though ignored");
    }

    fn remember(&mut self, datagram: &[u8], lent: &[Handle]) {
        let handles: Vec<Handle> = self.known.keys().copied().collect();
        for handle in handles {
            let records = self.records_of(handle, datagram);
            let highest = records.iter().map(|(number, _)| *number).max();
            let known = self.known.get_mut(&handle).expect("a session that is known");
            known.shown = known.shown.max(highest);
            if let ([(number, _)], [of]) = (&records[..], lent)
                && *of == handle
            {
                known.lent = known.lent.max(Some(*number));
            }
        }
    }

    /// Whether an honest datagram is newer than all that its session has been shown.
    fn is_news(&self, handle: Handle, datagram: &[u8]) -> bool {
        let known = &self.known[&handle];
        let newest = self.records_of(handle, datagram).into_iter().map(|(number, _)| number).max();
        !known.ended && !known.left && newest.is_some() && newest > known.shown
    }

    fn check_news(&self, handle: Handle, from: Place) {
        let is_at = self.endpoint.remote_address(handle).copied();
        let seen_at = self.endpoint.seen_at(handle).copied();
        match self.policy {
            AddressChange::Follow => assert_eq!((is_at, seen_at), (Some(from), None), "not followed"),
            AddressChange::Ask => {
                assert_eq!(seen_at, Some(from).filter(|from| is_at != Some(*from)), "not seen where it is");
            }
            _ => assert_eq!(seen_at, None, "seen though ignored"),
        }
    }

    // --- events and the end ---

    fn listen(&mut self) {
        self.learn_ids();
        let mut out = Vec::new();
        while self.endpoint.poll_transmit(self.now, &mut out).is_some() {
            assert!(!out.is_empty(), "an empty datagram");
            out.clear();
        }
        while let Some((handle, peer, event)) = self.endpoint.poll_event() {
            assert_eq!(self.endpoint.remote_address(handle), Some(&peer));
            let known = self.known.entry(handle).or_default();
            assert!(!known.ended, "{event:?} behind the end");
            match event {
                Event::Closed | Event::Failed(_) | Event::Ended(_) => known.ended = true,
                Event::SeenElsewhere | Event::AddressChanged => {
                    assert!(self.endpoint.info(handle).is_some(), "{event:?} before a session is connected");
                }
                _ => {}
            }
        }
    }

    /// The IDs of sessions that are connected.
    fn learn_ids(&mut self) {
        for handle in self.endpoint.sessions().collect::<Vec<_>>() {
            if let Some(info) = self.endpoint.info(handle) {
                let id = info.connection_ids.as_ref().map_or_else(Vec::new, |ids| ids.local.as_bytes().to_vec());
                self.known.entry(handle).or_default().id = id;
            }
        }
    }

    /// Everything ends: nothing is left, and no ID leads anywhere.
    fn finish(mut self) {
        for (index, handle) in
            self.endpoint.sessions().chain(self.known.keys().copied()).collect::<Vec<_>>().iter().enumerate()
        {
            if index % 2 == 0 {
                self.endpoint.close(*handle);
            } else {
                self.endpoint.abort(*handle);
            }
            self.endpoint.release(*handle);
        }
        self.listen();
        self.listen();
        assert!(self.endpoint.is_empty(), "{:?}", self.endpoint);
        assert_eq!((self.endpoint.half_open(), self.endpoint.memory()), (0, 0), "{:?}", self.endpoint);
        assert!((0..PLACES).all(|at| self.endpoint.session_at(&Place(at)).is_none()));
        let ids: Vec<Vec<u8>> = self.known.values().map(|known| known.id.clone()).collect();
        let unknown = self.endpoint.stats().unknown_cids;
        for id in &ids {
            drop(self.endpoint.receive(
                self.now,
                Place(0),
                &mut forged(id, 1, 1, &[1, ContentType::APPLICATION_DATA.0]),
            ));
        }
        assert_eq!(self.endpoint.stats().unknown_cids, unknown + ids.len() as u64);
    }
}

/// A record of epoch 1 with an ID: a nonce of zeros, the content, and a tag of this byte, which is wrong if it is 0.
fn forged(id: &[u8], number: u16, tag: u8, content: &[u8]) -> Vec<u8> {
    let content = &content[..content.len().min(4096)];
    let body = [&[0; 8], content, &[tag; TAG_LEN]].concat();
    let [number_0, number_1] = number.to_be_bytes();
    let [length_0, length_1] = u16::try_from(body.len()).expect("a short body").to_be_bytes();
    let head = [ContentType::TLS12_CID.0, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, number_0, number_1];
    [&head, id, &[length_0, length_1], &body].concat()
}

// --- seeds ---

/// Scripts in which clients move, with everything that may happen to them then.
#[must_use]
pub fn seeds() -> Vec<crate::seeds::Seed> {
    let begin = |client| Step::Begin { client, at: client };
    let send = |client, at| Step::Send { client, at, len: 20 };
    let deliver = |back, at, mangle| Step::Deliver { back, at, mangle };
    let data = [1, 2, 3, ContentType::APPLICATION_DATA.0, 0, 0];
    let forge = |at, number, tag| Step::Forge { nth: 0, at, number, tag, content: data.to_vec() };
    let held = vec![Step::Hold { client: 0, len: 3 }; 3];
    let mut seeds = Vec::new();
    let mut add = |name: &str, id_len, steps: Vec<Step>| {
        for (policy, number) in [("follow", 0), ("ask", 1 + 128), ("ignore", 2)] {
            let script = Script { policy: number, id_len, steps: steps.clone() };
            seeds.push((format!("{name}-{policy}"), script.to_bytes()));
        }
    };
    add(
        "moves",
        8,
        vec![
            begin(0),
            send(0, 0),
            send(0, 6),
            Step::Follow(0),
            send(0, 6),
            Step::Answer { nth: 0, len: 9 },
            send(0, 0),
        ],
    );
    let late = vec![deliver(0, 6, Mangle::Nothing), deliver(2, 0, Mangle::Nothing), deliver(1, 7, Mangle::Nothing)];
    add("reordered", 8, [vec![begin(0)], held.clone(), late.clone(), late].concat());
    let mangled = [Mangle::Flip { index: 0, bit: 90 }, Mangle::Truncate { index: 0, len: 30 }, Mangle::Duplicate(1)];
    add("mangled", 5, [vec![begin(0)], held, mangled.map(|mangle| deliver(0, 6, mangle)).to_vec()].concat());
    add(
        "forged",
        8,
        vec![begin(0), forge(6, 9, 0), send(0, 6), forge(7, 9, 1), send(0, 0), forge(7, 100, 1), send(0, 5)],
    );
    let crowd: Vec<Step> = (0..CLIENTS).map(begin).collect();
    let meet =
        vec![send(0, 1), send(1, 0), send(2, 0), Step::Join { back: 0, other: 2, at: 3 }, Step::Close(1), send(1, 4)];
    add("crowded", 8, [crowd.clone(), meet].concat());
    add("few-ids", 1, [crowd.clone(), crowd, (0..CLIENTS).map(|client| send(client, 7)).collect()].concat());
    let anew = vec![
        begin(0),
        send(0, 6),
        Step::Begin { client: 1, at: 0 },
        Step::Begin { client: 2, at: 6 },
        send(0, 0),
        send(2, 0),
    ];
    add(
        "begun-anew",
        8,
        [anew, vec![Step::Policy(1), send(0, 3), Step::Follow(0), Step::Abort(0), Step::Release(0), Step::Timeout]]
            .concat(),
    );
    add(
        "no-ids",
        0,
        vec![begin(0), send(0, 0), send(0, 6), forge(0, 9, 1), Step::Datagram { at: 0, bytes: vec![25; 40] }],
    );
    seeds
}
