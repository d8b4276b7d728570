//! Steps of a pipeline (dhub.md section 8): D.Hub's words to the contract's and back.

use std::{
    collections::{BTreeMap, HashMap},
    marker,
};

use madang_kit::{Id, Result};
use madang_proto::pipeline::v1::{
    Aggregate, AggregateColumn, CodeWork, Condition, Copy, Filter, Input, Join, JoinKey, Output, ReadCsv, ReadMode, Select, SelectColumn,
    Sql, Step, StepOutput, WriteMode, input::From, step::Work,
};
use serde_json::{Map, Value, json};

use super::{fields::Fields, version, wire};

/// Steps of a pipeline.
pub(super) const STEPS: usize = 200;
/// Inputs of a step, and outputs.
const EDGES: usize = 100;
/// Entries of a step's options, and of the lists in them.
const OPTIONS: usize = 1_000;
/// The built-in commands.
const COMMANDS: [&str; 7] = ["sql", "read_csv", "filter", "select", "aggregate", "join", "copy"];
/// What the right columns of a join get in front if the left has their name.
const PREFIX: &str = "right_";
/// The read mode of what came since the last run.
const CDC: &str = "cdc";
/// The words of write modes; the first is meant if none is said.
const WRITE_MODES: [(&str, WriteMode); 3] =
    [("append", WriteMode::Append), ("overwrite", WriteMode::Overwrite), ("merge", WriteMode::Merge)];

/// Reads the steps of a body; the problems of each go to the body's.
pub(super) fn read_all(body: &mut Fields) -> Vec<Step> {
    let steps = body.list("steps", STEPS).into_iter().enumerate();
    steps.map(|(at, step)| read(body, at, step)).collect()
}

fn read(body: &mut Fields, at: usize, step: Value) -> Step {
    let mut step = Fields::nested(&format!("steps.{at}"), step);
    let name = step.text("name");
    let script = step.text("script");
    let mut options = step.inner("options", OPTIONS).unwrap_or_else(|| Fields::nested(&format!("steps.{at}.options"), json!({})));
    // Any other word reads everything (dhub.md section 8).
    let is_cdc = options.optional_text("read_mode").is_some_and(|word| word.eq_ignore_ascii_case(CDC));
    let read_mode = if is_cdc { ReadMode::Cdc } else { ReadMode::Full };
    let write_mode = choice(&mut options, "write_mode", &WRITE_MODES);
    let merge_keys = options.texts("merge_keys", EDGES).unwrap_or_default();
    let read = Step {
        name,
        read_mode: read_mode.into(),
        write_mode: write_mode.into(),
        merge_keys,
        work: read_work(&mut step, &mut options, &script),
        inputs: edges(&mut step, "inputs", input),
        outputs: edges(&mut step, "outputs", output),
    };
    options.no_others();
    step.no_others();
    body.absorb(options);
    body.absorb(step);
    read
}

