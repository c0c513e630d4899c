//! Reads and writes what a tree of block nodes shows, whatever formats and backends it is made of: `qemu-nbd` opens it,
//! and this program speaks NBD with it over a socket of their own.
//!
//! The helper process ends with the connection, with the thread that opened the disk, and with this program.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use types::Secret;

use crate::error::Doing;
use crate::nbd::{Extent, Nbd, REQUEST_BYTES_MAX};
use crate::{Error, Result};

/// How long the helper may take to open a disk. A cluster that does not answer holds it up.
const OPEN_TIME_MAX: Duration = Duration::from_secs(60);
/// How often it is asked whether it is there.
const OPEN_LOOK: Duration = Duration::from_millis(5);
/// How long it may take to close one, which writes what its caches hold.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(60);
/// How long one request may take.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(120);

/// What a disk is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Others may read it, too.
    Read,
    /// Nobody else has it.
    Write,
}

/// The name of the secret by which helpers open an encrypted disk.
pub(crate) const SECRET: &str = "key";

/// A disk that can be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The tree of block nodes that shows it, as `blockdev` and `snapshot_blockdev` give them.
    pub nodes: Value,
    /// The passphrase of the node among them that is encrypted, if one is.
    pub passphrase: Option<Secret>,
}

impl From<&Value> for Tree {
    fn from(nodes: &Value) -> Tree {
        Tree { nodes: nodes.clone(), passphrase: None }
    }
}

impl From<&Tree> for Tree {
    fn from(tree: &Tree) -> Tree {
        tree.clone()
    }
}

/// An open disk.
pub struct OpenDisk {
    nbd: Nbd<UnixStream>,
    helper: Child,
    socket: PathBuf,
}

impl OpenDisk {
    /// Opens the disk that a tree of block nodes shows. `run_dir` is for a socket: short, and nobody else's. Keep the
    /// disk in the thread that opened it.
    pub fn open(tree: impl Into<Tree>, access: Access, run_dir: &Path) -> Result<OpenDisk> {
        let socket = run_dir.join(format!("nbd-{:08x}", runtime::random_u64() as u32));
        let mut helper = start(&tree.into(), access, &socket)?;
        let stream = match connect(&mut helper, &socket) {
            Ok(stream) => stream,
            Err(error) => {
                kill(&mut helper, &socket);
                return Err(error);
            }
        };
        let nbd = stream
            .set_read_timeout(Some(REQUEST_TIME_MAX))
            .and_then(|()| stream.set_write_timeout(Some(REQUEST_TIME_MAX)))
            .and_then(|()| Nbd::negotiate(stream))
            .doing(|| "speak with qemu-nbd".to_owned());
        match nbd {
            Ok(nbd) => Ok(OpenDisk { nbd, helper, socket }),
            // It listens before it opens the disk; what it says about that tells more than that it hung up.
            Err(error) => {
                end(&mut helper, &socket);
                let message = last_words(&mut helper);
                Err(if message.is_empty() {
                    error
                } else {
                    Error::Tool { doing: "open a disk".to_owned(), message }
                })
            }
        }
    }

    /// The process that has the disk open.
    pub fn helper_id(&self) -> u32 {
        self.helper.id()
    }

    /// How large the disk is.
    pub fn size_bytes(&self) -> u64 {
        self.nbd.size_bytes()
    }

