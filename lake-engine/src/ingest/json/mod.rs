//! JSON: an array of objects, or objects one after the other (one a line is usual). A column is a key of any object; an object
//! that lacks it has an empty cell there, as one that says null. Objects and arrays inside a cell become their JSON text.

pub(super) mod lenient;
mod object;
mod objects;
mod records;
mod texts;

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    path::Path,
};

use madang_lake::{Error, Input, Inspection, Limits, Result, Schema};
use tokio_util::sync::CancellationToken;

use self::{object::Object, objects::Objects};
pub(super) use self::{records::records, texts::texts};
use super::{
    Emit,
    builder::Table,
    encoding,
    kind::{self, Seen},
};

/// Reads a file to its end.
pub(super) fn inspect(input: &Input, limits: Limits, scratch: &Path, cancelled: &CancellationToken) -> Result<Inspection> {
    let mut objects = open(input, limits, scratch)?;
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut columns: Vec<(String, Seen)> = Vec::new();
    let mut row = 0;
    while let Some(text) = objects.next()? {
        row += 1;
        for (name, cell) in Object::read(text, row, &limits)?.cells() {
            let cell = cell?;
            let at = match names.get(name) {
                Some(at) => *at,
                None if columns.len() == limits.columns => {
                    return Err(Error::LimitExceeded(format!("the objects have more than {} keys, which is the limit", limits.columns)));
                }
                None => {
                    names.insert(name.to_owned(), columns.len());
                    columns.push((name.to_owned(), Seen::default()));
                    columns.len() - 1
                }
            };
            if let Some((_, seen)) = columns.get_mut(at) {
                seen.look_at(cell.kind());
            }
        }
        if row.is_multiple_of(kind::LOOK_UP_ROWS) {
            kind::check_cancelled(cancelled)?;
        }
    }
    Schema::check_names(columns.iter().map(|(name, _)| name.as_str()))?;
    Ok(kind::inspection(columns.into_iter(), row))
}

/// Converts all rows and gives the number of columns that the file has.
pub(super) fn convert(input: &Input, schema: &Schema, limits: Limits, scratch: &Path, emit: Emit<'_>) -> Result<usize> {
    let mut objects = open(input, limits, scratch)?;
    let mut filling = Filling::new(schema);
    while let Some(text) = objects.next()? {
        filling.row += 1;
        filling.fill(&Object::read(text, filling.row, &limits)?)?;
        if filling.table.end_row(text.len()) && !emit(filling.table.batch()?) {
            break;
        }
    }
    if filling.table.has_rows() {
        emit(filling.table.batch()?);
    }
    Ok(filling.met.iter().filter(|row| **row > 0).count())
}

fn open(input: &Input, limits: Limits, scratch: &Path) -> Result<Objects<File>> {
    Ok(Objects::new(encoding::open(&input.path, scratch)?, limits))
}

/// Cells on their way into the columns that their names say.
struct Filling<'a> {
    table: Table,
    places: HashMap<&'a str, usize>,
    /// For each column, the last row that had its key; 0 = none yet.
    met: Vec<u64>,
    /// The row at hand, from 1.
    row: u64,
}

impl<'a> Filling<'a> {
    fn new(schema: &'a Schema) -> Self {
        let mut places = HashMap::new();
        for (at, column) in schema.columns.iter().enumerate() {
            if let Entry::Vacant(place) = places.entry(column.name.as_str()) {
                place.insert(at);
            }
        }
        Self { table: Table::for_schema(schema), places, met: vec![0; schema.columns.len()], row: 0 }
    }

    fn fill(&mut self, object: &Object<'_>) -> Result<()> {
        for (name, cell) in object.cells() {
            let cell = cell?;
            let Some(at) = self.places.get(name).copied() else {
                let column = Some(name.chars().take(100).collect());
                return Err(Error::BadRow { row: self.row, column, reason: "the table has no such column".to_owned() });
            };
            let (Some(builder), Some(met)) = (self.table.builders.get_mut(at), self.met.get_mut(at)) else { continue };
            *met = self.row;
            cell.push_to(builder).map_err(|reason| builder.bad_row(self.row, reason))?;
        }
        for (builder, met) in self.table.builders.iter_mut().zip(&self.met) {
            if *met != self.row {
                builder.push_null().map_err(|reason| builder.bad_row(self.row, reason))?;
            }
        }
        Ok(())
    }
}
