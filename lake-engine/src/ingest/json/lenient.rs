//! Objects some of which are bad: they are set aside.

use std::{collections::HashMap, fs::File};

use madang_lake::{Error, Limits, Result, Schema};
use tokio_util::sync::CancellationToken;

use super::{
    object::{Cell, Object},
    objects::Objects,
};
use crate::ingest::{
    Emit,
    builder::Table,
    kind,
    lenient::{
        bad::{Bad, BadList, Outcome},
        hand_on,
        tally::Tally,
        text::{MARK, Text},
    },
};

/// Reads a file to its end: keys and what their cells are.
pub(in crate::ingest) fn survey(text: &Text, limits: Limits, cancelled: &CancellationToken) -> Result<Vec<(String, Tally)>> {
    let mut items = Items::open(text, limits)?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut columns: Vec<(String, Tally)> = Vec::new();
    while let Some((number, item)) = items.next()? {
        if let Ok(text) = item
            && let Ok(cells) = cells(text, number, &limits)
        {
            for (name, cell) in cells {
                let place = match places.get(&name) {
                    Some(place) => *place,
                    None if columns.len() == limits.columns => {
                        return Err(Error::LimitExceeded(format!(
                            "the objects have more than {} keys, which is the limit",
                            limits.columns
                        )));
                    }
                    None => {
                        places.insert(name.clone(), columns.len());
                        columns.push((name, Tally::default()));
                        columns.len() - 1
                    }
                };
                if let Some((_, tally)) = columns.get_mut(place) {
                    tally.count(cell.kind(), cell.text().unwrap_or_default());
                }
            }
        }
        if number.is_multiple_of(kind::LOOK_UP_ROWS) {
            kind::check_cancelled(cancelled)?;
        }
    }
    Schema::check_names(columns.iter().map(|(name, _)| name.as_str()))?;
    Ok(columns)
}

/// Converts all objects that fit.
pub(in crate::ingest) fn convert(text: &Text, schema: &Schema, limits: Limits, mut bad: BadList, emit: Emit<'_>) -> Result<Outcome> {
    let mut items = Items::open(text, limits)?;
    let mut table = Table::for_schema(schema);
    let places: HashMap<&str, usize> = schema.columns.iter().enumerate().map(|(at, column)| (column.name.as_str(), at)).collect();
    let mut good = 0;
    while let Some((line, item)) = items.next()? {
        let text = match item {
            Ok(text) => text,
            Err(reason) => {
                bad.add(&Bad { line, column: None, reason: &reason, row: &[], misfit: false })?;
                continue;
            }
        };
        let cells = match cells(text, line, &limits) {
            Ok(cells) => cells,
            Err((column, reason)) => {
                bad.add(&Bad { line, column: column.as_deref(), reason: &reason, row: text, misfit: false })?;
                continue;
            }
        };
        match fill(&mut table, &places, &cells) {
            None => good += 1,
            Some((column, reason)) => {
                bad.add(&Bad { line, column: Some(&column), reason: &reason, row: text, misfit: true })?;
                table.drop_row();
            }
        }
        if table.end_row(text.len()) && !hand_on(&mut table, emit)? {
            break;
        }
    }
    hand_on(&mut table, emit)?;
    bad.finish(good)
}

/// Adds a row, or says which column it does not fit and why.
fn fill(table: &mut Table, places: &HashMap<&str, usize>, cells: &[(String, Cell<'_>)]) -> Option<(String, String)> {
    for (name, cell) in cells {
        let builder = places.get(name.as_str()).and_then(|place| table.builders.get_mut(*place))?;
        if let Err(reason) = cell.push_to(builder) {
            return Some((name.clone(), reason));
        }
    }
    table.fill_row();
    None
}

/// The key at fault, if one is, and what is wrong.
type Wrong = (Option<String>, String);

/// Names and cells of an object, or the key at fault and what is wrong.
fn cells<'a>(text: &'a [u8], number: u64, limits: &Limits) -> std::result::Result<Vec<(String, Cell<'a>)>, Wrong> {
    let told = |error: Error| match error {
        Error::BadRow { column, reason, .. } => (column, reason),
        other => (None, other.to_string()),
    };
    let object = Object::read(text, number, limits).map_err(told)?;
    object.cells().map(|(name, cell)| cell.map(|cell| (name.to_owned(), cell)).map_err(told)).collect()
}

/// The objects of a file with their numbers, or why one can't be read.
struct Items {
    objects: Objects<File>,
    number: u64,
    marked: bool,
}

impl Items {
    fn open(text: &Text, limits: Limits) -> Result<Self> {
        Ok(Self { objects: Objects::new(text.reader()?, limits), number: 0, marked: text.marks > 0 })
    }

    #[expect(clippy::type_complexity, reason = "a number, and an object or a reason")]
    fn next(&mut self) -> Result<Option<(u64, std::result::Result<&[u8], String>)>> {
        self.number += 1;
        let (marked, number) = (self.marked, self.number);
        if let Some(reason) = self.refused()? {
            return Ok(Some((number, Err(reason))));
        }
        let Some(text) = self.objects.current() else { return Ok(None) };
        let is_marked = marked && std::str::from_utf8(text).is_ok_and(|text| text.contains(MARK));
        Ok(Some((number, if is_marked { Err("a byte that is no text".to_owned()) } else { Ok(text) })))
    }

    /// Goes to the next object, or says why it can't be read.
    fn refused(&mut self) -> Result<Option<String>> {
        match self.objects.next() {
            Ok(_) => Ok(None),
            Err(Error::BadRow { row, column, reason }) => {
                if self.objects.skip_line()? {
                    Ok(Some(reason))
                } else {
                    Err(Error::BadRow { row, column, reason })
                }
            }
            Err(Error::LimitExceeded(reason)) => {
                if self.objects.skip_line()? {
                    Ok(Some(reason))
                } else {
                    Err(Error::LimitExceeded(reason))
                }
            }
            Err(other) => Err(other),
        }
    }
}
