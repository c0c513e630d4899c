//! The end of faults: everything is put right and given time, and in the end deleted.

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value as Json, json};
use store::work;
use types::Timestamp;

use crate::client::{Kind, PROJECTS, Request};
use crate::simulation::Simulation;

/// How long everything may take to be as wanted, once nothing goes wrong any more: some deadlines of ten minutes each.
const SETTLING_MAX: Duration = Duration::from_secs(2 * 3600);
/// How often deleting everything is tried; what is used by others goes after them.
const ROUNDS_MAX: usize = 8;
/// Messages to users wait for weeks until they go, and nothing waits for them.
const MESSAGES: &str = "block_storage::message";
/// The shortest step of time.
const MOMENT: Duration = Duration::from_millis(1);

impl Simulation {
    /// Puts everything right and lets time pass until nothing is left to do.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        self.heal()?;
        let began = runtime::now();
        loop {
            if self.exchange()? {
                continue;
            }
            let mut pending = self.control.store().read_blocking(work::pending)?;
            pending.retain(|(kind, ..)| kind != MESSAGES);
            let agents_idle = self.nodes.iter().all(|node| node.is_idle());
            if pending.is_empty() && agents_idle {
                break;
            }
            if runtime::now().since(began) > SETTLING_MAX {
                bail!("after {} s there is still work: {pending:?}", SETTLING_MAX.as_secs());
            }
            self.wait_until_due()?;
        }
        self.note("settled");
        let missed = self.sweep()?;
        if !missed.is_empty() {
            bail!("a sweep finds what nobody kicked: {missed:?}");
        }
        Ok(())
    }

    /// Lets everybody work for a while, faults and all.
    pub fn settle_partly(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = runtime::now().plus(time);
        while runtime::now() < end {
            self.exchange()?;
            self.after_crash()?;
            self.pass_time(MOMENT);
        }
        Ok(())
    }

    /// Time passes, and nobody does anything.
    pub fn pass_time(&mut self, time: Duration) {
        self.clock.advance(time);
    }

    /// Ends all faults.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        self.note("all faults end");
        self.after_crash()?;
        self.control.commits.reset();
        self.control.images.set_full(false);
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            node.ahead_us = 0;
            node.fabric.fail_next(0);
            node.vms.set_stubborn(false);
            node.disks.local.set_full(false);
            self.on_node(at, |node| node.start())?;
            self.connect(at);
        }
        Ok(())
    }

    /// Everybody does what there is to do now; tells whether there was something.
    fn exchange(&mut self) -> anyhow::Result<bool> {
        let mut busy = self.reconcile()? > 0;
        for at in 0..self.nodes.len() {
            self.connect(at);
            busy |= self.step_node(at);
            busy |= self.control.has_signal(&self.nodes[at].host);
            self.notify(at)?;
        }
        while let Some(at) = self.links.iter().position(|link| !link.up.is_empty()) {
            self.read_up(at)?;
        }
        for at in 0..self.nodes.len() {
            while self
                .links
                .iter()
                .any(|link| Some(link.number) == self.nodes[at].link && !link.down.is_empty())
            {
                self.read_down(at);
                busy = true;
            }
        }
        Ok(busy)
    }

    /// Time passes until the next thing falls due.
    fn wait_until_due(&mut self) -> anyhow::Result<()> {
        let now = runtime::now();
        let work = self.control.runner().next_due()?;
        let of_nodes = self.nodes.iter().filter_map(|node| node.next_due());
        let next = of_nodes.chain(work).min().unwrap_or(now);
        let next = next.max(now.plus(MOMENT));
        self.clock.set(Timestamp(next.0));
        Ok(())
    }

    /// Deletes all that anybody made, by the API, and settles.
    pub fn delete_everything(&mut self) -> anyhow::Result<()> {
        for _ in 0..ROUNDS_MAX {
            let mut found = 0;
            for kind in Kind::ALL {
                for id in self.listed(kind)? {
                    found += 1;
                    self.delete(kind, &id)?;
                }
                if kind == Kind::Server {
                    self.settle()?;
                }
            }
            self.settle()?;
            if found == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The ids of what projects own of a kind.
    pub fn listed(&mut self, kind: Kind) -> anyhow::Result<Vec<String>> {
        let mut ids = Vec::new();
        for project in PROJECTS.into_iter().chain(["nobody"]) {
            let path = format!("{}?limit=1000", kind.path());
            let answer = self.call(&Request::new(&format!("admin@{project}"), "GET", path, &Json::Null))?;
            let listed = answer.body[kind.plural()].as_array().cloned().unwrap_or_default();
            let owner = |one: &Json| {
                ["owner", "project_id", "tenant_id"]
                    .iter()
                    .find_map(|key| one[*key].as_str().map(str::to_owned))
            };
            let owned = |one: &&Json| owner(one).is_none_or(|owner| owner == project);
            ids.extend(listed.iter().filter(owned).filter_map(|one| one["id"].as_str().map(str::to_owned)));
        }
        Ok(ids)
    }

    fn delete(&mut self, kind: Kind, id: &str) -> anyhow::Result<()> {
        let token = format!("admin@{}", PROJECTS[0]);
        let path = format!("{}/{id}", kind.path());
        if kind == Kind::Volume {
            let reset = json!({"os-reset_status": {"status": "error"}});
            let detach = json!({"os-force_detach": {}});
            for action in [detach, reset] {
                self.call(&Request::new(&token, "POST", format!("{path}/action"), &action))?;
            }
        }
        if kind == Kind::Snapshot {
            let reset = json!({"os-reset_status": {"status": "error"}});
            self.call(&Request::new(&token, "POST", format!("{path}/action"), &reset))?;
        }
        if kind == Kind::Router {
            self.strip(&token, id)?;
        }
        self.call(&Request::new(&token, "DELETE", path, &Json::Null))?;
        Ok(())
    }

    /// Takes a router's legs away.
    fn strip(&mut self, token: &str, router: &str) -> anyhow::Result<()> {
        let legs = format!("{}?device_id={router}", Kind::Port.path());
        let legs = self.call(&Request::new(token, "GET", legs, &Json::Null))?;
        for leg in legs.body["ports"].as_array().cloned().unwrap_or_default() {
            let path = format!("{}/{router}/remove_router_interface", Kind::Router.path());
            let body = json!({"port_id": leg["id"]});
            self.call(&Request::new(token, "PUT", path, &body))?;
        }
        Ok(())
    }
}
