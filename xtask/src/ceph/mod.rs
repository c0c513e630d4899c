//! A whole Ceph cluster on loopback, for the tests: Debian's programs, unpacked or installed, on a folder of their own.
//!
//! A monitor, a manager and OSDs on sparse files, with cephx, over msgr2 alone. It is there in seconds, and its OSDs can
//! be killed, started again and added to.

mod daemons;
mod setup;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use daemons::Daemons;

use crate::clock::Stopwatch;
use crate::packages::Packages;
use crate::project::{self, Failure, Outcome, doing, failed};

/// OSDs of a fresh cluster, which is also how many copies there are of everything.
const OSDS: u32 = 3;
/// How long a cluster may take to be there on a machine that is busy.
const READY_SECONDS: u32 = 120;
/// The pools that a cluster begins with.
const POOLS: [&str; 3] = ["images", "vms", "volumes"];

/// `cargo xtask ceph COMMAND DIR [ARGUMENT]`.
pub fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u32>().map_err(|_| Failure::Usage(format!("{text} is no number")));
    match words.as_slice() {
        ["up", dir] => {
            let watch = Stopwatch::start();
            let cluster = Cluster::up(Path::new(dir))?;
            println!(
                "HEALTH_OK after {:.1} s; the configuration is {}",
                watch.seconds(),
                cluster.conf().display()
            );
            Ok(())
        }
        ["down", dir] => Cluster::at(Path::new(dir))?.down(),
        ["kill-osd", dir, id] => Cluster::at(Path::new(dir))?.daemons.kill(&format!("osd.{}", number(id)?)),
        // One that is there and does not answer; `resume` lets it go on.
        ["pause-osd", dir, id] => {
            Cluster::at(Path::new(dir))?.daemons.signal(&format!("osd.{}", number(id)?), "STOP")
        }
        ["start-osd", dir, id] => Cluster::at(Path::new(dir))?.start_osd(number(id)?),
        ["add-osd", dir] => Cluster::at(Path::new(dir))?.add_osd().map(|id| println!("osd.{id}")),
        // A cluster that is there and does not answer, and one that goes on.
        ["pause", dir] => Cluster::at(Path::new(dir))?.daemons.signal_all("STOP"),
        ["resume", dir] => Cluster::at(Path::new(dir))?.daemons.signal_all("CONT"),
        ["wait", dir] => {
            Cluster::at(Path::new(dir))?.monitors(&["wait", &READY_SECONDS.to_string()]).map(drop)
        }
        ["command", dir, json] => {
            print!("{}", Cluster::at(Path::new(dir))?.monitors(&["send", json])?);
            Ok(())
        }
        _ => Err(Failure::Usage(
            "ceph up|down|wait|add-osd|pause|resume DIR, kill-osd|pause-osd|start-osd DIR NUMBER, command DIR JSON"
                .into(),
        )),
    }
}

/// A cluster in a folder.
pub struct Cluster {
    folder: PathBuf,
    programs: Programs,
    daemons: Daemons,
}

/// Ceph's programs.
#[derive(Clone)]
pub struct Programs(Packages);

impl Programs {
    /// Unpacked by `./x test`, or installed.
    pub fn find() -> Outcome<Programs> {
        Packages::find("ceph", &["usr/bin/ceph-osd"], "./x test").map(Programs)
    }

    /// A command of these, with nothing of some other cluster in its environment.
    pub fn command(&self, name: &str) -> Command {
        alone(self.0.command(name))
    }
}

fn alone(mut command: Command) -> Command {
    for variable in ["CEPH_CONF", "CEPH_ARGS", "CEPH_KEYRING"] {
        command.env_remove(variable);
    }
    command
}

