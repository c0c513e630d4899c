//! What the OSDs' class `rbd` is told by hand where librbd has no way to say it (`cls_rbd.cc`, `cls_rbd_types.h`): each
//! of it ends what a client began that was killed.

use std::ffi::{CStr, c_char};
use std::ptr;

use super::cluster::{Done, Pool, Trashed, c_string, check};
use super::names;
use super::wire::Fault;

/// States of an image in the trash.
const TRASH_NORMAL: u8 = 0;
const TRASH_MOVING: u8 = 1;
/// Before the number of the snapshot, in hexadecimal, whose clones are noted under this key of an image's header.
const CLONES_OF: &str = "snap_children_";

/// The key of an image's header under which its parent is noted.
const PARENT: &str = "parent";

/// What an image was cloned from, as it has it noted.
#[derive(Debug, PartialEq, Eq)]
pub struct NotedParent {
    pub pool_id: i64,
    /// Empty for the pool itself.
    pub pool_namespace: String,
    pub image_id: String,
}

/// A clone, as its parent has it noted.
#[derive(Debug, PartialEq, Eq)]
pub struct NotedClone {
    /// The number of the parent's snapshot.
    snapshot: u64,
    pub pool_id: i64,
    pub image_id: String,
    /// Empty for the pool itself.
    pub pool_namespace: String,
    /// How it is noted, by which it is forgotten.
    encoded: Vec<u8>,
}

impl Pool {
    /// The number by which clones name the pool they are in.
    pub fn id(&self) -> i64 {
        // SAFETY: the context is open.
        unsafe { (self.libraries.rados.rados_ioctx_get_id)(self.io) }
    }

    /// Ends a move to the trash whose mover died. librbd refuses to remove an image that is on its way; as long as the
    /// directory has it, the move is made again. After that only its state is missing, which librbd would set for the
    /// image of this name alone, and that may be another one since.
    pub fn end_move(&self, trashed: &Trashed) -> Done<()> {
        if self.directory()?.contains(&(trashed.name.clone(), trashed.id.clone())) {
            return self.trash(&trashed.name);
        }
        // The id, the new state, the one that is expected.
        let mut input = string(&trashed.id);
        input.extend([TRASH_NORMAL, TRASH_MOVING]);
        let result = self.tell("rbd_trash", c"trash_state_set", &input)?;
        check(result, || format!("end the move of {}/{} to the trash", self.name, trashed.id)).map(drop)
    }

    /// The clones that are noted with an image, also those that are gone.
    pub fn noted_clones(&self, image_id: &str) -> Done<Vec<NotedClone>> {
        let doing = || format!("read the clones of {}/{image_id}", self.name);
        let mut clones = Vec::new();
        for (key, value) in self.keys(&names::header(image_id), CLONES_OF)? {
            let number = key.strip_prefix(CLONES_OF).and_then(|hex| u64::from_str_radix(hex, 16).ok());
            let read = number.and_then(|number| read_clones(number, &value));
            clones.extend(read.ok_or_else(|| Fault::Ceph { errno: nix::libc::EBADMSG, doing: doing() })?);
        }
        Ok(clones)
    }

    /// Takes back the note of a clone.
    pub fn forget_clone(&self, image_id: &str, clone: &NotedClone) -> Done<()> {
        let mut input = clone.snapshot.to_le_bytes().to_vec();
        input.extend(&clone.encoded);
        let result = self.tell(&names::header(image_id), c"child_detach", &input)?;
        check(result, || format!("forget the clone {} of {}/{image_id}", clone.image_id, self.name)).map(drop)
    }

    /// The parent that is noted with an image, also one that is gone. `None` too for notes of before Ceph 14.
    pub fn noted_parent(&self, image_id: &str) -> Done<Option<NotedParent>> {
        let noted = self.keys(&names::header(image_id), PARENT)?.into_iter().find(|(key, _)| key == PARENT);
        Ok(noted.and_then(|(_, value)| read_parent(&value)))
    }

    /// Takes the note of its parent from an image, whose content is from then on only what it has itself.
    pub fn forget_parent(&self, image_id: &str) -> Done<()> {
        let result = self.tell(&names::header(image_id), c"parent_detach", &[])?;
        check(result, || format!("forget the parent of {}/{image_id}", self.name)).map(drop)
    }

