//! Runs the tests and closes with one line that counts them.
//!
//! A test that cannot run on this machine prints `skipped: NAME: REASON` and returns; its runner calls that a pass, so
//! such lines are looked for in the output and counted as what they are.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::ceph;
use crate::clock::Stopwatch;
use crate::databases::Databases;
use crate::project::{self, Failure, Outcome, doing, failed};
use crate::python::python;

/// A line about progress comes at most this often.
const PROGRESS_SECONDS: f64 = 15.0;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    package: Option<String>,
    host: bool,
    databases: bool,
    ceph: bool,
    all: bool,
}

impl Options {
    /// Reads `[CRATE] [--host] [--databases] [--ceph] [--all]`.
    pub fn parse(arguments: &[String]) -> Outcome<Options> {
        let mut options = Options::default();
        for argument in arguments {
            match argument.as_str() {
                "--host" => options.host = true,
                "--databases" => options.databases = true,
                "--ceph" => options.ceph = true,
                "--all" => {
                    options = Options { host: true, databases: true, ceph: true, all: true, ..options }
                }
                name if !name.starts_with('-') && options.package.is_none() => {
                    options.package = Some(name.into())
                }
                other => return Err(Failure::Usage(format!("test does not know {other}"))),
            }
        }
        Ok(options)
    }
}

/// Builds and runs the tests; fails if one failed or none ran.
pub fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let nextest = project::has("cargo-nextest", "--version");
    let scope = match &options.package {
        Some(name) => vec!["--package", name.as_str()],
        None => vec!["--workspace"],
    };
    println!("test: building");
    let build =
        if nextest { ["nextest", "run", "--no-run"].as_slice() } else { &["test", "--no-run", "--quiet"] };
    project::run(project::cargo(build).arg("--locked").args(&scope))?;
    let databases = if options.databases { Some(Databases::start()) } else { None };
    let ceph = if options.ceph { ceph::Shared::start() } else { None };
    let mut command = if nextest { nextest_command() } else { plain_command() };
    command.arg("--locked").args(&scope);
    if !nextest {
        // Only this shows what passing tests print.
        command.args(["--", "--show-output"]);
    }
    if let Some(started) = &databases {
        started.describe_to(&mut command);
    }
    if let Some(started) = &ceph {
        started.describe_to(&mut command);
    }
    set_scope(&mut command, &options);
    if options.package.as_deref().is_none_or(|name| name == "storage")
        && let Some(server) = s3_server()
    {
        command.env("CUTTLE_S3_SERVER", server);
    }
    if options.all
        && let Some(image) = debian_image()
    {
        command.env("CUTTLE_DEBIAN_IMAGE", image);
    }
    let mut report = Report::default();
    let ended = follow(&mut command, &mut report)?;
    drop(databases);
    drop(ceph);
    report.close(ended)
}

fn nextest_command() -> Command {
    let flags = ["--no-fail-fast", "--color", "never", "--status-level", "all"];
    let mut command = project::cargo(&["nextest", "run"]);
    command.args(flags).args(["--success-output", "immediate", "--failure-output", "final"]);
    command
}

fn plain_command() -> Command {
    project::cargo(&["test", "--quiet", "--no-fail-fast"])
}

/// Tells the tests how far they may go. Who is not root runs the test programs by sudo, if host tests are asked for.
fn set_scope(command: &mut Command, options: &Options) {
    if options.host {
        command.env("CUTTLE_TEST_HOST", "1");
        if !project::is_root() {
            command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "sudo -E");
        }
    }
    if options.all {
        command.env("CUTTLE_TEST_ALL", "1");
    }
}

/// The program of an S3 server, installed if it can be. Without it the test that backs up to it is skipped.
fn s3_server() -> Option<PathBuf> {
    match python("s3", "s3-requirements.txt") {
        Ok(python) => Some(python.with_file_name("moto_server")),
        Err(failure) => {
            println!("test: no S3 server: {failure}");
            None
        }
    }
}

/// The image of a whole Debian, made if it can be. Without it the test that boots it is skipped.
fn debian_image() -> Option<String> {
    println!("test: making the Debian image, which takes minutes the first time");
    let mut make = Command::new(project::root().join("guest/debian"));
    match project::output(make.arg(project::cache().join("guest"))) {
        Ok(path) => Some(path.trim().to_owned()),
        Err(failure) => {
            println!("test: no Debian image: {failure}");
            None
        }
    }
}

/// What the runner's output says so far.
#[derive(Debug, Default)]
pub struct Report {
    passed: u64,
    failed: u64,
    left_out: u64,
    skipped: Vec<String>,
    seen: u64,
    /// Whether what follows is the output of tests that failed.
    closing: bool,
}

