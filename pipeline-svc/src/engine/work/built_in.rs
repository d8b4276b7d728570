//! The built-in commands (dhub.md section 8). Names of columns are the caller's words: they become identifiers in quotes, never text.

use std::collections::HashSet;

use madang_kit::{Code, Error, Result};
use madang_lake::{Filter, Limits, ReadOptions, RowStream, Snapshot};
use madang_proto::pipeline::v1::{Aggregate, AggregateColumn, Join, JoinKey, Select};

use super::super::{
    step::{Task, lake_error},
    walk::Walk,
};

/// The rows that meet every condition, in ingestion order.
pub(super) async fn filter(walk: &Walk<'_>, task: &Task<'_>, conditions: &[Filter]) -> Result<RowStream> {
    let options = ReadOptions { filters: conditions.to_vec(), ..ReadOptions::default() };
    walk.engine.0.lake.read(only(task)?.1, &options, &Limits::STEP).await.map_err(lake_error)
}

/// Some columns under other names, in ingestion order.
pub(super) async fn select(walk: &Walk<'_>, task: &Task<'_>, wanted: &Select) -> Result<RowStream> {
    let (_, rows) = only(task)?;
    let mut sources: Vec<String> = Vec::new();
    for chosen in &wanted.columns {
        demand_column(rows, &chosen.column)?;
        if !sources.contains(&chosen.column) {
            sources.push(chosen.column.clone());
        }
    }
    let options = ReadOptions { columns: Some(sources), ..ReadOptions::default() };
    let read = walk.engine.0.lake.read(rows, &options, &Limits::STEP).await.map_err(lake_error)?;
    let names = wanted.columns.iter().map(|chosen| (chosen.column.as_str(), chosen.r#as.as_deref().unwrap_or(&chosen.column)));
    read.renamed(&names.collect::<Vec<_>>()).map_err(lake_error)
}

/// One row for each group, ordered by the groups.
pub(super) async fn aggregate(walk: &Walk<'_>, task: &Task<'_>, wanted: &Aggregate) -> Result<RowStream> {
    let (name, rows) = only(task)?;
    for column in wanted.group_by.iter().chain(wanted.columns.iter().filter_map(|wanted| wanted.column.as_ref())) {
        demand_column(rows, column)?;
    }
    let groups: Vec<String> = wanted.group_by.iter().map(|column| quoted(column)).collect();
    let columns: Vec<String> = groups.iter().cloned().chain(wanted.columns.iter().map(aggregated)).collect();
    let by = if groups.is_empty() { String::new() } else { format!(" GROUP BY {0} ORDER BY {0}", groups.join(", ")) };
    query(walk, task, &format!("SELECT {} FROM {}{by}", columns.join(", "), quoted(name))).await
}

fn aggregated(wanted: &AggregateColumn) -> String {
    let column = wanted.column.as_ref().map_or_else(|| "*".to_owned(), |column| quoted(column));
    let call = match wanted.function.as_str() {
        "count_distinct" => format!("count(DISTINCT {column})"),
        function => format!("{function}({column})"),
    };
    format!("{call} AS {}", quoted(&wanted.r#as))
}

/// Rows of two inputs side by side: the left columns, then the right ones; a right key of the same name as its left one is left out.
pub(super) async fn join(walk: &Walk<'_>, task: &Task<'_>, wanted: &Join) -> Result<RowStream> {
    let (left, right) = (input(task, &wanted.left)?, input(task, &wanted.right)?);
    for JoinKey { left: left_key, right: right_key } in &wanted.on {
        demand_column(left, left_key)?;
        demand_column(right, right_key)?;
    }
    let is_shared = |name: &str| wanted.on.iter().any(|key| key.left == name && key.right == name);
    let mut names: HashSet<&str> = HashSet::new();
    let mut columns = Vec::new();
    for column in &left.schema.columns {
        names.insert(&column.name);
        let name = quoted(&column.name);
        let either = is_shared(&column.name) && matches!(wanted.r#type.as_str(), "right" | "full");
        columns.push(if either { format!("COALESCE(l.{name}, r.{name}) AS {name}") } else { format!("l.{name} AS {name}") });
    }
    for column in right.schema.columns.iter().filter(|column| !is_shared(&column.name)) {
        let name = if names.contains(column.name.as_str()) { format!("{}{}", wanted.prefix, column.name) } else { column.name.clone() };
        columns.push(format!("r.{} AS {}", quoted(&column.name), quoted(&name)));
    }
    let on: Vec<String> = wanted.on.iter().map(|key| format!("l.{} = r.{}", quoted(&key.left), quoted(&key.right))).collect();
    let text = format!(
        "SELECT {} FROM {} l {} JOIN {} r ON {}",
        columns.join(", "),
        quoted(&wanted.left),
        wanted.r#type.to_uppercase(),
        quoted(&wanted.right),
        on.join(" AND ")
    );
    query(walk, task, &text).await
}

async fn query(walk: &Walk<'_>, task: &Task<'_>, text: &str) -> Result<RowStream> {
    walk.engine.0.lake.query(text, &task.inputs.rows, &Limits::STEP).await.map_err(lake_error)
}

/// The only input of a step that has one.
pub(super) fn only<'t>(task: &'t Task<'_>) -> Result<(&'t str, &'t Snapshot)> {
    let input = task.inputs.rows.iter().next().map(|(name, rows)| (name.as_str(), rows));
    input.ok_or_else(|| Error::new(Code::Invalid, "the step has no input"))
}

fn input<'t>(task: &'t Task<'_>, name: &str) -> Result<&'t Snapshot> {
    task.inputs.rows.get(name).ok_or_else(|| Error::new(Code::Invalid, format!("the step has no input '{name}'")))
}

fn demand_column(rows: &Snapshot, name: &str) -> Result<()> {
    if rows.schema.column(name).is_some() {
        return Ok(());
    }
    Err(Error::new(Code::Invalid, format!("the input has no column '{name}'")))
}

/// A name as SQL takes it whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
