//! A cloud of a test: a data directory and the processes of `cuttle`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

/// A guest that boots without hardware acceleration beside other tests takes its time.
const PATIENCE: Duration = Duration::from_secs(180);

static CLOUDS: AtomicU32 = AtomicU32::new(0);

/// A folder that goes when the test does.
pub struct Folder(pub PathBuf);

/// A running cloud. It is taken down, data and all, when the test ends, however it ends.
pub struct Cloud {
    folder: Folder,
    up: Option<Child>,
    variables: BTreeMap<String, String>,
    /// Where its API answers.
    pub endpoint: String,
}

impl Folder {
    /// A new one.
    pub fn new(name: &str) -> Folder {
        let number = CLOUDS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("cuttle-test-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `cuttle` with nothing of the developer's environment that would change what it does.
pub fn cuttle() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuttle"));
    command.env_remove("CUTTLE_DATA_DIR").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Both outputs of a program as text.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Cloud {
    /// Starts a simulated cloud without images.
    pub fn simulated() -> Cloud {
        let mut cloud = Cloud {
            folder: Folder::new("sim"),
            up: None,
            endpoint: String::new(),
            variables: BTreeMap::new(),
        };
        cloud.up(&["--sim"], None);
        cloud
    }

    /// Starts a simulated cloud with this configuration.
    pub fn configured(toml: &str) -> Cloud {
        Cloud::with_files(&[], toml)
    }

    /// The same with files beside the configuration, in which `{}` stands for their folder.
    pub fn with_files(files: &[(&str, &str)], toml: &str) -> Cloud {
        let mut cloud = Cloud {
            folder: Folder::new("sim"),
            up: None,
            endpoint: String::new(),
            variables: BTreeMap::new(),
        };
        for (name, text) in files {
            cloud.folder.write(name, text.as_bytes());
        }
        let toml = toml.replace("{}", cloud.folder.0.to_str().unwrap());
        let path = cloud.folder.write("cuttle.toml", toml.as_bytes());
        cloud.up(&["--sim", "--config", &path], None);
        cloud
    }

    /// Starts a real cloud with the guest image.
    pub fn real(guest_image: &Path) -> Cloud {
        let mut cloud = Cloud {
            folder: Folder::new("real"),
            up: None,
            endpoint: String::new(),
            variables: BTreeMap::new(),
        };
        cloud.up(&[], Some(guest_image));
        cloud
    }

    /// Starts a real cloud with the guest image, this configuration, and these variables for all its processes.
    pub fn real_on(guest_image: &Path, toml: &str, variables: BTreeMap<String, String>) -> Cloud {
        let mut cloud = Cloud { folder: Folder::new("real"), up: None, endpoint: String::new(), variables };
        let path = cloud.folder.write("cuttle.toml", toml.as_bytes());
        cloud.up(&["--config", &path], Some(guest_image));
        cloud
    }

    fn up(&mut self, flags: &[&str], guest_image: Option<&Path>) {
        let log = std::fs::File::create(self.folder.0.join("up.log")).unwrap();
        let mut command = self.command("up");
        command.envs(&self.variables);
        command.args(["--listen", "127.0.0.1:0"]).args(flags).stdout(Stdio::piped()).stderr(log);
        match guest_image {
            Some(image) => command.env("CUTTLE_GUEST_IMAGE", image),
            None => command.env_remove("CUTTLE_GUEST_IMAGE"),
        };
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.up = Some(child);
        let endpoint = line.trim().strip_prefix("ready ");
        self.endpoint = endpoint.unwrap_or_else(|| panic!("not ready: {}", self.log())).to_owned();
    }

    /// Sends `cuttle up` a signal.
    pub fn signal(&self, signal: Signal) {
        let up = self.up.as_ref().map(|up| Pid::from_raw(up.id().cast_signed())).unwrap();
        kill(up, signal).unwrap();
    }

    /// What `cuttle up` logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.0.join("up.log")).unwrap_or_default()
    }

    /// What Prometheus reads, once it tells this much.
    pub fn metrics(&self, wanted: &str) -> String {
        wait_for(|| {
            let mut answer = ureq::get(format!("{}/metrics", self.endpoint)).call().unwrap();
            let text = answer.body_mut().read_to_string().unwrap();
            if text.contains(wanted) { Ok(text) } else { Err(text) }
        })
    }

    /// The data directory.
    pub fn dir(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    /// The folder for a test's own files.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The cloud's six digits.
    pub fn id(&self) -> String {
        let json: Json =
            serde_json::from_slice(&std::fs::read(self.dir().join("cloud.json")).unwrap()).unwrap();
        json["id"].as_str().unwrap().to_owned()
    }

    /// Runs a Python script that may use the client's libraries, with the cloud's `clouds.yaml`.
    pub fn python(&self, openstack: &Path, script: &str) -> Output {
        let mut command = Command::new(openstack.with_file_name("python"));
        command.args(["-c", script]).env("OS_CLIENT_CONFIG_FILE", self.dir().join("clouds.yaml"));
        command.output().unwrap()
    }

    /// `cuttle SUBCOMMAND --data-dir DIR`.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = cuttle();
        command.arg(subcommand).arg("--data-dir").arg(self.dir());
        command
    }

    /// Runs one of the everyday verbs.
    pub fn ask(&self, subcommand: &str, arguments: &[&str]) -> Output {
        self.command(subcommand).args(arguments).output().unwrap()
    }

    /// Runs one of the everyday verbs, which must succeed; returns what it printed.
    pub fn run(&self, subcommand: &str, arguments: &[&str]) -> String {
        let output = self.ask(subcommand, arguments);
        assert!(
            output.status.success(),
            "cuttle {subcommand} {arguments:?}: {}\n{}",
            output.status,
            said(&output)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Everything there is, to be compared with what there is later: rows of each table, files of each kind.
    pub fn inventory(&self) -> BTreeMap<String, Vec<String>> {
        let mut all = rows(&self.dir().join("cuttle.db"));
        for kind in ["images", "volumes", "agent"] {
            let entries = std::fs::read_dir(self.dir().join(kind)).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            all.insert(format!("files in {kind}"), names);
        }
        all.insert("namespaces".to_owned(), self.namespaces());
        all
    }

    /// The cloud's network namespaces.
    pub fn namespaces(&self) -> Vec<String> {
        let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let id = self.id();
        let mut own: Vec<String> = names.filter(|name| name.contains(&id)).collect();
        own.sort();
        own
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let calm = |line: &&str| !line.contains(" INFO ");
            let worries: Vec<&str> = log.lines().filter(calm).collect();
            println!("what `cuttle up` warned of:\n{}", worries.join("\n"));
        }
        let _ = self.command("down").arg("--purge").output();
        if let Some(mut up) = self.up.take() {
            let _ = up.kill();
            let _ = up.wait();
        }
    }
}

/// The keys of all rows of all tables, read beside the running cloud.
fn rows(database: &Path) -> BTreeMap<String, Vec<String>> {
    const SCRIPT: &str = r#"
import json, sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
tables = {}
for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
    keys = ", ".join(column[1] for column in db.execute(f"PRAGMA table_info({name})") if column[5])
    tables[name] = sorted(" ".join(map(str, row)) for row in db.execute(f"SELECT {keys or 'rowid'} FROM {name}"))
print(json.dumps(tables))
"#;
    let output = Command::new("python3").args(["-c", SCRIPT]).arg(database).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let mut tables: BTreeMap<String, Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    // A sweep may be at work at any time.
    tables.remove("work");
    tables
}

/// Asks until the answer is good, and gives up with the last reason why it was not.
pub fn wait_for<T>(ask: impl FnMut() -> Result<T, String>) -> T {
    wait_long_for(PATIENCE, ask)
}

/// The same for what takes its time.
pub fn wait_long_for<T>(patience: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = runtime::monotonic();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(began.elapsed() < patience, "it did not come about: {why}"),
        }
        runtime::sleep_blocking(Duration::from_millis(200));
    }
}
