//! Rows that keep their ids while their files are written anew.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use crate::{Column, Error, Result, RowIds, Schema, Staged};

/// Files that take the place of others, not committed yet. [`crate::Change`] takes them as `staged` and `leaving`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The files that come.
    pub staged: Staged,
    /// Paths of the files that leave.
    pub leaving: Vec<String>,
    /// Rows that were matched or deleted.
    pub rows: u64,
}

/// Rows to merge, staged below the table's folder with ids from [`Positions`]. Their files are the caller's to discard afterwards.
#[derive(Clone, Debug)]
pub struct Merge {
    /// The rows; a greater id is a later row.
    pub staged: Staged,
    /// The columns that they set, from [`Schema::for_merge`].
    pub schema: Schema,
    /// The columns by which they are matched.
    pub keys: Vec<String>,
}

/// Row ids that count from 1: the place of a row among those that are merged.
#[derive(Debug)]
pub struct Positions(AtomicI64);

impl Default for Positions {
    fn default() -> Self {
        Self(AtomicI64::new(1))
    }
}

#[async_trait]
impl RowIds for Positions {
    async fn reserve(&self, count: u64) -> Result<i64> {
        Ok(self.0.fetch_add(i64::try_from(count).map_err(Error::storage)?, Ordering::Relaxed))
    }
}

impl Schema {
    /// The columns in which rows for a merge are staged: those named, in the table's order and types. Keys must not be empty, so
    /// that staging names the row in which one is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no key, one twice, one that the table or the rows lack, or a column that the table lacks.
    pub fn for_merge(&self, named: &[String], keys: &[String]) -> Result<Self> {
        self.check_keys(keys)?;
        if let Some(unknown) = named.iter().find(|name| self.column(name).is_none()) {
            return Err(Error::invalid(format!("the file has a column '{unknown}', the table has none")));
        }
        if let Some(missing) = keys.iter().find(|key| !named.contains(key)) {
            return Err(Error::invalid(format!("the file lacks the key column '{missing}'")));
        }
        let set = self.columns.iter().filter(|column| named.contains(&column.name));
        let column = |column: &Column| Column { nullable: column.nullable && !keys.contains(&column.name), ..column.clone() };
        Ok(Self { columns: set.map(column).collect() })
    }

    /// Checks the keys of a merge.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none, one twice, or one that is no column.
    pub fn check_keys(&self, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Err(Error::invalid("a merge needs at least one key"));
        }
        for (at, key) in keys.iter().enumerate() {
            if self.column(key).is_none() {
                return Err(Error::invalid(format!("the key '{key}' is no column of the table")));
            }
            if keys[..at].contains(key) {
                return Err(Error::invalid(format!("the key '{key}' is named twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ColumnType;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn rows_for_a_merge_have_the_columns_of_the_table() {
        let column = |name: &str, nullable| Column { name: name.to_owned(), kind: ColumnType::Int64, nullable };
        let table = Schema { columns: vec![column("a", true), column("b", true), column("c", false)] };
        let rows = table.for_merge(&texts(&["b", "a"]), &texts(&["b"])).expect("they fit");
        assert_eq!(rows.columns, [column("a", true), column("b", false)]);
        let refused: [(&[&str], &[&str], &str); 5] = [
            (&["a"], &[], "a merge needs at least one key"),
            (&["a"], &["x"], "the key 'x' is no column of the table"),
            (&["a"], &["a", "a"], "the key 'a' is named twice"),
            (&["a", "x"], &["a"], "the file has a column 'x', the table has none"),
            (&["a"], &["b"], "the file lacks the key column 'b'"),
        ];
        for (named, keys, why) in refused {
            assert_eq!(table.for_merge(&texts(named), &texts(keys)).expect_err("refused").to_string(), why);
        }
    }
}
