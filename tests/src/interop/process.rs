//! A process that is heard, spoken to, and killed when it is dropped.

use core::time::Duration;
use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Trouble;

/// A running process. Nothing it does can make a test wait for longer than [`PATIENCE`].
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Arc<Heard>,
}

impl Process {
    /// Starts `command`; `name` stands for it in reports.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &'static str, mut command: Command) -> Result<Self, Trouble> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| Trouble::new(format!("{name} cannot be started: {error}: {command:?}")))?;
        let heard = Arc::new(Heard::default());
        let stdin = child.stdin.take();
        if let Some(stdout) = child.stdout.take() {
            listen(&heard, stdout, |output| &mut output.stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            listen(&heard, stderr, |output| &mut output.stderr);
        }
        Ok(Self { name, child, stdin, heard })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    /// If it does not read any more.
    pub fn say(&mut self, text: &str) -> Result<(), Trouble> {
        let written = match &mut self.stdin {
            Some(stdin) => stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()),
            None => Ok(()),
        };
        written.map_err(|error| self.trouble(&format!("does not take {text:?}: {error}")))
    }

    /// Ends its standard input.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has written one of `texts` on standard output or standard error; returns the first of them that it
    /// has.
    ///
    /// # Errors
    /// If it has none after [`PATIENCE`], or has ended without.
    pub fn await_one_of<'a>(&self, texts: &[&'a str]) -> Result<&'a str, Trouble> {
        self.await_that(&texts.join("\" or \""), |output| texts.iter().copied().find(|text| output.has(text)))
    }

    /// Waits until it has written `text` on standard output or standard error.
    ///
    /// # Errors
    /// If it has not after [`PATIENCE`], or has ended without.
    pub fn await_text(&self, text: &str) -> Result<(), Trouble> {
        self.await_that(text, |output| output.has(text).then_some(()))
    }

    /// Whether it writes `text` in the next `time`, or has already.
    #[must_use]
    pub fn says(&self, text: &str, time: Duration) -> bool {
        self.find(time, |output| output.has(text).then_some(())).is_some()
    }

    /// Waits until it has written a whole line that begins with `start`, blanks in front aside, on standard output;
    /// returns what follows `start`.
    ///
    /// # Errors
    /// If it has not after [`PATIENCE`], or has ended without.
    pub fn await_line(&self, start: &str) -> Result<String, Trouble> {
        self.await_that(start, |output| {
            let text = lossy(&output.stdout);
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            line_after(whole, start).map(str::to_owned)
        })
    }

    fn await_that<T>(&self, what: &str, find: impl Fn(&Output) -> Option<T>) -> Result<T, Trouble> {
        self.find(PATIENCE, find).ok_or_else(|| self.trouble(&format!("did not say {what:?}")))
    }

    fn find<T>(&self, time: Duration, find: impl Fn(&Output) -> Option<T>) -> Option<T> {
        let missing = |output: &mut Output| find(output).is_none() && output.open > 0;
        let waited = self.heard.changed.wait_timeout_while(self.heard.lock(), time, missing);
        find(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Asks it to end: SIGTERM.
    ///
    /// # Errors
    /// If there is no `kill` command, or nothing to kill.
    pub fn terminate(&self) -> Result<(), Trouble> {
        let killed = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status();
        if killed.is_ok_and(|status| status.success()) { Ok(()) } else { Err(self.trouble("cannot be terminated")) }
    }

    /// Waits for it to end.
    ///
    /// # Errors
    /// If it has not after [`PATIENCE`].
    pub fn finish(mut self) -> Result<Finished, Trouble> {
        let output = self.heard.lock();
        let waited = self.heard.changed.wait_timeout_while(output, PATIENCE, |output| output.open > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        // It has closed both pipes, or never will: the exit is at hand.
        for _ in 0..EXIT_ROUNDS {
            if let Ok(Some(status)) = self.child.try_wait() {
                let output = self.heard.lock();
                let (stdout, stderr) = (lossy(&output.stdout), lossy(&output.stderr));
                drop(output);
                return Ok(Finished { name: self.name, status, stdout, stderr });
            }
            let waited = self.heard.changed.wait_timeout(self.heard.lock(), EXIT_ROUND);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        Err(self.trouble("does not end"))
    }

    /// Ends it here and now.
    ///
    /// # Panics
    /// If the system has lost it.
    #[must_use]
    pub fn halt(mut self) -> Finished {
        // It may have ended by itself.
        let _ = self.child.kill();
        let status = self.child.wait().expect("the system knows how our child has ended");
        let output = self.heard.lock();
        let waited = self.heard.changed.wait_timeout_while(output, PATIENCE, |output| output.open > 0);
        let output = waited.unwrap_or_else(PoisonError::into_inner).0;
        Finished { name: self.name, status, stdout: lossy(&output.stdout), stderr: lossy(&output.stderr) }
    }

    /// What went wrong, and all that it has said so far.
    #[must_use]
    pub fn trouble(&self, what: &str) -> Trouble {
        let output = self.heard.lock();
        Trouble::new(format!("{} {what}{}", self.name, story(&lossy(&output.stdout), &lossy(&output.stderr))))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has said in its life, and how it ended.
#[derive(Clone, Debug)]
pub struct Finished {
    name: &'static str,
    status: ExitStatus,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code; `None` if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Trouble unless it ended with `code`.
    ///
    /// # Errors
    /// If it did not.
    pub fn expect_code(&self, code: i32) -> Result<(), Trouble> {
        if self.code() == Some(code) {
            return Ok(());
        }
        Err(self.trouble(&format!("ended with {} where {code} was expected", self.status)))
    }

    /// Trouble unless it has said `text`.
    ///
    /// # Errors
    /// If it has not.
    pub fn expect_text(&self, text: &str) -> Result<(), Trouble> {
        if self.stdout.contains(text) || self.stderr.contains(text) {
            return Ok(());
        }
        Err(self.trouble(&format!("did not say {text:?}")))
    }

    /// What follows `start` on the first line of standard output that begins with it, blanks in front aside.
    ///
    /// # Errors
    /// If there is no such line.
    pub fn line(&self, start: &str) -> Result<&str, Trouble> {
        line_after(&self.stdout, start).ok_or_else(|| self.trouble(&format!("did not say {start:?}")))
    }

    /// What went wrong, and all that it has said.
    #[must_use]
    pub fn trouble(&self, what: &str) -> Trouble {
        Trouble::new(format!("{} {what}{}", self.name, story(&self.stdout, &self.stderr)))
    }
}

/// What has been heard of a process.
#[derive(Debug, Default)]
struct Heard {
    output: Mutex<Output>,
    changed: Condvar,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has come out of a process.
#[derive(Debug, Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// How many of the two may still bring something.
    open: usize,
}

impl Output {
    fn has(&self, text: &str) -> bool {
        [&self.stdout, &self.stderr].iter().any(|heard| lossy(heard).contains(text))
    }
}

/// Keeps what comes out of `pipe` in the place that `part` names, from a thread that ends with the process.
fn listen(heard: &Arc<Heard>, mut pipe: impl Read + Send + 'static, part: fn(&mut Output) -> &mut Vec<u8>) {
    heard.lock().open += 1;
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut piece = [0; 4096];
        loop {
            let len = pipe.read(&mut piece).unwrap_or(0);
            let mut output = heard.lock();
            if len == 0 {
                output.open -= 1;
            }
            part(&mut output).extend_from_slice(&piece[..len]);
            drop(output);
            heard.changed.notify_all();
            if len == 0 {
                break;
            }
        }
    });
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn line_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(start))
}

fn story(stdout: &str, stderr: &str) -> String {
    let mut story = String::new();
    for (name, text) in [("stdout", stdout), ("stderr", stderr)] {
        for line in text.lines() {
            story.push_str(&format!("\n    {name}: {line}"));
        }
    }
    story
}

/// The longest wait for a line or an exit. Long enough for a handshake that loses datagrams on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const EXIT_ROUNDS: usize = 500;
const EXIT_ROUND: Duration = Duration::from_millis(10);
