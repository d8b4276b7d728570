//! What a cell's text means in each type. The same rules infer a file's types and convert it, so what was inferred
//! always converts; a text that a type would not give back is not of that type.

/// Integers beyond this are not all doubles.
pub(super) const DOUBLE_INTEGERS: u64 = 1 << 53;

/// Significant digits that a double always keeps apart.
const DOUBLE_DIGITS: usize = 17;
const FLOAT_DIGITS: usize = 9;
const FLOAT_INTEGERS: u64 = 1 << 24;

/// `true` or `false` in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Decimal digits with an optional minus, within 64 bits. Leading zeros and a plus mean something else than a number
/// (`007`, a postal code, a phone number).
pub(super) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'0'] => Some(0),
        [] | [b'0', ..] => None,
        [first, ..] if !first.is_ascii_digit() => None,
        _ => text.parse().ok(),
    }
}

/// A decimal number, with or without exponent, that a double holds: at most 17 significant digits, no overflow.
pub(super) fn double(text: &str) -> Option<f64> {
    let value: f64 = decimal(text, DOUBLE_DIGITS, DOUBLE_INTEGERS)?.parse().ok()?;
    kept(value, text).then_some(value)
}

/// The same for single precision: at most 9 significant digits.
pub(super) fn float(text: &str) -> Option<f32> {
    let value: f32 = decimal(text, FLOAT_DIGITS, FLOAT_INTEGERS)?.parse().ok()?;
    kept(f64::from(value), text).then_some(value)
}

/// The text, if it is a number of at most so many significant digits; an integer must not be above `integers`.
fn decimal(text: &str, digits: usize, integers: u64) -> Option<&str> {
    if let Some(value) = integer(text) {
        return (value.unsigned_abs() <= integers).then_some(text);
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None if exponent.is_some() => (mantissa, ""),
        None => return None, // an integer that is none of ours
    };
    let fits = all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && (whole.len() < 2 || !whole.starts_with('0'))
        && exponent.is_none_or(is_exponent)
        && significant(whole, fraction) <= digits;
    fits.then_some(text)
}

fn is_exponent(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.len() <= 4 && all_digits(digits)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits from the first to the last that is not zero.
fn significant(whole: &str, fraction: &str) -> usize {
    let mut digits = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0');
    let (mut length, mut last) = (0, 0);
    for digit in &mut digits {
        length += 1;
        if digit != b'0' {
            last = length;
        }
    }
    last
}

/// Neither overflowed nor vanished.
fn kept(value: f64, text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    value.is_finite() && (value != 0.0 || !mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

/// `YYYY-MM-DD` as days since 1970.
pub(super) fn date(text: &str) -> Option<i32> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_of(year, month) {
        return None;
    }
    i32::try_from(days_since_1970(year, month, day)).ok()
}

/// A date and time of ISO 8601: microseconds, and whether the text names a zone (then they count from 1970 in UTC).
///
/// `2026-03-01T05:00`, seconds and up to six decimals may follow, then `Z`, `+09:00`, `+0900` or `+09`; a space may
/// stand for the `T`.
pub(super) fn timestamp(text: &str) -> Option<(i64, bool)> {
    let day = i64::from(date(text.get(..10)?)?);
    let clock = text.get(10..)?.strip_prefix(['T', ' '])?;
    let (clock, zone) = match clock.find(['Z', '+', '-']) {
        Some(at) => (&clock[..at], Some(zone(&clock[at..])?)),
        None => (clock, None),
    };
    let local = day * 86_400_000_000 + time(clock)?;
    Some((local - zone.unwrap_or(0) * 60_000_000, zone.is_some()))
}

/// `05:00`, `05:00:00` or `05:00:00.25` as microseconds.
fn time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || bytes[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&bytes[..2])?, number(&bytes[3..5])?);
    let (second, micros) = match &bytes[5..] {
        [] => (0, 0),
        [b':', a, b] => (number(&[*a, *b])?, 0),
        [b':', a, b, b'.', decimals @ ..] => (number(&[*a, *b])?, fraction(decimals)?),
        _ => return None,
    };
    (hour < 24 && minute < 60 && second < 60).then(|| (hour * 3_600 + minute * 60 + second) * 1_000_000 + micros)
}

