//! Encrypted volumes: a LUKS container in a volume of any backend.
//!
//! The backend keeps the container, which is larger than the disk in it by a header, and never has a key: snapshots, clones,
//! merges and backups are of encrypted bytes. Only who reads or writes what the guest sees opens it, by QEMU's block
//! driver `luks`, with a passphrase that the header's key slots are locked with. A clone has the header of its source, and
//! so the same passphrase.
//!
//! Version 1 of the format, which QEMU writes: <https://gitlab.com/cryptsetup/cryptsetup/-/wikis/LUKS-standard/on-disk-format.pdf>.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use types::Secret;

use crate::disk::{Access, OpenDisk, SECRET, Tree, add_secret, start_with_secret};
use crate::error::Doing;
use crate::{Error, Result};

const SECTOR_BYTES: u64 = 512;
/// A key slot has the key this many times over, split so that all of it must be read.
const STRIPES: u64 = 4000;
const KEY_SLOTS: u64 = 8;
/// Header and slots begin at multiples of this.
const ALIGN_SECTORS: u64 = 8;
/// Where the header says at which sector the disk begins.
const PAYLOAD_OFFSET_AT: usize = 104;
/// The passphrase is random and long: to stretch it by slow hashing would bring nothing.
const STRETCH_MS: u32 = 10;
/// What QEMU says when its measurement was over before the kernel had counted any time for it (`crypto/pbkdf.c`), and how
/// often it may try.
const UNMEASURED: &str = "Unable to get accurate CPU usage";
const ATTEMPTS_MAX: u32 = 50;

/// How a volume is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Luks {
    /// What opens it.
    pub passphrase: Secret,
    /// Cipher, mode and initial vectors, as Linux writes them: `aes-xts-plain64`, `aes-cbc-essiv:sha256`.
    pub cipher: String,
    /// 128 to 512. In mode XTS one half of it is the cipher's key.
    pub key_size_bits: u32,
}

/// How much larger a container is than the disk in it, in bytes.
pub fn header_bytes(key_size_bits: u32) -> u64 {
    let slot_sectors = (u64::from(key_size_bits / 8) * STRIPES).div_ceil(SECTOR_BYTES);
    (ALIGN_SECTORS + KEY_SLOTS * slot_sectors.next_multiple_of(ALIGN_SECTORS)) * SECTOR_BYTES
}

/// The node that shows the disk in a container. QEMU must have a secret object of that name.
pub fn node(container: Value, secret: &str) -> Value {
    json!({ "driver": "luks", "key-secret": secret, "file": container })
}

impl Luks {
    /// The disk in a container.
    pub fn disk(&self, container: Value) -> Tree {
        Tree { nodes: node(container, SECRET), passphrase: Some(self.passphrase.clone()) }
    }

    /// Makes a container of a volume: writes a header with a new random key, after which all that was there is noise.
    /// `run_dir` is for a socket, `scratch` a file that may be made meanwhile; both are gone afterwards.
    pub fn format(&self, container: &Value, (run_dir, scratch): (&Path, &Path)) -> Result<()> {
        let header = self.write_header(scratch).and_then(|()| {
            std::fs::read(scratch).doing(|| format!("read the LUKS header in {}", scratch.display()))
        });
        match std::fs::remove_file(scratch) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).doing(|| format!("remove {}", scratch.display()));
            }
            _ => {}
        }
        let header = header?;
        self.check(&header)?;
        let mut disk = OpenDisk::open(container, Access::Write, run_dir)?;
        disk.write_at(0, &header)?;
        disk.flush()
    }

    /// Has QEMU write a header, which is a container without a disk. It measures first how fast the passphrase is hashed;
    /// on a fast processor that fails now and then.
    fn write_header(&self, to: &Path) -> Result<()> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.try_header(to) {
                Err(Error::Tool { message, .. })
                    if message.contains(UNMEASURED) && attempts < ATTEMPTS_MAX => {}
                done => return done,
            }
        }
    }

    fn try_header(&self, to: &Path) -> Result<()> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-img", "create", "-q", "-f", "luks"]);
        add_secret(&mut command);
        command.arg("-o").arg(self.options()?).arg(to).arg("0").stdout(Stdio::null()).stderr(Stdio::piped());
        let child = start_with_secret(&mut command, Some(&self.passphrase))
            .doing(|| "start qemu-img; if it is not installed: apt-get install qemu-utils".to_owned())?;
        let output = child.wait_with_output().doing(|| "wait for qemu-img".to_owned())?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// The cipher in QEMU's words.
    fn options(&self) -> Result<String> {
        let parts: Vec<&str> = self.cipher.splitn(3, '-').collect();
        let [algorithm, mode, vector] = parts[..] else {
            return Err(failed(format!("{} is no cipher with a mode and initial vectors", self.cipher)));
        };
        let bits = if mode == "xts" { self.key_size_bits / 2 } else { self.key_size_bits };
        let vector = match vector.split_once(':') {
            Some((vector, hash)) => format!("{vector},ivgen-hash-alg={hash}"),
            None => vector.to_owned(),
        };
        Ok(format!(
            "key-secret={SECRET},cipher-alg={algorithm}-{bits},cipher-mode={mode},ivgen-alg={vector},iter-time={STRETCH_MS}"
        ))
    }

    /// Whether the disk begins where everybody computes that it does.
    fn check(&self, header: &[u8]) -> Result<()> {
        let sector = header.get(PAYLOAD_OFFSET_AT..).and_then(|rest| rest.first_chunk());
        let begins = sector.map(|bytes| u64::from(u32::from_be_bytes(*bytes)) * SECTOR_BYTES);
        let expected = header_bytes(self.key_size_bits);
        if begins == Some(expected) && header.len() as u64 == expected {
            return Ok(());
        }
        Err(failed(format!("its header has {} bytes, not {expected}", header.len())))
    }
}

fn failed(message: String) -> Error {
    Error::Tool { doing: "encrypt a volume".to_owned(), message }
}
