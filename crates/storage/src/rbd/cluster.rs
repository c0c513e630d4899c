//! A connection to a cluster, its pools and the mon's commands, without pointers.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::config::RbdConfig;
use super::image::Image;
use super::sys::{self, Librados, Librbd, Rados};
use super::wire::Fault;

/// What an operation of Ceph gives.
pub type Done<T> = Result<T, Fault>;

/// The two libraries.
pub struct Libraries {
    pub rados: Librados,
    pub rbd: Librbd,
}

/// Loads the libraries once. (They cannot be unloaded: they leave threads behind.)
pub fn libraries() -> Done<&'static Libraries> {
    static LOADED: OnceLock<Libraries> = OnceLock::new();
    if let Some(loaded) = LOADED.get() {
        return Ok(loaded);
    }
    let load = || Ok(Libraries { rados: Librados::load()?, rbd: Librbd::load()? });
    let loaded = load().map_err(|error: libloading::Error| Fault::Unusable {
        message: format!(
            "Ceph's libraries cannot be loaded ({error}); install them with: apt-get install librbd1"
        ),
    })?;
    Ok(LOADED.get_or_init(|| loaded))
}

/// Turns a negative result into a fault that says what was being done.
pub fn check(result: i64, doing: impl FnOnce() -> String) -> Done<i64> {
    if result >= 0 {
        return Ok(result);
    }
    let errno = i32::try_from(-result).unwrap_or(i32::MAX);
    Err(Fault::Ceph { errno, doing: doing() })
}

/// A string without a NUL inside: names come from ids and the configuration.
pub fn c_string(text: &str) -> Done<CString> {
    CString::new(text).map_err(|_| Fault::Unusable { message: format!("{text:?} has a NUL in it") })
}

/// Copies a string of Ceph's; empty for none.
pub fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: Ceph's strings end with a NUL, and live until their list is given back, which the caller does later.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A connection.
pub struct Cluster {
    handle: Rados,
    libraries: &'static Libraries,
    pools: Mutex<BTreeMap<String, Arc<Pool>>>,
}

// SAFETY: librados' handles may be used by several threads at once; its documentation says so of `rados_t`.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

impl Cluster {
    /// Connects, within the time that the configuration gives.
    pub fn connect(config: &RbdConfig) -> Done<Arc<Cluster>> {
        let libraries = libraries()?;
        let rados = &libraries.rados;
        let doing = || format!("connect to the cluster of {} as client.{}", config.conf, config.user);
        let (name, user) = (c_string("ceph")?, c_string(&format!("client.{}", config.user))?);
        let mut handle = ptr::null_mut();
        // SAFETY: `handle` takes the result; the strings live for the time of the call.
        let made = unsafe { (rados.rados_create2)(&raw mut handle, name.as_ptr(), user.as_ptr(), 0) };
        check(made.into(), doing)?;
        // From here on dropping it shuts it down.
        let cluster = Cluster { handle, libraries, pools: Mutex::default() };
        let conf = c_string(&config.conf)?;
        // SAFETY: the handle is open, the string lives for the time of the call.
        let read = unsafe { (rados.rados_conf_read_file)(handle, conf.as_ptr()) };
        check(read.into(), || format!("read {}", config.conf))?;
        for (key, value) in config.settings() {
            let (name, value) = (c_string(key)?, c_string(&value)?);
            // SAFETY: as above.
            let set = unsafe { (rados.rados_conf_set)(handle, name.as_ptr(), value.as_ptr()) };
            check(set.into(), || format!("set {key}"))?;
        }
        // SAFETY: the handle is open and configured.
        check(unsafe { (rados.rados_connect)(handle) }.into(), doing)?;
        Ok(Arc::new(cluster))
    }

    /// Sends a command to the monitors and returns what they answer.
    pub fn mon_command(&self, command: &str, input: &[u8]) -> Done<Vec<u8>> {
        let rados = &self.libraries.rados;
        let line = c_string(command)?;
        let lines = [line.as_ptr()];
        let (mut out, mut out_len, mut said, mut said_len) = (ptr::null_mut(), 0, ptr::null_mut(), 0);
        // SAFETY: pointers in are valid for the time of the call with the lengths given; pointers out take buffers
        // that are given back below.
        let result = unsafe {
            (rados.rados_mon_command)(
                self.handle,
                lines.as_ptr(),
                1,
                input.as_ptr().cast(),
                input.len(),
                &raw mut out,
                &raw mut out_len,
                &raw mut said,
                &raw mut said_len,
            )
        };
        let (answer, words) = (self.take(out, out_len), self.take(said, said_len));
        if result < 0 {
            let words = String::from_utf8_lossy(&words).into_owned();
            let doing = format!("send the monitors {command}: {words}");
            return Err(Fault::Ceph { errno: -result, doing });
        }
        Ok(answer)
    }

