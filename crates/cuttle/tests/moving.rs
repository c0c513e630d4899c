//! Volumes that go from files to a real Ceph cluster and back while a real server writes to them, and processes that are
//! killed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

use crate::ceph::{Ceph, asked_for};
use crate::client::Client;
use crate::cloud::{Cloud, said, wait_for};
use crate::real::needs;

const TYPES: &str = r#"
import openstack
admin = openstack.connect(cloud="cuttle-admin")
for name in ("local", "ceph"):
    admin.block_storage.create_type(name=name, extra_specs={"volume_backend_name": name})
# One that asks for no backend may be on the default.
admin.block_storage.create_type(name="any")
"#;
/// Two at a time write blocks to places all over the disk, and tell of each before they write it and once it is written.
const WRITE: &str = r#"
rm -f /tmp/stop
write() {
    i=$1
    while [ ! -e /tmp/stop ]; do
        dd if=/dev/urandom of=/tmp/block$1 bs=64k count=1 2>/dev/null
        place=$((i % 98)) sum=$(sha256sum </tmp/block$1 | cut -c1-64)
        echo "begun $place $sum"
        dd if=/tmp/block$1 of=/dev/vdb bs=64k seek=$((place * 161)) conv=fsync,notrunc 2>/dev/null || exit 1
        echo "done $place $sum"
        i=$((i + 2))
    done
}
write 0 & write 1 & wait
"#;
/// Reads them all from the disk.
const READ: &str = r#"
echo 3 >/proc/sys/vm/drop_caches; blockdev --flushbufs /dev/vdb
for place in $(seq 0 97); do
    echo "$place $(dd if=/dev/vdb bs=64k skip=$((place * 161)) count=1 2>/dev/null | sha256sum | cut -c1-64)"
done
"#;

/// A guest that writes, and what it said of that.
struct Writing {
    log: PathBuf,
    session: Child,
}

impl Writing {
    fn start(cloud: &Cloud) -> Writing {
        let log = cloud.folder().0.join("written");
        let said = File::create(&log).unwrap();
        let mut command = cloud.command("ssh");
        command.args(["web", "--", &as_root(WRITE)]).stdout(said).stderr(Stdio::null());
        let writing = Writing { log, session: command.spawn().unwrap() };
        wait_for(|| match writing.said().0.is_empty() {
            true => Err("nothing is written yet".to_owned()),
            false => Ok(()),
        });
        writing
    }

    /// By place: what was written last, and what it may be instead, for it was begun after that.
    fn said(&self) -> (BTreeMap<String, String>, BTreeMap<String, BTreeSet<String>>) {
        let (mut done, mut maybe) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for line in std::fs::read_to_string(&self.log).unwrap().lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["begun", place, sum] => {
                    maybe.entry((*place).to_owned()).or_default().insert((*sum).to_owned());
                }
                ["done", place, sum] => {
                    maybe.insert((*place).to_owned(), [(*sum).to_owned()].into());
                    done.insert((*place).to_owned(), (*sum).to_owned());
                }
                _ => {}
            }
        }
        (done, maybe)
    }

    fn stop(mut self, cloud: &Cloud) {
        cloud.run("ssh", &["web", "--", "touch /tmp/stop"]);
        assert!(self.session.wait().unwrap().success(), "the guest could not write");
        self.check(cloud);
    }

    /// The guest went with its QEMU.
    fn interrupted(mut self, cloud: &Cloud) {
        self.session.kill().unwrap();
        self.session.wait().unwrap();
        wait_for(|| {
            let greeted = cloud.ask("ssh", &["web", "--", "true"]);
            if greeted.status.success() { Ok(()) } else { Err(said(&greeted)) }
        });
        self.check(cloud);
    }

    /// No byte is lost that the guest was told is written.
    fn check(&self, cloud: &Cloud) {
        let read = cloud.run("ssh", &["web", "--", &as_root(READ)]);
        let read: BTreeMap<&str, &str> = read.lines().filter_map(|line| line.split_once(' ')).collect();
        let (done, maybe) = self.said();
        let lost: Vec<&String> =
            done.keys().filter(|place| !maybe[*place].contains(read[place.as_str()])).collect();
        println!("{} places were written to", done.len());
        assert!(lost.is_empty(), "lost: {lost:?}");
    }
}

fn as_root(script: &str) -> String {
    format!("sudo sh -c '{}'", script.replace('\'', r"'\''"))
}

struct World {
    ceph: Ceph,
    cloud: Cloud,
    client: Client,
    volume: String,
}

impl World {
    fn start() -> Option<World> {
        let (xtask, guest) = match asked_for() {
            Ok(paths) => paths,
            Err(why) => {
                println!("skipped: a_volume_moves_while_its_server_writes_to_it: {why}");
                return None;
            }
        };
        let (openstack, _) = needs().unwrap();
        let ceph = Ceph::start(xtask);
        let cloud = ceph.cloud(&guest);
        let made = cloud.python(&openstack, TYPES);
        assert!(made.status.success(), "{}", said(&made));
        let mut client = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
        client.run("volume create --type local --size 1 data");
        let volume = client.once("volume show data", "available")["id"].as_str().unwrap().to_owned();
        cloud.run("launch", &["web", "--wait", "ssh"]);
        client.run("server add volume web data");
        client.once("volume show data", "in-use");
        let fill = "while [ ! -b /dev/vdb ]; do sleep 0.1; done; dd if=/dev/urandom of=/dev/vdb bs=1M count=400 conv=fsync";
        cloud.run("ssh", &["web", "--", &as_root(fill)]);
        Some(World { ceph, cloud, client, volume })
    }

