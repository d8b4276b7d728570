//! Questions for words: `q`, `full_text`, `plain`, `language` (ckan.md 6.5).

use madang_kit::ckan::{Outcome, Refusal, text_of};
use madang_lake::{Language, WordQuery, Words, plain_query, written_query};
use serde_json::Value;

use super::{bad_query, field::Field};
use crate::ckan::Act;

/// The questions of a call, each with the name of the column of its ranks.
pub(super) fn read(act: &Act, fields: &[Field]) -> Outcome<Vec<(String, Words)>> {
    let plain = act.flag("plain", true)?;
    let language = act.text("language").filter(|name| !name.is_empty()).unwrap_or_else(|| act.site.datastore_language.clone());
    let language: Language =
        language.to_lowercase().parse().map_err(|error: madang_lake::Error| bad_query("Invalid query", &error.to_string()))?;
    let mut found = Vec::new();
    let question = |text: &str| -> Outcome<WordQuery> {
        let read = if plain { plain_query(text, language) } else { written_query(text, language) };
        read.map_err(|error| bad_query("Invalid query", &error.to_string()))
    };
    let whole = |text: &str| -> Outcome<Words> { Ok(Words { column: None, language: Language::English, query: question(text)? }) };
    let q = act.dict.get("q").cloned().map(|q| match q {
        Value::String(text) if text.trim_start().starts_with('{') => match serde_json::from_str(&text) {
            Ok(dict @ Value::Object(_)) => dict,
            _ => Value::String(text),
        },
        other => other,
    });
    match q {
        None | Some(Value::Null) => {}
        Some(Value::Object(dict)) => {
            for (name, text) in &dict {
                if fields.iter().all(|field| field.name != *name) {
                    return Err(Refusal::invalid("q", format!("invalid value \"{name}\"")));
                }
                let text = text_of(text).filter(|text| !text.is_empty());
                let Some(text) = text else { continue };
                found.push((format!("rank {name}"), Words { column: Some(name.clone()), language, query: question(&text)? }));
            }
        }
        Some(value @ (Value::String(_) | Value::Number(_))) => {
            let text = text_of(&value).unwrap_or_default();
            if !text.is_empty() {
                found.push(("rank".to_owned(), whole(&text)?));
            }
        }
        Some(_) => return Err(Refusal::invalid("q", "Not a string or a dict")),
    }
    if let Some(text) = act.text("full_text").filter(|text| !text.is_empty()) {
        let words = whole(&text)?;
        if found.iter().all(|(rank, _)| rank != "rank") {
            found.push(("rank".to_owned(), words));
        } else {
            found.push(("rank full_text".to_owned(), words));
        }
    }
    Ok(found)
}
