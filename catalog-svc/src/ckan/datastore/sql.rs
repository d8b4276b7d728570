//! `datastore_search_sql`: one SELECT over tables that the caller may read (ckan.md 6.7).
//!
//! The statement is parsed, its tables and functions are looked at one by one, and the engine gets those tables and no others.

use std::collections::HashMap;

use futures::TryStreamExt;
use madang_kit::ckan::{Dict, Outcome, Refusal};
use madang_lake::{ColumnType, RecordBatch, RowStream};
use serde_json::{Value, json};

use super::{
    field::{Field, shown},
    kind::native,
    readable,
    search::{LIMITS, by_name},
    table,
    value::show,
};
use crate::ckan::Act;

/// Rows in one answer.
const ROWS: usize = 32_000;
/// Tables of one statement.
const TABLES: usize = 100;
/// Functions that a statement may call: mathematics, texts, times, aggregates and windows. The engine has no others that write or reach out.
const FUNCTIONS: &str = "abs acos acosh array_agg array_length array_to_string ascii asin asinh atan atan2 atanh avg bit_and bit_length bit_or bit_xor \
    bool_and bool_or btrim cast cbrt ceil ceiling char_length character_length chr coalesce concat concat_ws corr cos cosh cot count covar_pop \
    covar_samp cume_dist current_date current_time current_timestamp date_bin date_part date_trunc degrees dense_rank every exp extract \
    factorial first_value floor gcd greatest grouping initcap lag last_value lcm lead least left length ln localtime localtimestamp log log10 log2 lower lpad \
    ltrim make_date max md5 median min mod now nth_value ntile nullif octet_length overlay percent_rank percentile_cont pi pow power radians \
    random rank regexp_like regexp_match regexp_replace regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy \
    regr_syy repeat replace reverse right round row_number rpad rtrim sha224 sha256 sha384 sha512 sign sin sinh split_part sqrt starts_with \
    stddev stddev_pop stddev_samp string_agg string_to_array strpos substr substring sum tan tanh to_char to_date to_hex to_timestamp translate trim \
    trunc upper var_pop var_samp variance position nvl isnan approx_distinct";

/// `datastore_search_sql`
pub(crate) async fn search(act: &mut Act) -> Outcome {
    let sql = act.required("sql")?;
    let names = act.catalog.lake.tables_in(&sql).map_err(|error| refused(&sql, error))?;
    let functions = act.catalog.lake.functions_in(&sql).map_err(|error| refused(&sql, error))?;
    if names.len() > TABLES {
        return Err(Refusal::invalid("query", format!("a statement names at most {TABLES} tables")));
    }
    if let Some(denied) = functions.iter().find(|name| !FUNCTIONS.split_ascii_whitespace().any(|known| known == *name)) {
        return Err(Refusal::Denied(format!("Not authorized to call function {denied}")));
    }
    let mut tables = HashMap::new();
    let mut fields: Vec<Field> = Vec::new();
    for name in names {
        let lower = name.to_lowercase();
        if lower.starts_with("pg_") || lower == "information_schema" {
            return Err(Refusal::Denied("Not authorized to access system tables".to_owned()));
        }
        let found = match readable(act, &name).await {
            Ok(found) => found,
            Err(Refusal::Denied(_)) => return Err(Refusal::Denied("Not authorized to read resource.".to_owned())),
            Err(other) => return Err(other),
        };
        let table = match found {
            Some(resource) => table(act, resource).await?,
            None => None,
        };
        let Some(table) = table else {
            return Err(Refusal::NotFound(format!("Resource \"{name}\" was not found.")));
        };
        fields.extend(table.fields.iter().cloned());
        tables.insert(name, table.snapshot);
    }
    let rows = act.catalog.lake.query_numbered(&sql, &tables, &LIMITS).await.map_err(|error| refused(&sql, error))?;
    let columns = columns(&rows, &fields);
    let (mut records, mut truncated, mut batches) = (Vec::new(), false, rows.batches);
    while let Some(batch) = batches.try_next().await.map_err(|error| refused(&sql, error))? {
        let left = ROWS - records.len();
        truncated = batch.num_rows() > left;
        records.extend((0..batch.num_rows().min(left)).map(|row| record(&columns, &batch, row)));
        if truncated {
            break;
        }
    }
    let mut answer = json!({"sql": sql, "fields": columns.iter().map(shown).collect::<Vec<_>>(), "records": records});
    if truncated {
        answer["records_truncated"] = true.into();
    }
    Ok(answer)
}

/// The columns of an answer: a column that a table has by this name and type is of the table's type.
fn columns(rows: &RowStream, fields: &[Field]) -> Vec<Field> {
    let known = by_name(fields);
    let column = |(name, lake): (String, ColumnType)| {
        let same = known.get(name.as_str()).filter(|known| known.lake == lake);
        let native = if name == madang_lake::ROW_ID { "int4" } else { native(lake) };
        let kind = same.map_or_else(|| native.to_owned(), |same| same.kind.clone());
        Field { name, kind, lake, nullable: true, info: None }
    };
    rows.columns().into_iter().map(column).collect()
}

fn record(columns: &[Field], batch: &RecordBatch, row: usize) -> Value {
    let cells = columns.iter().zip(batch.columns());
    Value::Object(cells.map(|(field, column)| (field.name.clone(), show(field, madang_lake::cell(column, row)))).collect())
}

/// A statement that can't be parsed or run, in PostgreSQL's words.
fn refused(sql: &str, error: madang_lake::Error) -> Refusal {
    let told = match error {
        madang_lake::Error::Invalid(told) | madang_lake::Error::LimitExceeded(told) => told,
        madang_lake::Error::OutOfTime(_) => return Refusal::invalid("query", "Search took too long"),
        other => return super::in_search(other),
    };
    if told == "only one statement may be given" {
        return Refusal::invalid("query", "Query is not a single statement.");
    }
    let message = in_words(&told);
    Refusal::Validation(Dict::from_iter([
        ("query".to_owned(), json!([format!("(ProgrammingError) {message}")])),
        ("info".to_owned(), json!({"statement": [sql], "params": [{}], "orig": [message]})),
    ]))
}

fn in_words(told: &str) -> String {
    let lower = told.to_lowercase();
    if !lower.contains("parser error") && !lower.contains("expected") {
        return told.to_owned();
    }
    if lower.contains("found: eof") {
        return "syntax error at end of input".to_owned();
    }
    let found = told.split_once("found: ").map(|(_, rest)| rest.split(" at Line").next().unwrap_or(rest).trim());
    found.map_or_else(|| format!("syntax error: {told}"), |found| format!("syntax error at or near \"{found}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_are_told_as_postgresql_tells_them() {
        for (told, wanted) in [
            ("sql parser error: Expected: an expression, found: FROM at Line: 1, Column: 8", "syntax error at or near \"FROM\""),
            ("sql parser error: Expected: identifier, found: EOF", "syntax error at end of input"),
            ("there is no table 'x'", "there is no table 'x'"),
        ] {
            assert_eq!(in_words(told), wanted);
        }
    }
}
