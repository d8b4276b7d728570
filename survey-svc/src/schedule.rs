//! What happens by itself: groups start and complete at their times, drafts go, old deliveries go, keys move to the current master key.

use std::time::Duration;

use chrono::TimeDelta;
use madang_kit::{Drain, Result, housekeeping};

use crate::{
    Surveys, group,
    store::{delivery, draft, group as rows, survey},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Groups of one look.
const AT_ONCE: i64 = 100;
/// How long ended deliveries are kept.
const KEEP_DELIVERIES: TimeDelta = TimeDelta::days(30);

/// Starts all of it.
pub(crate) fn start(surveys: &Surveys, drain: &Drain) {
    let looking = surveys.clone();
    housekeeping::every(LOOK_EVERY, drain, "collect groups not moved yet", move || {
        let surveys = looking.clone();
        async move { look(&surveys).await }
    });
    let sweeping = surveys.clone();
    housekeeping::every(SWEEP_EVERY, drain, "old drafts and deliveries not removed yet", move || {
        let surveys = sweeping.clone();
        async move {
            let now = surveys.clock.now();
            draft::sweep(&surveys.db, now).await?;
            delivery::sweep(&surveys.db, now - KEEP_DELIVERIES).await
        }
    });
}

/// Moves the groups whose time has come. Of two processes that try, one finds the group moved.
async fn look(surveys: &Surveys) -> Result<()> {
    for (id, survey_id) in rows::due(&surveys.db, surveys.clock.now(), AT_ONCE).await? {
        let mut tx = surveys.db.begin().await?;
        survey::lock(&mut tx, &survey_id).await?;
        let Some(mut found) = rows::find_in(&mut tx, &id).await? else { continue };
        let now = surveys.clock.now();
        let starts = found.status == group::READY && found.started_at.is_some_and(|at| at <= now);
        let ends = found.status != group::READY && found.status != group::COMPLETED && found.completed_at.is_some_and(|at| at <= now);
        if starts {
            group::step(&mut found, group::RUNNING, now)?;
        } else if ends {
            group::step(&mut found, group::COMPLETED, now)?;
        } else {
            continue;
        }
        rows::update(&mut tx, &found).await?;
        tx.commit().await?;
        tracing::info!(collect_group = %found.id, status = %found.status, "moved by its schedule");
    }
    Ok(())
}
