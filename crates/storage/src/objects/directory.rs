//! Objects as files in a directory, which may be a network file system.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Objects;
use crate::Result;
use crate::error::Doing;

/// Keeps each object as a file.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Objects below this directory, which is made if there is none.
    pub fn open(root: &Path) -> Result<Directory> {
        make_dir(root)?;
        Ok(Directory { root: root.to_owned() })
    }
}

impl Objects for Directory {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        make_dir(folder)?;
        let scratch = folder.join(format!(".{:016x}", runtime::random_u64()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&scratch)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&scratch, &path))
            .and_then(|()| fs::File::open(folder)?.sync_all());
        if written.is_err() {
            // The first error is the one to be told.
            let _ = fs::remove_file(&scratch);
        }
        written.doing(|| format!("write {}", path.display()))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).doing(|| format!("read {}", path.display())),
        }
    }

    /// What a crash left half-written is an object too, so that it goes with its folder.
    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.root.join(folder);
        let entries = match fs::read_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
        };
        let entries = entries.doing(|| format!("list {}", path.display()))?;
        let mut names: Vec<String> =
            entries.iter().map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect();
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(e).doing(|| format!("remove {}", path.display()));
            }
            _ => {}
        }
        // The last object takes its folder along; a folder that still has others stays.
        if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

fn make_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .doing(|| format!("make the directory {}", path.display()))
}
