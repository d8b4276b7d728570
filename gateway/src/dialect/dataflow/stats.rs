//! The dashboard (dataflow.md 3.5): how many executions there were, in the time of Seoul.

use axum::{Json, extract::State};
use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use madang_kit::{Error, Result, rpc, time};
use madang_proto::pipeline::v1::{CountExecutionsRequest, SumExecutionsRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, Query},
    error::FlowError,
    wire,
};
use crate::Gateway;

/// The longest time that can be asked for.
const MAX_DAYS: i64 = 366;
const DAY_SECONDS: u32 = 86_400;
/// Executions are counted in parts of two hours, from an even hour on.
const PART_SECONDS: u32 = 7_200;
/// As the dashboard writes times.
const FORM: &str = "%Y-%m-%dT%H:%M:%S";

/// The time that is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpanQuery {
    start_date: Option<String>,
    end_date: Option<String>,
}

/// From a second to a second, both included; in Seoul.
struct Span {
    from: NaiveDateTime,
    to: NaiveDateTime,
}

impl SpanQuery {
    fn read(self) -> Result<Span> {
        let read = |field: &str, text: Option<String>| {
            let text = text.ok_or_else(|| Error::invalid(field, "missing", format!("{field} is needed")))?;
            let local = wire::local(wire::read_date(field, &text)?).and_then(|at| at.with_nanosecond(0));
            local.ok_or_else(|| Error::invalid(field, "date", format!("{field} is out of range")))
        };
        let span = Span { from: read("startDate", self.start_date)?, to: read("endDate", self.end_date)? };
        if span.from > span.to {
            return Err(Error::invalid("startDate", "range", "startDate lies after endDate"));
        }
        if span.to - span.from > TimeDelta::days(MAX_DAYS) {
            return Err(Error::invalid("endDate", "range", format!("the time has at most {MAX_DAYS} days")));
        }
        Ok(span)
    }
}

/// `GET /stats/executions` getExecutionResult
pub(crate) async fn result(State(gateway): State<Gateway>, Query(query): Query<SpanQuery>, call: Call) -> Result<Json<Value>, FlowError> {
    let span = query.read()?;
    let end = span.to.checked_add_signed(TimeDelta::seconds(1)).unwrap_or(span.to);
    let request = SumExecutionsRequest { from: Some(time::wire(utc(span.from)?)), to: Some(time::wire(utc(end)?)) };
    let sum = gateway.executions.clone().sum_executions(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(json!({"totalCount": sum.total, "completedCount": sum.completed, "failedCount": sum.failed})))
}

/// `GET /stats/executions-interval` getExecutionCount: whole days, labelled from a second after midnight to the next midnight.
pub(crate) async fn count(State(gateway): State<Gateway>, Query(query): Query<SpanQuery>, call: Call) -> Result<Json<Value>, FlowError> {
    let span = query.read()?;
    let first = span.from.date().and_time(NaiveTime::MIN);
    let end = day_after(span.to.date().and_time(NaiveTime::MIN))?;
    let mut result = Vec::new();
    let mut day = first;
    for number in counts(&gateway, &call, first, end, DAY_SECONDS).await? {
        let next = day_after(day)?;
        let from = day.checked_add_signed(TimeDelta::seconds(1)).unwrap_or(day);
        result.push(json!({
            "totalCount": number, "startDate": from.format(FORM).to_string(), "endDate": next.format(FORM).to_string(),
        }));
        day = next;
    }
    Ok(Json(json!({"result": result})))
}

/// `GET /stats/executions-times` getExecutionTimes: how many executions there were in each two hours.
pub(crate) async fn times(State(gateway): State<Gateway>, Query(query): Query<SpanQuery>, call: Call) -> Result<Json<Value>, FlowError> {
    let span = query.read()?;
    let hour = span.from.hour() - span.from.hour() % 2;
    let first = span.from.date().and_hms_opt(hour, 0, 0).unwrap_or(span.from);
    let parts = (span.to - first).num_seconds() / i64::from(PART_SECONDS) + 1;
    let end = first.checked_add_signed(TimeDelta::seconds(parts * i64::from(PART_SECONDS))).unwrap_or(span.to);
    let from = utc(first)?.timestamp_millis();
    let part = |(at, number): (i64, u64)| json!({"time": from + at * i64::from(PART_SECONDS) * 1_000, "value": number});
    let counted = counts(&gateway, &call, first, end, PART_SECONDS).await?;
    Ok(Json(json!({"result": (0..).zip(counted).map(part).collect::<Vec<_>>()})))
}

async fn counts(gateway: &Gateway, call: &Call, from: NaiveDateTime, to: NaiveDateTime, seconds: u32) -> Result<Vec<u64>, FlowError> {
    let request = CountExecutionsRequest { from: Some(time::wire(utc(from)?)), to: Some(time::wire(utc(to)?)), seconds };
    Ok(gateway.executions.clone().count_executions(rpc::request(&call.context, request)).await?.into_inner().counts)
}

fn utc(at: NaiveDateTime) -> Result<DateTime<Utc>> {
    wire::of_local(at).ok_or_else(out_of_range)
}

fn day_after(day: NaiveDateTime) -> Result<NaiveDateTime> {
    day.checked_add_days(Days::new(1)).ok_or_else(out_of_range)
}

fn out_of_range() -> Error {
    Error::invalid("endDate", "range", "endDate is out of range")
}
