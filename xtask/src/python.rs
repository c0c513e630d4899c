//! Python programs of others, pinned, each in an environment of its own in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{self, Outcome, doing};

/// The Python of the environment of this name, which has what a list below `xtask` says; made now if there is none or an
/// older one.
pub fn python(name: &str, requirements: &str) -> Outcome<PathBuf> {
    let wanted = project::root().join("xtask").join(requirements);
    let home = project::cache().join(name);
    let (python, made_from) = (home.join("bin/python"), home.join("made-from"));
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    if text(&made_from) == text(&wanted) {
        return Ok(python);
    }
    println!("installing {name} into {}", home.display());
    let _ = fs::remove_dir_all(&home);
    project::run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "-r"])
        .arg(&wanted);
    project::run(&mut install)?;
    doing("cannot note what it was made from", fs::copy(&wanted, made_from))?;
    Ok(python)
}
