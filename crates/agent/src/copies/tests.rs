//! Copies on real disks.

use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value as Json;
use storage::disk::{Access, OpenDisk, Tree};
use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::luks::{Luks, header_bytes};
use storage::objects::Directory;
use storage::{DiskFormat, ImageStore, NewVolume, Source, VolumeBackend};
use types::{BackupId, CopyId, ImageId, VolumeId};

use super::{Copied, Copier, Job, OPENINGS_MAX, Origin, Places, Target, Threads, Work};
use crate::effects::Event;

const MIB: u64 = 1 << 20;

struct World {
    dir: tempfile::TempDir,
    images: Arc<FileImages>,
    volumes: FileVolumes,
    places: Places,
    copier: Threads,
    events: Receiver<Event>,
}

fn world(test: &str) -> Option<World> {
    for tool in ["qemu-nbd", "qemu-img", "setpriv"] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("skipped: {test}: {tool} is not installed");
            return None;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let config = FileConfig { root: dir.path().to_owned(), reserve_bytes: 1 };
    let images = Arc::new(FileImages::open(&config).unwrap());
    let volumes = FileVolumes::open(&config).unwrap();
    let (sender, events) = channel();
    let backups = Arc::new(Directory::open(&dir.path().join("b")).unwrap());
    let places = Places { images: images.clone(), backups, run_dir: dir.path().to_owned() };
    let copier = Threads::open(&dir.path().join("c"), places.clone(), sender).unwrap();
    Some(World { dir, images, volumes, places, copier, events })
}

impl World {
    fn volume(&self, size_bytes: u64) -> (VolumeId, Json) {
        let id = VolumeId(runtime::new_uuid());
        self.volumes
            .ensure_volume(&NewVolume { id, size_bytes, source: Source::Blank, multiattach: false })
            .unwrap();
        (id, self.volumes.blockdev(id).unwrap())
    }

    fn open(&self, tree: &Json, access: Access) -> OpenDisk {
        OpenDisk::open(tree, access, self.dir.path()).unwrap()
    }

    /// Lets a copy try so often to open its disks.
    fn let_open(&mut self, job: &Job, times: u32) {
        for time in 1..=times {
            self.copier.ensure(job).unwrap();
            let began = runtime::monotonic();
            while self.copier.shared.work().openings.get(&job.id) != Some(&time) {
                assert!(began.elapsed() < Duration::from_secs(60), "it does not fail");
                std::thread::yield_now();
            }
        }
        assert!(self.events.try_recv().is_err(), "nothing is told yet");
    }

    /// Makes a copy to its end.
    fn make(&mut self, job: &Job) -> Result<Copied, String> {
        self.copier.ensure(job).map_err(|trouble| trouble.words)?;
        let ended = self.events.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(ended, Event::Copy(job.id));
        self.copier.ensure(job).map(|seen| seen.done.unwrap()).map_err(|trouble| trouble.words)
    }
}

fn job(from: &Json, to: Target) -> Job {
    Job { id: CopyId(runtime::new_uuid()), from: Origin::Disk(from.into()), to }
}

#[test]
fn a_disk_is_copied_over_what_was_there() {
    let Some(mut world) = world("a_disk_is_copied_over_what_was_there") else { return };
    let ((_, from), (_, to)) = (world.volume(64 * MIB), world.volume(128 * MIB));
    let content = [5, 6, 7, 8].repeat(5 << 18);
    world.open(&from, Access::Write).write_at(17 * MIB + 512, &content).unwrap();
    world.open(&to, Access::Write).write_at(60 * MIB, &vec![9; 10 << 20]).unwrap();
    let copied = world.make(&job(&from, Target::Disk((&to).into()))).unwrap();
    assert_eq!(copied.size_bytes, 64 * MIB);
    let mut read = vec![1; 128 << 20];
    world.open(&to, Access::Read).read_at(0, &mut read).unwrap();
    let at = (17 * MIB + 512) as usize;
    assert!(read[at..at + content.len()] == content, "the content is another");
    assert!(
        read[..at].iter().chain(&read[at + content.len()..]).all(|byte| *byte == 0),
        "the rest is not clear"
    );
}

