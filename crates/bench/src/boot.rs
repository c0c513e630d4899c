//! From `POST /servers` to the ssh banner, against the same QEMU started by hand.
//!
//! Both sides boot the same image with the same arguments, in networks that Cuttle's data plane made and its responder
//! serves; the banner is looked for in the same way. They take turns, and every other pair begins with bare QEMU.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use types::Timestamp;

use crate::bare::{Bare, Recipe};
use crate::cloud::{Cloud, Node, Session};
use crate::machine;
use crate::numbers::{median, ms, quantile};
use crate::report::{Goal, Report};

const RATIO_MAX: f64 = 1.10;
const SHARE_MS_MAX: f64 = 300.0;
/// How long a guest may take.
const BOOT_TIME_MAX: Duration = Duration::from_secs(180);
/// How long one look for the banner takes at most, and the pause between two. A connection that is asked for before
/// the guest is there is asked for again by the kernel a second later, so a look is shorter than that.
const LOOK: Duration = Duration::from_millis(400);
const PAUSE: Duration = Duration::from_millis(25);
const POLL: Duration = Duration::from_millis(100);

/// What one boot cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Until the banner.
    pub wall: Duration,
    /// The processor time of QEMU until then.
    pub cpu_s: f64,
}

/// Measures the pairs.
pub fn measure(report: &mut Report, pairs: usize) -> Result<()> {
    report.skip("boot under KVM", kvm());
    let image = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from);
    if !machine::is_root() || !image.is_some_and(|image| image.exists()) {
        report.skip(
            "boot",
            "it needs root, and a guest image named by CUTTLE_GUEST_IMAGE; ./x bench makes one",
        );
        return Ok(());
    }
    let mut cuttle = Cuttle::new()?;
    let (_, _, recipe) = cuttle.boot()?;
    let bare = Bare::new(recipe.context("the server left no trace to copy")?)?;
    let (mut through, mut by_hand, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..pairs {
        if round % 2 == 1 {
            by_hand.push(bare.boot()?);
        }
        let (cost, share, _) = cuttle.boot()?;
        through.push(cost);
        shares.push(share);
        if round % 2 == 0 {
            by_hand.push(bare.boot()?);
        }
        let (a, b) = (through[round], by_hand[round]);
        println!(
            "   pair {}: {:.2} s : {:.2} s, CPU {:.2} : {:.2}",
            round + 1,
            a.wall.as_secs_f64(),
            b.wall.as_secs_f64(),
            a.cpu_s,
            b.cpu_s
        );
    }
    let wall = |cost: &Cost| cost.wall.as_secs_f64();
    compare(report, "POST /servers → ssh banner : bare QEMU", &through, &by_hand, wall);
    compare(report, "the same in processor time of QEMU", &through, &by_hand, |cost| cost.cpu_s);
    let how = format!("{} boots, 95 % within {:.0} ms", shares.len(), quantile(&shares, 0.95));
    report.judge("request → QEMU runs", Goal::AtMost(SHARE_MS_MAX), median(&shares), "ms", &how);
    Ok(())
}

fn compare(report: &mut Report, what: &str, a: &[Cost], b: &[Cost], of: impl Fn(&Cost) -> f64) {
    let (a, b): (Vec<f64>, Vec<f64>) = (a.iter().map(&of).collect(), b.iter().map(&of).collect());
    let ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a / b).collect();
    let how = format!(
        "{} pairs, from {:.2} to {:.2}; {:.2} s : {:.2} s",
        ratios.len(),
        quantile(&ratios, 0.0),
        quantile(&ratios, 1.0),
        median(&a),
        median(&b)
    );
    report.judge(what, Goal::AtMost(RATIO_MAX), median(&ratios), "", &how);
}

fn kvm() -> &'static str {
    match hypervisor::probe_accelerator(hypervisor::AcceleratorChoice::Auto) {
        Ok((hypervisor::Accelerator::Kvm, _)) => "all boots below are under KVM",
        _ => "this machine has no KVM; the boots below are under TCG",
    }
}

/// Looks for the banner until it is there.
pub fn await_banner(namespace: &str, address: IpAddr, began: Instant) -> Result<Duration> {
    loop {
        if linux_net::ssh_banner(namespace, linux_net::BRIDGE_LINK, address, LOOK).is_some() {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < BOOT_TIME_MAX, "no ssh server answers at {address} in {namespace}");
        runtime::sleep_blocking(PAUSE);
    }
}

/// A real cloud.
struct Cuttle {
    cloud: Cloud,
    demo: Session,
    body: Json,
}

