//! The image and block-storage services beside their originals, on the same machine in the same run: what a list, a look
//! and a new volume take, in time and in processor time.
//!
//! The originals are those of this system's packages. All their processes count, as ours does: Cinder's API, scheduler,
//! volume service and the message broker between them. Nobody is kept on a processor of its own, and the client is an
//! ordinary one that keeps its connection: of what it waits for Glance, which sends the head and the body of an answer apart,
//! 40 ms are its own delayed acknowledgement. The processor time tells what is work.

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::cloud::{Cloud, Node};
use crate::http::{Connection, request};
use crate::machine;
use crate::numbers::{median, ms};
use crate::original::Original;
use crate::report::{Goal, Report};

const ASKED_MIN: f64 = 100.0;
const CREATED_MIN: f64 = 10.0;
const CPU_MAX: f64 = 0.01;

const IMAGES: usize = 100;
const VOLUMES: usize = 50;
const ROUNDS: usize = 5;
/// How often a round asks us, and how often the original: the kernel counts processor time in hundredths of a second.
const ASKS: [usize; 2] = [1000, 20];
const CREATIONS: usize = 10;
/// How many volumes each side makes in a row.
const CREATED: [usize; 2] = [20, 1];
/// A pause between looks at a volume on its way, for an original whose one process does the work as well.
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);
const AVAILABLE_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// A service, ours or theirs, with somebody who may use it.
struct Side {
    connection: Connection,
    /// What its paths begin with.
    base: &'static str,
    token: String,
    pid: u32,
}

/// Measures against each original that there is.
pub fn measure(report: &mut Report) -> Result<()> {
    let cloud = Cloud::start(Node::Simulated, None)?;
    let (mut admin, demo) = (cloud.log_in("admin")?, cloud.log_in("demo")?);
    let quota = json!({"quota_set": {"volumes": -1, "gigabytes": -1}});
    admin.call("PUT", &format!("/volume/v3/os-quota-sets/{}", demo.project), &quota)?;
    let ours = |base| {
        let connection = Connection::open(cloud.address)?;
        Ok::<_, anyhow::Error>(Side { connection, base, token: demo.token.clone(), pid: cloud.pid() })
    };
    match Original::find("Glance")? {
        Ok(glance) => images(report, &glance.name, [ours("/image")?, Side::of(&glance)?])?,
        Err(why) => report.skip("beside Glance", &why),
    }
    match Original::find("Cinder")? {
        Ok(cinder) => volumes(report, &cinder.name, [ours("/volume")?, Side::of(&cinder)?])?,
        Err(why) => report.skip("beside Cinder", &why),
    }
    Ok(())
}

fn images(report: &mut Report, name: &str, mut both: [Side; 2]) -> Result<()> {
    let mut shown = Vec::new();
    for side in &mut both {
        let mut last = String::new();
        for n in 0..IMAGES {
            let image =
                json!({"name": format!("image-{n}"), "disk_format": "raw", "container_format": "bare"});
            let made = side.call("POST", "/v2/images", &image)?;
            last = made["id"].as_str().context("no image was made")?.to_owned();
        }
        shown.push(format!("/v2/images/{last}"));
    }
    let list = format!("/v2/images?limit={IMAGES}");
    let listed = |answer: &Json| answer["images"].as_array().map(Vec::len) == Some(IMAGES);
    compare(report, name, "a list of 100 images", &mut both, [&list, &list], listed)?;
    compare(report, name, "a look at an image", &mut both, [&shown[0], &shown[1]], |answer| {
        answer["id"].is_string()
    })
}

fn volumes(report: &mut Report, name: &str, mut both: [Side; 2]) -> Result<()> {
    let mut shown = Vec::new();
    for side in &mut both {
        let mut last = String::new();
        for _ in 0..VOLUMES {
            last = side.create()?.0;
        }
        shown.push(format!("/v3/volumes/{last}"));
    }
    let list = "/v3/volumes/detail".to_owned();
    let listed = |answer: &Json| answer["volumes"].as_array().map(Vec::len) == Some(VOLUMES);
    compare(report, name, "a list of 50 volumes", &mut both, [&list, &list], listed)?;
    compare(report, name, "a look at a volume", &mut both, [&shown[0], &shown[1]], |answer| {
        answer["volume"]["id"].is_string()
    })?;
    creations(report, name, &mut both)
}

