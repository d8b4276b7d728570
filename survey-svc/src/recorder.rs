//! Writes submitted sheets: whatever waits is written in one transaction, so that many respondents share one sync of the disk, and
//! so that a target is counted under a lock and never exceeded.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use madang_kit::{Clock, Code, Db, Drain, Error, Id, Result, Tx, config::SurveyConfig, error::chain};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::{
    group, sheet,
    store::{
        delivery::{self, Delivery},
        group as groups,
        recording::{self, NewSheet},
        survey,
    },
    webhook::{self, Deliveries},
};

/// Sheets that may wait; beyond that senders wait.
const WAITING: usize = 4_096;
/// Sheets of one transaction.
const AT_ONCE: usize = 256;

/// What the recorder works with.
pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) config: Arc<SurveyConfig>,
    pub(crate) deliveries: Deliveries,
}

/// Takes sheets to be written.
#[derive(Clone)]
pub(crate) struct Recorder {
    waiting: mpsc::Sender<Waiting>,
}

struct Waiting {
    sheet: NewSheet,
    once_per_uid: bool,
    answer: oneshot::Sender<Result<DateTime<Utc>>>,
}

impl Recorder {
    /// Starts writing until the process drains.
    pub(crate) fn start(parts: Parts, drain: &Drain) -> Self {
        let (waiting, mut arriving) = mpsc::channel(WAITING);
        let stop = drain.token();
        drain.spawn(async move {
            let mut batch = Vec::with_capacity(AT_ONCE);
            while let Some(1..) = stop.run_until_cancelled(arriving.recv_many(&mut batch, AT_ONCE)).await {
                parts.write(std::mem::take(&mut batch)).await;
            }
            arriving.close(); // who has been let in is served
            while arriving.recv_many(&mut batch, AT_ONCE).await > 0 {
                parts.write(std::mem::take(&mut batch)).await;
            }
        });
        Self { waiting }
    }

    /// Writes a sheet; gives when it was submitted, which for a repetition is the first time.
    pub(crate) async fn record(&self, sheet: NewSheet, once_per_uid: bool) -> Result<DateTime<Utc>> {
        let (answer, answered) = oneshot::channel();
        let stopping = || Error::new(Code::Unavailable, "the service is stopping; try again");
        self.waiting.send(Waiting { sheet, once_per_uid, answer }).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

impl Parts {
    async fn write(&self, batch: Vec<Waiting>) {
        let written = self.try_write(&batch).await;
        match written {
            Ok(results) => {
                for (waiting, result) in batch.into_iter().zip(results) {
                    let _ = waiting.answer.send(result); // nobody may listen any more
                }
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), sheets = batch.len(), "sheets not written");
                for waiting in batch {
                    let _ = waiting.answer.send(Err(Error::new(error.code, error.message.clone())));
                }
            }
        }
    }

    async fn try_write(&self, batch: &[Waiting]) -> Result<Vec<Result<DateTime<Utc>>>> {
        let mut tx = self.db.begin().await?;
        let mut houses = lock(&mut tx, batch).await?;
        let before = recording::submitted(&mut tx, batch.iter().map(|waiting| waiting.sheet.id.clone()).collect()).await?;
        look_up_uids(&mut tx, batch, &mut houses).await?;
        let mut judged = Judged { before, accepted: Vec::new() };
        let now = self.clock.now(); // behind the locks: see next_second
        let results: Vec<_> = batch
            .iter()
            .map(|waiting| match houses.get_mut(&waiting.sheet.survey_id) {
                Some(house) => judged.judge(house, waiting, i64::from(self.config.responses), now),
                None => Err(Error::new(Code::NotFound, "the survey was removed")),
            })
            .collect();
        let events = self.keep(&mut tx, judged.accepted, &houses).await?;
        tx.commit().await?;
        if events {
            self.deliveries.ring();
        }
        Ok(results)
    }

    /// Writes what was accepted. Says whether there are events.
    async fn keep(&self, tx: &mut Tx, accepted: Vec<NewSheet>, houses: &BTreeMap<String, House>) -> Result<bool> {
        if accepted.is_empty() {
            return Ok(false);
        }
        recording::insert(tx, &accepted.iter().collect::<Vec<_>>()).await?;
        recording::drop_drafts(tx, accepted.iter().map(|sheet| sheet.id.clone()).collect()).await?;
        for (survey, house) in houses.iter().filter(|(_, house)| house.more > 0) {
            recording::count(tx, survey, house.more).await?;
            for group in house.groups.values().filter(|(_, changed)| *changed).map(|(group, _)| group) {
                groups::update(tx, group).await?;
            }
        }
        let spaces: HashSet<_> = accepted.iter().map(|sheet| sheet.space_id.clone()).collect();
        let listening = delivery::listening(tx, spaces.into_iter().collect()).await?;
        let heard = accepted.iter().filter(|sheet| listening.contains(&sheet.space_id));
        let events: Vec<_> = heard.map(|sheet| event(sheet, self.clock.now())).collect();
        delivery::insert(tx, &events).await?;
        Ok(!events.is_empty())
    }
}

