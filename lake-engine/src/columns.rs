//! Which column names a table can have.

use std::collections::HashSet;

use madang_lake::{Error, ROW_ID, Result, Schema};

const LONGEST_NAME: usize = 1_000;

/// Refuses a schema that a table can't have.
///
/// Delta compares names without case, so `a` and `A` can't both be columns, nor can any spelling of [`ROW_ID`].
pub(crate) fn check(schema: &Schema) -> Result<()> {
    if schema.columns.is_empty() {
        return Err(Error::invalid("a table needs at least one column"));
    }
    check_names(schema.columns.iter().map(|column| column.name.as_str()))
}

/// Refuses empty, reserved and repeated names.
pub(crate) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        if name.trim().is_empty() {
            return Err(Error::invalid(format!("column {} has no name", index + 1)));
        }
        if name.chars().count() > LONGEST_NAME {
            return Err(Error::invalid(format!("the name of column {} is longer than {LONGEST_NAME} characters", index + 1)));
        }
        let folded = name.to_lowercase();
        if folded == ROW_ID {
            return Err(Error::invalid(format!("the column name '{name}' is reserved")));
        }
        if !seen.insert(folded) {
            return Err(Error::invalid(format!("the column name '{name}' appears twice (upper and lower case count as equal)")));
        }
    }
    Ok(())
}
