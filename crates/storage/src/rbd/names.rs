//! How things are called in the cluster: as operators know it from OpenStack's drivers.

use types::{ImageId, SnapshotId, VolumeId};

use super::wire::Place;
use crate::{DiskFormat, name_of_volume, volume_of_name};

/// The snapshot of an image that clones come from, and that says it is whole.
pub const SNAPSHOT_OF_IMAGE: &str = "snap";
const SNAPSHOT: &str = "snapshot-";
const ROOT_DISK: &str = "_disk";
const BASE: &str = "_base";
const PART: &str = ".part";

/// A volume's image.
pub fn volume(place: Place, id: VolumeId) -> String {
    match place {
        Place::Volumes => name_of_volume(id),
        Place::RootDisks => format!("{id}{ROOT_DISK}"),
    }
}

/// The volume that an image is.
pub fn volume_id(place: Place, name: &str) -> Option<VolumeId> {
    match place {
        Place::Volumes => volume_of_name(name),
        Place::RootDisks => name.strip_suffix(ROOT_DISK)?.parse().ok(),
    }
}

/// A volume's snapshot.
pub fn snapshot(id: SnapshotId) -> String {
    format!("{SNAPSHOT}{id}")
}

/// The snapshot of this name, if it is one of ours.
pub fn snapshot_id(name: &str) -> Option<SnapshotId> {
    name.strip_prefix(SNAPSHOT)?.parse().ok()
}

/// The image whose snapshot volumes are cloned from: the uploaded bytes where they are a disk, else what was converted.
pub fn base(id: ImageId, format: DiskFormat) -> String {
    if format.driver() == Some("raw") { id.to_string() } else { converted(id) }
}

/// The raw disk that was made of an image.
pub fn converted(id: ImageId) -> String {
    format!("{id}{BASE}")
}

/// An upload on its way.
pub fn upload(id: ImageId, random: u64) -> String {
    format!("{id}.{random:016x}{PART}")
}

/// What an image is called whose name another one gets.
pub fn replaced(name: &str, by: &str) -> String {
    format!("{name}.{by}{PART}")
}

/// What the image was called that took the name of this one, if this is a volume that gave its own up for that.
pub fn replaced_by(name: &str) -> Option<String> {
    let (volume, by) = name.strip_suffix(PART)?.rsplit_once('.')?;
    volume_of_name(volume)?;
    by.parse().ok().map(name_of_volume)
}

/// Whether it is an upload on its way, or what is left of one or of a volume that was replaced.
pub fn is_upload(name: &str) -> bool {
    name.ends_with(PART)
}

/// The mark beside an image that is being made.
pub fn making(name: &str) -> String {
    format!("cuttle.making.{name}")
}

/// The object that says which image has a name.
pub fn id_of(name: &str) -> String {
    format!("rbd_id.{name}")
}

/// The object that says what an image is.
pub fn header(id: &str) -> String {
    format!("rbd_header.{id}")
}

/// The object that says which of an image's objects there are: now, or in the snapshot of this number.
pub fn object_map(id: &str, snapshot: Option<u64>) -> String {
    let snapshot = snapshot.map(|number| format!(".{number:016x}")).unwrap_or_default();
    format!("rbd_object_map.{id}{snapshot}")
}

/// Whether an image in the trash was put there by us.
pub fn is_ours(name: &str) -> bool {
    volume_id(Place::Volumes, name).is_some()
        || volume_id(Place::RootDisks, name).is_some()
        || is_upload(name)
        || name.strip_suffix(BASE).unwrap_or(name).parse::<ImageId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_ids() {
        let id = VolumeId(runtime::new_uuid());
        for place in [Place::Volumes, Place::RootDisks] {
            let name = volume(place, id);
            assert_eq!(volume_id(place, &name), Some(id));
            assert!(is_ours(&name));
        }
        assert_eq!(volume_id(Place::Volumes, &volume(Place::RootDisks, id)), None);
        let image = ImageId(runtime::new_uuid());
        assert_eq!(base(image, DiskFormat::Raw), image.to_string());
        assert_eq!(base(image, DiskFormat::Qcow2), format!("{image}_base"));
        for (name, ours) in [
            (image.to_string(), true),
            (converted(image), true),
            (upload(image, 7), true),
            ("precious".to_owned(), false),
            ("volume-of-mine".to_owned(), false),
        ] {
            assert_eq!(is_ours(&name), ours, "{name}");
        }
    }
}
