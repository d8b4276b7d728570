//! Times in queries: dates with and without `Z`, `NOW`, and arithmetic behind them (ckan.md 5.4).

use chrono::{DateTime, Datelike, Duration, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

/// Steps behind a time, such as `-7DAYS/DAY`.
const STEPS_MAX: usize = 16;
/// The largest number of one step.
const COUNT_MAX: i64 = 1_000_000;

/// A time of a query, in microseconds since 1970; `None` if it is none.
pub(super) fn parse(text: &str, now: DateTime<Utc>) -> Option<i64> {
    let text = text.trim();
    let (mut time, mut rest) = match text.strip_prefix("NOW") {
        Some(rest) => (now.naive_utc(), rest),
        None => match text.find('Z') {
            Some(end) => (date(text.get(..end)?)?, text.get(end + 1..)?),
            None => (date(text)?, ""),
        },
    };
    for _ in 0..STEPS_MAX {
        let Some(operator) = rest.chars().next() else { return Some(time.and_utc().timestamp_micros()) };
        rest = rest.get(1..)?;
        let end = |text: &str| text.find(['+', '-', '/']).unwrap_or(text.len());
        let step = rest.get(..end(rest))?;
        rest = rest.get(end(rest)..)?;
        time = match operator {
            '/' => rounded(time, step)?,
            '+' | '-' => {
                let digits = step.find(|c: char| !c.is_ascii_digit())?;
                let count: i64 = step.get(..digits)?.parse().ok().filter(|count| *count <= COUNT_MAX)?;
                moved(time, if operator == '-' { -count } else { count }, step.get(digits..)?)?
            }
            _ => return None,
        };
    }
    None
}

/// A date of an extra as a text that sorts by time; `None` if it is none.
pub(super) fn sortable(text: &str) -> Option<String> {
    Some(sort_text(date(text.trim().trim_end_matches('Z'))?))
}

/// Microseconds as a text that sorts by time.
pub(super) fn sort_text_of(micros: i64) -> Option<String> {
    Some(sort_text(DateTime::from_timestamp_micros(micros)?.naive_utc()))
}

/// Microseconds as an index shows them.
pub(super) fn shown(micros: i64) -> Option<String> {
    Some(DateTime::from_timestamp_micros(micros)?.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn sort_text(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn date(text: &str) -> Option<NaiveDateTime> {
    let year = text.split_once('-').map_or(text, |(year, _)| year);
    if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN));
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

fn moved(time: NaiveDateTime, count: i64, unit: &str) -> Option<NaiveDateTime> {
    let months = |months: i64| {
        let many = Months::new(u32::try_from(months.checked_abs()?).ok()?);
        if months < 0 { time.checked_sub_months(many) } else { time.checked_add_months(many) }
    };
    let by = match singular(unit) {
        "YEAR" => return months(count.checked_mul(12)?),
        "MONTH" => return months(count),
        "DAY" | "DATE" => Duration::days(count),
        "HOUR" => Duration::hours(count),
        "MINUTE" => Duration::minutes(count),
        "SECOND" => Duration::seconds(count),
        "MILLI" | "MILLISECOND" => Duration::milliseconds(count),
        _ => return None,
    };
    time.checked_add_signed(by)
}

fn rounded(time: NaiveDateTime, unit: &str) -> Option<NaiveDateTime> {
    let day = time.date();
    let start = |day: Option<NaiveDate>| day.map(|day| day.and_time(NaiveTime::MIN));
    match singular(unit) {
        "YEAR" => start(NaiveDate::from_ymd_opt(day.year(), 1, 1)),
        "MONTH" => start(day.with_day(1)),
        "DAY" | "DATE" => start(Some(day)),
        "HOUR" => day.and_hms_opt(time.hour(), 0, 0),
        "MINUTE" => day.and_hms_opt(time.hour(), time.minute(), 0),
        "SECOND" => day.and_hms_opt(time.hour(), time.minute(), time.second()),
        _ => None,
    }
}

fn singular(unit: &str) -> &str {
    unit.strip_suffix('S').unwrap_or(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_their_arithmetic() {
        let now = NaiveDate::from_ymd_opt(2024, 5, 31).and_then(|day| day.and_hms_opt(13, 45, 30)).expect("a time").and_utc();
        let text = |text: &str| parse(text, now).and_then(sort_text_of);
        for (given, wanted) in [
            ("NOW", Some("2024-05-31T13:45:30.000000")),
            ("NOW/DAY", Some("2024-05-31T00:00:00.000000")),
            ("NOW-7DAYS", Some("2024-05-24T13:45:30.000000")),
            ("NOW/MONTH-1MONTH+2HOURS", Some("2024-04-01T02:00:00.000000")),
            ("NOW-3MONTHS", Some("2024-02-29T13:45:30.000000")),
            ("2024-01-01T00:00:00Z", Some("2024-01-01T00:00:00.000000")),
            ("2024-01-01T00:00:00.5Z+1YEAR", Some("2025-01-01T00:00:00.500000")),
            ("2024-01-01", Some("2024-01-01T00:00:00.000000")),
            ("NOW-7", None),
            ("NOW-9999999DAYS", None),
            ("NOW*2", None),
            ("yesterday", None),
            ("NOWé", None),
        ] {
            assert_eq!(text(given).as_deref(), wanted, "{given}");
        }
    }
}
