//! What a step does, and what it needs for that (dhub.md section 8).

use std::collections::HashSet;

use madang_kit::{Error, Result, check};
use madang_lake::{Filter, FilterOp};
use madang_proto::pipeline::v1::{
    self as wire, Aggregate, CodeWork, Filter as WireFilter, Join, ReadCsv, Select, Step as WireStep, step::Work as WireWork,
};
use serde_json::{Map, Value};

use super::{Source, Step, Work};

/// Bytes of a query or of a CSV text.
const MAX_TEXT: usize = 1 << 20;
/// Conditions, columns, keys of one step.
const MAX_ENTRIES: usize = 1_000;
/// Bytes of the options that a script gets.
const MAX_OPTIONS: usize = 64 << 10;
/// What an aggregate can be.
pub(crate) const FUNCTIONS: [&str; 6] = ["count", "count_distinct", "sum", "avg", "min", "max"];
/// How rows of two inputs can be put side by side.
pub(crate) const JOINS: [&str; 4] = ["inner", "left", "right", "full"];

pub(super) fn read(path: &str, step: &WireStep) -> Result<Work> {
    let at = format!("{path}.options");
    match step.work.as_ref() {
        Some(WireWork::Sql(sql)) => Ok(Work::Sql { query: query(&at, &sql.query)? }),
        Some(WireWork::Code(code)) => read_code(path, code),
        Some(WireWork::ReadCsv(csv)) => read_csv(&at, csv),
        Some(WireWork::Filter(filter)) => Ok(Work::Filter(read_filter(&at, filter)?)),
        Some(WireWork::Select(select)) => Ok(Work::Select(read_select(&at, select)?)),
        Some(WireWork::Aggregate(aggregate)) => Ok(Work::Aggregate(read_aggregate(&at, aggregate)?)),
        Some(WireWork::Join(join)) => Ok(Work::Join(read_join(&at, join)?)),
        Some(WireWork::Copy(_)) => Ok(Work::Copy),
        None => Err(Error::invalid(format!("{path}.script"), "missing", "the step does nothing")),
    }
}

/// Refuses a step with other inputs than its work uses.
pub(super) fn check_inputs(at: usize, step: &Step) -> Result<()> {
    let field = format!("steps.{at}.inputs");
    let number = step.inputs.len();
    match &step.work {
        Work::Filter(_) | Work::Select(_) | Work::Aggregate(_) | Work::Copy if number != 1 => {
            Err(Error::invalid(field, "number", format!("the step '{}' needs exactly one input", step.name)))
        }
        Work::ReadCsv { .. } if number > 0 => Err(Error::invalid(field, "number", format!("the step '{}' takes no input", step.name))),
        Work::ReadCsv { text: None, .. } if !step.fed.is_empty() || step.outputs.len() != 1 => {
            let why = "read_csv without a text stands for what was uploaded into its one dataset; read that dataset instead";
            Err(Error::invalid(format!("steps.{at}.options.text"), "missing", why))
        }
        Work::Join(join) => {
            let two =
                number == 2 && join.left != join.right && [&join.left, &join.right].iter().all(|name| step.inputs.contains_key(*name));
            if two {
                Ok(())
            } else {
                Err(Error::invalid(field, "number", format!("'{}' needs the inputs '{}' and '{}' alone", step.name, join.left, join.right)))
            }
        }
        _ if step.incremental && !step.inputs.values().any(|source| matches!(source, Source::Dataset(_))) => {
            let why = "only datasets have changes; the step reads none";
            Err(Error::invalid(format!("steps.{at}.options.read_mode"), "cdc", why))
        }
        _ => Ok(()),
    }
}

fn query(at: &str, query: &str) -> Result<String> {
    if query.trim().is_empty() || query.len() > MAX_TEXT || query.contains('\0') {
        let rule = format!("the query must not be empty, must have at most {MAX_TEXT} bytes and no NUL");
        return Err(Error::invalid(format!("{at}.query"), "length", rule));
    }
    Ok(query.to_owned())
}

fn read_code(path: &str, code: &CodeWork) -> Result<Work> {
    let options = if code.options.is_empty() { "{}" } else { &code.options };
    let read: Option<Map<String, Value>> = serde_json::from_str(options).ok().filter(|_| options.len() <= MAX_OPTIONS);
    let wrong = || Error::invalid(format!("{path}.options"), "too_long", format!("options are an object of at most {MAX_OPTIONS} bytes"));
    if code.version.is_some_and(|version| version < 1) {
        return Err(Error::invalid(format!("{path}.options.code_version"), "version", "a version reads like v2"));
    }
    Ok(Work::Script { code: check::id(&format!("{path}.script"), &code.code_id)?, version: code.version, options: read.ok_or_else(wrong)? })
}

