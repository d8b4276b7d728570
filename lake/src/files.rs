//! Uploaded files: bytes under a name that is their own, in a place apart from tables and objects.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Error, Result};

/// The store of uploaded files. A file is written once, under a new key, and never changed.
#[async_trait]
pub trait Files: Send + Sync + 'static {
    /// Stores a file, durably, once all bytes have come; of one that breaks off nothing stays. Gives its bytes.
    async fn put(&self, key: &str, bytes: BoxStream<'static, Result<Bytes>>) -> Result<u64>;

    /// Some bytes of a file.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    async fn get(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>>;

    /// Removes a file; an absent one is fine.
    async fn delete(&self, key: &str) -> Result<()>;
}

/// Checks the key of a file: the text of a UUID.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_file_key(key: &str) -> Result<()> {
    let fits = key.len() == 36 && key.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if fits { Ok(()) } else { Err(Error::invalid("a file's key is a UUID")) }
}
