//! Measurements and the simulation: both live in crates of their own, and this starts them.

use std::path::PathBuf;

use crate::project::{self, Outcome, failed};

/// Builds and runs the measurements, as root, for namespaces and VMs are among them.
pub fn run(arguments: &[String]) -> Outcome {
    // What is measured stands beside what measures.
    let build = ["build", "--quiet", "--release", "--locked", "--package", "cuttle", "--package", "bench"];
    project::run(&mut project::cargo(&build))?;
    let image = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from);
    let variables: Vec<_> = image.iter().map(|image| ("CUTTLE_GUEST_IMAGE", image.as_path())).collect();
    let program = project::target().join("release/bench");
    project::run(project::as_root(&program, &variables).args(arguments))
}

/// Builds and runs the seeded simulation.
pub fn simulate(arguments: &[String]) -> Outcome {
    if !project::root().join("crates/sim").exists() {
        return Err(failed("there is no crate sim yet"));
    }
    let mut command = project::cargo(&["run", "--quiet", "--package", "sim", "--"]);
    project::run(command.args(arguments))
}
