//! What only files do when they become volumes: who may have put them there, and what is left if somebody is killed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use storage::file::FileVolumes;
use storage::{Adoption, Error, GIB, NewVolume, Source, VolumeBackend, name_of_volume};
use types::VolumeId;

use crate::{TempDir, file_config, qcow2_bytes, qemu_img};

const MIB: u64 = 1 << 20;

struct Place {
    dir: TempDir,
    volumes: FileVolumes,
}

impl Place {
    fn new() -> Place {
        let dir = TempDir::new();
        let volumes = FileVolumes::open(&file_config(&dir)).unwrap();
        Place { dir, volumes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("unmanaged").join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Why a volume cannot be made of something; it stays what it is.
    fn refusal(&self, name: &str) -> String {
        let before = self.dir.tree();
        let refused = self.volumes.find_unmanaged(name).unwrap().refused.unwrap();
        let error = self.volumes.ensure_managed(new(), name, GIB).unwrap_err();
        assert!(matches!(&error, Error::NotManageable { why, .. } if *why == refused), "{error}");
        let listed = self.volumes.observe_unmanaged().unwrap();
        assert!(listed.iter().any(|found| found.name == name && found.refused.as_ref() == Some(&refused)));
        assert_eq!(self.dir.tree(), before);
        refused
    }
}

fn new() -> VolumeId {
    VolumeId(runtime::new_uuid())
}

/// A disk with something at its beginning and end.
fn raw_bytes(size_bytes: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(size_bytes).unwrap()];
    bytes[..4].copy_from_slice(b"here");
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(b"last");
    bytes
}

fn compare(left: (&str, &Path), right: &Path) -> bool {
    let (format, left) = left;
    let args = ["compare", "-f", format, "-F", "qcow2", left.to_str().unwrap(), right.to_str().unwrap()];
    qemu_img("files_become_volumes_as_they_are", &args).is_some()
}

#[test]
fn files_become_volumes_as_they_are() {
    let place = Place::new();
    let copies = TempDir::new();
    for (name, bytes, size_bytes) in
        [("disk.raw", raw_bytes(3 * MIB), 3 * MIB), ("disk.qcow2", qcow2_bytes(5 * MIB), 5 * MIB)]
    {
        place.put(name, &bytes);
        let copy = copies.path().join(name);
        fs::write(&copy, &bytes).unwrap();
        let found = place.volumes.find_unmanaged(name).unwrap();
        assert_eq!((found.size_bytes, found.refused), (size_bytes, None));
        let id = new();
        place.volumes.ensure_managed(id, name, GIB).unwrap();
        assert_eq!(place.volumes.observe_volume(id).unwrap().unwrap().size_bytes, GIB);
        assert!(!place.path(name).exists());
        let base = place.dir.path().join(format!("volumes/{id}/base"));
        assert_eq!(fs::read(base).unwrap(), bytes, "nothing is written to it");
        let format = name.strip_prefix("disk.").unwrap();
        compare((format, &copy), &place.volumes.disk_path(id));
        // And once more as a directory.
        place.volumes.ensure_unmanaged(id, Some(name)).unwrap();
        assert_eq!(place.volumes.observe_volumes().unwrap(), []);
        let again = new();
        place.volumes.ensure_managed(again, &name_of_volume(id), GIB).unwrap();
        compare((format, &copy), &place.volumes.disk_path(again));
        place.volumes.remove_volume(again).unwrap();
    }
    assert_eq!(place.dir.tree(), ["unmanaged", "volumes"]);
}

#[test]
fn what_leads_elsewhere_is_refused() {
    let place = Place::new();
    let outside = place.dir.path().join("secret");
    fs::write(&outside, raw_bytes(MIB)).unwrap();
    symlink(&outside, place.path("link")).unwrap();
    assert_eq!(place.refusal("link"), "it is a link to somewhere else");
    fs::hard_link(&outside, place.path("hard")).unwrap();
    assert_eq!(place.refusal("hard"), "it has another name elsewhere (a hard link)");
    fs::create_dir(place.path("folder")).unwrap();
    assert_eq!(place.refusal("folder"), "it is a directory, and none that was a volume");

    let mut backed = qcow2_bytes(MIB);
    backed[8..16].copy_from_slice(&512u64.to_be_bytes());
    backed[16..20].copy_from_slice(&6u32.to_be_bytes());
    backed[512..518].copy_from_slice(b"secret");
    place.put("backed", &backed);
    assert_eq!(place.refusal("backed"), "it needs a backing file (\"secret\")");

    let id = new();
    let name = name_of_volume(id);
    place
        .volumes
        .ensure_volume(&NewVolume { id, size_bytes: MIB, source: Source::Blank, multiattach: false })
        .unwrap();
    place.volumes.ensure_unmanaged(id, None).unwrap();
    symlink(&outside, place.path(&name).join("base")).unwrap();
    assert_eq!(place.refusal(&name), "base in it is a link to somewhere else");
    fs::remove_file(place.path(&name).join("base")).unwrap();
    symlink("../../secret", place.path(&name).join("head")).unwrap();
    assert_eq!(place.refusal(&name), "head in it is a link to somewhere else");
    fs::remove_file(place.path(&name).join("head")).unwrap();
    // As an interrupted change leaves it.
    symlink("disk.qcow2", place.path(&name).join(".link")).unwrap();
    place.volumes.ensure_managed(new(), &name, GIB).unwrap();
}

#[test]
fn what_is_no_disk_is_refused() {
    let place = Place::new();
    let check = |name: &str, bytes: &[u8], why: &str| {
        place.put(name, bytes);
        assert_eq!(place.refusal(name), why);
    };
    check("empty", b"", "no volume can have its 0 bytes");
    check("tiny", b"few", "no volume can have its 3 bytes");
    check("vmdk", &[b"KDMV".as_slice(), &[0; 1020]].concat(), "it is vmdk; convert it to raw or qcow2");
    let luks = [b"LUKS\xba\xbe".as_slice(), &[0; 1018]].concat();
    check("luks", &luks, "it is encrypted, with a key that nobody here has");
    let mut corrupt = qcow2_bytes(MIB);
    corrupt[79] |= 2;
    check("corrupt", &corrupt, "it is marked as corrupt; repair it with qemu-img check -r all");
    // What is hidden is no name.
    place.put(".hidden", &raw_bytes(MIB));
    assert!(matches!(place.volumes.find_unmanaged(".hidden"), Err(Error::NoUnmanaged(_))));
    assert!(place.volumes.observe_unmanaged().unwrap().iter().all(|found| !found.name.starts_with('.')));
}

#[test]
fn whoever_is_killed_loses_nothing() {
    let place = Place::new();
    let (id, bytes) = (new(), raw_bytes(MIB));
    let file = place.put("disk", &bytes);
    // Before the volume had its name.
    let scratch = place.dir.path().join(format!("volumes/.{id}-managing"));
    fs::create_dir(&scratch).unwrap();
    fs::hard_link(&file, scratch.join("base")).unwrap();
    place.volumes.sweep().unwrap();
    assert_eq!(fs::read(&file).unwrap(), bytes);
    fs::create_dir(&scratch).unwrap();
    fs::hard_link(&file, scratch.join("base")).unwrap();
    place.volumes.ensure_managed(id, "disk", GIB).unwrap();
    assert!(!file.exists() && !scratch.exists());
    // After that, and before the file lost its own.
    let base = place.dir.path().join(format!("volumes/{id}/base"));
    fs::hard_link(&base, &file).unwrap();
    place.volumes.ensure_managed(id, "disk", GIB).unwrap();
    assert!(!file.exists());
    // The same, and then it is not wanted any more.
    fs::hard_link(&base, &file).unwrap();
    place.volumes.ensure_unmanaged(id, Some("disk")).unwrap();
    assert!(!file.exists());
    assert_eq!(fs::read(place.path(&name_of_volume(id)).join("base")).unwrap(), bytes);
    assert_eq!(place.volumes.find_unmanaged(&name_of_volume(id)).unwrap().refused, None);
    // Another file of that name is another's.
    place.volumes.ensure_managed(id, &name_of_volume(id), GIB).unwrap();
    let other = place.put("disk", b"another's");
    place.volumes.ensure_managed(id, "disk", GIB).unwrap();
    place.volumes.ensure_unmanaged(id, Some("disk")).unwrap();
    assert_eq!(fs::read(other).unwrap(), b"another's");
}
