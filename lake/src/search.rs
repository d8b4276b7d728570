//! Questions about one table that are answered from decoded columns, without a statement: conditions, words, orders, pages.

use arrow::array::RecordBatch;
use serde_json::Value;

use crate::{Language, Page};

/// What rows are wanted, how, and which of them.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What every row must meet.
    pub condition: Condition,
    /// Words that every row must have; each gives a rank.
    pub words: Vec<Words>,
    /// The output columns, [`crate::ROW_ID`] if it is named.
    pub columns: Vec<String>,
    /// Rows whose output columns are alike come once.
    pub distinct: bool,
    /// The order; ties stand in the order of their ids.
    pub order: Vec<Order>,
    /// Which rows of those.
    pub page: Page,
    /// Whether all rows are counted.
    pub counts: bool,
}

/// The rows that were found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The output columns, then a rank (`rank_0`, `rank_1`, …) for each of [`Search::words`], unless they are to be distinct.
    pub rows: RecordBatch,
    /// How many there are in all pages, if they were counted.
    pub total: Option<u64>,
}

/// A condition on a row. A comparison with an empty cell is never true. Cells are written as [`crate::cell`] gives them.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Each holds; of none, true.
    All(Vec<Condition>),
    /// One holds; of none, false.
    Any(Vec<Condition>),
    /// A column compared with a cell.
    Compare(String, Comparison, Value),
    /// A column's cell is one of these.
    In(String, Vec<Value>),
}

impl Default for Condition {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// How two cells are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
}

/// One part of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// The greatest first.
    pub descending: bool,
    /// Empty cells come first.
    pub nulls_first: bool,
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// A column, or the id.
    Column(String),
    /// The rank by one of [`Search::words`].
    Rank(usize),
}

/// Words that are looked for in one column or in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// The column; `None` = all columns of a row as one text.
    pub column: Option<String>,
    /// The language whose endings are taken off the table's words.
    pub language: Language,
    /// What is looked for.
    pub query: WordQuery,
}

/// What words are looked for: as PostgreSQL's `tsquery`, whose words are in their base form already.
#[derive(Clone, Debug, PartialEq)]
pub enum WordQuery {
    /// Nothing but words that say nothing: no row has it.
    Nothing,
    /// A word, or every word that begins so.
    Word {
        /// In its base form.
        word: String,
        /// Whether it may go on.
        prefix: bool,
    },
    /// Both.
    And(Box<WordQuery>, Box<WordQuery>),
    /// One of them.
    Or(Box<WordQuery>, Box<WordQuery>),
    /// Not.
    Not(Box<WordQuery>),
    /// The second so many words after the first.
    Near(Box<WordQuery>, Box<WordQuery>, u16),
}
