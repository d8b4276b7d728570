//! Erasure, retention and the view of the audit (dataspace.md sections 9 and 11).

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{Clock, Context, Db, Drain, Error, Id, Result, Tx, check, error::chain, housekeeping, time};
use madang_proto::survey::v1::{
    Access, EraseRequest, ErasedPlace, Erasure, GetRetentionRequest, ListAccessRequest, ListAccessResponse, Retention,
};
use serde_json::json;

use crate::{
    Surveys,
    access::{self, Note},
    permission::{self, Right},
    sheet::json_text,
    store::{self, access as access_rows, draft, live, panel, privacy as rows, survey::last_id},
    webhook,
};

/// How long personal-info answers are kept at most, and unless a space says otherwise.
const DAYS: u32 = 300;
/// Ids of one place in a certificate.
const LISTED: usize = 100;
/// Sheets of one person.
const MAX_SHEETS: i64 = 100_000;
const SWEEP_EVERY: Duration = Duration::from_mins(10);
const AT_ONCE: i64 = 100;

/// Destroys what says who somebody is: keys, originals, masked values, free texts, identifiers.
pub(crate) async fn erase(surveys: &Surveys, context: &Context, request: EraseRequest) -> Result<Erasure> {
    let space = permission::may(context, Right::Guard)?;
    let operator = access::identify(request.operator, true)?;
    let given = [("panelId", request.panel_id), ("uid", request.uid), ("answerSheetId", request.answer_sheet_id)];
    let mut given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let (Some((kind, value)), None) = (given.next(), given.next()) else {
        return Err(Error::invalid("panelId", "choice", "exactly one of panelId, uid and answerSheetId says whom to erase"));
    };
    let mut tx = surveys.db.begin().await?;
    let found = find(&mut tx, &space, kind, &value).await?;
    let mut places = Vec::new();
    if let Some(panel) = &found.panel {
        let profile = rows::count_profile(&mut tx, panel).await?;
        panel::delete(&mut tx, panel).await?;
        places.push(place("panel", vec![panel.clone()]));
        places.push(ErasedPlace { place: "panel_profile".to_owned(), count: profile, ids: Vec::new() });
    }
    let ids: Vec<String> = found.sheets.iter().map(|sheet| sheet.id.clone()).collect();
    let keys = rows::destroy_keys(&mut tx, &ids).await?;
    for sheet in &found.sheets {
        rows::strip(&mut tx, &sheet.id, without_texts(&sheet.answers)?).await?;
    }
    let drafts = rows::drop_drafts(&mut tx, &ids).await? + rows::drop_drafts(&mut tx, &found.drafts).await?;
    let live = in_live_tables(&mut tx, &found.sheets).await?;
    places.push(place("answer_sheet", ids));
    places.push(ErasedPlace { place: "subject_key".to_owned(), count: keys + i64::from(found.panel.is_some()), ids: Vec::new() });
    places.push(ErasedPlace { place: "draft".to_owned(), count: drafts, ids: Vec::new() });
    places.push(place("live_table_row", live));
    let erasure = Erasure { id: Id::generate().to_string(), erased_at: Some(time::wire(surveys.clock.now())), places };
    let shown: Vec<_> = erasure.places.iter().map(|place| json!({"place": place.place, "count": place.count, "ids": place.ids})).collect();
    let certificate = rows::Certificate {
        id: erasure.id.clone(),
        space_id: space.clone(),
        actor: context.principal.user.to_string(),
        erased_at: surveys.clock.now(),
        places: json_text(&shown)?,
    };
    rows::keep(&mut tx, &certificate).await?;
    let detail = json!({"by": kind, "certificate": erasure.id});
    let panels = found.panel.into_iter().collect();
    operator.note(&mut tx, &surveys.clock, context, &space, Note { action: "subject.erase", panels, detail }).await?;
    tx.commit().await?;
    empty_log(surveys).await;
    Ok(erasure)
}

/// The log of the database holds rows as they were; if a reader is in the way, the housekeeping tries again.
async fn empty_log(surveys: &Surveys) {
    match surveys.db.fold_log().await {
        Ok(true) => {}
        Ok(false) => tracing::info!("the write-ahead log not emptied yet"),
        Err(error) => tracing::warn!(error = %chain(&error), "the write-ahead log not emptied yet"),
    }
}

/// The sheets that have rows in live tables: stripping a sheet marks its row to be written anew, in the same transaction.
async fn in_live_tables(tx: &mut Tx, sheets: &[rows::OfPerson]) -> Result<Vec<String>> {
    let surveys: BTreeSet<_> = sheets.iter().map(|sheet| sheet.survey_id.clone()).collect();
    let live = live::known(tx, surveys.into_iter().collect()).await?;
    Ok(sheets.iter().filter(|sheet| live.contains(&sheet.survey_id)).map(|sheet| sheet.id.clone()).collect())
}

