//! What the catalogue knows about a caller, for services that decide about their own things.

use madang_kit::{Context, Error, Result, check};
use madang_proto::catalog::v1::{DescribeReaderRequest, DescribeReaderResponse};

use crate::{
    Catalog,
    permission::reader,
    store::{organization as store, user},
};

/// Organizations in one question.
const MAX_ORGANIZATIONS: usize = 10_000;

/// Says whether the caller passes every check, his groups, and what he is in each organization.
pub(crate) async fn describe(catalog: &Catalog, context: &Context, request: DescribeReaderRequest) -> Result<DescribeReaderResponse> {
    let ids = request.organization_ids;
    if ids.len() > MAX_ORGANIZATIONS {
        return Err(Error::invalid("organization_ids", "too_many", format!("at most {MAX_ORGANIZATIONS} organizations can be asked for")));
    }
    for id in &ids {
        check::id("organization_ids", id)?;
    }
    let reader = reader(&catalog.db, &context.principal).await?;
    let standings = if ids.is_empty() { Vec::new() } else { store::standings(&catalog.db, &reader, ids).await? };
    let member = standings.iter().filter(|row| row.member).map(|row| row.id.clone()).collect();
    Ok(DescribeReaderResponse {
        admin: reader.admin,
        groups: user::groups(&catalog.db, context.principal.user).await?,
        visible: standings.into_iter().map(|row| row.id).collect(),
        member,
    })
}
