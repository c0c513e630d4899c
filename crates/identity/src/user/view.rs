//! A user as clients see it.

use std::borrow::Cow;

use rest::Request;
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};
use types::Timestamp;

use super::model::User;
use super::options;
use crate::api::{Extra, Listed};

/// A user as lists show it. There may be thousands of them, so each is written straight from its row.
#[derive(Serialize)]
pub(crate) struct UserView<'u> {
    id: &'u str,
    name: &'u str,
    domain_id: &'u str,
    enabled: bool,
    password_expires_at: Option<String>,
    options: Json,
    links: Links,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_project_id: Option<&'u str>,
    #[serde(flatten, serialize_with = "others")]
    extra: &'u Extra,
}

/// The extras but for those that are called like what users have anyway, which an imported user may bring along.
fn others<S: Serializer>(extra: &Extra, serializer: S) -> Result<S::Ok, S::Error> {
    let known = |name: &str| {
        let names = ["id", "name", "domain_id", "enabled", "password_expires_at", "options", "links"];
        names.contains(&name) || name == "default_project_id"
    };
    serializer.collect_map(extra.iter().filter(|(name, _)| !known(name)))
}

#[derive(Serialize)]
struct Links {
    #[serde(rename = "self")]
    own: String,
}

impl<'u> UserView<'u> {
    pub(crate) fn of(request: &Request, user: &'u User) -> UserView<'u> {
        UserView {
            id: user.id.as_str(),
            name: &user.name,
            domain_id: user.domain_id.as_str(),
            enabled: user.enabled,
            password_expires_at: user.login.password_expires_at.map(Timestamp::iso_micros),
            options: options::view(&user.options),
            links: Links { own: format!("{}/v3/users/{}", request.base_url, user.id) },
            default_project_id: user.default_project_id.as_ref().map(|project| project.as_str()),
            extra: &user.extra,
        }
    }
}

impl Listed for UserView<'_> {
    fn attribute(&self, name: &str) -> Cow<'_, Json> {
        Cow::Owned(match name {
            "id" => json!(self.id),
            "name" => json!(self.name),
            "domain_id" => json!(self.domain_id),
            "enabled" => json!(self.enabled),
            "password_expires_at" => json!(self.password_expires_at),
            "default_project_id" => json!(self.default_project_id),
            other => return self.extra.get(other).map_or(Cow::Owned(Json::Null), Cow::Borrowed),
        })
    }
}

/// Several of them.
pub(crate) fn views<'u>(request: &Request, users: &'u [User]) -> Vec<UserView<'u>> {
    users.iter().map(|user| UserView::of(request, user)).collect()
}