/// Who is to be erased.
#[derive(Default)]
struct Found {
    panel: Option<String>,
    sheets: Vec<rows::OfPerson>,
    /// Sheets that were not submitted.
    drafts: Vec<String>,
}

async fn find(tx: &mut Tx, space: &str, kind: &str, value: &str) -> Result<Found> {
    match kind {
        "answerSheetId" => {
            let id = check::id(kind, value)?.to_string();
            let sheets = rows::sheet(tx, space, &id).await?;
            let found = Found { sheets, ..Found::default() };
            found.or_missing("answer_sheet", &id)
        }
        "panelId" => {
            let id = check::id(kind, value)?.to_string();
            let panel = panel::lock(tx, &id).await?;
            if let Some(panel) = &panel {
                permission::own(space, &panel.space_id, "panel", &id)?;
            }
            let uid = panel.as_ref().and_then(|panel| panel.uid.clone()).unwrap_or_default();
            Found::of(tx, space, panel, (&id, &uid)).await?.or_missing("panel", &id)
        }
        _ => {
            let panel = panel::by_uid(tx, space, value).await?;
            let id = panel.as_ref().map(|panel| panel.id.clone()).unwrap_or_default();
            Found::of(tx, space, panel, (&id, value)).await?.or_missing("panel", value)
        }
    }
}

impl Found {
    /// All of a person, by the ids of panel and customer; an empty one is nobody's.
    async fn of(tx: &mut Tx, space: &str, panel: Option<panel::Panel>, (id, uid): (&str, &str)) -> Result<Self> {
        let sheets = rows::sheets(tx, space, id, uid, MAX_SHEETS).await?;
        let drafts = draft::of_person(tx, space, id, uid, MAX_SHEETS).await?;
        Ok(Self { panel: panel.map(|panel| panel.id), sheets, drafts })
    }

    fn or_missing(self, thing: &str, id: &str) -> Result<Self> {
        let is_there = self.panel.is_some() || !self.sheets.is_empty() || !self.drafts.is_empty();
        if is_there { Ok(self) } else { Err(permission::missing(thing, id)) }
    }
}

fn place(name: &str, mut ids: Vec<String>) -> ErasedPlace {
    let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    ids.truncate(LISTED);
    ErasedPlace { place: name.to_owned(), count, ids }
}

/// Answers without what a person wrote freely: that may say anything of him.
fn without_texts(answers: &str) -> Result<String> {
    let mut answers: Vec<madang_kit::survey::Answer> = serde_json::from_str(answers).map_err(Error::internal)?;
    answers.retain(|answer| answer.text.is_none());
    answers.iter_mut().flat_map(|answer| answer.options.iter_mut().flatten()).for_each(|option| option.text = None);
    json_text(&answers)
}

/// How long personal-info answers are kept.
pub(crate) async fn get_retention(surveys: &Surveys, context: &Context, _: GetRetentionRequest) -> Result<Retention> {
    let space = permission::may(context, Right::Author)?;
    let days = rows::retention(&surveys.db, &space).await?;
    Ok(Retention { personal_info_days: days.and_then(|days| u32::try_from(days).ok()).unwrap_or(DAYS) })
}

/// Says how long personal-info answers are kept.
pub(crate) async fn put_retention(surveys: &Surveys, context: &Context, request: Retention) -> Result<Retention> {
    let space = permission::may(context, Right::Guard)?;
    if !(1..=DAYS).contains(&request.personal_info_days) {
        return Err(Error::invalid("personalInfoDays", "range", format!("personalInfoDays must be 1 to {DAYS}")));
    }
    let mut tx = surveys.db.begin().await?;
    rows::put_retention(&mut tx, &space, request.personal_info_days.into()).await?;
    let detail = json!({"days": request.personal_info_days});
    crate::audit::note(surveys, &mut tx, context, "retention.update", &space, detail).await?;
    tx.commit().await?;
    Ok(request)
}

/// Who worked with personal data.
pub(crate) async fn list_access(surveys: &Surveys, context: &Context, request: ListAccessRequest) -> Result<ListAccessResponse> {
    let space = permission::may(context, Right::Guard)?;
    let bound = |at: Option<prost_types::Timestamp>, default: DateTime<Utc>| at.and_then(time::read).unwrap_or(default);
    let wanted = access_rows::Wanted {
        from: bound(request.from, DateTime::UNIX_EPOCH),
        to: bound(request.to, surveys.clock.now() + TimeDelta::days(1)),
        panel: check::optional_id("panelId", request.panel_id.as_deref())?.map(|id| id.to_string()),
        before: check::optional_id("next", request.behind.as_deref())?.map_or_else(last_id, |id| id.to_string()),
    };
    let mut found = access_rows::list(&surveys.db, &space, wanted).await?;
    let more = store::cut(&mut found, |record| &record.id).is_some();
    let next = found.last().filter(|_| more).map(|record| record.id.clone());
    let record = |row: access_rows::Access| Access {
        panel_ids: serde_json::from_str(&row.panel_ids).unwrap_or_default(),
        id: row.id,
        at: Some(time::wire(row.at)),
        actor: row.actor,
        operator_email: row.operator_email,
        remark: row.remark,
        action: row.action,
        detail: row.detail,
        source: row.source,
    };
    Ok(ListAccessResponse { records: found.into_iter().map(record).collect(), next })
}

