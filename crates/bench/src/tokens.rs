//! Token validation: what every service of a cloud asks identity for, on every request.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::cloud::{Cloud, Node};
use crate::http::{Load, request, run};
use crate::machine;
use crate::numbers::median;
use crate::report::{Goal, Report};

const RATE_MIN: f64 = 20_000.0;
const ROUNDS: usize = 5;
const LOAD: Load = Load { concurrency: 16, requests_max: 60_000, time_max: Duration::from_secs(3) };

/// Measures validations per second.
pub fn measure(report: &mut Report) -> Result<()> {
    let seats = machine::seats()?;
    let cloud = Cloud::start(Node::Simulated, Some(seats.server))?;
    let (admin, demo) = (cloud.log_in("admin")?, cloud.log_in("demo")?);
    let headers = [("X-Auth-Token", admin.token.as_str()), ("X-Subject-Token", demo.token.as_str())];
    let validate = request("GET", "/identity/v3/auth/tokens", &headers, "");
    let _pinned = machine::pin(seats.client)?;
    let (mut rates, mut answers, cpu) = (Vec::new(), 0, machine::cpu_seconds(cloud.pid())?);
    for _ in 0..ROUNDS {
        let check = |_, answer: &crate::http::Answer| {
            ensure!(answer.status == 200, "a validation was answered with {}", answer.status);
            Ok(())
        };
        let outcome = run(cloud.address, LOAD, |_| Cow::Borrowed(&validate), check)?;
        rates.push(outcome.rate());
        answers += outcome.answers;
    }
    let cpu = (machine::cpu_seconds(cloud.pid())? - cpu) / answers as f64 * 1e6;
    let how =
        format!("{} connections, {ROUNDS} rounds; {cpu:.0} µs of processor time each", LOAD.concurrency);
    report.judge("token validations", Goal::AtLeast(RATE_MIN), median(&rates), "/s", &how);
    Ok(())
}
