//! Tables of the plan, and the agent over a simulated world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use agent_api::block::{
    Copied, Copy, CopyFrom, CopySeen, CopyTo, Elsewhere, Encryption, ImageSource, Limits, UnmanagedSnapshot,
    UnmanagedVolume, Volume, VolumeSeen, VolumeSource,
};
use agent_api::compute::{Metadata, Nic, Power, PowerSeen, Reboot, RootDisk, Vm, VmSeen, VmVolume};
use agent_api::network::{Network, Port};
use agent_api::{Document, DocumentKey, FromNode, Kind, Question, Report, ToNode};
use serde::Serialize;
use serde_json::{Value as Json, json};
use storage::{Adoption, DiskFormat, GIB, ImageStore, NewVolume, Source, Upload, VolumeBackend};
use types::{BackupId, CopyId, ImageId, NetworkId, PortId, ServerId, SnapshotId, Timestamp, VolumeId};

use crate::Agent;
use crate::backends::Backends;
use crate::effects::{Effects, Event};
use crate::fake::{FakeCopier, FakeFabric, World};
use crate::moved::Moved;
use crate::plan::{Action, VmNow, VmState, note, plan};

fn id<T: From<uuid::Uuid>>(n: u128) -> T {
    uuid::Uuid::from_u128(n).into()
}

