//! Options that administrators change while the site runs (ckan.md 3.10).

use std::collections::BTreeMap;

use madang_kit::ckan::{Outcome, Refusal, SiteOptions, text_of};
use serde_json::{Value, json};

use super::Act;
use crate::store::ckan::site as store;

/// An option that may be changed, and what the configuration says of it.
type Changeable = (&'static str, fn(&SiteOptions) -> &String);

const CHANGEABLE: [Changeable; 8] = [
    ("ckan.site_title", |site| &site.site_title),
    ("ckan.site_logo", |site| &site.site_logo),
    ("ckan.site_url", |site| &site.site_url),
    ("ckan.site_description", |site| &site.site_description),
    ("ckan.site_about", |site| &site.site_about),
    ("ckan.site_intro_text", |site| &site.site_intro_text),
    ("ckan.site_custom_css", |site| &site.site_custom_css),
    ("ckan.theme", |site| &site.theme),
];
/// Parts of the form that changes them.
const OF_THE_FORM: [&str; 2] = ["logo_upload", "clear_logo_upload"];

fn is_changeable(name: &str) -> bool {
    CHANGEABLE.iter().any(|(known, _)| *known == name)
}

/// The options that were changed, with their values.
pub(super) async fn changed(act: &mut Act) -> Outcome<BTreeMap<String, String>> {
    Ok(store::options(&mut act.source).await?.into_iter().collect())
}

/// `config_option_list`
pub(super) fn list(act: &Act) -> Outcome {
    act.demand_sysadmin()?;
    Ok(json!(CHANGEABLE.map(|(name, _)| name)))
}

/// `config_option_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let key = act.required("key")?;
    let Some((_, configured)) = CHANGEABLE.iter().find(|(name, _)| *name == key) else {
        return Err(Refusal::bare("message", format!("Configuration option '{key}' can not be shown")));
    };
    let changed = changed(act).await?;
    Ok(Value::from(changed.get(&key).unwrap_or_else(|| configured(&act.site)).clone()))
}

/// `config_option_update`
pub(super) async fn update(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let unknown: Vec<&str> =
        act.dict.keys().map(String::as_str).filter(|name| !is_changeable(name) && !OF_THE_FORM.contains(name)).collect();
    if !unknown.is_empty() {
        let text = format!("Configuration option(s) '{}' can not be updated", unknown.join(" "));
        return Err(Refusal::bare("message", text));
    }
    let given: Vec<(String, String)> =
        act.dict.iter().filter(|(name, _)| is_changeable(name)).filter_map(|(name, value)| Some((name.clone(), text_of(value)?))).collect();
    for (name, value) in &given {
        store::put_option(&mut act.source, name, value).await?; // at most eight
    }
    Ok(given
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into())
}
