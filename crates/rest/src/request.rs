//! A request as a handler sees it.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use policy::Caller;
use serde_json::Value as Json;

use crate::{Fields, InvalidBody, Microversion};

/// A request whose token was checked and whose body was read.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the service's prefix.
    pub path: String,
    /// What the route's `{names}` matched.
    pub(crate) params: Vec<(String, String)>,
    /// The query's pairs, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The query as it came, for links to the same list.
    pub query_text: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes; empty for routes that stream it.
    pub body: Vec<u8>,
    /// The microversion agreed on; 0.0 where the service has none.
    pub version: Microversion,
    /// `req-UUID`.
    pub request_id: String,
    /// The service's own address as the client spelled it, `http://host:port/network`, for links.
    pub base_url: String,
    /// Where the client's connection comes from; nothing for a request made in process.
    pub address: Option<IpAddr>,
    pub(crate) caller: Option<Arc<Caller>>,
}

impl Request {
    /// Who asks. Only a route declared open has nobody here, and it does not ask.
    pub fn caller(&self) -> &Caller {
        static NOBODY: std::sync::OnceLock<Caller> = std::sync::OnceLock::new();
        self.caller.as_deref().unwrap_or_else(|| {
            NOBODY.get_or_init(|| Caller {
                user_id: "".into(),
                user_name: String::new(),
                user_domain_id: "".into(),
                scope: policy::Scope::Unscoped,
                roles: Vec::new(),
                delegation: None,
                policy: policy::Policy::default(),
            })
        })
    }

    /// What `{name}` of the route matched.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter.
    pub fn queries<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Json, InvalidBody> {
        serde_json::from_slice(&self.body).map_err(|e| InvalidBody::malformed(&e))
    }

    /// The fields of the object under `root`, as in `{"port": {…}}`.
    pub fn fields(&self, root: &str) -> Result<Fields, InvalidBody> {
        match self.json()? {
            Json::Object(mut top) => match top.remove(root) {
                Some(inner) => Fields::new(root, inner),
                None => Err(InvalidBody::at(root, "is required")),
            },
            _ => Err(InvalidBody::at("", "the body is not a JSON object")),
        }
    }
}
