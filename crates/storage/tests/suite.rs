//! What every image store and volume backend must do.

use std::io::Read;

use storage::{
    DiskFormat, Error, GIB, NewVolume, Refusal, Snapshot, Source, Tidied, Upload, name_of_snapshot,
    name_of_volume,
};
use types::{ImageId, SnapshotId, VolumeId};

use crate::{World, qcow2_bytes, upload};

/// Expands the suite for one implementation.
#[macro_export]
macro_rules! storage_suite {
    ($name:ident, $world:expr) => {
        mod $name {
            $crate::storage_suite!(@ $world;
                an_upload_comes_back_with_its_hashes
                an_unfinished_upload_leaves_nothing
                bad_uploads_are_refused
                an_image_may_be_uploaded_again
                volumes_are_made_once
                volumes_only_grow
                clones_outlive_their_image
                clones_are_checked
                blockdev_is_a_tree_of_nodes
                removing_twice_is_fine
                snapshots_come_and_go_in_any_order
                a_clone_of_a_snapshot_needs_nothing_else
                a_volume_goes_back_to_its_newest_snapshot_once
                volumes_for_several_vms_are_made_of_anything
                a_volume_comes_to_be_for_several_vms_and_no_longer
                a_volume_takes_the_place_of_another
                what_is_unmanaged_stays_and_becomes_a_volume_again
                what_is_not_there_is_not_managed
                capacity_is_sane
            );
        }
    };
    (@ $world:expr; $($case:ident)*) => {$(
        #[test]
        fn $case() {
            // A world that cannot be on this machine has said so.
            if let Some(world) = $world {
                $crate::suite::$case(&world);
            }
        }
    )*};
}

const MIB: u64 = 1 << 20;

fn blank(size_bytes: u64) -> NewVolume {
    NewVolume { id: VolumeId(runtime::new_uuid()), size_bytes, source: Source::Blank, multiattach: false }
}

fn clone_of(id: ImageId, format: DiskFormat, size_bytes: u64) -> NewVolume {
    NewVolume { source: Source::Image { id, format }, ..blank(size_bytes) }
}

pub fn an_upload_comes_back_with_its_hashes(world: &World) {
    let (image, stored) = upload(&*world.images, DiskFormat::Raw, &b"abc".repeat(50_000)).unwrap();
    assert_eq!((stored.size_bytes, stored.virtual_size_bytes), (150_000, 150_000));
    assert_eq!(stored.md5, "4049ac4effa0328b5a207fd36587ec5e");
    assert_eq!(stored.sha512.len(), 128);
    assert!(stored.sha512.starts_with("246e97b62e5f98f42fbd193cf7ebea87f009995107b29553696f41a32a5248ec"));
    assert_eq!(world.images.observe_image(image).unwrap(), Some(150_000));
    assert_eq!(world.images.observe_images().unwrap(), [image]);

    let read = |range| {
        let mut bytes = Vec::new();
        world.images.reader(image, range).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(read(0..u64::MAX), b"abc".repeat(50_000));
    assert_eq!(read(1..5), b"bcab");
    assert_eq!(read(149_999..200_000), b"c");
    assert_eq!(read(200_000..300_000), b"");
}

pub fn an_unfinished_upload_leaves_nothing(world: &World) {
    let image = ImageId(runtime::new_uuid());
    let mut writer = world
        .images
        .writer(&Upload { image, format: DiskFormat::Raw, size_bytes_max: MIB, enforce: true })
        .unwrap();
    writer.write(b"half").unwrap();
    assert_eq!(world.images.observe_images().unwrap(), []);
    drop(writer);
    assert_eq!(world.images.observe_image(image).unwrap(), None);
    assert_eq!(world.images.sweep().unwrap(), 0);
    assert!(matches!(world.images.reader(image, 0..1).err(), Some(Error::NoImage(id)) if id == image));
}

pub fn bad_uploads_are_refused(world: &World) {
    let qcow2 = qcow2_bytes(MIB);
    let refused = upload(&*world.images, DiskFormat::Raw, &qcow2).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Mismatch { .. })), "{refused}");
    let refused = upload(&*world.images, DiskFormat::Qcow2, &qcow2[..1000]).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Truncated)), "{refused}");
    let refused = upload(&*world.images, DiskFormat::Raw, &vec![0; MIB as usize + 1]).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { size_bytes_max: MIB }), "{refused}");
    assert_eq!(world.images.observe_images().unwrap(), []);
}

