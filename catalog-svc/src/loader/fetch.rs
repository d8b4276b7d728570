//! Linked files, fetched by the rules for outbound calls.

use aws_lc_rs::digest::Context as Hasher;
use futures::StreamExt;
use madang_kit::{Result, fetch};

use crate::{
    Catalog,
    spool::{Allowance, SpoolFile},
};

/// Writes what an address answers with.
pub(super) async fn fetch(catalog: &Catalog, url: &str, to: &mut SpoolFile, allowance: &mut Allowance, hasher: &mut Hasher) -> Result<()> {
    let mut pieces = fetch::fetch(&catalog.fetch_allow, url, None).await?.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| fetch::away("the file broke off"))?;
        hasher.update(&piece);
        to.write(&piece, allowance).await?;
    }
    Ok(())
}
