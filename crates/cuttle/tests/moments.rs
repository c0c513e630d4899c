//! Snapshots of a group that are to be of one moment, of volumes that a real server writes to.

use std::path::Path;
use std::process::Stdio;

use crate::ceph::{Ceph, asked_for};
use crate::client::Client;
use crate::cloud::{Cloud, said, wait_for};
use crate::real::needs;

const MOMENTS: usize = 3;
const PREPARE: &str = r#"
specs = {"consistent_group_snapshot_enabled": "<is> True"}
group_type = post(admin, "group_types", "group_type", {"name": "moment", "group_specs": specs})
name = "NAME"
if name == "default":
    kind = get("types/default")["volume_type"]["id"]
else:
    kind = admin.block_storage.create_type(name=name, extra_specs={"volume_backend_name": name}).id
group = post(demo, "groups", "group", {"name": "both", "group_type": group_type, "volume_types": [kind]})
wait("groups", "group", group)
for name in ("left", "right"):
    made = post(demo, "volumes", "volume", {"name": name, "size": 1, "volume_type": kind, "group_id": group})
    wait("volumes", "volume", made)
"#;
const SNAPSHOT: &str = r#"
group = get("groups")["groups"][0]["id"]
made = post(demo, "group_snapshots", "group_snapshot", {"group_id": group, "name": "moment"})
wait("group_snapshots", "group_snapshot", made)
names = {volume["id"]: volume["name"] for volume in get("volumes")["volumes"]}
for part in get("snapshots/detail")["snapshots"]:
    if part["group_snapshot_id"] == made:
        name = names[part["volume_id"]] + "-of-N"
        wait("volumes", "volume", post(demo, "volumes", "volume", {"snapshot_id": part["id"], "name": name}))
"#;
const TOOLS: &str = r#"
import openstack, time
admin, demo = openstack.connect(cloud="cuttle-admin"), openstack.connect(cloud="cuttle")
def answered(answer):
    assert answer.status_code < 300, answer.text
    return answer.json()
def post(who, path, key, what):
    made = who.block_storage.post("/" + path, json={key: what}, microversion="3.71")
    return answered(made)[key]["id"]
def get(path):
    return answered(demo.block_storage.get("/" + path, microversion="3.71"))
def wait(path, key, id):
    for _ in range(600):
        status = get(f"{path}/{id}")[key]["status"]
        if status == "available":
            return
        assert status == "creating", status
        time.sleep(0.1)
    raise TimeoutError(f"{path}/{id}")
"#;
/// Numbers that are written to the first disk and then to the second, each there for good before the next is.
const WRITE: &str = r#"
n=0
while [ ! -e /tmp/stop ]; do
    n=$((n + 1))
    for disk in vdb vdc; do
        printf "%-512s" $n | dd of=/dev/$disk bs=512 count=1 conv=fsync,notrunc 2>/dev/null || exit 1
    done
    [ $n = 5 ] && echo begun
done
echo "wrote $n"
"#;

fn as_root(script: &str) -> String {
    format!("sudo sh -c '{}'", script.replace('\'', r"'\''"))
}

/// A server writes to both volumes of a group while snapshots are made of it: the first is never behind, and never by more than
/// one ahead.
fn check(cloud: &Cloud, openstack: &Path, volume_type: &str) {
    let python = |script: &str| {
        let done = cloud.python(openstack, &format!("{TOOLS}{script}"));
        assert!(done.status.success(), "{}", said(&done));
    };
    python(&PREPARE.replace("NAME", volume_type));
    let mut client = Client::start(openstack, &cloud.dir().join("clouds.yaml"));
    cloud.run("launch", &["web", "--wait", "ssh"]);
    for name in ["left", "right"] {
        client.run(&format!("server add volume web {name}"));
        client.once(&format!("volume show {name}"), "in-use");
    }
    let ssh = |script: &str| cloud.run("ssh", &["web", "--", &as_root(script)]);
    ssh("while [ ! -b /dev/vdb ] || [ ! -b /dev/vdc ]; do sleep 0.1; done");
    let mut command = cloud.command("ssh");
    command.args(["web", "--", &as_root(WRITE)]).stdout(Stdio::piped()).stderr(Stdio::null());
    let writing = command.spawn().unwrap();
    wait_for(|| match ssh("head -c 512 /dev/vdc").trim().parse::<u64>() {
        Ok(number) if number >= 5 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    for moment in 0..MOMENTS {
        python(&SNAPSHOT.replace("of-N", &format!("of-{moment}")));
    }
    ssh("touch /tmp/stop");
    let written = writing.wait_with_output().unwrap();
    assert!(written.status.success());
    let written = String::from_utf8_lossy(&written.stdout).into_owned();
    let mut moments = Vec::new();
    for moment in 0..MOMENTS {
        let numbers: Vec<u64> = ["left", "right"]
            .into_iter()
            .map(|name| {
                client.run(&format!("server add volume web {name}-of-{moment}"));
                client.once(&format!("volume show {name}-of-{moment}"), "in-use");
                let number = ssh(
                    "while [ ! -b /dev/vdd ]; do sleep 0.1; done; echo 3 >/proc/sys/vm/drop_caches; head -c 512 /dev/vdd",
                );
                client.run(&format!("server remove volume web {name}-of-{moment}"));
                client.once(&format!("volume show {name}-of-{moment}"), "available");
                ssh("while [ -b /dev/vdd ]; do sleep 0.1; done");
                number.trim().parse().unwrap()
            })
            .collect();
        moments.push((numbers[0], numbers[1]));
    }
    println!("{written}; the moments have {moments:?}");
    let is_one_moment = |(left, right): &(u64, u64)| left == right || *left == right + 1;
    assert!(moments.iter().all(is_one_moment), "{moments:?}");
    assert!(moments.is_sorted() && moments[0].0 >= 5, "{moments:?}");
    assert_eq!(client.show("server show web")["status"], "ACTIVE");
    client.run("server delete --wait web");
}

#[test]
fn snapshots_of_a_group_are_of_one_moment() {
    let (openstack, guest) = match needs() {
        Ok(paths) => paths,
        Err(why) => return println!("skipped: snapshots_of_a_group_are_of_one_moment: {why}"),
    };
    check(&Cloud::real(&guest), &openstack, "default");
}

#[test]
fn snapshots_of_a_group_on_ceph_are_of_one_moment() {
    let (xtask, guest) = match asked_for() {
        Ok(paths) => paths,
        Err(why) => return println!("skipped: snapshots_of_a_group_on_ceph_are_of_one_moment: {why}"),
    };
    let (openstack, _) = needs().unwrap();
    let ceph = Ceph::start(xtask);
    check(&ceph.cloud(&guest), &openstack, "ceph");
}
