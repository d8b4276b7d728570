//! Rows that a change is about, while it is made: which there are, by id and by key, and what becomes of them.

use std::collections::{HashMap, HashSet};

use madang_kit::hex;
use serde_json::Value;

use crate::store::tail::{Cells, Kept, Written};

/// Characters of a key that is kept as it is; of a longer one a digest.
const KEY_CHARS: usize = 400;

/// A key's columns as one text; `None` if one is empty.
pub(super) fn key_of(unique_key: &[String], cells: &Cells) -> Option<String> {
    if unique_key.is_empty() {
        return None;
    }
    let parts = unique_key.iter().map(|name| cells.get(name).filter(|cell| !cell.is_null())).collect::<Option<Vec<_>>>()?;
    let text = serde_json::to_string(&parts).ok()?;
    if text.len() <= KEY_CHARS {
        return Some(text);
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    Some(hex(digest.as_ref()))
}

/// Rows that are there, and what becomes of them.
pub(super) struct Rows<'a> {
    unique_key: &'a [String],
    /// The rows that live, by id.
    pub(super) states: HashMap<i64, State>,
    pub(super) by_key: HashMap<String, i64>,
    /// The keys that were looked for.
    known: HashSet<String>,
    /// The rows that records were about, in their order.
    pub(super) touched: Vec<i64>,
}

/// What became of a record that was put over a row.
pub(super) enum Merged {
    Done,
    /// Another row has the key that it gets.
    Taken,
    /// It gets a key that was not looked for.
    Unknown,
}

pub(super) struct State {
    cells: Cells,
    key: Option<String>,
    in_files: bool,
    changed: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn new(unique_key: &'a [String], in_files: &[(i64, Cells)], above: Vec<Kept>, known: HashSet<String>) -> Self {
        let mut rows = Self { unique_key, states: HashMap::new(), by_key: HashMap::new(), known, touched: Vec::new() };
        let replaced: HashSet<i64> = above.iter().map(|kept| kept.id).collect();
        let below = in_files.iter().filter(|(id, _)| !replaced.contains(id)).map(|(id, cells)| (*id, cells.clone(), true));
        let above = above.into_iter().filter_map(|kept| Some((kept.id, kept.cells?, kept.in_files)));
        for (id, cells, in_files) in below.chain(above) {
            let key = key_of(unique_key, &cells);
            if let Some(key) = &key {
                rows.by_key.insert(key.clone(), id);
            }
            rows.states.insert(id, State { cells, key, in_files, changed: false });
        }
        rows
    }

    pub(super) fn add(&mut self, id: i64, cells: Cells) {
        let key = key_of(self.unique_key, &cells);
        if let Some(key) = &key {
            self.by_key.insert(key.clone(), id);
        }
        self.states.insert(id, State { cells, key, in_files: false, changed: true });
    }

    /// Puts cells over those of a row.
    pub(super) fn merge(&mut self, id: i64, cells: &Cells) -> Merged {
        let Some(state) = self.states.get_mut(&id) else { return Merged::Unknown };
        for (name, cell) in cells {
            state.cells.insert(name.clone(), cell.clone());
        }
        state.changed = true;
        let key = key_of(self.unique_key, &state.cells);
        if key == state.key {
            return Merged::Done;
        }
        if let Some(key) = &key {
            if self.by_key.get(key).is_some_and(|owner| *owner != id) {
                return Merged::Taken;
            }
            if !self.known.contains(key) {
                return Merged::Unknown;
            }
        }
        let before = std::mem::replace(&mut state.key, key.clone());
        if let Some(before) = before {
            self.by_key.remove(&before);
        }
        if let Some(key) = key {
            self.by_key.insert(key, id);
        }
        Merged::Done
    }

    pub(super) fn written(&self) -> Vec<Written> {
        let changed = self.states.iter().filter(|(_, state)| state.changed);
        let written = |(id, state): (&i64, &State)| Written {
            id: *id,
            key: state.key.clone(),
            body: Some(body(&state.cells)),
            in_files: state.in_files,
        };
        changed.map(written).collect()
    }

    pub(super) fn into_touched(mut self) -> Vec<(i64, Cells)> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().filter_map(|id| Some((id, self.states.get(&id)?.cells.clone()))).collect()
    }
}

/// A row's cells as they are kept: without empty ones.
fn body(cells: &Cells) -> String {
    let kept: Cells = cells.iter().filter(|(_, cell)| !cell.is_null()).map(|(name, cell)| (name.clone(), cell.clone())).collect();
    Value::Object(kept).to_string()
}