pub(crate) fn vm() -> Vm {
    Vm {
        id: id(1),
        name: "web".to_owned(),
        vcpus: 1,
        ram_mib: 256,
        power: Power::On,
        root_disk: Some(RootDisk {
            image: ImageSource { id: id(9), format: "raw".to_owned() },
            size_gib: 1,
            snapshots: BTreeSet::new(),
        }),
        volumes: Vec::new(),
        nics: vec![Nic { port_id: id(3), mac: types::MacAddr::openstack(1), mtu: 1450 }],
        metadata: Metadata::default(),
        config_drive: false,
        reboot: None,
        image_properties: BTreeMap::new(),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn seen(power: PowerSeen) -> VmNow {
    VmNow { power, volumes: BTreeSet::new(), trouble: None }
}

fn acts(vm: &Vm, state: &VmState, now: &VmNow, seconds: i64) -> Vec<Action> {
    let actions = plan(vm, state, now, at(seconds));
    actions.into_iter().filter(|action| !matches!(action, Action::Look(_))).collect()
}

#[test]
fn power_is_made_as_wanted() {
    let check = |power: Power, now: PowerSeen, since: Option<i64>, expected: &[Action]| {
        let vm = Vm { power, ..vm() };
        let state = VmState { stopping_since: since.map(at), ..VmState::default() };
        assert_eq!(acts(&vm, &state, &seen(now), 100), expected, "{power:?} {now:?} {since:?}");
    };
    let off = Power::Off { grace_s: 60 };
    check(Power::On, PowerSeen::Absent, None, &[Action::EnsureDisks, Action::Start]);
    check(Power::On, PowerSeen::Shutdown, None, &[Action::EnsureDisks, Action::Start]);
    check(Power::On, PowerSeen::Running, None, &[]);
    check(Power::On, PowerSeen::Paused, None, &[Action::Resume]);
    check(Power::Paused, PowerSeen::Running, None, &[Action::Pause]);
    check(off, PowerSeen::Running, None, &[Action::PowerDown]);
    check(off, PowerSeen::Running, Some(50), &[]);
    check(off, PowerSeen::Running, Some(40), &[Action::Kill]);
    check(Power::Off { grace_s: 0 }, PowerSeen::Running, None, &[Action::Kill]);
    check(off, PowerSeen::Shutdown, Some(50), &[]);
}

#[test]
fn a_guest_that_powers_itself_off_stays_off_until_it_is_started_anew() {
    let mut state = VmState { started: true, ..VmState::default() };
    let shut_down = seen(PowerSeen::Shutdown);
    note(&vm(), &mut state, &shut_down);
    assert!(state.halted.is_some());
    assert_eq!(acts(&vm(), &state, &shut_down, 0), []);
    let off = Vm { power: Power::Off { grace_s: 60 }, ..vm() };
    note(&off, &mut state, &shut_down);
    note(&vm(), &mut state, &shut_down);
    assert_eq!(acts(&vm(), &state, &shut_down, 0), [Action::EnsureDisks, Action::Start]);
}

#[test]
fn a_reboot_happens_once() {
    let reboot = |hard| Some(Reboot { token: "req-1".to_owned(), hard, grace_s: 30 });
    let (soft, hard) = (Vm { reboot: reboot(false), ..vm() }, Vm { reboot: reboot(true), ..vm() });
    let running = seen(PowerSeen::Running);
    let mut state = VmState { started: true, ..VmState::default() };
    assert_eq!(acts(&hard, &state, &running, 0), [Action::Kill]);
    assert_eq!(acts(&soft, &state, &running, 0), [Action::PowerDown]);
    state.rebooting = Some(("req-1".to_owned(), at(0)));
    assert_eq!(acts(&soft, &state, &running, 29), []);
    assert_eq!(acts(&soft, &state, &running, 30), [Action::Kill]);
    let off = seen(PowerSeen::Shutdown);
    note(&soft, &mut state, &off);
    assert_eq!(acts(&soft, &state, &off, 5), [Action::EnsureDisks, Action::Start]);
    state.rebooted = Some("req-1".to_owned());
    assert_eq!(acts(&soft, &state, &running, 40), []);
}

#[test]
fn a_stalled_vm_is_let_go_on_now_and_then() {
    let stalled = VmNow { trouble: Some("no space".to_owned()), ..seen(PowerSeen::Paused) };
    let mut state = VmState { started: true, ..VmState::default() };
    let check = |state: &VmState, seconds, expected: &[Action]| {
        assert_eq!(acts(&vm(), state, &stalled, seconds), expected, "{seconds}");
    };
    check(&state, 100, &[Action::Resume]);
    state.resumed_at = Some(at(100));
    check(&state, 100, &[]);
    check(&state, 129, &[]);
    check(&state, 130, &[Action::Resume]);
    check(&state, 50, &[Action::Resume]);
    note(&vm(), &mut state, &stalled);
    assert_eq!(state.trouble.as_deref(), Some("no space"));
    let off = Vm { power: Power::Off { grace_s: 60 }, ..vm() };
    assert_eq!(acts(&off, &state, &stalled, 101), [Action::Kill]);
    note(&vm(), &mut state, &seen(PowerSeen::Running));
    assert_eq!(state.trouble, None);
}

#[test]
fn volumes_come_and_go() {
    let (a, b): (VolumeId, VolumeId) = (id(11), id(12));
    let wanted = Vm { volumes: vec![VmVolume { id: a, device: "/dev/vdb".to_owned(), boot: false }], ..vm() };
    let now = VmNow { power: PowerSeen::Running, volumes: BTreeSet::from([b]), trouble: None };
    let mut state = VmState::default();
    assert_eq!(acts(&wanted, &state, &now, 0), [Action::Detach(b), Action::Attach(a)]);
    // Not seen by the guest any more, but still held: asked for again, and not plugged in before that.
    state.unplugging.insert(a);
    let now = seen(PowerSeen::Running);
    assert_eq!(acts(&wanted, &state, &now, 0), [Action::Detach(a)]);
    note(&wanted, &mut state, &now);
    assert_eq!(state.unplugging, BTreeSet::from([a]));
    // Nothing holds the files of a VM that is off.
    for power in [PowerSeen::Absent, PowerSeen::Shutdown, PowerSeen::Crashed] {
        let mut state = state.clone();
        note(&wanted, &mut state, &seen(power));
        assert!(state.unplugging.is_empty(), "{power:?}");
    }
}

/// An agent over a simulated world that outlives it.
struct Node {
    agent: Agent,
    events: Receiver<Event>,
}

#[derive(Clone)]
struct Outside {
    world: World,
    vms: hypervisor::fake::World,
    disks: storage::fake::Fake,
    others: storage::fake::Fake,
    state: std::path::PathBuf,
}

impl Outside {
    fn start(&self) -> Node {
        let (sender, events) = channel();
        let (vm_events, _) = channel();
        let mut hypervisor = hypervisor::fake::Fake::new(self.vms.clone(), vm_events);
        hypervisor::Hypervisor::adopt(&mut hypervisor).unwrap();
        let effects = Effects {
            fabric: Box::new(FakeFabric::new(self.world.clone(), sender)),
            hypervisor: Box::new(hypervisor),
            backends: Backends::new("local", Arc::new(self.disks.clone()))
                .with("other", Arc::new(self.others.clone())),
            moved: Moved::open(&self.state.join("moved")).unwrap(),
            copier: Box::new(FakeCopier::new(Arc::new(self.disks.clone()), Arc::new(self.disks.clone()))),
        };
        let agent = Agent::open("host", "test", Some(&self.state), &self.state.join("log"), effects).unwrap();
        Node { agent, events }
    }
}

impl Node {
    fn receive(&mut self, documents: Vec<Document>, complete: bool) {
        let complete = complete.then(|| documents.iter().map(|document| document.key.clone()).collect());
        self.agent.receive(ToNode::Documents { documents, complete });
    }

    fn ask(&mut self, question: &Question) -> Result<Json, String> {
        self.agent.receive(ToNode::Ask { number: 7, question: question.clone() });
        loop {
            self.agent.step();
            for message in self.agent.outgoing() {
                if let FromNode::Answer { number: 7, answer } = message {
                    return answer;
                }
            }
            std::thread::yield_now();
        }
    }

    fn reports(&mut self) -> BTreeMap<String, Report> {
        let mut reports = BTreeMap::new();
        for _ in 0..5 {
            self.agent.step();
            while let Ok(event) = self.events.try_recv() {
                self.agent.observe(event);
            }
            for message in self.agent.outgoing() {
                if let FromNode::Reports { reports: more, .. } = message {
                    reports.extend(more.into_iter().map(|report| (report.key.to_string(), report)));
                }
            }
        }
        reports
    }
}

fn document<T: Serialize>(kind: Kind, id: impl ToString, revision: i64, body: Option<&T>) -> Document {
    let body = body.map(|body| serde_json::to_value(body).unwrap());
    Document { key: DocumentKey { kind, id: id.to_string() }, revision, body }
}

fn documents() -> Vec<Document> {
    let (network_id, port_id): (NetworkId, PortId) = (id(2), id(3));
    let network =
        Network { id: network_id, vni: 100, mtu: 1450, subnets: Vec::new(), dns_domain: String::new() };
    let port = Port {
        id: port_id,
        network_id,
        mac: types::MacAddr::openstack(1),
        fixed_ips: vec!["10.0.0.5".parse().unwrap()],
        allowed_address_pairs: Vec::new(),
        port_security: true,
        security_groups: Vec::new(),
        admin_up: true,
        hostname: None,
    };
    vec![
        document(Kind::Vm, id::<ServerId>(1), 3, Some(&vm())),
        document(Kind::Port, port_id, 2, Some(&port)),
        document(Kind::Network, network_id, 1, Some(&network)),
    ]
}

fn outside(dir: &std::path::Path) -> Outside {
    let disks = storage::fake::Fake::new();
    let upload =
        Upload { image: id::<ImageId>(9), format: DiskFormat::Raw, size_bytes_max: 1 << 20, enforce: false };
    let mut writer = disks.writer(&upload).unwrap();
    writer.write(&[0; 512]).unwrap();
    writer.finish().unwrap();
    let (world, vms) = (World::default(), hypervisor::fake::World::new());
    Outside { world, vms, disks, others: storage::fake::Fake::new(), state: dir.to_owned() }
}

#[test]
fn a_vm_comes_up_survives_the_agent_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    node.receive(documents(), true);
    let reports = node.reports();
    let vm_key = format!("vm/{}", id::<ServerId>(1));
    let vm_seen: VmSeen = serde_json::from_value(reports[&vm_key].seen.clone().unwrap()).unwrap();
    assert_eq!(vm_seen.power, PowerSeen::Running, "{reports:?}");
    assert_eq!(outside.vms.running(), [id::<ServerId>(1)]);

    // Killed and started again without a control plane, it leaves all as it is.
    drop(node);
    let mut node = outside.start();
    node.reports();
    assert_eq!(outside.vms.running(), [id::<ServerId>(1)]);

    // A host that was switched off brings its VMs back by itself.
    outside.vms.restart_host();
    let mut node = outside.start();
    node.reports();
    assert_eq!(outside.vms.running(), [id::<ServerId>(1)]);

    // A control plane that knows nothing of it any more has it removed, with everything it had.
    node.receive(Vec::new(), true);
    let reports = node.reports();
    assert_eq!(reports[&vm_key].seen, None);
    assert!(outside.vms.running().is_empty());
    assert!(outside.world.look().networks.is_empty());
    assert!(outside.disks.observe_volumes().unwrap().is_empty());
    assert!(std::fs::read_dir(dir.path().join("documents")).unwrap().next().is_none());
    assert!(std::fs::read_dir(dir.path().join("vms")).unwrap().next().is_none());
}

#[test]
fn what_stops_or_ends_a_vm_and_its_password_are_told() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    node.receive(documents(), false);
    node.reports();
    let server = id::<ServerId>(1);
    let seen = |node: &mut Node| -> VmSeen {
        node.agent.observe(Event::Vm(server));
        let reports = node.reports();
        serde_json::from_value(reports[&format!("vm/{server}")].seen.clone().unwrap()).unwrap()
    };
    outside.vms.stall(server, "no space");
    node.agent.observe(Event::Vm(server));
    node.reports();
    outside.vms.stall(server, "no space");
    let stalled = seen(&mut node);
    assert_eq!((stalled.power, stalled.trouble.as_deref()), (PowerSeen::Paused, Some("no space")));
    clock.advance(std::time::Duration::from_secs(31));
    let going = seen(&mut node);
    assert_eq!((going.power, going.trouble), (PowerSeen::Running, None));

    node.agent.observe(Event::PasswordPosted { port: id(3), password: "c2VjcmV0".to_owned() });
    assert_eq!(seen(&mut node).password.unwrap().text, "c2VjcmV0");

    outside.vms.crash(server, "a signal");
    let ended = seen(&mut node);
    assert_eq!((ended.power, ended.trouble.as_deref()), (PowerSeen::Crashed, Some("a signal")));
    // The host's memory of it may go; the agent's does not.
    outside.vms.restart_host();
    drop(node);
    let mut node = outside.start();
    let ended = seen(&mut node);
    assert_eq!((ended.power, ended.trouble.as_deref()), (PowerSeen::Crashed, Some("a signal")));
    assert_eq!(ended.password.unwrap().text, "c2VjcmV0");
}

