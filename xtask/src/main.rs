//! Cuttle's own tools. `./x` sets a bare machine up and ends here; on a machine that is set up, `cargo xtask` does.

mod bench;
mod ceph;
mod check;
mod clock;
mod cloud;
mod databases;
mod demo;
mod golden;
mod new_resource;
mod packages;
mod project;
mod python;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask demo [--once]     a cloud with one server in it; --once takes it down again
cargo xtask down [--purge]    stops the demo's servers and cloud; --purge deletes its data too
cargo xtask test [CRATE] [--host] [--databases] [--ceph] [--all]
                              fast tests; those that need root and QEMU; database servers; a Ceph cluster; all
cargo xtask bench             measures Cuttle
cargo xtask golden --against keystone|glance|cinder [--packaged]
                              records anew what an original service answers; --packaged
                              compares with that what the one in Debian's packages does
cargo xtask ceph up DIR       a whole Ceph cluster on loopback, for tests; down DIR ends it
cargo xtask sim [ARG...]      the seeded whole-cloud simulation
cargo xtask new-resource SERVICE NAME
                              the folder of a new resource, and which lines to add
cargo xtask check             formatting, lints, tidy, dependencies
cargo xtask tidy [--accept-migrations]
                              the house rules alone; --accept-migrations records new migrations";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((task, rest)) = arguments.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let done = match task.as_str() {
        "demo" => demo::run(rest),
        "down" => demo::down(rest),
        "test" => test::run(rest),
        "bench" => bench::run(rest),
        "ceph" => ceph::run(rest),
        "golden" => golden::run(rest),
        "sim" => bench::simulate(rest),
        "new-resource" => new_resource::run(rest),
        "check" => check::run(rest),
        "tidy" => tidy::run(rest),
        _ => Err(project::Failure::Usage(format!("there is no task {task}\n{USAGE}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {task}: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
