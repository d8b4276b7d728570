//! What a step reads: the same versions in every attempt, whole tables or what came since the step last published.

use std::collections::HashMap;

use madang_kit::{Code, Error, Id, Result};
use madang_lake::{Limits, Snapshot};
use madang_proto::catalog::v1::TableAccess;

use super::{step::Task, walk::Walk};
use crate::{
    plan::{Source, Step},
    store::checkpoint::{self, Pin},
};

/// The inputs of a step.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// By the name that the work uses.
    pub(super) rows: HashMap<String, Snapshot>,
    /// Whether any of it is new to the step.
    pub(super) is_new: bool,
    /// Scratch tables that were made for this step alone.
    pub(super) scratch: Vec<Snapshot>,
    /// Versions that are not written down yet.
    pub(super) fresh_pins: Vec<Pin>,
}

/// Resolves every input of a step.
pub(super) async fn open(walk: &mut Walk<'_>, task: &mut Task<'_>) -> Result<()> {
    let step = task.step;
    let since = checkpoints(walk, step).await?;
    for (name, source) in &step.inputs {
        let rows = match source {
            Source::Step { step: from, output } => {
                task.inputs.is_new |= !walk.stale.contains(from);
                let made = walk.rows.get(&(*from, output.clone())).or_else(|| walk.rows.get(&(*from, String::new())));
                made.cloned().ok_or_else(|| Error::new(Code::Invalid, format!("input '{name}': the step before made no '{output}'")))?
            }
            Source::Dataset(dataset) => {
                let pin = pinned(walk, task, name, *dataset, &since).await?;
                read(walk, task, name, *dataset, &pin).await?
            }
        };
        task.inputs.rows.insert(name.clone(), rows);
    }
    task.inputs.is_new |= step.inputs.is_empty();
    Ok(())
}

async fn checkpoints(walk: &Walk<'_>, step: &Step) -> Result<HashMap<String, (String, i64)>> {
    if step.incremental { checkpoint::of_step(&walk.engine.0.db, walk.claim.subject, &step.name).await } else { Ok(HashMap::new()) }
}

/// The version that the step reads: the one that an earlier attempt wrote down, else the newest.
async fn pinned(walk: &mut Walk<'_>, task: &mut Task<'_>, name: &str, dataset: Id, since: &HashMap<String, (String, i64)>) -> Result<Pin> {
    let key = (task.step.name.clone(), name.to_owned());
    if let Some(pin) = walk.pins.get(&key) {
        return Ok(pin.clone());
    }
    let open = walk.engine.0.catalog.open(&walk.context, dataset, None, TableAccess::Read).await?;
    let empty = || Error::new(Code::Invalid, format!("input '{name}': dataset '{}' has no data yet", dataset.prefixed("ds")));
    let snapshot = open.snapshot.ok_or_else(empty)?;
    let table_id = snapshot.table.to_string();
    let since = since.get(name).filter(|(table, _)| *table == table_id).map(|(_, version)| *version);
    let pin = Pin { step: key.0.clone(), input: key.1.clone(), table_id, version: snapshot.version, since };
    walk.pins.insert(key, pin.clone());
    task.inputs.fresh_pins.push(pin.clone());
    task.opened.insert(name.to_owned(), snapshot);
    Ok(pin)
}

/// The rows of a pinned version that the step is to see.
async fn read(walk: &Walk<'_>, task: &mut Task<'_>, name: &str, dataset: Id, pin: &Pin) -> Result<Snapshot> {
    let whole = match task.opened.remove(name) {
        Some(snapshot) => snapshot,
        None => version(walk, name, dataset, pin.version).await?,
    };
    let Some(since) = pin.since.filter(|_| task.step.incremental) else {
        task.inputs.is_new = true;
        return Ok(whole);
    };
    if since == pin.version {
        return Ok(Snapshot { files: Vec::new(), ..whole });
    }
    let before = version(walk, name, dataset, since).await?;
    let changes = walk.engine.0.lake.changes(&before, &whole, &Limits::STEP).await.map_err(super::step::lake_error)?;
    task.inputs.is_new |= changes.rows() > 0;
    if changes.table.is_scratch() {
        task.inputs.scratch.push(changes.clone());
    }
    Ok(changes)
}

async fn version(walk: &Walk<'_>, name: &str, dataset: Id, version: i64) -> Result<Snapshot> {
    let gone = |why: &str| {
        let text = format!(
            "input '{name}': version {version} of dataset '{}' {why}; run the step once with read_mode full",
            dataset.prefixed("ds")
        );
        Error::new(Code::Invalid, text)
    };
    match walk.engine.0.catalog.open(&walk.context, dataset, Some(version), TableAccess::Read).await {
        Ok(open) => open.snapshot.ok_or_else(|| gone("is not there any more")),
        Err(error) if error.code == Code::NotFound => Err(gone("is not there any more")),
        Err(error) => Err(error),
    }
}
