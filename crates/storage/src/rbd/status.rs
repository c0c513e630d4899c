//! How a cluster is, in words and figures, from what its monitors say.

use std::fmt::Write;

use serde_json::Value;

use crate::figures::Figure;

/// The cluster's own judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// All is well.
    Ok,
    /// Something is amiss, and nothing is lost or stopped for it.
    Warning,
    /// Something is lost, stopped or about to.
    Error,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// How many copies of everything there are to be.
    pub replicas: u64,
    /// With how many it still serves.
    pub replicas_min: u64,
    /// How many bytes are stored in it.
    pub stored_bytes: u64,
    /// How many more could be.
    pub free_bytes: u64,
}

/// How a cluster is.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterStatus {
    /// Its own judgement.
    pub health: Health,
    /// What is amiss, in its words.
    pub complaints: Vec<String>,
    /// Monitors that agree, and all there are.
    pub monitors: (u64, u64),
    /// OSDs that run, that hold data, and all there are.
    pub osds: (u64, u64, u64),
    /// All placement groups.
    pub groups: u64,
    /// Those that are whole and serve.
    pub groups_clean: u64,
    /// Those that do not serve at all.
    pub groups_inactive: u64,
    /// The number of groups in each state.
    pub group_states: Vec<(String, u64)>,
    /// All copies of all objects.
    pub copies: u64,
    /// Copies that are missing.
    pub copies_degraded: u64,
    /// Copies that are to move.
    pub copies_misplaced: u64,
    /// Objects of which no copy is found.
    pub objects_unfound: u64,
    /// How fast missing copies are made and misplaced ones moved.
    pub recovery_bytes_per_second: u64,
    /// All room, copies counted.
    pub total_bytes: u64,
    /// What is taken of it.
    pub used_bytes: u64,
    /// The pools.
    pub pools: Vec<PoolStatus>,
}

impl ClusterStatus {
    /// From what `status`, `osd dump` and `df` say. What is missing counts as none.
    pub fn of(status: &Value, osd_dump: &Value, df: &Value) -> ClusterStatus {
        let groups = &status["pgmap"];
        let number = |of: &Value, key: &str| of[key].as_u64().unwrap_or(0);
        let states: Vec<(String, u64)> = list(&groups["pgs_by_state"])
            .iter()
            .map(|state| (text(&state["state_name"]), number(state, "count")))
            .collect();
        let count = |wanted: fn(&str) -> bool| -> u64 {
            states.iter().filter(|(name, _)| wanted(name)).map(|(_, count)| count).sum()
        };
        ClusterStatus {
            health: match status["health"]["status"].as_str() {
                Some("HEALTH_OK") => Health::Ok,
                Some("HEALTH_WARN") => Health::Warning,
                _ => Health::Error,
            },
            complaints: status["health"]["checks"]
                .as_object()
                .map(|checks| checks.values().map(|check| text(&check["summary"]["message"])).collect())
                .unwrap_or_default(),
            monitors: (list(&status["quorum"]).len() as u64, number(&status["monmap"], "num_mons")),
            osds: (
                number(&status["osdmap"], "num_up_osds"),
                number(&status["osdmap"], "num_in_osds"),
                number(&status["osdmap"], "num_osds"),
            ),
            groups: number(groups, "num_pgs"),
            groups_clean: count(|name| name.starts_with("active+clean")),
            groups_inactive: count(|name| !name.contains("active")),
            copies: number(groups, "degraded_total").max(number(groups, "misplaced_total")),
            copies_degraded: number(groups, "degraded_objects"),
            copies_misplaced: number(groups, "misplaced_objects"),
            objects_unfound: number(groups, "unfound_objects"),
            recovery_bytes_per_second: number(groups, "recovering_bytes_per_sec"),
            total_bytes: number(groups, "bytes_total"),
            used_bytes: number(groups, "bytes_used"),
            pools: list(&osd_dump["pools"]).iter().map(|pool| pool_of(pool, df)).collect(),
            group_states: states,
        }
    }

    /// Whether everything that is stored has all its copies where they belong.
    pub fn is_whole(&self) -> bool {
        self.groups > 0
            && self.groups_clean == self.groups
            && self.copies_degraded == 0
            && self.copies_misplaced == 0
    }

    /// For people: a line for each matter.
    pub fn words(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_words(&mut out);
        out
    }

    fn write_words(&self, out: &mut String) -> std::fmt::Result {
        let health = match self.health {
            Health::Ok => "well",
            Health::Warning => "works, with something amiss",
            Health::Error => "in trouble",
        };
        writeln!(out, "cluster   {health}")?;
        for complaint in &self.complaints {
            writeln!(out, "          {complaint}")?;
        }
        writeln!(out, "monitors  {} of {} agree", self.monitors.0, self.monitors.1)?;
        let (up, inside, all) = self.osds;
        writeln!(out, "OSDs      {up} of {all} run, {inside} hold data")?;
        writeln!(
            out,
            "groups    {} of {} are whole, {} do not serve",
            self.groups_clean, self.groups, self.groups_inactive
        )?;
        for (state, count) in self.group_states.iter().filter(|(state, _)| state != "active+clean") {
            writeln!(out, "          {count:>5}  {}", state.replace('+', ", "))?;
        }
        writeln!(out, "data      {}", self.movement())?;
        writeln!(
            out,
            "room      {} of {} used, copies counted",
            size(self.used_bytes),
            size(self.total_bytes)
        )?;
        for pool in &self.pools {
            writeln!(
                out,
                "pool      {:<12} {} copies, serves with {}; {} stored, {} free",
                pool.name,
                pool.replicas,
                pool.replicas_min,
                size(pool.stored_bytes),
                size(pool.free_bytes)
            )?;
        }
        Ok(())
    }

