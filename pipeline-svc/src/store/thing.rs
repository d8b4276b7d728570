//! Pipelines and codes: what they have in common, who sees them, their versions.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Result, Tx};
use sqlx::types::Json;

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pipeline,
    Code,
}

impl Kind {
    /// The name in the database and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Code => "code",
        }
    }

    /// What D.Hub's ids begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Pipeline => "pl",
            Self::Code => "code",
        }
    }
}

/// A pipeline or a code.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Thing {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) organization_id: Option<String>,
    pub(crate) reader_groups: Json<Vec<String>>,
    pub(crate) tags: Json<Vec<String>>,
    /// The kind's own message.
    pub(crate) body: Vec<u8>,
    pub(crate) revision: i64,
    pub(crate) created_by: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) modified_at: DateTime<Utc>,
}

/// Who reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    pub(crate) id: String,
    /// Passes every check.
    pub(crate) admin: bool,
    pub(crate) groups: Vec<String>,
    /// Organizations that he sees, and those in which he has any capacity.
    pub(crate) visible: Vec<String>,
    pub(crate) member: Vec<String>,
}

/// The condition under which the reader sees the row `t`: `$1` his id, `$2` passes every check, `$3` and `$4` the organizations that he
/// sees and belongs to, `$5` his groups. The only place where reading is decided: single reads and lists both use it.
pub(crate) fn visible(db: &Db) -> &'static str {
    db.pick(
        "($2 OR t.created_by = $1 OR t.organization_id IN (SELECT value FROM json_each($4))
          OR ((t.organization_id IS NULL OR t.organization_id IN (SELECT value FROM json_each($3)))
              AND (t.reader_groups = '[]' OR EXISTS (SELECT 1 FROM json_each(t.reader_groups) g WHERE g.value IN (SELECT value FROM json_each($5))))))",
        "($2 OR t.created_by = $1 OR t.organization_id IN (SELECT jsonb_array_elements_text($4))
          OR ((t.organization_id IS NULL OR t.organization_id IN (SELECT jsonb_array_elements_text($3)))
              AND (t.reader_groups = '[]'::JSONB OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(t.reader_groups) g(value)
                                                           WHERE g.value IN (SELECT jsonb_array_elements_text($5))))))",
    )
}

impl Reader {
    /// Starts a statement with the five values of [`visible`].
    pub(crate) fn query<'c>(&self, db: &'c Db, sql: String) -> madang_kit::db::Query<'c> {
        db.query(sqlx::AssertSqlSafe(sql))
            .bind(self.id.clone())
            .bind(self.admin)
            .bind(Json(self.visible.clone()))
            .bind(Json(self.member.clone()))
            .bind(Json(self.groups.clone()))
    }
}

const COLUMNS: &str = "t.id, t.title, t.description, t.alias, t.organization_id, t.reader_groups, t.tags, t.body, t.revision, t.created_by,
    t.created_at, t.modified_at";

/// Adds a thing.
pub(crate) async fn insert(tx: &mut Tx, kind: Kind, thing: &Thing) -> Result<()> {
    tx.query(
        "INSERT INTO thing (id, kind, title, description, alias, organization_id, reader_groups, tags, body, state, revision, created_by,
             created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', $10, $11, $12, $13)",
    )
    .bind(thing.id.clone())
    .bind(kind.name().to_owned())
    .bind(thing.title.clone())
    .bind(thing.description.clone())
    .bind(thing.alias.clone())
    .bind(thing.organization_id.clone())
    .bind(thing.reader_groups.clone())
    .bind(thing.tags.clone())
    .bind(thing.body.clone())
    .bind(thing.revision)
    .bind(thing.created_by.clone())
    .bind(thing.created_at)
    .bind(thing.modified_at)
    .run()
    .await?;
    Ok(())
}

/// Writes a changed thing over the revision before; false if that is no longer the stored one.
pub(crate) async fn update(tx: &mut Tx, thing: &Thing) -> Result<bool> {
    let updated = tx
        .query(
            "UPDATE thing SET title = $2, description = $3, alias = $4, reader_groups = $5, tags = $6, body = $7, revision = $8, modified_at = $9
             WHERE id = $1 AND revision = $8 - 1 AND state = 'active'",
        )
        .bind(thing.id.clone())
        .bind(thing.title.clone())
        .bind(thing.description.clone())
        .bind(thing.alias.clone())
        .bind(thing.reader_groups.clone())
        .bind(thing.tags.clone())
        .bind(thing.body.clone())
        .bind(thing.revision)
        .bind(thing.modified_at)
        .run()
        .await?;
    Ok(updated == 1)
}

/// Hides a thing from everybody; what was made with it stays. False if it is not there any more.
pub(crate) async fn delete(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<bool> {
    let deleted = tx
        .query("UPDATE thing SET state = 'deleted', modified_at = $2 WHERE id = $1 AND state = 'active'")
        .bind(id.to_owned())
        .bind(now)
        .run()
        .await?;
    Ok(deleted == 1)
}

/// The things of an organization, whoever asks.
pub(crate) async fn of_organization(tx: &mut Tx, kind: Kind, organization: Id) -> Result<Vec<Thing>> {
    let text = format!("SELECT {COLUMNS} FROM thing t WHERE t.organization_id = $1 AND t.kind = $2 AND t.state = 'active' ORDER BY t.id");
    Ok(tx.query(sqlx::AssertSqlSafe(text)).bind(organization.to_string()).bind(kind.name().to_owned()).all().await?)
}

/// A thing, whoever asks.
pub(crate) async fn find(db: &Db, kind: Kind, id: Id) -> Result<Option<Thing>> {
    let text = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM thing t WHERE t.id = $1 AND t.kind = $2 AND t.state = 'active'"));
    Ok(db.query(text).bind(id.to_string()).bind(kind.name().to_owned()).opt().await?)
}

/// Whether the reader sees a thing, deleted ones included.
pub(crate) async fn sees(db: &Db, reader: &Reader, id: &str) -> Result<bool> {
    let text = format!("SELECT t.id FROM thing t WHERE {} AND t.id = $6", visible(db));
    let found: Option<(String,)> = reader.query(db, text).bind(id.to_owned()).opt().await?;
    Ok(found.is_some())
}

/// What a list is narrowed to.
pub(crate) struct Filter {
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    pub(crate) after: String,
    /// A LIKE pattern in lower case; `%` = all.
    pub(crate) like: String,
    pub(crate) tag: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) groups: Vec<String>,
}

