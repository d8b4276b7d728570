//! Uploaded files: what is in one, and its rows as Arrow batches.
//!
//! A file is read twice, once to find the columns and their types over all its rows, once to convert it. Both passes stream
//! and run on a thread of their own. What a text means in each type is said once (`cell.rs`), so what was inferred always
//! converts. One folder per format; each gives the same two functions, `inspect` and `convert`; [`lenient`] has a second pair of
//! them, for files whose bad rows are set aside.

mod builder;
mod cell;
mod csv;
mod encoding;
mod json;
mod kind;
pub(crate) mod lenient;
mod parquet;
pub(crate) mod records;
mod sheet;
mod texts;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema as ArrowSchema},
};
use futures::stream::{self, BoxStream, StreamExt};
use madang_lake::{Error, Format, Input, Inspection, Limits, ObjectFormat, Result, RowStream, Schema};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

use crate::storage;

/// Takes a batch and says whether more are wanted.
type Emit<'a> = &'a mut dyn FnMut(RecordBatch) -> bool;

/// Reads the whole file: columns, narrowest types, rows.
pub(crate) async fn inspect(input: &Input, limits: Limits, scratch: &Path) -> Result<Inspection> {
    let (input, scratch) = (input.clone(), scratch.to_owned());
    let cancelled = CancellationToken::new();
    let _guard = cancelled.clone().drop_guard(); // a caller who leaves stops the pass
    let inspecting = spawn_blocking(move || match input.format {
        Format::Csv => csv::inspect(&input, limits, &scratch, &cancelled),
        Format::Json => json::inspect(&input, limits, &scratch, &cancelled),
        Format::Parquet => parquet::inspect(&input, limits),
        Format::Xlsx | Format::Ods => Err(unserved()),
    });
    inspecting.await.map_err(storage)?
}

/// A file's rows in the columns of a schema, on their way.
pub(crate) struct Converting {
    /// Dropping them stops the reading.
    pub(crate) batches: BoxStream<'static, Result<RecordBatch>>,
    /// The number of columns in the file, known when the rows have ended well.
    pub(crate) columns: oneshot::Receiver<u32>,
}

/// Starts the conversion. A file that can't be opened says so in its first batch.
pub(crate) fn convert(input: &Input, schema: &Schema, limits: Limits, scratch: &Path) -> Converting {
    let (input, schema, scratch) = (input.clone(), schema.clone(), scratch.to_owned());
    let (send_columns, columns) = oneshot::channel();
    let batches = spawned(move |emit| {
        let converted = match input.format {
            Format::Csv => csv::convert(&input, &schema, limits, &scratch, emit),
            Format::Json => json::convert(&input, &schema, limits, &scratch, emit),
            Format::Parquet => parquet::convert(&input, &schema, limits, emit),
            Format::Xlsx | Format::Ods => Err(unserved()),
        };
        let _ = send_columns.send(u32::try_from(converted?).unwrap_or(u32::MAX)); // refused if nobody waits for it
        Ok(())
    });
    Converting { batches, columns }
}

/// Sheets are written by hand: they are loaded with their bad rows set aside, or not at all.
fn unserved() -> Error {
    Error::invalid("a spreadsheet can't be taken as it is; load it as a resource, or save it as CSV")
}

/// The rows of an object: texts in the wanted columns, or for Parquet those of them that it has, in its own types.
pub(crate) async fn object(path: PathBuf, format: ObjectFormat, columns: &[String], limits: Limits, scratch: &Path) -> Result<RowStream> {
    let (columns, scratch) = (columns.to_vec(), scratch.to_owned());
    let fields = || columns.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>();
    match format {
        ObjectFormat::Csv => {
            let schema = Arc::new(ArrowSchema::new(fields()));
            Ok(RowStream { schema, batches: spawned(move |emit| csv::texts(&path, &columns, limits, &scratch, emit)) })
        }
        ObjectFormat::Json => {
            let schema = Arc::new(ArrowSchema::new(fields()));
            Ok(RowStream { schema, batches: spawned(move |emit| json::texts(&path, &columns, limits, &scratch, emit)) })
        }
        ObjectFormat::Parquet => {
            let opened = spawn_blocking(move || parquet::open_some(&path, &columns, limits)).await.map_err(storage)??;
            let schema = opened.schema();
            Ok(RowStream { schema, batches: spawned(move |emit| opened.read(limits, emit)) })
        }
    }
}

/// Pieces that a thread of their own gives. Dropping them stops it.
fn spawned<T: Send + 'static>(
    read: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<()> + Send + 'static,
) -> BoxStream<'static, Result<T>> {
    let (send, receive) = mpsc::channel(2);
    let reading = spawn_blocking(move || {
        if let Err(error) = read(&mut |batch| send.blocking_send(Ok(batch)).is_ok()) {
            drop(send.blocking_send(Err(error))); // refused if nobody listens any more, and then nobody needs it
        }
    });
    let batches = stream::unfold((receive, Some(reading)), |(mut receive, mut reading)| async move {
        if let Some(item) = receive.recv().await {
            return Some((item, (receive, reading)));
        }
        let ended = reading.take()?.await; // the thread is over; did it end by itself?
        ended.err().map(|error| (Err(storage(error)), (receive, reading)))
    });
    batches.boxed()
}
