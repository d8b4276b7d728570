//! Spaces and their members: nothing but SQL.

use madang_kit::{Db, Result, Tx};

use super::store::SpaceRow;

/// A member of a space.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Member {
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    /// Words parted by blanks.
    pub(crate) role: String,
}

/// The roles of a user in a space.
pub(crate) async fn roles(db: &Db, space: &str, user: &str) -> Result<Vec<String>> {
    let text = "SELECT role FROM space_member WHERE space_id = $1 AND user_id = $2";
    let row: Option<(String,)> = db.query(text).bind(space.to_owned()).bind(user.to_owned()).opt().await?;
    Ok(row.map(|(role,)| role.split_whitespace().map(str::to_owned).collect()).unwrap_or_default())
}

/// Active spaces that a user belongs to, by id; of every user if none is named.
pub(crate) async fn list(db: &Db, user: Option<String>, limit: i64) -> Result<Vec<SpaceRow>> {
    let text = "SELECT id, name, service_user_id, api_key, hmac_key, response_domain, zone, api_access, created_at FROM space
        WHERE state = 'active' AND ($1 OR EXISTS (SELECT 1 FROM space_member m WHERE m.space_id = space.id AND m.user_id = $2))
        ORDER BY id LIMIT $3";
    Ok(db.query(text).bind(user.is_none()).bind(user.unwrap_or_default()).bind(limit).all().await?)
}

/// Changes what a space says of itself.
pub(crate) async fn update(tx: &mut Tx, space: &SpaceRow) -> Result<()> {
    tx.query("UPDATE space SET name = $2, response_domain = $3, zone = $4, api_access = $5 WHERE id = $1")
        .bind(space.id.clone())
        .bind(space.name.clone())
        .bind(space.response_domain.clone())
        .bind(space.zone.clone())
        .bind(space.api_access)
        .run()
        .await?;
    Ok(())
}

/// Sets the sealed key of `/v1`.
pub(crate) async fn set_api_key(tx: &mut Tx, space: &str, sealed: String) -> Result<()> {
    tx.query("UPDATE space SET api_key = $2 WHERE id = $1").bind(space.to_owned()).bind(sealed).run().await?;
    Ok(())
}

/// Sets the sealed key of links.
pub(crate) async fn set_hmac_key(tx: &mut Tx, space: &str, sealed: String) -> Result<()> {
    tx.query("UPDATE space SET hmac_key = $2 WHERE id = $1").bind(space.to_owned()).bind(sealed).run().await?;
    Ok(())
}

/// The members of a space, by name.
pub(crate) async fn members(db: &Db, space: &str, limit: i64) -> Result<Vec<Member>> {
    let text = "SELECT m.user_id, u.name, u.email, m.role FROM space_member m JOIN user_account u ON u.id = m.user_id
        WHERE m.space_id = $1 ORDER BY u.name LIMIT $2";
    Ok(db.query(text).bind(space.to_owned()).bind(limit).all().await?)
}

/// Replaces the members of a space by (user, roles).
pub(crate) async fn put_members(tx: &mut Tx, space: &str, members: &[(String, String)]) -> Result<()> {
    tx.query("DELETE FROM space_member WHERE space_id = $1").bind(space.to_owned()).run().await?;
    let rows = (0..members.len()).map(|row| format!("($1, ${}, ${})", row * 2 + 2, row * 2 + 3)).collect::<Vec<_>>().join(", ");
    let text = format!("INSERT INTO space_member (space_id, user_id, role) VALUES {rows}");
    let query = tx.query(sqlx::AssertSqlSafe(text)).bind(space.to_owned());
    members.iter().fold(query, |query, (user, roles)| query.bind(user.clone()).bind(roles.clone())).run().await?;
    Ok(())
}
