//! Volumes that a real QEMU has open: snapshots, merges, growth and limits while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use agent_api::block::{Encryption, Limits, Volume, VolumeSource};
use agent_api::compute::{Vm, VmVolume};
use hypervisor::qemu::{Qemu, QemuConfig};
use hypervisor::{Disk, Machine, VmEvent, VmEventKind, VmSpec};
use serde_json::Value as Json;
use storage::disk::{Access, OpenDisk, Tree};
use storage::file::{FileConfig, FileVolumes};
use storage::luks::node;
use storage::{GIB, Snapshot, VolumeBackend};
use types::{ServerId, SnapshotId, VolumeId};

use super::{Ensured, LIVE_MERGE_LOOK, ancestors, ensure, luks, remove, take_together};
use crate::backends::Backends;
use crate::effects::Effects;
use crate::fake::{FakeCopier, FakeFabric, World as Network};
use crate::moved::Moved;

const BLOCK: u64 = 64 << 10;

struct World {
    dir: tempfile::TempDir,
    volumes: Arc<FileVolumes>,
    effects: Effects,
    events: Receiver<VmEvent>,
    vms: Vec<Arc<Vm>>,
    volume: Volume,
    server: ServerId,
}

fn world(test: &str) -> Option<World> {
    let dir = tempfile::tempdir().unwrap();
    let config = QemuConfig::new(dir.path().join("run"));
    for tool in [config.binary.as_path(), Path::new("qemu-nbd")] {
        if let Err(e) = std::process::Command::new(tool).arg("--version").output() {
            println!("skipped: {test}: {}: {e}", tool.display());
            return None;
        }
    }
    let volumes =
        Arc::new(FileVolumes::open(&FileConfig { root: dir.path().to_owned(), reserve_bytes: 1 }).unwrap());
    let (vm_events, events) = channel();
    let effects = Effects {
        fabric: Box::new(FakeFabric::new(Network::default(), channel().0)),
        hypervisor: Box::new(Qemu::new(config, vm_events).unwrap()),
        backends: Backends::new("local", volumes.clone()),
        moved: Moved::default(),
        copier: Box::new(FakeCopier::default()),
    };
    let (server, id) = (ServerId(runtime::new_uuid()), VolumeId(runtime::new_uuid()));
    let volume = Volume {
        id,
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
    };
    let vm = Arc::new(Vm { id: server, ..crate::tests::vm() });
    Some(World { dir, volumes, effects, events, vms: vec![vm], volume, server })
}

/// A small VM with one disk.
pub(super) fn spec(server: ServerId, disk: Disk, dir: &Path) -> VmSpec {
    VmSpec {
        server,
        name: "small".to_owned(),
        vcpus: 1,
        ram_mib: 64,
        machine: Machine::Q35,
        cpu_model: None,
        disks: vec![disk],
        nics: Vec::new(),
        config_drive: None,
        console_log: dir.join("console"),
        screen: false,
        guest_agent: false,
        generation_id: None,
    }
}

impl World {
    /// Makes its volume, which is an encrypted one.
    fn encrypt(&mut self) {
        self.volume.encryption = Some(Encryption {
            key_id: runtime::new_uuid().into(),
            cipher: "aes-xts-plain64".to_owned(),
            key_size_bits: 256,
            passphrase: Some("open sesame".to_owned().into()),
        });
        self.ensure();
        let container = self.volumes.blockdev(self.volume.id).unwrap();
        let luks = luks(self.volume.encryption.as_ref().unwrap()).unwrap();
        luks.format(&container, (self.dir.path(), &self.dir.path().join("header"))).unwrap();
    }

    /// What the guest sees of a volume or a snapshot.
    fn disk(&self, nodes: &Json) -> Tree {
        match &self.volume.encryption {
            None => nodes.into(),
            Some(encryption) => luks(encryption).unwrap().disk(nodes.clone()),
        }
    }

    fn ensure(&mut self) -> Ensured {
        ensure(&mut self.effects, &self.volume, &self.vms).unwrap()
    }

