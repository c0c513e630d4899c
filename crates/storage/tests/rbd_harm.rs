//! The backend in Ceph while its child is killed, its cluster is away, and OSDs are lost and added.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};
use storage::rbd::{Health, Rbd, RbdConfig};
use storage::{
    Adoption, DiskFormat, Error, GIB, ImageStore, NewVolume, Snapshot, Source, Upload, VolumeBackend,
    name_of_snapshot, name_of_volume,
};
use types::{ImageId, VolumeId};

use crate::ceph::{Ceph, QemuIo};
use crate::rbd::{MIB, blank, clone_of, id_of, snapshot_of, until};
use crate::{TempDir, qcow2_bytes, upload};

/// Nothing has a name in the pool but one volume, neither in its directory nor beside it.
fn assert_only(ceph: &Ceph, volume: VolumeId) {
    let names = ceph.rados_says(&["ls"]);
    let names: Vec<&str> = names.lines().filter_map(|object| object.strip_prefix("rbd_id.")).collect();
    assert_eq!(names, [name_of_volume(volume)]);
    assert_eq!(ceph.rbd_says(&["ls"]).trim(), name_of_volume(volume));
}

/// Kills the child of `rbd` at random moments while something is done, and says how often.
fn while_killing<T>(rbd: &Rbd, pause_ms_max: u64, work: impl FnOnce() -> T) -> (T, u32) {
    let done = AtomicBool::new(false);
    let (never, wait) = channel::<()>();
    let ended = &done;
    std::thread::scope(|scope| {
        let killer = scope.spawn(move || {
            let mut kills = 0;
            while !ended.load(Ordering::Relaxed) {
                // Nothing is ever sent: it only lets a random time pass.
                let _ =
                    wait.recv_timeout(Duration::from_micros(runtime::random_u64() % (pause_ms_max * 1000)));
                if let Some(pid) = rbd.child_pid() {
                    kills += u32::from(kill(pid));
                }
            }
            kills
        });
        // However the work ends, the killing ends with it.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let end = End(&done);
        let result = work();
        drop(end);
        let kills = killer.join().unwrap();
        drop(never);
        (result, kills)
    })
}

fn kill(pid: u32) -> bool {
    // The child is not reaped before its client knows of its end, but may be by now: it must be one of ours.
    let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    command.trim() == "storage-serve"
        && Command::new("sh").args(["-c", "kill -9 $0", &pid.to_string()]).status().unwrap().success()
}

/// As whoever wants something does: again, until it is so.
fn insist<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    let began = runtime::monotonic();
    let (_never, wait) = channel::<()>();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => {
                assert!(began.elapsed() < Duration::from_secs(120), "it never succeeds: {error}");
                assert!(matches!(error, Error::Unavailable { .. } | Error::Cluster { .. }), "{error}");
                // Nothing is ever sent: whoever wants something asks again after a while.
                let _ = wait.recv_timeout(Duration::from_millis(20));
            }
        }
    }
}

#[test]
fn a_child_killed_while_names_change_loses_no_image() {
    let Some(ceph) = Ceph::shared() else { return };
    let (killed, calm) = (ceph.rbd(), ceph.rbd());
    let (volumes, looking) = (killed.volumes(None), calm.volumes(None));
    let mut id = blank(16 * MIB).id;
    looking.ensure_volume(&NewVolume { id, ..blank(16 * MIB) }).unwrap();
    let at = snapshot_of(id);
    looking.ensure_snapshot(at, None).unwrap();
    let (rounds, kills) = while_killing(&killed, 1500, || {
        let began = runtime::monotonic();
        let mut rounds = 0;
        while began.elapsed() < Duration::from_secs(15) {
            insist(|| volumes.ensure_unmanaged(id, None));
            let (name, new) = (name_of_volume(id), blank(MIB).id);
            insist(|| volumes.ensure_managed(new, &name, GIB));
            id = new;
            let held = Snapshot { volume: id, ..at };
            insist(|| volumes.ensure_snapshot_managed(held, &name_of_snapshot(at.id)));
            let state = looking.observe_volume(id).unwrap().unwrap();
            assert_eq!((state.size_bytes, state.snapshots), (16 * MIB, vec![at.id]));
            rounds += 1;
        }
        rounds
    });
    println!("{rounds} rounds, {kills} kills");
    assert!(rounds > 0 && kills > 0);
    assert_only(&ceph, id);
}

