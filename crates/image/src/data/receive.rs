//! From a body to the image store: the chunks cross to a blocking thread, a few ahead of it, so that memory stays flat
//! whatever the size.

use std::sync::Arc;

use rest::{Body, Bytes};
use storage::{ImageStore, StoredImage, Upload};
use tokio::sync::mpsc;

use crate::error::Error;

/// How many chunks may wait for the disk.
const CHUNKS_WAITING_MAX: usize = 16;

/// What the body's reader tells the thread that stores.
enum Piece {
    Chunk(Bytes),
    /// The body has come to its end. A channel that closes without this was cut off.
    End,
}

/// Stores a body as an image's bytes, all or nothing: also nothing if it is not as long as was announced.
pub(super) async fn receive(
    images: Arc<dyn ImageStore>,
    upload: Upload,
    mut body: Body,
    announced_bytes: Option<u64>,
) -> Result<StoredImage, Error> {
    let (pieces, arriving) = mpsc::channel(CHUNKS_WAITING_MAX);
    let storing = tokio::task::spawn_blocking(move || store_all(images.as_ref(), &upload, arriving));
    let sent = send_all(&mut body, announced_bytes, &pieces).await;
    drop(pieces);
    let stored =
        storing.await.map_err(|_| Error::Internal("the thread that stores an upload died".to_owned()))?;
    // If the store refused, it has the reason; the body was only not read any further.
    match (sent, stored) {
        (Err(broken), Ok(None)) => Err(broken),
        (_, Ok(Some(stored))) => Ok(stored),
        (Ok(()), Ok(None)) => Err(Error::Internal("an upload ended without an end".to_owned())),
        (_, Err(error)) => Err(error.into()),
    }
}

async fn send_all(
    body: &mut Body,
    announced_bytes: Option<u64>,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), Error> {
    let announced = announced_bytes.unwrap_or(u64::MAX);
    let mismatch =
        |got: String| Error::Invalid(format!("Size mismatch: expected {announced} bytes, got {got}"));
    let mut sent_bytes: u64 = 0;
    while let Some(chunk) = rest::next_chunk(body).await {
        let chunk = chunk?;
        sent_bytes += chunk.len() as u64;
        if sent_bytes > announced {
            return Err(mismatch("more".to_owned()));
        }
        if pieces.send(Piece::Chunk(chunk)).await.is_err() {
            return Ok(());
        }
    }
    if announced_bytes.is_some() && sent_bytes < announced {
        return Err(mismatch(format!("{sent_bytes} bytes")));
    }
    // The thread may have stopped with an error of its own, which says more.
    let _ = pieces.send(Piece::End).await;
    Ok(())
}

/// `None` if the body broke off: then nothing is kept.
fn store_all(
    images: &dyn ImageStore,
    upload: &Upload,
    mut arriving: mpsc::Receiver<Piece>,
) -> Result<Option<StoredImage>, storage::Error> {
    let mut writer = images.writer(upload)?;
    loop {
        match arriving.blocking_recv() {
            Some(Piece::Chunk(chunk)) => writer.write(&chunk)?,
            Some(Piece::End) => return writer.finish().map(Some),
            None => return Ok(None),
        }
    }
}
