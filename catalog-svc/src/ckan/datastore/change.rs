//! Changes of rows: records that come in, matched with rows that are there.
//!
//! Files are looked at before the transaction, for a publish that is then still the last one. Inside of it other writers of the same keys wait, and what lies above
//! the files decides: a row there goes before the one of the same id in a file.

use std::collections::HashMap;

use madang_kit::ckan::{Dict, Outcome, Refusal, text_of};
use madang_lake::{ColumnType, DataFile, ROW_ID, batch_of, rows_of};
use serde_json::{Value, json};

use super::{
    Table,
    field::Field,
    rows::{Merged, Rows, key_of},
    value::{cell, show},
};
use crate::{
    Catalog,
    ckan::Act,
    error::lake_error,
    store::tail::{self as store, Cells},
    tail,
};

/// How often a change begins again because the table was published to meanwhile.
pub(super) const ATTEMPTS: usize = 50;
/// Keys of one call that are locked one by one; with more the whole table is.
const LOCKED_KEYS: usize = 64;
/// Records of one call.
const RECORDS: usize = 250_000;

/// What happens with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Insert,
    Update,
    Upsert,
}

/// A record that came in.
#[derive(Clone, Debug)]
struct Incoming {
    cells: Cells,
    /// The row that it names by its id.
    id: Option<i64>,
    /// Its key, if it has one: the key by which its row is found, or, of a record with an id, the one that its row gets.
    key: Option<String>,
}

/// Records that are ready to become rows.
pub(super) struct Change {
    method: Method,
    incoming: Vec<Incoming>,
    unique_key: Vec<String>,
    /// Rows of the files that they may be about.
    in_files: Vec<(i64, Cells)>,
}

/// What came of a change.
pub(super) enum Done {
    /// The rows, with their ids.
    Rows(Vec<(i64, Cells)>),
    /// The table was published to, or row ids were missing: it must begin again.
    Again,
}

/// `{"records": ["…"], "records_row": 3}`
fn bad_record(number: usize, message: &str) -> Refusal {
    Refusal::Validation(Dict::from_iter([("records".to_owned(), json!([message])), ("records_row".to_owned(), number.into())]))
}

