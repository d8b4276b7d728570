//! New columns for a table that is there (dhub.md section 6): nullable ones are added, numbers become wider, nothing else.

use std::collections::BTreeMap;

use madang_kit::{Code, Error, Result, check};
use madang_lake::{Schema, Staged, TableId, WriteMode};

use crate::{
    Catalog,
    error::lake_error,
    rewriting::Guard,
    store::{dataset::Dataset, publish::Change, table as store},
    tail,
    upload::discard,
};

/// How often files are written anew because the table changed meanwhile.
pub(crate) const ATTEMPTS: usize = 3;

/// A change of a table's columns with the files that it needs, ready to be decided.
pub(crate) struct Wider {
    pub(crate) change: Change,
    _rewriting: Guard,
}

impl Wider {
    /// Prepares what a table needs to get these columns. `None` if there is no table, or nothing to change.
    ///
    /// # Errors
    /// [`Code::Conflict`] if the table can't get them.
    pub(crate) async fn prepare(catalog: &Catalog, dataset: &Dataset, wanted: &Schema) -> Result<Option<Self>> {
        let Some(table) = store::primary(&catalog.db, &dataset.id).await? else { return Ok(None) };
        if table.schema == *wanted {
            return Ok(None);
        }
        table.schema.check_widening(wanted).map_err(unfit)?;
        let id: TableId = table.id.parse().map_err(lake_error)?;
        let rewriting = catalog.rewriting.begin(&id);
        let mut change = Change {
            table: id.clone(),
            dataset: check::id("id", &dataset.id)?,
            mode: WriteMode::Append,
            made_for: Some(table.schema.clone()),
            made_from: None,
            schema: wanted.clone(),
            files: Vec::new(),
            leaving: Vec::new(),
            parameters: BTreeMap::new(),
            resource_name: String::new(),
            unique_key: Vec::new(),
        };
        if table.schema.check_growth(wanted).is_err() {
            let base = tail::settled(catalog, &id).await?;
            let rewrite = catalog.lake.widen(&base, wanted).await.map_err(unfit)?;
            change.mode = WriteMode::Widen;
            change.made_from = Some(base.version);
            change.files = rewrite.staged.files;
            change.leaving = rewrite.leaving;
        }
        Ok(Some(Self { change, _rewriting: rewriting }))
    }

    /// Removes the files after a refusal.
    pub(crate) async fn discard(&self, catalog: &Catalog) {
        discard(catalog, &self.change.table, &Staged { files: self.change.files.clone(), columns: 0 }).await;
    }
}

/// The table as it is does not allow it.
fn unfit(error: madang_lake::Error) -> Error {
    match error {
        madang_lake::Error::Invalid(text) => Error::new(Code::Conflict, text),
        other => lake_error(other),
    }
}