fn read_csv(at: &str, csv: &ReadCsv) -> Result<Work> {
    if csv.text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
        return Err(Error::invalid(
            format!("{at}.text"),
            "too_long",
            format!("a CSV text has at most {MAX_TEXT} bytes; upload larger ones"),
        ));
    }
    let delimiter = match csv.delimiter.as_bytes() {
        [] => None,
        [one @ (b',' | b';' | b'\t' | b'|')] => Some(*one),
        _ => return Err(Error::invalid(format!("{at}.delimiter"), "choice", "a delimiter is one of , ; tab |")),
    };
    Ok(Work::ReadCsv { text: csv.text.clone(), delimiter })
}

fn read_filter(at: &str, filter: &WireFilter) -> Result<Vec<Filter>> {
    entries(&format!("{at}.conditions"), filter.conditions.len())?;
    let read = filter.conditions.iter().enumerate().map(|(number, condition)| {
        let field = |name: &str| format!("{at}.conditions.{number}.{name}");
        let op = FilterOp::parse(&condition.op)
            .ok_or_else(|| Error::invalid(field("op"), "choice", format!("'{}' is no comparison", condition.op)))?;
        if !matches!(op, FilterOp::IsNull | FilterOp::In) && condition.values.len() != 1 {
            return Err(Error::invalid(field("value"), "missing", "the comparison needs a value"));
        }
        Ok(Filter { column: column(&field("column"), &condition.column)?, op, values: condition.values.clone() })
    });
    read.collect()
}

fn read_select(at: &str, select: &Select) -> Result<Select> {
    entries(&format!("{at}.columns"), select.columns.len())?;
    let mut names = HashSet::new();
    for (number, chosen) in select.columns.iter().enumerate() {
        column(&format!("{at}.columns.{number}"), &chosen.column)?;
        let name = column(&format!("{at}.columns.{number}.as"), chosen.r#as.as_ref().unwrap_or(&chosen.column))?;
        unrepeated(&format!("{at}.columns.{number}"), &mut names, &name)?;
    }
    Ok(select.clone())
}

fn read_aggregate(at: &str, aggregate: &Aggregate) -> Result<Aggregate> {
    entries(&format!("{at}.aggregates"), aggregate.columns.len())?;
    let mut names = HashSet::new();
    for (number, name) in aggregate.group_by.iter().enumerate() {
        let field = format!("{at}.group_by.{number}");
        unrepeated(&field, &mut names, &column(&field, name)?)?;
    }
    for (number, wanted) in aggregate.columns.iter().enumerate() {
        let field = |name: &str| format!("{at}.aggregates.{number}.{name}");
        if !FUNCTIONS.contains(&wanted.function.as_str()) {
            return Err(Error::invalid(field("function"), "choice", format!("must be one of {}", FUNCTIONS.join(", "))));
        }
        match &wanted.column {
            Some(name) => drop(column(&field("column"), name)?),
            None if wanted.function == "count" => {}
            None => return Err(Error::invalid(field("column"), "missing", format!("{} needs a column", wanted.function))),
        }
        unrepeated(&field("as"), &mut names, &column(&field("as"), &wanted.r#as)?)?;
    }
    Ok(aggregate.clone())
}

fn read_join(at: &str, join: &Join) -> Result<Join> {
    entries(&format!("{at}.on"), join.on.len())?;
    if !JOINS.contains(&join.r#type.as_str()) {
        return Err(Error::invalid(format!("{at}.type"), "choice", format!("must be one of {}", JOINS.join(", "))));
    }
    for (number, wire::JoinKey { left, right }) in join.on.iter().enumerate() {
        column(&format!("{at}.on.{number}.left"), left)?;
        column(&format!("{at}.on.{number}.right"), right)?;
    }
    column(&format!("{at}.prefix"), &join.prefix)?;
    Ok(join.clone())
}

fn entries(field: &str, number: usize) -> Result<()> {
    if (1..=MAX_ENTRIES).contains(&number) {
        Ok(())
    } else {
        Err(Error::invalid(field, "number", format!("{field} has 1 to {MAX_ENTRIES} entries")))
    }
}

fn column(field: &str, name: &str) -> Result<String> {
    if name.is_empty() || name.len() > MAX_ENTRIES || name.contains('\0') {
        return Err(Error::invalid(field, "length", format!("{field}: a column's name has 1 to {MAX_ENTRIES} bytes and no NUL")));
    }
    Ok(name.to_owned())
}

fn unrepeated(field: &str, names: &mut HashSet<String>, name: &str) -> Result<()> {
    if names.insert(name.to_lowercase()) {
        Ok(())
    } else {
        Err(Error::invalid(field, "repeated", format!("two columns are named '{name}'")))
    }
}
