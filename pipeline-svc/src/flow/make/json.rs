//! JSON: one array of row objects with sorted keys and ASCII escapes (spec-store.md 4.5).

use futures::StreamExt;
use madang_kit::Result;
use madang_lake::RowStream;

use super::{
    python,
    sink::{Made, Scratch, Sink},
    value::{Column, Form, json_text},
};
use crate::flow::{
    lake_error,
    table::schema::{Kind, TableSchema},
};

/// Bytes that are gathered before they are written: with long names a batch of rows is many times as long.
const PIECE: usize = 1 << 20;

/// Writes the first rows, at most `limit`; also says how many it wrote.
pub(crate) async fn write(mut rows: RowStream, schema: &TableSchema, limit: u64, scratch: &Scratch) -> Result<(Made, u64)> {
    let mut sink = Sink::new(scratch)?;
    let keys: Vec<(usize, Vec<u8>, Kind)> = keys(schema);
    let (mut out, mut text, mut count) = (vec![b'['], String::new(), 0);
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.map_err(lake_error)?;
        let columns = batch.columns().iter().map(Column::of).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            if count == limit {
                break;
            }
            out.extend_from_slice(if count > 0 { b", {" } else { b"{" });
            for (place, (at, key, kind)) in keys.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(key);
                match columns.get(*at).filter(|column| !column.is_null(row)) {
                    None => out.extend_from_slice(b"null"),
                    Some(column) => {
                        text.clear();
                        let form = column.print(row, &mut text);
                        value(kind, form, &text, &mut out);
                    }
                }
            }
            out.push(b'}');
            count += 1;
            if out.len() >= PIECE {
                sink.put(&out)?;
                out.clear();
            }
        }
        sink.put(&out)?;
        out.clear();
        if count == limit {
            break;
        }
        tokio::task::yield_now().await;
    }
    out.push(b']');
    sink.put(&out)?;
    Ok((sink.finish()?, count))
}

/// The fields in the order of their names, with `"name": ` ready.
fn keys(schema: &TableSchema) -> Vec<(usize, Vec<u8>, Kind)> {
    let mut fields: Vec<_> = schema.fields.iter().enumerate().collect();
    fields.sort_by(|one, two| one.1.name.cmp(&two.1.name));
    let key = |name: &str| {
        let mut key = Vec::new();
        json_text(name, &mut key);
        key.extend_from_slice(b": ");
        key
    };
    fields.into_iter().map(|(at, field)| (at, key(&field.name), field.kind.clone())).collect()
}

fn value(kind: &Kind, form: Form, text: &str, out: &mut Vec<u8>) {
    match form {
        Form::Bare => out.extend_from_slice(text.as_bytes()),
        Form::Nothing => out.extend_from_slice(b"null"),
        Form::Text if kind.is_json() => match serde_json::from_str(text) {
            Ok(value) => python::write(&value, out),
            Err(_) => json_text(text, out),
        },
        Form::Text if *kind == Kind::GeoPoint => {
            out.push(b'[');
            out.extend_from_slice(text.as_bytes());
            out.push(b']');
        }
        Form::Text => json_text(text, out),
    }
}
