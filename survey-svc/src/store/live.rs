//! Live tables, and the sheets whose rows are to be written (migrations, `0102_live.sql`).

use chrono::{DateTime, Utc};
use madang_kit::{Db, Result, Tx, db::Query};

use super::{placeholders, sheet::Sheet};

/// Marks are counted so far.
const COUNTED: i64 = 10_000;

/// A survey's table.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Live {
    pub(crate) survey_id: String,
    pub(crate) space_id: String,
    pub(crate) organization_id: String,
    pub(crate) dataset_id: String,
    pub(crate) table_id: String,
    pub(crate) state: String,
    /// JSON.
    pub(crate) columns: String,
    pub(crate) walking: bool,
    pub(crate) walk_at: Option<DateTime<Utc>>,
    pub(crate) walk_id: Option<String>,
    pub(crate) tries: i64,
    pub(crate) fence: i64,
    pub(crate) epoch: i64,
}

/// A sheet to be looked at.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Mark {
    pub(crate) sheet_id: String,
    pub(crate) stamp: String,
}

const COLUMNS: &str =
    "survey_id, space_id, organization_id, dataset_id, table_id, state, columns, walking, walk_at, walk_id, tries, fence, epoch";

/// A survey's table, if it ever had one.
pub(crate) async fn find(db: &Db, survey: &str) -> Result<Option<Live>> {
    let text = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM live_table WHERE survey_id = $1"));
    Ok(db.query(text).bind(survey.to_owned()).opt().await?)
}

/// The same in a transaction that has locked the survey.
pub(crate) async fn find_in(tx: &mut Tx, survey: &str) -> Result<Option<Live>> {
    let text = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM live_table WHERE survey_id = $1"));
    Ok(tx.query(text).bind(survey.to_owned()).opt().await?)
}

/// Starts a table, or starts it anew: every sheet is written. The survey is locked.
pub(crate) async fn put(tx: &mut Tx, live: &Live, now: DateTime<Utc>) -> Result<()> {
    tx.query(
        "INSERT INTO live_table (survey_id, space_id, organization_id, dataset_id, table_id, state, columns, walking, tries, next_at,
             leased_until, fence, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9, 0, 0)
         ON CONFLICT (survey_id) DO UPDATE SET organization_id = excluded.organization_id, dataset_id = excluded.dataset_id,
             table_id = excluded.table_id, state = excluded.state, columns = excluded.columns, walking = excluded.walking,
             walk_at = NULL, walk_id = NULL, tries = 0, next_at = excluded.next_at, epoch = live_table.epoch + 1",
    )
    .bind(live.survey_id.clone())
    .bind(live.space_id.clone())
    .bind(live.organization_id.clone())
    .bind(live.dataset_id.clone())
    .bind(live.table_id.clone())
    .bind(live.state.clone())
    .bind(live.columns.clone())
    .bind(live.walking)
    .bind(now)
    .run()
    .await?;
    Ok(())
}

/// New sheets no longer reach the table. The survey is locked.
pub(crate) async fn stop(tx: &mut Tx, survey: &str) -> Result<()> {
    let text = "UPDATE live_table SET state = 'off', walking = $2 WHERE survey_id = $1 AND state = 'on'";
    tx.query(text).bind(survey.to_owned()).bind(false).run().await?;
    Ok(())
}

/// Writes every row anew: questions or names have changed. The survey is locked.
pub(crate) async fn refresh(tx: &mut Tx, survey: &str) -> Result<()> {
    let text =
        "UPDATE live_table SET walking = $2, walk_at = NULL, walk_id = NULL, epoch = epoch + 1 WHERE survey_id = $1 AND state = 'on'";
    tx.query(text).bind(survey.to_owned()).bind(true).run().await?;
    Ok(())
}

/// Forgets the table of a survey that is removed.
pub(crate) async fn forget(tx: &mut Tx, survey: &str) -> Result<()> {
    tx.query("DELETE FROM live_table WHERE survey_id = $1").bind(survey.to_owned()).run().await?;
    Ok(())
}

