//! Data Flow's JSON: dates in the time of Seoul, pages, words for states.

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone, Utc};
use madang_kit::{Error, Result, time};
use madang_proto::pipeline::v1::{Page, RunState};
use prost_types::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Asia/Seoul, which knows no daylight saving, in seconds east of UTC.
const SEOUL: i32 = 9 * 3600;
/// The largest page, and the usual one.
const MAX_PAGE: u32 = 1_000;
/// The words for states.
const STATES: [(RunState, &str); 5] = [
    (RunState::Queued, "READY"),
    (RunState::Running, "RUNNING"),
    (RunState::Succeeded, "COMPLETED"),
    (RunState::Failed, "FAILED"),
    (RunState::Cancelled, "CANCELED"),
];

/// An object of which absent members are left out.
#[derive(Debug, Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// Adds a member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a member that may be absent.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The finished object.
    pub(crate) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// The word for a state.
pub(crate) fn state(state: RunState) -> &'static str {
    STATES.iter().find(|row| row.0 == state).map_or("READY", |row| row.1)
}

fn seoul() -> Option<FixedOffset> {
    FixedOffset::east_opt(SEOUL)
}

/// `2026-03-01T10:00:00.000+09:00`
pub(crate) fn date(at: Option<Timestamp>) -> Option<String> {
    Some(time::read(at?)?.with_timezone(&seoul()?).format("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string())
}

/// `2026-03-01T10:00:00`, in Seoul.
pub(crate) fn local(at: DateTime<Utc>) -> Option<NaiveDateTime> {
    Some(at.with_timezone(&seoul()?).naive_local())
}

/// A time in Seoul.
pub(crate) fn of_local(at: NaiveDateTime) -> Option<DateTime<Utc>> {
    Some(seoul()?.from_local_datetime(&at).single()?.with_timezone(&Utc))
}

/// Reads an ISO 8601 time; one without an offset is Seoul's.
pub(crate) fn read_date(field: &str, text: &str) -> Result<DateTime<Utc>> {
    let with_offset = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    let read = match with_offset {
        Ok(at) => Some(at.with_timezone(&Utc)),
        Err(_) => ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .and_then(of_local),
    };
    read.ok_or_else(|| Error::invalid(field, "date", format!("{field} must be a time such as 2026-03-01T10:00:00")))
}

/// A page of a list, as the query says it.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    page: Option<String>,
    limit: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) filter: Option<String>,
}

impl PageQuery {
    /// The page: from 0 on; a limit above the largest is that.
    pub(crate) fn page(&self) -> Result<Page> {
        let number = number("page", self.page.as_deref())?.unwrap_or_default();
        let limit = number_of(self.limit.as_deref())?.min(MAX_PAGE.into());
        Ok(Page { number, limit: limit.try_into().unwrap_or(MAX_PAGE) })
    }
}

fn number_of(limit: Option<&str>) -> Result<u64> {
    Ok(number("limit", limit)?.unwrap_or(MAX_PAGE.into()))
}

fn number(name: &str, text: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let read = text.parse::<u32>().ok().filter(|_| plain);
    let wrong = || Error::invalid(name, "range", format!("{name} must be a whole number from 0 on"));
    read.map(|number| Some(number.into())).ok_or_else(wrong)
}

/// The envelope of a list.
pub(crate) fn list(items: &[Value], count: u64, page: &Page) -> Value {
    json!({"list": items, "count": count, "page": page.number, "limit": page.limit})
}

/// A JSON object that a service keeps as text; nothing if there is none.
pub(crate) fn object(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_with_and_without_offset() {
        let utc = "2026-03-01T01:00:00Z".parse::<DateTime<Utc>>().expect("a time");
        for text in [
            "2026-03-01T10:00:00",
            "2026-03-01T10:00:00.000",
            "2026-03-01T10:00:00.000+09:00",
            "2026-03-01T01:00:00Z",
            "2026-03-01T10:00:00+0900",
            "2026-03-01T10:00",
        ] {
            assert_eq!(read_date("at", text).expect(text), utc, "{text}");
        }
        assert_eq!(date(Some(time::wire(utc))).as_deref(), Some("2026-03-01T10:00:00.000+09:00"));
        for text in ["", "2026-03-01", "10:00", "2026-02-30T10:00:00", "tomorrow"] {
            assert!(read_date("at", text).is_err(), "{text}");
        }
    }
}
