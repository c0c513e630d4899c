//! An open RBD image, without pointers.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use super::cluster::{Done, Libraries, Pool, bare, c_string, check, filled, text};
use super::sys;

/// An open image.
pub struct Image {
    handle: sys::ImagePtr,
    name: String,
    libraries: &'static Libraries,
    // The context must outlive the image.
    _pool: Arc<Pool>,
}

// SAFETY: librbd's images may be used by several threads at once; I/O and management lock inside.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

/// A client that has an image open for writing.
pub struct Watcher {
    /// Its address, without the protocol in front.
    pub address: String,
    /// The number by which the OSDs know it.
    pub client: u64,
}

/// What an image was cloned from.
pub struct Parent {
    pub pool: String,
    pub image_id: String,
}

impl Image {
    /// Opens it for writing.
    pub fn open(pool: &Arc<Pool>, name: &str) -> Done<Image> {
        let c_name = c_string(name)?;
        Image::opened(pool, name, |handle| {
            // SAFETY: the context is open; the name lives for the time of the call; `handle` takes the result.
            unsafe { (pool.libraries.rbd.rbd_open)(pool.io, c_name.as_ptr(), handle, ptr::null()) }
        })
    }

    /// Opens it, or a snapshot of it, for reading. Nobody who writes notices.
    pub fn open_read_only(pool: &Arc<Pool>, name: &str, snapshot: Option<&str>) -> Done<Image> {
        let c_name = c_string(name)?;
        let c_snapshot = snapshot.map(c_string).transpose()?;
        let c_snapshot = c_snapshot.as_ref().map_or(ptr::null(), |snapshot| snapshot.as_ptr());
        Image::opened(pool, name, |handle| {
            // SAFETY: as above.
            unsafe { (pool.libraries.rbd.rbd_open_read_only)(pool.io, c_name.as_ptr(), handle, c_snapshot) }
        })
    }

    /// Opens a snapshot of it in a way in which what belongs to the snapshot can be mended.
    pub fn open_snapshot_to_mend(pool: &Arc<Pool>, name: &str, snapshot: &str) -> Done<Image> {
        let (c_name, c_snapshot) = (c_string(name)?, c_string(snapshot)?);
        Image::opened(pool, name, |handle| {
            // SAFETY: as above.
            unsafe { (pool.libraries.rbd.rbd_open)(pool.io, c_name.as_ptr(), handle, c_snapshot.as_ptr()) }
        })
    }

    /// Makes its map of objects anew, from what is there.
    pub fn rebuild_object_map(&self) -> Done<()> {
        let rebuild = self.libraries.rbd.rbd_rebuild_object_map;
        // SAFETY: the image is open; the callback uses nothing.
        let result = unsafe { rebuild(self.handle, no_progress(), ptr::null_mut()) };
        check(result.into(), || format!("rebuild the object map of {}", self.name)).map(drop)
    }

    /// Opens by id what may be in the trash.
    pub fn open_by_id(pool: &Arc<Pool>, id: &str) -> Done<Image> {
        let c_id = c_string(id)?;
        let open = pool.libraries.rbd.rbd_open_by_id_read_only;
        Image::opened(pool, id, |handle| {
            // SAFETY: as above.
            unsafe { open(pool.io, c_id.as_ptr(), handle, ptr::null()) }
        })
    }

    /// The same for writing.
    pub fn open_by_id_to_write(pool: &Arc<Pool>, id: &str) -> Done<Image> {
        let c_id = c_string(id)?;
        Image::opened(pool, id, |handle| {
            // SAFETY: as above.
            unsafe { (pool.libraries.rbd.rbd_open_by_id)(pool.io, c_id.as_ptr(), handle, ptr::null()) }
        })
    }

    /// Its id, which stays when its name changes.
    pub fn id(&self) -> Done<String> {
        let mut id = [0u8; 128];
        let ask = self.libraries.rbd.rbd_get_id;
        // SAFETY: the image is open; the room has the length that is given.
        let result = unsafe { ask(self.handle, id.as_mut_ptr().cast(), id.len()) };
        check(result.into(), || format!("read the id of {}", self.name))?;
        let end = id.iter().position(|byte| *byte == 0).unwrap_or(id.len());
        Ok(String::from_utf8_lossy(&id[..end]).into_owned())
    }