    /// What is being recovered and rebalanced.
    fn movement(&self) -> String {
        let mut parts = Vec::new();
        let share = |some: u64| some as f64 * 100.0 / self.copies.max(1) as f64;
        if self.objects_unfound > 0 {
            parts.push(format!("{} objects are not found", self.objects_unfound));
        }
        if self.copies_degraded > 0 {
            let (some, share) = (self.copies_degraded, share(self.copies_degraded));
            parts.push(format!("{some} of {} copies are missing ({share:.1} %)", self.copies));
        }
        if self.copies_misplaced > 0 {
            let (some, share) = (self.copies_misplaced, share(self.copies_misplaced));
            parts.push(format!("{some} copies are to move ({share:.1} %)"));
        }
        if self.recovery_bytes_per_second > 0 {
            parts.push(format!("{} a second on their way", size(self.recovery_bytes_per_second)));
        }
        if parts.is_empty() { "all copies are where they belong".to_owned() } else { parts.join(", ") }
    }

    /// The same for Prometheus. `cluster` is its name in the configuration.
    pub fn figures(&self, cluster: &str) -> Vec<Figure> {
        let of_all = [
            ("health", self.health as u64),
            ("monitors", self.monitors.1),
            ("monitors_agreeing", self.monitors.0),
            ("osds_up", self.osds.0),
            ("osds_in", self.osds.1),
            ("osds", self.osds.2),
            ("placement_groups", self.groups),
            ("placement_groups_clean", self.groups_clean),
            ("placement_groups_inactive", self.groups_inactive),
            ("copies", self.copies),
            ("copies_degraded", self.copies_degraded),
            ("copies_misplaced", self.copies_misplaced),
            ("objects_unfound", self.objects_unfound),
            ("recovery_bytes_per_second", self.recovery_bytes_per_second),
            ("total_bytes", self.total_bytes),
            ("used_bytes", self.used_bytes),
        ];
        let mut figures: Vec<Figure> = of_all
            .into_iter()
            .map(|(name, value)| Figure::new(format!("cuttle_ceph_{name}"), &[("cluster", cluster)], value))
            .collect();
        for pool in &self.pools {
            let labels = [("cluster", cluster), ("pool", &pool.name)];
            let of = |name: &str, value| Figure::new(format!("cuttle_ceph_pool_{name}"), &labels, value);
            figures.push(of("replicas", pool.replicas));
            figures.push(of("replicas_min", pool.replicas_min));
            figures.push(of("stored_bytes", pool.stored_bytes));
            figures.push(of("free_bytes", pool.free_bytes));
        }
        figures
    }
}

fn pool_of(pool: &Value, df: &Value) -> PoolStatus {
    let name = text(&pool["pool_name"]);
    let stats = list(&df["pools"]).iter().find(|entry| entry["name"] == name.as_str());
    let stat = |key: &str| stats.and_then(|entry| entry["stats"][key].as_u64()).unwrap_or(0);
    PoolStatus {
        replicas: pool["size"].as_u64().unwrap_or(0),
        replicas_min: pool["min_size"].as_u64().unwrap_or(0),
        stored_bytes: stat("stored"),
        free_bytes: stat("max_avail"),
        name,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}").replace(".0 ", " ");
        }
        value /= 1024.0;
    }
    format!("{value:.1} PiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::written;
    use serde_json::json;

    #[test]
    fn a_cluster_that_recovers_is_told_in_words_and_figures() {
        let status = json!({
            "health": { "status": "HEALTH_WARN", "checks": { "OSD_DOWN": { "summary": { "message": "1 osds down" } } } },
            "quorum": [0], "monmap": { "num_mons": 1 },
            "osdmap": { "num_osds": 4, "num_up_osds": 3, "num_in_osds": 4 },
            "pgmap": {
                "num_pgs": 32, "bytes_total": 4096, "bytes_used": 1024,
                "pgs_by_state": [
                    { "state_name": "active+clean", "count": 20 },
                    { "state_name": "active+undersized+degraded", "count": 11 },
                    { "state_name": "peering", "count": 1 },
                ],
                "degraded_objects": 50, "degraded_total": 200, "misplaced_objects": 4, "misplaced_total": 200,
                "recovering_bytes_per_sec": 3 << 20,
            },
        });
        let dump = json!({ "pools": [{ "pool_name": "vms", "size": 3, "min_size": 2 }] });
        let df = json!({ "pools": [{ "name": "vms", "stats": { "stored": 1024, "max_avail": 2048 } }] });
        let found = ClusterStatus::of(&status, &dump, &df);
        assert_eq!((found.health, found.osds, found.groups_inactive), (Health::Warning, (3, 4, 4), 1));
        assert!(!found.is_whole());
        let words = found.words();
        for part in [
            "1 osds down",
            "3 of 4 run, 4 hold data",
            "20 of 32 are whole, 1 do not serve",
            "50 of 200 copies are missing (25.0 %), 4 copies are to move (2.0 %), 3 MiB a second on their way",
            "vms          3 copies, serves with 2; 1 KiB stored, 2 KiB free",
        ] {
            assert!(words.contains(part), "{part:?} is not in:\n{words}");
        }
        let text = written(&found.figures("ceph"));
        assert!(text.contains("cuttle_ceph_copies_degraded{cluster=\"ceph\"} 50\n"), "{text}");
        let silent = ClusterStatus::of(&json!({}), &json!({}), &json!({}));
        assert_eq!((silent.health, silent.is_whole()), (Health::Error, false));
    }
}
