//! Orders: `a, "b c" desc nulls last`.

use madang_kit::ckan::{Outcome, Refusal};
use madang_lake::{Order, OrderBy, ROW_ID};
use serde_json::Value;

use super::field::Field;

/// Parts of an order.
const PARTS: usize = 100;

/// Reads an order; ranks are columns by their names.
pub(super) fn read(fields: &[Field], ranks: &[String], given: Option<&Value>) -> Outcome<Vec<Order>> {
    let parts: Vec<String> = match given {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().filter_map(|part| part.as_str().map(str::to_owned)).collect(),
        Some(Value::String(text)) => split(text),
        Some(other) => vec![other.to_string()],
    };
    if parts.len() > PARTS {
        return Err(Refusal::invalid("sort", format!("an order has at most {PARTS} parts")));
    }
    parts.iter().filter(|part| !part.trim().is_empty()).map(|part| one(fields, ranks, part)).collect()
}

/// Cuts a text at its commas, those in quotes left out.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        quoted ^= c == '"';
        if c == ',' && !quoted { parts.push(std::mem::take(&mut part)) } else { part.push(c) }
    }
    parts.push(part);
    parts
}

fn one(fields: &[Field], ranks: &[String], part: &str) -> Outcome<Order> {
    let wrong = || Refusal::invalid("sort", format!("invalid value \"{}\"", part.trim()));
    let part_text = part.trim();
    let by = |name: &str| {
        if let Some(rank) = ranks.iter().position(|rank| rank == name) {
            return Some(OrderBy::Rank(rank));
        }
        let known = name == ROW_ID || fields.iter().any(|field| field.name == name);
        known.then(|| OrderBy::Column(name.to_owned()))
    };
    if let Some(by) = by(part_text) {
        return Ok(Order { by, descending: false, nulls_first: false });
    }
    let (name, rest) = if let Some(inner) = part_text.strip_prefix('"') {
        inner.split_once('"').ok_or_else(wrong)?
    } else {
        // names may have blanks: what stands behind the name is words that are known
        let known = fields.iter().map(|field| field.name.as_str()).chain(ranks.iter().map(String::as_str)).chain([ROW_ID]);
        let longest =
            known.filter(|name| part_text.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '))).max_by_key(|name| name.len());
        let name = longest.ok_or_else(wrong)?;
        part_text.split_at_checked(name.len()).ok_or_else(wrong)?
    };
    let by = by(name).ok_or_else(wrong)?;
    let words: Vec<String> = rest.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (descending, rest) = match words.as_slice() {
        ["desc", rest @ ..] => (true, rest),
        ["asc", rest @ ..] | rest => (false, rest),
    };
    let nulls_first = match rest {
        [] => descending,
        ["nulls", "first"] => true,
        ["nulls", "last"] => false,
        _ => return Err(wrong()),
    };
    Ok(Order { by, descending, nulls_first })
}

#[cfg(test)]
mod tests {
    use madang_lake::ColumnType;
    use serde_json::json;

    use super::*;

    #[test]
    fn orders_are_read() {
        let field =
            |name: &str| Field { name: name.to_owned(), kind: "text".to_owned(), lake: ColumnType::String, nullable: true, info: None };
        let fields = [field("a"), field("b c"), field("d,e")];
        let read = |given: Value| {
            let order = read(&fields, &["rank".to_owned()], Some(&given)).ok()?;
            let shown = |order: &Order| format!("{:?} {} {}", order.by, order.descending, order.nulls_first);
            Some(order.iter().map(shown).collect::<Vec<_>>().join("; "))
        };
        assert_eq!(read(json!("a")).as_deref(), Some("Column(\"a\") false false"));
        assert_eq!(read(json!("a DESC, b c asc")).as_deref(), Some("Column(\"a\") true true; Column(\"b c\") false false"));
        assert_eq!(read(json!("\"d,e\" desc nulls last, rank desc")).as_deref(), Some("Column(\"d,e\") true false; Rank(0) true true"));
        assert_eq!(read(json!(["_id desc"])).as_deref(), Some("Column(\"_id\") true true"));
        for wrong in ["x", "a up", "a desc nulls", "a; drop table", "\"a", "a desc asc"] {
            assert_eq!(read(json!(wrong)), None, "{wrong}");
        }
    }
}
