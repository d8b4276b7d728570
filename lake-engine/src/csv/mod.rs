//! Delimited text: what is in a file, and its rows as Arrow batches.
//!
//! A file is read twice: once to find the columns and their types, once to convert it. Both passes stream.

mod cell;
mod convert;
mod encoding;
mod infer;
mod records;
mod rows;
mod sniff;

use std::path::Path;

use arrow::array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt};
use madang_lake::{Error, Format, Input, Inspection, Limits, Result, Schema};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

use self::rows::Rows;
use crate::storage;

/// Reads the whole file: columns, narrowest types, rows.
pub(crate) async fn inspect(input: &Input, limits: Limits, scratch: &Path) -> Result<Inspection> {
    let (input, scratch) = (input.clone(), scratch.to_owned());
    let cancelled = CancellationToken::new();
    let _guard = cancelled.clone().drop_guard(); // a caller who leaves stops the pass
    spawn_blocking(move || infer::infer(open(&input, limits, &scratch)?, &cancelled)).await.map_err(storage)?
}

/// The number of columns in the file, and its rows in the columns of `schema`. Dropping the stream stops the reading.
///
/// A file that can't be opened has no columns here; the stream says why.
pub(crate) async fn convert(
    input: &Input,
    schema: &Schema,
    limits: Limits,
    scratch: &Path,
) -> (u32, BoxStream<'static, Result<RecordBatch>>) {
    let (input, schema, scratch) = (input.clone(), schema.clone(), scratch.to_owned());
    let (send, receive) = mpsc::channel(2);
    let (send_columns, columns) = oneshot::channel();
    let reading = spawn_blocking(move || {
        let converted = open(&input, limits, &scratch).and_then(|rows| {
            let _ = send_columns.send(u32::try_from(rows.header.len()).unwrap_or(u32::MAX));
            convert::convert(rows, &schema, &mut |batch| send.blocking_send(Ok(batch)).is_ok())
        });
        if let Err(error) = converted {
            let _ = send.blocking_send(Err(error)); // refused if nobody listens any more, and then nobody needs it
        }
    });
    let batches = stream::unfold((receive, Some(reading)), |(mut receive, mut reading)| async move {
        if let Some(item) = receive.recv().await {
            return Some((item, (receive, reading)));
        }
        let ended = reading.take()?.await; // the thread is over; did it end by itself?
        ended.err().map(|error| (Err(storage(error)), (receive, reading)))
    });
    (columns.await.unwrap_or_default(), batches.boxed())
}

/// Opens a file at its first data row.
fn open(input: &Input, limits: Limits, scratch: &Path) -> Result<Rows> {
    match input.format {
        Format::Csv => {}
    }
    let mut text = encoding::open(&input.path, scratch)?;
    let delimiter = match input.delimiter {
        Some(b'"' | b'\r' | b'\n' | 0) => return Err(Error::invalid("a quote or a line end can't be the delimiter")),
        Some(byte) if !byte.is_ascii() => return Err(Error::invalid("the delimiter must be one ASCII character")),
        Some(byte) => byte,
        None => sniff::delimiter(&mut text)?,
    };
    Rows::open(text, delimiter, limits)
}
