//! Object Storage: buckets as folders below `objects/`, objects by key, and stages, where files wait until they are published.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Error, Result};

/// Bytes of a key.
const MAX_KEY: usize = 1_024;

/// An object as it was listed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Object {
    /// Its bucket.
    pub bucket: String,
    /// Its key in the bucket, checked.
    pub key: String,
    /// Bytes.
    pub bytes: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    /// Another one when it was written again.
    pub tag: String,
}

/// A folder of files that nobody sees yet; one for each output of a run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The run's id: letters, digits and dashes.
    pub run: String,
    /// The output's number.
    pub output: i64,
}

/// The store of objects. A path never leads out of its bucket, and no symbolic link is followed.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// The names of all buckets, sorted.
    async fn buckets(&self) -> Result<Vec<String>>;

    /// Whether a bucket is there.
    async fn has_bucket(&self, bucket: &str) -> Result<bool>;

    /// Makes a bucket; false if it was there.
    async fn make_bucket(&self, bucket: &str) -> Result<bool>;

    /// Removes a bucket; false if it holds objects.
    async fn remove_bucket(&self, bucket: &str) -> Result<bool>;

    /// Objects whose keys begin with a text, from after a key on, sorted by key byte by byte, at most so many.
    async fn list(&self, bucket: &str, prefix: &str, after: &str, limit: usize) -> Result<Vec<Object>>;

    /// One object.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    async fn head(&self, bucket: &str, key: &str) -> Result<Object>;

    /// The bytes of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    async fn get(&self, bucket: &str, key: &str) -> Result<(Object, BoxStream<'static, Result<Bytes>>)>;

    /// Where an object lies on the local disk, if it does: for reading at once.
    async fn local(&self, _bucket: &str, _key: &str) -> Result<Option<std::path::PathBuf>> {
        Ok(None)
    }

    /// Stores an object over an earlier one, durably, once all bytes have come.
    async fn put(&self, bucket: &str, key: &str, bytes: BoxStream<'static, Result<Bytes>>) -> Result<Object>;

    /// Removes an object; an absent one is fine.
    async fn delete(&self, bucket: &str, key: &str) -> Result<()>;

    /// Gives a file of a stage its key. If it is not there any more, the object must be: then it was published before.
    async fn publish(&self, stage: &Place, file: &str, bucket: &str, key: &str) -> Result<()>;

    /// Removes a stage with all its files.
    async fn clear(&self, stage: &Place) -> Result<()>;

    /// Removes stages that are older than any run can be.
    async fn sweep_stages(&self, older_than: std::time::Duration) -> Result<()>;
}

/// Checks the name of a bucket that is to be made: 3 to 63 lowercase letters, digits, dots and dashes, a letter or digit at both ends.
///
/// # Errors
/// [`Error::Invalid`] says the rule.
pub fn check_new_bucket(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(plain) && name.bytes().last().is_some_and(plain);
    let fits = (3..=63).contains(&name.len()) && ends && name.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'-'));
    if fits && !name.contains("..") {
        return Ok(());
    }
    Err(Error::invalid("a bucket's name has 3 to 63 lowercase letters, digits, dots and dashes, a letter or digit at both ends"))
}

/// Checks the name of a bucket that may have been made by hand: one plain folder name.
///
/// # Errors
/// [`Error::Invalid`] says the rule.
pub fn check_bucket(name: &str) -> Result<()> {
    let fits =
        (1..=255).contains(&name.len()) && !name.starts_with('.') && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
    if fits { Ok(()) } else { Err(Error::invalid("a bucket's name is one plain name")) }
}

/// Checks an object's key: 1 to 1,024 bytes, segments that are neither empty nor `.` nor `..`, no control characters, no backslash.
///
/// # Errors
/// [`Error::Invalid`] says the rule.
pub fn check_key(key: &str) -> Result<()> {
    let plain = |segment: &str| !matches!(segment, "" | "." | "..") && segment.len() <= 255;
    let fits = key.len() <= MAX_KEY && !key.chars().any(|c| c.is_control() || c == '\\') && key.split('/').all(plain);
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a key has 1 to {MAX_KEY} bytes, no control characters and no backslash; its parts between slashes are not empty, not . and not .."
    )))
}

/// Checks a prefix by which objects are read and written, and gives it without slashes at its ends; it may be empty.
///
/// # Errors
/// [`Error::Invalid`] says the rule.
pub fn check_prefix(prefix: &str) -> Result<String> {
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() {
        check_key(prefix).map_err(|_| Error::invalid("a prefix is a key, or empty"))?;
    }
    Ok(prefix.to_owned())
}

impl Object {
    /// Whether a key lies under a prefix, segment by segment: `raw/orders` holds itself and `raw/orders/…`, not `raw/orders2`. Names
    /// that begin with `_` or `.` below the prefix are not data.
    pub fn is_data_under(&self, prefix: &str) -> bool {
        let rest = if prefix.is_empty() {
            self.key.as_str()
        } else {
            match self.key.strip_prefix(prefix) {
                Some("") => return self.bytes > 0,
                Some(rest) => match rest.strip_prefix('/') {
                    Some(rest) => rest,
                    None => return false,
                },
                None => return false,
            }
        };
        self.bytes > 0 && !rest.split('/').any(|segment| segment.starts_with(['_', '.']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_their_bucket() {
        for key in ["a", "a/b.csv", "원본/주문 1.csv", "a#b%20", "..a/b..", "_x"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "../lake/x", "a\\b", "a\0", "a\n", &"x".repeat(1_025), &"y".repeat(256)] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn buckets_have_plain_names() {
        for name in ["lake", "my-bucket.1", "a1b"] {
            assert!(check_new_bucket(name).is_ok(), "{name}");
        }
        for name in ["", "ab", "Lake", "a..b", "-ab", "ab-", "a/b", "..", "버킷들", &"a".repeat(64)] {
            assert!(check_new_bucket(name).is_err(), "{name}");
        }
        assert!(check_bucket("버킷 1").is_ok());
        for name in ["", ".", "..", "a/b", "a\\b", ".hidden"] {
            assert!(check_bucket(name).is_err(), "{name}");
        }
    }

    #[test]
    fn prefixes_match_by_segment() {
        let object = |key: &str, bytes| Object { bucket: "b".to_owned(), key: key.to_owned(), bytes, modified_ms: 0, tag: String::new() };
        let under = |key: &str, prefix: &str| object(key, 1).is_data_under(prefix);
        assert!(under("raw/orders", "raw/orders") && under("raw/orders/1.csv", "raw/orders") && under("a/b/c", ""));
        assert!(!under("raw/orders2", "raw/orders") && !under("raw/orders2/1.csv", "raw/orders") && !under("raw", "raw/orders"));
        assert!(!under("raw/orders/_SUCCESS", "raw/orders") && !under("raw/orders/.tmp/1.csv", "raw/orders"));
        assert!(!object("raw/orders/x", 0).is_data_under("raw/orders"));
        assert_eq!(check_prefix("/raw/orders/").expect("fits"), "raw/orders");
        assert!(check_prefix("../x").is_err() && check_prefix("a//b").is_err());
    }
}
