//! A role assignment's data.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, RoleId, UserId};

use crate::ids::GroupId;

/// Who has the role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Actor {
    /// One user.
    User(UserId),
    /// Everybody in a group.
    Group(GroupId),
}

/// Where somebody has the role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// In a project.
    Project(ProjectId),
    /// In a domain.
    Domain(DomainId),
    /// In the whole deployment.
    System,
}

/// A role assignment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Assignment {
    /// Who.
    pub actor: Actor,
    /// Where.
    pub target: Target,
    /// Which role.
    pub role_id: RoleId,
    /// Whether it is for the projects below the target, at any depth, and not for the target itself.
    #[serde(default)]
    pub inherited: bool,
}

/// An assignment as it is in force, and where it comes from if it was not made as such.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// What is in force.
    pub assignment: Assignment,
    /// Where it was made, for the projects below, if that is how this project comes by it.
    pub source: Option<Target>,
    /// The group through which the user has it.
    pub group_id: Option<GroupId>,
    /// The role from which this one follows.
    pub prior_role_id: Option<RoleId>,
}

/// Which assignments a list shows.
#[derive(Debug, Clone, Default)]
pub struct AssignmentFilter {
    /// Of this role.
    pub role_id: Option<RoleId>,
    /// Of this user.
    pub user_id: Option<UserId>,
    /// Of this group.
    pub group_id: Option<GroupId>,
    /// In this project.
    pub project_id: Option<ProjectId>,
    /// In this domain.
    pub domain_id: Option<DomainId>,
    /// In the system.
    pub system: bool,
    /// Made for the projects below, or made for the target itself.
    pub inherited: Option<bool>,
    /// Groups, inheritance and implied roles resolved.
    pub effective: bool,
    /// In the projects below as well.
    pub subtree: bool,
}

impl Actor {
    /// `user` or `group`.
    pub fn kind(&self) -> &'static str {
        match self {
            Actor::User(_) => "user",
            Actor::Group(_) => "group",
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Actor::User(id) => id.as_str(),
            Actor::Group(id) => &id.0,
        }
    }
}

impl Target {
    /// `project`, `domain` or `system`.
    pub fn kind(&self) -> &'static str {
        match self {
            Target::Project(_) => "project",
            Target::Domain(_) => "domain",
            Target::System => "system",
        }
    }

    /// Its id; `all` for the system.
    pub fn id(&self) -> &str {
        match self {
            Target::Project(id) => id.as_str(),
            Target::Domain(id) => id.as_str(),
            Target::System => "all",
        }
    }
}
