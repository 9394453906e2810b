//! Proof that a client receives at the address it sends from, without state: RFC 6347 section 4.2.1.
//!
//! ```text
//!   ClientHello, no cookie      ─▶  HelloVerifyRequest with cookie      0 bytes held, reply no longer than the hello
//!   ClientHello, right cookie   ─▶  VerifiedHello ─▶ Connection::accept
//!   anything else               ─▶  dropped
//! ```
//!
//! A cookie is a time and an HMAC over it, the client's address and what the client says in both hellos. The keys
//! behind it change in turn, so a cookie is worth something for one lifetime and no longer.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, CryptoProvider};
use crate::discard::Discard;
use crate::time::Instant;
use crate::wire::codec::{Abridged, Decode as _, Encode as _, Reader};
use crate::wire::enums::{ContentType, HandshakeType, ProtocolVersion};
use crate::wire::fragment::{Fragment, FragmentHeader, Fragments, MessageSeq};
use crate::wire::hello::{ClientHello, ClientHelloPrefix, HelloVerifyRequest, Random};
use crate::wire::record::{Epoch, RecordHeader, RecordNumber, split_record};

/// Makes and checks cookies for all clients of a socket. One of it serves any number of clients and holds nothing
/// about any.
pub struct CookieJar {
    provider: Arc<CryptoProvider>,
    keys: Keys,
    lifetime: Duration,
}

enum Keys {
    /// Nobody else's, changed as often as a cookie lives.
    Own { current: CookieKey, previous: Option<CookieKey> },
    /// Known to other jars as well.
    Shared(CookieKey),
}

impl CookieJar {
    /// How long a cookie is good for unless [`CookieJar::with_lifetime`] says otherwise: long enough for every
    /// retransmission of a slow client's hello, too short to be worth collecting.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

    /// No client could bring a cookie back in less.
    const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

    /// A jar with a fresh random key.
    ///
    /// # Errors
    /// If the provider has no random bytes.
    pub fn new(provider: Arc<CryptoProvider>, now: Instant) -> Result<Self, CryptoError> {
        Self::with_lifetime(provider, now, Self::DEFAULT_LIFETIME)
    }

    /// A jar whose cookies are good for `lifetime`, at least a second; its key changes as often.
    ///
    /// # Errors
    /// If the provider has no random bytes.
    pub fn with_lifetime(provider: Arc<CryptoProvider>, now: Instant, lifetime: Duration) -> Result<Self, CryptoError> {
        let keys = Keys::Own { current: CookieKey::new(&provider, now)?, previous: None };
        Ok(Self { provider, keys, lifetime: lifetime.max(Self::SHORTEST_LIFETIME) })
    }

    /// A jar whose cookies are taken by every other jar with the same `secret` and lifetime, for several servers behind
    /// one address. Their callers count time from the same origin, the Unix epoch say; clocks may differ by
    /// [`CookieJar::CLOCK_SKEW`]. The secret must be random and does not change by itself: make a new jar from time to
    /// time, on all servers at once; clients with cookies of the old one are asked again.
    #[must_use]
    pub fn with_shared_secret(provider: Arc<CryptoProvider>, secret: &[u8; 32], lifetime: Duration) -> Self {
        let key = CookieKey { secret: Box::new(Zeroizing::new(*secret)), since: Instant::ORIGIN };
        Self { provider, keys: Keys::Shared(key), lifetime: lifetime.max(Self::SHORTEST_LIFETIME) }
    }

    /// How far the clocks of servers with a shared secret may differ.
    pub const CLOCK_SKEW: Duration = Duration::from_secs(5);