impl Cuttle {
    fn new() -> Result<Cuttle> {
        let cloud = Cloud::start(Node::Real, None)?;
        let mut demo = cloud.log_in("demo")?;
        let topology = demo.get(&format!("/network/v2.0/auto-allocated-topology/{}", demo.project))?;
        let network = topology["auto_allocated_topology"]["id"].clone();
        let images = demo.get("/image/v2/images?name=cuttle-guest")?;
        let image = images["images"][0]["id"].clone();
        ensure!(image.is_string(), "the cloud has no image cuttle-guest");
        let flavors = demo.get("/compute/v2.1/flavors")?;
        let nano = flavors["flavors"].as_array().into_iter().flatten().find(|f| f["name"] == "m1.nano");
        let flavor = nano.context("there is no flavor m1.nano")?["id"].clone();
        let body = json!({"server": {
            "name": "bench", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}],
        }});
        Ok(Cuttle { cloud, demo, body })
    }

    /// Boots a server and deletes it: what it cost, the milliseconds until QEMU ran, and how to do it by hand.
    fn boot(&mut self) -> Result<(Cost, f64, Option<Recipe>)> {
        let (began, posted_at) = (runtime::monotonic(), runtime::now());
        let made = self.demo.call("POST", "/compute/v2.1/servers", &self.body)?;
        let id = made["server"]["id"].as_str().context("no server was made")?.to_owned();
        let ports = self.demo.get(&format!("/network/v2.0/ports?device_id={id}"))?;
        let addresses = ports["ports"][0]["fixed_ips"].as_array().into_iter().flatten();
        let mut addresses = addresses.filter_map(|ip| ip["ip_address"].as_str()?.parse::<IpAddr>().ok());
        let address = addresses.find(IpAddr::is_ipv4).context("the server has no IPv4 address")?;
        let namespace = self.namespace(began)?;
        let wall = await_banner(&namespace, address, began)?;
        let run_dir = PathBuf::from(format!("/run/cuttle/cuttle-{}/vms/{id}", self.cloud.id()?));
        let pid = std::fs::read_to_string(run_dir.join("pid")).context("the VM has no pid file")?;
        let pid: u32 = pid.trim().parse().context("the VM's pid is no number")?;
        let cost = Cost { wall, cpu_s: machine::cpu_seconds(pid)? };
        let share = ms(self.started_at(&id, began)?.since(posted_at));
        let recipe = Recipe::take(pid, &id, &run_dir, self.cloud.dir(), address).map(Some)?;
        self.delete(&id)?;
        Ok((cost, share, recipe))
    }

    /// The namespace of the only network, once its document has come to the node.
    fn namespace(&self, began: Instant) -> Result<String> {
        loop {
            let networks = crate::bare::documents::<agent_api::network::Network>(self.cloud.dir(), "network");
            if let Some(network) = networks.unwrap_or_default().first() {
                return Ok(format!("{}-n{:x}", self.cloud.id()?, network.vni));
            }
            ensure!(began.elapsed() < BOOT_TIME_MAX, "no network comes to the node");
            runtime::sleep_blocking(PAUSE);
        }
    }

    /// When QEMU ran, as the server's own record says.
    fn started_at(&mut self, id: &str, began: Instant) -> Result<Timestamp> {
        let actions = format!("/compute/v2.1/servers/{id}/os-instance-actions");
        loop {
            let known = self.demo.get(&actions)?;
            let request = known["instanceActions"][0]["request_id"].as_str().unwrap_or_default().to_owned();
            let shown = self.demo.get(&format!("{actions}/{request}"))?;
            let events = shown["instanceAction"]["events"].as_array().cloned().unwrap_or_default();
            let started = events.iter().find(|event| event["event"] == "vm_started");
            if let Some(at) = started.and_then(|event| event["start_time"].as_str()) {
                return Timestamp::parse(at).map_err(|_| anyhow::anyhow!("{at} is no time"));
            }
            ensure!(began.elapsed() < BOOT_TIME_MAX, "server {id} has no event vm_started");
            runtime::sleep_blocking(POLL);
        }
    }

    fn delete(&mut self, id: &str) -> Result<()> {
        let path = format!("/compute/v2.1/servers/{id}");
        self.demo.call("DELETE", &path, &Json::Null)?;
        let (show, began) = (self.demo.request("GET", &path, ""), runtime::monotonic());
        while self.demo.ask(&show)?.status != 404 {
            ensure!(began.elapsed() < BOOT_TIME_MAX, "server {id} does not go");
            runtime::sleep_blocking(POLL);
        }
        Ok(())
    }
}
