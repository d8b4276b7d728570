//! Which statements may run: exactly one SELECT (WITH included) that reads and does nothing else.

use std::{collections::VecDeque, ops::ControlFlow};

use datafusion::{
    common::{TableReference, tree_node::TreeNodeRecursion},
    error::Result as EngineResult,
    execution::context::SQLOptions,
    logical_expr::LogicalPlan,
    sql::{
        parser::{DFParserBuilder, Statement},
        resolve::resolve_table_references,
        sqlparser::{
            ast::{Expr, ObjectName, Query, SetExpr, Statement as SqlStatement, TableFactor, Visit, Visitor},
            tokenizer::TokenWithSpan,
        },
    },
};
use madang_lake::{Error, Result};

use super::{failure::refused, reserved, size};

/// What some editors put before a text in UTF-8.
const MARK: char = '\u{feff}';

/// Parses tokens.
pub(super) fn statements(tokens: Vec<TokenWithSpan>) -> EngineResult<VecDeque<Statement>> {
    DFParserBuilder::new(tokens).build()?.parse_statements()
}

/// Parses a text that must be one SELECT.
pub(super) fn parse(sql: &str) -> Result<Statement> {
    let tokens = size::tokens(sql.strip_prefix(MARK).unwrap_or(sql))?;
    let mut statements = statements(tokens.clone()).map_err(|error| reserved::told(&tokens).unwrap_or_else(|| refused(error, 0)))?;
    let statement = statements.pop_front().ok_or_else(|| Error::invalid("there is no statement"))?;
    if !statements.is_empty() {
        return Err(Error::invalid("only one statement may be given"));
    }
    size::check(&statement)?;
    if reads_only(&statement) { Ok(statement) } else { Err(only_select()) }
}

fn reads_only(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(plain) => matches!(plain.as_ref(), SqlStatement::Query(query) if query_reads(query)),
        _ => false,
    }
}

fn query_reads(query: &Query) -> bool {
    let named = query.with.iter().flat_map(|with| &with.cte_tables).all(|table| query_reads(&table.query));
    named && body_reads(&query.body)
}

fn body_reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => query_reads(query),
        SetExpr::SetOperation { left, right, .. } => body_reads(left) && body_reads(right),
        SetExpr::Values(_) => true,
        _ => false,
    }
}

/// The table names in a statement, each a single word. Names of its own WITH clauses are not among them.
pub(super) fn table_names(statement: &Statement, fold_case: bool) -> Result<Vec<String>> {
    let (references, _) = resolve_table_references(statement, fold_case).map_err(|error| refused(error, 0))?;
    let names = references.into_iter().map(|reference| match reference {
        TableReference::Bare { table } => Ok(table.to_string()),
        qualified => Err(unknown(&qualified.to_string())),
    });
    names.collect()
}

/// The functions that a statement calls, in lower case, each once.
pub(super) fn function_names(statement: &Statement) -> Vec<String> {
    let mut found = Functions::default();
    if let Statement::Statement(statement) = statement
        && let SqlStatement::Query(query) = statement.as_ref()
    {
        let _ = query.visit(&mut found);
    }
    found.0
}

#[derive(Default)]
struct Functions(Vec<String>);

impl Functions {
    fn note(&mut self, name: &ObjectName) {
        let name = name.to_string().replace('"', "").to_lowercase();
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }
}

impl Visitor for Functions {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expression {
            self.note(&call.name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.note(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The refusal of a table that was not given.
pub(super) fn unknown(name: &str) -> Error {
    Error::invalid(format!("there is no table '{name}'"))
}

/// The last look at what would run, subqueries included. UNNEST repeats whole rows for each element of a list, all of a
/// batch at once and uncounted, so it may not run.
pub(super) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    reading.verify_plan(plan).map_err(|_| only_select())?;
    let mut unnests = false;
    let looked = plan.apply_with_subqueries(|node| {
        unnests |= matches!(node, LogicalPlan::Unnest(_));
        Ok(if unnests { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    looked.map_err(|error| refused(error, 0))?;
    if unnests { Err(Error::invalid("not supported: UNNEST")) } else { Ok(()) }
}

fn only_select() -> Error {
    Error::invalid("only a SELECT may be run")
}
