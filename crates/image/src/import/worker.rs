//! Working on one import.

use std::io::Read;
use std::time::{Duration, Instant};

use storage::inspect::{HEAD_BYTES, Inspector, inspect};
use storage::{DiskFormat, ImageWriter, Inspection, Refusal, StoredImage, Upload};
use store::{Store, Stored, Tx};
use types::ImageId;

use super::ops::{FAILED, IMPORTING, TASK};
use super::{reconcile, web};
use crate::Config;
use crate::error::{Error, with_causes};
use crate::image::store::IMAGES;
use crate::image::{Image, SILENCE_MAX, Status, UploadClaim};
use crate::stores::{Place, Stores};
use crate::task::store::TASKS;
use crate::task::{KEPT, Method, Task, TaskId, TaskStatus};

/// How much is moved at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// How often a worker says that it is at it.
const RENEW_EVERY: Duration = Duration::from_secs(SILENCE_MAX.as_secs() / 6);

/// Works on one import, in a thread of its own.
pub(super) struct Worker {
    store: Store,
    stores: Stores,
    config: Config,
    id: TaskId,
    token: String,
    renewed: Instant,
}

/// Why the work ended early.
enum Stopped {
    /// The import is not wanted any more, or another worker has it.
    Lost,
    /// It cannot be done, in words for whoever asked.
    Failed(String),
    /// The database; the import is taken up again once the claim has run out.
    Later(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        match error {
            Error::Gone(_) => Stopped::Lost,
            Error::Store(_) => Stopped::Later(error),
            other => Stopped::Failed(failure(&other)),
        }
    }
}

impl From<storage::Error> for Stopped {
    fn from(error: storage::Error) -> Stopped {
        Error::from(error).into()
    }
}

/// What the task's message says of an error; what is wrong with our own disk goes to the log.
fn failure(error: &Error) -> String {
    if let Error::Storage(inner) = error {
        tracing::error!(target: "image::import", "an import cannot use a store: {}", with_causes(inner));
        return "The store cannot be used.".to_owned();
    }
    error.to_string()
}

impl Worker {
    pub(super) fn new(store: Store, stores: Stores, config: Config, id: TaskId) -> Worker {
        let token = runtime::new_uuid().to_string();
        Worker { store, stores, config, id, token, renewed: runtime::monotonic() }
    }

    /// Does all there is to do.
    pub(super) fn run(mut self) {
        let worked = match self.claim() {
            Ok(Some(image)) => self.work(image),
            Ok(None) => return,
            Err(error) => Err(error.into()),
        };
        let ended = match worked {
            Ok(()) => Ok(()),
            Err(Stopped::Lost) => self.give_up(),
            Err(Stopped::Failed(why)) => self.undo(&why),
            Err(Stopped::Later(error)) => Err(error),
        };
        if let Err(error) = ended {
            tracing::warn!(target: "image::import", task = %self.id.0, "an import is put off: {}", with_causes(&error));
        }
    }

    /// Takes the task for this worker; gives the image.
    fn claim(&self) -> Result<Option<Image>, Error> {
        self.write(|tx, id, token| {
            let Some(mut task) = TASKS.load(tx, id.0.as_str())? else { return Ok(None) };
            let now = tx.now();
            if task.status.is_end() || !task.is_free(now) {
                return Ok(None);
            }
            let Some(image) = waiting(tx, &task)? else {
                abandon(tx, &mut task)?;
                return Ok(None);
            };
            task.status = TaskStatus::Processing;
            task.claim = Some(UploadClaim { token: token.to_owned(), heard_at: now, by_node: false });
            save(tx, &mut task)?;
            Ok(Some(image.into_inner()))
        })
    }

