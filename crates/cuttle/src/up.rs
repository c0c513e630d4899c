//! `cuttle up`: a whole cloud on one machine, in the foreground.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use block_storage::encryption;
use clap::Args;
use nodes::Inquiries;
use policy::Policy;
use reconcile::Runner;
use storage::ImageStore;
use storage::file::{FileConfig, ImageCache};
use store::{Config as StoreConfig, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use types::ProjectId;

use crate::agent_process::Supervision;
use crate::audit_file::AuditFile;
use crate::cli::Which;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::policy_file::PolicyFile;
use crate::process::Process;
use crate::storage_config::Storage;
use crate::{agent_process, clouds_yaml, identity_provider, node_server, schema, services};

/// How many threads step reconcilers.
const RUNNERS: usize = 2;
/// How long the agent may take to connect.
const AGENT_TIME_MAX: Duration = Duration::from_secs(20);
/// How often tokens get a fresh key.
const ROTATION: Duration = Duration::from_secs(24 * 3600);
/// How often every row is looked at although nobody kicked it.
const SWEEP: Duration = Duration::from_secs(300);
/// How long requests may take to end when the control plane does.
const GOODBYE: Duration = Duration::from_secs(5);

/// Run a cloud on this machine.
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    which: Which,
    /// The address that all APIs listen on
    #[arg(long, default_value = "127.0.0.1:5000", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Simulate the node: no root, no QEMU, no network
    #[arg(long)]
    sim: bool,
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Up {
    /// Runs until SIGTERM or SIGINT. The VMs and the agent go on.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        let log = Log::to_stderr(config.audit_file.as_deref().map(AuditFile::open).transpose()?);
        if !self.sim {
            can_run_vms()?;
        }
        if !self.listen.ip().is_loopback() {
            bail!(
                "{} is not a loopback address, and TLS for others is not built yet: use 127.0.0.1",
                self.listen.ip()
            );
        }
        crate::data_dir::keep_to_ourselves();
        let dir = DataDir::open_or_create(&self.which.data_dir, self.sim)?;
        let _lock = dir.lock()?;
        let policy = Arc::new(PolicyFile::open(&config, &dir)?);
        let watched = policy.clone();
        runtime::spawn_thread("policy", move || watched.watch())?;
        let this = Process::of_pid(i32::try_from(std::process::id())?)
            .context("cannot find this process in /proc")?;
        this.write(&pid_file(&dir))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        runtime.block_on(self.serve(&dir, &config, (policy, log)))?;
        runtime.shutdown_timeout(GOODBYE);
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(
        &self,
        dir: &DataDir,
        config: &Config,
        (policy, log): (Arc<PolicyFile>, Log),
    ) -> anyhow::Result<()> {
        let listener = TcpListener::bind(self.listen).await.with_context(|| {
            format!(
                "cannot listen on {}: end what listens there, or choose another with --listen",
                self.listen
            )
        })?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (config_path, simulated, dir) = (self.config.clone(), self.sim, dir.clone());
        let (starting, settings, rules) = (dir.clone(), config.clone(), policy.policy().clone());
        let parts = tokio::task::spawn_blocking(move || ControlPlane::start(&starting, &settings, rules));
        let parts = parts.await.context("starting panicked")??;
        let router =
            parts.router(config, log).map_err(|e| anyhow!("the routes contradict each other: {e}"))?;
        clouds_yaml::write(&dir, &endpoint)?;
        crate::data_dir::write_private(&dir.endpoint_file(), endpoint.as_bytes())?;
        let ready = {
            let (dir, store) = (dir.clone(), parts.store.clone());
            let (backends, images) = (parts.storage.backends.clone(), parts.storage.images.clone());
            tokio::task::spawn_blocking(move || {
                let agent = if simulated {
                    start_simulated(&dir, &Config::default(), backends, images)?;
                    None
                } else {
                    agent_process::end_if_outdated(&dir, config_path.as_deref())?;
                    Some(Supervision::start(&dir, config_path.as_deref())?)
                };
                wait_for_host(&store, &dir, agent.as_deref())
            })
        };
        let mut end = std::pin::pin!(ended()?);
        reload_when_told(policy)?;
        let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>());
        let mut serving = std::pin::pin!(std::future::IntoFuture::into_future(serving));
        tokio::select! {
            ready = ready => ready.context("starting the agent panicked")??,
            served = &mut serving => return served.context("the listener failed"),
            () = &mut end => return Ok(()),
        }
        println!("ready {endpoint}");
        tokio::select! {
            served = serving => served.context("the listener failed")?,
            () = end => tracing::info!("ending; the VMs go on"),
        }
        parts.runner.close();
        Ok(())
    }
}