    /// Until there is nothing more to tidy.
    fn settle(&mut self) {
        let began = runtime::monotonic();
        while let Some(again) = self.ensure().again {
            assert!(began.elapsed().as_secs() < 60, "there is no end to it: {:?}", self.layers());
            if again == LIVE_MERGE_LOOK {
                let told = || self.events.recv_timeout(Duration::from_secs(30)).unwrap().kind;
                while told() != VmEventKind::DiskWork {}
            } else {
                runtime::sleep_blocking(Duration::from_millis(20));
            }
        }
    }

    fn snapshot(&mut self) -> SnapshotId {
        let id = SnapshotId(runtime::new_uuid());
        self.volume.snapshots.insert(id);
        assert_eq!(self.ensure().seen.snapshots, self.volume.snapshots);
        id
    }

    fn start(&mut self) {
        self.start_as(self.server);
    }

    fn start_as(&mut self, server: ServerId) {
        let (id, mut blockdev) = (self.volume.id, self.volumes.blockdev(self.volume.id).unwrap());
        let secret = self.volume.encryption.as_ref().and_then(|encryption| encryption.passphrase.clone());
        if secret.is_some() {
            blockdev = node(blockdev, &Disk::secret_name(id));
        }
        let disk = Disk {
            volume: id,
            blockdev,
            boot_index: None,
            read_only: false,
            shared: self.volume.multiattach,
            limits: Limits::new(),
            secret,
        };
        let spec = spec(server, disk, self.dir.path());
        self.effects.hypervisor.start(&spec, Vec::new()).unwrap();
    }

    fn stop(&mut self) {
        self.effects.hypervisor.stop(self.server).unwrap();
    }

    fn write(&self, block: u64, byte: u8) {
        let tree = self.volumes.blockdev(self.volume.id).unwrap();
        let mut disk = OpenDisk::open(self.disk(&tree), Access::Write, self.dir.path()).unwrap();
        disk.write_at(block * BLOCK, &[byte; BLOCK as usize]).unwrap();
    }

    /// The first byte of the first blocks.
    fn read(&self, snapshot: Option<SnapshotId>) -> [u8; 4] {
        let tree = match snapshot {
            Some(id) => self.volumes.snapshot_blockdev(Snapshot { volume: self.volume.id, id }),
            None => self.volumes.blockdev(self.volume.id),
        };
        let mut disk = OpenDisk::open(self.disk(&tree.unwrap()), Access::Read, self.dir.path()).unwrap();
        [0, 1, 2, 3].map(|block| {
            let mut byte = [0];
            disk.read_at(block * BLOCK, &mut byte).unwrap();
            byte[0]
        })
    }

    /// The files of layers that there are.
    fn layers(&self) -> usize {
        let dir = self.volumes.disk_path(self.volume.id);
        let entries = std::fs::read_dir(dir.parent().unwrap()).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "qcow2"))
            .count()
    }

    /// The layers that QEMU has open.
    fn open(&mut self) -> usize {
        self.effects.hypervisor.layers(self.server).unwrap().unwrap().len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.effects.hypervisor.remove(self.server);
    }
}

#[test]
fn snapshots_are_made_and_merged_while_a_vm_runs() {
    let Some(mut world) = world("snapshots_are_made_and_merged_while_a_vm_runs") else { return };
    world.ensure();
    snapshots_come_and_go(world);
}

/// QEMU does not merge downwards below a node that encrypts.
#[test]
fn snapshots_of_an_encrypted_volume_are_made_and_merged_while_a_vm_runs() {
    let test = "snapshots_of_an_encrypted_volume_are_made_and_merged_while_a_vm_runs";
    let Some(mut world) = world(test) else { return };
    world.encrypt();
    snapshots_come_and_go(world);
}

fn snapshots_come_and_go(mut world: World) {
    let mut snapshots = Vec::new();
    for block in 0..3 {
        world.write(block, block as u8 + 1);
        snapshots.push(world.snapshot());
    }
    world.write(3, 4);
    world.start();
    // Asked for twice, as after an answer that was lost.
    let fourth = world.snapshot();
    world.ensure();
    assert_eq!((world.layers(), world.open()), (5, 5));

    // In the middle, then the oldest, then the one below the head.
    for (gone, left) in [(snapshots[1], 4), (snapshots[0], 3), (fourth, 2)] {
        world.volume.snapshots.remove(&gone);
        world.settle();
        assert_eq!((world.layers(), world.open()), (left, left));
    }
    world.stop();
    let held = world.read(Some(snapshots[2]));
    assert_eq!((world.read(None), &held[..3]), ([1, 2, 3, 4], &[1, 2, 3][..]));
    // What was never written is noise where it is encrypted.
    assert!(held[3] == 0 || world.volume.encryption.is_some());
    world.volume.snapshots.clear();
    world.settle();
    assert_eq!((world.layers(), world.read(None)), (1, [1, 2, 3, 4]));
}

