//! What CI checks before it tests: formatting, lints, house rules, licences and sources of dependencies.

use crate::project::{self, Failure, Outcome};
use crate::tidy;

/// Runs every check, the failed ones included, so that one run shows all there is to mend.
pub fn run(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err(Failure::Usage("check takes no arguments".into()));
    }
    let clippy = ["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let mut failures = Vec::new();
    let mut note = |name: &str, outcome: Outcome| match outcome {
        Ok(()) => println!("check: {name}: ok"),
        Err(why) => {
            println!("check: {name}: failed");
            failures.push(why.to_string());
        }
    };
    note("tidy", tidy::run(&[]));
    note("fmt", project::run(&mut project::cargo(&["fmt", "--all", "--check"])));
    note("clippy", project::run(&mut project::cargo(&clippy)));
    if project::has("cargo-deny", "--version") {
        note("deny", project::run(&mut project::cargo(&["deny", "--locked", "check"])));
    } else {
        println!("check: deny: not run, for cargo-deny is not installed (cargo install cargo-deny)");
    }
    if failures.is_empty() { Ok(()) } else { Err(project::failed(failures.join("\n"))) }
}
