//! Files by key: brought by clients, or made by pipelines. A row is written before the bytes are stored and kept in the transaction of
//! what the file belongs to, so no half file is ever seen; a sweep removes what came to nothing.

use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use madang_kit::{Code, Context, Drain, Error, Id, Result, error::chain, hex, housekeeping, unhex};
use madang_lake::{Error as LakeError, check_key};
use madang_proto::pipeline::v1::{
    FindSourceFilesRequest, FindSourceFilesResponse, FlowFile, OpenFlowFileRequest, OpenFlowFileResponse, PutSourceFileRequest,
    PutSourceFileResponse, SourceFile,
};
use tokio::{fs, io::AsyncReadExt};
use tonic::Streaming;

use super::{
    Flows, lake_error,
    make::sink::{Made, Scratch, Sink},
};
use crate::store::flow::file as store;

/// How often files that went are removed.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How long a file waits for what it belongs to: longer than any flow.
const WAITS_FOR: TimeDelta = TimeDelta::days(2);
/// How long a file that went can still be read by those who began before.
const GRACE: TimeDelta = TimeDelta::hours(1);
/// Files that one sweep removes.
const SWEPT: i64 = 500;
/// Keys of one question.
const MAX_KEYS: usize = 10_000;
const PIECE: usize = 256 << 10;
/// What limits of storage count in.
const MB: u64 = 1_000_000;

/// Stores a file from the local disk; it waits for its transaction. A file that is kept under the key already is taken instead.
pub(super) async fn store(flows: &Flows, mut file: store::File, made: &Made) -> Result<store::File> {
    if let Some(there) = store::find(&flows.db, &file.key).await?.filter(|there| there.md5 == made.md5) {
        return Ok(there);
    }
    file.stored = Id::generate().to_string();
    file.bytes = i64::try_from(made.bytes).map_err(Error::internal)?;
    (file.md5, file.sha256) = (made.md5.clone(), made.sha256.clone());
    store::expect(&flows.db, &file, flows.clock.now()).await?;
    let stored = flows.files.put(&file.stored, pieces(&made.path).await?).await;
    if let Err(error) = stored {
        give_up(flows, &file.stored).await;
        return Err(lake_error(error));
    }
    Ok(file)
}

/// Lets a file go that came to nothing.
pub(super) async fn give_up(flows: &Flows, stored: &str) {
    if let Err(error) = store::give_up(&flows.db, stored, flows.clock.now()).await {
        tracing::warn!(error = %chain(&error), "a file that came to nothing goes later");
    }
}

async fn pieces(from: &std::path::Path) -> Result<BoxStream<'static, madang_lake::Result<Bytes>>> {
    let file = fs::File::open(from).await.map_err(Error::internal)?;
    let pieces = futures::stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await.map_err(LakeError::storage)?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok(pieces.boxed())
}

/// Keeps a file that a client brings as a source.
pub(super) async fn put(flows: &Flows, mut request: Streaming<PutSourceFileRequest>) -> Result<PutSourceFileResponse> {
    let first = request.message().await?.unwrap_or_default();
    let wanted = first.file.ok_or_else(|| Error::invalid("file", "missing", "the first message says what the file is"))?;
    let dataset = check(&wanted)?;
    if wanted.bytes > flows.bounds.source_bytes {
        return Err(too_large(flows));
    }
    let mut sink = Sink::new(&Scratch::new(&flows.scratch, wanted.bytes))?;
    let mut piece = first.chunk;
    loop {
        if sink.bytes() + piece.len() as u64 > wanted.bytes {
            return Err(Error::new(Code::Conflict, "the file is longer than was said"));
        }
        sink.put(&piece)?;
        match request.message().await? {
            Some(next) => piece = next.chunk,
            None => break,
        }
    }
    let made = sink.finish()?;
    if made.bytes != wanted.bytes {
        return Err(Error::new(Code::Conflict, format!("the file has {} bytes, {} were said", made.bytes, wanted.bytes)));
    }
    if made.md5 != hex(&wanted.md5) {
        return Err(Error::new(Code::Conflict, "the file has another MD5 than was said"));
    }
    let file = store::File {
        stored: String::new(),
        key: wanted.key,
        owner_id: wanted.owner_id,
        dataset,
        bytes: 0,
        md5: String::new(),
        sha256: String::new(),
        content_type: if wanted.content_type.is_empty() { "application/octet-stream".to_owned() } else { wanted.content_type },
        private: i64::from(wanted.private),
    };
    let private = file.private;
    let file = store::File { private, ..store(flows, file, &made).await? };
    let kept = keep(flows, &file, wanted.owner_bytes).await;
    if kept.is_err() {
        give_up(flows, &file.stored).await;
    }
    kept.map(|()| PutSourceFileResponse {})
}

