//! `cuttle status`: the cloud at a glance, or one server's way to being reachable.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;
use types::Timestamp;

use crate::agent_process;
use crate::cli::Which;
use crate::client::{As, Client};
use crate::data_dir::DataDir;
use crate::process::Process;

/// Show the cloud, or one server's timeline.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    which: Which,
    /// A server's name or id
    server: Option<String>,
}

/// Something that happened to a server.
pub struct Event {
    /// How long after the request.
    pub after: Duration,
    /// What, in words.
    pub what: String,
    /// Whether it is the greeting of an ssh server.
    pub is_ssh: bool,
}

impl Status {
    /// Prints it.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let dir = DataDir::open(&self.which.data_dir)?;
        match &self.server {
            Some(name) => server(&dir, name),
            None => cloud(&dir),
        }
    }
}

fn cloud(dir: &DataDir) -> anyhow::Result<ExitCode> {
    let kind = if dir.identity().simulated { "simulated" } else { "real" };
    println!("cloud     {} ({kind}), data in {}", dir.identity().id, dir.root().display());
    let agent = Process::of_file(&agent_process::pid_file(dir));
    match agent {
        Some(process) => println!("agent     running, pid {}", process.pid),
        None => println!("agent     not running"),
    }
    let client = match Client::log_in(dir, As::Admin) {
        Ok(client) => client,
        Err(error) => {
            println!("API       does not answer: {error:#}");
            return Ok(ExitCode::from(1));
        }
    };
    println!("API       {}", dir.endpoint()?);
    let hosts = client.get("/compute/v2.1/os-hypervisors/detail")?;
    for host in hosts["hypervisors"].as_array().into_iter().flatten() {
        let text = |key: &str| host[key].as_str().unwrap_or_default().to_owned();
        println!(
            "host      {} is {}, {}",
            text("hypervisor_hostname"),
            text("state"),
            text("hypervisor_type")
        );
    }
    let servers = client.get("/compute/v2.1/servers/detail?all_tenants=1")?;
    let servers = servers["servers"].as_array().cloned().unwrap_or_default();
    println!("servers   {}", servers.len());
    for server in servers {
        let text = |key: &str| server[key].as_str().unwrap_or_default().to_owned();
        println!("          {:<20} {:<10} {}", text("name"), text("status"), text("id"));
    }
    Ok(ExitCode::SUCCESS)
}

fn server(dir: &DataDir, name: &str) -> anyhow::Result<ExitCode> {
    let client = Client::log_in(dir, As::Admin)?;
    let server = client.find("/compute/v2.1/servers/detail?all_tenants=1", "servers", name)?;
    let id = server["id"].as_str().unwrap_or_default();
    println!(
        "{} is {}",
        server["name"].as_str().unwrap_or_default(),
        server["status"].as_str().unwrap_or_default()
    );
    if let Some(why) = server["fault"]["message"].as_str() {
        println!("{why}");
    }
    super::launch::print_addresses(&server);
    for event in timeline(&client, id)? {
        println!("{:>9.2} s  {}", event.after.as_secs_f64(), event.what);
    }
    Ok(ExitCode::SUCCESS)
}

/// What happened to a server since it was asked for, in order.
pub fn timeline(client: &Client, id: &str) -> anyhow::Result<Vec<Event>> {
    let actions = client.get(&format!("/compute/v2.1/servers/{id}/os-instance-actions"))?;
    let actions = actions["instanceActions"].as_array().cloned().unwrap_or_default();
    let Some(create) = actions.iter().find(|action| action["action"] == "create") else {
        return Ok(Vec::new());
    };
    let began = time(create, "start_time");
    let request = create["request_id"].as_str().unwrap_or_default();
    let shown = client.get(&format!("/compute/v2.1/servers/{id}/os-instance-actions/{request}"))?;
    let events = shown["instanceAction"]["events"].as_array().cloned().unwrap_or_default();
    let mut timeline: Vec<Event> = events.iter().filter_map(|event| read(event, began)).collect();
    timeline.sort_by_key(|event| event.after);
    Ok(timeline)
}

fn read(event: &Json, began: Timestamp) -> Option<Event> {
    let name = event["event"].as_str()?;
    let finished = event["finish_time"].as_str().map(|_| time(event, "finish_time"))?;
    let detail = event["details"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
    // Nova's own events have a double underscore in them.
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let what = format!("{}{detail}", words.join(" "));
    Some(Event { after: finished.since(began), what, is_ssh: name.contains("ssh") })
}

fn time(json: &Json, key: &str) -> Timestamp {
    json[key].as_str().and_then(|text| Timestamp::parse(text).ok()).unwrap_or_default()
}
