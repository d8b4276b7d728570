//! `package_revise` (ckan.md 8.4): match, filter, update, all at once.

use madang_kit::ckan::{Dict, Outcome, Refusal};
use serde_json::{Value, json};

use super::{demand_edit, dict, locked, replace};
use crate::ckan::Act;

/// The shortest beginning of an id that names an item of a list.
const PREFIX_MIN: usize = 5;
/// Patterns of one filter.
const PATTERNS_MAX: usize = 1_000;

/// What a revision says.
struct Revision {
    matched: Vec<(Vec<String>, Value)>,
    filter: Vec<Pattern>,
    update: Option<Dict>,
    /// Keys of the form `update__a__b`, as they came, in their order.
    updates: Vec<(String, Value)>,
    include: Option<Vec<Pattern>>,
}

/// `-path` or `+path`.
#[derive(Clone)]
struct Pattern {
    keep: bool,
    path: Vec<String>,
}

/// `package_revise`
pub(crate) async fn revise(act: &mut Act) -> Outcome {
    let revision = Revision::read(&act.dict)?;
    let word = revision.word()?;
    let package = locked(act, &word, "").await?;
    demand_edit(act, &package).await?;
    let mut current = Value::Object(dict::whole_to_edit(act, package.clone()).await?);
    let different: Vec<String> =
        revision.matched.iter().filter(|(path, wanted)| at(&current, path) != Some(wanted)).map(|(path, _)| path.join("__")).collect();
    if !different.is_empty() {
        return Err(Refusal::Validation(Dict::from_iter([("match".to_owned(), json!(different))])));
    }
    if !revision.filter.is_empty() {
        let (id, kind) = (current["id"].clone(), current["type"].clone());
        filter(&mut current, &revision.filter);
        current["id"] = id;
        current["type"] = kind;
    }
    if let (Some(update), Value::Object(current)) = (&revision.update, &mut current) {
        merge(current, update, "").map_err(|message| Refusal::invalid("update", message))?;
    }
    for (key, value) in &revision.updates {
        let path: Vec<&str> = key.split("__").skip(1).collect();
        set(&mut current, &path, value.clone(), &mut Vec::new()).map_err(|message| Refusal::invalid(key, message))?;
    }
    let Value::Object(current) = current else { return Err(Refusal::invalid("update", "Expected dict for package")) };
    let mut answer = replace(act, package, &current).await?;
    if let Some(include) = &revision.include {
        filter(&mut answer, include);
    }
    Ok(json!({"package": answer}))
}

impl Revision {
    fn read(dict: &Dict) -> Outcome<Self> {
        let mut revision =
            Self { matched: Vec::new(), filter: patterns(dict, "filter")?, update: None, updates: Vec::new(), include: None };
        if dict.contains_key("include") {
            revision.include = Some(patterns(dict, "include")?);
        }
        if let Some(wanted) = object(dict, "match")? {
            leaves(&Value::Object(wanted), &mut Vec::new(), &mut revision.matched);
        }
        revision.update = object(dict, "update")?;
        for (key, value) in dict {
            if let Some(path) = key.strip_prefix("match__") {
                revision.matched.push((path.split("__").map(str::to_owned).collect(), parsed(value)));
            } else if key.starts_with("update__") {
                revision.updates.push((key.clone(), parsed(value)));
            }
        }
        revision.updates.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(revision)
    }

    /// The package that it is about.
    fn word(&self) -> Outcome<String> {
        let named = |name: &str| self.matched.iter().find(|(path, _)| path.len() == 1 && path.first().is_some_and(|part| part == name));
        let word = named("id").or_else(|| named("name")).and_then(|(_, value)| value.as_str());
        word.filter(|word| !word.is_empty()).map(str::to_owned).ok_or_else(|| Refusal::missing("match__id"))
    }
}

/// A text that is JSON counts as what it says.
fn parsed(value: &Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(read) if read.is_object() || read.is_array() => read,
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn object(dict: &Dict, name: &str) -> Outcome<Option<Dict>> {
    match dict.get(name).map(parsed) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Refusal::invalid(name, "Must be a dict")),
    }
}

