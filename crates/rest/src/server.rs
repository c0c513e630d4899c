//! From a socket's request to a handler and back: one listener for all services.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use policy::{Caller, Delegation};
use serde_json::json;
use store::{Store, Tx};

use crate::audit::Recorded;
use crate::fault::title;
use crate::microversion::Refused;
use crate::reply::{Chunks, Reply, ReplyBody};
use crate::routes::{Failed, Handler, Route, Service};
use crate::{FaultStyle, Microversion, Request};

/// The largest body of a request that is not an upload.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a client may take to send such a body.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How many chunks of a download wait for a slow client.
const CHUNKS_WAITING_MAX: usize = 4;

/// Why a token is not accepted.
#[derive(Debug)]
pub enum Rejected {
    /// It is unknown, expired, revoked or not there: 401.
    Unauthorized,
    /// It could not be checked.
    Store(store::Error),
}

impl From<store::Error> for Rejected {
    fn from(error: store::Error) -> Rejected {
        Rejected::Store(error)
    }
}

impl store::TxError for Rejected {
    fn store_error(&self) -> Option<&store::Error> {
        match self {
            Rejected::Store(error) => Some(error),
            Rejected::Unauthorized => None,
        }
    }
}

/// Checks tokens. The identity service implements it.
pub trait Authenticate: Send + Sync {
    /// The caller of a token that was checked before and is still good, without asking the database.
    fn cached(&self, token: &str) -> Option<Arc<Caller>>;
    /// The caller of this token.
    fn authenticate(&self, tx: &mut Tx<'_>, token: &str) -> Result<Arc<Caller>, Rejected>;
}

/// What all services of a cloud share.
pub struct Cloud {
    /// The database.
    pub store: Store,
    /// The token checker.
    pub authenticate: Arc<dyn Authenticate>,
    /// The services, each below its prefix; the one with the empty prefix takes what is left.
    pub services: Vec<Service>,
}

struct Mounted {
    service: Service,
    paths: matchit::Router<Vec<Route>>,
}

struct Server {
    store: Store,
    authenticate: Arc<dyn Authenticate>,
    services: Vec<Mounted>,
}

/// One router for all services. Fails where two routes contradict each other. A listener that serves it with
/// `into_make_service_with_connect_info::<SocketAddr>()` tells handlers the client's address.
pub fn router(cloud: Cloud) -> Result<axum::Router, String> {
    let mut services = cloud.services.into_iter().map(mount).collect::<Result<Vec<_>, _>>()?;
    services.sort_by_key(|mounted| std::cmp::Reverse(mounted.service.prefix.len()));
    let server = Arc::new(Server { store: cloud.store, authenticate: cloud.authenticate, services });
    Ok(axum::Router::new().fallback(move |request: axum::extract::Request| {
        let server = server.clone();
        async move { server.handle(request).await }
    }))
}

fn mount(service: Service) -> Result<Mounted, String> {
    let mut by_path: std::collections::BTreeMap<String, Vec<Route>> = std::collections::BTreeMap::new();
    for route in &service.routes.list {
        by_path.entry(route.path.clone()).or_default().push(route.clone());
    }
    let mut paths = matchit::Router::new();
    for (path, routes) in by_path {
        paths.insert(&path, routes).map_err(|e| format!("route {}{path}: {e}", service.prefix))?;
    }
    Ok(Mounted { service, paths })
}

/// A request that is being answered, as far as it is known.
struct Answering<'s> {
    mounted: &'s Mounted,
    version: Option<Microversion>,
    request_id: String,
    /// What the client calls this host.
    host: String,
    /// What is to be on record, once a route was found.
    recorded: Option<Recorded>,
}

impl Server {
    async fn handle(&self, http: axum::extract::Request) -> http::Response<Body> {
        let began = runtime::monotonic();
        let (method, path) = (http.method().clone(), http.uri().path().to_owned());
        let request_id = format!("req-{}", runtime::new_uuid());
        let mounted = self.services.iter().find(|mounted| below(&path, mounted.service.prefix).is_some());
        let Some(mounted) = mounted else {
            return plain(StatusCode::NOT_FOUND);
        };
        let host = http.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or("127.0.0.1").to_owned();
        let mut answering = Answering { mounted, version: None, request_id, host, recorded: None };
        let reply = match self.answer(http, &mut answering).await {
            Ok(reply) => reply,
            Err(failed) => answering.fault(&failed),
        };
        if let (Some(audit), Some(recorded)) = (&mounted.service.routes.audit, &answering.recorded) {
            recorded.answered(audit, &answering.request_id, &reply);
        }
        let (status, ms) = (reply.status, began.elapsed().as_millis());
        tracing::info!(target: "rest", request = %answering.request_id, %method, path, status, ms);
        answering.respond(reply, method == Method::HEAD)
    }

