//! Has `qemu-img` make a qcow2 of an image in another format, once, in a child that can do little else.
//!
//! The child gets no network, a fraction of the processor, a bound to its memory, its time and every file that it
//! writes. It is told which driver to read with, so that it never guesses, and the image was inspected before: it names
//! no other file. Without the right to make a network namespace it runs without one; the other limits hold.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Doing;
use crate::{DiskFormat, Error, Refusal, Result};

/// The address space of the child.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// The stack of each of its threads, of which slow disks make it start up to 64: they count as the heap does.
const STACK_BYTES_MAX: u64 = 2 << 20;
/// Its time on a processor, and on the clock.
const CPU_SECONDS_MAX: u32 = 3600;
const SECONDS_MAX: u32 = 2 * 3600;
/// What a qcow2 may have beside the disk's content: tables and reference counts.
const OVERHEAD_BYTES: u64 = 64 << 20;

/// Has the C library keep no more heaps than these: each that a thread begins takes 64 MiB of address space, `mallopt(3)`.
pub(crate) const HEAPS_MAX: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// Writes the disk in `from` to `to`, which is made. Whatever is at `to` when this fails is the caller's to remove.
pub(crate) fn to_qcow2(from: &Path, format: DiskFormat, to: &Path, size_bytes: u64) -> Result<()> {
    let doing = || format!("convert an image from {format} to qcow2");
    let driver = format.driver_to_convert().ok_or(Error::Refused(Refusal::NotADisk(format)))?;
    let file_bytes_max = size_bytes.saturating_add(size_bytes / 64).saturating_add(OVERHEAD_BYTES);
    let output = sandboxed(file_bytes_max)
        .args(["qemu-img", "convert", "-q", "-f", driver, "-O", "qcow2"])
        .args([from, to])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let output = match output {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let message =
                "the programs of util-linux are not installed: apt-get install util-linux".to_owned();
            return Err(Error::Tool { doing: doing(), message });
        }
        ran => ran.doing(|| "run qemu-img".to_owned())?,
    };
    if output.status.success() {
        return File::open(to).and_then(|file| file.sync_all()).doing(|| format!("sync {}", to.display()));
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if said.is_empty() { format!("qemu-img ended with {}", output.status) } else { said };
    Err(Error::Tool { doing: doing(), message })
}

/// A command whose program and arguments are still to follow.
fn sandboxed(file_bytes_max: u64) -> Command {
    let mut command = Command::new("setpriv");
    // The child goes with us, and cannot gain rights by what it runs.
    command.args(["--pdeathsig", "KILL", "--no-new-privs"]);
    if can_leave_network() {
        command.args(["unshare", "--net"]);
    }
    command
        .args(["nice", "-n", "10", "timeout", "--kill-after", "5"])
        .arg(SECONDS_MAX.to_string())
        .arg("prlimit")
        .arg(format!("--as={MEMORY_BYTES_MAX}"))
        .arg(format!("--stack={STACK_BYTES_MAX}"))
        .arg(format!("--cpu={CPU_SECONDS_MAX}"))
        .arg(format!("--fsize={file_bytes_max}"))
        .args(["--nofile=64", "--core=0"])
        .env_clear()
        .env(HEAPS_MAX.0, HEAPS_MAX.1)
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// Whether a network namespace may be made here.
fn can_leave_network() -> bool {
    let tried = Command::new("unshare")
        .args(["--net", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{Stdio, sandboxed};

    #[test]
    fn a_conversion_has_room_for_its_threads_within_its_bounds() {
        let script = "ulimit -v; ulimit -s; ulimit -n; ulimit -c; echo $MALLOC_ARENA_MAX; env | grep -c HOME";
        let output = sandboxed(1 << 20).args(["sh", "-c", script]).stdin(Stdio::null()).output();
        let said = String::from_utf8(output.expect("util-linux is installed").stdout).unwrap();
        let (gib, two_mib) = ((1 << 20).to_string(), (2 << 10).to_string());
        assert_eq!(said.lines().collect::<Vec<_>>(), [&gib, &two_mib, "64", "0", "2", "0"]);
    }
}
