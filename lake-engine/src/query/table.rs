//! A snapshot as a table of a query: its Parquet files, never its Delta log. The row id is not a column here.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::{Session, TableProvider, memory::MemorySourceConfig},
    common::{Result as DataFusionResult, Statistics, stats::Precision},
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::{
        PhysicalExpr,
        expressions::{self, Column},
    },
    physical_plan::{ExecutionPlan, empty::EmptyExec, filter::FilterExec, projection::ProjectionExec, union::UnionExec},
};
use madang_lake::{DataFile, ROW_ID, Relation, Result, Snapshot, TableId, Tail};

use crate::store;

/// Names the lake's store inside a session.
pub(super) const SCHEME: &str = "madang";

/// A table of one query.
#[derive(Clone, Debug)]
pub(super) struct Table {
    schema: SchemaRef,
    files: Vec<PartitionedFile>,
    rows: usize,
    tail: Option<Arc<Tail>>,
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
        Self { schema, files: Vec::new(), rows: 0, tail: None }
    }

    fn with_schema(snapshot: &Snapshot, schema: SchemaRef) -> Result<Self> {
        Ok(Self { tail: snapshot.tail.clone(), ..Self::of_files(&snapshot.table, &snapshot.files, schema)? })
    }

    fn of_files(table: &TableId, files: &[DataFile], schema: SchemaRef) -> Result<Self> {
        let rows = usize::try_from(files.iter().map(|file| file.rows).sum::<u64>()).map_err(crate::storage)?;
        let files = files.iter().map(|file| {
            let path = store::data_file(table, &file.path)?;
            Ok(PartitionedFile::new(path, file.bytes))
        });
        Ok(Self { schema, files: files.collect::<Result<_>>()?, rows, tail: None })
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
        match &self.tail {
            None => self.files(state, projection, limit),
            Some(tail) => self.files_and_tail(state, projection, tail),
        }
    }
}

impl Table {
    /// The rows of the files.
    fn files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
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

    /// The rows of the files that still count, and those above them.
    fn files_and_tail(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        tail: &Tail,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let wanted: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let places = wanted
            .iter()
            .map(|at| tail.rows.schema().index_of(self.schema.field(*at).name()))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let schema = Arc::new(self.schema.project(&wanted)?);
        let above = tail.rows.project(&places)?;
        let options = RecordBatchOptions::new().with_row_count(Some(above.num_rows()));
        let above = RecordBatch::try_new_with_options(schema.clone(), above.columns().to_vec(), &options)?;
        let above = MemorySourceConfig::try_new_exec(&[vec![above]], schema, None)?;
        if self.files.is_empty() {
            return Ok(above);
        }
        let below = if tail.masked.is_empty() { self.files(state, projection, None)? } else { self.counting(state, &wanted, tail)? };
        UnionExec::try_new(vec![below, above])
    }

    /// The rows of the files that still count.
    fn counting(&self, state: &dyn Session, wanted: &[usize], tail: &Tail) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let (with_ids, id) = if let Ok(id) = self.schema.index_of(ROW_ID) {
            (self.clone(), id)
        } else {
            let fields = self.schema.fields().iter().cloned().chain([Arc::new(Field::new(ROW_ID, DataType::Int64, false))]);
            let table = Self { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())), tail: None, ..self.clone() };
            (table, self.schema.fields().len())
        };
        let mut read = wanted.to_vec();
        let place = read.iter().position(|at| *at == id).unwrap_or_else(|| {
            read.push(id);
            read.len() - 1
        });
        let files = with_ids.files(state, Some(&read), None)?;
        let masked: Vec<_> = tail.masked.iter().map(|id| expressions::lit(*id)).collect();
        let counts = expressions::in_list(Arc::new(Column::new(ROW_ID, place)), masked, &true, &files.schema())?;
        let counting: Arc<dyn ExecutionPlan> = Arc::new(FilterExec::try_new(counts, files)?);
        if read.len() == wanted.len() {
            return Ok(counting);
        }
        let shown = (0..wanted.len()).map(|at| {
            let name = counting.schema().field(at).name().clone();
            (Arc::new(Column::new(&name, at)) as Arc<dyn PhysicalExpr>, name)
        });
        Ok(Arc::new(ProjectionExec::try_new(shown.collect::<Vec<_>>(), counting.clone())?))
    }
}
