//! Sessions that go on: in another run, at another server, from another port.

use std::fs;
use std::path::PathBuf;

use crate::process::{Cert, Finished, Server, directory, dtls};

/// A server's certificate, and a place for what is kept of sessions.
struct Scene {
    cert: Cert,
    directory: PathBuf,
}

impl Scene {
    /// `place` must be another for each.
    fn new(place: &str) -> Self {
        Self { cert: Cert::make(place, &[]), directory: directory(&format!("sessions-{place}")) }
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    fn key(&self, name: &str, content: &[u8]) -> String {
        let file = self.file(name);
        fs::write(&file, content).unwrap();
        file
    }

    fn serve(&self, options: &[&str]) -> Server {
        Server::start(&[&self.cert.identity()[..], options].concat())
    }

    /// A client that says hello, and trusts the server by its certificate.
    fn client(&self, server: &Server, options: &[&str]) -> Finished {
        let trusting = ["--pin", &self.cert.cert];
        run_client(server, &[&trusting[..], options].concat())
    }
}

fn run_client(server: &Server, options: &[&str]) -> Finished {
    let hello = ["--send", "hello", "--expect-echo"];
    dtls(&[&["client", &server.address][..], options, &hello].concat()).finish()
}

/// Whether a client that was served says that its session went on, and the server has said the same.
#[track_caller]
fn resumed(client: &Finished) -> bool {
    assert_eq!(client.code, 0, "{}{}", client.stdout, client.stderr);
    client.line("CONNECTED").contains(" ems=1 resumed=1 ")
}

const ONCE: [&str; 2] = ["--count", "1"];

#[test]
fn clients_go_on_with_their_sessions_after_a_restart_with_the_same_ticket_key() {
    let scene = Scene::new("restart");
    let [key, other] = [1_u8, 100].map(|first| {
        let random: Vec<u8> = (first..first + 48).collect();
        scene.key(&format!("key-{first}"), &random)
    });
    let (state, renewed) = (scene.file("state"), scene.file("renewed"));
    let server = scene.serve(&[&["--ticket-key", &key][..], &ONCE].concat());
    let first = scene.client(&server, &["--session-out", &state]);
    assert!(!resumed(&first));
    assert_eq!(first.stderr, "");
    server.finish();

    // The key that seals now, and the old one.
    for keys in [&["--ticket-key", &key][..], &["--ticket-key", &other, "--ticket-key", &key]] {
        let server = scene.serve(&[keys, &ONCE].concat());
        let again = scene.client(&server, &["--session-in", &state, "--session-out", &renewed]);
        assert!(resumed(&again), "{}", again.stdout);
        assert!(again.line("CONNECTED").contains(" group=- signature=- ems=1 resumed=1 "), "{}", again.stdout);
        assert_eq!(again.stderr, "");
        let at_server = server.finish();
        assert!(at_server.line("CONNECTED").contains(" resumed=1 "), "{}", at_server.stdout);
    }
    // What is renewed is sealed under the first.
    let server = scene.serve(&[&["--ticket-key", &other][..], &ONCE].concat());
    assert!(resumed(&scene.client(&server, &["--session-in", &renewed])));
    server.finish();
    for keys in [&["--ticket-key", &other][..], &[]] {
        let server = scene.serve(&[keys, &ONCE].concat());
        let stranger = scene.client(&server, &["--session-in", &state]);
        assert!(!resumed(&stranger));
        let said =
            format!("dtls: --session-in: {state}: the server does not go on with it; this was a full handshake\n");
        assert_eq!(stranger.stderr, said);
        assert!(server.finish().line("CONNECTED").contains(" resumed=0 "));
    }
}

#[test]
fn a_session_is_resumed_by_a_ticket_by_its_id_or_not_at_all() {
    let scene = Scene::new("kinds");
    let kinds: [(&[&str], bool); 4] = [
        (&[], true),
        (&["--no-tickets", "--session-cache", "10"], true),
        (&["--session-cache", "10"], true),
        (&["--no-tickets"], false),
    ];
    for (number, (options, is_kept)) in kinds.into_iter().enumerate() {
        let (state, next) = (scene.file(&format!("state-{number}")), scene.file(&format!("next-{number}")));
        let server = scene.serve(&[options, &["--count", if is_kept { "3" } else { "1" }]].concat());
        let first = scene.client(&server, &["--session-out", &state]);
        assert!(!resumed(&first));
        if !is_kept {
            let said =
                format!("dtls: --session-out: {state}: not written; the server keeps no session, and gave no ticket\n");
            assert_eq!((first.stderr, fs::exists(&state).unwrap()), (said, false));
            continue;
        }
        // What comes out goes on as well, and in its own place.
        assert!(resumed(&scene.client(&server, &["--session-in", &state, "--session-out", &next])), "{options:?}");
        let third = scene.client(&server, &["--json", "--session-in", &next, "--session-out", &next]);
        assert_eq!(third.event("connected")["resumed"], true, "{options:?}");
        assert_eq!(server.finish().code, 0);
    }
}

#[test]
fn a_full_cache_lets_the_session_go_that_nobody_asked_for() {
    let scene = Scene::new("cache");
    let server = scene.serve(&["--no-tickets", "--session-cache", "1", "--count", "4"]);
    let [first, second] = ["first", "second"].map(|name| scene.file(name));
    for file in [&first, &second] {
        assert!(!resumed(&scene.client(&server, &["--session-out", file])));
    }
    assert!(resumed(&scene.client(&server, &["--session-in", &second])));
    assert!(!resumed(&scene.client(&server, &["--session-in", &first])));
    server.finish();
}

#[test]
fn a_session_is_not_offered_under_another_name_suite_or_trust_and_a_full_handshake_follows() {
    let (scene, other) = (Scene::new("misfits"), Scene::new("misfits-other"));
    let key = scene.key("key", &(0..48).collect::<Vec<u8>>());
    let state = scene.file("state");
    let server = scene.serve(&["--count", "3", "--ticket-key", &key]);
    scene.client(&server, &["--session-out", &state, "--suites", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]);
    // It has the key of the tickets, and another certificate.
    let impostor = other.serve(&["--count", "1", "--ticket-key", &key]);
    let offer = |scene: &Scene, server: &Server, options: &[&str]| {
        scene.client(server, &[options, &["--session-in", &state]].concat())
    };
    for (client, why) in [
        (offer(&scene, &server, &["--name", "localhost"]), "the session is with a server of another name"),
        (
            offer(&scene, &server, &["--suites", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]),
            "the session's cipher suite is not offered any more",
        ),
        (offer(&other, &impostor, &[]), "the server of the session is not, or no longer, trusted"),
    ] {
        assert!(!resumed(&client), "{}", client.stdout);
        assert_eq!(client.stderr, format!("dtls: --session-in: {state}: {why}; making a full handshake\n"));
    }
    for server in [server, impostor] {
        assert!(server.finish().lines("CONNECTED").iter().all(|line| line.contains(" resumed=0 ")));
    }
}

#[test]
fn a_session_file_is_for_its_owner_only_whatever_was_there_before() {
    let scene = Scene::new("file");
    let state = scene.key(
        "state",
        b"readable for all, and much longer than anything that is kept of a session".repeat(99).as_slice(),
    );
    let server = scene.serve(&ONCE);
    scene.client(&server, &["--session-out", &state]);
    server.finish();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read(&state).unwrap()[0], 1, "the version of the form");
    assert_eq!(fs::read_dir(&scene.directory).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn files_that_are_missing_or_wrong_are_refused_by_their_option() {
    let scene = Scene::new("mistakes");
    let (missing, garbage) = (scene.file("missing"), scene.key("garbage", b"no session"));
    let short = scene.key("short", &[7; 47]);
    let zero = scene.key("zero", &[0; 48]);
    let nowhere = scene.file("no/such/directory");
    let identity = scene.cert.identity();
    let server =
        |file: &str| dtls(&[&["server", "--listen", "127.0.0.1:0", "--ticket-key", file][..], &identity].concat());
    let client = |file: &str| dtls(&["client", "127.0.0.1:1", "--insecure", "--session-in", file]);
    let listening = scene.serve(&ONCE);
    let unwritten = scene.client(&listening, &["--session-out", &nowhere]);
    listening.finish();
    for (run, problem) in [
        (server(&missing).finish(), format!("--ticket-key: {missing}: No such file")),
        (server(&short).finish(), format!("--ticket-key: {short}: its 47 bytes are no key for tickets")),
        (server(&zero).finish(), format!("--ticket-key: {zero}: its 48 bytes are no key for tickets")),
        (client(&missing).finish(), format!("--session-in: {missing}: No such file")),
        (client(&garbage).finish(), format!("--session-in: {garbage}: there is no session in it")),
        (unwritten, format!("--session-out: {nowhere}: No such file")),
    ] {
        assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
        assert!(run.stderr.starts_with(&format!("dtls: {problem}")), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1);
    }
}

#[test]
fn a_session_with_connection_ids_goes_on_when_its_client_has_moved() {
    let scene = Scene::new("rebind");
    let server = scene.serve(&["--cid", "8", "--count", "1"]);
    let client = scene.client(&server, &["--cid", "8", "--rebind", "--send", "moved"]);
    assert_eq!(client.code, 0, "{}{}", client.stdout, client.stderr);
    assert_eq!(client.stderr, "");
    let words = client.lines("CONNECTED|REBOUND|SENT|RECEIVED|CLOSED|FAILED|STATS");
    let words: Vec<_> = words.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["CONNECTED", "REBOUND", "SENT", "RECEIVED", "SENT", "RECEIVED", "CLOSED", "STATS"]);
    let ids = |run: &Finished| {
        let line = run.line("CONNECTED");
        let (ours, peers) = line.split_once(" cid=").unwrap().1.split(' ').next().unwrap().split_once('/').unwrap();
        (ours.to_owned(), peers.to_owned())
    };
    let server = server.finish();
    assert_eq!(server.code, 0);
    let ((ours, peers), (theirs, its_peers)) = (ids(&client), ids(&server));
    assert_eq!((ours.len(), peers.len()), (16, 16));
    assert_eq!((&ours, &peers), (&its_peers, &theirs));
    let address = |run: &Finished, line: &str, key: &str| {
        run.line(line).split(' ').find_map(|word| word.strip_prefix(key)).unwrap().to_owned()
    };
    let (before, after) = (address(&server, "CONNECTED", "peer="), address(&client, "REBOUND", "127.0.0.1:"));
    let after = format!("127.0.0.1:{after}");
    assert_ne!(before, after);
    assert_eq!(server.line("MOVED"), format!("MOVED peer={after} from={before}"));
    assert_eq!(server.line("CLOSED"), format!("CLOSED peer={after} reason=close_notify"));
}

#[test]
fn a_client_may_have_no_id_itself_and_moves_all_the_same() {
    let scene = Scene::new("rebind-0");
    let server = scene.serve(&["--cid", "4", "--count", "1", "--json"]);
    let client = scene.client(&server, &["--cid", "0", "--rebind", "--delay", "10", "--json"]);
    assert_eq!(client.code, 0, "{}{}", client.stdout, client.stderr);
    let (at_client, server) = (client.event("connected"), server.finish());
    let at_server = server.event("connected");
    assert_eq!(at_client["cid"]["ours"], serde_json::Value::Null);
    assert_eq!(at_client["cid"]["peers"].as_str().unwrap().len(), 8);
    assert_eq!(at_client["cid"]["peers"], at_server["cid"]["ours"]);
    let moved = server.event("moved");
    assert_eq!((&moved["from"], &moved["peer"]), (&at_server["peer"], &client.event("rebound")["address"]));
}

#[test]
fn without_an_id_a_client_that_has_moved_gets_no_answer_and_is_told_why() {
    let scene = Scene::new("rebind-none");
    let server = scene.serve(&["--count", "1"]);
    let client = scene.client(&server, &["--rebind", "--wait", "200"]);
    assert_eq!(client.code, 4, "{}{}", client.stdout, client.stderr);
    assert!(client.stderr.starts_with("dtls: --rebind: the server has given us no connection ID"), "{}", client.stderr);
    assert!(client.line("CONNECTED").contains(" cid=-/- "), "{}", client.stdout);
}

#[test]
fn a_session_that_is_resumed_has_new_connection_ids_and_moves_too() {
    let scene = Scene::new("resumed-cid");
    let state = scene.file("state");
    let server = scene.serve(&["--cid", "8", "--count", "2"]);
    let first = scene.client(&server, &["--cid", "8", "--session-out", &state]);
    let second = scene.client(&server, &["--cid", "8", "--session-in", &state, "--rebind"]);
    assert!(resumed(&second));
    let cid =
        |run: &Finished| run.line("CONNECTED").split_once(" cid=").unwrap().1.split(' ').next().unwrap().to_owned();
    assert_ne!(cid(&first), cid(&second));
    assert_eq!(server.finish().lines("MOVED").len(), 1);
}
