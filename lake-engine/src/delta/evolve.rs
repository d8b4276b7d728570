//! How a table's columns may change from one version to the next.
//!
//! An overwrite may set any columns: no older row is left in the version. An append may add nullable columns, which
//! older rows read as null, and may allow nulls in a column that had none; each column keeps its type and none leaves.

use deltalake::kernel::Protocol;
use madang_lake::{Error, Result, Schema};

/// Refuses a schema that the rows of an earlier version don't fit.
pub(super) fn check_append(before: &Schema, after: &Schema) -> Result<()> {
    for old in &before.columns {
        let Some(new) = after.column(&old.name) else {
            return Err(Error::invalid(format!("column '{}' can't be dropped by an append", old.name)));
        };
        if new.kind != old.kind {
            let (from, to) = (old.kind.name(), new.kind.name());
            return Err(Error::invalid(format!("column '{}' is {from} and can't become {to} by an append", old.name)));
        }
        if old.nullable && !new.nullable {
            return Err(Error::invalid(format!("column '{}' may hold nulls already and can't forbid them", old.name)));
        }
    }
    match after.columns.iter().find(|column| !column.nullable && before.column(&column.name).is_none()) {
        Some(added) => Err(Error::invalid(format!("column '{}' is new, so it must allow nulls", added.name))),
        None => Ok(()),
    }
}

/// Whether a table must be raised to a newer protocol. It is never lowered: older versions may need the newer one.
pub(super) fn needs_newer(present: &Protocol, wanted: &Protocol) -> bool {
    present.min_reader_version() < wanted.min_reader_version() || present.min_writer_version() < wanted.min_writer_version()
}