#[test]
fn a_moment_of_a_root_disk_is_held_copied_and_let_go() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    node.receive(documents(), true);
    node.reports();
    let (server, moment, copy): (ServerId, SnapshotId, CopyId) = (id(1), id(21), id(22));
    let held = |revision: i64, snapshots: &[SnapshotId]| {
        let mut vm = vm();
        vm.root_disk.as_mut().unwrap().snapshots = snapshots.iter().copied().collect();
        vec![document(Kind::Vm, server, revision, Some(&vm))]
    };
    let seen = |reports: &BTreeMap<String, Report>| -> VmSeen {
        serde_json::from_value(reports[&format!("vm/{server}")].seen.clone().unwrap()).unwrap()
    };
    node.receive(held(4, &[moment]), false);
    assert_eq!(seen(&node.reports()).root_snapshots, BTreeSet::from([moment]));

    let image = ImageSource { id: id(23), format: "qcow2".to_owned() };
    let wanted = Copy {
        id: copy,
        from: CopyFrom::RootDisk { server, id: moment },
        to: CopyTo::Image(image),
        sealed: false,
    };
    node.receive(vec![document(Kind::Copy, copy, 1, Some(&wanted))], false);
    node.reports();
    clock.advance(std::time::Duration::from_secs(2));
    let copied: CopySeen =
        serde_json::from_value(node.reports()[&format!("copy/{copy}")].seen.clone().unwrap()).unwrap();
    assert!(copied.done.is_some());
    assert!(outside.disks.observe_image(id(23)).unwrap().is_some());

    // What is not wanted any more goes, also when an agent learns of it that remembers nothing.
    drop(node);
    let mut node = outside.start();
    node.receive(held(5, &[]), false);
    assert!(seen(&node.reports()).root_snapshots.is_empty());
    let disk = outside.disks.observe_volume(VolumeId(server.0)).unwrap().unwrap();
    assert!(disk.snapshots.is_empty());
}

