//! A cache of images: whole copies on this host of what is stored elsewhere.
//!
//! ```text
//! image-cache/ID.SHA512        the bytes; they are all of the image if they have this name
//! image-cache/ID.SHA512.uses   when they came, when they were last read, how often
//! image-cache/ID.wanted        the image is to be fetched
//! image-cache/.NAME            work in progress, or what a crash left of it
//! ```
//!
//! The folder is all that is known of it, for a cache is a matter of one host. The name has the hash of the bytes, so that
//! an image never gets those of another that had its id before. An image that is a file of this host is linked, and takes no
//! room of its own.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use types::{ImageId, Timestamp};

use super::images::FileWriter;
use super::{FileConfig, Place, create_file, remove_tree};
use crate::error::Doing;
use crate::{DiskFormat, Error, ImageStore, ImageWriter, Result, StoredImage, Upload};

/// How the file of a wish ends.
const WANTED: &str = "wanted";
/// How the file that counts uses ends.
const USES: &str = ".uses";
/// How much is copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The cache of this host. Clones are one cache.
#[derive(Debug, Clone)]
pub struct ImageCache {
    place: Place,
    size_bytes_max: u64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Held by whoever adds, counts or removes, so that what was removed does not come back.
    changing: Mutex<Changing>,
    wished: Condvar,
}

#[derive(Debug, Default)]
struct Changing {
    /// Whether something was wished for since somebody last waited for that.
    wished: bool,
}

/// An image that is cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// The image.
    pub image: ImageId,
    /// The hash of its bytes.
    pub sha512: String,
    /// How many bytes there are.
    pub size_bytes: u64,
    /// How it was used.
    pub uses: Uses,
}

/// How a cached image was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// When it came.
    pub fetched_at: Timestamp,
    /// When it was last read; at first, when it came.
    pub read_at: Timestamp,
    /// How often it was read.
    pub hits: u64,
}

impl Cached {
    fn name(&self) -> String {
        format!("{}.{}", self.image, self.sha512)
    }
}

