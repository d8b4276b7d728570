//! Rows of one table under conditions, in an order: the same engine as a statement, without a text.

use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::DataType;
use datafusion::{
    catalog::TableProvider,
    common::DFSchema,
    datasource::provider_as_source,
    error::DataFusionError,
    execution::context::ExecutionProps,
    functions_aggregate::expr_fn::count,
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, cast, ident, lit, physical_planning_context::PhysicalPlanningContext,
        utils::conjunction,
    },
    physical_expr::{PhysicalExpr, create_physical_expr},
    scalar::ScalarValue,
};
use madang_lake::{ColumnType, Error, Filter, FilterOp, ROW_ID, ReadOptions, Result, Schema, Snapshot, Sort};

use super::{failure::refused, table::Table};

/// The plan that gives the wanted rows.
pub(super) fn rows(snapshot: &Snapshot, options: &ReadOptions) -> Result<LogicalPlan> {
    let wanted = columns(&snapshot.schema, options.columns.as_deref())?;
    let order = order(&snapshot.schema, &options.sort)?;
    let (skip, fetch) = options.page.map_or((0, None), |page| (size(page.offset), Some(size(page.limit))));
    let sorted = filtered(snapshot, &options.filters)?.sort(order).and_then(|plan| plan.limit(skip, fetch));
    sorted.and_then(|plan| plan.project(wanted)).and_then(LogicalPlanBuilder::build).map_err(planning)
}

/// The plan that gives the number of rows, as one cell.
pub(super) fn number(snapshot: &Snapshot, filters: &[Filter]) -> Result<LogicalPlan> {
    let counted = vec![count(lit(1_i64))];
    filtered(snapshot, filters)?.aggregate(Vec::<Expr>::new(), counted).and_then(LogicalPlanBuilder::build).map_err(planning)
}

/// The output columns, each once. [`ROW_ID`] comes only if it is named.
fn columns(schema: &Schema, names: Option<&[String]>) -> Result<Vec<Expr>> {
    let Some(names) = names else { return Ok(schema.columns.iter().map(|column| ident(&column.name)).collect()) };
    let mut seen = HashSet::new();
    let columns = names.iter().map(|name| {
        kind(schema, name)?;
        if seen.insert(name) { Ok(ident(name)) } else { Err(Error::invalid(format!("column '{name}' is wanted twice"))) }
    });
    columns.collect()
}

/// The wanted order, then the order of ingestion.
fn order(schema: &Schema, sort: &[Sort]) -> Result<Vec<SortExpr>> {
    let wanted = sort.iter().map(|by| kind(schema, &by.column).map(|_| ident(&by.column).sort(!by.descending, false)));
    let ties = std::iter::once(Ok(ident(ROW_ID).sort(true, false)));
    wanted.chain(ties).collect()
}

/// All conditions as one, to be asked of batches whose columns are those of `schema`.
pub(crate) fn predicate(schema: &Schema, filters: &[Filter]) -> Result<Arc<dyn PhysicalExpr>> {
    let conditions = filters.iter().map(|filter| condition(schema, filter)).collect::<Result<Vec<_>>>()?;
    let all = conjunction(conditions).ok_or_else(|| Error::invalid("there is no condition"))?;
    let columns = DFSchema::try_from(schema.stored()).map_err(planning)?;
    create_physical_expr(&all, &columns, &ExecutionProps::new(), &PhysicalPlanningContext::default()).map_err(planning)
}

fn filtered(snapshot: &Snapshot, filters: &[Filter]) -> Result<LogicalPlanBuilder> {
    let table: Arc<dyn TableProvider> = Arc::new(Table::with_row_id(snapshot)?);
    let mut plan = LogicalPlanBuilder::scan("rows", provider_as_source(table), None).map_err(planning)?;
    for filter in filters {
        plan = plan.filter(condition(&snapshot.schema, filter)?).map_err(planning)?;
    }
    Ok(plan)
}

fn condition(schema: &Schema, filter: &Filter) -> Result<Expr> {
    let kind = kind(schema, &filter.column)?;
    let column = ident(&filter.column);
    let value = || typed(filter, one(filter)?, kind);
    Ok(match filter.op {
        FilterOp::Eq => column.eq(value()?),
        FilterOp::Ne => column.not_eq(value()?),
        FilterOp::Lt => column.lt(value()?),
        FilterOp::Le => column.lt_eq(value()?),
        FilterOp::Gt => column.gt(value()?),
        FilterOp::Ge => column.gt_eq(value()?),
        FilterOp::Like => cast(column, DataType::Utf8).like(lit(one(filter)?)),
        FilterOp::In => {
            let values = filter.values.iter().map(|text| typed(filter, text, kind));
            column.in_list(values.collect::<Result<_>>()?, false)
        }
        FilterOp::IsNull => match filter.values.first().map(String::as_str) {
            None | Some("" | "true") => column.is_null(),
            Some("false") => column.is_not_null(),
            Some(_) => return Err(bad(filter, "isnull takes true or false")),
        },
    })
}

/// The first value, which every comparison but `in` and `isnull` needs.
fn one(filter: &Filter) -> Result<&str> {
    filter.values.first().map(String::as_str).ok_or_else(|| bad(filter, "a value is missing"))
}

/// A text as a value of the column's type.
fn typed(filter: &Filter, text: &str, kind: ColumnType) -> Result<Expr> {
    let value = ScalarValue::from(text).cast_to(&kind.arrow());
    value.map(lit).map_err(|_| bad(filter, &format!("a value is no {}", kind.name())))
}

fn bad(filter: &Filter, why: &str) -> Error {
    Error::invalid(format!("filter on '{}': {why}", filter.column))
}

/// What a column holds that may be [`ROW_ID`].
fn kind(schema: &Schema, name: &str) -> Result<ColumnType> {
    match schema.column(name) {
        Some(column) => Ok(column.kind),
        None if name == ROW_ID => Ok(ColumnType::Int64),
        None => Err(Error::invalid(format!("the table has no column '{name}'"))),
    }
}

fn size(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

fn planning(error: DataFusionError) -> Error {
    refused(error, 0)
}
