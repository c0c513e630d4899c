//! What volumes for several VMs contain, and who may touch them, as QEMU sees it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use storage::disk::{Access, OpenDisk};
use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::{DiskFormat, Error, LiveDisk, NewVolume, Snapshot, Source, Tidied, VolumeBackend};
use types::{SnapshotId, VolumeId};

use crate::suite::underway;
use crate::{TempDir, file_config, tool, upload};

const MIB: u64 = 1 << 20;

struct World {
    dir: TempDir,
    images: FileImages,
    volumes: FileVolumes,
}

fn world(test: &str) -> Option<World> {
    for program in ["qemu-nbd", "qemu-img", "qemu-system-x86_64", "setpriv"] {
        tool(test, program, &["--version"])?;
    }
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (images, volumes) = (FileImages::open(&config).unwrap(), FileVolumes::open(&config).unwrap());
    Some(World { dir, images, volumes })
}

impl World {
    fn make(&self, source: Source, multiattach: bool) -> VolumeId {
        let id = VolumeId(runtime::new_uuid());
        let new = NewVolume { id, size_bytes: 2 * MIB, source, multiattach };
        underway(|| self.volumes.ensure_volume(&new));
        id
    }

    fn become_for(&self, id: VolumeId, multiattach: bool) -> storage::Result<()> {
        let new = NewVolume { id, size_bytes: 2 * MIB, source: Source::Blank, multiattach };
        loop {
            match self.volumes.ensure_volume(&new) {
                Err(Error::Underway { .. }) => std::thread::yield_now(),
                done => return done,
            }
        }
    }

    fn write(&self, volume: VolumeId, offset: u64, byte: u8) {
        let tree = self.volumes.blockdev(volume).unwrap();
        let mut disk = OpenDisk::open(&tree, Access::Write, self.dir.path()).unwrap();
        disk.write_at(offset, &[byte; 4096]).unwrap();
        disk.flush().unwrap();
    }

    fn byte(&self, tree: &Value, offset: u64) -> u8 {
        let mut disk = OpenDisk::open(tree, Access::Read, self.dir.path()).unwrap();
        let mut bytes = [0; 4096];
        disk.read_at(offset, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
        bytes[0]
    }

    fn content(&self, volume: VolumeId) -> [u8; 2] {
        let tree = self.volumes.blockdev(volume).unwrap();
        [self.byte(&tree, 0), self.byte(&tree, MIB)]
    }

    fn snapshot(&self, volume: VolumeId) -> Snapshot {
        let at = Snapshot { volume, id: SnapshotId(runtime::new_uuid()) };
        underway(|| self.volumes.ensure_snapshot(at, None));
        at
    }

    fn files(&self, volume: VolumeId) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder(volume))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn folder(&self, volume: VolumeId) -> PathBuf {
        self.dir.path().join("volumes").join(volume.to_string())
    }
}

/// A VM whose processor stands still and that has one disk open, shared or not.
struct Vm(Child);

impl Vm {
    /// Starts it, unless QEMU does not open the disk.
    fn start(tree: &Value, device: &str) -> Result<Vm, String> {
        let mut tree = tree.clone();
        tree["node-name"] = "disk".into();
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-nodefaults", "-display", "none", "-S", "-m", "32", "-machine", "q35,accel=tcg"]);
        command.arg("-blockdev").arg(tree.to_string());
        command.args(["-device", &format!("virtio-blk-pci,drive=disk{device}")]);
        command.args(["-qmp", "stdio"]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap();
        // It answers once it has opened its disk.
        let ask = b"{\"execute\":\"qmp_capabilities\"}";
        let asked = child.stdin.as_mut().unwrap().write_all(ask);
        let answers = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        if asked.is_ok() && answers.map_while(Result::ok).any(|line| line.contains("return")) {
            return Ok(Vm(child));
        }
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        Err(said)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if let Some(stdin) = self.0.stdin.as_mut() {
            let _ = stdin.write_all(b"{\"execute\":\"quit\"}");
        }
        let _ = self.0.wait();
    }
}

/// The disk of a VM that does what it is told.
struct Live;

impl LiveDisk for Live {
    fn layers(&mut self) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn push_layer(&mut self, _: &Value, _: &str) -> Result<(), String> {
        Err("a raw file has no layers".to_owned())
    }

    fn commit_layer(&mut self, _: &str, _: &str, _: &str) -> Result<bool, String> {
        Err("a raw file has no layers".to_owned())
    }

