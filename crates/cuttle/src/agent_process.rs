//! The agent as a process: `cuttle agent` itself, and how `cuttle up` starts or adopts it.
//!
//! The agent runs in a session of its own, so that it goes on answering DHCP and metadata when `up` ends, however
//! that happens.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use clap::Args;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::process::Process;

/// The node side of a cloud.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// The directory that holds the cloud's data
    #[arg(long, env = "CUTTLE_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl AgentArgs {
    /// Runs the agent until SIGTERM.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let dir = DataDir::open(&self.data_dir)?;
        let config = Config::load(self.config.as_deref())?;
        crate::up::log_to_stderr();
        let this = Process::of_pid(i32::try_from(std::process::id())?)
            .context("cannot find this process in /proc")?;
        this.write(&pid_file(&dir))?;
        agent::run(&settings(&dir, &config)).context("the agent failed")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the agent of a cloud needs to know.
pub fn settings(dir: &DataDir, config: &Config) -> agent::Settings {
    agent::Settings {
        host: host_name(),
        cloud: dir.identity().id.clone(),
        control_socket: dir.control_socket(),
        run_dir: dir.run(),
        state_dir: dir.agent(),
        storage_dir: dir.root().to_owned(),
        logs_dir: dir.logs(),
        accelerator: config.accelerator.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The name of this host.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

/// Where the running agent is written down.
pub fn pid_file(dir: &DataDir) -> PathBuf {
    dir.run().join("agent.pid")
}

/// Finds the agent of this cloud, or starts one.
pub fn ensure(dir: &DataDir, config: Option<&std::path::Path>) -> anyhow::Result<Process> {
    if let Some(running) = Process::of_file(&pid_file(dir)) {
        return Ok(running);
    }
    let log_path = dir.logs().join("agent.log");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path);
    let log = log.with_context(|| format!("cannot write {}", log_path.display()))?;
    let mut command = Command::new(std::env::current_exe().context("cannot find the cuttle binary")?);
    command.arg("agent").arg("--data-dir").arg(dir.root());
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir("/");
    detach(&mut command);
    let mut child = command.spawn().context("cannot start the agent")?;
    let process =
        Process::of_pid(i32::try_from(child.id())?).context("the agent ended at once; see its log")?;
    process.write(&pid_file(dir))?;
    // The child must be waited for, or it would stay as a zombie when it ends.
    runtime::spawn_thread("agent-reaper", move || child.wait())?;
    Ok(process)
}

/// Gives the child a session of its own before it becomes the agent.
#[allow(unsafe_code, reason = "`pre_exec` is unsafe; what runs there is one system call")]
fn detach(command: &mut Command) {
    // SAFETY: setsid is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            // Fails only where the child leads a group already, which is as good.
            let _ = nix::unistd::setsid();
            Ok(())
        });
    }
}
