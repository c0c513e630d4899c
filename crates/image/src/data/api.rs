//! Uploads and downloads over HTTP.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use rest::{Body, Method, Reply, ReplyBody, Request, Routes};
use storage::Upload;
use types::ImageId;

use super::{ops, receive};
use crate::Shared;
use crate::error::Error;
use crate::image::api::image_id;

/// How much of a download is read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The routes of image bytes.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let path = "/v2/images/{id}/file";
    let (uploads, downloads) = (shared.clone(), shared.clone());
    Routes::new()
        .stream(Method::PUT, path, false, move |request, body| {
            // A task of its own: a client that goes away must not end it before the image is queued again.
            let task = runtime::spawn(upload(uploads.clone(), request, body));
            async move {
                let died = |_| Error::Internal("the task of an upload died".to_owned());
                task.await.map_err(died)?
            }
        })
        .stream(Method::GET, path, false, move |request, _body| download(downloads.clone(), request))
}

async fn upload(shared: Arc<Shared>, request: Request, body: Body) -> Result<Reply, Error> {
    let id = image_id(&request)?;
    let media = request.header("content-type").unwrap_or_default();
    if media.split(';').next().map(str::trim) != Some("application/octet-stream") {
        return Err(Error::MediaType("Image bytes are of type application/octet-stream.".to_owned()));
    }
    let length: Option<u64> = request.header("content-length").and_then(|length| length.parse().ok());
    let size_bytes_max = shared.config.size_bytes_max;
    if length.is_some_and(|length| length > size_bytes_max) {
        return Err(storage::Error::TooLarge { size_bytes_max }.into());
    }
    let token = runtime::new_uuid().to_string();
    let (caller, claimed) = (request.caller().clone(), token.clone());
    let format = shared.store.write(move |tx| ops::claim(&caller, tx, id, &claimed)).await?;
    let upload = Upload { image: id, format, size_bytes_max, enforce: shared.config.enforce_format };
    let receiving = receive::receive(shared.images.clone(), upload, body);
    let received = tokio::select! {
        biased;
        received = receiving => received,
        lost = keep_claim(&shared, id, &token) => Err(lost),
    };
    match received {
        Ok(stored) => {
            match shared.store.write(move |tx| ops::finish(tx, id, &token, stored.clone())).await? {
                true => Ok(Reply::empty(204)),
                false => Err(Error::Gone(id)),
            }
        }
        Err(error) => {
            shared.store.write(move |tx| ops::release(tx, id, &token)).await?;
            Err(error)
        }
    }
}

/// Says now and then that the upload goes on; returns once it is not wanted any more.
async fn keep_claim(shared: &Shared, id: ImageId, token: &str) -> Error {
    loop {
        runtime::sleep(ops::RENEW_EVERY).await;
        let token = token.to_owned();
        match shared.store.write(move |tx| ops::renew(tx, id, &token)).await {
            Ok(()) => {}
            Err(gone @ Error::Gone(_)) => return gone,
            // The database may come back before the claim is lost.
            Err(error) => {
                tracing::warn!(target: "image::data", image = %id, "cannot renew an upload: {error}")
            }
        }
    }
}

async fn download(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let id = image_id(&request)?;
    let caller = request.caller().clone();
    let found = shared.store.read(move |tx| ops::download(&caller, tx, id)).await?;
    let Some(stored) = found else { return Ok(Reply::empty(204)) };
    let size = stored.size_bytes;
    let part = request.header("range").map(|header| range(header, size)).transpose()?.flatten();
    let wanted = part.clone().unwrap_or(0..size);
    let (images, read) = (shared.images.clone(), wanted.clone());
    let opened = tokio::task::spawn_blocking(move || images.reader(id, read)).await;
    let reader = opened.map_err(|_| Error::Internal("the thread that opens an image died".to_owned()))??;
    let length = wanted.end - wanted.start;
    let reply = Reply {
        status: if part.is_some() { 206 } else { 200 },
        headers: Vec::new(),
        body: ReplyBody::Stream(Box::new(ReadChunks(reader)), Some(length)),
    };
    let reply = reply.header("content-type", "application/octet-stream").header("accept-ranges", "bytes");
    Ok(match part {
        Some(part) => reply.header("content-range", format!("bytes {}-{}/{size}", part.start, part.end - 1)),
        None => reply.header("content-md5", stored.md5),
    })
}

/// The bytes that a `Range` header asks for; `None` if it is none that must be understood.
fn range(header: &str, size: u64) -> Result<Option<Range<u64>>, Error> {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|part| part.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let asked = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Ok(None),
    };
    if asked.start < asked.end { Ok(Some(asked)) } else { Err(Error::Range(size)) }
}

/// A reader as chunks.
struct ReadChunks(Box<dyn Read + Send>);

impl Iterator for ReadChunks {
    type Item = std::io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        match self.0.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk) {
            Ok(0) => None,
            Ok(_) => Some(Ok(chunk)),
            Err(error) => Some(Err(error)),
        }
    }
}
