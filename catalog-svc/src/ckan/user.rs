//! Users as they are read (ckan.md 4.5). They are made and changed by the gateway, which owns them; here they meet their datasets.

use std::{cmp::Ordering, collections::BTreeMap};

use madang_kit::ckan::{Dict, Outcome, Refusal, date};
use serde_json::{Value, json};

use super::{Act, package};
use crate::store::{
    ckan::{
        follow,
        package::{self as packages, Narrowed},
        user::{self as store, User},
    },
    thing::anywhere,
};

/// Datasets shown with a user.
const DATASETS_MAX: i64 = 50;
/// What a list of users may be ordered by.
const ORDERS: [&str; 7] = ["id", "name", "fullname", "display_name", "created", "about", "sysadmin"];

/// `user_list`
pub(super) async fn list(act: &mut Act) -> Outcome {
    demand_details(act)?;
    let email = act.text("email").unwrap_or_default().to_lowercase();
    if !email.is_empty() && !act.is_sysadmin() {
        return Err(Refusal::denied());
    }
    let like = anywhere(act.text("q").filter(|q| !q.is_empty()).as_deref());
    let with_site_user = act.flag("include_site_user", false)?;
    let mut users = store::list(&mut act.source, &like, &email, with_site_user, false).await?;
    let order = act.text("order_by").filter(|order| !order.is_empty()).unwrap_or_else(|| "display_name".to_owned());
    if order == "number_created_packages" {
        let made = packages::made_by(&mut act.source, users.iter().map(|user| user.id.clone()).collect()).await?;
        users.sort_by_key(|user| std::cmp::Reverse(made.get(&user.id).copied().unwrap_or_default()));
    } else if ORDERS.contains(&order.as_str()) {
        users.sort_by(|a, b| compare(&order, a, b));
    } else {
        return Err(Refusal::invalid("order_by", format!("Cannot order by field `{order}`")));
    }
    if !act.flag("all_fields", true)? {
        return Ok(users.into_iter().map(|user| Value::from(user.name)).collect());
    }
    Ok(dicts(act, users).await?.into_iter().map(Value::Object).collect())
}

fn compare(order: &str, a: &User, b: &User) -> Ordering {
    match order {
        "id" => a.id.cmp(&b.id),
        "name" => a.name.cmp(&b.name),
        "fullname" => a.full_name.cmp(&b.full_name),
        "created" => a.created_at.cmp(&b.created_at),
        "about" => a.about.cmp(&b.about),
        "sysadmin" => b.sysadmin.cmp(&a.sysadmin),
        _ => a.display_name().to_lowercase().cmp(&b.display_name().to_lowercase()),
    }
}

/// `user_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let word = act.text("id").filter(|word| !word.is_empty());
    if word.is_some() {
        demand_details(act)?;
    }
    let word = match word {
        Some(word) => word,
        None if act.is_nobody() => return Err(Refusal::not_found()),
        None => act.reader.id.clone(),
    };
    let user = store::find(&mut act.source, &word).await?.ok_or_else(Refusal::not_found)?;
    let (id, email) = (user.id.clone(), user.email.clone());
    let mut dict = dicts(act, vec![user]).await?.pop().unwrap_or_default();
    if id == act.reader.id || act.is_sysadmin() {
        dict.insert("email".to_owned(), email.into());
        dict.insert("apikey".to_owned(), Value::Null);
    }
    if act.flag("include_num_followers", false)? {
        let counts = follow::counts(&mut act.source, "user", vec![id.clone()]).await?;
        dict.insert("num_followers".to_owned(), counts.get(&id).copied().unwrap_or_default().into());
    }
    if act.flag("include_datasets", false)? {
        let by = Narrowed { creator: Some(id), private: true, limit: DATASETS_MAX, ..Narrowed::default() };
        dict.insert("datasets".to_owned(), package::list::shown(act, by).await?);
    }
    Ok(dict.into())
}

/// `get_site_user`
pub(super) async fn site_user(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let users = store::list(&mut act.source, "%", "", true, false).await?;
    let user = users.into_iter().find(|user| user.site_user).ok_or_else(Refusal::not_found)?;
    Ok(json!({"name": user.name, "id": user.id, "apikey": null}))
}

/// Refuses callers without a credential where users are not everybody's to see.
pub(super) fn demand_details(act: &Act) -> Outcome<()> {
    if act.is_nobody() && !act.site.public_user_details { Err(Refusal::denied()) } else { Ok(()) }
}

/// A user by id or name.
pub(super) async fn find(act: &mut Act, word: &str) -> Outcome<Option<User>> {
    Ok(store::find(&mut act.source, word).await?)
}

/// Users as everybody may see them, in the given order.
pub(super) async fn dicts(act: &mut Act, users: Vec<User>) -> Outcome<Vec<Dict>> {
    let made = packages::made_by(&mut act.source, users.iter().map(|user| user.id.clone()).collect()).await?;
    Ok(users.iter().map(|user| dict(act, user, &made)).collect())
}

fn dict(act: &Act, user: &User, made: &BTreeMap<String, i64>) -> Dict {
    let shown = [
        ("about", user.about.clone().into()),
        ("activity_streams_email_notifications", false.into()),
        ("created", user.created_at.map(date).into()),
        ("display_name", user.display_name().into()),
        ("email_hash", email_hash(&user.email).into()),
        ("fullname", user.full_name.clone().into()),
        ("id", user.id.clone().into()),
        ("image_display_url", image_display_url(act, "user", user.image_url.as_deref()).into()),
        ("image_url", user.image_url.clone().into()),
        ("last_active", Value::Null),
        ("name", user.name.clone().into()),
        ("number_created_packages", made.get(&user.id).copied().unwrap_or_default().into()),
        ("state", user.state.clone().into()),
        ("sysadmin", user.sysadmin.into()),
    ];
    shown.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn email_hash(email: &str) -> String {
    use md5::{Digest, Md5};
    madang_kit::hex(&Md5::digest(email.trim().to_lowercase()))
}

/// A picture's absolute address: a name alone is that of an uploaded file.
pub(super) fn image_display_url(act: &Act, kind: &str, url: Option<&str>) -> String {
    match url {
        None | Some("") => String::new(),
        Some(url) if url.contains("://") => url.to_owned(),
        Some(name) => format!("{}/uploads/{kind}/{name}", act.site_url),
    }
}
