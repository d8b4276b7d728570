//! The identity tables: nothing but SQL.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Id, Result, Tx, db::Migrations};
use sqlx::{migrate::Migrator, types::Json};

use super::key_store;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The gateway's migrations.
pub(crate) static MIGRATIONS: Migrations = Migrations { sqlite: &SQLITE, postgres: &POSTGRES };

/// A user, or a space's own principal.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(clippy::struct_field_names, reason = "CKAN's names")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) full_name: String,
    /// Absent for principals that never log in.
    pub(crate) password_hash: Option<String>,
    pub(crate) owner_id: String,
    /// `active`, `pending` or `deleted`.
    pub(crate) state: String,
    pub(crate) sysadmin: bool,
    pub(crate) service: bool,
    pub(crate) alias: Option<String>,
    pub(crate) groups: Json<Vec<String>>,
    pub(crate) tags: Json<Vec<String>>,
    pub(crate) revision: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// What he says of himself.
    pub(crate) about: Option<String>,
    /// The address of his picture.
    pub(crate) image_url: Option<String>,
    /// What plugins of CKAN keep with him: a JSON object.
    pub(crate) plugin_extras: Option<Json<serde_json::Value>>,
    /// The administrator that the hub was started with (ckan.md: the site user).
    pub(crate) site_user: bool,
}

impl User {
    pub(crate) fn is_active(&self) -> bool {
        self.state == "active"
    }
}

/// A space as stored.
#[derive(sqlx::FromRow)]
pub(crate) struct SpaceRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) service_user_id: String,
    pub(crate) api_key: String,
    pub(crate) hmac_key: String,
    /// `ds` in `https://ds.example/r/…`.
    pub(crate) response_domain: String,
    /// The name of its time zone.
    pub(crate) zone: String,
    /// Whether its plan has access to the API.
    pub(crate) api_access: bool,
    pub(crate) created_at: DateTime<Utc>,
}

const USER: &str = "SELECT u.id, u.name, u.email, u.full_name, u.password_hash, u.owner_id, u.state, u.sysadmin, u.service,
    u.alias, u.groups, u.tags, u.revision, u.created_at, u.updated_at, u.about, u.image_url, u.plugin_extras, u.site_user FROM user_account u";

fn user_where(condition: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("{USER} WHERE {condition}"))
}

/// A user by id.
pub(crate) async fn user(db: &Db, id: &str) -> Result<Option<User>> {
    Ok(db.query(user_where("u.id = $1")).bind(id.to_owned()).opt().await?)
}

/// A person by user name or e-mail, both in lower case.
pub(crate) async fn user_by_login(db: &Db, login: &str) -> Result<Option<User>> {
    let text = user_where("(u.name = $1 OR u.email = $1) AND NOT u.service");
    Ok(db.query(text).bind(login.to_owned()).opt().await?)
}

/// A person by id or name, in any state.
pub(crate) async fn person_by_word(db: &Db, word: &str) -> Result<Option<User>> {
    let text = user_where("(u.id = $1 OR u.name = $1) AND NOT u.service ORDER BY CASE WHEN u.id = $1 THEN 0 ELSE 1 END LIMIT 1");
    Ok(db.query(text).bind(word.to_owned()).opt().await?)
}

/// Whether any user, a space's own principal included, has this name.
pub(crate) async fn is_taken(db: &Db, name: &str) -> Result<bool> {
    let row: Option<(String,)> = db.query("SELECT id FROM user_account WHERE name = $1").bind(name.to_owned()).opt().await?;
    Ok(row.is_some())
}

/// A user by the Spec Store's user id.
pub(crate) async fn user_by_owner_id(db: &Db, owner_id: &str) -> Result<Option<User>> {
    Ok(db.query(user_where("u.owner_id = $1")).bind(owner_id.to_owned()).opt().await?)
}

/// The administrator that was made first.
pub(crate) async fn first_administrator(db: &Db) -> Result<Option<User>> {
    Ok(db.query(user_where("u.sysadmin AND u.state = 'active' AND NOT u.service ORDER BY u.id LIMIT 1")).opt().await?)
}

/// The user of an API token that has not expired.
pub(crate) async fn user_by_api_token(db: &Db, jti: &str, now: DateTime<Utc>) -> Result<Option<User>> {
    let text = user_where("u.id = (SELECT t.user_id FROM api_token t WHERE t.id = $1 AND (t.expires_at IS NULL OR t.expires_at > $2))");
    Ok(db.query(text).bind(jti.to_owned()).bind(now).opt().await?)
}