/// Fails before anything is made if this machine lacks something, and names all of it.
fn can_run_vms() -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("real VMs need root for now: use sudo, or `cuttle up --sim` for a simulated node");
    }
    let missing = crate::commands::doctor::missing_programs();
    if !missing.is_empty() {
        bail!(
            "real VMs need more than this machine has:\n  {}\nor use `cuttle up --sim` for a simulated node",
            missing.join("\n  ")
        );
    }
    Ok(())
}

/// Where the running control plane is written down.
pub fn pid_file(dir: &DataDir) -> PathBuf {
    dir.run().join("up.pid")
}

async fn wait(mut signal: tokio::signal::unix::Signal) {
    signal.recv().await;
}

fn ended() -> anyhow::Result<impl Future<Output = ()>> {
    let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            () = wait(term) => {}
            () = wait(int) => {}
        }
    })
}

/// Reads the policy again at SIGHUP.
fn reload_when_told(policy: Arc<PolicyFile>) -> anyhow::Result<()> {
    let mut told = signal(SignalKind::hangup())?;
    runtime::spawn(async move {
        while told.recv().await.is_some() {
            let policy = policy.clone();
            let _ = tokio::task::spawn_blocking(move || policy.reload()).await;
        }
    });
    Ok(())
}

/// What is wired up before the first request.
struct ControlPlane {
    store: Store,
    storage: Storage,
    metrics: Metrics,
    tokens: Arc<identity::Tokens>,
    inquiries: Inquiries,
    runner: Runner,
}

impl ControlPlane {
    /// Opens the database and the storage, brings both up to date, and starts the reconcilers.
    fn start(dir: &DataDir, config: &Config, policy: Policy) -> anyhow::Result<ControlPlane> {
        let database =
            config.database.clone().map_or_else(|| StoreConfig::File(dir.database()), StoreConfig::Url);
        let store = Store::open(&database).context("cannot open the database")?;
        store.migrate(schema::MIGRATIONS).context("cannot bring the database's schema up to date")?;
        if config.database.is_none() {
            // The directory's lock says that nobody else works on this database. One that was killed in the middle of
            // a step must not keep it from being done.
            store.write_blocking(store::work::release_all).context("cannot take the work up again")?;
        }
        let storage = with_cache(Storage::open(dir, config)?, dir, config)?;
        match storage.images.sweep() {
            Ok(swept) => tracing::debug!("{swept} unfinished uploads were removed"),
            // A cluster that is away now may be back later; the cloud does not wait for it.
            Err(error) => tracing::error!("cannot sweep the image store: {error}"),
        }
        let metrics = Metrics::default();
        metrics.watch(&storage)?;
        let owner = bootstrap(&store, dir, config)?;
        register_guest(&store, &storage.stores, config, owner);
        image::keep_cache(&store, &storage.stores).context("cannot start to look after the image cache")?;
        let inquiries = Inquiries::default();
        let keys = dir.credential_keys()?;
        let reconcilers =
            services::reconcilers(storage.stores.clone(), image_config(config), Arc::new(keys.clone()));
        let runner = Runner::new(store.clone(), reconcilers);
        for _ in 0..RUNNERS {
            let runner = runner.clone();
            runtime::spawn_thread("reconcile", move || runner.run())?;
        }
        let sweeper = runner.clone();
        runtime::spawn_thread("sweep", move || sweep(&sweeper))?;
        let (rotated, terms) = (store.clone(), identity_config(config));
        runtime::spawn_thread("rotate", move || rotate(&rotated, &terms))?;
        let hooks = hooks(&store, keys.clone());
        node_server::listen(&dir.control_socket(), store.clone(), inquiries.clone(), hooks)?;
        let oidc = identity_provider::trusted(&config.identity_provider)?;
        let credential_keys = keys;
        let settings = identity::Config { policy, oidc, credential_keys, ..identity_config(config) };
        let tokens = identity::Tokens::new(&store, settings);
        Ok(ControlPlane { store, storage, metrics, tokens, inquiries, runner })
    }

