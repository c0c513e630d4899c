//! Copies, made beside the agent's own work: a few at once, each by a thread that gets what others leave. Those that change
//! one backup come one after the other.
//!
//! What came of a copy is kept on disk until its document goes, so that an agent that was restarted does not make it
//! twice; one that was interrupted is begun again, and nothing is seen of it before it is whole.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use agent_api::block::{Copied, Copy, CopyFrom, CopySeen, CopyTo, ImageSource, Volume};
use serde_json::Value as Json;
use storage::backup::{self, Stored};
use storage::copy::{Progress, disk_to_disk, disk_to_image, overwrite};
use storage::disk::{Access, OpenDisk, Tree};
use storage::luks::Luks;
use storage::objects::Objects;
use storage::{DiskFormat, GIB, ImageStore, NewVolume, Snapshot, Source, StoredImage, Upload, VolumeBackend};
use types::{BackupId, CopyId, ImageId, VolumeId};

use crate::effects::{Effects, Event};
use crate::root_disk;
use crate::trouble::Trouble;
use crate::volumes;

/// How many are made at once; the others wait.
const AT_ONCE: usize = 2;

/// How often a copy whose disks cannot be opened is begun again, after a moment each, before that is told as its failure.
/// Their layers may have been merged since they were looked up. While a merge goes on it has them to itself, which may
/// take minutes.
const OPENINGS_MAX: u32 = 5;
const OPENINGS_LOCKED_MAX: u32 = 600;

/// A copy to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: CopyId,
    /// Where it is.
    pub from: Origin,
    /// Where it goes.
    pub to: Target,
}

impl Job {
    /// Whether it must not go on at the same time as another: one of them changes a backup that the other has to do with.
    fn excludes(&self, other: &Job) -> bool {
        let excludes = |one: &Job, other: &Job| {
            one.changes()
                .is_some_and(|backup| other.changes() == Some(backup) || other.reads().contains(&backup))
        };
        // One that was removed may still be on its way when it is wanted again.
        self.id == other.id || excludes(self, other) || excludes(other, self)
    }

    /// The backup that it makes or removes.
    fn changes(&self) -> Option<BackupId> {
        match (&self.from, &self.to) {
            (_, Target::Backup(id, _)) | (Origin::Backup(id), Target::Nothing) => Some(*id),
            _ => None,
        }
    }

    /// The backups that must stay as they are meanwhile.
    fn reads(&self) -> Vec<BackupId> {
        match (&self.from, &self.to) {
            (_, Target::Backup(_, parent)) => parent.iter().copied().collect(),
            (Origin::Backup(id), _) => vec![*id],
            _ => Vec::new(),
        }
    }
}

/// Where the bytes of a copy are.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// On a disk.
    Disk(Tree),
    /// In a backup.
    Backup(BackupId),
    /// Nowhere.
    Nothing,
}

/// Where a copy goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A disk.
    Disk(Tree),
    /// The disk in a volume, which is encrypted anew.
    Encrypted(Json, Luks),
    /// An image.
    Image(ImageId, DiskFormat),
    /// A backup, which adds to its parent if it has one.
    Backup(BackupId, Option<BackupId>),
    /// Nowhere: the backup it is from is removed.
    Nothing,
    /// Nowhere: only whether the backup it is from is there.
    Check,
}

/// Makes copies.
pub trait Copier: Send {
    /// Begins a copy, unless it has begun, and tells how far it is. One that failed is told once, and begun again when
    /// it is asked for again.
    fn ensure(&mut self, job: &Job) -> Result<CopySeen, Trouble>;

    /// What came of a copy that is done.
    fn done(&self, id: CopyId) -> Option<Copied>;

    /// Ends a copy, if it is on its way, and forgets it.
    fn remove(&mut self, id: CopyId) -> Result<(), String>;
}

