//! Tables that are being rewritten for somebody: compaction keeps away from them, so that nobody has to start again for its sake.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use madang_lake::TableId;

/// Who rewrites what in this process, the only one that commits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewriting(Arc<Mutex<HashMap<TableId, usize>>>);

/// A rewrite in progress; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    rewriting: Rewriting,
    table: TableId,
}

impl Rewriting {
    /// Notes that somebody rewrites a table.
    pub(crate) fn begin(&self, table: &TableId) -> Guard {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(table.clone()).or_default() += 1;
        Guard { rewriting: self.clone(), table: table.clone() }
    }

    /// Whether somebody does.
    pub(crate) fn has(&self, table: &TableId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(table)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut tables = self.rewriting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = tables.get_mut(&self.table) {
            *count -= 1;
            if *count == 0 {
                tables.remove(&self.table);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_free_when_the_last_one_is_done() {
        let (rewriting, table) = (Rewriting::default(), "00000000-0000-7000-8000-000000000001".parse().expect("an id"));
        let (one, two) = (rewriting.begin(&table), rewriting.begin(&table));
        drop(one);
        assert!(rewriting.has(&table));
        drop(two);
        assert!(!rewriting.has(&table));
    }
}