    async fn answer(
        &self,
        http: axum::extract::Request,
        answering: &mut Answering<'_>,
    ) -> Result<Reply, Failed> {
        let (parts, body) = http.into_parts();
        let service = &answering.mounted.service;
        let path = below(parts.uri.path(), service.prefix).unwrap_or_default().to_owned();
        let nameless = parts.uri.path().ends_with('/') && path.matches('/').count() > 1;
        if nameless && service.faults.counts_last_slash() {
            return Err(failed(404, "HTTPNotFound", "The resource could not be found."));
        }
        if let Some(microversions) = &service.microversions {
            answering.version =
                Some(microversions.negotiate(&parts.headers).map_err(|r| refused(&r, microversions))?);
        }
        let Ok(found) = answering.mounted.paths.at(&path) else {
            return Err(failed(404, "HTTPNotFound", "The resource could not be found."));
        };
        let get_for_head = |route: &&Route| parts.method == Method::HEAD && route.method == Method::GET;
        let route = found.value.iter().find(|route| route.method == parts.method);
        let Some(route) = route.or_else(|| found.value.iter().find(get_for_head)) else {
            let text = service.faults.no_method(parts.method.as_str());
            let refused = failed(405, "HTTPMethodNotAllowed", &text);
            return Ok(answering.fault(&refused).header("allow", allowed(found.value)));
        };
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let params: Vec<(String, String)> =
            found.params.iter().map(|(name, value)| (name.to_owned(), decoded(value, false))).collect();
        let body = record(answering, route, (&parts, &params, address), body).await?;
        let caller = if route.open { None } else { Some(self.caller(&parts.headers).await?) };
        let asked = parts.uri.path();
        if let Some(caller) = &caller {
            permitted(caller, service, &parts.method, [asked, &path])?;
        }
        if let Some(recorded) = &mut answering.recorded {
            recorded.caller = caller.clone();
        }
        let request = Request {
            method: parts.method,
            path: path.clone(),
            params,
            query: pairs(parts.uri.query().unwrap_or_default()),
            query_text: parts.uri.query().unwrap_or_default().to_owned(),
            version: answering.version.unwrap_or(Microversion(0, 0)),
            request_id: answering.request_id.clone(),
            base_url: format!("http://{}{}", answering.host, service.prefix),
            address,
            headers: parts.headers,
            body: Vec::new(),
            caller,
        };
        self.run(&route.handler, request, body).await
    }

    async fn run(&self, handler: &Handler, mut request: Request, body: Body) -> Result<Reply, Failed> {
        match handler {
            Handler::Async(handler) => handler(request, body).await,
            Handler::Read(handler) => {
                let handler = handler.clone();
                self.store.read(move |tx| handler(&request, tx)).await
            }
            Handler::Write(handler) => {
                request.body = whole(body).await?;
                let handler = handler.clone();
                let run = move |tx: &mut store::Tx<'_>| {
                    tx.is_for(&request.request_id);
                    handler(&request, tx)
                };
                self.store.write(run).await
            }
        }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Failed> {
        let token =
            headers.get("x-auth-token").and_then(|value| value.to_str().ok()).ok_or_else(unauthorized)?;
        if let Some(caller) = self.authenticate.cached(token) {
            return Ok(caller);
        }
        let (authenticate, token) = (self.authenticate.clone(), token.to_owned());
        let checked = self.store.read(move |tx| authenticate.authenticate(tx, &token)).await;
        checked.map_err(|rejected| match rejected {
            Rejected::Unauthorized => unauthorized(),
            Rejected::Store(error) => error.into(),
        })
    }
}

impl Answering<'_> {
    fn fault(&self, failed: &Failed) -> Reply {
        if failed.status >= 500 {
            let detail = failed.detail.as_deref().unwrap_or(&failed.message);
            tracing::error!(target: "rest", request = %self.request_id, detail);
        }
        // Every service answers a missing or bad token with the body of keystonemiddleware.
        let style = if failed.status == 401 { FaultStyle::Identity } else { self.mounted.service.faults };
        let message = match failed.status {
            500 => format!("{} (request {})", failed.message, self.request_id),
            _ => failed.message.clone(),
        };
        let reply =
            Reply::json(failed.status, style.body(failed.status, failed.name, &message, &self.request_id));
        match failed.status {
            401 => {
                let login = format!("Keystone uri=\"http://{}/identity/v3\"", self.host);
                reply.header("www-authenticate", login)
            }
            503 => reply.header("retry-after", "5"),
            _ => reply,
        }
    }

    fn respond(&self, reply: Reply, head: bool) -> http::Response<Body> {
        let mut builder = http::Response::builder().status(reply.status);
        builder = builder.header("x-openstack-request-id", &self.request_id);
        let mut vary = "X-Auth-Token".to_owned();
        if let Some(microversions) = &self.mounted.service.microversions {
            let version = self.version.unwrap_or(microversions.min);
            builder = builder.header("openstack-api-version", format!("{} {version}", microversions.service));
            vary.push_str(", OpenStack-API-Version");
            if let Some(legacy) = microversions.legacy_header {
                builder = builder.header(legacy, version.to_string());
                builder = builder.header("x-compute-request-id", &self.request_id);
                vary.push_str(", ");
                vary.push_str(legacy);
            }
        }
        builder = builder.header(header::VARY, vary);
        for (name, value) in &reply.headers {
            // A header made of what a client sent (a tag in a location) may be no header.
            if let Ok(value) = HeaderValue::from_str(value) {
                builder = builder.header(*name, value);
            }
        }
        let sent = match reply.body {
            ReplyBody::Empty => builder.header(header::CONTENT_LENGTH, "0").body(Body::empty()),
            ReplyBody::Json(json) => {
                let bytes = serde_json::to_vec(&json).unwrap_or_default();
                builder = builder.header(header::CONTENT_TYPE, "application/json");
                builder = builder.header(header::CONTENT_LENGTH, bytes.len());
                builder.body(if head { Body::empty() } else { bytes.into() })
            }
            ReplyBody::Bytes(bytes) => {
                builder = builder.header(header::CONTENT_LENGTH, bytes.len());
                builder.body(if head { Body::empty() } else { bytes.into() })
            }
            ReplyBody::Stream(chunks, length) => {
                if let Some(length) = length {
                    builder = builder.header(header::CONTENT_LENGTH, length);
                }
                builder.body(if head { Body::empty() } else { streamed(chunks) })
            }
        };
        sent.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

/// Reads the chunks on a blocking thread, a few ahead of the client.
fn streamed(chunks: crate::BodyStream) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(CHUNKS_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        for chunk in chunks {
            let broken = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || broken {
                break;
            }
        }
    });
    Body::new(Chunks(receiver))
}

