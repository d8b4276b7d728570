//! How texts become words (ckan.md 5.5): parts of words and their joined forms, lower case, accents folded, English words stemmed;
//! Hangul, Han and Kana by letters, because what is a word there does not stand between blanks.
//!
//! In an index every such letter has a position, with itself and with the pair that it begins as its words. A search for one letter
//! asks for it, for two or three asks for their pairs, and for more asks for the letters one after another, wherever blanks are:
//! `공공데이터` finds `공공 데이터`.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;

use super::fields::{PARTS, WORDS, keyed};

/// The tokenizer of English text, stemmed.
pub(super) const STEMMED: &str = "madang_stemmed";
/// The tokenizer of `key<KEY_END>text`, whose words all begin with the key; the key says how the text is cut.
pub(super) const KEYED: &str = "madang_keyed";

/// Ends the key in front of a value of [`KEYED`] and of exact values that have keys.
pub(super) const KEY_END: char = '\u{1f}';

/// More letters than this are asked for one by one.
const PAIRS_TO: usize = 3;
/// The longest word, in bytes; what is behind it is not found.
const WORD_BYTES: usize = 255;

static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// A word at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) place: usize,
    pub(super) text: String,
}

/// What a text is asked for: words at places, and the joined form of all of them, if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) words: Vec<Word>,
    pub(super) joined: Option<String>,
}

/// A run of letters of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    Letters(String),
    Digits(String),
    Ideographs(Vec<char>),
}

/// One text of the many that Unicode has for it, without accents.
pub(super) fn folded(text: &str) -> String {
    text.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).nfc().collect()
}

/// An exact value: one text of the many that Unicode has for it.
pub(super) fn exact(text: &str) -> String {
    text.nfc().collect()
}

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x11ff | 0x3040..=0x30ff | 0x3130..=0x318f | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xa960..=0xa97f
        | 0xac00..=0xd7ff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Splits a text without blanks where its kind of letters changes, at punctuation, and where lower case is followed by upper case.
fn runs(word: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut last: Option<char> = None;
    for c in word.chars() {
        let follows = last.is_some();
        if is_ideograph(c) {
            match runs.last_mut() {
                Some(Run::Ideographs(run)) if follows => run.push(c),
                _ => runs.push(Run::Ideographs(vec![c])),
            }
        } else if c.is_numeric() {
            match runs.last_mut() {
                Some(Run::Digits(run)) if follows => run.push(c),
                _ => runs.push(Run::Digits(c.into())),
            }
        } else if c.is_alphabetic() {
            let turns = c.is_uppercase() && last.is_some_and(char::is_lowercase);
            match runs.last_mut() {
                Some(Run::Letters(run)) if follows && !turns => run.push(c),
                _ => runs.push(Run::Letters(c.into())),
            }
        } else {
            last = None;
            continue;
        }
        last = Some(c);
    }
    runs
}

fn finished(text: &str, stems: bool) -> String {
    let mut lower = text.to_lowercase();
    if lower.len() > WORD_BYTES {
        let end = (0..=WORD_BYTES).rev().find(|end| lower.is_char_boundary(*end)).unwrap_or_default();
        lower.truncate(end);
    }
    if stems && lower.is_ascii() { ENGLISH.stem(&lower).into_owned() } else { lower }
}

/// The joined form of letters that follow one another, with how many runs it has.
fn joined(runs: &[Run]) -> Option<(String, usize)> {
    let letters = runs.iter().map_while(|run| if let Run::Letters(text) = run { Some(text.as_str()) } else { None });
    let letters: Vec<&str> = letters.collect();
    (letters.len() > 1).then(|| (letters.concat(), letters.len()))
}

/// Words as an index has them.
pub(super) fn indexed(text: &str, stems: bool) -> Vec<Word> {
    let text = folded(text);
    let (mut words, mut place) = (Vec::new(), 0);
    for word in text.split_whitespace() {
        let runs = runs(word);
        let mut joined_to = 0;
        for (at, run) in runs.iter().enumerate() {
            if at >= joined_to
                && let Some((whole, count)) = joined(runs.get(at..).unwrap_or_default())
            {
                words.push(Word { place, text: finished(&whole, stems) });
                joined_to = at + count;
            }
            match run {
                Run::Letters(text) => {
                    words.push(Word { place, text: finished(text, stems) });
                    place += 1;
                }
                Run::Digits(text) => {
                    words.push(Word { place, text: finished(text, false) });
                    place += 1;
                }
                Run::Ideographs(letters) => {
                    for (number, letter) in letters.iter().enumerate() {
                        words.push(Word { place, text: letter.to_string() });
                        if let Some(next) = letters.get(number + 1) {
                            words.push(Word { place, text: [*letter, *next].iter().collect() });
                        }
                        place += 1;
                    }
                }
            }
        }
    }
    words
}

