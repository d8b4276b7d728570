//! Which rows of a unit have which words: made when somebody first asks, kept while there is room.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    util::display::{ArrayFormatter, FormatOptions},
};
use madang_lake::{Language, Result, Schema, Stems, WordQuery, Words};
use moka::sync::Cache;
use object_store::path::Path;

use super::{Scan, find::Keys};
use crate::{read::Unit, storage};

/// Bytes of indexes that are kept.
const KEPT_BYTES: u64 = 384 << 20;

/// Indexes by file, row group, columns and language.
#[derive(Clone, Debug)]
pub(crate) struct Indexes {
    words: Cache<(Path, usize, u64, Language), Arc<Index>>,
    keys: Cache<(Path, usize, u64), Arc<Keys>>,
}

impl Default for Indexes {
    fn default() -> Self {
        let weigh_words = |_: &(Path, usize, u64, Language), index: &Arc<Index>| u32::try_from(index.bytes()).unwrap_or(u32::MAX);
        let weigh_keys = |_: &(Path, usize, u64), keys: &Arc<Keys>| u32::try_from(keys.bytes()).unwrap_or(u32::MAX);
        Self {
            words: Cache::builder().max_capacity(KEPT_BYTES).weigher(weigh_words).build(),
            keys: Cache::builder().max_capacity(KEPT_BYTES).weigher(weigh_keys).build(),
        }
    }
}

impl Indexes {
    /// The index of a unit that a question for words needs.
    pub(super) async fn of(&self, scan: &Scan<'_>, unit: &Unit, words: &Words) -> Result<Arc<Index>> {
        let names = names(&scan.snapshot.schema, words);
        let key = (unit.path.clone(), unit.group, marked(&names), words.language);
        if let Some(index) = self.words.get(&key) {
            return Ok(index);
        }
        let columns = scan.columns.named(unit, &scan.snapshot.schema, &names).await?;
        let (language, rows) = (words.language, unit.rows);
        let built = tokio::task::spawn_blocking(move || Index::build(language, &columns, rows)).await.map_err(storage)?;
        let index = Arc::new(built?);
        self.words.insert(key, index.clone());
        Ok(index)
    }

    /// The keys of a unit, if they are known.
    pub(super) fn keys(&self, unit: &Unit, names: &[String]) -> Option<Arc<Keys>> {
        self.keys.get(&(unit.path.clone(), unit.group, marked(names)))
    }

    /// Keeps the keys of a unit.
    pub(super) fn keep_keys(&self, unit: &Unit, names: &[String], keys: Arc<Keys>) -> Arc<Keys> {
        self.keys.insert((unit.path.clone(), unit.group, marked(names)), keys.clone());
        keys
    }
}

fn marked(names: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish()
}

/// The columns whose words are looked at.
pub(super) fn names(schema: &Schema, words: &Words) -> Vec<String> {
    match &words.column {
        Some(column) => vec![column.clone()],
        None => schema.columns.iter().map(|column| column.name.clone()).collect(),
    }
}

/// Words in their base form, ascending, and where each stands: the rows, ascending, with the positions in them.
#[derive(Debug)]
pub(super) struct Index {
    rows: u32,
    terms: Vec<Box<str>>,
    /// For each term, where its places begin; one more at the end.
    starts: Vec<u32>,
    places: Vec<(u32, u16)>,
}

impl Index {
    /// Reads the columns of each row as one text.
    pub(super) fn build(language: Language, columns: &[ArrayRef], rows: usize) -> Result<Self> {
        let stems = Stems::new(language);
        let texts = columns.iter().map(Texts::of).collect::<Result<Vec<_>>>()?;
        let mut numbers: HashMap<Box<str>, u32> = HashMap::new();
        let mut found: Vec<Vec<(u32, u16)>> = Vec::new();
        let mut known: HashMap<Box<str>, Option<u32>> = HashMap::new(); // words as they are written
        let mut buffer = String::new();
        for row in 0..rows {
            let number = u32::try_from(row).map_err(storage)?;
            let mut position = 0_u16;
            for text in &texts {
                let Some(text) = text.get(row, &mut buffer)? else { continue };
                position = stems.each_raw(text, position, |word, at| {
                    let term = if let Some(term) = known.get(word) {
                        *term
                    } else {
                        let term = stems.base(word).map(|base| {
                            if let Some(term) = numbers.get(base.as_ref()) {
                                *term
                            } else {
                                let term = u32::try_from(found.len()).unwrap_or(u32::MAX);
                                numbers.insert(base.into(), term);
                                found.push(Vec::new());
                                term
                            }
                        });
                        known.insert(word.into(), term);
                        term
                    };
                    if let Some(places) = term.and_then(|term| found.get_mut(term as usize)) {
                        places.push((number, at));
                    }
                });
            }
        }
        let mut named: Vec<(Box<str>, u32)> = numbers.into_iter().collect();
        named.sort_unstable();
        let (mut terms, mut starts, mut places) = (Vec::with_capacity(named.len()), vec![0], Vec::new());
        for (term, number) in named {
            terms.push(term);
            places.append(found.get_mut(number as usize).unwrap_or(&mut Vec::new()));
            starts.push(u32::try_from(places.len()).map_err(storage)?);
        }
        Ok(Self { rows: u32::try_from(rows).map_err(storage)?, terms, starts, places })
    }