#[test]
fn a_child_killed_while_a_volume_is_replaced_loses_neither() {
    let Some(ceph) = Ceph::shared() else { return };
    let (killed, calm) = (ceph.rbd(), ceph.rbd());
    let (volumes, looking) = (killed.volumes(None), calm.volumes(None));
    let volume = blank(16 * MIB);
    looking.ensure_volume(&volume).unwrap();
    let (rounds, kills) = while_killing(&killed, 300, || {
        let began = runtime::monotonic();
        let mut rounds = 0;
        while began.elapsed() < Duration::from_secs(15) {
            let other = blank((17 + rounds % 100) * MIB);
            looking.ensure_volume(&other).unwrap();
            looking.ensure_snapshot(snapshot_of(volume.id), None).unwrap();
            insist(|| volumes.ensure_replaced(volume.id, other.id));
            let state = looking.observe_volume(volume.id).unwrap().unwrap();
            assert_eq!((state.size_bytes, state.snapshots), (other.size_bytes, vec![]));
            rounds += 1;
        }
        rounds
    });
    println!("{rounds} rounds, {kills} kills");
    assert!(rounds > 0 && kills > 0);
    assert_only(&ceph, volume.id);
    drop((volumes, killed));
    until("nothing is left in the trash", || {
        looking.sweep().unwrap();
        ceph.rbd_says(&["trash", "ls"]).is_empty()
    });
}

