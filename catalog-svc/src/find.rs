//! Tables by the words of Data Flow (design: "Names"): an organization's and a dataset's id, CKAN name, or title if it is unique.

use madang_kit::{Context, Error, Id, Result};
use madang_proto::catalog::v1::{FindTableRequest, FindTableResponse, TableSchema};

use crate::{
    Catalog,
    addressed::Addressed,
    permission::reader,
    store::{dataset, organization, schema_version, thing::Reader},
};

/// Finds a table and every schema that it has had.
///
/// # Errors
/// [`madang_kit::Code::NotFound`] names the word that nothing answers to, [`madang_kit::Code::Invalid`] one that several do.
pub(crate) async fn find(catalog: &Catalog, context: &Context, request: FindTableRequest) -> Result<FindTableResponse> {
    let reader = reader(&catalog.db, &context.principal).await?;
    let FindTableRequest { database, table: word } = request;
    let organizations = organization::named(&catalog.db, &reader, &database, &id_text("col", &database)).await?;
    let organization = only("database", &database, organizations)?;
    let id = id_text("ds", &word);
    let datasets = dataset::named(&catalog.db, &reader, &organization.id, &word, &id).await?;
    let found = match further(catalog, &reader, &organization.id, &id).await? {
        Some(further) if datasets.is_empty() => further,
        _ => only("table", &word, datasets)?.into(),
    };
    found.dataset.demand_table()?;
    let schemas = match found.table(catalog).await? {
        Some(table) => schema_version::all(&catalog.db, &table.id).await?,
        None => Vec::new(),
    };
    let schema = |(number, schema): (i64, madang_lake::Schema)| TableSchema { number, columns: (&schema).into() };
    Ok(FindTableResponse { dataset_id: found.id(), schemas: schemas.into_iter().map(schema).collect() })
}

/// A dataset's further table, by its resource's id.
async fn further(catalog: &Catalog, reader: &Reader, organization: &str, word: &str) -> Result<Option<Addressed>> {
    let Ok(id) = word.parse::<Id>() else { return Ok(None) };
    let found = Addressed::find(catalog, reader, id).await?;
    Ok(found.filter(|found| found.dataset.organization_id.as_deref() == Some(organization)))
}

/// A thing's id, if a word is one in any of its spellings.
fn id_text(prefix: &str, word: &str) -> String {
    let id = Id::parse_prefixed(prefix, word).or_else(|_| word.to_ascii_lowercase().parse::<Id>());
    id.map_or_else(|_| word.to_owned(), |id| id.to_string())
}

fn only<T>(field: &str, word: &str, mut found: Vec<T>) -> Result<T> {
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Error::invalid(field, "ambiguous", format!("several are titled '{word}'; use the id"))),
        (None, _) => Err(Error::not_found(field, word.escape_debug())),
    }
}
