//! Date-times without a zone, in the space's own (dataspace.md section 3).

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use madang_kit::{Error, Result, time};
use prost_types::Timestamp;

/// The longest text of a date-time.
const MAX_CHARS: usize = 32;

/// `2023-10-02T00:00:00`.
pub(super) fn show(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The same of what gRPC carries.
pub(super) fn wire(at: Option<Timestamp>, zone: Tz) -> Option<String> {
    at.and_then(time::read).map(|at| show(at, zone))
}

/// Reads a date-time; seconds and a fraction may be there, an offset may not.
pub(super) fn read(field: &str, text: &str, zone: Tz) -> Result<DateTime<Utc>> {
    let bad =
        || Error::invalid(field, "date_time", format!("{field} must be a local date-time such as 2023-10-02T00:00:00, without an offset"));
    if text.len() > MAX_CHARS {
        return Err(bad());
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).ok_or_else(bad)?;
    // What a clock shows twice is the first time; what it skips is no time.
    zone.from_local_datetime(&local).earliest().map(|at| at.with_timezone(&Utc)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_go_there_and_back() {
        let at = read("x", "2023-10-02T00:00:00", Tz::Asia__Seoul).expect("a time");
        assert_eq!(
            (at.to_rfc3339(), show(at, Tz::Asia__Seoul)),
            ("2023-10-01T15:00:00+00:00".to_owned(), "2023-10-02T00:00:00".to_owned())
        );
        assert_eq!(read("x", "2023-10-02T00:00", Tz::Asia__Seoul).expect("without seconds"), at);
        assert_eq!(read("x", "2023-10-02T00:00:00.25", Tz::Asia__Seoul).expect("a fraction").timestamp_subsec_millis(), 250);
        for bad in ["2023-10-02T00:00:00Z", "2023-10-02T00:00:00+09:00", "2023-10-02", "2023-13-02T00:00:00", ""] {
            assert!(read("x", bad, Tz::Asia__Seoul).is_err(), "{bad}");
        }
    }
}