fn patterns(dict: &Dict, name: &str) -> Outcome<Vec<Pattern>> {
    let words: Vec<String> = match dict.get(name).map(parsed) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect(),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(|word| Some(word.as_str()?.trim().to_owned())).collect()
        }
        Some(_) => return Err(Refusal::invalid(name, "Not a list of strings")),
    };
    if words.len() > PATTERNS_MAX {
        return Err(Refusal::invalid(name, format!("Must have at most {PATTERNS_MAX} items")));
    }
    let read = |word: &String| {
        let path = |rest: &str| rest.split("__").map(str::to_owned).collect();
        let keep = word.strip_prefix('+').map(|rest| Pattern { keep: true, path: path(rest) });
        keep.or_else(|| word.strip_prefix('-').map(|rest| Pattern { keep: false, path: path(rest) }))
    };
    let read: Option<Vec<Pattern>> = words.iter().map(read).collect();
    read.ok_or_else(|| Refusal::invalid(name, "Each item must begin with \"+\" or \"-\""))
}

/// Every value that is neither a list nor a dictionary, with its path.
fn leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Value)>) {
    let mut below = |key: String, value: &Value| {
        path.push(key);
        leaves(value, path, found);
        path.pop();
    };
    match value {
        Value::Object(dict) => dict.iter().for_each(|(key, value)| below(key.clone(), value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(number, value)| below(number.to_string(), value)),
        other => found.push((path.clone(), other.clone())),
    }
}

/// The value at a path.
fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(dict) => dict.get(part),
        Value::Array(list) => list.get(place(list, part)?),
        _ => None,
    })
}

/// The place in a list that a number, counted from either end, or the beginning of an item's id means.
fn place(list: &[Value], part: &str) -> Option<usize> {
    if let Ok(number) = part.parse::<i64>()
        && (part.len() < PREFIX_MIN || list.iter().all(|item| !begins(item, part)))
    {
        let length = i64::try_from(list.len()).ok()?;
        let from_start = if number < 0 { length + number } else { number };
        return usize::try_from(from_start).ok().filter(|place| *place < list.len());
    }
    (part.len() >= PREFIX_MIN).then(|| list.iter().position(|item| begins(item, part))).flatten()
}

fn begins(item: &Value, prefix: &str) -> bool {
    item["id"].as_str().is_some_and(|id| id.starts_with(prefix))
}

