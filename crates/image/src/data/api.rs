//! Uploads and downloads over HTTP.

use std::future::Future;
use std::io::Read;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use rest::{Body, Method, Reply, ReplyBody, Request, Routes};
use storage::Upload;
use store::Tx;
use types::ImageId;

use super::ops::{Purpose, Sender};
use super::{ops, receive};
use crate::Shared;
use crate::cache::Source;
use crate::error::Error;
use crate::image::api::image_id;

/// How much of a download is read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The routes of image bytes.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let downloads = shared.clone();
    Routes::new()
        .stream(Method::PUT, "/v2/images/{id}/file", false, receiving(shared, Purpose::Upload))
        .stream(Method::PUT, "/v2/images/{id}/stage", false, receiving(shared, Purpose::Stage))
        .stream(Method::GET, "/v2/images/{id}/file", false, move |request, _body| {
            download(downloads.clone(), request)
        })
}

/// A handler that takes bytes.
fn receiving(
    shared: &Arc<Shared>,
    purpose: Purpose,
) -> impl Fn(Request, Body) -> Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>> + Send + Sync + 'static
{
    let shared = shared.clone();
    move |request, body| {
        // A task of its own: a client that goes away must not end it before the image is queued again.
        let task = runtime::spawn(upload(shared.clone(), request, body, purpose));
        Box::pin(async move {
            let died = |_| Error::Internal("the task of an upload died".to_owned());
            task.await.map_err(died)?
        })
    }
}

/// How many bytes the client says there are. None of them is a size not known, as upstream.
fn length(request: &Request) -> Result<Option<u64>, Error> {
    let invalid = |_| Error::Invalid("Invalid or missing image size in request headers.".to_owned());
    let said = match request.header("x-openstack-image-size") {
        Some(said) => Some(said.trim().parse().map_err(invalid)?),
        None => request.header("content-length").and_then(|length| length.parse().ok()),
    };
    Ok(said.filter(|size_bytes| *size_bytes > 0))
}

