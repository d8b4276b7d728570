//! Rows between processes: the Arrow IPC stream format, cut into pieces of bounded size.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    buffer::Buffer,
    datatypes::Schema,
    ipc::{reader::StreamDecoder, writer::StreamWriter},
};
use bytes::Bytes;

use crate::{Error, Result};

/// The largest piece that [`Encoder`] gives, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Turns batches into bytes.
pub struct Encoder {
    writer: StreamWriter<Vec<u8>>,
}

impl Encoder {
    /// Begins a stream of rows with this schema.
    pub fn new(schema: &Schema) -> Result<Self> {
        StreamWriter::try_new(Vec::new(), schema).map(|writer| Self { writer }).map_err(Error::storage)
    }

    /// The bytes of a batch, together with everything not taken before, in pieces.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        self.writer.write(batch).map_err(Error::storage)?;
        Ok(self.take())
    }

    /// The bytes that end the stream.
    pub fn finish(mut self) -> Result<Vec<Bytes>> {
        self.writer.finish().map_err(Error::storage)?;
        Ok(self.take())
    }

    fn take(&mut self) -> Vec<Bytes> {
        let mut rest = Bytes::from(std::mem::take(self.writer.get_mut()));
        let mut pieces = Vec::with_capacity(rest.len() / PIECE_BYTES + 1);
        while rest.len() > PIECE_BYTES {
            pieces.push(rest.split_to(PIECE_BYTES));
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        pieces
    }
}

/// Turns the bytes back into batches.
#[derive(Default)]
pub struct Decoder {
    decoder: StreamDecoder,
}

impl Decoder {
    /// The batches that are complete with this piece.
    pub fn decode(&mut self, piece: Bytes) -> Result<Vec<RecordBatch>> {
        let mut buffer = Buffer::from(piece);
        let mut batches = Vec::new();
        while !buffer.is_empty() {
            if let Some(batch) = self.decoder.decode(&mut buffer).map_err(Error::storage)? {
                batches.push(batch);
            }
        }
        Ok(batches)
    }

    /// The schema, once its bytes have come.
    pub fn schema(&self) -> Option<Arc<Schema>> {
        self.decoder.schema()
    }
}