    fn stream_layer(&mut self, _: &str, _: Option<&str>, _: Option<&str>) -> Result<(), String> {
        Err("a raw file has no layers".to_owned())
    }
}

#[test]
fn what_layers_left_never_comes_back() {
    let Some(world) = world("what_layers_left_never_comes_back") else { return };
    let first = world.make(Source::Blank, false);
    world.write(first, 0, 1);
    let at = world.snapshot(first);
    // Its layers lie one over another, and `head` leads to the newest.
    let id = world.make(Source::Snapshot(at), false);
    world.write(id, MIB, 2);
    world.become_for(id, true).unwrap();
    assert!(world.files(id).contains(&"head".to_owned()), "nobody tidied it");
    world.write(id, 0, 3);
    // A link of a snapshot that was being made when somebody was killed.
    let link = world.folder(id).join(format!("{}.snapshot", runtime::new_uuid()));
    std::os::unix::fs::symlink("disk.qcow2", link).unwrap();
    world.become_for(id, false).unwrap();
    assert_eq!(world.content(id), [3, 2]);
    assert_eq!(world.files(id), ["base", "disk.qcow2"]);
}

#[test]
fn what_is_in_them_stays_whatever_becomes_of_them() {
    let Some(world) = world("what_is_in_them_stays_whatever_becomes_of_them") else { return };
    let (image, _) = upload(&world.images, DiskFormat::Raw, &[7; 65536]).unwrap();
    let volume = world.make(Source::Image { id: image, format: DiskFormat::Raw }, true);
    assert_eq!((world.content(volume), world.files(volume)), ([7, 0], vec!["disk.raw".to_owned()]));
    world.write(volume, MIB, 1);
    let at = world.snapshot(volume);
    world.write(volume, 0, 2);
    assert_eq!(world.content(volume), [2, 1]);
    // Clones of either kind have what there was, and let their source alone.
    for multiattach in [true, false] {
        let clone = world.make(Source::Snapshot(at), multiattach);
        assert_eq!(world.content(clone), [7, 1], "{multiattach}");
        world.write(clone, 0, 3);
        assert_eq!((world.content(clone), world.content(volume)), ([3, 1], [2, 1]));
        let tree = world.volumes.snapshot_blockdev(at).unwrap();
        assert_eq!([world.byte(&tree, 0), world.byte(&tree, MIB)], [7, 1]);
    }
    assert!(world.become_for(volume, false).unwrap_err().to_string().contains("it has snapshots"));
    underway(|| world.volumes.ensure_reverted(at, "back"));
    assert_eq!(world.content(volume), [7, 1]);
    world.volumes.remove_snapshot(at, None).unwrap();
    // There and back, with what is written in between.
    for (round, multiattach) in [false, true, false, true].into_iter().enumerate() {
        world.become_for(volume, multiattach).unwrap();
        world.volumes.tidy(volume, None).unwrap();
        assert_eq!(world.content(volume)[0], 7);
        world.write(volume, MIB, round as u8 + 10);
        assert_eq!(world.content(volume), [7, round as u8 + 10]);
    }
    assert_eq!(world.files(volume), ["disk.raw", "reverted"]);
    let layered = world.make(Source::Blank, false);
    world.write(layered, MIB, 4);
    let at = world.snapshot(layered);
    assert!(world.become_for(layered, true).unwrap_err().to_string().contains("it has snapshots"));
    let clone = world.make(Source::Snapshot(at), true);
    assert_eq!(world.content(clone), [0, 4]);
}

#[test]
fn vms_share_only_what_is_for_several() {
    let Some(world) = world("vms_share_only_what_is_for_several") else { return };
    let tree_of = |id| world.volumes.blockdev(id).unwrap();
    let start = |id, device: &str| Vm::start(&tree_of(id), device);
    let (shared, own) = (world.make(Source::Blank, true), world.make(Source::Blank, false));
    let first = start(shared, ",share-rw=on").unwrap();
    assert!(world.become_for(shared, false).unwrap_err().to_string().contains("lock"));
    let second = start(shared, ",share-rw=on").unwrap();
    let refused = start(shared, "").map(drop).unwrap_err();
    assert!(refused.contains("\"write\" lock"), "{refused}");
    // What is done with a volume that no VM has is not done with one that some have.
    let at = Snapshot { volume: shared, id: SnapshotId(runtime::new_uuid()) };
    let refused = world.volumes.ensure_snapshot(at, Some(&mut Live)).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }) && !refused.is_temporary(), "{refused}");
    let refused = loop {
        match world.volumes.ensure_snapshot(at, None) {
            Err(Error::Underway { .. }) => std::thread::yield_now(),
            other => break other.unwrap_err(),
        }
    };
    assert!(refused.to_string().contains("lock"), "{refused}");
    assert_eq!(world.volumes.observe_volume(shared).unwrap().unwrap().snapshots, []);
    // It may grow under them.
    world.volumes.ensure_size(shared, 3 * MIB).unwrap();
    drop((first, second));
    assert!(start(shared, "").is_ok(), "nobody has it any more");
    underway(|| world.volumes.ensure_snapshot(at, None));

    // One that is for one VM is for one, whatever is said of the device.
    let _first = start(own, ",share-rw=on").unwrap();
    let refused = start(own, ",share-rw=on").map(drop).unwrap_err();
    assert!(refused.contains("lock"), "{refused}");
    assert!(world.become_for(own, true).unwrap_err().to_string().contains("lock"));
}