#[test]
fn a_child_killed_at_any_moment_leaves_nothing_behind() {
    let Some(ceph) = Ceph::shared() else { return };
    let (killed, calm) = (ceph.rbd(), ceph.rbd());
    let volumes = killed.volumes(None);
    let (image, _) = upload(&calm.images(), DiskFormat::Qcow2, &qcow2_bytes(8 * MIB)).unwrap();
    let (rounds, kills) = while_killing(&killed, 3000, || {
        let began = runtime::monotonic();
        let mut rounds = 0;
        while began.elapsed() < Duration::from_secs(20) {
            let first = clone_of(image, DiskFormat::Qcow2, 16 * MIB);
            insist(|| volumes.ensure_volume(&first));
            let at = snapshot_of(first.id);
            insist(|| volumes.ensure_snapshot(at, None));
            let second = NewVolume { source: Source::Snapshot(at), ..blank(32 * MIB) };
            insist(|| volumes.ensure_volume(&second));
            insist(|| volumes.ensure_size(second.id, 64 * MIB));
            insist(|| volumes.ensure_reverted(at, "t"));
            let state = insist(|| volumes.observe_volume(first.id)).unwrap();
            assert_eq!((state.size_bytes, state.snapshots), (16 * MIB, vec![at.id]));
            assert_eq!(insist(|| volumes.observe_volume(second.id)).unwrap().size_bytes, 64 * MIB);
            insist(|| volumes.remove_snapshot(at, None));
            insist(|| volumes.remove_volume(first.id));
            insist(|| volumes.remove_volume(second.id));
            rounds += 1;
        }
        rounds
    });
    println!("{rounds} rounds of nine operations, the child killed {kills} times");
    assert!(rounds > 0 && kills > 3, "{rounds} rounds, {kills} kills");
    drop((volumes, killed));
    let volumes = calm.volumes(None);
    assert_eq!(volumes.observe_volumes().unwrap(), []);
    calm.images().remove_image(image).unwrap();
    until("nothing is left in the pool", || {
        volumes.sweep().unwrap();
        ceph.rbd_says(&["trash", "ls"]).is_empty() && ceph.rbd_says(&["ls"]).is_empty()
    });
    let objects = ceph.rados_says(&["ls"]);
    let left: Vec<&str> =
        objects.lines().filter(|name| name.contains("making") || name.contains("data")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Leaves the note of a client with an object, of which the OSD knows nothing: the client dies while a copy of the note is
/// awaited. Nobody shuts it out.
fn haunt(ceph: &Ceph, object: &str) {
    let place =
        ceph.command(json!({ "prefix": "osd map", "pool": ceph.pool(), "object": object, "format": "json" }));
    let primary = place["acting_primary"].as_u64().unwrap();
    let copies = place["acting"].as_array().unwrap().iter().filter_map(Value::as_u64);
    let copy = copies.into_iter().find(|osd| *osd != primary).unwrap().to_string();
    let (_never, wait) = channel::<()>();
    until("a dead client is noted", || {
        ceph.harm(&["pause-osd", &copy]);
        let mut client = ceph.rados(&["watch", object]).stdin(Stdio::piped()).spawn().unwrap();
        // Nothing is ever sent: the client gets as far as to wait for the copy, and the OSD to see that it is gone.
        let _ = wait.recv_timeout(Duration::from_secs(1));
        client.kill().unwrap();
        client.wait().unwrap();
        let _ = wait.recv_timeout(Duration::from_millis(200));
        ceph.harm(&["resume"]);
        ceph.rados_says(&["listwatchers", object]).contains("watcher=")
    });
}

/// Clones whose parent was never told of them, or has forgotten them, and which a dead client has open.
#[test]
fn a_clone_is_removed_whose_parent_is_gone_and_that_a_dead_client_has_open() {
    let Some(ceph) = Ceph::own() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let (parent, other) = (blank(8 * MIB), blank(8 * MIB));
    let (at, kept_at) = (snapshot_of(parent.id), snapshot_of(other.id));
    for (volume, at) in [(&parent, at), (&other, kept_at)] {
        volumes.ensure_volume(volume).unwrap();
        volumes.ensure_snapshot(at, None).unwrap();
    }
    let clone_at = |at| NewVolume { source: Source::Snapshot(at), ..blank(8 * MIB) };
    let header = |volume| format!("rbd_header.{}", id_of(&ceph, &name_of_volume(volume)));
    let above = header(parent.id);
    let keys = ceph.rados_says(&["listomapkeys", &above]);
    let snapshot = keys.lines().find(|key| key.starts_with("snapshot_")).unwrap();
    let dir = TempDir::new();
    let before = dir.path().join("snapshot");
    ceph.rados_says(&["getomapval", &above, snapshot, before.to_str().unwrap()]);
    let (removed, half_made, kept) = (clone_at(at), clone_at(at), clone_at(kept_at));
    for clone in [&removed, &half_made, &kept] {
        volumes.ensure_volume(clone).unwrap();
    }
    for volume in [removed.id, half_made.id, kept.id] {
        haunt(&ceph, &header(volume));
    }
    // As it is while a clone's maker has not told the parent of it: there is no note, and the snapshot has no clones.
    ceph.rados_says(&["rmomapkey", &above, &snapshot.replace("snapshot_", "snap_children_")]);
    ceph.rados_stores(&["setomapval", &above, snapshot], File::open(&before).unwrap());
    let mark = format!("cuttle.making.{}", name_of_volume(half_made.id));
    ceph.rados_stores(&["put", &mark, "-"], File::open("/dev/null").unwrap());
    let held = blank(8 * MIB);
    volumes.ensure_volume(&held).unwrap();
    let mut holder = QemuIo::open(&ceph, &volumes.blockdev(held.id).unwrap());
    volumes.remove_volume(held.id).unwrap();
    volumes.remove_volume(removed.id).unwrap();
    volumes.remove_snapshot(at, None).unwrap();
    volumes.remove_volume(parent.id).unwrap();
    until("the parent is gone", || {
        volumes.sweep().unwrap();
        !ceph.rados_says(&["ls"]).lines().any(|object| object == above)
    });
    until("what nobody needs is removed", || {
        volumes.sweep().unwrap();
        volumes.remove_volume(half_made.id).is_ok() && ceph.rbd_says(&["trash", "ls"]).lines().count() == 1
    });
    // Whoever lives is not shut out, and loses nothing under its hands.
    assert!(ceph.rbd_says(&["trash", "ls"]).contains(&name_of_volume(held.id)));
    assert!(holder.say("write -P 1 0 8M").contains("wrote") && holder.reads(1, 0, 8 * MIB));
    drop(holder);
    // Whatever a dead client is noted with, a volume that is somebody's stays, and so does what it is made of.
    let mut expected = [other.id, kept.id];
    expected.sort();
    assert_eq!(volumes.observe_volumes().unwrap(), expected);
    assert!(QemuIo::open(&ceph, &volumes.blockdev(kept.id).unwrap()).reads(0, 0, 8 * MIB));
    for volume in [kept.id, other.id] {
        volumes.remove_volume(volume).unwrap();
    }
    until("nothing is left in the pool", || {
        volumes.sweep().unwrap();
        ceph.rbd_says(&["trash", "ls"]).is_empty() && ceph.rbd_says(&["ls"]).is_empty()
    });
}

#[test]
fn a_dead_client_is_in_nobodys_way() {
    let Some(ceph) = Ceph::own() else { return };
    let volumes = ceph.rbd().volumes(None);
    ceph.rbd_says(&["create", "--size", "8M", "theirs"]);
    haunt(&ceph, &format!("rbd_header.{}", id_of(&ceph, "theirs")));
    assert_eq!(volumes.find_unmanaged("theirs").unwrap().refused, None);

    let shared = NewVolume { multiattach: true, ..blank(8 * MIB) };
    volumes.ensure_volume(&shared).unwrap();
    let header = format!("rbd_header.{}", id_of(&ceph, &name_of_volume(shared.id)));
    haunt(&ceph, &header);
    haunt(&ceph, &header);
    let noted = ceph.rados_says(&["listwatchers", &header]);
    assert_eq!(noted.lines().count(), 2, "{noted}");
    let mut one = QemuIo::open(&ceph, &volumes.blockdev(shared.id).unwrap());
    volumes.ensure_snapshot(snapshot_of(shared.id), None).unwrap();
    assert!(one.say("write -P 1 0 64k").contains("wrote"));
}

#[test]
fn a_replacement_that_was_cut_off_is_swept_once_nobody_goes_on_with_it() {
    let Some(ceph) = Ceph::shared() else { return };
    let volumes = ceph.rbd().volumes(None);
    let (volume, other) = (blank(8 * MIB), blank(16 * MIB));
    for new in [&volume, &other] {
        volumes.ensure_volume(new).unwrap();
    }
    // As it is between the first name and the second.
    let old = format!("{}.{}.part", name_of_volume(volume.id), other.id);
    ceph.rbd_says(&["rename", &name_of_volume(volume.id), &old]);
    volumes.sweep().unwrap();
    assert!(ceph.rbd_says(&["ls"]).contains(&old), "it may still go on");
    // The volume is removed instead.
    volumes.remove_volume(volume.id).unwrap();
    volumes.remove_volume(other.id).unwrap();
    until("nothing is left in the pool", || {
        volumes.sweep().unwrap();
        ceph.rbd_says(&["trash", "ls"]).is_empty() && ceph.rbd_says(&["ls"]).is_empty()
    });
}

#[test]
fn uploads_and_downloads_go_on_when_the_child_is_killed() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let images = rbd.images();
    let image = ImageId(runtime::new_uuid());
    let wanted = Upload { image, format: DiskFormat::Raw, size_bytes_max: 1 << 30, enforce: true };
    let piece: Vec<u8> = (0..MIB + 13).map(|at| (at % 251) as u8).collect();
    let (stored, kills) = while_killing(&rbd, 2000, || {
        let mut writer = insist(|| images.writer(&wanted));
        for _ in 0..100 {
            writer.write(&piece).unwrap();
        }
        writer.finish().unwrap()
    });
    let (bytes, more) = while_killing(&rbd, 2000, || {
        let mut bytes = Vec::new();
        insist(|| images.reader(image, 0..u64::MAX)).read_to_end(&mut bytes).unwrap();
        bytes
    });
    println!("100 MiB up and down, the child killed {kills} and {more} times");
    assert_eq!(stored.size_bytes, 100 * (MIB + 13));
    assert!(bytes == piece.repeat(100));
}

#[test]
fn a_cluster_that_is_away_is_told_in_time_and_used_again_when_it_is_back() {
    let Some(ceph) = Ceph::own() else { return };
    let rbd = ceph.rbd_with(RbdConfig { connect_seconds: 2, op_seconds: 2, ..ceph.config() });
    let volumes = rbd.volumes(None);
    let (before, during) = (blank(8 * MIB), blank(8 * MIB));
    volumes.ensure_volume(&before).unwrap();
    ceph.harm(&["pause"]);
    let mut longest = Duration::ZERO;
    for _ in 0..8 {
        let began = runtime::monotonic();
        let error = volumes.ensure_volume(&during).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("answer") || words.contains("storage process"), "{words}");
        longest = longest.max(began.elapsed());
    }
    let began = runtime::monotonic();
    assert!(volumes.blockdev(before.id).is_err());
    assert!(volumes.observe_volumes().is_err());
    println!("a cluster that is away: {longest:?} at most, {:?} once that is known", began.elapsed());
    assert!(longest < Duration::from_secs(15), "{longest:?}");
    ceph.harm(&["resume"]);
    until("the cluster is used again", || volumes.ensure_volume(&during).is_ok());
    let mut expected = [before.id, during.id];
    expected.sort();
    assert_eq!(insist(|| volumes.observe_volumes()), expected);
}

