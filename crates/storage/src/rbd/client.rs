//! The parent's side: starts the child, starts it again when it ends, and passes requests to it.
//!
//! The child may end at any moment, by librados' own doing or by a signal. What it was doing then fails with words;
//! every request may be repeated.

use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::config::RbdConfig;
use super::wire::{self, Fault, Numbered, Reply, Request};

/// How many requests are on their way at most; more are refused.
const WAITING_MAX: usize = 128;
/// The first and the longest pause before a child that ended is started again.
const RESTART: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// How long a request fails at once after the cluster did not answer, before another one tries.
const RETRY_CLUSTER: Duration = Duration::from_secs(3);
/// How long the child may take to read a request.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an operation may take that goes through the data of a volume or an image.
const LONG: Duration = Duration::from_secs(3600);

/// How the child is started: the same program, told to serve storage on its standard input.
#[derive(Debug, Clone)]
pub struct ChildProgram {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables it gets beside the parent's own.
    pub variables: Vec<(String, String)>,
}

/// Passes requests to a child. Cloned, it is the same child.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    program: ChildProgram,
    config: RbdConfig,
    state: Mutex<State>,
}

struct State {
    running: Option<Arc<Running>>,
    pause: Duration,
    /// When the next child may be started.
    not_before: Option<Instant>,
    /// The addresses that the child has in the cluster.
    addresses: Vec<String>,
    /// Those of children that were killed, until they are shut out.
    dead: Vec<String>,
    /// Until when the cluster counts as away.
    away_until: Option<Instant>,
}

type Answered = (Reply, Vec<u8>);

/// A child, and who waits for it.
struct Running {
    stream: Mutex<UnixStream>,
    waiting: Mutex<Waiting>,
    child: Mutex<Child>,
    pid: u32,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    ended: bool,
    senders: BTreeMap<u64, SyncSender<Answered>>,
}

/// A request on its way.
pub struct Pending {
    client: Client,
    running: Arc<Running>,
    number: u64,
    receiver: Receiver<Answered>,
    until: Instant,
}

impl Client {
    /// A client. The child is started by the first request.
    pub fn new(program: ChildProgram, config: RbdConfig) -> Client {
        let state = State {
            running: None,
            pause: RESTART.0,
            not_before: None,
            addresses: Vec::new(),
            dead: Vec::new(),
            away_until: None,
        };
        Client { shared: Arc::new(Shared { program, config, state: Mutex::new(state) }) }
    }

    /// Which cluster and pools it is for.
    pub fn config(&self) -> &RbdConfig {
        &self.shared.config
    }

    /// The process id of the child, while there is one.
    pub fn child_pid(&self) -> Option<u32> {
        self.state().running.as_ref().map(|running| running.pid)
    }

