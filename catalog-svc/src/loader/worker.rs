//! Who works off the queue of loads.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use chrono::TimeDelta;
use madang_kit::{Code, Context, Db, Drain, Error, Id, Principal, Result, ckan::date, db::Source, error::chain, hex};
use madang_lake::{BadRows, Input, Load as LakeLoad, Loaded, TableId, WriteMode};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, sync::Semaphore};

use super::{chosen_types, format, source::bring};
use crate::{
    Catalog,
    ckan::load::task,
    error::lake_error,
    file, publish,
    store::{
        ckan::{
            resource::{self as resources, Resource},
            site,
        },
        dataset,
        datastore::{self, FieldInfo},
        file::{self as files, File, Kind},
        load::{self as store, Load},
        publish::Change,
        table,
    },
    upload::{Ids, discard},
};

/// Loads at work at once in one process: most of them wait for other hosts.
const WORKERS: usize = 6;
/// Files that are read at once.
const READERS: usize = 2;
/// How long a load is held; a lost worker's is taken up by others after it.
const HELD_FOR: TimeDelta = TimeDelta::seconds(30);
const HOLD_EVERY: Duration = Duration::from_secs(8);
/// How often a worker that nobody wakes looks around.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a load is begun: when a host is away, a worker was lost, or a fault was ours.
const ATTEMPTS: i64 = 3;
/// How long a load waits before it is begun again, at first.
const WAIT: TimeDelta = TimeDelta::seconds(5);
/// How often a publish starts again because others changed the table.
const PUBLISHES: usize = 10;
/// Lines of a load's log.
const LOG_MAX: usize = 100;

/// Starts the workers.
pub(crate) async fn spawn(catalog: &Catalog, drain: &Drain) -> Result<()> {
    if let Db::Sqlite { .. } = catalog.db {
        let mut tx = catalog.db.begin().await?;
        store::put_all_back(&mut tx, catalog.clock.now()).await?; // this database has one process
        tx.commit().await?;
    }
    let readers = Arc::new(Semaphore::new(READERS));
    for _ in 0..WORKERS {
        let (catalog, stop, readers) = (catalog.clone(), drain.token(), readers.clone());
        drain.spawn(async move {
            while !stop.is_cancelled() {
                match take(&catalog).await {
                    Ok(Some(load)) => {
                        if stop.run_until_cancelled(Box::pin(work(&catalog, load.clone(), &readers))).await.is_none() {
                            let _ = put_back(&catalog, &load, TimeDelta::zero()).await; // its time runs out by itself
                        }
                    }
                    Ok(None) => {
                        let heard = tokio::time::timeout(LOOK_EVERY, catalog.loads.heard());
                        let _ = stop.run_until_cancelled(heard).await;
                    }
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "loads not looked at yet");
                        let _ = stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
                    }
                }
            }
        });
    }
    Ok(())
}

async fn take(catalog: &Catalog) -> Result<Option<Load>> {
    let now = catalog.clock.now();
    if !store::any_due(&catalog.db, now).await? {
        return Ok(None);
    }
    let mut tx = catalog.db.begin().await?;
    let load = store::claim(&mut tx, &Id::generate().to_string(), now, now + HELD_FOR).await?;
    let Some(load) = load else { return Ok(None) };
    catalog.loads.ring(); // there may be more for others
    let mut source = Source::Tx(tx);
    site::put_task(&mut source, &task(&load, now)).await?;
    commit(source).await?;
    Ok(Some(load))
}

async fn commit(source: Source) -> Result<()> {
    if let Source::Tx(tx) = source {
        tx.commit().await?;
    }
    Ok(())
}

/// Does a load to its end, whatever that is.
async fn work(catalog: &Catalog, load: Load, readers: &Semaphore) {
    let mut log = Log(serde_json::from_str(&load.log).unwrap_or_default());
    let outcome = tokio::select! {
        outcome = once(catalog, &load, &mut log, readers) => outcome,
        () = held(catalog, &load) => return, // somebody wished for it anew, or took it over
    };
    let ended = match outcome {
        Ok(()) => return,
        Err(error) if may_be_better_later(&error) && load.attempts < ATTEMPTS => {
            log.add(catalog, "WARNING", &error.message);
            let wait = WAIT * i32::try_from(load.attempts).unwrap_or(1);
            put_back(catalog, &Load { log: log.text(), ..load }, wait).await
        }
        Err(error) => {
            if error.code == Code::Internal {
                tracing::error!(resource = load.resource_id, error = %chain(&error), "load failed");
            }
            let message = if error.code == Code::Internal { "the file could not be loaded".to_owned() } else { error.message };
            log.add(catalog, "ERROR", &message);
            fail(catalog, &Load { state: "error".to_owned(), error: message, log: log.text(), ..load }).await
        }
    };
    if let Err(error) = ended {
        tracing::warn!(error = %chain(&error), "the end of a load is not written; it is begun again");
    }
}

