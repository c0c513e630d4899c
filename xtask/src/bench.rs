//! Measurements and the simulation: both live in crates of their own, and this starts them.

use std::path::PathBuf;

use crate::golden::{KEYSTONE, Original};
use crate::project::{self, Outcome, failed};

/// Builds and runs the measurements, as root, for namespaces and VMs are among them.
pub fn run(arguments: &[String]) -> Outcome {
    // What is measured stands beside what measures.
    let build = ["build", "--quiet", "--release", "--locked", "--package", "cuttle", "--package", "bench"];
    project::run(&mut project::cargo(&build))?;
    let keystone = if wants_identity(arguments) { beside() } else { None };
    let url = keystone.as_ref().map(|keystone| PathBuf::from(&keystone.url));
    let image = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from);
    let mut variables: Vec<_> = image.iter().map(|image| ("CUTTLE_GUEST_IMAGE", image.as_path())).collect();
    variables.extend(url.iter().map(|url| ("CUTTLE_ORIGINAL", url.as_path())));
    let program = project::target().join("release/bench");
    project::run(project::as_root(&program, &variables).args(arguments))
}

/// Whether the identity service is among what is measured.
fn wants_identity(arguments: &[String]) -> bool {
    let only = arguments.iter().skip_while(|word| *word != "--only").nth(1);
    only.is_none_or(|parts| parts.split(',').any(|part| part == "identity"))
}

/// The original of the identity service, with a process for each processor; without it, the others are measured.
fn beside() -> Option<Original> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Original::start(KEYSTONE, processors)
        .map_err(|why| println!("bench: there is no Keystone to compare with: {why}"))
        .ok()
}

/// Builds and runs the seeded simulation.
pub fn simulate(arguments: &[String]) -> Outcome {
    if !project::root().join("crates/sim").exists() {
        return Err(failed("there is no crate sim yet"));
    }
    let mut command = project::cargo(&["run", "--quiet", "--package", "sim", "--"]);
    project::run(command.args(arguments))
}
