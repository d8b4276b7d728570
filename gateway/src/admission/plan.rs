//! Usage plans of keys, and the throttle of all callers (dataflow.md 1.5).

use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveTime, TimeZone, Utc};
use madang_kit::Result;

use crate::{
    Gateway,
    dialect::family::{Family, Limit},
    identity::{AccessKey, access_key::Plan},
};

/// Asia/Seoul, which has no summer time, in seconds east of Greenwich.
const SEOUL: i32 = 9 * 3_600;

/// Whether there is any limit on this key's requests.
pub(super) fn is_limited(gateway: &Gateway, key: &AccessKey) -> bool {
    gateway.config.gateway.throttle_per_second > 0 || key.plan != Plan::default()
}

/// Takes one request from every limit, the shortest first; gives the one that is reached, and the seconds until it is worth a try.
pub(super) async fn spend(gateway: &Gateway, key: Arc<AccessKey>, family: Family) -> Result<Option<(Limit, u64)>> {
    let (shared, plan, now) = (&gateway.shared, key.plan, gateway.identity.clock.now());
    let throttle = gateway.config.gateway.throttle_per_second;
    if throttle > 0
        && let Some(wait) = shared.take(&format!("throttle:{}", family.name()), throttle).await
    {
        return Ok(Some((Limit::Throttle, wait.as_secs() + 1)));
    }
    if let Some(per_second) = plan.per_second
        && let Some(wait) = shared.take(&format!("rate:{}", key.name), per_second).await
    {
        return Ok(Some((Limit::Rate, wait.as_secs() + 1)));
    }
    let [day, month] = periods(now);
    for (limit, period, number) in [(Limit::Day, day, plan.per_day), (Limit::Month, month, plan.per_month)] {
        if let Some(number) = number
            && !shared.spend(&key.name, &period, number).await?
        {
            return Ok(Some((limit, until_next(limit, now))));
        }
    }
    Ok(None)
}

/// The calendar day and month of a moment in Seoul, as the counts are named: `2026-11-24` and `2026-11`.
pub(crate) fn periods(now: DateTime<Utc>) -> [String; 2] {
    let there = in_seoul(now);
    ["%Y-%m-%d", "%Y-%m"].map(|form| there.format(form).to_string())
}

/// Seconds until the next day or month begins in Seoul; at least one.
fn until_next(limit: Limit, now: DateTime<Utc>) -> u64 {
    let today = in_seoul(now).date_naive();
    let next = match limit {
        Limit::Month => today.with_day(1).and_then(|first| first.checked_add_months(Months::new(1))),
        _ => today.checked_add_days(Days::new(1)),
    };
    let begins = next.and_then(|day| zone()?.from_local_datetime(&day.and_time(NaiveTime::MIN)).single());
    let seconds = begins.map_or(1, |begins| begins.signed_duration_since(now).num_seconds() + 1);
    u64::try_from(seconds).unwrap_or(1).max(1)
}

fn in_seoul(now: DateTime<Utc>) -> chrono::DateTime<FixedOffset> {
    now.with_timezone(&zone().unwrap_or_else(|| chrono::Offset::fix(&Utc)))
}

fn zone() -> Option<FixedOffset> {
    FixedOffset::east_opt(SEOUL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_those_of_seoul() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        assert_eq!(periods(at("2026-11-30T14:59:59Z")), ["2026-11-30", "2026-11"]);
        assert_eq!(periods(at("2026-11-30T15:00:00Z")), ["2026-12-01", "2026-12"]);
        assert_eq!(until_next(Limit::Day, at("2026-11-30T14:59:59Z")), 2);
        assert_eq!(until_next(Limit::Day, at("2026-11-30T15:00:00Z")), 86_401);
        assert_eq!(until_next(Limit::Month, at("2026-12-31T14:00:00Z")), 3_601);
        assert_eq!(until_next(Limit::Month, at("2027-01-31T15:00:00Z")), 28 * 86_400 + 1);
    }
}
