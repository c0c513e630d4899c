//! `cuttle ssh`: to a server's address through the external network, with the host key that its console printed.

use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde_json::{Value as Json, json};

use crate::cli::Which;
use crate::client::{As, Client};
use crate::data_dir::DataDir;

/// How long the console may take to show the host keys of a server that just started.
const KEYS_TIME_MAX: Duration = Duration::from_secs(60);

/// Log in to a server, or run a command in it.
#[derive(Debug, Args)]
pub struct Ssh {
    #[command(flatten)]
    which: Which,
    /// Use the server's floating IPv4 address
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use the server's IPv6 address
    #[arg(short = '6', long)]
    ipv6: bool,
    /// The user to log in as, if not the image's `os_admin_user`
    #[arg(short = 'l', long, value_name = "USER")]
    user: Option<String>,
    /// A private key file, if not the one that `cuttle launch` made
    #[arg(short = 'i', long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The server's name or id
    server: String,
    /// A command to run there
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Ssh {
    /// Becomes the ssh program.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let dir = DataDir::open(&self.which.data_dir)?;
        let client = Client::log_in(&dir, As::Demo)?;
        let server = client.find("/compute/v2.1/servers/detail", "servers", &self.server)?;
        let id = server["id"].as_str().unwrap_or_default();
        let family = if self.ipv4 { Some(4) } else { self.ipv6.then_some(6) };
        let address = reachable(&server, family)?;
        let user = match &self.user {
            Some(user) => user.clone(),
            None => admin_user(&client, &server)?,
        };
        let known_hosts = known_hosts(&dir, &client, id)?;
        let this = std::env::current_exe().context("cannot find the cuttle binary")?;
        let proxy = format!("{} netcat --data-dir {} {address} 22", this.display(), dir.root().display());
        let mut ssh = Command::new("ssh");
        ssh.arg("-o").arg(format!("ProxyCommand={proxy}"));
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        ssh.arg("-o").arg(format!("HostKeyAlias={id}"));
        ssh.args([
            "-o",
            "GlobalKnownHostsFile=/dev/null",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "LogLevel=ERROR",
        ]);
        let own_key = dir.root().join("ssh/id_ed25519");
        if let Some(identity) = self.identity.clone().or_else(|| own_key.exists().then_some(own_key)) {
            ssh.arg("-i").arg(identity).args(["-o", "IdentitiesOnly=yes"]);
        }
        ssh.arg("-l").arg(user).arg(address.to_string()).args(&self.command);
        Err(ssh.exec()).context("cannot run ssh: install openssh-client")
    }
}

/// The address of a server that can be reached from outside: a floating IP, or a global IPv6 address.
pub fn reachable(server: &Json, family: Option<u64>) -> anyhow::Result<IpAddr> {
    let networks = server["addresses"].as_object().into_iter().flat_map(|networks| networks.values());
    let addresses = networks.flat_map(|addresses| addresses.as_array().cloned().unwrap_or_default());
    let outside = |entry: &Json| entry["OS-EXT-IPS:type"] == "floating" || entry["version"] == 6;
    let fits = |entry: &Json| family.is_none_or(|family| entry["version"] == family);
    let mut usable: Vec<Json> = addresses.filter(|entry| outside(entry) && fits(entry)).collect();
    usable.sort_by_key(|entry| entry["version"].as_u64());
    let name = server["name"].as_str().unwrap_or_default();
    let Some(first) = usable.first() else {
        bail!(
            "server {name} has no {}address that can be reached from outside: give it one with \
             `openstack floating ip create public` and `openstack server add floating ip {name} ADDRESS`",
            family.map(|family| format!("IPv{family} ")).unwrap_or_default()
        );
    };
    let text = first["addr"].as_str().unwrap_or_default();
    text.parse().with_context(|| format!("the API gave an address that is none: {text}"))
}

fn admin_user(client: &Client, server: &Json) -> anyhow::Result<String> {
    let Some(image) = server["image"]["id"].as_str() else { return Ok("root".to_owned()) };
    let image = client.get(&format!("/image/v2/images/{image}"))?;
    Ok(image["os_admin_user"].as_str().unwrap_or("root").to_owned())
}

/// The file with the server's host keys, as its console printed them at its first start.
fn known_hosts(dir: &DataDir, client: &Client, id: &str) -> anyhow::Result<PathBuf> {
    let folder = dir.root().join("known_hosts");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(id);
    if path.exists() {
        return Ok(path);
    }
    let began = runtime::monotonic();
    loop {
        let keys = host_keys(&console(client, id)?);
        if !keys.is_empty() {
            let lines: String = keys.iter().map(|key| format!("{id} {key}\n")).collect();
            crate::data_dir::write_private(&path, lines.as_bytes())?;
            return Ok(path);
        }
        if began.elapsed() > KEYS_TIME_MAX {
            return Err(anyhow!(
                "the console of the server shows no ssh host keys, so it cannot be told from an impostor: \
                 see `cuttle console`"
            ));
        }
        runtime::sleep_blocking(Duration::from_millis(500));
    }
}

/// A server's console log.
pub fn console(client: &Client, id: &str) -> anyhow::Result<String> {
    let answer =
        client.post(&format!("/compute/v2.1/servers/{id}/action"), &json!({"os-getConsoleOutput": {}}))?;
    Ok(answer["output"].as_str().unwrap_or_default().to_owned())
}

/// The public keys between the markers that cloud-init and our guest print.
fn host_keys(console: &str) -> Vec<String> {
    let after = console.rsplit_once("-----BEGIN SSH HOST KEY KEYS-----").map(|(_, after)| after);
    let block =
        after.and_then(|after| after.split_once("-----END SSH HOST KEY KEYS-----")).map(|(block, _)| block);
    let lines = block.unwrap_or_default().lines().map(str::trim);
    let keys = lines.filter(|line| line.starts_with("ssh-") || line.starts_with("ecdsa-"));
    keys.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}
