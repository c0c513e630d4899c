//! The commands on a real cloud, with guests that QEMU runs, looked at from inside between the commands.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::client::{Client, openstack, text};
use crate::cloud::{Cloud, said, wait_for};
use crate::commands::{self, GREETING, Moment, Stage};

/// What is written to the volume in one guest and read in the other.
const MARK: &str = "written on one, read on two";

#[test]
fn every_command_works_on_a_real_cloud() {
    let (openstack, guest) = match needs() {
        Ok(paths) => paths,
        Err(why) => return println!("skipped: every_command_works_on_a_real_cloud: {why}"),
    };
    let cloud = Cloud::real(&guest);
    let key = cloud.folder().path("key");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let client = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
    let probe = |client: &mut Client, moment: Moment| look(&cloud, client, &key, moment);
    let key = PathBuf::from(format!("{key}.pub"));
    let mut stage = Stage { cloud: &cloud, client, image: guest, key, probe: &probe };
    commands::run(&mut stage);
    everyday_verbs(&cloud);
    goes_without_trace(&cloud);
}

pub fn needs() -> Result<(PathBuf, PathBuf), &'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root");
    }
    if std::env::var_os("CUTTLE_TEST_HOST").is_none() {
        return Err("boots servers; asked for by --host");
    }
    let guest = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from).filter(|path| path.exists());
    let guest = guest.ok_or("there is no guest image; ./x test makes one")?;
    if Command::new("qemu-system-x86_64").arg("--version").output().is_err() {
        return Err("there is no QEMU");
    }
    Ok((openstack()?, guest))
}

/// Runs a command in a guest as soon as its ssh server answers.
fn ssh(cloud: &Cloud, key: &str, server: &str, family: &str, command: &str) -> String {
    wait_for(|| {
        let arguments = [family, "-i", key, server, "--", command];
        let output = cloud.ask("ssh", &arguments);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("cuttle ssh {}: {}", arguments.join(" "), said(&output)))
    })
}

fn look(cloud: &Cloud, client: &mut Client, key: &str, moment: Moment) {
    match moment {
        Moment::Booting => {
            configured_as_told(cloud, client, key);
            let console = wait_for(|| {
                let console = client.run("console log show one");
                if console.contains("user data has run") { Ok(console) } else { Err(console) }
            });
            assert!(console.contains(&format!("user-data: {GREETING}")), "{console}");
        }
        Moment::BootingAgain => {
            assert_eq!(ssh(cloud, key, "one", "-4", "hostname").trim(), "one");
        }
        Moment::Attached => {
            let write = format!(
                "echo '{MARK}' | sudo dd of=/dev/vdb conv=fsync 2>/dev/null; sudo blockdev --getsize64 /dev/vdb"
            );
            assert_eq!(ssh(cloud, key, "one", "-6", &write).trim(), (1_u64 << 30).to_string());
        }
        Moment::AttachedElsewhere => {
            let read = ssh(cloud, key, "two", "-6", "sudo head -n 1 /dev/vdb");
            assert_eq!(read.trim(), MARK);
        }
    }
}

/// The guest has exactly the addresses that the API says, and both are reached from outside.
fn configured_as_told(cloud: &Cloud, client: &mut Client, key: &str) {
    let server = client.show("server show one");
    let fixed: Vec<String> = server["addresses"]["n"].as_array().unwrap().iter().map(text).collect();
    let v4 = ssh(cloud, key, "one", "-4", "ip -o -4 addr show scope global");
    let v6 = ssh(cloud, key, "one", "-6", "ip -o -6 addr show scope global");
    let inside = fixed.iter().find(|address| address.starts_with("10.77.0.")).unwrap();
    let global = fixed.iter().find(|address| address.contains(':')).unwrap();
    assert!(v4.contains(&format!(" {inside}/24 ")), "{inside} in {v4}");
    assert!(v6.contains(&format!(" {global}/64 ")), "{global} in {v6}");
    let stranger = cloud.ask("ssh", &["-4", "-i", key, "-l", "root", "one", "--", "true"]);
    assert!(!stranger.status.success(), "key login is for the image's own user");
}

fn everyday_verbs(cloud: &Cloud) {
    let launched = cloud.run("launch", &["web", "--wait", "ssh"]);
    assert!(launched.contains("guest ssh banner") && launched.contains("floating"), "{launched}");
    let hello = cloud.run("ssh", &["web", "--", "uname -n; id -un"]);
    assert_eq!(hello, "web\ncuttle\n");
    let console = cloud.run("console", &["--log", "web"]);
    assert!(console.contains("BEGIN SSH HOST KEY KEYS") && console.contains("login:"), "{console}");
    let status = cloud.run("status", &["web"]);
    assert!(status.starts_with("web is ACTIVE\n") && status.contains("floating"), "{status}");
    assert!(status.contains("guest dhcp lease"), "{status}");
    let whole = cloud.run("status", &[]);
    assert!(whole.contains("(real)") && whole.contains("is up, QEMU") && whole.contains("web"), "{whole}");
    let address = launched.lines().find(|line| line.contains("floating")).unwrap();
    let address = address.split_whitespace().nth(1).unwrap();
    let ping = cloud.run("exec", &["--", "ping", "-c", "1", "-W", "5", address]);
    assert!(ping.contains("1 received"), "{ping}");
    // The API answers inside under the address it has outside.
    let health = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())";
    let health = cloud.run("exec", &["--", "python3", "-c", health, &format!("{}/healthz", cloud.endpoint)]);
    let health: Json = serde_json::from_str(&health).unwrap();
    assert_eq!(health["hosts_up"], 1, "{health}");
    let doctor = cloud.ask("doctor", &[]);
    assert!(said(&doctor).contains("ok    QEMU: version"), "{}", said(&doctor));
    assert!(!said(&doctor).contains("BAD   leftovers"), "{}", said(&doctor));
    let twice = cloud.ask("up", &["--listen", "127.0.0.1:0"]);
    assert!(said(&twice).contains("another `cuttle up` runs on"), "{}", said(&twice));
}

fn goes_without_trace(cloud: &Cloud) {
    let (id, dir) = (cloud.id(), cloud.dir());
    let run = PathBuf::from(format!("/run/cuttle/cuttle-{id}"));
    assert!(run.exists() && !cloud.namespaces().is_empty() && !processes(&dir, &run).is_empty());
    cloud.run("down", &["--purge"]);
    assert!(!dir.exists() && !run.exists());
    let left = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let left: Vec<_> =
        left.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().contains(&id)).collect();
    assert!(left.is_empty(), "{left:?}");
    let left = processes(&dir, &run);
    assert!(left.is_empty(), "{left:?}");
}

/// The command lines of processes that name one of the cloud's folders.
fn processes(dir: &Path, run: &Path) -> Vec<String> {
    let names = [dir.display().to_string(), run.display().to_string()];
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| names.iter().any(|name| line.contains(name))).collect()
}
