//! Proving by a password who one is: the lookup, the comparison, and what either of them must not tell.

use std::net::IpAddr;
use std::sync::Arc;

use store::Store;

use super::model::User;
use crate::Error;
use crate::ids::key_of;
use crate::login::model::{DomainSpec, Named};
use crate::login::ops::user_named;
use crate::token::ops::Tokens;

/// The user, if this is its password.
pub(crate) async fn by_password(
    store: &Store,
    tokens: &Arc<Tokens>,
    address: Option<IpAddr>,
    named: &Named,
    password: String,
) -> Result<User, Error> {
    let wanted = named.clone();
    let user = store.read(move |tx| user_named(tx, &wanted)).await?;
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let asker = user.as_ref().map_or_else(|| key_for(named), |user| user.id.to_string());
    if !tokens.passwords.verify(address, &asker, password, hash).await? {
        return Err(Error::Unauthorized);
    }
    user.ok_or(Error::Unauthorized)
}

/// What stands for a user that is not there.
fn key_for(named: &Named) -> String {
    match named {
        Named::Id(id) => key_of(&[id]),
        Named::Name { name, domain: DomainSpec::Id(domain) } => key_of(&["id", domain, name]),
        Named::Name { name, domain: DomainSpec::Name(domain) } => key_of(&["name", domain, name]),
    }
}
