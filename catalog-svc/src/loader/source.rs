//! The file of a resource on the local disk, from our own store or from elsewhere.

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use futures::StreamExt;
use madang_kit::{Code, Error, Result, ckan::text, hex};
use tempfile::TempPath;

use super::fetch::fetch;
use crate::{
    Catalog,
    ckan::{is_upload, linked_url},
    error::lake_error,
    store::{
        ckan::resource::Resource,
        file::{self as files, Kind},
    },
};

/// A file that is here.
pub(super) struct Fetched {
    /// Unpacked, if it came as gzip.
    pub(super) path: TempPath,
    /// SHA-256 of what came, in hexadecimal digits.
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

/// Brings the file here.
pub(super) async fn bring(catalog: &Catalog, resource: &Resource) -> Result<Fetched> {
    let (mut spool, mut allowance, mut hasher) = (catalog.spool.create()?, catalog.spool.allowance(), Hasher::new(&SHA256));
    let url = text(&resource.fields, "url").unwrap_or_default();
    if is_upload(resource) && !url.contains("://") {
        let file = files::find(&catalog.db, Kind::Resource, &resource.id).await?;
        let file = file.ok_or_else(|| Error::new(Code::NotFound, "the uploaded file is not here"))?;
        let bytes = u64::try_from(file.bytes).map_err(Error::internal)?;
        let mut pieces = catalog.files.get(&file.key, 0..bytes).await.map_err(lake_error)?;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(lake_error)?;
            hasher.update(&piece);
            spool.write(&piece, &mut allowance).await?;
        }
    } else {
        fetch(catalog, &linked_url(&url), &mut spool, &mut allowance, &mut hasher).await?;
    }
    let path = spool.finish(&mut catalog.spool.unpacked()).await?;
    let bytes = tokio::fs::metadata(&path).await.map_err(Error::internal)?.len();
    Ok(Fetched { path, sha256: hex(hasher.finish().as_ref()), bytes })
}
