//! The read-only copy of the gateway's users.

use madang_kit::{Db, Id, Result, Tx, time};
use madang_proto::catalog::v1::PutUserRequest;

/// Writes a user unless a newer revision is there.
pub(crate) async fn put(tx: &mut Tx, user: PutUserRequest) -> Result<()> {
    let written = tx
        .query(
            "INSERT INTO user_account (id, name, full_name, email, state, sysadmin, service, revision, created_at, about, image_url, site_user)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, full_name = excluded.full_name, email = excluded.email,
                 state = excluded.state, sysadmin = excluded.sysadmin, service = excluded.service, revision = excluded.revision,
                 created_at = excluded.created_at, about = excluded.about, image_url = excluded.image_url, site_user = excluded.site_user
             WHERE user_account.revision < excluded.revision",
        )
        .bind(user.id.clone())
        .bind(user.name)
        .bind(user.full_name)
        .bind(user.email)
        .bind(user.state.clone())
        .bind(user.sysadmin)
        .bind(user.service)
        .bind(user.revision)
        .bind(user.created_at.and_then(time::read))
        .bind(user.about)
        .bind(user.image_url)
        .bind(user.site_user)
        .run()
        .await?;
    if written != 1 {
        return Ok(());
    }
    if user.state == "deleted" {
        leave_everything(tx, &user.id).await?;
    }
    set_groups(tx, &user.id, user.groups).await
}

/// Takes a deleted user out of organizations, groups and datasets (ckan.md 2.6).
async fn leave_everything(tx: &mut Tx, user: &str) -> Result<()> {
    for text in ["DELETE FROM membership WHERE user_id = $1", "DELETE FROM collaborator WHERE user_id = $1"] {
        tx.query(text).bind(user.to_owned()).run().await?;
    }
    Ok(())
}

async fn set_groups(tx: &mut Tx, user: &str, groups: Vec<String>) -> Result<()> {
    tx.query("DELETE FROM user_group WHERE user_id = $1").bind(user.to_owned()).run().await?;
    for group in groups {
        let insert = "INSERT INTO user_group (user_id, name) VALUES ($1, $2) ON CONFLICT (user_id, name) DO NOTHING";
        tx.query(insert).bind(user.to_owned()).bind(group).run().await?;
    }
    Ok(())
}

/// What decides a stored principal's rights now.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Standing {
    pub(crate) state: String,
    pub(crate) sysadmin: bool,
}

/// The standing of a user.
pub(crate) async fn standing(db: &Db, id: Id) -> Result<Option<Standing>> {
    Ok(db.query("SELECT state, sysadmin FROM user_account WHERE id = $1").bind(id.to_string()).opt().await?)
}

/// The groups of a user.
pub(crate) async fn groups(db: &Db, id: Id) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = db.query("SELECT name FROM user_group WHERE user_id = $1 ORDER BY name").bind(id.to_string()).all().await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}
