//! Rows as text, straight from Arrow columns, without an object per row.

mod cell;

use arrow::array::RecordBatch;

use crate::Result;
pub use cell::RAW_JSON;
use cell::{Cells, json, plain_columns, write_csv_text};

/// Appends the rows of a batch as positional JSON arrays: `[1,"a",null],[2,"b",true]`.
///
/// The caller writes the outer brackets, and a comma between two batches that both have rows; a batch without rows
/// adds nothing. Numbers are shortest round-trip text (`5.0` keeps its fraction, NaN and infinities are `null`), text is
/// raw UTF-8, days are `2026-03-01`, instants `2026-03-01T05:00:00Z` with a fraction only where it is not zero, local
/// times the same without `Z`.
///
/// # Errors
/// [`crate::Error::Invalid`] names a column whose type no table can hold. `out` is then unchanged.
pub fn write_json_rows(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    write_rows(batch, out, (b"[", b",[", b"]"), |_, cells, row, out| cells.write_json(row, out))
}

/// Appends the rows of a batch as JSON objects: `{"id":1,"name":"a"},{"id":2,"name":null}`. Otherwise as [`write_json_rows`].
///
/// # Errors
/// As [`write_json_rows`].
pub fn write_json_objects(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    write_objects(batch, out, (b"{", b",{", b"}"))
}

/// Appends the rows of a batch as JSON objects, one a line. Otherwise as [`write_json_rows`].
///
/// # Errors
/// As [`write_json_rows`].
pub fn write_json_lines(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    write_objects(batch, out, (b"{", b"{", b"}\n"))
}

fn write_objects(batch: &RecordBatch, out: &mut Vec<u8>, around: (&[u8], &[u8], &[u8])) -> Result<()> {
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| {
        let mut name = Vec::new();
        json(field.name(), &mut name);
        name.push(b':');
        name
    });
    let names: Vec<_> = names.collect();
    write_rows(batch, out, around, |column, cells, row, out| {
        out.extend_from_slice(names.get(column).map(Vec::as_slice).unwrap_or_default());
        cells.write_json(row, out);
    })
}

/// Appends the header of a CSV file.
pub fn write_csv_header(schema: &arrow::datatypes::Schema, out: &mut Vec<u8>) {
    for (at, field) in schema.fields().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_csv_text(field.name(), out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the rows of a batch as CSV lines (RFC 4180).
///
/// # Errors
/// As [`write_json_rows`].
pub fn write_csv_rows(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    write_rows(batch, out, (b"", b"", b"\r\n"), |_, cells, row, out| cells.write_csv(row, out))
}

/// Walks over the cells of a batch: what opens the first row, what opens the others, what closes each, and how a cell is written.
fn write_rows(
    batch: &RecordBatch,
    out: &mut Vec<u8>,
    (first, next, close): (&[u8], &[u8], &[u8]),
    write: impl Fn(usize, &Cells<'_>, usize, &mut Vec<u8>),
) -> Result<()> {
    let plain = plain_columns(batch)?;
    let cells: Vec<Cells<'_>> = plain.iter().zip(batch.schema_ref().fields()).map(|(array, field)| Cells::of(array, field)).collect();
    for row in 0..batch.num_rows() {
        out.extend_from_slice(if row == 0 { first } else { next });
        for (index, column) in cells.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write(index, column, row, out);
        }
        out.extend_from_slice(close);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
            TimestampMicrosecondArray,
        },
        compute::cast,
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    fn rendered(column: ArrayRef) -> String {
        let schema = Schema::new(vec![Field::new("c", column.data_type().clone(), true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).expect("one column");
        let mut out = Vec::new();
        write_json_rows(&batch, &mut out).expect("a type that tables hold");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_are_shortest_and_nan_is_null() {
        assert_eq!(rendered(Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(7)]))), "[-9223372036854775808],[null],[7]");
        assert_eq!(
            rendered(Arc::new(Float64Array::from(vec![5.0, 0.1, -0.0, f64::NAN, f64::INFINITY, 1e300]))),
            "[5.0],[0.1],[-0.0],[null],[null],[1e+300]"
        );
        assert_eq!(rendered(Arc::new(Float32Array::from(vec![0.1_f32]))), "[0.1]");
        assert_eq!(rendered(Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))), "[true],[false],[null]");
    }

    #[test]
    fn text_is_escaped_but_korean_stays_raw() {
        assert_eq!(rendered(Arc::new(StringArray::from(vec!["강남대로 \"a\"\n\u{1}"]))), "[\"강남대로 \\\"a\\\"\\n\\u0001\"]");
        let views = cast(&StringArray::from(vec!["가"]), &DataType::Utf8View).expect("views");
        assert_eq!(rendered(views), "[\"가\"]");
    }

    #[test]
    fn days_and_times_are_iso() {
        let days = vec![0, 20_513, -1, -719_528, 11_016, i32::MAX, i32::MIN];
        assert_eq!(
            rendered(Arc::new(Date32Array::from(days))),
            "[\"1970-01-01\"],[\"2026-03-01\"],[\"1969-12-31\"],[\"0000-01-01\"],[\"2000-02-29\"],[\"+5881580-07-11\"],[\"-5877641-06-23\"]"
        );
        let micros = vec![1_772_341_200_000_000, 1_772_341_200_250_000, -1];
        let local = TimestampMicrosecondArray::from(micros);
        assert_eq!(
            rendered(Arc::new(local.clone())),
            "[\"2026-03-01T05:00:00\"],[\"2026-03-01T05:00:00.25\"],[\"1969-12-31T23:59:59.999999\"]"
        );
        assert!(rendered(Arc::new(local.with_timezone("UTC"))).starts_with("[\"2026-03-01T05:00:00Z\"],[\"2026-03-01T05:00:00.25Z\"]"));
    }

    #[test]
    fn csv_is_quoted_only_where_it_must_be() {
        let schema = Arc::new(Schema::new(vec![Field::new("이름,", DataType::Utf8, true), Field::new("n", DataType::Float64, true)]));
        let texts = StringArray::from(vec![Some("a,b"), Some("say \"hi\""), Some(""), None, Some("plain")]);
        let numbers = Float64Array::from(vec![Some(1.5), Some(f64::NAN), None, Some(5.0), Some(-0.1)]);
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(texts), Arc::new(numbers)]).expect("two columns");
        let mut out = Vec::new();
        write_csv_header(&schema, &mut out);
        write_csv_rows(&batch, &mut out).expect("rows");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text, "\"이름,\",n\r\n\"a,b\",1.5\r\n\"say \"\"hi\"\"\",NaN\r\n\"\",\r\n,5.0\r\nplain,-0.1\r\n");
    }

    #[test]
    fn objects_repeat_the_names() {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("\"", DataType::Boolean, true)]));
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(BooleanArray::from(vec![Some(true), None]))];
        let batch = RecordBatch::try_new(schema, columns).expect("two columns");
        let mut out = Vec::new();
        write_json_objects(&batch, &mut out).expect("rows");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), r#"{"id":1,"\"":true},{"id":2,"\"":null}"#);
    }

    #[test]
    fn rows_are_separated_and_an_empty_batch_adds_nothing() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("b", DataType::Utf8, true)]));
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec![Some("x"), None]))],
        )
        .expect("two columns");
        let mut out = b"[".to_vec();
        write_json_rows(&batch, &mut out).expect("rows");
        write_json_rows(&RecordBatch::new_empty(schema), &mut out).expect("no rows");
        assert_eq!(out, b"[[1,\"x\"],[2,null]");
    }
}
