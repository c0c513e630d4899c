//! Debian with cloud-init, as users bring it along: it finds itself by the metadata service and by a config drive.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::client::{Client, text};
use crate::cloud::{Cloud, said, wait_long_for};
use crate::real::needs;

/// systemd, cloud-init and their Python take minutes where processors are emulated.
const PATIENCE: Duration = Duration::from_secs(1200);
const USER_DATA: &[u8] = b"#cloud-config\nwrite_files:\n  - {path: /etc/told, content: by user data}\n";
/// What is looked at in the guest, a line each.
const LOOK: &str = "cloud-init status --wait >/dev/null; hostname; id -un; sudo -n id -un; cat /etc/told; echo; cloud-id; \
                    df --output=size -BM / | tail -n 1; ip -o addr show scope global";

#[test]
fn a_debian_cloud_image_finds_itself() {
    let (openstack, guest, debian) = match needs().and_then(|(client, guest)| Ok((client, guest, image()?))) {
        Ok(paths) => paths,
        Err(why) => return println!("skipped: a_debian_cloud_image_finds_itself: {why}"),
    };
    let cloud = Cloud::real(&guest);
    let key = cloud.folder().path("key");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let mut client = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
    prepare(&mut client, &debian, &key);
    let told = cloud.folder().write("told", USER_DATA);
    for (name, how) in [("by-service", ""), ("by-drive", "--config-drive True")] {
        client.run(&format!(
            "server create {how} --image debian --flavor m1.small --network auto_allocated_network --key-name k \
             --user-data {told} --wait {name}"
        ));
        finds_itself(&cloud, &mut client, &key, name);
        client.run(&format!("server delete --wait {name}"));
    }
}

fn image() -> Result<PathBuf, &'static str> {
    if std::env::var_os("CUTTLE_TEST_ALL").is_none() {
        return Err("boots systemd and cloud-init, which takes minutes; asked for by --all");
    }
    let image = std::env::var_os("CUTTLE_DEBIAN_IMAGE").map(PathBuf::from).filter(|path| path.exists());
    image.ok_or("there is no image; guest/debian makes one, for CUTTLE_DEBIAN_IMAGE")
}

fn prepare(client: &mut Client, debian: &Path, key: &str) {
    client.run(&format!(
        "image create --disk-format qcow2 --container-format bare --property os_admin_user=debian --file {} debian",
        debian.display()
    ));
    client.run(&format!("keypair create --public-key {key}.pub k"));
    client.run("network auto allocated topology create --or-show");
    for family in ["IPv4", "IPv6"] {
        client.run(&format!(
            "security group rule create --ethertype {family} --protocol tcp --dst-port 22 default"
        ));
    }
}

/// The guest has the name, the addresses, the key and the user data that the API says, and all of its disk.
fn finds_itself(cloud: &Cloud, client: &mut Client, key: &str, name: &str) {
    let looked = wait_long_for(PATIENCE, || {
        let output = cloud.ask("ssh", &["-6", "-i", key, name, "--", LOOK]);
        if output.status.success() { Ok(said(&output)) } else { Err(said(&output)) }
    });
    let mut lines = looked.lines();
    let mut next = || lines.next().unwrap_or_default().trim().to_owned();
    assert_eq!([next(), next(), next(), next()], [name, "debian", "root", "by user data"], "{looked}");
    let source = if name == "by-drive" { "configdrive" } else { "openstack" };
    assert_eq!(next(), source, "{looked}");
    let size_mib: u64 = next().trim_end_matches('M').parse().unwrap();
    assert!(size_mib > 15_000, "the root did not grow: {looked}");
    let server = client.show(&format!("server show {name}"));
    let fixed = server["addresses"]["auto_allocated_network"].as_array().unwrap();
    assert!(fixed.len() >= 2, "{fixed:?}");
    for address in fixed.iter().map(text) {
        assert!(looked.contains(&format!(" {address}/")), "{address} in {looked}");
    }
}
