//! A cloud's directory: its lock, its id, its secrets, and where everything in it is.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// A cloud's directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
    identity: Identity,
}

/// What is chosen once for a cloud, in `cloud.json`, mode 0600.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Six hexadecimal digits that start the name of everything the cloud makes on the host.
    pub id: String,
    /// The password of user `admin`.
    pub admin_password: String,
    /// The password of user `demo`.
    pub demo_password: String,
    /// Whether the cloud is simulated. A directory is either or.
    pub simulated: bool,
}

/// Held while a cloud runs, so that two never share a directory.
pub struct Lock(#[allow(dead_code, reason = "dropping it unlocks")] Flock<File>);

impl DataDir {
    /// The directory of a cloud that exists.
    pub fn open(root: &Path) -> anyhow::Result<DataDir> {
        let root = root.canonicalize().with_context(|| no_cloud(root))?;
        let path = root.join("cloud.json");
        let text = std::fs::read_to_string(&path).with_context(|| no_cloud(&root))?;
        let identity =
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        Ok(DataDir { root, identity })
    }

    /// The directory of a cloud, made with new secrets if there is none.
    pub fn open_or_create(root: &Path, simulated: bool) -> anyhow::Result<DataDir> {
        let create = || std::fs::DirBuilder::new().recursive(true).mode(0o711).create(root);
        create().with_context(|| format!("cannot create the data directory {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
        if !root.join("cloud.json").exists() {
            let identity =
                Identity { id: hex(3), admin_password: hex(16), demo_password: hex(16), simulated };
            write_private(&root.join("cloud.json"), &serde_json::to_vec_pretty(&identity)?)?;
        }
        let dir = DataDir::open(&root)?;
        if dir.identity.simulated != simulated {
            let (is, asked) = if simulated { ("real", "simulated") } else { ("simulated", "real") };
            bail!(
                "{} holds a {is} cloud, and a {asked} one was asked for: use another --data-dir, or `cuttle down --purge`",
                root.display()
            );
        }
        for sub in [dir.run(), dir.agent(), dir.logs()] {
            std::fs::create_dir_all(&sub).with_context(|| format!("cannot create {}", sub.display()))?;
        }
        Ok(dir)
    }

    /// Takes the directory for this process.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        lock(&self.root.join("lock"))?.with_context(|| {
            format!(
                "another `cuttle up` runs on {}: end it first, or use another --data-dir",
                self.root.display()
            )
        })
    }

    /// Makes this process the agent of the directory.
    pub fn lock_agent(&self) -> anyhow::Result<Lock> {
        lock(&self.agent().join("lock"))?
            .with_context(|| format!("another `cuttle agent` runs on {}", self.root.display()))
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What was chosen once.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("cuttle.db")
    }

    /// The keys that credentials are encrypted with, one a line, the one that writes first. They are not in the database,
    /// so that a copy of it tells no secret.
    pub fn credential_keys(&self) -> anyhow::Result<identity::CredentialKeys> {
        let path = self.root.join("credential.keys");
        if !path.exists() {
            write_private(&path, format!("{}\n", identity::CredentialKeys::fresh_key()).as_bytes())?;
        }
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let keys = identity::CredentialKeys::parse(&text);
        keys.map_err(|problem| anyhow::anyhow!("{} cannot be used: {problem}", path.display()))
    }

    /// Sockets and pid files, on a short path: a socket's has at most 107 bytes.
    pub fn run(&self) -> PathBuf {
        let base = if nix::unistd::geteuid().is_root() {
            PathBuf::from("/run/cuttle")
        } else {
            std::env::temp_dir()
        };
        base.join(format!("cuttle-{}", self.identity.id))
    }

    /// Where agents dial in.
    pub fn control_socket(&self) -> PathBuf {
        self.run().join("control.sock")
    }

    /// What the agent keeps: documents and the state of VMs.
    pub fn agent(&self) -> PathBuf {
        self.root.join("agent")
    }

    /// Logs of the agent and consoles of VMs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    /// What clients read to find the cloud.
    pub fn clouds_yaml(&self) -> PathBuf {
        self.root.join("clouds.yaml")
    }

    /// The address the API listens on, written once it is known.
    pub fn endpoint_file(&self) -> PathBuf {
        self.root.join("endpoint")
    }

    /// The API's address, `http://127.0.0.1:5000`.
    pub fn endpoint(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(self.endpoint_file());
        let text = text
            .with_context(|| format!("the cloud in {} was never up: run `cuttle up`", self.root.display()))?;
        Ok(text.trim().to_owned())
    }
}

/// Locks a file; `None` if another process has.
fn lock(path: &Path) -> anyhow::Result<Option<Lock>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(Lock))
}

fn no_cloud(root: &Path) -> String {
    format!(
        "there is no cloud in {}: run `cuttle up --data-dir {}` first, or name another directory",
        root.display(),
        root.display()
    )
}

/// Makes what this process and its children create unreadable for others: the database holds the keys of tokens and the
/// hashes of passwords, consoles and disks are their owners'.
pub fn keep_to_ourselves() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        // Two processes may write the same file at once.
        let temporary = path.with_extension(format!("tmp{}", std::process::id()));
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    runtime::fill_random(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}
