//! What is printed on standard output: one line for each thing that happens, as text or as a JSON object.

use core::fmt::{self, Display};
use core::net::SocketAddr;
// Tests have an output of their own.
#[cfg(test)]
use std::io::sink as standard_output;
#[cfg(not(test))]
use std::io::stdout as standard_output;
use std::io::{self, Write};

use dtls_core::wire::enums::AlertDescription;
use dtls_core::{Error, Role, Stats};
use serde_json::Value;

use crate::connected::Connected;
use crate::escape::{self, ABSENT, quoted};
use crate::flights::{Kind, Passing};
use crate::totals::Totals;
use crate::weather::Fate;

/// Prints lines in one of two forms. Lines of several threads do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people, and for machines that look for words.
    Text,
    /// An object a line.
    Json,
}

impl Output {
    /// The form that `--json` asks for or not.
    pub(crate) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints a line and sees to it that it has left.
    pub(crate) fn print(self, line: &Line<'_>) {
        self.print_together(core::slice::from_ref(line));
    }

    /// Prints lines that belong together: those of other threads come before or behind them.
    pub(crate) fn print_together(self, lines: &[Line<'_>]) {
        self.print_to(&mut standard_output(), lines);
    }

    fn print_to(self, out: &mut impl Write, lines: &[Line<'_>]) {
        let mut text = String::new();
        for line in lines {
            match self {
                Self::Text => text.push_str(&line.to_string()),
                Self::Json => text.push_str(&escape::json(&line.to_json().to_string())),
            }
            text.push('\n');
        }
        write(out, &text);
    }

    /// Says something that only people want to know, behind an upper-case word.
    pub(crate) fn say(self, word: &str, text: impl Display) {
        if self == Self::Text {
            write(&mut standard_output(), &format!("{word:<12} {text}\n"));
        }
    }
}

/// All at once: what is written by one call to standard output does not mix with what other threads write.
fn write(out: &mut impl Write, text: &str) {
    // Nobody listens any more, as behind `head -1`: what is left to do is to end in good order.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says something on standard error.
pub(crate) fn note(text: &str) {
    // Whoever closed standard error does not want to know.
    let _ = io::stderr().write_all(format!("dtls: {text}\n").as_bytes());
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Line<'a> {
    /// The socket is bound.
    Listening(SocketAddr),
    /// The socket of a client is bound anew.
    Rebound(SocketAddr),
    /// A client is here now, and was there.
    Moved { peer: SocketAddr, from: SocketAddr },
    /// A handshake is complete.
    Connected(&'a Connected),
    /// Keying material that was asked for.
    Export { label: &'a str, material: &'a [u8] },
    /// A datagram came.
    Received(&'a [u8]),
    /// A datagram went.
    Sent(&'a [u8]),
    /// A session ended in good order.
    Closed(SocketAddr, Goodbye),
    /// A handshake or a session ended for a reason.
    Failed(&'a Failed),
    /// What a session has counted.
    Stats(&'a Stats),
    /// One of these lines, and the sender of a tunnel whose session it is about.
    OfSender(&'a Line<'a>, SocketAddr),
    /// What all sessions together have counted.
    Endpoint(&'a Totals),
    /// In the demo: a datagram on its way.
    Passing(&'a Passing),
    /// In the demo: the same keying material on both sides, or not.
    Exporter { label: &'a str, client: &'a [u8], server: &'a [u8] },
    /// In the demo: what one side has counted.
    SideStats(Role, &'a Stats),
}

impl Line<'_> {
    fn to_json(&self) -> Object {
        match self {
            Self::Listening(address) => Object::new("listening").with("address", address.to_string()),
            Self::Rebound(address) => Object::new("rebound").with("address", address.to_string()),
            Self::Moved { peer, from } => {
                Object::new("moved").with("peer", peer.to_string()).with("from", from.to_string())
            }
            Self::Connected(connected) => connected.to_json(),
            Self::Export { label, material } => {
                Object::new("export").with("label", *label).with("material", hex::encode(material))
            }
            Self::Received(payload) => payload_json("received", payload),
            Self::Sent(payload) => payload_json("sent", payload),
            Self::Closed(peer, goodbye) => {
                Object::new("closed").with("peer", peer.to_string()).with("reason", goodbye.as_str())
            }
            Self::Failed(failed) => Object::new("failed")
                .with("peer", failed.peer.map(|peer| peer.to_string()))
                .with("reason", failed.reason.as_str())
                .with("alert_sent", failed.alert_sent.map(|alert| alert.to_string()))
                .with("alert_received", failed.alert_received.map(|alert| alert.to_string())),
            Self::Stats(stats) => stats_json(stats),
            Self::OfSender(line, sender) => line.to_json().with("sender", sender.to_string()),
            Self::Endpoint(totals) => totals.to_json(),
            Self::Passing(passing) => passing_json(passing),
            Self::Exporter { label, client, server } => Object::new("exporter")
                .with("label", *label)
                .with("client", hex::encode(client))
                .with("server", hex::encode(server))
                .with("equal", client == server),
            Self::SideStats(role, stats) => stats_json(stats).with("side", role_name(*role)),
        }
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening(address) => write!(f, "LISTENING {address}"),
            Self::Rebound(address) => write!(f, "REBOUND {address}"),
            Self::Moved { peer, from } => write!(f, "MOVED peer={peer} from={from}"),
            Self::Connected(connected) => write!(f, "{connected}"),
            Self::Export { label, material } => {
                let is_plain = label.bytes().all(|byte| byte.is_ascii_graphic()) && !label.starts_with('"');
                let label = if is_plain { (*label).to_owned() } else { quoted(label) };
                write!(f, "EXPORT label={label} {}", hex::encode(material))
            }
            Self::Received(payload) => write!(f, "RECEIVED {} {}", payload.len(), escape::payload(payload)),
            Self::Sent(payload) => write!(f, "SENT {} {}", payload.len(), escape::payload(payload)),
            Self::Closed(peer, goodbye) => write!(f, "CLOSED peer={peer} reason={}", goodbye.as_str()),
            Self::Failed(failed) => write!(
                f,
                "FAILED peer={} reason={} alert_sent={} alert_received={}",
                or_dash(failed.peer),
                quoted(&failed.reason),
                or_dash(failed.alert_sent),
                or_dash(failed.alert_received),
            ),
            Self::Stats(stats) => write!(
                f,
                "STATS sent={} received={} retransmits={} discarded={}",
                stats.datagrams_sent,
                stats.datagrams_received,
                stats.retransmits,
                stats.discarded_in_all(),
            ),
            Self::OfSender(line, sender) => write!(f, "{line} sender={sender}"),
            Self::Endpoint(totals) => write!(f, "{totals}"),
            Self::Passing(passing) => passing_text(f, passing),
            Self::Exporter { label, client, server } => {
                let verdict = if client == server { "the same" } else { "DIFFERENT" };
                write!(f, "EXPORTER     {verdict} {} bytes on both sides for {label}", client.len())
            }
            Self::SideStats(role, stats) => write!(
                f,
                "{:<12} sent {} datagrams of {} bytes in all, received {} of {}; {} retransmits, {} discarded",
                role_name(*role).to_uppercase(),
                stats.datagrams_sent,
                stats.bytes_sent,
                stats.datagrams_received,
                stats.bytes_received,
                stats.retransmits,
                stats.discarded_in_all(),
            ),
        }
    }
}

/// A JSON object whose keys stay in the order in which they were given, the event first.
#[derive(Clone, Debug)]
pub(crate) struct Object(Vec<(&'static str, Value)>);

impl Object {
    /// Says what happened.
    pub(crate) fn new(event: &str) -> Self {
        Self(vec![("event", Value::from(event))])
    }

    /// Says more of it.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((key, value.into()));
        self
    }
}

impl Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        write!(f, "{{{}}}", pairs.join(","))
    }
}

/// Why a handshake or a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) reason: String,
    pub(crate) alert_sent: Option<AlertDescription>,
    pub(crate) alert_received: Option<AlertDescription>,
}

impl Failed {
    /// The engine's reason.
    pub(crate) fn of(peer: SocketAddr, error: &Error) -> Self {
        Self {
            peer: Some(peer),
            reason: error.to_string(),
            alert_sent: error.alert(),
            alert_received: error.alert_received(),
        }
    }

    /// A reason that is not the engine's, so that nobody was told of it.
    pub(crate) fn because(peer: impl Into<Option<SocketAddr>>, reason: impl Display) -> Self {
        Self { peer: peer.into(), reason: reason.to_string(), alert_sent: None, alert_received: None }
    }
}

/// How a session ended in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// One side has closed it.
    CloseNotify,
    /// Nothing came or went for as long as `--idle-timeout` says: it was closed for that.
    IdleTimeout,
    /// The client has begun anew from its address, having lost the session (RFC 6347 section 4.2.8).
    Replaced,
}

impl Goodbye {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CloseNotify => "close_notify",
            Self::IdleTimeout => "idle_timeout",
            Self::Replaced => "replaced",
        }
    }
}

pub(crate) fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| ABSENT.to_owned(), |value| value.to_string())
}

fn stats_json(stats: &Stats) -> Object {
    Object::new("stats")
        .with("sent", stats.datagrams_sent)
        .with("received", stats.datagrams_received)
        .with("retransmits", stats.retransmits)
        .with("discarded", stats.discarded_in_all())
}

fn passing_json(passing: &Passing) -> Object {
    let (event, number) = match passing.kind {
        Kind::Flight(number) => ("flight", Some(number)),
        Kind::Data => ("data", None),
        Kind::Alert => ("alert", None),
    };
    Object::new(event)
        .with("number", number)
        .with("from", role_name(passing.from))
        .with("bytes", passing.bytes)
        .with("messages", passing.messages.as_slice())
        .with("again", passing.again)
        .with("copies", passing.fate.copies())
}

fn passing_text(f: &mut fmt::Formatter<'_>, passing: &Passing) -> fmt::Result {
    let word = match passing.kind {
        Kind::Flight(number) => format!("FLIGHT {number}"),
        Kind::Data => "DATA".to_owned(),
        Kind::Alert => "ALERT".to_owned(),
    };
    let way = match passing.from {
        Role::Client => "client -> server",
        Role::Server => "client <- server",
    };
    let again = if passing.again { " once more" } else { "" };
    let fate = match passing.fate {
        Fate::Lost => " (lost on its way)",
        Fate::Sent => "",
        Fate::SentTwice => " (sent twice)",
    };
    write!(
        f,
        "{word:<12} {way} {:5} bytes  {}{again}{fate} -- {}",
        passing.bytes,
        passing.messages.join(", "),
        passing.meaning()
    )
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

fn payload_json(event: &str, payload: &[u8]) -> Object {
    let object = Object::new(event).with("length", payload.len());
    match core::str::from_utf8(payload) {
        Ok(text) => object.with("text", text),
        Err(_) => object.with("hex", hex::encode(payload)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(line: &Line<'_>) -> Value {
        serde_json::from_str(&line.to_json().to_string()).unwrap()
    }

    fn peer() -> SocketAddr {
        "127.0.0.1:51000".parse().unwrap()
    }

    /// Takes all it is given, and remembers the calls.
    #[derive(Default)]
    struct Calls(Vec<String>);

    impl Write for Calls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_belong_together_are_written_together() {
        let stats = Stats::default();
        for output in [Output::Text, Output::Json] {
            let mut calls = Calls::default();
            output.print_to(&mut calls, &[Line::Closed(peer(), Goodbye::CloseNotify), Line::Stats(&stats)]);
            let [written] = &calls.0[..] else { panic!("{:?}", calls.0) };
            assert_eq!(written.lines().count(), 2);
            assert!(written.ends_with('\n'));
        }
    }

    #[test]
    fn json_is_one_line_for_whoever_reads_it() {
        let mut calls = Calls::default();
        Output::Json.print_to(&mut calls, &[Line::Received("a\u{2028}b".as_bytes())]);
        assert_eq!(calls.0.concat(), "{\"event\":\"received\",\"length\":5,\"text\":\"a\\u2028b\"}\n");
    }

    #[test]
    fn payloads_are_text_or_hexadecimal_and_never_a_second_line() {
        let cases: [(&[u8], &str, Value); 4] = [
            (b"hello", "RECEIVED 5 hello", json!({ "event": "received", "length": 5, "text": "hello" })),
            (b"", "RECEIVED 0 ", json!({ "event": "received", "length": 0, "text": "" })),
            (b"a\nb\\", "RECEIVED 4 a\\nb\\\\", json!({ "event": "received", "length": 4, "text": "a\nb\\" })),
            (&[0xff, 0], "RECEIVED 2 hex:ff00", json!({ "event": "received", "length": 2, "hex": "ff00" })),
        ];
        for (payload, text, json) in cases {
            assert_eq!(Line::Received(payload).to_string(), text);
            assert_eq!(parsed(&Line::Received(payload)), json);
        }
        assert_eq!(Line::Sent(b"hello").to_string(), "SENT 5 hello");
        assert_eq!(parsed(&Line::Sent(b"hello")), json!({ "event": "sent", "length": 5, "text": "hello" }));
    }

    #[test]
    fn the_other_lines_are_as_promised() {
        let failed = Failed::of(peer(), &Error::NoCommonCipherSuite);
        let told = Failed::of(peer(), &Error::AlertReceived(AlertDescription::BAD_CERTIFICATE));
        let stats = Stats::default();
        let totals = Totals { open: 2, sessions: 3, bytes_received: 4, ..Totals::default() };
        let cases = [
            (
                Line::Listening("127.0.0.1:4433".parse().unwrap()),
                "LISTENING 127.0.0.1:4433".to_owned(),
                json!({ "event": "listening", "address": "127.0.0.1:4433" }),
            ),
            (
                Line::Export { label: "EXTRACTOR-dtls_srtp", material: &[1, 0x23, 0xab] },
                "EXPORT label=EXTRACTOR-dtls_srtp 0123ab".to_owned(),
                json!({ "event": "export", "label": "EXTRACTOR-dtls_srtp", "material": "0123ab" }),
            ),
            (
                Line::Closed(peer(), Goodbye::IdleTimeout),
                "CLOSED peer=127.0.0.1:51000 reason=idle_timeout".to_owned(),
                json!({ "event": "closed", "peer": "127.0.0.1:51000", "reason": "idle_timeout" }),
            ),
            (
                Line::Closed(peer(), Goodbye::CloseNotify),
                "CLOSED peer=127.0.0.1:51000 reason=close_notify".to_owned(),
                json!({ "event": "closed", "peer": "127.0.0.1:51000", "reason": "close_notify" }),
            ),
            (
                Line::Failed(&failed),
                format!(
                    "FAILED peer=127.0.0.1:51000 reason=\"{}\" alert_sent=handshake_failure alert_received=-",
                    Error::NoCommonCipherSuite
                ),
                json!({ "event": "failed", "peer": "127.0.0.1:51000", "reason": Error::NoCommonCipherSuite.to_string(),
                        "alert_sent": "handshake_failure", "alert_received": null }),
            ),
            (
                Line::Failed(&told),
                "FAILED peer=127.0.0.1:51000 reason=\"the peer sent the alert bad_certificate\" alert_sent=- \
                 alert_received=bad_certificate"
                    .to_owned(),
                json!({ "event": "failed", "peer": "127.0.0.1:51000", "reason": told.reason, "alert_sent": null,
                        "alert_received": "bad_certificate" }),
            ),
            (
                Line::Stats(&stats),
                "STATS sent=0 received=0 retransmits=0 discarded=0".to_owned(),
                json!({ "event": "stats", "sent": 0, "received": 0, "retransmits": 0, "discarded": 0 }),
            ),
            (
                Line::OfSender(&Line::Stats(&stats), "[::1]:5".parse().unwrap()),
                "STATS sent=0 received=0 retransmits=0 discarded=0 sender=[::1]:5".to_owned(),
                json!({ "event": "stats", "sent": 0, "received": 0, "retransmits": 0, "discarded": 0,
                        "sender": "[::1]:5" }),
            ),
            (
                Line::Endpoint(&totals),
                "ENDPOINT open=2 sessions=3 busy=0 rejected=0 refused=0 unanswered=0 idle=0 evicted=0 replaced=0 \
                 dropped=0 datagrams_sent=0 datagrams_received=0 bytes_sent=0 bytes_received=4"
                    .to_owned(),
                json!({ "event": "endpoint", "open": 2, "sessions": 3, "busy": 0, "rejected": 0, "refused": 0,
                        "unanswered": 0, "idle": 0, "evicted": 0, "replaced": 0, "dropped": 0, "datagrams_sent": 0,
                        "datagrams_received": 0, "bytes_sent": 0, "bytes_received": 4 }),
            ),
        ];
        for (line, text, json) in cases {
            assert_eq!(line.to_string(), text);
            assert_eq!(parsed(&line), json);
        }
    }
}
