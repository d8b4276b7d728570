//! Object Storage: `objects/<bucket>/…` below the root, in a folder or in an object store; stages lie in `staging/<run>/<output>/`.

mod folder;
mod remote;

use std::{path::PathBuf, sync::Arc};

use madang_lake::{Error, Objects, Place, Result, check_bucket, check_key};
use object_store::{ObjectStore, path::Path};

pub(crate) use self::{folder::Folder, remote::Remote};

/// The folders below the root.
const OBJECTS: &str = "objects";
pub(crate) const STAGING: &str = "staging";

/// A folder of the local disk, where links and odd names are looked at; else the store itself.
pub(crate) fn open(folder: Option<PathBuf>, sync: bool, store: &Arc<dyn ObjectStore>) -> Result<Arc<dyn Objects>> {
    match folder {
        Some(folder) => Ok(Arc::new(Folder::open(&folder, sync)?)),
        None => Ok(Arc::new(Remote { store: store.clone() })),
    }
}

/// The folder of a stage, below the root.
pub(crate) fn stage_path(stage: &Place) -> Result<Path> {
    let plain = (1..=64).contains(&stage.run.len()) && stage.run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !plain {
        return Err(Error::invalid("a stage is named by a run"));
    }
    Ok(Path::from_iter([STAGING.to_owned(), stage.run.clone(), stage.output.to_string()]))
}

/// A file of a stage; only names that this crate hands out are taken.
pub(crate) fn stage_file(stage: &Place, file: &str) -> Result<Path> {
    let plain = file.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) && !file.starts_with('.');
    if plain && !file.is_empty() { Ok(stage_path(stage)?.join(file)) } else { Err(Error::invalid("a stage has no such file")) }
}

fn check(bucket: &str, key: &str) -> Result<()> {
    check_bucket(bucket)?;
    check_key(key)
}

fn absent(bucket: &str, key: &str) -> Error {
    Error::NotFound(format!("object '{key}' of bucket '{bucket}'"))
}
