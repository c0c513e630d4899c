//! A machine that lacks something and images that are not what they seem: the error says what to do, nothing is lost.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use super::cloud::{CUTTLE, Cloud, LONG, Who, text, wait};
use super::cloud_test;

/// What a data directory on a small disk may hold: images and the database, above the reserve of 1 GiB.
const DISK_MIB: u64 = 1400;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("cuttle-broken-{}", runtime::new_uuid().simple()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn up(&self, arguments: &[&str], search: Option<&Path>) -> Output {
        let mut up = Command::new(CUTTLE);
        up.args(["up", "--data-dir"]).arg(self.0.join("data")).args(arguments);
        if let Some(search) = search {
            up.env("PATH", search);
        }
        up.output().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ =
            Command::new(CUTTLE).args(["down", "--purge", "--data-dir"]).arg(self.0.join("data")).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn assert_says(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "nothing is ready");
    let last = said.split("cuttle: ").last().unwrap_or_default();
    for part in parts {
        assert!(last.contains(part), "{part:?} is not said: {said}");
    }
}

#[test]
fn what_keeps_a_cloud_from_starting_is_said() {
    cloud_test!("what_keeps_a_cloud_from_starting_is_said");
    let folder = Folder::new();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    assert_says(&folder.up(&["--listen", &taken], None), &["cannot listen on", &taken, "--listen"]);
    drop(held);

    let config = folder.0.join("cuttle.toml");
    let with = ["--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    assert_says(&folder.up(&with, None), &["cannot read the configuration", "cuttle.toml", "--config"]);
    for (wrong, said) in [
        ("accelerator = ", "cuttle.toml"),
        ("acelerator = \"kvm\"", "acelerator"),
        ("accelerator = \"fast\"", "auto, kvm, tcg"),
        ("password_cost = 99", "from 4 to 31"),
    ] {
        std::fs::write(&config, wrong).unwrap();
        assert_says(&folder.up(&with, None), &["cuttle.toml", said]);
    }

    // Only what a cloud needs beside QEMU is found.
    let tools = folder.0.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    for tool in ["nft", "ip", "qemu-img", "modprobe"] {
        let found =
            ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().map(|place| Path::new(place).join(tool));
        if let Some(found) = found.into_iter().find(|path| path.exists()) {
            std::os::unix::fs::symlink(found, tools.join(tool)).unwrap();
        }
    }
    let output = folder.up(&["--listen", "127.0.0.1:0"], Some(&tools));
    assert_says(&output, &["need more than this machine has", "qemu-system-x86_64", "install", "--sim"]);
}

#[test]
fn broken_images_fail_with_a_reason() {
    cloud_test!("broken_images_fail_with_a_reason");
    let cloud = Cloud::new();
    let folder = Folder::new();
    let made = |name: &str, arguments: &[&str]| {
        let path = folder.0.join(name);
        let mut create = Command::new("qemu-img");
        create.args(["create", "-q", "-f", "qcow2"]).args(arguments).arg(&path).arg("64M");
        assert!(create.status().unwrap().success());
        std::fs::read(&path).unwrap()
    };
    let good = made("good.qcow2", &[]);
    let based = made("based.qcow2", &["-u", "-b", "/etc/passwd", "-F", "raw"]);
    let outside = format!("data_file={}", folder.0.join("outside.raw").display());
    let outside = made("outside.qcow2", &["-o", &outside]);
    for (name, bytes) in [
        ("noise", &b"this is no image".repeat(100)[..]),
        ("based", &based),
        ("outside", &outside),
        ("cut", &good[..80]),
    ] {
        let (_, status, said) = cloud.try_upload(name, "qcow2", bytes);
        assert!((400..500).contains(&status), "{name}: {status}: {said}");
        println!("{name}: {status}: {said}");
    }

    // One that was good when it came and is damaged since.
    let network = cloud.network(Who::Demo);
    let image = cloud.upload("damaged", "qcow2", &good);
    let path = cloud.dir.join("images").join(&image);
    let mut file = std::fs::File::options().write(true).truncate(true).open(&path).unwrap();
    file.write_all(b"QFI\xfb and nothing else").unwrap();
    let server =
        text(&cloud.post("/compute/v2.1/servers", &cloud.server_body("d", &image, &network))["server"]["id"]);
    let server = cloud.wait_for_status(&server, "ERROR");
    let fault = text(&server["fault"]["message"]);
    println!("{fault}");
    assert!(fault.contains(&image) || fault.contains("disk") || fault.contains("image"), "{fault}");

    // What does not boot runs all the same.
    let blank = cloud.upload("blank", "raw", &vec![0; 1 << 20]);
    let server =
        text(&cloud.post("/compute/v2.1/servers", &cloud.server_body("b", &blank, &network))["server"]["id"]);
    cloud.wait_for_status(&server, "ACTIVE");
    cloud.remove_all();
    cloud.assert_clean();
}

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    fn new() -> Disk {
        let path = std::env::temp_dir().join(format!("cuttle-disk-{}", runtime::new_uuid().simple()));
        std::fs::create_dir_all(&path).unwrap();
        let size = format!("size={DISK_MIB}m");
        let none: Option<&str> = None;
        nix::mount::mount(none, &path, Some("tmpfs"), nix::mount::MsFlags::empty(), Some(size.as_str()))
            .unwrap();
        Disk(path)
    }

    /// Takes all but this much. The cloud writes to the disk, too: where it was faster, what is free is asked anew.
    fn fill(&self, spare_bytes: u64) {
        let file = std::fs::File::options().create(true).append(true).open(self.filler()).unwrap();
        for _ in 0..100 {
            let free = nix::sys::statvfs::statvfs(&self.0).unwrap();
            let free = free.blocks_available() * free.fragment_size();
            let before = i64::try_from(file.metadata().unwrap().len()).unwrap();
            let more = i64::try_from(free.saturating_sub(spare_bytes)).unwrap();
            if more == 0 {
                return;
            }
            match nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), before, more) {
                Err(nix::errno::Errno::ENOSPC) => {}
                filled => return filled.unwrap(),
            }
        }
        panic!("the disk is never filled");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    cloud_test!("a_full_disk_loses_nothing");
    let disk = Disk::new();
    let mut cloud = Cloud::at(disk.0.join("data"));
    let volumes = format!("/volume/v3/{}/volumes", cloud.project(Who::Demo));
    let volume = |name: &str| json!({"volume": {"size": 1, "name": name}});
    let early = text(&cloud.post(&volumes, &volume("early"))["volume"]["id"]);
    let volume_is = |cloud: &Cloud, id: &str, status: &str| {
        wait(&format!("volume {id} is {status}"), LONG, || {
            let shown = cloud.get(&format!("{volumes}/{id}"));
            (shown["volume"]["status"] == status).then_some(())
        });
    };
    volume_is(&cloud, &early, "available");

    // Less than the reserve is left: no disks are made, the rest goes on.
    disk.fill(64 << 20);
    let late = text(&cloud.post(&volumes, &volume("late"))["volume"]["id"]);
    volume_is(&cloud, &late, "error");

    // Nothing is left: no promise is made that cannot be kept.
    disk.fill(0);
    let networks = "/network/v2.0/networks";
    let mut kept = Vec::new();
    let refused = wait("a request is refused", Duration::from_secs(60), || {
        let body = json!({"network": {"name": "n", "description": "x".repeat(250)}});
        let (status, said) = cloud.ask(Who::Demo, "POST", networks, Some(&body))?;
        disk.fill(0);
        match status {
            201 => {
                kept.push(text(&said["network"]["id"]));
                None
            }
            _ => Some((status, said)),
        }
    });
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.to_string().contains("not able to use its database"), "{}", refused.1);
    println!("{} networks were made before: {}", kept.len(), refused.1);
    assert_eq!(cloud.get(&format!("{volumes}/{early}"))["volume"]["status"], "available", "reading goes on");

    // A control plane that is killed now finds everything again when there is room.
    cloud.kill_up();
    disk.empty();
    cloud.start();
    for id in &kept {
        cloud.get(&format!("{networks}/{id}"));
    }
    volume_is(&cloud, &early, "available");
    let after = text(&cloud.post(&volumes, &volume("after"))["volume"]["id"]);
    volume_is(&cloud, &after, "available");
    cloud.remove_all();
    cloud.assert_clean();
}
