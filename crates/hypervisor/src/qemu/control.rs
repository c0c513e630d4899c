//! The life of one VM: its process, its QMP connection, and what is done through them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, PipeReader, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde_json::{Value, json};
use types::{ServerId, VolumeId};

use super::config::{Surroundings, arguments, device_id, root_port, secret_object};
use super::process::{Exit, Launch, Process, ProcessId, command_line_has};
use super::qmp::{Qmp, QmpError, QmpEvent};
use super::rundir::RunDir;
use super::{Shared, cgroup, console};
use super::{layers, mirror};
use crate::error::Doing;
use crate::{Detach, Disk, Error, Machine, Observed, Power, Result, VmEvent, VmEventKind, VmSpec};

/// QEMU answers in milliseconds; on a host that swaps it may take seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Until QEMU greets: it has opened all disks by then.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long QEMU may take to write everything out and end.
const QUIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the kernel may take to end a process.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

const SPEC: &str = "spec.json";
const PROCESS: &str = "process.json";
const ENDED: &str = "ended.json";

/// One VM.
pub(crate) struct Vm {
    server: ServerId,
    run: RunDir,
    spec: VmSpec,
    process: Option<Arc<Process>>,
    link: Option<Link>,
}

/// A QMP connection, and whether it is we who end it.
struct Link {
    qmp: Qmp,
    closing: Arc<AtomicBool>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl Vm {
    pub(crate) fn run(&self) -> &RunDir {
        &self.run
    }

    pub(crate) fn console_log(&self) -> &Path {
        &self.spec.console_log
    }

    /// Starts the process and waits until QEMU greets.
    pub(crate) fn start(spec: &VmSpec, run: RunDir, taps: &[OwnedFd], shared: &Shared) -> Result<Vm> {
        spec.check(taps.len())?;
        let server = spec.server;
        run.create()?;
        run.write(SPEC, spec)?;
        let mut vm = Vm { server, run, spec: spec.clone(), process: None, link: None };
        let started = vm.launch(taps, shared).and_then(|()| vm.connect(shared, START_TIMEOUT));
        if let Err(e) = started {
            let error = vm.explain_failed_start(e);
            vm.kill()?;
            vm.run.remove()?;
            return Err(error);
        }
        Ok(vm)
    }

    fn launch(&mut self, taps: &[OwnedFd], shared: &Shared) -> Result<()> {
        let open_log = |path: &Path| {
            let opened = File::options().create(true).append(true).open(path);
            opened.doing(|| format!("open {}", path.display()))
        };
        if let Some(dir) = self.spec.console_log.parent() {
            fs::create_dir_all(dir).doing(|| format!("make the directory {}", dir.display()))?;
        }
        drop(open_log(&self.spec.console_log)?);
        let socket = self.run.qmp_socket();
        // Bound here rather than by QEMU, so that connecting needs no waiting for a file to appear.
        let listener = UnixListener::bind(&socket).doing(|| format!("listen on {}", socket.display()))?;
        let taps: Vec<RawFd> = taps.iter().map(AsRawFd::as_raw_fd).collect();
        let secrets = secrets(&self.spec.disks).doing(|| "hand secrets to QEMU".to_owned())?;
        let secret_fds: BTreeMap<VolumeId, RawFd> =
            secrets.iter().map(|(volume, pipe)| (*volume, pipe.as_raw_fd())).collect();
        let arguments = arguments(
            &self.spec,
            &Surroundings {
                run: &self.run,
                features: &shared.features,
                accelerator: shared.host.accelerator,
                qmp: listener.as_raw_fd(),
                taps: &taps,
                secrets: &secret_fds,
            },
        );
        let cgroup = shared.containment.create(self.server)?;
        let launch = Launch {
            program: &shared.config.binary,
            arguments: &arguments,
            log: open_log(&self.run.log())?,
            pid_file: open_log(&self.run.pid_file())?,
            keep: taps.into_iter().chain([listener.as_raw_fd()]).chain(secret_fds.into_values()).collect(),
            cgroup,
        };
        let process = launch.spawn().doing(|| format!("start {}", shared.config.binary.display()))?;
        self.run.write(PROCESS, process.id())?;
        self.process = Some(Arc::new(process));
        Ok(())
    }

    fn explain_failed_start(&self, error: Error) -> Error {
        let ended = self.process.as_ref().is_some_and(|process| process.wait(QUIT_TIMEOUT));
        let said = last_words(&self.run.log());
        match said {
            Some(said) if ended => Error::Start(said),
            _ => error,
        }
    }

    /// Finds a VM by its directory. One without a process is kept too: how it ended is still to be told.
    pub(crate) fn adopt(server: ServerId, run: RunDir, shared: &Shared) -> Result<Option<Vm>> {
        let Some(spec) = run.read::<VmSpec>(SPEC) else {
            // None, or interrupted before anything was started.
            run.remove()?;
            return Ok(None);
        };
        let recorded = run.read::<ProcessId>(PROCESS).or_else(|| find_unrecorded(&run, shared, server));
        let process = recorded.and_then(Process::open).map(Arc::new);
        let mut vm = Vm { server, run, spec, process, link: None };
        if vm.process.is_some()
            && let Err(e) = vm.connect(shared, ANSWER_TIMEOUT)
        {
            tracing::warn!(%server, error = %e, "a VM runs but its QEMU does not answer; tried again later");
        }
        Ok(Some(vm))
    }

    fn connect(&mut self, shared: &Shared, timeout: Duration) -> Result<()> {
        let Some(process) = self.process.clone() else { return Ok(()) };
        let closing = Arc::new(AtomicBool::new(false));
        let on_event = translate(self.server, shared.events.clone(), process, Arc::clone(&closing));
        let path = self.run.qmp_socket();
        let opened = UnixStream::connect(&path).and_then(|stream| Qmp::open(stream, timeout, on_event));
        match opened {
            Ok(qmp) => self.link = Some(Link { qmp, closing }),
            Err(e) => {
                closing.store(true, Ordering::Release);
                return Err(e).doing(|| format!("speak with QEMU on {}", path.display()));
            }
        }
        Ok(())
    }

    pub(super) fn living(&self) -> Option<&Arc<Process>> {
        self.process.as_ref().filter(|process| process.is_alive())
    }

    /// Sends a command to the QEMU, which must be there.
    pub(super) fn call(&mut self, shared: &Shared, command: &str, arguments: Value) -> Result<Value> {
        if self.link.as_ref().is_none_or(|link| link.qmp.is_closed()) {
            self.connect(shared, ANSWER_TIMEOUT)?;
        }
        let refused = |description: String| Error::Refused { command: command.to_owned(), description };
        let Some(link) = &self.link else { return Err(refused("it does not run".to_owned())) };
        link.qmp.execute(command, arguments, ANSWER_TIMEOUT).map_err(|e| match e {
            QmpError::Refused { description, .. } => refused(description),
            QmpError::Closed => refused("it ended meanwhile".to_owned()),
            QmpError::Timeout => Error::Unresponsive {
                server: self.server,
                command: command.to_owned(),
                after: ANSWER_TIMEOUT,
            },
        })
    }

    /// Sends a command that has no arguments and no result.
    pub(crate) fn command(&mut self, shared: &Shared, command: &str) -> Result<()> {
        self.call(shared, command, json!({})).map(drop)
    }

    /// How it is. A VM whose guest has switched itself off is let go here: QEMU has nothing left to do.
    pub(crate) fn observe(&mut self, shared: &Shared) -> Result<Observed> {
        if let Err(e) = console::trim(&self.spec.console_log) {
            tracing::warn!(server = %self.server, error = %e, "the console log cannot be trimmed");
        }
        if self.living().is_some() {
            match self.observe_living(shared) {
                // It may have ended while it was asked; its exit follows the end of the connection.
                Err(_) if self.ends_soon() => {}
                observed => return observed,
            }
        }
        Ok(Observed { power: self.ended()?, disks: BTreeSet::new() })
    }

    fn observe_living(&mut self, shared: &Shared) -> Result<Observed> {
        let answer = self.call(shared, "query-status", json!({}))?;
        let status = answer["status"].as_str().unwrap_or_default();
        let power = power_of(status);
        if power == Power::ShutDown {
            self.stop(shared)?;
            return Ok(Observed { power, disks: BTreeSet::new() });
        }
        Ok(Observed { power, disks: self.disks(shared)? })
    }

    fn ends_soon(&self) -> bool {
        let closed = self.link.as_ref().is_none_or(|link| link.qmp.is_closed());
        let patience = if closed { QUIT_TIMEOUT } else { Duration::ZERO };
        self.process.as_ref().is_none_or(|process| process.wait(patience))
    }

    /// How it ended: as was recorded, or else a crash.
    fn ended(&mut self) -> Result<Power> {
        let process = self.process.take();
        self.link = None;
        if let Some(process) = &process {
            let exit = process.exit();
            if let Some(group) = &process.id().cgroup {
                cgroup::remove(group);
            }
            tracing::debug!(server = %self.server, ?exit, "QEMU ended");
        }
        if let Some(power) = self.run.read::<Power>(ENDED) {
            return Ok(power);
        }
        let reason = self.crash_reason(process.as_deref());
        let power = Power::Crashed { reason };
        self.run.write(ENDED, &power)?;
        Ok(power)
    }

    fn crash_reason(&self, process: Option<&Process>) -> String {
        let id = self.run.read::<ProcessId>(PROCESS);
        if id.is_some_and(|id| id.is_from_earlier_boot()) {
            return crate::HOST_RESTARTED.to_owned();
        }
        let how = match process.map(Process::exit) {
            Some(Exit::Signal(number)) => match nix::sys::signal::Signal::try_from(number) {
                Ok(signal) => format!("QEMU was ended by {signal}"),
                Err(_) => format!("QEMU was ended by signal {number}"),
            },
            Some(Exit::Code(code)) => format!("QEMU ended with code {code}"),
            Some(Exit::Unknown) | None => "QEMU ended".to_owned(),
        };
        match last_words(&self.run.log()) {
            Some(words) => format!("{how}: {words}"),
            None => how,
        }
    }

    /// Ends it. That this was meant is recorded first.
    pub(crate) fn stop(&mut self, shared: &Shared) -> Result<()> {
        let Some(process) = self.living().cloned() else {
            return self.ended().map(drop);
        };
        self.run.write(ENDED, &Power::ShutDown)?;
        let asked = self.command(shared, "quit");
        if asked.is_err() || !process.wait(QUIT_TIMEOUT) {
            self.kill()?;
        }
        self.ended().map(drop)
    }

    fn kill(&mut self) -> Result<()> {
        let Some(process) = self.living() else { return Ok(()) };
        process.kill();
        if process.wait(KILL_TIMEOUT) {
            process.exit();
            if let Some(group) = &process.id().cgroup {
                cgroup::remove(group);
            }
            return Ok(());
        }
        let source = io::Error::from(io::ErrorKind::TimedOut);
        Err(Error::Io { doing: format!("kill the QEMU of server {}", self.server), source })
    }

    fn disks(&mut self, shared: &Shared) -> Result<BTreeSet<VolumeId>> {
        let names = self.children(shared, "/machine/peripheral")?;
        Ok(names.iter().filter_map(|name| name.strip_prefix("disk-")?.parse().ok()).collect())
    }

    /// The names of the properties of an object; its children are among them.
    pub(super) fn children(&mut self, shared: &Shared, path: &str) -> Result<Vec<String>> {
        let answer = self.call(shared, "qom-list", json!({ "path": path }))?;
        let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(entries.iter().filter_map(|entry| Some(entry["name"].as_str()?.to_owned())).collect())
    }

    pub(crate) fn attach_disk(&mut self, shared: &Shared, disk: &Disk) -> Result<()> {
        if self.disks(shared)?.contains(&disk.volume) {
            return Ok(());
        }
        disk.check()?;
        let bus = match self.spec.machine {
            Machine::Q35 => Some(self.free_port(shared)?),
            Machine::Pc => None,
        };
        let node = Disk::node_name(disk.volume);
        // A node without device is left of an attachment that was interrupted, or of a detached disk.
        if self.close_disk(shared, disk.volume)? == Detach::Waiting {
            return Err(Error::Busy { doing: "attach a disk" });
        }
        if let Some(secret) = &disk.secret {
            self.call(shared, "object-add", secret_object(disk.volume, "data", secret.expose()))?;
        }
        self.call(shared, "object-add", disk.throttle_object())?;
        if let Err(e) = self.call(shared, "blockdev-add", disk.named_blockdev()) {
            self.close_disk(shared, disk.volume)?;
            return Err(e);
        }
        let mut device = json!({
            "driver": "virtio-blk-pci",
            "id": device_id(disk.volume),
            "drive": node,
            "serial": disk.serial(),
            "share-rw": disk.shared,
        });
        if let Some(bus) = bus {
            device["bus"] = bus.into();
        }
        if let Err(e) = self.call(shared, "device_add", device) {
            self.close_disk(shared, disk.volume)?;
            return Err(e);
        }
        Ok(())
    }

    /// A root port without a device behind it.
    fn free_port(&mut self, shared: &Shared) -> Result<String> {
        let names = self.children(shared, "/machine/peripheral")?;
        let ports = (0..).map(root_port).take_while(|port| names.contains(port));
        for port in ports {
            let behind = self.children(shared, &format!("/machine/peripheral/{port}/{port}"))?;
            if !behind.iter().any(|name| name.starts_with("child[")) {
                return Ok(port);
            }
        }
        Err(Error::NoSlot)
    }

    fn node(&mut self, shared: &Shared, name: &str) -> Result<Option<Value>> {
        let mut answer = self.call(shared, "query-named-block-nodes", json!({ "flat": true }))?;
        let nodes = answer.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
        Ok(nodes.iter_mut().find(|node| node["node-name"] == name).map(Value::take))
    }

    /// Closes the files of a disk. A device that the guest has let go of holds them for some milliseconds
    /// more, until no thread of QEMU can be looking at it: that is [`Detach::Waiting`].
    fn remove_node(&mut self, shared: &Shared, name: &str) -> Result<Detach> {
        if self.node(shared, name)?.is_none() {
            return Ok(Detach::Gone);
        }
        match self.call(shared, "blockdev-del", json!({ "node-name": name })) {
            Ok(_) => Ok(Detach::Gone),
            Err(Error::Refused { description, .. }) if description.ends_with("is in use") => {
                Ok(Detach::Waiting)
            }
            Err(e) => Err(e),
        }
    }

    /// Closes a disk that no device shows any more, with its layers, its limits and its secret.
    fn close_disk(&mut self, shared: &Shared, volume: VolumeId) -> Result<Detach> {
        if self.remove_node(shared, &Disk::node_name(volume))? == Detach::Waiting {
            return Ok(Detach::Waiting);
        }
        self.close_unused_layers(shared)?;
        let objects = self.children(shared, "/objects")?;
        for id in [Disk::throttle_group(volume), Disk::secret_name(volume)] {
            if objects.contains(&id) {
                self.call(shared, "object-del", json!({ "id": id }))?;
            }
        }
        Ok(Detach::Gone)
    }

    pub(crate) fn detach_disk(&mut self, shared: &Shared, volume: VolumeId) -> Result<Detach> {
        let observed = self.observe(shared)?;
        if !observed.power.has_body() {
            return Ok(Detach::Gone);
        }
        if !observed.disks.contains(&volume) {
            return self.close_disk(shared, volume);
        }
        // What mirrors it would hold on to it.
        self.end_mirror(shared, volume)?;
        match self.call(shared, "device_del", json!({ "id": device_id(volume) })) {
            Ok(_) => Ok(Detach::Waiting),
            // Asked before, and the guest still thinks about it.
            Err(Error::Refused { description, .. }) if description.contains("already in the process") => {
                Ok(Detach::Waiting)
            }
            // The guest let go of it between the two questions.
            Err(Error::Refused { description, .. }) if description.ends_with("not found") => {
                self.close_disk(shared, volume)
            }
            Err(e) => Err(e),
        }
    }

    pub(crate) fn resize_disk(&mut self, shared: &Shared, volume: VolumeId, size_bytes: u64) -> Result<()> {
        let name = Disk::node_name(volume);
        let node = self.node(shared, &name)?.ok_or(Error::NoDisk { doing: "resize a disk" })?;
        let now = node.pointer("/image/virtual-size").and_then(Value::as_u64).unwrap_or_default();
        if now > size_bytes {
            return Err(Error::Spec(format!("a disk of {now} bytes cannot shrink to {size_bytes}")));
        }
        if now < size_bytes {
            self.call(shared, "block_resize", json!({ "node-name": name, "size": size_bytes }))?;
        }
        Ok(())
    }
}

/// The secrets of disks in pipes, which QEMU inherits and reads once: arguments and files are seen by others. A pipe holds
/// more than a secret has.
fn secrets(disks: &[Disk]) -> io::Result<BTreeMap<VolumeId, PipeReader>> {
    let mut pipes = BTreeMap::new();
    for disk in disks {
        if let Some(secret) = &disk.secret {
            let (reader, mut writer) = io::pipe()?;
            writer.write_all(secret.expose().as_bytes())?;
            pipes.insert(disk.volume, reader);
        }
    }
    Ok(pipes)
}

/// A process that was started right before its starter died: it wrote its id itself, and carries the run
/// directory in its arguments.
fn find_unrecorded(run: &RunDir, shared: &Shared, server: ServerId) -> Option<ProcessId> {
    let pid = fs::read_to_string(run.pid_file()).ok()?.parse().ok()?;
    if !command_line_has(pid, run.path()) {
        return None;
    }
    let cgroup = shared.containment.create(server).ok().flatten();
    let id = ProcessId::of(pid, cgroup).ok()?;
    run.write(PROCESS, &id).ok()?;
    Some(id)
}

/// QEMU's run states.
fn power_of(status: &str) -> Power {
    match status {
        "running" | "suspended" => Power::Running,
        "shutdown" => Power::ShutDown,
        "guest-panicked" => Power::Crashed { reason: "the guest's kernel panicked".to_owned() },
        "internal-error" => Power::Crashed { reason: "the processor met a state it cannot run".to_owned() },
        // QEMU stops a guest for one error of its disks only, and reports all others to it.
        "io-error" => {
            Power::Stalled { reason: "the host has no space left for what the guest writes".to_owned() }
        }
        // prelaunch, paused, watchdog and those of migration.
        _ => Power::Paused,
    }
}

/// The last line QEMU wrote, without the long argument it may repeat.
fn last_words(log: &Path) -> Option<String> {
    let text = console::tail(log, 16 << 10).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let line = match line.split_once(": -blockdev {") {
        Some((_, rest)) => rest.rsplit_once("}: ").map_or(rest, |(_, reason)| reason),
        None => line.split_once(": ").map_or(line, |(_, rest)| rest),
    };
    Some(line.to_owned())
}

/// Makes our events of QEMU's.
fn translate(
    server: ServerId,
    events: Sender<VmEvent>,
    process: Arc<Process>,
    closing: Arc<AtomicBool>,
) -> impl FnMut(QmpEvent) + Send + 'static {
    move |event| {
        let kind = match event {
            QmpEvent::Event { name, data } => kind_of(&name, &data),
            QmpEvent::Closed if closing.load(Ordering::Acquire) => None,
            QmpEvent::Closed => {
                process.wait(QUIT_TIMEOUT);
                Some(VmEventKind::Exited)
            }
        };
        if let Some(kind) = kind {
            // Nobody listens when the program is about to end.
            let _ = events.send(VmEvent { server, kind });
        }
    }
}

