//! What is computed while the bytes of an image pass: hashes, and whether they are what they should be.
//!
//! A large upload is hashed by two threads, one for each hash, so that it comes as fast as the slower of the disk and
//! one hash. A small one is not worth a thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use fast_md5::Md5;
use sha2::{Digest, Sha512};

use crate::inspect::Inspector;
use crate::{Error, Result, StoredImage, Upload};

/// From here on threads hash.
const INLINE_BYTES_MAX: u64 = 8 << 20;
/// How much a thread is handed at a time.
const BATCH_BYTES: usize = 1 << 20;
/// How many batches may wait for a thread. With those in work and the batches' unused ends they are at most 30 MiB an upload,
/// and mostly half of that.
const BATCHES_WAITING_MAX: usize = 12;

/// What is computed while bytes pass.
#[derive(Default)]
pub(crate) struct Hashes {
    inspector: Option<Inspector>,
    md5: Running<Md5>,
    sha512: Running<Sha512>,
    /// What no thread has been handed yet.
    batch: Vec<u8>,
    /// What the threads were handed, oldest first: a batch that both are done with is filled again, for fresh memory
    /// costs the kernel more than the copy into it.
    handed: VecDeque<Arc<Vec<u8>>>,
    length: u64,
}

impl Hashes {
    /// Takes the next bytes, and judges the header once it is complete.
    pub(crate) fn update(&mut self, upload: &Upload, chunk: &[u8]) -> Result<()> {
        self.length += chunk.len() as u64;
        if self.length > upload.size_bytes_max {
            return Err(Error::TooLarge { size_bytes_max: upload.size_bytes_max });
        }
        let inspector = self.inspector.get_or_insert_with(|| Inspector::new(upload.format));
        match inspector.update(chunk) {
            Err(refusal) if upload.enforce => return Err(Error::Refused(refusal)),
            _ => {}
        }
        if self.length <= INLINE_BYTES_MAX {
            self.md5.update(chunk);
            self.sha512.update(chunk);
            return Ok(());
        }
        self.batch.extend_from_slice(chunk);
        if self.batch.len() >= BATCH_BYTES {
            self.hand_over()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<()> {
        let batch = Arc::new(std::mem::take(&mut self.batch));
        self.md5.hand("md5", &batch)?;
        self.sha512.hand("sha512", &batch)?;
        self.handed.push_back(batch);
        self.batch = self.emptied().unwrap_or_else(|| Vec::with_capacity(2 * BATCH_BYTES));
        Ok(())
    }

    /// The oldest batch, if nobody reads it any more.
    fn emptied(&mut self) -> Option<Vec<u8>> {
        let oldest = self.handed.pop_front_if(|batch| Arc::strong_count(batch) == 1)?;
        let mut batch = Arc::into_inner(oldest)?;
        batch.clear();
        Some(batch)
    }

    /// Judges the whole.
    pub(crate) fn finish(mut self, upload: &Upload) -> Result<StoredImage> {
        let inspector = self.inspector.take().unwrap_or_else(|| Inspector::new(upload.format));
        let virtual_size_bytes = match inspector.finish() {
            Ok(inspection) => inspection.virtual_size_bytes,
            Err(_) if !upload.enforce => self.length,
            Err(refusal) => return Err(Error::Refused(refusal)),
        };
        self.hand_over()?;
        Ok(StoredImage {
            size_bytes: self.length,
            virtual_size_bytes,
            md5: hex(&self.md5.finish()?),
            sha512: hex(&self.sha512.finish()?),
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

/// What bytes are put into, and one value comes out of.
trait Hash: Send + 'static {
    fn begin() -> Self;
    fn update(&mut self, bytes: &[u8]);
    fn finish(self) -> Vec<u8>;
}

impl Hash for Md5 {
    fn begin() -> Md5 {
        Md5::new()
    }

    fn update(&mut self, bytes: &[u8]) {
        Md5::update(self, bytes);
    }

    fn finish(self) -> Vec<u8> {
        self.finalize().to_vec()
    }
}

impl Hash for Sha512 {
    fn begin() -> Sha512 {
        Sha512::default()
    }

    fn update(&mut self, bytes: &[u8]) {
        Digest::update(self, bytes);
    }

    fn finish(self) -> Vec<u8> {
        self.finalize().to_vec()
    }
}

/// A hash on its way: here, or in a thread that takes batches until there are no more.
enum Running<D> {
    Here(D),
    There(SyncSender<Arc<Vec<u8>>>, JoinHandle<D>),
    /// Its thread died.
    Lost,
}

impl<D: Hash> Default for Running<D> {
    fn default() -> Self {
        Running::Here(D::begin())
    }
}

impl<D: Hash> Running<D> {
    fn update(&mut self, chunk: &[u8]) {
        if let Running::Here(hash) = self {
            hash.update(chunk);
        }
    }

    /// Gives a batch to the hash's thread, which is started by the first that is not empty.
    fn hand(&mut self, name: &str, batch: &Arc<Vec<u8>>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        *self = match std::mem::replace(self, Running::Lost) {
            Running::Here(hash) => start(name, hash)?,
            other => other,
        };
        match self {
            Running::There(batches, _) if batches.send(batch.clone()).is_ok() => Ok(()),
            _ => Err(died()),
        }
    }

    fn finish(self) -> Result<Vec<u8>> {
        let hash = match self {
            Running::Here(hash) => hash,
            Running::There(batches, thread) => {
                drop(batches);
                thread.join().map_err(|_| died())?
            }
            Running::Lost => return Err(died()),
        };
        Ok(hash.finish())
    }
}

fn start<D: Hash>(name: &str, mut hash: D) -> Result<Running<D>> {
    let (batches, arriving) = sync_channel::<Arc<Vec<u8>>>(BATCHES_WAITING_MAX);
    let work = move || {
        for batch in arriving {
            hash.update(batch.as_slice());
        }
        hash
    };
    let thread = runtime::spawn_thread(name, work)
        .map_err(|source| Error::Io { doing: "start a thread that hashes".to_owned(), source })?;
    Ok(Running::There(batches, thread))
}

fn died() -> Error {
    let source = std::io::Error::other("the thread died");
    Error::Io { doing: "hash an upload".to_owned(), source }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pairs = bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
    pairs.map(char::from).collect()
}