impl Cluster {
    /// Makes a cluster in a folder that is empty or absent, and waits until it is well.
    pub fn up(folder: &Path) -> Outcome<Cluster> {
        let mut entries = fs::read_dir(folder).into_iter().flatten();
        if entries.next().is_some() {
            return Err(failed(format!("{} is not empty", folder.display())));
        }
        doing(format!("cannot make {}", folder.display()), fs::create_dir_all(folder))?;
        let cluster = Cluster::at(folder)?;
        let made = setup::make(&cluster);
        if made.is_err() {
            // A half-made cluster is of no use, and must not go on running.
            let _ = cluster.daemons.signal_all("KILL");
        }
        made.map(|()| cluster)
    }

    fn at(folder: &Path) -> Outcome<Cluster> {
        let folder = doing(format!("cannot find {}", folder.display()), folder.canonicalize())?;
        let daemons = Daemons::of(&folder);
        Ok(Cluster { folder, programs: Programs::find()?, daemons })
    }

    /// Its configuration.
    pub fn conf(&self) -> PathBuf {
        self.folder.join("ceph.conf")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it, with its data.
    pub fn down(&self) -> Outcome {
        self.daemons.end_all()?;
        if let Ok(sockets) = fs::read_to_string(self.folder.join("sockets")) {
            let _ = fs::remove_dir_all(sockets.trim());
        }
        doing(format!("cannot remove {}", self.folder.display()), fs::remove_dir_all(&self.folder))
    }

    fn osd_folder(&self, id: u32) -> PathBuf {
        self.folder.join(format!("data/osd.{id}"))
    }

    fn start_osd(&self, id: u32) -> Outcome {
        let mut command = self.programs.command("ceph-osd");
        command.args(["-f", "-i", &id.to_string()]).arg("-c").arg(self.conf());
        // Each is a host of its own, so that the rules of real clusters hold.
        command.args(["--crush-location", &format!("root=default host=host{id}")]);
        self.daemons.start(&format!("osd.{id}"), command)
    }

    /// Adds an empty OSD; the cluster moves data on to it.
    fn add_osd(&self) -> Outcome<u32> {
        let (uuid, key) = (setup::uuid()?, setup::key(&self.programs)?);
        let new = format!(r#"{{"prefix":"osd new","uuid":"{uuid}","format":"json"}}"#);
        let said = self.monitors(&["send", &new])?;
        let said: serde_json::Value = serde_json::from_str(&said).map_err(failed)?;
        let id = said["osdid"].as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| failed("the monitors gave no id"))?;
        let authorize = serde_json::json!({
            "prefix": "auth add", "entity": format!("osd.{id}"),
            "caps": ["mgr", "allow profile osd", "mon", "allow profile osd", "osd", "allow *"],
            "_input": format!("[osd.{id}]\n\tkey = {key}\n"),
        });
        self.monitors(&["send", &authorize.to_string()])?;
        setup::make_osd(self, id, &uuid, &key)?;
        self.start_osd(id)?;
        Ok(id)
    }

    /// Has one Python process talk to the monitors: the `ceph` command takes half a second to start for each word.
    fn monitors(&self, arguments: &[&str]) -> Outcome<String> {
        let mut command = alone(self.programs.0.python());
        command.args(["-c", include_str!("monitors.py")]).arg(self.conf()).args(arguments);
        project::output(&mut command)
    }
}

/// A cluster that ends with the program.
pub struct Shared(Cluster);

impl Shared {
    /// Starts one for a run of tests, or says why not.
    pub fn start() -> Option<Shared> {
        let folder = std::env::temp_dir().join(format!("cuttle-ceph-{}", std::process::id()));
        let watch = Stopwatch::start();
        match Cluster::up(&folder) {
            Ok(cluster) => {
                println!("Ceph is there after {:.1} s", watch.seconds());
                Some(Shared(cluster))
            }
            Err(why) => {
                println!("Ceph is not running, what needs it will be skipped: {why}");
                None
            }
        }
    }

    /// Tells a command where it is, and how to make others.
    pub fn describe_to(&self, command: &mut Command) {
        command.env("CUTTLE_TEST_CEPH", self.0.folder());
        if let Ok(own) = std::env::current_exe() {
            command.env("CUTTLE_TEST_XTASK", own);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(why) = self.0.down() {
            println!("Ceph does not end: {why}");
        }
    }
}
