//! Tags and vocabularies.

use madang_kit::{Id, Result, db::Source};
use sqlx::types::Json;

use super::{by_bytes, elements, listed};

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub(crate) struct Tag {
    pub(crate) name: String,
    /// Empty = free.
    pub(crate) vocabulary_id: String,
}

impl Tag {
    /// Its id.
    pub(crate) fn id(&self) -> String {
        id(&self.vocabulary_id, &self.name)
    }
}

/// A vocabulary.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Vocabulary {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The id of a tag comes from its name.
pub(crate) fn id(vocabulary: &str, name: &str) -> String {
    Id::named(&["tag", vocabulary, name]).to_string()
}

/// The tags of some datasets.
pub(crate) async fn of(source: &mut Source, datasets: Vec<String>) -> Result<Vec<(String, Tag)>> {
    let list = listed(source);
    let text = format!("SELECT thing_id, name, vocabulary_id FROM thing_tag WHERE thing_id IN ({list}) ORDER BY thing_id, name");
    let rows: Vec<(String, String, String)> = source.query(sqlx::AssertSqlSafe(text)).bind(Json(datasets)).all().await?;
    Ok(rows.into_iter().map(|(thing, name, vocabulary_id)| (thing, Tag { name, vocabulary_id })).collect())
}

/// Adds tags to the list of those that are there.
pub(crate) async fn ensure(source: &mut Source, tags: &[Tag]) -> Result<()> {
    let from = elements(source);
    let text = format!(
        "INSERT INTO tag (id, name, vocabulary_id) SELECT e.value ->> 'id', e.value ->> 'name', e.value ->> 'vocabulary_id'
         FROM {from} WHERE true ON CONFLICT (vocabulary_id, name) DO NOTHING"
    );
    source.query(sqlx::AssertSqlSafe(text)).bind(rows(tags)).run().await?;
    Ok(())
}

/// Replaces the tags of a dataset.
pub(crate) async fn set(source: &mut Source, dataset: &str, tags: &[Tag]) -> Result<()> {
    source.query("DELETE FROM thing_tag WHERE thing_id = $1").bind(dataset.to_owned()).run().await?;
    if tags.is_empty() {
        return Ok(());
    }
    ensure(source, tags).await?;
    let (from, number) = (elements(source), source.pick("e.value ->> 'position'", "CAST(e.value ->> 'position' AS BIGINT)"));
    let text = format!(
        "INSERT INTO thing_tag (thing_id, position, name, vocabulary_id)
         SELECT $2, {number}, e.value ->> 'name', e.value ->> 'vocabulary_id' FROM {from} WHERE true
         ON CONFLICT (thing_id, vocabulary_id, name) DO NOTHING"
    );
    source.query(sqlx::AssertSqlSafe(text)).bind(rows(tags)).bind(dataset.to_owned()).run().await?;
    Ok(())
}

fn rows(tags: &[Tag]) -> Json<Vec<serde_json::Value>> {
    let row = |(position, tag): (usize, &Tag)| serde_json::json!({"id": tag.id(), "name": tag.name, "vocabulary_id": tag.vocabulary_id, "position": position});
    Json(tags.iter().enumerate().map(row).collect())
}

/// What a list of tags is narrowed to.
#[derive(Clone, Debug)]
pub(crate) struct Narrowed {
    /// Empty = free tags that public datasets have.
    pub(crate) vocabulary: String,
    /// LIKE patterns in lower case that all fit.
    pub(crate) like: Vec<String>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    /// Free tags that no dataset has, too.
    pub(crate) unused: bool,
}

/// Tags by name.
pub(crate) async fn list(source: &mut Source, by: &Narrowed) -> Result<Vec<Tag>> {
    let patterns = source.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)");
    let value = source.pick("p.value", "p.jsonb_array_elements_text");
    let text = format!(
        "SELECT t.name, t.vocabulary_id FROM tag t WHERE t.vocabulary_id = $2
           AND NOT EXISTS (SELECT 1 FROM ({patterns}) p WHERE lower(t.name) NOT LIKE {value} ESCAPE '\\')
           AND ($2 <> '' OR $5 OR EXISTS (SELECT 1 FROM thing_tag g JOIN dataset d ON d.id = g.thing_id WHERE g.vocabulary_id = '' AND g.name = t.name
                                          AND d.state = 'active' AND d.visibility = 'public'))
         ORDER BY t.name {} LIMIT $3 OFFSET $4",
        by_bytes(source)
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(Json(by.like.clone())).bind(by.vocabulary.clone());
    Ok(query.bind(by.limit).bind(by.offset).bind(by.unused).all().await?)
}

/// A tag of a vocabulary by name or id.
pub(crate) async fn find(source: &mut Source, word: &str, vocabulary: &str) -> Result<Option<Tag>> {
    let text = "SELECT name, vocabulary_id FROM tag WHERE (name = $1 AND vocabulary_id = $2) OR id = $1
        ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1";
    Ok(source.query(text).bind(word.to_owned()).bind(vocabulary.to_owned()).opt().await?)
}

/// Removes a tag from every dataset and from its vocabulary.
pub(crate) async fn delete(source: &mut Source, tag: &Tag) -> Result<()> {
    for text in ["DELETE FROM thing_tag WHERE vocabulary_id = $1 AND name = $2", "DELETE FROM tag WHERE vocabulary_id = $1 AND name = $2"] {
        source.query(text).bind(tag.vocabulary_id.clone()).bind(tag.name.clone()).run().await?;
    }
    Ok(())
}

/// Takes tags that are not among `kept` out of a vocabulary.
pub(crate) async fn keep_only(source: &mut Source, vocabulary: &str, kept: Vec<String>) -> Result<()> {
    let list = listed(source);
    for table in ["thing_tag", "tag"] {
        let text = format!("DELETE FROM {table} WHERE vocabulary_id = $2 AND name NOT IN ({list})");
        source.query(sqlx::AssertSqlSafe(text)).bind(Json(kept.clone())).bind(vocabulary.to_owned()).run().await?;
    }
    Ok(())
}

/// Every vocabulary, by name.
pub(crate) async fn vocabularies(source: &mut Source) -> Result<Vec<Vocabulary>> {
    let text = format!("SELECT id, name FROM vocabulary ORDER BY name {}", by_bytes(source));
    Ok(source.query(sqlx::AssertSqlSafe(text)).all().await?)
}

/// A vocabulary by id or name.
pub(crate) async fn vocabulary(source: &mut Source, word: &str) -> Result<Option<Vocabulary>> {
    Ok(source.query("SELECT id, name FROM vocabulary WHERE id = $1 OR name = $1 LIMIT 1").bind(word.to_owned()).opt().await?)
}

/// Which of some ids are vocabularies.
pub(crate) async fn known_vocabularies(source: &mut Source, ids: Vec<String>) -> Result<Vec<String>> {
    let text = format!("SELECT id FROM vocabulary WHERE id IN ({})", listed(source));
    let rows: Vec<(String,)> = source.query(sqlx::AssertSqlSafe(text)).bind(Json(ids)).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Adds or renames a vocabulary.
pub(crate) async fn put_vocabulary(source: &mut Source, row: &Vocabulary) -> sqlx::Result<()> {
    let text = "INSERT INTO vocabulary (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name";
    source.query(text).bind(row.id.clone()).bind(row.name.clone()).run().await?;
    Ok(())
}

/// Removes a vocabulary.
pub(crate) async fn delete_vocabulary(source: &mut Source, id: &str) -> Result<()> {
    source.query("DELETE FROM vocabulary WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}
