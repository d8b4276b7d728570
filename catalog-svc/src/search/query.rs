//! Queries of callers as queries of the index.

use std::ops::Bound;

use chrono::{DateTime, Utc};
use tantivy::{
    TantivyError, Term,
    query::{
        AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, FuzzyTermQuery, InvertedIndexRangeQuery,
        Occur, PhraseQuery, Query, RangeQuery, RegexQuery, TermQuery,
    },
    schema::{Field, IndexRecordOption},
};

use super::{
    analysis::{Asked, asked, asked_letters, exact, folded},
    dismax::{self, Rules, Sign},
    fields::{Fields, KEYED_TEXT, Kind, PRESENT, TIME_OF, keyed},
    moment,
    syntax::{self, End, Node, Piece, What},
};

type Boxed = Box<dyn Query>;

/// Why a query can't be asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is wrong; a text for its writer.
    Query(String),
    /// The index is.
    Index(TantivyError),
}

impl From<TantivyError> for Failure {
    fn from(error: TantivyError) -> Self {
        Self::Index(error)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Query(text)
    }
}

type Built<T = Boxed> = Result<T, Failure>;

/// Makes queries of the index.
pub(super) struct Builder<'a> {
    pub(super) fields: &'a Fields,
    pub(super) now: DateTime<Utc>,
    /// The field of terms that name none.
    pub(super) default: &'a str,
}