/// What an event of QEMU means to us; most mean nothing.
fn kind_of(name: &str, data: &Value) -> Option<VmEventKind> {
    let of_job = |prefix: &str| data["id"].as_str().is_some_and(|id| id.starts_with(prefix));
    let volume = || data["device"].as_str()?.strip_prefix("disk-")?.parse().ok();
    match name {
        "SHUTDOWN" if data["guest"] == true => Some(VmEventKind::GuestShutDown),
        "SHUTDOWN" => Some(VmEventKind::HostShutDown),
        "RESET" => Some(VmEventKind::Reset),
        "STOP" => Some(VmEventKind::Paused),
        "RESUME" => Some(VmEventKind::Resumed),
        "DEVICE_DELETED" => volume().map(VmEventKind::DiskDetached),
        "DEVICE_UNPLUG_GUEST_ERROR" => volume().map(VmEventKind::DetachRefused),
        // Not when it completes: it still holds its layers then.
        "JOB_STATUS_CHANGE" if data["status"] == "null" => {
            of_job(layers::JOB).then_some(VmEventKind::DiskWork)
        }
        "JOB_STATUS_CHANGE" if data["status"] == "ready" || data["status"] == "concluded" => {
            of_job(mirror::JOB).then_some(VmEventKind::DiskWork)
        }
        _ => None,
    }
}