/// Whether there is any user.
pub(crate) async fn has_users(db: &Db) -> Result<bool> {
    let row: Option<(String,)> = db.query("SELECT id FROM user_account LIMIT 1").opt().await?;
    Ok(row.is_some())
}

/// Adds a user and puts it on its way to the catalogue.
pub(crate) async fn insert_user(tx: &mut Tx, user: &User) -> Result<(), sqlx::Error> {
    tx.query(
        "INSERT INTO user_account (id, name, email, full_name, password_hash, owner_id, state, sysadmin, service, alias, groups, tags,
             revision, created_at, updated_at, about, image_url, plugin_extras, site_user)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .bind(user.id.clone())
    .bind(user.name.clone())
    .bind(user.email.clone())
    .bind(user.full_name.clone())
    .bind(user.password_hash.clone())
    .bind(user.owner_id.clone())
    .bind(user.state.clone())
    .bind(user.sysadmin)
    .bind(user.service)
    .bind(user.alias.clone())
    .bind(user.groups.clone())
    .bind(user.tags.clone())
    .bind(user.revision)
    .bind(user.created_at)
    .bind(user.updated_at)
    .bind(user.about.clone())
    .bind(user.image_url.clone())
    .bind(user.plugin_extras.clone())
    .bind(user.site_user)
    .run()
    .await?;
    send_to_catalogue(tx, user).await
}

/// Writes a changed user over its earlier revision and puts it on its way to the catalogue; false if somebody else changed it
/// meanwhile.
pub(crate) async fn update_user(tx: &mut Tx, user: &User) -> Result<bool, sqlx::Error> {
    let changed = tx
        .query(
            "UPDATE user_account SET email = $2, full_name = $3, password_hash = $4, state = $5, alias = $6, groups = $7, tags = $8,
                 revision = $9, updated_at = $10, owner_id = $11, name = $12, sysadmin = $13, about = $14, image_url = $15,
                 plugin_extras = $16
             WHERE id = $1 AND revision = $9 - 1",
        )
        .bind(user.id.clone())
        .bind(user.email.clone())
        .bind(user.full_name.clone())
        .bind(user.password_hash.clone())
        .bind(user.state.clone())
        .bind(user.alias.clone())
        .bind(user.groups.clone())
        .bind(user.tags.clone())
        .bind(user.revision)
        .bind(user.updated_at)
        .bind(user.owner_id.clone())
        .bind(user.name.clone())
        .bind(user.sysadmin)
        .bind(user.about.clone())
        .bind(user.image_url.clone())
        .bind(user.plugin_extras.clone())
        .run()
        .await?;
    send_to_catalogue(tx, user).await?;
    Ok(changed == 1)
}

async fn send_to_catalogue(tx: &mut Tx, user: &User) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO user_outbox (user_id, revision) VALUES ($1, $2)
                ON CONFLICT (user_id) DO UPDATE SET revision = excluded.revision";
    tx.query(text).bind(user.id.clone()).bind(user.revision).run().await?;
    key_store::note_change(tx).await
}

/// What a list of people is narrowed to.
pub(crate) struct PeopleFilter {
    pub(crate) after: String,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    /// People in one of these groups; empty = all.
    pub(crate) groups: Vec<String>,
    /// Part of the name or the e-mail, in lower case.
    pub(crate) q: Option<String>,
    pub(crate) tag: Option<String>,
}

/// People by id, in none of the states of the deleted.
pub(crate) async fn people(db: &Db, filter: PeopleFilter) -> Result<Vec<User>> {
    let text = user_where(db.pick(
        "u.id > $1 AND NOT u.service AND u.state <> 'deleted'
         AND ($3 = '[]' OR EXISTS (SELECT 1 FROM json_each(u.groups) g WHERE g.value IN (SELECT value FROM json_each($3))))
         AND ($4 IS NULL OR instr(lower(u.full_name), $4) > 0 OR instr(u.email, $4) > 0)
         AND ($5 IS NULL OR EXISTS (SELECT 1 FROM json_each(u.tags) g WHERE g.value = $5)) ORDER BY u.id LIMIT $2 OFFSET $6",
        "u.id > $1 AND NOT u.service AND u.state <> 'deleted'
         AND ($3 = '[]'::JSONB OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(u.groups) g(value)
                                         WHERE g.value IN (SELECT jsonb_array_elements_text($3))))
         AND ($4::TEXT IS NULL OR strpos(lower(u.full_name), $4) > 0 OR strpos(u.email, $4) > 0)
         AND ($5::TEXT IS NULL OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(u.tags) g(value) WHERE g.value = $5))
         ORDER BY u.id LIMIT $2 OFFSET $6",
    ));
    let PeopleFilter { after, limit, offset, groups, q, tag } = filter;
    Ok(db.query(text).bind(after).bind(limit).bind(Json(groups)).bind(q).bind(tag).bind(offset).all().await?)
}

