//! Questions for words: plain ones, and PostgreSQL's `tsquery`.

use super::{Language, MAX_POSITION, Stems};
use crate::{Error, Result, WordQuery};

/// Words of one question.
const QUERY_WORDS: usize = 100;
/// How deep a question may be nested.
const QUERY_DEPTH: usize = 50;

/// What plain words ask for: all of them.
///
/// # Errors
/// [`Error::Invalid`] if they are too many.
pub fn plain_query(text: &str, language: Language) -> Result<WordQuery> {
    let words = bases(text, language)?;
    let word = |word| WordQuery::Word { word, prefix: false };
    let all = words.into_iter().map(|(base, _)| word(base)).reduce(|left, right| WordQuery::And(Box::new(left), Box::new(right)));
    Ok(all.unwrap_or(WordQuery::Nothing))
}

fn bases(text: &str, language: Language) -> Result<Vec<(String, u16)>> {
    let mut words = Vec::new();
    Stems::new(language).each(text, 0, |word, position| {
        if words.len() <= QUERY_WORDS {
            words.push((word.to_owned(), position));
        }
    });
    if words.len() > QUERY_WORDS { Err(Error::invalid(format!("more than {QUERY_WORDS} words"))) } else { Ok(words) }
}

/// What a text in the syntax of PostgreSQL's `to_tsquery` asks for.
///
/// # Errors
/// [`Error::Invalid`] in PostgreSQL's words.
pub fn written_query(text: &str, language: Language) -> Result<WordQuery> {
    let mut reading = Reading { text, rest: text.trim_start(), language, words: 0 };
    if reading.rest.is_empty() {
        return Ok(WordQuery::Nothing);
    }
    let query = reading.any(0)?;
    if reading.rest.is_empty() { Ok(query) } else { Err(reading.wrong()) }
}

struct Reading<'a> {
    text: &'a str,
    rest: &'a str,
    language: Language,
    words: usize,
}

impl Reading<'_> {
    fn wrong(&self) -> Error {
        Error::invalid(format!("syntax error in tsquery: \"{}\"", self.text))
    }

    fn takes(&mut self, sign: &str) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn any(&mut self, depth: usize) -> Result<WordQuery> {
        let mut left = self.all(depth)?;
        while self.takes("|") {
            let right = self.all(depth)?;
            left = joined(left, right, WordQuery::Or);
        }
        Ok(left)
    }

    fn all(&mut self, depth: usize) -> Result<WordQuery> {
        let mut left = self.near(depth)?;
        while self.takes("&") {
            let right = self.near(depth)?;
            left = joined(left, right, WordQuery::And);
        }
        Ok(left)
    }

    fn near(&mut self, depth: usize) -> Result<WordQuery> {
        let mut left = self.one(depth)?;
        while let Some(distance) = self.distance()? {
            let right = self.one(depth)?;
            left = joined(left, right, |left, right| WordQuery::Near(left, right, distance));
        }
        Ok(left)
    }

    fn distance(&mut self) -> Result<Option<u16>> {
        if self.takes("<->") {
            return Ok(Some(1));
        }
        let Some(inner) = self.rest.strip_prefix('<') else { return Ok(None) };
        let (number, rest) = inner.split_once('>').ok_or_else(|| self.wrong())?;
        let distance = number.trim().parse::<u16>().ok().filter(|distance| *distance <= MAX_POSITION).ok_or_else(|| self.wrong())?;
        self.rest = rest.trim_start();
        Ok(Some(distance))
    }

    fn one(&mut self, depth: usize) -> Result<WordQuery> {
        if depth > QUERY_DEPTH {
            return Err(self.wrong());
        }
        if self.takes("!") {
            let inner = self.one(depth + 1)?;
            return Ok(if inner == WordQuery::Nothing { inner } else { WordQuery::Not(Box::new(inner)) });
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err(self.wrong()) };
        }
        self.word()
    }

    fn word(&mut self) -> Result<WordQuery> {
        let word = self.quoted()?;
        let prefix = self.weights()?;
        self.words += 1;
        if self.words > QUERY_WORDS {
            return Err(Error::invalid(format!("more than {QUERY_WORDS} words")));
        }
        let mut found: Option<(WordQuery, u16)> = None;
        for (base, position) in bases(&word, self.language)? {
            let next = WordQuery::Word { word: base, prefix };
            found = Some(match found {
                None => (next, position),
                Some((before, at)) => (WordQuery::Near(Box::new(before), Box::new(next), position - at), position),
            });
        }
        Ok(found.map_or(WordQuery::Nothing, |(query, _)| query))
    }

    fn quoted(&mut self) -> Result<String> {
        if let Some(inner) = self.rest.strip_prefix('\'') {
            let (word, rest) = inner.split_once('\'').ok_or_else(|| self.wrong())?;
            self.rest = rest;
            return Ok(word.to_owned());
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "&|!()<>:'".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).ok_or_else(|| self.wrong())?;
        if word.is_empty() {
            return Err(self.wrong());
        }
        self.rest = rest;
        Ok(word.to_owned())
    }

    /// What stands behind a colon: `*` asks for every word that begins so; weights are not kept, so each word has them all.
    fn weights(&mut self) -> Result<bool> {
        let mut prefix = false;
        if let Some(rest) = self.rest.strip_prefix(':') {
            let end = rest.find(|c: char| !matches!(c, '*' | 'A'..='D' | 'a'..='d')).unwrap_or(rest.len());
            let (marks, behind) = rest.split_at_checked(end).ok_or_else(|| self.wrong())?;
            if marks.is_empty() {
                return Err(self.wrong());
            }
            prefix = marks.contains('*');
            self.rest = behind;
        }
        self.rest = self.rest.trim_start();
        Ok(prefix)
    }
}

/// Two questions as one; one that says nothing leaves the other.
fn joined(left: WordQuery, right: WordQuery, join: impl FnOnce(Box<WordQuery>, Box<WordQuery>) -> WordQuery) -> WordQuery {
    match (left, right) {
        (WordQuery::Nothing, other) | (other, WordQuery::Nothing) => other,
        (left, right) => join(Box::new(left), Box::new(right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_or_refused() {
        let word = |word: &str| Box::new(WordQuery::Word { word: word.to_owned(), prefix: false });
        assert_eq!(plain_query("the cats run", Language::English).ok(), Some(WordQuery::And(word("cat"), word("run"))));
        assert_eq!(plain_query("the", Language::English).ok(), Some(WordQuery::Nothing));
        assert_eq!(
            written_query("a1 | b1 & !c1", Language::Simple).ok(),
            Some(WordQuery::Or(word("a1"), Box::new(WordQuery::And(word("b1"), Box::new(WordQuery::Not(word("c1")))))))
        );
        let prefix = written_query("run:*", Language::English).ok();
        assert_eq!(prefix, Some(WordQuery::Word { word: "run".to_owned(), prefix: true }));
        assert_eq!(written_query("'new york'", Language::Simple).ok(), Some(WordQuery::Near(word("new"), word("york"), 1)));
        for wrong in ["a b", "a &", "(a", "a)", "&", "a:x", "<->", "!"] {
            assert!(written_query(wrong, Language::English).is_err(), "{wrong}");
        }
        assert!(written_query(&"(".repeat(10_000), Language::English).is_err());
        assert!(written_query(&"a & ".repeat(10_000), Language::Simple).is_err());
    }
}
