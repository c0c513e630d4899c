//! The functions of librados and librbd that are used here, found when the program runs: so one binary serves hosts
//! with Ceph and hosts without.
//!
//! Signatures are those of `rados/librados.h` and `rbd/librbd.h` of Ceph 16; none has changed since 13.

use std::ffi::{c_char, c_int, c_void};

use libloading::Library;

/// A connection to a cluster.
pub type Rados = *mut c_void;
/// A pool of a connection.
pub type IoCtx = *mut c_void;
/// Several reads of one object that are carried out as one.
pub type ReadOp = *mut c_void;
/// Keys and values that were read.
pub type OmapIter = *mut c_void;
/// An open image.
pub type ImagePtr = *mut c_void;
/// Options of an image to be made.
pub type Options = *mut c_void;
/// Takes extents of [`Librbd::rbd_diff_iterate2`].
pub type DiffCallback = unsafe extern "C" fn(u64, usize, c_int, *mut c_void) -> c_int;

/// `rbd_image_spec_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ImageSpec {
    pub id: *mut c_char,
    pub name: *mut c_char,
}

/// `rbd_snap_info_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SnapEntry {
    pub id: u64,
    pub size: u64,
    pub name: *const c_char,
}

/// `rbd_linked_image_spec_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LinkedImage {
    pub pool_id: i64,
    pub pool_name: *mut c_char,
    pub pool_namespace: *mut c_char,
    pub image_id: *mut c_char,
    pub image_name: *mut c_char,
    pub trash: bool,
}

/// `rbd_snap_spec_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SnapSpec {
    pub id: u64,
    pub namespace_type: c_int,
    pub name: *mut c_char,
}

/// `rbd_trash_image_info_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TrashEntry {
    pub id: *mut c_char,
    pub name: *mut c_char,
    pub source: c_int,
    pub deletion_time: i64,
    pub deferment_end_time: i64,
}

/// `rbd_image_watcher_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Watcher {
    pub addr: *mut c_char,
    pub id: i64,
    pub cookie: u64,
}

/// `struct timespec` on 64-bit Linux.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct TimeSpec {
    pub seconds: i64,
    pub nanoseconds: i64,
}

/// `RBD_IMAGE_OPTION_FEATURES`.
pub const OPTION_FEATURES: c_int = 1;
/// `RBD_IMAGE_OPTION_ORDER`.
pub const OPTION_ORDER: c_int = 2;
/// `RBD_IMAGE_OPTION_CLONE_FORMAT`.
pub const OPTION_CLONE_FORMAT: c_int = 12;
/// `RBD_SNAP_NAMESPACE_TYPE_TRASH`: a snapshot that was removed and lives on for its clones.
pub const SNAPSHOT_IN_TRASH: c_int = 2;
/// `RBD_FEATURE_FAST_DIFF`.
pub const FEATURE_FAST_DIFF: u64 = 1 << 4;
/// `RBD_FEATURE_EXCLUSIVE_LOCK`.
pub const FEATURE_LOCK: u64 = 1 << 2;
/// Exclusive-lock, and object-map and fast-diff that build upon it.
pub const FEATURES_OF_ONE: u64 = FEATURE_LOCK | 1 << 3 | FEATURE_FAST_DIFF;
/// Layering, deep-flatten, and those.
pub const FEATURES: u64 = 1 | FEATURES_OF_ONE | 1 << 5;
/// `RBD_FLAG_OBJECT_MAP_INVALID` or `RBD_FLAG_FAST_DIFF_INVALID`.
pub const FLAGS_MAP_INVALID: u64 = 0b11;