/// Makes a copy, or goes on with it. `documents` are those of this node's volumes.
pub fn ensure(
    effects: &mut Effects,
    copy: &Copy,
    documents: &BTreeMap<VolumeId, Arc<Volume>>,
) -> Result<CopySeen, Trouble> {
    if let Some(copied) = effects.copier.done(copy.id) {
        return Ok(CopySeen { percent: 100, done: Some(copied) });
    }
    let known = |id: &VolumeId| -> Result<(&Volume, &dyn VolumeBackend), String> {
        let volume = documents.get(id).ok_or_else(|| format!("volume {id} has no document on this host"))?;
        Ok((volume, effects.backends.named(volumes::backend_name(effects, volume))?))
    };
    let from = match &copy.from {
        CopyFrom::Snapshot { volume, id } => {
            let (document, backend) = known(volume)?;
            let nodes = backend.snapshot_blockdev(Snapshot { volume: *volume, id: *id })?;
            match (&document.encryption, copy.sealed) {
                (None, _) | (_, true) => Origin::Disk(Tree::from(&nodes)),
                (Some(encryption), false) => match volumes::luks(encryption) {
                    Some(luks) => Origin::Disk(luks.disk(nodes)),
                    None => return Ok(CopySeen::default()),
                },
            }
        }
        CopyFrom::Image(image) => match &copy.to {
            CopyTo::Volume(id) | CopyTo::Elsewhere(id) => Origin::Disk(image_disk(copy, image, known(id)?)?),
            to => return Err(format!("an image is not copied to {to:?}").into()),
        },
        CopyFrom::RootDisk { server, id } => {
            let at = root_disk::snapshot(*server, *id);
            let nodes = effects.backends.root_disks().snapshot_blockdev(at)?;
            Origin::Disk(Tree::from(&nodes))
        }
        CopyFrom::Backup(id) => Origin::Backup(*id),
        CopyFrom::Blank => Origin::Nothing,
    };
    let to = match &copy.to {
        CopyTo::Image(image) => Target::Image(image.id, volumes::format(image)?),
        CopyTo::Volume(id) => {
            let (document, backend) = known(id)?;
            let nodes = backend.blockdev(*id)?;
            match (&document.encryption, copy.sealed) {
                (None, _) | (_, true) => Target::Disk(Tree::from(&nodes)),
                (Some(encryption), false) => match volumes::luks(encryption) {
                    Some(luks) => Target::Encrypted(nodes, luks),
                    None => return Ok(CopySeen::default()),
                },
            }
        }
        CopyTo::Elsewhere(id) => {
            let document = known(id)?.0;
            let nodes = volumes::elsewhere(effects, document)?;
            match volumes::luks_elsewhere(document) {
                _ if copy.sealed => Target::Disk(Tree::from(&nodes)),
                Some(None) => Target::Disk(Tree::from(&nodes)),
                Some(Some(luks)) => Target::Encrypted(nodes, luks),
                None => return Ok(CopySeen::default()),
            }
        }
        CopyTo::Nothing => Target::Nothing,
        CopyTo::Check => Target::Check,
        CopyTo::Backup { id, parent } => Target::Backup(*id, *parent),
    };
    effects.copier.ensure(&Job { id: copy.id, from, to })
}

/// The disk of an image. It is that of a clone, which keeps what it needs when the image is removed, and which goes with the
/// copy.
fn image_disk(
    copy: &Copy,
    image: &ImageSource,
    (volume, backend): (&Volume, &dyn VolumeBackend),
) -> Result<Tree, Trouble> {
    let clone = clone(copy, image, volume)?;
    backend.ensure_volume(&clone)?;
    let mut nodes = backend.blockdev(clone.id)?;
    nodes["read-only"] = true.into();
    Ok(Tree::from(&nodes))
}

/// It is as large as the volume's disk, or as all of the volume where the image has its header, too.
fn clone(copy: &Copy, image: &ImageSource, volume: &Volume) -> Result<NewVolume, String> {
    let source = Source::Image { id: image.id, format: volumes::format(image)? };
    let size_bytes = if copy.sealed { volumes::size_elsewhere(volume) } else { volume.size_gib * GIB };
    Ok(NewVolume { id: clone_of(copy.id), size_bytes, source, multiattach: false })
}

