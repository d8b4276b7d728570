//! What a `datastore_create` does to a table: looked at with its files, then done in one transaction.

use std::collections::BTreeMap;

use madang_kit::{
    Error, check,
    ckan::{Dict, Outcome, Refusal},
};
use madang_lake::{ROW_ID, Schema, Snapshot, WriteMode};
use serde_json::{Value, json};

use super::{
    Table,
    change::{Change, Done, Method},
    field::{self, Field},
};
use crate::{
    ckan::Act,
    error::lake_error,
    permission::Action,
    publish,
    store::{
        ckan::{
            package as packages,
            resource::{self as resources, Resource},
        },
        dataset,
        datastore::{self as store, About},
        publish::Change as Publish,
        schema_version, table as tables, tail,
    },
    tail::settled,
    unique,
    upload::discard,
};

/// What a call wants.
pub(super) struct Wanted {
    pub(super) fields: Option<Vec<Value>>,
    pub(super) records: Vec<Value>,
    pub(super) unique_key: Option<Vec<String>>,
    pub(super) indexes: Option<Vec<String>>,
    pub(super) aliases: Option<Vec<String>>,
    pub(super) deletes_fields: bool,
    pub(super) includes_records: bool,
}

/// What came of a call.
pub(super) struct Made {
    pub(super) fields: Vec<Field>,
    pub(super) rows: Vec<(i64, tail::Cells)>,
}

/// What is to be done with a table.
pub(super) struct Plan {
    fields: Vec<Field>,
    about: About,
    aliases: Option<Vec<String>>,
    pub(super) change: Change,
    /// Whether the unique key is another one than before.
    new_key: bool,
    /// Whether columns leave.
    fewer: bool,
    /// The publish that takes columns out.
    rewritten: Option<Publish>,
}

impl Plan {
    pub(super) fn new(wanted: &Wanted, table: Option<&Table>) -> Outcome<Self> {
        let known: &[Field] = table.map_or(&[], |table| table.fields.as_slice());
        let first = wanted.records.first().and_then(Value::as_object);
        let mut fields = known.to_vec();
        let mut fewer = false;
        if let Some(given) = &wanted.fields {
            let is_known = |field: &&Value| name_of(field).is_some_and(|name| known.iter().any(|known| known.name == name));
            let new: Vec<Value> = given.iter().filter(|field| !is_known(field)).cloned().collect();
            let new = field::read(&new, first)?;
            field::check_twice(&given.iter().filter_map(|field| same_as(field, known, &new)).collect::<Vec<_>>())?;
            if wanted.deletes_fields && table.is_some() {
                let listed = |field: &Field| given.iter().any(|given| name_of(given) == Some(&field.name));
                let before = fields.len();
                fields.retain(listed);
                fewer = fields.len() < before;
            }
            for field in given {
                let info = field.get("info").filter(|info| info.is_object());
                let there = fields.iter_mut().find(|there| Some(there.name.as_str()) == name_of(field));
                if let (Some(info), Some(there)) = (info, there) {
                    there.info = Some(info.clone());
                }
            }
            fields.extend(new);
        }
        if let Some(first) = first {
            let more = field::of_record(first, &fields)?;
            fields.extend(more);
        }
        field::check_twice(&fields)?;
        if fewer && fields.is_empty() {
            return Err(Refusal::invalid("fields", "a table can't lose all its columns"));
        }
        let before = table.map(|table| table.about.clone()).unwrap_or_default();
        let unique_key = wanted.unique_key.clone().unwrap_or_else(|| before.unique_key.clone());
        let indexes = wanted.indexes.clone().unwrap_or_else(|| before.indexes.clone());
        for name in unique_key.iter().map(String::as_str).chain(indexes.iter().flat_map(|index| index.split(',')).map(str::trim)) {
            if name != ROW_ID && fields.iter().all(|field| field.name != name) {
                return Err(Refusal::invalid("index", format!("The field \"{name}\" is not a valid column name.")));
            }
        }
        let change = Change::read(&fields, &unique_key, Method::Insert, &wanted.records)?;
        let new_key = unique_key != before.unique_key;
        let about = About { fields: fields.iter().map(field::remembered).collect(), unique_key, indexes, revision: before.revision };
        Ok(Self { fields, about, aliases: wanted.aliases.clone(), change, new_key, fewer, rewritten: None })
    }

