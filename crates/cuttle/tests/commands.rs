//! The commands that a user of OpenStack types, one after the other, and what they must print.
//!
//! The same on a simulated cloud and on a real one; a real one brings probes that look at the guest in between.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::client::{Client, text};
use crate::cloud::{Cloud, wait_for};
use crate::manage;

/// What a cloud must bring for the commands.
pub struct Stage<'a> {
    pub cloud: &'a Cloud,
    pub client: Client,
    /// The image to upload and boot, in qcow2.
    pub image: PathBuf,
    /// A public key file.
    pub key: PathBuf,
    /// Looks at the cloud from inside.
    pub probe: &'a dyn Fn(&mut Client, Moment),
}

/// When the cloud may be looked at from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Server `one` is ACTIVE, with a floating IP, and boots for the first time.
    Booting,
    /// Server `one` was started or rebooted and boots again.
    BootingAgain,
    /// Volume `blank` is attached to `one` as `/dev/vdb`.
    Attached,
    /// Volume `blank` is attached to `two` as `/dev/vdb`.
    AttachedElsewhere,
}

/// What the user data says on the console of a real guest.
pub const GREETING: &str = "the user data was here";

/// Runs all commands. At the end there is what there was at the start.
pub fn run(stage: &mut Stage<'_>) {
    // A first look makes the project's default group, which stays.
    assert_eq!(stage.client.column("security group list", "Name"), ["default"]);
    let before = stage.cloud.inventory();
    identity(&mut stage.client);
    images(stage);
    limits(&mut stage.client);
    keypairs(stage);
    networks(&mut stage.client);
    security(&mut stage.client);
    auto_topology(&mut stage.client);
    servers(stage);
    floating_ip(&mut stage.client);
    (stage.probe)(&mut stage.client, Moment::Booting);
    power(stage);
    events(&mut stage.client);
    volumes(stage);
    manage::run(stage);
    floating_ip_goes(&mut stage.client);
    deletion(&mut stage.client);
    // The node may report a removal after the client was told that the object is gone.
    wait_for(|| {
        let now = stage.cloud.inventory();
        if now == before { Ok(()) } else { Err(format!("something is left: {}", difference(&before, &now))) }
    });
}

fn identity(client: &mut Client) {
    let token = client.show("token issue");
    assert!(text(&token["id"]).len() > 100 && text(&token["expires"]).ends_with("+0000"), "{token}");
    let types = client.column("catalog list", "Type");
    let wanted = ["block-storage", "compute", "identity", "image", "network", "placement", "volumev3"];
    assert!(wanted.iter().all(|name| types.iter().any(|known| known == name)), "{types:?}");
    assert_eq!(client.column("project list", "Name"), ["demo"]);
    assert!(client.fail("user list").contains("403"));
    client.as_admin(|admin| {
        let mut projects = admin.column("project list", "Name");
        projects.sort();
        assert_eq!(projects, ["admin", "demo", "service"]);
        let mut users = admin.column("user list", "Name");
        users.sort();
        assert_eq!(users, ["admin", "demo"]);
        let assignments = admin.show("role assignment list --names");
        let is_demo = |row: &&Json| row["User"] == "demo@Default";
        let demo: Vec<&Json> = assignments.as_array().unwrap().iter().filter(is_demo).collect();
        assert_eq!(demo.len(), 1, "{assignments}");
        assert_eq!(
            (text(&demo[0]["Role"]).as_str(), &demo[0]["Project"]),
            ("member", &json!("demo@Default"))
        );
    });
}

fn images(stage: &mut Stage<'_>) {
    let (client, folder) = (&mut stage.client, stage.cloud.folder());
    let file = stage.image.to_str().unwrap();
    let size = std::fs::metadata(file).unwrap().len();
    let created = client.show(&format!(
        "image create --disk-format qcow2 --container-format bare --property os_admin_user=cuttle --file {file} mine"
    ));
    assert_eq!(created["name"], "mine");
    let shown = client.show("image show mine");
    assert_eq!((&shown["status"], &shown["size"]), (&json!("active"), &json!(size)));
    assert_eq!(shown["properties"]["os_admin_user"], "cuttle");
    assert!(client.column("image list", "Name").contains(&"mine".to_owned()));
    let saved = folder.path("saved");
    client.run(&format!("image save --file {saved} mine"));
    assert!(std::fs::read(&saved).unwrap() == std::fs::read(file).unwrap(), "the image came back changed");
}