#[test]
fn what_fails_is_told_and_tried_again() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    outside.world.fail_next(2);
    node.receive(documents(), false);
    let reports = node.reports();
    let network = format!("network/{}", id::<NetworkId>(2));
    assert!(reports[&network].error.as_deref().is_some_and(|error| error.contains("refuses")), "{reports:?}");
    for _ in 0..8 {
        clock.advance(std::time::Duration::from_secs(31));
        node.reports();
    }
    assert_eq!(outside.vms.running(), [id::<ServerId>(1)]);
}

#[test]
fn a_clock_put_back_keeps_nothing_waiting() {
    let clock = runtime::simulate(1, at(100_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    outside.world.fail_next(2);
    node.receive(documents(), false);
    node.reports();
    clock.set(at(1_000));
    for _ in 0..8 {
        clock.advance(std::time::Duration::from_secs(31));
        node.reports();
    }
    assert_eq!(outside.vms.running(), [id::<ServerId>(1)]);
}

#[test]
fn a_passphrase_is_on_no_disk_and_waited_for_after_a_restart() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let volume = Volume {
        encryption: Some(Encryption {
            key_id: id(12),
            cipher: "aes-xts-plain64".to_owned(),
            key_size_bits: 512,
            passphrase: Some("open sesame".to_owned().into()),
        }),
        ..volume(11)
    };
    let attached = VmVolume { id: volume.id, device: "/dev/vdb".to_owned(), boot: false };
    let vm = Vm { volumes: vec![attached], nics: Vec::new(), ..vm() };
    let secret = document(Kind::Volume, volume.id, 7, Some(&volume));
    let mut node = outside.start();
    node.receive(vec![document(Kind::Vm, vm.id, 8, Some(&vm)), secret.clone()], true);
    let reports = node.reports();
    let seen: VolumeSeen =
        serde_json::from_value(reports[&secret.key.to_string()].seen.clone().unwrap()).unwrap();
    assert_eq!(seen.size_gib, 1, "without the header");
    assert_eq!(outside.vms.running(), [vm.id]);
    let kept = std::fs::read_dir(dir.path().join("documents")).unwrap();
    let kept: String = kept.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert!(kept.contains("aes-xts-plain64") && !kept.contains("sesame"), "{kept}");

    // The host was restarted: it asks for the document again, and waits with the VM until that has come.
    outside.vms.restart_host();
    drop(node);
    let mut node = outside.start();
    let FromNode::Hello { have, .. } = node.agent.hello() else { panic!() };
    assert_eq!((have[&secret.key.to_string()], have[&format!("vm/{}", vm.id)]), (0, 8));
    let reports = node.reports();
    assert!(outside.vms.running().is_empty());
    assert!(reports.values().all(|report| report.error.is_none()), "{reports:?}");
    node.receive(vec![secret], false);
    clock.advance(std::time::Duration::from_secs(2));
    node.reports();
    assert_eq!(outside.vms.running(), [vm.id]);
}

#[test]
fn a_vm_starts_with_its_volume_where_this_node_decided_that_it_is() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut volume = volume(11);
    let attached = VmVolume { id: volume.id, device: "/dev/vdb".to_owned(), boot: false };
    let vm = Vm { volumes: vec![attached], nics: Vec::new(), ..vm() };
    let mut node = outside.start();
    let documents =
        vec![document(Kind::Vm, vm.id, 1, Some(&vm)), document(Kind::Volume, volume.id, 2, Some(&volume))];
    node.receive(documents, true);
    node.reports();
    // It is larger on the other backend, so that both can be told from one another.
    let there = NewVolume { id: volume.id, size_bytes: 2 * GIB, source: Source::Blank, multiattach: false };
    outside.others.ensure_volume(&there).unwrap();
    let opened = || {
        let spec = outside.vms.spec(vm.id).unwrap();
        let disk = spec.disks.iter().find(|disk| disk.volume == volume.id).unwrap();
        disk.blockdev["size"].as_u64().unwrap() / GIB
    };
    let restart = |node: Node| {
        outside.vms.restart_host();
        drop(node);
        let mut node = outside.start();
        (node.reports(), node)
    };
    let mirror = Some(id(13));
    volume.elsewhere =
        Some(Elsewhere { backend: "other".to_owned(), wanted: true, mirror, ..Elsewhere::default() });
    node.receive(vec![document(Kind::Volume, volume.id, 3, Some(&volume))], false);
    node.reports();
    // Not yet: the mirror went with the VM.
    let (_, node) = restart(node);
    assert_eq!((outside.vms.running(), opened()), (vec![vm.id], 1));

    let mut node = node;
    let key = format!("volume/{}", volume.id);
    let arrived = (0..20).any(|_| {
        clock.advance(std::time::Duration::from_secs(5));
        let seen = node.reports().remove(&key).and_then(|report| report.seen);
        seen.is_some_and(|seen| seen["elsewhere"]["arrived"] == true)
    });
    assert!(arrived);
    // It is decided, and nobody has heard of it: neither when the VM starts again, nor when it does once more.
    let (reports, node) = restart(node);
    assert_eq!((outside.vms.running(), opened()), (vec![vm.id], 2));
    assert_eq!(reports[&key].seen.as_ref().unwrap()["elsewhere"]["arrived"], true);
    let (_, mut node) = restart(node);
    assert_eq!(opened(), 2);
    let old = Elsewhere { backend: "local".to_owned(), wanted: false, ..Elsewhere::default() };
    let heard = Volume { backend: Some("other".to_owned()), elsewhere: Some(old), ..volume.clone() };
    node.receive(vec![document(Kind::Volume, volume.id, 4, Some(&heard))], false);
    node.reports();
    assert_eq!(outside.disks.observe_volume(volume.id).unwrap(), None);
    assert_eq!(std::fs::read_dir(dir.path().join("moved")).unwrap().count(), 0);
    restart(node);
    assert_eq!(opened(), 2);
}

