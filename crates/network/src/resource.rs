//! What all resources of the network service have in common: the standard attributes, and being found by id.

use std::collections::BTreeSet;

use policy::{Caller, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Stored, Table, Tx};
use types::{ProjectId, Timestamp};

use crate::{Error, policies};

/// The longest name or description, as Neutron has it.
pub(crate) const TEXT_LEN_MAX: usize = 255;

/// The attributes that every resource has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standard {
    /// The owner.
    pub project_id: ProjectId,
    /// The name; need not be unique.
    pub name: String,
    /// Whatever the owner has to say about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Standard {
    /// The attributes of something that is created now.
    pub fn new(tx: &Tx<'_>, project_id: ProjectId, label: Label) -> Standard {
        Standard {
            project_id,
            name: label.name.unwrap_or_default(),
            description: label.description.unwrap_or_default(),
            tags: BTreeSet::new(),
            created_at: tx.now(),
            updated_at: tx.now(),
        }
    }

    /// Takes on a new name or description, and the time of the change.
    pub fn relabel(&mut self, tx: &Tx<'_>, label: Label) {
        self.updated_at = tx.now();
        if let Some(name) = label.name {
            self.name = name;
        }
        if let Some(description) = label.description {
            self.description = description;
        }
    }
}

/// A name and a description, as far as a client gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// The name.
    pub name: Option<String>,
    /// The description.
    pub description: Option<String>,
}

impl Label {
    /// A name alone.
    pub fn named(name: impl Into<String>) -> Label {
        Label { name: Some(name.into()), description: None }
    }
}

/// A resource with a table of its own.
pub trait Resource: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in bodies: `port`.
    const SINGULAR: &'static str;
    /// Its name in paths and lists: `ports`.
    const PLURAL: &'static str;
    /// Its rows.
    fn table() -> &'static Table<Self>;
    /// Its standard attributes.
    fn standard(&self) -> &Standard;
    /// Its standard attributes, to be changed.
    fn standard_mut(&mut self) -> &mut Standard;
    /// Whether it is deleted for its owner and only waits for nodes to let go of it.
    fn is_deleted(&self) -> bool {
        false
    }
    /// Says that there is none of this id, or none for this caller.
    fn not_found(id: String) -> Error;
}

/// The resource of this id, unless it is deleted.
pub(crate) fn load<R: Resource>(tx: &mut Tx<'_>, id: impl ToString) -> Result<Stored<R>, Error> {
    let id = id.to_string();
    let found = R::table().load(tx, &id)?.filter(|row| !row.is_deleted());
    found.ok_or_else(|| R::not_found(id))
}

/// The id that a path names; what is no id is the id of nothing.
pub(crate) fn id<R: Resource, I: std::str::FromStr>(text: &str) -> Result<I, Error> {
    text.parse().map_err(|_| R::not_found(text.to_owned()))
}

/// The project that a new resource belongs to: the caller's own, or another's if the caller may say so.
pub(crate) fn owner(caller: &Caller, asked: Option<ProjectId>) -> Result<ProjectId, Error> {
    let refused = |reason: &str| Error::HTTPBadRequest { reason: reason.to_owned() };
    match (asked, caller.project_id()) {
        (Some(asked), Some(own)) if asked == *own => Ok(asked),
        (Some(asked), _) if caller.is_admin() => Ok(asked),
        (Some(_), _) => Err(refused(
            "Specifying 'project_id' other than the authenticated project in request is not allowed for the current user.",
        )),
        (None, Some(own)) => Ok(own.clone()),
        (None, None) => Err(refused("A token without a project needs 'project_id' in the request")),
    }
}

/// Asks a policy rule about something that belongs to a project.
pub(crate) fn check(caller: &Caller, rule: &str, project: &ProjectId) -> Result<(), Error> {
    Ok(policies::RULES.check(rule, caller, &Target::project(project))?)
}

/// As [`check`], as a yes or no.
pub(crate) fn allows(caller: &Caller, rule: &str, project: &ProjectId) -> bool {
    policies::RULES.allows(rule, caller, &Target::project(project))
}