#[test]
fn a_vm_stands_still_while_snapshots_of_one_moment_are_made() {
    let Some(mut world) = world("a_vm_stands_still_while_snapshots_of_one_moment_are_made") else { return };
    world.ensure();
    let other = Volume { id: VolumeId(runtime::new_uuid()), ..world.volume.clone() };
    ensure(&mut world.effects, &other, &world.vms).unwrap();
    world.start();
    let disk = Disk {
        volume: other.id,
        blockdev: world.volumes.blockdev(other.id).unwrap(),
        boot_index: None,
        read_only: false,
        shared: false,
        limits: Limits::new(),
        secret: None,
    };
    world.effects.hypervisor.attach_disk(world.server, &disk).unwrap();
    let held = |volume: &Volume| VmVolume { id: volume.id, device: String::new(), boot: false };
    let vm = Vm { volumes: vec![held(&world.volume), held(&other)], ..Vm::clone(&world.vms[0]) };
    let vms = [Arc::new(vm)];
    let moment = || SnapshotId(runtime::new_uuid());
    let members = [(Arc::new(world.volume.clone()), moment()), (Arc::new(other), moment())];
    while world.events.try_recv().is_ok() {}
    for _ in 0..2 {
        take_together(&mut world.effects, &members, &vms).unwrap();
        for (volume, snapshot) in &members {
            assert_eq!(world.volumes.observe_volume(volume.id).unwrap().unwrap().snapshots, [*snapshot]);
        }
        assert_eq!(world.open(), 4);
    }
    let told = || world.events.recv_timeout(Duration::from_secs(10)).unwrap().kind;
    assert_eq!((told(), told()), (VmEventKind::Paused, VmEventKind::Resumed));
    assert!(world.events.try_recv().is_err(), "asked again it need not stand still");
    // Nobody wants it to have them any more, and its guest has not let go.
    let next = members.clone().map(|(volume, _)| (volume, moment()));
    take_together(&mut world.effects, &next, &world.vms).unwrap();
    assert_eq!(world.open(), 6);
    let told = || world.events.recv_timeout(Duration::from_secs(10)).unwrap().kind;
    assert_eq!((told(), told()), (VmEventKind::Paused, VmEventKind::Resumed));
    assert_eq!(world.effects.hypervisor.observe(world.server).unwrap().power, hypervisor::Power::Running);
}

#[test]
fn a_volume_is_not_removed_before_its_vm_has_let_go() {
    let Some(mut world) = world("a_volume_is_not_removed_before_its_vm_has_let_go") else { return };
    world.ensure();
    world.start();
    let id = world.volume.id;
    let error = remove(&mut world.effects, id, Some(&world.volume), &world.vms).unwrap_err();
    assert!(error.words.contains("still has it"), "{error:?}");
    assert!(world.volumes.observe_volume(id).unwrap().is_some());
    world.stop();
    remove(&mut world.effects, id, Some(&world.volume), &world.vms).unwrap();
    assert_eq!(world.volumes.observe_volume(id).unwrap(), None);
}

