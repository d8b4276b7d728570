//! Which object store a root means, and where a table's files lie in it.

mod durable_fs;

use std::{path::PathBuf, sync::Arc};

use madang_lake::{Error, Result, TableId};
use object_store::{ObjectStore, aws::AmazonS3Builder, path::Path, prefix::PrefixStore};
use url::Url;

use self::durable_fs::DurableFs;
use crate::{objects::STAGING, storage};

/// Where tables live.
#[derive(Debug)]
pub enum Root {
    /// A folder of the local disk.
    Folder(PathBuf),
    /// `file:///folder` or `s3://bucket/prefix`. Credentials, region and endpoint of S3 come from the usual `AWS_…` variables.
    Url(Url),
    /// A store that was built elsewhere; its root is the lake's root. It must support put-if-absent.
    Store(Arc<dyn ObjectStore>),
}

impl From<PathBuf> for Root {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl From<Url> for Root {
    fn from(url: Url) -> Self {
        Self::Url(url)
    }
}

impl From<Arc<dyn ObjectStore>> for Root {
    fn from(store: Arc<dyn ObjectStore>) -> Self {
        Self::Store(store)
    }
}

/// Whether a write to a local folder survives a power failure once it is acknowledged. Object stores always do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// File and folder are synced first.
    #[default]
    Full,
    /// The operating system writes when it likes (`MADANG_DURABILITY=fast`).
    Fast,
}

/// Builds the store that a root means.
pub(crate) fn open(root: Root, durability: Durability) -> Result<Arc<dyn ObjectStore>> {
    match root {
        Root::Store(store) => Ok(store),
        Root::Folder(folder) => Ok(Arc::new(DurableFs::open(&folder, durability)?)),
        Root::Url(url) => match url.scheme() {
            "file" => Ok(Arc::new(DurableFs::open(&local(&url)?, durability)?)),
            "s3" | "s3a" => s3(&url),
            other => Err(Error::invalid(format!("no store serves '{other}' URLs; use file:// or s3://"))),
        },
    }
}

/// The local folder that a root is, if it is one.
pub(crate) fn folder_of(root: &Root) -> Result<Option<PathBuf>> {
    match root {
        Root::Folder(folder) => Ok(Some(folder.clone())),
        Root::Url(url) if url.scheme() == "file" => local(url).map(Some),
        Root::Url(_) | Root::Store(_) => Ok(None),
    }
}

fn local(url: &Url) -> Result<PathBuf> {
    url.to_file_path().map_err(|()| Error::invalid("the file URL of the lake names no local folder"))
}

fn s3(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    let bucket = AmazonS3Builder::from_env().with_url(url.as_str()).build().map_err(storage)?;
    let prefix = Path::from_url_path(url.path()).map_err(storage)?;
    if prefix.is_root() { Ok(Arc::new(bucket)) } else { Ok(Arc::new(PrefixStore::new(bucket, prefix))) }
}

/// The folder of all tables' folders.
pub(crate) fn root() -> Path {
    Path::from("lake")
}

/// The table's folder.
pub(crate) fn folder(table: &TableId) -> Path {
    root().join(table.as_str())
}

/// Whether a path is that of a data file of the table.
pub(crate) fn is_data_file(table: &TableId, path: &Path) -> bool {
    path.filename().and_then(|name| data_file(table, name).ok()).as_ref() == Some(path)
}

/// The folder of what lives as long as a run.
pub(crate) const SCRATCH: &str = "scratch";

/// A data file of the table. Only names that this crate hands out are accepted: a name may come from another process.
pub(crate) fn data_file(table: &TableId, name: &str) -> Result<Path> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !plain || name.starts_with('.') || !name.ends_with(".parquet") {
        return Err(Error::invalid("a data file's name is a plain file name that ends in .parquet"));
    }
    if table.is_scratch() {
        return Ok(Path::from_iter([SCRATCH.to_owned(), format!("{table}.{name}")]));
    }
    if table.is_kept() {
        return Ok(Path::from_iter([STAGING.to_owned(), format!("{table}.{name}")]));
    }
    Ok(folder(table).join(name))
}