#[test]
fn an_interrupted_copy_leaves_nothing() {
    let Some(world) = world("an_interrupted_copy_leaves_nothing") else { return };
    let volume = world.make(Source::Blank, true);
    world.write(volume, 0, 5);
    let folder = world.folder(volume);
    // As a crash leaves them: half a copy, and what a volume of layers was.
    for name in [".disk.raw", "base", "disk.qcow2"] {
        fs::write(folder.join(name), b"half").unwrap();
    }
    assert_eq!(world.content(volume), [5, 0]);
    world.volumes.tidy(volume, None).unwrap();
    assert_eq!(world.files(volume), ["disk.raw"]);
    // One that was to be made of something and is not wanted any more.
    let (image, _) = upload(&world.images, DiskFormat::Raw, &[7; 65536]).unwrap();
    let source = Source::Image { id: image, format: DiskFormat::Raw };
    let new = NewVolume { id: VolumeId(runtime::new_uuid()), size_bytes: 2 * MIB, source, multiattach: true };
    let _ = world.volumes.ensure_volume(&new);
    world.volumes.remove_volume(new.id).unwrap();
    world.volumes.sweep().unwrap();
    let left: Vec<String> =
        world.dir.tree().into_iter().filter(|path| path.starts_with("volumes/")).collect();
    assert_eq!(left, [format!("volumes/{volume}"), format!("volumes/{volume}/disk.raw")]);
}

/// Names the folder, the volume and the snapshot to [`a_copy_that_hangs`].
const HANGS: &str = "CUTTLE_TEST_COPY";

#[test]
fn a_copy_that_hangs() {
    let Ok(words) = std::env::var(HANGS) else {
        println!("skipped: a_copy_that_hangs: what_a_killed_copy_wrote_goes runs it");
        return;
    };
    let mut words = words.split(' ');
    let root = PathBuf::from(words.next().unwrap());
    let volumes = FileVolumes::open(&FileConfig { root, reserve_bytes: 1 }).unwrap();
    let volume = words.next().unwrap().parse().unwrap();
    match words.next() {
        Some(id) => {
            let at = Snapshot { volume, id: id.parse().unwrap() };
            underway(|| volumes.ensure_snapshot(at, None));
        }
        None => {
            let source = Source::Blank;
            let new = NewVolume { id: volume, size_bytes: 2 * MIB, source, multiattach: true };
            underway(|| volumes.ensure_volume(&new));
        }
    }
}

/// Begins a copy in a process that is killed in the middle of it: its `qemu-img` writes some bytes and goes no further.
fn kill_in_the_middle(world: &World, volume: VolumeId, snapshot: Option<SnapshotId>) {
    let tools = world.dir.path().join("tools");
    fs::create_dir_all(&tools).unwrap();
    // Whatever else is asked of it is done by the real one, which comes next in the path.
    let script = "#!/bin/sh\n[ \"$1\" = convert ] || PATH=\"${PATH#*:}\" exec qemu-img \"$@\"\n\
                  for last; do :; done\nprintf half > \"$last\"\nexec sleep 600\n";
    fs::write(tools.join("qemu-img"), script).unwrap();
    fs::set_permissions(tools.join("qemu-img"), fs::Permissions::from_mode(0o700)).unwrap();
    let root = world.dir.path().display();
    let about = snapshot.map_or(format!("{root} {volume}"), |id| format!("{root} {volume} {id}"));
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["raw::a_copy_that_hangs", "--exact"])
        .env(HANGS, about)
        .env("PATH", path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let scratch = world.folder(volume).join(".disk.raw");
    while fs::read(&scratch).unwrap_or_default() != b"half" {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it was killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_a_killed_copy_wrote_goes() {
    let Some(mut world) = world("what_a_killed_copy_wrote_goes") else { return };
    let volume = world.make(Source::Blank, true);
    world.write(volume, 0, 5);
    let at = Snapshot { volume, id: SnapshotId(runtime::new_uuid()) };
    // Once nobody wants it any more afterwards, and once it is still wanted.
    for wanted in [false, true] {
        kill_in_the_middle(&world, volume, Some(at.id));
        world.volumes = FileVolumes::open(&file_config(&world.dir)).unwrap();
        assert_eq!(world.files(volume), [".disk.raw", "disk.raw"]);
        assert_eq!(world.volumes.observe_volume(volume).unwrap().unwrap().snapshots, []);
        if wanted {
            underway(|| world.volumes.ensure_snapshot(at, None));
            let tree = world.volumes.snapshot_blockdev(at).unwrap();
            assert_eq!(world.byte(&tree, 0), 5);
            world.volumes.remove_snapshot(at, None).unwrap();
        }
        world.volumes.tidy(volume, None).unwrap();
        assert_eq!(world.files(volume), ["disk.raw"]);
        assert_eq!(world.content(volume), [5, 0]);
    }
    // A volume of layers that was on its way to be a raw file stays one of layers, or goes on.
    let volume = world.make(Source::Blank, false);
    world.write(volume, 0, 6);
    for multiattach in [false, true] {
        kill_in_the_middle(&world, volume, None);
        world.volumes = FileVolumes::open(&file_config(&world.dir)).unwrap();
        world.become_for(volume, multiattach).unwrap();
        while world.volumes.tidy(volume, None).unwrap() == Tidied::More {}
        let only = if multiattach { "disk.raw" } else { "disk.qcow2" };
        assert_eq!(world.files(volume), [only]);
        assert_eq!(world.content(volume), [6, 0]);
    }
}
