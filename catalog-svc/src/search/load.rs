//! Datasets from the database as documents for the index, in a constant number of statements.

use std::collections::HashMap;

use madang_kit::{Error, Result, db::Source};
use madang_lake::Schema;

use super::document::Entry;
use crate::{
    Catalog, ckan,
    store::{
        ckan::{package as packages, tag as tags},
        search as store,
        thing::{Names, names_of},
    },
};

/// Those of some datasets that an index holds: all but purged ones and, unless the site keeps them, deleted ones.
pub(super) async fn entries(catalog: &Catalog, ids: Vec<String>) -> Result<Vec<Entry>> {
    let mut source = Source::from(&catalog.db);
    let mut rows = packages::with_ids(&mut source, ids).await?;
    rows.retain(|row| match row.state.as_str() {
        "purged" => false,
        "deleted" => !catalog.site.remove_deleted_packages,
        _ => true,
    });
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let vocabularies: HashMap<String, String> =
        tags::vocabularies(&mut source).await?.into_iter().map(|vocabulary| (vocabulary.id, vocabulary.name)).collect();
    let things = rows.iter().flat_map(|row| [Some(row.id.clone()), row.organization_id.clone()]).flatten();
    let readers = names_of(&mut source, Names::Groups, things.collect()).await?;
    let mut columns: HashMap<String, Vec<String>> = HashMap::new();
    for (dataset, schema) in store::columns(&mut source, rows.iter().map(|row| row.id.clone()).collect()).await? {
        columns.entry(dataset).or_default().extend(names(&schema)?);
    }
    let around: Vec<_> = rows.iter().map(|row| (row.id.clone(), row.organization_id.clone(), row.visibility.clone())).collect();
    let dicts = ckan::marked_dicts(catalog, rows).await?;
    let readers_of = |thing: Option<&String>| thing.and_then(|thing| readers.get(thing)).cloned().unwrap_or_default();
    let entry = |((id, owner, visibility), dict): ((String, Option<String>, String), _)| Entry {
        dict,
        visibility,
        readers: readers_of(Some(&id)),
        owner_readers: readers_of(owner.as_ref()),
        columns: columns.remove(&id).unwrap_or_default(),
        vocabularies: vocabularies.clone(),
    };
    Ok(around.into_iter().zip(dicts).map(entry).collect())
}

fn names(schema: &str) -> Result<Vec<String>> {
    let schema: Schema = serde_json::from_str(schema).map_err(Error::internal)?;
    Ok(schema.columns.into_iter().map(|column| column.name).collect())
}