/// Keeps a stored file under its key, if its owner may have so much.
async fn keep(flows: &Flows, file: &store::File, owner_bytes: Option<u64>) -> Result<()> {
    let now = flows.clock.now();
    let mut tx = flows.db.begin().await?;
    let beside = store::bytes_beside(&mut tx, file).await?;
    let bytes = u64::try_from(beside.saturating_add(file.bytes)).map_err(Error::internal)?;
    if let Some(most) = owner_bytes.filter(|most| bytes > *most) {
        let word = if file.private == 0 { "storage" } else { "private storage" };
        return Err(Error::new(Code::Denied, format!("Max {word} for user exceeded plan limit ({}MB)", most / MB)));
    }
    store::keep(&mut tx, file, true, now).await?;
    if !store::keep_again(&mut tx, file, now).await? {
        return Err(Error::new(Code::Unavailable, "the file that was here went just now; send it again"));
    }
    Ok(tx.commit().await?)
}

/// The dataset that a key names. A key is its owner's, and a plain path.
fn check(file: &SourceFile) -> Result<String> {
    check_key(&file.key).map_err(|error| Error::invalid("file.key", "pattern", error.to_string()))?;
    let mut parts = file.key.split('/');
    let (owner, dataset) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if owner != file.owner_id || dataset.is_empty() || parts.next().is_none() {
        return Err(Error::invalid("file.key", "pattern", "a key is <ownerid>/<dataset>/<path>/<md5>/<file>"));
    }
    if file.md5.len() != 16 {
        return Err(Error::invalid("file.md5", "length", "an MD5 has 16 bytes"));
    }
    Ok(dataset.to_owned())
}

fn too_large(flows: &Flows) -> Error {
    Error::new(Code::TooLarge, format!("a source has at most {} bytes", flows.bounds.source_bytes))
}

/// Which of some files are kept.
pub(super) async fn find(flows: &Flows, _: &Context, request: FindSourceFilesRequest) -> Result<FindSourceFilesResponse> {
    if request.keys.len() > MAX_KEYS {
        return Err(Error::invalid("keys", "too_many", format!("keys has at most {MAX_KEYS} entries")));
    }
    let keys = store::kept(&flows.db, &request.keys, request.private, flows.clock.now()).await?;
    let (public, private) = store::bytes_of(&flows.db, &request.owner_id).await?;
    let whole = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
    Ok(FindSourceFilesResponse { keys, public_bytes: whole(public), private_bytes: whole(private) })
}

/// A file, or a part of it.
pub(super) async fn open(flows: &Flows, request: OpenFlowFileRequest) -> Result<BoxStream<'static, Result<OpenFlowFileResponse>>> {
    let file = store::find(&flows.db, &request.key).await?.ok_or_else(|| Error::new(Code::NotFound, "the file is not here"))?;
    if file.private != 0 && file.owner_id != request.owner_id {
        return Err(Error::new(Code::NotVisible, "the file is its owner's alone"));
    }
    let bytes = u64::try_from(file.bytes).map_err(Error::internal)?;
    if request.offset > bytes {
        return Err(Error::invalid("offset", "range", "the file ends before that byte"));
    }
    let end = if request.bytes == 0 { bytes } else { bytes.min(request.offset.saturating_add(request.bytes)) };
    let told =
        FlowFile { bytes, content_type: file.content_type, md5: unhex(&file.md5).unwrap_or_default().into(), private: file.private != 0 };
    let head = OpenFlowFileResponse { file: Some(told), chunk: Bytes::new() };
    let pieces = flows.files.get(&file.stored, request.offset..end).await.map_err(lake_error)?;
    let chunks = pieces.map_err(lake_error).map_ok(|piece| OpenFlowFileResponse { file: None, chunk: piece });
    Ok(futures::stream::once(async { Ok(head) }).chain(chunks).boxed())
}

/// Removes what went, now and then until the process drains.
pub(super) fn spawn_sweep(flows: &Flows, drain: &Drain) {
    let flows = flows.clone();
    housekeeping::every(SWEEP_EVERY, drain, "files of flows not removed yet", move || {
        let flows = flows.clone();
        async move { sweep(&flows).await }
    });
}

async fn sweep(flows: &Flows) -> Result<()> {
    let now = flows.clock.now();
    for stored in store::swept(&flows.db, now - WAITS_FOR, now - GRACE, now, SWEPT).await? {
        flows.files.delete(&stored).await.map_err(lake_error)?;
        store::forget(&flows.db, &stored).await?;
    }
    Ok(())
}
