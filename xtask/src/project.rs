//! Where things are, and how commands are run.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a task did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// What was being done, and why it failed.
    Failed(String),
}

impl Failure {
    /// The exit code that tells a script which it was.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Failed(text) => f.write_str(text),
        }
    }
}

/// What every task returns.
pub type Outcome<T = ()> = Result<T, Failure>;

/// A failure with a sentence that says what was being done.
pub fn failed(what: impl fmt::Display) -> Failure {
    Failure::Failed(what.to_string())
}

/// Says what was being done when an I/O error came.
pub fn doing<T>(what: impl fmt::Display, result: io::Result<T>) -> Outcome<T> {
    result.map_err(|e| failed(format!("{what}: {e}")))
}

/// The project's root folder.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The folder outside the project where `./x` keeps what it made.
pub fn cache() -> PathBuf {
    if let Some(given) = std::env::var_os("CUTTLE_CACHE") {
        return given.into();
    }
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    base.unwrap_or_else(home).join("cuttle")
}

/// The folder that Cargo builds into: the one this program was built into.
pub fn target() -> PathBuf {
    let own = std::env::current_exe().ok();
    let folder = own.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_path_buf);
    folder.unwrap_or_else(|| root().join("target"))
}

/// A Cargo command in the project's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Whether this process is root.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|line| line.split_whitespace().nth(1)) == Some("0")
}

/// A command that runs as root, with these variables: itself for root, by sudo for others.
pub fn as_root(program: &Path, variables: &[(&str, &Path)]) -> Command {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        return command;
    }
    // Named to `env`, because sudo may be told to keep no variables.
    let mut command = Command::new("sudo");
    command.arg("env");
    for (name, value) in variables {
        command.arg(format!("{name}={}", value.display()));
    }
    command.arg(program);
    command
}

/// Runs a command to its end; a failure names it.
pub fn run(command: &mut Command) -> Outcome {
    let status = doing(format!("cannot start {}", line(command)), command.status())?;
    if status.success() { Ok(()) } else { Err(failed(format!("{} ended with {status}", line(command)))) }
}

/// Runs a command and returns what it wrote on its standard output; a failure shows its standard error.
pub fn output(command: &mut Command) -> Outcome<String> {
    let done = command.stdin(Stdio::null()).output();
    let done = doing(format!("cannot start {}", line(command)), done)?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(failed(format!("{} ended with {}: {}", line(command), done.status, said.trim())))
}

/// Whether a program can be found and asked for its version.
pub fn has(program: &str, version_flag: &str) -> bool {
    let asked = Command::new(program).arg(version_flag).stdin(Stdio::null()).output();
    asked.is_ok_and(|o| o.status.success())
}

/// The command as one would type it.
pub fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}
