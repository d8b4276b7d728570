//! Filters (ckan.md 6.6) as conditions.

use madang_kit::ckan::{Dict, Outcome, Refusal, python_type};
use madang_lake::{ColumnType, Comparison, Condition, ROW_ID};
use serde_json::Value;

use super::{bad_query, field::Field, value};

/// How deep conditions may be nested.
const DEPTH: usize = 10;
/// How many there may be.
const OPERATIONS: usize = 100;
/// Values of one list.
const VALUES: usize = 32_000;

const OPERATORS: [&str; 6] = ["eq", "gt", "gte", "in", "lt", "lte"];

/// The column that numbers rows.
pub(super) fn id_field() -> Field {
    Field { name: ROW_ID.to_owned(), kind: "int".to_owned(), lake: ColumnType::Int64, nullable: false, info: None }
}

/// Reads filters; JSON in a text will do.
pub(super) fn read(fields: &[Field], given: Option<&Value>) -> Outcome<Condition> {
    let mut reading = Reading { fields, operations: 0 };
    match given {
        None | Some(Value::Null) => Ok(Condition::default()),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Condition::default()),
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => reading.top(&value),
            _ => Err(Refusal::invalid("filters", "Cannot parse JSON")),
        },
        Some(value) => reading.top(value),
    }
}

struct Reading<'a> {
    fields: &'a [Field],
    operations: usize,
}

fn wrong(message: impl Into<String>) -> Refusal {
    Refusal::invalid("filters", message)
}

impl Reading<'_> {
    fn top(&mut self, value: &Value) -> Outcome<Condition> {
        match value {
            Value::Object(dict) => self.dict(dict, 0),
            Value::Array(_) => self.each(value, 0).map(Condition::Any),
            other => Err(wrong(format!("Not a dict or a list of dicts: {}", python_type(other)))),
        }
    }

    fn dict(&mut self, dict: &Dict, depth: usize) -> Outcome<Condition> {
        if depth > DEPTH {
            return Err(wrong("Maximum nesting depth for filter operations reached"));
        }
        let mut all = Vec::with_capacity(dict.len());
        for (name, value) in dict {
            all.push(match name.as_str() {
                "$or" => Condition::Any(self.each(value, depth + 1)?),
                "$and" => Condition::All(self.each(value, depth + 1)?),
                _ => {
                    let column = match name.strip_prefix('$') {
                        Some(rest) if rest.starts_with('$') => rest,
                        Some(_) => return Err(wrong(format!("Unknown operators (must be one of $or, $and): {name}"))),
                        None => name,
                    };
                    let field = self.field(column, depth)?;
                    self.column(&field, value)?
                }
            });
        }
        Ok(Condition::All(all))
    }

    fn each(&mut self, value: &Value, depth: usize) -> Outcome<Vec<Condition>> {
        let Value::Array(list) = value else { return Err(wrong(format!("Filter operations must be defined as a list of dicts: {value}"))) };
        let mut each = Vec::with_capacity(list.len());
        for item in list {
            let Value::Object(dict) = item else {
                return Err(wrong(format!("Filter operations must be defined as a list of dicts: {value}")));
            };
            each.push(self.dict(dict, depth)?);
        }
        Ok(each)
    }

    fn field(&self, name: &str, depth: usize) -> Outcome<Field> {
        if name == ROW_ID {
            return Ok(id_field());
        }
        let known = self.fields.iter().find(|field| field.name == name);
        let unknown = || if depth == 0 { wrong(format!("invalid value \"{name}\"")) } else { wrong(format!("Unknown field: {name}")) };
        known.cloned().ok_or_else(unknown)
    }

    fn column(&mut self, field: &Field, value: &Value) -> Outcome<Condition> {
        match value {
            Value::Array(list) => {
                let (operations, values): (Vec<_>, Vec<_>) = list.iter().partition(|item| item.is_object());
                let mut any = vec![self.among(field, &values)?];
                for operation in operations {
                    any.push(self.operations(field, operation)?);
                }
                Ok(Condition::Any(any))
            }
            Value::Object(_) => self.operations(field, value),
            value => self.compare(field, Comparison::Eq, value),
        }
    }

    fn operations(&mut self, field: &Field, value: &Value) -> Outcome<Condition> {
        let mut all = Vec::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            let how = match name.as_str() {
                "eq" => Comparison::Eq,
                "gt" => Comparison::Gt,
                "gte" => Comparison::Gte,
                "lt" => Comparison::Lt,
                "lte" => Comparison::Lte,
                "in" => {
                    let Value::Array(list) = value else { return Err(wrong(format!("in: a list is needed, not {}", python_type(value)))) };
                    all.push(self.among(field, &list.iter().collect::<Vec<_>>())?);
                    continue;
                }
                _ => return Err(wrong(format!("Unknown operators (must be one of {}): {name}", OPERATORS.join(", ")))),
            };
            all.push(self.compare(field, how, value)?);
        }
        Ok(Condition::All(all))
    }

    fn count(&mut self) -> Outcome<()> {
        self.operations += 1;
        if self.operations > OPERATIONS { Err(wrong("Maximum number of filter operations exceeded")) } else { Ok(()) }
    }

    fn among(&mut self, field: &Field, values: &[&Value]) -> Outcome<Condition> {
        self.count()?;
        if values.len() > VALUES {
            return Err(wrong(format!("a list has at most {VALUES} values")));
        }
        let mut cells = Vec::with_capacity(values.len());
        for value in values {
            if let Condition::Compare(_, _, cell) = compared(field, Comparison::Eq, value)? {
                cells.push(cell); // else no cell can be it
            }
        }
        Ok(Condition::In(field.name.clone(), cells))
    }

    fn compare(&mut self, field: &Field, how: Comparison, value: &Value) -> Outcome<Condition> {
        self.count()?;
        compared(field, how, value)
    }
}

