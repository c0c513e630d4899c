//! Whether this host can do what the data plane asks of it.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use types::MacAddr;

use crate::cloud::Cloud;
use crate::error::{Doing, Error, Result};
use crate::netlink::{NewLink, Route};
use crate::netns::{Netns, remove_namespace};
use crate::network::remove_links;
use crate::nft;
use crate::packet::{PacketSocket, udp};
use crate::sysctl;

const SWITCHES: [&str; 3] =
    ["bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables", "bridge/bridge-nf-call-arptables"];
const FORBIDDEN_PORT: u16 = 9;
const ALLOWED_PORT: u16 = 10;
const ARRIVAL: Duration = Duration::from_secs(2);
const CARRIER_MS_MAX: u64 = 2000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// What `nft --version` says.
    pub nft: String,
    /// Whether packets that cross a bridge inside a namespace pass that namespace's own filter. Without it security
    /// groups refuse answers too: they fail closed, and no network works.
    pub bridge_filter: bool,
}

/// Loads br_netfilter where it is a module that is not loaded, and then switches it off again for the host's own
/// bridges. Where it is loaded or built in already nothing is touched. Says whether it was loaded.
pub fn ensure_bridge_filter() -> Result<bool> {
    let root = Path::new("/proc/sys/net");
    if SWITCHES.iter().any(|switch| root.join(switch).exists()) {
        return Ok(false);
    }
    let act = || "load the module br_netfilter";
    let output = Command::new("modprobe").arg("br_netfilter").stdin(Stdio::null()).output().doing(act)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::unfit(act(), said));
    }
    for switch in SWITCHES {
        fs::write(root.join(switch), "0").doing(|| format!("set {switch} back to 0"))?;
    }
    Ok(true)
}

/// Tries out, in a namespace of its own, what the security groups rest on.
pub fn probe(cloud: Cloud) -> Result<Probed> {
    let nft = nft::probe_version()?;
    let name = format!("{cloud}-probe");
    let netns = Netns::ensure(&name)?;
    let bridge_filter = filters_bridges(&netns);
    if let Ok(mut route) = Route::open(&netns) {
        remove_links(&mut route)?;
    }
    remove_namespace(&name)?;
    Ok(Probed { nft, bridge_filter: bridge_filter? })
}

/// Sends two datagrams through a bridge: one that a rule forbids, then one that is allowed. When the second arrives
/// the first has arrived or never will.
fn filters_bridges(netns: &Netns) -> Result<bool> {
    if !sysctl::exists(netns, SWITCHES[0])? {
        return Ok(false);
    }
    sysctl::set(netns, &[(SWITCHES[0], "1")])?;
    let rules = format!(
        "add table inet probe\nadd chain inet probe forward {{ type filter hook forward priority 0; }}\n\
         add rule inet probe forward udp dport {FORBIDDEN_PORT} drop\n"
    );
    nft::load(netns, &rules)?;
    let mut route = Route::open(netns)?;
    let (left, right) = (MacAddr::openstack(1), MacAddr::openstack(2));
    route.add_link(&NewLink::Bridge { name: "br0", mac: None, mtu: 1500 })?;
    route.configure("br0", 1500, None, true)?;
    let bridge = route.existing_link("br0")?.index;
    for (near, far, mac) in [("a0", "a1", left), ("b0", "b1", right)] {
        use std::os::fd::AsFd;
        let into = netns.as_fd();
        route.add_link(&NewLink::Veth { name: near, mac: Some(mac), peer: far, peer_mac: None, into })?;
        route.configure(far, 1500, Some(bridge), true)?;
        route.configure(near, 1500, None, true)?;
    }
    await_carrier(&mut route)?;
    let (sender, receiver) = (PacketSocket::open(netns, "a0")?, PacketSocket::open(netns, "b0")?);
    let frame = |port| udp((left, right), Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2), port);
    let act = || format!("send through a bridge in {}", netns.name());
    sender.send(&frame(FORBIDDEN_PORT)).doing(act)?;
    sender.send(&frame(ALLOWED_PORT)).doing(act)?;
    let mut leaked = false;
    while let Some(seen) = receiver.receive(ARRIVAL).doing(act)? {
        leaked |= seen == frame(FORBIDDEN_PORT);
        if seen == frame(ALLOWED_PORT) {
            return Ok(!leaked);
        }
    }
    Err(io::Error::from(io::ErrorKind::TimedOut)).doing(act)
}

fn await_carrier(route: &mut Route) -> Result<()> {
    for _ in 0..CARRIER_MS_MAX {
        if route.links()?.iter().filter(|link| link.name != "lo").all(|link| link.running) {
            break;
        }
        runtime::sleep_blocking(Duration::from_millis(1));
    }
    Ok(())
}
