//! Objects as rows of text: the first row holds their keys.

use std::{collections::HashMap, fs::File};

use madang_lake::{Limits, Result};

use super::{object::Object, objects::Objects};
use crate::ingest::records::{Batch, Give};

/// Reads all objects. Keys that neither `keys` nor the first object names are left out.
pub(in crate::ingest) fn records(file: File, keys: &[String], limits: Limits, give: Give<'_>) -> Result<()> {
    let mut objects = Objects::new(file, limits);
    let mut batch = Batch::new(limits, give);
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut number = 0;
    while let Some(text) = objects.next()? {
        number += 1;
        let object = Object::read(text, number, &limits)?;
        if number == 1 {
            let mut header: Vec<String> = keys.to_vec();
            for (key, _) in object.cells() {
                if !header.iter().any(|known| known == key) {
                    header.push(key.to_owned());
                }
            }
            if !batch.row(header.iter().map(|key| Some(key.as_str())))? {
                return Ok(());
            }
            places = header.into_iter().enumerate().map(|(at, key)| (key, at)).collect();
        }
        let mut row: Vec<Option<String>> = vec![None; places.len()];
        for (key, cell) in object.cells() {
            if let Some(place) = places.get(key).and_then(|at| row.get_mut(*at)) {
                *place = cell?.text().map(str::to_owned);
            }
        }
        if !batch.row(row.iter().map(Option::as_deref))? {
            return Ok(());
        }
    }
    batch.flush();
    Ok(())
}