/// What a copy of an image asks a backend to make first.
pub fn wanted(
    effects: &Effects,
    copy: &Copy,
    documents: &BTreeMap<VolumeId, Arc<Volume>>,
) -> Option<(Arc<dyn VolumeBackend>, NewVolume)> {
    let CopyFrom::Image(image) = &copy.from else { return None };
    let (CopyTo::Volume(id) | CopyTo::Elsewhere(id)) = &copy.to else { return None };
    let volume = documents.get(id)?;
    let backend = effects.backends.shared(volumes::backend_name(effects, volume)).ok()?;
    Some((backend.clone(), clone(copy, image, volume).ok()?))
}

/// The volume that is a copy's clone of an image.
fn clone_of(id: CopyId) -> VolumeId {
    VolumeId(id.0)
}

/// Ends a copy and forgets it. `copy` is its last document, where that is known.
pub fn remove(effects: &mut Effects, id: CopyId, copy: Option<&Copy>) -> Result<(), Trouble> {
    effects.copier.remove(id)?;
    match copy.map(|copy| &copy.from) {
        None | Some(CopyFrom::Image(_)) => volumes::remove(effects, clone_of(id), None, &[]),
        Some(_) => Ok(()),
    }
}

/// What copies need beside volumes.
#[derive(Clone)]
pub struct Places {
    /// Where images are.
    pub images: Arc<dyn ImageStore>,
    /// Where backups are.
    pub backups: Arc<dyn Objects>,
    /// For sockets: a short path.
    pub run_dir: PathBuf,
}

/// Makes copies with threads.
pub struct Threads {
    shared: Arc<Shared>,
}

struct Shared {
    places: Places,
    /// For what came of copies, and for files that are needed meanwhile.
    dir: PathBuf,
    events: Sender<Event>,
    start: StartThread,
    work: Mutex<Work>,
    /// Something came to wait, or something ended.
    changed: Condvar,
}

/// Starts a thread that makes copies until none waits.
type StartThread = fn(Arc<Shared>) -> std::io::Result<()>;

#[derive(Default)]
struct Work {
    waiting: VecDeque<(Job, Arc<Progress>)>,
    /// Those that a thread is at, wanted or not.
    running: Vec<Job>,
    /// Those that wait or run and are wanted.
    known: BTreeMap<CopyId, Arc<Progress>>,
    /// How often the disks of a copy could not be opened.
    openings: BTreeMap<CopyId, u32>,
    failed: BTreeMap<CopyId, Trouble>,
    done: BTreeMap<CopyId, Copied>,
    threads: usize,
}

impl Threads {
    /// Reads what is kept in `dir` of copies that are done, and removes what interrupted ones left. Every end of a copy
    /// is an event.
    pub fn open(dir: &Path, places: Places, events: Sender<Event>) -> std::io::Result<Threads> {
        std::fs::create_dir_all(dir)?;
        let mut work = Work::default();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let is_result = path.extension().is_some_and(|extension| extension == "json");
            let kept = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            match (id, kept) {
                (Some(id), Some(copied)) if is_result => {
                    work.done.insert(id, copied);
                }
                _ => std::fs::remove_file(&path)?,
            }
        }
        let (work, changed) = (Mutex::new(work), Condvar::new());
        let shared = Shared { places, dir: dir.to_owned(), events, start: start_thread, work, changed };
        Ok(Threads { shared: Arc::new(shared) })
    }
}

fn start_thread(shared: Arc<Shared>) -> std::io::Result<()> {
    runtime::spawn_quiet_thread("copy", move || shared.run()).map(drop)
}