/// A comparison with a value as the column's type has it.
fn compared(field: &Field, how: Comparison, given: &Value) -> Outcome<Condition> {
    let never = Condition::Any(Vec::new());
    if given.is_null() {
        return Ok(never); // as NULL in SQL
    }
    if let (ColumnType::Int32 | ColumnType::Int64, Value::Number(number)) = (field.lake, given) {
        return Ok(with_number(field, how, number));
    }
    let kind = if field.name == ROW_ID { Field { kind: "int8".to_owned(), ..field.clone() } } else { field.clone() };
    match value::cell(&kind, given) {
        Ok(Value::Null) => Ok(never),
        Ok(cell) => Ok(Condition::Compare(field.name.clone(), how, cell)),
        Err(why) => Err(bad_query("Invalid query", &why)),
    }
}

/// A column of integers compared with any number.
fn with_number(field: &Field, how: Comparison, number: &serde_json::Number) -> Condition {
    let (least, most) = if field.lake == ColumnType::Int32 { (i64::from(i32::MIN), i64::from(i32::MAX)) } else { (i64::MIN, i64::MAX) };
    let condition = |how, cell: i64| Condition::Compare(field.name.clone(), how, cell.into());
    let (every, none) = (condition(Comparison::Gte, least), Condition::Any(Vec::new()));
    let less = matches!(how, Comparison::Lt | Comparison::Lte);
    let float = number.as_f64().unwrap_or_default();
    match number.as_i64() {
        Some(whole) if (least..=most).contains(&whole) => condition(how, whole),
        _ if how == Comparison::Eq && float.fract() != 0.0 => none,
        _ if float.abs() < 2_147_483_647.0 => {
            #[expect(clippy::cast_possible_truncation, reason = "it is in the range")]
            let floor = float.floor() as i64;
            let whole = float.fract() == 0.0;
            match how {
                _ if whole => condition(how, floor),
                Comparison::Gt | Comparison::Gte => condition(Comparison::Gt, floor),
                _ => condition(Comparison::Lte, floor),
            }
        }
        _ if how == Comparison::Eq => none,
        _ if (float > 0.0) == less => every,
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields() -> Vec<Field> {
        let field = |name: &str, given: &str| {
            let (kind, lake) = crate::ckan::datastore::kind::kind(given).expect("a type");
            Field { name: name.to_owned(), kind, lake, nullable: true, info: None }
        };
        vec![field("a", "text"), field("n", "int"), field("$x", "int8")]
    }

    fn told(given: &Value) -> String {
        match read(&fields(), Some(given)) {
            Err(Refusal::Validation(dict)) => dict.values().next().map(ToString::to_string).unwrap_or_default(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn filters_become_conditions() {
        let equal = |name: &str, cell: Value| Condition::Compare(name.to_owned(), Comparison::Eq, cell);
        assert_eq!(read(&fields(), Some(&json!({"a": 1}))).ok(), Some(Condition::All(vec![equal("a", json!("1"))])));
        assert_eq!(read(&fields(), Some(&json!(r#"{"n": "1"}"#))).ok(), Some(Condition::All(vec![equal("n", json!(1))])));
        assert_eq!(read(&fields(), Some(&json!({"$$x": 1}))).ok(), Some(Condition::All(vec![equal("$x", json!(1))])));
        let between = read(&fields(), Some(&json!({"n": {"gte": 1, "lt": 5.5}}))).ok();
        let wanted = vec![
            Condition::Compare("n".to_owned(), Comparison::Gte, json!(1)),
            Condition::Compare("n".to_owned(), Comparison::Lte, json!(5)),
        ];
        assert_eq!(between, Some(Condition::All(vec![Condition::All(wanted)])));
        assert_eq!(read(&fields(), Some(&json!({"n": 99_999_999_999_i64}))).ok(), Some(Condition::All(vec![Condition::Any(vec![])])));
        assert_eq!(read(&fields(), None).ok(), Some(Condition::All(vec![])));
    }

    #[test]
    fn wrong_filters_are_told() {
        for (given, wanted) in [
            (json!({"z": 1}), r#"["invalid value \"z\""]"#),
            (json!({"$or": [{"z": 1}]}), r#"["Unknown field: z"]"#),
            (json!({"$not": []}), r#"["Unknown operators (must be one of $or, $and): $not"]"#),
            (json!({"n": {"near": 1}}), r#"["Unknown operators (must be one of eq, gt, gte, in, lt, lte): near"]"#),
            (json!({"n": "x"}), r#"["Invalid query"]"#),
            (json!("{"), r#"["Cannot parse JSON"]"#),
        ] {
            assert_eq!(told(&given), wanted, "{given}");
        }
        let mut deep = json!({"n": 1});
        for _ in 0..12 {
            deep = json!({"$and": [deep]});
        }
        assert_eq!(told(&deep), r#"["Maximum nesting depth for filter operations reached"]"#);
        let many: Vec<Value> = (0..101).map(|n| json!({"n": n})).collect();
        assert_eq!(told(&json!(many)), r#"["Maximum number of filter operations exceeded"]"#);
    }
}
