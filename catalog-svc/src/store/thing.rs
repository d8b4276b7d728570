//! What organizations and datasets have in common: tags, groups, versions, and who may see them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use madang_kit::{Db, Id, Principal, Result, Tx, db::Source};
use sqlx::types::Json;

/// The condition under which the principal `$1` (`$2`: passes every check) sees the row `t` of a thing that belongs to the
/// organization `t.owner`. Groups of the organization narrow who sees what belongs to it. The only place where reading is decided:
/// single reads and lists of every face use it (ckan.md 2.5). Whoever comes without a credential has the id that is all zero.
macro_rules! visible {
    () => {
        "($2 OR (t.owner IS NULL AND t.created_by = $1)
          OR EXISTS (SELECT 1 FROM membership m WHERE m.user_id = $1 AND (m.organization_id = t.owner
                     OR (m.capacity = 'admin' AND EXISTS (SELECT 1 FROM organization_ancestor a
                                                          WHERE a.organization_id = t.owner AND a.ancestor_id = m.organization_id))))
          OR EXISTS (SELECT 1 FROM collaborator c WHERE c.dataset_id = t.id AND c.user_id = $1)
          OR (t.state = 'active' AND (t.visibility = 'public'
                                      OR (t.visibility = 'signed-in' AND $1 <> '00000000-0000-0000-0000-000000000000'))
              AND NOT EXISTS (SELECT g.thing_id FROM thing_group g LEFT JOIN user_group u ON u.name = g.name AND u.user_id = $1
                              WHERE g.thing_id IN (t.id, t.owner) GROUP BY g.thing_id HAVING COUNT(u.name) = 0)))"
    };
}
pub(crate) use visible;

/// Who reads, as the condition wants it: id, and whether he passes every check.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) id: String,
    pub(crate) admin: bool,
}

impl Reader {
    pub(crate) fn new(principal: &Principal, admin: bool) -> Self {
        Self { id: principal.user.to_string(), admin }
    }

    /// Whether it is somebody without a credential.
    pub(crate) fn is_nobody(&self) -> bool {
        self.id == Id::NIL.to_string()
    }
}

/// Names that belong to things, by the table that holds them.
#[derive(Clone, Copy)]
pub(crate) enum Names {
    Tags,
    Groups,
}

impl Names {
    fn table(self) -> &'static str {
        match self {
            Self::Tags => "thing_tag",
            Self::Groups => "thing_group",
        }
    }

    /// What keeps the tags of vocabularies out.
    fn free(self) -> &'static str {
        match self {
            Self::Tags => "AND vocabulary_id = ''",
            Self::Groups => "",
        }
    }
}

/// Replaces the names of a thing; tags of vocabularies, which D.Hub does not know, stay.
pub(crate) async fn set_names(tx: &mut Tx, kind: Names, thing: &str, names: &[String]) -> Result<()> {
    let table = kind.table();
    let free = kind.free();
    let delete = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE thing_id = $1 {free}"));
    tx.query(delete).bind(thing.to_owned()).run().await?;
    for (position, name) in (0_i64..).zip(names) {
        let insert = sqlx::AssertSqlSafe(format!("INSERT INTO {table} (thing_id, position, name) VALUES ($1, $2, $3)"));
        tx.query(insert).bind(thing.to_owned()).bind(position).bind(name.clone()).run().await?;
        if matches!(kind, Names::Tags) {
            let tag = "INSERT INTO tag (id, name) VALUES ($1, $2) ON CONFLICT (vocabulary_id, name) DO NOTHING";
            tx.query(tag).bind(super::ckan::tag::id("", name)).bind(name.clone()).run().await?;
        }
    }
    Ok(())
}

/// The names of many things, in their order.
pub(crate) async fn names_of(source: &mut Source, kind: Names, things: Vec<String>) -> Result<HashMap<String, Vec<String>>> {
    let listed = source.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)");
    let (table, free) = (kind.table(), kind.free());
    let text = format!("SELECT thing_id, name FROM {table} WHERE thing_id IN ({listed}) {free} ORDER BY thing_id, position");
    let rows: Vec<(String, String)> = source.query(sqlx::AssertSqlSafe(text)).bind(Json(things)).all().await?;
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for (thing, name) in rows {
        names.entry(thing).or_default().push(name);
    }
    Ok(names)
}

/// Keeps a version of a thing.
pub(crate) async fn keep_version(tx: &mut Tx, thing: &str, revision: i64, at: DateTime<Utc>, body: Vec<u8>) -> Result<()> {
    tx.query("INSERT INTO object_version (thing_id, revision, at, body) VALUES ($1, $2, $3, $4)")
        .bind(thing.to_owned())
        .bind(revision)
        .bind(at)
        .bind(body)
        .run()
        .await?;
    Ok(())
}

/// An old version of a thing.
pub(crate) async fn version(db: &Db, thing: Id, revision: i64) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = db
        .query("SELECT body FROM object_version WHERE thing_id = $1 AND revision = $2")
        .bind(thing.to_string())
        .bind(revision)
        .opt()
        .await?;
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
pub(crate) async fn versions(db: &Db, thing: Id) -> Result<Vec<Version>> {
    let text = "SELECT revision, at, CAST(LENGTH(body) AS BIGINT) AS size FROM object_version WHERE thing_id = $1 ORDER BY revision DESC";
    Ok(db.query(text).bind(thing.to_string()).all().await?)
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

/// The part of a list's condition after [`visible`]: `$3` after, `$4` pattern, `$5` tag, `$6` groups, `$7` organization.
pub(crate) fn narrowed(db: &Db) -> &'static str {
    db.pick(
        "t.id > $3 AND (lower(t.title) LIKE $4 ESCAPE '\\' OR lower(COALESCE(t.alias, '')) LIKE $4 ESCAPE '\\')
         AND ($5 IS NULL OR EXISTS (SELECT 1 FROM thing_tag g WHERE g.thing_id = t.id AND g.name = $5 AND g.vocabulary_id = ''))
         AND ($6 = '[]' OR EXISTS (SELECT 1 FROM thing_group g WHERE g.thing_id = t.id AND g.name IN (SELECT value FROM json_each($6))))
         AND ($7 IS NULL OR t.owner = $7)",
        "t.id > $3 AND (lower(t.title) LIKE $4 ESCAPE '\\' OR lower(COALESCE(t.alias, '')) LIKE $4 ESCAPE '\\')
         AND ($5::TEXT IS NULL OR EXISTS (SELECT 1 FROM thing_tag g WHERE g.thing_id = t.id AND g.name = $5 AND g.vocabulary_id = ''))
         AND ($6 = '[]'::JSONB OR EXISTS (SELECT 1 FROM thing_group g WHERE g.thing_id = t.id
                                          AND g.name IN (SELECT jsonb_array_elements_text($6))))
         AND ($7::TEXT IS NULL OR t.owner = $7)",
    )
}

/// The advisory lock of those who must know that a title is free until they commit.
const TITLES: i64 = 0x6d61_6461_6e67_0002;

/// Lets transactions that rely on a free title run one after the other; SQLite's do anyway.
pub(crate) async fn one_at_a_time(tx: &mut Tx) -> Result<()> {
    if let Tx::Postgres(_) = tx {
        tx.query("SELECT pg_advisory_xact_lock($1)").bind(TITLES).run().await?;
    }
    Ok(())
}

/// A LIKE pattern that finds a text anywhere.
pub(crate) fn anywhere(text: Option<&str>) -> String {
    let Some(text) = text else { return "%".to_owned() };
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
