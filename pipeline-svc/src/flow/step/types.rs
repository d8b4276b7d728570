//! `set_types`: values printed and cast by other rules.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::ArrayRef,
    datatypes::{Field as ArrowField, Schema as ArrowSchema, SchemaRef},
};
use futures::StreamExt;
use madang_kit::{Error, Result};
use madang_lake::{Error as LakeError, RecordBatch, Relation, RowStream};
use serde_json::{Map, Value};

use super::Wrong;
use crate::flow::{
    Flows, lake_error,
    make::value::Column as Printed,
    table::{
        cast::cast,
        column::{Column, data_type},
        report::shown,
        schema::{Field, TableSchema},
    },
};

/// Gives fields other types; the first value that is none of its new type is why it fails.
pub(super) async fn set(
    flows: &Flows,
    rows: &Relation,
    schema: &mut TableSchema,
    types: &Map<String, Value>,
) -> Result<std::result::Result<Relation, Wrong>> {
    let mut fields = schema.fields.clone();
    for (name, said) in types {
        let Some(field) = fields.iter_mut().find(|field| field.name == *name) else {
            return Ok(Err(format!("there is no field \"{name}\"")));
        };
        let mut descriptor = said.as_object().cloned().unwrap_or_default();
        descriptor.insert("name".to_owned(), name.clone().into());
        match Field::parse(0, descriptor.into()) {
            Ok(new) => *field = new,
            Err(why) => return Ok(Err(why)),
        }
    }
    let columns = fields.iter().map(|field| ArrowField::new(&field.name, data_type(&field.kind), true)).collect::<Vec<_>>();
    let arrow: SchemaRef = Arc::new(ArrowSchema::new(columns));
    let wrong: Arc<Mutex<Option<Wrong>>> = Arc::default();
    let (told, wanted, new) = (wrong.clone(), arrow.clone(), fields.clone());
    let batches = flows.flow.rows(rows).map_err(lake_error)?.batches.map(move |batch| {
        let batch = batch?;
        let columns = batch.columns().iter().zip(&new).map(|(column, field)| recast(column, field));
        match columns.collect::<Result<std::result::Result<Vec<ArrayRef>, Wrong>>>().map_err(LakeError::storage)? {
            Ok(columns) => RecordBatch::try_new(wanted.clone(), columns).map_err(LakeError::storage),
            Err(why) => {
                told.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why.clone());
                Err(LakeError::invalid(why))
            }
        }
    });
    match flows.flow.keep(RowStream { schema: arrow, batches: batches.boxed() }, false).await {
        Ok(kept) => {
            schema.fields = fields;
            Ok(Ok(kept))
        }
        Err(LakeError::Storage(cause)) => match wrong.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(why) => Ok(Err(why)),
            None => Err(Error::internal(cause)),
        },
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn recast(column: &ArrayRef, field: &Field) -> Result<std::result::Result<ArrayRef, Wrong>> {
    if *column.data_type() == data_type(&field.kind) && field.format == "default" {
        return Ok(Ok(column.clone()));
    }
    let (printed, mut made, mut text) = (Printed::of(column)?, Column::new(&field.kind), String::new());
    for row in 0..column.len() {
        if printed.is_null(row) {
            made.push(None);
            continue;
        }
        text.clear();
        printed.print(row, &mut text);
        let value = cast(&field.kind, &field.format, &text);
        if value.is_none() || !made.push(value) {
            let (shown, kind, format) = (shown(&text), field.kind.name(), &field.format);
            return Ok(Err(format!(
                "The value \"{shown}\" of the field \"{}\" is not type \"{kind}\" and format \"{format}\"",
                field.name
            )));
        }
    }
    made.finish().map(Ok)
}
