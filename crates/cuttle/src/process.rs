//! Other processes of this cloud, known by pid and start time, so that a reused pid is never taken for one of ours.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::data_dir::write_private;

/// A process that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot (proc(5), field 22 of `stat`).
    pub start_ticks: u64,
}

impl Process {
    /// The process of this number, if it is there.
    pub fn of_pid(pid: i32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, a parenthesis too.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let is_zombie = *fields.first()? == "Z";
        let start_ticks = fields.get(19)?.parse().ok()?;
        (!is_zombie).then_some(Process { pid, start_ticks })
    }

    /// The process written down in a file, if it still runs.
    pub fn of_file(path: &Path) -> Option<Process> {
        let known: Process = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (Process::of_pid(known.pid) == Some(known)).then_some(known)
    }

    /// Writes it down.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_private(path, &serde_json::to_vec(self)?)
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        Process::of_pid(self.pid) == Some(*self)
    }

    /// Ends it: by SIGTERM, and by SIGKILL if that takes longer than `patience`.
    pub fn end(&self, patience: Duration) -> anyhow::Result<()> {
        for (signal, wait) in [(Signal::SIGTERM, patience), (Signal::SIGKILL, Duration::from_secs(10))] {
            if !self.is_running() {
                return Ok(());
            }
            kill(Pid::from_raw(self.pid), signal)
                .with_context(|| format!("cannot end process {}", self.pid))?;
            let began = runtime::monotonic();
            while self.is_running() && began.elapsed() < wait {
                runtime::sleep_blocking(Duration::from_millis(20));
            }
        }
        anyhow::ensure!(!self.is_running(), "process {} does not end", self.pid);
        Ok(())
    }
}