fn may_be_better_later(error: &Error) -> bool {
    matches!(error.code, Code::Unavailable | Code::Internal | Code::TimedOut | Code::Conflict)
}

/// Prolongs the hold; ends when it is lost.
async fn held(catalog: &Catalog, load: &Load) {
    loop {
        tokio::time::sleep(HOLD_EVERY).await;
        let held = async {
            let mut tx = catalog.db.begin().await?;
            let held = store::hold(&mut tx, load, catalog.clock.now() + HELD_FOR).await?;
            tx.commit().await?;
            Ok::<_, Error>(held)
        };
        match held.await {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => tracing::warn!(error = %chain(&error), "a load's hold is not prolonged"),
        }
    }
}

async fn put_back(catalog: &Catalog, load: &Load, wait: TimeDelta) -> Result<()> {
    let mut tx = catalog.db.begin().await?;
    store::put_back(&mut tx, load, catalog.clock.now() + wait).await?;
    Ok(tx.commit().await?)
}

async fn fail(catalog: &Catalog, load: &Load) -> Result<()> {
    let now = catalog.clock.now();
    let mut source = Source::Tx(catalog.db.begin().await?);
    if store::end(&mut source, load, now).await? {
        site::put_task(&mut source, &task(load, now)).await?;
    }
    commit(source).await
}

/// Fetches, converts, publishes.
async fn once(catalog: &Catalog, load: &Load, log: &mut Log, readers: &Semaphore) -> Result<()> {
    let mut source = Source::from(&catalog.db);
    let found = resources::find(&mut source, &load.resource_id).await?;
    let found = found.ok_or_else(|| Error::new(Code::NotFound, "the resource was deleted"))?;
    let (format, delimiter) = format(&found).ok_or_else(|| Error::invalid("format", "format", "the resource can't become a table"))?;
    log.add(catalog, "INFO", "Fetching the file");
    let fetched = bring(catalog, &found).await?;
    let types = types(&mut source, load).await?;
    let digest = digest(&fetched.sha256, &types);
    if found.has_table && digest == load.digest && !load.forced {
        log.add(catalog, "INFO", "The file is the one that was loaded before");
        return fail(catalog, &Load { state: "complete".to_owned(), log: log.text(), ..load.clone() }).await;
    }
    let _reader = readers.acquire().await.map_err(Error::internal)?;
    log.add(catalog, "INFO", &format!("Loading {} bytes", fetched.bytes));
    let bad_rows = catalog.spool.place()?;
    let input = Input { path: fetched.path.to_path_buf(), format, delimiter };
    let wanted = LakeLoad { input, types: chosen_types(&types), bad_rows: bad_rows.to_path_buf() };
    let id: TableId = found.id.parse().map_err(lake_error)?;
    for _ in 0..PUBLISHES {
        let loaded = catalog.lake.load(&id, &wanted, &catalog.limits, &Ids::new(catalog, &id)?).await.map_err(lake_error)?;
        let list = keep_list(catalog, &found, &loaded.bad, &bad_rows).await?;
        let (rows, bad) = (loaded.staged.rows(), loaded.bad.count);
        let mut told = Log(log.0.clone());
        told.add(catalog, "INFO", &format!("Loaded {rows} rows in {} columns", loaded.schema.columns.len()));
        if bad > 0 {
            told.add(catalog, "WARNING", &format!("{bad} bad rows were set aside; the list tells line, column and reason"));
        }
        let ended = Load {
            state: "complete".to_owned(),
            digest: digest.clone(),
            loaded_rows: i64::try_from(rows).map_err(Error::internal)?,
            bad_rows: i64::try_from(bad).map_err(Error::internal)?,
            error: String::new(),
            log: told.text(),
            ..load.clone()
        };
        match publish(catalog, &ended, &found, &id, &loaded, list.as_ref()).await {
            Ok(true) => {
                publish::roll_forward_later(catalog, &id).await;
                return Ok(());
            }
            Ok(false) => {
                undo(catalog, &id, &loaded, list.as_ref()).await;
                return Ok(()); // another wish took its place
            }
            Err(error) if publish::is_moved(&error) => undo(catalog, &id, &loaded, list.as_ref()).await,
            Err(error) => {
                if error.is_refusal() {
                    undo(catalog, &id, &loaded, list.as_ref()).await; // else the commit record may stand, and it names these files
                }
                return Err(error);
            }
        }
    }
    Err(Error::new(Code::Conflict, "the table is being changed by others"))
}