    fn work(&mut self, image: Image) -> Result<(), Stopped> {
        let task = self.read_task()?;
        let left = task.left();
        let staged = match task.import.method {
            Method::GlanceDirect => image.stores.first().cloned(),
            Method::WebDownload { .. } | Method::CopyImage => None,
        };
        let mut known = image.stored.clone();
        if let (Some(place), Some(stored), false) = (&staged, &mut known, left.is_empty()) {
            let place = self.place(place)?.clone();
            stored.virtual_size_bytes = self.judge(&image, &place)?;
        }
        let mut source = staged.clone().or_else(|| task.import.done.first().cloned());
        if task.import.method == Method::CopyImage {
            source = image.places().first().cloned();
        }
        for id in left {
            match self.fill(&image, &id, (&task, source.as_deref(), known.as_ref())) {
                Ok(stored) => {
                    self.record(&id, &stored)?;
                    known = Some(stored);
                    source.get_or_insert(id);
                }
                Err(Stopped::Failed(why)) => {
                    self.record_failure(&id, &why)?;
                    if task.import.all_must_succeed {
                        return Err(Stopped::Failed(why));
                    }
                }
                Err(stopped) => return Err(stopped),
            }
        }
        let task = self.read_task()?;
        if task.import.done.is_empty() {
            let why = task.import.failed.first().map_or("there was no store to fill", |(_, why)| why);
            return Err(Stopped::Failed(why.to_owned()));
        }
        if let Some(place) = staged.filter(|place| !task.import.done.contains(place)) {
            self.place(&place)?.images.remove_image(image.id)?;
        }
        Ok(self.end()?)
    }

    fn place(&self, id: &str) -> Result<&Place, Stopped> {
        self.stores.named(id).ok_or_else(|| Stopped::Failed(format!("Store for identifier {id} not found")))
    }

    /// Whether staged bytes are what the image says they are; gives the size of the disk in them.
    fn judge(&mut self, image: &Image, place: &Place) -> Result<u64, Stopped> {
        let length = image.stored.as_ref().map_or(0, |stored| stored.size_bytes);
        let Some(format) = image.disk_format else { return Ok(length) };
        match self.inspected(image, place, format, length)? {
            Ok(inspection) => Ok(inspection.virtual_size_bytes),
            Err(_) if !self.config.enforce_format => Ok(length),
            Err(refusal) => Err(storage::Error::Refused(refusal).into()),
        }
    }

