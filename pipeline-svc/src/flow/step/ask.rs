//! Steps as SELECTs of the query engine over one relation, which is called `t`.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    compute::cast,
    datatypes::{Field as ArrowField, Schema as ArrowSchema, SchemaRef},
};
use futures::StreamExt;
use madang_kit::{Error, Result};
use madang_lake::{Error as LakeError, Limits, Question, ROW_NUMBER, RecordBatch, Relation, RowStream};
use regex::Regex;
use serde_json::{Map, Value};

use super::{
    Wrong,
    parse::{Computed, Operation, Replaced, Unpivot, Work},
};
use crate::flow::{
    Flows,
    table::{
        column::data_type,
        schema::{Field, Kind, TableSchema},
    },
};

/// A statement in the making.
#[derive(Default)]
struct Asked {
    values: HashMap<String, Value>,
}

/// Follows a step.
pub(super) async fn ask(
    flows: &Flows,
    rows: &Relation,
    schema: &mut TableSchema,
    work: &Work,
    limits: &Limits,
) -> Result<std::result::Result<Relation, Wrong>> {
    let mut asked = Asked::default();
    let (sql, fields) = match asked.statement(schema, work) {
        Ok(statement) => statement,
        Err(why) => return Ok(Err(why)),
    };
    let question = Question { sql, values: asked.values, numbered: true, sorted_joins: true };
    let tables = HashMap::from([("t".to_owned(), rows.clone())]);
    let told = flows.flow.ask(&question, &tables, limits).await;
    let kept = match told {
        Ok(answer) => flows.flow.keep(typed(answer, &fields), false).await,
        Err(error) => Err(error),
    };
    match kept {
        Ok(kept) => {
            *schema = TableSchema::of(fields);
            Ok(Ok(kept))
        }
        Err(LakeError::Storage(cause)) => Err(Error::internal(cause)),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// The answer in the types of the fields.
fn typed(answer: RowStream, fields: &[Field]) -> RowStream {
    let schema: SchemaRef = Arc::new(ArrowSchema::new(
        fields.iter().map(|field| ArrowField::new(&field.name, data_type(&field.kind), true)).collect::<Vec<_>>(),
    ));
    let wanted = schema.clone();
    let batches = answer.batches.map(move |batch| {
        let batch = batch?;
        let columns = batch.columns().iter().zip(wanted.fields()).map(|(column, field)| cast(column, field.data_type()));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>().map_err(LakeError::storage)?;
        RecordBatch::try_new(wanted.clone(), columns).map_err(LakeError::storage)
    });
    RowStream { schema, batches: batches.boxed() }
}

impl Asked {
    fn statement(&mut self, schema: &TableSchema, work: &Work) -> std::result::Result<(String, Vec<Field>), Wrong> {
        let fields = schema.fields.clone();
        let all = list(fields.iter().map(|field| quoted(&field.name)));
        let row = quoted(ROW_NUMBER);
        Ok(match work {
            Work::Sort { by, reverse } => {
                let direction = if *reverse { "DESC" } else { "ASC" };
                let keys = by.iter().map(|name| Ok(format!("{} {direction} NULLS FIRST", quoted(&known(schema, name)?.name))));
                let keys = keys.collect::<std::result::Result<Vec<_>, Wrong>>()?.join(", ");
                (format!("SELECT {all} FROM t ORDER BY {keys}, {row} {direction}"), fields)
            }
            Work::Filter { keep, drop } => {
                let condition = self.filter(schema, keep, drop)?;
                (format!("SELECT {all} FROM t WHERE {condition} ORDER BY {row}"), fields)
            }
            Work::Replace(replaced) => (format!("SELECT {} FROM t ORDER BY {row}", self.replaced(schema, replaced)?), fields),
            Work::Delete(names) => {
                for name in names {
                    known(schema, name)?;
                }
                let left: Vec<Field> = fields.into_iter().filter(|field| !names.contains(&field.name)).collect();
                if left.is_empty() {
                    return Err("no field would be left".to_owned());
                }
                (format!("SELECT {} FROM t ORDER BY {row}", list(left.iter().map(|field| quoted(&field.name)))), left)
            }
            Work::Compute(computed) => self.computed(schema, computed)?,
            Work::Unpivot(unpivot) => self.unpivoted(schema, unpivot)?,
            Work::Deduplicate => {
                let keys: Vec<&Field> = match schema.primary_key.as_slice() {
                    [] => schema.fields.iter().collect(),
                    places => places.iter().filter_map(|place| schema.fields.get(*place)).collect(),
                };
                let keys = list(keys.into_iter().map(|field| quoted(&field.name)));
                let numbered = format!("SELECT *, ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {row}) AS \"#n\" FROM t");
                (format!("SELECT {all} FROM ({numbered}) WHERE \"#n\" = 1 ORDER BY {row}"), fields)
            }
            Work::SetTypes(_) => return Err("it is no question".to_owned()),
        })
    }

    /// A value's place in the statement.
    fn value(&mut self, value: Value) -> String {
        let name = format!("v{}", self.values.len());
        self.values.insert(name.clone(), value);
        format!("${name}")
    }

    fn filter(
        &mut self,
        schema: &TableSchema,
        keep: &[Map<String, Value>],
        drop: &[Map<String, Value>],
    ) -> std::result::Result<String, Wrong> {
        let mut any = |conditions: &[Map<String, Value>]| {
            let each = conditions.iter().map(|condition| {
                let parts = condition.iter().map(|(name, value)| {
                    let field = known(schema, name)?;
                    Ok(match value {
                        Value::Null => format!("{} IS NULL", quoted(name)),
                        value => format!("COALESCE({} = {}, FALSE)", quoted(name), self.typed(field, value)),
                    })
                });
                let parts = parts.collect::<std::result::Result<Vec<_>, Wrong>>()?;
                Ok(if parts.is_empty() { "TRUE".to_owned() } else { format!("({})", parts.join(" AND ")) })
            });
            each.collect::<std::result::Result<Vec<String>, Wrong>>().map(|each| each.join(" OR "))
        };
        let (kept, dropped) = (any(keep)?, any(drop)?);
        let kept = if kept.is_empty() { "TRUE".to_owned() } else { format!("({kept})") };
        Ok(if dropped.is_empty() { kept } else { format!("{kept} AND NOT ({dropped})") })
    }

    /// A value in a field's own type.
    fn typed(&mut self, field: &Field, value: &Value) -> String {
        let place = match value {
            Value::String(_) | Value::Bool(_) | Value::Number(_) => self.value(value.clone()),
            other => self.value(other.to_string().into()),
        };
        format!("CAST({place} AS {})", sql_type(&field.kind))
    }

    fn replaced(&mut self, schema: &TableSchema, replaced: &[Replaced]) -> std::result::Result<String, Wrong> {
        let mut columns: Vec<(String, String)> = schema.fields.iter().map(|field| (field.name.clone(), quoted(&field.name))).collect();
        for change in replaced {
            let field = known(schema, &change.name)?;
            if !matches!(field.kind, Kind::String | Kind::Any) {
                return Err(format!("the field \"{}\" is no text", change.name));
            }
            for pattern in &change.patterns {
                let (find, replace) = (self.value(pattern.find.clone().into()), self.value(pattern.replace.clone().into()));
                if let Some((_, column)) = columns.iter_mut().find(|(name, _)| *name == change.name) {
                    *column = format!("REGEXP_REPLACE({column}, {find}, {replace}, 'g')");
                }
            }
        }
        Ok(list(columns.into_iter().map(|(name, column)| format!("{column} AS {}", quoted(&name)))))
    }

    fn computed(&mut self, schema: &TableSchema, computed: &[Computed]) -> std::result::Result<(String, Vec<Field>), Wrong> {
        let mut fields = schema.fields.clone();
        let mut columns: Vec<String> = fields.iter().map(|field| quoted(&field.name)).collect();
        for new in computed {
            if new.target.is_empty() || new.target == ROW_NUMBER || fields.iter().any(|field| field.name == new.target) {
                return Err(format!("the field \"{}\" is there already, or can't be", new.target));
            }
            let sources = new.source.iter().map(|name| known(schema, name)).collect::<std::result::Result<Vec<_>, Wrong>>()?;
            let (expression, kind) = self.expression(schema, new, &sources)?;
            columns.push(format!("{expression} AS {}", quoted(&new.target)));
            fields.push(Field::made(&new.target, kind));
        }
        Ok((format!("SELECT {} FROM t ORDER BY {}", columns.join(", "), quoted(ROW_NUMBER)), fields))
    }

    fn expression(&mut self, schema: &TableSchema, new: &Computed, sources: &[&Field]) -> std::result::Result<(String, Kind), Wrong> {
        let number = Kind::Number { decimal: ".".to_owned(), group: String::new(), bare: true };
        let integer = Kind::Integer { bare: true, wide: false };
        let integers = sources.iter().all(|field| matches!(field.kind, Kind::Integer { .. } | Kind::Year));
        if matches!(new.operation, Operation::Sum | Operation::Avg | Operation::Max | Operation::Min | Operation::Multiply)
            && let Some(field) = sources.iter().find(|field| !matches!(field.kind, Kind::Integer { .. } | Kind::Year | Kind::Number { .. }))
        {
            return Err(format!("the field \"{}\" is no number", field.name));
        }
        let names: Vec<String> = sources.iter().map(|field| quoted(&field.name)).collect();
        let kind = if integers { integer } else { number.clone() };
        // As in Python, what is absent counts for nothing.
        let or = |neutral: &str, operator: &str| {
            let parts: Vec<String> = names.iter().map(|name| format!("COALESCE(CAST({name} AS {}), {neutral})", sql_type(&kind))).collect();
            parts.join(operator)
        };
        Ok(match new.operation {
            Operation::Sum => (or("0", " + "), kind),
            Operation::Multiply => (or("1", " * "), kind),
            Operation::Max => (format!("GREATEST({})", names.join(", ")), kind),
            Operation::Min => (format!("LEAST({})", names.join(", ")), kind),
            Operation::Avg => {
                let total = names.iter().map(|name| format!("COALESCE(CAST({name} AS DOUBLE), 0.0)")).collect::<Vec<_>>().join(" + ");
                let count = names.iter().map(|name| format!("CASE WHEN {name} IS NULL THEN 0 ELSE 1 END")).collect::<Vec<_>>().join(" + ");
                (format!("({total}) / NULLIF(CAST({count} AS DOUBLE), 0.0)"), number)
            }
            Operation::Constant => match &new.with {
                Value::Number(value) if value.is_i64() => {
                    (format!("CAST({} AS BIGINT)", self.value(new.with.clone())), Kind::Integer { bare: true, wide: false })
                }
                Value::Number(_) => (format!("CAST({} AS DOUBLE)", self.value(new.with.clone())), number),
                Value::Null => ("CAST(NULL AS VARCHAR)".to_owned(), Kind::String),
                Value::String(_) => (self.value(new.with.clone()), Kind::String),
                other => (self.value(other.to_string().into()), Kind::String),
            },
            Operation::Join => {
                let with = self.value(new.with.as_str().unwrap_or_default().into());
                let parts: Vec<String> = names.iter().map(|name| format!("CAST({name} AS VARCHAR)")).collect();
                (format!("CONCAT_WS({with}, {})", parts.join(", ")), Kind::String)
            }
            Operation::Format => (self.formatted(schema, new.with.as_str().unwrap_or_default())?, Kind::String),
        })
    }

    /// `"{a} of {b}"`.
    fn formatted(&mut self, schema: &TableSchema, text: &str) -> std::result::Result<String, Wrong> {
        let mut parts = Vec::new();
        for (at, part) in text.split('{').enumerate() {
            let literal = if at == 0 {
                part
            } else {
                let (name, rest) = part.split_once('}').ok_or_else(|| format!("the format \"{text}\" has an open brace"))?;
                parts.push(format!("COALESCE(CAST({} AS VARCHAR), '')", quoted(&known(schema, name)?.name)));
                rest
            };
            if !literal.is_empty() {
                parts.push(self.value(literal.into()));
            }
        }
        if parts.is_empty() { Ok("''".to_owned()) } else { Ok(format!("CONCAT({})", parts.join(", "))) }
    }

    fn unpivoted(&mut self, schema: &TableSchema, unpivot: &Unpivot) -> std::result::Result<(String, Vec<Field>), Wrong> {
        let mut turned: Vec<(String, &Map<String, Value>, Regex)> = Vec::new();
        for entry in &unpivot.fields {
            let regex =
                Regex::new(&format!("^(?:{})$", entry.name)).map_err(|_| format!("the pattern \"{}\" can't be read", entry.name))?;
            for field in schema.fields.iter().filter(|field| field.name == entry.name || regex.is_match(&field.name)) {
                if !turned.iter().any(|(name, ..)| *name == field.name) {
                    turned.push((field.name.clone(), &entry.keys, regex.clone()));
                }
            }
        }
        if turned.is_empty() {
            return Err("no field is to be turned".to_owned());
        }
        let kept: Vec<Field> = schema.fields.iter().filter(|field| !turned.iter().any(|(name, ..)| *name == field.name)).cloned().collect();
        let made =
            |extra: &super::parse::Extra| Kind::parse(&extra.kind, "default", &Map::new()).map(|kind| Field::made(&extra.name, kind));
        let keys = unpivot.extra_key_fields.iter().map(made).collect::<std::result::Result<Vec<_>, Wrong>>()?;
        let value = made(&unpivot.extra_value_field)?;
        let fields: Vec<Field> = kept.iter().cloned().chain(keys.iter().cloned()).chain([value.clone()]).collect();
        let names: Vec<&String> = fields.iter().map(|field| &field.name).collect();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|other| other == *name)) {
            return Err(format!("the field \"{}\" would be there twice", twice.1));
        }
        let row = quoted(ROW_NUMBER);
        let mut parts = Vec::new();
        for (at, (name, said, regex)) in turned.iter().enumerate() {
            let mut columns: Vec<String> = kept.iter().map(|field| quoted(&field.name)).collect();
            for key in &keys {
                let told = match said.get(&key.name) {
                    Some(Value::String(text)) => Value::from(regex.replace(name, python_groups(text)).into_owned()),
                    Some(other) => other.clone(),
                    None => Value::Null,
                };
                let place = if told.is_null() { "NULL".to_owned() } else { self.value(told) };
                columns.push(format!("CAST({place} AS {}) AS {}", sql_type(&key.kind), quoted(&key.name)));
            }
            columns.push(format!("CAST({} AS {}) AS {}", quoted(name), sql_type(&value.kind), quoted(&value.name)));
            parts.push(format!("SELECT {row}, {at} AS \"#n\", {} FROM t", columns.join(", ")));
        }
        let all = list(fields.iter().map(|field| quoted(&field.name)));
        Ok((format!("SELECT {all} FROM ({}) ORDER BY {row}, \"#n\"", parts.join(" UNION ALL ")), fields))
    }
}

/// `\1` of Python is `${1}` here.
fn python_groups(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str("${");
                out.extend(letters.next());
                out.push('}');
            }
            ('$', _) => out.push_str("$$"),
            _ => out.push(letter),
        }
    }
    out
}

fn known<'a>(schema: &'a TableSchema, name: &str) -> std::result::Result<&'a Field, Wrong> {
    schema.fields.iter().find(|field| field.name == name).ok_or_else(|| format!("there is no field \"{name}\""))
}

fn sql_type(kind: &Kind) -> &'static str {
    match kind {
        Kind::Integer { wide: true, .. } => "DECIMAL(38, 0)",
        Kind::Integer { .. } | Kind::Year => "BIGINT",
        Kind::Number { .. } => "DOUBLE",
        Kind::Boolean { .. } => "BOOLEAN",
        Kind::Date(_) => "DATE",
        Kind::DateTime(_) => "TIMESTAMP",
        _ => "VARCHAR",
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