#[test]
fn a_disk_becomes_an_image_in_any_format() {
    let Some(mut world) = world("a_disk_becomes_an_image_in_any_format") else { return };
    let (_, from) = world.volume(32 * MIB);
    world.open(&from, Access::Write).write_at(MIB, &[3; 4096]).unwrap();
    let formats = [
        DiskFormat::Raw,
        DiskFormat::Qcow2,
        DiskFormat::Vmdk,
        DiskFormat::Vdi,
        DiskFormat::Vhd,
        DiskFormat::Vhdx,
    ];
    for format in formats {
        let image = ImageId(runtime::new_uuid());
        let copied = world.make(&job(&from, Target::Image(image, format))).unwrap();
        assert_eq!(world.images.observe_image(image).unwrap(), Some(copied.size_bytes), "{format}");
        assert_eq!(copied.sha512.unwrap().len(), 128);
        let path = world.images.path(image);
        let driver = if format == DiskFormat::Vhd { "vpc" } else { format.as_str() };
        let output = Command::new("qemu-img")
            .args(["compare", "-f", driver, "-F", "raw", path.to_str().unwrap()])
            .arg(world.dir.path().join("plain"))
            .output();
        if format == DiskFormat::Raw {
            std::fs::copy(&path, world.dir.path().join("plain")).unwrap();
        } else {
            let output = output.unwrap();
            assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn what_came_of_it_is_remembered_until_it_is_removed() {
    let Some(mut world) = world("what_came_of_it_is_remembered_until_it_is_removed") else { return };
    let (_, from) = world.volume(MIB);
    let job = job(&from, Target::Image(ImageId(runtime::new_uuid()), DiskFormat::Raw));
    let copied = world.make(&job).unwrap();
    let dir = world.dir.path().join("c");
    let open = || Threads::open(&dir, world.places.clone(), channel().0).unwrap();
    std::fs::write(dir.join(format!("{}.scratch", CopyId(runtime::new_uuid()))), "left").unwrap();
    let mut copier = open();
    assert_eq!(copier.done(job.id), Some(copied));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "what was left is gone");
    copier.remove(job.id).unwrap();
    copier.remove(job.id).unwrap();
    assert_eq!(open().done(job.id), None);
}

#[test]
fn a_failure_is_told_once_and_then_tried_again() {
    let Some(mut world) = world("a_failure_is_told_once_and_then_tried_again") else { return };
    let (id, from) = world.volume(MIB);
    world.volumes.remove_volume(id).unwrap();
    let job = job(&from, Target::Image(ImageId(runtime::new_uuid()), DiskFormat::Raw));
    world.let_open(&job, OPENINGS_MAX - 1);
    let error = world.make(&job).unwrap_err();
    assert!(error.contains("No such file"), "{error}");
    world
        .volumes
        .ensure_volume(&NewVolume { id, size_bytes: MIB, source: Source::Blank, multiattach: false })
        .unwrap();
    assert_eq!(world.make(&job).unwrap().size_bytes, MIB);
}

#[test]
fn a_copy_whose_layers_were_merged_meanwhile_is_made() {
    let Some(mut world) = world("a_copy_whose_layers_were_merged_meanwhile_is_made") else { return };
    let (_, from) = world.volume(MIB);
    let (_, gone) = world.volume(MIB);
    let before = job(&gone, Target::Image(ImageId(runtime::new_uuid()), DiskFormat::Qcow2));
    std::fs::remove_file(gone["file"]["filename"].as_str().unwrap()).unwrap();
    world.let_open(&before, 2);
    // The agent looks its layers up again.
    let copied = world.make(&Job { from: Origin::Disk((&from).into()), ..before }).unwrap();
    assert_eq!(copied.virtual_size_bytes, MIB);
}

#[test]
fn copies_that_change_one_backup_come_one_after_the_other() {
    let [a, b, c] = [1, 2, 3].map(|n| BackupId(uuid::Uuid::from_u128(n)));
    let copy = |n, from, to| Job { id: CopyId(uuid::Uuid::from_u128(n)), from, to };
    let make = |n, id, parent| copy(n, Origin::Disk((&Json::Null).into()), Target::Backup(id, parent));
    let remove = |n, id| copy(n, Origin::Backup(id), Target::Nothing);
    let restore = |n, id| copy(n, Origin::Backup(id), Target::Disk((&Json::Null).into()));
    let check = |jobs: &[Job], begun: &[usize]| {
        let mut work = Work::default();
        work.waiting.extend(jobs.iter().map(|job| (job.clone(), Arc::default())));
        let next = std::iter::from_fn(|| work.next().map(|(job, _)| job));
        let next: Vec<usize> = next.map(|job| jobs.iter().position(|one| *one == job).unwrap()).collect();
        assert_eq!(next, begun, "{jobs:?}");
    };
    check(&[make(1, a, None), make(2, b, None)], &[0, 1]);
    check(&[make(1, a, None), remove(2, a), make(3, b, None)], &[0, 2]);
    check(&[restore(1, a), restore(2, a), remove(3, a)], &[0, 1]);
    check(&[make(1, b, Some(a)), make(2, c, Some(a)), restore(3, a), remove(4, a)], &[0, 1, 2]);
    // None is overtaken by another that it waits for.
    check(&[restore(1, a), remove(2, a), restore(3, a)], &[0]);
    // One that was removed still ends.
    check(&[make(1, a, None), make(1, a, None)], &[0]);
}

#[test]
fn a_thread_that_cannot_be_started_leaves_nothing_behind() {
    let Some(mut world) = world("a_thread_that_cannot_be_started_leaves_nothing_behind") else { return };
    let (_, from) = world.volume(MIB);
    let job = job(&from, Target::Image(ImageId(runtime::new_uuid()), DiskFormat::Raw));
    let start = std::mem::replace(&mut Arc::get_mut(&mut world.copier.shared).unwrap().start, |_| {
        Err(std::io::Error::other("too many"))
    });
    assert_eq!(world.copier.ensure(&job).unwrap_err().words, "cannot start a thread: too many");
    Arc::get_mut(&mut world.copier.shared).unwrap().start = start;
    assert_eq!(world.make(&job).unwrap().size_bytes, MIB);
}

#[test]
fn a_copy_that_is_not_wanted_any_more_ends() {
    let Some(mut world) = world("a_copy_that_is_not_wanted_any_more_ends") else { return };
    let ((_, from), image) = (world.volume(64 << 30), ImageId(runtime::new_uuid()));
    let long = job(&from, Target::Image(image, DiskFormat::Raw));
    world.copier.ensure(&long).unwrap();
    world.copier.remove(long.id).unwrap();
    // Its thread is free for another, and what it had written is gone.
    let (_, other) = world.volume(MIB);
    for _ in 0..2 {
        world.make(&job(&other, Target::Image(ImageId(runtime::new_uuid()), DiskFormat::Raw))).unwrap();
    }
    assert_eq!(world.images.observe_image(image).unwrap(), None);
}

#[test]
fn a_backup_is_made_and_restored() {
    let Some(mut world) = world("a_backup_is_made_and_restored") else { return };
    let ((_, from), (_, to)) = (world.volume(8 * MIB), world.volume(8 * MIB));
    world.open(&from, Access::Write).write_at(MIB + 512, &[7; 4096]).unwrap();
    let (full, more) = (BackupId(runtime::new_uuid()), BackupId(runtime::new_uuid()));
    let copied = world.make(&job(&from, Target::Backup(full, None))).unwrap();
    assert_eq!((copied.objects, copied.virtual_size_bytes), (2, 8 * MIB));
    world.make(&job(&from, Target::Backup(more, Some(full)))).unwrap();
    let restore =
        Job { id: CopyId(runtime::new_uuid()), from: Origin::Backup(more), to: Target::Disk((&to).into()) };
    assert_eq!(world.make(&restore).unwrap().size_bytes, 8 * MIB);
    let mut read = [0; 4096];
    world.open(&to, Access::Read).read_at(MIB + 512, &mut read).unwrap();
    assert_eq!(read, [7; 4096]);
}

fn secret() -> Luks {
    let passphrase = "open sesame".to_owned().into();
    Luks { passphrase, cipher: "aes-xts-plain64".to_owned(), key_size_bits: 256 }
}

#[test]
fn a_volume_is_encrypted_with_what_it_is_to_hold() {
    let Some(mut world) = world("a_volume_is_encrypted_with_what_it_is_to_hold") else { return };
    let ((_, from), (_, to)) = (world.volume(MIB), world.volume(8 * MIB + header_bytes(256)));
    world.open(&from, Access::Write).write_at(4096, &[7; 4096]).unwrap();
    // What was there before is overwritten, so that nothing of it is left in front.
    world.open(&to, Access::Write).write_at(0, &vec![9; 4 << 20]).unwrap();
    let encrypted = || Target::Encrypted(to.clone(), secret());
    let blank = Job { id: CopyId(runtime::new_uuid()), from: Origin::Nothing, to: encrypted() };
    world.make(&blank).unwrap();
    assert_eq!(world.make(&job(&from, encrypted())).unwrap().size_bytes, 8 * MIB);
    let read = |world: &World, tree: &Tree| {
        let mut disk = OpenDisk::open(tree, Access::Read, world.dir.path()).unwrap();
        let mut bytes = [0; 8192];
        disk.read_at(0, &mut bytes).unwrap();
        bytes
    };
    let (clear, sealed) = (secret().disk(to.clone()), Tree::from(&to));
    assert_eq!(read(&world, &clear), [[0; 4096], [7; 4096]].concat()[..]);
    assert!(read(&world, &sealed).starts_with(b"LUKS"));

    // A backup as it lies there is put back as it was, the key with it; one of what is clear is encrypted.
    let (kept, plain) = (BackupId(runtime::new_uuid()), BackupId(runtime::new_uuid()));
    world.make(&job(&to, Target::Backup(kept, None))).unwrap();
    world.make(&job(&from, Target::Backup(plain, None))).unwrap();
    world.make(&blank_again(&to)).unwrap();
    let restore = |id, to| Job { id: CopyId(runtime::new_uuid()), from: Origin::Backup(id), to };
    world.make(&restore(kept, Target::Disk(sealed))).unwrap();
    assert_eq!(read(&world, &clear), [[0; 4096], [7; 4096]].concat()[..]);
    let other = Luks { passphrase: "another".to_owned().into(), ..secret() };
    world.make(&restore(plain, Target::Encrypted(to.clone(), other.clone()))).unwrap();
    assert_eq!(read(&world, &other.disk(to)), [[0; 4096], [7; 4096]].concat()[..]);
    assert_eq!(std::fs::read_dir(world.dir.path().join("c")).unwrap().count(), 7, "no scratch is left");
}

/// The same volume with another key.
fn blank_again(to: &Json) -> Job {
    let luks = Luks { passphrase: "another".to_owned().into(), ..secret() };
    Job { id: CopyId(runtime::new_uuid()), from: Origin::Nothing, to: Target::Encrypted(to.clone(), luks) }
}