/// Whether a user name is taken.
pub(crate) async fn name_is_taken(tx: &mut Tx, name: &str) -> Result<bool> {
    let row: Option<(String,)> = tx.query("SELECT id FROM user_account WHERE name = $1").bind(name.to_owned()).opt().await?;
    Ok(row.is_some())
}

/// Keeps a version of a person.
pub(crate) async fn keep_version(tx: &mut Tx, user: &User, body: String) -> Result<()> {
    tx.query("INSERT INTO user_version (user_id, revision, at, body) VALUES ($1, $2, $3, $4)")
        .bind(user.id.clone())
        .bind(user.revision)
        .bind(user.updated_at)
        .bind(body)
        .run()
        .await?;
    Ok(())
}

/// Removes the kept versions of a person.
pub(crate) async fn forget_versions(tx: &mut Tx, user: &str) -> Result<()> {
    tx.query("DELETE FROM user_version WHERE user_id = $1").bind(user.to_owned()).run().await?;
    Ok(())
}

/// One kept version of a person.
#[derive(sqlx::FromRow)]
pub(crate) struct UserVersion {
    pub(crate) revision: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) body: String,
}

/// The kept versions of a person, newest first.
pub(crate) async fn versions(db: &Db, user: &str) -> Result<Vec<UserVersion>> {
    let text = "SELECT revision, at, body FROM user_version WHERE user_id = $1 ORDER BY revision DESC";
    Ok(db.query(text).bind(user.to_owned()).all().await?)
}

/// An active space.
pub(crate) async fn space(db: &Db, id: Id) -> Result<Option<SpaceRow>> {
    Ok(db
        .query(
            "SELECT id, name, service_user_id, api_key, hmac_key, response_domain, zone, api_access, created_at
             FROM space WHERE id = $1 AND state = 'active'",
        )
        .bind(id.to_string())
        .opt()
        .await?)
}

/// The space that was there first.
pub(crate) async fn oldest_space(db: &Db) -> Result<Option<Id>> {
    let row: Option<(String,)> = db.query("SELECT id FROM space ORDER BY created_at, id LIMIT 1").opt().await?;
    row.map(|(id,)| id.parse().map_err(Error::internal)).transpose()
}

/// The space that a user joined first.
pub(crate) async fn first_space(db: &Db, user: &str) -> Result<Option<Id>> {
    let row: Option<(String,)> = db
        .query(
            "SELECT s.id FROM space_member m JOIN space s ON s.id = m.space_id
             WHERE m.user_id = $1 AND s.state = 'active' ORDER BY s.id LIMIT 1",
        )
        .bind(user.to_owned())
        .opt()
        .await?;
    row.map(|(id,)| id.parse().map_err(Error::internal)).transpose()
}

/// Adds a space; its keys are encrypted already.
pub(crate) async fn insert_space(tx: &mut Tx, space: &SpaceRow) -> Result<()> {
    tx.query(
        "INSERT INTO space (id, name, service_user_id, api_key, hmac_key, state, response_domain, zone, api_access, created_at)
         VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9)",
    )
    .bind(space.id.clone())
    .bind(space.name.clone())
    .bind(space.service_user_id.clone())
    .bind(space.api_key.clone())
    .bind(space.hmac_key.clone())
    .bind(space.response_domain.clone())
    .bind(space.zone.clone())
    .bind(space.api_access)
    .bind(space.created_at)
    .run()
    .await?;
    Ok(())
}

/// Adds a member to a space; who is one already keeps the role.
pub(crate) async fn insert_space_member(tx: &mut Tx, space: &str, user: &str, role: &str) -> Result<()> {
    tx.query("INSERT INTO space_member (space_id, user_id, role) VALUES ($1, $2, $3) ON CONFLICT (space_id, user_id) DO NOTHING")
        .bind(space.to_owned())
        .bind(user.to_owned())
        .bind(role.to_owned())
        .run()
        .await?;
    Ok(())
}

