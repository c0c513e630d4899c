//! Services in process over a database in memory. A token says who calls: `member@alpha` has role member (and what it
//! implies) in project `alpha`; `admin@admin` administers; `bad` is no token.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use policy::{Caller, Scope};
use reconcile::{Reconciler, Runner};
use rest::{Authenticate, Cloud, Rejected, Service};
use serde_json::Value as Json;
use store::{Config, Migration, Store, Tx};
use tower::ServiceExt;

use crate::Scratch;

/// Services in process.
pub struct Api {
    router: axum::Router,
    runtime: tokio::runtime::Runtime,
    /// The database, for looking behind the API.
    pub store: Store,
    /// The reconcilers, stepped by [`Api::settle`].
    pub runner: Runner,
    /// The database on a server, if it is there; it goes with this.
    _scratch: Option<Scratch>,
}

/// What a service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; `Null` if there is none, a string if it is no JSON.
    pub body: Json,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Api {
    /// A fresh database in memory, migrated, with these services and reconcilers.
    pub fn new(
        migrations: &[&[Migration]],
        build: impl FnOnce(&Store) -> (Vec<Service>, Vec<Arc<dyn Reconciler>>),
    ) -> Api {
        Api::checked_by(migrations, |store| (Arc::new(ByName), build(store)))
    }

    /// The same over a database on a server.
    pub fn new_on(
        scratch: Scratch,
        migrations: &[&[Migration]],
        build: impl FnOnce(&Store) -> (Vec<Service>, Vec<Arc<dyn Reconciler>>),
    ) -> Api {
        Api::on(Some(scratch), migrations, |store| (Arc::new(ByName), build(store)))
    }

    /// The same with a token checker that is really one.
    pub fn checked_by(
        migrations: &[&[Migration]],
        build: impl FnOnce(&Store) -> (Arc<dyn Authenticate>, (Vec<Service>, Vec<Arc<dyn Reconciler>>)),
    ) -> Api {
        Api::on(None, migrations, build)
    }

    /// The same over a database on a server, where one is given.
    pub fn on(
        scratch: Option<Scratch>,
        migrations: &[&[Migration]],
        build: impl FnOnce(&Store) -> (Arc<dyn Authenticate>, (Vec<Service>, Vec<Arc<dyn Reconciler>>)),
    ) -> Api {
        let store = match &scratch {
            Some(scratch) => scratch.open(),
            None => Store::open(&Config::Memory).unwrap(),
        };
        store.migrate(migrations).unwrap();
        let (authenticate, (services, reconcilers)) = build(&store);
        let runner = Runner::new(store.clone(), reconcilers);
        Api { runner, _scratch: scratch, ..Api::over(&store, authenticate, services) }
    }

    /// Services over a database that is there already.
    pub fn over(store: &Store, authenticate: Arc<dyn Authenticate>, services: Vec<Service>) -> Api {
        let cloud = Cloud { store: store.clone(), authenticate, services };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let runner = Runner::new(store.clone(), Vec::new());
        Api { router: rest::router(cloud).unwrap(), runtime, store: store.clone(), runner, _scratch: None }
    }

    /// Makes a request. `headers` are name and value; `body` is sent as JSON unless it is `Null`.
    pub fn call(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Json,
    ) -> Answer {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(token, method, path, headers, bytes)
    }

    /// Makes a request with a body of any bytes.
    pub fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request =
            axum::http::Request::builder().method(method).uri(path).header("host", "cloud.test");
        if !token.is_empty() {
            request = request.header("x-auth-token", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let body = match serde_json::from_slice(&bytes) {
                Ok(json) => json,
                Err(_) if bytes.is_empty() => Json::Null,
                Err(_) => Json::String(text),
            };
            let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            Answer {
                status: parts.status.as_u16(),
                headers: parts.headers.iter().map(header).collect(),
                body,
            }
        })
    }

    /// GET.
    pub fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, &[], &Json::Null)
    }

    /// POST.
    pub fn post(&self, token: &str, path: &str, body: &Json) -> Answer {
        self.call(token, "POST", path, &[], body)
    }

    /// PUT.
    pub fn put(&self, token: &str, path: &str, body: &Json) -> Answer {
        self.call(token, "PUT", path, &[], body)
    }

    /// DELETE.
    pub fn delete(&self, token: &str, path: &str) -> Answer {
        self.call(token, "DELETE", path, &[], &Json::Null)
    }

    /// Steps the reconcilers until no key is due now.
    pub fn settle(&self) {
        for _ in 0..10_000 {
            if self.runner.pass().unwrap() == 0 {
                return;
            }
        }
        panic!("the work table does not run empty: {:?}", self.store.read_blocking(store::work::pending));
    }
}

/// The caller that a token like `member@alpha` names. `member@!domain` has the role in the default domain, and
/// `member@!system` in the system.
pub fn caller(token: &str) -> Option<Caller> {
    let (role, place) = token.split_once('@')?;
    let order = ["reader", "member", "manager", "admin"];
    let rank = order.iter().position(|known| *known == role)?;
    Some(Caller {
        user_id: token.into(),
        user_name: role.to_owned(),
        user_domain_id: "default".into(),
        scope: match place {
            "!domain" => Scope::Domain { id: "default".into() },
            "!system" => Scope::System,
            _ => Scope::Project { id: place.into(), name: place.to_owned(), domain_id: "default".into() },
        },
        roles: order[..=rank].iter().map(|role| (*role).to_owned()).collect(),
        delegation: None,
        policy: policy::Policy::default(),
    })
}

/// Believes every token that names a caller.
struct ByName;

impl Authenticate for ByName {
    fn cached(&self, token: &str) -> Option<Arc<Caller>> {
        caller(token).map(Arc::new)
    }

    fn authenticate(&self, _tx: &mut Tx<'_>, _token: &str) -> Result<Arc<Caller>, Rejected> {
        Err(Rejected::Unauthorized)
    }
}