    fn opened(pool: &Arc<Pool>, name: &str, open: impl FnOnce(*mut sys::ImagePtr) -> c_int) -> Done<Image> {
        let mut handle = ptr::null_mut();
        let name = format!("{}/{name}", pool.name);
        check(open(&raw mut handle).into(), || format!("open {name}"))?;
        Ok(Image { handle, name, libraries: pool.libraries, _pool: pool.clone() })
    }

    /// How large it is.
    pub fn size(&self) -> Done<u64> {
        // SAFETY: the image is open; the function only writes a number.
        self.number("read the size of", |out| unsafe { (self.libraries.rbd.rbd_get_size)(self.handle, out) })
    }

    /// Since when it is there, in seconds of the epoch.
    pub fn created_at(&self) -> Done<i64> {
        let mut time = sys::TimeSpec::default();
        let ask = self.libraries.rbd.rbd_get_create_timestamp;
        // SAFETY: the image is open; `time` is a `struct timespec`.
        let result = unsafe { ask(self.handle, &raw mut time) };
        check(result.into(), || format!("read the age of {}", self.name))?;
        Ok(time.seconds)
    }

    /// What is switched on for it.
    pub fn features(&self) -> Done<u64> {
        let ask = self.libraries.rbd.rbd_get_features;
        // SAFETY: the image is open; the function only writes a number.
        self.number("read the features of", |out| unsafe { ask(self.handle, out) })
    }

    /// Switches some of it on or off.
    pub fn set_features(&self, features: u64, on: bool) -> Done<()> {
        let set = self.libraries.rbd.rbd_update_features;
        // SAFETY: the image is open.
        let result = unsafe { set(self.handle, features, on.into()) };
        check(result.into(), || format!("change the features of {}", self.name)).map(drop)
    }

    /// Whether its map of objects, if it has one, is to be believed.
    pub fn has_sound_map(&self) -> Done<bool> {
        let ask = self.libraries.rbd.rbd_get_flags;
        // SAFETY: the image is open; the function only writes a number.
        let flags = self.number("read the flags of", |out| unsafe { ask(self.handle, out) })?;
        Ok(flags & sys::FLAGS_MAP_INVALID == 0)
    }

    fn number(&self, doing: &str, ask: impl FnOnce(*mut u64) -> c_int) -> Done<u64> {
        let mut number = 0;
        check(ask(&raw mut number).into(), || format!("{doing} {}", self.name))?;
        Ok(number)
    }

    /// Changes the size; to less only on purpose.
    pub fn resize(&self, size_bytes: u64, may_shrink: bool) -> Done<()> {
        let resize = self.libraries.rbd.rbd_resize2;
        // SAFETY: the image is open; librbd reports no progress to a callback that is null.
        let result = unsafe { resize(self.handle, size_bytes, may_shrink, no_progress(), ptr::null_mut()) };
        check(result.into(), || format!("resize {}", self.name)).map(drop)
    }

    /// Copies from the parent what is still shared with it.
    pub fn flatten(&self) -> Done<()> {
        // SAFETY: the image is open.
        let result = unsafe { (self.libraries.rbd.rbd_flatten)(self.handle) };
        check(result.into(), || format!("flatten {}", self.name)).map(drop)
    }

    /// Whether anything was cloned from it and still shares with it.
    pub fn has_children(&self) -> Done<bool> {
        let rbd = &self.libraries.rbd;
        let empty = sys::LinkedImage {
            pool_id: 0,
            pool_name: ptr::null_mut(),
            pool_namespace: ptr::null_mut(),
            image_id: ptr::null_mut(),
            image_name: ptr::null_mut(),
            trash: false,
        };
        // SAFETY: the image is open; the room has the length that is given.
        let fill = |room: *mut sys::LinkedImage, length: *mut usize| unsafe {
            (rbd.rbd_list_children3)(self.handle, room, length)
        };
        let (mut found, length) = filled(empty, || format!("list the clones of {}", self.name), fill)?;
        // SAFETY: the entries are librbd's, and only their number is of interest.
        unsafe { (rbd.rbd_linked_image_spec_list_cleanup)(found.as_mut_ptr(), length) };
        Ok(length > 0)
    }

