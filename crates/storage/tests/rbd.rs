//! What only the backend in Ceph does, seen through Ceph's own `rbd` too.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};
use storage::rbd::Rbd;
use storage::rbd::RbdConfig;
use storage::{
    Adoption, DiskFormat, Error, GIB, ImageStore, NewVolume, Snapshot, Source, Tidied, Upload, VolumeBackend,
    name_of_snapshot,
};
use types::{ImageId, SnapshotId, VolumeId};

use crate::ceph::{Ceph, QemuIo};
use crate::{TempDir, file_world, qcow2_bytes, upload};

pub const MIB: u64 = 1 << 20;

pub fn blank(size_bytes: u64) -> NewVolume {
    NewVolume { id: VolumeId(runtime::new_uuid()), size_bytes, source: Source::Blank, multiattach: false }
}

pub fn clone_of(id: ImageId, format: DiskFormat, size_bytes: u64) -> NewVolume {
    NewVolume { source: Source::Image { id, format }, ..blank(size_bytes) }
}

pub fn snapshot_of(volume: VolumeId) -> Snapshot {
    Snapshot { volume, id: SnapshotId(runtime::new_uuid()) }
}

/// A clone of a new image, which has a snapshot.
fn clone_with_snapshot(rbd: &Rbd) -> (ImageId, NewVolume, Snapshot) {
    let (image, _) = upload(&rbd.images(), DiskFormat::Qcow2, &qcow2_bytes(8 * MIB)).unwrap();
    let clone = clone_of(image, DiskFormat::Qcow2, 8 * MIB);
    rbd.volumes(None).ensure_volume(&clone).unwrap();
    let at = snapshot_of(clone.id);
    rbd.volumes(None).ensure_snapshot(at, None).unwrap();
    (image, clone, at)
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = runtime::monotonic();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "it never came to be that {what}");
        std::thread::yield_now();
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The id of an image, which stays when its name changes.
pub fn id_of(ceph: &Ceph, name: &str) -> String {
    let shown = json_of(&ceph.rbd_says(&["info", "--format", "json", name]));
    shown["id"].as_str().unwrap().to_owned()
}

#[test]
fn operators_find_the_names_and_features_they_know() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let (volumes, roots) = (rbd.volumes(None), rbd.root_disks(None));
    let (image, _) = upload(&rbd.images(), DiskFormat::Raw, &[7; 5000]).unwrap();
    let volume = clone_of(image, DiskFormat::Raw, 64 * MIB);
    let root = clone_of(image, DiskFormat::Raw, 32 * MIB);
    volumes.ensure_volume(&volume).unwrap();
    roots.ensure_volume(&root).unwrap();
    let at = snapshot_of(volume.id);
    volumes.ensure_snapshot(at, None).unwrap();

    let mut expected = [image.to_string(), format!("volume-{}", volume.id), format!("{}_disk", root.id)];
    expected.sort();
    let listed: Vec<String> = ceph.rbd_says(&["ls"]).lines().map(str::to_owned).collect();
    assert_eq!(listed, expected);
    let shown = json_of(&ceph.rbd_says(&["info", "--format", "json", &format!("volume-{}", volume.id)]));
    assert_eq!(shown["parent"]["image"], json!(image.to_string()), "{shown}");
    assert_eq!(shown["parent"]["snapshot"], "snap");
    let features = shown["features"].as_array().unwrap();
    for feature in ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"] {
        assert!(features.contains(&json!(feature)), "{feature} is not among {features:?}");
    }
    let snapshots =
        json_of(&ceph.rbd_says(&["snap", "ls", "--format", "json", &format!("volume-{}", volume.id)]));
    assert_eq!(snapshots[0]["name"], json!(format!("snapshot-{}", at.id)));
    assert_eq!(volumes.observe_volumes().unwrap(), [volume.id]);
    assert_eq!(roots.observe_volumes().unwrap(), [root.id]);
}