    /// Fills `buffer` with what is at `offset`.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        for (chunk, at) in buffer.chunks_mut(REQUEST_BYTES_MAX).zip((offset..).step_by(REQUEST_BYTES_MAX)) {
            self.nbd.read_at(at, chunk).doing(|| format!("read a disk at {at}"))?;
        }
        Ok(())
    }

    /// Writes `bytes` at `offset`.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        for (chunk, at) in bytes.chunks(REQUEST_BYTES_MAX).zip((offset..).step_by(REQUEST_BYTES_MAX)) {
            self.nbd.write_at(at, chunk).doing(|| format!("write a disk at {at}"))?;
        }
        Ok(())
    }

    /// Makes a stretch zeros, without room of its own where the disk can.
    pub fn write_zeroes(&mut self, offset: u64, length: u64) -> Result<()> {
        let (mut at, end) = (offset, offset + length);
        while at < end {
            let step = (end - at).min(1 << 30);
            self.nbd.write_zeroes(at, step as usize).doing(|| format!("clear a disk at {at}"))?;
            at += step;
        }
        Ok(())
    }

    /// Makes what was written durable.
    pub fn flush(&mut self) -> Result<()> {
        self.nbd.flush().doing(|| "make a disk's content durable".to_owned())
    }

    /// Tells what the whole disk consists of, in order and without gaps, until `each` breaks off.
    pub fn extents(&mut self, mut each: impl FnMut(Extent) -> ControlFlow<()>) -> Result<()> {
        let (mut at, end) = (0, self.size_bytes());
        while at < end {
            let found =
                self.nbd.extents(at, end - at).doing(|| format!("look for holes in a disk at {at}"))?;
            for extent in found {
                let length = extent.length.min(end - extent.offset);
                at = extent.offset + length;
                if each(Extent { length, ..extent }).is_break() || at >= end {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Drop for OpenDisk {
    fn drop(&mut self) {
        self.nbd.disconnect();
        end(&mut self.helper, &self.socket);
    }
}

/// Starts the helper. `setpriv` has the kernel end it with its parent, at whatever moment that dies.
fn start(tree: &Tree, access: Access, socket: &Path) -> Result<Child> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-nbd", "--socket"]).arg(socket);
    match access {
        Access::Read => command.arg("--read-only"),
        Access::Write => command.args(["--discard=unmap", "--detect-zeroes=unmap"]),
    };
    add_tree(&mut command, tree);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    start_with_secret(&mut command, tree.passphrase.as_ref())
        .doing(|| "start qemu-nbd; if it is not installed: apt-get install qemu-utils".to_owned())
}

/// The arguments by which QEMU's tools open a tree.
pub(crate) fn add_tree(command: &mut Command, tree: &Tree) {
    if tree.passphrase.is_some() {
        add_secret(command);
    }
    command.arg(format!("json:{}", tree.nodes));
}

/// The arguments by which QEMU's tools read a secret from their standard input.
pub(crate) fn add_secret(command: &mut Command) {
    command.arg("--object").arg(format!("secret,id={SECRET},file=/dev/stdin"));
}

/// Starts a helper that reads a secret from its standard input, if there is one: arguments and files are seen by others.
pub(crate) fn start_with_secret(command: &mut Command, secret: Option<&Secret>) -> io::Result<Child> {
    let Some(secret) = secret else { return command.stdin(Stdio::null()).spawn() };
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that ended before it read the secret says itself why.
        let _ = stdin.write_all(secret.expose().as_bytes());
    }
    Ok(child)
}

fn connect(helper: &mut Child, socket: &Path) -> Result<UnixStream> {
    let began = runtime::monotonic();
    loop {
        if let Ok(stream) = UnixStream::connect(socket) {
            return Ok(stream);
        }
        let doing = || "open a disk".to_owned();
        if helper.try_wait().doing(|| "wait for qemu-nbd".to_owned())?.is_some() {
            return Err(Error::Tool { doing: doing(), message: last_words(helper) });
        }
        if runtime::monotonic().duration_since(began) > OPEN_TIME_MAX {
            let within = OPEN_TIME_MAX.as_secs();
            let message = format!("cannot open a disk: qemu-nbd has not opened it within {within} s");
            return Err(Error::Unavailable { message });
        }
        runtime::sleep_blocking(OPEN_LOOK);
    }
}

fn last_words(helper: &mut Child) -> String {
    let mut text = String::new();
    if let Some(mut stderr) = helper.stderr.take() {
        let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
    }
    text.trim().to_owned()
}

/// The helper ends by itself once the connection has, and has then closed the disk in order; one that does not is
/// killed.
fn end(helper: &mut Child, socket: &Path) {
    let began = runtime::monotonic();
    while let Ok(None) = helper.try_wait() {
        if runtime::monotonic().duration_since(began) > CLOSE_TIME_MAX {
            break;
        }
        runtime::sleep_blocking(OPEN_LOOK);
    }
    kill(helper, socket);
}

/// Ends the helper, if it has not ended, and removes its socket. There is nobody to tell that either had gone already.
fn kill(helper: &mut Child, socket: &Path) {
    let _ = helper.kill();
    let _ = helper.wait();
    let _ = std::fs::remove_file(socket);
}