    /// What it was cloned from, if it still shares with it.
    pub fn parent(&self) -> Done<Option<Parent>> {
        let rbd = &self.libraries.rbd;
        let mut image = sys::LinkedImage {
            pool_id: 0,
            pool_name: ptr::null_mut(),
            pool_namespace: ptr::null_mut(),
            image_id: ptr::null_mut(),
            image_name: ptr::null_mut(),
            trash: false,
        };
        let mut snapshot = sys::SnapSpec { id: 0, namespace_type: 0, name: ptr::null_mut() };
        // SAFETY: the image is open; both take strings of librbd's.
        let result = unsafe { (rbd.rbd_get_parent)(self.handle, &raw mut image, &raw mut snapshot) };
        if result == -nix::libc::ENOENT {
            return Ok(None);
        }
        check(result.into(), || format!("read the parent of {}", self.name))?;
        let parent = Parent { pool: text(image.pool_name), image_id: text(image.image_id) };
        // SAFETY: librbd filled both, and what is needed was copied.
        unsafe {
            (rbd.rbd_linked_image_spec_cleanup)(&raw mut image);
            (rbd.rbd_snap_spec_cleanup)(&raw mut snapshot);
        }
        Ok(Some(parent))
    }

    /// The names of its snapshots, oldest first, but for those that live on in the trash.
    pub fn snapshots(&self) -> Done<Vec<String>> {
        Ok(self.sized_snapshots()?.into_iter().map(|(name, _)| name).collect())
    }