#[test]
fn what_has_clones_waits_in_the_trash_until_the_last_is_gone() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let (images, volumes) = (rbd.images(), rbd.volumes(None));
    let (image, first, at) = clone_with_snapshot(&rbd);
    let second = NewVolume { source: Source::Snapshot(at), ..blank(8 * MIB) };
    volumes.ensure_volume(&second).unwrap();
    images.remove_image(image).unwrap();
    volumes.remove_snapshot(at, None).unwrap();
    volumes.remove_volume(first.id).unwrap();
    let (lost, missing) = (blank(8 * MIB), snapshot_of(first.id));
    let refused =
        volumes.ensure_volume(&NewVolume { source: Source::Snapshot(missing), ..lost }).unwrap_err();
    assert!(matches!(refused, Error::NoVolume(_) | Error::NoSnapshot { .. }), "{refused}");
    assert_eq!(volumes.observe_volumes().unwrap(), [second.id]);
    assert!(volumes.blockdev(second.id).is_ok());
    volumes.sweep().unwrap();
    let trashed = ceph.rbd_says(&["trash", "ls"]);
    assert!(trashed.contains(&format!("volume-{}", first.id)), "{trashed}");
    volumes.remove_volume(second.id).unwrap();
    until("nothing is left in the pool", || {
        volumes.sweep().unwrap();
        ceph.rbd_says(&["trash", "ls"]).is_empty() && ceph.rbd_says(&["ls"]).is_empty()
    });
}

#[test]
fn a_move_to_the_trash_that_nobody_ended_is_ended() {
    let Some(ceph) = Ceph::shared() else { return };
    let name = format!("volume-{}", blank(MIB).id);
    ceph.rbd_says(&["create", "--size", "8M", &name]);
    let id = id_of(&ceph, &name);
    ceph.rbd_says(&["trash", "mv", &name]);
    // The state is the last byte of the entry: 1 is "moving", as it stands when the mover dies.
    let (key, dir) = (format!("id_{id}"), TempDir::new());
    let entry = dir.path().join("entry");
    ceph.rados_says(&["getomapval", "rbd_trash", &key, entry.to_str().unwrap()]);
    let mut bytes = std::fs::read(&entry).unwrap();
    assert_eq!(bytes.pop(), Some(0), "the entry ends with another state");
    bytes.push(1);
    std::fs::write(&entry, bytes).unwrap();
    ceph.rados_stores(&["setomapval", "rbd_trash", &key], File::open(&entry).unwrap());
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    until("nothing is left in the trash", || {
        volumes.sweep().unwrap();
        ceph.rbd_says(&["trash", "ls"]).is_empty()
    });
}

#[test]
fn a_volume_with_a_snapshot_of_somebody_else_is_not_removed() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let volume = blank(8 * MIB);
    volumes.ensure_volume(&volume).unwrap();
    let name = format!("volume-{}", volume.id);
    ceph.rbd_says(&["snap", "create", "--no-progress", &format!("{name}@daily")]);
    let refused = volumes.remove_volume(volume.id).unwrap_err();
    assert!(matches!(refused, Error::Keeps { .. }), "{refused}");
    assert!(ceph.rbd_says(&["snap", "ls", &name]).contains("daily"));
    ceph.rbd_says(&["snap", "rm", "--no-progress", &format!("{name}@daily")]);
    volumes.remove_volume(volume.id).unwrap();
}

