//! The demo's cloud: the one place that knows how `cuttle` is called.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::clock;
use crate::project::{self, Outcome, doing, failed};

/// `cuttle up` says `ready` in a second; a machine that is busy building may take longer.
const READY_SECONDS: f64 = 60.0;
/// How much of the log is shown when a start fails.
const LOG_LINES_SHOWN: usize = 20;

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

    /// `cuttle SUBCOMMAND --data-dir DIR`, as root.
    fn command(&self, subcommand: &str) -> Command {
        let mut command = project::as_root(&self.program);
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
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n    ");
        format!("{how}; the end of {}:\n    {end}", self.log().display())
    }

    /// Whether there is a server of that name.
    pub fn has_server(&self, name: &str) -> bool {
        self.status(name).is_ok()
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
        project::output(self.command("console").args(["--lines", "30"]).arg(name))
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
