//! House rules that a machine can check. `STYLE.md` says why each is there; a rule that errs is changed here.

mod manifests;
mod migrations;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::project::{self, Failure, Outcome, doing, failed};

/// A rule that was broken, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    file: PathBuf,
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    rule: String,
}

impl Violation {
    fn new(file: &Path, line: usize, rule: impl Into<String>) -> Violation {
        Violation { file: file.to_path_buf(), line, rule: rule.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.rule),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.rule),
        }
    }
}

/// A file of the project, by its path from the root.
struct Source {
    path: PathBuf,
    text: String,
}

/// Checks all rules; with `--accept-migrations` records the migrations that are new.
pub fn run(arguments: &[String]) -> Outcome {
    let accept = match arguments {
        [] => false,
        [flag] if flag == "--accept-migrations" => true,
        _ => return Err(Failure::Usage("tidy takes --accept-migrations or nothing".into())),
    };
    let root = project::root();
    let sources = read_all(&root)?;
    if accept {
        return migrations::accept(&root, &sources);
    }
    let mut violations = manifests::check(&sources)?;
    violations.extend(sources::check(&sources));
    violations.extend(migrations::check(&root, &sources)?);
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        count => Err(failed(format!("{count} house rules are broken"))),
    }
}

/// What is wrong with these files, for whoever writes files.
#[cfg(test)]
pub(crate) fn violations_of(files: Vec<(PathBuf, String)>) -> Vec<String> {
    let sources: Vec<Source> = files.into_iter().map(|(path, text)| Source { path, text }).collect();
    sources::check(&sources).iter().map(Violation::to_string).collect()
}

/// All text files that rules look at, in the order of their paths.
fn read_all(root: &Path) -> Outcome<Vec<Source>> {
    let mut paths = Vec::new();
    for folder in ["crates", "xtask"] {
        walk(&root.join(folder), &mut paths)?;
    }
    paths.extend(["Cargo.toml", "Cargo.lock"].map(|name| root.join(name)));
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let text = doing(format!("cannot read {}", path.display()), fs::read_to_string(&path))?;
        let path = path.strip_prefix(root).map(Path::to_path_buf).unwrap_or(path);
        sources.push(Source { path, text });
    }
    Ok(sources)
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> Outcome {
    let what = format!("cannot list {}", folder.display());
    for entry in doing(&what, fs::read_dir(folder))? {
        let path = doing(&what, entry)?.path();
        if path.is_dir() {
            walk(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "rs" || e == "sql" || e == "toml") {
            into.push(path);
        }
    }
    Ok(())
}
