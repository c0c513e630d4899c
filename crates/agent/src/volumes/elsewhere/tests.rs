//! A volume on its way from one real backend to another.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use agent_api::block::{
    Anew, Copy, CopyFrom, CopyTo, Elsewhere, ElsewhereSeen, Encryption, ImageSource, Limits, Volume,
    VolumeSource,
};
use agent_api::compute::Vm;
use hypervisor::fake::{Fake, World as Vms};
use hypervisor::{Disk, Exchange, Power};
use storage::disk::{Access, OpenDisk};
use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::objects::Directory;
use storage::{DiskFormat, ImageStore, Upload, VolumeBackend};
use types::{CopyId, ImageId, ServerId, SnapshotId, VolumeId};

use crate::backends::Backends;
use crate::copies::{Places, Threads};
use crate::effects::{Effects, Event};
use crate::fake::{FakeFabric, World as Network};
use crate::moved::Moved;
use crate::volumes::tests::spec;
use crate::{copies, volumes};

const MIB: usize = 1 << 20;

struct World {
    dir: tempfile::TempDir,
    backends: [Arc<FileVolumes>; 2],
    vms: Vms,
    servers: Vec<Arc<Vm>>,
    effects: Effects,
    events: Receiver<Event>,
    volume: Volume,
}

fn world(test: &str) -> Option<World> {
    if Command::new("qemu-nbd").arg("--version").output().is_err() {
        println!("skipped: {test}: qemu-nbd is not installed");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let backends = ["fast", "slow"].map(|name| {
        let config = FileConfig { root: dir.path().join(name), reserve_bytes: 1 };
        Arc::new(FileVolumes::open(&config).unwrap())
    });
    let vms = Vms::new();
    let (effects, events) = effects(&dir, &backends, &vms);
    let volume = Volume {
        id: VolumeId(runtime::new_uuid()),
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
    Some(World { dir, backends, vms, servers: Vec::new(), effects, events, volume })
}

/// What an agent has that was just started.
fn effects(
    dir: &tempfile::TempDir,
    [fast, slow]: &[Arc<FileVolumes>; 2],
    vms: &Vms,
) -> (Effects, Receiver<Event>) {
    let images = FileConfig { root: dir.path().to_owned(), reserve_bytes: 1 };
    let places = Places {
        images: Arc::new(FileImages::open(&images).unwrap()),
        backups: Arc::new(Directory::open(&dir.path().join("b")).unwrap()),
        run_dir: dir.path().to_owned(),
    };
    let (sender, events) = channel();
    let effects = Effects {
        fabric: Box::new(FakeFabric::new(Network::default(), channel().0)),
        hypervisor: Box::new(Fake::new(vms.clone(), channel().0)),
        backends: Backends::new("fast", fast.clone()).with("slow", slow.clone()),
        moved: Moved::open(&dir.path().join("moved")).unwrap(),
        copier: Box::new(Threads::open(&dir.path().join("c"), places, sender).unwrap()),
    };
    (effects, events)
}

impl World {
    fn ensure(&mut self) -> Option<ElsewhereSeen> {
        volumes::ensure(&mut self.effects, &self.volume, &self.servers).unwrap().seen.elsewhere
    }

    fn wish(&mut self, backend: &str, wanted: bool) -> Result<(), String> {
        let wish = Elsewhere { backend: backend.to_owned(), wanted, ..Elsewhere::default() };
        self.volume.elsewhere = Some(wish.clone());
        let seen = self.ensure().unwrap();
        assert_eq!(seen.wish, wish);
        seen.error.map_or(Ok(()), Err)
    }

    /// On which backends there is something.
    fn places(&self) -> [bool; 2] {
        [0, 1].map(|at| self.backends[at].observe_volume(self.volume.id).unwrap().is_some())
    }

    /// Whether the copy is done, or why it failed.
    fn copy(&mut self, copy: &Copy) -> Result<bool, String> {
        let documents = BTreeMap::from([(self.volume.id, Arc::new(self.volume.clone()))]);
        let made = copies::ensure(&mut self.effects, copy, &documents);
        made.map(|seen| seen.done.is_some()).map_err(|trouble| trouble.words)
    }

    fn open(&self, at: usize, access: Access) -> OpenDisk {
        let tree = self.backends[at].blockdev(self.volume.id).unwrap();
        OpenDisk::open(&tree, access, self.dir.path()).unwrap()
    }
}

#[test]
fn a_volume_goes_to_another_backend_and_leaves_the_first() {
    let Some(mut world) = world("a_volume_goes_to_another_backend_and_leaves_the_first") else { return };
    assert_eq!(world.ensure(), None);
    let content = [5, 6, 7, 8].repeat(MIB);
    world.open(0, Access::Write).write_at(17 * MIB as u64 + 512, &content).unwrap();
    let moment = SnapshotId(runtime::new_uuid());
    world.volume.snapshots.insert(moment);
    world.wish("slow", true).unwrap();
    assert_eq!(world.places(), [true, true]);
    let copy = Copy {
        id: CopyId(runtime::new_uuid()),
        from: CopyFrom::Snapshot { volume: world.volume.id, id: moment },
        to: CopyTo::Elsewhere(world.volume.id),
        sealed: true,
    };
    // The first agent ends while it copies, and what it had open is closed soon; the next one begins again.
    assert_eq!(world.copy(&copy), Ok(false));
    world.effects.copier.remove(copy.id).unwrap();
    world.restart();
    world.wish("slow", true).unwrap();
    for _ in 0..20 {
        match world.copy(&copy) {
            Ok(true) => break,
            Ok(false) => assert!(world.events.recv_timeout(Duration::from_secs(60)).is_ok()),
            Err(error) => assert!(error.contains("lock"), "{error}"),
        }
    }
    assert_eq!(world.copy(&copy), Ok(true));
    world.volume.backend = Some("slow".to_owned());
    world.volume.snapshots.clear();
    world.wish("fast", false).unwrap();
    world.effects.copier.remove(copy.id).unwrap();
    assert_eq!(world.places(), [false, true]);
    let mut read = vec![1; 64 * MIB];
    world.open(1, Access::Read).read_at(0, &mut read).unwrap();
    let at = 17 * MIB + 512;
    assert!(read[at..at + content.len()] == content, "the content is another");
    assert!(read[..at].iter().chain(&read[at + content.len()..]).all(|byte| *byte == 0));
}

fn encryption(passphrase: &str, key_size_bits: u32) -> Encryption {
    Encryption {
        key_id: runtime::new_uuid().into(),
        cipher: "aes-xts-plain64".to_owned(),
        key_size_bits,
        passphrase: Some(passphrase.to_owned().into()),
    }
}

/// What the guest sees of the volume.
fn disk(world: &World, access: Access) -> OpenDisk {
    let nodes = world.backends[0].blockdev(world.volume.id).unwrap();
    let tree = match &world.volume.encryption {
        Some(encryption) => volumes::luks(encryption).unwrap().disk(nodes),
        None => (&nodes).into(),
    };
    OpenDisk::open(tree, access, world.dir.path()).unwrap()
}

/// Where the bytes are that tell.
const AT: usize = 17 * MIB + 512;

/// What a volume is to be copied to on its own backend, encrypted so.
fn beside(anew: Option<Encryption>) -> Elsewhere {
    Elsewhere {
        backend: "fast".to_owned(),
        wanted: true,
        anew: Some(Anew { encryption: anew }),
        id: Some(VolumeId(runtime::new_uuid())),
        ..Elsewhere::default()
    }
}

impl World {
    fn on_first(&self) -> Vec<VolumeId> {
        self.backends[0].observe_volumes().unwrap()
    }

    /// Copies what the guest sees to what there is beside, begun by an agent that ends meanwhile.
    fn copy_anew(&mut self, wish: &Elsewhere) -> CopyId {
        let moment = SnapshotId(runtime::new_uuid());
        self.volume.snapshots.insert(moment);
        let from = CopyFrom::Snapshot { volume: self.volume.id, id: moment };
        self.copy_beside(wish, from, false).id
    }

    /// Copies this to what there is beside, begun by an agent that ends meanwhile.
    fn copy_beside(&mut self, wish: &Elsewhere, from: CopyFrom, sealed: bool) -> Copy {
        self.volume.elsewhere = Some(wish.clone());
        let seen = self.ensure().unwrap();
        assert_eq!((&seen.wish, &seen.error), (&wish.without_secrets(), &None));
        assert!(!serde_json::to_string(&seen).unwrap().contains("passphrase"));
        let to = CopyTo::Elsewhere(self.volume.id);
        let copy = Copy { id: CopyId(runtime::new_uuid()), from, to, sealed };
        // Whoever has no key of what it is to be waits for one, and does nothing else instead.
        if !sealed && wish.anew.as_ref().unwrap().encryption.is_some() {
            self.volume.elsewhere = Some(wish.without_secrets());
            assert_eq!(self.copy(&copy), Ok(false));
            assert!(self.events.try_recv().is_err());
            self.volume.elsewhere = Some(wish.clone());
        }
        assert_eq!(self.copy(&copy), Ok(false));
        self.effects.copier.remove(copy.id).unwrap();
        self.restart();
        for _ in 0..20 {
            match self.copy(&copy) {
                Ok(true) => break,
                Ok(false) => assert!(self.events.recv_timeout(Duration::from_secs(60)).is_ok()),
                Err(error) => assert!(error.contains("lock"), "{error}"),
            }
        }
        assert_eq!(self.copy(&copy), Ok(true));
        copy
    }

    /// An image of these bytes for the first backend.
    fn image(&self, bytes: &[u8]) -> ImageSource {
        let config = FileConfig { root: self.dir.path().join("fast"), reserve_bytes: 1 };
        let image = ImageId(runtime::new_uuid());
        let upload = Upload { image, format: DiskFormat::Raw, size_bytes_max: 2 << 30, enforce: true };
        let images = FileImages::open(&config).unwrap();
        let mut writer = images.writer(&upload).unwrap();
        writer.write(bytes).unwrap();
        writer.finish().unwrap();
        ImageSource { id: image, format: "raw".to_owned() }
    }

    /// Removes an image while what was copied of it is in use.
    fn remove_image(&self, image: &ImageSource) {
        let config = FileConfig { root: self.dir.path().join("fast"), reserve_bytes: 1 };
        FileImages::open(&config).unwrap().remove_image(image.id).unwrap();
    }

    /// Lets the copy take the volume's place, by an agent that ended in the middle of that.
    fn replace(&mut self, wish: Elsewhere) {
        let wish = Elsewhere { wanted: false, anew: None, replaces: true, ..wish };
        self.volume.snapshots.clear();
        self.volume.elsewhere = Some(wish.clone());
        let backend = self.backends[0].clone();
        assert!(volumes::check_replaced(backend.as_ref(), &self.volume).is_err(), "no VM gets it yet");
        // The old one is out of sight, and the new one has not its name yet.
        let folder = self.dir.path().join("fast/volumes");
        let id = self.volume.id.to_string();
        std::fs::rename(folder.join(&id), folder.join(format!(".{id}-0"))).unwrap();
        for _ in 0..2 {
            assert_eq!(
                self.ensure().unwrap(),
                ElsewhereSeen { wish: wish.clone(), ..ElsewhereSeen::default() }
            );
        }
        volumes::check_replaced(backend.as_ref(), &self.volume).unwrap();
        backend.sweep().unwrap();
        assert_eq!(self.on_first(), [self.volume.id]);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "something is left");
        self.volume.elsewhere = None;
    }
}

#[test]
fn a_volume_is_encrypted_anew_on_its_own_backend() {
    let test = "a_volume_is_encrypted_anew_on_its_own_backend";
    let Some(mut world) = world(test) else { return };
    if Command::new("qemu-img").arg("--version").output().is_err() {
        println!("skipped: {test}: qemu-img is not installed");
        return;
    }
    world.ensure();
    let content = [5, 6, 7, 8].repeat(MIB);
    disk(&world, Access::Write).write_at(AT as u64, &content).unwrap();
    for anew in [Some(encryption("one", 256)), Some(encryption("two", 512)), None] {
        let wish = beside(anew.clone());
        let copy = world.copy_anew(&wish);
        // Given up now, the volume would be what it was.
        assert_eq!(world.on_first().len(), 2);
        let mut read = vec![0; content.len()];
        disk(&world, Access::Read).read_at(AT as u64, &mut read).unwrap();
        assert!(read == content, "it is not what it was");
        world.volume.encryption = anew;
        world.replace(wish);
        world.effects.copier.remove(copy).unwrap();
        assert_eq!(volumes::ensure(&mut world.effects, &world.volume, &[]).unwrap().seen.size_gib, 1);
        let mut disk = disk(&world, Access::Read);
        assert_eq!(disk.size_bytes(), 1 << 30);
        let mut read = vec![1; 32 * MIB];
        disk.read_at(0, &mut read).unwrap();
        assert!(read[AT..AT + content.len()] == content, "the content is another");
        assert!(read[..AT].iter().chain(&read[AT + content.len()..]).all(|byte| *byte == 0));
    }
}

#[test]
fn an_image_takes_the_place_of_what_a_volume_holds() {
    let test = "an_image_takes_the_place_of_what_a_volume_holds";
    let Some(mut world) = world(test) else { return };
    if Command::new("qemu-img").arg("--version").output().is_err() {
        println!("skipped: {test}: qemu-img is not installed");
        return;
    }
    let old = [1, 2, 3, 4].repeat(MIB);
    for (anew, sealed) in
        [(None, false), (Some(encryption("one", 256)), false), (Some(encryption("two", 512)), true)]
    {
        world.ensure();
        disk(&world, Access::Write).write_at(AT as u64, &old).unwrap();
        let content: Vec<u8> = (0..3 * MIB as u32).map(|at| (at % 251) as u8).collect();
        let image = world.image(&content);
        let wish = beside(anew.clone());
        let copy = world.copy_beside(&wish, CopyFrom::Image(image.clone()), sealed);
        // The volume, what takes its place, and the clone that is read.
        assert_eq!(world.on_first().len(), 3);
        let mut read = vec![0; old.len()];
        disk(&world, Access::Read).read_at(AT as u64, &mut read).unwrap();
        assert!(read == old, "it is not what it was");
        copies::remove(&mut world.effects, copy.id, Some(&copy)).unwrap();
        assert_eq!(world.on_first().len(), 2);
        world.remove_image(&image);
        world.volume.encryption = anew;
        world.replace(wish);
        assert_eq!(volumes::ensure(&mut world.effects, &world.volume, &[]).unwrap().seen.size_gib, 1);
        // What was encrypted already lies there as it did in the image.
        let mut disk = if sealed { world.open(0, Access::Read) } else { disk(&world, Access::Read) };
        let mut read = vec![1; 32 * MIB];
        disk.read_at(0, &mut read).unwrap();
        assert!(read[..content.len()] == content, "the content is another");
        assert!(read[content.len()..].iter().all(|byte| *byte == 0), "something of before is left");
        let size_bytes = if sealed { volumes::size_elsewhere(&world.volume) } else { 1 << 30 };
        assert_eq!(disk.size_bytes(), size_bytes);
    }
}

#[test]
fn what_is_copied_of_an_image_goes_with_the_copy() {
    let Some(mut world) = world("what_is_copied_of_an_image_goes_with_the_copy") else { return };
    let image = world.image(&[7; 512]);
    let wish = beside(None);
    world.volume.elsewhere = Some(wish.clone());
    world.ensure();
    let (from, to) = (CopyFrom::Image(image), CopyTo::Elsewhere(world.volume.id));
    let copy = Copy { id: CopyId(runtime::new_uuid()), from, to, sealed: false };
    assert_eq!(world.copy(&copy), Ok(false));
    world.restart();
    assert_eq!(world.on_first().len(), 3);
    // Also where the next agent does not know what it was of.
    copies::remove(&mut world.effects, copy.id, None).unwrap();
    world.volume.elsewhere = Some(Elsewhere { wanted: false, anew: None, ..wish });
    assert_eq!(world.ensure().unwrap().error, None);
    assert_eq!(world.on_first(), [world.volume.id]);
    let gone = ImageSource { id: ImageId(runtime::new_uuid()), format: "raw".to_owned() };
    let refused = world.copy(&Copy { from: CopyFrom::Image(gone), ..copy }).unwrap_err();
    assert!(refused.contains("image"), "{refused}");
    assert_eq!(world.on_first(), [world.volume.id]);
}

#[test]
fn what_was_begun_beside_a_volume_goes_alone_or_with_it() {
    let Some(mut world) = world("what_was_begun_beside_a_volume_goes_alone_or_with_it") else { return };
    let wish = beside(Some(encryption("three", 256)));
    world.volume.elsewhere = Some(wish.clone());
    world.ensure();
    assert_eq!(world.on_first().len(), 2);
    world.volume.elsewhere = Some(Elsewhere { wanted: false, anew: None, ..wish.clone() });
    assert_eq!(world.ensure().unwrap().error, None);
    assert_eq!(world.on_first(), [world.volume.id]);
    // What is nowhere takes nobody's place.
    world.volume.elsewhere = Some(Elsewhere { wanted: false, replaces: true, ..wish.clone() });
    assert!(volumes::ensure(&mut world.effects, &world.volume, &[]).is_err());
    assert_eq!(world.on_first(), [world.volume.id]);
    world.volume.elsewhere = Some(wish);
    world.ensure();
    volumes::remove(&mut world.effects, world.volume.id, Some(&world.volume), &[]).unwrap();
    assert_eq!(world.on_first(), []);
}

#[test]
fn what_was_begun_elsewhere_goes_and_the_volume_itself_never() {
    let Some(mut world) = world("what_was_begun_elsewhere_goes_and_the_volume_itself_never") else { return };
    world.wish("slow", true).unwrap();
    world.wish("slow", false).unwrap();
    assert_eq!(world.places(), [true, false]);
    for wanted in [true, false] {
        let refused = world.wish("fast", wanted).unwrap_err();
        assert!(refused.contains("own backend"), "{refused}");
        assert!(world.wish("odd", wanted).unwrap_err().contains("no storage backend odd"));
    }
    assert_eq!(world.places(), [true, false]);
    world.wish("slow", true).unwrap();
    volumes::remove(&mut world.effects, world.volume.id, Some(&world.volume), &[]).unwrap();
    assert_eq!(world.places(), [false, false]);
}

impl World {
    /// Makes the volume, and room for it on the other backend, and starts a VM that has it.
    fn start(&mut self) -> ServerId {
        self.wish("slow", true).unwrap();
        let server = ServerId(runtime::new_uuid());
        let disk = Disk {
            volume: self.volume.id,
            blockdev: self.backends[0].blockdev(self.volume.id).unwrap(),
            boot_index: None,
            read_only: false,
            shared: false,
            limits: Limits::new(),
            secret: None,
        };
        let spec = spec(server, disk, self.dir.path());
        self.effects.hypervisor.start(&spec, Vec::new()).unwrap();
        self.servers = vec![Arc::new(Vm { id: server, ..crate::tests::vm() })];
        server
    }

    /// The VM is to take the volume to the other backend.
    fn mirror(&mut self, id: CopyId) {
        let wish =
            Elsewhere { backend: "slow".to_owned(), wanted: true, mirror: Some(id), ..Elsewhere::default() };
        self.volume.elsewhere = Some(wish);
    }

    fn look(&mut self) -> (u8, bool, Option<String>) {
        let seen = self.ensure().unwrap();
        assert_eq!(Some(&seen.wish), self.volume.elsewhere.as_ref());
        (seen.percent, seen.arrived, seen.error)
    }

    /// The agent is killed, and another one starts.
    fn restart(&mut self) {
        (self.effects, self.events) = effects(&self.dir, &self.backends, &self.vms);
    }

    /// Where the VM has the volume: the number of the backend.
    fn opened(&self, server: ServerId) -> usize {
        let tree = self.vms.blockdev(server, self.volume.id).unwrap();
        let is_it = |at: &usize| self.backends[*at].blockdev(self.volume.id).is_ok_and(|other| other == tree);
        (0..2).find(is_it).unwrap()
    }

    fn recorded(&self) -> Option<&str> {
        self.effects.moved.backend(self.volume.id)
    }

    /// Where a VM would open the volume.
    fn home(&self) -> &str {
        volumes::backend_name(&self.effects, &self.volume).unwrap_or("fast")
    }
}

#[test]
fn a_vm_takes_its_volume_to_another_backend() {
    let Some(mut world) = world("a_vm_takes_its_volume_to_another_backend") else { return };
    let server = world.start();
    world.mirror(CopyId(runtime::new_uuid()));
    assert_eq!(world.look(), (0, false, None));
    assert_eq!(world.look(), (50, false, None));
    // Another agent finds what this one began.
    world.restart();
    assert_eq!((world.home(), world.opened(server)), ("fast", 0));
    assert_eq!(world.look(), (100, true, None));
    assert_eq!((world.home(), world.opened(server)), ("slow", 1));
    // From now on that is so, whatever the document says and whoever reads it.
    for _ in 0..2 {
        assert_eq!(world.look(), (100, true, None));
        assert_eq!(world.places(), [true, true]);
        world.restart();
        assert_eq!(world.home(), "slow");
    }
    let refused = Elsewhere { backend: "slow".to_owned(), wanted: false, ..Elsewhere::default() };
    world.volume.elsewhere = Some(refused);
    assert_eq!(world.look(), (100, true, None));
    assert_eq!((world.places(), world.opened(server)), ([true, true], 1));
    // The control plane has heard of it.
    world.volume.backend = Some("slow".to_owned());
    world.wish("fast", false).unwrap();
    assert_eq!((world.places(), world.recorded(), world.home()), ([false, true], None, "slow"));
    world.restart();
    assert_eq!((world.recorded(), world.home()), (None, "slow"));
    world.volume.elsewhere = None;
    assert_eq!(world.ensure(), None);
}

#[test]
fn an_exchange_that_was_interrupted_is_recorded_before_anything_else() {
    let test = "an_exchange_that_was_interrupted_is_recorded_before_anything_else";
    for given_up in [false, true] {
        let Some(mut world) = world(test) else { return };
        let server = world.start();
        let (id, volume) = (CopyId(runtime::new_uuid()), world.volume.id);
        world.mirror(id);
        assert_eq!((world.look().0, world.look().0), (0, 50));
        // Killed once the VM has the other place, and before that is recorded: the VM stands still.
        let wanted = Exchange { volume, id, to: "slow".to_owned() };
        let killed = world
            .effects
            .hypervisor
            .exchange_disk(server, &wanted, &mut || Err(std::io::Error::other("killed")));
        assert!(killed.is_err());
        world.restart();
        let power = |world: &mut World| world.effects.hypervisor.observe(server).unwrap().power;
        assert_eq!((power(&mut world), world.recorded()), (Power::Paused, None));
        assert!(world.effects.hypervisor.resume(server).is_err());
        if given_up {
            let wish = Elsewhere { backend: "slow".to_owned(), wanted: false, ..Elsewhere::default() };
            world.volume.elsewhere = Some(wish);
        }
        assert_eq!(world.look(), (100, true, None));
        assert_eq!((power(&mut world), world.recorded()), (Power::Running, Some("slow")));
        assert_eq!((world.places(), world.opened(server)), ([true, true], 1));
        // A volume that goes now leaves nothing.
        world.effects.hypervisor.remove(server).unwrap();
        let document = world.volume.clone();
        volumes::remove(&mut world.effects, volume, Some(&document), &[]).unwrap();
        assert_eq!((world.places(), world.recorded()), ([false, false], None));
        world.restart();
        assert_eq!(world.recorded(), None);
    }
}

#[test]
fn a_volume_that_no_vm_can_take_stays() {
    let Some(mut world) = world("a_volume_that_no_vm_can_take_stays") else { return };
    let server = world.start();
    let id = CopyId(runtime::new_uuid());
    world.mirror(id);
    let refused = |world: &mut World, words: &str| {
        let (_, arrived, error) = world.look();
        assert!(!arrived && error.as_ref().is_some_and(|error| error.contains(words)), "{error:?}");
    };
    assert_eq!(world.look(), (0, false, None));
    // Given up in the middle, the mirror ends before what it wrote goes.
    let undo = Elsewhere { backend: "slow".to_owned(), wanted: false, ..Elsewhere::default() };
    world.volume.elsewhere = Some(undo);
    assert_eq!(world.look(), (0, false, None));
    assert_eq!(world.effects.hypervisor.mirrored(server, world.volume.id, id).unwrap(), None);
    assert_eq!((world.places(), world.opened(server)), ([true, false], 0));
    world.wish("slow", true).unwrap();
    world.mirror(id);
    world.volume.snapshots.insert(SnapshotId(runtime::new_uuid()));
    refused(&mut world, "it has snapshots");
    world.volume.snapshots.clear();
    world.effects.hypervisor.stop(server).unwrap();
    refused(&mut world, "no server that runs has it");
    assert_eq!((world.recorded(), world.places()), (None, [true, true]));
}

#[test]
fn records_are_kept_and_what_is_none_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (VolumeId(runtime::new_uuid()), VolumeId(runtime::new_uuid()));
    let mut moved = Moved::open(dir.path()).unwrap();
    moved.prepare(one, "slow").unwrap();
    moved.prepare(two, "slow").unwrap();
    moved.record(one, "fast").unwrap();
    let moved = Moved::open(dir.path()).unwrap();
    assert_eq!((moved.backend(one), moved.backend(two)), (Some("fast"), None));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "what was not decided is gone");
    std::fs::write(dir.path().join("what"), "slow").unwrap();
    assert!(Moved::open(dir.path()).unwrap_err().to_string().contains("is of no volume"));
}
