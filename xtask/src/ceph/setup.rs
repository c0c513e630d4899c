//! Making a cluster: its configuration, its keys, its daemons, its pools.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use super::{Cluster, OSDS, POOLS, Programs, READY_SECONDS};
use crate::clock;
use crate::project::{self, Outcome, doing, failed};

/// The client that Cuttle is.
const USER: &str = "cuttle";
/// Placement groups of a pool: few, for there is one machine.
const GROUPS: u32 = 8;
/// Modules of the manager that block storage needs.
const MODULES: [&str; 4] = ["balancer", "pg_autoscaler", "progress", "status"];
/// Those without which it says that it is not well. They get nothing to do: loading them all takes eight seconds.
const IDLE_MODULES: [&str; 6] =
    ["crash", "devicehealth", "orchestrator", "rbd_support", "telemetry", "volumes"];

/// Makes the cluster of this folder and waits until it is well.
pub fn make(cluster: &Cluster) -> Outcome {
    for folder in ["data", "log"] {
        doing("cannot make a folder", fs::create_dir_all(cluster.folder.join(folder)))?;
    }
    let (programs, fsid, port) = (&cluster.programs, uuid()?, free_port()?);
    write_conf(cluster, &fsid, port)?;
    write_modules(cluster)?;
    let monmap = cluster.folder.join("data/monmap");
    let address = format!("[v2:127.0.0.1:{port}]");
    let mut map = programs.command("monmaptool");
    map.args(["--create", "--clobber", "--fsid", &fsid, "--addv", "a", &address]);
    map.args(["--set-min-mon-release", "pacific"]).arg(&monmap);
    project::output(&mut map)?;
    let osds: Vec<(u32, String, String)> =
        (0..OSDS).map(|id| Ok((id, uuid()?, key(programs)?))).collect::<Outcome<_>>()?;
    write_keys(cluster, &osds)?;
    let mut format = programs.command("ceph-mon");
    format.args(["--mkfs", "-i", "a"]).arg("-c").arg(cluster.conf()).arg("--monmap").arg(&monmap);
    format.arg("--keyring").arg(cluster.folder.join("data/first.keyring"));
    project::output(&mut format)?;
    start(cluster, "mon.a", "ceph-mon", "a")?;
    start(cluster, "mgr.x", "ceph-mgr", "x")?;
    let mut wishes = vec![
        r#"{"prefix":"osd set-require-min-compat-client","version":"mimic","yes_i_really_mean_it":true}"#
            .to_owned(),
    ];
    for (id, uuid, _) in &osds {
        wishes.push(format!(r#"{{"prefix":"osd new","uuid":"{uuid}","id":{id}}}"#));
    }
    for pool in POOLS {
        wishes.push(format!(
            r#"{{"prefix":"osd pool create","pool":"{pool}","pg_num":{GROUPS},"pgp_num":{GROUPS},"size":{OSDS}}}"#
        ));
        wishes.push(format!(r#"{{"prefix":"osd pool application enable","pool":"{pool}","app":"rbd"}}"#));
    }
    let words: Vec<&str> = std::iter::once("send").chain(wishes.iter().map(String::as_str)).collect();
    std::thread::scope(|scope| {
        let formatting: Vec<_> =
            osds.iter().map(|(id, uuid, key)| scope.spawn(|| make_osd(cluster, *id, uuid, key))).collect();
        cluster.monitors(&words)?;
        let mut formatting = formatting.into_iter();
        formatting.try_for_each(|osd| osd.join().unwrap_or_else(|_| Err(failed("a thread panicked"))))
    })?;
    osds.iter().try_for_each(|(id, ..)| cluster.start_osd(*id))?;
    cluster.monitors(&["wait", &READY_SECONDS.to_string()]).map(drop)
}

fn start(cluster: &Cluster, name: &str, program: &str, id: &str) -> Outcome {
    let mut command = cluster.programs.command(program);
    command.args(["-f", "-i", id]).arg("-c").arg(cluster.conf());
    cluster.daemons.start(name, command)
}

/// Formats the store of an OSD.
pub fn make_osd(cluster: &Cluster, id: u32, uuid: &str, key: &str) -> Outcome {
    let folder = cluster.osd_folder(id);
    doing("cannot make an OSD's folder", fs::create_dir_all(&folder))?;
    write_secret(&folder.join("keyring"), &format!("[osd.{id}]\n\tkey = {key}\n"))?;
    let mut command = cluster.programs.command("ceph-osd");
    command.args(["--mkfs", "--no-mon-config", "-i", &id.to_string(), "--osd-uuid", uuid]);
    command.arg("-c").arg(cluster.conf()).arg("--monmap").arg(cluster.folder.join("data/monmap"));
    project::output(&mut command).map(drop)
}

fn write_conf(cluster: &Cluster, fsid: &str, port: u16) -> Outcome {
    // A socket's path may have 107 characters, and the folder's may be long.
    let sockets = std::env::temp_dir().join(format!("cuttle-ceph-{}", &fsid[..8]));
    doing("cannot make a folder of sockets", fs::create_dir_all(&sockets))?;
    let note =
        |path: &Path, text: &str| doing(format!("cannot write {}", path.display()), fs::write(path, text));
    note(&cluster.folder.join("sockets"), &sockets.to_string_lossy())?;
    let libraries = cluster.programs.0.libraries();
    let conf = include_str!("ceph.conf")
        .replace("@FSID@", fsid)
        .replace("@PORT@", &port.to_string())
        .replace("@PORT_MIN@", &(port + 1).to_string())
        .replace("@PORT_MAX@", &(port + 1000).to_string())
        .replace("@SOCKETS@", &sockets.to_string_lossy())
        .replace("@COPIES@", &OSDS.to_string())
        .replace("@LIBRARIES@", &libraries.to_string_lossy())
        .replace("@DIR@", &cluster.folder.to_string_lossy());
    note(&cluster.conf(), &conf)?;
    // For programs that use the cluster: with these variables they find its libraries.
    let variables = cluster.programs.0.variables();
    let lines: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    note(&cluster.folder.join("environment"), &lines)
}

/// The manager's modules: a few for real, and empty ones for those that it insists on.
fn write_modules(cluster: &Cluster) -> Outcome {
    let from = cluster.programs.0.root().join("usr/share/ceph/mgr");
    let to = cluster.folder.join("data/mgr-modules");
    doing("cannot make a folder", fs::create_dir_all(&to))?;
    let mut copy = Command::new("sh");
    copy.args([
        "-c",
        "from=$1 to=$2; shift 2; cp \"$from\"/*.py \"$to\"; for m; do cp -r \"$from/$m\" \"$to\"; done",
        "sh",
    ]);
    project::run(copy.arg(&from).arg(&to).args(MODULES))?;
    for module in IDLE_MODULES {
        let folder = to.join(module);
        let code = "from mgr_module import MgrModule\n\n\nclass Module(MgrModule):\n    pass\n";
        doing("cannot make a module", fs::create_dir_all(&folder))?;
        doing("cannot make a module", fs::write(folder.join("module.py"), code))?;
        doing("cannot make a module", fs::write(folder.join("__init__.py"), "from .module import Module\n"))?;
    }
    Ok(())
}

fn write_keys(cluster: &Cluster, osds: &[(u32, String, String)]) -> Outcome {
    let programs = &cluster.programs;
    let (admin, monitor, manager, user) = (key(programs)?, key(programs)?, key(programs)?, key(programs)?);
    let profile = |of: &str| POOLS.map(|pool| format!("profile {of} pool={pool}")).join(", ");
    let all = "\tcaps mds = \"allow *\"\n\tcaps mgr = \"allow *\"\n\tcaps mon = \"allow *\"\n\tcaps osd = \"allow *\"\n";
    let admin = format!("[client.admin]\n\tkey = {admin}\n{all}");
    let data = cluster.folder.join("data");
    doing("cannot make a folder", fs::create_dir_all(data.join("mgr.x")))?;
    write_secret(&cluster.folder.join("ceph.client.admin.keyring"), &admin)?;
    let secret = format!("[client.{USER}]\n\tkey = {user}\n");
    write_secret(&cluster.folder.join(format!("ceph.client.{USER}.keyring")), &secret)?;
    write_secret(&data.join("mgr.x/keyring"), &format!("[mgr.x]\n\tkey = {manager}\n"))?;
    let mut first = format!(
        "[mon.]\n\tkey = {monitor}\n\tcaps mon = \"allow *\"\n{admin}\
         {secret}\tcaps mon = \"profile rbd\"\n\tcaps osd = \"{}\"\n\tcaps mgr = \"{}\"\n\
         [mgr.x]\n\tkey = {manager}\n\tcaps mon = \"allow profile mgr\"\n\tcaps osd = \"allow *\"\n\tcaps mds = \"allow *\"\n",
        profile("rbd"),
        profile("rbd"),
    );
    for (id, _, key) in osds {
        first += &format!(
            "[osd.{id}]\n\tkey = {key}\n\tcaps mgr = \"allow profile osd\"\n\tcaps mon = \"allow profile osd\"\n\tcaps osd = \"allow *\"\n"
        );
    }
    write_secret(&data.join("first.keyring"), &first)
}

fn write_secret(path: &Path, text: &str) -> Outcome {
    let file = File::options().create(true).write(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    doing(format!("cannot write {}", path.display()), written)
}

/// A new key of cephx.
pub fn key(programs: &Programs) -> Outcome<String> {
    project::output(programs.command("ceph-authtool").arg("--gen-print-key")).map(|key| key.trim().to_owned())
}

/// A new UUID.
pub fn uuid() -> Outcome<String> {
    let read = fs::read_to_string("/proc/sys/kernel/random/uuid");
    doing("cannot read a random UUID", read).map(|uuid| uuid.trim().to_owned())
}

/// A port that is free, below those that the kernel gives to clients, so that it stays so; the daemons take those after it.
fn free_port() -> Outcome<u16> {
    let found = clock::poll(5.0, || {
        let random = uuid().ok()?;
        let port = 10_240 + u16::from_str_radix(&random[..4], 16).ok()? % 20_000;
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    found.ok_or_else(|| failed("no port is free"))
}
