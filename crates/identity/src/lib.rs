//! The identity service: Keystone's v3 API at `/identity`.
//!
//! It knows domains, projects, users, groups, roles and who has which role where; it issues tokens and implements
//! [`rest::Authenticate`], by which every service learns who asks; and it holds the catalog.
//!
//! Invariants: a token carries claims and no rights, so that what is taken away is gone at once; no password and no
//! token is stored; bcrypt never runs on a database thread; every write that can change what a token gives says
//! `token::ops::changed`. There is nothing to reconcile: identity has no effect outside the database.
//!
//! Reading order: `project` for the shape of a resource, then `assignment` and `role`, then `token`.

mod access_rule;
mod acting;
mod api;
mod application_credential;
mod assignment;
mod audit;
mod bootstrap;
mod credential;
mod domain;
mod domain_config;
mod ec2_credential;
mod ec2_token;
mod endpoint;
mod endpoint_filter;
mod endpoint_group;
mod endpoint_policy;
mod error;
mod federation;
mod group;
mod ids;
mod immutable;
mod import;
mod limit;
mod list;
mod login;
mod oauth1;
mod password;
mod policy;
mod policy_document;
pub mod project;
mod region;
mod registered_limit;
mod revocation;
mod role;
mod service;
#[cfg(test)]
mod tests;
mod token;
mod trust;
#[cfg(test)]
mod upstream;
mod user;
mod version;

use std::sync::Arc;
use std::time::Duration;

use rest::{FaultStyle, Routes, Service};
use store::{Migration, Store};

pub use acting::{Place, caller_of};
pub use bootstrap::{Bootstrap, REGION, bootstrap};
pub use credential::keys::CredentialKeys;
pub use credential::ops::reseal as reseal_credentials;
pub use error::Error;
pub use federation::oidc::{Ask, Fetch, Oidc, OidcProvider};
pub use import::model::{Imported, Snapshot};
pub use import::ops::{import, snapshot};
pub use limit::model::LimitModel;
pub use limit::ops::limits_of;
pub use policy::RULES;
pub use token::ops::Tokens;
pub use user::compliance::{PasswordPattern, SecurityCompliance};
pub use user::ops::respell_hashes;

/// Where the service is.
pub(crate) const PREFIX: &str = "/identity";

/// The schema's history.
pub const MIGRATIONS: &[Migration] = &[
    migration(1, include_str!("../migrations/0001_identity.sql")),
    migration(2, include_str!("../migrations/0002_revocations.sql")),
    migration(3, include_str!("../migrations/0003_generations.sql")),
    migration(4, include_str!("../migrations/0004_application_credentials.sql")),
    migration(5, include_str!("../migrations/0005_endpoint_filters.sql")),
    migration(6, include_str!("../migrations/0006_limits.sql")),
    migration(7, include_str!("../migrations/0007_domain_configs.sql")),
    migration(8, include_str!("../migrations/0008_policy_associations.sql")),
    migration(9, include_str!("../migrations/0009_federation.sql")),
    migration(10, include_str!("../migrations/0010_oauth1.sql")),
];

const fn migration(version: u32, sql: &'static str) -> Migration {
    Migration { service: "identity", version, sql }
}

/// What an operator can set.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long a token is good.
    pub token_ttl: Duration,
    /// bcrypt's cost: each step doubles the work of a login and of guessing.
    pub bcrypt_cost: u32,
    /// What keeps credentials secret from who has the database alone. The default is lost with the process.
    pub credential_keys: CredentialKeys,
    /// What is demanded of users and their passwords.
    pub security_compliance: SecurityCompliance,
    /// How limits of domains bind those of their projects.
    pub limit_model: LimitModel,
    /// The rules that the operator states otherwise.
    pub policy: ::policy::Policy,
    /// The OpenID providers whose users can log in.
    pub oidc: Oidc,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            token_ttl: Duration::from_secs(3600),
            bcrypt_cost: 12,
            credential_keys: CredentialKeys::default(),
            security_compliance: SecurityCompliance::default(),
            limit_model: LimitModel::Flat,
            policy: ::policy::Policy::default(),
            oidc: Oidc::default(),
        }
    }
}

/// The service, over the same `store` that `tokens` listens to.
pub fn service(store: &Store, tokens: &Arc<Tokens>) -> Service {
    let routes = Routes::new()
        .and(login::api::routes(store, tokens))
        .and(token::api::routes(store, tokens))
        .and(revocation::api::routes())
        .and(domain::api::routes())
        .and(domain_config::api::routes(domain_config::model::PasswordRules::of(
            &tokens.config.security_compliance,
        )))
        .and(project::api::routes())
        .and(user::api::routes(store, tokens))
        .and(application_credential::api::routes(store, tokens))
        .and(access_rule::api::routes())
        .and(group::api::routes())
        .and(role::api::routes())
        .and(assignment::api::routes())
        .and(region::api::routes())
        .and(service::api::routes())
        .and(endpoint::api::routes())
        .and(endpoint_group::api::routes())
        .and(endpoint_filter::api::routes())
        .and(registered_limit::api::routes())
        .and(limit::api::routes(tokens.config.limit_model))
        .and(credential::api::routes(tokens))
        .and(ec2_credential::api::routes(tokens))
        .and(ec2_token::api::routes(tokens))
        .and(policy_document::api::routes())
        .and(trust::api::routes())
        .and(endpoint_policy::api::routes())
        .and(federation::routes(store, tokens))
        .and(oauth1::routes(store, tokens));
    let routes = version::api::routes(&routes).and(routes);
    Service {
        prefix: PREFIX,
        types: &["identity"],
        faults: FaultStyle::Identity,
        microversions: None,
        routes: routes.audited(audit::record),
    }
}

/// Lets a fresh key encrypt tokens from now on; those that older keys wrote stay good until they expire.
pub fn rotate_keys(tx: &mut store::Tx<'_>, config: &Config) -> Result<(), Error> {
    Ok(token::keys::rotate(tx, config.token_ttl + token::ops::EXPIRED_WINDOW)?)
}