    /// Looks at a datagram from `address`, for which no connection exists.
    ///
    /// `address` is any encoding of where the datagram came from that differs between clients, port included. With
    /// [`HelloVerdict::Reply`], exactly one datagram has been appended to `out`, no longer than the one received:
    /// send it to that address.
    pub fn check(&mut self, now: Instant, address: &[u8], datagram: &[u8], out: &mut Vec<u8>) -> HelloVerdict {
        let hello = match FirstFragment::find(datagram) {
            Ok(hello) => hello,
            Err(cause) => return HelloVerdict::Dropped(cause),
        };
        self.rotate(now);
        if self.is_good(now, address, &hello.prefix) {
            return HelloVerdict::Verified(VerifiedHello::new(datagram, &hello));
        }
        let start = out.len();
        self.write_hello_verify_request(now, address, &hello, out);
        // Whoever sent this need not be at this address: it must not get more from us than was sent to us.
        if out.len().saturating_sub(start) > datagram.len() {
            out.truncate(start);
            return HelloVerdict::Dropped(Discard::UnusableMessage);
        }
        HelloVerdict::Reply
    }

    /// Changes the key when the present one has served its time. Where the provider has no random bytes it goes on
    /// serving: an old secret is still one, and the clients are not to blame.
    fn rotate(&mut self, now: Instant) {
        let Keys::Own { current, previous } = &mut self.keys else { return };
        if now - current.since < self.lifetime {
            return;
        }
        if let Ok(fresh) = CookieKey::new(&self.provider, now) {
            *previous = Some(core::mem::replace(current, fresh));
        }
    }

    fn is_good(&self, now: Instant, address: &[u8], hello: &ClientHelloPrefix<'_>) -> bool {
        let Some((stamp, mac)) = hello.cookie.split_first_chunk() else { return false };
        if mac.len() != Cookie::MAC_LEN {
            return false;
        }
        let made = Instant::from_origin(Duration::from_millis(u64::from_be_bytes(*stamp)));
        let (keys, skew) = match &self.keys {
            Keys::Own { current, previous } => ([Some(current), previous.as_ref()], Duration::ZERO),
            Keys::Shared(key) => ([Some(key), None], Self::CLOCK_SKEW),
        };
        if made > now + skew || now - made > self.lifetime {
            return false;
        }
        let key = keys.into_iter().flatten().find(|key| key.since <= made);
        key.is_some_and(|key| self.cookie(key, made, address, hello).mac.ct_eq(mac).into())
    }

    /// RFC 6347 section 4.2.1 has the cookie depend on the address and on what both hellos must have in common. Every
    /// variable part goes in behind its length, so that no two inputs run together to the same bytes.
    fn cookie(&self, key: &CookieKey, made: Instant, address: &[u8], hello: &ClientHelloPrefix<'_>) -> Cookie {
        // Rounded to what the cookie carries; milliseconds fit in 64 bits for longer than anything lasts.
        let stamp = u64::try_from(made.since_origin().as_millis()).unwrap_or(u64::MAX).to_be_bytes();
        let digest = self.provider.sha256.hmac(
            key.secret.as_slice(),
            &[
                &stamp,
                &len_bytes(address),
                address,
                &hello.version.0.to_be_bytes(),
                hello.random,
                &len_bytes(hello.session_id),
                hello.session_id,
                &len_bytes(hello.cipher_suites),
                hello.cipher_suites,
                &len_bytes(hello.compression_methods),
                hello.compression_methods,
            ],
        );
        let mut mac = [0; Cookie::MAC_LEN];
        for (to, from) in mac.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Cookie { stamp, mac }
    }