/// A survey that is locked, with what is known of it.
struct House {
    space: String,
    responses: i64,
    more: i64,
    /// With whether they changed.
    groups: HashMap<String, (groups::Group, bool)>,
    panels: HashMap<String, String>,
    /// Uids that have answered, as far as it matters.
    answered: HashSet<String>,
}

/// Locks the surveys of a batch, in the order of their ids, and reads the groups.
async fn lock(tx: &mut Tx, batch: &[Waiting]) -> Result<BTreeMap<String, House>> {
    let mut houses = BTreeMap::new();
    let wanted: BTreeMap<&String, HashSet<&String>> = batch.iter().fold(BTreeMap::new(), |mut wanted, waiting| {
        wanted.entry(&waiting.sheet.survey_id).or_default().insert(&waiting.sheet.collect_group_id);
        wanted
    });
    for (survey_id, group_ids) in wanted {
        let Some((space, responses)) = survey::lock_count(tx, survey_id).await? else { continue };
        let mut known = HashMap::new();
        for id in group_ids {
            if let Some(group) = groups::find_in(tx, id).await? {
                known.insert(id.clone(), (group, false));
            }
        }
        let house = House { space, responses, more: 0, groups: known, panels: HashMap::new(), answered: HashSet::new() };
        houses.insert(survey_id.clone(), house);
    }
    Ok(houses)
}

async fn look_up_uids(tx: &mut Tx, batch: &[Waiting], houses: &mut BTreeMap<String, House>) -> Result<()> {
    for (survey, house) in houses {
        let of_survey = || batch.iter().filter(|waiting| waiting.sheet.survey_id == *survey);
        let distinct = |uids: HashSet<String>| uids.into_iter().collect::<Vec<_>>();
        let uids = distinct(of_survey().filter_map(|waiting| waiting.sheet.uid.clone()).collect());
        if uids.is_empty() {
            continue;
        }
        house.panels = recording::panels(tx, &house.space, uids).await?;
        let once = distinct(of_survey().filter(|waiting| waiting.once_per_uid).filter_map(|waiting| waiting.sheet.uid.clone()).collect());
        if !once.is_empty() {
            house.answered = recording::answered(tx, &house.space, survey, once).await?.into_iter().collect();
        }
    }
    Ok(())
}

struct Judged {
    /// Sheets that are there, or will be with this transaction.
    before: HashMap<String, DateTime<Utc>>,
    accepted: Vec<NewSheet>,
}

impl Judged {
    fn judge(&mut self, house: &mut House, waiting: &Waiting, most: i64, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
        let sheet = &waiting.sheet;
        let place = match self.before.entry(sheet.id.clone()) {
            Entry::Occupied(first) => return Ok(*first.get()),
            Entry::Vacant(place) => place,
        };
        let Some((group, changed)) = house.groups.get_mut(&sheet.collect_group_id) else {
            return Err(Error::new(Code::NotFound, "the collect group was removed"));
        };
        sheet::demand_open(group)?;
        if house.responses + house.more >= most {
            return Err(sheet::closed("full"));
        }
        if waiting.once_per_uid
            && let Some(uid) = &sheet.uid
            && !house.answered.insert(uid.clone())
        {
            return Err(sheet::closed("answered"));
        }
        house.more += 1;
        group.responses += 1;
        *changed = true;
        if group.target.is_some_and(|target| group.responses >= target) {
            group::step(group, group::COMPLETED, now)?;
        }
        let panel_id = sheet.uid.as_ref().and_then(|uid| house.panels.get(uid).cloned());
        let submitted_at = next_second(now);
        self.accepted.push(NewSheet { panel_id, submitted_at, ..sheet.clone() });
        Ok(*place.insert(submitted_at))
    }
}

/// When a sheet counts as submitted: whole seconds, rounded up. The survey is locked, so whoever has seen the lock free at a time
/// (`response::list`) knows that no sheet comes any more that counts as submitted up to it.
fn next_second(now: DateTime<Utc>) -> DateTime<Utc> {
    let whole = now.trunc_subsecs(0);
    if whole == now { whole } else { whole + TimeDelta::seconds(1) }
}

/// What a webhook is told: ids only.
fn event(sheet: &NewSheet, now: DateTime<Utc>) -> Delivery {
    let upright = |id: &str| id.parse::<Id>().map(|id| format!("a{}", id.ulid_lower())).unwrap_or_default();
    let body = json!({
        "surveyId": upright(&sheet.survey_id),
        "collectGroupId": upright(&sheet.collect_group_id),
        "answerSheetId": upright(&sheet.id),
    });
    webhook::waiting(&sheet.space_id, webhook::SUBMITTED, &body, now)
}
