//! A host: what lasts on it, and the agent that may be killed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use agent::Agent;
use agent::Backends;
use agent::effects::{Effects, Event};
use agent::fake::{FakeCopier, FakeFabric};
use agent::moved::Moved;
use agent_api::{FromNode, NodeFacts, ToNode};
use hypervisor::VmEvent;
use storage::fake::Fake;
use types::{HostId, Timestamp};

use crate::disks::Disks;

/// How often the agent gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A host with its agent.
pub struct Node {
    /// Its name.
    pub host: HostId,
    /// Its networking.
    pub fabric: agent::fake::World,
    /// Its VMs.
    pub vms: hypervisor::fake::World,
    /// Its disks.
    pub disks: Disks,
    /// How far its clock is ahead, in microseconds.
    pub ahead_us: i64,
    /// The number of its connection, if it has one.
    pub link: Option<u64>,
    state: tempfile::TempDir,
    process: Option<Process>,
}

/// What dies with the agent.
struct Process {
    agent: Agent,
    events: Receiver<Event>,
    vm_events: Receiver<VmEvent>,
    beat_at: Timestamp,
}

impl Node {
    /// A host with nothing on it, whose agent runs.
    pub fn new(host: &str, images: &Fake) -> anyhow::Result<Node> {
        let mut node = Node {
            host: host.into(),
            fabric: agent::fake::World::default(),
            vms: hypervisor::fake::World::new(),
            disks: Disks::new(images.clone()),
            ahead_us: 0,
            link: None,
            state: tempfile::tempdir()?,
            process: None,
        };
        node.start()?;
        Ok(node)
    }

    /// Whether its agent runs.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Starts the agent, if it does not run.
    pub fn start(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let ((events, observed), (vm_events, vm_observed)) = (channel(), channel());
        let images = Arc::new(self.disks.images.clone());
        let effects = Effects {
            fabric: Box::new(FakeFabric::new(self.fabric.clone(), events)),
            hypervisor: Box::new(hypervisor::fake::Fake::new(self.vms.clone(), vm_events)),
            backends: Backends::new("local", Arc::new(self.disks.clone())),
            moved: Moved::open(&self.state.path().join("moved"))?,
            copier: Box::new(FakeCopier::new(images.clone(), images)),
        };
        let dir = self.state.path();
        let agent = Agent::open(self.host.as_str(), "simulated", Some(dir), &dir.join("consoles"), effects)?;
        self.process =
            Some(Process { agent, events: observed, vm_events: vm_observed, beat_at: runtime::now() });
        Ok(())
    }

    /// Kills the agent; VMs, networks and disks stay as they are.
    pub fn kill(&mut self) {
        self.process = None;
        self.link = None;
    }

    /// The host goes down and comes back.
    pub fn restart_host(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.fabric.restart_host();
        self.vms.restart_host();
        self.start()
    }

    /// Dials: the first message of a connection. Every host offers the same, whatever machine simulates it.
    pub fn hello(&mut self) -> Option<FromNode> {
        let mut hello = self.process.as_mut()?.agent.hello();
        if let FromNode::Hello { facts, .. } = &mut hello {
            *facts = NodeFacts { vcpus: 8, ram_mib: 8 << 10, disk_gib: 200, ..facts.clone() };
        }
        Some(hello)
    }

    /// Hands the agent a message.
    pub fn receive(&mut self, message: ToNode) {
        if let Some(process) = &mut self.process {
            process.agent.receive(message);
        }
    }

    /// Lets the agent look at what happened and act; what it has to say if it is connected.
    pub fn step(&mut self) -> Vec<FromNode> {
        let connected = self.link.is_some();
        let Some(process) = &mut self.process else { return Vec::new() };
        while let Ok(event) = process.vm_events.try_recv() {
            process.agent.observe(Event::Vm(event.server));
        }
        while let Ok(event) = process.events.try_recv() {
            process.agent.observe(event);
        }
        process.agent.step();
        if !connected {
            return Vec::new();
        }
        let mut messages = process.agent.outgoing();
        if process.beat_at <= runtime::now() {
            process.beat_at = runtime::now().plus(HEARTBEAT);
            messages.push(process.agent.heartbeat());
        }
        messages
    }

    /// When the agent has something to do, by its own clock.
    pub fn next_due(&self) -> Option<Timestamp> {
        let process = self.process.as_ref()?;
        let due = process.agent.next_due();
        due.into_iter().chain(self.link.map(|_| process.beat_at)).min()
    }

    /// Whether the agent waits for nothing.
    pub fn is_idle(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.agent.next_due().is_none())
    }

    /// The directory in which the agent keeps its documents.
    pub fn documents_dir(&self) -> PathBuf {
        self.state.path().join("documents")
    }
}
