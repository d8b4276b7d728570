//! Tables by D.Hub's ids (design: "Tables"): a dataset's id means its primary table, a resource's id the table of that resource.

use madang_kit::{Context, Error, Id, Result};
use madang_lake::Schema;

use crate::{
    Catalog,
    permission::{Action, demand_as, reader},
    store::{
        dataset::{self as datasets, Dataset},
        table::{self, Table},
        thing::Reader,
    },
    thing,
};

/// A table that somebody named; it may not be made yet.
#[derive(Clone, Debug)]
pub(crate) struct Addressed {
    pub(crate) dataset: Dataset,
    /// The resource, if it is that which was named.
    resource: Option<Id>,
}

impl Addressed {
    /// One that the caller may read.
    ///
    /// # Errors
    /// As [`crate::dataset::readable`]; [`madang_kit::Code::Conflict`] if the dataset has no tables.
    pub(crate) async fn readable(catalog: &Catalog, context: &Context, id: Id) -> Result<Self> {
        let reader = reader(&catalog.db, &context.principal).await?;
        Self::visible(catalog, &reader, id).await
    }

    /// One that the caller may change.
    ///
    /// # Errors
    /// As [`crate::dataset::writable`]; [`madang_kit::Code::Conflict`] if the dataset has no tables.
    pub(crate) async fn writable(catalog: &Catalog, context: &Context, id: Id) -> Result<Self> {
        let reader = reader(&catalog.db, &context.principal).await?;
        let found = Self::visible(catalog, &reader, id).await?;
        demand_as(catalog, &reader, Action::WriteDataset((&found.dataset).into())).await?;
        Ok(found)
    }

    /// One that is looked for in a statement; `None` if there is none that the reader sees.
    pub(crate) async fn find(catalog: &Catalog, reader: &Reader, id: Id) -> Result<Option<Self>> {
        if let Some(dataset) = datasets::find_visible(&catalog.db, reader, id).await? {
            return Ok(Some(dataset.into()));
        }
        let Some(owner) = table::owner(&catalog.db, id).await? else { return Ok(None) };
        let dataset = datasets::find_visible(&catalog.db, reader, owner).await?;
        Ok(dataset.map(|dataset| Self { dataset, resource: Some(id) }))
    }

    async fn visible(catalog: &Catalog, reader: &Reader, id: Id) -> Result<Self> {
        let Some(found) = Self::find(catalog, reader, id).await? else { return Err(absent(catalog, id).await?) };
        found.dataset.demand_table()?;
        Ok(found)
    }

    /// The table, if it is made and was not taken away.
    pub(crate) async fn table(&self, catalog: &Catalog) -> Result<Option<Table>> {
        match self.resource {
            Some(resource) => table::find(&catalog.db, &resource.to_string()).await,
            None => table::primary(&catalog.db, &self.dataset.id).await,
        }
    }

    /// The columns that the table will have, if somebody said so.
    pub(crate) fn declared(&self) -> Result<Option<Schema>> {
        if self.resource.is_some() { Ok(None) } else { self.dataset.declared() }
    }

    /// What it was named by: the resource's id or the dataset's.
    pub(crate) fn id(&self) -> String {
        self.resource.map_or_else(|| self.dataset.id.clone(), |id| id.to_string())
    }

    /// Whether it was named by its resource.
    pub(crate) fn is_resource(&self) -> bool {
        self.resource.is_some()
    }

    /// The id of a table that is not made yet.
    pub(crate) fn new_id(&self) -> Id {
        self.resource.unwrap_or_else(Id::generate)
    }
}

impl From<Dataset> for Addressed {
    /// The dataset's primary table.
    fn from(dataset: Dataset) -> Self {
        Self { dataset, resource: None }
    }
}

/// What is said of an id that names nothing the caller sees. What is hidden from him differs by its code alone.
async fn absent(catalog: &Catalog, id: Id) -> Result<Error> {
    let owner = table::owner(&catalog.db, id).await?.unwrap_or(id);
    let hidden = datasets::find(&catalog.db, owner).await?.is_some();
    let absent = Error::not_found("dataset", id.prefixed("ds"));
    Ok(if hidden { thing::hidden(absent) } else { absent })
}
