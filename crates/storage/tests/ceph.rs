//! A Ceph cluster for a test: the one that the run of tests started, or one of its own, to be harmed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use storage::rbd::{ChildProgram, Rbd, RbdConfig};

use crate::{TempDir, World};

/// A cluster, with a pool in it that is the test's own.
pub struct Ceph {
    folder: PathBuf,
    pool: String,
    admin: Rbd,
    own: Option<(PathBuf, TempDir)>,
}

impl Ceph {
    /// The cluster that all tests of this run share.
    pub fn shared() -> Option<Ceph> {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        match std::env::var_os("CUTTLE_TEST_CEPH") {
            Some(folder) => Some(Ceph::at(PathBuf::from(folder), None)),
            None => {
                println!("skipped: {test}: there is no Ceph; cargo xtask test --ceph starts one");
                None
            }
        }
    }

    /// A cluster for this test alone.
    pub fn own() -> Option<Ceph> {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let Some(xtask) = std::env::var_os("CUTTLE_TEST_XTASK").map(PathBuf::from) else {
            println!("skipped: {test}: there is no Ceph; cargo xtask test --ceph starts one");
            return None;
        };
        let dir = TempDir::new();
        let folder = dir.path().join("ceph");
        let up = Command::new(&xtask).args(["ceph", "up"]).arg(&folder).output().unwrap();
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Some(Ceph::at(folder, Some((xtask, dir))))
    }

    fn at(folder: PathBuf, own: Option<(PathBuf, TempDir)>) -> Ceph {
        let conf = folder.join("ceph.conf").to_str().unwrap().to_owned();
        let admin = Rbd::new(child(&folder), RbdConfig::new(&conf, "admin"));
        let pool = format!("test-{:08x}", runtime::random_u64() as u32);
        let ceph = Ceph { folder, pool, admin, own };
        ceph.command(json!({ "prefix": "osd pool create", "pool": ceph.pool, "pg_num": 8, "pgp_num": 8 }));
        ceph.command(json!({ "prefix": "osd pool application enable", "pool": ceph.pool, "app": "rbd" }));
        ceph
    }

    /// Sends the monitors a command, as its administrator.
    pub fn command(&self, command: serde_json::Value) -> serde_json::Value {
        let answer = self.admin.mon_command(&command.to_string(), &[]).unwrap();
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    /// Everything in the test's pool.
    pub fn config(&self) -> RbdConfig {
        let conf = self.folder.join("ceph.conf").to_str().unwrap().to_owned();
        RbdConfig {
            volumes_pool: self.pool.clone(),
            images_pool: self.pool.clone(),
            root_disks_pool: self.pool.clone(),
            abandoned_upload_seconds: 0,
            ..RbdConfig::new(&conf, "admin")
        }
    }

    /// A client of the test's pool, with a child of its own.
    pub fn rbd(&self) -> Rbd {
        self.rbd_with(self.config())
    }

    /// As configured.
    pub fn rbd_with(&self, config: RbdConfig) -> Rbd {
        Rbd::new(child(&self.folder), config)
    }

    /// The test's pool.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// A program of QEMU's or Ceph's, with what it needs to find the cluster.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new("env");
        for (name, value) in environment(&self.folder) {
            command.arg(format!("{name}={value}"));
        }
        command.arg(name);
        command
    }

    /// Runs `rbd` on this cluster, which must succeed: what we did, seen by another.
    pub fn rbd_says(&self, arguments: &[&str]) -> String {
        self.says("rbd", arguments)
    }

    /// The same of `rados`: what there is below all images.
    pub fn rados_says(&self, arguments: &[&str]) -> String {
        self.says("rados", arguments)
    }

    /// Gives `rados` something to store.
    pub fn rados_stores(&self, arguments: &[&str], value: File) {
        self.run("rados", arguments, value.into());
    }

    fn says(&self, program: &str, arguments: &[&str]) -> String {
        self.run(program, arguments, Stdio::null())
    }

    fn run(&self, program: &str, arguments: &[&str], input: Stdio) -> String {
        let output = self.in_pool(program, arguments).stdin(input).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `rados` on this cluster, to be started.
    pub fn rados(&self, arguments: &[&str]) -> Command {
        self.in_pool("rados", arguments)
    }

    fn in_pool(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.program(program);
        command.arg("-c").arg(self.folder.join("ceph.conf")).args(["-n", "client.admin", "-p", &self.pool]);
        command.args(arguments);
        command
    }

    /// Does something to a cluster that is this test's own: `kill-osd 1`, `pause`.
    pub fn harm(&self, what: &[&str]) -> String {
        let (xtask, _) = self.own.as_ref().expect("only a cluster of one's own is harmed");
        let mut command = Command::new(xtask);
        let output = command.args(["ceph", what[0]]).arg(&self.folder).args(&what[1..]).output().unwrap();
        assert!(output.status.success(), "{what:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        if let Some((xtask, _)) = &self.own {
            let _ = Command::new(xtask).args(["ceph", "down"]).arg(&self.folder).status();
        } else {
            let name = &self.pool;
            let delete = json!({ "prefix": "osd pool delete", "pool": name, "pool2": name, "yes_i_really_really_mean_it": true });
            let _ = self.admin.mon_command(&delete.to_string(), &[]);
        }
    }
}

fn environment(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join("environment")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn child(folder: &Path) -> ChildProgram {
    ChildProgram {
        path: env!("CARGO_BIN_EXE_storage-serve").into(),
        arguments: Vec::new(),
        variables: environment(folder),
    }
}

/// A store and a backend in a pool of their own.
pub fn world() -> Option<World> {
    let ceph = Ceph::shared()?;
    let rbd = ceph.rbd();
    let (images, volumes) = (Box::new(rbd.images()), Box::new(rbd.volumes(None)));
    Some(World { images, volumes, _held: Some(Box::new(ceph)) })
}

/// QEMU with a disk open, told what to read and write.
pub struct QemuIo {
    child: Child,
}

impl QemuIo {
    /// Opens a tree of block nodes.
    pub fn open(ceph: &Ceph, node: &serde_json::Value) -> QemuIo {
        let mut command = ceph.program("qemu-io");
        if node["read-only"] == true {
            command.arg("-r");
        }
        command.arg(format!("json:{node}"));
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut io = QemuIo { child };
        let greeting = io.until_prompt();
        assert!(!greeting.contains("can't open"), "{greeting}");
        io
    }

    /// Runs a command, and returns what it said.
    pub fn say(&mut self, command: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{command}").unwrap();
        self.until_prompt()
    }

    /// Whether all of a stretch holds this byte.
    pub fn reads(&mut self, pattern: u8, offset: u64, length: u64) -> bool {
        let said = self.say(&format!("read -P {pattern} {offset} {length}"));
        assert!(said.contains("read "), "{said}");
        !said.contains("verification failed")
    }

    fn until_prompt(&mut self) -> String {
        let mut said = Vec::new();
        let mut byte = [0];
        let out = self.child.stdout.as_mut().unwrap();
        while !said.ends_with(b"qemu-io> ") {
            if out.read(&mut byte).unwrap() == 0 {
                let mut errors = String::new();
                self.child.stderr.as_mut().unwrap().read_to_string(&mut errors).unwrap();
                panic!("qemu-io ended: {} {errors}", String::from_utf8_lossy(&said));
            }
            said.push(byte[0]);
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for QemuIo {
    fn drop(&mut self) {
        // Closing it lets go of the volume, as a VM that ends does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