    /// What is seen of stored bytes: their beginning, or all of them where a format needs it.
    fn inspected(
        &mut self,
        image: &Image,
        place: &Place,
        format: DiskFormat,
        length: u64,
    ) -> Result<Result<Inspection, Refusal>, Stopped> {
        let unreadable = |e| Stopped::Failed(format!("The staged bytes cannot be read: {e}"));
        let mut reader = place.images.reader(image.id, 0..length)?;
        if format.driver_to_convert().is_none() {
            let mut head = Vec::with_capacity(HEAD_BYTES);
            reader.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(unreadable)?;
            return Ok(inspect(format, &head, Some(length)));
        }
        let mut inspector = Inspector::new(format);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = reader.read(&mut chunk).map_err(unreadable)?;
            if count == 0 {
                return Ok(inspector.finish());
            }
            if let Err(refusal) = inspector.update(&chunk[..count]) {
                return Ok(Err(refusal));
            }
            self.renew()?;
        }
    }

    /// Puts the bytes into one store.
    fn fill(
        &mut self,
        image: &Image,
        id: &str,
        (task, source, known): (&Task, Option<&str>, Option<&StoredImage>),
    ) -> Result<StoredImage, Stopped> {
        match (source, known, &task.import.method) {
            (Some(source), Some(known), _) if source == id => Ok(known.clone()),
            (Some(source), Some(known), _) => self.copy(image, known, (source, id)),
            (_, _, Method::WebDownload { uri }) => self.download(image, uri, id),
            _ => Err(Stopped::Failed("The image has no bytes to import.".to_owned())),
        }
    }

    fn writer(&self, image: &Image, id: &str, enforce: bool) -> Result<Box<dyn ImageWriter>, Stopped> {
        let format =
            image.disk_format.ok_or_else(|| Stopped::Failed("The image has no format.".to_owned()))?;
        let size_bytes_max = self.config.size_bytes_max;
        let upload = Upload { image: image.id, format, size_bytes_max, enforce };
        Ok(self.place(id)?.images.writer(&upload)?)
    }

    fn download(&mut self, image: &Image, uri: &str, id: &str) -> Result<StoredImage, Stopped> {
        let mut body = web::fetch(&self.config.filtering, uri).map_err(|e| Stopped::Failed(e.to_string()))?;
        let mut writer = self.writer(image, id, self.config.enforce_format)?;
        self.pour(&mut body, writer.as_mut())?;
        body.finish().map_err(|e| Stopped::Failed(e.to_string()))?;
        Ok(writer.finish()?)
    }

    /// Copies what was judged before, from one store to another.
    fn copy(
        &mut self,
        image: &Image,
        known: &StoredImage,
        (from, to): (&str, &str),
    ) -> Result<StoredImage, Stopped> {
        let mut reader = self.place(from)?.images.reader(image.id, 0..known.size_bytes)?;
        let mut writer = self.writer(image, to, false)?;
        self.pour(&mut reader, writer.as_mut())?;
        let stored = writer.finish()?;
        if stored.sha512 == known.sha512 {
            return Ok(known.clone());
        }
        self.place(to)?.images.remove_image(image.id)?;
        Err(Stopped::Failed(format!("The bytes in store {from} are not the image's any more.")))
    }

    fn pour(&mut self, from: &mut dyn Read, to: &mut dyn ImageWriter) -> Result<(), Stopped> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = match from.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Stopped::Failed(format!("The bytes cannot be read: {e}"))),
            };
            to.write(&chunk[..count])?;
            self.renew()?;
        }
    }

    /// Says now and then that the work goes on.
    fn renew(&mut self) -> Result<(), Error> {
        if self.renewed.elapsed() < RENEW_EVERY {
            return Ok(());
        }
        self.write(|tx, id, token| {
            let (mut task, _) = mine(tx, id, token)?;
            let heard_at = tx.now();
            task.claim = Some(UploadClaim { token: token.to_owned(), heard_at, by_node: false });
            Ok(TASKS.save(tx, &mut task)?)
        })?;
        self.renewed = runtime::monotonic();
        Ok(())
    }

    /// A store has the bytes.
    fn record(&self, place: &str, stored: &StoredImage) -> Result<(), Error> {
        let (place, stored) = (place.to_owned(), stored.clone());
        self.write(move |tx, id, token| {
            let (mut task, mut image) = mine(tx, id, token)?;
            task.import.done.push(place.clone());
            if task.import.method == Method::CopyImage {
                image.stores = image.places();
                image.stores.push(place.clone());
            } else {
                image.stored = Some(stored.clone());
            }
            save_both(tx, &mut task, &mut image)
        })
    }

    fn record_failure(&self, place: &str, why: &str) -> Result<(), Error> {
        let failed = (place.to_owned(), why.to_owned());
        self.write(move |tx, id, token| {
            let (mut task, mut image) = mine(tx, id, token)?;
            task.import.failed.push(failed.clone());
            save_both(tx, &mut task, &mut image)
        })
    }

    /// All stores that can have the bytes have them.
    fn end(&self) -> Result<(), Error> {
        self.write(|tx, id, token| {
            let (mut task, mut image) = mine(tx, id, token)?;
            if task.import.method != Method::CopyImage {
                image.status = Status::Active;
                image.stores = task.import.done.clone();
            }
            image.properties.remove(TASK);
            finish(tx, &mut task, TaskStatus::Success)?;
            save_both(tx, &mut task, &mut image)
        })
    }

    /// Removes what was stored, and then says that it failed.
    fn undo(&self, why: &str) -> Result<(), Error> {
        let task = self.read_task()?;
        let copies = task.import.method == Method::CopyImage;
        let image_id = task.image_id;
        let mut filled = task.import.stores.clone();
        if copies {
            filled = task.import.done.clone();
            // Nobody is sent to a store that is about to lose the bytes.
            self.write(|tx, id, token| {
                let (mut task, mut image) = mine(tx, id, token)?;
                let done = std::mem::take(&mut task.import.done);
                image.stores = image.places();
                image.stores.retain(|place| !done.contains(place));
                save_both(tx, &mut task, &mut image)
            })?;
        } else {
            filled.extend(self.stores.ids());
        }
        for place in filled.iter().filter_map(|id| self.stores.named(id)) {
            place.images.remove_image(image_id)?;
        }
        let why = why.to_owned();
        self.write(move |tx, id, token| {
            let (mut task, mut image) = mine(tx, id, token)?;
            if !copies {
                image.status = Status::Queued;
                image.stored = None;
                image.stores = Vec::new();
                task.import.done.clear();
            }
            image.properties.remove(TASK);
            task.message = why.clone();
            finish(tx, &mut task, TaskStatus::Failure)?;
            save_both(tx, &mut task, &mut image)
        })
    }

    /// The image went while it was filled: its reconciler removes what was stored, and the task ends.
    fn give_up(&self) -> Result<(), Error> {
        self.write(|tx, id, token| {
            let Some(mut task) = TASKS.load(tx, id.0.as_str())? else { return Ok(()) };
            if task.is_claimed_by(token) { abandon(tx, &mut task) } else { Ok(()) }
        })
    }

    fn read_task(&self) -> Result<Task, Error> {
        self.write(|tx, id, token| Ok(mine(tx, id, token)?.0.into_inner()))
    }

    fn write<T: Send + 'static>(
        &self,
        run: impl Fn(&mut Tx<'_>, &TaskId, &str) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let (id, token) = (self.id.clone(), self.token.clone());
        self.store.write_blocking(move |tx| run(tx, &id, &token))
    }
}

