//! The command line: what `--help` says is what there is.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{agent_process, commands, up};

/// A whole infrastructure cloud in one binary, with OpenStack's APIs.
#[derive(Debug, Parser)]
#[command(name = "cuttle", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Which cloud a command is about.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// The directory that holds the cloud's data
    #[arg(long, env = "CUTTLE_DATA_DIR", default_value = "/var/lib/cuttle", value_name = "DIR")]
    pub data_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a cloud on this machine; prints one line `ready http://…` once every API answers
    Up(up::Up),
    /// Stop the VMs and remove everything that runs; --purge deletes the data too
    Down(commands::down::Down),
    /// The node side of a cloud; `cuttle up` starts it by itself
    #[command(hide = true)]
    Agent(agent_process::AgentArgs),
    /// Create a server that can be reached by ssh
    Launch(commands::launch::Launch),
    /// Log in to a server, or run a command in it, with its host key checked
    Ssh(commands::ssh::Ssh),
    /// Take over the users of a Keystone
    Identity(commands::identity::IdentityCommand),
    /// Attach to a server's serial console
    Console(commands::console::Console),
    /// Run a command in the external network, where floating IPs are reached and the API answers on 127.0.0.1
    Exec(commands::exec::Exec),
    /// Show the cloud, or one server's timeline
    Status(commands::status::Status),
    /// Show how the Ceph clusters are that images and volumes are in
    Storage(commands::storage::StorageCommand),
    /// List the rules of who may do what, or explain one
    Policy(commands::policy::PolicyCommand),
    /// Check what this machine offers and say what to install
    Doctor(commands::doctor::Doctor),
    /// Pass standard input and output to an address in the external network; what `cuttle ssh` goes through
    #[command(hide = true)]
    Netcat(commands::exec::Netcat),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(up) => up.run(),
            Command::Down(down) => down.run(),
            Command::Agent(agent) => agent.run(),
            Command::Launch(launch) => launch.run(),
            Command::Ssh(ssh) => ssh.run(),
            Command::Identity(identity) => identity.run(),
            Command::Console(console) => console.run(),
            Command::Exec(exec) => exec.run(),
            Command::Status(status) => status.run(),
            Command::Storage(storage) => storage.run(),
            Command::Policy(policy) => policy.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::Netcat(netcat) => netcat.run(),
        }
    }
}
