//! Measurements and the simulation: both live in crates of their own, and this starts them.

use std::path::PathBuf;

use crate::golden::{CINDER, Edition, GLANCE, KEYSTONE, Kind, Original, Purpose};
use crate::project::{self, Outcome, failed};

/// Builds and runs the measurements, as root, for namespaces and VMs are among them.
pub fn run(arguments: &[String]) -> Outcome {
    // What is measured stands beside what measures.
    let build = ["build", "--quiet", "--release", "--locked", "--package", "cuttle", "--package", "bench"];
    project::run(&mut project::cargo(&build))?;
    let beside = [
        ("identity", KEYSTONE, Edition::Newest),
        ("beside", GLANCE, Edition::Packaged),
        ("beside", CINDER, Edition::Packaged),
    ];
    // They run until all is measured.
    let originals: Vec<(Kind, Outcome<Original>)> = beside
        .into_iter()
        .filter(|(part, ..)| is_wanted(arguments, part))
        .map(|(_, kind, edition)| (kind, Original::start(kind, edition, Purpose::Measured)))
        .collect();
    let told: Vec<_> = originals.iter().map(|(kind, original)| tell(*kind, original)).collect();
    let image = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from);
    let mut variables: Vec<_> = image.iter().map(|image| ("CUTTLE_GUEST_IMAGE", image.as_path())).collect();
    variables.extend(told.iter().map(|(name, value)| (name.as_str(), value.as_path())));
    let own = std::env::current_exe().ok();
    variables.extend(own.iter().map(|own| ("CUTTLE_XTASK", own.as_path())));
    let program = project::target().join("release/bench");
    project::run(project::as_root(&program, &variables).args(arguments))
}

/// Whether a part is among what is measured.
fn is_wanted(arguments: &[String], part: &str) -> bool {
    let only = arguments.iter().skip_while(|word| *word != "--only").nth(1);
    only.is_none_or(|parts| parts.split(',').any(|wanted| wanted == part))
}

/// The variable that tells the measurements of an original, or why there is none; then the others are measured.
fn tell(kind: Kind, original: &Outcome<Original>) -> (String, PathBuf) {
    let name = kind.name.to_uppercase();
    match original {
        Ok(original) => (format!("CUTTLE_{name}"), original.told().into()),
        Err(why) => (format!("CUTTLE_NO_{name}"), why.to_string().into()),
    }
}

/// Builds and runs the seeded simulation.
pub fn simulate(arguments: &[String]) -> Outcome {
    if !project::root().join("crates/sim").exists() {
        return Err(failed("there is no crate sim yet"));
    }
    let mut command = project::cargo(&["run", "--quiet", "--package", "sim", "--"]);
    project::run(command.args(arguments))
}
