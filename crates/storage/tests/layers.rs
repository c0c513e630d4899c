//! What volumes, their snapshots and clones contain, whatever was merged and wherever it was interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use storage::disk::{Access, OpenDisk};
use storage::file::{FileImages, FileVolumes};
use storage::{DiskFormat, Error, GIB, NewVolume, Snapshot, Source, Tidied, VolumeBackend};
use types::{SnapshotId, VolumeId};

use crate::{TempDir, file_config, qemu_img, tool, upload};

const BLOCK: usize = 64 << 10;
const SIZE: u64 = 2 << 20;
const READ_BYTES_MAX: u64 = 64 << 20;

/// A directory of volumes, and what each disk must contain: a byte for every block.
struct World {
    dir: TempDir,
    volumes: FileVolumes,
    source: Source,
}

fn world(test: &str) -> Option<World> {
    tool(test, "qemu-nbd", &["--version"]).and(tool(test, "setpriv", &["--version"]))?;
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (image, _) = upload(&FileImages::open(&config).unwrap(), DiskFormat::Raw, &[0xee; BLOCK]).unwrap();
    let source = Source::Image { id: image, format: DiskFormat::Raw };
    let volumes = FileVolumes::open(&config).unwrap();
    Some(World { dir, volumes, source })
}

impl World {
    fn make(&self, source: Source) -> VolumeId {
        let id = VolumeId(runtime::new_uuid());
        self.volumes.ensure_volume(&NewVolume { id, size_bytes: SIZE, source, multiattach: false }).unwrap();
        id
    }

    fn write(&self, volume: VolumeId, block: usize, byte: u8) {
        let tree = self.volumes.blockdev(volume).unwrap();
        let mut disk = OpenDisk::open(&tree, Access::Write, self.dir.path()).unwrap();
        disk.write_at((block * BLOCK) as u64, &[byte; BLOCK]).unwrap();
        disk.flush().unwrap();
    }

    fn snapshot(&self, volume: VolumeId) -> Snapshot {
        let at = Snapshot { volume, id: SnapshotId(runtime::new_uuid()) };
        self.volumes.ensure_snapshot(at, None).unwrap();
        at
    }

    fn read(&self, tree: &serde_json::Value) -> Vec<u8> {
        let mut disk = OpenDisk::open(tree, Access::Read, self.dir.path()).unwrap();
        let mut bytes = vec![0; disk.size_bytes().min(READ_BYTES_MAX) as usize];
        disk.read_at(0, &mut bytes).unwrap();
        bytes.chunks(BLOCK).map(|block| block[0]).collect()
    }

    fn content(&self, volume: VolumeId) -> Vec<u8> {
        self.read(&self.volumes.blockdev(volume).unwrap())
    }

    fn content_of(&self, at: Snapshot) -> Vec<u8> {
        self.read(&self.volumes.snapshot_blockdev(at).unwrap())
    }

    fn tidy(&self, volume: VolumeId) {
        while self.volumes.tidy(volume, None).unwrap() == Tidied::More {}
    }

    /// How many qcow2 files a volume has.
    fn layers(&self, volume: VolumeId) -> usize {
        let entries = fs::read_dir(self.volumes.disk_path(volume).parent().unwrap()).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "qcow2"))
            .count()
    }

    fn check(&self, volume: VolumeId) {
        let entries = fs::read_dir(self.volumes.disk_path(volume).parent().unwrap()).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|end| end == "qcow2") {
                qemu_img("check", &["check", "-q", "-f", "qcow2", path.to_str().unwrap()]).unwrap();
            }
        }
    }
}

#[test]
fn every_order_of_removal_keeps_what_is_left() {
    let Some(world) = world("every_order_of_removal_keeps_what_is_left") else { return };
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let volume = world.make(world.source);
        let mut expected = BTreeMap::new();
        let mut all = Vec::new();
        for round in 0..3 {
            // The middle layer is larger than its neighbours, so that both ways of merging are gone.
            for block in 0..=(round % 2) * 6 {
                world.write(volume, 3 + round * 2 + block, 10 + round as u8);
            }
            let at = world.snapshot(volume);
            expected.insert(at, world.content(volume));
            all.push(at);
        }
        world.write(volume, 4, 99);
        let now = world.content(volume);
        for removed in order {
            world.volumes.remove_snapshot(all[removed], None).unwrap();
            expected.remove(&all[removed]);
            world.tidy(volume);
            for (at, content) in &expected {
                assert_eq!(world.content_of(*at), *content, "{order:?}, after {removed}");
            }
            assert_eq!(world.content(volume), now);
            assert_eq!(world.layers(volume), expected.len() + 1, "{order:?}, after {removed}");
            world.check(volume);
        }
    }
}