/// How much is written to, in blocks of which each has a byte of its own.
const BLOCKS: u64 = 256;
const BLOCK_BYTES: u64 = 256 << 10;

#[test]
fn no_byte_is_lost_when_an_osd_is_killed_and_another_added() {
    let Some(ceph) = Ceph::own() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let (image, _) = upload(&rbd.images(), DiskFormat::Qcow2, &qcow2_bytes(MIB)).unwrap();
    let volume = clone_of(image, DiskFormat::Qcow2, BLOCKS * BLOCK_BYTES);
    volumes.ensure_volume(&volume).unwrap();
    let mut disk = QemuIo::open(&ceph, &volumes.blockdev(volume.id).unwrap());
    let (mut slowest, mut failed) = (Duration::ZERO, 0);
    let mut write = |disk: &mut QemuIo, round: u64, blocks: std::ops::Range<u64>| {
        for block in blocks {
            let began = runtime::monotonic();
            let pattern = byte(round, block);
            let said = disk.say(&format!("write -P {pattern} {} {BLOCK_BYTES}", block * BLOCK_BYTES));
            let flushed = disk.say("flush");
            failed += u32::from(!said.contains("wrote") || flushed.contains("failed"));
            slowest = slowest.max(began.elapsed());
        }
    };
    let check = |disk: &mut QemuIo, round: u64| {
        for block in 0..BLOCKS {
            assert!(disk.reads(byte(round, block), block * BLOCK_BYTES, BLOCK_BYTES), "block {block}");
        }
    };
    write(&mut disk, 0, 0..BLOCKS / 2);
    ceph.harm(&["kill-osd", "1"]);
    write(&mut disk, 0, BLOCKS / 2..BLOCKS);
    check(&mut disk, 0);
    until("the loss is seen", || {
        let status = rbd.status().unwrap();
        status.osds.0 == 2 && status.copies_degraded > 0
    });
    let hurt = rbd.status().unwrap();
    println!("with one OSD of three killed:\n{}", hurt.words());
    assert_eq!(hurt.health, Health::Warning);
    ceph.harm(&["add-osd"]);
    write(&mut disk, 1, 0..BLOCKS);
    until("all is whole on the two that are left and the new one", || {
        let status = rbd.status().unwrap();
        status.osds.0 == 3 && status.is_whole()
    });
    check(&mut disk, 1);
    ceph.harm(&["start-osd", "1"]);
    let osd_df = || ceph.command(json!({ "prefix": "osd df", "format": "json" }));
    until("every OSD has data again", || {
        osd_df()["nodes"].as_array().unwrap().iter().all(|osd| osd["pgs"].as_u64() > Some(0))
    });
    ceph.harm(&["wait"]);
    check(&mut disk, 1);
    let (status, df) = (rbd.status().unwrap(), osd_df());
    let groups: Vec<u64> =
        df["nodes"].as_array().unwrap().iter().map(|osd| osd["pgs"].as_u64().unwrap()).collect();
    println!(
        "at the end, placement groups on the OSDs: {groups:?}, {failed} writes failed, the slowest took {slowest:?}\n{}",
        status.words()
    );
    assert_eq!((status.health, failed), (Health::Ok, 0));
    assert!(groups.len() == 4 && groups.iter().all(|groups| *groups > 0), "{groups:?}");
}