/// Takes out what the first fitting pattern says.
fn filter(value: &mut Value, patterns: &[Pattern]) {
    match value {
        Value::Object(dict) => {
            let keys: Vec<String> = dict.keys().cloned().collect();
            for key in keys {
                let verdict = judge(patterns, |part| part == key);
                match (verdict, dict.get_mut(&key)) {
                    (None, _) => drop(dict.remove(&key)),
                    (Some(below), Some(inner)) if !below.is_empty() => filter(inner, &below),
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            let old = std::mem::take(list);
            for (number, mut item) in old.iter().cloned().enumerate() {
                match judge(patterns, |part| place(&old, part) == Some(number)) {
                    None => {}
                    Some(below) => {
                        if !below.is_empty() {
                            filter(&mut item, &below);
                        }
                        list.push(item);
                    }
                }
            }
        }
        _ => {}
    }
}

/// `None`: it goes. Else what is to be looked at below it.
fn judge(patterns: &[Pattern], fits: impl Fn(&str) -> bool) -> Option<Vec<Pattern>> {
    let mut below = Vec::new();
    for pattern in patterns {
        let Some((first, rest)) = pattern.path.split_first() else { continue };
        if first != "*" && !fits(first) {
            continue;
        }
        if !rest.is_empty() {
            below.push(Pattern { keep: pattern.keep, path: rest.to_vec() });
        } else if pattern.keep {
            return Some(below);
        } else if below.is_empty() {
            return None;
        } else {
            below.push(Pattern { keep: false, path: vec!["*".to_owned()] });
            return Some(below);
        }
    }
    Some(below)
}

/// Dictionaries by key, lists by place; more items than there are are added.
fn merge(current: &mut Dict, update: &Dict, path: &str) -> Result<(), String> {
    for (key, value) in update {
        let here = if path.is_empty() { key.clone() } else { format!("{path}__{key}") };
        match (current.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(update)) => merge(inner, update, &here)?,
            (Some(Value::Object(_)), _) => return Err(format!("Expected dict for {here}")),
            (Some(Value::Array(inner)), Value::Array(update)) => merge_list(inner, update, &here)?,
            (Some(Value::Array(_)), _) => return Err(format!("Expected list for {here}")),
            _ => {
                current.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

fn merge_list(current: &mut Vec<Value>, update: &[Value], path: &str) -> Result<(), String> {
    for (number, value) in update.iter().enumerate() {
        match (current.get_mut(number), value) {
            (Some(Value::Object(inner)), Value::Object(update)) => merge(inner, update, &format!("{path}__{number}"))?,
            (Some(Value::Object(_)), _) => return Err(format!("Expected dict for {path}__{number}")),
            (Some(item), value) => *item = value.clone(),
            (None, value) => current.push(value.clone()),
        }
    }
    Ok(())
}

/// Writes a value at a path of keys, places, beginnings of ids; `extend` adds a list at the end of one.
fn set(current: &mut Value, path: &[&str], value: Value, walked: &mut Vec<String>) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    walked.push((*first).to_owned());
    match current {
        Value::Object(dict) if rest.is_empty() => match (dict.get_mut(*first), value) {
            (Some(Value::Object(inner)), Value::Object(update)) => merge(inner, &update, &walked.join("__")),
            (Some(Value::Array(inner)), Value::Array(update)) => merge_list(inner, &update, &walked.join("__")),
            (_, value) => {
                dict.insert((*first).to_owned(), value);
                Ok(())
            }
        },
        Value::Object(dict) => {
            let empty = || if rest == ["extend"] { Value::Array(Vec::new()) } else { Value::Object(Dict::new()) };
            set(dict.entry((*first).to_owned()).or_insert_with(empty), rest, value, walked)
        }
        Value::Array(list) if *first == "extend" && rest.is_empty() => match value {
            Value::Array(more) => {
                list.extend(more);
                Ok(())
            }
            _ => Err(format!("Expected list for {}", walked.join("__"))),
        },
        Value::Array(list) => {
            let place = place(list, first).ok_or_else(|| format!("Unmatched key {}", walked.join("__")))?;
            let Some(item) = list.get_mut(place) else { return Err(format!("Unmatched key {}", walked.join("__"))) };
            match (&mut *item, value) {
                (Value::Object(inner), Value::Object(update)) if rest.is_empty() => merge(inner, &update, &walked.join("__")),
                (_, value) if rest.is_empty() => {
                    *item = value;
                    Ok(())
                }
                (item, value) => set(item, rest, value, walked),
            }
        }
        _ => Err(format!("Unmatched key {}", walked.join("__"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(words: &str) -> Value {
        let mut value = json!({"id": "x", "title": "t", "resources": [{"id": "abcdef", "url": "u"}, {"id": "ghijkl", "url": "v"}]});
        let dict = Dict::from_iter([("filter".to_owned(), Value::from(words))]);
        filter(&mut value, &patterns(&dict, "filter").expect("patterns"));
        value
    }

    #[test]
    fn the_first_fitting_pattern_decides() {
        assert_eq!(filtered("-*"), json!({}));
        assert_eq!(filtered("+title,-*"), json!({"title": "t"}));
        assert_eq!(filtered("-resources__0")["resources"], json!([{"id": "ghijkl", "url": "v"}]));
        assert_eq!(filtered("+resources__ghijk,-resources__*")["resources"], json!([{"id": "ghijkl", "url": "v"}]));
        assert_eq!(filtered("-resources__*__url")["resources"], json!([{"id": "abcdef"}, {"id": "ghijkl"}]));
    }

    #[test]
    fn values_are_written_at_paths() {
        let start = json!({"a": 1, "l": [{"id": "abcdef", "x": 1}]});
        for (path, value, wanted) in [
            (&["a"][..], json!(2), json!({"a": 2, "l": [{"id": "abcdef", "x": 1}]})),
            (&["l", "0", "x"], json!(2), json!({"a": 1, "l": [{"id": "abcdef", "x": 2}]})),
            (&["l", "-1", "x"], json!(2), json!({"a": 1, "l": [{"id": "abcdef", "x": 2}]})),
            (&["l", "abcde", "x"], json!(2), json!({"a": 1, "l": [{"id": "abcdef", "x": 2}]})),
            (&["l", "extend"], json!([{"id": "n"}]), json!({"a": 1, "l": [{"id": "abcdef", "x": 1}, {"id": "n"}]})),
        ] {
            let mut current = start.clone();
            set(&mut current, path, value, &mut Vec::new()).expect("a place");
            assert_eq!(current, wanted, "{path:?}");
        }
        assert_eq!(set(&mut start.clone(), &["l", "9", "x"], json!(1), &mut Vec::new()), Err("Unmatched key l__9".to_owned()));
    }
}
