//! Reading rows in ingestion order. A page is found by the row counts of files, then of row groups, then of pages
//! within one; what it skips is not read.

mod columns;
mod file;

use std::{collections::VecDeque, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, SchemaRef},
};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use madang_lake::{DataFile, Error, ROW_ID, ReadOptions, Relation, Result, RowStream, Schema, Snapshot, TableId};
use object_store::ObjectStore;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use self::file::File;
pub(crate) use self::{
    columns::{Columns, Unit},
    file::Footers,
};
use crate::{storage, store};

const BATCH_ROWS: u64 = 8_192;

/// Opens a stream over the wanted rows and columns. Nothing is read before the first batch is asked for.
pub(crate) fn read(store: &Arc<dyn ObjectStore>, footers: &Footers, snapshot: &Snapshot, options: &ReadOptions) -> Result<RowStream> {
    let schema = wanted(&snapshot.schema, options.columns.as_deref())?;
    let reader = Reader { store: store.clone(), footers: footers.clone(), table: snapshot.table.clone(), schema };
    let (offset, limit) = options.page.map_or((0, u64::MAX), |page| (page.offset, page.limit));
    Ok(reader.rows(stretches(&snapshot.files, offset, limit)))
}

/// All rows of a relation.
pub(crate) fn relation(store: &Arc<dyn ObjectStore>, footers: &Footers, relation: &Relation) -> RowStream {
    let Relation { table, schema, files } = relation.clone();
    let reader = Reader { store: store.clone(), footers: footers.clone(), table, schema };
    reader.rows(stretches(&files, 0, u64::MAX))
}

impl Reader {
    fn rows(self, stretches: VecDeque<Stretch>) -> RowStream {
        let schema = self.schema.clone();
        let reader = self;
        let batches = stream::iter(stretches)
            .then(move |stretch| {
                let reader = reader.clone();
                async move { reader.open(stretch).await }
            })
            .try_flatten()
            .boxed();
        RowStream { schema, batches }
    }
}

/// The output columns. [`ROW_ID`] comes only if it is named.
fn wanted(schema: &Schema, columns: Option<&[String]>) -> Result<SchemaRef> {
    let Some(columns) = columns else { return Ok(schema.arrow()) };
    if let Some((_, twice)) = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name)) {
        return Err(Error::invalid(format!("the column '{twice}' is wanted twice")));
    }
    let fields = columns.iter().map(|name| match schema.column(name) {
        Some(column) => Ok(Field::new(name, column.kind.arrow(), column.nullable)),
        None if name == ROW_ID => Ok(Field::new(ROW_ID, DataType::Int64, false)),
        None => Err(Error::invalid(format!("the table has no column '{name}'"))),
    });
    let fields = fields.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(arrow::datatypes::Schema::new(fields)))
}

/// Some rows of one file.
struct Stretch {
    file: DataFile,
    skip: u64,
    take: u64,
}

/// The files that hold rows of the page. `files` are in row id order.
fn stretches(files: &[DataFile], offset: u64, limit: u64) -> VecDeque<Stretch> {
    let (mut skip, mut left) = (offset, limit);
    let mut stretches = VecDeque::new();
    for file in files {
        if left == 0 {
            break;
        }
        if skip >= file.rows {
            skip -= file.rows;
            continue;
        }
        let take = left.min(file.rows - skip);
        stretches.push_back(Stretch { file: file.clone(), skip, take });
        left -= take;
        skip = 0;
    }
    stretches
}

#[derive(Clone)]
struct Reader {
    store: Arc<dyn ObjectStore>,
    footers: Footers,
    table: TableId,
    schema: SchemaRef,
}

impl Reader {
    async fn open(&self, stretch: Stretch) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let path = store::data_file(&self.table, &stretch.file.path)?;
        let mut input = File { store: self.store.clone(), path, bytes: stretch.file.bytes };
        let footer = self.footers.of(&mut input).await?;
        let counts: Vec<u64> = footer.metadata().row_groups().iter().map(|group| group.num_rows().unsigned_abs()).collect();
        if counts.iter().sum::<u64>() != stretch.file.rows {
            return Err(storage(format!("{}: the log and the file disagree about the number of rows", input.path)));
        }
        let (groups, skip) = row_groups(&counts, stretch.skip, stretch.take);
        let plan = Plan::new(&self.schema, footer.schema());
        let mask = ProjectionMask::roots(footer.parquet_schema(), plan.roots.iter().copied());
        let batches = ParquetRecordBatchStreamBuilder::new_with_metadata(input, footer)
            .with_projection(mask)
            .with_row_groups(groups)
            .with_offset(small(skip)?)
            .with_limit(small(stretch.take)?)
            .with_batch_size(small(stretch.take.min(BATCH_ROWS))?)
            .build()
            .map_err(storage)?;
        Ok(batches.map_err(storage).and_then(move |batch| std::future::ready(plan.apply(&batch))).boxed())
    }
}

/// The row groups that hold the stretch, and how many rows of the first one are before it.
fn row_groups(counts: &[u64], mut skip: u64, take: u64) -> (Vec<usize>, u64) {
    let mut index = 0;
    while index < counts.len() && skip >= counts[index] {
        skip -= counts[index];
        index += 1;
    }
    let (mut groups, mut covered) = (Vec::new(), 0);
    while index < counts.len() && covered < skip + take {
        covered += counts[index];
        groups.push(index);
        index += 1;
    }
    (groups, skip)
}

fn small(rows: u64) -> Result<usize> {
    usize::try_from(rows).map_err(storage)
}

/// How the columns of one file become the wanted ones.
struct Plan {
    schema: SchemaRef,
    /// Columns of the file to read, ascending.
    roots: Vec<usize>,
    /// For each wanted column, its place among those read; a column that is younger than the file has none.
    places: Vec<Option<usize>>,
}

impl Plan {
    fn new(wanted: &SchemaRef, file: &SchemaRef) -> Self {
        let found: Vec<Option<usize>> = wanted.fields().iter().map(|field| file.index_of(field.name()).ok()).collect();
        let mut roots: Vec<usize> = found.iter().flatten().copied().collect();
        roots.sort_unstable();
        roots.dedup();
        let places = found.iter().map(|root| root.and_then(|root| roots.binary_search(&root).ok())).collect();
        Self { schema: wanted.clone(), roots, places }
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.places.iter().zip(self.schema.fields()).map(|(place, field)| match place {
            Some(place) => typed(batch.column(*place), field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows)),
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(storage)
    }
}

/// The column in the wanted type; a file that another tool rewrote may spell it differently.
fn typed(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if column.data_type() == wanted {
        return Ok(column.clone());
    }
    cast_with_options(column, wanted, &CastOptions { safe: false, ..CastOptions::default() }).map_err(storage)
}