/// Decimals of a second as microseconds; more than six would be lost.
fn fraction(decimals: &[u8]) -> Option<i64> {
    let missing = 6_usize.checked_sub(decimals.len()).filter(|_| !decimals.is_empty())?;
    Some(number(decimals)? * 10_i64.pow(u32::try_from(missing).ok()?))
}

/// A zone as minutes east of UTC.
fn zone(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes() {
        [b'Z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [_, _] => (number(rest)?, 0),
        [_, _, b':', _, _] => (number(&rest[..2])?, number(&rest[3..])?),
        [_, _, _, _] => (number(&rest[..2])?, number(&rest[2..])?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn number(digits: &[u8]) -> Option<i64> {
    let mut value = 0;
    for digit in digits {
        value = value * 10 + i64::from(digit.is_ascii_digit().then_some(digit - b'0')?);
    }
    Some(value)
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar, with years that begin in March so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_spelling() {
        for (text, value) in
            [("0", 0), ("-0", 0), ("7", 7), ("-12", -12), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in ["", "-", "+5", "007", "-01", "00", "1 ", " 1", "1_000", "9223372036854775808", "1.0", "1e3", "٣"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn doubles_keep_what_is_written() {
        for (text, value) in
            [("1.5", 1.5), ("-0.25", -0.25), (".5", 0.5), ("5.", 5.0), ("1e3", 1e3), ("1E+05", 1e5), ("2.5e-3", 0.0025), ("12", 12.0)]
        {
            assert_eq!(double(text), Some(value), "{text}");
        }
        assert_eq!(double("0.10000000000000000000"), Some(0.1), "zeros at the end say nothing");
        for text in [
            "",
            ".",
            "-",
            "e5",
            "1e",
            "00.5",
            "01e3",
            "+1.5",
            "NaN",
            "inf",
            "1e400",
            "1e-400",
            "0.1234567890123456789",
            "9007199254740993",
            "1.5.2",
            "1,5",
            "0x10",
            "1e99999",
        ] {
            assert_eq!(double(text), None, "{text}");
        }
    }

    #[test]
    fn floats_hold_less() {
        assert_eq!(float("0.1"), Some(0.1_f32));
        assert_eq!(float("16777216"), Some(16_777_216.0));
        assert_eq!(float("16777217"), None);
        assert_eq!(float("1e39"), None);
        assert_eq!(float("0.1234567891"), None);
    }

    #[test]
    fn dates_are_real_days() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2026-03-01"), Some(20_513));
        assert_eq!(date("2000-02-29"), Some(11_016));
        assert_eq!(date("0001-01-01"), Some(-719_162));
        for text in
            ["2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "0000-01-01", "2026/03/01", "20260301", "2026-03-01 "]
        {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_know_their_zone() {
        let five = 20_513 * 86_400_000_000 + 5 * 3_600_000_000;
        for text in [
            "2026-03-01T05:00:00Z",
            "2026-03-01 05:00Z",
            "2026-03-01T14:00:00+09:00",
            "2026-03-01T14:00:00+0900",
            "2026-03-01T04:00:00.000-01",
        ] {
            assert_eq!(timestamp(text), Some((five, true)), "{text}");
        }
        assert_eq!(timestamp("2026-03-01 05:00:00"), Some((five, false)));
        assert_eq!(timestamp("2026-03-01T05:00:00.25"), Some((five + 250_000, false)));
        for text in [
            "2026-03-01",
            "2026-03-01T",
            "2026-03-01T05",
            "2026-03-01T24:00",
            "2026-03-01T05:60",
            "2026-03-01T05:00:60",
            "2026-03-01T05:00:00.",
            "2026-03-01T05:00:00.1234567",
            "2026-03-01T05:00:00 Z",
            "2026-03-01T05:00:00+9",
            "2026-03-01x05:00",
            "가나다라마바사",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_are_words() {
        assert_eq!(boolean("TRUE"), Some(true));
        assert_eq!(boolean("False"), Some(false));
        assert_eq!(boolean("yes"), None);
        assert_eq!(boolean("1"), None);
    }
}
