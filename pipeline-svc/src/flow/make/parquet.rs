//! Parquet without nested columns.

use bytes::Bytes;
use futures::StreamExt;
use madang_kit::{Error, Result};
use madang_lake::{Flow, ObjectFormat, Objects, Place, RowStream};

use super::sink::{Made, Scratch, Sink};
use crate::flow::lake_error;

/// Writes all rows: into a stage, which is where the engine writes such files, and from there to the local disk.
pub(crate) async fn write(flow: &dyn Flow, objects: &dyn Objects, rows: RowStream, stage: &Place, scratch: &Scratch) -> Result<Made> {
    let copied = async {
        let names = flow.write_objects(rows, ObjectFormat::Parquet, &[], stage).await.map_err(lake_error)?;
        let name = names.first().ok_or_else(|| Error::internal("no file was written"))?;
        let mut pieces = flow.staged(stage, name).await.map_err(lake_error)?;
        let mut sink = Sink::new(scratch)?;
        while let Some(piece) = pieces.next().await {
            let piece: Bytes = piece.map_err(lake_error)?;
            sink.put(&piece)?;
        }
        sink.finish()
    };
    let made = copied.await;
    objects.clear(stage).await.map_err(lake_error)?;
    made
}
