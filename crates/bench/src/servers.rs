//! Servers through the API, on a simulated node: one at a time, listed, shown, and a thousand at once.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::cloud::{Cloud, Node, Session};
use crate::http::{Answer, Load, run};
use crate::machine::{self, Seats};
use crate::numbers::{median, ms, quantile};
use crate::report::{Goal, Report};

const CREATE_MS_MAX: f64 = 20.0;
const LIST_MS_MAX: f64 = 5.0;
const SHOW_RATE_MIN: f64 = 5_000.0;
const CREATE_RATE_MIN: f64 = 200.0;

const ONE_BY_ONE: usize = 50;
const LISTED: usize = 200;
const LISTINGS: usize = 100;
const SHOW: Load = Load { concurrency: 8, requests_max: 20_000, time_max: Duration::from_secs(4) };
const MANY: usize = 1000;
const CREATE: Load = Load { concurrency: 8, requests_max: MANY, time_max: Duration::from_secs(60) };
/// How long a server may take to be ACTIVE.
const ACTIVE_TIME_MAX: Duration = Duration::from_secs(60);

/// Measures all of it.
pub fn measure(report: &mut Report) -> Result<()> {
    let seats = machine::seats()?;
    measure_few(report, seats)?;
    measure_many(report, seats)
}

fn measure_few(report: &mut Report, seats: Seats) -> Result<()> {
    let mut customer = Customer::new(seats)?;
    let _pinned = machine::pin(seats.client)?;
    let (mut times, cpu) = (Vec::new(), customer.cpu_seconds()?);
    for _ in 0..ONE_BY_ONE {
        let began = runtime::monotonic();
        let id = customer.create()?;
        customer.await_active(&id, began)?;
        times.push(ms(began.elapsed()));
    }
    let cpu = (customer.cpu_seconds()? - cpu) / ONE_BY_ONE as f64 * 1e3;
    let how = format!(
        "{ONE_BY_ONE} servers, 95 % within {:.1} ms; {cpu:.1} ms of processor time each, the polling included",
        quantile(&times, 0.95)
    );
    report.judge("server create → ACTIVE", Goal::AtMost(CREATE_MS_MAX), median(&times), "ms", &how);
    let mut last = String::new();
    for _ in ONE_BY_ONE..LISTED {
        last = customer.create()?;
    }
    customer.await_active(&last, runtime::monotonic())?;
    measure_list(report, &mut customer)?;
    measure_show(report, &customer, &last)
}

fn measure_list(report: &mut Report, customer: &mut Customer) -> Result<()> {
    let list = customer.demo.request("GET", "/compute/v2.1/servers/detail", "");
    let mut connection = crate::http::Connection::open(customer.cloud.address)?;
    let (mut times, mut answer, cpu) = (Vec::new(), Answer::default(), customer.cpu_seconds()?);
    for _ in 0..LISTINGS {
        let began = runtime::monotonic();
        connection.send(&list)?;
        connection.receive(&mut answer)?;
        times.push(ms(began.elapsed()));
    }
    let cpu = (customer.cpu_seconds()? - cpu) / LISTINGS as f64 * 1e3;
    let said: Json = serde_json::from_slice(&answer.body).context("the list is no JSON")?;
    let count = said["servers"].as_array().map_or(0, Vec::len);
    ensure!(count == LISTED, "{count} servers are listed instead of {LISTED}");
    let how = format!(
        "{LISTINGS} times, {:.0} kB; {cpu:.1} ms of processor time each",
        answer.body.len() as f64 / 1e3
    );
    let what = format!("GET /servers/detail with {LISTED} servers");
    report.judge(&what, Goal::AtMost(LIST_MS_MAX), median(&times), "ms", &how);
    Ok(())
}

fn measure_show(report: &mut Report, customer: &Customer, id: &str) -> Result<()> {
    let show = customer.demo.request("GET", &format!("/compute/v2.1/servers/{id}"), "");
    let check = |_, answer: &Answer| {
        ensure!(answer.status == 200, "a server was shown with {}", answer.status);
        Ok(())
    };
    let cpu = customer.cpu_seconds()?;
    let outcome = run(customer.cloud.address, SHOW, |_| Cow::Borrowed(&show), check)?;
    let cpu = (customer.cpu_seconds()? - cpu) / outcome.answers as f64 * 1e6;
    let how = format!("{} connections; {cpu:.0} µs of processor time each", SHOW.concurrency);
    report.judge("GET /servers/{id}", Goal::AtLeast(SHOW_RATE_MIN), outcome.rate(), "/s", &how);
    Ok(())
}

