//! Questions about one table that are answered from decoded columns: no statement, no plan, no threads of their own.
//!
//! A version is a row of units (row groups, `read/columns.rs`) in the order of row ids, and above them its tail. Each unit says which of
//! its rows match (`condition.rs`, `index.rs`); rows of the tail take their places among them by id (`place.rs`). Without an order only the rows
//! of the page are kept; with one, all that match are ordered (`order.rs`).

mod condition;
mod find;
mod index;
mod order;
mod place;
mod rank;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float32Array, RecordBatch, RecordBatchOptions, new_empty_array},
    compute::interleave,
    datatypes::{DataType, Field, Schema as ArrowSchema},
};
use futures::{StreamExt, stream};
use madang_lake::{Error, Found, Limits, Order, OrderBy, Page, ROW_ID, Result, RowStream, Schema, Search, Snapshot, WordQuery};

pub(crate) use self::find::find;
pub(crate) use self::index::Indexes;
use self::{
    condition::{Picked, pick},
    index::Index,
    place::Places,
};
use crate::{
    read::{Columns, Unit},
    storage,
};

/// Rows of a page that is answered at once.
pub(crate) const PAGE_ROWS: u64 = 100_000;
/// Indexes that are made at the same time,
const AT_ONCE: usize = 2;
/// and before a search begins; others are made as it comes to them.
const KEPT_INDEXES: usize = 64;
/// Rows that are put into an order, or looked through for equal ones.
const ORDERED_ROWS: usize = 20_000_000;

/// What a question works with.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) indexes: &'a Indexes,
    pub(crate) snapshot: &'a Snapshot,
}

/// A row: its unit, or the number of units for the tail, and its place there.
pub(super) type Row = (usize, usize);

/// A row that matches, with its ranks.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) row: Row,
    pub(super) ranks: Vec<f32>,
}

/// Answers a question within its time.
pub(crate) async fn search(scan: Scan<'_>, search: &Search, limits: &Limits) -> Result<Found> {
    match tokio::time::timeout(limits.time, scan.answer(search)).await {
        Ok(found) => found,
        Err(_) => Err(Error::OutOfTime(format!("the search took longer than {} seconds, which is the limit", limits.time.as_secs_f64()))),
    }
}

/// A page in ingestion order, of a version with a tail.
pub(crate) async fn page(scan: Scan<'_>, columns: Option<&[String]>, page: Page, limits: &Limits) -> Result<RowStream> {
    let every = || scan.snapshot.schema.columns.iter().map(|column| column.name.clone()).collect();
    let wanted = Search { columns: columns.map_or_else(every, <[String]>::to_vec), page, ..Search::default() };
    let found = search(scan, &wanted, limits).await?;
    Ok(RowStream { schema: found.rows.schema(), batches: stream::iter([Ok(found.rows)]).boxed() })
}