    fn tell(&self, object: &str, method: &CStr, input: &[u8]) -> Done<i64> {
        let object = c_string(object)?;
        let exec = self.libraries.rados.rados_exec;
        // SAFETY: the context is open, the names and the input live for the time of the call, there is no room for an
        // answer.
        let result = unsafe {
            exec(
                self.io,
                object.as_ptr(),
                c"rbd".as_ptr(),
                method.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                ptr::null_mut(),
                0,
            )
        };
        Ok(result.into())
    }

    /// The keys of an object that begin with `prefix`, and their values; none of an object that is not there.
    fn keys(&self, object: &str, prefix: &str) -> Done<Vec<(String, Vec<u8>)>> {
        const KEYS_MAX: u64 = 1 << 20;
        let rados = &self.libraries.rados;
        let (c_object, c_prefix) = (c_string(object)?, c_string(prefix)?);
        let (mut found, mut more, mut read) = (ptr::null_mut(), 0, 0);
        // SAFETY: the operation is released below. Until it was carried out, what it fills in and its strings live.
        let operated = unsafe {
            let operation = (rados.rados_create_read_op)();
            (rados.rados_read_op_omap_get_vals2)(
                operation,
                c"".as_ptr(),
                c_prefix.as_ptr(),
                KEYS_MAX,
                &raw mut found,
                &raw mut more,
                &raw mut read,
            );
            let operated = (rados.rados_read_op_operate)(operation, self.io, c_object.as_ptr(), 0);
            (rados.rados_release_read_op)(operation);
            operated
        };
        let mut pairs = Vec::new();
        if operated == 0 && read == 0 {
            loop {
                let (mut key, mut value, mut length) = (ptr::null_mut(), ptr::null_mut(), 0);
                let next = rados.rados_omap_get_next;
                // SAFETY: the operation filled the list in; what it returns lives as long as the list.
                let result = unsafe { next(found, &raw mut key, &raw mut value, &raw mut length) };
                if result != 0 || key.is_null() {
                    break;
                }
                pairs.push((super::cluster::text(key), copied(value, length)));
            }
        }
        if !found.is_null() {
            // SAFETY: the list is librados', and what it had was copied.
            unsafe { (rados.rados_omap_get_end)(found) };
        }
        if operated == -nix::libc::ENOENT {
            return Ok(Vec::new());
        }
        check(operated.min(read).into(), || format!("read the keys of {}/{object}", self.name))?;
        Ok(pairs)
    }
}

fn copied(value: *const c_char, length: usize) -> Vec<u8> {
    if value.is_null() {
        return Vec::new();
    }
    // SAFETY: librados gave so many bytes, which live until their list is given back.
    unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) }.to_vec()
}

/// A string as Ceph writes it: its length, and its bytes.
fn string(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// What is noted of the clones of a snapshot: how many, and each with its version, the oldest one that can read it, its
/// length, and then the pool, the image and, since version 2, the namespace. `None` if it is something else.
fn read_clones(snapshot: u64, value: &[u8]) -> Option<Vec<NotedClone>> {
    let mut rest = value;
    let count = u32::from_le_bytes(taken(&mut rest)?);
    let mut clones = Vec::new();
    for _ in 0..count {
        let start = rest;
        let [version, _] = taken::<2>(&mut rest)?;
        let length = usize::try_from(u32::from_le_bytes(taken(&mut rest)?)).ok()?;
        let (mut inner, after) = rest.split_at_checked(length)?;
        rest = after;
        clones.push(NotedClone {
            snapshot,
            pool_id: i64::from_le_bytes(taken(&mut inner)?),
            image_id: taken_string(&mut inner)?,
            pool_namespace: if version < 2 { String::new() } else { taken_string(&mut inner)? },
            encoded: start[..start.len() - rest.len()].to_vec(),
        });
    }
    Some(clones)
}

/// What is noted of a parent: its version, the oldest one that can read it, its length, and then since version 2 the
/// pool, the namespace and the image, before what is not needed here. `None` if it is something else.
fn read_parent(value: &[u8]) -> Option<NotedParent> {
    let mut rest = value;
    let [version, _] = taken::<2>(&mut rest)?;
    let length = usize::try_from(u32::from_le_bytes(taken(&mut rest)?)).ok()?;
    let (mut inner, _) = rest.split_at_checked(length)?;
    (version >= 2).then_some(())?;
    Some(NotedParent {
        pool_id: i64::from_le_bytes(taken(&mut inner)?),
        pool_namespace: taken_string(&mut inner)?,
        image_id: taken_string(&mut inner)?,
    })
}

pub(super) fn taken<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

fn taken_string(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(u32::from_le_bytes(taken(rest)?)).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}
