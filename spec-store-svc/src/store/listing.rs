//! What is found of datasets and revisions.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx, db::Query};

/// What a revision that succeeded says of its dataset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) owner: String,
    pub(crate) title: String,
    pub(crate) description: String,
    /// What is searched, in small letters.
    pub(crate) words: String,
    pub(crate) bytes: i64,
    pub(crate) row_count: i64,
}

/// Lists a dataset by a revision, unless a later one succeeded before.
pub(crate) async fn put(tx: &mut Tx, revision_id: &str, number: i64, entry: Entry) -> Result<()> {
    let text = "UPDATE revision SET bytes = $2, row_count = $3 WHERE id = $1";
    tx.query(text).bind(revision_id.to_owned()).bind(entry.bytes).bind(entry.row_count).run().await?;
    let text = "UPDATE dataset SET listed = $1, owner = $3, title = $4, description = $5, words = $6
         WHERE id = (SELECT dataset_id FROM revision WHERE id = $1)
           AND NOT EXISTS (SELECT 1 FROM revision r WHERE r.id = dataset.listed AND r.number > $2)";
    let query = tx.query(text).bind(revision_id.to_owned()).bind(number).bind(entry.owner).bind(entry.title);
    query.bind(entry.description).bind(entry.words).run().await?;
    Ok(())
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Who asks; empty = nobody known.
    pub(crate) caller: String,
    /// Empty = of all owners.
    pub(crate) owner_id: String,
    /// In small letters.
    pub(crate) words: Vec<String>,
    pub(crate) size: i64,
    pub(crate) from: i64,
}

impl Wanted {
    /// The condition, whose values [`Wanted::bind`] gives: `$1` and `$2`, then each word. `text` is the column with the words.
    fn rule(&self, text: &str) -> String {
        let words = (0..self.words.len()).map(|at| format!(" AND {text} LIKE ${} ESCAPE '!'", at + 3));
        let visible = "d.deleted_at IS NULL AND (d.findability = 'published' AND r.findability = 'published' OR d.owner_id = $1) AND ($2 = '' OR d.owner_id = $2)";
        visible.to_owned() + &words.collect::<String>()
    }

    fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        let query = query.bind(self.caller.clone()).bind(self.owner_id.clone());
        self.words.iter().fold(query, |query, word| query.bind(format!("%{}%", escaped(word))))
    }

    /// Binds the page behind everything else.
    fn page(&self) -> String {
        let next = self.words.len() + 3;
        format!("LIMIT ${next} OFFSET ${}", next + 1)
    }
}

fn escaped(word: &str) -> String {
    word.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// A dataset as it is found.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) findability: String,
    pub(crate) certified: bool,
    pub(crate) flow_id: String,
    pub(crate) bytes: i64,
    pub(crate) row_count: i64,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

const DATASETS: &str = "FROM dataset d JOIN revision r ON r.id = d.listed";

/// Datasets, those that changed last first.
pub(crate) async fn datasets(db: &Db, wanted: &Wanted) -> Result<Vec<Found>> {
    let text = format!(
        "SELECT d.id, d.owner_id, d.name, d.owner, d.title, d.description, d.findability, d.certified, r.id AS flow_id, r.bytes, r.row_count,
            r.finished_at {DATASETS} WHERE {} ORDER BY r.finished_at DESC, d.id {}",
        wanted.rule("d.words"),
        wanted.page()
    );
    Ok(wanted.bind(db.query(sqlx::AssertSqlSafe(text))).bind(wanted.size).bind(wanted.from).all().await?)
}

/// How many datasets match, and what they have in bytes.
pub(crate) async fn datasets_total(db: &Db, wanted: &Wanted) -> Result<(i64, i64)> {
    total(db, wanted, &format!("{DATASETS} WHERE {}", wanted.rule("d.words"))).await
}

async fn total(db: &Db, wanted: &Wanted, of: &str) -> Result<(i64, i64)> {
    let text = format!("SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(r.bytes), 0) AS BIGINT) {of}");
    Ok(wanted.bind(db.query(sqlx::AssertSqlSafe(text))).one().await?)
}

/// A revision that has ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct End {
    pub(crate) id: String,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) findability: String,
    pub(crate) state: String,
    pub(crate) errors: String,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

const ENDS: &str = "FROM revision r JOIN dataset d ON d.id = r.dataset_id WHERE r.finished_at IS NOT NULL";

/// Revisions that have ended, the latest first.
pub(crate) async fn ends(db: &Db, wanted: &Wanted) -> Result<Vec<End>> {
    let text = format!(
        "SELECT r.id, d.owner_id, d.name, d.owner, r.findability, r.state, r.errors, r.finished_at {ENDS} AND {} ORDER BY r.finished_at DESC, r.id {}",
        wanted.rule("r.id"),
        wanted.page()
    );
    Ok(wanted.bind(db.query(sqlx::AssertSqlSafe(text))).bind(wanted.size).bind(wanted.from).all().await?)
}

/// How many revisions match, and what they made in bytes.
pub(crate) async fn ends_total(db: &Db, wanted: &Wanted) -> Result<(i64, i64)> {
    total(db, wanted, &format!("{ENDS} AND {}", wanted.rule("r.id"))).await
}

/// Whose bytes are summed up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of<'i> {
    Owner(&'i str),
    Dataset(&'i str),
    Flow(&'i str),
}

/// The bytes that revisions made, of datasets that the caller may find; `findability` empty = of any.
pub(crate) async fn sum_bytes(db: &Db, caller: &str, of: Of<'_>, findability: &str) -> Result<i64> {
    let (column, id) = match of {
        Of::Owner(id) => ("d.owner_id", id),
        Of::Dataset(id) => ("d.id", id),
        Of::Flow(id) => ("r.id", id),
    };
    let text = format!(
        "SELECT CAST(COALESCE(SUM(r.bytes), 0) AS BIGINT) FROM revision r JOIN dataset d ON d.id = r.dataset_id
         WHERE {column} = $1 AND d.deleted_at IS NULL AND (d.findability <> 'private' AND r.findability <> 'private' OR d.owner_id = $2) AND ($3 = '' OR d.findability = $3)"
    );
    let query = db.query(sqlx::AssertSqlSafe(text)).bind(id.to_owned()).bind(caller.to_owned()).bind(findability.to_owned());
    let (bytes,): (i64,) = query.one().await?;
    Ok(bytes)
}
