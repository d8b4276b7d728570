//! The copy of the gateway's users.

use madang_kit::{Id, Result, check, db::Source};
use madang_proto::catalog::v1::{PutUserRequest, PutUserResponse};
use serde_json::json;
use sqlx::types::Json;

use crate::{
    Catalog,
    store::{
        self,
        ckan::{
            activity::{self, Activity},
            user::{self as people, User},
        },
    },
};

/// Writes one user as of a revision, and what happened into the stream of activities.
pub(crate) async fn put(catalog: &Catalog, request: PutUserRequest) -> Result<PutUserResponse> {
    check::id("id", &request.id)?;
    let id = request.id.clone();
    let mut source = Source::Tx(catalog.db.begin().await?);
    let before = people::find(&mut source, &id).await?;
    if let Source::Tx(tx) = &mut source {
        store::user::put(tx, request).await?;
    }
    let after = people::find(&mut source, &id).await?;
    if let Some((user, kind)) = happened(before.as_ref(), after.as_ref()) {
        let row = Activity {
            id: Id::generate().to_string(),
            at: catalog.clock.now(),
            user_id: user.id.clone(),
            object_id: user.id.clone(),
            owner_id: None,
            r#type: kind.to_owned(),
            data: Json(json!({"user": {"id": user.id, "name": user.name}})),
            public: true,
        };
        activity::insert(&mut source, &row).await?;
    }
    if let Source::Tx(tx) = source {
        tx.commit().await?;
    }
    Ok(PutUserResponse {})
}

fn happened<'a>(before: Option<&User>, after: Option<&'a User>) -> Option<(&'a User, &'static str)> {
    let after = after?;
    match before {
        None => Some((after, "new user")),
        Some(before) if before.state != "deleted" && after.state == "deleted" => Some((after, "deleted user")),
        Some(before) if (&before.name, &before.full_name, &before.about) != (&after.name, &after.full_name, &after.about) => {
            Some((after, "changed user"))
        }
        Some(_) => None,
    }
}