fn byte(round: u64, block: u64) -> u8 {
    ((block * 7 + round * 101) % 250 + 1) as u8
}

#[test]
fn a_snapshot_is_taken_while_qemu_writes() {
    let Some(ceph) = Ceph::shared() else { return };
    let volumes = ceph.rbd().volumes(None);
    let volume = blank(8 * MIB);
    volumes.ensure_volume(&volume).unwrap();
    let mut disk = QemuIo::open(&ceph, &volumes.blockdev(volume.id).unwrap());
    let at = snapshot_of(volume.id);
    disk.say("write -P 1 0 8M");
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| volumes.ensure_snapshot(at, None));
        for round in 2..40 {
            assert!(disk.say(&format!("write -P {round} 0 1M")).contains("wrote"));
        }
        taking.join().unwrap().unwrap();
    });
    assert!(disk.say("write -P 77 0 8M").contains("wrote"));
    let node = volumes.snapshot_blockdev(at).unwrap();
    let mut held = QemuIo::open(&ceph, &node);
    assert!(held.reads(1, MIB, 7 * MIB));
    assert!(!held.reads(77, 0, MIB));
    volumes.ensure_size(volume.id, 16 * MIB).unwrap();
    assert_eq!(volumes.observe_volume(volume.id).unwrap().unwrap().size_bytes, 16 * MIB);
}
