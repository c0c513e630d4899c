//! What backends can do, and whether that is what a type demands: Cinder's capabilities filter.

use agent_api::BackendFacts;
use serde_json::{Map, Value as Json, json};

use crate::volume_type::Specs;

/// What a backend says of itself, but for what was promised there. The words are those of Cinder's drivers for files and
/// for Ceph, so that types that were made for these serve here too.
pub(crate) fn of_backend(facts: &BackendFacts) -> Map<String, Json> {
    let told = json!({
        "pool_name": facts.name,
        "volume_backend_name": facts.name,
        "vendor_name": "Open Source",
        "driver_version": env!("CARGO_PKG_VERSION"),
        "storage_protocol": if facts.is_shared { "ceph" } else { "file" },
        "total_capacity_gb": facts.total_gib,
        "free_capacity_gb": facts.free_gib,
        "reserved_percentage": 0,
        "thin_provisioning_support": true,
        "thick_provisioning_support": false,
        "QoS_support": false,
        "multiattach": true,
        "replication_enabled": false,
    });
    told.as_object().cloned().unwrap_or_default()
}

/// Whether a backend is what all extra specs ask for. Those of another scope than `capabilities` ask nothing of backends.
pub(crate) fn satisfies(facts: &BackendFacts, extra_specs: &Specs) -> bool {
    let told = of_backend(facts);
    let demands = extra_specs.iter().filter_map(|(key, demand)| Some((demanded(key)?, demand)));
    demands
        .into_iter()
        .all(|(name, demand)| told.get(name).is_some_and(|value| meets(value, demand.as_deref())))
}

/// What an extra spec asks a backend for, if it asks one.
fn demanded(key: &str) -> Option<&str> {
    match key.split_once(':') {
        None => Some(key),
        Some((scope, name)) => (scope == "capabilities").then_some(name),
    }
}

/// Whether a value is as demanded: the same text, or what an operator before it says (`<is> True`, `>= 10`, `<or> a <or> b`).
/// A key without a value demands that there is none.
fn meets(value: &Json, demand: Option<&str>) -> bool {
    let Some(demand) = demand else { return value.is_null() };
    let mut words = demand.split_whitespace();
    let (operator, operand) = (words.next().unwrap_or_default(), words.next());
    let text = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let numbers = || Some((text.parse::<f64>().ok()?, operand?.parse::<f64>().ok()?));
    let by_number = |holds: fn(&f64, &f64) -> bool| numbers().is_some_and(|(a, b)| holds(&a, &b));
    let by_text = |holds: fn(&str, &str) -> bool| operand.is_some_and(|operand| holds(&text, operand));
    match operator {
        "=" | ">=" => by_number(f64::ge),
        "==" => by_number(f64::eq),
        "!=" => by_number(f64::ne),
        "<=" => by_number(f64::le),
        "s==" => by_text(|a, b| a == b),
        "s!=" => by_text(|a, b| a != b),
        "s<" => by_text(|a, b| a < b),
        "s<=" => by_text(|a, b| a <= b),
        "s>" => by_text(|a, b| a > b),
        "s>=" => by_text(|a, b| a >= b),
        "<in>" => by_text(|a, b| a.contains(b)),
        "<is>" => by_text(|a, b| is_yes(a) == is_yes(b)),
        "<or>" => demand.split_whitespace().skip(1).step_by(2).any(|word| word == text),
        // The words of a value that is no text are not its text: `True` is none of a switch's.
        _ => value.as_str() == Some(demand),
    }
}

fn is_yes(word: &str) -> bool {
    ["1", "t", "true", "on", "y", "yes"].contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::{BackendFacts, satisfies};

    fn meets_or(key: &str, demand: Option<&str>) -> bool {
        let facts = BackendFacts { name: "fast".to_owned(), total_gib: 100, ..BackendFacts::default() };
        satisfies(&facts, &[(key.to_owned(), demand.map(str::to_owned))].into())
    }

    fn meets(key: &str, demand: &str) -> bool {
        meets_or(key, Some(demand))
    }

    #[test]
    fn demands_are_read_as_cinder_reads_them() {
        let met = [
            ("volume_backend_name", "fast"),
            ("capabilities:volume_backend_name", "<or> slow <or> fast"),
            ("vendor_name", "Open Source"),
            ("vendor_name", "<in> Source"),
            ("storage_protocol", "s== file"),
            ("storage_protocol", "s!= ceph"),
            ("storage_protocol", "s< g"),
            ("thin_provisioning_support", "<is> True"),
            ("thick_provisioning_support", "<is> no"),
            ("total_capacity_gb", ">= 100"),
            ("total_capacity_gb", "= 99.5"),
            ("total_capacity_gb", "== 100.0"),
            ("total_capacity_gb", "<= 100"),
            // Of other scopes.
            ("provisioning:max_vol_size", "5"),
            ("RESKEY:availability_zones", "nowhere"),
        ];
        assert_eq!(met.into_iter().find(|(key, demand)| !meets(key, demand)), None);
        let unmet = [
            ("volume_backend_name", "slow"),
            ("volume_backend_name", "<or> slow <or> slower"),
            ("volume_backend_name", "<or>"),
            ("vendor_name", "Open"),
            ("storage_protocol", "iSCSI"),
            ("storage_protocol", "s=="),
            ("thin_provisioning_support", "True"),
            ("thin_provisioning_support", "<is> False"),
            ("total_capacity_gb", "> 100"),
            ("total_capacity_gb", ">= much"),
            ("total_capacity_gb", "!= 100"),
            ("vendor_name", "== 1"),
            // What no backend knows.
            ("colour", "blue"),
            ("capabilities:a:b", "1"),
        ];
        assert_eq!(unmet.into_iter().find(|(key, demand)| meets(key, demand)), None);
        // Without a value: every backend has one for what it knows, and none knows the others.
        let unmet = ["volume_backend_name", "capabilities:multiattach", "colour"];
        assert_eq!(unmet.into_iter().find(|key| meets_or(key, None)), None);
        assert!(meets_or("provisioning:max_vol_size", None));
    }
}
