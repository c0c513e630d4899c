//! What only a real QEMU can show.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};

use hypervisor::qemu::{Qemu, QemuConfig};
use hypervisor::{
    Disk, Error, Exchange, Hypervisor, Limits, Machine, Mirrored, Power, VmEvent, VmEventKind, VmSpec,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use types::{CopyId, VolumeId};

use crate::guest;
use crate::suite::{Bench, Place};
use crate::{null_disk, plain_spec};

/// A directory with VMs, which all go with it.
pub struct RealPlace {
    dir: PathBuf,
    machine: Machine,
}

impl RealPlace {
    pub fn new(machine: Machine) -> Result<RealPlace, String> {
        let binary = QemuConfig::new("/").binary;
        Command::new(&binary).arg("-version").output().map_err(|e| format!("{}: {e}", binary.display()))?;
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{:016x}", runtime::random_u64()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("boot.img"), guest::image(machine)).unwrap();
        Ok(RealPlace { dir, machine })
    }

    fn config(&self) -> QemuConfig {
        QemuConfig::new(self.dir.join("run"))
    }

    fn run(&self, spec: &VmSpec, name: &str) -> PathBuf {
        self.dir.join("run").join(spec.server.to_string()).join(name)
    }

    /// Which files of this folder the VM's process has open.
    fn open_files(&self, spec: &VmSpec) -> Vec<PathBuf> {
        let links = fs::read_dir(format!("/proc/{}/fd", self.pid(spec))).unwrap();
        links.filter_map(|link| fs::read_link(link.unwrap().path()).ok()).collect()
    }

    fn pid(&self, spec: &VmSpec) -> Pid {
        Pid::from_raw(fs::read_to_string(self.run(spec, "pid")).unwrap().parse().unwrap())
    }

    /// A disk with a file below it.
    fn file_disk(&self, bytes: &[u8], driver: &str) -> Disk {
        let volume = VolumeId(runtime::new_uuid());
        let path = self.dir.join(volume.to_string());
        fs::write(&path, bytes).unwrap();
        let blockdev = json!({ "driver": driver, "file": { "driver": "file", "filename": path } });
        Disk {
            volume,
            blockdev,
            boot_index: None,
            read_only: false,
            shared: false,
            limits: Limits::new(),
            secret: None,
        }
    }
}

impl Place for RealPlace {
    fn hypervisor(&self, events: Sender<VmEvent>) -> Box<dyn Hypervisor> {
        Box::new(Qemu::new(self.config(), events).unwrap())
    }

    fn spec(&self) -> VmSpec {
        let disk = self.file_disk(&guest::image(self.machine), "raw");
        let spec = plain_spec(disk);
        let console_log = self.dir.join("console").join(format!("{}.log", spec.server));
        VmSpec { machine: self.machine, console_log, screen: true, guest_agent: true, ..spec }
    }

    fn disk(&self) -> Disk {
        self.file_disk(&vec![0; 1 << 20], "raw")
    }

    fn greeting(&self) -> &'static str {
        guest::GREETING
    }
}

