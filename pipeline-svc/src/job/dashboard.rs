//! How many executions a space had.

use chrono::{DateTime, TimeDelta, Utc};
use madang_kit::{Context, Error, Result, time};
use madang_proto::pipeline::v1::{CountExecutionsRequest, CountExecutionsResponse, SumExecutionsRequest, SumExecutionsResponse};
use prost_types::Timestamp;

use super::space;
use crate::{Pipelines, store::execution as store};

/// Parts of a time that are counted in one go.
const MAX_PARTS: i64 = 10_000;
/// Seconds of a part.
const PART: std::ops::RangeInclusive<u32> = 60..=86_400;

/// How many executions were made within a time, and what became of them.
pub(crate) async fn sum(pipelines: &Pipelines, context: &Context, request: SumExecutionsRequest) -> Result<SumExecutionsResponse> {
    let (from, to) = span(request.from, request.to)?;
    let (total, completed, failed) = store::sum(&pipelines.db, space::of(context)?, from, to).await?;
    Ok(SumExecutionsResponse { total: space::count(total), completed: space::count(completed), failed: space::count(failed) })
}

/// How many executions were made within each part of a time.
pub(crate) async fn count(pipelines: &Pipelines, context: &Context, request: CountExecutionsRequest) -> Result<CountExecutionsResponse> {
    let (from, to) = span(request.from, request.to)?;
    if !PART.contains(&request.seconds) {
        return Err(Error::invalid("seconds", "range", "a part has 60 to 86,400 seconds"));
    }
    let seconds = i64::from(request.seconds);
    let parts = ((to - from).num_seconds() + seconds - 1) / seconds;
    if parts > MAX_PARTS {
        return Err(Error::invalid("endDate", "range", format!("the time has more than {MAX_PARTS} parts")));
    }
    let mut counts = vec![0; usize::try_from(parts).unwrap_or_default()];
    for (part, number) in store::counts(&pipelines.db, space::of(context)?, from, to, seconds).await? {
        if let Some(count) = usize::try_from(part).ok().and_then(|part| counts.get_mut(part)) {
            *count = space::count(number);
        }
    }
    Ok(CountExecutionsResponse { counts })
}

/// A time from a whole second on.
fn span(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let read = |field: &str, at: Option<Timestamp>| {
        at.and_then(time::read).ok_or_else(|| Error::invalid(field, "missing", format!("{field} must be a time")))
    };
    let (from, to) = (read("startDate", from)?, read("endDate", to)?);
    if from > to {
        return Err(Error::invalid("startDate", "range", "startDate lies after endDate"));
    }
    let fraction = TimeDelta::nanoseconds(from.timestamp_subsec_nanos().into());
    Ok((from.checked_sub_signed(fraction).unwrap_or(from), to))
}
