//! Everything there is, and what may happen next.

use std::time::Duration;

use agent_api::{FromNode, ToNode};
use anyhow::{Context, bail};
use runtime::SimulationGuard;
use serde_json::Value as Json;
use types::Timestamp;

use crate::chance::Chance;
use crate::client::{Client, Kind, Request};
use crate::control::{Answer, Control};
use crate::invariants;
use crate::link::Link;
use crate::node::Node;

/// When every simulation begins.
const START: Timestamp = Timestamp(1_800_000_000_000_000);
/// The most hosts.
const NODES_MAX: usize = 3;
/// How often every row is looked at although nobody kicked it, as in the real cloud.
const SWEEP: Duration = Duration::from_secs(300);

/// A cloud in one thread.
pub struct Simulation {
    pub(crate) clock: SimulationGuard,
    pub(crate) chance: Chance,
    /// The control plane.
    pub control: Control,
    /// The hosts.
    pub nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) client: Client,
    /// What tables held when the cloud was fresh.
    pub(crate) baseline: Vec<(String, i64)>,
    /// Whether the image store was told to fail.
    pub(crate) images_fail: bool,
    events: Vec<String>,
    links_made: u64,
    sweep_at: Timestamp,
}

/// What may happen in a turn.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Request,
    Reconcile,
    StepNode,
    ReadUp,
    ReadDown,
    Notify,
    Wait,
    Connect,
    Fault,
}

const TURNS: [(usize, Turn); 9] = [
    (10, Turn::Request),
    (16, Turn::Reconcile),
    (16, Turn::StepNode),
    (16, Turn::ReadUp),
    (16, Turn::ReadDown),
    (8, Turn::Notify),
    (12, Turn::Wait),
    (4, Turn::Connect),
    (3, Turn::Fault),
];

impl Simulation {
    /// A fresh cloud with one to three hosts, settled.
    pub fn new(seed: u64) -> anyhow::Result<Simulation> {
        let mut chance = Chance::new(seed);
        let nodes = 1 + chance.below(NODES_MAX);
        Simulation::with_nodes(seed, nodes)
    }

    /// A fresh cloud with so many hosts, settled.
    pub fn with_nodes(seed: u64, nodes: usize) -> anyhow::Result<Simulation> {
        let clock = runtime::simulate(seed, START);
        let control = Control::new().context("cannot start the control plane")?;
        let node = |n| Node::new(&format!("node-{n}"), &control.images);
        let nodes = (1..=nodes).map(node).collect::<anyhow::Result<Vec<_>>>()?;
        let mut simulation = Simulation {
            clock,
            chance: Chance::new(seed ^ 0x5eed),
            control,
            nodes,
            links: Vec::new(),
            client: Client::default(),
            baseline: Vec::new(),
            images_fail: false,
            events: Vec::new(),
            links_made: 0,
            sweep_at: START.plus(SWEEP),
        };
        simulation.settle()?;
        simulation.baseline = invariants::row_counts(simulation.control.store())?;
        let networks = simulation.call(&Request::of_admin("GET", Kind::Network.path(), &Json::Null))?;
        simulation.client.public = networks.body["networks"][0]["id"].as_str().map(str::to_owned);
        Ok(simulation)
    }

    /// So many turns with faults, then settling, then deleting everything.
    pub fn run(&mut self, turns: usize) -> anyhow::Result<()> {
        for _ in 0..turns {
            self.turn()?;
        }
        self.settle()?;
        invariants::settled(self)?;
        self.delete_everything()?;
        invariants::empty(self)
    }

    /// All that happened.
    pub fn into_events(self) -> Vec<String> {
        self.events
    }

