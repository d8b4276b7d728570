//! The copy of the gateway's users.

use madang_kit::{Result, check};
use madang_proto::catalog::v1::{PutUserRequest, PutUserResponse};

use crate::{Catalog, store};

/// Writes one user as of a revision.
pub(crate) async fn put(catalog: &Catalog, request: PutUserRequest) -> Result<PutUserResponse> {
    check::id("id", &request.id)?;
    let mut tx = catalog.db.begin().await?;
    store::user::put(&mut tx, request).await?;
    tx.commit().await?;
    Ok(PutUserResponse {})
}
