//! Uploaded files (ckan.md section 7): bytes on the object store below `files/`, a row for each in the database.
//!
//! The row is written first (`waiting`), then the bytes are stored, then the change that the file belongs to keeps it; the file that it
//! takes the place of is `gone` in the same transaction. What waited too long goes too. A sweep removes bytes of files that went a
//! while ago, and then their rows. So no file is lost with a transaction that fails, and none stays for ever.

pub(crate) mod open;
pub(crate) mod receive;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use chrono::TimeDelta;
use futures::{StreamExt, stream::BoxStream};
use madang_kit::{Drain, Error, Id, Result, error::chain, housekeeping};
use madang_lake::Error as LakeError;
use tokio::{fs, io::AsyncReadExt};

use crate::{
    Catalog,
    error::lake_error,
    store::file::{self as store, File, Kind},
};

/// How often files that went are removed.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How long a file waits for its change: longer than any upload or load.
const WAITS_FOR: TimeDelta = TimeDelta::days(1);
/// How long a file that went can still be read by those who began before.
const GRACE: TimeDelta = TimeDelta::hours(1);
/// Files that one sweep removes.
const SWEPT: i64 = 500;
const PIECE: usize = 256 << 10;

/// Stores a file from the local disk; it waits for its change.
pub(crate) async fn store(catalog: &Catalog, kind: Kind, name: &str, media_type: &str, from: &Path, sha256: String) -> Result<File> {
    let (key, now) = (Id::generate().to_string(), catalog.clock.now());
    let mut tx = catalog.db.begin().await?;
    store::expect(&mut tx, &key, kind, name, media_type, now).await?;
    tx.commit().await?;
    let bytes = catalog.files.put(&key, pieces(from).await?).await.map_err(lake_error)?;
    let bytes = i64::try_from(bytes).map_err(Error::internal)?;
    Ok(File { key, name: name.to_owned(), media_type: media_type.to_owned(), bytes, sha256, since: now })
}

/// Lets a file go whose change was refused.
pub(crate) async fn give_up(catalog: &Catalog, file: &File) {
    let given_up = async {
        let mut tx = catalog.db.begin().await?;
        store::give_up(&mut tx, &file.key, catalog.clock.now()).await?;
        Ok::<_, Error>(tx.commit().await?)
    };
    if let Err(error) = given_up.await {
        tracing::warn!(error = %chain(&error), "a file of a refused change goes later");
    }
}

async fn pieces(from: &Path) -> Result<BoxStream<'static, madang_lake::Result<Bytes>>> {
    let file = fs::File::open(from).await.map_err(Error::internal)?;
    let pieces = futures::stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await.map_err(LakeError::storage)?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok(pieces.boxed())
}

/// Removes what went, now and then until the process drains.
pub(crate) fn spawn(catalog: Catalog, drain: &Drain) {
    housekeeping::every(SWEEP_EVERY, drain, "uploaded files not removed yet", move || {
        let catalog = catalog.clone();
        async move { sweep(&catalog).await }
    });
}

async fn sweep(catalog: &Catalog) -> Result<()> {
    let now = catalog.clock.now();
    let mut tx = catalog.db.begin().await?;
    store::let_go(&mut tx, now - WAITS_FOR, now).await?;
    tx.commit().await?;
    for key in store::gone(&catalog.db, now - GRACE, SWEPT).await? {
        catalog.files.delete(&key).await.map_err(lake_error)?;
        let mut tx = catalog.db.begin().await?;
        store::forget(&mut tx, &key).await?;
        tx.commit().await?;
    }
    Ok(())
}