pub fn an_image_may_be_uploaded_again(world: &World) {
    let image = ImageId(runtime::new_uuid());
    for content in [&b"first"[..], b"second"] {
        let mut writer = world
            .images
            .writer(&Upload { image, format: DiskFormat::Raw, size_bytes_max: MIB, enforce: true })
            .unwrap();
        writer.write(content).unwrap();
        writer.finish().unwrap();
        assert_eq!(world.images.observe_image(image).unwrap(), Some(content.len() as u64));
    }
}

pub fn volumes_are_made_once(world: &World) {
    let volume = blank(MIB);
    for _ in 0..2 {
        world.volumes.ensure_volume(&volume).unwrap();
        let usage = world.volumes.observe_volume(volume.id).unwrap().unwrap();
        assert_eq!(usage.size_bytes, MIB);
        assert_eq!(world.volumes.observe_volumes().unwrap(), [volume.id]);
    }
    for size_bytes in [0, 513, u64::MAX] {
        let refused = world.volumes.ensure_volume(&blank(size_bytes)).unwrap_err();
        assert!(matches!(refused, Error::BadSize(_)), "{refused}");
    }
}

pub fn volumes_only_grow(world: &World) {
    let volume = blank(MIB);
    let unknown = world.volumes.ensure_size(volume.id, MIB).unwrap_err();
    assert!(matches!(unknown, Error::NoVolume(id) if id == volume.id), "{unknown}");
    world.volumes.ensure_volume(&volume).unwrap();
    world.volumes.ensure_size(volume.id, MIB).unwrap();
    if crate::tool("volumes_only_grow", "qemu-img", &["--version"]).is_some() {
        for _ in 0..2 {
            world.volumes.ensure_size(volume.id, 3 << 40).unwrap();
            assert_eq!(world.volumes.observe_volume(volume.id).unwrap().unwrap().size_bytes, 3 << 40);
        }
    }
    let refused = world.volumes.ensure_size(volume.id, MIB / 2).unwrap_err();
    assert!(matches!(refused, Error::TooSmall { .. }), "{refused}");
}

pub fn clones_outlive_their_image(world: &World) {
    let (image, _) = upload(&*world.images, DiskFormat::Qcow2, &qcow2_bytes(MIB)).unwrap();
    let (first, second) = (clone_of(image, DiskFormat::Qcow2, MIB), clone_of(image, DiskFormat::Qcow2, MIB));
    world.volumes.ensure_volume(&first).unwrap();
    world.images.remove_image(image).unwrap();
    assert_eq!(world.images.observe_images().unwrap(), []);
    assert!(world.volumes.blockdev(first.id).is_ok());
    world.volumes.ensure_volume(&first).unwrap();
    let gone = world.volumes.ensure_volume(&second).unwrap_err();
    assert!(matches!(gone, Error::NoImage(id) if id == image), "{gone}");
    assert_eq!(world.volumes.observe_volumes().unwrap(), [first.id]);
}

pub fn clones_are_checked(world: &World) {
    let (image, _) = upload(&*world.images, DiskFormat::Qcow2, &qcow2_bytes(4 * MIB)).unwrap();
    let check = |format, size_bytes, expected: fn(&Error) -> bool| {
        let refused = world.volumes.ensure_volume(&clone_of(image, format, size_bytes)).unwrap_err();
        assert!(expected(&refused), "{refused}");
    };
    check(
        DiskFormat::Qcow2,
        MIB,
        |e| matches!(e, Error::TooSmall { needed, asked: MIB } if *needed == 4 * MIB),
    );
    check(DiskFormat::Raw, 8 * MIB, |e| matches!(e, Error::Refused(Refusal::Mismatch { .. })));
    check(DiskFormat::Vdi, 8 * MIB, |e| matches!(e, Error::Refused(_)));
    assert_eq!(world.volumes.observe_volumes().unwrap(), []);
}

pub fn blockdev_is_a_tree_of_nodes(world: &World) {
    let volume = blank(MIB);
    assert!(matches!(world.volumes.blockdev(volume.id), Err(Error::NoVolume(id)) if id == volume.id));
    world.volumes.ensure_volume(&volume).unwrap();
    let node = world.volumes.blockdev(volume.id).unwrap();
    assert!(node["driver"].is_string(), "{node}");
    let name = node.get("node-name").and_then(|name| name.as_str()).unwrap_or("l-1");
    assert!(name.starts_with("l-") && name.len() < 32, "other names are the hypervisor's: {node}");
}

