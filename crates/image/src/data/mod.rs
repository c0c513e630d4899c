//! The bytes of an image: uploads and downloads as streams. An upload claims the image in a short transaction, hands
//! its chunks to a blocking thread that hashes and stores them, and ends in another short transaction; while it lasts
//! it keeps its claim alive. Whatever breaks it off, the image is queued again and nothing is kept.

pub(crate) mod api;
pub(crate) mod ops;
mod receive;
#[cfg(test)]
mod tests;