impl Drop for RealPlace {
    fn drop(&mut self) {
        if let Ok(mut qemu) = Qemu::new(self.config(), channel().0) {
            for server in qemu.adopt().unwrap_or_default() {
                let _ = qemu.remove(server);
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A place, or a line that says that the test is skipped.
fn place(test: &str) -> Option<RealPlace> {
    RealPlace::new(Machine::Q35).map_err(|reason| println!("skipped: {test}: {reason}")).ok()
}

#[test]
fn a_killed_qemu_is_a_crash() {
    let Some(place) = place("a_killed_qemu_is_a_crash") else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    kill(place.pid(&spec), Signal::SIGKILL).unwrap();
    bench.await_event(spec.server, VmEventKind::Exited);
    let Power::Crashed { reason } = bench.power(spec.server) else {
        panic!("{:?}", bench.power(spec.server))
    };
    assert_eq!(reason, "QEMU was ended by SIGKILL");
    // It stays known, also to the next one, and can be started again.
    drop(bench);
    let mut bench = Bench::new(&place);
    bench.hypervisor.adopt().unwrap();
    assert_eq!(bench.power(spec.server), Power::Crashed { reason });
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    assert_eq!(bench.power(spec.server), Power::Running);
}

#[test]
fn a_qemu_that_dies_unwatched_is_a_crash() {
    let Some(place) = place("a_qemu_that_dies_unwatched_is_a_crash") else { return };
    let (bench, spec) = Bench::with_vm(&place);
    drop(bench);
    kill(place.pid(&spec), Signal::SIGKILL).unwrap();
    let mut bench = Bench::new(&place);
    bench.hypervisor.adopt().unwrap();
    assert!(matches!(bench.power(spec.server), Power::Crashed { .. }));
}

/// The record names a process that is not the one that was started: it must live.
#[test]
fn a_recycled_process_id_is_left_alone() {
    let Some(place) = place("a_recycled_process_id_is_left_alone") else { return };
    let (bench, spec) = Bench::with_vm(&place);
    drop(bench);
    let qemu = place.pid(&spec);
    let mut bystander = Command::new("sleep").arg("600").spawn().unwrap();
    let record = place.run(&spec, "process.json");
    let true_record = fs::read(&record).unwrap();
    let mut forged: Value = serde_json::from_slice(&true_record).unwrap();
    forged["pid"] = bystander.id().into();
    fs::write(&record, forged.to_string()).unwrap();
    let mut bench = Bench::new(&place);
    bench.hypervisor.adopt().unwrap();
    assert!(matches!(bench.power(spec.server), Power::Crashed { .. }));
    bench.hypervisor.stop(spec.server).unwrap();
    assert_eq!(bystander.try_wait().unwrap(), None, "the bystander lives");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    kill(qemu, Signal::SIGKILL).unwrap();
}

/// Killed between starting QEMU and writing the record.
#[test]
fn an_unrecorded_process_is_found() {
    let Some(place) = place("an_unrecorded_process_is_found") else { return };
    let (bench, spec) = Bench::with_vm(&place);
    drop(bench);
    fs::remove_file(place.run(&spec, "process.json")).unwrap();
    let mut bench = Bench::new(&place);
    bench.hypervisor.adopt().unwrap();
    assert_eq!(bench.power(spec.server), Power::Running);
}

#[test]
fn vms_of_an_earlier_boot_have_crashed() {
    let Some(place) = place("vms_of_an_earlier_boot_have_crashed") else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    let record = place.run(&spec, "process.json");
    let forged = fs::read_to_string(&record).unwrap();
    let mut forged: Value = serde_json::from_str(&forged).unwrap();
    forged["boot"] = "another".into();
    bench.hypervisor.stop(spec.server).unwrap();
    fs::remove_file(place.run(&spec, "ended.json")).unwrap();
    fs::write(&record, forged.to_string()).unwrap();
    let mut bench = Bench::new(&place);
    bench.hypervisor.adopt().unwrap();
    let reason = "the host was restarted".to_owned();
    assert_eq!(bench.power(spec.server), Power::Crashed { reason });
}

#[test]
fn a_bad_disk_is_explained() {
    let Some(place) = place("a_bad_disk_is_explained") else { return };
    let mut bench = Bench::new(&place);
    let check = |bench: &mut Bench, disk: Disk, expected: &str| {
        let mut spec = place.spec();
        spec.disks.push(disk.clone());
        let error = bench.hypervisor.start(&spec, Vec::new()).unwrap_err();
        assert!(matches!(&error, Error::Start(reason) if reason.contains(expected)), "{error}");
        assert!(!error.to_string().contains("driver"), "without the long argument: {error}");
        assert_eq!(bench.power(spec.server), Power::Absent);
    };
    check(&mut bench, place.file_disk(b"no qcow2", "qcow2"), "not in qcow2 format");
    let mut missing = place.disk();
    missing.blockdev["file"]["filename"] = "/nowhere/at/all".into();
    check(&mut bench, missing.clone(), "/nowhere/at/all");
    // The same on a running VM is a refusal, and leaves nothing.
    let spec = place.spec();
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    let error = bench.hypervisor.attach_disk(spec.server, &missing).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert_eq!(bench.disks(spec.server), [spec.disks[0].volume]);
}

#[test]
fn slots_run_out_and_come_back() {
    let Some(place) = place("slots_run_out_and_come_back") else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    let mut attached = Vec::new();
    let refused = loop {
        let disk = null_disk();
        match bench.hypervisor.attach_disk(spec.server, &disk) {
            Ok(()) => attached.push(disk.volume),
            Err(e) => break e,
        }
        assert!(attached.len() < 50);
    };
    assert!(matches!(refused, Error::NoSlot), "{refused}");
    assert_eq!(attached.len(), 10);
    bench.await_detached(spec.server, attached[3]);
    bench.hypervisor.attach_disk(spec.server, &null_disk()).unwrap();
}

#[test]
fn a_missing_or_other_program_is_explained() {
    let check = |binary: &str, expected: &str| {
        let config = QemuConfig { binary: binary.into(), ..QemuConfig::new("/nowhere") };
        let error = Qemu::new(config, channel().0).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("qemu-system-none", "apt-get install qemu-system-x86");
    check("false", "does not answer");
}

/// The guest's output must not fill the disk, and its end must be readable at any time.
#[test]
fn the_console_log_is_a_ring() {
    use std::os::unix::fs::MetadataExt;

    let Some(place) = place("the_console_log_is_a_ring") else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    let line = "x".repeat(99) + "\n";
    let mut file = fs::OpenOptions::new().append(true).open(&spec.console_log).unwrap();
    file.write_all(line.repeat(50_000).as_bytes()).unwrap();
    file.sync_all().unwrap();
    bench.hypervisor.reset(spec.server).unwrap();
    bench.wait("trimmed", |bench| {
        bench.power(spec.server);
        let used = fs::metadata(&spec.console_log).unwrap().blocks() * 512;
        (used < 2 << 20).then_some(())
    });
    bench.await_greetings(spec.server, guest::GREETING, 1);
    let tail = bench.hypervisor.console_tail(spec.server, usize::MAX).unwrap();
    assert!(!tail.contains(&0), "no hole is shown");
}

/// A control group per VM, where this machine lets us make one.
#[test]
fn a_vm_has_a_control_group() {
    let Some(place) = place("a_vm_has_a_control_group") else { return };
    let name = format!("cuttle-test-{:08x}", runtime::random_u64() as u32);
    let config = QemuConfig { cgroup: Some(name), ..place.config() };
    let mut qemu = Qemu::new(config, channel().0).unwrap();
    let containment = qemu.host().containment.clone();
    let Some(base) = containment.strip_prefix("a control group per VM below ").map(PathBuf::from) else {
        return println!("skipped: a_vm_has_a_control_group: {containment}");
    };
    let spec = place.spec();
    qemu.start(&spec, Vec::new()).unwrap();
    let group = base.join(format!("vm-{}", spec.server));
    let inside = fs::read_to_string(group.join("cgroup.procs")).unwrap();
    assert_eq!(inside.trim(), place.pid(&spec).to_string());
    qemu.remove(spec.server).unwrap();
    assert!(!group.exists());
    fs::remove_dir(base).unwrap();
}

/// What the command line promises, seen from inside QEMU's process.
#[test]
fn the_process_is_on_its_own() {
    let Some(place) = place("the_process_is_on_its_own") else { return };
    let (bench, spec) = Bench::with_vm(&place);
    let sockets = bench.hypervisor.sockets(spec.server).unwrap();
    let mut screen = UnixStream::connect(sockets.screen).unwrap();
    let mut greeting = [0; 4];
    screen.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"RFB ");
    UnixStream::connect(sockets.console).unwrap();
    UnixStream::connect(sockets.agent).unwrap();
    let pid = place.pid(&spec);
    let session = nix::unistd::getsid(Some(pid)).unwrap();
    assert_eq!(session, pid, "a session of its own");
    let links: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| Some(fs::read_link(entry.unwrap().path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    let ours = env!("CARGO_TARGET_TMPDIR");
    let foreign = links.iter().filter(|link| link.starts_with('/') && !link.starts_with(ours));
    let foreign: Vec<_> = foreign.filter(|link| !link.starts_with("/dev/")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(limits.lines().any(|line| line.starts_with("Max core file size") && line.contains(" 0 ")));
}

/// A card on a tap that lies in another network namespace: only its descriptor comes along.
#[test]
fn a_tap_is_handed_in() {
    let test = "a_tap_is_handed_in";
    let Some(place) = place(test) else { return };
    let tap = match foreign_tap() {
        Ok(tap) => tap,
        Err(reason) => return println!("skipped: {test}: {reason}"),
    };
    let mut bench = Bench::new(&place);
    let mut spec = place.spec();
    let port = types::PortId(runtime::new_uuid());
    spec.nics.push(hypervisor::Nic { port, mac: types::MacAddr::openstack(7), mtu: 1450 });
    bench.hypervisor.start(&spec, vec![tap]).unwrap();
    bench.await_greetings(spec.server, guest::GREETING, 1);
    let links = fs::read_dir(format!("/proc/{}/fd", place.pid(&spec))).unwrap();
    let taps = links.filter(|link| {
        fs::read_link(link.as_ref().unwrap().path()).is_ok_and(|target| target == Path::new("/dev/net/tun"))
    });
    assert_eq!(taps.count(), 1);
}

/// A tap in a network namespace that exists only for it. Making both takes root.
fn foreign_tap() -> Result<std::os::fd::OwnedFd, String> {
    use nix::sched::{CloneFlags, unshare};

    nix::ioctl_write_int!(set_interface, b'T', 202);
    let make = || -> Result<std::os::fd::OwnedFd, String> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("no network namespace: {e}"))?;
        let tun = fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
        let tun = tun.map_err(|e| format!("/dev/net/tun: {e}"))?;
        // struct ifreq: a name of 16 bytes, then the flags IFF_TAP and IFF_NO_PI.
        let mut request = [0u8; 40];
        request[..4].copy_from_slice(b"tap0");
        request[16..18].copy_from_slice(&0x1002u16.to_ne_bytes());
        // SAFETY: the descriptor is open, and `request` is as large as a struct ifreq.
        let made = unsafe { set_interface(std::os::fd::AsRawFd::as_raw_fd(&tun), request.as_ptr() as _) };
        made.map_err(|e| format!("no tap: {e}"))?;
        Ok(tun.into())
    };
    // Of a thread that ends, so that nothing else of the test is in that namespace.
    runtime::spawn_thread("tap", make).unwrap().join().unwrap()
}

/// What the guest of an interrupted start left behind does not stand in the way.
#[test]
fn a_start_without_adoption_finds_the_running_vm() {
    let Some(place) = place("a_start_without_adoption_finds_the_running_vm") else { return };
    let (bench, spec) = Bench::with_vm(&place);
    let pid = place.pid(&spec);
    drop(bench);
    let mut bench = Bench::new(&place);
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    assert_eq!(place.pid(&spec), pid);
    assert_eq!(bench.power(spec.server), Power::Running);
}

/// A QEMU that hangs answers nothing; it can still be ended.
#[test]
fn a_hanging_qemu_is_killed() {
    let Some(place) = place("a_hanging_qemu_is_killed") else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    kill(place.pid(&spec), Signal::SIGSTOP).unwrap();
    let error = bench.hypervisor.observe(spec.server).unwrap_err();
    assert!(matches!(error, Error::Unresponsive { .. }), "{error}");
    bench.hypervisor.stop(spec.server).unwrap();
    assert_eq!(bench.power(spec.server), Power::ShutDown);
}

/// A disk that only who knows the secret can open.
fn encrypted_disk(place: &RealPlace, secret: &str) -> Disk {
    let mut disk = place.file_disk(b"", "raw");
    let path = disk.blockdev["file"]["filename"].as_str().unwrap().to_owned();
    let create = || {
        let mut child = Command::new("qemu-img")
            .args(["create", "-q", "-f", "luks", "--object", "secret,id=key,file=/dev/stdin"])
            .args(["-o", "key-secret=key,iter-time=10", &path, "1M"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        child.wait().unwrap().success()
    };
    // QEMU fails now and then to measure how fast it hashes.
    assert!((0..50).any(|_| create()));
    disk.blockdev["driver"] = "luks".into();
    disk.blockdev["key-secret"] = Disk::secret_name(disk.volume).into();
    disk.secret = Some(secret.to_owned().into());
    disk
}

#[test]
fn encrypted_disks_are_opened_with_secrets_that_nobody_sees() {
    let test = "encrypted_disks_are_opened_with_secrets_that_nobody_sees";
    let Some(place) = place(test) else { return };
    if let Err(error) = Command::new("qemu-img").arg("--version").output() {
        return println!("skipped: {test}: qemu-img: {error}");
    }
    let (first, second) = (encrypted_disk(&place, "open sesame"), encrypted_disk(&place, "open sesame"));
    let mut bench = Bench::new(&place);
    let mut spec = place.spec();
    spec.disks.push(first.clone());
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    bench.await_greetings(spec.server, guest::GREETING, 1);
    bench.hypervisor.attach_disk(spec.server, &second).unwrap();
    bench.hypervisor.resize_disk(spec.server, second.volume, 2 << 20).unwrap();
    let arguments = fs::read(format!("/proc/{}/cmdline", place.pid(&spec))).unwrap();
    let mut seen = vec![String::from_utf8_lossy(&arguments).into_owned()];
    for entry in fs::read_dir(place.dir.join("run").join(spec.server.to_string())).unwrap() {
        seen.extend(
            fs::read(entry.unwrap().path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        );
    }
    assert!(seen.len() > 3 && seen[0].contains(&Disk::secret_name(first.volume)));
    assert!(!seen.concat().contains("sesame"));

    // Given back and forth, and with another secret not at all.
    bench.await_detached(spec.server, second.volume);
    let stranger = Disk { secret: Some("sesame, open".to_owned().into()), ..second.clone() };
    let error = bench.hypervisor.attach_disk(spec.server, &stranger).unwrap_err();
    assert!(error.to_string().contains("Invalid password"), "{error}");
    bench.hypervisor.attach_disk(spec.server, &second).unwrap();
    bench.await_detached(spec.server, first.volume);
    let left = bench.disks(spec.server);
    assert!(left.len() == 2 && left.contains(&second.volume), "{left:?}");
}

/// Where a disk of [`RealPlace`] lies.
fn file_of(disk: &Disk) -> PathBuf {
    disk.blockdev["file"]["filename"].as_str().unwrap().into()
}

/// Begins to mirror a disk and waits for what becomes of that.
fn mirror(bench: &mut Bench, spec: &VmSpec, wanted: &Exchange, to: &Value) -> Mirrored {
    bench.hypervisor.begin_mirror(spec.server, wanted.volume, (wanted.id, to)).unwrap();
    bench.wait("mirrored", |bench| {
        match bench.hypervisor.mirrored(spec.server, wanted.volume, wanted.id).unwrap().unwrap() {
            Mirrored::Going { .. } => None,
            other => Some(other),
        }
    })
}

fn wanted(volume: VolumeId) -> Exchange {
    Exchange { volume, id: CopyId(runtime::new_uuid()), to: "there".to_owned() }
}

#[test]
fn an_exchanged_disk_has_the_same_content_and_nothing_of_the_old_one_is_open() {
    let test = "an_exchanged_disk_has_the_same_content_and_nothing_of_the_old_one_is_open";
    let Some(place) = place(test) else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    let content: Vec<u8> = (0..4_u32 << 20).map(|at| (at / 977) as u8).collect();
    let old = place.file_disk(&content, "raw");
    // What lies there already does not shine through.
    let new = place.file_disk(&vec![7; content.len()], "raw");
    bench.hypervisor.attach_disk(spec.server, &old).unwrap();
    let wanted = wanted(old.volume);
    assert_eq!(mirror(&mut bench, &spec, &wanted, &new.blockdev), Mirrored::Equal);
    let mut seen = Vec::new();
    let mut record = || {
        // At this moment both are the same, on disk.
        seen.push((fs::read(file_of(&old)).unwrap(), fs::read(file_of(&new)).unwrap()));
        Ok(())
    };
    assert!(bench.hypervisor.exchange_disk(spec.server, &wanted, &mut record).unwrap());
    assert!(seen.len() == 1 && seen[0].0 == content && seen[0].1 == content, "the content is another");
    let open = place.open_files(&spec);
    assert!(open.contains(&file_of(&new)) && !open.contains(&file_of(&old)), "{open:?}");
    bench.hypervisor.resize_disk(spec.server, old.volume, 8 << 20).unwrap();
    assert_eq!(fs::metadata(file_of(&new)).unwrap().len(), 8 << 20);
    bench.await_detached(spec.server, old.volume);
    assert!(!place.open_files(&spec).contains(&file_of(&new)));
    assert!(!place.run(&spec, "exchange.json").exists());
}

#[test]
fn a_disk_that_is_only_read_is_exchanged_too() {
    let Some(place) = place("a_disk_that_is_only_read_is_exchanged_too") else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    let old = Disk { read_only: true, ..place.file_disk(&vec![5; 1 << 20], "raw") };
    let new = place.disk();
    bench.hypervisor.attach_disk(spec.server, &old).unwrap();
    let wanted = wanted(old.volume);
    assert_eq!(mirror(&mut bench, &spec, &wanted, &new.blockdev), Mirrored::Equal);
    assert!(bench.hypervisor.exchange_disk(spec.server, &wanted, &mut || Ok(())).unwrap());
    assert_eq!(fs::read(file_of(&new)).unwrap(), fs::read(file_of(&old)).unwrap());
    assert!(!place.open_files(&spec).contains(&file_of(&old)));
}

#[test]
fn a_mirror_that_fails_leaves_the_disk_as_it_was() {
    let Some(place) = place("a_mirror_that_fails_leaves_the_disk_as_it_was") else { return };
    let (mut bench, spec) = Bench::with_vm(&place);
    let (old, new) = (place.file_disk(&vec![3; 1 << 20], "raw"), place.disk());
    bench.hypervisor.attach_disk(spec.server, &old).unwrap();
    let wanted = wanted(old.volume);
    let nowhere = json!({ "driver": "file", "filename": "/nowhere" });
    let refused = bench.hypervisor.begin_mirror(spec.server, old.volume, (wanted.id, &nowhere)).unwrap_err();
    assert!(refused.to_string().contains("/nowhere"), "{refused}");
    let mut full = new.blockdev.clone();
    let errors =
        json!([{ "event": "pwritev", "errno": 28, "immediately": true }, { "event": "none", "errno": 28 }]);
    full["file"] = json!({ "driver": "blkdebug", "image": new.blockdev["file"], "inject-error": errors });
    let failed = mirror(&mut bench, &spec, &wanted, &full);
    assert!(matches!(&failed, Mirrored::Failed(why) if why.contains("No space left")), "{failed:?}");
    assert_eq!(bench.hypervisor.mirrored(spec.server, old.volume, wanted.id).unwrap(), None);
    let never = &mut || panic!("nothing is to be recorded");
    assert!(bench.hypervisor.exchange_disk(spec.server, &wanted, never).is_err());
    assert_eq!((bench.power(spec.server), bench.hypervisor.exchanging(spec.server)), (Power::Running, None));
    let open = place.open_files(&spec);
    assert!(open.contains(&file_of(&old)), "{open:?}");
    assert!(!open.contains(&file_of(&new)), "{open:?}");
}

/// Killed after it noted that an exchange begins, and before QEMU was asked for it, or stopped the guest at all.
#[test]
fn an_exchange_that_was_only_noted_is_given_up() {
    let Some(place) = place("an_exchange_that_was_only_noted_is_given_up") else { return };
    for stopped in [false, true] {
        let (mut bench, spec) = Bench::with_vm(&place);
        let (old, new) = (place.disk(), place.disk());
        bench.hypervisor.attach_disk(spec.server, &old).unwrap();
        let wanted = wanted(old.volume);
        assert_eq!(mirror(&mut bench, &spec, &wanted, &new.blockdev), Mirrored::Equal);
        let node = format!("m-{}", &wanted.id.0.simple().to_string()[..24]);
        let job = format!("mirror.{}.{}", wanted.volume, wanted.id);
        let note = json!({ "exchange": wanted, "job": job, "target": node, "running": true });
        fs::write(place.run(&spec, "exchange.json"), note.to_string()).unwrap();
        if stopped {
            bench.hypervisor.pause(spec.server).unwrap();
        }
        drop(bench);
        let mut bench = Bench::new(&place);
        bench.hypervisor.adopt().unwrap();
        assert_eq!(bench.hypervisor.exchanging(spec.server).as_ref(), Some(&wanted));
        let never = &mut || panic!("nothing is to be recorded");
        assert!(!bench.hypervisor.exchange_disk(spec.server, &wanted, never).unwrap());
        assert_eq!(
            (bench.power(spec.server), bench.hypervisor.exchanging(spec.server)),
            (Power::Running, None)
        );
        assert_eq!(bench.hypervisor.mirrored(spec.server, old.volume, wanted.id).unwrap(), None);
        assert!(!place.open_files(&spec).contains(&file_of(&new)));
        // And begun anew.
        assert_eq!(mirror(&mut bench, &spec, &wanted, &new.blockdev), Mirrored::Equal);
        assert!(bench.hypervisor.exchange_disk(spec.server, &wanted, &mut || Ok(())).unwrap());
    }
}
