//! Tables (dhub.md section 7): pages, whole tables in four formats, SQL.

use arrow::array::RecordBatch;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use madang_kit::{Code, Context, Error, rpc};
use madang_lake::{ExportFormat, FilterOp, RowStream, export, write_json_rows};
use madang_proto::catalog::v1::{DeleteRowsRequest, QueryTableRequest, ReadTableHeader, ReadTableRequest, TableFilter, TableSort};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, Path, Query, path_id},
    error::DhubError,
    fields::Fields,
    rows::{Rows, read},
};
use crate::{Gateway, dialect::request};

const DEFAULT_PAGE_SIZE: u64 = 100;
const MAX_PAGE_SIZE: u64 = 10_000;
/// Rows that a statement may give as JSON; streamed formats have no such limit (dhub.md section 7).
const MAX_QUERY_ROWS: u64 = 10_000;
/// Bytes of a file that are held back until they are sure.
const HELD_BYTES: usize = 1 << 20;

/// `GET /tables/{id}`: without `format` a page of positional rows, with it the whole table as a file.
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    call: Call,
    Path(id): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<Response, DhubError> {
    let dataset = path_id("dataset", "ds", &id)?;
    let (request, format) = read_request(&query, dataset.to_string()).map_err(DhubError::in_query)?;
    let answer = gateway.catalog.clone().read_table(rpc::request(&call.context, request)).await;
    let answer = answer.map_err(|status| DhubError::in_query(status.into()))?.into_inner();
    let (header, rows) = read(answer).await?;
    match format {
        Some(format) => file(rows, format).await.map_err(DhubError::in_query),
        None => Ok(page(&header, rows, header.total_rows)?),
    }
}

/// The query string as it stands: `filter` may be repeated.
type Pairs = Vec<(String, String)>;

fn read_request(query: &Pairs, dataset_id: String) -> Result<(ReadTableRequest, Option<ExportFormat>), Error> {
    let one = |name: &str| one(query, name);
    let format = one("format")?.map(|name| read_format(&name)).transpose()?;
    let (page, size) = (one("page")?, one("page_size")?);
    let paged = format.is_none() || page.is_some() || size.is_some();
    let page = number("page", page.as_deref(), 1, u64::from(u32::MAX))?;
    let size = number("page_size", size.as_deref(), DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let version =
        one("version")?.map(|text| text.parse().map_err(|_| Error::invalid("version", "range", "version must be a whole number")));
    let names = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let filters = query.iter().filter(|(name, _)| name == "filter").map(|(_, text)| read_filter(text));
    let request = ReadTableRequest {
        dataset_id,
        offset: if paged { (page - 1).saturating_mul(size) } else { 0 },
        limit: paged.then_some(size),
        columns: one("columns")?.map(names).unwrap_or_default(),
        version: version.transpose()?,
        filters: filters.collect::<Result<_, _>>()?,
        sort: one("sort")?.map(names).unwrap_or_default().into_iter().map(read_sort).collect(),
    };
    Ok((request, format))
}

/// `DELETE /tables/{id}?filter=column:op:value`: the rows that meet every filter.
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    call: Call,
    Path(id): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<Json<Value>, DhubError> {
    let dataset = path_id("dataset", "ds", &id)?;
    if let Some((other, _)) = query.iter().find(|(name, _)| name != "filter") {
        // a condition that was misspelt must not be a condition less
        return Err(DhubError::in_query(Error::invalid(other.as_str(), "unknown", "only filter may be given")));
    }
    let filters = query.iter().map(|(_, text)| read_filter(text)).collect::<Result<_, _>>().map_err(DhubError::in_query)?;
    let request = DeleteRowsRequest { dataset_id: dataset.to_string(), filters };
    let answer = gateway.catalog.clone().delete_rows(rpc::request(&call.context, request)).await;
    let rows = answer.map_err(|status| DhubError::in_query(status.into()))?.into_inner().rows;
    Ok(Json(json!({"message": "Rows deleted", "rows": rows})))
}

/// The value of a parameter that may be given once.
fn one(query: &Pairs, name: &str) -> Result<Option<String>, Error> {
    let mut values = query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone());
    let value = values.next();
    if values.next().is_some() {
        return Err(Error::invalid(name, "repeated", format!("{name} may be given once")));
    }
    Ok(value)
}

fn read_format(name: &str) -> Result<ExportFormat, Error> {
    ExportFormat::parse(name).ok_or_else(|| Error::invalid("format", "choice", "format must be csv, json, parquet or arrow"))
}

/// `column:op:value`; the value may hold colons.
fn read_filter(text: &str) -> Result<TableFilter, Error> {
    let mut parts = text.splitn(3, ':');
    let (Some(column), Some(op)) = (parts.next(), parts.next()) else {
        return Err(Error::invalid("filter", "form", "a filter reads column:op:value"));
    };
    let known =
        FilterOp::parse(op).ok_or_else(|| Error::invalid("filter", "choice", "op must be eq, ne, lt, le, gt, ge, like, in or isnull"))?;
    let value = parts.next().unwrap_or_default();
    let values = if known == FilterOp::In { value.split(',').map(str::to_owned).collect() } else { vec![value.to_owned()] };
    Ok(TableFilter { column: column.to_owned(), op: op.to_owned(), values })
}

fn read_sort(text: String) -> TableSort {
    match text.strip_prefix('-') {
        Some(column) => TableSort { column: column.to_owned(), descending: true },
        None => TableSort { column: text, descending: false },
    }
}

