//! Rows between the nodes of a data flow: kept in scratch files of any column types, asked by SELECTs, read from objects and written
//! into them.

mod spool;
mod write;

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use madang_lake::{
    Error, Flow, Limits, Object, ObjectFormat, OwnRowIds, Place, Question, ROW_NUMBER, Relation, Result, RowStream, TableId,
};
use object_store::ObjectStoreExt;

use crate::{
    Engine, ingest,
    objects::stage_file,
    query, read, storage,
    write::{self as files, Target},
};

#[async_trait]
impl Flow for Engine {
    async fn ask(&self, question: &Question, tables: &HashMap<String, Relation>, limits: &Limits) -> Result<RowStream> {
        query::ask(&self.store, &self.scratch, question, tables, *limits).await
    }

    async fn describe(&self, question: &Question, tables: &HashMap<String, SchemaRef>) -> Result<SchemaRef> {
        query::describe(&self.store, &self.scratch, question, tables, Limits::STEP).await
    }

    fn rows(&self, relation: &Relation) -> Result<RowStream> {
        Ok(read::relation(&self.store, &self.footers, relation))
    }

    async fn keep(&self, rows: RowStream, durable: bool) -> Result<Relation> {
        let table = if durable { TableId::new_kept() } else { TableId::new_scratch() };
        let target = Target { store: self.store.clone(), table: table.clone() };
        let schema = nullable(&rows.schema);
        let stored = stored(&schema);
        let files = files::write_stored(target, stored, rows.batches, &OwnRowIds::default()).await?;
        Ok(Relation { table, schema, files })
    }

    async fn forget(&self, relation: &Relation) -> Result<()> {
        if relation.table.is_scratch() || relation.table.is_kept() {
            let target = Target { store: self.store.clone(), table: relation.table.clone() };
            for file in &relation.files {
                target.remove(file).await?;
            }
        }
        Ok(())
    }

    async fn read_object(&self, object: &Object, format: ObjectFormat, columns: &[String], limits: &Limits) -> Result<RowStream> {
        let source = spool::open(self.objects.0.as_ref(), object, &self.scratch, limits).await?;
        if source.is_empty() {
            return Ok(RowStream { schema: Arc::new(Schema::empty()), batches: futures::stream::empty().boxed() });
        }
        let rows = ingest::object(source.path().to_owned(), format, columns, *limits, &self.scratch).await?;
        let batches = rows.batches.map(move |batch| {
            let _ = &source; // a spooled file is there as long as it is read
            batch
        });
        Ok(RowStream { schema: rows.schema, batches: batches.boxed() })
    }

    async fn write_objects(&self, rows: RowStream, format: ObjectFormat, sizes: &[u64], stage: &Place) -> Result<Vec<String>> {
        write::write(&self.store, rows, format, sizes, stage).await
    }

    async fn staged(&self, stage: &Place, file: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let found = self.store.get(&stage_file(stage, file)?).await.map_err(storage)?;
        Ok(found.into_stream().map_err(storage).boxed())
    }
}

/// The columns of a relation's files.
pub(crate) fn stored(schema: &SchemaRef) -> SchemaRef {
    let number = Arc::new(Field::new(ROW_NUMBER, DataType::Int64, false));
    let fields: Vec<_> = std::iter::once(number).chain(schema.fields().iter().cloned()).collect();
    Arc::new(Schema::new(fields))
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    Arc::new(Schema::new(fields))
}

/// A batch with some columns as texts.
fn as_text(batch: &RecordBatch, is_wanted: impl Fn(&DataType) -> bool, change: impl Fn(Field) -> Field) -> Result<RecordBatch> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if is_wanted(field.data_type()) {
            fields.push(change(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(cast(column, &DataType::Utf8).map_err(storage)?);
        } else {
            fields.push(field.as_ref().clone());
            columns.push(column.clone());
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::storage)
}