/// Which of these surveys have, or had, a table that is there.
pub(crate) async fn known(tx: &mut Tx, surveys: Vec<String>) -> Result<Vec<String>> {
    if surveys.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!("SELECT survey_id FROM live_table WHERE state <> 'lost' AND survey_id IN ({})", placeholders(1, surveys.len()));
    let query = tx.query(sqlx::AssertSqlSafe(text));
    let rows: Vec<(String,)> = surveys.into_iter().fold(query, Query::bind).all().await?;
    Ok(rows.into_iter().map(|(survey,)| survey).collect())
}

/// How many sheets wait; beyond some thousands it does not matter.
pub(crate) async fn waiting(db: &Db, survey: &str) -> Result<i64> {
    let text = "SELECT COUNT(*) FROM (SELECT 1 FROM live_mark WHERE survey_id = $1 LIMIT $2) m";
    let (count,): (i64,) = db.query(text).bind(survey.to_owned()).bind(COUNTED).one().await?;
    Ok(count)
}

/// What is to be done now: nobody holds it, its time has come, and there is something.
const DUE: &str = "l.state <> 'lost' AND l.next_at <= $1 AND l.leased_until <= $1
    AND ((l.walking AND l.state = 'on') OR EXISTS (SELECT 1 FROM live_mark m WHERE m.survey_id = l.survey_id))";

/// Takes tables that have something to write; until then nobody else does.
pub(crate) async fn take(db: &Db, now: DateTime<Utc>, until: DateTime<Utc>, limit: i64) -> Result<Vec<Live>> {
    let text = format!("SELECT l.survey_id FROM live_table l WHERE {DUE} LIMIT 1");
    let any: Option<(String,)> = db.query(sqlx::AssertSqlSafe(text)).bind(now).opt().await?;
    if any.is_none() {
        return Ok(Vec::new()); // an idle hub writes nothing
    }
    let mut tx = db.begin().await?;
    let locked = tx.pick("", " FOR UPDATE OF l SKIP LOCKED");
    let text = format!(
        "UPDATE live_table SET leased_until = $2, fence = fence + 1 WHERE survey_id IN
             (SELECT l.survey_id FROM live_table l WHERE {DUE} ORDER BY l.next_at LIMIT $3{locked}) RETURNING {COLUMNS}"
    );
    let taken = tx.query(sqlx::AssertSqlSafe(text)).bind(now).bind(until).bind(limit).all().await?;
    tx.commit().await?;
    Ok(taken)
}

/// Holds a table longer and gives it as it is now; none if it is somebody else's.
pub(crate) async fn renew(db: &Db, live: &Live, until: DateTime<Utc>) -> Result<Option<Live>> {
    let mut tx = db.begin().await?;
    let text = format!("UPDATE live_table SET leased_until = $3 WHERE survey_id = $1 AND fence = $2 RETURNING {COLUMNS}");
    let query = tx.query(sqlx::AssertSqlSafe(text)).bind(live.survey_id.clone()).bind(live.fence);
    let held = query.bind(until).opt().await?;
    tx.commit().await?;
    Ok(held)
}

/// Notes how far a table has come and lets go of it until `next`.
pub(crate) async fn release(db: &Db, live: &Live, now: DateTime<Utc>, next: DateTime<Utc>) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "UPDATE live_table SET tries = $3, leased_until = $4, next_at = $5 WHERE survey_id = $1 AND fence = $2";
    let query = tx.query(text).bind(live.survey_id.clone()).bind(live.fence).bind(live.tries);
    query.bind(now).bind(next).run().await?;
    Ok(tx.commit().await?)
}

/// Notes which columns the table has, and how far all rows were written; unless that began anew meanwhile.
pub(crate) async fn note(db: &Db, live: &Live) -> Result<()> {
    let mut tx = db.begin().await?;
    let text =
        "UPDATE live_table SET columns = $4, walking = $5, walk_at = $6, walk_id = $7 WHERE survey_id = $1 AND fence = $2 AND epoch = $3";
    let query = tx.query(text).bind(live.survey_id.clone()).bind(live.fence).bind(live.epoch);
    query.bind(live.columns.clone()).bind(live.walking).bind(live.walk_at).bind(live.walk_id.clone()).run().await?;
    Ok(tx.commit().await?)
}

