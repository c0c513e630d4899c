//! The identity service beside its original, on the same machine in the same run; and what logins cost others.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::cloud::{Cloud, Node, program};
use crate::http::{Answer, Connection, Load, run};
use crate::machine;
use crate::numbers::{median, ms, quantile};
use crate::original::{Identity, Original, login};
use crate::report::{Goal, Report};

const PAIRS: usize = 5;
const VALIDATIONS_MIN: f64 = 400.0;
const LOGINS_MIN: f64 = 50.0;
const LISTS_MIN: f64 = 100.0;
/// Of a login's time to a bcrypt verification's.
const LOGIN_MAX: f64 = 1.1;
const P99_MAX: f64 = 5.0;
const USERS: usize = 1000;
/// How often a list is asked for in a row: ours and the original's.
const LISTS: [usize; 2] = [20, 3];
/// What Cuttle hashes with unless it is told otherwise.
const COST: u32 = 12;
const CLIENTS: usize = 8;
const PASSWORD: &str = "correct horse";
const QUIET: usize = 5000;

/// Measures the service alone and, if there is an original, side by side.
pub fn measure(report: &mut Report) -> Result<()> {
    let seats = machine::seats()?;
    let cloud = Cloud::start(Node::Simulated, Some(seats.server))?;
    let mut ours = Identity::log_in(cloud.address, &cloud.password("admin")?)?;
    let _pinned = machine::pin(seats.client)?;
    for n in 0..CLIENTS {
        ours.make("users", "user", json!({"name": format!("client-{n}"), "password": PASSWORD}))?;
    }
    match Original::find("Keystone")? {
        Ok(keystone) => {
            let mut theirs = Identity::log_in(keystone.address, "admin-secret")?;
            validations(report, &ours, &theirs)?;
            logins(report, &mut theirs, &keystone.folder)?;
            lists(report, &mut ours, &mut theirs)?;
        }
        Err(why) => report.skip("beside Keystone", &why),
    }
    one_login(report, cloud.address, seats.server)?;
    crowd(report, &ours)
}

fn validations(report: &mut Report, ours: &Identity, theirs: &Identity) -> Result<()> {
    let requests = [ours.validation(), theirs.validation()];
    let (ratio, how) = compare(report, "token validations", [ours, theirs], &requests, 200)?;
    report.judge("token validations: Cuttle : Keystone", Goal::AtLeast(VALIDATIONS_MIN), ratio, "", &how);
    Ok(())
}

/// Logins of one user with one hash that costs next to nothing, so that it is the work apart from hashing that is
/// compared: bcrypt's least cost takes a millisecond. The original makes the user, and ours takes the user over. Both
/// have all processors, for both compare on others than they answer on.
fn logins(report: &mut Report, theirs: &mut Identity, keystone: &Path) -> Result<()> {
    theirs.make("users", "user", json!({"name": "cheap", "password": PASSWORD}))?;
    let mut cloud = Cloud::start(Node::Simulated, None)?;
    cloud.restart(Node::Simulated, |data| {
        let mut import = Command::new(program()?);
        import.args(["identity", "import", "--merge", "--data-dir"]).arg(data);
        let imported = import.arg(keystone.join("keystone.db")).output().context("cannot import")?;
        let errors = String::from_utf8_lossy(&imported.stderr);
        ensure!(imported.status.success(), "the import failed: {errors}");
        Ok(())
    })?;
    let ours = Identity::log_in(cloud.address, &cloud.password("admin")?)?;
    let requests = [login("cheap", PASSWORD, None), login("cheap", PASSWORD, None)];
    let (ratio, how) = compare(report, "tokens issued", [&ours, theirs], &requests, 201)?;
    let what = "tokens issued, passwords cheap: Cuttle : Keystone";
    report.judge(what, Goal::AtLeast(LOGINS_MIN), ratio, "", &how);
    Ok(())
}

fn lists(report: &mut Report, ours: &mut Identity, theirs: &mut Identity) -> Result<()> {
    let mut lists = Vec::new();
    for identity in [&mut *ours, &mut *theirs] {
        let domain = identity.make("domains", "domain", json!({"name": "crowd"}))?;
        for n in 0..USERS {
            identity.make("users", "user", json!({"name": format!("user-{n}"), "domain_id": domain}))?;
        }
        lists.push(identity.list(&format!("/identity/v3/users?domain_id={domain}")));
    }
    let (mut ratios, mut times) = (Vec::new(), [Vec::new(), Vec::new()]);
    let mut connections = [Connection::open(ours.address)?, Connection::open(theirs.address)?];
    for _ in 0..PAIRS {
        for (n, connection) in connections.iter_mut().enumerate() {
            // What one answer leaves in the caches serves the next, on both sides.
            let mut answer = connection.ask(&lists[n])?;
            let began = runtime::monotonic();
            for _ in 0..LISTS[n] {
                answer = connection.ask(&lists[n])?;
            }
            times[n].push(ms(began.elapsed()) / LISTS[n] as f64);
            let body: Json = serde_json::from_slice(&answer.body)?;
            let users = body["users"].as_array().map(Vec::len);
            ensure!(users == Some(USERS), "a list has {users:?} users");
        }
        ratios.push(times[1][times[1].len() - 1] / times[0][times[0].len() - 1]);
    }
    let how = format!("{:.1} ms : {:.0} ms", median(&times[0]), median(&times[1]));
    report.judge(
        "list of 1 000 users: Cuttle : Keystone, in speed",
        Goal::AtLeast(LISTS_MIN),
        median(&ratios),
        "",
        &how,
    );
    Ok(())
}

