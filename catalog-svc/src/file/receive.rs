//! Files of an action on their way in: spooled to the local disk as they come, each within its limit.

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use madang_kit::{
    Error,
    ckan::{Dict, Outcome, Refusal},
    hex,
};
use madang_proto::catalog::v1::{ActFile, ActRequest, ActWithFilesRequest, act_with_files_request::Part};
use tempfile::TempPath;
use tonic::Streaming;

use crate::{Catalog, spool::SpoolFile};

/// Files of one action.
const FILES_MAX: usize = 20;
/// Bytes that CKAN calls a MB.
const MEGABYTE: u64 = 1 << 20;

/// Everything that came.
pub(crate) struct Received {
    /// The action with all its fields.
    pub(crate) action: ActRequest,
    pub(crate) files: Vec<Spooled>,
    /// Of names and contents: tells a repeated action from another one under the same signature.
    pub(crate) digest: String,
}

/// A file on the local disk.
pub(crate) struct Spooled {
    /// The field that it is the value of.
    pub(crate) field: String,
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) path: TempPath,
    pub(crate) sha256: String,
}

/// Takes in what follows the beginning, up to the end.
pub(crate) async fn receive(catalog: &Catalog, parts: &mut Streaming<ActWithFilesRequest>) -> Outcome<Received> {
    let mut receiver = Receiver { catalog, open: None, files: Vec::new(), digest: Hasher::new(&SHA256) };
    while let Some(message) = parts.message().await.map_err(Error::from)? {
        match message.part {
            Some(Part::File(file)) => receiver.file(file).await?,
            Some(Part::Chunk(bytes)) => receiver.chunk(&bytes).await?,
            Some(Part::End(action)) => return receiver.end(action).await,
            Some(Part::Begin(_)) | None => return Err(Error::invalid("begin", "order", "an action has one beginning").into()),
        }
    }
    Err(Error::invalid("upload", "incomplete", "the upload broke off").into())
}

struct Receiver<'a> {
    catalog: &'a Catalog,
    open: Option<OpenFile>,
    files: Vec<Spooled>,
    digest: Hasher,
}

/// A file whose bytes are coming.
struct OpenFile {
    file: ActFile,
    spool: SpoolFile,
    hasher: Hasher,
    /// Bytes that it may still have.
    left: u64,
}

impl Receiver<'_> {
    async fn file(&mut self, file: ActFile) -> Outcome<()> {
        self.close().await?;
        if self.files.len() == FILES_MAX {
            return Err(Refusal::invalid(&file.field, format!("An action takes at most {FILES_MAX} files")));
        }
        let left = limit(self.catalog, &file.field);
        self.open = Some(OpenFile { spool: self.catalog.spool.create()?, file, hasher: Hasher::new(&SHA256), left });
        Ok(())
    }

    async fn chunk(&mut self, bytes: &Bytes) -> Outcome<()> {
        let Some(open) = &mut self.open else { return Err(Error::invalid("chunk", "order", "bytes came before their file").into()) };
        let Some(left) = open.left.checked_sub(bytes.len() as u64) else {
            return Err(Refusal::invalid(last_part(&open.file.field), "File upload too large"));
        };
        open.left = left;
        open.hasher.update(bytes);
        open.spool.write(bytes, &mut self.catalog.spool.allowance()).await?;
        Ok(())
    }

    async fn close(&mut self) -> Outcome<()> {
        let Some(OpenFile { file, spool, hasher, .. }) = self.open.take() else { return Ok(()) };
        let hash = hasher.finish();
        for part in [file.field.as_bytes(), file.filename.as_bytes(), hash.as_ref()] {
            self.digest.update(&part.len().to_le_bytes());
            self.digest.update(part);
        }
        let (field, filename, content_type) = (file.field, file.filename, file.content_type);
        self.files.push(Spooled { field, filename, content_type, path: spool.keep().await?, sha256: hex(hash.as_ref()) });
        Ok(())
    }

    async fn end(mut self, action: ActRequest) -> Outcome<Received> {
        self.close().await?;
        self.digest.update(&action.dict);
        Ok(Received { action, files: self.files, digest: STANDARD.encode(self.digest.finish().as_ref()) })
    }
}

/// The last word of a field: `upload` of `update__resources__0__upload`.
pub(crate) fn last_part(field: &str) -> &str {
    field.rsplit("__").next().unwrap_or(field)
}

/// Bytes that a field's file may have.
fn limit(catalog: &Catalog, field: &str) -> u64 {
    let megabytes = if last_part(field) == "upload" { catalog.site.max_resource_size } else { catalog.site.max_image_size };
    u64::try_from(megabytes).unwrap_or_default().saturating_mul(MEGABYTE)
}

/// The fields that the action began with.
///
/// # Errors
/// If it does not begin.
pub(crate) async fn begin(parts: &mut Streaming<ActWithFilesRequest>) -> Outcome<(ActRequest, Dict)> {
    let Some(Part::Begin(action)) = parts.message().await.map_err(Error::from)?.and_then(|message| message.part) else {
        return Err(Error::invalid("begin", "missing", "an action with files begins with the action").into());
    };
    let dict = serde_json::from_slice(&action.dict)?;
    Ok((action, dict))
}