#[test]
fn storage_that_does_not_answer_is_waited_for() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    let volume = volume(7);
    let key = format!("volume/{}", volume.id);
    outside.disks.set_away(true);
    node.receive(vec![document(Kind::Volume, volume.id, 5, Some(&volume))], false);
    let report = node.reports()[&key].clone();
    // It is not acted on yet; why, is told.
    assert_eq!((report.revision, report.seen), (0, None));
    assert!(report.error.is_some_and(|error| error.contains("does not answer")));
    clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(node.reports(), BTreeMap::new());
    outside.disks.set_away(false);
    clock.advance(std::time::Duration::from_secs(31));
    let report = node.reports()[&key].clone();
    assert_eq!((report.revision, report.error), (5, None));
    // What was made stays reported so, and what lasts is told at once.
    outside.disks.set_away(true);
    let larger = Volume { size_gib: 2, ..volume.clone() };
    node.receive(vec![document(Kind::Volume, volume.id, 6, Some(&larger))], false);
    let report = node.reports()[&key].clone();
    assert_eq!((report.revision, report.seen.unwrap()["size_gib"].as_u64()), (5, Some(1)));
    outside.disks.set_away(false);
    outside.disks.fail_next("broken");
    clock.advance(std::time::Duration::from_secs(31));
    let report = node.reports()[&key].clone();
    assert_eq!(report.revision, 6);
    assert!(report.error.is_some_and(|error| error.contains("broken")));
}

fn volume(n: u128) -> Volume {
    Volume {
        id: id(n),
        backend: None,
        elsewhere: None,
        size_gib: 1,
        source: VolumeSource::Blank,
        snapshots: BTreeSet::new(),
        unmanaged: false,
        together: Default::default(),
        managed_snapshots: Default::default(),
        unmanaged_snapshots: Default::default(),
        revert: None,
        encryption: None,
        read_only: false,
        multiattach: false,
        limits: Limits::new(),
    }
}

fn of_volume(revision: i64, volume: Option<&Volume>) -> Document {
    document(Kind::Volume, id::<VolumeId>(30), revision, volume)
}

fn volume_seen(node: &mut Node) -> Result<VolumeSeen, String> {
    let report = node.reports()[&format!("volume/{}", id::<VolumeId>(30))].clone();
    report.error.map_or_else(|| Ok(serde_json::from_value(report.seen.unwrap()).unwrap()), Err)
}

