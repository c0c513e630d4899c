//! What is measured on a Ceph cluster, if there is one: volumes made there, and I/O in guests.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::report::Report;
use crate::{guest_io, volumes};

/// A cluster that runs on this machine.
pub struct Ceph {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

/// Measures both.
pub fn measure(report: &mut Report) -> Result<()> {
    let Some(ceph) = Ceph::find()? else {
        report.skip("volumes in Ceph", "there is no cluster; ./x bench starts one where Ceph is installed");
        return Ok(());
    };
    volumes::measure_create_in(report, &ceph)?;
    guest_io::measure(report, Some(&ceph))
}

impl Ceph {
    fn find() -> Result<Option<Ceph>> {
        let Some(folder) = std::env::var_os("CUTTLE_CEPH").map(PathBuf::from) else { return Ok(None) };
        let text = std::fs::read_to_string(folder.join("environment"));
        let text = text.with_context(|| format!("{} is no cluster", folder.display()))?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let variables = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Some(Ceph { folder, variables }))
    }

    /// What programs need to find its libraries and QEMU's driver.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }

    /// The configuration of a cloud whose volumes are there.
    pub fn config(&self) -> String {
        format!(
            "[[storage_backend]]\nname = \"ceph\"\ndriver = \"rbd\"\nrbd_ceph_conf = \"{}\"\nrbd_user = \"cuttle\"\n",
            self.folder.join("ceph.conf").display()
        )
    }

    /// How QEMU's manual writes a volume there.
    pub fn qemu_name(&self, image: &str) -> String {
        format!("rbd:volumes/{image}:id=cuttle:conf={}", self.folder.join("ceph.conf").display())
    }
}
