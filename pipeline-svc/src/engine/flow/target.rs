//! Targets: the rows in the columns and types that the node names, staged where they are to be published.

use std::sync::atomic::Ordering;

use arrow::datatypes::SchemaRef;
use madang_kit::{Code, Error, Result};
use madang_lake::{Conform, Conformed, ObjectFormat, Place, Relation};
use madang_proto::catalog::v1::{TableAccess, TableChange, TableFile, WriteMode as WireMode};

use super::{
    Done, Running, lake_error, line, polite,
    publish::{DatabaseWrite, ObjectsWrite, Removal},
};
use crate::{
    connection, database,
    engine::step::Task,
    job::graph::{
        node::{CatalogTable, Mode, Node, Target, To},
        verify::{catalog_table, demand_names, linked},
    },
};

/// Rows of one file, unless the node says how many files it wants.
const FILE_ROWS: u64 = 1 << 20;

impl Running<'_> {
    pub(super) async fn target(&self, node: &Node, target: &Target, parents: &[Relation], task: &mut Task<'_>) -> Result<Done> {
        let Some(parent) = parents.first() else { return Err(Error::internal("a target without a parent")) };
        let rows = self.walk.engine.0.flow.rows(parent).map_err(lake_error)?;
        let conform = Conform::by_name(&rows.schema, target.columns.clone());
        let Conformed { rows, bad_values } = rows.conformed(conform);
        let rows = Conformed { rows: polite(rows), bad_values };
        match &target.to {
            To::Objects { bucket, prefix, format } => {
                let prefix = prefix.as_deref().unwrap_or_default();
                if target.mode == Mode::Ignore && !self.pinned(bucket, prefix).is_empty() {
                    return Ok(left_alone(node, task));
                }
                self.to_objects(node, target, (bucket, prefix, *format), rows, parent.rows(), task).await
            }
            To::Catalog(table) => self.to_table(node, target, table, rows, task).await,
            To::Database { engine, connection, table } => {
                let inner = &self.walk.engine.0;
                let address = connection::open_for(&inner.db, &inner.vault, &self.walk.context, connection, *engine).await;
                let address = address.map_err(|error| linked(&node.place, "connectionId", error))?;
                let there = database::columns(&address, table).await.map_err(|error| linked(&node.place, "table", error))?;
                demand_names(&node.place, &target.columns, &there)?;
                let kept = inner.flow.keep(rows.rows, true).await.map_err(lake_error)?;
                let done = Done { rows: None, rows_out: kept.rows(), bad_values: rows.bad_values.load(Ordering::Relaxed) };
                task.flow.add_database(DatabaseWrite {
                    node: node.place.id,
                    engine: *engine,
                    connection: connection.clone(),
                    table: table.clone(),
                    mode: target.mode,
                    mark: format!("{}-{}", self.walk.claim.run, node.place.id),
                    kept: kept.table.clone(),
                    files: kept.files.clone(),
                    schema: fields(&target.columns),
                })?;
                Ok(done)
            }
        }
    }

    /// Files in a stage, with the keys that they get.
    async fn to_objects(
        &self,
        node: &Node,
        target: &Target,
        (bucket, prefix, format): (&str, &str, ObjectFormat),
        rows: Conformed,
        number: u64,
        task: &mut Task<'_>,
    ) -> Result<Done> {
        self.demand_room(node, bucket, prefix, target.mode).await?;
        let stage = Place { run: self.walk.claim.run.to_string(), output: node.place.id };
        self.walk.engine.0.objects.clear(&stage).await.map_err(lake_error)?; // of an earlier attempt
        task.flow.add_stage(stage.clone());
        let files = target.files.unwrap_or_else(|| number.div_ceil(FILE_ROWS).min(self.graph.workers)).clamp(1, number.max(1));
        let each = number.div_ceil(files);
        let sizes: Vec<u64> = (0..files).map(|_| each).collect();
        let names = self.walk.engine.0.flow.write_objects(rows.rows, format, &sizes, &stage).await.map_err(lake_error)?;
        let first = task.flow.files_under(bucket, prefix);
        let key = |at: usize| {
            let name = format!("part-{:05}-{}.{}", first + at, self.graph.execution, format.extension());
            if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
        };
        let moves = names.into_iter().enumerate().map(|(at, name)| (name, key(at))).collect();
        let removes = match target.mode {
            Mode::Overwrite => {
                self.pinned(bucket, prefix).iter().map(|old| Removal { key: old.key.clone(), tag: old.tag.clone() }).collect()
            }
            Mode::Append | Mode::Ignore => Vec::new(),
        };
        task.flow.add_objects(ObjectsWrite { bucket: bucket.to_owned(), prefix: prefix.to_owned(), stage, moves, removes });
        Ok(Done { rows: None, rows_out: number, bad_values: rows.bad_values.load(Ordering::Relaxed) })
    }

    /// On a disk no key lies below another object. What can't be published later is refused now.
    async fn demand_room(&self, node: &Node, bucket: &str, prefix: &str, mode: Mode) -> Result<()> {
        let ends = prefix.match_indices('/').map(|(at, _)| at);
        let own = (mode != Mode::Overwrite).then_some(prefix.len()); // else it is replaced
        for above in ends.chain(own).filter_map(|end| prefix.get(..end)).filter(|key| !key.is_empty()) {
            match self.walk.engine.0.objects.head(bucket, above).await {
                Err(madang_lake::Error::NotFound(_)) => {}
                Err(error) => return Err(lake_error(error)),
                Ok(_) => return Err(node.place.wrong("prefix", "taken", format!("'{above}' is an object itself"))),
            }
        }
        Ok(())
    }

    /// Files of a table's next version. Its columns stay as they are.
    async fn to_table(&self, node: &Node, target: &Target, table: &CatalogTable, rows: Conformed, task: &mut Task<'_>) -> Result<Done> {
        let engine = &self.walk.engine.0;
        let (dataset, schema) = catalog_table(&engine.catalog, &self.walk.context, &node.place, table).await?;
        let there: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
        demand_names(&node.place, &target.columns, &there)?;
        let open = engine.catalog.open(&self.walk.context, dataset, None, TableAccess::Write).await;
        let open = open.map_err(|error| linked(&node.place, "table", error))?;
        let snapshot = open.snapshot.ok_or_else(|| Error::new(Code::Conflict, "the table has no data yet"))?;
        if target.mode == Mode::Ignore && snapshot.rows() > 0 {
            return Ok(left_alone(node, task));
        }
        let gone = target.columns.fields().iter().find(|field| snapshot.schema.column(field.name()).is_none());
        if let Some(gone) = gone {
            return Err(node.place.wrong("schemaVersion", "column", format!("the table has no column '{}' any more", gone.name())));
        }
        let own = rows.rows.conformed(Conform::by_name(&target.columns, snapshot.schema.arrow()));
        let ids = engine.catalog.row_ids(&self.walk.context, &open.table);
        let staged = engine.lake.stage_rows(&open.table, own.rows, &snapshot.schema, &ids).await.map_err(lake_error)?;
        let done = Done {
            rows: None,
            rows_out: staged.rows(),
            bad_values: rows.bad_values.load(Ordering::Relaxed) + own.bad_values.load(Ordering::Relaxed),
        };
        let mode = if target.mode == Mode::Overwrite { WireMode::Overwrite } else { WireMode::Append };
        let change = TableChange {
            table_id: open.table.to_string(),
            mode: mode.into(),
            base_version: (target.mode != Mode::Append).then_some(snapshot.version),
            columns: (&snapshot.schema).into(),
            files: staged.files.iter().cloned().map(TableFile::from).collect(),
            dataset_id: dataset.to_string(),
            made_for: (&snapshot.schema).into(),
            ..TableChange::default()
        };
        task.flow.add_table(change, open.table, staged)?;
        Ok(done)
    }
}

fn left_alone(node: &Node, task: &mut Task<'_>) -> Done {
    task.lines.push(line(node, "INFO", "the target holds data, so nothing is written (IGNORE)"));
    Done::default()
}

/// Columns as the journal keeps them.
fn fields(columns: &SchemaRef) -> Vec<(String, String)> {
    columns.fields().iter().map(|field| (field.name().clone(), crate::job::graph::kind::name(field.data_type()))).collect()
}