impl Scan<'_> {
    async fn answer(&self, search: &Search) -> Result<Found> {
        check(&self.snapshot.schema, search)?;
        let units = self.columns.units(self.snapshot).await?;
        let places = Places::of(self, &units).await?;
        let ordered = !search.order.is_empty() || search.distinct;
        let page = if ordered { Page { offset: 0, limit: ORDERED_ROWS as u64 } } else { search.page };
        let (matches, total) = self.matches(search, &units, &places, page, ordered || search.counts).await?;
        if !ordered {
            let rows = self.output(search, &units, &matches).await?;
            return Ok(Found { rows, total: search.counts.then_some(total) });
        }
        if total > ORDERED_ROWS as u64 {
            return Err(Error::LimitExceeded(format!("more than {ORDERED_ROWS} rows would have to be put into an order")));
        }
        if search.distinct {
            order::distinct(self, search, &units, &matches).await
        } else {
            order::ordered(self, search, &units, matches).await
        }
    }

    /// The rows of a stretch of all that match, in the order of their ids, and how many match; without `counts` it stops at its end.
    async fn matches(&self, search: &Search, units: &[Unit], places: &Places, page: Page, counts: bool) -> Result<(Vec<Match>, u64)> {
        let is_plain = search.words.is_empty() && search.condition == madang_lake::Condition::default();
        let above = self.above(search)?;
        self.have_indexes(search, units).await?;
        let end = page.offset.saturating_add(page.limit);
        let (mut kept, mut seen) = (Vec::new(), 0_u64);
        for at in 0..=units.len() {
            if !counts && seen >= end {
                break;
            }
            let tail = places.in_unit(at, &above);
            let unit = units.get(at);
            if is_plain && let Some(unit) = unit {
                let rows = (unit.rows - places.masked_in(at).len() + tail.len()) as u64;
                if seen + rows <= page.offset || seen >= end {
                    seen += rows;
                    continue;
                }
            }
            let below = match unit {
                Some(unit) => self.unit_matches(search, unit, at, places).await?,
                None => Vec::new(),
            };
            for found in places.merged(below, tail) {
                if seen >= page.offset && seen < end {
                    kept.push(found);
                }
                seen += 1;
            }
        }
        Ok((kept, seen))
    }

    /// Makes what indexes are missing, some at a time.
    async fn have_indexes(&self, search: &Search, units: &[Unit]) -> Result<()> {
        let wanted = search.words.iter().flat_map(|words| units.iter().map(move |unit| self.indexes.of(self, unit, words)));
        let wanted: Vec<_> = wanted.take(KEPT_INDEXES).collect();
        let mut made = stream::iter(wanted).buffer_unordered(AT_ONCE);
        while let Some(made) = made.next().await {
            made?;
        }
        Ok(())
    }

    /// The rows of a unit that match and still count.
    async fn unit_matches(&self, search: &Search, unit: &Unit, at: usize, places: &Places) -> Result<Vec<Match>> {
        if !condition::may_match(&search.condition, unit) {
            return Ok(Vec::new());
        }
        let names = condition::columns(&search.condition);
        let columns = self.columns.named(unit, &self.snapshot.schema, &names).await?;
        let mut picked = pick(&search.condition, &names, &columns, &self.snapshot.schema, unit.rows)?;
        picked.leave_out(places.masked_in(at));
        let mut indexes = Vec::with_capacity(search.words.len());
        for words in &search.words {
            indexes.push((self.indexes.of(self, unit, words).await?, &words.query));
        }
        Ok(matched(at, &picked, &indexes))
    }

    /// The rows of the tail that match, by their place there.
    fn above(&self, search: &Search) -> Result<Vec<Match>> {
        let Some(tail) = &self.snapshot.tail else { return Ok(Vec::new()) };
        let names = condition::columns(&search.condition);
        let columns = self.tail_columns(&names)?;
        let picked = pick(&search.condition, &names, &columns, &self.snapshot.schema, tail.rows.num_rows())?;
        let mut indexes = Vec::with_capacity(search.words.len());
        for words in &search.words {
            let columns = self.tail_columns(&index::names(&self.snapshot.schema, words))?;
            indexes.push((Arc::new(Index::build(words.language, &columns, tail.rows.num_rows())?), &words.query));
        }
        Ok(matched(usize::MAX, &picked, &indexes))
    }

    fn tail_columns(&self, names: &[String]) -> Result<Vec<ArrayRef>> {
        let Some(tail) = &self.snapshot.tail else { return Ok(Vec::new()) };
        let column = |name: &String| tail.rows.column_by_name(name).cloned();
        names.iter().map(|name| column(name).ok_or_else(|| Error::invalid(format!("the table has no column '{name}'")))).collect()
    }

    /// Columns of rows, in their order.
    async fn gather(&self, names: &[String], units: &[Unit], rows: impl Iterator<Item = Row> + Clone) -> Result<Vec<ArrayRef>> {
        let mut used: Vec<usize> = rows.clone().map(|row| row.0).collect();
        used.sort_unstable();
        used.dedup();
        let mut sources: Vec<Vec<ArrayRef>> = Vec::with_capacity(used.len());
        for at in &used {
            sources.push(match units.get(*at) {
                Some(unit) => self.columns.named(unit, &self.snapshot.schema, names).await?,
                None => self.tail_columns(names)?,
            });
        }
        let places: Vec<(usize, usize)> = rows
            .map(|(at, row)| used.binary_search(&at).map(|source| (source, row)))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| storage("a row of no unit"))?;
        let gathered = names.iter().enumerate().map(|(column, name)| {
            let arrays: Vec<&dyn arrow::array::Array> = sources.iter().filter_map(|columns| Some(columns.get(column)?.as_ref())).collect();
            if arrays.is_empty() {
                Ok(new_empty_array(&kind(&self.snapshot.schema, name)?))
            } else {
                interleave(&arrays, &places).map_err(storage)
            }
        });
        gathered.collect()
    }

    /// The output columns of rows, and their ranks.
    async fn output(&self, search: &Search, units: &[Unit], matches: &[Match]) -> Result<RecordBatch> {
        let columns = self.gather(&search.columns, units, matches.iter().map(|found| found.row)).await?;
        let ranks = (0..search.words.len()).map(|at| Arc::new(rank_column(matches, at)) as ArrayRef);
        batch(&self.snapshot.schema, &search.columns, columns.into_iter().chain(ranks).collect(), matches.len())
    }
}

