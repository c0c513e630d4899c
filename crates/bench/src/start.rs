//! How fast a cloud is ready, and how much memory it takes when nobody asks for anything.

use std::time::Duration;

use anyhow::Result;

use crate::cloud::{Cloud, Node};
use crate::machine;
use crate::numbers::median;
use crate::report::{Goal, Report};

const STARTS: usize = 5;
/// How long a fresh cloud is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(2);
const READY_S_MAX: f64 = 1.0;
const IDLE_MB_MAX: f64 = 80.0;

/// Measures both kinds of node.
pub fn measure(report: &mut Report) -> Result<()> {
    measure_node(report, Node::Simulated, "simulated node")?;
    if !machine::is_root() {
        report.skip("ready, real node", "it needs root");
        return Ok(());
    }
    measure_node(report, Node::Real, "real node")
}

fn measure_node(report: &mut Report, node: Node, name: &str) -> Result<()> {
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let cloud = Cloud::start(node, None)?;
        ready.push(cloud.ready_after.as_secs_f64());
        if resident.is_empty() {
            runtime::sleep_blocking(SETTLE);
            resident.push(machine::resident_mb(cloud.pid())?);
        }
    }
    let worst = ready.iter().copied().fold(0.0, f64::max);
    let how = format!("of {STARTS} starts on an empty directory; the slowest {worst:.2} s");
    report.judge(&format!("ready, {name}"), Goal::AtMost(READY_S_MAX), median(&ready), "s", &how);
    let what = format!("resident memory of `cuttle up`, idle, {name}");
    report.judge(&what, Goal::AtMost(IDLE_MB_MAX), median(&resident), "MB", "");
    Ok(())
}
