//! The whole cloud in one thread, from a seed: real services, reconcilers and agents over a database in memory and
//! simulated hosts.
//!
//! Clients want things at random; messages come late, twice or never; agents, hosts and the control plane die between
//! any two steps, and the latter between any two commits. After every step what must always hold is checked; in the
//! end faults stop, and within a bounded time every wish must have come true; then all is deleted, and nothing may be
//! left. The same seed always makes the same run, so a failure names its seed and nothing else is needed to repeat it.
//!
//! Not here: tokens and passwords (callers are believed), sockets, the real kernel, QEMU and disks.
//!
//! Reading order: `simulation` (what there is, and the turns), `faults`, `settle`, `invariants`; `control`, `node` and
//! `link` are the parts; `client` has the wishes.

mod chance;
pub mod client;
mod commits;
pub mod control;
mod disks;
mod faults;
mod invariants;
mod link;
pub mod node;
mod settle;
mod simulation;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use commits::Mishap;
pub use simulation::Simulation;

/// How many of the last events a failure shows.
const EVENTS_SHOWN: usize = 60;

/// Why a run failed, and how to see it again.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub why: String,
    /// The last events, oldest first.
    pub events: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.why)?;
        write!(f, "again: cargo xtask sim --seed {}", self.seed)
    }
}

impl std::error::Error for Failure {}

/// Runs a seed to its end: so many turns with faults, then settling, then deleting everything. Returns all events.
pub fn run(seed: u64, turns: usize) -> Result<Vec<String>, Failure> {
    let mut simulation = Simulation::new(seed).map_err(|error| fail(seed, &error, &[]))?;
    let ended = catch_unwind(AssertUnwindSafe(|| simulation.run(turns)));
    let result = ended.unwrap_or_else(|_| Err(anyhow::anyhow!("a panic, told above")));
    let events = simulation.into_events();
    match result {
        Ok(()) => Ok(events),
        Err(error) => Err(fail(seed, &error, &events)),
    }
}

fn fail(seed: u64, error: &anyhow::Error, events: &[String]) -> Failure {
    let events = events[events.len().saturating_sub(EVENTS_SHOWN)..].to_vec();
    Failure { seed, why: format!("{error:#}"), events }
}
