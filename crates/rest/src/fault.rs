//! Errors as clients see them: each service's own shape around the same three facts.

use serde_json::{Map, Value as Json, json};

/// An error that a client can be told.
pub trait Fault {
    /// The HTTP status.
    fn status(&self) -> u16;
    /// The kind of error in the service's own terms: Neutron's `type`, ignored by others.
    fn name(&self) -> &'static str;
    /// What went wrong and what to do, without internals.
    fn message(&self) -> String;
    /// What only the log may see, if there is more to say.
    fn detail(&self) -> Option<String> {
        None
    }
}

/// Which service's shape a fault body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultStyle {
    /// `{"error": {"code", "message", "title"}}`
    Identity,
    /// `{"itemNotFound": {"code", "message"}}`, keyed by status, `computeFault` otherwise.
    Compute,
    /// As compute.
    BlockStorage,
    /// `{"NeutronError": {"type", "message", "detail"}}`
    Network,
    /// `{"errors": [{"status", "title", "detail", "code", "request_id"}]}`
    Placement,
    /// `{"code", "title", "message"}`, an HTML page from the framework upstream; JSON where the client accepts it.
    Image,
}

/// The reason phrase of a status.
pub(crate) fn title(status: u16) -> &'static str {
    match status {
        413 => "Request Entity Too Large",
        416 => "Request Range Not Satisfiable",
        _ => http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error"),
    }
}

impl FaultStyle {
    /// What is said of a method that a path does not have.
    pub(crate) fn no_method(self, method: &str) -> String {
        match self {
            FaultStyle::Image => format!("The method {method} is not allowed for this resource."),
            FaultStyle::Compute
            | FaultStyle::BlockStorage
            | FaultStyle::Placement
            | FaultStyle::Identity
            | FaultStyle::Network => "The method is not allowed for this resource.".to_owned(),
        }
    }

    /// Whether `/servers/` is a server without an id and not the list of servers. Where it is the list, the framework
    /// upstream drops the slash; a version's own address, `/v3/`, may end in one everywhere.
    pub(crate) fn counts_last_slash(self) -> bool {
        match self {
            FaultStyle::Compute | FaultStyle::BlockStorage | FaultStyle::Image | FaultStyle::Placement => {
                true
            }
            FaultStyle::Identity | FaultStyle::Network => false,
        }
    }

    /// The body of a fault.
    pub(crate) fn body(self, status: u16, name: &str, message: &str, request_id: &str) -> Json {
        match self {
            FaultStyle::Identity => {
                json!({"error": {"code": status, "message": message, "title": title(status)}})
            }
            FaultStyle::Compute | FaultStyle::BlockStorage => {
                let mut inner = json!({"code": status, "message": message});
                if status == 429 || status == 413 {
                    inner["retryAfter"] = json!("0");
                }
                Json::Object(Map::from_iter([(fault_key(status).to_owned(), inner)]))
            }
            FaultStyle::Network => json!({"NeutronError": {"type": name, "message": message, "detail": ""}}),
            FaultStyle::Placement => json!({"errors": [{
                "status": status,
                "title": title(status),
                "detail": message,
                "code": if name.is_empty() { "placement.undefined_code" } else { name },
                "request_id": request_id,
            }]}),
            FaultStyle::Image => {
                json!({"code": format!("{status} {}", title(status)), "title": title(status), "message": message})
            }
        }
    }
}

fn fault_key(status: u16) -> &'static str {
    match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 => "overLimit",
        415 => "badMediaType",
        429 => "overLimit",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    }
}
