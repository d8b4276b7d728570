//! Relationships between packages (ckan.md 3.7, 4.7): stored as the first of each pair of types, shown from the asked package's side.

use std::collections::HashMap;

use madang_kit::{
    Id,
    ckan::{Outcome, Problems, Refusal},
};
use serde_json::{Value, json};

use super::{Act, package};
use crate::store::ckan::{
    package::{self as packages, Package},
    relationship::{self as store, Relationship},
};

const PAIRS: [(&str, &str); 4] =
    [("depends_on", "dependency_of"), ("derives_from", "has_derivation"), ("links_to", "linked_from"), ("child_of", "parent_of")];

/// `package_relationships_list`
pub(super) async fn list(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    let first = readable(act, &word, "First package named in request was not found.").await?;
    let second = match act.text("id2").filter(|word| !word.is_empty()) {
        None => None,
        Some(word) => Some(readable(act, &word, "Second package named in request was not found.").await?),
    };
    let wanted = act.text("rel").filter(|rel| !rel.is_empty());
    let rows = store::of(&mut act.source, vec![first.id.clone()]).await?;
    let ends = rows.iter().flat_map(|row| [row.subject_id.clone(), row.object_id.clone()]).collect();
    let names: HashMap<String, String> =
        packages::with_ids(&mut act.source, ends).await?.into_iter().map(|package| (package.id, package.name)).collect();
    let mut shown: Vec<Value> = Vec::new();
    for row in &rows {
        let (other, kind) =
            if row.subject_id == first.id { (&row.object_id, row.r#type.as_str()) } else { (&row.subject_id, reverse(&row.r#type)) };
        let fits = second.as_ref().is_none_or(|second| second.id == *other) && wanted.as_deref().is_none_or(|wanted| wanted == kind);
        if fits {
            shown.push(json!({"subject": first.name, "object": names.get(other), "type": kind, "comment": row.comment}));
        }
    }
    if let (true, Some(wanted)) = (shown.is_empty(), wanted) {
        let second = second.map(|second| second.name).unwrap_or_default();
        return Err(Refusal::NotFound(format!("Relationship \"{} {wanted} {second}\" not found.", first.name)));
    }
    Ok(shown.into())
}

/// `package_relationship_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    let (subject, object, kind) = ends(act).await?;
    let known = store::find(&mut act.source, &subject.id, &object.id, &kind).await?;
    let row = Relationship {
        id: known.map_or_else(|| Id::generate().to_string(), |row| row.id),
        subject_id: subject.id.clone(),
        object_id: object.id.clone(),
        r#type: kind,
        comment: act.text("comment").unwrap_or_default(),
    };
    store::put(&mut act.source, &row).await?;
    Ok(dict(&row, &subject, &object))
}

/// `package_relationship_update`: only the comment changes.
pub(super) async fn update(act: &mut Act) -> Outcome {
    let (subject, object, kind) = ends(act).await?;
    let known = store::find(&mut act.source, &subject.id, &object.id, &kind).await?.ok_or_else(absent)?;
    let row = Relationship { comment: act.text("comment").unwrap_or(known.comment), ..known };
    store::put(&mut act.source, &row).await?;
    Ok(dict(&row, &subject, &object))
}

/// `package_relationship_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    let (subject, object, kind) = ends(act).await?;
    let known = store::find(&mut act.source, &subject.id, &object.id, &kind).await?.ok_or_else(absent)?;
    store::delete(&mut act.source, &known.id).await?;
    Ok(Value::Null)
}

fn absent() -> Refusal {
    Refusal::NotFound("This relationship between the packages was not found.".to_owned())
}

/// Both packages, which the caller may edit, as the first type of the pair has them.
async fn ends(act: &mut Act) -> Outcome<(Package, Package, String)> {
    act.demand_login()?;
    let mut problems = Problems::default();
    for name in ["subject", "object", "type"] {
        if act.text(name).is_none_or(|value| value.is_empty()) {
            problems.add(name, "Missing value");
        }
    }
    let kind = act.text("type").unwrap_or_default();
    let all: Vec<&str> = PAIRS.iter().flat_map(|pair| [pair.0, pair.1]).collect();
    if !kind.is_empty() && !all.contains(&kind.as_str()) {
        problems.add("type", format!("Value must be one of {}", package::python_list(&all)));
    }
    problems.finish()?;
    let (subject, object) = (act.required("subject")?, act.required("object")?);
    let subject = package::locked(act, &subject, &format!("Subject package '{subject}' was not found.")).await?;
    let object = package::locked(act, &object, &format!("Object package '{object}' was not found.")).await?;
    for package in [&subject, &object] {
        if !package::may_edit(act, package).await? {
            return Err(act.not_authorized("edit these packages"));
        }
    }
    match PAIRS.iter().find(|pair| pair.1 == kind) {
        Some((forward, _)) => Ok((object, subject, (*forward).to_owned())),
        None => Ok((subject, object, kind)),
    }
}

async fn readable(act: &mut Act, word: &str, absent: &str) -> Outcome<Package> {
    match package::readable(act, word).await {
        Err(Refusal::NotFound(_)) => Err(Refusal::NotFound(absent.to_owned())),
        other => other,
    }
}

fn reverse(kind: &str) -> &'static str {
    PAIRS.iter().find(|pair| pair.0 == kind).map_or("", |pair| pair.1)
}

fn dict(row: &Relationship, subject: &Package, object: &Package) -> Value {
    json!({"subject": subject.name, "object": object.name, "type": row.r#type, "comment": row.comment})
}
