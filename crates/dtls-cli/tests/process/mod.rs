//! How a test runs the command: starts it, talks to it, waits for it, and reads what it has left behind.

use core::time::Duration;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use dtls_core::ServerConfig;
use dtls_core::crypto::{Identity, ring};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;

/// Longer than anything here takes, on the slowest machine.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(60);

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dtls"));
    command.args(args).env_remove("SSLKEYLOGFILE");
    command
}

pub(crate) fn dtls(args: &[&str]) -> Running {
    Running::start(command(args), Input::None)
}

pub(crate) fn dtls_with_input(args: &[&str]) -> Running {
    Running::start(command(args), Input::Open)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    None,
    Open,
}

/// A process of ours. Ended when dropped.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    /// Kept open where nobody reads it.
    _stdout: Option<BufReader<ChildStdout>>,
    lines: Receiver<String>,
    seen: Mutex<Vec<String>>,
    stderr: Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command, input: Input) -> Self {
        command.stdin(if input == Input::Open { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self::listen_to(child, lines, None)
    }

    /// As [`start`](Self::start), but nobody reads standard output behind the first line.
    #[cfg(unix)]
    pub(crate) fn start_unread(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::with_capacity(128, child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        sender.send(line.trim_end().to_owned()).unwrap();
        Self::listen_to(child, lines, Some(stdout))
    }

    fn listen_to(mut child: Child, lines: Receiver<String>, unread: Option<BufReader<ChildStdout>>) -> Self {
        let (sender, stderr) = mpsc::channel();
        let mut pipe = child.stderr.take().unwrap();
        thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            drop(sender.send(text));
        });
        Self { input: child.stdin.take(), child, _stdout: unread, lines, seen: Mutex::default(), stderr }
    }

    /// Writes a line to its standard input.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it has printed a line that begins so.
    pub(crate) fn wait_for(&self, beginning: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(TOO_LONG).unwrap_or_else(|_| panic!("no line {beginning}"));
            self.seen.lock().unwrap().push(line.clone());
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own: the program of this name is not everywhere.
        let kill = format!("kill -s {signal} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
    }

    /// How many threads it has, where the system tells.
    pub(crate) fn threads(&self) -> Option<usize> {
        Some(fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?.count())
    }

    /// Ends its input and waits until it has ended.
    pub(crate) fn finish(mut self) -> Finished {
        self.input = None;
        self.finish_with_input_open()
    }

    pub(crate) fn finish_with_input_open(mut self) -> Finished {
        let stderr = self.stderr.recv_timeout(TOO_LONG).expect("the command does not end");
        let mut stdout = self.seen.lock().unwrap().clone();
        stdout.extend(self.lines.iter());
        let code = self.child.wait().unwrap().code().expect("a signal ended the command");
        Finished { code, stdout: stdout.iter().map(|line| format!("{line}\n")).collect(), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a process has left behind.
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The lines whose first word is one of these, `|` between them.
    pub(crate) fn lines(&self, words: &str) -> Vec<String> {
        let wanted = |line: &&str| words.split('|').any(|word| line.split(' ').next() == Some(word));
        self.stdout.lines().filter(wanted).map(str::to_owned).collect()
    }

    /// The only line that begins so.
    #[track_caller]
    pub(crate) fn line(&self, beginning: &str) -> &str {
        let mut lines = self.stdout.lines().filter(|line| line.starts_with(beginning));
        match (lines.next(), lines.next()) {
            (Some(line), None) => line,
            _ => panic!("not exactly one line {beginning} in:\n{}{}", self.stdout, self.stderr),
        }
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The only event of this name.
    #[track_caller]
    pub(crate) fn event(&self, name: &str) -> Value {
        let mut events = self.events().into_iter().filter(|event| event["event"] == name);
        match (events.next(), events.next()) {
            (Some(event), None) => event,
            _ => panic!("not exactly one event {name} in:\n{}{}", self.stdout, self.stderr),
        }
    }
}

/// A `dtls server` that listens.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::of(dtls(&[&["server", "--listen", "127.0.0.1:0"], options].concat()))
    }

    pub(crate) fn of(running: Running) -> Self {
        let line = running.lines.recv_timeout(TOO_LONG).expect("the server does not listen");
        let address = match line.strip_prefix("LISTENING ") {
            Some(address) => address.to_owned(),
            None => {
                let event: Value = serde_json::from_str(&line).unwrap();
                event.get("address").and_then(Value::as_str).unwrap().to_owned()
            }
        };
        Self { running, address }
    }

    pub(crate) fn finish(self) -> Finished {
        self.running.finish()
    }
}

/// What `dtls cert` has made.
pub(crate) struct Cert {
    pub(crate) directory: String,
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) public_key: String,
    pub(crate) fingerprint: String,
}

impl Cert {
    /// `place` must be another for each.
    pub(crate) fn make(place: &str, options: &[&str]) -> Self {
        let directory = directory(&format!("cert-{place}"));
        let directory = directory.to_str().unwrap();
        let run = dtls(&[&["cert", "--out", directory], options].concat()).finish();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        let file = |name| Path::new(directory).join(name).to_str().unwrap().to_owned();
        Self {
            directory: directory.to_owned(),
            cert: file("cert.pem"),
            key: file("key.pem"),
            public_key: file("public_key.pem"),
            fingerprint: run.stdout.trim_end().to_owned(),
        }
    }

    /// The options that show it.
    pub(crate) fn identity(&self) -> [&str; 4] {
        ["--cert", &self.cert, "--key", &self.key]
    }
}

/// An empty directory.
pub(crate) fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&directory));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A socket that says nothing.
pub(crate) fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// A server that answers everything with the same, or not at all; and its address.
pub(crate) fn peculiar_server(answer: Option<&'static [u8]>) -> String {
    server_of_one(move |session| {
        while session.recv_vec().is_ok() {
            if let Some(answer) = answer {
                session.send(answer).unwrap();
            }
        }
    })
}

/// A server that says so much without being asked, as long as anyone is there; and its address.
pub(crate) fn talkative_server(times: usize) -> String {
    server_of_one(move |session| {
        for _ in 0..times {
            if session.send(b"other").is_err() || session.recv_vec_timeout(Duration::from_millis(20)).is_err() {
                break;
            }
        }
        while session.recv_vec().is_ok() {}
    })
}

/// A server that answers the first datagram with several, and closes; and its address.
pub(crate) fn brief_server(answers: [&'static [u8]; 3]) -> String {
    server_of_one(move |session| {
        session.recv_vec().unwrap();
        answers.iter().for_each(|answer| session.send(answer).unwrap());
        session.close();
    })
}

fn server_of_one(serve: impl FnOnce(dtls_std::Session) + Send + 'static) -> String {
    let provider = Arc::new(ring::provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let identity = Identity::new(&provider, vec![made.cert.der().clone()], key).unwrap();
    let config = ServerConfig::builder(provider).identity(identity).build().unwrap();
    let endpoint = dtls_std::listen("127.0.0.1:0", Arc::new(config)).unwrap();
    let address = endpoint.local_addr().to_string();
    thread::spawn(move || serve(endpoint.accept().unwrap()));
    address
}
