//! Random reads and writes of 4 KiB in a guest: on a disk of Cuttle's, against bare QEMU on the same disk.
//!
//! The program that does them (`guest_io.c`) lies at the head of the volume, and the server's user data starts it. Bare
//! QEMU has the machine, the processor and the memory of Cuttle's, the same configuration drive, and the plain options
//! that its manual shows for a fast disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::ceph::Ceph;
use crate::cloud::{Cloud, Node, Session};
use crate::machine;
use crate::numbers::{median, quantile};
use crate::report::{Goal, Report};

const RATIO_MIN: f64 = 0.95;
const PAIRS: usize = 8;
const SOURCE: &str = include_str!("guest_io.c");
const SCRIPT: &str = "#!/bin/sh\n\
                      dd if=/dev/vdb of=/tmp/guest-io bs=64k count=16 2>/dev/null\n\
                      chmod +x /tmp/guest-io\n\
                      /tmp/guest-io /dev/vdb >/dev/ttyS0 2>&1\n";
/// What the program says before the number, and after it.
const SAYS: (&str, &str) = ("guest-io: ", " per second");
/// How long a guest may take from its start to the number.
const TIME_MAX: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(200);

/// Measures the disks of a backend.
pub fn measure(report: &mut Report, ceph: Option<&Ceph>) -> Result<()> {
    let image = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from).filter(|image| image.exists());
    let (Some(guest), true) = (image, machine::is_root()) else {
        let why = "it needs root, and a guest image named by CUTTLE_GUEST_IMAGE; ./x bench makes one";
        report.skip("random I/O in a guest", why);
        return Ok(());
    };
    let mut bench = Bench::new(guest, ceph)?;
    let (mut ratios, mut through, mut by_hand) = (Vec::new(), Vec::new(), Vec::new());
    // The first server also gives the volume its room, which nobody else has to.
    let (_, recipe) = bench.cuttle()?;
    for pair in 0..PAIRS {
        let (ours, theirs) = if pair % 2 == 0 {
            (bench.cuttle()?.0, bench.bare(&recipe)?)
        } else {
            let theirs = bench.bare(&recipe)?;
            (bench.cuttle()?.0, theirs)
        };
        ratios.push(ours / theirs);
        through.push(ours);
        by_hand.push(theirs);
    }
    let how = format!(
        "{PAIRS} pairs, from {:.2} to {:.2}; {:.0}/s : {:.0}/s",
        quantile(&ratios, 0.0),
        quantile(&ratios, 1.0),
        median(&through),
        median(&by_hand)
    );
    let kind = if ceph.is_some() { "RBD" } else { "file" };
    let what = format!("random I/O of 4 KiB in a guest, {kind}: Cuttle : bare QEMU");
    report.judge(&what, Goal::AtLeast(RATIO_MIN), median(&ratios), "", &how);
    Ok(())
}

struct Bench<'a> {
    cloud: Cloud,
    demo: Session,
    ceph: Option<&'a Ceph>,
    guest: PathBuf,
    volume: String,
    server: Json,
    scratch: TempDir,
}

/// How bare QEMU is started: what it shares with Cuttle's.
struct Recipe {
    program: PathBuf,
    machine: Vec<String>,
    config_drive: PathBuf,
}

