//! The agent as a process: `cuttle agent` itself, and how `cuttle up` adopts, starts and watches it.
//!
//! The agent runs in a session of its own, so that it goes on answering DHCP and metadata when `up` ends, however
//! that happens.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::process::Process;
use crate::storage_config::Storage;

/// How often an agent that is not our child is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The first and the longest pause before an agent that ended is started again.
const RESTART: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// How long an agent may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(10);

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
        crate::data_dir::keep_to_ourselves();
        let dir = DataDir::open(&self.data_dir)?;
        // A session of its own, so that what ends the terminal or the control plane does not end it. It fails only where
        // this process leads one already, which is as good.
        let _ = nix::unistd::setsid();
        crate::log::Log::to_stderr(None);
        // Held until the process ends. Without it, an `up` that was killed right after it had started an agent could
        // be followed by one that starts a second.
        let _lock = dir.lock_agent()?;
        let this = Process::of_pid(i32::try_from(std::process::id())?)
            .context("cannot find this process in /proc")?;
        crate::data_dir::write_private(&settled_file(&dir), settled(self.config.as_deref()).as_bytes())?;
        this.write(&pid_file(&dir))?;
        let config = Config::load(self.config.as_deref())?;
        let storage = Storage::open(&dir, &config)?;
        agent::run(&settings(&dir, &config)?, storage.backends, storage.images)
            .context("the agent failed")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the agent of a cloud needs to know.
pub fn settings(dir: &DataDir, config: &Config) -> anyhow::Result<agent::Settings> {
    Ok(agent::Settings {
        host: host_name(),
        cloud: dir.identity().id.clone(),
        control_socket: dir.control_socket(),
        run_dir: dir.run(),
        state_dir: dir.agent(),
        backups: config.backup.target(&dir.root().join("backups"))?,
        logs_dir: dir.logs(),
        accelerator: config.accelerator.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
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

/// The agent of this cloud, as far as it runs.
pub fn running(dir: &DataDir) -> Option<Process> {
    Process::of_file(&pid_file(dir))
}

/// By what configuration the running agent goes.
fn settled_file(dir: &DataDir) -> PathBuf {
    dir.run().join("agent.config")
}

/// A configuration's hash, for it may hold secrets. What cannot be read is like nothing.
fn settled(config: Option<&Path>) -> String {
    let text = config.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends an agent that goes by another configuration than this, or is of another program. The VMs go on, and the one that
/// is started instead finds them.
pub fn end_if_outdated(dir: &DataDir, config: Option<&Path>) -> anyhow::Result<()> {
    let Some(agent) = running(dir) else { return Ok(()) };
    let program = |pid: &str| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let is_same_program = program(&agent.pid.to_string()) == program("self");
    let goes_by = std::fs::read_to_string(settled_file(dir)).unwrap_or_default();
    if is_same_program && goes_by == settled(config) {
        return Ok(());
    }
    tracing::info!("the agent (process {}) is of another program or configuration; ending it", agent.pid);
    agent.end(END_TIME_MAX).context("cannot end the agent that runs")
}

/// Keeps an agent running for as long as this process does: adopts the one that runs, starts another when it ends.
pub struct Supervision {
    dir: DataDir,
    config: Option<PathBuf>,
    /// How many agents that were started here have ended.
    ended: AtomicU32,
}

impl Supervision {
    /// Begins on a thread of its own.
    pub fn start(dir: &DataDir, config: Option<&Path>) -> anyhow::Result<Arc<Supervision>> {
        let (dir, config) = (dir.clone(), config.map(Path::to_owned));
        let supervision = Arc::new(Supervision { dir, config, ended: AtomicU32::new(0) });
        let watching = supervision.clone();
        runtime::spawn_thread("agent-watch", move || watching.watch())?;
        Ok(supervision)
    }

    /// Whether agents do not stay. One that ends may have met another that was just starting; two mean it.
    pub fn has_failed(&self) -> bool {
        self.ended.load(Ordering::Relaxed) > 1 && running(&self.dir).is_none()
    }

    fn watch(&self) {
        let mut pause = RESTART.0;
        loop {
            if let Some(agent) = running(&self.dir) {
                while agent.is_running() {
                    runtime::sleep_blocking(LOOK);
                }
                tracing::error!("the agent (process {}) ended; starting another", agent.pid);
                pause = RESTART.0;
                continue;
            }
            let began = runtime::monotonic();
            match spawn(&self.dir, self.config.as_deref()).and_then(|mut child| Ok(child.wait()?)) {
                Ok(status) => {
                    let log = log_file(&self.dir);
                    tracing::error!("the agent ended: {status}; starting another; see {}", log.display());
                }
                Err(error) => tracing::error!("{error:#}"),
            }
            self.ended.fetch_add(1, Ordering::Relaxed);
            pause = if began.elapsed() > RESTART.1 { RESTART.0 } else { (pause * 2).min(RESTART.1) };
            runtime::sleep_blocking(pause);
        }
    }
}

/// Where the agent's log is.
pub fn log_file(dir: &DataDir) -> PathBuf {
    dir.logs().join("agent.log")
}

fn spawn(dir: &DataDir, config: Option<&Path>) -> anyhow::Result<Child> {
    let log_path = log_file(dir);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path);
    let log = log.with_context(|| format!("cannot write {}", log_path.display()))?;
    // An upgrade may have removed the file that this program was started from.
    let program = std::env::current_exe().context("cannot find the cuttle binary")?;
    let itself = PathBuf::from("/proc/self/exe");
    let mut command = Command::new(if program.exists() { program } else { itself });
    command.arg("agent").arg("--data-dir").arg(dir.root());
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir("/");
    command.spawn().context("cannot start the agent")
}
