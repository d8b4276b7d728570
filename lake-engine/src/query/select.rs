//! Rows of one table under conditions, in an order: the same engine as a statement, without a text.

use std::sync::Arc;

use datafusion::{
    catalog::TableProvider,
    datasource::provider_as_source,
    error::Result as EngineResult,
    functions_aggregate::expr_fn::count,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, cast, ident, lit},
    scalar::ScalarValue,
};
use madang_lake::{Error, Filter, FilterOp, ROW_ID, ReadOptions, Result, Schema, Snapshot};

use super::{failure::refused, table::Table};

/// The plan that gives the wanted rows.
pub(super) fn rows(snapshot: &Snapshot, options: &ReadOptions) -> Result<LogicalPlan> {
    let columns = match &options.columns {
        Some(columns) => columns.clone(),
        None => snapshot.schema.columns.iter().map(|column| column.name.clone()).collect(),
    };
    for name in columns.iter().chain(options.sort.iter().map(|sort| &sort.column)) {
        known(&snapshot.schema, name)?;
    }
    let mut order: Vec<SortExpr> = options.sort.iter().map(|sort| ident(&sort.column).sort(!sort.descending, false)).collect();
    order.push(ident(ROW_ID).sort(true, false));
    let wanted: Vec<Expr> = columns.iter().map(ident).collect();
    let (skip, fetch) = match options.page {
        Some(page) => (size(page.offset), Some(size(page.limit))),
        None => (0, None),
    };
    let filtered = filtered(snapshot, &options.filters)?;
    filtered.sort(order).and_then(|plan| plan.limit(skip, fetch)).and_then(|plan| plan.project(wanted)).and_then(LogicalPlanBuilder::build).map_err(planning)
}

/// The plan that gives the number of rows, as one cell.
pub(super) fn number(snapshot: &Snapshot, filters: &[Filter]) -> Result<LogicalPlan> {
    let counted = vec![count(lit(1_i64))];
    filtered(snapshot, filters)?.aggregate(Vec::<Expr>::new(), counted).and_then(LogicalPlanBuilder::build).map_err(planning)
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
    let name = &filter.column;
    let kind = if name == ROW_ID { madang_lake::ColumnType::Int64 } else { known(schema, name)? };
    let column = ident(name);
    let values = filter.values.iter().map(|text| typed(name, text, kind)).collect::<EngineResult<Vec<_>>>();
    if filter.op == FilterOp::IsNull {
        return match filter.values.first().map_or("true", String::as_str) {
            "" | "true" => Ok(column.is_null()),
            "false" => Ok(column.is_not_null()),
            _ => Err(Error::invalid(format!("filter on '{name}': isnull takes true or false"))),
        };
    }
    if filter.op == FilterOp::Like {
        let pattern = filter.values.first().cloned().unwrap_or_default();
        return Ok(cast(column, arrow::datatypes::DataType::Utf8).like(lit(pattern)));
    }
    let values = values.map_err(|_| Error::invalid(format!("filter on '{name}': a value is not a {}", kind.name())))?;
    let first = || values.first().cloned().ok_or_else(|| Error::invalid(format!("filter on '{name}' has no value")));
    Ok(match filter.op {
        FilterOp::Eq => column.eq(first()?),
        FilterOp::Ne => column.not_eq(first()?),
        FilterOp::Lt => column.lt(first()?),
        FilterOp::Le => column.lt_eq(first()?),
        FilterOp::Gt => column.gt(first()?),
        FilterOp::Ge => column.gt_eq(first()?),
        FilterOp::In => column.in_list(values, false),
        FilterOp::Like | FilterOp::IsNull => return Err(Error::invalid("unknown comparison")),
    })
}

/// A text as a value of the column's type.
fn typed(_: &str, text: &str, kind: madang_lake::ColumnType) -> EngineResult<Expr> {
    Ok(lit(ScalarValue::Utf8(Some(text.to_owned())).cast_to(&kind.arrow())?))
}

fn known(schema: &Schema, name: &str) -> Result<madang_lake::ColumnType> {
    schema.column(name).map(|column| column.kind).ok_or_else(|| Error::invalid(format!("the table has no column '{name}'")))
}

fn size(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

fn planning(error: datafusion::error::DataFusionError) -> Error {
    refused(error, 0)
}
