//! Deleting and purging groups and organizations.

use madang_kit::ckan::{Outcome, Refusal};
use serde_json::Value;

use super::{absent, is_about_organizations, row};
use crate::{
    ckan::{Act, activity},
    store::{
        ckan::{
            group::{self as store, Group},
            package as packages,
        },
        organization::Capacity,
    },
};

/// `group_delete`, `organization_delete`
pub(crate) async fn delete(act: &mut Act) -> Outcome {
    let id = act.required("id")?;
    act.demand_login()?;
    let organizations = is_about_organizations(act);
    let group = locked(act, &id, organizations).await?;
    let by_members = if organizations { act.site.user_delete_organizations } else { act.site.user_delete_groups };
    let allowed = act.is_sysadmin() || (by_members && act.has_role(&group.id, Capacity::Admin).await?);
    if !allowed {
        let kind = if organizations { "organization" } else { "group" };
        return Err(act.not_authorized(&format!("delete {kind} {}", group.id)));
    }
    if organizations && store::has_datasets(&mut act.source, &group.id).await? {
        if !act.site.create_unowned_dataset {
            return Err(Refusal::bare("message", "Organization cannot be deleted while it still has datasets"));
        }
        packages::leave_organization(&mut act.source, &group.id, act.now).await?;
    }
    let group = Group { state: "deleted".to_owned(), revision: group.revision + 1, modified_at: act.now, ..group };
    store::update(&mut act.source, &group).await?;
    store::empty(&mut act.source, &group.id).await?;
    let cascades = cascades(act);
    store::set_ancestors(&mut act.source, cascades).await?;
    let dict = row(act, &group);
    activity::of_group_change(act, "deleted", &group, &dict).await?;
    Ok(Value::Null)
}

/// `group_purge`, `organization_purge`
pub(crate) async fn purge(act: &mut Act) -> Outcome {
    act.demand_sysadmin()?;
    let id = act.required("id")?;
    let organizations = is_about_organizations(act);
    let group = locked(act, &id, organizations).await?;
    store::empty(&mut act.source, &group.id).await?;
    let cascades = cascades(act);
    store::set_ancestors(&mut act.source, cascades).await?;
    store::purge(&mut act.source, &group.id).await?;
    Ok(Value::Null)
}

/// Whether an admin of a group is one of those below it.
pub(crate) fn cascades(act: &Act) -> bool {
    act.site.roles_that_cascade_to_sub_groups.iter().any(|role| role == Capacity::Admin.name())
}

async fn locked(act: &mut Act, word: &str, organizations: bool) -> Outcome<Group> {
    let found = store::lock(&mut act.source, word).await?.filter(|group| group.is_organization == organizations);
    found.ok_or_else(absent)
}