fn limits(client: &mut Client) {
    let flavors = client.column("flavor list", "Name");
    assert!(["m1.nano", "m1.large"].iter().all(|name| flavors.contains(&(*name).to_owned())), "{flavors:?}");
    let zones = client.show("availability zone list");
    let is_good = |zone: &Json| zone["Zone Name"] == "nova" && zone["Zone Status"] == "available";
    assert!(zones.as_array().is_some_and(|zones| !zones.is_empty() && zones.iter().all(is_good)), "{zones}");
    let limits = pairs(&client.show("limits show --absolute"), "Name", "Value");
    assert_eq!((&limits["total_cores"], &limits["total_cores_used"]), (&json!(20), &json!(0)));
    assert_eq!((&limits["max_total_volumes"], &limits["total_volumes_used"]), (&json!(10), &json!(0)));
    let quotas = pairs(&client.show("quota show"), "Resource", "Limit");
    for (resource, limit) in [("cores", 20), ("volumes", 10), ("networks", 100), ("key-pairs", 100)] {
        assert_eq!(quotas[resource], limit, "{resource}");
    }
    let extensions = client.column("extension list --network", "Alias");
    for name in ["router", "security-group", "auto-allocated-topology", "external-net", "subnet_allocation"] {
        assert!(extensions.contains(&name.to_owned()), "{name}: {extensions:?}");
    }
}

fn keypairs(stage: &mut Stage<'_>) {
    let client = &mut stage.client;
    client.run(&format!("keypair create --public-key {} k", stage.key.display()));
    assert_eq!(client.column("keypair list", "Name"), ["k"]);
    let private = client.run("keypair create made");
    assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"), "{private}");
    client.run("keypair delete made");
}

fn networks(client: &mut Client) {
    let network = client.show("network create n");
    assert_eq!((&network["status"], &network["mtu"]), (&json!("ACTIVE"), &json!(1450)));
    let v4 = client.show("subnet create --network n --subnet-range 10.77.0.0/24 s4");
    assert_eq!((&v4["gateway_ip"], &v4["enable_dhcp"]), (&json!("10.77.0.1"), &json!(true)));
    let v6 = client.show(
        "subnet create --network n --ip-version 6 --use-default-subnet-pool --ipv6-ra-mode slaac \
         --ipv6-address-mode slaac s6",
    );
    assert_eq!((&v6["ip_version"], &v6["ipv6_ra_mode"]), (&json!(6), &json!("slaac")));
    assert!(text(&v6["cidr"]).ends_with("/64"), "{v6}");
    assert_eq!(client.show("network show n")["subnets"].as_array().map(Vec::len), Some(2));
    client.run("router create r");
    client.run("router set --external-gateway public r");
    client.run("router add subnet r s4");
    client.run("router add subnet r s6");
    let router = client.show("router show r");
    let outside = &router["external_gateway_info"]["external_fixed_ips"];
    assert_eq!(outside.as_array().map(Vec::len), Some(2), "one address of each family: {router}");
    assert_eq!(router["interfaces_info"].as_array().map(Vec::len), Some(2), "{router}");
    assert_eq!(router["status"], "ACTIVE");
    assert_eq!(client.column("port list --router r", "ID").len(), 2);
}

fn security(client: &mut Client) {
    let group = client.show("security group create g");
    assert_eq!(group["rules"].as_array().map(Vec::len), Some(2), "all may leave, in both families: {group}");
    for family in ["IPv4", "IPv6"] {
        let rule = client
            .show(&format!("security group rule create --protocol tcp --dst-port 22 --ethertype {family} g"));
        assert_eq!((&rule["direction"], &rule["port_range_max"]), (&json!("ingress"), &json!(22)));
        assert_eq!(rule["ether_type"], family);
    }
    client.run("security group rule create --protocol icmp g");
    client.run("security group rule create --protocol ipv6-icmp --ethertype IPv6 g");
    assert_eq!(client.column("security group rule list g", "ID").len(), 6);
    let twice = client.fail("security group rule create --protocol icmp g");
    assert!(twice.contains("already exists"), "{twice}");
}

