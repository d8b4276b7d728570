//! A source, read: its rows are cast, checked and kept in one pass.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use arrow::datatypes::{Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use futures::StreamExt;
use madang_kit::{Error, Result};
use madang_lake::{Error as LakeError, Flow, Limits, ROW_NUMBER, Reader, Relation, RowStream};
use madang_proto::pipeline::v1::FlowSource;

use super::super::aside;
use super::{
    column::data_type,
    options::Options,
    report::Report,
    rows::Casting,
    schema::{Kind, TableSchema},
};

/// What came of a source.
pub(crate) struct Table {
    /// The rows, unless they can't be had.
    pub(crate) rows: std::result::Result<Relation, String>,
    pub(crate) schema: TableSchema,
    pub(crate) report: Report,
}

/// Reads a source from the local disk. What is wrong with it is in the answer; an error is ours.
pub(crate) async fn read(
    parts: (&dyn Reader, &dyn Flow),
    source: &FlowSource,
    path: &Path,
    limits: &Limits,
    counter: &Arc<AtomicU64>,
) -> Result<Table> {
    let schema = match TableSchema::parse(&source.schema) {
        Ok(schema) if schema.fields.iter().any(|field| field.name == ROW_NUMBER) => {
            return Ok(unreadable("schema-error", &format!("Table Schema error: no field may be named \"{ROW_NUMBER}\"")));
        }
        Ok(schema) => schema,
        Err(why) => return Ok(unreadable("schema-error", &format!("Table Schema error: {why}"))),
    };
    let keys = schema.fields.iter().map(|field| field.name.clone()).collect();
    let options = match Options::of(source, keys) {
        Ok(options) => options,
        Err((code, why)) => return Ok(unreadable(code, &why)),
    };
    let mut wanted = schema;
    loop {
        let (table, wide) = pass(parts, wanted, &options, path, limits, counter).await?;
        if wide.is_empty() {
            return Ok(table);
        }
        if let Ok(rows) = &table.rows {
            parts.1.forget(rows).await.map_err(lake_error)?;
        }
        wanted = table.schema; // integers that 64 bits do not hold: once more, with as many digits as it takes
        for place in wide {
            if let Some(field) = wanted.fields.get_mut(place) {
                field.kind = Kind::Integer { bare: true, wide: true };
            }
        }
    }
}

fn lake_error(error: LakeError) -> Error {
    match error {
        LakeError::Storage(cause) => Error::internal(cause),
        other => Error::invalid("source", "content", other.to_string()),
    }
}

/// A source that can't be read.
pub(crate) fn unreadable(code: &str, message: &str) -> Table {
    Table { rows: Err(message.to_owned()), schema: TableSchema::default(), report: Report::unreadable(code, message) }
}

async fn pass(
    (reader, flow): (&dyn Reader, &dyn Flow),
    schema: TableSchema,
    options: &Options,
    path: &Path,
    limits: &Limits,
    counter: &Arc<AtomicU64>,
) -> Result<(Table, Vec<usize>)> {
    let begun = Instant::now();
    counter.store(0, Ordering::Relaxed);
    let columns = schema.fields.iter().map(|field| ArrowField::new(&field.name, data_type(&field.kind), true)).collect::<Vec<_>>();
    let arrow: SchemaRef = Arc::new(ArrowSchema::new(columns));
    let casting = Arc::new(Mutex::new(Casting::new(schema, options.clone(), arrow.clone(), limits.rows)));
    let (shared, progress) = (casting.clone(), counter.clone());
    let batches = reader.records(path, &options.records, limits).filter_map(move |records| {
        let (shared, progress) = (shared.clone(), progress.clone());
        async move {
            let records = match records {
                Ok(records) => records,
                Err(error) => return Some(Err(error)),
            };
            let cast = aside(move || {
                let mut casting = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let batch = casting.take(&records);
                progress.store(casting.rows, Ordering::Relaxed);
                batch
            });
            cast.await.map_err(LakeError::storage).transpose()
        }
    });
    let kept = flow.keep(RowStream { schema: arrow, batches: batches.boxed() }, false).await;
    let casting = std::mem::take(&mut *casting.lock().unwrap_or_else(PoisonError::into_inner));
    let full = casting.is_full();
    let Casting { mut report, schema, failure, wide, rows, places, .. } = casting;
    if full {
        report.warn("Rows and values that are there twice were looked for in the first part of the table only");
    }
    report.seconds = begun.elapsed().as_secs_f64();
    report.rows = Some(rows);
    let rows = match kept {
        Err(LakeError::Storage(cause)) => return Err(Error::internal(cause)),
        Err(error) => {
            let (code, message) = told(&error);
            report.add(code, message.clone(), None, None, None);
            Err(message)
        }
        Ok(kept) => match failure {
            None if places.is_some() => Ok(kept),
            failure => {
                flow.forget(&kept).await.map_err(lake_error)?;
                let why = failure.unwrap_or_else(|| "the file has no header".to_owned());
                if report.is_valid() {
                    report.add("source-error", why.clone(), None, None, None);
                }
                Err(why)
            }
        },
    };
    Ok((Table { rows, schema: Arc::unwrap_or_clone(schema), report }, wide))
}

/// A source that can't be read on: the report's code, and why.
fn told(error: &LakeError) -> (&'static str, String) {
    let text = error.to_string();
    let code = if text.contains("encoding") || text.contains("text") { "encoding-error" } else { "source-error" };
    (code, text)
}
