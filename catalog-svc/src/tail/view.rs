//! A table as it is now.

use std::sync::{Arc, PoisonError};

use madang_kit::{Code, Error, Result};
use madang_lake::{Snapshot, TableId, Tail};

use super::{TABLES, Tails};
use crate::{
    Catalog,
    error::lake_error,
    publish,
    store::tail::{self as store, Kept, State, Sum},
};

/// How often the table is looked at again because it was published to meanwhile.
const ATTEMPTS: usize = 20;

/// A table's newest version with its tail, and what the two were at that moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) snapshot: Snapshot,
    pub(crate) state: State,
    pub(super) loaded: Option<Arc<Loaded>>,
}

/// A tail in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    publishes: i64,
    schema: madang_lake::Schema,
    sum: Sum,
    pub(super) tail: Arc<Tail>,
    /// Each row's id and change, and whether it lives.
    pub(super) marks: Vec<(i64, i64, bool)>,
}

/// Looks at a table. `None` if there is none.
///
/// The tail is read before the files: a row that is folded meanwhile is in both, which is no harm, because it counts once. If a fold
/// came in between, it is looked again.
pub(crate) async fn view(catalog: &Catalog, table: &str) -> Result<Option<View>> {
    let id: TableId = table.parse().map_err(lake_error)?;
    for _ in 0..ATTEMPTS {
        let Some(state) = store::state(&catalog.db, table).await? else { return Ok(None) };
        let loaded = if state.sum.rows == 0 { None } else { Some(load(catalog, table, &state).await?) };
        let mut snapshot = if state.publishes == 0 {
            Snapshot::new(id.clone(), 0, state.schema.clone(), Vec::new())
        } else {
            publish::roll_forward(catalog, &id).await?
        };
        let is_one = loaded.is_none() && snapshot.schema == state.schema;
        if is_one || store::publishes(&catalog.db, table).await? == state.publishes {
            snapshot.schema = state.schema.clone();
            snapshot.tail = loaded.as_ref().map(|loaded| loaded.tail.clone());
            return Ok(Some(View { snapshot, state, loaded }));
        }
    }
    Err(Error::new(Code::Unavailable, "the table is too busy"))
}

/// A table's files, without what lies above them: for who writes.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) snapshot: Snapshot,
    pub(crate) publishes: i64,
}

/// Looks at a table's files. `None` if there is no table.
pub(crate) async fn base(catalog: &Catalog, table: &str) -> Result<Option<Base>> {
    let id: TableId = table.parse().map_err(lake_error)?;
    for _ in 0..ATTEMPTS {
        let Some((publishes, schema)) = store::columns(&catalog.db, table).await? else { return Ok(None) };
        if publishes == 0 {
            return Ok(Some(Base { snapshot: Snapshot::new(id, 0, schema, Vec::new()), publishes }));
        }
        let snapshot = publish::roll_forward(catalog, &id).await?;
        if snapshot.schema == schema || store::publishes(&catalog.db, table).await? == publishes {
            return Ok(Some(Base { snapshot: Snapshot { schema, ..snapshot }, publishes }));
        }
    }
    Err(Error::new(Code::Unavailable, "the table is too busy"))
}

async fn load(catalog: &Catalog, table: &str, state: &State) -> Result<Arc<Loaded>> {
    if let Some(loaded) = catalog.tails.loaded(table, state) {
        return Ok(loaded);
    }
    let rows = store::rows(&catalog.db, table).await?;
    let schema = state.schema.clone();
    let (marks, sum, rows) = marked(rows);
    let tail = Arc::new(Tail::new(&schema, rows).map_err(lake_error)?);
    let loaded = Arc::new(Loaded { publishes: state.publishes, schema, sum, tail, marks });
    catalog.tails.remember(table, loaded.clone());
    Ok(loaded)
}

type Marked = (Vec<(i64, i64, bool)>, Sum, Vec<(i64, bool, Option<store::Cells>)>);

fn marked(rows: Vec<Kept>) -> Marked {
    let mut sum = Sum::default();
    let mut marks = Vec::with_capacity(rows.len());
    for row in &rows {
        sum = Sum { rows: sum.rows + 1, top: sum.top.max(row.seq), total: sum.total + row.seq };
        marks.push((row.id, row.seq, row.cells.is_some()));
    }
    (marks, sum, rows.into_iter().map(|row| (row.id, row.in_files, row.cells)).collect())
}

impl Tails {
    fn loaded(&self, table: &str, state: &State) -> Option<Arc<Loaded>> {
        let all = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |loaded: &&Arc<Loaded>| loaded.sum == state.sum && loaded.publishes == state.publishes && loaded.schema == state.schema;
        all.get(table).filter(is_it).cloned()
    }

    fn remember(&self, table: &str, loaded: Arc<Loaded>) {
        let mut all = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= TABLES {
            all.clear();
        }
        all.insert(table.to_owned(), loaded);
    }

    /// Forgets a tail that was folded.
    pub(super) fn forget(&self, table: &str) {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).remove(table);
    }
}