impl Copier for Threads {
    fn ensure(&mut self, job: &Job) -> Result<CopySeen, Trouble> {
        let mut work = self.shared.work();
        if let Some(copied) = work.done.get(&job.id) {
            return Ok(CopySeen { percent: 100, done: Some(copied.clone()) });
        }
        if let Some(error) = work.failed.remove(&job.id) {
            return Err(error);
        }
        if let Some(progress) = work.known.get(&job.id) {
            return Ok(CopySeen { percent: progress.percent(), done: None });
        }
        let progress = Arc::new(Progress::default());
        work.known.insert(job.id, progress.clone());
        work.waiting.push_back((job.clone(), progress));
        self.shared.changed.notify_all();
        if work.threads < AT_ONCE {
            match (self.shared.start)(self.shared.clone()) {
                Ok(()) => work.threads += 1,
                // Those that there are get to it.
                Err(error) if work.threads > 0 => tracing::warn!("cannot start another thread: {error}"),
                Err(error) => {
                    work.forget(job.id);
                    return Err(format!("cannot start a thread: {error}").into());
                }
            }
        }
        Ok(CopySeen::default())
    }

    fn done(&self, id: CopyId) -> Option<Copied> {
        self.shared.work().done.get(&id).cloned()
    }

    fn remove(&mut self, id: CopyId) -> Result<(), String> {
        let mut work = self.shared.work();
        work.forget(id);
        work.openings.remove(&id);
        work.failed.remove(&id);
        work.done.remove(&id);
        match std::fs::remove_file(self.shared.result(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("cannot forget copy {id}: {error}"))
            }
            _ => Ok(()),
        }
    }
}

impl Work {
    /// Takes the first that may begin.
    fn next(&mut self) -> Option<(Job, Arc<Progress>)> {
        let free = |at: &usize| {
            let before = self.waiting.iter().take(*at).map(|(job, _)| job);
            !self.running.iter().chain(before).any(|other| other.excludes(&self.waiting[*at].0))
        };
        let at = (0..self.waiting.len()).find(free)?;
        let next = self.waiting.remove(at)?;
        self.running.push(next.0.clone());
        Some(next)
    }

