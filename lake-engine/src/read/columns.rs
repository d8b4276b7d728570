//! Columns of row groups, decoded once and kept while there is room: what a question about one table works on.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray},
    compute::concat,
    datatypes::{DataType, Field, Int64Type, Schema as ArrowSchema},
};
use futures::TryStreamExt;
use madang_lake::{ROW_ID, Result, Schema, Snapshot, TableId};
use moka::sync::Cache;
use object_store::{ObjectStore, path::Path};
use parquet::{
    arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask},
    file::{metadata::RowGroupMetaData, statistics::Statistics},
};

use super::{File, Footers, Plan, small};
use crate::{storage, store};

/// Bytes of decoded columns that are kept.
const KEPT_BYTES: u64 = 384 << 20;

/// One row group of one file.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) path: Path,
    bytes: u64,
    pub(crate) group: usize,
    pub(crate) rows: usize,
    /// The smallest row id in it.
    pub(crate) first: i64,
    /// The greatest.
    pub(crate) last: i64,
}

/// Decoded columns by file, row group and name.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    store: Arc<dyn ObjectStore>,
    footers: Footers,
    kept: Cache<(Path, usize, String), ArrayRef>,
}

impl Columns {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, footers: Footers) -> Self {
        let weigh = |_: &(Path, usize, String), column: &ArrayRef| u32::try_from(column.get_array_memory_size()).unwrap_or(u32::MAX);
        Self { store, footers, kept: Cache::builder().max_capacity(KEPT_BYTES).weigher(weigh).build() }
    }

    /// The row groups of a version, in the order of their ids.
    pub(crate) async fn units(&self, snapshot: &Snapshot) -> Result<Vec<Unit>> {
        let mut units = Vec::with_capacity(snapshot.files.len());
        for file in &snapshot.files {
            let path = data_path(&snapshot.table, &file.path)?;
            let mut input = File { store: self.store.clone(), path: path.clone(), bytes: file.bytes };
            let footer = self.footers.of(&mut input).await?;
            let groups = footer.metadata().row_groups();
            for (group, about) in groups.iter().enumerate() {
                let mut unit = Unit {
                    path: path.clone(),
                    bytes: file.bytes,
                    group,
                    rows: small(about.num_rows().unsigned_abs())?,
                    first: file.first_row_id,
                    last: file.last_row_id,
                };
                if groups.len() > 1 {
                    (unit.first, unit.last) = match range(about) {
                        Some(range) => range,
                        None => ends(&self.ids(&unit).await?)?,
                    };
                }
                units.push(unit);
            }
        }
        Ok(units)
    }

    /// The row ids of a row group.
    pub(crate) async fn ids(&self, unit: &Unit) -> Result<ArrayRef> {
        let found = self.of(unit, &[Field::new(ROW_ID, DataType::Int64, false)]).await?;
        found.into_iter().next().ok_or_else(|| storage("rows without their ids"))
    }

    /// Some columns of a row group, in the types of a schema; [`ROW_ID`] is one of them.
    pub(crate) async fn named(&self, unit: &Unit, schema: &Schema, names: &[String]) -> Result<Vec<ArrayRef>> {
        let fields = names.iter().map(|name| match schema.column(name) {
            Some(column) => Ok(Field::new(name, column.kind.arrow(), true)),
            None if name == ROW_ID => Ok(Field::new(ROW_ID, DataType::Int64, false)),
            None => Err(madang_lake::Error::invalid(format!("the table has no column '{name}'"))),
        });
        self.of(unit, &fields.collect::<Result<Vec<_>>>()?).await
    }

    async fn of(&self, unit: &Unit, fields: &[Field]) -> Result<Vec<ArrayRef>> {
        let key = |field: &Field| (unit.path.clone(), unit.group, field.name().clone());
        let kept = |field: &Field| self.kept.get(&key(field)).filter(|column| column.data_type() == field.data_type());
        let mut found: Vec<Option<ArrayRef>> = fields.iter().map(kept).collect();
        let missing: Vec<Field> = fields.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(field, _)| field.clone()).collect();
        if !missing.is_empty() {
            let mut decoded = self.decode(unit, missing.clone()).await?.into_iter();
            for (field, place) in fields.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                let column = decoded.next().ok_or_else(|| storage("a column was not decoded"))?;
                self.kept.insert(key(field), column.clone());
                *place = Some(column);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    async fn decode(&self, unit: &Unit, fields: Vec<Field>) -> Result<Vec<ArrayRef>> {
        let mut input = File { store: self.store.clone(), path: unit.path.clone(), bytes: unit.bytes };
        let footer = self.footers.of(&mut input).await?;
        let plan = Plan::new(&Arc::new(ArrowSchema::new(fields)), footer.schema());
        let mask = ProjectionMask::roots(footer.parquet_schema(), plan.roots.iter().copied());
        let batches = ParquetRecordBatchStreamBuilder::new_with_metadata(input, footer)
            .with_projection(mask)
            .with_row_groups(vec![unit.group])
            .with_batch_size(unit.rows.max(1))
            .build()
            .map_err(storage)?;
        let batches: Vec<_> = batches.map_err(storage).and_then(|batch| std::future::ready(plan.apply(&batch))).try_collect().await?;
        let columns = (0..plan.schema.fields().len()).map(|at| {
            let pieces: Vec<&dyn arrow::array::Array> = batches.iter().map(|batch| batch.column(at).as_ref()).collect();
            concat(&pieces).map_err(storage)
        });
        columns.collect()
    }
}

fn data_path(table: &TableId, file: &str) -> Result<Path> {
    store::data_file(table, file)
}

/// The range of row ids as the footer tells it; the id is the first column.
fn range(group: &RowGroupMetaData) -> Option<(i64, i64)> {
    match group.columns().first()?.statistics()? {
        Statistics::Int64(ids) => Some((*ids.min_opt()?, *ids.max_opt()?)),
        _ => None,
    }
}

fn ends(ids: &ArrayRef) -> Result<(i64, i64)> {
    let ids = ids.as_primitive_opt::<Int64Type>().map(arrow::array::PrimitiveArray::values);
    ids.and_then(|ids| Some((*ids.first()?, *ids.last()?))).ok_or_else(|| storage("rows without their ids"))
}