    fn router(&self, config: &Config, log: Log) -> Result<axum::Router, String> {
        let shared = services::Shared {
            store: &self.store,
            images: self.storage.stores.clone(),
            tokens: &self.tokens,
            inquiries: &self.inquiries,
            log: Arc::new(log),
        };
        let mut all = services::all(shared, image_config(config));
        all.push(watched(&self.metrics));
        rest::router(rest::Cloud {
            store: self.store.clone(),
            authenticate: self.tokens.clone(),
            services: all,
        })
    }
}

/// With the cache of images that the configuration asks for. It is the control plane's, which downloads go through.
fn with_cache(storage: Storage, dir: &DataDir, config: &Config) -> anyhow::Result<Storage> {
    let Some(size_bytes_max) = config.image_cache_max_size else { return Ok(storage) };
    let cache = ImageCache::open(&FileConfig::new(dir.root()), size_bytes_max);
    let cache = cache.context("cannot open the image cache")?;
    Ok(Storage { stores: storage.stores.with_cache(cache), ..storage })
}

/// What services want to do with the connections of nodes.
fn hooks(store: &Store, keys: identity::CredentialKeys) -> node_server::Hooks {
    let store = store.clone();
    node_server::Hooks {
        on_host: Arc::new(host_joined),
        add_secrets: Arc::new(move |message| encryption::add_keys(&store, &keys, message)),
    }
}

fn image_config(config: &Config) -> image::Config {
    image::Config {
        size_bytes_max: config.image_size_cap,
        enforce_format: config.image_format_enforcement,
        import_methods: config.enabled_import_methods.clone(),
        filtering: config.import_filtering_opts.clone(),
        limits: |tx, project| identity::limits_of(tx, project, "image"),
    }
}

fn identity_config(config: &Config) -> identity::Config {
    identity::Config {
        token_ttl: Duration::from_secs(config.token_seconds.into()),
        bcrypt_cost: config.password_cost,
        credential_keys: identity::CredentialKeys::default(),
        security_compliance: config.security_compliance.clone(),
        limit_model: config.limit_model,
        policy: Policy::default(),
        oidc: identity::Oidc::default(),
    }
}

/// Makes what a fresh cloud has and is missing; returns the project `admin`.
fn bootstrap(store: &Store, dir: &DataDir, config: &Config) -> anyhow::Result<ProjectId> {
    let secrets = dir.identity();
    let wanted = identity::Bootstrap {
        admin_password: secrets.admin_password.clone(),
        demo_password: secrets.demo_password.clone(),
        // They are random and long, so that a cheap hash protects them as well as an expensive one.
        password_cost: config.password_cost.min(4),
        public_url: None,
    };
    let owner = store.write_blocking(move |tx| identity::bootstrap(tx, &wanted));
    let owner = owner.context("cannot set up identity")?;
    store.write_blocking(identity::respell_hashes).context("cannot bring the passwords up to date")?;
    let keys = dir.credential_keys()?;
    let volume_keys = keys.clone();
    let resealed = store
        .write_blocking(move |tx| identity::reseal_credentials(tx, &keys))
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(store.write_blocking(move |tx| encryption::reseal(tx, &volume_keys))?));
    resealed.with_context(|| {
        format!(
            "cannot read the credentials and the keys of volumes: copy credential.keys from a control plane that could to \
             {}",
            dir.root().display()
        )
    })?;
    let admin = owner.clone();
    let outside = network::Outside::default();
    store
        .write_blocking(move |tx| network::bootstrap(tx, &admin, &outside))
        .context("cannot set up the networks")?;
    store.write_blocking(image::bootstrap_types).context("cannot set up metadata definitions")?;
    store.write_blocking(block_storage::bootstrap).context("cannot set up block storage")?;
    store.write_blocking(compute::bootstrap).context("cannot set up compute")?;
    Ok(owner)
}

