//! The layers below a running VM's disks: QEMU's block nodes whose names begin with `l-`, and the jobs that merge them.

use serde_json::{Value, json};
use types::VolumeId;

use super::Shared;
use super::control::Vm;
use super::mirror::NODE;
use crate::spec::all_limits;
use crate::{Disk, Error, Limits, Merge, Result};

/// How the names of layers begin.
const LAYER: &str = "l-";
/// How the names of jobs begin that merge layers.
pub(super) const JOB: &str = "merge.";

impl Vm {
    pub(super) fn limit_disk(&mut self, shared: &Shared, volume: VolumeId, limits: &Limits) -> Result<()> {
        let group = Disk::throttle_group(volume);
        if !self.children(shared, "/objects")?.contains(&group) {
            // Attached by a version that did not throttle: its limits begin when it is attached again.
            tracing::warn!("volume {volume} has no limits until it is attached again");
            return Ok(());
        }
        let path = format!("/objects/{group}");
        let change = json!({ "path": path, "property": "limits", "value": all_limits(limits) });
        self.call(shared, "qom-set", change).map(drop)
    }

    pub(super) fn layers(&mut self, shared: &Shared) -> Result<Vec<String>> {
        self.nodes(shared, &[LAYER])
    }

    fn nodes(&mut self, shared: &Shared, prefixes: &[&str]) -> Result<Vec<String>> {
        let answer = self.call(shared, "query-named-block-nodes", json!({ "flat": true }))?;
        let nodes = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let names = nodes.iter().filter_map(|node| node["node-name"].as_str());
        let wanted = |name: &&str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        Ok(names.filter(wanted).map(str::to_owned).collect())
    }

    pub(super) fn push_layer(&mut self, shared: &Shared, layer: &Value, over: &str) -> Result<()> {
        let name = layer["node-name"].as_str().unwrap_or_default();
        if !self.layers(shared)?.iter().any(|open| open == name) {
            self.call(shared, "blockdev-add", layer.clone())?;
        }
        match self.call(shared, "blockdev-snapshot", json!({ "node": over, "overlay": name })) {
            // It lies there already, from an attempt whose answer was lost.
            Err(Error::Refused { description, .. }) if description.contains("is already in use") => Ok(()),
            pushed => pushed.map(drop),
        }
    }

    pub(super) fn merge_layers(
        &mut self,
        shared: &Shared,
        volume: VolumeId,
        merge: &Merge<'_>,
    ) -> Result<bool> {
        let id = job_id(merge);
        if self.has_merge(shared)? {
            return Ok(false);
        }
        self.close_unused_layers(shared)?;
        self.begin_merge(shared, volume, merge, id)
    }

    fn begin_merge(
        &mut self,
        shared: &Shared,
        volume: VolumeId,
        merge: &Merge<'_>,
        id: String,
    ) -> Result<bool> {
        let open = self.layers(shared)?;
        let is_open = |name: &str| open.iter().any(|open| open == name);
        match *merge {
            Merge::Down { top, base, .. } if !is_open(top) && is_open(base) => return Ok(true),
            Merge::Down { top, base, backing_file } => {
                let job = json!({
                    "job-id": id,
                    "device": Disk::node_name(volume),
                    "top-node": top,
                    // Without it everything would be written down to the bottom, which is the image that all share.
                    "base-node": base,
                    "backing-file": backing_file,
                });
                self.call(shared, "block-commit", job)?;
            }
            Merge::Up { top, base, backing_file } => {
                let mut job = json!({ "job-id": id, "device": top });
                if let (Some(base), Some(backing_file)) = (base, backing_file) {
                    job["base-node"] = base.into();
                    job["backing-file"] = backing_file.into();
                }
                self.call(shared, "block-stream", job)?;
            }
        }
        Ok(false)
    }

    /// Closes layers and mirrors that no disk lies over any more. QEMU refuses for those that are in use, and closes by itself those
    /// that came with their disk.
    pub(super) fn close_unused_layers(&mut self, shared: &Shared) -> Result<()> {
        for name in self.nodes(shared, &[LAYER, NODE])? {
            match self.call(shared, "blockdev-del", json!({ "node-name": name })) {
                Ok(_) | Err(Error::Refused { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Whether a merge is on its way. A job that has ended is gone at once, and shows only by the layers that are left:
    /// kept until it is dismissed it would hold on to a layer without a place, and QEMU 7.2 dies when it is asked for
    /// its block nodes then.
    pub(super) fn has_merge(&mut self, shared: &Shared) -> Result<bool> {
        let answer = self.call(shared, "query-jobs", json!({}))?;
        let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(jobs.iter().any(|job| job["id"].as_str().is_some_and(|id| id.starts_with(JOB))))
    }
}

/// A job is named after what it merges.
fn job_id(merge: &Merge<'_>) -> String {
    match merge {
        Merge::Down { top, base, .. } => format!("{JOB}down.{top}.{base}"),
        Merge::Up { top, base, .. } => format!("{JOB}up.{top}.{}", base.unwrap_or("none")),
    }
}