#[test]
fn the_ancestors_of_a_clone_are_found() {
    let clone = |id: u128, of: u128| {
        let volume = VolumeId(uuid::Uuid::from_u128(of));
        let source = VolumeSource::Snapshot { volume, id: SnapshotId(runtime::new_uuid()) };
        let id = VolumeId(uuid::Uuid::from_u128(id));
        Volume {
            id,
            backend: None,
            elsewhere: None,
            size_gib: 1,
            source,
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
    };
    let all = [clone(3, 2), clone(2, 1), clone(9, 3)].map(|volume| (volume.id, Arc::new(volume)));
    let found = ancestors(&clone(4, 3), &BTreeMap::from(all));
    assert_eq!(found.iter().map(|id| id.0.as_u128()).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_snapshot_that_was_interrupted_is_given_to_the_vm() {
    let Some(mut world) = world("a_snapshot_that_was_interrupted_is_given_to_the_vm") else { return };
    world.ensure();
    world.start();
    // The directory has it, and whoever was to tell QEMU has died.
    let id = SnapshotId(runtime::new_uuid());
    world.volumes.ensure_snapshot(Snapshot { volume: world.volume.id, id }, None).unwrap();
    assert_eq!((world.layers(), world.open()), (2, 1));
    world.volume.snapshots.insert(id);
    world.ensure();
    assert_eq!(world.open(), 2);
}

#[test]
fn a_disk_grows_and_is_limited_while_a_vm_runs() {
    let Some(mut world) = world("a_disk_grows_and_is_limited_while_a_vm_runs") else { return };
    world.ensure();
    grow(world);
}

#[test]
fn an_encrypted_disk_grows_and_is_limited_while_a_vm_runs() {
    let Some(mut world) = world("an_encrypted_disk_grows_and_is_limited_while_a_vm_runs") else { return };
    world.encrypt();
    grow(world);
}

fn grow(mut world: World) {
    world.start();
    let before = world.snapshot();
    world.volume.size_gib = 2;
    world.volume.limits = BTreeMap::from([("iops-total".to_owned(), 100), ("bps-write".to_owned(), 1 << 20)]);
    assert_eq!(world.ensure().seen.size_gib, 2);
    world.volume.limits.clear();
    world.ensure();
    let backend = world.volumes.clone();
    let size_bytes = 2 * GIB + super::header_of(world.volume.encryption.as_ref());
    assert_eq!(backend.observe_volume(world.volume.id).unwrap().unwrap().size_bytes, size_bytes);
    world.volume.snapshots.remove(&before);
    world.settle();
    assert_eq!((world.layers(), world.open()), (1, 1));
}

#[test]
fn a_volume_for_several_vms_is_changed_through_all_of_them() {
    let Some(mut world) = world("a_volume_for_several_vms_is_changed_through_all_of_them") else { return };
    world.volume.multiattach = true;
    world.ensure();
    let second = ServerId(runtime::new_uuid());
    world.vms.push(Arc::new(Vm { id: second, ..crate::tests::vm() }));
    world.start();
    world.start_as(second);
    world.volume.size_gib = 2;
    world.volume.limits = BTreeMap::from([("iops-total".to_owned(), 100)]);
    // Once more, as after an agent that died between the two.
    for _ in 0..2 {
        assert_eq!(world.ensure().seen.size_gib, 2);
    }
    let (id, first) = (world.volume.id, world.server);
    for server in [first, second] {
        let shrunk = world.effects.hypervisor.resize_disk(server, id, GIB).unwrap_err().to_string();
        assert!(shrunk.contains("a disk of 2147483648 bytes cannot shrink"), "{shrunk}");
    }
    let refused =
        |world: &mut World| ensure(&mut world.effects, &world.volume, &world.vms).map(drop).unwrap_err();
    // There is no moment at which both could be held up.
    let snapshot = SnapshotId(runtime::new_uuid());
    world.volume.snapshots.insert(snapshot);
    let trouble = refused(&mut world);
    assert!(trouble.words.contains("as long as a server runs that has it") && !trouble.passes, "{trouble:?}");
    world.volume.snapshots.clear();
    world.volume.multiattach = false;
    assert!(refused(&mut world).words.contains("a server has it"));
    world.volume.multiattach = true;
    world.stop();
    assert!(remove(&mut world.effects, id, Some(&world.volume), &world.vms).is_err());
    assert_eq!(world.ensure().seen.size_gib, 2);
    world.effects.hypervisor.remove(second).unwrap();
    world.volume.snapshots.insert(snapshot);
    let made = loop {
        match ensure(&mut world.effects, &world.volume, &world.vms) {
            Err(trouble) if trouble.passes => runtime::sleep_blocking(Duration::from_millis(20)),
            made => break made.unwrap(),
        }
    };
    assert_eq!(made.seen.snapshots, world.volume.snapshots);
}
