//! Files on their way in: the parts of an upload, spooled to the local disk as they come.

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use madang_kit::{Error, Result};
use madang_lake::Input;
use madang_proto::catalog::v1::{UploadFile, UploadTableRequest, upload_table_request::Part};
use tempfile::TempPath;
use tonic::Streaming;

use crate::{
    Catalog, format,
    spool::{self, Allowance, Spool, SpoolFile},
};

/// Files in one upload.
const MAX_FILES: usize = 100;

/// Everything that one upload sent.
pub(crate) struct Received {
    pub(crate) files: Vec<ReceivedFile>,
    /// Of names and contents: tells a repeated upload from another one under the same signature.
    pub(crate) digest: String,
}

/// One spooled file; it is removed when dropped.
pub(crate) struct ReceivedFile {
    pub(crate) input: Input,
    pub(crate) name: String,
    _spooled: TempPath,
}

/// Takes in the files that follow the start, up to the end; a sender that went away before it has sent nothing.
pub(crate) async fn receive(catalog: &Catalog, parts: &mut Streaming<UploadTableRequest>) -> Result<Received> {
    let mut receiver = Receiver::new(&catalog.spool);
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(Part::File(file)) => receiver.file(file).await?,
            Some(Part::Chunk(bytes)) => receiver.chunk(&bytes).await?,
            Some(Part::End(_)) => return receiver.end().await,
            Some(Part::Start(_)) | None => return Err(Error::invalid("start", "order", "an upload has one beginning")),
        }
    }
    Err(Error::invalid("file", "incomplete", "the upload broke off"))
}

struct Receiver<'a> {
    spool: &'a Spool,
    allowance: Allowance,
    /// What compressed files may become.
    unpacked: Allowance,
    digest: Hasher,
    files: Vec<ReceivedFile>,
    open: Option<OpenFile>,
}

/// A file whose bytes are coming.
struct OpenFile {
    spool: SpoolFile,
    file: UploadFile,
    digest: Hasher,
}

impl<'a> Receiver<'a> {
    fn new(spool: &'a Spool) -> Self {
        let (allowance, unpacked) = (spool.allowance(), spool.unpacked());
        Self { spool, allowance, unpacked, digest: Hasher::new(&SHA256), files: Vec::new(), open: None }
    }

    async fn file(&mut self, file: UploadFile) -> Result<()> {
        self.close().await?;
        if self.files.len() == MAX_FILES {
            return Err(Error::invalid("files", "too_many", format!("an upload may have at most {MAX_FILES} files")));
        }
        self.open = Some(OpenFile { spool: self.spool.create()?, file, digest: Hasher::new(&SHA256) });
        Ok(())
    }

    async fn chunk(&mut self, bytes: &Bytes) -> Result<()> {
        let Some(open) = &mut self.open else { return Err(Error::invalid("chunk", "order", "bytes came before their file")) };
        open.digest.update(bytes);
        open.spool.write(bytes, &mut self.allowance).await
    }

    async fn end(mut self) -> Result<Received> {
        self.close().await?;
        if self.files.is_empty() {
            return Err(Error::invalid("file", "missing", "the upload has no file"));
        }
        Ok(Received { files: self.files, digest: STANDARD.encode(self.digest.finish().as_ref()) })
    }

    async fn close(&mut self) -> Result<()> {
        let Some(OpenFile { spool, file, digest }) = self.open.take() else { return Ok(()) };
        self.digest.update(&file.filename.len().to_le_bytes());
        self.digest.update(file.filename.as_bytes());
        self.digest.update(digest.finish().as_ref());
        let spooled = spool.finish(&mut self.unpacked).await?;
        let (format, delimiter) = format::of(&file, &spool::start(&spooled).await?)?;
        let input = Input { path: spooled.to_path_buf(), format, delimiter };
        self.files.push(ReceivedFile { input, name: file.filename, _spooled: spooled });
        Ok(())
    }
}