    /// Writes an event down.
    pub(crate) fn note(&mut self, event: impl Into<String>) {
        let event = format!("{} {}", runtime::now().iso_micros_z(), event.into());
        tracing::info!("{event}");
        self.events.push(event);
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let node = self.chance.below(self.nodes.len());
        match self.chance.weighted(&TURNS).unwrap_or(Turn::Wait) {
            Turn::Request => {
                let wish = self.client.wish(&mut self.chance);
                self.call(&wish)?;
            }
            Turn::Reconcile => drop(self.reconcile()?),
            Turn::StepNode => drop(self.step_node(node)),
            Turn::ReadUp => {
                let link = self.chance.below(self.links.len());
                self.read_up(link)?;
            }
            Turn::ReadDown => self.read_down(node),
            Turn::Notify => self.notify(node)?,
            Turn::Wait => self.wait(),
            Turn::Connect => self.connect(node),
            Turn::Fault => self.fault()?,
        }
        if runtime::now() >= self.sweep_at {
            self.sweep()?;
        }
        self.after_crash()?;
        invariants::always(self)
    }

    /// Makes a request, and checks that it was answered as a service should.
    pub fn call(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let answer = self.control.call(request)?;
        let mishap = self.control.commits.take();
        let body = request.body_in_words();
        let Request { method, path, token, .. } = request;
        self.note(format!("{token} {method} {path} {body} → {}", answer.status));
        let excused = mishap.is_some()
            || self.control.commits.is_crashed()
            || self.images_fail && path.ends_with("/file");
        if answer.status >= 500 && answer.status != 501 && !excused {
            bail!("{method} {path} {body} was answered with {}: {}", answer.status, answer.body);
        }
        self.client.note(request, &answer);
        Ok(answer)
    }

    /// Leases and steps due work; tells how much that was.
    pub fn reconcile(&mut self) -> anyhow::Result<usize> {
        let passed = self.control.runner().pass();
        match self.excuse("work", passed)? {
            Some(0) | None => Ok(0),
            Some(stepped) => {
                self.note(format!("{stepped} keys stepped"));
                Ok(stepped)
            }
        }
    }

