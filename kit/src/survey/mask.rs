//! Personal values as they are shown where the originals are not allowed (dataspace.md section 9).

use serde_json::Value;

use super::{answer::Answer, definition::PersonalField};
use crate::check::is_email;

/// First and last character: `김*널`; of two letters the first.
pub fn name(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    match chars.as_slice() {
        [] => String::new(),
        [_] => "*".to_owned(),
        [first, _] => format!("{first}*"),
        [first, middle @ .., last] => format!("{first}{}{last}", "*".repeat(middle.len())),
    }
}

/// First 3 and last 4 digits: `010****0000`; of a short one nothing.
pub fn phone(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let length = chars.len();
    let hidden = |index: usize| index >= 3 && index + 4 < length;
    if length < 8 {
        return "*".repeat(length);
    }
    chars.into_iter().enumerate().map(|(index, c)| if hidden(index) { '*' } else { c }).collect()
}

/// The longest first word of an address that is shown whole: `제주특별자치도`.
const REGION_CHARS: usize = 7;

/// Two characters of the local part: `pa***@example.com`; of a local part that short one. What is no address shows nothing behind it.
pub fn email(text: &str) -> String {
    let (local, domain) = text.split_once('@').filter(|_| is_email(text)).unwrap_or((text, "***"));
    let kept = if local.chars().count() > 2 { 2 } else { 1 };
    let shown: String = local.chars().take(kept).collect();
    format!("{shown}***@{domain}")
}

/// Its first word, if more follows and it is no longer than a region's name; else two characters at most, and never all of it.
fn address(text: &str) -> String {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let length = first.chars().count();
    if words.next().is_some() && length <= REGION_CHARS {
        return format!("{first} ***");
    }
    let shown: String = first.chars().take(length.saturating_sub(1).min(2)).collect();
    format!("{shown}***")
}

/// Its year.
fn birth_date(text: &str) -> String {
    format!("{}-**-**", text.split('-').next().unwrap_or_default())
}

/// Masks the fields of a personal-info answer.
pub fn answer(answer: &mut Answer) {
    for (name_of, value) in answer.fields.iter_mut().flatten() {
        let text = value.as_str().unwrap_or_default();
        let masked = match PersonalField::of(name_of) {
            Some(PersonalField::Name) => name(text),
            Some(PersonalField::Cellphone) => phone(text),
            Some(PersonalField::Email) => email(text),
            Some(PersonalField::Address) => address(text),
            Some(PersonalField::BirthDate) => birth_date(text),
            None => "***".to_owned(),
        };
        *value = Value::String(masked);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_samples_of_the_reference() {
        assert_eq!(["김패널", "김널", "김", "남궁길동이"].map(super::name), ["김*널", "김*", "*", "남***이"]);
        assert_eq!(["01000000000", "0212345678", "1234567"].map(super::phone), ["010****0000", "021***5678", "*******"]);
        assert_eq!(["panel@example.com", "ab@c.kr", "a@c.kr"].map(super::email), ["pa***@example.com", "a***@c.kr", "a***@c.kr"]);
    }

    #[test]
    fn no_mask_is_the_original() {
        assert_eq!(["kim@x.kr 010-1234-5678", "kim@x.kr@y.kr", "kim"].map(super::email), ["ki***@***"; 3]);
        let addresses = ["서울특별시 강남구 1", "강남구테헤란로123", "강남구테헤란로123 4층", "강남", "강", ""];
        assert_eq!(addresses.map(super::address), ["서울특별시 ***", "강남***", "강남***", "강***", "***", "***"]);
    }
}
