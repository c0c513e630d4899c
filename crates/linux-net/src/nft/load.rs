//! Running `nft` inside a namespace.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::error::{Doing, Error, Result};
use crate::netns::Netns;

/// How much of nft's complaint is kept: it repeats the whole offending line.
const SAID_LEN_MAX: usize = 600;

/// Runs commands in one transaction: all of them take effect or none.
pub(crate) fn load(netns: &Netns, commands: &str) -> Result<()> {
    let act = || format!("load rules in {}", netns.name());
    let output = netns
        .run(|| {
            // A child process belongs to the namespace of the thread that starts it.
            let mut child = Command::new("nft")
                .args(["-f", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // nft reads all its input before it complains, so a broken pipe means that it died; it says why.
                let _ = stdin.write_all(commands.as_bytes());
            }
            child.wait_with_output()
        })?
        .doing(act)?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    while said.len() > SAID_LEN_MAX {
        said.pop();
    }
    Err(Error::Nft { act: act(), said })
}

/// What `nft --version` answers.
pub(crate) fn probe_version() -> Result<String> {
    let output = Command::new("nft").arg("--version").output().doing(|| "run nft --version")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
