//! The tables of consumers and allocations.

use std::collections::BTreeMap;

use ::store::{Column, Error, Select, Table, Tx, Unique};
use types::ProjectId;

use super::{Allocation, Consumer};
use crate::provider;

/// The table of consumers.
pub(super) static CONSUMERS: Table<Consumer> = Table {
    name: "placement_consumers",
    id: |c| c.id.as_str().into(),
    columns: &[Column { name: "project_id", value: |c| (&c.project_id).into() }],
    unique: &[],
};

/// The table of allocations.
pub(super) static ALLOCATIONS: Table<Allocation> = Table {
    name: "placement_allocations",
    id: |a| a.id.as_str().into(),
    columns: &[
        Column { name: "consumer_id", value: |a| a.consumer_id.as_str().into() },
        Column { name: "provider_id", value: |a| a.provider_id.into() },
        Column { name: "class", value: |a| a.class.as_str().into() },
        Column { name: "used", value: |a| i64::try_from(a.used).unwrap_or(i64::MAX).into() },
    ],
    unique: &[Unique {
        name: "placement_allocations_consumer",
        columns: &["consumer_id", "provider_id", "class"],
    }],
};

/// Everything that a consumer has.
pub(super) fn of_consumer(tx: &mut Tx<'_>, id: &str) -> Result<Vec<::store::Stored<Allocation>>, Error> {
    ALLOCATIONS.query(tx, &Select::all().eq("consumer_id", id))
}

/// What a project's consumers have together, by class.
pub(super) fn of_project(
    tx: &mut Tx<'_>,
    project_id: &ProjectId,
    user_id: Option<&str>,
) -> Result<BTreeMap<String, u64>, Error> {
    let consumers = CONSUMERS.query(tx, &Select::all().eq("project_id", project_id))?;
    let ids = consumers.iter().filter(|c| user_id.is_none_or(|user| c.user_id.as_str() == user));
    let ids: Vec<String> = ids.map(|c| c.id.clone()).collect();
    let mut sums = BTreeMap::new();
    for some in ids.chunks(500) {
        for allocation in ALLOCATIONS.query(tx, &Select::all().is_in("consumer_id", some.to_vec()))? {
            *sums.entry(allocation.class.clone()).or_default() += allocation.used;
        }
    }
    Ok(sums)
}

/// What must hold whatever happened: each allocation is of a known consumer and provider, and no provider that its
/// host still fills gives out more than its capacity.
pub fn check(tx: &mut Tx<'_>) -> Result<(), String> {
    let fail = |e: Error| e.to_string();
    let inventories = provider::store::inventories(tx, None).map_err(fail)?;
    for (id, classes) in provider::store::usages(tx, None).map_err(fail)? {
        for (class, used) in classes {
            let capacity = inventories.get(&id).and_then(|i| i.get(&class)).map_or(0, |i| i.capacity());
            if used > capacity {
                return Err(format!("provider {id} gives out {used} of {class} and has {capacity}"));
            }
        }
    }
    for allocation in ALLOCATIONS.query(tx, &Select::all()).map_err(fail)? {
        if CONSUMERS.load(tx, allocation.consumer_id.as_str()).map_err(fail)?.is_none() {
            return Err(format!("allocation {} has no consumer", allocation.id));
        }
    }
    Ok(())
}
