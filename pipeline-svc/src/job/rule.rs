//! When triggers fire (dataflow.md section 6): rules are told in the time of Asia/Seoul, which knows no daylight saving.

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use madang_kit::{Error, Result, time};
use madang_proto::pipeline::v1::{Interval, TriggerRule, TriggerRuleType, TriggerType};

const SEOUL_SECONDS: i32 = 9 * 3600;
/// Months that are looked at, this one aside.
const MONTHS: u32 = 3;

/// Refuses a rule that does not go with its trigger, or that names no moment; keeps of it what its kind reads.
pub(crate) fn checked(kind: TriggerType, rule: &TriggerRule, now: DateTime<Utc>) -> Result<TriggerRule> {
    let wrong = |field: &str, rule: &str, why: &str| {
        Err(Error::invalid(format!("triggerRule.{field}"), rule, format!("triggerRule.{field} {why}")))
    };
    match (kind, rule.r#type()) {
        (TriggerType::Scheduled, TriggerRuleType::Recurring) => recurring(rule),
        (TriggerType::Scheduled, TriggerRuleType::OneTime) => match moment(rule) {
            None => wrong("executionDate", "missing", "is needed for ONE_TIME"),
            Some(at) if at <= now => wrong("executionDate", "past", "lies in the past"),
            Some(_) => Ok(TriggerRule { r#type: rule.r#type, at: rule.at, ..TriggerRule::default() }),
        },
        (TriggerType::None | TriggerType::Event, TriggerRuleType::None) => {
            Ok(TriggerRule { r#type: rule.r#type, ..TriggerRule::default() })
        }
        (TriggerType::Unspecified, _) => Err(Error::invalid("type", "choice", "type must be SCHEDULED, EVENT or NONE")),
        (TriggerType::Scheduled, _) => wrong("type", "choice", "must be RECURRING or ONE_TIME for a trigger of type SCHEDULED"),
        (TriggerType::None | TriggerType::Event, _) => wrong("type", "choice", "must be NONE unless the trigger is of type SCHEDULED"),
    }
}

fn recurring(rule: &TriggerRule) -> Result<TriggerRule> {
    let wrong = |field: &str, rule: &str, why: &str| {
        Err(Error::invalid(format!("triggerRule.{field}"), rule, format!("triggerRule.{field} {why}")))
    };
    if rule.minute > 59 || rule.hour > 23 {
        return wrong("time", "range", "must be a minute 00 to 59 for HOUR, else a time 00:00 to 23:59");
    }
    let kept = TriggerRule { r#type: rule.r#type, interval: rule.interval, minute: rule.minute, hour: rule.hour, ..TriggerRule::default() };
    match rule.interval() {
        Interval::Unspecified => wrong("interval", "choice", "must be HOUR, DAY, WEEK or MONTH"),
        Interval::Hour => Ok(TriggerRule { hour: 0, ..kept }),
        Interval::Day => Ok(kept),
        Interval::Week => {
            let mut days = rule.days_of_week.clone();
            days.sort_unstable();
            days.dedup();
            if days.is_empty() || days.iter().any(|day| !(1..=7).contains(day)) {
                return wrong("dayOfWeek", "choice", "must name one or more of MONDAY to SUNDAY");
            }
            Ok(TriggerRule { days_of_week: days, ..kept })
        }
        Interval::Month if rule.day_of_month == -1 || (1..=31).contains(&rule.day_of_month) => {
            Ok(TriggerRule { day_of_month: rule.day_of_month, ..kept })
        }
        Interval::Month => wrong("dateOfMonth", "range", "must be 1 to 31, or -1 for the last day"),
    }
}

/// The first moment after a time.
pub(crate) fn next(rule: &TriggerRule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match rule.r#type() {
        TriggerRuleType::OneTime => moment(rule).filter(|at| *at > after),
        TriggerRuleType::Recurring => seek(rule, after, 1),
        TriggerRuleType::None | TriggerRuleType::Unspecified => None,
    }
}

/// The last moment up to a time.
pub(crate) fn last(rule: &TriggerRule, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match rule.r#type() {
        TriggerRuleType::OneTime => moment(rule).filter(|at| *at <= until),
        TriggerRuleType::Recurring => seek(rule, until, -1),
        TriggerRuleType::None | TriggerRuleType::Unspecified => None,
    }
}

/// The nearest moment of a recurring rule: after a time, or up to it.
fn seek(rule: &TriggerRule, from: DateTime<Utc>, direction: i64) -> Option<DateTime<Utc>> {
    let zone = FixedOffset::east_opt(SEOUL_SECONDS)?;
    let here = from.with_timezone(&zone).naive_local();
    let passes = |at: &NaiveDateTime| if direction > 0 { *at > here } else { *at <= here };
    let found = match rule.interval() {
        Interval::Hour => {
            let hour = here.date().and_hms_opt(here.hour(), rule.minute, 0)?;
            [hour, hour.checked_add_signed(TimeDelta::hours(direction))?].into_iter().find(passes)
        }
        Interval::Day => days(here.date(), direction, 2).map(|day| at(rule, day)).find_map(|at| at.filter(passes)),
        Interval::Week => days(here.date(), direction, 8)
            .filter(|day| rule.days_of_week.contains(&day.weekday().number_from_monday()))
            .map(|day| at(rule, day))
            .find_map(|at| at.filter(passes)),
        Interval::Month => {
            months(here.date(), direction).filter_map(|first| at(rule, day_of_month(first, rule.day_of_month)?)).find(passes)
        }
        Interval::Unspecified => None,
    }?;
    Some(found.and_local_timezone(zone).single()?.with_timezone(&Utc))
}

fn at(rule: &TriggerRule, day: NaiveDate) -> Option<NaiveDateTime> {
    day.and_hms_opt(rule.hour, rule.minute, 0)
}

/// So many days from this one on.
fn days(from: NaiveDate, direction: i64, number: u64) -> impl Iterator<Item = NaiveDate> {
    (0..number).filter_map(
        move |days| {
            if direction > 0 { from.checked_add_days(Days::new(days)) } else { from.checked_sub_days(Days::new(days)) }
        },
    )
}

/// The first days of months from this one on: of any three, one has every date.
fn months(from: NaiveDate, direction: i64) -> impl Iterator<Item = NaiveDate> {
    let first = from.with_day(1);
    (0..=MONTHS).filter_map(move |months| {
        if direction > 0 { first?.checked_add_months(Months::new(months)) } else { first?.checked_sub_months(Months::new(months)) }
    })
}

/// The date in a month; `None` if the month lacks it.
fn day_of_month(first: NaiveDate, day: i32) -> Option<NaiveDate> {
    if day == -1 {
        return first.checked_add_months(Months::new(1))?.pred_opt();
    }
    first.with_day(day.try_into().ok()?)
}

fn moment(rule: &TriggerRule) -> Option<DateTime<Utc>> {
    time::read(rule.at?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("{text}+09:00")).expect(text).with_timezone(&Utc)
    }

    fn rule(interval: Interval, hour: u32, minute: u32) -> TriggerRule {
        TriggerRule { r#type: TriggerRuleType::Recurring.into(), interval: interval.into(), hour, minute, ..TriggerRule::default() }
    }

    fn month(day: i32) -> TriggerRule {
        TriggerRule { day_of_month: day, ..rule(Interval::Month, 6, 30) }
    }

    fn week(days: &[u32]) -> TriggerRule {
        TriggerRule { days_of_week: days.to_vec(), ..rule(Interval::Week, 6, 30) }
    }

    /// Times are those of Seoul.
    #[test]
    fn moments_follow_and_precede() {
        let hour = rule(Interval::Hour, 0, 0);
        let late = rule(Interval::Hour, 0, 45);
        let day = rule(Interval::Day, 0, 30);
        for (rule, at, last_is, next_is) in [
            (&hour, "2026-03-12T09:00:00", "2026-03-12T09:00:00", "2026-03-12T10:00:00"),
            (&hour, "2026-12-31T23:59:59", "2026-12-31T23:00:00", "2027-01-01T00:00:00"),
            (&late, "2026-03-12T00:44:59", "2026-03-11T23:45:00", "2026-03-12T00:45:00"),
            (&day, "2026-03-12T00:29:59", "2026-03-11T00:30:00", "2026-03-12T00:30:00"),
            (&day, "2026-03-12T00:30:00", "2026-03-12T00:30:00", "2026-03-13T00:30:00"),
            // 2026-03-12 is a Thursday
            (&week(&[1, 4]), "2026-03-12T06:30:00", "2026-03-12T06:30:00", "2026-03-16T06:30:00"),
            (&week(&[1, 4]), "2026-03-12T06:29:59", "2026-03-09T06:30:00", "2026-03-12T06:30:00"),
            (&week(&[4]), "2026-03-12T06:29:59", "2026-03-05T06:30:00", "2026-03-12T06:30:00"),
            (&week(&[4]), "2026-03-12T06:30:00", "2026-03-12T06:30:00", "2026-03-19T06:30:00"),
            // months of 28, 29, 30 and 31 days
            (&month(-1), "2026-02-01T00:00:00", "2026-01-31T06:30:00", "2026-02-28T06:30:00"),
            (&month(-1), "2028-02-28T06:30:00", "2028-01-31T06:30:00", "2028-02-29T06:30:00"),
            (&month(-1), "2026-04-15T00:00:00", "2026-03-31T06:30:00", "2026-04-30T06:30:00"),
            (&month(-1), "2026-12-31T06:30:00", "2026-12-31T06:30:00", "2027-01-31T06:30:00"),
            (&month(31), "2026-02-10T00:00:00", "2026-01-31T06:30:00", "2026-03-31T06:30:00"),
            (&month(31), "2026-04-10T00:00:00", "2026-03-31T06:30:00", "2026-05-31T06:30:00"),
            (&month(30), "2026-01-30T06:30:00", "2026-01-30T06:30:00", "2026-03-30T06:30:00"),
            (&month(29), "2026-01-29T06:30:00", "2026-01-29T06:30:00", "2026-03-29T06:30:00"),
            (&month(29), "2028-01-29T06:30:00", "2028-01-29T06:30:00", "2028-02-29T06:30:00"),
            (&month(1), "2026-01-01T06:29:59", "2025-12-01T06:30:00", "2026-01-01T06:30:00"),
        ] {
            assert_eq!((last(rule, utc(at)), next(rule, utc(at))), (Some(utc(last_is)), Some(utc(next_is))), "{at} {rule:?}");
        }
    }

    #[test]
    fn one_time_comes_once() {
        let at = utc("2026-03-12T09:00:00");
        let rule = TriggerRule { r#type: TriggerRuleType::OneTime.into(), at: Some(time::wire(at)), ..TriggerRule::default() };
        let before = at - TimeDelta::seconds(1);
        assert_eq!((last(&rule, before), next(&rule, before)), (None, Some(at)));
        assert_eq!((last(&rule, at), next(&rule, at)), (Some(at), None));
    }
}
