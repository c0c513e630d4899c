//! The child's side: `cuttle storage serve`.
//!
//! It has the libraries, the connection and nothing else: no database, no state of its own on disk. It ends when its
//! parent does, and when the cluster has shut it out.

mod chores;
mod ghosts;
mod images;
mod replace;
mod unmanaged;
mod volumes;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::cluster::{Cluster, Done, Pool};
use super::config::RbdConfig;
use super::wire::{self, Fault, Numbered, Place, Reply, Request};
use chores::Chores;
use images::Uploads;
use volumes::NewImage;

/// How many threads do what ends soon, and how many move bytes.
const WORKERS: usize = 6;
const BULK_WORKERS: usize = 6;
/// How many requests wait for a worker; the parent has at most so many on their way.
const QUEUE_MAX: usize = 256;
/// The exit code of a child that was shut out of the cluster and must connect anew.
const SHUT_OUT: i32 = 75;

type Work = (Numbered<Request>, Vec<u8>);

/// Serves the parent on standard input, a socket, until it is closed. Returns why it could not go on.
pub fn serve() -> io::Result<()> {
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let mut reading = UnixStream::from(socket);
    let writing = Arc::new(Mutex::new(reading.try_clone()?));
    let Some((Numbered { body: Request::Open { config, dead }, .. }, _)) = wire::receive(&mut reading)?
    else {
        return Err(io::Error::other("the first request must open a cluster"));
    };
    let link = Link { config, dead, parent: writing.clone(), cluster: Mutex::default() };
    let served = Arc::new(Served::new(link)?);
    let quick = workers("rbd", WORKERS, &served, &writing)?;
    let bulk = workers("rbd-bulk", BULK_WORKERS, &served, &writing)?;
    while let Some(work) = wire::receive::<Numbered<Request>>(&mut reading)? {
        let queue = if work.0.body.is_bulk() { &bulk } else { &quick };
        queue.send(work).map_err(io::Error::other)?;
    }
    // Threads of librados may hang in a cluster that is away; nobody waits for them.
    std::process::exit(0)
}

fn workers(
    name: &str,
    count: usize,
    served: &Arc<Served>,
    writing: &Arc<Mutex<UnixStream>>,
) -> io::Result<SyncSender<Work>> {
    let (sender, receiver) = sync_channel::<Work>(QUEUE_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..count {
        let (receiver, served, writing) = (receiver.clone(), served.clone(), writing.clone());
        runtime::spawn_thread(name, move || work(&receiver, &served, &writing))?;
    }
    Ok(sender)
}

fn work(queue: &Mutex<Receiver<Work>>, served: &Served, writing: &Mutex<UnixStream>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((Numbered { number, body }, bytes)) = next else { return };
        let (reply, out) = match served.answer(body, &bytes) {
            Ok((value, out)) => (Ok(value), out),
            Err(fault) => (Err(fault), Vec::new()),
        };
        let shut_out = matches!(&reply, Err(fault) if fault.is(nix::libc::ESHUTDOWN));
        let sent = {
            let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            wire::send(&mut *writing, &Numbered::<Reply> { number, body: reply }, &out)
        };
        if shut_out {
            tracing::error!("the cluster has shut this client out; ending, to connect anew");
            std::process::exit(SHUT_OUT);
        }
        if sent.is_err() {
            std::process::exit(0);
        }
    }
}

/// What the child works with.
struct Served {
    config: RbdConfig,
    link: Arc<Link>,
    uploads: Uploads,
    chores: Chores,
}

/// The connection, made when it is first needed. It is never given up: it connects again by itself.
struct Link {
    config: RbdConfig,
    dead: Vec<String>,
    parent: Arc<Mutex<UnixStream>>,
    cluster: Mutex<Option<Arc<Cluster>>>,
}

impl Link {
    fn cluster(&self) -> Done<Arc<Cluster>> {
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = &*cluster {
            return Ok(cluster.clone());
        }
        let connected = Cluster::connect(&self.config)?;
        for address in &self.dead {
            tracing::info!("shutting out {address}, which was killed");
            connected.blocklist(address)?;
        }
        let addresses = connected.own_addresses()?;
        let (told, _) = json(addresses)?;
        let mut parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        if wire::send(&mut *parent, &Numbered::<Reply> { number: 0, body: Ok(told) }, &[]).is_err() {
            std::process::exit(0);
        }
        *cluster = Some(connected.clone());
        Ok(connected)
    }