/// The table is not in the catalogue any more.
pub(crate) async fn lose(db: &Db, live: &Live) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "UPDATE live_table SET state = 'lost', walking = $4 WHERE survey_id = $1 AND fence = $2 AND epoch = $3";
    tx.query(text).bind(live.survey_id.clone()).bind(live.fence).bind(live.epoch).bind(false).run().await?;
    Ok(tx.commit().await?)
}

/// Sheets of a survey that wait, in the order of their ids.
pub(crate) async fn marks(db: &Db, survey: &str, limit: i64) -> Result<Vec<Mark>> {
    let text = "SELECT sheet_id, stamp FROM live_mark WHERE survey_id = $1 ORDER BY sheet_id LIMIT $2";
    Ok(db.query(text).bind(survey.to_owned()).bind(limit).all().await?)
}

/// Takes marks away whose sheets did not change since they were read.
pub(crate) async fn clear(db: &Db, marks: &[Mark]) -> Result<()> {
    let mut tx = db.begin().await?;
    let locked = tx.pick("", " FOR UPDATE"); // in the order of the ids, as erasures mark sheets
    let pairs = (0..marks.len()).map(|at| format!("(${}, ${})", at * 2 + 1, at * 2 + 2)).collect::<Vec<_>>().join(", ");
    let text = format!(
        "DELETE FROM live_mark WHERE sheet_id IN
             (SELECT sheet_id FROM live_mark WHERE (sheet_id, stamp) IN (VALUES {pairs}) ORDER BY sheet_id{locked})"
    );
    let query = tx.query(sqlx::AssertSqlSafe(text));
    let query = marks.iter().fold(query, |query, mark| query.bind(mark.sheet_id.clone()).bind(mark.stamp.clone()));
    query.run().await?;
    Ok(tx.commit().await?)
}

/// Forgets marks that no table asks for.
pub(crate) async fn sweep(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    let text = "DELETE FROM live_mark WHERE NOT EXISTS
        (SELECT 1 FROM live_table l WHERE l.survey_id = live_mark.survey_id AND l.state <> 'lost')";
    tx.query(text).run().await?;
    Ok(tx.commit().await?)
}