#[test]
fn a_clone_that_is_gone_is_forgotten_by_its_parent() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let first = blank(8 * MIB);
    volumes.ensure_volume(&first).unwrap();
    let clone_of_new_snapshot = || {
        let at = snapshot_of(first.id);
        volumes.ensure_snapshot(at, None).unwrap();
        let clone = NewVolume { source: Source::Snapshot(at), ..blank(8 * MIB) };
        volumes.ensure_volume(&clone).unwrap();
        (at, clone.id)
    };
    let name = format!("volume-{}", first.id);
    let id = id_of(&ceph, &name);
    let header = format!("rbd_header.{id}");
    let notes = || -> Vec<String> {
        let keys = ceph.rados_says(&["listomapkeys", &header]);
        keys.lines().filter(|key| key.starts_with("snap_children_")).map(str::to_owned).collect()
    };
    let (snapshot, gone) = clone_of_new_snapshot();
    // Its note, and the snapshot, which knows how many clones it has.
    let noted = notes().remove(0);
    let noted = [noted.clone(), noted.replace("snap_children_", "snapshot_")];
    let dir = TempDir::new();
    let kept = |key: &String| dir.path().join(key);
    for key in &noted {
        ceph.rados_says(&["getomapval", &header, key, kept(key).to_str().unwrap()]);
    }
    let in_trash = |count: usize| ceph.rbd_says(&["trash", "ls"]).lines().count() == count;
    volumes.remove_volume(gone).unwrap();
    until("the clone is gone", || in_trash(0));
    // What a client that was killed had told of it only arrives now.
    for key in &noted {
        ceph.rados_stores(&["setomapval", &header, key], File::open(kept(key)).unwrap());
    }
    let (other_snapshot, stays) = clone_of_new_snapshot();
    assert_eq!(notes().len(), 2);
    volumes.remove_snapshot(snapshot, None).unwrap();
    volumes.remove_snapshot(other_snapshot, None).unwrap();
    volumes.remove_volume(first.id).unwrap();
    until("the clone is forgotten", || {
        volumes.sweep().unwrap();
        notes().len() == 1
    });
    assert!(in_trash(1), "what a clone is made of went away");
    assert!(volumes.observe_volume(stays).unwrap().is_some());
    volumes.remove_volume(stays).unwrap();
    until("nothing is left in the trash", || {
        volumes.sweep().unwrap();
        in_trash(0)
    });
}

#[test]
fn a_snapshot_whose_maker_died_before_it_could_be_opened_is_mended() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let (_, first, at) = clone_with_snapshot(&rbd);
    let name = format!("volume-{}", first.id);
    let id = id_of(&ceph, &name);
    let listed = json_of(&ceph.rbd_says(&["snap", "ls", "--format", "json", &name]));
    let number = listed[0]["id"].as_u64().unwrap();
    // Its map is what the maker writes after the snapshot is noted.
    ceph.rados_says(&["rm", &format!("rbd_object_map.{id}.{number:016x}")]);
    let second = NewVolume { source: Source::Snapshot(at), ..blank(8 * MIB) };
    let refused = volumes.ensure_volume(&second).unwrap_err();
    assert!(matches!(refused, Error::NoSnapshot { .. }), "{refused}");
    volumes.ensure_snapshot(at, None).unwrap();
    volumes.ensure_volume(&second).unwrap();
    assert_eq!(volumes.observe_volume(second.id).unwrap().unwrap().size_bytes, 8 * MIB);
}

#[test]
fn long_chains_are_flattened_in_the_background() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd_with(RbdConfig { clone_depth_max: 2, ..ceph.config() });
    let volumes = rbd.volumes(None);
    let mut volume = blank(8 * MIB);
    volumes.ensure_volume(&volume).unwrap();
    for depth in 1..=3 {
        let at = snapshot_of(volume.id);
        volumes.ensure_snapshot(at, None).unwrap();
        volume = NewVolume { source: Source::Snapshot(at), ..blank(8 * MIB) };
        volumes.ensure_volume(&volume).unwrap();
        let tidied = volumes.tidy(volume.id, None).unwrap();
        assert_eq!(tidied == Tidied::More, depth == 3, "at depth {depth}");
    }
    until("the chain is short", || volumes.tidy(volume.id, None).unwrap() == Tidied::Done);
    let shown = json_of(&ceph.rbd_says(&["info", "--format", "json", &format!("volume-{}", volume.id)]));
    assert_eq!(shown.get("parent"), None, "{shown}");
}