    fn pool(&self, name: &str) -> Done<Arc<Pool>> {
        self.cluster()?.pool(name)
    }

    /// All pools that are used.
    fn pools(&self) -> Done<Vec<Arc<Pool>>> {
        let config = &self.config;
        let names = BTreeSet::from([&config.volumes_pool, &config.root_disks_pool, &config.images_pool]);
        names.into_iter().map(|name| self.pool(name)).collect()
    }
}

type Answer = Done<(Value, Vec<u8>)>;

fn json(value: impl Serialize) -> Done<(Value, Vec<u8>)> {
    let value =
        serde_json::to_value(value).map_err(|error| Fault::Unusable { message: error.to_string() })?;
    Ok((value, Vec::new()))
}

impl Served {
    fn new(link: Link) -> io::Result<Served> {
        let (config, link) = (link.config.clone(), Arc::new(link));
        let chores = Chores::start(link.clone())?;
        Ok(Served { config, link, uploads: Uploads::default(), chores })
    }

    fn pool_of(&self, place: Place) -> Done<Arc<Pool>> {
        self.link.pool(match place {
            Place::Volumes => &self.config.volumes_pool,
            Place::RootDisks => &self.config.root_disks_pool,
        })
    }

    fn images(&self) -> Done<Arc<Pool>> {
        self.link.pool(&self.config.images_pool)
    }

    fn answer(&self, request: Request, bytes: &[u8]) -> Answer {
        match request {
            Request::Open { .. } => Err(Fault::Unusable { message: "a cluster is open already".to_owned() }),
            Request::Make { place, id, size_bytes, origin, multiattach } => {
                json(self.make(place, id, &NewImage { size_bytes, origin, multiattach })?)
            }
            Request::Resize { place, id, size_bytes } => json(self.resize(place, id, size_bytes)?),
            Request::Remove { place, id } => json(self.remove(place, id)?),
            Request::Observe { place, id } => json(self.observe(place, id)?),
            Request::Exists { place, id } => json(self.exists(place, id)?),
            Request::List { place } => json(self.list(place)?),
            Request::Fence { place, id } => json(self.fence(place, id)?),
            Request::MakeSnapshot { place, at } => json(self.make_snapshot(place, at)?),
            Request::RemoveSnapshot { place, at } => json(self.remove_snapshot(place, at)?),
            Request::HasSnapshot { place, at } => json(self.has_snapshot(place, at)?),
            Request::Revert { place, to, token } => json(self.revert(place, to, &token)?),
            Request::Replace { place, id, by } => json(self.replace(place, id, by)?),
            Request::Tidy { place, id } => json(self.tidy(place, id)?),
            Request::ListUnmanaged => json(self.list_unmanaged()?),
            Request::FindUnmanaged { name } => json(self.find_unmanaged(&name)?),
            Request::Manage { id, name, size_bytes } => json(self.manage(id, &name, size_bytes)?),
            Request::Unmanage { id, name } => json(self.unmanage(id, name.as_deref())?),
            Request::ListUnmanagedSnapshots { volume } => json(self.list_unmanaged_snapshots(volume)?),
            Request::ManageSnapshot { at, name } => json(self.manage_snapshot(at, &name)?),
            Request::UnmanageSnapshot { at } => json(self.unmanage_snapshot(at)?),
            Request::Capacity { place } => json(self.capacity(place)?),
            Request::Sweep => {
                let swept = self.sweep_replaced();
                self.chores.purge_soon();
                json(swept?)
            }
            Request::ImageHead { image } => self.image_head(image),
            Request::ImageRead { image, offset, length } => self.image_read(image, offset, length),
            Request::ImageList => json(self.image_list()?),
            Request::ImageRemove { image } => json(self.image_remove(image)?),
            Request::ImageSweep => json(self.image_sweep()?),
            Request::ImageConvert { image, format } => json(self.image_convert(image, format)?),
            Request::UploadBegin { upload } => json(self.upload_begin(&upload)?),
            Request::UploadWrite { upload, offset } => json(self.upload_write(&upload, offset, bytes)?),
            Request::UploadFinish { upload, image, size_bytes } => {
                json(self.upload_finish(&upload, image, size_bytes)?)
            }
            Request::UploadDrop { upload } => json(self.upload_drop(&upload)?),
            Request::MonCommand { command } => {
                Ok((Value::Null, self.link.cluster()?.mon_command(&command, bytes)?))
            }
        }
    }
}
