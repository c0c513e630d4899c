//! Programs of packages that `./x` has unpacked into the cache folder without installing them, or that are installed: an
//! installed service would start itself and stay.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{self, Outcome, failed};

/// Where they are, and what they need to run from there.
#[derive(Clone)]
pub struct Packages {
    root: PathBuf,
}

impl Packages {
    /// Those unpacked into this folder of the cache, or installed; that all of these files are there shows it.
    pub fn find(folder: &str, files: &[&str], task: &str) -> Outcome<Packages> {
        let roots = [project::cache().join(folder), PathBuf::from("/")];
        let lacks = |root: &Path| files.iter().find(|file| !root.join(file).exists());
        let absent = || {
            let first = lacks(Path::new("/")).unwrap_or(&"");
            failed(format!("there is no {first}; {task} brings it where the package sources have it"))
        };
        roots
            .iter()
            .find(|root| lacks(root).is_none())
            .cloned()
            .map(|root| Packages { root })
            .ok_or_else(absent)
    }

    /// The folder that they believe to be `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where their libraries are.
    pub fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }

    /// The variables with which programs there find one another and their libraries.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        if self.root == Path::new("/") {
            return Vec::new();
        }
        let (root, libraries) = (self.root.display(), self.libraries());
        let libraries = libraries.display();
        let path = std::env::var("PATH").unwrap_or_default();
        vec![
            ("PATH", format!("{root}/usr/bin:{root}/usr/sbin:{path}")),
            ("LD_LIBRARY_PATH", format!("{libraries}:{libraries}/ceph:{root}/lib/x86_64-linux-gnu")),
        ]
    }

    /// A command of these.
    pub fn command(&self, name: &str) -> Command {
        self.prepared(&self.root.join("usr/bin").join(name))
    }

    /// The system's Python, which finds their modules.
    pub fn python(&self) -> Command {
        let mut command = self.prepared(Path::new("/usr/bin/python3"));
        // What somebody has installed for himself is none of theirs.
        command.env("PYTHONNOUSERSITE", "1");
        command
    }

    fn prepared(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.variables());
        for variable in ["PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH"] {
            command.env_remove(variable);
        }
        if self.root != Path::new("/") {
            command.env("PYTHONPATH", self.root.join("usr/lib/python3/dist-packages"));
        }
        command
    }
}
