//! The cache of images: what it keeps, what it removes, and what a crash leaves of it.

use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use storage::fake::Fake;
use storage::file::{FileConfig, FileImages, ImageCache, Uses};
use storage::{DiskFormat, Error, ImageStore, ImageWriter, Result, StoredImage, Upload};
use types::{ImageId, Timestamp};

use crate::TempDir;
use crate::ceph::Ceph;

fn open(dir: &TempDir, size_bytes_max: u64) -> ImageCache {
    ImageCache::open(&FileConfig { root: dir.path().to_owned(), reserve_bytes: 0 }, size_bytes_max).unwrap()
}

/// Stores an image of these bytes.
fn stored(store: &dyn ImageStore, bytes: &[u8]) -> (ImageId, StoredImage) {
    let image = ImageId(runtime::new_uuid());
    let upload = Upload { image, format: DiskFormat::Raw, size_bytes_max: 1 << 30, enforce: true };
    let mut writer = store.writer(&upload).unwrap();
    writer.write(bytes).unwrap();
    (image, writer.finish().unwrap())
}

fn fetch(
    cache: &ImageCache,
    store: &dyn ImageStore,
    (image, content): &(ImageId, StoredImage),
) -> Result<()> {
    cache.want(*image).unwrap();
    cache.fetch(*image, content, store)
}

/// What a download would get of the cache.
fn read(cache: &ImageCache, (image, content): &(ImageId, StoredImage), range: Range<u64>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    cache.reader(*image, content, range).unwrap()?.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

#[test]
fn what_is_wished_for_is_fetched_and_counted() {
    let (dir, store) = (TempDir::new(), Fake::new());
    let guard = runtime::simulate(1, Timestamp::from_seconds(1_800_000_000));
    let cache = open(&dir, 1000);
    let (one, two) = (stored(&store, b"seaweed"), stored(&store, b"kelp"));
    for image in [one.0, two.0, one.0] {
        cache.want(image).unwrap();
        guard.advance(Duration::from_micros(1));
    }
    assert_eq!(cache.wanted().unwrap(), [one.0, two.0]);
    assert_eq!(read(&cache, &one, 0..7), None);
    cache.fetch(one.0, &one.1, &store).unwrap();
    assert_eq!(cache.wanted().unwrap(), [two.0]);
    let fetched_at = runtime::now();
    let only = cache.cached().unwrap().remove(0);
    assert_eq!((only.image, only.size_bytes), (one.0, 7));
    assert_eq!(only.uses, Uses { fetched_at, read_at: fetched_at, hits: 0 });
    guard.advance(Duration::from_secs(10));
    assert_eq!(read(&cache, &one, 0..7).unwrap(), b"seaweed");
    assert_eq!(read(&cache, &one, 3..5).unwrap(), b"we");
    // Who comes later finds it so.
    let uses = open(&dir, 1000).cached().unwrap()[0].uses;
    assert_eq!(uses, Uses { fetched_at, read_at: fetched_at.plus(Duration::from_secs(10)), hits: 2 });
    // It is not fetched twice.
    cache.want(one.0).unwrap();
    cache.fetch(one.0, &one.1, &store).unwrap();
    assert_eq!((cache.wanted().unwrap(), cache.cached().unwrap()[0].uses), (vec![two.0], uses));
    cache.forget_wanted().unwrap();
    assert_eq!((cache.wanted().unwrap().len(), cache.cached().unwrap().len()), (0, 1));
    cache.forget_cached().unwrap();
    assert_eq!(dir.tree(), ["image-cache"]);
}

#[test]
fn the_limit_is_kept_by_what_was_not_read_for_longest() {
    let (dir, store) = (TempDir::new(), Fake::new());
    let guard = runtime::simulate(1, Timestamp::from_seconds(1_800_000_000));
    let cache = open(&dir, 100);
    let images = [40, 50, 10, 60].map(|length| stored(&store, &vec![7; length]));
    for image in &images[..3] {
        fetch(&cache, &store, image).unwrap();
        guard.advance(Duration::from_secs(1));
    }
    assert_eq!(cache.cached().unwrap().len(), 3);
    assert!(read(&cache, &images[0], 0..1).is_some());
    fetch(&cache, &store, &images[3]).unwrap();
    let mut kept: Vec<ImageId> = cache.cached().unwrap().iter().map(|cached| cached.image).collect();
    let mut wanted = vec![images[0].0, images[3].0];
    kept.sort();
    wanted.sort();
    assert_eq!(kept, wanted, "what was read meanwhile stays");
    let large = stored(&store, &[7; 101]);
    assert!(matches!(fetch(&cache, &store, &large), Err(Error::TooLarge { size_bytes_max: 100 })));
    assert_eq!(cache.cached().unwrap().len(), 2, "nothing goes for what never fits");
    let pruned = cache.prune().unwrap();
    assert_eq!((pruned.images, pruned.bytes), (0, 0));
}

/// A store in which every image has so many bytes of one value.
struct Odd<'c> {
    length: u64,
    /// Whether they can be read to the end.
    breaks_off: bool,
    /// What happens when somebody begins to read.
    meanwhile: &'c (dyn Fn() + Sync),
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the cluster went away"))
    }
}

