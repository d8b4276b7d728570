//! Objects whose columns are said by somebody else: other keys are dropped, missing ones are absent cells.

use std::{collections::HashMap, path::Path};

use madang_lake::{Limits, Result};

use super::{object::Object, objects::Objects};
use crate::ingest::{Emit, encoding, texts::Texts};

/// Reads all rows.
pub(crate) fn texts(path: &Path, columns: &[String], limits: Limits, scratch: &Path, emit: Emit<'_>) -> Result<()> {
    let mut objects = Objects::new(encoding::open(path, scratch)?, limits);
    let places: HashMap<&str, usize> = columns.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut texts = Texts::new(columns, &limits, emit);
    let mut row = 0;
    while let Some(text) = objects.next()? {
        row += 1;
        for (name, cell) in Object::read(text, row, &limits)?.cells() {
            if let Some(place) = places.get(name) {
                texts.push(*place, cell?.text())?;
            }
        }
        if !texts.end_row(text.len())? {
            return Ok(());
        }
    }
    texts.flush().map(drop)
}