impl Bench<'_> {
    fn new(guest: PathBuf, ceph: Option<&Ceph>) -> Result<Bench<'_>> {
        let cloud = Cloud::start_on(Node::Real, None, ceph)?;
        let scratch = tempfile::Builder::new().prefix("cuttle-bench-").tempdir_in(machine::scratch())?;
        let mut demo = cloud.log_in("demo")?;
        let head = head(scratch.path())?;
        let image = json!({"name": "guest-io", "disk_format": "raw", "container_format": "bare"});
        let image = id_of(&demo.call("POST", "/image/v2/images", &image)?, "/id")?;
        demo.upload_file(&format!("/image/v2/images/{image}/file"), &File::open(head)?)?;
        let volume = json!({"volume": {"name": "guest-io", "size": 1, "imageRef": image}});
        let volume = id_of(&demo.call("POST", "/volume/v3/volumes", &volume)?, "/volume/id")?;
        let images = demo.get("/image/v2/images?name=cuttle-guest")?;
        let flavors = demo.get("/compute/v2.1/flavors")?;
        let nano = flavors["flavors"].as_array().into_iter().flatten().find(|f| f["name"] == "m1.nano");
        let server = json!({"server": {
            "name": "guest-io",
            "flavorRef": nano.context("there is no flavor m1.nano")?["id"],
            "imageRef": images["images"][0]["id"],
            "networks": "none",
            "config_drive": true,
            "user_data": BASE64_STANDARD.encode(SCRIPT),
            "block_device_mapping_v2": [
                {"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": images["images"][0]["id"]},
                {"boot_index": -1, "source_type": "volume", "destination_type": "volume", "uuid": volume},
            ],
        }});
        let mut bench = Bench { cloud, demo, ceph, guest, volume, server, scratch };
        let path = format!("/volume/v3/volumes/{}", bench.volume);
        bench.until("the volume becomes available", |demo| {
            Ok((demo.get(&path)?["volume"]["status"] == "available").then_some(()))
        })?;
        Ok(bench)
    }

    /// Boots a server with the volume: what its program says, and how to do it by hand.
    fn cuttle(&mut self) -> Result<(f64, Recipe)> {
        let made = self.demo.call("POST", "/compute/v2.1/servers", &self.server.clone())?;
        let id = id_of(&made, "/server/id")?;
        let console = self.cloud.dir().join(format!("log/{id}.console"));
        let number = self.until("the server says how fast its disk is", |_| said(&console))?;
        let pid_file = format!("/run/cuttle/cuttle-{}/vms/{id}/pid", self.cloud.id()?);
        let pid = fs::read_to_string(pid_file).context("the VM has no pid file")?;
        let recipe = Recipe::take(pid.trim(), self.scratch.path())?;
        let path = format!("/compute/v2.1/servers/{id}");
        self.demo.call("DELETE", &path, &Json::Null)?;
        let show = self.demo.request("GET", &path, "");
        self.until("the server goes", |demo| Ok((demo.ask(&show)?.status == 404).then_some(())))?;
        Ok((number, recipe))
    }

    /// The same with bare QEMU, on the volume that the server had.
    fn bare(&mut self, recipe: &Recipe) -> Result<f64> {
        let (root, console) = (self.scratch.path().join("root"), self.scratch.path().join("console"));
        let mut overlay = Command::new("qemu-img");
        overlay.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]).arg(&self.guest).arg(&root);
        ensure!(overlay.status()?.success(), "qemu-img makes no disk");
        let _ = fs::remove_file(&console);
        let drive = |file: &str, options: &str| format!("file={file},if=virtio,{options}");
        let data = match self.ceph {
            Some(ceph) => drive(&ceph.qemu_name(&format!("volume-{}", self.volume)), "format=raw,cache=none"),
            None => {
                let file = newest_layer(&self.cloud.dir().join("volumes").join(&self.volume))?;
                drive(&file.to_string_lossy(), "format=qcow2,cache=none,aio=native")
            }
        };
        let log = self.scratch.path().join("qemu.log");
        // In a session of its own, as Cuttle's: sessions share the processors.
        let mut command = Command::new("setsid");
        command.arg(&recipe.program);
        command.args(&recipe.machine).args(["-nodefaults", "-display", "none", "-serial"]);
        command.arg(format!("file:{}", console.display()));
        command.args(["-drive", &drive(&root.to_string_lossy(), "format=qcow2,cache=none")]);
        command.args(["-drive", &data, "-drive"]);
        command.arg(drive(&recipe.config_drive.to_string_lossy(), "format=raw,readonly=on"));
        command.envs(self.ceph.map(Ceph::variables).unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let _qemu = Ending(command.spawn().context("cannot start QEMU")?);
        let number = self.until("bare QEMU says how fast its disk is", |_| said(&console));
        let number = number.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        fs::remove_file(&root)?;
        Ok(number)
    }

    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Session) -> Result<Option<T>>) -> Result<T> {
        let began = runtime::monotonic();
        loop {
            if let Some(found) = look(&mut self.demo)? {
                return Ok(found);
            }
            ensure!(began.elapsed() < TIME_MAX, "it takes too long until {what}");
            runtime::sleep_blocking(POLL);
        }
    }
}

impl Recipe {
    fn take(pid: &str, scratch: &Path) -> Result<Recipe> {
        let line = fs::read(format!("/proc/{pid}/cmdline")).context("cannot read QEMU's arguments")?;
        let words: Vec<_> =
            line.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        let shared = ["-machine", "-accel", "-cpu", "-m", "-smp"];
        let pairs = words.windows(2).filter(|pair| shared.contains(&pair[0].as_str()));
        let drive = words.iter().find_map(|word| {
            let node: Json = serde_json::from_str(word).ok()?;
            (node["node-name"] == "config").then(|| node["file"]["filename"].as_str().map(PathBuf::from))?
        });
        // It goes with the server.
        let config_drive = scratch.join("config");
        fs::copy(drive.context("the VM has no configuration drive")?, &config_drive)?;
        Ok(Recipe {
            program: fs::read_link(format!("/proc/{pid}/exe")).context("cannot find QEMU's program")?,
            machine: pairs.flatten().cloned().collect(),
            config_drive,
        })
    }
}

/// What lies at the head of the volume: the program, filled up to a megabyte.
fn head(dir: &Path) -> Result<PathBuf> {
    let (source, program) = (dir.join("guest_io.c"), dir.join("guest-io"));
    fs::write(&source, SOURCE)?;
    let mut compile = Command::new("cc");
    compile.args(["-O2", "-static", "-s", "-o"]).arg(&program).arg(&source);
    ensure!(compile.status().context("there is no cc")?.success(), "cc does not compile it");
    let length = fs::metadata(&program)?.len();
    ensure!(length < 1 << 20, "the program has {length} bytes, more than a megabyte");
    let mut file = File::options().append(true).open(&program)?;
    file.write_all(&vec![0; (1 << 20) - usize::try_from(length)?])?;
    Ok(program)
}

/// The file of a volume that is written to: of its layers the newest.
fn newest_layer(dir: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let disks = files.filter_map(|entry| Some(entry.ok()?.path()));
    let mut disks: Vec<PathBuf> =
        disks.filter(|path| path.extension().is_some_and(|e| e == "qcow2")).collect();
    ensure!(disks.len() == 1, "the volume has the files {disks:?}");
    Ok(disks.remove(0))
}

/// The number on a console, once it is there.
fn said(console: &Path) -> Result<Option<f64>> {
    let text = String::from_utf8_lossy(&fs::read(console).unwrap_or_default()).into_owned();
    let Some((_, rest)) = text.split_once(SAYS.0) else { return Ok(None) };
    match rest.split_once('\n') {
        Some((line, _)) => {
            let number = line.split_once(SAYS.1).and_then(|(number, _)| number.parse().ok());
            number.map(Some).with_context(|| format!("the guest says {line:?}"))
        }
        None => Ok(None),
    }
}

fn id_of(said: &Json, pointer: &str) -> Result<String> {
    let id = said.pointer(pointer).and_then(Json::as_str);
    Ok(id.with_context(|| format!("nothing was made: {said}"))?.to_owned())
}

/// A process that ends with us.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
