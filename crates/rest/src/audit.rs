//! What became of a request, for a service that keeps a record of its requests.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use policy::Caller;
use serde_json::Value as Json;

use crate::reply::{Reply, ReplyBody};

/// A request that was answered: committed if it wrote, rolled back if it failed.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The method.
    pub method: &'a Method,
    /// The route's path with its `{names}`.
    pub route: &'a str,
    /// The path that the client asked for.
    pub path: &'a str,
    /// What the names matched.
    pub params: &'a [(String, String)],
    /// Who asked; nobody where no token is needed or none was good.
    pub caller: Option<&'a Caller>,
    /// The body of a request that needs no token: who it claims to come from.
    pub claimed: &'a [u8],
    /// Where the connection came from.
    pub address: Option<IpAddr>,
    /// The program that asked, as it calls itself.
    pub agent: Option<&'a str>,
    /// `req-UUID`.
    pub request_id: &'a str,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub reply: Option<&'a Json>,
}

/// Keeps a record of what was answered.
pub(crate) type Audit = Arc<dyn Fn(&Answered<'_>) + Send + Sync>;

/// A request whose answer will be on record.
pub(crate) struct Recorded {
    pub(crate) method: Method,
    pub(crate) route: String,
    pub(crate) path: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) claimed: Vec<u8>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) headers: HeaderMap,
}

impl Recorded {
    /// Whether a request is no mere look. A login at an identity provider ends with a GET.
    pub(crate) fn is_wanted(method: &Method, route: &str) -> bool {
        !matches!(*method, Method::GET | Method::HEAD) || route.ends_with("/auth")
    }

    pub(crate) fn answered(&self, audit: &Audit, request_id: &str, reply: &Reply) {
        let body = match &reply.body {
            ReplyBody::Json(json) => Some(json),
            ReplyBody::Empty | ReplyBody::Bytes(_) | ReplyBody::Stream(..) => None,
        };
        audit(&Answered {
            method: &self.method,
            route: &self.route,
            path: &self.path,
            params: &self.params,
            caller: self.caller.as_deref(),
            claimed: &self.claimed,
            address: self.address,
            agent: self.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()),
            request_id,
            status: reply.status,
            reply: body,
        });
    }
}
