//! What the site is: `status_show`.

use madang_kit::ckan::Outcome;
use serde_json::json;

use super::{Act, option};

/// The generation of CKAN that is spoken here.
const CKAN_VERSION: &str = "2.11.5";

/// `status_show`
pub(super) async fn show(act: &mut Act) -> Outcome {
    let changed = option::changed(act).await?;
    let value = |name: &str, configured: &str| changed.get(name).cloned().unwrap_or_else(|| configured.to_owned());
    let mut answer = json!({
        "site_title": value("ckan.site_title", &act.site.site_title),
        "site_description": value("ckan.site_description", &act.site.site_description),
        "site_url": value("ckan.site_url", &act.site_url),
        "error_emails_to": act.site.error_emails_to,
        "locale_default": act.site.locale_default,
        "extensions": act.site.plugins,
    });
    if !act.site.hide_version || act.is_sysadmin() {
        answer["ckan_version"] = CKAN_VERSION.into();
    }
    Ok(answer)
}