fn measure_many(report: &mut Report, seats: Seats) -> Result<()> {
    let mut customer = Customer::new(seats)?;
    let _pinned = machine::pin(seats.client)?;
    let (before_mb, cpu) = (machine::resident_mb(customer.cloud.pid())?, customer.cpu_seconds()?);
    let mut ids = Vec::with_capacity(MANY);
    let create = customer.create_request();
    let began = runtime::monotonic();
    let accepted = run(
        customer.cloud.address,
        CREATE,
        |_| Cow::Borrowed(&create),
        |_, answer| {
            ids.push(created(answer)?);
            Ok(())
        },
    )?;
    ensure!(ids.len() == MANY, "only {} servers were created in time", ids.len());
    for id in &ids {
        customer.await_active(id, began)?;
    }
    let rate = MANY as f64 / began.elapsed().as_secs_f64();
    let cpu = (customer.cpu_seconds()? - cpu) / MANY as f64 * 1e3;
    let how = format!("until the last is ACTIVE; {cpu:.1} ms of processor time each");
    let what = format!("{MANY} servers at concurrency {}, durably", CREATE.concurrency);
    report.judge(&what, Goal::AtLeast(CREATE_RATE_MIN), rate, "/s", &how);
    report.tell("the same, until the last is accepted", accepted.rate(), "/s", "");
    let grown = machine::resident_mb(customer.cloud.pid())? - before_mb;
    let how = format!("from {before_mb:.1} MB; the simulated node lives in the same process");
    report.tell(&format!("resident memory grows with {MANY} servers by"), grown, "MB", &how);
    Ok(())
}

/// A cloud and somebody with a network, an image and room for any number of servers.
struct Customer {
    cloud: Cloud,
    demo: Session,
    body: String,
}

impl Customer {
    fn new(seats: Seats) -> Result<Customer> {
        let cloud = Cloud::start(Node::Simulated, Some(seats.server))?;
        let (mut admin, mut demo) = (cloud.log_in("admin")?, cloud.log_in("demo")?);
        let flavor = make_room(&mut admin, &demo.project)?;
        let image = image(&mut demo)?;
        let network = network(&mut demo)?;
        let body = json!({"server": {
            "name": "bench", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}],
        }});
        Ok(Customer { cloud, demo, body: body.to_string() })
    }

    fn create_request(&self) -> Vec<u8> {
        self.demo.request("POST", "/compute/v2.1/servers", &self.body)
    }

    fn create(&mut self) -> Result<String> {
        created(&self.demo.ask(&self.create_request())?)
    }

    fn await_active(&mut self, id: &str, began: Instant) -> Result<()> {
        let show = self.demo.request("GET", &format!("/compute/v2.1/servers/{id}"), "");
        loop {
            let answer = self.demo.ask(&show)?;
            let said: Json = serde_json::from_slice(&answer.body).context("a server is no JSON")?;
            match said["server"]["status"].as_str() {
                Some("ACTIVE") => return Ok(()),
                Some("BUILD") => {}
                _ => anyhow::bail!("server {id} does not become ACTIVE: {said}"),
            }
            ensure!(began.elapsed() < ACTIVE_TIME_MAX, "server {id} is not ACTIVE in time: {said}");
        }
    }

    fn cpu_seconds(&self) -> Result<f64> {
        machine::cpu_seconds(self.cloud.pid())
    }
}

fn created(answer: &Answer) -> Result<String> {
    let said: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let id = said["server"]["id"].as_str().map(str::to_owned);
    id.with_context(|| format!("no server was created: {} {said}", answer.status))
}

/// Lifts the quotas, and makes a flavor that needs no room on the disk; its id.
fn make_room(admin: &mut Session, project: &str) -> Result<Json> {
    let quota = json!({"quota_set": {"instances": -1, "cores": -1, "ram": -1}});
    admin.call("PUT", &format!("/compute/v2.1/os-quota-sets/{project}"), &quota)?;
    let quota = json!({"quota": {"port": -1}});
    admin.call("PUT", &format!("/network/v2.0/quotas/{project}"), &quota)?;
    let flavor = json!({"flavor": {"name": "bench", "vcpus": 1, "ram": 256, "disk": 0}});
    let made = admin.call("POST", "/compute/v2.1/flavors", &flavor)?;
    Ok(made["flavor"]["id"].clone())
}

fn image(demo: &mut Session) -> Result<String> {
    let image = json!({"name": "bench", "disk_format": "raw", "container_format": "bare"});
    let made = demo.call("POST", "/image/v2/images", &image)?;
    let id = made["id"].as_str().context("no image was made")?.to_owned();
    demo.upload(&format!("/image/v2/images/{id}/file"), &[0; 64 << 10])?;
    Ok(id)
}

fn network(demo: &mut Session) -> Result<Json> {
    let made = demo.call("POST", "/network/v2.0/networks", &json!({"network": {"name": "bench"}}))?;
    let network = made["network"]["id"].clone();
    let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.20.0.0/16"}});
    demo.call("POST", "/network/v2.0/subnets", &subnet)?;
    Ok(network)
}
