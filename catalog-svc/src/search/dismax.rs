//! The other kind of query (ckan.md 5.3): words without fields, each asked of several fields at once, of which most must be found.

use super::syntax::QUERY_BYTES;

/// Words of one query.
const WORDS_MAX: usize = 512;
/// Fields of one query.
const FIELDS_MAX: usize = 50;

/// A word or a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) sign: Sign,
}

/// What stands before a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    None,
    Plus,
    Minus,
}

/// The fields that are asked, how much each counts, and how many words have to be found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    pub(super) fields: Vec<(String, f32)>,
    pub(super) tie: f32,
    pub(super) minimum: String,
}

/// CKAN's own fields.
pub(super) const FIELDS: &str = "name^4 title^4 tags^2 groups^2 text";
/// How much the fields count in which a word was found less well.
pub(super) const TIE: f32 = 0.1;
/// How many words have to be found.
pub(super) const MINIMUM: &str = "2<-1 5<80%";

/// The words of a query.
///
/// # Errors
/// What is wrong with it, for its writer.
pub(super) fn words(text: &str) -> Result<Vec<Word>, String> {
    if text.len() > QUERY_BYTES {
        return Err(format!("the query is longer than {QUERY_BYTES} bytes"));
    }
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let sign = match first {
            '+' => Sign::Plus,
            '-' => Sign::Minus,
            _ => Sign::None,
        };
        if sign != Sign::None {
            rest = rest.get(1..).unwrap_or_default();
        }
        let (word, behind) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some(phrase) => phrase,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        if !word.is_empty() {
            words.push(Word { text: word.replace('"', " "), sign });
        }
        rest = behind.trim_start();
        if words.len() > WORDS_MAX {
            return Err(format!("the query has more than {WORDS_MAX} words"));
        }
    }
    Ok(words)
}

/// Fields with what each counts: `title^4 text`.
///
/// # Errors
/// What is wrong with them.
pub(super) fn fields(text: &str) -> Result<Vec<(String, f32)>, String> {
    let field = |word: &str| match word.split_once('^') {
        None => Ok((word.to_owned(), 1.0)),
        Some((name, boost)) => match boost.parse::<f32>() {
            Ok(boost) if boost.is_finite() => Ok((name.to_owned(), boost)),
            _ => Err(format!("'{word}' is no field with a boost")),
        },
    };
    let fields: Vec<_> = text.split([' ', ',']).filter(|word| !word.is_empty()).map(field).collect::<Result<_, _>>()?;
    if fields.len() > FIELDS_MAX { Err(format!("more than {FIELDS_MAX} fields are asked")) } else { Ok(fields) }
}

/// How many of a number of optional words have to be found: `3`, `-1`, `75%`, `-25%`, or conditions such as `2<-1 5<80%`.
///
/// # Errors
/// What is wrong with the rule.
pub(super) fn minimum(rule: &str, words: usize) -> Result<usize, String> {
    let wrong = || format!("'{rule}' does not say how many words must be found");
    let words = i64::try_from(words).map_err(|_| wrong())?;
    let mut chosen = None;
    for part in rule.split_whitespace() {
        match part.split_once('<') {
            Some((above, part)) => {
                if words > above.parse::<i64>().map_err(|_| wrong())? {
                    chosen = Some(part);
                } else if chosen.is_none() {
                    chosen = Some("100%");
                }
            }
            None => chosen = Some(part),
        }
    }
    let chosen = chosen.unwrap_or("100%");
    let number = match chosen.strip_suffix('%') {
        Some(percent) => words.saturating_mul(percent.parse::<i64>().map_err(|_| wrong())?) / 100,
        None => chosen.parse::<i64>().map_err(|_| wrong())?,
    };
    let number = if number < 0 || chosen.starts_with('-') { words.saturating_add(number) } else { number };
    usize::try_from(number.clamp(0, words)).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_words_must_be_found() {
        for (words, wanted) in [(1, 1), (2, 2), (3, 2), (5, 4), (6, 4), (10, 8)] {
            assert_eq!(minimum(MINIMUM, words), Ok(wanted), "{words}");
        }
        assert_eq!(minimum("-25%", 4), Ok(3));
        assert_eq!(minimum("9", 4), Ok(4));
        assert!(minimum("x", 4).is_err());
    }

    #[test]
    fn words_phrases_signs() {
        let found: Vec<_> = words("a +b -\"c d\" e-f \"g").expect("words").into_iter().map(|word| (word.text, word.sign)).collect();
        let wanted = [("a", Sign::None), ("b", Sign::Plus), ("c d", Sign::Minus), ("e-f", Sign::None), (" g", Sign::None)]
            .map(|(text, sign)| (text.to_owned(), sign));
        assert_eq!(found, wanted);
        assert_eq!(fields("title^4 text").expect("fields"), [("title".to_owned(), 4.0), ("text".to_owned(), 1.0)]);
    }
}