fn creations(report: &mut Report, name: &str, both: &mut [Side; 2]) -> Result<()> {
    let (mut ratios, mut times, mut cpu) = (Vec::new(), [Vec::new(), Vec::new()], [0.0, 0.0]);
    for _ in 0..CREATIONS {
        for (n, side) in both.iter_mut().enumerate() {
            let before = side.cpu()?;
            let made: Vec<f64> = (0..CREATED[n]).map(|_| Ok(side.create()?.1)).collect::<Result<_>>()?;
            times[n].push(median(&made));
            cpu[n] += side.cpu()? - before;
        }
        ratios.push(times[1][times[1].len() - 1] / times[0][times[0].len() - 1]);
    }
    let how = format!("{:.1} ms : {:.0} ms; {CREATIONS} rounds", median(&times[0]), median(&times[1]));
    let label = format!("create → available: Cuttle : {name}, in speed");
    report.judge(&label, Goal::AtLeast(CREATED_MIN), median(&ratios), "", &how);
    let per = |n: usize| cpu[n] / (CREATIONS * CREATED[n]) as f64 * 1e3;
    let how = format!("{:.1} ms : {:.0} ms, the looks included", per(0), per(1));
    let label = format!("create → available: Cuttle : {name}, in processor time");
    report.judge(&label, Goal::AtMost(CPU_MAX), per(0) / per(1), "", &how);
    Ok(())
}

/// One request of each side, in turn. Each is asked as often before it is measured, so that the kernel has placed client and
/// service: whether they share a processor makes half of what a look takes.
fn compare(
    report: &mut Report,
    name: &str,
    what: &str,
    both: &mut [Side; 2],
    paths: [&String; 2],
    is_right: impl Fn(&Json) -> bool,
) -> Result<()> {
    let (mut ratios, mut times, mut cpu) = (Vec::new(), [Vec::new(), Vec::new()], [0.0, 0.0]);
    for _ in 0..ROUNDS {
        for (n, side) in both.iter_mut().enumerate() {
            let answer = side.call("GET", paths[n], &Json::Null)?;
            ensure!(is_right(&answer), "{what} is answered with {answer}");
            let asked = side.request("GET", paths[n], "");
            let ask_all = |side: &mut Side| {
                (0..ASKS[n]).try_for_each(|_| {
                    let answer = side.connection.ask(&asked)?;
                    ensure!(answer.status == 200, "{what} is answered with {}", answer.status);
                    Ok(())
                })
            };
            ask_all(side)?;
            let (before, began) = (side.cpu()?, runtime::monotonic());
            ask_all(side)?;
            times[n].push(ms(began.elapsed()) / ASKS[n] as f64);
            cpu[n] += side.cpu()? - before;
        }
        ratios.push(times[1][times[1].len() - 1] / times[0][times[0].len() - 1]);
    }
    let how = format!("{:.3} ms : {:.1} ms; {ROUNDS} rounds", median(&times[0]), median(&times[1]));
    let label = format!("{what}: Cuttle : {name}, in speed");
    report.judge(&label, Goal::AtLeast(ASKED_MIN), median(&ratios), "", &how);
    let per = |n: usize| cpu[n] / (ROUNDS * ASKS[n]) as f64 * 1e3;
    let how = format!("{:.3} ms : {:.1} ms", per(0), per(1));
    let label = format!("{what}: Cuttle : {name}, in processor time");
    report.judge(&label, Goal::AtMost(CPU_MAX), per(0) / per(1), "", &how);
    Ok(())
}

impl Side {
    fn of(original: &Original) -> Result<Side> {
        let connection = Connection::open(original.address)?;
        Ok(Side { connection, base: "", token: "member@alpha".to_owned(), pid: original.pid })
    }

    fn cpu(&self) -> Result<f64> {
        machine::cpu_seconds_with_descendants(self.pid)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        request(method, &format!("{}{path}", self.base), &[("X-Auth-Token", &self.token)], body)
    }

    /// Asks, and refuses anything but success.
    fn call(&mut self, method: &str, path: &str, body: &Json) -> Result<Json> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.connection.ask(&self.request(method, path, &body))?;
        let said = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status < 300, "{method} {path}: {} {said}", answer.status);
        serde_json::from_str(&said).with_context(|| format!("{method} {path} answers no JSON: {said}"))
    }

    /// Makes a volume and waits until it is available: its id, and how long that took in ms.
    fn create(&mut self) -> Result<(String, f64)> {
        let began = runtime::monotonic();
        let made = self.call("POST", "/v3/volumes", &json!({"volume": {"name": "bench", "size": 1}}))?;
        let id = made["volume"]["id"].as_str().context("no volume was made")?.to_owned();
        loop {
            let shown = self.call("GET", &format!("/v3/volumes/{id}"), &Json::Null)?;
            match shown["volume"]["status"].as_str() {
                Some("available") => return Ok((id, ms(began.elapsed()))),
                Some("creating") if began.elapsed() < AVAILABLE_TIME_MAX => runtime::sleep_blocking(LOOK),
                _ => anyhow::bail!("volume {id} does not become available: {shown}"),
            }
        }
    }
}
