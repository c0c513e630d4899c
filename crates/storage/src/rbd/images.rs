//! The image store in a cluster, as its clients see it.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;

use types::ImageId;

use super::client::{Client, Pending};
use super::names;
use super::wire::{Fault, Request};
use crate::file::Hashes;
use crate::{Error, ImageStore, ImageWriter, Result, StoredImage, Upload};

/// How much is sent, or asked for, at once.
const CHUNK_BYTES: usize = 4 << 20;
/// How many chunks are on their way.
const IN_FLIGHT: usize = 4;

/// Keeps the bytes of images as RBD images.
#[derive(Clone)]
pub struct RbdImages {
    client: Client,
}

impl RbdImages {
    pub(super) fn new(client: Client) -> RbdImages {
        RbdImages { client }
    }
}

impl ImageStore for RbdImages {
    fn writer(&self, upload: &Upload) -> Result<Box<dyn ImageWriter>> {
        let name = names::upload(upload.image, runtime::random_u64());
        let () = self.client.ask_again(&Request::UploadBegin { upload: name.clone() }, &[])?.0;
        Ok(Box::new(RbdWriter {
            scratch: Scratch { client: self.client.clone(), name: Some(name) },
            upload: upload.clone(),
            hashes: Hashes::default(),
            waiting: Vec::with_capacity(CHUNK_BYTES),
            in_flight: VecDeque::new(),
            sent_bytes: 0,
        }))
    }

    fn reader(&self, image: ImageId, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        let (size_bytes, _): (u64, _) = self.client.ask_again(&Request::ImageHead { image }, &[])?;
        let end = range.end.min(size_bytes);
        Ok(Box::new(RbdReader {
            client: self.client.clone(),
            image,
            next: range.start.min(end),
            end,
            in_flight: VecDeque::new(),
            chunk: Vec::new(),
            taken: 0,
        }))
    }

    fn observe_image(&self, image: ImageId) -> Result<Option<u64>> {
        match self.client.ask_again::<u64>(&Request::ImageHead { image }, &[]) {
            Err(Fault::NoImage(_)) => Ok(None),
            asked => Ok(Some(asked?.0)),
        }
    }

    fn observe_images(&self) -> Result<Vec<ImageId>> {
        Ok(self.client.ask(&Request::ImageList)?)
    }

    fn remove_image(&self, image: ImageId) -> Result<()> {
        Ok(self.client.ask(&Request::ImageRemove { image })?)
    }

    fn sweep(&self) -> Result<usize> {
        Ok(self.client.ask(&Request::ImageSweep)?)
    }
}

/// Drops the upload unless it was finished.
struct Scratch {
    client: Client,
    name: Option<String>,
}

impl Scratch {
    fn name(&self) -> String {
        self.name.clone().unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(upload) = self.name.take()
            && let Err(fault) = self.client.ask::<()>(&Request::UploadDrop { upload })
        {
            let error = Error::from(fault);
            tracing::warn!("an unfinished upload stays until it is swept: {error}");
        }
    }
}

struct RbdWriter {
    scratch: Scratch,
    upload: Upload,
    hashes: Hashes,
    waiting: Vec<u8>,
    /// Chunks that are not known to be in the cluster; they are sent again if the child ends.
    in_flight: VecDeque<(Pending, u64, Vec<u8>)>,
    sent_bytes: u64,
}

impl RbdWriter {
    fn request(&self, offset: u64) -> Request {
        Request::UploadWrite { upload: self.scratch.name(), offset }
    }

    fn send_chunk(&mut self) -> Result<()> {
        let chunk = std::mem::replace(&mut self.waiting, Vec::with_capacity(CHUNK_BYTES));
        if chunk.is_empty() {
            return Ok(());
        }
        let offset = self.sent_bytes;
        self.sent_bytes += chunk.len() as u64;
        let request = self.request(offset);
        match self.scratch.client.send(&request, &chunk) {
            Ok(pending) => self.in_flight.push_back((pending, offset, chunk)),
            Err(_) => {
                let () = self.scratch.client.ask_again(&request, &chunk)?.0;
            }
        }
        self.settle(IN_FLIGHT - 1)
    }

    /// Waits until at most so many chunks are on their way.
    fn settle(&mut self, left: usize) -> Result<()> {
        while self.in_flight.len() > left {
            let Some((pending, offset, chunk)) = self.in_flight.pop_front() else { break };
            match pending.answer::<()>() {
                Err(Fault::Unusable { .. }) => {
                    let request = self.request(offset);
                    let () = self.scratch.client.ask_again(&request, &chunk)?.0;
                }
                done => {
                    done?;
                }
            }
        }
        Ok(())
    }
}

impl ImageWriter for RbdWriter {
    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        self.hashes.update(&self.upload, chunk)?;
        let mut rest = chunk;
        while !rest.is_empty() {
            let room = CHUNK_BYTES - self.waiting.len();
            let (now, later) = rest.split_at(rest.len().min(room));
            self.waiting.extend_from_slice(now);
            rest = later;
            if self.waiting.len() == CHUNK_BYTES {
                self.send_chunk()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<StoredImage> {
        self.send_chunk()?;
        self.settle(0)?;
        let hashes = std::mem::take(&mut self.hashes);
        let stored = hashes.finish(&self.upload)?;
        let (image, size_bytes) = (self.upload.image, stored.size_bytes);
        let request = Request::UploadFinish { upload: self.scratch.name(), image, size_bytes };
        let client = self.scratch.client.clone();
        let () = client.ask_again(&request, &[])?.0;
        self.scratch.name = None;
        // Volumes are made of it soon. An image that cannot be converted is an image all the same.
        let format = self.upload.format;
        if self.upload.enforce
            && format.driver().is_some()
            && let Err(fault) = client.ask::<()>(&Request::ImageConvert { image, format })
        {
            let error = Error::from(fault);
            tracing::warn!("image {image} is converted when a volume is made of it: {error}");
        }
        Ok(stored)
    }
}

struct RbdReader {
    client: Client,
    image: ImageId,
    next: u64,
    end: u64,
    in_flight: VecDeque<(Option<Pending>, Request)>,
    chunk: Vec<u8>,
    taken: usize,
}

impl RbdReader {
    fn fill(&mut self) -> Result<()> {
        while self.in_flight.len() < IN_FLIGHT && self.next < self.end {
            let length = usize::try_from(self.end - self.next).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let request = Request::ImageRead { image: self.image, offset: self.next, length };
            self.next += length as u64;
            self.in_flight.push_back((self.client.send(&request, &[]).ok(), request));
        }
        let Some((pending, request)) = self.in_flight.pop_front() else { return Ok(()) };
        let answered = pending.map(Pending::answer::<()>);
        let ((), bytes) = match answered {
            Some(Ok(answered)) => answered,
            None | Some(Err(Fault::Unusable { .. })) => self.client.ask_again(&request, &[])?,
            Some(Err(fault)) => return Err(fault.into()),
        };
        (self.chunk, self.taken) = (bytes, 0);
        Ok(())
    }
}

impl Read for RbdReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.chunk.len() {
            self.fill().map_err(io::Error::other)?;
        }
        let rest = &self.chunk[self.taken..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}