pub fn removing_twice_is_fine(world: &World) {
    let volume = blank(MIB);
    let (image, _) = upload(&*world.images, DiskFormat::Raw, b"x").unwrap();
    world.volumes.ensure_volume(&volume).unwrap();
    for _ in 0..2 {
        world.volumes.remove_volume(volume.id).unwrap();
        world.images.remove_image(image).unwrap();
        assert_eq!(world.volumes.observe_volume(volume.id).unwrap(), None);
        assert_eq!(world.images.observe_image(image).unwrap(), None);
    }
    assert_eq!(world.volumes.sweep().unwrap(), 0);
}

pub fn capacity_is_sane(world: &World) {
    let capacity = world.volumes.capacity().unwrap();
    assert!(0 < capacity.free_bytes && capacity.free_bytes <= capacity.total_bytes, "{capacity:?}");
}

fn snapshot(volume: VolumeId) -> Snapshot {
    Snapshot { volume, id: SnapshotId(runtime::new_uuid()) }
}

fn tidy(world: &World, volume: VolumeId) {
    let began = runtime::monotonic();
    while world.volumes.tidy(volume, None).unwrap() != Tidied::Done {
        assert!(began.elapsed().as_secs() < 60, "there is no end to tidying");
        std::thread::yield_now();
    }
}

pub fn snapshots_come_and_go_in_any_order(world: &World) {
    let volume = blank(MIB);
    world.volumes.ensure_volume(&volume).unwrap();
    let at = [(); 4].map(|()| snapshot(volume.id));
    let seen = || world.volumes.observe_volume(volume.id).unwrap().unwrap().snapshots;
    for at in at {
        world.volumes.ensure_snapshot(at, None).unwrap();
        world.volumes.ensure_snapshot(at, None).unwrap();
    }
    assert_eq!(seen(), at.map(|at| at.id));
    for (removed, left) in [(1, vec![0, 2, 3]), (0, vec![2, 3]), (3, vec![2]), (2, vec![])] {
        world.volumes.remove_snapshot(at[removed], None).unwrap();
        world.volumes.remove_snapshot(at[removed], None).unwrap();
        let left: Vec<SnapshotId> = left.into_iter().map(|left: usize| at[left].id).collect();
        assert_eq!(seen(), left);
        tidy(world, volume.id);
        assert_eq!(seen(), left);
    }
    let absent = Error::NoVolume(VolumeId(runtime::new_uuid()));
    let Error::NoVolume(id) = absent else { unreachable!() };
    assert!(
        matches!(world.volumes.ensure_snapshot(snapshot(id), None), Err(Error::NoVolume(found)) if found == id)
    );
    world.volumes.remove_snapshot(snapshot(id), None).unwrap();
    let error = world.volumes.snapshot_blockdev(snapshot(volume.id)).unwrap_err();
    assert!(matches!(error, Error::NoSnapshot { volume: found, .. } if found == volume.id), "{error}");
}

pub fn a_clone_of_a_snapshot_needs_nothing_else(world: &World) {
    let volume = blank(MIB);
    world.volumes.ensure_volume(&volume).unwrap();
    let at = snapshot(volume.id);
    let clone = NewVolume { source: Source::Snapshot(at), ..blank(2 * MIB) };
    assert!(matches!(world.volumes.ensure_volume(&clone), Err(Error::NoSnapshot { id, .. }) if id == at.id));
    world.volumes.ensure_snapshot(at, None).unwrap();
    // What the volume becomes afterwards is nothing to its snapshots.
    if crate::tool("a_clone_of_a_snapshot_needs_nothing_else", "qemu-img", &["--version"]).is_some() {
        world.volumes.ensure_size(volume.id, 4 * MIB).unwrap();
    }
    let small = NewVolume { size_bytes: MIB / 2, ..clone.clone() };
    let error = world.volumes.ensure_volume(&small).unwrap_err();
    assert!(matches!(error, Error::TooSmall { needed: MIB, .. }), "{error}");
    world.volumes.ensure_volume(&clone).unwrap();
    world.volumes.ensure_volume(&clone).unwrap();
    world.volumes.remove_snapshot(at, None).unwrap();
    tidy(world, volume.id);
    world.volumes.remove_volume(volume.id).unwrap();
    tidy(world, clone.id);
    let state = world.volumes.observe_volume(clone.id).unwrap().unwrap();
    assert_eq!((state.size_bytes, state.snapshots), (2 * MIB, vec![]));
    assert!(world.volumes.blockdev(clone.id).unwrap()["driver"].is_string());
}