/// The mode that a word means; without one, the first.
fn choice<T: marker::Copy + Default>(options: &mut Fields, name: &str, words: &[(&str, T)]) -> T {
    let Some(word) = options.optional_text(name) else { return words.first().map(|first| first.1).unwrap_or_default() };
    let known = words.iter().find(|known| known.0.eq_ignore_ascii_case(&word)).map(|known| known.1);
    if known.is_none() {
        options.problem(name, "choice", &format!("must be one of {}", list(words.iter().map(|word| word.0))));
    }
    known.unwrap_or_default()
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn read_work(step: &mut Fields, options: &mut Fields, script: &str) -> Option<Work> {
    if let Ok(code) = Id::parse_prefixed("code", script) {
        return Some(Work::Code(read_code(options, code)));
    }
    Some(match script {
        "sql" => Work::Sql(Sql { query: options.text("query") }),
        "read_csv" => Work::ReadCsv(ReadCsv {
            text: options.optional_text("text"),
            delimiter: options.optional_text("delimiter").unwrap_or_default(),
        }),
        "filter" => Work::Filter(Filter { conditions: each(options, "conditions", condition) }),
        "select" => Work::Select(Select { columns: each(options, "columns", select_column) }),
        "aggregate" => Work::Aggregate(Aggregate {
            group_by: options.texts("group_by", OPTIONS).unwrap_or_default(),
            columns: each(options, "aggregates", aggregate_column),
        }),
        "join" => Work::Join(read_join(options)),
        "copy" => Work::Copy(Copy {}),
        "" => return None, // told as missing
        _ => {
            let words = format!("must be one of {}, or the id of a code", list(COMMANDS.into_iter()));
            step.problem("script", "choice", &words);
            options.rest(); // nobody knows what they mean
            return None;
        }
    })
}

/// What is left of the options is the script's own.
fn read_code(options: &mut Fields, code: Id) -> CodeWork {
    let version = options.optional_text("code_version").map(|text| version::number(&text));
    if version == Some(None) {
        options.problem("code_version", "version", "must read like v2");
    }
    CodeWork { code_id: code.to_string(), version: version.flatten(), options: Value::Object(options.rest()).to_string() }
}

fn read_join(options: &mut Fields) -> Join {
    Join {
        left: options.optional_text("left").unwrap_or_else(|| "left".to_owned()),
        right: options.optional_text("right").unwrap_or_else(|| "right".to_owned()),
        r#type: options.optional_text("type").unwrap_or_else(|| "inner".to_owned()),
        on: each(options, "on", join_key),
        prefix: options.optional_text("prefix").unwrap_or_else(|| PREFIX.to_owned()),
    }
}

/// The entries of a list; each is an object, or a text where `read` takes one under the empty name.
fn each<T>(options: &mut Fields, name: &str, read: impl Fn(&mut Fields) -> T) -> Vec<T> {
    let at = options.path_of(name);
    let entries: Vec<Value> = options.list(name, OPTIONS);
    let mut made = Vec::with_capacity(entries.len());
    for (number, entry) in entries.into_iter().enumerate() {
        let entry = if let Value::String(text) = entry { json!({ COLUMN: text }) } else { entry };
        let mut entry = Fields::nested(&format!("{at}.{number}"), entry);
        made.push(read(&mut entry));
        entry.no_others();
        options.absorb(entry);
    }
    made
}

/// What a bare text in a list of columns means.
const COLUMN: &str = "column";

fn condition(entry: &mut Fields) -> Condition {
    let (column, op) = (entry.text(COLUMN), entry.text("op"));
    let values = match (entry.take("value"), entry.take("values")) {
        (Some(value), None) => vec![value],
        (None, Some(Value::Array(values))) if values.len() <= OPTIONS => values,
        (None, None) => Vec::new(),
        _ => {
            entry.problem("value", "choice", "give value, or values as a list");
            Vec::new()
        }
    };
    let texts: Option<Vec<String>> = values.into_iter().map(cell).collect();
    if texts.is_none() {
        entry.problem("value", "scalar_type", "must be a text, a number or a truth");
    }
    Condition { column, op, values: texts.unwrap_or_default() }
}

/// A value as text; it is read as the column's type.
fn cell(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn select_column(entry: &mut Fields) -> SelectColumn {
    SelectColumn { column: entry.text(COLUMN), r#as: entry.optional_text("as") }
}

fn aggregate_column(entry: &mut Fields) -> AggregateColumn {
    let (function, column) = (entry.text("function"), entry.optional_text(COLUMN));
    let name = match &column {
        Some(column) => format!("{function}_{column}"),
        None => function.clone(),
    };
    AggregateColumn { r#as: entry.optional_text("as").unwrap_or(name), function, column }
}

fn join_key(entry: &mut Fields) -> JoinKey {
    match entry.optional_text(COLUMN) {
        Some(column) => JoinKey { left: column.clone(), right: column },
        None => JoinKey { left: entry.text("left"), right: entry.text("right") },
    }
}

/// Variable → what `read` makes of it.
fn edges<T>(step: &mut Fields, name: &str, read: impl Fn(&Value) -> Result<T, &'static str>) -> HashMap<String, T> {
    let mut edges = HashMap::new();
    for (variable, edge) in step.object(name, EDGES) {
        match read(&edge) {
            Ok(edge) => drop(edges.insert(variable, edge)),
            Err(rule) => step.problem(&format!("{name}.{variable}"), "id", rule),
        }
    }
    edges
}

/// `{"dataset": id}`, the bare id, or `{"step": name, "output": name}`.
fn input(edge: &Value) -> Result<Input, &'static str> {
    const RULE: &str = "must be {\"dataset\": \"ds-…\"}, a dataset id or {\"step\": …, \"output\": …}";
    if let Some(id) = dataset(edge) {
        return Ok(Input { from: Some(From::DatasetId(id)) });
    }
    let edge = edge.as_object().filter(|edge| edge.len() == 2).ok_or(RULE)?;
    let text = |name: &str| edge.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(RULE);
    Ok(Input { from: Some(From::Step(StepOutput { step: text("step")?, output: text("output")? })) })
}

/// `{"dataset": id}` or the bare id; `{}` or null for other steps alone.
fn output(edge: &Value) -> Result<Output, &'static str> {
    if edge.is_null() || edge.as_object().is_some_and(Map::is_empty) {
        return Ok(Output { dataset_id: None });
    }
    let id = dataset(edge).ok_or("must be {\"dataset\": \"ds-…\"} or a dataset id")?;
    Ok(Output { dataset_id: Some(id) })
}

fn dataset(edge: &Value) -> Option<String> {
    let id = match edge {
        Value::String(id) => id,
        Value::Object(edge) if edge.len() == 1 => edge.get("dataset")?.as_str()?,
        _ => return None,
    };
    Id::parse_prefixed("ds", id).ok().map(|id| id.to_string())
}

/// A step as D.Hub writes it.
pub(super) fn shape(step: Step) -> Result<Value> {
    let (read_mode, write_mode) = (step.read_mode(), step.write_mode());
    let mut options = Map::new();
    let script = match step.work {
        Some(work) => shape_work(work, &mut options)?,
        None => String::new(),
    };
    if read_mode == ReadMode::Cdc {
        options.insert("read_mode".into(), CDC.into());
    }
    options.insert("write_mode".into(), word(&WRITE_MODES, write_mode).into());
    if !step.merge_keys.is_empty() {
        options.insert("merge_keys".into(), step.merge_keys.into());
    }
    let inputs: BTreeMap<_, _> = step.inputs.into_iter().collect();
    let inputs = inputs.into_iter().map(|(name, input)| Ok((name, shape_input(input)?))).collect::<Result<Map<_, _>>>()?;
    let outputs: BTreeMap<_, _> = step.outputs.into_iter().collect();
    let outputs = outputs.into_iter().map(|(name, output)| Ok((name, shape_output(output)?))).collect::<Result<Map<_, _>>>()?;
    Ok(json!({"name": step.name, "script": script, "inputs": inputs, "outputs": outputs, "options": options}))
}

fn word<T: PartialEq + marker::Copy>(words: &[(&'static str, T)], mode: T) -> &'static str {
    words.iter().find(|known| known.1 == mode).or(words.first()).map_or("", |known| known.0)
}

/// Gives the script's name and fills in its options.
fn shape_work(work: Work, options: &mut Map<String, Value>) -> Result<String> {
    let mut put = |name: &str, value: Value| drop(options.insert(name.to_owned(), value));
    let script = match work {
        Work::Sql(sql) => {
            put("query", sql.query.into());
            "sql"
        }
        Work::Code(code) => {
            let own: Map<String, Value> = serde_json::from_str(&code.options).unwrap_or_default();
            options.extend(own);
            if let Some(version) = code.version {
                options.insert("code_version".into(), format!("v{version}").into());
            }
            return wire::id("code", &code.code_id);
        }
        Work::ReadCsv(csv) => {
            csv.text.into_iter().for_each(|text| put("text", text.into()));
            if !csv.delimiter.is_empty() {
                put("delimiter", csv.delimiter.into());
            }
            "read_csv"
        }
        Work::Filter(filter) => {
            put("conditions", filter.conditions.into_iter().map(shape_condition).collect());
            "filter"
        }
        Work::Select(select) => {
            put("columns", select.columns.into_iter().map(shape_select_column).collect());
            "select"
        }
        Work::Aggregate(aggregate) => {
            let column = |wanted: AggregateColumn| json!({"function": wanted.function, "column": wanted.column, "as": wanted.r#as});
            put("group_by", aggregate.group_by.into());
            put("aggregates", aggregate.columns.into_iter().map(column).collect());
            "aggregate"
        }
        Work::Join(join) => {
            let key = |key: JoinKey| json!({"left": key.left, "right": key.right});
            for (name, value) in [("left", join.left), ("right", join.right), ("type", join.r#type), ("prefix", join.prefix)] {
                put(name, value.into());
            }
            put("on", join.on.into_iter().map(key).collect());
            "join"
        }
        Work::Copy(Copy {}) => "copy",
    };
    Ok(script.to_owned())
}

fn shape_condition(condition: Condition) -> Value {
    let Condition { column, op, mut values } = condition;
    match values.len() {
        0 => json!({"column": column, "op": op}),
        1 => json!({"column": column, "op": op, "value": values.pop()}),
        _ => json!({"column": column, "op": op, "values": values}),
    }
}

fn shape_select_column(column: SelectColumn) -> Value {
    match column.r#as {
        Some(name) => json!({"column": column.column, "as": name}),
        None => column.column.into(),
    }
}

fn shape_input(input: Input) -> Result<Value> {
    Ok(match input.from {
        Some(From::DatasetId(id)) => json!({"dataset": wire::id("ds", &id)?}),
        Some(From::Step(from)) => json!({"step": from.step, "output": from.output}),
        None => Value::Null,
    })
}

fn shape_output(output: Output) -> Result<Value> {
    Ok(match output.dataset_id {
        Some(id) => json!({"dataset": wire::id("ds", &id)?}),
        None => json!({}),
    })
}