fn auto_topology(client: &mut Client) {
    let made = client.show("network auto allocated topology create");
    let again = client.show("network auto allocated topology create");
    assert_eq!(made["id"], again["id"]);
    let names = client.column("network list", "Name");
    assert!(names.contains(&"auto_allocated_network".to_owned()), "{names:?}");
}

fn servers(stage: &mut Stage<'_>) {
    let (client, folder) = (&mut stage.client, stage.cloud.folder());
    let user_data = folder.write("user-data", format!("#!/bin/sh\necho {GREETING}\n").as_bytes());
    let server = client.show(&format!(
        "server create --image mine --flavor m1.nano --network n --key-name k --security-group g \
         --user-data {user_data} --wait one"
    ));
    assert_eq!((&server["status"], &server["key_name"]), (&json!("ACTIVE"), &json!("k")));
    let addresses = server["addresses"]["n"].as_array().unwrap().clone();
    assert_eq!(addresses.len(), 2, "one of each family: {server}");
    assert!(addresses.iter().any(|address| text(address).starts_with("10.77.0.")), "{server}");
    assert!(text(&server["image"]).starts_with("mine ("), "{server}");
    assert_eq!(server["security_groups"], json!([{"name": "g"}]));
    let list = client.show("server list");
    assert_eq!((&list[0]["Name"], &list[0]["Status"]), (&json!("one"), &json!("ACTIVE")));
    assert_eq!(client.column("port list --server one", "Status"), ["ACTIVE"]);
    // A member is not told which host it is; an administrator is.
    assert_eq!(client.show("server show one")["OS-EXT-SRV-ATTR:host"], Json::Null);
    let id = text(&server["id"]);
    let seen = client.as_admin(|admin| admin.show(&format!("server show {id}")));
    assert_eq!(seen["OS-EXT-SRV-ATTR:instance_name"].as_str().map(|name| name.is_empty()), Some(false));
}

fn floating_ip(client: &mut Client) {
    let floating = client.show("floating ip create public");
    assert_eq!(floating["status"], "DOWN");
    let address = text(&floating["floating_ip_address"]);
    client.run(&format!("server add floating ip one {address}"));
    let shown = client.show("server show one");
    assert!(shown["addresses"]["n"].as_array().unwrap().contains(&json!(address)), "{shown}");
    wait_for(|| {
        let status = text(&client.show(&format!("floating ip show {address}"))["status"]);
        if status == "ACTIVE" { Ok(()) } else { Err(format!("floating IP {address} is {status}")) }
    });
}

fn floating_ip_goes(client: &mut Client) {
    let address = client.column("floating ip list", "Floating IP Address").remove(0);
    client.run(&format!("server remove floating ip one {address}"));
    let shown = client.show("server show one");
    assert!(!shown["addresses"]["n"].as_array().unwrap().contains(&json!(address)), "{shown}");
    assert_eq!(client.column("floating ip list", "Port"), ["null"]);
    client.run(&format!("floating ip delete {address}"));
    assert!(client.column("floating ip list", "ID").is_empty());
}

fn power(stage: &mut Stage<'_>) {
    let client = &mut stage.client;
    // A simulated guest says what it says at once, a real one has booted by now.
    assert!(!client.run("console log show one").trim().is_empty());
    client.run("server stop one");
    client.once("server show one", "SHUTOFF");
    client.run("server start one");
    client.once("server show one", "ACTIVE");
    (stage.probe)(client, Moment::BootingAgain);
    assert_eq!(client.run("server reboot --wait one").trim(), "Complete");
    assert_eq!(client.run("server reboot --hard --wait one").trim(), "Complete");
    let server = client.show("server show one");
    assert_eq!((&server["status"], &server["OS-EXT-STS:task_state"]), (&json!("ACTIVE"), &Json::Null));
    (stage.probe)(client, Moment::BootingAgain);
}