/// The ranks of rows by one of the questions for words.
fn rank_column(matches: &[Match], at: usize) -> Float32Array {
    Float32Array::from_iter_values(matches.iter().map(|found| found.ranks.get(at).copied().unwrap_or_default()))
}

/// Named columns, then ranks, as a batch.
fn batch(schema: &Schema, names: &[String], columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(columns.len());
    for at in 0..columns.len() {
        fields.push(match names.get(at) {
            Some(name) => Field::new(name, kind(schema, name)?, true),
            None => Field::new(format!("rank_{}", at - names.len()), DataType::Float32, true),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), columns, &options).map_err(storage)
}

/// Rows that match the condition and have all the words.
fn matched(unit: usize, picked: &Picked, indexes: &[(Arc<Index>, &WordQuery)]) -> Vec<Match> {
    if indexes.is_empty() {
        return picked.rows().map(|row| Match { row: (unit, row), ranks: Vec::new() }).collect();
    }
    let mut rows: Option<Vec<u32>> = None;
    for (index, query) in indexes {
        let found = index.rows(query);
        rows = Some(match rows {
            Some(rows) => index::both(&rows, &found),
            None => found,
        });
    }
    let rows: Vec<u32> = rows.unwrap_or_default().into_iter().filter(|row| picked.has(*row as usize)).collect();
    let ranks: Vec<Vec<f32>> = indexes.iter().map(|(index, query)| rank::ranks(index, query, &rows)).collect();
    let of_row = |at: usize| ranks.iter().map(|ranks| ranks.get(at).copied().unwrap_or_default()).collect();
    rows.iter().enumerate().map(|(at, row)| Match { row: (unit, *row as usize), ranks: of_row(at) }).collect()
}

/// What a column holds.
fn kind(schema: &Schema, name: &str) -> Result<DataType> {
    match schema.column(name) {
        Some(column) => Ok(column.kind.arrow()),
        None if name == ROW_ID => Ok(DataType::Int64),
        None => Err(Error::invalid(format!("the table has no column '{name}'"))),
    }
}

fn check(schema: &Schema, search: &Search) -> Result<()> {
    let ordered = search.order.iter().filter_map(|Order { by, .. }| match by {
        OrderBy::Column(name) => Some(name),
        OrderBy::Rank(_) => None,
    });
    let words = search.words.iter().filter_map(|words| words.column.as_ref());
    for name in search.columns.iter().chain(ordered).chain(words) {
        kind(schema, name)?;
    }
    if search.page.limit > PAGE_ROWS { Err(Error::LimitExceeded(format!("a page has at most {PAGE_ROWS} rows"))) } else { Ok(()) }
}
