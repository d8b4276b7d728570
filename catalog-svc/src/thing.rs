//! What organizations and datasets have in common: lists, versions, a change over an earlier revision.

use madang_kit::{Code, Context, Error, Id, Result, check, time};
use madang_proto::catalog::v1::{ListObjectVersionsRequest, ListObjectVersionsResponse, ListRequest, ObjectKind, ObjectVersion};
use prost::Message;

use crate::{
    Catalog, dataset, organization,
    store::thing::{self as store, Filter, anywhere},
};

const DEFAULT_LIST: u32 = 100;
const MAX_LIST: u32 = 1_000;

/// What a list is narrowed to. One row more than asked for is read, so that the last page is known.
pub(crate) fn filter(request: ListRequest) -> Result<Filter> {
    let limit = if request.limit == 0 { DEFAULT_LIST } else { request.limit };
    if limit > MAX_LIST {
        return Err(Error::invalid("limit", "range", format!("limit must be 1 to {MAX_LIST}")));
    }
    let offset = i64::try_from(request.offset).map_err(|_| Error::invalid("offset", "range", "offset is too large"))?;
    Ok(Filter {
        limit: i64::from(limit) + 1,
        offset,
        after: request.after.unwrap_or_default(),
        like: anywhere(request.q.as_deref()),
        tag: request.tag,
        organization: check::optional_id("collection_id", request.organization_id.as_deref())?.map(|id| id.to_string()),
        groups: request.groups,
    })
}

/// Cuts the row that was read beyond the page, and gives the id to go on after.
pub(crate) fn cut<T>(rows: &mut Vec<T>, filter: &Filter, id: impl Fn(&T) -> String) -> Option<String> {
    let limit = usize::try_from(filter.limit - 1).unwrap_or_default();
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last().map(id)
}

/// The kept versions of an organization or a dataset that the caller may see.
pub(crate) async fn versions(
    catalog: &Catalog,
    context: &Context,
    request: ListObjectVersionsRequest,
) -> Result<ListObjectVersionsResponse> {
    let id = check::id("id", &request.id)?;
    match request.kind() {
        ObjectKind::Organization => drop(organization::readable(catalog, context, id).await?),
        ObjectKind::Dataset => drop(dataset::readable(catalog, context, id).await?),
        ObjectKind::Unspecified => return Err(Error::invalid("kind", "missing", "kind is missing")),
    }
    let version = |version: store::Version| ObjectVersion {
        revision: version.revision,
        at: Some(time::wire(version.at)),
        size: version.size.try_into().unwrap_or_default(),
    };
    Ok(ListObjectVersionsResponse { versions: store::versions(&catalog.db, id).await?.into_iter().map(version).collect() })
}

/// An older version of a thing that the caller may see.
pub(crate) async fn version<M: Message + Default>(catalog: &Catalog, id: Id, revision: i64) -> Result<M> {
    let body = store::version(&catalog.db, id, revision).await?;
    let body = body.ok_or_else(|| Error::new(Code::NotFound, format!("there is no version v{revision}")))?;
    M::decode(body.as_slice()).map_err(Error::internal)
}

/// Two changes of the same revision: the second is refused, not lost.
pub(crate) fn changed_meanwhile() -> Error {
    Error::new(Code::Conflict, "it was changed by somebody else meanwhile; try again")
}

/// A thing that is there but hidden from the caller: told apart by its code only.
pub(crate) fn hidden(mut error: Error) -> Error {
    error.code = Code::NotVisible;
    error
}

/// A title that another one has already.
pub(crate) fn title_taken(title: &str) -> Error {
    Error::new(Code::AlreadyExists, format!("the name '{title}' is taken"))
}
