//! `cuttle down`: stops the VMs and removes everything that runs; with `--purge`, the data too.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use linux_net::Cloud;

use crate::agent_process;
use crate::cli::Which;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::process::Process;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stop the VMs and remove everything that runs.
#[derive(Debug, Args)]
pub struct Down {
    #[command(flatten)]
    which: Which,
    /// Delete the cloud's data too: servers, images, volumes, users, everything
    #[arg(long)]
    purge: bool,
}

impl Down {
    /// Does it. What is gone already is fine.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        if self.purge && !self.which.data_dir.join("cloud.json").exists() {
            println!("there is no cloud in {}", self.which.data_dir.display());
            return Ok(ExitCode::SUCCESS);
        }
        let dir = DataDir::open(&self.which.data_dir)?;
        for file in [crate::up::pid_file(&dir), agent_process::pid_file(&dir)] {
            if let Some(process) = Process::of_file(&file) {
                process.end(PATIENCE)?;
            }
        }
        let _lock = dir.lock()?;
        if !dir.identity().simulated {
            let stopped = agent::stop_everything(&crate::agent_process::settings(&dir, &Config::default())?)
                .context("cannot stop the VMs")?;
            let cloud: Cloud = dir.identity().id.parse().map_err(|_| anyhow!("the cloud's id is damaged"))?;
            linux_net::remove_everything(cloud).context("cannot remove the networks")?;
            println!("stopped {stopped} VMs and removed the networks");
        }
        remove(&dir.run())?;
        if self.purge {
            remove(dir.root())?;
            println!("deleted {}", dir.root().display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn remove(path: &std::path::Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
