//! How a table's columns may change from one version to the next.
//!
//! An overwrite may set any columns: no older row is left in the version. An append may add nullable columns, which
//! older rows read as null, and may allow nulls in a column that had none; each column keeps its type and none leaves
//! ([`madang_lake::Schema::check_growth`]). Widening, which writes all files anew, may make a number's type wider.

use deltalake::kernel::Protocol;

/// Whether a table must be raised to a newer protocol. It is never lowered: older versions may need the newer one.
pub(super) fn needs_newer(present: &Protocol, wanted: &Protocol) -> bool {
    present.min_reader_version() < wanted.min_reader_version() || present.min_writer_version() < wanted.min_writer_version()
}