#[test]
fn a_disk_becomes_a_volume_and_is_left_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    outside.disks.put_unmanaged("disk", (1 << 30) + 512);
    let mut node = outside.start();
    let source = VolumeSource::Unmanaged("disk".to_owned());
    // Without a size it is only looked at.
    let looked = Volume { size_gib: 0, source, ..volume(30) };
    node.receive(vec![of_volume(1, Some(&looked))], true);
    assert_eq!(volume_seen(&mut node).unwrap().size_gib, 2);
    assert_eq!(outside.disks.observe_volumes().unwrap(), []);
    let taken = Volume { size_gib: 2, ..looked.clone() };
    node.receive(vec![of_volume(2, Some(&taken))], false);
    assert_eq!(volume_seen(&mut node).unwrap().size_gib, 2);
    assert_eq!(outside.disks.observe_unmanaged().unwrap(), []);

    let left = Volume { unmanaged: true, ..taken };
    node.receive(vec![of_volume(3, Some(&left))], false);
    assert!(volume_seen(&mut node).unwrap().unmanaged);
    // Nothing goes with its document, also where the agent has forgotten all it knew.
    for forgetful in [false, true] {
        if forgetful {
            drop(node);
            std::fs::remove_dir_all(dir.path().join("documents")).unwrap();
            node = outside.start();
        }
        node.receive(vec![of_volume(4, None)], true);
        node.reports();
        let kept = outside.disks.observe_unmanaged().unwrap();
        assert_eq!(kept[0].name, storage::name_of_volume(id(30)), "forgetful: {forgetful}");
    }
}

#[test]
fn a_volume_in_a_vm_is_not_left() {
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    let mut vm = vm();
    vm.volumes.push(VmVolume { id: id(30), device: "/dev/vdb".to_owned(), boot: false });
    let mut all = documents();
    all[0] = document(Kind::Vm, id::<ServerId>(1), 3, Some(&vm));
    all.push(of_volume(4, Some(&volume(30))));
    node.receive(all, true);
    node.reports();
    let left = Volume { unmanaged: true, ..volume(30) };
    node.receive(vec![of_volume(5, Some(&left))], false);
    assert!(volume_seen(&mut node).unwrap_err().contains("still has it"));
    assert_eq!(outside.disks.observe_unmanaged().unwrap(), []);
}

#[test]
fn snapshots_are_left_with_their_volume_and_taken_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    let (old, new): (SnapshotId, SnapshotId) = (id(31), id(32));
    let with = Volume { snapshots: BTreeSet::from([old]), ..volume(30) };
    node.receive(vec![of_volume(1, Some(&with))], true);
    assert_eq!(volume_seen(&mut node).unwrap().snapshots, with.snapshots);
    let left = Volume { unmanaged_snapshots: with.snapshots.clone(), ..with.clone() };
    node.receive(vec![of_volume(2, Some(&left))], false);
    let seen = volume_seen(&mut node).unwrap();
    assert_eq!((seen.snapshots, seen.unmanaged_snapshots), (BTreeSet::new(), with.snapshots));
    // A volume that should have none keeps what is unmanaged.
    node.receive(vec![of_volume(3, Some(&volume(30)))], false);
    node.reports();
    let answer = node.ask(&Question::UnmanagedSnapshots { backend: None });
    let kept: Vec<UnmanagedSnapshot> = serde_json::from_value(answer.unwrap()).unwrap();
    let name = storage::name_of_snapshot(old);
    assert_eq!(kept, [UnmanagedSnapshot { volume: id(30), name: name.clone(), size_gib: 1 }]);
    let taken = Volume {
        snapshots: BTreeSet::from([new]),
        managed_snapshots: BTreeMap::from([(new, name)]),
        ..volume(30)
    };
    node.receive(vec![of_volume(4, Some(&taken))], false);
    assert_eq!(volume_seen(&mut node).unwrap().snapshots, taken.snapshots);
}

#[test]
fn what_lies_on_a_backend_is_told_whoever_asks() {
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    outside.disks.put_unmanaged("disk", 1);
    let mut node = outside.start();
    let answer = node.ask(&Question::UnmanagedVolumes { backend: None });
    let all: Vec<UnmanagedVolume> = serde_json::from_value(answer.unwrap()).unwrap();
    assert_eq!(all, [UnmanagedVolume { name: "disk".to_owned(), size_gib: 1, refused: None }]);
    let unknown = node.ask(&Question::UnmanagedVolumes { backend: Some("none".to_owned()) });
    assert!(unknown.unwrap_err().contains("no storage backend none"));
}

