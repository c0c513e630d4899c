//! The agent without threads and sockets.

mod answers;
mod reports;
mod ssh;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_api::block::{Copy, Volume};
use agent_api::compute::{Milestone, Vm};
use agent_api::network::{External, Network, Port, PortSeen, Router, SecurityGroup, UpSeen};
use agent_api::{BackendFacts, DocumentKey, FromNode, Kind, NodeFacts, Report, ToNode};
use storage::{GIB, NewVolume, VolumeBackend};
use types::{NetworkId, PortId, ServerId, Timestamp, VolumeId};

use answers::Asked;

use crate::copies;
use crate::documents::{Documents, Kept, owned};
use crate::effects::{Effects, Event, NetworkView};
use crate::images::Images;
use crate::root_disk;
use crate::vms::{Needs, Vms};
use crate::volumes;

/// Longer than anything is put off.
const PUT_OFF_MAX: Duration = Duration::from_secs(60);
/// How long a VM waits for its ports before that is an error.
const PORTS_TIME_MAX: Duration = Duration::from_secs(10);
/// How often it is told how far a copy is.
const COPY_LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether an image is ready for clones.
const IMAGE_LOOK: Duration = Duration::from_secs(1);
/// How often it is tried to write a document that could not be written.
const WRITE_AGAIN: Duration = Duration::from_secs(5);
/// How much of a console is told.
const CONSOLE_BYTES_MAX: usize = 100 << 10;

/// A node's agent.
pub struct Agent {
    host: String,
    version: String,
    documents: Documents,
    vms: Vms,
    effects: Effects,
    images: Images,
    /// What was last reported, by document.
    reports: BTreeMap<DocumentKey, Report>,
    /// Documents whose last report was not sent on this connection.
    unsent: BTreeSet<DocumentKey>,
    answers: Vec<FromNode>,
    /// What is looked up for answers.
    asked: Vec<Asked>,
    dirty: BTreeSet<DocumentKey>,
    /// When to look at what again.
    due: BTreeMap<DocumentKey, Timestamp>,
    failures: BTreeMap<DocumentKey, u32>,
    /// When to write again what could not be written.
    write_again: Option<Timestamp>,
    /// VMs whose ports have no documents yet, and since when.
    waiting: BTreeMap<DocumentKey, Timestamp>,
    /// When to look for an ssh server.
    probes: BTreeMap<ServerId, Timestamp>,
    sequence: u64,
}

impl Agent {
    /// An agent with the documents and states kept in `state_dir`; it begins by making everything so.
    pub fn open(
        host: &str,
        version: &str,
        state_dir: Option<&Path>,
        console_dir: &Path,
        effects: Effects,
    ) -> std::io::Result<Agent> {
        let documents = Documents::open(state_dir.map(|dir| dir.join("documents")).as_deref())?;
        let vms = Vms::open(state_dir.map(|dir| dir.join("vms")).as_deref(), console_dir)?;
        let dirty = documents.all().map(|kept| kept.key.clone()).collect();
        Ok(Agent {
            host: host.to_owned(),
            version: version.to_owned(),
            documents,
            vms,
            effects,
            images: Images::default(),
            reports: BTreeMap::new(),
            unsent: BTreeSet::new(),
            answers: Vec::new(),
            asked: Vec::new(),
            dirty,
            due: BTreeMap::new(),
            failures: BTreeMap::new(),
            write_again: None,
            waiting: BTreeMap::new(),
            probes: BTreeMap::new(),
            sequence: 0,
        })
    }

    /// The first message of a connection. Everything is reported again on it.
    pub fn hello(&mut self) -> FromNode {
        self.unsent = self.reports.keys().cloned().collect();
        self.answers.clear();
        self.asked.clear();
        self.sequence = 0;
        FromNode::Hello { host: self.host.clone(), facts: self.facts(), have: self.documents.revisions() }
    }

