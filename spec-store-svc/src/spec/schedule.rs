//! When a dataset runs by itself (spec-store.md 3.4): `every 1d`, or a crontab with its zone.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use croner::{Cron, parser::CronParser};
use serde_json::Value;

/// The shortest time between two runs, in seconds.
const SHORTEST: i64 = 60;
/// The longest: about a hundred years.
const LONGEST: i64 = 36_525 * 86_400;
/// Characters of a crontab.
const MAX_PATTERN: usize = 200;
/// Zones with names; others are given as `+09:00`. Neither knows daylight saving.
const ZONES: [(&str, i32); 3] = [("UTC", 0), ("Etc/UTC", 0), ("Asia/Seoul", 9 * 3_600)];

/// When a dataset runs by itself.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// Again after so many seconds.
    Every(i64),
    /// At the moments of a pattern, in a zone.
    Crontab(Box<Cron>, FixedOffset),
}

impl Schedule {
    /// The first moment after `now`. `due` is the moment that was planned before: a period goes on from it.
    pub(crate) fn next(&self, due: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match (self, due) {
            (Self::Every(_), Some(due)) if due > now => Some(due),
            (Self::Every(seconds), due) => {
                let start = due.unwrap_or(now);
                let passed = (now - start).num_seconds().div_euclid(*seconds);
                let ahead = passed.checked_add(1)?.checked_mul(*seconds)?;
                start.checked_add_signed(TimeDelta::try_seconds(ahead)?)
            }
            (Self::Crontab(cron, zone), _) => {
                cron.find_next_occurrence(&now.with_timezone(zone), false).ok().map(|next| next.with_timezone(&Utc))
            }
        }
    }
}

/// Reads a schedule; null is none.
pub(crate) fn read(value: &Value) -> Result<Option<Schedule>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => every(text).map(Some),
        Value::Object(object) if object.contains_key("crontab") => crontab(object.get("crontab"), object.get("tz")).map(Some),
        _ => Err("Schedule should be a string".to_owned()),
    }
}

fn every(text: &str) -> Result<Schedule, String> {
    let rest = text.trim().strip_prefix("every ").ok_or("Schedule should start with 'every'")?.trim();
    let mut letters = rest.chars();
    let unit = match letters.next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return Err("Bad time unit for schedule, only s/m/h/d/w are allowed".to_owned()),
    };
    let failed = "Failed to parse time number";
    let number: i64 = letters.as_str().trim().parse().map_err(|_| failed)?;
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= LONGEST).ok_or(failed)?;
    if seconds < SHORTEST {
        return Err("Can't schedule tasks for less than one minute".to_owned());
    }
    Ok(Schedule::Every(seconds))
}

fn crontab(pattern: Option<&Value>, zone: Option<&Value>) -> Result<Schedule, String> {
    const RULE: &str = "Schedule's crontab should be five fields: minute, hour, day of month, month, day of week";
    let pattern = pattern.and_then(Value::as_str).ok_or(RULE)?;
    let plain = pattern.bytes().all(|byte| byte.is_ascii_digit() || b" *,-/".contains(&byte));
    if pattern.len() > MAX_PATTERN || !plain || pattern.split_ascii_whitespace().count() != 5 {
        return Err(RULE.to_owned());
    }
    let cron = CronParser::new().parse(pattern).map_err(|_| RULE)?;
    cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false).map_err(|_| "Schedule's crontab names no moment that ever comes")?;
    let zone = match zone {
        None | Some(Value::Null) => FixedOffset::east_opt(0),
        Some(Value::String(name)) => offset(name),
        Some(_) => None,
    };
    let zone = zone.ok_or("Schedule's tz should be UTC, Asia/Seoul or an offset such as +09:00")?;
    Ok(Schedule::Crontab(Box::new(cron), zone))
}

fn offset(name: &str) -> Option<FixedOffset> {
    match ZONES.iter().find(|(known, _)| *known == name) {
        Some((_, seconds)) => FixedOffset::east_opt(*seconds),
        None => name.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn periods_are_read() {
        for (text, seconds) in
            [("every 1d", 86_400), (" every 60s ", 60), ("every 2 w", 1_209_600), ("every  1 m", 60), ("every 24h", 86_400)]
        {
            let Ok(Some(Schedule::Every(read))) = read(&json!(text)) else { unreachable!("{text}") };
            assert_eq!(read, seconds, "{text}");
        }
        assert!(read(&Value::Null).expect("none").is_none());
    }

    #[test]
    fn each_mistake_has_its_text() {
        for (value, text) in [
            (json!(3_600), "Schedule should be a string"),
            (json!(true), "Schedule should be a string"),
            (json!([]), "Schedule should be a string"),
            (json!("daily"), "Schedule should start with 'every'"),
            (json!(""), "Schedule should start with 'every'"),
            (json!("every"), "Schedule should start with 'every'"),
            (json!("every "), "Schedule should start with 'every'"),
            (json!("every 1"), "Bad time unit for schedule, only s/m/h/d/w are allowed"),
            (json!("every 1y"), "Bad time unit for schedule, only s/m/h/d/w are allowed"),
            (json!("every s"), "Failed to parse time number"),
            (json!("every 1.5h"), "Failed to parse time number"),
            (json!("every 99999999999999999999d"), "Failed to parse time number"),
            (json!("every 9000000000000000000w"), "Failed to parse time number"),
            (json!("every 30s"), "Can't schedule tasks for less than one minute"),
            (json!("every -1d"), "Can't schedule tasks for less than one minute"),
            (json!("every 0m"), "Can't schedule tasks for less than one minute"),
        ] {
            assert_eq!(read(&value).expect_err("refused"), text, "{value}");
        }
    }

    #[test]
    fn crontabs_name_their_fields_and_zone() {
        let schedule = read(&json!({"crontab": "0 9 * * 1", "tz": "Asia/Seoul"})).expect("good").expect("there");
        assert_eq!(schedule.next(None, at("2026-03-12T00:00:00Z")), Some(at("2026-03-16T00:00:00Z")));
        let utc = read(&json!({"crontab": "30 6 1 * *"})).expect("good").expect("there");
        assert_eq!(utc.next(Some(at("2026-03-01T06:30:00Z")), at("2026-03-12T00:00:00Z")), Some(at("2026-04-01T06:30:00Z")));
        for bad in [json!({"crontab": "* * * *"}), json!({"crontab": 1}), json!({"crontab": "@daily"}), json!({"crontab": "0 0 30 2 *"})] {
            assert!(read(&bad).expect_err("refused").contains("crontab"), "{bad}");
        }
        for zone in [json!("Mars/Base"), json!(9), json!("+99:00")] {
            assert!(read(&json!({"crontab": "0 0 * * *", "tz": zone})).expect_err("refused").contains("tz"));
        }
    }

    /// A future time is kept, a past one goes on in whole periods (spec-store.md 2.6).
    #[test]
    fn periods_go_on_from_the_planned_moment() {
        let hourly = Schedule::Every(3_600);
        let now = at("2026-03-12T10:30:00Z");
        assert_eq!(hourly.next(None, now), Some(at("2026-03-12T11:30:00Z")));
        assert_eq!(hourly.next(Some(at("2026-03-12T10:45:00Z")), now), Some(at("2026-03-12T10:45:00Z")));
        assert_eq!(hourly.next(Some(at("2026-03-12T10:00:00Z")), now), Some(at("2026-03-12T11:00:00Z")));
        assert_eq!(hourly.next(Some(at("2026-03-01T00:15:00Z")), now), Some(at("2026-03-12T11:15:00Z")));
    }
}
