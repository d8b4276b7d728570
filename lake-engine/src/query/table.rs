//! A snapshot as a table of a query: its Parquet files, never its Delta log. The row id is not a column here.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    common::{Result as DataFusionResult, Statistics, stats::Precision},
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use madang_lake::{DataFile, Relation, Result, Snapshot, TableId};

use crate::store;

/// Names the lake's store inside a session.
pub(super) const SCHEME: &str = "madang";

/// A table of one query.
#[derive(Clone, Debug)]
pub(super) struct Table {
    schema: SchemaRef,
    files: Vec<PartitionedFile>,
    rows: usize,
}

impl Table {
    pub(super) fn new(snapshot: &Snapshot) -> Result<Self> {
        Self::with_schema(snapshot, snapshot.schema.arrow())
    }

    /// The same with the row id as its first column.
    pub(super) fn with_row_id(snapshot: &Snapshot) -> Result<Self> {
        Self::with_schema(snapshot, snapshot.schema.stored())
    }

    /// Rows between nodes, with their numbers if a statement may ask for them.
    pub(super) fn of_relation(relation: &Relation, numbered: bool) -> Result<Self> {
        let schema = if numbered { crate::flow::stored(&relation.schema) } else { relation.schema.clone() };
        Self::of_files(&relation.table, &relation.files, schema)
    }

    /// A table without rows.
    pub(super) fn empty(schema: SchemaRef) -> Self {
        Self { schema, files: Vec::new(), rows: 0 }
    }

    fn with_schema(snapshot: &Snapshot, schema: SchemaRef) -> Result<Self> {
        Self::of_files(&snapshot.table, &snapshot.files, schema)
    }

    fn of_files(table: &TableId, files: &[DataFile], schema: SchemaRef) -> Result<Self> {
        let rows = usize::try_from(files.iter().map(|file| file.rows).sum::<u64>()).map_err(crate::storage)?;
        let files = files.iter().map(|file| {
            let path = store::data_file(table, &file.path)?;
            Ok(PartitionedFile::new(path, file.bytes))
        });
        Ok(Self { schema, files: files.collect::<Result<_>>()?, rows })
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()]) // used to leave out row groups and pages
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema.clone(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let statistics = Statistics { num_rows: Precision::Exact(self.rows), ..Statistics::new_unknown(&self.schema) };
        let groups = FileGroup::new(self.files.clone()).split_files(state.config().target_partitions());
        let options = state.table_options().parquet.clone();
        let source = ParquetSource::new(self.schema.clone()).with_table_parquet_options(options);
        let url = ObjectStoreUrl::parse(format!("{SCHEME}://lake"))?;
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