    fn facts(&self) -> NodeFacts {
        let support = self.effects.hypervisor.host();
        let backends: Vec<BackendFacts> = self.backends();
        let total = |facts: &BackendFacts| if facts.is_default { facts.total_gib } else { 0 };
        NodeFacts {
            vcpus: support.vcpus,
            ram_mib: support.ram_mib,
            disk_gib: backends.iter().map(total).sum(),
            backends,
            accelerator: format!(
                "{}: {}",
                crate::run::accelerator_name(support.accelerator),
                support.accelerator_reason
            ),
            hypervisor: support.version.clone(),
            version: self.version.clone(),
            architecture: std::env::consts::ARCH.to_owned(),
        }
    }

    fn backends(&self) -> Vec<BackendFacts> {
        let backends = &self.effects.backends;
        let facts = |(name, backend): (&str, &dyn storage::VolumeBackend)| {
            let capacity = backend.capacity().ok();
            BackendFacts {
                name: name.to_owned(),
                is_default: name == backends.default_name(),
                is_shared: backend.is_shared(),
                total_gib: capacity.map_or(0, |capacity| capacity.total_bytes / GIB),
                free_gib: capacity.map_or(0, |capacity| capacity.free_bytes / GIB),
            }
        };
        backends.all().map(facts).collect()
    }

    /// Takes in a message.
    pub fn receive(&mut self, message: ToNode) {
        match message {
            ToNode::Documents { documents, complete } => {
                for document in documents {
                    let key = document.key.clone();
                    if self.documents.receive(document) {
                        self.mark(&key);
                    }
                }
                self.write_again_later();
                if let Some(complete) = complete {
                    for key in self.documents.retain(&complete) {
                        self.mark(&key);
                    }
                    self.collect_garbage();
                }
            }
            // What is lost with a connection is reported again on the next.
            ToNode::Acknowledge { .. } => {}
            ToNode::Ask { number, question } => self.ask(number, &question),
        }
    }

    /// Takes note of something that happened on the node.
    pub fn observe(&mut self, event: Event) {
        match event {
            Event::Vm(id) => self.mark(&vm_key(id)),
            Event::DiskWork(server) => {
                let vm = self.documents.get(&vm_key(server)).and_then(Kept::parse::<Vm>);
                let volumes = vm.iter().flat_map(|vm| vm.volumes.iter().map(|volume| volume_key(volume.id)));
                let keys: Vec<DocumentKey> = volumes.chain([vm_key(server)]).collect();
                keys.iter().for_each(|key| self.mark(key));
            }
            Event::Copy(id) => self.mark(&DocumentKey { kind: Kind::Copy, id: id.to_string() }),
            Event::DhcpLease { port, address, at } => {
                self.guest_did(port, Milestone::DhcpLease, at, &address.to_string());
            }
            Event::MetadataRead { port, path, at } => {
                self.guest_did(port, Milestone::MetadataRead, at, &path)
            }
            Event::SshProbe { port, banner: Some(banner), at } => {
                self.guest_did(port, Milestone::SshBanner, at, &banner);
            }
            Event::PasswordPosted { port, password } => {
                if let Some(vm) = self.vm_of(port) {
                    self.vms.posted(&vm, password);
                    self.mark(&vm_key(vm.id));
                }
            }
            Event::SshProbe { banner: None, .. } => {}
        }
    }

    fn guest_did(&mut self, port: PortId, milestone: Milestone, at: Timestamp, detail: &str) {
        let Some(vm) = self.vm_of(port) else { return };
        if self.vms.happened(vm.id, milestone, at, detail) {
            self.mark(&vm_key(vm.id));
            self.probes.entry(vm.id).and_modify(|due| *due = runtime::now());
        }
    }

    fn vm_of(&self, port: PortId) -> Option<Arc<Vm>> {
        let vms: Vec<Arc<Vm>> = self.documents.wanted(Kind::Vm);
        vms.into_iter().find(|vm| vm.nics.iter().any(|nic| nic.port_id == port))
    }

