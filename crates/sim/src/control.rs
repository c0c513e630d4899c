//! The control plane: the database that lasts, and the process that may be lost at any commit.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use block_storage::volume_type::{TypeDraft, ops as types_of};
use http_body_util::BodyExt;
use identity::CredentialKeys;
use image::image::by_node::Terms;
use nodes::Inquiries;
use policy::{Caller, Scope};
use reconcile::{Reconciler, Runner};
use rest::{Authenticate, Cloud, Rejected};
use serde_json::Value as Json;
use storage::fake::Fake;
use store::{Migration, Signal, Store, Tx};
use tower::ServiceExt;
use types::HostId;

use crate::client::Request;
use crate::commits::Commits;

/// The schema of all services.
const MIGRATIONS: &[&[Migration]] = &[
    nodes::MIGRATIONS,
    image::MIGRATIONS,
    placement::MIGRATIONS,
    network::MIGRATIONS,
    block_storage::MIGRATIONS,
    compute::MIGRATIONS,
];
/// The project of the operators.
pub const ADMIN: &str = "admin";

/// What a service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; `Null` if it is no JSON.
    pub body: Json,
}

/// A control plane over its database and its images.
pub struct Control {
    /// Mishaps at the database.
    pub commits: Arc<Commits>,
    /// The image store.
    pub images: Fake,
    /// The operator's keys, which outlive processes too.
    pub keys: Arc<CredentialKeys>,
    database: Store,
    process: Process,
}

/// What is lost in a crash.
struct Process {
    store: Store,
    router: axum::Router,
    runtime: tokio::runtime::Runtime,
    runner: Runner,
    inquiries: Inquiries,
    signals: Arc<Mutex<BTreeSet<Signal>>>,
}

impl Control {
    /// A fresh cloud without hosts.
    pub fn new() -> anyhow::Result<Control> {
        let (commits, images) = (Arc::new(Commits::default()), Fake::new());
        let database = Store::open_faulty(commits.clone())?;
        database.migrate(MIGRATIONS)?;
        let keys = Arc::default();
        let process = Process::start(&database, &images, &keys)?;
        Ok(Control { commits, images, keys, database, process })
    }

    /// The process dies, and another begins where the database is.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.commits.reset();
        self.process = Process::start(&self.database, &self.images, &self.keys)?;
        Ok(())
    }

    /// The store of the process that runs now.
    pub fn store(&self) -> &Store {
        &self.process.store
    }

    /// The reconcilers of the process that runs now.
    pub fn runner(&self) -> &Runner {
        &self.process.runner
    }

    /// Questions to hosts.
    pub fn inquiries(&self) -> &Inquiries {
        &self.process.inquiries
    }

    /// Whether something was signalled for this host since this was asked last.
    pub fn take_signal(&self, host: &HostId) -> bool {
        self.process.signals.lock().unwrap_or_else(PoisonError::into_inner).remove(&nodes::signal(host))
    }

    /// Whether [`Control::take_signal`] would tell so.
    pub fn has_signal(&self, host: &HostId) -> bool {
        self.process.signals.lock().unwrap_or_else(PoisonError::into_inner).contains(&nodes::signal(host))
    }

    /// Makes a request as a client does.
    pub fn call(&self, request: &Request) -> anyhow::Result<Answer> {
        let mut http = axum::http::Request::builder().method(request.method).uri(&request.path);
        http = http.header("host", "cloud.sim").header("x-auth-token", &request.token);
        for (name, value) in &request.headers {
            http = http.header(*name, value);
        }
        let http = http.body(Body::from(request.body.clone()))?;
        self.process.runtime.block_on(async {
            let response = self.process.router.clone().oneshot(http).await?;
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await?.to_bytes();
            Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Json::Null) })
        })
    }
}

/// What a host's first hello, or one with other facts, leads to; as the wiring of the real cloud does.
pub fn host_joined(tx: &mut Tx<'_>, host: &HostId) -> Result<(), store::Error> {
    network::host_joined(tx)?;
    tx.kick(placement::HOST_SYNC, host)
}

/// A type whose volumes are for several servers.
fn shared_type(tx: &mut Tx<'_>) -> Result<(), block_storage::Error> {
    let draft = TypeDraft {
        name: "shared".to_owned(),
        description: None,
        is_public: true,
        extra_specs: [("multiattach".to_owned(), Some("<is> True".to_owned()))].into(),
    };
    types_of::create(&Caller::cloud(), tx, draft).map(drop)
}

impl Process {
    fn start(database: &Store, images: &Fake, keys: &Arc<CredentialKeys>) -> anyhow::Result<Process> {
        let store = database.of_next_process();
        store.write_blocking(block_storage::bootstrap)?;
        // As an operator would, once; a process that is started again finds it.
        let _known = store.write_blocking(shared_type);
        store.write_blocking(compute::bootstrap)?;
        let outside = network::Outside::default();
        store.write_blocking(move |tx| network::bootstrap(tx, &ADMIN.into(), &outside))?;
        let signals: Arc<Mutex<BTreeSet<Signal>>> = Arc::default();
        let heard = signals.clone();
        store.listen(move |all| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).extend(all.iter().cloned());
        });
        let (inquiries, shared) = (Inquiries::default(), Arc::new(images.clone()));
        let terms = Terms::new(shared.clone(), &image::Config::default());
        let router = rest::router(Cloud {
            store: store.clone(),
            authenticate: Arc::new(ByName),
            services: vec![
                image::service(&store, shared.clone(), image::Config::default()),
                placement::service(),
                network::service(),
                block_storage::service(&store, &inquiries, terms.clone(), Arc::new(())),
                compute::service(&store, &inquiries, terms),
            ],
        });
        let router = router.map_err(anyhow::Error::msg)?;
        let runner = Runner::new(store.clone(), reconcilers(shared, keys.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Process { store, router, runtime, runner, inquiries, signals })
    }
}

fn reconcilers(images: Arc<Fake>, keys: Arc<CredentialKeys>) -> Vec<Arc<dyn Reconciler>> {
    let mut all = image::reconcilers(images, image::Config::default());
    all.extend(placement::reconcilers());
    all.extend(network::reconcilers());
    all.extend(block_storage::reconcilers(keys));
    all.extend(compute::reconcilers());
    all
}

/// Believes every token: `member@alpha` has the role in the project.
struct ByName;

impl Authenticate for ByName {
    fn cached(&self, token: &str) -> Option<Arc<Caller>> {
        let (role, project) = token.split_once('@')?;
        let order = ["reader", "member", "manager", "admin"];
        let rank = order.iter().position(|known| *known == role)?;
        Some(Arc::new(Caller {
            user_id: token.into(),
            user_name: role.to_owned(),
            user_domain_id: "default".into(),
            scope: Scope::Project {
                id: project.into(),
                name: project.to_owned(),
                domain_id: "default".into(),
            },
            roles: order[..=rank].iter().map(|role| (*role).to_owned()).collect(),
            delegation: None,
            policy: policy::Policy::default(),
        }))
    }

    fn authenticate(&self, _tx: &mut Tx<'_>, _token: &str) -> Result<Arc<Caller>, Rejected> {
        Err(Rejected::Unauthorized)
    }
}
