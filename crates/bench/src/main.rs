//! Measures Cuttle: what the issue of each goal promises, in one run, as ratios and medians.
//!
//! Every measurement is a module with one function that takes the [`report::Report`] and adds its rows. What compares
//! two things alternates between them, so that whatever else the machine does falls on both. All traffic stays on
//! loopback and in namespaces made here; every loop ends by count or by time.

mod bare;
mod beside;
mod boot;
mod ceph;
mod clones;
mod cloud;
mod echo;
mod forwarding;
mod guest_io;
mod http;
mod identity;
mod images;
mod machine;
mod namespaces;
mod numbers;
mod original;
mod report;
mod servers;
mod start;
mod tokens;
mod volumes;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use report::Report;

const USAGE: &str = "\
bench [--only PART,…] [--pairs N] [--out FILE]
    --only    some of: echo, beside, start, tokens, identity, servers, clones, images, volumes, namespaces, forwarding, boot, guest-io, ceph; nothing is written without --out
    --pairs   how many times the boot through Cuttle is compared with bare QEMU; 7 unless said otherwise
    --out     where the table is written; docs/bench.md for a whole run";

/// A measurement, by the name it is chosen with.
type Part = (&'static str, fn(&mut Report, &Options) -> Result<()>);

/// In this order. What creates files beside others comes before what leaves many removed ones: ext4 without a journal looks
/// at each inode that was freed in the last minutes before it takes another.
const PARTS: &[Part] = &[
    ("echo", |report, _| echo::measure(report)),
    ("beside", |report, _| beside::measure(report)),
    ("start", |report, _| start::measure(report)),
    ("tokens", |report, _| tokens::measure(report)),
    ("identity", |report, _| identity::measure(report)),
    ("servers", |report, _| servers::measure(report)),
    ("clones", |report, _| clones::measure(report)),
    ("images", |report, _| images::measure(report)),
    ("volumes", |report, _| volumes::measure(report)),
    ("namespaces", |report, _| namespaces::measure(report)),
    ("forwarding", |report, _| forwarding::measure(report)),
    ("boot", |report, options| boot::measure(report, options.pairs)),
    ("guest-io", |report, _| guest_io::measure(report, None)),
    ("ceph", |report, _| ceph::measure(report)),
];

/// What was asked for.
struct Options {
    only: Vec<String>,
    pairs: usize,
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("bench: {error:#}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            eprintln!("bench: {missed} goals were missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and returns how many goals were missed. A part that fails does not keep the others from being measured.
fn run(options: &Options) -> Result<usize> {
    let mut report = Report::new(machine::facts());
    let mut failures = 0;
    for (name, part) in PARTS {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            println!("-- {name}");
            if let Err(error) = part(&mut report, options) {
                failures += 1;
                report.skip(name, &format!("it failed: {error:#}"));
            }
        }
    }
    let whole = options.only.is_empty();
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/bench.md"));
    if let Some(path) = options.out.clone().or_else(|| whole.then(default)) {
        std::fs::write(&path, report.page()).with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to {}", path.display());
    }
    Ok(report.missed() + failures)
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Options> {
        let mut options = Options { only: Vec::new(), pairs: 7, out: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match word.as_str() {
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--pairs" => options.pairs = value()?.parse().context("--pairs wants a number")?,
                "--out" => options.out = Some(value()?.into()),
                _ => bail!("there is no option {word}"),
            }
        }
        if let Some(unknown) = options.only.iter().find(|only| PARTS.iter().all(|(name, _)| name != only)) {
            bail!("there is nothing named {unknown} to measure");
        }
        Ok(options)
    }
}