/// Registers the guest image. A cloud without one works, and says so.
fn register_guest(store: &Store, stores: &image::Stores, config: &Config, owner: ProjectId) {
    let Some(path) = config.guest_image_path() else {
        tracing::warn!(
            "no guest image is registered: set guest_image in the configuration, or upload an image"
        );
        return;
    };
    let properties = vec![("os_admin_user".to_owned(), "cuttle".to_owned())];
    let guest = image::GuestImage { path: path.clone(), owner, properties };
    if let Err(error) = image::bootstrap(store, stores, &guest) {
        tracing::error!("cannot register the guest image {}: {error}", path.display());
    }
}

pub(crate) fn host_joined(tx: &mut store::Tx<'_>, host: &types::HostId) -> Result<(), store::Error> {
    tracing::info!("host {host} offers something new");
    network::host_joined(tx)?;
    tx.kick(placement::HOST_SYNC, host)
}

/// Looks at every row at the start and now and then; what it finds was missed.
fn sweep(runner: &Runner) {
    loop {
        match runner.sweep() {
            Ok(missed) => {
                missed.iter().for_each(|(kind, id)| tracing::warn!("{kind} {id} was not as wanted"))
            }
            Err(error) => tracing::error!("cannot sweep: {error}"),
        }
        runtime::sleep_blocking(SWEEP);
    }
}

/// Gives tokens a fresh key now and then; those that older keys wrote stay good until they expire.
fn rotate(store: &Store, config: &identity::Config) {
    loop {
        runtime::sleep_blocking(ROTATION);
        let config = config.clone();
        if let Err(error) = store.write_blocking(move |tx| identity::rotate_keys(tx, &config)) {
            tracing::error!("cannot rotate the keys of tokens: {error}");
        }
    }
}

fn start_simulated(
    dir: &DataDir,
    config: &Config,
    backends: agent::Backends,
    images: Arc<dyn ImageStore>,
) -> anyhow::Result<()> {
    let settings = agent_process::settings(dir, config)?;
    runtime::spawn_thread("agent", move || {
        if let Err(error) = agent::run_simulated(&settings, backends, images) {
            tracing::error!("the simulated agent failed: {error}");
        }
    })?;
    Ok(())
}

/// Waits until the agent of this host is connected, so that the first server finds a host.
fn wait_for_host(store: &Store, dir: &DataDir, agent: Option<&Supervision>) -> anyhow::Result<()> {
    let began = runtime::monotonic();
    let started = runtime::now();
    loop {
        let hosts = store.read_blocking(nodes::hosts::list).context("cannot read the hosts")?;
        let is_heard = hosts.iter().any(|host| host.heard_at >= started.minus(Duration::from_secs(1)));
        // One that was ended a moment ago may have been heard, too.
        if is_heard && agent.is_none_or(|_| agent_process::running(dir).is_some()) {
            return Ok(());
        }
        if agent.is_some_and(Supervision::has_failed) || began.elapsed() > AGENT_TIME_MAX {
            let log = std::fs::read_to_string(agent_process::log_file(dir)).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!("the agent does not connect; its log ends with:\n{}", tail.join("\n"));
        }
        runtime::sleep_blocking(Duration::from_millis(10));
    }
}

/// What is for whoever watches the cloud: `/metrics`, and `/healthz`, which answers 200 while the database can be read.
fn watched(metrics: &Metrics) -> rest::Service {
    let routes = metrics.routes().open("/healthz", |_: &rest::Request, tx: &mut store::Tx<'_>| {
        let hosts = nodes::hosts::list(tx)?;
        let up = hosts.iter().filter(|host| host.is_up(tx.now())).count();
        Ok::<_, image::Error>(rest::Reply::ok(serde_json::json!({"status": "ok", "hosts_up": up})))
    });
    rest::Service { prefix: "", types: &[], faults: rest::FaultStyle::Identity, microversions: None, routes }
}
