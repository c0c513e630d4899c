//! A control group (version 2) per VM, where we may make one: all threads and children of a VM can then be
//! counted and killed together. Where we may not, its session has to do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use types::ServerId;

use crate::Result;
use crate::error::Doing;

/// How the processes of a VM are kept together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Containment {
    /// A control group each, below this one.
    Cgroup(PathBuf),
    /// A session each; the text says why.
    Session(String),
}

impl Containment {
    /// Tries to make the group `name` below our own. No controllers are switched on, so our own processes
    /// may stay beside it.
    pub fn detect(name: Option<&str>) -> Containment {
        let Some(name) = name else {
            return Containment::Session("no control group was asked for".to_owned());
        };
        let own = match own_cgroup() {
            Some(own) => own,
            None => return Containment::Session("no cgroup2 file system is mounted".to_owned()),
        };
        let base = own.join(name);
        match fs::create_dir(&base) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                Containment::Session(format!("{} is not delegated to us: {e}", own.display()))
            }
            _ => Containment::Cgroup(base),
        }
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Containment::Cgroup(base) => format!("a control group per VM below {}", base.display()),
            Containment::Session(why) => format!("a session per VM ({why})"),
        }
    }

    /// Makes the group of a VM.
    pub fn create(&self, server: ServerId) -> Result<Option<PathBuf>> {
        let Containment::Cgroup(base) = self else { return Ok(None) };
        let group = base.join(format!("vm-{server}"));
        match fs::create_dir(&group) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                Err(e).doing(|| format!("make the control group {}", group.display()))
            }
            _ => Ok(Some(group)),
        }
    }
}

/// Removes the group of a VM that has ended.
pub fn remove(group: &Path) {
    if let Err(e) = fs::remove_dir(group)
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(group = %group.display(), error = %e, "the control group stays");
    }
}

fn own_cgroup() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next() == Some("cgroup2")).then(|| before.split(' ').nth(4))?
    })?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(Path::new(mount).join(path.trim_start_matches('/')))
}