impl Builder<'_> {
    /// A query in Lucene's language.
    pub(super) fn lucene(&self, text: &str) -> Built {
        if text.trim().is_empty() {
            return Ok(everything());
        }
        self.node(&syntax::parse(text)?)
    }

    /// A filter in Lucene's language: it decides and does not count.
    pub(super) fn filter(&self, text: &str) -> Built {
        Ok(Box::new(ConstScoreQuery::new(self.lucene(text)?, 0.0)))
    }

    /// Words that are asked of several fields.
    pub(super) fn dismax(&self, text: &str, rules: &Rules) -> Built {
        let words = dismax::words(text)?;
        let (mut clauses, mut optional) = (Vec::new(), 0);
        for word in words {
            let mut disjuncts = Vec::new();
            for (field, boost) in &rules.fields {
                if let Some(query) = self.term(field, &word.text)? {
                    disjuncts.push(boosted(query, *boost));
                }
            }
            if disjuncts.is_empty() {
                continue;
            }
            let occur = match word.sign {
                Sign::None => Occur::Should,
                Sign::Plus => Occur::Must,
                Sign::Minus => Occur::MustNot,
            };
            optional += usize::from(occur == Occur::Should);
            clauses.push((occur, Box::new(DisjunctionMaxQuery::with_tie_breaker(disjuncts, rules.tie)) as Boxed));
        }
        if clauses.is_empty() {
            return Ok(Box::new(EmptyQuery));
        }
        let minimum = dismax::minimum(&rules.minimum, optional)?;
        let minimum = if clauses.iter().any(|(occur, _)| *occur == Occur::Must) { minimum } else { minimum.max(usize::from(optional > 0)) };
        Ok(combined(clauses, Some(minimum)))
    }

    fn node(&self, node: &Node) -> Built {
        match node {
            Node::All => Ok(everything()),
            Node::Boost(node, by) => Ok(boosted(self.node(node)?, *by)),
            Node::Leaf { field, what } => self.leaf(field.as_deref().unwrap_or(self.default), what),
            Node::Clauses(clauses) => {
                let mut built = Vec::with_capacity(clauses.len());
                for (occur, node) in clauses {
                    let occur = match occur {
                        syntax::Occur::Must => Occur::Must,
                        syntax::Occur::Should => Occur::Should,
                        syntax::Occur::Not => Occur::MustNot,
                    };
                    built.push((occur, self.node(node)?));
                }
                Ok(combined(built, None))
            }
        }
    }

    fn leaf(&self, name: &str, what: &What) -> Built {
        let none = || Box::new(EmptyQuery) as Boxed;
        match what {
            What::Present if name == self.default => Ok(everything()),
            What::Present => {
                let name = if name == "type" { "dataset_type" } else { name };
                Ok(Box::new(ConstScoreQuery::new(self.exactly(PRESENT, name)?, 1.0)))
            }
            What::Term(text) => Ok(self.term(name, text)?.unwrap_or_else(none)),
            What::Phrase { text, slop } => Ok(self.phrase(name, text, *slop)?.unwrap_or_else(none)),
            What::Wild(pieces) => self.wild(name, pieces),
            What::Fuzzy { text, distance } => self.fuzzy(name, text, *distance),
            What::Range { from, to } => self.range(name, from.as_ref(), to.as_ref()),
        }
    }

    /// A term of a field; `None` if it holds nothing that can be asked for.
    fn term(&self, name: &str, text: &str) -> Built<Option<Boxed>> {
        self.phrase(name, text, 0)
    }

    fn phrase(&self, name: &str, text: &str, slop: u32) -> Built<Option<Boxed>> {
        Ok(match self.fields.kind(name)? {
            Kind::Exact(name) | Kind::KeyedExact(name) => Some(self.exactly(&name, &exact(text))?),
            Kind::Text(field) => words(field, "", asked(text, true), slop),
            Kind::KeyedText { key, stems } => words(self.fields.get(KEYED_TEXT)?, &keyed(&key, ""), asked(text, stems), slop),
            Kind::Parts(key) => words(self.fields.get(KEYED_TEXT)?, &keyed(&key, ""), asked_letters(text), 0),
            Kind::Time(field) => Some(number(field, self.time(text)?)),
            Kind::KeyedTime(key) => {
                // A date, or else the text as it was written.
                let time = moment::parse(text, self.now).and_then(moment::sort_text_of);
                Some(match time {
                    Some(time) => self.exactly(&format!("{TIME_OF}{key}"), &time)?,
                    None => self.exactly(&key, &exact(text))?,
                })
            }
            Kind::Number(field) => text.trim().parse().ok().map(|value| number(field, value)),
        })
    }

    /// A query for an exact value of a field or behind a key.
    fn exactly(&self, name: &str, value: &str) -> Built {
        Ok(Box::new(TermQuery::new(self.fields.exact(name, value)?, IndexRecordOption::Basic)))
    }

    fn wild(&self, name: &str, pieces: &[Piece]) -> Built {
        let (field, key, folds) = match self.fields.kind(name)? {
            Kind::Exact(key) | Kind::KeyedExact(key) | Kind::KeyedTime(key) => (self.fields.all_exact()?, keyed(&key, ""), false),
            Kind::Text(field) => (field, String::new(), true),
            Kind::KeyedText { key, .. } | Kind::Parts(key) => (self.fields.get(KEYED_TEXT)?, keyed(&key, ""), true),
            Kind::Time(_) | Kind::Number(_) => return Err(Failure::Query(format!("{name} takes no wildcards"))),
        };
        let text = |text: &str| if folds { folded(text).to_lowercase() } else { exact(text) };
        if folds && pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if !text.is_ascii())) {
            return self.parts(name, pieces);
        }
        if let [Piece::Text(start), Piece::Many] = pieces {
            return Ok(beginning(field, &format!("{key}{}", text(start))));
        }
        let mut pattern = escaped(&key);
        for piece in pieces {
            match piece {
                Piece::Text(part) => pattern.push_str(&escaped(&text(part))),
                Piece::Many => pattern.push_str("(?s:.)*"),
                Piece::One => pattern.push_str("(?s:.)"),
            }
        }
        let query = RegexQuery::from_pattern(&pattern, field).map_err(|_| "a term with wildcards is too complicated".to_owned())?;
        Ok(Box::new(query))
    }

    /// A term with wildcards in a language whose words have no ends: each part of it must be there.
    fn parts(&self, name: &str, pieces: &[Piece]) -> Built {
        let mut clauses = Vec::new();
        for piece in pieces {
            if let Piece::Text(text) = piece
                && let Some(query) = self.term(name, text)?
            {
                clauses.push((Occur::Must, query));
            }
        }
        Ok(combined(clauses, None))
    }

    fn fuzzy(&self, name: &str, text: &str, distance: u8) -> Built {
        let whole = || Ok(self.term(name, text)?.unwrap_or_else(|| Box::new(EmptyQuery)));
        let (field, key, stems) = match self.fields.kind(name)? {
            Kind::Exact(key) | Kind::KeyedExact(key) => {
                let term = self.fields.exact(&key, &exact(text))?;
                return Ok(Box::new(FuzzyTermQuery::new(term, distance, true)));
            }
            Kind::Text(field) => (field, String::new(), true),
            Kind::KeyedText { key, stems } => (self.fields.get(KEYED_TEXT)?, keyed(&key, ""), stems),
            _ => return whole(),
        };
        match asked(text, stems).words.as_slice() {
            [word] => Ok(Box::new(FuzzyTermQuery::new(Term::from_field_text(field, &format!("{key}{}", word.text)), distance, true))),
            _ => whole(),
        }
    }

    fn range(&self, name: &str, from: Option<&End>, to: Option<&End>) -> Built {
        match self.fields.kind(name)? {
            Kind::Time(field) => {
                let term = |end: &End| self.time(&end.text).map(|time| Term::from_field_i64(field, time));
                Ok(Box::new(RangeQuery::new(bound(from, term)?, bound(to, term)?)))
            }
            Kind::Number(field) => {
                let number = |end: &End| end.text.parse().map_err(|_| Failure::Query(format!("Invalid Number: {}", end.text)));
                let term = |end: &End| number(end).map(|number| Term::from_field_i64(field, number));
                Ok(Box::new(RangeQuery::new(bound(from, term)?, bound(to, term)?)))
            }
            Kind::KeyedTime(key) => {
                let text = |end: &End| Ok(moment::sort_text_of(self.time(&end.text)?).unwrap_or_default());
                keyed_range(self.fields.all_exact()?, &format!("{TIME_OF}{key}"), from, to, text)
            }
            Kind::Exact(key) | Kind::KeyedExact(key) => keyed_range(self.fields.all_exact()?, &key, from, to, |end| Ok(exact(&end.text))),
            Kind::Text(field) => {
                let term = |end: &End| Ok(Term::from_field_text(field, &folded(&end.text).to_lowercase()));
                Ok(Box::new(InvertedIndexRangeQuery::new(bound(from, term)?, bound(to, term)?)))
            }
            Kind::KeyedText { key, .. } | Kind::Parts(key) => {
                keyed_range(self.fields.get(KEYED_TEXT)?, &key, from, to, |end| Ok(folded(&end.text).to_lowercase()))
            }
        }
    }

    fn time(&self, text: &str) -> Built<i64> {
        moment::parse(text, self.now).ok_or_else(|| Failure::Query(format!("Invalid Date String:'{text}'")))
    }
}