/// Destroys personal-info answers whose time is over and moves keys under the current master key, now and then.
pub(crate) fn start(surveys: &Surveys, drain: &Drain) {
    let surveys = surveys.clone();
    housekeeping::every(SWEEP_EVERY, drain, "personal-info answers not destroyed yet", move || {
        let surveys = surveys.clone();
        async move {
            sweep(&surveys.db, &surveys.clock).await?;
            rewrap(&surveys).await?;
            webhook::rewrap(&surveys).await
        }
    });
}

/// Destroys the personal-info answers of surveys whose time for them is over.
async fn sweep(db: &Db, clock: &Clock) -> Result<()> {
    let now = clock.now();
    let mut destroyed = false;
    for (survey, space, made) in rows::aging(db, now - TimeDelta::days(1)).await? {
        let days = rows::retention(db, &space).await?.unwrap_or_else(|| i64::from(DAYS));
        if made + TimeDelta::days(days) > now {
            continue;
        }
        let mut tx = db.begin().await?;
        rows::forget_personal(&mut tx, &survey).await?;
        tx.commit().await?;
        destroyed = true;
        tracing::info!(survey = %survey, "personal-info answers destroyed");
    }
    if destroyed {
        db.fold_log().await?;
    }
    Ok(())
}

async fn rewrap(surveys: &Surveys) -> Result<()> {
    loop {
        let old = panel::old_keys(&surveys.db, &surveys.vault.current(), AT_ONCE).await?;
        if old.is_empty() {
            return Ok(());
        }
        let mut tx = surveys.db.begin().await?;
        for (id, wrapped) in old {
            let new = surveys.vault.rewrap(&id, &wrapped)?;
            panel::rewrap(&mut tx, &id, &wrapped, new).await?;
        }
        tx.commit().await?;
    }
}

#[cfg(test)]
mod tests {
    use madang_kit::db::{Deleted, Durability};

    use super::*;

    /// A survey made so many days ago, with one sheet that has personal information, in a space that keeps it for 30 days.
    async fn survey(db: &Db, id: &str, days: i64) {
        let at = Utc::now() - TimeDelta::days(days);
        let mut tx = db.begin().await.expect("begun");
        for text in [
            "INSERT INTO survey (id, space_id, title, definition, responses, created_by, created_at, updated_at)
             VALUES ($1, 'S', 't', '{}', 1, 'u', $2, $2)",
            "INSERT INTO collect_group (id, survey_id, space_id, serial, name, channel, status, started, responses, is_using_hmac, created_at,
                 updated_at) VALUES ($1, $1, 'S', $1, 'g', 'PUBLIC_LINK', 'RUNNING', 1, 1, 0, $2, $2)",
            "INSERT INTO answer_sheet (id, survey_id, space_id, collect_group_id, parameters, answers, masked, personal, started_at,
                 submitted_at) VALUES ($1, $1, 'S', $1, '[]', '[]', '[]', 'sealed', $2, $2)",
        ] {
            tx.query(text).bind(id.to_owned()).bind(at).run().await.expect("written");
        }
        let text = "INSERT INTO subject (id, space_id, wrapped) VALUES ($1, 'S', 'key')";
        tx.query(text).bind(id.to_owned()).run().await.expect("written");
        tx.commit().await.expect("committed");
    }

    #[tokio::test]
    async fn what_was_kept_long_enough_is_destroyed() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("survey.db").display());
        let db = Db::connect_with(&url, Durability::Fast, Deleted::Overwritten).await.expect("a database");
        db.migrate(&store::MIGRATIONS).await.expect("migrated");
        let mut tx = db.begin().await.expect("begun");
        rows::put_retention(&mut tx, "S", 30).await.expect("said");
        tx.commit().await.expect("committed");
        survey(&db, "old", 31).await;
        survey(&db, "young", 29).await;
        sweep(&db, &Clock::default()).await.expect("swept");
        let sheets: Vec<(String, Option<String>, Option<String>)> =
            db.query("SELECT id, masked, personal FROM answer_sheet ORDER BY id").all().await.expect("read");
        let kept = Some("sealed".to_owned());
        assert_eq!(sheets, [("old".to_owned(), None, None), ("young".to_owned(), Some("[]".to_owned()), kept)]);
        let keys: Vec<(String,)> = db.query("SELECT id FROM subject").all().await.expect("read");
        assert_eq!(keys, [("young".to_owned(),)]);
        let marks: Vec<(String,)> = db.query("SELECT sheet_id FROM live_mark").all().await.expect("read");
        assert_eq!(marks, [], "no row of a live table is concerned");
    }
}