impl Report {
    /// Takes in a line; returns whether a person should see it.
    pub fn take(&mut self, line: &str) -> bool {
        let text = line.trim();
        if let Some(reason) = text.strip_prefix("skipped: ") {
            if !self.skipped.iter().any(|s| s == reason) {
                self.skipped.push(reason.into());
            }
            return false;
        }
        if let Some(counts) = text.strip_prefix("test result: ") {
            // One per test program. Nextest indents it, shows it for each test, and counts for itself.
            if !line.starts_with(' ') {
                self.add(counts.split([';', '.']));
                self.closing = false;
            }
            return false;
        }
        if line == "failures:" || line == "successes:" {
            self.closing = line == "failures:";
            return self.closing;
        }
        if text.starts_with("Summary [") {
            self.closing = true;
            (self.passed, self.failed, self.left_out) = (0, 0, 0);
            let counts = text.split_once("run:").map_or("", |(_, counts)| counts);
            self.add(counts.split(','));
            return false;
        }
        let status = text.split_whitespace().next().unwrap_or_default();
        if text.contains("] (") || text.contains("s] ") {
            match status {
                "PASS" | "SLOW" => {
                    self.seen += u64::from(status == "PASS");
                    return false;
                }
                "FAIL" | "TIMEOUT" | "ABORT" | "LEAK" | "SIGABRT" | "SIGSEGV" | "SIGKILL" => {
                    self.seen += 1;
                    return true;
                }
                _ => {}
            }
        }
        self.closing
    }

    /// Adds counts such as `5 passed`, `1 failed`, `2 ignored`.
    fn add<'a>(&mut self, counts: impl Iterator<Item = &'a str>) {
        for count in counts {
            let mut words = count.split_whitespace().skip_while(|w| w.parse::<u64>().is_err());
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" | "timed" | "exec" => self.failed += number,
                "ignored" | "skipped" => self.left_out += number,
                _ => {}
            }
        }
    }

    /// The closing line: a test that said it was skipped has not passed.
    pub fn counts(&self) -> String {
        let skipped = self.skipped.len() as u64;
        let passed = self.passed.saturating_sub(skipped);
        format!("{passed} passed, {} failed, {} skipped", self.failed, skipped + self.left_out)
    }

    fn close(&self, ended: bool) -> Outcome {
        for reason in &self.skipped {
            println!("skipped: {reason}");
        }
        if self.left_out > 0 {
            println!("skipped: {} tests marked to be left out by default", self.left_out);
        }
        println!("{}", self.counts());
        if self.failed > 0 {
            return Err(failed(format!("{} tests failed", self.failed)));
        }
        if !ended {
            return Err(failed("the test runner failed"));
        }
        if self.passed == 0 { Err(failed("no test ran")) } else { Ok(()) }
    }
}

/// Runs the tests, showing what a person should see; returns whether the runner was content.
fn follow(command: &mut Command, report: &mut Report) -> Outcome<bool> {
    let watch = Stopwatch::start();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = doing(format!("cannot start {}", project::line(command)), command.spawn())?;
    let (sender, lines) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
    // Reading a pipe is all these threads do; they end with the runner.
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        let read = move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        };
        doing("cannot start a thread", thread::Builder::new().spawn(read))?;
    }
    drop(sender);
    let mut told = 0.0;
    for line in lines {
        if report.take(&line) {
            println!("{line}");
        } else if watch.seconds() - told > PROGRESS_SECONDS {
            told = watch.seconds();
            println!("test: {} done after {told:.0} s", report.seen);
        }
    }
    let status = doing("cannot wait for the test runner", child.wait())?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(output: &str) -> Report {
        let mut report = Report::default();
        for line in output.lines() {
            report.take(line);
        }
        report
    }

    #[test]
    fn nextest_output_is_counted_and_skips_are_not_passes() {
        let output = "        PASS [   0.007s] (1/3) types tests::a\n  stdout ───\n\n    running 1 test\n    \
                      skipped: namespaces: needs root\n    test result: ok. 1 passed; 0 failed; 0 ignored\n        \
                      FAIL [   0.1s] (2/3) types tests::b\n     Summary [   0.021s] 3 tests run: 2 passed (1 slow), 1 failed, 4 skipped\n";
        assert_eq!(report_of(output).counts(), "1 passed, 1 failed, 5 skipped");
    }

    #[test]
    fn plain_output_is_added_up_over_programs() {
        let output = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                      skipped: a: b\ntest result: FAILED. 2 passed; 3 failed; 0 ignored\n";
        assert_eq!(report_of(output).counts(), "6 passed, 3 failed, 2 skipped");
    }

    #[test]
    fn timeouts_count_as_failures() {
        let output = "     Summary [   9.0s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped";
        assert_eq!(report_of(output).counts(), "1 passed, 2 failed, 0 skipped");
    }

    #[test]
    fn failures_are_shown_and_passes_are_not() {
        let mut report = Report::default();
        assert!(!report.take("        PASS [   0.007s] (1/3) types tests::a"));
        assert!(report.take("        FAIL [   0.007s] (2/3) types tests::b"));
        assert!(!report.take("    test tests::a ... ok"));
        report.take("     Summary [   0.021s] 3 tests run: 2 passed, 1 failed, 0 skipped");
        assert!(report.take("    assertion failed: left == right"));
        let mut plain = Report::default();
        assert!(!plain.take("thread 'a' panicked at a passing test of panics"));
        plain.take("failures:");
        assert!(plain.take("thread 'b' panicked at b.rs:1:1"));
    }

    #[test]
    fn arguments_are_understood() {
        let of = |words: &[&str]| Options::parse(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        let expected = Options { package: Some("types".into()), host: true, ..Options::default() };
        assert_eq!(of(&["types", "--host"]).unwrap(), expected);
        assert_eq!(
            of(&["--all"]).unwrap(),
            Options { host: true, databases: true, ceph: true, all: true, package: None }
        );
        assert!(of(&["--nonsense"]).is_err());
    }
}
