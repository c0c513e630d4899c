//! Which volumes a caller sees of those that were asked for.

use policy::Caller;
use store::{Condition, Tx};

use super::Volume;
use super::ops::show;
use super::store::VOLUMES;
use crate::error::Error;
use crate::list::{Page, Paging, in_sight};

/// What a volume is like that no column tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trait {
    /// It has this key and value in its metadata.
    Word(String, String),
    /// The same in what its image said about itself.
    ImageWord(String, String),
    /// This user made it.
    User(String),
    /// Several servers may have it, or one alone.
    Multiattach(bool),
}

impl Trait {
    fn is_of(&self, volume: &Volume) -> bool {
        match self {
            Trait::Word(key, value) => volume.metadata.get(key) == Some(value),
            Trait::ImageWord(key, value) => volume.image_metadata.get(key) == Some(value),
            Trait::User(user) => volume.user_id.as_str() == user,
            Trait::Multiattach(wanted) => volume.multiattach == *wanted,
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
}

/// The volumes that the caller sees and asked for, as much of them as this page has.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    query: &VolumeList,
    paging: &Paging,
) -> Result<Page<Volume>, Error> {
    let mut select = in_sight(caller, "volume:get_all", query.all_projects)?;
    for condition in &query.conditions {
        select = select.with(condition.clone());
    }
    let marker = match &paging.marker {
        None => None,
        Some(text) => Some(show(caller, tx, text.parse().map_err(|_| Error::no_volume(text))?)?),
    };
    if query.traits.is_empty() {
        return paging.page(tx, &VOLUMES, select, marker.as_deref());
    }
    let has_all = |volume: &Volume| query.traits.iter().all(|wanted| wanted.is_of(volume));
    paging.page_of(tx, &VOLUMES, select, marker.as_deref(), has_all)
}
