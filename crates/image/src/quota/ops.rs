//! Counting, and refusing what would be too much.

use std::collections::BTreeMap;

use store::Tx;
use types::ProjectId;

use super::Usage;
use super::model::{COUNT_TOTAL, COUNT_UPLOADING, SIZE_TOTAL, STAGE_TOTAL, mib};
use crate::error::Error;
use crate::image::store as table;

/// The limits of a project by the name of what is limited; without a registered limit a name is missing.
pub type Limits = fn(&mut Tx<'_>, &ProjectId) -> Result<BTreeMap<String, i64>, store::Error>;

/// No limits at all, for a cloud without identity.
pub(crate) fn unlimited(
    _tx: &mut Tx<'_>,
    _project: &ProjectId,
) -> Result<BTreeMap<String, i64>, store::Error> {
    Ok(BTreeMap::new())
}

/// Each quota of a project that has a limit: what is used, and the limit.
pub(crate) fn usage(
    tx: &mut Tx<'_>,
    limits: Limits,
    project: &ProjectId,
) -> Result<BTreeMap<String, (i64, i64)>, Error> {
    let limits = limits(tx, project)?;
    if limits.is_empty() {
        return Ok(BTreeMap::new());
    }
    let used = counted(tx, project)?;
    Ok(limits
        .into_iter()
        .filter_map(|(name, limit)| Some((name.clone(), (used.of(&name)?, limit))))
        .collect())
}

/// Whether there may be one more image.
pub(crate) fn check_total(tx: &mut Tx<'_>, limits: Limits, project: &ProjectId) -> Result<(), Error> {
    check(tx, limits, project, (COUNT_TOTAL, 1))
}

/// Whether so many bytes may be uploaded.
pub(crate) fn check_size(
    tx: &mut Tx<'_>,
    limits: Limits,
    project: &ProjectId,
    bytes: Option<u64>,
) -> Result<(), Error> {
    check(tx, limits, project, (SIZE_TOTAL, mib(bytes)))
}

/// Whether so many bytes may be staged.
pub(crate) fn check_staged(
    tx: &mut Tx<'_>,
    limits: Limits,
    project: &ProjectId,
    bytes: Option<u64>,
) -> Result<(), Error> {
    check(tx, limits, project, (STAGE_TOTAL, mib(bytes)))
}

/// Whether the uploads under way are not too many; the one that asks is counted among them already.
pub(crate) fn check_uploading(tx: &mut Tx<'_>, limits: Limits, project: &ProjectId) -> Result<(), Error> {
    check(tx, limits, project, (COUNT_UPLOADING, 0))
}

fn check(
    tx: &mut Tx<'_>,
    limits: Limits,
    project: &ProjectId,
    (name, more): (&'static str, i64),
) -> Result<(), Error> {
    let limit = match limits(tx, project)?.get(name) {
        None | Some(-1) => return Ok(()),
        Some(limit) => *limit,
    };
    let used = counted(tx, project)?.of(name).unwrap_or_default();
    if used.saturating_add(more) <= limit {
        return Ok(());
    }
    Err(Error::OverLimit(format!(
        "The request returned a 413 Request Entity Too Large. This generally means that rate limiting or a quota \
         threshold was breached.\n\nThe response body:\nProject {project} is over a limit for [Resource {name} is \
         over limit of {limit} due to current usage {used} and delta {more}]"
    )))
}

fn counted(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Usage, Error> {
    Ok(table::of_project(tx, project)?.iter().fold(Usage::default(), |usage, image| usage.with(image)))
}
