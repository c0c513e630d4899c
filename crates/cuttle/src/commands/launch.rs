//! `cuttle launch`: a server that can be reached, with everything it needs made on the way.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

use crate::cli::Which;
use crate::client::{As, Client};
use crate::commands::{ssh, status};
use crate::data_dir::DataDir;

/// How often the server is looked at while waiting.
const LOOK: Duration = Duration::from_millis(250);

/// Create a server that can be reached by ssh.
#[derive(Debug, Args)]
pub struct Launch {
    #[command(flatten)]
    which: Which,
    /// The image
    #[arg(long, default_value = "cuttle-guest")]
    image: String,
    /// The flavor
    #[arg(long, default_value = "m1.nano")]
    flavor: String,
    /// A keypair of yours; without one, a key is made in the data directory once
    #[arg(long)]
    key: Option<String>,
    /// A network of yours; without one, the auto-allocated one, which is made once
    #[arg(long)]
    network: Option<String>,
    /// Wait until the server is ACTIVE, or until its ssh server answers
    #[arg(long, value_enum, default_value_t = Wait::Active)]
    wait: Wait,
    /// Give up waiting after this many seconds
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
    /// The server's name
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wait {
    /// Do not wait
    No,
    /// Until it is ACTIVE
    Active,
    /// Until its ssh server answers
    Ssh,
}

impl Launch {
    /// Makes it.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let dir = DataDir::open(&self.which.data_dir)?;
        let client = Client::log_in(&dir, As::Demo)?;
        let image = client.find("/image/v2/images", "images", &self.image)?;
        let flavor = client.find("/compute/v2.1/flavors", "flavors", &self.flavor)?;
        let key = match &self.key {
            Some(key) => key.clone(),
            None => own_keypair(&dir, &client)?,
        };
        let network = self.network_id(&client)?;
        let group = ssh_group(&client)?;
        let floating = spare_floating_ip(&client)?;
        let began = runtime::monotonic();
        let created = client.post(
            "/compute/v2.1/servers",
            &json!({"server": {
                "name": self.name,
                "imageRef": image["id"],
                "flavorRef": flavor["id"],
                "key_name": key,
                "networks": [{"uuid": network}],
                "security_groups": [{"name": "default"}, {"name": group}],
            }}),
        )?;
        let id = created["server"]["id"].as_str().context("the API gave no server id")?.to_owned();
        println!("server {} ({id}) is requested", self.name);
        associate(&client, &floating, &id)?;
        if self.wait != Wait::No {
            self.wait_for(&client, &id, began)?;
        }
        let server = client.get(&format!("/compute/v2.1/servers/{id}"))?["server"].clone();
        print_addresses(&server);
        println!("log in:  cuttle ssh --data-dir {} {}", dir.root().display(), self.name);
        Ok(ExitCode::SUCCESS)
    }

    fn network_id(&self, client: &Client) -> anyhow::Result<Json> {
        if let Some(name) = &self.network {
            return Ok(client.find("/network/v2.0/networks", "networks", name)?["id"].clone());
        }
        let path = format!("/network/v2.0/auto-allocated-topology/{}", client.project_id);
        Ok(client.get(&path)?["auto_allocated_topology"]["id"].clone())
    }

    fn wait_for(&self, client: &Client, id: &str, began: std::time::Instant) -> anyhow::Result<()> {
        let mut shown = 0;
        loop {
            let server = client.get(&format!("/compute/v2.1/servers/{id}"))?["server"].clone();
            let timeline = status::timeline(client, id)?;
            for event in timeline.iter().skip(shown) {
                println!("{:>7.1} s  {}", event.after.as_secs_f64(), event.what);
            }
            shown = shown.max(timeline.len());
            match server["status"].as_str().unwrap_or_default() {
                "ERROR" => {
                    let why = server["fault"]["message"].as_str().unwrap_or("no reason was given");
                    bail!("server {} failed: {why}", self.name);
                }
                "ACTIVE" if self.wait == Wait::Active => return Ok(()),
                "ACTIVE" if timeline.iter().any(|event| event.is_ssh) => return Ok(()),
                _ => {}
            }
            if began.elapsed() > Duration::from_secs(self.timeout) {
                let tail = ssh::console(client, id).unwrap_or_default();
                let lines: Vec<&str> = tail.lines().rev().take(20).collect();
                let lines: Vec<&str> = lines.into_iter().rev().collect();
                bail!(
                    "server {} is not there after {} s; its console ends with:\n{}",
                    self.name,
                    self.timeout,
                    lines.join("\n")
                );
            }
            runtime::sleep_blocking(LOOK);
        }
    }
}

