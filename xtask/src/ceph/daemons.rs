//! The processes of a cluster. Each is known by its id together with its start time, so that an id that somebody else
//! got later is never signalled.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::clock;
use crate::project::{self, Outcome, doing, failed};

/// How long a daemon may take to end.
const END_SECONDS: f64 = 20.0;

/// The processes of the cluster in a folder.
pub struct Daemons {
    folder: PathBuf,
}

impl Daemons {
    pub fn of(folder: &Path) -> Daemons {
        Daemons { folder: folder.to_path_buf() }
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pid"))
    }

    /// Starts one, unless it runs. It outlives this program.
    pub fn start(&self, name: &str, mut command: Command) -> Outcome {
        if self.running(name).is_some() {
            return Ok(());
        }
        let log = self.folder.join(format!("log/{name}.out"));
        let out = doing(format!("cannot write {}", log.display()), File::create(&log))?;
        let copy = doing("cannot write a log", out.try_clone())?;
        command.stdin(Stdio::null()).stdout(out).stderr(copy).process_group(0);
        let child = doing(format!("cannot start {name}"), command.spawn())?;
        let pid = child.id();
        let began = start_time(pid).ok_or_else(|| failed(format!("{name} ended at once")))?;
        doing("cannot write a pid file", fs::write(self.pid_file(name), format!("{pid} {began}\n")))
    }

    /// The process id of one, if it runs.
    fn running(&self, name: &str) -> Option<u32> {
        let text = fs::read_to_string(self.pid_file(name)).ok()?;
        let (pid, began) = text.trim().split_once(' ')?;
        let pid = pid.parse().ok()?;
        (start_time(pid).as_deref() == Some(began)).then_some(pid)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(".pid").map(str::to_owned)
        });
        let mut names: Vec<String> = names.collect();
        // The monitor goes last: the others say goodbye to it.
        names.sort_by_key(|name| name.starts_with("mon"));
        names
    }

    /// Ends one as a loss of power does.
    pub fn kill(&self, name: &str) -> Outcome {
        self.signal(name, "KILL")?;
        self.wait_for_end(name)
    }

    /// Sends one a signal.
    pub fn signal(&self, name: &str, signal_name: &str) -> Outcome {
        let pid = self.running(name).ok_or_else(|| failed(format!("{name} does not run")))?;
        signal(signal_name, pid)
    }

    /// Sends all a signal.
    pub fn signal_all(&self, name: &str) -> Outcome {
        self.names().iter().filter_map(|daemon| self.running(daemon)).try_for_each(|pid| signal(name, pid))
    }

    /// Ends all.
    pub fn end_all(&self) -> Outcome {
        let names = self.names();
        self.signal_all("CONT")?;
        self.signal_all("TERM")?;
        for name in &names {
            if self.wait_for_end(name).is_err() {
                self.kill(name)?;
            }
        }
        Ok(())
    }

    fn wait_for_end(&self, name: &str) -> Outcome {
        let ended = clock::poll(END_SECONDS, || self.running(name).is_none().then_some(()));
        ended.ok_or_else(|| failed(format!("{name} does not end")))
    }
}

fn signal(name: &str, pid: u32) -> Outcome {
    project::run(Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()]))
}

/// When a process was started, in the kernel's ticks; `None` where there is none, or only what is left of one.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    if fields.first() == Some(&"Z") { None } else { fields.get(19).map(|field| (*field).to_owned()) }
}
