//! Images through the API: a gigabyte up and down, against what the disk and the hashes cost by themselves.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use storage::GIB;

use crate::cloud::{Cloud, Node};
use crate::machine;
use crate::numbers::{median, quantile};
use crate::report::{Goal, Report};

const SPEED_MIN: f64 = 0.8;
const PAIRS: usize = 5;
const CHUNK_BYTES: usize = 1 << 20;

/// Measures an upload and a download against the slower of a durable copy and the two hashes.
pub fn measure(report: &mut Report) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("cuttle-bench-").tempdir_in(machine::scratch())?;
    let source = dir.path().join("source");
    fill(&source)?;
    let cloud = Cloud::start(Node::Simulated, None)?;
    let mut demo = cloud.log_in("demo")?;
    let (mut up, mut down, mut hash, mut copy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let cpu = machine::cpu_seconds(cloud.pid())?;
    let mut uploading_cpu = 0.0;
    for _ in 0..PAIRS {
        copy.push(timed(|| durable_copy(&source, &dir.path().join("copy")))?);
        hash.push(timed(|| hashes(&source))?);
        let image = json!({"name": "bench", "disk_format": "raw", "container_format": "bare"});
        let made = demo.call("POST", "/image/v2/images", &image)?;
        let id = made["id"].as_str().context("no image was made")?;
        let path = format!("/image/v2/images/{id}/file");
        let file = File::open(&source)?;
        let before = machine::cpu_seconds(cloud.pid())?;
        up.push(timed(|| demo.upload_file(&path, &file))?);
        uploading_cpu += machine::cpu_seconds(cloud.pid())? - before;
        down.push(timed(|| demo.download(&path, GIB))?);
        demo.call("DELETE", &format!("/image/v2/images/{id}"), &serde_json::Value::Null)?;
    }
    let cpu = (machine::cpu_seconds(cloud.pid())? - cpu - uploading_cpu) / PAIRS as f64;
    let uploading_cpu = uploading_cpu / PAIRS as f64;
    let slower: Vec<f64> = copy.iter().zip(&hash).map(|(copy, hash)| copy.max(*hash)).collect();
    let details = format!("{:.2} s to copy, {:.2} s to hash", median(&copy), median(&hash));
    judge(
        report,
        "upload of 1 GiB",
        &up,
        &slower,
        &format!("{details}; {uploading_cpu:.1} s of processor time"),
    );
    judge(
        report,
        "download of 1 GiB",
        &down,
        &copy,
        &format!("against the copy; {cpu:.1} s of processor time"),
    );
    Ok(())
}

fn judge(report: &mut Report, what: &str, ours: &[f64], theirs: &[f64], details: &str) {
    let ratios: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours).collect();
    let how = format!(
        "{:.2} s; {details}; {PAIRS} pairs, quartiles {:.2} and {:.2}",
        median(ours),
        quantile(&ratios, 0.25),
        quantile(&ratios, 0.75)
    );
    let what = format!("{what}: speed of disk or hash, whichever is slower");
    report.judge(&what, Goal::AtLeast(SPEED_MIN), median(&ratios), "", &how);
}

fn timed(act: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = runtime::monotonic();
    act()?;
    Ok(began.elapsed().max(Duration::from_millis(1)).as_secs_f64())
}

/// A gigabyte that no file system can make smaller.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    for _ in 0..GIB / CHUNK_BYTES as u64 {
        runtime::fill_random(&mut chunk);
        file.write_all(&chunk)?;
    }
    Ok(file.sync_all()?)
}

/// As `cp` and `sync` would.
fn durable_copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)?;
    File::open(to)?.sync_all()?;
    Ok(std::fs::remove_file(to)?)
}

/// As `md5sum` and `sha512sum` compute them, both at once.
fn hashes(path: &Path) -> Result<()> {
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.arg(path).stdout(Stdio::null()).spawn().with_context(|| format!("cannot run {program}"))
    };
    let running = [start("md5sum")?, start("sha512sum")?];
    for mut program in running {
        ensure!(program.wait()?.success(), "a hash could not be computed");
    }
    Ok(())
}
