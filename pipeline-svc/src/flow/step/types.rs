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
    Flows, aside, lake_error,
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
    let (told, wanted, old, new) = (wrong.clone(), arrow.clone(), Arc::new(schema.fields.clone()), Arc::new(fields.clone()));
    let batches = flows.flow.rows(rows).map_err(lake_error)?.batches.then(move |batch| {
        let (told, wanted, old, new) = (told.clone(), wanted.clone(), old.clone(), new.clone());
        async move {
            let batch = batch?;
            match aside(move || recast(&batch, &old, &new)).await.map_err(LakeError::storage)? {
                Ok(columns) => RecordBatch::try_new(wanted, columns).map_err(LakeError::storage),
                Err(why) => {
                    told.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why.clone());
                    Err(LakeError::invalid(why))
                }
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

/// The columns of a batch by other fields; why not, if a value is none of its new type.
fn recast(batch: &RecordBatch, old: &[Field], new: &[Field]) -> Result<std::result::Result<Vec<ArrayRef>, Wrong>> {
    let printed = Printed::of_fields(batch, old)?;
    batch.columns().iter().zip(&printed).zip(new).map(|((column, printed), field)| recast_column(column, printed, field)).collect()
}

fn recast_column(column: &ArrayRef, printed: &Printed<'_>, field: &Field) -> Result<std::result::Result<ArrayRef, Wrong>> {
    if *column.data_type() == data_type(&field.kind) && field.format == "default" {
        return Ok(Ok(column.clone()));
    }
    let (mut made, mut text) = (Column::new(&field.kind), String::new());
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
