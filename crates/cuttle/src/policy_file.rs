//! The operator's policy file: found, read, and read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use policy::{Overrides, Policy};

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::services;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// When a file was written, and how long it is.
type Stamp = Option<(SystemTime, u64)>;

/// The file and what it puts in force.
pub struct PolicyFile {
    path: PathBuf,
    policy: Policy,
    seen: Mutex<Stamp>,
}

impl PolicyFile {
    /// Reads the file that the configuration names, or `policy.yaml` in the data folder, which need not be there. Whatever
    /// is wrong with it is said with its lines.
    pub fn open(config: &Config, dir: &DataDir) -> anyhow::Result<PolicyFile> {
        let path = path(config, dir.root());
        let seen = stamp(&path);
        let overrides = match (&config.policy_file, seen) {
            (None, None) => Overrides::default(),
            _ => read(&path)?,
        };
        Ok(PolicyFile { path, policy: Policy::new(overrides), seen: Mutex::new(seen) })
    }

    /// What is in force; it follows the file.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it again. A file that is not sound changes nothing.
    pub fn reload(&self) {
        if let Ok(mut seen) = self.seen.lock() {
            *seen = stamp(&self.path);
        }
        match read(&self.path) {
            Ok(overrides) => {
                self.policy.state(overrides);
                tracing::info!(target: "policy", "the rules of {} are in force", self.path.display());
            }
            Err(error) => tracing::error!(target: "policy", "the rules stay as they were: {error:#}"),
        }
    }

    /// Reads it again if it was written since.
    pub fn look(&self) {
        let now = stamp(&self.path);
        let changed = self.seen.lock().is_ok_and(|seen| *seen != now);
        if changed {
            self.reload();
        }
    }

    /// Looks now and then, for ever.
    pub fn watch(&self) {
        loop {
            runtime::sleep_blocking(LOOK);
            self.look();
        }
    }
}

/// Which file it is.
fn path(config: &Config, data_dir: &Path) -> PathBuf {
    config.policy_file.clone().unwrap_or_else(|| data_dir.join("policy.yaml"))
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> anyhow::Result<Overrides> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read the policy {}: set policy_file to one that is there", path.display())
    })?;
    let tables: Vec<&policy::Rules> = services::rules().into_iter().map(|(_, rules)| rules).collect();
    match Overrides::read(&text, &tables) {
        Ok(overrides) => Ok(overrides),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(|p| format!("{}:{p}", path.display())).collect();
            bail!("the policy is not usable; correct these lines or take them out:\n  {}", lines.join("\n  "))
        }
    }
}

#[cfg(test)]
mod tests {
    //! A file that comes, changes and breaks.

    use policy::{Caller, Target};

    use super::PolicyFile;
    use crate::config::Config;
    use crate::data_dir::DataDir;

    #[test]
    fn a_broken_file_keeps_the_rules_that_were() {
        let folder = std::env::temp_dir().join(format!("cuttle-policy-{}", runtime::new_uuid()));
        let dir = DataDir::open_or_create(&folder, true).unwrap();
        let file = PolicyFile::open(&Config::default(), &dir).unwrap();
        let reader =
            Caller { roles: vec!["reader".to_owned()], policy: file.policy().clone(), ..Caller::cloud() };
        let may = || identity::RULES.allows("identity:create_domain", &reader, &Target::default());
        assert!(!may());
        std::fs::write(file.path(), "identity:create_domain: role:reader\n").unwrap();
        file.look();
        assert!(may());
        std::fs::write(file.path(), "identity:create_domain: role:reader and\n").unwrap();
        file.look();
        assert!(may(), "a broken file changes nothing");
        std::fs::write(file.path(), "identity:create_domain: '!'\n").unwrap();
        file.look();
        assert!(!may());
        std::fs::remove_file(file.path()).unwrap();
        file.look();
        assert!(!may(), "nor does one that is gone");
        std::fs::write(file.path(), "x: y\n").unwrap();
        let error = PolicyFile::open(&Config::default(), &dir).err().unwrap().to_string();
        assert!(error.contains("policy.yaml:line 1: x:"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
