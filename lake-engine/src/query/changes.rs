//! What came to a table between two of its versions.
//!
//! Files that both versions name hold the same rows, so only the others are looked at. If none was taken away, the added ones are the
//! answer as they stand. Otherwise rows that are the same on both sides drop out: all columns of both sides are grouped, with the
//! side of each row, and a group counts only if no row of it stood there before. Grouping takes empty cells for equal, as the
//! contract wants it, and spills to the disk.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    catalog::TableProvider,
    datasource::provider_as_source,
    error::Result as EngineResult,
    functions_aggregate::expr_fn::min,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ident, lit},
};
use madang_lake::{DataFile, ROW_ID, Result, Schema, Snapshot};

use super::{failure::refused, table::Table};

/// The column that tells where a row stood: 0 before, 1 after. No table may have a column of this name (see [`side`]).
const SIDE: &str = "_side";

/// The rows that came, if they are whole files.
pub(super) fn added(from: &Snapshot, to: &Snapshot) -> Option<Snapshot> {
    let nothing_is_comparable = from.table != to.table || !comparable(&from.schema, &to.schema);
    let files = if nothing_is_comparable { to.files.clone() } else { without(&to.files, &from.files) };
    let gone = without(&from.files, &to.files);
    let whole = nothing_is_comparable || gone.iter().all(|old| files.iter().all(|new| apart(old, new)));
    whole.then(|| Snapshot { files, ..to.clone() })
}

/// The plan that gives the rows that came, in ingestion order.
pub(super) fn rows(from: &Snapshot, to: &Snapshot) -> Result<LogicalPlan> {
    plan(from, to)?.map_err(|error| refused(error, 0))
}

fn plan(from: &Snapshot, to: &Snapshot) -> Result<EngineResult<LogicalPlan>> {
    let old = Snapshot { files: without(&from.files, &to.files), ..to.clone() };
    let new = Snapshot { files: without(&to.files, &from.files), ..to.clone() };
    let side_name = side(&to.schema);
    let (old, new) = (Table::with_row_id(&old)?, Table::with_row_id(&new)?);
    let names = || std::iter::once(ROW_ID).chain(to.schema.columns.iter().map(|column| column.name.as_str()));
    let scan = |name: &str, table: Table, at: i64| {
        let table: Arc<dyn TableProvider> = Arc::new(table);
        let columns = names().map(ident).chain([lit(at).alias(&side_name)]);
        LogicalPlanBuilder::scan(name, provider_as_source(table), None)?.project(columns.collect::<Vec<Expr>>())
    };
    let build = || {
        let both = scan("new", new, 1)?.union(scan("old", old, 0)?.build()?)?;
        let earliest = min(ident(&side_name)).alias(&side_name);
        both.aggregate(names().map(ident).collect::<Vec<Expr>>(), vec![earliest])?
            .filter(ident(&side_name).eq(lit(1_i64)))?
            .sort(vec![ident(ROW_ID).sort(true, false)])?
            .project(to.schema.columns.iter().map(|column| ident(&column.name)).collect::<Vec<Expr>>())?
            .build()
    };
    Ok(build())
}

/// A name that no column has.
fn side(schema: &Schema) -> String {
    let mut name = SIDE.to_owned();
    while schema.column(&name).is_some() {
        name.push('_');
    }
    name
}

fn without(files: &[DataFile], others: &[DataFile]) -> Vec<DataFile> {
    let known: HashSet<&str> = others.iter().map(|file| file.path.as_str()).collect();
    files.iter().filter(|file| !known.contains(file.path.as_str())).cloned().collect()
}

/// Whether two files can't hold the same row.
fn apart(one: &DataFile, other: &DataFile) -> bool {
    one.last_row_id < other.first_row_id || other.last_row_id < one.first_row_id
}

/// Whether cells of one name have one type, so that old rows can be read as new ones.
fn comparable(old: &Schema, new: &Schema) -> bool {
    old.columns.iter().all(|column| new.column(&column.name).is_some_and(|next| next.kind == column.kind))
}
