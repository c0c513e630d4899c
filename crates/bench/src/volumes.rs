//! Volumes through the API, on a simulated node with its real files: made of images small and large, and listed.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::ceph::Ceph;
use crate::cloud::{Cloud, Node, Session};
use crate::http::{Answer, Connection, Load, run};
use crate::machine::{self, Seats};
use crate::numbers::{median, ms, quantile};
use crate::report::{Goal, Report};

const CREATE_MS_MAX: f64 = 50.0;
const CREATE_IN_CEPH_MS_MAX: f64 = 150.0;
const SAME_MAX: f64 = 1.25;
const LIST_MS_MAX: f64 = 10.0;

const PAIRS: usize = 25;
const SIZES_GIB: [u64; 2] = [1, 10];
const LISTED: usize = 1000;
const LISTINGS: usize = 50;
const CREATE: Load = Load { concurrency: 8, requests_max: LISTED, time_max: Duration::from_secs(60) };
/// A pause between looks at a volume that goes.
const POLL: Duration = Duration::from_millis(2);
const AVAILABLE_TIME_MAX: Duration = Duration::from_secs(30);

/// Measures both.
pub fn measure(report: &mut Report) -> Result<()> {
    let seats = machine::seats()?;
    let mut customer = Customer::new(seats, None)?;
    let _pinned = machine::pin(seats.client)?;
    measure_create(report, &mut customer, ("file", CREATE_MS_MAX))?;
    measure_list(report, &mut customer)
}

/// Measures how volumes are made in a cluster.
pub fn measure_create_in(report: &mut Report, ceph: &Ceph) -> Result<()> {
    let seats = machine::seats()?;
    let mut customer = Customer::new(seats, Some(ceph))?;
    let _pinned = machine::pin(seats.client)?;
    measure_create(report, &mut customer, ("RBD", CREATE_IN_CEPH_MS_MAX))
}

/// From the request to `available`, and whether the image's size shows.
fn measure_create(report: &mut Report, customer: &mut Customer, (kind, ms_max): (&str, f64)) -> Result<()> {
    let images = [customer.image(SIZES_GIB[0])?, customer.image(SIZES_GIB[1])?];
    for image in &images {
        // What is made of an image once only: a raw disk, where volumes are clones of one.
        let id = customer.volume(image)?;
        customer.remove(&id)?;
    }
    let mut times = [Vec::new(), Vec::new()];
    let cpu = machine::cpu_seconds(customer.cloud.pid())?;
    for _ in 0..PAIRS {
        for (image, times) in images.iter().zip(&mut times) {
            let began = runtime::monotonic();
            let id = customer.volume(image)?;
            times.push(ms(began.elapsed()));
            // A small cluster has not the room to promise for all of them at a time.
            customer.remove(&id)?;
        }
    }
    let cpu = (machine::cpu_seconds(customer.cloud.pid())? - cpu) / (2 * PAIRS) as f64 * 1e3;
    let how = format!(
        "{PAIRS} volumes, 95 % within {:.1} ms; {cpu:.1} ms of processor time each, its removal and the polling included",
        quantile(&times[1], 0.95)
    );
    let what = format!("volume of an image of {} GiB, {kind}: create → available", SIZES_GIB[1]);
    report.judge(&what, Goal::AtMost(ms_max), median(&times[1]), "ms", &how);
    let ratios: Vec<f64> = times[1].iter().zip(&times[0]).map(|(large, small)| large / small).collect();
    let how = format!("quartiles {:.2} and {:.2}", quantile(&ratios, 0.25), quantile(&ratios, 0.75));
    let what = format!("the same, {kind} : of an image of {} GiB", SIZES_GIB[0]);
    report.judge(&what, Goal::AtMost(SAME_MAX), median(&ratios), "", &how);
    Ok(())
}

