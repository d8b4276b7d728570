//! Short lists for whoever is typing.

use madang_kit::ckan::{Dict, Outcome};
use serde_json::{Value, json};

use super::{Act, group, search, user};
use crate::{
    search::Text,
    store::{
        ckan::{
            group::{self as groups, Narrowed, Sort},
            resource as resources, user as users,
        },
        thing::anywhere,
    },
};

/// The longest of these lists.
const LIMIT_MAX: i64 = 1_000;

/// `package_autocomplete` (ckan.md 5.6)
pub(super) async fn packages(act: &mut Act) -> Outcome {
    let q = act.required("q")?;
    let limit = act.natural("limit", 10, LIMIT_MAX)?;
    let quoted = format!("\"{}\"", q.replace('\\', "\\\\").replace('"', "\\\""));
    let fields = ["name_ngram", "title_ngram", "name", "title"];
    let text = fields.map(|field| format!("{field}:{quoted}")).join(" OR ");
    let question = search::plain_question(act, Text::Lucene { text, default: "text".to_owned() }, limit).await?;
    let found = search::asked(act, question).await?.dicts;
    let word = q.to_lowercase();
    let mut shown = Vec::with_capacity(found.len());
    for dict in found {
        let dict: Dict = serde_json::from_str(&dict)?;
        let (name, title) = (search::word(&dict, "name"), search::word(&dict, "title"));
        let by_name = name.contains(&word);
        let displayed = if by_name { name.clone() } else { format!("{title} ({name})") };
        let field = if by_name { "name" } else { "title" };
        shown.push(json!({"match_displayed": displayed, "match_field": field, "name": name, "title": title}));
    }
    Ok(shown.into())
}

/// `format_autocomplete`
pub(super) async fn formats(act: &mut Act) -> Outcome {
    let q = act.required("q")?;
    let limit = act.natural("limit", 5, LIMIT_MAX)?;
    Ok(resources::formats(&mut act.source, &anywhere(Some(&q)), limit).await?.into())
}

/// `group_autocomplete`, `organization_autocomplete`
pub(super) async fn groups(act: &mut Act) -> Outcome {
    let q = act.required("q")?;
    let organizations = group::is_about_organizations(act);
    let by = Narrowed {
        is_organization: organizations,
        r#type: if organizations { "organization" } else { "group" }.to_owned(),
        names: None,
        like: anywhere(Some(&q)),
        sort: Sort::Title,
        descending: false,
        limit: act.natural("limit", 20, LIMIT_MAX)?,
        offset: 0,
    };
    let reader = act.reader.clone();
    let word = q.to_lowercase();
    let found = groups::list(&mut act.source, &reader, by).await?.into_iter();
    let found = found.filter(|group| group.name.contains(&word) || group.title.to_lowercase().contains(&word)); // not by description
    Ok(found.map(|group| json!({"id": group.id, "name": group.name, "title": group.title})).collect())
}

/// `user_autocomplete`
pub(super) async fn users(act: &mut Act) -> Outcome {
    user::demand_details(act)?;
    let q = act.required("q")?;
    let limit = usize::try_from(act.natural("limit", 20, LIMIT_MAX)?).unwrap_or_default();
    let (ignore_self, by_email) = (act.flag("ignore_self", false)?, act.is_sysadmin());
    let mut found = users::list(&mut act.source, &anywhere(Some(&q)), "", true, by_email).await?;
    found.retain(|user| !(ignore_self && user.id == act.reader.id));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let shown = |user: &users::User| json!({"id": user.id, "name": user.name, "fullname": user.full_name});
    Ok(found.iter().take(limit).map(shown).collect::<Vec<Value>>().into())
}
