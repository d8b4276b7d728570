//! `/datastore/dump/{id}`: a whole table as a file (ckan.md 6.9), asked for page by page and streamed as the pages come.

use std::fmt::{self, Write as _};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures::stream;
use madang_kit::ckan::{Dict, Outcome, Refusal, flag, natural, text};
use serde_json::{Value, json};

use super::{
    body,
    call::{Call, principal},
};
use crate::{
    Gateway,
    credential::{Credential, ncp_signature},
    dialect::request,
};

/// Rows of one page.
const PAGE: i64 = 5_000;
/// What a search takes too.
const SEARCH: [&str; 7] = ["filters", "q", "fields", "sort", "distinct", "plain", "language"];
/// What Excel looks for at the start of a text in UTF-8.
const MARK: &str = "\u{feff}";

/// The format of a dump.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Tsv,
    Json,
    Xml,
}

impl Format {
    fn read(dict: &Dict) -> Option<Self> {
        Some(match text(dict, "format").as_deref() {
            None | Some("" | "csv") => Self::Csv,
            Some("tsv") => Self::Tsv,
            Some("json") => Self::Json,
            Some("xml") => Self::Xml,
            Some(_) => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Tsv => "text/tab-separated-values; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::Xml => "text/xml; charset=utf-8",
        }
    }

    fn records(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json | Self::Xml => "lists",
        }
    }
}

/// A dump on its way.
struct Dump {
    gateway: Gateway,
    context: madang_kit::Context,
    /// What every page asks for.
    search: Dict,
    format: Format,
    mark: bool,
    offset: i64,
    /// Rows that are still wanted.
    left: i64,
    /// The largest id so far, where pages follow each other by it.
    after: Option<i64>,
    columns: Vec<String>,
    written: bool,
    ended: bool,
}

