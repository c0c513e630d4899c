//! What can be done with subnet pools.

use policy::{Caller, Target};
use store::{Condition, Select, Stored, Tx};
use types::{AddressFamily, IpNet, SubnetPoolId};

use super::model::{checked_prefixes, free_prefix};
use super::{SubnetPool, SubnetPoolChange, SubnetPoolDraft, store as rows};
use crate::resource::{self, Standard, allows, check};
use crate::subnet::{self, overlap};
use crate::{Error, policies, quota};

/// Creates a pool.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: SubnetPoolDraft) -> Result<Stored<SubnetPool>, Error> {
    let project = resource::owner(caller, draft.project_id)?;
    check(caller, "create_subnetpool", &project)?;
    if draft.shared {
        policies::RULES.check("create_subnetpool:shared", caller, &Target::default())?;
    }
    let is_default = draft.wish.is_default.unwrap_or(false);
    if is_default {
        policies::RULES.check("create_subnetpool:is_default", caller, &Target::default())?;
    }
    quota::check(tx, &project, quota::Limited::Subnetpool, 1)?;
    let prefixes = checked_prefixes(draft.wish.prefixes.unwrap_or_default())?;
    let mut pool = SubnetPool {
        id: runtime::new_uuid().into(),
        standard: Standard::new(tx, project, draft.wish.label),
        prefixes,
        lengths: SubnetPool::usual_lengths(AddressFamily::V4),
        default_quota: draft.wish.default_quota.flatten(),
        shared: draft.shared,
        is_default,
        cut: 0,
    };
    let family = pool.family();
    pool.lengths = draft.wish.lengths.over(SubnetPool::usual_lengths(family), family)?;
    check_only_default(tx, &pool)?;
    Ok(rows::POOLS.insert(tx, pool)?)
}

fn check_only_default(tx: &mut Tx<'_>, pool: &SubnetPool) -> Result<(), Error> {
    let other = rows::default_of(tx, pool.family())?.filter(|other| pool.is_default && other.id != pool.id);
    other.map_or(Ok(()), |_| {
        Err(Error::input("A default subnetpool for this IP family has already been set. Only one default may exist per IP family"))
    })
}

/// The pool of this id, if the caller may see it.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: SubnetPoolId) -> Result<Stored<SubnetPool>, Error> {
    let pool = resource::load::<SubnetPool>(tx, id)?;
    if pool.shared || allows(caller, "get_subnetpool", &pool.standard.project_id) {
        Ok(pool)
    } else {
        Err(Error::SubnetPoolNotFound { id: id.to_string() })
    }
}

/// The default pool of a family.
pub(crate) fn default_of(tx: &mut Tx<'_>, family: AddressFamily) -> Result<Stored<SubnetPool>, Error> {
    rows::default_of(tx, family)?.ok_or_else(|| Error::BadRequest {
        resource: "subnets",
        reason: format!("No default subnetpool found for IPv{}", family.version()),
    })
}

/// Which pools the caller may see.
pub(crate) fn scope(caller: &Caller) -> Select {
    if caller.is_admin() {
        return Select::all();
    }
    let mut ways = vec![Condition::Eq("shared", true.into())];
    ways.extend(caller.project_id().map(|id| Condition::Eq("project_id", id.as_str().into())));
    Select::all().with(Condition::Any(ways))
}

/// Changes a pool.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut pool: Stored<SubnetPool>,
    change: SubnetPoolChange,
) -> Result<Stored<SubnetPool>, Error> {
    check(caller, "update_subnetpool", &pool.standard.project_id)?;
    if let Some(is_default) = change.is_default {
        policies::RULES.check("update_subnetpool:is_default", caller, &Target::default())?;
        pool.is_default = is_default;
        check_only_default(tx, &pool)?;
    }
    if let Some(prefixes) = change.prefixes {
        let prefixes = checked_prefixes(prefixes)?;
        let lost = pool.prefixes.iter().any(|old| !prefixes.iter().any(|new| new.contains(old)));
        if lost {
            let reason = "Existing prefixes must be a subset of the new prefixes".to_owned();
            return Err(Error::IllegalSubnetPoolPrefixUpdate { reason });
        }
        pool.prefixes = prefixes;
    }
    pool.lengths = change.lengths.over(pool.lengths, pool.family())?;
    pool.default_quota = change.default_quota.unwrap_or(pool.default_quota);
    pool.standard.relabel(tx, change.label);
    rows::POOLS.save(tx, &mut pool)?;
    Ok(pool)
}

/// Deletes a pool that no subnet is cut from.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, pool: &Stored<SubnetPool>) -> Result<(), Error> {
    check(caller, "delete_subnetpool", &pool.standard.project_id)?;
    if !subnet::store::of_pool(tx, pool.id)?.is_empty() {
        return Err(Error::SubnetPoolDeleteError {
            reason: "Subnet pool has existing allocations".to_owned(),
        });
    }
    Ok(rows::POOLS.remove(tx, pool)?)
}

/// Cuts a prefix from a pool: this one, or the first free one of this length or of the usual one.
pub(crate) fn allocate(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut pool: Stored<SubnetPool>,
    cidr: Option<IpNet>,
    length: Option<u8>,
) -> Result<IpNet, Error> {
    let length = cidr.map(|cidr| cidr.prefix_len()).or(length).unwrap_or(pool.lengths.default);
    if length < pool.lengths.min {
        return Err(Error::MinPrefixSubnetAllocationError { length, min: pool.lengths.min });
    }
    if length > pool.lengths.max {
        return Err(Error::MaxPrefixSubnetAllocationError { length, max: pool.lengths.max });
    }
    let subnets = subnet::store::of_pool(tx, pool.id)?;
    let taken: Vec<IpNet> = subnets.iter().map(|subnet| subnet.cidr).collect();
    let found = match cidr {
        None => free_prefix(&pool.prefixes, &taken, length),
        Some(cidr) => Some(cidr).filter(|cidr| {
            pool.prefixes.iter().any(|prefix| prefix.contains(cidr))
                && !taken.iter().any(|other| overlap(other, cidr))
        }),
    };
    let found = found.ok_or_else(|| {
        let what = cidr.map_or_else(|| format!("a /{length}"), |cidr| cidr.to_string());
        Error::SubnetAllocationError { reason: format!("{what} is not available in subnet pool {}", pool.id) }
    })?;
    if let Some(quota) = pool.default_quota {
        let own = subnets.iter().filter(|subnet| Some(&subnet.standard.project_id) == caller.project_id());
        let used: i64 = own.map(|subnet| SubnetPool::weight(&subnet.cidr)).fold(0, i64::saturating_add);
        if used.saturating_add(SubnetPool::weight(&found)) > quota {
            return Err(Error::SubnetPoolQuotaExceeded {});
        }
    }
    pool.cut += 1;
    rows::POOLS.save(tx, &mut pool)?;
    Ok(found)
}
