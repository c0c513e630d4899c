//! `cuttle storage`: how the configured clusters are; and the process that talks to them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use storage::figures::written;
use storage::rbd::Health;

use crate::config::Config;
use crate::storage_config;

/// Look at the storage behind the cloud.
#[derive(Debug, Args)]
pub struct StorageCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the health, the copies and the recovery of every Ceph cluster of the configuration. The exit code is 0 if all
    /// are well, 1 if something is amiss, 2 if one is in trouble or does not answer
    Status(Status),
    /// What talks to a cluster for the others; it ends with its parent
    #[command(hide = true)]
    Serve,
}

#[derive(Debug, Args)]
struct Status {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print the figures as Prometheus reads them
    #[arg(long)]
    metrics: bool,
}

impl StorageCommand {
    /// Does it.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.what {
            What::Status(status) => status.run(),
            What::Serve => {
                crate::log::Log::to_stderr(None);
                storage::rbd::serve().context("cannot serve storage")?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Status {
    fn run(&self) -> anyhow::Result<ExitCode> {
        crate::log::Log::to_stderr(None);
        let clusters = storage_config::clusters(&Config::load(Some(&self.config))?)?;
        if clusters.is_empty() {
            println!(
                "the configuration names no Ceph cluster; images and volumes are files in the data folder"
            );
        }
        let (mut worst, mut figures) = (Health::Ok, Vec::new());
        for (name, cluster) in clusters {
            match cluster.status() {
                Ok(status) if self.metrics => {
                    figures.extend(status.figures(&name));
                    worst = worst.max(status.health);
                }
                Ok(status) => {
                    print!("backend   {name}\n{}", status.words());
                    worst = worst.max(status.health);
                }
                Err(error) => {
                    eprintln!("backend   {name}\ncluster   {error}");
                    worst = Health::Error;
                }
            }
        }
        print!("{}", written(&figures));
        Ok(ExitCode::from(worst as u8))
    }
}