#[test]
fn a_volume_goes_back_to_its_newest_snapshot_once_for_each_token() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let volume = blank(8 * MIB);
    volumes.ensure_volume(&volume).unwrap();
    let node = volumes.blockdev(volume.id).unwrap();
    let write = |pattern: u8| QemuIo::open(&ceph, &node).say(&format!("write -P {pattern} 0 1M"));
    let reads = |pattern: u8| QemuIo::open(&ceph, &node).reads(pattern, 0, MIB);
    write(1);
    let (older, newer) = (snapshot_of(volume.id), snapshot_of(volume.id));
    volumes.ensure_snapshot(older, None).unwrap();
    write(2);
    volumes.ensure_snapshot(newer, None).unwrap();
    write(3);
    let refused = volumes.ensure_reverted(older, "t").unwrap_err();
    assert!(matches!(refused, Error::NotNewest { .. }), "{refused}");
    volumes.ensure_reverted(newer, "t").unwrap();
    assert!(reads(2));
    write(4);
    volumes.ensure_reverted(newer, "t").unwrap();
    assert!(reads(4), "the same token reverts once");
    volumes.remove_snapshot(newer, None).unwrap();
    volumes.ensure_reverted(older, "u").unwrap();
    assert!(reads(1));
    let state = volumes.observe_volume(volume.id).unwrap().unwrap();
    assert_eq!((state.reverted.as_deref(), state.snapshots), (Some("u"), vec![older.id]));
    assert_eq!(state.used_bytes % MIB, 0);
    assert!((MIB..=8 * MIB).contains(&state.used_bytes), "{}", state.used_bytes);
}

#[test]
fn an_image_of_another_store_is_brought_when_it_is_needed() {
    let Some(ceph) = Ceph::shared() else { return };
    let files = file_world();
    let rbd = ceph.rbd();
    let (image, _) = upload(&*files.images, DiskFormat::Qcow2, &qcow2_bytes(4 * MIB)).unwrap();
    let volumes = rbd.volumes(Some(files.images.into()));
    volumes.ensure_volume(&clone_of(image, DiskFormat::Qcow2, 4 * MIB)).unwrap();
    let mut bytes = Vec::new();
    rbd.images().reader(image, 0..u64::MAX).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, qcow2_bytes(4 * MIB));
}

#[test]
fn a_large_image_comes_back_as_it_was() {
    let Some(ceph) = Ceph::shared() else { return };
    let images = ceph.rbd().images();
    let image = ImageId(runtime::new_uuid());
    let upload = Upload { image, format: DiskFormat::Raw, size_bytes_max: 1 << 30, enforce: true };
    // Longer than an upload begins with, with holes and an odd end.
    let piece: Vec<u8> = (0..MIB + 13).map(|at| (at % 251) as u8).collect();
    let zeros = vec![0; 9 * MIB as usize];
    let mut writer = images.writer(&upload).unwrap();
    let mut sent = Vec::new();
    for _ in 0..8 {
        for part in [&piece, &zeros] {
            writer.write(part).unwrap();
            sent.extend_from_slice(part);
        }
    }
    let stored = writer.finish().unwrap();
    assert_eq!(stored.size_bytes, sent.len() as u64);
    let mut bytes = Vec::new();
    images.reader(image, 0..u64::MAX).unwrap().read_to_end(&mut bytes).unwrap();
    assert!(bytes == sent);
    let used = json_of(&ceph.rbd_says(&["du", "--format", "json", &image.to_string()]));
    let used = used["images"][0]["used_size"].as_u64().unwrap();
    assert!(
        used <= 8 * 12 * MIB && used < sent.len() as u64 * 3 / 4 + 32 * MIB,
        "{used}: zeros take no room"
    );
}

#[test]
fn a_full_pool_is_told_before_anything_waits_for_it() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let quota = |bytes: u64| {
        let value = bytes.to_string();
        ceph.command(json!({ "prefix": "osd pool set-quota", "pool": ceph.pool(), "field": "max_bytes", "val": value }));
    };
    until("the pool is measured", || volumes.capacity().unwrap().total_bytes > 0);
    quota(MIB);
    until("the quota is seen", || volumes.capacity().unwrap().total_bytes <= MIB);
    let refused = volumes.ensure_volume(&blank(MIB)).unwrap_err();
    assert!(matches!(refused, Error::Full { .. }), "{refused}");
    let writer = Upload {
        image: ImageId(runtime::new_uuid()),
        format: DiskFormat::Raw,
        size_bytes_max: MIB,
        enforce: true,
    };
    let refused = rbd.images().writer(&writer).err().unwrap();
    assert!(matches!(refused, Error::Full { .. }), "{refused}");
    quota(0);
    until("there is room again", || volumes.ensure_volume(&blank(MIB)).is_ok());
}