    fn retype(&mut self, kind: &str) {
        self.client.run(&format!("volume set --type {kind} --migration-policy on-demand data"));
    }

    /// How the move ended: the type that the volume has then. Soon after nothing is left where it is not.
    fn settled(&mut self) -> Json {
        let shown = self.client.once("volume show data", "in-use");
        let is_in_files = shown["type"] == "local";
        let decided = self.cloud.dir().join("agent/moved");
        wait_for(|| {
            let there = (self.has_files(), self.has_image());
            let decided = std::fs::read_dir(&decided).unwrap().count();
            let expected = (is_in_files, !is_in_files);
            if there == expected && decided == 0 {
                Ok(())
            } else {
                Err(format!("{there:?}, {decided} decided"))
            }
        });
        shown["type"].clone()
    }

    /// Waits until something is where the volume goes.
    fn until_begun(&self, is_there: impl Fn(&World) -> bool) {
        wait_for(|| if is_there(self) { Ok(()) } else { Err("nothing is there".to_owned()) });
    }

    fn has_files(&self) -> bool {
        self.cloud.dir().join("volumes").join(&self.volume).exists()
    }

    fn has_image(&self) -> bool {
        let name =
            format!("rbd:volumes/volume-{}:id=cuttle:conf={}", self.volume, self.ceph.conf().display());
        let mut command = Command::new("qemu-img");
        let output = command.args(["info", "-U", &name]).envs(self.ceph.variables()).output().unwrap();
        assert!(output.status.success() || said(&output).contains("No such file"), "{}", said(&output));
        output.status.success()
    }

    fn kill_agent(&self) {
        let known = std::fs::read(self.run_dir().join("agent.pid")).unwrap();
        let known: Json = serde_json::from_slice(&known).unwrap();
        kill(pid(&known["pid"]), Signal::SIGKILL).unwrap();
    }

    fn kill_qemu(&self) {
        let vms = self.run_dir().join("vms");
        let vm = std::fs::read_dir(vms).unwrap().next().unwrap().unwrap().path();
        let process: Json = serde_json::from_slice(&std::fs::read(vm.join("process.json")).unwrap()).unwrap();
        kill(pid(&process["pid"]), Signal::SIGKILL).unwrap();
    }

    fn run_dir(&self) -> PathBuf {
        Path::new("/run/cuttle").join(format!("cuttle-{}", self.cloud.id()))
    }
}

fn pid(number: &Json) -> Pid {
    Pid::from_raw(number.as_i64().unwrap().try_into().unwrap())
}

#[test]
fn a_volume_moves_while_its_server_writes_to_it() {
    let Some(mut world) = World::start() else { return };
    let writing = Writing::start(&world.cloud);
    world.retype("ceph");
    // The next agent goes on with what it finds.
    world.until_begun(World::has_image);
    world.kill_agent();
    assert_eq!(world.settled(), "ceph");
    writing.stop(&world.cloud);

    let writing = Writing::start(&world.cloud);
    world.retype("local");
    world.until_begun(World::has_files);
    world.kill_qemu();
    world.client.once("server show web", "SHUTOFF");
    let there = world.settled();
    println!("its QEMU was killed when the volume was {there}");
    world.client.run("server start web");
    writing.interrupted(&world.cloud);

    // An operator moves it, too.
    let writing = Writing::start(&world.cloud);
    if there == "ceph" {
        world.retype("local");
        assert_eq!(world.settled(), "local");
    }
    // Its layers are as those of a volume that was always there.
    world.client.run("--os-volume-api-version 3.66 volume snapshot create --volume data moment");
    world.client.once("volume snapshot show moment", "available");
    world.client.run("volume snapshot delete moment");
    world.client.until_gone("volume snapshot list", "moment");
    world.client.run("volume set --type any data");
    let id = world.volume.clone();
    world.client.as_admin(|admin| {
        let pools = admin.column("volume backend pool list", "Name");
        let pool = pools.iter().find(|name| name.ends_with("@ceph#ceph")).unwrap();
        admin.run(&format!("volume migrate --lock-volume --host {pool} {id}"));
        assert_eq!(admin.show(&format!("volume show {id}"))["status"], "maintenance");
    });
    assert_eq!(world.settled(), "any");
    writing.stop(&world.cloud);
    world.client.run("server delete --wait web");
    world.client.once("volume show data", "available");
    world.client.run("volume delete data");
    world.client.until_gone("volume list", "data");
    wait_for(|| match (world.has_files(), world.has_image()) {
        (false, false) => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert!(world.cloud.inventory()["block_storage_migrations"].is_empty());
}
