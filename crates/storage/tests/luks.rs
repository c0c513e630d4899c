//! Encrypted volumes: what is seen with the key, what without.

use std::path::Path;

use serde_json::Value;
use storage::copy::{Progress, disk_to_image, overwrite};
use storage::disk::{Access, OpenDisk, Tree};
use storage::file::{FileImages, FileVolumes};
use storage::luks::{Luks, header_bytes};
use storage::{DiskFormat, ImageStore, NewVolume, Snapshot, Source, Tidied, Upload, VolumeBackend};
use types::{ImageId, SnapshotId, VolumeId};

use crate::ceph::Ceph;
use crate::{TempDir, file_config, tool};

const SIZE: u64 = 8 << 20;
/// What must be nowhere outside the guest.
const WORDS: &[u8] = b"the treasure lies under the third palm tree";

fn luks(cipher: &str, key_size_bits: u32) -> Luks {
    let passphrase = format!("{:032x}", runtime::random_u64()).into();
    Luks { passphrase, cipher: cipher.to_owned(), key_size_bits }
}

fn usual() -> Luks {
    luks("aes-xts-plain64", 256)
}

/// A backend, a directory for sockets, and the secret in it.
struct Safe<'b> {
    backend: &'b dyn VolumeBackend,
    dir: &'b Path,
    luks: Luks,
}

impl Safe<'_> {
    fn new_volume(&self, source: Source) -> VolumeId {
        let id = VolumeId(runtime::new_uuid());
        let size_bytes = SIZE + header_bytes(self.luks.key_size_bits);
        self.backend.ensure_volume(&NewVolume { id, size_bytes, source, multiattach: false }).unwrap();
        id
    }

    fn format(&self, id: VolumeId) {
        let container = self.backend.blockdev(id).unwrap();
        let scratch = self.dir.join("header");
        self.luks.format(&container, (self.dir, &scratch)).unwrap();
        assert!(!scratch.exists());
    }

    fn disk(&self, id: VolumeId) -> Tree {
        self.luks.disk(self.backend.blockdev(id).unwrap())
    }

    fn write(&self, id: VolumeId, at: u64, bytes: &[u8]) {
        let mut disk = OpenDisk::open(self.disk(id), Access::Write, self.dir).unwrap();
        assert_eq!(disk.size_bytes(), SIZE);
        disk.write_at(at, bytes).unwrap();
        disk.flush().unwrap();
    }

    fn read(&self, tree: &Tree, at: u64, length: usize) -> Vec<u8> {
        let mut disk = OpenDisk::open(tree, Access::Read, self.dir).unwrap();
        let mut bytes = vec![0; length];
        disk.read_at(at, &mut bytes).unwrap();
        bytes
    }

    /// All that a backend has of a volume, as whoever has the backend can read it.
    fn lies_there(&self, container: &Value) -> Vec<u8> {
        let tree = Tree::from(container);
        self.read(&tree, 0, (SIZE + header_bytes(self.luks.key_size_bits)) as usize)
    }

    fn snapshot(&self, volume: VolumeId) -> Snapshot {
        let at = Snapshot { volume, id: SnapshotId(runtime::new_uuid()) };
        self.backend.ensure_snapshot(at, None).unwrap();
        at
    }
}

fn words_at(end: u64) -> Vec<u8> {
    let mut block = vec![0x5a; 4096];
    block[..WORDS.len()].copy_from_slice(WORDS);
    assert!(end.is_multiple_of(512));
    block
}

fn has_words(bytes: &[u8]) -> bool {
    bytes.windows(WORDS.len()).any(|window| window == WORDS)
}

