//! What a number of a workbook is: a date is a number under a format that shows one.

use chrono::{Duration, NaiveDate};

/// How numbers of a style are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    #[default]
    Number,
    Date,
    Time,
    DateTime,
}

/// The formats that every workbook has (ECMA-376, 18.8.30).
pub(super) fn built_in(id: u64) -> Style {
    match id {
        14..=17 | 27..=31 | 36 | 50..=58 => Style::Date,
        18..=21 | 32..=35 | 45 | 47 => Style::Time,
        22 => Style::DateTime,
        _ => Style::Number,
    }
}

/// A format that is written out: `yyyy-mm-dd hh:mm`. What stands in quotes or brackets, or behind a backslash, is shown as it is.
pub(super) fn of_format(code: &str) -> Style {
    let (mut date, mut time) = (false, false);
    let mut letters = code.split(';').next().unwrap_or_default().chars();
    while let Some(letter) = letters.next() {
        match letter.to_ascii_lowercase() {
            '"' => drop(letters.by_ref().find(|c| *c == '"')),
            '[' => drop(letters.by_ref().find(|c| *c == ']')),
            '\\' | '_' | '*' => drop(letters.next()),
            'y' | 'd' => date = true,
            'h' | 's' => time = true,
            _ => {}
        }
    }
    match (date, time) {
        (true, true) => Style::DateTime,
        (true, false) => Style::Date,
        (false, true) => Style::Time,
        (false, false) => Style::Number,
    }
}

/// A number as a text of its style. Days count from the end of 1899, or from 1904.
pub(super) fn shown(number: f64, style: Style, from_1904: bool) -> String {
    let text = match style {
        Style::Number => None,
        Style::Date => moment(number, from_1904).map(|moment| moment.format("%Y-%m-%d").to_string()),
        Style::Time => moment(number, from_1904).map(|moment| moment.format("%H:%M:%S").to_string()),
        Style::DateTime => moment(number, from_1904).map(|moment| moment.format("%Y-%m-%d %H:%M:%S").to_string()),
    };
    text.unwrap_or_else(|| plain(number))
}

/// Integers without a point, others as short as they can be read again.
fn plain(number: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT { format!("{number:.0}") } else { format!("{number:?}") }
}

fn moment(number: f64, from_1904: bool) -> Option<chrono::NaiveDateTime> {
    const DAYS_MAX: f64 = 2_958_466.0; // 9999-12-31
    const SECONDS: f64 = 86_400.0;
    if !(0.0..DAYS_MAX).contains(&number) {
        return None;
    }
    let first = if from_1904 { NaiveDate::from_ymd_opt(1904, 1, 1)? } else { NaiveDate::from_ymd_opt(1899, 12, 30)? };
    // Spreadsheets have a 29 February 1900; before it days count one more.
    let days = if !from_1904 && number < 60.0 { number + 1.0 } else { number };
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let seconds = (days * SECONDS).round() as i64;
    first.and_hms_opt(0, 0, 0)?.checked_add_signed(Duration::seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_tell_dates_from_numbers() {
        for (code, wanted) in [
            ("General", Style::Number),
            ("#,##0.00", Style::Number),
            ("yyyy\\-mm\\-dd", Style::Date),
            ("yyyy\"년\" m\"월\" d\"일\"", Style::Date),
            ("[$-412]yyyy-mm-dd hh:mm", Style::DateTime),
            ("[Red]0", Style::Number),
            ("h:mm", Style::Time),
        ] {
            assert_eq!(of_format(code), wanted, "{code}");
        }
    }

    #[test]
    fn serial_numbers_are_moments() {
        assert_eq!(shown(45_292.0, Style::Date, false), "2024-01-01");
        assert_eq!(shown(45_292.5, Style::DateTime, false), "2024-01-01 12:00:00");
        assert_eq!(shown(1.0, Style::Date, false), "1900-01-01");
        assert_eq!(shown(0.0, Style::Date, true), "1904-01-01");
        assert_eq!(shown(0.25, Style::Time, false), "06:00:00");
        assert_eq!(shown(-1.0, Style::Date, false), "-1");
        assert_eq!(shown(3.0, Style::Number, false), "3");
        assert_eq!(shown(0.1, Style::Number, false), "0.1");
        assert_eq!(shown(f64::NAN, Style::Date, false), "NaN");
    }
}