/// Words as a search asks for them.
pub(super) fn asked(text: &str, stems: bool) -> Asked {
    let text = folded(text);
    let mut asked = Asked::default();
    let mut place = 0;
    let all: Vec<Vec<Run>> = text.split_whitespace().map(runs).collect();
    if let [runs] = all.as_slice()
        && let Some((whole, count)) = joined(runs)
        && count == runs.len()
    {
        asked.joined = Some(finished(&whole, stems));
    }
    for run in all.iter().flatten() {
        match run {
            Run::Letters(text) => {
                asked.words.push(Word { place, text: finished(text, stems) });
                place += 1;
            }
            Run::Digits(text) => {
                asked.words.push(Word { place, text: finished(text, false) });
                place += 1;
            }
            Run::Ideographs(letters) => {
                let size = if (2..=PAIRS_TO).contains(&letters.len()) { 2 } else { 1 };
                for (number, window) in letters.windows(size).enumerate() {
                    asked.words.push(Word { place: place + number, text: window.iter().collect() });
                }
                place += letters.len();
            }
        }
    }
    asked
}

/// Any part of a text, as an index has it: every letter, and the pair that it begins.
fn letters(text: &str) -> Vec<Word> {
    let letters: Vec<char> = folded(text).to_lowercase().chars().collect();
    let mut words = Vec::with_capacity(letters.len() * 2);
    for (place, letter) in letters.iter().enumerate() {
        words.push(Word { place, text: letter.to_string() });
        if let Some(next) = letters.get(place + 1) {
            words.push(Word { place, text: [*letter, *next].iter().collect() });
        }
    }
    words
}

/// A part of a text, as a search asks for it.
pub(super) fn asked_letters(text: &str) -> Asked {
    let letters: Vec<char> = folded(text).to_lowercase().chars().collect();
    let size = if letters.len() > 1 { 2 } else { 1 };
    let words = letters.windows(size).enumerate().map(|(place, window)| Word { place, text: window.iter().collect() });
    Asked { words: words.collect(), joined: None }
}

/// How a field of text is cut into words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Stemmed,
    Keyed,
}

impl Cut {
    fn words(self, text: &str) -> Vec<Word> {
        match self {
            Self::Stemmed => indexed(text, true),
            Self::Keyed => {
                let (key, text) = text.split_once(KEY_END).unwrap_or(("", text));
                let mut words = if PARTS.contains(&key) { letters(text) } else { indexed(text, !WORDS.contains(&key)) };
                for word in &mut words {
                    word.text = keyed(key, &word.text);
                }
                words
            }
        }
    }
}

impl Tokenizer for Cut {
    type TokenStream<'a> = Words;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words {
        Words { words: self.words(text).into_iter(), token: Token::default() }
    }
}

/// Words on their way into an index.
pub(super) struct Words {
    words: std::vec::IntoIter<Word>,
    token: Token,
}

impl TokenStream for Words {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token = Token { offset_from: 0, offset_to: 0, position: word.place, text: word.text, position_length: 1 };
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[Word]) -> Vec<String> {
        words.iter().map(|word| format!("{}@{}", word.text, word.place)).collect()
    }

    #[test]
    fn words_have_parts_and_joined_forms() {
        assert_eq!(texts(&indexed("WiFi-2024", false)), ["wifi@0", "wi@0", "fi@1", "2024@2"]);
        assert_eq!(texts(&indexed("Café running", true)), ["cafe@0", "run@1"]);
        assert_eq!(asked("WiFi", false).joined.as_deref(), Some("wifi"));
        assert_eq!(asked("WiFi-2024", false).joined, None);
    }

    #[test]
    fn korean_is_found_by_letters() {
        assert_eq!(texts(&indexed("물가 A", false)), ["물@0", "물가@0", "가@1", "a@2"]);
        assert_eq!(texts(&asked("물", false).words), ["물@0"]);
        assert_eq!(texts(&asked("데이터", false).words), ["데이@0", "이터@1"]);
        assert_eq!(texts(&asked("공공데이터", false).words), ["공@0", "공@1", "데@2", "이@3", "터@4"]);
        let decomposed: String = "데이터".nfd().collect();
        assert_eq!(asked(&decomposed, false), asked("데이터", false));
    }

    #[test]
    fn parts_of_names_are_pairs() {
        assert_eq!(texts(&asked_letters("a-b").words), ["a-@0", "-b@1"]);
        assert_eq!(texts(&letters("ab")), ["a@0", "ab@0", "b@1"]);
    }
}