    fn write_hello_verify_request(&self, now: Instant, address: &[u8], hello: &FirstFragment<'_>, out: &mut Vec<u8>) {
        // Whole milliseconds, and not before the key began: the stamp tells which key it was.
        let millis = Duration::from_millis(u64::try_from(now.since_origin().as_millis()).unwrap_or(u64::MAX));
        let (Keys::Own { current: key, .. } | Keys::Shared(key)) = &self.keys;
        let made = Instant::from_origin(millis).max(key.since);
        let cookie = self.cookie(key, made, address, &hello.prefix);
        let mut cookie_bytes = [0; 8 + Cookie::MAC_LEN];
        for (to, from) in cookie_bytes.iter_mut().zip(cookie.stamp.iter().chain(&cookie.mac)) {
            *to = *from;
        }
        // RFC 6347 section 4.2.1: the version in a HelloVerifyRequest says nothing of the version to come; DTLS 1.0
        // is what clients of any version know.
        let body = HelloVerifyRequest { server_version: ProtocolVersion::DTLS_1_0, cookie: &cookie_bytes }.to_vec();
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let fragment = FragmentHeader::whole(HandshakeType::HELLO_VERIFY_REQUEST, hello.message_seq, length);
        let header = RecordHeader {
            content_type: ContentType::HANDSHAKE,
            version: ProtocolVersion::DTLS_1_0,
            epoch: Epoch::ZERO,
            number: hello.record_number,
            length: u16::try_from(FragmentHeader::LEN + body.len()).unwrap_or(u16::MAX),
        };
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(&fragment.to_bytes());
        out.extend_from_slice(&body);
    }
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieJar").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// What a [`CookieJar`] says of a datagram.
#[derive(Debug)]
#[must_use]
pub enum HelloVerdict {
    /// A hello without a good cookie: the answer stands in the buffer, send it back.
    Reply,
    /// The client is where it says it is.
    Verified(VerifiedHello),
    /// Not a hello that deserves an answer.
    Dropped(Discard),
}

/// A ClientHello, or the first fragment of one, whose cookie was right: proof that its sender receives at its address.
pub struct VerifiedHello {
    datagram: Vec<u8>,
    record_number: RecordNumber,
    message_seq: MessageSeq,
    random: Random,
}

impl fmt::Debug for VerifiedHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedHello")
            .field("datagram", &Abridged(&self.datagram))
            .field("record_number", &self.record_number)
            .field("message_seq", &self.message_seq)
            .finish_non_exhaustive()
    }
}

impl VerifiedHello {
    fn new(datagram: &[u8], hello: &FirstFragment<'_>) -> Self {
        Self {
            datagram: datagram.to_vec(),
            record_number: hello.record_number,
            message_seq: hello.message_seq,
            random: Random(*hello.prefix.random),
        }
    }

    /// A hello from an address that something else has verified, such as the consent of ICE. From anywhere else it lets
    /// whoever sent it aim our flights at others.
    ///
    /// # Errors
    /// If the datagram does not begin with a ClientHello, or the first fragment of one.
    pub fn on_trusted_path(datagram: &[u8]) -> Result<Self, Discard> {
        FirstFragment::find(datagram).map(|hello| Self::new(datagram, &hello))
    }

    /// What tells one handshake of a client from another: all its hellos in one handshake have the same random.
    #[must_use]
    pub const fn random(&self) -> &Random {
        &self.random
    }

    /// The number of the record it came in; a server's first record takes it over.
    #[must_use]
    pub const fn record_number(&self) -> RecordNumber {
        self.record_number
    }

    /// The number of the message; a server's first message takes it over.
    pub(crate) const fn message_seq(&self) -> MessageSeq {
        self.message_seq
    }

    /// The hello, if the datagram has the whole of it; `None` if it came in fragments, of which this is the first.
    /// That its sender receives at its address is proven, what it says is not.
    #[must_use]
    pub fn hello(&self) -> Option<ClientHello<'_>> {
        let (_, body, _) = split_record(&self.datagram).ok()?;
        let Fragment { header, body } = Fragments::new(body).next()?.ok()?;
        if header.fragment_length == header.length { ClientHello::decode_all(body).ok() } else { None }
    }

    /// The datagram it came in.
    pub(crate) fn into_datagram(self) -> Vec<u8> {
        self.datagram
    }
}

/// The first fragment of a ClientHello at the start of a datagram, with enough in it to judge.
struct FirstFragment<'a> {
    prefix: ClientHelloPrefix<'a>,
    record_number: RecordNumber,
    message_seq: MessageSeq,
}