#[test]
fn a_host_that_was_cut_off_cannot_write_any_more() {
    let Some(ceph) = Ceph::shared() else { return };
    let volumes = ceph.rbd().volumes(None);
    let volume = blank(8 * MIB);
    volumes.ensure_volume(&volume).unwrap();
    let node = volumes.blockdev(volume.id).unwrap();
    let mut old = QemuIo::open(&ceph, &node);
    assert!(old.say("write -P 1 0 1M").contains("wrote"));
    volumes.ensure_ours(volume.id).unwrap();
    let mut new = QemuIo::open(&ceph, &node);
    assert!(new.reads(1, 0, MIB));
    assert!(new.say("write -P 2 0 1M").contains("wrote"));
    let refused = old.say("write -P 3 0 1M");
    assert!(refused.contains("write failed"), "{refused}");
    assert!(new.reads(2, 0, MIB));
    // What this backend itself had open is not shut out.
    volumes.ensure_size(volume.id, 16 * MIB).unwrap();
}

/// The features of a volume, as Ceph's own program says.
fn features(ceph: &Ceph, volume: VolumeId) -> Vec<String> {
    let shown = json_of(&ceph.rbd_says(&["info", "--format", "json", &format!("volume-{volume}")]));
    serde_json::from_value(shown["features"].clone()).unwrap()
}

#[test]
fn several_clients_write_to_a_volume_that_is_for_several() {
    let Some(ceph) = Ceph::shared() else { return };
    let (rbd, other) = (ceph.rbd(), ceph.rbd());
    let (volumes, elsewhere) = (rbd.volumes(None), other.volumes(None));
    let mut volume = NewVolume { multiattach: true, ..blank(8 * MIB) };
    volumes.ensure_volume(&volume).unwrap();
    assert_eq!(features(&ceph, volume.id), ["layering", "deep-flatten"]);
    let (mut first, mut second) = (
        QemuIo::open(&ceph, &volumes.blockdev(volume.id).unwrap()),
        QemuIo::open(&ceph, &elsewhere.blockdev(volume.id).unwrap()),
    );
    // Whatever one wrote the other sees at once, and neither is ever shut out.
    for round in 1..20_u8 {
        first.say(&format!("write -P {round} 0 64k"));
        assert!(second.reads(round, 0, 64 << 10), "{round}");
        second.say(&format!("write -P {round} 4M 64k"));
        assert!(first.reads(round, 4 << 20, 64 << 10), "{round}");
    }
    // They learn of a snapshot one after another, which would be of no one moment.
    let at = snapshot_of(volume.id);
    let error = volumes.ensure_snapshot(at, None).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(volumes.observe_volume(volume.id).unwrap().unwrap().snapshots, []);
    drop(second);
    volumes.ensure_snapshot(at, None).unwrap();
    first.say("write -P 99 0 64k");
    let mut held = QemuIo::open(&ceph, &volumes.snapshot_blockdev(at).unwrap());
    assert!(held.reads(19, 0, 64 << 10));
    drop(held);
    volumes.ensure_size(volume.id, 16 * MIB).unwrap();
    drop(first);
    volumes.remove_snapshot(at, None).unwrap();

    // Back to one at a time: whoever has it then is alone.
    volume.multiattach = false;
    volumes.ensure_volume(&volume).unwrap();
    until("its objects are mapped", || volumes.tidy(volume.id, None).unwrap() == Tidied::Done);
    let expected = ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"];
    assert_eq!(features(&ceph, volume.id), expected);
    assert!(volumes.observe_volume(volume.id).unwrap().unwrap().used_bytes < 16 * MIB);
    let mut first = QemuIo::open(&ceph, &volumes.blockdev(volume.id).unwrap());
    assert!(first.reads(99, 0, 64 << 10) && first.reads(19, 4 << 20, 64 << 10));
    first.say("write -P 1 0 64k");
    elsewhere.ensure_ours(volume.id).unwrap();
    // What the next one asks tells the OSDs who is shut out.
    let mut next = QemuIo::open(&ceph, &elsewhere.blockdev(volume.id).unwrap());
    assert!(next.say("write -P 2 0 64k").contains("wrote"));
    let refused = first.say("write -P 3 0 64k");
    assert!(refused.contains("write failed"), "{refused}");
    assert!(next.reads(2, 0, 64 << 10));
}

