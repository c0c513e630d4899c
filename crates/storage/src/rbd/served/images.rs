//! Images: `ID` has the bytes as they were uploaded, `ID_base` the raw disk that was made of them, where they are none.
//!
//! The snapshot `snap` says that either is whole, and is what clones come from.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc;
use serde_json::{Value, json};
use types::ImageId;

use super::super::cluster::{Done, Pool};
use super::super::image::Image;
use super::super::names::{self, SNAPSHOT_OF_IMAGE};
use super::super::wire::Fault;
use super::volumes::discard;
use super::{Answer, Served};
use crate::DiskFormat;
use crate::convert::HEAPS_MAX;
use crate::inspect::HEAD_BYTES;

/// The size that an upload begins with, and grows from by doubling.
const UPLOAD_BYTES: u64 = 64 << 20;
/// The most that is read at once.
const READ_BYTES_MAX: usize = 16 << 20;
/// What `qemu-img` may use when it converts: memory, processor time, and time.
const CONVERT_MEMORY_BYTES: u64 = 4 << 30;
const CONVERT_CPU_SECONDS: u64 = 1800;
const CONVERT_SECONDS: u64 = 3000;

/// Uploads that are open here, by name.
#[derive(Default)]
pub(super) struct Uploads {
    open: Mutex<BTreeMap<String, Arc<Open>>>,
}

struct Open {
    image: Image,
    size_bytes: Mutex<u64>,
}

impl Uploads {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An upload, opened again if another process had begun it.
    fn named(&self, pool: &Arc<Pool>, name: &str) -> Done<Arc<Open>> {
        let mut all = self.all();
        if let Some(open) = all.get(name) {
            return Ok(open.clone());
        }
        let image = pool.open(name)?;
        let size_bytes = Mutex::new(image.size()?);
        let open = Arc::new(Open { image, size_bytes });
        all.insert(name.to_owned(), open.clone());
        Ok(open)
    }
}

impl Served {
    pub(super) fn upload_begin(&self, upload: &str) -> Done<()> {
        let pool = self.images()?;
        self.check_room(&pool)?;
        match pool.create(upload, UPLOAD_BYTES, self.shape(false)) {
            // Asked for again, after the answer was lost.
            Err(fault) if fault.is(libc::EEXIST) => Ok(()),
            done => done,
        }
    }

    pub(super) fn upload_write(&self, upload: &str, offset: u64, bytes: &[u8]) -> Done<()> {
        let pool = self.images()?;
        let open = self.uploads.named(&pool, upload)?;
        let end = offset + bytes.len() as u64;
        {
            let mut size_bytes = open.size_bytes.lock().unwrap_or_else(PoisonError::into_inner);
            if end > *size_bytes {
                self.check_room(&pool)?;
                let larger = end.max(*size_bytes * 2);
                open.image.resize(larger, false)?;
                *size_bytes = larger;
            }
        }
        // What was never written reads as zeros.
        if bytes.iter().all(|byte| *byte == 0) { Ok(()) } else { open.image.write(offset, bytes) }
    }

    pub(super) fn upload_finish(&self, upload: &str, id: ImageId, size_bytes: u64) -> Done<()> {
        let pool = self.images()?;
        match self.uploads.named(&pool, upload) {
            Ok(open) => {
                open.image.flush()?;
                open.image.resize(size_bytes, true)?;
                match open.image.snapshot(SNAPSHOT_OF_IMAGE) {
                    Err(fault) if fault.is(libc::EEXIST) => {}
                    done => done?,
                }
            }
            // Asked for again, after the answer was lost.
            Err(fault) if fault.is(libc::ENOENT) && self.size_of(&pool, id)? == Some(size_bytes) => {
                return Ok(());
            }
            Err(fault) => return Err(fault),
        }
        self.uploads.all().remove(upload);
        self.image_remove(id)?;
        match pool.rename(upload, &id.to_string()) {
            // A rename that was interrupted leaves the new name without an image.
            Err(fault) if fault.is(libc::EEXIST) => {
                pool.remove(&id.to_string())?;
                pool.rename(upload, &id.to_string())
            }
            done => done,
        }
    }

