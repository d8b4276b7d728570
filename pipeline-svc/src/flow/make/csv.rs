//! CSV: UTF-8, CR LF, a header row, quotes where they are needed (spec-store.md 4.5).

use futures::StreamExt;
use madang_kit::Result;
use madang_lake::RowStream;

use super::{
    sink::{Made, Scratch, Sink},
    value::Column,
};
use crate::flow::{lake_error, table::schema::TableSchema};

/// Writes all rows.
pub(crate) async fn write(mut rows: RowStream, schema: &TableSchema, scratch: &Scratch) -> Result<Made> {
    let mut sink = Sink::new(scratch)?;
    let mut out = Vec::new();
    for (at, field) in rows.schema.fields().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(field.name(), &mut out);
    }
    out.extend_from_slice(b"\r\n");
    let mut text = String::new();
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.map_err(lake_error)?;
        let columns = Column::of_fields(&batch, &schema.fields)?;
        for row in 0..batch.num_rows() {
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                if column.is_null(row) {
                    if columns.len() == 1 {
                        out.extend_from_slice(b"\"\""); // an empty line would be no row
                    }
                    continue;
                }
                text.clear();
                column.print(row, &mut text);
                put(&text, &mut out);
            }
            out.extend_from_slice(b"\r\n");
        }
        sink.put(&out)?;
        out.clear();
        tokio::task::yield_now().await;
    }
    sink.put(&out)?;
    sink.finish()
}

fn put(text: &str, out: &mut Vec<u8>) {
    if text.contains([',', '"', '\n', '\r']) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}
