//! Rows by their keys: hashes of each unit's keys are kept, what they point at is compared.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, UInt32Array},
    compute::{concat_batches, take},
};
use madang_lake::{ROW_ID, Result};

use super::Scan;
use crate::{query, storage};

/// The stored rows whose cells in the columns of `keys` are those of one of its rows.
pub(crate) async fn find(scan: Scan<'_>, keys: &RecordBatch) -> Result<RecordBatch> {
    let schema = &scan.snapshot.schema;
    let stored = schema.clone().relaxed().stored();
    let names: Vec<String> = keys.schema().fields().iter().map(|field| field.name().clone()).collect();
    let wanted = query::keys(keys.columns())?;
    let wanted: Vec<&[u8]> = (0..wanted.len()).filter(|row| !wanted.is_null(*row)).map(|row| wanted.value(row)).collect();
    let every: Vec<String> = std::iter::once(ROW_ID.to_owned()).chain(schema.columns.iter().map(|column| column.name.clone())).collect();
    let mut found = Vec::new();
    for unit in scan.columns.units(scan.snapshot).await? {
        let index = if let Some(index) = scan.indexes.keys(&unit, &names) {
            index
        } else {
            let columns = scan.columns.named(&unit, schema, &names).await?;
            let built = tokio::task::spawn_blocking(move || Keys::build(&columns)).await.map_err(storage)??;
            scan.indexes.keep_keys(&unit, &names, Arc::new(built))
        };
        let candidates = index.places(&wanted);
        if candidates.is_empty() {
            continue;
        }
        let candidates = UInt32Array::from(candidates);
        let columns = scan.columns.named(&unit, schema, &every).await?;
        let rows: Vec<ArrayRef> = columns.iter().map(|column| take(column, &candidates, None).map_err(storage)).collect::<Result<_>>()?;
        let rows = RecordBatch::try_new(stored.clone(), rows).map_err(storage)?;
        found.push(same(&rows, &names, &wanted)?);
    }
    concat_batches(&stored, &found).map_err(storage)
}

/// Those rows that do have one of the keys.
fn same(rows: &RecordBatch, names: &[String], wanted: &[&[u8]]) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = names.iter().filter_map(|name| rows.column_by_name(name).cloned()).collect();
    let keys = query::keys(&columns)?;
    let wanted: std::collections::HashSet<&[u8]> = wanted.iter().copied().collect();
    let places = (0..keys.len()).filter(|row| !keys.is_null(*row) && wanted.contains(keys.value(*row)));
    let places = UInt32Array::from(places.map(|row| u32::try_from(row).map_err(storage)).collect::<Result<Vec<_>>>()?);
    let columns = rows.columns().iter().map(|column| take(column, &places, None).map_err(storage)).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(rows.schema(), columns).map_err(storage)
}

/// Hashes of the keys of a unit's rows, ascending, each with the row's place.
#[derive(Debug)]
pub(crate) struct Keys(Vec<(u64, u32)>);

impl Keys {
    fn build(columns: &[ArrayRef]) -> Result<Self> {
        let keys = query::keys(columns)?;
        let mut hashed = Vec::with_capacity(keys.len());
        for row in (0..keys.len()).filter(|row| !keys.is_null(*row)) {
            hashed.push((hash(keys.value(row)), u32::try_from(row).map_err(storage)?));
        }
        hashed.sort_unstable();
        Ok(Self(hashed))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.len() * size_of::<(u64, u32)>()
    }

    fn places(&self, wanted: &[&[u8]]) -> Vec<u32> {
        let mut places = Vec::new();
        for key in wanted {
            let hash = hash(key);
            let from = self.0.partition_point(|(known, _)| *known < hash);
            places.extend(self.0.get(from..).unwrap_or_default().iter().take_while(|(known, _)| *known == hash).map(|(_, row)| *row));
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