    pub(super) fn upload_drop(&self, upload: &str) -> Done<()> {
        self.uploads.all().remove(upload);
        discard(&self.images()?, upload)?;
        self.chores.purge_soon();
        Ok(())
    }

    fn size_of(&self, pool: &Arc<Pool>, id: ImageId) -> Done<Option<u64>> {
        match pool.open_read_only(&id.to_string(), Some(SNAPSHOT_OF_IMAGE)) {
            Err(fault) if fault.is(libc::ENOENT) => Ok(None),
            opened => opened?.size().map(Some),
        }
    }

    pub(super) fn open_image(&self, id: ImageId) -> Done<Image> {
        let opened = self.images()?.open_read_only(&id.to_string(), Some(SNAPSHOT_OF_IMAGE));
        opened.map_err(|fault| if fault.is(libc::ENOENT) { Fault::NoImage(id) } else { fault })
    }

    pub(super) fn image_head(&self, id: ImageId) -> Answer {
        let image = self.open_image(id)?;
        let mut head = vec![0; HEAD_BYTES];
        let length = image.read(0, &mut head)?;
        head.truncate(length);
        Ok((json!(image.size()?), head))
    }

    pub(super) fn image_read(&self, id: ImageId, offset: u64, length: usize) -> Answer {
        let mut bytes = vec![0; length.min(READ_BYTES_MAX)];
        let image = self.open_image(id)?;
        // An end is no error to whoever reads, but one to librbd.
        let left = image.size()?.saturating_sub(offset);
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let length = if bytes.is_empty() { 0 } else { image.read(offset, &mut bytes)? };
        bytes.truncate(length);
        Ok((Value::Null, bytes))
    }

    pub(super) fn image_list(&self) -> Done<Vec<ImageId>> {
        let names = self.images()?.list()?;
        let mut ids: Vec<ImageId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort();
        Ok(ids)
    }

    pub(super) fn image_remove(&self, id: ImageId) -> Done<()> {
        let pool = self.images()?;
        discard(&pool, &id.to_string())?;
        discard(&pool, &names::converted(id))?;
        self.chores.purge_soon();
        Ok(())
    }

    /// Removes what interrupted uploads left, once it is old enough: others upload here too.
    pub(super) fn image_sweep(&self) -> Done<usize> {
        let pool = self.images()?;
        let now = runtime::now().0 / 1_000_000;
        let mut swept = 0;
        for name in pool.list()?.iter().filter(|name| names::is_upload(name)) {
            if self.uploads.all().contains_key(name) {
                continue;
            }
            let age = match pool.open_read_only(name, None) {
                Err(fault) if fault.is(libc::ENOENT) => i64::MAX,
                opened => now - opened?.created_at()?,
            };
            if age < self.config.abandoned_upload_seconds {
                continue;
            }
            match pool.remove(name) {
                Err(fault) if fault.is(libc::EBUSY) || fault.is(libc::ENOENT) => {}
                Err(fault) if fault.is(libc::ENOTEMPTY) => {
                    discard(&pool, name)?;
                    swept += 1;
                }
                removed => {
                    removed?;
                    swept += 1;
                }
            }
        }
        self.chores.purge_soon();
        Ok(swept)
    }