#[test]
fn a_volume_that_is_for_one_has_a_lock_before_it_is_opened() {
    let Some(ceph) = Ceph::shared() else { return };
    let volumes = ceph.rbd().volumes(None);
    let volume = NewVolume { multiattach: true, ..blank(8 * MIB) };
    volumes.ensure_volume(&volume).unwrap();
    // As after a crash before it was said that it is for one again.
    volumes.ensure_ours(volume.id).unwrap();
    assert!(features(&ceph, volume.id).contains(&"exclusive-lock".to_owned()));
}

#[test]
fn an_image_of_others_becomes_a_volume() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    // As Cinder has it: the snapshot is protected.
    ceph.rbd_says(&["create", "--size", "1500M", "theirs"]);
    let held = snapshot_of(blank(MIB).id);
    let theirs = format!("theirs@snapshot-{}", held.id);
    ceph.rbd_says(&["snap", "create", &theirs]);
    ceph.rbd_says(&["snap", "protect", &theirs]);
    let found = volumes.find_unmanaged("theirs").unwrap();
    assert_eq!((found.size_bytes, &found.refused), (1500 * MIB, &None));
    assert_eq!(volumes.observe_unmanaged().unwrap(), [found]);
    let id = blank(MIB).id;
    volumes.ensure_managed(id, "theirs", 2 * GIB).unwrap();
    volumes.ensure_size(id, 2 * GIB).unwrap();
    assert_eq!(ceph.rbd_says(&["ls"]).trim(), format!("volume-{id}"));
    assert_eq!(volumes.observe_volume(id).unwrap().unwrap().size_bytes, 2 * GIB);
    let at = Snapshot { volume: id, ..snapshot_of(id) };
    volumes.ensure_snapshot_managed(at, &name_of_snapshot(held.id)).unwrap();
    volumes.remove_snapshot(at, None).unwrap();
    volumes.remove_volume(id).unwrap();
    until("nothing is left in the pool", || {
        volumes.sweep().unwrap();
        ceph.rbd_says(&["trash", "ls"]).is_empty() && ceph.rbd_says(&["ls"]).is_empty()
    });
}

