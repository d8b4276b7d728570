//! Rows that match, in an order, or each kind once.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, UInt32Array},
    compute::{SortColumn, SortOptions, lexsort_to_indices, take},
    row::{RowConverter, SortField},
};
use madang_lake::{Found, Order, OrderBy, Page, Result, Search};

use super::{Match, Scan, batch, rank_column};
use crate::{read::Unit, storage};

/// The page of all rows in the wanted order.
pub(super) async fn ordered(scan: &Scan<'_>, search: &Search, units: &[Unit], matches: Vec<Match>) -> Result<Found> {
    let names: Vec<String> = search.order.iter().filter_map(|order| column(order).cloned()).collect();
    let mut columns = scan.gather(&names, units, matches.iter().map(|found| found.row)).await?.into_iter();
    let mut keys = Vec::with_capacity(search.order.len() + 1);
    for order in &search.order {
        let values: ArrayRef = match order.by {
            OrderBy::Column(_) => columns.next().ok_or_else(|| storage("a column was not read"))?,
            OrderBy::Rank(at) => Arc::new(rank_column(&matches, at)),
        };
        keys.push(SortColumn { values, options: Some(SortOptions { descending: order.descending, nulls_first: order.nulls_first }) });
    }
    let wanted = sorted(keys, matches.len(), search.page)?;
    let page: Vec<Match> = wanted.iter().flatten().filter_map(|at| matches.get(at as usize).cloned()).collect();
    let rows = scan.output(search, units, &page).await?;
    Ok(Found { rows, total: search.counts.then_some(matches.len() as u64) })
}

/// The page of the rows of which no two are alike. They stand in the wanted order, else in that of their columns.
pub(super) async fn distinct(scan: &Scan<'_>, search: &Search, units: &[Unit], matches: &[Match]) -> Result<Found> {
    let columns = scan.gather(&search.columns, units, matches.iter().map(|found| found.row)).await?;
    let first = UInt32Array::from(first_of_each(&columns, matches.len())?);
    let columns = columns.iter().map(|column| take(column, &first, None).map_err(storage)).collect::<Result<Vec<_>>>()?;
    let plain = |name: &String| Order { by: OrderBy::Column(name.clone()), descending: false, nulls_first: false };
    let order: Vec<Order> = if search.order.is_empty() { search.columns.iter().map(plain).collect() } else { search.order.clone() };
    let keys = order.iter().filter_map(|order| {
        let at = search.columns.iter().position(|name| Some(name) == column(order))?;
        let options = SortOptions { descending: order.descending, nulls_first: order.nulls_first };
        Some(SortColumn { values: columns.get(at)?.clone(), options: Some(options) })
    });
    let wanted = sorted(keys.collect(), first.len(), search.page)?;
    let page = columns.iter().map(|column| take(column, &wanted, None).map_err(storage)).collect::<Result<Vec<_>>>()?;
    let rows = batch(&scan.snapshot.schema, &search.columns, page, wanted.len())?;
    Ok(Found { rows, total: search.counts.then_some(first.len() as u64) })
}

fn column(order: &Order) -> Option<&String> {
    match &order.by {
        OrderBy::Column(name) => Some(name),
        OrderBy::Rank(_) => None,
    }
}

/// The places of the rows of a page in an order; ties stand as they were.
fn sorted(mut keys: Vec<SortColumn>, rows: usize, page: Page) -> Result<UInt32Array> {
    let rows = u32::try_from(rows).map_err(storage)?;
    keys.push(SortColumn { values: Arc::new(UInt32Array::from_iter_values(0..rows)), options: None });
    let end = usize::try_from(page.offset.saturating_add(page.limit)).unwrap_or(usize::MAX).min(rows as usize);
    let sorted = lexsort_to_indices(&keys, Some(end)).map_err(storage)?;
    let start = usize::try_from(page.offset).unwrap_or(usize::MAX).min(sorted.len());
    Ok(sorted.slice(start, sorted.len() - start))
}

/// The first place of each kind of row.
fn first_of_each(columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
    if columns.is_empty() {
        return Ok(if rows == 0 { Vec::new() } else { vec![0] });
    }
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let encoded = RowConverter::new(fields).and_then(|converter| converter.convert_columns(columns)).map_err(storage)?;
    let mut seen = HashSet::with_capacity(rows.min(1 << 16));
    let places =
        encoded.iter().enumerate().filter(|(_, row)| seen.insert(row.data().to_vec())).map(|(at, _)| u32::try_from(at).map_err(storage));
    places.collect()
}
