//! `${name}` in prefixes, values and statements (dataflow.md section 6).

use std::collections::HashMap;

use madang_kit::Result;
use serde_json::{Map, Value};

use super::node::{Place, Text};

/// The values of a run; none while a job is only checked.
pub(crate) struct Values<'a>(pub(crate) Option<&'a Map<String, Value>>);

/// A piece of a text.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

impl Values<'_> {
    /// A text with all parameters filled in; none if it has some whose values are not known yet.
    pub(super) fn fill(&self, place: &Place, member: &str, text: &str) -> Result<Text> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match (piece, self.0) {
                (Piece::Text(text), _) => filled.push_str(text),
                (Piece::Name(_), None) => return Ok(None),
                (Piece::Name(name), Some(values)) => filled.push_str(&value(place, member, values, name)?),
            }
        }
        Ok(Some(filled))
    }

    /// A statement in which parameters are values to bind, and those values. Within quotes, a parameter is a part of the text there.
    pub(crate) fn bind(&self, place: &Place, sql: &str) -> Result<(String, HashMap<String, Value>)> {
        let (mut bound, mut values) = (String::with_capacity(sql.len()), HashMap::new());
        let mut inside = Inside::Code;
        for piece in pieces(sql) {
            let name = match piece {
                Piece::Text(text) => {
                    inside = inside.after(text);
                    bound.push_str(text);
                    continue;
                }
                Piece::Name(name) => name,
            };
            let value = self.0.map(|values| value(place, "sql", values, name)).transpose()?;
            match inside {
                Inside::Text => bound.push_str(&value.unwrap_or_default().replace('\'', "''")),
                Inside::Name => bound.push_str(&value.unwrap_or_default().replace('"', "\"\"")),
                Inside::Comment | Inside::Block => {}
                Inside::Code => {
                    let key = format!("p_{name}");
                    bound.push('$');
                    bound.push_str(&key);
                    values.insert(key, value.map_or(Value::Null, Value::String));
                }
            }
        }
        Ok((bound, values))
    }
}

fn value(place: &Place, member: &str, values: &Map<String, Value>, name: &str) -> Result<String> {
    match values.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => Err(place.wrong(member, "parameter", format!("the parameter '{name}' has no value"))),
        Some(other) => Ok(other.to_string()),
    }
}

/// Cuts a text at its parameters.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        let after = from.get(2..).unwrap_or_default();
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        if let Some(name) = name {
            pieces.extend([Piece::Text(before), Piece::Name(name)]);
            rest = after.get(name.len() + 1..).unwrap_or_default();
        } else {
            pieces.push(Piece::Text(rest.get(..start + 2).unwrap_or(rest)));
            rest = after;
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What a place of a statement is within.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    Text,
    Name,
    Comment,
    Block,
}

impl Inside {
    fn after(self, text: &str) -> Self {
        let mut inside = self;
        let mut previous = ' ';
        for c in text.chars() {
            inside = match (inside, previous, c) {
                (Self::Code, _, '\'') => Self::Text,
                (Self::Code, _, '"') => Self::Name,
                (Self::Code, '-', '-') => Self::Comment,
                (Self::Code, '/', '*') => Self::Block,
                (Self::Text, _, '\'') | (Self::Name, _, '"') | (Self::Comment, _, '\n') | (Self::Block, '*', '/') => Self::Code,
                (same, ..) => same,
            };
            previous = c;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place() -> Place {
        Place { at: 0, id: 1, label: "n".to_owned() }
    }

    fn values() -> Map<String, Value> {
        let Value::Object(values) = json!({"day": "2026-03-01", "n": 5, "evil": "x' OR '1'='1"}) else { unreachable!() };
        values
    }

    #[test]
    fn texts_are_filled() {
        let values = values();
        let fill = |text: &str| Values(Some(&values)).fill(&place(), "prefix", text);
        assert_eq!(fill("raw/${day}/${n}").expect("filled"), Some("raw/2026-03-01/5".to_owned()));
        assert_eq!(fill("$day ${} ${a b} {day}").expect("no parameter"), Some("$day ${} ${a b} {day}".to_owned()));
        assert!(fill("${gone}").is_err());
        assert_eq!(Values(None).fill(&place(), "prefix", "raw/${day}").expect("later"), None);
    }

    #[test]
    fn statements_bind_and_never_splice_code() {
        let values = values();
        let bind = |sql: &str| Values(Some(&values)).bind(&place(), sql).expect("bound");
        let (sql, bound) = bind("SELECT * FROM t WHERE d = ${day} AND s = '${evil}' -- ${day}");
        assert_eq!(sql, "SELECT * FROM t WHERE d = $p_day AND s = 'x'' OR ''1''=''1' -- ");
        assert_eq!(bound, HashMap::from([("p_day".to_owned(), json!("2026-03-01"))]));
        assert_eq!(bind("SELECT 'it''s ${n}'").0, "SELECT 'it''s 5'");
    }
}