impl<'a> FirstFragment<'a> {
    fn find(datagram: &'a [u8]) -> Result<Self, Discard> {
        let (header, body, _) = split_record(datagram).map_err(|_| Discard::Truncated)?;
        if header.content_type != ContentType::HANDSHAKE {
            return Err(Discard::UnexpectedContentType);
        }
        if header.epoch != Epoch::ZERO {
            return Err(Discard::FutureEpoch);
        }
        if header.version != ProtocolVersion::DTLS_1_2 && header.version != ProtocolVersion::DTLS_1_0 {
            return Err(Discard::WrongVersion);
        }
        let fragment = Fragments::new(body).next().and_then(Result::ok).ok_or(Discard::BadFragment)?;
        let Fragment { header: FragmentHeader { typ, message_seq, fragment_offset, .. }, body } = fragment;
        if typ != HandshakeType::CLIENT_HELLO {
            return Err(Discard::UnusableMessage);
        }
        // Only the fragment with the cookie in it is answered: one HelloVerifyRequest for a hello.
        if fragment_offset != 0 {
            return Err(Discard::MessageOutOfBounds);
        }
        let prefix = ClientHelloPrefix::decode(&mut Reader::new(body)).map_err(|_| Discard::UnusableMessage)?;
        Ok(Self { prefix, record_number: header.number, message_seq })
    }
}

/// When it was made, in milliseconds since the origin, and the proof.
struct Cookie {
    stamp: [u8; 8],
    mac: [u8; Self::MAC_LEN],
}

impl Cookie {
    /// With header and time a HelloVerifyRequest is 60 bytes; the shortest ClientHello there can be is 67.
    const MAC_LEN: usize = 24;
}

struct CookieKey {
    // In a box, so that moving it leaves no copy behind.
    secret: Box<Zeroizing<[u8; 32]>>,
    since: Instant,
}

impl CookieKey {
    fn new(provider: &CryptoProvider, now: Instant) -> Result<Self, CryptoError> {
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        provider.random.fill(secret.as_mut_slice())?;
        let millis = Duration::from_millis(u64::try_from(now.since_origin().as_millis()).unwrap_or(u64::MAX));
        Ok(Self { secret, since: Instant::from_origin(millis) })
    }
}

