//! The directory of a running VM: its sockets, and what must be known of it after a restart.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use types::ServerId;

use crate::error::Doing;
use crate::{Error, Result};

/// The kernel's limit for the path of a Unix socket.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// `ROOT/SERVER`.
#[derive(Debug, Clone)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// The directory of a VM, which may not be there.
    pub fn new(root: &Path, server: ServerId) -> RunDir {
        RunDir(root.join(server.to_string()))
    }

    /// Every VM below `root` that has a directory, in order.
    pub fn all(root: &Path) -> Result<Vec<ServerId>> {
        let names = fs::read_dir(root).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
        });
        let mut servers: Vec<ServerId> = match names {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names
                .doing(|| format!("list {}", root.display()))?
                .iter()
                .filter_map(|name| name.to_str()?.parse().ok())
                .collect(),
        };
        servers.sort();
        Ok(servers)
    }

    /// Makes it, empty and closed to others.
    pub fn create(&self) -> Result<()> {
        let longest = self.console_socket();
        let length = longest.as_os_str().len();
        if length > SOCKET_PATH_BYTES_MAX {
            let path = longest.display();
            return Err(Error::Spec(format!(
                "the path {path} has {length} bytes, a socket's may have {SOCKET_PATH_BYTES_MAX}; choose a shorter run directory"
            )));
        }
        self.remove()?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .doing(|| format!("make the directory {}", self.0.display()))
    }

    /// Removes it and what is in it.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.doing(|| format!("remove {}", self.0.display())),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// QMP.
    pub fn qmp_socket(&self) -> PathBuf {
        self.0.join("qmp.sock")
    }

    /// The serial console.
    pub fn console_socket(&self) -> PathBuf {
        self.0.join("console.sock")
    }

    /// The screen.
    pub fn vnc_socket(&self) -> PathBuf {
        self.0.join("vnc.sock")
    }

    /// The guest agent.
    pub fn agent_socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }

    /// What QEMU itself has to say.
    pub fn log(&self) -> PathBuf {
        self.0.join("qemu.log")
    }

    /// The process id, written by the new process before it becomes QEMU.
    pub fn pid_file(&self) -> PathBuf {
        self.0.join("pid")
    }

    /// Writes a record; a crash leaves the old or the new one.
    pub fn write<T: Serialize>(&self, name: &str, record: &T) -> Result<()> {
        let (path, scratch) = (self.0.join(name), self.0.join(format!(".{name}")));
        serde_json::to_vec(record)
            .map_err(io::Error::from)
            .and_then(|bytes| fs::write(&scratch, bytes))
            .and_then(|()| fs::rename(&scratch, &path))
            .doing(|| format!("write {}", path.display()))
    }

    /// Removes a record.
    pub fn forget(&self, name: &str) -> Result<()> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.doing(|| format!("remove {}", path.display())),
        }
    }

    /// Reads a record. One that cannot be understood counts as missing.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.0.join(name)).ok()?).ok()
    }
}
