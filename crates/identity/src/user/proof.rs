//! Proving by a password who one is: the lookup, the comparison, and what either of them must not tell.

use std::net::IpAddr;
use std::sync::Arc;

use store::{Store, Tx};

use super::model::{Comparison, User};
use super::ops;
use crate::Error;
use crate::ids::key_of;
use crate::login::model::{DomainSpec, Named};
use crate::login::ops::user_named;
use crate::token::ops::Tokens;

/// A password that somebody shows.
pub(crate) struct Attempt<'a> {
    /// From where.
    pub(crate) address: Option<IpAddr>,
    /// Whose it is said to be.
    pub(crate) named: &'a Named,
    /// The password.
    pub(crate) password: String,
    /// Whether it is good though expired, as it is for choosing another.
    pub(crate) may_be_expired: bool,
}

/// The user, if this is its password.
pub(crate) async fn by_password(
    store: &Store,
    tokens: &Arc<Tokens>,
    attempt: Attempt<'_>,
) -> Result<User, Error> {
    let Attempt { address, named, password, may_be_expired } = attempt;
    let wanted = named.clone();
    let user = store.read(move |tx| user_named(tx, &wanted)).await?;
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let asker = user.as_ref().map_or_else(|| key_for(named), |user| user.id.to_string());
    let same = tokens.passwords.verify(address, &asker, password, hash).await?;
    let mut user = user.ok_or(Error::Unauthorized)?;
    let shown = Comparison { same, may_be_expired };
    let compliance = &tokens.config.security_compliance;
    if !compliance.remembers_logins() {
        user.judge(compliance, shown, runtime::now())?;
        return Ok(user);
    }
    let tokens = tokens.clone();
    let judge = move |tx: &mut Tx<'_>| ops::judge(tx, &tokens.config.security_compliance, &user, shown);
    store.write(judge).await?
}

/// What stands for a user that is not there.
fn key_for(named: &Named) -> String {
    match named {
        Named::Id(id) => key_of(&[id]),
        Named::Name { name, domain: DomainSpec::Id(domain) } => key_of(&["id", domain, name]),
        Named::Name { name, domain: DomainSpec::Name(domain) } => key_of(&["name", domain, name]),
    }
}