pub fn a_volume_goes_back_to_its_newest_snapshot_once(world: &World) {
    let volume = blank(MIB);
    world.volumes.ensure_volume(&volume).unwrap();
    let (old, new) = (snapshot(volume.id), snapshot(volume.id));
    world.volumes.ensure_snapshot(old, None).unwrap();
    world.volumes.ensure_snapshot(new, None).unwrap();
    let error = world.volumes.ensure_reverted(old, "a").unwrap_err();
    assert!(matches!(error, Error::NotNewest { id, .. } if id == old.id), "{error}");
    let error = world.volumes.ensure_reverted(snapshot(volume.id), "a").unwrap_err();
    assert!(matches!(error, Error::NoSnapshot { .. }), "{error}");
    let seen = || world.volumes.observe_volume(volume.id).unwrap().unwrap();
    assert_eq!(seen().reverted, None);
    for token in ["a", "a", "b"] {
        world.volumes.ensure_reverted(new, token).unwrap();
        assert_eq!(seen().reverted.as_deref(), Some(token));
        assert_eq!(seen().snapshots, [old.id, new.id]);
    }
}

/// Makes a volume, or has it become one for several VMs or for one, which may take its time.
fn ensure(world: &World, volume: &NewVolume) {
    underway(|| world.volumes.ensure_volume(volume));
}

/// Asks until it is not under way any more.
pub fn underway(mut ask: impl FnMut() -> storage::Result<()>) {
    loop {
        match ask() {
            Err(Error::Underway { .. }) => std::thread::yield_now(),
            done => return done.unwrap(),
        }
    }
}

fn has_qemu_img(test: &str) -> bool {
    crate::tool(test, "qemu-img", &["--version"]).is_some()
}