impl ImageStore for Odd<'_> {
    fn writer(&self, _upload: &Upload) -> Result<Box<dyn ImageWriter>> {
        unreachable!("nothing is written")
    }

    fn reader(&self, _image: ImageId, _range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        (self.meanwhile)();
        let bytes = std::io::repeat(7).take(self.length);
        Ok(if self.breaks_off { Box::new(bytes.chain(Broken)) } else { Box::new(bytes) })
    }

    fn observe_image(&self, _image: ImageId) -> Result<Option<u64>> {
        Ok(Some(self.length))
    }

    fn observe_images(&self) -> Result<Vec<ImageId>> {
        Ok(Vec::new())
    }

    fn remove_image(&self, _image: ImageId) -> Result<()> {
        Ok(())
    }

    fn sweep(&self) -> Result<usize> {
        Ok(0)
    }
}

#[test]
fn a_wish_that_is_taken_back_meanwhile_leaves_nothing() {
    let dir = TempDir::new();
    let cache = open(&dir, 1 << 20);
    let image = stored(&Fake::new(), &[7; 1000]);
    let taken_back = || {
        // In the middle of it: the file is there already, and a sweep leaves it to who writes it.
        assert_eq!(dir.tree().iter().filter(|path| path.contains("/.")).count(), 1);
        assert_eq!((cache.sweep().unwrap(), cache.cached().unwrap().len()), (0, 0));
        cache.forget(image.0).unwrap();
    };
    let fetched = fetch(&cache, &Odd { length: 1000, breaks_off: false, meanwhile: &taken_back }, &image);
    assert!(matches!(fetched, Err(Error::Stopped)), "{fetched:?}");
    assert_eq!(dir.tree(), ["image-cache"]);
}

#[test]
fn what_breaks_off_or_is_not_the_image_is_not_kept() {
    let dir = TempDir::new();
    let cache = open(&dir, 1 << 20);
    let image = stored(&Fake::new(), &[8; 1000]);
    let fetched = |length, breaks_off| {
        let fetched = fetch(&cache, &Odd { length, breaks_off, meanwhile: &|| {} }, &image);
        assert_eq!(cache.wanted().unwrap(), [image.0]);
        assert_eq!(dir.tree().len(), 2, "the folder and the wish: {:?}", dir.tree());
        fetched.unwrap_err()
    };
    assert!(matches!(fetched(1000, true), Error::Io { .. }));
    assert!(matches!(fetched(1000, false), Error::DamagedImage(_)));
    assert!(matches!(fetched(999, false), Error::DamagedImage(_)));
}

#[test]
fn what_cannot_be_fetched_takes_nobodys_room() {
    let dir = TempDir::new();
    let cache = open(&dir, 1000);
    let store = Fake::new();
    let (kept, image) = (stored(&store, &[7; 900]), stored(&store, &[8; 500]));
    fetch(&cache, &store, &kept).unwrap();
    let odd = Odd { length: 500, breaks_off: true, meanwhile: &|| {} };
    assert!(fetch(&cache, &odd, &image).is_err());
    assert_eq!(cache.cached().unwrap().iter().map(|cached| cached.image).collect::<Vec<_>>(), [kept.0]);
    fetch(&cache, &store, &image).unwrap();
    assert_eq!(cache.cached().unwrap().iter().map(|cached| cached.image).collect::<Vec<_>>(), [image.0]);
}