    /// Copies a buffer of librados' and gives it back.
    fn take(&self, buffer: *mut c_char, length: usize) -> Vec<u8> {
        if buffer.is_null() {
            return Vec::new();
        }
        // SAFETY: librados made the buffer with this length.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length) }.to_vec();
        // SAFETY: librados made the buffer, and nobody has it any more.
        unsafe { (self.libraries.rados.rados_buffer_free)(buffer) };
        bytes
    }

    /// The addresses by which the cluster knows this client.
    pub fn own_addresses(&self) -> Done<Vec<String>> {
        let rados = &self.libraries.rados;
        let mut addresses = ptr::null_mut();
        // SAFETY: the handle is connected; `addresses` takes a string.
        let result = unsafe { (rados.rados_getaddrs)(self.handle, &raw mut addresses) };
        check(result.into(), || "read the address of this client".to_owned())?;
        let found = text(addresses);
        // SAFETY: librados made the string, and it was copied.
        unsafe { (rados.rados_buffer_free)(addresses) };
        let parts = found.split([',', '[', ']']).filter(|part| !part.is_empty());
        Ok(parts.map(|part| bare(part).to_owned()).collect())
    }

    /// Shuts a client out of the cluster, and waits until every later operation will know of it.
    pub fn blocklist(&self, address: &str) -> Done<()> {
        let rados = &self.libraries.rados;
        let name = c_string(address)?;
        // SAFETY: the function copies the address; it only lacks a `const`. 0 is the cluster's own duration.
        let result = unsafe { (rados.rados_blocklist_add)(self.handle, name.as_ptr().cast_mut(), 0) };
        check(result.into(), || format!("shut out the client {address}"))?;
        // SAFETY: the handle is connected.
        let waited = unsafe { (rados.rados_wait_for_latest_osdmap)(self.handle) };
        check(waited.into(), || "wait for the map of the OSDs".to_owned()).map(drop)
    }

    /// A pool, opened once.
    pub fn pool(self: &Arc<Self>, name: &str) -> Done<Arc<Pool>> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(name) {
            return Ok(pool.clone());
        }
        let c_name = c_string(name)?;
        let mut io = ptr::null_mut();
        let create = self.libraries.rados.rados_ioctx_create;
        // SAFETY: the handle is connected; `io` takes the result.
        let opened = unsafe { create(self.handle, c_name.as_ptr(), &raw mut io) };
        check(opened.into(), || format!("open the pool {name}"))?;
        let pool = Arc::new(Pool { io, name: name.to_owned(), libraries: self.libraries });
        pools.insert(name.to_owned(), pool.clone());
        Ok(pool)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // SAFETY: whoever uses a pool or an image holds this connection too.
        unsafe { (self.libraries.rados.rados_shutdown)(self.handle) };
    }
}

/// An address without the protocol in front, as lists of clients have it.
pub fn bare(address: &str) -> &str {
    address.rsplit_once("v2:").or_else(|| address.rsplit_once("v1:")).map_or(address, |(_, bare)| bare)
}

/// A pool. It must not outlive its connection: the child that serves keeps that until it ends.
pub struct Pool {
    pub(super) io: sys::IoCtx,
    pub(super) name: String,
    pub(super) libraries: &'static Libraries,
}

// SAFETY: librbd copies the context for each image, and the functions used here may be called by several threads.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// What is decided of an image when it is made.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The logarithm of the size of its objects.
    pub order: u64,
    /// What is switched on for it.
    pub features: u64,
}

impl Shape {
    fn settings(self) -> [(i32, u64); 2] {
        [(sys::OPTION_FEATURES, self.features), (sys::OPTION_ORDER, self.order)]
    }
}

/// An image in the trash.
pub struct Trashed {
    pub id: String,
    pub name: String,
}

impl Pool {
    fn options(&self, settings: &[(i32, u64)]) -> Done<OptionSet> {
        let rbd = &self.libraries.rbd;
        let mut options = OptionSet { options: ptr::null_mut(), libraries: self.libraries };
        // SAFETY: `options` takes the result.
        unsafe { (rbd.rbd_image_options_create)(&raw mut options.options) };
        for (option, value) in settings {
            // SAFETY: the options were made above.
            let set = unsafe { (rbd.rbd_image_options_set_uint64)(options.options, *option, *value) };
            check(set.into(), || "set the options of an image".to_owned())?;
        }
        Ok(options)
    }

