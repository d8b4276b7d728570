//! Texts as words in their base form, the way PostgreSQL's text search has them, so that questions and ranks are its own.

mod query;

use std::{borrow::Cow, str::FromStr};

use rust_stemmers::{Algorithm, Stemmer};

pub use self::query::{plain_query, written_query};
use crate::{Error, Result};

/// Bytes of one word; longer ones are not kept.
const WORD_BYTES: usize = 2_046;
/// The greatest position of a word; what stands behind has it too.
const MAX_POSITION: u16 = 16_383;

/// English words that say nothing.
const STOP: &str = "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its \
    itself they them their theirs themselves what which who whom this that these those am is are was were be been being have has had having \
    do does did doing a an the and but if or because as until while of at by for with about against between into through during before after \
    above below to from up down in out on off over under again further then once here there when where why how all any both each few more \
    most other some such no nor not only own same so than too very s t can will just don should now";

/// A language whose endings can be taken off; [`Language::Simple`] leaves words as they are, but for upper case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names of languages")]
pub enum Language {
    Simple,
    #[default]
    English,
    Arabic,
    Danish,
    Dutch,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name.strip_prefix("pg_catalog.").unwrap_or(name) {
            "simple" => Self::Simple,
            "english" => Self::English,
            "arabic" => Self::Arabic,
            "danish" => Self::Danish,
            "dutch" => Self::Dutch,
            "finnish" => Self::Finnish,
            "french" => Self::French,
            "german" => Self::German,
            "greek" => Self::Greek,
            "hungarian" => Self::Hungarian,
            "italian" => Self::Italian,
            "norwegian" => Self::Norwegian,
            "portuguese" => Self::Portuguese,
            "romanian" => Self::Romanian,
            "russian" => Self::Russian,
            "spanish" => Self::Spanish,
            "swedish" => Self::Swedish,
            "tamil" => Self::Tamil,
            "turkish" => Self::Turkish,
            _ => return Err(Error::invalid(format!("text search configuration \"{name}\" does not exist"))),
        })
    }
}

impl Language {
    fn stemmer(self) -> Option<Stemmer> {
        Some(Stemmer::create(match self {
            Self::Simple => return None,
            Self::English => Algorithm::English,
            Self::Arabic => Algorithm::Arabic,
            Self::Danish => Algorithm::Danish,
            Self::Dutch => Algorithm::Dutch,
            Self::Finnish => Algorithm::Finnish,
            Self::French => Algorithm::French,
            Self::German => Algorithm::German,
            Self::Greek => Algorithm::Greek,
            Self::Hungarian => Algorithm::Hungarian,
            Self::Italian => Algorithm::Italian,
            Self::Norwegian => Algorithm::Norwegian,
            Self::Portuguese => Algorithm::Portuguese,
            Self::Romanian => Algorithm::Romanian,
            Self::Russian => Algorithm::Russian,
            Self::Spanish => Algorithm::Spanish,
            Self::Swedish => Algorithm::Swedish,
            Self::Tamil => Algorithm::Tamil,
            Self::Turkish => Algorithm::Turkish,
        }))
    }
}

/// Takes words to their base form.
pub struct Stems {
    language: Language,
    stemmer: Option<Stemmer>,
    stop: std::collections::HashSet<&'static str>,
}

impl Stems {
    /// Those of a language.
    pub fn new(language: Language) -> Self {
        let stop = if language == Language::English { STOP.split_ascii_whitespace().collect() } else { std::collections::HashSet::new() };
        Self { language, stemmer: language.stemmer(), stop }
    }

    /// The base form of a word; `None` if it says nothing. Numbers and words with signs in them stay as they are.
    pub fn base<'a>(&self, word: &'a str) -> Option<Cow<'a, str>> {
        if word.len() > WORD_BYTES {
            return None;
        }
        let word: Cow<'a, str> = if word.chars().any(char::is_uppercase) { word.to_lowercase().into() } else { word.into() };
        if self.stop.contains(word.as_ref()) {
            return None;
        }
        let plain = word.chars().all(char::is_alphabetic) && (self.language != Language::English || word.is_ascii());
        match &self.stemmer {
            Some(stemmer) if plain => Some(Cow::Owned(stemmer.stem(&word).into_owned())),
            _ => Some(word),
        }
    }

    /// The same with the words as they are written, those that say nothing included.
    pub fn each_raw(&self, text: &str, after: u16, mut give: impl FnMut(&str, u16)) -> u16 {
        let mut position = after;
        raw_words(text, |word| {
            position = position.saturating_add(1).min(MAX_POSITION);
            give(word, position);
        });
        position
    }

    /// Gives each word of a text with its position from 1, starting behind `after`; returns the last position.
    pub fn each(&self, text: &str, after: u16, mut give: impl FnMut(&str, u16)) -> u16 {
        self.each_raw(text, after, |word, position| {
            if let Some(base) = self.base(word) {
                give(&base, position);
            }
        })
    }
}

/// Cuts a text into words: letters and digits; a number with its sign and fraction; words joined by hyphens as a whole and one by one.
fn raw_words(text: &str, mut give: impl FnMut(&str)) {
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let end = number_end(rest, before).or_else(|| word_end(rest));
        let Some(end) = end.filter(|end| *end > 0) else {
            before = c;
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        give(word);
        if word.contains('-') && !word.starts_with('-') {
            word.split('-').for_each(&mut give);
        }
        before = word.chars().next_back().unwrap_or(' ');
        rest = behind;
    }
}

/// Where a number ends that begins here.
fn number_end(text: &str, before: char) -> Option<usize> {
    let bytes = text.as_bytes();
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')) && !before.is_alphabetic());
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(sign);
    if whole == 0 {
        return None;
    }
    let mut end = sign + whole;
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    let next = text.get(end..).and_then(|rest| rest.chars().next());
    (!next.is_some_and(char::is_alphanumeric)).then_some(end)
}

/// Where a word ends that begins here, the words that hyphens join to it included.
fn word_end(text: &str) -> Option<usize> {
    let run = |text: &str| text.find(|c: char| !is_of_word(c)).unwrap_or(text.len());
    let mut end = run(text);
    if end == 0 {
        return None;
    }
    while let Some(joined) = text.get(end..).and_then(|rest| rest.strip_prefix('-')) {
        let next = run(joined);
        if next == 0 || joined.starts_with(|c: char| c.is_ascii_digit()) {
            break;
        }
        end += 1 + next;
    }
    Some(end)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Stems::new(Language::English).each(text, 0, |word, position| found.push(format!("{word}:{position}")));
        found
    }

    #[test]
    fn texts_are_cut_as_postgresql_cuts_them() {
        for (text, wanted) in [
            ("The Cats are running", "cat:2 run:4"),
            ("well-known 1.5 -3 x2", "well-known:1 well:2 known:3 1.5:4 -3:5 x2:6"),
            ("2024-05-01", "2024:1 -05:2 -01:3"),
            ("서울 교통량, Büro", "서울:1 교통량:2 büro:3"),
            ("foo_bar 10:30 e-mail happiness", "foo:1 bar:2 10:3 30:4 e-mail:5 e:6 mail:7 happi:8"),
            ("", ""),
            ("--- !", ""),
        ] {
            assert_eq!(words(text).join(" "), wanted, "{text}");
        }
    }
}