/// JSON of the types that somebody chose: in the table's dictionary (`type_override`), or with the wish, which goes before.
async fn types(source: &mut Source, load: &Load) -> Result<String> {
    let about = datastore::find(source, &load.resource_id).await?;
    let overridden =
        |field: &FieldInfo| field.info.as_ref()?.get("type_override")?.as_str().filter(|kind| !kind.is_empty()).map(str::to_owned);
    let dictionary = about.fields.iter().filter_map(|(name, field)| Some((name.clone(), overridden(field)?)));
    let wished: BTreeMap<String, String> = serde_json::from_str(&load.types).unwrap_or_default();
    let types: BTreeMap<String, String> = dictionary.chain(wished).collect();
    serde_json::to_string(&types).map_err(Error::internal)
}

async fn undo(catalog: &Catalog, table: &TableId, loaded: &Loaded, list: Option<&File>) {
    discard(catalog, table, &loaded.staged).await;
    if let Some(list) = list {
        file::give_up(catalog, list).await;
    }
}

/// What the same file under the same chosen types has again.
fn digest(sha256: &str, types: &str) -> String {
    let mut hasher = Hasher::new(&SHA256);
    hasher.update(sha256.as_bytes());
    hasher.update(types.as_bytes());
    hex(hasher.finish().as_ref())
}

/// Stores the list of bad rows, if there are any.
async fn keep_list(catalog: &Catalog, resource: &Resource, bad: &BadRows, list: &std::path::Path) -> Result<Option<File>> {
    if bad.count == 0 {
        return Ok(None);
    }
    let mut hasher = Hasher::new(&SHA256);
    let (mut from, mut piece) = (tokio::fs::File::open(list).await.map_err(Error::internal)?, vec![0; 256 << 10]);
    loop {
        let read = from.read(&mut piece).await.map_err(Error::internal)?;
        if read == 0 {
            break;
        }
        hasher.update(piece.get(..read).unwrap_or_default());
    }
    let name = format!("{}-bad-rows.csv", resource.id);
    let stored = file::store(catalog, Kind::BadRows, &name, "text/csv", list, hex(hasher.finish().as_ref())).await?;
    Ok(Some(stored))
}

/// Writes the commit record, the end of the load and what its task says; false if the load is not this worker's any more.
async fn publish(catalog: &Catalog, ended: &Load, found: &Resource, id: &TableId, loaded: &Loaded, list: Option<&File>) -> Result<bool> {
    let now = catalog.clock.now();
    let there = table::find(&catalog.db, id.as_str()).await?;
    let change = Change {
        table: id.clone(),
        dataset: madang_kit::check::id("dataset_id", &found.dataset_id)?,
        mode: WriteMode::Overwrite,
        made_for: there.map(|table| table.schema),
        made_from: None,
        schema: loaded.schema.clone(),
        files: loaded.staged.files.clone(),
        leaving: Vec::new(),
        parameters: BTreeMap::new(),
        resource_name: String::new(),
        unique_key: Vec::new(),
    };
    let principal: Principal = serde_json::from_str(&ended.principal).map_err(Error::internal)?;
    let mut tx = catalog.db.begin().await?;
    dataset::lock(&mut tx, &found.dataset_id).await?; // first, as whoever wishes for a load does
    let mut source = Source::Tx(tx);
    if !store::end(&mut source, ended, now).await? {
        return Ok(false);
    }
    if let Source::Tx(tx) = &mut source {
        datastore::forget_key(tx, id.as_str()).await?;
        publish::decide(catalog, tx, &Context::new(principal), std::slice::from_ref(&change), None).await?;
    }
    match list {
        Some(list) => drop(files::keep(&mut source, list, Kind::BadRows, &found.id).await?),
        None => files::release(&mut source, Kind::BadRows, &found.id, now).await?,
    }
    site::put_task(&mut source, &task(ended, now)).await?;
    commit(source).await?;
    Ok(true)
}

/// What a load tells of itself, as CKAN's loaders do.
struct Log(Vec<Value>);

impl Log {
    fn add(&mut self, catalog: &Catalog, level: &str, message: &str) {
        if self.0.len() < LOG_MAX {
            self.0.push(json!({"timestamp": date(catalog.clock.now()), "level": level, "message": message}));
        }
    }

    fn text(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }
}