/// A whole number from 1.
fn number(name: &str, text: Option<&str>, default: u64, max: u64) -> Result<u64, Error> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Error::invalid(name, "range", format!("{name} must be a whole number from 1 to {max}")))
}

/// `{"columns": […], "data": [[…], …], "total_rows": n}`, written as the rows come.
fn page(header: &ReadTableHeader, rows: RowStream, total_rows: u64) -> Result<Response, Error> {
    let columns = serde_json::to_string(&header.columns).map_err(Error::internal)?;
    let start = stream::iter([Ok(Bytes::from(format!("{{\"columns\":{columns},\"data\":[")))]);
    let end = stream::iter([Ok(Bytes::from(format!("],\"total_rows\":{total_rows}}}")))]);
    let mut first = true;
    let body = rows.batches.map(move |batch| {
        let batch = batch?;
        let mut text = Vec::new();
        if batch.num_rows() > 0 && !std::mem::take(&mut first) {
            text.push(b',');
        }
        write_json_rows(&batch, &mut text)?;
        Ok(Bytes::from(text))
    });
    let body = body.map_err(|error: madang_lake::Error| Error::internal(error));
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(start.chain(body).chain(end))).into_response())
}

/// A table as a file. The first pieces are held back, so that what fails in them still gets its status; what fails later breaks the
/// answer off.
async fn file(rows: RowStream, format: ExportFormat) -> Result<Response, Error> {
    let mut pieces = export(rows, format);
    let (mut held, mut bytes) = (Vec::new(), 0);
    while bytes < HELD_BYTES {
        let Some(piece) = pieces.next().await.transpose().map_err(Rows::error)? else { break };
        bytes += piece.len();
        held.push(Ok(piece));
    }
    let body = stream::iter(held).chain(pieces);
    Ok(([(CONTENT_TYPE, format.media_type())], Body::from_stream(body)).into_response())
}

/// Query of a statement.
#[derive(Debug, Deserialize)]
pub(crate) struct StatementQuery {
    format: Option<String>,
    limit: Option<String>,
}

/// `POST /tables/{id}/query`: one SELECT, as `{"query": "…"}` or as plain text. As JSON it gives the first `limit` rows; without a limit,
/// more than [`MAX_QUERY_ROWS`] are refused.
pub(crate) async fn query(
    State(gateway): State<Gateway>,
    call: Call,
    Path(id): Path<String>,
    Query(query): Query<StatementQuery>,
    headers: axum::http::HeaderMap,
    body: Body,
) -> Result<Response, DhubError> {
    let dataset = path_id("dataset", "ds", &id)?;
    let format = query.format.map(|name| read_format(&name)).transpose().map_err(DhubError::in_query)?;
    let limit = query.limit.map(|text| number("limit", Some(&text), 0, MAX_QUERY_ROWS)).transpose().map_err(DhubError::in_query)?;
    let body = request::body(body, gateway.config.body_bytes).await?;
    let plain = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let sql = if plain { read_plain(&body)? } else { read_statement(&body)? };
    let tabular = matches!(format, None | Some(ExportFormat::Json));
    let max_rows = (tabular && limit.is_none()).then_some(MAX_QUERY_ROWS);
    let sql_request = QueryTableRequest { dataset_id: dataset.to_string(), sql, max_rows };
    run(&gateway, &call.context, sql_request, limit, format.filter(|_| !tabular)).await
}

async fn run(
    gateway: &Gateway,
    context: &Context,
    request: QueryTableRequest,
    limit: Option<u64>,
    format: Option<ExportFormat>,
) -> Result<Response, DhubError> {
    let answer = gateway.catalog.clone().query_table(rpc::request(context, request)).await.map_err(refused)?.into_inner();
    let (header, rows) = read(answer).await.map_err(refused)?;
    let Some(format) = format else {
        let batches = collect(rows.batches, limit).await.map_err(|error| refused(Rows::error(error)))?;
        let total = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let rows = RowStream { schema: rows.schema, batches: stream::iter(batches.into_iter().map(Ok)).boxed() };
        return Ok(page(&header, rows, total)?);
    };
    file(rows, format).await.map_err(refused)
}

/// All batches, or the first rows of them.
async fn collect(
    mut batches: BoxStream<'static, madang_lake::Result<RecordBatch>>,
    limit: Option<u64>,
) -> madang_lake::Result<Vec<RecordBatch>> {
    let mut left = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut collected = Vec::new();
    while left > 0 {
        let Some(batch) = batches.try_next().await? else { break };
        let rows = batch.num_rows().min(left);
        left -= rows;
        collected.push(batch.slice(0, rows));
    }
    Ok(collected)
}

/// A statement at fault is 400 here, not 422: the page says so (dhub.md section 7).
fn refused(error: impl Into<Error>) -> DhubError {
    let error = error.into();
    if error.code == Code::Invalid { DhubError::bad_request(error) } else { error.into() }
}

fn read_plain(body: &[u8]) -> Result<String, Error> {
    std::str::from_utf8(body).map(str::to_owned).map_err(|_| Error::invalid("query", "encoding", "the statement is not UTF-8"))
}

fn read_statement(body: &[u8]) -> Result<String, Error> {
    let mut fields = Fields::read(body)?;
    let sql = fields.optional_text("sql");
    let sql = if sql.is_some() { sql.unwrap_or_default() } else { fields.text("query") };
    fields.finish()?;
    Ok(sql)
}
