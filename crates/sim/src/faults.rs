//! What goes wrong, by chance.

use agent_api::FromNode;

use crate::Mishap;
use crate::simulation::Simulation;

/// What can go wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    CutConnection,
    SayTwice,
    KillAgent,
    StartAgent,
    RestartHost,
    CrashControl,
    Commit,
    FabricFails,
    VmFails,
    DiskFails,
    DiskFull,
    ImagesFail,
    ImagesFull,
    GuestPowersOff,
    VmCrashes,
    GuestIgnores,
    ClockWrong,
}

const FAULTS: [(usize, Fault); 17] = [
    (8, Fault::CutConnection),
    (8, Fault::SayTwice),
    (5, Fault::KillAgent),
    (8, Fault::StartAgent),
    (2, Fault::RestartHost),
    (3, Fault::CrashControl),
    (10, Fault::Commit),
    (4, Fault::FabricFails),
    (4, Fault::VmFails),
    (3, Fault::DiskFails),
    (2, Fault::DiskFull),
    (2, Fault::ImagesFail),
    (1, Fault::ImagesFull),
    (5, Fault::GuestPowersOff),
    (5, Fault::VmCrashes),
    (2, Fault::GuestIgnores),
    (2, Fault::ClockWrong),
];
/// A clock is wrong by at most ten minutes.
const CLOCK_WRONG_S: usize = 600;

impl Simulation {
    /// One thing goes wrong, or is put right.
    pub(crate) fn fault(&mut self) -> anyhow::Result<()> {
        let at = self.chance.below(self.nodes.len());
        let Some(fault) = self.chance.weighted(&FAULTS) else { return Ok(()) };
        self.note(format!("fault on node-{}: {fault:?}", at + 1));
        match fault {
            Fault::CutConnection => {
                if let Some(number) = self.nodes[at].link {
                    self.lose(number);
                }
            }
            Fault::SayTwice => self.say_twice(),
            Fault::KillAgent => self.kill_agent(at),
            Fault::StartAgent => self.on_node(at, |node| node.start())?,
            Fault::RestartHost => {
                self.kill_agent(at);
                self.on_node(at, |node| node.restart_host())?;
            }
            Fault::CrashControl => self.restart_control()?,
            Fault::Commit => {
                let all = [Mishap::Refused, Mishap::AnswerLost, Mishap::CrashAfter, Mishap::CrashBefore];
                let mishap = all[self.chance.below(all.len())];
                self.control.commits.plan(self.chance.below(6), mishap);
            }
            Fault::ImagesFail => {
                self.images_fail = true;
                self.control.images.fail_next("the simulated image store refuses");
            }
            Fault::ImagesFull => {
                let full = self.chance.one_in(2);
                self.control.images.set_full(full);
            }
            Fault::ClockWrong => {
                let seconds = self.chance.below(2 * CLOCK_WRONG_S) as i64 - CLOCK_WRONG_S as i64;
                self.nodes[at].ahead_us = if self.chance.one_in(2) { 0 } else { seconds * 1_000_000 };
            }
            other => self.fault_on_host(at, other),
        }
        Ok(())
    }

    fn fault_on_host(&mut self, at: usize, fault: Fault) {
        let node = &self.nodes[at];
        let running = node.vms.running();
        match fault {
            Fault::FabricFails => node.fabric.fail_next(1 + self.chance.below(3) as u32),
            Fault::VmFails => node.vms.fail_next("the simulated hypervisor refuses"),
            Fault::DiskFails => node.disks.local.fail_next("the simulated disk refuses"),
            Fault::DiskFull => node.disks.local.set_full(self.chance.one_in(2)),
            Fault::GuestIgnores => node.vms.set_stubborn(self.chance.one_in(2)),
            Fault::GuestPowersOff => {
                if let Some(server) = self.chance.pick(&running) {
                    node.vms.power_off(*server);
                }
            }
            Fault::VmCrashes => {
                if let Some(server) = self.chance.pick(&running) {
                    node.vms.crash(*server, "a simulated signal");
                }
            }
            _ => {}
        }
    }

    /// Kills an agent; what it sent may still arrive.
    pub fn kill_agent(&mut self, at: usize) {
        if let Some(number) = self.nodes[at].link {
            self.lose(number);
        }
        self.nodes[at].kill();
    }

    /// A node loses its connection, and the next as soon as it has said hello; that hello is read after the newest one.
    pub fn lose_a_hello(&mut self, at: usize) -> anyhow::Result<()> {
        for _ in 0..2 {
            if let Some(number) = self.nodes[at].link {
                self.cut(number);
            }
            self.connect(at);
        }
        let host = self.nodes[at].host.clone();
        let mut unread: Vec<u64> =
            self.links.iter().filter(|link| link.host == host).map(|link| link.number).collect();
        while let Some(newest) = unread.pop() {
            let index = self.links.iter().position(|link| link.number == newest);
            index.map_or(Ok(()), |index| self.read_up(index))?;
        }
        Ok(())
    }

    /// A connection breaks: nothing, or only the newest part of what was on its way up, is lost.
    fn lose(&mut self, number: u64) {
        self.cut(number);
        let lost = self.chance.below(4);
        if let Some(link) = self.links.iter_mut().find(|link| link.number == number) {
            let kept = if lost == 0 { 0 } else { link.up.len().saturating_sub(lost - 1) };
            link.up.truncate(kept);
        }
        self.links.retain(|link| link.open || !link.up.is_empty());
    }

    /// A message that is on its way comes twice.
    fn say_twice(&mut self) {
        let at = self.chance.below(self.links.len());
        let Some(link) = self.links.get_mut(at) else { return };
        let reports = |message: &&FromNode| matches!(message, FromNode::Reports { .. });
        if let Some(message) = link.up.iter().find(reports).cloned() {
            link.up.push_back(message);
        }
    }
}
