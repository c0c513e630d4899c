//! From what a provider says of a user to an assertion, under the names that Apache's mod_auth_openidc gives to Keystone.

use serde_json::Value as Json;

use crate::federation::mapping::model::Assertion;
use crate::federation::oidc::Claims;

/// The attribute by which a provider says who it is, unless the protocol names another.
pub(crate) const ISSUER: &str = "HTTP_OIDC_ISS";
/// The attribute of a user who has no name by the rules.
pub(crate) const REMOTE_USER: &str = "REMOTE_USER";

/// Each claim twice: as `OIDC-email` and as `HTTP_OIDC_EMAIL`, which are an Apache's variable and header. A list becomes
/// several values and a text one, whatever is in it; an object stays JSON.
pub(crate) fn assertion(claims: &Claims) -> Assertion {
    let mut assertion = Assertion::new();
    for (name, value) in claims {
        let values = values(value);
        if values.is_empty() {
            continue;
        }
        let header = name.to_uppercase().replace('-', "_");
        if name == "sub" {
            assertion.insert(REMOTE_USER.to_owned(), values.clone());
        }
        assertion.insert(format!("HTTP_OIDC_{header}"), values.clone());
        assertion.insert(format!("OIDC-{name}"), values);
    }
    assertion
}

fn values(value: &Json) -> Vec<String> {
    match value {
        Json::Null => Vec::new(),
        Json::String(text) => vec![text.clone()],
        Json::Array(items) if !items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().flat_map(values).collect()
        }
        other => vec![other.to_string()],
    }
}
