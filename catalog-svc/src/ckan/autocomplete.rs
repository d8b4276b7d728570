//! Short lists for whoever is typing.

use madang_kit::ckan::Outcome;
use serde_json::{Value, json};

use super::{Act, group, user};
use crate::store::{
    ckan::{
        group::{self as groups, Narrowed, Sort},
        package::{self as packages, Narrowed as Packages},
        resource as resources, user as users,
    },
    thing::anywhere,
};

/// The longest of these lists.
const LIMIT_MAX: i64 = 1_000;

/// `package_autocomplete`
pub(super) async fn packages(act: &mut Act) -> Outcome {
    let q = act.required("q")?;
    let limit = act.natural("limit", 10, LIMIT_MAX)?;
    let by = Packages { like: Some(anywhere(Some(&q))), private: true, limit, ..Packages::default() };
    let reader = act.reader.clone();
    let found = packages::list(&mut act.source, &reader, by).await?;
    let word = q.to_lowercase();
    let shown = |package: &packages::Package| {
        let by_name = package.name.to_lowercase().contains(&word);
        let displayed = if by_name { package.name.clone() } else { format!("{} ({})", package.title, package.name) };
        json!({
            "match_displayed": displayed, "match_field": if by_name { "name" } else { "title" }, "name": package.name, "title": package.title,
        })
    };
    Ok(found.iter().map(shown).collect())
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