macro_rules! library {
    ($(#[$doc:meta])* $table:ident, $file:literal, { $($name:ident($($arg:ty),*) $(-> $ret:ty)?;)* }) => {
        $(#[$doc])*
        #[allow(missing_docs)] // their names are those of the functions
        pub struct $table {
            $(pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
            // Keeps what the pointers point into.
            _library: Library,
        }

        impl $table {
            /// Opens the library and finds its functions.
            pub fn load() -> Result<$table, libloading::Error> {
                // SAFETY: the library is Ceph's, which may be loaded at any time; its initialisers only register
                // themselves.
                let library = unsafe { Library::new($file) }?;
                Ok($table {
                    // SAFETY: each type is that of the function's declaration in the library's header; the library
                    // lives as long as the table.
                    $($name: unsafe { *library.get(stringify!($name))? },)*
                    _library: library,
                })
            }
        }
    };
}

library!(
    /// librados.
    Librados, "librados.so.2", {
        rados_create2(*mut Rados, *const c_char, *const c_char, u64) -> c_int;
        rados_conf_read_file(Rados, *const c_char) -> c_int;
        rados_conf_set(Rados, *const c_char, *const c_char) -> c_int;
        rados_connect(Rados) -> c_int;
        rados_shutdown(Rados);
        rados_getaddrs(Rados, *mut *mut c_char) -> c_int;
        rados_buffer_free(*mut c_char);
        rados_blocklist_add(Rados, *mut c_char, u32) -> c_int;
        rados_wait_for_latest_osdmap(Rados) -> c_int;
        rados_mon_command(Rados, *const *const c_char, usize, *const c_char, usize, *mut *mut c_char, *mut usize, *mut *mut c_char, *mut usize) -> c_int;
        rados_ioctx_create(Rados, *const c_char, *mut IoCtx) -> c_int;
        rados_ioctx_destroy(IoCtx);
        rados_ioctx_get_id(IoCtx) -> i64;
        rados_stat(IoCtx, *const c_char, *mut u64, *mut i64) -> c_int;
        rados_read(IoCtx, *const c_char, *mut c_char, usize, u64) -> c_int;
        rados_write_full(IoCtx, *const c_char, *const c_char, usize) -> c_int;
        rados_remove(IoCtx, *const c_char) -> c_int;
        rados_exec(IoCtx, *const c_char, *const c_char, *const c_char, *const c_char, usize, *mut c_char, usize) -> c_int;
        rados_notify2(IoCtx, *const c_char, *const c_char, c_int, u64, *mut *mut c_char, *mut usize) -> c_int;
        rados_create_read_op() -> ReadOp;
        rados_read_op_omap_get_vals2(ReadOp, *const c_char, *const c_char, u64, *mut OmapIter, *mut u8, *mut c_int);
        rados_read_op_operate(ReadOp, IoCtx, *const c_char, c_int) -> c_int;
        rados_release_read_op(ReadOp);
        rados_omap_get_next(OmapIter, *mut *mut c_char, *mut *mut c_char, *mut usize) -> c_int;
        rados_omap_get_end(OmapIter);
    }
);

library!(
    /// librbd.
    Librbd, "librbd.so.1", {
        rbd_image_options_create(*mut Options);
        rbd_image_options_destroy(Options);
        rbd_image_options_set_uint64(Options, c_int, u64) -> c_int;
        rbd_create4(IoCtx, *const c_char, u64, Options) -> c_int;
        rbd_clone3(IoCtx, *const c_char, *const c_char, IoCtx, *const c_char, Options) -> c_int;
        rbd_rename(IoCtx, *const c_char, *const c_char) -> c_int;
        rbd_remove(IoCtx, *const c_char) -> c_int;
        rbd_list2(IoCtx, *mut ImageSpec, *mut usize) -> c_int;
        rbd_image_spec_list_cleanup(*mut ImageSpec, usize);
        rbd_trash_move(IoCtx, *const c_char, u64) -> c_int;
        rbd_trash_list(IoCtx, *mut TrashEntry, *mut usize) -> c_int;
        rbd_trash_list_cleanup(*mut TrashEntry, usize);
        rbd_trash_remove(IoCtx, *const c_char, bool) -> c_int;
        rbd_open(IoCtx, *const c_char, *mut ImagePtr, *const c_char) -> c_int;
        rbd_open_read_only(IoCtx, *const c_char, *mut ImagePtr, *const c_char) -> c_int;
        rbd_open_by_id_read_only(IoCtx, *const c_char, *mut ImagePtr, *const c_char) -> c_int;
        rbd_open_by_id(IoCtx, *const c_char, *mut ImagePtr, *const c_char) -> c_int;
        rbd_close(ImagePtr) -> c_int;
        rbd_get_id(ImagePtr, *mut c_char, usize) -> c_int;
        rbd_get_size(ImagePtr, *mut u64) -> c_int;
        rbd_get_features(ImagePtr, *mut u64) -> c_int;
        rbd_update_features(ImagePtr, u64, u8) -> c_int;
        rbd_get_flags(ImagePtr, *mut u64) -> c_int;
        rbd_get_create_timestamp(ImagePtr, *mut TimeSpec) -> c_int;
        rbd_resize2(ImagePtr, u64, bool, *const c_void, *mut c_void) -> c_int;
        rbd_flatten(ImagePtr) -> c_int;
        rbd_rebuild_object_map(ImagePtr, *const c_void, *mut c_void) -> c_int;
        rbd_get_parent(ImagePtr, *mut LinkedImage, *mut SnapSpec) -> c_int;
        rbd_list_children3(ImagePtr, *mut LinkedImage, *mut usize) -> c_int;
        rbd_linked_image_spec_list_cleanup(*mut LinkedImage, usize);
        rbd_linked_image_spec_cleanup(*mut LinkedImage);
        rbd_snap_spec_cleanup(*mut SnapSpec);
        rbd_snap_list(ImagePtr, *mut SnapEntry, *mut c_int) -> c_int;
        rbd_snap_list_end(*mut SnapEntry);
        rbd_snap_get_namespace_type(ImagePtr, u64, *mut c_int) -> c_int;
        rbd_snap_create(ImagePtr, *const c_char) -> c_int;
        rbd_snap_get_id(ImagePtr, *const c_char, *mut u64) -> c_int;
        rbd_snap_remove(ImagePtr, *const c_char) -> c_int;
        rbd_snap_remove_by_id(ImagePtr, u64) -> c_int;
        rbd_snap_rename(ImagePtr, *const c_char, *const c_char) -> c_int;
        rbd_snap_unprotect(ImagePtr, *const c_char) -> c_int;
        rbd_snap_rollback(ImagePtr, *const c_char) -> c_int;
        rbd_metadata_get(ImagePtr, *const c_char, *mut c_char, *mut usize) -> c_int;
        rbd_metadata_set(ImagePtr, *const c_char, *const c_char) -> c_int;
        rbd_metadata_remove(ImagePtr, *const c_char) -> c_int;
        rbd_watchers_list(ImagePtr, *mut Watcher, *mut usize) -> c_int;
        rbd_watchers_list_cleanup(*mut Watcher, usize);
        rbd_diff_iterate2(ImagePtr, *const c_char, u64, u64, u8, u8, DiffCallback, *mut c_void) -> c_int;
        rbd_read2(ImagePtr, u64, usize, *mut c_char, c_int) -> isize;
        rbd_write2(ImagePtr, u64, usize, *const c_char, c_int) -> isize;
        rbd_flush(ImagePtr) -> c_int;
    }
);
