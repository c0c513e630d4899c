//! `cuttle console`: a server's serial console in this terminal.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::cli::Which;
use crate::client::{As, Client};
use crate::data_dir::DataDir;

/// Control-] ends the session, as in telnet.
const ESCAPE: u8 = 0x1d;

/// Attach to a server's serial console.
#[derive(Debug, Args)]
pub struct Console {
    #[command(flatten)]
    which: Which,
    /// Print what the console has said so far and end
    #[arg(long)]
    log: bool,
    /// The server's name or id
    server: String,
}

impl Console {
    /// Shows the log so far, then passes keys and output on until Control-].
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let dir = DataDir::open(&self.which.data_dir)?;
        let client = Client::log_in(&dir, As::Demo)?;
        let server = client.find("/compute/v2.1/servers/detail", "servers", &self.server)?;
        let id = server["id"].as_str().unwrap_or_default();
        print!("{}", super::ssh::console(&client, id)?);
        std::io::stdout().flush()?;
        if self.log {
            return Ok(ExitCode::SUCCESS);
        }
        if dir.identity().simulated {
            bail!("{} is a simulated cloud: its servers have no console to attach to", dir.root().display());
        }
        let socket = agent::console_socket(&dir.run(), id);
        let stream =
            UnixStream::connect(&socket).context("cannot attach to the console: is the server running?")?;
        eprintln!("\r\n(attached; Control-] ends)\r");
        attach(stream)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn attach(stream: UnixStream) -> anyhow::Result<()> {
    let _raw = RawTerminal::enter()?;
    let mut output = stream.try_clone()?;
    runtime::spawn_thread("console-output", move || {
        let mut buffer = [0; 4096];
        while let Ok(n) = output.read(&mut buffer) {
            let shown = std::io::stdout().write_all(&buffer[..n]).and_then(|()| std::io::stdout().flush());
            if n == 0 || shown.is_err() {
                break;
            }
        }
    })?;
    let mut input = stream;
    let mut buffer = [0; 256];
    loop {
        let n = std::io::stdin().read(&mut buffer)?;
        if n == 0 || buffer[..n].contains(&ESCAPE) {
            return Ok(());
        }
        input.write_all(&buffer[..n]).context("the console ended")?;
    }
}

/// Passes every key on while it lives, if there is a terminal.
struct RawTerminal(Option<Termios>);

impl RawTerminal {
    fn enter() -> anyhow::Result<RawTerminal> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Ok(RawTerminal(None));
        }
        let before = tcgetattr(stdin.as_fd())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &raw)?;
        Ok(RawTerminal(Some(before)))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSANOW, before);
        }
    }
}
