//! A process that is not confused with another: found again by id, start time and boot, signalled through a
//! descriptor that stays with it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What tells a process from all others, on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pid: i32,
    /// In clock ticks since the boot.
    started: u64,
    boot: String,
    /// The control group it has to itself.
    pub cgroup: Option<PathBuf>,
}

impl ProcessId {
    /// Of the process that has this id now.
    pub fn of(pid: i32, cgroup: Option<PathBuf>) -> io::Result<ProcessId> {
        Ok(ProcessId { pid, started: start_ticks(pid)?, boot: boot_id()?, cgroup })
    }

    /// Whether it was started before the host's last boot.
    pub fn is_from_earlier_boot(&self) -> bool {
        boot_id().is_ok_and(|boot| boot != self.boot)
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The 22nd field of `/proc/PID/stat`. The second one, the name, may contain anything, so count after it.
fn start_ticks(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let field = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19));
    field.and_then(|f| f.parse().ok()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Whether the process with this id was started with an argument that contains `mark`.
pub fn command_line_has(pid: i32, mark: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*mark.to_string_lossy())
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was not our child, so nobody told us.
    Unknown,
}

/// A process that runs, or ran when this was made.
#[derive(Debug)]
pub struct Process {
    id: ProcessId,
    fd: OwnedFd,
    exit: Mutex<Option<Exit>>,
}

impl Process {
    /// Opens the process, if it is still the one that is meant and has not ended.
    pub fn open(id: ProcessId) -> Option<Process> {
        if id.is_from_earlier_boot() {
            return None;
        }
        let process = Process { fd: pidfd_open(id.pid).ok()?, id, exit: Mutex::new(None) };
        // Compared after opening: from here on the descriptor cannot come to mean another process.
        let same = start_ticks(process.id.pid).is_ok_and(|started| started == process.id.started);
        (same && process.is_alive()).then_some(process)
    }

    /// Its identity.
    pub fn id(&self) -> &ProcessId {
        &self.id
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        !self.wait(Duration::ZERO)
    }

    /// Waits for its end, and says whether it came.
    pub fn wait(&self, at_most: Duration) -> bool {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let millis = i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: `poll` is one valid pollfd for the time of the call.
        let ready = unsafe { libc::poll(&mut poll, 1, millis) };
        ready > 0
    }

    /// Sends SIGKILL, and to all of its control group if it has one.
    pub fn kill(&self) {
        if let Some(group) = &self.id.cgroup
            && let Err(e) = fs::write(group.join("cgroup.kill"), "1")
        {
            // Linux has it since 5.14; without it the process itself has to do.
            tracing::debug!(group = %group.display(), error = %e, "the control group is not killed as one");
        }
        // SAFETY: the call takes numbers and a null pointer, which means no further information.
        let sent = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), libc::SIGKILL, 0usize, 0)
        };
        if sent != 0 {
            tracing::debug!(pid = self.id.pid, error = %io::Error::last_os_error(), "not killed");
        }
    }

    /// Asks how it ended, which releases what the kernel keeps of it.
    pub fn exit(&self) -> Exit {
        let mut known = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exit) = *known {
            return exit;
        }
        // SAFETY: all-zero is a valid siginfo_t, and it is only read after the call has filled it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let fd = self.fd.as_raw_fd() as libc::id_t;
        // SAFETY: `info` is valid for writing for the time of the call.
        let asked = unsafe { libc::waitid(libc::P_PIDFD, fd, &mut info, libc::WEXITED | libc::WNOHANG) };
        if asked != 0 {
            return Exit::Unknown;
        }
        // SAFETY: waitid succeeded, so the fields for SIGCHLD are the ones that are set.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return Exit::Unknown; // not ended yet
        }
        let exit = if info.si_code == libc::CLD_EXITED { Exit::Code(status) } else { Exit::Signal(status) };
        *known = Some(exit);
        exit
    }
}

fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match RawFd::try_from(fd) {
        // SAFETY: the kernel just gave us this descriptor, and nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What to start.
pub struct Launch<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [String],
    /// Takes what it writes.
    pub log: File,
    /// Takes its process id, before it becomes the program.
    pub pid_file: File,
    /// Descriptors it inherits; all others are closed.
    pub keep: Vec<RawFd>,
    /// The control group it begins in.
    pub cgroup: Option<PathBuf>,
}

impl Launch<'_> {
    /// Starts it in a session of its own, so that no signal meant for us reaches it.
    pub fn spawn(self) -> io::Result<Process> {
        let Launch { program, arguments, log, pid_file, keep, cgroup } = self;
        let join = match &cgroup {
            Some(group) => Some(File::options().write(true).open(group.join("cgroup.procs"))?),
            None => None,
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir("/");
        // SAFETY: between fork and exec only functions that are safe in a signal handler run: system calls
        // and arithmetic, no allocation and no lock.
        unsafe {
            command.pre_exec(move || become_separate(&pid_file, join.as_ref(), &keep));
        }
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let fd = pidfd_open(pid)?;
        // Nobody but us can reap it, so the id means our child even if it has ended already.
        Ok(Process { id: ProcessId::of(pid, cgroup)?, fd, exit: Mutex::new(None) })
    }
}

/// Runs in the new process.
fn become_separate(mut pid_file: &File, join: Option<&File>, keep: &[RawFd]) -> io::Result<()> {
    let check = |result: libc::c_long| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() }.into())?;
    let mut digits = [0; 10];
    pid_file.write_all(decimal(std::process::id(), &mut digits))?;
    if let Some(mut join) = join {
        join.write_all(b"0")?;
    }
    // A core of a VM is as large as its memory, and holds its secrets.
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` is valid for reading for the time of the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) }.into())?;
    // Close everything at exec, then spare what is to stay. Old kernels lack the call; ours are then closed
    // by their own flags.
    // SAFETY: takes numbers; descriptors are only marked.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    for fd in keep {
        // SAFETY: takes numbers; the descriptor is open, for our caller holds it.
        check(unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) }.into())?;
    }
    Ok(())
}

/// A number without allocation.
fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}
