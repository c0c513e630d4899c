//! What QoS specs mean to the hypervisor: limits by the names of QEMU's throttle groups.

use agent_api::block::Limits;

use crate::qos_specs::QosSpecs;

/// Cinder's words, as Nova takes them, and QEMU's.
const NAMES: [(&str, &str); 13] = [
    ("total_iops_sec", "iops-total"),
    ("read_iops_sec", "iops-read"),
    ("write_iops_sec", "iops-write"),
    ("total_bytes_sec", "bps-total"),
    ("read_bytes_sec", "bps-read"),
    ("write_bytes_sec", "bps-write"),
    ("total_iops_sec_max", "iops-total-max"),
    ("read_iops_sec_max", "iops-read-max"),
    ("write_iops_sec_max", "iops-write-max"),
    ("total_bytes_sec_max", "bps-total-max"),
    ("read_bytes_sec_max", "bps-read-max"),
    ("write_bytes_sec_max", "bps-write-max"),
    ("size_iops_sec", "iops-size"),
];

/// The limits to which the hypervisor holds a volume. What is no number, or nought, limits nothing.
pub(crate) fn of(specs: &QosSpecs) -> Limits {
    let said = specs.front_end();
    let limit = |(word, name): &(&str, &str)| {
        let value: u64 = said.get(word)?.trim().parse().ok()?;
        (value > 0).then(|| ((*name).to_owned(), value))
    };
    NAMES.iter().filter_map(limit).collect()
}