fn len_bytes(bytes: &[u8]) -> [u8; 8] {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClientConfig;
    use crate::connection::Connection;
    use crate::crypto::{Fingerprint, Fingerprints, SecureRandom, testing};
    use alloc::vec;
    use core::sync::atomic::{AtomicBool, Ordering};

    const ADDRESS: &[u8] = b"192.0.2.1:5000";

    fn provider() -> Arc<CryptoProvider> {
        Arc::new(testing::providers().swap_remove(0))
    }

    fn jar() -> CookieJar {
        CookieJar::new(provider(), Instant::ORIGIN).unwrap()
    }

    fn client(mtu: usize) -> Connection {
        let provider = provider();
        let trust = Fingerprints::new(&provider, [Fingerprint::new([0; 32])]).unwrap();
        let config = ClientConfig::builder(provider).trust(Arc::new(trust)).without_identity().configure(|settings| {
            settings.alpn = vec![vec![b'a'; 200], vec![b'b'; 200]];
            settings.mtu = mtu;
        });
        Connection::connect(Arc::new(config.build().unwrap()), None, Instant::ORIGIN).unwrap()
    }

    fn flight(client: &mut Connection) -> Vec<Vec<u8>> {
        let mut datagrams = vec![];
        let mut datagram = vec![];
        while client.poll_transmit(Instant::ORIGIN, &mut datagram) {
            datagrams.push(core::mem::take(&mut datagram));
        }
        datagrams
    }

    /// A hello that carries a cookie of `jar` for [`ADDRESS`], made at `now`.
    fn hello_with_cookie(jar: &mut CookieJar, now: Instant) -> Vec<u8> {
        let mut client = client(1200);
        let mut reply = vec![];
        let verdict = jar.check(now, ADDRESS, &flight(&mut client)[0], &mut reply);
        assert!(matches!(verdict, HelloVerdict::Reply));
        assert_eq!(client.receive(Instant::ORIGIN, &mut reply).count(), 0);
        flight(&mut client).remove(0)
    }

    fn is_verified(jar: &mut CookieJar, now: Instant, address: &[u8], hello: &[u8]) -> bool {
        matches!(jar.check(now, address, hello, &mut vec![]), HelloVerdict::Verified(_))
    }

    #[test]
    fn a_client_that_returns_its_cookie_is_verified() {
        let mut jar = jar();
        let hello = hello_with_cookie(&mut jar, Instant::ORIGIN);
        assert!(is_verified(&mut jar, Instant::ORIGIN, ADDRESS, &hello));
    }

    #[test]
    fn a_cookie_is_worth_nothing_at_another_address_or_to_another_jar() {
        let mut jar = jar();
        let hello = hello_with_cookie(&mut jar, Instant::ORIGIN);
        for address in [&b"192.0.2.1:5001"[..], b"192.0.2.1:500", b"", b"192.0.2.1:50000"] {
            assert!(!is_verified(&mut jar, Instant::ORIGIN, address, &hello));
        }
        assert!(!is_verified(&mut super::tests::jar(), Instant::ORIGIN, ADDRESS, &hello));
    }

    #[test]
    fn a_hello_with_any_bit_of_its_random_session_suites_or_cookie_changed_is_asked_again() {
        let mut jar = jar();
        let hello = hello_with_cookie(&mut jar, Instant::ORIGIN);
        // From the random behind the client_version to the end of the cipher suites and compression methods.
        let random = RecordHeader::LEN + FragmentHeader::LEN + 2;
        let end = random + 32 + 1 + 1 + 32 + 2 + 12 + 2;
        for at in random..end {
            let mut changed = hello.clone();
            changed[at] ^= 1;
            assert!(!is_verified(&mut jar, Instant::ORIGIN, ADDRESS, &changed), "byte {at}");
        }
        let mut extension = hello.clone();
        extension[end + 10] ^= 1;
        assert!(is_verified(&mut jar, Instant::ORIGIN, ADDRESS, &extension), "extensions may change");
    }

    #[test]
    fn a_cookie_lives_for_its_lifetime_across_one_change_of_keys() {
        for made in [0, 1, 30_000, 59_999, 60_000, 61_000, 119_999] {
            let mut jar = jar();
            let made = Instant::from_origin(Duration::from_millis(made));
            let hello = hello_with_cookie(&mut jar, made);
            let last = made + CookieJar::DEFAULT_LIFETIME;
            assert!(is_verified(&mut jar, last, ADDRESS, &hello), "{made:?}");
            assert!(!is_verified(&mut jar, last + Duration::from_millis(1), ADDRESS, &hello), "{made:?}");
        }
    }

    #[test]
    fn a_reply_mirrors_the_record_number_says_dtls_1_0_and_is_never_longer_than_the_hello() {
        let mut jar = jar();
        let mut hello = flight(&mut client(1200)).remove(0);
        hello[10] = 7;
        let mut reply = vec![];
        assert!(matches!(jar.check(Instant::ORIGIN, ADDRESS, &hello, &mut reply), HelloVerdict::Reply));
        let (header, body, rest) = split_record(&reply).unwrap();
        assert_eq!((header.number.get(), rest.len()), (7, 0));
        assert_eq!(body[FragmentHeader::LEN..][..2], ProtocolVersion::DTLS_1_0.0.to_be_bytes());
        assert!(reply.len() <= hello.len());
    }

    #[test]
    fn no_prefix_of_a_hello_and_no_other_datagram_draws_more_bytes_than_it_brings() {
        let mut jar = jar();
        let hello = flight(&mut client(1200)).remove(0);
        for len in 0..hello.len() {
            let mut reply = vec![];
            let verdict = jar.check(Instant::ORIGIN, ADDRESS, &hello[..len], &mut reply);
            assert!(matches!(verdict, HelloVerdict::Dropped(_)), "{len}");
            assert_eq!(reply.len(), 0);
        }
    }

    #[test]
    fn a_fragmented_hello_is_answered_once_and_verified_by_its_first_fragment() {
        let mut jar = jar();
        let mut client = client(300);
        let first_flight = flight(&mut client);
        assert!(first_flight.len() > 1);
        let mut replies = vec![];
        for datagram in &first_flight {
            let _ = jar.check(Instant::ORIGIN, ADDRESS, datagram, &mut replies);
        }
        assert_eq!(client.receive(Instant::ORIGIN, &mut replies).count(), 0);
        let second_flight = flight(&mut client);
        assert!(is_verified(&mut jar, Instant::ORIGIN, ADDRESS, &second_flight[0]));
        assert!(!is_verified(&mut jar, Instant::ORIGIN, ADDRESS, &second_flight[1]));
    }

    #[test]
    fn a_lifetime_too_short_for_any_client_is_made_longer() {
        let mut jar = CookieJar::with_lifetime(provider(), Instant::ORIGIN, Duration::ZERO).unwrap();
        let hello = hello_with_cookie(&mut jar, Instant::ORIGIN);
        let at = |millis| Instant::from_origin(Duration::from_millis(millis));
        assert!(is_verified(&mut jar, at(900), ADDRESS, &hello));
        assert!(!is_verified(&mut jar, at(1100), ADDRESS, &hello));
    }

    #[test]
    fn without_random_bytes_the_old_key_goes_on_serving() {
        #[derive(Debug)]
        struct RunsDry(AtomicBool);
        impl SecureRandom for RunsDry {
            fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
                out.fill(7);
                if self.0.swap(true, Ordering::Relaxed) { Err(CryptoError) } else { Ok(()) }
            }
        }
        let mut dry = testing::providers().swap_remove(0);
        dry.random = Arc::new(RunsDry(AtomicBool::new(false)));
        let mut jar = CookieJar::new(Arc::new(dry), Instant::ORIGIN).unwrap();
        let later = Instant::from_origin(CookieJar::DEFAULT_LIFETIME * 3);
        let hello = hello_with_cookie(&mut jar, later);
        assert!(is_verified(&mut jar, later, ADDRESS, &hello));
    }

    #[test]
    fn jars_with_one_secret_take_each_others_cookies_and_no_others() {
        let shared = |secret| CookieJar::with_shared_secret(provider(), &secret, CookieJar::DEFAULT_LIFETIME);
        let at = |secs| Instant::from_origin(Duration::from_secs(secs));
        let hello = hello_with_cookie(&mut shared([7; 32]), at(1000));
        for (now, is_good) in [(994, false), (995, true), (1000, true), (1060, true), (1061, false)] {
            assert_eq!(is_verified(&mut shared([7; 32]), at(now), ADDRESS, &hello), is_good, "{now}");
        }
        assert!(!is_verified(&mut shared([8; 32]), at(1000), ADDRESS, &hello));
        assert!(!is_verified(&mut shared([7; 32]), at(1000), b"192.0.2.2:5000", &hello));
    }

    #[test]
    fn a_verified_hello_tells_what_it_says_if_it_is_whole() {
        for (mtu, is_whole) in [(1200, true), (300, false)] {
            let (mut jar, mut client) = (jar(), client(mtu));
            let mut reply = vec![];
            let _ = jar.check(Instant::ORIGIN, ADDRESS, &flight(&mut client)[0], &mut reply);
            drop(client.receive(Instant::ORIGIN, &mut reply));
            match jar.check(Instant::ORIGIN, ADDRESS, &flight(&mut client)[0], &mut vec![]) {
                HelloVerdict::Verified(verified) => {
                    let names = verified.hello().map(|hello| hello.extensions.alpn.unwrap());
                    assert_eq!(names, is_whole.then(|| vec![&[b'a'; 200][..], &[b'b'; 200]]));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
