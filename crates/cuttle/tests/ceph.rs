//! A real server whose disk is a clone in a real Ceph cluster, written to while an OSD is killed and another is added.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value as Json;

use crate::cloud::{Cloud, Folder, said, wait_long_for};
use crate::real::needs;

/// Recovery competes with a guest whose processor is emulated.
const PATIENCE: Duration = Duration::from_secs(300);
/// Writes 40 files of 1 MiB, each synced, and notes their hashes.
const WRITE: &str = "i=0; while [ $i -lt 40 ]; do dd if=/dev/urandom of=f$i bs=64k count=16 conv=fsync 2>/dev/null || exit 1; \
                     sha256sum f$i >>sums || exit 1; i=$((i+1)); done; sync; wc -l <sums";
/// Reads them back from the disk.
const CHECK: &str =
    "sync; echo 3 | sudo tee /proc/sys/vm/drop_caches >/dev/null; sha256sum -c sums | grep -c OK";

/// A cluster of this test's own.
pub struct Ceph {
    xtask: PathBuf,
    folder: Folder,
}

impl Ceph {
    /// Starts one.
    pub fn start(xtask: PathBuf) -> Ceph {
        let ceph = Ceph { xtask, folder: Folder::new("ceph") };
        ceph.do_it("up", &[]);
        ceph
    }

    /// A cloud whose default backend it is.
    pub fn cloud(&self, guest: &Path) -> Cloud {
        let toml = format!(
            "[[storage_backend]]\nname = \"ceph\"\ndriver = \"rbd\"\nrbd_ceph_conf = \"{}\"\nrbd_user = \"cuttle\"\n",
            self.conf().display()
        );
        Cloud::real_on(guest, &toml, self.variables())
    }

    pub fn conf(&self) -> PathBuf {
        self.dir().join("ceph.conf")
    }

    fn do_it(&self, what: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.xtask);
        let output = command.args(["ceph", what]).arg(self.dir()).args(arguments).output().unwrap();
        assert!(output.status.success(), "ceph {what}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn dir(&self) -> PathBuf {
        self.folder.0.join("ceph")
    }

    fn asked(&self, command: &str) -> Json {
        serde_json::from_str(&self.do_it("command", &[command])).unwrap()
    }

    /// What lets programs find Ceph's libraries, and a QEMU that reads RBD.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.dir().join("environment")).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        let _ = Command::new(&self.xtask).args(["ceph", "down"]).arg(self.dir()).status();
    }
}

pub fn asked_for() -> Result<(PathBuf, PathBuf), &'static str> {
    let (_, guest) = needs()?;
    if std::env::var_os("CUTTLE_TEST_ALL").is_none() {
        return Err("takes minutes; asked for by --all");
    }
    let xtask = std::env::var_os("CUTTLE_TEST_XTASK").ok_or("there is no Ceph; --ceph starts one")?;
    Ok((xtask.into(), guest))
}

#[test]
fn a_server_on_ceph_loses_no_byte_when_an_osd_is_killed_and_another_added() {
    let (xtask, guest) = match asked_for() {
        Ok(paths) => paths,
        Err(why) => {
            let name = "a_server_on_ceph_loses_no_byte_when_an_osd_is_killed_and_another_added";
            return println!("skipped: {name}: {why}");
        }
    };
    let ceph = Ceph::start(xtask);
    let cloud = ceph.cloud(&guest);
    let launched = cloud.run("launch", &["web", "--wait", "ssh"]);
    println!("{launched}");
    assert_eq!(cloud.run("ssh", &["web", "--", "rm -f sums; echo ready"]).trim(), "ready");
    let before = groups(&ceph);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| cloud.run("ssh", &["web", "--", WRITE]));
        wait_long_for(PATIENCE, || {
            match cloud.run("ssh", &["web", "--", "cat sums 2>/dev/null | wc -l"]).trim() {
                "0" => Err("nothing is written yet".to_owned()),
                _ => Ok(()),
            }
        });
        ceph.do_it("kill-osd", &["1"]);
        ceph.do_it("add-osd", &[]);
        assert_eq!(writing.join().unwrap().trim(), "40");
    });
    ceph.do_it("start-osd", &["1"]);
    wait_long_for(PATIENCE, || {
        let after = groups(&ceph);
        if after.len() == 4 && after.iter().all(|groups| *groups > 0) {
            Ok(())
        } else {
            Err(format!("{after:?}"))
        }
    });
    ceph.do_it("wait", &[]);
    assert_eq!(cloud.run("ssh", &["web", "--", CHECK]).trim(), "40");
    println!("placement groups on the OSDs: {before:?} before, {:?} after", groups(&ceph));
    println!("{}", status(&cloud, &ceph));
    let figures = cloud.metrics("cuttle_ceph_osds_up{cluster=\"ceph\"} 4\n");
    assert!(figures.contains("cuttle_storage_up{backend=\"ceph\"} 1\n"), "{figures}");
}

fn groups(ceph: &Ceph) -> Vec<u64> {
    let df = ceph.asked(r#"{"prefix":"osd df","format":"json"}"#);
    df["nodes"].as_array().unwrap().iter().map(|osd| osd["pgs"].as_u64().unwrap_or(0)).collect()
}

/// What an operator reads; the cluster must be well.
fn status(cloud: &Cloud, ceph: &Ceph) -> String {
    let config: &Path = &cloud.folder().0.join("cuttle.toml");
    let mut command = crate::cloud::cuttle();
    let output = command.args(["storage", "status", "--config"]).arg(config).envs(ceph.variables()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
