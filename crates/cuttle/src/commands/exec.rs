//! Commands and connections inside the external network's namespace.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use linux_net::{Cloud, Netns};

use crate::cli::Which;
use crate::data_dir::DataDir;

/// How long a connection to a VM may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// Run a command in the external network.
#[derive(Debug, Args)]
pub struct Exec {
    #[command(flatten)]
    which: Which,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Pass standard input and output to an address.
#[derive(Debug, Args)]
pub struct Netcat {
    #[command(flatten)]
    which: Which,
    /// The address
    address: IpAddr,
    /// The TCP port
    port: u16,
}

impl Exec {
    /// Runs it and ends as it ends.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let dir = DataDir::open(&self.which.data_dir)?;
        let netns = external(&dir)?;
        relay(&dir, &netns)?;
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| anyhow!("no command was given"))?;
        let mut command = Command::new(program);
        command.args(arguments).env("OS_CLIENT_CONFIG_FILE", dir.clouds_yaml());
        // A child starts in the namespace of the thread that makes it.
        let status = netns.run(move || command.status())?;
        let status = status.with_context(|| format!("cannot run {}", program.display()))?;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}

impl Netcat {
    /// Copies until the other side ends.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let dir = DataDir::open(&self.which.data_dir)?;
        let address = SocketAddr::new(self.address, self.port);
        let connect = move || TcpStream::connect_timeout(&address, CONNECT_TIME_MAX);
        let stream = external(&dir)?.run(connect)?.with_context(|| format!("cannot connect to {address}"))?;
        let mut sending = stream.try_clone()?;
        runtime::spawn_thread("netcat-send", move || {
            let _ = copy(&mut std::io::stdin(), &mut sending);
            let _ = sending.shutdown(std::net::Shutdown::Write);
        })?;
        let mut receiving = stream;
        copy(&mut receiving, &mut std::io::stdout())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The external network's namespace of a real cloud.
pub fn external(dir: &DataDir) -> anyhow::Result<Netns> {
    if dir.identity().simulated {
        bail!("{} is a simulated cloud: it has no network to enter", dir.root().display());
    }
    let cloud: Cloud = dir.identity().id.parse().map_err(|_| anyhow!("the cloud's id is damaged"))?;
    let name = cloud.external_namespace();
    let found = Netns::open(&name).context("cannot open the external network's namespace: run as root")?;
    found.ok_or_else(|| anyhow!("the external network is not there: is `cuttle up` running?"))
}

/// Lets the API answer on 127.0.0.1 inside the namespace, on the port it has outside.
fn relay(dir: &DataDir, netns: &Netns) -> anyhow::Result<()> {
    let endpoint = dir.endpoint()?;
    let api: SocketAddr =
        endpoint.trim_start_matches("http://").parse().context("the endpoint file is damaged")?;
    let inside = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), api.port());
    let listener = match netns.run(move || TcpListener::bind(inside))? {
        Ok(listener) => listener,
        // Another `cuttle exec` relays already.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot listen on {inside} in the namespace"));
        }
    };
    runtime::spawn_thread("relay", move || {
        for client in listener.incoming().flatten() {
            let _ = runtime::spawn_thread("relay-client", move || pass(client, api));
        }
    })?;
    Ok(())
}

fn pass(client: TcpStream, api: SocketAddr) -> std::io::Result<()> {
    let server = TcpStream::connect_timeout(&api, CONNECT_TIME_MAX)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    runtime::spawn_thread("relay-up", move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    })?;
    let (mut from, mut to) = (server, client);
    copy(&mut from, &mut to)?;
    to.shutdown(std::net::Shutdown::Write)
}

/// `std::io::copy` keeps what it has read until its buffer is full; a terminal wants it at once.
fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = [0; 16384];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                to.write_all(&buffer[..n])?;
                to.flush()?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