#[test]
fn a_simulated_host_refuses_what_a_real_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    let mut vm = vm();
    vm.volumes.push(VmVolume { id: id(30), device: "/dev/vdb".to_owned(), boot: false });
    let shared = Volume { multiattach: true, ..volume(30) };
    let mut all = documents();
    all[0] = document(Kind::Vm, id::<ServerId>(1), 3, Some(&vm));
    all.push(of_volume(1, Some(&shared)));
    node.receive(all, true);
    node.reports();
    let with = Volume { snapshots: BTreeSet::from([id(31)]), ..shared };
    node.receive(vec![of_volume(2, Some(&with))], false);
    let refused = volume_seen(&mut node).unwrap_err();
    assert!(refused.contains("as long as a server runs that has it"), "{refused}");
    // It may grow meanwhile, and one that is for one server has its snapshots.
    let larger = Volume { size_gib: 2, snapshots: BTreeSet::new(), ..with };
    node.receive(vec![of_volume(3, Some(&larger))], false);
    assert_eq!(volume_seen(&mut node).unwrap().size_gib, 2);
    let with = Volume { multiattach: false, snapshots: BTreeSet::from([id(31)]), ..volume(32) };
    let mut vm = vm.clone();
    vm.volumes.push(VmVolume { id: id(32), device: "/dev/vdc".to_owned(), boot: false });
    let documents = vec![
        document(Kind::Volume, with.id, 4, Some(&with)),
        document(Kind::Vm, id::<ServerId>(1), 5, Some(&vm)),
    ];
    node.receive(documents, false);
    let report = node.reports()[&format!("volume/{}", with.id)].clone();
    assert_eq!(
        (report.error, report.seen.unwrap()["snapshots"].clone()),
        (None, json!([id::<SnapshotId>(31)]))
    );
}

#[test]
fn a_simulated_host_keeps_backups_as_large_as_disks() {
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    let backup: BackupId = id(40);
    let with = Volume { snapshots: BTreeSet::from([id(31)]), ..volume(30) };
    node.receive(vec![of_volume(1, Some(&with))], true);
    node.reports();
    let mut copy = |n: u128, from: CopyFrom, to: CopyTo| -> Result<Copied, String> {
        let copy = Copy { id: id(n), from, to, sealed: false };
        node.receive(vec![document(Kind::Copy, copy.id, n as i64, Some(&copy))], false);
        let key = format!("copy/{}", copy.id);
        let mut last = Err("nothing was said".to_owned());
        for _ in 0..3 {
            node.agent.observe(Event::Copy(copy.id));
            if let Some(report) = node.reports().remove(&key) {
                let seen = report.seen.map(|seen| serde_json::from_value::<CopySeen>(seen).unwrap());
                last =
                    report.error.map_or_else(|| seen.and_then(|seen| seen.done).ok_or_else(String::new), Err);
            }
        }
        last
    };
    let check = || (CopyFrom::Backup(backup), CopyTo::Check);
    let (from, to) = check();
    assert!(copy(50, from, to).unwrap_err().contains("backup"), "there is none");
    let from = CopyFrom::Snapshot { volume: id(30), id: id(31) };
    let made = copy(51, from, CopyTo::Backup { id: backup, parent: None }).unwrap();
    assert_eq!((made.virtual_size_bytes, made.objects), (1 << 30, 1));
    let (from, to) = check();
    let found = copy(52, from, to).unwrap();
    assert_eq!((found.virtual_size_bytes, found.objects), (1 << 30, 1));
    copy(53, CopyFrom::Backup(backup), CopyTo::Volume(id(30))).unwrap();
    copy(54, CopyFrom::Backup(backup), CopyTo::Nothing).unwrap();
    assert!(copy(55, CopyFrom::Backup(backup), CopyTo::Volume(id(30))).is_err());
}

#[test]
fn nothing_goes_for_a_document_that_could_not_be_kept() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    let moving = Elsewhere { backend: "other".to_owned(), wanted: true, ..Elsewhere::default() };
    let moving = Volume { elsewhere: Some(moving), ..volume(30) };
    node.receive(vec![of_volume(1, Some(&volume(30)))], true);
    node.reports();
    drop(node);
    let kept = std::fs::read_dir(outside.state.join("documents")).unwrap().flatten();
    let kept: Vec<_> =
        kept.map(|entry| entry.path()).filter(|path| path.extension() == Some("json".as_ref())).collect();
    let [file] = kept.as_slice() else { panic!("{kept:?}") };
    // It was lost, and the next cannot be written.
    std::fs::remove_file(file).unwrap();
    let mut node = outside.start();
    std::fs::create_dir(file.with_extension("tmp")).unwrap();
    node.receive(vec![of_volume(2, Some(&moving))], true);
    node.reports();
    assert!(storage::VolumeBackend::observe_volume(&outside.disks, id(30)).unwrap().is_some());
    // It is tried again, whatever comes of it.
    let mut later = || {
        clock.advance(std::time::Duration::from_secs(6));
        node.reports().remove(&of_volume(2, Some(&moving)).key.to_string())
    };
    assert_eq!(later(), None);
    std::fs::remove_dir(file.with_extension("tmp")).unwrap();
    let report = later().unwrap();
    assert_eq!((report.revision, &report.seen.unwrap()["elsewhere"]["wish"]["wanted"]), (2, &json!(true)));
    assert!(file.exists());
    drop(node);
    std::fs::remove_file(file).unwrap();
    // What was being written when the agent ended does not count.
    let written = serde_json::json!({"key": {"kind": "volume", "id": "x"}, "revision": 9, "body": null, "removing": false});
    std::fs::write(file.with_extension("tmp"), written.to_string()).unwrap();
    let mut node = outside.start();
    assert!(!file.with_extension("tmp").exists());
    node.receive(vec![of_volume(2, Some(&moving))], true);
    assert_eq!(volume_seen(&mut node).unwrap().size_gib, 1);
    node.receive(Vec::new(), true);
    node.reports();
    assert!(storage::VolumeBackend::observe_volume(&outside.disks, id(30)).unwrap().is_none());
}

