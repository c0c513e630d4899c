//! Who may do what. It knows callers, scopes and rules; it knows no HTTP and no database.
//!
//! A service lists its rules once, under OpenStack's names and in oslo.policy's language, as [`Rules`]. An operation asks
//! `RULES.check("create_port", caller, &Target::project(&port.project_id))`. An operator may state rules otherwise, in a
//! file of the same language ([`Overrides`]); every [`Caller`] carries what is in force.

mod caller;
mod delegation;
mod explain;
mod expression;
mod file;
mod overrides;
mod parse;
mod rules;
mod target;
#[cfg(test)]
mod tests;

pub use caller::{Caller, Scope, ScopeKind};
pub use delegation::{AccessRule, Delegation};
pub use explain::Explanation;
pub use overrides::{Overrides, Policy, Problem};
pub use rules::{
    ADMIN, ANYONE, Denied, MEMBER_OR_ADMIN, READER, READER_OR_ADMIN, Rule, Rules, USER_OR_ADMIN,
};
pub use target::{Attributes, Named, Target, Value, owner};