/// An API token; its text is kept nowhere.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct ApiToken {
    /// Its `jti`.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) user_id: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) last_access: Option<DateTime<Utc>>,
}

/// Adds an API token.
pub(crate) async fn add_api_token(tx: &mut Tx, token: &ApiToken) -> Result<()> {
    tx.query("INSERT INTO api_token (id, name, user_id, created_at, expires_at, last_access) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(token.id.clone())
        .bind(token.name.clone())
        .bind(token.user_id.clone())
        .bind(token.created_at)
        .bind(token.expires_at)
        .bind(token.last_access)
        .run()
        .await?;
    Ok(())
}

/// An API token by its `jti`.
pub(crate) async fn api_token(db: &Db, jti: &str) -> Result<Option<ApiToken>> {
    let text = "SELECT id, name, user_id, created_at, expires_at, last_access FROM api_token WHERE id = $1";
    Ok(db.query(text).bind(jti.to_owned()).opt().await?)
}

/// The API tokens of a user, oldest first.
pub(crate) async fn api_tokens(db: &Db, user: &str) -> Result<Vec<ApiToken>> {
    let text = "SELECT id, name, user_id, created_at, expires_at, last_access FROM api_token WHERE user_id = $1 ORDER BY created_at, id";
    Ok(db.query(text).bind(user.to_owned()).all().await?)
}

/// Ends an API token, everywhere as soon as gateways look.
pub(crate) async fn delete_api_token(tx: &mut Tx, jti: &str) -> Result<()> {
    tx.query("DELETE FROM api_token WHERE id = $1").bind(jti.to_owned()).run().await?;
    Ok(key_store::note_change(tx).await?)
}

/// When a user last showed a token, as far as that was noted.
pub(crate) async fn last_active(db: &Db, user: &str) -> Result<Option<DateTime<Utc>>> {
    let text = "SELECT last_access FROM api_token WHERE user_id = $1 AND last_access IS NOT NULL ORDER BY last_access DESC LIMIT 1";
    let row: Option<(DateTime<Utc>,)> = db.query(text).bind(user.to_owned()).opt().await?;
    Ok(row.map(|(at,)| at))
}

/// Notes that an API token was used, unless that was noted since `not_since`.
pub(crate) async fn touch_api_token(db: &Db, jti: &str, now: DateTime<Utc>, not_since: DateTime<Utc>) -> Result<()> {
    let recent: Option<(String,)> =
        db.query("SELECT id FROM api_token WHERE id = $1 AND last_access >= $2").bind(jti.to_owned()).bind(not_since).opt().await?;
    if recent.is_some() {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    tx.query("UPDATE api_token SET last_access = $2 WHERE id = $1").bind(jti.to_owned()).bind(now).run().await?;
    Ok(tx.commit().await?)
}

/// Ends a refresh token before its time; a token that was ended already stays so. Returns whether it was still good.
pub(crate) async fn revoke_token(tx: &mut Tx, jti: &str, expires_at: DateTime<Utc>) -> Result<bool> {
    let added = tx
        .query("INSERT INTO revoked_token (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
        .bind(jti.to_owned())
        .bind(expires_at)
        .run()
        .await?;
    Ok(added == 1)
}

/// Forgets ended tokens that have expired anyway.
pub(crate) async fn sweep_revoked_tokens(tx: &mut Tx, now: DateTime<Utc>) -> Result<u64> {
    Ok(tx.query("DELETE FROM revoked_token WHERE expires_at < $1").bind(now).run().await?)
}

/// Users whose newest revision the catalogue has not acknowledged.
pub(crate) async fn outbox(db: &Db, limit: i64) -> Result<Vec<User>> {
    let text = sqlx::AssertSqlSafe(format!("{USER} JOIN user_outbox o ON o.user_id = u.id ORDER BY u.id LIMIT $1"));
    Ok(db.query(text).bind(limit).all().await?)
}

/// Notes that the catalogue has a user as of a revision.
pub(crate) async fn acknowledge(tx: &mut Tx, user: &str, revision: i64) -> Result<()> {
    tx.query("DELETE FROM user_outbox WHERE user_id = $1 AND revision <= $2").bind(user.to_owned()).bind(revision).run().await?;
    Ok(())
}