#[test]
fn snapshots_of_one_moment_are_all_made_or_none() {
    let clock = runtime::simulate(1, at(1_000));
    let dir = tempfile::tempdir().unwrap();
    let outside = outside(dir.path());
    let mut node = outside.start();
    let (one, two): (SnapshotId, SnapshotId) = (id(31), id(41));
    let document = |revision, volume: &Volume| document(Kind::Volume, volume.id, revision, Some(volume));
    node.receive(vec![document(1, &volume(30)), document(2, &volume(40))], true);
    node.reports();
    let set = BTreeMap::from([(id(30), one), (id(40), two)]);
    let asks = |n, snapshot: SnapshotId| Volume {
        snapshots: [snapshot].into(),
        together: BTreeMap::from([(snapshot, set.clone())]),
        ..volume(n)
    };
    let taken = || {
        let of = |n| outside.disks.observe_volume(id(n)).unwrap().unwrap().snapshots;
        (of(30), of(40))
    };
    // The other's document is still to come.
    node.receive(vec![document(3, &asks(30, one))], false);
    clock.advance(std::time::Duration::from_secs(5));
    assert_eq!((node.reports(), taken()), (BTreeMap::new(), (vec![], vec![])));
    // It may pass that one of them cannot be made; the first is not left then.
    outside.disks.fail_next_snapshot_of(id(40));
    node.receive(vec![document(4, &asks(40, two))], false);
    let reports = node.reports();
    assert_eq!(reports.values().filter(|report| report.error.is_some()).count(), 2, "{reports:?}");
    assert_eq!(taken(), (vec![], vec![]));
    clock.advance(std::time::Duration::from_secs(31));
    let reports = node.reports();
    assert!(reports.len() == 2 && reports.values().all(|report| report.error.is_none()), "{reports:?}");
    assert_eq!(taken(), (vec![one], vec![two]));
    // What a kill left of them is not made whole later.
    outside.disks.remove_snapshot(storage::Snapshot { volume: id(40), id: two }, None).unwrap();
    drop(node);
    let reports = outside.start().reports();
    let errors: Vec<_> = reports.values().filter_map(|report| report.error.clone()).collect();
    assert!(errors.len() == 2 && errors[0].contains("of one moment"), "{reports:?}");
    assert_eq!(taken(), (vec![one], vec![]));
}

/// Whichever of two sets of the same volumes is looked at first, none is taken for the other's sake.
#[test]
fn a_volume_waits_for_each_of_its_moments() {
    for (failing, late) in [(false, 31), (false, 32), (true, 31)] {
        let clock = runtime::simulate(1, at(1_000));
        let dir = tempfile::tempdir().unwrap();
        let outside = outside(dir.path());
        let mut node = outside.start();
        let document = |revision, volume: &Volume| document(Kind::Volume, volume.id, revision, Some(volume));
        node.receive(vec![document(1, &volume(30)), document(2, &volume(40))], true);
        node.reports();
        let set = |n: u128| BTreeMap::from([(id(30), id(n)), (id(40), id(n + 10))]);
        let asks = |n: u128, moments: &[u128]| {
            let own = |moment: &u128| id(if n == 30 { *moment } else { *moment + 10 });
            let together = moments.iter().map(|moment| (own(moment), set(*moment))).collect();
            Volume { snapshots: moments.iter().map(own).collect(), together, ..volume(n) }
        };
        let taken = |n| -> BTreeSet<SnapshotId> {
            outside.disks.observe_volume(id(n)).unwrap().unwrap().snapshots.into_iter().collect()
        };
        let early = if late == 31 { 32 } else { 31 };
        let known: &[u128] = if failing { &[31, 32] } else { &[early] };
        if failing {
            outside.disks.fail_next_snapshot_of(id(40));
        }
        node.receive(vec![document(3, &asks(30, &[31, 32])), document(4, &asks(40, known))], false);
        node.reports();
        assert_eq!((taken(30), taken(40)), ([id(early)].into(), [id(early + 10)].into()), "{failing} {late}");
        node.receive(vec![document(5, &asks(40, &[31, 32]))], false);
        clock.advance(std::time::Duration::from_secs(31));
        let reports = node.reports();
        assert!(reports.len() == 2 && reports.values().all(|report| report.error.is_none()), "{reports:?}");
        assert_eq!((taken(30), taken(40)), ([id(31), id(32)].into(), [id(41), id(42)].into()));
    }
}
