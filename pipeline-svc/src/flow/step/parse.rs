//! The steps that there are, and their parameters.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Steps of one source.
const MAX_STEPS: usize = 100;
/// Names that a specification may know from elsewhere, which are not followed here.
const ELSEWHERE: [&str; 3] = ["concatenate", "join", "update_resource"];

/// A step of one table.
#[derive(Clone, Debug)]
pub(super) struct Step {
    name: &'static str,
    /// Names of the resources that it is for; empty = all.
    resources: Vec<String>,
    pub(super) work: Work,
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    Sort {
        by: Vec<String>,
        reverse: bool,
    },
    /// Rows that have one of the first, if there are any, and none of the second.
    Filter {
        keep: Vec<Map<String, Value>>,
        drop: Vec<Map<String, Value>>,
    },
    Replace(Vec<Replaced>),
    Delete(Vec<String>),
    SetTypes(Map<String, Value>),
    Compute(Vec<Computed>),
    Unpivot(Unpivot),
    Deduplicate,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Replaced {
    pub(super) name: String,
    pub(super) patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pattern {
    pub(super) find: String,
    #[serde(default)]
    pub(super) replace: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Computed {
    pub(super) operation: Operation,
    pub(super) target: String,
    #[serde(default)]
    pub(super) source: Vec<String>,
    #[serde(default)]
    pub(super) with: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Sum,
    Avg,
    Max,
    Min,
    Multiply,
    Constant,
    Join,
    Format,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unpivot {
    pub(super) extra_key_fields: Vec<Extra>,
    pub(super) extra_value_field: Extra,
    #[serde(rename = "unpivot")]
    pub(super) fields: Vec<Unpivoted>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Extra {
    pub(super) name: String,
    #[serde(rename = "type", default = "string")]
    pub(super) kind: String,
}

fn string() -> String {
    "string".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Unpivoted {
    /// A field, or a pattern of fields.
    pub(super) name: String,
    pub(super) keys: Map<String, Value>,
}

impl Step {
    pub(super) fn is_for(&self, resource: &str) -> bool {
        self.resources.is_empty() || self.resources.iter().any(|name| name == resource)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }
}

/// Whether steps can be followed, as far as the specification tells.
pub(in crate::flow) fn check(text: &str) -> Result<(), String> {
    steps(text).map(drop)
}

/// Reads the steps of a source.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Ok(Value::Array(steps)) = serde_json::from_str(text) else { return Err("steps are no list".to_owned()) };
    if steps.len() > MAX_STEPS {
        return Err(format!("there are {} steps; at most {MAX_STEPS} are possible", steps.len()));
    }
    steps.iter().map(step).collect()
}

fn step(step: &Value) -> Result<Step, String> {
    let run = step.get("run").and_then(Value::as_str).ok_or("a step has no name")?;
    let none = Value::Object(Map::new());
    let given = step.get("parameters").filter(|given| !given.is_null()).unwrap_or(&none);
    let resources = match given.get("resources") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(name)) => vec![name.clone()],
        Some(names) => read(names.clone(), run, "resources")?,
    };
    let fields = || read(given.get("fields").cloned().unwrap_or_default(), run, "fields");
    let (name, work) = match run {
        "sort" => ("sort", Work::Sort { by: sorted_by(given)?, reverse: given.get("reverse").and_then(Value::as_bool).unwrap_or(false) }),
        "filter" => {
            let conditions = |name: &str| match given.get(name) {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(conditions) => read(conditions.clone(), run, name),
            };
            ("filter", Work::Filter { keep: conditions("in")?, drop: conditions("out")? })
        }
        "find_replace" => ("find_replace", Work::Replace(replaced(given)?)),
        "delete_fields" => ("delete_fields", Work::Delete(fields()?)),
        "set_types" => ("set_types", Work::SetTypes(read(given.get("types").cloned().unwrap_or_default(), run, "types")?)),
        "add_computed_field" => ("add_computed_field", Work::Compute(computed(given)?)),
        "unpivot" => ("unpivot", Work::Unpivot(read(given.clone(), run, "its parameters")?)),
        "deduplicate" => ("deduplicate", Work::Deduplicate),
        other if ELSEWHERE.contains(&other) => return Err(format!("the step \"{other}\" is not followed here")),
        other => return Err(format!("the step \"{}\" is not allowed", other.escape_debug())),
    };
    Ok(Step { name, resources, work })
}

fn read<T: serde::de::DeserializeOwned>(value: Value, run: &str, what: &str) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("{run}: {what} can't be read: {error}"))
}

/// `"{a}{b}"` are the fields a and b; so are a list of names and one name.
fn sorted_by(given: &Value) -> Result<Vec<String>, String> {
    match given.get("sort-by") {
        Some(Value::String(text)) if text.contains('{') => {
            let names = text.split('{').skip(1).filter_map(|part| part.split(['}', ':', '!']).next()).map(str::to_owned);
            Ok(names.collect())
        }
        Some(Value::String(name)) => Ok(vec![name.clone()]),
        Some(names @ Value::Array(_)) => read(names.clone(), "sort", "sort-by"),
        _ => Err("sort: sort-by is missing".to_owned()),
    }
}

fn replaced(given: &Value) -> Result<Vec<Replaced>, String> {
    let fields: Vec<Replaced> = read(given.get("fields").cloned().unwrap_or_default(), "find_replace", "fields")?;
    for pattern in fields.iter().flat_map(|field| &field.patterns) {
        Regex::new(&pattern.find).map_err(|_| format!("find_replace: the pattern \"{}\" can't be read", pattern.find))?;
    }
    Ok(fields)
}

/// Fields in a list, or the older form of one field beside the other parameters.
fn computed(given: &Value) -> Result<Vec<Computed>, String> {
    let fields = given.get("fields").cloned().unwrap_or_else(|| Value::Array(vec![given.clone()]));
    let fields: Vec<Computed> = read(fields, "add_computed_field", "fields")?;
    match fields.iter().find(|field| field.source.is_empty() && !matches!(field.operation, Operation::Constant | Operation::Format)) {
        Some(field) => Err(format!("add_computed_field: the field \"{}\" has no source", field.target)),
        None => Ok(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_refused_by_name() {
        for (text, wanted) in [
            (r#"[{"run": "shell", "parameters": {}}]"#, "the step \"shell\" is not allowed"),
            (r#"[{"run": "join", "parameters": {}}]"#, "the step \"join\" is not followed here"),
            (r#"[{"run": "sort", "parameters": {}}]"#, "sort: sort-by is missing"),
            (
                r#"[{"run": "find_replace", "parameters": {"fields": [{"name": "a", "patterns": [{"find": "("}]}]}}]"#,
                "find_replace: the pattern \"(\" can't be read",
            ),
            (r#"{"run": "sort"}"#, "steps are no list"),
        ] {
            assert_eq!(check(text), Err(wanted.to_owned()), "{text}");
        }
        assert_eq!(check(r#"[{"run": "sort", "parameters": {"resources": "a", "sort-by": "{b}"}}]"#), Ok(()));
    }

    #[test]
    fn sort_keys_are_fields() {
        let by = |value: Value| sorted_by(&serde_json::json!({"sort-by": value})).expect("fields");
        assert_eq!(by("{a}{b:03d}".into()), ["a", "b"]);
        assert_eq!(by("a".into()), ["a"]);
    }
}
