//! How deep and how wide a statement may be. The engine walks statements and plans by recursion, so depth costs stack;
//! a long chain of operators is as deep as many parentheses.

use std::ops::ControlFlow;

use datafusion::sql::{
    parser::Statement,
    sqlparser::{
        ast::{Expr, ObjectName, Query, SetExpr, Statement as SqlStatement, Visit, Visitor},
        dialect::GenericDialect,
        tokenizer::{TokenWithSpan, Tokenizer},
    },
};
use madang_lake::{Error, Result};

const BYTES: usize = 1 << 20;
const TOKENS: usize = 20_000;
const NESTED_EXPRESSIONS: usize = 200;
const MERGED_EXPRESSIONS: usize = 400;
const TABLES: usize = 100;
const SELECTS: usize = 100;

/// Cuts a text into tokens. Done before parsing, because even to drop a parsed chain costs stack for each operator.
pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>> {
    if sql.len() > BYTES {
        return Err(Error::invalid(format!("the statement is longer than {BYTES} bytes")));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let tokens = tokens.map_err(|error| Error::invalid(format!("sql parser error: {error}")))?;
    if tokens.len() > TOKENS {
        return Err(Error::invalid(format!("the statement has more than {TOKENS} words and signs")));
    }
    Ok(tokens)
}

/// Refuses a statement that is too deep or too wide.
pub(super) fn check(statement: &Statement) -> Result<()> {
    let Statement::Statement(statement) = statement else { return Ok(()) };
    let SqlStatement::Query(query) = statement.as_ref() else { return Ok(()) };
    match query.visit(&mut Measure::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(why) => Err(Error::invalid(format!("the statement has {why}"))),
    }
}

#[derive(Default)]
struct Measure {
    /// Of the expression that is being visited.
    depth: usize,
    /// Of the deepest expression of each query that is being visited, the outermost first.
    deepest: Vec<usize>,
    /// The sum of those that were visited: what a chain of them may become when the planner merges it into one.
    merged: usize,
    tables: usize,
    selects: usize,
}

impl Visitor for Measure {
    type Break = &'static str;

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<&'static str> {
        self.depth += 1;
        if let Some(deepest) = self.deepest.last_mut() {
            *deepest = self.depth.max(*deepest);
        }
        within(self.depth, NESTED_EXPRESSIONS, "an expression of more than 200 nested parts")
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<&'static str> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, _: &ObjectName) -> ControlFlow<&'static str> {
        self.tables += 1;
        within(self.tables, TABLES, "more than 100 tables")
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<&'static str> {
        self.deepest.push(0);
        self.selects += branches(&query.body);
        within(self.selects, SELECTS, "more than 100 SELECTs")
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<&'static str> {
        self.merged += self.deepest.pop().unwrap_or_default();
        within(self.merged, MERGED_EXPRESSIONS, "too many nested parts in its expressions")
    }
}

fn within(count: usize, most: usize, why: &'static str) -> ControlFlow<&'static str> {
    if count > most { ControlFlow::Break(why) } else { ControlFlow::Continue(()) }
}

/// The branches of a UNION and its like; 1 for a plain SELECT.
fn branches(body: &SetExpr) -> usize {
    let (mut found, mut open) = (0, vec![body]);
    while let Some(body) = open.pop() {
        match body {
            SetExpr::SetOperation { left, right, .. } => open.extend([left.as_ref(), right.as_ref()]),
            _ => found += 1,
        }
    }
    found
}
