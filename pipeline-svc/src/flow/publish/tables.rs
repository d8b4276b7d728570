//! The tables of a package: read back from the CSV files that were made, staged, and published together.

use std::sync::Arc;

use arrow::{
    compute::cast,
    datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef},
};
use futures::StreamExt;
use madang_kit::{Context, Error, Result, error::chain};
use madang_lake::{Error as LakeError, RecordBatch, RowStream, Schema, Staged, TableId};
use madang_proto::{
    catalog::v1::{CommitTablesRequest, TableChange, TableFile, WriteMode},
    pipeline::v1::FlowSource,
};
use serde_json::json;

use super::{
    STEP,
    package::{Package, Table},
};
use crate::{
    flow::{
        Bounds, Flows, fetch, lake_error,
        make::sink::Scratch,
        table::{read, schema::TableSchema},
    },
    store::flow::publication::Publication,
};

/// Publishes the tables of a package, all or none.
pub(super) async fn publish(flows: &Flows, context: &Context, held: &Publication, package: &Package) -> Result<()> {
    let mut staged = Vec::new();
    let mut changes = Vec::new();
    let published = async {
        for table in &package.tables {
            let Some((files, schema)) = stage(flows, context, table).await? else { continue };
            changes.push(change(package, table, &files, &schema));
            staged.push((table.resource.to_string().parse::<TableId>().map_err(Error::internal)?, files));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let request = CommitTablesRequest { run_id: held.run.to_string(), step: STEP.to_owned(), fence: held.fence, changes };
        flows.catalog.commit(context, request).await
    };
    let outcome: Result<()> = Box::pin(published).await;
    if outcome.as_ref().is_err_and(Error::is_refusal) {
        discard(flows, &staged).await; // else the commit record may stand, and it names these files
    }
    outcome
}

/// Stages the rows of a table; none if a table can't have its columns.
async fn stage(flows: &Flows, context: &Context, table: &Table) -> Result<Option<(Staged, Schema)>> {
    let path = fetch::local(flows, &table.key, &Scratch::new(&flows.scratch, u64::MAX)).await?;
    // The header is known: a name with blanks around it would not come back from there.
    let names = TableSchema::names(&table.schema);
    let source = FlowSource {
        name: table.name.clone(),
        format: "csv".to_owned(),
        tabulator: json!({"delimiter": ",", "quotechar": "\"", "encoding": "utf-8", "headers": names, "skip_rows": 1}).to_string(),
        schema: TableSchema::unjudged(table.schema.clone()).to_string(),
        ..FlowSource::default()
    };
    let limits = Bounds { rows: u64::MAX, source_bytes: u64::MAX, ..flows.bounds }.limits();
    let parts = (flows.reader.as_ref(), flows.flow.as_ref());
    let read = read::read(parts, &source, &path, &limits, &Arc::default()).await?;
    let relation = read.rows.map_err(|why| Error::internal(format!("a file that was made can't be read: {why}")))?;
    let rows = plain(flows.flow.rows(&relation).map_err(lake_error)?);
    let schema = Schema::from_arrow(&rows.schema).and_then(|schema| schema.check().map(|()| schema));
    let staged = match schema {
        Err(error) => {
            tracing::warn!(resource = table.name, error = %error, "a resource is published without a table");
            None
        }
        Ok(schema) => {
            let schema = schema.relaxed();
            let id: TableId = table.resource.to_string().parse().map_err(Error::internal)?;
            let ids = flows.catalog.row_ids(context, &id);
            let staged = flows.lake.stage_rows(&id, rows, &schema, &ids).await;
            Some((staged.map_err(lake_error)?, schema))
        }
    };
    flows.flow.forget(&relation).await.map_err(lake_error)?;
    Ok(staged)
}

/// The rows in types that a table can hold: integers beyond 64 bits as texts.
fn plain(rows: RowStream) -> RowStream {
    let fields: Vec<Field> = rows
        .schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Decimal128(..) => Field::new(field.name(), DataType::Utf8, true),
            _ => field.as_ref().clone(),
        })
        .collect();
    let schema: SchemaRef = Arc::new(ArrowSchema::new(fields));
    let wanted = schema.clone();
    let batches = rows.batches.map(move |batch| {
        let batch = batch?;
        let columns = batch.columns().iter().zip(wanted.fields()).map(|(column, field)| cast(column, field.data_type()));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>().map_err(LakeError::storage)?;
        RecordBatch::try_new(wanted.clone(), columns).map_err(LakeError::storage)
    });
    RowStream { schema, batches: batches.boxed() }
}

fn change(package: &Package, table: &Table, staged: &Staged, schema: &Schema) -> TableChange {
    TableChange {
        table_id: table.resource.to_string(),
        mode: WriteMode::Overwrite.into(),
        columns: schema.into(),
        files: staged.files.iter().cloned().map(TableFile::from).collect(),
        dataset_id: package.id.to_string(),
        made_for: if table.exists { schema.into() } else { Vec::new() },
        ..TableChange::default()
    }
}

async fn discard(flows: &Flows, staged: &[(TableId, Staged)]) {
    for (table, staged) in staged {
        if let Err(error) = flows.lake.discard(table, staged).await {
            tracing::warn!(table = %table, error = %chain(&error), "staged files were left behind");
        }
    }
}
