//! What a merge asks of the engine. The new rows stand on the left of each join, the side that is kept in memory if one is.

use std::sync::Arc;

use datafusion::{
    common::Column,
    datasource::provider_as_source,
    error::Result as EngineResult,
    functions_window::expr_fn::row_number,
    logical_expr::{Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, ScalarUDF, ident, lit, when},
};
use madang_lake::{ROW_ID, Result, Schema, Snapshot};

use super::{failure::refused, key::Key, table::Table};

/// How two sides are brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// The new rows are kept in memory.
    InMemory,
    /// Both sides are sorted, on the disk if need be.
    Sorted,
}

/// One of the questions below.
pub(crate) type Question = fn(&Sides) -> Result<LogicalPlan>;

/// A table and the rows that are merged into it.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    pub(crate) base: Snapshot,
    /// Their row id is their place among the new rows.
    pub(crate) new: Snapshot,
    pub(crate) keys: Vec<String>,
    pub(crate) join: Join,
}

// Names of columns on the way; those of the two sides must differ.
const KEY: &str = "key";
const PLACE: &str = "place";
const NUMBER: &str = "number";
const BASE_KEY: &str = "base_key";
const BASE_ID: &str = "base_id";

impl Sides {
    /// The ids of the table's rows that a new row has the keys of.
    pub(crate) fn matched(&self) -> Result<LogicalPlan> {
        let plan = || {
            let keys = self.new_rows(&Schema::default())?.project([ident(KEY)])?;
            let joined = keys.join(self.base_keys()?.build()?, JoinType::RightSemi, on(), None)?;
            joined.project([ident(BASE_ID).alias(ROW_ID)])?.build()
        };
        plan().map_err(|error| refused(error, 0))
    }

    /// The stored rows of the table as they are after the merge, in the order of their ids.
    pub(crate) fn merged(&self) -> Result<LogicalPlan> {
        let plan = || {
            let columns = &self.base.schema.columns;
            let cells = columns.iter().enumerate().map(|(at, column)| ident(&column.name).alias(base_cell(at)));
            let ends = [ident(ROW_ID).alias(BASE_ID), self.key().alias(BASE_KEY)];
            let base = Self::scan(&self.base)?.project(cells.chain(ends))?;
            let joined = self.last_rows()?.join(base.build()?, JoinType::Right, on(), None)?;
            let cells = columns.iter().enumerate().map(|(at, column)| Ok(self.cell(at, &column.name)?.alias(&column.name)));
            let cells = cells.collect::<EngineResult<Vec<Expr>>>()?;
            let stored = std::iter::once(ident(BASE_ID).alias(ROW_ID)).chain(cells);
            joined.project(stored)?.sort([ident(ROW_ID).sort(true, false)])?.build()
        };
        plan().map_err(|error| refused(error, 0))
    }

    /// The new rows whose keys the table does not have, in their order.
    pub(crate) fn unmatched(&self) -> Result<LogicalPlan> {
        let plan = || {
            let joined = self.last_rows()?.join(self.base_keys()?.build()?, JoinType::LeftAnti, on(), None)?;
            let cells = self.new.schema.columns.iter().enumerate().map(|(at, column)| ident(new_cell(at)).alias(&column.name));
            joined.sort([ident(PLACE).sort(true, false)])?.project(cells)?.build()
        };
        plan().map_err(|error| refused(error, 0))
    }

    /// A cell after the merge: the new one, if there is a new row that has the column.
    fn cell(&self, at: usize, name: &str) -> EngineResult<Expr> {
        let old = ident(base_cell(at));
        let new = self.new.schema.columns.iter().position(|column| column.name == *name);
        match new.filter(|_| !self.keys.iter().any(|key| key == name)) {
            Some(new) => when(ident(PLACE).is_not_null(), ident(new_cell(new))).otherwise(old),
            None => Ok(old),
        }
    }

    /// Of the new rows with the same keys the last.
    fn last_rows(&self) -> EngineResult<LogicalPlanBuilder> {
        let order = vec![ident(PLACE).sort(false, false)];
        let number = row_number().partition_by(vec![ident(KEY)]).order_by(order).build()?.alias(NUMBER);
        self.new_rows(&self.new.schema)?.window([number])?.filter(ident(NUMBER).eq(lit(1_u64)))
    }

    fn new_rows(&self, columns: &Schema) -> EngineResult<LogicalPlanBuilder> {
        let cells = columns.columns.iter().enumerate().map(|(at, column)| ident(&column.name).alias(new_cell(at)));
        Self::scan(&self.new)?.project(cells.chain([ident(ROW_ID).alias(PLACE), self.key().alias(KEY)]))
    }

    fn base_keys(&self) -> EngineResult<LogicalPlanBuilder> {
        Self::scan(&self.base)?.project([ident(ROW_ID).alias(BASE_ID), self.key().alias(BASE_KEY)])
    }

    fn scan(side: &Snapshot) -> EngineResult<LogicalPlanBuilder> {
        let table = Table::with_row_id(side).map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
        LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(table)), None)
    }

    fn key(&self) -> Expr {
        ScalarUDF::from(Key::default()).call(self.keys.iter().map(ident).collect())
    }
}

fn on() -> (Vec<Column>, Vec<Column>) {
    (vec![Column::from_name(KEY)], vec![Column::from_name(BASE_KEY)])
}

fn base_cell(at: usize) -> String {
    format!("base_{at}")
}

fn new_cell(at: usize) -> String {
    format!("new_{at}")
}