/// What was removed to keep the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many images.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl ImageCache {
    /// Opens the cache below the root, makes its folder if there is none, and brings it below its limit.
    pub fn open(config: &FileConfig, size_bytes_max: u64) -> Result<ImageCache> {
        let place = Place::open(config, "image-cache")?;
        let cache = ImageCache { place, size_bytes_max, shared: Arc::default() };
        cache.sweep()?;
        cache.prune()?;
        Ok(cache)
    }

    /// How many bytes all images in it may have.
    pub fn size_bytes_max(&self) -> u64 {
        self.size_bytes_max
    }

    /// Every image that is cached, in the order of ids.
    pub fn cached(&self) -> Result<Vec<Cached>> {
        self.listed(&self.changing())
    }

    /// Whether an image is cached.
    pub fn has(&self, image: ImageId, content: &StoredImage) -> Result<bool> {
        let Some(name) = name_of(image, content) else { return Ok(false) };
        self.place.path.join(&name).try_exists().doing(|| format!("look for {name}"))
    }

    /// The bytes of an image, where it is cached; this counts as a use.
    pub fn reader(
        &self,
        image: ImageId,
        content: &StoredImage,
        range: Range<u64>,
    ) -> Result<Option<Box<dyn Read + Send>>> {
        let Some(name) = name_of(image, content) else { return Ok(None) };
        let path = self.place.path.join(&name);
        let _changing = self.changing();
        let mut file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.doing(|| format!("open {}", path.display()))?,
        };
        let metadata = file.metadata().doing(|| format!("look at {}", path.display()))?;
        if metadata.len() != content.size_bytes {
            tracing::error!(path = %path.display(), "a cached image has another length than it had; it is removed");
            self.remove_bytes(&name)?;
            return Ok(None);
        }
        let uses = self.uses(&name);
        self.record(&name, Uses { read_at: runtime::now(), hits: uses.hits.saturating_add(1), ..uses });
        file.seek(SeekFrom::Start(range.start)).doing(|| format!("seek in {}", path.display()))?;
        Ok(Some(Box::new(file.take(range.end.saturating_sub(range.start)))))
    }

    /// Wishes for an image, which is durable then. One that is wished for already keeps its turn.
    pub fn want(&self, image: ImageId) -> Result<()> {
        let path = self.wish(image);
        let mut changing = self.changing();
        if path.try_exists().doing(|| format!("look for {}", path.display()))? {
            return Ok(());
        }
        // The kernel's own times are too coarse to tell who was first.
        let now = Duration::from_micros(u64::try_from(runtime::now().0).unwrap_or_default());
        create_file(&path)?
            .set_modified(SystemTime::UNIX_EPOCH + now)
            .doing(|| format!("set the time of {}", path.display()))?;
        self.place.sync()?;
        changing.wished = true;
        self.shared.wished.notify_all();
        Ok(())
    }

    /// The images that are wished for, the first first.
    pub fn wanted(&self) -> Result<Vec<ImageId>> {
        let mut wishes = Vec::new();
        for (image, rest) in self.names()? {
            // One that has just come true is none any more.
            if rest == WANTED
                && let Ok(metadata) = fs::metadata(self.wish(image))
            {
                wishes.push((metadata.modified().ok(), image));
            }
        }
        wishes.sort();
        Ok(wishes.into_iter().map(|(_, image)| image).collect())
    }

    /// Waits until an image is wished for, or for this long.
    pub fn wait_for_wish(&self, most: Duration) {
        let waits = |changing: &mut Changing| !changing.wished;
        let waited = self.shared.wished.wait_timeout_while(self.changing(), most, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.wished = false;
    }

    /// Makes a wish come true, with room made by what was not read for longest. [`Error::Stopped`] if nobody wishes for
    /// the image any more.
    pub fn fetch(&self, image: ImageId, content: &StoredImage, from: &dyn ImageStore) -> Result<()> {
        let size_bytes_max = self.size_bytes_max;
        let Some(name) = name_of(image, content) else { return Err(Error::DamagedImage(image)) };
        if content.size_bytes > size_bytes_max {
            return Err(Error::TooLarge { size_bytes_max });
        }
        if self.has(image, content)? {
            return self.unwant(image);
        }
        let path = self.place.path.join(&name);
        // An image that never had a byte is in no store.
        let is_empty = content.size_bytes == 0;
        if !is_empty && from.observe_image(image)?.ok_or(Error::NoImage(image))? != content.size_bytes {
            return Err(Error::DamagedImage(image));
        }
        {
            let changing = self.changing();
            if !is_empty && self.is_wanted(image)? && from.link_image(image, &path)? {
                return self.admit(&changing, image, &name);
            }
        }
        self.place.check_room_for(content.size_bytes)?;
        let format = DiskFormat::Raw;
        let upload = Upload { image, format, size_bytes_max: content.size_bytes, enforce: false };
        let mut writer = {
            let _changing = self.changing();
            FileWriter::begin(&self.place, &upload, path)?
        };
        self.copy(&upload, from, &mut writer)?;
        let (stored, sealed) = writer.seal()?;
        if stored.sha512 != content.sha512 {
            return Err(Error::DamagedImage(image));
        }
        let changing = self.changing();
        if !self.is_wanted(image)? {
            return Err(Error::Stopped);
        }
        sealed.put()?;
        self.admit(&changing, image, &name)
    }

    /// Nobody wishes for this image any more.
    pub fn unwant(&self, image: ImageId) -> Result<()> {
        let _changing = self.changing();
        remove_tree(&self.wish(image))
    }

    /// Removes an image and the wish for it.
    pub fn forget(&self, image: ImageId) -> Result<()> {
        self.remove_all(|known, _| known == image)
    }

    /// Removes what is cached under an image's id with these bytes only.
    pub fn forget_bytes(&self, cached: &Cached) -> Result<()> {
        let _changing = self.changing();
        self.remove_bytes(&cached.name())?;
        self.place.sync()
    }

    /// Removes all images; the wishes stay.
    pub fn forget_cached(&self) -> Result<()> {
        self.remove_all(|_, rest| rest != WANTED)
    }

    /// Removes all wishes.
    pub fn forget_wanted(&self) -> Result<()> {
        self.remove_all(|_, rest| rest == WANTED)
    }

    /// Removes what was not read for longest, until the limit is kept.
    pub fn prune(&self) -> Result<Pruned> {
        self.evict(&self.changing())
    }

    /// Removes what was not finished and nobody works on.
    pub fn sweep(&self) -> Result<usize> {
        let _changing = self.changing();
        for (image, rest) in self.names()? {
            let bytes = rest.strip_suffix(USES).map(|hash| self.place.path.join(format!("{image}.{hash}")));
            if bytes.is_some_and(|path| !path.exists()) {
                remove_tree(&self.place.path.join(format!("{image}.{rest}")))?;
            }
        }
        self.place.sweep()
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names there are: an image's id, and what follows it.
    fn names(&self) -> Result<Vec<(ImageId, String)>> {
        let mut names = Vec::new();
        for entry in self.place.entries()? {
            let name = entry.file_name();
            let Some((id, rest)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            // Spelled as here, so that the name can be put together again.
            let image = id.parse().ok().filter(|image: &ImageId| image.to_string() == id);
            names.extend(image.map(|image| (image, rest.to_owned())));
        }
        names.sort();
        Ok(names)
    }

    fn listed(&self, _changing: &MutexGuard<'_, Changing>) -> Result<Vec<Cached>> {
        let mut cached = Vec::new();
        for (image, sha512) in self.names()?.into_iter().filter(|(_, rest)| is_sha512(rest)) {
            let name = format!("{image}.{sha512}");
            let metadata = fs::metadata(self.place.path.join(&name)).doing(|| format!("look at {name}"))?;
            cached.push(Cached { image, sha512, size_bytes: metadata.len(), uses: self.uses(&name) });
        }
        Ok(cached)
    }

    /// Removes what was not read for longest until the limit is kept.
    fn evict(&self, changing: &MutexGuard<'_, Changing>) -> Result<Pruned> {
        let mut cached = self.listed(changing)?;
        cached.sort_by_key(|cached| (cached.uses.read_at, cached.image));
        let mut total = cached.iter().fold(0u64, |sum, cached| sum.saturating_add(cached.size_bytes));
        let mut pruned = Pruned::default();
        for cached in cached {
            if total <= self.size_bytes_max {
                break;
            }
            let Cached { image, size_bytes, .. } = cached;
            self.remove_bytes(&cached.name())?;
            tracing::info!(%image, size_bytes, "the image cache needs the room of an image that was not read for long");
            total = total.saturating_sub(size_bytes);
            pruned = Pruned { images: pruned.images + 1, bytes: pruned.bytes + size_bytes };
        }
        Ok(pruned)
    }

    /// Copies the bytes, as long as somebody wishes for them.
    fn copy(&self, upload: &Upload, from: &dyn ImageStore, writer: &mut FileWriter) -> Result<()> {
        let image = upload.image;
        if upload.size_bytes_max == 0 {
            return Ok(());
        }
        let mut bytes = from.reader(image, 0..upload.size_bytes_max)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = match bytes.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                read => read.doing(|| format!("read image {image}"))?,
            };
            if !self.is_wanted(image)? {
                return Err(Error::Stopped);
            }
            writer.write(&chunk[..count])?;
        }
    }

    /// The bytes have their name: the wish has come true. What was not read for longest makes room for them.
    fn admit(&self, changing: &MutexGuard<'_, Changing>, image: ImageId, name: &str) -> Result<()> {
        let now = runtime::now();
        self.record(name, Uses { fetched_at: now, read_at: now, hits: 0 });
        // Not before it is there: what could not be fetched takes nobody's room.
        self.evict(changing)?;
        self.place.sync()?;
        remove_tree(&self.wish(image))
    }

    fn wish(&self, image: ImageId) -> PathBuf {
        self.place.path.join(format!("{image}.{WANTED}"))
    }

    fn is_wanted(&self, image: ImageId) -> Result<bool> {
        self.wish(image).try_exists().doing(|| format!("look whether image {image} is still wanted"))
    }

    /// How the bytes of this name were used; as if long ago and never, if that was lost.
    fn uses(&self, name: &str) -> Uses {
        let text = fs::read(self.place.path.join(format!("{name}{USES}"))).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Notes how bytes were used. They can be read all the same if that fails.
    fn record(&self, name: &str, uses: Uses) {
        let scratch = self.place.scratch_path("uses");
        let written = create_file(&scratch)
            .and_then(|file| {
                serde_json::to_writer(file, &uses).doing(|| format!("write {}", scratch.display()))
            })
            .and_then(|()| {
                let path = self.place.path.join(format!("{name}{USES}"));
                fs::rename(&scratch, &path).doing(|| format!("rename {} into place", path.display()))
            });
        if let Err(error) = written {
            tracing::warn!("how an image in the cache was used is not noted: {error}");
            let _ = remove_tree(&scratch);
        }
    }

    /// The bytes go first, so that nothing without a note of its uses is left.
    fn remove_bytes(&self, name: &str) -> Result<()> {
        remove_tree(&self.place.path.join(name))?;
        remove_tree(&self.place.path.join(format!("{name}{USES}")))
    }

    /// Removes the files that are to go, in the order of names: bytes before the note of their uses.
    fn remove_all(&self, goes: impl Fn(ImageId, &str) -> bool) -> Result<()> {
        let _changing = self.changing();
        for (image, rest) in self.names()?.iter().filter(|(image, rest)| goes(*image, rest)) {
            remove_tree(&self.place.path.join(format!("{image}.{rest}")))?;
        }
        self.place.sync()
    }
}

/// Under which name an image with these bytes is cached; `None` if its hash is none.
fn name_of(image: ImageId, content: &StoredImage) -> Option<String> {
    is_sha512(&content.sha512).then(|| format!("{image}.{}", content.sha512))
}

fn is_sha512(text: &str) -> bool {
    text.len() == 128 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