/// Sheets by id, without personal information.
pub(crate) async fn sheets(db: &Db, ids: Vec<String>) -> Result<Vec<Sheet>> {
    let text = format!(
        "SELECT id, survey_id, collect_group_id, panel_id, uid, parameters, answers, CAST(NULL AS TEXT) AS masked, started_at, submitted_at
         FROM answer_sheet WHERE id IN ({})",
        placeholders(1, ids.len())
    );
    let query = db.query(sqlx::AssertSqlSafe(text));
    Ok(ids.into_iter().fold(query, Query::bind).all().await?)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use madang_kit::db::Durability;

    use super::*;

    /// A survey `S` with a live table and the sheets 1 and 2, of which 1 came before the table.
    async fn house(folder: &std::path::Path, now: DateTime<Utc>) -> Db {
        let url = format!("sqlite:{}", folder.join("survey.db").display());
        let db = Db::connect(&url, Durability::Fast).await.expect("a database");
        db.migrate(&super::super::MIGRATIONS).await.expect("migrated");
        let survey = "INSERT INTO survey (id, space_id, title, definition, responses, created_by, created_at, updated_at)
            VALUES ('S', 'P', 't', '{}', 0, 'u', $1, $1)";
        let group = "INSERT INTO collect_group (id, survey_id, space_id, serial, name, channel, status, started, responses, is_using_hmac,
            created_at, updated_at) VALUES ('G', 'S', 'P', 'a', 'g', 'PUBLIC_LINK', 'RUNNING', 1, 0, 0, $1, $1)";
        let sheet = |id: &str| {
            format!(
                "INSERT INTO answer_sheet (id, survey_id, space_id, collect_group_id, parameters, answers, started_at, submitted_at)
                 VALUES ('{id}', 'S', 'P', 'G', '[]', '[]', $1, $1)"
            )
        };
        let mut tx = db.begin().await.expect("begun");
        for text in [survey.to_owned(), group.to_owned(), sheet("1")] {
            tx.query(sqlx::AssertSqlSafe(text)).bind(now).run().await.expect("written");
        }
        let text = |text: &str| text.to_owned();
        let live = Live {
            survey_id: text("S"),
            space_id: text("P"),
            organization_id: text("O"),
            dataset_id: text("D"),
            table_id: text("T"),
            state: text("on"),
            columns: text("[]"),
            walking: false,
            walk_at: None,
            walk_id: None,
            tries: 0,
            fence: 0,
            epoch: 0,
        };
        put(&mut tx, &live, now).await.expect("put");
        tx.query(sqlx::AssertSqlSafe(sheet("2"))).bind(now).run().await.expect("written");
        tx.commit().await.expect("committed");
        db
    }

    async fn change(db: &Db, sheet: &str) {
        let mut tx = db.begin().await.expect("begun");
        tx.query("UPDATE answer_sheet SET answers = '[1]' WHERE id = $1").bind(sheet.to_owned()).run().await.expect("written");
        tx.commit().await.expect("committed");
    }

    async fn marked(db: &Db) -> Vec<String> {
        marks(db, "S", 10).await.expect("read").into_iter().map(|mark| mark.sheet_id).collect()
    }

    #[tokio::test]
    async fn a_change_while_a_row_is_written_is_not_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = house(folder.path(), Utc::now()).await;
        assert_eq!(marked(&db).await, ["2"], "a table that starts is walked; only what comes later is marked");
        change(&db, "1").await;
        let read = marks(&db, "S", 10).await.expect("read");
        change(&db, "2").await;
        clear(&db, &read).await.expect("cleared");
        assert_eq!(marked(&db).await, ["2"]);
        let mut tx = db.begin().await.expect("begun");
        stop(&mut tx, "S").await.expect("stopped");
        tx.query("DELETE FROM answer_sheet WHERE id = '1'").run().await.expect("deleted");
        tx.commit().await.expect("committed");
        assert_eq!(marked(&db).await, ["1", "2"], "what leaves is marked even of a stopped table");
        sweep(&db).await.expect("swept");
        assert_eq!(marked(&db).await.len(), 2, "a stopped table still asks for it");
    }

    #[tokio::test]
    async fn one_holds_a_table_and_who_comes_late_notes_nothing() {
        let (folder, now) = (tempfile::tempdir().expect("a folder"), Utc::now());
        let db = house(folder.path(), now).await;
        let lease = |from: DateTime<Utc>| from + TimeDelta::seconds(30);
        let first = take(&db, now, lease(now), 4).await.expect("taken").remove(0);
        assert!(take(&db, now, lease(now), 4).await.expect("looked").is_empty(), "it is held");
        let later = now + TimeDelta::seconds(31);
        let second = take(&db, later, lease(later), 4).await.expect("taken").remove(0);
        assert!(renew(&db, &first, lease(later)).await.expect("asked").is_none());
        lose(&db, &first).await.expect("nothing done");
        assert_eq!(renew(&db, &second, lease(later)).await.expect("asked").expect("held").state, "on");
        let mut tx = db.begin().await.expect("begun");
        refresh(&mut tx, "S").await.expect("begun anew");
        tx.commit().await.expect("committed");
        note(&db, &Live { walking: false, ..second.clone() }).await.expect("nothing done");
        assert!(find(&db, "S").await.expect("read").expect("a table").walking, "a walk that began earlier ends nothing");
        release(&db, &second, later, later).await.expect("released");
        assert_eq!(take(&db, later, lease(later), 4).await.expect("taken").len(), 1);
    }
}