    /// What the control plane's part came to; an error is excused by a mishap at the database only.
    fn excuse<T>(&mut self, what: &str, result: Result<T, store::Error>) -> anyhow::Result<Option<T>> {
        let mishap = self.control.commits.take();
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if mishap.is_some() || self.control.commits.is_crashed() => {
                self.note(format!("{what}: {error}"));
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| what.to_owned()),
        }
    }

    /// Kicks what is not as wanted although nobody kicked it. While faults happen, that may be.
    pub(crate) fn sweep(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        self.sweep_at = runtime::now().plus(SWEEP);
        let swept = self.control.runner().sweep();
        let found = self.excuse("sweep", swept)?.unwrap_or_default();
        for (kind, id) in &found {
            self.note(format!("a sweep finds {kind} {id}"));
        }
        Ok(found)
    }

    /// The node's agent looks and acts; tells whether it said something.
    pub(crate) fn step_node(&mut self, at: usize) -> bool {
        let messages = self.on_node(at, Node::step);
        let Some(number) = self.nodes[at].link else { return false };
        for message in &messages {
            let text = told(message);
            self.note(format!("node-{} {text}", at + 1));
        }
        let spoke = messages.iter().any(|message| !is_heartbeat(message));
        if let Some(link) = self.links.iter_mut().find(|link| link.number == number) {
            link.up.extend(messages);
        }
        spoke
    }

    /// Runs something by the clock of a node.
    pub(crate) fn on_node<T>(&mut self, at: usize, f: impl FnOnce(&mut Node) -> T) -> T {
        let (now, ahead_us) = (runtime::now(), self.nodes[at].ahead_us);
        self.clock.set(Timestamp(now.0 + ahead_us));
        let result = f(&mut self.nodes[at]);
        let then = runtime::now();
        self.clock.set(Timestamp(then.0 - ahead_us));
        result
    }

    /// The control plane reads a message of a connection.
    pub(crate) fn read_up(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(link) = self.links.get_mut(at) else { return Ok(()) };
        if link.up.is_empty() {
            return Ok(());
        }
        let number = link.number;
        let read = link.read(&self.control);
        let read = self.excuse(&format!("connection {number}"), read)?;
        let over = self.links.get(at).is_some_and(|link| !link.open && link.up.is_empty());
        if read != Some(true) || over {
            self.cut(number);
            self.links.retain(|link| link.number != number);
        }
        Ok(())
    }

    /// A node reads a message.
    pub(crate) fn read_down(&mut self, at: usize) {
        let number = self.nodes[at].link;
        let Some(link) = self.links.iter_mut().find(|link| Some(link.number) == number) else { return };
        if let Some(message) = link.down.pop_front() {
            if let ToNode::Documents { documents, complete } = &message {
                let keys: Vec<String> =
                    documents.iter().map(|d| format!("{}@{}", d.key, d.revision)).collect();
                let all = if complete.is_some() { ", and that is all" } else { "" };
                self.note(format!("node-{} gets {}{all}", at + 1, keys.join(" ")));
            }
            self.on_node(at, |node| node.receive(message));
        }
    }

    /// The control plane hears a signal for a host and sends it what changed.
    pub(crate) fn notify(&mut self, at: usize) -> anyhow::Result<()> {
        if !self.control.take_signal(&self.nodes[at].host) {
            return Ok(());
        }
        let host = self.nodes[at].host.clone();
        for index in 0..self.links.len() {
            if self.links[index].host == host {
                let written = self.links[index].write_changes(&self.control);
                self.excuse("documents", written)?;
            }
        }
        Ok(())
    }

    /// Time passes: a moment, or up to when something falls due.
    fn wait(&mut self) {
        let by = match self.chance.below(6) {
            0 => Duration::from_secs(1 + self.chance.below(20) as u64),
            1 => Duration::from_millis(self.chance.below(1000) as u64),
            _ => Duration::from_micros(self.chance.below(5000) as u64),
        };
        self.clock.advance(by);
    }

    /// A node without a connection dials.
    pub(crate) fn connect(&mut self, at: usize) {
        if self.nodes[at].link.is_some() {
            return;
        }
        let Some(hello) = self.on_node(at, Node::hello) else { return };
        self.links_made += 1;
        let number = self.links_made;
        self.nodes[at].link = Some(number);
        let host = self.nodes[at].host.clone();
        self.note(format!("{host} dials: connection {number}"));
        self.links.push(Link::new(number, host, hello));
    }

    /// A connection is lost. The control plane may still read what was on its way to it.
    pub(crate) fn cut(&mut self, number: u64) {
        for node in &mut self.nodes {
            if node.link == Some(number) {
                node.link = None;
            }
        }
        if let Some(link) = self.links.iter_mut().find(|link| link.number == number) {
            link.open = false;
            link.down.clear();
            self.note(format!("connection {number} is lost"));
        }
    }

    /// If the control plane died, another takes its place.
    pub(crate) fn after_crash(&mut self) -> anyhow::Result<()> {
        if self.control.commits.is_crashed() {
            self.restart_control()?;
        }
        Ok(())
    }

    /// The control plane dies and starts again, as the real one does: with a sweep.
    pub fn restart_control(&mut self) -> anyhow::Result<()> {
        self.note("the control plane dies and starts again");
        self.links.clear();
        self.nodes.iter_mut().for_each(|node| node.link = None);
        self.control.restart().context("cannot start the control plane again")?;
        self.sweep()?;
        Ok(())
    }
}

/// A message in words.
fn told(message: &FromNode) -> String {
    match message {
        FromNode::Hello { .. } => "says hello".to_owned(),
        FromNode::Answer { number, .. } => format!("answers question {number}"),
        FromNode::Reports { reports, .. } => {
            let word = |report: &agent_api::Report| match (&report.seen, &report.error) {
                (_, Some(error)) => format!("{}@{} fails: {error}", report.key, report.revision),
                (Some(_), None) => format!("{}@{} is there", report.key, report.revision),
                (None, None) => format!("{}@{} is gone", report.key, report.revision),
            };
            format!("reports {}", reports.iter().map(word).collect::<Vec<_>>().join("; "))
        }
    }
}

fn is_heartbeat(message: &FromNode) -> bool {
    matches!(message, FromNode::Reports { reports, .. } if reports.is_empty())
}
