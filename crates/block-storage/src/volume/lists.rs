//! Which volumes a caller sees of those that were asked for.

use policy::{Caller, Target};
use store::{Condition, Direction, Select, Stored, Tx};
use types::VolumeId;

use super::Volume;
use super::ops::show;
use super::store::{self as table, VOLUMES};
use crate::error::Error;
use crate::policy::RULES;

/// What a volume is like that no column tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trait {
    /// It has this key and value in its metadata.
    Word(String, String),
    /// The same in what its image said about itself.
    ImageWord(String, String),
    /// This user made it.
    User(String),
}

impl Trait {
    fn is_of(&self, volume: &Volume) -> bool {
        match self {
            Trait::Word(key, value) => volume.metadata.get(key) == Some(value),
            Trait::ImageWord(key, value) => volume.image_metadata.get(key) == Some(value),
            Trait::User(user) => volume.user_id.as_str() == user,
        }
    }
}

/// Which volumes a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct VolumeList {
    /// Of all projects, if the caller may see them.
    pub(crate) all_projects: bool,
    /// Conditions on columns.
    pub(crate) conditions: Vec<Condition>,
    /// What a volume must be like beside.
    pub(crate) traits: Vec<Trait>,
    /// Columns to sort by; the last is `id`.
    pub(crate) order: Vec<(&'static str, Direction)>,
    /// After this volume.
    pub(crate) marker: Option<VolumeId>,
    /// Leaving out the first of them.
    pub(crate) offset: usize,
    /// At most this many.
    pub(crate) limit: Option<u32>,
}

/// The volumes that the caller sees and asked for, in the order asked for, and how many there are without paging.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    query: &VolumeList,
) -> Result<(Vec<Stored<Volume>>, usize), Error> {
    let mut select = Select::all();
    if !(query.all_projects && caller.is_admin()) {
        let project = caller.project_id().ok_or_else(|| Error::Denied("volume:get_all".to_owned()))?;
        RULES.check("volume:get_all", caller, &Target::project(project))?;
        select = select.eq("project_id", project);
    }
    for condition in &query.conditions {
        select = select.with(condition.clone());
    }
    let all = if query.traits.is_empty() { VOLUMES.count(tx, &select)? } else { 0 };
    for (column, direction) in &query.order {
        select = select.order(column, *direction);
    }
    if let Some(marker) = query.marker {
        let last = show(caller, tx, marker)?;
        let values: Vec<_> = query.order.iter().map(|(name, _)| table::column(&last, name)).collect();
        select = select.after(&values);
    }
    let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if query.traits.is_empty() && query.offset == 0 {
        select = query.limit.map_or(select.clone(), |limit| select.limit(limit));
        return Ok((VOLUMES.query(tx, &select)?, usize::try_from(all).unwrap_or(0)));
    }
    let has = |volume: &Stored<Volume>| query.traits.iter().all(|wanted| wanted.is_of(volume));
    let found: Vec<_> = VOLUMES.query(tx, &select)?.into_iter().filter(has).collect();
    let all = usize::try_from(all).unwrap_or(0).max(found.len());
    Ok((found.into_iter().skip(query.offset).take(limit).collect(), all))
}
