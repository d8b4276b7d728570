//! Rows that are deleted under conditions.

use std::collections::BTreeMap;

use madang_kit::{
    Code, Context, Error, Result, check,
    idempotency::{self, Claim},
};
use madang_lake::{Filter, Limits, Rewrite, Snapshot, TableId, WriteMode};
use madang_proto::catalog::v1::{DeleteRowsRequest, DeleteRowsResponse};

use crate::{
    Catalog,
    addressed::Addressed,
    error::{in_query, lake_error},
    publish,
    store::{dataset::Dataset, publish::Change},
    table::{nothing, read_filters},
    tail,
    upload::discard,
};

/// How often the rows are looked for again because the table changed meanwhile.
const ATTEMPTS: usize = 5;
/// What a delete may take.
const LIMITS: Limits = Limits { memory_bytes: 256 << 20, ..Limits::STEP };

/// Takes the rows that meet every condition out of a dataset's table.
pub(crate) async fn delete(catalog: &Catalog, context: &Context, request: DeleteRowsRequest) -> Result<DeleteRowsResponse> {
    if request.filters.is_empty() {
        return Err(Error::invalid("filter", "missing", "at least one filter says which rows are deleted"));
    }
    let from = Addressed::writable(catalog, context, check::id("dataset_id", &request.dataset_id)?).await?;
    let filters = read_filters(&request.filters)?;
    for _ in 0..ATTEMPTS {
        match delete_once(catalog, context, &from, &filters).await {
            Err(error) if error.code == Code::Conflict => tracing::debug!("the table changed during a delete; starting again"),
            other => return other,
        }
    }
    Err(Error::new(Code::Conflict, "the table is being changed by others; try again"))
}

async fn delete_once(catalog: &Catalog, context: &Context, from: &Addressed, filters: &[Filter]) -> Result<DeleteRowsResponse> {
    let Some(table) = from.table(catalog).await? else {
        let nothing = nothing(from)?;
        catalog.lake.delete(&nothing, filters, &LIMITS).await.map_err(in_query)?; // conditions at fault are told all the same
        return Ok(DeleteRowsResponse { rows: 0 });
    };
    let id: TableId = table.id.parse().map_err(lake_error)?;
    let _rewriting = catalog.rewriting.begin(&id);
    let base = tail::settled(catalog, &id).await?;
    let rewrite = catalog.lake.delete(&base, filters, &LIMITS).await.map_err(in_query)?;
    let answer = DeleteRowsResponse { rows: rewrite.rows };
    let staged = rewrite.staged.clone();
    match decide(catalog, context, &change(&from.dataset, &base, rewrite, filters)?, &answer).await {
        Ok(None) if answer.rows == 0 => Ok(answer),
        Ok(None) => {
            publish::roll_forward_later(catalog, &id).await;
            Ok(answer)
        }
        Ok(Some(earlier)) => {
            discard(catalog, &id, &staged).await;
            Ok(earlier)
        }
        Err(error) => {
            if error.is_refusal() {
                discard(catalog, &id, &staged).await; // else the commit record may stand, and it names these files
            }
            Err(error)
        }
    }
}

fn change(dataset: &Dataset, base: &Snapshot, rewrite: Rewrite, filters: &[Filter]) -> Result<Change> {
    let columns: Vec<_> = filters.iter().map(|filter| filter.column.as_str()).collect(); // never the values: they may be what is to vanish
    Ok(Change {
        table: base.table.clone(),
        dataset: check::id("dataset_id", &dataset.id)?,
        mode: WriteMode::Delete,
        made_for: Some(base.schema.clone()),
        made_from: Some(base.version),
        schema: base.schema.clone(),
        files: rewrite.staged.files,
        leaving: rewrite.leaving,
        parameters: BTreeMap::from([("columns".to_owned(), columns.join(","))]),
        resource_name: String::new(),
        unique_key: Vec::new(),
    })
}

/// Writes the commit record, if there is anything to change; gives the earlier answer if this very delete was done before.
async fn decide(catalog: &Catalog, context: &Context, change: &Change, answer: &DeleteRowsResponse) -> Result<Option<DeleteRowsResponse>> {
    let mut tx = catalog.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &catalog.clock, context, "DeleteRows").await? {
        Claim::Done(earlier) => return Ok(Some(earlier)),
        Claim::New(ticket) => ticket,
    };
    if answer.rows > 0 {
        publish::decide(catalog, &mut tx, context, std::slice::from_ref(change), None).await?;
    }
    ticket.record(&mut tx, answer).await?;
    tx.commit().await?;
    Ok(None)
}