/// The life of an encrypted volume on any backend.
fn live(safe: &Safe<'_>) {
    let volume = safe.new_volume(Source::Blank);
    safe.format(volume);
    let block = words_at(SIZE);
    safe.write(volume, 0, &block);
    safe.write(volume, SIZE - 4096, &block);
    assert_eq!(safe.read(&safe.disk(volume), SIZE - 4096, 4096), block);
    assert!(!has_words(&safe.lies_there(&safe.backend.blockdev(volume).unwrap())));
    assert!(safe.lies_there(&safe.backend.blockdev(volume).unwrap()).starts_with(b"LUKS\xba\xbe"));

    let at = safe.snapshot(volume);
    safe.write(volume, 0, &[1; 4096]);
    let held = safe.luks.disk(safe.backend.snapshot_blockdev(at).unwrap());
    assert_eq!(safe.read(&held, 0, 4096), block);
    assert_eq!(safe.read(&safe.disk(volume), 0, 4096), [1; 4096]);

    let clone = safe.new_volume(Source::Snapshot(at));
    assert_eq!(safe.read(&safe.disk(clone), 0, 4096), block);
    safe.write(clone, 4096, &block);
    assert!(!has_words(&safe.lies_there(&safe.backend.blockdev(clone).unwrap())));

    safe.backend.ensure_reverted(at, "token").unwrap();
    assert_eq!(safe.read(&safe.disk(volume), 0, 4096), block);
    safe.backend.remove_snapshot(at, None).unwrap();
    while safe.backend.tidy(volume, None).unwrap() == Tidied::More {}
    assert_eq!(safe.read(&safe.disk(volume), SIZE - 4096, 4096), block);

    let header = header_bytes(safe.luks.key_size_bits);
    safe.backend.ensure_size(volume, 2 * SIZE + header).unwrap();
    let grown = OpenDisk::open(safe.disk(volume), Access::Read, safe.dir).unwrap();
    assert_eq!(grown.size_bytes(), 2 * SIZE);
    drop(grown);
    assert_eq!(safe.read(&safe.disk(volume), SIZE - 4096, 4096), block);
}

/// A volume with words that everybody reads is copied into an encrypted one, which takes its place.
fn replace(safe: &Safe<'_>) {
    let plain = VolumeId(runtime::new_uuid());
    let new = NewVolume { id: plain, size_bytes: SIZE, source: Source::Blank, multiattach: false };
    safe.backend.ensure_volume(&new).unwrap();
    let open = |tree: &Tree, access| OpenDisk::open(tree, access, safe.dir).unwrap();
    let block = words_at(SIZE);
    let mut disk = open(&Tree::from(&safe.backend.blockdev(plain).unwrap()), Access::Write);
    disk.write_at(SIZE - 4096, &block).unwrap();
    disk.flush().unwrap();
    drop(disk);
    let at = safe.snapshot(plain);
    let secret = safe.new_volume(Source::Blank);
    safe.format(secret);
    let (mut from, mut to) = (
        open(&Tree::from(&safe.backend.snapshot_blockdev(at).unwrap()), Access::Read),
        open(&safe.disk(secret), Access::Write),
    );
    overwrite(&mut from, &mut to, &Progress::default()).unwrap();
    drop((from, to));
    for _ in 0..2 {
        safe.backend.ensure_replaced(plain, secret).unwrap();
    }
    while safe.backend.tidy(plain, None).unwrap() == Tidied::More {}
    let container = safe.backend.blockdev(plain).unwrap();
    assert!(!has_words(&safe.lies_there(&container)));
    assert_eq!(safe.read(&safe.disk(plain), SIZE - 4096, 4096), block);
    assert_eq!(safe.read(&safe.disk(plain), 0, 4096), [0; 4096]);
    safe.backend.remove_volume(plain).unwrap();
    assert!(safe.backend.observe_volume(secret).unwrap().is_none());
}

