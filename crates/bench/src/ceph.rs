//! What is measured on a Ceph cluster, if there is one: volumes made there, and I/O in guests.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::report::Report;
use crate::{guest_io, volumes};

/// A cluster on this machine, which ends with this. It runs for no other part: its daemons never sleep for long.
pub struct Ceph {
    xtask: PathBuf,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// Measures both.
pub fn measure(report: &mut Report) -> Result<()> {
    let Some(xtask) = std::env::var_os("CUTTLE_XTASK").map(PathBuf::from) else {
        report.skip("volumes in Ceph", "./x bench tells how to start a cluster");
        return Ok(());
    };
    match Ceph::start(xtask)? {
        Ok(ceph) => {
            volumes::measure_create_in(report, &ceph)?;
            guest_io::measure(report, Some(&ceph))?;
        }
        Err(why) => report.skip("volumes in Ceph", &why),
    }
    Ok(())
}

impl Ceph {
    /// Starts one, or says why there is none.
    fn start(xtask: PathBuf) -> Result<Result<Ceph, String>> {
        let folder = tempfile::Builder::new().prefix("cuttle-bench-ceph-").tempdir();
        let folder = folder.context("cannot make a folder for a cluster")?;
        let mut ceph = Ceph { xtask, folder, variables: Vec::new() };
        let started = ceph.control("up").output().context("cannot start Ceph")?;
        if !started.status.success() {
            return Ok(Err(String::from_utf8_lossy(&started.stderr).trim().to_owned()));
        }
        let text = std::fs::read_to_string(ceph.folder.path().join("environment"));
        let text = text.with_context(|| format!("{} is no cluster", ceph.folder.path().display()))?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        ceph.variables = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Ok(ceph))
    }

    fn control(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.xtask);
        command.args(["ceph", verb]).arg(self.folder.path());
        command
    }

    /// What programs need to find its libraries and QEMU's driver.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }

    /// The configuration of a cloud whose volumes are there.
    pub fn config(&self) -> String {
        format!(
            "[[storage_backend]]\nname = \"ceph\"\ndriver = \"rbd\"\nrbd_ceph_conf = \"{}\"\nrbd_user = \"cuttle\"\n",
            self.folder.path().join("ceph.conf").display()
        )
    }

    /// How QEMU's manual writes a volume there.
    pub fn qemu_name(&self, image: &str) -> String {
        format!("rbd:volumes/{image}:id=cuttle:conf={}", self.folder.path().join("ceph.conf").display())
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        // One that did not start has nothing to end, and its folder goes with this.
        let _ = self.control("down").stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
