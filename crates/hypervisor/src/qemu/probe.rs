//! Asks a QEMU what it can do.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Error, Result};

/// The oldest version that is supported: Debian 12's own.
const FLOOR: (u64, u64) = (7, 2);

/// What a QEMU can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Major, minor, micro.
    pub version: (u64, u64, u64),
    /// Whether it can give up system calls that it does not need.
    pub sandbox: bool,
}

impl Features {
    /// For people.
    pub fn describe(&self) -> String {
        let (major, minor, micro) = self.version;
        format!("QEMU {major}.{minor}.{micro}")
    }
}

/// What it is asked; then it is to end.
const COMMANDS: &str = concat!(
    r#"{"execute":"qmp_capabilities"}"#,
    "\n",
    r#"{"execute":"query-command-line-options","arguments":{"option":"sandbox"},"id":"sandbox"}"#,
    "\n",
    r#"{"execute":"quit"}"#,
    "\n"
);

/// Starts QEMU without a VM and asks. It finds all commands when it starts, so that it ends also if who asks is killed.
pub fn features(binary: &Path) -> Result<Features> {
    let failed = |error: io::Error| Error::Probe(error.to_string());
    let (commands, mut writer) = io::pipe().map_err(failed)?;
    writer.write_all(COMMANDS.as_bytes()).map_err(failed)?;
    drop(writer);
    let answered = Command::new(binary)
        .args(["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-chardev", "stdio,id=m", "-mon", "chardev=m,mode=control"])
        .stdin(commands)
        .output();
    let output = match answered {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Err(Error::NoQemu { binary: binary.to_owned() });
        }
        answered => answered.map_err(failed)?,
    };
    let said = String::from_utf8_lossy(&output.stdout);
    read_answers(&said).unwrap_or_else(|| {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Probe(if message.is_empty() { said.trim().to_owned() } else { message }))
    })
}

/// Understands the greeting and the answers; `None` where there is no greeting.
pub fn read_answers(said: &str) -> Option<Result<Features>> {
    let messages: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let qemu = messages.iter().find_map(|message| message.pointer("/QMP/version/qemu"))?;
    let number = |name: &str| qemu.get(name).and_then(Value::as_u64);
    let version = (number("major")?, number("minor")?, number("micro").unwrap_or(0));
    let sandbox = messages
        .iter()
        .find(|message| message.get("id").is_some_and(|id| id == "sandbox"))
        .and_then(|message| message["return"].as_array())
        .is_some_and(|options| !options.is_empty());
    let features = Features { version, sandbox };
    if (version.0, version.1) < FLOOR {
        let (major, minor, micro) = version;
        return Some(Err(Error::OldQemu { found: format!("{major}.{minor}.{micro}") }));
    }
    Some(Ok(features))
}

/// How many processors this host lets us use.
pub fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// How much memory this host has; 0 where `/proc` does not tell.
pub fn memory_mib() -> u64 {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    // The first line is `MemTotal: 12345 kB`.
    memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