async fn upload(shared: Arc<Shared>, request: Request, body: Body, purpose: Purpose) -> Result<Reply, Error> {
    let id = image_id(&request)?;
    if purpose == Purpose::Stage && !shared.config.offers("glance-direct") {
        let text = "'glance-direct' method is not available at this site.";
        return Err(Error::NoSuch(text.to_owned()));
    }
    let media = request.header("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_owned();
    if media != "application/octet-stream" {
        let text = format!("The request media type {media} is not supported by this server.");
        return Err(Error::MediaType(text));
    }
    let size_bytes = length(&request)?;
    let size_bytes_max = shared.config.size_bytes_max;
    if size_bytes.is_some_and(|length| length > size_bytes_max) {
        return Err(storage::Error::TooLarge { size_bytes_max }.into());
    }
    let place = match request.header("x-image-meta-store").filter(|_| purpose == Purpose::Upload) {
        None => shared.stores.default().clone(),
        Some(id) => {
            let unknown = || Error::Invalid(format!("Store for identifier {id} not found"));
            shared.stores.named(id).cloned().ok_or_else(unknown)?
        }
    };
    let token = runtime::new_uuid().to_string();
    let sender = Sender { caller: request.caller().clone(), purpose, size_bytes, token: token.clone() };
    let claiming = shared.clone();
    let format = shared.store.write(move |tx| ops::claim(tx, &claiming, id, &sender)).await?;
    // What is staged is judged when it is imported.
    let enforce = shared.config.enforce_format && purpose == Purpose::Upload;
    let upload = Upload { image: id, format, size_bytes_max, enforce };
    let receiving = receive::receive(place.images.clone(), upload, body, size_bytes);
    let received = tokio::select! {
        biased;
        received = receiving => received,
        lost = keep_claim(&shared, id, &token) => Err(lost),
    };
    match received {
        Ok(stored) => {
            let place = place.id.clone();
            let finish = move |tx: &mut Tx<'_>| ops::finish(tx, id, &token, (&place, stored.clone()));
            match shared.store.write(finish).await? {
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

/// The stores that `?prefer=` names.
fn preferred(shared: &Shared, request: &Request) -> Result<Vec<String>, Error> {
    let asked = request.query("prefer").unwrap_or_default();
    let asked: Vec<String> =
        asked.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    match asked.iter().find(|id| shared.stores.named(id).is_none()) {
        Some(id) => Err(Error::Invalid(format!("Store '{id}' is not configured."))),
        None => Ok(asked),
    }
}

async fn download(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let id = image_id(&request)?;
    let caller = request.caller().clone();
    let prefer = preferred(&shared, &request)?;
    let found = shared.store.read(move |tx| ops::download(&caller, tx, id, &prefer)).await?;
    let Some((content, places)) = found else { return Ok(Reply::empty(204)) };
    let size = content.size_bytes;
    let part = part(&request, size)?;
    let wanted = part.clone().unwrap_or(0..size);
    let source =
        Source { cache: shared.stores.cache().cloned(), place: shared.stores.first_of(&places)?.clone() };
    let (md5, read) = (content.md5.clone(), wanted.clone());
    let opened = tokio::task::spawn_blocking(move || source.open(id, &content, read)).await;
    let reader = opened.map_err(|_| Error::Internal("the thread that opens an image died".to_owned()))??;
    let length = wanted.end - wanted.start;
    let reply = Reply {
        status: if part.is_some() { 206 } else { 200 },
        headers: Vec::new(),
        body: ReplyBody::Stream(Box::new(ReadChunks(reader)), Some(length)),
    };
    let reply = reply
        .header("content-type", "application/octet-stream")
        .header("accept-ranges", "bytes")
        .header("content-md5", md5);
    Ok(match part {
        Some(part) => reply.header("content-range", format!("bytes {}-{}/{size}", part.start, part.end - 1)),
        None => reply,
    })
}

/// The part that a request asks for; `None` for the whole. Glance understands `Content-Range` in a request too, and
/// leaves out nothing that it does not understand.
fn part(request: &Request, size: u64) -> Result<Option<Range<u64>>, Error> {
    let asked = match (request.header("range"), request.header("content-range")) {
        (Some(header), _) if header.contains(',') => {
            let text = "Requests with multiple ranges are not supported in Glance. You may make multiple \
                        single-range requests instead.";
            return Err(Error::Invalid(text.to_owned()));
        }
        (Some(header), _) => ("Range", range(header, size)),
        (None, Some(header)) => ("Content-Range", content_range(header, size)),
        (None, None) => return Ok(None),
    };
    let (name, asked) = asked;
    let refused = |why: String| Error::Range(format!("{why} in {name} header."));
    let asked = asked.ok_or_else(|| Error::Range(format!("Invalid {name} header.")))?;
    if asked.start >= size {
        let last = size.saturating_sub(1);
        return Err(refused(format!(
            "Invalid start position: it must be in the inclusive range [0, {last}],"
        )));
    }
    if asked.end > size {
        return Err(refused("Invalid stop position".to_owned()));
    }
    Ok(Some(asked))
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// `bytes=1-3`, `bytes=4-`, `bytes=-5`.
fn range(header: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => {
            Some(first..last.saturating_add(1).min(size.max(first.saturating_add(1))))
        }
        (Some(first), None) if last.trim().is_empty() => Some(first..size),
        (None, Some(count)) if first.trim().is_empty() => Some(size.saturating_sub(count)..size),
        _ => None,
    }
}

/// `bytes 1-3/10`, `bytes 1-3/*`.
fn content_range(header: &str, size: u64) -> Option<Range<u64>> {
    let (part, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let end = last.checked_add(1)?;
    let known = total.trim() == "*" || number(total).is_some_and(|total| end <= total);
    (first <= last && known).then(|| first..if total.trim() == "*" { end } else { end.min(size.max(first)) })
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