    /// Makes an empty image.
    pub fn create(&self, name: &str, size_bytes: u64, shape: Shape) -> Done<()> {
        let options = self.options(&shape.settings())?;
        let c_name = c_string(name)?;
        let create = self.libraries.rbd.rbd_create4;
        // SAFETY: the context and the options are open, the name lives for the time of the call.
        let result = unsafe { create(self.io, c_name.as_ptr(), size_bytes, options.options) };
        check(result.into(), || format!("make {}/{name}", self.name)).map(drop)
    }

    /// Makes a clone of another image's snapshot, by format 2: without protecting the snapshot.
    pub fn make_clone(&self, parent: (&Pool, &str, &str), name: &str, shape: Shape) -> Done<()> {
        let [features, order] = shape.settings();
        let options = self.options(&[features, order, (sys::OPTION_CLONE_FORMAT, 2)])?;
        let (pool, image, snapshot) = parent;
        let (c_image, c_snapshot, c_name) = (c_string(image)?, c_string(snapshot)?, c_string(name)?);
        // SAFETY: contexts and options are open, the names live for the time of the call.
        let result = unsafe {
            (self.libraries.rbd.rbd_clone3)(
                pool.io,
                c_image.as_ptr(),
                c_snapshot.as_ptr(),
                self.io,
                c_name.as_ptr(),
                options.options,
            )
        };
        check(result.into(), || format!("clone {}/{image}@{snapshot} to {}/{name}", pool.name, self.name))
            .map(drop)
    }

    /// Gives an image another name, which must be free.
    pub fn rename(&self, from: &str, to: &str) -> Done<()> {
        let (c_from, c_to) = (c_string(from)?, c_string(to)?);
        // SAFETY: the context is open, the names live for the time of the call.
        let result = unsafe { (self.libraries.rbd.rbd_rename)(self.io, c_from.as_ptr(), c_to.as_ptr()) };
        check(result.into(), || format!("rename {}/{from} to {to}", self.name)).map(drop)
    }

    /// Removes an image with its data.
    pub fn remove(&self, name: &str) -> Done<()> {
        let c_name = c_string(name)?;
        // SAFETY: as above.
        let result = unsafe { (self.libraries.rbd.rbd_remove)(self.io, c_name.as_ptr()) };
        check(result.into(), || format!("remove {}/{name}", self.name)).map(drop)
    }

    /// Puts an image into the trash, where clones still find it.
    pub fn trash(&self, name: &str) -> Done<()> {
        let c_name = c_string(name)?;
        // SAFETY: as above.
        let result = unsafe { (self.libraries.rbd.rbd_trash_move)(self.io, c_name.as_ptr(), 0) };
        if result == -nix::libc::ESTALE {
            // Someone else has ended the move meanwhile.
            return Ok(());
        }
        check(result.into(), || format!("move {}/{name} to the trash", self.name)).map(drop)
    }

    /// Removes an image of the trash with its data.
    pub fn purge(&self, id: &str) -> Done<()> {
        let c_id = c_string(id)?;
        // SAFETY: as above.
        let result = unsafe { (self.libraries.rbd.rbd_trash_remove)(self.io, c_id.as_ptr(), false) };
        check(result.into(), || format!("remove {}/{id} from the trash", self.name)).map(drop)
    }

    /// The names of all images.
    pub fn list(&self) -> Done<Vec<String>> {
        Ok(self.directory()?.into_iter().map(|(name, _)| name).collect())
    }

    /// The names and ids of all images.
    pub(super) fn directory(&self) -> Done<Vec<(String, String)>> {
        let empty = sys::ImageSpec { id: ptr::null_mut(), name: ptr::null_mut() };
        let doing = || format!("list the images of {}", self.name);
        let list = self.libraries.rbd.rbd_list2;
        // SAFETY: the room has the length that is given.
        let fill = |room: *mut sys::ImageSpec, length: *mut usize| unsafe { list(self.io, room, length) };
        let (found, length) = filled(empty, doing, fill)?;
        let names = found[..length].iter().map(|image| (text(image.name), text(image.id))).collect();
        let mut found = found;
        // SAFETY: the entries are librbd's, and were copied.
        unsafe { (self.libraries.rbd.rbd_image_spec_list_cleanup)(found.as_mut_ptr(), length) };
        Ok(names)
    }

    /// What is in the trash.
    pub fn list_trash(&self) -> Done<Vec<Trashed>> {
        let empty = sys::TrashEntry {
            id: ptr::null_mut(),
            name: ptr::null_mut(),
            source: 0,
            deletion_time: 0,
            deferment_end_time: 0,
        };
        let doing = || format!("list the trash of {}", self.name);
        let list = self.libraries.rbd.rbd_trash_list;
        // SAFETY: the room has the length that is given.
        let fill = |room: *mut sys::TrashEntry, length: *mut usize| unsafe { list(self.io, room, length) };
        let (mut found, length) = filled(empty, doing, fill)?;
        let trashed =
            found[..length].iter().map(|entry| Trashed { id: text(entry.id), name: text(entry.name) });
        let trashed = trashed.collect();
        // SAFETY: the entries are librbd's, and were copied.
        unsafe { (self.libraries.rbd.rbd_trash_list_cleanup)(found.as_mut_ptr(), length) };
        Ok(trashed)
    }

