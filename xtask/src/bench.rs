//! Measurements and the simulation: both live in crates of their own, and this starts them.

use crate::project::{self, Outcome, failed};

/// Builds and runs the measurements.
pub fn run(arguments: &[String]) -> Outcome {
    start("bench", &["--release"], arguments)
}

/// Builds and runs the seeded simulation.
pub fn simulate(arguments: &[String]) -> Outcome {
    start("sim", &[], arguments)
}

fn start(package: &str, profile: &[&str], arguments: &[String]) -> Outcome {
    if !project::root().join("crates").join(package).exists() {
        return Err(failed(format!("there is no crate {package} yet")));
    }
    let mut command = project::cargo(&["run", "--quiet", "--package", package]);
    command.args(profile).arg("--").args(arguments);
    project::run(&mut command)
}
