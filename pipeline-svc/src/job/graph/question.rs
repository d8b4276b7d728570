//! What a node asks of the engine: one SELECT over its parents. Names of columns are the users' words: they become identifiers in
//! quotes, and their values are bound, never text.

use std::collections::HashMap;

use arrow::datatypes::{DataType, SchemaRef};
use madang_lake::{Question, ROW_NUMBER};
use serde_json::Value;

use super::{
    kind,
    node::{Aggregate, Condition, Function, Join, On, Text},
};

/// The only table of a node with one parent.
pub(crate) const ROWS: &str = "rows";
/// The tables of a join.
pub(crate) const LEFT: &str = "left_rows";
pub(crate) const RIGHT: &str = "right_rows";

/// Rows that meet all conditions, or any of them, in their order.
pub(crate) fn filter(schema: &SchemaRef, any: bool, conditions: &[Condition]) -> Question {
    let mut values = Bound::default();
    let parts: Vec<String> = conditions
        .iter()
        .map(|condition| {
            let kind = column_type(schema, &condition.column);
            format!("({} {} {})", quoted(&condition.column), condition.operator, values.bind(&condition.value, &kind))
        })
        .collect();
    let together = parts.join(if any { " OR " } else { " AND " });
    let sql = format!("SELECT {} FROM {ROWS} WHERE {together} ORDER BY {}", list(schema), quoted(ROW_NUMBER));
    Question { sql, values: values.0, numbered: true, ..Question::default() }
}

/// Rows with something in the place of null, in their order.
pub(crate) fn fill(schema: &SchemaRef, filled: &[(String, Text)]) -> Question {
    let mut values = Bound::default();
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| {
            let name = quoted(field.name());
            match filled.iter().find(|(column, _)| column == field.name()) {
                Some((_, value)) => format!("COALESCE({name}, {}) AS {name}", values.bind(value, field.data_type())),
                None => name,
            }
        })
        .collect();
    let sql = format!("SELECT {} FROM {ROWS} ORDER BY {}", columns.join(", "), quoted(ROW_NUMBER));
    Question { sql, values: values.0, numbered: true, ..Question::default() }
}

/// The first row of each key, in their order; nulls are equal.
pub(crate) fn distinct(schema: &SchemaRef, keys: &[String]) -> Question {
    let row = quoted(ROW_NUMBER);
    let by = if keys.is_empty() { list(schema) } else { keys.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(", ") };
    let first = format!("SELECT MIN({row}) FROM {ROWS} GROUP BY {by}");
    let sql = format!("SELECT {} FROM {ROWS} WHERE {row} IN ({first}) ORDER BY {row}", list(schema));
    Question { sql, numbered: true, ..Question::default() }
}

/// One row for each group, by group. Sums of integers are exact: one that is too large for a bigint is refused, not wrapped.
pub(crate) fn aggregate(schema: &SchemaRef, by: &[String], results: &[Aggregate]) -> Question {
    let groups: Vec<String> = by.iter().map(|name| quoted(name)).collect();
    let result = |result: &Aggregate| {
        let column = quoted(&result.column);
        let kind = column_type(schema, &result.column);
        let call = match (result.function, &kind) {
            (Function::Count, _) => format!("COUNT({column})"),
            (Function::Max, _) => format!("MAX({column})"),
            (Function::Min, _) => format!("MIN({column})"),
            (Function::Sum, kind) if kind.is_integer() => format!("CAST(SUM(CAST({column} AS DECIMAL(38,0))) AS BIGINT)"),
            (Function::Sum, DataType::Decimal128(_, scale)) => {
                format!("CAST(SUM(CAST({column} AS DECIMAL(76,{scale}))) AS DECIMAL(38,{scale}))")
            }
            (Function::Sum, _) => format!("SUM(CAST({column} AS DOUBLE))"),
            (Function::Avg, DataType::Decimal128(..)) => format!("AVG({column})"),
            (Function::Avg, _) => format!("AVG(CAST({column} AS DOUBLE))"),
        };
        format!("{call} AS {}", quoted(&result.name))
    };
    let columns: Vec<String> = groups.iter().cloned().chain(results.iter().map(result)).collect();
    let places: Vec<String> = (1..=groups.len()).map(|place| place.to_string()).collect();
    let grouped = if groups.is_empty() { String::new() } else { format!(" GROUP BY {} ORDER BY {}", groups.join(", "), places.join(", ")) };
    Question { sql: format!("SELECT {} FROM {ROWS}{grouped}", columns.join(", ")), ..Question::default() }
}

/// Rows side by side. Conditions are folded from the left; null meets none. `output` has the names.
pub(crate) fn join(left: &SchemaRef, output: &SchemaRef, right: &SchemaRef, wanted: &Join, ordered: bool) -> Question {
    let sides = left.fields().iter().map(|field| ("l", field)).chain(right.fields().iter().map(|field| ("r", field)));
    let columns: Vec<String> = sides
        .zip(output.fields())
        .map(|((side, field), named)| format!("{side}.{} AS {}", quoted(field.name()), quoted(named.name())))
        .collect();
    let on = wanted.on.iter().fold(String::new(), |before, On { left, right, operator, and_or }| {
        let condition = format!("l.{} {operator} r.{}", quoted(left), quoted(right));
        if before.is_empty() { condition } else { format!("({before}) {and_or} ({condition})") }
    });
    let row = quoted(ROW_NUMBER);
    let order = if ordered { format!(" ORDER BY l.{row}, r.{row}") } else { String::new() };
    let sql = format!("SELECT {} FROM {LEFT} l {} {RIGHT} r ON {on}{order}", columns.join(", "), wanted.kind);
    Question { sql, numbered: true, ..Question::default() }
}

/// Values that are bound.
#[derive(Default)]
struct Bound(HashMap<String, Value>);

impl Bound {
    fn bind(&mut self, value: &Text, kind: &DataType) -> String {
        let name = format!("v{}", self.0.len());
        let bound = format!("CAST(${name} AS {})", kind::sql(kind));
        self.0.insert(name, value.as_ref().map_or(Value::Null, |value| Value::String(trimmed(value, kind))));
        bound
    }
}

/// As columns of texts are read: without blanks around what is no text, and without a plus.
fn trimmed(value: &str, kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::Binary => value.to_owned(),
        kind if kind.is_numeric() => value.trim().trim_start_matches('+').to_owned(),
        _ => value.trim().to_owned(),
    }
}

fn column_type(schema: &SchemaRef, name: &str) -> DataType {
    schema.field_with_name(name).map_or(DataType::Utf8, |field| field.data_type().clone())
}

fn list(schema: &SchemaRef) -> String {
    schema.fields().iter().map(|field| quoted(field.name())).collect::<Vec<_>>().join(", ")
}

/// A name as SQL takes it whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
