//! Rows from the catalogue: the header, then batches as their bytes come.

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use madang_kit::{Error, Result};
use madang_lake::{Decoder, RowStream};
use madang_proto::catalog::v1::{ReadTableHeader, ReadTableResponse, read_table_response::Part};
use tonic::Streaming;

type Batches = BoxStream<'static, madang_lake::Result<arrow::array::RecordBatch>>;

/// Rows on their way in.
pub(super) struct Rows {
    answer: Streaming<ReadTableResponse>,
    decoder: Decoder,
    ready: Vec<arrow::array::RecordBatch>,
}

/// Reads the header and the schema; the batches follow as they are asked for.
pub(super) async fn read(answer: Streaming<ReadTableResponse>) -> Result<(ReadTableHeader, RowStream)> {
    let mut rows = Rows { answer, decoder: Decoder::default(), ready: Vec::new() };
    let Some(Part::Header(header)) = rows.answer.message().await?.and_then(|message| message.part) else {
        return Err(Error::internal("rows without a header"));
    };
    let schema = loop {
        if let Some(schema) = rows.decoder.schema() {
            break schema;
        }
        if !rows.more().await? {
            return Err(Error::internal("rows without a schema"));
        }
    };
    Ok((header, RowStream { schema, batches: rows.batches() }))
}

impl Rows {
    /// Takes in one more piece; false at the end.
    async fn more(&mut self) -> Result<bool> {
        let Some(message) = self.answer.message().await? else { return Ok(false) };
        if let Some(Part::Rows(piece)) = message.part {
            self.ready.extend(self.decoder.decode(piece).map_err(Error::internal)?);
        }
        Ok(true)
    }

    fn batches(self) -> Batches {
        let rest = stream::try_unfold(self, |mut rows| async move {
            while rows.ready.is_empty() {
                if !rows.more().await.map_err(madang_lake::Error::storage)? {
                    return Ok(None);
                }
            }
            let batches = std::mem::take(&mut rows.ready);
            Ok(Some((stream::iter(batches.into_iter().map(Ok::<_, madang_lake::Error>)), rows)))
        });
        rest.flat_map(|part| match part {
            Ok(batches) => batches.boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        })
        .boxed()
    }

    /// The service's own error, if that is what ended the rows.
    pub(super) fn error(error: madang_lake::Error) -> Error {
        match error {
            madang_lake::Error::Storage(cause) => match cause.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::internal(other),
            },
            other => Error::internal(other),
        }
    }
}
