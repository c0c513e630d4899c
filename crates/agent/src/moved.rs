//! Where volumes are that went to another backend while a VM had them.
//!
//! What is written here decides: from the moment of an exchange on, the volume is where its record says, whatever its
//! document says, and whatever becomes of this agent, of the VM, of its host and of the control plane. The record goes
//! once the document says the same. Both are on disk before anybody acts on them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use types::VolumeId;

/// How the name of what is not decided yet ends.
const READY: &str = "ready";

/// The records. Without a directory they are in memory alone, as all of a simulated host is.
#[derive(Debug, Default)]
pub struct Moved {
    dir: Option<PathBuf>,
    backends: BTreeMap<VolumeId, String>,
}

impl Moved {
    /// Reads what is in `dir`. One that cannot be read is an error: its volume could be opened at the wrong place.
    pub fn open(dir: &Path) -> io::Result<Moved> {
        fs::create_dir_all(dir)?;
        if let Some(parent) = dir.parent() {
            File::open(parent)?.sync_all()?;
        }
        let mut backends = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == READY) {
                fs::remove_file(&path)?;
                continue;
            }
            let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            let unknown = || io::Error::other(format!("{} is of no volume", path.display()));
            backends.insert(id.ok_or_else(unknown)?, fs::read_to_string(&path)?);
        }
        Ok(Moved { dir: Some(dir.to_owned()), backends })
    }

    /// The backend that has a volume, if that is decided here.
    pub fn backend(&self, volume: VolumeId) -> Option<&str> {
        self.backends.get(&volume).map(String::as_str)
    }

    /// Takes the room that a record needs, so that [`Moved::record`] is quick and finds some.
    pub fn prepare(&self, volume: VolumeId, backend: &str) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let mut file = File::create(ready(dir, volume))?;
        file.write_all(backend.as_bytes())?;
        file.sync_all()
    }

    /// Decides that a volume is on this backend. As long as it fails, both places must stay equal.
    pub fn record(&mut self, volume: VolumeId, backend: &str) -> io::Result<()> {
        if let Some(dir) = &self.dir {
            let ready = ready(dir, volume);
            if fs::read_to_string(&ready).ok().as_deref() != Some(backend) {
                self.prepare(volume, backend)?;
            }
            fs::rename(&ready, dir.join(volume.to_string()))?;
        }
        // The next one would read it, whether it is on disk for good yet or not.
        self.backends.insert(volume, backend.to_owned());
        self.dir.as_ref().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }

    /// Whoever else decides says the same, or the volume is gone.
    pub fn forget(&mut self, volume: VolumeId) -> io::Result<()> {
        if let Some(dir) = &self.dir {
            let mut is_changed = false;
            for path in [ready(dir, volume), dir.join(volume.to_string())] {
                match fs::remove_file(path) {
                    Ok(()) => is_changed = true,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            if is_changed {
                File::open(dir)?.sync_all()?;
            }
        }
        self.backends.remove(&volume);
        Ok(())
    }
}

fn ready(dir: &Path, volume: VolumeId) -> PathBuf {
    dir.join(format!("{volume}.{READY}"))
}