/// The task and its image, as long as this worker has the one and the other still waits for it.
fn mine(tx: &mut Tx<'_>, id: &TaskId, token: &str) -> Result<(Stored<Task>, Stored<Image>), Error> {
    let gone = || Error::Gone(ImageId(Default::default()));
    let task = TASKS.load(tx, id.0.as_str())?.filter(|task| task.is_claimed_by(token)).ok_or_else(gone)?;
    let image = waiting(tx, &task)?.ok_or_else(gone)?;
    Ok((task, image))
}

/// The image, if it still waits for this task.
fn waiting(tx: &mut Tx<'_>, task: &Task) -> Result<Option<Stored<Image>>, Error> {
    let waits = |image: &Stored<Image>| {
        image.status != Status::Deleted && image.properties.get(TASK) == Some(&task.id.0)
    };
    Ok(IMAGES.load(tx, task.image_id)?.filter(waits))
}

/// Ends a task whose image has gone, and has the image's reconciler remove what was stored.
fn abandon(tx: &mut Tx<'_>, task: &mut Stored<Task>) -> Result<(), Error> {
    tx.kick(crate::image::reconcile::KIND, task.image_id)?;
    "The image was deleted.".clone_into(&mut task.message);
    finish(tx, task, TaskStatus::Failure)?;
    save(tx, task)
}

fn save(tx: &mut Tx<'_>, task: &mut Stored<Task>) -> Result<(), Error> {
    task.updated_at = tx.now();
    Ok(TASKS.save(tx, task)?)
}

/// Saves both, the image with what it tells of the import.
fn save_both(tx: &mut Tx<'_>, task: &mut Stored<Task>, image: &mut Stored<Image>) -> Result<(), Error> {
    let left = if task.status.is_end() { Vec::new() } else { task.left() };
    let failed: Vec<&str> = task.import.failed.iter().map(|(place, _)| place.as_str()).collect();
    image.properties.insert(IMPORTING.to_owned(), left.join(","));
    image.properties.insert(FAILED.to_owned(), failed.join(","));
    image.updated_at = tx.now();
    IMAGES.save(tx, image)?;
    save(tx, task)
}

fn finish(tx: &mut Tx<'_>, task: &mut Stored<Task>, status: TaskStatus) -> Result<(), Error> {
    task.status = status;
    task.claim = None;
    task.expires_at = Some(tx.now().plus(KEPT));
    Ok(tx.kick(reconcile::KIND, &task.id.0)?)
}
