//! Security groups: which traffic reaches and leaves the ports that are in them. A project has a default group from
//! its first network on; a rule may name a group, whose members' addresses it then stands for.

pub(crate) mod api;
mod model;
pub mod ops;
mod reconcile;
pub(crate) mod rule;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use model::{
    Direction, Ethertype, Protocol, Range, Remote, Rule, RuleDraft, SecurityGroup, SecurityGroupDraft,
};
pub(crate) use reconcile::{KIND, SecurityGroups, ensure_on};

use rest::Routes;

pub(crate) fn routes() -> Routes {
    api::routes().and(rule::routes())
}
