//! Sources: objects, tables of the catalogue, tables of databases; each in the columns and types that the node names.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow::datatypes::SchemaRef;
use futures::{StreamExt, TryStreamExt};
use madang_kit::{Code, Error, Result};
use madang_lake::{Conform, Conformed, Object, ObjectFormat, Relation, RowStream};
use madang_proto::catalog::v1::TableAccess;

use super::{Done, LIMITS, Running, lake_error, line};
use crate::{
    connection, database,
    engine::step::Task,
    job::graph::{
        node::{CatalogTable, Node, Source},
        verify::{catalog_table, demand_names, linked},
    },
};

impl Running<'_> {
    pub(super) async fn source(&self, node: &Node, source: &Source, task: &mut Task<'_>) -> Result<Done> {
        let columns = source.columns();
        let rows = match source {
            Source::Objects { bucket, prefix, format, .. } => {
                let found = self.pinned(bucket, prefix.as_deref().unwrap_or_default());
                if found.is_empty() {
                    task.lines.push(line(node, "WARN", "no object lies under the prefix"));
                }
                self.objects(found.to_vec(), *format, &columns)
            }
            Source::Catalog { table, .. } => self.table(node, table, &columns).await?,
            Source::Database { engine, connection, table, .. } => {
                let inner = &self.walk.engine.0;
                let address = connection::open_for(&inner.db, &inner.vault, &self.walk.context, connection, *engine).await;
                let address = address.map_err(|error| linked(&node.place, "connectionId", error))?;
                let there = database::columns(&address, table).await.map_err(|error| linked(&node.place, "table", error))?;
                demand_names(&node.place, &columns, &there)?;
                let rows = database::read(address, table, columns.clone())?;
                let conform = Conform::by_name(&rows.schema, columns.clone()).from_outside();
                rows.conformed(conform)
            }
        };
        let done = self.keep(rows).await?;
        self.demand_quality(done, columns.fields().len()).await
    }

    /// Refuses rows of which too many values can't be read.
    async fn demand_quality(&self, done: Done, columns: usize) -> Result<Done> {
        let percent = self.walk.engine.0.bad_percent;
        let values = done.rows_out.saturating_mul(columns as u64);
        if done.bad_values.saturating_mul(100) <= values.saturating_mul(percent) {
            return Ok(done);
        }
        if let Some(rows) = &done.rows {
            super::forget(self.walk.engine, rows).await;
        }
        let why = format!("{} of {values} values can't be read, which is more than {percent} percent", done.bad_values);
        Err(Error::new(Code::Invalid, why))
    }

    /// The rows of all objects, one after the other.
    fn objects(&self, objects: Vec<Object>, format: ObjectFormat, columns: &SchemaRef) -> Conformed {
        let bad_values = Arc::new(AtomicU64::new(0));
        let (flow, counter, schema) = (self.walk.engine.0.flow.clone(), bad_values.clone(), columns.clone());
        let names: Arc<Vec<String>> = Arc::new(columns.fields().iter().map(|field| field.name().clone()).collect());
        let batches = futures::stream::iter(objects).then(move |object| {
            let (flow, counter, schema, names) = (flow.clone(), counter.clone(), schema.clone(), names.clone());
            async move {
                let key = object.key.clone();
                let rows = flow.read_object(&object, format, &names, &LIMITS).await.map_err(|error| of_object(&key, error))?;
                let conform = Conform::by_name(&rows.schema, schema).from_outside();
                let batches = rows.batches.map(move |batch| {
                    let (batch, bad) = batch.and_then(|batch| conform.apply(&batch)).map_err(|error| of_object(&key, error))?;
                    counter.fetch_add(bad, Ordering::Relaxed);
                    Ok(batch)
                });
                Ok::<_, madang_lake::Error>(batches)
            }
        });
        Conformed { rows: RowStream { schema: columns.clone(), batches: batches.try_flatten().boxed() }, bad_values }
    }

    /// A table of the catalogue as it is now, in the columns of the schema version that the node names.
    async fn table(&self, node: &Node, table: &CatalogTable, columns: &SchemaRef) -> Result<Conformed> {
        let engine = &self.walk.engine.0;
        let (dataset, schema) = catalog_table(&engine.catalog, &self.walk.context, &node.place, table).await?;
        let there: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
        demand_names(&node.place, columns, &there)?;
        let open = engine.catalog.open(&self.walk.context, dataset, None, TableAccess::Read).await;
        let open = open.map_err(|error| linked(&node.place, "table", error))?;
        let snapshot = open.snapshot.ok_or_else(|| Error::new(Code::Conflict, "the table has no data yet"))?;
        let rows = engine.flow.rows(&Relation::from(snapshot)).map_err(lake_error)?;
        let conform = Conform::by_name(&rows.schema, columns.clone());
        Ok(rows.conformed(conform))
    }
}

/// A failure with the name of the object.
fn of_object(key: &str, error: madang_lake::Error) -> madang_lake::Error {
    match error {
        madang_lake::Error::Storage(cause) => madang_lake::Error::Storage(cause),
        madang_lake::Error::LimitExceeded(text) => madang_lake::Error::LimitExceeded(format!("object '{key}': {text}")),
        other => madang_lake::Error::Invalid(format!("object '{key}': {other}")),
    }
}