/// The keypair of this data directory, made once.
fn own_keypair(dir: &DataDir, client: &Client) -> anyhow::Result<String> {
    let name = "cuttle";
    let path: PathBuf = dir.root().join("ssh/id_ed25519");
    if !path.exists() {
        std::fs::create_dir_all(dir.root().join("ssh")).context("cannot create the folder for keys")?;
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "cuttle", "-f"]).arg(&path);
        let status = keygen.status().context("cannot run ssh-keygen: install openssh-client")?;
        anyhow::ensure!(status.success(), "ssh-keygen failed");
    }
    let public = std::fs::read_to_string(path.with_extension("pub")).context("cannot read the public key")?;
    let known = client.get("/compute/v2.1/os-keypairs")?;
    let known = known["keypairs"].as_array().cloned().unwrap_or_default();
    match known.iter().find(|entry| entry["keypair"]["name"] == name) {
        Some(entry) if entry["keypair"]["public_key"].as_str().map(str::trim) == Some(public.trim()) => {}
        Some(_) => bail!(
            "a keypair named {name} exists and is not the one in {}: name one with --key",
            path.display()
        ),
        None => {
            let keypair = json!({"keypair": {"name": name, "type": "ssh", "public_key": public.trim()}});
            client.post("/compute/v2.1/os-keypairs", &keypair)?;
        }
    }
    Ok(name.to_owned())
}

/// The group that lets ssh and ping in, made once and named in the answer.
fn ssh_group(client: &Client) -> anyhow::Result<&'static str> {
    let name = "cuttle-ssh";
    let known = client.get("/network/v2.0/security-groups?name=cuttle-ssh")?;
    if known["security_groups"].as_array().is_some_and(|groups| !groups.is_empty()) {
        return Ok(name);
    }
    let description = "ssh and ping from anywhere, made by cuttle launch";
    let group = client.post(
        "/network/v2.0/security-groups",
        &json!({"security_group": {"name": name, "description": description}}),
    )?;
    let id = &group["security_group"]["id"];
    for (family, icmp) in [("IPv4", "icmp"), ("IPv6", "ipv6-icmp")] {
        let common = json!({"security_group_id": id, "direction": "ingress", "ethertype": family});
        let mut tcp = common.clone();
        tcp["protocol"] = json!("tcp");
        tcp["port_range_min"] = json!(22);
        tcp["port_range_max"] = json!(22);
        let mut ping = common;
        ping["protocol"] = json!(icmp);
        for rule in [tcp, ping] {
            client.post("/network/v2.0/security-group-rules", &json!({"security_group_rule": rule}))?;
        }
    }
    println!("made security group {name}: {description}");
    Ok(name)
}

/// A floating IP of the project that is not in use, or a new one.
fn spare_floating_ip(client: &Client) -> anyhow::Result<Json> {
    let known = client.get("/network/v2.0/floatingips")?;
    let spare = known["floatingips"].as_array().into_iter().flatten().find(|ip| ip["port_id"].is_null());
    if let Some(spare) = spare {
        return Ok(spare.clone());
    }
    let public = client.get("/network/v2.0/networks?router:external=true")?;
    let Some(network) = public["networks"].as_array().and_then(|networks| networks.first()) else {
        bail!("there is no external network to take a floating IP from");
    };
    let body = json!({"floatingip": {"floating_network_id": network["id"]}});
    Ok(client.post("/network/v2.0/floatingips", &body)?["floatingip"].clone())
}

fn associate(client: &Client, floating: &Json, server: &str) -> anyhow::Result<()> {
    let ports = client.get(&format!("/network/v2.0/ports?device_id={server}"))?;
    let Some(port) = ports["ports"].as_array().and_then(|ports| ports.first()) else {
        bail!("the server has no port yet");
    };
    let id = floating["id"].as_str().unwrap_or_default();
    let body = json!({"floatingip": {"port_id": port["id"]}});
    client.put(&format!("/network/v2.0/floatingips/{id}"), &body).map(|_| ())
}

/// Prints a server's addresses, each with its kind and its network.
pub fn print_addresses(server: &Json) {
    for (network, addresses) in server["addresses"].as_object().into_iter().flatten() {
        for entry in addresses.as_array().into_iter().flatten() {
            let (kind, address) = (entry["OS-EXT-IPS:type"].as_str(), entry["addr"].as_str());
            println!("{:>10}  {}  ({network})", kind.unwrap_or_default(), address.unwrap_or_default());
        }
    }
}