    /// Asks, and waits for the answer.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Fault> {
        self.send(request, &[])?.answer().map(|(answer, _)| answer)
    }

    /// Asks until the child has not ended meanwhile, for requests that others wait for long.
    pub fn ask_again<T: DeserializeOwned>(
        &self,
        request: &Request,
        bytes: &[u8],
    ) -> Result<(T, Vec<u8>), Fault> {
        const TRIES: u32 = 5;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.send(request, bytes).and_then(Pending::answer) {
                Err(Fault::Unusable { message }) if tries < TRIES => {
                    tracing::warn!("asking the storage process again: {message}");
                    runtime::sleep_blocking(RESTART.0 * 2u32.pow(tries));
                }
                done => return done,
            }
        }
    }

    /// Sends a request.
    pub fn send(&self, request: &Request, bytes: &[u8]) -> Result<Pending, Fault> {
        let running = self.running()?;
        let until = runtime::monotonic() + self.time_max(request);
        let (sender, receiver) = sync_channel(1);
        let number = {
            let mut waiting = running.waiting();
            if waiting.ended {
                return Err(ended());
            }
            if waiting.senders.len() >= WAITING_MAX {
                let message = "too many requests wait for the Ceph cluster".to_owned();
                return Err(Fault::Unusable { message });
            }
            waiting.next += 1;
            let number = waiting.next;
            waiting.senders.insert(number, sender);
            number
        };
        let sent = {
            let mut stream = running.stream.lock().unwrap_or_else(PoisonError::into_inner);
            wire::send(&mut *stream, &Numbered { number, body: request }, bytes)
        };
        if let Err(error) = sent {
            tracing::warn!("the storage process does not take a request: {error}");
            running.kill();
            return Err(ended());
        }
        Ok(Pending { client: self.clone(), running, number, receiver, until })
    }

    /// A request fails at each of its steps after the cluster's own limit; this is for a child that hangs.
    fn time_max(&self, request: &Request) -> Duration {
        let config = &self.shared.config;
        let short = u64::from(config.connect_seconds) + 3 * u64::from(config.op_seconds);
        if request.is_long() { LONG } else { Duration::from_secs(short) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The child, started if there is none. While the cluster does not answer, one request in a while tries it; the
    /// others fail at once, so that nobody who serves more than this cluster is held up.
    fn running(&self) -> Result<Arc<Running>, Fault> {
        let mut state = self.state();
        let now = runtime::monotonic();
        if let Some(until) = state.away_until {
            if now < until {
                let message = format!(
                    "the Ceph cluster of {} does not answer; it is asked again every {} s",
                    self.shared.config.conf,
                    RETRY_CLUSTER.as_secs()
                );
                return Err(Fault::Unusable { message });
            }
            state.away_until = Some(now + RETRY_CLUSTER);
        }
        if let Some(running) = &state.running {
            return Ok(running.clone());
        }
        if state.not_before.is_some_and(|at| now < at) {
            return Err(ended());
        }
        let dead = state.dead.clone();
        let running = self.start(dead).map_err(|error| Fault::Unusable {
            message: format!(
                "the storage process {} cannot be started: {error}",
                self.shared.program.path.display()
            ),
        })?;
        state.running = Some(running.clone());
        state.not_before = Some(now + state.pause);
        state.pause = (state.pause * 2).min(RESTART.1);
        Ok(running)
    }

    fn start(&self, dead: Vec<String>) -> io::Result<Arc<Running>> {
        let (mut ours, theirs) = UnixStream::pair()?;
        ours.set_write_timeout(Some(SEND_TIME_MAX))?;
        let program = &self.shared.program;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).envs(program.variables.iter().cloned()).current_dir("/");
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).spawn()?;
        let open = Request::Open { config: self.shared.config.clone(), dead };
        wire::send(&mut ours, &Numbered { number: 0, body: open }, &[])?;
        let mut reading = ours.try_clone()?;
        let pid = child.id();
        tracing::info!("the storage process {pid} is started");
        let running = Arc::new(Running {
            stream: Mutex::new(ours),
            waiting: Mutex::default(),
            child: Mutex::new(child),
            pid,
        });
        // The thread must not keep the client alive: its end is what ends the child.
        let (shared, of) = (Arc::downgrade(&self.shared), running.clone());
        let client = move || shared.upgrade().map(|shared| Client { shared });
        runtime::spawn_thread("rbd-answers", move || {
            while let Ok(Some((Numbered { number, body }, bytes))) = wire::receive(&mut reading) {
                if let Some(client) = client() {
                    client.answered(&body);
                    if let (0, Ok(addresses)) = (number, &body) {
                        client.connected(addresses);
                    }
                }
                if let Some(sender) = of.waiting().senders.remove(&number) {
                    // Whoever gave up waiting is not there any more.
                    let _ = sender.send((body, bytes));
                }
            }
            of.reap();
            if let Some(client) = client() {
                client.forget(&of);
            }
            of.end_waiting();
        })?;
        Ok(running)
    }

    /// Learns from an answer whether the cluster answers.
    fn answered(&self, reply: &Reply) {
        let mut state = self.state();
        match reply {
            Err(fault) if fault.is_timeout() => {
                if state.away_until.is_none() {
                    tracing::warn!("the Ceph cluster of {} does not answer", self.shared.config.conf);
                }
                state.away_until = Some(runtime::monotonic() + RETRY_CLUSTER);
            }
            Err(Fault::Ceph { .. } | Fault::Unusable { .. } | Fault::Tool { .. }) => {}
            _ => {
                if state.away_until.take().is_some() {
                    tracing::info!("the Ceph cluster of {} answers again", self.shared.config.conf);
                }
                state.pause = RESTART.0;
            }
        }
    }

    /// A child is connected, and has shut out those that were killed.
    fn connected(&self, addresses: &serde_json::Value) {
        let mut state = self.state();
        state.dead.clear();
        state.addresses = serde_json::from_value(addresses.clone()).unwrap_or_default();
    }

    /// Lets the next request start another child.
    fn forget(&self, running: &Arc<Running>) {
        let mut state = self.state();
        if state.running.as_ref().is_some_and(|current| Arc::ptr_eq(current, running)) {
            state.running = None;
            let addresses = std::mem::take(&mut state.addresses);
            state.dead.extend(addresses);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = state.running.take() {
            running.kill();
        }
    }
}

impl Running {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that it has ended, and says how.
    fn reap(&self) {
        self.kill();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        match child.wait() {
            Ok(status) => tracing::warn!("the storage process {} ended: {status}", self.pid),
            Err(error) => tracing::error!("cannot wait for the storage process: {error}"),
        }
    }

    /// Tells all who wait for it that it ended.
    fn end_waiting(&self) {
        let mut waiting = self.waiting();
        waiting.ended = true;
        waiting.senders.clear();
    }

    /// Ends it; the thread that reads its answers does the rest.
    fn kill(&self) {
        if let Ok(mut child) = self.child.try_lock() {
            let _ = child.kill();
        }
        if let Ok(stream) = self.stream.try_lock() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Pending {
    /// Waits for the answer.
    pub fn answer<T: DeserializeOwned>(self) -> Result<(T, Vec<u8>), Fault> {
        let left = self.until.saturating_duration_since(runtime::monotonic());
        let (reply, bytes) = match self.receiver.recv_timeout(left) {
            Ok(answered) => answered,
            Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("the storage process {} hangs and is ended", self.running.pid);
                self.running.waiting().senders.remove(&self.number);
                self.running.kill();
                let doing = "finish an operation".to_owned();
                let fault = Fault::Ceph { errno: nix::libc::ETIMEDOUT, doing };
                self.client.answered(&Err(fault.clone()));
                return Err(fault);
            }
        };
        let value = reply?;
        let answer = serde_json::from_value(value).map_err(|error| Fault::Unusable {
            message: format!("the storage process answered something else than was asked: {error}"),
        })?;
        Ok((answer, bytes))
    }
}

fn ended() -> Fault {
    Fault::Unusable {
        message: "the storage process ended before it was done, and is started again".to_owned(),
    }
}