/// `GET /datastore/dump/{id}`
pub(super) async fn dump(State(gateway): State<Gateway>, Path(id): Path<String>, request: Request) -> Response {
    let dict = body::query(request.uri().query().unwrap_or_default());
    let (extensions, headers, _) = request::split(request);
    let principal = match principal(extensions.get::<Credential>(), ncp_signature::is_present(&headers), false) {
        Ok(principal) => principal,
        Err(error) => return refused(error.into()),
    };
    let context = request::context(&extensions, principal);
    match begin(gateway, context, &id, &dict).await {
        Ok((mut dump, first)) => {
            let name = id.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'), "_");
            let disposition = format!("attachment; filename=\"{name}.{}\"", dump.format.name());
            let kind = dump.format.media_type();
            let start = dump.page(&first);
            let pages = stream::try_unfold((dump, Some(start)), |(mut dump, start)| async move {
                if let Some(start) = start {
                    return Ok(Some((start, (dump, None))));
                }
                let next = dump.next().await?;
                Ok::<_, std::io::Error>(next.map(|text| (text, (dump, None))))
            });
            let mut response = Response::new(Body::from_stream(pages));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            if let Ok(disposition) = HeaderValue::from_str(&disposition) {
                response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
            }
            response
        }
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    let plain = |status, text: String| (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
    match refusal {
        Refusal::Denied(_) | Refusal::NotFound(_) => plain(StatusCode::NOT_FOUND, "DataStore resource not found".to_owned()),
        Refusal::Validation(fields) => plain(StatusCode::BAD_REQUEST, Value::Object(fields).to_string()),
        other => super::answer::refused_bare(other),
    }
}

/// Reads the parameters and asks for the first page.
async fn begin(gateway: Gateway, context: madang_kit::Context, id: &str, dict: &Dict) -> Outcome<(Dump, Value)> {
    let formats = "format: must be one of csv, tsv, json, xml";
    let format = Format::read(dict).ok_or_else(|| Refusal::invalid("format", formats))?;
    let mut search = Dict::from_iter([("resource_id".to_owned(), id.into()), ("include_total".to_owned(), false.into())]);
    search.insert("records_format".to_owned(), format.records().into());
    for name in SEARCH {
        if let Some(value) = dict.get(name) {
            search.insert(name.to_owned(), value.clone());
        }
    }
    let mut dump = Dump {
        gateway,
        context,
        search,
        format,
        mark: flag(dict, "bom", false)?,
        offset: natural(dict, "offset")?.unwrap_or(0),
        left: natural(dict, "limit")?.unwrap_or(i64::MAX),
        after: None,
        columns: Vec::new(),
        written: false,
        ended: false,
    };
    let first = dump.ask().await?;
    Ok((dump, first))
}

impl Dump {
    async fn ask(&mut self) -> Outcome {
        let mut dict = self.search.clone();
        dict.insert("limit".to_owned(), self.left.min(PAGE).into());
        dict.insert("offset".to_owned(), self.offset.into());
        if let Some(after) = self.after {
            dict.insert("offset".to_owned(), 0.into());
            dict.insert("filters".to_owned(), json!({"_id": {"gt": after}}));
        }
        let call = Call { gateway: &self.gateway, context: self.context.clone(), action: "datastore_search", dict: dict.clone() };
        call.ask("datastore_search", dict).await
    }

    /// The next page's text; nothing after the end.
    async fn next(&mut self) -> std::io::Result<Option<String>> {
        if self.ended {
            return Ok(None);
        }
        match self.ask().await {
            Ok(page) => Ok(Some(self.page(&page))),
            Err(refusal) => Err(std::io::Error::other(format!("a page of a dump failed: {refusal:?}"))), // cuts the connection: no whole file
        }
    }

    /// A page as text, with what stands before the first and after the last one.
    fn page(&mut self, page: &Value) -> String {
        let is_first = self.columns.is_empty();
        let mut out = String::new();
        if is_first {
            let fields = page["fields"].as_array().cloned().unwrap_or_default();
            self.columns = fields.iter().filter_map(|field| field["id"].as_str().map(str::to_owned)).collect();
            self.head(&fields, &mut out);
        }
        let rows = self.rows(&page["records"], &mut out);
        self.left -= rows;
        self.offset += rows;
        self.after = self.last_id(&page["records"]).filter(|_| !self.search.contains_key("filters"));
        self.ended = rows < PAGE || self.left <= 0;
        if self.ended {
            self.tail(&mut out);
        }
        out
    }

    fn head(&self, fields: &[Value], out: &mut String) {
        if self.mark {
            out.push_str(MARK);
        }
        match self.format {
            Format::Csv => out.push_str(&header(&self.columns, ',')),
            Format::Tsv => out.push_str(&header(&self.columns, '\t')),
            Format::Json => put(out, format_args!("{{\n  \"fields\": {},\n  \"records\": [", Value::from(fields.to_vec()))),
            Format::Xml => out.push_str("<data xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n"),
        }
    }

    fn tail(&self, out: &mut String) {
        match self.format {
            Format::Csv | Format::Tsv => {}
            Format::Json => out.push_str("\n]}\n"),
            Format::Xml => out.push_str("</data>\n"),
        }
    }

    /// Writes a page's rows; gives their number.
    fn rows(&mut self, records: &Value, out: &mut String) -> i64 {
        match (self.format, records) {
            (Format::Csv | Format::Tsv, Value::String(text)) => {
                out.push_str(text);
                lines(text)
            }
            (Format::Json, Value::Array(rows)) => {
                for row in rows {
                    out.push_str(if self.written { ",\n    " } else { "\n    " });
                    out.push_str(&row.to_string());
                    self.written = true;
                }
                i64::try_from(rows.len()).unwrap_or(i64::MAX)
            }
            (Format::Xml, Value::Array(rows)) => {
                for row in rows {
                    self.element(row, out);
                }
                i64::try_from(rows.len()).unwrap_or(i64::MAX)
            }
            _ => 0,
        }
    }

    /// `<row _id="1"><a>x</a><b xsi:nil="true"/></row>`
    fn element(&self, row: &Value, out: &mut String) {
        let cells = || self.columns.iter().zip(row.as_array().into_iter().flatten());
        match cells().find(|(name, _)| *name == "_id") {
            Some((_, id)) => put(out, format_args!("<row _id=\"{id}\">")),
            None => out.push_str("<row>"),
        }
        for (name, cell) in cells().filter(|(name, _)| *name != "_id") {
            let plain =
                name.starts_with(|c: char| c.is_alphabetic()) && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
            let (open, close) =
                if plain { (name.clone(), name.clone()) } else { (format!("column name=\"{}\"", escaped(name)), "column".to_owned()) };
            match cell {
                Value::Null => put(out, format_args!("<{open} xsi:nil=\"true\"/>")),
                Value::String(text) => put(out, format_args!("<{open}>{}</{close}>", escaped(text))),
                other => put(out, format_args!("<{open}>{}</{close}>", escaped(&other.to_string()))),
            }
        }
        out.push_str("</row>\n");
    }

    /// The last row's id, if rows come in the order of their ids.
    fn last_id(&self, records: &Value) -> Option<i64> {
        let by_id = text(&self.search, "sort").is_none_or(|sort| sort.is_empty() || sort == "_id" || sort == "_id asc");
        let plain = !["q", "distinct"].iter().any(|name| self.search.contains_key(*name));
        if !by_id || !plain {
            return None;
        }
        let at = self.columns.iter().position(|name| name == "_id")?;
        match records {
            Value::Array(rows) => rows.last()?.get(at)?.as_i64(),
            Value::String(text) if at == 0 => {
                let line = text.trim_end_matches('\n').rsplit('\n').next()?;
                line.split([',', '\t']).next()?.parse().ok().filter(|_| !text.contains('"'))
            }
            _ => None,
        }
    }
}

/// The number of records of a delimited text; line breaks in quotes belong to their record.
fn lines(text: &str) -> i64 {
    let (mut count, mut quoted) = (0, false);
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

fn header(columns: &[String], delimiter: char) -> String {
    let quoted = |name: &String| {
        if name.contains([delimiter, '"', '\n', '\r']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.clone() }
    };
    let names: Vec<String> = columns.iter().map(quoted).collect();
    format!("{}\n", names.join(&delimiter.to_string()))
}

/// Appends a text; into a String this can't fail.
fn put(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A text in XML; control characters have no place there.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_in_quotes_are_no_ends() {
        assert_eq!(lines("1,a\n2,\"b\nc\"\n"), 2);
        assert_eq!(lines(""), 0);
        assert_eq!(header(&["_id".to_owned(), "a,b".to_owned()], ','), "_id,\"a,b\"\n");
        assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot;\u{fffd}");
    }
}