#[test]
fn whatever_a_crash_leaves_is_whole_or_swept() {
    let store = Fake::new();
    let image = stored(&store, b"seaweed");
    let name = format!("{}.{}", image.0, image.1.sha512);
    // What is there when the power fails, and whether it is served then.
    let check = |files: &[(&str, &str)], served: bool| {
        let dir = TempDir::new();
        fs::create_dir(dir.path().join("image-cache")).unwrap();
        for (file, text) in files {
            fs::write(dir.path().join("image-cache").join(file), text).unwrap();
        }
        let cache = open(&dir, 1000);
        assert_eq!(read(&cache, &image, 0..7).is_some(), served, "{files:?}");
        let left = dir.tree().into_iter().filter(|path| path.contains("/.")).count();
        assert_eq!(left, 0, "{files:?}");
        if files.iter().any(|(file, _)| file.ends_with("wanted")) {
            assert_eq!(cache.wanted().unwrap(), [image.0]);
            cache.fetch(image.0, &image.1, &store).unwrap();
            assert_eq!(cache.wanted().unwrap(), []);
            assert_eq!(read(&cache, &image, 0..7).unwrap(), b"seaweed");
        }
        cache.forget(image.0).unwrap();
        assert_eq!(dir.tree(), ["image-cache"], "{files:?}");
    };
    let (wish, uses) = (format!("{}.wanted", image.0), format!("{name}.uses"));
    let scratch = format!(".{}-0123456789abcdef", image.0);
    check(&[(&wish, "")], false);
    check(&[(&wish, ""), (&scratch, "seaw")], false);
    check(&[(&wish, ""), (&scratch, "seaweed")], false);
    check(&[(&wish, ""), (&name, "seaweed")], true);
    check(&[(&wish, ""), (&name, "seaweed"), (".uses-0123456789abcdef", "{")], true);
    check(&[(&wish, ""), (&name, "seaweed"), (&uses, r#"{"fetched_at":1,"read_at":1,"hits":0}"#)], true);
    check(&[(&name, "seaweed"), (&uses, "")], true);
    // In the middle of a removal.
    check(&[(&uses, r#"{"fetched_at":1,"read_at":1,"hits":0}"#)], false);
    // A file system that lost the end of a file.
    check(&[(&wish, ""), (&name, "seaw")], false);
}

#[test]
fn a_note_of_uses_without_bytes_is_swept() {
    let dir = TempDir::new();
    let cache = open(&dir, 1000);
    let name = format!("{}.{}.uses", ImageId(runtime::new_uuid()), "a".repeat(128));
    fs::write(dir.path().join("image-cache").join(name), "").unwrap();
    cache.sweep().unwrap();
    assert_eq!(dir.tree(), ["image-cache"]);
}

#[test]
fn what_others_put_there_is_left_alone() {
    let dir = TempDir::new();
    let cache = open(&dir, 1000);
    let id = ImageId(runtime::new_uuid()).to_string();
    let names = ["notes".to_owned(), id.to_uppercase() + ".wanted", id.replace('-', "") + ".wanted", id];
    names.iter().for_each(|name| fs::write(dir.path().join("image-cache").join(name), "x").unwrap());
    assert_eq!(
        (cache.cached().unwrap(), cache.wanted().unwrap(), cache.sweep().unwrap()),
        (vec![], vec![], 0)
    );
    cache.forget_cached().unwrap();
    cache.forget_wanted().unwrap();
    assert_eq!(dir.tree().len(), 5);
}

#[test]
fn the_reserve_is_not_touched() {
    let (dir, store) = (TempDir::new(), Fake::new());
    let config = FileConfig { root: dir.path().to_owned(), reserve_bytes: u64::MAX };
    let cache = ImageCache::open(&config, 1000).unwrap();
    let image = stored(&store, b"seaweed");
    assert!(matches!(fetch(&cache, &store, &image), Err(Error::Full { .. })));
    assert_eq!((cache.wanted().unwrap(), dir.tree().len()), (vec![image.0], 2));
}

#[test]
fn a_file_of_this_host_is_linked() {
    let dir = TempDir::new();
    let files = FileConfig { root: dir.path().to_owned(), reserve_bytes: 0 };
    let images = FileImages::open(&files).unwrap();
    // No byte is copied, so that no room is needed.
    let config = FileConfig { reserve_bytes: u64::MAX, ..files };
    let cache = ImageCache::open(&config, 1000).unwrap();
    let image = stored(&images, b"seaweed");
    fetch(&cache, &images, &image).unwrap();
    assert_eq!(read(&cache, &image, 0..7).unwrap(), b"seaweed");
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let cached = dir.path().join(format!("image-cache/{}.{}", image.0, image.1.sha512));
    assert_eq!(inode(&cached), inode(&images.path(image.0)));
    images.remove_image(image.0).unwrap();
    assert_eq!(read(&cache, &image, 0..7).unwrap(), b"seaweed");
}

#[test]
fn an_image_in_a_cluster_is_read_from_here_once_it_is_cached() {
    let Some(ceph) = Ceph::shared() else { return };
    let (dir, images) = (TempDir::new(), ceph.rbd().images());
    let cache = open(&dir, 100 << 20);
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
    let image = stored(&images, &bytes);
    fetch(&cache, &images, &image).unwrap();
    images.remove_image(image.0).unwrap();
    assert!(read(&cache, &image, 0..20_000_000).unwrap() == bytes);
    assert!(read(&cache, &image, 9_999_999..10_000_007).unwrap() == bytes[9_999_999..10_000_007]);
    let lost = stored(&images, &bytes[..5]);
    images.remove_image(lost.0).unwrap();
    assert!(fetch(&cache, &images, &lost).is_err());
    assert_eq!(cache.cached().unwrap().len(), 1);
}