    /// What takes files: rows with the same keys, a new key over the rows that are there, columns that leave.
    pub(super) async fn prepare(&mut self, act: &Act, table: Option<&Table>, resource: &Resource) -> Outcome<()> {
        let catalog = &act.catalog;
        if let Some(table) = table {
            if self.new_key && !self.about.unique_key.is_empty() {
                self.check_key(act, table).await?;
            }
            let with_key = Table {
                resource: table.resource.clone(),
                about: self.about.clone(),
                snapshot: Snapshot { schema: field::schema(&self.fields), ..table.snapshot.clone() },
                publishes: table.publishes,
                fields: self.fields.clone(),
            };
            self.change.look(catalog, &with_key).await?;
            if self.fewer && table.publishes > 0 {
                let base = settled(catalog, &table.snapshot.table).await?;
                let narrower = Snapshot { schema: field::schema(&self.fields), ..base.clone() };
                let rewrite = catalog.lake.fold(&narrower, true).await.map_err(lake_error)?;
                self.rewritten = Some(Publish {
                    made_for: Some(base.schema),
                    made_from: Some(base.version),
                    files: rewrite.staged.files,
                    unique_key: table.about.unique_key.clone(), // the rows are those that are there
                    ..publish_of(table, &narrower.schema)?
                });
            }
        }
        let files = table.map_or(&[][..], |table| &table.snapshot.files);
        self.change.reserve(catalog, &resource.id, files).await
    }

    /// Refuses a unique key that rows break which are there.
    async fn check_key(&self, act: &Act, table: &Table) -> Outcome<()> {
        let view = crate::tail::view(&act.catalog, &table.resource.id).await?;
        let Some(view) = view.filter(|view| self.about.unique_key.iter().all(|name| view.snapshot.schema.column(name).is_some())) else {
            return Ok(());
        };
        if unique::is_twice(&act.catalog, view.snapshot, &self.about.unique_key).await.map_err(super::in_search)? {
            return Err(Refusal::Validation(Dict::from_iter([
                ("constraints".to_owned(), json!(["Cannot insert records or create index because of uniqueness constraint"])),
                ("info".to_owned(), json!({"orig": "could not create unique index", "pgcode": "23505"})),
            ])));
        }
        Ok(())
    }

    pub(super) async fn discard(&self, act: &Act) {
        if let Some(publish) = &self.rewritten {
            let staged = madang_lake::Staged { files: publish.files.clone(), columns: 0 };
            discard(&act.catalog, &publish.table, &staged).await;
        }
    }

    /// Does it all, inside of the transaction. `None` if the table was changed meanwhile.
    pub(super) async fn apply(&self, act: &mut Act, resource: &Resource, table: Option<&Table>) -> Outcome<Option<Made>> {
        let id = resource.id.clone();
        let Some(package) = packages::lock(&mut act.source, &resource.dataset_id).await? else { return Ok(None) };
        if !act.may(Action::WriteDataset((&package).into())).await? {
            return Err(act.not_authorized(&format!("update resource {id}")));
        }
        let dropped = store::is_dropped(&mut act.source, &id).await?;
        let tx = act.tx()?;
        tail::exclude(tx, &id).await?;
        let expected = table.map(|table| (table.publishes, table.about.revision));
        if tail::standing(tx, &id).await? != expected {
            return Ok(None);
        }
        if self.new_key && tail::has_rows(tx, &id).await? {
            self.rekey(act, &id).await?;
        }
        let schema = field::schema(&self.fields);
        if !self.set_columns(act, &id, table, &schema, dropped).await? {
            return Ok(None);
        }
        let tx = act.tx()?;
        store::put(tx, &id, &self.about).await?;
        if let Some(aliases) = &self.aliases
            && let Some(taken) = store::set_aliases(tx, &id, aliases).await?
        {
            return Err(Refusal::invalid("alias", format!("The alias \"{taken}\" already exists.")));
        }
        let rows = if self.change.is_empty() {
            Vec::new()
        } else {
            let after = Table {
                resource: resource.clone(),
                about: self.about.clone(),
                snapshot: Snapshot::new(id.parse().map_err(lake_error)?, 0, schema, Vec::new()),
                publishes: 0,
                fields: self.fields.clone(),
            };
            match self.change.write(act, &after).await? {
                Done::Rows(rows) => rows,
                Done::Again => return Ok(None),
            }
        };
        if table.is_none() {
            packages::touch(&mut act.source, &package.id, act.now).await?;
        }
        Ok(Some(Made { fields: self.fields.clone(), rows }))
    }

