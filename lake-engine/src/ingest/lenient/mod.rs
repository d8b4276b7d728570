//! Files whose bad rows are set aside: read once to count what the columns hold ([`tally`]), once to convert what fits.

pub(in crate::ingest) mod bad;
pub(in crate::ingest) mod header;
pub(in crate::ingest) mod tally;
pub(in crate::ingest) mod text;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use madang_lake::{ColumnType, Format, Limits, Load, Result, Schema, Sheet};
use tokio::{sync::oneshot, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

pub(crate) use self::bad::Outcome;
use self::{
    bad::BadList,
    tally::{Tally, column},
    text::Text,
};
use super::{Emit, builder::Table, csv, json, sheet, spawned};
use crate::storage;

/// A file that was read once.
#[derive(Clone)]
pub(crate) struct Survey {
    text: Arc<Text>,
    shape: Shape,
    columns: Arc<Vec<(String, Tally)>>,
}

#[derive(Clone, Copy)]
enum Shape {
    Delimited(u8),
    Objects,
}

/// Reads a file of any format but Parquet to its end.
pub(crate) async fn survey(load: &Load, limits: Limits, scratch: &Path) -> Result<Survey> {
    let (input, scratch) = (load.input.clone(), scratch.to_owned());
    let cancelled = CancellationToken::new();
    let _guard = cancelled.clone().drop_guard(); // a caller who leaves stops the pass
    let reading = spawn_blocking(move || {
        let (text, shape) = match input.format {
            Format::Json => (Text::open(&input.path, &scratch)?, Shape::Objects),
            Format::Xlsx => (Text::clean(sheet::xlsx(&input.path, &Sheet::First, limits, &scratch, &cancelled)?), Shape::Delimited(b',')),
            Format::Ods => (Text::clean(sheet::ods(&input.path, &Sheet::First, limits, &scratch, &cancelled)?), Shape::Delimited(b',')),
            Format::Csv | Format::Parquet => {
                let text = Text::open(&input.path, &scratch)?;
                let delimiter = csv::lenient::delimiter(&text, input.delimiter)?;
                (text, Shape::Delimited(delimiter))
            }
        };
        let columns = match shape {
            Shape::Delimited(delimiter) => csv::lenient::survey(&text, delimiter, limits, &cancelled)?,
            Shape::Objects => json::lenient::survey(&text, limits, &cancelled)?,
        };
        Ok(Survey { text: Arc::new(text), shape, columns: Arc::new(columns) })
    });
    reading.await.map_err(storage)?
}

impl Survey {
    /// The columns, with the types that somebody chose; if `strict`, every other one holds all its cells.
    pub(crate) fn schema(&self, types: &HashMap<String, ColumnType>, strict: bool) -> Schema {
        let kind =
            |name: &String, tally: &Tally| types.get(name).copied().unwrap_or_else(|| if strict { tally.strict() } else { tally.choose() });
        Schema { columns: self.columns.iter().map(|(name, tally)| column(name, kind(name, tally))).collect() }
    }

    /// Starts the conversion; what it came to is known when the rows have ended well.
    pub(crate) fn convert(&self, schema: &Schema, limits: Limits, bad_rows: PathBuf) -> Converting {
        let (survey, schema) = (self.clone(), schema.clone());
        let (tell, outcome) = oneshot::channel();
        let batches = spawned(move |emit| {
            let bad = BadList::new(&bad_rows)?;
            let outcome = match survey.shape {
                Shape::Delimited(delimiter) => csv::lenient::convert(&survey.text, delimiter, &schema, limits, bad, emit)?,
                Shape::Objects => json::lenient::convert(&survey.text, &schema, limits, bad, emit)?,
            };
            let _ = tell.send(outcome); // refused if nobody waits for it
            Ok(())
        });
        Converting { batches, outcome }
    }
}

/// Rows on their way.
pub(crate) struct Converting {
    pub(crate) batches: BoxStream<'static, Result<RecordBatch>>,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

/// Hands on the batch in the making, if it has rows; false if no more are wanted.
pub(in crate::ingest) fn hand_on(table: &mut Table, emit: Emit<'_>) -> Result<bool> {
    if !table.has_rows() {
        return Ok(true);
    }
    let batch = table.batch()?;
    Ok(batch.num_rows() == 0 || emit(batch))
}