impl Change {
    /// Reads records. What is wrong with one is told with its number.
    pub(super) fn read(fields: &[Field], unique_key: &[String], method: Method, records: &[Value]) -> Outcome<Self> {
        if records.len() > RECORDS {
            return Err(Refusal::invalid("records", format!("at most {RECORDS} records can be given at once")));
        }
        let by_name = super::search::by_name(fields);
        let has_id = |record: &Value| record.get(ROW_ID).is_some_and(|id| !id.is_null());
        if method != Method::Insert && unique_key.is_empty() && !records.iter().all(has_id) {
            return Err(Refusal::invalid("table", "unique key must be passed for update/upsert"));
        }
        let mut incoming = Vec::with_capacity(records.len());
        for (number, record) in records.iter().enumerate() {
            let Value::Object(record) = record else {
                return Err(Refusal::invalid("records", format!("row \"{number}\" is not a json object")));
            };
            let unknown: Vec<&str> =
                record.keys().filter(|name| name.as_str() != ROW_ID && !by_name.contains_key(name.as_str())).map(String::as_str).collect();
            if !unknown.is_empty() {
                let names = unknown.join(", ");
                return Err(match method {
                    Method::Insert => Refusal::invalid("records", format!("row \"{}\" has extra keys \"{names}\"", number + 1)),
                    _ => Refusal::invalid("fields", format!("fields \"{names}\" do not exist")),
                });
            }
            let id = match record.get(ROW_ID).filter(|id| !id.is_null() && method != Method::Insert) {
                Some(id) => Some(row_id(id).map_err(|why| bad_record(number, &why))?),
                None => None,
            };
            if method != Method::Insert && id.is_none() {
                let missing: Vec<&str> = unique_key.iter().filter(|name| !record.contains_key(*name)).map(String::as_str).collect();
                if !missing.is_empty() {
                    return Err(Refusal::invalid("key", format!("fields \"{}\" are missing\n but needed as key", missing.join(", "))));
                }
            }
            let mut cells = Cells::new();
            for (name, value) in record {
                let Some(field) = by_name.get(name.as_str()) else { continue };
                cells.insert(name.clone(), cell(field, value).map_err(|why| bad_record(number, &why))?);
            }
            let mandatory = fields.iter().find(|field| !field.nullable && cells.get(&field.name).is_none_or(Value::is_null));
            if let (Some(field), Method::Insert) = (mandatory, method) {
                let why = format!("null value in column \"{}\" violates not-null constraint", field.name);
                return Err(bad_record(number, &why));
            }
            let key = if id.is_some() { None } else { key_of(unique_key, &cells) };
            incoming.push(Incoming { cells, id, key });
        }
        Ok(Self { method, incoming, unique_key: unique_key.to_vec(), in_files: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.incoming.is_empty()
    }

    /// Whether it takes the table for itself: PostgreSQL has room for so many locks only.
    fn is_large(&self) -> bool {
        self.incoming.len() > LOCKED_KEYS
    }

    /// Keeps publishes away until the transaction ends, and others who write the same rows.
    pub(super) async fn lock(&self, act: &mut Act, table: &str) -> Outcome<()> {
        let tx = act.tx()?;
        if self.is_large() {
            store::exclude(tx, table).await?;
        } else {
            store::share(tx, table).await?;
        }
        Ok(())
    }

    /// Looks for the rows of the files that the records may be about.
    pub(super) async fn look(&mut self, catalog: &Catalog, table: &Table) -> Outcome<()> {
        let ids: Vec<Vec<Value>> = self.incoming.iter().filter_map(|record| record.id.map(|id| vec![id.into()])).collect();
        self.in_files = find(catalog, table, &[(ROW_ID.to_owned(), ColumnType::Int64)], &ids).await?;
        let renamed = self.renamed(catalog, table).await?;
        let kinds: HashMap<&str, ColumnType> = table.fields.iter().map(|field| (field.name.as_str(), field.lake)).collect();
        let columns: Option<Vec<(String, ColumnType)>> =
            self.unique_key.iter().map(|name| Some((name.clone(), *kinds.get(name.as_str())?))).collect();
        let cells = |cells: &Cells| self.unique_key.iter().map(|name| cells.get(name).filter(|cell| !cell.is_null()).cloned()).collect();
        let own = self.incoming.iter().filter(|record| record.id.is_none()).filter_map(|record| cells(&record.cells));
        let keyed: Vec<Vec<Value>> = own.chain(renamed.iter().filter_map(cells)).collect();
        let found = find(catalog, table, &columns.unwrap_or_default(), &keyed).await?; // a key column that is new is in no file
        self.in_files.extend(found);
        Ok(())
    }

    /// What rows become whose records name them by id and change their keys. The keys that they get are noted.
    async fn renamed(&mut self, catalog: &Catalog, table: &Table) -> Outcome<Vec<Cells>> {
        let is_renamed = |record: &Incoming| record.id.is_some() && self.unique_key.iter().any(|name| record.cells.contains_key(name));
        let ids: Vec<i64> = self.incoming.iter().filter(|record| is_renamed(record)).filter_map(|record| record.id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = catalog.db.begin().await?;
        let above = store::with(&mut tx, &table.resource.id, Vec::new(), ids.clone()).await?;
        drop(tx);
        let mut now: HashMap<i64, Cells> = self.in_files.iter().cloned().collect();
        now.extend(above.into_iter().filter_map(|kept| Some((kept.id, kept.cells?))));
        let ids: std::collections::HashSet<i64> = ids.into_iter().collect();
        let mut renamed = Vec::new();
        for record in self.incoming.iter_mut().filter(|record| record.id.is_some_and(|id| ids.contains(&id))) {
            let Some(cells) = record.id.and_then(|id| now.get_mut(&id)) else { continue };
            cells.extend(record.cells.clone());
            record.key = key_of(&self.unique_key, cells);
            renamed.push(cells.clone());
        }
        Ok(renamed)
    }

    /// Writes the rows, inside of the transaction.
    pub(super) async fn write(&self, act: &mut Act, table: &Table) -> Outcome<Done> {
        let id = table.resource.id.clone();
        let (catalog, now) = (act.catalog.clone(), act.now.timestamp_millis());
        let tx = act.tx()?;
        let keys: Vec<String> = self.incoming.iter().filter_map(|record| record.key.clone()).collect();
        if !self.is_large() {
            store::lock_keys(tx, &id, keys.iter()).await?;
        }
        let ids: Vec<i64> = self.in_files.iter().map(|row| row.0).chain(self.incoming.iter().filter_map(|record| record.id)).collect();
        let keys = if self.unique_key.is_empty() { Vec::new() } else { keys };
        let above = store::with(tx, &id, keys, ids).await?;
        let known = self.incoming.iter().filter_map(|record| record.key.clone()).collect();
        let mut rows = Rows::new(&self.unique_key, &self.in_files, above, known);
        for (number, record) in self.incoming.iter().enumerate() {
            let Some(next) = self.take(&mut rows, number, record, || tail_id(&catalog, &id))? else { return Ok(Done::Again) };
            rows.touched.push(next);
        }
        let written = rows.written();
        if !written.is_empty() {
            let change = store::next_change(tx).await?;
            store::put(tx, &id, change, now, written).await?;
        }
        Ok(Done::Rows(rows.into_touched()))
    }

    /// Takes one record in; `None` if there is no id for its row, or its key was not looked for.
    fn take(&self, rows: &mut Rows<'_>, number: usize, record: &Incoming, new_id: impl FnOnce() -> Option<i64>) -> Outcome<Option<i64>> {
        let there = match (record.id, &record.key) {
            (Some(id), _) => rows.states.contains_key(&id).then_some(id),
            (None, Some(key)) => rows.by_key.get(key).copied(),
            (None, None) => None,
        };
        let taken =
            || bad_record(number, &format!("duplicate key value violates unique constraint \"{}\"", self.unique_key.join("_") + "_key"));
        match (self.method, there) {
            (Method::Insert, Some(_)) => Err(taken()),
            (Method::Update | Method::Upsert, Some(id)) => match rows.merge(id, &record.cells) {
                Merged::Done => Ok(Some(id)),
                Merged::Taken => Err(taken()),
                Merged::Unknown => Ok(None),
            },
            (Method::Update, None) => Err(self.not_found(record)),
            (Method::Upsert, None) if record.id.is_some() => Err(self.not_found(record)),
            (Method::Insert | Method::Upsert, None) => {
                let Some(id) = new_id() else { return Ok(None) };
                rows.add(id, record.cells.clone());
                Ok(Some(id))
            }
        }
    }

    fn not_found(&self, record: &Incoming) -> Refusal {
        let values: Vec<String> = match record.id {
            Some(id) => vec![id.to_string()],
            None => {
                self.unique_key.iter().map(|name| record.cells.get(name).and_then(text_of).unwrap_or_else(|| "None".to_owned())).collect()
            }
        };
        let shown: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
        Refusal::invalid("key", format!("key \"[{}]\" not found", shown.join(", ")))
    }

    /// Row ids for as many new rows as there may be, if the block in memory has too few.
    pub(super) async fn reserve(&self, catalog: &Catalog, table: &str, files: &[DataFile]) -> Outcome<()> {
        if self.method != Method::Update && !self.is_empty() {
            let above = files.last().map_or(0, |file| file.last_row_id);
            tail::have_ids(catalog, table, i64::try_from(self.incoming.len()).unwrap_or(i64::MAX), above).await?;
        }
        Ok(())
    }
}

/// The rows of a table's files that have some cells in some columns.
async fn find(catalog: &Catalog, table: &Table, columns: &[(String, ColumnType)], rows: &[Vec<Value>]) -> Outcome<Vec<(i64, Cells)>> {
    if table.snapshot.files.is_empty() || columns.is_empty() || rows.is_empty() {
        return Ok(Vec::new());
    }
    let keys = batch_of(columns, rows).map_err(lake_error)?;
    Ok(rows_of(&catalog.lake.find(&table.snapshot, &keys).await.map_err(lake_error)?))
}

fn tail_id(catalog: &Catalog, table: &str) -> Option<i64> {
    tail::next_id(catalog, table)
}

fn row_id(value: &Value) -> Result<i64, String> {
    let shown = text_of(value).unwrap_or_default();
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .ok_or_else(|| format!("invalid input syntax for type integer: \"{shown}\""))
}

/// Rows as records of an answer.
pub(super) fn shown(fields: &[Field], rows: Vec<(i64, Cells)>) -> Value {
    let record = |(id, mut cells): (i64, Cells)| {
        let mut record = Dict::from_iter([(ROW_ID.to_owned(), Value::from(id))]);
        record.extend(fields.iter().map(|field| (field.name.clone(), show(field, cells.remove(&field.name).unwrap_or_default()))));
        Value::Object(record)
    };
    rows.into_iter().map(record).collect()
}
