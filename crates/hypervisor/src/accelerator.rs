//! KVM or TCG, and why.

use std::fs::{self, OpenOptions};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How processors are provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// By the processor itself.
    Kvm,
    /// By translation: everywhere, but ten times slower or more.
    Tcg,
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcceleratorChoice {
    /// KVM where it works.
    #[default]
    Auto,
    /// KVM, or nothing.
    Kvm,
    /// TCG, even where KVM works.
    Tcg,
}

/// Looks at this host, and decides. The text says why.
pub fn probe(choice: AcceleratorChoice) -> Result<(Accelerator, String)> {
    let opened = OpenOptions::new().read(true).write(true).open(Path::new("/dev/kvm"));
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    choose(choice, opened.map(drop).map_err(|e| e.to_string()), &cpuinfo)
}

/// Decides by what was found: whether `/dev/kvm` opens, and the text of `/proc/cpuinfo`.
///
/// A `/dev/kvm` alone is not enough on x86: some hosts that are VMs themselves offer one without the
/// processor's help, and stock kernels then take minutes to boot.
pub fn choose(
    choice: AcceleratorChoice,
    kvm: Result<(), String>,
    cpuinfo: &str,
) -> Result<(Accelerator, String)> {
    if choice == AcceleratorChoice::Tcg {
        return Ok((Accelerator::Tcg, "the configuration says so".to_owned()));
    }
    let flag = cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .flat_map(str::split_whitespace)
        .find(|flag| matches!(*flag, "vmx" | "svm"));
    let needs_flag = cfg!(target_arch = "x86_64");
    let reason = match (kvm, flag) {
        (Err(why), _) => format!("/dev/kvm does not open: {why}"),
        (Ok(()), None) if needs_flag => {
            "/dev/kvm opens, but the processor shows neither vmx nor svm".to_owned()
        }
        (Ok(()), flag) => {
            let why = format!("/dev/kvm opens and the processor shows {}", flag.unwrap_or("its support"));
            return Ok((Accelerator::Kvm, why));
        }
    };
    match choice {
        AcceleratorChoice::Kvm => Err(Error::NoKvm(reason)),
        AcceleratorChoice::Auto | AcceleratorChoice::Tcg => Ok((Accelerator::Tcg, reason)),
    }
}