#[test]
fn what_others_use_or_need_is_not_managed() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let (volumes, roots) = (rbd.volumes(None), rbd.root_disks(None));
    let (image, _) = upload(&rbd.images(), DiskFormat::Raw, &[7; 5000]).unwrap();
    let root = clone_of(image, DiskFormat::Raw, 32 * MIB);
    roots.ensure_volume(&root).unwrap();
    let volume = blank(8 * MIB);
    volumes.ensure_volume(&volume).unwrap();
    let node = volumes.blockdev(volume.id).unwrap();
    volumes.ensure_unmanaged(volume.id, None).unwrap();
    let mut io = QemuIo::open(&ceph, &node);
    assert!(io.say("write -P 1 0 1M").contains("wrote"));
    let refusal = |name: &str| {
        let refused = volumes.find_unmanaged(name).unwrap().refused.unwrap();
        let error = volumes.ensure_managed(blank(MIB).id, name, GIB).unwrap_err();
        assert!(matches!(&error, Error::NotManageable { why, .. } if *why == refused), "{error}");
        refused
    };
    assert_eq!(refusal(&image.to_string()), "it belongs to an image or to a server");
    assert_eq!(refusal(&format!("{}_disk", root.id)), "it belongs to an image or to a server");
    assert!(refusal(&format!("volume-{}", volume.id)).starts_with("it is in use by "));
    drop(io);
    let names: Vec<String> =
        volumes.observe_unmanaged().unwrap().into_iter().map(|found| found.name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

/// What is left of a change of names whose maker was killed, step by step as librbd makes it.
#[test]
fn a_change_of_names_that_nobody_ended_is_ended() {
    let Some(ceph) = Ceph::shared() else { return };
    let rbd = ceph.rbd();
    let volumes = rbd.volumes(None);
    let dir = TempDir::new();
    let copied = dir.path().join("id");
    let copy = |from: &str, to: &str| {
        ceph.rados_says(&["get", &format!("rbd_id.{from}"), copied.to_str().unwrap()]);
        ceph.rados_stores(&["put", &format!("rbd_id.{to}"), "-"], File::open(&copied).unwrap());
    };
    let check = |id: VolumeId| {
        let name = format!("volume-{id}");
        assert_eq!(ceph.rbd_says(&["ls"]).trim(), name);
        let objects = ceph.rados_says(&["ls"]);
        let names: Vec<&str> = objects.lines().filter_map(|object| object.strip_prefix("rbd_id.")).collect();
        assert_eq!(names, [name.as_str()]);
        volumes.remove_volume(id).unwrap();
    };
    // The new name leads to the image, and nothing else is done.
    let id = blank(MIB).id;
    ceph.rbd_says(&["create", "--size", "8M", "disk"]);
    copy("disk", &format!("volume-{id}"));
    volumes.ensure_managed(id, "disk", GIB).unwrap();
    check(id);
    // All is done but that the old name still leads there.
    let id = blank(MIB).id;
    ceph.rbd_says(&["create", "--size", "8M", "disk"]);
    ceph.rbd_says(&["rename", "disk", &format!("volume-{id}")]);
    copy(&format!("volume-{id}"), "disk");
    volumes.ensure_managed(id, "disk", GIB).unwrap();
    check(id);
    // The first, and then it is not wanted any more.
    let id = blank(MIB).id;
    ceph.rbd_says(&["create", "--size", "8M", "disk"]);
    copy("disk", &format!("volume-{id}"));
    volumes.ensure_unmanaged(id, Some("disk")).unwrap();
    assert_eq!(ceph.rbd_says(&["ls"]).trim(), "disk");
    assert_eq!(volumes.observe_volume(id).unwrap(), None);
    // The same where one volume takes the place of another: before and after the directory knows of it.
    for is_renamed in [false, true] {
        let (id, by) = (blank(MIB), blank(2 * MIB));
        volumes.ensure_volume(&by).unwrap();
        let (from, to) = (format!("volume-{}", by.id), format!("volume-{}", id.id));
        if is_renamed {
            volumes.ensure_replaced(id.id, by.id).unwrap();
            copy(&to, &from);
        } else {
            copy(&from, &to);
        }
        volumes.ensure_replaced(id.id, by.id).unwrap();
        assert_eq!(volumes.observe_volume(id.id).unwrap().unwrap().size_bytes, 2 * MIB);
        assert_eq!(ceph.rados_says(&["ls"]).lines().filter(|name| name.starts_with("rbd_id.")).count(), 2);
        volumes.remove_volume(id.id).unwrap();
    }
    // Of two that wanted it, the one that was too late.
    let (first, second) = (blank(MIB).id, blank(MIB).id);
    volumes.ensure_managed(first, "disk", GIB).unwrap();
    copy(&format!("volume-{first}"), &format!("volume-{second}"));
    let absent = volumes.ensure_managed(second, "disk", GIB).unwrap_err();
    assert!(matches!(&absent, Error::NoUnmanaged(name) if name == "disk"), "{absent}");
    volumes.ensure_unmanaged(second, Some("disk")).unwrap();
    volumes.remove_volume(second).unwrap();
    check(first);
}
