//! A guest without a guest: a namespace behind the tap of a server whose QEMU was killed. The tap, its port and its
//! rules are the agent's; what the test sends is what a guest could send.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use linux_net::{Cloud as CloudId, Netns, PacketSocket, tap_name};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use types::PortId;

use super::cloud::{Cloud, Who, text, wait};

/// What virtio's header on a tap is long.
const VNET_HEADER_LEN: usize = 10;
const FRAME_LEN_MAX: usize = 65_550;
/// How long to wait for what should not come.
pub const NEVER: Duration = Duration::from_millis(500);

pub struct Guest {
    pub netns: Arc<Netns>,
    pub mac: [u8; 6],
    pub address: String,
    tap: Arc<File>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = linux_net::remove_namespace(self.netns.name());
    }
}

fn ip(command: &str) {
    let output = Command::new("ip").args(command.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {command}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Guest {
    /// Takes the place of a server's QEMU on its tap.
    pub fn replace(cloud: &Cloud, who: Who, server: &str, gateway: &str) -> Guest {
        kill(Pid::from_raw(cloud.vms()[server]), Signal::SIGKILL).unwrap();
        let path = format!("/compute/v2.1/servers/{server}");
        wait("the server is off", super::cloud::LONG, || {
            let server = cloud.must(who, "GET", &path, None)["server"].clone();
            (server["status"] == "SHUTOFF").then_some(())
        });
        let ports = cloud.must(who, "GET", &format!("/network/v2.0/ports?device_id={server}"), None);
        let port = &ports["ports"][0];
        let network = format!("/network/v2.0/networks/{}", text(&port["network_id"]));
        let vni = &cloud.must(Who::Admin, "GET", &network, None)["network"]["provider:segmentation_id"];
        let id: CloudId = cloud.id.parse().unwrap();
        let namespace = Netns::open(&id.network_namespace(vni.as_u64().unwrap().try_into().unwrap()));
        let link = tap_name(text(&port["id"]).parse::<PortId>().unwrap());
        let tap = linux_net::open_tap(&namespace.unwrap().unwrap(), &link).unwrap();
        let (mac, address) = (text(&port["mac_address"]), text(&port["fixed_ips"][0]["ip_address"]));
        let guest = Guest {
            netns: Arc::new(Netns::ensure(&format!("sv{:08x}", runtime::random_u64() >> 32)).unwrap()),
            mac: mac.parse::<types::MacAddr>().unwrap().0,
            address,
            tap: Arc::new(tap.into()),
        };
        guest.plug_in(&mac, gateway);
        guest
    }

    fn plug_in(&self, mac: &str, gateway: &str) {
        let name = self.netns.name();
        ip(&format!("-n {name} link add eth0 address {mac} mtu 1400 type veth peer name wire mtu 1400"));
        ip(&format!("-n {name} link set eth0 up"));
        ip(&format!("-n {name} link set wire up"));
        ip(&format!("-n {name} addr add {}/24 dev eth0", self.address));
        ip(&format!("-n {name} route add default via {gateway}"));
        ip(&format!("-n {name} route add 169.254.169.254 dev eth0"));
        let wire = Arc::new(PacketSocket::open(&self.netns, "wire").unwrap());
        let (out, tap) = (wire.clone(), self.tap.clone());
        // Both threads end with the test's process; they hold nothing that outlives it.
        runtime::spawn_thread("guest-out", move || {
            while let Ok(frame) = out.receive(Duration::from_secs(3600)) {
                if let Some(mut frame) = frame {
                    complete_checksum(&mut frame);
                    let _ = send(&tap, &frame);
                }
            }
        })
        .unwrap();
        let tap = self.tap.clone();
        runtime::spawn_thread("guest-in", move || {
            let mut buffer = vec![0; FRAME_LEN_MAX];
            while let Ok(len) = (&*tap).read(&mut buffer) {
                if len > VNET_HEADER_LEN {
                    let _ = wire.send(&buffer[VNET_HEADER_LEN..len]);
                }
            }
        })
        .unwrap();
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: &[u8]) {
        send(&self.tap, frame).unwrap();
    }

    /// Whether a ping is answered.
    pub fn reaches(&self, address: &str) -> bool {
        let ping = || Command::new("ping").args(["-n", "-q", "-c2", "-W1", address]).output().unwrap();
        self.netns.run(ping).unwrap().status.success()
    }

    /// Whether a connection is made.
    pub fn connects(&self, address: &str, port: u16) -> bool {
        let to = SocketAddr::new(address.parse::<IpAddr>().unwrap(), port);
        self.netns.run(|| TcpStream::connect_timeout(&to, NEVER)).unwrap().is_ok()
    }

    /// Everything that comes to the guest.
    pub fn listen(&self) -> PacketSocket {
        PacketSocket::open(&self.netns, "eth0").unwrap()
    }
}

fn send(mut tap: &File, frame: &[u8]) -> std::io::Result<()> {
    tap.write_all(&[&[0; VNET_HEADER_LEN], frame].concat())
}

pub fn checksum(bytes: &[u8]) -> [u8; 2] {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}

/// A pair of virtual links leaves the sums of TCP and UDP over IPv4 to a card that is not there.
fn complete_checksum(frame: &mut [u8]) {
    let is_v4 = frame.len() > 34 && frame[12..14] == [8, 0];
    if !is_v4 {
        return;
    }
    let header = usize::from(frame[14] & 15) * 4;
    let len = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let (protocol, start) = (frame[23], 14 + header);
    let at = match protocol {
        6 => start + 16,
        17 => start + 6,
        _ => return,
    };
    let Some(end) = (14 + len <= frame.len() && at + 2 <= 14 + len).then_some(14 + len) else { return };
    frame[at..at + 2].fill(0);
    let mut pseudo = frame[26..34].to_vec();
    pseudo.extend([0, protocol]);
    pseudo.extend(u16::try_from(end - start).unwrap().to_be_bytes());
    pseudo.extend(&frame[start..end]);
    let sum = checksum(&pseudo);
    frame[at..at + 2].copy_from_slice(&sum);
}

/// A network with a subnet, behind a router with the external network; and a server in it.
pub fn tenant(cloud: &Cloud, who: Who, image: &str, servers: usize) -> Vec<String> {
    let post = |path: &str, body: serde_json::Value| cloud.must(who, "POST", path, Some(&body));
    let network = post("/network/v2.0/networks", json!({"network": {"name": "same"}}));
    let network = text(&network["network"]["id"]);
    let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.77.0.0/24"}});
    let subnet = post("/network/v2.0/subnets", subnet)["subnet"]["id"].clone();
    let public = cloud.must(who, "GET", "/network/v2.0/networks?router:external=true", None);
    let gateway = json!({"network_id": public["networks"][0]["id"]});
    let router =
        post("/network/v2.0/routers", json!({"router": {"name": "r", "external_gateway_info": gateway}}));
    let path = format!("/network/v2.0/routers/{}/add_router_interface", text(&router["router"]["id"]));
    cloud.must(who, "PUT", &path, Some(&json!({"subnet_id": subnet})));
    let groups = cloud.must(who, "GET", "/network/v2.0/security-groups?name=default", None);
    let own =
        groups["security_groups"].as_array().unwrap().iter().find(|g| g["tenant_id"] == cloud.project(who));
    let group = own.unwrap()["id"].clone();
    for family in ["IPv4", "IPv6"] {
        let rule = json!({"security_group_id": group, "direction": "ingress", "ethertype": family, "remote_ip_prefix": null});
        let rule = json!({"security_group_rule": rule});
        let (status, said) =
            cloud.ask(who, "POST", "/network/v2.0/security-group-rules", Some(&rule)).unwrap();
        assert!(matches!(status, 201 | 409), "{said}");
    }
    let make = |n: usize| {
        let body = cloud.server_body(&format!("g{n}"), image, &network);
        text(&post("/compute/v2.1/servers", body)["server"]["id"])
    };
    (0..servers).map(make).collect()
}