fn measure_list(report: &mut Report, customer: &mut Customer) -> Result<()> {
    let body = json!({"volume": {"name": "bench", "size": 1}}).to_string();
    let create = customer.demo.request("POST", "/volume/v3/volumes", &body);
    let mut last = String::new();
    let check = |_, answer: &Answer| {
        last = created(&serde_json::from_slice(&answer.body).unwrap_or_default())?;
        Ok(())
    };
    let made = run(customer.cloud.address, CREATE, |_| Cow::Borrowed(&create), check)?;
    ensure!(made.answers == LISTED, "only {} volumes were created in time", made.answers);
    customer.await_available(&last)?;
    let path = format!("/volume/v3/volumes/detail?limit={LISTED}");
    let list = customer.demo.request("GET", &path, "");
    let mut connection = Connection::open(customer.cloud.address)?;
    let (mut times, mut answer) = (Vec::new(), Answer::default());
    for _ in 0..LISTINGS {
        let began = runtime::monotonic();
        connection.send(&list)?;
        connection.receive(&mut answer)?;
        times.push(ms(began.elapsed()));
    }
    let said: Json = serde_json::from_slice(&answer.body).context("the list is no JSON")?;
    let count = said["volumes"].as_array().map_or(0, Vec::len);
    ensure!(count == LISTED, "{count} volumes are listed instead of {LISTED}");
    let how = format!("{LISTINGS} times, {:.0} kB", answer.body.len() as f64 / 1e3);
    let what = format!("GET /volumes/detail with {LISTED} volumes");
    report.judge(&what, Goal::AtMost(LIST_MS_MAX), median(&times), "ms", &how);
    Ok(())
}

/// A cloud and somebody with room for any number of volumes.
struct Customer {
    cloud: Cloud,
    demo: Session,
}

impl Customer {
    fn new(seats: Seats, ceph: Option<&Ceph>) -> Result<Customer> {
        let cloud = Cloud::start_on(Node::Simulated, Some(seats.server), ceph)?;
        let (mut admin, demo) = (cloud.log_in("admin")?, cloud.log_in("demo")?);
        let quota = json!({"quota_set": {"volumes": -1, "gigabytes": -1}});
        admin.call("PUT", &format!("/volume/v3/os-quota-sets/{}", demo.project), &quota)?;
        Ok(Customer { cloud, demo })
    }

    /// An image of this size with a little in it: a qcow2 of which most is nothing.
    fn image(&mut self, size_gib: u64) -> Result<String> {
        let image = json!({"name": "bench", "disk_format": "qcow2", "container_format": "bare"});
        let made = self.demo.call("POST", "/image/v2/images", &image)?;
        let id = made["id"].as_str().context("no image was made")?.to_owned();
        let file = tempfile::tempfile_in(machine::scratch())?;
        storage::qcow2::write_empty(&file, size_gib * storage::GIB, None)?;
        self.demo.upload_file(&format!("/image/v2/images/{id}/file"), &file)?;
        Ok(id)
    }

    /// A volume of an image, until it is available.
    fn volume(&mut self, image: &str) -> Result<String> {
        let body = json!({"volume": {"name": "bench", "size": SIZES_GIB[1], "imageRef": image}});
        let id = created(&self.demo.call("POST", "/volume/v3/volumes", &body)?)?;
        self.await_available(&id)?;
        Ok(id)
    }

    fn remove(&mut self, id: &str) -> Result<()> {
        let path = format!("/volume/v3/volumes/{id}");
        self.demo.call("DELETE", &path, &Json::Null)?;
        let (show, began) = (self.demo.request("GET", &path, ""), runtime::monotonic());
        while self.demo.ask(&show)?.status != 404 {
            ensure!(began.elapsed() < AVAILABLE_TIME_MAX, "volume {id} does not go");
            runtime::sleep_blocking(POLL);
        }
        Ok(())
    }

    fn await_available(&mut self, id: &str) -> Result<()> {
        let show = self.demo.request("GET", &format!("/volume/v3/volumes/{id}"), "");
        let began = runtime::monotonic();
        loop {
            let answer = self.demo.ask(&show)?;
            let said: Json = serde_json::from_slice(&answer.body).context("a volume is no JSON")?;
            match said["volume"]["status"].as_str() {
                Some("available") => return Ok(()),
                Some("creating" | "downloading") => {}
                _ => anyhow::bail!("volume {id} does not become available: {said}"),
            }
            ensure!(began.elapsed() < AVAILABLE_TIME_MAX, "volume {id} is not available in time: {said}");
        }
    }
}

fn created(said: &Json) -> Result<String> {
    let id = said["volume"]["id"].as_str().map(str::to_owned);
    id.with_context(|| format!("no volume was created: {said}"))
}
