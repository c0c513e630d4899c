//! Disks of a running VM that are written to another tree of block nodes, too, and then exchanged for it.
//!
//! Until the exchange the guest's disk is what it was, whatever becomes of the mirror. For the exchange the guest stands
//! still: QEMU puts the other tree in the place of the disk's own only once both are equal and written out, and nobody
//! writes to either before the guest goes on, which is after the exchange was recorded.
//!
//! ```text
//! mirroring ──equal──▶ noted, guest stopped ──▶ exchanged ──▶ recorded ──▶ note gone, guest goes on
//!                          └──── mirror cancelled: as it was ──▶ note gone, guest goes on
//! ```
//!
//! A note in the run directory says that an exchange has begun. As long as it is there the guest is not let go on by
//! anything but the end of the exchange, also by a program that was restarted.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::{CopyId, VolumeId};

use super::Shared;
use super::control::Vm;
use crate::error::Doing;
use crate::{Disk, Error, Exchange, Mirrored, Result};

/// How the names of jobs begin that mirror a disk. The ids of its volume and of the mirror follow.
pub(super) const JOB: &str = "mirror.";
/// How the names of trees begin that came by a mirror and that nobody else named.
pub(super) const NODE: &str = "m-";
/// What notes that an exchange has begun.
const NOTE: &str = "exchange.json";
/// How long a guest stands still for its disk to be exchanged. What is left to be done then is to write caches out.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long one that was interrupted may have to its end. It is not asked for a second time, which would leave QEMU
/// holding on to the old tree.
const INTERRUPTED_TIME_MAX: Duration = Duration::from_secs(3);
/// How long QEMU may take to end a job.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(10);
/// How often a job is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// An exchange that has begun.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    exchange: Exchange,
    /// The job that mirrors the disk.
    job: String,
    /// The other tree's topmost node.
    target: String,
    /// Whether the guest ran, and is to go on.
    running: bool,
}

impl Vm {
    pub(super) fn mirrored(
        &mut self,
        shared: &Shared,
        volume: VolumeId,
        id: CopyId,
    ) -> Result<Option<Mirrored>> {
        let name = job_name(volume, id);
        let Some(job) = self.job(shared, &name)? else { return Ok(None) };
        let count = |key: &str| job[key].as_u64().unwrap_or_default();
        Ok(Some(match job["status"].as_str().unwrap_or_default() {
            "concluded" => {
                self.end_mirror(shared, volume)?;
                Mirrored::Failed(job["error"].as_str().unwrap_or("it was ended").to_owned())
            }
            "ready" => Mirrored::Equal,
            _ => {
                let (done, all) = (count("current-progress"), count("total-progress").max(1));
                Mirrored::Going {
                    percent: u8::try_from(done.saturating_mul(100) / all).unwrap_or(100).min(99),
                }
            }
        }))
    }