#[test]
fn a_clone_and_its_source_do_not_see_each_other() {
    let Some(world) = world("a_clone_and_its_source_do_not_see_each_other") else { return };
    let volume = world.make(world.source);
    world.write(volume, 1, 1);
    let first = world.snapshot(volume);
    world.write(volume, 2, 2);
    let at = world.snapshot(volume);
    let clone = world.make(Source::Snapshot(at));
    let grandchild = {
        world.write(clone, 3, 3);
        world.make(Source::Snapshot(world.snapshot(clone)))
    };
    world.write(volume, 1, 8);
    world.write(grandchild, 1, 9);
    let begin = |bytes: Vec<u8>| bytes[..4].to_vec();
    let expect = || {
        assert_eq!(begin(world.content(clone)), [0xee, 1, 2, 3]);
        assert_eq!(begin(world.content(grandchild)), [0xee, 9, 2, 3]);
    };
    expect();
    // What others need stays as it is, hidden.
    for at in [first, at] {
        world.volumes.remove_snapshot(at, None).unwrap();
    }
    world.tidy(volume);
    assert_eq!(begin(world.content(volume)), [0xee, 8, 2, 0]);
    expect();
    world.volumes.remove_volume(volume).unwrap();
    world.tidy(clone);
    expect();
    world.volumes.remove_volume(clone).unwrap();
    world.tidy(grandchild);
    assert_eq!(begin(world.content(grandchild)), [0xee, 9, 2, 3]);
    assert_eq!(world.layers(grandchild), 1, "nobody else needs the layers now");
    world.volumes.remove_volume(grandchild).unwrap();
    assert_eq!(world.dir.tree().iter().filter(|path| path.starts_with("volumes/")).count(), 0);
}

#[test]
fn a_long_line_of_clones_stays_short() {
    let Some(world) = world("a_long_line_of_clones_stays_short") else { return };
    let mut volume = world.make(world.source);
    for generation in 1..12 {
        world.write(volume, generation, generation as u8);
        let next = world.make(Source::Snapshot(world.snapshot(volume)));
        world.tidy(next);
        assert!(world.layers(next) <= 9, "{} layers", world.layers(next));
        volume = next;
    }
    let expected: Vec<u8> = [0xee].into_iter().chain(1..12).collect();
    assert_eq!(world.content(volume)[..12], expected);
    world.check(volume);
}

#[test]
fn a_revert_forgets_what_came_after_the_snapshot() {
    let Some(world) = world("a_revert_forgets_what_came_after_the_snapshot") else { return };
    let volume = world.make(Source::Blank);
    world.write(volume, 0, 1);
    let at = world.snapshot(volume);
    world.write(volume, 0, 2);
    // A snapshot that only clones need, newer than the one that is gone back to.
    let hidden = world.snapshot(volume);
    world.volumes.remove_snapshot(hidden, None).unwrap();
    world.volumes.ensure_reverted(at, "token").unwrap();
    assert_eq!(world.content(volume)[0], 1);
    world.write(volume, 0, 3);
    world.volumes.ensure_reverted(at, "token").unwrap();
    assert_eq!(world.content(volume)[0], 3, "done once, whatever is asked");
    world.tidy(volume);
    assert_eq!((world.content_of(at)[0], world.layers(volume)), (1, 2));
}