/// An image is copied beside a volume, clear or encrypted, and takes its place: what the volume held is gone, and the image
/// can go.
fn reimage(safe: &Safe<'_>, images: &dyn ImageStore) {
    for is_secret in [false, true] {
        let id = || VolumeId(runtime::new_uuid());
        let make = |id, size_bytes, source| {
            safe.backend.ensure_volume(&NewVolume { id, size_bytes, source, multiattach: false }).unwrap();
            id
        };
        let open = |tree: &Tree, access| OpenDisk::open(tree, access, safe.dir).unwrap();
        let clear = |id| Tree::from(&safe.backend.blockdev(id).unwrap());
        let old = make(id(), SIZE, Source::Blank);
        let mut disk = open(&clear(old), Access::Write);
        disk.write_at(SIZE - 4096, &words_at(SIZE)).unwrap();
        disk.flush().unwrap();
        drop(disk);
        let content = [0x11, 0x22].repeat(1 << 18);
        let (image, _) = crate::upload(images, DiskFormat::Raw, &content).unwrap();
        let clone = make(id(), SIZE, Source::Image { id: image, format: DiskFormat::Raw });
        let new = if is_secret { safe.new_volume(Source::Blank) } else { make(id(), SIZE, Source::Blank) };
        if is_secret {
            safe.format(new);
        }
        let tree_of = |id| if is_secret { safe.disk(id) } else { clear(id) };
        let (mut from, mut to) = (open(&clear(clone), Access::Read), open(&tree_of(new), Access::Write));
        overwrite(&mut from, &mut to, &Progress::default()).unwrap();
        drop((from, to));
        safe.backend.remove_volume(clone).unwrap();
        images.remove_image(image).unwrap();
        for _ in 0..2 {
            safe.backend.ensure_replaced(old, new).unwrap();
        }
        let mut all = vec![1; SIZE as usize];
        open(&tree_of(old), Access::Read).read_at(0, &mut all).unwrap();
        assert!(all.starts_with(&content) && all[content.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(
            safe.backend.observe_volumes().unwrap().iter().filter(|id| [clone, new].contains(id)).count(),
            0
        );
        safe.backend.remove_volume(old).unwrap();
    }
}

#[test]
fn files_hold_nothing_that_can_be_read() {
    let test = "files_hold_nothing_that_can_be_read";
    if tool(test, "qemu-nbd", &["--version"]).and(tool(test, "setpriv", &["--version"])).is_none() {
        return;
    }
    let dir = TempDir::new();
    let backend = FileVolumes::open(&file_config(&dir)).unwrap();
    let safe = Safe { backend: &backend, dir: dir.path(), luks: usual() };
    live(&safe);
    replace(&safe);
    reimage(&safe, &FileImages::open(&file_config(&dir)).unwrap());
    for name in dir.tree() {
        let path = dir.path().join(name);
        if path.is_file() {
            assert!(!has_words(&std::fs::read(&path).unwrap()), "{}", path.display());
        }
    }
}

#[test]
fn a_cluster_holds_nothing_that_can_be_read() {
    let Some(ceph) = Ceph::shared() else { return };
    // QEMU's programs find the cluster's module by variables, which a process can only be started with.
    if std::env::var_os("CUTTLE_TEST_IN_CLUSTER").is_none() {
        let own = std::env::current_exe().unwrap();
        let mut again = ceph.program(own.to_str().unwrap());
        again.args(["--exact", "luks::a_cluster_holds_nothing_that_can_be_read", "--nocapture"]);
        let output = again.env("CUTTLE_TEST_IN_CLUSTER", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let dir = TempDir::new();
    let rbd = ceph.rbd();
    let backend = rbd.volumes(None);
    let safe = Safe { backend: &backend, dir: dir.path(), luks: usual() };
    live(&safe);
    replace(&safe);
    reimage(&safe, &rbd.images());
}

#[test]
fn every_cipher_that_is_offered_works_and_another_key_opens_nothing() {
    let test = "every_cipher_that_is_offered_works_and_another_key_opens_nothing";
    if tool(test, "qemu-nbd", &["--version"]).and(tool(test, "setpriv", &["--version"])).is_none() {
        return;
    }
    let dir = TempDir::new();
    let backend = FileVolumes::open(&file_config(&dir)).unwrap();
    let offered = [
        ("aes-xts-plain64", 512),
        ("aes-cbc-essiv:sha256", 256),
        ("aes-cbc-essiv:sha256", 128),
        ("aes-cbc-plain64", 256),
    ];
    for (cipher, bits) in offered {
        let safe = Safe { backend: &backend, dir: dir.path(), luks: luks(cipher, bits) };
        let volume = safe.new_volume(Source::Blank);
        safe.format(volume);
        safe.write(volume, 512, &words_at(SIZE));
        assert!(has_words(&safe.read(&safe.disk(volume), 512, 4096)), "{cipher}");
        let other = luks(cipher, bits).disk(backend.blockdev(volume).unwrap());
        let error = OpenDisk::open(&other, Access::Read, dir.path()).err().unwrap().to_string();
        assert!(error.contains("Invalid password"), "{error}");
        assert!(!error.contains(other.passphrase.unwrap().expose()), "{error}");
    }
    let odd = luks("rot13", 256);
    let volume = NewVolume {
        id: VolumeId(runtime::new_uuid()),
        size_bytes: SIZE,
        source: Source::Blank,
        multiattach: false,
    };
    backend.ensure_volume(&volume).unwrap();
    let container = backend.blockdev(volume.id).unwrap();
    let error = odd.format(&container, (dir.path(), &dir.path().join("header"))).err().unwrap();
    assert!(error.to_string().contains("rot13"), "{error}");
}

#[test]
fn images_go_in_and_come_out() {
    let test = "images_go_in_and_come_out";
    if tool(test, "qemu-nbd", &["--version"]).and(tool(test, "setpriv", &["--version"])).is_none() {
        return;
    }
    let dir = TempDir::new();
    let config = file_config(&dir);
    let (backend, images) = (FileVolumes::open(&config).unwrap(), FileImages::open(&config).unwrap());
    let mut disk = vec![0; 1 << 20];
    disk[65536..65536 + WORDS.len()].copy_from_slice(WORDS);
    let (image, _) = crate::upload(&images, DiskFormat::Raw, &disk).unwrap();
    let safe = Safe { backend: &backend, dir: dir.path(), luks: usual() };
    let plain = safe.new_volume(Source::Image { id: image, format: DiskFormat::Raw });
    let volume = safe.new_volume(Source::Blank);
    safe.format(volume);
    let mut from = OpenDisk::open(&backend.blockdev(plain).unwrap(), Access::Read, dir.path()).unwrap();
    let mut to = OpenDisk::open(safe.disk(volume), Access::Write, dir.path()).unwrap();
    // The plain one is as large as the container, so that it does not fit.
    assert!(overwrite(&mut from, &mut to, &Progress::default()).is_err());
    drop(from);
    backend.remove_volume(plain).unwrap();
    let plain = NewVolume {
        id: VolumeId(runtime::new_uuid()),
        size_bytes: SIZE / 2,
        source: Source::Image { id: image, format: DiskFormat::Raw },
        multiattach: false,
    };
    backend.ensure_volume(&plain).unwrap();
    let mut from = OpenDisk::open(&backend.blockdev(plain.id).unwrap(), Access::Read, dir.path()).unwrap();
    overwrite(&mut from, &mut to, &Progress::default()).unwrap();
    drop(to);
    let mut expected = disk;
    expected.resize(SIZE as usize / 2, 0);
    assert_eq!(safe.read(&safe.disk(volume), 0, SIZE as usize / 2), expected);
    assert!(!has_words(&safe.lies_there(&backend.blockdev(volume).unwrap())));

    for format in [DiskFormat::Raw, DiskFormat::Qcow2] {
        let image = ImageId(runtime::new_uuid());
        let upload = Upload { image, format, size_bytes_max: u64::MAX, enforce: true };
        let places = (dir.path(), dir.path().join("scratch"));
        let stored =
            disk_to_image(&safe.disk(volume), &upload, &images, (places.0, &places.1), &Progress::default());
        assert_eq!(stored.unwrap().virtual_size_bytes, SIZE);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut images.reader(image, 0..u64::MAX).unwrap(), &mut bytes).unwrap();
        assert!(has_words(&bytes), "{format}");
    }

    // As it lies there it becomes an image too, and a clone of that opens with the same passphrase.
    let image = ImageId(runtime::new_uuid());
    let upload = Upload { image, format: DiskFormat::Raw, size_bytes_max: u64::MAX, enforce: true };
    let sealed = Tree::from(&backend.blockdev(volume).unwrap());
    let places = (dir.path(), dir.path().join("scratch"));
    disk_to_image(&sealed, &upload, &images, (places.0, &places.1), &Progress::default()).unwrap();
    assert!(!has_words(&std::fs::read(images.path(image)).unwrap()));
    let clone = safe.new_volume(Source::Image { id: image, format: DiskFormat::Raw });
    assert_eq!(safe.read(&safe.disk(clone), 0, SIZE as usize / 2), expected);
}