/// Begins the record of a request that is to be kept. The body of one that needs no token is kept with it, and handed
/// back as it came.
async fn record(
    answering: &mut Answering<'_>,
    route: &Route,
    (parts, params, address): (&http::request::Parts, &[(String, String)], Option<IpAddr>),
    mut body: Body,
) -> Result<Body, Failed> {
    if answering.mounted.service.routes.audit.is_none() || !Recorded::is_wanted(&parts.method, &route.path) {
        return Ok(body);
    }
    let mut claimed = Vec::new();
    if route.open {
        claimed = whole(body).await?;
        body = Body::from(claimed.clone());
    }
    answering.recorded = Some(Recorded {
        method: parts.method.clone(),
        route: route.path.clone(),
        path: parts.uri.path().to_owned(),
        params: params.to_vec(),
        caller: None,
        claimed,
        address,
        headers: parts.headers.clone(),
    });
    Ok(body)
}

fn failed(status: u16, name: &'static str, message: &str) -> Failed {
    Failed { status, name, message: message.to_owned(), detail: None, store: None }
}

fn unauthorized() -> Failed {
    failed(401, "Unauthorized", "The request you have made requires authentication.")
}

/// Refuses what the caller's delegation is not good for. An access rule may spell the path with the service's prefix or
/// without. Asking what a token is worth is always allowed by them.
fn permitted(caller: &Caller, service: &Service, method: &Method, paths: [&str; 2]) -> Result<(), Failed> {
    let is_signed = caller.delegation == Some(Delegation::Ec2Key);
    let asks_token = service.types.contains(&"identity") && paths[1] == "/v3/auth/tokens";
    if (asks_token && method == Method::GET && !is_signed)
        || service.types.is_empty()
        || service.types.iter().any(|kind| caller.may_request(kind, method.as_str(), &paths))
    {
        return Ok(());
    }
    Err(match is_signed {
        true => failed(403, "Forbidden", "EC2 credential tokens cannot be used for authorization."),
        false => unauthorized(),
    })
}

fn refused(refused: &Refused, speaks: &crate::Microversions) -> Failed {
    match refused {
        Refused::Malformed(text) => failed(
            400,
            "InvalidAPIVersionString",
            &format!("API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."),
        ),
        Refused::Unsupported(version) => failed(
            406,
            "InvalidGlobalAPIVersion",
            &format!(
                "Version {version} is not supported by the API. Minimum is {} and maximum is {}.",
                speaks.min, speaks.max
            ),
        ),
    }
}

/// The whole of a body that is no upload.
pub(crate) async fn whole(body: Body) -> Result<Vec<u8>, Failed> {
    let read = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIME_MAX, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(failed(413, "RequestTooLarge", "Request is too large."))
        }
        Ok(Err(_)) => Err(failed(400, "BadRequest", "The body ended before it was whole.")),
        Err(_) => Err(failed(408, "RequestTimeout", "The body took too long to arrive.")),
    }
}

/// What follows `prefix` in `path`, with a slash before it and none after.
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let trimmed = rest.trim_end_matches('/');
    Some(if trimmed.is_empty() { "/" } else { trimmed })
}

/// The methods that a path has, as the header `allow` lists them.
fn allowed(routes: &[Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") && !methods.contains(&"HEAD") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let split = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
    split.map(|(name, value)| (decoded(name, true), decoded(value, true))).collect()
}

/// Undoes percent-encoding; `plus` also turns `+` into a space, as in queries.
fn decoded(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (other, _) => out.push(other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn plain(status: StatusCode) -> http::Response<Body> {
    let body = json!({"error": {"code": status.as_u16(), "title": title(status.as_u16()), "message": title(status.as_u16())}});
    let mut response = http::Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