    /// Whether a plain object is there: a mark.
    pub fn has_mark(&self, name: &str) -> Done<bool> {
        let c_name = c_string(name)?;
        let (mut size, mut time) = (0, 0);
        let stat = self.libraries.rados.rados_stat;
        // SAFETY: the context is open; both only take a number.
        let result = unsafe { stat(self.io, c_name.as_ptr(), &raw mut size, &raw mut time) };
        if result == -nix::libc::ENOENT {
            return Ok(false);
        }
        check(result.into(), || format!("look for the mark {}/{name}", self.name)).map(|_| true)
    }

    /// Sets a mark.
    pub fn set_mark(&self, name: &str) -> Done<()> {
        let c_name = c_string(name)?;
        let write = self.libraries.rados.rados_write_full;
        // SAFETY: the context is open; nothing is read from the name's bytes but the one that is there.
        let result = unsafe { write(self.io, c_name.as_ptr(), c_name.as_ptr(), 1) };
        check(result.into(), || format!("set the mark {}/{name}", self.name)).map(drop)
    }

    /// Copies a small plain object.
    pub fn copy_object(&self, from: &str, to: &str) -> Done<()> {
        let (c_from, c_to) = (c_string(from)?, c_string(to)?);
        let (mut size, mut time) = (0, 0);
        let doing = || format!("copy the object {}/{from} to {to}", self.name);
        let rados = &self.libraries.rados;
        // SAFETY: the context is open; both only take a number.
        let result = unsafe { (rados.rados_stat)(self.io, c_from.as_ptr(), &raw mut size, &raw mut time) };
        check(result.into(), doing)?;
        let mut bytes = vec![0u8; usize::try_from(size).unwrap_or(0)];
        // SAFETY: the context is open; the room has the length that is given.
        let read = unsafe {
            (rados.rados_read)(self.io, c_from.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len(), 0)
        };
        let length = usize::try_from(check(read.into(), doing)?).unwrap_or(0).min(bytes.len());
        let write = rados.rados_write_full;
        // SAFETY: the context is open; so many bytes were read.
        let result = unsafe { write(self.io, c_to.as_ptr(), bytes.as_ptr().cast(), length) };
        check(result.into(), doing).map(drop)
    }

    /// Removes a mark; none is as good.
    pub fn remove_mark(&self, name: &str) -> Done<()> {
        let c_name = c_string(name)?;
        // SAFETY: the context is open; the name lives for the time of the call.
        let result = unsafe { (self.libraries.rados.rados_remove)(self.io, c_name.as_ptr()) };
        if result == -nix::libc::ENOENT {
            return Ok(());
        }
        check(result.into(), || format!("remove the mark {}/{name}", self.name)).map(drop)
    }

    /// Opens an image for writing.
    pub fn open(self: &Arc<Self>, name: &str) -> Done<Image> {
        Image::open(self, name)
    }

    /// Opens an image, or a snapshot of it, for reading.
    pub fn open_read_only(self: &Arc<Self>, name: &str, snapshot: Option<&str>) -> Done<Image> {
        Image::open_read_only(self, name, snapshot)
    }
}

/// Calls a function that fills a list, with ever more room until it is enough. Returns the room and how much is filled.
pub fn filled<T: Copy>(
    empty: T,
    doing: impl Fn() -> String,
    fill: impl Fn(*mut T, *mut usize) -> i32,
) -> Done<(Vec<T>, usize)> {
    const ROOM_MAX: usize = 1 << 22;
    let mut room = 256;
    loop {
        let mut entries = vec![empty; room];
        let mut length = room;
        let result = fill(entries.as_mut_ptr(), &raw mut length);
        if result == -nix::libc::ERANGE && room < ROOM_MAX {
            room = (room * 2).max(length);
            continue;
        }
        check(result.into(), &doing)?;
        // What some functions return is the number, others only set it.
        return Ok((entries, length.min(room)));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: the context is open and nobody uses it any more.
        unsafe { (self.libraries.rados.rados_ioctx_destroy)(self.io) };
    }
}

struct OptionSet {
    options: sys::Options,
    libraries: &'static Libraries,
}

impl Drop for OptionSet {
    fn drop(&mut self) {
        // SAFETY: the options were made and are not used any more.
        unsafe { (self.libraries.rbd.rbd_image_options_destroy)(self.options) };
    }
}