    /// Makes the raw disk of an image. The caller has looked at its header: it names no other file.
    pub(super) fn image_convert(&self, id: ImageId, format: DiskFormat) -> Done<()> {
        // One at a time: the second of two that want the same finds it made.
        static CONVERTING: Mutex<()> = Mutex::new(());
        let Some(driver) = format.driver() else {
            return Err(Fault::Unusable {
                message: format!("{format} is not a format that disks are made of"),
            });
        };
        let (pool, base) = (self.images()?, names::base(id, format));
        if driver == "raw" {
            return Ok(());
        }
        let _one = CONVERTING.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.open_read_only(&base, Some(SNAPSHOT_OF_IMAGE)).is_ok() {
            return Ok(());
        }
        self.open_image(id)?;
        match pool.remove(&base) {
            Err(fault) if fault.is(libc::ENOENT) => {}
            // Another host converts it at this moment.
            Err(fault) if fault.is(libc::EBUSY) => {
                let message = "another host converts it at this moment".to_owned();
                return Err(Fault::Tool { doing: format!("convert image {id}"), message });
            }
            removed => removed?,
        }
        self.check_room(&pool)?;
        let source = self.options(driver, &pool.name, &id.to_string(), Some(SNAPSHOT_OF_IMAGE));
        let size_bytes = virtual_size(id, &source)?;
        pool.create(&base, size_bytes, self.shape(false))?;
        let target = self.options("raw", &pool.name, &base, None);
        convert(id, &source, &target)?;
        let image = pool.open(&base)?;
        image.snapshot(SNAPSHOT_OF_IMAGE)
    }

    /// An image as `--image-opts` wants it.
    fn options(&self, driver: &str, pool: &str, image: &str, snapshot: Option<&str>) -> String {
        let mut options = format!("driver={driver},file.driver=rbd");
        let snapshot = snapshot.map(|snapshot| ("snapshot", snapshot));
        let fixed = [
            ("pool", pool),
            ("image", image),
            ("user", self.config.user.as_str()),
            ("conf", self.config.conf.as_str()),
        ];
        for (name, value) in fixed.into_iter().chain(snapshot) {
            // A comma inside a value is written twice.
            options.push_str(&format!(",file.{name}={}", value.replace(',', ",,")));
        }
        options
    }
}

/// The size of the disk in an image, by the program that will read it.
fn virtual_size(id: ImageId, source: &str) -> Done<u64> {
    let output = qemu_img(id, &["info", "--output=json", "--image-opts"], &[source])?;
    let information: Value = serde_json::from_slice(&output).unwrap_or_default();
    information["virtual-size"].as_u64().ok_or_else(|| Fault::Tool {
        doing: format!("look at image {id}"),
        message: "qemu-img names no size".to_owned(),
    })
}

fn convert(id: ImageId, source: &str, target: &str) -> Done<()> {
    let flags = ["convert", "-n", "--target-is-zero", "-W", "-m", "8", "-t", "none", "--image-opts"];
    qemu_img(id, &flags, &["--target-image-opts", source, target]).map(drop)
}

/// Runs `qemu-img` under limits: the image is somebody else's.
fn qemu_img(id: ImageId, flags: &[&str], arguments: &[&str]) -> Done<Vec<u8>> {
    let failed = |message: String| Fault::Tool { doing: format!("convert image {id}"), message };
    let mut command = Command::new("timeout");
    command.env(HEAPS_MAX.0, HEAPS_MAX.1);
    command.args(["-k", "5", &CONVERT_SECONDS.to_string(), "prlimit"]);
    command.arg(format!("--as={CONVERT_MEMORY_BYTES}")).arg(format!("--cpu={CONVERT_CPU_SECONDS}"));
    command.args(["--core=0", "--", "qemu-img"]).args(flags).args(arguments).stdin(Stdio::null());
    let output = command.output().map_err(|error| failed(format!("timeout cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let why = match output.status.code() {
        Some(124 | 137) | None => format!("it took more than it may: {}: {said}", output.status),
        _ if said.contains("Unknown driver 'rbd'") || said.contains("Unknown protocol 'rbd'") => {
            "this QEMU cannot read RBD; install it with: apt-get install qemu-block-extra".to_owned()
        }
        _ => said,
    };
    Err(failed(why))
}
