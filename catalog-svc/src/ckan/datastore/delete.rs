//! `datastore_delete`, `datastore_records_delete`: rows, or the whole table (ckan.md 6.4).

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use madang_kit::{
    check,
    ckan::{Outcome, Refusal},
};
use madang_lake::{Condition, Page, ROW_ID, Search, Snapshot, Tail, WriteMode, rows_of};
use serde_json::Value;

use super::{Table, change::ATTEMPTS, filter, in_search, search::LIMITS, table_to_change, too_busy, upsert::OURS};
use crate::{
    ckan::Act,
    error::lake_error,
    publish,
    store::{
        datastore as store,
        publish::Change,
        tail::{self, Cells, Written},
    },
    tail::settled,
    upload::discard,
};

/// So many rows leave one by one; more are written anew without them.
const FEW: usize = 50_000;
/// Rows that are looked for at once.
const PAGE: u64 = 100_000;
/// Deleted rows in an answer.
const SHOWN: usize = 32_000;

/// `datastore_delete`
pub(crate) async fn delete(act: &mut Act) -> Outcome {
    match act.dict.get("filters") {
        None | Some(Value::Null) => drop_table(act).await,
        Some(Value::Object(_)) => rows(act).await,
        Some(Value::String(text)) if text.trim_start().starts_with('{') => rows(act).await,
        Some(_) => Err(not_a_dict()),
    }
}

/// `datastore_records_delete`
pub(crate) async fn records(act: &mut Act) -> Outcome {
    match act.dict.get("filters") {
        None | Some(Value::Null) => Err(Refusal::missing("filters")),
        Some(Value::Object(_)) => rows(act).await,
        Some(Value::String(text)) if text.trim_start().starts_with('{') => rows(act).await,
        Some(_) => Err(not_a_dict()),
    }
}

fn not_a_dict() -> Refusal {
    Refusal::invalid("filters", "filters must be either a dict or null.")
}

/// Takes the table away; its versions are kept.
async fn drop_table(act: &mut Act) -> Outcome {
    let table = table_to_change(act).await?;
    act.begin().await?;
    empty(act, &table).await?;
    store::drop_table(act.tx()?, &table.resource.id).await?;
    Ok(answer(act, &table, None))
}

/// Takes all rows out.
async fn empty(act: &mut Act, table: &Table) -> Outcome<()> {
    let id = table.resource.id.clone();
    let (catalog, context) = (act.catalog.clone(), act.context.clone());
    let tx = act.tx()?;
    if table.publishes == 0 {
        tail::exclude(tx, &id).await?;
        if tail::standing(tx, &id).await?.is_none_or(|(publishes, _)| publishes == 0) {
            return Ok(tail::clear(tx, &id).await?);
        }
    }
    let change = emptied(table)?;
    publish::decide(&catalog, tx, &context, std::slice::from_ref(&change), None).await?;
    act.published = Some(change.table);
    Ok(())
}

/// The change that takes all rows out.
pub(super) fn emptied(table: &Table) -> Outcome<Change> {
    Ok(Change {
        table: table.snapshot.table.clone(),
        dataset: check::id("dataset_id", &table.resource.dataset_id)?,
        mode: WriteMode::Overwrite,
        made_for: Some(table.snapshot.schema.clone()),
        made_from: None,
        schema: table.snapshot.schema.clone(),
        files: Vec::new(),
        leaving: Vec::new(),
        parameters: BTreeMap::new(),
        resource_name: String::new(),
        unique_key: Vec::new(),
    })
}

/// Takes the rows out that meet the filters.
async fn rows(act: &mut Act) -> Outcome {
    let shows = act.flag("include_deleted_records", false)?;
    for _ in 0..ATTEMPTS {
        let table = table_to_change(act).await?;
        let condition = filter::read(&table.fields, act.dict.get("filters"))?;
        if condition == Condition::default() && !shows {
            act.begin().await?;
            empty(act, &table).await?;
            return Ok(answer(act, &table, None));
        }
        let below = matching(act, &table.snapshot, &condition, shows).await?;
        let done =
            if below.len() > FEW { many(act, &table, &condition, shows).await } else { few(act, &table, &condition, below, shows).await };
        match done {
            Ok(Some(deleted)) => return Ok(answer(act, &table, shows.then_some(deleted))),
            Ok(None) => act.give_up(),
            Err(error) => return Err(error),
        }
    }
    Err(too_busy())
}