    fn bytes(&self) -> usize {
        let terms: usize = self.terms.iter().map(|term| term.len() + 16).sum();
        terms + self.starts.len() * 4 + self.places.len() * size_of::<(u32, u16)>()
    }

    /// The places of a word, or of every word that begins so, each word's by itself.
    pub(super) fn places(&self, word: &str, prefix: bool) -> Vec<&[(u32, u16)]> {
        let from = self.terms.partition_point(|term| term.as_ref() < word);
        let rest = self.terms.get(from..).unwrap_or_default();
        let count = if prefix {
            rest.iter().take_while(|term| term.starts_with(word)).count()
        } else {
            usize::from(rest.first().is_some_and(|term| term.as_ref() == word))
        };
        (from..from + count).filter_map(|at| self.places.get(self.range(at)?)).collect()
    }

    fn range(&self, term: usize) -> Option<Range<usize>> {
        Some(*self.starts.get(term)? as usize..*self.starts.get(term + 1)? as usize)
    }

    /// The rows that have what is looked for, ascending.
    pub(super) fn rows(&self, query: &WordQuery) -> Vec<u32> {
        match query {
            WordQuery::Nothing => Vec::new(),
            WordQuery::Word { .. } | WordQuery::Near(..) => {
                let mut rows: Vec<u32> = self.standing(query).into_iter().map(|place| place.0).collect();
                rows.dedup();
                rows
            }
            WordQuery::And(left, right) => match (left.as_ref(), right.as_ref()) {
                (WordQuery::Not(not), other) | (other, WordQuery::Not(not)) if !matches!(other, WordQuery::Not(_)) => {
                    without(&self.rows(other), &self.rows(not))
                }
                _ => both(&self.rows(left), &self.rows(right)),
            },
            WordQuery::Or(left, right) => {
                let mut rows = self.rows(left);
                rows.extend(self.rows(right));
                rows.sort_unstable();
                rows.dedup();
                rows
            }
            WordQuery::Not(inner) => without(&(0..self.rows).collect::<Vec<_>>(), &self.rows(inner)),
        }
    }

    /// Rows and positions at which something ends that is looked for, ascending.
    fn standing(&self, query: &WordQuery) -> Vec<(u32, u16)> {
        match query {
            WordQuery::Word { word, prefix } => {
                let found = self.places(word, *prefix);
                let mut places = found.concat();
                if found.len() > 1 {
                    places.sort_unstable();
                }
                places
            }
            WordQuery::Near(left, right, distance) => {
                let before = self.standing(left);
                let mut places = self.standing(right);
                places.retain(|(row, at)| at.checked_sub(*distance).is_some_and(|at| before.binary_search(&(*row, at)).is_ok()));
                places
            }
            WordQuery::Or(left, right) | WordQuery::And(left, right) => {
                let mut places = self.standing(left);
                places.extend(self.standing(right));
                places.sort_unstable();
                places.dedup();
                if matches!(query, WordQuery::And(..)) {
                    let rows = self.rows(query);
                    places.retain(|place| rows.binary_search(&place.0).is_ok());
                }
                places
            }
            WordQuery::Not(_) | WordQuery::Nothing => Vec::new(),
        }
    }
}

/// What stands in both, both ascending.
pub(super) fn both(left: &[u32], right: &[u32]) -> Vec<u32> {
    let (few, many) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    few.iter().filter(|row| many.binary_search(row).is_ok()).copied().collect()
}

fn without(rows: &[u32], out: &[u32]) -> Vec<u32> {
    rows.iter().filter(|row| out.binary_search(row).is_err()).copied().collect()
}

const FORMAT: FormatOptions<'static> = FormatOptions::new();

/// Cells of a column as texts.
enum Texts<'a> {
    Plain(&'a arrow::array::StringArray),
    Any(&'a ArrayRef, Box<ArrayFormatter<'a>>),
}

impl<'a> Texts<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self> {
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Ok(Self::Plain(texts));
        }
        Ok(Self::Any(column, Box::new(ArrayFormatter::try_new(column, &FORMAT).map_err(storage)?)))
    }

    fn get<'b>(&'b self, row: usize, buffer: &'b mut String) -> Result<Option<&'b str>> {
        match self {
            Self::Plain(texts) => Ok((!texts.is_null(row)).then(|| texts.value(row))),
            Self::Any(column, _) if column.is_null(row) => Ok(None),
            Self::Any(_, cells) => {
                buffer.clear();
                cells.value(row).write(buffer).map_err(storage)?;
                Ok(Some(buffer))
            }
        }
    }
}