    pub(super) fn begin_mirror(
        &mut self,
        shared: &Shared,
        volume: VolumeId,
        (id, to): (CopyId, &Value),
    ) -> Result<()> {
        self.end_mirror(shared, volume)?;
        if self.has_merge(shared)? {
            return Err(Error::Merging);
        }
        let target = target_name(id, to);
        let replaced = self.below(shared, volume)?;
        let mut node = to.clone();
        node["node-name"] = target.clone().into();
        self.call(shared, "blockdev-add", node)?;
        let job = json!({
            "job-id": job_name(volume, id),
            "device": Disk::node_name(volume),
            "target": target,
            "replaces": replaced,
            "sync": "full",
            // What the guest writes is in both before it is told so.
            "copy-mode": "write-blocking",
            // How it ended is to be seen.
            "auto-dismiss": false,
        });
        match self.call(shared, "blockdev-mirror", job) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.close_unused_layers(shared)?;
                Err(error)
            }
        }
    }

    pub(super) fn end_mirror(&mut self, shared: &Shared, volume: VolumeId) -> Result<()> {
        let of_volume = job_prefix(volume);
        let jobs: Vec<String> =
            self.mirrors(shared)?.into_iter().filter(|id| id.starts_with(&of_volume)).collect();
        for job in &jobs {
            self.await_end(shared, job, Duration::ZERO)?;
        }
        self.close_unused_layers(shared)
    }

    /// The disk whose exchange was interrupted. What was noted of a process that has ended counts for nothing.
    pub(super) fn exchanging(&mut self) -> Option<Exchange> {
        self.living()?;
        self.run().read::<Note>(NOTE).map(|note| note.exchange)
    }

    pub(super) fn exchange_disk(
        &mut self,
        shared: &Shared,
        wanted: &Exchange,
        record: &mut dyn FnMut() -> std::io::Result<()>,
    ) -> Result<bool> {
        let note = match self.run().read::<Note>(NOTE) {
            Some(note) if note.exchange == *wanted => {
                self.command(shared, "stop")?;
                self.await_end(shared, &note.job, INTERRUPTED_TIME_MAX)?;
                note
            }
            Some(_) => return Err(Error::Exchanging),
            None => {
                let note = self.note_exchange(shared, wanted)?;
                self.command(shared, "stop")?;
                self.complete(shared, &note.job)?;
                note
            }
        };
        let volume = note.exchange.volume;
        let exchanged = self.below(shared, volume)? == note.target;
        if exchanged {
            record().doing(|| format!("record that volume {volume} was exchanged"))?;
        }
        self.run().forget(NOTE)?;
        if note.running {
            self.command(shared, "cont")?;
        }
        self.close_unused_layers(shared)?;
        Ok(exchanged)
    }

    /// Asks once for the end of a job; one that was refused shows by its end.
    fn complete(&mut self, shared: &Shared, job: &str) -> Result<()> {
        match self.call(shared, "job-complete", json!({ "id": job })) {
            Ok(_) | Err(Error::Refused { .. }) => self.await_end(shared, job, EXCHANGE_TIME_MAX),
            Err(error) => Err(error),
        }
    }

    fn note_exchange(&mut self, shared: &Shared, exchange: &Exchange) -> Result<Note> {
        let job = job_name(exchange.volume, exchange.id);
        let target = self.target_of(shared, &job)?;
        let status = self.call(shared, "query-status", json!({}))?;
        let running = status["status"] == "running";
        let note = Note { exchange: exchange.clone(), job, target, running };
        self.run().write(NOTE, &note)?;
        Ok(note)
    }

    /// Waits for the end of a job and forgets it; one that does not come to its end in time is cancelled.
    fn await_end(&mut self, shared: &Shared, id: &str, patience: Duration) -> Result<()> {
        let begin = runtime::monotonic();
        let mut cancelled = false;
        loop {
            let Some(job) = self.job(shared, id)? else { return Ok(()) };
            if job["status"] == "concluded" {
                if let Some(error) = job["error"].as_str() {
                    tracing::info!("{id} ended: {error}");
                }
                return self.call(shared, "job-dismiss", json!({ "id": id })).map(drop);
            }
            if begin.elapsed() >= patience && !cancelled {
                match self.call(shared, "job-cancel", json!({ "id": id })) {
                    // It ended meanwhile.
                    Ok(_) | Err(Error::Refused { .. }) => cancelled = true,
                    Err(error) => return Err(error),
                }
            }
            if begin.elapsed() >= patience + CANCEL_TIME_MAX {
                return Err(refused("job-cancel", "the job does not end"));
            }
            runtime::sleep_blocking(LOOK);
        }
    }

    fn mirrors(&mut self, shared: &Shared) -> Result<Vec<String>> {
        let answer = self.call(shared, "query-jobs", json!({}))?;
        let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let ids = jobs.iter().filter_map(|job| job["id"].as_str());
        Ok(ids.filter(|id| id.starts_with(JOB)).map(str::to_owned).collect())
    }

    fn job(&mut self, shared: &Shared, id: &str) -> Result<Option<Value>> {
        let mut answer = self.call(shared, "query-jobs", json!({}))?;
        let jobs = answer.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
        Ok(jobs.iter_mut().find(|job| job["id"] == id).map(Value::take))
    }

    /// The node right below a disk's own, by QEMU's name where nobody gave it one.
    fn below(&mut self, shared: &Shared, volume: VolumeId) -> Result<String> {
        let found = self.child(shared, &Disk::node_name(volume), "file")?;
        found.ok_or(Error::NoDisk { doing: "look below a disk" })
    }

    fn target_of(&mut self, shared: &Shared, job: &str) -> Result<String> {
        let found = self.child(shared, job, "target")?;
        found.ok_or_else(|| refused("job-complete", "the disk is not mirrored"))
    }

    /// Only this command tells what lies below a node, and what a job writes to.
    fn child(&mut self, shared: &Shared, parent: &str, edge: &str) -> Result<Option<String>> {
        let graph = self.call(shared, "x-debug-query-block-graph", json!({}))?;
        let all = |key: &str| graph[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let parent = all("nodes").iter().find(|node| node["name"] == parent).map(|node| &node["id"]);
        let is_it = |found: &&Value| Some(&found["parent"]) == parent && found["name"] == edge;
        let child = all("edges").iter().find(is_it).map(|found| &found["child"]);
        let node = all("nodes").iter().find(|node| Some(&node["id"]) == child);
        Ok(node.and_then(|node| node["name"].as_str()).map(str::to_owned))
    }
}

fn job_prefix(volume: VolumeId) -> String {
    format!("{JOB}{volume}.")
}

fn job_name(volume: VolumeId, id: CopyId) -> String {
    format!("{}{id}", job_prefix(volume))
}

/// A tree keeps the name that its backend knows it by. QEMU allows 31 characters, so not all of the id is in one of ours.
fn target_name(id: CopyId, to: &Value) -> String {
    let digits = id.0.simple().to_string();
    to["node-name"].as_str().map_or_else(|| format!("{NODE}{}", &digits[..24]), str::to_owned)
}

fn refused(command: &str, description: &str) -> Error {
    Error::Refused { command: command.to_owned(), description: description.to_owned() }
}