/// Things that the reader sees, by id.
pub(crate) async fn list(db: &Db, kind: Kind, reader: &Reader, filter: &Filter) -> Result<Vec<Thing>> {
    let narrowed = db.pick(
        "($10 IS NULL OR EXISTS (SELECT 1 FROM json_each(t.tags) g WHERE g.value = $10))
         AND ($11 IS NULL OR t.organization_id = $11)
         AND ($12 = '[]' OR EXISTS (SELECT 1 FROM json_each(t.reader_groups) g WHERE g.value IN (SELECT value FROM json_each($12))))",
        "($10::TEXT IS NULL OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(t.tags) g(value) WHERE g.value = $10))
         AND ($11::TEXT IS NULL OR t.organization_id = $11)
         AND ($12 = '[]'::JSONB OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(t.reader_groups) g(value)
                                          WHERE g.value IN (SELECT jsonb_array_elements_text($12))))",
    );
    let text = format!(
        "SELECT {COLUMNS} FROM thing t WHERE {} AND t.kind = $6 AND t.state = 'active' AND t.id > $7
         AND (lower(t.title) LIKE $8 ESCAPE '\\' OR lower(COALESCE(t.alias, '')) LIKE $8 ESCAPE '\\') AND {narrowed}
         ORDER BY t.id LIMIT $9 OFFSET $13",
        visible(db)
    );
    let query = reader.query(db, text).bind(kind.name().to_owned()).bind(filter.after.clone()).bind(filter.like.clone()).bind(filter.limit);
    let query = query.bind(filter.tag.clone()).bind(filter.organization.clone()).bind(Json(filter.groups.clone())).bind(filter.offset);
    Ok(query.all().await?)
}

/// A LIKE pattern that finds a text anywhere.
pub(crate) fn anywhere(text: Option<&str>) -> String {
    let Some(text) = text else { return "%".to_owned() };
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// The organizations that things belong to.
pub(crate) async fn organizations(db: &Db, limit: i64) -> Result<Vec<String>> {
    let text = "SELECT DISTINCT organization_id FROM thing WHERE organization_id IS NOT NULL LIMIT $1";
    let rows: Vec<(String,)> = db.query(text).bind(limit).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The advisory lock of those who must know that a title is free until they commit.
const TITLES: i64 = 0x6d61_6461_6e67_0003;

/// Whether another thing of this kind has a title; it stays as it is until the transaction ends.
pub(crate) async fn title_is_taken(tx: &mut Tx, kind: Kind, title: &str) -> Result<bool> {
    if let Tx::Postgres(_) = tx {
        tx.query("SELECT pg_advisory_xact_lock($1)").bind(TITLES).run().await?;
    }
    let text = "SELECT id FROM thing WHERE kind = $1 AND title = $2 AND state = 'active' LIMIT 1";
    let found: Option<(String,)> = tx.query(text).bind(kind.name().to_owned()).bind(title.to_owned()).opt().await?;
    Ok(found.is_some())
}

/// Keeps a version of a thing.
pub(crate) async fn keep_version(tx: &mut Tx, thing: &str, revision: i64, at: DateTime<Utc>, body: Vec<u8>) -> Result<()> {
    tx.query("INSERT INTO thing_version (thing_id, revision, at, body) VALUES ($1, $2, $3, $4)")
        .bind(thing.to_owned())
        .bind(revision)
        .bind(at)
        .bind(body)
        .run()
        .await?;
    Ok(())
}

/// An old version of a thing.
pub(crate) async fn version(db: &Db, thing: &str, revision: i64) -> Result<Option<Vec<u8>>> {
    let text = "SELECT body FROM thing_version WHERE thing_id = $1 AND revision = $2";
    let row: Option<(Vec<u8>,)> = db.query(text).bind(thing.to_owned()).bind(revision).opt().await?;
    Ok(row.map(|(body,)| body))
}

/// One kept version.
#[derive(sqlx::FromRow)]
pub(crate) struct Version {
    pub(crate) revision: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) size: i64,
}

/// Every kept version of a thing, newest first.
pub(crate) async fn versions(db: &Db, thing: &str) -> Result<Vec<Version>> {
    let text = "SELECT revision, at, CAST(LENGTH(body) AS BIGINT) AS size FROM thing_version WHERE thing_id = $1 ORDER BY revision DESC";
    Ok(db.query(text).bind(thing.to_owned()).all().await?)
}

/// Holds a thing until the transaction ends; false if it is not there any more.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<bool> {
    let text = tx.pick(
        "SELECT id FROM thing WHERE id = $1 AND state = 'active'",
        "SELECT id FROM thing WHERE id = $1 AND state = 'active' FOR UPDATE",
    );
    let found: Option<(String,)> = tx.query(text).bind(id.to_owned()).opt().await?;
    Ok(found.is_some())
}