#[test]
fn whatever_is_interrupted_is_gone_on_with() {
    let Some(world) = world("whatever_is_interrupted_is_gone_on_with") else { return };
    let volume = world.make(Source::Blank);
    let dir = world.volumes.disk_path(volume).parent().unwrap().to_owned();
    world.write(volume, 0, 1);
    let at = Snapshot { volume, id: SnapshotId(runtime::new_uuid()) };
    let link = dir.join(format!("{}.snapshot", at.id));
    // A new head that nothing leads to; then the snapshot's link, which leads to the head as yet. VMs go on writing.
    fs::write(dir.join("0123456789ab.qcow2"), "half").unwrap();
    world.write(volume, 1, 2);
    symlink("disk.qcow2", &link).unwrap();
    assert_eq!(world.volumes.observe_volume(volume).unwrap().unwrap().snapshots, []);
    world.write(volume, 2, 3);
    world.volumes.ensure_snapshot(at, None).unwrap();
    world.write(volume, 0, 9);
    assert_eq!(world.content_of(at)[..3], [1, 2, 3]);
    world.tidy(volume);
    assert_eq!(world.layers(volume), 2);

    // A merge downwards that had copied, and was to let the lower layer stand for both.
    let upper = world.snapshot(volume);
    world.write(volume, 3, 4);
    let head = fs::read_link(dir.join("head")).unwrap();
    let middle = fs::read_link(dir.join(format!("{}.snapshot", upper.id))).unwrap();
    world.volumes.remove_snapshot(at, None).unwrap();
    let path = |name: &Path| dir.join(name).to_str().unwrap().to_owned();
    qemu_img("commit", &["commit", "-q", "-d", "-f", "qcow2", &path(&middle)]).unwrap();
    let expect = |volumes: &World| {
        assert_eq!(volumes.content(volume)[..4], [9, 2, 3, 4]);
        assert_eq!(volumes.content_of(upper)[..4], [9, 2, 3, 0]);
    };
    expect(&world);
    // The layer above had been told, and the snapshot's link not.
    let args = ["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "disk.qcow2", &path(&head)];
    qemu_img("rebase", &args).unwrap();
    world.tidy(volume);
    expect(&world);
    assert_eq!(world.layers(volume), 2);
    world.check(volume);
}

#[test]
fn a_merge_that_is_ended_early_is_begun_again() {
    let Some(world) = world("a_merge_that_is_ended_early_is_begun_again") else { return };
    const BLOCKS: u64 = 1024;
    let volume = VolumeId(runtime::new_uuid());
    let new = NewVolume {
        id: volume,
        size_bytes: BLOCKS * BLOCK as u64,
        source: Source::Blank,
        multiattach: false,
    };
    world.volumes.ensure_volume(&new).unwrap();
    let fill = |byte: u8| {
        let tree = world.volumes.blockdev(volume).unwrap();
        let mut disk = OpenDisk::open(&tree, Access::Write, world.dir.path()).unwrap();
        for at in 0..BLOCKS / 16 {
            disk.write_at(at * 16 * BLOCK as u64, &vec![byte; 15 * BLOCK]).unwrap();
        }
        disk.flush().unwrap();
    };
    let mut at = Vec::new();
    for byte in 1..4 {
        fill(byte);
        at.push(world.snapshot(volume));
    }
    world.volumes.remove_snapshot(at[1], None).unwrap();
    world.volumes.remove_snapshot(at[0], None).unwrap();
    for _ in 0..8 {
        // Whoever wants to open the disk does not wait for what goes on.
        world.volumes.tidy(volume, None).unwrap();
        world.write(volume, 15, 9);
        assert_eq!(world.content(volume).iter().filter(|byte| **byte == 3).count(), 15 * 64);
    }
    let before = (world.content(volume), world.content_of(at[2]));
    // The same by another process, after this one was killed.
    world.volumes.tidy(volume, None).unwrap();
    let again = FileVolumes::open(&file_config(&world.dir)).unwrap();
    drop(world.volumes.blockdev(volume));
    while again.tidy(volume, None).unwrap() == Tidied::More {}
    assert!((world.content(volume), world.content_of(at[2])) == before, "the content is another");
    assert_eq!(world.layers(volume), 2);
    again.repair(volume).unwrap();
    world.check(volume);
}

#[test]
fn what_a_killed_vm_left_is_freed() {
    use std::os::unix::fs::FileExt;

    let Some(world) = world("what_a_killed_vm_left_is_freed") else { return };
    let volume = world.make(Source::Blank);
    let path = world.volumes.disk_path(volume);
    // The fifth cluster is counted as used, and nothing points to it.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(5 * BLOCK as u64).unwrap();
    file.write_all_at(&1u16.to_be_bytes(), 2 * BLOCK as u64 + 4 * 2).unwrap();
    let check = tool("check", "qemu-img", &["check", "-q", path.to_str().unwrap()]).unwrap();
    assert_eq!(check.status.code(), Some(3), "a leak");
    for _ in 0..2 {
        world.volumes.repair(volume).unwrap();
        world.check(volume);
    }
}

#[test]
fn nothing_outside_its_directory_is_a_volumes_layer() {
    let Some(world) = world("nothing_outside_its_directory_is_a_volumes_layer") else { return };
    let volume = world.make(Source::Blank);
    world.snapshot(volume);
    let dir = world.volumes.disk_path(volume).parent().unwrap().to_owned();
    let head = dir.join(fs::read_link(dir.join("head")).unwrap());
    for name in ["../other.qcow2", "/etc/passwd", "json:{}"] {
        let args = ["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", name, head.to_str().unwrap()];
        qemu_img("rebase", &args).unwrap();
        let error = world.volumes.blockdev(volume).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_snapshot_keeps_its_size_when_its_volume_grows() {
    let Some(world) = world("a_snapshot_keeps_its_size_when_its_volume_grows") else { return };
    let volume = world.make(world.source);
    let at = world.snapshot(volume);
    world.volumes.ensure_size(volume, GIB).unwrap();
    let size =
        |tree: &serde_json::Value| OpenDisk::open(tree, Access::Read, world.dir.path()).unwrap().size_bytes();
    assert_eq!(size(&world.volumes.snapshot_blockdev(at).unwrap()), SIZE);
    world.volumes.remove_snapshot(at, None).unwrap();
    world.tidy(volume);
    assert_eq!(size(&world.volumes.blockdev(volume).unwrap()), GIB);
    assert_eq!((world.content(volume)[0], world.layers(volume)), (0xee, 1));
}
