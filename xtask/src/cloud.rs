//! The demo's cloud: the one place that knows how `cuttle` is called.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::clock;
use crate::project::{self, Outcome, doing, failed};

/// `cuttle up` says `ready` in a second; a machine that is busy building may take longer.
const READY_SECONDS: f64 = 60.0;
/// How much of a log or a console is shown when something fails.
const LOG_LINES_SHOWN: usize = 25;

/// A cloud in a data folder, and the program that runs it.
pub struct Cloud {
    program: PathBuf,
    folder: PathBuf,
}

/// A family of addresses to reach a server over.
#[derive(Clone, Copy)]
pub enum Family {
    V4,
    V6,
}

impl Cloud {
    /// The demo's cloud.
    pub fn demo() -> Cloud {
        Cloud { program: project::target().join("debug/cuttle"), folder: project::cache().join("demo") }
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The `clouds.yaml` that the cloud wrote.
    pub fn clouds_yaml(&self) -> PathBuf {
        self.folder.join("clouds.yaml")
    }

    /// The log of `cuttle up`.
    pub fn log(&self) -> PathBuf {
        self.folder.join("up.log")
    }

    /// Whether the data folder has been used before.
    pub fn exists(&self) -> bool {
        self.clouds_yaml().exists()
    }

    /// `cuttle SUBCOMMAND --data-dir DIR`, as root and with the guest image named.
    fn command(&self, subcommand: &str) -> Command {
        let image = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from);
        let variables: Vec<_> = image.iter().map(|path| ("CUTTLE_GUEST_IMAGE", path.as_path())).collect();
        let mut command = project::as_root(&self.program, &variables);
        command.arg(subcommand).arg("--data-dir").arg(&self.folder);
        command
    }

    /// Whether `cuttle up` runs and answers.
    pub fn is_up(&self) -> bool {
        let asked = self.command("status").stdin(Stdio::null()).output();
        asked.is_ok_and(|o| o.status.success())
    }

    /// Starts `cuttle up` as a session of its own, which outlives this program; returns its `ready` line.
    pub fn up(&self) -> Outcome<String> {
        doing(format!("cannot make {}", self.folder.display()), fs::create_dir_all(&self.folder))?;
        let said = self.folder.join("up.out");
        let create = |path: &Path| doing(format!("cannot write {}", path.display()), File::create(path));
        let (stdout, stderr) = (create(&said)?, create(&self.log())?);
        let mut command = self.command("up");
        // A process group of its own: Ctrl-C at the demo does not end the cloud.
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        let mut child = doing(format!("cannot start {}", project::line(&command)), command.spawn())?;
        let mut ended = None;
        let ready = clock::poll(READY_SECONDS, || {
            let text = fs::read_to_string(&said).unwrap_or_default();
            if let Some(line) = text.lines().find(|l| l.starts_with("ready ")) {
                return Some(Some(line.to_string()));
            }
            ended = child.try_wait().ok().flatten();
            ended.map(|_| None)
        });
        match ready.flatten() {
            Some(line) => Ok(line),
            None => Err(failed(self.why_not_ready(ended))),
        }
    }

    fn why_not_ready(&self, ended: Option<std::process::ExitStatus>) -> String {
        let how = match ended {
            Some(status) => format!("`cuttle up` ended with {status}"),
            None => format!("`cuttle up` was not ready after {READY_SECONDS} s"),
        };
        format!("{how}; the end of {}:\n{}", self.log().display(), self.log_end())
    }

    /// The last lines of the log of `cuttle up`.
    pub fn log_end(&self) -> String {
        last_lines(&fs::read_to_string(self.log()).unwrap_or_default())
    }

    /// What Cuttle tells of a server: state, addresses, timeline.
    pub fn status(&self, name: &str) -> Outcome<String> {
        project::output(self.command("status").arg(name))
    }

    /// Makes a server and waits until ssh answers; what it says meanwhile goes to the terminal.
    pub fn launch(&self, name: &str) -> Outcome {
        project::run(self.command("launch").arg(name).args(["--wait", "ssh"]))
    }

    /// Runs a command in a server by ssh over one family of addresses; returns what it wrote.
    pub fn ssh(&self, name: &str, family: Family, command: &[&str]) -> Outcome<String> {
        let flag = match family {
            Family::V4 => "-4",
            Family::V6 => "-6",
        };
        project::output(self.command("ssh").arg(flag).arg(name).arg("--").args(command))
    }

    /// The last lines on a server's console.
    pub fn console(&self, name: &str) -> Outcome<String> {
        project::output(self.command("console").args(["--log", name])).map(|text| last_lines(&text))
    }

    /// The `openstack` command on this cloud, as one would type it.
    pub fn openstack_line(&self) -> String {
        project::line(&self.openstack_by(Path::new("env")))
    }

    /// Runs the `openstack` command on this cloud; returns what it wrote.
    pub fn openstack(&self, arguments: &[&str]) -> Outcome<String> {
        project::output(self.openstack_by(Path::new("/usr/bin/env")).args(arguments))
    }

    fn openstack_by(&self, env: &Path) -> Command {
        let client = std::env::var_os("CUTTLE_OPENSTACK").map(PathBuf::from);
        let client = client.unwrap_or_else(|| project::cache().join("openstack/bin/openstack"));
        // The file holds passwords and is root's.
        let mut command = project::as_root(env, &[]);
        command.arg(format!("OS_CLIENT_CONFIG_FILE={}", self.clouds_yaml().display())).arg(client);
        command.args(["--os-cloud", "cuttle"]);
        command
    }

    /// Stops servers and cloud; with `purge` deletes the data too.
    pub fn down(&self, purge: bool) -> Outcome {
        let mut command = self.command("down");
        if purge {
            command.arg("--purge");
        }
        project::run(&mut command)
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].iter().map(|line| format!("    {line}\n")).collect()
}
