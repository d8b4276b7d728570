//! Uploaded files on their way out, whole or in part, to those who may read them.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use madang_kit::{Code, Context, Error, Result, db::Source};
use madang_proto::catalog::v1::{ByteRange, FileHead, OpenFileRequest, StoredFileKind};

use crate::{
    Catalog,
    ckan::linked_url,
    error::lake_error,
    permission::{self, reader},
    store::{
        ckan::{package, resource},
        file::{self as store, File, Kind},
    },
};

/// A file that is being read.
pub(crate) struct Opened {
    pub(crate) head: FileHead,
    pub(crate) pieces: BoxStream<'static, Result<Bytes>>,
}

/// Opens a file.
///
/// # Errors
/// [`Code::Denied`] if the caller may not read its dataset, [`Code::NotFound`] if there is none.
pub(crate) async fn open(catalog: &Catalog, context: &Context, request: OpenFileRequest) -> Result<Opened> {
    let file = match request.kind() {
        StoredFileKind::Image => store::image(&catalog.db, &request.name).await?.ok_or_else(absent)?,
        StoredFileKind::Resource => match of_resource(catalog, context, &request).await? {
            Found::Stored => store::find(&catalog.db, Kind::Resource, &request.resource_id).await?.ok_or_else(absent)?,
            Found::Linked(link) => {
                return Ok(Opened { head: FileHead { link, ..FileHead::default() }, pieces: stream::empty().boxed() });
            }
        },
        StoredFileKind::BadRows => {
            demand_edit(catalog, context, &request).await?;
            store::find(&catalog.db, Kind::BadRows, &request.resource_id).await?.ok_or_else(absent)?
        }
        StoredFileKind::Unspecified => return Err(Error::invalid("kind", "missing", "kind is missing")),
    };
    read(catalog, file, &request).await
}

/// Where a resource's file is.
enum Found {
    Stored,
    Linked(String),
}

async fn of_resource(catalog: &Catalog, context: &Context, request: &OpenFileRequest) -> Result<Found> {
    let mut source = Source::from(&catalog.db);
    let found = resource::find(&mut source, &request.resource_id).await?.ok_or_else(absent)?;
    demand_read(catalog, context, request, &found).await?;
    let text = |name: &str| found.fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    if text("url_type") == "upload" {
        return Ok(Found::Stored);
    }
    let url = text("url");
    if url.is_empty() { Err(absent()) } else { Ok(Found::Linked(linked_url(&url))) }
}

/// A dataset that is not the resource's, or that is gone, is not found; one that the caller may not read is refused.
async fn demand_read(catalog: &Catalog, context: &Context, request: &OpenFileRequest, of: &resource::Resource) -> Result<package::Package> {
    let (mut source, reader) = (Source::from(&catalog.db), reader(&catalog.db, &context.principal).await?);
    let found = package::find_for(&mut source, &reader, &of.dataset_id).await?.ok_or_else(absent)?;
    if ![found.package.id.as_str(), found.package.name.as_str()].contains(&request.dataset.as_str()) {
        return Err(absent());
    }
    if found.seen { Ok(found.package) } else { Err(Error::new(Code::Denied, "Not authorized to download resource")) }
}

/// Rows that were set aside are for those who can mend the file.
async fn demand_edit(catalog: &Catalog, context: &Context, request: &OpenFileRequest) -> Result<()> {
    let mut source = Source::from(&catalog.db);
    let found = resource::find(&mut source, &request.resource_id).await?.ok_or_else(absent)?;
    let package = demand_read(catalog, context, request, &found).await?;
    permission::demand(catalog, &context.principal, permission::Action::WriteDataset((&package).into())).await
}

async fn read(catalog: &Catalog, file: File, request: &OpenFileRequest) -> Result<Opened> {
    let bytes = u64::try_from(file.bytes).map_err(Error::internal)?;
    let asked = request.range.filter(|_| request.range_of.is_empty() || request.range_of == file.sha256);
    let range = asked.map(|range| resolve(range, bytes));
    let head = FileHead {
        link: String::new(),
        name: file.name,
        media_type: file.media_type,
        bytes,
        sha256: file.sha256,
        modified_ms: file.since.timestamp_millis(),
        range_start: range.as_ref().map(|range| range.start),
        range_end: range.as_ref().map(|range| range.end),
    };
    let wanted = range.unwrap_or(0..bytes);
    if request.head_only || wanted.is_empty() {
        return Ok(Opened { head, pieces: stream::empty().boxed() });
    }
    let pieces = catalog.files.get(&file.key, wanted).await.map_err(lake_error)?;
    Ok(Opened { head, pieces: pieces.map_err(lake_error).boxed() })
}

/// The bytes that a range means; an empty range if the file has none of them.
fn resolve(range: ByteRange, bytes: u64) -> Range<u64> {
    match (range.first, range.last) {
        (Some(first), _) if first >= bytes => 0..0,
        (Some(first), last) => first..last.map_or(bytes, |last| last.saturating_add(1).min(bytes)).max(first),
        (None, Some(length)) => bytes.saturating_sub(length)..bytes,
        (None, None) => 0..bytes,
    }
}

fn absent() -> Error {
    Error::new(Code::NotFound, "Resource not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_in_the_file() {
        let of = |first, last| resolve(ByteRange { first, last }, 10);
        assert_eq!(of(Some(0), Some(3)), 0..4);
        assert_eq!(of(Some(4), None), 4..10);
        assert_eq!(of(Some(4), Some(u64::MAX)), 4..10);
        assert_eq!(of(None, Some(3)), 7..10);
        assert_eq!(of(None, Some(30)), 0..10);
        assert!(of(Some(10), None).is_empty() && of(None, Some(0)).is_empty());
    }
}