    fn write_again_later(&mut self) {
        if !self.documents.are_all() && self.write_again.is_none() {
            self.write_again = Some(runtime::now().plus(WRITE_AGAIN));
        }
    }

    /// Marks a document, and those whose things depend on it.
    fn mark(&mut self, key: &DocumentKey) {
        self.failures.remove(key);
        self.dirty.insert(key.clone());
    }

    /// When [`Agent::step`] has something to do, if nothing comes in before.
    pub fn next_due(&self) -> Option<Timestamp> {
        if !self.dirty.is_empty() {
            return Some(runtime::now());
        }
        let asked = (!self.asked.is_empty()).then(|| runtime::now().plus(answers::LOOK));
        let due = self.due.values().chain(self.probes.values()).copied();
        let due = due.chain(asked).chain(self.write_again).min()?;
        Some(if is_due(due, runtime::now()) { runtime::now() } else { due })
    }

    /// Makes the node so, as far as that goes at once.
    pub fn step(&mut self) {
        let now = runtime::now();
        let due: Vec<DocumentKey> =
            self.due.iter().filter(|(_, at)| is_due(**at, now)).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.due.remove(&key);
            self.dirty.insert(key);
        }
        if self.write_again.is_some_and(|at| is_due(at, now)) {
            for key in self.documents.write_again() {
                self.mark(&key);
            }
            self.write_again = None;
            self.write_again_later();
        }
        let dirty = std::mem::take(&mut self.dirty);
        if !dirty.is_empty() {
            self.release(&dirty);
            self.build(&dirty);
        }
        self.probe_ssh(now);
        self.look_at_asked();
    }

    /// What is to go, users before what they use.
    fn release(&mut self, dirty: &BTreeSet<DocumentKey>) {
        let leaving = |agent: &Agent, kind: Kind| -> Vec<Kept> {
            let of_kind =
                dirty.iter().filter(|key| key.kind == kind).filter_map(|key| agent.documents.get(key));
            of_kind.filter(|kept| kept.removing).cloned().collect()
        };
        for kept in leaving(self, Kind::Vm) {
            let id = kept.parse::<Vm>().map(|vm| vm.id).or_else(|| kept.key.id.parse().ok());
            let removed = id.map_or(Ok(()), |id| self.vms.remove(&mut self.effects, id));
            if let Some(vm) = kept.parse::<Vm>() {
                vm.nics.iter().for_each(|nic| self.effects.fabric.set_metadata(nic.port_id, None));
                self.probes.remove(&vm.id);
            }
            self.gone(&kept.key, kept.revision, removed);
        }
        for kept in leaving(self, Kind::Copy) {
            let (id, copy) = (kept.key.id.parse(), kept.parse::<Copy>());
            let removed = id.map_or(Ok(()), |id| copies::remove(&mut self.effects, id, copy.as_deref()));
            self.gone(&kept.key, kept.revision, removed);
        }
        for kept in leaving(self, Kind::Router) {
            let removed = kept.key.id.parse().map_or(Ok(()), |id| self.effects.fabric.remove_router(id));
            self.gone(&kept.key, kept.revision, removed);
        }
        for kept in leaving(self, Kind::Network) {
            let vni = kept.parse::<Network>().map(|network| network.vni);
            let removed = vni.map_or(Ok(()), |vni| self.effects.fabric.remove_network(vni));
            self.gone(&kept.key, kept.revision, removed);
        }
        for kept in leaving(self, Kind::Volume) {
            let volume = kept.parse::<Volume>();
            let id = kept.key.id.parse();
            let vms = self.documents.wanted(Kind::Vm);
            let removed =
                id.map_or(Ok(()), |id| volumes::remove(&mut self.effects, id, volume.as_deref(), &vms));
            self.gone(&kept.key, kept.revision, removed);
            let all = self.documents.volumes();
            let ancestors = volume.map(|volume| volumes::ancestors(&volume, &all)).unwrap_or_default();
            self.dirty.extend(ancestors.into_iter().map(volume_key));
        }
        for kept in leaving(self, Kind::External) {
            let removed = self.effects.fabric.remove_external();
            self.gone(&kept.key, kept.revision, removed);
        }
    }

    /// What is to be there, what is used before its users.
    fn build(&mut self, dirty: &BTreeSet<DocumentKey>) {
        for kept in self.documents.kept_of(dirty, Kind::External) {
            let made =
                kept.parse::<External>().map_or(Ok(()), |doc| self.effects.fabric.ensure_external(&doc));
            self.report(&kept.key, kept.revision, made.map(|()| UpSeen { up: true }));
        }
        let networks = self.documents.touched_networks(dirty);
        for id in &networks {
            self.build_network(*id);
        }
        self.release_members(dirty);
        for kept in self.routers_to_build(dirty, &networks) {
            let Some(router) = kept.parse::<Router>() else { continue };
            let networks = owned(self.documents.wanted::<Network>(Kind::Network).iter());
            let made = self.effects.fabric.ensure_router(&router, &networks);
            self.report(&kept.key, kept.revision, made.map(|()| UpSeen { up: true }));
        }
        let volumes = self.take_together(dirty);
        for kept in self.documents.kept_of(&volumes, Kind::Volume) {
            let Some(volume) = kept.parse::<Volume>() else { continue };
            if !self.image_is_ready(&kept, volumes::wanted(&self.effects, &volume)) {
                continue;
            }
            let vms = self.documents.wanted(Kind::Vm);
            let made = volumes::ensure(&mut self.effects, &volume, &vms);
            if let Some(after) = made.as_ref().ok().and_then(|made| made.again) {
                self.due.insert(kept.key.clone(), runtime::now().plus(after));
            }
            self.report(&kept.key, kept.revision, made.map(|made| made.seen));
        }
        for kept in self.documents.kept_of(dirty, Kind::Copy) {
            self.build_copy(&kept);
        }
        for kept in self.vms_to_build(dirty) {
            self.build_vm(&kept);
        }
    }

    /// Whether what a volume is to be a clone of is there. Until then it is looked at again and again.
    fn image_is_ready(&mut self, kept: &Kept, new: Option<(Arc<dyn VolumeBackend>, NewVolume)>) -> bool {
        // What cannot be made at all says so when it is to be made.
        let Some((backend, new)) = new else { return true };
        match self.images.is_ready(&backend, &new) {
            Ok(true) => return true,
            Ok(false) => {
                self.due.insert(kept.key.clone(), runtime::now().plus(IMAGE_LOOK));
            }
            Err(trouble) => self.failed(&kept.key, kept.revision, trouble),
        }
        false
    }

    fn build_network(&mut self, id: NetworkId) {
        let key = DocumentKey { kind: Kind::Network, id: id.to_string() };
        let Some(kept) = self.documents.get(&key).filter(|kept| !kept.removing).cloned() else { return };
        let Some(network) = kept.parse::<Network>() else { return };
        let ports: Vec<Arc<Port>> = self.documents.wanted(Kind::Port);
        let ports = owned(ports.iter().filter(|port| port.network_id == id));
        let used: BTreeSet<_> = ports.iter().flat_map(|port| port.security_groups.clone()).collect();
        let groups: Vec<Arc<SecurityGroup>> = self.documents.wanted(Kind::SecurityGroup);
        let groups = owned(groups.iter().filter(|group| used.contains(&group.id)));
        let network = Network::clone(&network);
        let view = NetworkView { network, ports, groups };
        let made = self.effects.fabric.ensure_network(&view);
        for port in &view.ports {
            let key = DocumentKey { kind: Kind::Port, id: port.id.to_string() };
            if let Some(revision) = self.documents.get(&key).map(|kept| kept.revision) {
                self.report(&key, revision, made.clone().map(|()| PortSeen { up: port.admin_up }));
            }
        }
        self.report(&kept.key, kept.revision, made.map(|()| UpSeen { up: true }));
    }

    /// Ports and groups: what was built with their networks is reported; what left with them is gone.
    fn release_members(&mut self, dirty: &BTreeSet<DocumentKey>) {
        let members = dirty.iter().filter(|key| matches!(key.kind, Kind::Port | Kind::SecurityGroup));
        let members: Vec<Kept> = members.filter_map(|key| self.documents.get(key)).cloned().collect();
        for kept in members {
            if kept.removing {
                self.gone(&kept.key, kept.revision, Ok::<(), String>(()));
            } else if kept.key.kind == Kind::SecurityGroup {
                self.report(&kept.key, kept.revision, Ok::<_, String>(UpSeen { up: true }));
            } else if !self.documents.has_network_of(&kept) {
                let waiting: Result<PortSeen, String> = Err("its network is not on this host yet".to_owned());
                self.report(&kept.key, kept.revision, waiting);
            }
        }
    }

    fn routers_to_build(&self, dirty: &BTreeSet<DocumentKey>, networks: &BTreeSet<NetworkId>) -> Vec<Kept> {
        let external = dirty.iter().any(|key| key.kind == Kind::External);
        let touched = |kept: &&Kept| {
            dirty.contains(&kept.key)
                || external
                || kept.parse::<Router>().is_some_and(|router| {
                    router.interfaces.iter().any(|leg| networks.contains(&leg.network_id))
                })
        };
        let routers = self.documents.all().filter(|kept| kept.key.kind == Kind::Router && !kept.removing);
        routers.filter(touched).cloned().collect()
    }

    fn build_copy(&mut self, kept: &Kept) {
        let Some(copy) = kept.parse::<Copy>() else { return };
        let volumes = self.documents.volumes();
        if !self.image_is_ready(kept, copies::wanted(&self.effects, &copy, &volumes)) {
            return;
        }
        let made = copies::ensure(&mut self.effects, &copy, &volumes);
        if made.as_ref().is_ok_and(|seen| seen.done.is_none()) {
            self.due.insert(kept.key.clone(), runtime::now().plus(COPY_LOOK));
        }
        self.report(&kept.key, kept.revision, made);
    }

    fn vms_to_build(&self, dirty: &BTreeSet<DocumentKey>) -> Vec<Kept> {
        let ports: BTreeSet<&str> =
            dirty.iter().filter(|key| key.kind == Kind::Port).map(|key| key.id.as_str()).collect();
        let waits = |kept: &&Kept| {
            dirty.contains(&kept.key)
                || ((self.failures.contains_key(&kept.key) || self.waiting.contains_key(&kept.key))
                    && kept.parse::<Vm>().is_some_and(|vm| {
                        vm.nics.iter().any(|nic| ports.contains(nic.port_id.to_string().as_str()))
                    }))
        };
        let vms = self.documents.all().filter(|kept| kept.key.kind == Kind::Vm && !kept.removing);
        vms.filter(waits).cloned().collect()
    }

    fn build_vm(&mut self, kept: &Kept) {
        let Some(vm) = kept.parse::<Vm>() else { return };
        let networks: Vec<Arc<Network>> = self.documents.wanted(Kind::Network);
        let mut ports = BTreeMap::new();
        for nic in &vm.nics {
            let key = DocumentKey { kind: Kind::Port, id: nic.port_id.to_string() };
            let port = self.documents.get(&key).filter(|kept| !kept.removing).and_then(Kept::parse::<Port>);
            let Some(port) = port else { continue };
            if let Some(network) = networks.iter().find(|network| network.id == port.network_id) {
                ports.insert(port.id, (network.vni, Port::clone(&port)));
            }
        }
        if ports.len() < vm.nics.len() && self.waits_for_ports(kept, vm.id) {
            return;
        }
        if !self.image_is_ready(kept, root_disk::wanted(&self.effects, &vm)) {
            return;
        }
        self.waiting.remove(&kept.key);
        for nic in &vm.nics {
            self.effects.fabric.set_metadata(nic.port_id, Some((&vm, self.vms.password(&vm))));
        }
        let needs = Needs { ports, volumes: self.documents.volumes() };
        let outcome = self.vms.converge(&mut self.effects, &vm, &needs);
        if let Ok(outcome) = &outcome
            && let Some(after) = outcome.again
        {
            self.due.insert(kept.key.clone(), runtime::now().plus(after));
        }
        self.watch_for_ssh(&vm);
        let seen = outcome.map(|outcome| outcome.seen.unwrap_or_default());
        self.report(&kept.key, kept.revision, seen);
    }

    /// Documents come in any order: a VM that was not started yet is given some time for its ports to arrive.
    fn waits_for_ports(&mut self, kept: &Kept, id: ServerId) -> bool {
        let now = runtime::now();
        let since = *self.waiting.entry(kept.key.clone()).or_insert(now);
        let patient = self.vms.started_at(id).is_none() && now.since(since) < PORTS_TIME_MAX;
        if patient {
            self.due.insert(kept.key.clone(), since.plus(PORTS_TIME_MAX));
        }
        patient
    }

    /// Removes what no document knows: left by a control plane or an agent that was lost in the middle.
    fn collect_garbage(&mut self) {
        if !self.documents.are_all() {
            return tracing::warn!("what no document knows stays, for a document could not be kept");
        }
        let networks = self
            .documents
            .all()
            .filter(|kept| kept.key.kind == Kind::Network)
            .filter_map(Kept::parse::<Network>);
        let vnis = networks.map(|network| network.vni).collect();
        let routers = self.documents.all().filter(|kept| kept.key.kind == Kind::Router);
        let routers = routers.filter_map(|kept| kept.key.id.parse().ok()).collect();
        if let Err(error) = self.effects.fabric.retain(&vnis, &routers) {
            tracing::error!("cannot remove networks that nobody knows: {error}");
        }
        let unknown: Vec<ServerId> =
            self.vms.known().filter(|id| self.documents.get(&vm_key(*id)).is_none()).collect();
        for id in unknown {
            tracing::warn!("removing VM {id}, which no document knows");
            if let Err(error) = self.vms.remove(&mut self.effects, id) {
                tracing::error!("cannot remove VM {id}: {error}");
            }
        }
        self.collect_volumes();
    }

    fn collect_volumes(&mut self) {
        let documents = &self.documents;
        let volumes = documents.all().filter(|kept| kept.key.kind == Kind::Volume);
        let volumes = volumes.filter_map(Kept::parse::<Volume>);
        let elsewhere: BTreeSet<VolumeId> =
            volumes.filter_map(|volume| volume.elsewhere.as_ref()?.id).collect();
        volumes::collect(&mut self.effects, |id| {
            if elsewhere.contains(&id) {
                return true;
            }
            let copy = DocumentKey { kind: Kind::Copy, id: id.to_string() };
            [volume_key(id), vm_key(ServerId(id.0)), copy].iter().any(|key| documents.get(key).is_some())
        });
    }
}

/// Whether it is time. Nothing is put off for long, so a time that is far away was set before the clock was put back.
fn is_due(at: Timestamp, now: Timestamp) -> bool {
    at <= now || at.since(now) > PUT_OFF_MAX
}

fn volume_key(id: VolumeId) -> DocumentKey {
    DocumentKey { kind: Kind::Volume, id: id.to_string() }
}

fn vm_key(id: ServerId) -> DocumentKey {
    DocumentKey { kind: Kind::Vm, id: id.to_string() }
}
