//! A limit's data, and the models by which limits of projects and domains go together.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId};

use crate::ids::LimitId;
use crate::registered_limit::model::{Limited, UNLIMITED};

/// A limit of one project or domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Its id.
    pub id: LimitId,
    /// Whose it is.
    pub owner: LimitOwner,
    /// What is limited.
    pub what: Limited,
    /// To how much; -1 is no bound.
    pub resource_limit: i64,
    /// What for.
    pub description: Option<String>,
}

/// Who may have only so much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOwner {
    /// A project.
    Project(ProjectId),
    /// A domain, with all its projects.
    Domain(DomainId),
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct LimitChange {
    /// How much.
    pub resource_limit: Option<i64>,
    /// What for.
    pub description: Option<Option<String>>,
}

/// How limits of domains bind those of their projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitModel {
    /// They do not.
    #[default]
    Flat,
    /// No project's limit is larger than its domain's, and no project is below another.
    StrictTwoLevel,
}

impl LimitModel {
    /// `flat` or `strict_two_level`.
    pub fn name(self) -> &'static str {
        match self {
            LimitModel::Flat => "flat",
            LimitModel::StrictTwoLevel => "strict_two_level",
        }
    }

    /// What it means, in Keystone's words, which clients show.
    pub fn description(self) -> &'static str {
        match self {
            LimitModel::Flat => {
                "Limit enforcement and validation does not take project hierarchy into consideration."
            }
            LimitModel::StrictTwoLevel => {
                "This model requires project hierarchy never exceeds a depth of two"
            }
        }
    }
}

impl LimitOwner {
    /// `project` or `domain`.
    pub fn kind(&self) -> &'static str {
        match self {
            LimitOwner::Project(_) => "project",
            LimitOwner::Domain(_) => "domain",
        }
    }

    /// The id of the project or domain.
    pub fn id(&self) -> &str {
        match self {
            LimitOwner::Project(id) => id.as_str(),
            LimitOwner::Domain(id) => id.as_str(),
        }
    }
}

/// Whether one amount is more than another, of which -1 is more than all others.
pub fn is_more(amount: i64, than: i64) -> bool {
    than != UNLIMITED && (amount == UNLIMITED || amount > than)
}
