//! The machine that is measured on: its facts, its processors, and what `/proc` tells of a process.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The processor of the load generator and the one of what is measured.
#[derive(Debug, Clone, Copy)]
pub struct Seats {
    /// Where the load generator runs.
    pub client: usize,
    /// Where the measured process runs.
    pub server: usize,
}

/// Two processors that this process may use; the same one twice where there is only one.
pub fn seats() -> Result<Seats> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot ask for this process's processors")?;
    let mut usable = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let client = usable.next().context("this process has no processor")?;
    Ok(Seats { client, server: usable.next().unwrap_or(client) })
}

/// Keeps this thread, and what it starts from now on, on one processor while the guard lives.
pub fn pin(cpu: usize) -> Result<Pinned> {
    let before = sched_getaffinity(Pid::from_raw(0)).context("cannot ask for this thread's processors")?;
    let mut only = CpuSet::new();
    only.set(cpu).with_context(|| format!("there is no processor {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("cannot stay on processor {cpu}"))?;
    Ok(Pinned { before })
}

/// Lets the thread go where it could before, when dropped.
pub struct Pinned {
    before: CpuSet,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed before, so it can only fail when the machine changes.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}

/// The resident memory of a process in MB.
pub fn resident_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("cannot read the memory of process {pid}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
    Ok(kib.context("the kernel tells no resident memory")? * 1024.0 / 1e6)
}

/// The seconds of processor time that a process and the descendants it has now have used.
pub fn cpu_seconds_with_descendants(pid: u32) -> Result<f64> {
    let mut seconds = cpu_seconds(pid)?;
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for task in tasks {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            // One that has just ended has no times any more.
            seconds += cpu_seconds_with_descendants(child).unwrap_or(0.0);
        }
    }
    Ok(seconds)
}

/// The seconds of processor time that a process has used, its threads included.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("cannot read the times of process {pid}"))?;
    // The second field, the name, may hold anything; the 14th and 15th are the times.
    let (_, rest) = stat.rsplit_once(')').context("the kernel tells no times")?;
    let ticks: f64 = rest.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    Ok(ticks / per_second as f64)
}

/// Whether this process is root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// What a reader must know to judge the figures.
pub fn facts() -> Vec<(&'static str, String)> {
    let first_line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let value = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
        value.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let kib: f64 = first_line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let system = nix::sys::utsname::uname().ok();
    let kernel = system.map(|system| system.release().to_string_lossy().into_owned()).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    vec![
        ("date", runtime::now().iso_z()),
        ("commit", commit()),
        ("processors", format!("{processors} × {}", first_line("/proc/cpuinfo", "model name"))),
        ("memory", format!("{:.0} GiB", kib / (1 << 20) as f64)),
        ("kernel", kernel),
        ("disk", file_system(&scratch())),
        ("QEMU", first_words("qemu-system-x86_64", "--version")),
        ("load before", format!("{load} (what else runs takes its part of what is measured)")),
    ]
}

/// Where data directories are made: on a disk, which `/tmp` often is not.
pub fn scratch() -> std::path::PathBuf {
    std::env::var_os("CUTTLE_BENCH_DIR").map_or_else(|| "/var/tmp".into(), Into::into)
}

fn file_system(path: &Path) -> String {
    let output = Command::new("df").arg("--output=fstype,source").arg(path).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let words: Vec<&str> = text.lines().last().unwrap_or_default().split_whitespace().collect();
    words.join(" on ")
}

fn first_words(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().next().map_or_else(|| "none".to_owned(), str::to_owned)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    format!(
        "{}{}",
        git(&["rev-parse", "--short", "HEAD"]),
        if changed.is_empty() { "" } else { " and changes" }
    )
}