/// The rows of a snapshot that meet a condition: their ids, and their cells if they are to be shown.
async fn matching(act: &Act, snapshot: &Snapshot, condition: &Condition, shows: bool) -> Outcome<Vec<(i64, Cells)>> {
    let names = snapshot.schema.columns.iter().filter(|_| shows).map(|column| column.name.clone());
    let columns: Vec<String> = std::iter::once(ROW_ID.to_owned()).chain(names).collect();
    let mut found: Vec<(i64, Cells)> = Vec::new();
    loop {
        let after = Condition::Compare(ROW_ID.to_owned(), madang_lake::Comparison::Gt, found.last().map_or(i64::MIN, |row| row.0).into());
        let search = Search {
            condition: Condition::All(vec![after, condition.clone()]),
            columns: columns.clone(),
            page: Page { offset: 0, limit: PAGE },
            ..Search::default()
        };
        let page = act.catalog.lake.search(snapshot, &search, &LIMITS).await.map_err(in_search)?;
        found.extend(rows_of(&page.rows));
        if (page.rows.num_rows() as u64) < PAGE {
            return Ok(found);
        }
    }
}

/// Marks rows as deleted above the files. `None` if the table was published to meanwhile.
async fn few(
    act: &mut Act,
    table: &Table,
    condition: &Condition,
    below: Vec<(i64, Cells)>,
    shows: bool,
) -> Outcome<Option<Vec<(i64, Cells)>>> {
    let id = table.resource.id.clone();
    act.begin().await?;
    let now = act.now.timestamp_millis();
    let tx = act.tx()?;
    tail::exclude(tx, &id).await?;
    if tail::standing(tx, &id).await? != Some((table.publishes, table.about.revision)) {
        return Ok(None);
    }
    let above = tail::rows_in(tx, &id).await?;
    let replaced: HashSet<i64> = above.iter().map(|row| row.id).collect();
    let in_files: HashSet<i64> = above.iter().filter(|row| row.in_files).map(|row| row.id).collect();
    let cells = above.into_iter().map(|row| (row.id, false, row.cells)).collect();
    let tail = Tail::new(&table.snapshot.schema, cells).map_err(lake_error)?;
    let only = Snapshot { files: Vec::new(), tail: Some(Arc::new(tail)), ..table.snapshot.clone() };
    let matched = matching(act, &only, condition, shows).await?;
    let mut deleted: Vec<(i64, Cells)> = below.into_iter().filter(|(id, _)| !replaced.contains(id)).collect();
    let tombstone = |id: i64, in_files: bool| Written { id, key: None, body: None, in_files };
    let written =
        deleted.iter().map(|row| tombstone(row.0, true)).chain(matched.iter().map(|row| tombstone(row.0, in_files.contains(&row.0))));
    let written: Vec<Written> = written.collect();
    if !written.is_empty() {
        let tx = act.tx()?;
        let change = tail::next_change(tx).await?;
        tail::put(tx, &id, change, now, written).await?;
    }
    deleted.extend(matched);
    deleted.sort_by_key(|row| row.0);
    Ok(Some(deleted))
}

/// Writes the files anew without the rows. `None` if the table was changed meanwhile.
async fn many(act: &mut Act, table: &Table, condition: &Condition, shows: bool) -> Outcome<Option<Vec<(i64, Cells)>>> {
    let base = settled(&act.catalog, &table.snapshot.table).await?;
    let deleted = matching(act, &base, condition, shows).await?;
    let nothing = Tail::new(&base.schema, Vec::new()).map_err(lake_error)?;
    let tail = Tail { masked: deleted.iter().map(|row| row.0).collect(), ..nothing };
    let without = Snapshot { tail: Some(Arc::new(tail)), ..base.clone() };
    let rewrite = act.catalog.lake.fold(&without, false).await.map_err(lake_error)?;
    let change = Change {
        mode: WriteMode::Delete,
        made_for: Some(base.schema.clone()),
        made_from: Some(base.version),
        schema: base.schema.clone(),
        files: rewrite.staged.files.clone(),
        leaving: rewrite.leaving.clone(),
        ..emptied(table)?
    };
    act.begin().await?;
    let (catalog, context) = (act.catalog.clone(), act.context.clone());
    match publish::decide(&catalog, act.tx()?, &context, std::slice::from_ref(&change), None).await {
        Ok(_) => {
            act.published = Some(change.table);
            Ok(Some(deleted))
        }
        Err(error) => {
            discard(&catalog, &change.table, &rewrite.staged).await;
            if publish::is_moved(&error) { Ok(None) } else { Err(error.into()) }
        }
    }
}

fn answer(act: &Act, table: &Table, deleted: Option<Vec<(i64, Cells)>>) -> Value {
    let mut answer = act.dict.clone();
    OURS.iter().chain(&["include_deleted_records"]).for_each(|name| drop(answer.remove(*name)));
    answer.insert("resource_id".to_owned(), table.resource.id.clone().into());
    if let Some(mut deleted) = deleted {
        deleted.truncate(SHOWN);
        answer.insert("deleted_records".to_owned(), super::change::shown(&table.fields, deleted));
    }
    Value::Object(answer)
}
