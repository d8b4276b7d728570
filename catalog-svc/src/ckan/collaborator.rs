//! Collaborators of one dataset (ckan.md 2.3, 3.4).

use madang_kit::ckan::{Outcome, Refusal, date};
use serde_json::{Value, json};

use super::{Act, package, user};
use crate::store::{
    ckan::{
        collaborator::{self as store, Collaborator},
        package::Package,
    },
    organization::Capacity,
};

/// `package_collaborator_list`
pub(super) async fn list(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    demand_enabled(act)?;
    let package = managed(act, &word).await?;
    let capacity = read_capacity(act, false)?;
    let rows = store::list(&mut act.source, &package.id, "", &capacity).await?;
    Ok(rows.iter().map(dict).collect())
}

/// `package_collaborator_list_for_user`
pub(super) async fn list_for_user(act: &mut Act) -> Outcome {
    let word = act.required("id")?;
    demand_enabled(act)?;
    let found = user::find(act, &word).await?;
    if !act.is_sysadmin() && found.as_ref().is_none_or(|found| found.id != act.reader.id) {
        return Err(Refusal::denied());
    }
    let found = found.ok_or_else(|| Refusal::NotFound("User not found".to_owned()))?;
    let capacity = read_capacity(act, false)?;
    let rows = store::list(&mut act.source, "", &found.id, &capacity).await?;
    let row = |row: &Collaborator| json!({"package_id": row.dataset_id, "capacity": row.capacity, "modified": date(row.modified_at)});
    Ok(rows.iter().map(row).collect())
}

/// `package_collaborator_create`
pub(super) async fn create(act: &mut Act) -> Outcome {
    let (word, person) = (act.required("id")?, act.required("user_id")?);
    act.required("capacity")?;
    act.demand_login()?;
    demand_enabled(act)?;
    let capacity = read_capacity(act, true)?;
    let package = managed(act, &word).await?;
    let person = user::find(act, &person).await?.ok_or_else(|| Refusal::NotFound("User not found".to_owned()))?;
    let row = Collaborator { dataset_id: package.id, user_id: person.id, capacity, modified_at: act.now };
    store::put(&mut act.source, &row).await?;
    Ok(dict(&row))
}

/// `package_collaborator_delete`
pub(super) async fn delete(act: &mut Act) -> Outcome {
    let (word, person) = (act.required("id")?, act.required("user_id")?);
    act.demand_login()?;
    demand_enabled(act)?;
    let package = managed(act, &word).await?;
    let found = user::find(act, &person).await?.ok_or_else(|| Refusal::NotFound("User not found".to_owned()))?;
    if store::delete(&mut act.source, &package.id, &found.id).await? {
        return Ok(Value::Null);
    }
    Err(Refusal::NotFound(format!("User {person} is not a collaborator on this package")))
}

fn demand_enabled(act: &Act) -> Outcome<()> {
    if act.site.allow_dataset_collaborators { Ok(()) } else { Err(Refusal::bare("message", "Dataset collaborators not enabled")) }
}

fn read_capacity(act: &Act, required: bool) -> Outcome<String> {
    let roles = if act.site.allow_admin_collaborators { &["admin", "editor", "member"][..] } else { &["editor", "member"] };
    let capacity = act.text("capacity").unwrap_or_default();
    if roles.contains(&capacity.as_str()) || (capacity.is_empty() && !required) {
        return Ok(capacity);
    }
    Err(Refusal::bare("message", format!("Role must be one of \"{}\"", roles.join(", "))))
}

/// A dataset whose collaborators the caller may manage: admins of its organization, its admin collaborators, its maker if it belongs
/// to nobody.
async fn managed(act: &mut Act, word: &str) -> Outcome<Package> {
    let package = package::locked(act, word, "Dataset not found").await?;
    let by_role = match &package.organization_id {
        Some(organization) => {
            let organization = organization.clone();
            act.has_role(&organization, Capacity::Admin).await?
        }
        None => act.is_sysadmin() || package.created_by == act.reader.id,
    };
    let id = act.reader.id.clone();
    if by_role || store::capacity(&mut act.source, &package.id, &id).await? == Some(Capacity::Admin) {
        return Ok(package);
    }
    Err(act.not_authorized("manage collaborators for this dataset"))
}

fn dict(row: &Collaborator) -> Value {
    json!({"package_id": row.dataset_id, "user_id": row.user_id, "capacity": row.capacity, "modified": date(row.modified_at)})
}
