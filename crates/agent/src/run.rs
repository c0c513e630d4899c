//! The agent as a process: dials the control plane, again and again, and works in between.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use agent_api::{FromNode, ToNode};
use hypervisor::qemu::{Qemu, QemuConfig};
use hypervisor::{Accelerator, AcceleratorChoice, Hypervisor, VmEvent, VmEventKind};
use linux_net::Cloud;
use storage::ImageStore;
use storage::objects::{Directory, Objects, S3, S3Config};
use types::ServerId;

use crate::agent::Agent;
use crate::backends::Backends;
use crate::copies::{Places, Threads};
use crate::effects::{Effects, Event};
use crate::fake::{FakeCopier, FakeFabric, World};
use crate::linux::Linux;
use crate::moved::Moved;
use crate::vms::words;

/// The pause between two attempts to reach the control plane.
const REDIAL: Duration = Duration::from_millis(100);
/// How often a sign of life is sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long the control plane may take to read what is sent.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);

/// What an agent needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The host's name.
    pub host: String,
    /// The cloud's six hexadecimal digits.
    pub cloud: String,
    /// Where the control plane listens.
    pub control_socket: PathBuf,
    /// Sockets and pid files.
    pub run_dir: PathBuf,
    /// What survives a restart.
    pub state_dir: PathBuf,
    /// Where backups are kept.
    pub backups: BackupTarget,
    /// Console logs.
    pub logs_dir: PathBuf,
    /// `auto`, `kvm` or `tcg`.
    pub accelerator: String,
    /// The version of Cuttle.
    pub version: String,
}

/// Where backups are kept.
#[derive(Debug, Clone)]
pub enum BackupTarget {
    /// A directory, which may be a network file system.
    Directory(PathBuf),
    /// A bucket behind an S3 endpoint.
    S3(S3Config),
}

impl BackupTarget {
    fn open(&self) -> storage::Result<Arc<dyn Objects>> {
        Ok(match self {
            BackupTarget::Directory(path) => Arc::new(Directory::open(path)?),
            BackupTarget::S3(config) => Arc::new(S3::open(config.clone())?),
        })
    }
}

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunError(String);

/// What comes in, from wherever.
enum Input {
    Connected(UnixStream),
    Message(Box<ToNode>),
    Disconnected,
    Event(Event),
}

/// Runs a real node's agent until the process is ended. `images` is where images made of volumes go.
pub fn run(settings: &Settings, backends: Backends, images: Arc<dyn ImageStore>) -> Result<(), RunError> {
    let (inputs, queue) = channel();
    let effects = real_effects(settings, backends, images, &inputs)?;
    run_over(settings, effects, Some(&settings.state_dir), inputs, &queue)
}

/// Runs a simulated node's agent, over the backends that the image service shares with it.
pub fn run_simulated(
    settings: &Settings,
    backends: Backends,
    images: Arc<dyn ImageStore>,
) -> Result<(), RunError> {
    let (inputs, queue) = channel();
    let (events, observed) = channel();
    let forward = inputs.clone();
    spawn("events", move || forward_events(&observed, &forward))?;
    let (vm_events, vm_observed) = channel::<VmEvent>();
    forward_vms(vm_observed, inputs.clone())?;
    let fabric = Box::new(FakeFabric::new(World::default(), events));
    let hypervisor = Box::new(hypervisor::fake::Fake::new(hypervisor::fake::World::new(), vm_events));
    let backups = settings.backups.open().map_err(failed)?;
    let copier = Box::new(FakeCopier::new(images, backups));
    let effects = Effects { fabric, hypervisor, backends, moved: Moved::default(), copier };
    run_over(settings, effects, None, inputs, &queue)
}

fn run_over(
    settings: &Settings,
    effects: Effects,
    state_dir: Option<&Path>,
    inputs: Sender<Input>,
    queue: &Receiver<Input>,
) -> Result<(), RunError> {
    let agent = Agent::open(&settings.host, &settings.version, state_dir, &settings.logs_dir, effects);
    let mut agent = agent.map_err(|e| RunError(format!("cannot read what the agent kept: {e}")))?;
    let socket = settings.control_socket.clone();
    spawn("dial", move || dial(&socket, &inputs))?;
    work(&mut agent, queue);
    Ok(())
}

fn real_effects(
    settings: &Settings,
    backends: Backends,
    images: Arc<dyn ImageStore>,
    inputs: &Sender<Input>,
) -> Result<Effects, RunError> {
    let cloud: Cloud =
        settings.cloud.parse().map_err(|_| RunError(format!("{} is no cloud's id", settings.cloud)))?;
    let (events, observed) = channel();
    let forward = inputs.clone();
    spawn("events", move || forward_events(&observed, &forward))?;
    let (vm_events, vm_observed) = channel();
    forward_vms(vm_observed, inputs.clone())?;
    let copied = events.clone();
    let fabric = Linux::start(cloud, &events).map_err(RunError)?;
    let mut hypervisor = Qemu::new(qemu_config(settings), vm_events).map_err(failed)?;
    let adopted = hypervisor.adopt().map_err(failed)?;
    tracing::info!("{} VMs were running already", adopted.len());
    let backups = settings.backups.open().map_err(failed)?;
    let places = Places { images, backups, run_dir: settings.run_dir.clone() };
    let copies = Threads::open(&settings.state_dir.join("copies"), places, copied);
    let copier = copies.map_err(|e| RunError(format!("cannot read what is kept of copies: {e}")))?;
    let moved = Moved::open(&settings.state_dir.join("moved"));
    let moved = moved.map_err(|e| RunError(format!("cannot read where volumes are: {e}")))?;
    Ok(Effects {
        fabric: Box::new(fabric),
        hypervisor: Box::new(hypervisor),
        backends,
        moved,
        copier: Box::new(copier),
    })
}