    /// The same with the sizes that it had.
    pub fn sized_snapshots(&self) -> Done<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for (id, name, size_bytes) in self.all_snapshots()? {
            if !self.is_in_trash(id)? {
                found.push((name, size_bytes));
            }
        }
        Ok(found)
    }

    fn is_in_trash(&self, snapshot: u64) -> Done<bool> {
        let mut kind = 0;
        let ask = self.libraries.rbd.rbd_snap_get_namespace_type;
        // SAFETY: the image is open; the function only writes a number.
        let result = unsafe { ask(self.handle, snapshot, &raw mut kind) };
        if result == -nix::libc::ENOENT {
            // It went meanwhile.
            return Ok(true);
        }
        check(result.into(), || format!("read the kind of a snapshot of {}", self.name))?;
        Ok(kind == sys::SNAPSHOT_IN_TRASH)
    }

    /// The numbers, names and sizes of all its snapshots, oldest first, also of those in the trash.
    pub fn all_snapshots(&self) -> Done<Vec<(u64, String, u64)>> {
        let rbd = &self.libraries.rbd;
        let empty = sys::SnapEntry { id: 0, size: 0, name: ptr::null() };
        let mut room = 64;
        loop {
            let mut entries = vec![empty; room];
            let mut length = c_int::try_from(room).unwrap_or(c_int::MAX);
            // SAFETY: the image is open; the room has the length that is given.
            let result = unsafe { (rbd.rbd_snap_list)(self.handle, entries.as_mut_ptr(), &raw mut length) };
            if result == -nix::libc::ERANGE && room < 1 << 20 {
                room *= 2;
                continue;
            }
            let count = check(result.into(), || format!("list the snapshots of {}", self.name))?;
            let count = usize::try_from(count).unwrap_or(0).min(room);
            let mut found = entries[..count].to_vec();
            found.sort_by_key(|entry| entry.id);
            let copied = found.iter().map(|entry| (entry.id, text(entry.name), entry.size)).collect();
            if count > 0 {
                // SAFETY: the list ends with an entry without a name, as librbd left it.
                unsafe { (rbd.rbd_snap_list_end)(entries.as_mut_ptr()) };
            }
            return Ok(copied);
        }
    }

    /// The number of a snapshot.
    pub fn snapshot_number(&self, name: &str) -> Done<u64> {
        let c_name = c_string(name)?;
        let ask = self.libraries.rbd.rbd_snap_get_id;
        // SAFETY: the image is open; the function only writes a number.
        self.number("read the number of a snapshot of", |out| unsafe {
            ask(self.handle, c_name.as_ptr(), out)
        })
    }

    /// Holds its content of now.
    pub fn snapshot(&self, name: &str) -> Done<()> {
        self.on_snapshot("make", name, self.libraries.rbd.rbd_snap_create)
    }

    /// Lets go of a snapshot. If it has clones, Ceph keeps it in the trash until the last of them is gone.
    pub fn remove_snapshot(&self, name: &str) -> Done<()> {
        self.on_snapshot("remove", name, self.libraries.rbd.rbd_snap_remove)
    }

    /// Removes a snapshot by its number, which one in the trash has alone.
    pub fn remove_snapshot_in_trash(&self, number: u64) -> Done<()> {
        // SAFETY: the image is open.
        let result = unsafe { (self.libraries.rbd.rbd_snap_remove_by_id)(self.handle, number) };
        check(result.into(), || format!("remove snapshot {number} of {}", self.name)).map(drop)
    }

    /// Lets a snapshot be removed that was protected from that, unless clones of old still need it; whether it was so.
    pub fn unprotect_snapshot(&self, name: &str) -> Done<bool> {
        match self.on_snapshot("unprotect", name, self.libraries.rbd.rbd_snap_unprotect) {
            Err(fault) if fault.is(nix::libc::EINVAL) || fault.is(nix::libc::EBUSY) => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// Gives a snapshot another name, which must be free.
    pub fn rename_snapshot(&self, from: &str, to: &str) -> Done<()> {
        let (c_from, c_to) = (c_string(from)?, c_string(to)?);
        let rename = self.libraries.rbd.rbd_snap_rename;
        // SAFETY: the image is open; the names live for the time of the call.
        let result = unsafe { rename(self.handle, c_from.as_ptr(), c_to.as_ptr()) };
        check(result.into(), || format!("rename the snapshot {}@{from} to {to}", self.name)).map(drop)
    }

    /// Puts the content back to that of a snapshot.
    pub fn roll_back(&self, name: &str) -> Done<()> {
        self.on_snapshot("roll back to", name, self.libraries.rbd.rbd_snap_rollback)
    }

    fn on_snapshot(
        &self,
        doing: &str,
        name: &str,
        function: unsafe extern "C" fn(sys::ImagePtr, *const c_char) -> c_int,
    ) -> Done<()> {
        let c_name = c_string(name)?;
        // SAFETY: the image is open; the name lives for the time of the call.
        let result = unsafe { function(self.handle, c_name.as_ptr()) };
        check(result.into(), || format!("{doing} the snapshot {}@{name}", self.name)).map(drop)
    }

    /// What is noted with it under this key.
    pub fn note(&self, key: &str) -> Done<Option<String>> {
        let c_key = c_string(key)?;
        let mut value = vec![0u8; 4096];
        let mut length = value.len();
        let ask = self.libraries.rbd.rbd_metadata_get;
        // SAFETY: the image is open; the room has the length that is given.
        let result = unsafe { ask(self.handle, c_key.as_ptr(), value.as_mut_ptr().cast(), &raw mut length) };
        if result == -nix::libc::ENOENT {
            return Ok(None);
        }
        check(result.into(), || format!("read {key} of {}", self.name))?;
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        Ok(Some(String::from_utf8_lossy(&value[..end]).into_owned()))
    }

    /// Notes something with it.
    pub fn set_note(&self, key: &str, value: &str) -> Done<()> {
        let (c_key, c_value) = (c_string(key)?, c_string(value)?);
        let set = self.libraries.rbd.rbd_metadata_set;
        // SAFETY: the image is open; the strings live for the time of the call.
        let result = unsafe { set(self.handle, c_key.as_ptr(), c_value.as_ptr()) };
        check(result.into(), || format!("note {key} with {}", self.name)).map(drop)
    }

    /// Takes a note away; none is as good.
    pub fn remove_note(&self, key: &str) -> Done<()> {
        let c_key = c_string(key)?;
        // SAFETY: the image is open; the key lives for the time of the call.
        let result = unsafe { (self.libraries.rbd.rbd_metadata_remove)(self.handle, c_key.as_ptr()) };
        if result == -nix::libc::ENOENT {
            return Ok(());
        }
        check(result.into(), || format!("take {key} away from {}", self.name)).map(drop)
    }

    /// All clients that have it open for writing, or that are noted so.
    pub fn watchers(&self) -> Done<Vec<Watcher>> {
        let rbd = &self.libraries.rbd;
        let empty = sys::Watcher { addr: ptr::null_mut(), id: 0, cookie: 0 };
        // SAFETY: the image is open; the room has the length that is given.
        let fill = |room: *mut sys::Watcher, length: *mut usize| unsafe {
            (rbd.rbd_watchers_list)(self.handle, room, length)
        };
        let (mut found, length) = filled(empty, || format!("list who has {} open", self.name), fill)?;
        let copied = |watcher: &sys::Watcher| Watcher {
            address: bare(&text(watcher.addr)).to_owned(),
            client: watcher.id.cast_unsigned(),
        };
        let watchers = found[..length].iter().map(copied).collect();
        // SAFETY: the entries are librbd's, and were copied.
        unsafe { (rbd.rbd_watchers_list_cleanup)(found.as_mut_ptr(), length) };
        Ok(watchers)
    }

    /// How much it takes, without what it shares; `None` where only reading every object could tell.
    pub fn used(&self) -> Done<Option<u64>> {
        unsafe extern "C" fn add(_: u64, length: usize, exists: c_int, sum: *mut c_void) -> c_int {
            if exists != 0 {
                // SAFETY: `sum` is the number below, and this is its only user while librbd calls.
                unsafe { *sum.cast::<u64>() += length as u64 };
            }
            0
        }
        let rbd = &self.libraries.rbd;
        if self.features()? & sys::FEATURE_FAST_DIFF == 0 || !self.has_sound_map()? {
            return Ok(None);
        }
        let (size, mut sum) = (self.size()?, 0u64);
        // SAFETY: the image is open; the callback gets a pointer to `sum`, which lives for the time of the call.
        let result = unsafe {
            (rbd.rbd_diff_iterate2)(self.handle, ptr::null(), 0, size, 0, 1, add, (&raw mut sum).cast())
        };
        check(result.into(), || format!("measure {}", self.name))?;
        Ok(Some(sum))
    }

    /// Reads into `buffer`; says how much there was before the end.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Done<usize> {
        let read = self.libraries.rbd.rbd_read2;
        // SAFETY: the image is open; the buffer has the length that is given.
        let result = unsafe { read(self.handle, offset, buffer.len(), buffer.as_mut_ptr().cast(), 0) };
        let read = check(result as i64, || format!("read {}", self.name))?;
        Ok(usize::try_from(read).unwrap_or(0))
    }

    /// Writes all of `bytes`. They are in the cluster when it returns: there is no cache.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Done<()> {
        let write = self.libraries.rbd.rbd_write2;
        // SAFETY: the image is open; the bytes have the length that is given.
        let result = unsafe { write(self.handle, offset, bytes.len(), bytes.as_ptr().cast(), 0) };
        check(result as i64, || format!("write {}", self.name)).map(drop)
    }

    /// Waits until what was written stays.
    pub fn flush(&self) -> Done<()> {
        // SAFETY: the image is open.
        let result = unsafe { (self.libraries.rbd.rbd_flush)(self.handle) };
        check(result.into(), || format!("flush {}", self.name)).map(drop)
    }
}

/// A progress callback that librbd may call: it refuses a null one for some functions.
fn no_progress() -> *const c_void {
    extern "C" fn ignore(_: u64, _: u64, _: *mut c_void) -> c_int {
        0
    }
    ignore as *const c_void
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the image is open and nobody uses it any more. A failure to release its lock leaves that to time.
        unsafe { (self.libraries.rbd.rbd_close)(self.handle) };
    }
}