pub fn volumes_for_several_vms_are_made_of_anything(world: &World) {
    if !has_qemu_img("volumes_for_several_vms_are_made_of_anything") {
        return;
    }
    let for_several = |source, size_bytes| NewVolume { source, multiattach: true, ..blank(size_bytes) };
    let seen = |id| world.volumes.observe_volume(id).unwrap().unwrap();
    let (raw, _) = upload(&*world.images, DiskFormat::Raw, &[7; 5000]).unwrap();
    let (qcow2, _) = upload(&*world.images, DiskFormat::Qcow2, &qcow2_bytes(MIB)).unwrap();
    for (id, format) in [(raw, DiskFormat::Raw), (qcow2, DiskFormat::Qcow2)] {
        let volume = for_several(Source::Image { id, format }, 2 * MIB);
        ensure(world, &volume);
        ensure(world, &volume);
        assert_eq!(seen(volume.id).size_bytes, 2 * MIB);
        world.volumes.remove_volume(volume.id).unwrap();
    }
    let small = for_several(Source::Image { id: qcow2, format: DiskFormat::Qcow2 }, MIB / 2);
    let error = loop {
        match world.volumes.ensure_volume(&small) {
            Err(Error::Underway { .. }) => std::thread::yield_now(),
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(error, Error::TooSmall { needed: MIB, .. }), "{error}");

    // Whatever the source is for, a clone is for what it is to be for.
    for source_is_for_several in [true, false] {
        let origin = NewVolume { multiattach: source_is_for_several, ..blank(MIB) };
        ensure(world, &origin);
        let (old, new) = (snapshot(origin.id), snapshot(origin.id));
        for at in [old, old, new] {
            underway(|| world.volumes.ensure_snapshot(at, None));
        }
        assert_eq!(seen(origin.id).snapshots, [old.id, new.id]);
        for multiattach in [true, false] {
            let clone = NewVolume { source: Source::Snapshot(old), multiattach, ..blank(2 * MIB) };
            ensure(world, &clone);
            assert_eq!((seen(clone.id).size_bytes, seen(clone.id).snapshots), (2 * MIB, vec![]));
            world.volumes.ensure_size(clone.id, 3 * MIB).unwrap();
            assert_eq!(seen(clone.id).size_bytes, 3 * MIB);
            assert!(world.volumes.blockdev(clone.id).unwrap()["driver"].is_string());
            world.volumes.remove_volume(clone.id).unwrap();
        }
        assert!(matches!(world.volumes.ensure_reverted(old, "a"), Err(Error::NotNewest { .. })));
        for token in ["a", "a"] {
            underway(|| world.volumes.ensure_reverted(new, token));
            assert_eq!(seen(origin.id).reverted.as_deref(), Some(token));
        }
        world.volumes.remove_snapshot(old, None).unwrap();
        world.volumes.remove_snapshot(old, None).unwrap();
        tidy(world, origin.id);
        assert_eq!(seen(origin.id).snapshots, [new.id]);
        world.volumes.remove_volume(origin.id).unwrap();
        assert_eq!(world.volumes.observe_volume(origin.id).unwrap(), None);
    }
}

pub fn a_volume_comes_to_be_for_several_vms_and_no_longer(world: &World) {
    if !has_qemu_img("a_volume_comes_to_be_for_several_vms_and_no_longer") {
        return;
    }
    let (image, _) = upload(&*world.images, DiskFormat::Raw, &[7; 5000]).unwrap();
    let mut volume = clone_of(image, DiskFormat::Raw, MIB);
    for multiattach in [false, true, true, false, true] {
        volume.multiattach = multiattach;
        ensure(world, &volume);
        let state = world.volumes.observe_volume(volume.id).unwrap().unwrap();
        assert_eq!((state.size_bytes, state.multiattach), (MIB, multiattach));
        assert!(world.volumes.blockdev(volume.id).unwrap()["driver"].is_string());
        tidy(world, volume.id);
    }
    world.volumes.remove_volume(volume.id).unwrap();
    assert_eq!(world.volumes.observe_volume(volume.id).unwrap(), None);
}

pub fn a_volume_takes_the_place_of_another(world: &World) {
    let volume = blank(MIB);
    world.volumes.ensure_volume(&volume).unwrap();
    let at = snapshot(volume.id);
    world.volumes.ensure_snapshot(at, None).unwrap();
    let clone = NewVolume { source: Source::Snapshot(at), ..blank(MIB) };
    world.volumes.ensure_volume(&clone).unwrap();
    let seen = || {
        let there = world.volumes.observe_volume(volume.id).unwrap().unwrap();
        (there.size_bytes, there.snapshots)
    };
    let others = || {
        let mut all = world.volumes.observe_volumes().unwrap();
        all.retain(|id| ![volume.id, clone.id].contains(id));
        all
    };
    for (round, size_bytes) in [2 * MIB, 3 * MIB, 4 * MIB].into_iter().enumerate() {
        let other = blank(size_bytes);
        world.volumes.ensure_volume(&other).unwrap();
        match round {
            0 => {}
            // As it is where whoever did it was interrupted, and where somebody made the volume again then.
            1 => world.volumes.remove_volume(volume.id).unwrap(),
            _ => {
                world.volumes.remove_volume(volume.id).unwrap();
                world.volumes.ensure_volume(&volume).unwrap();
            }
        }
        for _ in 0..2 {
            world.volumes.ensure_replaced(volume.id, other.id).unwrap();
            assert_eq!((seen(), others()), ((size_bytes, vec![]), vec![]), "round {round}");
        }
        // A later wish to remove the other one removes nothing.
        world.volumes.remove_volume(other.id).unwrap();
        world.volumes.ensure_volume(&volume).unwrap();
        tidy(world, volume.id);
        assert_eq!(seen().0, size_bytes);
    }
    let unknown = blank(MIB).id;
    let absent = world.volumes.ensure_replaced(volume.id, unknown).unwrap_err();
    assert!(matches!(absent, Error::NoVolume(id) if id == unknown), "{absent}");
    assert_eq!(seen().0, 4 * MIB);
    assert!(world.volumes.blockdev(volume.id).is_ok() && world.volumes.blockdev(clone.id).is_ok());
    // What is unmanaged stays where it is.
    let at = snapshot(volume.id);
    world.volumes.ensure_snapshot(at, None).unwrap();
    world.volumes.ensure_snapshot_unmanaged(at).unwrap();
    let other = blank(MIB);
    world.volumes.ensure_volume(&other).unwrap();
    let kept = world.volumes.ensure_replaced(volume.id, other.id).unwrap_err();
    assert!(matches!(kept, Error::Keeps(id) if id == volume.id), "{kept}");
    assert_eq!(others(), [other.id]);
}

pub fn what_is_unmanaged_stays_and_becomes_a_volume_again(world: &World) {
    let (old, new) = (blank(MIB), blank(GIB).id);
    let (name, held) = (name_of_volume(old.id), snapshot(old.id));
    let listed = || {
        let all = world.volumes.observe_unmanaged().unwrap();
        all.into_iter().find(|found| found.name == name)
    };
    world.volumes.ensure_volume(&old).unwrap();
    world.volumes.ensure_snapshot(held, None).unwrap();
    for _ in 0..2 {
        world.volumes.ensure_unmanaged(old.id, None).unwrap();
    }
    let found = listed().unwrap();
    assert_eq!((found.size_bytes, &found.refused), (MIB, &None));
    assert_eq!(world.volumes.find_unmanaged(&name).unwrap(), found);
    // Whoever hears of it late removes nothing.
    world.volumes.remove_volume(old.id).unwrap();
    world.volumes.sweep().unwrap();
    assert_eq!(listed().unwrap(), found);

    let refused = world.volumes.ensure_managed(new, &name, MIB / 2).unwrap_err();
    assert!(matches!(refused, Error::TooSmall { needed: MIB, .. }), "{refused}");
    for _ in 0..2 {
        world.volumes.ensure_managed(new, &name, GIB).unwrap();
    }
    assert_eq!(listed(), None);
    let gone = world.volumes.ensure_managed(blank(GIB).id, &name, GIB).unwrap_err();
    assert!(matches!(&gone, Error::NoUnmanaged(found) if *found == name), "{gone}");
    assert_eq!(world.volumes.observe_volumes().unwrap(), [new]);
    assert!(world.volumes.blockdev(new).is_ok());

    let at = Snapshot { volume: new, id: snapshot(new).id };
    let snapshots = || world.volumes.observe_volume(new).unwrap().unwrap().snapshots;
    let unmanaged = || world.volumes.observe_unmanaged_snapshots(new).unwrap();
    assert_eq!(snapshots(), []);
    assert_eq!((unmanaged()[0].name.clone(), unmanaged()[0].size_bytes), (name_of_snapshot(held.id), MIB));
    let kept = world.volumes.remove_volume(new).unwrap_err();
    assert!(matches!(kept, Error::Keeps(id) if id == new), "{kept}");
    for _ in 0..2 {
        world.volumes.ensure_snapshot_managed(at, &name_of_snapshot(held.id)).unwrap();
    }
    assert_eq!((snapshots(), unmanaged()), (vec![at.id], vec![]));
    for _ in 0..2 {
        world.volumes.ensure_snapshot_unmanaged(at).unwrap();
    }
    assert_eq!((snapshots(), unmanaged().len()), (vec![], 1));
    tidy(world, new);
    world.volumes.ensure_snapshot_managed(at, &name_of_snapshot(at.id)).unwrap();
    let clone = NewVolume { source: Source::Snapshot(at), ..blank(GIB) };
    world.volumes.ensure_volume(&clone).unwrap();
    world.volumes.remove_snapshot(at, None).unwrap();
    world.volumes.remove_volume(new).unwrap();
    assert_eq!(world.volumes.observe_volumes().unwrap(), [clone.id]);
}

pub fn what_is_not_there_is_not_managed(world: &World) {
    let volume = blank(MIB);
    for name in ["nothing", "", ".", "..", "../volumes", "/etc/passwd", &name_of_volume(volume.id)] {
        let absent =
            |error: Error| assert!(matches!(&error, Error::NoUnmanaged(found) if found == name), "{error}");
        absent(world.volumes.find_unmanaged(name).unwrap_err());
        absent(world.volumes.ensure_managed(volume.id, name, GIB).unwrap_err());
    }
    world.volumes.ensure_unmanaged(volume.id, Some("nothing")).unwrap();
    world.volumes.ensure_snapshot_unmanaged(snapshot(volume.id)).unwrap();
    assert_eq!(world.volumes.observe_unmanaged().unwrap(), []);
    world.volumes.ensure_volume(&volume).unwrap();
    for name in ["nothing", "../x", &name_of_snapshot(snapshot(volume.id).id)] {
        let absent = world.volumes.ensure_snapshot_managed(snapshot(volume.id), name).unwrap_err();
        assert!(matches!(&absent, Error::NoUnmanaged(found) if found == name), "{absent}");
    }
    assert_eq!(world.volumes.observe_unmanaged_snapshots(volume.id).unwrap(), []);
}