fn events(client: &mut Client) {
    let list = client.show("server event list one");
    let mut actions: Vec<String> = list.as_array().unwrap().iter().map(|row| text(&row["Action"])).collect();
    assert_eq!(actions, ["reboot", "reboot", "start", "stop", "create"]);
    actions.clear();
    let create = text(&list[4]["Request ID"]);
    // How a boot ended is told by the node, a moment later.
    wait_for(|| {
        let shown = client.show(&format!("server event show one {create}"));
        let events = shown["events"].as_array().unwrap().clone();
        let names: Vec<String> = events.iter().map(|event| text(&event["event"])).collect();
        let wanted = ["vm_started", "guest_dhcp_lease", "guest_ssh_banner"];
        let is_there = |name: &&str| names.iter().any(|known| known == name);
        if wanted.iter().all(is_there) { Ok(()) } else { Err(format!("only {names:?}")) }
    });
}

fn volumes(stage: &mut Stage<'_>) {
    let client = &mut stage.client;
    let volume = client.show("volume create --size 1 blank");
    assert_eq!((&volume["size"], &volume["type"]), (&json!(1), &json!("default")));
    client.run("volume create --size 1 --image mine filled");
    for (name, bootable) in [("blank", false), ("filled", true)] {
        let shown = client.once(&format!("volume show {name}"), "available");
        assert_eq!(shown["bootable"], bootable, "{shown}");
    }
    assert_eq!(client.column("volume type list", "Name"), ["default"]);
    let two = "server create --image mine --flavor m1.nano --network auto_allocated_network --key-name k --security-group g --wait two";
    assert_eq!(client.show(two)["status"], "ACTIVE");
    for (server, moment) in [("one", Moment::Attached), ("two", Moment::AttachedElsewhere)] {
        let attached = client.show(&format!("server add volume {server} blank"));
        assert_eq!(attached["Device"], "/dev/vdb");
        client.once("volume show blank", "in-use");
        let shown = client.show(&format!("server show {server}"));
        assert_eq!(shown["volumes_attached"].as_array().map(Vec::len), Some(1), "{shown}");
        let refused = client.fail("volume delete blank");
        assert!(refused.contains("blank"), "{refused}");
        (stage.probe)(client, moment);
        client.run(&format!("server remove volume {server} blank"));
        client.once("volume show blank", "available");
    }
}

fn deletion(client: &mut Client) {
    client.run("server delete --wait one two");
    assert!(client.column("server list", "ID").is_empty());
    assert!(client.fail("server show one").contains("one"));
    client.run("volume delete blank filled");
    wait_for(|| {
        let left = client.column("volume list", "Name");
        if left.is_empty() { Ok(()) } else { Err(format!("volumes {left:?} are left")) }
    });
    assert!(client.fail("network delete n").contains("409"), "a network with ports in use is kept");
    client.run("router remove subnet r s4");
    client.run("router remove subnet r s6");
    client.run("router unset --external-gateway r");
    client.run("router delete r");
    client.run("subnet delete s4 s6");
    client.run("network delete n");
    client.run("network auto allocated topology delete");
    client.run("security group delete g");
    client.run("keypair delete k");
    client.run("image delete mine");
    assert_eq!(client.column("network list", "Name"), ["public"]);
    for list in ["subnet list", "router list", "port list", "keypair list"] {
        assert_eq!(client.show(list), json!([]), "{list}");
    }
    assert!(!client.column("image list", "Name").contains(&"mine".to_owned()));
}

/// A list of names and values as a map.
fn pairs(list: &Json, key: &str, value: &str) -> BTreeMap<String, Json> {
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| (text(&row[key]), row[value].clone())).collect()
}

/// The entries that differ.
fn difference(before: &BTreeMap<String, Vec<String>>, now: &BTreeMap<String, Vec<String>>) -> String {
    let differ = now.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let lines: Vec<String> =
        differ.map(|(key, value)| format!("{key}: {:?} -> {value:?}", before.get(key))).collect();
    lines.join("; ")
}
