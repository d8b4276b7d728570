//! Batches cut into pieces of bounded size, and how much a file becomes in all.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::DataType,
};
use madang_lake::{Error, Limits, Result};

/// Bytes of the texts in one piece, unless a single row has more.
const PIECE_BYTES: usize = 4 << 20;

/// Counts what was decoded.
pub(super) struct Decoded {
    cell_bytes: usize,
    most: u64,
    bytes: u64,
    rows: u64,
}

impl Decoded {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { cell_bytes: limits.cell_bytes, most: limits.decoded_bytes, bytes: 0, rows: 0 }
    }

    /// The rows of a batch in pieces.
    pub(super) fn pieces(&mut self, batch: &RecordBatch) -> Result<Vec<RecordBatch>> {
        let sizes = self.text_sizes(batch)?;
        let fixed = (batch.num_rows() * batch.num_columns() * size_of::<u64>()) as u64;
        self.bytes += fixed + sizes.iter().map(|size| *size as u64).sum::<u64>();
        if self.bytes > self.most {
            return Err(Error::LimitExceeded(format!("the file unpacks to more than {} bytes, which is the limit", self.most)));
        }
        self.rows += batch.num_rows() as u64;
        Ok(cut(batch, &sizes))
    }

    /// Bytes of the texts in each row.
    fn text_sizes(&self, batch: &RecordBatch) -> Result<Vec<usize>> {
        let mut sizes = vec![0_usize; batch.num_rows()];
        for (column, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
            if *column.data_type() != DataType::Utf8View {
                continue;
            }
            let views = column.as_string_view();
            for (row, (size, length)) in sizes.iter_mut().zip(views.lengths()).enumerate() {
                let length = if views.is_null(row) { 0 } else { length as usize };
                if length > self.cell_bytes {
                    let (row, most) = (self.rows + row as u64 + 1, self.cell_bytes);
                    let name = field.name();
                    return Err(Error::LimitExceeded(format!(
                        "row {row}: the cell in column '{name}' is larger than {most} bytes, which is the limit"
                    )));
                }
                *size = size.saturating_add(length);
            }
        }
        Ok(sizes)
    }
}

fn cut(batch: &RecordBatch, sizes: &[usize]) -> Vec<RecordBatch> {
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0_usize);
    for (row, size) in sizes.iter().enumerate() {
        if row > start && bytes.saturating_add(*size) > PIECE_BYTES {
            pieces.push(batch.slice(start, row - start));
            (start, bytes) = (row, 0);
        }
        bytes = bytes.saturating_add(*size);
    }
    pieces.push(batch.slice(start, batch.num_rows() - start));
    pieces
}