    /// Gives the rows above the files their new keys.
    async fn rekey(&self, act: &mut Act, id: &str) -> Outcome<()> {
        let now = act.now.timestamp_millis();
        let tx = act.tx()?;
        let rows = tail::rows_in(tx, id).await?;
        let written = rows.into_iter().map(|row| tail::Written {
            key: row.cells.as_ref().and_then(|cells| super::rows::key_of(&self.about.unique_key, cells)),
            body: row.cells.map(|cells| Value::Object(cells).to_string()),
            id: row.id,
            in_files: row.in_files,
        });
        let written: Vec<_> = written.collect();
        let change = tail::next_change(tx).await?;
        Ok(tail::put(tx, id, change, now, written).await?)
    }

    /// Makes the table, or gives it its columns. False if it was changed meanwhile.
    async fn set_columns(&self, act: &mut Act, id: &str, table: Option<&Table>, schema: &Schema, dropped: bool) -> Outcome<bool> {
        let (catalog, context, now) = (act.catalog.clone(), act.context.clone(), act.now);
        let tx = act.tx()?;
        if let Some(publish) = &self.rewritten {
            match publish::decide(&catalog, tx, &context, std::slice::from_ref(publish), None).await {
                Ok(_) => act.published = Some(publish.table.clone()),
                Err(error) if publish::is_moved(&error) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            return Ok(true);
        }
        if table.is_none() && !dropped {
            tables::insert(tx, id, &Schema::default()).await?;
        }
        if dropped {
            store::bring_back(tx, id).await?;
        }
        let before = tables::lock(tx, id).await?.ok_or_else(|| Refusal::from(Error::internal("a table vanished")))?;
        if before.schema == *schema && !dropped {
            return Ok(true);
        }
        let fresh = before.publishes > 0 && (dropped || before.schema.columns.is_empty());
        if fresh && !schema.columns.is_empty() {
            // its versions had other columns, or none: a version without rows comes between
            let dataset = resources::find(&mut act.source, id).await?.map(|resource| resource.dataset_id).unwrap_or_default();
            let publish = Publish { made_for: Some(before.schema.clone()), schema: schema.clone(), ..empty_publish(id, &dataset)? };
            publish::decide(&catalog, act.tx()?, &context, std::slice::from_ref(&publish), None).await?;
            act.published = Some(publish.table);
            return Ok(true);
        }
        tail::set_columns(tx, id, schema).await?;
        schema_version::note(tx, id, schema).await?;
        let dataset = resources::find(&mut act.source, id).await?.map(|resource| resource.dataset_id).unwrap_or_default();
        let tx = act.tx()?;
        if tables::primary_in(tx, &dataset).await?.is_some_and(|primary| primary.id == id) {
            let columns = serde_json::to_string(schema)?;
            dataset::touch(tx, &dataset, now, Some(columns)).await?;
        }
        Ok(true)
    }
}

/// The name of a column that a caller describes.
fn name_of(field: &Value) -> Option<&str> {
    field.as_str().or_else(|| field.get("id").and_then(Value::as_str))
}

/// The column that a caller describes, as it is or will be.
fn same_as(given: &Value, known: &[Field], new: &[Field]) -> Option<Field> {
    known.iter().chain(new).find(|field| Some(field.name.as_str()) == name_of(given)).cloned()
}

fn publish_of(table: &Table, schema: &Schema) -> Outcome<Publish> {
    Ok(Publish { schema: schema.clone(), ..super::delete::emptied(table)? })
}

fn empty_publish(id: &str, dataset: &str) -> Outcome<Publish> {
    Ok(Publish {
        table: id.parse().map_err(lake_error)?,
        dataset: check::id("dataset_id", dataset)?,
        mode: WriteMode::Overwrite,
        made_for: None,
        made_from: None,
        schema: Schema::default(),
        files: Vec::new(),
        leaving: Vec::new(),
        parameters: BTreeMap::new(),
        resource_name: String::new(),
        unique_key: Vec::new(),
    })
}
