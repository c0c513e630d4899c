//! Users who log in elsewhere: the identity providers that are trusted, the protocols spoken with them, and the
//! mappings that say who somebody from there is here.
//!
//! Reading order: `identity_provider`, `protocol`, `mapping` (its `engine` above all), `oidc`, `login`, `user`.

pub(crate) mod identity_provider;
pub(crate) mod login;
pub(crate) mod mapping;
pub(crate) mod oidc;
pub(crate) mod protocol;
pub(crate) mod service_provider;
pub(crate) mod user;

use std::sync::Arc;

use rest::{Request, Routes};
use store::Store;

use crate::Error;
use crate::token::ops::Tokens;

/// The longest id that a client can choose.
const ID_MAX: usize = 64;

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    Routes::new()
        .and(identity_provider::api::routes())
        .and(protocol::api::routes())
        .and(mapping::api::routes())
        .and(service_provider::api::routes())
        .and(login::api::routes(store, tokens))
}

/// The id that the client chose for something new in the URL.
fn chosen_id<'r>(request: &'r Request, name: &str) -> Result<&'r str, Error> {
    let id = request.param(name);
    match id.chars().count() {
        1..=ID_MAX => Ok(id),
        _ => Err(Error::Invalid(format!("{name} has no 1 to {ID_MAX} characters"))),
    }
}