/// A range among the values of one key; an end that is open is the key's.
fn keyed_range(field: Field, key: &str, from: Option<&End>, to: Option<&End>, text: impl Fn(&End) -> Built<String>) -> Built {
    let term = |end: &End| text(end).map(|text| Term::from_field_text(field, &keyed(key, &text)));
    let from = match bound(from, term)? {
        Bound::Unbounded => Bound::Included(Term::from_field_text(field, &keyed(key, ""))),
        bound => bound,
    };
    let to = match bound(to, term)? {
        Bound::Unbounded => Bound::Excluded(Term::from_field_text(field, &behind(&keyed(key, "")))),
        bound => bound,
    };
    Ok(Box::new(InvertedIndexRangeQuery::new(from, to)))
}

/// What sorts behind everything that begins with a text.
fn behind(text: &str) -> String {
    format!("{text}{}", char::MAX)
}

/// Documents with a number in a column.
fn number(field: Field, value: i64) -> Boxed {
    let term = Term::from_field_i64(field, value);
    Box::new(RangeQuery::new(Bound::Included(term.clone()), Bound::Included(term)))
}

fn beginning(field: Field, text: &str) -> Boxed {
    let (from, to) = (Term::from_field_text(field, text), Term::from_field_text(field, &behind(text)));
    Box::new(InvertedIndexRangeQuery::new(Bound::Included(from), Bound::Excluded(to)))
}

fn boosted(query: Boxed, by: f32) -> Boxed {
    if (by - 1.0).abs() < f32::EPSILON { query } else { Box::new(BoostQuery::new(query, by)) }
}

fn bound(end: Option<&End>, term: impl Fn(&End) -> Built<Term>) -> Built<Bound<Term>> {
    Ok(match end {
        None => Bound::Unbounded,
        Some(end) if end.included => Bound::Included(term(end)?),
        Some(end) => Bound::Excluded(term(end)?),
    })
}

/// Words one after another, or their joined form.
fn words(field: Field, key: &str, asked: Asked, slop: u32) -> Option<Boxed> {
    let term = |text: &str| Term::from_field_text(field, &format!("{key}{text}"));
    let apart: Boxed = match asked.words.as_slice() {
        [] => return None,
        [word] => Box::new(TermQuery::new(term(&word.text), IndexRecordOption::WithFreqs)),
        words => {
            let terms = words.iter().map(|word| (word.place, term(&word.text))).collect();
            Box::new(PhraseQuery::new_with_offset_and_slop(terms, slop))
        }
    };
    Some(match asked.joined {
        None => apart,
        Some(joined) => {
            let joined = Box::new(TermQuery::new(term(&joined), IndexRecordOption::WithFreqs));
            Box::new(DisjunctionMaxQuery::new(vec![apart, joined]))
        }
    })
}

/// Every document, each with the same score. The library leaves a bare `AllQuery` out of some segments' scores and not of others'.
pub(super) fn everything() -> Boxed {
    Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0))
}

/// Clauses together: without a required one, `minimum` or else one of the optional ones must hold; without any of these, everything
/// is found that is not prohibited.
pub(super) fn combined(mut clauses: Vec<(Occur, Boxed)>, minimum: Option<usize>) -> Boxed {
    let has = |wanted| clauses.iter().any(|(occur, _)| *occur == wanted);
    let (must, should) = (has(Occur::Must), has(Occur::Should));
    if !must && !should {
        clauses.push((Occur::Must, everything()));
    }
    let minimum = minimum.unwrap_or(usize::from(should && !must));
    Box::new(BooleanQuery::with_minimum_required_clauses(clauses, minimum))
}

/// A text as a pattern that finds it alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if !letter.is_alphanumeric() && letter.is_ascii() && !letter.is_ascii_control() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