/// Rates of both in turn: the median of the ratios, and how they came about.
fn compare(
    report: &mut Report,
    what: &str,
    both: [&Identity; 2],
    requests: &[Vec<u8>; 2],
    status: u16,
) -> Result<(f64, String)> {
    // The original has a process for each processor; over its SQLite it fails some requests of a longer queue.
    let loads = [8, 2].map(|concurrency| Load {
        concurrency,
        requests_max: 100_000,
        time_max: Duration::from_secs(2),
    });
    let (mut ratios, mut rates, mut failures) = (Vec::new(), [Vec::new(), Vec::new()], 0);
    for _ in 0..PAIRS {
        for (n, identity) in both.iter().enumerate() {
            let mut failed = 0;
            let check = |_, answer: &Answer| {
                if n == 1 && answer.status >= 500 {
                    failed += 1;
                    return Ok(());
                }
                let body = String::from_utf8_lossy(&answer.body);
                ensure!(answer.status == status, "{what}: an answer was {}: {body}", answer.status);
                Ok(())
            };
            let outcome = run(identity.address, loads[n], |_| Cow::Borrowed(&requests[n]), check)?;
            let good = outcome.answers - failed;
            ensure!(good > failed, "{what}: {failed} of {} answers of the original failed", outcome.answers);
            rates[n].push(outcome.rate() * good as f64 / outcome.answers as f64);
            failures += failed;
        }
        ratios.push(rates[0][rates[0].len() - 1] / rates[1][rates[1].len() - 1]);
    }
    let (ours, theirs) = (median(&rates[0]), median(&rates[1]));
    report.tell(
        &format!("{what} by Keystone"),
        theirs,
        "/s",
        &format!("on all processors, in a process for each; {failures} answers were 500"),
    );
    Ok((median(&ratios), format!("{ours:.0}/s : {theirs:.0}/s; {PAIRS} pairs")))
}

/// A login at the default cost, beside the one thing that takes time in it.
fn one_login(report: &mut Report, address: SocketAddr, cpu: usize) -> Result<()> {
    let hash = bcrypt::hash(PASSWORD, COST).context("cannot hash")?;
    let mut connection = Connection::open(address)?;
    let request = login("client-0", PASSWORD, None);
    let (mut ratios, mut times) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..PAIRS {
        let began = runtime::monotonic();
        let answer = connection.ask(&request)?;
        times[0].push(ms(began.elapsed()));
        ensure!(answer.status == 201, "a login was answered with {}", answer.status);
        let pinned = machine::pin(cpu)?;
        let began = runtime::monotonic();
        ensure!(bcrypt::verify(PASSWORD, &hash).context("cannot verify")?, "a password is not itself");
        times[1].push(ms(began.elapsed()));
        drop(pinned);
        ratios.push(times[0][times[0].len() - 1] / times[1][times[1].len() - 1]);
    }
    let how = format!("{:.0} ms : {:.0} ms; {PAIRS} pairs", median(&times[0]), median(&times[1]));
    report.judge(
        "token issued, cost 12 : bcrypt verification",
        Goal::AtMost(LOGIN_MAX),
        median(&ratios),
        "",
        &how,
    );
    Ok(())
}

/// Validations beside clients that log in without pause.
fn crowd(report: &mut Report, ours: &Identity) -> Result<()> {
    let quiet = validation_times(ours, QUIET)?;
    let (over, logins) = (AtomicBool::new(false), AtomicUsize::new(0));
    let loaded = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let request = login(&format!("client-{n}"), PASSWORD, None);
                let (over, logins) = (&over, &logins);
                scope.spawn(move || -> Result<()> {
                    let mut connection = Connection::open(ours.address)?;
                    while !over.load(Ordering::Relaxed) {
                        let answer = connection.ask(&request)?;
                        ensure!(answer.status == 201, "a login was answered with {}", answer.status);
                        logins.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let loaded = validation_times(ours, QUIET);
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client ended early"))??;
        }
        loaded
    })?;
    let (before, after) = (quantile(&quiet, 0.99), quantile(&loaded, 0.99));
    let logins = logins.load(Ordering::Relaxed);
    let how = format!("99 % within {before:.2} ms, then {after:.2} ms, beside {logins} logins at cost 12");
    report.judge(
        "p99 of a validation, 8 clients logging in : quiet",
        Goal::AtMost(P99_MAX),
        after / before,
        "",
        &how,
    );
    Ok(())
}

/// Milliseconds of so many validations, one after the other.
fn validation_times(identity: &Identity, count: usize) -> Result<Vec<f64>> {
    let request = identity.validation();
    let mut connection = Connection::open(identity.address)?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = runtime::monotonic();
        let answer = connection.ask(&request)?;
        times.push(ms(began.elapsed()));
        ensure!(answer.status == 200, "a validation was answered with {}", answer.status);
    }
    Ok(times)
}
