//! Network namespaces, kept alive by a bind mount under `/run/netns` just as iproute2 keeps them, so that
//! `ip netns exec NAME …` works on ours.
//!
//! A thread enters a namespace and ends there; nobody has to find the way back, and a closure that panics cannot
//! leave a thread of the caller in the wrong namespace. Sockets opened inside keep the namespace they were opened in.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::cloud::Cloud;
use crate::error::{Doing, Error, Result};

const FOLDER: &str = "/run/netns";

/// An open network namespace. It lives at least as long as this value, even when its name is removed.
#[derive(Debug)]
pub struct Netns {
    name: String,
    fd: OwnedFd,
}

impl Netns {
    /// Opens the namespace of this name, if there is one.
    pub fn open(name: &str) -> Result<Option<Netns>> {
        let path = path_of(name)?;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing(|| format!("open namespace {name}")),
        };
        // A file without a namespace on it is what a crash leaves between creating the file and mounting.
        match nix::sys::statfs::fstatfs(&file).map(|s| s.filesystem_type().0) {
            Ok(NSFS_MAGIC) => Ok(Some(Netns { name: name.to_owned(), fd: file.into() })),
            Ok(_) => Ok(None),
            Err(errno) => Err(errno).doing(|| format!("inspect namespace {name}")),
        }
    }

    /// Opens the namespace of this name, making it, with its loopback device up, if there is none.
    pub fn ensure(name: &str) -> Result<Netns> {
        Netns::ensure_new(name).map(|(netns, _)| netns)
    }

    /// The same, and whether it was made just now and so is known to be empty.
    pub(crate) fn ensure_new(name: &str) -> Result<(Netns, bool)> {
        if let Some(netns) = Netns::open(name)? {
            return Ok((netns, false));
        }
        create(name)?;
        let netns = Netns::open(name)?
            .ok_or_else(|| Error::unfit(format!("create namespace {name}"), "it is gone already"))?;
        crate::netlink::Route::open(&netns)?.set_up("lo")?;
        Ok((netns, true))
    }

    /// Its name under `/run/netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `body` on a thread of its own inside the namespace and waits for its answer. Files under
    /// `/proc/sys/net` and processes started there belong to this namespace.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> Result<T> {
        let entering = || format!("enter namespace {}", self.name);
        std::thread::scope(|scope| {
            let inside = std::thread::Builder::new()
                .name("netns".into())
                .spawn_scoped(scope, || setns(self.fd.as_fd(), CloneFlags::CLONE_NEWNET).map(|()| body()));
            match inside.doing(entering)?.join() {
                Ok(done) => done.doing(entering),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Netns {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Removes the namespace's name. Its devices go with it once no process and no socket holds it any more.
pub fn remove_namespace(name: &str) -> Result<()> {
    let path = path_of(name)?;
    match umount2(&path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
        Err(errno) => return Err(errno).doing(|| format!("unmount namespace {name}")),
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).doing(|| format!("remove namespace {name}"))
        }
        _ => Ok(()),
    }
}

/// The names of all namespaces of a cloud on this host, in order.
pub fn list_namespaces(cloud: Cloud) -> Result<Vec<String>> {
    let entries = match fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).doing(|| format!("list {FOLDER}")),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut owned: Vec<String> = names.filter(|name| cloud.owns(name)).collect();
    owned.sort();
    Ok(owned)
}

const NSFS_MAGIC: i64 = 0x6e73_6673;

fn path_of(name: &str) -> Result<PathBuf> {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain {
        return Err(Error::unfit(
            format!("name a namespace {name:?}"),
            "only letters, digits, - and _ may be in it",
        ));
    }
    Ok(Path::new(FOLDER).join(name))
}

fn create(name: &str) -> Result<()> {
    let act = || format!("create namespace {name}");
    prepare_folder()?;
    let path = path_of(name)?;
    File::options().create(true).truncate(false).write(true).open(&path).doing(act)?;
    let mounted = std::thread::scope(|scope| {
        let inside = std::thread::Builder::new().name("netns".into()).spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let none: Option<&str> = None;
            mount(Some("/proc/thread-self/ns/net"), &path, none, MsFlags::MS_BIND, none)
        })?;
        let done: nix::Result<()> = inside.join().unwrap_or(Err(nix::Error::EIO));
        done.map_err(io::Error::from)
    });
    if mounted.is_err() {
        // The error that matters is the mount's; an empty file left behind is taken over by the next try.
        let _ = fs::remove_file(&path);
    }
    mounted.doing(act)
}

/// Makes `/run/netns` a shared mount, as iproute2 does: a namespace removed here is then removed in every mount
/// namespace that was copied from ours, and not kept alive by them.
fn prepare_folder() -> Result<()> {
    let act = || format!("prepare {FOLDER}");
    let none: Option<&str> = None;
    fs::create_dir_all(FOLDER).doing(act)?;
    let share = || mount(none, FOLDER, none, MsFlags::MS_SHARED | MsFlags::MS_REC, none);
    match share() {
        Err(nix::Error::EINVAL) => {
            mount(Some(FOLDER), FOLDER, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).doing(act)?;
            share().doing(act)
        }
        other => other.doing(act),
    }
}