fn forward_vms(observed: Receiver<VmEvent>, inputs: Sender<Input>) -> Result<(), RunError> {
    spawn("vm-events", move || {
        while let Ok(VmEvent { server, kind }) = observed.recv() {
            let event =
                if kind == VmEventKind::DiskWork { Event::DiskWork(server) } else { Event::Vm(server) };
            if inputs.send(Input::Event(event)).is_err() {
                return;
            }
        }
    })
}

fn failed(error: impl std::error::Error) -> RunError {
    RunError(words(error))
}

fn forward_events(observed: &Receiver<Event>, inputs: &Sender<Input>) {
    while let Ok(event) = observed.recv() {
        if inputs.send(Input::Event(event)).is_err() {
            return;
        }
    }
}

/// The loop: take in what came, act, report.
fn work(agent: &mut Agent, queue: &Receiver<Input>) {
    let mut connection: Option<UnixStream> = None;
    let mut beat = runtime::monotonic();
    loop {
        let wait = agent.next_due().map_or(HEARTBEAT, |due| due.since(runtime::now())).min(HEARTBEAT);
        match queue.recv_timeout(wait) {
            Ok(input) => take_in(agent, &mut connection, input),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(input) = queue.try_recv() {
            take_in(agent, &mut connection, input);
        }
        agent.step();
        if let Some(stream) = &mut connection {
            let mut messages = agent.outgoing();
            if beat.elapsed() >= HEARTBEAT {
                beat = runtime::monotonic();
                messages.push(agent.heartbeat());
            }
            if messages.iter().any(|message| send(stream, message).is_err()) {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                connection = None;
            }
        }
    }
}

fn take_in(agent: &mut Agent, connection: &mut Option<UnixStream>, input: Input) {
    match input {
        Input::Connected(mut stream) => {
            let greeted = send(&mut stream, &agent.hello());
            *connection = greeted.is_ok().then_some(stream);
        }
        Input::Message(message) => agent.receive(*message),
        Input::Disconnected => *connection = None,
        Input::Event(event) => agent.observe(event),
    }
}

fn send(stream: &mut UnixStream, message: &FromNode) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message).map_err(std::io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Connects whenever there is no connection, and reads it to its end.
fn dial(socket: &Path, inputs: &Sender<Input>) {
    loop {
        if let Ok(stream) = UnixStream::connect(socket)
            && let Ok(writing) = stream.try_clone()
            && writing.set_write_timeout(Some(SEND_TIME_MAX)).is_ok()
        {
            if inputs.send(Input::Connected(writing)).is_err() {
                return;
            }
            read(stream, inputs);
            if inputs.send(Input::Disconnected).is_err() {
                return;
            }
        }
        runtime::sleep_blocking(REDIAL);
    }
}

fn read(stream: UnixStream, inputs: &Sender<Input>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        match serde_json::from_slice(&line) {
            Ok(message) => {
                if inputs.send(Input::Message(Box::new(message))).is_err() {
                    return;
                }
            }
            Err(error) => tracing::error!("cannot read a message of the control plane: {error}"),
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), RunError> {
    runtime::spawn_thread(name, body).map(|_| ()).map_err(|e| RunError(format!("cannot start a thread: {e}")))
}

/// Which accelerator this host has, and why.
pub fn accelerator(wanted: &str) -> (String, String) {
    match hypervisor::probe_accelerator(choice(wanted)) {
        Ok((accelerator, reason)) => (accelerator_name(accelerator).to_owned(), reason),
        Err(error) => ("none".to_owned(), words(error)),
    }
}

/// What an accelerator is called in facts and messages.
pub(crate) fn accelerator_name(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    }
}

fn choice(wanted: &str) -> AcceleratorChoice {
    match wanted {
        "kvm" => AcceleratorChoice::Kvm,
        "tcg" => AcceleratorChoice::Tcg,
        _ => AcceleratorChoice::Auto,
    }
}

fn qemu_config(settings: &Settings) -> QemuConfig {
    QemuConfig { accelerator: choice(&settings.accelerator), ..QemuConfig::new(vms_dir(&settings.run_dir)) }
}

/// Where each running VM has a directory of sockets.
fn vms_dir(run_dir: &Path) -> PathBuf {
    run_dir.join("vms")
}

/// The socket of a VM's serial console.
pub fn console_socket(run_dir: &Path, server: &str) -> PathBuf {
    vms_dir(run_dir).join(server).join("console.sock")
}

/// Ends every VM of a cloud whose agent does not run, and forgets what the agent kept of them. Tells how many ran.
pub fn stop_everything(settings: &Settings) -> Result<usize, RunError> {
    let (events, _observed) = channel();
    let mut hypervisor = Qemu::new(qemu_config(settings), events).map_err(failed)?;
    let running: Vec<ServerId> = hypervisor.adopt().map_err(failed)?;
    for server in &running {
        hypervisor.remove(*server).map_err(failed)?;
    }
    Ok(running.len())
}