    /// It need not begin, or ends soon.
    fn forget(&mut self, id: CopyId) {
        self.waiting.retain(|(job, _)| job.id != id);
        if let Some(progress) = self.known.remove(&id) {
            progress.stop();
        }
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes copies until none waits.
    fn run(&self) {
        let mut work = self.work();
        loop {
            if let Some((job, progress)) = work.next() {
                drop(work);
                tracing::info!("copy {} begins", job.id);
                let made = self.make(&job, &progress);
                self.ended(&job, &progress, made);
                work = self.work();
            } else if work.waiting.is_empty() {
                work.threads -= 1;
                return;
            } else {
                work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn make(&self, job: &Job, progress: &Progress) -> Result<Copied, Trouble> {
        let Places { images, backups, run_dir } = &self.places;
        let open = |tree: &Tree, access| OpenDisk::open(tree, access, run_dir);
        match (&job.from, &job.to) {
            (Origin::Disk(from), Target::Disk(to)) => {
                let (mut from, mut to) = (open(from, Access::Read)?, open(to, Access::Write)?);
                disk_to_disk(&mut from, &mut to, progress)?;
                Ok(copied_disk(from.size_bytes()))
            }
            (Origin::Nothing, Target::Encrypted(nodes, luks)) => {
                self.encrypt(job.id, nodes, luks)?;
                Ok(Copied::default())
            }
            (Origin::Disk(from), Target::Encrypted(nodes, luks)) => {
                self.encrypt(job.id, nodes, luks)?;
                let mut to = open(&luks.disk(nodes.clone()), Access::Write)?;
                let mut from = open(from, Access::Read)?;
                overwrite(&mut from, &mut to, progress)?;
                Ok(copied_disk(to.size_bytes()))
            }
            (Origin::Backup(id), Target::Encrypted(nodes, luks)) => {
                self.encrypt(job.id, nodes, luks)?;
                let mut to = open(&luks.disk(nodes.clone()), Access::Write)?;
                backup::restore(*id, &mut to, backups.as_ref(), progress)?;
                Ok(copied_disk(to.size_bytes()))
            }
            (Origin::Disk(from), Target::Image(image, format)) => {
                let upload =
                    Upload { image: *image, format: *format, size_bytes_max: u64::MAX, enforce: false };
                let scratch = self.scratch(job.id);
                let scratch = (run_dir.as_path(), scratch.as_path());
                Ok(copied_image(disk_to_image(from, &upload, images.as_ref(), scratch, progress)?))
            }
            (Origin::Disk(from), Target::Backup(id, parent)) => {
                let mut from = open(from, Access::Read)?;
                Ok(copied_backup(backup::write(&mut from, (*id, *parent), backups.as_ref(), progress)?))
            }
            (Origin::Backup(id), Target::Disk(to)) => {
                let mut to = open(to, Access::Write)?;
                backup::restore(*id, &mut to, backups.as_ref(), progress)?;
                Ok(copied_disk(to.size_bytes()))
            }
            (Origin::Backup(id), Target::Nothing) => {
                backup::remove(*id, backups.as_ref())?;
                Ok(Copied::default())
            }
            (Origin::Backup(id), Target::Check) => Ok(copied_backup(backup::check(*id, backups.as_ref())?)),
            (from, to) => Err(format!("nothing is copied from {from:?} to {to:?}").into()),
        }
    }

    /// Makes a volume an empty encrypted one.
    fn encrypt(&self, id: CopyId, nodes: &Json, luks: &Luks) -> storage::Result<()> {
        luks.format(nodes, (&self.places.run_dir, &self.scratch(id)))
    }

    /// A file that is needed while a copy is made.
    fn scratch(&self, id: CopyId) -> PathBuf {
        self.dir.join(format!("{id}.scratch"))
    }

    /// A copy that was removed meanwhile leaves no trace.
    fn ended(&self, job: &Job, progress: &Arc<Progress>, made: Result<Copied, Trouble>) {
        let id = job.id;
        let mut work = self.work();
        work.running.retain(|other| other.id != id);
        self.changed.notify_all();
        if !work.known.get(&id).is_some_and(|known| Arc::ptr_eq(known, progress)) {
            return;
        }
        work.known.remove(&id);
        if let Err(trouble) = &made {
            let error = &trouble.words;
            let before = work.openings.entry(id).or_default();
            *before += 1;
            if *before < openings_max(error) {
                tracing::info!("copy {id} is begun again: {error}");
                return;
            }
        }
        work.openings.remove(&id);
        match made.and_then(|copied| Ok(self.keep(id, &copied).map(|()| copied)?)) {
            Ok(copied) => {
                work.done.insert(id, copied);
            }
            Err(trouble) => {
                work.failed.insert(id, trouble);
            }
        }
        drop(work);
        // An agent that is ending does not listen any more.
        let _ = self.events.send(Event::Copy(id));
    }

    fn keep(&self, id: CopyId, copied: &Copied) -> Result<(), String> {
        let path = self.result(id);
        let temporary = path.with_extension("tmp");
        serde_json::to_vec(copied)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&temporary, bytes))
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(|error| format!("cannot keep what came of copy {id}: {error}"))
    }

    fn result(&self, id: CopyId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

/// How often a copy that ended so is begun, by the words of QEMU's tools.
fn openings_max(error: &str) -> u32 {
    let words = [("Failed to get", OPENINGS_LOCKED_MAX), ("Could not open", OPENINGS_MAX)];
    words.iter().find(|(words, _)| error.contains(words)).map_or(1, |(_, times)| *times)
}

/// What a disk that was written to came to.
fn copied_disk(size_bytes: u64) -> Copied {
    Copied { size_bytes, virtual_size_bytes: size_bytes, ..Copied::default() }
}

fn copied_image(stored: StoredImage) -> Copied {
    Copied {
        size_bytes: stored.size_bytes,
        virtual_size_bytes: stored.virtual_size_bytes,
        md5: Some(stored.md5),
        sha512: Some(stored.sha512),
        objects: 0,
    }
}

pub(crate) fn copied_backup(stored: Stored) -> Copied {
    Copied {
        size_bytes: stored.bytes,
        virtual_size_bytes: stored.disk_bytes,
        objects: stored.objects,
        ..Copied::default()
    }
}
