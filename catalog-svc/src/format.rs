//! Which format an uploaded file has: what the caller says, else its name, else its media type, else its first bytes.

use madang_kit::{Error, Result};
use madang_lake::Format;
use madang_proto::catalog::v1::UploadFile;

/// Formats by the names that callers give and that file names end with.
const NAMES: [(&str, Format); 9] = [
    ("csv", Format::Csv),
    ("tsv", Format::Csv),
    ("tab", Format::Csv),
    ("txt", Format::Csv),
    ("json", Format::Json),
    ("ndjson", Format::Json),
    ("jsonl", Format::Json),
    ("parquet", Format::Parquet),
    ("pq", Format::Parquet),
];

const MEDIA_TYPES: [(&str, Format); 12] = [
    ("text/csv", Format::Csv),
    ("text/plain", Format::Csv),
    ("text/tab-separated-values", Format::Csv),
    ("application/csv", Format::Csv),
    ("application/json", Format::Json),
    ("application/x-ndjson", Format::Json),
    ("application/ndjson", Format::Json),
    ("application/jsonl", Format::Json),
    ("application/x-jsonlines", Format::Json),
    ("application/vnd.apache.parquet", Format::Parquet),
    ("application/x-parquet", Format::Parquet),
    ("application/parquet", Format::Parquet),
];

/// What Parquet files begin with.
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Format and delimiter of a file that begins with `start`, unpacked.
pub(crate) fn of(file: &UploadFile, start: &[u8]) -> Result<(Format, Option<u8>)> {
    let name = file.filename.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let said = if file.format.is_empty() { extension } else { &file.format };
    let by_name = named(said);
    if !file.format.is_empty() && by_name.is_none() {
        return Err(Error::invalid("format", "choice", "format must be csv, tsv, json, ndjson or parquet"));
    }
    let media_type = file.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let by_media = || MEDIA_TYPES.iter().find(|row| row.0 == media_type).map(|row| row.1);
    let format = by_name.or_else(by_media).or_else(|| by_content(start)).ok_or_else(|| unknown(file))?;
    let tabbed = matches!(said, "tsv" | "tab") || (by_name.is_none() && media_type == "text/tab-separated-values");
    Ok((format, delimiter(file)?.or(tabbed.then_some(b'\t'))))
}

fn named(name: &str) -> Option<Format> {
    NAMES.iter().find(|row| row.0 == name).map(|row| row.1)
}

fn by_content(start: &[u8]) -> Option<Format> {
    if start.starts_with(PARQUET_MAGIC) {
        return Some(Format::Parquet);
    }
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    matches!(text.first(), Some(b'[' | b'{')).then_some(Format::Json)
}

fn unknown(file: &UploadFile) -> Error {
    let name = &file.filename;
    let text = format!("'{name}' is neither CSV, JSON nor Parquet by its name, its content type or its first bytes; say format=");
    Error::invalid("file", "format", text)
}

fn delimiter(file: &UploadFile) -> Result<Option<u8>> {
    match file.delimiter.as_bytes() {
        [] => Ok(None),
        [byte] if b",;\t|".contains(byte) => Ok(Some(*byte)),
        _ => Err(Error::invalid("delimiter", "choice", "delimiter must be one of , ; tab |")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(filename: &str, content_type: &str, format: &str) -> UploadFile {
        let (filename, content_type, format) = (filename.to_owned(), content_type.to_owned(), format.to_owned());
        UploadFile { filename, content_type, format, ..UploadFile::default() }
    }

    #[test]
    fn what_is_said_comes_first_and_what_is_seen_last() {
        let cases = [
            (("a.csv", "application/json", "parquet"), "", Some((Format::Parquet, None))),
            (("a.CSV", "application/json", ""), "", Some((Format::Csv, None))),
            (("a.tsv.gz", "application/gzip", ""), "", Some((Format::Csv, Some(b'\t')))),
            (("a.ndjson", "", ""), "", Some((Format::Json, None))),
            (("a", "Application/JSON; charset=utf-8", ""), "", Some((Format::Json, None))),
            (("a", "text/tab-separated-values", ""), "", Some((Format::Csv, Some(b'\t')))),
            (("a.bin", "application/octet-stream", ""), "PAR1", Some((Format::Parquet, None))),
            (("a.bin", "", ""), "\u{FEFF} [{}]", Some((Format::Json, None))),
            (("a.bin", "", ""), "a,b\n", None),
            (("a.csv", "", "xlsx"), "", None),
        ];
        for ((name, media, format), start, expected) in cases {
            assert_eq!(of(&file(name, media, format), start.as_bytes()).ok(), expected, "{name} {media} {format}");
        }
    }
}
